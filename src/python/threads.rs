//! How many threads operations may use.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::python::convert;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(get_num_threads, m)?)?;
    m.add_function(wrap_pyfunction!(set_num_threads, m)?)
}

#[pyfunction]
fn get_num_threads() -> usize {
    crate::cpu::par::num_threads()
}

/// Sets the number of threads that operations may use.
#[pyfunction]
fn set_num_threads(int: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(n) = convert::index_of(int)? else {
        return Err(PyRuntimeError::new_err(format!(
            "set_num_threads expects an int, but got {}",
            int.get_type().name()?
        )));
    };
    if n <= 0 {
        return Err(PyRuntimeError::new_err("set_num_threads expects a positive integer"));
    }
    crate::cpu::par::set_num_threads(n as usize);
    Ok(())
}
