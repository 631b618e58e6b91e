//! The vectors of f32 that convolution computes with: AVX-512, AVX2 and a portable one.
//!
//! Kernels are `#[inline(always)]` functions over [`Lanes`], called from one `#[target_feature]`
//! entry for each instruction set, so that every operation becomes one instruction. Beside
//! [`Simd`](crate::cpu::simd::Simd) they need packed stores, and entries that a table can hold.

/// A vector of f32. Every function needs the instruction set of its type; pointers must be
/// valid for the lanes that are read or written.
pub trait Lanes: Copy {
    type V: Copy;
    const N: usize;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    /// The first `n` lanes from memory, zero in the others.
    unsafe fn load_first(p: *const f32, n: usize) -> Self::V;
    unsafe fn store_first(p: *mut f32, n: usize, v: Self::V);
    /// The lanes in `mask`, one after the other.
    unsafe fn store_packed(p: *mut f32, mask: u32, v: Self::V);
    /// Consecutive values into the lanes in `mask`, zero in the others.
    unsafe fn load_packed(p: *const f32, mask: u32) -> Self::V;
    /// `a * b + c`
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn sum(v: Self::V) -> f32;
}

/// Four lanes in an array, which the compiler turns into whatever the target has.
#[derive(Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    type V = [f32; 4];
    const N: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        // SAFETY: the caller's promise: four floats can be read.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise: four floats can be written.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self::V {
        // SAFETY: only the first `n` floats are read.
        std::array::from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_first(p: *mut f32, n: usize, v: Self::V) {
        for (i, x) in v.into_iter().enumerate().take(n) {
            // SAFETY: only the first `n` floats are written.
            unsafe { *p.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn store_packed(mut p: *mut f32, mask: u32, v: Self::V) {
        for (i, x) in v.into_iter().enumerate() {
            if mask >> i & 1 != 0 {
                // SAFETY: as many floats as the mask has bits are written.
                unsafe {
                    *p = x;
                    p = p.add(1);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn load_packed(mut p: *const f32, mask: u32) -> Self::V {
        let mut v = [0.0; 4];
        for (i, x) in v.iter_mut().enumerate() {
            if mask >> i & 1 != 0 {
                // SAFETY: as many floats as the mask has bits are read.
                unsafe {
                    *x = *p;
                    p = p.add(1);
                }
            }
        }
        v
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Not mul_add: without hardware support that is a call into libm for each lane.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        (v[0] + v[1]) + (v[2] + v[3])
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, Portable};
    use std::arch::x86_64::*;

    /// Sixteen lanes and masks.
    #[derive(Clone, Copy)]
    pub struct Avx512;

    #[inline(always)]
    fn first16(n: usize) -> __mmask16 {
        if n >= 16 { 0xffff } else { (1u16 << n) - 1 }
    }

    impl Lanes for Avx512 {
        type V = __m512;
        const N: usize = 16;
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            // SAFETY: the machine has AVX-512 (the caller's promise, here and below).
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m512 {
            // SAFETY: sixteen floats can be read.
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m512) {
            // SAFETY: sixteen floats can be written.
            unsafe { _mm512_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_first(p: *const f32, n: usize) -> __m512 {
            // SAFETY: lanes outside the mask are not touched.
            unsafe { _mm512_maskz_loadu_ps(first16(n), p) }
        }
        #[inline(always)]
        unsafe fn store_first(p: *mut f32, n: usize, v: __m512) {
            // SAFETY: lanes outside the mask are not touched.
            unsafe { _mm512_mask_storeu_ps(p, first16(n), v) }
        }
        #[inline(always)]
        unsafe fn store_packed(p: *mut f32, mask: u32, v: __m512) {
            // SAFETY: as many floats as the mask has bits are written. Compressing in a register
            // and storing under a mask is several times faster than the compressing store.
            unsafe {
                let packed = _mm512_maskz_compress_ps(mask as u16, v);
                _mm512_mask_storeu_ps(p, first16(mask.count_ones() as usize), packed)
            }
        }
        #[inline(always)]
        unsafe fn load_packed(p: *const f32, mask: u32) -> __m512 {
            // SAFETY: as many floats as the mask has bits are read.
            unsafe {
                let packed = _mm512_maskz_loadu_ps(first16(mask.count_ones() as usize), p);
                _mm512_maskz_expand_ps(mask as u16, packed)
            }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: arithmetic on registers.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m512) -> f32 {
            // SAFETY: arithmetic on registers.
            unsafe { _mm512_reduce_add_ps(v) }
        }
    }

    /// Eight lanes.
    #[derive(Clone, Copy)]
    pub struct Avx2;

    /// Minus one for the first `n` lanes.
    #[inline(always)]
    unsafe fn first8(n: usize) -> __m256i {
        const ONES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: the window of eight starts at 0 to 8.
        unsafe { _mm256_loadu_si256(ONES.as_ptr().add(8 - n.min(8)).cast()) }
    }

    impl Lanes for Avx2 {
        type V = __m256;
        const N: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            // SAFETY: the machine has AVX2 and FMA (the caller's promise, here and below).
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m256 {
            // SAFETY: eight floats can be read.
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m256) {
            // SAFETY: eight floats can be written.
            unsafe { _mm256_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_first(p: *const f32, n: usize) -> __m256 {
            // SAFETY: lanes outside the mask are not touched.
            unsafe { _mm256_maskload_ps(p, first8(n)) }
        }
        #[inline(always)]
        unsafe fn store_first(mut p: *mut f32, n: usize, v: __m256) {
            // In halves of halves: masked stores are microcode on some machines.
            // SAFETY: the bits of `n` add up to as many floats.
            unsafe {
                if n >= 8 {
                    return _mm256_storeu_ps(p, v);
                }
                let mut rest = _mm256_castps256_ps128(v);
                if n & 4 != 0 {
                    _mm_storeu_ps(p, rest);
                    (p, rest) = (p.add(4), _mm256_extractf128_ps::<1>(v));
                }
                if n & 2 != 0 {
                    _mm_storel_epi64(p.cast(), _mm_castps_si128(rest));
                    (p, rest) = (p.add(2), _mm_movehl_ps(rest, rest));
                }
                if n & 1 != 0 {
                    _mm_store_ss(p, rest);
                }
            }
        }
        #[inline(always)]
        unsafe fn store_packed(p: *mut f32, mask: u32, v: __m256) {
            // SAFETY: a vector is two portable ones; the second follows the first one's bits.
            unsafe {
                let halves: [[f32; 4]; 2] = std::mem::transmute(v);
                Portable::store_packed(p, mask & 15, halves[0]);
                Portable::store_packed(p.add((mask & 15).count_ones() as usize), mask >> 4, halves[1]);
            }
        }
        #[inline(always)]
        unsafe fn load_packed(p: *const f32, mask: u32) -> __m256 {
            // SAFETY: as for `store_packed`.
            unsafe {
                let low = Portable::load_packed(p, mask & 15);
                let high = Portable::load_packed(p.add((mask & 15).count_ones() as usize), mask >> 4);
                std::mem::transmute([low, high])
            }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: arithmetic on registers.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m256) -> f32 {
            // SAFETY: two portable vectors.
            unsafe {
                let h: [[f32; 4]; 2] = std::mem::transmute(v);
                Portable::sum(std::array::from_fn(|i| h[0][i] + h[1][i]))
            }
        }
    }
}
