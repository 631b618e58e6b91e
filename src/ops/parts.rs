//! Parts of a tensor: slices, diagonals, splits. A part is a view, whose adjoint writes into zeros.

use smallvec::smallvec;

use crate::alloc;
use crate::autograd;
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Show, Sizes, wrap_dim};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::view::view_from;
use crate::ops::{copy, creation, view};
use crate::scalar::Scalar;
use crate::tensor::{Tensor, ViewOrigin};

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
    view_from(x, part.of(x.layout()), origin, part.name(), move |g| {
        place_part(g, &sizes, part, "SliceBackward0")
    })
}

/// Zeros with `g` at the place of the part: the adjoint of [`take_part`], and the other way round.
fn place_part(g: &Tensor, sizes: &[usize], part: Part, name: &'static str) -> Result<Tensor> {
    let out = creation::zeros(sizes, g.dtype())?;
    copy::write(&out.alias(part.of(out.layout())), g)?;
    if !autograd::needs_grad(&[g]) {
        return Ok(out);
    }
    Ok(autograd::record(out, name, &[g], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|gg| take_part(gg, part))])
    }))
}

/// A vector with zeros behind it, `n` elements in all.
pub fn pad_end(x: &Tensor, n: usize) -> Result<Tensor> {
    let part = Part::Slice { dim: 0, start: 0, length: x.numel(), step: 1 };
    place_part(x, &[n], part, "ConstantPadNdBackward0")
}

/// `x` with `src` in the place of the part.
fn replace_part(x: &Tensor, src: &Tensor, part: Part, name: &'static str) -> Result<Tensor> {
    // PyTorch keeps the strides, gaps and all.
    let out = match x.layout().has_internal_overlap() {
        true => copy::clone(&x.detach())?,
        false => view::BaseGeometry::of(x, x.layout(), x.dtype()).copy_of(&x.detach())?,
    };
    let place = out.alias(part.of(out.layout()));
    if src.sizes() != place.sizes() {
        bail!(
            Autograd,
            "expected src to have a size equal to the slice of self. src size = {}, slice size = {}",
            Show(src.sizes()),
            Show(place.sizes())
        );
    }
    copy::write(&place, &src.detached())?;
    if !autograd::needs_grad(&[x, src]) {
        return Ok(out);
    }
    let (sizes, dtype): (Sizes, _) = (src.sizes().into(), src.dtype());
    Ok(autograd::record(out, name, &[x, src], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_x = if cx.needs(0) {
            Some(replace_part(g, &creation::zeros(&sizes, g.dtype())?, part, name)?)
        } else {
            None
        };
        let for_src = match cx.needs(1) {
            true => Some(copy::to_dtype(&take_part(g, part), dtype)?),
            false => None,
        };
        Ok(smallvec![for_x, for_src])
    }))
}

fn select_part(x: &Tensor, dim: i64, index: i64) -> Result<Part> {
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
    Ok(Part::Select { dim, index })
}

pub fn select(x: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
    Ok(take_part(x, select_part(x, dim, index)?))
}

/// Python's slice along a dimension; `step` must be positive.
pub fn slice(x: &Tensor, dim: i64, start: Option<i64>, end: Option<i64>, step: i64) -> Result<Tensor> {
    Ok(take_part(x, slice_part(x, dim, start, end, step)?))
}

fn slice_part(x: &Tensor, dim: i64, start: Option<i64>, end: Option<i64>, step: i64) -> Result<Part> {
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
    // A step beyond everything reaches one element at most: any stride will do that can be told.
    let step = step.min(i64::MAX / (x.strides()[dim] as i64).saturating_abs().max(1));
    Ok(Part::Slice { dim, start: start as usize, length, step: step as usize })
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

fn diagonal_part(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Part> {
    let (a, b) = (wrap_dim(dim1, x.ndim())?, wrap_dim(dim2, x.ndim())?);
    if a == b || x.ndim() < 2 {
        bail!(Autograd, "diagonal dimensions cannot be identical {dim1}, {dim2}");
    }
    Ok(Part::Diagonal { offset, dim1: a, dim2: b })
}

pub fn diagonal(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    Ok(take_part(x, diagonal_part(x, offset, dim1, dim2)?))
}

/// The last dimension as a diagonal of new matrices, zeros elsewhere.
pub fn diag_embed(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    let n = x.ndim() + 1;
    let (a, b) = (wrap_dim(dim1, n)?, wrap_dim(dim2, n)?);
    if a == b {
        bail!(Autograd, "diagonal dimensions cannot be identical {dim1}, {dim2}");
    }
    let Some(&last) = x.sizes().last() else {
        bail!(Index, "Dimension out of range: diag_embed expects a tensor with a dimension");
    };
    let Some(size) = usize::try_from(offset.unsigned_abs()).ok().and_then(|o| o.checked_add(last)) else {
        bail!(Shape, "diag_embed: the size of the matrices overflows with offset {offset}")
    };
    let mut sizes: Sizes = x.sizes()[..x.ndim() - 1].into();
    sizes.insert(a.min(b), size);
    sizes.insert(a.max(b), size);
    place_part(x, &sizes, Part::Diagonal { offset, dim1: a, dim2: b }, "diag_embed")
}

/// A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector.
fn diag(x: &Tensor, offset: i64) -> Result<Tensor> {
    match x.ndim() {
        1 => diag_embed(x, offset, 0, 1),
        2 => copy::contiguous_copy(&diagonal(x, offset, 0, 1)?),
        n => bail!(Autograd, "diag(): Supports 1D or 2D tensors. Got {n}D"),
    }
}

/// Fills the main diagonal; `wrap` starts it anew below a tall matrix.
fn fill_diagonal(x: &Tensor, value: Scalar, wrap: bool) -> Result<()> {
    if x.ndim() < 2 {
        bail!(Autograd, "dimensions must larger than 1");
    }
    if x.ndim() > 2 && x.sizes().iter().any(|&n| n != x.size(0)) {
        bail!(Autograd, "all dimensions of input must be of equal length");
    }
    let step = if wrap && x.ndim() == 2 { x.size(1) + 1 } else { usize::MAX };
    for row in (0..x.size(0)).step_by(step) {
        let below = if row == 0 { x.clone() } else { narrow(x, 0, row as i64, (x.size(0) - row) as i64)? };
        let mut layout = below.layout().clone();
        layout.sizes = smallvec![below.sizes().iter().copied().min().unwrap_or(0)];
        layout.strides = smallvec![below.strides().iter().sum()];
        creation::fill_(&view::as_strided(&below, layout)?, value)?;
    }
    Ok(())
}

/// Room for `n` views. Their handles are made one by one and must not fail halfway.
fn views_for(n: usize) -> Result<Vec<Tensor>> {
    drop(alloc::vec_for::<[usize; 32]>(n)?);
    alloc::vec_for(n)
}

/// Consecutive parts of the given lengths.
pub fn split_sizes(x: &Tensor, lengths: &[i64], dim: i64) -> Result<Vec<Tensor>> {
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
pub fn unbind(x: &Tensor, dim: i64) -> Result<Vec<Tensor>> {
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

/// Parts between the indices, with Python's rules for slices.
fn split_at(x: &Tensor, indices: &[i64], dim: i64) -> Result<Vec<Tensor>> {
    let mut parts = views_for(indices.len() + 1)?;
    let mut start = 0;
    for &end in indices {
        parts.push(slice(x, dim, Some(start), Some(end), 1)?);
        start = end;
    }
    parts.push(slice(x, dim, Some(start), None, 1)?);
    Ok(parts)
}

/// So many parts, of which the first may be one longer.
fn split_into(x: &Tensor, sections: i64, dim: i64) -> Result<Vec<Tensor>> {
    if sections <= 0 {
        bail!(Autograd, "number of sections must be larger than 0, got {sections}");
    }
    let size = x.size(wrap_dim(dim, x.ndim())?) as i64;
    let mut parts = views_for(sections as usize)?;
    let mut start = 0;
    for i in 0..sections {
        let length = size / sections + (i < size % sections) as i64;
        parts.push(narrow(x, dim, start, length)?);
        start += length;
    }
    Ok(parts)
}

fn tensor_split(a: &Args) -> Result<Output> {
    let (x, dim) = (a.tensor(0), a.int(2));
    if x.ndim() == 0 {
        bail!(
            Autograd,
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with {} dims",
            x.ndim()
        );
    }
    wrap_dim(dim, x.ndim())?;
    Ok(if let Some(sections) = a.opt_int(1) {
        split_into(x, sections, dim)?.into()
    } else if let Some(indices) = a.opt_ints(1) {
        split_at(x, indices, dim)?.into()
    } else {
        let at = a.tensor(1);
        if at.dtype() != DType::I64 {
            bail!(
                DType,
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got {}",
                at.dtype().scalar_name()
            );
        }
        let values: Vec<i64> = copy::values(at)?;
        match at.ndim() {
            0 => split_into(x, values[0], dim)?.into(),
            1 => split_at(x, &values, dim)?.into(),
            n => bail!(
                Autograd,
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with {n} dims"
            ),
        }
    })
}

/// `hsplit`, `vsplit`, `dsplit`: equal parts, or parts between indices.
fn split_along(a: &Args, name: &str, dim: usize, needed: usize) -> Result<Output> {
    let x = a.tensor(0);
    if x.ndim() < needed {
        bail!(
            Autograd,
            "torch.{name} requires a tensor with at least {needed} dimension, but got a tensor with {} dimensions!",
            x.ndim()
        );
    }
    let dim = if name == "hsplit" && x.ndim() == 1 { 0 } else { dim };
    let Some(sections) = a.opt_int(1) else { return Ok(split_at(x, a.ints(1), dim as i64)?.into()) };
    let size = x.size(dim);
    if sections <= 0 || size as i64 % sections != 0 {
        bail!(
            Autograd,
            "torch.{name} attempted to split along dimension {dim}, but the size of the dimension {size} is not divisible by the split_size {sections}!"
        );
    }
    Ok(split_into(x, sections, dim as i64)?.into())
}

/// Parts as one of several views each, made views that may be changed.
fn unsafe_parts(parts: Vec<Tensor>) -> Result<Vec<Tensor>> {
    parts.iter().map(copy_free).collect()
}

/// The same memory with the same history, but without the tie to a base.
fn copy_free(x: &Tensor) -> Result<Tensor> {
    let free = x.detach();
    Ok(match x.gradient_edge() {
        Some(edge) if autograd::grad_enabled() => free.with_producer(edge),
        _ => free,
    })
}

pub const OPS: &[Op] = &[
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
    // A start that is one integer has been read as a number.
    Op::new("narrow(Tensor input, int dim, Tensor start, int length) -> Tensor", |_| {
        bail!(Shape, "start must be an 0-dim integral Tensor.")
    })
    .method(),
    Op::new("diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", |a| {
        Ok(diagonal(a.tensor(0), a.int(1), a.int(2), a.int(3))?.into())
    })
    .method()
    .doc("A view of a diagonal.")
    .samples("t(3, 4) | t(3, 4), 1 | t(3, 4), -1 | t(2, 3, 4), 0, 1, 2"),
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
    Op::new("split(Tensor input, int split_size, int dim=0) -> Tensor[]", |a| {
        Ok(split(a.tensor(0), a.int(1), a.int(2))?.into())
    })
    .method_only()
    .doc("Parts of a given size, or of given sizes, along a dimension.")
    .samples("t(5, 2), 2 | t(3, 4), 2, dim=1"),
    Op::new("split(Tensor input, int[] split_size, int dim=0) -> Tensor[]", |a| {
        Ok(split_sizes(a.tensor(0), a.ints(1), a.int(2))?.into())
    })
    .method_only()
    .samples("t(5, 2), [2, 3] | t(3, 4), (1, 3), dim=1"),
    Op::new("split(Tensor tensor, int split_size_or_sections, int dim=0) -> Tensor[]", |a| {
        Ok(split(a.tensor(0), a.int(1), a.int(2))?.into())
    })
    .samples("t(5, 2), split_size_or_sections=2 | t(0, 2), 2"),
    Op::new("split(Tensor tensor, int[] split_size_or_sections, int dim=0) -> Tensor[]", |a| {
        Ok(split_sizes(a.tensor(0), a.ints(1), a.int(2))?.into())
    })
    .samples("t(5, 2), [2, 3]"),
    Op::new("split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]", |a| {
        Ok(split_sizes(a.tensor(0), a.ints(1), a.int(2))?.into())
    })
    .method()
    .doc("Parts of given sizes along a dimension.")
    .samples("t(5, 2), [2, 3] | nc(3, 4), (1, 3), dim=1"),
    Op::new("unsafe_split(Tensor input, int split_size, int dim=0) -> Tensor[]", |a| {
        Ok(unsafe_parts(split(a.tensor(0), a.int(1), a.int(2))?)?.into())
    })
    .method()
    .doc("As split, with parts that may be changed in place.")
    .samples("t(5, 2), 2"),
    Op::new("unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]", |a| {
        Ok(unsafe_parts(split_sizes(a.tensor(0), a.ints(1), a.int(2))?)?.into())
    })
    .method()
    .doc("As split_with_sizes, with parts that may be changed in place.")
    .samples("t(5, 2), [2, 3]"),
    Op::new("unsafe_chunk(Tensor input, int chunks, int dim=0) -> Tensor[]", |a| {
        Ok(unsafe_parts(chunk(a.tensor(0), a.int(1), a.int(2))?)?.into())
    })
    .method()
    .doc("As chunk, with parts that may be changed in place.")
    .samples("t(5, 2), 2"),
    Op::new("tensor_split(Tensor input, int sections, int dim=0) -> Tensor[]", tensor_split)
        .method()
        .doc("So many parts, or parts between indices, along a dimension.")
        .samples("t(5, 2), 3 | nc(3, 4), 2, dim=1"),
    Op::new("tensor_split(Tensor input, int[] indices, int dim=0) -> Tensor[]", tensor_split)
        .method()
        .samples("t(5, 2), (1, -1, 9) | t(3, 4), [2], -1"),
    Op::new("tensor_split(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]", tensor_split)
        .method()
        .samples("t(5, 2), torch.tensor([1, 3])"),
    Op::new("hsplit(Tensor input, int sections) -> Tensor[]", |a| split_along(a, "hsplit", 1, 1))
        .method()
        .doc("Equal parts, or parts between indices, along the columns.")
        .samples("t(3, 4), 2 | t(4), 2"),
    Op::new("hsplit(Tensor input, int[] indices) -> Tensor[]", |a| split_along(a, "hsplit", 1, 1))
        .method()
        .samples("t(3, 4), (1, 3)"),
    Op::new("vsplit(Tensor input, int sections) -> Tensor[]", |a| split_along(a, "vsplit", 0, 2))
        .method()
        .doc("Equal parts, or parts between indices, along the rows.")
        .samples("t(4, 3), 2"),
    Op::new("vsplit(Tensor input, int[] indices) -> Tensor[]", |a| split_along(a, "vsplit", 0, 2))
        .method()
        .samples("t(4, 3), (1, 3)"),
    Op::new("dsplit(Tensor input, int sections) -> Tensor[]", |a| split_along(a, "dsplit", 2, 3))
        .method()
        .doc("Equal parts, or parts between indices, along the third dimension.")
        .samples("t(2, 3, 4), 2"),
    Op::new("dsplit(Tensor input, int[] indices) -> Tensor[]", |a| split_along(a, "dsplit", 2, 3))
        .method()
        .samples("t(2, 3, 4), (1, 3)"),
    Op::new("narrow_copy(Tensor input, int dim, int start, int length) -> Tensor", |a| {
        Ok(copy::contiguous_copy(&narrow(a.tensor(0), a.int(1), a.int(2), a.int(3))?)?.into())
    })
    .method()
    .doc("A copy of the part from start, length indices long.")
    .samples("nc(3, 4), 1, 1, 2"),
    Op::new("select_scatter(Tensor input, Tensor src, int dim, int index) -> Tensor", |a| {
        let part = select_part(a.tensor(0), a.int(2), a.int(3))?;
        Ok(replace_part(a.tensor(0), a.tensor(1), part, "select_scatter")?.into())
    })
    .method()
    .doc("With src at one index of a dimension.")
    .samples("t(3, 4), t(4), 0, -1 | nc(3, 4), t(3), 1, 2"),
    Op::new(
        "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
        |a| {
            let part = slice_part(a.tensor(0), a.int(2), a.opt_int(3), a.opt_int(4), a.int(5))?;
            Ok(replace_part(a.tensor(0), a.tensor(1), part, "slice_scatter")?.into())
        },
    )
    .method()
    .doc("With src in place of a slice.")
    .samples("t(3, 4), t(2, 4), 0, 1 | nc(3, 4), t(3, 2), 1, 0, 4, 2 | t(3), t(3)"),
    Op::new("diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor", |a| {
        let part = diagonal_part(a.tensor(0), a.int(2), a.int(3), a.int(4))?;
        Ok(replace_part(a.tensor(0), a.tensor(1), part, "diagonal_scatter")?.into())
    })
    .method()
    .doc("With src on a diagonal.")
    .samples("t(3, 4), t(3) | nc(3, 4), t(2), -1 | t(2, 3, 4), t(3, 2), 0, 0, 2"),
    Op::new("diag(Tensor input, int diagonal=0) -> Tensor", |a| Ok(diag(a.tensor(0), a.int(1))?.into()))
        .method()
        .doc("A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector.")
        .samples("t(3) | t(2), -1 | t(3, 4), 1 | nc(3, 4) | t(0)"),
    Op::new("diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", |a| {
        Ok(diag_embed(a.tensor(0), a.int(1), a.int(2), a.int(3))?.into())
    })
    .method()
    .doc("The last dimension as a diagonal of new matrices.")
    .samples("t(3) | t(2, 3), 1 | nc(2, 3), -1, 0, 2"),
    Op::new("diagflat(Tensor input, int offset=0) -> Tensor", |a| {
        Ok(diag_embed(&view::reshape(a.tensor(0), &[-1])?, a.int(1), 0, 1)?.into())
    })
    .method()
    .doc("All elements as the diagonal of a matrix.")
    .samples("t(2, 3) | t(2), -1 | t()"),
    Op::new("fill_diagonal_(Tensor input, Scalar fill_value, bool wrap=False) -> Tensor", |a| {
        fill_diagonal(a.tensor(0), a.scalar(1), a.bool(2))?;
        Ok(a.tensor(0).clone().into())
    })
    .method()
    .doc("Overwrites the main diagonal; wrap starts it anew below a tall matrix."),
];
