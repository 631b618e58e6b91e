//! Exchange with NumPy and with buffers, without copies and without linking to NumPy.

use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use smallvec::SmallVec;

use crate::dtype::DType;
use crate::layout::{Layout, Sizes, Strides};
use crate::python::convert::wrap;
use crate::python::storage::PyStorage;
use crate::python::warnings;
use crate::storage::Storage;
use crate::tensor::Tensor;
use crate::warn_once;

/// The part of a tensor that NumPy reads, and that keeps the memory alive.
#[pyclass(frozen)]
struct ArrayView {
    tensor: Tensor,
    kind: &'static str,
}

#[pymethods]
impl ArrayView {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let size = self.tensor.dtype().size() as isize;
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", self.kind)?;
        interface.set_item("shape", PyTuple::new(py, self.tensor.sizes())?)?;
        interface.set_item("strides", PyTuple::new(py, self.tensor.strides().iter().map(|s| s * size))?)?;
        interface.set_item("data", (self.tensor.ptr() as usize, false))?;
        Ok(interface)
    }
}

fn type_string(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::U8 => "|u1",
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::C64 => "<c8",
        DType::C128 => "<c16",
        DType::Bool => "|b1",
        DType::BF16 => return None,
    })
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
    let Some(kind) = type_string(t.dtype()) else {
        return Err(PyTypeError::new_err(format!("Got unsupported ScalarType {}", t.dtype().scalar_name())));
    };
    let view = Bound::new(py, ArrayView { tensor: t.clone(), kind })?;
    py.import("numpy")?.call_method1("asarray", (view,))
}

/// The dtype of a NumPy dtype object, if tensors have it.
pub fn dtype_of(dtype: &Bound<'_, PyAny>) -> Option<DType> {
    let text: String = dtype.getattr("str").ok()?.extract().ok()?;
    DType::ALL.into_iter().find(|&d| type_string(d) == Some(&text))
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
    for class in value.get_type().mro().iter() {
        if class.getattr("__name__")?.str()? == "ndarray" && class.getattr("__module__")?.str()? == "numpy" {
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
    let interface = array.getattr("__array_interface__")?;
    let kind: String = interface.get_item("typestr")?.extract()?;
    let dtype = DType::ALL.into_iter().find(|&d| {
        type_string(d) == Some(kind.as_str())
            || type_string(d).is_some_and(|s| s.len() == 3 && s.starts_with('|') && kind.ends_with(&s[1..]))
    });
    let Some(dtype) = dtype else {
        if kind.starts_with('>') {
            return Err(PyValueError::new_err(
                "given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.",
            ));
        }
        let name = array.getattr("dtype")?.getattr("type")?.getattr("__name__")?;
        return Err(PyTypeError::new_err(format!(
            "can't convert np.ndarray of type numpy.{name}. The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint8, and bool."
        )));
    };
    let sizes: Vec<usize> = interface.get_item("shape")?.extract()?;
    let sizes: Sizes = sizes.into_iter().collect();
    let (address, read_only): (usize, bool) = interface.get_item("data")?.extract()?;
    if read_only && warns {
        warn_read_only(array.py(), "NumPy array")?;
    }
    let strides = interface.get_item("strides")?;
    let size = dtype.size() as isize;
    let strides: Strides = if strides.is_none() {
        crate::layout::contiguous_strides(&sizes)
    } else {
        let bytes: Vec<isize> = strides.extract()?;
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
        bytes.iter().map(|s| s / size).collect()
    };
    let layout = Layout { sizes, strides, offset: 0 };
    let Some((_, end)) = layout.extent() else {
        return Err(PyValueError::new_err("the array's strides reach outside of memory"));
    };
    let keep: Py<PyAny> = array.clone().unbind();
    // SAFETY: the array owns the memory that its interface describes, and is kept alive. Writing to
    // a read-only array is undefined in PyTorch as well; NumPy arrays are writable memory.
    let storage = unsafe { Storage::foreign(address as *mut u8, end * dtype.size(), Box::new(keep)) };
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
