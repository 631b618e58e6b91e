//! `dtype` objects: one each, so that `is` works.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::dtype::{DType, ResultType};
use crate::python::convert::{self, number_of};
use crate::scalar;

#[pyclass(name = "dtype", module = "rustnn", frozen)]
pub struct PyDType(pub DType);

#[pymethods]
impl PyDType {
    fn __repr__(&self) -> String {
        format!("torch.{}", self.0.name())
    }

    fn __reduce__(&self) -> &'static str {
        self.0.name()
    }

    #[getter]
    fn is_floating_point(&self) -> bool {
        self.0.is_floating()
    }

    #[getter]
    fn is_complex(&self) -> bool {
        self.0.is_complex()
    }

    #[getter]
    fn is_signed(&self) -> bool {
        !matches!(self.0, DType::U8 | DType::Bool)
    }

    /// Bytes an element takes.
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }

    fn to_complex(&self, py: Python<'_>) -> Py<PyDType> {
        object(py, self.0.to_complex())
    }

    fn to_real(&self, py: Python<'_>) -> Py<PyDType> {
        object(py, self.0.to_real())
    }
}

static OBJECTS: PyOnceLock<Vec<Py<PyDType>>> = PyOnceLock::new();

/// The one object for a dtype.
pub fn object(py: Python<'_>, dtype: DType) -> Py<PyDType> {
    borrowed(py, dtype).clone_ref(py)
}

pub fn borrowed(py: Python<'_>, dtype: DType) -> &Py<PyDType> {
    let all = OBJECTS.get_or_init(py, || {
        DType::ALL.iter().map(|&d| Py::new(py, PyDType(d)).expect("a dtype object can be made")).collect()
    });
    &all[dtype as usize]
}

/// `dtype` from an argument: a dtype object, or one of the Python types that PyTorch accepts.
pub fn of(value: &Bound<'_, PyAny>) -> Option<DType> {
    if let Ok(dtype) = value.cast::<PyDType>() {
        return Some(dtype.get().0);
    }
    let builtins = value.py().get_type::<pyo3::types::PyType>();
    if !value.is_instance(&builtins).unwrap_or(false) {
        return None;
    }
    let name = value.getattr("__name__").ok()?;
    match name.cast::<PyString>().ok()?.to_str().ok()? {
        "float" => Some(DType::F64),
        "int" => Some(DType::I64),
        "bool" => Some(DType::Bool),
        "complex" => Some(DType::C128),
        _ => None,
    }
}

#[pyfunction]
fn get_default_dtype(py: Python<'_>) -> Py<PyDType> {
    object(py, scalar::default_dtype())
}

/// Sets the dtype of floating-point tensors that are made without one.
#[pyfunction]
fn set_default_dtype(d: &Bound<'_, PyDType>) -> PyResult<()> {
    let dtype = d.get().0;
    if !dtype.is_floating() {
        return Err(pyo3::exceptions::PyTypeError::new_err(
            "only floating-point types are supported as the default type",
        ));
    }
    scalar::set_default_dtype(dtype);
    Ok(())
}

/// The dtype of a result of both.
#[pyfunction]
fn promote_types(py: Python<'_>, type1: &Bound<'_, PyDType>, type2: &Bound<'_, PyDType>) -> Py<PyDType> {
    object(py, type1.get().0.promote(type2.get().0))
}

/// Whether a result of one dtype may be written into the other.
#[pyfunction]
fn can_cast(from_: &Bound<'_, PyDType>, to: &Bound<'_, PyDType>) -> bool {
    from_.get().0.can_cast(to.get().0)
}

/// The dtype of an operation over two tensors or numbers.
#[pyfunction]
fn result_type(
    py: Python<'_>,
    tensor1: &Bound<'_, PyAny>,
    tensor2: &Bound<'_, PyAny>,
) -> PyResult<Py<PyDType>> {
    let mut result = ResultType::default();
    for value in [tensor1, tensor2] {
        result = if let Some(t) = convert::tensor_of(value) {
            result.tensor(t.dtype(), t.ndim())
        } else if let Some(s) = number_of(value)? {
            result.scalar(s.dtype())
        } else {
            return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                "result_type(): expected a Tensor or a number, not {}",
                value.get_type().name()?
            )));
        };
    }
    Ok(object(py, result.get()))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDType>()?;
    let aliases = [
        ("float", DType::F32),
        ("double", DType::F64),
        ("half", DType::F16),
        ("long", DType::I64),
        ("int", DType::I32),
        ("short", DType::I16),
        ("cfloat", DType::C64),
        ("cdouble", DType::C128),
    ];
    let names = DType::ALL.iter().map(|&d| (d.name(), d));
    for (name, dtype) in names.chain(aliases) {
        m.add(name, object(m.py(), dtype))?;
    }
    m.add_function(wrap_pyfunction!(get_default_dtype, m)?)?;
    m.add_function(wrap_pyfunction!(set_default_dtype, m)?)?;
    m.add_function(wrap_pyfunction!(promote_types, m)?)?;
    m.add_function(wrap_pyfunction!(can_cast, m)?)?;
    m.add_function(wrap_pyfunction!(result_type, m)?)
}
