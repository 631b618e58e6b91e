//! The functions that formulas of the table may call, once for each type that kernels compute in.
//! All are scalar and branch-free where speed matters, so that loops over them vectorise.
//!
//! `f32_fma` is for code that runs only where fused multiply-add exists; without it `mul_add` would
//! be a call into libm, so `f32_plain` multiplies and adds. Maximum errors are held by the tests.

#![allow(dead_code)]

pub mod complex;
pub mod double;
pub mod float64;
pub mod int;
pub mod int_small;
mod real;
mod single;
pub mod truth;

use real::{elementary_functions, in_double_precision, real_functions};
use single::f32_functions;

#[inline(always)]
pub fn erf_of_f32(x: f32) -> f32 {
    libm::erf(x as f64) as f32
}

f32_functions!(f32_plain, |a, b, c| a * b + c, super::elementary_functions!(f32); pub use super::erf_of_f32 as erf;);
f32_functions!(
    f32_fma,
    f32::mul_add,
    pub use super::double::{cos, cosh, erf, exp2, log2, log10, pow, sin, sinh, tan};
);

/// Whether a formula's text has one of the words in it.
pub const fn names_any(formula: &str, words: &[&str]) -> bool {
    let text = formula.as_bytes();
    let mut w = 0;
    while w < words.len() {
        let word = words[w].as_bytes();
        let mut i = 0;
        while i + word.len() <= text.len() {
            let mut same = 0;
            while same < word.len() && text[i + same] == word[same] {
                same += 1;
            }
            if same == word.len() {
                return true;
            }
            i += 1;
        }
        w += 1;
    }
    false
}

const OF_ANGLES: &[&str] = &["sin(", "cos(", "tan("];

/// What kernels compute in.
pub trait Argument: Copy {
    /// Functions whose fast form is for numbers that are not large.
    const WATCHED: &'static [&'static str] = &[];
    /// Whether a number, or (for angles) four times it, is too large for them.
    #[inline(always)]
    fn is_large(self) -> bool {
        false
    }
}
impl Argument for f32 {
    const WATCHED: &'static [&'static str] = OF_ANGLES;
    #[inline(always)]
    fn is_large(self) -> bool {
        self.abs() >= double::LARGE / 4.0
    }
}
impl Argument for f64 {
    const WATCHED: &'static [&'static str] = OF_ANGLES;
    #[inline(always)]
    fn is_large(self) -> bool {
        self.abs() >= float64::LARGE / 4.0
    }
}
impl Argument for crate::dtype::C128 {}
impl Argument for int::Int {
    const WATCHED: &'static [&'static str] = &["divide(", "remainder(", "fmod("];
    #[inline(always)]
    fn is_large(self) -> bool {
        int_small::is_large(self)
    }
}
impl Argument for crate::dtype::Bool {}

pub mod f64 {
    #[inline(always)]
    pub fn exp(x: f64) -> f64 {
        x.exp()
    }
    #[inline(always)]
    pub fn log(x: f64) -> f64 {
        x.ln()
    }
    #[inline(always)]
    pub fn tanh(x: f64) -> f64 {
        x.tanh()
    }
    #[inline(always)]
    pub fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }
    #[inline(always)]
    pub fn expm1(x: f64) -> f64 {
        x.exp_m1()
    }
    #[inline(always)]
    pub fn log1p(x: f64) -> f64 {
        x.ln_1p()
    }
    #[inline(always)]
    pub fn erf(x: f64) -> f64 {
        libm::erf(x)
    }
    #[inline(always)]
    pub fn normal_cdf(x: f64) -> f64 {
        0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
    }
    super::elementary_functions!(f64);
    super::real_functions!(f64);
}

/// As `f64`, where there is fused multiply-add.
pub mod f64_fma {
    pub use super::f64::{erf, expm1, log1p, normal_cdf};
    pub use super::float64::{cos, exp, log, sigmoid, sin, tanh};
    super::elementary_functions! { f64: tan = tan, sinh = sinh, cosh = cosh, exp2 = exp2, log2 = log2, log10 = log10 }
    super::real_functions!(f64);
}

#[cfg(test)]
mod tests;
