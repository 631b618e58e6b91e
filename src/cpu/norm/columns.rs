//! Batch normalisation with `l = 1`: the channels are the columns of a matrix. A block of
//! neighbouring channels is swept together, so that every load is a whole piece of a row.

#![allow(clippy::needless_range_loop, reason = "columns of several arrays go together")]

use super::{Backward, Real, Train, real, value};
use crate::cpu::simd::Simd;
use std::ops::Range;

/// Channels of a block.
const BLOCK: usize = 32;

/// The blocks of a range: first channel and number of channels.
fn blocks(channels: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let end = channels.end;
    channels.step_by(BLOCK).map(move |first| (first, BLOCK.min(end - first)))
}

/// The sum over all rows of `term(index of the element, channel in the block)`.
#[inline(always)]
fn column_sums(
    n: usize,
    c: usize,
    first: usize,
    width: usize,
    term: impl Fn(usize, usize) -> f64,
) -> [f64; BLOCK] {
    let mut sums = [0.0; BLOCK];
    for row in 0..n {
        let at = row * c + first;
        // A loop of constant length becomes vectors.
        if width == BLOCK {
            for j in 0..BLOCK {
                sums[j] += term(at + j, j);
            }
        } else {
            for j in 0..width {
                sums[j] += term(at + j, j);
            }
        }
    }
    sums
}

#[inline(always)]
fn wide<T: Real>(x: T) -> f64 {
    x.to_f64().unwrap_or(f64::NAN)
}

#[inline(always)]
pub(super) fn train<T: Real, S: Simd<T>>(_: S, call: &Train<T>, channels: Range<usize>) {
    let (shape, x) = (call.rows.shape, call.rows.x);
    let count = call.rows.count();
    for (first, width) in blocks(channels) {
        // SAFETY: indices stay below `n * c`.
        unsafe {
            let mean = column_sums(shape.n, shape.c, first, width, |i, _| wide(*x.add(i))).map(|s| s / count);
            let var = column_sums(shape.n, shape.c, first, width, |i, j| {
                let d = wide(*x.add(i)) - mean[j];
                d * d
            })
            .map(|s| s / count);
            let (mut center, mut scale, mut shift) =
                ([T::zero(); BLOCK], [T::zero(); BLOCK], [T::zero(); BLOCK]);
            for j in 0..width {
                call.save(first + j, mean[j], var[j]);
                center[j] = real(mean[j]);
                scale[j] =
                    real::<T>((var[j] + call.eps).sqrt().recip()) * value(call.weight, first + j, T::one());
                shift[j] = value(call.bias, first + j, T::zero());
            }
            for row in 0..shape.n {
                for j in 0..width {
                    let i = row * shape.c + first + j;
                    call.y.add(i).write((*x.add(i) - center[j]) * scale[j] + shift[j]);
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn backward<T: Real, S: Simd<T>>(_: S, call: &Backward<T>, channels: Range<usize>) {
    let (shape, x, gy, gx) = (call.rows.shape, call.rows.x, call.gy, call.gradients.x);
    for (first, width) in blocks(channels) {
        // SAFETY: indices stay below `n * c`.
        unsafe {
            let mut mean = [T::zero(); BLOCK];
            for (j, mean) in mean[..width].iter_mut().enumerate() {
                *mean = call.statistics.of(first + j)[0];
            }
            let sum = column_sums(shape.n, shape.c, first, width, |i, _| wide(*gy.add(i)));
            let product =
                column_sums(shape.n, shape.c, first, width, |i, j| wide(*gy.add(i) * (*x.add(i) - mean[j])));
            let mut scales = [[T::zero(); BLOCK]; 3];
            for j in 0..width {
                let g = call.finish(first + j, [sum[j], product[j]]);
                [scales[0][j], scales[1][j], scales[2][j]] = [g.gy_scale, g.x_scale, g.shift];
            }
            if gx.is_null() {
                continue;
            }
            let constant = matches!(call.statistics, super::Statistics::Running { .. });
            for row in 0..shape.n {
                for j in 0..width {
                    let i = row * shape.c + first + j;
                    // Not `0 * x`: an infinite input has a finite gradient here.
                    let flow = if constant {
                        T::zero()
                    } else {
                        (*x.add(i) - mean[j]) * scales[1][j] + scales[2][j]
                    };
                    gx.add(i).write(*gy.add(i) * scales[0][j] + flow);
                }
            }
        }
    }
}
