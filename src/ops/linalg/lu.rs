//! LU with partial pivoting: A = P L U.

use smallvec::smallvec;

use super::inverse::check_system;
use super::triangular::solve_triangular;
use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::lu;
use crate::layout::checked_numel;
use crate::ops::arithmetic::{add, sub};
use crate::ops::joining::cat;
use crate::ops::matmul::{matmul, triangle};
use crate::ops::registry::{Op, Output};
use crate::ops::table;
use crate::warn_once;

/// L (below the diagonal) and U in one matrix, the rows exchanged (from 1), and first zero pivots.
struct Factored {
    compact: Tensor,
    pivots: Tensor,
    info: Tensor,
}

fn factor(x: &Tensor, function: &str) -> Result<Factored> {
    check_matrix(x, function, "A")?;
    check_float(x, function, false)?;
    let a = Matrices::read(x)?;
    let (m, n) = (a.rows, a.columns);
    let k = m.min(n);
    let pivots = Vectors::empty(batch_of(x), k, DType::I32)?;
    let info = if a.on_gpu() {
        let info = no_failures(batch_of(x))?;
        cuda::linalg::lu::factor(&a.part()?, &pivots.part()?, &info)?;
        info
    } else {
        let mut info = info_for(a.count)?;
        let slots = Slots::of(&mut info);
        over_field!(x.dtype(), T => for_each_matrix(a.count, (m * n) as f64 * k as f64, |i| {
            let mut rows = vec![0; k];
            // SAFETY: buffers of this type; matrix i belongs to this call.
            let first_zero = lu::factor(unsafe { a.nth::<T>(i) }, m, n, &mut rows);
            // SAFETY: as above, of int32.
            let named = unsafe { pivots.nth::<i32>(i) };
            named.iter_mut().zip(rows).for_each(|(p, row)| *p = row as i32 + 1);
            // SAFETY: one place a matrix.
            unsafe { slots.set(i, first_zero as i32) };
        }));
        info_tensor(&info, batch_of(x))?
    };
    let (compact, pivots) = (a.into_tensor(x.dtype())?, pivots.into_tensor(DType::I32)?);
    if !autograd::needs_grad(&[x]) {
        return Ok(Factored { compact, pivots, info });
    }
    let save = [Save::Output(0), Save::Other(&pivots)];
    let compact = autograd::record(compact, "LinalgLuFactorExBackward0", &[x], &save, |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(gradient(&cx.saved(0)?, &cx.saved(1)?, g)?)])
    });
    Ok(Factored { compact, pivots, info })
}

/// The gradient of A from that of the compact factors. With W = L₁⁻¹ Pᵀ dA₁ U₁⁻¹ on the leading square
/// block, dL₁ = L₁ tril(W, -1) and dU₁ = triu(W) U₁; what lies beside or below follows from A = P L U.
fn gradient(compact: &Tensor, pivots: &Tensor, g: &Tensor) -> Result<Tensor> {
    let (m, n) = matrix_size(compact);
    let k = m.min(n) as i64;
    let block = |t: &Tensor, r: (i64, i64), c: (i64, i64)| -> Result<Tensor> {
        view::narrow(&view::narrow(t, -2, r.0, r.1)?, -1, c.0, c.1)
    };
    let (below, beside) = (m as i64 - k, n as i64 - k);
    let (f, h) = (block(compact, (0, k), (0, k))?, block(g, (0, k), (0, k))?);
    let (u, gu) = (triangle(&f, 0, false)?, triangle(&h, 0, false)?);
    let gl = triangle(&h, -1, true)?;
    let unit_l = &add(&triangle(&f, -1, true)?, &identity(k as usize, f.dtype())?)?;
    let mut lower = matmul(&adjoint(unit_l)?, &gl)?;
    let mut upper = matmul(&gu, &adjoint(&u)?)?;
    if beside > 0 {
        let (u2, gu2) = (block(compact, (0, k), (k, beside))?, block(g, (0, k), (k, beside))?);
        lower = sub(&lower, &matmul(&gu2, &adjoint(&u2)?)?)?;
    }
    if below > 0 {
        let (l2, gl2) = (block(compact, (k, below), (0, k))?, block(g, (k, below), (0, k))?);
        upper = sub(&upper, &matmul(&adjoint(&l2)?, &gl2)?)?;
    }
    let middle = add(&triangle(&lower, -1, true)?, &triangle(&upper, 0, false)?)?;
    let turned_u = adjoint(&u)?;
    let turned_l = adjoint(unit_l)?;
    let right = |t: &Tensor| solve_triangular(&turned_u, t, false, false, false);
    let left = |t: &Tensor| solve_triangular(&turned_l, t, true, true, true);
    let mut whole = left(&right(&middle)?)?;
    if beside > 0 {
        let gu2 = block(g, (0, k), (k, beside))?;
        whole = cat(&[whole, left(&gu2)?], -1)?;
    }
    if below > 0 {
        let gl2 = block(g, (k, below), (0, k))?;
        whole = cat(&[whole, right(&gl2)?], -2)?;
    }
    matmul(&permutation(pivots, m, g.dtype())?, &whole)
}

/// P of A = P L U from the rows that were exchanged.
fn permutation(pivots: &Tensor, m: usize, dtype: DType) -> Result<Tensor> {
    let batch = &pivots.sizes()[..pivots.ndim() - 1];
    let k = pivots.size(pivots.ndim() - 1);
    if pivots.device().is_cuda() {
        return autograd::no_grad(|| {
            let rows = cuda::linalg::lu::rows_of(&cuda::linalg::flat(&copy::contiguous(pivots)?, 1)?, m)?;
            let numbers =
                creation::arange(Scalar::Int(0), Scalar::Int(m as i64), Scalar::Int(1), DType::I64)?;
            let ones = table::eq(&view::unsqueeze(&rows, -2)?, &view::unsqueeze(&numbers, -1)?)?;
            view::reshape_to(&copy::to_dtype(&ones, dtype)?, &with_sizes(batch, &[m, m]))
        });
    }
    let exchanges: Vec<i32> = copy::values(pivots)?;
    let count = checked_numel(batch)?;
    let out = creation::zeros(&with_sizes(batch, &[m, m]), working(dtype))?;
    let place = |at: usize| -> Result<()> {
        over_field!(dtype, T => {
            // SAFETY: `at` is below count * m * m, the elements of `out`.
            unsafe { out.ptr().cast::<T>().add(at).write(<T as crate::cpu::linalg::Field>::from_real(1.0)) };
        });
        Ok(())
    };
    for i in 0..count {
        let mut rows: Vec<usize> = (0..m).collect();
        for (j, &p) in exchanges[i * k..(i + 1) * k].iter().enumerate() {
            if p < 1 || p as usize > m || j >= m {
                bail!(Shape, "LU pivots must be between 1 and {m}, but one is {p}");
            }
            rows.swap(j, p as usize - 1);
        }
        // Row j of L U is row rows[j] of A.
        for (j, row) in rows.into_iter().enumerate() {
            place(i * m * m + row * m + j)?;
        }
    }
    autograd::no_grad(|| copy::to_dtype(&out, dtype))
}

/// L and U out of the compact form.
fn unpack(compact: &Tensor) -> Result<(Tensor, Tensor)> {
    let (m, n) = matrix_size(compact);
    let k = m.min(n);
    let first = view::narrow(compact, -1, 0, k as i64)?;
    let one = creation::eye(m as i64, k as i64, compact.dtype())?;
    let l = add(&copy::contiguous(&triangle(&first, -1, true)?)?, &one)?;
    let u = triangle(&view::narrow(compact, -2, 0, k as i64)?, 0, false)?;
    Ok((copy::contiguous(&l)?, copy::contiguous(&u)?))
}

fn check_pivoting(pivot: bool, function: &str) -> Result<()> {
    if !pivot {
        bail!(Autograd, "{function}: LU without pivoting is not implemented on the CPU");
    }
    Ok(())
}

fn decompose(x: &Tensor, pivot: bool) -> Result<Output> {
    check_pivoting(pivot, "linalg.lu_factor")?;
    let f = factor(x, "linalg.lu")?;
    let (l, u) = unpack(&f.compact)?;
    let p = permutation(&f.pivots, matrix_size(x).0, x.dtype())?;
    Ok(Output::Named("linalg_lu", &["P", "L", "U"], vec![p, l, u]))
}

fn zero_pivot(function: &str, batched: bool, (i, at): (usize, i32)) -> Error {
    Error::Autograd(format!(
        "{function}: {}U[{at},{at}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)",
        batch_element(batched, i)
    ))
}

fn lu_factor(x: &Tensor, pivot: bool) -> Result<Output> {
    check_pivoting(pivot, "linalg.lu_factor")?;
    let f = factor(x, "linalg.lu_factor")?;
    if let Some(failure) = first_failure(&f.info)? {
        return Err(zero_pivot("torch.linalg.lu_factor", x.ndim() > 2, failure));
    }
    Ok(Output::Named("linalg_lu_factor", &["LU", "pivots"], vec![f.compact, f.pivots]))
}

fn lu_factor_ex(x: &Tensor, pivot: bool, check: bool) -> Result<Output> {
    check_pivoting(pivot, "linalg.lu_factor")?;
    let f = factor(x, "linalg.lu_factor_ex")?;
    if check && let Some(failure) = first_failure(&f.info)? {
        return Err(zero_pivot("torch.linalg.lu_factor_ex", x.ndim() > 2, failure));
    }
    let outputs = vec![f.compact, f.pivots, f.info];
    Ok(Output::Named("linalg_lu_factor_ex", &["LU", "pivots", "info"], outputs))
}

/// As `torch.lu` has it: with the first zero pivots only where they are asked for.
fn lu_old(x: &Tensor, pivot: bool, with_info: bool) -> Result<Output> {
    check_pivoting(pivot, "linalg.lu_factor")?;
    let f = factor(x, "torch.lu")?;
    if with_info {
        let outputs = vec![f.compact, f.pivots, f.info];
        return Ok(Output::Named("_lu_with_info", &["LU", "pivots", "info"], outputs));
    }
    if let Some(failure) = first_failure(&f.info)? {
        return Err(zero_pivot("torch.lu", x.ndim() > 2, failure));
    }
    Ok(Output::Tensors(vec![f.compact, f.pivots]))
}

fn lu_unpack(compact: &Tensor, pivots: &Tensor, data: bool, with_pivots: bool) -> Result<Output> {
    check_matrix(compact, "torch.lu_unpack", "LU_data")?;
    if pivots.dtype() != DType::I32 && with_pivots {
        bail!(
            DType,
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        );
    }
    let nothing = || creation::zeros(&[0], compact.dtype());
    let (m, n) = matrix_size(compact);
    let p = if with_pivots {
        if pivots.ndim() == 0 || pivots.size(pivots.ndim() - 1) != m.min(n) {
            bail!(Shape, "torch.lu_unpack: LU_pivots do not fit matrices of {m} by {n}");
        }
        permutation(pivots, m, compact.dtype())?
    } else {
        nothing()?
    };
    let (l, u) = if data { unpack(compact)? } else { (nothing()?, nothing()?) };
    Ok(Output::Named("lu_unpack", &["P", "L", "U"], vec![p, l, u]))
}

/// The solution of A X = B (or X A = B, or with the adjoint of A) from the factors of A.
fn lu_solve(compact: &Tensor, pivots: &Tensor, b: &Tensor, left: bool, adjoint_of: bool) -> Result<Tensor> {
    let name = "linalg.lu_solve";
    check_square(compact, name, "LU")?;
    check_matrix(b, name, "B")?;
    check_float(compact, name, false)?;
    if compact.dtype() != b.dtype() {
        bail!(
            DType,
            "{name}: Expected LU and B to have the same dtype, but found LU of type {} and B of type {} instead",
            compact.dtype().scalar_name(),
            b.dtype().scalar_name()
        );
    }
    if pivots.dtype() != DType::I32 {
        bail!(DType, "{name}: pivots should be a Tensor of scalar type torch.int32");
    }
    check_system(name, compact, b, left)?;
    let n = matrix_size(compact).0;
    if pivots.ndim() + 1 != compact.ndim() || pivots.sizes() != &compact.sizes()[..compact.ndim() - 1] {
        bail!(Shape, "{name}: Number of pivots per batch should be same as the dimension of the matrix");
    }
    let p = permutation(pivots, n, compact.dtype())?;
    if !left {
        // X A = B: Aᴴ Xᴴ = Bᴴ.
        return adjoint(&solve_factored(compact, &p, &adjoint(b)?, !adjoint_of)?);
    }
    solve_factored(compact, &p, b, adjoint_of)
}

fn solve_factored(compact: &Tensor, p: &Tensor, b: &Tensor, adjoint_of: bool) -> Result<Tensor> {
    if adjoint_of {
        // Aᴴ = Uᴴ Lᴴ Pᵀ.
        let turned = adjoint(compact)?;
        let half = solve_triangular(&turned, b, false, true, false)?;
        return matmul(p, &solve_triangular(&turned, &half, true, true, true)?);
    }
    let half = solve_triangular(compact, &matmul(&transposed(p)?, b)?, false, true, true)?;
    solve_triangular(compact, &half, true, true, false)
}

pub const OPS: &[Op] = &[
    Op::new("linalg.lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", |a| decompose(a.tensor(0), a.bool(1)))
        .doc("P, L and U with A = P L U, L with a unit diagonal.")
        .samples("t(3, 3) | nc(2, 4, 3) | t(3, 5)"),
    Op::new("linalg.lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", |a| lu_factor(a.tensor(0), a.bool(1)))
        .doc("L and U in one matrix, and the rows that were exchanged, counted from 1.")
        .samples("t(3, 3) | nc(2, 4, 3)"),
    Op::new("linalg.lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)", |a| {
        lu_factor_ex(a.tensor(0), a.bool(1), a.bool(2))
    })
    .doc("As linalg.lu_factor, with zero or the number of the first zero pivot.")
    .samples("t(3, 3) | t(2, 3, 4)"),
    Op::new("lu(Tensor input, bool pivot=True) -> (Tensor LU, Tensor pivots)", |a| {
        lu_old(a.tensor(0), a.bool(1), false)
    })
    .method()
    .doc("As linalg.lu_factor, or with get_infos=True as linalg.lu_factor_ex.")
    .samples("t(3, 3) | t(2, 3, 4)"),
    Op::new("lu(Tensor input, bool pivot=True, bool get_infos=False) -> (Tensor LU, Tensor pivots, Tensor info)", |a| {
        lu_old(a.tensor(0), a.bool(1), a.bool(2))
    })
    .method(),
    Op::new(
        "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)",
        |a| lu_unpack(a.tensor(0), a.tensor(1), a.bool(2), a.bool(3)),
    )
    .doc("P, L and U out of what linalg.lu_factor returns.")
    .samples("t(3, 3), torch.tensor([2, 2, 3], dtype=torch.int32) | t(3, 2), torch.tensor([3, 2], dtype=torch.int32), unpack_pivots=False"),
    Op::new("linalg.lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor", |a| {
        Ok(lu_solve(a.tensor(0), a.tensor(1), a.tensor(2), a.bool(3), a.bool(4))?.into())
    })
    .doc("The solution of A X = B, or with left=False of X A = B, from what linalg.lu_factor returns.")
    .samples("t(3, 3), torch.tensor([2, 2, 3], dtype=torch.int32), t(3, 2) | t(3, 3), torch.tensor([2, 3, 3], dtype=torch.int32), t(2, 3), left=False, adjoint=True"),
    Op::new("lu_solve(Tensor b, Tensor LU_data, Tensor LU_pivots) -> Tensor", |a| {
        warn_once!(
            "torch.lu_solve is deprecated in favor of torch.linalg.lu_solveand will be removed in a future PyTorch release.\nIts arguments are in another order: torch.linalg.lu_solve(LU, pivots, B)."
        );
        Ok(lu_solve(a.tensor(1), a.tensor(2), a.tensor(0), true, false)?.into())
    })
    .method()
    .doc("As linalg.lu_solve, in another order.")
    .samples("t(3, 2), t(3, 3), torch.tensor([2, 2, 3], dtype=torch.int32)"),
];
