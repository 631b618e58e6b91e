//! Functions of float32 numbers in float32 arithmetic, with fused multiply-add or without. `f32_functions!` makes a
//! module of them for either.

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
                // Of both: the sum of the small one loses the sign of zero.
                (if x.abs() < 0.625 { small } else { large }).copysign(x)
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

            /// The normal distribution function, within 1e-7 and, below zero, 7e-6 of the value; 0 below -6.
            #[inline(always)]
            pub fn normal_cdf(x: f32) -> f32 {
                // log2(erfc(t / sqrt(2))) on [0, 6], as Chebyshev interpolates it: exact at 0.
                const COEFFICIENTS: [f32; 12] = [
                    0.0, -1.151_107_2, -0.459_200_1, -0.052_492_186, 7.002_426_3e-3, -2.581_307_3e-5,
                    -2.796_633_6e-4, 8.163_977e-5, -1.329_010_9e-5, 1.336_492_8e-6, -7.757_566e-8, 1.993_345e-9,
                ];
                const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
                // Limited, so that the power is never denormal. NaN passes through.
                let t = if x.abs() > 6.0 { 6.0 } else { x.abs() };
                // In pairs of pairs: one after the other, a sum waits for the last.
                let t2 = t * t;
                let pair = |i: usize| fma(COEFFICIENTS[i + 1], t, COEFFICIENTS[i]);
                let four = |i: usize| fma(pair(i + 2), t2, pair(i));
                let p = fma(fma(four(8), t2 * t2, four(4)), t2 * t2, four(0));
                let rounded = p + MAGIC;
                let r = p - (rounded - MAGIC);
                let r2 = r * r;
                let low = fma(0.240_226_5, r, std::f32::consts::LN_2);
                let high = fma(fma(1.545_318_2e-4, r, 1.339_088_7e-3), r2, fma(9.618_082e-3, r, 5.550_357e-2));
                let power = power_of_two(rounded.to_bits().wrapping_sub(MAGIC.to_bits()) as i32);
                let y = fma(fma(high, r2, low), r, 1.0) * (0.5 * power);
                let y = if x.abs() > 6.0 { 0.0 } else { y };
                if x > 0.0 { 1.0 - y } else { y }
            }

            super::real_functions!(f32);
        }
    };
}
pub(super) use f32_functions;
