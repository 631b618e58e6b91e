//! The exponential as a branch-free formula, which the compiler turns into vectors inside a
//! [`Kernel`](super::simd::Kernel).

use super::simd::{Element, Simd};
use num_traits::Float;

/// A float with an exponential for vectors. NaN stays NaN, -inf gives 0, and overflow inf.
pub trait Exp: Element + Float {
    /// `e^x`; `FUSED` says that the instruction set has fused multiply-add (a call into libm
    /// for each element where it has not).
    fn exp_in<const FUSED: bool>(self) -> Self;
}

/// Whether an instruction set has fused multiply-add: those with vectors of 32 bytes and more do.
pub const fn is_fused<T: Copy, S: Simd<T>>() -> bool {
    S::LANES * size_of::<T>() >= 32
}

#[inline(always)]
fn fma<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

impl Exp for f32 {
    /// 2^n · e^r with |r| ≤ ln 2 / 2: e^r by a polynomial of degree 6; within 1 ulp.
    #[inline(always)]
    fn exp_in<const FUSED: bool>(self) -> f32 {
        // Adding it rounds to an integer, whose bits are then the lowest of the sum.
        const MAGIC: f32 = 12_582_912.0;
        // ln 2 in two parts; the first has so few digits that its product with n is exact.
        const LN2_HIGH: f32 = 0.693_145_75;
        const LN2_LOW: f32 = 1.428_606_8e-6;
        const COEFFICIENTS: [f32; 6] =
            [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
        // Beyond these the result is 0 or inf. Comparisons keep NaN.
        let x = if self < -104.0 { -104.0 } else { self };
        let x = if x > 89.0 { 89.0 } else { x };
        let rounded = fma::<FUSED>(x, std::f32::consts::LOG2_E, MAGIC);
        let n = rounded - MAGIC;
        let r = fma::<FUSED>(n, -LN2_LOW, fma::<FUSED>(n, -LN2_HIGH, x));
        let mut p = COEFFICIENTS[0];
        for c in &COEFFICIENTS[1..] {
            p = fma::<FUSED>(p, r, *c);
        }
        let y = fma::<FUSED>(r * r, p, r) + 1.0;
        // 2^n in two factors: n is between -150 and 128, more than one exponent holds.
        let n = rounded.to_bits().wrapping_sub(MAGIC.to_bits()) as i32;
        let half = n >> 1;
        let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
        y * power(half) * power(n.wrapping_sub(half))
    }
}

impl Exp for f64 {
    #[inline(always)]
    fn exp_in<const FUSED: bool>(self) -> f64 {
        self.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{Kernel, Level};

    struct ExpAll<'a>(&'a mut [f32]);

    impl Kernel<f32> for ExpAll<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            if const { is_fused::<f32, S>() } {
                self.0.iter_mut().for_each(|x| *x = x.exp_in::<true>());
            } else {
                self.0.iter_mut().for_each(|x| *x = x.exp_in::<false>());
            }
        }
    }

    #[test]
    fn within_an_ulp() {
        let x: Vec<f32> = (-1_060_000..900_000).map(|i| i as f32 * 1e-4).collect();
        for level in Level::ALL {
            let mut y = x.clone();
            f32::dispatch(level, ExpAll(&mut y));
            let mut worst = 0.0f64;
            for (x, y) in x.iter().zip(&y) {
                let want = f64::from(*x).exp();
                if want > f64::from(f32::MAX) {
                    assert!(*y == f32::INFINITY || *y == f32::MAX, "{x}: {y}");
                    continue;
                }
                let ulp = (want.abs() * f64::from(f32::EPSILON) / 2.0).max(f64::from(f32::from_bits(1)));
                worst = worst.max((f64::from(*y) - want).abs() / ulp);
            }
            // Relative to the smaller of the two spacings an ulp may mean: up to 2.
            assert!(worst < 2.2, "{level:?}: {worst}");
        }
    }

    #[test]
    fn special_values() {
        for level in Level::ALL {
            let mut y =
                [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 0.0, -0.0, 88.7, -103.0, 89.0];
            f32::dispatch(level, ExpAll(&mut y));
            assert!(y[0].is_nan());
            assert_eq!(&y[1..7], &[f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0, 1.0]);
            assert!(y[7].is_finite() && y[8] > 0.0 && y[9] == f32::INFINITY);
        }
    }
}
