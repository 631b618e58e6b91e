//! Engine errors as the Python exceptions that PyTorch raises.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::{PyIndexError, PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::error::Error;

pyo3::create_exception!(
    rustnn._C,
    _LinAlgError,
    PyRuntimeError,
    "A matrix that is singular, not positive-definite, or whose decomposition does not converge."
);

pyo3::create_exception!(
    rustnn._C,
    _OutOfMemoryError,
    PyRuntimeError,
    "A GPU has not as much free memory as was asked for."
);

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("_OutOfMemoryError", m.py().get_type::<_OutOfMemoryError>())?;
    m.add("_LinAlgError", m.py().get_type::<_LinAlgError>())
}

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        let message = error.to_string();
        match error {
            Error::Shape(_) | Error::DType(_) | Error::Device(_) | Error::Autograd(_) => {
                PyRuntimeError::new_err(message)
            }
            Error::OutOfMemory { .. } => {
                PyRuntimeError::new_err(format!("[enforce fail at alloc] DefaultCPUAllocator: {message}"))
            }
            Error::LinAlg(_) => _LinAlgError::new_err(message),
            Error::Index(_) => PyIndexError::new_err(message),
            Error::Type(_) => PyTypeError::new_err(message),
            Error::Value(_) => PyValueError::new_err(message),
            Error::GpuOutOfMemory(_) => _OutOfMemoryError::new_err(message),
            Error::Unsupported(_) | Error::NoKernel(_) => PyNotImplementedError::new_err(message),
            Error::Callback { token, .. } => {
                take_raised(token).unwrap_or_else(|| PyRuntimeError::new_err(message))
            }
        }
    }
}

/// Exceptions that user code raised inside the engine, waiting to reach Python again.
static RAISED: Mutex<Option<HashMap<u64, PyErr>>> = Mutex::new(None);
static TOKEN: AtomicU64 = AtomicU64::new(0);

/// Carries a Python exception through the engine.
pub fn through_engine(error: PyErr) -> Error {
    let message = error.to_string();
    let token = TOKEN.fetch_add(1, Ordering::Relaxed);
    let mut raised = RAISED.lock().unwrap_or_else(|e| e.into_inner());
    raised.get_or_insert_default().insert(token, error);
    Error::Callback { message, token }
}

fn take_raised(token: u64) -> Option<PyErr> {
    RAISED.lock().unwrap_or_else(|e| e.into_inner()).as_mut()?.remove(&token)
}
