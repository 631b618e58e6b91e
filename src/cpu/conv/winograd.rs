//! Winograd's F(4×4, 3×3): 3×3 kernels of stride 1 with a quarter of the multiplications.
//!
//! An output tile of 4×4 pixels comes from 6×6 input pixels. With `V = Bᵀ d B` of the input tile
//! and `U = G g Gᵀ` of the filter, the output is `Aᵀ M A` with `M = Σ U · V` over the channels, one
//! product for each of the 36 places: 36 matrix products instead of 144. (Lavin and Gray, *Fast
//! Algorithms for Convolutional Neural Networks*, 2015.)
//!
//! Tiles of all images are taken in blocks of [`BLOCK`], for which V and M stay in L2. A vector
//! holds one pixel of 16 tiles: four *quads*, each four neighbours in a row of tiles, whose 16
//! pixels of an image row are one load. The input's gradient is the same with the filters
//! turned by 180° and filters and channels exchanged.
//!
//! AVX-512 only: the transforms are made of its permutations. An infinity or NaN spoils the whole
//! tile that it is in.

#![allow(clippy::needless_range_loop, reason = "tiles of registers are arrays that several indices address")]

use super::scratch::{self, Shared};
use super::tile::{self, Panels};
use super::{AllocError, Conv2dShape};
use crate::cpu::par;
use std::arch::x86_64::*;

/// Tiles computed together, and quads of them.
const BLOCK: usize = 32;
const QUADS: usize = BLOCK / 4;

/// Places of a transformed tile.
const PLACES: usize = 36;

/// Apart from a power of two, so that the 36 places of a row do not fall into one set of the cache.
const SKEW: usize = 48;

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
    /// Rows of tiles and quads in a row.
    fn grid(&self) -> [usize; 2] {
        [self.output[0].div_ceil(4), self.output[1].div_ceil(16)]
    }
}

/// Whether this algorithm can run, and is likely to be faster than the direct one.
pub fn pays(s: &Conv2dShape) -> bool {
    let plain = [s.kh, s.kw] == [3, 3] && s.stride == [1, 1] && s.dilation == [1, 1] && s.groups == 1;
    let quads = |size: [usize; 2]| size[0].div_ceil(4) * size[1].div_ceil(16);
    // The products of whole quads against those of the direct sum; below about 16 channels the
    // transforms cost more than the products.
    let worth = |size: [usize; 2]| quads(size) * 4 * PLACES * 2 < size[0] * size[1] * 9;
    plain
        && s.padding[0] <= 2
        && s.padding[1] <= 2
        && s.c >= 16
        && s.oc >= 16
        && worth(s.out())
        && worth([s.h, s.w])
}

/// One quad: four tiles side by side.
#[derive(Clone, Copy, Default)]
struct Quad {
    image: usize,
    /// First row and column of its output pixels.
    row: usize,
    col: usize,
    /// Source columns that exist, from the first of the quad and from four further on.
    near: u16,
    far: u16,
    /// Output columns that exist; none if there is no such quad.
    kept: u16,
}

/// Lanes `l` with `0 <= start + l < size`.
fn lanes(start: isize, size: usize) -> u16 {
    (0..16).filter(|l| (0..size as isize).contains(&(start + l))).fold(0, |m, l| m | 1 << l)
}

impl Problem {
    fn quad(&self, index: usize) -> Quad {
        let [rows, cols] = self.grid();
        let (image, row, col) = (index / cols / rows, index / cols % rows * 4, index % cols * 16);
        if image >= self.images {
            return Quad::default();
        }
        let first = col as isize - self.padding[1] as isize;
        Quad {
            image,
            row,
            col,
            near: lanes(first, self.source[1]),
            far: lanes(first + 4, self.source[1]),
            kept: lanes(col as isize, self.output[1]),
        }
    }
}

type V = __m512;

#[inline(always)]
unsafe fn splat(x: f32) -> V {
    // SAFETY: the machine has AVX-512: the caller's promise, here and in all functions below.
    unsafe { _mm512_set1_ps(x) }
}

#[inline(always)]
unsafe fn fma(a: f32, b: V, c: V) -> V {
    // SAFETY: arithmetic.
    unsafe { _mm512_fmadd_ps(splat(a), b, c) }
}

#[inline(always)]
unsafe fn add(a: V, b: V) -> V {
    // SAFETY: arithmetic.
    unsafe { _mm512_add_ps(a, b) }
}

#[inline(always)]
unsafe fn sub(a: V, b: V) -> V {
    // SAFETY: arithmetic.
    unsafe { _mm512_sub_ps(a, b) }
}

/// `Bᵀ d`
#[inline(always)]
unsafe fn input_transform(d: [V; 6]) -> [V; 6] {
    // SAFETY: arithmetic.
    unsafe {
        let a = fma(-4.0, d[2], d[4]);
        let b = fma(-4.0, d[1], d[3]);
        let c = sub(d[4], d[2]);
        let e = sub(d[3], d[1]);
        [
            fma(4.0, d[0], fma(-5.0, d[2], d[4])),
            add(a, b),
            sub(a, b),
            fma(2.0, e, c),
            fma(-2.0, e, c),
            fma(4.0, d[1], fma(-5.0, d[3], d[5])),
        ]
    }
}

/// `Aᵀ m`
#[inline(always)]
unsafe fn output_transform(m: [V; 6]) -> [V; 4] {
    // SAFETY: arithmetic.
    unsafe {
        let (s1, d1, s2, d2) = (add(m[1], m[2]), sub(m[1], m[2]), add(m[3], m[4]), sub(m[3], m[4]));
        [add(add(m[0], s1), s2), fma(2.0, d2, d1), fma(4.0, s2, s1), add(fma(8.0, d2, d1), m[5])]
    }
}

/// `G g`
#[inline(always)]
unsafe fn filter_transform(g: [V; 3]) -> [V; 6] {
    // SAFETY: arithmetic.
    unsafe {
        let zero = splat(0.0);
        let a = fma(-1.0 / 6.0, add(g[0], g[2]), zero);
        let b = fma(1.0 / 6.0, g[1], zero);
        let c = fma(1.0 / 24.0, g[0], fma(1.0 / 6.0, g[2], zero));
        let d = fma(1.0 / 12.0, g[1], zero);
        [fma(0.25, g[0], zero), sub(a, b), add(a, b), add(c, d), sub(c, d), g[2]]
    }
}

/// Four vectors of 16 pixels (a quad each) to four of one pixel of all 16 tiles.
#[inline(always)]
unsafe fn split_tiles(q: [V; 4]) -> [V; 4] {
    // SAFETY: arithmetic.
    unsafe {
        let first = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
        let second = _mm512_setr_epi32(2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
        let (a0, a1) = (_mm512_permutex2var_ps(q[0], first, q[1]), _mm512_permutex2var_ps(q[2], first, q[3]));
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

/// The inverse: four pixels of 16 tiles to the 16 pixels of each quad.
#[inline(always)]
unsafe fn join_tiles(p: [V; 4]) -> [V; 4] {
    // SAFETY: arithmetic.
    unsafe {
        let first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let second = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        // Pairs of pixels: tiles 0 to 7 and 8 to 15 of columns 0, 1 and of columns 2, 3.
        let (a, b) = (_mm512_permutex2var_ps(p[0], first, p[1]), _mm512_permutex2var_ps(p[0], second, p[1]));
        let (c, d) = (_mm512_permutex2var_ps(p[2], first, p[3]), _mm512_permutex2var_ps(p[2], second, p[3]));
        let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
        let pairs = |index, a, c| {
            _mm512_castpd_ps(_mm512_permutex2var_pd(_mm512_castps_pd(a), index, _mm512_castps_pd(c)))
        };
        [pairs(low, a, c), pairs(high, a, c), pairs(low, b, d), pairs(high, b, d)]
    }
}

/// The filters of one panel of output rows, transformed: `[place][channel][row]`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn transform_filters(p: &Problem, panel: std::ops::Range<usize>, weight: *const f32, to: *mut f32) {
    let rows = panel.len();
    let mask = ((1u32 << rows) - 1) as u16;
    // SAFETY: `rows` lanes are read and written, at most 14.
    unsafe {
        let mut index = [0i32; 16];
        for (i, index) in index.iter_mut().enumerate().take(rows) {
            *index = (i * p.weight_row) as i32;
        }
        let index = _mm512_loadu_si512(index.as_ptr().cast());
        for ch in 0..p.depth {
            let weight = weight.add(panel.start * p.weight_row + ch * p.weight_depth);
            let tap = |k: usize| {
                let k = if p.turned { 8 - k } else { k };
                _mm512_mask_i32gather_ps::<4>(splat(0.0), mask, index, weight.add(k))
            };
            let mut half = [[splat(0.0); 3]; 6];
            for x in 0..3 {
                let column = filter_transform([tap(x), tap(3 + x), tap(6 + x)]);
                for r in 0..6 {
                    half[r][x] = column[r];
                }
            }
            for (r, half) in half.iter().enumerate() {
                let row = filter_transform(*half);
                for (x, v) in row.iter().enumerate() {
                    let to = to.add(((r * 6 + x) * p.depth + ch) * rows);
                    _mm512_mask_storeu_ps(to, mask, *v);
                }
            }
        }
    }
}

/// V of one channel and 16 tiles: `to[place * stride]`.
#[inline(always)]
unsafe fn transform_input(p: &Problem, plane: &[*const f32; 4], quads: &[Quad], to: *mut f32, stride: usize) {
    // SAFETY: the masks keep to the columns of the image, the test to its rows.
    unsafe {
        let mut half = [[splat(0.0); 6]; 6];
        for (r, half) in half.iter_mut().enumerate() {
            let (mut near, mut far) = ([splat(0.0); 4], [splat(0.0); 4]);
            for (i, quad) in quads.iter().enumerate() {
                let row = (quad.row + r).wrapping_sub(p.padding[0]);
                if row < p.source[0] {
                    let pixels =
                        plane[i].wrapping_add(row * p.source[1] + quad.col).wrapping_sub(p.padding[1]);
                    near[i] = _mm512_maskz_loadu_ps(quad.near, pixels);
                    far[i] = _mm512_maskz_loadu_ps(quad.far, pixels.wrapping_add(4));
                }
            }
            let (a, b) = (split_tiles(near), split_tiles(far));
            *half = input_transform([a[0], a[1], a[2], a[3], b[0], b[1]]);
        }
        for x in 0..6 {
            let column = input_transform(std::array::from_fn(|r| half[r][x]));
            for (r, v) in column.iter().enumerate() {
                _mm512_storeu_ps(to.add((r * 6 + x) * stride), *v);
            }
        }
    }
}

/// The pixels of 16 tiles of one filter from M.
#[inline(always)]
unsafe fn write_output(
    p: &Problem,
    m: *const f32,
    stride: usize,
    bias: f32,
    quads: &[Quad],
    plane: &[*mut f32; 4],
) {
    // SAFETY: the masks keep to the columns of the output, the test to its rows.
    unsafe {
        let mut half = [[splat(0.0); 6]; 4];
        for x in 0..6 {
            let column =
                output_transform(std::array::from_fn(|r| _mm512_loadu_ps(m.add((r * 6 + x) * stride))));
            for r in 0..4 {
                half[r][x] = column[r];
            }
        }
        for (r, half) in half.iter().enumerate() {
            let pixels = output_transform(*half).map(|v| add(v, splat(bias)));
            for (i, v) in join_tiles(pixels).into_iter().enumerate() {
                let quad = quads[i];
                if quad.row + r < p.output[0] {
                    let to = plane[i].wrapping_add((quad.row + r) * p.output[1] + quad.col);
                    _mm512_mask_storeu_ps(to, quad.kept, v);
                }
            }
        }
    }
}

/// Scratch of a thread: V and M of a block.
struct BlockScratch {
    v: *mut f32,
    v_stride: usize,
    m: *mut f32,
    m_stride: usize,
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn transform_block(p: &Problem, quads: &[Quad; QUADS], x: *const f32, b: &BlockScratch) {
    for (half, quads) in quads.chunks_exact(4).enumerate() {
        for ch in 0..p.depth {
            let plane =
                |q: usize| x.wrapping_add((quads[q].image * p.depth + ch) * p.source[0] * p.source[1]);
            // SAFETY: V has 36 places of `depth` rows of a block.
            unsafe {
                let to = b.v.add(ch * BLOCK + half * 16);
                transform_input(p, &std::array::from_fn(plane), quads, to, b.v_stride);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn finish_block(p: &Problem, quads: &[Quad; QUADS], bias: *const f32, y: *mut f32, b: &BlockScratch) {
    for (half, quads) in quads.chunks_exact(4).enumerate() {
        for row in 0..p.rows {
            let plane =
                |q: usize| y.wrapping_add((quads[q].image * p.rows + row) * p.output[0] * p.output[1]);
            // SAFETY: M has 36 places of `rows` rows of a block; `bias` is null or has `rows`.
            unsafe {
                let bias = if bias.is_null() { 0.0 } else { *bias.add(row) };
                let m = b.m.add(row * BLOCK + half * 16);
                write_output(p, m, b.m_stride, bias, quads, &std::array::from_fn(plane));
            }
        }
    }
}

impl Problem {
    unsafe fn run(
        &self,
        x: *const f32,
        weight: *const f32,
        bias: *const f32,
        y: *mut f32,
    ) -> Result<(), AllocError> {
        let panels = Panels::new(self.rows, tile::MAX_ROWS);
        let [tile_rows, quad_cols] = self.grid();
        let blocks = (self.images * tile_rows * quad_cols).div_ceil(QUADS);
        let offsets: Vec<u32> = (0..self.depth).map(|k| (k * BLOCK) as u32).collect();
        let (v_stride, m_stride) = (self.depth * BLOCK + SKEW, self.rows * BLOCK + SKEW);
        let filters_len = scratch::lines(PLACES * self.rows * self.depth);
        let slot_len = scratch::lines(PLACES * (v_stride + m_stride));
        let slots = par::num_threads().min(blocks);
        scratch::with(filters_len + slots * slot_len, |scratch| {
            let (filters, blocks_at) = (Shared::new(scratch), Shared::new(scratch.wrapping_add(filters_len)));
            let (x, weight, bias, y) = (Shared::of(x), Shared::of(weight), Shared::of(bias), Shared::new(y));
            // Panels follow each other, each with all its places.
            let panel_at = |rows: &std::ops::Range<usize>| filters.at(PLACES * rows.start * self.depth);
            par::for_each(panels.count, &|i| {
                let rows = panels.get(i);
                // SAFETY: a panel writes its own filters; this level has AVX-512.
                unsafe { transform_filters(self, rows.clone(), weight.get(), panel_at(&rows)) }
            });
            par::for_each_with_slot(slots, blocks, &|slot, block| {
                let quads: [Quad; QUADS] = std::array::from_fn(|i| self.quad(block * QUADS + i));
                let v = blocks_at.at(slot * slot_len);
                let scratch = BlockScratch { v, v_stride, m: v.wrapping_add(PLACES * v_stride), m_stride };
                // SAFETY: a slot's scratch is not shared, quads are disjoint; this level has AVX-512.
                unsafe {
                    transform_block(self, &quads, x.get(), &scratch);
                    for place in 0..PLACES {
                        for rows in panels.iter() {
                            let a = panel_at(&rows).add(place * self.depth * rows.len());
                            let m = scratch.m.add(place * m_stride + rows.start * BLOCK);
                            tile::panel_product(
                                rows.len(),
                                a,
                                scratch.v.add(place * v_stride),
                                &offsets,
                                m,
                                BLOCK,
                            );
                        }
                    }
                    finish_block(self, &quads, bias.get(), y.get(), &scratch);
                }
            });
        })
    }
}

/// # Safety
/// As [`super::forward`]; `bias` may be null. The algorithm [`pays`], the machine has AVX-512.
pub unsafe fn forward(
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
    unsafe { problem.run(x, weight, bias, y) }
}

/// # Safety
/// As [`super::backward_input`]. The algorithm [`pays`], the machine has AVX-512.
pub unsafe fn backward_input(
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
    unsafe { problem.run(gy, weight, std::ptr::null(), gx) }
}
