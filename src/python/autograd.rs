//! The tape from Python: backward, gradients, modes. Nodes, hooks, users' functions and what is saved
//! are in the files beside.

mod function;
mod hooks;
mod node;
mod saved;

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTypeError, PyUserWarning};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

pub use hooks::{HookHandle, register_accumulate_hook, register_hook};
pub use node::{PyNode, grad_fn};

use crate::autograd::engine::{self, Root, Start, Walk};
use crate::autograd::mode::{self, Mode};
use crate::autograd::{self, Edge};
use crate::device::guarded;
use crate::layout::Show;
use crate::python::convert::{items, tensor_of, wrap_option};
use crate::python::gc::without_gil;
use crate::tensor::Tensor;

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
            "attempting to assign a gradient with dtype '{}' to a tensor with grad_dtype '{}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break downstream systems that assume they match.",
            grad.dtype().c_name(),
            t.dtype().c_name()
        )));
    }
    if grad.sizes() != t.sizes() {
        return Err(PyRuntimeError::new_err(format!(
            "attempting to assign a gradient of size '{}' to a tensor of size '{}'. Please ensure that the gradient and the tensor are the same size",
            Show(grad.sizes()),
            Show(t.sizes())
        )));
    }
    t.set_grad(Some(grad));
    Ok(())
}

/// The items of a list, or the one thing that is no list; a `GradientEdge` is a tuple, but one thing.
fn list_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if tensor_of(value).is_some() || edge_of(value)?.is_some() {
        return Ok(vec![value.clone()]);
    }
    match items(value) {
        Some(list) => Ok(list),
        None => value.try_iter()?.collect(),
    }
}

/// The place in the graph that a `GradientEdge` names.
fn edge_of(value: &Bound<'_, PyAny>) -> PyResult<Option<Edge>> {
    if !value.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let (Ok(node), Ok(output)) = (value.getattr("node"), value.getattr("output_nr")) else {
        return Ok(None);
    };
    let Ok(node) = node.cast::<PyNode>() else { return Ok(None) };
    Ok(Some(Edge { node: node.get().node()?, output: output.extract()? }))
}

/// Where a walk starts.
fn root_list(value: &Bound<'_, PyAny>, gradients: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Root>> {
    let list = list_of(value)?;
    let gradients = gradient_list(gradients, list.len())?;
    let mut roots = Vec::new();
    for (item, grad) in list.iter().zip(gradients) {
        let at = match (tensor_of(item), edge_of(item)?) {
            (Some(t), _) => Start::Tensor(t),
            (None, Some(edge)) => Start::Edge(edge),
            (None, None) => {
                return Err(PyAssertionError::new_err("Expected output to be a torch.Tensor"));
            }
        };
        roots.push(Root { at, grad });
    }
    Ok(roots)
}

/// Where a walk ends: the tensors, and their edges.
fn target_list(value: &Bound<'_, PyAny>, keep: bool) -> PyResult<Vec<Edge>> {
    let mut edges = Vec::new();
    for item in list_of(value)? {
        let edge = match tensor_of(&item) {
            Some(t) => {
                if keep {
                    t.retain_grad()?;
                }
                t.gradient_edge()
            }
            None => match edge_of(&item)? {
                Some(edge) => Some(edge),
                None => {
                    return Err(PyRuntimeError::new_err(format!(
                        "all inputs have to be Tensors or GradientEdges, but got {}",
                        item.get_type().name()?
                    )));
                }
            },
        };
        let Some(edge) = edge else {
            return Err(PyRuntimeError::new_err("One of the differentiated Tensors does not require grad"));
        };
        edges.push(edge);
    }
    Ok(edges)
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
    let mut list = match tensor_of(value) {
        Some(t) => vec![Some(t)],
        None => match items(value) {
            Some(list) => list.iter().map(read).collect::<PyResult<Vec<_>>>()?,
            None => value.try_iter()?.map(|item| read(&item?)).collect::<PyResult<Vec<_>>>()?,
        },
    };
    // What is too much is not looked at.
    list.truncate(count);
    if list.len() < count {
        return Err(PyRuntimeError::new_err(format!("got {count} tensors and {} gradients", list.len())));
    }
    Ok(list)
}

/// Adds the gradients of tensors to the leaves that they depend on, or to `inputs`.
#[pyfunction]
#[pyo3(name = "_backward", signature = (tensors, grad_tensors=None, retain_graph=None, create_graph=false, inputs=None))]
pub fn backward(
    py: Python<'_>,
    tensors: &Bound<'_, PyAny>,
    grad_tensors: Option<&Bound<'_, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    inputs: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let inputs = inputs.filter(|i| !i.is_none()).map(|i| target_list(i, true)).transpose()?;
    if inputs.as_ref().is_some_and(Vec::is_empty) {
        return Err(PyRuntimeError::new_err("`inputs` argument to `backward()` cannot be empty."));
    }
    let roots = root_list(tensors, grad_tensors)?;
    let walk = Walk { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
    if create_graph {
        warn_of_cycle(py)?;
    }
    Ok(without_gil(py, || guarded(|| engine::backward(&roots, inputs.as_deref(), walk)))?)
}

fn warn_of_cycle(py: Python<'_>) -> PyResult<()> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if WARNED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let text = c"Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you have to use this function, make sure to reset the .grad fields of your parameters to None after use to break the cycle and avoid the leak.";
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), text, 2)
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
    let inputs = target_list(inputs, false)?;
    let roots = root_list(outputs, grad_outputs)?;
    if inputs.is_empty() {
        return Err(PyRuntimeError::new_err("`inputs` argument to `grad()` cannot be empty."));
    }
    let walk = Walk { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
    let found = without_gil(py, || guarded(|| engine::grad(&roots, &inputs, walk)))?;
    if !allow_unused && let Some(i) = found.iter().position(Option::is_none) {
        return Err(PyRuntimeError::new_err(format!(
            "The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior."
        )));
    }
    let objects: Vec<_> = found.into_iter().map(|g| wrap_option(py, g)).collect::<PyResult<_>>()?;
    PyTuple::new(py, objects)
}

/// Whether the backward that calls us goes to all leaves.
#[pyfunction]
fn _reaches_all_leaves() -> bool {
    engine::reaches_all_leaves()
}

// ---- grad mode ----

/// Whether operations are recorded, as far as grad mode has a say.
#[pyfunction]
fn is_grad_enabled() -> bool {
    mode::mode().grad
}

/// Switches grad mode of this thread; returns what it was.
#[pyfunction]
fn _set_grad_enabled(mode: bool) -> bool {
    autograd::set_grad_enabled(mode)
}

/// Whether new tensors are made for inference alone.
#[pyfunction]
fn is_inference_mode_enabled() -> bool {
    autograd::inference_enabled()
}

/// Sets grad mode and inference mode of this thread; returns what they were.
#[pyfunction]
fn _set_mode(grad: bool, inference: bool) -> (bool, bool) {
    let before = mode::set_mode(Mode { grad, inference });
    (before.grad, before.inference)
}

/// The number of the backward that calls us; None outside of one.
#[pyfunction]
fn _walk_id() -> Option<u64> {
    engine::walk_id()
}

/// Which of these nodes the backward that calls us comes by.
#[pyfunction]
fn _comes_by(nodes: Vec<Bound<'_, PyNode>>) -> PyResult<Vec<bool>> {
    let nodes: Vec<_> = nodes.iter().map(|n| n.get().node()).collect::<PyResult<_>>()?;
    Ok(engine::comes_by(&nodes))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    node::register(m)?;
    saved::register(m)?;
    function::register(m)?;
    m.add_class::<HookHandle>()?;
    m.add_function(wrap_pyfunction!(backward, m)?)?;
    m.add_function(wrap_pyfunction!(_grad, m)?)?;
    m.add_function(wrap_pyfunction!(_walk_id, m)?)?;
    m.add_function(wrap_pyfunction!(_comes_by, m)?)?;
    m.add_function(wrap_pyfunction!(_reaches_all_leaves, m)?)?;
    m.add_function(wrap_pyfunction!(is_grad_enabled, m)?)?;
    m.add_function(wrap_pyfunction!(is_inference_mode_enabled, m)?)?;
    m.add_function(wrap_pyfunction!(_set_mode, m)?)?;
    m.add_function(wrap_pyfunction!(_set_grad_enabled, m)?)
}
