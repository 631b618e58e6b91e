//! Softmax and log-softmax along one dimension, forward and backward.
//!
//! A tensor is `(outer, dim, inner)`. With `inner = 1` a row is contiguous and a vector runs along
//! it: maximum, exponentials and their sum, then one scaling sweep, all in L1. Otherwise a block of
//! neighbouring inner places is swept along `dim` together.

use super::exp::{Exp, is_fused};
use super::par;
use super::simd::{Kernel, Simd, level};
use std::ops::Range;

/// Sizes before, of and after the dimension.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxShape {
    pub outer: usize,
    pub dim: usize,
    pub inner: usize,
}

/// Places swept together: a few vectors, so that sums do not wait for each other.
pub(super) const BLOCK: usize = 64;

#[derive(Clone, Copy)]
enum Task {
    Forward,
    Backward,
}

/// One of the four functions over some rows (or blocks of inner places).
struct Call<T> {
    shape: SoftmaxShape,
    task: Task,
    log: bool,
    /// Forward: the input and nothing. Backward: the forward's output and its gradient.
    a: *const T,
    b: *const T,
    out: *mut T,
}

// SAFETY: rows are disjoint, and every thread writes only those it claimed.
unsafe impl<T: Sync> Sync for Call<T> {}

/// The largest of a row; NaN is passed over.
#[inline(always)]
pub(super) fn row_max<T: Exp, S: Simd<T>>(s: S, x: &[T]) -> T {
    let lowest = T::neg_infinity();
    let mut max = lowest;
    let whole = x.len() / (4 * S::LANES) * 4 * S::LANES;
    if whole > 0 {
        let mut acc = [s.splat(lowest); 4];
        for i in (0..whole).step_by(4 * S::LANES) {
            for (u, acc) in acc.iter_mut().enumerate() {
                // SAFETY: below `whole`.
                *acc = s.max(unsafe { s.load(x.as_ptr().add(i + u * S::LANES)) }, *acc);
            }
        }
        let v = s.max(s.max(acc[0], acc[1]), s.max(acc[2], acc[3]));
        let mut lanes = [lowest; 64];
        // SAFETY: no vector has more than 64 lanes.
        unsafe { s.store(lanes.as_mut_ptr(), v) };
        max = lanes[..S::LANES].iter().fold(lowest, |m, &v| if v > m { v } else { m });
    }
    x[whole..].iter().fold(max, |m, &v| if v > m { v } else { m })
}

/// The sum of `term(i, x[i])`, in as many partial sums as a block has places.
#[inline(always)]
pub(super) fn row_sum<T: Exp>(x: &[T], mut term: impl FnMut(usize, T) -> T) -> T {
    let mut sums = [T::zero(); BLOCK];
    let (blocks, rest) = x.as_chunks::<BLOCK>();
    for (b, block) in blocks.iter().enumerate() {
        for j in 0..BLOCK {
            sums[j] = sums[j] + term(b * BLOCK + j, block[j]);
        }
    }
    for (j, &v) in rest.iter().enumerate() {
        sums[j] = sums[j] + term(blocks.len() * BLOCK + j, v);
    }
    block_sum(sums)
}

/// Two sums of terms of `(i, x[i])` in one go over the row, each added up as [`row_sum`] does.
#[inline(always)]
pub(super) fn row_sums<T: Exp>(x: &[T], mut terms: impl FnMut(usize, T) -> (T, T)) -> (T, T) {
    let (mut first, mut second) = ([T::zero(); BLOCK], [T::zero(); BLOCK]);
    let (blocks, rest) = x.as_chunks::<BLOCK>();
    let mut add = |j: usize, (a, b): (T, T)| {
        first[j] = first[j] + a;
        second[j] = second[j] + b;
    };
    for (b, block) in blocks.iter().enumerate() {
        for (j, &v) in block.iter().enumerate() {
            add(j, terms(b * BLOCK + j, v));
        }
    }
    for (j, &v) in rest.iter().enumerate() {
        add(j, terms(blocks.len() * BLOCK + j, v));
    }
    (block_sum(first), block_sum(second))
}

/// Halves added to halves: a fixed order that is vectors all the way.
#[inline(always)]
fn block_sum<T: Exp>(mut sums: [T; BLOCK]) -> T {
    let mut width = BLOCK / 2;
    while width > 0 {
        for j in 0..width {
            sums[j] = sums[j] + sums[j + width];
        }
        width /= 2;
    }
    sums[0]
}

/// A row of at most `N` elements, filled up with such as count for nothing: vectors all the way.
#[inline(always)]
fn forward_short_row<T: Exp, const FUSED: bool, const N: usize>(log: bool, x: &[T], y: *mut T) {
    let mut row = [T::neg_infinity(); N];
    for (to, &v) in row.iter_mut().zip(x) {
        *to = v;
    }
    let mut max = row;
    let mut width = N / 2;
    while width > 0 {
        for j in 0..width {
            max[j] = if max[j + width] > max[j] || max[j].is_nan() { max[j + width] } else { max[j] };
        }
        width /= 2;
    }
    let max = max[0];
    let exps = row.map(|v| (v - max).exp_in::<FUSED>());
    let mut sums = exps;
    let mut width = N / 2;
    while width > 0 {
        for j in 0..width {
            sums[j] = sums[j] + sums[j + width];
        }
        width /= 2;
    }
    let (log_sum, scale) = if log { (sums[0].ln(), T::zero()) } else { (T::zero(), sums[0].recip()) };
    for (i, &v) in x.iter().enumerate() {
        // SAFETY: `y` has as many elements as `x`.
        unsafe { y.add(i).write(if log { v - max - log_sum } else { exps[i] * scale }) };
    }
}

#[inline(always)]
fn forward_row<T: Exp, S: Simd<T>, const FUSED: bool>(s: S, log: bool, x: &[T], y: *mut T) {
    match x.len() {
        0..=16 => return forward_short_row::<T, FUSED, 16>(log, x, y),
        17..=32 => return forward_short_row::<T, FUSED, 32>(log, x, y),
        33..=64 => return forward_short_row::<T, FUSED, 64>(log, x, y),
        _ => {}
    }
    let max = row_max(s, x);
    // SAFETY: `y` has as many elements as `x`, each of which is written before it is read.
    unsafe {
        if log {
            let sum = row_sum(x, |_, v| (v - max).exp_in::<FUSED>());
            let log_sum = sum.ln();
            for (i, &v) in x.iter().enumerate() {
                *y.add(i) = v - max - log_sum;
            }
        } else {
            let sum = row_sum(x, |i, v| {
                let e = (v - max).exp_in::<FUSED>();
                *y.add(i) = e;
                e
            });
            let scale = sum.recip();
            for i in 0..x.len() {
                *y.add(i) = *y.add(i) * scale;
            }
        }
    }
}

#[inline(always)]
fn backward_row<T: Exp, const FUSED: bool>(log: bool, y: &[T], gy: &[T], gx: *mut T) {
    // SAFETY: `gx` has as many elements as `y`.
    unsafe {
        if log {
            let sum = row_sum(gy, |_, g| g);
            for (i, (&y, &g)) in y.iter().zip(gy).enumerate() {
                *gx.add(i) = g - y.exp_in::<FUSED>() * sum;
            }
        } else {
            let sum = row_sum(gy, |i, g| g * y[i]);
            for (i, (&y, &g)) in y.iter().zip(gy).enumerate() {
                *gx.add(i) = y * (g - sum);
            }
        }
    }
}

/// Neighbouring places of one outer row.
struct Places {
    first: usize,
    count: usize,
    dim: usize,
    inner: usize,
}

impl Places {
    /// Calls `f(index, place)` for all places of all steps along the dimension.
    #[inline(always)]
    fn sweep(&self, mut f: impl FnMut(usize, usize)) {
        for d in 0..self.dim {
            for j in 0..self.count {
                f(self.first + d * self.inner + j, j);
            }
        }
    }
}

#[inline(always)]
unsafe fn forward_places<T: Exp, const FUSED: bool>(log: bool, p: &Places, x: *const T, y: *mut T) {
    let (mut max, mut sum) = ([T::neg_infinity(); BLOCK], [T::zero(); BLOCK]);
    // SAFETY: the places lie in both tensors.
    unsafe {
        p.sweep(|i, j| max[j] = if *x.add(i) > max[j] { *x.add(i) } else { max[j] });
        if log {
            p.sweep(|i, j| sum[j] = sum[j] + (*x.add(i) - max[j]).exp_in::<FUSED>());
            let shift = sum.map(T::ln);
            p.sweep(|i, j| *y.add(i) = *x.add(i) - max[j] - shift[j]);
        } else {
            p.sweep(|i, j| {
                let e = (*x.add(i) - max[j]).exp_in::<FUSED>();
                *y.add(i) = e;
                sum[j] = sum[j] + e;
            });
            let scale = sum.map(T::recip);
            p.sweep(|i, j| *y.add(i) = *y.add(i) * scale[j]);
        }
    }
}

#[inline(always)]
unsafe fn backward_places<T: Exp, const FUSED: bool>(
    log: bool,
    p: &Places,
    y: *const T,
    gy: *const T,
    gx: *mut T,
) {
    let mut sum = [T::zero(); BLOCK];
    // SAFETY: the places lie in all tensors.
    unsafe {
        if log {
            p.sweep(|i, j| sum[j] = sum[j] + *gy.add(i));
            p.sweep(|i, j| *gx.add(i) = *gy.add(i) - (*y.add(i)).exp_in::<FUSED>() * sum[j]);
        } else {
            p.sweep(|i, j| sum[j] = sum[j] + *gy.add(i) * *y.add(i));
            p.sweep(|i, j| *gx.add(i) = *y.add(i) * (*gy.add(i) - sum[j]));
        }
    }
}

impl<T: Exp> Call<T> {
    #[inline(always)]
    fn run<S: Simd<T>, const FUSED: bool>(&self, s: S, parts: Range<usize>) {
        let SoftmaxShape { dim, inner, .. } = self.shape;
        for part in parts {
            // SAFETY: rows and places lie in the tensors, whose extents the caller vouches for.
            unsafe {
                if inner == 1 {
                    let row = |p: *const T| std::slice::from_raw_parts(p.add(part * dim), dim);
                    let out = self.out.add(part * dim);
                    match self.task {
                        Task::Forward => forward_row::<T, S, FUSED>(s, self.log, row(self.a), out),
                        Task::Backward => backward_row::<T, FUSED>(self.log, row(self.a), row(self.b), out),
                    }
                } else {
                    let blocks = inner.div_ceil(BLOCK);
                    let (outer, start) = (part / blocks, part % blocks * BLOCK);
                    let places = Places {
                        first: outer * dim * inner + start,
                        count: BLOCK.min(inner - start),
                        dim,
                        inner,
                    };
                    match self.task {
                        Task::Forward => forward_places::<T, FUSED>(self.log, &places, self.a, self.out),
                        Task::Backward => {
                            backward_places::<T, FUSED>(self.log, &places, self.a, self.b, self.out)
                        }
                    }
                }
            }
        }
    }

    fn start(self) {
        let SoftmaxShape { outer, dim, inner } = self.shape;
        if dim == 0 || inner == 0 {
            return;
        }
        let parts = outer * inner.div_ceil(BLOCK);
        // About a nanosecond an element.
        let grain = par::grain_for(parts, (dim * inner.min(BLOCK)) as f64);
        par::for_range(parts, grain, &|range| T::dispatch(level(), Parts { call: &self, range }));
    }
}

struct Parts<'a, T> {
    call: &'a Call<T>,
    range: Range<usize>,
}

impl<T: Exp> Kernel<T> for Parts<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        if const { is_fused::<T, S>() } {
            self.call.run::<S, true>(s, self.range);
        } else {
            self.call.run::<S, false>(s, self.range);
        }
    }
}

/// `y = exp(x) / sum(exp(x))`, or its logarithm.
///
/// # Safety
/// `x` and `y` have the shape's extent; `y` may be uninitialised and overlaps nothing.
pub unsafe fn forward<T: Exp>(shape: SoftmaxShape, log: bool, x: *const T, y: *mut T) {
    Call { shape, task: Task::Forward, log, a: x, b: std::ptr::null(), out: y }.start();
}

/// The input's gradient, from the forward's output `y` and its gradient `gy`.
///
/// # Safety
/// All have the shape's extent; `gx` may be uninitialised and overlaps nothing.
pub unsafe fn backward<T: Exp>(shape: SoftmaxShape, log: bool, y: *const T, gy: *const T, gx: *mut T) {
    Call { shape, task: Task::Backward, log, a: y, b: gy, out: gx }.start();
}

#[cfg(test)]
mod tests;
