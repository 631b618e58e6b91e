//! Cholesky's factorisation, and systems solved by it.

use smallvec::smallvec;

use super::triangular::solve_triangular;
use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::cholesky;
use crate::ops::arithmetic::add;
use crate::ops::matmul::{matmul, triangle};
use crate::ops::registry::{Op, Output};
use crate::ops::table;
use crate::warn_once;

/// As [`factor`]; no tape.
fn factor_raw(x: &Tensor) -> Result<(Matrices, Tensor)> {
    let a = Matrices::read(x)?;
    let n = a.rows;
    if a.on_gpu() {
        let info = no_failures(batch_of(x))?;
        cuda::linalg::cholesky::factor(&a.part()?, &info)?;
        return Ok((a.triangle(n, true)?, info));
    }
    let mut info = info_for(a.count)?;
    let slots = Slots::of(&mut info);
    over_field!(x.dtype(), T => for_each_matrix(a.count, 0.4 * (n as f64).powi(3), |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let failed = cholesky::factor(unsafe { a.nth::<T>(i) }, n);
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, failed as i32) };
    }));
    Ok((a, info_tensor(&info, batch_of(x))?))
}

/// L of A = L Lᴴ, and for each matrix the first leading minor that is not positive.
fn factor(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (l, info) = factor_raw(x)?;
    let l = l.into_tensor(x.dtype())?;
    if !autograd::needs_grad(&[x]) {
        return Ok((l, info));
    }
    // I. Murray, Differentiation of the Cholesky decomposition (2016), in its blocked-free form.
    let l = autograd::record(l, "LinalgCholeskyExBackward0", &[x], &[Save::Output(0)], |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let l = cx.saved(0)?;
        let product = matmul(&adjoint(&l)?, g)?;
        let strict = triangle(&product, -1, true)?;
        let halved = mul(&diagonal_matrix(&diagonal(&product)?)?, 0.5)?;
        let phi = add(&strict, &halved)?;
        let symmetric = mul(&add(&phi, &adjoint(&phi)?)?, 0.5)?;
        let left = solve_triangular(&adjoint(&l)?, &symmetric, true, true, false)?;
        Ok(smallvec![Some(solve_triangular(&l, &left, false, false, false)?)])
    });
    Ok((l, info))
}

fn factor_side(x: &Tensor, upper: bool) -> Result<(Tensor, Tensor)> {
    check_square_float(x, "linalg.cholesky")?;
    if !upper {
        return factor(x);
    }
    // The upper triangle of A is the lower one of its adjoint.
    let (l, info) = factor(&adjoint(x)?)?;
    Ok((column_major(&adjoint(&l)?)?, info))
}

fn not_definite(function: &str, batched: bool, i: usize, order: i32) -> Error {
    Error::LinAlg(format!(
        "{function}: {}The factorization could not be completed because the input is not positive-definite (the leading minor of order {order} is not positive-definite).",
        batch_element(batched, i)
    ))
}

fn cholesky(x: &Tensor, upper: bool, function: &str) -> Result<Tensor> {
    let (l, info) = factor_side(x, upper)?;
    match first_failure(&info)? {
        None => Ok(l),
        Some((i, order)) => Err(not_definite(function, x.ndim() > 2, i, order)),
    }
}

fn cholesky_ex(x: &Tensor, upper: bool, check: bool) -> Result<Output> {
    let (l, info) = factor_side(x, upper)?;
    if check && let Some((i, order)) = first_failure(&info)? {
        return Err(not_definite("linalg.cholesky_ex", x.ndim() > 2, i, order));
    }
    Ok(Output::Named("linalg_cholesky_ex", &["L", "info"], vec![l, info]))
}

/// The solution of A X = B from a factor of A.
fn cholesky_solve(b: &Tensor, factor: &Tensor, upper: bool) -> Result<Tensor> {
    for (name, t) in [("b", b), ("u", factor)] {
        if t.ndim() < 2 {
            bail!(Shape, "{name} should have at least 2 dimensions, but has {} dimensions instead", t.ndim());
        }
    }
    let ((m, n), (p, q)) = (matrix_size(factor), matrix_size(b));
    if m != n {
        bail!(
            Shape,
            "A must be batches of square matrices, but they are {m} by {n} matrices (cholesky_solve)"
        );
    }
    if m != p {
        bail!(
            Shape,
            "Incompatible matrix sizes for cholesky_solve: each A matrix is {m} by {n} but each b matrix is {p} by {q}"
        );
    }
    let (factor, b) = broadcast_batches(factor, b)?;
    solve_factored(&b, &factor, upper)
}

/// As [`cholesky_solve`], for one batch shape. The gradient is that of the solution of (L Lᴴ) X = B, so
/// that it reaches the triangle that is not read too, as in PyTorch.
fn solve_factored(b: &Tensor, factor: &Tensor, upper: bool) -> Result<Tensor> {
    let x = autograd::no_grad(|| {
        let factor = &factor.detached();
        let turned = adjoint(factor)?;
        let (first, second) = if upper { (&turned, factor) } else { (factor, &turned) };
        let half = solve_triangular(first, &b.detached(), false, true, false)?;
        solve_triangular(second, &half, true, true, false)
    })?;
    if !autograd::needs_grad(&[b, factor]) {
        return Ok(x);
    }
    let save = [Save::Input(1), Save::Output(0)];
    Ok(autograd::record(x, "CholeskySolveBackward0", &[b, factor], &save, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let (factor, x) = (cx.saved(0)?, cx.saved(1)?);
        let for_b = solve_factored(g, &factor, upper)?;
        let for_factor = if cx.needs(1) {
            let half = matmul(&for_b, &adjoint(&x)?)?;
            let both = table::neg(&add(&half, &adjoint(&half)?)?)?;
            Some(if upper { matmul(&factor, &both)? } else { matmul(&both, &factor)? })
        } else {
            None
        };
        Ok(smallvec![Some(for_b), for_factor])
    }))
}

/// The inverse of A from its factor.
fn cholesky_inverse(factor: &Tensor, upper: bool) -> Result<Tensor> {
    check_square(factor, "cholesky_inverse", "A")?;
    check_float(factor, "cholesky_inverse", false)?;
    let (n, batch) = (matrix_size(factor).0, batch_of(factor));
    let one = view::expand_to(&identity(n, factor.dtype())?, &with_sizes(batch, &[n, n]))?;
    cholesky_solve(&one, factor, upper)
}

/// Samples have to be positive definite: their diagonals dominate.
pub const OPS: &[Op] = &[
    Op::new("linalg.cholesky(Tensor A, *, bool upper=False) -> Tensor", |a| {
        Ok(cholesky(a.tensor(0), a.bool(1), "linalg.cholesky")?.into())
    })
    .doc("The triangular L with A = L Lᴴ, or with upper=True the U with A = Uᴴ U.")
    .samples("(lambda a: a @ a.mH + torch.eye(3))(t(3, 3, low=-1, high=1)) | (lambda a: a @ a.mH + torch.eye(3))(t(2, 3, 3, low=-1, high=1)), upper=True"),
    Op::new("cholesky(Tensor input, bool upper=False) -> Tensor", |a| {
        warn_once!(
            "torch.cholesky is deprecated in favor of torch.linalg.cholesky and will be removed in a future PyTorch release.\nWhat upper=True gives is torch.linalg.cholesky(A).mH."
        );
        Ok(cholesky(a.tensor(0), a.bool(1), "cholesky")?.into())
    })
    .method()
    .doc("As linalg.cholesky.")
    .samples("(lambda a: a @ a.mH + torch.eye(3))(t(2, 3, 3, low=-1, high=1)), True"),
    Op::new("linalg.cholesky_ex(Tensor A, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)", |a| {
        cholesky_ex(a.tensor(0), a.bool(1), a.bool(2))
    })
    .doc("As linalg.cholesky, with zero or the order of the first minor that is not positive.")
    .samples("(lambda a: a @ a.mH + torch.eye(3))(t(2, 3, 3, low=-1, high=1)), upper=True"),
    Op::new("cholesky_solve(Tensor B, Tensor L, bool upper=False) -> Tensor", |a| {
        Ok(cholesky_solve(a.tensor(0), a.tensor(1), a.bool(2))?.into())
    })
    .method()
    .doc("The solution of A X = B, given the factor of A.")
    .samples("t(3, 2), t(3, 3).tril() | t(2, 3, 1), t(3, 3).triu(), upper=True"),
    Op::new("cholesky_inverse(Tensor L, bool upper=False) -> Tensor", |a| {
        Ok(cholesky_inverse(a.tensor(0), a.bool(1))?.into())
    })
    .method()
    .doc("The inverse of A, given its factor."),
];
