//! Matrix products: C = A B, or C += A B, plus a bias by row or column.
//!
//! A and B may have any strides (transposed, broadcast, reversed): nothing is copied but into the
//! panels the micro-kernel reads. Three ways, picked by shape alone, so that the result depends
//! neither on the number of threads nor on what else runs:
//!
//! - a few rows or columns: [`skinny`], which reads the large operand once, in place;
//! - a small B: tiles straight from the operands;
//! - else the blocked algorithm of Goto: panels of A and B are packed once a block of k, then tiles
//!   of C are claimed by whoever is free.
//!
//! [`gemm`] is for f32 and f64, [`gemm_complex`] for pairs of them; [`gemm_portable`] for every other type.

pub(crate) mod blocked;
mod complex;
pub(crate) mod micro;
pub(crate) mod pack;
mod portable;
mod skinny;
#[cfg(test)]
mod tests;

pub use complex::gemm_complex;
pub use portable::{Ring, gemm_portable};

use crate::cpu::par;
use crate::cpu::simd::{self, Element, Level};

/// A type `gemm` has kernels for.
pub trait GemmElement: Element + Ring + num_traits::Float {}
impl GemmElement for f32 {}
impl GemmElement for f64 {}

/// An operand: element (i, j) at `ptr + i * rs + j * cs`. Strides are in elements, of any sign.
#[derive(Clone, Copy, Debug)]
pub struct Mat<T> {
    pub ptr: *const T,
    pub rs: isize,
    pub cs: isize,
}

/// What is added to the product: an element a column or a row of C, or nothing.
#[derive(Clone, Copy, Debug)]
pub enum Bias<T> {
    None,
    PerColumn(*const T),
    PerRow(*const T),
}

/// One product: C is `m` x `n`, its rows contiguous and `ldc` elements apart.
#[derive(Clone, Copy, Debug)]
pub struct Product<T> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Mat<T>,
    pub b: Mat<T>,
    pub c: *mut T,
    pub ldc: usize,
    /// Add to what C holds, rather than overwrite it unread.
    pub accumulate: bool,
    pub bias: Bias<T>,
}

/// How often, and how far apart the operands of one product and the next are, in elements. The
/// bias is the same for all.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub count: usize,
    pub a: isize,
    pub b: isize,
    pub c: usize,
}

// SAFETY: the pointers are used under the promise of `gemm`, which covers the threads it uses.
unsafe impl<T: Send + Sync> Sync for Product<T> {}

impl<T> Mat<T> {
    /// The transpose.
    pub fn t(self) -> Mat<T> {
        Mat { ptr: self.ptr, rs: self.cs, cs: self.rs }
    }

    /// From element (i, j) on.
    pub(crate) fn at(self, i: usize, j: usize) -> Mat<T> {
        let offset = (i as isize).wrapping_mul(self.rs).wrapping_add((j as isize).wrapping_mul(self.cs));
        Mat { ptr: self.ptr.wrapping_offset(offset), ..self }
    }
}

impl<T> Bias<T> {
    /// That of the transposed product.
    pub(crate) fn swapped(self) -> Bias<T> {
        match self {
            Bias::None => Bias::None,
            Bias::PerColumn(p) => Bias::PerRow(p),
            Bias::PerRow(p) => Bias::PerColumn(p),
        }
    }

    /// From element (i, j) of C on.
    ///
    /// # Safety
    /// (i, j) lies in C.
    #[inline(always)]
    pub(crate) unsafe fn at(self, i: usize, j: usize) -> Bias<T> {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Bias::None => Bias::None,
                Bias::PerColumn(p) => Bias::PerColumn(p.add(j)),
                Bias::PerRow(p) => Bias::PerRow(p.add(i)),
            }
        }
    }
}

impl<T: Copy> Product<T> {
    /// Transposed: it has C's transpose in mind, which `ldc` then does not describe.
    fn t(&self) -> Product<T> {
        let (a, b) = (self.b.t(), self.a.t());
        Product { m: self.n, n: self.m, a, b, bias: self.bias.swapped(), ..*self }
    }

    /// Number `i` of a batch.
    fn nth(&self, batch: &Batch, i: usize) -> Product<T> {
        let mut p = *self;
        p.a.ptr = p.a.ptr.wrapping_offset(i as isize * batch.a);
        p.b.ptr = p.b.ptr.wrapping_offset(i as isize * batch.b);
        p.c = p.c.wrapping_add(i * batch.c);
        p
    }

    fn multiplications(&self) -> f64 {
        self.m as f64 * self.n as f64 * self.k as f64
    }
}

/// Computes one product, on several threads where that pays.
///
/// # Safety
/// A, B, the bias and (if `accumulate`) C can be read in the shape `product` says, C can be
/// written, its rows do not overlap (`ldc >= n`, or `m <= 1`), and nothing else reads or writes it
/// meanwhile; A, B and the bias do not overlap C. Operands of size zero are not touched.
pub unsafe fn gemm<T: GemmElement>(product: &Product<T>) {
    // SAFETY: the caller's promise.
    unsafe { gemm_in(simd::level(), product) }
}

/// The same, in an instruction set that the machine must have.
///
/// # Safety
/// As [`gemm`].
pub(crate) unsafe fn gemm_in<T: GemmElement>(level: Level, product: &Product<T>) {
    // SAFETY: the caller's promise.
    unsafe { gemm_at(level, product, pays(product.multiplications(), size_of::<T>())) }
}

/// Computes `batch.count` products: whole ones in parallel if they are small, else one after the
/// other on all threads.
///
/// # Safety
/// As [`gemm`] for every product of the batch; the Cs do not overlap.
pub unsafe fn gemm_batch<T: GemmElement>(product: &Product<T>, batch: &Batch) {
    // SAFETY: the caller's promise.
    unsafe { gemm_batch_at(simd::level(), product, batch) }
}

/// Roughly the time on one thread, for deciding on threads.
fn nanoseconds(multiplications: f64, element_size: usize) -> f64 {
    multiplications * element_size as f64 / 160.0
}

fn pays(multiplications: f64, element_size: usize) -> bool {
    nanoseconds(multiplications, element_size) >= par::MIN_PARALLEL_NS
}

/// Runs `body` for each chunk: on all threads, or on this one.
fn each_chunk(parallel: bool, chunks: usize, body: &(impl Fn(usize) + Sync)) {
    if parallel {
        par::for_each(chunks, body);
    } else {
        (0..chunks).for_each(body);
    }
}

/// # Safety
/// As [`gemm_batch`].
unsafe fn gemm_batch_at<T: GemmElement>(level: Level, product: &Product<T>, batch: &Batch) {
    let mut one = *product;
    let mut batch = *batch;
    // One B for all, and the As and Cs lie on: then it is one product with more rows.
    let (a_step, c_step) = (one.m as isize * one.a.rs, one.m * one.ldc);
    let stacked = batch.b == 0 && batch.a == a_step && batch.c == c_step;
    if batch.count > 1 && stacked && !matches!(one.bias, Bias::PerRow(_)) {
        one.m *= batch.count;
        batch.count = 1;
    }
    let cost = nanoseconds(one.multiplications(), size_of::<T>()).max(50.0);
    // Products long enough to share are shared; of many, each stays with one thread's cache.
    if cost >= 40.0 * par::MIN_PARALLEL_NS || batch.count == 1 {
        for i in 0..batch.count {
            // SAFETY: the caller's promise.
            unsafe { gemm_at(level, &one.nth(&batch, i), cost >= par::MIN_PARALLEL_NS) };
        }
        return;
    }
    par::for_range(batch.count, par::grain_for(batch.count, cost), &|range| {
        for i in range {
            // SAFETY: the caller's promise; every product has its own C.
            unsafe { gemm_at(level, &one.nth(&batch, i), false) };
        }
    });
}

/// # Safety
/// As [`gemm`].
unsafe fn gemm_at<T: GemmElement>(level: Level, product: &Product<T>, parallel: bool) {
    if product.m == 0 || product.n == 0 {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        if product.k > 0 {
            let done = skinny::run(level, product, parallel) || blocked::run(level, product, parallel);
            if done {
                return;
            }
        }
        // Nothing to multiply, or no memory for scratch.
        gemm_portable(product);
    }
}
