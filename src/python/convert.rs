//! Values between Python and the engine.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyList, PyTuple, PyType};

use crate::dtype::C128;
use crate::ops::reduce;
use crate::ops::registry::Output;
use crate::python::tensor::PyTensor;
use crate::scalar::Scalar;
use crate::tensor::Tensor;

// ---- tensors ----

/// The tensor behind a Python object, if it is one.
#[inline]
pub fn tensor_of(value: &Bound<'_, PyAny>) -> Option<Tensor> {
    let object = value.cast::<PyTensor>().ok()?;
    Some(handle(object))
}

/// The tensor behind its Python object. Notes the object in the tensor, so that the same tensor
/// coming back from the engine is the same object.
#[inline]
pub fn handle(object: &Bound<'_, PyTensor>) -> Tensor {
    let tensor = object.get().tensor();
    let slot = tensor.python_slot();
    if slot.load(Ordering::Relaxed).is_null() {
        slot.store(object.as_ptr().cast::<c_void>(), Ordering::Relaxed);
    }
    tensor.clone()
}

/// The Python object of a tensor: the one it has, or a new one.
#[inline]
pub fn wrap(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyAny>> {
    let present = tensor.python_slot().load(Ordering::Relaxed).cast::<ffi::PyObject>();
    if !present.is_null() {
        // SAFETY: an object takes its address out of the slot before it dies, and only threads that
        // hold the GIL come here; a count of zero means that it is dying right now.
        unsafe {
            if ffi::Py_REFCNT(present) > 0 {
                return Ok(Bound::from_borrowed_ptr(py, present));
            }
        }
    }
    if let Some(refusal) = crate::autograd::saved::take_refusal() {
        return Err(refusal.into());
    }
    let object = PyTensor::object(py, tensor)?;
    let slot = object.get().tensor().python_slot();
    slot.store(object.as_ptr().cast::<c_void>(), Ordering::Relaxed);
    Ok(object.into_any())
}

pub fn wrap_option(py: Python<'_>, tensor: Option<Tensor>) -> PyResult<Bound<'_, PyAny>> {
    match tensor {
        Some(t) => wrap(py, t),
        None => Ok(py.None().into_bound(py)),
    }
}

// ---- numbers ----

/// A Python or NumPy number, or a 0-d tensor that wants no gradient.
pub fn number_of(value: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if let Some(number) = python_number(value)? {
        return Ok(Some(number));
    }
    if let Some(t) = tensor_of(value) {
        if t.ndim() == 0 && !t.requires_grad() {
            return Ok(Some(reduce::item(&t)?));
        }
        return Ok(None);
    }
    numpy_scalar(value)
}

/// A number of one of Python's own types.
#[inline]
pub fn python_number(value: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if let Ok(x) = value.cast::<PyFloat>() {
        return Ok(Some(Scalar::Float(x.value())));
    }
    if let Ok(b) = value.cast::<PyBool>() {
        return Ok(Some(Scalar::Bool(b.is_true())));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Some(Scalar::Int(int_value(value)?)));
    }
    if let Ok(z) = value.cast::<PyComplex>() {
        return Ok(Some(Scalar::Complex(C128::new(z.real(), z.imag()))));
    }
    Ok(None)
}

/// OverflowError for what does not fit 64 bits.
fn int_value(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    value.extract::<i64>().map_err(|_| pyo3::exceptions::PyOverflowError::new_err("int too big to convert"))
}

/// A scalar of NumPy, told by its module and kind.
fn numpy_scalar(value: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    let Some(kind) = numpy_kind(value) else { return Ok(None) };
    Ok(match kind {
        'b' => Some(Scalar::Bool(value.is_truthy()?)),
        'i' | 'u' => Some(Scalar::Int(int_value(&value.call_method0("__int__")?)?)),
        'f' => Some(Scalar::Float(value.call_method0("__float__")?.extract()?)),
        'c' => {
            let z = value.call_method0("__complex__")?;
            python_number(&z)?
        }
        _ => None,
    })
}

/// `dtype.kind` of a NumPy scalar.
pub fn numpy_kind(value: &Bound<'_, PyAny>) -> Option<char> {
    let class = value.get_type();
    if class.module().ok()?.to_str().ok()? != "numpy" || value.hasattr("__len__").ok()? {
        return None;
    }
    let kind: String = value.getattr("dtype").ok()?.getattr("kind").ok()?.extract().ok()?;
    kind.chars().next()
}

/// An index or size: an int (not a bool), a NumPy integer, or a 0-d integer tensor.
pub fn index_of(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if value.is_instance_of::<PyBool>() {
        return Ok(None);
    }
    if value.is_instance_of::<PyInt>() {
        return int_value(value).map(Some);
    }
    if let Some(t) = tensor_of(value) {
        if t.numel() == 1
            && t.ndim() == 0
            && t.dtype().is_integral()
            && !matches!(t.dtype(), crate::dtype::DType::Bool)
        {
            return Ok(Some(reduce::item(&t)?.to_i64()));
        }
        return Ok(None);
    }
    match numpy_kind(value) {
        Some('i' | 'u') => int_value(&value.call_method0("__int__")?).map(Some),
        _ => Ok(None),
    }
}

pub fn scalar_object(py: Python<'_>, value: Scalar) -> Bound<'_, PyAny> {
    match value {
        Scalar::Bool(b) => PyBool::new(py, b).to_owned().into_any(),
        Scalar::Int(i) => PyInt::new(py, i).into_any(),
        Scalar::Float(x) => PyFloat::new(py, x).into_any(),
        Scalar::Complex(z) => PyComplex::from_doubles(py, z.re, z.im).into_any(),
    }
}

// ---- lists ----

/// Items of a list or tuple.
pub fn items<'py>(value: &Bound<'py, PyAny>) -> Option<Vec<Bound<'py, PyAny>>> {
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return Some(tuple.iter().collect());
    }
    value.cast::<PyList>().ok().map(|list| list.iter().collect())
}

// ---- results ----

/// `torch.Size` of a shape.
pub fn size_object<'py>(py: Python<'py>, sizes: &[usize]) -> PyResult<Bound<'py, PyAny>> {
    static SIZE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static NEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = SIZE.import(py, "rustnn.size", "Size")?;
    // Past the class's own check: these are ints.
    let new = NEW.get_or_try_init(py, || py.get_type::<PyTuple>().getattr("__new__").map(Bound::unbind))?;
    new.bind(py).call1((class, PyTuple::new(py, sizes)?))
}

/// A named tuple of `return_types`.
pub fn named_object<'py>(
    py: Python<'py>,
    name: &str,
    fields: &[&str],
    list: Vec<Tensor>,
) -> PyResult<Bound<'py, PyAny>> {
    let objects: Vec<_> = list.into_iter().map(|t| wrap(py, t)).collect::<PyResult<_>>()?;
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.import(py, "rustnn.return_types", "make")?;
    make.call1((name, PyTuple::new(py, fields)?, PyTuple::new(py, objects)?))
}

/// What an operation returned, as a Python object.
pub fn output_object<'py>(py: Python<'py>, output: Output) -> PyResult<Bound<'py, PyAny>> {
    Ok(match output {
        Output::Tensor(t) => wrap(py, t)?,
        Output::Tensors(list) => {
            let objects: Vec<_> = list.into_iter().map(|t| wrap(py, t)).collect::<PyResult<_>>()?;
            PyTuple::new(py, objects)?.into_any()
        }
        Output::Named(name, fields, list) => named_object(py, name, fields, list)?,
        Output::Bool(b) => PyBool::new(py, b).to_owned().into_any(),
        Output::Int(i) => PyInt::new(py, i).into_any(),
        Output::Ints(list) => PyTuple::new(py, list)?.into_any(),
        Output::DType(d) => super::dtype::object(py, d).into_bound(py).into_any(),
        Output::Scalar(s) => scalar_object(py, s),
        Output::None => py.None().into_bound(py),
    })
}
