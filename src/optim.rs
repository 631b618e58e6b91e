//! Update steps of optimizers, fused: one call changes all parameters, each read and written once.

use crate::bail;
use crate::cpu::par;
use crate::cpu::simd::{Element as Lanes, Kernel, Simd, level};
use crate::dtype::{Cast, DType, Element};
use crate::error::Result;
use crate::layout::Show;
use crate::ops::copy;
use crate::tensor::Tensor;

/// Settings of stochastic gradient descent.
#[derive(Clone, Copy)]
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub maximize: bool,
}

/// Settings of Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy)]
pub struct Adam {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
    pub decoupled_weight_decay: bool,
}

/// What an update computes in: f32 for all but f64.
pub trait Real: num_traits::Float + Element + Lanes {}
impl Real for f32 {}
impl Real for f64 {}

/// Elements that one thread takes at a time.
const GRAIN: usize = 16 << 10;

/// The tensors of one parameter: the parameter first, then gradient and state.
type Slots<'a> = [&'a Tensor];

/// An update of one element: `values` are the element of each slot, to be changed in place.
trait Rule<C>: Copy + Sync {
    fn update<const N: usize>(self, values: &mut [C; N]);
}

/// Runs a rule over all elements of `N` tensors of one shape. Slot 1, the gradient, is only read.
fn apply<const N: usize, C: Real>(slots: &Slots, rule: impl Rule<C>) -> Result<()> {
    let model = slots[0];
    for (i, t) in slots.iter().enumerate() {
        if t.sizes() != model.sizes() {
            bail!(
                Shape,
                "The size of a parameter {} and that of its {} {} must match",
                Show(model.sizes()),
                if i == 1 { "gradient" } else { "state" },
                Show(t.sizes())
            );
        }
    }
    let strides = model.layout().dense_like();
    let alike = model.layout().is_non_overlapping_and_dense()
        && slots.iter().all(|t| t.strides() == &strides[..] && t.dtype() == model.dtype());
    if !alike {
        // Other layouts go through copies of one layout and dtype.
        let copies: Vec<Tensor> = slots
            .iter()
            .map(|t| {
                let dense = Tensor::empty(model.sizes(), model.dtype())?;
                copy::write(&dense, &t.detached())?;
                Ok(dense)
            })
            .collect::<Result<_>>()?;
        apply::<N, C>(&copies.iter().collect::<Vec<_>>(), rule)?;
        for (i, (t, new)) in slots.iter().zip(&copies).enumerate() {
            if i != 1 {
                copy::write(t, new)?;
                t.bump_version();
            }
        }
        return Ok(());
    }
    crate::dispatch!(model.dtype(), T => run::<N, T, C>(slots, rule));
    for (i, t) in slots.iter().enumerate() {
        if i != 1 {
            t.bump_version();
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Addresses<const N: usize>([*mut u8; N]);
// SAFETY: threads work on disjoint ranges of elements.
unsafe impl<const N: usize> Sync for Addresses<N> {}

struct Range<const N: usize, T, R> {
    addresses: Addresses<N>,
    range: std::ops::Range<usize>,
    rule: R,
    element: std::marker::PhantomData<T>,
}

impl<const N: usize, T: Element, C: Real, R: Rule<C>> Kernel<C> for Range<N, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<C>>(self, _: S) {
        for i in self.range {
            // SAFETY: every slot has as many elements as the parameter, and nobody else works on
            // this range.
            unsafe {
                let at = |k: usize| self.addresses.0[k].cast::<T>().add(i);
                let mut values: [C; N] = std::array::from_fn(|k| at(k).read().cast());
                self.rule.update(&mut values);
                for (k, value) in values.iter().enumerate() {
                    if k != 1 {
                        at(k).write((*value).cast());
                    }
                }
            }
        }
    }
}

fn run<const N: usize, T: Element, C: Real>(slots: &Slots, rule: impl Rule<C>) {
    let addresses = Addresses(std::array::from_fn(|k| slots[k].ptr()));
    par::for_range(slots[0].numel(), GRAIN, &|range| {
        let whole = &addresses; // the struct, which is Sync, not its field
        C::dispatch(
            level(),
            Range::<N, T, _> { addresses: *whole, range, rule, element: std::marker::PhantomData },
        );
    });
}

#[derive(Clone, Copy)]
struct SgdRule<C> {
    sign: C,
    lr: C,
    momentum: C,
    keep: C,
    weight_decay: C,
    nesterov: bool,
}

impl<C: Real> Rule<C> for SgdRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let p = values[0];
        let mut g = values[1] * self.sign + self.weight_decay * p;
        if N == 3 {
            let buffer = values[2] * self.momentum + g * self.keep;
            values[2] = buffer;
            g = if self.nesterov { g + self.momentum * buffer } else { buffer };
        }
        values[0] = p - self.lr * g;
    }
}

fn constant<C: Real>(x: f64) -> C {
    C::from(x).unwrap_or_else(C::nan)
}

/// One step over all parameters. `buffers` holds the momentum of each, `None` before its first step;
/// the buffers after the step are returned (none without momentum).
pub fn sgd_step(
    params: &[Tensor],
    grads: &[Tensor],
    buffers: &[Option<Tensor>],
    settings: Sgd,
) -> Result<Vec<Tensor>> {
    fn step<C: Real>(p: &Tensor, g: &Tensor, buffer: Option<&Tensor>, s: Sgd, fresh: bool) -> Result<()> {
        let rule = SgdRule::<C> {
            sign: constant(if s.maximize { -1.0 } else { 1.0 }),
            lr: constant(s.lr),
            momentum: constant(s.momentum),
            // The first step takes the gradient as it is.
            keep: constant(if fresh { 1.0 } else { 1.0 - s.dampening }),
            weight_decay: constant(s.weight_decay),
            nesterov: s.nesterov,
        };
        match buffer {
            Some(buffer) => apply::<3, C>(&[p, g, buffer], rule),
            None => apply::<2, C>(&[p, g], rule),
        }
    }
    let mut after = Vec::with_capacity(params.len());
    for (i, (p, g)) in params.iter().zip(grads).enumerate() {
        check_dtype(p)?;
        let known = buffers.get(i).and_then(Option::as_ref);
        let buffer = match known {
            _ if settings.momentum == 0.0 => None,
            Some(buffer) => Some(buffer.clone()),
            None => Some(crate::ops::creation::zeros(p.sizes(), p.dtype())?),
        };
        match p.dtype() {
            DType::F64 => step::<f64>(p, g, buffer.as_ref(), settings, known.is_none())?,
            _ => step::<f32>(p, g, buffer.as_ref(), settings, known.is_none())?,
        }
        after.extend(buffer);
    }
    Ok(after)
}

#[derive(Clone, Copy)]
struct AdamRule<C> {
    sign: C,
    /// 1 - beta1, beta2, 1 - beta2, each rounded once.
    new_mean: C,
    old_square: C,
    new_square: C,
    /// -lr / (1 - beta1^t)
    step: C,
    /// sqrt(1 - beta2^t)
    root_correction: C,
    eps: C,
    /// Added to the gradient, times the parameter.
    weight_decay: C,
    /// What decoupled decay leaves of the parameter.
    shrink: C,
}

/// From `a` to `b`, exact at the nearer end.
#[inline(always)]
fn lerp<C: Real>(a: C, b: C, weight: C) -> C {
    let one = C::one();
    if weight + weight < one { a + weight * (b - a) } else { b - (b - a) * (one - weight) }
}

impl<C: Real> Rule<C> for AdamRule<C> {
    #[inline(always)]
    fn update<const N: usize>(self, values: &mut [C; N]) {
        let p = values[0] * self.shrink;
        let g = values[1] * self.sign + self.weight_decay * p;
        let mean = lerp(values[2], g, self.new_mean);
        let square = values[3] * self.old_square + self.new_square * g * g;
        values[2] = mean;
        values[3] = square;
        let mut largest = square;
        if N == 5 {
            largest = if values[4] > square { values[4] } else { square };
            values[4] = largest;
        }
        let denominator = largest.sqrt() / self.root_correction + self.eps;
        values[0] = p + self.step * mean / denominator;
    }
}

/// State of one parameter under Adam.
pub struct AdamState {
    pub exp_avg: Tensor,
    pub exp_avg_sq: Tensor,
    pub max_exp_avg_sq: Option<Tensor>,
    /// Number of steps so far: a 0-d float32 tensor, counted up here.
    pub step: Tensor,
}

/// One step over all parameters.
pub fn adam_step(params: &[Tensor], grads: &[Tensor], states: &[AdamState], settings: Adam) -> Result<()> {
    fn step<C: Real>(p: &Tensor, g: &Tensor, state: &AdamState, t: f64, s: Adam) -> Result<()> {
        let rule = AdamRule::<C> {
            sign: constant(if s.maximize { -1.0 } else { 1.0 }),
            new_mean: constant(1.0 - s.beta1),
            old_square: constant(s.beta2),
            new_square: constant(1.0 - s.beta2),
            step: constant(-(s.lr / (1.0 - s.beta1.powf(t)))),
            root_correction: constant((1.0 - s.beta2.powf(t)).sqrt()),
            eps: constant(s.eps),
            weight_decay: constant(if s.decoupled_weight_decay { 0.0 } else { s.weight_decay }),
            shrink: constant(if s.decoupled_weight_decay { 1.0 - s.lr * s.weight_decay } else { 1.0 }),
        };
        match &state.max_exp_avg_sq {
            Some(max) => apply::<5, C>(&[p, g, &state.exp_avg, &state.exp_avg_sq, max], rule),
            None => apply::<4, C>(&[p, g, &state.exp_avg, &state.exp_avg_sq], rule),
        }
    }
    for ((p, g), state) in params.iter().zip(grads).zip(states) {
        check_dtype(p)?;
        let t = count_step(&state.step)?;
        match p.dtype() {
            DType::F64 => step::<f64>(p, g, state, t, settings)?,
            _ => step::<f32>(p, g, state, t, settings)?,
        }
    }
    Ok(())
}

/// Adds one to a count of steps and returns it.
fn count_step(step: &Tensor) -> Result<f64> {
    let t = crate::ops::reduce::item(step)?.to_f64() + 1.0;
    if step.dtype() == DType::F32 {
        // SAFETY: `item` found exactly one element, which has this type.
        unsafe { step.ptr().cast::<f32>().write_unaligned(t as f32) };
    } else {
        crate::ops::creation::write_value(step, crate::scalar::Scalar::Float(t))?;
    }
    step.bump_version();
    Ok(t)
}

fn check_dtype(p: &Tensor) -> Result<()> {
    if !p.dtype().is_floating() {
        bail!(Unsupported, "optimizers take floating-point parameters, got {}", p.dtype());
    }
    Ok(())
}
