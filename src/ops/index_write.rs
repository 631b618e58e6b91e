//! Slices written at the positions of a vector: `index_add`, `index_copy`, `index_reduce`, which are
//! scatters with the index expanded; `index_fill`, and `put` for single elements.

use smallvec::SmallVec;

use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes, wrap_dim};
use crate::ops::arithmetic::mul;
use crate::ops::gather::{at_least_1d, expanded, index_values};
use crate::ops::index::wrapped;
use crate::ops::pointwise::Arg;
use crate::ops::registry::{Args, Op};
use crate::ops::scatter::{Combine, Reduction, Scattering, check_order, combine_into, put_lines};
use crate::ops::{copy, creation, mask, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// A call with a vector of indices, checked: a scatter with the index expanded to the source.
fn slices(
    x: &Tensor,
    dim: i64,
    index: &Tensor,
    src: &Tensor,
    how: Combine,
    name: &'static str,
) -> Result<Scattering> {
    let d = wrap_dim(dim, x.ndim())?;
    if index.ndim() > 1 {
        bail!(Index, "{name}(): Index is supposed to be a vector, got dim: {}", index.ndim());
    }
    if !matches!(index.dtype(), DType::I64 | DType::I32) {
        bail!(
            DType,
            "{name}(): Expected dtype int32/int64 for index but got: {}",
            index.dtype().scalar_name()
        );
    }
    if x.dtype() != src.dtype() {
        bail!(
            DType,
            "{name}(): self ({}) and source ({}) must have the same scalar type",
            x.dtype().scalar_name(),
            src.dtype().scalar_name()
        );
    }
    let along = src.sizes().get(d).copied().unwrap_or(1);
    if index.numel() != along {
        bail!(
            Index,
            "{name}(): Number of indices ({}) should be equal to source.size(dim): ({along}), for dim: {d}",
            index.numel()
        );
    }
    let but_for_dim =
        |t: &Tensor| -> Sizes { (0..t.ndim()).filter(|&k| k != d).map(|k| t.size(k)).collect() };
    let zero_dims_fit = name == "index_copy" && (x.ndim() == 0 || src.ndim() == 0);
    if x.ndim() != src.ndim() && !zero_dims_fit || but_for_dim(x) != but_for_dim(src) {
        bail!(
            Shape,
            "{name}(): source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = {} source.shape = {}",
            Show(x.sizes()),
            Show(src.sizes())
        );
    }
    // A 0-d tensor on either side counts as a vector.
    let src =
        if src.ndim() < x.ndim() || x.ndim() == 0 { view::reshape_to(src, &[along])? } else { src.clone() };
    let index = expanded(index, d, src.sizes())?;
    let (index, src) = match x.ndim() {
        0 if along == 1 => (view::reshape_to(&index, &[])?, view::reshape_to(&src, &[])?),
        _ => (index, src),
    };
    Ok(Scattering { dim: d, index, src, how, name })
}

fn index_add_args(a: &Args) -> Result<Scattering> {
    let (x, source, alpha) = (a.tensor(0), a.tensor(3), a.scalar(4));
    let scaled = match alpha {
        Scalar::Int(1) => source.clone(),
        _ => {
            crate::ops::arithmetic::check_alpha(alpha, &[x.into()])?;
            copy::to_dtype(&mul(source, alpha)?, source.dtype())?
        }
    };
    slices(x, a.int(1), a.tensor(2), &scaled, Combine::Add, "index_add")
}

fn index_copy_args(a: &Args) -> Result<Scattering> {
    slices(a.tensor(0), a.int(1), a.tensor(2), a.tensor(3), Combine::Write, "index_copy")
}

fn index_reduce_args(a: &Args) -> Result<Scattering> {
    let reduction = Reduction::read(a.str(4).unwrap_or(""), false)?;
    check_order(a.tensor(0).dtype(), reduction, "index_reduce")?;
    let how = Combine::Reduce(reduction, a.bool(5));
    slices(a.tensor(0), a.int(1), a.tensor(2), a.tensor(3), how, "index_reduce")
}

/// Whether a dimension's indices are among the given ones, in a shape that broadcasts to `x`.
fn index_fill_mask(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let d = wrap_dim(dim, x.ndim())?;
    if index.ndim() > 1 {
        bail!(Index, "index_fill_(): Index is supposed to be a vector");
    }
    if !matches!(index.dtype(), DType::I64 | DType::I32) {
        bail!(Index, "index_fill_(): Expected dtype int64 for index.");
    }
    let size = x.sizes().get(d).copied().unwrap_or(1);
    let places = at_least_1d(&wrapped(&index_values(index)?, size)?)?;
    let mask = creation::zeros(&[size], DType::Bool)?;
    let truth = creation::scalar(Scalar::Bool(true), DType::Bool)?;
    let truth = truth.alias(truth.layout().broadcast_to(places.sizes()));
    combine_into(&mask, 0, &places, &truth, Combine::Write, "index_fill_")?;
    let mut sizes: Sizes = SmallVec::from_elem(1, x.ndim());
    if let Some(n) = sizes.get_mut(d) {
        *n = size;
    }
    view::reshape_to(&mask, &sizes)
}

fn index_fill_call(a: &Args, in_place: bool) -> Result<Tensor> {
    let (x, value) = (a.tensor(0), Arg::from(&a.0[3]));
    if let Arg::Tensor(t) = value
        && t.ndim() != 0
    {
        bail!(
            Autograd,
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
            t.ndim()
        );
    }
    mask::fill(x, &index_fill_mask(x, a.int(1), a.tensor(2))?, value, in_place, "index_fill")
}

/// `x` with the elements of `source` written, or added, at places of the flattened tensor.
fn put(x: &Tensor, index: &Tensor, source: &Tensor, accumulate: bool) -> Result<Tensor> {
    if index.dtype() != DType::I64 {
        bail!(DType, "put_(): Expected a long tensor for index, but got {}", index.dtype().scalar_name());
    }
    if x.dtype() != source.dtype() {
        bail!(
            DType,
            "put_(): self and source expected to have the same dtype, but got self.dtype = {} and source.dtype = {}",
            x.dtype().scalar_name(),
            source.dtype().scalar_name()
        );
    }
    if index.numel() != source.numel() {
        bail!(
            Autograd,
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = {}, index.numel() = {}",
            source.numel(),
            index.numel()
        );
    }
    if x.numel() == 0 && index.numel() > 0 {
        bail!(Index, "put_(): cannot put elements into an empty tensor");
    }
    let flat = |t: &Tensor| view::reshape(t, &[-1]);
    let places = flat(&wrapped(&index.detached(), x.numel())?)?;
    let how = if accumulate { Combine::Add } else { Combine::Write };
    view::reshape_to(&put_lines(&flat(x)?, 0, &places, &flat(source)?, how, "put")?, x.sizes())
}

pub const OPS: &[Op] = &[
    Op::new("index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor", |a| {
        Ok(index_add_args(a)?.result(a.tensor(0))?.into())
    })
    .method()
    .inplace_by(|a| Ok(index_add_args(a)?.in_place(a.tensor(0))?.into()))
    .doc("With alpha times the parts of source added at the indices of a dimension.")
    .samples("t(3, 4), 0, ints(5, high=3), t(5, 4) | nc(3, 4), 1, torch.tensor([0, 3]), t(3, 2), alpha=2 | t(), 0, torch.tensor([0]), t()"),
    Op::new("index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor", |a| {
        Ok(index_copy_args(a)?.result(a.tensor(0))?.into())
    })
    .method()
    .inplace_by(|a| Ok(index_copy_args(a)?.in_place(a.tensor(0))?.into()))
    .doc("With the parts of source written at the indices of a dimension.")
    .samples("t(3, 4), 0, torch.tensor([2, 0]), t(2, 4) | nc(3, 4), 1, torch.tensor([3]), t(3, 1) | t(), 0, torch.tensor(0), t()"),
    Op::new("index_fill(Tensor input, int dim, Tensor index, Number|Tensor value) -> Tensor", |a| {
        Ok(index_fill_call(a, false)?.into())
    })
    .method()
    .inplace_by(|a| Ok(index_fill_call(a, true)?.into()))
    .doc("With value at the indices of a dimension.")
    .samples("t(3, 4), 0, torch.tensor([2, 0]), 1.5 | nc(3, 4), 1, torch.tensor([3]), t() | t(), 0, torch.tensor([0]), 2 | t(3), 0, torch.tensor([-1]), 2"),
    Op::new(
        "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor",
        |a| Ok(index_reduce_args(a)?.result(a.tensor(0))?.into()),
    )
    .method()
    .inplace_by(|a| Ok(index_reduce_args(a)?.in_place(a.tensor(0))?.into()))
    .doc("With the prod, mean, amax or amin of the parts that go to each index of a dimension.")
    .samples("t(3, 4), 0, ints(5, high=3), t(5, 4), 'prod' | t(3, 4), 1, ints(4, high=3), t(3, 4), 'mean', include_self=False | t(3, 4), 0, ints(3, high=2), t(3, 4), 'amax' | t(3, 4), 0, ints(3, high=2), t(3, 4), 'amin', include_self=False"),
    Op::new("put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor", |a| {
        Ok(put(a.tensor(0), a.tensor(1), a.tensor(2), a.bool(3))?.into())
    })
    .method()
    .inplace()
    .doc("With the elements of source written, or added, at places of the flattened tensor.")
    .samples("t(3, 4), torch.tensor([[1, -1]]), t(2) | t(3, 4), ints(6, high=12), t(2, 3), accumulate=True"),
];
