//! A node of the tape: what an operation leaves behind so that its gradient can be computed.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use smallvec::{SmallVec, smallvec};

pub use crate::autograd::saved::{Origin, Save};
use crate::autograd::{anomaly, grad_enabled};

use crate::autograd::saved::{self, SavedState, SavedTensor};
use crate::autograd::variable::{GradMeta, TensorHook};
use crate::error::Result;
use crate::shared::{arc_in_place, arc_sole_mut, push_in_place};
use crate::tensor::Tensor;

/// Gradients, one an input of the node; `None` stands for zero.
pub type Grads = SmallVec<[Option<Tensor>; 2]>;
/// Gradients, one an output of the node, as they have arrived.
pub type ArrivedGrads = SmallVec<[Option<Tensor>; 1]>;
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
    /// Shows the gradients to the hooks of that leaf.
    fn prepare(&self, _grads: &mut ArrivedGrads) -> Result<()> {
        Ok(())
    }
    /// The formula as a value of the floor above, where it was written there.
    fn foreign(&self) -> Option<&(dyn Any + Send + Sync)> {
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
    extras: OnceLock<Box<Extras>>,
    body: B,
}

/// What few nodes have.
#[derive(Default)]
pub struct Extras {
    pub hooks: Mutex<NodeHooks>,
    /// The object of the floor above that stands for this node, if there is one.
    pub python: AtomicPtr<c_void>,
    /// What the floor above notes about the node.
    pub notes: OnceLock<Foreign>,
}

/// A value of the floor above.
pub type Foreign = Arc<dyn Any + Send + Sync>;

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
    /// What hooks by these numbers hold of the floor above.
    pub owned: Vec<(u64, Foreign)>,
}

impl NodeHooks {
    /// Takes a hook out; what it held is returned, to be dropped outside of locks.
    pub fn remove(&mut self, id: u64) -> RemovedHooks {
        (
            self.owned.extract_if(.., |h| h.0 == id).collect(),
            self.tensor.extract_if(.., |h| h.0 == id).collect(),
            self.pre.extract_if(.., |h| h.0 == id).collect(),
            self.post.extract_if(.., |h| h.0 == id).collect(),
        )
    }
}

/// Hooks with what they held.
pub type RemovedHooks =
    (Vec<(u64, Foreign)>, Vec<(u64, u32, TensorHook)>, Vec<(u64, PreHook)>, Vec<(u64, PostHook)>);

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// Nodes are numbered in the order in which they are made; a node comes after all its parents.
pub fn next_sequence() -> u64 {
    SEQUENCE.fetch_add(1, Ordering::Relaxed)
}

/// The number that the next node will have, if no other thread makes one meanwhile.
pub fn next_number() -> u64 {
    SEQUENCE.load(Ordering::Relaxed)
}

/// A node in the making, already where it will stay: filling it there saves moving it.
pub struct NodeBuilder<B>(Arc<Node<B>>);

impl<B: Backward + 'static> NodeBuilder<B> {
    /// A node without inputs, with a number of outputs.
    #[inline(always)]
    pub fn new(name: &'static str, outputs: u32, body: impl FnOnce() -> B) -> NodeBuilder<B> {
        NodeBuilder(arc_in_place!(Node {
            name,
            sequence: 0,
            outputs,
            edges: SmallVec::new(),
            saved: Mutex::new(SavedState { tensors: SmallVec::new(), released: false }),
            extras: OnceLock::new(),
            body: body(),
        }))
    }

    #[inline]
    fn node(&mut self) -> &mut Node<B> {
        // SAFETY: nobody else knows the node before it is finished.
        unsafe { arc_sole_mut(&mut self.0) }
    }

    #[inline]
    pub fn body(&mut self) -> &mut B {
        &mut self.node().body
    }

    /// The next input: its gradient will flow to where the tensor's gradient flows.
    #[inline]
    pub fn input(&mut self, tensor: &Tensor) {
        // Looked at where it stands: an edge that a function returns goes through memory.
        if let Some((node, output)) = tensor.borrowed_edge() {
            push_in_place!(self.node().edges, Some(Edge { node: node.clone(), output }));
        } else {
            let edge = tensor.gradient_edge();
            self.node().edges.push(edge);
        }
    }

    /// An input without a gradient.
    pub fn no_input(&mut self) {
        self.node().edges.push(None);
    }

    /// Keeps a tensor for the backward, outside the graph.
    #[inline(always)]
    pub fn save(&mut self, tensor: &Tensor, origin: Origin) {
        self.node().saved.get_mut().unwrap_or_else(|e| e.into_inner()).keep(tensor, origin);
    }

    pub fn finish(mut self) -> NodeRef {
        // Not earlier: asking inputs for their edges may make nodes, and those come before this one.
        self.node().sequence = next_sequence();
        let node: NodeRef = self.0;
        if anomaly::enabled() {
            anomaly::made(&node);
        }
        node
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

    pub fn rename(&mut self, name: &'static str) {
        self.name = name;
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

    pub fn extras_if_any(&self) -> Option<&Extras> {
        self.extras.get().map(|b| &**b)
    }

    pub fn extras(&self) -> &Extras {
        self.extras.get_or_init(Default::default)
    }

    /// The hooks, to be changed or copied; not to be held while anything is called.
    pub fn hooks(&self) -> MutexGuard<'_, NodeHooks> {
        self.extras().hooks.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// What the node saved, to be looked at; not to be held while anything is called.
    pub fn saved_state(&self) -> MutexGuard<'_, SavedState> {
        self.saved.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Shows all values of the floor above that hang on this node. What another thread has locked is
    /// left out.
    pub fn each_foreign(&self, show: &mut dyn FnMut(&(dyn Any + Send + Sync))) {
        if let Some(value) = self.body.foreign() {
            show(value);
        }
        if let Ok(saved) = self.saved.try_lock() {
            saved.tensors.iter().filter_map(SavedTensor::foreign).for_each(&mut *show);
        }
        let Some(extras) = self.extras_if_any() else { return };
        if let Some(notes) = extras.notes.get() {
            show(&**notes);
        }
        if let Ok(hooks) = extras.hooks.try_lock() {
            hooks.owned.iter().for_each(|(_, value)| show(&**value));
        }
    }

    /// Frees what was saved; a later backward through this node is refused if it needed any.
    pub fn release(&self) {
        let mut saved = self.saved_state();
        if !saved.tensors.is_empty() {
            saved.released = true;
            let tensors = std::mem::take(&mut saved.tensors);
            drop(saved);
            drop(tensors);
        }
    }
}

impl Node {
    /// The `i`-th thing that was saved, tied to the graph again.
    pub fn saved(self: &Arc<Node>, i: usize) -> Result<Tensor> {
        saved::unpack(self, &self.saved, i, true)
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
        saved::unpack(self.node, &self.node.saved, i, grad_enabled())
    }
}

/// `mul` → `MulBackward0`, `log_softmax` → `LogSoftmaxBackward0`; class names stay as they are.
pub fn display_name(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) || name.ends_with("Backward") {
        return name.to_owned();
    }
    let mut out = String::new();
    // A letter is a capital after an underscore or a digit: `Log1PBackward0`.
    let mut capital = true;
    for c in name.chars() {
        if c != '_' {
            out.push(if capital { c.to_ascii_uppercase() } else { c });
        }
        capital = c == '_' || c.is_ascii_digit();
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
            drop_later(&mut self.edges);
        }
        let saved = self.saved.get_mut().unwrap_or_else(|e| e.into_inner());
        for edge in saved.tensors.iter_mut().filter_map(SavedTensor::take_made) {
            drop_later(&mut smallvec![Some(edge)]);
        }
    }
}

#[cold]
fn drop_later(edges: &mut SmallVec<[Option<Edge>; 2]>) {
    let outermost = DYING.try_with(|queue| {
        let mut queue = queue.borrow_mut();
        let outermost = queue.is_none();
        let queue = queue.get_or_insert_default();
        while let Some(edge) = edges.pop() {
            if let Some(edge) = edge {
                queue.push(edge);
            }
        }
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
