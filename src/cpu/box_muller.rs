//! Normal numbers from uniform ones (Box and Muller, 1958), in blocks of 16: the first eight give radii,
//! the last eight angles.
//!
//! To the bit what PyTorch draws on processors with AVX2: logarithm, sine and cosine are Cephes'
//! polynomials for single precision, and every multiplication that its compiler joins with an addition is
//! joined here too.

use super::exp::is_fused;
use super::simd::{Element, Kernel, Simd, level};

/// Turns uniform numbers on [0, 1) into normal ones; what is beyond a multiple of 16 stays.
pub fn box_muller(values: &mut [f32], mean: f32, std: f32) {
    f32::dispatch(level(), Blocks { values, mean, std });
}

struct Blocks<'a> {
    values: &'a mut [f32],
    mean: f32,
    std: f32,
}

impl Kernel<f32> for Blocks<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        for block in self.values.chunks_exact_mut(16) {
            if const { is_fused::<f32, S>() } {
                transform::<true>(block, self.mean, self.std);
            } else {
                transform::<false>(block, self.mean, self.std);
            }
        }
    }
}

#[inline(always)]
fn transform<const FUSED: bool>(block: &mut [f32], mean: f32, std: f32) {
    let mut radii = [0.0; 8];
    let (mut sines, mut cosines) = ([0.0; 8], [0.0; 8]);
    for j in 0..8 {
        radii[j] = (-2.0 * log::<FUSED>(1.0 - block[j])).sqrt();
    }
    for j in 0..8 {
        (sines[j], cosines[j]) = sin_cos::<FUSED>(2.0 * std::f32::consts::PI * block[8 + j]);
    }
    for j in 0..8 {
        block[j] = fma::<FUSED>(radii[j] * cosines[j], std, mean);
        block[8 + j] = fma::<FUSED>(radii[j] * sines[j], std, mean);
    }
}

/// `a * b + c`, rounded once (but for rare ties where the processor has no such instruction).
#[inline(always)]
fn fma<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { (f64::from(a) * f64::from(b) + f64::from(c)) as f32 }
}

/// The polynomial with these coefficients, the highest first.
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut y = coefficients[0];
    for &c in &coefficients[1..] {
        y = fma::<FUSED>(y, x, c);
    }
    y
}

/// The natural logarithm of a normal number.
#[inline(always)]
fn log<const FUSED: bool>(x: f32) -> f32 {
    // Digits as Cephes has them; the nearest shorter ones are other numbers.
    #[allow(clippy::excessive_precision)]
    const P: [f32; 9] = [
        7.037_683_629_2e-2,
        -1.151_461_031_0e-1,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ];
    // x = m 2^e with m on [sqrt(1/2), sqrt(2)), then 1 is taken off m.
    let bits = x.to_bits();
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let e = ((bits >> 23) as i32 - 0x7e) as f32;
    let is_low = m < std::f32::consts::FRAC_1_SQRT_2;
    let e = if is_low { e - 1.0 } else { e };
    let m = (m - 1.0) + if is_low { m } else { 0.0 };
    let z = m * m;
    let y = polynomial::<FUSED, 9>(m, P) * m;
    let y = fma::<FUSED>(y, z, e * -2.121_944_4e-4) - 0.5 * z;
    (m + y) + e * 0.693_359_4
}

/// Sine and cosine of an angle that is not negative and not large.
#[inline(always)]
fn sin_cos<const FUSED: bool>(angle: f32) -> (f32, f32) {
    const FOUR_OVER_PI: f32 = std::f32::consts::FRAC_2_PI * 2.0;
    // pi/4 in three parts, negated; the first two have so few digits that their products are exact.
    const PARTS: [f32; 3] = [-0.785_156_25, -2.418_756_5e-4, -3.774_895e-8];
    // The octant, made even; it is below 10, and the conversion has no saturation to check for.
    let octant = ((angle * FOUR_OVER_PI) as i32 + 1) & !1;
    let n = octant as f32;
    let x = angle + n * PARTS[0] + n * PARTS[1] + n * PARTS[2];
    let z = x * x;
    let cosine = polynomial::<FUSED, 3>(z, [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]) * z;
    let cosine = fma::<FUSED>(cosine, z, -(0.5 * z)) + 1.0;
    let sine = polynomial::<FUSED, 3>(z, [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]) * z;
    let sine = fma::<FUSED>(sine, x, x);
    let is_even = octant & 2 == 0;
    let (s, c) = if is_even { (sine, cosine) } else { (cosine, sine) };
    let flip = |x: f32, bits: i32| f32::from_bits(x.to_bits() ^ ((bits as u32) << 29));
    (flip(s, octant & 4), flip(c, !(octant - 2) & 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::Level;

    fn uniforms() -> Vec<f32> {
        (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0).collect()
    }

    #[test]
    fn every_level_draws_what_the_formula_says() {
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            let (uniform, mut normal) = (uniforms(), uniforms());
            f32::dispatch(level, Blocks { values: &mut normal, mean: 1.0, std: 2.0 });
            for (u, z) in uniform.chunks_exact(16).zip(normal.chunks_exact(16)) {
                for j in 0..8 {
                    let radius = (-2.0 * (1.0 - f64::from(u[j])).ln()).sqrt();
                    let angle = 2.0 * std::f64::consts::PI * f64::from(u[8 + j]);
                    assert!((f64::from(z[j]) - (1.0 + 2.0 * radius * angle.cos())).abs() < 1e-5);
                    assert!((f64::from(z[8 + j]) - (1.0 + 2.0 * radius * angle.sin())).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn levels_agree_to_the_bit() {
        let (mut portable, mut best) = (uniforms(), uniforms());
        f32::dispatch(Level::Portable, Blocks { values: &mut portable, mean: 0.0, std: 1.0 });
        f32::dispatch(level(), Blocks { values: &mut best, mean: 0.0, std: 1.0 });
        assert_eq!(portable, best);
    }
}
