//! What float32 and float64 have in common, for the modules of either: macros, as every formula is compiled for one
//! type.

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
pub(super) use elementary_functions;

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
pub(super) use real_functions;

/// Functions that are worth no loop of their own: calls of `cpu::special` or another file.
macro_rules! in_double_precision {
    ($t:ident: $($calls:tt)+) => { super::in_double_precision! { $t in special: $($calls)+ } };
    ($t:ident in $file:ident: $($name:ident($($v:ident),+))+) => { $(
        #[inline(always)]
        pub fn $name($($v: $t),+) -> $t { crate::cpu::$file::$name($($v as f64),+) as $t }
    )+ };
}
pub(super) use in_double_precision;
