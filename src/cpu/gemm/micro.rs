//! The innermost loops: a tile of C in registers, and the loop over tiles that calls it.
//!
//! A tile is up to [`max_rows`] rows and two vectors of columns. A is broadcast element by element
//! (from a packed panel or in place, with any strides), rows of B are loaded. A tile that is whole
//! and needs no bias goes straight to C; any other goes through a small buffer, so that edges cost
//! no second copy of the code.

#![allow(clippy::needless_range_loop)] // Indices say which row and column; iterators hide it.

use super::Bias;
use crate::cpu::simd::{Element, Kernel, Simd};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Vectors in a row of a tile.
pub(crate) const VECTORS: usize = 2;

/// How many rows of B ahead of the multiplication are asked for.
const AHEAD: isize = 8;

/// Rows of the tallest tile at any level.
const MOST_ROWS: usize = 14;

/// Rows of a whole tile: what fits in the registers beside two vectors of B and a value of A.
pub(crate) const fn max_rows<T: Copy, S: Simd<T>>() -> usize {
    (S::REGISTERS - 4) / VECTORS
}

/// The size of a whole tile, `(rows, columns)`.
pub(crate) struct TileShape;

impl<T: Copy> Kernel<T> for TileShape {
    type Output = (usize, usize);
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> (usize, usize) {
        (max_rows::<T, S>(), VECTORS * S::LANES)
    }
}

/// `len` rows in `panels` panels whose heights differ by one at most.
#[derive(Clone, Copy)]
pub(crate) struct Panels {
    pub len: usize,
    pub panels: usize,
}

impl Panels {
    pub fn new(len: usize, max: usize) -> Panels {
        Panels { len, panels: len.div_ceil(max) }
    }

    /// First row and height of a panel.
    #[inline(always)]
    pub fn get(&self, panel: usize) -> (usize, usize) {
        let (height, extra) = (self.len / self.panels, self.len % self.panels);
        (panel * height + panel.min(extra), height + usize::from(panel < extra))
    }
}

/// Where the left operand of a block stands.
#[derive(Clone, Copy)]
pub(crate) enum Left<T> {
    /// Panel after panel, each `[k][height]`.
    Packed(*const T),
    /// In place: element (i, p) at `ptr + i * rs + p * cs`.
    Strided { ptr: *const T, rs: isize, cs: isize },
}

/// Where the right operand of a block stands, in panels of a whole tile's width.
#[derive(Clone, Copy)]
pub(crate) struct Right<T> {
    /// Row p of panel j is at `ptr + j * panel + p * row`.
    pub ptr: *const T,
    pub panel: usize,
    pub row: isize,
    /// The last panel if it is not whole vectors: packed, padded with zeros to the whole width.
    /// Null if there is none, or `ptr` is padded itself.
    pub tail: *const T,
}

/// Where the product goes.
#[derive(Clone, Copy)]
pub(crate) struct Target<T> {
    pub ptr: *mut T,
    pub ld: usize,
    /// The product's element (i, j) is at `ptr + j * ld + i`, not `ptr + i * ld + j`.
    pub transposed: bool,
    pub accumulate: bool,
    /// Indexed as the product, not as its memory.
    pub bias: Bias<T>,
}

/// The tiles of some row panels times some column panels.
pub(crate) struct Tiles<T> {
    pub k: usize,
    pub a: Left<T>,
    pub b: Right<T>,
    pub c: Target<T>,
    pub rows: Panels,
    /// Columns of the product.
    pub n: usize,
    pub row_panels: Range<usize>,
    pub col_panels: Range<usize>,
}

impl<T: Element + std::ops::Add<Output = T>> Kernel<T> for Tiles<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let width = VECTORS * S::LANES;
        let mut buffer = MaybeUninit::<[[S::Vector; VECTORS]; MOST_ROWS]>::uninit();
        let buffer = buffer.as_mut_ptr().cast::<T>();
        // SAFETY: whoever made `self` promised operands and target for all its panels (`gemm`).
        unsafe {
            for j in self.col_panels {
                let cols = width.min(self.n - j * width);
                let (b, b_row) = if cols < width && !self.b.tail.is_null() {
                    (self.b.tail, width as isize)
                } else {
                    (self.b.ptr.add(j * self.b.panel), self.b.row)
                };
                for q in self.row_panels.clone() {
                    let (i, rows) = self.rows.get(q);
                    let c = self.c.at(i, j * width);
                    let direct = cols == width && !c.transposed && matches!(c.bias, Bias::None);
                    let out = if direct {
                        Out { ptr: c.ptr, ld: c.ld, accumulate: c.accumulate }
                    } else {
                        Out { ptr: buffer, ld: width, accumulate: false }
                    };
                    match self.a {
                        Left::Packed(a) => {
                            let a = Strided { ptr: a.add(i * self.k), rs: 1, cs: rows as isize };
                            tile::<T, S, true>(s, self.k, rows, cols, a, (b, b_row), out);
                        }
                        Left::Strided { ptr, rs, cs } => {
                            let a = Strided { ptr: ptr.offset(i as isize * rs), rs, cs };
                            tile::<T, S, false>(s, self.k, rows, cols, a, (b, b_row), out);
                        }
                    }
                    if !direct {
                        c.finish(s, buffer, rows, cols);
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Strided<T> {
    ptr: *const T,
    rs: isize,
    cs: isize,
}

#[derive(Clone, Copy)]
struct Out<T> {
    ptr: *mut T,
    ld: usize,
    accumulate: bool,
}

/// Picks the tile for the size: every height has its own code, and a narrow last panel its own.
///
/// # Safety
/// As [`Tiles`]; `rows` is at most `max_rows`.
#[inline(always)]
unsafe fn tile<T: Copy, S: Simd<T>, const PACKED: bool>(
    s: S,
    k: usize,
    rows: usize,
    cols: usize,
    a: Strided<T>,
    b: (*const T, isize),
    out: Out<T>,
) {
    macro_rules! heights {
        ($($rows:literal)*) => {
            match rows {
                $($rows if $rows <= const { max_rows::<T, S>() } => {
                    if cols <= S::LANES {
                        // SAFETY: as this function's.
                        unsafe { micro::<T, S, $rows, 1, PACKED>(s, k, a, b, out) }
                    } else {
                        // SAFETY: as this function's.
                        unsafe { micro::<T, S, $rows, VECTORS, PACKED>(s, k, a, b, out) }
                    }
                })*
                _ => unreachable!("panels are at most as tall as a tile"),
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)
}

/// One tile: `ROWS` by `NV` vectors, all in registers over the whole of k.
#[inline(always)]
unsafe fn micro<T: Copy, S: Simd<T>, const ROWS: usize, const NV: usize, const PACKED: bool>(
    s: S,
    k: usize,
    a: Strided<T>,
    (b, b_row): (*const T, isize),
    out: Out<T>,
) {
    // A packed panel has strides the compiler knows.
    let (a_rs, a_cs) = if PACKED { (1, ROWS as isize) } else { (a.rs, a.cs) };
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..ROWS {
            for j in 0..NV {
                s.prefetch(out.ptr.add(i * out.ld + j * S::LANES));
            }
        }
        let acc = product::<T, S, ROWS, NV>(s, k, (a.ptr, a_rs, a_cs), (b, b_row));
        for i in 0..ROWS {
            for j in 0..NV {
                let p = out.ptr.add(i * out.ld + j * S::LANES);
                let v = if out.accumulate { s.add(s.load(p), acc[i][j]) } else { acc[i][j] };
                s.store(p, v);
            }
        }
    }
}

/// The sum over p of A(i, p) B(p, j) for a tile, `a = (ptr, row stride, column stride)`,
/// `b = (ptr, row stride)`.
///
/// # Safety
/// `ROWS` x `k` elements can be read at `a`, `k` rows of `NV` vectors at `b`.
#[inline(always)]
pub(crate) unsafe fn product<T: Copy, S: Simd<T>, const ROWS: usize, const NV: usize>(
    s: S,
    k: usize,
    a: (*const T, isize, isize),
    b: (*const T, isize),
) -> [[S::Vector; NV]; ROWS] {
    let mut acc = [[s.zero(); NV]; ROWS];
    let (mut pa, mut pb) = (a.0, b.0);
    for _ in 0..k {
        let mut row = [s.zero(); NV];
        // SAFETY: the caller's promise. The last step past the end is not read from.
        unsafe {
            for j in 0..NV {
                row[j] = s.load(pb.add(j * S::LANES));
                s.prefetch(pb.wrapping_offset(AHEAD * b.1).wrapping_add(j * S::LANES));
            }
            for i in 0..ROWS {
                let x = s.splat(*pa.offset(i as isize * a.1));
                for j in 0..NV {
                    acc[i][j] = s.fma(x, row[j], acc[i][j]);
                }
            }
        }
        pa = pa.wrapping_offset(a.2);
        pb = pb.wrapping_offset(b.1);
    }
    acc
}

impl<T: Element + std::ops::Add<Output = T>> Target<T> {
    /// The target from element (i, j) of the product on.
    ///
    /// # Safety
    /// (i, j) lies in the product.
    #[inline(always)]
    pub unsafe fn at(&self, i: usize, j: usize) -> Target<T> {
        let offset = if self.transposed { j * self.ld + i } else { i * self.ld + j };
        // SAFETY: the caller's promise.
        unsafe { Target { ptr: self.ptr.add(offset), bias: self.bias.at(i, j), ..*self } }
    }

    /// Moves a tile from the buffer (rows of a whole tile's width) to its place, adding what is to
    /// be added.
    ///
    /// # Safety
    /// The buffer holds `rows` rows of which `cols` elements count; the target has room for them.
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(self, s: S, buffer: *const T, rows: usize, cols: usize) {
        let width = VECTORS * S::LANES;
        if !self.transposed {
            // SAFETY: the caller's promise.
            unsafe { self.write(s, buffer, width, (rows, cols)) };
            return;
        }
        let mut turned = MaybeUninit::<[[S::Vector; VECTORS * MOST_ROWS]; VECTORS]>::uninit();
        let turned = turned.as_mut_ptr().cast::<T>();
        // Columns of the tile become rows of `turned`, this far apart: whole vectors.
        let ld = rows.next_multiple_of(S::LANES);
        let c = Target { bias: self.bias.swapped(), ..self };
        // SAFETY: `cols` rows of `ld` elements fit: cols is at most 2 LANES, and `ld` less than
        // rows + LANES, at most 14 LANES. Every block is LANES x LANES at most.
        unsafe {
            for i in (0..rows).step_by(S::LANES) {
                for j in (0..cols).step_by(S::LANES) {
                    let block = (S::LANES.min(rows - i), S::LANES.min(cols - j));
                    let from = buffer.add(i * width + j);
                    s.transpose(from, width as isize, block, turned.add(j * ld + i), ld, block.0);
                }
            }
            c.write(s, turned, ld, (cols, rows));
        }
    }

    /// Writes `rows` x `cols` elements from the buffer as they lie.
    ///
    /// # Safety
    /// As `finish`.
    #[inline(always)]
    unsafe fn write<S: Simd<T>>(
        self,
        s: S,
        buffer: *const T,
        buffer_ld: usize,
        (rows, cols): (usize, usize),
    ) {
        // SAFETY: the caller's promise; the masks keep to `cols`.
        unsafe {
            for i in 0..rows {
                let (from, to) = (buffer.add(i * buffer_ld), self.ptr.add(i * self.ld));
                for j in (0..cols).step_by(S::LANES) {
                    let mask = s.mask(cols - j);
                    let mut v = s.load_masked(from.add(j), mask);
                    if self.accumulate {
                        v = s.add(s.load_masked(to.add(j), mask), v);
                    }
                    match self.bias {
                        Bias::None => {}
                        Bias::PerColumn(bias) => v = s.add(v, s.load_masked(bias.add(j), mask)),
                        Bias::PerRow(bias) => v = s.add(v, s.splat(*bias.add(i))),
                    }
                    s.store_masked(to.add(j), mask, v);
                }
            }
        }
    }
}
