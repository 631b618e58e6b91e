//! Normalisation over a batch.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Backprop, Grads, Save};
use crate::bail;
use crate::cpu::norm::{self, BatchNormShape, Gradients, SavedStatistics, Statistics};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes};
use crate::ops::arithmetic::{add, div, mul, sub};
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, creation, reduce, table, view};
use crate::tensor::Tensor;

/// What a batch norm is called with.
struct BatchNorm<'a> {
    x: &'a Tensor,
    weight: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
    running_mean: Option<&'a Tensor>,
    running_var: Option<&'a Tensor>,
    training: bool,
    momentum: f64,
    eps: f64,
}

fn shape_of(x: &Tensor) -> BatchNormShape {
    BatchNormShape { n: x.size(0), c: x.size(1), l: x.sizes()[2..].iter().product() }
}

fn check(b: &BatchNorm) -> Result<()> {
    if b.x.ndim() < 2 {
        bail!(
            Shape,
            "Expected 2D or more input to batch_norm, but got a tensor of shape {}",
            Show(b.x.sizes())
        );
    }
    let channels = b.x.size(1);
    let named = [
        ("weight", b.weight),
        ("bias", b.bias),
        ("running_mean", b.running_mean),
        ("running_var", b.running_var),
    ];
    for (name, t) in named {
        let Some(t) = t else { continue };
        if t.numel() != channels || t.ndim() != 1 {
            bail!(Shape, "{name} should contain {channels} elements not {}", t.numel());
        }
    }
    if !b.x.dtype().is_floating() {
        bail!(Unsupported, "\"batch_norm\" not implemented for '{}'", b.x.dtype().scalar_name());
    }
    for (name, t) in named {
        let Some(t) = t else { continue };
        if t.dtype() != b.x.dtype()
            && !(matches!(b.x.dtype(), DType::F16 | DType::BF16) && t.dtype() == DType::F32)
        {
            bail!(
                DType,
                "expected {name} of batch_norm to have dtype {}, but got {}",
                b.x.dtype(),
                t.dtype()
            );
        }
    }
    if !b.training && (b.running_mean.is_none() || b.running_var.is_none()) {
        bail!(Shape, "Expected running_mean and running_var to be defined when training=False");
    }
    Ok(())
}

/// Runs `$body` with `$t` standing for f64 or f32, the types that kernels of layers compute in.
macro_rules! typed {
    ($dtype:expr, $t:ident => $body:expr) => {
        if $dtype == $crate::dtype::DType::F64 {
            type $t = f64;
            $body
        } else {
            type $t = f32;
            $body
        }
    };
}

pub(crate) use typed;

/// Contiguous and in the dtype that the kernel computes in.
pub fn computed(t: &Tensor, dtype: DType) -> Result<Tensor> {
    copy::contiguous(&copy::to_dtype(&t.detached(), dtype)?)
}

fn pointer<T>(t: Option<&Tensor>) -> *const T {
    t.map_or(std::ptr::null(), |t| t.ptr().cast())
}

fn batch_norm(b: &BatchNorm) -> Result<Tensor> {
    if b.x.numel() == 0 {
        return empty_batch_norm(b);
    }
    check(b)?;
    for (name, average) in [("running_mean", b.running_mean), ("running_var", b.running_var)] {
        autograd::refuse_grad("native_batch_norm", name, average)?;
    }
    let dtype = if b.x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let shape = shape_of(b.x);
    if b.x.device().is_cuda() {
        return composed(b, dtype);
    }
    let x = computed(b.x, dtype)?;
    let weight = b.weight.map(|w| computed(w, dtype)).transpose()?;
    let bias = b.bias.map(|w| computed(w, dtype)).transpose()?;
    let out = Tensor::empty(b.x.sizes(), dtype)?;
    let channels = [shape.c];
    // Mean and 1 / deviation of the batch, or running mean and variance.
    let (first, second);
    if b.training {
        let count = shape.n * shape.l;
        if count == 1 && b.x.numel() > 0 {
            bail!(
                Value,
                "Expected more than 1 value per channel when training, got input size torch.Size({})",
                Show(b.x.sizes())
            );
        }
        (first, second) = (creation::zeros(&channels, dtype)?, creation::zeros(&channels, dtype)?);
        let var = creation::zeros(&channels, dtype)?;
        if out.numel() > 0 {
            typed!(dtype, T => {
                let saved = SavedStatistics { mean: first.ptr().cast::<T>(), invstd: second.ptr().cast(), var: var.ptr().cast() };
                // SAFETY: contiguous tensors of the sizes that `shape` says; outputs are fresh.
                unsafe {
                    norm::batch_norm_train::<T>(shape, x.ptr().cast(), pointer(weight.as_ref()), pointer(bias.as_ref()), b.eps, out.ptr().cast(), saved);
                }
            });
            let unbiased = count as f64 / (count as f64 - 1.0);
            update_running(b.running_mean, &first, b.momentum, 1.0)?;
            update_running(b.running_var, &var, b.momentum, unbiased)?;
        }
    } else {
        let (mean, var) = (b.running_mean, b.running_var);
        let (Some(mean), Some(var)) = (mean, var) else { unreachable!("checked above") };
        // The node keeps copies: the averages go on changing.
        first = copy::clone(&computed(mean, dtype)?)?;
        second = copy::clone(&computed(var, dtype)?)?;
        if out.numel() > 0 {
            typed!(dtype, T => {
                let statistics = Statistics::Running { mean: first.ptr().cast::<T>() as *const T, var: second.ptr().cast(), eps: b.eps };
                // SAFETY: as above.
                unsafe {
                    norm::batch_norm_eval::<T>(shape, x.ptr().cast(), pointer(weight.as_ref()), pointer(bias.as_ref()), statistics, out.ptr().cast());
                }
            });
        }
    }
    let out = copy::to_dtype(&out, b.x.dtype())?;
    let inputs: SmallVec<[&Tensor; 3]> = [Some(b.x), b.weight, b.bias].into_iter().flatten().collect();
    if !autograd::needs_grad(&inputs) {
        return Ok(out);
    }
    let mut save: SmallVec<[Save; 4]> = smallvec![Save::Input(0), Save::Other(&first), Save::Other(&second)];
    if b.weight.is_some() {
        save.push(Save::Input(1));
    }
    let node = Recorded {
        shape,
        training: b.training,
        eps: b.eps,
        weight: b.weight.is_some(),
        bias: b.bias.is_some(),
    };
    Ok(autograd::record(out, "NativeBatchNormBackward0", &inputs, &save, move |cx| node.backward(cx)))
}

/// The same of other operations, for devices that have no kernel of it.
fn composed(b: &BatchNorm, dtype: DType) -> Result<Tensor> {
    let channels: Sizes = (0..b.x.ndim()).map(|d| if d == 1 { b.x.size(1) } else { 1 }).collect();
    let dims: Vec<i64> = (0..b.x.ndim() as i64).filter(|&d| d != 1).collect();
    let wide = |t: &Tensor| view::reshape_to(&copy::to_dtype(t, dtype)?, &channels);
    let x = copy::to_dtype(b.x, dtype)?;
    let average = |t: &Tensor| reduce::mean(t, Some(&dims), true, None);
    let (mean, var) = match (b.running_mean, b.running_var) {
        (Some(mean), Some(var)) if !b.training => (wide(&mean.detached())?, wide(&var.detached())?),
        (running_mean, running_var) => {
            let count = b.x.numel() / b.x.size(1);
            if count == 1 {
                bail!(
                    Value,
                    "Expected more than 1 value per channel when training, got input size torch.Size({})",
                    Show(b.x.sizes())
                );
            }
            let mean = average(&x)?;
            let var = average(&table::square(&sub(&x, &mean)?)?)?;
            let flat = |t: &Tensor| view::reshape_to(&t.detached(), &[b.x.size(1)]);
            update_running(running_mean, &flat(&mean)?, b.momentum, 1.0)?;
            let unbiased = count as f64 / (count as f64 - 1.0);
            update_running(running_var, &flat(&var)?, b.momentum, unbiased)?;
            (mean, var)
        }
    };
    let mut out = div(&sub(&x, &mean)?, &table::sqrt(&add(&var, b.eps)?)?)?;
    if let Some(weight) = b.weight {
        out = mul(&out, &wide(weight)?)?;
    }
    if let Some(bias) = b.bias {
        out = add(&out, &wide(bias)?)?;
    }
    copy::to_dtype(&out, b.x.dtype())
}

/// Of nothing: the result is empty too, yet hangs on weight and bias.
fn empty_batch_norm(b: &BatchNorm) -> Result<Tensor> {
    let mut out = copy::clone(b.x)?;
    for (at, t) in [b.weight, b.bias].into_iter().enumerate() {
        let Some(t) = t else { continue };
        let first = view::select(t, 0, 0)?;
        out = if at == 0 { mul(&out, &first)? } else { add(&out, &first)? };
    }
    copy::to_dtype(&out, b.x.dtype())
}

/// `average = (1 - momentum) * average + momentum * scale * value`.
fn update_running(average: Option<&Tensor>, value: &Tensor, momentum: f64, scale: f64) -> Result<()> {
    let Some(average) = average else { return Ok(()) };
    autograd::no_grad(|| {
        let value = copy::to_dtype(value, average.dtype())?;
        let next = add(&mul(&average.detached(), 1.0 - momentum)?, &mul(&value, momentum * scale)?)?;
        copy::write(average, &next)?;
        average.bump_version();
        Ok(())
    })
}

struct Recorded {
    shape: BatchNormShape,
    training: bool,
    eps: f64,
    weight: bool,
    bias: bool,
}

impl Recorded {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        let count = 1 + self.weight as usize + self.bias as usize;
        let Some(gy) = cx.grad() else { return Ok(smallvec![None; count]) };
        let x = cx.saved(0)?;
        let weight = if self.weight { Some(cx.saved(3)?) } else { None };
        if autograd::grad_enabled() {
            return self.differentiable(cx, gy, &x, weight.as_ref());
        }
        let dtype = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let (first, second) = (cx.saved(1)?, cx.saved(2)?);
        let (input, grad) = (computed(&x, dtype)?, computed(gy, dtype)?);
        let factor = weight.as_ref().map(|w| computed(w, dtype)).transpose()?;
        let sizes = [self.shape.c];
        let for_x = if cx.needs(0) { Some(Tensor::empty(x.sizes(), dtype)?) } else { None };
        let wants_weight = self.weight && cx.needs(1);
        let wants_bias = self.bias && cx.needs(1 + self.weight as usize);
        let for_weight = if wants_weight { Some(creation::zeros(&sizes, dtype)?) } else { None };
        let for_bias = if wants_bias { Some(creation::zeros(&sizes, dtype)?) } else { None };
        if x.numel() > 0 {
            typed!(dtype, T => {
                let (a, b) = (first.ptr().cast::<T>() as *const T, second.ptr().cast::<T>() as *const T);
                let statistics = if self.training {
                    Statistics::Batch { mean: a, invstd: b }
                } else {
                    Statistics::Running { mean: a, var: b, eps: self.eps }
                };
                let to = |t: &Option<Tensor>| t.as_ref().map_or(std::ptr::null_mut(), |t| t.ptr().cast::<T>());
                let gradients = Gradients { x: to(&for_x), weight: to(&for_weight), bias: to(&for_bias) };
                // SAFETY: contiguous tensors of the sizes that the shape says; outputs are fresh.
                unsafe {
                    norm::batch_norm_backward::<T>(self.shape, input.ptr().cast(), grad.ptr().cast(), pointer(factor.as_ref()), statistics, gradients);
                }
            });
        }
        let back = |t: Option<Tensor>| t.map(|t| copy::to_dtype(&t, x.dtype())).transpose();
        let mut grads = smallvec![back(for_x)?];
        if self.weight {
            grads.push(back(for_weight)?);
        }
        if self.bias {
            grads.push(back(for_bias)?);
        }
        Ok(grads)
    }

    /// The same in differentiable operations.
    fn differentiable(
        &self,
        cx: &Backprop,
        gy: &Tensor,
        x: &Tensor,
        weight: Option<&Tensor>,
    ) -> Result<Grads> {
        let channels: Sizes = (0..x.ndim()).map(|d| if d == 1 { x.size(1) } else { 1 }).collect();
        let dims: Vec<i64> = (0..x.ndim() as i64).filter(|&d| d != 1).collect();
        let wide = |t: &Tensor| view::reshape_to(t, &channels);
        let average = |t: &Tensor| reduce::mean(t, Some(&dims), true, None);
        let (mean, deviation) = if self.training {
            let mean = average(x)?;
            let var = average(&table::square(&sub(x, &mean)?)?)?;
            (mean, table::sqrt(&add(&var, self.eps)?)?)
        } else {
            let var = wide(&copy::to_dtype(&cx.saved(2)?, x.dtype())?)?;
            (wide(&copy::to_dtype(&cx.saved(1)?, x.dtype())?)?, table::sqrt(&add(&var, self.eps)?)?)
        };
        let normal = div(&sub(x, &mean)?, &deviation)?;
        let scaled = match weight {
            Some(w) => mul(gy, &wide(w)?)?,
            None => gy.clone(),
        };
        let for_x = if self.training {
            let centred =
                sub(&sub(&scaled, &average(&scaled)?)?, &mul(&normal, &average(&mul(&scaled, &normal)?)?)?)?;
            div(&centred, &deviation)?
        } else {
            div(&scaled, &deviation)?
        };
        let mut grads = smallvec![Some(for_x)];
        if self.weight {
            grads.push(Some(reduce::sum(&mul(gy, &normal)?, Some(&dims), false, None)?));
        }
        if self.bias {
            grads.push(Some(reduce::sum(gy, Some(&dims), false, None)?));
        }
        Ok(grads)
    }
}

fn arguments<'a>(a: &'a Args) -> BatchNorm<'a> {
    BatchNorm {
        x: a.tensor(0),
        weight: a.opt_tensor(1),
        bias: a.opt_tensor(2),
        running_mean: a.opt_tensor(3),
        running_var: a.opt_tensor(4),
        training: a.bool(5),
        momentum: a.float(6),
        eps: a.float(7),
    }
}

/// Every channel of every sample on its own: batch norm with the samples' channels side by side. Running
/// averages take the mean over the samples.
fn instance_norm(b: &BatchNorm) -> Result<Tensor> {
    if !b.training && (b.running_mean.is_none() || b.running_var.is_none()) {
        bail!(Autograd, "Expected running_mean and running_var to be defined when use_input_stats is false");
    }
    if b.x.ndim() < 2 {
        bail!(
            Shape,
            "Expected 2D or more input to instance_norm, but got a tensor of shape {}",
            Show(b.x.sizes())
        );
    }
    let (samples, channels) = (b.x.size(0), b.x.size(1));
    let repeated = |t: Option<&Tensor>| -> Result<Option<Tensor>> {
        let Some(t) = t else { return Ok(None) };
        let count = t.numel();
        let wide = view::expand_to(&view::reshape_to(t, &[1, count])?, &[samples, count])?;
        Ok(Some(copy::contiguous_copy(&view::reshape_to(&wide, &[samples * count])?)?))
    };
    let mut sizes: Sizes = b.x.sizes().into();
    (sizes[0], sizes[1]) = (1, samples * channels);
    let (weight, bias) = (repeated(b.weight)?, repeated(b.bias)?);
    let (mean, var) = (repeated(b.running_mean)?, repeated(b.running_var)?);
    let x = view::reshape_to(b.x, &sizes)?;
    let out = batch_norm(&BatchNorm {
        x: &x,
        weight: weight.as_ref(),
        bias: bias.as_ref(),
        running_mean: mean.as_ref(),
        running_var: var.as_ref(),
        ..*b
    })?;
    if b.training {
        for (average, all) in [(b.running_mean, mean), (b.running_var, var)] {
            let (Some(average), Some(all)) = (average, all) else { continue };
            autograd::no_grad(|| {
                let rows = view::reshape_to(&all, &[samples, channels])?;
                copy::write(&average.detached(), &reduce::mean(&rows, Some(&[0]), false, None)?)?;
                average.bump_version();
                Ok(())
            })?;
        }
    }
    view::reshape_to(&out, b.x.sizes())
}

pub const OPS: &[Op] = &[
    Op::new("batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled=False) -> Tensor", |a| {
        Ok(batch_norm(&arguments(a))?.into())
    })
    .doc("Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.")
    .samples("t(4, 3, 2, 2), t(3), t(3), None, None, True, 0.1, 1e-5, False | t(4, 3), None, None, None, None, True, 0.1, 1e-5, False | t(4, 3, 5), t(3), t(3), torch.full_like(t(3), 0.25), torch.full_like(t(3), 0.75), False, 0.1, 1e-5, False"),
    Op::new("instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled=False) -> Tensor", |a| {
        Ok(instance_norm(&arguments(a))?.into())
    })
    .doc("Each channel of each sample brought to mean 0 and variance 1, then scaled and shifted.")
    .samples("t(2, 3, 4), t(3), t(3), None, None, True, 0.1, 1e-5, False | nc(3, 2, 4), None, None, None, None, True, 0.1, 1e-3, False | t(2, 2, 3), t(2), t(2), torch.full_like(t(2), 0.25), torch.full_like(t(2), 0.75), False, 0.1, 1e-5, False"),
];
