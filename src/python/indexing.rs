//! What stands between the brackets of `x[...]`.

use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PyRange, PySlice, PyString, PyTuple};

use crate::ops::index::Index;
use crate::python::convert::{index_of, numpy_kind, tensor_of};
use crate::python::data;

/// Reads an index expression.
pub fn read(index: &Bound<'_, PyAny>) -> PyResult<Vec<Index>> {
    if let Ok(tuple) = index.cast::<PyTuple>() {
        return tuple.iter().map(|item| read_item(&item)).collect();
    }
    // A short list that holds more than numbers counts as a tuple, as in old NumPy.
    if let Some(list) = sequence(index)?
        && list.len() < 32
        && list.iter().any(is_structured)
    {
        return list.iter().map(read_item).collect();
    }
    Ok(vec![read_item(index)?])
}

/// The items of a list, or of a range.
fn sequence<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    if let Ok(list) = value.cast::<PyList>() {
        return Ok(Some(list.iter().collect()));
    }
    if value.is_instance_of::<PyRange>() {
        return value.try_iter()?.collect::<PyResult<Vec<_>>>().map(Some);
    }
    Ok(None)
}

fn is_structured(item: &Bound<'_, PyAny>) -> bool {
    item.is_none()
        || item.is_instance_of::<PyList>()
        || item.is_instance_of::<PyTuple>()
        || item.is_instance_of::<PyRange>()
        || item.is_instance_of::<PySlice>()
        || item.is_instance_of::<PyEllipsis>()
        || tensor_of(item).is_some()
}

fn read_item(item: &Bound<'_, PyAny>) -> PyResult<Index> {
    if let Ok(b) = item.cast::<PyBool>() {
        return Ok(Index::Bool(b.is_true()));
    }
    if item.is_instance_of::<PyInt>() {
        return match item.extract::<i64>() {
            Ok(i) => Ok(Index::Int(i)),
            Err(_) => Err(PyValueError::new_err("Overflow when unpacking long long")),
        };
    }
    if let Ok(slice) = item.cast::<PySlice>() {
        let step = bound(&slice.getattr("step")?)?.unwrap_or(1);
        if step <= 0 {
            return Err(PyValueError::new_err("step must be greater than zero"));
        }
        return Ok(Index::Slice {
            start: bound(&slice.getattr("start")?)?,
            end: bound(&slice.getattr("stop")?)?,
            step,
        });
    }
    if item.is_none() {
        return Ok(Index::NewAxis);
    }
    if item.is_instance_of::<PyEllipsis>() {
        return Ok(Index::Ellipsis);
    }
    if let Some(t) = tensor_of(item) {
        // A 0-d integer chooses like a number.
        if t.ndim() == 0
            && t.dtype().is_integral()
            && !matches!(t.dtype(), crate::dtype::DType::Bool | crate::dtype::DType::U8)
        {
            return Ok(Index::Int(crate::ops::reduce::item(&t)?.to_i64()));
        }
        return Ok(Index::Tensor(t));
    }
    if let Some(i) = index_of(item)? {
        return Ok(Index::Int(i));
    }
    let range = if item.is_instance_of::<PyRange>() {
        sequence(item)?.map(|items| PyList::new(item.py(), items)).transpose()?
    } else {
        None
    };
    let item = range.as_ref().map_or(item, |list| list.as_any());
    if item.is_instance_of::<PyList>()
        || item.is_instance_of::<PyTuple>()
        || numpy_kind(item).is_none() && item.hasattr("__array_interface__")?
    {
        let t = data::tensor_from(item, None, true)?;
        let t = if t.numel() == 0 { crate::ops::copy::to_dtype(&t, crate::dtype::DType::I64)? } else { t };
        return Ok(Index::Tensor(t));
    }
    if item.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("new(): invalid data type 'str'"));
    }
    Err(PyIndexError::new_err(format!(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})",
        item.get_type().name()?
    )))
}

/// A bound of a slice; numbers beyond 64 bits are clipped.
fn bound(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if value.is_none() {
        return Ok(None);
    }
    let number = if value.is_instance_of::<PyInt>() {
        value.clone()
    } else {
        value.call_method0("__index__").map_err(|_| {
            PyTypeError::new_err("slice indices must be integers or None or have an __index__ method")
        })?
    };
    match number.extract::<i64>() {
        Ok(i) => Ok(Some(i)),
        Err(_) => Ok(Some(if number.lt(0)? { i64::MIN } else { i64::MAX })),
    }
}
