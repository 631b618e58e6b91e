//! Factors of symmetric and Hermitian matrices that need not be positive-definite: P A Pᵀ = L D Lᵀ.

use smallvec::smallvec;

use super::*;
use crate::cpu::linalg::ldl;
use crate::ops::registry::{Op, Output};

/// L and D in one matrix, pivots as LAPACK has them, and first blocks that are zero.
fn factor(x: &Tensor, hermitian: bool) -> Result<(Vec<Tensor>, Tensor)> {
    let function = "torch.linalg.ldl_factor_ex";
    check_square_float(x, function)?;
    let (a, pivots, info) = factor_raw(x, hermitian)?;
    let mut factors = autograd::record_unknown(vec![a.into_tensor(x.dtype())?], "linalg_ldl_factor_ex", &[x]);
    factors.push(pivots.into_tensor(DType::I32)?);
    Ok((factors, info))
}

/// As [`factor`]; no tape.
fn factor_raw(x: &Tensor, hermitian: bool) -> Result<(Matrices, Vectors, Tensor)> {
    let a = Matrices::read(x)?;
    let n = a.rows;
    let pivots = Vectors::empty(batch_of(x), n, DType::I32)?;
    if a.on_gpu() {
        let info = no_failures(batch_of(x))?;
        cuda::linalg::ldl::factor(&a.part()?, &pivots.part()?, &info, hermitian)?;
        return Ok((a.triangle(n, true)?, pivots, info));
    }
    let mut info = info_for(a.count)?;
    let slots = Slots::of(&mut info);
    over_field!(x.dtype(), T => for_each_matrix(a.count, (n * n) as f64 * n as f64 / 3.0, |i| {
        // SAFETY: buffers of these types; matrix i belongs to this call.
        let zero = ldl::factor(unsafe { a.nth::<T>(i) }, n, unsafe { pivots.nth::<i32>(i) }, hermitian);
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, zero as i32) };
    }));
    Ok((a, pivots, info_tensor(&info, batch_of(x))?))
}

fn check_info(x: &Tensor, function: &str, info: &Tensor) -> Result<()> {
    let Some((i, at)) = first_failure(info)? else { return Ok(()) };
    bail!(
        LinAlg,
        "{function}: {}The factorization could not be completed: block {at} of D is zero, the matrix is singular.",
        batch_element(x.ndim() > 2, i)
    )
}

fn ldl_factor(x: &Tensor, hermitian: bool) -> Result<Output> {
    let (factors, info) = factor(x, hermitian)?;
    check_info(x, "torch.linalg.ldl_factor", &info)?;
    Ok(Output::Named("linalg_ldl_factor", &["LD", "pivots"], factors))
}

fn ldl_factor_ex(x: &Tensor, hermitian: bool, check_errors: bool) -> Result<Output> {
    let (mut factors, info) = factor(x, hermitian)?;
    if check_errors {
        check_info(x, "torch.linalg.ldl_factor_ex", &info)?;
    }
    factors.push(info);
    Ok(Output::Named("linalg_ldl_factor_ex", &["LD", "pivots", "info"], factors))
}

/// The solution of A X = B from the factors of A.
fn ldl_solve(ld: &Tensor, pivots: &Tensor, b: &Tensor, hermitian: bool) -> Result<Tensor> {
    let name = "torch.linalg.ldl_solve";
    check_square(ld, name, "A")?;
    check_float(ld, name, false)?;
    if b.ndim() < 2 {
        bail!(
            Index,
            "{name}: Expected B to have at least 2 dimensions, but it has {} dimensions instead",
            b.ndim()
        );
    }
    if ld.dtype() != b.dtype() {
        bail!(
            DType,
            "Expected b and A to have the same dtype, but found b of type {} and A of type {} instead.",
            b.dtype().scalar_name(),
            ld.dtype().scalar_name()
        );
    }
    if pivots.sizes() != &ld.sizes()[..ld.ndim() - 1] {
        bail!(
            Shape,
            "{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape {:?} instead",
            pivots.sizes()
        );
    }
    if !matches!(pivots.dtype(), DType::I32 | DType::I64 | DType::I16 | DType::I8 | DType::U8) {
        bail!(DType, "{name}: Expected pivots to be integers. Got {}", pivots.dtype().scalar_name());
    }
    let (n, rows) = (matrix_size(ld).0, matrix_size(b).0);
    if n != rows {
        bail!(
            Shape,
            "Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {rows} by {}",
            matrix_size(b).1
        );
    }
    let out = autograd::no_grad(|| solved(ld, pivots, b, hermitian))?;
    if !autograd::needs_grad(&[ld, b]) {
        return Ok(out);
    }
    let (ld_kept, pivots_kept, b_sizes) = (ld.detached(), pivots.detached(), Sizes::from(b.sizes()));
    Ok(autograd::record(out, "LinalgLdlSolveBackward0", &[ld, b], &[], move |cx| {
        if cx.needs(0) {
            bail!(Unsupported, "the derivative for 'LD' of linalg.ldl_solve is not implemented.");
        }
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        // The adjoint of a symmetric inverse is its conjugate, that of a Hermitian one is itself.
        let conjugates = !hermitian && g.dtype().is_complex();
        let turned = |t: &Tensor| if conjugates { conj(t) } else { Ok(t.clone()) };
        let g = turned(&ldl_solve(&ld_kept, &pivots_kept, &turned(g)?, hermitian)?)?;
        Ok(smallvec![None, Some(crate::ops::reduce::sum_to_size(&g, &b_sizes)?)])
    }))
}

fn solved(ld: &Tensor, pivots: &Tensor, b: &Tensor, hermitian: bool) -> Result<Tensor> {
    let (n, columns) = (matrix_size(ld).0, matrix_size(b).1);
    let (ld, b) = broadcast_batches(ld, b)?;
    let pivots = view::expand_to(pivots, &ld.sizes()[..ld.ndim() - 1])?;
    if ld.device().is_cuda() {
        let x = Matrices::read(&b)?;
        let pivots = copy::contiguous(&copy::to_dtype(&pivots, DType::I32)?)?;
        cuda::linalg::ldl::solve(&gpu_batch(&ld)?, &pivots, &x.part()?, hermitian)?;
        return x.into_tensor(b.dtype());
    }
    let pivots: Vec<i32> = pivots.to_vec();
    let allowed = |&p: &i32| p != 0 && p.unsigned_abs() as usize <= n;
    if !pivots.iter().all(allowed) {
        bail!(Index, "torch.linalg.ldl_solve: pivots must be rows of LD, counted from 1, or their negatives");
    }
    let (a, x) = (Matrices::read(&ld)?, Matrices::read(&b)?);
    over_field!(ld.dtype(), T => for_each_matrix(x.count, 2.0 * (n * n) as f64 * columns as f64, |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, x) = unsafe { (a.nth::<T>(i), x.nth::<T>(i)) };
        ldl::solve(a, n, &pivots[i * n..(i + 1) * n], x, hermitian);
    }));
    x.into_tensor(b.dtype())
}

pub const OPS: &[Op] = &[
    Op::new("linalg.ldl_factor(Tensor input, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)", |a| {
        ldl_factor(a.tensor(0), a.bool(1))
    })
    .doc("L and D of a symmetric or Hermitian matrix in one, and pivots as LAPACK's sytrf has them; only the lower triangle is read.")
    .samples("t(3, 3) | nc(2, 4, 4) | t(3, 3), hermitian=True")
    .no_gradient(),
    Op::new("linalg.ldl_factor_ex(Tensor input, *, bool hermitian=False, bool check_errors=False) -> (Tensor LD, Tensor pivots, Tensor info)", |a| {
        ldl_factor_ex(a.tensor(0), a.bool(1), a.bool(2))
    })
    .doc("As linalg.ldl_factor, with zero or the number of the first block of D that is zero.")
    .samples("t(3, 3) | t(2, 3, 3), hermitian=True")
    .no_gradient(),
    Op::new("linalg.ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor", |a| {
        Ok(ldl_solve(a.tensor(0), a.tensor(1), a.tensor(2), a.bool(3))?.into())
    })
    .doc("The solution of A X = B from what linalg.ldl_factor returns for A.")
    .samples("fixed(3, 3), torch.tensor([1, 2, 3], dtype=torch.int32), t(3, 2) | fixed(3, 3), torch.tensor([1, -3, -3], dtype=torch.int32), t(2, 3, 2)"),
];
