//! Norms of matrices, and condition numbers.

use super::*;
use crate::layout::{Show, wrap_dim};
use crate::ops::arithmetic::{abs, div, where_};
use crate::ops::extreme::extreme as largest_or_smallest;
use crate::ops::linalg::svd;
use crate::ops::reduce;
use crate::ops::registry::{Args, Op};
use crate::ops::table;
use crate::ops::vector_norm::vector_norm;

/// Which norm: of a number or a name.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Frobenius,
    Nuclear,
    Number(f64),
}

impl Order {
    fn named(text: &str, function: &str) -> Result<Order> {
        match text {
            "fro" => Ok(Order::Frobenius),
            "nuc" => Ok(Order::Nuclear),
            other => bail!(Autograd, "{function}: Order {other} not supported."),
        }
    }
}

/// The dtype that a norm is computed in.
fn converted(x: &Tensor, dtype: Option<DType>, function: &str) -> Result<Tensor> {
    let Some(dtype) = dtype else { return Ok(x.clone()) };
    if !dtype.is_differentiable() {
        bail!(
            DType,
            "{function}: dtype should be floating point or complex, but got {}",
            dtype.scalar_name()
        );
    }
    if x.dtype().is_complex() != dtype.is_complex() {
        let kind = |d: DType| if d.is_complex() { "complex" } else { "real" };
        bail!(
            DType,
            "{function}: dtype should be {} for {} inputs, but got {}",
            kind(x.dtype()),
            kind(x.dtype()),
            dtype.scalar_name()
        );
    }
    if x.dtype().promote(dtype) != dtype {
        bail!(
            DType,
            "{function}: the dtype of the input ({}) should be convertible without narrowing to the specified dtype ({})",
            x.dtype().scalar_name(),
            dtype.scalar_name()
        );
    }
    copy::to_dtype(x, dtype)
}

/// The largest of values that are not negative, or the smallest if `p` is. The largest of none is zero.
fn extreme(x: &Tensor, p: f64, dim: i64, keepdim: bool) -> Result<Tensor> {
    if p > 0.0 && x.size(wrap_dim(dim, x.ndim())?) == 0 {
        return reduce::sum(x, Some(&[dim]), keepdim, None);
    }
    let mask = 1 << wrap_dim(dim, x.ndim())?;
    // Not as a norm: its derivative would be zero where all values are.
    if p > 0.0 {
        largest_or_smallest(x, true, mask, keepdim, "amax")
    } else {
        largest_or_smallest(x, false, mask, keepdim, "amin")
    }
}

/// The norm of the matrices in two dimensions.
fn matrix_norm(
    x: &Tensor,
    order: Order,
    dims: &[i64],
    keepdim: bool,
    dtype: Option<DType>,
) -> Result<Tensor> {
    let name = "linalg.matrix_norm";
    check_matrix(x, name, "A")?;
    check_float(x, name, true)?;
    let [first, second] = dims else {
        bail!(Shape, "{name}: dim must be a 2-tuple. Got {}", Show(dims));
    };
    let (rows, columns) = (wrap_dim(*first, x.ndim())?, wrap_dim(*second, x.ndim())?);
    if rows == columns {
        bail!(Shape, "{name}: dims must be different. Got ({first}, {second})");
    }
    let by_singular_values = matches!(order, Order::Nuclear | Order::Number(2.0 | -2.0));
    if by_singular_values {
        check_float(x, name, false)?;
    }
    let x = &converted(x, dtype, name)?;
    match order {
        Order::Frobenius => vector_norm(x, 2.0, Some(&[rows as i64, columns as i64]), keepdim, None),
        Order::Number(p) if p.abs() == 1.0 || p.abs() == f64::INFINITY => {
            let (summed, kept) = if p.abs() == 1.0 { (rows, columns) } else { (columns, rows) };
            let sums = reduce::sum(&abs(x)?, Some(&[summed as i64]), true, None)?;
            let best = extreme(&sums, p, kept as i64, true)?;
            let both = [rows as i64, columns as i64];
            if keepdim { Ok(best) } else { view::squeeze(&best, Some(&both)) }
        }
        _ if by_singular_values => {
            let mut dims: Vec<i64> =
                (0..x.ndim()).filter(|d| *d != rows && *d != columns).map(|d| d as i64).collect();
            dims.extend([rows as i64, columns as i64]);
            let s = svd::values(&view::permute(x, &dims)?)?;
            let norm = match order {
                Order::Nuclear => reduce::sum(&s, Some(&[-1]), false, None)?,
                Order::Number(p) => extreme(&s, p, -1, false)?,
                Order::Frobenius => unreachable!("has an arm of its own"),
            };
            if !keepdim {
                return Ok(norm);
            }
            let mut sizes: Sizes = x.sizes().into();
            (sizes[rows], sizes[columns]) = (1, 1);
            view::reshape_to(&norm, &sizes)
        }
        Order::Number(p) => bail!(Autograd, "{name}: Order {p} not supported."),
        Order::Nuclear => unreachable!("by singular values"),
    }
}

/// A vector or matrix norm, as the number of dimensions says.
fn norm(
    x: &Tensor,
    order: Option<f64>,
    dims: Option<&[i64]>,
    keepdim: bool,
    dtype: Option<DType>,
) -> Result<Tensor> {
    let dims = dims.filter(|d| !d.is_empty());
    match dims {
        Some(d) if order.is_some() && !(1..=2).contains(&d.len()) => {
            bail!(Shape, "linalg.norm: If dim is specified, it must be of length 1 or 2. Got {}", Show(d))
        }
        None if order.is_some() && !(1..=2).contains(&x.ndim()) => bail!(
            Shape,
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {}D.",
            x.ndim()
        ),
        _ => {}
    }
    if let Some(p) = order
        && (dims.is_some_and(|d| d.len() == 2) || (dims.is_none() && x.ndim() == 2))
    {
        return matrix_norm(x, Order::Number(p), dims.unwrap_or(&[0, 1]), keepdim, dtype);
    }
    if dims.is_some_and(|d| d.len() > 2) {
        bail!(
            Shape,
            "linalg.norm: If dim is specified, it must be of length 1 or 2. Got {}",
            Show(dims.unwrap_or_default())
        );
    }
    check_float(x, "linalg.vector_norm", true)?;
    vector_norm(x, order.unwrap_or(2.0), dims, keepdim, dtype)
}

/// As [`norm`], for the orders that have names.
fn named_norm(
    x: &Tensor,
    order: &str,
    dims: Option<&[i64]>,
    keepdim: bool,
    dtype: Option<DType>,
) -> Result<Tensor> {
    if dims.is_none() && !(1..=2).contains(&x.ndim()) {
        bail!(
            Shape,
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {}D.",
            x.ndim()
        );
    }
    let order = Order::named(order, "linalg.norm")?;
    matrix_norm(x, order, dims.unwrap_or(&[-2, -1]), keepdim, dtype)
}

/// `torch.norm` with the name of a norm.
fn old_norm(
    x: &Tensor,
    order: &str,
    dims: Option<&[i64]>,
    keepdim: bool,
    dtype: Option<DType>,
) -> Result<Tensor> {
    match order {
        // Over any number of dimensions.
        "fro" => vector_norm(x, 2.0, dims, keepdim, dtype),
        "nuc" => match dims {
            None => matrix_norm(x, Order::Nuclear, &[-2, -1], keepdim, dtype),
            Some(dims) => matrix_norm(x, Order::Nuclear, dims, keepdim, dtype),
        },
        other => bail!(Autograd, "Only valid string values are 'fro' and 'nuc', found: {other}"),
    }
}

fn cond(x: &Tensor, order: Option<Order>) -> Result<Tensor> {
    check_matrix(x, "linalg.cond", "A")?;
    let order = order.unwrap_or(Order::Number(2.0));
    let show = match order {
        Order::Frobenius => "fro".to_owned(),
        Order::Nuclear => "nuc".to_owned(),
        Order::Number(p) => format!("{p}"),
    };
    if let Order::Number(p) = order
        && ![1.0, 2.0, f64::INFINITY].contains(&p.abs())
    {
        bail!(Autograd, "linalg.cond got an invalid norm type: {show}");
    }
    let real = x.dtype().to_real();
    if x.numel() == 0 {
        return creation::zeros(batch_of(x), real);
    }
    if let Order::Number(p) = order
        && p.abs() == 2.0
    {
        let s = svd::values(x)?;
        let (largest, smallest) = (view::select(&s, -1, 0)?, view::select(&s, -1, -1)?);
        return if p > 0.0 { div(&largest, &smallest) } else { div(&smallest, &largest) };
    }
    check_square(x, &format!("linalg.cond(ord={show})"), "A")?;
    check_float(x, "linalg.inv", false)?;
    let (inverse, info) = super::inverse::inverse_with_info(x)?;
    let failed = view::reshape_to(&info, &with_sizes(batch_of(x), &[1, 1]))?;
    let inverse = where_(&table::ne(&failed, 0.0)?, f64::INFINITY, &inverse)?;
    let of = |t: &Tensor| matrix_norm(t, order, &[-2, -1], false, None);
    mul(&of(x)?, &of(&inverse)?)
}

fn order_of(a: &Args, at: usize) -> Order {
    Order::Number(a.scalar(at).to_f64())
}

pub const OPS: &[Op] = &[
    Op::new("linalg.matrix_norm(Tensor A, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(matrix_norm(a.tensor(0), order_of(a, 1), a.ints(2), a.bool(3), a.dtype(4))?.into())
    })
    .doc("The norm of each matrix: 1, 2, inf, their negatives, 'fro' or 'nuc'.")
    .samples("t(2, 3, 4), 1 | t(3, 4), -inf, keepdim=True | nc(3, 4), 2 | t(3, 2, 4), -2, (0, 2) | t(3, 3), inf, dtype=torch.float64"),
    Op::new("linalg.matrix_norm(Tensor A, str ord='fro', int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let order = Order::named(a.str(1).unwrap_or("fro"), "linalg.matrix_norm")?;
        Ok(matrix_norm(a.tensor(0), order, a.ints(2), a.bool(3), a.dtype(4))?.into())
    })
    .samples("t(2, 3, 4) | t(3, 4), 'nuc' | t(3, 2, 4), 'fro', (0, 2), keepdim=True"),
    Op::new("linalg.norm(Tensor A, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let order = a.opt_scalar(1).map(Scalar::to_f64);
        Ok(norm(a.tensor(0), order, a.opt_ints(2), a.bool(3), a.dtype(4))?.into())
    })
    .doc("A norm of vectors (over one dimension, or of all elements) or of matrices (over two).")
    .samples("t(2, 3, 4) | t(3, 4), 1 | t(2, 3), 2, dim=0 | nc(3, 4), inf, (0, 1), True | t() | t(4), 0.5"),
    Op::new("linalg.norm(Tensor A, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let order = a.str(1).unwrap_or("fro");
        Ok(named_norm(a.tensor(0), order, a.opt_ints(2), a.bool(3), a.dtype(4))?.into())
    })
    .samples("t(3, 4), 'nuc' | t(2, 3, 4), 'fro', (0, 2)"),
    Op::new("norm(Tensor input, str p, int[1]? dim=None, bool keepdim=False, ScalarType? dtype=None) -> Tensor", |a| {
        let order = a.str(1).unwrap_or("fro");
        Ok(old_norm(a.tensor(0), order, a.opt_ints(2), a.bool(3), a.dtype(4))?.into())
    })
    .method()
    .samples("t(3, 4), 'nuc' | t(2, 3, 4), 'fro', (0, 1) | t(3, 4), 'fro', 1, True"),
    Op::new("linalg.cond(Tensor A, Scalar? p=None) -> Tensor", |a| {
        let order = a.opt_scalar(1).map(|p| Order::Number(p.to_f64()));
        Ok(cond(a.tensor(0), order)?.into())
    })
    .doc("The condition number of each matrix: its norm times that of its inverse.")
    .samples("t(2, 3, 4) | t(3, 3), -2"),
    Op::new("linalg.cond(Tensor A, str p) -> Tensor", |a| {
        let name = a.str(1).unwrap_or("fro");
        let Ok(order) = Order::named(name, "linalg.cond") else {
            bail!(Autograd, "linalg.cond got an invalid norm type: {name}");
        };
        Ok(cond(a.tensor(0), Some(order))?.into())
    }),
];
