//! Other looks at the same memory: shapes, orders of dimensions, dtypes. Each view knows its adjoint:
//! `reshape` undoes a reshape, a sum an expansion.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, grad_enabled};
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Show, Sizes, infer_size, wrap_dim, wrap_dims};
pub use crate::ops::parts::{Part, diagonal, narrow, pad_end, select, slice, take_part, unbind};
use crate::ops::registry::Op;
pub use crate::ops::strided::{BaseGeometry, as_strided, as_strided_edge};
use crate::ops::{copy, reduce, table};
use crate::tensor::{Tensor, ViewOrigin};
use crate::warn_once;

/// A view that the tape follows; `adjoint` takes its gradient back to the shape of `x`.
pub fn view_of(
    x: &Tensor,
    layout: Layout,
    name: &'static str,
    adjoint: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    view_from(x, layout, ViewOrigin::Plain, name, adjoint)
}

pub fn view_from(
    x: &Tensor,
    layout: Layout,
    origin: ViewOrigin,
    name: &'static str,
    adjoint: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    let origin = match () {
        () if autograd::inference_enabled() && !x.is_inference() => ViewOrigin::Inference,
        () if grad_enabled() => origin,
        () => ViewOrigin::NoGrad,
    };
    let out = x.view_with(layout, origin);
    if !autograd::needs_grad(&[x]) {
        return out;
    }
    autograd::record(out, name, &[x], &[], move |cx| Ok(smallvec![cx.grad().map(&adjoint).transpose()?]))
}

/// The same look at the same memory, as a tensor of its own.
pub fn alias(x: &Tensor) -> Tensor {
    view_of(x, x.layout().clone(), "alias", |g| Ok(g.clone()))
}

/// The adjoint of views that keep all elements.
fn reshaped_back(x: &Tensor) -> impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + use<> {
    let sizes = Sizes::from_slice(x.sizes());
    move |g| reshape_to(g, &sizes)
}

// ---- shapes ----

/// Another shape for the same elements, without a copy or an error.
pub fn view(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let sizes = infer_size(shape, x.numel())?;
    let Some(layout) = x.layout().view(&sizes) else {
        bail!(
            Shape,
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        );
    };
    Ok(view_of(x, layout, "view", reshaped_back(x)))
}

/// Another shape for the same elements: a view where strides allow it, a copy elsewhere.
pub fn reshape(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    reshape_to(x, &infer_size(shape, x.numel())?)
}

/// As [`reshape`], with sizes that are known to fit.
pub fn reshape_to(x: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    match x.layout().view(sizes) {
        Some(layout) => Ok(view_of(x, layout, "view", reshaped_back(x))),
        None => {
            // No view of the copy, which nobody else knows.
            let dense = copy::contiguous_copy(&x.detach())?.alias(Layout::contiguous(sizes));
            if !autograd::needs_grad(&[x]) {
                return Ok(dense);
            }
            let back = reshaped_back(x);
            Ok(autograd::record(dense, "UnsafeViewBackward0", &[x], &[], move |cx| {
                Ok(smallvec![cx.grad().map(&back).transpose()?])
            }))
        }
    }
}

/// Merges the dimensions `start..=end` into one.
pub fn flatten(x: &Tensor, start: i64, end: i64) -> Result<Tensor> {
    let (start, end) = (wrap_dim(start, x.ndim())?, wrap_dim(end, x.ndim())?);
    if start > end {
        bail!(Shape, "flatten() has invalid args: start_dim cannot come after end_dim");
    }
    if x.ndim() == 0 {
        return reshape_to(x, &[1]);
    }
    if start == end {
        return Ok(x.clone());
    }
    let mut sizes: Sizes = x.sizes()[..start].into();
    sizes.push(x.sizes()[start..=end].iter().product());
    sizes.extend_from_slice(&x.sizes()[end + 1..]);
    reshape_to(x, &sizes)
}

/// Splits dimension `dim` into several.
fn unflatten(x: &Tensor, dim: i64, shape: &[i64]) -> Result<Tensor> {
    let dim = wrap_dim(dim, x.ndim())?;
    if shape.is_empty() {
        bail!(Autograd, "unflatten: sizes must be non-empty");
    }
    let size = x.sizes().get(dim).copied().unwrap_or(1);
    let Ok(parts) = infer_size(shape, size) else {
        bail!(
            Autograd,
            "unflatten: Provided sizes {} don't multiply up to the size of dim {dim} ({size}) in the input tensor",
            Show(shape)
        );
    };
    let mut sizes: Sizes = x.sizes()[..dim].into();
    sizes.extend_from_slice(&parts);
    sizes.extend_from_slice(&x.sizes()[(dim + 1).min(x.ndim())..]);
    let shape: Vec<i64> = sizes.iter().map(|&s| s as i64).collect();
    view(x, &shape)
}

/// Without the dimensions of `mask` that have size 1.
fn squeeze_mask(x: &Tensor, mask: u64) -> Tensor {
    view_of(x, x.layout().squeeze(mask), "squeeze", reshaped_back(x))
}

pub fn squeeze(x: &Tensor, dims: Option<&[i64]>) -> Result<Tensor> {
    let mask = match dims {
        None => u64::MAX,
        Some(dims) => wrap_dims(dims, x.ndim())?,
    };
    Ok(squeeze_mask(x, mask))
}

pub fn unsqueeze(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = wrap_dim(dim, x.ndim() + 1)?;
    Ok(view_of(x, x.layout().unsqueeze(dim), "unsqueeze", reshaped_back(x)))
}

/// Larger dimensions of stride 0 where the size is 1; -1 keeps a size.
pub fn expand(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let layout = x.layout().expand(shape)?;
    let sizes: Sizes = x.sizes().into();
    Ok(view_of(x, layout, "expand", move |g| reduce::sum_to_size(g, &sizes)))
}

/// As [`expand`] to sizes.
pub fn expand_to(x: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    let shape: SmallVec<[i64; 6]> = sizes.iter().map(|&s| s as i64).collect();
    expand(x, &shape)
}

// ---- order of dimensions ----

pub fn transpose(x: &Tensor, a: i64, b: i64) -> Result<Tensor> {
    let (a, b) = (wrap_dim(a, x.ndim())?, wrap_dim(b, x.ndim())?);
    Ok(view_of(x, x.layout().transpose(a, b), "transpose", move |g| transpose(g, a as i64, b as i64)))
}

/// The transpose of a matrix; vectors and 0-d tensors stay as they are.
fn t(x: &Tensor) -> Result<Tensor> {
    match x.ndim() {
        0 | 1 => Ok(view_of(x, x.layout().clone(), "t", |g| Ok(g.clone()))),
        2 => Ok(view_of(x, x.layout().transpose(0, 1), "t", t)),
        n => bail!(Autograd, "t() expects a tensor with <= 2 dimensions, but self is {n}D"),
    }
}

pub fn permute(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    if dims.len() != x.ndim() {
        bail!(
            Shape,
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = {} is not equal to len(dims) = {}",
            x.ndim(),
            dims.len()
        );
    }
    let mut seen = 0u64;
    let mut order: SmallVec<[usize; 6]> = SmallVec::new();
    for &d in dims {
        let d = wrap_dim(d, x.ndim())?;
        if seen & (1 << d) != 0 {
            bail!(Shape, "permute(): duplicate dims are not allowed.");
        }
        seen |= 1 << d;
        order.push(d);
    }
    let mut inverse: SmallVec<[i64; 6]> = smallvec![0; order.len()];
    for (i, &d) in order.iter().enumerate() {
        inverse[d] = i as i64;
    }
    Ok(view_of(x, x.layout().permute(&order), "permute", move |g| permute(g, &inverse)))
}

/// All dimensions in reverse.
fn reversed(x: &Tensor) -> Result<Tensor> {
    let dims: SmallVec<[i64; 6]> = (0..x.ndim() as i64).rev().collect();
    permute(x, &dims)
}

pub fn movedim(x: &Tensor, source: &[i64], destination: &[i64]) -> Result<Tensor> {
    if source.len() != destination.len() {
        bail!(
            Autograd,
            "movedim: Invalid source or destination dims: source ({} dims) should contain the same number of dims as destination ({} dims)",
            Show(source),
            Show(destination)
        );
    }
    let n = x.ndim();
    let wrap = |dims: &[i64]| -> Result<SmallVec<[usize; 6]>> {
        wrap_dims(dims, n)?;
        dims.iter().map(|&d| wrap_dim(d, n)).collect()
    };
    let (source, destination) = (wrap(source)?, wrap(destination)?);
    let mut rest = (0..n).filter(|d| !source.contains(d));
    let order: SmallVec<[i64; 6]> = (0..n)
        .map(|d| match destination.iter().position(|&to| to == d) {
            Some(i) => source[i] as i64,
            None => rest.next().expect("as many places as dimensions") as i64,
        })
        .collect();
    permute(x, &order)
}

/// The conjugate transpose of matrices.
fn adjoint(x: &Tensor, name: &str) -> Result<Tensor> {
    if x.ndim() == 0 {
        warn_once!("adjoint() is deprecated on 0-D tensors. Consider using x.conj().");
        return if x.dtype().is_complex() { table::conj(x) } else { Ok(alias(x)) };
    }
    if x.ndim() < 2 {
        bail!(
            Autograd,
            "tensor.{name} is only supported on matrices or batches of matrices. Got {}-D tensor.",
            x.ndim()
        );
    }
    let transposed = transpose(x, -2, -1)?;
    if x.dtype().is_complex() { table::conj(&transposed) } else { Ok(transposed) }
}

// ---- dtypes ----

/// The layout of the same bytes as elements of another size, along the last dimension.
fn layout_as(x: &Tensor, dtype: DType) -> Result<Layout> {
    let (from, to) = (x.dtype().size(), dtype.size());
    let mut layout = x.layout().clone();
    if from == to {
        return Ok(layout);
    }
    let pair =
        format!("to view {} as {} (different element sizes)", x.dtype().scalar_name(), dtype.scalar_name());
    let Some(last) = x.ndim().checked_sub(1) else { bail!(Shape, "self.dim() cannot be 0 {pair}") };
    if layout.strides[last] != 1 && from > to || from < to && !layout.sizes[last].is_multiple_of(to / from) {
        if from > to {
            bail!(Shape, "self.stride(-1) must be 1 {pair}, but got {}", layout.strides[last]);
        }
        bail!(
            Shape,
            "self.size(-1) must be divisible by {} {pair}, but got {}",
            to / from,
            layout.sizes[last]
        );
    }
    if from > to {
        let ratio = from / to;
        let Some(size) = layout.sizes[last].checked_mul(ratio) else {
            bail!(Shape, "view: the size of the last dimension overflows {pair}")
        };
        layout.sizes[last] = size;
        layout.offset *= ratio;
        layout.strides[..last].iter_mut().for_each(|s| *s *= ratio as isize);
        return Ok(layout);
    }
    let ratio = to / from;
    if layout.strides[last] != 1 {
        bail!(Shape, "self.stride(-1) must be 1 {pair}, but got {}", layout.strides[last]);
    }
    if !layout.offset.is_multiple_of(ratio) {
        bail!(Shape, "self.storage_offset() must be divisible by {ratio} {pair}, but got {}", layout.offset);
    }
    for d in 0..last {
        if layout.strides[d] % ratio as isize != 0 {
            bail!(
                Shape,
                "self.stride({d}) must be divisible by {ratio} {pair}, but got {}",
                layout.strides[d]
            );
        }
        layout.strides[d] /= ratio as isize;
    }
    layout.sizes[last] /= ratio;
    layout.offset /= ratio;
    Ok(layout)
}

/// The same bytes as another dtype. No gradient flows through it, as in PyTorch.
fn view_dtype(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(alias(x));
    }
    Ok(x.alias_as(layout_as(x, dtype)?, dtype))
}

/// As [`view_of`], with another dtype.
pub fn view_as_dtype(
    x: &Tensor,
    layout: Layout,
    dtype: DType,
    name: &'static str,
    adjoint: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    let origin = if grad_enabled() { ViewOrigin::Plain } else { ViewOrigin::NoGrad };
    let out = x.view_as_dtype(layout, dtype, origin);
    if !autograd::needs_grad(&[x]) {
        return out;
    }
    autograd::record(out, name, &[x], &[], move |cx| Ok(smallvec![cx.grad().map(&adjoint).transpose()?]))
}

fn int_list(x: &[usize]) -> SmallVec<[i64; 6]> {
    x.iter().map(|&s| s as i64).collect()
}

pub const OPS: &[Op] = &[
    Op::new("view(Tensor input, *int[] size) -> Tensor", |a| Ok(view(a.tensor(0), a.ints(1))?.into()))
        .method_only()
        .doc("The same elements in another shape, without a copy.")
        .samples("t(3, 4), 2, 6 | t(3, 4), (12,) | t(3, 4), -1 | t(1), () | t(0, 3), 3, 0"),
    Op::new("view(Tensor input, ScalarType dtype) -> Tensor", |a| {
        let Some(dtype) = a.dtype(1) else { bail!(Type, "view(): expected a dtype") };
        Ok(view_dtype(a.tensor(0), dtype)?.into())
    })
    .method_only()
    .samples("t(3, 4), torch.int32 | ints(2, 2), torch.uint8")
    .no_gradient(),
    Op::new("adjoint(Tensor input) -> Tensor", |a| Ok(adjoint(a.tensor(0), "adjoint()")?.into()))
        .method()
        .doc("The conjugate transpose of matrices.")
        .samples("t(3, 4) | t(2, 3, 4)"),
    Op::new("reshape(Tensor input, *int[] shape) -> Tensor", |a| Ok(reshape(a.tensor(0), a.ints(1))?.into()))
        .method()
        .doc("The same elements in another shape; copied only where strides force it.")
        .samples("t(3, 4), (2, 6) | nc(3, 4), (-1,) | t(2, 3), (3, 2)"),
    Op::new("view_as(Tensor input, Tensor other) -> Tensor", |a| {
        Ok(view(a.tensor(0), &int_list(a.tensor(1).sizes()))?.into())
    })
    .method_only()
    .doc("A view in the shape of other.")
    .samples("t(3, 4), t(2, 6)"),
    Op::new("reshape_as(Tensor input, Tensor other) -> Tensor", |a| {
        Ok(reshape(a.tensor(0), &int_list(a.tensor(1).sizes()))?.into())
    })
    .method_only()
    .doc("Reshaped to the shape of other.")
    .samples("t(3, 4), t(2, 6)"),
    Op::new("flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor", |a| {
        Ok(flatten(a.tensor(0), a.int(1), a.int(2))?.into())
    })
    .method()
    .doc("Merges the dimensions from start_dim to end_dim.")
    .samples("t(2, 3, 4) | t(2, 3, 4), 1 | t() | nc(3, 4)"),
    Op::new("ravel(Tensor input) -> Tensor", |a| Ok(reshape(&copy::contiguous(a.tensor(0))?, &[-1])?.into()))
        .method()
        .doc("All elements in one dimension.")
        .samples("t(2, 3) | nc(3, 4) | t()"),
    Op::new("unflatten(Tensor input, int dim, int[] sizes) -> Tensor", |a| {
        Ok(unflatten(a.tensor(0), a.int(1), a.ints(2))?.into())
    })
    .method()
    .doc("Splits a dimension into several.")
    .samples("t(3, 4), 1, (2, 2) | t(6), 0, (-1, 2)"),
    Op::new("squeeze(Tensor input) -> Tensor", |a| Ok(squeeze(a.tensor(0), None)?.into()))
        .method()
        .doc("Without the dimensions of size 1.")
        .samples("t(1, 3, 1) | t(2) | t()"),
    Op::new("squeeze(Tensor input, int[1] dim) -> Tensor", |a| {
        Ok(squeeze(a.tensor(0), Some(a.ints(1)))?.into())
    })
    .method()
    .samples("t(1, 3, 1), 0 | t(1, 3, 1), 1 | t(1, 3, 1), (0, 2)"),
    Op::new("unsqueeze(Tensor input, int dim) -> Tensor", |a| Ok(unsqueeze(a.tensor(0), a.int(1))?.into()))
        .method()
        .doc("With a dimension of size 1 at dim.")
        .samples("t(3), 0 | t(3), -1 | nc(3, 4), 1 | t(), 0"),
    Op::new("expand(Tensor input, *int[] size, *, bool implicit=False) -> Tensor", |a| {
        Ok(expand(a.tensor(0), a.ints(1))?.into())
    })
    .method_only()
    .doc("Dimensions of size 1 repeated without a copy; -1 keeps a size.")
    .samples("t(3, 1), 3, 4 | t(3), (2, 3) | t(1, 3), -1, 3 | t(), 2"),
    Op::new("expand_as(Tensor input, Tensor other) -> Tensor", |a| {
        Ok(expand_to(a.tensor(0), a.tensor(1).sizes())?.into())
    })
    .method_only()
    .doc("Expanded to the shape of other.")
    .samples("t(3, 1), t(3, 4)"),
    Op::new("broadcast_to(Tensor input, int[] size) -> Tensor", |a| {
        Ok(expand(a.tensor(0), a.ints(1))?.into())
    })
    .method()
    .doc("Expanded to a shape.")
    .samples("t(3, 1), (3, 4)"),
    Op::new("transpose(Tensor input, int dim0, int dim1) -> Tensor", |a| {
        Ok(transpose(a.tensor(0), a.int(1), a.int(2))?.into())
    })
    .method()
    .doc("Two dimensions exchanged.")
    .samples("t(2, 3, 4), 0, 2 | t(3, 4), -1, -2 | t(), 0, -1"),
    Op::new("t(Tensor input) -> Tensor", |a| Ok(t(a.tensor(0))?.into()))
        .method()
        .doc("The transpose of a matrix.")
        .samples("t(3, 4) | t(3)"),
    Op::new("permute(Tensor input, *int[] dims) -> Tensor", |a| Ok(permute(a.tensor(0), a.ints(1))?.into()))
        .method()
        .doc("Dimensions in another order.")
        .samples("t(2, 3, 4), (2, 0, 1) | t(3, 4), (-1, 0)"),
    Op::new("movedim(Tensor input, int[1] source, int[1] destination) -> Tensor", |a| {
        Ok(movedim(a.tensor(0), a.ints(1), a.ints(2))?.into())
    })
    .method()
    .doc("Dimensions moved to other places; the rest keeps its order.")
    .samples("t(2, 3, 4), 0, 2 | t(2, 3, 4), (0, 1), (1, 2)"),
    Op::new("numpy_T(Tensor input) -> Tensor", |a| Ok(reversed(a.tensor(0))?.into()))
        .method_only()
        .doc("All dimensions in reverse (`Tensor.T`).")
        .samples("t(2, 3, 4)"),
    Op::new("detach(Tensor input) -> Tensor", |a| Ok(a.tensor(0).detach().into()))
        .method()
        .doc("The same memory, cut off from the graph.")
        .no_gradient(),
];
