//! The notation of pointwise operations. A file of a family writes `table! { ... }` with a row an
//! operation, and nothing else has to be touched to add one.
//!
//! ```text
//! /// The doc line.
//! op sigmoid(x) for (float) = { 1.0 / (1.0 + exp(-x)) }
//!     grad { x(y, g) = g * (y * (1.0 - y)); } on (-4.0, 4.0);
//! ```
//!
//! The first word says what becomes of the row:
//!
//! | word | in Python |
//! |---|---|
//! | `op` | a function, a method and an in-place method; a second argument may be a number |
//! | `op_of_numbers` | the same, and the first argument may be a number too |
//! | `op_of_tensors` | the same, without numbers |
//! | `pure`, `pure_of_tensors` | a function and a method |
//! | `special` | a function of `special`; both arguments may be numbers |
//! | `activation` | a function of `nn.functional` that can work in place |
//! | `part` | nothing: it serves other operations |
//!
//! Inputs behind a `;` are settings: numbers that take no part in promotion. `for` says what the
//! formula is compiled for: `float` (f32, f64, and through them float16 and bfloat16), `int` (all
//! integers and bool, as wrapping 64-bit ones), `complex`, `bool` (bools as bytes). Without `int`, integers are computed in the
//! default float dtype. `-> bool` marks comparisons.
//!
//! A formula may use arithmetic, comparison, `if`-free calls of the functions in `cpu::math`, and
//! literals. `grad` gives, for an input, the gradient as a formula of the inputs and results it
//! names: the inputs, the result `y`, the incoming gradient `g`. The same text is a fused kernel and,
//! for gradients of gradients, a computation over tensors (`ops::graph_math`). `check` names a function
//! that may refuse the arguments. `on` is where the tests draw samples.

use crate::bail;
pub use crate::cpu::pointwise::Typed;
pub use crate::dtype::{Bool, C128, DType};
pub use crate::error::Result;
pub use crate::ops::pointwise::{Arg, Check, Read, Row, RowGrad, apply, apply_inplace, args_of, position};
pub use crate::ops::registry::{Op, Variants};
pub use crate::scalar::Scalar;
pub use crate::tensor::Tensor;

macro_rules! kernels_for {
    (float, |$($v:ident),+| -> bool $f:expr, $typed:expr) => {
        $typed.float(
            crate::formula_kernels!(f32, f32_plain, f32_fma, |$($v),+| -> Bool { $f }),
            crate::formula_kernels!(f64, f64, f64_fma, |$($v),+| -> Bool { $f }),
        ).to_bool()
    };
    (int, |$($v:ident),+| -> bool $f:expr, $typed:expr) => {
        $typed.int(crate::formula_kernels!(std::num::Wrapping<i64>, int, int_small, |$($v),+| -> Bool { $f })).to_bool()
    };
    (complex, |$($v:ident),+| -> bool $f:expr, $typed:expr) => {
        $typed.complex(crate::formula_kernels!(C128, complex, complex, |$($v),+| -> Bool { $f })).to_bool()
    };
    (float, |$($v:ident),+| -> same $f:expr, $typed:expr) => {
        $typed.float(
            crate::formula_kernels!(f32, f32_plain, f32_fma, |$($v),+| -> f32 { $f }),
            crate::formula_kernels!(f64, f64, f64_fma, |$($v),+| -> f64 { $f }),
        )
    };
    (int, |$($v:ident),+| -> same $f:expr, $typed:expr) => {
        $typed.int(crate::formula_kernels!(std::num::Wrapping<i64>, int, int_small, |$($v),+| -> std::num::Wrapping<i64> { $f }))
    };
    (bool, |$($v:ident),+| -> bool $f:expr, $typed:expr) => {
        $typed.truth(crate::formula_kernels!(Bool, truth, truth, |$($v),+| -> Bool { $f })).to_bool()
    };
    (bool, |$($v:ident),+| -> same $f:expr, $typed:expr) => {
        $typed.truth(crate::formula_kernels!(Bool, truth, truth, |$($v),+| -> Bool { $f }))
    };
    (complex, |$($v:ident),+| -> same $f:expr, $typed:expr) => {
        $typed.complex(crate::formula_kernels!(C128, complex, complex, |$($v),+| -> C128 { $f }))
    };
    // Gradients exist for real and complex numbers only.
    (grad int, |$($v:ident),+| $f:expr, $typed:expr) => { $typed };
    (grad bool, |$($v:ident),+| $f:expr, $typed:expr) => { $typed };
    (grad $kind:ident, |$($v:ident),+| $f:expr, $typed:expr) => {
        kernels_for!($kind, |$($v),+| -> same $f, $typed)
    };
}

/// Nests `kernels_for!` over a list of kinds.
macro_rules! formula_typed {
    ($result:ident () |$($v:ident),+| $f:expr) => { Typed::NONE };
    ($result:ident ($kind:ident $($rest:ident)*) |$($v:ident),+| $f:expr) => {
        kernels_for!($kind, |$($v),+| -> $result $f, formula_typed!($result ($($rest)*) |$($v),+| $f))
    };
}
macro_rules! gradient_typed {
    (() |$($v:ident),+| $f:expr) => { Typed::NONE };
    (($kind:ident $($rest:ident)*) |$($v:ident),+| $f:expr) => {
        kernels_for!(grad $kind, |$($v),+| $f, gradient_typed!(($($rest)*) |$($v),+| $f))
    };
}

macro_rules! row_kernels {
    ([] $compute:tt |$($v:ident),+| $f:expr) => { formula_typed!(same $compute |$($v),+| $f).written(stringify!($f), &[$(stringify!($v)),+]) };
    ([bool] $compute:tt |$($v:ident),+| $f:expr) => { formula_typed!(bool $compute |$($v),+| $f).written(stringify!($f), &[$(stringify!($v)),+]) };
}

macro_rules! signature_of {
    (activation $name:ident; $x:ident) => {
        concat!("nn.functional.", stringify!($name), "(Tensor input) -> Tensor")
    };
    (special $name:ident; $x:ident) => {
        concat!("special.", stringify!($name), "(Tensor input) -> Tensor")
    };
    (special $name:ident; $a:ident $b:ident) => {
        concat!("special.", stringify!($name), "(Number|Tensor input, Number|Tensor other) -> Tensor")
    };
    ($kind:ident $name:ident; $x:ident) => {
        concat!(stringify!($name), "(Tensor input) -> Tensor")
    };
    (op $name:ident; $a:ident $b:ident) => {
        concat!(stringify!($name), "(Tensor input, Number|Tensor other) -> Tensor")
    };
    (op_of_numbers $name:ident; $a:ident $b:ident) => {
        concat!(stringify!($name), "(Number|Tensor input, Number|Tensor other) -> Tensor")
    };
    ($kind:ident $name:ident; $a:ident $b:ident) => {
        concat!(stringify!($name), "(Tensor input, Tensor other) -> Tensor")
    };
}

/// Where the operation of a row can be found in Python.
pub const fn variants_of(kind: &str) -> Variants {
    match kind.as_bytes() {
        b"special" => Variants { function: true, method: false, inplace: false },
        b"activation" => Variants { function: true, method: false, inplace: true },
        b"pure" | b"pure_of_tensors" => Variants { function: true, method: true, inplace: false },
        _ => Variants { function: true, method: true, inplace: true },
    }
}

/// Samples of rows that do not take every number or any second argument; others have them made up.
macro_rules! samples_of {
    (op_of_tensors (int) $a:ident $b:ident) => { "ints(3, 4, low=-4), ints(3, 4) | ints(3, 1), ints(4) | ints(0, 3), ints(3)" };
    (op_of_tensors $compute:tt $a:ident $b:ident) => { "t(3, 4), t(3, 4) | t(3, 1), t(4) | t(0, 3), t(3) | nc(3, 4), t(3, 4)" };
    (pure_of_tensors $compute:tt $a:ident $b:ident) => { "t(3, 4), t(3, 4) | t(3, 1), t(4) | t(0, 3), t(3) | nc(3, 4), t(3, 4)" };
    (op (int) $a:ident $b:ident) => {
        "ints(3, 4, low=-4), ints(3, 4) | ints(3, 1), ints(4) | ints(3), 2 | ints(0, 3), ints(3) | ints(3, dtype=torch.uint8), ints(3, dtype=torch.int8) | ints(3, dtype=torch.int16), ints(3, dtype=torch.int32)"
    };
    (op_of_numbers (int $(bool)?) $a:ident $b:ident) => {
        "ints(3, 4, low=-4), ints(3, 4) | ints(3, 1), ints(4) | ints(3), 2 | 2, ints(3) | ints(0, 3), ints(3) | ints(3, dtype=torch.uint8), ints(3, dtype=torch.int8) | ints(3, dtype=torch.int16), ints(3, dtype=torch.int32)"
    };
    ($kind:ident $compute:tt $($in:ident)+) => { "" };
}

/// A row of `special`: without a gradient, the result is a constant.
pub fn apply_special(row: &'static Row, args: &[Arg]) -> Result<Tensor> {
    if row.grads.is_empty() { crate::autograd::no_grad(|| apply(row, args)) } else { apply(row, args) }
}

macro_rules! apply_of {
    (special) => {
        apply_special
    };
    ($kind:ident) => {
        apply
    };
}

macro_rules! declared {
    (part $($rest:tt)*) => { None };
    ($kind:ident $name:ident $compute:tt [$($in:ident)+] [$($grad:ident)*]; $doc:expr; $low:expr, $high:expr) => {
        Some(Op::new(signature_of!($kind $name; $($in)+), |a| Ok(apply_of!($kind)(&rows::$name::ROW, &args_of(a))?.into()))
            .inplace_by(|a| Ok(apply_inplace(&rows::$name::ROW, &args_of(a))?.into()))
            .variants(variants_of(stringify!($kind)))
            .doc($doc)
            .samples(samples_of!($kind $compute $($in)+))
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
                        kernels: gradient_typed!($compute |$($gv),+| $g).written(stringify!($g), &[$(stringify!($gv)),+]),
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
pub const fn is_g(text: &str) -> bool {
    matches!(text.as_bytes(), b"g")
}

/// Rows whose first input is called `condition` do not promote it.
pub const fn condition_count(first: &str) -> usize {
    matches!(first.as_bytes(), b"condition") as usize
}

pub fn is_bool(arg: &Arg) -> bool {
    match arg {
        Arg::Tensor(t) => t.dtype() == DType::Bool,
        Arg::Number(s) => matches!(s, Scalar::Bool(_)),
    }
}

/// Operations that make no sense of truth values.
pub fn no_bool(row: &Row, _: &[Arg], common: DType) -> Result<()> {
    if common == DType::Bool {
        bail!(Unsupported, "\"{}\" not implemented for 'Bool'", row.name);
    }
    Ok(())
}

pub fn no_complex(row: &Row, _: &[Arg], common: DType) -> Result<()> {
    if common.is_complex() {
        bail!(DType, "{} is not implemented for complex tensors.", row.name);
    }
    Ok(())
}

/// Operations that do not take integers for floats.
pub fn floats_only(row: &Row, args: &[Arg], _: DType) -> Result<()> {
    let integral = args.iter().filter_map(|a| a.tensor()).find(|t| t.dtype().is_integral());
    if let Some(t) = integral {
        bail!(Unsupported, "\"{}\" not implemented for '{}'", row.name, t.dtype().scalar_name());
    }
    Ok(())
}
