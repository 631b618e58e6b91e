//! What a reduction does with elements side by side, compiled for a kind of it and for the machine's instructions.

use super::fold::Fold;
use super::row;
use crate::cpu::simd::{Element as _, Kernel, Simd, level};
use crate::dtype::{Cast, DType, Element};

/// Totals side by side in a row.
const LANES: usize = 32;
/// The same where the row is short.
const FEW_LANES: usize = 8;

/// The steps of one kind of reduction.
pub struct Steps {
    /// Elements that are read.
    pub item: DType,
    pub total: DType,
    /// `start(totals, count)`: those of no elements.
    pub start: unsafe fn(*mut u8, usize),
    /// `rows(totals, count, rows, stride, n)`: each total takes a row of `n` elements; the rows are `stride` bytes apart.
    pub rows: unsafe fn(*mut u8, usize, *const u8, isize, usize),
    /// `columns(totals, width, rows, stride, n)`: each of so many totals takes an element of each of `n` rows.
    pub columns: unsafe fn(*mut u8, usize, *const u8, isize, usize),
    /// `join(totals, others, count)`: each total takes another.
    pub join: unsafe fn(*mut u8, *const u8, usize),
}

/// The steps of a fold. All are unsafe: totals and elements have to be there.
pub fn steps<F: Fold>() -> &'static Steps {
    const {
        &Steps {
            item: F::Item::DTYPE,
            total: F::Total::DTYPE,
            start: start::<F>,
            rows: rows::<F>,
            columns: columns::<F>,
            join: join::<F>,
        }
    }
}

unsafe fn start<F: Fold>(totals: *mut u8, count: usize) {
    let totals = totals.cast::<F::Total>();
    // SAFETY: so many totals are there.
    (0..count).for_each(|i| unsafe { totals.add(i).write(F::START) });
}

unsafe fn join<F: Fold>(totals: *mut u8, others: *const u8, count: usize) {
    let (totals, others) = (totals.cast::<F::Total>(), others.cast::<F::Total>());
    // SAFETY: so many of both are there.
    (0..count).for_each(|i| unsafe { *totals.add(i) = F::join(*totals.add(i), *others.add(i)) });
}

unsafe fn rows<F: Fold>(totals: *mut u8, count: usize, rows: *const u8, stride: isize, n: usize) {
    let totals = totals.cast();
    f32::dispatch(level(), Rows::<F> { totals, count, rows, stride, n });
}

unsafe fn columns<F: Fold>(totals: *mut u8, width: usize, rows: *const u8, stride: isize, n: usize) {
    // SAFETY: so many totals are there.
    let totals = unsafe { std::slice::from_raw_parts_mut(totals.cast(), width) };
    f32::dispatch(level(), Columns::<F> { totals, rows, stride, n });
}

struct Rows<F: Fold> {
    totals: *mut F::Total,
    count: usize,
    rows: *const u8,
    stride: isize,
    n: usize,
}

impl<F: Fold> Kernel<f32> for Rows<F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        for i in 0..self.count {
            // SAFETY: who makes this vouches for as many totals and rows.
            unsafe {
                let row = self.rows.offset(i as isize * self.stride).cast();
                let total = self.totals.add(i);
                *total = F::join(*total, fold_row::<F, S>(s, row, self.n));
            }
        }
    }
}

struct Columns<'a, F: Fold> {
    totals: &'a mut [F::Total],
    rows: *const u8,
    stride: isize,
    n: usize,
}

impl<F: Fold> Kernel<f32> for Columns<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        // SAFETY: who makes this vouches for the rows.
        unsafe { fold_columns::<F>(self.totals, self.rows, self.stride, self.n) };
    }
}

/// The total of `n` elements side by side.
///
/// # Safety
/// They can be read.
#[inline(always)]
pub unsafe fn fold_row<F: Fold, S: Simd<f32>>(s: S, row: *const F::Item, n: usize) -> F::Total {
    // SAFETY: the caller's promise; where there is a step, elements are float32.
    unsafe {
        match F::STEP {
            Some(step) => row::total(s, step, row.cast(), n).cast(),
            None if n < 8 * LANES => in_lanes::<F, FEW_LANES>(row, n),
            None => in_lanes::<F, LANES>(row, n),
        }
    }
}

/// The same with `L` totals side by side, a power of two.
///
/// # Safety
/// As for [`fold_row`].
#[inline(always)]
unsafe fn in_lanes<F: Fold, const L: usize>(row: *const F::Item, n: usize) -> F::Total {
    let mut lanes = [F::START; L];
    let whole = n / L;
    // SAFETY: rows of L elements, and what is left of them.
    unsafe {
        if L == LANES {
            fold_columns::<F>(&mut lanes, row.cast(), (L * size_of::<F::Item>()) as isize, whole);
        } else {
            for i in 0..whole {
                one_row::<F>(&mut lanes, row.add(i * L));
            }
        }
        let mut half = L / 2;
        while half > 0 {
            for j in 0..half {
                lanes[j] = F::join(lanes[j], lanes[j + half]);
            }
            half /= 2;
        }
        let mut total = lanes[0];
        for i in whole * L..n {
            total = F::one(total, row.add(i).read_unaligned());
        }
        total
    }
}

/// Each total takes its element of `n` rows, `stride` bytes apart.
///
/// # Safety
/// Rows as long as the totals can be read.
#[inline(always)]
pub unsafe fn fold_columns<F: Fold>(totals: &mut [F::Total], rows: *const u8, stride: isize, n: usize) {
    let mut i = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while i + 8 <= n {
            eight_rows::<F>(totals, rows.offset(i as isize * stride), stride);
            i += 8;
        }
        while i < n {
            one_row::<F>(totals, rows.offset(i as isize * stride).cast());
            i += 1;
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
unsafe fn one_row<F: Fold>(totals: &mut [F::Total], row: *const F::Item) {
    for (j, total) in totals.iter_mut().enumerate() {
        // SAFETY: the row is as long as the totals.
        *total = F::one(*total, unsafe { row.add(j).read_unaligned() });
    }
}
