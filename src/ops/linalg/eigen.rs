//! Eigenvalues and eigenvectors.

use smallvec::smallvec;

use super::inverse::solve;
use super::svd::{all_finite, failure_code, no_result};
use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::spectral::{self, Spectral};
use crate::ops::arithmetic::{add, div, sub, where_};
use crate::ops::cuda::linalg::spectral::{self as gpu, Eigen, NO_CONVERGENCE};
use crate::ops::matmul::matmul;
use crate::ops::registry::{Op, Output};
use crate::ops::table;

/// Whether the upper triangle counts.
fn is_upper(text: &str) -> Result<bool> {
    match text {
        "L" | "l" => Ok(false),
        "U" | "u" => Ok(true),
        other => bail!(Autograd, "Expected UPLO argument to be 'L' or 'U', but got {other}"),
    }
}

/// Eigenvalues, and vectors where asked for, of the lower triangles; no tape.
fn self_adjoint_raw(x: &Tensor, with_vectors: bool) -> Result<(Tensor, Option<Tensor>)> {
    if x.device().is_cuda() {
        return autograd::no_grad(|| self_adjoint_on_gpu(x, with_vectors));
    }
    let a = Matrices::read(x)?;
    let n = a.rows;
    let batch = batch_of(x);
    let values = Vectors::empty(batch, n, DType::F64)?;
    let columns = if with_vectors { n } else { 0 };
    let vectors = Matrices::empty(batch, n, columns, x.dtype())?;
    let mut info = info_for(a.count)?;
    let slots = Slots::of(&mut info);
    over_field!(x.dtype(), T => for_each_matrix(a.count, 4.0 * (n as f64).powi(3), |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, values, v) = unsafe { (a.nth::<T>(i), values.nth::<f64>(i), vectors.nth::<T>(i)) };
        // The other triangle may hold anything.
        let finite = (0..n).all(|j| all_finite(&a[j * n + j..(j + 1) * n]));
        let code = if finite {
            let outcome = spectral::self_adjoint(a, n, values, with_vectors.then_some(v));
            outcome.err().map_or(0, failure_code)
        } else {
            NO_CONVERGENCE
        };
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, code) };
    }));
    if let Some(failure) = first_failure(&info_tensor(&info, batch_of(x))?)? {
        return Err(no_result("linalg.eigh", x.ndim() > 2, failure, n));
    }
    let values = values.into_tensor(x.dtype().to_real())?;
    let vectors = if with_vectors { Some(vectors.into_tensor(x.dtype())?) } else { None };
    Ok((values, vectors))
}

fn self_adjoint_on_gpu(x: &Tensor, with_vectors: bool) -> Result<(Tensor, Option<Tensor>)> {
    let Eigen { values, vectors, info } = gpu::self_adjoint(&gpu_batch(x)?, with_vectors)?;
    let (n, batch) = (values.size(1), batch_of(x));
    if let Some((i, _)) = first_failure(&info)? {
        return Err(no_result("linalg.eigh", x.ndim() > 2, (i, NO_CONVERGENCE), n));
    }
    let values = view::reshape_to(&copy::to_dtype(&values, x.dtype().to_real())?, &with_sizes(batch, &[n]))?;
    let vectors = Matrices::of_buffer(&vectors, batch)?.into_tensor(x.dtype())?;
    Ok((values, with_vectors.then_some(vectors)))
}

/// Eigenvalues in ascending order and eigenvectors of self-adjoint matrices.
pub fn self_adjoint(x: &Tensor, upper: bool) -> Result<(Tensor, Tensor)> {
    check_square_float(x, "linalg.eigh")?;
    let read = if upper { adjoint(x)? } else { x.clone() };
    let (values, vectors) = self_adjoint_raw(&read.detached(), true)?;
    let vectors = vectors.expect("asked for");
    if !autograd::needs_grad(&[x]) {
        return Ok((values, vectors));
    }
    let save = [Save::Output(0), Save::Output(1)];
    let outs = autograd::record_many(smallvec![values, vectors], "LinalgEighBackward0", &[x], &save, |cx| {
        let (l, v) = (cx.saved(0)?, cx.saved(1)?);
        let vh = adjoint(&v)?;
        let gl = or_zero(cx.grads[0].as_ref(), l.sizes(), l.dtype())?;
        let Some(gv) = &cx.grads[1] else {
            return Ok(smallvec![Some(matmul(&mul(&v, &view::unsqueeze(&gl, -2)?)?, &vh)?)]);
        };
        let on_diagonal = table::eq(&identity(l.size(l.ndim() - 1), DType::F64)?, 1.0)?;
        let gaps = sub(&view::unsqueeze(&l, -2)?, &view::unsqueeze(&l, -1)?)?;
        let gaps = where_(&on_diagonal, 1.0, &gaps)?;
        // Half of what is skew: the gradient is self-adjoint, as the matrix is.
        let w = matmul(&vh, gv)?;
        let skew = mul(&sub(&w, &adjoint(&w)?)?, 0.5)?;
        let turned = div(&where_(&on_diagonal, 0.0, &skew)?, &gaps)?;
        let middle = add(&turned, &diagonal_matrix(&gl)?)?;
        Ok(smallvec![Some(matmul(&matmul(&v, &middle)?, &vh)?)])
    });
    let mut outs = outs.into_iter();
    let mut next = || outs.next().expect("two results");
    Ok((next(), next()))
}

/// Eigenvalues of self-adjoint matrices, in ascending order.
pub fn self_adjoint_values(x: &Tensor, upper: bool) -> Result<Tensor> {
    check_square_float(x, "linalg.eigh")?;
    if autograd::needs_grad(&[x]) {
        return Ok(self_adjoint(x, upper)?.0);
    }
    let read = if upper { adjoint(x)? } else { x.clone() };
    Ok(self_adjoint_raw(&read.detached(), false)?.0)
}

/// Eigenvalues, and vectors where asked for, of any square matrices; no tape.
fn general_raw(x: &Tensor, with_vectors: bool) -> Result<(Tensor, Option<Tensor>)> {
    check_square(x, "linalg.eig", "A")?;
    check_float(x, "linalg.eig", false)?;
    if x.device().is_cuda() {
        return autograd::no_grad(|| general_on_gpu(x, with_vectors));
    }
    let a = Matrices::read(x)?;
    let n = a.rows;
    let batch = batch_of(x);
    let values = Vectors::empty(batch, n, DType::C128)?;
    let columns = if with_vectors { n } else { 0 };
    let vectors = Matrices::empty(batch, n, columns, DType::C128)?;
    let finite = over_field!(x.dtype(), T => (0..a.count).all(|i| {
        // SAFETY: buffers of this type, read one after the other.
        all_finite(unsafe { a.nth::<T>(i) })
    }));
    if !finite {
        return Err(not_finite());
    }
    let mut info = info_for(a.count)?;
    let slots = Slots::of(&mut info);
    over_field!(x.dtype(), T => for_each_matrix(a.count, 20.0 * (n as f64).powi(3), |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, values, v) = unsafe { (a.nth::<T>(i), values.nth::<C128>(i), vectors.nth::<C128>(i)) };
        let outcome = <T as Spectral>::eigen(a, n, values, with_vectors.then_some(v));
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, outcome.err().map_or(0, failure_code)) };
    }));
    if let Some(failure) = first_failure(&info_tensor(&info, batch_of(x))?)? {
        return Err(no_result("linalg.eig", x.ndim() > 2, failure, n));
    }
    let dtype = x.dtype().to_complex();
    let values = values.into_tensor(dtype)?;
    Ok((values, if with_vectors { Some(vectors.into_tensor(dtype)?) } else { None }))
}

fn not_finite() -> Error {
    Error::Autograd("torch.linalg.eig: input tensor should not contain infs or NaNs.".to_owned())
}

fn general_on_gpu(x: &Tensor, with_vectors: bool) -> Result<(Tensor, Option<Tensor>)> {
    let wide = gpu_batch(x)?;
    if copy::values::<u8>(&gpu::not_finite(&wide)?)?.contains(&1) {
        return Err(not_finite());
    }
    let Eigen { values, vectors, info } = cuda::linalg::eigen::general(&wide, with_vectors)?;
    let (n, batch, dtype) = (values.size(1), batch_of(x), x.dtype().to_complex());
    if let Some((i, _)) = first_failure(&info)? {
        return Err(no_result("linalg.eig", x.ndim() > 2, (i, NO_CONVERGENCE), n));
    }
    let values = view::reshape_to(&copy::to_dtype(&values, dtype)?, &with_sizes(batch, &[n]))?;
    let vectors = Matrices::of_buffer(&vectors, batch)?.into_tensor(dtype)?;
    Ok((values, with_vectors.then_some(vectors)))
}

/// Eigenvalues and eigenvectors of length one, both complex.
fn general(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (values, vectors) = general_raw(&x.detached(), true)?;
    let vectors = vectors.expect("asked for");
    if !autograd::needs_grad(&[x]) {
        return Ok((values, vectors));
    }
    let dtype = x.dtype();
    let save = [Save::Output(0), Save::Output(1)];
    let outs =
        autograd::record_many(smallvec![values, vectors], "LinalgEigBackward0", &[x], &save, move |cx| {
            let (l, v) = (cx.saved(0)?, cx.saved(1)?);
            let vh = adjoint(&v)?;
            let gl = or_zero(cx.grads[0].as_ref(), l.sizes(), l.dtype())?;
            let mut middle = diagonal_matrix(&gl)?;
            if let Some(gv) = &cx.grads[1] {
                let on_diagonal = table::eq(&identity(l.size(l.ndim() - 1), DType::F64)?, 1.0)?;
                let gaps = sub(&view::unsqueeze(&l, -2)?, &view::unsqueeze(&l, -1)?)?;
                let gaps = where_(&on_diagonal, 1.0, &conj(&gaps)?)?;
                // Vectors have length one: what would stretch them is taken out.
                let w = matmul(&vh, gv)?;
                let d = diagonal(&w)?;
                let stretch = mul(&add(&d, &conj(&d)?)?, 0.5)?;
                let kept = sub(&w, &mul(&matmul(&vh, &v)?, &view::unsqueeze(&stretch, -2)?)?)?;
                middle = add(&middle, &where_(&on_diagonal, 0.0, &div(&kept, &gaps)?)?)?;
            }
            let g = solve(&vh, &matmul(&middle, &vh)?, true)?;
            Ok(smallvec![Some(copy::to_dtype(&g, dtype)?)])
        });
    let mut outs = outs.into_iter();
    let mut next = || outs.next().expect("two results");
    Ok((next(), next()))
}

fn general_values(x: &Tensor) -> Result<Tensor> {
    if autograd::needs_grad(&[x]) {
        return Ok(general(x)?.0);
    }
    Ok(general_raw(&x.detached(), false)?.0)
}

pub const OPS: &[Op] = &[
    Op::new("linalg.eigh(Tensor A, str UPLO='L') -> Tensor[]", |a| {
        let (l, v) = self_adjoint(a.tensor(0), is_upper(a.str(1).unwrap_or("L"))?)?;
        Ok(Output::Named("linalg_eigh", &["eigenvalues", "eigenvectors"], vec![l, v]))
    })
    .doc("Eigenvalues in ascending order and eigenvectors of self-adjoint matrices; one triangle is read."),
    Op::new("linalg.eigvalsh(Tensor A, str UPLO='L') -> Tensor", |a| {
        Ok(self_adjoint_values(a.tensor(0), is_upper(a.str(1).unwrap_or("L"))?)?.into())
    })
    .doc("Eigenvalues of self-adjoint matrices, in ascending order; one triangle is read.")
    .samples("(lambda a: a + a.mH)(t(3, 3)) | (lambda a: a + a.mH)(nc(2, 3, 3)), UPLO='U'"),
    Op::new("linalg.eig(Tensor A) -> Tensor[]", |a| {
        let (l, v) = general(a.tensor(0))?;
        Ok(Output::Named("linalg_eig", &["eigenvalues", "eigenvectors"], vec![l, v]))
    })
    .doc("Eigenvalues and eigenvectors of square matrices, in no order; both complex."),
    Op::new("linalg.eigvals(Tensor A) -> Tensor", |a| Ok(general_values(a.tensor(0))?.into()))
        .doc("Eigenvalues of square matrices, in no order; complex."),
];
