//! The innermost loops: a tile of C in registers, and the loop over tiles that calls it.
//!
//! A tile is up to [`max_rows`] rows and [`max_vectors`] vectors of columns, as square as the registers
//! allow: the more so, the fewer loads a multiplication costs. A is broadcast
//! element by element (from a packed panel or in place, with any strides), rows of B are loaded. A
//! tile of whole vectors that needs no bias goes straight to C; any other goes through a small
//! buffer, so that edges cost no second copy of the code.

#![allow(clippy::needless_range_loop)] // Indices say which row and column; iterators hide it.

use super::Bias;
use super::pack::Pack;
use crate::cpu::simd::{Element, Kernel, Simd};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Vectors in a row of the widest tile at any level.
const MOST_VECTORS: usize = 3;

/// How many rows of B ahead of the multiplication are asked for.
const AHEAD: isize = 8;

/// Rows of the tallest tile at any level.
const MOST_ROWS: usize = 9;

/// Steps of k in one turn of the innermost loop over packed A.
const UNROLL: usize = 4;

/// Whether there are registers for wide tiles.
const fn wide<T: Copy, S: Simd<T>>() -> bool {
    S::REGISTERS >= 32
}

/// Vectors in a row of a whole tile.
pub(crate) const fn max_vectors<T: Copy, S: Simd<T>>() -> usize {
    if wide::<T, S>() { MOST_VECTORS } else { 2 }
}

/// Rows of a whole tile: what fits in the registers beside a row of B and a value of A.
pub(crate) const fn max_rows<T: Copy, S: Simd<T>>() -> usize {
    (S::REGISTERS - 4) / max_vectors::<T, S>()
}

/// What tiles are like at some level.
pub(crate) struct Shape {
    /// Rows of a whole tile, vectors in each, columns in a vector.
    pub rows: usize,
    pub vectors: usize,
    pub lanes: usize,
    pub wide: bool,
}

/// Asks for the [`Shape`].
pub(crate) struct TileShape;

impl<T: Copy> Kernel<T> for TileShape {
    type Output = Shape;
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> Shape {
        Shape {
            rows: const { max_rows::<T, S>() },
            vectors: const { max_vectors::<T, S>() },
            lanes: S::LANES,
            wide: const { wide::<T, S>() },
        }
    }
}

/// `len` rows, or vectors of columns, in `panels` panels whose sizes differ by one at most.
#[derive(Clone, Copy)]
pub(crate) struct Panels {
    pub len: usize,
    pub panels: usize,
}

impl Panels {
    pub fn new(len: usize, max: usize) -> Panels {
        Panels { len, panels: len.div_ceil(max) }
    }

    /// The size of the largest panel.
    pub fn size(&self) -> usize {
        self.len.div_ceil(self.panels)
    }

    /// Where a panel starts, and its size.
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

/// Where the right operand of a block stands.
#[derive(Clone, Copy)]
pub(crate) enum Right<T> {
    /// Panel after panel, each `[k][width]`, padded with zeros to whole vectors.
    Packed(*const T),
    /// In place: row p at `ptr + p * rs`. The last panel, if it is not whole vectors, is packed at
    /// `tail`; else that is null.
    Rows { ptr: *const T, rs: isize, tail: *const T },
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
    /// Panels of rows, and of vectors of columns.
    pub rows: Panels,
    pub cols: Panels,
    /// Columns of the product.
    pub n: usize,
    /// Whether a panel of B is used up before the next, if all panels are there already.
    pub across_last: bool,
    pub row_panels: Range<usize>,
    pub col_panels: Range<usize>,
    /// Room for a panel of A, packed just before it is used, from A in place. Null: not packed here.
    pub a_panel: *mut T,
    /// The same for B.
    pub b_panel: *mut T,
}

impl<T: Element + num_traits::Zero> Kernel<T> for Tiles<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (rows, cols) = (self.row_panels.clone(), self.col_panels.clone());
        // SAFETY: whoever made `self` promised operands and target for all panels (`gemm`).
        unsafe {
            let b_ready = matches!(self.b, Right::Packed(_)) && !self.across_last;
            if b_ready || !self.a_panel.is_null() {
                // A panel of A stays in the first-level cache while B streams past it.
                for q in rows {
                    let a = self.left(s, q);
                    for j in cols.clone() {
                        self.tile(s, a, q, j);
                    }
                }
            } else {
                // A panel of B stays there: A streams past it, or B is in place, slow to reach.
                for j in cols {
                    self.pack_right(s, j);
                    for q in rows.clone() {
                        self.tile(s, self.left(s, q), q, j);
                    }
                }
            }
        }
    }
}

impl<T: Element + num_traits::Zero> Tiles<T> {
    /// Row panel `q` of A, and whether it is packed.
    ///
    /// # Safety
    /// There is such a panel.
    #[inline(always)]
    unsafe fn left<S: Simd<T>>(&self, s: S, q: usize) -> (Strided<T>, bool) {
        let (i, rows) = self.rows.get(q);
        let packed = |ptr| {
            let (rs, cs) = (1, rows as isize);
            (Strided { ptr, rs, cs }, true)
        };
        match self.a {
            // SAFETY: the panel lies in A.
            Left::Packed(a) => packed(unsafe { a.add(i * self.k) }),
            Left::Strided { ptr, rs, cs } => {
                let ptr = ptr.wrapping_offset(i as isize * rs);
                if self.a_panel.is_null() {
                    return (Strided { ptr, rs, cs }, false);
                }
                let pack = Pack {
                    src: ptr,
                    across_stride: rs,
                    k_stride: cs,
                    across: rows,
                    readable: self.rows.len - i,
                    k: self.k,
                    dst: self.a_panel,
                    width: rows,
                };
                pack.run(s);
                packed(self.a_panel)
            }
        }
    }

    /// Packs column panel `j` of B, if there is room for it.
    ///
    /// # Safety
    /// There is such a panel.
    #[inline(always)]
    unsafe fn pack_right<S: Simd<T>>(&self, s: S, j: usize) {
        let Right::Rows { ptr, rs, .. } = self.b else { return };
        if self.b_panel.is_null() {
            return;
        }
        let (first, vectors) = self.cols.get(j);
        let first = first * S::LANES;
        let across = (vectors * S::LANES).min(self.n - first);
        let pack = Pack {
            src: ptr.wrapping_add(first),
            across_stride: 1,
            k_stride: rs,
            across,
            readable: across,
            k: self.k,
            dst: self.b_panel,
            width: vectors * S::LANES,
        };
        pack.run(s);
    }

    /// # Safety
    /// There are a row panel `q`, which is `a`, and a column panel `j`.
    #[inline(always)]
    unsafe fn tile<S: Simd<T>>(&self, s: S, a: (Strided<T>, bool), q: usize, j: usize) {
        let (i, rows) = self.rows.get(q);
        let (first, vectors) = self.cols.get(j);
        let (first, width) = (first * S::LANES, vectors * S::LANES);
        let cols = width.min(self.n - first);
        let mut buffer = MaybeUninit::<[[S::Vector; MOST_VECTORS]; MOST_ROWS]>::uninit();
        let buffer = buffer.as_mut_ptr().cast::<T>();
        // SAFETY: the panels lie in the operands, the tile in the target.
        unsafe {
            let (ptr, row) = match self.b {
                Right::Packed(b) => (b.add(first * self.k), width as isize),
                Right::Rows { .. } if !self.b_panel.is_null() => (self.b_panel.cast_const(), width as isize),
                Right::Rows { tail, .. } if cols < width => (tail, width as isize),
                Right::Rows { ptr, rs, .. } => (ptr.add(first), rs),
            };
            let b = Rows { ptr, row, vectors };
            let c = self.c.at(i, first);
            let direct = cols == width && !c.transposed && matches!(c.bias, Bias::None);
            let out = if direct {
                Out { ptr: c.ptr, ld: c.ld, accumulate: c.accumulate }
            } else {
                Out { ptr: buffer, ld: width, accumulate: false }
            };
            match a {
                (a, true) => tile::<T, S, true>(s, self.k, rows, a, b, out),
                (a, false) => tile::<T, S, false>(s, self.k, rows, a, b, out),
            }
            if !direct {
                c.finish(s, buffer, width, rows, cols);
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

/// A panel of B: row p is `vectors` vectors from `ptr + p * row` on.
#[derive(Clone, Copy)]
struct Rows<T> {
    ptr: *const T,
    row: isize,
    vectors: usize,
}

#[derive(Clone, Copy)]
struct Out<T> {
    ptr: *mut T,
    ld: usize,
    accumulate: bool,
}

/// Picks the tile for the size: every height and width has its own code.
///
/// # Safety
/// As [`Tiles`]; `rows` is at most `max_rows`.
#[inline(always)]
unsafe fn tile<T: Copy, S: Simd<T>, const PACKED: bool>(
    s: S,
    k: usize,
    rows: usize,
    a: Strided<T>,
    b: Rows<T>,
    out: Out<T>,
) {
    macro_rules! heights {
        ($($rows:literal)*) => {
            match rows {
                $($rows if const { $rows <= max_rows::<T, S>() } => {
                    // SAFETY: as this function's.
                    unsafe {
                        match b.vectors {
                            1 => micro::<T, S, $rows, 1, PACKED>(s, k, a, b, out),
                            MOST_VECTORS if const { wide::<T, S>() } => {
                                micro::<T, S, $rows, MOST_VECTORS, PACKED>(s, k, a, b, out)
                            }
                            _ => micro::<T, S, $rows, 2, PACKED>(s, k, a, b, out),
                        }
                    }
                })*
                _ => unreachable!("panels are at most as tall as a tile"),
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9)
}

/// One tile: `ROWS` by `NV` vectors, all in registers over the whole of k.
#[inline(always)]
unsafe fn micro<T: Copy, S: Simd<T>, const ROWS: usize, const NV: usize, const PACKED: bool>(
    s: S,
    k: usize,
    a: Strided<T>,
    b: Rows<T>,
    out: Out<T>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..ROWS {
            for j in 0..NV {
                s.prefetch(out.ptr.add(i * out.ld + j * S::LANES));
            }
        }
        let acc = if PACKED {
            packed_product::<T, S, ROWS, NV>(s, k, a.ptr, b)
        } else if !wide::<T, S>() && a.cs == 1 {
            row_product::<T, S, ROWS, NV>(s, k, a, b)
        } else {
            product::<T, S, ROWS, NV>(s, k, a, b)
        };
        for i in 0..ROWS {
            for j in 0..NV {
                let p = out.ptr.add(i * out.ld + j * S::LANES);
                let v = if out.accumulate { s.add(s.load(p), acc[i][j]) } else { acc[i][j] };
                s.store(p, v);
            }
        }
    }
}

/// The sum over p of A(i, p) B(p, j) for a tile, A being a packed panel.
///
/// # Safety
/// `ROWS` x `k` elements can be read at `a`, `k` rows of `NV` vectors at `b`.
#[inline(always)]
unsafe fn packed_product<T: Copy, S: Simd<T>, const ROWS: usize, const NV: usize>(
    s: S,
    k: usize,
    mut a: *const T,
    b: Rows<T>,
) -> [[S::Vector; NV]; ROWS] {
    let mut acc = [[s.zero(); NV]; ROWS];
    let mut row = b.ptr;
    // SAFETY: the caller's promise. The last step past the end is not read from.
    unsafe {
        for _ in 0..k / UNROLL {
            for u in 0..UNROLL {
                let at = |i| *a.add(u * ROWS + i);
                let row = row.wrapping_offset(u as isize * b.row);
                prefetch_row::<T, S, NV>(s, row.wrapping_offset(AHEAD * b.row));
                step(s, &mut acc, at, row);
            }
            a = a.wrapping_add(UNROLL * ROWS);
            row = row.wrapping_offset(UNROLL as isize * b.row);
        }
        for _ in 0..k % UNROLL {
            step(s, &mut acc, |i| *a.add(i), row);
            a = a.wrapping_add(ROWS);
            row = row.wrapping_offset(b.row);
        }
    }
    acc
}

/// The same for A in place, its rows contiguous: they are few enough for an address each, which the
/// position along k is added to for nothing.
///
/// # Safety
/// As `packed_product`, with the row stride of `a`.
#[inline(always)]
unsafe fn row_product<T: Copy, S: Simd<T>, const ROWS: usize, const NV: usize>(
    s: S,
    k: usize,
    a: Strided<T>,
    b: Rows<T>,
) -> [[S::Vector; NV]; ROWS] {
    let mut acc = [[s.zero(); NV]; ROWS];
    let mut row = b.ptr;
    let mut starts = [a.ptr; ROWS];
    for (i, start) in starts.iter_mut().enumerate() {
        *start = a.ptr.wrapping_offset(i as isize * a.rs);
    }
    // SAFETY: the caller's promise.
    unsafe {
        // Not unrolled: the compiler would gather loads of several steps and run out of registers.
        for p in 0..k {
            prefetch_row::<T, S, NV>(s, row.wrapping_offset(AHEAD * b.row));
            step(s, &mut acc, |i| *starts[i].add(p), row);
            row = row.wrapping_offset(b.row);
        }
    }
    acc
}

/// Asks for `NV` vectors at `row`.
#[inline(always)]
fn prefetch_row<T: Copy, S: Simd<T>, const NV: usize>(s: S, row: *const T) {
    for j in 0..NV.div_ceil(64 / (S::LANES * size_of::<T>())) {
        s.prefetch(row.wrapping_add(j * 64 / size_of::<T>()));
    }
}

/// The same for A in place, with any strides.
///
/// # Safety
/// As `packed_product`, with the strides of `a`.
#[inline(always)]
unsafe fn product<T: Copy, S: Simd<T>, const ROWS: usize, const NV: usize>(
    s: S,
    k: usize,
    a: Strided<T>,
    b: Rows<T>,
) -> [[S::Vector; NV]; ROWS] {
    let mut acc = [[s.zero(); NV]; ROWS];
    let mut row = b.ptr;
    // A pointer for every three rows: one alone would be a long chain of additions.
    let mut starts = [a.ptr; MOST_ROWS / 3];
    for (g, start) in starts.iter_mut().enumerate() {
        *start = a.ptr.wrapping_offset(3 * g as isize * a.rs);
    }
    // SAFETY: the caller's promise. The last step past the end is not read from.
    unsafe {
        for _ in 0..k / UNROLL {
            // A longer loop's sums stay in their registers.
            for _ in 0..UNROLL {
                step(s, &mut acc, |i| *starts[i / 3].offset((i % 3) as isize * a.rs), row);
                for start in &mut starts {
                    *start = start.wrapping_offset(a.cs);
                }
                row = row.wrapping_offset(b.row);
            }
        }
        for _ in 0..k % UNROLL {
            step(s, &mut acc, |i| *starts[i / 3].offset((i % 3) as isize * a.rs), row);
            for start in &mut starts {
                *start = start.wrapping_offset(a.cs);
            }
            row = row.wrapping_offset(b.row);
        }
    }
    acc
}

/// Adds a column of A times a row of B.
///
/// # Safety
/// `NV` vectors can be read at `b`.
#[inline(always)]
unsafe fn step<T: Copy, S: Simd<T>, const ROWS: usize, const NV: usize>(
    s: S,
    acc: &mut [[S::Vector; NV]; ROWS],
    a: impl Fn(usize) -> T,
    b: *const T,
) {
    let mut row = [s.zero(); NV];
    for j in 0..NV {
        // SAFETY: the caller's promise.
        row[j] = unsafe { s.load(b.add(j * S::LANES)) };
    }
    for i in 0..ROWS {
        let x = s.splat(a(i));
        for j in 0..NV {
            acc[i][j] = s.fma(x, row[j], acc[i][j]);
        }
    }
}

impl<T: Element + num_traits::Zero> Target<T> {
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

    /// Moves a tile from the buffer (rows of `width`) to its place, adding what is to be added.
    ///
    /// # Safety
    /// The buffer holds `rows` rows of which `cols` elements count; the target has room for them.
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(self, s: S, buffer: *const T, width: usize, rows: usize, cols: usize) {
        if !self.transposed {
            // SAFETY: the caller's promise.
            unsafe { self.write(s, buffer, width, (rows, cols)) };
            return;
        }
        let mut turned = MaybeUninit::<[[S::Vector; MOST_ROWS + 15]; MOST_VECTORS]>::uninit();
        let turned = turned.as_mut_ptr().cast::<T>();
        // Columns of the tile become rows of `turned`, this far apart: whole vectors.
        let ld = rows.next_multiple_of(S::LANES);
        let c = Target { bias: self.bias.swapped(), ..self };
        // SAFETY: `cols` rows of `ld` elements fit: `cols` is at most MOST_VECTORS * LANES, `ld` less than
        // MOST_ROWS + LANES, and LANES at most 16. Every block is LANES x LANES at most.
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
