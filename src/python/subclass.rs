//! Subclasses of `Tensor` and `__torch_function__`: a class may say what operations do with its objects,
//! and by default their results are of the same class.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::ops::view;
use crate::python::convert::handle;
use crate::python::dispatch::{self, Overload};
use crate::python::modes;
use crate::python::tensor::PyTensor;

/// Whether any class takes part in `__torch_function__`.
static TAKING_PART: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How deep we are within calls that are to see plain tensors.
    static SWITCHED_OFF: Cell<u32> = const { Cell::new(0) };
}

/// Whether arguments have to be looked at.
pub fn active() -> bool {
    TAKING_PART.load(Ordering::Relaxed) && !switched_off()
}

/// Whether operations are to see plain tensors.
pub fn switched_off() -> bool {
    SWITCHED_OFF.get() != 0 || modes::all_off()
}

/// Runs `body` with plain operations, whatever class its tensors have.
struct Off;

impl Off {
    fn new() -> Off {
        SWITCHED_OFF.set(SWITCHED_OFF.get() + 1);
        Off
    }
}

impl Drop for Off {
    fn drop(&mut self) {
        SWITCHED_OFF.set(SWITCHED_OFF.get() - 1);
    }
}

/// `__torch_function__` of classes that take no part, such as `Parameter`: their results are plain tensors.
#[pyfunction]
#[pyo3(signature = (func, types, args=None, kwargs=None))]
fn _disabled_torch_function_impl<'py>(
    func: &Bound<'py, PyAny>,
    types: &Bound<'py, PyAny>,
    args: Option<&Bound<'py, PyTuple>>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = types;
    let _off = Off::new();
    func.call(args.unwrap_or(&PyTuple::empty(func.py())), kwargs)
}

/// `with DisableTorchFunctionSubclass():` operations see plain tensors.
#[pyclass(module = "rustnn", name = "DisableTorchFunctionSubclass")]
struct Disable(Vec<Off>);

#[pymethods]
impl Disable {
    #[new]
    fn new() -> Disable {
        Disable(Vec::new())
    }

    fn __enter__(&mut self) {
        self.0.push(Off::new());
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&mut self, exception: &Bound<'_, PyTuple>) {
        let _ = exception;
        self.0.pop();
    }
}

/// The `__torch_function__` of an object's class, unless it takes no part.
fn function_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let class = value.get_type();
    if class.is(value.py().get_type::<PyTensor>()) || class.is(value.py().get_type::<PyType>()) {
        return Ok(None);
    }
    let Ok(function) = class.getattr("__torch_function__") else { return Ok(None) };
    Ok((!function.is(disabled(value.py())?)).then_some(function))
}

fn disabled(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static DISABLED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    DISABLED.import(py, "rustnn._C", "_disabled_torch_function_impl")
}

/// Adds the class of an object to those that take part, if it does and is not among them.
pub fn add_overload<'py>(value: &Bound<'py, PyAny>, found: &mut Vec<Overload<'py>>) -> PyResult<()> {
    let class = value.get_type();
    if found.iter().any(|(known, _)| known.is(&class)) {
        return Ok(());
    }
    if let Some(own) = function_of(value)? {
        // Subclasses come before the classes they extend, otherwise the left before the right.
        let at = found.iter().position(|(known, _)| class.is_subclass(known).unwrap_or(false));
        found.insert(at.unwrap_or(found.len()), (class, own));
    }
    Ok(())
}

/// The results of an operation as objects of a class.
fn converted<'py>(result: Bound<'py, PyAny>, class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = result.py();
    if class.is(py.get_type::<PyTensor>()) {
        return Ok(result);
    }
    if let Ok(tensor) = result.cast::<PyTensor>() {
        return if tensor.is_instance(class)? { Ok(result) } else { as_subclass(tensor, class) };
    }
    if let Ok(list) = result.cast::<PyList>() {
        let items: Vec<_> = list.iter().map(|v| converted(v, class)).collect::<PyResult<_>>()?;
        return Ok(PyList::new(py, items)?.into_any());
    }
    if let Ok(tuple) = result.cast::<PyTuple>() {
        let items: Vec<_> = tuple.iter().map(|v| converted(v, class)).collect::<PyResult<_>>()?;
        let items = PyTuple::new(py, items)?;
        return match result.get_type().is(py.get_type::<PyTuple>()) {
            true => Ok(items.into_any()),
            false if result.hasattr("_fields")? || !tuple.iter().any(|v| v.is_instance_of::<PyTensor>()) => {
                Ok(result)
            }
            false => result.get_type().call1((items,)),
        };
    }
    Ok(result)
}

/// A result as an object of the tensor's class, if that takes part.
pub fn like<'py>(slf: &Bound<'py, PyTensor>, result: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if !active() {
        return Ok(result);
    }
    match function_of(slf.as_any())? {
        Some(_) => converted(result, &slf.get_type()),
        None => Ok(result),
    }
}

/// A view of the tensor that is an object of `class`; the graph goes on through it.
fn as_subclass<'py>(
    tensor: &Bound<'py, PyTensor>,
    class: &Bound<'py, PyType>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = tensor.py();
    if !class.is_subclass_of::<PyTensor>()? {
        return Err(PyTypeError::new_err(format!(
            "cls must be a type that extends Tensor, not {}",
            class.name()?
        )));
    }
    let t = handle(tensor);
    let viewed = view::alias(&t);
    let object = py.get_type::<PyTensor>().call_method1("__new__", (class,))?;
    object.cast::<PyTensor>()?.get().replace(viewed);
    Ok(object)
}

#[pymethods]
impl PyTensor {
    /// Notes that a class takes part in `__torch_function__`.
    #[classmethod]
    #[pyo3(signature = (**kwargs))]
    fn __init_subclass__(cls: &Bound<'_, PyType>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        if kwargs.is_some_and(|k| !k.is_empty()) {
            return Err(PyTypeError::new_err(format!(
                "{}.__init_subclass__() takes no keyword arguments",
                cls.name()?
            )));
        }
        let takes_part = !cls.getattr("__torch_function__")?.is(disabled(cls.py())?);
        if takes_part && !TAKING_PART.swap(true, Ordering::Relaxed) {
            dispatch::add_reason();
        }
        Ok(())
    }

    /// What an operation does with objects of a subclass: the plain thing, with results of that class.
    /// Subclasses may define their own.
    #[classmethod]
    #[pyo3(signature = (func, types, args=None, kwargs=None))]
    fn __torch_function__<'py>(
        cls: &Bound<'py, PyType>,
        func: &Bound<'py, PyAny>,
        types: &Bound<'py, PyAny>,
        args: Option<&Bound<'py, PyTuple>>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        for class in types.try_iter()? {
            if !cls.is_subclass(&class?)? {
                return Ok(cls.py().NotImplemented().into_bound(cls.py()));
            }
        }
        let result = _disabled_torch_function_impl(func, types, args, kwargs)?;
        converted(result, cls)
    }

    /// A view of this tensor as an object of a subclass.
    fn as_subclass<'py>(slf: &Bound<'py, Self>, cls: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
        as_subclass(slf, cls)
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Disable>()?;
    m.add_function(wrap_pyfunction!(_disabled_torch_function_impl, m)?)
}
