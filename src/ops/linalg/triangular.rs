//! Systems with triangular matrices.

use smallvec::smallvec;

use super::inverse::check_system;
use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::triangular;
use crate::ops::matmul::{matmul, triangle};
use crate::ops::registry::{Op, Output};
use crate::ops::table;
use crate::warn_once;

/// Solves T X = B for matrices of one batch shape, recorded; T is one triangle of `a`.
fn solve_left(a: &Tensor, b: &Tensor, upper: bool, unit: bool) -> Result<Tensor> {
    let (factor, x) = (Matrices::read(a)?, Matrices::read(b)?);
    let (n, columns) = (x.rows, x.columns);
    if x.on_gpu() {
        let triangle = cuda::linalg::Triangle { upper, unit, conjugate: false };
        cuda::linalg::solve_triangular(&factor.part()?, &x.part()?, triangle)?;
    } else {
        over_field!(a.dtype(), T => for_each_matrix(factor.count, (n * n) as f64 * columns as f64, |i| {
            // SAFETY: buffers of this type; matrix i belongs to this call.
            let (a, b) = unsafe { (factor.nth::<T>(i), x.nth::<T>(i)) };
            triangular::solve(a, n, n, b, columns, upper, unit);
        }));
    }
    let x = x.into_tensor(b.dtype())?;
    if !autograd::needs_grad(&[a, b]) {
        return Ok(x);
    }
    let save = [Save::Input(0), Save::Output(0)];
    Ok(autograd::record(x, "LinalgSolveTriangularBackward0", &[a, b], &save, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let (a, x) = (cx.saved(0)?, cx.saved(1)?);
        let for_b = solve_left(&adjoint(&a)?, g, !upper, unit)?;
        let for_a = if cx.needs(0) {
            let full = table::neg(&matmul(&for_b, &adjoint(&x)?)?)?;
            Some(triangle(&full, if upper { unit as i64 } else { -(unit as i64) }, !upper)?)
        } else {
            None
        };
        Ok(smallvec![for_a, Some(for_b)])
    }))
}

/// The solution of T X = B, or of X T = B.
pub fn solve_triangular(a: &Tensor, b: &Tensor, upper: bool, left: bool, unit: bool) -> Result<Tensor> {
    let name = "linalg.solve_triangular";
    if a.dtype() != b.dtype() {
        bail!(
            DType,
            "{name}: Expected A and B to have the same dtype, but found A of type {} and B of type {} instead",
            a.dtype().scalar_name(),
            b.dtype().scalar_name()
        );
    }
    check_square(a, name, "A")?;
    check_matrix(b, name, "B")?;
    check_float(a, name, false)?;
    check_system(name, a, b, left)?;
    let (a, b) = broadcast_batches(a, b)?;
    if left {
        return solve_left(&a, &b, upper, unit);
    }
    column_major(&transposed(&solve_left(&transposed(&a)?, &transposed(&b)?, !upper, unit)?)?)
}

fn triangular_solve(b: &Tensor, a: &Tensor, upper: bool, turn: bool, unit: bool) -> Result<Output> {
    warn_once!(
        "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangularand will be removed in a future PyTorch release.\nIts arguments are in another order, and it returns no copy of them: torch.linalg.solve_triangular(A, B, upper=...)."
    );
    check_matrix(b, "triangular_solve", "b")?;
    check_square(a, "triangular_solve", "A")?;
    let (a, b) = broadcast_batches(a, b)?;
    let solution = if turn {
        solve_triangular(&transposed(&a)?, &b, !upper, true, unit)?
    } else {
        solve_triangular(&a, &b, upper, true, unit)?
    };
    // Column-major, as LAPACK leaves it.
    let copied = transposed(&copy::contiguous_copy(&transposed(&a)?)?)?;
    Ok(Output::Named("triangular_solve", &["solution", "cloned_coefficient"], vec![solution, copied]))
}

pub const OPS: &[Op] = &[
    Op::new(
        "linalg.solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor",
        |a| Ok(solve_triangular(a.tensor(0), a.tensor(1), a.bool(2), a.bool(3), a.bool(4))?.into()),
    )
    .doc("The solution of T X = B, or with left=False of X T = B, where T is a triangle of A.")
    .samples("t(3, 3), t(3, 2), upper=True | t(2, 3, 3), nc(2, 3), upper=False, left=False | t(3, 3), t(2, 3, 1), upper=False, unitriangular=True"),
    Op::new(
        "triangular_solve(Tensor b, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
        |a| triangular_solve(a.tensor(0), a.tensor(1), a.bool(2), a.bool(3), a.bool(4)),
    )
    .method()
    .doc("The solution of T X = b, where T is a triangle of A, and a copy of A.")
    .samples("t(3, 2), t(3, 3) | t(2, 3, 1), t(3, 3), upper=False, transpose=True | t(3, 2), t(3, 3), unitriangular=True"),
];
