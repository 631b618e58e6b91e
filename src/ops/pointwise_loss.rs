//! Losses that are formulas of prediction and target, and the distances that some of them measure.

use crate::autograd;
use crate::bail;
use crate::layout::{broadcast, wrap_dim};
use crate::ops::arithmetic::{abs, add, div, mul, sub, where_};
use crate::ops::loss::{summarise, summary_of};
use crate::ops::registry::{Args, Output};
use crate::ops::row::*;
use crate::ops::vector_norm::vector_norm;
use crate::ops::{copy, creation, index, reduce, table, view};

table! {
    part smooth_l1 as "smooth_l1_loss"(x, t; beta) for (float) = {
        select(lt(abs(x - t), beta), 0.5 * (x - t) * (x - t) / beta, abs(x - t) - 0.5 * beta)
    } grad {
        x(x, t, beta, g) = select(lt(abs(x - t), beta), g * ((x - t) / beta), g * sign(x - t));
        t(x, t, beta, g) = select(lt(abs(x - t), beta), g * ((t - x) / beta), g * sign(t - x));
    } check floats_only on (-4.0, 4.0);
    part huber as "huber_loss"(x, t; delta) for (float) = {
        select(le(abs(x - t), delta), 0.5 * (x - t) * (x - t), delta * (abs(x - t) - 0.5 * delta))
    } grad {
        x(x, t, delta, g) = g * minimum(maximum(x - t, -delta), delta);
        t(x, t, delta, g) = g * minimum(maximum(t - x, -delta), delta);
    } check floats_only on (-4.0, 4.0);
    part bce as "binary_cross_entropy"(x, t) for (float) = {
        (t - 1.0) * maximum(log1p(-x), -100.0) - t * maximum(log(x), -100.0)
    } grad {
        x(x, t, g) = g * ((x - t) / maximum((1.0 - x) * x, 1e-12));
        t(x, g) = g * (log1p(-x) - log(x));
    } check floats_only on (0.1, 0.9);
    part bce_with_logits as "binary_cross_entropy_with_logits"(x, t, w) for (float) = {
        (1.0 - t) * x - (1.0 + (w - 1.0) * t) * log_sigmoid(x)
    } grad {
        x(x, t, w, g) = g * ((1.0 - t) - (1.0 + (w - 1.0) * t) * sigmoid(-x));
        t(x, w, g) = -(g * (x + (w - 1.0) * log_sigmoid(x)));
        w(x, t, g) = -(g * (t * log_sigmoid(x)));
    } on (-4.0, 4.0);
}

/// Reduces the losses by the code at argument `i`.
fn reduced(losses: &Tensor, a: &Args, i: usize) -> Result<Output> {
    Ok(summarise(losses, summary_of(a.int(i))?)?.into())
}

fn positive_part(x: &Tensor) -> Result<Tensor> {
    table::clamp_min(x, Scalar::Int(0))
}

fn sum_of(x: &Tensor, dim: i64) -> Result<Tensor> {
    reduce::sum(x, Some(&[dim]), false, None)
}

fn mse_loss(a: &Args) -> Result<Output> {
    reduced(&table::square(&sub(a.tensor(0), a.tensor(1))?)?, a, 2)
}

fn l1_loss(a: &Args) -> Result<Output> {
    reduced(&abs(&sub(a.tensor(0), a.tensor(1))?)?, a, 2)
}

fn smooth_l1_loss(a: &Args) -> Result<Output> {
    let beta = a.float(3);
    if beta < 0.0 {
        bail!(Autograd, "smooth_l1_loss does not support negative values for beta.");
    }
    if beta == 0.0 {
        return l1_loss(a);
    }
    reduced(&smooth_l1(a.tensor(0), a.tensor(1), beta)?, a, 2)
}

fn huber_loss(a: &Args) -> Result<Output> {
    let delta = a.float(3);
    if delta.is_nan() || delta <= 0.0 {
        bail!(Autograd, "huber_loss does not support non-positive values for delta.");
    }
    reduced(&huber(a.tensor(0), a.tensor(1), delta)?, a, 2)
}

fn check_probabilities(x: &Tensor, name: &str) -> Result<()> {
    autograd::no_grad(|| {
        let inside = table::logical_and(&table::ge(x, 0.0)?, &table::le(x, 1.0)?)?;
        if !reduce::all_nonzero(&inside)? {
            bail!(Autograd, "all elements of {name} should be between 0 and 1");
        }
        Ok(())
    })
}

fn weighted(losses: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    match weight {
        Some(w) => mul(&losses, w),
        None => Ok(losses),
    }
}

fn binary_cross_entropy(a: &Args) -> Result<Output> {
    let (x, target) = (a.tensor(0), a.tensor(1));
    if x.dtype() != target.dtype() {
        bail!(DType, "Found dtype {} but expected {}", target.dtype().scalar_name(), x.dtype().scalar_name());
    }
    autograd::refuse_grad("binary_cross_entropy", "weight", a.opt_tensor(2))?;
    check_probabilities(x, "input")?;
    check_probabilities(target, "target")?;
    reduced(&weighted(bce(x, target)?, a.opt_tensor(2))?, a, 3)
}

fn binary_cross_entropy_with_logits(a: &Args) -> Result<Output> {
    for (i, name) in [(2, "weight"), (3, "pos_weight")] {
        autograd::refuse_grad("binary_cross_entropy_with_logits", name, a.opt_tensor(i))?;
    }
    let (logits, target) = (a.tensor(0), a.tensor(1));
    if logits.dtype().is_integral() {
        bail!(Unsupported, "\"log_sigmoid_cpu\" not implemented for '{}'", logits.dtype().scalar_name());
    }
    if target.dtype().is_integral() {
        bail!(
            DType,
            "result type {} can't be cast to the desired output type {}",
            logits.dtype().scalar_name(),
            target.dtype().scalar_name()
        );
    }
    let weight = a.opt_tensor(3).map_or(Arg::Number(Scalar::Float(1.0)), Arg::from);
    reduced(&weighted(bce_with_logits(a.tensor(0), a.tensor(1), weight)?, a.opt_tensor(2))?, a, 4)
}

fn soft_margin_loss(a: &Args) -> Result<Output> {
    autograd::refuse_grad("soft_margin_loss", "target", Some(a.tensor(1)))?;
    if a.tensor(0).dtype().is_integral() {
        bail!(
            DType,
            "soft_margin_loss: result type Float can't be cast to the desired output type {}",
            a.tensor(0).dtype().scalar_name()
        );
    }
    reduced(&table::log1p(&table::exp(&table::neg(&mul(a.tensor(0), a.tensor(1))?)?)?)?, a, 2)
}

fn kl_div(a: &Args) -> Result<Output> {
    let (x, target) = (a.tensor(0), a.tensor(1));
    for t in [x, target] {
        if t.dtype().is_complex() || t.dtype().is_integral() && t.dtype() != DType::Bool {
            let kind = if t.dtype().is_complex() { "Complex" } else { "Integral" };
            bail!(Autograd, "kl_div: {kind} inputs not supported.");
        }
    }
    let losses = if a.bool(3) {
        mul(&table::exp(target)?, &sub(target, x)?)?
    } else {
        sub(&table::xlogy(target, target)?, &mul(target, x)?)?
    };
    reduced(&losses, a, 2)
}

fn poisson_nll_loss(a: &Args) -> Result<Output> {
    let (x, target) = (a.tensor(0), a.tensor(1));
    let mut losses = if a.bool(2) {
        sub(&table::exp(x)?, &mul(target, x)?)?
    } else {
        sub(x, &mul(target, &table::log(&add(x, a.float(4))?)?)?)?
    };
    if a.bool(3) {
        // Stirling's approximation of log(target!).
        let log = table::log(&mul(target, 2.0 * std::f64::consts::PI)?)?;
        let terms = add(&sub(&mul(target, &table::log(target)?)?, target)?, &mul(&log, 0.5)?)?;
        let small = table::le(target, Scalar::Int(1))?;
        losses = add(&losses, &where_(&small, 0.0, &terms)?)?;
    }
    reduced(&losses, a, 5)
}

fn hinge_embedding_loss(a: &Args) -> Result<Output> {
    let (x, target) = (a.tensor(0), a.tensor(1));
    // The losses of integers are integers.
    let margin =
        if x.dtype().is_integral() { Scalar::Int(a.float(2) as i64) } else { Scalar::Float(a.float(2)) };
    let far = positive_part(&sub(margin, x)?)?;
    let others = where_(&table::ne(target, Scalar::Int(1))?, &far, Scalar::Int(0))?;
    let same = where_(&table::ne(target, Scalar::Int(-1))?, x, Scalar::Int(0))?;
    reduced(&add(&others, &same)?, a, 3)
}

fn cosine_embedding_loss(a: &Args) -> Result<Output> {
    let (x, y, target) = (a.tensor(0), a.tensor(1), a.tensor(2));
    if target.ndim() > 1 {
        bail!(Shape, "0D or 1D target tensor expected, multi-target not supported");
    }
    let expected = target.ndim() + 1;
    if x.ndim() != expected || y.ndim() != expected {
        bail!(
            Shape,
            "{}D target tensor expects {expected}D input tensors, but found inputs with sizes {} and {}.",
            target.ndim(),
            crate::layout::Show(x.sizes()),
            crate::layout::Show(y.sizes())
        );
    }
    let last = target.ndim() as i64;
    const EPSILON: f64 = 1e-12;
    let length = |v: &Tensor| add(&sum_of(&mul(v, v)?, last)?, EPSILON);
    let cosine = div(&sum_of(&mul(x, y)?, last)?, &table::sqrt(&mul(&length(x)?, &length(y)?)?)?)?;
    let near = where_(&table::eq(target, Scalar::Int(1))?, &sub(1.0, &cosine)?, Scalar::Int(0))?;
    let far = positive_part(&sub(&cosine, a.float(3))?)?;
    let far = where_(&table::eq(target, Scalar::Int(-1))?, &far, Scalar::Int(0))?;
    reduced(&add(&near, &far)?, a, 4)
}

fn margin_ranking_loss(a: &Args) -> Result<Output> {
    let (x, y, target) = (a.tensor(0), a.tensor(1), a.tensor(2));
    if x.ndim() != y.ndim() || x.ndim() != target.ndim() {
        bail!(
            Shape,
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: {}, input2: {}, target: {} ",
            crate::layout::Show(x.sizes()),
            crate::layout::Show(y.sizes()),
            crate::layout::Show(target.sizes())
        );
    }
    let order = mul(&table::neg(target)?, &sub(x, y)?)?;
    reduced(&positive_part(&add(&order, a.float(3))?)?, a, 4)
}

fn triplet_margin_loss(a: &Args) -> Result<Output> {
    let (anchor, near, far) = (a.tensor(0), a.tensor(1), a.tensor(2));
    if anchor.ndim() != near.ndim() || anchor.ndim() != far.ndim() {
        bail!(
            Shape,
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor {}D, positive {}D, and negative {}D inputs",
            anchor.ndim(),
            near.ndim(),
            far.ndim()
        );
    }
    let (margin, p, eps) = (a.float(3), a.float(4), a.float(5));
    if margin <= 0.0 {
        bail!(Value, "margin must be greater than 0, got {margin}");
    }
    let to_near = distance(anchor, near, p, eps, false)?;
    let mut to_far = distance(anchor, far, p, eps, false)?;
    if a.bool(6) {
        to_far = table::minimum(&to_far, &distance(near, far, p, eps, false)?)?;
    }
    reduced(&positive_part(&sub(&add(&to_near, margin)?, &to_far)?)?, a, 7)
}

/// A matrix of rows for (C) or (N, C), and the targets of its rows.
fn rows_of(x: &Tensor, target: &Tensor, name: &str, target_ndim: usize) -> Result<(Tensor, Tensor)> {
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let single = x.ndim() < 2;
    let fits = match x.ndim() {
        0 | 1 => target.ndim() <= 1,
        2 => target.ndim() == target_ndim && target.size(0) == x.size(0),
        _ => false,
    };
    let classes = x.sizes().last().copied().unwrap_or(1);
    let fits = fits && (x.ndim() == 2 || x.numel() > 0) && (x.ndim() < 2 || classes > 0);
    let wanted = if target_ndim == 1 { x.numel() / classes.max(1) } else { x.numel() };
    if !fits || target.numel() != wanted {
        bail!(
            Shape,
            "{name}: inconsistent sizes: input {}, target {}",
            crate::layout::Show(x.sizes()),
            crate::layout::Show(target.sizes())
        );
    }
    if target.dtype() != DType::I64 {
        bail!(DType, "expected scalar type Long but found {}", target.dtype().scalar_name());
    }
    let rows = if single { 1 } else { x.size(0) };
    let target_sizes: &[usize] = if target_ndim == 1 { &[rows] } else { &[rows, classes] };
    Ok((view::reshape_to(x, &[rows, classes])?, view::reshape_to(target, target_sizes)?))
}

fn multi_margin_loss(a: &Args) -> Result<Output> {
    let p = a.scalar(2).to_f64();
    if p != 1.0 && p != 2.0 {
        bail!(Autograd, "only p == 1 and p == 2 supported");
    }
    autograd::refuse_grad("multi_margin_loss", "weight", a.opt_tensor(4))?;
    let (x, target) = rows_of(a.tensor(0), a.tensor(1), "multi_margin_loss", 1)?;
    let classes = x.size(1);
    if copy::values::<i64>(&target)?.iter().any(|&t| t < 0 || t >= classes as i64) {
        bail!(Autograd, "target out of range");
    }
    let places = view::unsqueeze(&target, 1)?;
    let chosen = index::gather(&x, 1, &places)?;
    let mut terms = positive_part(&add(&sub(a.scalar(3), &chosen)?, &x)?)?;
    if p == 2.0 {
        terms = table::square(&terms)?;
    }
    if let Some(w) = a.opt_tensor(4) {
        if w.sizes() != [classes] {
            bail!(
                Shape,
                "inconsistent weight size, expected {classes} but got {}",
                crate::layout::Show(w.sizes())
            );
        }
        terms = mul(&terms, &view::unsqueeze(&index::index_select(w, 0, &target)?, 1)?)?;
    }
    let numbers = creation::arange(Scalar::Int(0), Scalar::Int(classes as i64), Scalar::Int(1), DType::I64)?;
    let terms = where_(&table::ne(&places, &numbers)?, &terms, Scalar::Int(0))?;
    let losses = div(&sum_of(&terms, 1)?, classes as f64)?;
    let losses = if a.tensor(0).ndim() < 2 { view::reshape_to(&losses, &[])? } else { losses };
    reduced(&losses, a, 5)
}

/// The targets of a row end at the first -1.
fn multilabel_margin_loss(a: &Args) -> Result<Output> {
    let (x, target) = rows_of(a.tensor(0), a.tensor(1), "multilabel_margin_loss", 2)?;
    let (rows, classes) = (x.size(0), x.size(1));
    let labels = copy::values::<i64>(&target)?;
    if labels.iter().any(|&t| t < -1 || t >= classes as i64) {
        bail!(Autograd, "multilabel_margin_loss: targets out of range");
    }
    let sets: Vec<&[i64]> = (0..rows)
        .map(|r| {
            let row = &labels[r * classes..(r + 1) * classes];
            &row[..row.iter().position(|&t| t < 0).unwrap_or(classes)]
        })
        .collect();
    let most = sets.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut places = vec![0i64; rows * most];
    let mut counts = vec![0f32; rows * most];
    let mut others = vec![1f32; rows * classes];
    for (r, set) in sets.iter().enumerate() {
        for (k, &t) in set.iter().enumerate() {
            (places[r * most + k], counts[r * most + k]) = (t, 1.0);
            others[r * classes + t as usize] = 0.0;
        }
    }
    let counts = copy::to_dtype(&Tensor::from_slice(&counts, &[rows, most, 1])?, x.dtype())?;
    let others = copy::to_dtype(&Tensor::from_slice(&others, &[rows, 1, classes])?, x.dtype())?;
    let chosen = index::gather(&x, 1, &Tensor::from_slice(&places, &[rows, most])?)?;
    let gaps = add(&sub(1.0, &view::unsqueeze(&chosen, 2)?)?, &view::unsqueeze(&x, 1)?)?;
    let terms = mul(&positive_part(&gaps)?, &mul(&counts, &others)?)?;
    let losses = div(&reduce::sum(&terms, Some(&[1, 2]), false, None)?, classes as f64)?;
    let losses = if a.tensor(0).ndim() < 2 { view::reshape_to(&losses, &[])? } else { losses };
    reduced(&losses, a, 2)
}

// ---- distances ----

/// The p-norm of x - y + eps along the last dim.
fn distance(x: &Tensor, y: &Tensor, p: f64, eps: f64, keepdim: bool) -> Result<Tensor> {
    let difference = add(&sub(x, y)?, eps)?;
    if difference.ndim() == 0 {
        return vector_norm(&difference, p, None, keepdim, None);
    }
    vector_norm(&difference, p, Some(&[-1]), keepdim, None)
}

/// A norm that is at least `eps`; the gradient is that of the norm itself.
fn norm_at_least(x: &Tensor, dim: i64, eps: f64) -> Result<Tensor> {
    let norm = copy::clone(&vector_norm(x, 2.0, Some(&[dim]), true, None)?)?;
    autograd::no_grad(|| apply_inplace(&table::rows::clamp_min::ROW, &[(&norm).into(), eps.into()]))?;
    Ok(norm)
}

fn cosine_similarity(x: &Tensor, y: &Tensor, dim: i64, eps: f64) -> Result<Tensor> {
    let common = x.dtype().promote(y.dtype());
    if !common.is_floating() {
        bail!(
            Autograd,
            "expected common dtype to be floating point, yet common dtype is {}",
            common.scalar_name()
        );
    }
    let sizes = broadcast(x.sizes(), y.sizes())?;
    wrap_dim(dim, sizes.len())?;
    let x = view::expand_to(&copy::to_dtype(x, common)?, &sizes)?;
    let y = view::expand_to(&copy::to_dtype(y, common)?, &sizes)?;
    let x = div(&x, &norm_at_least(&x, dim, eps)?)?;
    let y = div(&y, &norm_at_least(&y, dim, eps)?)?;
    sum_of(&mul(&x, &y)?, dim)
}

/// Samples for losses of two tensors.
const TWO: &str =
    "t(3, 4), t(3, 4) | nc(3, 2), t(3, 2), reduction='sum' | t(0), t(0) | t(), t(), reduction='none'";

// The functions of the root namespace do not reduce unless told to; those of nn.functional take the mean.
pub const OPS: &[Op] = &[
    Op::new("nn.functional.mse_loss(Tensor input, Tensor target, int reduction=1) -> Tensor", mse_loss)
        .doc("Squared error.")
        .samples(TWO),
    Op::new("nn.functional.l1_loss(Tensor input, Tensor target, int reduction=1) -> Tensor", l1_loss)
        .doc("Absolute error.")
        .samples(TWO),
    Op::new("nn.functional.smooth_l1_loss(Tensor input, Tensor target, int reduction=1, float beta=1.0) -> Tensor", smooth_l1_loss)
        .doc("A parabola where |input - target| < beta, a straight line beyond.")
        .samples("t(3, 4), t(3, 4) | nc(3, 2), t(3, 2), reduction='sum', beta=2.5 | t(), t(), reduction='none', beta=0.0"),
    Op::new("nn.functional.huber_loss(Tensor input, Tensor target, int reduction=1, float delta=1.0) -> Tensor", huber_loss)
        .doc("A parabola where |input - target| <= delta, a straight line beyond.")
        .samples("t(3, 4), t(3, 4) | nc(3, 2), t(3, 2), reduction='sum', delta=2.5 | t(), t(), reduction='none', delta=0.3"),
    Op::new("nn.functional.binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor", binary_cross_entropy)
        .doc("Cross-entropy of probabilities.")
        .samples("t(3, 4, low=0.1, high=0.9), t(3, 4, low=0, high=1) | nc(3, 2, low=0.1, high=0.9), t(3, 2, low=0, high=1), fixed(2), reduction='sum'"),
    Op::new("binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=0) -> Tensor", binary_cross_entropy_with_logits)
        .doc("Cross-entropy of the sigmoids, without overflow.")
        .samples("t(3, 4), t(3, 4, low=0, high=1) | nc(3, 2), t(3, 2, low=0, high=1), fixed(2), fixed(2), reduction=2 | t(), t(low=0, high=1), reduction=1"),
    Op::new("nn.functional.soft_margin_loss(Tensor input, Tensor target, int reduction=1) -> Tensor", soft_margin_loss)
        .doc("log(1 + exp(-target * input)).")
        .samples("t(3, 4), fixed(3, 4) | nc(3, 2), fixed(3, 2), reduction='sum' | t(0), fixed(0) | t(), fixed(), reduction='none'"),
    Op::new("kl_div(Tensor input, Tensor target, int reduction=0, *, bool log_target=False) -> Tensor", kl_div)
        .doc("Kullback-Leibler divergence of a distribution from the log-probabilities of another.")
        .samples("t(3, 4), t(3, 4, low=0.1, high=1) | nc(3, 2), t(3, 2), 2, log_target=True | t(), t(low=0.1, high=1), 0"),
    Op::new("poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor", poisson_nll_loss)
        .doc("Negative log likelihood of counts under Poisson distributions.")
        .samples("t(3, 4), t(3, 4, low=0.2, high=5), True, True, 1e-8, 1 | nc(3, 2, low=0.1, high=4), t(3, 2, low=0.2, high=5), False, False, 1e-8, 0"),
    Op::new("hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, int reduction=0) -> Tensor", hinge_embedding_loss)
        .doc("input where the target is 1, max(0, margin - input) where it is -1.")
        .samples("t(3, 4), ints(3, 4) * 2 - 1 | nc(3, 2), torch.tensor([1, -1]), 0.5, reduction=1"),
    Op::new("cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=0) -> Tensor", cosine_embedding_loss)
        .doc("1 - cosine where the target is 1, max(0, cosine - margin) where it is -1.")
        .samples("t(3, 4), t(3, 4), torch.tensor([1, -1, 1]) | nc(2, 3), t(2, 3), torch.tensor([-1, 1]), -0.5, 0 | t(3), t(3), torch.tensor(1)"),
    Op::new("margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=0) -> Tensor", margin_ranking_loss)
        .doc("max(0, -target * (input1 - input2) + margin).")
        .samples("t(3), t(3), torch.tensor([1, -1, 1]) | nc(2, 3), t(2, 3), ints(2, 3, low=-1, high=2), 0.5, 0"),
    Op::new("triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2.0, float eps=1e-06, bool swap=False, int reduction=0) -> Tensor", triplet_margin_loss)
        .doc("max(0, distance to positive - distance to negative + margin).")
        .samples("t(3, 4), t(3, 4), t(3, 4) | nc(3, 2), t(3, 2), t(3, 2), 2.0, 1.0, 1e-6, True, 0"),
    Op::new("nn.functional.multi_margin_loss(Tensor input, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=1) -> Tensor", multi_margin_loss)
        .doc("The mean over the other classes of max(0, margin - input[target] + input)^p.")
        .samples("t(3, 4), ints(3, high=4) | nc(3, 4), ints(3, high=4), 2, 0.5, reduction='none' | t(4), ints(1, high=4)"),
    Op::new("nn.functional.multilabel_margin_loss(Tensor input, Tensor target, int reduction=1) -> Tensor", multilabel_margin_loss)
        .doc("Hinge losses between each target class and each other class, over the number of classes.")
        .samples("t(2, 4), torch.tensor([[3, 0, -1, 1], [2, -1, 0, 0]]) | t(3), torch.tensor([0, 2, -1]), reduction='sum'"),
    Op::new("pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False) -> Tensor", |a| {
        Ok(distance(a.tensor(0), a.tensor(1), a.float(2), a.float(3), a.bool(4))?.into())
    })
    .doc("The p-norm of x1 - x2 + eps along the last dim.")
    .samples("t(3, 4), t(3, 4) | nc(2, 3), t(3), 1.0, 0.01, True | t(3), t(3), p=3"),
    Op::new("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", |a| {
        Ok(cosine_similarity(a.tensor(0), a.tensor(1), a.int(2), a.float(3))?.into())
    })
    .doc("The cosine of the angles between vectors along a dim.")
    .samples("t(3, 4), t(3, 4) | nc(2, 3), t(3), 0, 0.01 | t(3), t(3), dim=-1"),
];
