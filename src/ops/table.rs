//! THE table: every pointwise operation is a row here, and nothing else has to be touched to add one.
//!
//! ```text
//! /// The doc line.
//! op sigmoid(x) for (float) = { 1.0 / (1.0 + exp(-x)) }
//!     grad { x(y, g) = g * (y * (1.0 - y)); } on (-4.0, 4.0);
//! ```
//!
//! `op` rows become a function, a method and an in-place method in Python; `part` rows serve other
//! operations; `op_of_tensors` takes no plain number as its second argument. Inputs behind a `;` are
//! settings: numbers that take no part in promotion. `for` says what the formula is compiled for: `float` (f32, f64, and through them
//! float16 and bfloat16), `int` (all integers and bool, as wrapping 64-bit ones), `complex`. Without
//! `int`, integers are computed in the default float dtype. `-> bool` marks comparisons.
//!
//! A formula may use arithmetic, comparison, `if`-free calls of the functions in `cpu::math`, and
//! literals. `grad` gives, for an input, the gradient as a formula of the inputs and results it
//! names: the inputs, the result `y`, the incoming gradient `g`. The same text is a fused kernel and,
//! for gradients of gradients, a computation over tensors (`ops::graph_math`).
//! `on` is where the tests draw samples.

// Constants are written out, to double precision: the text has to mean the same to f32, f64 and CUDA C.
#![allow(clippy::excessive_precision, clippy::approx_constant)]

use crate::bail;
use crate::cpu::pointwise::Typed;
use crate::dtype::{Bool, C128, DType};
use crate::error::Result;
use crate::ops::pointwise::{Arg, Read, Row, RowGrad, apply, apply_inplace, args_of, position};
use crate::ops::registry::Op;
use crate::scalar::Scalar;
use crate::tensor::Tensor;

macro_rules! kernels_for {
    (float, |$($v:ident),+| -> bool $f:expr, $typed:expr) => {
        $typed.float(
            crate::formula_kernels!(f32, f32_plain, f32_fma, |$($v),+| -> Bool { $f }),
            crate::formula_kernels!(f64, f64, f64, |$($v),+| -> Bool { $f }),
        ).to_bool()
    };
    (int, |$($v:ident),+| -> bool $f:expr, $typed:expr) => {
        $typed.int(crate::formula_kernels!(std::num::Wrapping<i64>, int, int, |$($v),+| -> Bool { $f })).to_bool()
    };
    (complex, |$($v:ident),+| -> bool $f:expr, $typed:expr) => {
        $typed.complex(crate::formula_kernels!(C128, complex, complex, |$($v),+| -> Bool { $f })).to_bool()
    };
    (float, |$($v:ident),+| -> same $f:expr, $typed:expr) => {
        $typed.float(
            crate::formula_kernels!(f32, f32_plain, f32_fma, |$($v),+| -> f32 { $f }),
            crate::formula_kernels!(f64, f64, f64, |$($v),+| -> f64 { $f }),
        )
    };
    (int, |$($v:ident),+| -> same $f:expr, $typed:expr) => {
        $typed.int(crate::formula_kernels!(std::num::Wrapping<i64>, int, int, |$($v),+| -> std::num::Wrapping<i64> { $f }))
    };
    (complex, |$($v:ident),+| -> same $f:expr, $typed:expr) => {
        $typed.complex(crate::formula_kernels!(C128, complex, complex, |$($v),+| -> C128 { $f }))
    };
    // Complex numbers in the forward formula only.
    (complex_forward, |$($v:ident),+| -> same $f:expr, $typed:expr) => { kernels_for!(complex, |$($v),+| -> same $f, $typed) };
    (grad complex_forward, |$($v:ident),+| $f:expr, $typed:expr) => { $typed };
    // Gradients exist for real and complex numbers only.
    (grad int, |$($v:ident),+| $f:expr, $typed:expr) => { $typed };
    (grad $kind:ident, |$($v:ident),+| $f:expr, $typed:expr) => {
        kernels_for!($kind, |$($v),+| -> same $f, $typed)
    };
}

/// Nests `kernels_for!` over a list of kinds.
macro_rules! typed {
    ($result:ident () |$($v:ident),+| $f:expr) => { Typed::NONE };
    ($result:ident ($kind:ident $($rest:ident)*) |$($v:ident),+| $f:expr) => {
        kernels_for!($kind, |$($v),+| -> $result $f, typed!($result ($($rest)*) |$($v),+| $f))
    };
}
macro_rules! typed_grad {
    (() |$($v:ident),+| $f:expr) => { Typed::NONE };
    (($kind:ident $($rest:ident)*) |$($v:ident),+| $f:expr) => {
        kernels_for!(grad $kind, |$($v),+| $f, typed_grad!(($($rest)*) |$($v),+| $f))
    };
}

macro_rules! row_kernels {
    ([] $compute:tt |$($v:ident),+| $f:expr) => { typed!(same $compute |$($v),+| $f) };
    ([bool] $compute:tt |$($v:ident),+| $f:expr) => { typed!(bool $compute |$($v),+| $f) };
}

macro_rules! signature_of {
    ($name:ident; $x:ident) => {
        concat!(stringify!($name), "(Tensor input) -> Tensor")
    };
    ($name:ident; $a:ident $b:ident) => {
        concat!(stringify!($name), "(Tensor input, Number|Tensor other) -> Tensor")
    };
    ($name:ident; $($v:ident)+) => {
        ""
    };
}

/// Samples of rows that do not take every number or any second argument; others have them made up.
macro_rules! samples_of {
    (op_of_tensors $compute:tt $a:ident $b:ident) => { "t(3, 4), t(3, 4) | t(3, 1), t(4) | t(0, 3), t(3) | nc(3, 4), t(3, 4)" };
    (op (int) $a:ident $b:ident) => {
        "ints(3, 4, low=-4), ints(3, 4) | ints(3, 1), ints(4) | ints(3), 2 | ints(0, 3), ints(3) | ints(3, dtype=torch.uint8), ints(3, dtype=torch.int8) | ints(3, dtype=torch.int16), ints(3, dtype=torch.int32)"
    };
    (op $compute:tt $($in:ident)+) => { "" };
}

macro_rules! declared {
    (part $($rest:tt)*) => { None };
    (op_of_tensors $name:ident $compute:tt [$a:ident $b:ident] [$($grad:ident)*]; $doc:expr; $low:expr, $high:expr) => {
        Some(Op::new(concat!(stringify!($name), "(Tensor input, Tensor other) -> Tensor"), |a| Ok(apply(&rows::$name::ROW, &args_of(a))?.into()))
            .method()
            .inplace_by(|a| Ok(apply_inplace(&rows::$name::ROW, &args_of(a))?.into()))
            .doc($doc)
            .samples(samples_of!(op_of_tensors $compute $a $b))
            .domain($low, $high)
            .gradient(<[&str]>::len(&[$(stringify!($grad)),*]) > 0))
    };
    (op $name:ident $compute:tt [$($in:ident)+] [$($grad:ident)*]; $doc:expr; $low:expr, $high:expr) => {
        Some(Op::new(signature_of!($name; $($in)+), |a| Ok(apply(&rows::$name::ROW, &args_of(a))?.into()))
            .method()
            .inplace_by(|a| Ok(apply_inplace(&rows::$name::ROW, &args_of(a))?.into()))
            .doc($doc)
            .samples(samples_of!(op $compute $($in)+))
            .domain($low, $high)
            .gradient(<[&str]>::len(&[$(stringify!($grad)),*]) > 0))
    };
}

macro_rules! table {
    ($(
        $(#[doc = $doc:literal])*
        $kind:ident $name:ident $(as $label:literal)? ($($in:ident),+ $(; $($setting:ident),+)?) for $compute:tt $(-> $bool:ident)? = { $f:expr }
        grad { $($gi:ident ($($gv:ident),+) = $g:expr;)* }
        $(check $check:ident)? on ($low:expr, $high:expr);
    )*) => {
        /// The rows, one module each.
        pub mod rows {
            use super::*;
            $(pub mod $name {
                use super::*;
                const INPUTS: &[&str] = &[$(stringify!($in),)+ $($(stringify!($setting)),+)?];
                pub static ROW: Row = Row {
                    name: [$($label,)? stringify!($name)][0],
                    doc: concat!($($doc),*),
                    inputs: INPUTS,
                    settings: <[&str]>::len(&[$($(stringify!($setting)),+)?]),
                    kernels: row_kernels!([$($bool)?] $compute |$($in),+ $($(, $setting)+)?| $f),
                    to_bool: !matches!([$(stringify!($bool),)? ""][0].as_bytes(), b""),
                    conditions: condition_count([$(stringify!($in)),+][0]),
                    grads: &[$(RowGrad {
                        input: position(INPUTS, stringify!($gi)),
                        reads: &[$(Read::of(INPUTS, stringify!($gv))),+],
                        kernels: typed_grad!($compute |$($gv),+| $g),
                        identity: is_g(stringify!($g)),
                        graph: {
                            fn graph<'a>(values: &[crate::ops::graph_math::Var<'a>]) -> crate::ops::graph_math::Var<'a> {
                                #[allow(unused_imports)]
                                use crate::ops::graph_math::*;
                                let mut values = values.iter();
                                $(let $gv = *values.next().expect("one value a name");)+
                                $g
                            }
                            graph
                        },
                    }),*],
                    check: [$(Some($check as crate::ops::pointwise::Check),)? None][0],
                    domain: ($low, $high),
                };
            })*
        }

        $(
            $(#[doc = $doc])*
            pub fn $name<'a>($($in: impl Into<Arg<'a>>,)+ $($($setting: impl Into<Arg<'a>>),+)?) -> Result<Tensor> {
                apply(&rows::$name::ROW, &[$($in.into(),)+ $($($setting.into()),+)?])
            }
        )*

        /// Every row, with its declaration if it is an operation by itself.
        pub static TABLE: &[(&Row, Option<Op>)] = &[
            $((&rows::$name::ROW, declared!($kind $name $compute [$($in)+] [$($gi)*]; concat!($($doc),*); $low, $high)),)*
        ];
    };
}

/// Whether the text of a gradient is the incoming gradient itself.
const fn is_g(text: &str) -> bool {
    matches!(text.as_bytes(), b"g")
}

/// Rows whose first input is called `condition` do not promote it.
const fn condition_count(first: &str) -> usize {
    matches!(first.as_bytes(), b"condition") as usize
}

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
    part div(a, b) for (float complex) = { a / b }
        grad { a(b, g) = g / conj(b); b(b, y, g) = -(g * conj(y / b)); } on (0.5, 4.0);
    part div_floor as "div"(a, b) for (float int) = { floor_divide(a, b) }
        grad { a(g) = zero(g); b(g) = zero(g); } check no_zero_divisor on (0.5, 4.0);
    part div_trunc as "div"(a, b) for (float int) = { trunc_divide(a, b) }
        grad { a(g) = zero(g); b(g) = zero(g); } check no_zero_divisor on (0.5, 4.0);
    /// The quotient rounded towards negative infinity.
    op floor_divide(a, b) for (float int) = { floor_divide(a, b) }
        grad { } check no_zero_divisor on (0.5, 4.0);
    /// The rest of the division that rounds down; its sign is the divisor's.
    op remainder(a, b) for (float int) = { remainder(a, b) }
        grad { a(g) = g; b(a, b, g) = -(g * floor_divide(a, b)); } check no_zero_divisor on (0.5, 4.0);
    /// The rest of the division that truncates; its sign is the dividend's.
    op fmod(a, b) for (float int) = { fmod(a, b) }
        grad { a(g) = g; b(a, b, g) = -(g * trunc(a / b)); } check no_zero_divisor on (0.5, 4.0);
    /// `input` to the power `exponent`.
    part pow(a, b) for (float int complex_forward) = { pow(a, b) }
        grad {
            a(a, b, g) = select(eq(b, 0.0), 0.0, g * (b * pow(a, b - 1.0)));
            b(a, b, y, g) = select(eq(a, 0.0), select(ge(b, 0.0), 0.0, g * (y * log(a))), g * (y * log(a)));
        } check no_negative_integer_power on (0.5, 3.0);
    /// The larger of two values; NaN wins.
    op_of_tensors maximum(a, b) for (float int) = { maximum(a, b) }
        grad {
            a(a, b, g) = select(eq(a, b), g * 0.5, select(gt(a, b), g, 0.0));
            b(a, b, g) = select(eq(a, b), g * 0.5, select(lt(a, b), g, 0.0));
        } check no_complex on (-4.0, 4.0);
    /// The smaller of two values; NaN wins.
    op_of_tensors minimum(a, b) for (float int) = { minimum(a, b) }
        grad {
            a(a, b, g) = select(eq(a, b), g * 0.5, select(lt(a, b), g, 0.0));
            b(a, b, g) = select(eq(a, b), g * 0.5, select(gt(a, b), g, 0.0));
        } check no_complex on (-4.0, 4.0);
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
        grad { x(g) = zero(g); } on (-4.0, 4.0);
    part square as "pow"(x) for (float int complex) = { x * x }
        grad { x(x, g) = g * conj(x + x); } on (-4.0, 4.0);
    /// One over the value.
    op reciprocal(x) for (float complex) = { 1.0 / x }
        grad { x(y, g) = -(g * conj(y * y)); } on (0.5, 4.0);
    part over_modulus(a, b) for (float complex) = { over_modulus(a, b) }
        grad { a(b, g) = over_modulus(g, b); b(b, y, g) = -(g * conj(over_modulus(y, b))); } on (0.5, 4.0);
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
    /// The error function.
    op erf(x) for (float) = { erf(x) }
        grad { x(x, g) = g * (exp(-(x * x)) * 1.128379167095512573896); } on (-3.0, 3.0);

    // ---- activations ----
    /// 1 / (1 + exp(-x)).
    op sigmoid(x) for (float complex) = { sigmoid(x) }
        grad { x(y, g) = g * conj(y * (1.0 - y)); } on (-4.0, 4.0);
    /// The positive part.
    op relu(x) for (float int) = { positive_part(x) }
        grad { x(y, g) = select(gt(y, 0.0), g, zero_of(y)); } check no_bool_relu on (-4.0, 4.0);
    part silu(x) for (float complex) = { x * sigmoid(x) }
        grad { x(x, g) = g * conj(sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))); } check floats_only on (-4.0, 4.0);
    part gelu_erf as "gelu"(x) for (float) = { 0.5 * x * (1.0 + erf(x * 0.707106781186547524400)) }
        grad { x(x, g) = g * (0.5 * (1.0 + erf(x * 0.707106781186547524400)) + x * exp(x * x * -0.5) * 0.398942280401432677939); } check floats_only
        on (-4.0, 4.0);
    part gelu_tanh as "gelu"(x) for (float) = { 0.5 * x * (1.0 + tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x))) }
        grad { x(x, g) = g * (0.5 * (1.0 + tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x)))
            + 0.5 * x * (1.0 - tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x)) * tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x)))
                * (0.797884560802865355879 * (1.0 + 0.134145 * x * x))); } check floats_only
        on (-4.0, 4.0);
    part leaky_relu(x; slope) for (float) = { select(gt(x, 0.0), x, x * slope) }
        grad { x(x, slope, g) = select(gt(x, 0.0), g, g * (slope + zero_of(x))); } check floats_only on (-4.0, 4.0);
    part elu(x; alpha) for (float) = { select(gt(x, 0.0), x, alpha * expm1(x)) }
        grad { x(x, alpha, g) = select(gt(x, 0.0), g, g * (alpha * exp(x))); } check floats_only on (-4.0, 4.0);
    part softplus(x; beta, threshold) for (float) = { select(gt(x * beta, threshold), x, log1p(exp(x * beta)) / beta) }
        grad { x(x, beta, threshold, g) = select(gt(x * beta, threshold), g, g * sigmoid(x * beta)); } check floats_only on (-4.0, 4.0);

    // ---- limits and choices ----
    part clamp(x, low, high) for (float int) = { minimum(maximum(x, low), high) }
        grad {
            x(x, low, high, g) = select(ge(x, low), select(le(x, high), g, 0.0), 0.0);
            low(x, low, high, g) = select(lt(x, low), select(lt(low, high), g, 0.0), 0.0);
            high(x, low, high, g) = select(gt(x, high), g, select(gt(low, high), g, 0.0));
        } check no_bool on (-4.0, 4.0);
    part clamp_min(x, low) for (float int) = { maximum(x, low) }
        grad { x(x, low, g) = select(ge(x, low), g, 0.0); low(x, low, g) = select(lt(x, low), g, 0.0); } check no_bool on (-4.0, 4.0);
    part clamp_max(x, high) for (float int) = { minimum(x, high) }
        grad { x(x, high, g) = select(le(x, high), g, 0.0); high(x, high, g) = select(gt(x, high), g, 0.0); } check no_bool on (-4.0, 4.0);
    part select as "where"(condition, a, b) for (float int complex) = { select(nonzero(condition), a, b) }
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
    op_of_tensors logical_and(a, b) for (float int complex) -> bool = { nonzero(a) & nonzero(b) } grad { } on (-4.0, 4.0);
    /// Whether one is non-zero.
    op_of_tensors logical_or(a, b) for (float int complex) -> bool = { nonzero(a) | nonzero(b) } grad { } on (-4.0, 4.0);
    /// Whether exactly one is non-zero.
    op_of_tensors logical_xor(a, b) for (float int complex) -> bool = { nonzero(a) ^ nonzero(b) } grad { } on (-4.0, 4.0);
    /// Whether the value is zero.
    op logical_not(x) for (float int complex) -> bool = { !nonzero(x) } grad { } on (-4.0, 4.0);
    part isnan(x) for (float int complex) -> bool = { is_nan(x) } grad { } on (-4.0, 4.0);
    part isinf(x) for (float int complex) -> bool = { is_inf(x) } grad { } on (-4.0, 4.0);
    part isfinite(x) for (float int complex) -> bool = { !(is_nan(x) | is_inf(x)) } grad { } on (-4.0, 4.0);
    /// The bits that both have.
    op bitwise_and(a, b) for (int) = { a & b } grad { } on (-4.0, 4.0);
    /// The bits that either has.
    op bitwise_or(a, b) for (int) = { a | b } grad { } on (-4.0, 4.0);
    /// The bits that exactly one has.
    op bitwise_xor(a, b) for (int) = { a ^ b } grad { } on (-4.0, 4.0);
    /// The bits moved to higher places.
    op bitwise_left_shift(a, b) for (int) = { shift_left(a, b) } grad { } on (0.0, 4.0);
    /// The bits moved to lower places; the sign stays.
    op bitwise_right_shift(a, b) for (int) = { shift_right(a, b) } grad { } on (0.0, 4.0);
    part bitwise_not(x) for (int) = { !x } grad { } on (-4.0, 4.0);
}

fn is_bool(arg: &Arg) -> bool {
    match arg {
        Arg::Tensor(t) => t.dtype() == DType::Bool,
        Arg::Number(s) => matches!(s, Scalar::Bool(_)),
    }
}

fn no_bool_subtraction(args: &[Arg], _: DType) -> Result<()> {
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

/// Operations that make no sense of truth values.
fn no_bool(_: &[Arg], common: DType) -> Result<()> {
    if common == DType::Bool {
        bail!(Unsupported, "the operation is not implemented for 'Bool'");
    }
    Ok(())
}

fn no_complex(_: &[Arg], common: DType) -> Result<()> {
    if common.is_complex() {
        bail!(DType, "the operation is not implemented for complex tensors.");
    }
    Ok(())
}

/// Operations that do not take integers for floats.
fn floats_only(args: &[Arg], _: DType) -> Result<()> {
    let integral = args.iter().filter_map(|a| a.tensor()).find(|t| t.dtype().is_integral());
    if let Some(t) = integral {
        bail!(Unsupported, "the operation is not implemented for '{}'", t.dtype().scalar_name());
    }
    Ok(())
}

fn no_integer_addcdiv(args: &[Arg], _: DType) -> Result<()> {
    if args[1..3].iter().all(|a| a.tensor().is_some_and(|t| t.dtype().is_integral())) {
        bail!(
            DType,
            "Integer division with addcdiv is no longer supported: use (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for it, or (input + value * tensor1 / tensor2) for true division"
        );
    }
    Ok(())
}

fn no_bool_negation(_: &[Arg], common: DType) -> Result<()> {
    if common == DType::Bool {
        bail!(
            DType,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
        );
    }
    Ok(())
}

fn no_bool_relu(_: &[Arg], common: DType) -> Result<()> {
    if common == DType::Bool {
        bail!(DType, "Boolean inputs not supported for relu");
    }
    Ok(())
}

/// Integers have no infinity to answer with.
fn no_zero_divisor(args: &[Arg], common: DType) -> Result<()> {
    no_bool(args, common)?;
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

fn no_negative_integer_power(args: &[Arg], common: DType) -> Result<()> {
    no_bool(args, common)?;
    if common.is_integral()
        && let Arg::Number(s) = args[1]
        && s.to_f64() < 0.0
    {
        bail!(DType, "Integers to negative integer powers are not allowed.");
    }
    Ok(())
}
