//! `device`: where a tensor lives.

use std::cell::Cell;

use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::cuda;
use crate::device::{self, Device};
use crate::ops::copy;
use crate::tensor::Tensor;

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

    /// `with device:` makes it the default.
    fn __enter__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let device = slf.get().device()?;
        device::at(device, || ());
        LEFT.with_borrow_mut(|left| left.push(DEFAULT.replace(device)));
        Ok(slf)
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, exception: &Bound<'_, pyo3::types::PyTuple>) {
        let _ = exception;
        if let Some(before) = LEFT.with_borrow_mut(Vec::pop) {
            DEFAULT.set(before);
        }
    }
}

thread_local! {
    /// Where tensors are made that are given no device.
    static DEFAULT: Cell<Device> = const { Cell::new(Device::Cpu) };
    /// The defaults before each `with` that this thread is in.
    static LEFT: std::cell::RefCell<Vec<Device>> = const { std::cell::RefCell::new(Vec::new()) };
}

static CPU: PyOnceLock<Py<PyDevice>> = PyOnceLock::new();

/// The host.
pub fn cpu(py: Python<'_>) -> Py<PyDevice> {
    CPU.get_or_init(py, || {
        Py::new(py, PyDevice { kind: "cpu".to_owned(), index: None }).expect("a device object can be made")
    })
    .clone_ref(py)
}

/// The object of a device.
pub fn object(py: Python<'_>, device: Device) -> PyResult<Py<PyDevice>> {
    match device {
        Device::Cpu => Ok(cpu(py)),
        Device::Cuda(index) => Py::new(py, PyDevice { kind: "cuda".to_owned(), index: Some(index.into()) }),
        Device::Meta => Py::new(py, PyDevice { kind: "meta".to_owned(), index: None }),
    }
}

impl PyDevice {
    /// The device that is meant; RuntimeError if it is not there, NotImplementedError for kinds of devices
    /// that tensors cannot live on.
    pub fn device(&self) -> PyResult<Device> {
        match self.kind.as_str() {
            "cpu" => Ok(Device::Cpu),
            "meta" => {
                // From here on places are looked at.
                device::at(Device::Meta, || ());
                Ok(Device::Meta)
            }
            "cuda" => {
                let index = match self.index {
                    None => cuda::gpu::current(),
                    Some(index) => u8::try_from(index).unwrap_or(u8::MAX),
                };
                // It knows the folders of NVIDIA's libraries.
                if !cuda::gpu::is_initialized() {
                    Python::attach(|py| py.import("rustnn.cuda").map(drop))?;
                }
                Ok(Device::Cuda(cuda::gpu(index)?.index))
            }
            other => Err(PyNotImplementedError::new_err(format!(
                "rustnn does not support the device type '{other}'; tensors can live on 'cpu', 'cuda' and 'meta'"
            ))),
        }
    }
}

/// What a `device=` argument says; `None` if it says nothing.
pub fn read(value: &Bound<'_, PyAny>) -> PyResult<Option<Device>> {
    if value.is_none() {
        return Ok(None);
    }
    PyDevice::new(value, None)?.device().map(Some)
}

/// Where a tensor is made that no argument has a device for.
#[inline]
pub fn default() -> Device {
    if device::others_in_use() { DEFAULT.get() } else { Device::Cpu }
}

/// Refuses a `device=` argument of what only the CPU has as yet.
pub fn only_cpu(value: &Bound<'_, PyAny>) -> PyResult<()> {
    match read(value)? {
        None | Some(Device::Cpu) => Ok(()),
        Some(other) => Err(PyNotImplementedError::new_err(format!("this is not implemented for '{other}'"))),
    }
}

/// A tensor that was made of Python's data, moved to where `device=` says.
pub fn moved(t: Tensor, value: Option<&Bound<'_, PyAny>>) -> PyResult<Tensor> {
    let to = value.map(read).transpose()?.flatten().unwrap_or_else(default);
    Ok(copy::to_device(&t, to)?)
}

/// `set_default_device`.
#[pyfunction]
fn _set_default_device(device: &Bound<'_, PyAny>) -> PyResult<()> {
    let to = read(device)?.unwrap_or_default();
    // What is on a device that is not the CPU counts as in use from here on.
    device::at(to, || DEFAULT.set(to));
    Ok(())
}

#[pyfunction]
fn _get_default_device(py: Python<'_>) -> PyResult<Py<PyDevice>> {
    object(py, default())
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_set_default_device, m)?)?;
    m.add_function(wrap_pyfunction!(_get_default_device, m)?)?;
    m.add_class::<PyDevice>()
}
