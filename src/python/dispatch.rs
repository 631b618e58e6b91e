//! Calls of public functions that somebody wants to see before they run: modes, and subclasses with a
//! `__torch_function__` of their own.
//!
//! While there are none, a call pays for it with the look at one number.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::profile::{self, Span};
use crate::python::tensor::PyTensor;
use crate::python::{modes, profiler, subclass};

/// How many there are who may want to see calls: modes of any thread, and classes.
static REASONS: AtomicUsize = AtomicUsize::new(0);

pub fn add_reason() {
    REASONS.fetch_add(1, Ordering::Relaxed);
}

pub fn remove_reason() {
    REASONS.fetch_sub(1, Ordering::Relaxed);
}

/// Whether this call has to be shown.
#[inline]
pub fn active() -> bool {
    REASONS.load(Ordering::Relaxed) != 0 && wanted()
}

#[cold]
fn wanted() -> bool {
    subclass::active() || modes::active() || profile::on()
}

/// A class that takes part, and its `__torch_function__`.
pub type Overload<'py> = (Bound<'py, PyType>, Bound<'py, PyAny>);

/// Lets the innermost mode, then the classes of the arguments, answer a call. If there is nobody, None; then
/// `span` is the event of the call that follows, should a profile be taken and `name` name one.
pub fn dispatch<'py>(
    py: Python<'py>,
    span: &mut Option<Span>,
    name: impl FnOnce() -> Option<String>,
    function: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    args: &[Bound<'py, PyAny>],
    kwargs: &[(Bound<'py, PyString>, Bound<'py, PyAny>)],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let found = if subclass::active() { overloads(args, kwargs)? } else { Vec::new() };
    if found.is_empty() && !modes::active() {
        if profile::on() {
            *span = name().map(|name| profiler::span(py, &name, args, kwargs));
        }
        return Ok(None);
    }
    answer(py, function()?, &found, args, kwargs).map(Some)
}

/// The same for objects that are no tensors, which may know all the same what to do.
pub fn dispatch_to_objects<'py>(
    py: Python<'py>,
    function: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    args: &[Bound<'py, PyAny>],
    kwargs: &[(Bound<'py, PyString>, Bound<'py, PyAny>)],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let found = overloads(args, kwargs)?;
    if found.is_empty() { Ok(None) } else { answer(py, function()?, &found, args, kwargs).map(Some) }
}

/// The classes of arguments, and of what is in lists among them.
fn overloads<'py>(
    args: &[Bound<'py, PyAny>],
    kwargs: &[(Bound<'py, PyString>, Bound<'py, PyAny>)],
) -> PyResult<Vec<Overload<'py>>> {
    let mut found = Vec::new();
    for value in args.iter().chain(kwargs.iter().map(|(_, v)| v)) {
        match crate::python::convert::items(value) {
            Some(list) => list.iter().try_for_each(|v| subclass::add_overload(v, &mut found))?,
            None => subclass::add_overload(value, &mut found)?,
        }
    }
    Ok(found)
}

fn answer<'py>(
    py: Python<'py>,
    function: Bound<'py, PyAny>,
    found: &[Overload<'py>],
    args: &[Bound<'py, PyAny>],
    kwargs: &[(Bound<'py, PyString>, Bound<'py, PyAny>)],
) -> PyResult<Bound<'py, PyAny>> {
    let args = PyTuple::new(py, args)?;
    let keywords = PyDict::new(py);
    for (name, value) in kwargs {
        keywords.set_item(name, value)?;
    }
    let types = PyTuple::new(py, found.iter().map(|(class, _)| class))?;
    answer_with(&function, &types, found, &args, &keywords)
}

/// Asks the innermost mode, then each class, until one does not answer `NotImplemented`.
pub fn answer_with<'py>(
    function: &Bound<'py, PyAny>,
    types: &Bound<'py, PyTuple>,
    found: &[Overload<'py>],
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let mode = modes::innermost(py);
    if mode.is_some()
        && let Some(result) = modes::call(function, types, args, kwargs)?
    {
        return Ok(result);
    }
    for (_, own) in found {
        let result = own.call1((function, types, args, kwargs))?;
        if !result.is(py.NotImplemented()) {
            return Ok(result);
        }
    }
    let name = function.getattr("__name__").map_or_else(|_| function.to_string(), |n| n.to_string());
    Err(PyTypeError::new_err(match mode {
        Some(mode) => {
            let mut text = format!(
                "Multiple dispatch failed for 'torch.{name}'; all __torch_function__ handlers returned \
                 NotImplemented:\n\n  - mode object {}\n",
                mode.repr()?
            );
            for (class, _) in found {
                text += &format!("  - tensor subclass {}\n", class.repr()?);
            }
            text
        }
        None => format!(
            "no implementation found for '{name}' on types that implement __torch_function__: {}",
            types.as_any().repr()?
        ),
    }))
}

/// The function by which an operator or method is known.
fn known_as(name: &str) -> &str {
    match name {
        "__add__" | "__radd__" => "add",
        "__sub__" => "sub",
        "__mul__" | "__rmul__" => "mul",
        "__truediv__" => "div",
        "__rtruediv__" => "__rdiv__",
        "__mod__" => "remainder",
        "__pow__" => "pow",
        "__matmul__" => "matmul",
        "__rand__" => "bitwise_and",
        "__ror__" => "bitwise_or",
        "__rxor__" => "bitwise_xor",
        "__iadd__" => "add_",
        "__isub__" => "sub_",
        "__imul__" => "mul_",
        "__itruediv__" => "div_",
        "__ifloordiv__" => "floor_divide_",
        "__imod__" => "remainder_",
        "__ipow__" => "pow_",
        "__ne__" => "ne",
        "__lt__" => "lt",
        "__le__" => "le",
        "__gt__" => "gt",
        "__ge__" => "ge",
        "__neg__" => "neg",
        "__pos__" => "positive",
        "__abs__" => "abs",
        other => other,
    }
}

/// As [`dispatch`], for a method or an operator of a tensor, which is known by its name.
pub fn dispatch_method<'py>(
    span: &mut Option<Span>,
    slf: &Bound<'py, PyTensor>,
    name: &str,
    others: &[Bound<'py, PyAny>],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = slf.py();
    let mut args = vec![slf.as_any().clone()];
    args.extend_from_slice(others);
    let known = known_as(name);
    let profiled = || profiler::name_of_method(known, &args).map(str::to_owned);
    dispatch(py, span, profiled, || py.get_type::<PyTensor>().getattr(known), &args, &[])
}
