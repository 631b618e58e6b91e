//! Rows brought to mean 0 and variance 1, then scaled and shifted: the kernels of layer norm, group
//! norm and RMS norm.
//!
//! A row is `cols` neighbouring elements: the normalised dimensions, or the channels of a group. Two
//! passes over a row give its mean and variance, in as many partial sums as a block of
//! [`row_sum`] has places. The gradients of weight and bias are added up in parts of some rows each,
//! cut by size alone.

use super::exp::Exp;
use super::par;
use super::simd::{Kernel, Simd, level};
use super::softmax::{row_sum, row_sums};
use std::ops::Range;

/// How rows lie in memory, and which weight belongs to which of their elements.
#[derive(Clone, Copy, Debug)]
pub struct RowNorm {
    pub rows: usize,
    pub cols: usize,
    /// Row `r` belongs to group `r % groups`.
    pub groups: usize,
    /// Neighbours that share a weight: a group has `cols / inner` of them.
    pub inner: usize,
    /// Whether the mean is taken off. RMS norm leaves it.
    pub centred: bool,
    pub eps: f64,
}

impl RowNorm {
    /// Number of weights.
    pub fn channels(&self) -> usize {
        self.groups * (self.cols / self.inner.max(1))
    }

    fn first_channel(&self, row: usize) -> usize {
        row % self.groups * (self.cols / self.inner)
    }
}

fn real<T: Exp>(x: f64) -> T {
    T::from(x).unwrap_or_else(T::nan)
}

fn wide<T: Exp>(x: T) -> f64 {
    x.to_f64().unwrap_or(f64::NAN)
}

/// The pointers of a forward call; `weight` and `bias` have one element a channel, `mean` and `rstd`
/// one a row.
#[derive(Clone, Copy)]
pub struct Forward<T> {
    pub x: *const T,
    pub weight: *const T,
    pub bias: *const T,
    pub y: *mut T,
    pub mean: *mut T,
    pub rstd: *mut T,
}

/// The pointers of a backward call. `gx` may be null; `gw` and `gb` have `parts * channels` elements,
/// all zero, or are both null.
#[derive(Clone, Copy)]
pub struct Backward<T> {
    pub x: *const T,
    pub gy: *const T,
    pub weight: *const T,
    pub mean: *const T,
    pub rstd: *const T,
    pub gx: *mut T,
    pub gw: *mut T,
    pub gb: *mut T,
}

struct Shared<A>(A);
// SAFETY: rows and parts are disjoint, and every thread writes only those it claimed.
unsafe impl<A> Sync for Shared<A> {}

impl<T: Exp> Kernel<T> for (RowNorm, &Forward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let (shape, p, rows) = self;
        let (cols, inner) = (shape.cols, shape.inner);
        for row in rows {
            // SAFETY: the row lies in `x` and `y`, its channels in `weight` and `bias`.
            unsafe {
                let x = std::slice::from_raw_parts(p.x.add(row * cols), cols);
                let y = p.y.add(row * cols);
                let count = cols as f64;
                let mean: T =
                    if shape.centred { real(wide(row_sum(x, |_, v| v)) / count) } else { T::zero() };
                let squares = row_sum(x, |_, v| (v - mean) * (v - mean));
                let rstd: T = real((wide(squares) / count + shape.eps).sqrt().recip());
                p.mean.add(row).write(mean);
                p.rstd.add(row).write(rstd);
                let first = shape.first_channel(row);
                if inner == 1 {
                    let weight = std::slice::from_raw_parts(p.weight.add(first), cols);
                    let bias = std::slice::from_raw_parts(p.bias.add(first), cols);
                    for i in 0..cols {
                        y.add(i).write((x[i] - mean) * rstd * weight[i] + bias[i]);
                    }
                } else {
                    for channel in 0..cols / inner {
                        let scale = rstd * *p.weight.add(first + channel);
                        let shift = *p.bias.add(first + channel);
                        let span = channel * inner..(channel + 1) * inner;
                        for (i, &x) in span.clone().zip(&x[span]) {
                            y.add(i).write((x - mean) * scale + shift);
                        }
                    }
                }
            }
        }
    }
}

/// Normalises every row and writes its mean and 1 / deviation.
///
/// # Safety
/// The pointers have the shape's extents; outputs may be uninitialised and overlap nothing.
pub unsafe fn forward<T: Exp>(shape: RowNorm, pointers: Forward<T>) {
    if shape.cols == 0 {
        return;
    }
    let shared = Shared(pointers);
    par::for_range(shape.rows, par::grain_for(shape.rows, shape.cols as f64 * 0.7), &|rows| {
        let shared = &shared;
        T::dispatch(level(), (shape, &shared.0, rows));
    });
}

impl<T: Exp> Kernel<T> for (RowNorm, &Backward<T>, Range<usize>, usize) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let (shape, p, rows, part) = self;
        let (cols, inner) = (shape.cols, shape.inner);
        let count: T = real(cols as f64);
        for row in rows {
            // SAFETY: the row lies in all tensors, its channels in the weight and in this part of
            // the weight's gradients.
            unsafe {
                let x = std::slice::from_raw_parts(p.x.add(row * cols), cols);
                let gy = std::slice::from_raw_parts(p.gy.add(row * cols), cols);
                let (mean, rstd) = (*p.mean.add(row), *p.rstd.add(row));
                let first = shape.first_channel(row);
                let weight = std::slice::from_raw_parts(p.weight.add(first), cols / inner);
                let at = part * shape.channels() + first;
                let sums = (!p.gw.is_null()).then(|| (p.gw.wrapping_add(at), p.gb.wrapping_add(at)));
                // Over the row: of the weighted gradients, and of their products with the input.
                let (mut total, mut products) = (T::zero(), T::zero());
                if inner == 1 {
                    if let Some((gw, gb)) = sums {
                        for i in 0..cols {
                            *gw.add(i) = *gw.add(i) + gy[i] * (x[i] - mean) * rstd;
                            *gb.add(i) = *gb.add(i) + gy[i];
                        }
                    }
                    if !p.gx.is_null() {
                        (total, products) = row_sums(gy, |i, g| {
                            let g = g * weight[i];
                            (g, g * (x[i] - mean))
                        });
                    }
                } else {
                    for (channel, &w) in weight.iter().enumerate() {
                        let span = channel * inner..(channel + 1) * inner;
                        let (x, gy) = (&x[span.clone()], &gy[span]);
                        let (a, b) = row_sums(gy, |i, g| (g, g * (x[i] - mean)));
                        if let Some((gw, gb)) = sums {
                            *gw.add(channel) = *gw.add(channel) + b * rstd;
                            *gb.add(channel) = *gb.add(channel) + a;
                        }
                        (total, products) = (total + w * a, products + w * b);
                    }
                }
                if p.gx.is_null() {
                    continue;
                }
                let gx = p.gx.add(row * cols);
                let shift = if shape.centred { total / count } else { T::zero() };
                let slope = products * rstd * rstd / count;
                if inner == 1 {
                    for i in 0..cols {
                        gx.add(i).write(rstd * (gy[i] * weight[i] - shift - (x[i] - mean) * slope));
                    }
                } else {
                    for (channel, &w) in weight.iter().enumerate() {
                        let span = channel * inner..(channel + 1) * inner;
                        for ((i, &x), &g) in span.clone().zip(&x[span.clone()]).zip(&gy[span]) {
                            gx.add(i).write(rstd * (g * w - shift - (x - mean) * slope));
                        }
                    }
                }
            }
        }
    }
}

/// Into how many parts the rows are cut for the gradients of weight and bias.
pub fn parts(shape: RowNorm) -> usize {
    par::chunks_for(shape.rows as f64 * shape.cols as f64 * 1.5, shape.rows.max(1))
}

/// The gradients of the input and, a part at a time, of weight and bias.
///
/// # Safety
/// The pointers have the shape's extents; gradients overlap nothing.
pub unsafe fn backward<T: Exp>(shape: RowNorm, pointers: Backward<T>) {
    if shape.cols == 0 || shape.rows == 0 {
        return;
    }
    let grain = shape.rows.div_ceil(parts(shape)).max(1);
    let shared = Shared(pointers);
    par::for_range(shape.rows, grain, &|rows| {
        let shared = &shared;
        let part = rows.start / grain;
        T::dispatch(level(), (shape, &shared.0, rows, part));
    });
}
