//! The operations of `ops` as functions of the module and methods of `Tensor`.
//!
//! Overloads of one name form a group; in-place twins are groups of their own.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString};
use smallvec::SmallVec;

use crate::autocast::{self, Policies, Policy};
use crate::autograd;
use crate::device::{self, Device};
use crate::error::Error;
use crate::ops::cuda::common_device;
use crate::ops::node_names::NodeName;
use crate::ops::registry::{Args, Call as OpCall, Op, Output, Value};
use crate::ops::{self, copy};
use crate::python::arguments::{Call, Extras, Mismatch, Values, bind, explain};
use crate::python::convert::{handle, output_object, tensor_of};
use crate::python::deprecated::modernized;
use crate::python::entry::{Entry, Positional, definition, entries, fast_arguments, guarded};
use crate::python::gc::without_gil;
use crate::python::signature::Signature;
use crate::python::tensor::PyTensor;
use crate::python::warnings;
use crate::python::{device as python_device, dispatch, out, profiler};
use crate::tensor::Tensor;

/// All overloads of a name.
struct Group {
    /// As in `rustnn._C`.
    name: String,
    overloads: Vec<(&'static Op, Signature)>,
    inplace: bool,
    /// What the nodes of its results are called, if not like the operation.
    node: Option<NodeName>,
    /// What mixed precision does with its arguments.
    policies: Policies,
}

impl Group {
    /// The function of the module.
    fn function<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("rustnn._C")?.getattr(self.name.as_str())
    }

    /// The method of Tensor.
    fn method<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.get_type::<PyTensor>().getattr(self.name.as_str())
    }
}

static GROUPS: PyOnceLock<Vec<Group>> = PyOnceLock::new();

fn groups(py: Python<'_>) -> &'static [Group] {
    GROUPS.get_or_init(py, || {
        let mut groups: Vec<Group> = Vec::new();
        let mut add = |name: String, inplace: bool, op: &'static Op| {
            let mut signature = Signature::read(op.signature);
            if !out::is_taken(op.name()) {
                signature.results = 0;
            }
            let entry = (op, signature);
            match groups.iter_mut().find(|g| g.name == name) {
                Some(group) => group.overloads.push(entry),
                None => {
                    let node = ops::node_names::of(op.name()).filter(|_| !inplace);
                    let policies =
                        if inplace { [Policy::Neutral; 2] } else { autocast::policies_of(op.name()) };
                    groups.push(Group { name, overloads: vec![entry], inplace, node, policies });
                }
            }
        };
        for op in ops::all() {
            let name = native_name(op.name());
            if op.variants.inplace {
                add(format!("{name}_"), true, op);
            }
            add(name, false, op);
            for (alias, of) in ALIASES {
                if *of == op.name() {
                    add((*alias).to_owned(), false, op);
                    if op.variants.inplace {
                        add(format!("{alias}_"), true, op);
                    }
                }
            }
        }
        groups
    })
}

/// The name in `rustnn._C`: PyTorch's own, but for operations that live in a module of their own
/// (`linalg.inv`, `nn.functional.hardtanh`): `_linalg_inv`, `_nn_hardtanh`.
fn native_name(name: &str) -> String {
    match name.split_once('.') {
        None => name.to_owned(),
        Some(_) => format!("_{}", name.replace("nn.functional.", "nn.").replace('.', "_")),
    }
}

/// The name that a function of a module tells: `hardtanh` of `nn.functional`, `linalg_inv`, as PyTorch's do.
fn public_name(group: &Group) -> (&str, &str) {
    let of_module = group.overloads.iter().any(|(op, _)| op.name().contains('.'));
    match group.name.strip_prefix("_nn_") {
        Some(name) if of_module => (name, "rustnn.nn.functional"),
        _ if of_module => (group.name.trim_start_matches('_'), "rustnn._C"),
        _ => (&group.name, "rustnn._C"),
    }
}

/// How messages name a group: `hardtanh`, `linalg_inv`.
fn display_name(name: &str) -> &str {
    name.strip_prefix("_nn_").or_else(|| name.strip_prefix('_')).unwrap_or(name)
}

/// Other names of operations.
const ALIASES: &[(&str, &str)] = &[
    ("grid_sampler_2d", "grid_sampler"),
    ("grid_sampler_3d", "grid_sampler"),
    ("native_channel_shuffle", "channel_shuffle"),
    ("multiply", "mul"),
    ("subtract", "sub"),
    ("divide", "div"),
    ("absolute", "abs"),
    ("negative", "neg"),
    ("concat", "cat"),
    ("concatenate", "cat"),
    ("swapaxes", "transpose"),
    ("swapdims", "transpose"),
    ("moveaxis", "movedim"),
    ("clip", "clamp"),
    ("greater", "gt"),
    ("greater_equal", "ge"),
    ("less", "lt"),
    ("less_equal", "le"),
    ("not_equal", "ne"),
    ("arctan2", "atan2"),
    ("arcsin", "asin"),
    ("arccos", "acos"),
    ("arctan", "atan"),
    ("arccosh", "acosh"),
    ("arcsinh", "asinh"),
    ("arctanh", "atanh"),
    ("fix", "trunc"),
    ("ger", "outer"),
    ("row_stack", "vstack"),
    ("trapz", "trapezoid"),
];

/// In-place twins that PyTorch has as functions of the module too; the others are methods alone.
const INPLACE_FUNCTIONS: &[&str] = &[
    "abs_",
    "acos_",
    "acosh_",
    "addmv_",
    "alpha_dropout_",
    "arccos_",
    "arccosh_",
    "arcsin_",
    "arcsinh_",
    "arctan_",
    "arctanh_",
    "as_strided_",
    "asin_",
    "asinh_",
    "atan_",
    "atanh_",
    "ceil_",
    "celu_",
    "clamp_",
    "clamp_max_",
    "clamp_min_",
    "clip_",
    "conj_physical_",
    "cos_",
    "cosh_",
    "deg2rad_",
    "detach_",
    "dropout_",
    "embedding_renorm_",
    "erf_",
    "erfc_",
    "exp2_",
    "exp_",
    "expm1_",
    "feature_alpha_dropout_",
    "feature_dropout_",
    "fill_",
    "fix_",
    "floor_",
    "frac_",
    "gcd_",
    "i0_",
    "index_put_",
    "lcm_",
    "ldexp_",
    "log10_",
    "log1p_",
    "log2_",
    "log_",
    "logit_",
    "nan_to_num_",
    "neg_",
    "negative_",
    "rad2deg_",
    "reciprocal_",
    "relu_",
    "resize_as_",
    "round_",
    "rrelu_",
    "rsqrt_",
    "selu_",
    "sigmoid_",
    "sin_",
    "sinc_",
    "sinh_",
    "sqrt_",
    "square_",
    "tan_",
    "tanh_",
    "threshold_",
    "trunc_",
    "xlogy_",
    "zero_",
];

/// Above this many elements among its arguments an operation runs without the GIL.
const RELEASE_GIL: usize = 16 << 10;

/// Finds the overload that fits and runs it.
fn call_group<'py>(
    py: Python<'py>,
    group: &Group,
    this: Option<&Bound<'py, PyTensor>>,
    call: &Call<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let tensor = this.map(handle);
    // An overload may exist as a function alone, or as a method alone.
    let offered =
        |op: &Op| group.inplace || if this.is_some() { op.variants.method } else { op.variants.function };
    let mut first_mismatch = None;
    let mut values = Values::new();
    for (op, signature) in &group.overloads {
        if !offered(op) {
            continue;
        }
        match bind(signature, tensor.as_ref(), call, &mut values) {
            Ok(Extras { out: Some(_), .. }) if this.is_some() => {
                first_mismatch = Some(Mismatch::Unexpected { keyword: "out".to_owned() });
                break;
            }
            Ok(extras) => {
                if let Some(target) = &extras.out {
                    out::prepare(target.bind(py), op.name(), signature, &mut values)?;
                } else if group.policies != [Policy::Neutral; 2] && autocast::enabled() {
                    autocast::cast_arguments(group.policies, &mut values)?;
                }
                return run(py, group, op, &values, extras, this, call);
            }
            Err(mismatch @ Mismatch::Raised(_)) => {
                first_mismatch = Some(mismatch);
                break;
            }
            Err(mismatch) => first_mismatch = first_mismatch.or(Some(mismatch)),
        }
    }
    if !matches!(first_mismatch, Some(Mismatch::Raised(_)))
        && let Some((positional, keywords)) = modernized(py, &group.name, this.is_some(), call)?
    {
        return call_group(py, group, this, &Call { positional: &positional, keywords: &keywords });
    }
    // An object that is no tensor may still know what to do.
    if this.is_none()
        && let Some(result) =
            dispatch::dispatch_to_objects(py, || group.function(py), call.positional, call.keywords)?
    {
        return Ok(result);
    }
    let overloads: Vec<&Signature> =
        group.overloads.iter().filter(|(op, _)| offered(op)).map(|(_, s)| s).collect();
    let mismatch = first_mismatch.expect("a group has an overload");
    Err(explain(display_name(&group.name), &overloads, this.is_some(), call, mismatch))
}

fn run<'py>(
    py: Python<'py>,
    group: &Group,
    op: &'static Op,
    values: &[Value],
    extras: Extras,
    this: Option<&Bound<'py, PyTensor>>,
    call: &Call<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let elements: usize = values
        .iter()
        .map(|v| match v {
            Value::Tensor(t) => t.numel(),
            Value::Tensors(list) => list.iter().map(Tensor::numel).sum(),
            Value::Ints(sizes) => sizes.iter().map(|&s| s.max(0) as usize).fold(1, usize::saturating_mul),
            _ => 0,
        })
        .fold(0, usize::saturating_add);
    let before = group.node.map(|_| autograd::node::next_number());
    let compute = || {
        if !device::others_in_use() && extras.device.is_none_or(|d| d == Device::Cpu) {
            return if group.inplace { call_inplace(op, values) } else { (op.call)(&Args(values)) };
        }
        call_on_device(group, op, values, extras.device)
    };
    let place = || {
        if !extras.pin_memory {
            return compute();
        }
        device::check_pinning()?;
        match device::pinned(compute)? {
            Output::Tensor(t) if t.device().is_cuda() => {
                Err(Error::Autograd("Only dense CPU tensors can be pinned".to_owned()))
            }
            Output::Tensor(t) => copy::pin(&t).map(Output::Tensor),
            other => Ok(other),
        }
    };
    let mut output = if elements > RELEASE_GIL { without_gil(py, place) } else { place() }?;
    if let (Some(node), Some(before)) = (group.node, before) {
        output.name_nodes(node(&Args(values)), before);
    }
    warnings::show_noted(py)?;
    if let Some(out) = extras.out {
        return out::write(out.into_bound(py), op.name(), values, output);
    }
    let Output::Tensor(result) = output else { return output_object(py, output) };
    if extras.requires_grad {
        result.set_requires_grad(true)?;
    }
    // An operation may hand back one of its arguments: then the object is the same too.
    if let (Some(this), Value::Tensor(tensor)) = (this, &values[0])
        && tensor.is(&result)
    {
        return Ok(this.as_any().clone());
    }
    if this.is_none()
        && let Some(Value::Tensor(tensor)) = values.first()
        && tensor.is(&result)
        && let Some(first) = call.positional.first()
        && tensor_of(first).is_some_and(|t| t.is(&result))
    {
        return Ok(first.clone());
    }
    output_object(py, Output::Tensor(result))
}

/// As usual, with the thread's place where the arguments are, or where `device=` says.
#[cold]
fn call_on_device(
    group: &Group,
    op: &'static Op,
    values: &[Value],
    asked: Option<Device>,
) -> crate::error::Result<Output> {
    let tensors = || {
        values.iter().flat_map(|v| match v {
            Value::Tensor(t) => std::slice::from_ref(t),
            Value::Tensors(list) => list.as_slice(),
            _ => &[],
        })
    };
    let place = match asked {
        Some(device) => device,
        None if tensors().next().is_none() => python_device::default(),
        None if CROSS_DEVICES.contains(&op.name()) => {
            tensors().next().map(Tensor::device).unwrap_or_default()
        }
        None => common_device(tensors())?,
    };
    let run = || if group.inplace { call_inplace(op, values) } else { (op.call)(&Args(values)) };
    let result = match device::at(place, || device::guarded(run)) {
        // What is made out of nothing, and not drawn, can be made by the host and sent.
        Err(Error::NoKernel(_)) if tensors().next().is_none() && !draws(values, op) => {
            match device::at(Device::Cpu, || device::guarded(run))? {
                Output::Tensor(made) => copy::to_device(&made, place).map(Output::Tensor),
                other => Ok(other),
            }
        }
        other => other,
    };
    result.map_err(|error| match error {
        Error::NoKernel(device) => {
            let dtypes: Vec<&str> = tensors().map(|t| t.dtype().name()).collect();
            Error::Unsupported(format!(
                "'{}' is not implemented for tensors on '{device}' ({}); it runs on the CPU",
                display_name(&group.name),
                dtypes.join(", ")
            ))
        }
        error => error,
    })
}

/// Operations whose tensors may be on several devices: the first one says where the result is.
const CROSS_DEVICES: &[&str] = &["copy_", "ctc_loss", "index_put", "type_as"];

/// Whether an operation draws random numbers, of which a GPU has its own.
fn draws(values: &[Value], op: &Op) -> bool {
    values.iter().any(|v| matches!(v, Value::Generator(_))) || op.signature.contains("Generator")
}

/// The in-place form: its own call, or the result copied into the first argument.
fn call_inplace(op: &'static Op, values: &[Value]) -> crate::error::Result<Output> {
    if let Some(call) = op.call_inplace {
        return call(&Args(values));
    }
    general_inplace(op.call, values)
}

fn general_inplace(call: OpCall, values: &[Value]) -> crate::error::Result<Output> {
    let Value::Tensor(x) = &values[0] else {
        return Err(crate::error::Error::Type("an in-place operation needs a tensor".to_owned()));
    };
    let compute = |old: &Tensor| {
        let mut values: SmallVec<[Value; 6]> = values.iter().cloned().collect();
        values[0] = Value::Tensor(old.clone());
        match call(&Args(&values))? {
            Output::Tensor(result) => Ok(result),
            _ => Err(crate::error::Error::Type("an in-place operation yields one tensor".to_owned())),
        }
    };
    let others = values[1..].iter().flat_map(|value| match value {
        Value::Tensor(t) => std::slice::from_ref(t),
        Value::Tensors(list) => list.as_slice(),
        _ => &[],
    });
    let others: SmallVec<[&Tensor; 6]> = others.collect();
    Ok(copy::in_place(compute, x, &others)?.into())
}

// ---- entry points ----

/// A function of the module: group `I`.
unsafe extern "C" fn function_entry<const I: usize>(
    _module: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls with the GIL held and valid arguments.
    unsafe { call_function(I, args, count, names) }
}

/// # Safety
/// As CPython calls: with the GIL held and valid arguments.
unsafe fn call_function(
    index: usize,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe {
        let py = Python::assume_attached();
        guarded(py, || {
            let (positional, keywords) = fast_arguments(py, args, count, names)?;
            let group = &groups(py)[index];
            let mut span = None;
            let name = || Some(profiler::name_of_operation(&group.name, &positional));
            if dispatch::active()
                && let Some(result) =
                    dispatch::dispatch(py, &mut span, name, || group.function(py), &positional, &keywords)?
            {
                return Ok(result.into_ptr());
            }
            let call = Call { positional: &positional, keywords: &keywords };
            Ok(call_group(py, group, None, &call)?.into_ptr())
        })
    }
}

/// A method of Tensor: group `I`.
unsafe extern "C" fn method_entry<const I: usize>(
    this: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as `call_method` asks; CPython checks that `this` is a Tensor.
    unsafe { call_method(I, this, args, count, names) }
}

/// # Safety
/// As CPython calls: with the GIL held and valid arguments, `this` a Tensor.
unsafe fn call_method(
    index: usize,
    this: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe {
        let py = Python::assume_attached();
        guarded(py, || {
            let this = Bound::from_borrowed_ptr(py, this).cast_into::<PyTensor>()?;
            let (positional, keywords) = fast_arguments(py, args, count, names)?;
            let group = &groups(py)[index];
            let mut span = None;
            if dispatch::active() {
                let mut all = Positional::new();
                all.push(this.as_any().clone());
                all.extend(positional.iter().cloned());
                let name = || Some(profiler::name_of_operation(&group.name, &all));
                if let Some(result) =
                    dispatch::dispatch(py, &mut span, name, || group.method(py), &all, &keywords)?
                {
                    return Ok(result.into_ptr());
                }
            }
            let call = Call { positional: &positional, keywords: &keywords };
            Ok(call_group(py, group, Some(&this), &call)?.into_ptr())
        })
    }
}

/// An entry point for each group; more are added by another number in both lines.
static FUNCTION_ENTRIES: [[Entry; 16]; BLOCKS] = entries!(function_entry:
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
static METHOD_ENTRIES: [[Entry; 16]; BLOCKS] = entries!(method_entry:
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
/// Of sixteen entry points each.
const BLOCKS: usize = 64;

fn entry_of(entries: &'static [[Entry; 16]; BLOCKS], group: usize) -> Entry {
    *entries.as_flattened().get(group).expect("as many entry points as groups")
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    let class = py.get_type::<PyTensor>();
    for (i, group) in groups(py).iter().enumerate() {
        let doc = group.overloads.iter().map(|(op, _)| op.doc).find(|d| !d.is_empty()).unwrap_or("");
        if group.overloads.iter().any(|(op, _)| op.variants.method) {
            let entry = entry_of(&METHOD_ENTRIES, i);
            let def = definition(&group.name, doc, entry)?;
            // SAFETY: the definition is never freed; the result is a new reference or an error.
            let method = unsafe {
                Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), def))?
            };
            class.setattr(group.name.as_str(), method)?;
        }
        let is_function = group.overloads.iter().any(|(op, _)| op.variants.function);
        let hidden = group.inplace
            && !group.name.starts_with('_')
            && !INPLACE_FUNCTIONS.contains(&group.name.as_str());
        if is_function && !hidden {
            let (name, module_name) = public_name(group);
            let def = definition(name, doc, entry_of(&FUNCTION_ENTRIES, i))?;
            let module_name = PyString::new(py, module_name);
            // SAFETY: the definition is never freed; the arguments are borrowed for the call.
            let function = unsafe {
                Bound::from_owned_ptr_or_err(
                    py,
                    ffi::PyCFunction_NewEx(def, m.as_ptr(), module_name.as_ptr()),
                )?
            };
            m.add(group.name.as_str(), &function)?;
            if module_name == "rustnn._C" && name != group.name {
                // Where pickles look for it; not among the names that `import *` takes.
                m.setattr(name, function)?;
            }
        }
    }
    m.add_function(wrap_pyfunction!(_ops, m)?)
}

/// The declarations of all operations: what stubs and tests are made of.
#[pyfunction]
fn _ops(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for op in ops::all() {
        let entry = PyDict::new(py);
        entry.set_item("name", op.name())?;
        entry.set_item("native", native_name(op.name()))?;
        entry.set_item("signature", op.signature)?;
        entry.set_item("doc", op.doc.trim())?;
        let mut variants = Vec::new();
        for (has, name) in [
            (op.variants.function, "function"),
            (op.variants.method, "method"),
            (op.variants.inplace, "inplace"),
        ] {
            if has {
                variants.push(name);
            }
        }
        entry.set_item("variants", variants)?;
        entry.set_item("samples", samples(op))?;
        entry.set_item("takes_out", out::is_taken(op.name()))?;
        entry.set_item("differentiable", op.differentiable && !op.signature.ends_with("bool"))?;
        entry.set_item("domain", op.domain)?;
        list.append(entry)?;
    }
    Ok(list)
}

/// Sample calls: those declared, or, for rows of the table, calls over their domain.
fn samples(op: &Op) -> Vec<String> {
    if let Some((low, high)) = op.domain
        && op.samples.is_empty()
    {
        let t = |shape: &str| format!("t({shape}, low={low}, high={high})");
        return if op.signature.contains("other") {
            let mut samples = vec![
                format!("{}, {}", t("3, 4"), t("3, 4")),
                format!("{}, {}", t("3, 1"), t("4")),
                format!("{}, 2", t("3")),
                format!("{}, 1.5", t("3")),
                format!("{}, {}", t("0, 3"), t("3")),
            ];
            if op.signature.contains("(Number|Tensor input") {
                samples.push(format!("2, {}", t("3")));
            }
            samples
        } else {
            let nc = format!("nc(3, 4, low={low}, high={high})");
            vec![t("3, 4"), t("0"), format!("t(low={low}, high={high})"), nc]
        };
    }
    op.samples.split('|').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}
