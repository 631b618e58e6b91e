//! Exchange with other array libraries by DLPack: no copies, each side keeps the other's memory alive.
//! <https://dmlc.github.io/dlpack/latest/c_api.html>

use std::ffi::{CStr, c_void};

use pyo3::exceptions::{PyBufferError, PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::device::Device;
use crate::dtype::DType;
use crate::layout::{Layout, Sizes, Strides, contiguous_strides};
use crate::ops::copy;
use crate::python::convert::{handle, wrap};
use crate::python::device;
use crate::python::tensor::PyTensor;
use crate::storage::Storage;
use crate::tensor::Tensor;

// ---- the C structures ----

#[repr(C)]
struct DLDevice {
    kind: i32,
    index: i32,
}

#[repr(C)]
struct DLDataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DLTensor {
    data: *mut c_void,
    device: DLDevice,
    ndim: i32,
    dtype: DLDataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// Before version 1.0 of the protocol.
#[repr(C)]
struct Managed {
    tensor: DLTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

/// Since version 1.0.
#[repr(C)]
struct ManagedVersioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut ManagedVersioned)>,
    flags: u64,
    tensor: DLTensor,
}

const CPU: i32 = 1;
const CUDA: i32 = 2;
const FLAG_READ_ONLY: u64 = 1;
const FLAG_COPIED: u64 = 2;
const VERSION: (u32, u32) = (1, 1);
const PLAIN: &CStr = c"dltensor";
const PLAIN_USED: &CStr = c"used_dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";
const VERSIONED_USED: &CStr = c"used_dltensor_versioned";

/// DLPack's code of a kind of number.
fn type_code(dtype: DType) -> u8 {
    match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => 0,
        DType::U8 => 1,
        DType::F16 | DType::F32 | DType::F64 => 2,
        DType::BF16 => 4,
        DType::C64 | DType::C128 => 5,
        DType::Bool => 6,
    }
}

// ---- out ----

/// What an exported tensor needs as long as the other side uses it.
struct Export {
    _tensor: Tensor,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

impl Export {
    fn new(tensor: Tensor) -> Box<Export> {
        let shape = tensor.sizes().iter().map(|&n| n as i64).collect();
        // The stride of a dimension of one element or none is of no meaning; some consumers want it to be 1.
        let strides =
            tensor.strides().iter().zip(tensor.sizes()).map(|(&s, &n)| if n < 2 { 1 } else { s as i64 });
        let strides = strides.collect();
        Box::new(Export { _tensor: tensor, shape, strides })
    }

    fn dl_tensor(&mut self) -> DLTensor {
        let dtype = self._tensor.dtype();
        DLTensor {
            data: if self._tensor.numel() == 0 { std::ptr::null_mut() } else { self._tensor.ptr().cast() },
            device: DLDevice { kind: CPU, index: 0 },
            ndim: self.shape.len() as i32,
            dtype: DLDataType { code: type_code(dtype), bits: 8 * dtype.size() as u8, lanes: 1 },
            shape: self.shape.as_mut_ptr(),
            strides: self.strides.as_mut_ptr(),
            byte_offset: 0,
        }
    }
}

unsafe extern "C" fn delete(managed: *mut Managed) {
    // SAFETY: made by `export` from boxes, and deleted once, as the protocol asks.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context.cast::<Export>()));
    }
}

unsafe extern "C" fn delete_versioned(managed: *mut ManagedVersioned) {
    // SAFETY: made by `export` from boxes, and deleted once, as the protocol asks.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context.cast::<Export>()));
    }
}

/// Frees what nobody took out of the capsule.
unsafe extern "C" fn drop_capsule(capsule: *mut ffi::PyObject) {
    // SAFETY: CPython calls with the capsule that dies; a capsule that was consumed has another name.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, PLAIN.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(capsule, PLAIN.as_ptr()).cast::<Managed>();
            if let Some(deleter) = (*managed).deleter {
                deleter(managed);
            }
        } else if ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast::<ManagedVersioned>();
            if let Some(deleter) = (*managed).deleter {
                deleter(managed);
            }
        }
    }
}

fn export(py: Python<'_>, tensor: Tensor, versioned: bool, copied: bool) -> PyResult<Bound<'_, PyAny>> {
    let mut export = Export::new(tensor);
    let tensor = export.dl_tensor();
    let context = Box::into_raw(export).cast::<c_void>();
    // SAFETY: the pointers are fresh; the capsule owns them until its consumer renames it.
    unsafe {
        let (pointer, name) = if versioned {
            let managed = ManagedVersioned {
                major: VERSION.0,
                minor: VERSION.1,
                context,
                deleter: Some(delete_versioned),
                flags: if copied { FLAG_COPIED } else { 0 },
                tensor,
            };
            (Box::into_raw(Box::new(managed)).cast::<c_void>(), VERSIONED)
        } else {
            let managed = Managed { tensor, context, deleter: Some(delete) };
            (Box::into_raw(Box::new(managed)).cast::<c_void>(), PLAIN)
        };
        Bound::from_owned_ptr_or_err(py, ffi::PyCapsule_New(pointer, name.as_ptr(), Some(drop_capsule)))
    }
}

#[pymethods]
impl PyTensor {
    /// A capsule for another library. BufferError for a tensor that requires a gradient.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(stream) = stream {
            match stream.extract::<i64>() {
                Err(_) => return Err(PyTypeError::new_err("stream must be ``int`` or ``none``")),
                Ok(-1) => {}
                Ok(_) => {
                    return Err(pyo3::exceptions::PyAssertionError::new_err("stream should be None on cpu."));
                }
            }
        }
        if dl_device.is_some_and(|(kind, _)| kind != CPU) {
            return Err(PyBufferError::new_err("a tensor on the CPU can only be exported to the CPU"));
        }
        let t = handle(slf);
        if t.device() == Device::Meta {
            return Err(PyBufferError::new_err("Cannot pack tensors on meta"));
        }
        if t.device().is_cuda() {
            return Err(PyNotImplementedError::new_err(format!(
                "exporting tensors on '{}' is not implemented: call cpu() first",
                t.device()
            )));
        }
        if t.requires_grad() {
            return Err(PyBufferError::new_err(
                "Can't export tensors that require gradient, use tensor.detach()",
            ));
        }
        let copied = copy == Some(true);
        let t = if copied { copy::clone(&t)? } else { t };
        let versioned = max_version.is_some_and(|(major, _)| major >= 1);
        export(slf.py(), t.detach(), versioned, copied)
    }

    /// Where the memory is.
    fn __dlpack_device__(&self) -> PyResult<(i32, i32)> {
        match self.tensor().device() {
            Device::Cpu => Ok((CPU, 0)),
            Device::Cuda(index) => Ok((CUDA, index.into())),
            Device::Meta => Err(PyValueError::new_err("Unknown device type meta for Dlpack")),
        }
    }
}

// ---- in ----

/// The memory of another library, given back when the last tensor over it is gone.
enum Import {
    Plain(*mut Managed),
    Versioned(*mut ManagedVersioned),
}

// SAFETY: the pointer is used once more only, to hand the memory back; deleters may run on any thread.
unsafe impl Send for Import {}
// SAFETY: as above; nothing can be done through a shared reference.
unsafe impl Sync for Import {}

impl Drop for Import {
    fn drop(&mut self) {
        // SAFETY: taken out of a capsule that was marked as used: nobody else deletes it.
        unsafe {
            match *self {
                Import::Plain(managed) => {
                    if let Some(deleter) = (*managed).deleter {
                        deleter(managed);
                    }
                }
                Import::Versioned(managed) => {
                    if let Some(deleter) = (*managed).deleter {
                        deleter(managed);
                    }
                }
            }
        }
    }
}

fn invalid() -> PyErr {
    PyRuntimeError::new_err(
        "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might have already constructed a tensor from it once.",
    )
}

/// Takes what a capsule holds, and marks it as used.
fn take(capsule: &Bound<'_, PyAny>) -> PyResult<(Import, *const DLTensor)> {
    let object = capsule.as_ptr();
    // SAFETY: the name says what the pointer leads to; a renamed capsule is ours to delete.
    unsafe {
        if ffi::PyCapsule_IsValid(object, VERSIONED.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(object, VERSIONED.as_ptr()).cast::<ManagedVersioned>();
            if (*managed).major > VERSION.0 {
                return Err(PyBufferError::new_err(format!(
                    "DLPack version {}.{} is newer than what is understood ({}.x)",
                    (*managed).major,
                    (*managed).minor,
                    VERSION.0
                )));
            }
            ffi::PyCapsule_SetName(object, VERSIONED_USED.as_ptr());
            return Ok((Import::Versioned(managed), &raw const (*managed).tensor));
        }
        if ffi::PyCapsule_IsValid(object, PLAIN.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(object, PLAIN.as_ptr()).cast::<Managed>();
            ffi::PyCapsule_SetName(object, PLAIN_USED.as_ptr());
            return Ok((Import::Plain(managed), &raw const (*managed).tensor));
        }
    }
    Err(invalid())
}

fn import(capsule: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let (keep, tensor) = take(capsule)?;
    let read_only = match keep {
        // SAFETY: the structure lives until `keep` is dropped.
        Import::Versioned(managed) => unsafe { (*managed).flags & FLAG_READ_ONLY != 0 },
        Import::Plain(_) => false,
    };
    if read_only {
        super::numpy::warn_read_only(capsule.py(), "array")?;
    }
    // SAFETY: the structure lives until `keep` is dropped.
    let tensor = unsafe { &*tensor };
    if tensor.device.kind != CPU {
        return Err(PyBufferError::new_err(format!(
            "memory of DLPack device type {} cannot be used: tensors live on the CPU",
            tensor.device.kind
        )));
    }
    let kind = &tensor.dtype;
    let of_code = |d: &DType| type_code(*d) == kind.code && 8 * d.size() == usize::from(kind.bits);
    let Some(dtype) = DType::ALL.into_iter().find(of_code).filter(|_| kind.lanes == 1) else {
        return Err(PyBufferError::new_err(format!(
            "no tensor dtype for DLPack type code {}, {} bits, {} lanes",
            kind.code, kind.bits, kind.lanes
        )));
    };
    let ndim = usize::try_from(tensor.ndim).unwrap_or(0);
    let numbers = |at: *const i64| -> &[i64] {
        // SAFETY: the protocol promises `ndim` numbers there.
        if ndim == 0 || at.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(at, ndim) } }
    };
    let negative = || {
        PyValueError::new_err(
            "tensors with negative sizes or strides are not supported: copy the array first",
        )
    };
    let sizes: Sizes = numbers(tensor.shape)
        .iter()
        .map(|&n| usize::try_from(n).map_err(|_| negative()))
        .collect::<PyResult<_>>()?;
    crate::layout::checked_numel(&sizes)?;
    let strides: Strides = if tensor.strides.is_null() {
        contiguous_strides(&sizes)
    } else {
        numbers(tensor.strides).iter().map(|&s| s as isize).collect()
    };
    if strides.iter().zip(&sizes).any(|(&s, &n)| s < 0 && n > 1) {
        return Err(negative());
    }
    let strides = strides.into_iter().map(|s| s.max(0)).collect();
    let layout = Layout { sizes, strides, offset: 0 };
    let Some((_, end)) = layout.extent() else {
        return Err(PyValueError::new_err("the array's strides reach outside of memory"));
    };
    let Some(bytes) = end.checked_mul(dtype.size()) else {
        return Err(PyValueError::new_err("the array is larger than memory"));
    };
    let address = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize);
    // SAFETY: the exporter promises the elements that shape and strides reach, until the deleter is called.
    let storage = unsafe { Storage::foreign(address, bytes, Box::new(keep)) };
    Ok(Tensor::from_storage(storage, layout, dtype)?)
}

/// A tensor over the memory of an object with `__dlpack__`, or of a capsule, which it consumes.
#[pyfunction]
#[pyo3(signature = (ext_tensor, *, device=None, copy=None))]
fn from_dlpack<'py>(
    py: Python<'py>,
    ext_tensor: &Bound<'py, PyAny>,
    device: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(device) = device {
        device::only_cpu(device)?;
    }
    wrap(py, exchange(ext_tensor, copy)?)
}

/// As [`from_dlpack`], with the exporter deciding what to copy.
pub fn import_from(object: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    exchange(object, None)
}

fn exchange(ext_tensor: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<Tensor> {
    let py = ext_tensor.py();
    if !ext_tensor.hasattr("__dlpack__")? {
        return import(ext_tensor);
    }
    if ext_tensor.hasattr("__dlpack_device__")? {
        let (kind, _): (i32, i32) = ext_tensor.call_method0("__dlpack_device__")?.extract()?;
        if kind != CPU {
            return Err(PyBufferError::new_err(format!(
                "memory of DLPack device type {kind} cannot be used: tensors live on the CPU"
            )));
        }
    }
    let keywords = PyDict::new(py);
    keywords.set_item("max_version", PyTuple::new(py, [VERSION.0, VERSION.1])?)?;
    if let Some(copy) = copy {
        keywords.set_item("copy", copy)?;
    }
    let capsule = match ext_tensor.call_method("__dlpack__", (), Some(&keywords)) {
        // An exporter from before version 1.0 knows no keywords.
        Err(e) if e.is_instance_of::<PyTypeError>(py) && copy.is_none() => {
            ext_tensor.call_method0("__dlpack__")?
        }
        other => other?,
    };
    import(&capsule)
}

/// A capsule of a tensor, in the form from before version 1.0.
#[pyfunction]
fn to_dlpack<'py>(tensor: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    PyTensor::__dlpack__(tensor, None, None, None, None)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(from_dlpack, m)?)?;
    m.add_function(wrap_pyfunction!(to_dlpack, m)?)
}
