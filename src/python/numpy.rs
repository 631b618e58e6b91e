//! Exchange with NumPy and with buffers, without copies and without linking to NumPy.

use std::ffi::{c_char, c_int, c_void};

use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use smallvec::SmallVec;

use crate::dtype::DType;
use crate::layout::{Layout, Sizes, Strides};
use crate::python::convert::wrap;
use crate::python::storage::PyStorage;
use crate::python::warnings;
use crate::storage::Storage;
use crate::tensor::Tensor;
use crate::warn_once;

/// NumPy's `PyArrayInterface`: what `__array_struct__` gives, in a capsule without a name.
#[repr(C)]
struct ArrayInterface {
    two: c_int,
    ndim: c_int,
    kind: c_char,
    item_size: c_int,
    flags: c_int,
    shape: *mut isize,
    strides: *mut isize,
    data: *mut c_void,
    descr: *mut pyo3::ffi::PyObject,
}

const ALIGNED: c_int = 0x100;
const NATIVE_BYTE_ORDER: c_int = 0x200;
const WRITABLE: c_int = 0x400;

/// The part of a tensor that NumPy reads, and that keeps the memory alive.
#[pyclass(frozen)]
struct ArrayView {
    interface: ArrayInterface,
    /// What `interface` points to.
    _parts: (Tensor, Vec<isize>, Vec<isize>),
}

// SAFETY: the pointers lead into `_parts`, which nobody changes.
unsafe impl Send for ArrayView {}
// SAFETY: as above.
unsafe impl Sync for ArrayView {}

#[pymethods]
impl ArrayView {
    #[getter]
    fn __array_struct__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let interface = (&raw const self.interface).cast_mut().cast();
        // SAFETY: NumPy reads the interface while it makes the array, whose base this view then is.
        unsafe {
            Bound::from_owned_ptr_or_err(py, pyo3::ffi::PyCapsule_New(interface, std::ptr::null(), None))
        }
    }
}

/// NumPy's letter for the kind of numbers.
fn kind_of(dtype: DType) -> Option<u8> {
    Some(match dtype {
        DType::U8 => b'u',
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => b'i',
        DType::F16 | DType::F32 | DType::F64 => b'f',
        DType::C64 | DType::C128 => b'c',
        DType::Bool => b'b',
        DType::BF16 => return None,
    })
}

/// The dtype of that kind and size, if tensors have it.
fn dtype_of_kind(kind: u8, size: usize) -> Option<DType> {
    DType::ALL.into_iter().find(|&d| kind_of(d) == Some(kind) && d.size() == size)
}

/// An array over the tensor's memory.
pub fn to_numpy<'py>(py: Python<'py>, t: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    if t.requires_grad() {
        return Err(PyRuntimeError::new_err(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
        ));
    }
    if t.device().is_cuda() {
        return Err(PyTypeError::new_err(format!(
            "can't convert {} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.",
            t.device()
        )));
    }
    let Some(kind) = kind_of(t.dtype()) else {
        return Err(PyTypeError::new_err(format!("Got unsupported ScalarType {}", t.dtype().scalar_name())));
    };
    static AS_ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let size = t.dtype().size() as isize;
    let mut shape: Vec<isize> = t.sizes().iter().map(|&n| n as isize).collect();
    let mut strides: Vec<isize> = t.strides().iter().map(|s| s * size).collect();
    let interface = ArrayInterface {
        two: 2,
        ndim: t.ndim() as c_int,
        kind: kind as c_char,
        item_size: size as c_int,
        flags: ALIGNED | NATIVE_BYTE_ORDER | WRITABLE,
        shape: shape.as_mut_ptr(),
        strides: strides.as_mut_ptr(),
        data: t.ptr().cast(),
        descr: std::ptr::null_mut(),
    };
    let view = Bound::new(py, ArrayView { interface, _parts: (t.clone(), shape, strides) })?;
    AS_ARRAY.import(py, "numpy", "asarray")?.call1((view,))
}

/// The dtype of a NumPy dtype object, if tensors have it.
pub fn dtype_of(dtype: &Bound<'_, PyAny>) -> Option<DType> {
    let text: String = dtype.getattr("str").ok()?.extract().ok()?;
    let [order @ (b'|' | b'<'), kind, size @ ..] = text.as_bytes() else { return None };
    let found = dtype_of_kind(*kind, std::str::from_utf8(size).ok()?.parse().ok()?)?;
    (*order == if found.size() == 1 { b'|' } else { b'<' }).then_some(found)
}

/// Whether an object is an array of NumPy, told by the names in its class's ancestry.
pub fn is_array(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    // What most values are is none: no look at the ancestry.
    if value.is_instance_of::<pyo3::types::PyList>()
        || value.is_instance_of::<PyTuple>()
        || value.is_instance_of::<pyo3::types::PyFloat>()
        || value.is_instance_of::<pyo3::types::PyInt>()
    {
        return Ok(false);
    }
    static ARRAY: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = value.py();
    if ARRAY.get(py).is_some_and(|known| value.get_type().is(known)) {
        return Ok(true);
    }
    for class in value.get_type().mro().iter() {
        if class.getattr("__name__")?.str()? == "ndarray" && class.getattr("__module__")?.str()? == "numpy" {
            let _ = ARRAY.set(py, class.cast_into()?.unbind());
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tensors can be written to; what they share with something read-only had better not be.
pub fn warn_read_only(py: Python<'_>, what: &str) -> PyResult<()> {
    warn_once!(
        "The given {what} is not writable, and PyTorch does not support non-writable tensors. This means writing to this tensor will result in undefined behavior. You may want to copy the {what} to protect its data or make it writable before converting it to a tensor."
    );
    warnings::show_noted(py)
}

/// A tensor over the memory of an array. `warns` if the array is read-only.
pub fn from_array(array: &Bound<'_, PyAny>, warns: bool) -> PyResult<Tensor> {
    let capsule = array.getattr("__array_struct__")?;
    // SAFETY: NumPy's capsule has no name; it is held while its content is read.
    let interface = unsafe { pyo3::ffi::PyCapsule_GetPointer(capsule.as_ptr(), std::ptr::null()) };
    if interface.is_null() {
        return Err(PyErr::fetch(array.py()));
    }
    // SAFETY: the array interface protocol: this is what the pointer leads to, with `ndim` sizes and strides.
    let (interface, sizes, bytes) = unsafe {
        let interface = &*interface.cast::<ArrayInterface>();
        let ndim = interface.ndim as usize;
        let slice = |p: *mut isize| if ndim == 0 { &[][..] } else { std::slice::from_raw_parts(p, ndim) };
        (interface, slice(interface.shape), slice(interface.strides))
    };
    let Some(dtype) = dtype_of_kind(interface.kind as u8, interface.item_size as usize) else {
        let name = array.getattr("dtype")?.getattr("type")?.getattr("__name__")?;
        return Err(PyTypeError::new_err(format!(
            "can't convert np.ndarray of type numpy.{name}. The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint8, and bool."
        )));
    };
    if interface.flags & NATIVE_BYTE_ORDER == 0 {
        return Err(PyValueError::new_err(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.",
        ));
    }
    let sizes: Sizes = sizes.iter().map(|&n| n as usize).collect();
    if interface.flags & WRITABLE == 0 && warns {
        warn_read_only(array.py(), "NumPy array")?;
    }
    let size = dtype.size() as isize;
    if bytes.iter().any(|&s| s < 0) {
        return Err(PyValueError::new_err(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. (You can probably work around this by making a copy of your array  with array.copy().) ",
        ));
    }
    if bytes.iter().zip(&sizes).any(|(s, &n)| n > 1 && s % size != 0) {
        return Err(PyValueError::new_err(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory.",
        ));
    }
    let strides: Strides = bytes.iter().map(|s| s / size).collect();
    let layout = Layout { sizes, strides, offset: 0 };
    let Some((_, end)) = layout.extent() else {
        return Err(PyValueError::new_err("the array's strides reach outside of memory"));
    };
    let keep: Py<PyAny> = array.clone().unbind();
    // SAFETY: the array owns the memory that its interface describes, and is kept alive. Writing to
    // a read-only array is undefined in PyTorch as well; NumPy arrays are writable memory.
    let storage = unsafe { Storage::foreign(interface.data.cast(), end * dtype.size(), Box::new(keep)) };
    Ok(Tensor::from_storage(storage, layout, dtype)?)
}

/// A tensor over the memory of a NumPy array.
#[pyfunction]
fn from_numpy<'py>(py: Python<'py>, ndarray: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if !is_array(ndarray)? {
        let class = ndarray.get_type();
        let module = class.module()?.to_string();
        let prefix = if module == "builtins" { String::new() } else { format!("{module}.") };
        return Err(PyTypeError::new_err(format!("expected np.ndarray (got {prefix}{})", class.name()?)));
    }
    wrap(py, from_array(ndarray, true)?)
}

// ---- buffers ----

/// Holds a buffer until the last tensor over it is gone.
struct KeepBuffer {
    view: pyo3::buffer::PyBuffer<u8>,
}

impl KeepBuffer {
    /// The bytes of an object with the buffer protocol; the outer error says that it has none.
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Option<KeepBuffer>> {
        let py = object.py();
        let Ok(memory) = py.import("builtins")?.call_method1("memoryview", (object,)) else {
            return Ok(None);
        };
        if !memory.getattr("c_contiguous")?.is_truthy()? {
            return Err(PyBufferError::new_err(
                "could not retrieve buffer from object: it is not contiguous",
            ));
        }
        if memory.getattr("readonly")?.is_truthy()? {
            warn_read_only(py, "buffer")?;
        }
        // A view of bytes, whatever the elements are; one without elements cannot be cast.
        let bytes = if memory.getattr("nbytes")?.extract::<usize>()? == 0 {
            py.import("builtins")?.call_method1("memoryview", (pyo3::types::PyBytes::new(py, b""),))?
        } else {
            memory.call_method1("cast", ("B",))?
        };
        Ok(Some(KeepBuffer { view: pyo3::buffer::PyBuffer::get(&bytes)? }))
    }

    /// `n` elements from `offset` on. The bytes must be there.
    fn tensor(self, offset: usize, n: usize, dtype: DType) -> PyResult<Tensor> {
        let start = self.view.buf_ptr().cast::<u8>().wrapping_add(offset);
        // SAFETY: the buffer is held by `self`, which is kept, and the caller counted its bytes.
        let storage = unsafe { Storage::foreign(start, n * dtype.size(), Box::new(self)) };
        Ok(Tensor::from_storage(
            storage,
            Layout::contiguous(&SmallVec::<[usize; 1]>::from_elem(n, 1)),
            dtype,
        )?)
    }
}

/// A 1-d tensor over the memory of an object with the buffer protocol; None without it.
pub fn from_any_buffer(object: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Option<Tensor>> {
    if object.is_instance_of::<pyo3::types::PyList>() || object.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let numpy_scalar = crate::python::convert::numpy_kind(object).is_some();
    let Some(buffer) = (if numpy_scalar { None } else { KeepBuffer::of(object)? }) else { return Ok(None) };
    let bytes = buffer.view.len_bytes();
    if !bytes.is_multiple_of(dtype.size()) {
        return Err(PyValueError::new_err(format!(
            "buffer length ({bytes} bytes) after offset (0 bytes) must be a multiple of element size ({})",
            dtype.size()
        )));
    }
    buffer.tensor(0, bytes / dtype.size(), dtype).map(Some)
}

/// A 1-d tensor over the memory of anything with the buffer protocol.
#[pyfunction]
#[pyo3(signature = (buffer, *, dtype, count=-1, offset=0, requires_grad=false))]
fn frombuffer<'py>(
    py: Python<'py>,
    buffer: &Bound<'py, PyAny>,
    dtype: &Bound<'py, super::dtype::PyDType>,
    count: i64,
    offset: i64,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let dtype = dtype.get().own()?;
    let Some(buffer) = KeepBuffer::of(buffer)? else {
        return Err(PyValueError::new_err("object does not implement Python buffer protocol."));
    };
    let bytes = buffer.view.len_bytes();
    if bytes == 0 || count == 0 {
        return Err(PyValueError::new_err(format!(
            "both buffer length ({bytes}) and count ({count}) must not be 0"
        )));
    }
    if offset < 0 || offset as usize >= bytes {
        return Err(PyValueError::new_err(format!(
            "offset ({offset} bytes) must be non-negative and no greater than buffer length ({bytes} bytes) minus 1"
        )));
    }
    let room = bytes - offset as usize;
    let n = if count < 0 {
        if !room.is_multiple_of(dtype.size()) {
            return Err(PyValueError::new_err(format!(
                "buffer length ({room} bytes) after offset ({offset} bytes) must be a multiple of element size ({})",
                dtype.size()
            )));
        }
        room / dtype.size()
    } else {
        count as usize
    };
    if n.checked_mul(dtype.size()).is_none_or(|b| b > room) {
        return Err(PyValueError::new_err(format!(
            "requested buffer length ({n} * {} bytes) after offset ({offset} bytes) must not be greater than actual buffer length ({bytes} bytes)",
            dtype.size()
        )));
    }
    let t = buffer.tensor(offset as usize, n, dtype)?;
    t.set_requires_grad(requires_grad)?;
    wrap(py, t)
}

/// The storage over a buffer that other processes see too.
#[pyfunction]
fn _shared_storage(buffer: &Bound<'_, PyAny>) -> PyResult<PyStorage> {
    let Some(buffer) = KeepBuffer::of(buffer)? else {
        return Err(PyValueError::new_err("object does not implement Python buffer protocol."));
    };
    let (start, bytes) = (buffer.view.buf_ptr().cast::<u8>(), buffer.view.len_bytes());
    // SAFETY: the buffer is held, with all its bytes, by what is kept.
    Ok(PyStorage(unsafe { Storage::foreign_shared(start, bytes, Box::new(buffer)) }))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_shared_storage, m)?)?;
    m.add_function(wrap_pyfunction!(from_numpy, m)?)?;
    m.add_function(wrap_pyfunction!(frombuffer, m)?)
}
