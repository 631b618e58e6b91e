//! Python's operators on tensors.

// What `#[pymethods]` generates inside our macros counts as our code.
#![allow(unsafe_op_in_unsafe_fn)]

use pyo3::basic::CompareOp;
use pyo3::prelude::*;

use crate::autocast;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::beside;
use crate::ops::pointwise::{Arg, Row, apply, apply_inplace};
use crate::ops::table::rows;
use crate::ops::{arithmetic, matmul, table};
use crate::python::convert::{handle, number_of, tensor_of, wrap};
use crate::python::dispatch;
use crate::python::gc::without_gil;
use crate::python::indexing;
use crate::python::numpy;
use crate::python::tensor::PyTensor;
use crate::python::warnings;
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// The other operand.
enum Other {
    Tensor(Tensor),
    Number(Scalar),
}

impl Other {
    #[inline]
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Option<Other>> {
        if let Some(t) = tensor_of(value) {
            return Ok(Some(Other::Tensor(t)));
        }
        Ok(number_of(value)?.map(Other::Number))
    }

    fn arg(&self) -> Arg<'_> {
        match self {
            Other::Tensor(t) => Arg::Tensor(t),
            Other::Number(s) => Arg::Number(*s),
        }
    }

    /// Runs an operator where its operands are.
    #[inline]
    fn beside<R>(&self, this: &Tensor, body: impl FnOnce() -> Result<R>) -> Result<R> {
        match self {
            Other::Tensor(other) => beside(&[this, other], body),
            Other::Number(_) => beside(&[this], body),
        }
    }

    fn elements(&self) -> usize {
        match self {
            Other::Tensor(t) => t.numel(),
            Other::Number(_) => 0,
        }
    }
}

/// `x.real = value`.
fn write_part(part: &Tensor, value: &Bound<'_, PyAny>) -> PyResult<()> {
    match Other::read(value)? {
        Some(Other::Tensor(t)) => Ok(crate::ops::copy::assign(part, &t).map(drop)?),
        Some(Other::Number(s)) => Ok(crate::ops::creation::fill_(part, s).map(drop)?),
        None => Err(pyo3::exceptions::PyTypeError::new_err(format!(
            "cannot assign a {} to a part of a complex tensor",
            value.get_type().name()?
        ))),
    }
}

/// Above this many elements an operator runs without the GIL.
const RELEASE_GIL: usize = 16 << 10;

/// Runs a binary operator; `NotImplemented` for operands that are neither tensors nor numbers.
#[inline]
fn binary<'py>(
    name: &str,
    slf: &Bound<'py, PyTensor>,
    other: &Bound<'py, PyAny>,
    compute: impl Fn(Arg, Arg) -> Result<Tensor> + Send + Sync,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let operand = Other::read(other)?;
    let mut span = None;
    // What no class answers for is left to the other operand's own operator.
    if dispatch::active()
        && (operand.is_some() || other.hasattr("__torch_function__")?)
        && let Some(result) = dispatch::dispatch_method(&mut span, slf, name, std::slice::from_ref(other))?
    {
        return Ok(result);
    }
    let Some(other) = operand else { return Ok(py.NotImplemented().into_bound(py)) };
    let this = handle(slf);
    let result = if this.numel().saturating_add(other.elements()) > RELEASE_GIL {
        without_gil(py, || other.beside(&this, || compute(Arg::Tensor(&this), other.arg())))
    } else {
        other.beside(&this, || compute(Arg::Tensor(&this), other.arg()))
    };
    wrap(py, result?)
}

/// The right side of an operator that overwrites its left side. What is neither tensor nor number cannot
/// be had as one: then Python goes on to the operator that does not overwrite.
struct Right<'py> {
    value: Other,
    object: Bound<'py, PyAny>,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Right<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Right<'py>> {
        Other::read(&object)?
            .map(|value| Right { value, object: object.to_owned() })
            .ok_or_else(|| pyo3::exceptions::PyTypeError::new_err("expected a tensor or a number"))
    }
}

/// Runs an operator that overwrites its left side.
fn inplace<'py>(
    name: &str,
    slf: &Bound<'py, PyTensor>,
    other: Right<'py>,
    compute: impl Fn(Arg, Arg) -> Result<Tensor> + Send + Sync,
) -> PyResult<()> {
    let Right { value: other, object } = other;
    let mut span = None;
    if dispatch::active() && dispatch::dispatch_method(&mut span, slf, name, &[object])?.is_some() {
        return Ok(());
    }
    let this = handle(slf);
    if this.numel() > RELEASE_GIL {
        without_gil(slf.py(), || other.beside(&this, || compute(Arg::Tensor(&this), other.arg())))?;
    } else {
        other.beside(&this, || compute(Arg::Tensor(&this), other.arg()))?;
    }
    Ok(())
}

fn row(row: &'static Row) -> impl Fn(Arg, Arg) -> Result<Tensor> + Send + Sync {
    move |a, b| apply(row, &[a, b])
}

fn swapped(row: &'static Row) -> impl Fn(Arg, Arg) -> Result<Tensor> + Send + Sync {
    move |a, b| apply(row, &[b, a])
}

/// `compute` on what mixed precision makes of the operands of the operation of that name.
fn under_autocast(
    name: &'static str,
    compute: impl Fn(Arg, Arg) -> Result<Tensor> + Send + Sync,
) -> impl Fn(Arg, Arg) -> Result<Tensor> + Send + Sync {
    move |a, b| {
        if !autocast::enabled() {
            return compute(a, b);
        }
        let cast = |arg: Arg| arg.tensor().map(|t| autocast::cast_operand(name, t)).transpose();
        let (left, right) = (cast(a)?, cast(b)?);
        compute(left.as_ref().map_or(a, Arg::Tensor), right.as_ref().map_or(b, Arg::Tensor))
    }
}

fn into_left(row: &'static Row) -> impl Fn(Arg, Arg) -> Result<Tensor> + Send + Sync {
    move |a, b| apply_inplace(row, &[a, b])
}

macro_rules! operator_methods {
    ($($name:ident $reflected:ident $row:ident;)*) => {
        #[pymethods]
        impl PyTensor { $(
            fn $name<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                binary(stringify!($name), slf, other, row(&rows::$row::ROW))
            }
            fn $reflected<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                binary(stringify!($reflected), slf, other, swapped(&rows::$row::ROW))
            }
        )* }
    };
}
operator_methods! {
    __add__ __radd__ plus;
    __sub__ __rsub__ minus;
    __mul__ __rmul__ mul;
    __floordiv__ __rfloordiv__ floor_divide;
    __mod__ __rmod__ remainder;
    __and__ __rand__ bitwise_and;
    __or__ __ror__ bitwise_or;
    __xor__ __rxor__ bitwise_xor;
    __lshift__ __rlshift__ bitwise_left_shift;
    __rshift__ __rrshift__ bitwise_right_shift;
}

macro_rules! inplace_methods {
    ($($name:ident $row:ident;)*) => {
        #[pymethods]
        impl PyTensor { $(
            fn $name<'py>(slf: &Bound<'py, Self>, other: Right<'py>) -> PyResult<()> {
                inplace(stringify!($name), slf, other, into_left(&rows::$row::ROW))
            }
        )* }
    };
}
inplace_methods! {
    __iadd__ plus;
    __ilshift__ bitwise_left_shift;
    __irshift__ bitwise_right_shift;
    __isub__ minus;
    __imul__ mul;
    __itruediv__ div;
    __ifloordiv__ floor_divide;
    __imod__ remainder;
    __iand__ bitwise_and;
    __ior__ bitwise_or;
    __ixor__ bitwise_xor;
}

#[pymethods]
impl PyTensor {
    fn __truediv__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        binary("__truediv__", slf, other, row(&rows::div::ROW))
    }

    /// An array over a tensor is left to NumPy, as a product.
    fn __rtruediv__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if numpy::is_array(other)? {
            return slf.call_method0("reciprocal")?.mul(other);
        }
        binary("__rtruediv__", slf, other, under_autocast("reciprocal", swapped(&rows::div::ROW)))
    }

    fn __pow__<'py>(
        slf: &Bound<'py, Self>,
        exponent: &Bound<'py, PyAny>,
        modulo: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = modulo;
        binary("__pow__", slf, exponent, under_autocast("pow", |a, b| arithmetic::pow(a, b)))
    }

    fn __rpow__<'py>(
        slf: &Bound<'py, Self>,
        base: &Bound<'py, PyAny>,
        modulo: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = modulo;
        binary("__rpow__", slf, base, under_autocast("pow", |a, b| arithmetic::pow(b, a)))
    }

    fn __ipow__<'py>(
        slf: &Bound<'py, Self>,
        exponent: Right<'py>,
        modulo: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let _ = modulo;
        inplace("__ipow__", slf, exponent, into_left(&rows::pow::ROW))
    }

    /// Python 2's division, which PyTorch keeps.
    fn __div__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        binary("__div__", slf, other, row(&rows::div::ROW))
    }

    fn __rdiv__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        binary("__rdiv__", slf, other, swapped(&rows::div::ROW))
    }

    fn __idiv__<'py>(slf: &Bound<'py, Self>, other: Right<'py>) -> PyResult<Bound<'py, PyAny>> {
        inplace("__itruediv__", slf, other, into_left(&rows::div::ROW))?;
        Ok(slf.as_any().clone())
    }

    /// The real part; a view.
    #[getter]
    fn real<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        wrap(slf.py(), crate::ops::complex::real(&handle(slf))?)
    }

    #[setter(real)]
    fn set_real(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let this = handle(slf);
        write_part(&crate::ops::complex::real(&this)?, value)
    }

    #[setter(imag)]
    fn set_imag(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let this = handle(slf);
        write_part(&crate::ops::complex::imag(&this)?, value)
    }

    /// The imaginary part; a view.
    #[getter]
    fn imag<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        wrap(slf.py(), crate::ops::complex::imag(&handle(slf))?)
    }

    fn __matmul__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let mut span = None;
        if dispatch::active()
            && let Some(result) =
                dispatch::dispatch_method(&mut span, slf, "__matmul__", std::slice::from_ref(other))?
        {
            return Ok(result);
        }
        let Some(other) = tensor_of(other) else { return Ok(py.NotImplemented().into_bound(py)) };
        let (mut this, mut other) = (handle(slf), other);
        if autocast::enabled() {
            let cast = |t: &Tensor| autocast::cast_operand("matmul", t);
            (this, other) = (cast(&this)?, cast(&other)?);
        }
        let result = if this.numel().saturating_add(other.numel()) > RELEASE_GIL {
            without_gil(py, || beside(&[&this, &other], || matmul::matmul(&this, &other)))
        } else {
            beside(&[&this, &other], || matmul::matmul(&this, &other))
        };
        wrap(py, result?)
    }

    fn __neg__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__neg__", &[])?
        {
            return Ok(result);
        }
        wrap(slf.py(), table::neg(&handle(slf))?)
    }

    fn __pos__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__pos__", &[])?
        {
            return Ok(result);
        }
        wrap(slf.py(), arithmetic::positive(&handle(slf))?)
    }

    fn __abs__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__abs__", &[])?
        {
            return Ok(result);
        }
        wrap(slf.py(), arithmetic::abs(&handle(slf))?)
    }

    fn __invert__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) = dispatch::dispatch_method(&mut span, slf, "__invert__", &[])?
        {
            return Ok(result);
        }
        let t = handle(slf);
        if !t.dtype().is_integral() {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "~ (operator.invert) is only implemented on integer and Boolean-type tensors",
            ));
        }
        let result = if t.dtype() == DType::Bool { table::logical_not(&t) } else { table::bitwise_not(&t) };
        wrap(slf.py(), result?)
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (name, compare) = match op {
            CompareOp::Eq => ("__eq__", &rows::eq::ROW),
            CompareOp::Ne => ("__ne__", &rows::ne::ROW),
            CompareOp::Lt => ("__lt__", &rows::lt::ROW),
            CompareOp::Le => ("__le__", &rows::le::ROW),
            CompareOp::Gt => ("__gt__", &rows::gt::ROW),
            CompareOp::Ge => ("__ge__", &rows::ge::ROW),
        };
        // An array is compared as a tensor; for the other comparisons NumPy is asked first, and refuses.
        if matches!(op, CompareOp::Eq) && tensor_of(other).is_none() && numpy::is_array(other)? {
            let Ok(array) = numpy::from_array(other, false) else {
                return Ok(slf.py().NotImplemented().into_bound(slf.py()));
            };
            return binary(name, slf, &wrap(slf.py(), array)?, row(compare));
        }
        binary(name, slf, other, row(compare))
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mut span = None;
        if dispatch::active()
            && let Some(result) =
                dispatch::dispatch_method(&mut span, slf, "__getitem__", std::slice::from_ref(index))?
        {
            return Ok(result);
        }
        let (this, index) = (handle(slf), indexing::read(index)?);
        let result = beside(&[&this], || crate::ops::index::get(&this, &index))?;
        warnings::show_noted(slf.py())?;
        wrap(slf.py(), result)
    }

    fn __setitem__<'py>(
        slf: &Bound<'py, Self>,
        index: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let mut span = None;
        if dispatch::active()
            && dispatch::dispatch_method(&mut span, slf, "__setitem__", &[index.clone(), value.clone()])?
                .is_some()
        {
            return Ok(());
        }
        let this = handle(slf);
        let value = match Other::read(value)? {
            Some(value) => value,
            None => {
                return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                    "can't assign a {} to a torch.{}Tensor",
                    value.get_type().name()?,
                    this.dtype().scalar_name()
                )));
            }
        };
        let index = indexing::read(index)?;
        value.beside(&this, || crate::ops::index::set(&this, &index, value.arg()))?;
        warnings::show_noted(slf.py())
    }

    fn __delitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = index;
        Err(pyo3::exceptions::PyTypeError::new_err("Tensor does not support deleting items"))
    }
}
