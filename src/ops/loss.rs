//! Losses of classes: cross-entropy, negative log likelihood.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::cross_entropy::{self, CrossEntropy};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes};
use crate::ops::arithmetic::{add, div, mul, sub, where_};
use crate::ops::registry::{Args, Op};
use crate::ops::softmax::softmax;
use crate::ops::{copy, creation, index, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// How the losses of a batch become one: PyTorch's numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    None,
    Mean,
    Sum,
}

pub fn summary_of(code: i64) -> Result<Summary> {
    Ok(match code {
        0 => Summary::None,
        1 => Summary::Mean,
        2 => Summary::Sum,
        _ => bail!(Value, "{code} is not a valid value for reduction"),
    })
}

pub fn summarise(losses: &Tensor, summary: Summary) -> Result<Tensor> {
    match summary {
        Summary::None => Ok(losses.clone()),
        Summary::Mean => reduce::mean(losses, None, false, None),
        Summary::Sum => reduce::sum(losses, None, false, None),
    }
}

/// Brings (n, c, d1, ...) to (rows, c), and targets to (rows).
fn to_rows(x: &Tensor) -> Result<Tensor> {
    match x.ndim() {
        1 => view::unsqueeze(x, 0),
        2 => Ok(x.clone()),
        n => {
            let order: SmallVec<[i64; 6]> =
                std::iter::once(0).chain(2..n as i64).chain(std::iter::once(1)).collect();
            let rows = view::permute(x, &order)?;
            view::reshape(&rows, &[-1, x.size(1) as i64])
        }
    }
}

fn check_targets(x: &Tensor, target: &Tensor, weight: Option<&Tensor>, name: &str) -> Result<()> {
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    if x.ndim() == 0 {
        bail!(Index, "Dimension out of range (expected to be in range of [-1, 0], but got 1)");
    }
    let expected: Sizes = match x.ndim() {
        1 => Sizes::new(),
        n => (0..n).filter(|&d| d != 1).map(|d| x.size(d)).collect(),
    };
    if target.sizes() != &expected[..] {
        if x.ndim() > 1 && target.ndim() > 0 && target.size(0) != x.size(0) {
            bail!(
                Value,
                "Expected input batch_size ({}) to match target batch_size ({}).",
                x.size(0),
                target.size(0)
            );
        }
        bail!(
            Shape,
            "Expected target size {}, got {} (input of size {})",
            Show(&expected),
            Show(target.sizes()),
            Show(x.sizes())
        );
    }
    if !matches!(target.dtype(), DType::I64 | DType::U8) {
        bail!(DType, "expected scalar type Long but found {}", target.dtype().scalar_name());
    }
    let classes = x.size(if x.ndim() == 1 { 0 } else { 1 });
    if let Some(w) = weight {
        if w.sizes() != [classes] {
            bail!(
                Shape,
                "weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: {}",
                Show(w.sizes())
            );
        }
        if w.dtype() != x.dtype() {
            bail!(
                DType,
                "expected scalar type {} but found {}",
                x.dtype().scalar_name(),
                w.dtype().scalar_name()
            );
        }
    }
    Ok(())
}

fn check_class_range(target: &Tensor, classes: usize, ignore_index: i64) -> Result<()> {
    // A GPU tells when it comes upon one.
    if target.device().is_cuda() {
        return Ok(());
    }
    let bad = |&t: &i64| t != ignore_index && (t < 0 || t >= classes as i64);
    if let Some(bad) = copy::values::<i64>(target)?.into_iter().find(bad) {
        bail!(Index, "Target {bad} is out of bounds.");
    }
    Ok(())
}

struct Classification<'a> {
    x: &'a Tensor,
    target: &'a Tensor,
    weight: Option<&'a Tensor>,
    summary: Summary,
    ignore_index: i64,
    label_smoothing: f64,
}

/// Cross-entropy of raw outputs (n, c, ...) with classes (n, ...) or probabilities (n, c, ...).
fn cross_entropy(c: &Classification) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&c.label_smoothing) {
        bail!(Autograd, "label_smoothing must be between 0.0 and 1.0. Got: {}", c.label_smoothing);
    }
    if c.target.sizes() == c.x.sizes() && c.x.ndim() > 0 && c.target.dtype().is_floating() {
        return with_probabilities(c);
    }
    autograd::refuse_grad("nll_loss_forward", "weight", c.weight)?;
    check_targets(c.x, c.target, c.weight, "cross_entropy")?;
    let single = c.x.ndim() == 1;
    let logits = to_rows(c.x)?;
    let (rows, classes) = (logits.size(0), logits.size(1));
    check_class_range(c.target, classes, c.ignore_index)?;
    let target = copy::to_dtype(&view::reshape(&c.target.detached(), &[-1])?, DType::I64)?;
    let losses = row_losses(&logits, &target, c)?;
    match c.summary {
        Summary::Sum => reduce::sum(&losses, None, false, None),
        Summary::Mean => {
            let total = reduce::sum(&losses, None, false, None)?;
            div(&total, &target_weights(&target, c, &logits)?)
        }
        Summary::None if single => view::reshape_to(&losses, &[]),
        Summary::None => {
            debug_assert_eq!(losses.numel(), rows);
            view::reshape_to(&losses, c.target.sizes())
        }
    }
}

/// What a mean divides by: the weights of the targets that count.
fn target_weights(target: &Tensor, c: &Classification, logits: &Tensor) -> Result<Tensor> {
    autograd::no_grad(|| {
        let counts = table::ne(target, Scalar::Int(c.ignore_index))?;
        let weights = match c.weight {
            None => copy::to_dtype(&counts, logits.dtype())?,
            Some(w) => {
                let safe = where_(&counts, target, Scalar::Int(0))?;
                let each = index::index_select(&w.detached(), 0, &safe)?;
                where_(&counts, &each, 0.0)?
            }
        };
        reduce::sum(&weights, None, false, None)
    })
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

fn computed(t: &Tensor) -> Result<Tensor> {
    let dtype = if t.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    copy::contiguous(&copy::to_dtype(&t.detached(), dtype)?)
}

/// The loss of each row, by the fused kernel.
fn row_losses(logits: &Tensor, target: &Tensor, c: &Classification) -> Result<Tensor> {
    if logits.device().is_cuda() {
        return composed_row_losses(logits, target, c);
    }
    let (rows, classes) = (logits.size(0), logits.size(1));
    let (input, target) = (computed(logits)?, copy::contiguous(target)?);
    let weight = c.weight.map(computed).transpose()?;
    let (losses, lse) = (Tensor::empty(&[rows], input.dtype())?, Tensor::empty(&[rows], input.dtype())?);
    let (ignore_index, label_smoothing) = (c.ignore_index, c.label_smoothing);
    let weight_pointer = weight.as_ref().map_or(std::ptr::null_mut(), Tensor::ptr);
    if rows > 0 {
        let row_weight = Tensor::empty(&[rows], input.dtype())?;
        typed!(input.dtype(), T => {
            let call = CrossEntropy::<T> {
                rows, classes,
                logits: input.ptr().cast(), targets: target.ptr().cast(), weight: weight_pointer.cast(),
                ignore_index, label_smoothing,
            };
            // SAFETY: contiguous tensors of these sizes; targets were checked; outputs are fresh.
            unsafe { cross_entropy::forward(call, losses.ptr().cast(), lse.ptr().cast(), row_weight.ptr().cast()) }
        });
    }
    let losses = copy::to_dtype(&losses, logits.dtype())?;
    if !autograd::needs_grad(&[logits]) {
        return Ok(losses);
    }
    let mut save: SmallVec<[Save; 4]> = smallvec![Save::Input(0), Save::Other(&target), Save::Other(&lse)];
    if let Some(w) = &weight {
        save.push(Save::Other(w));
    }
    let weighted = weight.is_some();
    Ok(autograd::record(losses, "NllLossBackward0", &[logits], &save, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (logits, target, lse) = (cx.saved(0)?, cx.saved(1)?, cx.saved(2)?);
        let weight = if weighted { Some(cx.saved(3)?) } else { None };
        // Somebody may have overwritten the targets through other memory.
        check_class_range(&target, classes, ignore_index)?;
        if autograd::grad_enabled() {
            let q = target_distribution(&logits, &target, weight.as_ref(), ignore_index, label_smoothing)?;
            let total = reduce::sum(&q, Some(&[1]), true, None)?;
            let each = sub(&mul(&softmax(&logits, 1, false, None)?, &total)?, &q)?;
            return Ok(smallvec![Some(mul(&each, &view::unsqueeze(g, 1)?)?)]);
        }
        let input = computed(&logits)?;
        // A gradient that is the same for all rows comes expanded.
        let stride = if rows > 1 && g.strides()[0] == 0 { 0 } else { 1 };
        let scale = if stride == 0 { computed(&view::select(g, 0, 0)?)? } else { computed(g)? };
        let out = Tensor::empty(input.sizes(), input.dtype())?;
        if rows > 0 {
            let weight_pointer = weight.as_ref().map_or(std::ptr::null_mut(), Tensor::ptr);
            typed!(input.dtype(), T => {
                let call = CrossEntropy::<T> {
                    rows, classes,
                    logits: input.ptr().cast(), targets: target.ptr().cast(), weight: weight_pointer.cast(),
                    ignore_index, label_smoothing,
                };
                // SAFETY: as in the forward.
                unsafe { cross_entropy::backward(call, lse.ptr().cast(), scale.ptr().cast(), stride, out.ptr().cast()) }
            });
        }
        Ok(smallvec![Some(copy::to_dtype(&out, logits.dtype())?)])
    }))
}

/// The same of other operations, for devices that have no fused kernel.
fn composed_row_losses(logits: &Tensor, target: &Tensor, c: &Classification) -> Result<Tensor> {
    let logp = softmax(logits, 1, true, None)?;
    if c.label_smoothing > 0.0 {
        let q = target_distribution(logits, target, c.weight, c.ignore_index, c.label_smoothing)?;
        return table::neg(&reduce::sum(&mul(&logp, &q)?, Some(&[1]), false, None)?);
    }
    class_losses(&logp, target, c)
}

/// What each row's classes weigh in its loss: `loss = -sum(q * log_softmax(x))`.
fn target_distribution(
    logits: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    ignore_index: i64,
    smoothing: f64,
) -> Result<Tensor> {
    autograd::no_grad(|| {
        let classes = logits.size(1);
        let counts = view::unsqueeze(&table::ne(target, Scalar::Int(ignore_index))?, 1)?;
        let numbers =
            creation::arange(Scalar::Int(0), Scalar::Int(classes as i64), Scalar::Int(1), DType::I64)?;
        let hit = copy::to_dtype(&table::eq(&view::unsqueeze(target, 1)?, &numbers)?, logits.dtype())?;
        let mut q = add(&mul(&hit, 1.0 - smoothing)?, smoothing / classes as f64)?;
        if let Some(w) = weight {
            q = mul(&q, &copy::to_dtype(w, logits.dtype())?)?;
        }
        mul(&q, &counts)
    })
}

fn with_probabilities(c: &Classification) -> Result<Tensor> {
    if c.ignore_index >= 0 {
        bail!(Autograd, "ignore_index is not supported for floating point target");
    }
    let dim = if c.x.ndim() == 1 { 0 } else { 1 };
    let classes = c.x.size(dim);
    let logp = softmax(c.x, dim as i64, true, None)?;
    let target = if c.label_smoothing > 0.0 {
        add(&mul(c.target, 1.0 - c.label_smoothing)?, c.label_smoothing / classes as f64)?
    } else {
        c.target.clone()
    };
    let mut terms = mul(&logp, &target)?;
    if let Some(w) = c.weight {
        let mut sizes = Sizes::from_elem(1, c.x.ndim());
        sizes[dim] = classes;
        terms = mul(&terms, &view::reshape_to(w, &sizes)?)?;
    }
    let losses = table::neg(&reduce::sum(&terms, Some(&[dim as i64]), false, None)?)?;
    match c.summary {
        Summary::None => Ok(losses),
        Summary::Sum => reduce::sum(&losses, None, false, None),
        Summary::Mean => {
            let count = (c.x.numel() / classes.max(1)) as f64;
            div(&reduce::sum(&losses, None, false, None)?, count)
        }
    }
}

/// Negative log likelihood of classes under log-probabilities (n, c, ...).
fn nll_loss(c: &Classification) -> Result<Tensor> {
    autograd::refuse_grad("nll_loss_forward", "weight", c.weight)?;
    check_targets(c.x, c.target, c.weight, "nll_loss")?;
    let logp = to_rows(c.x)?;
    check_class_range(c.target, logp.size(1), c.ignore_index)?;
    let target = copy::to_dtype(&view::reshape(&c.target.detached(), &[-1])?, DType::I64)?;
    let losses = class_losses(&logp, &target, c)?;
    match c.summary {
        Summary::None => view::reshape_to(&losses, c.target.sizes()),
        Summary::Sum => reduce::sum(&losses, None, false, None),
        Summary::Mean => div(&reduce::sum(&losses, None, false, None)?, &target_weights(&target, c, &logp)?),
    }
}

/// The loss of each row under log-probabilities (rows, classes).
fn class_losses(logp: &Tensor, target: &Tensor, c: &Classification) -> Result<Tensor> {
    let counts = table::ne(target, Scalar::Int(c.ignore_index))?;
    let safe = where_(&counts, target, Scalar::Int(0))?;
    let picked = index::gather(logp, 1, &view::unsqueeze(&safe, 1)?)?;
    let mut losses = table::neg(&view::squeeze(&picked, Some(&[1]))?)?;
    if let Some(w) = c.weight {
        losses = mul(&losses, &index::index_select(&w.detached(), 0, &safe)?)?;
    }
    where_(&counts, &losses, 0.0)
}

fn classification<'a>(a: &'a Args, label_smoothing: f64) -> Result<Classification<'a>> {
    Ok(Classification {
        x: a.tensor(0),
        target: a.tensor(1),
        weight: a.opt_tensor(2),
        summary: summary_of(a.int(3))?,
        ignore_index: a.int(4),
        label_smoothing,
    })
}

pub const OPS: &[Op] = &[
    Op::new("nn.functional.cross_entropy(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100, float label_smoothing=0.0) -> Tensor", |a| {
        Ok(cross_entropy(&classification(a, a.float(5))?)?.into())
    })
    .doc("Cross-entropy of raw outputs with classes or probabilities."),
    Op::new("nn.functional.nll_loss(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> Tensor", |a| {
        Ok(nll_loss(&classification(a, 0.0)?)?.into())
    })
    .doc("Negative log likelihood of classes under log-probabilities."),
];
