//! Reading along one dimension by an index tensor: `gather`, whose index has the shape of what is read,
//! and `index_select`, whose index is a vector that counts for all lines: the former with the index
//! expanded.

use smallvec::{SmallVec, smallvec};

use crate::autograd;
use crate::bail;
use crate::cpu;
use crate::cpu::index::Indexer;
use crate::cpu::loops::Loops;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Layout, Show, Sizes, Strides, broadcast, wrap_dim};
use crate::ops::cuda::index::Access;
use crate::ops::index::wrapped;
use crate::ops::registry::{Args, Op};
use crate::ops::scatter::add_lines;
pub use crate::ops::scatter::scatter_add;
use crate::ops::{copy, creation, cuda, view};
use crate::tensor::Tensor;

/// The strides of an operand along whose dimension `dim` the indices lead.
pub fn strides_without(x: &Tensor, dim: usize) -> Strides {
    let mut strides: Strides = x.strides().into();
    strides[dim] = 0;
    strides
}

pub fn indexer(x: &Tensor, dim: usize, index: &Tensor) -> Indexer {
    let stride = x.strides()[dim] * x.dtype().size() as isize;
    Indexer { ptr: index.ptr().cast(), size: x.size(dim) as i64, stride, negative: false }
}

/// The same for a GPU.
pub fn gpu_indexer<'a>(x: &Tensor, dim: usize, index: &'a Tensor) -> cuda::index::Indexer<'a> {
    let stride = x.strides()[dim] * x.dtype().size() as isize;
    cuda::index::Indexer { index, size: x.size(dim), stride, negative: false, dim }
}

pub fn out_of_range(index: i64, x: &Tensor, dim: usize, name: &str) -> Error {
    let size = x.size(dim);
    let text = format!("index {index} is out of bounds for dimension {dim} with size {size}");
    // PyTorch has two classes for it.
    match name {
        "gather" => Error::Autograd(text),
        _ if name.starts_with("scatter") => Error::Autograd(text),
        _ => Error::Index(format!("{name}(): {text}")),
    }
}

/// The elements at the indices; `x` has as many dimensions as the index, at least one, and is no
/// smaller but for `dim`. No tape.
fn read(x: &Tensor, dim: usize, index: &Tensor, name: &'static str) -> Result<Tensor> {
    let out = Tensor::empty(index.sizes(), x.dtype())?;
    if out.numel() == 0 {
        return Ok(out);
    }
    let bytes = x.dtype().size();
    let from = strides_without(x, dim);
    let loops = Loops::new(out.sizes(), &[(out.strides(), bytes), (&from, bytes), (index.strides(), 8)]);
    if out.device().is_cuda() {
        let indexers = [gpu_indexer(x, dim, index)];
        cuda::index::access(Access::Read, &out, x, &indexers, &loops, name)?;
        return Ok(out);
    }
    // SAFETY: the loops cover the fresh output, the index, and the dimensions of x that are not
    // indexed; the indexer knows the size of the other.
    let read = unsafe { cpu::index::gather(bytes, out.ptr(), x.ptr(), &[indexer(x, dim, index)], &loops) };
    match read {
        Ok(()) => Ok(out),
        Err((_, bad)) => Err(out_of_range(bad, x, dim, name)),
    }
}

/// Tensors without dimensions count as vectors.
pub fn at_least_1d(x: &Tensor) -> Result<Tensor> {
    if x.ndim() == 0 { view::reshape_to(x, &[1]) } else { Ok(x.clone()) }
}

pub fn index_values(index: &Tensor) -> Result<Tensor> {
    copy::to_dtype(&index.detached(), DType::I64)
}

fn check_index_dtype(index: &Tensor, name: &str) -> Result<()> {
    if index.numel() > 0 && !matches!(index.dtype(), DType::I64 | DType::I32) {
        bail!(DType, "{name}(): Expected dtype int32/int64 for index");
    }
    Ok(())
}

/// `index` must be no larger than `x` but for `dim`.
pub fn check_lines(x: &Tensor, dim: usize, index: &Tensor, name: &str) -> Result<()> {
    check_index_dtype(index, name)?;
    if index.numel() == 0 {
        return Ok(());
    }
    if index.ndim().max(1) != x.ndim().max(1) {
        bail!(Autograd, "Index tensor must have the same number of dimensions as input tensor");
    }
    for d in (0..index.ndim()).filter(|&d| d != dim) {
        if index.size(d) > x.sizes().get(d).copied().unwrap_or(1) {
            bail!(
                Shape,
                "Size does not match at dimension {d} expected index {} to be no larger than self {} apart from dimension {dim}",
                Show(index.sizes()),
                Show(x.sizes())
            );
        }
    }
    Ok(())
}

/// `out[i][j] = x[index[i][j]][j]` along a dimension.
pub fn gather(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let d = wrap_dim(dim, x.ndim())?;
    check_lines(x, d, index, "gather")?;
    take_lines(x, d, &index_values(index)?, "gather")
}

pub fn take_lines(x: &Tensor, dim: usize, index: &Tensor, name: &'static str) -> Result<Tensor> {
    if index.numel() == 0 {
        let out = Tensor::empty(index.sizes(), x.dtype())?;
        return Ok(record_take(out, x, dim, index, name));
    }
    let out = read(&at_least_1d(&x.detached())?, dim, &at_least_1d(index)?, name)?;
    let out = if index.ndim() == 0 { out.alias(Layout::contiguous(&[])) } else { out };
    Ok(record_take(out, x, dim, index, name))
}

fn record_take(out: Tensor, x: &Tensor, dim: usize, index: &Tensor, name: &'static str) -> Tensor {
    if !autograd::needs_grad(&[x]) {
        return out;
    }
    let (sizes, index): (Sizes, _) = (x.sizes().into(), index.clone());
    autograd::record(out, name, &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let zeros = creation::zeros(&sizes, g.dtype())?;
        if index.numel() == 0 {
            return Ok(smallvec![Some(zeros)]);
        }
        Ok(smallvec![Some(add_lines(&zeros, dim, &index, g)?)])
    })
}

/// A vector of indices along `dim` as an index for every line of something of the given sizes.
pub fn expanded(index: &Tensor, dim: usize, sizes: &[usize]) -> Result<Tensor> {
    let mut along: Sizes = SmallVec::from_elem(1, sizes.len());
    if let Some(n) = along.get_mut(dim) {
        *n = index.numel();
    }
    let flat = view::reshape_to(&index_values(index)?, &along)?;
    let mut target: Sizes = sizes.into();
    if let Some(n) = target.get_mut(dim) {
        *n = index.numel();
    }
    Ok(flat.alias(flat.layout().broadcast_to(&target)))
}

fn check_vector(index: &Tensor, name: &str) -> Result<()> {
    if index.ndim() > 1 {
        bail!(
            Index,
            "{name}(): Index is supposed to be a vector, got dim: {} with dtype: {}, size: {}",
            index.ndim(),
            index.dtype().scalar_name(),
            Show(index.sizes())
        );
    }
    if !matches!(index.dtype(), DType::I64 | DType::I32) {
        bail!(DType, "{name}(): Expected dtype int32 or int64 for index");
    }
    Ok(())
}

/// The parts of `x` at the indices of a dimension.
pub fn index_select(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let dim = wrap_dim(dim, x.ndim())?;
    check_vector(index, "index_select")?;
    if x.ndim() == 0 {
        if index.numel() != 1 {
            bail!(
                Index,
                "index_select(): Index to scalar can have only 1 value, got {} value(s)",
                index.numel()
            );
        }
        let picked = index_select(&view::reshape_to(x, &[1])?, 0, index)?;
        return view::reshape_to(&picked, &[]);
    }
    take_lines(x, dim, &expanded(index, dim, x.sizes())?, "index_select")
}

/// The elements at places of the flattened tensor.
fn take(x: &Tensor, index: &Tensor) -> Result<Tensor> {
    if index.dtype() != DType::I64 {
        bail!(DType, "take(): Expected a long tensor for index, but got {}", index.dtype().scalar_name());
    }
    if x.numel() == 0 && index.numel() > 0 {
        bail!(Index, "take(): tried to take from an empty tensor");
    }
    let flat = view::reshape(x, &[-1])?;
    let places = view::reshape(&wrapped(&index.detached(), x.numel())?, &[-1])?;
    view::reshape_to(&take_lines(&flat, 0, &places, "take")?, index.sizes())
}

fn take_along_dim(x: &Tensor, index: &Tensor, dim: Option<i64>) -> Result<Tensor> {
    if index.dtype() != DType::I64 {
        bail!(
            DType,
            "torch.take_along_dim(): dtype of indices should be Long but got {}",
            index.dtype().scalar_name()
        );
    }
    let Some(dim) = dim else {
        return gather(&view::reshape(x, &[-1])?, 0, &view::reshape(index, &[-1])?);
    };
    if x.ndim() != index.ndim() {
        bail!(
            Autograd,
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got {} dimensions for input, and {} dimensions for indices",
            x.ndim(),
            index.ndim()
        );
    }
    let d = wrap_dim(dim, x.ndim())?;
    if x.ndim() == 0 {
        return gather(x, 0, index);
    }
    // Both are broadcast but for the dimension of the indices.
    let (mut own, mut its): (Sizes, Sizes) = (x.sizes().into(), index.sizes().into());
    (own[d], its[d]) = (1, 1);
    let common = broadcast(&own, &its)?;
    (own, its) = (common.clone(), common);
    (own[d], its[d]) = (x.size(d), index.size(d));
    let index = wrapped(&index.detached(), x.size(d))?;
    gather(&view::expand_to(x, &own)?, d as i64, &view::expand_to(&index, &its)?)
}

fn check_sparse(a: &Args, at: usize) -> Result<()> {
    if a.bool(at) {
        bail!(Unsupported, "gather: sparse gradients (sparse_grad=True) are not supported");
    }
    Ok(())
}

pub const OPS: &[Op] = &[
    Op::new("gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", |a| {
        check_sparse(a, 3)?;
        Ok(gather(a.tensor(0), a.int(1), a.tensor(2))?.into())
    })
    .method()
    .doc("The elements at the indices along a dimension.")
    .samples("t(3, 4), 1, ints(3, 2, high=4) | nc(3, 4), 0, ints(2, 4, high=3) | t(), 0, torch.tensor(0) | t(3, 0), 1, ints(3, 0)"),
    Op::new("index_select(Tensor input, int dim, Tensor index) -> Tensor", |a| {
        Ok(index_select(a.tensor(0), a.int(1), a.tensor(2))?.into())
    })
    .method()
    .doc("The parts at the indices of a dimension.")
    .samples("t(3, 4), 0, ints(5, high=3) | nc(3, 4), 1, ints(2, high=4) | t(), 0, torch.tensor([0])"),
    Op::new("take(Tensor input, Tensor index) -> Tensor", |a| Ok(take(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("The elements at places of the flattened tensor.")
        .samples("t(3, 4), ints(2, 2, low=-12, high=12) | nc(3, 4), torch.tensor([5]) | t(), torch.tensor(0)"),
    Op::new("take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor", |a| {
        Ok(take_along_dim(a.tensor(0), a.tensor(1), a.opt_int(2))?.into())
    })
    .method()
    .doc("As gather, with both broadcast; without dim, of the flattened tensors.")
    .samples("t(3, 4), ints(3, 1, high=4), 1 | t(3, 1), ints(2, 4, high=3), dim=0 | t(3, 4), ints(5, high=12)"),
];
