//! A tensor as numbers of Python: `item`, `tolist`, `bool(x)`, iteration, text.

use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyString};

use super::PyTensor;
use crate::device::Device;
use crate::dtype::{Cast, Category, Element};
use crate::ops::{copy, reduce};
use crate::python::convert::{python_number, scalar_object, tensor_of};
use crate::python::dispatch;
use crate::python::warnings;
use crate::scalar::Scalar;
use crate::tensor::Tensor;
use crate::warn_once;

/// Only single elements have a truth value or are numbers.
fn single(t: &Tensor, what: &str) -> PyResult<crate::scalar::Scalar> {
    if t.numel() != 1 {
        let message = match (what, t.numel()) {
            ("bool", 0) => "Boolean value of Tensor with no values is ambiguous".to_owned(),
            ("bool", _) => "Boolean value of Tensor with more than one value is ambiguous".to_owned(),
            ("number", _) => {
                return Err(PyValueError::new_err(
                    "only one element tensors can be converted to Python scalars",
                ));
            }
            _ => format!("a Tensor with {} elements cannot be converted to Scalar", t.numel()),
        };
        return Err(PyRuntimeError::new_err(message));
    }
    if t.device() == Device::Meta {
        return Err(PyRuntimeError::new_err("Tensor.item() cannot be called on meta tensors"));
    }
    Ok(reduce::item(t)?)
}

/// The elements from `dim` on as nested lists; `offset` leads to them.
fn to_list<'py>(py: Python<'py>, t: &Tensor, dim: usize, offset: isize) -> PyResult<Bound<'py, PyAny>> {
    if dim == t.ndim() {
        let value = crate::dispatch!(t.dtype(), T => {
            // SAFETY: every index of a layout lies within its storage.
            let value = unsafe { t.ptr().cast::<T>().offset(offset).read_unaligned() };
            match T::DTYPE.category() {
                Category::Bool => Scalar::Bool(Cast::<i64>::cast(value) != 0),
                Category::Integral => Scalar::Int(value.cast()),
                Category::Floating => Scalar::Float(value.cast()),
                Category::Complex => Scalar::Complex(value.cast()),
            }
        });
        return Ok(scalar_object(py, value));
    }
    let list = PyList::empty(py);
    for i in 0..t.size(dim) as isize {
        list.append(to_list(py, t, dim + 1, offset + i * t.strides()[dim])?)?;
    }
    Ok(list.into_any())
}

/// A number knows nothing of the graph that it was computed in.
fn warn_of_graph(t: &Bound<'_, PyTensor>) -> PyResult<()> {
    if !t.get().tensor().requires_grad() {
        return Ok(());
    }
    warn_once!(
        "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider using tensor.detach() first."
    );
    warnings::show_noted(t.py())
}

#[pymethods]
impl PyTensor {
    fn item<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(scalar_object(slf.py(), single(slf.get().tensor(), "item")?))
    }

    fn tolist<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let t = copy::to_device(&slf.get().tensor().detached(), Device::Cpu)?;
        // Python has no way back from half a list: is there room for the objects at all?
        if crate::alloc::vec_for::<[usize; 4]>(t.numel()).is_err() {
            return Err(PyMemoryError::new_err(format!("no room for a list of {} elements", t.numel())));
        }
        to_list(slf.py(), &t, 0, 0)
    }

    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__len__", &[])?
        {
            return result.extract();
        }
        match slf.get().tensor().sizes().first() {
            Some(&n) => Ok(n),
            None => Err(PyTypeError::new_err("len() of a 0-d tensor")),
        }
    }

    fn __bool__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__bool__", &[])?
        {
            return result.is_truthy();
        }
        Ok(!single(slf.get().tensor(), "bool")?.is_zero())
    }

    fn __float__<'py>(slf: &Bound<'py, Self>) -> PyResult<f64> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__float__", &[])?
        {
            return result.extract();
        }
        warn_of_graph(slf)?;
        let value = single(slf.get().tensor(), "number")?;
        if matches!(value, crate::scalar::Scalar::Complex(z) if z.im != 0.0) {
            return Err(PyRuntimeError::new_err("value cannot be converted to type double without overflow"));
        }
        Ok(value.to_f64())
    }

    fn __int__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__int__", &[])?
        {
            return Ok(result);
        }
        let value = single(slf.get().tensor(), "number")?;
        if matches!(value, crate::scalar::Scalar::Complex(_)) {
            return Err(PyRuntimeError::new_err(
                "value cannot be converted to type int64_t without overflow",
            ));
        }
        let value = scalar_object(slf.py(), value);
        slf.py().get_type::<PyInt>().call1((value,))
    }

    fn __complex__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        warn_of_graph(slf)?;
        let z = single(slf.get().tensor(), "number")?.to_complex();
        Ok(pyo3::types::PyComplex::from_doubles(slf.py(), z.re, z.im).into_any())
    }

    fn __index__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__index__", &[])?
        {
            return Ok(result);
        }
        let t = slf.get().tensor();
        if !t.dtype().is_integral() || t.numel() != 1 {
            return Err(PyTypeError::new_err(
                "only integer tensors of a single element can be converted to an index",
            ));
        }
        Ok(PyInt::new(slf.py(), reduce::item(t)?.to_i64()).into_any())
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().tensor().ndim() == 0 {
            return Err(PyTypeError::new_err("iteration over a 0-d tensor"));
        }
        slf.call_method1("unbind", (0,))?.try_iter().map(|i| i.into_any())
    }

    fn __contains__<'py>(slf: &Bound<'py, Self>, element: &Bound<'py, PyAny>) -> PyResult<bool> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) =
                dispatch::dispatch_method(&mut span, slf, "__contains__", std::slice::from_ref(element))?
        {
            return result.is_truthy();
        }
        if tensor_of(element).is_none() && python_number(element)?.is_none() {
            return Err(PyRuntimeError::new_err(format!(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a {}.",
                element.get_type()
            )));
        }
        slf.as_any()
            .rich_compare(element, pyo3::basic::CompareOp::Eq)?
            .call_method0("any")?
            .call_method0("item")?
            .is_truthy()
    }

    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr() as isize >> 4
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__repr__", &[])?
        {
            return Ok(result);
        }
        slf.py().import("rustnn.tensor_repr")?.call_method1("format_tensor", (slf,))
    }

    fn __format__<'py>(slf: &Bound<'py, Self>, spec: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get().tensor();
        if t.ndim() == 0 && !spec.is_empty()? {
            return scalar_object(slf.py(), reduce::item(t)?).call_method1("__format__", (spec,));
        }
        if spec.is_empty()? && t.ndim() == 0 {
            return Ok(scalar_object(slf.py(), reduce::item(t)?).str()?.into_any());
        }
        slf.py().get_type::<pyo3::types::PyAny>().call_method1("__format__", (slf, spec))
    }
}
