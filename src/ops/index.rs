//! Reading and writing by index: Python's `x[...]` in full. Every read by index has as its adjoint an
//! addition by index, and the other way round.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, inplace};
use crate::bail;
use crate::cpu;
use crate::cpu::index::{Indexer, MAX_INDICES, Put};
use crate::cpu::loops::{Loops, MAX_OPERANDS};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Show, Sizes, Strides, broadcast, dense_strides, memory_order};
use crate::ops::cuda::index::Access;
pub use crate::ops::gather::{gather, index_select, scatter_add};
use crate::ops::pointwise::Arg;
use crate::ops::registry::Op;
use crate::ops::{arithmetic, copy, creation, cuda, mask, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;
use crate::warning::warn;

/// One element of an index expression.
#[derive(Clone)]
pub enum Index {
    Int(i64),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    /// A new dimension of size 1.
    NewAxis,
    Ellipsis,
    Bool(bool),
    /// Integers choose, bools mask.
    Tensor(Tensor),
}

/// Where an index expression leads: a view, and tensors that index some of its dimensions.
struct Place {
    view: Tensor,
    /// First dimension, and what indexes from there on: integers one dimension, bools as many as
    /// they have.
    picks: SmallVec<[(usize, Tensor); 2]>,
}

fn is_mask(t: &Tensor) -> bool {
    matches!(t.dtype(), DType::Bool | DType::U8)
}

fn locate(x: &Tensor, index: &[Index]) -> Result<Place> {
    let takes = |i: &Index| match i {
        Index::Int(_) | Index::Slice { .. } => 1,
        Index::Tensor(t) if is_mask(t) => t.ndim(),
        Index::Tensor(_) => 1,
        _ => 0,
    };
    let needed: usize = index.iter().map(takes).sum();
    if needed > x.ndim() {
        if x.ndim() == 0 && index.iter().any(|i| matches!(i, Index::Int(_))) {
            bail!(
                Index,
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number"
            );
        }
        bail!(Index, "too many indices for tensor of dimension {}", x.ndim());
    }
    let mut place = Place { view: x.clone(), picks: SmallVec::new() };
    let mut dim = 0usize;
    let mut seen_ellipsis = false;
    for item in index {
        match item {
            Index::Int(i) => {
                let size = place.view.size(dim) as i64;
                if *i < -size || *i >= size {
                    bail!(Index, "index {i} is out of bounds for dimension {} with size {size}", dim);
                }
                place.view = view::select(&place.view, dim as i64, *i)?;
            }
            Index::Slice { start, end, step } => {
                if *step <= 0 {
                    bail!(Value, "step must be greater than zero");
                }
                if start.is_some() || end.is_some() || *step != 1 {
                    place.view = view::slice(&place.view, dim as i64, *start, *end, *step)?;
                }
                dim += 1;
            }
            Index::NewAxis => {
                place.view = view::unsqueeze(&place.view, dim as i64)?;
                dim += 1;
            }
            Index::Ellipsis if seen_ellipsis => {}
            Index::Ellipsis => {
                seen_ellipsis = true;
                dim += x.ndim() - needed;
            }
            Index::Bool(b) => {
                place.view = view::unsqueeze(&place.view, dim as i64)?;
                place.picks.push((dim, truth_as_index(*b)?));
                dim += 1;
            }
            Index::Tensor(t) if is_mask(t) && t.ndim() == 0 => {
                place.view = view::unsqueeze(&place.view, dim as i64)?;
                place.picks.push((dim, truth_as_index(reduce::all_nonzero(t)?)?));
                dim += 1;
            }
            Index::Tensor(t) if is_mask(t) => {
                for d in 0..t.ndim() {
                    if t.size(d) != place.view.size(dim + d) {
                        bail!(
                            Index,
                            "The shape of the mask {} at index {d} does not match the shape of the indexed tensor {} at index {}",
                            Show(t.sizes()),
                            Show(place.view.sizes()),
                            dim + d
                        );
                    }
                }
                place.picks.push((dim, copy::to_device(&t.detached(), x.device())?));
                dim += t.ndim();
            }
            Index::Tensor(t) => {
                if !matches!(t.dtype(), DType::I64 | DType::I32) {
                    bail!(Index, "tensors used as indices must be long, int, byte or bool tensors");
                }
                let t = copy::to_device(&t.detached(), x.device())?;
                place.picks.push((dim, copy::to_dtype(&t, DType::I64)?));
                dim += 1;
            }
        }
    }
    Ok(place)
}

/// True chooses the one element of a new dimension, false none.
fn truth_as_index(truth: bool) -> Result<Tensor> {
    let kept: &[i64] = if truth { &[0] } else { &[] };
    Tensor::from_slice(kept, &[kept.len()])
}

impl Place {
    /// The only index, if that is a mask.
    fn mask(&self) -> Option<(usize, &Tensor)> {
        match &self.picks[..] {
            [(dim, mask)] if is_mask(mask) => Some((*dim, mask)),
            _ => None,
        }
    }

    /// Index tensors by dimension; masks became the coordinates of their true elements.
    fn indices(&self) -> Result<Vec<Option<Tensor>>> {
        let mut indices: Vec<Option<Tensor>> = Vec::new();
        for (dim, pick) in &self.picks {
            warn_of_bytes(pick);
            let columns = if is_mask(pick) { mask::coordinates(pick)? } else { vec![pick.clone()] };
            indices.resize(dim + columns.len(), None);
            for (d, column) in columns.into_iter().enumerate() {
                indices[dim + d] = Some(column);
            }
        }
        Ok(indices)
    }
}

/// Masks of bytes are those of before there were bools.
fn warn_of_bytes(pick: &Tensor) {
    if pick.dtype() == DType::U8 {
        warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.");
    }
}

/// `x[index]`.
pub fn get(x: &Tensor, index: &[Index]) -> Result<Tensor> {
    let place = locate(x, index)?;
    if place.picks.is_empty() {
        // A view even where nothing was cut: x[...] is another tensor.
        return Ok(if place.view.is(x) { view::alias(x) } else { place.view });
    }
    if let Some((0, mask)) = place.mask()
        && place.view.is_contiguous()
    {
        warn_of_bytes(mask);
        return mask::pack(&place.view, mask, "index");
    }
    gather_at(&place.view, place.indices()?)
}

/// `x[index] = value`.
pub fn set<'a>(x: &Tensor, index: &[Index], value: impl Into<Arg<'a>>) -> Result<()> {
    if let [Index::Bool(false)] = index {
        return Ok(());
    }
    let place = locate(x, index)?;
    let number;
    let value = match value.into() {
        Arg::Tensor(t) => t,
        Arg::Number(s) => {
            creation::check_fits(s, x.dtype())?;
            number = creation::scalar(s, x.dtype())?;
            &number
        }
    };
    // Leading ones of the value may be dropped, as in NumPy.
    let ones = value.sizes().iter().take_while(|&&n| n == 1).count();
    let extra = value.ndim().saturating_sub(place.view.ndim());
    let leading = if place.picks.is_empty() { ones.min(extra) } else { ones };
    let mut value = value.clone();
    if leading > 0 && value.numel() > 0 {
        value = view::reshape_to(&value, &value.sizes()[leading..])?;
    }
    if place.picks.is_empty() {
        return copy::assign(&place.view, &value).map(drop);
    }
    if let Some((dim, mask)) = place.mask()
        && value.numel() == 1
    {
        mask::check_is_bool(mask)?;
        return mask::fill_at(&place.view, dim, mask, &view::reshape_to(&value, &[])?);
    }
    put_at(&place.view, place.indices()?, &value, false).map(drop)
}

// ---- indexing by tensors ----

/// How index tensors pick out of a tensor: the sizes of what they pick, and the strides of everything
/// over those.
struct Selection {
    sizes: Sizes,
    /// Of the indexed tensor; 0 along what is indexed.
    strides: Strides,
    picks: SmallVec<[Pick; 2]>,
}

/// An index tensor over the sizes of the result, and the dimension that it leads into.
struct Pick {
    index: Tensor,
    strides: Strides,
    dim: usize,
    size: usize,
    stride: isize,
}

impl Selection {
    fn new(layout: &Layout, indices: &[Option<Tensor>]) -> Result<Selection> {
        let mut shape = Sizes::new();
        for index in indices.iter().flatten() {
            let Ok(wider) = broadcast(&shape, index.sizes()) else {
                let shapes: Vec<String> =
                    indices.iter().flatten().map(|i| Show(i.sizes()).to_string()).collect();
                bail!(
                    Index,
                    "shape mismatch: indexing tensors could not be broadcast together with shapes {}",
                    shapes.join(", ")
                );
            };
            shape = wider;
        }
        let indexed = |d: usize| indices.get(d).is_some_and(Option::is_some);
        // Index dimensions stay where they were if they were neighbours, and go first otherwise.
        let first = (0..layout.ndim()).find(|&d| indexed(d)).unwrap_or(0);
        let last = (0..layout.ndim()).rfind(|&d| indexed(d)).unwrap_or(0);
        let at = if (first..=last).all(indexed) { first } else { 0 };
        let mut selection =
            Selection { sizes: Sizes::new(), strides: Strides::new(), picks: SmallVec::new() };
        for d in (0..layout.ndim()).filter(|&d| !indexed(d)) {
            selection.sizes.push(layout.sizes[d]);
            selection.strides.push(layout.strides[d]);
        }
        selection.sizes.insert_from_slice(at, &shape);
        selection.strides.insert_many(at, shape.iter().map(|_| 0));
        let n = selection.sizes.len();
        for (dim, index) in indices.iter().enumerate() {
            let Some(index) = index else { continue };
            let mut strides: Strides = SmallVec::from_elem(0, n);
            let broadcast = index.layout().broadcast_to(&shape).strides;
            strides[at..at + shape.len()].copy_from_slice(&broadcast);
            let (size, stride) = (layout.sizes[dim], layout.strides[dim]);
            selection.picks.push(Pick { index: index.clone(), strides, dim, size, stride });
        }
        if selection.picks.len() > MAX_INDICES {
            selection.combine(&shape, at)?;
        }
        Ok(selection)
    }

    /// Many indices become one, which leads straight to the element.
    fn combine(&mut self, shape: &[usize], at: usize) -> Result<()> {
        self.check()?;
        let mut sum = creation::zeros(shape, DType::I64)?;
        let mut extent = 1;
        for pick in self.picks.drain(..) {
            let index = wrapped(&pick.index, pick.size)?;
            sum = arithmetic::add(&sum, &arithmetic::mul(&index, Scalar::Int(pick.stride as i64))?)?;
            extent += pick.size.saturating_sub(1) * pick.stride.unsigned_abs();
        }
        let mut strides: Strides = SmallVec::from_elem(0, self.sizes.len());
        strides[at..at + shape.len()].copy_from_slice(sum.strides());
        self.picks.push(Pick { index: sum, strides, dim: 0, size: extent, stride: 1 });
        Ok(())
    }

    /// Refuses indices out of range.
    fn check(&self) -> Result<()> {
        for pick in &self.picks {
            let loops = Loops::new(pick.index.sizes(), &[(pick.index.strides(), 8)]);
            if pick.index.numel() == 0 {
                continue;
            }
            // A GPU tells later.
            if pick.index.device().is_cuda() {
                continue;
            }
            // SAFETY: the loops are those of the index tensor.
            if let Err(bad) = unsafe { cpu::index::check(&pick.indexer(1), &loops) } {
                return Err(self.out_of_range(pick.dim, bad, pick.size));
            }
        }
        Ok(())
    }

    fn out_of_range(&self, dim: usize, index: i64, size: usize) -> crate::error::Error {
        crate::error::Error::Index(format!(
            "index {index} is out of bounds for dimension {dim} with size {size}"
        ))
    }

    fn indexers(&self, bytes: usize) -> SmallVec<[Indexer; MAX_INDICES]> {
        self.picks.iter().map(|p| p.indexer(bytes)).collect()
    }

    fn gpu_indexers(&self, bytes: usize) -> SmallVec<[cuda::index::Indexer<'_>; MAX_INDICES]> {
        let picks = self.picks.iter();
        let indexers = picks.map(|p| cuda::index::Indexer {
            index: &p.index,
            size: p.size,
            stride: p.stride * bytes as isize,
            negative: true,
            dim: p.dim,
        });
        indexers.collect()
    }

    /// Loops over two operands and the indices.
    fn loops(&self, operands: [(&[isize], usize); 2]) -> Loops {
        let mut all: SmallVec<[(&[isize], usize); MAX_OPERANDS]> = operands.into_iter().collect();
        all.extend(self.picks.iter().map(|p| (p.strides.as_slice(), 8)));
        Loops::new(&self.sizes, &all)
    }

    /// What the indices pick, in memory as PyTorch has it.
    fn read(&self, x: &Tensor) -> Result<Tensor> {
        let mut strides: SmallVec<[&[isize]; MAX_OPERANDS]> = smallvec![self.strides.as_slice()];
        strides.extend(self.picks.iter().map(|p| p.strides.as_slice()));
        let order = memory_order(&self.sizes, &strides);
        let out = Tensor::empty_dense(&self.sizes, dense_strides(&self.sizes, &order), x.dtype())?;
        let bytes = x.dtype().size();
        let loops = self.loops([(out.strides(), bytes), (&self.strides, bytes)]);
        if out.numel() == 0 {
            return Ok(out);
        }
        if out.device().is_cuda() {
            cuda::index::access(Access::Read, &out, x, &self.gpu_indexers(bytes), &loops, "index")?;
            return Ok(out);
        }
        let indexers = self.indexers(bytes);
        // SAFETY: the loops cover the fresh output, the index tensors, and those dimensions of x that
        // are not indexed; the indexers know the sizes of the others.
        match unsafe { cpu::index::gather(bytes, out.ptr(), x.ptr(), &indexers, &loops) } {
            Ok(()) => Ok(out),
            Err((which, bad)) => Err(self.out_of_range(self.picks[which].dim, bad, self.picks[which].size)),
        }
    }

    /// Writes or adds values, broadcast to what the indices pick.
    fn write(&self, x: &Tensor, values: &Tensor, how: Put) -> Result<()> {
        if broadcast(&self.sizes, values.sizes()).ok().as_deref() != Some(&self.sizes[..]) {
            bail!(
                Shape,
                "shape mismatch: value tensor of shape {} cannot be broadcast to indexing result of shape {}",
                Show(values.sizes()),
                Show(&self.sizes)
            );
        }
        self.check()?;
        if self.sizes.contains(&0) {
            return Ok(());
        }
        let mut values = copy::to_dtype(&values.detached(), x.dtype())?;
        if values.storage().same(x.storage()) {
            if copy::overlap(x, &values) {
                bail!(
                    Shape,
                    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation."
                );
            }
            values = copy::clone(&values)?;
        }
        let bytes = x.dtype().size();
        let from = values.layout().broadcast_to(&self.sizes);
        let loops = self.loops([(&self.strides, bytes), (&from.strides, bytes)]);
        if x.device().is_cuda() {
            let indexers = self.gpu_indexers(bytes);
            return cuda::index::access(Access::Put(how), x, &values, &indexers, &loops, "index_put");
        }
        // SAFETY: as in `read`; the indices were checked, and the values are other memory.
        unsafe { cpu::index::put(how, x.operand(), values.ptr(), &self.indexers(bytes), &loops) };
        Ok(())
    }
}

impl Pick {
    fn indexer(&self, bytes: usize) -> Indexer {
        Indexer {
            ptr: self.index.ptr().cast(),
            size: self.size as i64,
            stride: self.stride * bytes as isize,
            negative: true,
        }
    }
}

/// Indices below 0 count from the end.
pub fn wrapped(index: &Tensor, size: usize) -> Result<Tensor> {
    let from_end = arithmetic::add(index, Scalar::Int(size as i64))?;
    table::select(&table::lt(index, Scalar::Int(0))?, &from_end, index)
}

fn gather_at(x: &Tensor, indices: Vec<Option<Tensor>>) -> Result<Tensor> {
    let out = Selection::new(x.layout(), &indices)?.read(x)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(out, "index", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(add_at(&sizes, &indices, g)?)])
    }))
}

/// Zeros of the given sizes with `g` added at the indices.
fn add_at(sizes: &[usize], indices: &[Option<Tensor>], g: &Tensor) -> Result<Tensor> {
    let out = creation::zeros(sizes, g.dtype())?;
    Selection::new(out.layout(), indices)?.write(&out, g, Put::Add)?;
    if !autograd::needs_grad(&[g]) {
        return Ok(out);
    }
    let indices = indices.to_vec();
    Ok(autograd::record(out, "IndexPutBackward0", &[g], &[], move |cx| {
        let Some(gg) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(gather_at(gg, indices.clone())?)])
    }))
}

/// `x[indices] = values` (or `+=`) in place, on the tape.
pub fn put_at(x: &Tensor, indices: Vec<Option<Tensor>>, values: &Tensor, accumulate: bool) -> Result<Tensor> {
    if values.dtype() != x.dtype() {
        bail!(
            DType,
            "Index put requires the source and destination dtypes match, got {} for the destination and {} for the source.",
            x.dtype().scalar_name(),
            values.dtype().scalar_name()
        );
    }
    let graph = autograd::needs_grad(&[x, values]) && x.dtype().is_differentiable();
    inplace::check(x, graph)?;
    let how = if accumulate { Put::Add } else { Put::Write };
    let old = x.gradient_edge();
    Selection::new(x.layout(), &indices)?.write(x, values, how)?;
    if !graph {
        inplace::rebase(x, None);
        return Ok(x.clone());
    }
    let before = match old {
        Some(edge) => x.detach().with_producer(edge),
        None => x.detach(),
    };
    let value_sizes: Sizes = values.sizes().into();
    let after = autograd::record(x.detach(), "IndexPutBackward0", &[&before, values], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_values = if cx.needs(1) {
            Some(reduce::sum_to_size(&gather_at(g, indices.clone())?, &value_sizes)?)
        } else {
            None
        };
        let for_x = match cx.needs(0) {
            true if accumulate => Some(g.clone()),
            true => {
                let rest = copy::clone(g)?;
                Some(put_at(&rest, indices.clone(), &creation::zeros(&[], g.dtype())?, false)?)
            }
            false => None,
        };
        Ok(smallvec![for_x, for_values])
    });
    inplace::rebase(x, after.producer());
    Ok(x.clone())
}

/// `index_put_`: as `x[indices] = values`, with tensors alone.
fn index_put(x: &Tensor, indices: &[Tensor], values: &Tensor, accumulate: bool) -> Result<Tensor> {
    if indices.is_empty() {
        bail!(Index, "index_put_(): expected at least one index tensor");
    }
    let indices: Vec<Index> = indices.iter().map(|t| Index::Tensor(t.clone())).collect();
    let place = locate(x, &indices)?;
    if let Some((dim, mask)) = place.mask()
        && !accumulate
        && values.numel() == 1
    {
        mask::fill_at(&place.view, dim, mask, &view::reshape_to(values, &[])?)?;
        return Ok(x.clone());
    }
    put_at(&place.view, place.indices()?, values, accumulate)?;
    Ok(x.clone())
}

pub const OPS: &[Op] = &[
    Op::new(
        "index_put(Tensor input, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
        |a| {
            Ok(index_put(&copy::clone(a.tensor(0))?, a.tensors(1), a.tensor(2), a.bool(3))?.into())
        },
    )
    .method()
    .inplace_by(|a| Ok(index_put(a.tensor(0), a.tensors(1), a.tensor(2), a.bool(3))?.into()))
    .doc("Writes values at the indices, or adds them.")
    .samples("t(3, 4), (torch.tensor([0, 2]),), t(4) | t(3, 4), (torch.tensor([[0, 2]]), torch.tensor([1])), t(1, 2), accumulate=True | t(3, 4), [bools(3)], t() | nc(3, 4), [torch.tensor([-1, 0])], t(2, 4)"),
];
