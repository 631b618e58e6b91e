//! Warnings of operations, shown to Python.

use std::ffi::CString;

use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;

use crate::warning;

/// Shows one. It may be an error by the user's filters.
pub fn show(py: Python<'_>, text: &str) -> PyResult<()> {
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &CString::new(text.replace('\0', ""))?, 1)
}

/// Shows what operations of this thread noted.
#[inline]
pub fn show_noted(py: Python<'_>) -> PyResult<()> {
    warning::take().iter().try_for_each(|text| show(py, text))
}

/// `set_warn_always`.
#[pyfunction]
fn _set_warn_always(always: bool) {
    warning::set_always(always);
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_set_warn_always, m)?)
}
