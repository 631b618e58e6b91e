//! Functions and methods that are written by hand, and not declared in `ops`, behind entry points that show
//! their calls to modes and subclasses.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyDict, PyString, PyTuple};

use crate::python::entry::{Entry, Positional, definition, entries, fast_arguments, guarded, without_panic};
use crate::python::tensor::PyTensor;
use crate::python::{dispatch, profiler};

/// What stands behind an entry point.
struct Original {
    name: String,
    call: Code,
    /// A method of Tensor, or else a function of the module.
    method: bool,
}

enum Code {
    Fast(Entry),
    NoArguments(ffi::PyCFunction),
    /// A tuple, and a dict or null.
    Tuple(ffi::PyCFunctionWithKeywords),
}

static ORIGINALS: PyOnceLock<Vec<Original>> = PyOnceLock::new();

/// Functions of the module that modes see; the others are no operations.
const FUNCTIONS: &[&str] = &[
    "as_tensor",
    "asarray",
    "can_cast",
    "frombuffer",
    "get_device",
    "is_inference",
    "numel",
    "promote_types",
    "resize_as_",
    "result_type",
    "scalar_tensor",
    "tensor",
];

unsafe extern "C" fn entry<const I: usize>(
    this: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls with the GIL held and valid arguments.
    unsafe { call(I, this, args, count, names) }
}

/// # Safety
/// As CPython calls: with the GIL held and valid arguments.
unsafe fn call(
    index: usize,
    this: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise; the code behind is called as its definition says.
    unsafe {
        let py = Python::assume_attached();
        let original = &ORIGINALS.get(py).expect("made before any entry point")[index];
        let mut span = None;
        if dispatch::active() {
            let mut answered = true;
            let result = guarded(py, || {
                let (positional, keywords) = fast_arguments(py, args, count, names)?;
                let mut all = Positional::new();
                if original.method {
                    all.push(Bound::from_borrowed_ptr(py, this));
                }
                all.extend(positional);
                let function = || match original.method {
                    true => py.get_type::<PyTensor>().getattr(original.name.as_str()),
                    false => py.import("rustnn._C")?.getattr(original.name.as_str()),
                };
                let name = || profiler::name_of_method(&original.name, &all).map(str::to_owned);
                let result = dispatch::dispatch(py, &mut span, name, function, &all, &keywords)?;
                answered = result.is_some();
                Ok(result.map_or(std::ptr::null_mut(), Bound::into_ptr))
            });
            if answered {
                return result;
            }
        }
        // Named so that it lasts until the call is over.
        let _span = span;
        match original.call {
            Code::Fast(call) => without_panic(py, call(this, args, count, names), &original.name),
            Code::Tuple(call) => guarded(py, || {
                // Without arguments there may be no array.
                let given = if count == 0 { &[] } else { std::slice::from_raw_parts(args, count as usize) };
                let positional = PyTuple::new(py, given.iter().map(|&a| Bound::from_borrowed_ptr(py, a)))?;
                let named = keywords_of(py, args.add(count as usize), names)?;
                let named = named.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
                Ok(Bound::from_owned_ptr_or_err(py, call(this, positional.as_ptr(), named))?.into_ptr())
            }),
            Code::NoArguments(call) if count == 0 && names.is_null() => {
                without_panic(py, call(this, std::ptr::null_mut()), &original.name)
            }
            Code::NoArguments(_) => guarded(py, || {
                let of = if original.method { "Tensor." } else { "" };
                let given = if names.is_null() { count } else { count + ffi::PyTuple_Size(names) };
                Err(pyo3::exceptions::PyTypeError::new_err(format!(
                    "{of}{}() takes no arguments ({given} given)",
                    original.name
                )))
            }),
        }
    }
}

/// Keyword arguments as a dict, if there are any.
///
/// # Safety
/// `names` is null or a tuple; `values` are as many.
unsafe fn keywords_of<'py>(
    py: Python<'py>,
    values: *const *mut ffi::PyObject,
    names: *mut ffi::PyObject,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    if names.is_null() {
        return Ok(None);
    }
    let keywords = PyDict::new(py);
    // SAFETY: the caller's promise.
    unsafe {
        for (i, name) in Bound::from_borrowed_ptr(py, names).cast::<PyTuple>()?.iter().enumerate() {
            keywords.set_item(name, Bound::from_borrowed_ptr(py, *values.add(i)))?;
        }
    }
    Ok(Some(keywords))
}

static ENTRIES: [[Entry; 16]; 8] = entries!(entry: 0 1 2 3 4 5 6 7);

/// The code behind a function of CPython's; None for kinds that none of ours is.
fn code_of(function: &Bound<'_, PyCFunction>) -> Option<Code> {
    const FAST: c_int = (ffi::METH_FASTCALL | ffi::METH_KEYWORDS) as c_int;
    const TUPLE: c_int = (ffi::METH_VARARGS | ffi::METH_KEYWORDS) as c_int;
    const NO_ARGUMENTS: c_int = ffi::METH_NOARGS as c_int;
    // SAFETY: it is a function; its flags say what it takes.
    unsafe {
        let code = ffi::PyCFunction_GetFunction(function.as_ptr())?;
        match ffi::PyCFunction_GetFlags(function.as_ptr()) {
            FAST => Some(Code::Fast(std::mem::transmute::<ffi::PyCFunction, Entry>(code))),
            TUPLE => {
                Some(Code::Tuple(std::mem::transmute::<ffi::PyCFunction, ffi::PyCFunctionWithKeywords>(code)))
            }
            NO_ARGUMENTS => Some(Code::NoArguments(code)),
            _ => None,
        }
    }
}

/// Puts entry points before the methods that `Tensor` has so far, and before `FUNCTIONS`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    let class = py.get_type::<PyTensor>();
    // A method tells its code when it is bound to an object.
    let tensor = class.call0()?;
    let mut found: Vec<(Bound<'_, PyAny>, Original)> = Vec::new();
    for name in class.getattr("__dict__")?.call_method0("keys")?.try_iter()? {
        let name: String = name?.extract()?;
        if class.getattr("__dict__")?.get_item(&name)?.get_type().name()? == "method_descriptor"
            && let Ok(bound) = tensor.getattr(name.as_str())?.cast_into::<PyCFunction>()
            && let Some(call) = code_of(&bound)
        {
            found.push((class.getattr(name.as_str())?, Original { name, call, method: true }));
        }
    }
    for &name in FUNCTIONS {
        if let Ok(function) = m.getattr(name)?.cast_into::<PyCFunction>()
            && let Some(call) = code_of(&function)
        {
            found.push((function.into_any(), Original { name: name.to_owned(), call, method: false }));
        }
    }
    let (objects, originals): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let originals = ORIGINALS.get_or_init(py, || originals);
    for ((object, original), entry) in objects.iter().zip(originals).zip(ENTRIES.as_flattened()) {
        let text = |name: &str| object.getattr(name)?.extract::<Option<String>>();
        let mut doc = text("__doc__")?.unwrap_or_default();
        if let Some(signature) = text("__text_signature__")? {
            doc = format!("{}{signature}\n--\n\n{doc}", original.name);
        }
        let def = definition(&original.name, &doc, *entry)?;
        let name = original.name.as_str();
        // SAFETY: the definition is never freed; results are new references or errors.
        unsafe {
            if original.method {
                let method =
                    Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), def))?;
                class.setattr(name, method)?;
            } else {
                let module = PyString::new(py, "rustnn._C");
                let function = ffi::PyCFunction_NewEx(def, m.as_ptr(), module.as_ptr());
                m.setattr(name, Bound::from_owned_ptr_or_err(py, function)?)?;
            }
        }
    }
    assert!(objects.len() <= ENTRIES.as_flattened().len(), "as many entry points as functions");
    Ok(())
}
