//! The switches of mixed precision.

use pyo3::prelude::*;

use crate::autocast::{self, Autocast, Switch};
use crate::python::dtype::{self, PyDType};

/// (enabled, dtype, whether casts of parameters are kept) of this thread, for the CPU or for GPUs.
#[pyfunction]
#[pyo3(signature = (cuda=false))]
fn _autocast_state(py: Python<'_>, cuda: bool) -> (bool, Py<PyDType>, bool) {
    let state = autocast::state();
    let switch = state.switches[usize::from(cuda)];
    (switch.enabled, dtype::object(py, switch.dtype), state.caches)
}

/// Sets what `_autocast_state` returns.
#[pyfunction]
#[pyo3(signature = (enabled, dtype, caches, cuda=false))]
fn _set_autocast_state(enabled: bool, dtype: &Bound<'_, PyDType>, caches: bool, cuda: bool) -> PyResult<()> {
    let mut state = autocast::state();
    state.switches[usize::from(cuda)] = Switch { enabled, dtype: dtype.get().own()? };
    autocast::set_state(Autocast { caches, ..state });
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
