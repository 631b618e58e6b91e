//! Singular values, eigenvalues and their vectors, by faer.

use dyn_stack::{MemBuffer, MemStack};
use faer::diag::DiagMut;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::{MatMut, MatRef, Par, Spec};
use num_complex::Complex;

use super::Field;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    NoConvergence,
    OutOfMemory,
}

/// A number that faer decomposes matrices of.
pub trait Spectral: Field + faer::traits::ComplexField {
    /// Eigenvalues of `a` (n, n), and the right eigenvectors, of length one, where asked for.
    fn eigen(
        a: &[Self],
        n: usize,
        values: &mut [Complex<f64>],
        vectors: Option<&mut [Complex<f64>]>,
    ) -> Result<(), Failure>;
}

fn scratch(request: dyn_stack::StackReq) -> Result<MemBuffer, Failure> {
    MemBuffer::try_new(request).map_err(|_| Failure::OutOfMemory)
}

/// The power of two that elements are to be divided by first, where they are so far from one that faer would square
/// them to zero or infinity.
fn scale_of<'a, T: Field>(elements: impl Iterator<Item = &'a T>) -> Option<f64> {
    let largest = elements.map(|v| v.size()).fold(0.0, f64::max);
    let far = largest > 0.0 && !(1e-120..1e120).contains(&largest);
    far.then(|| 2f64.powi((largest.log2().floor() as i32).clamp(-1022, 1022)))
}

fn divided<T: Field>(a: &[T], scale: f64) -> Vec<T> {
    a.iter().map(|v| T::from_parts(v.real() / scale, v.imaginary() / scale)).collect()
}

/// A = U S Vᴴ for `a` (m, n): `u` (m, columns) and `v` (n, columns), full or thin by their sizes;
/// singular values in descending order.
pub fn singular<T: Spectral>(
    a: &[T],
    (m, n): (usize, usize),
    s: &mut [f64],
    vectors: Option<(&mut [T], &mut [T])>,
    full: bool,
) -> Result<(), Failure> {
    let k = m.min(n);
    if k == 0 {
        if let Some((u, v)) = vectors {
            identity(u, m);
            identity(v, n);
        }
        return Ok(());
    }
    if let Some(scale) = scale_of(a.iter()) {
        singular(&divided(a, scale), (m, n), s, vectors, full)?;
        s.iter_mut().for_each(|s| *s *= scale);
        return Ok(());
    }
    let which = match (&vectors, full) {
        (None, _) => ComputeSvdVectors::No,
        (_, true) => ComputeSvdVectors::Full,
        _ => ComputeSvdVectors::Thin,
    };
    let mut values = vec![T::zero(); k];
    let mut memory = scratch(svd::svd_scratch::<T>(m, n, which, which, Par::Seq, Spec::default()))?;
    let (u, v) = match vectors {
        Some((u, v)) => {
            let (p, q) = if full { (m, n) } else { (k, k) };
            (
                Some(MatMut::from_column_major_slice_mut(u, m, p)),
                Some(MatMut::from_column_major_slice_mut(v, n, q)),
            )
        }
        None => (None, None),
    };
    svd::svd(
        MatRef::from_column_major_slice(a, m, n),
        DiagMut::from_slice_mut(&mut values),
        u,
        v,
        Par::Seq,
        MemStack::new(&mut memory),
        Spec::default(),
    )
    .map_err(|_| Failure::NoConvergence)?;
    // A singular value that rounding made negative or out of order is not handed on.
    for (s, value) in s.iter_mut().zip(&values) {
        *s = value.real().abs();
    }
    Ok(())
}

fn identity<T: Field>(x: &mut [T], n: usize) {
    x.fill(T::zero());
    let columns = x.len().checked_div(n).unwrap_or(0);
    for j in 0..columns.min(n) {
        x[j * n + j] = T::one();
    }
}

/// Eigenvalues of a self-adjoint `a` (n, n), of which the lower triangle is read (and of the diagonal the
/// real parts), in ascending order, and the eigenvectors where asked for.
pub fn self_adjoint<T: Spectral>(
    a: &mut [T],
    n: usize,
    values: &mut [f64],
    vectors: Option<&mut [T]>,
) -> Result<(), Failure> {
    if n == 0 {
        return Ok(());
    }
    // The other triangle may hold anything.
    if let Some(scale) = scale_of((0..n).flat_map(|j| &a[j * n + j..(j + 1) * n])) {
        self_adjoint(&mut divided(a, scale), n, values, vectors)?;
        values.iter_mut().for_each(|v| *v *= scale);
        return Ok(());
    }
    let which = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    for j in 0..n {
        a[j * n + j] = T::from_real(a[j * n + j].real());
    }
    let mut found = vec![T::zero(); n];
    let mut memory = scratch(evd::self_adjoint_evd_scratch::<T>(n, which, Par::Seq, Spec::default()))?;
    evd::self_adjoint_evd(
        MatRef::from_column_major_slice(a, n, n),
        DiagMut::from_slice_mut(&mut found),
        vectors.map(|v| MatMut::from_column_major_slice_mut(v, n, n)),
        Par::Seq,
        MemStack::new(&mut memory),
        Spec::default(),
    )
    .map_err(|_| Failure::NoConvergence)?;
    for (value, found) in values.iter_mut().zip(&found) {
        *value = found.real();
    }
    Ok(())
}

/// Eigenvectors of length one, the largest component of each real.
fn normalise(vectors: &mut [Complex<f64>], n: usize) {
    for v in vectors.chunks_exact_mut(n) {
        let length = v.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        let largest = v.iter().copied().fold(Complex::new(0.0, 0.0), |m: Complex<f64>, z| {
            if z.norm_sqr() > m.norm_sqr() * (1.0 + 1e-12) { z } else { m }
        });
        if length == 0.0 || !length.is_finite() {
            continue;
        }
        let turn = largest.conj() / largest.norm() / length;
        // A vector that is real but for its length stays exactly real, sign and all.
        let real = v.iter().all(|z| z.im == 0.0);
        v.iter_mut().for_each(|z| *z = if real { *z / length } else { *z * turn });
    }
}

impl Spectral for f64 {
    fn eigen(
        a: &[f64],
        n: usize,
        values: &mut [Complex<f64>],
        vectors: Option<&mut [Complex<f64>]>,
    ) -> Result<(), Failure> {
        if n == 0 {
            return Ok(());
        }
        let which = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
        let (mut re, mut im) = (vec![0.0; n], vec![0.0; n]);
        let mut real = vec![0.0; if vectors.is_some() { n * n } else { 0 }];
        let request = evd::evd_scratch::<f64>(n, ComputeEigenvectors::No, which, Par::Seq, Spec::default());
        let mut memory = scratch(request)?;
        evd::evd_real(
            MatRef::from_column_major_slice(a, n, n),
            DiagMut::from_slice_mut(&mut re),
            DiagMut::from_slice_mut(&mut im),
            None,
            vectors.is_some().then(|| MatMut::from_column_major_slice_mut(&mut real, n, n)),
            Par::Seq,
            MemStack::new(&mut memory),
            Spec::default(),
        )
        .map_err(|_| Failure::NoConvergence)?;
        for (i, value) in values.iter_mut().enumerate() {
            *value = Complex::new(re[i], im[i]);
        }
        let Some(vectors) = vectors else { return Ok(()) };
        // Of a pair of conjugate eigenvalues one column has the real parts, the next the imaginary ones.
        let mut j = 0;
        while j < n {
            if im[j] == 0.0 || j + 1 == n {
                for i in 0..n {
                    vectors[j * n + i] = Complex::new(real[j * n + i], 0.0);
                }
                j += 1;
                continue;
            }
            for i in 0..n {
                let z = Complex::new(real[j * n + i], real[(j + 1) * n + i]);
                vectors[j * n + i] = z;
                vectors[(j + 1) * n + i] = z.conj();
            }
            j += 2;
        }
        normalise(vectors, n);
        Ok(())
    }
}

impl Spectral for Complex<f64> {
    fn eigen(
        a: &[Complex<f64>],
        n: usize,
        values: &mut [Complex<f64>],
        vectors: Option<&mut [Complex<f64>]>,
    ) -> Result<(), Failure> {
        if n == 0 {
            return Ok(());
        }
        let mut vectors = vectors;
        let which = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
        let request =
            evd::evd_scratch::<Complex<f64>>(n, ComputeEigenvectors::No, which, Par::Seq, Spec::default());
        let mut memory = scratch(request)?;
        evd::evd_cplx(
            MatRef::from_column_major_slice(a, n, n),
            DiagMut::from_slice_mut(values),
            None,
            vectors.as_deref_mut().map(|v| MatMut::from_column_major_slice_mut(v, n, n)),
            Par::Seq,
            MemStack::new(&mut memory),
            Spec::default(),
        )
        .map_err(|_| Failure::NoConvergence)?;
        if let Some(vectors) = vectors {
            normalise(vectors, n);
        }
        Ok(())
    }
}
