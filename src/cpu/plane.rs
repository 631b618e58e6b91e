//! Places within planes: reading elements at flat indices, adding or writing them there; and the
//! largest element of each window, with its place, where windows are given one by one.

use std::ops::Range;

use crate::cpu::conv::Shared;
use crate::cpu::par;
use crate::cpu::pool::{Number, sweep};
use crate::cpu::simd::{Element, Kernel, Simd, level};

/// Planes of `n` elements, each with `m` indices; an index outside `0..n` stands for nothing.
#[derive(Clone, Copy)]
pub struct Planes {
    pub count: usize,
    pub n: usize,
    pub m: usize,
}

impl Planes {
    fn each(&self, body: impl Fn(usize) + Sync) {
        let grain = par::grain_for(self.count, (self.n + 2 * self.m) as f64 * 0.5);
        par::for_range(self.count, grain, &|planes| planes.for_each(&body));
    }
}

/// `y[p][j] = x[p][index[p][j]]`, zero for nothing.
///
/// # Safety
/// Contiguous with the extents of `p`; `y` may be uninitialised and overlaps nothing.
pub unsafe fn gather<T: Number>(p: Planes, x: *const T, index: *const i64, y: *mut T) {
    let (x, index, y) = (Shared::of(x), Shared::of(index), Shared::new(y));
    p.each(|plane| {
        for j in 0..p.m {
            // SAFETY: the index is checked; a plane is written by one thread.
            unsafe {
                let i = *index.at(plane * p.m + j) as usize;
                y.at(plane * p.m + j).write(if i < p.n { *x.at(plane * p.n + i) } else { T::ZERO });
            }
        }
    });
}

/// `y` is zero but for `x[p][j]`, added to (or, without `add`, written over) `y[p][index[p][j]]`.
///
/// # Safety
/// As [`gather`], with `x` of the extent `m` and `y` of `n` a plane.
pub unsafe fn scatter<T: Number>(p: Planes, x: *const T, index: *const i64, y: *mut T, add: bool) {
    let (x, index, y) = (Shared::of(x), Shared::of(index), Shared::new(y));
    p.each(|plane| {
        for i in 0..p.n {
            // SAFETY: a plane is written by one thread; here and below.
            unsafe { y.at(plane * p.n + i).write(T::ZERO) };
        }
        for j in 0..p.m {
            // SAFETY: the index is checked.
            unsafe {
                let i = *index.at(plane * p.m + j) as usize;
                if i < p.n {
                    let (place, value) = (y.at(plane * p.n + i), *x.at(plane * p.m + j));
                    place.write(if add { (*place).plus(value) } else { value });
                }
            }
        }
    });
}

/// Where the windows of a plane lie on each axis: within its sizes, and not empty.
pub type Windows = [Vec<Range<usize>>; 3];

/// The largest of the window that an output has on each axis, and its flat index in the plane; the
/// first of equal ones, the last NaN. `windows` has one entry for all planes, or one for each.
///
/// # Safety
/// `x` has planes of `sizes`, `y` and `index` one element an output.
pub unsafe fn largest<T: Number>(
    planes: usize,
    sizes: [usize; 3],
    windows: &[Windows],
    x: *const T,
    y: *mut T,
    index: *mut i64,
) {
    let outputs: usize = windows.first().map_or(0, |w| w.iter().map(Vec::len).product());
    let call =
        Largest { sizes, windows, outputs, x: Shared::of(x), y: Shared::new(y), index: Shared::new(index) };
    let cost = (sizes.iter().product::<usize>() + 8 * outputs) as f64 * 0.5;
    par::for_range(planes, par::grain_for(planes, cost), &|planes| f32::dispatch(level(), (&call, planes)));
}

struct Largest<'a, T> {
    sizes: [usize; 3],
    windows: &'a [Windows],
    outputs: usize,
    x: Shared<T>,
    y: Shared<T>,
    index: Shared<i64>,
}

// The vectors are the compiler's, whatever `T` is: f32 only names the instruction set.
impl<T: Number> Kernel<f32> for (&Largest<'_, T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let width = self.0.sizes[2];
        let (mut best, mut rows) = (vec![T::LOWEST; width], vec![0; width]);
        self.1.for_each(|plane| self.0.plane(plane, &mut best, &mut rows));
    }
}

impl<T: Number> Largest<'_, T> {
    /// The rows of each window are taken together first, for all columns: the best of each, and its row.
    #[inline(always)]
    fn plane(&self, plane: usize, best: &mut [T], rows: &mut [u32]) {
        let [depth, height, width] = self.sizes;
        let x = self.x.at(plane * depth * height * width).cast_const();
        let mut output = plane * self.outputs;
        let windows = &self.windows[plane.min(self.windows.len() - 1)];
        for (depths, lines) in windows[0].iter().flat_map(|d| windows[1].iter().map(move |l| (d, l))) {
            best.fill(T::LOWEST);
            rows.fill((depths.start * height + lines.start) as u32);
            for row in depths.clone().flat_map(|d| lines.clone().map(move |l| d * height + l)) {
                // SAFETY: windows lie within the plane.
                unsafe { sweep::<T, 1>(x.add(row * width), 1, best, rows, row as u32) };
            }
            for columns in &windows[2] {
                let (mut value, mut place) =
                    (best[columns.start], rows[columns.start] as usize * width + columns.start);
                for c in columns.start + 1..columns.end {
                    let (v, at) = (best[c], rows[c] as usize * width + c);
                    #[allow(clippy::eq_op)] // NaN is what does not equal itself
                    let (old, new) = (value != value, v != v);
                    // Of equal ones the first in the plane, of NaN the last.
                    let wins = match (old, new) {
                        (false, false) => v > value || v == value && at < place,
                        (true, true) => at > place,
                        (old, _) => !old,
                    };
                    if wins {
                        (value, place) = (v, at);
                    }
                }
                // SAFETY: one element an output.
                unsafe {
                    self.y.at(output).write(value);
                    self.index.at(output).write(place as i64);
                }
                output += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One element after the other, in the plane's order.
    fn scanned(x: &[f32], sizes: [usize; 3], windows: &Windows) -> Vec<(u32, i64)> {
        let mut found = Vec::new();
        for depths in &windows[0] {
            for rows in &windows[1] {
                for columns in &windows[2] {
                    let mut best = f32::NEG_INFINITY;
                    let mut place = (depths.start * sizes[1] + rows.start) * sizes[2] + columns.start;
                    for d in depths.clone() {
                        for r in rows.clone() {
                            for i in columns.clone().map(|c| (d * sizes[1] + r) * sizes[2] + c) {
                                if x[i] > best || x[i].is_nan() {
                                    (best, place) = (x[i], i);
                                }
                            }
                        }
                    }
                    found.push((best.to_bits(), place as i64));
                }
            }
        }
        found
    }

    #[test]
    fn largest_is_the_first_of_equal_ones_and_the_last_nan() {
        let sizes = [2, 9, 13];
        let even =
            |size: usize, n: usize| (0..n).map(|o| o * size / n..((o + 1) * size).div_ceil(n)).collect();
        let n = sizes.iter().product::<usize>();
        let mut state = 3u64;
        for sparse in [3, 40, 4000] {
            let x: Vec<f32> = (0..3 * n)
                .map(|i| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    match (state >> 33) % sparse {
                        0 => f32::NAN,
                        1 => -0.0,
                        // The last plane has nothing but the least value, and the first two ties.
                        v => {
                            if i < 2 * n {
                                (v % 4) as f32
                            } else {
                                f32::NEG_INFINITY
                            }
                        }
                    }
                })
                .collect();
            for [d, h, w] in [[1, 1, 1], [2, 9, 13], [1, 4, 3], [2, 2, 5], [1, 20, 7]] {
                let windows: Windows = [even(2, d), even(9, h), even(13, w)];
                let outputs = d * h * w;
                let (mut y, mut index) = (vec![7.0; 3 * outputs], vec![-1; 3 * outputs]);
                // SAFETY: three planes of these sizes.
                unsafe {
                    largest(
                        3,
                        sizes,
                        std::slice::from_ref(&windows),
                        x.as_ptr(),
                        y.as_mut_ptr(),
                        index.as_mut_ptr(),
                    );
                }
                let want: Vec<_> = x.chunks_exact(n).flat_map(|x| scanned(x, sizes, &windows)).collect();
                let got: Vec<_> = y.iter().map(|v| v.to_bits()).zip(index).collect();
                assert_eq!(got, want);
            }
        }
    }
}
