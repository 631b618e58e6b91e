//! The tape. An output owns the node that made it, a node owns the edges to its parents; nothing is
//! global. [`record`] hangs a node behind a result, [`engine`] walks the nodes backwards, [`variable`]
//! is what a tensor knows of its gradient, [`inplace`] keeps the tape true when values are overwritten,
//! [`saved`] is what nodes keep, [`mode`] says whether anything is recorded at all.

pub mod anomaly;
pub mod engine;
pub mod inplace;
pub mod mode;
pub mod node;
pub mod saved;
pub mod variable;

pub use engine::{backward, grad};
pub use mode::{enable_grad, grad_enabled, inference_enabled, no_grad, set_grad_enabled};
pub use node::{Backprop, Edge, Grads, Node, NodeRef};
pub use saved::Save;
pub use variable::GradMeta;

use smallvec::SmallVec;

use crate::bail;
use crate::error::Result;
use crate::tensor::Tensor;

/// Whether an operation over these inputs has to be recorded.
#[inline]
pub fn needs_grad(inputs: &[&Tensor]) -> bool {
    grad_enabled() && inputs.iter().any(|t| t.requires_grad())
}

/// Refuses an argument with a gradient where the function has none for it, rather than dropping it.
pub fn refuse_grad(function: &str, argument: &str, tensor: Option<&Tensor>) -> Result<()> {
    if tensor.is_some_and(|t| needs_grad(&[t])) {
        bail!(
            Autograd,
            "The function '{function}' is not differentiable with respect to argument '{argument}'. This input cannot have requires_grad True."
        );
    }
    Ok(())
}

/// Puts a node behind `out`. `backward` gets the gradient of `out` and returns one an input; it is
/// only called when some input needs it. `name` is the op's (`mul`), or a class name (`CopySlices`).
/// The caller has asked [`needs_grad`].
pub fn record(
    out: Tensor,
    name: &'static str,
    inputs: &[&Tensor],
    save: &[Save],
    backward: impl Fn(&Backprop) -> Result<Grads> + Send + Sync + 'static,
) -> Tensor {
    if !out.dtype().is_differentiable() {
        return out;
    }
    let node = Node::new(name, inputs, save, std::slice::from_ref(&out), backward);
    out.with_producer(Edge { node, output: 0 })
}

/// As [`record`], for an operation with several results.
pub fn record_many(
    outs: SmallVec<[Tensor; 4]>,
    name: &'static str,
    inputs: &[&Tensor],
    save: &[Save],
    backward: impl Fn(&Backprop) -> Result<Grads> + Send + Sync + 'static,
) -> SmallVec<[Tensor; 4]> {
    let node = Node::new(name, inputs, save, &outs, backward);
    let with = |(i, t): (usize, Tensor)| t.with_producer(Edge { node: node.clone(), output: i as u32 });
    outs.into_iter().enumerate().map(with).collect()
}

/// Puts a node behind results of which nobody knows the gradient: asking for it is an error.
pub fn record_unknown(outs: Vec<Tensor>, name: &'static str, inputs: &[&Tensor]) -> Vec<Tensor> {
    if !needs_grad(inputs) {
        return outs;
    }
    let refuse = move |_: &Backprop| -> Result<Grads> {
        Err(crate::error::Error::Autograd(format!("derivative for aten::{name} is not implemented")))
    };
    record_many(outs.into(), name, inputs, &[], refuse).into_vec()
}
