//! Discrete Fourier transforms: which passes make one of a length, and what goes around them.

use smallvec::SmallVec;

use crate::autograd;
use crate::bail;
use crate::cuda::gpu::{Gpu, Kernel};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Sizes};
use crate::ops::arithmetic::mul;
use crate::ops::copy;
use crate::ops::cuda::places::{Divisor, int, launches};
use crate::ops::cuda::pointwise::{gpu_of, grid};
use crate::ops::cuda::template::{Instance, argument};
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/places.cu"), include_str!("../../cuda/kernels/fft.cu"));

const STAGES: usize = 11;
/// Radices of the steps in shared memory: `rn::run_stage` has each.
const RADICES: [usize; 8] = [13, 11, 7, 5, 3, 8, 4, 2];
/// Blocks to a multiprocessor from which on more make nothing faster: they fill its table of roots once.
const BLOCKS: usize = 16;
/// Bytes side by side that a pass over lines that are not contiguous reads at least.
const SIDE_BY_SIDE: usize = 32;

/// `rn::FftStage`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Stage {
    radix: i32,
    count: i32,
    done: i32,
    step: i32,
    fast: Divisor,
    by_done: Divisor,
}

/// `rn::FftPass`; R is the type of the numbers.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pass<R> {
    size: i32,
    columns: i32,
    tile: i32,
    element_stride: i32,
    column_stride: i32,
    conjugate_in: i32,
    conjugate_out: i32,
    flip: i32,
    turn: u32,
    fast: Divisor,
    ahead: Divisor,
    behind: Divisor,
    inner: Divisor,
    half: Divisor,
    scale: R,
    stages: i32,
    stage: [Stage; STAGES],
}

/// What a pass reads or writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Complex,
    /// Reads first halves of lines with Hermitian symmetry, for real numbers taken in pairs.
    FromHalf,
    /// Writes the first halves of lines, of real numbers taken in pairs.
    ToHalf,
}

/// The kernels other than passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    OfPairs,
    Mirror,
    ChirpLines,
    ChirpFilter,
    ChirpResults,
}

impl Step {
    pub const ALL: [Step; 5] =
        [Step::OfPairs, Step::Mirror, Step::ChirpLines, Step::ChirpFilter, Step::ChirpResults];
}

/// Lines: `outer` times `size` points, each `inner` apart.
#[derive(Clone, Copy)]
struct Lines {
    outer: usize,
    size: usize,
    inner: usize,
}

impl Lines {
    fn points(&self) -> usize {
        self.outer * self.size * self.inner
    }
}

/// What is done to points at the ends of a transform.
#[derive(Clone, Copy)]
struct Ends {
    conjugate_in: bool,
    conjugate_out: bool,
    /// Half lines are conjugated first.
    flip: bool,
    scale: f64,
}

impl Ends {
    fn of(inverse: bool, scale: f64) -> Ends {
        Ends { conjugate_in: inverse, conjugate_out: inverse, flip: false, scale }
    }
}

/// Points of a block: `rn::FFT_POINTS`.
fn room(dtype: DType) -> usize {
    if dtype == DType::C64 { 2048 } else { 1024 }
}

/// The radices of the steps of a size; `None` where a prime factor is too large.
fn radices(mut size: usize) -> Option<SmallVec<[usize; STAGES]>> {
    let mut found = SmallVec::new();
    for radix in RADICES {
        while size.is_multiple_of(radix) && size > 1 {
            found.push(radix);
            size /= radix;
        }
    }
    (size == 1).then_some(found)
}

/// `size` as `count` factors of at most `most`, as equal as may be.
fn split(size: usize, count: usize, most: usize) -> Option<Vec<usize>> {
    if count == 1 {
        return (size <= most).then(|| vec![size]);
    }
    let ideal = (size as f64).powf(1.0 / count as f64);
    let mut divisors: Vec<usize> = (2..=most).filter(|d| size.is_multiple_of(*d)).collect();
    let far = |d: usize| (d as f64 / ideal).ln().abs();
    divisors.sort_by(|&a, &b| far(a).total_cmp(&far(b)));
    divisors.into_iter().find_map(|d| {
        let mut rest = split(size / d, count - 1, most)?;
        rest.push(d);
        Some(rest)
    })
}

/// The sizes of the passes of a line; `None` where a prime factor is too large.
fn passes(size: usize, inner: usize, dtype: DType) -> Option<Vec<usize>> {
    radices(size)?;
    let room = room(dtype);
    if size <= room / inner.min(SIDE_BY_SIDE / dtype.size()) {
        return Some(vec![size]);
    }
    (2..=4).find_map(|count| split(size, count, room * dtype.size() / SIDE_BY_SIDE))
}

/// The least length without large prime factors that a convolution of `size` points fits in.
fn convolution_size(size: usize) -> usize {
    let least = 2 * size - 1;
    [1, 3, 5, 7, 9, 15]
        .iter()
        .map(|odd| odd * least.div_ceil(*odd).next_power_of_two())
        .min()
        .unwrap_or(least)
}

/// Starts a kernel of `n` threads.
fn start(
    gpu: &Gpu,
    kernel: Kernel,
    n: usize,
    places: &mut [u64],
    rest: &mut [*mut std::ffi::c_void],
) -> Result<()> {
    let mut arguments: SmallVec<[_; 10]> = places.iter_mut().map(argument).collect();
    arguments.extend(rest.iter().copied());
    // SAFETY: callers give the parameters of the instance, and tensors with as many points as it reaches.
    unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments) }
}

/// One pass over all lines of `from`, `done` points of each having been brought together by those before.
fn pass(
    from: &Tensor,
    to: &Tensor,
    kind: Kind,
    lines: Lines,
    size: usize,
    done: usize,
    ends: Ends,
) -> Result<()> {
    let gpu = gpu_of(to)?;
    let dtype = to.dtype().to_complex();
    let Lines { outer, size: whole, inner } = lines;
    let (ahead, behind) = (whole / size * inner, done * inner);
    let side_by_side = ahead == 1;
    let columns = outer * ahead;
    let few = columns.div_ceil(2 * gpu.properties.multiprocessors.max(1) as usize);
    let least = if side_by_side { 1 } else { SIDE_BY_SIDE / dtype.size() };
    let tile = (room(dtype) / size).min(few.max(least)).min(columns);
    let mut stage = [Stage::default(); STAGES];
    let Some(radices) = radices(size).filter(|r| r.len() <= STAGES) else {
        bail!(Unsupported, "a transform of {whole} points is not implemented for CUDA tensors");
    };
    let mut together = 1;
    for (stage, &radix) in stage.iter_mut().zip(&radices) {
        let count = size / radix;
        *stage = Stage {
            radix: radix as i32,
            count: count as i32,
            done: together as i32,
            step: (count / together) as i32,
            fast: Divisor::of(if side_by_side { count } else { tile } as i32),
            by_done: Divisor::of(together as i32),
        };
        together *= radix;
    }
    // As many blocks to a multiprocessor as the registers of large radices allow.
    let together = if dtype == DType::C64 { 4 } else { 2 };
    let kernel = instance(dtype, kind, |i| i.kernel_for(gpu, together))?;
    let half = whole + 1;
    let each = |t: Kind, other: usize| if kind == t { half } else { other } * dtype.size();
    for (first, planes) in launches(outer, (whole + 1) * inner)? {
        let columns = planes * ahead;
        let pass = Pass {
            size: int(size as i64)?,
            columns: int(columns as i64)?,
            tile: tile as i32,
            element_stride: if side_by_side { 1 } else { tile as i32 },
            column_stride: if side_by_side { size as i32 } else { 1 },
            conjugate_in: i32::from(ends.conjugate_in),
            conjugate_out: i32::from(ends.conjugate_out),
            flip: i32::from(ends.flip),
            turn: if done > 1 { (size * done) as u32 } else { 0 },
            fast: Divisor::of(if side_by_side { size } else { tile } as i32),
            ahead: Divisor::of(int(ahead as i64)?),
            behind: Divisor::of(int(behind as i64)?),
            inner: Divisor::of(int(inner as i64)?),
            half: Divisor::of(int(half as i64)?),
            scale: ends.scale,
            stages: radices.len() as i32,
            stage,
        };
        let blocks = columns.div_ceil(tile).min(BLOCKS * gpu.properties.multiprocessors.max(1) as usize);
        let at = |t: &Tensor, bytes: usize| t.device_address() + (first * bytes) as u64;
        let mut places =
            [at(to, each(Kind::ToHalf, whole * inner)), at(from, each(Kind::FromHalf, whole * inner))];
        let [y, x] = &mut places;
        let mut launch = |pass: *mut std::ffi::c_void| {
            // SAFETY: the instance was made for this dtype; the lines lie within both tensors.
            unsafe { gpu.launch(kernel, [blocks as u32, 1, 1], 256, &mut [argument(y), argument(x), pass]) }
        };
        if dtype == DType::C64 {
            launch(argument(&mut single(pass)))?;
        } else {
            launch(argument(&mut { pass }))?;
        }
    }
    Ok(())
}

/// With the scale as kernels for single precision take it.
fn single(p: Pass<f64>) -> Pass<f32> {
    Pass {
        size: p.size,
        columns: p.columns,
        tile: p.tile,
        element_stride: p.element_stride,
        column_stride: p.column_stride,
        conjugate_in: p.conjugate_in,
        conjugate_out: p.conjugate_out,
        flip: p.flip,
        turn: p.turn,
        fast: p.fast,
        ahead: p.ahead,
        behind: p.behind,
        inner: p.inner,
        half: p.half,
        scale: p.scale as f32,
        stages: p.stages,
        stage: p.stage,
    }
}

/// Transforms lines of contiguous points, in place where `own` allows that and one pass does it.
fn transform(from: &Tensor, own: bool, kind: Kind, lines: Lines, dtype: DType, ends: Ends) -> Result<Tensor> {
    let sizes = [lines.outer, lines.size, lines.inner];
    let Some(passes) = passes(lines.size, lines.inner, dtype) else {
        return by_chirps(from, lines, dtype, ends);
    };
    let last = passes.len() - 1;
    let (mut value, mut done) = (from.clone(), 1);
    for (i, &size) in passes.iter().enumerate() {
        let (first, end) = (i == 0, i == last);
        let kind = if first { kind } else { Kind::Complex };
        let to = match kind {
            Kind::ToHalf => Tensor::empty(&[lines.outer, lines.size + 1], dtype)?,
            Kind::Complex if own && last == 0 => value.clone(),
            _ => Tensor::empty(&sizes, dtype)?,
        };
        let here = Ends {
            conjugate_in: ends.conjugate_in && first,
            conjugate_out: ends.conjugate_out && end,
            flip: ends.flip,
            scale: if end { ends.scale } else { 1.0 },
        };
        pass(&value, &to, kind, lines, size, done, here)?;
        (value, done) = (to, done * size);
    }
    Ok(value)
}

/// A transform of any length as a convolution.
fn by_chirps(from: &Tensor, lines: Lines, dtype: DType, ends: Ends) -> Result<Tensor> {
    let gpu = gpu_of(from)?;
    let Lines { outer, size, inner } = lines;
    let whole = convolution_size(size);
    let side_by_side = Lines { outer: outer * inner, size: whole, inner: 1 };
    let mut by_whole = Divisor::of(int(whole as i64)?);
    let mut by_inner = Divisor::of(int(inner as i64)?);
    let (mut n, mut points, mut width) = (int(side_by_side.points() as i64)?, size as i32, whole as i32);
    let (mut conjugate_in, mut conjugate_out) = (i32::from(ends.conjugate_in), i32::from(ends.conjugate_out));

    let filter = Tensor::empty(&[1, whole, 1], dtype)?;
    let kernel = step_instance(dtype, Step::ChirpFilter, |i| i.kernel(gpu))?;
    start(
        gpu,
        kernel,
        whole,
        &mut [filter.device_address()],
        &mut [argument(&mut width), argument(&mut points)],
    )?;
    let forward = Ends::of(false, 1.0);
    let one = Lines { outer: 1, ..side_by_side };
    let filter = transform(&filter, true, Kind::Complex, one, dtype, forward)?;

    let spread = Tensor::empty(&[outer * inner, whole, 1], dtype)?;
    let kernel = step_instance(dtype, Step::ChirpLines, |i| i.kernel(gpu))?;
    let mut rest = [
        argument(&mut n),
        argument(&mut by_whole),
        argument(&mut by_inner),
        argument(&mut points),
        argument(&mut conjugate_in),
    ];
    let mut places = [spread.device_address(), from.device_address()];
    start(gpu, kernel, spread.numel(), &mut places, &mut rest)?;
    let spread = transform(&spread, true, Kind::Complex, side_by_side, dtype, forward)?;
    let product = autograd::no_grad(|| mul(&spread, &filter))?;
    let back = Ends::of(true, 1.0 / whole as f64);
    let product = transform(&product, true, Kind::Complex, side_by_side, dtype, back)?;

    let out = Tensor::empty(&[outer, size, inner], dtype)?;
    let kernel = step_instance(dtype, Step::ChirpResults, |i| i.kernel(gpu))?;
    let (mut n, mut by_size) = (int(out.numel() as i64)?, Divisor::of(points));
    let (mut scale, mut scale_single) = (ends.scale, ends.scale as f32);
    let mut rest = [
        argument(&mut n),
        argument(&mut by_size),
        argument(&mut by_inner),
        argument(&mut width),
        argument(&mut conjugate_out),
        if dtype == DType::C64 { argument(&mut scale_single) } else { argument(&mut scale) },
    ];
    let mut places = [out.device_address(), product.device_address()];
    start(gpu, kernel, out.numel(), &mut places, &mut rest)?;
    Ok(out)
}

/// A contiguous tensor with the dimensions of `x` in another order, and whether it is a copy.
fn in_order(x: &Tensor, order: &[usize]) -> Result<(Tensor, bool)> {
    let turned = x.alias(x.layout().permute(order));
    if turned.is_contiguous() {
        return Ok((turned, false));
    }
    let out = Tensor::empty(turned.sizes(), x.dtype())?;
    copy::write(&out, &turned)?;
    Ok((out, true))
}

fn shaped(x: &Tensor, sizes: &[usize]) -> Tensor {
    x.alias(Layout::contiguous(sizes))
}

/// Transforms contiguous points along the dimensions from `first` up to `end`.
fn along(x: Tensor, mut own: bool, first: usize, end: usize, inverse: bool, scale: f64) -> Result<Tensor> {
    let sizes: Sizes = x.sizes().into();
    let dims: SmallVec<[usize; 4]> = (first..end).rev().filter(|&d| sizes[d] > 1).collect();
    let mut x = x;
    for (i, &d) in dims.iter().enumerate() {
        let inner = sizes[d + 1..].iter().product();
        let lines = Lines { outer: sizes[..d].iter().product(), size: sizes[d], inner };
        let scale = if i + 1 == dims.len() { scale } else { 1.0 };
        x = transform(&x, own, Kind::Complex, lines, x.dtype(), Ends::of(inverse, scale))?;
        own = true;
    }
    match dims.is_empty() {
        true if scale != 1.0 => autograd::no_grad(|| mul(&x, scale)),
        true if !own => copy::clone(&x),
        _ => Ok(shaped(&x, &sizes)),
    }
}

/// `x` with its dimensions in `order`, the last ones of which from `first` on are transformed.
pub fn complex_to_complex(
    x: &Tensor,
    order: &[usize],
    first: usize,
    inverse: bool,
    scale: f64,
) -> Result<Tensor> {
    let (x, own) = in_order(x, order)?;
    if x.numel() == 0 {
        return Tensor::empty(x.sizes(), x.dtype());
    }
    let ndim = x.ndim();
    along(x, own, first, ndim, inverse, scale)
}

/// The same of real numbers: half of the points of the last dimension remain.
pub fn real_to_half(x: &Tensor, order: &[usize], first: usize, inverse: bool, scale: f64) -> Result<Tensor> {
    let last = x.ndim() - 1;
    let (mut x, _) = in_order(x, order)?;
    let dtype = x.dtype().to_complex();
    let (size, mut sizes): (usize, Sizes) = (x.size(last), x.sizes().into());
    sizes[last] = size / 2 + 1;
    let outer = sizes[..last].iter().product();
    if x.numel() == 0 {
        return Tensor::empty(&sizes, dtype);
    }
    if !size.is_multiple_of(2) {
        let whole = along(copy::to_dtype(&x, dtype)?, true, last, last + 1, inverse, scale)?;
        let mut first_half = whole.layout().clone();
        first_half.sizes[last] = sizes[last];
        return along(copy::contiguous(&whole.alias(first_half))?, true, first, last, inverse, 1.0);
    }
    // Points are read two numbers at once.
    if !x.device_address().is_multiple_of(dtype.size() as u64) {
        x = copy::clone(&x)?;
    }
    let lines = Lines { outer, size: size / 2, inner: 1 };
    let ends = Ends { conjugate_in: false, conjugate_out: inverse, flip: false, scale };
    let half = if passes(lines.size, 1, dtype).is_some_and(|p| p.len() == 1) {
        transform(&x, false, Kind::ToHalf, lines, dtype, ends)?
    } else {
        let pairs = transform(&x, false, Kind::Complex, lines, dtype, Ends::of(false, 1.0))?;
        of_pairs(&pairs, lines, ends)?
    };
    along(shaped(&half, &sizes), true, first, last, inverse, 1.0)
}

/// First halves from the transforms of real numbers in pairs.
fn of_pairs(pairs: &Tensor, lines: Lines, ends: Ends) -> Result<Tensor> {
    let gpu = gpu_of(pairs)?;
    let dtype = pairs.dtype();
    let out = Tensor::empty(&[lines.outer, lines.size + 1], dtype)?;
    let kernel = step_instance(dtype, Step::OfPairs, |i| i.kernel(gpu))?;
    let (mut scale, mut scale_single) = (ends.scale, ends.scale as f32);
    let mut half = Divisor::of(int(lines.size as i64 + 1)?);
    let mut conjugate = i32::from(ends.conjugate_out);
    for (first, planes) in launches(lines.outer, lines.size + 1)? {
        let mut n = (planes * (lines.size + 1)) as i32;
        let at = |t: &Tensor, each: usize| t.device_address() + (first * each * dtype.size()) as u64;
        let mut places = [at(&out, lines.size + 1), at(pairs, lines.size)];
        let mut rest = [
            argument(&mut n),
            argument(&mut half),
            argument(&mut conjugate),
            if dtype == DType::C64 { argument(&mut scale_single) } else { argument(&mut scale) },
        ];
        start(gpu, kernel, planes * (lines.size + 1), &mut places, &mut rest)?;
    }
    Ok(out)
}

/// Transforms where the last dimension holds half a line with Hermitian symmetry, to `size` real numbers.
pub fn half_to_real(
    x: &Tensor,
    order: &[usize],
    first: usize,
    size: usize,
    inverse: bool,
    scale: f64,
) -> Result<Tensor> {
    let last = x.ndim() - 1;
    let (x, own) = in_order(x, order)?;
    let mut sizes: Sizes = x.sizes().into();
    sizes[last] = size;
    let real = x.dtype().to_real();
    if sizes.contains(&0) {
        return Tensor::empty(&sizes, real);
    }
    let outer = sizes[..last].iter().product();
    let x = along(x, own || last == first, first, last, inverse, 1.0)?;
    let pairs = Lines { outer, size: size / 2, inner: 1 };
    if size.is_multiple_of(2) && passes(pairs.size, 1, x.dtype()).is_some() {
        let ends = Ends { conjugate_in: true, conjugate_out: true, flip: !inverse, scale };
        let points = transform(&x, false, Kind::FromHalf, pairs, x.dtype(), ends)?;
        return Ok(points.alias_as(Layout::contiguous(&sizes), real));
    }
    let gpu = gpu_of(&x)?;
    let whole = Tensor::empty(&sizes, x.dtype())?;
    let kernel = step_instance(x.dtype(), Step::Mirror, |i| i.kernel(gpu))?;
    let mut by_size = Divisor::of(int(size as i64)?);
    for (first, planes) in launches(outer, size)? {
        let mut n = (planes * size) as i32;
        let at = |t: &Tensor, each: usize| t.device_address() + (first * each * x.dtype().size()) as u64;
        let mut places = [at(&whole, size), at(&x, size / 2 + 1)];
        start(gpu, kernel, planes * size, &mut places, &mut [argument(&mut n), argument(&mut by_size)])?;
    }
    copy::to_dtype(&along(whole, true, last, last + 1, inverse, scale)?, real)
}

fn real_type(dtype: DType) -> &'static str {
    if dtype == DType::C64 { "float" } else { "double" }
}

/// The kernel of a pass.
pub fn instance<R>(dtype: DType, kind: Kind, then: impl FnOnce(&Instance) -> R) -> R {
    let r = real_type(dtype);
    let name = match kind {
        Kind::Complex => "FFT_COMPLEX",
        Kind::FromHalf => "FFT_FROM_HALF",
        Kind::ToHalf => "FFT_TO_HALF",
    };
    then(&Instance {
        text: TEXT,
        function: "fft_pass",
        types: &|| format!("rn::{name}, {r}"),
        parameters: &|| format!("{r}* y, const {r}* x, rn::FftPass<{r}> pass"),
        variant: &[dtype as u8, kind as u8],
    })
}

/// The kernel of another step.
pub fn step_instance<R>(dtype: DType, step: Step, then: impl FnOnce(&Instance) -> R) -> R {
    let r = real_type(dtype);
    let (function, rest) = match step {
        Step::OfPairs => {
            ("fft_of_pairs", format!("const {r}* x, int n, rn::Divisor half, int conjugate, {r} scale"))
        }
        Step::Mirror => ("fft_mirror", format!("const {r}* x, int n, rn::Divisor size")),
        Step::ChirpLines => (
            "chirp_lines",
            format!("const {r}* x, int n, rn::Divisor whole, rn::Divisor inner, int size, int conjugate"),
        ),
        Step::ChirpFilter => ("chirp_filter", "int whole, int size".to_owned()),
        Step::ChirpResults => (
            "chirp_results",
            format!(
                "const {r}* x, int n, rn::Divisor points, rn::Divisor inner, int whole, int conjugate, {r} scale"
            ),
        ),
    };
    then(&Instance {
        text: TEXT,
        function,
        types: &|| r.to_owned(),
        parameters: &|| format!("{r}* y, {rest}"),
        variant: &[dtype as u8, step as u8],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_make_up_lengths() {
        for dtype in [DType::C64, DType::C128] {
            for size in (1..5000).chain([8192, 65_536, 1 << 20, 1 << 24, 742_586, 3_000_000, 48_828_125]) {
                for inner in [1, 2, 3, 100] {
                    let Some(passes) = passes(size, inner, dtype) else {
                        assert!(radices(size).is_none(), "{size}");
                        continue;
                    };
                    assert_eq!(passes.iter().product::<usize>(), size);
                    let single = passes.len() == 1;
                    let side = if single { inner.min(32 / dtype.size()) } else { 32 / dtype.size() };
                    assert!(passes.iter().all(|p| p * side <= room(dtype)), "{size} {passes:?}");
                    assert!(passes.iter().all(|&p| radices(p).is_some_and(|r| r.len() <= STAGES)));
                }
            }
        }
    }

    #[test]
    fn convolutions_have_room() {
        for size in 1..3000 {
            let whole = convolution_size(size);
            assert!(whole >= 2 * size - 1 && whole < 4 * size && radices(whole).is_some());
        }
    }
}
