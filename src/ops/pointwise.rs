//! What the rows of the table (`ops/table.rs`) do: promotion, broadcasting, the kernel, and the node
//! that carries the row's gradient (`gradient`).

mod gradient;

use std::mem::MaybeUninit;

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, grad_enabled, inplace};
use crate::bail;
use crate::cpu::loops::{Loops, MAX_OPERANDS, PerOperand};
use crate::cpu::pointwise::{Kernel, Operand, Typed, run};
use crate::device;
use crate::dtype::{DType, ResultType};
use crate::error::Result;
use crate::layout::{Show, Sizes, Strides, broadcast, dense_strides, memory_order, same_sizes};
use crate::ops::graph_math::Var;
use crate::ops::registry::{Args, Value};
use crate::ops::{copy, cuda, reduce};
use crate::scalar::{Scalar, default_dtype};
use crate::tensor::Tensor;

/// A row: one pointwise operation.
pub struct Row {
    pub name: &'static str,
    pub doc: &'static str,
    pub inputs: &'static [&'static str],
    pub kernels: Typed,
    /// The result is bool: a comparison.
    pub to_bool: bool,
    /// Trailing inputs that are numbers and take no part in promotion: scale factors, slopes.
    pub settings: usize,
    /// Leading inputs that take no part in promotion: the condition of `where`.
    pub conditions: usize,
    pub grads: &'static [RowGrad],
    /// Refuses arguments before anything is computed.
    pub check: Option<Check>,
    pub domain: (f64, f64),
}

/// Refuses arguments of a row: they come with the dtype that they will be computed in.
pub type Check = fn(&Row, &[Arg], DType) -> Result<()>;

/// The gradient of a row with respect to one input.
pub struct RowGrad {
    /// Its position among the row's inputs.
    pub input: u8,
    /// What the formula reads.
    pub reads: &'static [Read],
    pub kernels: Typed,
    /// The formula is `g` itself.
    pub identity: bool,
    /// The same formula over tensors.
    pub graph: for<'a> fn(&[Var<'a>]) -> Var<'a>,
}

/// What a gradient's formula reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Input(u8),
    /// The result, `y` in the formulas.
    Result,
    /// The incoming gradient, `g`.
    Gradient,
}

impl Read {
    /// What a name in a formula stands for, decided when the table is compiled.
    pub const fn of(inputs: &[&str], name: &str) -> Read {
        match name.as_bytes() {
            b"y" => Read::Result,
            b"g" => Read::Gradient,
            _ => Read::Input(position(inputs, name)),
        }
    }
}

/// Where a name stands among the inputs of a row; compiling fails if it does not.
pub const fn position(inputs: &[&str], name: &str) -> u8 {
    let mut i = 0;
    while i < inputs.len() {
        let (a, b) = (inputs[i].as_bytes(), name.as_bytes());
        let mut same = a.len() == b.len();
        let mut at = 0;
        while same && at < a.len() {
            same = a[at] == b[at];
            at += 1;
        }
        if same {
            return i as u8;
        }
        i += 1;
    }
    panic!("a gradient names an input that the row does not have")
}

/// An argument of a pointwise operation. Numbers never become tensors.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    Tensor(&'a Tensor),
    Number(Scalar),
}

impl<'a> Arg<'a> {
    pub fn tensor(self) -> Option<&'a Tensor> {
        match self {
            Arg::Tensor(t) => Some(t),
            Arg::Number(_) => None,
        }
    }
}

impl<'a> From<&'a Value> for Arg<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Tensor(t) => Arg::Tensor(t),
            Value::Scalar(s) => Arg::Number(*s),
            _ => panic!("declared as Number|Tensor"),
        }
    }
}
impl<'a> From<&'a Tensor> for Arg<'a> {
    fn from(t: &'a Tensor) -> Self {
        Arg::Tensor(t)
    }
}
impl From<Scalar> for Arg<'_> {
    fn from(s: Scalar) -> Self {
        Arg::Number(s)
    }
}
impl From<f64> for Arg<'_> {
    fn from(x: f64) -> Self {
        Arg::Number(Scalar::Float(x))
    }
}

/// The arguments of a registry call as pointwise arguments.
pub fn args_of<'a>(args: &'a Args) -> SmallVec<[Arg<'a>; 3]> {
    args.0.iter().map(Arg::from).collect()
}

/// Computes a row and records it.
#[inline]
pub fn apply(row: &'static Row, args: &[Arg]) -> Result<Tensor> {
    let out = match compute_small(row, args) {
        Some(out) => out?,
        None => {
            let common = common_dtype(row, args)?;
            let result = if row.to_bool { DType::Bool } else { common };
            launch(&row.kernels, row.name, args, common, result, None)?
        }
    };
    let wants_grad = |a: &Arg| a.tensor().is_some_and(Tensor::requires_grad);
    if row.to_bool || !grad_enabled() || !args.iter().any(wants_grad) {
        return Ok(out);
    }
    Ok(gradient::record(row, args, out))
}

/// Elements up to which an operation is done at once, without loops.
const SMALL: usize = 64;

/// The most frequent call of all, without any of the general machinery: a few floats, contiguous, of
/// one shape and dtype, perhaps with numbers. `None` for every other call.
#[inline]
fn compute_small(row: &Row, args: &[Arg]) -> Option<Result<Tensor>> {
    let Arg::Tensor(first) = args[0] else { return None };
    let (n, dtype) = (first.numel(), first.dtype());
    let kernels = match dtype {
        DType::F32 => row.kernels.f32.as_ref()?,
        DType::F64 => row.kernels.f64.as_ref()?,
        _ => return None,
    };
    // That the first is contiguous is seen below, with the others.
    if n > SMALL || n == 0 || row.conditions > 0 || args.len() >= MAX_OPERANDS {
        return None;
    }
    if device::others_in_use() && args.iter().any(|a| a.tensor().is_some_and(|t| t.device().is_cuda())) {
        return None;
    }
    // Not zeroed: that would cost more than the operation.
    let mut numbers = [[MaybeUninit::<f64>::uninit(); SMALL]; 2];
    let mut free = numbers.iter_mut();
    let mut inputs = [std::ptr::null::<u8>(); MAX_OPERANDS];
    for (input, arg) in inputs.iter_mut().zip(args) {
        *input = match arg {
            Arg::Tensor(t)
                if t.dtype() == dtype && same_sizes(t.sizes(), first.sizes()) && t.is_contiguous() =>
            {
                t.ptr()
            }
            Arg::Number(s @ (Scalar::Int(_) | Scalar::Float(_))) => {
                splat(s.to_f64(), dtype, &mut free.next()?[..n])
            }
            _ => return None,
        };
    }
    let out = match Tensor::empty_as(first, n, if row.to_bool { DType::Bool } else { dtype }) {
        Ok(out) => out,
        Err(error) => return Some(Err(error)),
    };
    // SAFETY: every input has n elements of the kernel's type; the output is fresh.
    unsafe { kernels.get()(n, out.ptr(), inputs.as_ptr()) };
    Some(Ok(out))
}

/// Writes a number as often as there are places for f64, in the given dtype.
#[inline]
fn splat(value: f64, dtype: DType, places: &mut [MaybeUninit<f64>]) -> *const u8 {
    if dtype == DType::F64 {
        places.fill(MaybeUninit::new(value));
    } else {
        let start = places.as_mut_ptr().cast::<f32>();
        // SAFETY: as many f32 fit into the memory of as many f64.
        (0..places.len()).for_each(|i| unsafe { start.add(i).write(value as f32) });
    }
    places.as_ptr().cast()
}

/// Computes a row into `args[0]`, which must be a tensor, and records it. Returns that tensor.
pub fn apply_inplace(row: &'static Row, args: &[Arg]) -> Result<Tensor> {
    let x = args[0].tensor().expect("in-place operations write to a tensor");
    let common = common_dtype(row, args)?;
    let result = if row.to_bool { DType::Bool } else { common };
    if !result.can_cast(x.dtype()) {
        bail!(
            DType,
            "result type {} can't be cast to the desired output type {}",
            result.scalar_name(),
            x.dtype().scalar_name()
        );
    }
    let tensors: SmallVec<[&Tensor; 3]> = args.iter().filter_map(|a| a.tensor()).collect();
    let graph = autograd::needs_grad(&tensors);
    inplace::check(x, graph)?;
    check_broadcasts_into(x, args)?;
    if !graph {
        if args[1..].iter().any(|a| a.tensor().is_some_and(|t| overlaps(t, x))) {
            let value = launch(&row.kernels, row.name, args, common, result, None)?;
            copy::write(x, &value)?;
        } else {
            launch(&row.kernels, row.name, args, common, result, Some(x))?;
        }
        inplace::rebase(x, None);
        return Ok(x.clone());
    }
    // The gradient may need the old value: the node keeps a copy where it reads it.
    let reads_old = row.grads.iter().any(|g| g.reads.contains(&Read::Input(0)));
    let old = if reads_old { autograd::no_grad(|| copy::clone(x))? } else { x.detach() };
    let old = match x.gradient_edge() {
        Some(edge) => old.with_producer(edge),
        None => old,
    };
    let mut with_old: SmallVec<[Arg; 3]> = args.into();
    with_old[0] = Arg::Tensor(&old);
    let value = apply(row, &with_old)?;
    copy::write(x, &value)?;
    inplace::rebase(x, value.producer());
    Ok(x.clone())
}

/// Whether `t` shares memory with `x` without being exactly `x`.
fn overlaps(t: &Tensor, x: &Tensor) -> bool {
    if !t.storage().same(x.storage()) || (t.layout() == x.layout() && t.dtype() == x.dtype()) {
        return false;
    }
    true
}

fn check_broadcasts_into(x: &Tensor, args: &[Arg]) -> Result<()> {
    let mut shape: Sizes = x.sizes().into();
    for t in args.iter().filter_map(|a| a.tensor()) {
        shape = broadcast(&shape, t.sizes())?;
    }
    if shape[..] != *x.sizes() {
        bail!(
            Shape,
            "output with shape {} doesn't match the broadcast shape {}",
            Show(x.sizes()),
            Show(&shape)
        );
    }
    Ok(())
}

/// The dtype that a row computes its arguments in, as seen from outside.
pub fn common_dtype(row: &Row, args: &[Arg]) -> Result<DType> {
    let mut result = ResultType::default();
    for arg in &args[row.conditions..args.len() - row.settings] {
        result = match arg {
            Arg::Tensor(t) => result.tensor(t.dtype(), t.ndim()),
            Arg::Number(s) => result.scalar(s.dtype()),
        };
    }
    if args.iter().all(|a| a.tensor().is_none()) {
        bail!(Type, "{}(): one of the arguments must be a Tensor", row.name);
    }
    let mut dtype = result.get();
    if dtype.is_integral() && row.kernels.int.is_none() {
        dtype = default_dtype();
    }
    if let Some(check) = row.check {
        check(row, args, dtype)?;
    }
    Ok(dtype)
}

/// Runs kernels over broadcast arguments. `common` is what the arguments are converted to.
pub fn launch(
    kernels: &Typed,
    name: &str,
    args: &[Arg],
    common: DType,
    result: DType,
    out: Option<&Tensor>,
) -> Result<Tensor> {
    let Some((compute, kernel)) = kernels.for_dtype(common) else {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", common.scalar_name());
    };
    let produce = if result == DType::Bool && kernels.to_bool { DType::Bool } else { compute };
    let first = args.iter().find_map(|a| a.tensor()).expect("one argument is a tensor");

    // Everything side by side in memory and of one type: one call, or one a thread.
    let alike = |a: &Arg| match a {
        Arg::Tensor(t) => same_sizes(t.sizes(), first.sizes()) && t.is_contiguous(),
        Arg::Number(_) => true,
    };
    if device::others_in_use() {
        let device = cuda::common_device(args.iter().filter_map(|a| a.tensor()).chain(out))?;
        if device.is_cuda() {
            return device::at(device, || launch_on_gpu(kernels, args, common, result, out));
        }
    }
    if args.iter().all(alike) && out.is_none_or(|o| alike(&Arg::Tensor(o))) {
        let out = match out {
            Some(out) => out.clone(),
            None => Tensor::empty(first.sizes(), result)?,
        };
        if out.numel() > 0 {
            run_flat(kernel.get(), compute, produce, &out, args, common);
        }
        return Ok(out);
    }

    let mut sizes: Sizes = first.sizes().into();
    for t in args.iter().filter_map(|a| a.tensor()) {
        sizes = broadcast(&sizes, t.sizes())?;
    }
    let out = match out {
        Some(out) => out.clone(),
        None => empty_like_operands(&sizes, args, result)?,
    };
    if out.numel() > 0 {
        run_strided(kernel.get(), compute, produce, &out, args, common)?;
    }
    Ok(out)
}

/// As [`launch`], on a GPU, which is the present place.
#[cold]
fn launch_on_gpu(
    kernels: &Typed,
    args: &[Arg],
    common: DType,
    result: DType,
    out: Option<&Tensor>,
) -> Result<Tensor> {
    // A tensor of one element on the host goes along as a number.
    let mut on_gpu: SmallVec<[Arg; 3]> = SmallVec::new();
    for arg in args {
        on_gpu.push(match arg {
            Arg::Tensor(t) if !t.device().is_cuda() => Arg::Number(reduce::scalar_of(t)?),
            other => *other,
        });
    }
    let mut sizes = Sizes::new();
    for t in args.iter().filter_map(|a| a.tensor()) {
        sizes = broadcast(&sizes, t.sizes())?;
    }
    let out = match out {
        Some(out) => out.clone(),
        None => empty_like_operands(&sizes, args, result)?,
    };
    cuda::pointwise::launch(&kernels.formula, kernels.to_bool, &out, &on_gpu, common)?;
    Ok(out)
}

/// Memory of the arguments; numbers are put into `numbers`, as the common dtype holds them.
fn operands_of(
    args: &[Arg],
    numbers: &mut [[u8; 16]; MAX_OPERANDS],
    common: DType,
) -> SmallVec<[Operand; 4]> {
    args.iter()
        .zip(numbers)
        .map(|(arg, bytes)| match arg {
            Arg::Tensor(t) => t.operand(),
            Arg::Number(s) => {
                let (value, dtype) = s.wrapped(common).bytes();
                *bytes = value;
                Operand { ptr: bytes.as_mut_ptr(), dtype }
            }
        })
        .collect()
}

/// All tensors contiguous and of one shape.
fn run_flat(kernel: Kernel, compute: DType, produce: DType, out: &Tensor, args: &[Arg], common: DType) {
    let mut numbers = [[0u8; 16]; MAX_OPERANDS];
    let operands = operands_of(args, &mut numbers, common);
    let mut steps: PerOperand = [0; MAX_OPERANDS];
    steps[0] = out.dtype().size() as isize;
    for (step, arg) in steps[1..].iter_mut().zip(args) {
        *step = arg.tensor().map_or(0, |t| t.dtype().size() as isize);
    }
    let loops = Loops::flat(out.numel(), steps);
    // SAFETY: all tensors are contiguous with as many elements as the output; numbers live on this
    // stack. Callers give no output that partly overlaps an input.
    unsafe { run(kernel, compute, produce, out.operand(), &operands, &loops) };
}

/// Any strides; tensors are broadcast to the output.
fn run_strided(
    kernel: Kernel,
    compute: DType,
    produce: DType,
    out: &Tensor,
    args: &[Arg],
    common: DType,
) -> Result<()> {
    // A matrix that lies the other way is turned first: that has a kernel of its own.
    let turned: SmallVec<[Option<Tensor>; 3]> = args
        .iter()
        .map(|arg| arg.tensor().filter(|t| is_turned(t, out)).map(turned_back).transpose())
        .collect::<Result<_>>()?;
    let args: SmallVec<[Arg; 3]> =
        args.iter().zip(&turned).map(|(arg, turned)| turned.as_ref().map_or(*arg, Arg::Tensor)).collect();
    let args = &args[..];
    let mut numbers = [[0u8; 16]; MAX_OPERANDS];
    let operands = operands_of(args, &mut numbers, common);
    let mut strides: SmallVec<[(Strides, usize); MAX_OPERANDS]> = SmallVec::new();
    strides.push((out.strides().into(), out.dtype().size()));
    strides.extend(args.iter().map(|arg| match arg {
        Arg::Tensor(t) => (t.layout().broadcast_to(out.sizes()).strides, t.dtype().size()),
        Arg::Number(_) => (smallvec![0; out.ndim()], 0),
    }));
    let strides: SmallVec<[(&[isize], usize); MAX_OPERANDS]> =
        strides.iter().map(|(s, bytes)| (s.as_slice(), *bytes)).collect();
    let loops = Loops::new(out.sizes(), &strides);
    // SAFETY: tensors are valid over their layouts, and these were broadcast to the output's sizes;
    // numbers live on this stack. Callers give no output that partly overlaps an input.
    unsafe { run(kernel, compute, produce, out.operand(), &operands, &loops) };
    Ok(())
}

/// Elements from which a copy that turns an operand pays.
const TURNED: usize = 16 << 10;

/// Whether `t`, of the sizes of a contiguous output, goes on evenly along another dimension.
fn is_turned(t: &Tensor, out: &Tensor) -> bool {
    let even = |t: &Tensor| (0..t.ndim()).rev().find(|&d| t.size(d) > 1 && t.strides()[d] == 1);
    out.numel() >= TURNED
        && out.is_contiguous()
        && same_sizes(t.sizes(), out.sizes())
        && !t.strides().contains(&0)
        && even(t).is_some_and(|d| even(out) != Some(d))
}

fn turned_back(t: &Tensor) -> Result<Tensor> {
    let dense = Tensor::empty(t.sizes(), t.dtype())?;
    copy::write(&dense, t)?;
    Ok(dense)
}

/// A result laid out as PyTorch does it: in the memory order of the operands.
pub fn empty_like_operands(sizes: &[usize], args: &[Arg], dtype: DType) -> Result<Tensor> {
    let tensors: SmallVec<[&Tensor; 3]> = args.iter().filter_map(|a| a.tensor()).collect();
    if tensors.iter().all(|t| t.sizes() != sizes || t.is_contiguous()) {
        return Tensor::empty(sizes, dtype);
    }
    let strides: SmallVec<[_; 3]> = tensors.iter().map(|t| t.layout().broadcast_to(sizes).strides).collect();
    let strides: SmallVec<[&[isize]; 3]> = strides.iter().map(|s| s.as_slice()).collect();
    Tensor::empty_dense(sizes, dense_strides(sizes, &memory_order(sizes, &strides)), dtype)
}
