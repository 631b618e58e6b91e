//! Places within planes: reading elements at flat indices, adding or writing them there; and the
//! largest element of each window, with its place, where windows are given one by one.

use std::ops::Range;

use crate::cpu::conv::Shared;
use crate::cpu::par;
use crate::cpu::pool::Number;

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

/// The largest of the window that an output has on each axis, and its flat index in the plane; the
/// first of equal ones, the last NaN. Windows lie within `sizes` and are not empty.
///
/// # Safety
/// `x` has a plane of `sizes`, `y` and `index` one element an output.
pub unsafe fn largest<T: Number>(
    sizes: [usize; 3],
    windows: &[Vec<Range<usize>>; 3],
    x: *const T,
    y: *mut T,
    index: *mut i64,
) {
    let mut output = 0;
    for depths in &windows[0] {
        for rows in &windows[1] {
            for columns in &windows[2] {
                let mut best = T::LOWEST;
                let mut place = (depths.start * sizes[1] + rows.start) * sizes[2] + columns.start;
                for d in depths.clone() {
                    for r in rows.clone() {
                        for i in columns.clone().map(|c| (d * sizes[1] + r) * sizes[2] + c) {
                            // SAFETY: windows lie within the plane.
                            let v = unsafe { *x.add(i) };
                            #[allow(clippy::eq_op)] // NaN is what does not equal itself
                            if v > best || v != v {
                                (best, place) = (v, i);
                            }
                        }
                    }
                }
                // SAFETY: one element an output.
                unsafe {
                    y.add(output).write(best);
                    index.add(output).write(place as i64);
                }
                output += 1;
            }
        }
    }
}
