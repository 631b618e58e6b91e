//! Coordinates: those of triangles, and those of places in a flattened tensor. Powers of a vector.

use smallvec::{SmallVec, smallvec};

use crate::alloc;
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Show;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{arithmetic, copy, creation, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Row and column of every element of a triangle, row by row.
fn triangle(a: &Args, lower: bool) -> Result<Tensor> {
    let (rows, columns, offset) = (a.int(0), a.int(1), a.int(2));
    let name = if lower { "tril_indices" } else { "triu_indices" };
    for (what, n) in [("row", rows), ("col", columns)] {
        if n < 0 {
            bail!(Autograd, "{what} must be non-negative, got {n}");
        }
    }
    let dtype = a.dtype(3).unwrap_or(DType::I64);
    if !matches!(dtype, DType::I64 | DType::I32) {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", dtype.scalar_name());
    }
    // Columns of row `i`: below the diagonal up to it, above from it.
    let columns_of = |i: i64| {
        let edge = i.saturating_add(offset);
        if lower { 0..edge.saturating_add(1).clamp(0, columns) } else { edge.clamp(0, columns)..columns }
    };
    let total = (0..rows).try_fold(0usize, |n, i| n.checked_add(columns_of(i).count()));
    let Some(total) = total.filter(|n| n.checked_mul(16).is_some()) else {
        bail!(Shape, "{name}: the size of the result overflows");
    };
    let mut values: Vec<i64> = alloc::vec_for(2 * total)?;
    for i in 0..rows {
        values.extend(columns_of(i).map(|_| i));
    }
    for i in 0..rows {
        values.extend(columns_of(i));
    }
    copy::to_dtype(&Tensor::from_slice(&values, &[2, total])?, dtype)
}

/// The coordinates of places in a flattened tensor of a shape.
fn unravel_index(places: &Tensor, shape: &[i64]) -> Result<Output> {
    if !places.dtype().is_integral() || places.dtype() == DType::Bool {
        bail!(Type, "expected 'indices' to be integer dtype, but got torch.{}", places.dtype());
    }
    if shape.iter().any(|&n| n < 0) {
        bail!(Value, "'shape' cannot have negative values, but got {}", Show(shape));
    }
    if shape.is_empty() {
        return Ok(Vec::<Tensor>::new().into());
    }
    let mut steps: SmallVec<[i64; 6]> = smallvec![1; shape.len()];
    for d in (0..shape.len() - 1).rev() {
        steps[d] = steps[d + 1].wrapping_mul(shape[d + 1]);
    }
    let vector = |v: &[i64]| Tensor::from_slice(v, &[v.len()]);
    let places = view::unsqueeze(&copy::to_dtype(&places.detach(), DType::I64)?, -1)?;
    let all = table::remainder(&table::floor_divide(&places, &vector(&steps)?)?, &vector(shape)?)?;
    Ok(view::unbind(&all, -1)?.into())
}

/// The powers of a vector's elements, one a column.
fn vander(x: &Tensor, columns: Option<i64>, increasing: bool) -> Result<Tensor> {
    if x.ndim() != 1 {
        bail!(Autograd, "x must be a one-dimensional tensor.");
    }
    let n = columns.unwrap_or(x.numel() as i64);
    if n < 0 {
        bail!(Autograd, "N must be non-negative.");
    }
    let x = if x.dtype().is_integral() { copy::to_dtype(x, DType::I64)? } else { x.clone() };
    let range = |from: i64, to: i64, step: i64| {
        creation::arange(Scalar::Int(from), Scalar::Int(to), Scalar::Int(step), DType::I64)
    };
    let powers = if increasing { range(0, n, 1)? } else { range(n - 1, -1, -1)? };
    arithmetic::pow(&view::unsqueeze(&x, 1)?, &powers)
}

pub const OPS: &[Op] = &[
    Op::new("tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(triangle(a, true)?.into())
    })
    .doc("Row and column of every element of the lower triangle of a matrix.")
    .samples("3, 4 | 3, 2, -1 | 2, 5, 2 | 0, 3 | 3, 3, dtype=torch.int32")
    .no_gradient(),
    Op::new("triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(triangle(a, false)?.into())
    })
    .doc("Row and column of every element of the upper triangle of a matrix.")
    .samples("3, 4 | 3, 2, -1 | 2, 5, 2 | 0, 3 | 3, 3, dtype=torch.int32")
    .no_gradient(),
    Op::new("unravel_index(Tensor indices, int[1] shape) -> Tensor[]", |a| {
        unravel_index(a.tensor(0), a.ints(1))
    })
    .doc("The coordinates of places in a flattened tensor of a shape, one tensor a dimension.")
    .samples("torch.tensor([1, 5, -1]), (2, 3) | torch.tensor([[3]]), 4")
    .no_gradient(),
    Op::new("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", |a| {
        Ok(vander(a.tensor(0), a.opt_int(1), a.bool(2))?.into())
    })
    .doc("The powers of a vector's elements, one a column.")
    .samples("t(3) | t(3), 2, True | t(3), N=4 | fixed(0)")
    // PyTorch fails to differentiate its own: it overwrites what it needs.
    .no_gradient(),
];
