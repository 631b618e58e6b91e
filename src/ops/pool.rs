//! Max pooling in two dimensions.

use smallvec::smallvec;

use crate::alloc;
use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::pool::{self, Found, PoolShape};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes};
use crate::ops::arithmetic::add;
use crate::ops::conv::pair;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, index, table, view};
use crate::tensor::Tensor;

fn check(x: &Tensor, s: &PoolShape) -> Result<[usize; 2]> {
    if s.kernel.contains(&0) {
        bail!(
            Shape,
            "kernel size should be greater than zero, but got kH: {} kW: {}",
            s.kernel[0],
            s.kernel[1]
        );
    }
    if s.stride.contains(&0) {
        bail!(Shape, "stride should be greater than zero, but got dH: {} dW: {}", s.stride[0], s.stride[1]);
    }
    if s.dilation.contains(&0) {
        bail!(
            Shape,
            "dilation should be greater than zero, but got dilationH: {} dilationW: {}",
            s.dilation[0],
            s.dilation[1]
        );
    }
    if (0..2).any(|i| s.padding[i] > s.kernel[i] / 2) {
        bail!(
            Shape,
            "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and dilation={}",
            s.padding[0].max(s.padding[1]),
            s.kernel[0],
            s.dilation[0]
        );
    }
    if s.h == 0 || s.w == 0 || x.size(x.ndim() - 3) == 0 {
        bail!(
            Shape,
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:{}",
            Show(x.sizes())
        );
    }
    match s.out_size() {
        Some(size) if size[0] > 0 && size[1] > 0 => Ok(size),
        _ => bail!(
            Shape,
            "Given input size: ({}x{}x{}). Calculated output size: ({}x{}x{}). Output size is too small",
            x.size(x.ndim() - 3),
            s.h,
            s.w,
            x.size(x.ndim() - 3),
            0,
            0
        ),
    }
}

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
fn max_pool2d(x: &Tensor, s: PoolShape, with_indices: bool) -> Result<(Tensor, Option<Tensor>)> {
    if x.dtype().is_complex() || x.dtype() == DType::Bool {
        bail!(Unsupported, "\"max_pool2d\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let [oh, ow] = check(x, &s)?;
    let mut sizes: Sizes = x.sizes().into();
    let n = sizes.len();
    (sizes[n - 2], sizes[n - 1]) = (oh, ow);
    let input = computed(x)?;
    let out = Tensor::empty(&sizes, input.dtype())?;
    let graph = autograd::needs_grad(&[x]);
    let codes = graph && !with_indices && s.fits_codes();
    let found = match (with_indices, graph) {
        (true, _) => Some(Tensor::empty(&sizes, DType::I64)?),
        (false, true) => Some(Tensor::empty(&sizes, if codes { DType::U8 } else { DType::I64 })?),
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
    let out = copy::to_dtype(&out, x.dtype())?;
    let Some(places) = found.clone().filter(|_| graph) else { return Ok((out, found)) };
    let x_sizes: Sizes = x.sizes().into();
    let out =
        autograd::record(out, "MaxPool2DWithIndicesBackward0", &[x], &[Save::Other(&places)], move |cx| {
            let Some(gy) = cx.grad() else { return Ok(smallvec![None]) };
            let gx = gradient(gy, &cx.saved(0)?, &x_sizes, s)?;
            match cx.node.edges() {
                // The places depend on the input, with a derivative of zero.
                [Some(input)] if autograd::grad_enabled() => {
                    let input = creation::zeros(&x_sizes, gx.dtype())?.with_producer(input.clone());
                    Ok(smallvec![Some(add(&gx, &table::zero_of(&input)?)?)])
                }
                _ => Ok(smallvec![Some(gx)]),
            }
        });
    Ok((out, found))
}

/// The gradient of the input: each window's goes to its place.
fn gradient(gy: &Tensor, places: &Tensor, x_sizes: &[usize], s: PoolShape) -> Result<Tensor> {
    if autograd::needs_grad(&[gy]) {
        // A place is an index along the flattened plane: scattering is differentiable.
        let plane = [s.planes, s.h * s.w];
        let flat = |t: &Tensor| view::reshape(t, &[s.planes as i64, -1]);
        let zeros = creation::zeros(&plane, gy.dtype())?;
        let added = index::scatter_add(&zeros, 1, &flat(&indices_of(places, s)?)?, &flat(gy)?)?;
        return view::reshape_to(&added, x_sizes);
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

fn shape_of(a: &Args) -> Result<PoolShape> {
    let x = a.tensor(0);
    if x.ndim() != 3 && x.ndim() != 4 {
        bail!(
            Shape,
            "non-empty 3D or 4D (batch mode) tensor expected for input, got a tensor of shape {}",
            Show(x.sizes())
        );
    }
    let n = x.ndim();
    let kernel = pair(a.ints(1), "kernel_size", "max_pool2d")?;
    let stride = match a.ints(2) {
        [] => kernel,
        given => pair(given, "stride", "max_pool2d")?,
    };
    Ok(PoolShape {
        planes: x.sizes()[..n - 2].iter().product(),
        h: x.size(n - 2),
        w: x.size(n - 1),
        kernel,
        stride,
        padding: pair(a.ints(3), "padding", "max_pool2d")?,
        dilation: pair(a.ints(4), "dilation", "max_pool2d")?,
        ceil_mode: a.bool(5),
    })
}

pub const OPS: &[Op] = &[
    Op::new("max_pool2d(Tensor input, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor", |a| {
        Ok(max_pool2d(a.tensor(0), shape_of(a)?, false)?.0.into())
    })
    .doc("The largest of each window of (n, c, h, w) or (c, h, w).")
    .samples("t(2, 3, 6, 6), 2 | t(2, 3, 7, 7), 3, 2, 1 | t(3, 7, 5), (2, 3), ceil_mode=True | t(1, 2, 9, 9), 3, 1, 1, 2"),
    Op::new("max_pool2d_with_indices(Tensor input, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor[]", |a| {
        let (out, indices) = max_pool2d(a.tensor(0), shape_of(a)?, true)?;
        Ok(Output::Tensors([Some(out), indices].into_iter().flatten().collect()))
    })
    .doc("As max_pool2d, with the index of each result in its plane."),
];
