//! Python objects that hang on the tape, as hooks, contexts of functions and packed tensors do, and
//! the cycle collector's way to them.
//!
//! The collector counts references: an object may be shown to it by whoever owns it, and by nobody
//! else. So a tensor shows what it reaches through owners that it alone owns, and nothing at all while
//! some thread works without the GIL and may take another share at any moment.

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use smallvec::SmallVec;

use crate::autograd::NodeRef;
use crate::tensor::Tensor;

/// A Python object that something on the tape owns.
pub struct Owned(Mutex<Option<Py<PyAny>>>);

/// Whether the tape ever owned an object.
static ANY_OWNED: AtomicBool = AtomicBool::new(false);

/// Threads that are in the engine without the GIL.
static WITHOUT_GIL: AtomicUsize = AtomicUsize::new(0);

/// Nodes that one look of the collector goes to at most; what lies deeper waits until it is nearer.
const MOST_NODES: usize = 1 << 12;

thread_local! {
    /// Objects that lost their owner while another one was dying. `None` when none is.
    static DYING: RefCell<Option<Vec<Py<PyAny>>>> = const { RefCell::new(None) };
}

impl Owned {
    pub fn new(object: Py<PyAny>) -> Owned {
        ANY_OWNED.store(true, Ordering::Relaxed);
        Owned(Mutex::new(Some(object)))
    }

    pub fn shared(object: Py<PyAny>) -> Arc<Owned> {
        Arc::new(Owned::new(object))
    }

    /// The object; `None` once the collector has taken it.
    pub fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let object = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        object.as_ref().map(|o| o.bind(py).clone())
    }

    fn take(&self) -> Option<Py<PyAny>> {
        self.0.try_lock().ok()?.take()
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.0.try_lock() {
            Ok(object) => visit.call(&*object),
            Err(_) => Ok(()),
        }
    }
}

/// A chain of objects and nodes that own each other must not be dropped by recursion.
impl Drop for Owned {
    fn drop(&mut self) {
        let Some(object) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let outermost = DYING.try_with(|queue| {
            let mut queue = queue.borrow_mut();
            let outermost = queue.is_none();
            queue.get_or_insert_default().push(object);
            outermost
        });
        if outermost != Ok(true) {
            return;
        }
        while let Some(object) = DYING.with(|q| q.borrow_mut().as_mut().and_then(Vec::pop)) {
            drop(object);
        }
        DYING.with(|q| *q.borrow_mut() = None);
    }
}

/// Runs `work` without the GIL.
pub fn without_gil<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            WITHOUT_GIL.fetch_sub(1, Ordering::Relaxed);
        }
    }
    // Counted with the GIL held, both times: no collection sees the number change.
    WITHOUT_GIL.fetch_add(1, Ordering::Relaxed);
    let _back = Back;
    py.detach(work)
}

/// Shows the collector what a tensor alone owns.
pub fn traverse(tensor: &Tensor, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
    let mut status = Ok(());
    each_owned(tensor, &mut |owned| {
        if status.is_ok() {
            status = owned.visit(visit);
        }
    });
    status
}

/// As [`traverse`], for a node that is held by one object alone.
pub fn traverse_node(node: &NodeRef, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
    let mut status = Ok(());
    if looks() && Arc::strong_count(node) == 1 {
        walk(SmallVec::from_slice(&[node]), &mut |owned| {
            if status.is_ok() {
                status = owned.visit(visit);
            }
        });
    }
    status
}

/// Takes away what [`traverse_node`] shows.
pub fn clear_node(node: &NodeRef) {
    let mut taken = Vec::new();
    if looks() && Arc::strong_count(node) == 1 {
        walk(SmallVec::from_slice(&[node]), &mut |owned| taken.extend(owned.take()));
    }
    drop(taken);
}

/// Takes away what [`traverse`] shows.
pub fn clear(tensor: &Tensor) {
    let mut taken = Vec::new();
    each_owned(tensor, &mut |owned| taken.extend(owned.take()));
    drop(taken);
}

fn looks() -> bool {
    ANY_OWNED.load(Ordering::Relaxed) && WITHOUT_GIL.load(Ordering::Relaxed) == 0
}

fn show(value: &(dyn Any + Send + Sync), to: &mut dyn FnMut(&Owned)) {
    if let Some(owned) = value.downcast_ref::<Owned>() {
        to(owned);
    }
}

fn each_owned(tensor: &Tensor, to: &mut dyn FnMut(&Owned)) {
    if !looks() || !tensor.is_sole_handle() {
        return;
    }
    let original = tensor.original_producer().map(|e| &e.node);
    let Some(meta) = tensor.meta_if_any() else {
        walk(original.into_iter().filter(|n| Arc::strong_count(n) == 1).collect(), to);
        return;
    };
    let Some(state) = meta.try_state() else { return };
    state.owned.iter().for_each(|(_, value)| show(&**value, to));
    let present = state.producer.as_ref().map(|e| &e.node);
    let same = matches!((original, present), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
    let mut own: SmallVec<[&NodeRef; 4]> = SmallVec::new();
    if same {
        own.extend(original.filter(|n| Arc::strong_count(n) == 2));
    } else {
        own.extend([original, present].into_iter().flatten().filter(|n| Arc::strong_count(n) == 1));
    }
    own.extend(meta.accumulator().filter(|n| Arc::strong_count(n) == 1));
    walk(own, to);
}

/// What hangs on the given nodes and on those that they alone own.
fn walk(mut stack: SmallVec<[&NodeRef; 4]>, to: &mut dyn FnMut(&Owned)) {
    let mut seen = 0;
    while let Some(node) = stack.pop() {
        node.each_foreign(&mut |value| show(value, to));
        seen += 1;
        if seen == MOST_NODES {
            return;
        }
        stack.extend(node.edges().iter().flatten().map(|e| &e.node).filter(|n| Arc::strong_count(n) == 1));
    }
}
