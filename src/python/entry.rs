//! Entry points that CPython calls: its fast calls carry no data, so each function has one of its own, from
//! tables of `const` generics.

use std::ffi::{CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use smallvec::SmallVec;

use crate::device;
use crate::error::Error;

/// Runs `body`, turning a panic, which would be a bug of ours, into an exception.
pub fn guarded(py: Python<'_>, body: impl FnOnce() -> PyResult<*mut ffi::PyObject>) -> *mut ffi::PyObject {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let panic = match panic.downcast::<Error>() {
            Ok(error) => {
                device::take_refused();
                return Err((*error).into());
            }
            Err(panic) => panic,
        };
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_default();
        Err(PyErr::new::<pyo3::panic::PanicException, _>(text))
    });
    result.unwrap_or_else(|error| {
        // A method of PyO3's knows only that there was a panic.
        let refused = error.is_instance_of::<pyo3::panic::PanicException>(py).then(device::take_refused);
        let error = match refused.flatten() {
            Some(refusal) => refusal.into(),
            None => error,
        };
        error.restore(py);
        std::ptr::null_mut()
    })
}

/// What a function of PyO3's returned. If that read or gave memory that is on another device, it panicked: the
/// exception becomes one that says so.
///
/// # Safety
/// `result` is a new reference, or null with an exception set.
pub unsafe fn without_panic(py: Python<'_>, result: *mut ffi::PyObject, name: &str) -> *mut ffi::PyObject {
    if result.is_null()
        && let Some(refusal) = device::take_refused()
    {
        let panic = PyErr::fetch(py);
        let error = match refusal {
            _ if !panic.is_instance_of::<pyo3::panic::PanicException>(py) => panic,
            Error::NoKernel(device) => Error::Unsupported(format!(
                "'{name}' is not implemented for tensors on '{device}'; it runs on the CPU"
            ))
            .into(),
            other => other.into(),
        };
        error.restore(py);
    }
    result
}

pub type Positional<'py> = SmallVec<[Bound<'py, PyAny>; 6]>;
pub type Keywords<'py> = SmallVec<[(Bound<'py, PyString>, Bound<'py, PyAny>); 4]>;

/// The arguments of a fast call.
///
/// # Safety
/// As CPython passes them: `count` positional ones, then one for each name in `names`.
pub unsafe fn fast_arguments<'py>(
    py: Python<'py>,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> PyResult<(Positional<'py>, Keywords<'py>)> {
    // SAFETY: the caller's promise.
    unsafe {
        let mut positional = SmallVec::new();
        for i in 0..count as usize {
            positional.push(Bound::from_borrowed_ptr(py, *args.add(i)));
        }
        let mut keywords = Keywords::new();
        if !names.is_null() {
            let names = Bound::from_borrowed_ptr(py, names).cast_into::<PyTuple>()?;
            for (k, name) in names.iter().enumerate() {
                let value = Bound::from_borrowed_ptr(py, *args.add(count as usize + k));
                keywords.push((name.cast_into::<PyString>()?, value));
            }
        }
        if keywords.len() > 63 {
            return Err(PyTypeError::new_err("too many keyword arguments"));
        }
        Ok((positional, keywords))
    }
}

/// `METH_FASTCALL | METH_KEYWORDS`.
pub type Entry = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Blocks of sixteen entry points, by the numbers of the blocks.
macro_rules! entries {
    ($entry:ident: $($high:literal)*) => { [$($crate::python::entry::entries!(@sixteen $entry $high)),*] };
    (@sixteen $entry:ident $high:literal) => { [
        $entry::<{ $high * 16 }>, $entry::<{ $high * 16 + 1 }>, $entry::<{ $high * 16 + 2 }>,
        $entry::<{ $high * 16 + 3 }>, $entry::<{ $high * 16 + 4 }>, $entry::<{ $high * 16 + 5 }>,
        $entry::<{ $high * 16 + 6 }>, $entry::<{ $high * 16 + 7 }>, $entry::<{ $high * 16 + 8 }>,
        $entry::<{ $high * 16 + 9 }>, $entry::<{ $high * 16 + 10 }>, $entry::<{ $high * 16 + 11 }>,
        $entry::<{ $high * 16 + 12 }>, $entry::<{ $high * 16 + 13 }>, $entry::<{ $high * 16 + 14 }>,
        $entry::<{ $high * 16 + 15 }>,
    ] };
}
pub(crate) use entries;

/// A method definition that lives as long as the process, as CPython asks.
pub fn definition(name: &str, doc: &str, entry: Entry) -> PyResult<*mut ffi::PyMethodDef> {
    let name: *const c_char = CString::new(name)?.into_raw();
    let doc: *const c_char = CString::new(doc.trim())?.into_raw();
    Ok(Box::into_raw(Box::new(ffi::PyMethodDef {
        ml_name: name,
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: entry },
        ml_flags: (ffi::METH_FASTCALL | ffi::METH_KEYWORDS) as c_int,
        ml_doc: doc,
    })))
}
