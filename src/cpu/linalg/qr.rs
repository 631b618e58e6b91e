//! QR by Householder reflections H = I - tau v vᴴ (Golub and Van Loan, Matrix Computations, 5.2), with
//! LAPACK's choice of signs: v starts with one, and the diagonal of R is real.

use super::{Field, inner, subtract_scaled};

/// Factors `a` (m, n) in place: R above, the tails of the vectors below the diagonal.
pub fn factor<T: Field>(a: &mut [T], m: usize, n: usize, tau: &mut [T]) {
    for (j, tau) in tau.iter_mut().enumerate().take(m.min(n)) {
        let (left, right) = a.split_at_mut((j + 1) * m);
        let column = &mut left[j * m + j..];
        *tau = reflector(column);
        let diagonal = std::mem::replace(&mut column[0], T::one());
        for c in 0..n - j - 1 {
            // The adjoint of H meets the columns to the right.
            apply_one(column, tau.conjugate(), &mut right[c * m + j..(c + 1) * m]);
        }
        column[0] = diagonal;
    }
}

/// Turns x into (beta, tail of v) and returns tau, so that Hᴴ x = beta e1.
fn reflector<T: Field>(x: &mut [T]) -> T {
    // Scaled, so that squares neither overflow nor vanish.
    let largest = x[1..].iter().map(|v| v.size()).fold(0.0, f64::max);
    let alpha = x[0];
    if largest == 0.0 && alpha.imaginary() == 0.0 {
        return T::zero();
    }
    let scale = largest.max(alpha.size());
    let square = |v: T| {
        let (re, im) = (v.real() / scale, v.imaginary() / scale);
        re * re + im * im
    };
    let length = scale * x.iter().map(|v| square(*v)).sum::<f64>().sqrt();
    let beta = if alpha.real() >= 0.0 { -length } else { length };
    let tau = T::from_parts((beta - alpha.real()) / beta, -alpha.imaginary() / beta);
    let divisor = alpha - T::from_real(beta);
    for v in &mut x[1..] {
        *v /= divisor;
    }
    x[0] = T::from_real(beta);
    tau
}

/// y -= tau * v * (vᴴ y).
fn apply_one<T: Field>(v: &[T], tau: T, y: &mut [T]) {
    if tau.is_zero() {
        return;
    }
    let f = tau * inner(v, y);
    subtract_scaled(y, v, f);
}

/// Vector j of a factored matrix, ones and zeros in place.
fn vector<T: Field>(a: &[T], m: usize, j: usize, v: &mut [T]) {
    v[0] = T::one();
    v[1..m - j].copy_from_slice(&a[j * m + j + 1..(j + 1) * m]);
}

/// Overwrites `c` (m, columns) with Q C or, with `adjoint`, Qᴴ C, where Q is the product of the
/// reflections in `a` (m rows, one column a reflection).
pub fn apply_left<T: Field>(a: &[T], m: usize, tau: &[T], c: &mut [T], columns: usize, adjoint: bool) {
    let mut v = vec![T::zero(); m];
    let mut one = |j: usize| {
        vector(a, m, j, &mut v);
        let tau = if adjoint { tau[j].conjugate() } else { tau[j] };
        for k in 0..columns {
            apply_one(&v[..m - j], tau, &mut c[k * m + j..(k + 1) * m]);
        }
    };
    if adjoint {
        (0..tau.len()).for_each(&mut one);
    } else {
        (0..tau.len()).rev().for_each(&mut one);
    }
}

/// The first `columns` columns of Q.
pub fn form<T: Field>(a: &[T], m: usize, tau: &[T], q: &mut [T], columns: usize) {
    q.fill(T::zero());
    for j in 0..columns.min(m) {
        q[j * m + j] = T::one();
    }
    let mut v = vec![T::zero(); m];
    for j in (0..tau.len()).rev() {
        vector(a, m, j, &mut v);
        // Columns before j are unit vectors that this reflection leaves alone.
        for k in j..columns {
            apply_one(&v[..m - j], tau[j], &mut q[k * m + j..(k + 1) * m]);
        }
    }
}
