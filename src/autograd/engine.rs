//! Walks the tape backwards.
//!
//! Nodes are numbered as they are made, so a node's consumers all have higher numbers: taking the
//! highest waiting number first means that every gradient of a node has arrived when its turn comes.
//! No recursion, no counting of dependencies beforehand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use smallvec::{SmallVec, smallvec};

use crate::autograd::node::{Backprop, Edge, Grads, Node, NodeRef};
use crate::autograd::variable::GradMeta;
use crate::autograd::{grad_enabled, set_grad_enabled};
use crate::bail;
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops;
use crate::tensor::Tensor;

/// A node that waits for its turn, with the gradients that have arrived so far.
struct Task {
    node: NodeRef,
    grads: SmallVec<[Option<Tensor>; 1]>,
}

/// Options of one walk.
#[derive(Clone, Copy, Default)]
pub struct Walk {
    /// Keep what nodes saved, for another walk.
    pub retain_graph: bool,
    /// Record the walk itself, so that gradients have gradients.
    pub create_graph: bool,
}

/// Adds the gradients of `roots` to the leaves, or only to `inputs` when they are given.
/// Each root comes with the gradient it starts from; `None` means 1 and asks for a single element.
pub fn backward(roots: &[(Tensor, Option<Tensor>)], inputs: Option<&[Tensor]>, walk: Walk) -> Result<()> {
    let roots = start(roots, walk)?;
    let Some(inputs) = inputs else { return run(roots, None, walk).map(drop) };
    let targets = Targets::new(&roots, inputs, false)?;
    let found = run(roots, Some(&targets), walk)?;
    for (input, grad) in inputs.iter().zip(found) {
        // Leaves were reached through their own node; others keep what arrived.
        if let Some(grad) = grad
            && !input.is_leaf()
        {
            let total = match input.grad() {
                Some(present) => ops::arithmetic::add(&present, &grad)?,
                None => grad,
            };
            input.set_grad(Some(total));
        }
    }
    Ok(())
}

/// The gradients of `roots` with respect to `inputs`; leaves are left alone. `None` for an input
/// that the roots do not depend on.
pub fn grad(
    roots: &[(Tensor, Option<Tensor>)],
    inputs: &[Tensor],
    walk: Walk,
) -> Result<Vec<Option<Tensor>>> {
    let roots = start(roots, walk)?;
    let targets = Targets::new(&roots, inputs, true)?;
    run(roots, Some(&targets), walk)
}

type Roots = SmallVec<[(Edge, Tensor); 1]>;

/// Checks roots and first gradients.
fn start(roots: &[(Tensor, Option<Tensor>)], walk: Walk) -> Result<Roots> {
    let mut out = Roots::new();
    for (i, (root, grad)) in roots.iter().enumerate() {
        let Some(edge) = root.gradient_edge() else {
            bail!(Autograd, "element {i} of tensors does not require grad and does not have a grad_fn");
        };
        let grad = match grad {
            Some(g) if g.sizes() != root.sizes() => bail!(
                Autograd,
                "Mismatch in shape: grad_output[{i}] has a shape of torch.Size({}) and output[{i}] has a shape of torch.Size({}).",
                Show(g.sizes()),
                Show(root.sizes())
            ),
            Some(g) if g.dtype().is_complex() != root.dtype().is_complex() => bail!(
                Autograd,
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: grad_output[{i}] has a dtype of torch.{} and output[{i}] has a dtype of torch.{}.",
                g.dtype(),
                root.dtype()
            ),
            Some(g) if !walk.create_graph => g.detached(),
            Some(g) => g.clone(),
            None if root.numel() != 1 => {
                bail!(Autograd, "grad can be implicitly created only for scalar outputs")
            }
            None if root.dtype().is_complex() => bail!(
                Autograd,
                "grad can be implicitly created only for real scalar outputs but got torch.{}",
                root.dtype()
            ),
            None => ops::creation::full(root.sizes(), 1.0.into(), root.dtype())?,
        };
        out.push((edge, grad));
    }
    Ok(out)
}

/// The variables whose gradients are asked for, and the nodes that lead to them.
struct Targets {
    /// By the node that the variable's gradient flows into: (output, place in the answer).
    wanted: HashMap<*const (), Vec<(u32, usize)>>,
    needed: HashSet<*const ()>,
    /// Whether gradients end here, or go on into the leaves.
    capture_leaves: bool,
    count: usize,
}

fn key<B: ?Sized>(node: &Arc<Node<B>>) -> *const () {
    Arc::as_ptr(node).cast()
}

impl Targets {
    fn new(roots: &Roots, inputs: &[Tensor], capture_leaves: bool) -> Result<Targets> {
        let mut wanted: HashMap<*const (), Vec<(u32, usize)>> = HashMap::new();
        for (i, input) in inputs.iter().enumerate() {
            let Some(edge) = input.gradient_edge() else {
                bail!(Autograd, "One of the differentiated Tensors does not require grad");
            };
            wanted.entry(key(&edge.node)).or_default().push((edge.output, i));
        }
        // A node is needed if it is wanted or leads to a needed one: depth first, without recursion.
        let mut needed = HashSet::new();
        let mut seen = HashSet::new();
        let mut stack: Vec<(&NodeRef, usize)> = Vec::new();
        for (edge, _) in roots {
            if seen.insert(key(&edge.node)) {
                stack.push((&edge.node, 0));
            }
            while let Some((node, next)) = stack.pop() {
                match node.edges().get(next) {
                    Some(child) => {
                        stack.push((node, next + 1));
                        if let Some(child) = child
                            && seen.insert(key(&child.node))
                        {
                            stack.push((&child.node, 0));
                        }
                    }
                    None => {
                        let leads =
                            |e: &Option<Edge>| e.as_ref().is_some_and(|e| needed.contains(&key(&e.node)));
                        if wanted.contains_key(&key(node)) || node.edges().iter().any(leads) {
                            needed.insert(key(node));
                        }
                    }
                }
            }
        }
        Ok(Targets { wanted, needed, capture_leaves, count: inputs.len() })
    }

    fn needs(&self, node: &NodeRef) -> bool {
        self.needed.contains(&key(node))
    }
}

/// Puts recording back as it was, also when a formula fails.
struct RestoreGradMode(bool);

impl Drop for RestoreGradMode {
    fn drop(&mut self) {
        set_grad_enabled(self.0);
    }
}

fn run(roots: Roots, targets: Option<&Targets>, walk: Walk) -> Result<Vec<Option<Tensor>>> {
    let _restore = RestoreGradMode(set_grad_enabled(walk.create_graph));
    let mut waiting: BTreeMap<u64, Task> = BTreeMap::new();
    let mut found: Vec<Option<Tensor>> = vec![None; targets.map_or(0, |t| t.count)];
    for (edge, grad) in roots {
        arrive(&mut waiting, &edge, grad)?;
    }
    while let Some((_, task)) = waiting.pop_last() {
        let Task { node, mut grads } = task;
        if let Some(hooks) = node.hooks_if_any() {
            run_hooks_before(hooks, &mut grads)?;
        }
        if let Some(targets) = targets {
            if let Some(wanted) = targets.wanted.get(&key(&node)) {
                for &(output, i) in wanted {
                    found[i] = grads[output as usize].clone();
                }
            }
            let ends = if node.body().collects() {
                targets.capture_leaves || !targets.needs(&node)
            } else {
                !node.edges().iter().flatten().any(|e| targets.needs(&e.node))
            };
            if ends {
                continue;
            }
        }
        let mut results = node.body().backward(&Backprop { node: &node, grads: &grads })?;
        if let Some(hooks) = node.hooks_if_any() {
            run_hooks_after(hooks, &mut results, &grads)?;
        }
        if !walk.retain_graph {
            node.release();
        }
        drop(grads);
        if results.len() > node.edges().len() {
            let name = crate::autograd::node::display_name(node.name());
            return Err(Error::Autograd(format!(
                "function {name} returned an incorrect number of gradients (expected {}, got {})",
                node.edges().len(),
                results.len()
            )));
        }
        for (edge, result) in node.edges().iter().zip(results) {
            if let (Some(edge), Some(result)) = (edge, result)
                && targets.is_none_or(|t| t.needs(&edge.node))
            {
                arrive(&mut waiting, edge, result)?;
            }
        }
    }
    Ok(found)
}

/// Adds a gradient to what waits at an edge: the first is moved, later ones are added in place where
/// nobody else holds the sum.
fn arrive(waiting: &mut BTreeMap<u64, Task>, edge: &Edge, grad: Tensor) -> Result<()> {
    let task = waiting
        .entry(edge.node.sequence())
        .or_insert_with(|| Task { node: edge.node.clone(), grads: smallvec![None; edge.node.outputs()] });
    let slot = &mut task.grads[edge.output as usize];
    *slot = Some(match slot.take() {
        None => grad,
        Some(sum)
            if !grad_enabled() && sum.is_unique() && sum.is_contiguous() && sum.dtype() == grad.dtype() =>
        {
            ops::arithmetic::add_(&sum, &grad)?
        }
        Some(sum) => ops::arithmetic::add(&sum, &grad)?,
    });
    Ok(())
}

type Hooks = std::sync::Mutex<crate::autograd::node::NodeHooks>;

fn run_hooks_before(hooks: &Hooks, grads: &mut SmallVec<[Option<Tensor>; 1]>) -> Result<()> {
    let (tensor, pre, retain) = {
        let h = hooks.lock().unwrap_or_else(PoisonError::into_inner);
        (h.tensor.clone(), h.pre.clone(), h.retain.clone())
    };
    for (_, output, hook) in tensor {
        if let Some(grad) = &grads[output as usize]
            && let Some(replaced) = hook(grad)?
        {
            grads[output as usize] = Some(replaced);
        }
    }
    for (_, hook) in pre {
        if let Some(replaced) = hook(grads)? {
            *grads = replaced.into_iter().collect();
        }
    }
    for (output, variable) in retain {
        if let (Some(variable), Some(grad)) = (variable.upgrade(), &grads[output as usize]) {
            keep(&variable, grad)?;
        }
    }
    Ok(())
}

/// The gradient of a tensor that is no leaf but wants it kept.
fn keep(variable: &Arc<GradMeta>, grad: &Tensor) -> Result<()> {
    let present = variable.state().grad.clone();
    let total = match present {
        Some(present) => ops::arithmetic::add(&present, grad)?,
        None => grad.clone(),
    };
    variable.state().grad = Some(total);
    Ok(())
}

fn run_hooks_after(hooks: &Hooks, results: &mut Grads, grads: &[Option<Tensor>]) -> Result<()> {
    let post = hooks.lock().unwrap_or_else(PoisonError::into_inner).post.clone();
    for (_, hook) in post {
        if let Some(replaced) = hook(results, grads)? {
            *results = replaced;
        }
    }
    Ok(())
}
