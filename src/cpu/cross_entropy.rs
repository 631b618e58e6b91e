//! Cross-entropy of logits `(rows, classes)` against class indices.
//!
//! The forward keeps one number a row, the logarithm of the sum of exponentials; the backward
//! computes the exponentials again and writes the gradient once, instead of storing probabilities.

use super::exp::{Exp, is_fused};
use super::par;
use super::simd::{Kernel, Simd, level};
use super::softmax::{row_max, row_sum};
use std::ops::Range;

/// Logits, targets and how rows count.
#[derive(Clone, Copy)]
pub struct CrossEntropy<T> {
    pub rows: usize,
    pub classes: usize,
    /// `rows * classes`
    pub logits: *const T,
    /// `rows`; each below `classes` or equal to `ignore_index`: see [`bad_target`].
    pub targets: *const i64,
    /// `classes`, or null.
    pub weight: *const T,
    pub ignore_index: i64,
    /// Between 0 and 1: how much of a target is spread over all classes.
    pub label_smoothing: f64,
}

/// The first row whose target is neither a class nor `ignore_index`.
///
/// # Safety
/// `targets` has `rows` elements.
pub unsafe fn bad_target<T>(call: &CrossEntropy<T>) -> Option<usize> {
    // SAFETY: the caller's promise.
    let targets =
        if call.rows == 0 { &[] } else { unsafe { std::slice::from_raw_parts(call.targets, call.rows) } };
    let classes = 0..call.classes as i64;
    targets.iter().position(|t| *t != call.ignore_index && !classes.contains(t))
}

struct Forward<T> {
    call: CrossEntropy<T>,
    loss: *mut T,
    lse: *mut T,
    row_weight: *mut T,
}

struct Backward<T> {
    call: CrossEntropy<T>,
    lse: *const T,
    scale: *const T,
    scale_stride: usize,
    gx: *mut T,
}

// SAFETY: rows are disjoint, and every thread writes only those it claimed.
unsafe impl<T: Sync> Sync for Forward<T> {}
// SAFETY: likewise.
unsafe impl<T: Sync> Sync for Backward<T> {}

impl<T: Exp> CrossEntropy<T> {
    /// The logits of a row, and its target if it counts.
    #[inline(always)]
    unsafe fn row(&self, row: usize) -> (&[T], Option<usize>) {
        // SAFETY: the caller's promise.
        unsafe {
            let target = *self.targets.add(row);
            debug_assert!(target == self.ignore_index || (0..self.classes as i64).contains(&target));
            let logits = std::slice::from_raw_parts(self.logits.add(row * self.classes), self.classes);
            (logits, (target != self.ignore_index).then_some(target as usize))
        }
    }

    #[inline(always)]
    fn weights(&self) -> Option<&[T]> {
        // SAFETY: null or `classes` elements.
        (!self.weight.is_null()).then(|| unsafe { std::slice::from_raw_parts(self.weight, self.classes) })
    }

    /// How much the target counts, and every class beside it.
    fn smoothing(&self) -> [T; 2] {
        let number = |x: f64| T::from(x).unwrap_or_else(T::nan);
        [number(1.0 - self.label_smoothing), number(self.label_smoothing / self.classes as f64)]
    }

    fn sum_of_weights(&self) -> T {
        self.weights().map_or_else(
            || T::from(self.classes).unwrap_or_else(T::nan),
            |w| w.iter().fold(T::zero(), |sum, &w| sum + w),
        )
    }

    /// Runs `f` over all rows in parts.
    fn over_rows(&self, f: impl Fn(Range<usize>) + Sync) {
        par::for_range(self.rows, par::grain_for(self.rows, self.classes as f64 + 10.0), &f);
    }
}

impl<T: Exp> Forward<T> {
    #[inline(always)]
    fn rows<S: Simd<T>, const FUSED: bool>(&self, s: S, rows: Range<usize>) {
        let call = &self.call;
        let (weights, [own, all]) = (call.weights(), call.smoothing());
        let total = call.sum_of_weights();
        for row in rows {
            // SAFETY: the row is one of the call's; outputs have `rows` elements.
            unsafe {
                let (x, target) = call.row(row);
                let max = row_max(s, x);
                let lse = max + row_sum(x, |_, v| (v - max).exp_in::<FUSED>()).ln();
                self.lse.add(row).write(lse);
                let (mut loss, mut weight) = (T::zero(), T::zero());
                if let Some(t) = target {
                    weight = weights.map_or(T::one(), |w| w[t]);
                    loss = own * weight * (lse - x[t]);
                    if call.label_smoothing != 0.0 {
                        let sum = match weights {
                            None => row_sum(x, |_, v| v),
                            Some(w) => row_sum(x, |i, v| w[i] * v),
                        };
                        loss = loss + all * (total * lse - sum);
                    }
                }
                self.loss.add(row).write(loss);
                self.row_weight.add(row).write(weight);
            }
        }
    }
}

impl<T: Exp> Backward<T> {
    #[inline(always)]
    fn rows<const FUSED: bool>(&self, rows: Range<usize>) {
        let call = &self.call;
        let (weights, [own, all]) = (call.weights(), call.smoothing());
        let total = call.sum_of_weights();
        for row in rows {
            // SAFETY: the row is one of the call's; `gx` has the extent of the logits.
            unsafe {
                let (x, target) = call.row(row);
                let gx = self.gx.add(row * call.classes);
                let Some(t) = target else {
                    (0..x.len()).for_each(|i| gx.add(i).write(T::zero()));
                    continue;
                };
                let (lse, scale) = (*self.lse.add(row), *self.scale.add(row * self.scale_stride));
                let weight = weights.map_or(T::one(), |w| w[t]);
                let probability = scale * (own * weight + all * total);
                for (i, &x) in x.iter().enumerate() {
                    gx.add(i).write((x - lse).exp_in::<FUSED>() * probability);
                }
                if call.label_smoothing != 0.0 {
                    for i in 0..x.len() {
                        let w = weights.map_or(T::one(), |w| w[i]);
                        *gx.add(i) = *gx.add(i) - scale * all * w;
                    }
                }
                *gx.add(t) = *gx.add(t) - scale * own * weight;
            }
        }
    }
}

impl<T: Exp> Kernel<T> for (&Forward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        if const { is_fused::<T, S>() } {
            self.0.rows::<S, true>(s, self.1);
        } else {
            self.0.rows::<S, false>(s, self.1);
        }
    }
}

impl<T: Exp> Kernel<T> for (&Backward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        if const { is_fused::<T, S>() } {
            self.0.rows::<true>(self.1);
        } else {
            self.0.rows::<false>(self.1);
        }
    }
}

/// Of each row: its loss (zero where ignored), its log-sum-exp for the backward, and the weight of
/// its target (zero where ignored), by whose sum a mean is divided.
///
/// # Safety
/// The extents are as [`CrossEntropy`] says and no target is bad; `loss`, `lse` and `row_weight`
/// have `rows` elements and may be uninitialised.
pub unsafe fn forward<T: Exp>(call: CrossEntropy<T>, loss: *mut T, lse: *mut T, row_weight: *mut T) {
    let forward = Forward { call, loss, lse, row_weight };
    call.over_rows(|rows| {
        let forward = &forward;
        T::dispatch(level(), (forward, rows));
    });
}

/// The gradient of the logits. The gradient of row i's loss is `scale[i * scale_stride]`: a stride
/// of 0 for a sum or mean.
///
/// # Safety
/// As [`forward`]; `gx` has the extent of the logits and may be uninitialised.
pub unsafe fn backward<T: Exp>(
    call: CrossEntropy<T>,
    lse: *const T,
    scale: *const T,
    scale_stride: usize,
    gx: *mut T,
) {
    let backward = Backward { call, lse, scale, scale_stride, gx };
    call.over_rows(|rows| {
        let backward = &backward;
        T::dispatch(level(), (backward, rows));
    });
}

#[cfg(test)]
mod tests;
