//! The general product: blocks of columns and of k, panels packed where that pays, tiles claimed.

use super::micro::{Left, Panels, Right, Target, TileShape, Tiles, VECTORS};
use super::pack::Pack;
use super::{Bias, GemmElement, Mat, Product, each_chunk};
use crate::cpu::par;
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::Level;
use std::ptr::null_mut;

/// Depth of a block: deep, for every block reads and writes C; a panel of B streams from the
/// second-level cache while it is used, so it need not fit the first.
const K_BLOCK: usize = 512;
/// Columns of a block: packed B stays in the last-level cache.
const N_BLOCK: usize = 2048;
/// Rows of a block, for a bound on scratch memory.
const M_BLOCK: usize = 8192;
/// Rows of A, packed, that stay in the second-level cache while panels of B pass by.
const TILE_ROWS: usize = 168;
/// Column panels a job takes: they stay in the second-level cache beside its rows.
const JOB_PANELS: usize = 12;

/// B is read in place up to this many elements...
const IN_PLACE_B: usize = 128 * 128;
/// ...and this much work.
const IN_PLACE_WORK: f64 = 96.0 * 96.0 * 96.0;

/// Operands with no more rows than this do not make the other operand worth packing.
const FEW_ROWS: usize = 128;
/// The distance at which addresses fall into one set of the first-level cache...
const PAGE: isize = 4096;
/// ...and how many a set surely holds.
const CACHE_WAYS: usize = 8;

/// Computes a product. False, with nothing done, if there is no memory for the panels.
///
/// # Safety
/// As [`super::gemm`]; no size is zero.
pub(super) unsafe fn run<T: GemmElement>(level: Level, p: &Product<T>, parallel: bool) -> bool {
    // A transposed B (the weight of a Linear) would have to be turned to be packed. For a few rows
    // of A the transposed product is cheaper: it reads B in place, and turns A and C.
    let turn = p.b.rs == 1 && p.b.cs != 1 && p.m <= FEW_ROWS && p.n > p.m;
    let turned = p.t();
    let p = if turn { &turned } else { p };

    let (mut tile_rows, width) = T::dispatch(level, TileShape);
    let small = p.n * p.k <= IN_PLACE_B && p.multiplications() <= IN_PLACE_WORK;
    // Packing a panel of B pays if enough panels of A use it, one of A likewise.
    let pack_b = p.b.cs != 1 || !(small || p.m <= FEW_ROWS);
    let pack_a = !small && p.n > 2 * width && !turn;
    if !pack_a && (p.a.rs * size_of::<T>() as isize) % PAGE == 0 {
        // Rows that far apart share one set of the first-level cache.
        tile_rows = tile_rows.min(CACHE_WAYS);
    }

    // Blocks of equal depth, rather than a shallow last one.
    let depth = p.k.div_ceil(p.k.div_ceil(K_BLOCK));
    // In place, a last panel that is not whole vectors has to be copied and padded.
    let copy_tail = !pack_b && p.n % (width / VECTORS) != 0;
    let b_panels = if pack_b { p.n.min(N_BLOCK).div_ceil(width) } else { usize::from(copy_tail) };
    let a_rows = if pack_a { p.m.min(M_BLOCK) } else { 0 };
    let Some(mut b_scratch) = Scratch::<T>::new(depth * b_panels * width) else {
        return false;
    };
    let Some(mut a_scratch) = Scratch::<T>::new(depth * a_rows) else {
        return false;
    };
    let (b_scratch, a_scratch) = (b_scratch.as_mut_ptr(), a_scratch.as_mut_ptr());

    for j in (0..p.n).step_by(N_BLOCK) {
        for l in (0..p.k).step_by(depth) {
            for i in (0..p.m).step_by(M_BLOCK) {
                let last = l + depth >= p.k;
                let rows = Panels::new(M_BLOCK.min(p.m - i), tile_rows);
                // SAFETY: (i, j) lies in C, and l below k.
                let block = unsafe {
                    let target = Target {
                        ptr: p.c,
                        ld: p.ldc,
                        transposed: turn,
                        accumulate: p.accumulate || l > 0,
                        bias: if last { p.bias } else { Bias::None },
                    };
                    Block {
                        level,
                        width,
                        rows,
                        n: N_BLOCK.min(p.n - j),
                        k: depth.min(p.k - l),
                        a: p.a.at(i, l),
                        b: p.b.at(l, j),
                        c: target.at(i, j),
                        packed_a: if pack_a { a_scratch } else { null_mut() },
                        packed_b: if pack_b { b_scratch } else { null_mut() },
                        tail: if copy_tail { b_scratch } else { null_mut() },
                    }
                };
                // SAFETY: the scratch was made for the largest block.
                unsafe { block.run(parallel, i == 0) };
            }
        }
    }
    true
}

/// A block of C, at most `M_BLOCK` x `N_BLOCK`, and of k.
struct Block<T> {
    level: Level,
    /// Columns of a whole tile.
    width: usize,
    rows: Panels,
    n: usize,
    k: usize,
    a: Mat<T>,
    b: Mat<T>,
    c: Target<T>,
    /// Room for all panels; null if the operand is read in place.
    packed_a: *mut T,
    packed_b: *mut T,
    /// Where B is read in place, room for a last panel that is not whole vectors; else null.
    tail: *mut T,
}

// SAFETY: panels and tiles are each written by the one thread that claimed them, and panels are
// read only after the region that packed them.
unsafe impl<T: Send + Sync> Sync for Block<T> {}

impl<T: GemmElement> Block<T> {
    /// Packs and multiplies; B only `if fresh_b`, else it is still there from the block above.
    ///
    /// # Safety
    /// The operands can be read, C written, and the scratch is large enough.
    unsafe fn run(&self, parallel: bool, fresh_b: bool) {
        let col_panels = self.n.div_ceil(self.width);
        let b_panels = if !fresh_b {
            0..0
        } else if !self.packed_b.is_null() {
            0..col_panels
        } else if !self.tail.is_null() {
            self.n / self.width..col_panels
        } else {
            0..0
        };
        let a_panels = if self.packed_a.is_null() { 0 } else { self.rows.panels };
        each_chunk(parallel, b_panels.len() + a_panels, &|i| {
            // SAFETY: panels of this block.
            unsafe {
                if i < b_panels.len() {
                    self.pack_b(b_panels.start + i);
                } else {
                    self.pack_a(i - b_panels.len());
                }
            }
        });

        let (high, wide) = self.job_size(parallel, col_panels);
        let down = self.rows.panels.div_ceil(high);
        // Down first: the panels of B a column of jobs reads stay in the second-level cache.
        each_chunk(parallel, down * col_panels.div_ceil(wide), &|job| {
            let (i, j) = (job % down * high, job / down * wide);
            let tiles = Tiles {
                k: self.k,
                a: self.left(),
                b: self.right(),
                c: self.c,
                rows: self.rows,
                n: self.n,
                row_panels: i..self.rows.panels.min(i + high),
                col_panels: j..col_panels.min(j + wide),
            };
            T::dispatch(self.level, tiles);
        });
    }

    /// Panels a job takes, down and across: as many as suit the caches, but some jobs for everyone.
    fn job_size(&self, parallel: bool, col_panels: usize) -> (usize, usize) {
        let tallest = self.rows.len.div_ceil(self.rows.panels);
        let mut high = (TILE_ROWS / tallest).clamp(1, self.rows.panels);
        let mut wide = JOB_PANELS.min(col_panels);
        if !parallel {
            return (high, wide);
        }
        let jobs = |high, wide| self.rows.panels.div_ceil(high) * col_panels.div_ceil(wide);
        while high * wide > 1 && jobs(high, wide) < 4 * par::num_threads() {
            if high >= wide {
                high = high.div_ceil(2);
            } else {
                wide = wide.div_ceil(2);
            }
        }
        (high, wide)
    }

    fn left(&self) -> Left<T> {
        if self.packed_a.is_null() {
            Left::Strided { ptr: self.a.ptr, rs: self.a.rs, cs: self.a.cs }
        } else {
            Left::Packed(self.packed_a)
        }
    }

    fn right(&self) -> Right<T> {
        if self.packed_b.is_null() {
            Right { ptr: self.b.ptr, panel: self.width, row: self.b.rs, tail: self.tail }
        } else {
            let panel = self.width * self.k;
            Right { ptr: self.packed_b, panel, row: self.width as isize, tail: null_mut() }
        }
    }

    unsafe fn pack_a(&self, panel: usize) {
        let (i, height) = self.rows.get(panel);
        let job = Pack {
            src: self.a.ptr.wrapping_offset(i as isize * self.a.rs),
            across_stride: self.a.rs,
            k_stride: self.a.cs,
            across: height,
            readable: self.rows.len - i,
            k: self.k,
            dst: self.packed_a.wrapping_add(i * self.k),
            width: height,
        };
        T::dispatch(self.level, job);
    }

    unsafe fn pack_b(&self, panel: usize) {
        let j = panel * self.width;
        let dst = if self.packed_b.is_null() { self.tail } else { self.packed_b.wrapping_add(j * self.k) };
        let job = Pack {
            src: self.b.ptr.wrapping_offset(j as isize * self.b.cs),
            across_stride: self.b.cs,
            k_stride: self.b.rs,
            across: self.width.min(self.n - j),
            readable: self.width.min(self.n - j),
            k: self.k,
            dst,
            width: self.width,
        };
        T::dispatch(self.level, job);
    }
}
