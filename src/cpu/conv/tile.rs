//! The micro-kernel of the direct engine and of Winograd's products: some rows of A times two
//! vectors of B, whose rows are found through a table of offsets.
//!
//! Sums start from zero, a bias or the output, and go to pixels of the output's plane: in the usual
//! case two runs of neighbours, otherwise with gaps or at a distance.

#![allow(clippy::needless_range_loop, reason = "tiles of registers are arrays that several indices address")]

use super::lanes::{Lanes, Portable};
use crate::cpu::simd::Level;

/// A vector of output pixels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    /// Position of the first lane in the window, before the displacement of a term.
    pub src: u32,
    /// Where the first kept lane goes in the output's plane.
    pub dst: u32,
    /// Lanes that are pixels; the others fall between two rows of the image.
    pub mask: u32,
    /// Distance of neighbouring pixels in the output.
    pub step: u32,
}

/// One call of the micro-kernel.
pub struct Tile {
    pub terms: usize,
    /// Packed weights, `[term][row]`.
    pub a: *const f32,
    /// The window at each of the two slots.
    pub b: [*const f32; 2],
    pub offsets: *const u32,
    /// One value a row to start from, or null for zero. Unused when accumulating.
    pub bias: *const f32,
    /// Start from what the output holds.
    pub accumulate: bool,
    pub y: *mut f32,
    /// Distance between the output planes of two rows.
    pub ldy: usize,
    pub slots: [Slot; 2],
}

impl Slot {
    fn count(self) -> usize {
        self.mask.count_ones() as usize
    }

    /// Its pixels are consecutive lanes and consecutive in the output.
    fn is_plain(self) -> bool {
        self.step == 1 && self.mask & (self.mask + 1) == 0
    }
}

/// The output of one row in a slot with gaps.
#[inline(always)]
unsafe fn load_slot<S: Lanes>(y: *const f32, slot: Slot) -> S::V {
    // SAFETY: the pixels of a slot lie in the output's plane.
    unsafe {
        if slot.step == 1 {
            return S::load_packed(y.add(slot.dst as usize), slot.mask);
        }
        let mut lanes = [0.0; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(slot.count()) {
            *lane = *y.add((slot.dst + i as u32 * slot.step) as usize);
        }
        S::load(lanes.as_ptr())
    }
}

#[inline(always)]
unsafe fn store_slot<S: Lanes>(y: *mut f32, slot: Slot, v: S::V) {
    // SAFETY: the pixels of a slot lie in the output's plane.
    unsafe {
        if slot.step == 1 {
            return S::store_packed(y.add(slot.dst as usize), slot.mask, v);
        }
        let mut lanes = [0.0; 16];
        S::store(lanes.as_mut_ptr(), v);
        for (i, lane) in lanes.iter().enumerate().take(slot.count()) {
            *y.add((slot.dst + i as u32 * slot.step) as usize) = *lane;
        }
    }
}

/// What the sums of a tile start from.
#[inline(always)]
unsafe fn start<S: Lanes, const ROWS: usize>(t: &Tile) -> [[S::V; 2]; ROWS] {
    // SAFETY: as for `tile`.
    unsafe {
        let mut acc = [[S::splat(0.0); 2]; ROWS];
        if !t.accumulate {
            if !t.bias.is_null() {
                for i in 0..ROWS {
                    acc[i] = [S::splat(*t.bias.add(i)); 2];
                }
            }
        } else if t.slots[0].is_plain() && t.slots[1].is_plain() {
            for i in 0..ROWS {
                for j in 0..2 {
                    let y = t.y.add(i * t.ldy + t.slots[j].dst as usize);
                    acc[i][j] = S::load_first(y, t.slots[j].count());
                }
            }
        } else {
            // Through memory: only an array whose every index is constant stays in registers.
            let mut old = [[[0.0; 16]; 2]; ROWS];
            for i in 0..ROWS {
                for j in 0..2 {
                    S::store(old[i][j].as_mut_ptr(), load_slot::<S>(t.y.add(i * t.ldy), t.slots[j]));
                }
            }
            for i in 0..ROWS {
                acc[i] = [S::load(old[i][0].as_ptr()), S::load(old[i][1].as_ptr())];
            }
        }
        acc
    }
}

#[inline(always)]
unsafe fn finish<S: Lanes, const ROWS: usize>(t: &Tile, acc: [[S::V; 2]; ROWS]) {
    // SAFETY: as for `tile`.
    unsafe {
        let y = t.slots.map(|slot| t.y.add(slot.dst as usize));
        let [count0, count1] = t.slots.map(Slot::count);
        if !(t.slots[0].is_plain() && t.slots[1].is_plain()) {
            let mut new = [[[0.0; 16]; 2]; ROWS];
            for i in 0..ROWS {
                S::store(new[i][0].as_mut_ptr(), acc[i][0]);
                S::store(new[i][1].as_mut_ptr(), acc[i][1]);
            }
            for i in 0..ROWS {
                for j in 0..2 {
                    store_slot::<S>(t.y.add(i * t.ldy), t.slots[j], S::load(new[i][j].as_ptr()));
                }
            }
        } else if count0 == S::N && count1 == S::N {
            for i in 0..ROWS {
                S::store(y[0].add(i * t.ldy), acc[i][0]);
                S::store(y[1].add(i * t.ldy), acc[i][1]);
            }
        } else {
            for i in 0..ROWS {
                S::store_first(y[0].add(i * t.ldy), count0, acc[i][0]);
                S::store_first(y[1].add(i * t.ldy), count1, acc[i][1]);
            }
        }
    }
}

/// `y = start + A · B` for `ROWS` filters and two vectors of pixels.
#[inline(always)]
unsafe fn tile<S: Lanes, const ROWS: usize>(t: &Tile) {
    // SAFETY: the window covers every displaced slot, the output every pixel of the two slots.
    unsafe {
        let mut acc = start::<S, ROWS>(t);
        let mut a = t.a;
        for k in 0..t.terms {
            let offset = *t.offsets.add(k) as usize;
            let b0 = S::load(t.b[0].add(offset));
            let b1 = S::load(t.b[1].add(offset));
            for i in 0..ROWS {
                let w = S::splat(*a.add(i));
                acc[i][0] = S::fma(w, b0, acc[i][0]);
                acc[i][1] = S::fma(w, b1, acc[i][1]);
            }
            a = a.add(ROWS);
        }
        finish::<S, ROWS>(t, acc);
    }
}

pub type TileFn = unsafe fn(&Tile);

unsafe fn tile_portable<const ROWS: usize>(t: &Tile) {
    // SAFETY: the caller's promise.
    unsafe { tile::<Portable, ROWS>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2<const ROWS: usize>(t: &Tile) {
    // SAFETY: the caller's promise.
    unsafe { tile::<super::lanes::Avx2, ROWS>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn tile_avx512<const ROWS: usize>(t: &Tile) {
    // SAFETY: the caller's promise.
    unsafe { tile::<super::lanes::Avx512, ROWS>(t) }
}

/// Lanes of a vector, and the micro-kernels for 1, 2, ... rows.
pub fn kernels(level: Level) -> (usize, &'static [TileFn]) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => (
            8,
            &[tile_avx2::<1>, tile_avx2::<2>, tile_avx2::<3>, tile_avx2::<4>, tile_avx2::<5>, tile_avx2::<6>],
        ),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => (
            16,
            &[
                tile_avx512::<1>,
                tile_avx512::<2>,
                tile_avx512::<3>,
                tile_avx512::<4>,
                tile_avx512::<5>,
                tile_avx512::<6>,
                tile_avx512::<7>,
                tile_avx512::<8>,
                tile_avx512::<9>,
                tile_avx512::<10>,
                tile_avx512::<11>,
                tile_avx512::<12>,
                tile_avx512::<13>,
                tile_avx512::<14>,
            ],
        ),
        _ => (4, &[tile_portable::<1>, tile_portable::<2>, tile_portable::<3>, tile_portable::<4>]),
    }
}

/// `size` cut evenly into panels of at most `max`.
#[derive(Clone, Copy)]
pub struct Panels {
    pub size: usize,
    pub count: usize,
}

impl Panels {
    pub fn new(size: usize, max: usize) -> Panels {
        Panels { size, count: size.div_ceil(max) }
    }

    pub fn get(self, i: usize) -> std::ops::Range<usize> {
        self.size * i / self.count..self.size * (i + 1) / self.count
    }

    pub fn iter(self) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.count).map(move |i| self.get(i))
    }
}
