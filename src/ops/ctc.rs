//! The CTC loss: how unlikely a target is under all its alignments with a sequence of predictions.

use std::sync::Arc;

use smallvec::smallvec;

use crate::autograd::{self, Backprop, Grads, Save};
use crate::bail;
use crate::cpu::{ctc as kernel, par};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Show;
use crate::ops::arithmetic::{div, where_};
use crate::ops::cuda::common_device;
use crate::ops::cuda::ctc::Sequences;
use crate::ops::norm::typed;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Lengths, checked.
struct Lengths {
    /// Of each sequence: where its labels begin, and how many they are.
    spans: Vec<(usize, usize)>,
    times: Vec<usize>,
    blank: usize,
}

/// Targets and lengths, checked.
struct Targets {
    labels: Vec<i64>,
    spans: Vec<(usize, usize)>,
    times: Vec<usize>,
    blank: usize,
}

impl Targets {
    fn labels(&self, sequence: usize) -> &[i64] {
        let (start, length) = self.spans[sequence];
        &self.labels[start..start + length]
    }
}

fn lengths(values: &[i64], count: usize, name: &str, largest: usize) -> Result<Vec<usize>> {
    if values.len() != count {
        bail!(Autograd, "{name} must be of size batch_size");
    }
    for &v in values {
        if v < 0 {
            bail!(
                Autograd,
                "Expected {name} to have value at least 0, but got value {v} (while checking arguments for ctc_loss)"
            );
        }
        if v as u64 > largest as u64 {
            bail!(
                Autograd,
                "Expected {name} to have value at most {largest}, but got value {v} (while checking arguments for ctc_loss)"
            );
        }
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

fn checked_lengths(
    x: &Tensor,
    targets: &Tensor,
    times: &[i64],
    counts: &[i64],
    blank: i64,
) -> Result<Lengths> {
    let (time, batch, classes) = (x.size(0), x.size(1), x.size(2));
    if blank < 0 || blank as u64 >= classes as u64 {
        bail!(Autograd, "blank must be in label range");
    }
    let times = lengths(times, batch, "input_lengths", time)?;
    let counts = lengths(counts, batch, "target_lengths", usize::MAX)?;
    let (total, longest) =
        counts.iter().fold((0usize, 0), |(sum, most), &n| (sum.saturating_add(n), n.max(most)));
    let spans = match targets.ndim() {
        1 if targets.size(0) == total => {
            counts.iter().scan(0, |at, &n| Some((std::mem::replace(at, *at + n), n))).collect()
        }
        1 => bail!(
            Shape,
            "Expected tensor to have size {total} at dimension 0, but got size {} for argument #2 'targets' (while checking arguments for ctc_loss)",
            targets.size(0)
        ),
        2 if targets.size(0) != batch => bail!(
            Shape,
            "Expected tensor to have size {batch} at dimension 0, but got size {} for argument #2 'targets' (while checking arguments for ctc_loss)",
            targets.size(0)
        ),
        2 if targets.size(1) < longest => bail!(
            Shape,
            "Expected tensor to have size at least {longest} at dimension 1, but got size {} for argument #2 'targets' (while checking arguments for ctc_loss)",
            targets.size(1)
        ),
        2 => counts.iter().enumerate().map(|(i, &n)| (i * targets.size(1), n)).collect(),
        n => bail!(
            Shape,
            "Expected 1 to 2 dimensions, but got {n}-dimensional tensor for argument #2 'targets' (while checking arguments for ctc_loss)"
        ),
    };
    Ok(Lengths { spans, times, blank: blank as usize })
}

fn read_targets(x: &Tensor, targets: &Tensor, lengths: Lengths) -> Result<Targets> {
    let classes = x.size(2);
    let Lengths { spans, times, blank } = lengths;
    let read = Targets { labels: copy::values(targets)?, spans, times, blank };
    for sequence in 0..x.size(1) {
        if let Some(bad) = read.labels(sequence).iter().find(|&&l| l < 0 || l as u64 >= classes as u64) {
            bail!(Index, "ctc_loss: target {bad} of sequence {sequence} is not one of the {classes} classes");
        }
    }
    Ok(read)
}

/// What the tape keeps beside the log probabilities and the losses.
struct Recorded {
    targets: Targets,
    /// The forward variables: those of a sequence begin at its offset.
    alpha: Tensor,
    offsets: Vec<usize>,
    zero_infinity: bool,
}

struct Shared<A>(A);
// SAFETY: sequences are disjoint, and every thread writes only those it claimed.
unsafe impl<A> Sync for Shared<A> {}

/// The loss of every sequence; `x` (time, batch, classes).
fn losses(x: &Tensor, targets: &Tensor, lengths: Lengths, zero_infinity: bool) -> Result<Tensor> {
    let on_gpu = x.device().is_cuda();
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        let device = if on_gpu { "cuda" } else { "cpu" };
        bail!(Unsupported, "\"ctc_loss_{device}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    if on_gpu {
        return losses_on_gpu(x, targets, &lengths, zero_infinity);
    }
    let targets = read_targets(x, targets, lengths)?;
    let (batch, classes) = (x.size(1), x.size(2));
    let input = copy::contiguous(&x.detached())?;
    let out = Tensor::empty(&[batch], x.dtype())?;
    let mut offsets = Vec::with_capacity(batch + 1);
    let mut total = 0usize;
    for i in 0..batch {
        offsets.push(total);
        let states = targets.spans[i].1.saturating_mul(2).saturating_add(1);
        total = total.saturating_add(targets.times[i].saturating_mul(states));
    }
    let alpha = Tensor::empty(&[total], x.dtype())?;
    let grain = par::grain_for(batch, total as f64 / batch.max(1) as f64 * 30.0);
    typed!(x.dtype(), T => {
        let shared = Shared((input.ptr().cast::<T>(), alpha.ptr().cast::<T>(), out.ptr().cast::<T>()));
        par::for_range(batch, grain, &|range| {
            let shared = &shared;
            let (input, alpha, out) = shared.0;
            for i in range {
                // SAFETY: lengths and labels were checked; every sequence has its part of `alpha` and `out`.
                unsafe {
                    let sequence = kernel::Sequence {
                        log_probs: input.add(i * classes) as *const T,
                        stride: batch * classes,
                        time: targets.times[i],
                        labels: targets.labels(i),
                        blank: targets.blank,
                    };
                    let end = offsets.get(i + 1).copied().unwrap_or(total);
                    let alpha = std::slice::from_raw_parts_mut(alpha.add(offsets[i]), end - offsets[i]);
                    out.add(i).write(kernel::forward(&sequence, alpha));
                }
            }
        });
    });
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let kept = Arc::new(Recorded { targets, alpha, offsets, zero_infinity });
    Ok(autograd::record(out, "CtcLossBackward0", &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        kept.backward(cx)
    }))
}

impl Recorded {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, losses) = (cx.saved(0)?, cx.saved(1)?);
        let (time, batch, classes) = (x.size(0), x.size(1), x.size(2));
        let input = copy::contiguous(&x.detached())?;
        let (g, losses) = (copy::contiguous(&g.detached())?, losses.detached());
        let out = creation::zeros(&[time, batch, classes], x.dtype())?;
        let longest = self.targets.spans.iter().map(|s| 2 * s.1 + 1).max().unwrap_or(1);
        let grain = par::grain_for(batch, (time * (longest * 30 + classes * 20)) as f64);
        typed!(x.dtype(), T => {
            let shared = Shared((input.ptr().cast::<T>(), out.ptr().cast::<T>()));
            let of = |t: &Tensor| copy::values::<T>(t);
            let (scales, losses, alpha) = (of(&g)?, of(&losses)?, self.alpha.ptr().cast::<T>());
            let alpha = Shared(alpha);
            par::for_range(batch, grain, &|range| {
                let (shared, alpha) = (&shared, &alpha);
                let (input, out) = shared.0;
                let mut work = vec![0.0 as T; 2 * longest];
                let mut totals = vec![0.0 as T; classes];
                for i in range {
                    let infinite = losses[i] == T::INFINITY;
                    if infinite && self.zero_infinity {
                        continue;
                    }
                    let states = 2 * self.targets.spans[i].1 + 1;
                    let steps = self.targets.times[i];
                    // SAFETY: lengths and labels were checked by the forward; sequences are disjoint.
                    unsafe {
                        let sequence = kernel::Sequence {
                            log_probs: input.add(i * classes) as *const T,
                            stride: batch * classes,
                            time: steps,
                            labels: self.targets.labels(i),
                            blank: self.targets.blank,
                        };
                        let alpha = std::slice::from_raw_parts(alpha.0.add(self.offsets[i]), steps * states);
                        let grad = out.add(i * classes);
                        kernel::backward(&sequence, alpha, losses[i], scales[i], &mut work[..2 * states], &mut totals, grad);
                    }
                }
            });
        });
        Ok(smallvec![Some(without_derivative(out, &x, &g))])
    }
}

/// A gradient, which has none itself.
fn without_derivative(out: Tensor, x: &Tensor, g: &Tensor) -> Tensor {
    if !autograd::grad_enabled() {
        return out;
    }
    autograd::record(out, "CtcLossBackwardBackward0", &[x, g], &[], |_| {
        bail!(Unsupported, "derivative for ctc_loss_backward is not implemented")
    })
}

fn losses_on_gpu(x: &Tensor, targets: &Tensor, lengths: &Lengths, zero_infinity: bool) -> Result<Tensor> {
    let sequences = Sequences::of(targets, &lengths.spans, &lengths.times, lengths.blank)?;
    let (out, alpha) = sequences.losses(&copy::contiguous(&x.detached())?)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "CtcLossBackward0", &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, losses) = (cx.saved(0)?, cx.saved(1)?);
        let input = copy::contiguous(&x.detached())?;
        let scales = copy::contiguous(&g.detached())?;
        let out = sequences.gradient(&input, &alpha, &losses.detached(), &scales, zero_infinity)?;
        Ok(smallvec![Some(without_derivative(out, &x, g))])
    }))
}

struct Call<'a> {
    x: &'a Tensor,
    targets: &'a Tensor,
    times: Vec<i64>,
    counts: Vec<i64>,
    blank: i64,
    reduction: i64,
    zero_infinity: bool,
}

fn ctc_loss(c: &Call) -> Result<Tensor> {
    let batched = c.x.ndim() == 3;
    if !batched && c.x.ndim() != 2 {
        bail!(
            Shape,
            "Expected 3-dimensional tensor, but got a tensor of shape {} for argument #1 'log_probs' (while checking arguments for ctc_loss)",
            Show(c.x.sizes())
        );
    }
    // Targets and lengths may be on the CPU all the same.
    if c.targets.device().is_cuda() {
        common_device([c.x, c.targets])?;
    }
    if c.x.numel() == 0 {
        bail!(Autograd, "log_probs tensor must not be empty");
    }
    let x = if batched { c.x.clone() } else { view::unsqueeze(c.x, 1)? };
    let lengths = checked_lengths(&x, c.targets, &c.times, &c.counts, c.blank)?;
    let mut out = losses(&x, c.targets, lengths, c.zero_infinity)?;
    if c.zero_infinity {
        let infinite = table::eq(&out.detached(), Scalar::Float(f64::INFINITY))?;
        out = where_(&infinite, &creation::scalar(Scalar::Int(0), out.dtype())?, &out)?;
    }
    match c.reduction {
        1 => {
            let counts: Vec<f64> = c.counts.iter().map(|&n| n.max(1) as f64).collect();
            let counts =
                copy::to_dtype(&Tensor::from_slice(&counts, &[counts.len()])?.at_place()?, out.dtype())?;
            reduce::mean(&div(&out, &counts)?, None, false, None)
        }
        2 => reduce::sum(&out, None, false, None),
        _ if batched => Ok(out),
        _ => view::squeeze(&out, Some(&[0])),
    }
}

fn call_with(a: &Args, times: Vec<i64>, counts: Vec<i64>) -> Result<Output> {
    let call = Call {
        x: a.tensor(0),
        targets: a.tensor(1),
        times,
        counts,
        blank: a.int(4),
        reduction: a.int(5),
        zero_infinity: a.bool(6),
    };
    Ok(ctc_loss(&call)?.into())
}

fn call_with_tensors(a: &Args) -> Result<Output> {
    let read = |i: usize, name: &str| -> Result<Vec<i64>> {
        let t = a.tensor(i);
        if !t.dtype().is_integral() || t.dtype() == DType::Bool {
            bail!(DType, "{name} must be integral");
        }
        copy::values(t)
    };
    call_with(a, read(2, "input_lengths")?, read(3, "target_lengths")?)
}

pub const OPS: &[Op] = &[
    Op::new("ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, int reduction=0, bool zero_infinity=False) -> Tensor", |a| {
        call_with(a, a.ints(2).to_vec(), a.ints(3).to_vec())
    })
    .doc("The negative log likelihood of targets under all their alignments with predictions (Graves et al., 2006); reduction 0 none, 1 mean, 2 sum."),
    Op::new("ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, int reduction=0, bool zero_infinity=False) -> Tensor", call_with_tensors),
];
