//! Vectors as 16-byte arrays: every target's compiler finds its own registers for them.

use super::Simd;

#[derive(Clone, Copy)]
pub struct Portable;

macro_rules! portable {
    ($t:ty, $lanes:literal) => {
        impl Simd<$t> for Portable {
            type Vector = [$t; $lanes];
            type Mask = usize;
            const LANES: usize = $lanes;
            const REGISTERS: usize = 16;

            #[inline(always)]
            fn splat(self, x: $t) -> Self::Vector {
                [x; $lanes]
            }
            #[inline(always)]
            fn zero(self) -> Self::Vector {
                [0.0; $lanes]
            }
            #[inline(always)]
            unsafe fn load(self, p: *const $t) -> Self::Vector {
                // SAFETY: the caller's promise.
                unsafe { p.cast::<Self::Vector>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t, v: Self::Vector) {
                // SAFETY: as in `load`.
                unsafe { p.cast::<Self::Vector>().write_unaligned(v) }
            }
            #[inline(always)]
            fn mask(self, n: usize) -> usize {
                n.min($lanes)
            }
            #[inline(always)]
            unsafe fn load_masked(self, p: *const $t, m: usize) -> Self::Vector {
                // SAFETY: only lanes in the mask are read.
                std::array::from_fn(|i| if i < m { unsafe { p.add(i).read_unaligned() } } else { 0.0 })
            }
            #[inline(always)]
            unsafe fn store_masked(self, p: *mut $t, m: usize, v: Self::Vector) {
                for i in 0..$lanes {
                    if i < m {
                        // SAFETY: the lane is in the mask.
                        unsafe { p.add(i).write_unaligned(v[i]) }
                    }
                }
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] + b[i])
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] - b[i])
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] * b[i])
            }
            #[inline(always)]
            fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] / b[i])
            }
            // Not `mul_add`: without the instruction that is a call into libm.
            #[inline(always)]
            fn fma(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] * b[i] + c[i])
            }
            #[inline(always)]
            fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn or_nan(self, v: Self::Vector, a: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| if a[i].is_nan() { a[i] } else { v[i] })
            }
            #[inline(always)]
            fn sum(self, v: Self::Vector) -> $t {
                v.iter().sum()
            }
            #[inline(always)]
            unsafe fn transpose(
                self,
                src: *const $t,
                src_stride: isize,
                (rows, cols): (usize, usize),
                dst: *mut $t,
                dst_stride: usize,
                width: usize,
            ) {
                for c in 0..cols {
                    for r in 0..width {
                        // SAFETY: the caller's promise.
                        unsafe {
                            let x = if r < rows {
                                *src.offset(r as isize * src_stride + c as isize)
                            } else {
                                0.0
                            };
                            *dst.add(c * dst_stride + r) = x;
                        }
                    }
                }
            }
        }
    };
}
portable!(f32, 4);
portable!(f64, 2);
