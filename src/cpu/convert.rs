//! Runs of elements: copied, and converted from one dtype to another on the way.

use crate::cpu::simd::{Level, level};
use crate::dispatch;
use crate::dtype::{C128, Cast, DType, Element};

/// `convert(src, from, dst, to, n)`: `n` elements at `src`, `from` bytes apart, become elements at `dst`, `to` bytes
/// apart.
///
/// # Safety
/// Every element can be read and written; source and destination do not overlap.
pub type Convert = unsafe fn(*const u8, isize, *mut u8, isize, usize);

/// What converts `from` into `to`, in the best instruction set there is.
pub fn converter(from: DType, to: DType) -> Convert {
    if from == to {
        // Elements of one size are copied as they are.
        return match from.size() {
            1 => at_level::<u8, u8>(),
            2 => at_level::<i16, i16>(),
            4 => at_level::<i32, i32>(),
            8 => at_level::<i64, i64>(),
            _ => at_level::<C128, C128>(),
        };
    }
    #[cfg(target_arch = "x86_64")]
    if level() > Level::Portable && (from, to) == (DType::F32, DType::BF16) {
        return narrow_to_bf16;
    }
    #[cfg(target_arch = "x86_64")]
    if level() > Level::Portable && std::is_x86_feature_detected!("f16c") {
        match (from, to) {
            (DType::F32, DType::F16) => return f16c::narrow,
            (DType::F16, DType::F32) => return f16c::widen,
            _ => {}
        }
    }
    dispatch!(from, S => dispatch!(to, D => at_level::<S, D>()))
}

/// Conversions of float16 that the processor has instructions for.
#[cfg(target_arch = "x86_64")]
mod f16c {
    use std::arch::x86_64::*;

    use half::f16;

    const LANES: usize = 8;

    /// # Safety
    /// See `Convert`; the CPU must have AVX2 and F16C.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn narrow(src: *const u8, from: isize, dst: *mut u8, to: isize, n: usize) {
        // SAFETY: the caller's promise; `done` elements are behind.
        unsafe {
            let mut done = 0;
            while from == 4 && to == 2 && done + LANES <= n {
                let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(
                    src.cast::<f32>().add(done),
                ));
                _mm_storeu_si128(dst.cast::<f16>().add(done).cast(), half);
                done += LANES;
            }
            let i = done as isize;
            super::convert::<f32, f16>(src.offset(i * from), from, dst.offset(i * to), to, n - done);
        }
    }

    /// # Safety
    /// See `Convert`; the CPU must have AVX2 and F16C.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn widen(src: *const u8, from: isize, dst: *mut u8, to: isize, n: usize) {
        // SAFETY: the caller's promise; `done` elements are behind.
        unsafe {
            let mut done = 0;
            while from == 2 && to == 4 && done + LANES <= n {
                let half = _mm_loadu_si128(src.cast::<f16>().add(done).cast());
                _mm256_storeu_ps(dst.cast::<f32>().add(done), _mm256_cvtph_ps(half));
                done += LANES;
            }
            let i = done as isize;
            super::convert::<f16, f32>(src.offset(i * from), from, dst.offset(i * to), to, n - done);
        }
    }
}

/// Rounds to bfloat16, sixteen numbers at a time: the compiler packs halves of words in more steps.
///
/// # Safety
/// See `Convert`; the CPU must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn narrow_to_bf16(src: *const u8, from: isize, dst: *mut u8, to: isize, n: usize) {
    use std::arch::x86_64::*;
    const LANES: usize = 16;
    // SAFETY: the caller's promise; `done` elements are behind.
    unsafe {
        let round = |x: __m256| {
            let bits = _mm256_castps_si256(x);
            let high = _mm256_srli_epi32::<16>(bits);
            let odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
            let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, half));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
            _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan)
        };
        let mut done = 0;
        while from == 4 && to == 2 && done + LANES <= n {
            let x = src.cast::<f32>().add(done);
            let packed = _mm256_packus_epi32(round(_mm256_loadu_ps(x)), round(_mm256_loadu_ps(x.add(8))));
            // Packing goes by halves of the registers.
            let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            _mm256_storeu_si256(dst.cast::<u16>().add(done).cast(), ordered);
            done += LANES;
        }
        let i = done as isize;
        convert::<f32, half::bf16>(src.offset(i * from), from, dst.offset(i * to), to, n - done);
    }
}

/// Copies `n` bytes; for lengths at which libc takes `rep movsb`, which crawls on processors of AMD where both ends
/// stand at almost the same place of their pages.
///
/// # Safety
/// That many bytes can be read and written, and they do not overlap.
pub unsafe fn copy_bytes(src: *const u8, dst: *mut u8, n: usize) {
    type Line = [u64; 8];
    // SAFETY: the caller's promise.
    unsafe {
        if !(1 << 10..1 << 16).contains(&n) {
            return std::ptr::copy_nonoverlapping(src, dst, n);
        }
        let lines = n / size_of::<Line>();
        for i in 0..lines {
            dst.cast::<Line>().add(i).write_unaligned(src.cast::<Line>().add(i).read_unaligned());
        }
        let done = lines * size_of::<Line>();
        std::ptr::copy_nonoverlapping(src.add(done), dst.add(done), n - done);
    }
}

fn at_level<S: Element, D: Element>() -> Convert {
    /// # Safety
    /// See `Convert`; the CPU must have AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<S: Element, D: Element>(src: *const u8, from: isize, dst: *mut u8, to: isize, n: usize) {
        // SAFETY: the caller's promise, passed on.
        unsafe { convert::<S, D>(src, from, dst, to, n) }
    }
    /// # Safety
    /// See `Convert`; the CPU must have AVX-512.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    unsafe fn avx512<S: Element, D: Element>(src: *const u8, from: isize, dst: *mut u8, to: isize, n: usize) {
        // SAFETY: the caller's promise, passed on.
        unsafe { convert::<S, D>(src, from, dst, to, n) }
    }
    /// # Safety
    /// See `Convert`.
    unsafe fn portable<S: Element, D: Element>(
        src: *const u8,
        from: isize,
        dst: *mut u8,
        to: isize,
        n: usize,
    ) {
        // SAFETY: the caller's promise, passed on.
        unsafe { convert::<S, D>(src, from, dst, to, n) }
    }
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512::<S, D>,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::<S, D>,
        _ => portable::<S, D>,
    }
}

#[inline(always)]
unsafe fn convert<S: Element, D: Element>(src: *const u8, from: isize, dst: *mut u8, to: isize, n: usize) {
    let dense = to == size_of::<D>() as isize;
    // SAFETY: the caller vouches for both ends.
    unsafe {
        if dense && from == size_of::<S>() as isize {
            if S::DTYPE == D::DTYPE {
                return copy_bytes(src, dst, n * size_of::<D>());
            }
            let (dst, src) = (dst.cast::<D>(), src.cast::<S>());
            (0..n).for_each(|i| dst.add(i).write_unaligned(src.add(i).read_unaligned().cast()));
        } else if dense && from == 0 {
            // An expanded source: one value, read before the loop so that it is a vector loop.
            let (dst, value) = (dst.cast::<D>(), src.cast::<S>().read_unaligned().cast());
            (0..n).for_each(|i| dst.add(i).write_unaligned(value));
        } else if dense && from == -(size_of::<S>() as isize) {
            // Backwards, by a constant step, which is a vector loop too.
            let (dst, src) = (dst.cast::<D>(), src.cast::<S>());
            (0..n).for_each(|i| dst.add(i).write_unaligned(src.wrapping_sub(i).read_unaligned().cast()));
        } else {
            for i in 0..n as isize {
                let value = src.offset(i * from).cast::<S>().read_unaligned().cast();
                dst.offset(i * to).cast::<D>().write_unaligned(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_is_rounded_alike_in_runs_of_any_length_and_step() {
        // Signs, exponents, ties to either side, infinities and NaN of every kind.
        let bits = |i: u32| i.wrapping_mul(0x0101_8000) ^ (i % 3).wrapping_mul(0x7fff) ^ (i & 1);
        let numbers: Vec<f32> =
            (0..70_000).map(bits).chain(0x7f7f_ffff..0x7f80_0003).map(f32::from_bits).collect();
        let narrow = converter(DType::F32, DType::BF16);
        for (start, n, from, to) in [(0, 70_000, 1, 1), (3, 16, 1, 1), (5, 47, 1, 1), (69_950, 54, 1, 1)]
            .into_iter()
            .chain([(0, 0, 1, 1), (0, 1000, 7, 1), (9, 1000, 1, 3), (0, 100, 0, 1)])
        {
            let mut out = vec![half::bf16::ZERO; n * to];
            // SAFETY: `n` elements, that many steps apart, lie in the two vectors.
            unsafe {
                let src = numbers.as_ptr().add(start).cast();
                narrow(src, from * 4, out.as_mut_ptr().cast(), to as isize * 2, n);
            }
            for i in 0..n {
                let expected = crate::cpu::half::to_bf16(numbers[start + i * from as usize]);
                assert_eq!(out[i * to].to_bits(), expected, "{start} {n} {from} {to}: {i}");
            }
        }
    }
}
