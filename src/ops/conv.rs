//! Convolution in two dimensions. It is linear in input and weight, so that its three kernels
//! (forward, input gradient, weight gradient) are each other's gradients.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::conv::{self, Conv2dShape};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Show, checked_numel};
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, reduce, view};
use crate::tensor::Tensor;

/// Strides, padding, dilation, groups of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

/// The sizes a kernel needs, once everything has been checked.
fn shape_of(x: &[usize], weight: &[usize], g: Geometry) -> Conv2dShape {
    Conv2dShape {
        n: x[0],
        c: x[1],
        h: x[2],
        w: x[3],
        oc: weight[0],
        kh: weight[2],
        kw: weight[3],
        stride: g.stride,
        padding: g.padding,
        dilation: g.dilation,
        groups: g.groups,
    }
}

fn check(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, g: Geometry) -> Result<[usize; 4]> {
    if weight.ndim() != 4 {
        bail!(Shape, "weight should have four dimensions, got a weight of size {}", Show(weight.sizes()));
    }
    if x.ndim() != 4 {
        bail!(
            Shape,
            "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: {}",
            Show(x.sizes())
        );
    }
    let (out_channels, per_group) = (weight.size(0), weight.size(1));
    if g.groups == 0 {
        bail!(Shape, "non-positive groups is not supported");
    }
    if g.stride.contains(&0) {
        bail!(Shape, "non-positive stride is not supported");
    }
    if g.dilation.contains(&0) {
        bail!(Shape, "dilation should be greater than zero");
    }
    if out_channels < g.groups || !out_channels.is_multiple_of(g.groups) {
        bail!(
            Shape,
            "Given groups={}, expected weight to be at least {} at dimension 0 and divisible by it, but got weight of size {} instead",
            g.groups,
            g.groups,
            Show(weight.sizes())
        );
    }
    if x.size(1) != per_group * g.groups {
        bail!(
            Shape,
            "Given groups={}, weight of size {}, expected input{} to have {} channels, but got {} channels instead",
            g.groups,
            Show(weight.sizes()),
            Show(x.sizes()),
            per_group * g.groups,
            x.size(1)
        );
    }
    if let Some(bias) = bias
        && bias.sizes() != [out_channels]
    {
        bail!(
            Shape,
            "Given weight of size {}, expected bias to be 1-dimensional with {out_channels} elements, but got bias of size {} instead",
            Show(weight.sizes()),
            Show(bias.sizes())
        );
    }
    for (name, other) in [("weight", Some(weight)), ("bias", bias)] {
        if let Some(other) = other
            && other.dtype() != x.dtype()
        {
            bail!(
                DType,
                "Input type ({}) and {name} type ({}) should be the same",
                x.dtype().c_name(),
                other.dtype().c_name()
            );
        }
    }
    if (x.dtype().is_complex() || x.dtype() == DType::Bool) && x.numel() > 0 {
        bail!(Unsupported, "\"conv2d\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let shape = shape_of(x.sizes(), weight.sizes(), g);
    match shape.out_size() {
        Some([oh, ow]) if weight.size(2) > 0 && weight.size(3) > 0 => {
            checked_numel(&[x.size(0), out_channels, oh, ow])?;
            Ok([x.size(0), out_channels, oh, ow])
        }
        _ => bail!(
            Shape,
            "Calculated padded input size per channel: ({} x {}). Kernel size: ({} x {}). Kernel size can't be greater than actual input size",
            x.size(2).saturating_add(g.padding[0].saturating_mul(2)),
            x.size(3).saturating_add(g.padding[1].saturating_mul(2)),
            weight.size(2),
            weight.size(3)
        ),
    }
}

fn no_memory(_: conv::AllocError) -> Error {
    Error::OutOfMemory { bytes: 0 }
}

/// Half precision computes in float32, integers (exactly, up to 2^53) in float64.
fn computed(x: &Tensor) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 || x.dtype().is_integral() { DType::F64 } else { DType::F32 };
    copy::contiguous(&copy::to_dtype(&x.detached(), wide)?)
}

macro_rules! typed {
    ($dtype:expr, $t:ident => $body:expr) => {
        if $dtype == DType::F64 {
            type $t = f64;
            $body
        } else {
            type $t = f32;
            $body
        }
    };
}

/// `input` (n, c, h, w) convolved with `weight` (oc, c / groups, kh, kw), plus `bias` (oc).
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, g: Geometry) -> Result<Tensor> {
    let sizes = check(x, weight, bias, g)?;
    let (input, kernel, offset) = (computed(x)?, computed(weight)?, bias.map(computed).transpose()?);
    let out = Tensor::empty(&sizes, input.dtype())?;
    if out.numel() > 0 {
        let shape = shape_of(x.sizes(), weight.sizes(), g);
        typed!(input.dtype(), T => {
            let offset = offset.as_ref().map(|b| b.ptr().cast::<T>() as *const T);
            // SAFETY: contiguous tensors of the sizes that `shape` says; the output is fresh.
            unsafe { conv::forward::<T>(&shape, input.ptr().cast(), kernel.ptr().cast(), offset, out.ptr().cast()) }
        })
        .map_err(no_memory)?;
    }
    let out = copy::to_dtype(&out, x.dtype())?;
    let inputs = [Some(x), Some(weight), bias];
    let inputs: smallvec::SmallVec<[&Tensor; 3]> = inputs.into_iter().flatten().collect();
    if !autograd::needs_grad(&inputs) {
        return Ok(out);
    }
    let (x_sizes, w_sizes) = (x.layout().sizes.clone(), weight.layout().sizes.clone());
    let save = [Save::Input(0), Save::Input(1)];
    let has_bias = bias.is_some();
    Ok(autograd::record(out, "ConvolutionBackward0", &inputs, &save, move |cx| {
        let Some(gy) = cx.grad() else { return Ok(smallvec![None; 2 + has_bias as usize]) };
        let for_x = if cx.needs(0) { Some(input_gradient(gy, &cx.saved(1)?, &x_sizes, g)?) } else { None };
        let for_weight =
            if cx.needs(1) { Some(weight_gradient(&cx.saved(0)?, gy, &w_sizes, g)?) } else { None };
        let mut grads = smallvec![for_x, for_weight];
        if has_bias {
            grads.push(if cx.needs(2) { Some(bias_gradient(gy)?) } else { None });
        }
        Ok(grads)
    }))
}

/// The sum of a gradient over everything but channels.
fn bias_gradient(gy: &Tensor) -> Result<Tensor> {
    if autograd::grad_enabled() || gy.numel() == 0 {
        return reduce::sum(gy, Some(&[0, 2, 3]), false, None);
    }
    let g = computed(gy)?;
    let out = Tensor::empty(&[gy.size(1)], g.dtype())?;
    let sizes = [g.size(0), g.size(1), g.size(2), g.size(3)];
    // A 1 x 1 convolution without input has an output of just these sizes.
    let shape = Conv2dShape {
        n: sizes[0],
        c: 1,
        h: sizes[2],
        w: sizes[3],
        oc: sizes[1],
        kh: 1,
        kw: 1,
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
    };
    typed!(g.dtype(), T => {
        // SAFETY: the gradient is contiguous with the output sizes of `shape`; the result is fresh.
        unsafe { conv::backward_bias::<T>(&shape, g.ptr().cast(), out.ptr().cast()) }
    });
    copy::to_dtype(&out, gy.dtype())
}

/// What `gy` says about the input.
fn input_gradient(gy: &Tensor, weight: &Tensor, x_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    let (grad, kernel) = (computed(gy)?, computed(weight)?);
    let out = if gy.numel() == 0 || weight.numel() == 0 {
        crate::ops::creation::zeros(x_sizes, grad.dtype())?
    } else {
        let out = Tensor::empty(x_sizes, grad.dtype())?;
        let shape = shape_of(x_sizes, weight.sizes(), g);
        typed!(grad.dtype(), T => {
            // SAFETY: contiguous tensors of the sizes that `shape` says; the output is fresh.
            unsafe { conv::backward_input::<T>(&shape, grad.ptr().cast(), kernel.ptr().cast(), out.ptr().cast()) }
        })
        .map_err(no_memory)?;
        out
    };
    let out = copy::to_dtype(&out, gy.dtype())?;
    if !autograd::needs_grad(&[gy, weight]) {
        return Ok(out);
    }
    let w_sizes = weight.layout().sizes.clone();
    let save = [Save::Input(0), Save::Input(1)];
    Ok(autograd::record(out, "ConvolutionBackwardBackward0", &[gy, weight], &save, move |cx| {
        // An empty batch says nothing, not even zeros, as in PyTorch.
        let Some(gx) = cx.grad().filter(|gx| gx.numel() > 0) else { return Ok(smallvec![None, None]) };
        let for_gy = if cx.needs(0) { Some(conv2d(gx, &cx.saved(1)?, None, g)?) } else { None };
        let for_weight =
            if cx.needs(1) { Some(weight_gradient(gx, &cx.saved(0)?, &w_sizes, g)?) } else { None };
        Ok(smallvec![for_gy, for_weight])
    }))
}

/// What `gy` says about the weight.
fn weight_gradient(x: &Tensor, gy: &Tensor, w_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    let (input, grad) = (computed(x)?, computed(gy)?);
    let out = if gy.numel() == 0 || x.numel() == 0 {
        crate::ops::creation::zeros(w_sizes, grad.dtype())?
    } else {
        let out = Tensor::empty(w_sizes, grad.dtype())?;
        let shape = shape_of(x.sizes(), w_sizes, g);
        typed!(grad.dtype(), T => {
            // SAFETY: contiguous tensors of the sizes that `shape` says; the output is fresh.
            unsafe { conv::backward_weight::<T>(&shape, input.ptr().cast(), grad.ptr().cast(), out.ptr().cast()) }
        })
        .map_err(no_memory)?;
        out
    };
    let out = copy::to_dtype(&out, gy.dtype())?;
    if !autograd::needs_grad(&[x, gy]) {
        return Ok(out);
    }
    let x_sizes = x.layout().sizes.clone();
    let save = [Save::Input(0), Save::Input(1)];
    Ok(autograd::record(out, "ConvolutionBackwardBackward0", &[x, gy], &save, move |cx| {
        let Some(gw) = cx.grad().filter(|_| x_sizes[0] > 0) else { return Ok(smallvec![None, None]) };
        let for_x = if cx.needs(0) { Some(input_gradient(&cx.saved(1)?, gw, &x_sizes, g)?) } else { None };
        let for_gy = if cx.needs(1) { Some(conv2d(&cx.saved(0)?, gw, None, g)?) } else { None };
        Ok(smallvec![for_x, for_gy])
    }))
}

/// Two numbers of an argument: one stands for both.
pub fn pair(values: &[i64], name: &str, function: &str) -> Result<[usize; 2]> {
    let wide = match values {
        [one] => [*one, *one],
        [a, b] => [*a, *b],
        _ => bail!(Shape, "{function}(): {name} must be one number or two, got {}", Show(values)),
    };
    if wide.iter().any(|&v| v < 0) {
        bail!(Shape, "{function}(): negative {name} is not supported, got {}", Show(values));
    }
    Ok([wide[0] as usize, wide[1] as usize])
}

fn conv2d_call(a: &Args) -> Result<Tensor> {
    let (x, weight) = (a.tensor(0), a.tensor(1));
    let groups = a.int(6);
    if groups <= 0 {
        bail!(Shape, "non-positive groups is not supported");
    }
    let stride = pair(a.ints(3), "stride", "conv2d")?;
    let dilation = pair(a.ints(5), "dilation", "conv2d")?;
    let same = |stride: [usize; 2]| -> Result<([usize; 2], [usize; 2])> {
        if stride != [1, 1] {
            bail!(Autograd, "padding='same' is not supported for strided convolutions");
        }
        // An even kernel leaves one more on the right.
        let total =
            |i: usize| dilation[i] * (weight.sizes().get(2 + i).copied().unwrap_or(1).saturating_sub(1));
        let (rows, columns) = (total(0), total(1));
        Ok(([rows / 2, columns / 2], [rows - rows / 2, columns - columns / 2]))
    };
    let (padding, right) = match a.str(4) {
        None => {
            let p = pair(a.ints(4), "padding", "conv2d")?;
            (p, p)
        }
        Some("valid") => ([0, 0], [0, 0]),
        Some("same") => same(stride)?,
        Some(other) => bail!(Autograd, "Invalid padding string: '{other}' (expected 'same' or 'valid')"),
    };
    let geometry = Geometry { stride, padding, dilation, groups: groups as usize };
    let unbatched = x.ndim() == 3;
    let x = if unbatched { view::unsqueeze(x, 0)? } else { x.clone() };
    let x = if right == padding { x } else { pad_end(&x, [right[0] - padding[0], right[1] - padding[1]])? };
    let y = conv2d(&x, weight, a.opt_tensor(2), geometry)?;
    if unbatched { view::squeeze(&y, Some(&[0])) } else { Ok(y) }
}

/// Zeros after the last row and column.
fn pad_end(x: &Tensor, more: [usize; 2]) -> Result<Tensor> {
    let mut out = x.clone();
    for (dim, n) in [(2, more[0]), (3, more[1])] {
        if n > 0 && x.ndim() == 4 {
            let mut sizes = out.layout().sizes.clone();
            sizes[dim] = n;
            let zeros = crate::ops::creation::zeros(&sizes, x.dtype())?;
            out = crate::ops::joining::cat(&[out, zeros], dim as i64)?;
        }
    }
    Ok(out)
}

pub const OPS: &[Op] = &[
    Op::new("conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv2d_call(a)?.into())
    })
    .doc("Convolution of (n, c, h, w) with (oc, c / groups, kh, kw).")
    .samples("t(2, 3, 5, 6), t(4, 3, 3, 3), t(4) | t(2, 4, 5, 5), t(4, 2, 3, 3), None, 2, 1, 1, 2 | t(1, 2, 7, 7), t(3, 2, 3, 3), t(3), padding=2, dilation=2 | t(3, 5, 5), t(2, 3, 2, 2) | t(0, 3, 5, 5), t(4, 3, 3, 3), t(4)"),
    Op::new("conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str padding='valid', int[2] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv2d_call(a)?.into())
    })
    .samples("t(2, 3, 5, 6), t(4, 3, 3, 2), t(4), padding='same' | t(2, 3, 5, 6), t(4, 3, 3, 3), None, 2, 'valid'"),
];
