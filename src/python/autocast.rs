//! The switches of mixed precision.

use pyo3::prelude::*;

use crate::autocast::{self, Autocast};
use crate::python::dtype::{self, PyDType};

/// (enabled, dtype, whether casts of parameters are kept) of this thread.
#[pyfunction]
fn _autocast_state(py: Python<'_>) -> (bool, Py<PyDType>, bool) {
    let state = autocast::state();
    (state.enabled, dtype::object(py, state.dtype), state.caches)
}

/// Sets what `_autocast_state` returns.
#[pyfunction]
fn _set_autocast_state(enabled: bool, dtype: &Bound<'_, PyDType>, caches: bool) -> PyResult<()> {
    autocast::set_state(Autocast { enabled, dtype: dtype.get().own()?, caches });
    Ok(())
}

/// Forgets the casts of parameters that are kept.
#[pyfunction]
fn clear_autocast_cache() {
    autocast::clear_cache();
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_autocast_state, m)?)?;
    m.add_function(wrap_pyfunction!(_set_autocast_state, m)?)?;
    m.add_function(wrap_pyfunction!(clear_autocast_cache, m)?)
}
