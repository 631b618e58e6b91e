//! The tape from Python: backward, gradients, nodes, hooks, grad mode.

use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::autograd::engine::{self, Walk};
use crate::autograd::node::{NodeRef, display_name};
use crate::autograd::variable::next_hook_id;
use crate::autograd::{self, Edge};
use crate::layout::Show;
use crate::python::convert::{handle, items, tensor_of, wrap, wrap_option};
use crate::python::error::through_engine;
use crate::python::tensor::PyTensor;
use crate::tensor::Tensor;

/// A node of the graph: `tensor.grad_fn`. Each kind of node is a class of its own, named after it.
#[pyclass(name = "Node", module = "rustnn.autograd.graph", frozen, subclass)]
pub struct PyNode(NodeRef);

thread_local! {
    /// The node that the class being called is to wrap.
    static WRAPPED: std::cell::RefCell<Option<NodeRef>> = const { std::cell::RefCell::new(None) };
}

/// The classes of nodes, by name.
static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

fn node_object(py: Python<'_>, node: NodeRef) -> PyResult<Bound<'_, PyAny>> {
    let classes = CLASSES.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    let name = display_name(node.name());
    let class = match classes.get_item(&name)? {
        Some(class) => class,
        None => {
            let body = PyDict::new(py);
            body.set_item("__module__", "rustnn.autograd.graph")?;
            let class =
                py.get_type::<pyo3::types::PyType>().call1((&name, (py.get_type::<PyNode>(),), body))?;
            classes.set_item(&name, &class)?;
            class
        }
    };
    WRAPPED.with(|w| *w.borrow_mut() = Some(node));
    class.call0()
}

#[pymethods]
impl PyNode {
    #[new]
    fn new() -> PyResult<PyNode> {
        match WRAPPED.with(|w| w.borrow_mut().take()) {
            Some(node) => Ok(PyNode(node)),
            None => Err(PyTypeError::new_err("nodes are made by operations, not by calling their class")),
        }
    }

    /// The leaf whose gradient this node collects; AttributeError for other nodes.
    #[getter]
    fn variable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.0.body().variable() {
            Some(tensor) => wrap(py, tensor),
            None => Err(pyo3::exceptions::PyAttributeError::new_err(format!(
                "'{}' object has no attribute 'variable'",
                display_name(self.0.name())
            ))),
        }
    }

    fn name(&self) -> String {
        display_name(self.0.name())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<{} object at {:#x}>", slf.get().name(), slf.as_ptr() as usize)
    }

    /// The parents: (node, output of the node), one an input.
    #[getter]
    fn next_functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let parents: Vec<(Option<Bound<'py, PyAny>>, u32)> = self
            .0
            .edges()
            .iter()
            .map(|edge| match edge {
                Some(e) => Ok((Some(node_object(py, e.node.clone())?), e.output)),
                None => Ok((None, 0)),
            })
            .collect::<PyResult<_>>()?;
        PyTuple::new(py, parents)
    }

    fn __hash__(&self) -> isize {
        Arc::as_ptr(&self.0).cast::<u8>() as isize >> 4
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<PyNode>().is_ok_and(|o| Arc::ptr_eq(&o.get().0, &self.0))
    }
}

/// The node behind a tensor's value, or None.
pub fn grad_fn<'py>(py: Python<'py>, t: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    match t.producer() {
        Some(Edge { node, .. }) => node_object(py, node),
        None => Ok(py.None().into_bound(py)),
    }
}

/// `x.grad = value`, with PyTorch's checks.
pub fn set_grad(t: &Tensor, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_none() {
        t.set_grad(None);
        return Ok(());
    }
    let Some(grad) = tensor_of(value) else {
        return Err(PyTypeError::new_err(format!(
            "assigned grad expected to be a Tensor or None but got grad of type {}",
            value.get_type().name()?
        )));
    };
    if grad.is(t) {
        return Err(PyRuntimeError::new_err("can't assign Variable as its own grad"));
    }
    if grad.dtype() != t.dtype() {
        return Err(PyRuntimeError::new_err(format!(
            "attempting to assign a gradient with dtype '{}' to a tensor with grad_dtype '{}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break downstream systems that assume that they match.",
            grad.dtype().c_name(),
            t.dtype().c_name()
        )));
    }
    if grad.sizes() != t.sizes() {
        return Err(PyRuntimeError::new_err(format!(
            "assigned grad has data of a different size: expected {}, got {}",
            Show(t.sizes()),
            Show(grad.sizes())
        )));
    }
    t.set_grad(Some(grad));
    Ok(())
}

/// One tensor or a sequence of them.
fn tensor_list(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<Tensor>> {
    if let Some(t) = tensor_of(value) {
        return Ok(vec![t]);
    }
    let wrong = || PyTypeError::new_err(format!("{what} has to be a Tensor or a sequence of Tensors"));
    let list = match items(value) {
        Some(list) => list,
        None => value.try_iter().map_err(|_| wrong())?.collect::<PyResult<Vec<_>>>()?,
    };
    list.iter().map(|item| tensor_of(item).ok_or_else(wrong)).collect()
}

/// One gradient or None, or a sequence of them, as many as there are roots.
fn gradient_list(value: Option<&Bound<'_, PyAny>>, count: usize) -> PyResult<Vec<Option<Tensor>>> {
    let Some(value) = value.filter(|v| !v.is_none()) else { return Ok(vec![None; count]) };
    let read = |item: &Bound<'_, PyAny>| match tensor_of(item) {
        Some(t) => Ok(Some(t)),
        None if item.is_none() => Ok(None),
        None => Err(PyTypeError::new_err(format!(
            "gradients can be either Tensors or None, but got {}",
            item.get_type().name()?
        ))),
    };
    let list = match items(value) {
        Some(list) => list.iter().map(read).collect::<PyResult<Vec<_>>>()?,
        None => vec![read(value)?],
    };
    if list.len() != count {
        return Err(PyRuntimeError::new_err(format!(
            "Mismatch in length: got {count} tensors and {} gradients",
            list.len()
        )));
    }
    Ok(list)
}

/// `Tensor.backward`.
pub fn backward_of(
    py: Python<'_>,
    t: &Tensor,
    gradient: Option<&Bound<'_, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    inputs: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let mut gradients = gradient_list(gradient, 1)?;
    let roots = [(t.clone(), gradients.remove(0))];
    let inputs = inputs.filter(|i| !i.is_none()).map(|i| tensor_list(i, "inputs")).transpose()?;
    if inputs.as_ref().is_some_and(Vec::is_empty) {
        return Err(PyRuntimeError::new_err("'inputs' argument to backward() cannot be empty."));
    }
    let walk = Walk { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
    Ok(py.detach(|| engine::backward(&roots, inputs.as_deref(), walk))?)
}

/// Adds the gradients of several tensors to the leaves they depend on.
#[pyfunction]
#[pyo3(signature = (tensors, grad_tensors=None, retain_graph=None, create_graph=false, inputs=None))]
fn _backward(
    py: Python<'_>,
    tensors: &Bound<'_, PyAny>,
    grad_tensors: Option<&Bound<'_, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    inputs: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let tensors = tensor_list(tensors, "tensors")?;
    let gradients = gradient_list(grad_tensors, tensors.len())?;
    let roots: Vec<_> = tensors.into_iter().zip(gradients).collect();
    let inputs = inputs.filter(|i| !i.is_none()).map(|i| tensor_list(i, "inputs")).transpose()?;
    if inputs.as_ref().is_some_and(Vec::is_empty) {
        return Err(PyRuntimeError::new_err("`inputs` argument to `backward()` cannot be empty."));
    }
    let walk = Walk { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
    Ok(py.detach(|| engine::backward(&roots, inputs.as_deref(), walk))?)
}

/// The gradients of `outputs` with respect to `inputs`.
#[pyfunction]
#[pyo3(signature = (outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=false, allow_unused=false))]
fn _grad<'py>(
    py: Python<'py>,
    outputs: &Bound<'py, PyAny>,
    inputs: &Bound<'py, PyAny>,
    grad_outputs: Option<&Bound<'py, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    allow_unused: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let outputs = tensor_list(outputs, "outputs")?;
    let inputs = tensor_list(inputs, "inputs")?;
    if inputs.is_empty() {
        return Err(pyo3::exceptions::PyValueError::new_err("grad requires non-empty inputs."));
    }
    let gradients = gradient_list(grad_outputs, outputs.len())?;
    let roots: Vec<_> = outputs.into_iter().zip(gradients).collect();
    let walk = Walk { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
    let found = py.detach(|| engine::grad(&roots, &inputs, walk))?;
    if !allow_unused && found.iter().any(Option::is_none) {
        return Err(PyRuntimeError::new_err(
            "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.",
        ));
    }
    let objects: Vec<_> = found.into_iter().map(|g| wrap_option(py, g)).collect::<PyResult<_>>()?;
    PyTuple::new(py, objects)
}

// ---- hooks ----

/// Removes a hook when asked to.
#[pyclass(name = "RemovableHandle", module = "rustnn.utils.hooks", frozen)]
pub struct HookHandle {
    tensor: Tensor,
    #[pyo3(get)]
    id: u64,
}

#[pymethods]
impl HookHandle {
    fn remove(&self) {
        self.tensor.remove_hook(self.id);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>, _trace: &Bound<'_, PyAny>) {
        self.remove();
    }
}

/// Calls a Python hook with a gradient; a tensor that it returns replaces the gradient.
fn call_hook(hook: &Py<PyAny>, grad: &Tensor) -> crate::error::Result<Option<Tensor>> {
    Python::attach(|py| -> PyResult<Option<Tensor>> {
        let returned = hook.bind(py).call1((wrap(py, grad.clone())?,))?;
        if returned.is_none() {
            return Ok(None);
        }
        let Some(replaced) = tensor_of(&returned) else {
            return Err(PyTypeError::new_err(format!(
                "hook '{}' has changed the type of value (was torch.Tensor got {})",
                hook.bind(py).repr()?,
                returned.get_type().name()?
            )));
        };
        if replaced.sizes() != grad.sizes() {
            return Err(PyRuntimeError::new_err(format!(
                "hook '{}' has changed the size of value",
                hook.bind(py).repr()?
            )));
        }
        Ok(Some(replaced))
    })
    .map_err(through_engine)
}

pub fn register_hook(t: &Tensor, hook: &Bound<'_, PyAny>) -> PyResult<HookHandle> {
    let function = hook.clone().unbind();
    let id = t.register_hook(Arc::new(move |grad: &Tensor| call_hook(&function, grad)))?;
    Ok(HookHandle { tensor: t.clone(), id })
}

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
    let function = hook.clone().unbind();
    // Weak: the hook belongs to the tensor and must not keep it alive.
    let weak = pyo3::types::PyWeakrefReference::new(slf)?.unbind();
    let id = next_hook_id();
    t.meta().state().accumulate_hooks.push((
        id,
        Arc::new(move || {
            Python::attach(|py| -> PyResult<()> {
                use pyo3::types::PyWeakrefMethods;
                if let Some(tensor) = weak.bind(py).upgrade() {
                    function.bind(py).call1((tensor,))?;
                }
                Ok(())
            })
            .map_err(through_engine)
        }),
    ));
    Ok(HookHandle { tensor: t, id })
}

// ---- grad mode ----

#[pyfunction]
fn is_grad_enabled() -> bool {
    autograd::grad_enabled()
}

/// Switches recording for this thread; returns what it was.
#[pyfunction]
fn _set_grad_enabled(mode: bool) -> bool {
    autograd::set_grad_enabled(mode)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyNode>()?;
    m.add_class::<HookHandle>()?;
    m.add_function(wrap_pyfunction!(_backward, m)?)?;
    m.add_function(wrap_pyfunction!(_grad, m)?)?;
    m.add_function(wrap_pyfunction!(is_grad_enabled, m)?)?;
    m.add_function(wrap_pyfunction!(_set_grad_enabled, m)?)
}
