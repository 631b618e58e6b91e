//! The largest and smallest elements and where they are.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu;
use crate::cpu::reduce::Reduction;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Sizes, wrap_dim};
use crate::ops::arithmetic::{div, mul};
use crate::ops::lines::{length, other_sizes, picked, side, with_length};
use crate::ops::reduce::{check_not_empty, expand_back, mask_of, reduce, sum_mask};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, cuda, lines, table, view};
use crate::tensor::Tensor;

fn check_ordered(x: &Tensor, name: &str) -> Result<()> {
    if x.dtype().is_complex() {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    Ok(())
}

/// The extreme over dimensions; equal extremes share the gradient.
pub fn extreme(x: &Tensor, largest: bool, mask: u64, keepdim: bool, name: &'static str) -> Result<Tensor> {
    check_ordered(x, name)?;
    check_not_empty(x, mask, name)?;
    let kind = if largest { Reduction::Max } else { Reduction::Min };
    let out = reduce(x, kind, mask, keepdim, x.dtype())?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    // Over all elements NaN meets NaN; over dimensions it meets nothing.
    let nan_hits = name == "max" || name == "min";
    Ok(autograd::record(out, name, &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, y) = (cx.saved(0)?, cx.saved(1)?);
        let hits = autograd::no_grad(|| {
            let (x, y) = (x.detached(), expand_back(&y.detached(), &sizes, mask)?);
            let mut hit = table::eq(&x, &y)?;
            if nan_hits {
                let both = table::logical_and(&table::isnan(&x)?, &table::isnan(&y)?)?;
                hit = table::logical_or(&hit, &both)?;
            }
            let hit = copy::to_dtype(&hit, x.dtype())?;
            div(&hit, &sum_mask(&hit, mask, true, None)?)
        })?;
        Ok(smallvec![Some(mul(&expand_back(g, &sizes, mask)?, &hits)?)])
    }))
}

/// Values and indices of the extreme along one dimension.
fn extreme_along(x: &Tensor, largest: bool, dim: i64, keepdim: bool, name: &'static str) -> Result<Output> {
    if x.dtype().is_complex() {
        bail!(DType, "{name}(): does not support complex input");
    }
    let (values, indices) = arg_extreme_along(x, largest, dim, name, true)?;
    let values = values.expect("asked for");
    let (values, indices) = picked(x, wrap_dim(dim, x.ndim())?, values, indices, keepdim, name);
    Ok(Output::Named(name, &["values", "indices"], vec![values, indices]))
}

/// Index of the extreme along one dimension, which is kept, and its value if that is wanted.
fn arg_extreme_along(
    x: &Tensor,
    largest: bool,
    dim: i64,
    name: &str,
    with_values: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let d = wrap_dim(dim, x.ndim())?;
    if length(x, d) == 0 {
        bail!(Index, "{name}(): Expected reduction dim {d} to have non-zero size.");
    }
    let sizes = with_length(x, d, 1);
    let indices = Tensor::empty(&sizes, DType::I64)?;
    let values = if with_values { Some(Tensor::empty(&sizes, x.dtype())?) } else { None };
    if x.device().is_cuda() {
        cuda::arg_extreme::arg_extreme(&indices, values.as_ref(), x, d, largest)?;
        return Ok((values, indices));
    }
    let n = length(x, d);
    let sides = [side(x, d), side(values.as_ref().unwrap_or(&indices), d), side(&indices, d)];
    // SAFETY: lines of n elements, and one of each output; complex numbers were refused.
    unsafe {
        let (other, with_values) = (other_sizes(x, d), values.is_some());
        cpu::arg_extreme::arg_extreme(x.dtype(), &other, n, &sides, largest, with_values);
    }
    Ok((values, indices))
}

/// Index of the largest element along a dimension, or of all.
pub fn argmax(x: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<Tensor> {
    arg_extreme_call(x, true, dim, keepdim, "argmax")
}

fn arg_extreme_call(
    x: &Tensor,
    largest: bool,
    dim: Option<i64>,
    keepdim: bool,
    name: &str,
) -> Result<Tensor> {
    if x.dtype() == DType::Bool || x.dtype().is_complex() {
        let kind = if x.dtype().is_complex() { "complex" } else { "bool" };
        bail!(DType, "{name}(): does not support {kind} input");
    }
    let Some(dim) = dim else {
        if x.numel() == 0 {
            bail!(
                Index,
                "{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
            );
        }
        let flat = autograd::no_grad(|| view::reshape(&x.detached(), &[-1]))?;
        let out = arg_extreme_along(&flat, largest, 0, name, false)?.1;
        let sizes = if keepdim { Sizes::from_elem(1, x.ndim()) } else { Sizes::new() };
        return view::reshape_to(&out, &sizes);
    };
    let out = arg_extreme_along(x, largest, dim, name, false)?.1;
    Ok(if keepdim { out } else { lines::dropped(&out, wrap_dim(dim, x.ndim())?) })
}

fn over_dims(a: &Args, largest: bool, name: &'static str) -> Result<Output> {
    let x = a.tensor(0);
    Ok(extreme(x, largest, mask_of(a.opt_ints(1), x.ndim())?, a.bool(2), name)?.into())
}

fn aminmax(x: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<Output> {
    let dims: SmallVec<[i64; 1]> = dim.into_iter().collect();
    let mask = mask_of(Some(&dims), x.ndim())?;
    if x.numel() == 0 && dim.is_none() {
        bail!(
            Autograd,
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        );
    }
    check_ordered(x, "aminmax")?;
    let both = [false, true]
        .map(|largest| extreme(x, largest, mask, keepdim, if largest { "amax" } else { "amin" }));
    let [low, high] = both;
    Ok(Output::Named("aminmax", &["min", "max"], vec![low?, high?]))
}

pub const OPS: &[Op] = &[
    Op::new(
        "max(Tensor input) -> Tensor",
        |a| Ok(extreme(a.tensor(0), true, u64::MAX, false, "max")?.into()),
    )
    .method()
    .doc("The largest element; along a dimension with its index; or the larger of two tensors.")
    .samples("t(3, 4) | ints(3) | t() | torch.tensor([1.0, 2.0, 2.0])"),
    Op::new("max(Tensor input, Tensor other) -> Tensor", |a| {
        Ok(table::maximum(a.tensor(0), a.tensor(1))?.into())
    })
    .method()
    .samples("t(3, 4), t(4) | ints(3), torch.tensor(2)"),
    Op::new("max(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        extreme_along(a.tensor(0), true, a.int(1), a.bool(2), "max")
    })
    .method()
    .samples("t(3, 4), 0 | nc(3, 4), 1, True | t(2, 3, 4), -2 | t(), 0, True"),
    Op::new("min(Tensor input) -> Tensor", |a| {
        Ok(extreme(a.tensor(0), false, u64::MAX, false, "min")?.into())
    })
    .method()
    .doc("The smallest element; along a dimension with its index; or the smaller of two tensors.")
    .samples("t(3, 4) | ints(3) | t()"),
    Op::new("min(Tensor input, Tensor other) -> Tensor", |a| {
        Ok(table::minimum(a.tensor(0), a.tensor(1))?.into())
    })
    .method()
    .samples("t(3, 4), t(4) | ints(3), torch.tensor(2)"),
    Op::new("min(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        extreme_along(a.tensor(0), false, a.int(1), a.bool(2), "min")
    })
    .method()
    .samples("t(3, 4), 0 | t(3, 4), 1, True"),
    Op::new("amax(Tensor input, int[1]? dim=[], bool keepdim=False) -> Tensor", |a| {
        over_dims(a, true, "amax")
    })
    .method()
    .doc("The largest elements over dimensions; equal ones share the gradient.")
    .samples("t(3, 4) | t(3, 4), 0 | t(2, 3, 4), (0, 1), True | torch.tensor([[1.0, 2.0, 2.0]]), 1"),
    Op::new("amin(Tensor input, int[1]? dim=[], bool keepdim=False) -> Tensor", |a| {
        over_dims(a, false, "amin")
    })
    .method()
    .doc("The smallest elements over dimensions; equal ones share the gradient.")
    .samples("t(3, 4) | t(3, 4), 0"),
    Op::new("aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", |a| {
        aminmax(a.tensor(0), a.opt_int(1), a.bool(2))
    })
    .method()
    .doc("The smallest and the largest elements, of all or along a dimension.")
    .samples("t(3, 4) | nc(3, 4), dim=1 | t(3, 4), dim=0, keepdim=True | t()"),
    Op::new("argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        Ok(argmax(a.tensor(0), a.opt_int(1), a.bool(2))?.into())
    })
    .method()
    .doc("The index of the largest element, the first of equal ones.")
    .samples("t(3, 4) | t(3, 4), 1 | t(3, 4), 0, True | nc(3, 4), 1")
    .no_gradient(),
    Op::new("argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        Ok(arg_extreme_call(a.tensor(0), false, a.opt_int(1), a.bool(2), "argmin")?.into())
    })
    .method()
    .doc("The index of the smallest element, the first of equal ones.")
    .samples("t(3, 4) | t(3, 4), 1")
    .no_gradient(),
];
