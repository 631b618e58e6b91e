//! Sums, products, extremes and norms over any dimensions.
//!
//! Two shapes of loops cover all layouts: *rows*, where the reduced dimension lies innermost in memory,
//! and *columns*, where a kept one does and a strip of totals is swept over the reduced rows. What they
//! do with elements side by side is compiled for a few types ([`steps`]); all around it is compiled once:
//! elements of other types, or with gaps between them, are converted into a block on the stack first.
//! Where there are few results the reduced elements are cut into parts, by size alone.

mod fold;
mod row;
mod steps;

pub use fold::{Extreme, Fold, Ordered};
pub use steps::{fold_columns, fold_row};

use std::mem::MaybeUninit;
use std::ops::Range;

use smallvec::SmallVec;

use crate::cpu::convert::{Convert, converter};
use crate::cpu::par;
use crate::cpu::pointwise::{GRAIN, Operand};
use crate::dtype::{Bool, C128, DType};
use fold::{Magnitude, Product, Square, Sum, Value};
use steps::{Steps, steps};

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

/// The type whose steps reduce elements of `dtype` to a result of `out`: the widest of its kind, but for floats and
/// bytes, which are many.
fn computed(dtype: DType, out: DType) -> DType {
    let wide = matches!(out, DType::F64 | DType::C128);
    match dtype {
        DType::F16 | DType::BF16 | DType::F32 if !wide => DType::F32,
        DType::C64 | DType::C128 => DType::C128,
        DType::Bool | DType::U8 => dtype,
        _ if dtype.is_floating() => DType::F64,
        _ => DType::I64,
    }
}

/// `out[kept] = reduce(input[kept, reduced])`. The output is contiguous over `kept`, outermost first.
///
/// # Safety
/// The input must be valid at every offset of `kept` and `reduced`, the output at every index of
/// `kept`.
pub unsafe fn reduce(reduction: Reduction, out: Operand, input: Operand, kept: &[Dim], reduced: &[Dim]) {
    let computed = computed(input.dtype, out.dtype);
    let steps = match (reduction, computed) {
        (Reduction::Sum, DType::F32) => steps::<Sum<f32, Value>>(),
        (Reduction::Sum, DType::F64) => steps::<Sum<f64, Value>>(),
        (Reduction::Sum, DType::C128) => steps::<Sum<C128, Value>>(),
        (Reduction::Sum, DType::Bool) => steps::<Sum<Bool, Value>>(),
        (Reduction::Sum, DType::U8) => steps::<Sum<u8, Value>>(),
        (Reduction::Sum, _) => steps::<Sum<i64, Value>>(),
        (Reduction::Prod, DType::F32) => steps::<Product<f32>>(),
        (Reduction::Prod, DType::F64) => steps::<Product<f64>>(),
        (Reduction::Prod, DType::C128) => steps::<Product<C128>>(),
        (Reduction::Prod, _) => steps::<Product<i64>>(),
        (Reduction::Max, DType::F32) => steps::<Extreme<f32, true>>(),
        (Reduction::Max, DType::F64) => steps::<Extreme<f64, true>>(),
        (Reduction::Max, DType::Bool) => steps::<Extreme<Bool, true>>(),
        (Reduction::Max, DType::U8) => steps::<Extreme<u8, true>>(),
        (Reduction::Max, _) => steps::<Extreme<i64, true>>(),
        (Reduction::Min, DType::F32) => steps::<Extreme<f32, false>>(),
        (Reduction::Min, DType::F64) => steps::<Extreme<f64, false>>(),
        (Reduction::Min, DType::Bool) => steps::<Extreme<Bool, false>>(),
        (Reduction::Min, DType::U8) => steps::<Extreme<u8, false>>(),
        (Reduction::Min, _) => steps::<Extreme<i64, false>>(),
    };
    // SAFETY: the caller's promise.
    unsafe { run(steps, out, input, kept, reduced) }
}

/// The sum of the terms of floats.
///
/// # Safety
/// As for [`reduce`].
pub unsafe fn sum_terms(term: NormTerm, out: Operand, input: Operand, kept: &[Dim], reduced: &[Dim]) {
    let wide = computed(input.dtype, out.dtype) == DType::F64;
    let steps = match (term, wide) {
        (NormTerm::Magnitude, false) => steps::<Sum<f32, Magnitude>>(),
        (NormTerm::Magnitude, true) => steps::<Sum<f64, Magnitude>>(),
        (NormTerm::Square, false) => steps::<Sum<f32, Square>>(),
        (NormTerm::Square, true) => steps::<Sum<f64, Square>>(),
    };
    // SAFETY: the caller's promise.
    unsafe { run(steps, out, input, kept, reduced) }
}

/// Columns that one strip of totals covers.
const STRIP: usize = 1024;
/// The same where elements are converted: eight rows of them fit into a block.
const CONVERTED_STRIP: usize = BLOCK / 8;
/// Elements that a block of converted ones holds.
const BLOCK: usize = 1024;
/// Rows whose totals are written together.
const ROWS: usize = 32;
/// Parts of a result at most.
const MAX_PARTS: usize = 64;
/// Rows of a part at least: each costs a strip of totals.
const MIN_ROWS: usize = 128;
/// Elements of a part of a row: a multiple of these.
const PIECE: usize = 256;

/// Room for so many numbers of any type.
type Room<const N: usize> = [MaybeUninit<C128>; N];

/// A reduction on its way: `tasks` are rows or strips of columns, each in `parts` pieces of the
/// outermost reduced dimension.
struct Job<'a> {
    steps: &'a Steps,
    input: *const u8,
    /// Makes elements that the steps can read, where those of the input are not.
    convert: Option<Convert>,
    /// Bytes from one element to the next.
    size: isize,
    out: Operand,
    /// Totals of the parts, a part's results one after the other; null where there is one part.
    partial: *mut u8,
    kept_count: usize,
    outer_kept: &'a [Dim],
    /// Innermost first.
    reduced: &'a [Dim],
    /// Results side by side, which are strips of columns; 1 for rows.
    width: usize,
    strip: usize,
    parts: usize,
    piece: usize,
}
// SAFETY: threads write disjoint outputs and parts, and only read the input.
unsafe impl Sync for Job<'_> {}

unsafe fn run(steps: &Steps, out: Operand, input: Operand, kept: &[Dim], reduced: &[Dim]) {
    let kept_count: usize = kept.iter().map(|d| d.0).product();
    let reduced_count: usize = reduced.iter().map(|d| d.0).product();
    let size = input.dtype.size() as isize;
    // The reduced dimensions in the order of memory.
    let mut inner: SmallVec<[Dim; 6]> = reduced.iter().copied().filter(|d| d.0 != 1).collect();
    inner.sort_by_key(|d| d.1.unsigned_abs());
    merge(&mut inner);
    if inner.is_empty() {
        inner.push((1, 0));
    }
    let columns = kept.last().is_some_and(|d| d.1 == size && d.0 > 1) && inner[0].1 != size;
    let (width, outer_kept) = match kept.split_last() {
        Some((last, outer)) if columns => (last.0, outer),
        _ => (1, kept),
    };
    let step = if columns || reduced_count == 1 { size } else { inner[0].1 };
    let direct = input.dtype == steps.item && step == size;
    let strip = if direct { STRIP } else { CONVERTED_STRIP };
    let tasks = kept_count / width * width.div_ceil(strip);
    let per_task = reduced_count * width.min(strip);

    let outermost = inner.last().expect("one at least").0;
    let wanted = (tasks * per_task / GRAIN).min(MAX_PARTS) / tasks;
    let mut piece = outermost.div_ceil(wanted.max(1));
    if inner.len() == 1 {
        piece = if columns { piece.max(MIN_ROWS) } else { piece.next_multiple_of(PIECE) };
    }
    let parts = outermost.div_ceil(piece.max(1)).max(1);
    let mut job = Job {
        steps,
        input: input.ptr,
        convert: (!direct).then(|| converter(input.dtype, steps.item)),
        size: step,
        out,
        partial: std::ptr::null_mut(),
        kept_count,
        outer_kept,
        reduced: &inner,
        width,
        strip,
        parts,
        piece,
    };
    let grain = (GRAIN * parts / per_task.max(1)).max(1);
    let mut partial = vec![C128::new(0.0, 0.0); if parts > 1 { kept_count * parts } else { 0 }];
    if parts > 1 {
        job.partial = partial.as_mut_ptr().cast();
    }
    // SAFETY: the caller was promised the extents of input and output.
    par::for_range(tasks * parts, grain, &|range| unsafe {
        if columns { job.columns(range) } else { job.rows(range) }
    });
    if parts > 1 {
        // SAFETY: the totals of all parts are there; the output has room for what is kept.
        unsafe {
            let bytes = kept_count * steps.total.size();
            for part in 1..parts {
                (steps.join)(job.partial, job.partial.add(part * bytes), kept_count);
            }
            job.write(0, job.partial, kept_count);
        }
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

/// Where each innermost run of a part begins.
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

impl Job<'_> {
    /// Where the kept place of a row, or of a group of columns, begins.
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

    /// # Safety
    /// `run` was promised the extents of input and output.
    unsafe fn columns(&self, items: Range<usize>) {
        let strips = self.width.div_ceil(self.strip);
        let item = self.steps.item.size() as isize;
        let mut totals: Room<STRIP> = [MaybeUninit::uninit(); STRIP];
        let totals = totals.as_mut_ptr().cast::<u8>();
        let mut block: Room<BLOCK> = [MaybeUninit::uninit(); BLOCK];
        let block = block.as_mut_ptr().cast::<u8>();
        for task in items {
            let (task, part) = (task / self.parts, task % self.parts);
            let (group, strip) = (task / strips, task % strips);
            let first = strip * self.strip;
            let width = (self.width - first).min(self.strip);
            let runs = self.runs(self.start(group).wrapping_offset(first as isize * self.size), part);
            let (n, stride) = (runs.n, runs.stride);
            // SAFETY: rows of the strip's width, for which the caller vouches; eight of them fit into the block.
            unsafe {
                (self.steps.start)(totals, width);
                for run in runs {
                    let Some(convert) = self.convert else {
                        (self.steps.columns)(totals, width, run, stride, n);
                        continue;
                    };
                    let mut i = 0;
                    while i < n {
                        let rows = (n - i).min(8);
                        for row in 0..rows {
                            let from = run.offset((i + row) as isize * stride);
                            convert(from, self.size, block.add(row * width * item as usize), item, width);
                        }
                        (self.steps.columns)(totals, width, block, width as isize * item, rows);
                        i += rows;
                    }
                }
                self.put(group * self.width + first, part, totals, width);
            }
        }
    }

    /// Puts `count` totals into the output, or into their part.
    ///
    /// # Safety
    /// The results lie in the output.
    unsafe fn put(&self, first: usize, part: usize, totals: *const u8, count: usize) {
        // SAFETY: the caller's promise; there are `parts` times as many partial totals.
        unsafe {
            if self.partial.is_null() {
                self.write(first, totals, count);
            } else {
                let size = self.steps.total.size();
                let to = self.partial.add((part * self.kept_count + first) * size);
                std::ptr::copy_nonoverlapping(totals, to, count * size);
            }
        }
    }

    /// Converts totals to the output's type, from its element `first` on.
    ///
    /// # Safety
    /// The output has them.
    unsafe fn write(&self, first: usize, totals: *const u8, count: usize) {
        let (from, to) = (self.steps.total.size(), self.out.dtype.size());
        // SAFETY: the caller's promise.
        unsafe {
            let out = self.out.ptr.add(first * to);
            converter(self.steps.total, self.out.dtype)(totals, from as isize, out, to as isize, count);
        }
    }

    /// # Safety
    /// `run` was promised the extents of input and output.
    unsafe fn rows(&self, items: Range<usize>) {
        // Rows that lie evenly in memory are taken together.
        let (alike, stride) = self.outer_kept.last().copied().unwrap_or((1, 0));
        let mut totals: Room<ROWS> = [MaybeUninit::uninit(); ROWS];
        let totals = totals.as_mut_ptr().cast::<u8>();
        let mut item = items.start;
        while item < items.end {
            let (task, part) = (item / self.parts, item % self.parts);
            let count =
                if self.parts > 1 { 1 } else { (items.end - item).min(alike - task % alike).min(ROWS) };
            let runs = self.runs(self.start(task), part);
            let n = runs.n;
            // SAFETY: the caller vouches for rows of runs of n elements.
            unsafe {
                (self.steps.start)(totals, count);
                for run in runs {
                    match self.convert {
                        None => (self.steps.rows)(totals, count, run, stride, n),
                        Some(convert) => self.converted_rows(convert, totals, count, run, stride, n),
                    }
                }
                self.put(task, part, totals, count);
            }
            item += count;
        }
    }

    /// The totals of `count` rows, `stride` bytes apart, take their elements.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn converted_rows(
        &self,
        convert: Convert,
        totals: *mut u8,
        count: usize,
        run: *const u8,
        stride: isize,
        n: usize,
    ) {
        let item = self.steps.item.size();
        let mut block: Room<BLOCK> = [MaybeUninit::uninit(); BLOCK];
        let block = block.as_mut_ptr().cast::<u8>();
        // Short rows fill the block together.
        let together = (BLOCK / n.max(1)).max(1);
        // SAFETY: the caller's promise; the block has room for what is converted at a time.
        unsafe {
            for first in (0..count).step_by(together) {
                let rows = together.min(count - first);
                let totals = totals.add(first * self.steps.total.size());
                let run = run.offset(first as isize * stride);
                let mut i = 0;
                while i < n {
                    let some = (n - i).min(BLOCK);
                    let run = run.offset(i as isize * self.size);
                    if stride == n as isize * self.size {
                        convert(run, self.size, block, item as isize, rows * some);
                    } else {
                        for row in 0..rows {
                            let to = block.add(row * some * item);
                            convert(run.offset(row as isize * stride), self.size, to, item as isize, some);
                        }
                    }
                    (self.steps.rows)(totals, rows, block, (some * item) as isize, some);
                    i += some;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
