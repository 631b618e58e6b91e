//! Convolution and transposed convolution in one to three dimensions. Convolution is linear in input
//! and weight, so that its three kernels (`conv_kernel.rs`) are each other's gradients; a transposed
//! convolution is the input's gradient of a convolution.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Save};
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{MemoryFormat, Show, Sizes, checked_numel};
use crate::ops::avg_pool::Names;
use crate::ops::conv_kernel::{self as kernel, Geometry, Shape};
use crate::ops::pool::axes;
use crate::ops::registry::{Args, Op};
use crate::ops::{arithmetic, copy, creation, pad, reduce, table, view};
use crate::tensor::Tensor;

const CONV: Names = ["conv1d", "conv2d", "conv3d"];
const TRANSPOSED: Names = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"];

// ---- the three sides, on the tape ----

/// Channels innermost where the input or the weight has them so.
fn format_of(x: &Tensor, weight: &Tensor) -> MemoryFormat {
    match MemoryFormat::suggested_by(x.layout()) {
        MemoryFormat::Contiguous => MemoryFormat::suggested_by(weight.layout()),
        format => format,
    }
}

fn conj(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() { table::conj(x) } else { Ok(x.clone()) }
}

/// `input` (n, c, ...) convolved with `weight` (oc, c / groups, ...), plus `bias` (oc). `first`: it is no
/// part of a gradient; in second gradients an empty batch says nothing, not even zeros, as in PyTorch.
fn forward(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, g: Geometry, first: bool) -> Result<Tensor> {
    let out = copy::in_format(&kernel::forward(x, weight, bias, g)?, format_of(x, weight))?;
    let inputs: SmallVec<[&Tensor; 3]> = [Some(x), Some(weight), bias].into_iter().flatten().collect();
    if !autograd::needs_grad(&inputs) {
        return Ok(out);
    }
    let (x_sizes, w_sizes) = (x.layout().sizes.clone(), weight.layout().sizes.clone());
    let save = [Save::Input(0), Save::Input(1)];
    let has_bias = bias.is_some();
    Ok(autograd::record(out, "ConvolutionBackward0", &inputs, &save, move |cx| {
        let Some(gy) = cx.grad().filter(|gy| first || gy.numel() > 0) else {
            return Ok(smallvec![None; 2 + has_bias as usize]);
        };
        let for_x =
            if cx.needs(0) { Some(input_gradient(gy, &conj(&cx.saved(1)?)?, &x_sizes, g)?) } else { None };
        let for_weight =
            if cx.needs(1) { Some(weight_gradient(&conj(&cx.saved(0)?)?, gy, &w_sizes, g)?) } else { None };
        let mut grads = smallvec![for_x, for_weight];
        if has_bias {
            grads.push(if cx.needs(2) { Some(bias_gradient(gy)?) } else { None });
        }
        Ok(grads)
    }))
}

/// The sum of a gradient over everything but channels.
fn bias_gradient(gy: &Tensor) -> Result<Tensor> {
    let composed = autograd::grad_enabled() || gy.dtype().is_complex() || gy.device().is_cuda();
    if composed || gy.numel() == 0 {
        let others: Vec<i64> = (0..gy.ndim() as i64).filter(|&d| d != 1).collect();
        return reduce::sum(gy, Some(&others), false, None);
    }
    kernel::bias_gradient(gy)
}

/// What `gy` says about the input.
fn input_gradient(gy: &Tensor, weight: &Tensor, x_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    transposed(gy, weight, x_sizes, g, false)
}

/// The same, which as an operation of its own (`first`) is the transposed convolution.
fn transposed(gy: &Tensor, weight: &Tensor, x_sizes: &[usize], g: Geometry, first: bool) -> Result<Tensor> {
    let mut out = kernel::input_gradient(gy, weight, x_sizes, g)?;
    if first {
        out = copy::in_format(&out, format_of(gy, weight))?;
    }
    if !autograd::needs_grad(&[gy, weight]) {
        return Ok(out);
    }
    let w_sizes = weight.layout().sizes.clone();
    let save = [Save::Input(0), Save::Input(1)];
    Ok(autograd::record(out, "ConvolutionBackward0", &[gy, weight], &save, move |cx| {
        let Some(gx) = cx.grad().filter(|gx| first || gx.numel() > 0) else {
            return Ok(smallvec![None, None]);
        };
        let for_gy =
            if cx.needs(0) { Some(forward(gx, &conj(&cx.saved(1)?)?, None, g, false)?) } else { None };
        let for_weight =
            if cx.needs(1) { Some(weight_gradient(gx, &conj(&cx.saved(0)?)?, &w_sizes, g)?) } else { None };
        Ok(smallvec![for_gy, for_weight])
    }))
}

/// What `gy` says about the weight.
fn weight_gradient(x: &Tensor, gy: &Tensor, w_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    let out = kernel::weight_gradient(x, gy, w_sizes, g)?;
    if !autograd::needs_grad(&[x, gy]) {
        return Ok(out);
    }
    let x_sizes = x.layout().sizes.clone();
    let save = [Save::Input(0), Save::Input(1)];
    Ok(autograd::record(out, "ConvolutionBackward0", &[x, gy], &save, move |cx| {
        let Some(gw) = cx.grad().filter(|_| x_sizes[0] > 0) else { return Ok(smallvec![None, None]) };
        let for_x =
            if cx.needs(0) { Some(input_gradient(&conj(&cx.saved(1)?)?, gw, &x_sizes, g)?) } else { None };
        let for_gy =
            if cx.needs(1) { Some(forward(&conj(&cx.saved(0)?)?, gw, None, g, false)?) } else { None };
        Ok(smallvec![for_x, for_gy])
    }))
}

// ---- calls ----

/// One number an axis, right-aligned on three; axes that are not there have `rest`.
fn three(
    values: &[i64],
    dims: usize,
    name: &str,
    function: &str,
    least: i64,
    rest: usize,
) -> Result<[usize; 3]> {
    let values = axes(values, dims, name, function)?;
    if values.iter().any(|&v| v < least) {
        let what = if least == 0 { "negative" } else { "non-positive" };
        bail!(Shape, "{function}(): {what} {name} is not supported, got {}", Show(&values));
    }
    let mut three = [rest; 3];
    three[3 - dims..].iter_mut().zip(&values).for_each(|(to, &v)| *to = v as usize);
    Ok(three)
}

/// What holds for both kinds: dims, dtypes, groups. `out_channels` is what the bias must have.
fn check(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dims: usize,
    name: &str,
    g: Geometry,
    transposed: bool,
) -> Result<()> {
    if weight.ndim() != dims + 2 {
        bail!(
            Shape,
            "{name}(): weight should have {} dimensions, got a weight of size {}",
            dims + 2,
            Show(weight.sizes())
        );
    }
    if x.ndim() != dims + 2 {
        bail!(
            Shape,
            "Expected {}D (unbatched) or {}D (batched) input to {name}, but got input of size: {}",
            dims + 1,
            dims + 2,
            Show(x.sizes())
        );
    }
    if weight.size(0) < g.groups || !weight.size(0).is_multiple_of(g.groups) {
        bail!(
            Shape,
            "Given groups={}, expected weight to be at least {} at dimension 0 and divisible by it, but got weight of size {} instead",
            g.groups,
            g.groups,
            Show(weight.sizes())
        );
    }
    let Some(across) = weight.size(1).checked_mul(g.groups) else {
        bail!(
            Shape,
            "Given groups={}, the weight of size {} has too many channels",
            g.groups,
            Show(weight.sizes())
        );
    };
    let (channels, out_channels) =
        if transposed { (weight.size(0), across) } else { (across, weight.size(0)) };
    if x.size(1) != channels {
        bail!(
            Shape,
            "Given groups={}, weight of size {}, expected input{} to have {channels} channels, but got {} channels instead",
            g.groups,
            Show(weight.sizes()),
            Show(x.sizes()),
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
    for (what, other) in [("weight", Some(weight)), ("bias", bias)] {
        if let Some(other) = other
            && other.dtype() != x.dtype()
        {
            bail!(
                DType,
                "Input type ({}) and {what} type ({}) should be the same",
                x.dtype().c_name(),
                other.dtype().c_name()
            );
        }
    }
    let small = x.dtype().is_integral() && x.dtype() != DType::I64;
    let dilated = g.dilation != [1; 3];
    if (x.dtype() == DType::Bool || small && (transposed || dilated)) && x.numel() > 0 {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    if weight.sizes()[2..].contains(&0) {
        bail!(Shape, "{name}(): the kernel must not be empty, got a weight of size {}", Show(weight.sizes()));
    }
    Ok(())
}

fn convolve(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, dims: usize, g: Geometry) -> Result<Tensor> {
    check(x, weight, bias, dims, CONV[dims - 1], g, false)?;
    let Some(out) = Shape::of(x.sizes(), weight.sizes(), g).out_size() else {
        let padded = x.sizes()[2..].iter().zip(&g.padding[3 - dims..]);
        let padded: Vec<usize> = padded.map(|(&s, p)| s.saturating_add(p.saturating_mul(2))).collect();
        bail!(
            Shape,
            "Calculated padded input size per channel: {}. Kernel size: {}. Kernel size can't be greater than actual input size",
            Show(&padded),
            Show(&weight.sizes()[2..])
        );
    };
    checked_numel(&[x.size(0), weight.size(0), out[0], out[1], out[2]])?;
    if x.size(1) == 0 {
        return without_channels(x, weight, bias, &out[3 - dims..]);
    }
    forward(x, weight, bias, g, true)
}

/// Of no channels PyTorch makes none, whatever the weight says.
fn without_channels(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, out: &[usize]) -> Result<Tensor> {
    let sizes: Sizes = [x.size(0), 0].into_iter().chain(out.iter().copied()).collect();
    let inputs: SmallVec<[&Tensor; 3]> = [Some(x), Some(weight), bias].into_iter().flatten().collect();
    let empty = Tensor::empty(&sizes, x.dtype())?;
    if !autograd::needs_grad(&inputs) {
        return Ok(empty);
    }
    let like: Vec<(Sizes, DType)> = inputs.iter().map(|t| (t.sizes().into(), t.dtype())).collect();
    Ok(autograd::record(empty, "ConvolutionBackward0", &inputs, &[], move |_| {
        like.iter().map(|(sizes, dtype)| Ok(Some(creation::zeros(sizes, *dtype)?))).collect()
    }))
}

fn convolve_transposed(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dims: usize,
    output_padding: [usize; 3],
    g: Geometry,
) -> Result<Tensor> {
    let name = TRANSPOSED[dims - 1];
    check(x, weight, bias, dims, name, g, true)?;
    let (mut sizes, mut more): (Sizes, Sizes) =
        (smallvec![x.size(0), weight.size(1) * g.groups], Sizes::new());
    for i in 0..dims {
        let at = 3 - dims + i;
        let (stride, padding, dilation, extra) =
            (g.stride[at], g.padding[at], g.dilation[at], output_padding[at]);
        if extra >= stride.max(dilation) {
            bail!(
                Shape,
                "{name}(): output padding must be smaller than either stride or dilation, but got output_padding: {extra}, stride: {stride}, dilation: {dilation}"
            );
        }
        let (size, kernel) = (x.size(2 + i) as i128, weight.size(2 + i) as i128);
        let out = (size - 1) * stride as i128 - 2 * padding as i128
            + dilation as i128 * (kernel - 1)
            + extra as i128
            + 1;
        let Some(out) = usize::try_from(out).ok().filter(|&out| out > 0 && size > 0) else {
            bail!(
                Shape,
                "{name}(): Given input size per channel: {}. Calculated output size {out} at dimension {i}. Output size is too small",
                Show(&x.sizes()[2..])
            );
        };
        sizes.push(out);
        // Beyond a stride, output padding makes room for another input: there are zeros.
        more.push(extra / stride);
    }
    checked_numel(&sizes)?;
    let x = if more.iter().any(|&m| m > 0) { pad::zeros_after(x, 2, &more)? } else { x.clone() };
    let y = transposed(&x, weight, &sizes, g, true)?;
    match bias {
        None => Ok(y),
        Some(bias) => {
            let mut along: Sizes = smallvec![1; dims + 1];
            along[0] = bias.numel();
            arithmetic::add(&y, &view::reshape_to(bias, &along)?)
        }
    }
}

/// Runs `body` on a batch: an input without one is a batch of one.
fn batched(x: &Tensor, dims: usize, body: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.ndim() != dims + 1 {
        return body(x);
    }
    view::squeeze(&body(&view::unsqueeze(x, 0)?)?, Some(&[0]))
}

fn groups_of(groups: i64) -> Result<usize> {
    if groups <= 0 {
        bail!(Shape, "non-positive groups is not supported");
    }
    Ok(groups as usize)
}

fn conv_call(a: &Args, dims: usize) -> Result<Tensor> {
    let (x, weight, name) = (a.tensor(0), a.tensor(1), CONV[dims - 1]);
    let groups = groups_of(a.int(6))?;
    let stride = three(a.ints(3), dims, "stride", name, 1, 1)?;
    let dilation = three(a.ints(5), dims, "dilation", name, 1, 1)?;
    let mut more: Sizes = smallvec![0; dims];
    let padding = match a.str(4) {
        None => three(a.ints(4), dims, "padding", name, 0, 0)?,
        Some("valid") => [0; 3],
        Some("same") => {
            if stride != [1; 3] {
                bail!(Autograd, "padding='same' is not supported for strided convolutions");
            }
            let mut padding = [0; 3];
            for (i, more) in more.iter_mut().enumerate() {
                let kernel = weight.sizes().get(2 + i).copied().unwrap_or(1);
                // An even kernel leaves one more on the right.
                let total = dilation[3 - dims + i].saturating_mul(kernel.saturating_sub(1));
                padding[3 - dims + i] = total / 2;
                *more = total % 2;
            }
            padding
        }
        Some(other) => bail!(Autograd, "Invalid padding string: '{other}' (expected 'same' or 'valid')"),
    };
    let geometry = Geometry { stride, padding, dilation, groups };
    batched(x, dims, |x| {
        if more.iter().any(|&m| m > 0) && x.ndim() == dims + 2 {
            return convolve(&pad::zeros_after(x, 2, &more)?, weight, a.opt_tensor(2), dims, geometry);
        }
        convolve(x, weight, a.opt_tensor(2), dims, geometry)
    })
}

fn conv_transpose_call(a: &Args, dims: usize) -> Result<Tensor> {
    let name = TRANSPOSED[dims - 1];
    let geometry = Geometry {
        groups: groups_of(a.int(6))?,
        stride: three(a.ints(3), dims, "stride", name, 1, 1)?,
        padding: three(a.ints(4), dims, "padding", name, 0, 0)?,
        dilation: three(a.ints(7), dims, "dilation", name, 1, 1)?,
    };
    let output_padding = three(a.ints(5), dims, "output_padding", name, 0, 0)?;
    batched(a.tensor(0), dims, |x| {
        convolve_transposed(x, a.tensor(1), a.opt_tensor(2), dims, output_padding, geometry)
    })
}

fn convolution_call(a: &Args) -> Result<Tensor> {
    let (x, weight, bias, transposed) = (a.tensor(0), a.tensor(1), a.opt_tensor(2), a.bool(6));
    let dims = weight.ndim().wrapping_sub(2);
    if !(1..=3).contains(&dims) {
        bail!(
            Shape,
            "convolution(): weight should have three to five dimensions, got a weight of size {}",
            Show(weight.sizes())
        );
    }
    let geometry = Geometry {
        stride: three(a.ints(3), dims, "stride", "convolution", 1, 1)?,
        padding: three(a.ints(4), dims, "padding", "convolution", 0, 0)?,
        dilation: three(a.ints(5), dims, "dilation", "convolution", 1, 1)?,
        groups: groups_of(a.int(8))?,
    };
    let output_padding = three(a.ints(7), dims, "output_padding", "convolution", 0, 0)?;
    batched(x, dims, |x| {
        if transposed {
            convolve_transposed(x, weight, bias, dims, output_padding, geometry)
        } else {
            convolve(x, weight, bias, dims, geometry)
        }
    })
}

/// Convolution over time: (time, n, c) by (k, c, oc).
fn conv_tbc(x: &Tensor, weight: &Tensor, bias: &Tensor, pad: i64) -> Result<Tensor> {
    if x.ndim() != 3 || weight.ndim() != 3 || bias.ndim() != 1 {
        bail!(
            Shape,
            "conv_tbc(): Input must have 3 dims: time, batch, in_channel; the weight 3: kernel width, in_channels, out_channels; the bias 1; got {}, {} and {}",
            Show(x.sizes()),
            Show(weight.sizes()),
            Show(bias.sizes())
        );
    }
    let geometry = Geometry {
        stride: [1; 3],
        padding: three(&[pad], 1, "padding", "conv_tbc", 0, 0)?,
        dilation: [1; 3],
        groups: 1,
    };
    let (x, weight) = (view::permute(x, &[1, 2, 0])?, view::permute(weight, &[2, 1, 0])?);
    copy::contiguous(&view::permute(&convolve(&x, &weight, Some(bias), 1, geometry)?, &[2, 0, 1])?)
}

pub const OPS: &[Op] = &[
    Op::new("conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, int[1] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv_call(a, 1)?.into())
    })
    .doc("Convolution of (n, c, l) or (c, l) with (oc, c / groups, k).")
    .samples("t(2, 4, 7), t(6, 2, 3), t(6), 2, 1, 2, 2 | nc(3, 6), t(2, 3, 2)"),
    Op::new("conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, str padding='valid', int[1] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv_call(a, 1)?.into())
    })
    .samples("t(2, 3, 6), t(4, 3, 4), t(4), padding='same', dilation=3"),
    Op::new("conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv_call(a, 2)?.into())
    })
    .doc("Convolution of (n, c, h, w) or (c, h, w) with (oc, c / groups, kh, kw).")
    .samples("t(2, 3, 5, 6), t(4, 3, 3, 3), t(4) | t(2, 4, 5, 5), t(4, 2, 3, 3), None, 2, 1, 1, 2 | t(1, 2, 7, 7), t(3, 2, 3, 3), t(3), padding=2, dilation=2 | t(3, 5, 5), t(2, 3, 2, 2) | t(0, 3, 5, 5), t(4, 3, 3, 3), t(4)"),
    Op::new("conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str padding='valid', int[2] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv_call(a, 2)?.into())
    })
    .samples("t(2, 3, 5, 6), t(4, 3, 3, 2), t(4), padding='same' | t(2, 3, 5, 6), t(4, 3, 3, 3), None, 2, 'valid'"),
    Op::new("conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, int[3] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv_call(a, 3)?.into())
    })
    .doc("Convolution of (n, c, d, h, w) or (c, d, h, w) with (oc, c / groups, kd, kh, kw).")
    .samples("t(2, 2, 4, 3, 4), t(4, 1, 2, 3, 2), t(4), (2, 1, 1), (1, 0, 1), (2, 1, 1), 2 | t(2, 3, 3, 3), t(2, 2, 3, 2, 1)"),
    Op::new("conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, str padding='valid', int[3] dilation=1, int groups=1) -> Tensor", |a| {
        Ok(conv_call(a, 3)?.into())
    })
    .samples("t(1, 2, 3, 4, 3), t(2, 2, 2, 3, 2), padding='same'"),
    Op::new("conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, int[1] output_padding=0, int groups=1, int[1] dilation=1) -> Tensor", |a| {
        Ok(conv_transpose_call(a, 1)?.into())
    })
    .doc("Transposed convolution of (n, c, l) or (c, l) with (c, oc / groups, k).")
    .samples("t(2, 4, 5), t(4, 3, 3), t(6), 2, 1, 1, 2 | t(3, 4), t(3, 2, 3), None, 1, 1, 2, 1, 3"),
    Op::new("conv_transpose2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] output_padding=0, int groups=1, int[2] dilation=1) -> Tensor", |a| {
        Ok(conv_transpose_call(a, 2)?.into())
    })
    .doc("Transposed convolution of (n, c, h, w) or (c, h, w) with (c, oc / groups, kh, kw).")
    .samples("t(2, 4, 3, 4), t(4, 3, 3, 2), t(6), 2, (1, 0), 1, 2, (2, 1) | nc(3, 4, 3), t(3, 2, 2, 3) | t(0, 2, 3, 3), t(2, 2, 2, 2), t(2)"),
    Op::new("conv_transpose3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, int[3] output_padding=0, int groups=1, int[3] dilation=1) -> Tensor", |a| {
        Ok(conv_transpose_call(a, 3)?.into())
    })
    .doc("Transposed convolution of (n, c, d, h, w) or (c, d, h, w) with (c, oc / groups, kd, kh, kw).")
    .samples("t(1, 4, 2, 3, 2), t(4, 1, 3, 2, 2), t(2), 2, (1, 0, 1), (1, 0, 0), 2 | t(2, 2, 2, 3), t(2, 3, 1, 2, 2)"),
    Op::new("convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups) -> Tensor", |a| {
        Ok(convolution_call(a)?.into())
    })
    .doc("Convolution, transposed or not, in as many dimensions as the weight says."),
    Op::new("conv_tbc(Tensor input, Tensor weight, Tensor bias, int pad=0) -> Tensor", |a| {
        Ok(conv_tbc(a.tensor(0), a.tensor(1), a.tensor(2), a.int(3))?.into())
    })
    .doc("Convolution of (time, n, c) with (k, c, oc) along time.")
    .samples("t(5, 2, 3), t(2, 3, 4), t(4), 1"),
];
