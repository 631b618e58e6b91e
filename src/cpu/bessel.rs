//! Bessel functions of order 0 and 1 and Airy's function in double precision. Relative errors are around
//! 1e-15, near zeros of a function absolute ones. The formulas are those of Abramowitz and Stegun, "Handbook
//! of Mathematical Functions" (1964), by their numbers there; the coefficients of Chebyshev's series were
//! computed with 40 digits.

use std::f64::consts::PI;

const EPS: f64 = f64::EPSILON;

/// The sum of c(k) T(k, u) for u from -1 to 1 (Clenshaw, 1955).
fn chebyshev(c: &[f64], u: f64) -> f64 {
    let (mut p, mut q) = (0.0, 0.0);
    for &c in c[1..].iter().rev() {
        (p, q) = (2.0 * u * p - q + c, p);
    }
    u * p - q + c[0]
}

/// exp(-|x|) I(n, x) for n = 0 or 1: the series 9.6.10 up to 20, the expansion 9.7.1 beyond.
fn scaled_i(n: u32, x: f64) -> f64 {
    let (n, a) = (n as f64, x.abs());
    if a.is_infinite() {
        return 0.0;
    }
    if a < 20.0 {
        let z = 0.25 * a * a;
        let (mut term, mut sum) = (1.0, 1.0);
        for k in 1..200 {
            let k = k as f64;
            term *= z / (k * (k + n));
            sum += term;
            if term < sum * EPS * 0.1 {
                break;
            }
        }
        return sum * (-a).exp() * if n == 1.0 { 0.5 * x } else { 1.0 };
    }
    let sum = asymptotic(4.0 * n * n, -1.0 / (8.0 * a));
    sum / (2.0 * PI * a).sqrt() * if n == 1.0 { 1f64.copysign(x) } else { 1.0 }
}

/// 1 + (m - 1) z + (m - 1)(m - 9) z^2 / 2! + ..., as long as the terms become smaller.
fn asymptotic(m: f64, z: f64) -> f64 {
    let (mut term, mut sum) = (1.0f64, 1.0);
    for k in 1..60 {
        let odd = (2 * k - 1) as f64;
        let next = term * (m - odd * odd) * z / k as f64;
        if next.abs() >= term.abs() || next.abs() < EPS * 0.1 {
            break;
        }
        term = next;
        sum += term;
    }
    sum
}

pub fn i0(x: f64) -> f64 {
    scaled_i(0, x) * x.abs().exp()
}

pub fn i0e(x: f64) -> f64 {
    scaled_i(0, x)
}

pub fn i1(x: f64) -> f64 {
    scaled_i(1, x) * x.abs().exp()
}

pub fn i1e(x: f64) -> f64 {
    scaled_i(1, x)
}

/// exp(x) K(n, x) for n = 0 or 1: the series 9.6.11 and 9.6.13 up to 2, Chebyshev's in 1 / x beyond.
fn scaled_k(n: u32, x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::INFINITY;
    }
    if x.is_infinite() {
        return 0.0;
    }
    const EULER: f64 = 0.577_215_664_901_532_9;
    if x <= 2.0 {
        let (z, log) = (0.25 * x * x, (0.5 * x).ln());
        let (mut term, mut harmonic, mut sum) = (1.0, 0.0, 0.0);
        if n == 0 {
            sum = -(log + EULER);
            for k in 1..20 {
                let k = k as f64;
                term *= z / (k * k);
                harmonic += 1.0 / k;
                sum += term * (harmonic - log - EULER);
                if term < EPS * 1e-3 {
                    break;
                }
            }
            return sum * x.exp();
        }
        for k in 0..20 {
            // psi(k + 1) + psi(k + 2) over 2.
            let psi = harmonic - EULER + 0.5 / (k + 1) as f64;
            sum += term * (log - psi);
            harmonic += 1.0 / (k + 1) as f64;
            term *= z / ((k + 1) * (k + 2)) as f64;
            if term < EPS * 1e-3 {
                break;
            }
        }
        return (1.0 / x + 0.5 * x * sum) * x.exp();
    }
    chebyshev(if n == 0 { &K0 } else { &K1 }, 4.0 / x - 1.0) / x.sqrt()
}

pub fn k0(x: f64) -> f64 {
    scaled_k(0, x) * (-x).exp()
}

pub fn k0e(x: f64) -> f64 {
    scaled_k(0, x)
}

pub fn k1(x: f64) -> f64 {
    scaled_k(1, x) * (-x).exp()
}

pub fn k1e(x: f64) -> f64 {
    scaled_k(1, x)
}

/// Airy's function Ai: Chebyshev's series from -8 on, the last one in the argument of the asymptotic
/// expansion 10.4.59; the expansion 10.4.60 below.
pub fn airy_ai(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN; // at the infinities too, as in PyTorch
    }
    if x > 2.0 {
        let z = 2.0 / 3.0 * x * x.sqrt();
        // z at 2.
        const FROM: f64 = 1.885_618_083_164_126_7;
        return chebyshev(&AIRY_LARGE, 2.0 * FROM / z - 1.0) * (-z).exp() / x.sqrt().sqrt();
    }
    if x > -3.0 {
        return chebyshev(&AIRY_MIDDLE, (x + 0.5) / 2.5);
    }
    if x >= -8.0 {
        return chebyshev(&AIRY_NEGATIVE, (x + 5.5) / 2.5);
    }
    let z = 2.0 / 3.0 * -x * (-x).sqrt();
    // c(k) / z^k of 10.4.58, as long as the terms become smaller.
    let (mut term, mut even, mut odd) = (1.0, 1.0, 0.0);
    for k in 1..40 {
        let j = 6.0 * k as f64;
        let next = term * (j - 5.0) * (j - 3.0) * (j - 1.0) / (216.0 * k as f64 * (2 * k - 1) as f64 * z);
        if next > term || next < EPS * 0.01 {
            break;
        }
        term = next;
        let sign = if k / 2 % 2 == 0 { 1.0 } else { -1.0 };
        if k % 2 == 0 { even += sign * term } else { odd += sign * term }
    }
    let angle = z + 0.25 * PI;
    (angle.sin() * even - angle.cos() * odd) / (PI.sqrt() * (-x).powf(0.25))
}

/// sin(x) / x.
pub fn spherical_j0(x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    if x.abs() < 1e-4 { 1.0 - x * x / 6.0 } else { x.sin() / x }
}

/// sqrt(x) exp(x) K(0, x) in u = 4 / x - 1, x from 2 on.
pub const K0: [f64; 23] = [
    1.220_151_541_032_977_7,
    -0.031_448_101_311_964_5,
    0.001_569_883_885_730_053_3,
    -0.000_128_495_495_816_278_02,
    1.394_981_371_887_65e-5,
    -1.831_755_522_719_119_5e-6,
    2.766_813_639_445_015e-7,
    -4.660_489_897_687_948e-8,
    8.574_034_017_414_225e-9,
    -1.697_534_509_389_061_4e-9,
    3.577_397_281_400_328_3e-10,
    -7.957_489_244_477_396e-11,
    1.855_949_114_954_926_4e-11,
    -4.514_597_883_374_519e-12,
    1.140_340_588_207_344_1e-12,
    -2.980_096_923_148_178_4e-13,
    8.032_890_775_068_375e-14,
    -2.227_513_326_746_296_5e-14,
    6.340_076_476_276_646e-15,
    -1.848_593_377_920_907e-15,
    5.512_055_999_404_333_5e-16,
    -1.678_231_125_754_900_6e-16,
    5.210_391_777_643_554_3e-17,
];

/// sqrt(x) exp(x) K(1, x) in the same u.
pub const K1: [f64; 23] = [
    1.360_313_095_242_221_3,
    0.103_923_736_576_817_24,
    -0.002_857_816_859_622_779,
    0.000_195_215_518_471_351_62,
    -1.936_197_974_166_083e-5,
    2.406_484_947_837_217e-6,
    -3.501_960_603_087_812_6e-7,
    5.741_084_125_450_049_5e-8,
    -1.034_576_246_567_809_7e-8,
    2.015_049_755_197_034_7e-9,
    -4.190_354_759_341_925_4e-10,
    9.218_315_187_605_315e-11,
    -2.129_967_838_427_791e-11,
    5.139_639_673_482_343e-12,
    -1.289_173_960_949_822_9e-12,
    3.348_419_666_052_243e-13,
    -8.976_705_182_010_146e-14,
    2.477_154_424_219_598_8e-14,
    -7.019_837_089_214_768_5e-15,
    2.038_703_166_239_861e-15,
    -6.057_047_270_643_018e-16,
    1.838_093_575_243_045_5e-16,
    -5.689_462_849_193_648e-17,
];

/// x^(1/4) exp(z) Ai(x) with z = 2/3 x^(3/2), in u = 2 z(2) / z - 1, x from 2 on.
pub const AIRY_LARGE: [f64; 23] = [
    0.277_695_609_511_705_9,
    -0.004_172_967_562_045_923,
    0.000_206_695_860_139_980_11,
    -1.728_099_784_106_820_7e-5,
    1.928_052_166_797_157e-6,
    -2.605_774_398_776_262e-7,
    4.051_516_883_512_395e-8,
    -7.022_240_440_986_223e-9,
    1.328_608_199_770_102_8e-9,
    -2.703_558_037_129_289e-10,
    5.852_297_782_838_998e-11,
    -1.336_358_441_651_975_6e-11,
    3.197_854_714_928_915_3e-12,
    -7.976_813_559_559_603e-13,
    2.065_134_754_110_966_5e-13,
    -5.528_999_782_159_78e-14,
    1.526_165_619_010_181e-14,
    -4.331_979_304_955_806e-15,
    1.261_623_931_989_874_7e-15,
    -3.762_607_039_935_759_4e-16,
    1.147_161_615_626_461_8e-16,
    -3.570_144_365_109_208e-17,
    1.132_646_227_140_021_8e-17,
];

/// Ai(x) in u = (x + 0.5) / 2.5, x from -3 to 2.
pub const AIRY_MIDDLE: [f64; 28] = [
    0.114_413_191_656_935_52,
    0.117_718_092_795_205_23,
    -0.333_776_176_028_803,
    0.130_720_929_793_008_78,
    0.039_279_768_457_925_06,
    -0.044_288_359_965_966_896,
    0.009_874_001_405_717_88,
    0.002_468_734_388_172_946,
    -0.001_805_762_870_503_796_7,
    0.000_284_416_534_567_579_9,
    6.600_121_519_070_592e-5,
    -3.561_102_162_860_041_5e-5,
    4.298_708_535_528_195_5e-6,
    9.726_953_490_862_985e-7,
    -4.134_619_441_933_54e-7,
    3.993_330_799_240_728_6e-8,
    9.055_881_378_651_663e-9,
    -3.160_612_106_504_311_6e-9,
    2.507_022_032_460_729_3e-10,
    5.799_702_763_792_873_5e-11,
    -1.710_367_724_965_833e-11,
    1.133_162_172_142_874_2e-12,
    2.708_992_304_867_456_4e-13,
    -6.894_814_866_153_389e-14,
    3.857_857_184_885_761e-15,
    9.631_249_647_343_085e-16,
    -2.150_253_819_446_776e-16,
    1.023_218_538_333_77e-17,
];

/// Ai(x) in u = (x + 5.5) / 2.5, x from -8 to -3.
pub const AIRY_NEGATIVE: [f64; 31] = [
    -0.047_071_747_841_885_35,
    -0.214_874_301_071_540_1,
    -0.118_485_426_953_576_94,
    -0.121_770_061_034_966_67,
    -0.066_559_255_711_461_28,
    0.250_239_833_663_543_24,
    0.006_054_022_343_804_308,
    -0.089_440_113_960_870_91,
    0.014_076_688_749_047_253,
    0.013_689_395_411_078_144,
    -0.004_299_465_228_469_328,
    -0.000_893_785_119_895_463_4,
    0.000_563_873_944_182_398_8,
    -1.163_058_969_877_130_5e-5,
    -3.974_340_091_606_056e-5,
    6.552_896_337_087_81e-6,
    1.378_622_718_999_987_9e-6,
    -5.337_660_465_215_361e-7,
    6.432_187_489_593_42e-9,
    2.234_794_963_755_229_6e-8,
    -3.128_698_161_953_949_7e-9,
    -4.316_515_215_144_661_7e-10,
    1.601_346_919_510_841_2e-10,
    -5.484_383_241_182_971_5e-12,
    -4.128_726_192_821_944e-12,
    6.297_187_826_880_971e-13,
    3.735_063_676_436_5e-14,
    -1.976_626_683_823_851_5e-14,
    1.277_730_229_049_892e-15,
    3.025_004_260_062_347_4e-16,
    -5.876_538_083_205_196e-17,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-14 * expected.abs(), "{got} is not {expected}");
    }

    #[test]
    fn known_values() {
        near(i0(1.0), 1.266_065_877_752_008_4);
        near(i1(1.0), 0.565_159_103_992_485);
        near(i0e(30.0), 0.073_145_946_482_237_3);
        near(k0(1.0), 0.421_024_438_240_708_34);
        near(k1(1.0), 0.601_907_230_197_234_6);
        near(k0(5.0), 0.003_691_098_334_042_594_4);
        near(airy_ai(0.0), 0.355_028_053_887_817_2);
        assert!(airy_ai(f64::INFINITY).is_nan() && airy_ai(f64::NEG_INFINITY).is_nan());
        near(airy_ai(2.0), 0.034_924_130_423_274_38);
        near(k1(2.5), 0.073_890_816_347_747_07);
        near(k0(30.0), 2.132_477_496_463_056_3e-14);
        near(airy_ai(1.5), 0.071_749_497_008_105_41);
        near(airy_ai(7.25), 3.811_563_018_337_377_4e-7);
        near(airy_ai(-1.0), 0.535_560_883_292_352_1);
        near(airy_ai(-4.75), 0.375_932_034_329_142_13);
        near(airy_ai(-10.0), 0.040_241_238_486_443_19);
    }

    #[test]
    fn pieces_meet() {
        for (f, at) in [
            (i0e as fn(f64) -> f64, 20.0),
            (i1e, 20.0),
            (k0e, 2.0),
            (k1e, 2.0),
            (airy_ai, 2.0),
            (airy_ai, -3.0),
            (airy_ai, -8.0),
        ] {
            let (below, above) = (f(at), f(at + 1e-13));
            assert!((below - above).abs() < 2e-12 * below.abs().max(1e-3), "{at}: {below} {above}");
        }
    }
}
