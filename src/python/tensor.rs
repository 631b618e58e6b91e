//! The class `Tensor`: the object, its construction, and the attributes that users hang on it. The
//! methods that are not operations stand in the files beside, by what they are about.

mod attributes;
mod conversions;
mod gradients;
mod metadata;
mod values;

use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, ffi};

use crate::python::convert::handle;
use crate::python::{data, device, gc};
use crate::scalar::default_dtype;
use crate::tensor::Tensor;

/// A multi-dimensional array of one dtype, which may carry a gradient.
#[pyclass(name = "Tensor", module = "rustnn", subclass, frozen, weakref)]
pub struct PyTensor {
    /// Exchanged by `x.data = y` and the like; touched only with the GIL held.
    tensor: UnsafeCell<Tensor>,
    /// What a user hung on the tensor. CPython would make a dict for every tensor, which costs as
    /// much as a small operation; this one is made when it is asked for.
    attributes: OnceLock<Py<PyDict>>,
}

// SAFETY: the cell is read and written only by code that holds the GIL.
unsafe impl Sync for PyTensor {}

impl PyTensor {
    pub fn new(tensor: Tensor) -> PyTensor {
        PyTensor { tensor: UnsafeCell::new(tensor), attributes: OnceLock::new() }
    }

    /// The tensor as it is now. Not to be kept across calls into Python: clone it.
    #[inline]
    pub fn tensor(&self) -> &Tensor {
        // SAFETY: only `replace` writes, with the GIL held, and no reference is kept across it.
        unsafe { &*self.tensor.get() }
    }

    /// Makes this object stand for another tensor.
    pub fn replace(&self, tensor: Tensor) {
        let slot = self.tensor().python_slot().swap(std::ptr::null_mut(), Ordering::Relaxed);
        tensor.python_slot().store(slot, Ordering::Relaxed);
        // SAFETY: the GIL is held and nobody keeps a reference; see `tensor`.
        let old = unsafe { std::mem::replace(&mut *self.tensor.get(), tensor) };
        drop(old);
    }
}

impl Drop for PyTensor {
    fn drop(&mut self) {
        self.tensor().python_slot().store(std::ptr::null_mut(), Ordering::Relaxed);
    }
}
#[pymethods]
impl PyTensor {
    /// `Tensor(2, 3)` is uninitialised, `Tensor([1, 2])` holds values, both of the default dtype.
    #[new]
    #[pyo3(signature = (*args, device=None))]
    fn py_new(args: &Bound<'_, PyTuple>, device: Option<&Bound<'_, PyAny>>) -> PyResult<PyTensor> {
        if let Some(device) = device {
            device::check(device)?;
        }
        Ok(PyTensor::new(data::legacy_tensor(args, default_dtype())?))
    }

    /// A tensor of a subclass over the memory of `data`.
    #[staticmethod]
    #[pyo3(signature = (cls, data, require_grad=false))]
    fn _make_subclass<'py>(
        cls: &Bound<'py, PyType>,
        data: &Bound<'py, PyTensor>,
        require_grad: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let tensor = handle(data).detach();
        tensor.set_requires_grad(require_grad)?;
        let object = cls.py().get_type::<PyTensor>().call_method1("__new__", (cls, data))?;
        object.cast::<PyTensor>()?.get().replace(tensor);
        Ok(object)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(attributes) = self.attributes.get() {
            visit.call(attributes)?;
        }
        gc::traverse(self.tensor(), &visit)
    }

    fn __clear__(&self) {
        gc::clear(self.tensor());
        if let Some(attributes) = self.attributes.get() {
            Python::attach(|py| attributes.bind(py).clear());
        }
    }

    // ---- attributes of the user's own ----

    #[getter(__dict__)]
    fn attribute_dict<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyDict> {
        slf.get().attributes.get_or_init(|| PyDict::new(slf.py()).unbind()).bind(slf.py()).clone()
    }

    /// Called where no attribute of the class was found.
    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(attributes) = slf.get().attributes.get()
            && let Some(value) = attributes.bind(slf.py()).get_item(name)?
        {
            return Ok(value);
        }
        Err(PyAttributeError::new_err(format!(
            "'{}' object has no attribute '{name}'",
            slf.get_type().name()?
        )))
    }

    fn __setattr__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        // SAFETY: plain call of CPython with objects that are alive.
        let status = unsafe { ffi::PyObject_GenericSetAttr(slf.as_ptr(), name.as_ptr(), value.as_ptr()) };
        if status == 0 {
            return Ok(());
        }
        let error = PyErr::fetch(slf.py());
        // Only what the class does not know may be the user's own.
        if !error.is_instance_of::<PyAttributeError>(slf.py()) || slf.get_type().hasattr(name)? {
            return Err(error);
        }
        Self::attribute_dict(slf).set_item(name, value)
    }

    fn __delattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<()> {
        // SAFETY: plain call of CPython with objects that are alive; null deletes.
        let status =
            unsafe { ffi::PyObject_GenericSetAttr(slf.as_ptr(), name.as_ptr(), std::ptr::null_mut()) };
        if status == 0 {
            return Ok(());
        }
        let error = PyErr::fetch(slf.py());
        match slf.get().attributes.get() {
            Some(attributes) if attributes.bind(slf.py()).contains(name)? => {
                attributes.bind(slf.py()).del_item(name)
            }
            _ => Err(error),
        }
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyTensor>()?;
    attributes::register(m)?;
    metadata::register(m)
}
