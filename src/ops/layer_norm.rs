//! Normalisation within a sample: layer norm, group norm, RMS norm, local response norm.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Backprop, Grads, Save};
use crate::bail;
use crate::cpu::layer_norm::{self as kernel, RowNorm};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes};
use crate::ops::arithmetic::{add, div, mul, pow, sub};
use crate::ops::norm::{computed, typed};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, joining, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// The dtype that a kernel computes in.
fn compute_dtype(x: &Tensor) -> DType {
    if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

/// `x` (outer, groups, channels, inner): statistics over the last two, a weight for each of the middle two.
struct Normed<'a> {
    name: &'static str,
    x: &'a Tensor,
    weight: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
    outer: usize,
    shape: RowNorm,
}

struct Result3 {
    out: Tensor,
    mean: Tensor,
    rstd: Tensor,
}

fn normalise(n: &Normed) -> Result<Result3> {
    let dtype = compute_dtype(n.x);
    let shape = n.shape;
    if n.x.device().is_cuda() && shape.cols > 0 {
        return composed(n, dtype);
    }
    let input = computed(n.x, dtype)?;
    let channels = [shape.channels()];
    let affine = |t: Option<&Tensor>, default: i64| match t {
        Some(t) => computed(t, dtype),
        None => creation::full(&channels, Scalar::Int(default), dtype),
    };
    let (weight, bias) = (affine(n.weight, 1)?, affine(n.bias, 0)?);
    let out = Tensor::empty(n.x.sizes(), dtype)?;
    let rows = [shape.rows];
    let (mean, rstd) = if shape.cols == 0 {
        let nan = creation::full(&rows, Scalar::Float(f64::NAN), dtype)?;
        (creation::zeros(&rows, dtype)?, nan)
    } else {
        (Tensor::empty(&rows, dtype)?, Tensor::empty(&rows, dtype)?)
    };
    if out.numel() > 0 {
        typed!(dtype, T => {
            let pointers = kernel::Forward::<T> {
                x: input.ptr().cast(),
                weight: weight.ptr().cast(),
                bias: bias.ptr().cast(),
                y: out.ptr().cast(),
                mean: mean.ptr().cast(),
                rstd: rstd.ptr().cast(),
            };
            // SAFETY: contiguous tensors of the sizes that the shape says; outputs are fresh.
            unsafe { kernel::forward(shape, pointers) }
        });
    }
    let out = copy::to_dtype(&out, n.x.dtype())?;
    let inputs: SmallVec<[&Tensor; 3]> = [Some(n.x), n.weight, n.bias].into_iter().flatten().collect();
    if !autograd::needs_grad(&inputs) {
        return Ok(Result3 { out, mean, rstd });
    }
    let mut save: SmallVec<[Save; 4]> = smallvec![Save::Input(0), Save::Other(&mean), Save::Other(&rstd)];
    if n.weight.is_some() {
        save.push(Save::Input(1));
    }
    let sizes_of = |t: Option<&Tensor>| t.map(|t| (Sizes::from(t.sizes()), t.dtype()));
    let node = Recorded { outer: n.outer, shape, weight: sizes_of(n.weight), bias: sizes_of(n.bias) };
    let out = autograd::record(out, n.name, &inputs, &save, move |cx| node.backward(cx));
    drop(save);
    Ok(Result3 { out, mean, rstd })
}

/// The same of other operations, for devices that have no kernel of it.
fn composed(n: &Normed, dtype: DType) -> Result<Result3> {
    let shape = n.shape;
    let sizes = [n.outer, shape.groups, shape.cols / shape.inner, shape.inner];
    let average = |t: &Tensor| reduce::mean(t, Some(&[2, 3]), true, None);
    let x = view::reshape_to(&copy::to_dtype(n.x, dtype)?, &sizes)?;
    let mean = average(&x)?;
    let centred = if shape.centred { sub(&x, &mean)? } else { x };
    let deviation = table::sqrt(&add(&average(&table::square(&centred)?)?, shape.eps)?)?;
    let mut out = div(&centred, &deviation)?;
    let wide = |t: &Tensor| view::reshape_to(&copy::to_dtype(t, dtype)?, &[1, sizes[1], sizes[2], 1]);
    if let Some(weight) = n.weight {
        out = mul(&out, &wide(weight)?)?;
    }
    if let Some(bias) = n.bias {
        out = add(&out, &wide(bias)?)?;
    }
    let rows = |t: &Tensor| view::reshape_to(&t.detached(), &[shape.rows]);
    Ok(Result3 {
        out: copy::to_dtype(&view::reshape_to(&out, n.x.sizes())?, n.x.dtype())?,
        mean: rows(&mean)?,
        rstd: autograd::no_grad(|| table::reciprocal(&rows(&deviation)?))?,
    })
}

struct Recorded {
    outer: usize,
    shape: RowNorm,
    weight: Option<(Sizes, DType)>,
    bias: Option<(Sizes, DType)>,
}

impl Recorded {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        let count = 1 + self.weight.is_some() as usize + self.bias.is_some() as usize;
        let Some(gy) = cx.grad() else { return Ok(smallvec![None; count]) };
        let x = cx.saved(0)?;
        let weight = if self.weight.is_some() { Some(cx.saved(3)?) } else { None };
        let (for_x, for_weight, for_bias) = if autograd::grad_enabled() || self.shape.cols == 0 {
            self.differentiable(cx, gy, &x, weight.as_ref())?
        } else {
            self.fused(cx, gy, &x, weight.as_ref())?
        };
        let like = |t: Option<Tensor>, sizes: &[usize], dtype: DType| {
            t.map(|t| copy::to_dtype(&view::reshape_to(&t, sizes)?, dtype)).transpose()
        };
        let mut grads = smallvec![like(for_x, x.sizes(), x.dtype())?];
        if let Some((sizes, dtype)) = &self.weight {
            grads.push(like(for_weight, sizes, *dtype)?);
        }
        if let Some((sizes, dtype)) = &self.bias {
            grads.push(like(for_bias, sizes, *dtype)?);
        }
        Ok(grads)
    }

    fn needs_affine(&self, cx: &Backprop) -> (bool, bool) {
        let weight = self.weight.is_some();
        (weight && cx.needs(1), self.bias.is_some() && cx.needs(1 + weight as usize))
    }

    fn fused(&self, cx: &Backprop, gy: &Tensor, x: &Tensor, weight: Option<&Tensor>) -> Result<Three> {
        let (dtype, shape) = (compute_dtype(x), self.shape);
        let (input, grad) = (computed(x, dtype)?, computed(gy, dtype)?);
        let channels = shape.channels();
        let weight = match weight {
            Some(w) => computed(w, dtype)?,
            None => creation::full(&[channels], Scalar::Int(1), dtype)?,
        };
        let (mean, rstd) = (cx.saved(1)?, cx.saved(2)?);
        let for_x = if cx.needs(0) { Some(Tensor::empty(x.sizes(), dtype)?) } else { None };
        let (wants_weight, wants_bias) = self.needs_affine(cx);
        let sums = if wants_weight || wants_bias {
            let sizes = [kernel::parts(shape), channels];
            Some((creation::zeros(&sizes, dtype)?, creation::zeros(&sizes, dtype)?))
        } else {
            None
        };
        typed!(dtype, T => {
            let to = |t: Option<&Tensor>| t.map_or(std::ptr::null_mut(), |t| t.ptr().cast::<T>());
            let pointers = kernel::Backward::<T> {
                x: input.ptr().cast(),
                gy: grad.ptr().cast(),
                weight: weight.ptr().cast(),
                mean: mean.ptr().cast(),
                rstd: rstd.ptr().cast(),
                gx: to(for_x.as_ref()),
                gw: to(sums.as_ref().map(|s| &s.0)),
                gb: to(sums.as_ref().map(|s| &s.1)),
            };
            // SAFETY: contiguous tensors of the sizes that the shape says; the sums are zero.
            unsafe { kernel::backward(shape, pointers) }
        });
        let Some((weights, biases)) = sums else { return Ok((for_x, None, None)) };
        let total =
            |wanted: bool, t: &Tensor| wanted.then(|| reduce::sum(t, Some(&[0]), false, None)).transpose();
        Ok((for_x, total(wants_weight, &weights)?, total(wants_bias, &biases)?))
    }

    /// The same in differentiable operations.
    fn differentiable(
        &self,
        cx: &Backprop,
        gy: &Tensor,
        x: &Tensor,
        weight: Option<&Tensor>,
    ) -> Result<Three> {
        let shape = self.shape;
        let dtype = compute_dtype(x);
        let sizes = [self.outer, shape.groups, shape.cols / shape.inner.max(1), shape.inner];
        let wide = |t: &Tensor| view::reshape_to(&copy::to_dtype(t, dtype)?, &sizes);
        let average = |t: &Tensor| reduce::mean(t, Some(&[2, 3]), true, None);
        let (x, gy) = (wide(x)?, wide(gy)?);
        let centred = if shape.centred { sub(&x, &average(&x)?)? } else { x.clone() };
        let deviation = table::sqrt(&add(&average(&table::square(&centred)?)?, shape.eps)?)?;
        let normal = div(&centred, &deviation)?;
        let (wants_weight, wants_bias) = self.needs_affine(cx);
        let total = |t: &Tensor| reduce::sum(t, Some(&[0, 3]), false, None);
        let for_weight = if wants_weight { Some(total(&mul(&gy, &normal)?)?) } else { None };
        let for_bias = if wants_bias { Some(total(&gy)?) } else { None };
        if !cx.needs(0) {
            return Ok((None, for_weight, for_bias));
        }
        let scaled = match weight {
            Some(w) => mul(&gy, &view::reshape_to(&copy::to_dtype(w, dtype)?, &[1, sizes[1], sizes[2], 1])?)?,
            None => gy,
        };
        let along = mul(&normal, &average(&mul(&scaled, &normal)?)?)?;
        let rest = if shape.centred { sub(&scaled, &average(&scaled)?)? } else { scaled };
        Ok((Some(div(&sub(&rest, &along)?, &deviation)?), for_weight, for_bias))
    }
}

type Three = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

fn show(shape: &[i64]) -> String {
    let sizes: Vec<String> = shape.iter().map(|s| s.to_string()).collect();
    format!("[{}]", sizes.join(", "))
}

/// Checks what layer norm and RMS norm have in common; returns the number of normalised elements.
fn check_normalized_shape(
    x: &Tensor,
    shape: &[i64],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<usize> {
    if shape.is_empty() {
        bail!(
            Autograd,
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []"
        );
    }
    let matches =
        |sizes: &[usize]| sizes.len() == shape.len() && sizes.iter().zip(shape).all(|(&s, &n)| s as i64 == n);
    for (name, t) in [("weight", weight), ("bias", bias)] {
        if let Some(t) = t
            && !matches(t.sizes())
        {
            bail!(
                Shape,
                "Expected {name} to be of same shape as normalized_shape, but got {name} of shape {} and normalized_shape = {}",
                Show(t.sizes()),
                show(shape)
            );
        }
    }
    if x.ndim() < shape.len() || !matches(&x.sizes()[x.ndim() - shape.len()..]) {
        let expected: Vec<String> = shape.iter().map(|s| format!(", {s}")).collect();
        bail!(
            Shape,
            "Given normalized_shape={}, expected input with shape [*{}], but got input of size{}",
            show(shape),
            expected.join(""),
            Show(x.sizes())
        );
    }
    Ok(shape.iter().map(|&s| s as usize).product())
}

/// Weights have the dtype of the input; float32 goes with half precision, for both or neither.
fn check_parameters(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<()> {
    let given: SmallVec<[DType; 2]> = [weight, bias].into_iter().flatten().map(Tensor::dtype).collect();
    let half = matches!(x.dtype(), DType::F16 | DType::BF16);
    let mixed = given.iter().all(|&d| d == DType::F32) && half;
    if !mixed && given.iter().any(|&d| d != x.dtype()) {
        bail!(DType, "mixed dtype (CPU): expect parameter to have scalar type of Float");
    }
    Ok(())
}

fn layer_norm(
    x: &Tensor,
    normalized_shape: &[i64],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Result3> {
    let cols = check_normalized_shape(x, normalized_shape, weight, bias)?;
    check_parameters(x, weight, bias)?;
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"LayerNormKernelImpl\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let rows = x.sizes()[..x.ndim() - normalized_shape.len()].iter().product();
    let shape = RowNorm { rows, cols, groups: 1, inner: 1, centred: true, eps };
    normalise(&Normed { name: "NativeLayerNormBackward0", x, weight, bias, outer: rows, shape })
}

fn layer_norm_call(a: &Args) -> Result<Result3> {
    layer_norm(a.tensor(0), a.ints(1), a.opt_tensor(2), a.opt_tensor(3), a.float(4))
}

/// The second result of the native form has one element a row.
fn native_layer_norm(a: &Args) -> Result<Output> {
    let r = layer_norm_call(a)?;
    let x = a.tensor(0);
    let lead = x.ndim() - a.ints(1).len();
    let sizes: Sizes = x.sizes().iter().enumerate().map(|(d, &s)| if d < lead { s } else { 1 }).collect();
    let dtype = a.opt_tensor(2).or(a.opt_tensor(3)).map_or(x.dtype(), Tensor::dtype);
    let statistic = |t: &Tensor| copy::to_dtype(&view::reshape_to(t, &sizes)?, dtype);
    Ok(vec![r.out, statistic(&r.mean)?, statistic(&r.rstd)?].into())
}

fn group_norm(
    x: &Tensor,
    groups: i64,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Result3> {
    if x.ndim() < 2 {
        bail!(Shape, "Expected at least 2 dimensions for input tensor but received {}", x.ndim());
    }
    if groups <= 0 {
        bail!(Autograd, "Expected num groups to be greater than 0, got {groups}");
    }
    let channels = x.size(1);
    if channels as i64 % groups != 0 {
        bail!(
            Shape,
            "Expected number of channels in input to be divisible by num_groups, but got input of shape {} and num_groups={groups}",
            Show(x.sizes())
        );
    }
    for (name, t) in [("weight", weight), ("bias", bias)] {
        if let Some(t) = t
            && (t.ndim() != 1 || t.numel() != channels)
        {
            bail!(
                Shape,
                "Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape {} and input of shape {}",
                Show(t.sizes()),
                Show(x.sizes())
            );
        }
    }
    check_parameters(x, weight, bias)?;
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"GroupNormKernelImpl\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let groups = groups as usize;
    let inner: usize = x.sizes()[2..].iter().product();
    let outer = x.size(0);
    let cols = channels / groups * inner;
    let shape = RowNorm { rows: outer * groups, cols, groups, inner, centred: true, eps };
    normalise(&Normed { name: "NativeGroupNormBackward0", x, weight, bias, outer, shape })
}

/// The smallest step from 1 in the dtype that is computed in.
fn epsilon(x: &Tensor) -> f64 {
    match x.dtype() {
        DType::F64 | DType::C128 => f64::EPSILON,
        _ => f32::EPSILON as f64,
    }
}

/// x over the root of its mean square.
fn rms_norm(
    x: &Tensor,
    normalized_shape: &[i64],
    weight: Option<&Tensor>,
    eps: Option<f64>,
) -> Result<Tensor> {
    let cols = check_normalized_shape(x, normalized_shape, weight, None)?;
    if !x.dtype().is_differentiable() {
        bail!(Unsupported, "\"rms_norm\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let eps = eps.unwrap_or_else(|| epsilon(x));
    if x.dtype().is_complex() {
        let x = &copy::contiguous(x)?;
        let dims: Vec<i64> = (1..=normalized_shape.len() as i64).map(|d| -d).collect();
        let power = add(&reduce::mean(&mul(x, x)?, Some(&dims), true, None)?, eps)?;
        let normal = mul(x, &table::rsqrt(&power)?)?;
        return match weight {
            Some(w) => copy::to_dtype(&mul(&normal, w)?, x.dtype()),
            None => Ok(normal),
        };
    }
    let rows = x.sizes()[..x.ndim() - normalized_shape.len()].iter().product();
    let shape = RowNorm { rows, cols, groups: 1, inner: 1, centred: false, eps };
    Ok(normalise(&Normed { name: "FusedRmsNormBackward0", x, weight, bias: None, outer: rows, shape })?.out)
}

/// Each channel over a power of the mean square of the `size` channels around it (Krizhevsky et al., 2012).
fn local_response_norm(x: &Tensor, size: i64, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
    if x.ndim() < 3 {
        bail!(
            Value,
            "Expected 3D or higher dimensionality                          input (got {} dimensions)",
            x.ndim()
        );
    }
    if x.numel() == 0 {
        return Ok(x.clone());
    }
    if size <= 0 {
        bail!(Autograd, "kernel size should be greater than zero, but got kH: {size} kW: 1");
    }
    if !x.dtype().is_differentiable() && x.dtype() != DType::I64 {
        bail!(Unsupported, "\"avg_pool2d_out_frame\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let mut padding: Sizes = x.sizes().into();
    let mut padded: SmallVec<[Tensor; 3]> = smallvec![mul(x, x)?];
    let channels = x.size(1) as i64;
    // Beyond the channels there is nothing but zeros to add.
    let (before, after) = ((size / 2).min(channels), ((size - 1) / 2).min(channels));
    for (count, at) in [(before, 0), (after, 1)] {
        padding[1] = count as usize;
        let zeros = creation::zeros(&padding, x.dtype())?;
        if at == 0 { padded.insert(0, zeros) } else { padded.push(zeros) }
    }
    let padded = joining::cat(&padded, 1)?;
    let mut total = view::narrow(&padded, 1, 0, channels)?;
    for shift in 1..=before + after {
        total = add(&total, &view::narrow(&padded, 1, shift, channels)?)?;
    }
    let mean = if x.dtype() == DType::I64 {
        table::div_trunc(&total, Scalar::Int(size))?
    } else {
        div(&total, Scalar::Int(size))?
    };
    let scale = add(&mul(&mean, alpha)?, k)?;
    div(x, &pow(&scale, beta)?)
}

pub const OPS: &[Op] = &[
    Op::new("layer_norm(Tensor input, int[1] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor", |a| {
        Ok(layer_norm_call(a)?.out.into())
    })
    .doc("The last dimensions brought to mean 0 and variance 1, then scaled and shifted (Ba et al., 2016).")
    .samples("t(2, 3, 4), (4,), t(4), t(4) | nc(3, 4), (3, 4), t(3, 4), None, 1e-3 | t(5, 0), (0,) | t(2, 0, 3), (3,), t(3), t(3)"),
    Op::new("native_layer_norm(Tensor input, int[1] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> Tensor[]", native_layer_norm)
        .doc("Layer norm, the mean of every row and one over its deviation."),
    Op::new("group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor", |a| {
        Ok(group_norm(a.tensor(0), a.int(1), a.opt_tensor(2), a.opt_tensor(3), a.float(4))?.out.into())
    })
    .doc("Groups of channels brought to mean 0 and variance 1, then scaled and shifted (Wu and He, 2018).")
    .samples("t(2, 6, 3), 3, t(6), t(6) | nc(2, 4), 2 | t(0, 4, 3), 2, t(4), t(4), 1e-3"),
    Op::new("rms_norm(Tensor input, int[1] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor", |a| {
        Ok(rms_norm(a.tensor(0), a.ints(1), a.opt_tensor(2), a.opt_float(3))?.into())
    })
    .doc("The last dimensions over the root of their mean square, then scaled (Zhang and Sennrich, 2019).")
    .samples("t(2, 3, 4), (4,), t(4) | nc(3, 4), (3, 4), None, 1e-3 | t(0, 3), (3,)"),
    Op::new("nn.functional.local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float k=1.0) -> Tensor", |a| {
        Ok(local_response_norm(a.tensor(0), a.int(1), a.float(2), a.float(3), a.float(4))?.into())
    })
    .doc("Each channel over a power of the mean square of the channels around it (Krizhevsky et al., 2012).")
    .samples("t(2, 5, 3), 3, 0.5 | nc(2, 4, 3), 4, 0.5, 0.6, 2.0 | t(0, 3, 4), 2"),
];
