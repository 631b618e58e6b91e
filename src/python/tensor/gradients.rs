//! A tensor's place in the graph: gradients, hooks, views.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::PyTensor;
use crate::python::autograd;
use crate::python::convert::{handle, wrap_option};
use crate::python::warnings;

#[pymethods]
impl PyTensor {
    #[getter]
    fn requires_grad(&self) -> bool {
        self.tensor().requires_grad()
    }

    #[setter]
    fn set_requires_grad(&self, value: bool) -> PyResult<()> {
        Ok(self.tensor().set_requires_grad(value)?)
    }

    #[pyo3(signature = (requires_grad=true))]
    fn requires_grad_<'py>(slf: Bound<'py, Self>, requires_grad: bool) -> PyResult<Bound<'py, Self>> {
        let tensor = slf.get().tensor();
        if requires_grad && !tensor.dtype().is_differentiable() {
            return Err(PyRuntimeError::new_err(
                "only Tensors of floating point dtype can require gradients",
            ));
        }
        tensor.set_requires_grad(requires_grad)?;
        Ok(slf)
    }

    #[getter]
    fn is_leaf(&self) -> bool {
        self.tensor().is_leaf()
    }

    #[getter]
    fn grad<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get().tensor();
        let grad = t.grad();
        if grad.is_none() && !t.is_leaf() && !t.meta_if_any().is_some_and(|m| m.state().retains_grad) {
            let text = "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead.";
            warnings::show(slf.py(), text)?;
        }
        wrap_option(slf.py(), grad)
    }

    #[setter]
    fn set_grad(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        autograd::set_grad(&handle(slf), value)
    }

    #[deleter]
    fn delete_grad(&self) {
        self.tensor().set_grad(None);
    }

    #[getter]
    fn grad_fn<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        autograd::grad_fn(slf.py(), &handle(slf))
    }

    #[getter]
    fn output_nr(&self) -> u32 {
        self.tensor().producer().map_or(0, |e| e.output)
    }

    #[getter]
    fn retains_grad(&self) -> bool {
        self.tensor().meta_if_any().is_some_and(|m| m.state().retains_grad)
    }

    #[getter(_base)]
    fn base<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        wrap_option(slf.py(), slf.get().tensor().view_of().map(|v| v.base.clone()))
    }

    /// Counts a change in place that nobody else saw.
    fn _bump_version(&self) {
        self.tensor().bump_version();
    }

    /// Whether the tensor was made in inference mode.
    fn is_inference(&self) -> bool {
        self.tensor().is_inference()
    }

    fn _is_view(&self) -> bool {
        self.tensor().view_of().is_some()
    }

    fn retain_grad(&self) -> PyResult<()> {
        Ok(self.tensor().retain_grad()?)
    }

    fn detach_<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        if slf.get().tensor().view_of().is_some() {
            return Err(PyRuntimeError::new_err(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution.",
            ));
        }
        slf.get().replace(handle(&slf).detach());
        Ok(slf)
    }

    #[pyo3(signature = (gradient=None, retain_graph=None, create_graph=false, inputs=None))]
    fn backward(
        slf: &Bound<'_, Self>,
        gradient: Option<&Bound<'_, PyAny>>,
        retain_graph: Option<bool>,
        create_graph: bool,
        inputs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        autograd::backward(slf.py(), slf.as_any(), gradient, retain_graph, create_graph, inputs)
    }

    fn register_hook<'py>(
        slf: &Bound<'py, Self>,
        hook: &Bound<'py, PyAny>,
    ) -> PyResult<autograd::HookHandle> {
        autograd::register_hook(&handle(slf), hook)
    }

    fn register_post_accumulate_grad_hook<'py>(
        slf: &Bound<'py, Self>,
        hook: &Bound<'py, PyAny>,
    ) -> PyResult<autograd::HookHandle> {
        autograd::register_accumulate_hook(slf, hook)
    }
}
