//! `layout` and `memory_format` objects: one each, known by their names.

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// How elements are stored. Tensors are all `strided`; the other names are there to be compared with.
#[pyclass(name = "layout", module = "rustnn", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub struct PyLayout(&'static str);

#[pymethods]
impl PyLayout {
    fn __repr__(&self) -> String {
        format!("torch.{}", self.0)
    }

    fn __reduce__(&self) -> &'static str {
        self.0
    }
}

/// The order of the dimensions in memory.
#[pyclass(name = "memory_format", module = "rustnn", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub struct PyMemoryFormat(&'static str);

#[pymethods]
impl PyMemoryFormat {
    fn __repr__(&self) -> String {
        format!("torch.{}", self.0)
    }

    fn __reduce__(&self) -> &'static str {
        self.0
    }
}

const LAYOUTS: [&str; 8] =
    ["strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged", "_mkldnn"];
const FORMATS: [&str; 4] = ["contiguous_format", "preserve_format", "channels_last", "channels_last_3d"];

/// Checks a `layout=` argument: only dense tensors exist.
pub fn check_layout(value: &Bound<'_, PyAny>) -> PyResult<()> {
    match value.cast::<PyLayout>() {
        _ if value.is_none() => Ok(()),
        Ok(layout) if layout.get().0 == LAYOUTS[0] => Ok(()),
        Ok(layout) => Err(PyNotImplementedError::new_err(format!(
            "rustnn has only dense tensors, none of layout torch.{}",
            layout.get().0
        ))),
        Err(_) => Err(pyo3::exceptions::PyTypeError::new_err(format!(
            "argument 'layout' must be torch.layout, not {}",
            value.get_type().name()?
        ))),
    }
}

/// The name of a memory format, as the engine reads it. None for anything else.
pub fn format_name(value: &Bound<'_, PyAny>) -> Option<String> {
    let format = value.cast::<PyMemoryFormat>().ok()?;
    Some(format!("torch.{}", format.get().0))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyLayout>()?;
    m.add_class::<PyMemoryFormat>()?;
    for name in LAYOUTS {
        m.add(PyString::new(m.py(), name), PyLayout(name))?;
    }
    for name in FORMATS {
        m.add(PyString::new(m.py(), name), PyMemoryFormat(name))?;
    }
    m.add("legacy_contiguous_format", m.getattr("contiguous_format")?)
}

/// `torch.strided`.
pub fn strided(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("rustnn._C")?.getattr(LAYOUTS[0])
}
