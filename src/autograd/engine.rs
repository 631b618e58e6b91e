//! Walks the tape backwards.
//!
//! Nodes are numbered as they are made, so a node's consumers all have higher numbers: taking the
//! highest waiting number first means that every gradient of a node has arrived when its turn comes.
//! No recursion, no counting of dependencies beforehand.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use smallvec::{SmallVec, smallvec};

use crate::autograd::node::{ArrivedGrads, Backprop, Edge, Extras, Grads, Node, NodeHooks, NodeRef};
use crate::autograd::variable::GradMeta;
use crate::autograd::{anomaly, grad_enabled, set_grad_enabled};
use crate::bail;
use crate::device;
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops;
use crate::profile::{self, Scope, Span};
use crate::tensor::Tensor;

/// A node that waits for its turn, with the gradients that have arrived so far.
struct Task {
    node: NodeRef,
    grads: ArrivedGrads,
}

/// Options of one walk.
#[derive(Clone, Copy, Default)]
pub struct Walk {
    /// Keep what nodes saved, for another walk.
    pub retain_graph: bool,
    /// Record the walk itself, so that gradients have gradients.
    pub create_graph: bool,
}

/// Where a walk starts: a tensor or a place in the graph, and the gradient there. `None` means 1 and
/// asks for a tensor of a single element.
pub struct Root {
    pub at: Start,
    pub grad: Option<Tensor>,
}

pub enum Start {
    Tensor(Tensor),
    Edge(Edge),
}

impl Root {
    pub fn new(tensor: Tensor, grad: Option<Tensor>) -> Root {
        Root { at: Start::Tensor(tensor), grad }
    }
}

/// Adds the gradients of `roots` to the leaves, or only to `inputs` when they are given.
pub fn backward(roots: &[Root], inputs: Option<&[Edge]>, walk: Walk) -> Result<()> {
    let roots = start(roots, walk)?;
    let targets = inputs.map(|inputs| Targets::new(&roots, inputs, false));
    run(roots, targets.as_ref(), walk).map(drop)
}

/// The gradients of `roots` at `inputs`; leaves are left alone. `None` for a place that the roots do
/// not depend on.
pub fn grad(roots: &[Root], inputs: &[Edge], walk: Walk) -> Result<Vec<Option<Tensor>>> {
    let roots = start(roots, walk)?;
    let targets = Targets::new(&roots, inputs, true);
    run(roots, Some(&targets), walk)
}

type Roots = SmallVec<[(Edge, Tensor); 1]>;

/// Checks roots and first gradients.
fn start(roots: &[Root], walk: Walk) -> Result<Roots> {
    let mut out = Roots::new();
    for (i, root) in roots.iter().enumerate() {
        let tensor = match &root.at {
            Start::Tensor(tensor) => tensor,
            Start::Edge(edge) => {
                let Some(grad) = &root.grad else {
                    bail!(Autograd, "the gradient at a GradientEdge has to be given: its shape is not known")
                };
                out.push((edge.clone(), if walk.create_graph { grad.clone() } else { grad.detached() }));
                continue;
            }
        };
        let Some(edge) = tensor.gradient_edge() else {
            bail!(Autograd, "element {i} of tensors does not require grad and does not have a grad_fn");
        };
        let grad = match &root.grad {
            Some(g) if g.sizes() != tensor.sizes() => bail!(
                Autograd,
                "Mismatch in shape: grad_output[{i}] has a shape of torch.Size({}) and output[{i}] has a shape of torch.Size({}).",
                Show(g.sizes()),
                Show(tensor.sizes())
            ),
            Some(g) if g.dtype().is_complex() != tensor.dtype().is_complex() => bail!(
                Autograd,
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: grad_output[{i}] has a dtype of torch.{} and output[{i}] has a dtype of torch.{}.",
                g.dtype(),
                tensor.dtype()
            ),
            Some(g) if !walk.create_graph => ops::copy::to_dtype(&g.detached(), tensor.dtype())?,
            Some(g) => ops::copy::to_dtype(g, tensor.dtype())?,
            None if tensor.numel() != 1 => {
                bail!(Autograd, "grad can be implicitly created only for scalar outputs")
            }
            None if tensor.dtype().is_complex() => bail!(
                Autograd,
                "grad can be implicitly created only for real scalar outputs but got torch.{}",
                tensor.dtype()
            ),
            None => device::at(tensor.device(), || {
                ops::creation::full(tensor.sizes(), 1.0.into(), tensor.dtype())
            })?,
        };
        out.push((edge, grad));
    }
    Ok(out)
}

/// The variables whose gradients are asked for, and the nodes that lead to them.
struct Targets {
    /// By the node that the variable's gradient flows into: (output, place in the answer).
    wanted: HashMap<*const (), Vec<(u32, usize)>>,
    needed: Rc<HashSet<*const ()>>,
    /// Whether gradients end here, or go on into the leaves.
    capture_leaves: bool,
    count: usize,
}

fn key<B: ?Sized>(node: &Arc<Node<B>>) -> *const () {
    Arc::as_ptr(node).cast()
}

impl Targets {
    fn new(roots: &Roots, inputs: &[Edge], capture_leaves: bool) -> Targets {
        let mut wanted: HashMap<*const (), Vec<(u32, usize)>> = HashMap::new();
        for (i, edge) in inputs.iter().enumerate() {
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
        Targets { wanted, needed: Rc::new(needed), capture_leaves, count: inputs.len() }
    }

    fn needs(&self, node: &NodeRef) -> bool {
        self.needed.contains(&key(node))
    }

    /// Whether the walk goes no further than this node.
    fn end_at(&self, node: &NodeRef) -> bool {
        if node.body().collects() {
            return self.capture_leaves || !self.needs(node);
        }
        !node.edges().iter().flatten().any(|e| self.needs(&e.node))
    }

    /// Takes the gradients that were asked for at this node.
    fn capture(&self, node: &NodeRef, grads: &[Option<Tensor>], found: &mut [Option<Tensor>]) {
        for &(output, i) in self.wanted.get(&key(node)).into_iter().flatten() {
            found[i] = grads.get(output as usize).cloned().flatten();
        }
    }
}

/// A walk that this thread is in the middle of.
struct Running {
    id: u64,
    roots: SmallVec<[NodeRef; 1]>,
    /// The nodes that lead to what was asked for; `None` if all leaves were.
    needed: Option<Rc<HashSet<*const ()>>>,
}

thread_local! {
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

static WALK_ID: AtomicU64 = AtomicU64::new(0);

/// The number of the walk that calls us; `None` outside of one.
pub fn walk_id() -> Option<u64> {
    RUNNING.with_borrow(|r| r.last().map(|w| w.id))
}

/// Whether the walk that calls us, if any, goes to all leaves: only then may one be started within it.
pub fn reaches_all_leaves() -> bool {
    RUNNING.with_borrow(|r| r.last().is_none_or(|w| w.needed.is_none()))
}

/// Which of `nodes` the walk that calls us comes by.
pub fn comes_by(nodes: &[NodeRef]) -> Vec<bool> {
    let (roots, needed) = RUNNING.with_borrow(|r| match r.last() {
        Some(walk) => (walk.roots.clone(), walk.needed.clone()),
        None => (SmallVec::new(), None),
    });
    let mut seen: HashSet<*const ()> = HashSet::new();
    let mut stack: Vec<&NodeRef> = roots.iter().collect();
    while let Some(node) = stack.pop() {
        if seen.insert(key(node)) {
            stack.extend(node.edges().iter().flatten().map(|e| &e.node));
        }
    }
    let comes = |n: &NodeRef| seen.contains(&key(n)) && needed.as_ref().is_none_or(|s| s.contains(&key(n)));
    nodes.iter().map(comes).collect()
}

/// Notes a walk until it is over, however it ends.
struct Noted;

impl Noted {
    fn new(roots: &Roots, targets: Option<&Targets>) -> Noted {
        let walk = Running {
            id: WALK_ID.fetch_add(1, Ordering::Relaxed),
            roots: roots.iter().map(|(edge, _)| edge.node.clone()).collect(),
            needed: targets.map(|t| t.needed.clone()),
        };
        RUNNING.with_borrow_mut(|r| r.push(walk));
        Noted
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let over = RUNNING.with_borrow_mut(Vec::pop);
        drop(over);
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
    let _noted = Noted::new(&roots, targets);
    let mut waiting: BTreeMap<u64, Task> = BTreeMap::new();
    let mut found: Vec<Option<Tensor>> = vec![None; targets.map_or(0, |t| t.count)];
    for (edge, grad) in roots {
        arrive(&mut waiting, &edge, grad)?;
    }
    while let Some((_, task)) = waiting.pop_last() {
        let Task { node, mut grads } = task;
        let _whole = profile::on().then(|| {
            let name = format!("autograd::engine::evaluate_function: {}", profiled_name(&node));
            Span::plain(name, Scope::Function, profiled_number(&node))
        });
        let ends = targets.is_some_and(|t| t.end_at(&node));
        // Where a walk goes on, what was asked for is the gradient before hooks; where it ends, after.
        if let Some(targets) = targets.filter(|_| !ends) {
            targets.capture(&node, &grads, &mut found);
        }
        node.body().prepare(&mut grads)?;
        if let Some(extras) = node.extras_if_any() {
            run_tensor_hooks(extras, &mut grads)?;
        }
        if let Some(targets) = targets.filter(|_| ends) {
            targets.capture(&node, &grads, &mut found);
            continue;
        }
        let span = profile::on().then(|| {
            let arguments = if profile::options().shapes { profiled_arguments(&grads) } else { Vec::new() };
            let number = profiled_number(&node);
            Span::new(profiled_name(&node), Scope::Backward, number, arguments, Vec::new())
        });
        let results = match anomaly::enabled() {
            true => anomaly::watched(&node, || evaluate(&node, &mut grads)),
            false => evaluate(&node, &mut grads),
        }?;
        drop(span);
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

/// A node as profiles call it.
fn profiled_name(node: &NodeRef) -> String {
    match node.body().collects() {
        true => "torch::autograd::AccumulateGrad".to_owned(),
        false => crate::autograd::node::display_name(node.name()),
    }
}

/// The number by which profiles find the operation that made a node.
fn profiled_number(node: &NodeRef) -> i64 {
    if node.body().collects() { -1 } else { node.sequence() as i64 }
}

fn profiled_arguments(grads: &ArrivedGrads) -> Vec<profile::Argument> {
    let argument = |grad: &Option<Tensor>| profile::Argument {
        keyword: String::new(),
        sizes: grad.as_ref().map(|g| g.sizes().to_vec()),
        kind: String::new(),
        text: String::new(),
    };
    grads.iter().map(argument).collect()
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

/// The gradients of a node's inputs, made where its gradients are.
fn evaluate(node: &NodeRef, grads: &mut ArrivedGrads) -> Result<Grads> {
    if !device::others_in_use() {
        return by_way_of_hooks(node, grads);
    }
    let place = grads.iter().flatten().map(Tensor::device).next().unwrap_or_default();
    device::at(place, || by_way_of_hooks(node, grads))
}

/// The gradients of a node's inputs, by way of its hooks.
fn by_way_of_hooks(node: &NodeRef, grads: &mut ArrivedGrads) -> Result<Grads> {
    let Some(extras) = node.extras_if_any() else {
        return node.body().backward(&Backprop { node, grads });
    };
    for (_, hook) in copied(extras, |h| h.pre.clone()) {
        if let Some(replaced) = hook(grads)? {
            *grads = replaced.into_iter().collect();
        }
    }
    let mut results = node.body().backward(&Backprop { node, grads })?;
    for (_, hook) in copied(extras, |h| h.post.clone()) {
        // A hook sees one gradient an input.
        results.resize(node.edges().len().max(results.len()), None);
        if let Some(replaced) = hook(&results, grads)? {
            results = replaced;
        }
    }
    Ok(results)
}

fn copied<T>(extras: &Extras, what: impl FnOnce(&NodeHooks) -> T) -> T {
    what(&extras.hooks.lock().unwrap_or_else(PoisonError::into_inner))
}

fn run_tensor_hooks(extras: &Extras, grads: &mut ArrivedGrads) -> Result<()> {
    let (tensor, retain) = copied(extras, |h| (h.tensor.clone(), h.retain.clone()));
    for (_, output, hook) in tensor {
        if let Some(grad) = &grads[output as usize]
            && let Some(replaced) = hook(grad)?
        {
            grads[output as usize] = Some(replaced);
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
        None => ops::copy::clone(grad)?,
    };
    variable.state().grad = Some(total);
    Ok(())
}
