//! Where the largest and smallest elements of lines are: the first of equal ones, and the first NaN if
//! there is one.
//!
//! A contiguous line is taken in blocks: only the best element of each is sought, by vectors, and the
//! winning block alone is searched for its place. Lines side by side are swept together, row by row.

use std::ops::Range;

use crate::cpu::lines::{Line, Side, for_lines, lines_at};
use crate::cpu::par;
use crate::cpu::pointwise::GRAIN;
use crate::cpu::reduce::{Extreme, Fold, Ordered, fold_row};
use crate::cpu::simd::{Element as _, Kernel, Simd, level};
use crate::dtype::DType;

/// Elements of which the best is sought together.
const BLOCK: usize = 2048;
/// Elements that are searched together.
const CHUNK: usize = 32;
/// Lines side by side that are swept together.
const STRIP: usize = 256;
/// Parts of a line at most.
const MAX_PARTS: usize = 64;

/// Writes the index (int64) of the largest or smallest element of each line, and the element where it is
/// wanted: `[input, values, indices]`.
///
/// # Safety
/// The input has lines of `n` elements of `dtype`, which has an order, at least one; the outputs have one.
pub unsafe fn arg_extreme(
    dtype: DType,
    sizes: &[usize],
    n: usize,
    sides: &[Side; 3],
    largest: bool,
    with_values: bool,
) {
    let call = Call { sizes, n, sides, with_values };
    // SAFETY: the caller's promise, passed on with the type of the elements.
    crate::dispatch_ordered!(dtype, T => unsafe {
        if largest { typed::<T, true>(call) } else { typed::<T, false>(call) }
    });
}

#[derive(Clone, Copy)]
struct Call<'a> {
    sizes: &'a [usize],
    n: usize,
    sides: &'a [Side; 3],
    with_values: bool,
}

impl Call<'_> {
    /// # Safety
    /// The outputs have one element, the input has one at `best`.
    #[inline(always)]
    unsafe fn put<T: Copy>(&self, [input, value, index]: [Line; 3], best: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.with_values {
                value.set(0, input.get::<T>(best));
            }
            index.set(0, best as i64);
        }
    }
}

unsafe fn typed<T: Ordered, const LARGEST: bool>(call: Call) {
    let size = size_of::<T>() as isize;
    let (count, n) = (call.sizes.iter().product::<usize>(), call.n);
    if count == 0 {
        return;
    }
    let [input, ..] = call.sides;
    if input.step == size {
        let wanted = if count < 16 { (count * n / GRAIN).min(MAX_PARTS) / count } else { 1 };
        let piece = n.div_ceil(wanted.max(1)).next_multiple_of(BLOCK).min(n);
        let parts = n.div_ceil(piece);
        let mut best = vec![(0usize, T::NAN); if parts > 1 { count * parts } else { 0 }];
        let rows = Rows::<T, LARGEST> { call, piece, parts, best: best.as_mut_ptr() };
        par::for_range(count * parts, (GRAIN / piece).max(1), &|range| {
            f32::dispatch(level(), (&rows, range))
        });
        for (row, best) in best.chunks_exact(parts).enumerate() {
            let first = best.iter().copied().reduce(|a, b| {
                let a_nan = T::unordered(a.1, a.1);
                let takes = !a_nan && (T::unordered(b.1, b.1) || Extreme::<T, LARGEST>::better(b.1, a.1));
                if takes { b } else { a }
            });
            // SAFETY: a line of each side, and an index within it.
            unsafe { call.put::<T>(lines_at(call.sizes, call.sides, row), first.expect("some parts").0) };
        }
    } else if input.strides.last() == Some(&size) && n < u32::MAX as usize {
        let strips = call.sizes.last().expect("a stride, a size").div_ceil(STRIP);
        let tasks = count / call.sizes.last().expect("as above").max(&1) * strips;
        let grain = (GRAIN / (n * STRIP)).max(1);
        let columns = Columns::<T, LARGEST> { call, marker: std::marker::PhantomData };
        par::for_range(tasks, grain, &|range| f32::dispatch(level(), (&columns, range)));
    } else {
        for_lines(call.sizes, n, call.sides, &|lines| {
            // SAFETY: lines of n elements.
            unsafe {
                let lane = |i: usize| lines[0].get::<T>(i).lane();
                let (mut best, mut at) = (lane(0), 0);
                for i in 1..n {
                    if T::unordered(best, best) {
                        break;
                    }
                    let x = lane(i);
                    if Extreme::<T, LARGEST>::better(x, best) || T::unordered(x, x) {
                        (best, at) = (x, i);
                    }
                }
                call.put::<T>(lines, at);
            }
        });
    }
}

/// Contiguous lines, each in `parts` pieces.
struct Rows<'a, T: Ordered, const LARGEST: bool> {
    call: Call<'a>,
    piece: usize,
    parts: usize,
    /// Where there is more than one part: the best of each.
    best: *mut (usize, T::Lane),
}
// SAFETY: threads write the places of the lines and parts that they claimed.
unsafe impl<T: Ordered, const LARGEST: bool> Sync for Rows<'_, T, LARGEST> {}

impl<T: Ordered, const LARGEST: bool> Kernel<f32> for (&Rows<'_, T, LARGEST>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let (rows, items) = self;
        let Rows { call, piece, parts, best } = *rows;
        for item in items {
            let (row, part) = (item / parts, item % parts);
            let lines = lines_at(call.sizes, call.sides, row);
            let from = part * piece;
            // SAFETY: a piece of the line, which is contiguous.
            unsafe {
                let start = lines[0].start.cast::<T>().add(from);
                let (at, value) = best_of_run::<T, LARGEST, S>(s, start, piece.min(call.n - from));
                if parts > 1 {
                    best.add(item).write((from + at, value));
                } else {
                    call.put::<T>(lines, at);
                }
            }
        }
    }
}

/// The best of `n` elements, at least one, and where it is.
///
/// # Safety
/// They can be read.
#[inline(always)]
unsafe fn best_of_run<T: Ordered, const LARGEST: bool, S: Simd<f32>>(
    s: S,
    run: *const T,
    n: usize,
) -> (usize, T::Lane) {
    let (mut best, mut block) = (Extreme::<T, LARGEST>::START, 0);
    let mut from = 0;
    while from < n {
        // SAFETY: within the run.
        let value = unsafe { fold_row::<Extreme<T, LARGEST>, S>(s, run.add(from), (n - from).min(BLOCK)) };
        if Extreme::<T, LARGEST>::better(value, best) | T::unordered(value, value) {
            (best, block) = (value, from);
            if T::unordered(value, value) {
                break;
            }
        }
        from += BLOCK;
    }
    let nan = T::unordered(best, best);
    let hit = |i: usize| {
        // SAFETY: within the run.
        let x = unsafe { run.add(i).read_unaligned() }.lane();
        if nan { T::unordered(x, x) } else { x == best }
    };
    let mut i = block;
    while i + CHUNK <= n && !(0..CHUNK).fold(false, |any, j| any | hit(i + j)) {
        i += CHUNK;
    }
    while i + 1 < n && !hit(i) {
        i += 1;
    }
    (i, best)
}

/// Lines side by side: strips of them, each as long as the lines.
struct Columns<'a, T, const LARGEST: bool> {
    call: Call<'a>,
    marker: std::marker::PhantomData<fn(T)>,
}

impl<T: Ordered, const LARGEST: bool> Kernel<f32> for (&Columns<'_, T, LARGEST>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let (Columns { call, .. }, tasks) = self;
        let width = *call.sizes.last().expect("lines side by side");
        let strips = width.div_ceil(STRIP);
        for task in tasks {
            let (group, first) = (task / strips, task % strips * STRIP);
            let count = (width - first).min(STRIP);
            let lines = lines_at(call.sizes, call.sides, group * width + first);
            let (mut best, mut place) = ([Extreme::<T, LARGEST>::START; STRIP], [0u32; STRIP]);
            for row in 0..call.n {
                let from = lines[0].start.wrapping_offset(row as isize * lines[0].step).cast::<T>();
                let places = best[..count].iter_mut().zip(&mut place[..count]);
                for (j, (best, place)) in places.enumerate() {
                    // SAFETY: a row of the strip.
                    let x = unsafe { from.cast_const().add(j).read_unaligned() }.lane();
                    let takes = Extreme::<T, LARGEST>::better(x, *best)
                        | (T::unordered(x, x) & !T::unordered(*best, *best));
                    *best = if takes { x } else { *best };
                    *place = if takes { row as u32 } else { *place };
                }
            }
            for (j, &at) in place[..count].iter().enumerate() {
                let mut line = lines;
                for (line, side) in line.iter_mut().zip(call.sides) {
                    let stride = side.strides.last().copied().unwrap_or(0);
                    line.start = line.start.wrapping_offset(j as isize * stride);
                }
                // SAFETY: a line of each side, and an index within it.
                unsafe { call.put::<T>(line, at as usize) };
            }
        }
    }
}
