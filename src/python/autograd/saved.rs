//! Pack and unpack hooks of Python for what nodes save, and anomaly detection, which notes where
//! nodes were made.

use std::any::Any;
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::node;
use crate::autograd::anomaly::{self, Observer};
use crate::autograd::node::{NodeRef, display_name};
use crate::autograd::saved::{self, Pack, Packed};
use crate::error::Result;
use crate::python::convert::{tensor_of, wrap};
use crate::python::error::through_engine;
use crate::python::gc::Owned;
use crate::python::warnings;
use crate::tensor::Tensor;

/// A pair of hooks.
struct Hooks {
    pack: Py<PyAny>,
    unpack: Py<PyAny>,
}

/// What a pack hook returned, with the hook that undoes it.
struct PackedByHook(Owned);

impl Pack for Hooks {
    fn pack(&self, tensor: &Tensor) -> Result<Box<dyn Packed>> {
        Python::attach(|py| -> PyResult<Box<dyn Packed>> {
            let version = tensor.version();
            let packed = self.pack.bind(py).call1((wrap(py, tensor.clone())?,))?;
            if tensor.version() != version {
                return Err(PyRuntimeError::new_err(
                    "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place operations on the input to a pack hook.",
                ));
            }
            let pair = (self.unpack.clone_ref(py), packed).into_pyobject(py)?;
            Ok(Box::new(PackedByHook(Owned::new(pair.into_any().unbind()))))
        })
        .map_err(through_engine)
    }
}

impl Packed for PackedByHook {
    fn unpack(&self) -> Result<Tensor> {
        Python::attach(|py| -> PyResult<Tensor> {
            let Some(pair) = self.0.get(py) else {
                return Err(PyRuntimeError::new_err("the saved tensor was freed by the garbage collector"));
            };
            let (unpack, packed): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
            let returned = unpack.call1((packed,))?;
            tensor_of(&returned).ok_or_else(|| {
                PyTypeError::new_err(format!(
                    "Output of saved tensor unpack_hook expected to be a Tensor but got result of type {}",
                    returned.get_type().name().map_or_else(|_| "?".to_owned(), |n| n.to_string())
                ))
            })
        })
        .map_err(through_engine)
    }

    fn foreign(&self) -> &(dyn Any + Send + Sync) {
        &self.0
    }
}

/// Tensors that this thread saves go through `pack_hook` from now on, and through `unpack_hook` when
/// they are needed.
#[pyfunction]
fn _push_saved_tensors_hooks(pack_hook: Py<PyAny>, unpack_hook: Py<PyAny>) {
    saved::push_pack(Arc::new(Hooks { pack: pack_hook, unpack: unpack_hook }));
}

#[pyfunction]
fn _pop_saved_tensors_hooks() {
    saved::pop_pack();
}

/// The floor that knows Python's stack.
struct Stack;

impl Observer for Stack {
    fn made(&self, node: &NodeRef, parent: Option<&NodeRef>) {
        let noted = Python::attach(|py| -> PyResult<()> {
            let metadata = node::metadata(py, node)?;
            metadata.set_item("traceback_", py.import("traceback")?.call_method0("format_stack")?)?;
            if let Some(parent) = parent {
                metadata.set_item("parent_", node::object(py, parent.clone())?)?;
            }
            Ok(())
        });
        // A node without a note is reported as such.
        drop(noted);
    }

    fn failed(&self, node: &NodeRef) {
        let told = Python::attach(|py| -> PyResult<()> {
            let metadata = node::metadata(py, node)?;
            let first = format!("Error detected in {}.", display_name(node.name()));
            tell(py, &metadata, &first, "call that caused the error")?;
            let mut metadata = metadata;
            while let Some(parent) = metadata.cast::<PyDict>()?.get_item("parent_")? {
                metadata = parent.getattr("metadata")?;
                let name: String = parent.call_method0("name")?.extract()?;
                let first = format!("\n\nPrevious calculation was induced by {name}.");
                tell(py, &metadata, &first, "call that induced the previous calculation")?;
            }
            Ok(())
        });
        // Warnings may be errors; the failure itself is about to be raised.
        drop(told);
    }
}

fn tell(py: Python<'_>, metadata: &Bound<'_, PyAny>, first: &str, what: &str) -> PyResult<()> {
    let text = match metadata.cast::<PyDict>()?.get_item("traceback_")? {
        Some(lines) => {
            let lines: Vec<String> = lines.cast::<PyList>()?.extract()?;
            format!("{first} Traceback of forward {what}:\n{}", lines.concat())
        }
        None => format!(
            "{first} No forward pass information available. Enable detect anomaly during forward pass for more information."
        ),
    };
    warnings::show(py, &text)
}

/// Switches anomaly detection, and its search for NaN, for all threads.
#[pyfunction]
fn _set_anomaly(mode: bool, check_nan: bool) {
    anomaly::set(mode, check_nan);
}

/// Whether backward looks for anomalies.
#[pyfunction]
fn is_anomaly_enabled() -> bool {
    anomaly::enabled()
}

/// Whether anomaly detection looks for NaN.
#[pyfunction]
fn is_anomaly_check_nan_enabled() -> bool {
    anomaly::checks_nan()
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    anomaly::set_observer(Box::new(Stack));
    m.add_function(wrap_pyfunction!(_push_saved_tensors_hooks, m)?)?;
    m.add_function(wrap_pyfunction!(_pop_saved_tensors_hooks, m)?)?;
    m.add_function(wrap_pyfunction!(_set_anomaly, m)?)?;
    m.add_function(wrap_pyfunction!(is_anomaly_enabled, m)?)?;
    m.add_function(wrap_pyfunction!(is_anomaly_check_nan_enabled, m)?)
}
