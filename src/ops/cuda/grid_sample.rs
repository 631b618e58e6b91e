//! Sampling at the points of a grid.

use crate::cpu::grid_sample::{Beyond, Interpolation, Sampling};
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::places::{each, int};
use crate::ops::cuda::pointwise::{gpu_of, grid as blocks};
use crate::ops::cuda::template::{Instance, argument};
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/grid_sample.cu");

/// `rn::Sampling`.
#[repr(C)]
struct Numbers {
    size: [i32; 3],
    channels: i32,
    beyond: i32,
    align_corners: i32,
    volume: i64,
    points: i64,
}

impl Numbers {
    fn of(s: &Sampling) -> Result<Numbers> {
        Ok(Numbers {
            size: each(&s.sizes, |&size| int(size as i64))?,
            channels: int(s.c as i64)?,
            beyond: match s.beyond {
                Beyond::Zeros => 0,
                Beyond::Border => 1,
                Beyond::Reflection => 2,
            },
            align_corners: s.align_corners.into(),
            volume: s.sizes.iter().product::<usize>() as i64,
            points: s.points as i64,
        })
    }
}

/// What a kernel computes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Values,
    Gradient,
    Series,
}

/// `y` (n, c, points): the input at the points. All are contiguous, of one dtype, float32 or float64.
pub fn forward(s: &Sampling, x: &Tensor, grid: &Tensor, y: &Tensor) -> Result<()> {
    if y.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(x)?;
    let kernel = instance(x.dtype(), Part::Values, s.interpolation, s.dims, |i| i.kernel(gpu))?;
    let mut numbers = Numbers::of(s)?;
    let mut places = [y.device_address(), x.device_address(), grid.device_address()];
    let mut n = (s.n * s.points) as i64;
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut numbers), argument(&mut n)]);
    let [columns, ..] = blocks(n as u64, 1)?;
    // Where points are few, channels are shared out.
    let rows = (1024 / columns as usize).clamp(1, s.c.clamp(1, 65_535)) as u32;
    // SAFETY: the instance was made for this dtype and these modes; the tensors have the sizes that `s` says.
    unsafe { gpu.launch(kernel, [columns, rows, 1], 256, &mut arguments) }
}

/// The gradients of the input, which is zeros before, and of the points; each if it is wanted.
pub fn backward(
    s: &Sampling,
    x: &Tensor,
    grid: &Tensor,
    gy: &Tensor,
    gx: Option<&Tensor>,
    ggrid: Option<&Tensor>,
) -> Result<()> {
    let mut n = (s.n * s.points) as i64;
    if n == 0 {
        return Ok(());
    }
    let gpu = gpu_of(x)?;
    let kernel = instance(x.dtype(), Part::Gradient, s.interpolation, s.dims, |i| i.kernel(gpu))?;
    let mut numbers = Numbers::of(s)?;
    let address = |t: Option<&Tensor>| t.map_or(0, Tensor::device_address);
    let mut places =
        [address(gx), address(ggrid), x.device_address(), grid.device_address(), gy.device_address()];
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut numbers), argument(&mut n)]);
    // SAFETY: as above.
    unsafe { gpu.launch(kernel, blocks(n as u64, 1)?, 256, &mut arguments) }
}

/// Of a tap along an axis: the index that each coordinate of `at` meets, and its weight's Taylor series, `terms`
/// rows of as many elements as `at` has.
pub fn series(
    s: &Sampling,
    at: &Tensor,
    (tap, axis): (usize, usize),
    index: &Tensor,
    coefficients: &Tensor,
) -> Result<()> {
    if at.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(at)?;
    let kernel = instance(at.dtype(), Part::Series, s.interpolation, s.dims, |i| i.kernel(gpu))?;
    let mut numbers = Numbers::of(s)?;
    let mut places = [index.device_address(), coefficients.device_address(), at.device_address()];
    let mut which = [axis as i32, tap as i32, coefficients.size(0) as i32];
    let mut n = at.numel() as i64;
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.push(argument(&mut numbers));
    arguments.extend(which.iter_mut().map(argument));
    arguments.push(argument(&mut n));
    // SAFETY: the instance was made for this dtype; all tensors are contiguous with as many elements as `at`.
    unsafe { gpu.launch(kernel, blocks(n as u64, 1)?, 256, &mut arguments) }
}

/// The kernel for float32 or float64.
pub fn instance<R>(
    dtype: DType,
    part: Part,
    interpolation: Interpolation,
    dims: usize,
    then: impl FnOnce(&Instance) -> R,
) -> R {
    let (mode, number) = match interpolation {
        Interpolation::Linear => ("rn::LINEAR", 0),
        Interpolation::Nearest => ("rn::NEAREST", 1),
        Interpolation::Cubic => ("rn::CUBIC", 2),
    };
    let t = stored(dtype);
    then(&Instance {
        text: TEXT,
        function: match part {
            Part::Values => "grid_sample",
            Part::Gradient => "grid_sample_gradient",
            Part::Series => "grid_sample_series",
        },
        types: &|| match part {
            Part::Series => format!("{mode}, {t}"),
            _ => format!("{mode}, {dims}, {t}"),
        },
        parameters: &|| match part {
            Part::Values => {
                format!("{t}* y, const {t}* x, const {t}* grid, rn::Sampling s, long long n")
            }
            Part::Gradient => format!(
                "{t}* gx, {t}* ggrid, const {t}* x, const {t}* grid, const {t}* gy, rn::Sampling s, long long n"
            ),
            Part::Series => format!(
                "long long* index, {t}* series, const {t}* at, rn::Sampling s, int axis, int tap, int terms, long long n"
            ),
        },
        variant: &[dtype as u8, part as u8, number, dims as u8],
    })
}
