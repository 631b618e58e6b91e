//! Tensors out of Python data: nested lists, numbers, arrays, other tensors.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyDict, PyFloat, PyList, PyString, PyTuple};

use crate::dtype::{DType, Element};
use crate::ops::{copy, creation, reduce};
use crate::python::convert::{index_of, number_of, numpy_kind, python_number, tensor_of, wrap};
use crate::python::{device, dtype, numpy};
use crate::scalar::{Scalar, default_dtype};
use crate::tensor::Tensor;

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 64;

/// A tensor with the values of `data`, as `torch.tensor` makes it. Arrays and tensors keep their dtype;
/// Python numbers take the smallest of bool, int64, default float, default complex that holds all.
/// With `copy` unset, arrays and tensors that fit are shared.
pub fn tensor_from(data: &Bound<'_, PyAny>, dtype: Option<DType>, copied: bool) -> PyResult<Tensor> {
    if let Some(t) = tensor_of(data) {
        let to = dtype.unwrap_or(t.dtype());
        return Ok(match (copied, to == t.dtype()) {
            (false, true) => t,
            (true, true) => copy::clone(&t.detach())?,
            (_, false) => copy::to_dtype(&if copied { t.detach() } else { t }, to)?,
        });
    }
    if numpy_kind(data).is_none() && !data.is_instance_of::<PyList>() && !data.is_instance_of::<PyTuple>() {
        if data.hasattr("__array_interface__")? {
            let shared = numpy::from_array(data)?;
            let to = dtype.unwrap_or(shared.dtype());
            return Ok(if copied && to == shared.dtype() {
                copy::clone(&shared)?
            } else {
                copy::to_dtype(&shared, to)?
            });
        }
        if data.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("new(): invalid data type 'str'"));
        }
    }
    let mut reader = Reader { shape: Vec::new(), values: Vec::new(), dtype: None };
    let too_big = |e: PyErr| {
        let py = data.py();
        if e.is_instance_of::<pyo3::exceptions::PyOverflowError>(py) {
            return PyValueError::new_err("Overflow when unpacking long long");
        }
        e
    };
    reader.measure(data, 0).map_err(too_big)?;
    reader.read(data, 0).map_err(too_big)?;
    reader.finish(dtype)
}

/// Walks nested sequences twice: for the shape, and for the values.
struct Reader {
    shape: Vec<usize>,
    values: Vec<Scalar>,
    dtype: Option<DType>,
}

/// Items of anything that has a length and can be indexed.
fn sequence<'py>(data: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    if let Some(items) = super::convert::items(data) {
        return Ok(Some(items));
    }
    if data.is_instance_of::<PyString>() || data.is_instance_of::<PyDict>() {
        return Ok(None);
    }
    if data.hasattr("__len__")? && data.hasattr("__getitem__")? {
        let n = data.len()?;
        return (0..n).map(|i| data.get_item(i)).collect::<PyResult<Vec<_>>>().map(Some);
    }
    Ok(None)
}

impl Reader {
    fn measure(&mut self, data: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        if depth > MAX_DEPTH {
            return Err(PyValueError::new_err("too many dimensions: lists are nested more than 64 deep"));
        }
        if python_number(data)?.is_some() || numpy_kind(data).is_some() {
            return Ok(());
        }
        if tensor_of(data).is_some() {
            return Ok(());
        }
        let Some(items) = sequence(data)? else { return Ok(()) };
        self.shape.push(items.len());
        match items.first() {
            Some(first) => self.measure(first, depth + 1),
            None => Ok(()),
        }
    }

    fn push(&mut self, value: Scalar, dtype: DType) {
        self.values.push(value);
        self.dtype = Some(self.dtype.map_or(dtype, |d| d.promote(dtype)));
    }

    fn read(&mut self, data: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        if let Some(value) = python_number(data)? {
            self.expect_leaf(depth, None)?;
            self.push(value, value.dtype());
            return Ok(());
        }
        if let Some(t) = tensor_of(data) {
            if t.numel() != 1 {
                return Err(PyValueError::new_err(
                    "only one element tensors can be converted to Python scalars",
                ));
            }
            self.push(reduce::item(&t)?, t.dtype());
            return Ok(());
        }
        if numpy_kind(data).is_some() {
            self.expect_leaf(depth, None)?;
            let value = number_of(data)?.unwrap_or(Scalar::Int(0));
            let dtype = numpy::dtype_of(&data.getattr("dtype")?).unwrap_or(value.dtype());
            self.push(value, dtype);
            return Ok(());
        }
        let Some(items) = sequence(data)? else {
            if self.shape.len() > depth {
                return Err(PyTypeError::new_err("not a sequence"));
            }
            return Err(self.bad_leaf(data)?);
        };
        self.expect_leaf(depth, Some(items.len()))?;
        for item in &items {
            self.read(item, depth + 1)?;
        }
        Ok(())
    }

    /// Every branch must be as deep and as long as the first.
    fn expect_leaf(&self, depth: usize, length: Option<usize>) -> PyResult<()> {
        match (self.shape.get(depth), length) {
            (None, None) => Ok(()),
            (Some(&expected), Some(got)) if expected == got => Ok(()),
            (Some(expected), Some(got)) => Err(PyValueError::new_err(format!(
                "expected sequence of length {expected} at dim {depth} (got {got})"
            ))),
            (Some(_), None) => Err(PyTypeError::new_err("not a sequence")),
            (None, Some(_)) => Err(PyTypeError::new_err("'list' object cannot be interpreted as an integer")),
        }
    }

    fn bad_leaf(&self, data: &Bound<'_, PyAny>) -> PyResult<PyErr> {
        let name = data.get_type().name()?.to_string();
        if self.shape.is_empty() {
            return Ok(PyRuntimeError::new_err(format!("Could not infer dtype of {name}")));
        }
        if data.is_instance_of::<PyString>() {
            return Ok(match self.values.is_empty() {
                true => PyValueError::new_err("too many dimensions 'str'"),
                false => PyTypeError::new_err("new(): invalid data type 'str'"),
            });
        }
        Ok(PyRuntimeError::new_err(format!("Could not infer dtype of {name}")))
    }

    fn finish(self, dtype: Option<DType>) -> PyResult<Tensor> {
        let dtype = dtype.or(self.dtype).unwrap_or_else(default_dtype);
        let t = Tensor::empty(&self.shape, dtype)?;
        if t.numel() != self.values.len() {
            return Err(PyValueError::new_err("nested sequences of different lengths"));
        }
        check_values(&self.values, dtype)?;
        write_values(&t, &self.values);
        Ok(t)
    }
}

/// Numbers that a dtype cannot hold are refused, as Python numbers always say what they mean.
fn check_values(values: &[Scalar], dtype: DType) -> PyResult<()> {
    let (low, high) = match dtype {
        // Negative bytes wrap, in PyTorch too.
        DType::U8 => (-i64::from(u8::MAX), i64::from(u8::MAX)),
        DType::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DType::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        DType::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    for value in values {
        match value {
            Scalar::Int(i) if *i < low || *i > high => {}
            Scalar::Float(x) if dtype.is_integral() && dtype != DType::Bool && !x.is_finite() => {}
            Scalar::Complex(_) if !dtype.is_complex() && dtype != DType::Bool => {
                return Err(PyTypeError::new_err("must be real number, not complex"));
            }
            _ => continue,
        }
        return Err(PyRuntimeError::new_err(format!(
            "value cannot be converted to type {} without overflow",
            dtype.c_name()
        )));
    }
    Ok(())
}

fn write_values(t: &Tensor, values: &[Scalar]) {
    fn write<T: Element>(t: &Tensor, values: &[Scalar]) {
        use crate::dtype::Cast;
        for (i, value) in values.iter().enumerate() {
            let value: T = match *value {
                Scalar::Bool(b) => (b as i64).cast(),
                Scalar::Int(i) => i.cast(),
                Scalar::Float(x) => x.cast(),
                Scalar::Complex(z) => z.cast(),
            };
            // SAFETY: the tensor is fresh and contiguous with as many elements as values.
            unsafe { t.ptr().cast::<T>().add(i).write_unaligned(value) };
        }
    }
    crate::dispatch!(t.dtype(), T => write::<T>(t, values));
}

/// A `dtype=` argument.
pub fn dtype_argument(value: Option<&Bound<'_, PyAny>>, function: &str) -> PyResult<Option<DType>> {
    match value {
        None => Ok(None),
        Some(v) => dtype::of(v).map(Some).ok_or_else(|| {
            let name = v.get_type().name().map_or_else(|_| "?".to_owned(), |n| n.to_string());
            PyTypeError::new_err(format!("{function}(): argument 'dtype' must be torch.dtype, not {name}"))
        }),
    }
}

/// A new tensor with the values of `data`.
#[pyfunction]
#[pyo3(signature = (data, *, dtype=None, device=None, requires_grad=false, pin_memory=false))]
fn tensor<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
    requires_grad: bool,
    pin_memory: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = pin_memory;
    if let Some(device) = device {
        device::check(device)?;
    }
    let t = tensor_from(data, dtype_argument(dtype, "tensor")?, true)?;
    if requires_grad {
        t.set_requires_grad(true)?;
    }
    wrap(py, t)
}

/// A tensor with the values of `data`, over the same memory where that is possible.
#[pyfunction]
#[pyo3(signature = (data, dtype=None, device=None))]
fn as_tensor<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(device) = device {
        device::check(device)?;
    }
    wrap(py, tensor_from(data, dtype_argument(dtype, "as_tensor")?, false)?)
}

/// `Tensor(2, 3)`, `Tensor([1, 2])`, `Tensor(other)`, `Tensor()`.
pub fn legacy_tensor(args: &Bound<'_, PyTuple>, dtype: DType) -> PyResult<Tensor> {
    if args.is_empty() {
        return Ok(Tensor::empty(&[0], dtype)?);
    }
    let first = args.get_item(0)?;
    if args.len() == 1 {
        if let Some(t) = tensor_of(&first) {
            return Ok(t.detach());
        }
        let is_size = first.get_type().name()? == "Size";
        if !is_size && index_of(&first)?.is_none() {
            if python_number(&first)?.is_some() {
                return Err(PyTypeError::new_err(format!(
                    "new(): data must be a sequence (got {})",
                    first.get_type().name()?
                )));
            }
            return tensor_from(&first, Some(dtype), true);
        }
        if is_size {
            let sizes: Vec<usize> = first.extract()?;
            return Ok(Tensor::empty(&sizes, dtype)?);
        }
    }
    let mut sizes = Vec::new();
    for item in args.iter() {
        match index_of(&item)? {
            Some(n) => sizes.push(n),
            None => {
                return Err(PyTypeError::new_err(format!(
                    "new() received an invalid combination of arguments: expected sizes as ints, got {}",
                    item.get_type().name()?
                )));
            }
        }
    }
    Ok(creation::zeros(&crate::layout::sizes_from(&sizes)?, dtype)?)
}

/// What `Tensor.to` is asked for.
#[derive(Default)]
pub struct To {
    pub dtype: Option<DType>,
    pub copy: bool,
}

/// Reads the arguments of `Tensor.to`: a dtype, a device, a tensor, or a device and a dtype.
pub fn read_to(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<To> {
    let mut target = To::default();
    let mut flags = 0;
    let mut given = false;
    for arg in args.iter() {
        if arg.is_none() {
            given = true;
        } else if let Some(d) = arg.cast::<dtype::PyDType>().ok().map(|d| d.get().0) {
            (target.dtype, given) = (Some(d), true);
        } else if let Some(t) = tensor_of(&arg) {
            (target.dtype, given) = (Some(t.dtype()), true);
        } else if arg.is_instance_of::<PyFloat>() || arg.is_instance_of::<PyComplex>() {
            // A number stands for a tensor of it.
            let dtype = if arg.is_instance_of::<PyFloat>() { DType::F64 } else { DType::C128 };
            (target.dtype, given) = (Some(dtype), true);
        } else if arg.is_instance_of::<pyo3::types::PyBool>() && given {
            // non_blocking, then copy.
            if flags == 1 {
                target.copy = arg.is_truthy()?;
            }
            flags += 1;
        } else if arg.is_instance_of::<PyString>()
            || arg.cast::<device::PyDevice>().is_ok()
            || index_of(&arg)?.is_some()
        {
            device::check(&arg)?;
            given = true;
        } else {
            return Err(invalid_to(&arg)?);
        }
    }
    if let Some(kwargs) = kwargs {
        for (name, value) in kwargs.iter() {
            given = true;
            match name.cast::<PyString>()?.to_str()? {
                "dtype" => target.dtype = dtype_argument((!value.is_none()).then_some(&value), "to")?,
                "device" => device::check(&value)?,
                "copy" => target.copy = value.is_truthy()?,
                "other" => match tensor_of(&value) {
                    Some(t) => target.dtype = Some(t.dtype()),
                    None => return Err(invalid_to(&value)?),
                },
                "non_blocking" | "memory_format" => {}
                other => {
                    return Err(PyTypeError::new_err(format!(
                        "to() got an unexpected keyword argument '{other}'"
                    )));
                }
            }
        }
    }
    if !given {
        return Err(PyTypeError::new_err(
            "to() received an invalid combination of arguments - got (), but expected one of:\n * (torch.device device, torch.dtype dtype, bool non_blocking, bool copy)\n * (torch.dtype dtype, bool non_blocking, bool copy)\n * (Tensor tensor, bool non_blocking, bool copy)\n",
        ));
    }
    Ok(target)
}

fn invalid_to(arg: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    Ok(PyTypeError::new_err(format!(
        "to() received an invalid combination of arguments - got ({}), but expected one of:\n * (torch.device device, torch.dtype dtype, bool non_blocking, bool copy)\n * (torch.dtype dtype, bool non_blocking, bool copy)\n * (Tensor tensor, bool non_blocking, bool copy)\n",
        arg.get_type().name()?
    )))
}

/// A dtype from `Tensor.type`'s argument: a dtype, or a name such as `torch.FloatTensor`.
pub fn type_argument(value: &Bound<'_, PyAny>) -> PyResult<Option<DType>> {
    if let Some(d) = dtype::of(value) {
        return Ok(Some(d));
    }
    let name = if value.is_instance_of::<PyString>() {
        value.str()?.to_string()
    } else {
        value.getattr("__name__")?.to_string()
    };
    if !name.starts_with("torch.") && value.is_instance_of::<PyString>() {
        return Err(PyValueError::new_err(format!("invalid type: '{name}'")));
    }
    let name = name.trim_start_matches("torch.").trim_end_matches("Tensor");
    if value.is_instance_of::<PyString>() && !DType::ALL.iter().any(|d| d.scalar_name() == name) {
        return Err(PyValueError::new_err(format!("invalid type: 'torch.{name}'")));
    }
    Ok(DType::ALL.into_iter().find(|d| d.scalar_name() == name))
}

/// A 0-d tensor.
#[pyfunction]
#[pyo3(signature = (s, *, dtype=None, device=None, requires_grad=false))]
fn scalar_tensor<'py>(
    py: Python<'py>,
    s: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(device) = device {
        device::check(device)?;
    }
    let Some(value) = number_of(s)? else {
        return Err(PyTypeError::new_err(format!(
            "scalar_tensor(): argument 's' (position 1) must be Number, not {}",
            s.get_type().name()?
        )));
    };
    let t = creation::scalar(value, dtype_argument(dtype, "scalar_tensor")?.unwrap_or_else(default_dtype))?;
    t.set_requires_grad(requires_grad)?;
    wrap(py, t)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(tensor, m)?)?;
    m.add_function(wrap_pyfunction!(as_tensor, m)?)?;
    m.add_function(wrap_pyfunction!(scalar_tensor, m)?)
}
