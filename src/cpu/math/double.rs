//! Functions of float32 numbers that are computed in float64 and rounded once: within 0.54 ulp, without branches, so
//! that loops over them vectorise. For machines with fused multiply-add.
//!
//! Polynomials are Chebyshev's interpolations, of lowest degree first.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LOG2_E, LOG10_2};

/// 1.5 * 2^52: adding it rounds to an integer, whose bits are then the lowest of the sum.
pub(super) const MAGIC: f64 = 6_755_399_441_055_744.0;

/// The even powers and the odd ones apart: the two sums do not wait for each other.
#[inline(always)]
pub(super) fn polynomial<const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let (square, last) = (x * x, N - 1);
    let (mut y, mut other) = (coefficients[last], coefficients[last - 1]);
    let mut i = last - 1;
    while i >= 2 {
        y = y.mul_add(square, coefficients[i - 1]);
        other = other.mul_add(square, coefficients[i - 2]);
        i -= 2;
    }
    if i == 1 { other.mul_add(x, y.mul_add(square, coefficients[0])) } else { y.mul_add(x, other) }
}

// ---- trigonometry ----

/// From here on quarter turns are no longer told exactly; formulas leave such numbers to libm.
pub const LARGE: f32 = 1.099_511_6e12; // 2^40

/// How many quarter turns `x >= 0` is, as a number whose lowest bits tell, and the angle that is left, at most pi / 4.
#[inline(always)]
fn reduced(x: f32) -> (u64, f64) {
    let wide = x as f64;
    let turns = wide.mul_add(FRAC_2_PI, MAGIC);
    let k = turns - MAGIC;
    (turns.to_bits(), k.mul_add(-6.123_233_995_736_766e-17, k.mul_add(-FRAC_PI_2, wide)))
}

/// The sine and the cosine of an angle of at most pi / 4.
#[inline(always)]
fn sin_cos(r: f64) -> (f64, f64) {
    let z = r * r;
    let s = polynomial(
        z,
        [
            -0.166_666_666_637_975_43,
            0.008_333_331_852_310_972,
            -0.000_198_400_746_657_374_66,
            2.724_836_477_303_667_6e-6,
        ],
    );
    let c = polynomial(
        z,
        [
            -0.499_999_999_684_852_4,
            0.041_666_650_398_591_784,
            -0.001_388_757_590_483_698_2,
            2.446_207_456_539_255e-5,
        ],
    );
    ((r * z).mul_add(s, r), z.mul_add(c, 1.0))
}

/// The sine of `quarters` quarter turns and an angle.
#[inline(always)]
pub(super) fn sine(quarters: u64, (s, c): (f64, f64)) -> f64 {
    let value = if quarters & 1 == 0 { s } else { c };
    f64::from_bits(value.to_bits() ^ (quarters & 2) << 62)
}

#[inline(always)]
pub fn sin(x: f32) -> f32 {
    let (quarters, angle) = reduced(x.abs());
    let y = sine(quarters, sin_cos(angle)) as f32;
    f32::from_bits(y.to_bits() ^ (x.to_bits() & 0x8000_0000))
}

#[inline(always)]
pub fn cos(x: f32) -> f32 {
    let (quarters, angle) = reduced(x.abs());
    sine(quarters.wrapping_add(1), sin_cos(angle)) as f32
}

#[inline(always)]
pub fn tan(x: f32) -> f32 {
    let (quarters, angle) = reduced(x.abs());
    let (s, c) = sin_cos(angle);
    let y = if quarters & 1 == 0 { s / c } else { -c / s };
    (if x.is_sign_negative() { -y } else { y }) as f32
}

// ---- powers and logarithms ----

/// The logarithm to base 2 of the absolute value; minus infinity of 0.
#[inline(always)]
fn log2_of_size(x: f32) -> f64 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let x = x.abs();
    let denormal = x < f32::MIN_POSITIVE;
    let scaled = if denormal { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits().wrapping_sub(SQRT_HALF);
    let e = ((bits as i32) >> 23) - if denormal { 23 } else { 0 };
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(SQRT_HALF)) as f64;
    let s = (m - 1.0) / (m + 1.0);
    let p = polynomial(
        s * s,
        [
            2.885_390_081_777_850_4,
            0.961_796_694_112_674_9,
            0.577_077_942_530_131_7,
            0.412_209_238_225_021_4,
            0.319_906_184_755_322_95,
            0.282_894_374_571_525_5,
        ],
    );
    let y = s.mul_add(p, e as f64);
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < f32::INFINITY { y } else { x as f64 }
}

/// 2 to the power of `x`, as far as float32 numbers reach.
#[inline(always)]
fn power_of_2(x: f64) -> f64 {
    // Comparisons written so that NaN passes through.
    let x = if x > 200.0 { 200.0 } else { x };
    let x = if x < -200.0 { -200.0 } else { x };
    let rounded = x + MAGIC;
    let r = x - (rounded - MAGIC);
    let p = polynomial(
        r,
        [
            0.693_147_180_556_782_2,
            0.240_226_506_958_881_54,
            0.055_504_109_068_067_35,
            0.009_618_129_135_569_293,
            0.001_333_347_783_375_67,
            0.000_154_034_737_844_831_85,
            1.530_390_509_058_455e-5,
            1.325_094_711_138_749_5e-6,
        ],
    );
    let scale = f64::from_bits((rounded.to_bits() << 52).wrapping_add(1.0f64.to_bits()));
    p.mul_add(r, 1.0) * scale
}

#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    power_of_2(x as f64) as f32
}

#[inline(always)]
pub fn log2(x: f32) -> f32 {
    let y = log2_of_size(x) as f32;
    if x < 0.0 { f32::NAN } else { y }
}

#[inline(always)]
pub fn log10(x: f32) -> f32 {
    let y = (log2_of_size(x) * LOG10_2) as f32;
    if x < 0.0 { f32::NAN } else { y }
}

/// C's pow; small whole exponents are multiplied out, which is also what PyTorch does.
#[inline(always)]
pub fn pow(a: f32, b: f32) -> f32 {
    let y = power_of_2(b as f64 * log2_of_size(a)) as f32;
    let whole = b.trunc() == b;
    let half = b * 0.5;
    let odd = whole & (half.trunc() != half);
    let y = if odd { f32::from_bits(y.to_bits() | (a.to_bits() & 0x8000_0000)) } else { y };
    let y = if (a < 0.0) & !whole & (a > f32::NEG_INFINITY) { f32::NAN } else { y };
    let y = if (a == -1.0) & (b.abs() == f32::INFINITY) { 1.0 } else { y };
    let y = if (a == 1.0) | (b == 0.0) { 1.0 } else { y };
    let y = if b == 0.5 { a.sqrt() } else { y };
    let y = if b == 2.0 { a * a } else { y };
    if b == 3.0 { a * a * a } else { y }
}

// ---- hyperbolic ----

#[inline(always)]
pub fn sinh(x: f32) -> f32 {
    let wide = x as f64;
    let e = power_of_2(wide * LOG2_E);
    let z = wide * wide;
    // Near zero the difference of the exponentials cancels.
    let small = wide.mul_add(
        z * polynomial(z, [1.0 / 6.0, 1.0 / 120.0, 1.0 / 5040.0, 1.0 / 362_880.0, 1.0 / 39_916_800.0]),
        wide,
    );
    (if z < 1.0 { small } else { 0.5 * (e - 1.0 / e) }) as f32
}

#[inline(always)]
pub fn cosh(x: f32) -> f32 {
    let e = power_of_2(x as f64 * LOG2_E);
    (0.5 * (e + 1.0 / e)) as f32
}

// ---- the error function ----

/// A quotient of polynomials of x^2, fitted with equal relative errors.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let wide = x as f64;
    let z = wide * wide;
    let p = polynomial(
        z,
        [
            1.128_379_169_364_058_4,
            0.185_205_434_571_101_53,
            0.054_316_962_036_370_736,
            0.003_849_670_719_858_805,
            0.000_379_599_868_260_854_87,
            4.684_482_493_948_309e-6,
            -1.320_085_235_190_243_6e-8,
        ],
    );
    let q = polynomial(
        z,
        [
            1.0,
            0.497_467_456_473_567_55,
            0.113_959_115_703_434_67,
            0.015_462_177_179_269_286,
            0.001_307_569_880_478_741_5,
            6.310_780_436_387_017e-5,
        ],
    );
    let y = (wide * p / q) as f32;
    if x.abs() > 3.95 { 1f32.copysign(x) } else { y }
}
