//! Max pooling in one to three dimensions. One dimension is two with a height of one; three are two
//! passes: over the planes, then over what they left along the depth.

use smallvec::{SmallVec, smallvec};

use crate::alloc;
use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::pool::{self, Found, PoolShape, Window};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{MemoryFormat, Show, Sizes};
use crate::ops::avg_pool::Names;
use crate::ops::cuda::pool::Windows;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, cuda, plane};
use crate::tensor::Tensor;

const MAX: Names = ["max_pool1d", "max_pool2d", "max_pool3d"];

/// One number an axis; a single one stands for all.
pub fn axes(values: &[i64], dims: usize, name: &str, function: &str) -> Result<SmallVec<[i64; 3]>> {
    match values {
        [one] => Ok(smallvec![*one; dims]),
        _ if values.len() == dims => Ok(values.into()),
        _ => bail!(
            Shape,
            "{function}: {name} must either be a single int, or a tuple of {dims} ints, got {}",
            Show(values)
        ),
    }
}

/// The window along each axis. Without a stride, windows lie side by side.
pub fn window_of(
    dims: usize,
    function: &str,
    kernel: &[i64],
    stride: Option<&[i64]>,
    padding: &[i64],
    dilation: &[i64],
) -> Result<SmallVec<[Window; 3]>> {
    let kernel = axes(kernel, dims, "kernel_size", function)?;
    let stride = match stride {
        None | Some([]) => kernel.clone(),
        Some(stride) => axes(stride, dims, "stride", function)?,
    };
    let (padding, dilation) =
        (axes(padding, dims, "padding", function)?, axes(dilation, dims, "dilation", function)?);
    for (what, values) in [("kernel size", &kernel), ("stride", &stride), ("dilation", &dilation)] {
        if values.iter().any(|&v| v <= 0) {
            bail!(Shape, "{function}: {what} should be greater than zero, but got {}", Show(values));
        }
        if values.iter().any(|&v| v > i64::from(i32::MAX)) {
            bail!(Shape, "{function}: {what}: integer out of range, got {}", Show(values));
        }
    }
    (0..dims)
        .map(|i| {
            let reach = (kernel[i] - 1).saturating_mul(dilation[i]).saturating_add(1);
            if padding[i] < 0 || padding[i] > reach / 2 {
                bail!(
                    Shape,
                    "{function}: pad should be at least zero and at most half of effective kernel size, but got pad={}, kernel_size={} and dilation={}",
                    padding[i],
                    kernel[i],
                    dilation[i]
                );
            }
            let [kernel, stride, padding, dilation] =
                [kernel[i], stride[i], padding[i], dilation[i]].map(|v| v as usize);
            Ok(Window { kernel, stride, padding, dilation })
        })
        .collect()
}

/// An image or a batch of them, of which only the batch may be empty.
pub fn check_dims(x: &Tensor, dims: usize, function: &str) -> Result<()> {
    let n = x.ndim();
    if n != dims + 1 && n != dims + 2 || x.sizes()[n - dims - 1..].contains(&0) {
        bail!(
            Shape,
            "{function}: Expected {}D or {}D (batch mode) tensor with optional 0 dim batch size for input, but got: {}",
            dims + 1,
            dims + 2,
            Show(x.sizes())
        );
    }
    Ok(())
}

/// The two-dimensional pooling of planes, once everything has been checked.
fn shape_of(planes: usize, sizes: [usize; 2], windows: [Window; 2], ceil_mode: bool) -> PoolShape {
    PoolShape {
        planes,
        h: sizes[0],
        w: sizes[1],
        kernel: windows.map(|w| w.kernel),
        stride: windows.map(|w| w.stride),
        padding: windows.map(|w| w.padding),
        dilation: windows.map(|w| w.dilation),
        ceil_mode,
    }
}

/// A window of a single element.
const ONE: Window = Window { kernel: 1, stride: 1, padding: 0, dilation: 1 };

/// The dtypes that the kernels know; others go through float32.
macro_rules! typed {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::I32 => {
                type $t = i32;
                $body
            }
            DType::I16 => {
                type $t = i16;
                $body
            }
            DType::I8 => {
                type $t = i8;
                $body
            }
            DType::U8 => {
                type $t = u8;
                $body
            }
            _ => {
                type $t = f32;
                $body
            }
        }
    };
}

/// The input in a dtype that kernels know, contiguous.
fn computed(x: &Tensor) -> Result<Tensor> {
    let x = x.detached();
    copy::contiguous(&if matches!(x.dtype(), DType::F16 | DType::BF16) {
        copy::to_dtype(&x, DType::F32)?
    } else {
        x
    })
}

/// The largest of each window, with its place: a code byte a window, or the index in the plane.
fn max_pool2d(
    x: &Tensor,
    sizes: &[usize],
    s: PoolShape,
    dims: usize,
    with_indices: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let input = computed(x)?;
    let out = Tensor::empty(sizes, input.dtype())?;
    let graph = autograd::needs_grad(&[x]);
    let codes = graph && !with_indices && s.fits_codes();
    let found = match (with_indices, graph) {
        (true, _) => Some(Tensor::empty(sizes, DType::I64)?),
        (false, true) => Some(Tensor::empty(sizes, if codes { DType::U8 } else { DType::I64 })?),
        (false, false) => None,
    };
    if out.numel() > 0 {
        let (from, to) = (input.ptr(), out.ptr());
        typed!(input.dtype(), T => {
            // SAFETY: contiguous tensors of the sizes that `s` says; the outputs are fresh.
            unsafe {
                match &found {
                    None => pool::max_pool::<T>(s, from.cast(), to.cast()),
                    Some(f) if codes => pool::max_pool_codes::<T>(s, from.cast(), to.cast(), f.ptr()),
                    Some(f) => pool::max_pool_indices::<T>(s, from.cast(), to.cast(), f.ptr().cast()),
                }
            }
        });
    }
    let format = MemoryFormat::suggested_by(x.layout());
    let out = copy::in_format(&copy::to_dtype(&out, x.dtype())?, format)?;
    // The backward reads places row by row, whatever the order of what the caller sees.
    let indices = found.as_ref().filter(|_| with_indices).map(|f| copy::in_format(f, format)).transpose()?;
    let Some(places) = found.filter(|_| graph) else { return Ok((out, indices)) };
    let x_sizes: Sizes = x.sizes().into();
    let out =
        autograd::record(out, "MaxPool2DWithIndicesBackward0", &[x], &[Save::Other(&places)], move |cx| {
            let Some(gy) = cx.grad() else { return Ok(smallvec![None]) };
            let gx = gradient(gy, &cx.saved(0)?, &x_sizes, s, dims)?;
            Ok(smallvec![Some(plane::tied(gx, cx)?)])
        });
    Ok((out, indices))
}

/// The gradient of the input: each window's goes to its place.
fn gradient(gy: &Tensor, places: &Tensor, x_sizes: &[usize], s: PoolShape, dims: usize) -> Result<Tensor> {
    if autograd::needs_grad(&[gy]) {
        return plane::scatter(gy, &indices_of(places, s)?, dims, &x_sizes[x_sizes.len() - dims..], true);
    }
    let grad = computed(gy)?;
    let out = if gy.numel() == 0 {
        creation::zeros(x_sizes, grad.dtype())?
    } else {
        Tensor::empty(x_sizes, grad.dtype())?
    };
    if gy.numel() > 0 {
        let found = match places.dtype() {
            DType::U8 => Found::Codes(places.ptr()),
            _ => Found::Indices(places.ptr().cast()),
        };
        typed!(grad.dtype(), T => {
            // SAFETY: contiguous tensors of the sizes that `s` says; places come from the forward,
            // whose version was checked.
            unsafe { pool::max_pool_backward::<T>(s, grad.ptr().cast(), found, out.ptr().cast()) }
        });
    }
    copy::to_dtype(&out, gy.dtype())
}

/// Codes (the number of the tap in its window) as indices in the plane.
fn indices_of(places: &Tensor, s: PoolShape) -> Result<Tensor> {
    if places.dtype() != DType::U8 {
        return Ok(places.clone());
    }
    let codes: Vec<u8> = copy::values(places)?;
    let [oh, ow] = s.out_size().unwrap_or([1, 1]);
    let mut indices: Vec<i64> = alloc::vec_for(codes.len())?;
    indices.extend(codes.iter().enumerate().map(|(i, &code)| {
        let (y, x) = (i / ow % oh, i % ow);
        let (ky, kx) = (code as usize / s.kernel[1], code as usize % s.kernel[1]);
        let row = y * s.stride[0] + ky * s.dilation[0] - s.padding[0];
        let column = x * s.stride[1] + kx * s.dilation[1] - s.padding[1];
        (row * s.w + column) as i64
    }));
    Tensor::from_slice(&indices, places.sizes())
}

/// The largest of the windows of the last `dims` dims, and their indices, in a format; not of fractional windows.
pub fn max_pool_on_gpu(
    x: &Tensor,
    sizes: &[usize],
    dims: usize,
    windows: Windows,
    name: &'static str,
    format: MemoryFormat,
) -> Result<(Tensor, Tensor)> {
    let (out, places) = cuda::pool::max_pool(x, sizes, dims, &windows)?;
    let (out, indices) = (copy::in_format(&out, format)?, copy::in_format(&places, format)?);
    if !autograd::needs_grad(&[x]) {
        return Ok((out, indices));
    }
    let x_sizes: Sizes = x.sizes().into();
    let out = autograd::record(out, name, &[x], &[Save::Other(&places)], move |cx| {
        let Some(gy) = cx.grad() else { return Ok(smallvec![None]) };
        let places = cx.saved(0)?;
        let gx = if autograd::needs_grad(&[gy]) {
            plane::scatter(gy, &places, dims, &x_sizes[x_sizes.len() - dims..], true)?
        } else {
            cuda::pool::max_pool_gradient(gy, &places, &x_sizes, dims, &windows)?
        };
        Ok(smallvec![Some(plane::tied(gx, cx)?)])
    });
    Ok((out, indices))
}

/// The largest of each window and, `with_indices`, its flat index in the plane.
fn max_pool(a: &Args, dims: usize, with_indices: bool) -> Result<(Tensor, Option<Tensor>)> {
    let (x, name) = (a.tensor(0), MAX[dims - 1]);
    let w = window_of(dims, name, a.ints(1), a.opt_ints(2), a.ints(3), a.ints(4))?;
    let ceil_mode = a.bool(5);
    check_dims(x, dims, name)?;
    let refused = x.dtype().is_complex()
        || x.dtype() == DType::Bool
        || dims == 1 && !with_indices && x.dtype().is_integral();
    if refused {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let lead = x.ndim() - dims;
    let mut sizes: Sizes = x.sizes().into();
    for (i, w) in w.iter().enumerate() {
        let Some(out) = pool::out_size(x.size(lead + i), *w, ceil_mode) else {
            bail!(
                Shape,
                "{name}: Given input size {}, the output would be empty: Output size is too small",
                Show(x.sizes())
            );
        };
        sizes[lead + i] = out;
    }
    if x.device().is_cuda() {
        let mut windows = [ONE; 3];
        windows[3 - dims..].copy_from_slice(&w);
        let name = if dims < 3 { "MaxPool2DWithIndicesBackward0" } else { "MaxPool3DWithIndicesBackward0" };
        let format = MemoryFormat::suggested_by(x.layout());
        let (out, indices) = max_pool_on_gpu(x, &sizes, dims, Windows::Sliding(windows), name, format)?;
        return Ok((out, Some(indices).filter(|_| with_indices)));
    }
    let planes: usize = x.sizes()[..lead].iter().product();
    match dims {
        1 => max_pool2d(
            x,
            &sizes,
            shape_of(planes, [1, x.size(lead)], [ONE, w[0]], ceil_mode),
            1,
            with_indices,
        ),
        2 => {
            let image = [x.size(lead), x.size(lead + 1)];
            max_pool2d(x, &sizes, shape_of(planes, image, [w[0], w[1]], ceil_mode), 2, with_indices)
        }
        _ => {
            let image = [x.size(lead + 1), x.size(lead + 2)];
            let flat = shape_of(planes * x.size(lead), image, [w[1], w[2]], ceil_mode);
            let left = sizes[lead + 1] * sizes[lead + 2];
            let deep = shape_of(planes, [x.size(lead), left], [w[0], ONE], ceil_mode);
            if with_indices || autograd::needs_grad(&[x]) {
                return max_pool3d(x, &sizes, flat, deep);
            }
            Ok((largest_of_volumes(x, &sizes, flat, deep)?, None))
        }
    }
}

/// Over the planes, then over the depth: of equal values the first in the volume wins, as it is the
/// first of its plane and in the first such plane.
fn max_pool3d(
    x: &Tensor,
    sizes: &[usize],
    flat: PoolShape,
    deep: PoolShape,
) -> Result<(Tensor, Option<Tensor>)> {
    let input = computed(x)?;
    let (between, places) = (
        Tensor::empty(&[flat.planes, deep.w], input.dtype())?,
        Tensor::empty(&[flat.planes, deep.w], DType::I64)?,
    );
    let (out, indices) = (Tensor::empty(sizes, input.dtype())?, Tensor::empty(sizes, DType::I64)?);
    if out.numel() > 0 {
        typed!(input.dtype(), T => {
            // SAFETY: contiguous tensors of the sizes that the shapes say; the outputs are fresh.
            unsafe {
                let (between, places) = (between.ptr().cast::<T>(), places.ptr().cast());
                pool::max_pool_indices::<T>(flat, input.ptr().cast(), between, places);
                pool::max_pool_indices::<T>(deep, between, out.ptr().cast(), indices.ptr().cast());
            }
        });
        let volume = deep.h * deep.w;
        let windows = indices.numel() / deep.planes;
        // SAFETY: contiguous, with that many elements; nobody else has them.
        let (found, places) = unsafe {
            (
                std::slice::from_raw_parts_mut(indices.ptr().cast::<i64>(), indices.numel()),
                std::slice::from_raw_parts(places.ptr().cast::<i64>(), places.numel()),
            )
        };
        for (i, index) in found.iter_mut().enumerate() {
            let at = *index as usize;
            // A dilated window may lie wholly in the padding: an index outside the volume stands for it.
            if at < volume {
                *index = (at / deep.w * flat.h * flat.w) as i64 + places[i / windows * volume + at];
            } else {
                *index = (deep.h * flat.h * flat.w) as i64;
            }
        }
    }
    let format = MemoryFormat::suggested_by(x.layout());
    let out = copy::in_format(&copy::to_dtype(&out, x.dtype())?, format)?;
    let indices = copy::in_format(&indices, format)?;
    Ok((plane::picked(out, x, &indices, 3, "MaxPool3DWithIndicesBackward0"), Some(indices)))
}

/// The same where nobody asks for places.
fn largest_of_volumes(x: &Tensor, sizes: &[usize], flat: PoolShape, deep: PoolShape) -> Result<Tensor> {
    let input = computed(x)?;
    let between = Tensor::empty(&[flat.planes, deep.w], input.dtype())?;
    let out = Tensor::empty(sizes, input.dtype())?;
    if out.numel() > 0 {
        typed!(input.dtype(), T => {
            // SAFETY: contiguous tensors of the sizes that the shapes say; the outputs are fresh.
            unsafe {
                let between = between.ptr().cast::<T>();
                pool::max_pool::<T>(flat, input.ptr().cast(), between);
                pool::max_pool::<T>(deep, between, out.ptr().cast());
            }
        });
    }
    copy::in_format(&copy::to_dtype(&out, x.dtype())?, MemoryFormat::suggested_by(x.layout()))
}

fn with_indices(a: &Args, dims: usize) -> Result<Output> {
    let (out, indices) = max_pool(a, dims, true)?;
    Ok(Output::Tensors([Some(out), indices].into_iter().flatten().collect()))
}

pub const OPS: &[Op] = &[
    Op::new("max_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> Tensor", |a| {
        Ok(max_pool(a, 1, false)?.0.into())
    })
    .doc("The largest of each window of (n, c, l) or (c, l).")
    .samples("t(2, 3, 7), 3, 2, 1 | nc(3, 8), 3, 1, 0, 2, True"),
    Op::new("max_pool1d_with_indices(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> Tensor[]", |a| {
        with_indices(a, 1)
    })
    .doc("As max_pool1d, with the index of each result.")
    .samples("t(2, 3, 7), 3, 2, 1"),
    Op::new("max_pool2d(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor", |a| {
        Ok(max_pool(a, 2, false)?.0.into())
    })
    .doc("The largest of each window of (n, c, h, w) or (c, h, w).")
    .samples("t(2, 3, 6, 6), 2 | t(2, 3, 7, 7), 3, 2, 1 | t(3, 7, 5), (2, 3), ceil_mode=True | t(1, 2, 9, 9), 3, 1, 1, 2"),
    Op::new("nn.functional.max_pool2d_with_indices(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, int[2] dilation=1, bool ceil_mode=False, bool return_indices=False) -> Tensor[]", |a| {
        with_indices(a, 2)
    })
    .doc("As max_pool2d, with the index of each result in its plane.")
    .samples("t(2, 3, 7, 7), 3, 2, 1"),
    Op::new("max_pool3d(Tensor input, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor", |a| {
        Ok(max_pool(a, 3, false)?.0.into())
    })
    .doc("The largest of each window of (n, c, d, h, w) or (c, d, h, w).")
    .samples("t(2, 2, 4, 5, 4), 2 | t(2, 5, 7, 6), (2, 3, 3), (1, 2, 2), (1, 0, 1), (2, 1, 1), True"),
    Op::new("nn.functional.max_pool3d_with_indices(Tensor input, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, int[3] dilation=1, bool ceil_mode=False, bool return_indices=False) -> Tensor[]", |a| {
        with_indices(a, 3)
    })
    .doc("As max_pool3d, with the index of each result in its volume.")
    .samples("t(2, 2, 4, 5, 4), 3, 1, 1"),
];
