//! `UntypedStorage`: the bytes under tensors, as saving and loading need them.

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::python::convert::handle;
use crate::python::tensor::PyTensor;
use crate::storage::Storage;

#[pyclass(name = "UntypedStorage", module = "rustnn", frozen)]
pub struct PyStorage(pub Storage);

#[pymethods]
impl PyStorage {
    fn data_ptr(&self) -> usize {
        self.0.ptr() as usize
    }

    fn nbytes(&self) -> usize {
        self.0.bytes()
    }

    fn size(&self) -> usize {
        self.0.bytes()
    }

    fn __len__(&self) -> usize {
        self.0.bytes()
    }

    /// A copy of the bytes.
    fn tobytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        // SAFETY: the storage owns that many bytes; an empty one may have no memory at all.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.ptr(), self.0.bytes()) };
        PyBytes::new(py, bytes)
    }

    /// The bytes themselves, through `memoryview`.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("the view is null"));
        }
        let storage = &slf.get().0;
        // SAFETY: CPython gives a view to fill; the object it keeps keeps the storage.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                storage.ptr().cast(),
                storage.bytes() as ffi::Py_ssize_t,
                0,
                flags,
            )
        };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// All bytes under a tensor, writable.
#[pyfunction]
fn _storage_bytes<'py>(py: Python<'py>, tensor: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    let storage = Bound::new(py, PyStorage(handle(tensor).storage().clone()))?;
    py.import("builtins")?.call_method1("memoryview", (storage,))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyStorage>()?;
    m.add_function(wrap_pyfunction!(_storage_bytes, m)?)
}
