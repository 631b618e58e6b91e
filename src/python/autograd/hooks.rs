//! Python functions that are called when gradients pass.

use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::autograd::node::{Foreign, Grads, PostHook, PreHook};
use crate::autograd::variable::HookPlace;
use crate::python::convert::{handle, tensor_of, wrap, wrap_option};
use crate::python::error::through_engine;
use crate::python::gc::Owned;
use crate::python::tensor::PyTensor;
use crate::tensor::Tensor;

/// Removes a hook when asked to.
#[pyclass(name = "RemovableHandle", module = "rustnn.utils.hooks", frozen, weakref)]
pub struct HookHandle {
    place: HookPlace,
    #[pyo3(get)]
    id: u64,
}

impl HookHandle {
    pub fn new(place: HookPlace, id: u64) -> HookHandle {
        HookHandle { place, id }
    }
}

#[pymethods]
impl HookHandle {
    fn remove(&self) {
        self.place.remove(self.id);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>, _trace: &Bound<'_, PyAny>) {
        self.remove();
    }
}

fn name_of(hook: &Bound<'_, PyAny>) -> String {
    match hook.getattr("__name__").and_then(|n| n.extract::<String>()) {
        Ok(name) => name,
        Err(_) => hook.repr().map_or_else(|_| "hook".to_owned(), |r| r.to_string()),
    }
}

/// Calls a Python hook with a gradient; a tensor that it returns replaces the gradient.
fn call_tensor_hook(hook: &Bound<'_, PyAny>, grad: &Tensor) -> PyResult<Option<Tensor>> {
    let returned = hook.call1((wrap(hook.py(), grad.clone())?,))?;
    if returned.is_none() {
        return Ok(None);
    }
    let Some(replaced) = tensor_of(&returned) else {
        return Err(PyTypeError::new_err(format!(
            "expected Variable, but hook returned '{}'",
            returned.get_type().name()?
        )));
    };
    check_replaced(hook, grad, &replaced)?;
    Ok(Some(replaced))
}

fn check_replaced(hook: &Bound<'_, PyAny>, old: &Tensor, new: &Tensor) -> PyResult<()> {
    if new.dtype() != old.dtype() {
        return Err(PyRuntimeError::new_err(format!(
            "hook '{}' has changed the type of value (was torch.{}Tensor got torch.{}Tensor)",
            name_of(hook),
            old.dtype().scalar_name(),
            new.dtype().scalar_name()
        )));
    }
    if new.sizes() != old.sizes() {
        return Err(PyRuntimeError::new_err(format!(
            "hook '{}' has changed the size of value",
            name_of(hook)
        )));
    }
    Ok(())
}

/// `Tensor.register_hook`.
pub fn register_hook(t: &Tensor, hook: &Bound<'_, PyAny>) -> PyResult<HookHandle> {
    let owned = Owned::shared(hook.clone().unbind());
    let held = owned.clone();
    let call = Arc::new(move |grad: &Tensor| {
        Python::attach(|py| match held.get(py) {
            Some(hook) => call_tensor_hook(&hook, grad),
            None => Ok(None),
        })
        .map_err(through_engine)
    });
    let (id, place) = t.register_hook(call, owned)?;
    Ok(HookHandle::new(place, id))
}

/// `Tensor.register_post_accumulate_grad_hook`.
pub fn register_accumulate_hook(slf: &Bound<'_, PyTensor>, hook: &Bound<'_, PyAny>) -> PyResult<HookHandle> {
    let t = handle(slf);
    if !t.requires_grad() {
        return Err(PyRuntimeError::new_err(
            "cannot register a hook on a tensor that doesn't require gradient",
        ));
    }
    if !t.is_leaf() {
        return Err(PyRuntimeError::new_err(
            "post accumulate grad hooks cannot be registered on non-leaf tensors",
        ));
    }
    let owned = Owned::shared(hook.clone().unbind());
    let held = owned.clone();
    // Weak: the hook belongs to the tensor and must not keep it alive.
    let weak = PyWeakrefReference::new(slf)?.unbind();
    let call = Arc::new(move || {
        Python::attach(|py| -> PyResult<()> {
            if let (Some(tensor), Some(hook)) = (weak.bind(py).upgrade(), held.get(py)) {
                hook.call1((tensor,))?;
            }
            Ok(())
        })
        .map_err(through_engine)
    });
    let (id, place) = t.register_accumulate_hook(call, owned);
    Ok(HookHandle::new(place, id))
}

fn tuple_of<'py>(py: Python<'py>, grads: &[Option<Tensor>]) -> PyResult<Bound<'py, PyTuple>> {
    let objects: Vec<_> = grads.iter().map(|g| wrap_option(py, g.clone())).collect::<PyResult<_>>()?;
    PyTuple::new(py, objects)
}

/// What a hook of a node returned in the place of several gradients.
fn read_replaced(
    hook: &Bound<'_, PyAny>,
    old: &[Option<Tensor>],
    returned: &Bound<'_, PyAny>,
) -> PyResult<Option<Grads>> {
    if returned.is_none() {
        return Ok(None);
    }
    // One gradient needs no tuple around it.
    if old.len() == 1
        && let Some(one) = tensor_of(returned)
    {
        if let Some(old) = &old[0] {
            check_replaced(hook, old, &one)?;
        }
        return Ok(Some(Grads::from_iter([Some(one)])));
    }
    let Ok(tuple) = returned.cast::<PyTuple>() else {
        return Err(PyTypeError::new_err(format!(
            "expected tuple, but hook returned '{}'",
            returned.get_type().name()?
        )));
    };
    if tuple.len() != old.len() {
        return Err(PyRuntimeError::new_err(format!(
            "hook '{}' has returned an incorrect number of values (got {}, but expected {})",
            name_of(hook),
            tuple.len(),
            old.len()
        )));
    }
    let mut grads = Grads::new();
    for (item, old) in tuple.iter().zip(old) {
        if item.is_none() {
            grads.push(None);
            continue;
        }
        let Some(new) = tensor_of(&item) else {
            return Err(PyTypeError::new_err(format!(
                "expected Variable, but hook returned '{}'",
                item.get_type().name()?
            )));
        };
        if let Some(old) = old {
            check_replaced(hook, old, &new)?;
        }
        grads.push(Some(new));
    }
    Ok(Some(grads))
}

/// A hook of a node, called before its backward with the gradients of its outputs.
pub fn pre_hook(hook: &Bound<'_, PyAny>) -> (PreHook, Foreign) {
    let owned = Owned::shared(hook.clone().unbind());
    let held = owned.clone();
    let call = Arc::new(move |grads: &[Option<Tensor>]| {
        Python::attach(|py| {
            let Some(hook) = held.get(py) else { return Ok(None) };
            read_replaced(&hook, grads, &hook.call1((tuple_of(py, grads)?,))?)
        })
        .map_err(through_engine)
    });
    (call, owned)
}

/// A hook of a node, called after its backward with the gradients of its inputs and outputs.
pub fn post_hook(hook: &Bound<'_, PyAny>) -> (PostHook, Foreign) {
    let owned = Owned::shared(hook.clone().unbind());
    let held = owned.clone();
    let call = Arc::new(move |results: &[Option<Tensor>], grads: &[Option<Tensor>]| {
        Python::attach(|py| {
            let Some(hook) = held.get(py) else { return Ok(None) };
            let returned = hook.call1((tuple_of(py, results)?, tuple_of(py, grads)?))?;
            read_replaced(&hook, results, &returned)
        })
        .map_err(through_engine)
    });
    (call, owned)
}
