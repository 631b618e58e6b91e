//! `device`: where a tensor lives. Only the CPU is there as yet.

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

#[pyclass(name = "device", module = "rustnn", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash, Clone)]
pub struct PyDevice {
    /// `cpu`, `cuda`, ...
    #[pyo3(get, name = "type")]
    kind: String,
    #[pyo3(get)]
    index: Option<i64>,
}

const KINDS: [&str; 20] = [
    "cpu",
    "cuda",
    "ipu",
    "xpu",
    "mkldnn",
    "opengl",
    "opencl",
    "ideep",
    "hip",
    "ve",
    "fpga",
    "maia",
    "xla",
    "lazy",
    "vulkan",
    "mps",
    "meta",
    "hpu",
    "mtia",
    "privateuseone",
];

impl PyDevice {
    fn parse(text: &str) -> PyResult<PyDevice> {
        let (kind, index) = match text.split_once(':') {
            None => (text, None),
            Some((kind, index)) => match index.parse::<i64>() {
                Ok(i) if i >= 0 && !(index.len() > 1 && index.starts_with('0')) => (kind, Some(i)),
                _ => return Err(PyRuntimeError::new_err(format!("Invalid device string: '{text}'"))),
            },
        };
        if !KINDS.contains(&kind) {
            return Err(PyRuntimeError::new_err(format!(
                "Expected one of {} device type at start of device string: {text}",
                KINDS.join(", ")
            )));
        }
        Ok(PyDevice { kind: kind.to_owned(), index })
    }
}

#[pymethods]
impl PyDevice {
    #[new]
    #[pyo3(signature = (r#type, index=None))]
    fn new(r#type: &Bound<'_, PyAny>, index: Option<i64>) -> PyResult<PyDevice> {
        if let Ok(device) = r#type.cast::<PyDevice>() {
            return Ok(device.get().clone());
        }
        if let Ok(text) = r#type.cast::<PyString>() {
            let device = PyDevice::parse(text.to_str()?)?;
            return match (device.index, index) {
                (Some(_), Some(_)) => Err(PyRuntimeError::new_err(format!(
                    "type (string) must not include an index because index was passed explicitly: {}",
                    text.to_str()?
                ))),
                (own, given) => Ok(PyDevice { index: own.or(given), ..device }),
            };
        }
        if let Ok(index) = r#type.extract::<i64>() {
            if index < 0 {
                return Err(PyRuntimeError::new_err("Device index must not be negative"));
            }
            return Ok(PyDevice { kind: "cuda".to_owned(), index: Some(index) });
        }
        Err(PyTypeError::new_err(format!(
            "device(): argument 'type' (position 1) must be str, not {}",
            r#type.get_type().name()?
        )))
    }

    fn __repr__(&self) -> String {
        match self.index {
            None => format!("device(type='{}')", self.kind),
            Some(i) => format!("device(type='{}', index={i})", self.kind),
        }
    }

    fn __str__(&self) -> String {
        match self.index {
            None => self.kind.clone(),
            Some(i) => format!("{}:{i}", self.kind),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
        let class = py.get_type::<PyDevice>();
        match self.index {
            None => (class, (self.kind.clone(),)).into_pyobject(py),
            Some(index) => (class, (self.kind.clone(), index)).into_pyobject(py),
        }
    }

    /// `with device:` makes it the default. As tensors live on the CPU only, any other device raises
    /// what `device=` would raise.
    fn __enter__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        check(slf.as_any())?;
        Ok(slf)
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, exception: &Bound<'_, pyo3::types::PyTuple>) {
        let _ = exception;
    }
}

static CPU: PyOnceLock<Py<PyDevice>> = PyOnceLock::new();

/// The device of every tensor there is.
pub fn cpu(py: Python<'_>) -> Py<PyDevice> {
    CPU.get_or_init(py, || {
        Py::new(py, PyDevice { kind: "cpu".to_owned(), index: None }).expect("a device object can be made")
    })
    .clone_ref(py)
}

/// Checks a `device=` argument: only the CPU can hold tensors.
pub fn check(value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_none() {
        return Ok(());
    }
    let device = PyDevice::new(value, None)?;
    match device.kind.as_str() {
        "cpu" => Ok(()),
        "cuda" => Err(PyRuntimeError::new_err(
            "rustnn has no CUDA device on this machine: tensors can only live on 'cpu' (use torch.cuda.is_available() to check)",
        )),
        other => Err(pyo3::exceptions::PyNotImplementedError::new_err(format!(
            "rustnn does not support the device type '{other}'; tensors can only live on 'cpu'"
        ))),
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDevice>()
}
