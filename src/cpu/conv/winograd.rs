//! Winograd's F(4×4, 3×3): 3×3 kernels of stride 1 with a quarter of the multiplications.
//!
//! An output tile of 4×4 pixels comes from 6×6 input pixels. With `V = Bᵀ d B` of the input tile
//! and `U = G g Gᵀ` of the filter, the output is `Aᵀ M A` with `M = Σ U · V` over the channels, one
//! product for each of the 36 places: 36 matrix products instead of 144. (Lavin and Gray, *Fast
//! Algorithms for Convolutional Neural Networks*, 2015.)
//!
//! Tiles of all images are taken in blocks of [`BLOCK`], for which V and M stay in the cache. A vector
//! of N lanes holds one pixel of N tiles: four *strips*, each N / 4 neighbours in a row of tiles, whose
//! N pixels of an image row are one load. The input's gradient is the same with the filters
//! turned by 180° and filters and channels exchanged.
//!
//! AVX-512 and AVX2: the transforms are made of their permutations ([`Tiles`]). An infinity or NaN
//! spoils the whole tile that it is in.

#![allow(clippy::needless_range_loop, reason = "tiles of registers are arrays that several indices address")]

use super::lanes::{Avx2, Avx512, Lanes};
use super::scratch::{self, Shared};
use super::tile::{self, Panels, Slot, Tile, TileFn};
use super::{AllocError, Conv2dShape};
use crate::cpu::par;
use crate::cpu::simd::Level;
use std::arch::x86_64::*;
use std::ops::Range;

/// Tiles computed together.
const BLOCK: usize = 32;

/// Strips in a block, at most: of the shortest vectors.
const STRIPS: usize = BLOCK / 2;

/// Places of a transformed tile.
const PLACES: usize = 36;

/// Apart from a power of two, so that the 36 places of a row do not fall into one set of the cache.
const SKEW: usize = 48;

/// Multiplications below which waking another thread costs more than it saves.
const SERIAL: usize = 1 << 17;

/// What is convolved: forward, or the input's gradient.
struct Problem {
    images: usize,
    /// Channels and plane of the source, filters and plane of the output.
    depth: usize,
    source: [usize; 2],
    rows: usize,
    output: [usize; 2],
    padding: [usize; 2],
    /// Where a filter's weights are, for output row and source channel; turned by 180° or not.
    weight_row: usize,
    weight_depth: usize,
    turned: bool,
}

impl Problem {
    /// Rows of tiles, and strips of `lanes` pixels in a row.
    fn grid(&self, lanes: usize) -> [usize; 2] {
        [self.output[0].div_ceil(4), self.output[1].div_ceil(lanes)]
    }
}

/// Lanes of the vectors of a level that has this algorithm.
fn lanes(level: Level) -> Option<usize> {
    match level {
        Level::Avx512 => Some(Avx512::N),
        Level::Avx2 => Some(Avx2::N),
        Level::Portable => None,
    }
}

/// Whether this algorithm can run, and is likely to be faster than the direct one.
pub fn pays(level: Level, s: &Conv2dShape) -> bool {
    let Some(lanes) = lanes(level) else { return false };
    let plain = [s.kh, s.kw] == [3, 3] && s.stride == [1, 1] && s.dilation == [1, 1] && s.groups == 1;
    let tiles = |size: [usize; 2]| size[0].div_ceil(4) * size[1].div_ceil(lanes) * (lanes / 4);
    // The products of whole strips against those of the direct sum; below about 16 channels the
    // transforms cost more than the products.
    let worth = |size: [usize; 2]| tiles(size) * PLACES * 2 < size[0] * size[1] * 9;
    plain
        && s.padding[0] <= 2
        && s.padding[1] <= 2
        && s.c >= 16
        && s.oc >= 16
        && worth(s.out())
        && worth([s.h, s.w])
}

/// One strip: tiles side by side, as many as have their pixels in a vector.
#[derive(Clone, Copy, Default)]
struct Strip {
    image: usize,
    /// First row and column of its output pixels.
    row: usize,
    col: usize,
    /// Source columns that exist, from the first of the strip and from four further on.
    near: u16,
    far: u16,
    /// Output columns that exist; none if there is no such strip.
    kept: usize,
}

/// Lanes `l` with `0 <= start + l < size`.
fn inside(start: isize, size: usize, lanes: usize) -> u16 {
    (0..lanes).filter(|&l| (0..size as isize).contains(&(start + l as isize))).fold(0, |m, l| m | 1 << l)
}

impl Problem {
    fn strip(&self, index: usize, lanes: usize) -> Strip {
        let [rows, cols] = self.grid(lanes);
        let (image, row, col) = (index / cols / rows, index / cols % rows * 4, index % cols * lanes);
        if image >= self.images {
            return Strip::default();
        }
        let first = col as isize - self.padding[1] as isize;
        Strip {
            image,
            row,
            col,
            near: inside(first, self.source[1], lanes),
            far: inside(first + 4, self.source[1], lanes),
            kept: lanes.min(self.output[1] - col),
        }
    }
}

/// What the transforms need beside [`Lanes`]. Every function needs the instruction set of its type.
trait Tiles: Lanes {
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// The lanes in `mask`, zero in the others.
    unsafe fn load_masked(p: *const f32, mask: u16) -> Self::V;
    /// The first `n` lanes from `p + index`, zero in the others.
    unsafe fn gather(p: *const f32, index: &[i32; 16], n: usize) -> Self::V;
    /// Four vectors of a strip's pixels each to four of one pixel of all tiles, in some order.
    unsafe fn split_tiles(strips: [Self::V; 4]) -> [Self::V; 4];
    /// The inverse: four pixels of all tiles to the pixels of each strip.
    unsafe fn join_tiles(pixels: [Self::V; 4]) -> [Self::V; 4];
}

impl Tiles for Avx512 {
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: arithmetic; the machine has AVX-512 (the caller's promise, here and below).
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: arithmetic.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn load_masked(p: *const f32, mask: u16) -> __m512 {
        // SAFETY: lanes outside the mask are not touched.
        unsafe { _mm512_maskz_loadu_ps(mask, p) }
    }
    #[inline(always)]
    unsafe fn gather(p: *const f32, index: &[i32; 16], n: usize) -> __m512 {
        // SAFETY: lanes outside the mask are not touched.
        unsafe {
            let index = _mm512_loadu_si512(index.as_ptr().cast());
            _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), ((1u32 << n) - 1) as u16, index, p)
        }
    }
    #[inline(always)]
    unsafe fn split_tiles(q: [__m512; 4]) -> [__m512; 4] {
        // SAFETY: arithmetic.
        unsafe {
            let first = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
            let second = _mm512_setr_epi32(2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
            let (a0, a1) =
                (_mm512_permutex2var_ps(q[0], first, q[1]), _mm512_permutex2var_ps(q[2], first, q[3]));
            let (b0, b1) =
                (_mm512_permutex2var_ps(q[0], second, q[1]), _mm512_permutex2var_ps(q[2], second, q[3]));
            [
                _mm512_shuffle_f32x4::<0x44>(a0, a1),
                _mm512_shuffle_f32x4::<0xee>(a0, a1),
                _mm512_shuffle_f32x4::<0x44>(b0, b1),
                _mm512_shuffle_f32x4::<0xee>(b0, b1),
            ]
        }
    }
    #[inline(always)]
    unsafe fn join_tiles(p: [__m512; 4]) -> [__m512; 4] {
        // SAFETY: arithmetic.
        unsafe {
            let first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let second = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            // Pairs of pixels: tiles 0 to 7 and 8 to 15 of columns 0, 1 and of columns 2, 3.
            let (a, b) =
                (_mm512_permutex2var_ps(p[0], first, p[1]), _mm512_permutex2var_ps(p[0], second, p[1]));
            let (c, d) =
                (_mm512_permutex2var_ps(p[2], first, p[3]), _mm512_permutex2var_ps(p[2], second, p[3]));
            let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            let pairs = |index, a, c| {
                _mm512_castpd_ps(_mm512_permutex2var_pd(_mm512_castps_pd(a), index, _mm512_castps_pd(c)))
            };
            [pairs(low, a, c), pairs(high, a, c), pairs(low, b, d), pairs(high, b, d)]
        }
    }
}

/// Transposes the 4×4 blocks in both halves.
#[inline(always)]
unsafe fn transpose_halves(v: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: arithmetic; the machine has AVX2 (the caller's promise).
    unsafe {
        let pairs = |a, b| {
            let (a, b) = (_mm256_castps_pd(a), _mm256_castps_pd(b));
            [_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b))]
        };
        let (a, b) = (_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpacklo_ps(v[2], v[3]));
        let (c, d) = (_mm256_unpackhi_ps(v[0], v[1]), _mm256_unpackhi_ps(v[2], v[3]));
        let ([x, y], [z, w]) = (pairs(a, b), pairs(c, d));
        [x, y, z, w]
    }
}

impl Tiles for Avx2 {
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: arithmetic; the machine has AVX2 and FMA (the caller's promise, here and below).
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: arithmetic.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn load_masked(p: *const f32, mask: u16) -> __m256 {
        // SAFETY: lanes outside the mask are not touched.
        unsafe {
            if mask == 0xff {
                return _mm256_loadu_ps(p);
            }
            let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let kept = _mm256_and_si256(_mm256_set1_epi32(i32::from(mask)), bits);
            _mm256_maskload_ps(p, _mm256_cmpeq_epi32(kept, bits))
        }
    }
    #[inline(always)]
    unsafe fn gather(p: *const f32, index: &[i32; 16], n: usize) -> __m256 {
        let mut lanes = [0.0; 8];
        for (lane, &i) in lanes.iter_mut().zip(index).take(n) {
            // SAFETY: the first `n` places can be read.
            *lane = unsafe { *p.offset(i as isize) };
        }
        // SAFETY: eight floats.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    // Tiles 0, 2, 4, 6 in one half, the others in the other: nothing crosses between halves.
    #[inline(always)]
    unsafe fn split_tiles(strips: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: arithmetic.
        unsafe { transpose_halves(strips) }
    }
    #[inline(always)]
    unsafe fn join_tiles(pixels: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: arithmetic.
        unsafe { transpose_halves(pixels) }
    }
}

#[inline(always)]
unsafe fn fma<S: Tiles>(a: f32, b: S::V, c: S::V) -> S::V {
    // SAFETY: arithmetic; the machine has the instruction set (the caller's promise, here and below).
    unsafe { S::fma(S::splat(a), b, c) }
}

/// `Bᵀ d`
#[inline(always)]
unsafe fn input_transform<S: Tiles>(d: [S::V; 6]) -> [S::V; 6] {
    // SAFETY: arithmetic.
    unsafe {
        let a = fma::<S>(-4.0, d[2], d[4]);
        let b = fma::<S>(-4.0, d[1], d[3]);
        let c = S::sub(d[4], d[2]);
        let e = S::sub(d[3], d[1]);
        [
            fma::<S>(4.0, d[0], fma::<S>(-5.0, d[2], d[4])),
            S::add(a, b),
            S::sub(a, b),
            fma::<S>(2.0, e, c),
            fma::<S>(-2.0, e, c),
            fma::<S>(4.0, d[1], fma::<S>(-5.0, d[3], d[5])),
        ]
    }
}

/// `Aᵀ m`
#[inline(always)]
unsafe fn output_transform<S: Tiles>(m: [S::V; 6]) -> [S::V; 4] {
    // SAFETY: arithmetic.
    unsafe {
        let (s1, d1) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (s2, d2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], s1), s2),
            fma::<S>(2.0, d2, d1),
            fma::<S>(4.0, s2, s1),
            S::add(fma::<S>(8.0, d2, d1), m[5]),
        ]
    }
}

/// `G g`
#[inline(always)]
unsafe fn filter_transform<S: Tiles>(g: [S::V; 3]) -> [S::V; 6] {
    // SAFETY: arithmetic.
    unsafe {
        let zero = S::splat(0.0);
        let a = fma::<S>(-1.0 / 6.0, S::add(g[0], g[2]), zero);
        let b = fma::<S>(1.0 / 6.0, g[1], zero);
        let c = fma::<S>(1.0 / 24.0, g[0], fma::<S>(1.0 / 6.0, g[2], zero));
        let d = fma::<S>(1.0 / 12.0, g[1], zero);
        [fma::<S>(0.25, g[0], zero), S::sub(a, b), S::add(a, b), S::add(c, d), S::sub(c, d), g[2]]
    }
}

/// The filters of one panel of output rows, transformed: `[place][channel][row]`.
#[inline(always)]
unsafe fn filters<S: Tiles>(p: &Problem, panel: Range<usize>, weight: *const f32, to: *mut f32) {
    let rows = panel.len();
    // SAFETY: `rows` lanes are read; what is written beyond them belongs to the channels after.
    unsafe {
        let mut index = [0i32; 16];
        for (i, index) in index.iter_mut().enumerate().take(rows) {
            *index = (i * p.weight_row) as i32;
        }
        for ch in 0..p.depth {
            let weight = weight.add(panel.start * p.weight_row + ch * p.weight_depth);
            let tap = |k: usize| S::gather(weight.add(if p.turned { 8 - k } else { k }), &index, rows);
            let mut half = [[S::splat(0.0); 3]; 6];
            for x in 0..3 {
                let column = filter_transform::<S>([tap(x), tap(3 + x), tap(6 + x)]);
                for r in 0..6 {
                    half[r][x] = column[r];
                }
            }
            let whole = ch * rows + S::N <= p.depth * rows;
            for (r, half) in half.iter().enumerate() {
                let row = filter_transform::<S>(*half);
                for (x, v) in row.iter().enumerate() {
                    let to = to.add(((r * 6 + x) * p.depth + ch) * rows);
                    if whole {
                        S::store(to, *v);
                    } else {
                        S::store_first(to, rows, *v);
                    }
                }
            }
        }
    }
}

/// V of one channel and a vector of tiles: `to[place * stride]`.
#[inline(always)]
unsafe fn transform_input<S: Tiles>(
    p: &Problem,
    plane: &[*const f32; 4],
    strips: &[Strip],
    to: *mut f32,
    stride: usize,
) {
    // SAFETY: the masks keep to the columns of the image, the test to its rows.
    unsafe {
        let mut half = [[S::splat(0.0); 6]; 6];
        for (r, half) in half.iter_mut().enumerate() {
            let (mut near, mut far) = ([S::splat(0.0); 4], [S::splat(0.0); 4]);
            for i in 0..4 {
                let strip = &strips[i];
                let row = (strip.row + r).wrapping_sub(p.padding[0]);
                if row < p.source[0] {
                    let pixels =
                        plane[i].wrapping_add(row * p.source[1] + strip.col).wrapping_sub(p.padding[1]);
                    near[i] = S::load_masked(pixels, strip.near);
                    far[i] = S::load_masked(pixels.wrapping_add(4), strip.far);
                }
            }
            let (a, b) = (S::split_tiles(near), S::split_tiles(far));
            *half = input_transform::<S>([a[0], a[1], a[2], a[3], b[0], b[1]]);
        }
        for x in 0..6 {
            let column = input_transform::<S>(std::array::from_fn(|r| half[r][x]));
            for (r, v) in column.iter().enumerate() {
                S::store(to.add((r * 6 + x) * stride), *v);
            }
        }
    }
}

/// The pixels of a vector of tiles of one filter from M.
#[inline(always)]
unsafe fn write_output<S: Tiles>(
    p: &Problem,
    m: *const f32,
    stride: usize,
    bias: f32,
    strips: &[Strip],
    plane: &[*mut f32; 4],
) {
    // SAFETY: the counts keep to the columns of the output, the test to its rows.
    unsafe {
        let mut half = [[S::splat(0.0); 6]; 4];
        for x in 0..6 {
            let column = output_transform::<S>(std::array::from_fn(|r| S::load(m.add((r * 6 + x) * stride))));
            for r in 0..4 {
                half[r][x] = column[r];
            }
        }
        for (r, half) in half.iter().enumerate() {
            let pixels = output_transform::<S>(*half).map(|v| S::add(v, S::splat(bias)));
            let joined = S::join_tiles(pixels);
            for i in 0..4 {
                let strip = &strips[i];
                if strip.row + r < p.output[0] {
                    let to = plane[i].wrapping_add((strip.row + r) * p.output[1] + strip.col);
                    if strip.kept == S::N {
                        S::store(to, joined[i]);
                    } else {
                        S::store_first(to, strip.kept, joined[i]);
                    }
                }
            }
        }
    }
}

/// V of a block: 36 places of `depth` rows of [`BLOCK`], `stride` between places.
#[inline(always)]
unsafe fn enter<S: Tiles>(p: &Problem, strips: &[Strip], x: *const f32, v: *mut f32, stride: usize) {
    for ch in 0..p.depth {
        for (part, strips) in strips.chunks_exact(4).enumerate() {
            let plane =
                |q: usize| x.wrapping_add((strips[q].image * p.depth + ch) * p.source[0] * p.source[1]);
            // SAFETY: the caller's promise.
            unsafe {
                let to = v.add(ch * BLOCK + part * S::N);
                transform_input::<S>(p, &std::array::from_fn(plane), strips, to, stride);
            }
        }
    }
}

/// The pixels of some output rows of a block from M, laid out as V.
#[inline(always)]
unsafe fn leave<S: Tiles>(p: &Problem, strips: &[Strip], rows: Range<usize>, to: &Leaving) {
    for row in rows {
        // SAFETY: `bias` is null or has `rows`, M has a block for each.
        unsafe {
            let bias = if to.bias.is_null() { 0.0 } else { *to.bias.add(row) };
            for (part, strips) in strips.chunks_exact(4).enumerate() {
                let plane = |q: usize| {
                    to.y.wrapping_add((strips[q].image * p.rows + row) * p.output[0] * p.output[1])
                };
                let m = to.m.add(row * BLOCK + part * S::N);
                write_output::<S>(p, m, to.stride, bias, strips, &std::array::from_fn(plane));
            }
        }
    }
}

struct Leaving {
    m: *const f32,
    stride: usize,
    bias: *const f32,
    y: *mut f32,
}

/// The steps of an instruction set.
struct Steps {
    lanes: usize,
    tiles: &'static [TileFn],
    filters: unsafe fn(&Problem, Range<usize>, *const f32, *mut f32),
    enter: unsafe fn(&Problem, &[Strip], *const f32, *mut f32, usize),
    leave: unsafe fn(&Problem, &[Strip], Range<usize>, &Leaving),
}

macro_rules! steps {
    ($name:ident, $lanes:ty, $level:expr, $features:literal) => {
        fn $name() -> Steps {
            #[target_feature(enable = $features)]
            unsafe fn filters_(p: &Problem, panel: Range<usize>, weight: *const f32, to: *mut f32) {
                // SAFETY: the caller's promise, here and below.
                unsafe { filters::<$lanes>(p, panel, weight, to) }
            }
            #[target_feature(enable = $features)]
            unsafe fn enter_(p: &Problem, strips: &[Strip], x: *const f32, v: *mut f32, stride: usize) {
                // SAFETY: as above.
                unsafe { enter::<$lanes>(p, strips, x, v, stride) }
            }
            #[target_feature(enable = $features)]
            unsafe fn leave_(p: &Problem, strips: &[Strip], rows: Range<usize>, to: &Leaving) {
                // SAFETY: as above.
                unsafe { leave::<$lanes>(p, strips, rows, to) }
            }
            let (lanes, tiles) = tile::kernels($level);
            Steps { lanes, tiles, filters: filters_, enter: enter_, leave: leave_ }
        }
    };
}
steps!(avx512, Avx512, Level::Avx512, "avx512f,avx512bw,avx512dq,avx512vl");
steps!(avx2, Avx2, Level::Avx2, "avx2,fma");

impl Problem {
    unsafe fn run(
        &self,
        level: Level,
        x: *const f32,
        weight: *const f32,
        bias: *const f32,
        y: *mut f32,
    ) -> Result<(), AllocError> {
        let steps = if level == Level::Avx512 { avx512() } else { avx2() };
        let (lanes, strips) = (steps.lanes, BLOCK / (steps.lanes / 4));
        let panels = Panels::new(self.rows, steps.tiles.len());
        let [tile_rows, strip_cols] = self.grid(lanes);
        let blocks = (self.images * tile_rows * strip_cols).div_ceil(strips);
        let offsets: Vec<u32> = (0..self.depth).map(|k| (k * BLOCK) as u32).collect();
        let (v_stride, m_stride) = (self.depth * BLOCK + SKEW, self.rows * BLOCK + SKEW);
        let filters_len = scratch::lines(PLACES * self.rows * self.depth);
        let slot_len = scratch::lines(PLACES * (v_stride + m_stride));
        let threads = par::num_threads();
        let serial = threads == 1 || blocks * BLOCK * PLACES * self.rows * self.depth < SERIAL;
        // Where there are few blocks, several jobs make V of a block, each for some output rows.
        let parts = if serial { 1 } else { (2 * threads).div_ceil(blocks).min(panels.count) };
        let slots = if serial { 1 } else { threads.min(blocks * parts) };
        scratch::with(filters_len + slots * slot_len, |scratch| {
            let (filters, blocks_at) = (Shared::new(scratch), Shared::new(scratch.wrapping_add(filters_len)));
            let (x, weight, bias, y) = (Shared::of(x), Shared::of(weight), Shared::of(bias), Shared::new(y));
            // Panels follow each other, each with all its places.
            let panel_at = |rows: &Range<usize>| filters.at(PLACES * rows.start * self.depth);
            par::for_each_with_slot(slots, panels.count, &|_, i| {
                let rows = panels.get(i);
                // SAFETY: a panel writes its own filters; the level is the machine's.
                unsafe { (steps.filters)(self, rows.clone(), weight.get(), panel_at(&rows)) }
            });
            par::for_each_with_slot(slots, blocks * parts, &|slot, job| {
                let (block, part) = (job / parts, job % parts);
                let all: [Strip; STRIPS] = std::array::from_fn(|i| {
                    if i < strips { self.strip(block * strips + i, lanes) } else { Strip::default() }
                });
                // The last block may have fewer strips: whole vectors of them.
                let left = self.images * tile_rows * strip_cols - block * strips;
                let some = &all[..strips.min(left.next_multiple_of(4))];
                let panels_of_part = panels.count * part / parts..panels.count * (part + 1) / parts;
                let rows_of_part =
                    panels.get(panels_of_part.start).start..panels.get(panels_of_part.end - 1).end;
                let v = blocks_at.at(slot * slot_len);
                let m = v.wrapping_add(PLACES * v_stride);
                // SAFETY: a slot's scratch is not shared, strips and rows are disjoint; the level is the
                // machine's.
                unsafe {
                    (steps.enter)(self, some, x.get(), v, v_stride);
                    for place in 0..PLACES {
                        for i in panels_of_part.clone() {
                            let rows = panels.get(i);
                            let a = panel_at(&rows).add(place * self.depth * rows.len());
                            let m = m.add(place * m_stride + rows.start * BLOCK);
                            for col in (0..some.len() * (lanes / 4)).step_by(2 * lanes) {
                                let b = v.add(place * v_stride + col);
                                product(&steps, rows.len(), a, b, &offsets, m.add(col));
                            }
                        }
                    }
                    let to = Leaving { m, stride: m_stride, bias: bias.get(), y: y.get() };
                    (steps.leave)(self, some, rows_of_part, &to);
                }
            });
        })
    }
}

/// One panel of rows times two vectors of a block, whose rows are [`BLOCK`] apart.
///
/// # Safety
/// `a` is packed `[term][row]`, `b` and the rows of `y` have the block's extents; the machine has the
/// instruction set of `steps`.
unsafe fn product(steps: &Steps, rows: usize, a: *const f32, b: *const f32, offsets: &[u32], y: *mut f32) {
    let slot = |dst| Slot { src: 0, dst, mask: (1 << steps.lanes) - 1, step: 1 };
    // SAFETY: the caller's promise.
    unsafe {
        steps.tiles[rows - 1](&Tile {
            terms: offsets.len(),
            a,
            b: [b, b.add(steps.lanes)],
            offsets: offsets.as_ptr(),
            bias: std::ptr::null(),
            accumulate: false,
            y,
            ldy: BLOCK,
            slots: [slot(0), slot(steps.lanes as u32)],
        });
    }
}

/// # Safety
/// As [`super::forward`]; `bias` may be null. The algorithm [`pays`], the machine has the level.
pub unsafe fn forward(
    level: Level,
    s: &Conv2dShape,
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
) -> Result<(), AllocError> {
    let problem = Problem {
        images: s.n,
        depth: s.c,
        source: [s.h, s.w],
        rows: s.oc,
        output: s.out(),
        padding: s.padding,
        weight_row: s.c * 9,
        weight_depth: 9,
        turned: false,
    };
    // SAFETY: the caller's promise.
    unsafe { problem.run(level, x, weight, bias, y) }
}

/// # Safety
/// As [`super::backward_input`]. The algorithm [`pays`], the machine has the level.
pub unsafe fn backward_input(
    level: Level,
    s: &Conv2dShape,
    gy: *const f32,
    weight: *const f32,
    gx: *mut f32,
) -> Result<(), AllocError> {
    let problem = Problem {
        images: s.n,
        depth: s.oc,
        source: s.out(),
        rows: s.c,
        output: [s.h, s.w],
        padding: s.padding.map(|p| 2 - p),
        weight_row: 9,
        weight_depth: s.c * 9,
        turned: true,
    };
    // SAFETY: the caller's promise.
    unsafe { problem.run(level, gy, weight, std::ptr::null(), gx) }
}
