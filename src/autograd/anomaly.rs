//! Anomaly detection: nodes remember where they were made, and a backward that yields NaN is an error
//! that names the node.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::autograd::node::{NodeRef, display_name};
use crate::bail;
use crate::error::Result;
use crate::ops;
use crate::tensor::Tensor;

static ENABLED: AtomicBool = AtomicBool::new(false);
static CHECK_NAN: AtomicBool = AtomicBool::new(true);
static OBSERVER: OnceLock<Box<dyn Observer>> = OnceLock::new();

thread_local! {
    /// The nodes whose backward this thread is computing, innermost last.
    static RUNNING: RefCell<Vec<NodeRef>> = const { RefCell::new(Vec::new()) };
}

/// The floor above, which knows where in a program we are.
pub trait Observer: Send + Sync {
    /// A node was made, perhaps while the backward of `parent` was computed.
    fn made(&self, node: &NodeRef, parent: Option<&NodeRef>);
    /// The backward of a node failed.
    fn failed(&self, node: &NodeRef);
}

pub fn set_observer(observer: Box<dyn Observer>) {
    // The first one stays: modules are initialised once.
    let _ = OBSERVER.set(observer);
}

#[inline]
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

pub fn checks_nan() -> bool {
    CHECK_NAN.load(Ordering::Relaxed)
}

pub fn set(enabled: bool, check_nan: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
    CHECK_NAN.store(check_nan, Ordering::Relaxed);
}

#[cold]
pub fn made(node: &NodeRef) {
    if let Some(observer) = OBSERVER.get() {
        let parent = RUNNING.with(|r| r.borrow().last().cloned());
        observer.made(node, parent.as_ref());
    }
}

/// Computes the gradients of a node under observation.
#[cold]
pub fn watched(
    node: &NodeRef,
    compute: impl FnOnce() -> Result<crate::autograd::Grads>,
) -> Result<crate::autograd::Grads> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            let node = RUNNING.with(|r| r.borrow_mut().pop());
            drop(node);
        }
    }
    RUNNING.with(|r| r.borrow_mut().push(node.clone()));
    let _leave = Leave;
    let result = compute().and_then(|grads| match checks_nan() {
        true => check(node, &grads).map(|()| grads),
        false => Ok(grads),
    });
    if result.is_err()
        && let Some(observer) = OBSERVER.get()
    {
        observer.failed(node);
    }
    result
}

fn check(node: &NodeRef, grads: &[Option<Tensor>]) -> Result<()> {
    for (i, grad) in grads.iter().enumerate() {
        if let Some(grad) = grad
            && has_nan(&grad.detached())?
        {
            let name = display_name(node.name());
            bail!(Autograd, "Function '{name}' returned nan values in its {i}th output.");
        }
    }
    Ok(())
}

fn has_nan(x: &Tensor) -> Result<bool> {
    if !x.dtype().is_differentiable() {
        return Ok(false);
    }
    let itself = ops::pointwise::apply(&ops::table::rows::eq::ROW, &[x.into(), x.into()])?;
    Ok(!ops::reduce::all_nonzero(&itself)?)
}
