//! Random numbers on a GPU. Who draws what is laid out as PyTorch's generator for CUDA has it, so that a seed gives
//! the numbers that it gives there on a card of the same kind; nobody has compared them on a card yet.

use smallvec::{SmallVec, smallvec};

use crate::autograd;
use crate::bail;
use crate::cpu::pointwise::Formula;
use crate::cuda::formula::{computed, stored};
use crate::cuda::gpu::Gpu;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::memory_order;
use crate::ops::copy;
use crate::ops::cuda::pointwise::{gpu_of, grid, launch};
use crate::ops::cuda::template::{Instance, argument, computed_type, types_of};
use crate::ops::pointwise::Arg;
use crate::random::{Generator, take};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/random.cu");

const REJECTION: &str =
    concat!(include_str!("../../cuda/kernels/random.cu"), include_str!("../../cuda/kernels/rejection.cu"));

const THREADS: u64 = 256;
/// Numbers of 32 bits that a call of Philox gives.
const WORDS: u64 = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    Uniform,
    Normal,
    LogNormal,
    Exponential,
    Geometric,
    Cauchy,
    Bernoulli,
}

/// Those that are drawn by rejection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    Poisson,
    Gamma,
    Binomial,
}

/// Blocks for `n` elements, and how many numbers each thread takes from the stream, `at_once` by a call of Philox.
fn geometry(gpu: &Gpu, n: u64, at_once: u64) -> ([u32; 3], u64) {
    let p = &gpu.properties;
    let most = p.multiprocessors as u64 * (p.threads_per_multiprocessor as u64 / THREADS);
    let blocks = n.div_ceil(THREADS).min(most.max(1));
    ([blocks as u32, 1, 1], n.div_ceil(THREADS * blocks * at_once) * WORDS)
}

/// What computing in a type takes: single precision but for float64, integers too.
fn precision(dtype: DType) -> DType {
    if dtype.to_real() == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Runs `body` on a contiguous tensor of the same elements, in the order of memory.
fn in_memory_order(t: &Tensor, body: impl FnOnce(&Tensor) -> Result<()>) -> Result<()> {
    if t.numel() == 0 {
        return Ok(());
    }
    let order: SmallVec<[usize; 6]> = memory_order(t.sizes(), &[t.strides()]).into_iter().rev().collect();
    let t = &t.alias(t.layout().permute(&order));
    if t.is_contiguous() {
        return body(t);
    }
    let dense = Tensor::empty(t.sizes(), t.dtype())?;
    body(&dense)?;
    copy::write(t, &dense)
}

/// Fills with numbers of a distribution with parameters `a` and `b`.
pub fn fill(
    t: &Tensor,
    distribution: Distribution,
    [a, b]: [f64; 2],
    generator: Option<&Generator>,
) -> Result<()> {
    in_memory_order(t, |t| {
        let gpu = gpu_of(t)?;
        let wide = precision(t.dtype()) == DType::F64;
        let kernel = fill_instance(distribution, t.dtype(), |i| i.kernel(gpu))?;
        let (grid, count) = geometry(gpu, t.numel() as u64, if wide { WORDS / 2 } else { WORDS });
        let mut from = take(generator, gpu, count)?;
        let (mut address, mut n) = (t.device_address(), t.numel() as i64);
        let (mut doubles, mut floats) = ([a, b], [a as f32, b as f32]);
        let mut arguments = vec![argument(&mut address), argument(&mut n), argument(&mut from)];
        if wide {
            arguments.extend(doubles.iter_mut().map(argument));
        } else {
            arguments.extend(floats.iter_mut().map(argument));
        }
        // SAFETY: the instance was made for this dtype; the tensor is contiguous with n elements.
        unsafe { gpu.launch(kernel, grid, THREADS as u32, &mut arguments) }
    })
}

/// Fills with integers of [low, low + range); 0 stands for all of 64 bits. From 2^28 on, or where `wide` is asked
/// for, they are made of 64 bits.
pub fn fill_integers(
    t: &Tensor,
    mut low: i64,
    mut range: u64,
    wide: bool,
    generator: Option<&Generator>,
) -> Result<()> {
    in_memory_order(t, |t| {
        let gpu = gpu_of(t)?;
        let wide = wide || range == 0 || range >= 1 << 28;
        let kernel = integers_instance(t.dtype(), wide, |i| i.kernel(gpu))?;
        let (grid, count) = geometry(gpu, t.numel() as u64, if wide { WORDS / 2 } else { WORDS });
        let mut from = take(generator, gpu, count)?;
        let (mut address, mut n) = (t.device_address(), t.numel() as i64);
        let mut arguments = [
            argument(&mut address),
            argument(&mut n),
            argument(&mut from),
            argument(&mut low),
            argument(&mut range),
        ];
        // SAFETY: the instance was made for this dtype; the tensor is contiguous with n elements.
        unsafe { gpu.launch(kernel, grid, THREADS as u32, &mut arguments) }
    })
}

/// Fills a contiguous tensor with 1 by the probabilities in `p`, which is contiguous and of the same sizes, else 0.
pub fn bernoulli(t: &Tensor, p: &Tensor, generator: Option<&Generator>) -> Result<()> {
    if t.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(t)?;
    let kernel = bernoulli_instance(t.dtype(), p.dtype(), |i| i.kernel(gpu))?;
    // A thread takes four numbers; PyTorch keeps room for ten.
    let mut from = take(generator, gpu, 10)?;
    let (mut to, mut probabilities, mut n) = (t.device_address(), p.device_address(), t.numel() as i64);
    let mut arguments =
        [argument(&mut to), argument(&mut probabilities), argument(&mut n), argument(&mut from)];
    // SAFETY: the instance was made for these dtypes; both tensors are contiguous with n elements.
    unsafe { gpu.launch(kernel, grid(n as u64, 4)?, THREADS as u32, &mut arguments) }
}

/// Columns drawn by weight with replacement, `count` for each row of `weights`, which has two dimensions.
pub fn draw_columns(weights: &Tensor, count: usize, generator: Option<&Generator>) -> Result<Tensor> {
    let (rows, columns) = (weights.size(0), weights.size(1));
    let weights = copy::contiguous(weights)?;
    let out = Tensor::empty(&[rows, count], DType::I64)?;
    if out.numel() == 0 {
        return Ok(out);
    }
    let gpu = gpu_of(&weights)?;
    let sums = Tensor::empty(&[rows, columns], DType::F64)?;
    let mut places = [out.device_address(), sums.device_address(), weights.device_address()];
    let [to, between, from] = &mut places;
    let mut sizes = [columns as i64, count as i64, out.numel() as i64];
    let [columns, count, n] = &mut sizes;
    let Ok(blocks) = u32::try_from(rows) else {
        bail!(Unsupported, "{rows} rows are too many for one CUDA kernel");
    };
    let kernel = columns_instance(weights.dtype(), false, |i| i.kernel(gpu))?;
    let mut arguments = [argument(between), argument(from), argument(columns)];
    // SAFETY: the instance was made for this dtype; both tensors are contiguous with rows x columns elements.
    unsafe { gpu.launch(kernel, [blocks, 1, 1], THREADS as u32, &mut arguments)? };
    let kernel = columns_instance(weights.dtype(), true, |i| i.kernel(gpu))?;
    let (grid, numbers) = geometry(gpu, *n as u64, WORDS / 2);
    let mut stream = take(generator, gpu, numbers)?;
    let mut arguments = [
        argument(to),
        argument(between),
        argument(from),
        argument(columns),
        argument(count),
        argument(n),
        argument(&mut stream),
    ];
    // SAFETY: as above; the result has rows x count elements.
    unsafe { gpu.launch(kernel, grid, THREADS as u32, &mut arguments)? };
    Ok(out)
}

/// Fills a contiguous tensor with numbers whose parameters are the elements of `a`, and of `b` for two: tensors of
/// the same sizes and of one dtype.
pub fn draw_by_rejection(
    t: &Tensor,
    distribution: Rejection,
    a: &Tensor,
    b: Option<&Tensor>,
    generator: Option<&Generator>,
) -> Result<()> {
    // How many numbers an element takes is not known: room for more than any of them will.
    const ROOM: u64 = 1 << 20;
    if t.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(t)?;
    let kernel = rejection_instance(distribution, t.dtype(), a.dtype(), |i| i.kernel(gpu))?;
    let (a, b) = (copy::contiguous(a)?, b.map(copy::contiguous).transpose()?);
    let (grid, rows) = geometry(gpu, t.numel() as u64, 1);
    let mut from = take(generator, gpu, rows * ROOM)?;
    let mut places = [t.device_address(), a.device_address(), b.as_ref().map_or(0, Tensor::device_address)];
    let mut n = t.numel() as i64;
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut n), argument(&mut from)]);
    // SAFETY: the instance was made for these dtypes; all tensors are contiguous with n elements.
    unsafe { gpu.launch(kernel, grid, THREADS as u32, &mut arguments) }
}

/// Plain dropout in one launch, 0 < p < 1.
pub fn dropout(x: &Tensor, p: f64) -> Result<Tensor> {
    let dense = x.layout().dense_like();
    let out = Tensor::empty_dense(x.sizes(), dense.clone(), x.dtype())?;
    let mask = Tensor::empty_dense(x.sizes(), dense.clone(), DType::Bool)?;
    let source = if x.strides() == &dense[..] { x.detached() } else { ordered_as(x, &out)? };
    let gpu = gpu_of(x)?;
    let wide = computed(x.dtype()) == DType::F64;
    let aligned = |width: u64| {
        [&source, &out].iter().all(|t| t.device_address().is_multiple_of(width * t.dtype().size() as u64))
    };
    let n = x.numel() as u64;
    let width = [4, 2].into_iter().find(|&w| n.is_multiple_of(w) && aligned(w)).unwrap_or(1);
    let kernel = dropout_instance(x.dtype(), width as u8, |i| i.kernel(gpu))?;
    let (grid, count) = geometry(gpu, n, WORDS);
    let mut from = take(None, gpu, count)?;
    let scale = 1.0 / (1.0 - p);
    let mut places = [out.device_address(), mask.device_address(), source.device_address()];
    let (mut count, mut doubles, mut floats) = (n as i64, [1.0 - p, scale], [(1.0 - p) as f32, scale as f32]);
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut count), argument(&mut from)]);
    if wide {
        arguments.extend(doubles.iter_mut().map(argument));
    } else {
        arguments.extend(floats.iter_mut().map(argument));
    }
    // SAFETY: the instance was made for this dtype; all tensors are dense in one order with n elements.
    unsafe { gpu.launch(kernel, grid, THREADS as u32, &mut arguments)? };
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "NativeDropoutBackward0", &[x], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| masked(g, &mask, scale)).transpose()?])
    }))
}

/// The elements of `x` in the memory order of `like`, which is dense.
fn ordered_as(x: &Tensor, like: &Tensor) -> Result<Tensor> {
    let copy = Tensor::empty_dense(like.sizes(), like.layout().dense_like(), x.dtype())?;
    copy::write(&copy, &x.detached())?;
    Ok(copy)
}

/// `g * mask * scale`, whose gradient is the same of its gradient.
fn masked(g: &Tensor, mask: &Tensor, scale: f64) -> Result<Tensor> {
    const MASKED: Formula = Formula { text: "g * mask * scale", names: &["g", "mask", "scale"] };
    let out = Tensor::empty_dense(g.sizes(), mask.layout().dense_like(), g.dtype())?;
    let arguments = [Arg::Tensor(g), Arg::Tensor(mask), Arg::Number(Scalar::Float(scale))];
    launch(&MASKED, false, &out, &arguments, g.dtype())?;
    if !autograd::needs_grad(&[g]) {
        return Ok(out);
    }
    let mask = mask.clone();
    Ok(autograd::record(out, "NativeDropoutDoubleBackward0", &[g], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| masked(g, &mask, scale)).transpose()?])
    }))
}

/// 1 in the place of slopes where `x` is positive or NaN.
pub fn slopes_below_zero(slopes: &Tensor, x: &Tensor) -> Result<()> {
    const BELOW: Formula = Formula { text: "select(le(x, 0.0), slope, 1.0)", names: &["slope", "x"] };
    if slopes.numel() == 0 {
        return Ok(());
    }
    launch(&BELOW, false, slopes, &[Arg::Tensor(slopes), Arg::Tensor(x)], x.dtype())
}

/// The kernel of a distribution for a dtype.
pub fn fill_instance<R>(distribution: Distribution, dtype: DType, then: impl FnOnce(&Instance) -> R) -> R {
    let name = match distribution {
        Distribution::Uniform => "UNIFORM",
        Distribution::Normal => "NORMAL",
        Distribution::LogNormal => "LOG_NORMAL",
        Distribution::Exponential => "EXPONENTIAL",
        Distribution::Geometric => "GEOMETRIC",
        Distribution::Cauchy => "CAUCHY",
        Distribution::Bernoulli => "BERNOULLI",
    };
    let (e, t) = (stored(dtype), computed_type(precision(dtype)));
    then(&Instance {
        text: TEXT,
        function: "fill_random",
        types: &|| format!("rn::{name}, {t}, {e}"),
        parameters: &|| format!("{e}* out, long long n, rn::Place from, {t} a, {t} b"),
        variant: &[distribution as u8, dtype as u8],
    })
}

/// The kernel of integers for a dtype.
pub fn integers_instance<R>(dtype: DType, wide: bool, then: impl FnOnce(&Instance) -> R) -> R {
    let e = stored(dtype);
    then(&Instance {
        text: TEXT,
        function: "fill_integers",
        types: &|| format!("{wide}, {e}"),
        parameters: &|| {
            format!("{e}* out, long long n, rn::Place from, long long low, unsigned long long range")
        },
        variant: &[dtype as u8, wide as u8],
    })
}

/// The kernel of draws by a tensor of probabilities.
pub fn bernoulli_instance<R>(dtype: DType, p: DType, then: impl FnOnce(&Instance) -> R) -> R {
    let (e, p_type) = (stored(dtype), stored(p));
    then(&Instance {
        text: TEXT,
        function: "bernoulli_each",
        types: &|| format!("{e}, {p_type}"),
        parameters: &|| format!("{e}* out, const {p_type}* p, long long n, rn::Place from"),
        variant: &[dtype as u8, p as u8],
    })
}

/// The kernel of draws by rejection.
pub fn rejection_instance<R>(
    distribution: Rejection,
    out: DType,
    parameters: DType,
    then: impl FnOnce(&Instance) -> R,
) -> R {
    let name = match distribution {
        Rejection::Poisson => "POISSON",
        Rejection::Gamma => "GAMMA",
        Rejection::Binomial => "BINOMIAL",
    };
    let (o, a) = (stored(out), stored(parameters));
    then(&Instance {
        text: REJECTION,
        function: "draw_by_rejection",
        types: &|| format!("rn::{name}, {o}, {a}"),
        parameters: &|| format!("{o}* out, const {a}* a, const {a}* b, long long n, rn::Place from"),
        variant: &[distribution as u8, out as u8, parameters as u8],
    })
}

/// The kernels of draws by weight: of the cumulative sums, and of the draws.
pub fn columns_instance<R>(weights: DType, draws: bool, then: impl FnOnce(&Instance) -> R) -> R {
    let e = stored(weights);
    then(&Instance {
        text: TEXT,
        function: if draws { "draw_columns" } else { "cumulative_weights" },
        types: &|| e.to_owned(),
        parameters: &|| match draws {
            true => format!(
                "long long* out, const double* sums, const {e}* weights, long long columns, long long count, long long n, rn::Place from"
            ),
            false => format!("double* out, const {e}* weights, long long columns"),
        },
        variant: &[weights as u8],
    })
}

/// The kernel of dropout for a dtype and a number of elements side by side.
pub fn dropout_instance<R>(dtype: DType, width: u8, then: impl FnOnce(&Instance) -> R) -> R {
    let (e, t) = types_of(dtype);
    then(&Instance {
        text: TEXT,
        function: "dropout",
        types: &|| format!("{width}, {t}, {e}"),
        parameters: &|| {
            format!("{e}* out, bool* mask, const {e}* x, long long n, rn::Place from, {t} keep, {t} scale")
        },
        variant: &[dtype as u8, width],
    })
}
