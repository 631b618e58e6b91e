//! Tensors joined along an old or a new dimension.

use smallvec::{SmallVec, smallvec};

use crate::autograd;
use crate::bail;
use crate::dtype::ResultType;
use crate::error::Result;
use crate::layout::{Show, Sizes, broadcast, wrap_dim};
use crate::ops::registry::Op;
use crate::ops::{copy, view};
use crate::tensor::Tensor;

/// Whether PyTorch leaves this tensor out of a concatenation: the empty vector, for old scripts.
fn is_skipped(t: &Tensor) -> bool {
    t.sizes() == [0]
}

/// Joins tensors along an existing dimension.
pub fn cat(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    if tensors.is_empty() {
        bail!(Value, "expected a non-empty list of Tensors");
    }
    if let Some(i) = tensors.iter().position(|t| t.ndim() == 0) {
        bail!(Autograd, "zero-dimensional tensor (at position {i}) cannot be concatenated");
    }
    let model = tensors.iter().find(|t| !is_skipped(t)).unwrap_or(&tensors[0]);
    let dim = wrap_dim(dim, model.ndim())?;
    let mut sizes: Sizes = model.sizes().into();
    sizes[dim] = 0;
    let mut result = ResultType::default();
    for (i, t) in tensors.iter().enumerate() {
        result = result.tensor(t.dtype(), t.ndim());
        if is_skipped(t) {
            continue;
        }
        if t.ndim() != model.ndim() {
            bail!(
                Shape,
                "Tensors must have same number of dimensions: got {} and {}",
                model.ndim(),
                t.ndim()
            );
        }
        if (0..t.ndim()).any(|d| d != dim && t.size(d) != model.size(d)) {
            bail!(
                Shape,
                "Sizes of tensors must match except in dimension {dim}. Expected size {} but got size {} for tensor number {i} in the list: {} and {}.",
                (0..t.ndim()).find(|&d| d != dim && t.size(d) != model.size(d)).map_or(0, |d| model.size(d)),
                (0..t.ndim()).find(|&d| d != dim && t.size(d) != model.size(d)).map_or(0, |d| t.size(d)),
                Show(model.sizes()),
                Show(t.sizes())
            );
        }
        sizes[dim] += t.size(dim);
    }
    let out = Tensor::empty(&sizes, result.get())?;
    let mut start = 0;
    for t in tensors.iter().filter(|t| !is_skipped(t)) {
        copy::write(&out.alias(out.layout().narrow(dim, start, t.size(dim), 1)), t)?;
        start += t.size(dim);
    }
    let inputs: SmallVec<[&Tensor; 4]> = tensors.iter().collect();
    if !autograd::needs_grad(&inputs) {
        return Ok(out);
    }
    let parts: Vec<_> =
        tensors.iter().map(|t| (if is_skipped(t) { None } else { Some(t.size(dim)) }, t.dtype())).collect();
    Ok(autograd::record(out, "cat", &inputs, &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None; parts.len()]) };
        let mut start = 0;
        let mut grads = SmallVec::new();
        for (i, (length, dtype)) in parts.iter().enumerate() {
            let Some(length) = *length else {
                grads.push(Some(Tensor::empty(&[0], *dtype)?));
                continue;
            };
            let part = view::Part::Slice { dim, start, length, step: 1 };
            start += length;
            grads.push(if cx.needs(i) {
                Some(copy::to_dtype(&view::take_part(g, part), *dtype)?)
            } else {
                None
            });
        }
        Ok(grads)
    }))
}

/// Joins tensors of one shape along a new dimension.
pub fn stack(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    let Some(first) = tensors.first() else { bail!(Autograd, "stack expects a non-empty TensorList") };
    let dim = wrap_dim(dim, first.ndim() + 1)? as i64;
    for (i, t) in tensors.iter().enumerate() {
        if t.sizes() != first.sizes() {
            bail!(
                Shape,
                "stack expects each tensor to be equal size, but got {} at entry 0 and {} at entry {i}",
                Show(first.sizes()),
                Show(t.sizes())
            );
        }
    }
    let wider: Vec<Tensor> = tensors.iter().map(|t| view::unsqueeze(t, dim)).collect::<Result<_>>()?;
    cat(&wider, dim)
}

/// All tensors expanded to one shape.
fn broadcast_tensors(tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut sizes = Sizes::new();
    for t in tensors {
        sizes = broadcast(&sizes, t.sizes())?;
    }
    let expanded =
        |t: &Tensor| if t.sizes() == &sizes[..] { Ok(t.clone()) } else { view::expand_to(t, &sizes) };
    tensors.iter().map(expanded).collect()
}

pub const OPS: &[Op] = &[
    Op::new("broadcast_tensors(Tensor[] tensors) -> Tensor[]", |a| Ok(broadcast_tensors(a.tensors(0))?.into()))
        .doc("All tensors expanded to one shape."),
    Op::new("cat(Tensor[] tensors, int dim=0) -> Tensor", |a| Ok(cat(a.tensors(0), a.int(1))?.into()))
        .doc("Tensors joined along an existing dimension.")
        .samples("[t(2, 3), t(1, 3)] | [t(2, 3), t(2, 1)], 1 | [t(2), ints(3)] | [t(2, 3), nc(4, 3)], dim=-2 | [t(0), t(2, 3)]"),
    Op::new("stack(Tensor[] tensors, int dim=0) -> Tensor", |a| Ok(stack(a.tensors(0), a.int(1))?.into()))
        .doc("Tensors of one shape joined along a new dimension.")
        .samples("[t(2, 3), t(2, 3)] | [t(2, 3), t(2, 3)], 1 | [t(), t()] | [t(2), t(2)], dim=-1"),
];
