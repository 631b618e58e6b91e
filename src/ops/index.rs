//! Reading and writing by index: Python's `x[...]` in full, and the functions that take an index
//! tensor. Every read by index has as its adjoint an addition by index, and the other way round.

use smallvec::{SmallVec, smallvec};

use crate::alloc;
use crate::autograd::{self, inplace};
use crate::bail;
use crate::dtype::{Cast, DType, Element};
use crate::error::Result;
use crate::layout::{Layout, Show, Sizes, broadcast, checked_numel, wrap_dim};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

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
    indices: Vec<Option<Tensor>>,
}

fn locate(x: &Tensor, index: &[Index]) -> Result<Place> {
    let takes = |i: &Index| match i {
        Index::Int(_) | Index::Slice { .. } => 1,
        Index::Tensor(t) if matches!(t.dtype(), DType::Bool | DType::U8) => t.ndim(),
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
    let mut place = Place { view: x.clone(), indices: Vec::new() };
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
                let kept: &[i64] = if *b { &[0] } else { &[] };
                put_index(&mut place.indices, dim, Tensor::from_slice(kept, &[kept.len()])?);
                dim += 1;
            }
            Index::Tensor(t) if matches!(t.dtype(), DType::Bool | DType::U8) => {
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
                if t.ndim() == 0 {
                    place.view = view::unsqueeze(&place.view, dim as i64)?;
                    let kept: &[i64] = if reduce::all_nonzero(t)? { &[0] } else { &[] };
                    put_index(&mut place.indices, dim, Tensor::from_slice(kept, &[kept.len()])?);
                    dim += 1;
                    continue;
                }
                for column in nonzero_columns(t)? {
                    put_index(&mut place.indices, dim, column);
                    dim += 1;
                }
            }
            Index::Tensor(t) => {
                if !t.dtype().is_integral() {
                    bail!(Index, "tensors used as indices must be long, int, byte or bool tensors");
                }
                put_index(&mut place.indices, dim, copy::to_dtype(&t.detached(), DType::I64)?);
                dim += 1;
            }
        }
    }
    Ok(place)
}

fn put_index(indices: &mut Vec<Option<Tensor>>, dim: usize, index: Tensor) {
    indices.resize(indices.len().max(dim + 1), None);
    indices[dim] = Some(index);
}

/// `x[index]`.
pub fn get(x: &Tensor, index: &[Index]) -> Result<Tensor> {
    let place = locate(x, index)?;
    if place.indices.is_empty() {
        // A view even where nothing was cut: x[...] is another tensor.
        return Ok(if place.view.is(x) {
            view::reshape_to(x, x.sizes()).and_then(|v| same_strides(x, v))?
        } else {
            place.view
        });
    }
    gather_at(&place.view, place.indices)
}

/// A reshape to the same sizes of a non-contiguous tensor must not copy.
fn same_strides(x: &Tensor, viewed: Tensor) -> Result<Tensor> {
    if viewed.strides() == x.strides() { Ok(viewed) } else { view::as_strided(x, x.layout().clone()) }
}

/// `x[index] = value`.
pub fn set(x: &Tensor, index: &[Index], value: &Tensor) -> Result<()> {
    let place = locate(x, index)?;
    if place.indices.is_empty() {
        let mut value = value.clone();
        // Leading ones of the value may be dropped, as in NumPy.
        while value.ndim() > place.view.ndim() && value.size(0) == 1 {
            value = view::reshape_to(&value, &value.sizes()[1..])?;
        }
        return copy::assign(&place.view, &value).map(drop);
    }
    put_at(&place.view, place.indices, value, false).map(drop)
}

// ---- indexing by tensors ----

/// Dimensions brought into order: indexed ones first, with the offset of every index in elements.
struct Gathering {
    /// The dimensions that are not indexed.
    rest: Layout,
    /// Broadcast shape of the indices.
    shape: Sizes,
    offsets: Vec<isize>,
    /// Where the index dimensions stand in the result, if not first.
    at: usize,
}

impl Gathering {
    fn new(layout: &Layout, indices: &[Option<Tensor>]) -> Result<Gathering> {
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
        let count = checked_numel(&shape)?;
        let mut offsets = alloc::vec_for(count)?;
        offsets.resize(count, 0isize);
        for (dim, index) in indices.iter().enumerate() {
            let Some(index) = index else { continue };
            let (size, stride) = (layout.sizes[dim] as i64, layout.strides[dim]);
            let values: Vec<i64> = copy::values(&view::expand_to(&index.detached(), &shape)?)?;
            for (offset, value) in offsets.iter_mut().zip(values) {
                if value < -size || value >= size {
                    bail!(Index, "index {value} is out of bounds for dimension {dim} with size {size}");
                }
                let value = if value < 0 { value + size } else { value };
                *offset += value as isize * stride;
            }
        }
        let indexed = |d: usize| indices.get(d).is_some_and(Option::is_some);
        let mut rest = Layout { offset: layout.offset, ..Layout::default() };
        for d in (0..layout.ndim()).filter(|&d| !indexed(d)) {
            rest.sizes.push(layout.sizes[d]);
            rest.strides.push(layout.strides[d]);
        }
        // Index dimensions stay where they were if they were neighbours, and go first otherwise.
        let first = (0..layout.ndim()).find(|&d| indexed(d)).unwrap_or(0);
        let last = (0..layout.ndim()).rfind(|&d| indexed(d)).unwrap_or(0);
        let at = if (first..=last).all(indexed) { first } else { 0 };
        Ok(Gathering { rest, shape, offsets, at })
    }

    /// Sizes with the index dimensions first.
    fn sizes(&self) -> Sizes {
        self.shape.iter().chain(&self.rest.sizes).copied().collect()
    }

    /// From index dimensions first to where they belong.
    fn order(&self) -> SmallVec<[i64; 6]> {
        let k = self.shape.len() as i64;
        let n = k + self.rest.ndim() as i64;
        (k..k + self.at as i64).chain(0..k).chain(k + self.at as i64..n).collect()
    }

    /// The layout of the part that one index leads to.
    fn part(&self, i: usize) -> Layout {
        Layout { offset: (self.rest.offset as isize + self.offsets[i]) as usize, ..self.rest.clone() }
    }

    /// Calls `f(i, element of the rest, offset in the storage)` for every element.
    fn copy_out<T: Element>(&self, storage: *const T, out: *mut T) -> Result<()> {
        let block: usize = self.rest.sizes.iter().product();
        let contiguous = self.rest.is_contiguous();
        let steps = if contiguous { Vec::new() } else { rest_offsets(&self.rest)? };
        for (i, offset) in self.offsets.iter().enumerate() {
            // SAFETY: offsets were checked against the sizes; `out` has room for every index.
            unsafe {
                let from = storage.offset(self.rest.offset as isize + offset);
                let to = out.add(i * block);
                if contiguous {
                    std::ptr::copy_nonoverlapping(from, to, block);
                } else {
                    for (j, step) in steps.iter().enumerate() {
                        to.add(j).write_unaligned(from.offset(*step).read_unaligned());
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds or writes contiguous values to their places.
    fn copy_in<T: Element>(&self, storage: *mut T, values: *const T, accumulate: bool) -> Result<()> {
        let block: usize = self.rest.sizes.iter().product();
        let steps = rest_offsets(&self.rest)?;
        for (i, offset) in self.offsets.iter().enumerate() {
            for (j, step) in steps.iter().enumerate() {
                // SAFETY: offsets were checked against the sizes; there is a value for every place.
                unsafe {
                    let to = storage.offset(self.rest.offset as isize + offset + step);
                    let value = values.add(i * block + j).read_unaligned();
                    to.write_unaligned(if accumulate { sum(to.read_unaligned(), value) } else { value });
                }
            }
        }
        Ok(())
    }
}

/// The sum in the element's own type.
fn sum<T: Element>(a: T, b: T) -> T {
    if T::DTYPE.is_integral() {
        let (a, b): (i64, i64) = (a.cast(), b.cast());
        a.wrapping_add(b).cast()
    } else if T::DTYPE.is_complex() {
        let (a, b): (crate::dtype::C128, crate::dtype::C128) = (a.cast(), b.cast());
        (a + b).cast()
    } else {
        let (a, b): (f64, f64) = (a.cast(), b.cast());
        (a + b).cast()
    }
}

/// Offsets of all elements of a layout, in row-major order, without its own offset.
fn rest_offsets(layout: &Layout) -> Result<Vec<isize>> {
    let mut offsets = vec![0isize];
    for (&size, &stride) in layout.sizes.iter().zip(&layout.strides) {
        let mut finer = alloc::vec_for(offsets.len() * size)?;
        finer.extend(offsets.iter().flat_map(|&o| (0..size as isize).map(move |i| o + i * stride)));
        offsets = finer;
    }
    Ok(offsets)
}

/// `x[indices]` with tensors; no tape.
fn gather_raw(x: &Tensor, gathering: &Gathering) -> Result<Tensor> {
    let out = Tensor::empty(&gathering.sizes(), x.dtype())?;
    crate::dispatch!(x.dtype(), T => gathering.copy_out::<T>(x.storage().ptr().cast(), out.ptr().cast())?);
    Ok(out)
}

fn gather_at(x: &Tensor, indices: Vec<Option<Tensor>>) -> Result<Tensor> {
    let gathering = Gathering::new(x.layout(), &indices)?;
    let out = gather_raw(x, &gathering)?;
    let out = if autograd::needs_grad(&[x]) {
        let (sizes, order): (Sizes, _) = (x.sizes().into(), gathering.order());
        autograd::record(out, "index", &[x], &[], move |cx| {
            let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
            let g = view::permute(g, &order)?;
            Ok(smallvec![Some(add_at(&sizes, &indices, &g)?)])
        })
    } else {
        out
    };
    if gathering.at == 0 { Ok(out) } else { copy::contiguous(&view::permute(&out, &gathering.order())?) }
}

/// Zeros of the given sizes with `g` added at the indices.
fn add_at(sizes: &[usize], indices: &[Option<Tensor>], g: &Tensor) -> Result<Tensor> {
    let out = creation::zeros(sizes, g.dtype())?;
    put_raw(&out, indices, &g.detached(), true)?;
    if !autograd::needs_grad(&[g]) {
        return Ok(out);
    }
    let indices = indices.to_vec();
    Ok(autograd::record(out, "IndexPutBackward0", &[g], &[], move |cx| {
        let Some(gg) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(gather_at(gg, indices.clone())?)])
    }))
}

/// Writes or adds `values`, broadcast to the shape of the indexed part; no tape.
fn put_raw(x: &Tensor, indices: &[Option<Tensor>], values: &Tensor, accumulate: bool) -> Result<()> {
    let gathering = Gathering::new(x.layout(), indices)?;
    let order = gathering.order();
    let sizes = gathering.sizes();
    let target: Sizes = order.iter().map(|&d| sizes[d as usize]).collect();
    let Ok(values) = view::expand_to(values, &target) else {
        bail!(
            Shape,
            "shape mismatch: value tensor of shape {} cannot be broadcast to indexing result of shape {}",
            Show(values.sizes()),
            Show(&target)
        );
    };
    let mut inverse: SmallVec<[i64; 6]> = smallvec![0; order.len()];
    for (i, &d) in order.iter().enumerate() {
        inverse[d as usize] = i as i64;
    }
    let values = copy::contiguous(&view::permute(&copy::to_dtype(&values, x.dtype())?, &inverse)?)?;
    if !accumulate && gathering.offsets.len() == 1 {
        return copy::write(&x.alias(gathering.part(0)), &view::reshape_to(&values, &gathering.rest.sizes)?);
    }
    let (to, from) = (x.storage().ptr(), values.ptr());
    crate::dispatch!(x.dtype(), T => gathering.copy_in::<T>(to.cast(), from.cast(), accumulate)?);
    Ok(())
}

/// `x[indices] = values` (or `+=`) in place, on the tape.
fn put_at(x: &Tensor, indices: Vec<Option<Tensor>>, values: &Tensor, accumulate: bool) -> Result<Tensor> {
    let graph = autograd::grad_enabled() && (x.requires_grad() || values.requires_grad());
    inplace::check(x, graph)?;
    let old = x.gradient_edge();
    put_raw(x, &indices, &values.detached(), accumulate)?;
    if !graph || !x.dtype().is_differentiable() {
        inplace::rebase(x, None);
        return Ok(x.clone());
    }
    let before = match old {
        Some(edge) => x.detach().with_producer(edge),
        None => x.detach(),
    };
    let (value_sizes, value_dtype): (Sizes, _) = (values.sizes().into(), values.dtype());
    let after = autograd::record(x.detach(), "IndexPutBackward0", &[&before, values], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_values = if cx.needs(1) {
            let part = reduce::sum_to_size(&gather_at(g, indices.clone())?, &value_sizes)?;
            Some(copy::to_dtype(&part, value_dtype)?)
        } else {
            None
        };
        let for_x = match cx.needs(0) {
            true if accumulate => Some(g.clone()),
            true => {
                let rest = copy::clone(g)?;
                Some(put_at(&rest, indices.clone(), &creation::scalar(Scalar::Int(0), g.dtype())?, false)?)
            }
            false => None,
        };
        Ok(smallvec![for_x, for_values])
    });
    inplace::rebase(x, after.producer());
    Ok(x.clone())
}

// ---- index along one dimension ----

fn check_index(index: &Tensor, name: &str) -> Result<Tensor> {
    if !matches!(index.dtype(), DType::I64 | DType::I32) {
        bail!(DType, "{name}(): Expected dtype int32/int64 for index");
    }
    copy::to_dtype(&index.detached(), DType::I64)
}

/// The parts of `x` at the indices of a dimension.
pub fn index_select(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let dim = wrap_dim(dim, x.ndim())?;
    if index.ndim() > 1 {
        bail!(
            Index,
            "index_select(): Index is supposed to be a vector, got dim: {} with dtype: {}, size: {}",
            index.ndim(),
            index.dtype(),
            Show(index.sizes())
        );
    }
    let index = check_index(index, "index_select")?;
    let index = view::reshape(&index, &[-1])?;
    if x.ndim() == 0 {
        let flat = view::reshape_to(x, &[1])?;
        let picked = gather_at(&flat, vec![Some(index)])?;
        return view::reshape_to(&picked, &[]);
    }
    if let Some(bad) = copy::values::<i64>(&index)?.into_iter().find(|&i| i < 0 || i >= x.size(dim) as i64) {
        bail!(Index, "index out of range in self: index {bad} for dimension {dim} with size {}", x.size(dim));
    }
    let mut indices = vec![None; dim];
    indices.push(Some(index));
    gather_at(x, indices)
}

/// Checks `gather`'s and `scatter`'s index and gives the offset of each of its elements.
fn line_offsets(layout: &Layout, dim: usize, index: &Tensor) -> Result<Vec<isize>> {
    let size = layout.sizes.get(dim).copied().unwrap_or(1) as i64;
    let stride = layout.strides.get(dim).copied().unwrap_or(0);
    let mut others = Layout { sizes: index.sizes().into(), strides: layout.strides.clone(), offset: 0 };
    if index.ndim() == layout.ndim() && index.ndim() > 0 {
        others.strides[dim] = 0;
    } else {
        others.strides = smallvec![0; index.ndim()];
    }
    let values: Vec<i64> = copy::values(index)?;
    let base = rest_offsets(&others)?;
    values
        .iter()
        .zip(base)
        .map(|(&value, offset)| {
            if value < 0 || value >= size {
                bail!(Index, "index {value} is out of bounds for dimension {dim} with size {size}");
            }
            Ok(offset + value as isize * stride)
        })
        .collect()
}

fn check_line_sizes(x: &Tensor, dim: usize, index: &Tensor, name: &str) -> Result<()> {
    if index.dtype() != DType::I64 && index.dtype() != DType::I32 {
        bail!(DType, "{name}(): Expected dtype int32/int64 for index");
    }
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
    check_line_sizes(x, d, index, "gather")?;
    let index = copy::to_dtype(&index.detached(), DType::I64)?;
    let offsets = line_offsets(x.layout(), d, &index)?;
    let out = Tensor::empty(index.sizes(), x.dtype())?;
    crate::dispatch!(x.dtype(), T => {
        let (from, to) = (x.ptr().cast::<T>(), out.ptr().cast::<T>());
        for (i, offset) in offsets.iter().enumerate() {
            // SAFETY: the offsets were checked; the output is fresh with one element an index.
            unsafe { to.add(i).write_unaligned(from.offset(*offset).read_unaligned()) };
        }
    });
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(out, "gather", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let zeros = creation::zeros(&sizes, g.dtype())?;
        Ok(smallvec![Some(scatter_add(&zeros, dim, &index, g)?)])
    }))
}

/// Adds or writes along a dimension; no tape.
fn scatter_raw(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor, accumulate: bool) -> Result<()> {
    let offsets = line_offsets(x.layout(), dim, index)?;
    let src = view_prefix(&src.detached(), index.sizes())?;
    let src = copy::contiguous(&src)?;
    crate::dispatch!(x.dtype(), T => {
        let (to, from) = (x.ptr().cast::<T>(), src.ptr().cast::<T>());
        for (i, offset) in offsets.iter().enumerate() {
            // SAFETY: the offsets were checked; there is one source element an index.
            unsafe {
                let (place, value) = (to.offset(*offset), from.add(i).read_unaligned());
                place.write_unaligned(if accumulate { sum(place.read_unaligned(), value) } else { value });
            }
        }
    });
    Ok(())
}

/// The leading part of `x` with the given sizes.
fn view_prefix(x: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    if x.ndim() == 0 {
        return view::expand_to(x, sizes);
    }
    let mut out = x.clone();
    for (d, &size) in sizes.iter().enumerate() {
        if out.size(d) < size {
            bail!(
                Shape,
                "Expected index {} to be no larger than src {} in every dimension",
                Show(sizes),
                Show(x.sizes())
            );
        }
        out = view::narrow(&out, d as i64, 0, size as i64)?;
    }
    Ok(out)
}

fn scatter_checked(
    x: &Tensor,
    dim: i64,
    index: &Tensor,
    src: &Tensor,
    name: &str,
) -> Result<(usize, Tensor)> {
    let d = wrap_dim(dim, x.ndim())?;
    check_line_sizes(x, d, index, name)?;
    if x.dtype() != src.dtype() {
        bail!(DType, "{name}(): Expected self.dtype to be equal to src.dtype");
    }
    if src.ndim() != index.ndim() && src.ndim() != 0 && index.numel() > 0 {
        bail!(Autograd, "Index tensor must have the same number of dimensions as src tensor");
    }
    Ok((d, copy::to_dtype(&index.detached(), DType::I64)?))
}

/// `x` with `src` added at the indices of a dimension.
pub fn scatter_add(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    let (d, index) = scatter_checked(x, dim, index, src, "scatter_add")?;
    let out = copy::clone(&x.detached())?;
    scatter_raw(&out, d, &index, src, true)?;
    if !autograd::needs_grad(&[x, src]) {
        return Ok(out);
    }
    let sizes: Sizes = src.sizes().into();
    Ok(autograd::record(out, "scatter_add", &[x, src], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_src = if cx.needs(1) { Some(pad_to(&gather(g, dim, &index)?, &sizes)?) } else { None };
        Ok(smallvec![cx.needs(0).then(|| g.clone()), for_src])
    }))
}

/// `x` with `src` written at the indices of a dimension.
fn scatter(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    let (d, index) = scatter_checked(x, dim, index, src, "scatter")?;
    let out = copy::clone(&x.detached())?;
    scatter_raw(&out, d, &index, src, false)?;
    if !autograd::needs_grad(&[x, src]) {
        return Ok(out);
    }
    let sizes: Sizes = src.sizes().into();
    Ok(autograd::record(out, "scatter", &[x, src], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_src = if cx.needs(1) { Some(pad_to(&gather(g, dim, &index)?, &sizes)?) } else { None };
        let for_x = if cx.needs(0) {
            Some(scatter(g, dim, &index, &creation::scalar(Scalar::Int(0), g.dtype())?)?)
        } else {
            None
        };
        Ok(smallvec![for_x, for_src])
    }))
}

/// Zeros of the given sizes with `g` in the leading corner; a 0-d target takes the sum.
fn pad_to(g: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    if g.sizes() == sizes {
        return Ok(g.clone());
    }
    if sizes.is_empty() {
        return reduce::sum(g, None, false, None);
    }
    let out = creation::zeros(sizes, g.dtype())?;
    let corner = view_prefix(&out, g.sizes())?;
    copy::assign(&corner, g)?;
    Ok(out)
}

// ---- masks ----

/// Indices of the non-zero elements, one vector a dimension.
fn nonzero_columns(x: &Tensor) -> Result<Vec<Tensor>> {
    let truth: Vec<i64> = match x.dtype() {
        DType::Bool | DType::U8 => copy::values(x)?,
        _ => copy::values(&table::ne(&x.detached(), Scalar::Int(0))?)?,
    };
    let count = truth.iter().filter(|v| **v != 0).count();
    let mut columns: Vec<Vec<i64>> = (0..x.ndim()).map(|_| alloc::vec_for(count)).collect::<Result<_>>()?;
    for (i, _) in truth.iter().enumerate().filter(|(_, v)| **v != 0) {
        let mut rest = i;
        for d in (0..x.ndim()).rev() {
            columns[d].push((rest % x.size(d)) as i64);
            rest /= x.size(d);
        }
    }
    columns.iter().map(|c| Tensor::from_slice(c, &[c.len()])).collect()
}

fn nonzero(x: &Tensor) -> Result<Tensor> {
    if x.ndim() == 0 {
        let n = !table::ne(x, Scalar::Int(0))?.to_vec::<i64>().contains(&0) as usize;
        return Tensor::empty(&[n, 0], DType::I64);
    }
    let columns = nonzero_columns(x)?;
    // A row a dimension in memory, seen as a column each.
    view::transpose(&crate::ops::joining::stack(&columns, 0)?, 0, 1)
}

fn check_mask(mask: &Tensor, name: &str) -> Result<()> {
    if mask.dtype() != DType::Bool {
        bail!(DType, "{name} only supports boolean masks, but got mask with dtype {}", mask.dtype());
    }
    Ok(())
}

fn masked_fill(x: &Tensor, mask: &Tensor, value: crate::ops::pointwise::Arg) -> Result<Tensor> {
    check_mask(mask, "masked_fill")?;
    if let Some(t) = value.tensor()
        && t.ndim() != 0
    {
        bail!(
            Autograd,
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
            t.ndim()
        );
    }
    // A number takes the dtype of the tensor, whatever it is.
    let number;
    let value = match value {
        crate::ops::pointwise::Arg::Number(s) => {
            creation::check_fits(s, x.dtype())?;
            number = creation::scalar(s, x.dtype())?;
            crate::ops::pointwise::Arg::Tensor(&number)
        }
        other => other,
    };
    let filled = table::select(mask, value, x)?;
    if filled.dtype() != x.dtype() && !filled.dtype().can_cast(x.dtype()) {
        bail!(DType, "value cannot be converted to type {} without overflow", x.dtype().c_name());
    }
    copy::to_dtype(&filled, x.dtype())
}

/// Dimensions in reverse order of their indices.
fn flip(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    let mask = crate::layout::wrap_dims(dims, x.ndim())?;
    let mut out = copy::clone(x)?;
    for d in (0..x.ndim()).filter(|d| mask & (1 << d) != 0) {
        let n = x.size(d) as i64;
        let backwards = creation::arange(Scalar::Int(n - 1), Scalar::Int(-1), Scalar::Int(-1), DType::I64)?;
        out = index_select(&out, d as i64, &backwards)?;
    }
    Ok(out)
}

fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_mask(mask, "masked_select")?;
    let sizes = broadcast(x.sizes(), mask.sizes())?;
    let (x, mask) = (view::expand_to(x, &sizes)?, view::expand_to(mask, &sizes)?);
    if x.ndim() == 0 {
        return get(&view::reshape_to(&x, &[1])?, &[Index::Tensor(view::reshape_to(&mask, &[1])?)]);
    }
    get(&x, &[Index::Tensor(mask)])
}

fn scatter_call(a: &Args) -> Result<Output> {
    let x = a.tensor(0);
    let src = match a.opt_tensor(3) {
        Some(src) => src.clone(),
        None => creation::scalar(a.scalar(3), x.dtype())?,
    };
    Ok(scatter(x, a.int(1), a.tensor(2), &src)?.into())
}

pub const OPS: &[Op] = &[
    Op::new("gather(Tensor input, int dim, Tensor index) -> Tensor", |a| {
        Ok(gather(a.tensor(0), a.int(1), a.tensor(2))?.into())
    })
    .method()
    .doc("The elements at the indices along a dimension.")
    .samples("t(3, 4), 1, ints(3, 2, high=4) | t(3, 4), 0, ints(2, 4, high=3)"),
    Op::new("scatter(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", scatter_call)
        .method()
        .inplace()
        .doc("With src written at the indices along a dimension.")
        .samples("t(3, 4), 1, torch.tensor([[0, 1], [2, 3], [1, 0]]), t(3, 2)"),
    Op::new("scatter(Tensor input, int dim, Tensor index, Scalar value) -> Tensor", scatter_call)
        .method()
        .inplace()
        .samples("t(3, 4), 1, torch.tensor([[0, 1], [2, 3], [1, 0]]), 2.5"),
    Op::new("scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", |a| {
        Ok(scatter_add(a.tensor(0), a.int(1), a.tensor(2), a.tensor(3))?.into())
    })
    .method()
    .inplace()
    .doc("With src added at the indices along a dimension.")
    .samples("t(3, 4), 1, ints(3, 2, high=4), t(3, 2)"),
    Op::new("index_select(Tensor input, int dim, Tensor index) -> Tensor", |a| {
        Ok(index_select(a.tensor(0), a.int(1), a.tensor(2))?.into())
    })
    .method()
    .doc("The parts at the indices of a dimension.")
    .samples("t(3, 4), 0, ints(5, high=3) | t(3, 4), 1, ints(2, high=4)"),
    Op::new(
        "index_put_(Tensor input, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
        |a| {
            let indices = a.tensors(1).iter().map(|t| Index::Tensor(t.clone())).collect::<Vec<_>>();
            let place = locate(a.tensor(0), &indices)?;
            put_at(&place.view, place.indices, a.tensor(2), a.bool(3))?;
            Ok(a.tensor(0).clone().into())
        },
    )
    .method_only()
    .doc("Writes values at the indices, or adds them."),
    Op::new("masked_fill(Tensor input, Tensor mask, Number|Tensor value) -> Tensor", |a| {
        Ok(masked_fill(a.tensor(0), a.tensor(1), (&a.0[2]).into())?.into())
    })
    .method()
    .inplace()
    .doc("With value where the mask holds.")
    .samples("t(3, 4), bools(3, 4), 0.5 | t(3, 4), bools(4), float('-inf')"),
    Op::new("masked_select(Tensor input, Tensor mask) -> Tensor", |a| {
        Ok(masked_select(a.tensor(0), a.tensor(1))?.into())
    })
    .method()
    .doc("The elements where the mask holds, in one dimension.")
    .samples("t(3, 4), bools(3, 4) | t(3, 4), bools(4)"),
    Op::new("flip(Tensor input, *int[] dims) -> Tensor", |a| Ok(flip(a.tensor(0), a.ints(1))?.into()))
        .method()
        .doc("Dimensions in reverse order.")
        .samples("t(3, 4), (0,) | t(2, 3, 4), (0, -1)"),
    Op::new("nonzero(Tensor input) -> Tensor", |a| Ok(nonzero(a.tensor(0))?.into()))
        .method()
        .doc("The indices of the non-zero elements, one row each.")
        .samples("bools(3, 4) | ints(4, low=0, high=2)")
        .no_gradient(),
];
