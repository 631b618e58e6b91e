//! Arithmetic whose signature is richer than its row in the table: scale factors, rounding modes,
//! optional bounds.

use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::pointwise::{Arg, Row, apply, apply_inplace};
use crate::ops::registry::{Args, Op};
use crate::ops::table::{self, rows};
use crate::ops::{copy, creation, reduce};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

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
fn check_alpha(alpha: Scalar, args: &[Arg]) -> Result<()> {
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
        _ => apply(&rows::pow::ROW, &[base, exponent]),
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

fn is_close(a: &Tensor, b: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
    if a.dtype() != b.dtype() {
        bail!(DType, "{} did not match {}", a.dtype().scalar_name(), b.dtype().scalar_name());
    }
    if rtol < 0.0 || atol < 0.0 {
        let (name, value) = if rtol < 0.0 { ("rtol", rtol) } else { ("atol", atol) };
        bail!(Autograd, "{name} must be greater than or equal to zero, but got {value}");
    }
    crate::autograd::no_grad(|| {
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
    if a.dtype() != b.dtype() {
        bail!(
            DType,
            "Expected object of data type {} but got data type {} for argument #2 'other' in call to equal",
            a.dtype(),
            b.dtype()
        );
    }
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
