//! Holds Python arguments against a signature.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use smallvec::SmallVec;

use crate::ops::registry::Value;
use crate::python::convert::{self, index_of, items, number_of, numpy_kind, tensor_of};
use crate::python::dtype;
use crate::python::generator::PyGenerator;
use crate::python::signature::{Kind, Parameter, Signature};
use crate::tensor::Tensor;

/// Arguments as CPython passes them.
pub struct Call<'a, 'py> {
    pub positional: &'a [Bound<'py, PyAny>],
    pub keywords: &'a [(Bound<'py, PyString>, Bound<'py, PyAny>)],
}

/// Arguments that were held against a signature.
pub type Values = SmallVec<[Value; 6]>;

/// Keywords that no operation sees: they are about the result.
#[derive(Default)]
pub struct Extras {
    pub out: Option<Py<PyAny>>,
    pub requires_grad: bool,
    pub device: Option<crate::device::Device>,
}

/// Why arguments do not fit.
pub enum Mismatch {
    TooMany {
        takes: usize,
    },
    Missing {
        names: Vec<&'static str>,
    },
    Wrong {
        argument: &'static str,
        position: usize,
        expected: &'static str,
    },
    Unexpected {
        keyword: String,
    },
    Duplicate {
        keyword: String,
    },
    /// An exception of its own, such as an overflow.
    Raised(PyErr),
}

impl From<PyErr> for Mismatch {
    fn from(error: PyErr) -> Mismatch {
        Mismatch::Raised(error)
    }
}

/// NumPy's names for some of PyTorch's parameters.
fn alias(name: &str) -> &str {
    match name {
        "axis" => "dim",
        "keepdims" => "keepdim",
        "x" | "a" => "input",
        "x2" => "other",
        other => other,
    }
}

/// Reads the arguments of a call into `values`. `this` is the tensor of a method call.
pub fn bind<'py>(
    signature: &Signature,
    this: Option<&Tensor>,
    call: &Call<'_, 'py>,
    values: &mut Values,
) -> Result<Extras, Mismatch> {
    values.clear();
    let mut parameters = signature.parameters.iter();
    if let Some(this) = this {
        values.push(Value::Tensor(this.clone()));
        parameters.next();
    }
    let mut next = 0;
    let mut used = 0u64;
    let own = this.is_some() as usize;
    for (i, parameter) in parameters.clone().enumerate() {
        let position = i + 1;
        if parameter.variadic
            && next < call.positional.len()
            && index_of(&call.positional[next]).map_or(true, |i| i.is_some())
        {
            let mut list = SmallVec::new();
            for (at, item) in call.positional[next..].iter().enumerate() {
                match index_of(item).map_err(|_| unpack_error(parameter.name, at + 1))? {
                    Some(v) => list.push(v),
                    None => {
                        return Err(Mismatch::Wrong {
                            argument: parameter.name,
                            position,
                            expected: parameter.kind.display(),
                        });
                    }
                }
            }
            next = call.positional.len();
            values.push(Value::Ints(list));
            continue;
        }
        let given = if !parameter.keyword_only && next < call.positional.len() {
            next += 1;
            Some(&call.positional[next - 1])
        } else {
            let found = call.keywords.iter().position(|(name, _)| {
                let name = name.to_str().unwrap_or("");
                name == parameter.name || alias(name) == parameter.name
            });
            found.map(|k| {
                used |= 1 << k;
                &call.keywords[k].1
            })
        };
        let value = match given {
            Some(given) => read(parameter, given)?.ok_or(Mismatch::Wrong {
                argument: parameter.name,
                position,
                expected: parameter.kind.display(),
            })?,
            None => match parameter.default_value() {
                Some(value) => value,
                None => {
                    let missing = |p: &&Parameter| p.default.is_none() && !p.keyword_only;
                    let names =
                        signature.parameters[own + i..].iter().filter(missing).map(|p| p.name).collect();
                    return Err(Mismatch::Missing { names });
                }
            },
        };
        values.push(value);
    }
    if next < call.positional.len() {
        let takes = signature.parameters.iter().filter(|p| !p.keyword_only).count() - own;
        return Err(Mismatch::TooMany { takes });
    }
    if call.keywords.is_empty() {
        return Ok(Extras::default());
    }
    read_extras(signature, call, used)
}

/// The keywords that the signature did not use.
fn read_extras(signature: &Signature, call: &Call<'_, '_>, used: u64) -> Result<Extras, Mismatch> {
    let mut extras = Extras::default();
    for (k, (name, value)) in call.keywords.iter().enumerate() {
        if used & (1 << k) != 0 {
            continue;
        }
        let name = name.to_str()?;
        match name {
            "out" if signature.results > 0 && (value.is_none() || is_out(value, signature.results)) => {
                extras.out = (!value.is_none()).then(|| value.clone().unbind());
            }
            "device" if signature.is_factory => extras.device = super::device::read(value)?,
            "requires_grad" if signature.is_factory => extras.requires_grad = value.is_truthy()?,
            "layout" if signature.is_factory => super::formats::check_layout(value)?,
            "pin_memory" if signature.is_factory => {}
            _ if signature.parameters.iter().any(|p| p.name == name) => {
                return Err(Mismatch::Duplicate { keyword: name.to_owned() });
            }
            _ => return Err(Mismatch::Unexpected { keyword: name.to_owned() }),
        }
    }
    Ok(extras)
}

/// Whether a value can be `out=`: a tensor, or as many as there are results.
fn is_out(value: &Bound<'_, PyAny>, results: usize) -> bool {
    match results {
        1 => tensor_of(value).is_some(),
        n => tensors(value).is_some_and(|list| list.len() == n),
    }
}

/// One argument; `None` if it is of another type.
fn read(parameter: &Parameter, value: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if value.is_none() {
        return Ok(parameter.nullable.then_some(Value::None));
    }
    Ok(match parameter.kind {
        Kind::Tensor => tensor_of(value).map(Value::Tensor),
        Kind::NumberOrTensor => match tensor_of(value) {
            Some(t) => Some(Value::Tensor(t)),
            None => number_of(value)?.map(Value::Scalar),
        },
        Kind::Number => number_of(value)?.map(Value::Scalar),
        Kind::Int => index_of(value)?.map(Value::Int),
        Kind::Ints(length) => ints(parameter.name, value, length)?.map(Value::Ints),
        Kind::Float => float(value)?.map(Value::Float),
        Kind::Floats => match items(value) {
            Some(list) => list.iter().map(float).collect::<PyResult<Option<_>>>()?.map(Value::Floats),
            None => float(value)?.map(|x| Value::Floats(vec![x])),
        },
        Kind::Bool => bool_of(value).map(Value::Bool),
        Kind::Str => value.cast::<PyString>().ok().map(|s| s.to_string_lossy().into_owned()).map(Value::Str),
        Kind::DType => dtype::of(value)?.map(Value::DType),
        Kind::Generator => value.cast::<PyGenerator>().ok().map(|g| Value::Generator(g.get().0.clone())),
        Kind::MemoryFormat => super::formats::format_name(value).map(Value::Str),
        Kind::Tensors => tensors(value).map(Value::Tensors),
    })
}

fn bool_of(value: &Bound<'_, PyAny>) -> Option<bool> {
    if let Ok(b) = value.cast::<PyBool>() {
        return Some(b.is_true());
    }
    (numpy_kind(value) == Some('b')).then(|| value.is_truthy().unwrap_or(false))
}

fn float(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(x) = value.cast::<PyFloat>() {
        return Ok(Some(x.value()));
    }
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return value.extract().map(Some);
    }
    Ok(match number_of(value)? {
        Some(crate::scalar::Scalar::Complex(_) | crate::scalar::Scalar::Bool(_)) | None => None,
        Some(number) => Some(number.to_f64()),
    })
}

/// TypeError for a size that does not fit 64 bits.
fn unpack_error(name: &str, position: usize) -> PyErr {
    PyTypeError::new_err(format!(
        "argument '{name}' failed to unpack the object at pos {position} with error \"Overflow when unpacking long long\""
    ))
}

fn ints(name: &str, value: &Bound<'_, PyAny>, length: usize) -> PyResult<Option<SmallVec<[i64; 6]>>> {
    if let Some(list) = items(value) {
        let mut out = SmallVec::new();
        for (at, item) in list.iter().enumerate() {
            match index_of(item).map_err(|_| unpack_error(name, at + 1))? {
                Some(v) => out.push(v),
                None => return Ok(None),
            }
        }
        return Ok(Some(out));
    }
    if length > 0
        && let Some(v) = index_of(value)?
    {
        return Ok(Some(SmallVec::from_elem(v, length)));
    }
    Ok(None)
}

fn tensors(value: &Bound<'_, PyAny>) -> Option<Vec<Tensor>> {
    items(value)?.iter().map(tensor_of).collect()
}

/// The exception for arguments that fit no signature of a function.
pub fn explain(
    name: &str,
    overloads: &[&Signature],
    is_method: bool,
    call: &Call<'_, '_>,
    mismatch: Mismatch,
) -> PyErr {
    if let Mismatch::Raised(error) = mismatch {
        return error;
    }
    if overloads.len() > 1 {
        let mut given: Vec<String> = call.positional.iter().map(type_name).collect();
        given.extend(call.keywords.iter().map(|(n, v)| format!("{}={}", n.to_string_lossy(), type_name(v))));
        let mut text = format!(
            "{name}() received an invalid combination of arguments - got ({}), but expected one of:\n",
            given.join(", ")
        );
        for signature in overloads {
            let own = is_method as usize;
            let parameters: Vec<String> = signature.parameters[own..]
                .iter()
                .map(|p| format!("{} {}", p.kind.display(), p.name))
                .collect();
            text += &format!(" * ({})\n", parameters.join(", "));
        }
        return PyTypeError::new_err(text);
    }
    PyTypeError::new_err(match mismatch {
        Mismatch::TooMany { takes } => format!(
            "{name}() takes {takes} positional argument{} but {} {} given",
            if takes == 1 { "" } else { "s" },
            call.positional.len(),
            if call.positional.len() == 1 { "was" } else { "were" }
        ),
        Mismatch::Missing { names } => {
            let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
            format!("{name}() missing {} required positional arguments: {}", names.len(), quoted.join(", "))
        }
        Mismatch::Wrong { argument, position, expected } => {
            let at = position - 1;
            let given = call.positional.get(at).map(type_name).or_else(|| {
                let found = call
                    .keywords
                    .iter()
                    .find(|(n, _)| n.to_str().is_ok_and(|n| alias(n) == argument || n == argument));
                found.map(|(_, v)| type_name(v))
            });
            let place =
                if at < call.positional.len() { format!(" (position {position})") } else { String::new() };
            format!(
                "{name}(): argument '{argument}'{place} must be {expected}, not {}",
                given.unwrap_or_default()
            )
        }
        Mismatch::Unexpected { keyword } => {
            format!("{name}() got an unexpected keyword argument '{keyword}'")
        }
        Mismatch::Duplicate { keyword } => format!("{name}() got multiple values for argument '{keyword}'"),
        Mismatch::Raised(_) => unreachable!("returned above"),
    })
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    if convert::tensor_of(value).is_some() {
        return "Tensor".to_owned();
    }
    value.get_type().name().map_or_else(|_| "?".to_owned(), |n| n.to_string())
}
