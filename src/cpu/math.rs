//! The functions that formulas of the table may call, once for each type that kernels compute in.
//! All are scalar and branch-free where speed matters, so that loops over them vectorise.
//!
//! `f32_fma` is for code that runs only where fused multiply-add exists; without it `mul_add` would
//! be a call into libm, so `f32_plain` multiplies and adds. Maximum errors are held by the tests.

#![allow(dead_code)]

pub mod complex;
pub mod double;
pub mod int;
pub mod truth;

macro_rules! f32_functions {
    ($module:ident, $fma:expr, $($elementary:tt)+) => {
        pub mod $module {
            $($elementary)+

            #[inline(always)]
            fn fma(a: f32, b: f32, c: f32) -> f32 {
                let fma: fn(f32, f32, f32) -> f32 = $fma;
                fma(a, b, c)
            }

            /// `k` and `p` of exp(x) = 2^k (1 + p): two-term Cody-Waite reduction and a polynomial of degree 6.
            #[inline(always)]
            fn exp_parts(x: f32) -> (i32, f32) {
                const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
                let t = fma(x, std::f32::consts::LOG2_E, MAGIC);
                let n = t - MAGIC;
                let k = t.to_bits().wrapping_sub(MAGIC.to_bits()) as i32;
                let r = fma(n, -0.693_359_4, x);
                let r = fma(n, 2.121_944_4e-4, r);
                let p = fma(1.987_569_1e-4, r, 1.398_2e-3);
                let p = fma(p, r, 8.333_452e-3);
                let p = fma(p, r, 4.166_579_6e-2);
                let p = fma(p, r, 1.666_666_5e-1);
                let p = fma(p, r, 5.0e-1);
                (k, fma(p, r * r, r))
            }

            #[inline(always)]
            fn power_of_two(k: i32) -> f32 {
                f32::from_bits(((k + 127) << 23) as u32)
            }

            /// Within 1.5 ulp.
            #[inline(always)]
            pub fn exp(x: f32) -> f32 {
                // Comparisons written so that NaN passes through.
                let x = if x > 89.0 { 89.0 } else { x };
                let x = if x < -104.0 { -104.0 } else { x };
                let (k, p) = exp_parts(x);
                // 2^k in two factors, so that results may overflow or be denormal.
                let half = k >> 1;
                (p + 1.0) * power_of_two(half) * power_of_two(k - half)
            }

            /// Within 1 ulp. Cephes' polynomial on [sqrt(1/2), sqrt(2)).
            #[inline(always)]
            pub fn log(x: f32) -> f32 {
                let denormal = x < f32::MIN_POSITIVE;
                let scaled = if denormal { x * 8_388_608.0 } else { x };
                let bits = scaled.to_bits().wrapping_sub(0x3f35_04f3);
                let e = ((bits as i32) >> 23) as f32 - if denormal { 23.0 } else { 0.0 };
                let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
                let f = m - 1.0;
                let z = f * f;
                let p = fma(7.037_683_6e-2, f, -1.151_461e-1);
                let p = fma(p, f, 1.167_699_9e-1);
                let p = fma(p, f, -1.242_014_1e-1);
                let p = fma(p, f, 1.424_932_3e-1);
                let p = fma(p, f, -1.666_805_7e-1);
                let p = fma(p, f, 2.000_071_5e-1);
                let p = fma(p, f, -2.499_999_4e-1);
                let p = fma(p, f, 3.333_333e-1);
                let y = p * f * z;
                let y = fma(e, -2.121_944_4e-4, y);
                let y = fma(z, -0.5, y);
                let y = fma(e, 0.693_359_4, f + y);
                let y = if x == f32::INFINITY { x } else { y };
                let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
                if x < 0.0 || x.is_nan() { f32::NAN } else { y }
            }

            /// Within 2 ulp. An odd polynomial near zero, where 1 - 2 / (exp(2x) + 1) cancels.
            #[inline(always)]
            pub fn tanh(x: f32) -> f32 {
                let z = x * x;
                let p = fma(-5.704_988_7e-3, z, 2.063_909e-2);
                let p = fma(p, z, -5.373_971_6e-2);
                let p = fma(p, z, 1.333_144_2e-1);
                let p = fma(p, z, -3.333_328e-1);
                let small = fma(p * z, x, x);
                let large = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
                if x.abs() < 0.625 { small } else { large.copysign(x) }
            }

            #[inline(always)]
            pub fn sigmoid(x: f32) -> f32 {
                1.0 / (1.0 + exp(-x))
            }

            /// exp(x) - 1, within 2 ulp: as `exp`, but 1 is taken off 2^k rather than added to the polynomial.
            #[inline(always)]
            pub fn expm1(x: f32) -> f32 {
                // Beyond, 1 is less than half a last place, and -1 is the result.
                let clipped = if x > 20.0 { 20.0 } else { x };
                let clipped = if clipped < -20.0 { -20.0 } else { clipped };
                let (k, p) = exp_parts(clipped);
                let power = power_of_two(k);
                let y = fma(p, power, power - 1.0);
                // Keeps the sign of zero.
                let y = if x == 0.0 { x } else { y };
                if x > 20.0 { exp(x) } else { y }
            }

            /// log(1 + x), within 3 ulp: what rounding 1 + x loses is made good by a factor (Kahan).
            #[inline(always)]
            pub fn log1p(x: f32) -> f32 {
                let u = 1.0 + x;
                let y = log(u) * (x / (u - 1.0));
                let y = if u == 1.0 { x } else { y };
                if u == f32::INFINITY { u } else { y }
            }

            /// The normal distribution function, within 2e-7 and, below zero, 8e-6 of the value; 0 below -6.
            #[inline(always)]
            pub fn normal_cdf(x: f32) -> f32 {
                // log(erfc(t / sqrt(2)) / 2) on [0, 6], as Chebyshev interpolates it.
                const COEFFICIENTS: [f32; 12] = [
                    -std::f32::consts::LN_2, -0.797_886_7, -0.318_293_25, -0.036_384_823, 4.853_712_3e-3, -1.789_226e-5,
                    -1.938_478_7e-4, 5.658_838e-5, -9.212_001e-6, 9.263_862e-7, -5.377_135_4e-8, 1.381_681_5e-9,
                ];
                let t = x.abs();
                // In pairs of pairs: one after the other, a sum waits for the last.
                let t2 = t * t;
                let pair = |i: usize| fma(COEFFICIENTS[i + 1], t, COEFFICIENTS[i]);
                let four = |i: usize| fma(pair(i + 2), t2, pair(i));
                let p = fma(fma(four(8), t2 * t2, four(4)), t2 * t2, four(0));
                let y = exp(p);
                let y = if t > 6.0 { 0.0 } else { y };
                if x > 0.0 { 1.0 - y } else { y }
            }

            super::real_functions!(f32);
        }
    };
}

/// What the standard library has.
macro_rules! elementary_functions {
    ($t:ident: $($name:ident = $std:ident),+) => {
        $(#[inline(always)]
        pub fn $name(a: $t) -> $t {
            a.$std()
        })+
        /// C's pow; small whole exponents are multiplied out, which is also what PyTorch does.
        #[inline(always)]
        pub fn pow(a: $t, b: $t) -> $t {
            if b == 2.0 {
                a * a
            } else if b == 3.0 {
                a * a * a
            } else if b == 0.5 {
                a.sqrt()
            } else {
                a.powf(b)
            }
        }
    };
    ($t:ident) => {
        super::elementary_functions! { $t:
            sin = sin, cos = cos, tan = tan, sinh = sinh, cosh = cosh, exp2 = exp2, log2 = log2, log10 = log10
        }
    };
}
use elementary_functions;

/// What f32 and f64 have in common.
macro_rules! real_functions {
    ($t:ident) => {
        type R = $t;
        /// Never a branch, which would end the vectors.
        #[inline(always)]
        pub fn select(condition: bool, a: R, b: R) -> R {
            std::hint::select_unpredictable(condition, a, b)
        }
        #[inline(always)]
        pub fn quotient(a: R, b: R) -> R {
            a / b
        }
        #[inline(always)]
        pub fn is_nonnegative(a: R) -> bool {
            a >= 0.0
        }
        #[inline(always)]
        pub fn lt(a: R, b: R) -> bool {
            a < b
        }
        #[inline(always)]
        pub fn le(a: R, b: R) -> bool {
            a <= b
        }
        #[inline(always)]
        pub fn gt(a: R, b: R) -> bool {
            a > b
        }
        #[inline(always)]
        pub fn ge(a: R, b: R) -> bool {
            a >= b
        }
        #[inline(always)]
        pub fn eq(a: R, b: R) -> bool {
            a == b
        }
        #[inline(always)]
        pub fn nonzero(a: R) -> bool {
            a != 0.0
        }
        #[inline(always)]
        pub fn is_nan(a: R) -> bool {
            a != a
        }
        #[inline(always)]
        pub fn is_inf(a: R) -> bool {
            a.abs() == R::INFINITY
        }
        #[inline(always)]
        pub fn zero(_: R) -> R {
            0.0
        }
        /// Over tensors it stays on the graph; see `ops::table`.
        #[inline(always)]
        pub fn zero_of(_: R) -> R {
            0.0
        }
        /// Nearer to 0 than to 1.
        #[inline(always)]
        pub fn is_small(a: R) -> bool {
            a.abs() < 0.5
        }
        /// NaN stays.
        #[inline(always)]
        pub fn positive_part(a: R) -> R {
            if a <= 0.0 { 0.0 } else { a }
        }
        #[inline(always)]
        pub fn trunc_divide(a: R, b: R) -> R {
            (a / b).trunc()
        }
        #[inline(always)]
        pub fn conj(a: R) -> R {
            a
        }
        /// `a / b`, 0 where b is 0: the direction of a number of modulus b.
        #[inline(always)]
        pub fn over_modulus(a: R, b: R) -> R {
            if b == 0.0 { 0.0 } else { a / b }
        }
        #[inline(always)]
        pub fn abs(a: R) -> R {
            a.abs()
        }
        #[inline(always)]
        pub fn neg(a: R) -> R {
            -a
        }
        /// -1, 0 or 1; NaN gives 0, as in PyTorch.
        #[inline(always)]
        pub fn sign(a: R) -> R {
            (a > 0.0) as i32 as R - (a < 0.0) as i32 as R
        }
        #[inline(always)]
        pub fn maximum(a: R, b: R) -> R {
            // The first line is one instruction.
            let larger = if b > a { b } else { a };
            if b != b { b } else { larger }
        }
        #[inline(always)]
        pub fn minimum(a: R, b: R) -> R {
            let smaller = if b < a { b } else { a };
            if b != b { b } else { smaller }
        }
        #[inline(always)]
        pub fn floor(a: R) -> R {
            a.floor()
        }
        #[inline(always)]
        pub fn ceil(a: R) -> R {
            a.ceil()
        }
        #[inline(always)]
        pub fn trunc(a: R) -> R {
            a.trunc()
        }
        /// Half to even.
        #[inline(always)]
        pub fn round(a: R) -> R {
            a.round_ties_even()
        }
        #[inline(always)]
        pub fn sqrt(a: R) -> R {
            a.sqrt()
        }
        #[inline(always)]
        pub fn asin(a: R) -> R {
            a.asin()
        }
        #[inline(always)]
        pub fn acos(a: R) -> R {
            a.acos()
        }
        #[inline(always)]
        pub fn atan(a: R) -> R {
            a.atan()
        }
        #[inline(always)]
        pub fn atan2(a: R, b: R) -> R {
            a.atan2(b)
        }
        /// The quotient rounded down, exact also where a / b is not (Python's `//`).
        #[inline(always)]
        pub fn floor_divide(a: R, b: R) -> R {
            if b == 0.0 {
                return a / b;
            }
            let m = a % b;
            let mut quotient = (a - m) / b;
            if m != 0.0 && ((b < 0.0) != (m < 0.0)) {
                quotient -= 1.0;
            }
            if quotient == 0.0 {
                return R::copysign(0.0, a / b);
            }
            let down = quotient.floor();
            if quotient - down > 0.5 { down + 1.0 } else { down }
        }
        /// Python's `%`: the sign is the divisor's.
        #[inline(always)]
        pub fn remainder(a: R, b: R) -> R {
            let m = a % b;
            if m != 0.0 && ((b < 0.0) != (m < 0.0)) { m + b } else { m }
        }
        /// C's `%`: the sign is the dividend's.
        #[inline(always)]
        pub fn fmod(a: R, b: R) -> R {
            a % b
        }

        #[inline(always)]
        pub fn is_finite(a: R) -> bool {
            a.abs() < R::INFINITY
        }
        #[inline(always)]
        pub fn acosh(a: R) -> R {
            libm::acosh(a as f64) as R
        }
        #[inline(always)]
        pub fn asinh(a: R) -> R {
            libm::asinh(a as f64) as R
        }
        #[inline(always)]
        pub fn atanh(a: R) -> R {
            libm::atanh(a as f64) as R
        }
        #[inline(always)]
        pub fn hypot(a: R, b: R) -> R {
            a.hypot(b)
        }
        #[inline(always)]
        pub fn copysign(a: R, b: R) -> R {
            a.copysign(b)
        }
        #[inline(always)]
        pub fn sign_bit(a: R) -> bool {
            a.is_sign_negative()
        }
        /// 0 below zero, 1 above, b at zero.
        #[inline(always)]
        pub fn heaviside(a: R, b: R) -> R {
            if a == 0.0 { b } else { (a > 0.0) as i32 as R }
        }
        /// x above the threshold, the value elsewhere; NaN stays.
        #[inline(always)]
        pub fn above(x: R, threshold: R, value: R) -> R {
            if x <= threshold { value } else { x }
        }
        /// The larger one; a number rather than NaN.
        #[inline(always)]
        pub fn fmax(a: R, b: R) -> R {
            if a >= b || b != b { a } else { b }
        }
        #[inline(always)]
        pub fn fmin(a: R, b: R) -> R {
            if a <= b || b != b { a } else { b }
        }
        #[inline(always)]
        pub fn xlogy(a: R, b: R) -> R {
            if b != b {
                b
            } else if a == 0.0 {
                0.0
            } else {
                a * log(b)
            }
        }
        #[inline(always)]
        pub fn xlog1py(a: R, b: R) -> R {
            if b != b {
                b
            } else if a == 0.0 {
                0.0
            } else {
                a * log1p(b)
            }
        }
        #[inline(always)]
        pub fn logaddexp(a: R, b: R) -> R {
            if a == b && is_inf(a) { a } else { maximum(a, b) + log1p(exp(-(a - b).abs())) }
        }
        #[inline(always)]
        pub fn logaddexp2(a: R, b: R) -> R {
            const TO_BASE_2: R = std::f64::consts::LOG2_E as R;
            if a == b && is_inf(a) { a } else { maximum(a, b) + log1p(exp2(-(a - b).abs())) * TO_BASE_2 }
        }
        /// sin(pi x) / (pi x).
        #[inline(always)]
        pub fn sinc(a: R) -> R {
            let t = a * (std::f64::consts::PI as R);
            if t == 0.0 { 1.0 } else { sin(t) / t }
        }
        /// The derivative of `sinc`.
        #[inline(always)]
        pub fn sinc_slope(a: R) -> R {
            let t = a * (std::f64::consts::PI as R);
            if t == 0.0 { 0.0 } else { (t * cos(t) - sin(t)) / (t * a) }
        }
        /// The angle of a real number: 0 or pi.
        #[inline(always)]
        pub fn angle(a: R) -> R {
            if a < 0.0 { std::f64::consts::PI as R } else { a * 0.0 }
        }
        #[inline(always)]
        pub fn logit(a: R) -> R {
            log(a / (1.0 - a))
        }
        /// NaN and infinities replaced.
        #[inline(always)]
        pub fn nan_to_num(a: R, nan: R, high: R, low: R) -> R {
            if a != a {
                nan
            } else if a == R::INFINITY {
                high
            } else if a == -R::INFINITY {
                low
            } else {
                a
            }
        }
        /// The e of a = m 2^e with 0.5 <= |m| < 1; 0 for what has none.
        #[inline(always)]
        pub fn binary_exponent(a: R) -> R {
            if a == 0.0 || !is_finite(a) { 0.0 } else { libm::frexp(a as f64).1 as R }
        }
        /// The m of a = m 2^e.
        #[inline(always)]
        pub fn mantissa(a: R) -> R {
            if a == 0.0 || !is_finite(a) { a } else { libm::frexp(a as f64).0 as R }
        }
        #[inline(always)]
        pub fn next_after(a: R, b: R) -> R {
            if a != a || b != b {
                a + b
            } else if a == b {
                b
            } else if a == 0.0 {
                R::from_bits(1).copysign(b)
            } else if (a < b) == (a > 0.0) {
                R::from_bits(a.to_bits() + 1)
            } else {
                R::from_bits(a.to_bits() - 1)
            }
        }
        /// log(sigmoid(a)), without its underflow.
        #[inline(always)]
        pub fn log_sigmoid(a: R) -> R {
            (if a < 0.0 { a } else { 0.0 }) - log1p(exp(-a.abs()))
        }
        /// -a log a; 0 at 0, minus infinity below.
        #[inline(always)]
        pub fn entr(a: R) -> R {
            if a != a {
                a
            } else if a > 0.0 {
                -a * log(a)
            } else if a == 0.0 {
                0.0
            } else {
                -R::INFINITY
            }
        }
        super::in_double_precision! { $t:
            lgamma(x) digamma(x) erfcx(x) erfinv(x) ndtri(x) log_ndtr(x) igamma(a, x) igammac(a, x) zeta(x, q)
            polygamma(x, n)
        }
        super::in_double_precision! { $t in bessel:
            i0(x) i0e(x) i1(x) i1e(x) k0(x) k0e(x) k1(x) k1e(x) spherical_j0(x) airy_ai(x)
        }
        super::in_double_precision! { $t in polynomial:
            chebyshev_t(x, n) chebyshev_u(x, n) chebyshev_v(x, n) chebyshev_w(x, n) hermite_h(x, n) hermite_he(x, n)
            laguerre_l(x, n) legendre_p(x, n)
        }
        #[inline(always)]
        pub fn erfc(a: R) -> R {
            libm::erfc(a as f64) as R
        }
        #[inline(always)]
        pub fn bessel_j0(a: R) -> R {
            libm::j0(a as f64) as R
        }
        #[inline(always)]
        pub fn bessel_j1(a: R) -> R {
            libm::j1(a as f64) as R
        }
        #[inline(always)]
        pub fn bessel_y0(a: R) -> R {
            libm::y0(a as f64) as R
        }
        #[inline(always)]
        pub fn bessel_y1(a: R) -> R {
            libm::y1(a as f64) as R
        }
    };
}
use real_functions;

/// Functions that are worth no loop of their own: calls of `cpu::special` or another file.
macro_rules! in_double_precision {
    ($t:ident: $($calls:tt)+) => { super::in_double_precision! { $t in special: $($calls)+ } };
    ($t:ident in $file:ident: $($name:ident($($v:ident),+))+) => { $(
        #[inline(always)]
        pub fn $name($($v: $t),+) -> $t { crate::cpu::$file::$name($($v as f64),+) as $t }
    )+ };
}
use in_double_precision;

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

/// Whether a formula's text calls a function of angles, which float32 has in the range of `double::LARGE` only.
pub const fn names_angles(formula: &str) -> bool {
    let text = formula.as_bytes();
    let mut i = 0;
    while i + 4 <= text.len() {
        if matches!(
            (text[i], text[i + 1], text[i + 2], text[i + 3]),
            (b's', b'i', b'n', b'(') | (b'c', b'o', b's', b'(') | (b't', b'a', b'n', b'(')
        ) {
            return true;
        }
        i += 1;
    }
    false
}

/// What kernels compute in.
pub trait Argument: Copy {
    /// Whether functions of angles, of up to four times the value, are left to libm.
    #[inline(always)]
    fn is_large(self) -> bool {
        false
    }
}
impl Argument for f32 {
    #[inline(always)]
    fn is_large(self) -> bool {
        self.abs() >= double::LARGE / 4.0
    }
}
impl Argument for f64 {}
impl Argument for crate::dtype::C128 {}
impl Argument for int::Int {}
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

#[cfg(test)]
mod tests;
