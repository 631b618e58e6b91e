//! Tensors out of Python data: nested lists, numbers, arrays, other tensors.

use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString, PyTuple};

use crate::dtype::{DType, Element};
use crate::ops::{self, copy, creation, reduce};
use crate::python::convert::{index_of, number_of, numpy_kind, python_number, tensor_of, wrap};
use crate::python::warnings;
use crate::python::{device, dtype, numpy};
use crate::scalar::{Scalar, default_dtype};
use crate::tensor::Tensor;
use crate::warn_once;

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
    if numpy::is_array(data)? {
        let shared = numpy::from_array(data, !copied)?;
        let to = dtype.unwrap_or(shared.dtype());
        return Ok(if copied && to == shared.dtype() {
            copy::clone(&shared)?
        } else {
            copy::to_dtype(&shared, to)?
        });
    }
    let mut reader =
        Reader { shape: Vec::new(), values: Vec::new(), dtype: None, wanted: dtype, wide: false };
    reader.measure(data, 0)?;
    // Without elements there is nothing to be held against the shape.
    if !reader.shape.contains(&0) {
        reader.read(data, 0)?;
    }
    reader.finish()
}

/// Walks nested sequences twice: for the shape, and for the values.
struct Reader {
    shape: Vec<usize>,
    values: Vec<Scalar>,
    /// What the values ask for.
    dtype: Option<DType>,
    /// What the caller asks for.
    wanted: Option<DType>,
    /// Whether an int was too large for 64 bits; floating-point dtypes can hold it.
    wide: bool,
}

/// A number of Python's own types, however large. The flag tells of an int beyond 64 bits.
fn any_number(value: &Bound<'_, PyAny>) -> PyResult<Option<(Scalar, bool)>> {
    match python_number(value) {
        Err(e) if e.is_instance_of::<PyOverflowError>(value.py()) => {
            let near = value.extract::<f64>().map_err(|_| overflow())?;
            Ok(Some((Scalar::Float(near), true)))
        }
        number => Ok(number?.map(|n| (n, false))),
    }
}

/// Whether a value is a float, int or bool of Python itself, which needs no second look.
fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
}

fn overflow() -> PyErr {
    PyValueError::new_err("Overflow when unpacking long long")
}

/// Items of anything that has a length and can be indexed.
fn sequence<'py>(data: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    if let Some(items) = super::convert::items(data) {
        return Ok(Some(items));
    }
    if data.is_instance_of::<PyString>()
        || data.is_instance_of::<PyBytes>()
        || data.is_instance_of::<PyDict>()
    {
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
        if any_number(data)?.is_some() || numpy_kind(data).is_some() {
            return Ok(());
        }
        if tensor_of(data).is_some() {
            return Ok(());
        }
        let Some(items) = sequence(data)? else { return Ok(()) };
        self.shape.push(items.len());
        match items.first() {
            Some(first) => {
                if depth == 0 && numpy::is_array(first)? {
                    warn_once!(
                        "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to a single numpy.ndarray with numpy.array() before converting to a tensor."
                    );
                    warnings::show_noted(data.py())?;
                }
                self.measure(first, depth + 1)
            }
            None => Ok(()),
        }
    }

    fn push(&mut self, value: Scalar, dtype: DType) {
        self.values.push(value);
        self.dtype = Some(self.dtype.map_or(dtype, |d| d.promote(dtype)));
    }

    fn read(&mut self, data: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        // NumPy's float64 and complex128 are Python numbers too, but keep their dtype.
        let own = is_plain(data) || numpy_kind(data).is_none();
        if let Some((value, wide)) = if own { any_number(data)? } else { None } {
            self.expect_leaf(depth, None)?;
            self.wide |= wide;
            self.push(value, if wide { DType::I64 } else { value.dtype() });
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
            let value = self.converted(data)?;
            self.push(value, value.dtype());
            return Ok(());
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

    /// An object that is no number: where a dtype was asked for it may be able to become one.
    fn converted(&self, data: &Bound<'_, PyAny>) -> PyResult<Scalar> {
        let name = data.get_type().name()?.to_string();
        if data.is_instance_of::<PyString>() || data.is_instance_of::<PyBytes>() {
            let deep = data.is_instance_of::<PyString>() && !self.shape.is_empty() && self.values.is_empty();
            return Err(match deep {
                true => PyValueError::new_err(format!("too many dimensions '{name}'")),
                false => PyTypeError::new_err(format!("new(): invalid data type '{name}'")),
            });
        }
        if let Some(wanted) = self.wanted {
            let method = if wanted.is_integral() { "__index__" } else { "__float__" };
            if data.hasattr(method)?
                && let Some(value) = python_number(&data.call_method0(method)?)?
            {
                return Ok(value);
            }
        }
        Err(PyRuntimeError::new_err(format!("Could not infer dtype of {name}")))
    }

    fn finish(self) -> PyResult<Tensor> {
        let dtype = self.wanted.or(self.dtype).unwrap_or_else(default_dtype);
        let t = Tensor::empty(&self.shape, dtype)?;
        if t.numel() != self.values.len() {
            return Err(PyValueError::new_err("nested sequences of different lengths"));
        }
        if self.wide && dtype.is_integral() {
            return Err(overflow());
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
            Scalar::Float(x)
                if dtype.is_integral()
                    && dtype != DType::Bool
                    && !(x.trunc() >= low as f64 && x.trunc() <= high as f64) => {}
            // Negative bytes wrap only as ints.
            Scalar::Float(x) if dtype == DType::U8 && *x <= -1.0 => {}
            Scalar::Complex(_) if dtype.is_floating() => {
                return Err(PyTypeError::new_err("must be real number, not complex"));
            }
            Scalar::Complex(_) if dtype.is_integral() && dtype != DType::Bool => {
                return Err(PyTypeError::new_err("'complex' object cannot be interpreted as an integer"));
            }
            _ => continue,
        }
        return Err(PyRuntimeError::new_err(format!(
            "value cannot be converted to type {} without overflow",
            dtype.name()
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
        Some(v) => match dtype::of(v)? {
            Some(dtype) => Ok(Some(dtype)),
            None => Err(PyTypeError::new_err(format!(
                "{function}(): argument 'dtype' must be torch.dtype, not {}",
                v.get_type().name()?
            ))),
        },
    }
}

/// A tensor out of a tensor is a copy, which `clone` says more plainly.
pub fn warn_copy_of_tensor(data: &Bound<'_, PyAny>, call: &str) -> PyResult<()> {
    if tensor_of(data).is_none() {
        return Ok(());
    }
    let text = format!(
        "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), rather than {call}."
    );
    warnings::show(data.py(), &text)
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
    warn_copy_of_tensor(data, "torch.tensor(sourceTensor)")?;
    let mut t = device::moved(tensor_from(data, dtype_argument(dtype, "tensor")?, true)?, device)?;
    if pin_memory {
        t = copy::pin(&t)?;
    }
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
    let t = tensor_from(data, dtype_argument(dtype, "as_tensor")?, false)?;
    // A tensor stays where it is unless told otherwise.
    let told = device.is_some_and(|d| !d.is_none());
    wrap(py, if told || tensor_of(data).is_none() { device::moved(t, device)? } else { t })
}

/// A tensor with the values of `obj`: a tensor, an array, a buffer, or nested sequences of numbers. Memory
/// is shared where that is possible; `copy=True` never shares it, `copy=False` raises ValueError where it
/// cannot be shared.
#[pyfunction]
#[pyo3(signature = (obj, *, dtype=None, device=None, copy=None, requires_grad=None))]
fn asarray<'py>(
    py: Python<'py>,
    obj: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
    requires_grad: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(device) = device {
        device::only_cpu(device)?;
    }
    let dtype = dtype_argument(dtype, "asarray")?;
    let shared = if let Some(t) = tensor_of(obj) {
        Some(t)
    } else if numpy::is_array(obj)? {
        Some(numpy::from_array(obj, true)?)
    } else if numpy_kind(obj).is_none() && obj.hasattr("__dlpack__")? {
        Some(super::dlpack::import_from(obj)?)
    } else {
        numpy::from_any_buffer(obj, dtype.unwrap_or_else(default_dtype))?
    };
    let keep = requires_grad.unwrap_or_else(|| tensor_of(obj).is_some_and(|t| t.requires_grad()));
    let made = match shared {
        Some(t) => {
            let to = dtype.unwrap_or(t.dtype());
            if copy == Some(false) && to != t.dtype() {
                return Err(PyValueError::new_err(format!(
                    "can't alias tensor with dtype '{}' into dtype '{}'.",
                    t.dtype().scalar_name(),
                    to.scalar_name()
                )));
            }
            let t = if keep || !t.requires_grad() { t } else { t.detach() };
            if copy == Some(true) && to == t.dtype() {
                ops::copy::clone(&t)?
            } else {
                ops::copy::to_dtype(&t, to)?
            }
        }
        None if copy == Some(false) => {
            return Err(PyValueError::new_err("can't alias arbitrary sequence into a tensor."));
        }
        None => tensor_from(obj, dtype, true)?,
    };
    if keep && !made.requires_grad() {
        // A tensor of the caller's stays as it is.
        let own = tensor_of(obj).is_some_and(|t| t.is(&made));
        let leaf = if own { made.detach() } else { made };
        leaf.set_requires_grad(true)?;
        return wrap(py, leaf);
    }
    wrap(py, made)
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
        if first.is_none() {
            return Err(PyTypeError::new_err("new(): data must be a sequence (got NoneType)"));
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
                    "new(): argument 'size' failed to unpack the object at pos {} with error \"type must be tuple of ints,but got {}\"",
                    sizes.len() + 1,
                    item.get_type().name()?
                )));
            }
        }
    }
    Ok(creation::zeros(&crate::layout::sizes_from(&sizes)?, dtype)?)
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
    let Some(value) = number_of(s)? else {
        return Err(PyTypeError::new_err(format!(
            "scalar_tensor(): argument 's' (position 1) must be Number, not {}",
            s.get_type().name()?
        )));
    };
    let t = creation::scalar(value, dtype_argument(dtype, "scalar_tensor")?.unwrap_or_else(default_dtype))?;
    let t = device::moved(t, device)?;
    t.set_requires_grad(requires_grad)?;
    wrap(py, t)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(tensor, m)?)?;
    m.add_function(wrap_pyfunction!(as_tensor, m)?)?;
    m.add_function(wrap_pyfunction!(asarray, m)?)?;
    m.add_function(wrap_pyfunction!(scalar_tensor, m)?)
}
