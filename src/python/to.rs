//! What `Tensor.to` and `Tensor.type` are asked for.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyDict, PyFloat, PyString, PyTuple};

use crate::device::Device;
use crate::dtype::DType;
use crate::python::convert::{index_of, tensor_of};
use crate::python::data::dtype_argument;
use crate::python::{device, dtype, formats};

/// What a tensor is to become.
#[derive(Default)]
pub struct To {
    pub dtype: Option<DType>,
    pub device: Option<Device>,
    pub copy: bool,
    pub non_blocking: bool,
    /// The memory format by its name.
    pub format: Option<String>,
}

/// What has been read of the positional arguments, in the order in which they may come.
#[derive(PartialEq, PartialOrd)]
enum Place {
    Device,
    DType,
    NonBlocking,
    Copy,
    End,
}

/// Reads the arguments of `Tensor.to`: a dtype, a device, a tensor, or a device and a dtype, followed by
/// `non_blocking` and `copy`; `memory_format` by its name.
pub fn read_to(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<To> {
    let mut target = To::default();
    let mut place = Place::Device;
    for (i, arg) in args.iter().enumerate() {
        if let Some(t) = tensor_of(&arg).filter(|_| i == 0) {
            (target.dtype, place) = (Some(t.dtype()), Place::NonBlocking);
            target.device = Some(t.device());
        } else if (arg.is_instance_of::<PyFloat>() || arg.is_instance_of::<PyComplex>()) && i == 0 {
            // A number stands for a tensor of it.
            let dtype = if arg.is_instance_of::<PyFloat>() { DType::F64 } else { DType::C128 };
            (target.dtype, place) = (Some(dtype), Place::NonBlocking);
        } else if arg.is_instance_of::<PyBool>() && i > 0 {
            match place {
                Place::Device | Place::DType | Place::NonBlocking => {
                    (target.non_blocking, place) = (arg.is_truthy()?, Place::Copy);
                }
                Place::Copy => (target.copy, place) = (arg.is_truthy()?, Place::End),
                Place::End => return Err(invalid(args, kwargs)?),
            }
        } else if place <= Place::DType
            && let Some(d) = dtype::of(&arg)?
        {
            (target.dtype, place) = (Some(d), Place::NonBlocking);
        } else if place == Place::Device
            && (arg.is_none()
                || arg.is_instance_of::<PyString>()
                || arg.cast::<device::PyDevice>().is_ok()
                || index_of(&arg)?.is_some())
        {
            target.device = device::read(&arg)?;
            place = Place::DType;
        } else if place == Place::DType && arg.is_none() {
            place = Place::NonBlocking;
        } else {
            return Err(invalid(args, kwargs)?);
        }
    }
    let Some(given) = kwargs else { return Ok(target) };
    for (name, value) in given.iter() {
        match name.cast::<PyString>()?.to_str()? {
            "dtype" if target.dtype.is_none() => {
                target.dtype = dtype_argument((!value.is_none()).then_some(&value), "to")?;
            }
            "device" => target.device = device::read(&value)?,
            "copy" => target.copy = value.is_truthy()?,
            "other" | "tensor" if args.is_empty() => match tensor_of(&value) {
                Some(t) => (target.dtype, target.device) = (Some(t.dtype()), Some(t.device())),
                None => return Err(invalid(args, kwargs)?),
            },
            "non_blocking" => target.non_blocking = value.is_truthy()?,
            "memory_format" => match formats::format_name(&value) {
                None if !value.is_none() => return Err(invalid(args, kwargs)?),
                format => target.format = format,
            },
            _ => return Err(invalid(args, kwargs)?),
        }
    }
    Ok(target)
}

/// TypeError with what was given and what is allowed.
fn invalid(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<PyErr> {
    let mut given = Vec::new();
    for arg in args.iter() {
        given.push(arg.get_type().name()?.to_string());
    }
    if let Some(kwargs) = kwargs {
        for (name, value) in kwargs.iter() {
            given.push(format!("{name}={}", value.get_type().name()?));
        }
    }
    Ok(PyTypeError::new_err(format!(
        "to() received an invalid combination of arguments - got ({}), but expected one of:\n * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n",
        given.join(", ")
    )))
}

/// A dtype from `Tensor.type`'s argument: a dtype, a name such as `torch.FloatTensor`, or that class.
pub fn type_argument(value: &Bound<'_, PyAny>) -> PyResult<DType> {
    if let Ok(d) = value.cast::<dtype::PyDType>() {
        return d.get().own();
    }
    let name = if value.is_instance_of::<PyString>() {
        value.str()?.to_string()
    } else if value.is_instance_of::<pyo3::types::PyType>() {
        format!("{}.{}", value.getattr("__module__")?, value.getattr("__name__")?).replacen(
            "rustnn.legacy.",
            "torch.",
            1,
        )
    } else {
        return Err(PyTypeError::new_err("dtype must be a type, str, or dtype object"));
    };
    if name.starts_with("torch.cuda.") {
        device::only_cpu(PyString::new(value.py(), "cuda").as_any())?;
    }
    let kind = name.strip_prefix("torch.").and_then(|n| n.strip_suffix("Tensor"));
    let found = DType::ALL.into_iter().find(|d| Some(d.scalar_name()) == kind);
    found.ok_or_else(|| {
        PyValueError::new_err(format!("invalid type: '{}'", name.trim_start_matches("builtins.")))
    })
}
