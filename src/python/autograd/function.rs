//! Users' own functions (`autograd.Function`): the node that calls their backward, and what becomes of
//! the tensors that their forward returns.

use std::any::Any;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use smallvec::SmallVec;

use super::node::PyNode;
use crate::autograd::node::{Backprop, Backward, Edge, Grads, Node, NodeRef};
use crate::autograd::saved::{self, Origin, SavedState};
use crate::autograd::{self, inplace};
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes};
use crate::ops::{copy, creation, reduce};
use crate::python::convert::{handle, tensor_of, wrap};
use crate::python::error::through_engine;
use crate::python::gc::Owned;
use crate::python::tensor::PyTensor;
use crate::tensor::{Tensor, ViewOrigin};

/// Shape and dtype of a tensor that a function took or returned.
struct Meta {
    sizes: Sizes,
    dtype: DType,
}

impl Meta {
    fn of(t: &Tensor) -> Meta {
        Meta { sizes: t.sizes().into(), dtype: t.dtype() }
    }
}

/// The backward of a user's function: its context, which knows the rest.
struct UserFunction {
    name: &'static str,
    context: Owned,
    /// One an argument of `apply`; `None` for what is no tensor.
    inputs: Vec<Option<Meta>>,
    outputs: Vec<Option<Meta>>,
    /// Whether missing gradients are given to backward as zeros.
    materialize: bool,
}

impl Backward for UserFunction {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        let mut given: SmallVec<[Option<Tensor>; 4]> = SmallVec::new();
        for (grad, meta) in cx.grads.iter().zip(&self.outputs) {
            given.push(match (grad, meta) {
                (Some(grad), _) => Some(grad.clone()),
                (None, Some(meta)) if self.materialize => Some(creation::zeros(&meta.sizes, meta.dtype)?),
                _ => None,
            });
        }
        let returned = Python::attach(|py| self.call(py, given)).map_err(through_engine)?;
        let mut grads = Grads::new();
        for (i, (grad, meta)) in returned.into_iter().enumerate() {
            grads.push(match grad {
                Some(grad) => Some(self.fitted(i, grad, meta)?),
                None => None,
            });
        }
        Ok(grads)
    }

    fn foreign(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.context)
    }
}

impl UserFunction {
    /// Calls the user's backward. One gradient a tensor among the arguments, with what it has to fit.
    fn call(
        &self,
        py: Python<'_>,
        grads: SmallVec<[Option<Tensor>; 4]>,
    ) -> PyResult<Vec<(Option<Tensor>, &Meta)>> {
        let Some(context) = self.context.get(py) else {
            return Err(PyRuntimeError::new_err(format!("the context of {} was freed", self.name)));
        };
        let mut objects = Vec::new();
        for grad in grads {
            objects.push(match grad {
                Some(grad) => wrap(py, grad)?,
                None => py.None().into_bound(py),
            });
        }
        let returned = context.call_method1("apply", PyTuple::new(py, objects)?)?;
        let returned: Vec<Bound<'_, PyAny>> = match returned.cast::<PyTuple>() {
            Ok(tuple) => tuple.iter().collect(),
            Err(_) => vec![returned],
        };
        let expected = self.inputs.len();
        // Superfluous Nones at the end are let through.
        let spare = returned.get(expected..).unwrap_or_default();
        if returned.len() < expected || spare.iter().any(|g| !g.is_none()) {
            return Err(PyRuntimeError::new_err(format!(
                "function {} returned an incorrect number of gradients (expected {expected}, got {})",
                self.name,
                returned.len()
            )));
        }
        let mut out = Vec::new();
        for (i, (grad, meta)) in returned.iter().zip(&self.inputs).enumerate() {
            match meta {
                None if grad.is_none() => {}
                None => {
                    return Err(PyRuntimeError::new_err(format!(
                        "function {} returned a gradient different than None at position {}, but the corresponding forward input was not a Variable",
                        self.name,
                        i + 1
                    )));
                }
                Some(meta) if grad.is_none() => out.push((None, meta)),
                Some(meta) => match tensor_of(grad) {
                    Some(t) => out.push((Some(t), meta)),
                    None => {
                        return Err(PyRuntimeError::new_err(format!(
                            "expected Variable or None (got {})",
                            grad.get_type().name()?
                        )));
                    }
                },
            }
        }
        Ok(out)
    }

    /// A gradient in the shape and dtype of the input.
    fn fitted(&self, i: usize, grad: Tensor, meta: &Meta) -> Result<Tensor> {
        let mut grad = grad;
        if grad.sizes() != &meta.sizes[..] {
            let fits = crate::layout::broadcast(grad.sizes(), &meta.sizes);
            if fits.ok().as_deref() != Some(grad.sizes()) {
                bail!(
                    Autograd,
                    "Function {} returned an invalid gradient at index {i} - got {} but expected shape compatible with {}",
                    self.name,
                    Show(grad.sizes()),
                    Show(&meta.sizes)
                );
            }
            grad = reduce::sum_to_size(&grad, &meta.sizes)?;
        }
        if grad.dtype() == meta.dtype { Ok(grad) } else { copy::to_dtype(&grad, meta.dtype) }
    }
}

/// Names of functions live as long as the process; each is kept once.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

fn position(list: &[Option<Tensor>], t: &Tensor) -> Option<usize> {
    list.iter().position(|other| other.as_ref().is_some_and(|o| o.is(t)))
}

fn tensors_of(list: &Bound<'_, PyTuple>) -> Vec<Option<Tensor>> {
    list.iter().map(|item| tensor_of(&item)).collect()
}

/// Puts a function's node behind the outputs of its forward, which was run without recording. `outputs`
/// come back, but for tensors that had to be replaced by others over the same memory.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn _finish_function<'py>(
    context: &Bound<'py, PyNode>,
    inputs: &Bound<'py, PyTuple>,
    outputs: &Bound<'py, PyTuple>,
    dirty: &Bound<'py, PyTuple>,
    not_differentiable: &Bound<'py, PyTuple>,
    to_save: &Bound<'py, PyTuple>,
    materialize: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = context.py();
    let class = context.get_type().name()?.to_string();
    let given = tensors_of(inputs);
    let mut returned = tensors_of(outputs);
    let dirty = tensors_of(dirty);
    let plain = tensors_of(not_differentiable);
    if dirty.iter().flatten().any(|t| position(&returned, t).is_none()) {
        return Err(PyRuntimeError::new_err(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must all be outputs of the Function.",
        ));
    }
    let tensors: SmallVec<[&Tensor; 4]> = given.iter().flatten().collect();
    let node = autograd::needs_grad(&tensors).then(|| {
        let edges = tensors.iter().map(|t| t.gradient_edge()).collect();
        let body = UserFunction {
            name: interned(&class),
            context: Owned::new(context.clone().into_any().unbind()),
            inputs: given.iter().map(|t| t.as_ref().map(Meta::of)).collect(),
            outputs: returned.iter().map(|t| t.as_ref().map(Meta::of)).collect(),
            materialize,
        };
        let node = Node::plain(interned(&class), edges, returned.len() as u32, body);
        context.get().belongs_to(&node);
        node
    });
    let mut result: Vec<Bound<'py, PyAny>> = outputs.iter().collect();
    for i in 0..returned.len() {
        let Some(t) = returned[i].clone() else { continue };
        let changed = position(&dirty, &t).is_some();
        let is_input = position(&given, &t).is_some();
        let differentiable = t.dtype().is_differentiable() && position(&plain, &t).is_none();
        let edge = node.clone().filter(|_| differentiable).map(|node| Edge { node, output: i as u32 });
        match edge {
            None if !differentiable && is_input && t.requires_grad() => {
                result[i] = wrap(py, t.detach())?;
            }
            None if is_input && !changed => {
                result[i] = wrap(py, t.view_with(t.layout().clone(), ViewOrigin::NoGrad))?;
            }
            None => {}
            Some(edge) if changed => rebase_changed(&t, edge, is_input, returned.len())?,
            Some(edge) if is_input => {
                let view = t.view_with(t.layout().clone(), ViewOrigin::Function);
                result[i] = wrap(py, view.with_producer(edge))?;
            }
            Some(edge) if t.view_of().is_some() => {
                // In-place changes of this view would go past the function's backward.
                let view = t.view_with(t.layout().clone(), ViewOrigin::Function);
                view.meta().set_producer(Some(edge));
                result[i].cast::<PyTensor>()?.get().replace(view.clone());
                returned[i] = Some(view);
            }
            Some(edge) => t.meta().set_producer(Some(edge)),
        }
    }
    if let Some(node) = node {
        save(&node, to_save, &given, &returned, &dirty)?;
    }
    if let Some(refusal) = saved::take_refusal() {
        return Err(refusal.into());
    }
    PyTuple::new(py, result)
}

/// An input that the forward has overwritten and returned.
fn rebase_changed(t: &Tensor, edge: Edge, is_input: bool, outputs: usize) -> PyResult<()> {
    if t.is_leaf() && t.requires_grad() {
        return Err(PyRuntimeError::new_err(
            "a leaf Variable that requires grad has been used in an in-place operation.",
        ));
    }
    if t.view_of().is_some() && outputs > 1 {
        return Err(PyRuntimeError::new_err(
            "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more than one Tensor. This is not supported by the current autograd engine. You should either make sure the input is not a view (using .clone() for example) or make your Function only return one Tensor (potentially splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other operations).",
        ));
    }
    if is_input {
        inplace::check_tape(t, true)?;
    }
    inplace::rebase(t, Some(edge));
    Ok(())
}

/// Keeps what `save_for_backward` was given; `None` is kept as an empty place by the context.
fn save(
    node: &NodeRef,
    to_save: &Bound<'_, PyTuple>,
    given: &[Option<Tensor>],
    returned: &[Option<Tensor>],
    dirty: &[Option<Tensor>],
) -> PyResult<()> {
    let mut kept = SavedState::default();
    for (i, item) in to_save.iter().enumerate() {
        if item.is_none() {
            continue;
        }
        let Ok(object) = item.cast::<PyTensor>() else {
            return Err(PyTypeError::new_err(format!(
                "save_for_backward can only save variables, but argument {i} is of type {}",
                item.get_type().name()?
            )));
        };
        let t = handle(object);
        // Counted among the inputs, tensors alone: as the edges are.
        let input = given.iter().flatten().position(|g| g.is(&t));
        let output = position(returned, &t);
        match (input, output) {
            (Some(i), _) if position(dirty, &t).is_none() => kept.keep(&t, Origin::Input(i as u32)),
            (_, Some(o)) => kept.keep(&t, Origin::Output(o as u32)),
            (Some(i), _) => kept.keep(&t, Origin::Input(i as u32)),
            (None, None) => match t.gradient_edge() {
                Some(edge) => kept.keep_made(&t, edge),
                None => kept.keep(&t, Origin::Other),
            },
        }
    }
    node.saved_state().tensors.extend(kept.tensors);
    Ok(())
}

/// What the node of a context has saved, in order; None where None was given.
#[pyfunction]
fn _saved_tensors<'py>(
    context: &Bound<'py, PyNode>,
    to_save: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = context.py();
    let node = context.get().node()?;
    let mut next = 0;
    let mut tensors = Vec::new();
    for is_tensor in to_save.iter() {
        if !is_tensor.is_truthy()? {
            tensors.push(py.None().into_bound(py));
            continue;
        }
        tensors.push(wrap(py, node.saved(next)?)?);
        next += 1;
    }
    PyTuple::new(py, tensors)
}

/// Copies of tensors behind which stands a node that cannot be differentiated: it raises `message`.
#[pyfunction]
fn _delayed_error<'py>(
    py: Python<'py>,
    message: &str,
    tensors: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyTuple>> {
    let message: Arc<str> = message.into();
    let mut out = Vec::new();
    for item in tensors.iter() {
        let Some(t) = tensor_of(&item).filter(|t| t.dtype().is_differentiable()) else {
            out.push(item);
            continue;
        };
        let message = message.clone();
        let body = move |_: &Backprop| -> Result<Grads> { bail!(Autograd, "{message}") };
        let node = Node::plain("Error", SmallVec::new(), 1, body);
        out.push(wrap(py, t.detach().with_producer(Edge { node, output: 0 }))?);
    }
    PyTuple::new(py, out)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_finish_function, m)?)?;
    m.add_function(wrap_pyfunction!(_saved_tensors, m)?)?;
    m.add_function(wrap_pyfunction!(_delayed_error, m)?)
}
