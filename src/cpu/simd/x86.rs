//! AVX2 with FMA, and AVX-512, as [`Simd`].

use super::{Kernel, Level, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy)]
pub struct Avx2(());

/// Proof that the CPU has AVX-512 F, BW, DQ and VL, and all that [`Avx2`] says.
#[derive(Clone, Copy)]
pub struct Avx512(());

pub(super) fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Portable,
    }
}

/// # Safety
/// The CPU has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2<T: Copy, K: Kernel<T>>(kernel: K) -> K::Output
where
    Avx2: Simd<T>,
{
    kernel.run(Avx2(()))
}

/// # Safety
/// The CPU has AVX-512 F, BW, DQ and VL, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn run_avx512<T: Copy, K: Kernel<T>>(kernel: K) -> K::Output
where
    Avx512: Simd<T>,
{
    kernel.run(Avx512(()))
}

/// Loads `rows` rows of `cols` elements; the rest of the `L` x `L` block is zero.
///
/// # Safety
/// They can be read at `src`, `stride` apart; `rows <= L` and `cols <= S::LANES`.
#[inline(always)]
unsafe fn load_block<T: Copy, S: Simd<T>, const L: usize>(
    s: S,
    src: *const T,
    stride: isize,
    (rows, cols): (usize, usize),
) -> [S::Vector; L] {
    let mut block = [s.zero(); L];
    // SAFETY: the caller's promise.
    unsafe {
        if rows == L && cols == S::LANES {
            for (i, row) in block.iter_mut().enumerate() {
                *row = s.load(src.offset(i as isize * stride));
            }
        } else {
            let mask = s.mask(cols);
            for (i, row) in block.iter_mut().enumerate() {
                if i < rows {
                    *row = s.load_masked(src.offset(i as isize * stride), mask);
                }
            }
        }
    }
    block
}

/// Stores the first `cols` elements of the first `rows` rows.
///
/// # Safety
/// They can be written at `dst`, `stride` apart, and `S::LANES == L`.
#[inline(always)]
unsafe fn store_block<T: Copy, S: Simd<T>, const L: usize>(
    s: S,
    block: [S::Vector; L],
    dst: *mut T,
    stride: usize,
    (rows, cols): (usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        // Where rows follow each other, what a whole vector writes too much belongs to the next row,
        // which is written after it.
        let next = if stride == cols && 2 * cols >= L { 1 } else { L };
        let mask = s.mask(cols);
        for (i, row) in block.iter().enumerate() {
            if (cols == L && i < rows) || i + next < rows {
                s.store(dst.add(i * stride), *row);
            } else if i < rows {
                s.store_masked(dst.add(i * stride), mask, *row);
            }
        }
    }
}

/// The operations that differ between vector types in name only.
macro_rules! arithmetic {
    ($t:ty, $v:ty, $splat:ident, $zero:ident, $load:ident, $store:ident, $add:ident, $sub:ident,
     $mul:ident, $div:ident, $fma:ident, $max:ident, $min:ident) => {
        // In all of these, SAFETY: `self` proves the instruction set; `load` and `store` pass the
        // caller's promise on.
        #[inline(always)]
        fn splat(self, x: $t) -> $v {
            // SAFETY: as above.
            unsafe { $splat(x) }
        }
        #[inline(always)]
        fn zero(self) -> $v {
            // SAFETY: as above.
            unsafe { $zero() }
        }
        #[inline(always)]
        unsafe fn load(self, p: *const $t) -> $v {
            // SAFETY: as above.
            unsafe { $load(p) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut $t, v: $v) {
            // SAFETY: as above.
            unsafe { $store(p, v) }
        }
        #[inline(always)]
        fn add(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        fn sub(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $sub(a, b) }
        }
        #[inline(always)]
        fn mul(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $mul(a, b) }
        }
        #[inline(always)]
        fn div(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $div(a, b) }
        }
        #[inline(always)]
        fn max(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $max(a, b) }
        }
        #[inline(always)]
        fn min(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $min(a, b) }
        }
        #[inline(always)]
        fn fma(self, a: $v, b: $v, c: $v) -> $v {
            // SAFETY: as above.
            unsafe { $fma(a, b, c) }
        }
    };
}

impl Simd<f32> for Avx512 {
    type Vector = __m512;
    type Mask = __mmask16;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    arithmetic!(
        f32,
        __m512,
        _mm512_set1_ps,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps,
        _mm512_min_ps
    );

    #[inline(always)]
    fn mask(self, n: usize) -> __mmask16 {
        ((1u32 << n.min(16)) - 1) as __mmask16
    }
    #[inline(always)]
    unsafe fn load_masked(self, p: *const f32, m: __mmask16) -> __m512 {
        // SAFETY: only lanes in the mask are read; `self` proves the instruction set.
        unsafe { _mm512_maskz_loadu_ps(m, p) }
    }
    #[inline(always)]
    unsafe fn store_masked(self, p: *mut f32, m: __mmask16, v: __m512) {
        // SAFETY: only lanes in the mask are written; `self` proves the instruction set.
        unsafe { _mm512_mask_storeu_ps(p, m, v) }
    }
    #[inline(always)]
    fn or_nan(self, v: __m512, a: __m512) -> __m512 {
        // SAFETY: `self` proves the instruction set.
        unsafe { _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a) }
    }
    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        // SAFETY: `self` proves the instruction set.
        unsafe { _mm512_reduce_add_ps(v) }
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        src: *const f32,
        src_stride: isize,
        shape: (usize, usize),
        dst: *mut f32,
        dst_stride: usize,
        width: usize,
    ) {
        // SAFETY: the caller's promise; `self` proves the instruction set.
        unsafe {
            let r = load_block::<_, _, 16>(self, src, src_stride, shape);
            let r = transpose_pairs_f32(r);
            let r = transpose_quarters_f32(r);
            store_block(self, r, dst, dst_stride, (shape.1, width));
        }
    }
}

impl Simd<f64> for Avx512 {
    type Vector = __m512d;
    type Mask = __mmask8;
    const LANES: usize = 8;
    const REGISTERS: usize = 32;

    arithmetic!(
        f64,
        __m512d,
        _mm512_set1_pd,
        _mm512_setzero_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        _mm512_div_pd,
        _mm512_fmadd_pd,
        _mm512_max_pd,
        _mm512_min_pd
    );

    #[inline(always)]
    fn mask(self, n: usize) -> __mmask8 {
        ((1u32 << n.min(8)) - 1) as __mmask8
    }
    #[inline(always)]
    unsafe fn load_masked(self, p: *const f64, m: __mmask8) -> __m512d {
        // SAFETY: only lanes in the mask are read; `self` proves the instruction set.
        unsafe { _mm512_maskz_loadu_pd(m, p) }
    }
    #[inline(always)]
    unsafe fn store_masked(self, p: *mut f64, m: __mmask8, v: __m512d) {
        // SAFETY: only lanes in the mask are written; `self` proves the instruction set.
        unsafe { _mm512_mask_storeu_pd(p, m, v) }
    }
    #[inline(always)]
    fn or_nan(self, v: __m512d, a: __m512d) -> __m512d {
        // SAFETY: `self` proves the instruction set.
        unsafe { _mm512_mask_mov_pd(v, _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a), a) }
    }
    #[inline(always)]
    fn sum(self, v: __m512d) -> f64 {
        // SAFETY: `self` proves the instruction set.
        unsafe { _mm512_reduce_add_pd(v) }
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        src: *const f64,
        src_stride: isize,
        shape: (usize, usize),
        dst: *mut f64,
        dst_stride: usize,
        width: usize,
    ) {
        // SAFETY: the caller's promise; `self` proves the instruction set.
        unsafe {
            let r = load_block::<_, _, 8>(self, src, src_stride, shape);
            let r = transpose_f64(r);
            store_block(self, r, dst, dst_stride, (shape.1, width));
        }
    }
}

/// Transposes the 4 x 4 blocks of a 16 x 16 matrix in each 128-bit lane: row `4 i + j` of the
/// result holds column `j` of each lane, of rows `4 i..4 i + 4`.
#[inline(always)]
unsafe fn transpose_pairs_f32(r: [__m512; 16]) -> [__m512; 16] {
    let mut out = r;
    // SAFETY: the caller has AVX-512.
    unsafe {
        for i in (0..16).step_by(4) {
            let low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r[i], r[i + 1]));
            let high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r[i], r[i + 1]));
            let low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r[i + 2], r[i + 3]));
            let high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r[i + 2], r[i + 3]));
            out[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
            out[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
            out[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
            out[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
        }
    }
    out
}

/// Transposes a 4 x 4 matrix of 128-bit lanes for each of the four columns in a lane.
#[inline(always)]
unsafe fn transpose_quarters_f32(r: [__m512; 16]) -> [__m512; 16] {
    let mut out = r;
    // SAFETY: the caller has AVX-512.
    unsafe {
        for j in 0..4 {
            let even01 = _mm512_shuffle_f32x4::<0x88>(r[j], r[4 + j]);
            let odd01 = _mm512_shuffle_f32x4::<0xdd>(r[j], r[4 + j]);
            let even23 = _mm512_shuffle_f32x4::<0x88>(r[8 + j], r[12 + j]);
            let odd23 = _mm512_shuffle_f32x4::<0xdd>(r[8 + j], r[12 + j]);
            out[j] = _mm512_shuffle_f32x4::<0x88>(even01, even23);
            out[8 + j] = _mm512_shuffle_f32x4::<0xdd>(even01, even23);
            out[4 + j] = _mm512_shuffle_f32x4::<0x88>(odd01, odd23);
            out[12 + j] = _mm512_shuffle_f32x4::<0xdd>(odd01, odd23);
        }
    }
    out
}

/// Transposes an 8 x 8 matrix.
#[inline(always)]
unsafe fn transpose_f64(r: [__m512d; 8]) -> [__m512d; 8] {
    let (mut t, mut out) = (r, r);
    // SAFETY: the caller has AVX-512.
    unsafe {
        // 2 x 2 blocks in each lane, then the lanes.
        for i in (0..8).step_by(2) {
            t[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
            t[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
        }
        for j in 0..2 {
            let even01 = _mm512_shuffle_f64x2::<0x88>(t[j], t[2 + j]);
            let odd01 = _mm512_shuffle_f64x2::<0xdd>(t[j], t[2 + j]);
            let even23 = _mm512_shuffle_f64x2::<0x88>(t[4 + j], t[6 + j]);
            let odd23 = _mm512_shuffle_f64x2::<0xdd>(t[4 + j], t[6 + j]);
            out[j] = _mm512_shuffle_f64x2::<0x88>(even01, even23);
            out[4 + j] = _mm512_shuffle_f64x2::<0xdd>(even01, even23);
            out[2 + j] = _mm512_shuffle_f64x2::<0x88>(odd01, odd23);
            out[6 + j] = _mm512_shuffle_f64x2::<0xdd>(odd01, odd23);
        }
    }
    out
}

/// The first `n` of eight lanes are a sliding window over this.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Transposes 4 x 4 blocks: row `j` of the result holds columns `j` and `4 + j` of the four rows.
#[inline(always)]
unsafe fn transpose_halves_f32(r0: __m256, r1: __m256, r2: __m256, r3: __m256) -> [__m256; 4] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
        let high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
        let low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
        let high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
        [
            _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23)),
            _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23)),
        ]
    }
}

/// Stores the first `n` lanes in pieces: masked stores take some processors twenty operations each.
///
/// # Safety
/// They can be written at `p`; the caller has AVX2.
#[inline(always)]
unsafe fn store_first_f32(p: *mut f32, n: u32, v: __m256) {
    // SAFETY: the caller's promise.
    unsafe {
        if n == 8 {
            return _mm256_storeu_ps(p, v);
        }
        let (mut p, mut rest) = (p, _mm256_castps256_ps128(v));
        if n & 4 != 0 {
            _mm_storeu_ps(p, rest);
            (p, rest) = (p.add(4), _mm256_extractf128_ps::<1>(v));
        }
        if n & 2 != 0 {
            _mm_storel_pd(p.cast(), _mm_castps_pd(rest));
            (p, rest) = (p.add(2), _mm_movehl_ps(rest, rest));
        }
        if n & 1 != 0 {
            _mm_store_ss(p, rest);
        }
    }
}

/// The same for f64.
///
/// # Safety
/// As `store_first_f32`.
#[inline(always)]
unsafe fn store_first_f64(p: *mut f64, n: u32, v: __m256d) {
    // SAFETY: the caller's promise.
    unsafe {
        if n == 4 {
            return _mm256_storeu_pd(p, v);
        }
        let (mut p, mut rest) = (p, _mm256_castpd256_pd128(v));
        if n & 2 != 0 {
            _mm_storeu_pd(p, rest);
            (p, rest) = (p.add(2), _mm256_extractf128_pd::<1>(v));
        }
        if n & 1 != 0 {
            _mm_store_sd(p, rest);
        }
    }
}

impl Simd<f32> for Avx2 {
    type Vector = __m256;
    type Mask = __m256i;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    arithmetic!(
        f32,
        __m256,
        _mm256_set1_ps,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        _mm256_min_ps
    );

    #[inline(always)]
    fn mask(self, n: usize) -> __m256i {
        // SAFETY: the window of eight lies inside MASKS; `self` proves the instruction set.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - n.min(8)).cast()) }
    }
    #[inline(always)]
    unsafe fn load_masked(self, p: *const f32, m: __m256i) -> __m256 {
        // SAFETY: only lanes in the mask are read; `self` proves the instruction set.
        unsafe { _mm256_maskload_ps(p, m) }
    }
    #[inline(always)]
    unsafe fn store_masked(self, p: *mut f32, m: __m256i, v: __m256) {
        // SAFETY: only lanes in the mask are written; `self` proves the instruction set.
        unsafe { store_first_f32(p, _mm256_movemask_ps(_mm256_castsi256_ps(m)).count_ones(), v) }
    }
    #[inline(always)]
    fn or_nan(self, v: __m256, a: __m256) -> __m256 {
        // SAFETY: `self` proves the instruction set.
        unsafe { _mm256_blendv_ps(v, a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)) }
    }
    #[inline(always)]
    fn sum(self, v: __m256) -> f32 {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
        }
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        src: *const f32,
        src_stride: isize,
        shape: (usize, usize),
        dst: *mut f32,
        dst_stride: usize,
        width: usize,
    ) {
        // SAFETY: the caller's promise; `self` proves the instruction set.
        unsafe {
            let (rows, cols) = shape;
            if width <= 4 {
                // Half the block: panels of a product are that narrow.
                let r = load_block::<_, _, 4>(self, src, src_stride, (rows.min(4), cols));
                let r = transpose_halves_f32(r[0], r[1], r[2], r[3]);
                for (j, r) in r.into_iter().enumerate() {
                    if j < cols {
                        store_first_f32(dst.add(j * dst_stride), width as u32, r);
                    }
                    if j + 4 < cols {
                        let high = _mm256_castps128_ps256(_mm256_extractf128_ps::<1>(r));
                        store_first_f32(dst.add((j + 4) * dst_stride), width as u32, high);
                    }
                }
                return;
            }
            let mut r = load_block::<_, _, 8>(self, src, src_stride, shape);
            let mut t = r;
            for i in (0..8).step_by(4) {
                let quarter = transpose_halves_f32(r[i], r[i + 1], r[i + 2], r[i + 3]);
                t[i..i + 4].copy_from_slice(&quarter);
            }
            for j in 0..4 {
                r[j] = _mm256_permute2f128_ps::<0x20>(t[j], t[4 + j]);
                r[4 + j] = _mm256_permute2f128_ps::<0x31>(t[j], t[4 + j]);
            }
            store_block(self, r, dst, dst_stride, (shape.1, width));
        }
    }
}

impl Simd<f64> for Avx2 {
    type Vector = __m256d;
    type Mask = __m256i;
    const LANES: usize = 4;
    const REGISTERS: usize = 16;

    arithmetic!(
        f64,
        __m256d,
        _mm256_set1_pd,
        _mm256_setzero_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_div_pd,
        _mm256_fmadd_pd,
        _mm256_max_pd,
        _mm256_min_pd
    );

    #[inline(always)]
    fn mask(self, n: usize) -> __m256i {
        // SAFETY: the window of eight lies inside MASKS; `self` proves the instruction set.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - 2 * n.min(4)).cast()) }
    }
    #[inline(always)]
    unsafe fn load_masked(self, p: *const f64, m: __m256i) -> __m256d {
        // SAFETY: only lanes in the mask are read; `self` proves the instruction set.
        unsafe { _mm256_maskload_pd(p, m) }
    }
    #[inline(always)]
    unsafe fn store_masked(self, p: *mut f64, m: __m256i, v: __m256d) {
        // SAFETY: only lanes in the mask are written; `self` proves the instruction set.
        unsafe { store_first_f64(p, _mm256_movemask_pd(_mm256_castsi256_pd(m)).count_ones(), v) }
    }
    #[inline(always)]
    fn or_nan(self, v: __m256d, a: __m256d) -> __m256d {
        // SAFETY: `self` proves the instruction set.
        unsafe { _mm256_blendv_pd(v, a, _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a)) }
    }
    #[inline(always)]
    fn sum(self, v: __m256d) -> f64 {
        // SAFETY: `self` proves the instruction set.
        unsafe {
            let v = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
            _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)))
        }
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        src: *const f64,
        src_stride: isize,
        shape: (usize, usize),
        dst: *mut f64,
        dst_stride: usize,
        width: usize,
    ) {
        // SAFETY: the caller's promise; `self` proves the instruction set.
        unsafe {
            let mut r = load_block::<_, _, 4>(self, src, src_stride, shape);
            let t = [
                _mm256_unpacklo_pd(r[0], r[1]),
                _mm256_unpackhi_pd(r[0], r[1]),
                _mm256_unpacklo_pd(r[2], r[3]),
                _mm256_unpackhi_pd(r[2], r[3]),
            ];
            for j in 0..2 {
                r[j] = _mm256_permute2f128_pd::<0x20>(t[j], t[2 + j]);
                r[2 + j] = _mm256_permute2f128_pd::<0x31>(t[j], t[2 + j]);
            }
            store_block(self, r, dst, dst_stride, (shape.1, width));
        }
    }
}
