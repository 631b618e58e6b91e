//! The general product: blocks of columns and of k, panels packed where that pays, tiles claimed.

use super::micro::{Left, Panels, Right, Shape, Target, TileShape, Tiles};
use super::pack::Pack;
use super::{Bias, GemmElement, Mat, Product, each_chunk};
use crate::cpu::par;
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::Level;
use std::ops::Range;
use std::ptr::null_mut;

/// How a block is cut for the caches.
struct Blocking {
    /// Depth of a block: deep, for every block reads and writes C, but a panel stays in the first-level
    /// cache.
    depth: usize,
    /// Row panels and column panels a job takes: those of one operand stay in the second-level cache
    /// while the other's pass by.
    job_rows: usize,
    job_panels: usize,
    /// Whether it is a panel of B that stays in the first-level cache, not one of A.
    b_stays: bool,
}

/// For wide tiles: panels of B are large, and stay in the second-level cache.
const WIDE: Blocking = Blocking { depth: 512, job_rows: 4, job_panels: 12, b_stays: false };
/// For others: panels of A are much smaller than those of B, so A passes by with the least traffic.
const NARROW: Blocking = Blocking { depth: 384, job_rows: 16, job_panels: 64, b_stays: true };
/// Depth of a block of a narrow tile where B is not packed, or C is turned, which makes a block dear.
const DEEP: usize = 1024;

/// Columns of a block: packed B stays in the last-level cache.
const N_BLOCK: usize = 2048;
/// Rows of a block, for a bound on scratch memory.
const M_BLOCK: usize = 8192;
/// Jobs there should be for a thread: with fewer, the last one is waited for too long.
const JOBS_A_THREAD: usize = 8;
/// Up to so many column panels, one job has all of them.
const ONE_JOB_PANELS: usize = 12;

/// Panels packed as one chunk of work, and steps of k at a time.
const PACK_PANELS: usize = 8;
const PACK_DEPTH: usize = 16;

/// B is read in place up to this many elements...
const IN_PLACE_B: usize = 128 * 128;
/// ...and this much work.
const IN_PLACE_WORK: f64 = 96.0 * 96.0 * 96.0;

/// Up to so many columns, narrow tiles read contiguous rows of A in place.
const IN_PLACE_COLUMNS: usize = 448;

/// Operands with no more rows than this do not make the other operand worth packing.
const FEW_ROWS: usize = 128;
/// The distance at which addresses fall into few sets of a cache...
const FEW_SETS: isize = 1024;
/// ...and into one of the first-level cache...
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

    let Shape { rows: mut tile_rows, vectors, lanes, wide } = T::dispatch(level, TileShape);
    let blocking = if wide { WIDE } else { NARROW };
    let small = p.n * p.k <= IN_PLACE_B && p.multiplications() <= IN_PLACE_WORK;
    // Packing a panel of B pays if enough panels of A use it, one of A likewise.
    let pack_b = p.b.cs != 1 || !(small || p.m <= FEW_ROWS);
    let rows_in_place = !wide && p.a.cs == 1 && p.n <= IN_PLACE_COLUMNS;
    let pack_a = !small && p.n > 2 * vectors * lanes && !turn && !rows_in_place;
    if !pack_a && (p.a.rs * size_of::<T>() as isize) % PAGE == 0 {
        // Rows that far apart share one set of the first-level cache.
        tile_rows = tile_rows.min(CACHE_WAYS);
    }
    // A panel that only one job uses is packed by that job: it is still in the first-level cache.
    let one_job = p.n <= ONE_JOB_PANELS * vectors * lanes;
    let pack_late = pack_a && pack_b && p.a.rs != 1 && one_job;
    // A panel of B whose rows fall into few sets of the caches is copied by who uses it.
    let far_rows = (p.b.rs * size_of::<T>() as isize) % FEW_SETS == 0;
    let late_b = !wide && !pack_b && far_rows && p.n * p.k > IN_PLACE_B;

    // Blocks of equal depth, rather than a shallow last one.
    let deep = !wide && (turn || !pack_b && !late_b);
    let most = if deep { DEEP } else { blocking.depth };
    let depth = p.k.div_ceil(p.k.div_ceil(most));
    // In place, a last panel that is not whole vectors has to be copied and padded.
    let copy_tail = !pack_b && !late_b && !p.n.is_multiple_of(lanes);
    let b_cols = if pack_b {
        p.n.min(N_BLOCK).next_multiple_of(lanes)
    } else if copy_tail {
        vectors * lanes
    } else {
        0
    };
    let pack_early = pack_a && !pack_late;
    let a_rows = if pack_early { p.m.min(M_BLOCK) } else { 0 };
    let Some(mut b_scratch) = Scratch::<T>::new(depth * b_cols) else {
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
                let n = N_BLOCK.min(p.n - j);
                let rows = Panels::new(M_BLOCK.min(p.m - i), tile_rows);
                let cols = Panels::new(n.div_ceil(lanes), vectors);
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
                        lanes,
                        rows,
                        cols,
                        n,
                        k: depth.min(p.k - l),
                        a: p.a.at(i, l),
                        b: p.b.at(l, j),
                        c: target.at(i, j),
                        blocking: &blocking,
                        across_last: blocking.b_stays && !turn,
                        pack_late,
                        late_b,
                        packed_a: if pack_early { a_scratch } else { null_mut() },
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
struct Block<'a, T> {
    level: Level,
    blocking: &'a Blocking,
    /// As in [`Tiles`].
    across_last: bool,
    /// Columns in a vector.
    lanes: usize,
    /// Panels of rows, and of vectors of columns.
    rows: Panels,
    cols: Panels,
    n: usize,
    k: usize,
    a: Mat<T>,
    b: Mat<T>,
    c: Target<T>,
    /// Whether jobs pack the panels of A they use.
    pack_late: bool,
    /// Whether they pack the panels of B they use.
    late_b: bool,
    /// Room for all panels; null if the operand is read in place.
    packed_a: *mut T,
    packed_b: *mut T,
    /// Where B is read in place, room for a last panel that is not whole vectors; else null.
    tail: *mut T,
}

// SAFETY: panels and tiles are each written by the one thread that claimed them, and panels are
// read only after the region that packed them.
unsafe impl<T: Send + Sync> Sync for Block<'_, T> {}

impl<T: GemmElement> Block<'_, T> {
    /// Packs and multiplies; B only `if fresh_b`, else it is still there from the block above.
    ///
    /// # Safety
    /// The operands can be read, C written, and the scratch is large enough.
    unsafe fn run(&self, parallel: bool, fresh_b: bool) {
        let col_panels = self.cols.panels;
        let b_panels = if !fresh_b {
            0..0
        } else if !self.packed_b.is_null() {
            0..col_panels
        } else if !self.tail.is_null() {
            col_panels - 1..col_panels
        } else {
            0..0
        };
        let a_panels = if self.packed_a.is_null() { 0..0 } else { 0..self.rows.panels };
        let b_groups = b_panels.len().div_ceil(PACK_PANELS);
        let group = |panels: &Range<usize>, i: usize| {
            let start = panels.start + i * PACK_PANELS;
            start..panels.end.min(start + PACK_PANELS)
        };
        each_chunk(parallel, b_groups + a_panels.len().div_ceil(PACK_PANELS), &|i| {
            // SAFETY: panels of this block.
            unsafe {
                if i < b_groups {
                    self.pack_b(group(&b_panels, i));
                } else {
                    self.pack_a(group(&a_panels, i - b_groups));
                }
            }
        });

        let (high, wide) = self.job_size(parallel);
        let down = self.rows.panels.div_ceil(high);
        // Down first: the panels of B a column of jobs reads stay in the second-level cache.
        each_chunk(parallel, down * col_panels.div_ceil(wide), &|job| {
            let (i, j) = (job % down * high, job / down * wide);
            // Without memory the operands are used in place.
            let room = |wanted: bool, width| if wanted { self.k * width } else { 0 };
            let mut a_panel = Scratch::new(room(self.pack_late, self.rows.size()));
            let mut b_panel = Scratch::new(room(self.late_b, self.cols.size() * self.lanes));
            let tiles = Tiles {
                a_panel: a_panel.as_mut().map_or(null_mut(), Scratch::as_mut_ptr),
                b_panel: b_panel.as_mut().map_or(null_mut(), Scratch::as_mut_ptr),
                k: self.k,
                a: self.left(),
                b: self.right(),
                c: self.c,
                rows: self.rows,
                cols: self.cols,
                n: self.n,
                across_last: self.across_last,
                row_panels: i..self.rows.panels.min(i + high),
                col_panels: j..col_panels.min(j + wide),
            };
            T::dispatch(self.level, tiles);
        });
    }

    /// Panels a job takes, down and across: as many as suit the caches, but some jobs for everyone.
    fn job_size(&self, parallel: bool) -> (usize, usize) {
        let (down, across) = (self.rows.panels, self.cols.panels);
        let mut high = if self.late_b { down } else { self.blocking.job_rows.min(down) };
        // Few column panels are shared out evenly.
        let mut wide = across.div_ceil(across.div_ceil(self.blocking.job_panels));
        let jobs = |high, wide| down.div_ceil(high) * across.div_ceil(wide);
        while parallel && high * wide > 1 && jobs(high, wide) < JOBS_A_THREAD * par::num_threads() {
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
            Right::Rows { ptr: self.b.ptr, rs: self.b.rs, tail: self.tail }
        } else {
            Right::Packed(self.packed_b)
        }
    }

    /// Packs a group of panels of A.
    ///
    /// # Safety
    /// There are such panels.
    unsafe fn pack_a(&self, panels: Range<usize>) {
        // Where rows of k are contiguous across panels, cache lines belong to several panels: they
        // are packed side by side.
        let depth = if self.a.rs == 1 { PACK_DEPTH } else { self.k };
        for l in (0..self.k).step_by(depth) {
            for panel in panels.clone() {
                let (i, height) = self.rows.get(panel);
                let job = Pack {
                    src: self.a.at(i, l).ptr,
                    across_stride: self.a.rs,
                    k_stride: self.a.cs,
                    across: height,
                    readable: self.rows.len - i,
                    k: depth.min(self.k - l),
                    dst: self.packed_a.wrapping_add(i * self.k + l * height),
                    width: height,
                };
                T::dispatch(self.level, job);
            }
        }
    }

    /// Packs a group of panels of B.
    ///
    /// # Safety
    /// There are such panels.
    unsafe fn pack_b(&self, panels: Range<usize>) {
        // As in `pack_a`.
        let depth = if self.b.cs == 1 { PACK_DEPTH } else { self.k };
        for l in (0..self.k).step_by(depth) {
            for panel in panels.clone() {
                let (first, vectors) = self.cols.get(panel);
                let (j, width) = (first * self.lanes, vectors * self.lanes);
                let across = width.min(self.n - j);
                let start =
                    if self.packed_b.is_null() { self.tail } else { self.packed_b.wrapping_add(j * self.k) };
                let job = Pack {
                    src: self.b.at(l, j).ptr,
                    across_stride: self.b.cs,
                    k_stride: self.b.rs,
                    across,
                    readable: across,
                    k: depth.min(self.k - l),
                    dst: start.wrapping_add(l * width),
                    width,
                };
                T::dispatch(self.level, job);
            }
        }
    }
}
