//! The fused update steps, for `rustnn.optim`.

use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::ops::cuda::beside;
use crate::optim::{self, Optimizer, Parameters, loss_scale};
use crate::python::convert::tensor_of;
use crate::python::gc::without_gil;
use crate::tensor::Tensor;

fn tensors(list: &Bound<'_, PyList>) -> PyResult<Vec<Tensor>> {
    let wrong = || PyTypeError::new_err("expected a list of tensors");
    list.iter().map(|item| tensor_of(&item).ok_or_else(wrong)).collect()
}

/// The tensors with these names of every parameter's state.
fn named(states: &Bound<'_, PyList>, names: &[&str]) -> PyResult<Vec<Tensor>> {
    let keys: Vec<_> = names.iter().map(|name| PyString::intern(states.py(), name)).collect();
    let mut found = Vec::with_capacity(states.len() * names.len());
    for state in states.iter() {
        let state = state.cast::<PyDict>()?;
        for key in &keys {
            let value = state.get_item(key)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))?;
            let wrong = || PyTypeError::new_err(format!("the state {key} of a parameter must be a tensor"));
            found.push(tensor_of(&value).ok_or_else(wrong)?);
        }
    }
    Ok(found)
}

/// Elements above which a step runs without the GIL.
const RELEASE_GIL: usize = 16 << 10;

/// One step over all parameters; `states` are their dicts.
fn step(
    params: &Bound<'_, PyList>,
    grads: &Bound<'_, PyList>,
    states: &Bound<'_, PyList>,
    optimizer: &impl Optimizer,
    rate: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let all = Parameters {
        params: tensors(params)?,
        grads: tensors(grads)?,
        state: named(states, &optimizer.state())?,
        counts: named(states, optimizer.counts())?,
        rate: rate.map(one_tensor).transpose()?,
    };
    let counts = [params.len(), grads.len(), states.len()];
    if counts.iter().any(|&n| n != counts[0]) {
        return Err(PyRuntimeError::new_err(format!("lists of different lengths: {counts:?}")));
    }
    let work = || optim::step(optimizer, &all);
    let elements: usize = all.params.iter().map(Tensor::numel).sum();
    Ok(if elements > RELEASE_GIL { without_gil(params.py(), work) } else { work() }?)
}

/// Multiplies gradients on a GPU by a number there; `found` becomes 1 if one of them is not finite.
#[pyfunction]
fn _cuda_unscale(
    grads: &Bound<'_, PyList>,
    inverse: &Bound<'_, PyAny>,
    found: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (grads, inverse, found) = (tensors(grads)?, one_tensor(inverse)?, one_tensor(found)?);
    Ok(beside(&[&found], || loss_scale::unscale(&grads, &inverse, &found))?)
}

/// Changes a loss scale and its tracker on a GPU by what was found.
#[pyfunction]
fn _cuda_update_scale(
    scale: &Bound<'_, PyAny>,
    tracker: &Bound<'_, PyAny>,
    found: &Bound<'_, PyAny>,
    growth: f64,
    backoff: f64,
    interval: i32,
) -> PyResult<()> {
    let [scale, tracker, found] = [one_tensor(scale)?, one_tensor(tracker)?, one_tensor(found)?];
    let all = [&scale, &tracker, &found];
    Ok(beside(&all, || loss_scale::update_scale(all, growth, backoff, interval))?)
}

fn one_tensor(value: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    tensor_of(value).ok_or_else(|| PyTypeError::new_err("expected a tensor"))
}

/// Each optimizer's function: parameters, gradients, states, the settings by their names, and a rate on a GPU.
macro_rules! steps {
    ($($function:ident: $optimizer:ident($($setting:ident: $type:ty),*);)*) => {
        $(
            #[pyfunction]
            #[pyo3(signature = (params, grads, states, $($setting),*, rate=None))]
            #[allow(clippy::too_many_arguments)] // the optimizer's own settings
            fn $function(
                params: &Bound<'_, PyList>,
                grads: &Bound<'_, PyList>,
                states: &Bound<'_, PyList>,
                $($setting: $type,)*
                rate: Option<&Bound<'_, PyAny>>,
            ) -> PyResult<()> {
                step(params, grads, states, &optim::$optimizer { $($setting),* }, rate)
            }
        )*

        pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
            $(m.add_function(wrap_pyfunction!($function, m)?)?;)*
            m.add_function(wrap_pyfunction!(_cuda_unscale, m)?)?;
            m.add_function(wrap_pyfunction!(_cuda_update_scale, m)?)
        }
    };
}

steps! {
    _sgd_step: Sgd(
        lr: f64, momentum: f64, dampening: f64, weight_decay: f64, nesterov: bool, maximize: bool
    );
    _adam_step: Adam(
        lr: f64, beta1: f64, beta2: f64, eps: f64, weight_decay: f64, amsgrad: bool, maximize: bool,
        decoupled_weight_decay: bool
    );
    _nadam_step: Nadam(
        lr: f64, beta1: f64, beta2: f64, eps: f64, weight_decay: f64, momentum_decay: f64,
        decoupled_weight_decay: bool, maximize: bool
    );
    _radam_step: Radam(
        lr: f64, beta1: f64, beta2: f64, eps: f64, weight_decay: f64, decoupled_weight_decay: bool,
        maximize: bool
    );
    _adamax_step: Adamax(
        lr: f64, beta1: f64, beta2: f64, eps: f64, weight_decay: f64, maximize: bool
    );
    _adagrad_step: Adagrad(lr: f64, lr_decay: f64, weight_decay: f64, eps: f64, maximize: bool);
    _adadelta_step: Adadelta(lr: f64, rho: f64, eps: f64, weight_decay: f64, maximize: bool);
    _rmsprop_step: RmsProp(
        lr: f64, alpha: f64, eps: f64, weight_decay: f64, momentum: f64, centered: bool, maximize: bool
    );
    _rprop_step: Rprop(eta_minus: f64, eta_plus: f64, least: f64, most: f64, maximize: bool);
    _asgd_step: Asgd(
        lr: f64, lambd: f64, alpha: f64, t0: f64, weight_decay: f64, maximize: bool
    );
}
