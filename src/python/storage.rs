//! `UntypedStorage`: the bytes under tensors.

use pyo3::exceptions::{PyBufferError, PyIndexError, PyNotImplementedError, PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::device::Device;
use crate::dtype::DType;
use crate::layout::{Layout, Sizes, Strides, sizes_from};
use crate::ops::copy;
use crate::python::convert::{handle, index_of, tensor_of, wrap};
use crate::python::tensor::PyTensor;
use crate::python::{device, dtype};
use crate::storage::Storage;
use crate::tensor::Tensor;

/// Bytes that tensors are views of. `UntypedStorage(n)` is fresh memory, `UntypedStorage([1, 2])` holds bytes.
#[pyclass(name = "UntypedStorage", module = "rustnn", frozen, weakref)]
pub struct PyStorage(pub Storage);

impl PyStorage {
    /// The same bytes on a device: itself if it is there.
    fn on(&self, device: Device) -> PyResult<PyStorage> {
        if self.0.device() == device {
            return Ok(PyStorage(self.0.clone()));
        }
        let bytes = Tensor::from_storage(self.0.clone(), Layout::contiguous(&[self.0.bytes()]), DType::U8)?;
        Ok(PyStorage(copy::to_device(&bytes, device)?.storage().clone()))
    }

    /// The same bytes on the host: itself, or a copy of what a GPU has.
    fn on_host(&self) -> PyResult<PyStorage> {
        self.on(Device::Cpu)
    }

    /// Refuses to write to what is not the host's.
    fn check_writable(&self) -> PyResult<()> {
        match self.0.device() {
            Device::Cpu => Ok(()),
            other => Err(PyNotImplementedError::new_err(format!(
                "writing to a storage is not implemented for storages on '{other}'"
            ))),
        }
    }

    /// Of the host alone.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the storage owns that many bytes; the slice is not kept across calls into Python.
        unsafe { std::slice::from_raw_parts(self.0.ptr(), self.0.bytes()) }
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        debug_assert!(at + bytes.len() <= self.0.bytes());
        // SAFETY: the callers check the range; regions of one storage may overlap.
        unsafe { std::ptr::copy(bytes.as_ptr(), self.0.ptr().add(at), bytes.len()) };
        self.0.bump_version();
    }

    fn place(&self, index: i64) -> PyResult<usize> {
        let n = self.0.bytes() as i64;
        let at = if index < 0 { index + n } else { index };
        if at < 0 || at >= n {
            return Err(PyIndexError::new_err(format!("index {index} out of range for storage of size {n}")));
        }
        Ok(at as usize)
    }
}

#[pymethods]
impl PyStorage {
    #[new]
    #[pyo3(signature = (content=None, *, device=None))]
    fn new(content: Option<&Bound<'_, PyAny>>, device: Option<&Bound<'_, PyAny>>) -> PyResult<PyStorage> {
        if let Some(device) = device
            && let Some(asked) = device::read(device)?
            && asked.is_cuda()
        {
            if let Some(n) = content.map(index_of).transpose()?.flatten() {
                let n = sizes_from(&[n])?[0];
                return Ok(PyStorage(crate::device::at(asked, || Storage::new(n))?));
            }
            return PyStorage::new(content, None)?.on(asked);
        }
        let Some(content) = content else { return Ok(PyStorage(Storage::new(0)?)) };
        if let Some(n) = index_of(content)? {
            let n = sizes_from(&[n])?[0];
            if n > isize::MAX as usize {
                return Err(PyRuntimeError::new_err("invalid storage size"));
            }
            return Ok(PyStorage(Storage::new(n)?));
        }
        let bytes: Vec<u8> = match content.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().to_vec(),
            Err(_) => content.extract()?,
        };
        let storage = PyStorage(Storage::new(bytes.len())?);
        storage.write(0, &bytes);
        Ok(storage)
    }

    fn data_ptr(&self) -> usize {
        match self.0.device() {
            Device::Cpu => self.0.ptr() as usize,
            Device::Cuda(_) | Device::Meta => self.0.device_address() as usize,
        }
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

    fn element_size(&self) -> usize {
        1
    }

    #[getter(device)]
    fn where_it_lives(&self, py: Python<'_>) -> PyResult<Py<device::PyDevice>> {
        device::object(py, self.0.device())
    }

    #[getter]
    fn is_cuda(&self) -> bool {
        matches!(self.0.device(), Device::Cuda(_))
    }

    #[pyo3(signature = (device=None))]
    fn is_pinned(&self, device: Option<&Bound<'_, PyAny>>) -> bool {
        let _ = device;
        self.0.pinned().is_some()
    }

    /// The bytes in page-locked memory: the storage itself if they are there. RuntimeError without a GPU.
    #[pyo3(signature = (device=None))]
    fn pin_memory<'py>(
        slf: Bound<'py, Self>,
        device: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let _ = device;
        let own = &slf.get().0;
        let bytes = Tensor::from_storage(own.clone(), Layout::contiguous(&[own.bytes()]), DType::U8)?;
        let pinned = copy::pin(&bytes)?;
        if pinned.storage().same(own) {
            return Ok(slf);
        }
        Bound::new(slf.py(), PyStorage(pinned.storage().clone()))
    }

    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    fn resizable(&self) -> bool {
        false
    }

    /// The bytes on the host: the storage itself if it is there.
    fn cpu(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if !slf.get().0.device().is_cuda() {
            return Ok(slf);
        }
        Bound::new(slf.py(), slf.get().on_host()?)
    }

    fn __getitem__(&self, index: i64) -> PyResult<u8> {
        Ok(self.on_host()?.bytes()[self.place(index)?])
    }

    fn __setitem__(&self, index: i64, value: u8) -> PyResult<()> {
        self.check_writable()?;
        self.write(self.place(index)?, &[value]);
        Ok(())
    }

    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.on_host()?.bytes())
    }

    /// Overwrites every byte.
    fn fill_(slf: Bound<'_, Self>, value: u8) -> PyResult<Bound<'_, Self>> {
        let storage = slf.get();
        storage.check_writable()?;
        // SAFETY: the storage owns that many bytes.
        unsafe { std::ptr::write_bytes(storage.0.ptr(), value, storage.0.bytes()) };
        storage.0.bump_version();
        Ok(slf)
    }

    /// Overwrites the bytes with those of a storage of the same size.
    #[pyo3(signature = (source, non_blocking=None))]
    fn copy_<'py>(
        slf: Bound<'py, Self>,
        source: &Bound<'py, PyStorage>,
        non_blocking: Option<bool>,
    ) -> PyResult<Bound<'py, Self>> {
        let _ = non_blocking;
        let (own, source) = (slf.get(), source.get());
        if own.0.bytes() != source.0.bytes() {
            return Err(PyRuntimeError::new_err(format!(
                "storages of {} and {} bytes cannot be copied",
                own.0.bytes(),
                source.0.bytes()
            )));
        }
        own.check_writable()?;
        own.write(0, source.on_host()?.bytes());
        Ok(slf)
    }

    fn clone(&self) -> PyResult<PyStorage> {
        if self.0.device().is_cuda() {
            let bytes =
                Tensor::from_storage(self.0.clone(), Layout::contiguous(&[self.0.bytes()]), DType::U8)?;
            return Ok(PyStorage(copy::clone(&bytes)?.storage().clone()));
        }
        let copied = PyStorage(Storage::new(self.0.bytes())?);
        copied.write(0, self.bytes());
        Ok(copied)
    }

    /// A copy of the bytes.
    fn tobytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.on_host()?.bytes()))
    }

    fn __repr__(&self) -> PyResult<String> {
        let mut text: String = self.on_host()?.bytes().iter().map(|b| format!(" {b}\n")).collect();
        let device = self.0.device();
        text += &format!("[torch.storage.UntypedStorage(device={device}) of size {}]", self.0.bytes());
        Ok(text)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = slf.get().tobytes(slf.py())?;
        if slf.get().0.device().is_cuda() {
            let rebuild = slf.py().import("rustnn._C")?.getattr("_storage_on")?;
            let device = slf.get().0.device().to_string();
            return Ok((rebuild, (bytes, device)).into_pyobject(slf.py())?.into_any());
        }
        Ok((slf.get_type(), (bytes,)).into_pyobject(slf.py())?.into_any())
    }

    fn __copy__(&self) -> PyResult<PyStorage> {
        self.clone()
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
        if storage.device().is_cuda() {
            return Err(PyBufferError::new_err(
                "the memory of a GPU cannot be looked at from the host: call cpu()",
            ));
        }
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

/// Bytes as a storage on a device: what the pickle of one is made of.
#[pyfunction]
fn _storage_on(content: &Bound<'_, PyAny>, device: &Bound<'_, PyAny>) -> PyResult<PyStorage> {
    PyStorage::new(Some(content), Some(device))
}

/// All bytes under a tensor, writable.
#[pyfunction]
fn _storage_bytes<'py>(py: Python<'py>, tensor: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    let storage = Bound::new(py, PyStorage(handle(tensor).storage().clone()))?;
    py.import("builtins")?.call_method1("memoryview", (storage,))
}

/// A tensor over a storage. RuntimeError if sizes and strides reach outside of it.
fn over(
    storage: &PyStorage,
    dtype: crate::dtype::DType,
    offset: i64,
    size: &[i64],
    stride: &[i64],
) -> PyResult<Tensor> {
    if size.len() != stride.len() {
        return Err(PyRuntimeError::new_err(format!(
            "mismatch in length of strides and shape: {} and {}",
            stride.len(),
            size.len()
        )));
    }
    if offset < 0 || stride.iter().any(|&s| s < 0) {
        return Err(PyRuntimeError::new_err("storage offset and strides must not be negative"));
    }
    let sizes: Sizes = sizes_from(size)?.into_iter().collect();
    crate::layout::checked_numel(&sizes)?;
    let strides: Strides = stride.iter().map(|&s| s as isize).collect();
    Ok(Tensor::from_storage(storage.0.clone(), Layout { sizes, strides, offset: offset as usize }, dtype)?)
}

/// A tensor over a storage: what a pickle is made of.
#[pyfunction]
fn _tensor_over<'py>(
    storage: &Bound<'py, PyStorage>,
    dtype: &Bound<'py, dtype::PyDType>,
    offset: i64,
    size: Vec<i64>,
    stride: Vec<i64>,
) -> PyResult<Bound<'py, PyAny>> {
    wrap(storage.py(), over(storage.get(), dtype.get().own()?, offset, &size, &stride)?)
}

#[pymethods]
impl PyTensor {
    /// The bytes under the tensor.
    fn untyped_storage(&self) -> PyStorage {
        PyStorage(self.tensor().storage().clone())
    }

    /// The memory under the tensor as numbers of its dtype.
    fn storage<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("rustnn.storage")?.call_method1("typed_storage", (slf,))
    }

    /// Makes the tensor a view of other memory: of a tensor, or of a storage with offset, size and stride.
    #[pyo3(signature = (source=None, storage_offset=0, size=None, stride=None))]
    fn set_<'py>(
        slf: Bound<'py, Self>,
        source: Option<&Bound<'py, PyAny>>,
        storage_offset: i64,
        size: Option<Vec<i64>>,
        stride: Option<Vec<i64>>,
    ) -> PyResult<Bound<'py, Self>> {
        let own = handle(&slf);
        if own.requires_grad() && crate::autograd::grad_enabled() {
            return Err(PyRuntimeError::new_err(
                "a leaf Variable that requires grad is being used in an in-place operation.",
            ));
        }
        let contiguous = |size: &[i64]| -> PyResult<Vec<i64>> {
            Ok(crate::layout::contiguous_strides(&sizes_from(size)?).iter().map(|&s| s as i64).collect())
        };
        let check = |there: Device| match there == own.device() {
            true => Ok(()),
            false => Err(PyRuntimeError::new_err(format!(
                "Attempted to set the storage of a tensor on device \"{}\" to a storage on different device \"{there}\".  This is no longer allowed; the devices must match.",
                own.device()
            ))),
        };
        let storage = match source {
            None => PyStorage(crate::device::at(own.device(), || Storage::new(0))?),
            Some(source) => match tensor_of(source) {
                Some(t) => {
                    check(t.device())?;
                    if t.dtype() != own.dtype() {
                        return Err(PyRuntimeError::new_err(format!(
                            "Could not set tensor of type {} to a tensor of type {}",
                            t.dtype().c_name(),
                            own.dtype().c_name()
                        )));
                    }
                    let Some(size) = size else {
                        slf.get().replace(own.with_data(&t));
                        return Ok(slf);
                    };
                    let stride = stride.map_or_else(|| contiguous(&size), Ok)?;
                    let storage = PyStorage(t.storage().clone());
                    let new = over(&storage, own.dtype(), storage_offset, &size, &stride)?;
                    slf.get().replace(own.with_data(&new));
                    return Ok(slf);
                }
                None => {
                    let untyped = match source.cast::<PyStorage>() {
                        Ok(storage) => storage.clone().into_any(),
                        Err(_) => source.getattr("_untyped_storage").map_err(|_| {
                            PyTypeError::new_err("set_(): argument 'source' must be Tensor or Storage")
                        })?,
                    };
                    PyStorage(untyped.cast::<PyStorage>()?.get().0.clone())
                }
            },
        };
        check(storage.0.device())?;
        let size = size.unwrap_or_else(|| vec![(storage.0.bytes() / own.dtype().size()) as i64]);
        let stride = stride.map_or_else(|| contiguous(&size), Ok)?;
        slf.get().replace(own.with_data(&over(&storage, own.dtype(), storage_offset, &size, &stride)?));
        Ok(slf)
    }

    /// Whether both are views of the same memory with the same sizes and strides.
    fn is_set_to(&self, tensor: &Bound<'_, PyTensor>) -> bool {
        let (a, b) = (self.tensor(), tensor.get().tensor());
        a.storage().same(b.storage()) && a.layout() == b.layout()
    }

    fn is_shared(&self) -> bool {
        self.tensor().storage().is_shared()
    }

    /// Moves the memory to where forked processes see it too. RuntimeError if other tensors are views of it:
    /// they would be left behind.
    fn share_memory_(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let own = handle(&slf);
        if own.device() == Device::Meta {
            return Err(PyRuntimeError::new_err("_share_fd_: only available on CPU"));
        }
        // As in PyTorch, memory of a GPU is left as it is.
        if own.storage().is_shared() || own.device().is_cuda() {
            return Ok(slf);
        }
        let alone = own.storage().holders() == 1 && own.is_leaf() && own.view_of().is_none();
        if !alone {
            return Err(PyRuntimeError::new_err(
                "share_memory_(): the memory is seen by other tensors as well, which would be left behind: share it before views are made",
            ));
        }
        let storage = Storage::shared(own.storage().bytes())?;
        // SAFETY: both have that many bytes, and the fresh one overlaps nothing.
        unsafe {
            std::ptr::copy_nonoverlapping(own.storage().ptr(), storage.ptr(), own.storage().bytes());
        }
        let moved = Tensor::from_storage(storage, own.layout().clone(), own.dtype())?;
        slf.get().replace(own.with_data(&moved));
        Ok(slf)
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyStorage>()?;
    m.add_function(wrap_pyfunction!(_storage_on, m)?)?;
    m.add_function(wrap_pyfunction!(_storage_bytes, m)?)?;
    m.add_function(wrap_pyfunction!(_tensor_over, m)?)
}
