//! Keeping the tape true when a tensor's value is overwritten.
//!
//! A change in place gives the variable a new producer. If the variable is a view, it is the *base*
//! whose history changes: its new producer `CopySlices` sends the gradient of the written part to what
//! was written, and the rest, with zeros in that part, to what the base was before. Other views of
//! the base notice by the version that their own producer is out of date.

use std::sync::atomic::Ordering;

use smallvec::smallvec;

use crate::autograd::node::{Edge, Node};
use crate::autograd::{grad_enabled, inference_enabled};
use crate::bail;
use crate::error::Result;
use crate::ops;
use crate::tensor::{Tensor, ViewOrigin};

/// Refuses changes in place that the tape cannot follow. To be called before the bytes are touched.
pub fn check(x: &Tensor, writes_grad: bool) -> Result<()> {
    if x.layout().has_internal_overlap() {
        bail!(
            Shape,
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation."
        );
    }
    check_tape(x, writes_grad)
}

/// The part of [`check`] that is about the tape: for operations to which overlap does not matter.
pub fn check_tape(x: &Tensor, writes_grad: bool) -> Result<()> {
    if x.is_inference() && !inference_enabled() {
        bail!(
            Autograd,
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        );
    }
    if !grad_enabled() {
        return Ok(());
    }
    let Some(view) = x.view_of() else {
        if x.requires_grad() && x.is_leaf() {
            bail!(Autograd, "a leaf Variable that requires grad is being used in an in-place operation.");
        }
        return Ok(());
    };
    let base_requires = view.base.requires_grad();
    match view.origin {
        ViewOrigin::NoGrad if base_requires || writes_grad => bail!(
            Autograd,
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
        ),
        ViewOrigin::Inference if base_requires || writes_grad => bail!(
            Autograd,
            "A view was created in inference mode and is being modified inplace in normal mode. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the inference_mode block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
        ),
        ViewOrigin::Function if base_requires || writes_grad || x.requires_grad() => bail!(
            Autograd,
            "Output 0 of {} is a view and is being modified inplace. This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function.",
            x.producer().map_or("a Function", |e| e.node.name().trim_end_matches("Backward"))
        ),
        ViewOrigin::OneOfMany if base_requires || writes_grad => bail!(
            Autograd,
            "Output 0 of a function that returns multiple views is a view and is being modified inplace. This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one."
        ),
        _ if base_requires && view.base.is_leaf() || x.requires_grad() && x.is_leaf() => bail!(
            Autograd,
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        ),
        _ => Ok(()),
    }
}

/// Notes that the bytes of `x` were just overwritten with a value made by `edge` (`None`: a value
/// without gradient). Bumps the version.
pub fn rebase(x: &Tensor, edge: Option<Edge>) {
    x.bump_version();
    if !grad_enabled() {
        // The producer stays: what was recorded before is checked by the version.
        x.mark_view_current_if_untracked();
        return;
    }
    let Some(view) = x.view_of() else {
        if edge.is_some() {
            x.meta().set_producer(edge);
        } else if let Some(old) = x.gradient_edge() {
            // Nothing but zeros flows back through what was overwritten.
            let (sizes, dtype) = (x.layout().sizes.clone(), x.dtype());
            let fill = move |_: &super::Backprop| Ok(smallvec![Some(ops::creation::zeros(&sizes, dtype)?)]);
            let node = Node::plain("FillBackward0", smallvec![Some(old)], 1, fill);
            x.meta().set_producer(Some(Edge { node, output: 0 }));
        }
        return;
    };
    let base = &view.base;
    let base_edge = base.gradient_edge();
    if edge.is_none() && base_edge.is_none() {
        return;
    }
    let geometry = ops::view::BaseGeometry::of(base, x.layout(), x.dtype());
    let node = Node::plain("CopySlices", smallvec![base_edge, edge], 1, move |cx: &super::Backprop| {
        let Some(grad) = cx.grad() else { return Ok(smallvec![None, None]) };
        let whole = geometry.copy_of(grad)?;
        let slice = geometry.part_of(&whole)?;
        let written = if cx.needs(1) { Some(ops::copy::clone(&slice)?) } else { None };
        if cx.needs(0) {
            ops::creation::fill_(&slice, 0.0.into())?;
        }
        Ok(smallvec![cx.needs(0).then_some(whole), written])
    });
    let base_edge = Edge { node, output: 0 };
    base.meta().set_producer(Some(base_edge.clone()));
    x.meta().set_producer(Some(ops::view::as_strided_edge(base_edge, base, x.layout(), x.dtype())));
    x.mark_view_current();
}

impl Tensor {
    /// A view of something without gradients has no history that could be out of date.
    fn mark_view_current_if_untracked(&self) {
        if let Some(view) = self.view_of()
            && !view.base.requires_grad()
        {
            view.version.store(self.version(), Ordering::Relaxed);
        }
    }
}
