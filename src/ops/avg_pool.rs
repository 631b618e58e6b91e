//! Averages over windows, in one to three dimensions: windows of one size that slide, or as many as
//! are asked for. They are products of averages along each axis (`axis_map.rs`).

use smallvec::SmallVec;

use crate::bail;
use crate::cpu::axis::AxisMap;
use crate::cpu::pool::out_size;
use crate::device;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Show;
use crate::ops::axis_map::{self, Kind, Maps};
use crate::ops::pool::{axes, check_dims, window_of};
use crate::ops::registry::{Args, Op};
use crate::ops::{arithmetic, copy, reduce, table};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// The names of the one-, two- and three-dimensional form.
pub type Names = [&'static str; 3];

const AVG: Names = ["avg_pool1d", "avg_pool2d", "avg_pool3d"];
const NODES: Names = ["AvgPool2DBackward0", "AvgPool2DBackward0", "AvgPool3DBackward0"];
const ADAPTIVE_NODES: Names =
    ["AdaptiveAvgPool2DBackward0", "AdaptiveAvgPool2DBackward0", "AdaptiveAvgPool3DBackward0"];
const ADAPTIVE: Names = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"];

fn refused(x: &Tensor, name: &str) -> Result<Tensor> {
    bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name())
}

/// The part of the image under window `o`, and how many elements count.
fn extent(o: usize, size: usize, [kernel, stride, padding]: [usize; 3]) -> (usize, usize, usize) {
    let (start, end) = (o * stride, (o * stride + kernel).min(size + 2 * padding));
    let reach = end.saturating_sub(start);
    (start.saturating_sub(padding).min(size), end.saturating_sub(padding).min(size), reach)
}

struct Average<'a> {
    kernel: &'a [i64],
    stride: Option<&'a [i64]>,
    padding: &'a [i64],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: Option<i64>,
}

fn avg_pool(x: &Tensor, dims: usize, p: &Average) -> Result<Tensor> {
    let name = AVG[dims - 1];
    let window = window_of(dims, name, p.kernel, p.stride, p.padding, &[1])?;
    check_dims(x, dims, name)?;
    if p.divisor == Some(0) {
        bail!(Shape, "divisor must be not zero");
    }
    let supported = match x.dtype() {
        DType::F32 | DType::F64 | DType::I64 => true,
        DType::F16 | DType::BF16 => dims < 3,
        _ => false,
    };
    if !supported {
        return refused(x, name);
    }
    let whole = x.dtype() == DType::I64;
    let first = x.ndim() - dims;
    let mut maps = Vec::new();
    let mut counts: Vec<Vec<i64>> = Vec::new();
    for (i, w) in window.iter().enumerate() {
        let size = x.size(first + i);
        let Some(out) = out_size(size, *w, p.ceil_mode) else {
            bail!(
                Shape,
                "{name}: Given input size {}, the output would be empty: Output size is too small",
                Show(x.sizes())
            );
        };
        let sides = [w.kernel, w.stride, w.padding];
        let count = |o: usize| {
            let (start, end, reach) = extent(o, size, sides);
            if p.count_include_pad { reach } else { end - start }
        };
        let weight = |o: usize| match p.divisor {
            _ if whole => 1.0,
            Some(divisor) => {
                if i == 0 {
                    1.0 / divisor as f64
                } else {
                    1.0
                }
            }
            None => 1.0 / count(o) as f64,
        };
        let terms = |o: usize, terms: &mut Vec<(usize, f64)>| {
            let (start, end, _) = extent(o, size, sides);
            let weight = weight(o);
            terms.extend((start..end).map(|s| (s, weight)));
        };
        maps.push((first + i, AxisMap::build(size, out, terms)?));
        if whole {
            counts.push((0..out).map(|o| count(o) as i64).collect());
        }
    }
    let sums = axis_map::apply(
        x,
        &Maps::from(maps),
        Kind { name: NODES[dims - 1], tied: true, keeps_format: dims < 3 },
    )?;
    if whole { divided(&sums, &counts, p.divisor) } else { Ok(sums) }
}

/// Whole sums over whole counts, rounded towards zero.
fn divided(sums: &Tensor, counts: &[Vec<i64>], divisor: Option<i64>) -> Result<Tensor> {
    if sums.device().is_cuda() {
        device::refuse(sums.device());
    }
    let mut values: Vec<i64> = copy::values(sums)?;
    for (at, value) in values.iter_mut().enumerate() {
        let (mut rest, mut count) = (at, 1i64);
        for axis in counts.iter().rev() {
            count *= axis[rest % axis.len()];
            rest /= axis.len();
        }
        // A window that lies wholly in the padding has a sum of zero.
        *value = value.wrapping_div(divisor.unwrap_or(count.max(1)));
    }
    Tensor::from_slice(&values, sums.sizes())
}

/// The start and end of window `o` when `outputs` windows cover `size` elements.
pub fn adaptive_window(o: usize, size: usize, outputs: usize) -> (usize, usize) {
    let at = |o: usize, up: usize| ((o as u128 * size as u128 + up as u128) / outputs as u128) as usize;
    (at(o, 0), at(o + 1, outputs - 1))
}

/// Output sizes of an adaptive pooling, and its checks.
pub fn adaptive_sizes(x: &Tensor, dims: usize, sizes: &[i64], name: &str) -> Result<SmallVec<[usize; 3]>> {
    let sizes = axes(sizes, dims, "output_size", name)?;
    if sizes.iter().any(|&s| s < 0) {
        bail!(
            Shape,
            "{name}: elements of output_size must be greater than or equal to 0 but received {}",
            Show(&sizes)
        );
    }
    check_dims(x, dims, name)?;
    Ok(sizes.iter().map(|&s| s as usize).collect())
}

/// Averages of as many windows along each axis as `sizes` says.
pub fn adaptive_avg_pool(x: &Tensor, dims: usize, sizes: &[i64]) -> Result<Tensor> {
    let name = ADAPTIVE[dims - 1];
    let sizes = adaptive_sizes(x, dims, sizes, name)?;
    // One window is the mean, as in PyTorch: complex too.
    let mean = sizes.iter().all(|&s| s == 1);
    if mean {
        if x.dtype().is_integral() && x.numel() > 0 {
            bail!(
                DType,
                "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {}",
                x.dtype().scalar_name()
            );
        }
    } else if !x.dtype().is_floating() && x.numel() > 0 {
        return refused(x, name);
    }
    let first = x.ndim() - dims;
    if mean && x.is_contiguous() && x.numel() > 0 {
        let axes: SmallVec<[i64; 3]> = (first..x.ndim()).map(|d| d as i64).collect();
        return reduce::mean(x, Some(&axes), true, None);
    }
    let mut maps = Vec::new();
    for (i, &outputs) in sizes.iter().enumerate() {
        let size = x.size(first + i);
        let terms = |o: usize, terms: &mut Vec<(usize, f64)>| {
            let (start, end) = adaptive_window(o, size, outputs);
            terms.extend((start..end).map(|s| (s, 1.0 / (end - start) as f64)));
        };
        maps.push((first + i, AxisMap::build(size, outputs, terms)?));
    }
    axis_map::apply(
        x,
        &Maps::from(maps),
        Kind {
            name: if mean { "MeanBackward1" } else { ADAPTIVE_NODES[dims - 1] },
            tied: !mean,
            keeps_format: dims < 3,
        },
    )
}

/// The `norm`-th root of the sum of powers over each window.
fn lp_pool(a: &Args, dims: usize) -> Result<Tensor> {
    let (norm, kernel) = (a.scalar(1), axes(a.ints(2), dims, "kernel_size", AVG[dims - 1])?);
    let average = Average {
        kernel: &kernel,
        stride: a.opt_ints(3),
        padding: &[0],
        ceil_mode: a.bool(4),
        count_include_pad: true,
        divisor: None,
    };
    let mean = avg_pool(&arithmetic::pow(a.tensor(0), norm)?, dims, &average)?;
    // relu adds nothing to an absolute value but its slope of zero at zero.
    let size = arithmetic::mul(&table::sign(&mean)?, &table::relu(&arithmetic::abs(&mean)?)?)?;
    let elements = kernel.iter().fold(1i64, |n, &k| n.saturating_mul(k));
    arithmetic::pow(&arithmetic::mul(&size, Scalar::Int(elements))?, Scalar::Float(1.0 / norm.to_f64()))
}

fn avg_pool_call(a: &Args, dims: usize) -> Result<Tensor> {
    let average = Average {
        kernel: a.ints(1),
        stride: a.opt_ints(2),
        padding: a.ints(3),
        ceil_mode: a.bool(4),
        count_include_pad: a.bool(5),
        divisor: if dims > 1 { a.opt_int(6) } else { None },
    };
    avg_pool(a.tensor(0), dims, &average)
}

pub const OPS: &[Op] = &[
    Op::new("avg_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool ceil_mode=False, bool count_include_pad=True) -> Tensor", |a| {
        Ok(avg_pool_call(a, 1)?.into())
    })
    .doc("The average of each window of (n, c, l) or (c, l).")
    .samples("t(2, 3, 7), 3, 2, 1 | t(3, 8), (3,), ceil_mode=True, padding=1, count_include_pad=False"),
    Op::new("nn.functional.avg_pool2d(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor", |a| {
        Ok(avg_pool_call(a, 2)?.into())
    })
    .doc("The average of each window of (n, c, h, w) or (c, h, w).")
    .samples("t(2, 3, 6, 7), 2 | t(3, 5, 7), (3, 2), 2, (1, 0), True, False | nc(0, 3, 6, 6), 3, divisor_override=2 | t(1, 2, 6, 6), 3, 2, 1, divisor_override=-2"),
    Op::new("nn.functional.avg_pool3d(Tensor input, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor", |a| {
        Ok(avg_pool_call(a, 3)?.into())
    })
    .doc("The average of each window of (n, c, d, h, w) or (c, d, h, w).")
    .samples("t(2, 2, 4, 5, 4), 2 | t(2, 4, 5, 5), (3, 2, 3), 2, 1, True, False, 3"),
    Op::new("adaptive_avg_pool1d(Tensor input, int[1] output_size) -> Tensor", |a| {
        Ok(adaptive_avg_pool(a.tensor(0), 1, a.ints(1))?.into())
    })
    .doc("The averages of output_size windows that cover (n, c, l) or (c, l).")
    .samples("t(2, 3, 7), 3 | t(3, 4), 1 | t(0, 2, 5), 2"),
    Op::new("nn.functional.adaptive_avg_pool2d(Tensor input, int[2] output_size) -> Tensor", |a| {
        Ok(adaptive_avg_pool(a.tensor(0), 2, a.ints(1))?.into())
    })
    .doc("The averages of so many windows along each axis of (n, c, h, w) or (c, h, w).")
    .samples("t(2, 3, 7, 5), (3, 2) | nc(3, 4, 6), 1"),
    Op::new("nn.functional.adaptive_avg_pool3d(Tensor input, int[3] output_size) -> Tensor", |a| {
        Ok(adaptive_avg_pool(a.tensor(0), 3, a.ints(1))?.into())
    })
    .doc("The averages of so many windows along each axis of (n, c, d, h, w) or (c, d, h, w).")
    .samples("t(1, 2, 4, 7, 5), (2, 3, 6)"),
    Op::new("nn.functional.lp_pool1d(Tensor input, Scalar norm_type, int[1] kernel_size, int[1]? stride=None, bool ceil_mode=False) -> Tensor", |a| {
        Ok(lp_pool(a, 1)?.into())
    })
    .doc("The norm_type-th root of the sum of powers over each window of (n, c, l) or (c, l).")
    .samples("t(2, 3, 7), 2.0, 3, 2, True"),
    Op::new("nn.functional.lp_pool2d(Tensor input, Scalar norm_type, int[2] kernel_size, int[2]? stride=None, bool ceil_mode=False) -> Tensor", |a| {
        Ok(lp_pool(a, 2)?.into())
    })
    .doc("The norm_type-th root of the sum of powers over each window of (n, c, h, w) or (c, h, w).")
    .samples("t(2, 3, 6, 7), 2.0, (3, 2)"),
    Op::new("nn.functional.lp_pool3d(Tensor input, Scalar norm_type, int[3] kernel_size, int[3]? stride=None, bool ceil_mode=False) -> Tensor", |a| {
        Ok(lp_pool(a, 3)?.into())
    })
    .doc("The norm_type-th root of the sum of powers over each window of (n, c, d, h, w) or (c, d, h, w).")
    .samples("t(1, 2, 5, 4, 4), 2.0, 2"),
];
