//! Update steps of optimizers, fused: one call changes all parameters, each read and written once.
//!
//! An optimizer is its settings, the names of what it keeps of a parameter, and a [`Rule`]: what one
//! step does to one element. The loops, threads, dtypes and layouts are here, for all of them.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
pub mod gpu;
pub mod loss_scale;
mod nadam;
mod radam;
mod rmsprop;
mod rprop;
mod sgd;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use asgd::Asgd;
pub use nadam::Nadam;
pub use radam::Radam;
pub use rmsprop::RmsProp;
pub use rprop::Rprop;
pub use sgd::Sgd;

use std::borrow::Cow;

use ::half::{bf16, f16};

use crate::bail;
use crate::cpu::simd::{Element as Lanes, Kernel, Simd, level};
use crate::cpu::{half, par};
use crate::device;
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::layout::Show;
use crate::ops::{complex, copy, creation, reduce};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// What an update computes in: f32 for all but f64.
pub trait Real: num_traits::Float + Element + Lanes {}
impl Real for f32 {}
impl Real for f64 {}

/// An update of one element.
pub trait Rule<C>: Copy + Sync {
    /// `values` are the element of the parameter, of its gradient and of each state tensor, in the order
    /// of [`Optimizer::state`]: all to be changed in place, but the gradient, which is not written.
    fn update<const N: usize>(self, values: &mut [C; N]);

    /// The same in CUDA C++: `v` are the values, `N` their number, `s` the settings, all of type `T`.
    const TEXT: &'static str;

    /// The settings that the text reads.
    fn settings(&self) -> [C; gpu::SETTINGS];
}

/// An optimizer with the settings of a group of parameters.
pub trait Optimizer: Copy + Sync {
    type Rule<C: Real>: Rule<C>;
    /// Of how many elements an update may consist: 2 and the number of state tensors.
    const VALUES: std::ops::RangeInclusive<usize>;

    /// Names of the state tensors of a parameter's shape.
    fn state(&self) -> Vec<&'static str>;

    /// Names of the 0-d state tensors.
    fn counts(&self) -> &'static [&'static str] {
        &["step"]
    }

    /// What counts change in the settings of a rule, in CUDA C++, where a GPU has them: `c` are the counts, of type
    /// `K`, the first one counted on already; `h` the numbers of `counted_by`; `s` the settings, of type `T`.
    const COUNTED: Option<&'static str> = None;

    /// What the text reads; the first is the rate.
    fn counted_by(&self) -> [f64; gpu::NUMBERS] {
        [0.0; gpu::NUMBERS]
    }

    /// The rule of a parameter's next step; `counts` are its 0-d states, which are counted on here.
    fn rule<C: Real>(&self, counts: &mut [Count]) -> Self::Rule<C>;
}

/// A number that is kept of a parameter in a 0-d tensor, and rounded as that tensor rounds.
#[derive(Clone, Copy)]
pub struct Count {
    value: f64,
    single: bool,
}

impl Count {
    /// In place of one that a GPU has.
    const UNREAD: Count = Count { value: 0.0, single: false };

    fn read(tensor: &Tensor) -> Result<Count> {
        Ok(Count { value: reduce::item(tensor)?.to_f64(), single: tensor.dtype() == DType::F32 })
    }

    fn write(self, tensor: &Tensor) -> Result<()> {
        if self.single {
            // SAFETY: `item` found exactly one element when this was read, and it has this type.
            unsafe { tensor.ptr().cast::<f32>().write_unaligned(self.value as f32) };
        } else {
            creation::write_value(tensor, Scalar::Float(self.value))?;
        }
        tensor.bump_version();
        Ok(())
    }

    fn round(&self, x: f64) -> f64 {
        if self.single { x as f32 as f64 } else { x }
    }

    pub fn get(&self) -> f64 {
        self.value
    }

    pub fn set(&mut self, x: f64) {
        self.value = self.round(x);
    }

    pub fn multiply(&mut self, by: f64) {
        self.value = self.round(self.value * self.round(by));
    }

    /// Adds one, and returns the sum.
    pub fn advance(&mut self) -> f64 {
        self.set(self.value + 1.0);
        self.value
    }
}

/// A setting in the precision of the update.
pub fn constant<C: Real>(x: f64) -> C {
    C::from(x).unwrap_or_else(C::nan)
}

/// A setting that is on or off, as texts for GPUs read it.
pub fn flag<C: Real>(on: bool) -> C {
    if on { C::one() } else { C::zero() }
}

/// What a gradient is multiplied by: -1 to climb.
pub fn sign<C: Real>(maximize: bool) -> C {
    constant(if maximize { -1.0 } else { 1.0 })
}

/// Weight decay in its two kinds: what is added to the gradient, times the parameter; and what is left
/// of the parameter where the decay is `decoupled` from the gradient.
pub fn decay<C: Real>(lr: f64, weight_decay: f64, decoupled: bool) -> (C, C) {
    if decoupled {
        (C::zero(), constant(1.0 - lr * weight_decay))
    } else {
        (constant(weight_decay), C::one())
    }
}

/// A gradient with the part of the parameter that decay adds. Without decay an infinite parameter adds nothing.
#[inline(always)]
pub fn with_decay<C: Real>(g: C, p: C, weight_decay: C) -> C {
    if weight_decay == C::zero() { g } else { g + weight_decay * p }
}

/// From `a` to `b`, exact at the nearer end.
#[inline(always)]
pub fn lerp<C: Real>(a: C, b: C, weight: C) -> C {
    let one = C::one();
    if weight + weight < one { a + weight * (b - a) } else { b - (b - a) * (one - weight) }
}

/// The larger one, or NaN where either is.
#[inline(always)]
pub fn maximum<C: Real>(a: C, b: C) -> C {
    if a > b || a.is_nan() { a } else { b }
}

/// The parameters of a step with all that belongs to them.
pub struct Parameters {
    pub params: Vec<Tensor>,
    pub grads: Vec<Tensor>,
    /// For each parameter in turn the tensors of [`Optimizer::state`].
    pub state: Vec<Tensor>,
    /// For each parameter in turn the tensors of [`Optimizer::counts`].
    pub counts: Vec<Tensor>,
    /// The rate, in place of the optimizer's own, for counts that a GPU has.
    pub rate: Option<Tensor>,
}

/// One step over all parameters: they, their state and their counts are changed in place.
pub fn step<O: Optimizer>(optimizer: &O, all: &Parameters) -> Result<()> {
    let kept = optimizer.state().len();
    let counted = optimizer.counts().len();
    let mut counts = Vec::with_capacity(counted);
    let mut pending = gpu::Pending::default();
    for (i, (param, grad)) in all.params.iter().zip(&all.grads).enumerate() {
        let dtype = param.dtype();
        if !dtype.is_floating() && !dtype.is_complex() {
            bail!(Unsupported, "optimizers take floating-point parameters, got {}", dtype);
        }
        let tensors = &all.counts[i * counted..][..counted];
        let state = &all.state[i * kept..][..kept];
        let on_gpu = counted > 0 && tensors.iter().all(|t| t.device().is_cuda());
        counts.clear();
        if on_gpu {
            let Some(text) = O::COUNTED else {
                bail!(Unsupported, "this optimizer counts its steps on the CPU: its counts are on a GPU");
            };
            let numbers = optimizer.counted_by();
            pending.count_on_gpu(Some(gpu::Counted { text, numbers, rate: all.rate.clone() }), tensors)?;
            counts.resize(counted, Count::UNREAD);
        } else {
            pending.count_on_gpu(None, &[])?;
            for tensor in tensors {
                counts.push(Count::read(tensor)?);
            }
        }
        if dtype.to_real() == DType::F64 {
            apply_to::<O, f64>(param, grad, state, optimizer.rule(&mut counts), &mut pending)?;
        } else {
            apply_to::<O, f32>(param, grad, state, optimizer.rule(&mut counts), &mut pending)?;
        }
        if on_gpu {
            tensors.iter().for_each(Tensor::bump_version);
            continue;
        }
        for (tensor, count) in tensors.iter().zip(&counts) {
            count.write(tensor)?;
        }
    }
    pending.launch()
}

fn apply_to<O: Optimizer, C: Real>(
    p: &Tensor,
    g: &Tensor,
    state: &[Tensor],
    rule: O::Rule<C>,
    pending: &mut gpu::Pending,
) -> Result<()> {
    // Conditions that are constants: loops that no optimizer runs are not compiled.
    match state {
        [] if const { takes::<O>(2) } => apply::<2, O, C>([p, g], rule, pending),
        [a] if const { takes::<O>(3) } => apply::<3, O, C>([p, g, a], rule, pending),
        [a, b] if const { takes::<O>(4) } => apply::<4, O, C>([p, g, a, b], rule, pending),
        [a, b, c] if const { takes::<O>(5) } => apply::<5, O, C>([p, g, a, b, c], rule, pending),
        _ => unreachable!("an optimizer keeps as many tensors as its rule takes"),
    }
}

/// Whether an update may consist of so many elements.
const fn takes<O: Optimizer>(values: usize) -> bool {
    *O::VALUES.start() <= values && values <= *O::VALUES.end()
}

/// Elements that one thread takes at a time.
const GRAIN: usize = 16 << 10;

/// Runs a rule over all elements of tensors of one shape: the parameter, its gradient, its state.
fn apply<const N: usize, O: Optimizer, C: Real>(
    slots: [&Tensor; N],
    rule: O::Rule<C>,
    pending: &mut gpu::Pending,
) -> Result<()> {
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
        && slots.iter().all(|t| {
            t.strides() == &strides[..] && t.dtype() == model.dtype() && t.device() == model.device()
        });
    if !alike {
        // Other layouts go through copies of one layout and dtype.
        let mut copies = slots.map(Cow::Borrowed);
        for copy in &mut copies {
            let dense = device::at(model.device(), || Tensor::empty(model.sizes(), model.dtype()))?;
            copy::write(&dense, &copy.detached())?;
            *copy = Cow::Owned(dense);
        }
        apply::<N, O, C>(std::array::from_fn(|i| &*copies[i]), rule, pending)?;
        pending.launch()?;
        for (i, (t, new)) in slots.iter().zip(&copies).enumerate() {
            if i != 1 {
                copy::write(t, new)?;
                t.bump_version();
            }
        }
        return Ok(());
    }
    if model.dtype().is_complex() {
        // Real and imaginary parts are elements of their own.
        let pairs: Vec<Tensor> =
            slots.iter().map(|t| complex::pair_of_reals(&t.detach())).collect::<Result<_>>()?;
        return apply::<N, O, C>(std::array::from_fn(|i| &pairs[i]), rule, pending);
    }
    if model.device().is_cuda() {
        pending.add(&slots, rule)?;
    } else {
        let addresses = Addresses(slots.map(Tensor::ptr));
        let len = model.numel();
        match model.dtype() {
            DType::F16 if const { size_of::<C>() == 4 } => run::<N, f16, C, _>(addresses, len, rule),
            DType::BF16 if const { size_of::<C>() == 4 } => run::<N, bf16, C, _>(addresses, len, rule),
            _ => run::<N, C, C, _>(addresses, len, rule),
        }
    }
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

/// Elements that are converted at a time.
const BLOCK: usize = 64;

struct Range<const N: usize, T, C, R> {
    addresses: Addresses<N>,
    range: std::ops::Range<usize>,
    rule: R,
    /// How elements lie in memory, and what they are computed in.
    element: std::marker::PhantomData<(T, C)>,
}

impl<const N: usize, T: Stored<C>, C: Real, R: Rule<C>> Kernel<C> for Range<N, T, C, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<C>>(self, _: S) {
        let (mut i, end) = (self.range.start, self.range.end);
        // SAFETY: every slot has as many elements as the parameter, and nobody else works on this range.
        unsafe {
            // By blocks conversions are loops of their own, which the compiler turns into vectors.
            while T::CONVERTED && end - i >= BLOCK {
                self.update_block(i);
                i += BLOCK;
            }
            for i in i..end {
                let at = |k: usize| self.addresses.0[k].cast::<T>().add(i);
                let mut values: [C; N] = std::array::from_fn(|k| at(k).read().load());
                self.rule.update(&mut values);
                for (k, value) in values.iter().enumerate() {
                    if k != 1 {
                        at(k).write(T::store(*value));
                    }
                }
            }
        }
    }
}

impl<const N: usize, T: Stored<C>, C: Real, R: Rule<C>> Range<N, T, C, R> {
    /// Updates `BLOCK` elements from number `i` on.
    ///
    /// # Safety
    /// Every slot has them, and nobody else reads or writes them meanwhile.
    #[inline(always)]
    unsafe fn update_block(&self, i: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let at = |k: usize| self.addresses.0[k].cast::<T>().add(i);
            let mut values = [[C::zero(); BLOCK]; N];
            for (k, slot) in values.iter_mut().enumerate() {
                for (j, value) in slot.iter_mut().enumerate() {
                    *value = at(k).add(j).read().load();
                }
            }
            #[allow(clippy::needless_range_loop)] // By element, across all slots.
            for j in 0..BLOCK {
                let mut element: [C; N] = std::array::from_fn(|k| values[k][j]);
                self.rule.update(&mut element);
                for k in 0..N {
                    values[k][j] = element[k];
                }
            }
            for (k, slot) in values.iter().enumerate().filter(|(k, _)| *k != 1) {
                for (j, value) in slot.iter().enumerate() {
                    at(k).add(j).write(T::store(*value));
                }
            }
        }
    }
}

fn run<const N: usize, T: Stored<C>, C: Real, R: Rule<C>>(addresses: Addresses<N>, len: usize, rule: R) {
    par::for_range(len, GRAIN, &|range| {
        let whole = &addresses; // the struct, which is Sync, not its field
        C::dispatch(
            level(),
            Range::<N, T, C, _> { addresses: *whole, range, rule, element: std::marker::PhantomData },
        );
    });
}

/// How elements lie in memory.
trait Stored<C>: Copy {
    /// Whether that is another type than they are computed in.
    const CONVERTED: bool;
    fn load(self) -> C;
    fn store(value: C) -> Self;
}

impl<C: Real> Stored<C> for C {
    const CONVERTED: bool = false;
    #[inline(always)]
    fn load(self) -> C {
        self
    }
    #[inline(always)]
    fn store(value: C) -> C {
        value
    }
}

macro_rules! stored_half {
    ($($half:ty, $from:path, $to:path;)*) => {$(
        impl<C: Real> Stored<C> for $half {
            const CONVERTED: bool = true;
            #[inline(always)]
            fn load(self) -> C {
                C::from($from(self.to_bits())).unwrap_or_else(C::nan)
            }
            #[inline(always)]
            fn store(value: C) -> $half {
                <$half>::from_bits($to(value.to_f32().unwrap_or(f32::NAN)))
            }
        }
    )*};
}
stored_half! {
    f16, half::from_f16, half::to_f16;
    bf16, half::from_bf16, half::to_bf16;
}
