//! The class `Tensor`: the object, its construction, and how the collector sees it. The
//! methods that are not operations stand in the files beside, by what they are about.

mod attributes;
mod conversions;
mod gradients;
mod metadata;
mod values;

use std::cell::UnsafeCell;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use pyo3::{PyTraverseError, PyTypeInfo, PyVisit, ffi};

use crate::python::convert::handle;
use crate::python::{data, device, gc};
use crate::scalar::default_dtype;
use crate::tensor::Tensor;

/// A multi-dimensional array of one dtype, which may carry a gradient.
/// Attributes are CPython's own (`dict`): a class with a `__getattr__` would pay for a bound method in
/// every method call.
#[pyclass(name = "Tensor", module = "rustnn", subclass, frozen, weakref, dict)]
pub struct PyTensor {
    /// Exchanged by `x.data = y` and the like; touched only with the GIL held.
    tensor: UnsafeCell<Tensor>,
}

// SAFETY: the cell is read and written only by code that holds the GIL.
unsafe impl Sync for PyTensor {}

impl PyTensor {
    pub fn new(tensor: Tensor) -> PyTensor {
        PyTensor { tensor: UnsafeCell::new(tensor) }
    }

    /// The object of `tensor`, of the class itself.
    ///
    /// `object.__new__`, which PyO3 calls, makes the dict of attributes with the object, which costs as
    /// much as a small operation does; allocated like this, an object has none until it is asked for.
    pub fn object(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyTensor>> {
        /// Where in an object of the class its `PyTensor` stands.
        static OFFSET: PyOnceLock<usize> = PyOnceLock::new();

        let Some(&offset) = OFFSET.get(py) else {
            let object = Bound::new(py, PyTensor::new(tensor))?;
            let start = object.as_ptr().addr();
            OFFSET.get_or_init(py, || std::ptr::from_ref(object.get()).addr() - start);
            return Ok(object);
        };
        let class = PyTensor::type_object_raw(py);
        // SAFETY: the class is alive as long as the interpreter. A fresh object is all zero but for its
        // head, which is how PyO3 begins its slots for the dict and weak references; the value is
        // written where it stands in every object of the class, before anything else can run.
        unsafe {
            let object = ffi::PyType_GenericAlloc(class, 0);
            if object.is_null() {
                return Err(PyErr::fetch(py));
            }
            object.byte_add(offset).cast::<PyTensor>().write(PyTensor::new(tensor));
            Ok(Bound::from_owned_ptr(py, object).cast_into_unchecked())
        }
    }

    /// The tensor as it is now. Not to be kept across calls into Python: clone it.
    #[inline]
    pub fn tensor(&self) -> &Tensor {
        // SAFETY: only `replace` writes, with the GIL held, and no reference is kept across it.
        unsafe { &*self.tensor.get() }
    }

    /// As [`PyTensor::tensor`]; `None` while the object is being made. CPython shows an object to the
    /// collector before it makes its dict of attributes, which may start a collection; PyO3 writes the
    /// value after that.
    fn tensor_if_written(&self) -> Option<&Tensor> {
        // SAFETY: a tensor is one pointer that is never null, and fresh objects are zeroed; for the rest
        // see `tensor`.
        let word = unsafe { self.tensor.get().cast::<*const ()>().read() };
        (!word.is_null()).then(|| self.tensor())
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
            device::only_cpu(device)?;
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
        self.tensor_if_written().map_or(Ok(()), |t| gc::traverse(t, &visit))
    }

    fn __clear__(&self) {
        self.tensor_if_written().into_iter().for_each(gc::clear);
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyTensor>()?;
    // Or CPython's messages would call it by its full name, unlike PyTorch's.
    m.py().get_type::<PyTensor>().setattr("__name__", "Tensor")?;
    attributes::register(m)?;
    metadata::register(m)
}
