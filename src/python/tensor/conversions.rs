//! A tensor as something else: another dtype, an array of NumPy, a copy, a pickle.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::PyTensor;
use crate::dtype::DType;
use crate::ops::copy;
use crate::python::convert::{handle, wrap};
use crate::python::{data, device, numpy};

fn cast<'py>(slf: &Bound<'py, PyTensor>, to: DType) -> PyResult<Bound<'py, PyAny>> {
    let t = handle(slf);
    if t.dtype() == to {
        return Ok(slf.as_any().clone());
    }
    wrap(slf.py(), copy::to_dtype(&t, to)?)
}

#[pymethods]
impl PyTensor {
    /// `to(dtype)`, `to(device)`, `to(other)`, `to(device, dtype)`, with `copy` and `non_blocking`.
    #[pyo3(signature = (*args, **kwargs))]
    fn to<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let target = data::read_to(args, kwargs)?;
        let t = handle(slf);
        let to = target.dtype.unwrap_or(t.dtype());
        if to == t.dtype() && target.copy {
            return wrap(slf.py(), copy::clone(&t)?);
        }
        cast(slf, to)
    }

    /// The name of the tensor's type, or the tensor converted to a type or dtype.
    #[pyo3(signature = (dtype=None, non_blocking=false))]
    fn r#type<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        non_blocking: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = non_blocking;
        let t = slf.get().tensor();
        match dtype {
            None => {
                let name = format!("torch.{}Tensor", t.dtype().scalar_name());
                Ok(PyString::new(slf.py(), &name).into_any())
            }
            Some(d) => match data::type_argument(d)? {
                Some(to) => cast(slf, to),
                None => Err(PyTypeError::new_err(format!("invalid type object: {}", d.repr()?))),
            },
        }
    }

    fn float<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::F32)
    }

    fn double<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::F64)
    }

    fn half<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::F16)
    }

    fn bfloat16<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::BF16)
    }

    fn long<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I64)
    }

    fn int<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I32)
    }

    fn short<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I16)
    }

    fn char<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I8)
    }

    fn byte<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::U8)
    }

    fn bool<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::Bool)
    }

    fn cfloat<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::C64)
    }

    fn cdouble<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::C128)
    }

    #[pyo3(signature = (memory_format=None))]
    fn cpu<'py>(slf: &Bound<'py, Self>, memory_format: Option<&Bound<'py, PyAny>>) -> Bound<'py, PyAny> {
        let _ = memory_format;
        slf.as_any().clone()
    }

    #[pyo3(signature = (device=None, non_blocking=false))]
    fn cuda<'py>(
        slf: &Bound<'py, Self>,
        device: Option<&Bound<'py, PyAny>>,
        non_blocking: bool,
    ) -> PyResult<()> {
        let _ = (device, non_blocking);
        device::check(PyString::new(slf.py(), "cuda").as_any())
    }

    #[pyo3(signature = (*, force=false))]
    fn numpy<'py>(slf: &Bound<'py, Self>, force: bool) -> PyResult<Bound<'py, PyAny>> {
        let t = handle(slf);
        numpy::to_numpy(slf.py(), &if force { t.detach() } else { t })
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = numpy::to_numpy(slf.py(), &handle(slf))?;
        if let Some(dtype) = dtype {
            return array.call_method1("astype", (dtype,));
        }
        if copy == Some(true) { array.call_method0("copy") } else { Ok(array) }
    }

    /// What NumPy makes of its result when a tensor took part: a tensor again.
    #[pyo3(signature = (array, context=None, return_scalar=false))]
    fn __array_wrap__<'py>(
        slf: &Bound<'py, Self>,
        array: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
        return_scalar: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (context, return_scalar);
        wrap(slf.py(), data::tensor_from(array, None, false)?)
    }

    #[classattr]
    fn __array_priority__() -> i64 {
        1000
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, memo: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("rustnn.copying")?.call_method1("deepcopy_tensor", (slf, memo))
    }

    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, protocol: i64) -> PyResult<Bound<'py, PyAny>> {
        let _ = protocol;
        slf.py().import("rustnn.copying")?.call_method1("reduce_tensor", (slf,))
    }

    #[pyo3(signature = (data, *, dtype=None, device=None, requires_grad=false))]
    fn new_tensor<'py>(
        slf: &Bound<'py, Self>,
        data: &Bound<'py, PyAny>,
        dtype: Option<&Bound<'py, PyAny>>,
        device: Option<&Bound<'py, PyAny>>,
        requires_grad: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(device) = device {
            device::check(device)?;
        }
        let dtype = data::dtype_argument(dtype, "new_tensor")?.unwrap_or(slf.get().tensor().dtype());
        let t = data::tensor_from(data, Some(dtype), true)?;
        t.set_requires_grad(requires_grad)?;
        wrap(slf.py(), t)
    }
}
