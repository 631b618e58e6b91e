//! Exchange with NumPy by its array interface, without copies and without linking to NumPy.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use smallvec::SmallVec;

use crate::dtype::DType;
use crate::layout::{Layout, Sizes, Strides};
use crate::python::convert::wrap;
use crate::storage::Storage;
use crate::tensor::Tensor;

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

/// A tensor over the memory of anything with an array interface.
pub fn from_array(array: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let interface = array.getattr("__array_interface__")?;
    let kind: String = interface.get_item("typestr")?.extract()?;
    let dtype = DType::ALL.into_iter().find(|&d| {
        type_string(d) == Some(kind.as_str())
            || type_string(d).is_some_and(|s| s.len() == 3 && s.starts_with('|') && kind.ends_with(&s[1..]))
    });
    let Some(dtype) = dtype else {
        let name = array.getattr("dtype").map_or(kind, |d| d.to_string());
        if name.starts_with('>') {
            return Err(PyValueError::new_err(
                "given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.",
            ));
        }
        return Err(PyTypeError::new_err(format!(
            "can't convert np.ndarray of type numpy.{name}. The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint8, and bool."
        )));
    };
    let sizes: Vec<usize> = interface.get_item("shape")?.extract()?;
    let sizes: Sizes = sizes.into_iter().collect();
    let (address, _read_only): (usize, bool) = interface.get_item("data")?.extract()?;
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
fn from_numpy<'py>(py: Python<'py>, array: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let class = array.get_type();
    let is_array =
        class.mro().iter().any(|c| c.getattr("__name__").is_ok_and(|n| n.to_string() == "ndarray"));
    if !is_array {
        return Err(PyTypeError::new_err(format!("expected np.ndarray (got {})", class.name()?)));
    }
    wrap(py, from_array(array)?)
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
    let dtype = dtype.get().0;
    let view = pyo3::buffer::PyBuffer::<u8>::get(buffer).or_else(|_| {
        pyo3::buffer::PyBuffer::<u8>::get(
            &py.import("builtins")?.call_method1("memoryview", (buffer,))?.call_method1("cast", ("B",))?,
        )
    })?;
    let bytes = view.len_bytes();
    if !view.is_c_contiguous() {
        return Err(PyValueError::new_err("the buffer has to be contiguous"));
    }
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
    let start = view.buf_ptr().cast::<u8>().wrapping_add(offset as usize);
    // SAFETY: the buffer is held by `view`, which is kept, and has that many bytes after the offset.
    let storage = unsafe { Storage::foreign(start, n * dtype.size(), Box::new(KeepBuffer { _view: view })) };
    let t =
        Tensor::from_storage(storage, Layout::contiguous(&SmallVec::<[usize; 1]>::from_elem(n, 1)), dtype)?;
    t.set_requires_grad(requires_grad)?;
    wrap(py, t)
}

/// Holds a buffer until the last tensor over it is gone.
struct KeepBuffer {
    _view: pyo3::buffer::PyBuffer<u8>,
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(from_numpy, m)?)?;
    m.add_function(wrap_pyfunction!(frombuffer, m)?)
}
