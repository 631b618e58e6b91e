//! `Generator`: a stream of random numbers of its own.

use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::dtype::DType;
use crate::python::convert::{self, wrap};
use crate::random::{DEFAULT_SEED, Generator, Mt19937};
use crate::tensor::Tensor;

#[pyclass(name = "Generator", module = "rustnn", frozen)]
pub struct PyGenerator(pub Generator);

/// What a pickle says of a generator: its seed, no offset, the bytes of its state.
type State = (u64, Option<u64>, Py<PyAny>);

/// A seed as PyTorch takes it: negative ones wrap around.
fn seed_of(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(seed) = value.extract::<u64>() {
        return Ok(seed);
    }
    if let Ok(seed) = value.extract::<i64>() {
        return Ok(seed as u64);
    }
    if value.is_instance_of::<pyo3::types::PyInt>() {
        return Err(PyValueError::new_err("Overflow when unpacking long long"));
    }
    // int() takes it or says why not.
    let number = value.py().get_type::<pyo3::types::PyInt>().call1((value,))?;
    seed_of(&number)
}

/// A seed that nobody can foresee.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.finish() & ((1 << 53) - 1)
}

fn state_tensor(py: Python<'_>, generator: &Generator) -> PyResult<Py<PyAny>> {
    let bytes = generator.with(|mt| mt.to_bytes());
    Ok(wrap(py, Tensor::from_slice(&bytes, &[bytes.len()])?)?.unbind())
}

fn load_state(generator: &Generator, state: &Bound<'_, PyAny>) -> PyResult<()> {
    let tensor = convert::tensor_of(state).filter(|t| t.dtype() == DType::U8);
    let Some(tensor) = tensor else {
        return Err(PyTypeError::new_err("RNG state must be a torch.ByteTensor"));
    };
    match Mt19937::from_bytes(&tensor.to_vec::<u8>()) {
        Some(mt) => {
            generator.with(|own| *own = mt);
            Ok(())
        }
        None => Err(PyRuntimeError::new_err("Invalid mt19937 state")),
    }
}

#[pymethods]
impl PyGenerator {
    #[new]
    #[pyo3(signature = (device=None))]
    fn new(device: Option<&Bound<'_, PyAny>>) -> PyResult<PyGenerator> {
        if let Some(device) = device {
            super::device::only_cpu(device)?;
        }
        Ok(PyGenerator(Generator::new(DEFAULT_SEED)))
    }

    fn manual_seed<'py>(slf: Bound<'py, Self>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        slf.get().0.manual_seed(seed_of(seed)?);
        Ok(slf)
    }

    fn initial_seed(&self) -> u64 {
        self.0.with(|mt| mt.seed())
    }

    fn seed(&self) -> u64 {
        let seed = random_seed();
        self.0.manual_seed(seed);
        seed
    }

    fn get_state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        state_tensor(py, &self.0)
    }

    fn set_state<'py>(slf: Bound<'py, Self>, new_state: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        load_state(&slf.get().0, new_state)?;
        Ok(slf)
    }

    /// A generator of its own in the same state.
    fn clone_state(&self) -> PyGenerator {
        PyGenerator(self.0.with(|mt| Generator::from_state(mt.clone())))
    }

    fn graphsafe_get_state(&self) -> PyResult<PyGenerator> {
        Err(PyNotImplementedError::new_err("graphsafe_get_state is not supported in this Generator"))
    }

    fn graphsafe_set_state(&self, state: &Bound<'_, PyGenerator>) -> PyResult<PyGenerator> {
        let _ = state;
        Err(PyNotImplementedError::new_err("graphsafe_set_state is not supported in this Generator"))
    }

    fn get_offset(&self) -> PyResult<u64> {
        Err(PyRuntimeError::new_err("CPU Generator does not use offset"))
    }

    fn set_offset(&self, offset: u64) -> PyResult<()> {
        let _ = offset;
        Err(PyRuntimeError::new_err("CPU Generator does not use offset"))
    }

    /// As PyTorch pickles it: the class, its device, and (seed, offset, state).
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, State)> {
        let this = slf.get();
        let device = (this.device(slf.py()),).into_pyobject(slf.py())?.into_any();
        let state = (this.initial_seed(), None, this.get_state(slf.py())?);
        Ok((slf.get_type().into_any(), device, state))
    }

    fn __setstate__(&self, py: Python<'_>, state: State) -> PyResult<()> {
        self.0.manual_seed(state.0);
        load_state(&self.0, state.2.bind(py))
    }

    #[getter]
    fn device(&self, py: Python<'_>) -> Py<super::device::PyDevice> {
        super::device::cpu(py)
    }
}

/// Seeds the default generator and returns it.
#[pyfunction]
fn manual_seed<'py>(py: Python<'py>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Generator::default_generator().manual_seed(seed_of(seed)?);
    py.import("rustnn._C")?.getattr("default_generator")
}

#[pyfunction]
fn initial_seed() -> u64 {
    Generator::default_generator().with(|mt| mt.seed())
}

#[pyfunction]
fn seed() -> u64 {
    let seed = random_seed();
    Generator::default_generator().manual_seed(seed);
    seed
}

#[pyfunction]
fn get_rng_state(py: Python<'_>) -> PyResult<Py<PyAny>> {
    state_tensor(py, Generator::default_generator())
}

#[pyfunction]
fn set_rng_state(new_state: &Bound<'_, PyAny>) -> PyResult<()> {
    load_state(Generator::default_generator(), new_state)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyGenerator>()?;
    m.add("default_generator", Py::new(m.py(), PyGenerator(Generator::default_generator().clone()))?)?;
    m.add_function(wrap_pyfunction!(manual_seed, m)?)?;
    m.add_function(wrap_pyfunction!(initial_seed, m)?)?;
    m.add_function(wrap_pyfunction!(seed, m)?)?;
    m.add_function(wrap_pyfunction!(get_rng_state, m)?)?;
    m.add_function(wrap_pyfunction!(set_rng_state, m)?)
}
