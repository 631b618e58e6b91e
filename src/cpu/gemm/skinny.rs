//! Products with a few rows: bound by reading B once, so nothing is packed.
//!
//! [`Dots`] when both operands are contiguous along k (a Linear at batch 1), [`Rows`] when rows of
//! B are contiguous. A product with a few columns is the transpose of one of these.

#![allow(clippy::needless_range_loop)] // Indices say which row and column; iterators hide it.

use super::pack::Pack;
use super::{Bias, GemmElement, Mat, Product, each_chunk};
use crate::cpu::par;
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::{Element, Kernel, Level, Simd};
use std::ops::{Add, Range};

/// The most rows `Dots` takes.
const DOT_ROWS: usize = 8;
/// The most rows `Rows` takes.
const ROW_ROWS: usize = 4;

/// Dot products shorter than this are not worth their last additions.
const DOT_DEPTH: usize = 32;
/// Bytes of C that `Rows` keeps in the first-level cache.
const STRIP_BYTES: usize = 16 << 10;

/// Computes the product if it has few rows or columns. False, with nothing done, if not.
///
/// # Safety
/// As [`super::gemm`]; no size is zero.
pub(super) unsafe fn run<T: GemmElement>(level: Level, p: &Product<T>, parallel: bool) -> bool {
    // SAFETY: the caller's promise.
    unsafe { by_rows(level, p, (p.ldc, 1), parallel) || by_rows(level, &p.t(), (1, p.ldc), parallel) }
}

/// As `run`, for few rows only; element (i, j) of C is at `i * c_rs + j * c_cs`.
unsafe fn by_rows<T: GemmElement>(
    level: Level,
    p: &Product<T>,
    (c_rs, c_cs): (usize, usize),
    parallel: bool,
) -> bool {
    // A column costs its bytes or its arithmetic, whichever is more.
    let column = (p.k * size_of::<T>()) as f64 * f64::max(1.0 / 50.0, p.m as f64 / 160.0);
    let parallel = parallel || column * p.n as f64 >= par::MIN_PARALLEL_NS;
    let grain = par::grain_for(p.n, column);
    if p.m <= DOT_ROWS && p.b.rs == 1 && p.k >= DOT_DEPTH {
        let Some((a, _scratch)) = contiguous_rows(level, p) else {
            return false;
        };
        let job = Dots { a, c: (p.c, c_rs, c_cs), product: *p, cols: 0..p.n };
        let grain = grain.next_multiple_of(8);
        each_chunk(parallel, p.n.div_ceil(grain), &|i| {
            T::dispatch(level, Dots { cols: i * grain..p.n.min((i + 1) * grain), ..job.clone() });
        });
        return true;
    }
    if p.m <= ROW_ROWS && p.b.cs == 1 && (c_cs == 1 || p.n == 1) {
        let most = STRIP_BYTES / size_of::<T>() / p.m;
        let grain = grain.next_multiple_of(64).min(most);
        let job = Rows { product: Product { ldc: c_rs, ..*p }, cols: 0..p.n };
        each_chunk(parallel, p.n.div_ceil(grain), &|i| {
            T::dispatch(level, Rows { cols: i * grain..p.n.min((i + 1) * grain), ..job.clone() });
        });
        return true;
    }
    false
}

/// A with contiguous rows: itself, or a copy that lives as long as the scratch.
fn contiguous_rows<T: GemmElement>(level: Level, p: &Product<T>) -> Option<(Mat<T>, Option<Scratch<T>>)> {
    if p.a.cs == 1 {
        return Some((p.a, None));
    }
    let mut scratch = Scratch::new(p.m * p.k)?;
    let dst = scratch.as_mut_ptr();
    let (src, across_stride, k_stride) = (p.a.ptr, p.a.cs, p.a.rs);
    T::dispatch(
        level,
        Pack { src, across_stride, k_stride, across: p.k, readable: p.k, k: p.m, dst, width: p.k },
    );
    Some((Mat { ptr: dst, rs: p.k as isize, cs: 1 }, Some(scratch)))
}

/// C(i, j) = the dot product of row i of A and column j of B, both contiguous.
#[derive(Clone)]
struct Dots<T> {
    product: Product<T>,
    /// Instead of the product's, `cs` being 1.
    a: Mat<T>,
    /// Element (i, j) at `ptr + i * rs + j * cs`.
    c: (*mut T, usize, usize),
    cols: Range<usize>,
}

// SAFETY: the pointers are used under the promise of `gemm`, each column by one thread.
unsafe impl<T: Send + Sync> Sync for Dots<T> {}

impl<T: Element + Add<Output = T>> Kernel<T> for Dots<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: whoever made `self` promised its operands (`gemm`).
        unsafe {
            match self.product.m {
                1 => self.columns::<S, 1, 8>(s),
                2 => self.columns::<S, 2, 4>(s),
                3 => self.columns::<S, 3, 4>(s),
                4 => self.columns::<S, 4, 4>(s),
                5 => self.columns::<S, 5, 4>(s),
                6 => self.columns::<S, 6, 4>(s),
                7 => self.columns::<S, 7, 2>(s),
                _ => self.columns::<S, DOT_ROWS, 2>(s),
            }
        }
    }
}

impl<T: Element + Add<Output = T>> Dots<T> {
    /// All columns, `COLS` at a time while there are as many.
    #[inline(always)]
    unsafe fn columns<S: Simd<T>, const ROWS: usize, const COLS: usize>(&self, s: S) {
        let mut j = self.cols.start;
        // SAFETY: columns stay in the range.
        unsafe {
            while j + COLS <= self.cols.end {
                self.block::<S, ROWS, COLS>(s, j);
                j += COLS;
            }
            while j < self.cols.end {
                self.block::<S, ROWS, 1>(s, j);
                j += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn block<S: Simd<T>, const ROWS: usize, const COLS: usize>(&self, s: S, j: usize) {
        let mut acc = [[s.zero(); COLS]; ROWS];
        // SAFETY: reads k elements of ROWS rows and COLS columns, the last ones by a mask.
        unsafe {
            let b = self.product.b.ptr.offset(j as isize * self.product.b.cs);
            let whole = self.product.k - self.product.k % S::LANES;
            for p in (0..whole).step_by(S::LANES) {
                let mut row = [s.zero(); ROWS];
                for i in 0..ROWS {
                    row[i] = s.load(self.a.ptr.offset(i as isize * self.a.rs).add(p));
                }
                for c in 0..COLS {
                    let col = s.load(b.offset(c as isize * self.product.b.cs).add(p));
                    for i in 0..ROWS {
                        acc[i][c] = s.fma(row[i], col, acc[i][c]);
                    }
                }
            }
            if whole < self.product.k {
                let mask = s.mask(self.product.k - whole);
                let mut row = [s.zero(); ROWS];
                for i in 0..ROWS {
                    let p = self.a.ptr.offset(i as isize * self.a.rs).add(whole);
                    row[i] = s.load_masked(p, mask);
                }
                for c in 0..COLS {
                    let p = b.offset(c as isize * self.product.b.cs).add(whole);
                    let col = s.load_masked(p, mask);
                    for i in 0..ROWS {
                        acc[i][c] = s.fma(row[i], col, acc[i][c]);
                    }
                }
            }
            for i in 0..ROWS {
                for c in 0..COLS {
                    let p = self.c.0.add(i * self.c.1 + (j + c) * self.c.2);
                    let mut x = s.sum(acc[i][c]);
                    if self.product.accumulate {
                        x = *p + x;
                    }
                    match self.product.bias {
                        Bias::None => {}
                        Bias::PerColumn(bias) => x = x + *bias.add(j + c),
                        Bias::PerRow(bias) => x = x + *bias.add(i),
                    }
                    *p = x;
                }
            }
        }
    }
}

/// C(i, ..) = the sum over p of A(i, p) times row p of B, whose rows are contiguous.
#[derive(Clone)]
struct Rows<T> {
    product: Product<T>,
    /// Few enough that `m` rows of them stay in the first-level cache.
    cols: Range<usize>,
}

impl<T: Element + Add<Output = T>> Kernel<T> for Rows<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: whoever made `self` promised its operands (`gemm`).
        unsafe {
            match self.product.m {
                1 => self.strip::<S, 1>(s),
                2 => self.strip::<S, 2>(s),
                3 => self.strip::<S, 3>(s),
                _ => self.strip::<S, ROW_ROWS>(s),
            }
        }
    }
}

impl<T: Element + Add<Output = T>> Rows<T> {
    #[inline(always)]
    unsafe fn strip<S: Simd<T>, const ROWS: usize>(&self, s: S) {
        let mut p = 0;
        // SAFETY: p stays below k.
        unsafe {
            while p + 4 <= self.product.k {
                self.add_rows::<S, ROWS, 4>(s, p);
                p += 4;
            }
            while p < self.product.k {
                self.add_rows::<S, ROWS, 1>(s, p);
                p += 1;
            }
            self.add_bias::<S, ROWS>(s);
        }
    }

    /// Adds `DEPTH` rows of B, from row p on, to C. The first ones start it.
    #[inline(always)]
    unsafe fn add_rows<S: Simd<T>, const ROWS: usize, const DEPTH: usize>(&self, s: S, p: usize) {
        let fresh = p == 0 && !self.product.accumulate;
        // SAFETY: the caller's promise; the masks keep to the columns.
        unsafe {
            let mut x = [[s.zero(); DEPTH]; ROWS];
            for i in 0..ROWS {
                for d in 0..DEPTH {
                    let (i, p) = (i as isize, (p + d) as isize);
                    x[i as usize][d] =
                        s.splat(*self.product.a.ptr.offset(i * self.product.a.rs + p * self.product.a.cs));
                }
            }
            let b = self.product.b.ptr.offset(p as isize * self.product.b.rs);
            let whole = self.cols.end - self.cols.len() % S::LANES;
            for j in (self.cols.start..whole).step_by(S::LANES) {
                let mut row = [s.zero(); DEPTH];
                for d in 0..DEPTH {
                    row[d] = s.load(b.offset(d as isize * self.product.b.rs).add(j));
                }
                for i in 0..ROWS {
                    let c = self.product.c.add(i * self.product.ldc + j);
                    let mut v = if fresh { s.zero() } else { s.load(c) };
                    for d in 0..DEPTH {
                        v = s.fma(x[i][d], row[d], v);
                    }
                    s.store(c, v);
                }
            }
            if whole < self.cols.end {
                let mask = s.mask(self.cols.end - whole);
                let mut row = [s.zero(); DEPTH];
                for d in 0..DEPTH {
                    row[d] = s.load_masked(b.offset(d as isize * self.product.b.rs).add(whole), mask);
                }
                for i in 0..ROWS {
                    let c = self.product.c.add(i * self.product.ldc + whole);
                    let mut v = if fresh { s.zero() } else { s.load_masked(c, mask) };
                    for d in 0..DEPTH {
                        v = s.fma(x[i][d], row[d], v);
                    }
                    s.store_masked(c, mask, v);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn add_bias<S: Simd<T>, const ROWS: usize>(&self, s: S) {
        if matches!(self.product.bias, Bias::None) {
            return;
        }
        for i in 0..ROWS {
            for j in self.cols.clone().step_by(S::LANES) {
                // SAFETY: the mask keeps to the columns.
                unsafe {
                    let mask = s.mask(self.cols.end - j);
                    let c = self.product.c.add(i * self.product.ldc + j);
                    let bias = match self.product.bias {
                        Bias::None => s.zero(),
                        Bias::PerColumn(bias) => s.load_masked(bias.add(j), mask),
                        Bias::PerRow(bias) => s.splat(*bias.add(i)),
                    };
                    s.store_masked(c, mask, s.add(s.load_masked(c, mask), bias));
                }
            }
        }
    }
}
