//! Other looks at the same memory. Each view knows its adjoint: `reshape` undoes a reshape, a slice
//! is undone by writing into zeros, an expansion by a sum.

use smallvec::{SmallVec, smallvec};

use crate::alloc;
use crate::autograd::{self, Edge, Node, grad_enabled};
use crate::bail;
use crate::error::Result;
use crate::layout::{Layout, Show, Sizes, Strides, infer_size, wrap_dim, wrap_dims};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, reduce};
use crate::scalar::Scalar;
use crate::storage::Storage;
use crate::tensor::{Tensor, ViewOrigin};

/// A view that the tape follows; `adjoint` takes its gradient back to the shape of `x`.
fn view_of(
    x: &Tensor,
    layout: Layout,
    name: &'static str,
    adjoint: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Tensor {
    view_from(x, layout, ViewOrigin::Plain, name, adjoint)
}

fn view_from(
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

/// The adjoint of views that keep all elements.
fn reshaped_back(x: &Tensor) -> impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + use<> {
    let sizes = Sizes::from_slice(x.sizes());
    move |g| reshape_to(g, &sizes)
}

// ---- shapes ----

/// Another tensor over the same elements.
pub fn alias(x: &Tensor) -> Tensor {
    view_of(x, x.layout().clone(), "alias", |g| Ok(g.clone()))
}

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
            let dense = copy::contiguous_copy(x)?;
            Ok(view_of(&dense, Layout::contiguous(sizes), "UnsafeViewBackward0", reshaped_back(x)))
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

// ---- parts ----

/// A part of a tensor that a strided view can show.
#[derive(Clone, Copy)]
pub enum Part {
    Select { dim: usize, index: usize },
    Slice { dim: usize, start: usize, length: usize, step: usize },
    Diagonal { offset: i64, dim1: usize, dim2: usize },
}

impl Part {
    fn of(self, layout: &Layout) -> Layout {
        match self {
            Part::Select { dim, index } => layout.select(dim, index),
            Part::Slice { dim, start, length, step } => layout.narrow(dim, start, length, step),
            Part::Diagonal { offset, dim1, dim2 } => {
                let (n, m) = (layout.sizes[dim1] as i64, layout.sizes[dim2] as i64);
                let length = if offset >= 0 { n.min(m - offset) } else { (n + offset).min(m) }.max(0);
                let stride = layout.strides[dim1] + layout.strides[dim2];
                let mut out = layout.clone();
                if length > 0 {
                    let start = if offset >= 0 { (dim2, offset) } else { (dim1, -offset) };
                    out.offset = (out.offset as isize + start.1 as isize * layout.strides[start.0]) as usize;
                }
                for d in [dim1.max(dim2), dim1.min(dim2)] {
                    out.sizes.remove(d);
                    out.strides.remove(d);
                }
                out.sizes.push(length as usize);
                out.strides.push(stride);
                out
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Part::Select { .. } => "select",
            Part::Slice { .. } => "slice",
            Part::Diagonal { .. } => "diagonal",
        }
    }
}

/// A view of a part.
pub fn take_part(x: &Tensor, part: Part) -> Tensor {
    take_part_from(x, part, ViewOrigin::Plain)
}

fn take_part_from(x: &Tensor, part: Part, origin: ViewOrigin) -> Tensor {
    let sizes: Sizes = x.sizes().into();
    view_from(x, part.of(x.layout()), origin, part.name(), move |g| place_part(g, &sizes, part))
}

/// Zeros with `g` at the place of the part: the adjoint of [`take_part`], and the other way round.
fn place_part(g: &Tensor, sizes: &[usize], part: Part) -> Result<Tensor> {
    let out = creation::zeros(sizes, g.dtype())?;
    copy::write(&out.alias(part.of(out.layout())), g)?;
    if !autograd::needs_grad(&[g]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "SliceBackward0", &[g], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|gg| take_part(gg, part))])
    }))
}

pub fn select(x: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
    if x.ndim() == 0 {
        bail!(Index, "select() cannot be applied to a 0-dim tensor.");
    }
    let dim = wrap_dim(dim, x.ndim())?;
    let size = x.size(dim) as i64;
    if index < -size || index >= size {
        bail!(
            Index,
            "select(): index {index} out of range for tensor of size {} at dimension {dim}",
            Show(x.sizes())
        );
    }
    let index = if index < 0 { index + size } else { index } as usize;
    Ok(take_part(x, Part::Select { dim, index }))
}

/// Python's slice along a dimension; `step` must be positive.
pub fn slice(x: &Tensor, dim: i64, start: Option<i64>, end: Option<i64>, step: i64) -> Result<Tensor> {
    if x.ndim() == 0 {
        bail!(Index, "slice() cannot be applied to a 0-dim tensor.");
    }
    let dim = wrap_dim(dim, x.ndim())?;
    if step <= 0 {
        bail!(Value, "step must be greater than zero");
    }
    let size = x.size(dim) as i64;
    let clip = |i: i64| if i < 0 { i.saturating_add(size).max(0) } else { i.min(size) };
    let start = clip(start.unwrap_or(0));
    let end = clip(end.unwrap_or(size)).max(start);
    let length = ((end - start) as usize).div_ceil(step as usize);
    Ok(take_part(x, Part::Slice { dim, start: start as usize, length, step: step as usize }))
}

pub fn narrow(x: &Tensor, dim: i64, start: i64, length: i64) -> Result<Tensor> {
    if x.ndim() == 0 {
        bail!(Autograd, "narrow() cannot be applied to a 0-dim tensor.");
    }
    let dim = wrap_dim(dim, x.ndim())?;
    let size = x.size(dim) as i64;
    if length < 0 {
        bail!(Autograd, "narrow(): length must be non-negative.");
    }
    if start < -size || start > size {
        bail!(Index, "start out of range (expected to be in range of [{}, {size}], but got {start})", -size);
    }
    let start = if start < 0 { start + size } else { start };
    if start > size - length {
        bail!(Shape, "start ({start}) + length ({length}) exceeds dimension size ({size}).");
    }
    Ok(take_part(x, Part::Slice { dim, start: start as usize, length: length as usize, step: 1 }))
}

pub fn diagonal(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    let (a, b) = (wrap_dim(dim1, x.ndim())?, wrap_dim(dim2, x.ndim())?);
    if a == b || x.ndim() < 2 {
        bail!(Autograd, "diagonal dimensions cannot be identical {dim1}, {dim2}");
    }
    Ok(take_part(x, Part::Diagonal { offset, dim1: a, dim2: b }))
}

/// Room for `n` views. Their handles are made one by one and must not fail halfway.
fn views_for(n: usize) -> Result<Vec<Tensor>> {
    drop(alloc::vec_for::<[usize; 32]>(n)?);
    alloc::vec_for(n)
}

/// Consecutive parts of the given lengths.
fn split_sizes(x: &Tensor, lengths: &[i64], dim: i64) -> Result<Vec<Tensor>> {
    if x.ndim() == 0 {
        bail!(Autograd, "split expects at least a 1-dimensional tensor");
    }
    let dim = wrap_dim(dim, x.ndim())?;
    if lengths.iter().any(|&n| n < 0) {
        bail!(
            Autograd,
            "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={}",
            Show(lengths)
        );
    }
    let total: i64 = lengths.iter().fold(0, |a: i64, &b| a.saturating_add(b));
    if total != x.size(dim) as i64 {
        bail!(
            Autograd,
            "split_with_sizes expects split_sizes to sum exactly to {} (input tensor's size at dimension {dim}), but got split_sizes={}",
            x.size(dim),
            Show(lengths)
        );
    }
    let mut parts = views_for(lengths.len())?;
    let mut start = 0;
    for &n in lengths {
        let part = Part::Slice { dim, start, length: n as usize, step: 1 };
        start += n as usize;
        parts.push(take_part_from(x, part, ViewOrigin::OneOfMany));
    }
    Ok(parts)
}

fn split(x: &Tensor, size: i64, dim: i64) -> Result<Vec<Tensor>> {
    if x.ndim() == 0 {
        bail!(Autograd, "split expects at least a 1-dimensional tensor");
    }
    if size < 0 {
        bail!(Autograd, "split expects split_size be non-negative, but got split_size={size}");
    }
    let total = x.size(wrap_dim(dim, x.ndim())?) as i64;
    if size == 0 && total != 0 {
        bail!(Autograd, "split_size can only be 0 if dimension size is 0, but got dimension size of {total}");
    }
    let whole = if size == 0 { 1 } else { (total / size) as usize };
    let mut lengths = alloc::vec_for(whole + 1)?;
    lengths.resize(whole, size.min(total));
    if size > 0 && total % size != 0 {
        lengths.push(total % size);
    }
    if lengths.is_empty() {
        lengths.push(0);
    }
    split_sizes(x, &lengths, dim)
}

fn chunk(x: &Tensor, chunks: i64, dim: i64) -> Result<Vec<Tensor>> {
    if x.ndim() == 0 {
        bail!(Autograd, "chunk expects at least a 1-dimensional tensor");
    }
    if chunks <= 0 {
        bail!(Autograd, "chunk expects `chunks` to be greater than 0, got: {chunks}");
    }
    let total = x.size(wrap_dim(dim, x.ndim())?) as i64;
    if total == 0 {
        return split_sizes(x, &vec![0; chunks.min(1 << 20) as usize], dim);
    }
    split(x, total.saturating_add(chunks - 1) / chunks, dim)
}

/// One view an index of `dim`.
fn unbind(x: &Tensor, dim: i64) -> Result<Vec<Tensor>> {
    if x.ndim() == 0 {
        bail!(Index, "Dimension specified as {dim} but tensor has no dimensions");
    }
    let dim = wrap_dim(dim, x.ndim())?;
    let mut parts = views_for(x.size(dim))?;
    parts.extend(
        (0..x.size(dim)).map(|index| take_part_from(x, Part::Select { dim, index }, ViewOrigin::OneOfMany)),
    );
    Ok(parts)
}

// ---- arbitrary strides ----

/// A view with strides of the caller's choice. The layout must lie within the storage.
pub fn as_strided(x: &Tensor, layout: Layout) -> Result<Tensor> {
    Tensor::from_storage(x.storage().clone(), layout.clone(), x.dtype())?;
    let geometry = BaseGeometry::of(x, &layout);
    Ok(view_of(x, layout, "as_strided", move |g| geometry.place(g)))
}

/// Where a view stands in the memory of its base: enough to move gradients between the two.
#[derive(Clone)]
pub struct BaseGeometry {
    sizes: Sizes,
    strides: Strides,
    /// Lowest element that base or view reach, from which offsets are counted.
    extent: usize,
    base_offset: usize,
    part: Layout,
}

impl BaseGeometry {
    pub fn of(base: &Tensor, part: &Layout) -> BaseGeometry {
        let whole = base.layout();
        let (base_low, base_high) = whole.extent().unwrap_or((whole.offset, whole.offset));
        let (low, high) = part.extent().unwrap_or((part.offset, part.offset));
        let start = base_low.min(low);
        let mut part = part.clone();
        part.offset -= start.min(part.offset);
        BaseGeometry {
            sizes: whole.sizes.clone(),
            strides: whole.strides.clone(),
            extent: base_high.max(high) - start,
            base_offset: whole.offset - start.min(whole.offset),
            part,
        }
    }

    /// Zeroed memory that holds both, seen as the base.
    fn zeroed(&self, dtype: crate::dtype::DType) -> Result<Tensor> {
        let storage = Storage::new(self.extent.max(1) * dtype.size())?;
        // SAFETY: the storage is fresh; all-zero bytes are zero in every dtype.
        unsafe { std::ptr::write_bytes(storage.ptr(), 0, storage.bytes()) };
        let layout =
            Layout { sizes: self.sizes.clone(), strides: self.strides.clone(), offset: self.base_offset };
        Tensor::from_storage(storage, layout, dtype)
    }

    /// A copy of a gradient of the base, in the base's own strides.
    pub fn copy_of(&self, g: &Tensor) -> Result<Tensor> {
        copy::assign(&self.zeroed(g.dtype())?, g)
    }

    /// The view's part of what `copy_of` returned.
    pub fn part_of(&self, whole: &Tensor) -> Result<Tensor> {
        as_strided(whole, self.part.clone())
    }

    /// Zeros in the shape of the base, with the gradient of the view added in its place.
    fn place(&self, g: &Tensor) -> Result<Tensor> {
        let whole = self.zeroed(g.dtype())?;
        let part = whole.alias(self.part.clone());
        if part.layout().is_non_overlapping_and_dense() || !may_overlap(part.layout()) {
            copy::write(&part, g)?;
        } else {
            reduce::add_overlapping(&part, g)?;
        }
        if !autograd::needs_grad(&[g]) {
            return Ok(whole);
        }
        let geometry = self.clone();
        Ok(autograd::record(whole, "AsStridedBackward0", &[g], &[], move |cx| {
            let Some(gg) = cx.grad() else { return Ok(smallvec![None]) };
            let copied = geometry.copy_of(gg)?;
            Ok(smallvec![Some(geometry.part_of(&copied)?)])
        }))
    }
}

/// Whether two indices may reach one element: dimensions sorted by stride must step over each other.
fn may_overlap(layout: &Layout) -> bool {
    let mut dims: Vec<(usize, usize)> = layout
        .strides
        .iter()
        .zip(&layout.sizes)
        .filter(|&(_, &n)| n > 1)
        .map(|(&s, &n)| (s.unsigned_abs(), n))
        .collect();
    dims.sort_unstable();
    let mut reach = 0usize;
    for (stride, size) in dims {
        if stride <= reach {
            return true;
        }
        reach += stride * (size - 1);
    }
    false
}

/// The edge of a view that follows from its base by strides alone.
pub fn as_strided_edge(base_edge: Edge, base: &Tensor, layout: &Layout) -> Edge {
    let geometry = BaseGeometry::of(base, layout);
    let node = Node::plain("as_strided", smallvec![Some(base_edge)], 1, move |cx: &autograd::Backprop| {
        Ok(smallvec![cx.grad().map(|g| geometry.place(g)).transpose()?])
    });
    Edge { node, output: 0 }
}

fn as_strided_call(a: &Args) -> Result<Output> {
    let x = a.tensor(0);
    let (sizes, strides) = (crate::layout::sizes_from(a.ints(1))?, a.ints(2));
    if sizes.len() != strides.len() {
        bail!(
            Shape,
            "mismatch in length of strides and shape: got {} strides for {} sizes",
            strides.len(),
            sizes.len()
        );
    }
    if strides.iter().any(|&s| s < 0) {
        bail!(
            Shape,
            "as_strided: Negative strides are not supported at the moment, got strides: {}",
            Show(strides)
        );
    }
    let offset = a.opt_int(3).unwrap_or(x.layout().offset as i64);
    if offset < 0 {
        bail!(Shape, "Tensor: invalid storage offset {offset}");
    }
    crate::layout::checked_numel(&sizes)?;
    let strides: Strides = strides.iter().map(|&s| s as isize).collect();
    Ok(as_strided(x, Layout { sizes, strides, offset: offset as usize })?.into())
}

fn detach(x: &Tensor) -> Tensor {
    x.detach()
}

fn int_list(x: &[usize]) -> SmallVec<[i64; 6]> {
    x.iter().map(|&s| s as i64).collect()
}

pub const OPS: &[Op] = &[
    Op::new("view(Tensor input, *int[] size) -> Tensor", |a| Ok(view(a.tensor(0), a.ints(1))?.into()))
        .method_only()
        .doc("The same elements in another shape, without a copy.")
        .samples("t(3, 4), 2, 6 | t(3, 4), (12,) | t(3, 4), -1 | t(1), () | t(0, 3), 3, 0"),
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
    Op::new("select(Tensor input, int dim, int index) -> Tensor", |a| {
        Ok(select(a.tensor(0), a.int(1), a.int(2))?.into())
    })
    .method()
    .doc("The part at one index of a dimension.")
    .samples("t(3, 4), 0, 1 | t(3, 4), 1, -1"),
    Op::new("narrow(Tensor input, int dim, int start, int length) -> Tensor", |a| {
        Ok(narrow(a.tensor(0), a.int(1), a.int(2), a.int(3))?.into())
    })
    .method()
    .doc("The part from start, length indices long.")
    .samples("t(3, 4), 1, 1, 2 | t(3, 4), 0, -2, 1"),
    Op::new("diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", |a| {
        Ok(diagonal(a.tensor(0), a.int(1), a.int(2), a.int(3))?.into())
    })
    .method()
    .doc("A view of a diagonal.")
    .samples("t(3, 4) | t(3, 4), 1 | t(3, 4), -1 | t(2, 3, 4), 0, 1, 2"),
    Op::new("split(Tensor input, int split_size, int dim=0) -> Tensor[]", |a| {
        Ok(split(a.tensor(0), a.int(1), a.int(2))?.into())
    })
    .method()
    .doc("Parts of a given size, or of given sizes, along a dimension.")
    .samples("t(5, 2), 2 | t(3, 4), 2, dim=1"),
    Op::new("split(Tensor input, int[] split_size, int dim=0) -> Tensor[]", |a| {
        Ok(split_sizes(a.tensor(0), a.ints(1), a.int(2))?.into())
    })
    .method()
    .samples("t(5, 2), [2, 3] | t(3, 4), (1, 3), dim=1"),
    Op::new("chunk(Tensor input, int chunks, int dim=0) -> Tensor[]", |a| {
        Ok(chunk(a.tensor(0), a.int(1), a.int(2))?.into())
    })
    .method()
    .doc("About equal parts along a dimension.")
    .samples("t(5, 2), 2 | t(3, 4), 4, dim=1"),
    Op::new("unbind(Tensor input, int dim=0) -> Tensor[]", |a| Ok(unbind(a.tensor(0), a.int(1))?.into()))
        .method()
        .doc("The parts at each index of a dimension.")
        .samples("t(3, 2) | t(3, 4), 1"),
    Op::new(
        "as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
        as_strided_call,
    )
    .method()
    .doc("A view with strides of the caller's choice.")
    .samples("t(12), (3, 2), (4, 1) | t(12), (3, 3), (2, 1), 1"),
    Op::new("detach(Tensor input) -> Tensor", |a| Ok(detach(a.tensor(0)).into()))
        .method()
        .doc("The same memory, cut off from the graph.")
        .no_gradient(),
    Op::new("fill_diagonal_(Tensor input, Scalar fill_value) -> Tensor", |a| {
        let x = a.tensor(0);
        if x.ndim() != 2 {
            bail!(Unsupported, "fill_diagonal_ is only implemented for matrices as yet");
        }
        fill_diagonal(x, a.scalar(1))?;
        Ok(x.clone().into())
    })
    .method_only()
    .doc("Overwrites the diagonal of a matrix."),
];

fn fill_diagonal(x: &Tensor, value: Scalar) -> Result<()> {
    creation::fill_(&diagonal(x, 0, 0, 1)?, value).map(drop)
}
