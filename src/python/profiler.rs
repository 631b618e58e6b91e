//! Profiles of calls from Python: which calls are events, under which names, and the events as plain data.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PySlice, PyString, PyTuple};

use crate::autograd;
use crate::profile::{self, Argument, Options, Scope, Span};
use crate::python::convert::{items, tensor_of};
use crate::python::dispatch;
use crate::tensor::Tensor;

/// Longer texts of arguments are cut.
const TEXT: usize = 80;
/// Deeper stacks are cut.
const DEPTH: usize = 64;

/// PyTorch's name, behind "aten::", of what an operator or a method that is written by hand does; None for
/// those that compute nothing.
pub fn name_of_method<'a>(name: &'a str, args: &[Bound<'_, PyAny>]) -> Option<&'a str> {
    Some(match name {
        "__rsub__" => "rsub",
        "__rdiv__" => "div",
        "__floordiv__" | "__rfloordiv__" => "floor_divide",
        "__rmod__" => "remainder",
        "__rpow__" => "pow",
        "__eq__" => "eq",
        "__invert__" => "bitwise_not",
        "__rlshift__" => "bitwise_left_shift",
        "__rrshift__" => "bitwise_right_shift",
        "__getitem__" => name_of_index(args.get(1)?),
        "__setitem__" => match name_of_index(args.get(1)?) {
            "index" => "index_put_",
            _ if tensor_of(args.get(2)?).is_some() => "copy_",
            _ => "fill_",
        },
        "__bool__" => "is_nonzero",
        "__float__" | "__int__" | "__index__" | "__complex__" | "item" => "item",
        "float" | "double" | "half" | "bfloat16" | "long" | "int" | "short" | "char" | "byte" | "bool"
        | "cfloat" | "cdouble" | "type" | "cpu" | "to" => "to",
        "tensor" | "new_tensor" | "asarray" => "lift_fresh",
        "scalar_tensor" | "resize_" | "resize_as_" | "set_" | "transpose_" | "t_" | "squeeze_"
        | "unsqueeze_" | "as_strided_" | "detach_" => name,
        "swapaxes_" | "swapdims_" => "transpose_",
        "as_subclass" => "alias",
        _ if !name.starts_with("__") || name.starts_with("__i") || name.len() < 10 => return operator(name),
        _ => return None,
    })
}

/// Operators that are known by a method's name, or by their own.
fn operator(name: &str) -> Option<&str> {
    const METHODS: &[&str] = &[
        "add",
        "sub",
        "mul",
        "div",
        "remainder",
        "pow",
        "matmul",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "add_",
        "sub_",
        "mul_",
        "div_",
        "floor_divide_",
        "remainder_",
        "pow_",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "neg",
        "positive",
        "abs",
        "__and__",
        "__or__",
        "__xor__",
        "__lshift__",
        "__rshift__",
        "__iand__",
        "__ior__",
        "__ixor__",
        "__ilshift__",
        "__irshift__",
    ];
    METHODS.contains(&name).then_some(name)
}

/// What indexing does: the first part of the index decides, unless one is a tensor or a list.
fn name_of_index(index: &Bound<'_, PyAny>) -> &'static str {
    let of_part = |part: &Bound<'_, PyAny>| {
        if tensor_of(part).is_some() || part.is_instance_of::<PyList>() || part.is_instance_of::<PyBool>() {
            "index"
        } else if part.is_instance_of::<PyInt>() {
            "select"
        } else if part.is_instance_of::<PySlice>() {
            "slice"
        } else if part.is_none() {
            "unsqueeze"
        } else {
            "alias"
        }
    };
    match index.cast::<PyTuple>() {
        Ok(parts) => {
            let kinds: Vec<_> = parts.iter().map(|part| of_part(&part)).collect();
            if kinds.contains(&"index") { "index" } else { kinds.first().copied().unwrap_or("alias") }
        }
        Err(_) => of_part(index),
    }
}

/// The same for a declared operation.
pub fn name_of_operation(name: &str, args: &[Bound<'_, PyAny>]) -> String {
    let name = name.strip_prefix("_nn_").unwrap_or(name);
    match name {
        "cross_entropy" => "cross_entropy_loss".to_owned(),
        "nll_loss" => "nll_loss_nd".to_owned(),
        "_recurrence" => args.get(6).map_or_else(|| "rnn".to_owned(), |mode| mode.to_string().to_lowercase()),
        _ => match name.strip_prefix("_") {
            Some(rest) if ["linalg", "fft", "special", "signal"].iter().any(|m| rest.starts_with(m)) => {
                rest.to_owned()
            }
            _ => name.to_owned(),
        },
    }
}

/// Begins the event of a call.
pub fn span(
    py: Python<'_>,
    name: &str,
    args: &[Bound<'_, PyAny>],
    kwargs: &[(Bound<'_, PyString>, Bound<'_, PyAny>)],
) -> Span {
    let options = profile::options();
    let mut arguments = Vec::new();
    if options.shapes {
        arguments.extend(args.iter().map(|value| argument(String::new(), value)));
        arguments.extend(kwargs.iter().map(|(name, value)| argument(name.to_string(), value)));
    }
    let stack = if options.stacks { stack(py).unwrap_or_default() } else { Vec::new() };
    let sequence = if autograd::grad_enabled() { autograd::node::next_number() as i64 } else { -1 };
    Span::new(format!("aten::{name}"), Scope::Function, sequence, arguments, stack)
}

fn argument(keyword: String, value: &Bound<'_, PyAny>) -> Argument {
    let of_tensor = |t: &Tensor| (Some(t.sizes().to_vec()), c_name(t).to_owned());
    if let Some(t) = tensor_of(value) {
        let (sizes, kind) = of_tensor(&t);
        return Argument { keyword, sizes, kind, text: String::new() };
    }
    let mut kind = String::new();
    let plain = value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>();
    if plain {
        "Scalar".clone_into(&mut kind);
    } else if let Some(list) = items(value) {
        let of_tensors = list.first().is_some_and(|v| tensor_of(v).is_some());
        (if of_tensors { "TensorList" } else { "ScalarList" }).clone_into(&mut kind);
        if of_tensors {
            return Argument { keyword, sizes: None, kind, text: String::new() };
        }
    }
    let mut text = if value.is_none() { String::new() } else { value.to_string() };
    if let Some((at, _)) = text.char_indices().nth(TEXT) {
        text.truncate(at);
    }
    Argument { keyword, sizes: None, kind, text }
}

/// The element type as PyTorch's traces have it.
fn c_name(t: &Tensor) -> &'static str {
    match t.dtype().scalar_name() {
        "Byte" => "unsigned char",
        "Char" => "signed char",
        "Short" => "short int",
        "Int" => "int",
        "Long" => "long int",
        "Half" => "c10::Half",
        "Float" => "float",
        "Double" => "double",
        "ComplexFloat" => "c10::complex<float>",
        "ComplexDouble" => "c10::complex<double>",
        "Bool" => "bool",
        _ => "c10::BFloat16",
    }
}

/// The lines of Python that are running, innermost first: "file(line): function".
fn stack(py: Python<'_>) -> PyResult<Vec<String>> {
    let mut frame = py.import("sys")?.call_method1("_getframe", (0,))?;
    let mut lines = Vec::new();
    while !frame.is_none() && lines.len() < DEPTH {
        let code = frame.getattr("f_code")?;
        let (file, line) = (code.getattr("co_filename")?, frame.getattr("f_lineno")?);
        lines.push(format!("{file}({line}): {}", code.getattr("co_name")?));
        frame = frame.getattr("f_back")?;
    }
    Ok(lines)
}

/// Begins a profile. RuntimeError if one is being taken.
#[pyfunction]
#[pyo3(signature = (shapes=false, memory=false, stacks=false))]
fn _profile_start(shapes: bool, memory: bool, stacks: bool) -> PyResult<()> {
    if !profile::start(Options { shapes, memory, stacks }) {
        return Err(PyRuntimeError::new_err("Profiler is already enabled on this thread"));
    }
    dispatch::add_reason();
    Ok(())
}

/// Ends the profile: its length in nanoseconds, and its events: number, parent, thread, name, scope, start,
/// end, sequence, bytes, arguments (keyword, sizes, kind, text) and stack.
#[pyfunction]
fn _profile_stop(py: Python<'_>) -> PyResult<(Bound<'_, PyList>, u64)> {
    let list = PyList::empty(py);
    if !profile::on() {
        return Ok((list, 0));
    }
    dispatch::remove_reason();
    let (events, length) = profile::stop();
    for e in events {
        let arguments: Vec<_> =
            e.arguments.into_iter().map(|a| (a.keyword, a.sizes, a.kind, a.text)).collect();
        let scope = e.scope as u8;
        list.append((
            e.number, e.parent, e.thread, e.name, scope, e.start, e.end, e.sequence, e.bytes, arguments,
            e.stack,
        ))?;
    }
    Ok((list, length))
}

/// Whether a profile is being taken.
#[pyfunction]
fn _profile_on() -> bool {
    profile::on()
}

/// An event of the user's own, until `end` is called.
#[pyclass(module = "rustnn._C", name = "_ProfileEvent")]
struct UserEvent(Option<Span>);

#[pymethods]
impl UserEvent {
    #[new]
    fn new(py: Python<'_>, name: String) -> UserEvent {
        if !profile::on() {
            return UserEvent(None);
        }
        let stack = if profile::options().stacks { stack(py).unwrap_or_default() } else { Vec::new() };
        UserEvent(Some(Span::new(name, Scope::User, -1, Vec::new(), stack)))
    }

    fn end(&mut self) {
        self.0 = None;
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    // Not among the names that `import *` takes.
    m.setattr("_ProfileEvent", m.py().get_type::<UserEvent>())?;
    m.add_function(wrap_pyfunction!(_profile_start, m)?)?;
    m.add_function(wrap_pyfunction!(_profile_stop, m)?)?;
    m.add_function(wrap_pyfunction!(_profile_on, m)?)
}
