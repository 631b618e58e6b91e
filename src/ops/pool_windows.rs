//! Max pooling whose windows are given one by one (adaptive, fractional), and its undoing.

use std::ops::Range;

use half::{bf16, f16};
use smallvec::SmallVec;

use crate::alloc;
use crate::bail;
use crate::cpu::plane::{self as kernel, Windows};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{MemoryFormat, Show, Sizes};
use crate::ops::avg_pool::{Names, adaptive_sizes, adaptive_window};
use crate::ops::pool::{axes, check_dims, max_pool_on_gpu};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, cuda, plane};
use crate::tensor::Tensor;

const ADAPTIVE_NODES: Names =
    ["AdaptiveMaxPool2DBackward0", "AdaptiveMaxPool2DBackward0", "AdaptiveMaxPool3DBackward0"];
const FRACTIONAL_NODES: Names = ["", "FractionalMaxPool2DBackward0", "FractionalMaxPool3DBackward0"];
const ADAPTIVE: Names = ["adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"];
const FRACTIONAL: Names = ["", "fractional_max_pool2d", "fractional_max_pool3d"];
const UNPOOL: Names = ["max_unpool1d", "max_unpool2d", "max_unpool3d"];

fn check_floating(x: &Tensor, name: &str) -> Result<()> {
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    Ok(())
}

/// The largest of the windows, given once for all planes or for each, and their indices.
fn pool(
    x: &Tensor,
    dims: usize,
    outputs: &[usize],
    name: &'static str,
    keeps_format: bool,
    windows: &[Windows],
) -> Result<Output> {
    let lead = x.ndim() - dims;
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let input = copy::contiguous(&copy::to_dtype(&x.detached(), wide)?)?;
    let mut sizes: Sizes = x.sizes().into();
    sizes[lead..].copy_from_slice(outputs);
    let (out, indices) = (Tensor::empty(&sizes, wide)?, Tensor::empty(&sizes, DType::I64)?);
    if out.numel() > 0 {
        let mut volume = [1; 3];
        volume[3 - dims..].copy_from_slice(&x.sizes()[lead..]);
        let planes = x.sizes()[..lead].iter().product();
        let (from, to, index) = (input.ptr(), out.ptr(), indices.ptr().cast());
        // SAFETY: contiguous tensors of these extents; the outputs are fresh.
        unsafe {
            if wide == DType::F64 {
                kernel::largest::<f64>(planes, volume, windows, from.cast(), to.cast(), index);
            } else {
                kernel::largest::<f32>(planes, volume, windows, from.cast(), to.cast(), index);
            }
        }
    }
    let mut out = copy::to_dtype(&out, x.dtype())?;
    let mut indices = indices;
    if keeps_format {
        let format = MemoryFormat::suggested_by(x.layout());
        (out, indices) = (copy::in_format(&out, format)?, copy::in_format(&indices, format)?);
    }
    let out = plane::picked(out, x, &indices, dims, name);
    Ok(Output::Tensors(vec![out, indices]))
}

/// One window for dims that are not there.
fn windows_of(axes: impl DoubleEndedIterator<Item = Vec<Range<usize>>>) -> Windows {
    let mut windows: Windows = std::array::from_fn(|_| vec![Range { start: 0, end: 1 }]);
    windows.iter_mut().rev().zip(axes.rev()).for_each(|(window, axis)| *window = axis);
    windows
}

fn adaptive_max_pool(a: &Args, dims: usize) -> Result<Output> {
    let (x, name) = (a.tensor(0), ADAPTIVE[dims - 1]);
    let outputs = adaptive_sizes(x, dims, a.ints(1), name)?;
    check_floating(x, name)?;
    let lead = x.ndim() - dims;
    if x.device().is_cuda() {
        let mut sizes: Sizes = x.sizes().into();
        sizes[lead..].copy_from_slice(&outputs);
        let format = if dims < 3 { MemoryFormat::suggested_by(x.layout()) } else { MemoryFormat::Contiguous };
        let name = ADAPTIVE_NODES[dims - 1];
        let (out, indices) = max_pool_on_gpu(x, &sizes, dims, cuda::pool::Windows::Adaptive, name, format)?;
        return Ok(Output::Tensors(vec![out, indices]));
    }
    if crate::layout::checked_numel(&outputs)? == 0 {
        return pool(x, dims, &outputs, ADAPTIVE_NODES[dims - 1], dims < 3, &[]);
    }
    let mut axes = Vec::with_capacity(dims);
    for (i, &out) in outputs.iter().enumerate() {
        let mut axis = alloc::vec_for(out)?;
        axis.extend((0..out).map(|o| {
            let (start, end) = adaptive_window(o, x.size(lead + i), out);
            start..end
        }));
        axes.push(axis);
    }
    let windows = windows_of(axes.into_iter());
    pool(x, dims, &outputs, ADAPTIVE_NODES[dims - 1], dims < 3, &[windows])
}

/// Where the windows of an axis start: at pseudo-random distances (Graham, Fractional Max-Pooling, 2014).
fn fractional_starts(sample: f64, size: usize, outputs: usize, kernel: usize, dtype: DType) -> Vec<usize> {
    // Every step is rounded as the input's dtype has it: that is part of the definition.
    let rounded = |x: f64| match dtype {
        DType::F64 => x,
        DType::F16 => f16::from_f64(x).to_f64(),
        DType::BF16 => bf16::from_f64(x).to_f64(),
        _ => f64::from(x as f32),
    };
    let last = size - kernel;
    let alpha = rounded(rounded(last as f64) / rounded(outputs as f64 - 1.0));
    let first = rounded(sample * alpha) as i64;
    let start = |i: usize| rounded(rounded(rounded(i as f64) + sample) * alpha) as i64;
    // Samples may be any numbers: windows stay inside.
    let place = |i: usize| start(i).saturating_sub(first).clamp(0, last as i64) as usize;
    (0..outputs).map(|i| if i + 1 == outputs { last } else { place(i) }).collect()
}

fn fractional_max_pool(a: &Args, dims: usize) -> Result<Output> {
    let (x, samples, name) = (a.tensor(0), a.tensor(3), FRACTIONAL[dims - 1]);
    let kernel = axes(a.ints(1), dims, "kernel_size", name)?;
    let outputs = axes(a.ints(2), dims, "output_size", name)?;
    if kernel.iter().chain(&outputs).any(|&v| v <= 0) {
        bail!(
            Shape,
            "{name}: kernel_size and output_size should be greater than zero, but got {} and {}",
            Show(&kernel),
            Show(&outputs)
        );
    }
    check_dims(x, dims, name)?;
    check_floating(x, name)?;
    let lead = x.ndim() - dims;
    for i in 0..dims {
        if (outputs[i] as i128) + (kernel[i] as i128) - 1 > x.size(lead + i) as i128 {
            bail!(
                Shape,
                "{name}(): pool size {} too large relative to input size {} for output size {}",
                Show(&kernel),
                Show(&x.sizes()[lead..]),
                Show(&outputs)
            );
        }
    }
    let planes: usize = x.sizes()[..lead].iter().product();
    if samples.dtype() != x.dtype() {
        bail!(DType, "Expect _random_samples to have the same dtype as input");
    }
    let batch = if x.ndim() == dims + 2 { x.size(0) } else { 1 };
    if samples.ndim() != 3
        || samples.size(0) < batch
        || samples.size(1) < x.size(lead - 1)
        || samples.size(2) != dims
    {
        bail!(
            Shape,
            "Expect _random_samples of size {}, got {}",
            Show(&[batch, x.size(lead - 1), dims]),
            Show(samples.sizes())
        );
    }
    if x.device().is_cuda() {
        let mut sizes: Sizes = x.sizes().into();
        let mut sides = [1; 3];
        for (i, (&output, &side)) in outputs.iter().zip(&kernel).enumerate() {
            sizes[lead + i] = output as usize;
            sides[3 - dims + i] = side as usize;
        }
        let windows = cuda::pool::Windows::Fractional { kernel: sides, samples: samples.clone() };
        let (out, indices) = cuda::pool::max_pool(x, &sizes, dims, &windows)?;
        let out = plane::picked(out, x, &indices, dims, FRACTIONAL_NODES[dims - 1]);
        return Ok(Output::Tensors(vec![out, indices]));
    }
    let drawn: Vec<f64> = copy::values(samples)?;
    let (channels, per_image) = (x.size(lead - 1), samples.size(1));
    let outputs: SmallVec<[usize; 3]> = outputs.iter().map(|&v| v as usize).collect();
    debug_assert!(planes == batch * channels);
    let mut windows = alloc::vec_for(planes)?;
    windows.extend((0..planes).map(|p| {
        let row = &drawn[(p / channels * per_image + p % channels) * dims..][..dims];
        let axis = |i: usize| {
            // In two dimensions the first number is for the width.
            let sample = if dims == 2 { row[1 - i] } else { row[i] };
            let k = kernel[i] as usize;
            let starts = fractional_starts(sample, x.size(lead + i), outputs[i], k, x.dtype());
            starts.into_iter().map(|s| s..s + k).collect()
        };
        windows_of((0..dims).map(axis))
    }));
    pool(x, dims, &outputs, FRACTIONAL_NODES[dims - 1], false, &windows)
}

/// The size that was pooled, unless it is given.
fn unpooled_size(a: &Args, dims: usize) -> Result<SmallVec<[usize; 3]>> {
    let (x, name) = (a.tensor(0), UNPOOL[dims - 1]);
    let kernel = axes(a.ints(2), dims, "kernel_size", name)?;
    let stride = match a.opt_ints(3) {
        None | Some([]) => kernel.clone(),
        Some(stride) => axes(stride, dims, "stride", name)?,
    };
    let padding = axes(a.ints(4), dims, "padding", name)?;
    if x.ndim() != dims + 1 && x.ndim() != dims + 2 {
        bail!(
            Shape,
            "{name}: Input to {name} should be a {}d or {}d Tensor, but got: {}",
            dims + 1,
            dims + 2,
            Show(x.sizes())
        );
    }
    let lead = x.ndim() - dims;
    let natural: SmallVec<[i64; 3]> = (0..dims)
        .map(|i| {
            let size = (x.size(lead + i) as i128 - 1) * stride[i] as i128 + kernel[i] as i128
                - 2 * padding[i] as i128;
            i64::try_from(size).unwrap_or(i64::MAX)
        })
        .collect();
    let wanted: SmallVec<[i64; 3]> = match a.opt_ints(5) {
        None => natural,
        Some(given) => {
            let given = if given.len() == dims + 2 { &given[2..] } else { given };
            if given.len() != dims {
                bail!(
                    Value,
                    "output_size should be a sequence containing {dims} or {} elements, but it has a length of '{}'",
                    dims + 2,
                    given.len()
                );
            }
            for i in 0..dims {
                let (low, high) =
                    (natural[i].saturating_sub(stride[i]), natural[i].saturating_add(stride[i]));
                if !(low < given[i] && given[i] < high) {
                    bail!(
                        Value,
                        "invalid output_size \"{}\" (dim {i} must be between {low} and {high})",
                        Show(given)
                    );
                }
            }
            given.into()
        }
    };
    if wanted.iter().any(|&s| s < 0) {
        bail!(Shape, "{name}: the output would have the negative size {}", Show(&wanted));
    }
    Ok(wanted.iter().map(|&s| s as usize).collect())
}

/// The values back at their indices, zeros elsewhere.
fn max_unpool(a: &Args, dims: usize) -> Result<Tensor> {
    let (x, indices, name) = (a.tensor(0), a.tensor(1), UNPOOL[dims - 1]);
    let sizes = unpooled_size(a, dims)?;
    if indices.dtype() != DType::I64 {
        bail!(DType, "elements in indices should be type int64 but got: {}", indices.dtype().scalar_name());
    }
    if indices.sizes() != x.sizes() {
        bail!(
            Shape,
            "Expected shape of indices to be same as that of the input tensor ({}) but got indices tensor with shape: {}",
            Show(x.sizes()),
            Show(indices.sizes())
        );
    }
    if x.ndim() == dims + 2 && x.sizes()[1..].contains(&0) || x.ndim() == dims + 1 && x.numel() == 0 {
        bail!(
            Shape,
            "{name}: Expected input to have non-zero size for non-batch dimensions, but got {}",
            Show(x.sizes())
        );
    }
    check_floating(x, name)?;
    let volume = crate::layout::checked_numel(&sizes)?;
    // On a GPU the kernel notices.
    if !indices.device().is_cuda() {
        let places: Vec<i64> = copy::values(indices)?;
        if let Some(bad) = places.iter().find(|&&i| i < 0 || i as usize >= volume) {
            bail!(Shape, "Found an invalid max index: {bad} (output volumes are of size {}", Show(&sizes));
        }
    }
    let out = plane::scatter(x, indices, dims, &sizes, false)?;
    copy::in_format(&out, MemoryFormat::suggested_by(x.layout()))
}

pub const OPS: &[Op] = &[
    Op::new("adaptive_max_pool1d(Tensor input, int[1] output_size) -> Tensor[]", |a| adaptive_max_pool(a, 1))
        .doc("The largest of output_size windows that cover (n, c, l) or (c, l), and their indices.")
        .samples("t(2, 3, 7), 3"),
    Op::new("nn.functional.adaptive_max_pool2d_with_indices(Tensor input, int[2] output_size, bool return_indices=False) -> Tensor[]", |a| {
        adaptive_max_pool(a, 2)
    })
    .doc("The largest of so many windows along each axis of (n, c, h, w) or (c, h, w), and their indices.")
    .samples("t(2, 3, 7, 5), (3, 2) | t(0, 3, 4, 4), 2"),
    Op::new("nn.functional.adaptive_max_pool3d_with_indices(Tensor input, int[3] output_size, bool return_indices=False) -> Tensor[]", |a| {
        adaptive_max_pool(a, 3)
    })
    .doc("The largest of so many windows along each axis of (n, c, d, h, w) or (c, d, h, w), and their indices.")
    .samples("t(2, 4, 7, 5), (2, 3, 2)"),
    Op::new("_fractional_max_pool2d(Tensor input, int[2] kernel_size, int[2] output_size, Tensor random_samples) -> Tensor[]", |a| {
        fractional_max_pool(a, 2)
    })
    .doc("Windows at the distances that random_samples (n, c, 2) give; values and indices."),
    Op::new("_fractional_max_pool3d(Tensor input, int[3] kernel_size, int[3] output_size, Tensor random_samples) -> Tensor[]", |a| {
        fractional_max_pool(a, 3)
    })
    .doc("Windows at the distances that random_samples (n, c, 3) give; values and indices."),
    Op::new("nn.functional.max_unpool1d(Tensor input, Tensor indices, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[]? output_size=None) -> Tensor", |a| {
        Ok(max_unpool(a, 1)?.into())
    })
    .doc("What max_pool1d left, at its indices; zeros elsewhere.")
    .samples("t(2, 3, 1), ints(2, 3, 1, low=0, high=2), 2"),
    Op::new("nn.functional.max_unpool2d(Tensor input, Tensor indices, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, int[]? output_size=None) -> Tensor", |a| {
        Ok(max_unpool(a, 2)?.into())
    })
    .doc("What max_pool2d left, at its indices; zeros elsewhere.")
    .samples("t(1, 3, 1, 1), ints(1, 3, 1, 1, low=0, high=12), (3, 4) | t(1, 3, 1, 1), ints(1, 3, 1, 1, low=0, high=12), 3, 2, output_size=(3, 4)"),
    Op::new("nn.functional.max_unpool3d(Tensor input, Tensor indices, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, int[]? output_size=None) -> Tensor", |a| {
        Ok(max_unpool(a, 3)?.into())
    })
    .doc("What max_pool3d left, at its indices; zeros elsewhere.")
    .samples("t(2, 1, 1, 1), ints(2, 1, 1, 1, low=0, high=8), 2"),
];
