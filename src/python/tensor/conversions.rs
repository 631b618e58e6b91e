//! A tensor as something else: another dtype, an array of NumPy, a copy, a pickle.

use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::PyTensor;
use crate::device::{self, Device};
use crate::dtype::DType;
use crate::layout::MemoryFormat;
use crate::ops::{copy, cuda, view};
use crate::python::convert::{handle, wrap};
use crate::python::to::{read_to, type_argument};
use crate::python::warnings;
use crate::python::{data, device as python_device, formats, numpy, subclass};
use crate::tensor::Tensor;

fn cast<'py>(
    slf: &Bound<'py, PyTensor>,
    to: DType,
    format: Option<MemoryFormat>,
) -> PyResult<Bound<'py, PyAny>> {
    convert(slf, to, slf.get().tensor().device(), format, false)
}

/// As another dtype on another device; the tensor itself if it is all that already.
fn convert<'py>(
    slf: &Bound<'py, PyTensor>,
    to: DType,
    device: Device,
    format: Option<MemoryFormat>,
    non_blocking: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let t = handle(slf);
    if t.dtype().is_complex() && !to.is_complex() && to != DType::Bool {
        copy::warn_of_lost_parts();
        warnings::show_noted(slf.py())?;
    }
    let leaves = non_blocking && device == Device::Cpu && t.device().is_cuda();
    let work = || {
        // The smaller one of both dtypes travels; what the host is not to wait for it cannot convert.
        let first = device::at(t.device(), || {
            let first = match leaves || to.size() <= t.dtype().size() {
                true => copy::to_dtype(&t, to)?,
                false => t.clone(),
            };
            match format {
                Some(format) if leaves => copy::in_format(&first, format),
                _ => Ok(first),
            }
        })?;
        device::at(device, || {
            let there = copy::to_dtype(&copy::to_device(&first, device)?, to)?;
            match format {
                Some(format) => copy::in_format(&there, format),
                None => Ok(there),
            }
        })
    };
    let work = || cuda::copy::non_blocking(non_blocking, work);
    // Memory that the GPU writes by itself.
    let result = device::guarded(|| if leaves { device::pinned(work) } else { work() })?;
    if result.is(&t) {
        return Ok(slf.as_any().clone());
    }
    subclass::like(slf, wrap(slf.py(), result)?)
}

/// Gives a tensor the numbers of a list, in row-major order.
fn overwrite<'py>(
    slf: Bound<'py, PyTensor>,
    t: &Tensor,
    numbers: &Bound<'py, PyList>,
) -> PyResult<Bound<'py, PyTensor>> {
    let values = data::tensor_from(numbers.as_any(), Some(t.dtype()), true)?;
    copy::assign(t, &view::reshape_to(&values, t.sizes())?)?;
    Ok(slf)
}

/// A `memory_format=` argument.
fn format_of(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<MemoryFormat>> {
    let Some(value) = value else { return Ok(None) };
    let name = formats::format_name(value).ok_or_else(|| {
        PyTypeError::new_err(format!("argument 'memory_format' must be torch.memory_format, not {value}"))
    })?;
    Ok(MemoryFormat::read(Some(&name))?)
}

macro_rules! casts {
    ($($name:ident $dtype:ident;)*) => {
        #[pymethods]
        impl PyTensor { $(
            #[pyo3(signature = (memory_format=None))]
            fn $name<'py>(
                slf: &Bound<'py, Self>,
                memory_format: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                cast(slf, DType::$dtype, format_of(memory_format)?)
            }
        )* }
    };
}
casts! {
    float F32;
    double F64;
    half F16;
    bfloat16 BF16;
    long I64;
    int I32;
    short I16;
    char I8;
    byte U8;
    bool Bool;
    cfloat C64;
    cdouble C128;
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
        let target = read_to(args, kwargs)?;
        let t = handle(slf);
        let to = target.dtype.unwrap_or(t.dtype());
        let format = MemoryFormat::read(target.format.as_deref())?;
        let device = target.device.unwrap_or(t.device());
        if to == t.dtype() && device == t.device() && target.copy {
            let copied = copy::clone_in(&t, format.unwrap_or(MemoryFormat::Preserve))?;
            return subclass::like(slf, wrap(slf.py(), copied)?);
        }
        convert(slf, to, device, format, target.non_blocking)
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
                let module = match t.device() {
                    Device::Cpu => "torch",
                    Device::Cuda(_) => "torch.cuda",
                    Device::Meta => "torch.meta",
                };
                let name = format!("{module}.{}Tensor", t.dtype().scalar_name());
                Ok(PyString::new(slf.py(), &name).into_any())
            }
            Some(d) => cast(slf, type_argument(d)?, None),
        }
    }

    fn chalf(&self) -> PyResult<()> {
        Err(PyNotImplementedError::new_err("rustnn has no tensors of dtype torch.complex32"))
    }

    #[pyo3(signature = (memory_format=None))]
    fn cpu<'py>(
        slf: &Bound<'py, Self>,
        memory_format: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        convert(slf, slf.get().tensor().dtype(), Device::Cpu, format_of(memory_format)?, false)
    }

    /// On a GPU, the current one if none is named; the tensor itself if it is there.
    #[pyo3(signature = (device=None, non_blocking=false, memory_format=None))]
    fn cuda<'py>(
        slf: &Bound<'py, Self>,
        device: Option<&Bound<'py, PyAny>>,
        non_blocking: bool,
        memory_format: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cuda = PyString::new(slf.py(), "cuda").into_any();
        let to = python_device::read(device.filter(|d| !d.is_none()).unwrap_or(&cuda))?;
        let Some(to) = to.filter(|d| d.is_cuda()) else {
            return Err(PyRuntimeError::new_err("Invalid device, must be cuda device"));
        };
        convert(slf, slf.get().tensor().dtype(), to, format_of(memory_format)?, non_blocking)
    }

    /// The tensor itself, or its values in another dtype: every tensor is dense.
    #[pyo3(signature = (dtype=None, *, masked_grad=None))]
    fn to_dense<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        masked_grad: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = masked_grad;
        let to = data::dtype_argument(dtype, "to_dense")?;
        cast(slf, to.unwrap_or(slf.get().tensor().dtype()), None)
    }

    /// A tensor of this dtype, made as `Tensor(...)` makes one.
    #[pyo3(name = "new", signature = (*args, device=None))]
    fn new_of_dtype<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        device: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(device) = device {
            python_device::only_cpu(device)?;
        }
        wrap(slf.py(), data::legacy_tensor(args, slf.get().tensor().dtype())?)
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
        let Some(dtype) = dtype else {
            return if copy == Some(true) { array.call_method0("copy") } else { Ok(array) };
        };
        let keywords = PyDict::new(slf.py());
        keywords.set_item("copy", copy == Some(true))?;
        let converted = array.call_method("astype", (dtype,), Some(&keywords))?;
        if copy == Some(false) && !converted.is(&array) {
            return Err(PyValueError::new_err("Unable to avoid copy while creating an array as requested."));
        }
        Ok(converted)
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

    /// `reversed(x)`: the first dimension backwards.
    fn __reversed__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().tensor().ndim() == 0 { Ok(slf.as_any().clone()) } else { slf.call_method1("flip", (0,)) }
    }

    /// Overwrites each element with what a function of Python makes of it. Slow: meant for small tensors.
    fn apply_<'py>(slf: Bound<'py, Self>, callable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let t = handle(&slf);
        if t.requires_grad() {
            return Err(PyTypeError::new_err("can't apply_ a function to a tensor that requires grad"));
        }
        let numbers = slf.call_method0("flatten")?.call_method0("tolist")?;
        let made = PyList::empty(slf.py());
        for number in numbers.try_iter()? {
            made.append(callable.call1((number?,))?)?;
        }
        overwrite(slf, &t, &made)
    }

    /// Overwrites each element with what a function of Python makes of it and the other tensor's.
    fn map_<'py>(
        slf: Bound<'py, Self>,
        tensor: &Bound<'py, Self>,
        callable: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        let t = handle(&slf);
        if t.requires_grad() || handle(tensor).requires_grad() {
            return Err(PyTypeError::new_err("can't map_ a function over tensors that require grad"));
        }
        let other = tensor.call_method1("expand_as", (&slf,))?;
        let numbers = slf.call_method0("flatten")?.call_method0("tolist")?;
        let others = other.call_method0("flatten")?.call_method0("tolist")?;
        let made = PyList::empty(slf.py());
        for (a, b) in numbers.try_iter()?.zip(others.try_iter()?) {
            made.append(callable.call1((a?, b?))?)?;
        }
        overwrite(slf, &t, &made)
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
        data::warn_copy_of_tensor(data, "tensor.new_tensor(sourceTensor)")?;
        let dtype = data::dtype_argument(dtype, "new_tensor")?.unwrap_or(slf.get().tensor().dtype());
        let t = data::tensor_from(data, Some(dtype), true)?;
        let t = match device.filter(|d| !d.is_none()) {
            Some(device) => python_device::moved(t, Some(device))?,
            None => copy::to_device(&t, slf.get().tensor().device())?,
        };
        t.set_requires_grad(requires_grad)?;
        wrap(slf.py(), t)
    }
}
