//! Modes of `overrides`: contexts that see every call of a public function. Each thread has a stack of them.

use std::cell::{Cell, RefCell};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::python::dispatch::{self, Overload};
use crate::python::subclass;
use crate::python::tensor::PyTensor;

thread_local! {
    static STACK: RefCell<Vec<Py<PyAny>>> = const { RefCell::new(Vec::new()) };
    /// How many modes are on, which is not the stack's length while handlers run.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// How deep we are within calls that nobody is to see.
    static ALL_OFF: Cell<u32> = const { Cell::new(0) };
}

/// Whether a mode of this thread sees calls.
pub fn active() -> bool {
    DEPTH.get() != 0 && !all_off()
}

/// Whether neither modes nor classes see calls.
pub fn all_off() -> bool {
    ALL_OFF.get() != 0
}

fn push(mode: Py<PyAny>) {
    STACK.with_borrow_mut(|stack| stack.push(mode));
    DEPTH.set(DEPTH.get() + 1);
}

fn pop() -> Option<Py<PyAny>> {
    let mode = STACK.with_borrow_mut(Vec::pop)?;
    DEPTH.set(DEPTH.get() - 1);
    Some(mode)
}

pub fn innermost(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    if !active() {
        return None;
    }
    STACK.with_borrow(|stack| stack.last().map(|mode| mode.bind(py).clone()))
}

/// Puts a mode back when its handler is done.
struct Taken(Option<Py<PyAny>>);

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(mode) = self.0.take() {
            push(mode);
        }
    }
}

/// Calls the innermost mode, which is off meanwhile; None for `NotImplemented`.
pub fn call<'py>(
    function: &Bound<'py, PyAny>,
    types: &Bound<'py, PyTuple>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = function.py();
    let taken = Taken(pop());
    let Some(mode) = &taken.0 else { return Ok(None) };
    let result = mode.bind(py).call_method1("__torch_function__", (function, types, args, kwargs))?;
    Ok((!result.is(py.NotImplemented())).then_some(result))
}

/// Puts a mode on the stack of this thread.
#[pyfunction]
fn _push_on_torch_function_stack(mode: Py<PyAny>) {
    push(mode);
    dispatch::add_reason();
}

/// Takes the innermost mode off the stack.
#[pyfunction]
fn _pop_torch_function_stack() -> PyResult<Py<PyAny>> {
    let mode = pop().ok_or_else(|| PyRuntimeError::new_err("trying to pop from empty mode stack"))?;
    dispatch::remove_reason();
    Ok(mode)
}

/// How many modes are on the stack.
#[pyfunction]
fn _len_torch_function_stack() -> usize {
    STACK.with_borrow(Vec::len)
}

/// The mode at a place of the stack; the outermost is at 0.
#[pyfunction]
fn _get_function_stack_at(py: Python<'_>, index: usize) -> PyResult<Py<PyAny>> {
    STACK
        .with_borrow(|stack| stack.get(index).map(|mode| mode.clone_ref(py)))
        .ok_or_else(|| PyRuntimeError::new_err("Tried to get stack at idx that's too big"))
}

/// Whether a mode sees calls.
#[pyfunction]
fn _is_torch_function_mode_enabled() -> bool {
    active()
}

/// Whether neither modes nor classes see calls.
#[pyfunction]
fn _is_torch_function_all_disabled() -> bool {
    all_off()
}

/// Whether a mode, or the class of an argument, wants to answer a call.
#[pyfunction]
fn _has_torch_function(relevant: &Bound<'_, PyTuple>) -> PyResult<bool> {
    Ok(active() || (!subclass::switched_off() && !overloads_of(relevant)?.is_empty()))
}

fn overloads_of<'py>(relevant: &Bound<'py, PyTuple>) -> PyResult<Vec<Overload<'py>>> {
    let mut found = Vec::new();
    for value in relevant {
        subclass::add_overload(&value, &mut found)?;
    }
    Ok(found)
}

/// Has the call of a function that is not ours alone answered by the innermost mode or the classes of the
/// arguments that matter.
#[pyfunction]
fn _handle_torch_function<'py>(
    function: &Bound<'py, PyAny>,
    relevant: &Bound<'py, PyTuple>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let found = overloads_of(relevant)?;
    let mut types: Vec<_> = found.iter().map(|(class, _)| class.clone()).collect();
    if relevant.iter().any(|value| value.get_type().is(py.get_type::<PyTensor>())) {
        types.push(py.get_type::<PyTensor>());
    }
    dispatch::answer_with(function, &PyTuple::new(py, types)?, &found, args, kwargs)
}

/// `with DisableTorchFunction():` neither modes nor classes see what is called.
#[pyclass(module = "rustnn._C", name = "DisableTorchFunction")]
struct Disable;

#[pymethods]
impl Disable {
    #[new]
    fn new() -> Disable {
        Disable
    }

    fn __enter__(&self) {
        ALL_OFF.set(ALL_OFF.get() + 1);
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, exception: &Bound<'_, PyTuple>) {
        let _ = exception;
        ALL_OFF.set(ALL_OFF.get().saturating_sub(1));
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    // Not among the names that `import *` takes.
    m.setattr("DisableTorchFunction", m.py().get_type::<Disable>())?;
    m.add_function(wrap_pyfunction!(_push_on_torch_function_stack, m)?)?;
    m.add_function(wrap_pyfunction!(_pop_torch_function_stack, m)?)?;
    m.add_function(wrap_pyfunction!(_has_torch_function, m)?)?;
    m.add_function(wrap_pyfunction!(_handle_torch_function, m)?)?;
    m.add_function(wrap_pyfunction!(_len_torch_function_stack, m)?)?;
    m.add_function(wrap_pyfunction!(_get_function_stack_at, m)?)?;
    m.add_function(wrap_pyfunction!(_is_torch_function_mode_enabled, m)?)?;
    m.add_function(wrap_pyfunction!(_is_torch_function_all_disabled, m)?)
}
