//! `CUDAGraph`: recorded work of a stream, for `rustnn.cuda.graphs`.

use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cudarc::driver::sys::CUstreamCaptureMode as Mode;
use pyo3::exceptions::{PyRuntimeError, PyUserWarning};
use pyo3::prelude::*;

use crate::cuda::gpu;
use crate::cuda::graph::{Graph, new_pool};
use crate::python::generator::PyGenerator;
use crate::random::Generator;

#[pyclass(module = "rustnn._C", frozen, subclass)]
struct _CudaGraph(Mutex<Graph>);

impl _CudaGraph {
    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl _CudaGraph {
    #[new]
    #[pyo3(signature = (keep_graph=false))]
    fn new(keep_graph: bool) -> PyResult<_CudaGraph> {
        gpu::gpu(gpu::current())?;
        Ok(_CudaGraph(Mutex::new(Graph::new(keep_graph))))
    }

    /// Records the work of this thread's stream from here on; memory comes from a pool of that number.
    fn _begin(&self, pool: Option<u32>, capture_error_mode: &str) -> PyResult<()> {
        let mode = match capture_error_mode {
            "global" => Mode::CU_STREAM_CAPTURE_MODE_GLOBAL,
            "thread_local" => Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL,
            "relaxed" => Mode::CU_STREAM_CAPTURE_MODE_RELAXED,
            other => {
                return Err(PyRuntimeError::new_err(format!(
                    "Unknown capture error mode. Expected `global`, `thread_local`, or `relaxed`, got {other}"
                )));
            }
        };
        Ok(self.graph().begin(pool, mode)?)
    }

    /// Ends the recording, and makes it ready to be replayed.
    fn capture_end(&self, py: Python<'_>) -> PyResult<()> {
        let mut graph = self.graph();
        graph.end()?;
        if graph.nodes() == 0 {
            let text = c"The CUDA Graph is empty. This usually means that the graph was attempted to be captured on wrong device or stream.";
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), text, 1)?;
        }
        graph.forget_graph();
        Ok(())
    }

    /// Ends a recording in which something went wrong: nothing is left of it.
    fn _abandon(&self) {
        self.graph().abandon();
    }

    /// Makes a graph that is kept ready to be replayed, as it is now.
    fn instantiate(&self) -> PyResult<()> {
        Ok(self.graph().instantiate()?)
    }

    /// Does all that was recorded, in this thread's stream.
    fn replay(&self) -> PyResult<()> {
        Ok(self.graph().replay()?)
    }

    /// Forgets what was recorded.
    fn reset(&self) {
        self.graph().reset();
    }

    fn _pool(&self) -> PyResult<u32> {
        Ok(self.graph().pool()?)
    }

    /// Lets the graph draw from another generator than the default one. Before it is captured.
    fn register_generator_state(&self, generator: &PyGenerator) -> PyResult<()> {
        match &generator.0 {
            Generator::Cuda(_, stream) => {
                self.graph().register(stream.clone());
                Ok(())
            }
            Generator::Cpu(_) => {
                Err(PyRuntimeError::new_err("Expected a 'cuda' generator, but got one of the CPU"))
            }
        }
    }

    /// Writes a description in the language of Graphviz.
    fn debug_dump(&self, debug_path: &str) -> PyResult<()> {
        let path =
            CString::new(debug_path).map_err(|_| PyRuntimeError::new_err("a path with a zero byte"))?;
        Ok(self.graph().write_dot(&path)?)
    }

    /// The driver's handles, for other libraries.
    fn raw_cuda_graph(&self) -> PyResult<usize> {
        match self.graph().raw()? {
            (0, _) => Err(PyRuntimeError::new_err(
                "You cannot access the raw cudaGraph_t instance unless CUDAGraph was initialized with keep_graph=true",
            )),
            (graph, _) => Ok(graph),
        }
    }

    fn raw_cuda_graph_exec(&self) -> PyResult<usize> {
        Ok(self.graph().raw()?.1)
    }
}

/// A number for a pool of memory that graphs share.
#[pyfunction]
fn _cuda_new_pool() -> PyResult<u32> {
    gpu::gpu(gpu::current())?;
    Ok(new_pool())
}

/// Whether this thread's work on the current GPU is recorded; False where there is none.
#[pyfunction]
fn _cuda_is_capturing() -> PyResult<bool> {
    Ok(gpu::is_initialized() && gpu::gpu(gpu::current())?.is_capturing())
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<_CudaGraph>()?;
    m.add_function(wrap_pyfunction!(_cuda_new_pool, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_is_capturing, m)?)
}
