//! A node of the tape: what an operation leaves behind so that its gradient can be computed.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use smallvec::SmallVec;

use crate::autograd::grad_enabled;
use crate::autograd::variable::{GradMeta, TensorHook};
use crate::bail;
use crate::error::Result;
use crate::shared::{arc_get_mut, arc_in_place};
use crate::tensor::Tensor;

/// Gradients, one an input of the node; `None` stands for zero.
pub type Grads = SmallVec<[Option<Tensor>; 2]>;
pub type NodeRef = Arc<Node>;

/// Where a gradient flows: into one output slot of a node.
#[derive(Clone)]
pub struct Edge {
    pub node: NodeRef,
    pub output: u32,
}

/// The formula of a node.
pub trait Backward: Send + Sync {
    fn backward(&self, cx: &Backprop) -> Result<Grads>;
    /// Whether the node collects the gradient of a leaf.
    fn collects(&self) -> bool {
        false
    }
    /// That leaf, if it is still there.
    fn variable(&self) -> Option<Tensor> {
        None
    }
}

impl<F: Fn(&Backprop) -> Result<Grads> + Send + Sync> Backward for F {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        self(cx)
    }
}

pub struct Node<B: ?Sized = dyn Backward> {
    name: &'static str,
    sequence: u64,
    outputs: u32,
    edges: SmallVec<[Option<Edge>; 2]>,
    saved: Mutex<SavedState>,
    hooks: OnceLock<Box<Mutex<NodeHooks>>>,
    body: B,
}

/// What a node keeps for its backward.
struct SavedState {
    tensors: SmallVec<[SavedTensor; 2]>,
    released: bool,
}

/// What is to be kept for the backward: named, so that it can be tied to the graph again.
pub enum Save<'a> {
    Input(usize),
    Output(usize),
    /// Something in between, through which no gradient flows.
    Other(&'a Tensor),
}

struct SavedTensor {
    tensor: Tensor,
    version: u32,
    origin: Origin,
}

/// Where a saved tensor stands in the graph.
#[derive(Clone, Copy)]
pub enum Origin {
    Input(u32),
    Output(u32),
    Other,
}

pub type PreHook = Arc<dyn Fn(&[Option<Tensor>]) -> Result<Option<Grads>> + Send + Sync>;
pub type PostHook = Arc<dyn Fn(&[Option<Tensor>], &[Option<Tensor>]) -> Result<Option<Grads>> + Send + Sync>;

/// Things to call when the engine passes.
#[derive(Default)]
pub struct NodeHooks {
    pub tensor: Vec<(u64, u32, TensorHook)>,
    pub pre: Vec<(u64, PreHook)>,
    pub post: Vec<(u64, PostHook)>,
    /// Non-leaf variables that want to keep their gradient.
    pub retain: Vec<(u32, Weak<GradMeta>)>,
}

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// Nodes are numbered in the order in which they are made; a node comes after all its parents.
pub fn next_sequence() -> u64 {
    SEQUENCE.fetch_add(1, Ordering::Relaxed)
}

/// A node in the making, already where it will stay: filling it there saves moving it.
pub struct NodeBuilder<B>(Arc<Node<B>>);

impl<B: Backward + 'static> NodeBuilder<B> {
    /// A node without inputs, with a number of outputs.
    #[inline(always)]
    pub fn new(name: &'static str, outputs: u32, body: impl FnOnce() -> B) -> NodeBuilder<B> {
        NodeBuilder(arc_in_place(|| Node {
            name,
            sequence: next_sequence(),
            outputs,
            edges: SmallVec::new(),
            saved: Mutex::new(SavedState { tensors: SmallVec::new(), released: false }),
            hooks: OnceLock::new(),
            body: body(),
        }))
    }

    #[inline]
    fn node(&mut self) -> &mut Node<B> {
        arc_get_mut(&mut self.0).expect("nobody else knows the node yet")
    }

    #[inline]
    pub fn body(&mut self) -> &mut B {
        &mut self.node().body
    }

    /// The next input: its gradient will flow to where the tensor's gradient flows.
    #[inline]
    pub fn input(&mut self, tensor: &Tensor) {
        let edge = tensor.gradient_edge();
        self.node().edges.push(edge);
    }

    /// Keeps a tensor for the backward, outside the graph.
    #[inline]
    pub fn save(&mut self, tensor: &Tensor, origin: Origin) {
        let saved = SavedTensor { tensor: tensor.detached(), version: tensor.version(), origin };
        self.node().saved.get_mut().unwrap_or_else(|e| e.into_inner()).tensors.push(saved);
    }

    pub fn finish(self) -> NodeRef {
        self.0
    }
}

impl<B: Backward + 'static> Node<B> {
    #[allow(clippy::new_ret_no_self)] // every user wants the type-erased handle
    pub fn new(
        name: &'static str,
        inputs: &[&Tensor],
        save: &[Save],
        outputs: &[Tensor],
        body: B,
    ) -> NodeRef {
        let mut node = NodeBuilder::new(name, outputs.len() as u32, || body);
        for t in inputs {
            node.input(t);
        }
        for s in save {
            match s {
                Save::Input(i) => node.save(inputs[*i], Origin::Input(*i as u32)),
                Save::Output(i) => node.save(&outputs[*i], Origin::Output(*i as u32)),
                Save::Other(t) => node.save(t, Origin::Other),
            }
        }
        node.finish()
    }

    /// A node with given edges that saves nothing.
    pub fn plain(name: &'static str, edges: SmallVec<[Option<Edge>; 2]>, outputs: u32, body: B) -> NodeRef {
        let mut node = NodeBuilder::new(name, outputs, || body);
        node.node().edges = edges;
        node.finish()
    }
}

impl<B: Backward + ?Sized> Node<B> {
    /// The op's name (`mul`) or, capitalised, a class name (`AccumulateGrad`).
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Number of outputs, each of which takes one gradient.
    pub fn outputs(&self) -> usize {
        self.outputs as usize
    }

    pub fn edges(&self) -> &[Option<Edge>] {
        &self.edges
    }

    pub fn body(&self) -> &B {
        &self.body
    }

    pub fn hooks_if_any(&self) -> Option<&Mutex<NodeHooks>> {
        self.hooks.get().map(|b| &**b)
    }

    pub fn hooks(&self) -> &Mutex<NodeHooks> {
        self.hooks.get_or_init(Default::default)
    }

    /// Frees what was saved; a later backward through this node is refused if it needed any.
    pub fn release(&self) {
        if let Ok(mut saved) = self.saved.lock()
            && !saved.tensors.is_empty()
        {
            saved.released = true;
            let tensors = std::mem::take(&mut saved.tensors);
            drop(saved);
            drop(tensors);
        }
    }
}

/// What a formula sees: the gradients of its outputs, what was saved, and which inputs need one.
pub struct Backprop<'a> {
    pub node: &'a NodeRef,
    pub grads: &'a [Option<Tensor>],
}

impl Backprop<'_> {
    /// The gradient of the only output, or of output 0.
    pub fn grad(&self) -> Option<&Tensor> {
        self.grads[0].as_ref()
    }

    /// Whether input `i` needs a gradient.
    #[inline]
    pub fn needs(&self, i: usize) -> bool {
        self.node.edges[i].is_some()
    }

    /// The `i`-th thing that was saved, tied to the graph again if one is being built.
    pub fn saved(&self, i: usize) -> Result<Tensor> {
        let (tensor, origin) = {
            let state = self.node.saved.lock().unwrap_or_else(|e| e.into_inner());
            if state.released {
                bail!(
                    Autograd,
                    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
                );
            }
            let s = &state.tensors[i];
            let now = s.tensor.version();
            if now != s.version {
                let which = match s.origin {
                    Origin::Output(o) => format!(", which is output {o} of {}", display_name(self.node.name)),
                    _ => String::new(),
                };
                bail!(
                    Autograd,
                    "one of the variables needed for gradient computation has been modified by an inplace operation: [torch.{}Tensor {}]{which}, is at version {now}; expected version {} instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True).",
                    s.tensor.dtype().scalar_name(),
                    crate::layout::Show(s.tensor.sizes()),
                    s.version
                );
            }
            (s.tensor.clone(), s.origin)
        };
        if !grad_enabled() {
            return Ok(tensor);
        }
        let edge = match origin {
            Origin::Input(i) => self.node.edges[i as usize].clone(),
            Origin::Output(output) => Some(Edge { node: self.node.clone(), output }),
            Origin::Other => None,
        };
        Ok(match edge {
            Some(edge) => tensor.detach().with_producer(edge),
            None => tensor,
        })
    }
}

/// `mul` → `MulBackward0`, `log_softmax` → `LogSoftmaxBackward0`; class names stay as they are.
pub fn display_name(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return name.to_owned();
    }
    let mut out = String::new();
    for part in name.split('_') {
        let mut chars = part.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out + "Backward0"
}

thread_local! {
    /// Edges of nodes that died while another node was being dropped. `None` when none is.
    static DYING: RefCell<Option<Vec<Edge>>> = const { RefCell::new(None) };
}

/// A chain of a million nodes must not be dropped by recursion.
impl<B: ?Sized> Drop for Node<B> {
    #[inline]
    fn drop(&mut self) {
        // Only the last owner of a parent brings it down.
        let last = |edge: &Option<Edge>| edge.as_ref().is_some_and(|e| Arc::strong_count(&e.node) == 1);
        if self.edges.iter().any(last) {
            drop_later(std::mem::take(&mut self.edges));
        }
    }
}

#[cold]
fn drop_later(edges: SmallVec<[Option<Edge>; 2]>) {
    let outermost = DYING.try_with(|queue| {
        let mut queue = queue.borrow_mut();
        let outermost = queue.is_none();
        queue.get_or_insert_default().extend(edges.into_iter().flatten());
        outermost
    });
    if outermost != Ok(true) {
        return;
    }
    while let Some(edge) = DYING.with(|q| q.borrow_mut().as_mut().and_then(Vec::pop)) {
        drop(edge);
    }
    DYING.with(|q| *q.borrow_mut() = None);
}
