//! Scans: running sums, products, extremes along a dimension; differences and the trapezoidal rule.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::scan::{self, Scan};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, wrap_dim};
use crate::ops::arithmetic::{add, div, mul, sub};
use crate::ops::cuda::scan::Operands;
use crate::ops::lines::{check_ordered, length, only_element, other_sizes, picked, side, with_length};
use crate::ops::reduce::sum_dtype;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, cuda, joining, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Runs a scan; no tape.
fn scanned(x: &Tensor, dim: usize, kind: Scan, from_end: bool) -> Result<Tensor> {
    let out = Tensor::empty(x.sizes(), x.dtype())?;
    if out.device().is_cuda() {
        let operands = Operands { x, g: None, out: &out, indices: None };
        cuda::scan::scan(kind.into(), &operands, dim, from_end)?;
    } else if out.numel() > 0 {
        let sides = [side(x, dim), side(&out, dim)];
        // SAFETY: both tensors have these sizes; the output is fresh.
        unsafe { scan::scan(x.dtype(), &other_sizes(x, dim), length(x, dim), &sides, kind, from_end) };
    }
    Ok(out)
}

/// Sums of the first 1, 2, ... elements along a dimension, or of the last ones.
fn running_sum(x: &Tensor, dim: usize, from_end: bool) -> Result<Tensor> {
    let out = scanned(x, dim, Scan::Sum, from_end)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "cumsum", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(running_sum(g, dim, !from_end)?)])
    }))
}

/// Products of the first 1, 2, ... elements along a dimension, or of the last ones.
pub fn running_product(x: &Tensor, dim: usize, from_end: bool) -> Result<Tensor> {
    let out = scanned(x, dim, Scan::Prod, from_end)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "cumprod", &[x], &[Save::Input(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        // dy_j/dx_i is the product of what comes before i times that between i and j; the latter are
        // summed by a recurrence, without dividing, so that zeros do no harm.
        let x = conjugate(&cx.saved(0)?)?;
        let later = recurrence(&shifted(&x, dim, !from_end, Scalar::Int(0))?, g, dim, !from_end)?;
        Ok(smallvec![Some(mul(&product_before(&x, dim, from_end)?, &later)?)])
    }))
}

/// For each element the product of those that come before it, or after it.
pub fn product_before(x: &Tensor, dim: usize, from_end: bool) -> Result<Tensor> {
    shifted(&running_product(x, dim, from_end)?, dim, from_end, Scalar::Int(1))
}

fn conjugate(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() { table::conj(x) } else { Ok(x.clone()) }
}

/// Each element moved one place to the end (or to the start); `fill` where none comes from.
fn shifted(x: &Tensor, dim: usize, to_start: bool, fill: Scalar) -> Result<Tensor> {
    if x.ndim() == 0 || x.size(dim) == 0 {
        return creation::full(x.sizes(), fill, x.dtype());
    }
    let rest = view::narrow(x, dim as i64, to_start as i64, x.size(dim) as i64 - 1)?;
    padded(&rest, dim, to_start, fill)
}

/// One element more at the end (or at the start) of each line.
fn padded(x: &Tensor, dim: usize, at_end: bool, fill: Scalar) -> Result<Tensor> {
    let one = creation::full(&with_length(x, dim, 1), fill, x.dtype())?;
    joining::cat(&if at_end { [x.clone(), one] } else { [one, x.clone()] }, dim as i64)
}

/// `y_i = g_i + a_i * y_{i-1}` along a dimension, or from its end.
fn recurrence(a: &Tensor, g: &Tensor, dim: usize, from_end: bool) -> Result<Tensor> {
    let out = Tensor::empty(g.sizes(), g.dtype())?;
    if out.device().is_cuda() {
        let operands = Operands { x: a, g: Some(g), out: &out, indices: None };
        cuda::scan::scan(cuda::scan::Scan::Recurrence, &operands, dim, from_end)?;
    } else if out.numel() > 0 {
        let sides = [side(a, dim), side(g, dim), side(&out, dim)];
        // SAFETY: all tensors have these sizes and the same dtype; the output is fresh.
        unsafe { scan::recurrence(g.dtype(), &other_sizes(g, dim), length(g, dim), &sides, from_end) };
    }
    if !autograd::needs_grad(&[a, g]) {
        return Ok(out);
    }
    Ok(autograd::record(
        out,
        "CumulativeRecurrenceBackward0",
        &[a, g],
        &[Save::Input(0), Save::Output(0)],
        move |cx| {
            let Some(up) = cx.grad() else { return Ok(smallvec![None, None]) };
            // The adjoint is the same recurrence from the other end.
            let a = shifted(&conjugate(&cx.saved(0)?)?, dim, !from_end, Scalar::Int(0))?;
            let for_g = recurrence(&a, up, dim, !from_end)?;
            let before = shifted(&conjugate(&cx.saved(1)?)?, dim, from_end, Scalar::Int(0))?;
            let for_a = if cx.needs(0) { Some(mul(&for_g, &before)?) } else { None };
            Ok(smallvec![for_a, Some(for_g)])
        },
    ))
}

fn cumsum(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    let d = wrap_dim(dim, x.ndim())?;
    running_sum(&copy::to_dtype(x, sum_dtype(x, dtype))?, d, false)
}

fn cumprod(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    let d = wrap_dim(dim, x.ndim())?;
    running_product(&copy::to_dtype(x, sum_dtype(x, dtype))?, d, false)
}

/// The in-place form of `cumsum` and `cumprod`, which keeps the dtype.
fn in_place(a: &Args, name: &str, f: fn(&Tensor, i64, Option<DType>) -> Result<Tensor>) -> Result<Output> {
    let x = a.tensor(0);
    if x.dtype() == DType::Bool && x.numel() > 1 {
        bail!(Unsupported, "\"{name}_out_cpu\" not implemented for 'Bool'");
    }
    if let Some(other) = a.dtype(2).filter(|&d| d != x.dtype()) {
        bail!(
            DType,
            "Bad in-place call: input tensor dtype {} and output tensor dtype {} should match",
            x.dtype().c_name(),
            other.c_name()
        );
    }
    // The node may keep the old value, which is about to be overwritten.
    let old = if autograd::needs_grad(&[x]) { copy::clone(x)? } else { x.detach() };
    Ok(copy::assign(x, &f(&old, a.int(1), Some(x.dtype()))?)?.into())
}

/// log(cumsum(exp(x))), without overflow.
fn logcumsumexp(x: &Tensor, dim: i64) -> Result<Tensor> {
    let d = wrap_dim(dim, x.ndim())?;
    if !x.dtype().is_differentiable() {
        bail!(Unsupported, "\"logcumsumexp_out_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let out = scanned(x, d, Scan::LogSumExp, false)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "logcumsumexp", &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        // dy_j/dx_i = exp(x_i - y_j) = exp(x_i - y_i) exp(y_i - y_{i+1}) ...: no factor exceeds 1.
        let (x, y) = (cx.saved(0)?, cx.saved(1)?);
        if x.ndim() == 0 {
            return Ok(smallvec![Some(g.clone())]);
        }
        let own = conjugate(&weight(&x, &y)?)?;
        if x.size(d) < 2 {
            return Ok(smallvec![Some(mul(&own, g)?)]);
        }
        let n = x.size(d) as i64;
        let steps = weight(&view::narrow(&y, d as i64, 0, n - 1)?, &view::narrow(&y, d as i64, 1, n - 1)?)?;
        let steps = padded(&conjugate(&steps)?, d, true, Scalar::Int(0))?;
        Ok(smallvec![Some(mul(&own, &recurrence(&steps, g, d, true)?)?)])
    }))
}

/// exp(a - b), which is 0 where `a` is minus infinity.
fn weight(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let nothing = table::eq(&a.detached(), f64::NEG_INFINITY)?;
    let ratio = table::exp(&sub(a, b)?)?;
    // A GPU is not waited for to save a launch.
    if !a.device().is_cuda() && !reduce::any_nonzero(&nothing)? {
        return Ok(ratio);
    }
    crate::ops::arithmetic::where_(&nothing, 0.0, &ratio)
}

/// The largest (smallest) elements so far and their indices.
fn running_extreme(x: &Tensor, dim: i64, largest: bool, name: &'static str) -> Result<Output> {
    // PyTorch does not look at the dimension where there are no elements.
    let d = if x.numel() == 0 { 0 } else { wrap_dim(dim, x.ndim())? };
    if x.ndim() == 0 {
        let (values, indices) = only_element(x, name)?;
        return Ok(Output::Named(name, &["values", "indices"], vec![values, indices]));
    }
    check_ordered(x, name)?;
    let (values, indices) = (Tensor::empty(x.sizes(), x.dtype())?, Tensor::empty(x.sizes(), DType::I64)?);
    if values.device().is_cuda() {
        let kind = if largest { cuda::scan::Scan::Max } else { cuda::scan::Scan::Min };
        let operands = Operands { x, g: None, out: &values, indices: Some(&indices) };
        cuda::scan::scan(kind, &operands, d, false)?;
    } else if values.numel() > 0 {
        let sides = [side(x, d), side(&values, d), side(&indices, d)];
        // SAFETY: all tensors have these sizes; the outputs are fresh.
        unsafe { scan::extreme(x.dtype(), &other_sizes(x, d), length(x, d), &sides, largest) };
    }
    let (values, indices) = picked(x, d, values, indices, true, name);
    Ok(Output::Named(name, &["values", "indices"], vec![values, indices]))
}

/// Differences of neighbours along a dimension, `n` times over.
fn diff(x: &Tensor, n: i64, dim: i64, before: Option<&Tensor>, after: Option<&Tensor>) -> Result<Tensor> {
    if x.ndim() == 0 {
        bail!(Autograd, "diff expects input to be at least one-dimensional");
    }
    let d = wrap_dim(dim, x.ndim())?;
    if n < 0 {
        bail!(Autograd, "order must be non-negative but got {n}");
    }
    for t in [before, after].into_iter().flatten() {
        if t.ndim() != x.ndim() {
            bail!(Autograd, "diff expects prepend or append to be the same dimension as input");
        }
        for i in (0..x.ndim()).filter(|&i| i != d) {
            if t.size(i) != x.size(i) {
                bail!(
                    Shape,
                    "diff expects the shape of tensor to prepend or append to match that of input except along the differencing dimension; input.size({i}) = {}, but got tensor.size({i}) = {}",
                    x.size(i),
                    t.size(i)
                );
            }
        }
    }
    if n == 0 {
        return copy::clone(x);
    }
    let parts: Vec<Tensor> = [before, Some(x), after].into_iter().flatten().cloned().collect();
    let mut out = if parts.len() > 1 { joining::cat(&parts, d as i64)? } else { x.clone() };
    let length = out.size(d) as i64;
    for done in 0..n.min(length) {
        let rest = length - done - 1;
        let (later, sooner) =
            (view::narrow(&out, d as i64, 1.min(rest + 1), rest)?, view::narrow(&out, d as i64, 0, rest)?);
        out = match x.dtype() {
            DType::Bool => table::logical_xor(&later, &sooner)?,
            _ => sub(&later, &sooner)?,
        };
    }
    Ok(out)
}

/// The areas of the trapezoids between neighbours along a dimension.
fn trapezoids(y: &Tensor, x: Option<&Tensor>, dx: f64, dim: i64) -> Result<Tensor> {
    let d = wrap_dim(dim, y.ndim())?;
    if y.dtype() == DType::Bool || x.is_some_and(|x| x.dtype() == DType::Bool) {
        bail!(DType, "trapezoid: received a bool input for `x` or `y`, but bool is not supported");
    }
    let n = length(y, d) as i64;
    let d = d as i64;
    let y_sums = add(&view::narrow(y, d, 1, n - 1)?, &view::narrow(y, d, 0, n - 1)?)?;
    let Some(x) = x else { return mul(&y_sums, dx) };
    if x.ndim() == 1 && x.numel() as i64 != n {
        bail!(
            Shape,
            "trapezoid: There must be one `x` value for each sample point, got {} for {n}",
            x.numel()
        );
    }
    // One coordinate a sample: along `dim`, or with the shape of y.
    let steps = if x.ndim() == 1 {
        let mut sizes = vec![1; y.ndim()];
        sizes[d as usize] = x.numel();
        diff(&view::reshape_to(x, &sizes)?, 1, d, None, None)?
    } else if x.ndim() < y.ndim() {
        let mut sizes = vec![1; y.ndim() - x.ndim()];
        sizes.extend_from_slice(x.sizes());
        diff(&view::reshape_to(x, &sizes)?, 1, d, None, None)?
    } else {
        diff(x, 1, d - y.ndim() as i64, None, None)?
    };
    if steps.numel() == 0 && y_sums.numel() > 0 {
        bail!(Shape, "trapezoid: x of shape {} does not fit y of shape {}", Show(x.sizes()), Show(y.sizes()));
    }
    mul(&y_sums, &steps)
}

fn trapezoid_call(a: &Args, cumulative: bool) -> Result<Output> {
    let y = a.tensor(0);
    let (x, dx) = match &a.0[1] {
        crate::ops::registry::Value::Tensor(x) => (Some(x), 1.0),
        crate::ops::registry::Value::Scalar(s) => (None, s.to_f64()),
        _ => (None, 1.0),
    };
    let d = wrap_dim(a.int(2), y.ndim())?;
    if length(y, d) == 0 && !cumulative {
        let dtype = if y.dtype().is_integral() { crate::scalar::default_dtype() } else { y.dtype() };
        let sizes: Vec<usize> = other_sizes(y, d).to_vec();
        return Ok(creation::zeros(&sizes, dtype)?.into());
    }
    let areas = trapezoids(y, x, dx, a.int(2))?;
    let total = if cumulative {
        cumsum(&areas, a.int(2), None)?
    } else {
        reduce::sum(&areas, Some(&[a.int(2)]), false, None)?
    };
    Ok(div(&total, 2.0)?.into())
}

pub const OPS: &[Op] = &[
    Op::new("cumsum(Tensor input, int dim, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(cumsum(a.tensor(0), a.int(1), a.dtype(2))?.into())
    })
    .method()
    .inplace_by(|a| in_place(a, "cumsum", cumsum))
    .doc("Running sums along a dimension.")
    .samples("t(3, 4), 0 | t(2, 3, 4), -2 | nc(3, 4), 1 | t(), 0 | t(0, 3), 0 | ints(3), 0"),
    Op::new("cumprod(Tensor input, int dim, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(cumprod(a.tensor(0), a.int(1), a.dtype(2))?.into())
    })
    .method()
    .inplace_by(|a| in_place(a, "cumprod", cumprod))
    .doc("Running products along a dimension.")
    .samples("t(3, 4), 0 | nc(3, 4), 1 | t(), 0 | t(4) * torch.tensor([1.0, 0.0, 1.0, 0.0]), 0 | ints(3), 0"),
    Op::new("logcumsumexp(Tensor input, int dim) -> Tensor", |a| {
        Ok(logcumsumexp(a.tensor(0), a.int(1))?.into())
    })
    .method()
    .doc("The logarithm of running sums of exp(input) along a dimension, without overflow.")
    .samples("t(3, 4), 0 | nc(3, 4), 1 | t(), 0"),
    Op::new("cummax(Tensor input, int dim) -> (Tensor values, Tensor indices)", |a| {
        running_extreme(a.tensor(0), a.int(1), true, "cummax")
    })
    .method()
    .doc("The largest elements so far along a dimension and where they are, the last of equal ones.")
    .samples("t(3, 4), 0 | nc(3, 4), 1 | t(), 0 | ints(9, high=4), 0"),
    Op::new("cummin(Tensor input, int dim) -> (Tensor values, Tensor indices)", |a| {
        running_extreme(a.tensor(0), a.int(1), false, "cummin")
    })
    .method()
    .doc("The smallest elements so far along a dimension and where they are, the last of equal ones.")
    .samples("t(3, 4), 0 | nc(3, 4), 1 | ints(9, high=4), 0"),
    Op::new(
        "diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
        |a| diff(a.tensor(0), a.int(1), a.int(2), a.opt_tensor(3), a.opt_tensor(4)).map(Into::into),
    )
    .method()
    .doc("Differences of neighbours along a dimension, n times over.")
    .samples("t(3, 4) | nc(3, 4), 2, 0 | t(3, 4), 1, 1, t(3, 2), t(3, 1) | bools(5)"),
    Op::new("trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", |a| trapezoid_call(a, false))
        .doc("The integral over the points (x, y), or points dx apart, by the trapezoidal rule.")
        .samples("t(3, 4), t(4) | nc(3, 4), t(3, 1), dim=0"),
    Op::new("trapezoid(Tensor y, Scalar dx=1, *, int dim=-1) -> Tensor", |a| trapezoid_call(a, false))
        .samples("t(3, 4) | nc(3, 4), dx=0.5, dim=0"),
    Op::new("cumulative_trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", |a| trapezoid_call(a, true))
        .doc("The running integrals by the trapezoidal rule.")
        .samples("t(3, 4), t(4)"),
    Op::new("cumulative_trapezoid(Tensor y, Scalar dx=1, *, int dim=-1) -> Tensor", |a| {
        trapezoid_call(a, true)
    })
    .samples("t(3, 4) | nc(3, 4), dx=0.5, dim=0"),
];
