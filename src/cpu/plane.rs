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
