//! Attributes of tensors behind descriptors that show their use to modes and subclasses. They take their
//! places when `rustnn.overrides` is imported, so that other programs do not pay for them.

use std::ffi::{CString, c_int, c_void};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::python::dispatch;
use crate::python::entry::guarded;
use crate::python::tensor::PyTensor;

/// What stands behind a descriptor.
struct Original {
    name: String,
    descriptor: Py<PyAny>,
    get: ffi::descrgetfunc,
    set: ffi::descrsetfunc,
}

/// The answer of a mode or a class to `__get__`, `__set__` or `__delete__`.
fn answered<'py>(
    py: Python<'py>,
    original: &Original,
    accessor: &str,
    args: &[Bound<'py, PyAny>],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let function = || py.get_type::<PyTensor>().getattr(original.name.as_str())?.getattr(accessor);
    dispatch::dispatch(py, &mut None, || None, function, args, &[])
}

unsafe extern "C" fn get(this: *mut ffi::PyObject, original: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: CPython calls with the GIL held, a Tensor, and the closure that `_show_attributes` gave.
    unsafe {
        let py = Python::assume_attached();
        let original = &*original.cast::<Original>();
        let plain = || (original.get)(original.descriptor.as_ptr(), this, ffi::Py_TYPE(this).cast());
        if !dispatch::active() {
            return plain();
        }
        guarded(py, || match answered(py, original, "__get__", &[Bound::from_borrowed_ptr(py, this)])? {
            Some(result) => Ok(result.into_ptr()),
            None => Ok(Bound::from_owned_ptr_or_err(py, plain())?.into_ptr()),
        })
    }
}

unsafe extern "C" fn set(
    this: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    original: *mut c_void,
) -> c_int {
    // SAFETY: as in `get`; no value means that the attribute is deleted.
    unsafe {
        let py = Python::assume_attached();
        let original = &*original.cast::<Original>();
        let plain = || (original.set)(original.descriptor.as_ptr(), this, value);
        if !dispatch::active() {
            return plain();
        }
        let mut result = 0;
        let none = guarded(py, || {
            let mut args = vec![Bound::from_borrowed_ptr(py, this)];
            args.extend(Bound::from_borrowed_ptr_or_opt(py, value));
            let accessor = if value.is_null() { "__delete__" } else { "__set__" };
            if answered(py, original, accessor, &args)?.is_none() {
                result = plain();
                if result != 0 {
                    return Err(PyErr::fetch(py));
                }
            }
            Ok(ffi::Py_None())
        });
        if none.is_null() { -1 } else { result }
    }
}

/// Puts the descriptors in their places, once.
#[pyfunction]
fn _show_attributes(py: Python<'_>) -> PyResult<()> {
    static DONE: PyOnceLock<()> = PyOnceLock::new();
    if DONE.set(py, ()).is_err() {
        return Ok(());
    }
    let class = py.get_type::<PyTensor>();
    let table = class.getattr("__dict__")?;
    let mut names: Vec<String> = Vec::new();
    for name in table.call_method0("keys")?.try_iter()? {
        let name: String = name?.extract()?;
        if !name.starts_with("__") && table.get_item(&name)?.get_type().name()? == "getset_descriptor" {
            names.push(name);
        }
    }
    for name in names {
        let descriptor = table.get_item(&name)?;
        let doc: Option<String> = descriptor.getattr("__doc__")?.extract()?;
        // SAFETY: descriptors of this kind have both slots. The definition, its texts and the closure are
        // never freed.
        unsafe {
            let kind = descriptor.get_type().as_type_ptr();
            let get_slot = ffi::PyType_GetSlot(kind, ffi::Py_tp_descr_get);
            let set_slot = ffi::PyType_GetSlot(kind, ffi::Py_tp_descr_set);
            let original = Original {
                name: name.clone(),
                descriptor: descriptor.unbind(),
                get: std::mem::transmute::<*mut c_void, ffi::descrgetfunc>(get_slot),
                set: std::mem::transmute::<*mut c_void, ffi::descrsetfunc>(set_slot),
            };
            let definition = Box::into_raw(Box::new(ffi::PyGetSetDef {
                name: CString::new(name.as_str())?.into_raw(),
                get: Some(get),
                set: Some(set),
                doc: CString::new(doc.unwrap_or_default())?.into_raw(),
                closure: Box::into_raw(Box::new(original)).cast(),
            }));
            let made = ffi::PyDescr_NewGetSet(class.as_type_ptr(), definition);
            class.setattr(name.as_str(), Bound::from_owned_ptr_or_err(py, made)?)?;
        }
    }
    Ok(())
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_show_attributes, m)?)
}
