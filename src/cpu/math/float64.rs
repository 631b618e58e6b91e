//! Functions of float64 numbers without branches, so that loops over them vectorise. For machines with fused
//! multiply-add; within 1 ulp, `tanh` and `sigmoid` within 2.
//!
//! Polynomials are Chebyshev's interpolations, of lowest degree first.

use std::f64::consts::{FRAC_2_PI, LOG2_E};

use super::double::{MAGIC, polynomial, sine};

/// ln 2 in two parts; the first has so few digits that its products with exponents are exact.
const LN2_HIGH: f64 = 0.693_147_180_559_890_3;
const LN2_LOW: f64 = 5.497_923_018_708_371e-14;

// ---- exponentials ----

/// `k` and `q` of exp(x) = 2^k (1 + q), |q| < 1/2.
#[inline(always)]
fn exp_parts(x: f64) -> (u64, f64) {
    let rounded = x.mul_add(LOG2_E, MAGIC);
    let n = rounded - MAGIC;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let p = polynomial(
        r,
        [
            0.5,
            0.166_666_666_666_666_7,
            0.041_666_666_666_666_67,
            0.008_333_333_333_326_136,
            0.001_388_888_888_888_374_8,
            0.000_198_412_698_748_206_27,
            2.480_158_732_554_774_3e-5,
            2.755_725_540_020_642_2e-6,
            2.755_727_364_311_03e-7,
            2.510_521_700_472_075e-8,
            2.091_468_696_808_687_6e-9,
        ],
    );
    (rounded.to_bits().wrapping_sub(MAGIC.to_bits()), (r * r).mul_add(p, r))
}

/// 2^k for whole numbers from -1022 to 1023, as bits of a signed one.
#[inline(always)]
fn power_of_two(k: u64) -> f64 {
    f64::from_bits(k.wrapping_add(1023) << 52)
}

#[inline(always)]
pub fn exp(x: f64) -> f64 {
    // Beyond these the result is 0 or infinite. Comparisons written so that NaN passes through.
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let (k, q) = exp_parts(x);
    // 2^k in two factors, so that results may overflow or be denormal; AVX2 shifts no signed numbers of 64 bits.
    let half = (k.wrapping_add(2048) >> 1).wrapping_sub(1024);
    (q + 1.0) * power_of_two(half) * power_of_two(k.wrapping_sub(half))
}

#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// An odd polynomial near zero, where 1 - 2 / (exp(2x) + 1) cancels.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let z = x * x;
    let p = polynomial(
        z,
        [
            -0.333_333_333_333_333_3,
            0.133_333_333_333_327_14,
            -0.053_968_253_967_431_74,
            0.021_869_488_493_563_037,
            -0.008_863_234_395_418_095,
            0.003_592_110_347_096_176,
            -0.001_455_661_577_670_232_1,
            0.000_588_934_807_244_684_3,
            -0.000_234_631_045_282_955_7,
            8.510_707_927_347_02e-5,
            -2.059_855_667_323_057_8e-5,
        ],
    );
    let small = (x * z).mul_add(p, x);
    // Beyond, 1 is the result.
    let size = if x.abs() > 22.0 { 22.0 } else { x.abs() };
    let (k, q) = exp_parts(2.0 * size);
    let power = power_of_two(k);
    let large = 1.0 - 2.0 / q.mul_add(power, power + 1.0);
    (if x.abs() < 0.55 { small } else { large }).copysign(x)
}

// ---- the logarithm ----

#[inline(always)]
pub fn log(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    const FRACTION: u64 = 0x000f_ffff_ffff_ffff;
    /// The bits of 2^52, in whose fraction a whole number stands as it is.
    const TWO_52: u64 = 0x4330_0000_0000_0000;
    let denormal = x < f64::MIN_POSITIVE;
    let scaled = if denormal { x * 18_014_398_509_481_984.0 } else { x };
    let bits = scaled.to_bits().wrapping_add(ONE - SQRT_HALF);
    let bias = if denormal { 1023.0 + 54.0 } else { 1023.0 };
    let e = f64::from_bits(bits >> 52 | TWO_52) - f64::from_bits(TWO_52) - bias;
    let f = f64::from_bits((bits & FRACTION) + SQRT_HALF) - 1.0;
    // log(1 + f) = 2 artanh(s), with the rounding of s taken out of the leading terms f - f^2 / 2.
    let s = f / (2.0 + f);
    let z = s * s;
    let rest = z * polynomial(
        z,
        [
            0.666_666_666_666_667,
            0.399_999_999_998_988_9,
            0.285_714_286_262_538_36,
            0.222_222_110_893_794_93,
            0.181_828_924_325_370_32,
            0.153_316_117_220_506_53,
            0.146_178_071_534_628_28,
        ],
    );
    let half_square = 0.5 * f * f;
    let small = s.mul_add(half_square + rest, e * LN2_LOW);
    let y = e.mul_add(LN2_HIGH, f - (half_square - small));
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f64::NAN } else { y }
}

// ---- trigonometry ----

/// From here on angles are no longer reduced exactly; formulas leave such numbers to libm.
pub const LARGE: f64 = 1_048_576.0;

/// How many quarter turns `x >= 0` is, as a number whose lowest bits tell, and the sine and the cosine of what is left.
#[inline(always)]
fn sin_cos(x: f64) -> (u64, (f64, f64)) {
    // pi / 2 in three parts; products with the first two are exact.
    const PARTS: [f64; 3] = [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21];
    let turns = x.mul_add(FRAC_2_PI, MAGIC);
    let k = turns - MAGIC;
    let first = k.mul_add(-PARTS[0], x);
    let product = k * PARTS[1];
    let second = first - product;
    let lost = k.mul_add(-PARTS[2], (first - second) - product);
    // The angle is r + tail.
    let r = second + lost;
    let tail = (second - r) + lost;
    let z = r * r;
    let s = polynomial(
        z,
        [
            -0.166_666_666_666_666_66,
            0.008_333_333_333_330_936,
            -0.000_198_412_698_367_405_32,
            2.755_731_609_319_84e-6,
            -2.505_112_989_644_98e-8,
            1.591_798_897_937_466e-10,
        ],
    );
    let c = polynomial(
        z,
        [
            0.041_666_666_666_666_664,
            -0.001_388_888_888_888_738_9,
            2.480_158_729_875_44e-5,
            -2.755_731_726_587_807_7e-7,
            2.087_614_504_941_294e-9,
            -1.138_254_464_533_500_6e-11,
        ],
    );
    let sine = (r * z).mul_add(s, tail * z.mul_add(-0.5, 1.0)) + r;
    let half = 0.5 * z;
    let leading = 1.0 - half;
    let cosine = leading + (((1.0 - leading) - half) + (z * z).mul_add(c, -(r * tail)));
    (turns.to_bits(), (sine, cosine))
}

#[inline(always)]
pub fn sin(x: f64) -> f64 {
    let (quarters, parts) = sin_cos(x.abs());
    let y = sine(quarters, parts);
    f64::from_bits(y.to_bits() ^ (x.to_bits() & 1 << 63))
}

#[inline(always)]
pub fn cos(x: f64) -> f64 {
    let (quarters, parts) = sin_cos(x.abs());
    sine(quarters.wrapping_add(1), parts)
}
