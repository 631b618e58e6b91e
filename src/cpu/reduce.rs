//! Sums, products, extremes and norms over any dimensions.
//!
//! Two shapes of loops cover all layouts: *rows*, where the reduced dimension lies innermost in memory,
//! and *columns*, where a kept one does and a strip of totals is swept over the reduced rows, eight at a
//! time. A contiguous row is columns as well: of a few lanes, eight steps of which are taken together.
//! Where there are few results the reduced elements are cut into parts, by size alone.

mod fold;

pub use fold::{Extreme, Fold, Ordered};

use std::ops::Range;

use half::{bf16, f16};
use smallvec::SmallVec;

use crate::cpu::par;
use crate::cpu::pointwise::{GRAIN, Operand};
use crate::cpu::simd::{self, Element as _, Simd, level};
use crate::dtype::{C64, Cast, DType, Element};
use fold::{Magnitude, Product, Square, Sum, Value, WideSum};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    Sum,
    Prod,
    Max,
    Min,
}

/// What a norm adds up of each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormTerm {
    Magnitude,
    Square,
}

/// A dimension: how many steps, and the bytes from one to the next.
pub type Dim = (usize, isize);

/// `out[kept] = reduce(input[kept, reduced])`. The output is contiguous over `kept`, outermost first.
///
/// # Safety
/// The input must be valid at every offset of `kept` and `reduced`, the output at every index of
/// `kept`.
pub unsafe fn reduce(reduction: Reduction, out: Operand, input: Operand, kept: &[Dim], reduced: &[Dim]) {
    use crate::{dispatch, dispatch_ordered};
    // SAFETY: the caller's promise, passed on with the types of the operands.
    unsafe {
        match reduction {
            Reduction::Sum if matches!(out.dtype, DType::F64 | DType::C128) => match input.dtype {
                DType::F16 => run::<WideSum<f16>>(out, input, kept, reduced),
                DType::BF16 => run::<WideSum<bf16>>(out, input, kept, reduced),
                DType::F32 => run::<WideSum<f32>>(out, input, kept, reduced),
                DType::C64 => run::<WideSum<C64>>(out, input, kept, reduced),
                _ => dispatch!(input.dtype, S => run::<Sum<S, Value>>(out, input, kept, reduced)),
            },
            Reduction::Sum => dispatch!(input.dtype, S => run::<Sum<S, Value>>(out, input, kept, reduced)),
            Reduction::Prod => dispatch!(input.dtype, S => run::<Product<S>>(out, input, kept, reduced)),
            Reduction::Max => {
                dispatch_ordered!(input.dtype, S => run::<Extreme<S, true>>(out, input, kept, reduced))
            }
            Reduction::Min => {
                dispatch_ordered!(input.dtype, S => run::<Extreme<S, false>>(out, input, kept, reduced))
            }
        }
    }
}

/// The sum of the terms of floats.
///
/// # Safety
/// As for [`reduce`].
pub unsafe fn sum_terms(term: NormTerm, out: Operand, input: Operand, kept: &[Dim], reduced: &[Dim]) {
    macro_rules! typed {
        ($term:ty) => {
            match input.dtype {
                DType::F16 => run::<Sum<f16, $term>>(out, input, kept, reduced),
                DType::BF16 => run::<Sum<bf16, $term>>(out, input, kept, reduced),
                DType::F64 => run::<Sum<f64, $term>>(out, input, kept, reduced),
                // Norms are of floats.
                _ => run::<Sum<f32, $term>>(out, input, kept, reduced),
            }
        };
    }
    // SAFETY: the caller's promise, passed on with the types of the operands.
    unsafe {
        match term {
            NormTerm::Magnitude => typed!(Magnitude),
            NormTerm::Square => typed!(Square),
        }
    }
}

/// Columns that one strip of totals covers.
const STRIP: usize = 1024;
/// Totals side by side in a contiguous row.
const LANES: usize = 32;
/// The same where the row is short.
const FEW_LANES: usize = 8;
/// Parts of a result at most.
const MAX_PARTS: usize = 64;
/// Rows of a part at least: each costs a strip of totals.
const MIN_ROWS: usize = 128;

/// A reduction on its way: `tasks` are rows or strips of columns, each in `parts` pieces of the
/// outermost reduced dimension.
struct Job<'a, F: Fold> {
    input: *const u8,
    out: Operand,
    /// Totals of the parts, a result's parts one after the other; null where there is one part.
    partial: *mut F::Total,
    kept_count: usize,
    outer_kept: &'a [Dim],
    /// Innermost first.
    reduced: &'a [Dim],
    /// Results side by side, which are strips of columns; 1 for rows.
    width: usize,
    columns: bool,
    parts: usize,
    piece: usize,
}
// SAFETY: threads write disjoint outputs and parts, and only read the input.
unsafe impl<F: Fold> Sync for Job<'_, F> {}

unsafe fn run<F: Fold>(out: Operand, input: Operand, kept: &[Dim], reduced: &[Dim]) {
    let kept_count: usize = kept.iter().map(|d| d.0).product();
    let reduced_count: usize = reduced.iter().map(|d| d.0).product();
    let size = size_of::<F::Item>() as isize;
    // The reduced dimensions in the order of memory.
    let mut inner: SmallVec<[Dim; 6]> = reduced.iter().copied().filter(|d| d.0 != 1).collect();
    inner.sort_by_key(|d| d.1.unsigned_abs());
    merge(&mut inner);
    if inner.is_empty() {
        inner.push((1, 0));
    }
    let columns = kept.last().is_some_and(|d| d.1 == size && d.0 > 1) && inner[0].1 != size;
    let width = if columns { kept.last().expect("has columns").0 } else { 1 };
    let outer_kept = if columns { &kept[..kept.len() - 1] } else { kept };
    let tasks = kept_count / width * width.div_ceil(STRIP);
    let per_task = reduced_count * width.min(STRIP);

    let outermost = inner.last().expect("one at least").0;
    let wanted = (tasks * per_task / GRAIN).min(MAX_PARTS) / tasks;
    let mut piece = outermost.div_ceil(wanted.max(1));
    if inner.len() == 1 {
        piece = if columns { piece.max(MIN_ROWS) } else { piece.next_multiple_of(8 * LANES) };
    }
    let parts = outermost.div_ceil(piece.max(1)).max(1);
    let mut job = Job::<F> {
        input: input.ptr,
        out,
        partial: std::ptr::null_mut(),
        kept_count,
        outer_kept,
        reduced: &inner,
        width,
        columns,
        parts,
        piece,
    };
    let grain = (GRAIN * parts / per_task.max(1)).max(1);
    let mut partial = vec![F::START; if parts > 1 { kept_count * parts } else { 0 }];
    if parts > 1 {
        job.partial = partial.as_mut_ptr();
    }
    par::for_range(tasks * parts, grain, &|range| f32::dispatch(level(), (&job, range)));
    if parts > 1 {
        let (first, rest) = partial.split_at_mut(kept_count);
        for part in rest.chunks_exact(kept_count) {
            first.iter_mut().zip(part).for_each(|(a, &b)| *a = F::join(*a, b));
        }
        // SAFETY: the output has room for what is kept.
        unsafe { write(out, 0, first) };
    }
}

/// Joins loops that go on evenly in memory.
fn merge(dims: &mut SmallVec<[Dim; 6]>) {
    let mut i = 0;
    while i + 1 < dims.len() {
        if dims[i].0 as isize * dims[i].1 == dims[i + 1].1 {
            dims[i].0 *= dims[i + 1].0;
            dims.remove(i + 1);
        } else {
            i += 1;
        }
    }
}

/// Converts totals to the output's type, from its element `first` on.
///
/// # Safety
/// The output has them.
#[inline(never)]
unsafe fn write<T: Element>(out: Operand, first: usize, totals: &[T]) {
    crate::dispatch!(out.dtype, U => {
        for (i, total) in totals.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { out.ptr.cast::<U>().add(first + i).write_unaligned(total.cast()) };
        }
    });
}

/// Where each innermost run of a part begins. An iterator, because a closure that was handed each run would be
/// compiled apart, and then without the instructions that its caller may use.
struct Runs<'a> {
    /// Steps of a run, and the bytes from one to the next.
    n: usize,
    stride: isize,
    next: *const u8,
    /// Where the next run stands in the loops around it.
    index: SmallVec<[usize; 6]>,
    outer: &'a [Dim],
    /// Steps of the outermost loop that belong to the part.
    last: usize,
    done: bool,
}

impl Iterator for Runs<'_> {
    type Item = *const u8;
    #[inline(always)]
    fn next(&mut self) -> Option<*const u8> {
        if self.done {
            return None;
        }
        let run = self.next;
        self.done = true;
        for (d, &(n, stride)) in self.outer.iter().enumerate() {
            let n = if d + 1 == self.outer.len() { self.last } else { n };
            self.index[d] += 1;
            self.next = self.next.wrapping_offset(stride);
            if self.index[d] < n {
                self.done = false;
                break;
            }
            self.next = self.next.wrapping_offset(-(n as isize * stride));
            self.index[d] = 0;
        }
        Some(run)
    }
}

impl<F: Fold> simd::Kernel<f32> for (&Job<'_, F>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let (job, items) = self;
        // SAFETY: `run` was promised the extents of input and output.
        unsafe { if job.columns { job.columns(items) } else { job.rows(items) } }
    }
}

impl<F: Fold> Job<'_, F> {
    /// Where the kept place of a row, or of a group of columns, begins.
    #[inline(always)]
    fn start(&self, mut group: usize) -> *const u8 {
        let Some((outermost, inner)) = self.outer_kept.split_first() else { return self.input };
        let mut offset = 0;
        for &(n, stride) in inner.iter().rev() {
            offset += (group % n) as isize * stride;
            group /= n;
        }
        self.input.wrapping_offset(offset + group as isize * outermost.1)
    }

    /// The innermost runs of a part.
    #[inline(always)]
    fn runs(&self, start: *const u8, part: usize) -> Runs<'_> {
        let (&outermost, inner) = self.reduced.split_last().expect("one at least");
        let from = part * self.piece;
        let last = self.piece.min(outermost.0.saturating_sub(from));
        let (n, stride) = inner.first().copied().unwrap_or((last, outermost.1));
        Runs {
            n,
            stride,
            next: start.wrapping_offset(from as isize * outermost.1),
            index: SmallVec::from_elem(0, inner.len()),
            outer: &self.reduced[1..],
            last,
            done: !inner.is_empty() && (last == 0 || inner[1..].iter().any(|d| d.0 == 0)),
        }
    }

    #[inline(always)]
    unsafe fn columns(&self, items: Range<usize>) {
        let strips = self.width.div_ceil(STRIP);
        let mut totals = [F::START; STRIP];
        for item in items {
            let (task, part) = (item / self.parts, item % self.parts);
            let (group, strip) = (task / strips, task % strips);
            let width = (self.width - strip * STRIP).min(STRIP);
            let totals = &mut totals[..width];
            totals.fill(F::START);
            let start = self.start(group).wrapping_add(strip * STRIP * size_of::<F::Item>());
            let runs = self.runs(start, part);
            let (n, stride) = (runs.n, runs.stride);
            for run in runs {
                // SAFETY: rows of the strip's width, for which the caller vouches.
                unsafe {
                    let mut i = 0;
                    while i + 8 <= n {
                        eight_rows::<F>(totals, run.offset(i as isize * stride), stride);
                        i += 8;
                    }
                    while i < n {
                        one_row::<F>(totals, run.offset(i as isize * stride));
                        i += 1;
                    }
                }
            }
            // SAFETY: the place of these results, in the output or in their part.
            unsafe { self.put(group * self.width + strip * STRIP, part, totals) };
        }
    }

    /// # Safety
    /// The results lie in the output.
    #[inline(always)]
    unsafe fn put(&self, first: usize, part: usize, totals: &[F::Total]) {
        // SAFETY: the caller's promise; there are `parts` times as many partial totals.
        unsafe {
            if self.partial.is_null() {
                write(self.out, first, totals);
            } else {
                let to = self.partial.add(part * self.kept_count + first);
                std::ptr::copy_nonoverlapping(totals.as_ptr(), to, totals.len());
            }
        }
    }

    #[inline(always)]
    unsafe fn rows(&self, items: Range<usize>) {
        // Results that wait to be written together.
        let mut done = [F::START; LANES];
        let mut waiting = 0;
        for item in items.clone() {
            let (task, part) = (item / self.parts, item % self.parts);
            let mut lanes = [F::START; LANES];
            let mut used = 1;
            let runs = self.runs(self.start(task), part);
            let (n, stride) = (runs.n, runs.stride);
            for run in runs {
                // SAFETY: the caller vouches for n elements at the stride.
                used = used.max(unsafe { add_run::<F>(&mut lanes, run, n, stride) });
            }
            let total = join_lanes::<F>(lanes, used);
            // SAFETY: the place of this result, in the output or in its part.
            unsafe {
                if !self.partial.is_null() {
                    self.put(task, part, &[total]);
                    continue;
                }
                done[waiting] = total;
                waiting += 1;
                if waiting == LANES || item + 1 == items.end {
                    write(self.out, item + 1 - waiting, &done[..waiting]);
                    waiting = 0;
                }
            }
        }
    }
}

/// `totals[j]` takes element `j` of eight rows.
#[inline(always)]
unsafe fn eight_rows<F: Fold>(totals: &mut [F::Total], rows: *const u8, stride: isize) {
    // SAFETY: the caller vouches for eight rows as long as the totals.
    unsafe {
        let row = |r: isize| rows.offset(r * stride).cast::<F::Item>();
        let rows = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
        let part = |j: usize| {
            let at = |r: usize| rows[r].add(j).read_unaligned();
            F::eight([at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)])
        };
        let (blocks, rest) = totals.as_chunks_mut::<LANES>();
        let first = blocks.len() * LANES;
        for (b, totals) in blocks.iter_mut().enumerate() {
            // In a loop of its own, which is as wide as the parts allow.
            let mut parts = [F::Part::default(); LANES];
            for (j, to) in parts.iter_mut().enumerate() {
                *to = part(b * LANES + j);
            }
            for (total, part) in totals.iter_mut().zip(parts) {
                *total = F::take(*total, part);
            }
        }
        for (j, total) in rest.iter_mut().enumerate() {
            *total = F::take(*total, part(first + j));
        }
    }
}

#[inline(always)]
unsafe fn one_row<F: Fold>(totals: &mut [F::Total], row: *const u8) {
    for (j, total) in totals.iter_mut().enumerate() {
        // SAFETY: the row is as long as the totals.
        *total = F::one(*total, unsafe { row.cast::<F::Item>().add(j).read_unaligned() });
    }
}

/// The total of the lanes, of which the first so many were used.
#[inline(always)]
fn join_lanes<F: Fold>(mut lanes: [F::Total; LANES], used: usize) -> F::Total {
    if used > FEW_LANES {
        let mut width = LANES / 2;
        while width >= FEW_LANES {
            for j in 0..width {
                lanes[j] = F::join(lanes[j], lanes[j + width]);
            }
            width /= 2;
        }
    }
    lanes[1..used.min(FEW_LANES)].iter().fold(lanes[0], |total, &lane| F::join(total, lane))
}

/// The total of `n` elements at `stride` bytes.
///
/// # Safety
/// They can be read.
#[inline(always)]
pub unsafe fn fold_run<F: Fold>(run: *const u8, n: usize, stride: isize) -> F::Total {
    let mut lanes = [F::START; LANES];
    // SAFETY: the caller's promise.
    let used = unsafe { add_run::<F>(&mut lanes, run, n, stride) };
    join_lanes::<F>(lanes, used)
}

/// Each total takes element `j` of a row, row after row: `totals[j]` of all elements at `j`, `j + len`, ...
///
/// # Safety
/// `rows` rows as long as the totals can be read, one after the other.
#[inline(always)]
pub unsafe fn fold_columns<F: Fold>(totals: &mut [F::Total], run: *const u8, rows: usize) {
    let stride = totals.len() * size_of::<F::Item>();
    let mut i = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while i + 8 <= rows {
            eight_rows::<F>(totals, run.add(i * stride), stride as isize);
            i += 8;
        }
        while i < rows {
            one_row::<F>(totals, run.add(i * stride));
            i += 1;
        }
    }
}

/// Adds a run to the lanes; how many of them it used.
#[inline(always)]
unsafe fn add_run<F: Fold>(lanes: &mut [F::Total; LANES], run: *const u8, n: usize, stride: isize) -> usize {
    let size = size_of::<F::Item>();
    let mut i = 0;
    let mut used = 1;
    // SAFETY: the caller vouches for n elements at the stride.
    unsafe {
        if stride == size as isize {
            if n >= 8 * LANES {
                used = LANES;
                while i + 8 * LANES <= n {
                    eight_rows::<F>(lanes, run.add(i * size), (LANES * size) as isize);
                    i += 8 * LANES;
                }
            }
            let few = &mut lanes[..FEW_LANES];
            if n >= 8 * FEW_LANES {
                used = used.max(FEW_LANES);
                while i + 8 * FEW_LANES <= n {
                    eight_rows::<F>(few, run.add(i * size), (FEW_LANES * size) as isize);
                    i += 8 * FEW_LANES;
                }
                while i + FEW_LANES <= n {
                    one_row::<F>(few, run.add(i * size));
                    i += FEW_LANES;
                }
            }
        }
        let at = |i: usize| run.offset(i as isize * stride).cast::<F::Item>().read_unaligned();
        let mut total = lanes[0];
        while i + 8 <= n {
            let x = [at(i), at(i + 1), at(i + 2), at(i + 3), at(i + 4), at(i + 5), at(i + 6), at(i + 7)];
            total = F::take(total, F::eight(x));
            i += 8;
        }
        while i < n {
            total = F::one(total, at(i));
            i += 1;
        }
        lanes[0] = total;
    }
    used
}

#[cfg(test)]
mod tests;
