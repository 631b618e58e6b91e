//! Arithmetic whose signature is richer than its row in the table: scale factors, rounding modes,
//! optional bounds.

use smallvec::smallvec;

use crate::autograd::{self, Save, no_grad};
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Sizes;
use crate::ops::pointwise::{Arg, Row, apply, apply_inplace};
use crate::ops::products::conj;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::table::{self, rows};
use crate::ops::{copy, creation, reduce, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;
use crate::warn_once;

/// Applies a row, into its first argument or not.
fn run(row: &'static Row, args: &[Arg], inplace: bool) -> Result<Tensor> {
    if inplace { apply_inplace(row, args) } else { apply(row, args) }
}

/// `a + b`.
pub fn add<'a>(a: impl Into<Arg<'a>>, b: impl Into<Arg<'a>>) -> Result<Tensor> {
    apply(&rows::plus::ROW, &[a.into(), b.into()])
}

/// `a += b`; returns `a`.
pub fn add_<'a>(a: &'a Tensor, b: impl Into<Arg<'a>>) -> Result<Tensor> {
    apply_inplace(&rows::plus::ROW, &[a.into(), b.into()])
}

/// `a - b`.
pub fn sub<'a>(a: impl Into<Arg<'a>>, b: impl Into<Arg<'a>>) -> Result<Tensor> {
    apply(&rows::minus::ROW, &[a.into(), b.into()])
}

/// `a * b`.
pub fn mul<'a>(a: impl Into<Arg<'a>>, b: impl Into<Arg<'a>>) -> Result<Tensor> {
    table::mul(a, b)
}

/// `a / b`.
pub fn div<'a>(a: impl Into<Arg<'a>>, b: impl Into<Arg<'a>>) -> Result<Tensor> {
    table::div(a, b)
}

/// A bool scale factor belongs to bools, a float one not to integers.
pub fn check_alpha(alpha: Scalar, args: &[Arg]) -> Result<()> {
    let common = crate::ops::pointwise::common_dtype(&rows::plus::ROW, args)?;
    match alpha {
        Scalar::Bool(_) if common != DType::Bool => {
            bail!(DType, "Boolean alpha only supported for Boolean results.")
        }
        Scalar::Float(_) | Scalar::Complex(_) if common.is_integral() => {
            bail!(DType, "For integral input tensors, argument alpha must not be a floating point number.")
        }
        Scalar::Complex(_) if !common.is_complex() => {
            bail!(DType, "For non-complex input tensors, argument alpha must not be a complex number.")
        }
        _ => Ok(()),
    }
}

fn scaled(
    plain: &'static Row,
    scaled: &'static Row,
    args: [Arg; 2],
    alpha: Scalar,
    inplace: bool,
) -> Result<Tensor> {
    if alpha == Scalar::Int(1) {
        return run(plain, &args, inplace);
    }
    check_alpha(alpha, &args)?;
    run(scaled, &[args[0], args[1], Arg::Number(alpha)], inplace)
}

/// The first of two arguments as a tensor if both are numbers.
fn first_as_tensor(a: &Args) -> Result<Option<Tensor>> {
    match (Arg::from(&a.0[0]), Arg::from(&a.0[1])) {
        (Arg::Number(s), Arg::Number(_)) => creation::scalar(s, s.dtype()).map(Some),
        _ => Ok(None),
    }
}

fn add_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let first = first_as_tensor(a)?;
    let args = [first.as_ref().map_or_else(|| Arg::from(&a.0[0]), Arg::from), Arg::from(&a.0[1])];
    scaled(&rows::plus::ROW, &rows::add_scaled::ROW, args, a.scalar(2), inplace)
}

fn sub_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let first = first_as_tensor(a)?;
    let args = [first.as_ref().map_or_else(|| Arg::from(&a.0[0]), Arg::from), Arg::from(&a.0[1])];
    scaled(&rows::minus::ROW, &rows::sub_scaled::ROW, args, a.scalar(2), inplace)
}

fn rsub_call(a: &Args) -> Result<Tensor> {
    let args = [Arg::from(&a.0[1]), Arg::from(&a.0[0])];
    scaled(&rows::minus::ROW, &rows::sub_scaled::ROW, args, a.scalar(2), false)
}

fn div_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let row = match a.str(2) {
        None => &rows::div::ROW,
        Some("floor") => &rows::div_floor::ROW,
        Some("trunc") => &rows::div_trunc::ROW,
        Some(other) => bail!(
            Autograd,
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{other}'"
        ),
    };
    run(row, &[Arg::from(&a.0[0]), Arg::from(&a.0[1])], inplace)
}

/// `base ** exponent`. The gradient of a square is cheaper than that of a power.
pub fn pow<'a>(base: impl Into<Arg<'a>>, exponent: impl Into<Arg<'a>>) -> Result<Tensor> {
    let (base, exponent) = (base.into(), exponent.into());
    match (base, exponent) {
        (Arg::Tensor(t), Arg::Number(Scalar::Int(2))) if t.dtype() != DType::Bool => table::square(base),
        (Arg::Tensor(t), Arg::Number(Scalar::Float(2.0))) if t.dtype().is_differentiable() => {
            table::square(base)
        }
        _ => {
            let mut out = apply(&rows::pow::ROW, &[base, exponent])?;
            match (base, exponent) {
                (Arg::Tensor(_), Arg::Tensor(_)) => out.name_node("PowBackward1", 0),
                (Arg::Number(_), _) => out.name_node("PowBackward2", 0),
                _ => {}
            }
            Ok(out)
        }
    }
}

fn pow_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let (base, exponent) = (Arg::from(&a.0[0]), Arg::from(&a.0[1]));
    if base.tensor().is_none() && exponent.tensor().is_none() {
        bail!(Type, "pow(): one of 'input' and 'exponent' must be Tensor, not a number");
    }
    if inplace { apply_inplace(&rows::pow::ROW, &[base, exponent]) } else { pow(base, exponent) }
}

fn clamp_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let x = Arg::from(&a.0[0]);
    match (a.is_none(1), a.is_none(2)) {
        (true, true) => bail!(Autograd, "torch.clamp: At least one of 'min' or 'max' must not be None"),
        (false, true) => run(&rows::clamp_min::ROW, &[x, Arg::from(&a.0[1])], inplace),
        (true, false) => run(&rows::clamp_max::ROW, &[x, Arg::from(&a.0[2])], inplace),
        (false, false) => run(&rows::clamp::ROW, &[x, Arg::from(&a.0[1]), Arg::from(&a.0[2])], inplace),
    }
}

fn round_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let (x, decimals) = (a.tensor(0), a.int(1));
    if decimals == 0 {
        return run(&rows::round::ROW, &[x.into()], inplace);
    }
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"round_decimals\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let ten = 10f64.powi(decimals.unsigned_abs().min(400) as i32);
    let (up, down) = if decimals > 0 { (mul(x, ten)?, true) } else { (div(x, ten)?, false) };
    let rounded = table::round(&up)?;
    let value = if down { div(&rounded, ten)? } else { mul(&rounded, ten)? };
    if inplace { copy::assign(x, &value) } else { Ok(value) }
}

/// Bools are inverted, integers complemented.
fn bitwise_not(x: &Tensor, inplace: bool) -> Result<Tensor> {
    let row = if x.dtype() == DType::Bool { &rows::logical_not::ROW } else { &rows::bitwise_not::ROW };
    run(row, &[x.into()], inplace)
}

/// Elements of `a` where the condition holds, of `b` elsewhere.
pub fn where_<'a>(condition: &'a Tensor, a: impl Into<Arg<'a>>, b: impl Into<Arg<'a>>) -> Result<Tensor> {
    if !matches!(condition.dtype(), DType::Bool | DType::U8) {
        bail!(
            DType,
            "where expected condition to be a boolean tensor, but got a tensor with dtype {}",
            condition.dtype().scalar_name()
        );
    }
    if condition.dtype() == DType::U8 {
        warn_once!(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future version of PyTorch. Use a boolean condition instead."
        );
    }
    table::select(condition, a, b)
}

/// The absolute value; real also for complex numbers.
pub fn abs(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() {
        copy::to_dtype(&table::complex_abs(x)?, x.dtype().to_real())
    } else {
        table::abs(x)
    }
}

fn abs_inplace(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() {
        bail!(DType, "In-place abs is not supported for complex tensors.");
    }
    apply_inplace(&rows::abs::ROW, &[x.into()])
}

/// The square, as a power: bools count as integers.
fn square(x: &Tensor, inplace: bool) -> Result<Tensor> {
    if !inplace && x.dtype() != DType::Bool {
        return table::square(x);
    }
    run(&rows::pow::ROW, &[x.into(), Arg::Number(Scalar::Int(2))], inplace)
}

/// The part of a number up to its exponent and the exponent: x = mantissa * 2^exponent.
fn frexp(x: &Tensor) -> Result<Output> {
    if !x.dtype().is_floating() {
        bail!(
            DType,
            "torch.frexp() only supports floating-point dtypes, but got {}",
            x.dtype().scalar_name()
        );
    }
    let exponent = no_grad(|| table::binary_exponent(x))?;
    let mut mantissa = no_grad(|| table::mantissa(x))?;
    if autograd::needs_grad(&[x]) {
        let scale = no_grad(|| table::exp2(&exponent))?;
        mantissa = autograd::record(mantissa, "frexp", &[x], &[Save::Other(&scale)], |cx| {
            let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(div(g, &cx.saved(0)?)?)])
        });
    }
    Ok(Output::Named(
        "frexp",
        &["mantissa", "exponent"],
        vec![mantissa, copy::to_dtype(&exponent, DType::I32)?],
    ))
}

/// input * 2^other.
fn ldexp(x: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    let power = pow(Scalar::Float(2.0), exponent)?;
    // What an integer exponent makes is no dtype of the caller's.
    if exponent.dtype().is_integral() && x.dtype().is_differentiable() {
        return mul(x, &copy::to_dtype(&power, x.dtype())?);
    }
    if !autograd::needs_grad(&[exponent]) {
        return mul(x, &power);
    }
    let out = no_grad(|| mul(x, &power))?;
    let like: [(Sizes, DType); 2] = [x, exponent].map(|t| (t.sizes().into(), t.dtype()));
    let save = [Save::Input(1), Save::Output(0)];
    Ok(autograd::record(out, "ldexp", &[x, exponent], &save, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let reduced = |grad: Tensor, i: usize| -> Result<Option<Tensor>> {
            let (sizes, dtype) = &like[i];
            Ok(Some(copy::to_dtype(&reduce::sum_to_size(&grad, sizes)?, *dtype)?))
        };
        let for_x = if cx.needs(0) {
            reduced(mul(g, &conj(&pow(Scalar::Float(2.0), &cx.saved(0)?)?)?)?, 0)?
        } else {
            None
        };
        let for_exponent = if cx.needs(1) {
            reduced(mul(&mul(g, &conj(&cx.saved(1)?)?)?, std::f64::consts::LN_2)?, 1)?
        } else {
            None
        };
        Ok(smallvec![for_x, for_exponent])
    }))
}

/// A power in double precision.
fn float_power(base: Arg, exponent: Arg) -> Result<Tensor> {
    let is_complex = |arg: &Arg| match arg {
        Arg::Tensor(t) => t.dtype().is_complex(),
        Arg::Number(s) => matches!(s, Scalar::Complex(_)),
    };
    let dtype = if is_complex(&base) || is_complex(&exponent) { DType::C128 } else { DType::F64 };
    if base.tensor().is_none() && exponent.tensor().is_none() {
        bail!(Type, "float_power(): one of 'input' and 'exponent' must be Tensor, not a number");
    }
    let wide = |arg: Arg| match arg {
        Arg::Tensor(t) => copy::to_dtype(t, dtype).map(Some),
        Arg::Number(_) => Ok(None),
    };
    let (wide_base, wide_exponent) = (wide(base)?, wide(exponent)?);
    pow(wide_base.as_ref().map_or(base, Arg::from), wide_exponent.as_ref().map_or(exponent, Arg::from))
}

fn float_power_inplace(x: &Tensor, exponent: Arg) -> Result<Tensor> {
    let value = float_power(x.into(), exponent)?;
    if value.dtype() != x.dtype() {
        bail!(
            DType,
            "the base given to float_power_ has dtype {} but the operation's result requires dtype {}",
            x.dtype().scalar_name(),
            value.dtype().scalar_name()
        );
    }
    apply_inplace(&rows::pow::ROW, &[x.into(), exponent])
}

/// NaN and infinities replaced; without a number, by 0 and the limits of the dtype.
fn nan_to_num(a: &Args, inplace: bool) -> Result<Tensor> {
    let x = a.tensor(0);
    if x.dtype().is_integral() {
        return if inplace { Ok(x.clone()) } else { copy::clone(x) };
    }
    let largest = match x.dtype() {
        DType::F16 => 65504.0,
        DType::BF16 => half::bf16::MAX.to_f64(),
        DType::F32 | DType::C64 => f32::MAX as f64,
        _ => f64::MAX,
    };
    let number = |i: usize, default: f64| Arg::Number(Scalar::Float(a.opt_float(i).unwrap_or(default)));
    run(&rows::nan_to_num::ROW, &[x.into(), number(1, 0.0), number(2, largest), number(3, -largest)], inplace)
}

fn logit(a: &Args, inplace: bool) -> Result<Tensor> {
    let x = Arg::Tensor(a.tensor(0));
    match a.opt_float(1) {
        None => run(&rows::logit::ROW, &[x], inplace),
        Some(eps) => run(&rows::logit_clamped::ROW, &[x, eps.into()], inplace),
    }
}

/// The tensor itself.
pub fn positive(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::Bool {
        bail!(DType, "The `+` operator, on a bool tensor is not supported.");
    }
    Ok(x.clone())
}

/// The next number after `a` towards `b`. Half precision has steps of its own: its bits are counted as
/// integers.
fn nextafter(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !matches!(a.dtype(), DType::F16 | DType::BF16) || a.dtype() != b.dtype() {
        return table::next_after(a, b);
    }
    let value = no_grad(|| nextafter_of_halves(a, b))?;
    if !autograd::needs_grad(&[a, b]) {
        return Ok(value);
    }
    let moves = no_grad(|| copy::to_dtype(&table::ne(a, b)?, a.dtype()))?;
    let sizes = (a.layout().sizes.clone(), b.layout().sizes.clone());
    Ok(autograd::record(value, "nextafter", &[a, b], &[Save::Other(&moves)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let to_a = reduce::sum_to_size(&mul(g, &cx.saved(0)?)?, &sizes.0)?;
        Ok(smallvec![Some(to_a), Some(creation::zeros(&sizes.1, g.dtype())?)])
    }))
}

fn nextafter_of_halves(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let sizes = crate::layout::broadcast(a.sizes(), b.sizes())?;
    let (a, b) = (view::expand_to(a, &sizes)?, view::expand_to(b, &sizes)?);
    let bits = a.alias_as(a.layout().clone(), DType::I16);
    let outwards = table::eq(&table::lt(&a, &b)?, &table::gt(&a, 0.0)?)?;
    let step = table::select(&outwards, Scalar::Int(1), Scalar::Int(-1))?;
    let moved = copy::to_dtype(&add(&bits, &step)?, DType::I16)?;
    // From zero the first step is the smallest number with the sign of b.
    let negative = copy::to_dtype(&table::lt(&b, 0.0)?, DType::I16)?;
    let first = add(&mul(&negative, Scalar::Int(i16::MIN as i64))?, Scalar::Int(1))?;
    let moved = table::select(&table::eq(&a, 0.0)?, &first, &moved)?;
    let moved = moved.alias_as(moved.layout().clone(), a.dtype());
    // The sum is NaN where one of both is.
    let sum = add(&a, &b)?;
    let there = table::select(&table::isnan(&sum)?, &sum, &moved)?;
    table::select(&table::eq(&a, &b)?, &b, &there)
}

fn is_close(a: &Tensor, b: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
    if a.dtype() != b.dtype() {
        bail!(DType, "{} did not match {}", a.dtype().scalar_name(), b.dtype().scalar_name());
    }
    if rtol < 0.0 || atol < 0.0 {
        let (name, value) = if rtol < 0.0 { ("rtol", rtol) } else { ("atol", atol) };
        bail!(Autograd, "{name} must be greater than or equal to zero, but got {value}");
    }
    no_grad(|| {
        let mut close = table::eq(a, b)?;
        if equal_nan && a.dtype().is_differentiable() {
            close = table::logical_or(&close, &table::logical_and(&table::isnan(a)?, &table::isnan(b)?)?)?;
        }
        if rtol == 0.0 && atol == 0.0 {
            return Ok(close);
        }
        let (a, b) = (copy::to_dtype(a, DType::F64)?, copy::to_dtype(b, DType::F64)?);
        let allowed = add(&mul(&table::abs(&b)?, rtol)?, atol)?;
        let error = table::abs(&sub(&a, &b)?)?;
        let within = table::logical_and(&table::isfinite(&error)?, &table::le(&error, &allowed)?)?;
        table::logical_or(&close, &within)
    })
}

fn equal(a: &Tensor, b: &Tensor) -> Result<bool> {
    Ok(a.sizes() == b.sizes() && reduce::all_nonzero(&table::eq(a, b)?)?)
}

pub const OPS: &[Op] = &[
    Op::new("add(Number|Tensor input, Number|Tensor other, *, Scalar alpha=1) -> Tensor", |a| Ok(add_call(a, false)?.into()))
        .method()
        .inplace_by(|a| Ok(add_call(a, true)?.into()))
        .doc("input + alpha * other.")
        .samples("t(3, 4), t(3, 4) | t(3, 4), t(4) | t(2, 1), t(3) | t(3), 2 | t(3), 1.5 | t(), t() | t(0, 3), t(3) | t(3), t(3), alpha=2 | nc(3, 4), t(3, 4)"),
    Op::new("sub(Number|Tensor input, Number|Tensor other, *, Scalar alpha=1) -> Tensor", |a| Ok(sub_call(a, false)?.into()))
        .method()
        .inplace_by(|a| Ok(sub_call(a, true)?.into()))
        .doc("input - alpha * other.")
        .samples("t(3, 4), t(4) | t(3), 2 | t(3), t(3), alpha=0.5"),
    Op::new("rsub(Tensor input, Number|Tensor other, *, Scalar alpha=1) -> Tensor", |a| Ok(rsub_call(a)?.into()))
        .doc("other - alpha * input.")
        .samples("t(3, 4), t(4) | t(3), 2"),
    Op::new("div(Tensor input, Number|Tensor other, *, str? rounding_mode=None) -> Tensor", |a| Ok(div_call(a, false)?.into()))
        .method()
        .inplace_by(|a| Ok(div_call(a, true)?.into()))
        .doc("input / other, optionally rounded ('floor', 'trunc').")
        .samples("t(3, 4), t(4, low=0.5, high=4) | t(3), 2 | t(3), 0.7, rounding_mode='floor' | t(3), 0.7, rounding_mode='trunc'"),
    Op::new("true_divide(Tensor input, Number|Tensor other) -> Tensor", |a| Ok(table::div(&a.0[0], &a.0[1])?.into()))
        .method()
        .inplace()
        .doc("input / other.")
        .samples("t(3), t(3, low=0.5, high=4)"),
    Op::new("pow(Number|Tensor input, Number|Tensor exponent) -> Tensor", |a| Ok(pow_call(a, false)?.into()))
        .method()
        .inplace_by(|a| Ok(pow_call(a, true)?.into()))
        .doc("input ** exponent.")
        .samples("t(3, 4), 2 | t(3, low=0.5, high=3), 1.5 | t(3, low=0.5, high=3), t(3) | 2.0, t(3) | t(3), 3 | t(3, low=0.5, high=3), 0.5 | t(3, low=0.5, high=3), -1"),
    Op::new("clamp(Tensor input, Number|Tensor? min=None, Number|Tensor? max=None) -> Tensor", |a| Ok(clamp_call(a, false)?.into()))
        .method()
        .inplace_by(|a| Ok(clamp_call(a, true)?.into()))
        .doc("Limited to [min, max].")
        .samples("t(3, 4), -0.5, 0.5 | t(3), min=0.1 | t(3), max=0.1 | t(3, 4), t(4), t(3, 4) | t(3), 1, -1"),
    Op::new("clamp_min(Tensor input, Number|Tensor min) -> Tensor", |a| Ok(table::clamp_min(&a.0[0], &a.0[1])?.into()))
        .method()
        .inplace()
        .doc("Not below min.")
        .samples("t(3, 4), 0.1"),
    Op::new("clamp_max(Tensor input, Number|Tensor max) -> Tensor", |a| Ok(table::clamp_max(&a.0[0], &a.0[1])?.into()))
        .method()
        .inplace()
        .doc("Not above max.")
        .samples("t(3, 4), 0.1"),
    Op::new("round(Tensor input, *, int decimals=0) -> Tensor", |a| Ok(round_call(a, false)?.into()))
        .method()
        .inplace_by(|a| Ok(round_call(a, true)?.into()))
        .doc("Rounded to the nearest integer, halves to even, or to a number of decimals.")
        .samples("t(3, 4) | t(3), decimals=1 | t(3), decimals=-1"),
    Op::new("abs(Tensor input) -> Tensor", |a| Ok(abs(a.tensor(0))?.into()))
        .method()
        .inplace_by(|a| Ok(abs_inplace(a.tensor(0))?.into()))
        .doc("The absolute value.")
        .samples("t(3, 4) | t(0) | t() | nc(3, 4) | ints(3)"),
    Op::new("square(Tensor input) -> Tensor", |a| Ok(square(a.tensor(0), false)?.into()))
        .method()
        .inplace_by(|a| Ok(square(a.tensor(0), true)?.into()))
        .doc("The square.")
        .samples("t(3, 4) | t(0) | t() | nc(3, 4) | ints(3)"),
    Op::new("frexp(Tensor input) -> (Tensor mantissa, Tensor exponent)", |a| frexp(a.tensor(0)))
        .method()
        .doc("(mantissa, exponent): input = mantissa * 2^exponent with 0.5 <= |mantissa| < 1.")
        .samples("t(3, 4) | nc(3, 2) | t(0)"),
    Op::new("ldexp(Tensor input, Tensor other) -> Tensor", |a| Ok(ldexp(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .inplace()
        .doc("input * 2^other.")
        .samples("t(3, 4), t(4) | t(3), ints(3)"),
    Op::new("float_power(Number|Tensor input, Number|Tensor exponent) -> Tensor", |a| {
        Ok(float_power(Arg::from(&a.0[0]), Arg::from(&a.0[1]))?.into())
    })
    .method()
    .inplace_by(|a| Ok(float_power_inplace(a.tensor(0), Arg::from(&a.0[1]))?.into()))
    .doc("input ** exponent in double precision.")
    .samples("t(3, 4, low=0.5, high=3, dtype=torch.float64), t(4) | t(3, low=0.5, high=3, dtype=torch.float64), 2 | 2, t(3)"),
    Op::new("nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", |a| {
        Ok(nan_to_num(a, false)?.into())
    })
    .method()
    .inplace_by(|a| Ok(nan_to_num(a, true)?.into()))
    .doc("NaN and infinities replaced; without a number, by 0 and the limits of the dtype.")
    .samples("t(3, 4) | nc(3, 2), 1.0 | fixed(3) * nan, 1.0 | torch.tensor([inf, 1.0, -inf, nan]) | torch.tensor([inf, 1.0, -inf, nan]), 1.0, 2.0, 3.0"),
    Op::new("logit(Tensor input, float? eps=None) -> Tensor", |a| Ok(logit(a, false)?.into()))
        .method()
        .inplace_by(|a| Ok(logit(a, true)?.into()))
        .doc("log(x / (1 - x)), of x limited to [eps, 1 - eps].")
        .samples("t(3, 4, low=0.1, high=0.9) | nc(3, 2, low=-0.5, high=1.5), 0.2 | t(low=0.1, high=0.9), eps=0.3"),
    Op::new("positive(Tensor input) -> Tensor", |a| Ok(positive(a.tensor(0))?.into()))
        .method()
        .doc("The tensor itself.")
        .samples("t(3, 4)"),
    Op::new("nextafter(Tensor input, Tensor other) -> Tensor", |a| Ok(nextafter(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .inplace()
        .doc("The next number after input towards other.")
        .samples("t(3, 4), t(4) | nc(3, 2), t(3, 1)")
        .no_gradient(),
    Op::new("bitwise_not(Tensor input) -> Tensor", |a| Ok(bitwise_not(a.tensor(0), false)?.into()))
        .method()
        .inplace_by(|a| Ok(bitwise_not(a.tensor(0), true)?.into()))
        .doc("All bits inverted; bools negated.")
        .samples("ints(3, 4) | bools(3)")
        .no_gradient(),
    Op::new("where(Tensor condition, Number|Tensor input, Number|Tensor other) -> Tensor", |a| {
        Ok(where_(a.tensor(0), &a.0[1], &a.0[2])?.into())
    })
    .doc("Elements of input where the condition holds, of other elsewhere.")
    .samples("bools(3, 4), t(3, 4), t(4) | bools(3), t(3), 0.0 | bools(3), 1.0, t(3) | bools(3), 1, 2"),
    Op::new("where(Tensor input, Tensor condition, Number|Tensor other) -> Tensor", |a| {
        Ok(where_(a.tensor(1), &a.0[0], &a.0[2])?.into())
    })
    .method_only()
    .samples("t(3, 4), bools(3, 4), t(4) | t(3), bools(3), 0.0"),
    Op::new("lerp(Tensor input, Tensor end, Number|Tensor weight) -> Tensor", |a| {
        Ok(table::lerp(&a.0[0], &a.0[1], &a.0[2])?.into())
    })
    .method()
    .inplace()
    .doc("input + weight * (end - input).")
    .samples("t(3, 4), t(3, 4), 0.3 | t(3), t(3), t(3, low=0, high=1)"),
    Op::new("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", |a| {
        Ok(table::addcmul(&a.0[0], &a.0[1], &a.0[2], a.scalar(3))?.into())
    })
    .method()
    .inplace()
    .doc("input + value * tensor1 * tensor2.")
    .samples("t(3, 4), t(3, 4), t(4), value=0.5"),
    Op::new("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", |a| {
        Ok(table::addcdiv(&a.0[0], &a.0[1], &a.0[2], a.scalar(3))?.into())
    })
    .method()
    .inplace()
    .doc("input + value * tensor1 / tensor2.")
    .samples("t(3, 4), t(3, 4), t(4, low=0.5, high=2), value=0.5"),
    Op::new("isnan(Tensor input) -> Tensor", |a| Ok(table::isnan(a.tensor(0))?.into()))
        .method()
        .doc("Whether the value is NaN.")
        .samples("t(3, 4) | ints(3)")
        .no_gradient(),
    Op::new("isinf(Tensor input) -> Tensor", |a| Ok(table::isinf(a.tensor(0))?.into()))
        .method()
        .doc("Whether the value is infinite.")
        .samples("t(3, 4) | ints(3)")
        .no_gradient(),
    Op::new("isfinite(Tensor input) -> Tensor", |a| Ok(table::isfinite(a.tensor(0))?.into()))
        .method()
        .doc("Whether the value is neither infinite nor NaN.")
        .samples("t(3, 4) | ints(3)")
        .no_gradient(),
    Op::new("isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor", |a| {
        Ok(is_close(a.tensor(0), a.tensor(1), a.float(2), a.float(3), a.bool(4))?.into())
    })
    .method()
    .doc("Whether |input - other| <= atol + rtol * |other|.")
    .samples("t(3, 4), t(3, 4) | ints(3), ints(3)")
    .no_gradient(),
    Op::new("allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool", |a| {
        Ok(reduce::all_nonzero(&is_close(a.tensor(0), a.tensor(1), a.float(2), a.float(3), a.bool(4))?)?.into())
    })
    .method()
    .doc("Whether all elements are close.")
    .samples("t(3, 4), t(3, 4)")
    .no_gradient(),
    Op::new("equal(Tensor input, Tensor other) -> bool", |a| Ok(equal(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("Whether both have the same shape and elements.")
        .samples("t(3, 4), t(3, 4) | t(2), t(3)")
        .no_gradient(),
];
