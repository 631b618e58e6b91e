//! Least squares: the X for which A X is nearest to B.

use super::svd::{self, Tolerance, pinv};
use super::*;
use crate::ops::arithmetic::{abs, sub};
use crate::ops::matmul::matmul;
use crate::ops::registry::{Op, Output};
use crate::ops::{reduce, table};

/// The solution of least norm by the pseudo-inverse, with what LAPACK's drivers report beside it.
fn lstsq(a: &Tensor, b: &Tensor, rcond: Option<f64>, driver: Option<&str>) -> Result<Output> {
    let name = "torch.linalg.lstsq";
    check_matrix(a, name, "input")?;
    if b.ndim() == 0 {
        bail!(Shape, "{name}: other must have at least 1 dimension");
    }
    check_float(a, name, false)?;
    if a.dtype() != b.dtype() {
        bail!(DType, "{name}: Expected input and other to have the same dtype");
    }
    let driver = driver.unwrap_or("gelsy");
    if !["gels", "gelsy", "gelsd", "gelss"].contains(&driver) {
        bail!(Autograd, "{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
    }
    if a.ndim() < b.ndim() || a.ndim() - b.ndim() > 1 {
        bail!(
            Shape,
            "{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        );
    }
    let vector = a.ndim() == b.ndim() + 1;
    let columns = if vector { view::unsqueeze(b, -1)? } else { b.clone() };
    let (m, n) = matrix_size(a);
    if matrix_size(&columns).0 != m {
        bail!(Shape, "{name}: input.size(-2) should match other.size({})", if vector { -1 } else { -2 });
    }
    let (a, columns) = broadcast_batches(a, &columns)?;
    let dtype = a.dtype();
    // In double precision: a pseudo-inverse that was rounded would cost digits.
    let wide = |t: &Tensor| copy::to_dtype(t, working(dtype));
    let eps = if dtype.to_real() == DType::F64 { f64::EPSILON } else { f32::EPSILON as f64 };
    let rcond = rcond.unwrap_or(eps * m.max(n) as f64);
    let relative = creation::scalar(Scalar::Float(rcond), DType::F64)?;
    let tolerance = Tolerance::relative(relative.clone());
    let (wide_a, wide_b) = (wide(&a)?, wide(&columns)?);
    let x = matmul(&pinv(&wide_a, &tolerance, false)?, &wide_b)?;
    let solution = copy::to_dtype(&x, dtype)?;
    let nothing = |dtype: DType| -> Result<Tensor> {
        let empty = creation::zeros(&[0], dtype)?;
        // All results of one call belong to the graph, the empty ones too.
        if dtype.is_floating() { tied(&tied(&empty, &a)?, &columns) } else { Ok(empty) }
    };
    let (mut rank, mut singular_values) = (nothing(DType::I64)?, creation::zeros(&[0], dtype.to_real())?);
    let mut full_rank = driver == "gels";
    if driver != "gels" {
        let s = if driver == "gelsy" { svd::values(&wide_a.detached())? } else { svd::values(&wide_a)? };
        let above = table::gt(&s, &tolerance.bound(&s.detached(), (m, n))?)?;
        rank = reduce::sum(&above, Some(&[-1]), false, Some(DType::I64))?;
        full_rank = copy::values::<i64>(&rank)?.iter().all(|&r| r == n as i64);
        if driver != "gelsy" {
            singular_values = copy::to_dtype(&s, dtype.to_real())?;
        }
    }
    let residuals = if m > n && full_rank && driver != "gelsy" {
        let rest = sub(&matmul(&wide_a, &x)?, &wide_b)?;
        let squares = table::square(&abs(&rest)?)?;
        copy::to_dtype(&reduce::sum(&squares, Some(&[-2]), false, None)?, dtype.to_real())?
    } else {
        nothing(dtype.to_real())?
    };
    let solution = if vector { view::squeeze(&solution, Some(&[-1]))? } else { solution };
    Ok(Output::Named(
        "linalg_lstsq",
        &["solution", "residuals", "rank", "singular_values"],
        vec![solution, residuals, rank, singular_values],
    ))
}

pub const OPS: &[Op] = &[Op::new(
    "linalg.lstsq(Tensor input, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)",
    |a| lstsq(a.tensor(0), a.tensor(1), a.opt_float(2), a.str(3)),
)
.doc("The X of least norm for which input @ X is nearest to b, its residuals, ranks and singular values.")
.samples("t(4, 3), t(4) | t(3, 4), t(3)")];
