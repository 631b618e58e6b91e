//! What a tensor knows of its gradient: whether it wants one, the gradient itself, the node behind
//! the present value, hooks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use smallvec::{SmallVec, smallvec};

use crate::autograd::node::{ArrivedGrads, Backprop, Backward, Edge, Foreign, Grads, Node, NodeRef};
use crate::autograd::{grad_enabled, inference_enabled, no_grad};
use crate::bail;
use crate::error::Result;
use crate::ops;
use crate::tensor::{Tensor, ViewOrigin, WeakTensor};

pub type TensorHook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;
pub type AccumulateHook = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// The mutable part of a variable, shared by all handles that stand for it.
pub struct GradMeta {
    requires_grad: AtomicBool,
    has_producer: AtomicBool,
    /// The node that collects this leaf's gradient, once some graph has asked for it.
    accumulator: OnceLock<NodeRef>,
    state: Mutex<GradState>,
}

#[derive(Default)]
pub struct GradState {
    pub producer: Option<Edge>,
    pub grad: Option<Tensor>,
    /// The leaf itself, for those who look at the graph.
    pub tensor: WeakTensor,
    pub retains_grad: bool,
    /// Hooks of a leaf; those of other tensors hang on their node.
    pub hooks: Vec<(u64, TensorHook)>,
    pub accumulate_hooks: Vec<(u64, AccumulateHook)>,
    /// What hooks by these numbers hold of the floor above.
    pub owned: Vec<(u64, Foreign)>,
}

static HOOK_ID: AtomicU64 = AtomicU64::new(0);

pub fn next_hook_id() -> u64 {
    HOOK_ID.fetch_add(1, Ordering::Relaxed)
}

impl GradMeta {
    pub fn new(producer: Option<Edge>) -> GradMeta {
        GradMeta {
            requires_grad: AtomicBool::new(producer.is_some()),
            has_producer: AtomicBool::new(producer.is_some()),
            accumulator: OnceLock::new(),
            state: Mutex::new(GradState { producer, ..GradState::default() }),
        }
    }

    /// As [`GradMeta::state`], unless somebody is at it right now.
    pub fn try_state(&self) -> Option<MutexGuard<'_, GradState>> {
        self.state.try_lock().ok()
    }

    pub fn state(&self) -> MutexGuard<'_, GradState> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The node that collects this leaf's gradient, if a graph has asked for it.
    pub fn accumulator(&self) -> Option<&NodeRef> {
        self.accumulator.get()
    }

    /// Whether a node made the present value.
    #[inline]
    pub fn has_producer(&self) -> bool {
        self.has_producer.load(Ordering::Relaxed)
    }

    /// Puts another node behind the variable.
    pub fn set_producer(&self, edge: Option<Edge>) {
        self.requires_grad.store(edge.is_some(), Ordering::Relaxed);
        self.has_producer.store(edge.is_some(), Ordering::Relaxed);
        let old = {
            let mut state = self.state();
            let old = std::mem::replace(&mut state.producer, edge.clone());
            (state.retains_grad, old)
        };
        // The gradient that is kept is that of the present value.
        if old.0
            && let (Some(old), Some(new)) = (&old.1, edge)
        {
            let mine = |w: &Weak<GradMeta>| std::ptr::eq(w.as_ptr(), self);
            let moved: Vec<_> = old.node.hooks().retain.extract_if(.., |r| mine(&r.1)).collect();
            new.node.hooks().retain.extend(moved.into_iter().map(|r| (new.output, r.1)));
        }
    }

    /// Takes a hook of a leaf out.
    pub fn remove_hook(&self, id: u64) {
        let removed = {
            let mut state = self.state();
            let owned: Vec<_> = state.owned.extract_if(.., |h| h.0 == id).collect();
            let hooks: Vec<_> = state.hooks.extract_if(.., |h| h.0 == id).collect();
            let after: Vec<_> = state.accumulate_hooks.extract_if(.., |h| h.0 == id).collect();
            (owned, hooks, after)
        };
        drop(removed);
    }
}

/// What stands behind one of several views whose base was changed: going through it is an error.
fn stale_edge(base_edge: Edge) -> Edge {
    let refuse = |_: &Backprop| -> Result<Grads> {
        bail!(
            Autograd,
            "Output 0 of a function that returns multiple views is a view and its base or another view of its base has been modified inplace. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one."
        )
    };
    Edge { node: Node::plain("Error", smallvec![Some(base_edge)], 1, refuse), output: 0 }
}

/// Where a hook was put.
pub enum HookPlace {
    Leaf(Weak<GradMeta>),
    Node(Weak<Node>),
}

impl HookPlace {
    /// Takes the hook out, if what it hung on is still there.
    pub fn remove(&self, id: u64) {
        match self {
            HookPlace::Leaf(meta) => {
                if let Some(meta) = meta.upgrade() {
                    meta.remove_hook(id);
                }
            }
            HookPlace::Node(node) => {
                if let Some(node) = node.upgrade() {
                    let removed = node.hooks().remove(id);
                    drop(removed);
                }
            }
        }
    }
}

impl Tensor {
    #[inline]
    pub fn requires_grad(&self) -> bool {
        let own = match self.meta_if_any() {
            None => self.original_producer().is_some(),
            Some(meta) => meta.requires_grad.load(Ordering::Relaxed),
        };
        own || self.view_of().is_some_and(|v| v.base.requires_grad())
    }

    /// Whether the tensor was made by the user rather than by a recorded operation.
    pub fn is_leaf(&self) -> bool {
        self.producer().is_none()
    }

    /// The node behind the present value. A view whose base was changed in place since is told anew
    /// how it follows from the base.
    pub fn producer(&self) -> Option<Edge> {
        if let Some(view) = self.view_of()
            && matches!(view.origin, ViewOrigin::Plain | ViewOrigin::OneOfMany)
            && view.version.load(Ordering::Relaxed) != self.version()
            && let Some(base_edge) = view.base.gradient_edge()
        {
            let edge = match view.origin {
                ViewOrigin::OneOfMany => stale_edge(base_edge),
                _ => ops::view::as_strided_edge(base_edge, &view.base, self.layout(), self.dtype()),
            };
            self.meta().set_producer(Some(edge.clone()));
            self.mark_view_current();
            return Some(edge);
        }
        match self.meta_if_any() {
            None => self.original_producer().cloned(),
            Some(meta) => meta.state().producer.clone(),
        }
    }

    /// Where the gradient of this tensor flows to: its node, or the collector of a leaf.
    #[inline]
    pub fn gradient_edge(&self) -> Option<Edge> {
        let edge = match self.meta_if_any() {
            None if self.view_of().is_none() => return self.original_producer().cloned(),
            Some(meta) if self.view_of().is_none() => return self.edge_of_variable(meta),
            _ => self.producer(),
        };
        edge.or_else(|| self.edge_of_variable(self.meta_if_any()?))
    }

    /// [`Tensor::gradient_edge`] where it stands, for a tensor whose edge can be looked at without a lock.
    #[inline]
    pub fn borrowed_edge(&self) -> Option<(&NodeRef, u32)> {
        if self.view_of().is_some() {
            return None;
        }
        match self.meta_if_any() {
            None => self.original_producer().map(|edge| (&edge.node, edge.output)),
            Some(meta) if meta.has_producer() || !meta.requires_grad.load(Ordering::Relaxed) => None,
            Some(meta) => Some((self.accumulator_of(meta), 0)),
        }
    }

    /// The node that collects the gradient of this leaf. A parameter is asked often: without the lock.
    fn accumulator_of<'a>(&self, meta: &'a Arc<GradMeta>) -> &'a NodeRef {
        meta.accumulator.get_or_init(|| {
            meta.state().tensor = self.downgrade();
            let body = AccumulateGrad { meta: Arc::downgrade(meta), adding: Mutex::new(()) };
            Node::plain("AccumulateGrad", SmallVec::new(), 1, body)
        })
    }

    fn edge_of_variable(&self, meta: &Arc<GradMeta>) -> Option<Edge> {
        if !meta.requires_grad.load(Ordering::Relaxed) {
            return None;
        }
        if meta.has_producer() {
            return meta.state().producer.clone();
        }
        Some(Edge { node: self.accumulator_of(meta).clone(), output: 0 })
    }

    /// Makes a leaf ask for gradients, or not.
    pub fn set_requires_grad(&self, requires_grad: bool) -> Result<()> {
        if !self.is_leaf() {
            if !requires_grad {
                bail!(
                    Autograd,
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                );
            }
            return Ok(());
        }
        if requires_grad && self.is_inference() && !inference_enabled() {
            bail!(
                Autograd,
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            );
        }
        if requires_grad && !self.dtype().is_differentiable() {
            bail!(Autograd, "only Tensors of floating point and complex dtype can require gradients");
        }
        if requires_grad || self.meta_if_any().is_some() {
            self.meta().requires_grad.store(requires_grad, Ordering::Relaxed);
        }
        Ok(())
    }

    pub fn grad(&self) -> Option<Tensor> {
        self.meta_if_any()?.state().grad.clone()
    }

    pub fn set_grad(&self, grad: Option<Tensor>) {
        if grad.is_none() && self.meta_if_any().is_none() {
            return;
        }
        let old = std::mem::replace(&mut self.meta().state().grad, grad);
        drop(old);
    }

    /// Keeps the gradient of a tensor that is no leaf.
    pub fn retain_grad(&self) -> Result<()> {
        if !self.requires_grad() {
            bail!(Autograd, "can't retain_grad on Tensor that has requires_grad=False");
        }
        let Some(edge) = self.producer() else { return Ok(()) };
        let meta = self.meta();
        if !std::mem::replace(&mut meta.state().retains_grad, true) {
            edge.node.hooks().retain.push((edge.output, Arc::downgrade(meta)));
        }
        Ok(())
    }

    /// Calls `hook` with every gradient of this tensor; what it returns replaces the gradient. `owned`
    /// is what the hook holds of the floor above.
    pub fn register_hook(&self, hook: TensorHook, owned: Foreign) -> Result<(u64, HookPlace)> {
        if !self.requires_grad() {
            bail!(Autograd, "cannot register a hook on a tensor that doesn't require gradient");
        }
        let id = next_hook_id();
        Ok(match self.producer() {
            None => {
                let mut state = self.meta().state();
                state.hooks.push((id, hook));
                state.owned.push((id, owned));
                (id, HookPlace::Leaf(Arc::downgrade(self.meta())))
            }
            Some(edge) => {
                let mut hooks = edge.node.hooks();
                hooks.tensor.push((id, edge.output, hook));
                hooks.owned.push((id, owned));
                (id, HookPlace::Node(Arc::downgrade(&edge.node)))
            }
        })
    }

    /// Calls `hook` whenever a gradient was added to that of this leaf.
    pub fn register_accumulate_hook(&self, hook: AccumulateHook, owned: Foreign) -> (u64, HookPlace) {
        let id = next_hook_id();
        let mut state = self.meta().state();
        state.accumulate_hooks.push((id, hook));
        state.owned.push((id, owned));
        (id, HookPlace::Leaf(Arc::downgrade(self.meta())))
    }
}

/// The end of a path: adds what arrives to the gradient of a leaf. The leaf owns this node, so that
/// it is made once; a leaf that is gone needs no gradient.
pub struct AccumulateGrad {
    meta: Weak<GradMeta>,
    /// Held while a gradient is added: several threads may run backward at once.
    adding: Mutex<()>,
}

impl Backward for AccumulateGrad {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        let (Some(incoming), Some(meta)) = (cx.grad(), self.meta.upgrade()) else { return Ok(smallvec![]) };
        {
            let _adding = self.adding.lock().unwrap_or_else(|e| e.into_inner());
            accumulate(&meta, incoming)?;
        }
        let hooks = meta.state().accumulate_hooks.clone();
        for (_, hook) in &hooks {
            hook()?;
        }
        Ok(smallvec![])
    }

    fn collects(&self) -> bool {
        true
    }

    fn prepare(&self, grads: &mut ArrivedGrads) -> Result<()> {
        let Some(meta) = self.meta.upgrade() else { return Ok(()) };
        let hooks = match &*meta.state() {
            state if state.hooks.is_empty() => return Ok(()),
            state => state.hooks.clone(),
        };
        for (_, hook) in &hooks {
            if let Some(grad) = &grads[0]
                && let Some(replaced) = hook(grad)?
            {
                grads[0] = Some(replaced);
            }
        }
        Ok(())
    }

    fn variable(&self) -> Option<Tensor> {
        self.meta.upgrade()?.state().tensor.upgrade()
    }
}

/// Without a graph the first gradient is taken over if nobody else can see it, and later ones are
/// added in place; with a graph both make new tensors.
fn accumulate(meta: &GradMeta, incoming: &Tensor) -> Result<()> {
    let (present, variable) = {
        let state = meta.state();
        (state.grad.clone(), state.tensor.upgrade())
    };
    // Some formulas compute in another dtype than the leaf's, where an operation took several.
    let incoming = match &variable {
        Some(v) if v.dtype() != incoming.dtype() => &ops::copy::to_dtype(incoming, v.dtype())?,
        _ => incoming,
    };
    let total = match present {
        None if grad_enabled() => ops::copy::clone(incoming)?,
        None if incoming.is_unique() && fits(incoming, variable.as_ref()) => incoming.detached(),
        None => copied(incoming, variable.as_ref())?,
        Some(grad) if grad_enabled() => ops::arithmetic::add(&grad, incoming)?,
        Some(grad) => return no_grad(|| ops::arithmetic::add_(&grad, incoming)).map(drop),
    };
    meta.state().grad = Some(total);
    Ok(())
}

/// Whether a gradient lies in memory as a dense variable does, or is dense itself.
fn fits(grad: &Tensor, variable: Option<&Tensor>) -> bool {
    match variable {
        Some(v) if v.is_contiguous() => grad.is_contiguous(),
        Some(v) if v.layout().is_non_overlapping_and_dense() => grad.strides() == v.strides(),
        _ => grad.layout().is_non_overlapping_and_dense(),
    }
}

/// A gradient of its own, in the memory order of the variable.
fn copied(grad: &Tensor, variable: Option<&Tensor>) -> Result<Tensor> {
    let model = variable.filter(|v| v.sizes() == grad.sizes()).unwrap_or(grad);
    let out = Tensor::empty_dense(grad.sizes(), model.layout().dense_like(), grad.dtype())?;
    ops::copy::write(&out, &grad.detached())?;
    Ok(out)
}
