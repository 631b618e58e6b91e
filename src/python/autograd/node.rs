//! Nodes of the graph as Python objects: `tensor.grad_fn`, and the contexts of users' own functions.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, ffi};

use super::hooks::{self, HookHandle};
use super::saved_names;
use crate::autograd::node::{Node, NodeRef, display_name};
use crate::autograd::{Edge, variable::HookPlace};
use crate::python::convert::wrap;
use crate::python::gc::{self, Owned};
use crate::tensor::Tensor;

/// A node of the graph. Each kind of node is a class of its own, named after it.
#[pyclass(name = "Node", module = "rustnn.autograd.graph", frozen, subclass, weakref)]
pub struct PyNode {
    /// The node of an operation is held by its object.
    held: Option<NodeRef>,
    /// The context of a user's function is held by the node.
    owner: OnceLock<Weak<Node>>,
    /// Set when Python asks for the context by way of the graph: from then on it keeps the node, and
    /// the cycle collector ends the two.
    kept: Mutex<Option<NodeRef>>,
}

thread_local! {
    /// The node that the class being called is to wrap.
    static WRAPPED: std::cell::RefCell<Option<NodeRef>> = const { std::cell::RefCell::new(None) };
}

/// The classes of nodes, by name.
static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// The object of a node: the one it has, or a new one.
pub fn object(py: Python<'_>, node: NodeRef) -> PyResult<Bound<'_, PyAny>> {
    if let Some(context) = node.body().foreign().and_then(|f| f.downcast_ref::<Owned>())
        && let Some(context) = context.get(py)
    {
        if let Ok(own) = context.cast::<PyNode>() {
            let before = own.get().kept.lock().unwrap_or_else(|e| e.into_inner()).replace(node);
            drop(before);
        }
        return Ok(context);
    }
    let present = node.extras().python.load(Ordering::Relaxed).cast::<ffi::PyObject>();
    if !present.is_null() {
        // SAFETY: an object takes its address out of the slot before it dies, and only threads that
        // hold the GIL come here; a count of zero means that it is dying right now.
        unsafe {
            if ffi::Py_REFCNT(present) > 0 {
                return Ok(Bound::from_borrowed_ptr(py, present));
            }
        }
    }
    let classes = CLASSES.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    let name = display_name(node.name());
    let class = match classes.get_item(&name)? {
        Some(class) => class,
        None => {
            let body = PyDict::new(py);
            body.set_item("__module__", "rustnn.autograd.graph")?;
            body.set_item("__slots__", PyTuple::empty(py))?;
            let class = py.get_type::<PyType>().call1((&name, (py.get_type::<PyNode>(),), body))?;
            classes.set_item(&name, &class)?;
            class
        }
    };
    WRAPPED.with(|w| *w.borrow_mut() = Some(node.clone()));
    let object = class.call0()?;
    node.extras().python.store(object.as_ptr().cast(), Ordering::Relaxed);
    Ok(object)
}

impl PyNode {
    pub fn node(&self) -> PyResult<NodeRef> {
        self.held.clone().or_else(|| self.owner.get()?.upgrade()).ok_or_else(|| {
            PyRuntimeError::new_err("this object belongs to no node of a graph, or its graph is gone")
        })
    }

    /// Ties the context of a function to the node that owns it.
    pub fn belongs_to(&self, node: &NodeRef) -> bool {
        self.owner.set(Arc::downgrade(node)).is_ok()
    }

    /// What was saved under a name of PyTorch's, such as `self` for `_saved_self`.
    fn saved_as(&self, py: Python<'_>, name: &str) -> PyResult<Option<Py<PyAny>>> {
        let node = self.node()?;
        let names = saved_names::of(&display_name(node.name()));
        let Some(&(_, wanted)) = names.iter().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let (found, released) = {
            let state = node.saved_state();
            (state.tensors.iter().position(|s| s.origin == wanted), state.released)
        };
        match found {
            Some(i) => Ok(Some(wrap(py, node.saved(i)?)?.unbind())),
            None if released => node.saved(0).map(|_| None).map_err(PyErr::from),
            None => Ok(None),
        }
    }
}

impl Drop for PyNode {
    fn drop(&mut self) {
        if let Some(extras) = self.held.as_ref().and_then(|n| n.extras_if_any()) {
            extras.python.store(std::ptr::null_mut(), Ordering::Relaxed);
        }
    }
}

#[pymethods]
impl PyNode {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyNode> {
        let held = WRAPPED.with(|w| w.borrow_mut().take());
        if held.is_none() && !cls.hasattr("_forward_cls")? {
            return Err(PyTypeError::new_err(format!("cannot create '{}' instances", cls.name()?)));
        }
        Ok(PyNode { held, owner: OnceLock::new(), kept: Mutex::new(None) })
    }

    /// The leaf whose gradient this node collects; AttributeError for other nodes.
    #[getter]
    fn variable<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().held.as_ref().and_then(|n| n.body().variable()) {
            Some(tensor) => wrap(slf.py(), tensor),
            None => Err(missing(slf, "variable")),
        }
    }

    fn name(&self) -> PyResult<String> {
        let node = self.node()?;
        let name = display_name(node.name());
        Ok(match node.name() {
            "AccumulateGrad" | "CopySlices" => format!("torch::autograd::{name}"),
            _ => name,
        })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get_type().name()?;
        let place = if slf.get().held.is_some() { "" } else { "torch.autograd.function." };
        Ok(format!("<{place}{class} object at {:#x}>", slf.as_ptr() as usize))
    }

    /// The parents: (node, output of the node), one an input.
    #[getter]
    fn next_functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let node = self.node()?;
        let parents: Vec<(Option<Bound<'py, PyAny>>, u32)> = node
            .edges()
            .iter()
            .map(|edge| match edge {
                Some(e) => Ok((Some(object(py, e.node.clone())?), e.output)),
                None => Ok((None, 0)),
            })
            .collect::<PyResult<_>>()?;
        PyTuple::new(py, parents)
    }

    /// A dict that stays with the node.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        metadata(py, &self.node()?)
    }

    /// The tensors that the node has saved, by PyTorch's names, as attributes.
    #[getter]
    fn _saved_names(&self) -> PyResult<Vec<String>> {
        let node = self.node()?;
        let state = node.saved_state();
        let is_saved = |origin| !state.released && state.tensors.iter().any(|saved| saved.origin == origin);
        let names =
            saved_names::of(&display_name(node.name())).iter().filter(|(_, origin)| is_saved(*origin));
        Ok(names.map(|(name, _)| format!("_saved_{name}")).collect())
    }

    /// The place of the node in the order in which nodes were made; collectors of leaves come last.
    fn _sequence_nr(&self) -> PyResult<u64> {
        let node = self.node()?;
        Ok(if node.body().collects() { u64::MAX } else { node.sequence() })
    }

    /// Calls `hook(grad_inputs, grad_outputs)` after the node has computed its gradients.
    fn register_hook(&self, hook: &Bound<'_, PyAny>) -> PyResult<HookHandle> {
        let node = self.node()?;
        let (call, owned) = hooks::post_hook(hook);
        let id = crate::autograd::variable::next_hook_id();
        let mut hooks = node.hooks();
        hooks.post.push((id, call));
        hooks.owned.push((id, owned));
        Ok(HookHandle::new(HookPlace::Node(Arc::downgrade(&node)), id))
    }

    /// Calls `hook(grad_outputs)` before the node computes its gradients.
    fn register_prehook(&self, hook: &Bound<'_, PyAny>) -> PyResult<HookHandle> {
        let node = self.node()?;
        let (call, owned) = hooks::pre_hook(hook);
        let id = crate::autograd::variable::next_hook_id();
        let mut hooks = node.hooks();
        hooks.pre.push((id, call));
        hooks.owned.push((id, owned));
        Ok(HookHandle::new(HookPlace::Node(Arc::downgrade(&node)), id))
    }

    /// `_saved_self` and its like, for tensors that the node has kept.
    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        if let Some(what) = name.strip_prefix("_saved_")
            && let Some(tensor) = slf.get().saved_as(slf.py(), what)?
        {
            return Ok(tensor.into_bound(slf.py()));
        }
        Err(missing(slf, name))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match (&self.held, self.kept.try_lock().as_deref()) {
            (Some(node), _) | (None, Ok(Some(node))) => gc::traverse_node(node, &visit),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        let kept = self.kept.try_lock().ok().and_then(|mut k| k.take());
        if let Some(node) = self.held.as_ref().or(kept.as_ref()) {
            gc::clear_node(node);
        }
    }
}

fn missing(slf: &Bound<'_, PyNode>, name: &str) -> PyErr {
    let class = slf.get_type().name().map_or_else(|_| "Node".to_owned(), |n| n.to_string());
    PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'"))
}

/// The dict that stays with a node.
pub fn metadata<'py>(py: Python<'py>, node: &NodeRef) -> PyResult<Bound<'py, PyAny>> {
    let notes = node.extras().notes.get_or_init(|| Owned::shared(PyDict::new(py).into_any().unbind()));
    match notes.downcast_ref::<Owned>().and_then(|o| o.get(py)) {
        Some(dict) => Ok(dict),
        None => Ok(PyDict::new(py).into_any()),
    }
}

/// The node behind a tensor's value, or None.
pub fn grad_fn<'py>(py: Python<'py>, t: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    match t.producer() {
        Some(Edge { node, .. }) => object(py, node),
        None => Ok(py.None().into_bound(py)),
    }
}

/// Where the gradient of a tensor flows to: (node, output of the node).
#[pyfunction]
fn _gradient_edge<'py>(
    tensor: &Bound<'py, crate::python::tensor::PyTensor>,
) -> PyResult<(Bound<'py, PyAny>, u32)> {
    match tensor.get().tensor().gradient_edge() {
        Some(edge) => Ok((object(tensor.py(), edge.node)?, edge.output)),
        None => Err(PyRuntimeError::new_err(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients",
        )),
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyNode>()?;
    m.add_function(wrap_pyfunction!(_gradient_edge, m)?)
}
