//! `Generator`: a stream of random numbers of its own.

use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::device::{self, Device};
use crate::dtype::DType;
use crate::python::convert::{self, wrap};
use crate::random::{DEFAULT, DEFAULT_SEED, GPUS, Generator, Mt19937, Philox, Stream, unforeseen_seed};
use crate::tensor::Tensor;

#[pyclass(name = "Generator", module = "rustnn", frozen)]
pub struct PyGenerator(pub Generator);

/// What a pickle says of a generator: its seed, a GPU's offset, the bytes of its state.
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

fn state_tensor(py: Python<'_>, generator: &Generator) -> PyResult<Py<PyAny>> {
    let bytes = match generator {
        Generator::Cpu(stream) => stream.with(|mt| mt.to_bytes()),
        Generator::Cuda(_, stream) => stream.with(|philox| philox.to_bytes()),
    };
    Ok(wrap(py, device::at(Device::Cpu, || Tensor::from_slice(&bytes, &[bytes.len()]))?)?.unbind())
}

/// RuntimeError while a graph is captured that draws from the generator.
fn not_captured(generator: &Generator, call: &str) -> PyResult<()> {
    match generator {
        Generator::Cuda(_, stream) if stream.with(|philox| philox.capture.is_some()) => {
            Err(PyRuntimeError::new_err(format!(
                "Cannot call {call}() of a CUDA generator during CUDA graph capture: the graph draws from it"
            )))
        }
        _ => Ok(()),
    }
}

fn load_state(generator: &Generator, state: &Bound<'_, PyAny>) -> PyResult<()> {
    not_captured(generator, "set_state")?;
    let tensor = convert::tensor_of(state).filter(|t| t.dtype() == DType::U8 && !t.device().is_cuda());
    let Some(tensor) = tensor else {
        return Err(PyTypeError::new_err("RNG state must be a torch.ByteTensor"));
    };
    let bytes = tensor.to_vec::<u8>();
    match generator {
        Generator::Cpu(stream) => {
            let state = Mt19937::from_bytes(&bytes)
                .ok_or_else(|| PyRuntimeError::new_err("Invalid mt19937 state"))?;
            stream.with(|own| *own = state);
        }
        Generator::Cuda(_, stream) => {
            let state = Philox::from_bytes(&bytes)
                .ok_or_else(|| PyRuntimeError::new_err("RNG state is wrong size"))?;
            stream.with(|own| *own = state);
        }
    }
    Ok(())
}

fn reseed(generator: &Generator, seed: u64) -> PyResult<()> {
    match generator {
        Generator::Cpu(stream) => stream.with(|mt| *mt = Mt19937::new(seed)),
        Generator::Cuda(_, stream) => return reseed_gpu(stream, seed),
    }
    Ok(())
}

/// RuntimeError for another seed while a graph is captured that draws from the stream.
fn reseed_gpu(stream: &Stream<Philox>, seed: u64) -> PyResult<()> {
    stream.with(|philox| match philox.capture {
        Some(_) if philox.seed == seed => Ok(()),
        Some(_) => Err(PyRuntimeError::new_err(
            "CUDAGeneratorImpl::set_current_seed can be called during stream capture only if new seed is the same as the original seed.",
        )),
        None => {
            *philox = Philox::new(seed);
            Ok(())
        }
    })
}

/// The stream of a GPU's generator; the CPU's has no offset.
fn with_offset(generator: &Generator) -> PyResult<&Stream<Philox>> {
    match generator {
        Generator::Cpu(_) => Err(PyRuntimeError::new_err("CPU Generator does not use offset")),
        Generator::Cuda(_, stream) => Ok(stream),
    }
}

#[pymethods]
impl PyGenerator {
    #[new]
    #[pyo3(signature = (device=None))]
    fn new(device: Option<&Bound<'_, PyAny>>) -> PyResult<PyGenerator> {
        let device = device.map(super::device::read).transpose()?.flatten().unwrap_or_default();
        Ok(PyGenerator(match device {
            Device::Cpu => Generator::Cpu(Stream::new(Mt19937::new(DEFAULT_SEED))),
            Device::Cuda(index) => Generator::Cuda(index, Stream::new(Philox::new(DEFAULT_SEED))),
            Device::Meta => return Err(PyRuntimeError::new_err("META device type not an accelerator.")),
        }))
    }

    fn manual_seed<'py>(slf: Bound<'py, Self>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        reseed(&slf.get().0, seed_of(seed)?)?;
        Ok(slf)
    }

    fn initial_seed(&self) -> u64 {
        match &self.0 {
            Generator::Cpu(stream) => stream.with(|mt| mt.seed()),
            Generator::Cuda(_, stream) => stream.with(|philox| philox.seed),
        }
    }

    fn seed(&self) -> PyResult<u64> {
        let seed = unforeseen_seed();
        reseed(&self.0, seed)?;
        Ok(seed)
    }

    fn get_state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        not_captured(&self.0, "get_state")?;
        state_tensor(py, &self.0)
    }

    fn set_state<'py>(slf: Bound<'py, Self>, new_state: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        load_state(&slf.get().0, new_state)?;
        Ok(slf)
    }

    /// A generator of its own in the same state.
    fn clone_state(&self) -> PyGenerator {
        PyGenerator(match &self.0 {
            Generator::Cpu(stream) => Generator::Cpu(Stream::new(stream.with(|mt| mt.clone()))),
            Generator::Cuda(index, stream) => {
                let state = stream.with(|philox| Philox { capture: None, ..*philox });
                Generator::Cuda(*index, Stream::new(state))
            }
        })
    }

    /// A generator over the same state, which graphs may draw from.
    fn graphsafe_get_state(&self) -> PyResult<PyGenerator> {
        match &self.0 {
            Generator::Cuda(..) => Ok(PyGenerator(self.0.clone())),
            Generator::Cpu(_) => {
                Err(PyNotImplementedError::new_err("graphsafe_get_state is not supported in this Generator"))
            }
        }
    }

    fn graphsafe_set_state(&self, state: &Bound<'_, PyGenerator>) -> PyResult<PyGenerator> {
        let _ = state;
        Err(PyNotImplementedError::new_err("graphsafe_set_state is not supported in this Generator"))
    }

    fn get_offset(&self) -> PyResult<u64> {
        Ok(with_offset(&self.0)?.with(|philox| philox.offset))
    }

    fn set_offset(&self, offset: u64) -> PyResult<()> {
        let stream = with_offset(&self.0)?;
        not_captured(&self.0, "set_offset")?;
        if !offset.is_multiple_of(4) {
            return Err(PyRuntimeError::new_err("offset must be a multiple of 4"));
        }
        stream.with(|philox| philox.offset = offset);
        Ok(())
    }

    /// As PyTorch pickles it: the class, its device, and (seed, offset, state).
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, State)> {
        let this = slf.get();
        let device = (this.device(slf.py())?,).into_pyobject(slf.py())?.into_any();
        let state = (this.initial_seed(), this.get_offset().ok(), this.get_state(slf.py())?);
        Ok((slf.get_type().into_any(), device, state))
    }

    fn __setstate__(&self, py: Python<'_>, state: State) -> PyResult<()> {
        load_state(&self.0, state.2.bind(py)) // with the seed
    }

    #[getter]
    fn device(&self, py: Python<'_>) -> PyResult<Py<super::device::PyDevice>> {
        super::device::object(py, self.0.device())
    }
}

/// The CPU's default generator.
fn default_generator() -> Generator {
    Generator::Cpu(DEFAULT.clone())
}

/// Seeds the default generators of the CPU and of all GPUs, and returns the CPU's.
#[pyfunction]
fn manual_seed<'py>(py: Python<'py>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let seed = seed_of(seed)?;
    reseed(&default_generator(), seed)?;
    seed_gpus(seed)?;
    py.import("rustnn._C")?.getattr("default_generator")
}

fn seed_gpus(seed: u64) -> PyResult<()> {
    GPUS.iter().try_for_each(|stream| reseed_gpu(stream, seed))
}

#[pyfunction]
fn initial_seed() -> u64 {
    DEFAULT.with(|mt| mt.seed())
}

#[pyfunction]
fn seed() -> PyResult<u64> {
    let seed = unforeseen_seed();
    reseed(&default_generator(), seed)?;
    seed_gpus(seed)?;
    Ok(seed)
}

#[pyfunction]
fn get_rng_state(py: Python<'_>) -> PyResult<Py<PyAny>> {
    state_tensor(py, &default_generator())
}

#[pyfunction]
fn set_rng_state(new_state: &Bound<'_, PyAny>) -> PyResult<()> {
    load_state(&default_generator(), new_state)
}

/// The default generator of a GPU; it can be seeded before anybody looks whether there is such a GPU.
#[pyfunction]
fn _cuda_generator(index: u8) -> PyResult<PyGenerator> {
    match GPUS.get(index as usize) {
        Some(stream) => Ok(PyGenerator(Generator::Cuda(index, stream.clone()))),
        None => Err(PyRuntimeError::new_err(format!("CUDA error: invalid device ordinal: cuda:{index}"))),
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyGenerator>()?;
    m.add("default_generator", Py::new(m.py(), PyGenerator(default_generator()))?)?;
    m.add_function(wrap_pyfunction!(_cuda_generator, m)?)?;
    m.add_function(wrap_pyfunction!(manual_seed, m)?)?;
    m.add_function(wrap_pyfunction!(initial_seed, m)?)?;
    m.add_function(wrap_pyfunction!(seed, m)?)?;
    m.add_function(wrap_pyfunction!(get_rng_state, m)?)?;
    m.add_function(wrap_pyfunction!(set_rng_state, m)?)
}
