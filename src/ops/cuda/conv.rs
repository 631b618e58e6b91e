//! Convolutions: the three sides of them, as `conv_kernel` has them for the host.

use crate::bail;
use crate::cpu::reduce::Reduction;
use crate::cuda::formula::{computed, stored};
use crate::cuda::gpu::{Gpu, Kernel};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Sizes, Strides};
use crate::ops::conv_kernel::{Geometry, volume};
use crate::ops::cuda::matmul::{Tiling, narrow};
use crate::ops::cuda::places::{Divisor, each, int};
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::reduce;
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::ops::{arithmetic, copy, creation, view};
use crate::tensor::Tensor;

const TEXT: &str = concat!(
    include_str!("../../cuda/kernels/reduce.cu"),
    include_str!("../../cuda/kernels/tile.cu"),
    include_str!("../../cuda/kernels/places.cu"),
    include_str!("../../cuda/kernels/conv.cu")
);

/// Rows of a group up to which a tile would be mostly empty.
const FEW: usize = 4;

/// `rn::Window`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Window {
    image: i64,
    channel: i64,
    result: i64,
    plane: i64,
    group: i64,
    all: i64,
    size: [i32; 3],
    start: [i32; 3],
    step: [i32; 3],
    tap_step: [i32; 3],
    first: [i32; 3],
    every: [i32; 3],
    written: [i32; 3],
    row_step: [i32; 3],
    scatters: i32,
    results: [Divisor; 3],
    taps: [Divisor; 3],
    row_taps: [Divisor; 3],
    columns: i32,
    rows: i32,
    depth: i32,
    part: i32,
    parts: i32,
    vectors: i32,
}

/// A convolution along one axis: what its windows read, and where results are written.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    start: i64,
    step: usize,
    tap_step: i64,
    first: i64,
    every: usize,
    written: usize,
    results: usize,
    taps: usize,
}

/// What is convolved with what: n images, groups, and of a group the channels that are read and written.
struct Sides {
    n: usize,
    groups: usize,
    channels: usize,
    rows: usize,
}

impl Window {
    fn of(axes: &[Axis; 3], s: &Sides) -> Result<Window> {
        let volume = |of: fn(&Axis) -> usize| axes.iter().map(of).product::<usize>();
        let (read, written) = (volume(|a| a.size), volume(|a| a.written));
        let [columns, rows, depth] =
            narrow([s.n * volume(|a| a.results), s.rows, s.channels * volume(|a| a.taps)])?;
        let small = |value: usize| int(value as i64);
        Ok(Window {
            image: (s.groups * s.channels * read) as i64,
            channel: read as i64,
            result: (s.groups * s.rows * written) as i64,
            plane: written as i64,
            group: (s.rows * written) as i64,
            all: (s.n * s.groups * s.rows * written) as i64,
            size: each(axes, |a| small(a.size))?,
            start: each(axes, |a| int(a.start))?,
            // A single result has no next one, however large the stride.
            step: each(axes, |a| if a.results > 1 { small(a.step) } else { Ok(0) })?,
            tap_step: each(axes, |a| if a.taps > 1 { int(a.tap_step) } else { Ok(0) })?,
            first: each(axes, |a| int(a.first))?,
            every: each(axes, |a| if a.results > 1 { small(a.every) } else { Ok(0) })?,
            written: each(axes, |a| small(a.written))?,
            results: each(axes, |a| Ok(Divisor::of(small(a.results)?)))?,
            taps: each(axes, |a| Ok(Divisor::of(small(a.taps)?)))?,
            columns,
            rows,
            depth,
            part: depth,
            parts: 1,
            ..Window::default()
        })
    }

    fn cut(&mut self, tiling: Tiling) -> Result<()> {
        [self.part, self.parts] = narrow([tiling.part, tiling.parts])?;
        Ok(())
    }
}

/// The output, fresh and contiguous, of the sizes `out`.
pub fn forward(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: Geometry,
    out: &[usize],
) -> Result<Tensor> {
    let y = Tensor::empty(out, x.dtype())?;
    if y.numel() == 0 {
        return Ok(y);
    }
    let (input, kernel, written) = (volume(x.sizes()), volume(weight.sizes()), volume(out));
    let axis = |i: usize| Axis {
        size: input[i],
        start: -(g.padding[i] as i64),
        step: g.stride[i],
        tap_step: g.dilation[i] as i64,
        first: 0,
        every: 1,
        written: written[i],
        results: written[i],
        taps: kernel[i],
    };
    let sides =
        Sides { n: out[0], groups: g.groups, channels: weight.size(1), rows: weight.size(0) / g.groups };
    let window = Window::of(&[axis(0), axis(1), axis(2)], &sides)?;
    let bias = bias.map(|b| copy::contiguous(&b.detached())).transpose()?;
    run(&y, x, &copy::contiguous(&weight.detached())?, bias.as_ref(), window, &sides, true)?;
    Ok(y)
}

/// Writes what a window makes of `x`; `whole` says that it writes all of `y`. The kernel has, contiguous, a row
/// of channels and taps for every row of every group.
fn run(
    y: &Tensor,
    x: &Tensor,
    kernel: &Tensor,
    bias: Option<&Tensor>,
    mut window: Window,
    sides: &Sides,
    whole: bool,
) -> Result<()> {
    let gpu = gpu_of(y)?;
    let dtype = y.dtype();
    let x = copy::contiguous(&x.detached())?;
    let (rows, columns, depth) = (window.rows as usize, window.columns as usize, window.depth as usize);
    let mut places = [
        y.device_address(),
        x.device_address(),
        kernel.device_address(),
        bias.map_or(0, Tensor::device_address),
    ];
    if sides.groups > 65_535 {
        bail!(Unsupported, "convolutions of more than 65,535 groups are not implemented for CUDA tensors");
    }
    if window.scatters == 0 && rows <= FEW {
        let each = rows.next_power_of_two();
        let function = few_instance(dtype, each, |i| i.kernel(gpu))?;
        let grid = [columns.div_ceil(256) as u32, sides.groups as u32, 1];
        return launch(gpu, function, grid, &mut places, &mut window);
    }
    let tiling = Tiling::choose(gpu, dtype, [rows, columns, depth], sides.groups, whole);
    window.cut(tiling)?;
    window.vectors = i32::from(depth.is_multiple_of(8) && kernel.device_address().is_multiple_of(16));
    let grid = [tiling.tiles(rows, columns)?, tiling.parts as u32, sides.groups as u32];
    if tiling.parts == 1 {
        let function = instance(dtype, dtype, tiling, false, |i| i.kernel_for(gpu, tiling.blocks()))?;
        return launch(gpu, function, grid, &mut places, &mut window);
    }
    let wide = computed(dtype);
    let partial = Tensor::empty(&[tiling.parts, y.numel()], wide)?;
    (places[0], places[3]) = (partial.device_address(), 0);
    let function = instance(dtype, wide, tiling, false, |i| i.kernel_for(gpu, tiling.blocks()))?;
    launch(gpu, function, grid, &mut places, &mut window)?;
    reduce::reduce(y, &partial, Reduction::Sum, 1)?;
    if let Some(bias) = bias {
        let mut along: Sizes = Sizes::from_elem(1, y.ndim() - 1);
        along[0] = bias.numel();
        arithmetic::add_(y, &view::reshape_to(bias, &along)?)?;
    }
    Ok(())
}

fn launch(
    gpu: &Gpu,
    kernel: Kernel,
    grid: [u32; 3],
    places: &mut [u64; 4],
    window: &mut Window,
) -> Result<()> {
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.push(argument(window));
    // SAFETY: the instance was made for the dtypes of these contiguous tensors, whose sizes the window has.
    unsafe { gpu.launch(kernel, grid, 256, &mut arguments) }
}

/// Taps along an axis that lead to the places of one remainder modulo the stride: the first, the distance between
/// them, and how many there are.
fn taps_of(remainder: usize, kernel: usize, g: &Geometry, i: usize) -> (usize, usize, usize) {
    let (stride, dilation) = (g.stride[i], g.dilation[i]);
    // Taps lead to the same remainder again after as many steps of the dilation as make whole strides.
    let (mut divisor, mut rest) = (stride, dilation);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let every = stride / divisor;
    let from = (remainder + g.padding[i]) as i128;
    let leads = |t: &usize| (from - *t as i128 * dilation as i128).rem_euclid(stride as i128) == 0;
    match (0..kernel.min(every)).find(leads) {
        Some(first) => (first, every, (kernel - first).div_ceil(every)),
        None => (0, every, 0),
    }
}

/// What `gy` says about the input.
pub fn input_gradient(gy: &Tensor, weight: &Tensor, x_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    let (read, kernel, written) = (volume(gy.sizes()), volume(weight.sizes()), volume(x_sizes));
    let (rows, channels) = (weight.size(1), weight.size(0) / g.groups);
    let kernel_of = |taps: [(usize, usize, usize); 3], taps_last: bool| -> Result<Tensor> {
        // (groups, channels, rows, taps ...) of the weight, a row of the result for each row.
        let weight = copy::contiguous(&weight.detached())?;
        let volume: usize = kernel.iter().product();
        let across = [kernel[1] * kernel[2], kernel[2], 1];
        let sizes = [g.groups, rows, channels];
        let strides = [channels * rows * volume, volume, rows * volume];
        let (mut to, mut by): (Sizes, Vec<usize>) = (sizes.into_iter().collect(), strides.to_vec());
        let mut offset = weight.layout().offset;
        for (i, (first, every, count)) in taps.into_iter().enumerate() {
            // Behind the channels, or before them.
            let at = if taps_last { to.len() } else { 2 + i };
            to.insert(at, count);
            by.insert(at, every * across[i]);
            offset += first * across[i];
        }
        let strides: Strides = by.into_iter().map(|s| s as isize).collect();
        copy::contiguous_copy(&weight.alias(Layout { sizes: to, strides, offset }))
    };
    let n = x_sizes[0];
    let apart = (0..3).all(|i| (kernel[i] - 1) * g.dilation[i] < g.stride[i]);
    if apart && (0..3).any(|i| kernel[i] > 1) {
        // Windows do not overlap: every tap is a row of the product, with places of its own.
        let gx = creation::zeros(x_sizes, gy.dtype())?;
        let axis = |i: usize| Axis {
            size: read[i],
            start: 0,
            step: 1,
            tap_step: 0,
            first: -(g.padding[i] as i64),
            every: g.stride[i],
            written: written[i],
            results: read[i],
            taps: 1,
        };
        let sides = Sides { n, groups: g.groups, channels, rows };
        let mut window = Window::of(&[axis(0), axis(1), axis(2)], &sides)?;
        [window.rows] = narrow([rows * kernel.iter().product::<usize>()])?;
        window.scatters = 1;
        window.row_step = each(&g.dilation, |&d| int(d as i64))?;
        window.row_taps = each(&kernel, |&k| Ok(Divisor::of(int(k as i64)?)))?;
        let all = [0, 1, 2].map(|i| (0, 1, kernel[i]));
        run(&gx, gy, &kernel_of(all, false)?, None, window, &sides, false)?;
        return Ok(gx);
    }
    // Places of one remainder modulo the stride are a dense convolution with some of the taps.
    let remainders = [0, 1, 2].map(|i| g.stride[i].min(written[i]));
    let found: Vec<[(usize, usize, usize); 3]> = (0..remainders.iter().product())
        .map(|at: usize| {
            let of =
                [at / remainders[2] / remainders[1], at / remainders[2] % remainders[1], at % remainders[2]];
            [0, 1, 2].map(|i| taps_of(of[i], kernel[i], &g, i))
        })
        .collect();
    let complete = found.iter().flatten().all(|&(_, _, count)| count > 0);
    let gx =
        if complete { Tensor::empty(x_sizes, gy.dtype())? } else { creation::zeros(x_sizes, gy.dtype())? };
    for (at, taps) in found.iter().enumerate() {
        if taps.iter().any(|&(_, _, count)| count == 0) {
            continue;
        }
        let of = [at / remainders[2] / remainders[1], at / remainders[2] % remainders[1], at % remainders[2]];
        let axis = |i: usize| {
            let (first, every, count) = taps[i];
            let (stride, dilation) = (g.stride[i] as i64, g.dilation[i] as i64);
            Axis {
                size: read[i],
                start: ((of[i] + g.padding[i]) as i64 - first as i64 * dilation) / stride,
                step: 1,
                tap_step: -(every as i64 * dilation / stride),
                first: of[i] as i64,
                every: g.stride[i],
                written: written[i],
                results: (written[i] - of[i]).div_ceil(g.stride[i]),
                taps: count,
            }
        };
        let sides = Sides { n, groups: g.groups, channels, rows };
        let window = Window::of(&[axis(0), axis(1), axis(2)], &sides)?;
        run(&gx, gy, &kernel_of(*taps, true)?, None, window, &sides, found.len() == 1)?;
    }
    Ok(gx)
}

/// What `gy` says about the weight. Long sums are cut by sizes alone and added in order: results repeat.
pub fn weight_gradient(x: &Tensor, gy: &Tensor, w_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    let gpu = gpu_of(gy)?;
    let dtype = gy.dtype();
    let (input, kernel, results) = (volume(x.sizes()), volume(w_sizes), volume(gy.sizes()));
    let axis = |i: usize| Axis {
        size: input[i],
        start: -(g.padding[i] as i64),
        step: g.stride[i],
        tap_step: g.dilation[i] as i64,
        first: 0,
        every: 1,
        written: results[i],
        results: results[i],
        taps: kernel[i],
    };
    let (rows, channels) = (w_sizes[0] / g.groups, w_sizes[1]);
    let sides = Sides { n: x.size(0), groups: g.groups, channels, rows };
    let mut window = Window::of(&[axis(0), axis(1), axis(2)], &sides)?;
    let (columns, depth) = (window.columns as usize, window.depth as usize);
    let (x, slopes) = (copy::contiguous(&x.detached())?, copy::contiguous(&gy.detached())?);
    let gw = Tensor::empty(w_sizes, dtype)?;
    if g.groups > 65_535 && rows > FEW {
        bail!(Unsupported, "convolutions of more than 65,535 groups are not implemented for CUDA tensors");
    }
    let few = rows <= FEW && channels <= FEW;
    let mut tiling = Tiling::choose(gpu, dtype, [rows, depth, columns], g.groups, true);
    if few {
        // Blocks that keep a large GPU busy, each with enough to do.
        let parts = (1024 / gw.numel()).min(columns / 4096).clamp(1, 256);
        tiling.part = columns.div_ceil(parts).max(1);
        tiling.parts = columns.div_ceil(tiling.part);
    }
    window.cut(tiling)?;
    let to = if tiling.parts > 1 { computed(dtype) } else { dtype };
    let partial = if tiling.parts > 1 { Some(Tensor::empty(&[tiling.parts, gw.numel()], to)?) } else { None };
    let mut places =
        [partial.as_ref().unwrap_or(&gw).device_address(), slopes.device_address(), x.device_address()];
    let mut plane = Divisor::of(int(results.iter().product::<usize>() as i64)?);
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut plane), argument(&mut window)]);
    let (kernel, grid) = if few {
        let function = few_weight_instance(dtype, to, |i| i.kernel(gpu))?;
        (function, [gw.numel() as u32, tiling.parts as u32, 1])
    } else {
        let function = instance(dtype, to, tiling, true, |i| i.kernel_for(gpu, tiling.blocks()))?;
        (function, [tiling.tiles(rows, depth)?, tiling.parts as u32, g.groups as u32])
    };
    // SAFETY: the instance was made for the dtypes of these contiguous tensors, whose sizes the window has.
    unsafe { gpu.launch(kernel, grid, 256, &mut arguments)? };
    if let Some(partial) = partial {
        reduce::reduce(&gw, &partial, Reduction::Sum, 1)?;
    }
    Ok(gw)
}

/// The kernel of a convolution, or of the gradient of its weight, by tiles.
pub fn instance<R>(
    dtype: DType,
    to: DType,
    tiling: Tiling,
    weight: bool,
    then: impl FnOnce(&Instance) -> R,
) -> R {
    let Tiling { mma, r, .. } = tiling;
    then(&Instance {
        text: TEXT,
        function: if weight { "convolve_weight" } else { "convolve" },
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{mma}, {r}, {computed}, {element}, {}", stored(to))
        },
        parameters: &|| {
            let (e, o) = (stored(dtype), stored(to));
            if weight {
                format!("{o}* gw, const {e}* gy, const {e}* x, rn::Divisor plane, rn::Window w")
            } else {
                format!("{o}* y, const {e}* x, const {e}* kernel, const {e}* bias, rn::Window w")
            }
        },
        variant: &[dtype as u8, to as u8, mma as u8, r as u8, weight as u8],
    })
}

/// The kernel of a convolution whose groups have few rows.
pub fn few_instance<R>(dtype: DType, rows: usize, then: impl FnOnce(&Instance) -> R) -> R {
    then(&Instance {
        text: TEXT,
        function: "convolve_few",
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{rows}, {computed}, {element}")
        },
        parameters: &|| {
            let e = stored(dtype);
            format!("{e}* y, const {e}* x, const {e}* kernel, const {e}* bias, rn::Window w")
        },
        variant: &[dtype as u8, rows as u8],
    })
}

/// The kernel of its weight's gradient.
pub fn few_weight_instance<R>(dtype: DType, to: DType, then: impl FnOnce(&Instance) -> R) -> R {
    then(&Instance {
        text: TEXT,
        function: "convolve_weight_few",
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{computed}, {element}, {}", stored(to))
        },
        parameters: &|| {
            let (e, o) = (stored(dtype), stored(to));
            format!("{o}* gw, const {e}* gy, const {e}* x, rn::Divisor plane, rn::Window w")
        },
        variant: &[dtype as u8, to as u8],
    })
}
