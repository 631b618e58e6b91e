//! Functions of matrices: powers, exponentials, Vandermonde's matrix.

use smallvec::smallvec;

use super::inverse::{inverse, solve};
use super::*;
use crate::autograd::Save;
use crate::ops::arithmetic::{add, sub};
use crate::ops::joining::{cat, stack};
use crate::ops::matmul::matmul;
use crate::ops::reduce;
use crate::ops::registry::Op;

fn matrix_power(x: &Tensor, n: i64) -> Result<Tensor> {
    check_square(x, "linalg.matrix_power", "A")?;
    if n == 0 {
        let size = matrix_size(x).0;
        let one = view::expand_to(&identity(size, x.dtype())?, x.sizes())?;
        return tied(&copy::contiguous_copy(&one)?, x);
    }
    let mut square = if n < 0 { inverse(x)? } else { x.clone() };
    let mut left = n.unsigned_abs();
    let mut result: Option<Tensor> = None;
    while left > 0 {
        if left & 1 == 1 {
            result = Some(match result {
                Some(r) => matmul(&r, &square)?,
                None => square.clone(),
            });
        }
        left >>= 1;
        if left > 0 {
            square = matmul(&square, &square)?;
        }
    }
    let result = result.expect("n is not zero");
    if n.unsigned_abs() == 1 { copy::contiguous_copy(&result) } else { Ok(result) }
}

/// Coefficients of the diagonal Padé approximant of order 13 to the exponential function.
const PADE: [f64; 14] = [
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
];

/// The norm up to which that approximant is exact to double precision.
const PADE_LIMIT: f64 = 5.371920351148152;

/// The exponential by scaling and squaring (N. J. Higham, The scaling and squaring method for the matrix
/// exponential revisited, 2005); no tape.
fn exponential_raw(x: &Tensor) -> Result<Tensor> {
    let n = matrix_size(x).0;
    let a = copy::to_dtype(&x.detached(), working(x.dtype()))?;
    let sums = reduce::sum(&crate::ops::arithmetic::abs(&a)?, Some(&[-2]), false, None)?;
    let norm = copy::values::<f64>(&sums)?.into_iter().fold(0.0, f64::max);
    let squarings =
        if norm > PADE_LIMIT && norm.is_finite() { (norm / PADE_LIMIT).log2().ceil() as i32 } else { 0 };
    let a = mul(&a, 0.5f64.powi(squarings))?;
    let one = identity(n, a.dtype())?;
    let a2 = matmul(&a, &a)?;
    let a4 = matmul(&a2, &a2)?;
    let a6 = matmul(&a4, &a2)?;
    let terms = |c: [usize; 4]| -> Result<Tensor> {
        let sum = add(&mul(&a6, PADE[c[0]])?, &mul(&a4, PADE[c[1]])?)?;
        let sum = add(&sum, &mul(&a2, PADE[c[2]])?)?;
        if c[3] == usize::MAX { Ok(sum) } else { add(&sum, &mul(&one, PADE[c[3]])?) }
    };
    let odd = matmul(&a, &add(&matmul(&a6, &terms([13, 11, 9, usize::MAX])?)?, &terms([7, 5, 3, 1])?)?)?;
    let even = add(&matmul(&a6, &terms([12, 10, 8, usize::MAX])?)?, &terms([6, 4, 2, 0])?)?;
    let mut result = match solve(&sub(&even, &odd)?, &add(&even, &odd)?, true) {
        // Only what is not finite is singular here.
        Err(Error::LinAlg(_)) => mul(&even, f64::NAN)?,
        other => other?,
    };
    for _ in 0..squarings {
        result = matmul(&result, &result)?;
    }
    copy::contiguous(&copy::to_dtype(&result, x.dtype())?)
}

/// The exponential of each matrix.
fn exponential(x: &Tensor) -> Result<Tensor> {
    check_square(x, "linalg.matrix_exp", "A")?;
    check_float(x, "linalg.matrix_exp", true)?;
    if x.numel() == 0 {
        return copy::clone(x);
    }
    let out = autograd::no_grad(|| exponential_raw(x))?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "LinalgMatrixExpBackward0", &[x], &[Save::Input(0)], |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        // exp [[A, G], [0, A]] has the derivative in the direction G in its corner (C. Van Loan, 1978).
        let a = adjoint(&cx.saved(0)?)?;
        let n = matrix_size(&a).0;
        let zero = creation::zeros(a.sizes(), a.dtype())?;
        let upper = cat(&[a.clone(), g.clone()], -1)?;
        let whole = exponential(&cat(&[upper, cat(&[zero, a], -1)?], -2)?)?;
        let corner = view::narrow(&view::narrow(&whole, -2, 0, n as i64)?, -1, n as i64, n as i64)?;
        Ok(smallvec![Some(corner)])
    }))
}

/// Rows of the powers of each element, from zero up.
fn powers(x: &Tensor, count: usize) -> Result<Tensor> {
    let mut columns = crate::alloc::vec_for(count)?;
    for i in 0..count {
        let next = match i {
            0 => creation::full(x.sizes(), Scalar::Int(1), x.dtype())?,
            1 => x.clone(),
            _ => mul(&columns[i - 1], x)?,
        };
        columns.push(next);
    }
    stack(&columns, -1)
}

fn linalg_vander(x: &Tensor, n: Option<i64>) -> Result<Tensor> {
    if matches!(x.dtype(), DType::Bool | DType::F16 | DType::BF16) {
        bail!(
            DType,
            "linalg.vander supports floating point, complex, and integer tensors, but got {}",
            x.dtype().scalar_name()
        );
    }
    let x = if x.dtype().is_integral() { &copy::to_dtype(x, DType::I64)? } else { x };
    let x = if x.ndim() == 0 { view::unsqueeze(x, 0)? } else { x.clone() };
    let count = n.unwrap_or(x.size(x.ndim() - 1) as i64);
    if count <= 1 {
        bail!(Shape, "N must be greater than 1.");
    }
    powers(&x, count as usize)
}

pub const OPS: &[Op] = &[
    Op::new("linalg.matrix_power(Tensor A, int n) -> Tensor", |a| {
        Ok(matrix_power(a.tensor(0), a.int(1))?.into())
    })
    .doc("The n-th power of each matrix; of its inverse for negative n.")
    .samples("t(3, 3), 3 | nc(2, 2, 2), 0 | t(3, 3), -2"),
    Op::new("matrix_power(Tensor input, int n) -> Tensor", |a| {
        Ok(matrix_power(a.tensor(0), a.int(1))?.into())
    })
    .method()
    .doc("The n-th power of each matrix; of its inverse for negative n.")
    .samples("t(3, 3), 5"),
    Op::new("linalg.matrix_exp(Tensor A) -> Tensor", |a| Ok(exponential(a.tensor(0))?.into()))
        .doc("The exponential of each matrix."),
    Op::new("matrix_exp(Tensor input) -> Tensor", |a| Ok(exponential(a.tensor(0))?.into()))
        .method()
        .doc("The exponential of each matrix."),
    Op::new("linalg.vander(Tensor x, *, int? N=None) -> Tensor", |a| {
        Ok(linalg_vander(a.tensor(0), a.opt_int(1))?.into())
    })
    .doc("Vandermonde's matrix: a row of rising powers for each element.")
    .samples("t(3) | nc(2, 3), N=4"),
    Op::new("linalg.diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", |a| {
        Ok(view::diagonal(a.tensor(0), a.int(1), a.int(2), a.int(3))?.into())
    })
    .doc("The diagonal of each matrix; a view.")
    .samples("t(3, 4) | t(2, 3, 3), offset=1"),
];
