//! Complex numbers of both widths compute in double precision.

#![allow(dead_code)]

use crate::dtype::C128;

#[inline(always)]
pub fn conj(a: C128) -> C128 {
    a.conj()
}
#[inline(always)]
pub fn nonzero(a: C128) -> bool {
    a.re != 0.0 || a.im != 0.0
}
#[inline(always)]
pub fn is_nan(a: C128) -> bool {
    a.re.is_nan() || a.im.is_nan()
}
#[inline(always)]
pub fn is_inf(a: C128) -> bool {
    a.re.is_infinite() || a.im.is_infinite()
}
#[inline(always)]
pub fn zero(_: C128) -> C128 {
    C128::new(0.0, 0.0)
}
#[inline(always)]
pub fn is_small(a: C128) -> bool {
    a.norm_sqr() < 0.25
}
/// The absolute value, as a complex number.
#[inline(always)]
pub fn modulus(a: C128) -> C128 {
    C128::new(a.norm(), 0.0)
}
#[inline(always)]
pub fn over_modulus(a: C128, b: C128) -> C128 {
    if b.re == 0.0 { b } else { a / b.re }
}
#[inline(always)]
pub fn sigmoid(a: C128) -> C128 {
    1.0 / (1.0 + (-a).exp())
}
#[inline(always)]
pub fn exp2(a: C128) -> C128 {
    (a * std::f64::consts::LN_2).exp()
}
#[inline(always)]
pub fn expm1(a: C128) -> C128 {
    a.exp() - 1.0
}
#[inline(always)]
pub fn log1p(a: C128) -> C128 {
    (a + 1.0).ln()
}
#[inline(always)]
pub fn log2(a: C128) -> C128 {
    a.ln() / std::f64::consts::LN_2
}
#[inline(always)]
pub fn log10(a: C128) -> C128 {
    a.ln() / std::f64::consts::LN_10
}
#[inline(always)]
pub fn tan(a: C128) -> C128 {
    a.tan()
}
#[inline(always)]
pub fn asin(a: C128) -> C128 {
    a.asin()
}
#[inline(always)]
pub fn acos(a: C128) -> C128 {
    a.acos()
}
#[inline(always)]
pub fn atan(a: C128) -> C128 {
    a.atan()
}
#[inline(always)]
pub fn sinh(a: C128) -> C128 {
    a.sinh()
}
#[inline(always)]
pub fn cosh(a: C128) -> C128 {
    a.cosh()
}
#[inline(always)]
pub fn exp(a: C128) -> C128 {
    a.exp()
}
#[inline(always)]
pub fn log(a: C128) -> C128 {
    a.ln()
}
#[inline(always)]
pub fn sqrt(a: C128) -> C128 {
    a.sqrt()
}
#[inline(always)]
pub fn sin(a: C128) -> C128 {
    a.sin()
}
#[inline(always)]
pub fn cos(a: C128) -> C128 {
    a.cos()
}
#[inline(always)]
pub fn tanh(a: C128) -> C128 {
    a.tanh()
}
#[inline(always)]
pub fn pow(a: C128, b: C128) -> C128 {
    if b == C128::new(2.0, 0.0) { a * a } else { a.powc(b) }
}
#[inline(always)]
pub fn select(condition: bool, a: C128, b: C128) -> C128 {
    std::hint::select_unpredictable(condition, a, b)
}
/// `a / b` as Smith divides, which neither overflows nor loses what it must not (R. L. Smith, Algorithm
/// 116, 1962); over zero it is infinite where `a` is not zero.
#[inline(always)]
pub fn quotient(a: C128, b: C128) -> C128 {
    if b.re.abs() >= b.im.abs() {
        if b.re == 0.0 && b.im == 0.0 {
            return C128::new(a.re / b.re.abs(), a.im / b.im.abs());
        }
        let ratio = b.im / b.re;
        let scale = 1.0 / (b.re + b.im * ratio);
        C128::new((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale)
    } else {
        let ratio = b.re / b.im;
        let scale = 1.0 / (b.re * ratio + b.im);
        C128::new((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale)
    }
}
/// Whether it is a real number, and not negative.
#[inline(always)]
pub fn is_nonnegative(a: C128) -> bool {
    a.im == 0.0 && a.re >= 0.0
}
#[inline(always)]
pub fn eq(a: C128, b: f64) -> bool {
    a == C128::new(b, 0.0)
}
#[inline(always)]
pub fn is_finite(a: C128) -> bool {
    a.re.is_finite() && a.im.is_finite()
}
#[inline(always)]
pub fn is_real(a: C128) -> bool {
    a.im == 0.0
}
#[inline(always)]
pub fn acosh(a: C128) -> C128 {
    a.acosh()
}
#[inline(always)]
pub fn asinh(a: C128) -> C128 {
    a.asinh()
}
#[inline(always)]
pub fn atanh(a: C128) -> C128 {
    a.atanh()
}
#[inline(always)]
pub fn nan_to_num(a: C128, nan: C128, high: C128, low: C128) -> C128 {
    let part = |x| super::f64::nan_to_num(x, nan.re, high.re, low.re);
    C128::new(part(a.re), part(a.im))
}
#[inline(always)]
pub fn sinc(a: C128) -> C128 {
    let t = a * std::f64::consts::PI;
    if nonzero(t) { t.sin() / t } else { C128::new(1.0, 0.0) }
}
#[inline(always)]
pub fn sinc_slope(a: C128) -> C128 {
    let t = a * std::f64::consts::PI;
    if nonzero(t) { (t * t.cos() - t.sin()) / (t * a) } else { C128::new(0.0, 0.0) }
}
/// The sum's larger part, by its real part, is taken out of the logarithm.
#[inline(always)]
pub fn logaddexp(a: C128, b: C128) -> C128 {
    if a == b && a.re.is_infinite() {
        return a;
    }
    let (high, low) = if a.re >= b.re { (a, b) } else { (b, a) };
    high + log1p((low - high).exp())
}
