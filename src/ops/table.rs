//! THE table: arithmetic, elementary functions, comparisons and logic, one row an operation.
//! `ops::row` explains the notation.

// Constants are written out, to double precision: the text has to mean the same to f32, f64 and CUDA C.
#![allow(clippy::excessive_precision, clippy::approx_constant)]

use crate::bail;
use crate::ops::row::*;

table! {
    // ---- arithmetic ----
    part plus as "add"(a, b) for (float int complex) = { a + b }
        grad { a(g) = g; b(g) = g; } on (-4.0, 4.0);
    part add_scaled as "add"(a, b; s) for (float int complex) = { a + s * b }
        grad { a(g) = g; b(g, s) = g * conj(s); } on (-4.0, 4.0);
    part minus as "sub"(a, b) for (float int complex) = { a - b }
        grad { a(g) = g; b(g) = -g; } check no_bool_subtraction on (-4.0, 4.0);
    part sub_scaled as "sub"(a, b; s) for (float int complex) = { a - s * b }
        grad { a(g) = g; b(g, s) = -(g * conj(s)); } check no_bool_subtraction on (-4.0, 4.0);
    /// The product.
    op mul(a, b) for (float int complex) = { a * b }
        grad { a(b, g) = g * conj(b); b(a, g) = g * conj(a); } on (-4.0, 4.0);
    /// The quotient, in floating point also for integers.
    part div(a, b) for (float complex) = { quotient(a, b) }
        grad { a(b, g) = g / conj(b); b(a, b, g) = -(g * conj(a / b / b)); } on (0.5, 4.0);
    part div_floor as "div"(a, b) for (float int) = { floor_divide(a, b) }
        grad { a(g) = zero(g); b(g) = zero(g); } check no_zero_divisor on (0.5, 4.0);
    part div_trunc as "div"(a, b) for (float int) = { trunc_divide(a, b) }
        grad { a(g) = zero(g); b(g) = zero(g); } check no_zero_divisor on (0.5, 4.0);
    /// The quotient rounded towards negative infinity.
    op_of_numbers floor_divide(a, b) for (float int) = { floor_divide(a, b) }
        grad { } check no_zero_divisor on (0.5, 4.0);
    /// The rest of the division that rounds down; its sign is the divisor's.
    op_of_numbers remainder(a, b) for (float int) = { remainder(a, b) }
        grad { a(g) = g; b(a, b, g) = -(g * floor_divide(a, b)); } check no_zero_divisor on (0.5, 4.0);
    /// The rest of the division that truncates; its sign is the dividend's.
    op fmod(a, b) for (float int) = { fmod(a, b) }
        grad { a(g) = g; b(a, b, g) = -(g * trunc(a / b)); } check no_zero_divisor on (0.5, 4.0);
    /// `input` to the power `exponent`.
    part pow(a, b) for (float int complex) = { pow(a, b) }
        grad {
            a(a, b, g) = select(eq(b, 0.0), zero(g), g * conj(b * pow(a, b - 1.0)));
            b(a, b, y, g) = select(eq(a, 0.0), select(is_nonnegative(b), zero(g), g * conj(y * log(a))), g * conj(y * log(a)));
        } check no_negative_integer_power on (0.5, 3.0);
    /// The larger of two values; NaN wins.
    pure_of_tensors maximum(a, b) for (float int) = { maximum(a, b) }
        grad {
            a(a, b, g) = select(eq(a, b), g * 0.5, select(gt(a, b), g, 0.0));
            b(a, b, g) = select(eq(a, b), g * 0.5, select(lt(a, b), g, 0.0));
        } check no_complex on (-4.0, 4.0);
    /// The smaller of two values; NaN wins.
    pure_of_tensors minimum(a, b) for (float int) = { minimum(a, b) }
        grad {
            a(a, b, g) = select(eq(a, b), g * 0.5, select(lt(a, b), g, 0.0));
            b(a, b, g) = select(eq(a, b), g * 0.5, select(gt(a, b), g, 0.0));
        } check no_complex on (-4.0, 4.0);
    /// The larger of two values; a number wins over NaN.
    pure_of_tensors fmax(a, b) for (float int) = { fmax(a, b) }
        grad {
            a(a, b, g) = select(ge(a, b), g, select(is_nan(b), g, 0.0));
            b(a, b, g) = select(ge(a, b), 0.0, select(is_nan(b), 0.0, g));
        } check no_complex on (-4.0, 4.0);
    /// The smaller of two values; a number wins over NaN.
    pure_of_tensors fmin(a, b) for (float int) = { fmin(a, b) }
        grad {
            a(a, b, g) = select(le(a, b), g, select(is_nan(b), g, 0.0));
            b(a, b, g) = select(le(a, b), 0.0, select(is_nan(b), 0.0, g));
        } check no_complex on (-4.0, 4.0);
    /// The length of the vector (input, other).
    op_of_tensors hypot(a, b) for (float) = { hypot(a, b) }
        grad { a(a, y, g) = g * (a / y); b(b, y, g) = g * (b / y); } check floats_only on (0.5, 4.0);
    /// The absolute value of the first with the sign of the second.
    op copysign(a, b) for (float) = { copysign(a, b) }
        grad { a(a, y, g) = select(eq(a, 0.0), 0.0, g * (y / a)); b(g) = zero(g); } on (0.5, 4.0);
    /// 0 below zero, 1 above, the second value at zero.
    op_of_tensors heaviside(a, b) for (float int) = { heaviside(a, b) }
        grad { } check one_real_dtype on (-4.0, 4.0);
    part next_after as "nextafter"(a, b) for (float) = { next_after(a, b) }
        grad { a(a, b, g) = select(eq(a, b), 0.0, g); b(g) = zero(g); } check floats_only on (-4.0, 4.0);
    /// The greatest common divisor.
    op_of_tensors gcd(a, b) for (int) = { gcd(a, b) } grad { } check no_bool on (-4.0, 4.0);
    /// The least common multiple.
    op_of_tensors lcm(a, b) for (int) = { lcm(a, b) } grad { } check no_bool on (-4.0, 4.0);
    /// The angle of the point (other, input).
    op_of_tensors atan2(a, b) for (float) = { atan2(a, b) }
        grad { a(a, b, g) = g * (b / (a * a + b * b)); b(a, b, g) = -(g * (a / (a * a + b * b))); } on (0.5, 4.0);
    /// The negative.
    op neg(x) for (float int complex) = { -x }
        grad { x(g) = -g; } check no_bool_negation on (-4.0, 4.0);
    part abs(x) for (float int) = { abs(x) }
        grad { x(x, g) = g * sign(x); } check no_bool on (-4.0, 4.0);
    part complex_abs as "abs"(x) for (complex) = { modulus(x) }
        grad { x(x, y, g) = g * over_modulus(x, y); } on (-4.0, 4.0);
    /// -1, 0 or 1.
    op sign(x) for (float int) = { sign(x) }
        grad { x(g) = zero(g); } check no_complex_sign on (-4.0, 4.0);
    part angle(x) for (float) = { angle(x) }
        grad { x(g) = zero(g); } on (-4.0, 4.0);
    /// The part behind the point, with the sign of the value.
    op frac(x) for (float) = { x - trunc(x) }
        grad { x(g) = g; } check floats_only on (-4.0, 4.0);
    /// Degrees as radians.
    op deg2rad(x) for (float) = { x * 0.017453292519943295769 }
        grad { x(g) = g * 0.017453292519943295769; } check no_complex on (-200.0, 200.0);
    /// Radians as degrees.
    op rad2deg(x) for (float) = { x * 57.295779513082320877 }
        grad { x(g) = g * 57.295779513082320877; } check no_complex on (-4.0, 4.0);
    part nan_to_num(x; nan, high, low) for (float complex) = { nan_to_num(x, nan, high, low) }
        grad { x(x, g) = select(is_finite(x), g, zero(g)); } on (-4.0, 4.0);
    part mantissa as "frexp"(x) for (float) = { mantissa(x) }
        grad { } on (-4.0, 4.0);
    part binary_exponent as "frexp"(x) for (float) = { binary_exponent(x) }
        grad { } on (-4.0, 4.0);
    part square as "pow"(x) for (float int complex) = { x * x }
        grad { x(x, g) = g * conj(x + x); } on (-4.0, 4.0);
    /// One over the value.
    op reciprocal(x) for (float complex) = { 1.0 / x }
        grad { x(y, g) = -(g * conj(y * y)); } on (0.5, 4.0);
    part over_modulus(a, b) for (float complex) = { over_modulus(a, b) }
        grad { a(b, g) = over_modulus(g, b); b(b, y, g) = -((conj(g) * y + g * conj(y)) * 0.5 * over_modulus(over_modulus(b, b), b)); } on (0.5, 4.0);
    /// Zero, but a function of x: what stands for a derivative that is zero nearly everywhere.
    part zero_of(x) for (float) = { zero(x) }
        grad { x(g) = zero(g); } on (-4.0, 4.0);
    part conj(x) for (float int complex) = { conj(x) }
        grad { x(g) = conj(g); } on (-4.0, 4.0);

    // ---- rounding ----
    /// Rounded towards negative infinity.
    op floor(x) for (float int) = { floor(x) }
        grad { x(g) = zero(g); } check no_bool on (-4.0, 4.0);
    /// Rounded towards infinity.
    op ceil(x) for (float int) = { ceil(x) }
        grad { x(g) = zero(g); } check no_bool on (-4.0, 4.0);
    part round(x) for (float int) = { round(x) }
        grad { x(g) = zero(g); } check no_bool on (-4.0, 4.0);
    /// Rounded towards zero.
    op trunc(x) for (float int) = { trunc(x) }
        grad { x(g) = zero(g); } check no_bool on (-4.0, 4.0);

    // ---- powers and logarithms ----
    /// e to the power of the value.
    op exp(x) for (float complex) = { exp(x) }
        grad { x(y, g) = g * conj(y); } on (-3.0, 3.0);
    /// 2 to the power of the value.
    op exp2(x) for (float complex) = { exp2(x) }
        grad { x(y, g) = g * conj(y * 0.693147180559945309417); } on (-3.0, 3.0);
    /// exp(x) - 1, exact near 0.
    op expm1(x) for (float complex) = { expm1(x) }
        grad { x(y, g) = g * conj(y + 1.0); } on (-3.0, 3.0);
    /// The natural logarithm.
    op log(x) for (float complex) = { log(x) }
        grad { x(x, g) = g / conj(x); } on (0.1, 5.0);
    /// The logarithm to base 2.
    op log2(x) for (float complex) = { log2(x) }
        grad { x(x, g) = g / conj(x * 0.693147180559945309417); } on (0.1, 5.0);
    /// The logarithm to base 10.
    op log10(x) for (float complex) = { log10(x) }
        grad { x(x, g) = g / conj(x * 2.302585092994045684018); } on (0.1, 5.0);
    /// log(1 + x), exact near 0.
    op log1p(x) for (float complex) = { log1p(x) }
        grad { x(x, g) = g / conj(x + 1.0); } on (-0.5, 5.0);
    /// The square root.
    op sqrt(x) for (float complex) = { sqrt(x) }
        grad { x(y, g) = g / conj(y + y); } on (0.1, 5.0);
    /// One over the square root.
    op rsqrt(x) for (float complex) = { 1.0 / sqrt(x) }
        grad { x(y, g) = g * conj(y * y * y * -0.5); } on (0.1, 5.0);

    /// log(exp(input) + exp(other)), without overflow.
    pure_of_tensors logaddexp(a, b) for (float complex) = { logaddexp(a, b) }
        grad { a(a, b, g) = g / conj(1.0 + exp(b - a)); b(a, b, g) = g / conj(1.0 + exp(a - b)); } check floats_only on (-4.0, 4.0);
    /// log2(2^input + 2^other), without overflow.
    pure_of_tensors logaddexp2(a, b) for (float) = { logaddexp2(a, b) }
        grad { a(a, b, g) = g / (1.0 + exp2(b - a)); b(a, b, g) = g / (1.0 + exp2(a - b)); } check floats_only on (-4.0, 4.0);
    /// input * log(other), 0 where input is 0.
    op_of_numbers xlogy(a, b) for (float) = { xlogy(a, b) }
        grad {
            a(a, b, g) = select(eq(a, 0.0), select(le(b, 0.0), 0.0, xlogy(g, b)), xlogy(g, b));
            b(a, b, g) = g * (a / b);
        } on (0.5, 4.0);
    part logit(x) for (float) = { logit(x) }
        grad { x(x, g) = select(lt(x * (1.0 - x), 0.0), sqrt(x * (1.0 - x)), g / (x * (1.0 - x))); } on (0.1, 0.9);
    part logit_clamped as "logit"(x; eps) for (float) = { logit(minimum(maximum(x, eps), 1.0 - eps)) }
        grad { x(x, eps, g) = select(lt(x, eps), 0.0, select(gt(x, 1.0 - eps), 0.0, g / (x * (1.0 - x)))); } on (0.1, 0.9);

    // ---- trigonometry ----
    /// The sine.
    op sin(x) for (float complex) = { sin(x) }
        grad { x(x, g) = g * conj(cos(x)); } on (-4.0, 4.0);
    /// The cosine.
    op cos(x) for (float complex) = { cos(x) }
        grad { x(x, g) = -(g * conj(sin(x))); } on (-4.0, 4.0);
    /// The tangent.
    op tan(x) for (float complex) = { tan(x) }
        grad { x(y, g) = g * conj(1.0 + y * y); } on (-1.2, 1.2);
    /// The inverse sine.
    op asin(x) for (float complex) = { asin(x) }
        grad { x(x, g) = g / conj(sqrt(1.0 - x * x)); } on (-0.9, 0.9);
    /// The inverse cosine.
    op acos(x) for (float complex) = { acos(x) }
        grad { x(x, g) = -(g / conj(sqrt(1.0 - x * x))); } on (-0.9, 0.9);
    /// The inverse tangent.
    op atan(x) for (float complex) = { atan(x) }
        grad { x(x, g) = g / conj(1.0 + x * x); } on (-4.0, 4.0);
    /// The hyperbolic sine.
    op sinh(x) for (float complex) = { sinh(x) }
        grad { x(x, g) = g * conj(cosh(x)); } on (-3.0, 3.0);
    /// The hyperbolic cosine.
    op cosh(x) for (float complex) = { cosh(x) }
        grad { x(x, g) = g * conj(sinh(x)); } on (-3.0, 3.0);
    /// The hyperbolic tangent.
    op tanh(x) for (float complex) = { tanh(x) }
        grad { x(y, g) = g * conj(1.0 - y * y); } on (-3.0, 3.0);
    /// The inverse hyperbolic sine.
    op asinh(x) for (float complex) = { asinh(x) }
        grad { x(x, g) = g / conj(sqrt(x * x + 1.0)); } on (-4.0, 4.0);
    /// The inverse hyperbolic cosine.
    op acosh(x) for (float complex) = { acosh(x) }
        grad { x(x, g) = g / conj(sqrt(x * x - 1.0)); } on (1.1, 5.0);
    /// The inverse hyperbolic tangent.
    op atanh(x) for (float complex) = { atanh(x) }
        grad { x(x, g) = g / conj(1.0 - x * x); } on (-0.9, 0.9);
    /// sin(pi x) / (pi x).
    op sinc(x) for (float complex) = { sinc(x) }
        grad { x(x, g) = g * conj(sinc_slope(x)); } on (-4.0, 4.0);
    part sinc_slope as "sinc"(x) for (float complex) = { sinc_slope(x) }
        grad {
            x(x, g) = select(eq(x, 0.0), -(g * 3.289868133696452873), g * conj(-(sinc(x) * 9.869604401089358618) - (sinc_slope(x) + sinc_slope(x)) / x));
        } on (-4.0, 4.0);
    /// The error function.
    op erf(x) for (float) = { erf(x) }
        grad { x(x, g) = g * (exp(-(x * x)) * 1.128379167095512573896); } on (-3.0, 3.0);

    // ---- activations that are functions of the package; the others are in ops::activation ----
    /// 1 / (1 + exp(-x)).
    op sigmoid(x) for (float complex) = { sigmoid(x) }
        grad { x(y, g) = g * conj(y * (1.0 - y)); } on (-4.0, 4.0);
    /// The positive part.
    op relu(x) for (float int) = { positive_part(x) }
        grad { x(y, g) = select(le(y, 0.0), zero_of(y), g); } check no_bool_relu on (-4.0, 4.0);

    // ---- limits and choices ----
    part clamp(x, low, high) for (float int) = { minimum(maximum(x, low), high) }
        grad {
            x(x, low, high, g) = select(ge(x, low), select(le(x, high), g, 0.0), 0.0);
            low(x, low, high, g) = select(lt(x, low), select(lt(low, high), g, 0.0), 0.0);
            high(x, low, high, g) = select(gt(x, high), g, select(gt(low, high), g, 0.0));
        } check no_bool on (-4.0, 4.0);
    part clamp_min(x, low) for (float int) = { maximum(x, low) }
        grad { x(x, low, g) = select(ge(x, low), g, 0.0); low(x, low, g) = select(lt(x, low), g, 0.0); } check no_bool_limit on (-4.0, 4.0);
    part clamp_max(x, high) for (float int) = { minimum(x, high) }
        grad { x(x, high, g) = select(le(x, high), g, 0.0); high(x, high, g) = select(gt(x, high), g, 0.0); } check no_bool_limit on (-4.0, 4.0);
    part select as "where"(condition, a, b) for (float int complex bool) = { select(nonzero(condition), a, b) }
        grad {
            a(condition, g) = select(nonzero(condition), g, zero(g));
            b(condition, g) = select(nonzero(condition), zero(g), g);
        } on (-4.0, 4.0);
    part lerp(a, e, w) for (float complex) = { select(is_small(w), a + w * (e - a), e - (e - a) * (1.0 - w)) }
        grad { a(w, g) = g * conj(1.0 - w); e(w, g) = g * conj(w); w(a, e, g) = g * conj(e - a); } check floats_only on (-4.0, 4.0);
    part addcmul(x, a, b; s) for (float int complex) = { x + s * a * b }
        grad { x(g) = g; a(b, s, g) = g * conj(b * s); b(a, s, g) = g * conj(a * s); } check no_bool on (-4.0, 4.0);
    part addcdiv(x, a, b; s) for (float complex) = { x + s * a / b }
        grad { x(g) = g; a(b, s, g) = g * conj(s / b); b(a, b, s, g) = -(g * conj(s * a / (b * b))); } check no_integer_addcdiv on (0.5, 4.0);

    // ---- comparisons and logic ----
    /// Whether both are equal.
    op eq(a, b) for (float int complex) -> bool = { a == b } grad { } on (-4.0, 4.0);
    /// Whether they differ.
    op ne(a, b) for (float int complex) -> bool = { a != b } grad { } on (-4.0, 4.0);
    /// Whether the first is smaller.
    op lt(a, b) for (float int) -> bool = { a < b } grad { } on (-4.0, 4.0);
    /// Whether the first is smaller or equal.
    op le(a, b) for (float int) -> bool = { a <= b } grad { } on (-4.0, 4.0);
    /// Whether the first is larger.
    op gt(a, b) for (float int) -> bool = { a > b } grad { } on (-4.0, 4.0);
    /// Whether the first is larger or equal.
    op ge(a, b) for (float int) -> bool = { a >= b } grad { } on (-4.0, 4.0);
    /// Whether both are non-zero.
    op_of_tensors logical_and(a, b) for (float int complex bool) -> bool = { nonzero(a) & nonzero(b) } grad { } on (-4.0, 4.0);
    /// Whether one is non-zero.
    op_of_tensors logical_or(a, b) for (float int complex bool) -> bool = { nonzero(a) | nonzero(b) } grad { } on (-4.0, 4.0);
    /// Whether exactly one is non-zero.
    op_of_tensors logical_xor(a, b) for (float int complex bool) -> bool = { nonzero(a) ^ nonzero(b) } grad { } on (-4.0, 4.0);
    /// Whether the value is zero.
    op logical_not(x) for (float int complex bool) -> bool = { !nonzero(x) } grad { } on (-4.0, 4.0);
    part isnan(x) for (float int complex) -> bool = { is_nan(x) } grad { } on (-4.0, 4.0);
    part isinf(x) for (float int complex) -> bool = { is_inf(x) } grad { } on (-4.0, 4.0);
    /// Whether the value is minus infinity.
    pure isneginf(x) for (float int) -> bool = { is_inf(x) & sign_bit(x) } grad { } check no_complex on (-4.0, 4.0);
    /// Whether the value is plus infinity.
    pure isposinf(x) for (float int) -> bool = { is_inf(x) & !sign_bit(x) } grad { } check no_complex on (-4.0, 4.0);
    /// Whether the sign is negative, also of zeros.
    pure signbit(x) for (float int) -> bool = { sign_bit(x) } grad { } check no_complex_sign on (-4.0, 4.0);
    part is_real as "isreal"(x) for (complex) -> bool = { is_real(x) } grad { } on (-4.0, 4.0);
    part isfinite(x) for (float int complex) -> bool = { !(is_nan(x) | is_inf(x)) } grad { } on (-4.0, 4.0);
    /// The bits that both have.
    op_of_numbers bitwise_and(a, b) for (int bool) = { a & b } grad { } on (-4.0, 4.0);
    /// The bits that either has.
    op_of_numbers bitwise_or(a, b) for (int bool) = { a | b } grad { } on (-4.0, 4.0);
    /// The bits that exactly one has.
    op_of_numbers bitwise_xor(a, b) for (int bool) = { a ^ b } grad { } on (-4.0, 4.0);
    /// The bits moved to higher places.
    op_of_numbers bitwise_left_shift(a, b) for (int) = { shift_left(a, b) } grad { } on (0.0, 4.0);
    /// The bits moved to lower places; the sign stays.
    op_of_numbers bitwise_right_shift(a, b) for (int) = { shift_right(a, b) } grad { } on (0.0, 4.0);
    part bitwise_not(x) for (int) = { !x } grad { } on (-4.0, 4.0);
}

fn one_real_dtype(row: &Row, args: &[Arg], common: DType) -> Result<()> {
    no_complex(row, args, common)?;
    if let [Arg::Tensor(a), Arg::Tensor(b)] = args
        && a.dtype() != b.dtype()
    {
        bail!(
            DType,
            "{} is not implemented for tensors with different dtypes: {} and {}",
            row.name,
            a.dtype(),
            b.dtype()
        );
    }
    Ok(())
}

/// A limit that is a tensor makes a maximum, which bools have.
fn no_bool_limit(row: &Row, args: &[Arg], common: DType) -> Result<()> {
    match args[1] {
        Arg::Number(_) => no_bool(row, args, common),
        Arg::Tensor(_) => Ok(()),
    }
}

fn no_complex_sign(row: &Row, _: &[Arg], common: DType) -> Result<()> {
    if common.is_complex() {
        bail!(Unsupported, "{} is not implemented for complex tensors", row.name);
    }
    Ok(())
}

fn no_bool_subtraction(_: &Row, args: &[Arg], _: DType) -> Result<()> {
    match (is_bool(&args[0]), is_bool(&args[1])) {
        (true, true) => bail!(
            DType,
            "Subtraction, the `-` operator, with two bool tensors is not supported, use the `^` or `logical_xor()` operator instead."
        ),
        (false, false) => Ok(()),
        _ => bail!(
            DType,
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
        ),
    }
}

fn no_integer_addcdiv(_: &Row, args: &[Arg], _: DType) -> Result<()> {
    if args[1..3].iter().all(|a| a.tensor().is_some_and(|t| t.dtype().is_integral())) {
        bail!(
            DType,
            "Integer division with addcdiv is no longer supported: use (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for it, or (input + value * tensor1 / tensor2) for true division"
        );
    }
    Ok(())
}

fn no_bool_negation(_: &Row, _: &[Arg], common: DType) -> Result<()> {
    if common == DType::Bool {
        bail!(
            DType,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
        );
    }
    Ok(())
}

fn no_bool_relu(_: &Row, _: &[Arg], common: DType) -> Result<()> {
    if common == DType::Bool {
        bail!(DType, "Boolean inputs not supported for relu");
    }
    Ok(())
}

/// Integers have no infinity to answer with.
fn no_zero_divisor(row: &Row, args: &[Arg], common: DType) -> Result<()> {
    no_bool(row, args, common)?;
    if !common.is_integral() {
        return Ok(());
    }
    let has_zero = match args[1] {
        Arg::Number(s) => s.is_zero(),
        Arg::Tensor(t) => !crate::ops::reduce::all_nonzero(t)?,
    };
    if has_zero {
        bail!(Autograd, "ZeroDivisionError");
    }
    Ok(())
}

fn no_negative_integer_power(row: &Row, args: &[Arg], common: DType) -> Result<()> {
    no_bool(row, args, common)?;
    if common.is_integral()
        && let Arg::Number(s) = args[1]
        && s.to_f64() < 0.0
    {
        bail!(DType, "Integers to negative integer powers are not allowed.");
    }
    Ok(())
}
