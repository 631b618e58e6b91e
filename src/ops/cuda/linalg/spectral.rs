//! Singular values and eigenvalues, by Jacobi's rotations.
//!
//! Matrices are tensors (count, rows, columns) in float64 or complex128. A *buffer* is the contiguous transpose of
//! matrices: their columns lie side by side.

use super::{jacobi, part, qr, turned};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::arithmetic::{abs, add, div, mul, sub, where_};
use crate::ops::extreme::extreme;
use crate::ops::gather::gather;
use crate::ops::linalg::diagonal_matrix;
use crate::ops::matmul::triangle;
use crate::ops::products::conj;
use crate::ops::sort::sort;
use crate::ops::{copy, creation, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// What became of a matrix, as `info` has it.
pub const NOT_FINITE: i32 = 1;
pub const NO_CONVERGENCE: i32 = 2;

/// U S Vᴴ; buffers of U and of V. They are empty where no vectors were asked for.
pub struct Singular {
    pub u: Tensor,
    pub s: Tensor,
    pub v: Tensor,
    pub info: Tensor,
}

/// Eigenvalues in ascending order, the buffer of the vectors, and `info`.
pub struct Eigen {
    pub values: Tensor,
    pub vectors: Tensor,
    pub info: Tensor,
}

pub fn buffer_of(x: &Tensor) -> Result<Tensor> {
    copy::contiguous_copy(&turned(x))
}

/// Unit vectors, the first ones.
pub fn unit_vectors(count: usize, columns: usize, rows: usize, dtype: DType) -> Result<Tensor> {
    let one = creation::eye(columns as i64, rows as i64, dtype)?;
    copy::contiguous_copy(&view::expand_to(&one, &[count, columns, rows])?)
}

/// The least power of two that is not below a bound; one for zero.
fn power_above(bound: &Tensor) -> Result<Tensor> {
    let power = table::exp2(&table::ceil(&table::log2(bound)?)?)?;
    where_(&table::gt(bound, 0.0)?, &power, 1.0)
}

/// For each matrix whether it has an element that is not finite.
pub fn not_finite(x: &Tensor) -> Result<Tensor> {
    // Zeros, or NaN.
    let zeros = reduce::sum(&mul(&abs(x)?, 0.0)?, Some(&[1, 2]), false, None)?;
    table::ne(&zeros, 0.0)
}

/// Where matrices are not finite, and where rotations did not end.
fn info_of(x: &Tensor, still_turned: &Tensor) -> Result<Tensor> {
    let flag = |t: &Tensor, code: i32| mul(&copy::to_dtype(t, DType::I32)?, Scalar::Int(i64::from(code)));
    let not_finite = flag(&not_finite(x)?, NOT_FINITE)?;
    add(&not_finite, &flag(&table::gt(still_turned, Scalar::Int(0))?, NO_CONVERGENCE)?)
}

/// Lengths of the columns in a buffer, sorted; and both buffers in that order.
fn sorted(w: &Tensor, v: &Tensor, descending: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let squares = reduce::sum(&table::square(&abs(w)?)?, Some(&[2]), false, None)?;
    let (lengths, order) = sort(&table::sqrt(&squares)?, -1, descending)?;
    let reordered = |t: &Tensor| gather(t, 1, &view::expand_to(&view::unsqueeze(&order, -1)?, t.sizes())?);
    Ok((lengths, reordered(w)?, reordered(v)?))
}

/// Singular values in descending order, with vectors where asked for, thin or full.
pub fn singular(x: &Tensor, vectors: bool, full: bool) -> Result<Singular> {
    let (count, m, n, dtype) = (x.size(0), x.size(1), x.size(2), x.dtype());
    if m < n {
        // A = U S Vᴴ is Aᴴ = V S Uᴴ.
        let Singular { u, s, v, info } = singular(&conj(&turned(x))?, vectors, full)?;
        return Ok(Singular { u: v, s, v: u, info });
    }
    let columns = if !vectors {
        0
    } else if full {
        m
    } else {
        n
    };
    // Scaled, so that squares neither overflow nor vanish.
    let scale = match x.numel() {
        0 => creation::full(&[count, 1, 1], Scalar::Float(1.0), DType::F64)?,
        _ => power_above(&extreme(&abs(x)?, true, 0b110, true, "amax")?)?,
    };
    let a = turned(&buffer_of(&div(x, &scale)?)?);
    let tau = Tensor::empty(&[count, n, 1], dtype)?;
    // Of tall matrices only R is turned.
    let w = if m > n {
        qr::factor(&a, &tau)?;
        triangle(&turned(&part(&a, 0..n, 0..n)), 0, true)?
    } else {
        turned(&a)
    };
    let v = unit_vectors(count, n, if vectors { n } else { 0 }, dtype)?;
    let still_turned = jacobi::orthogonalise(&w, &v)?;
    let info = info_of(x, &still_turned)?;
    let (lengths, w, v) = sorted(&w, &v, true)?;
    let s = mul(&lengths, &view::squeeze(&scale, Some(&[-1]))?)?;
    let u = unit_vectors(count, columns, m, dtype)?;
    if vectors && n > 0 {
        // Columns that are orthogonal are R's diagonal times Q: where a singular value is zero too, Q is there.
        let (columns_of_w, its_tau) = (turned(&w), Tensor::empty(&[count, n, 1], dtype)?);
        qr::factor(&columns_of_w, &its_tau)?;
        let diagonal = copy::to_dtype(&view::diagonal(&columns_of_w, 0, 1, 2)?, DType::F64)?;
        let sign = where_(
            &table::lt(&diagonal, 0.0)?,
            -1.0,
            &creation::full(diagonal.sizes(), Scalar::Float(1.0), DType::F64)?,
        )?;
        let own = unit_vectors(count, n, n, dtype)?;
        qr::form(&columns_of_w, &its_tau, &turned(&own))?;
        copy::write(&part(&u, 0..n, 0..n), &mul(&own, &view::unsqueeze(&sign, -1)?)?)?;
        if m > n {
            qr::apply(&a, &tau, &turned(&u), false)?;
        }
    }
    Ok(Singular { u, s, v, info })
}

/// Eigenvalues of self-adjoint matrices, of which the lower triangles are read, and vectors where asked for. Shifted
/// by a bound of their size they are positive, and their singular values are the eigenvalues.
pub fn self_adjoint(x: &Tensor, vectors: bool) -> Result<Eigen> {
    let (count, n, dtype) = (x.size(0), x.size(1), x.dtype());
    let strict = triangle(x, -1, true)?;
    let diagonal = copy::to_dtype(&copy::to_dtype(&view::diagonal(x, 0, 1, 2)?, DType::F64)?, dtype)?;
    let whole = add(&add(&strict, &conj(&turned(&strict))?)?, &diagonal_matrix(&diagonal)?)?;
    let bound = match n {
        0 => creation::full(&[count, 1, 1], Scalar::Float(1.0), DType::F64)?,
        _ => {
            let sums = reduce::sum(&abs(&whole)?, Some(&[2]), true, None)?;
            power_above(&extreme(&sums, true, 0b10, true, "amax")?)?
        }
    };
    let one = creation::eye(n as i64, n as i64, dtype)?;
    let w = buffer_of(&add(&div(&whole, &bound)?, &one)?)?;
    let v = unit_vectors(count, n, if vectors { n } else { 0 }, dtype)?;
    let still_turned = jacobi::orthogonalise(&w, &v)?;
    let info = info_of(&whole, &still_turned)?;
    let (lengths, _, vectors) = sorted(&w, &v, false)?;
    let values = mul(&sub(&lengths, 1.0)?, &view::squeeze(&bound, Some(&[-1]))?)?;
    Ok(Eigen { values, vectors, info })
}
