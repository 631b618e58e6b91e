//! Inverses and systems of equations, by LU.

use smallvec::smallvec;

use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::{lu, triangular};
use crate::layout::Show;
use crate::ops::gather::gather;
use crate::ops::matmul::matmul;
use crate::ops::registry::{Op, Output};
use crate::ops::table;

/// Inverses, and for each matrix the first zero pivot.
fn inverse_raw(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let a = Matrices::read(x)?;
    let n = a.rows;
    if a.on_gpu() {
        let factored = GpuFactors::of(&a, batch_of(x))?;
        let numbers = creation::arange(Scalar::Int(0), Scalar::Int(n as i64), Scalar::Int(1), DType::I64)?;
        let permutation = table::eq(&view::unsqueeze(&factored.rows, -1)?, &numbers)?;
        let out = Matrices::empty(batch_of(x), n, n, x.dtype())?;
        copy::write(&out.part()?, &permutation)?;
        factored.solve(&out)?;
        return Ok((out.into_tensor(x.dtype())?, factored.info));
    }
    let out = Matrices::identity(batch_of(x), n, x.dtype())?;
    let mut info = info_for(a.count)?;
    let slots = Slots::of(&mut info);
    over_field!(x.dtype(), T => for_each_matrix(a.count, 2.0 * (n as f64).powi(3), |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, b) = unsafe { (a.nth::<T>(i), out.nth::<T>(i)) };
        let mut pivots = vec![0; n];
        let first_zero = lu::factor(a, n, n, &mut pivots);
        lu::permute_rows(b, n, n, &pivots, true);
        triangular::solve(a, n, n, b, n, false, true);
        triangular::solve(a, n, n, b, n, true, false);
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, first_zero as i32) };
    }));
    Ok((out.into_tensor(x.dtype())?, info_tensor(&info, batch_of(x))?))
}

/// Matrices of a GPU that are factored.
struct GpuFactors {
    factors: Tensor,
    /// The row of A that each row of L U is: (count, n).
    rows: Tensor,
    info: Tensor,
}

impl GpuFactors {
    /// Overwrites `a`.
    fn of(a: &Matrices, batch: &[usize]) -> Result<GpuFactors> {
        let pivots = Tensor::empty(&[a.count, a.rows], DType::I32)?;
        let (factors, info) = (a.part()?, no_failures(batch)?);
        cuda::linalg::lu::factor(&factors, &pivots, &info)?;
        Ok(GpuFactors { rows: cuda::linalg::lu::rows_of(&pivots, a.rows)?, factors, info })
    }

    /// Overwrites `x`, whose rows were exchanged, with the solution of L U X = x.
    fn solve(&self, x: &Matrices) -> Result<()> {
        let x = x.part()?;
        for upper in [false, true] {
            let triangle = cuda::linalg::Triangle { upper, unit: !upper, conjugate: false };
            cuda::linalg::solve_triangular(&self.factors, &x, triangle)?;
        }
        Ok(())
    }
}

/// The inverse of each matrix, and where it failed.
pub fn inverse_with_info(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (out, info) = inverse_raw(x)?;
    if !autograd::needs_grad(&[x]) {
        return Ok((out, info));
    }
    let out = autograd::record(out, "LinalgInvExBackward0", &[x], &[Save::Output(0)], |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let y = adjoint(&cx.saved(0)?)?;
        Ok(smallvec![Some(table::neg(&matmul(&y, &matmul(g, &y)?)?)?)])
    });
    Ok((out, info))
}

/// The inverse of each matrix; an error names the first that has none.
pub fn inverse(x: &Tensor) -> Result<Tensor> {
    check_square_float(x, "linalg.inv")?;
    let (out, info) = inverse_with_info(x)?;
    match first_failure(&info)? {
        None => Ok(out),
        Some((i, at)) => Err(singular_error("linalg.inv", x.ndim() > 2, i, at)),
    }
}

fn inv_ex(x: &Tensor, check: bool) -> Result<Output> {
    check_square_float(x, "linalg.inv")?;
    let (out, info) = inverse_with_info(x)?;
    if check && let Some((i, at)) = first_failure(&info)? {
        return Err(singular_error("linalg.inv_ex", x.ndim() > 2, i, at));
    }
    Ok(Output::Named("linalg_inv_ex", &["inverse", "info"], vec![out, info]))
}

/// Solves A X = B for matrices of one batch shape; no tape.
fn solve_raw(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (factor, x) = (Matrices::read(a)?, Matrices::read(b)?);
    let (n, columns) = (x.rows, x.columns);
    if x.on_gpu() {
        let factored = GpuFactors::of(&factor, batch_of(a))?;
        let part = x.part()?;
        let rows = view::expand_to(&view::unsqueeze(&factored.rows, -1)?, part.sizes())?;
        copy::write(&part, &gather(&part, 1, &rows)?)?;
        factored.solve(&x)?;
        return Ok((x.into_tensor(b.dtype())?, factored.info));
    }
    let mut info = info_for(factor.count)?;
    let slots = Slots::of(&mut info);
    let flops = (n * n) as f64 * (n + columns) as f64;
    over_field!(a.dtype(), T => for_each_matrix(factor.count, flops, |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, b) = unsafe { (factor.nth::<T>(i), x.nth::<T>(i)) };
        let mut pivots = vec![0; n];
        let first_zero = lu::factor(a, n, n, &mut pivots);
        lu::permute_rows(b, n, columns, &pivots, true);
        triangular::solve(a, n, n, b, columns, false, true);
        triangular::solve(a, n, n, b, columns, true, false);
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, first_zero as i32) };
    }));
    Ok((x.into_tensor(b.dtype())?, info_tensor(&info, batch_of(a))?))
}

/// As [`solve_raw`], recorded.
fn solve_matrices(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (x, info) = solve_raw(a, b)?;
    if !autograd::needs_grad(&[a, b]) {
        return Ok((x, info));
    }
    let save = [Save::Input(0), Save::Output(0)];
    let x = autograd::record(x, "LinalgSolveExBackward0", &[a, b], &save, |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let (a, x) = (cx.saved(0)?, cx.saved(1)?);
        let for_b = solve_matrices(&adjoint(&a)?, g)?.0;
        let for_a = if cx.needs(0) { Some(table::neg(&matmul(&for_b, &adjoint(&x)?)?)?) } else { None };
        Ok(smallvec![for_a, Some(for_b)])
    });
    Ok((x, info))
}

/// Whether `b` is a vector, or a batch of them, next to the matrices `a`.
fn is_vector(a: &Tensor, b: &Tensor) -> bool {
    b.ndim() == 1 || (a.ndim() == b.ndim() + 1 && b.sizes() == &a.sizes()[..a.ndim() - 1])
}

fn solve_with_info(a: &Tensor, b: &Tensor, left: bool) -> Result<(Tensor, Tensor)> {
    check_square_float(a, "linalg.solve")?;
    if a.dtype() != b.dtype() {
        bail!(
            DType,
            "linalg.solve: Expected A and B to have the same dtype, but found A of type {} and B of type {} instead",
            a.dtype().scalar_name(),
            b.dtype().scalar_name()
        );
    }
    let vector = is_vector(a, b);
    let matrix = if vector { view::unsqueeze(b, -1)? } else { b.clone() };
    check_matrix(&matrix, "linalg.solve", "B")?;
    check_system("linalg.solve", a, &matrix, left)?;
    let (a, matrix) = broadcast_batches(a, &matrix)?;
    if !left {
        let (x, info) = solve_matrices(&transposed(&a)?, &transposed(&matrix)?)?;
        return Ok((transposed(&x)?, info));
    }
    let (x, info) = solve_matrices(&a, &matrix)?;
    Ok((if vector { view::squeeze(&x, Some(&[-1]))? } else { x }, info))
}

/// Refuses systems whose sizes do not fit.
pub fn check_system(function: &str, a: &Tensor, b: &Tensor, left: bool) -> Result<()> {
    let ((m, n), (p, q)) = (matrix_size(a), matrix_size(b));
    if n != if left { p } else { q } {
        bail!(
            Shape,
            "{function}: Incompatible shapes of A and B for the equation {} = B ({m}x{n} and {p}x{q})",
            if left { "AX" } else { "XA" }
        );
    }
    Ok(())
}

/// The solution of A X = B, or of X A = B; an error names the first singular matrix.
pub fn solve(a: &Tensor, b: &Tensor, left: bool) -> Result<Tensor> {
    let (x, info) = solve_with_info(a, b, left)?;
    if let Some((i, _)) = first_failure(&info)? {
        return Err(unsolvable("torch.linalg.solve", a.ndim() > 2, i));
    }
    Ok(x)
}

fn unsolvable(function: &str, batched: bool, i: usize) -> Error {
    Error::LinAlg(format!(
        "{function}: {}The solver failed because the input matrix is singular.",
        batch_element(batched, i)
    ))
}

fn solve_ex(a: &Tensor, b: &Tensor, left: bool, check: bool) -> Result<Output> {
    let (x, info) = solve_with_info(a, b, left)?;
    if check && let Some((i, _)) = first_failure(&info)? {
        return Err(unsolvable("torch.linalg.solve_ex", a.ndim() > 2, i));
    }
    Ok(Output::Named("linalg_solve_ex", &["result", "info"], vec![x, info]))
}

/// The inverse of a tensor as a map between its first `ind` dimensions and the others.
fn tensorinv(x: &Tensor, ind: i64) -> Result<Tensor> {
    if ind <= 0 {
        bail!(Shape, "Expected a strictly positive integer for 'ind', but got {ind}");
    }
    let at = (ind as usize).min(x.ndim());
    let (first, last) = x.sizes().split_at(at);
    let (m, n): (usize, usize) = (first.iter().product(), last.iter().product());
    if m != n {
        bail!(
            Shape,
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {n} != {m}"
        );
    }
    let sizes: Vec<usize> = last.iter().chain(first).copied().collect();
    view::reshape_to(&inverse(&view::reshape_to(x, &[m, m])?)?, &sizes)
}

/// The X for which tensordot(A, X) = B.
fn tensorsolve(a: &Tensor, b: &Tensor, dims: Option<&[i64]>) -> Result<Tensor> {
    let mut a = a.clone();
    if let Some(dims) = dims {
        let n = a.ndim();
        let moved = dims.iter().map(|&d| crate::layout::wrap_dim(d, n)).collect::<Result<Vec<_>>>()?;
        let mut order: Vec<i64> = (0..n).filter(|d| !moved.contains(d)).map(|d| d as i64).collect();
        order.extend(moved.iter().map(|&d| d as i64));
        a = view::permute(&a, &order)?;
    }
    let at = b.ndim().min(a.ndim());
    let (first, rest) = a.sizes().split_at(at);
    let (m, n): (usize, usize) = (first.iter().product(), rest.iter().product());
    if m != n {
        bail!(
            Shape,
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got {n} != {m}"
        );
    }
    if b.numel() != m {
        bail!(Shape, "tensorsolve: shapes {} and {} do not fit", Show(a.sizes()), Show(b.sizes()));
    }
    let sizes = rest.to_vec();
    let solution = solve(&view::reshape_to(&a, &[m, n])?, &view::reshape_to(b, &[m])?, true)?;
    view::reshape_to(&solution, &sizes)
}

pub const OPS: &[Op] = &[
    Op::new("linalg.inv(Tensor A) -> Tensor", |a| Ok(inverse(a.tensor(0))?.into()))
        .doc("The inverse of each matrix.")
        .samples("t(3, 3) | nc(2, 3, 3)"),
    Op::new("inverse(Tensor input) -> Tensor", |a| Ok(inverse(a.tensor(0))?.into()))
        .method()
        .doc("The inverse of each matrix.")
        .samples("t(2, 3, 3)"),
    Op::new("linalg.inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", |a| {
        inv_ex(a.tensor(0), a.bool(1))
    })
    .doc("The inverse of each matrix, and zero or the number of its first zero pivot.")
    .samples("t(2, 3, 3) | t(3, 3), check_errors=True"),
    Op::new("linalg.solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", |a| {
        Ok(solve(a.tensor(0), a.tensor(1), a.bool(2))?.into())
    })
    .doc("The solution of A X = B, or with left=False of X A = B.")
    .samples("t(3, 3), t(3) | t(3, 3), nc(2, 2, 3), left=False | t(2, 1, 3, 3), t(4, 3, 2)"),
    Op::new(
        "linalg.solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)",
        |a| solve_ex(a.tensor(0), a.tensor(1), a.bool(2), a.bool(3)),
    )
    .doc("As linalg.solve, with zero or the number of the first zero pivot of each matrix.")
    .samples("t(2, 3, 3), t(2, 3, 2) | t(3, 3), t(2, 3), left=False"),
    Op::new("linalg.tensorinv(Tensor input, int ind=2) -> Tensor", |a| {
        Ok(tensorinv(a.tensor(0), a.int(1))?.into())
    })
    .doc("The inverse of a tensor as a map from its last dimensions to its first `ind`.")
    .samples("t(4, 6, 8, 3) | t(6, 2, 3), ind=1"),
    Op::new("linalg.tensorsolve(Tensor input, Tensor other, int[]? dims=None) -> Tensor", |a| {
        Ok(tensorsolve(a.tensor(0), a.tensor(1), a.opt_ints(2))?.into())
    })
    .doc("The X for which tensordot(input, X) = other; `dims` of the input go last first.")
    .samples("t(6, 2, 3), t(6) | t(6, 4, 4, 3, 2), t(4, 3, 2), dims=(0, 2)"),
];
