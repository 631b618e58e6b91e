//! `dtype` objects: one each, so that `is` works.

use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::dtype::{Category, DType, ResultType};
use crate::python::convert::{self, number_of};
use crate::scalar;

/// A dtype that can be named, asked and saved, but that no tensor can have.
pub struct Named {
    name: &'static str,
    scalar_name: &'static str,
    category: Category,
    signed: bool,
    size: usize,
}

const fn named(
    name: &'static str,
    scalar_name: &'static str,
    category: Category,
    signed: bool,
    size: usize,
) -> Named {
    Named { name, scalar_name, category, signed, size }
}

static NAMED: [Named; 10] = [
    named("uint16", "UInt16", Category::Integral, false, 2),
    named("uint32", "UInt32", Category::Integral, false, 4),
    named("uint64", "UInt64", Category::Integral, false, 8),
    named("complex32", "ComplexHalf", Category::Complex, true, 4),
    named("float8_e4m3fn", "Float8_e4m3fn", Category::Floating, true, 1),
    named("float8_e4m3fnuz", "Float8_e4m3fnuz", Category::Floating, true, 1),
    named("float8_e5m2", "Float8_e5m2", Category::Floating, true, 1),
    named("float8_e5m2fnuz", "Float8_e5m2fnuz", Category::Floating, true, 1),
    named("float8_e8m0fnu", "Float8_e8m0fnu", Category::Floating, false, 1),
    named("float4_e2m1fn_x2", "Float4_e2m1fn_x2", Category::Floating, true, 1),
];
/// Places in `NAMED`.
const WIDE_UNSIGNED: usize = 3;
const COMPLEX_HALF: usize = 3;

/// What a dtype object stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tensors can have it.
    Own(DType),
    /// The place in `NAMED`.
    Named(usize),
}

#[pyclass(name = "dtype", module = "rustnn", frozen)]
pub struct PyDType(Kind);

impl PyDType {
    /// The dtype of tensors. NotImplementedError for one that is only a name.
    pub fn own(&self) -> PyResult<DType> {
        match self.0 {
            Kind::Own(dtype) => Ok(dtype),
            Kind::Named(i) => Err(PyNotImplementedError::new_err(format!(
                "rustnn has no tensors of dtype torch.{}",
                NAMED[i].name
            ))),
        }
    }

    fn name(&self) -> &'static str {
        match self.0 {
            Kind::Own(dtype) => dtype.name(),
            Kind::Named(i) => NAMED[i].name,
        }
    }

    fn scalar_name(&self) -> &'static str {
        match self.0 {
            Kind::Own(dtype) => dtype.scalar_name(),
            Kind::Named(i) => NAMED[i].scalar_name,
        }
    }

    fn category(&self) -> Category {
        match self.0 {
            Kind::Own(dtype) => dtype.category(),
            Kind::Named(i) => NAMED[i].category,
        }
    }
}

#[pymethods]
impl PyDType {
    fn __repr__(&self) -> String {
        format!("torch.{}", self.name())
    }

    fn __reduce__(&self) -> &'static str {
        self.name()
    }

    #[getter]
    fn is_floating_point(&self) -> bool {
        self.category() == Category::Floating
    }

    #[getter]
    fn is_complex(&self) -> bool {
        self.category() == Category::Complex
    }

    #[getter]
    fn is_signed(&self) -> bool {
        match self.0 {
            Kind::Own(dtype) => !matches!(dtype, DType::U8 | DType::Bool),
            Kind::Named(i) => NAMED[i].signed,
        }
    }

    /// Bytes an element takes.
    #[getter]
    fn itemsize(&self) -> usize {
        match self.0 {
            Kind::Own(dtype) => dtype.size(),
            Kind::Named(i) => NAMED[i].size,
        }
    }

    /// The complex dtype whose parts are of this one.
    fn to_complex(&self, py: Python<'_>) -> PyResult<Py<PyDType>> {
        match self.0 {
            Kind::Own(DType::F16) => Ok(object_of(py, Kind::Named(COMPLEX_HALF))),
            Kind::Own(dtype) if dtype.is_differentiable() => Ok(object(py, dtype.to_complex())),
            Kind::Named(COMPLEX_HALF) => Ok(object_of(py, self.0)),
            _ => {
                Err(PyRuntimeError::new_err(format!("Unknown Complex ScalarType for {}", self.scalar_name())))
            }
        }
    }

    /// The dtype of the parts of a complex one; any other dtype itself.
    fn to_real(&self, py: Python<'_>) -> Py<PyDType> {
        match self.0 {
            Kind::Own(dtype) => object(py, dtype.to_real()),
            Kind::Named(COMPLEX_HALF) => object(py, DType::F16),
            named => object_of(py, named),
        }
    }
}

static OBJECTS: PyOnceLock<Vec<Py<PyDType>>> = PyOnceLock::new();

/// The one object for a dtype.
pub fn object(py: Python<'_>, dtype: DType) -> Py<PyDType> {
    object_of(py, Kind::Own(dtype))
}

fn object_of(py: Python<'_>, kind: Kind) -> Py<PyDType> {
    let all = OBJECTS.get_or_init(py, || {
        let own = DType::ALL.into_iter().map(Kind::Own);
        let kinds = own.chain((0..NAMED.len()).map(Kind::Named));
        kinds.map(|kind| Py::new(py, PyDType(kind)).expect("a dtype object can be made")).collect()
    });
    let at = match kind {
        Kind::Own(dtype) => dtype as usize,
        Kind::Named(i) => DType::ALL.len() + i,
    };
    all[at].clone_ref(py)
}

/// `dtype` from an argument: a dtype object, or one of the Python types that PyTorch accepts.
/// NotImplementedError for a dtype that is only a name.
pub fn of(value: &Bound<'_, PyAny>) -> PyResult<Option<DType>> {
    if let Ok(dtype) = value.cast::<PyDType>() {
        return dtype.get().own().map(Some);
    }
    if !value.is_instance_of::<pyo3::types::PyType>() {
        return Ok(None);
    }
    let name = value.getattr("__name__")?;
    Ok(match name.cast::<PyString>()?.to_str()? {
        "float" => Some(DType::F64),
        "int" => Some(DType::I64),
        "bool" => Some(DType::Bool),
        "complex" => Some(DType::C128),
        _ => None,
    })
}

#[pyfunction]
fn get_default_dtype(py: Python<'_>) -> Py<PyDType> {
    object(py, scalar::default_dtype())
}

/// Sets the dtype of floating-point tensors that are made without one.
#[pyfunction]
fn set_default_dtype(d: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(dtype) = d.cast::<PyDType>() else {
        return Err(PyTypeError::new_err(
            "invalid dtype object: only floating-point types are supported as the default type",
        ));
    };
    let dtype = dtype.get().own()?;
    if !dtype.is_floating() {
        return Err(PyTypeError::new_err("only floating-point types are supported as the default type"));
    }
    scalar::set_default_dtype(dtype);
    Ok(())
}

/// The dtype of a result of both. RuntimeError where PyTorch has none.
#[pyfunction]
fn promote_types(
    py: Python<'_>,
    type1: &Bound<'_, PyDType>,
    type2: &Bound<'_, PyDType>,
) -> PyResult<Py<PyDType>> {
    let (a, b) = (type1.get(), type2.get());
    let refused = |what: &str| {
        let (a, b) = (a.scalar_name(), b.scalar_name());
        Err(PyRuntimeError::new_err(format!(
            "Promotion for {what} is not supported, attempted to promote {a} and {b}"
        )))
    };
    match (a.0, b.0) {
        (Kind::Own(x), Kind::Own(y)) => Ok(object(py, x.promote(y))),
        (x, y) if x == y => Ok(object_of(py, x)),
        (Kind::Named(COMPLEX_HALF), Kind::Own(d)) | (Kind::Own(d), Kind::Named(COMPLEX_HALF)) => {
            Ok(match d {
                DType::F16 => object_of(py, Kind::Named(COMPLEX_HALF)),
                d if d.is_integral() => object_of(py, Kind::Named(COMPLEX_HALF)),
                d => object(py, d.promote(DType::C64)),
            })
        }
        (Kind::Named(i), Kind::Own(d)) | (Kind::Own(d), Kind::Named(i))
            if i < WIDE_UNSIGNED && d.is_floating() =>
        {
            Ok(object(py, d))
        }
        (Kind::Named(i), _) | (_, Kind::Named(i)) if NAMED[i].category == Category::Floating => {
            refused(if NAMED[i].name.starts_with("float4") { "Float4 Types" } else { "Float8 Types" })
        }
        _ => refused("uint16, uint32, uint64 types"),
    }
}

/// Whether a result of one dtype may be written into the other.
#[pyfunction]
fn can_cast(from_: &Bound<'_, PyDType>, to: &Bound<'_, PyDType>) -> bool {
    let (from, to) = (from_.get().category(), to.get().category());
    // Nothing is lost of a kind of number that the target has too; only bools fit into bools.
    !(from > to && from >= Category::Floating) && (from == Category::Bool || to != Category::Bool)
}

/// The dtype of an operation over two tensors or numbers.
#[pyfunction]
fn result_type(
    py: Python<'_>,
    tensor1: &Bound<'_, PyAny>,
    tensor2: &Bound<'_, PyAny>,
) -> PyResult<Py<PyDType>> {
    let mut result = ResultType::default();
    for value in [tensor1, tensor2] {
        result = if let Some(t) = convert::tensor_of(value) {
            result.tensor(t.dtype(), t.ndim())
        } else if let Some(s) = number_of(value)? {
            result.scalar(s.dtype())
        } else {
            return Err(PyTypeError::new_err(format!(
                "result_type(): expected a Tensor or a number, not {}",
                value.get_type().name()?
            )));
        };
    }
    Ok(object(py, result.get()))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDType>()?;
    let aliases = [
        ("float", DType::F32),
        ("double", DType::F64),
        ("half", DType::F16),
        ("long", DType::I64),
        ("int", DType::I32),
        ("short", DType::I16),
        ("cfloat", DType::C64),
        ("cdouble", DType::C128),
    ];
    let names = DType::ALL.iter().map(|&d| (d.name(), d));
    for (name, dtype) in names.chain(aliases) {
        m.add(name, object(m.py(), dtype))?;
    }
    for (i, named) in NAMED.iter().enumerate() {
        m.add(named.name, object_of(m.py(), Kind::Named(i)))?;
    }
    m.add("chalf", object_of(m.py(), Kind::Named(COMPLEX_HALF)))?;
    m.add_function(wrap_pyfunction!(get_default_dtype, m)?)?;
    m.add_function(wrap_pyfunction!(set_default_dtype, m)?)?;
    m.add_function(wrap_pyfunction!(promote_types, m)?)?;
    m.add_function(wrap_pyfunction!(can_cast, m)?)?;
    m.add_function(wrap_pyfunction!(result_type, m)?)
}
