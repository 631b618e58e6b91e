//! The commonest pooling, f32 windows of 2×2 side by side, by AVX-512: even and odd columns are
//! taken apart by permutations, and masks keep to the row, so that short rows are fast too.

use std::arch::x86_64::*;

/// Whether this machine can run it.
pub fn available() -> bool {
    crate::cpu::simd::level() == crate::cpu::simd::Level::Avx512
}

#[inline(always)]
fn first(n: usize) -> __mmask16 {
    if n >= 16 { 0xffff } else { (1u16 << n) - 1 }
}

/// Takes larger values, and NaN, into the best; `code` says where they were.
#[inline(always)]
unsafe fn take(best: &mut __m512, codes: &mut __m512i, v: __m512, code: i32) {
    // SAFETY: arithmetic; the machine has AVX-512 (the caller's promise).
    unsafe {
        let wins = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, *best) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
        *best = _mm512_mask_mov_ps(*best, wins, v);
        *codes = _mm512_mask_mov_epi32(*codes, wins, _mm512_set1_epi32(code));
    }
}

/// One output row of `len` from two rows of the image; codes are not written if null.
///
/// # Safety
/// `rows` have `2 * len` elements, the outputs `len`; the machine has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub unsafe fn forward_row(rows: [*const f32; 2], len: usize, y: *mut f32, codes: *mut u8) {
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    for col in (0..len).step_by(16) {
        let left = len - col;
        let (low, high) = (first(2 * left), first((2 * left).saturating_sub(16)));
        // SAFETY: the masks keep to the rows.
        unsafe {
            let load = |p: *const f32| {
                let p = p.add(2 * col);
                [_mm512_maskz_loadu_ps(low, p), _mm512_maskz_loadu_ps(high, p.wrapping_add(16))]
            };
            let ([a0, a1], [b0, b1]) = (load(rows[0]), load(rows[1]));
            // The window's first value, unless it is NaN, starts as the best.
            let mut best = _mm512_permutex2var_ps(a0, even, a1);
            let mut found = _mm512_setzero_si512();
            take(&mut best, &mut found, _mm512_permutex2var_ps(a0, odd, a1), 1);
            take(&mut best, &mut found, _mm512_permutex2var_ps(b0, even, b1), 2);
            take(&mut best, &mut found, _mm512_permutex2var_ps(b0, odd, b1), 3);
            _mm512_mask_storeu_ps(y.add(col), first(left), best);
            if !codes.is_null() {
                _mm512_mask_cvtepi32_storeu_epi8(codes.add(col).cast(), first(left), found);
            }
        }
    }
}

/// Two rows of the input's gradient from one row of the output's.
///
/// # Safety
/// As [`forward_row`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub unsafe fn backward_row(gy: *const f32, codes: *const u8, len: usize, rows: [*mut f32; 2]) {
    let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for col in (0..len).step_by(16) {
        let left = len - col;
        // SAFETY: the masks keep to the rows.
        unsafe {
            let g = _mm512_maskz_loadu_ps(first(left), gy.add(col));
            let found = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(left), codes.add(col).cast()));
            for (half, row) in rows.iter().enumerate() {
                let of = |code: usize| {
                    let here = _mm512_cmpeq_epi32_mask(found, _mm512_set1_epi32(code as i32));
                    _mm512_maskz_mov_ps(here, g)
                };
                let (even, odd) = (of(2 * half), of(2 * half + 1));
                let to = row.add(2 * col);
                _mm512_mask_storeu_ps(to, first(2 * left), _mm512_permutex2var_ps(even, low, odd));
                let rest = first((2 * left).saturating_sub(16));
                _mm512_mask_storeu_ps(to.wrapping_add(16), rest, _mm512_permutex2var_ps(even, high, odd));
            }
        }
    }
}
