//! Dense linear algebra on matrices in column-major order: what LAPACK names getrf, potrf, trsm, geqrf,
//! orgqr, ormqr by kernels of our own, singular values and eigenvalues by the crate faer.
//!
//! All of it is compiled for f64 and complex128 alone; other dtypes are converted to one of them. A
//! factorisation runs on one thread; batches are shared out by the caller.

pub mod cholesky;
pub mod ldl;
pub mod lu;
pub mod qr;
pub mod spectral;
pub mod triangular;

use std::ops::Neg;

use num_complex::Complex;
use num_traits::NumAssign;

use crate::cpu::gemm::{self, Bias, Mat, Product};

/// A number that matrices are factored over.
pub trait Field: NumAssign + Neg<Output = Self> + Copy + Send + Sync + 'static {
    fn conjugate(self) -> Self;
    fn modulus(self) -> f64;
    fn real(self) -> f64;
    fn imaginary(self) -> f64;
    fn from_parts(re: f64, im: f64) -> Self;

    /// C += A B, as `gemm` describes it; nothing overlaps.
    ///
    /// # Safety
    /// As [`gemm::gemm`].
    unsafe fn multiply(product: &Product<Self>);

    fn from_real(x: f64) -> Self {
        Self::from_parts(x, 0.0)
    }

    /// Larger when the number is, and cheap: what pivots are chosen by.
    fn size(self) -> f64 {
        self.real().abs() + self.imaginary().abs()
    }
}

impl Field for f64 {
    fn conjugate(self) -> f64 {
        self
    }
    fn modulus(self) -> f64 {
        self.abs()
    }
    fn real(self) -> f64 {
        self
    }
    fn imaginary(self) -> f64 {
        0.0
    }
    fn from_parts(re: f64, _: f64) -> f64 {
        re
    }
    unsafe fn multiply(product: &Product<f64>) {
        // SAFETY: the caller's promise.
        unsafe { gemm::gemm(product) }
    }
}

impl Field for Complex<f64> {
    fn conjugate(self) -> Self {
        self.conj()
    }
    fn modulus(self) -> f64 {
        self.norm()
    }
    fn real(self) -> f64 {
        self.re
    }
    fn imaginary(self) -> f64 {
        self.im
    }
    fn from_parts(re: f64, im: f64) -> Self {
        Complex::new(re, im)
    }
    unsafe fn multiply(product: &Product<Self>) {
        // SAFETY: the caller's promise.
        unsafe { gemm::gemm_portable(product) }
    }
}

/// Columns that are factored at a time before the rest is brought up to date by a matrix product.
const BLOCK: usize = 48;

/// A part of a column-major matrix: element (i, j) at `start + i + j * stride`.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    stride: usize,
}

/// c (m, n) -= a (m, k) b (k, n); the factors are copied so that they may lie in the same matrix as `c`.
fn subtract_product<T: Field>(x: &mut [T], c: Part, a: &[T], b: &[T], (m, n, k): (usize, usize, usize)) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    debug_assert!(a.len() == m * k && b.len() == k * n);
    debug_assert!(c.start + (n - 1) * c.stride + m <= x.len());
    // Row-major on the inside: cᵀ += (-bᵀ) aᵀ. `b` holds the negated factor.
    let product = Product {
        m: n,
        n: m,
        k,
        a: Mat { ptr: b.as_ptr(), rs: k as isize, cs: 1 },
        b: Mat { ptr: a.as_ptr(), rs: m as isize, cs: 1 },
        c: x[c.start..].as_mut_ptr(),
        ldc: c.stride,
        accumulate: true,
        bias: Bias::None,
    };
    // SAFETY: the factors have the sizes said; `c` lies in `x`, its columns apart by at least m.
    unsafe { T::multiply(&product) };
}

/// A part (m, n) of a matrix as a matrix of its own.
fn copied<T: Field>(x: &[T], part: Part, m: usize, n: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(m * n);
    for j in 0..n {
        out.extend_from_slice(&x[part.start + j * part.stride..][..m]);
    }
    out
}

/// As [`copied`], negated.
fn negated<T: Field>(x: &[T], part: Part, m: usize, n: usize) -> Vec<T> {
    let mut out = copied(x, part, m, n);
    out.iter_mut().for_each(|v| *v = -*v);
    out
}

/// y -= f * x.
#[inline(always)]
fn subtract_scaled<T: Field>(y: &mut [T], x: &[T], f: T) {
    for (y, x) in y.iter_mut().zip(x) {
        *y -= f * *x;
    }
}

/// The sum of conj(x) * y.
#[inline(always)]
fn inner<T: Field>(x: &[T], y: &[T]) -> T {
    x.iter().zip(y).fold(T::zero(), |sum, (x, y)| sum + x.conjugate() * *y)
}
