//! The fused update steps, for `rustnn.optim`.

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::optim::{Adam, AdamState, Sgd, adam_step, sgd_step};
use crate::python::convert::{tensor_of, wrap};
use crate::python::gc::without_gil;
use crate::tensor::Tensor;

fn tensors(list: &Bound<'_, PyList>) -> PyResult<Vec<Tensor>> {
    let wrong = || PyTypeError::new_err("expected a list of tensors");
    list.iter().map(|item| tensor_of(&item).ok_or_else(wrong)).collect()
}

fn same_length(counts: &[usize]) -> PyResult<()> {
    if counts.iter().any(|&n| n != counts[0]) {
        return Err(PyRuntimeError::new_err(format!("lists of different lengths: {counts:?}")));
    }
    Ok(())
}

/// Elements above which a step runs without the GIL.
const RELEASE_GIL: usize = 16 << 10;

fn elements(params: &[Tensor]) -> usize {
    params.iter().map(Tensor::numel).sum()
}

/// One step of SGD over all parameters; returns their momentum buffers.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // the optimizer's own settings
fn _sgd_step<'py>(
    py: Python<'py>,
    params: &Bound<'py, PyList>,
    grads: &Bound<'py, PyList>,
    momentum_buffers: &Bound<'py, PyList>,
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
) -> PyResult<Bound<'py, PyList>> {
    let (params, grads) = (tensors(params)?, tensors(grads)?);
    let buffers: Vec<Option<Tensor>> = momentum_buffers.iter().map(|b| tensor_of(&b)).collect();
    same_length(&[params.len(), grads.len()])?;
    let settings = Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize };
    let step = || sgd_step(&params, &grads, &buffers, settings);
    let after = if elements(&params) > RELEASE_GIL { without_gil(py, step) } else { step() }?;
    let objects: Vec<_> = after.into_iter().map(|t| wrap(py, t)).collect::<PyResult<_>>()?;
    PyList::new(py, objects)
}

/// One step of Adam over all parameters; state and step counts are changed in place.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // the optimizer's own settings
fn _adam_step(
    py: Python<'_>,
    params: &Bound<'_, PyList>,
    grads: &Bound<'_, PyList>,
    exp_avgs: &Bound<'_, PyList>,
    exp_avg_sqs: &Bound<'_, PyList>,
    max_exp_avg_sqs: &Bound<'_, PyList>,
    steps: &Bound<'_, PyList>,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
    maximize: bool,
    decoupled_weight_decay: bool,
) -> PyResult<()> {
    let (params, grads) = (tensors(params)?, tensors(grads)?);
    let (means, squares, steps) = (tensors(exp_avgs)?, tensors(exp_avg_sqs)?, tensors(steps)?);
    let largest = if amsgrad { tensors(max_exp_avg_sqs)? } else { Vec::new() };
    same_length(&[params.len(), grads.len(), means.len(), squares.len(), steps.len()])?;
    if amsgrad {
        same_length(&[params.len(), largest.len()])?;
    }
    let mut largest = largest.into_iter();
    let states: Vec<AdamState> = means
        .into_iter()
        .zip(squares)
        .zip(steps)
        .map(|((exp_avg, exp_avg_sq), step)| AdamState {
            exp_avg,
            exp_avg_sq,
            max_exp_avg_sq: largest.next(),
            step,
        })
        .collect();
    let settings = Adam { lr, beta1, beta2, eps, weight_decay, maximize, decoupled_weight_decay };
    let step = || adam_step(&params, &grads, &states, settings);
    Ok(if elements(&params) > RELEASE_GIL { without_gil(py, step) } else { step() }?)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_sgd_step, m)?)?;
    m.add_function(wrap_pyfunction!(_adam_step, m)?)
}
