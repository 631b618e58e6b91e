//! The plain sums of the direct engine where a window has a single row of filters: depthwise
//! convolutions, and the input's gradient where there is one channel. A tile is four rows of two
//! vectors of pixels, so that a weight is read once for all of them.

#![allow(clippy::needless_range_loop, reason = "tiles of registers are arrays that several indices address")]

use super::lanes::{Lanes, Portable};
use crate::cpu::simd::Level;

/// One call: all pixels of a plane.
pub struct Single {
    pub terms: usize,
    /// The weight of each term, and where it is read relative to a pixel of the window.
    pub weights: *const f32,
    pub offsets: *const u32,
    pub bias: f32,
    pub window: *const f32,
    pub window_cols: usize,
    /// Rows and columns of the output, and the distance of their pixels from the first at `y`.
    pub size: [usize; 2],
    pub y: *mut f32,
    pub distance: [usize; 2],
}

const ROWS: usize = 4;

#[inline(always)]
unsafe fn run<S: Lanes>(c: &Single) {
    let [rows, cols] = c.size;
    // SAFETY: the window covers every displaced pixel and two vectors more, the output every pixel.
    unsafe {
        for row in (0..rows).step_by(ROWS) {
            // Rows that are not there are the last one again.
            let lines: [usize; ROWS] = std::array::from_fn(|i| (row + i).min(rows - 1) * c.window_cols);
            for col in (0..cols).step_by(2 * S::N) {
                let mut sums = [[S::splat(c.bias); 2]; ROWS];
                for k in 0..c.terms {
                    let w = S::splat(*c.weights.add(k));
                    let x = c.window.add(*c.offsets.add(k) as usize + col);
                    for i in 0..ROWS {
                        let x = x.add(lines[i]);
                        sums[i][0] = S::fma(w, S::load(x), sums[i][0]);
                        sums[i][1] = S::fma(w, S::load(x.add(S::N)), sums[i][1]);
                    }
                }
                let left = cols - col;
                for i in 0..ROWS {
                    if row + i >= rows {
                        break;
                    }
                    let y = c.y.add((row + i) * c.distance[0] + col * c.distance[1]);
                    if c.distance[1] == 1 {
                        if left >= 2 * S::N {
                            S::store(y, sums[i][0]);
                            S::store(y.add(S::N), sums[i][1]);
                        } else {
                            S::store_first(y, left.min(S::N), sums[i][0]);
                            S::store_first(y.wrapping_add(S::N), left.saturating_sub(S::N), sums[i][1]);
                        }
                    } else {
                        let mut lanes = [0.0; 32];
                        S::store(lanes.as_mut_ptr(), sums[i][0]);
                        S::store(lanes.as_mut_ptr().add(S::N), sums[i][1]);
                        for (j, lane) in lanes.iter().enumerate().take(left.min(2 * S::N)) {
                            *y.add(j * c.distance[1]) = *lane;
                        }
                    }
                }
            }
        }
    }
}

unsafe fn portable(c: &Single) {
    // SAFETY: the caller's promise, here and below.
    unsafe { run::<Portable>(c) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(c: &Single) {
    // SAFETY: as above.
    unsafe { run::<super::lanes::Avx2>(c) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn avx512(c: &Single) {
    // SAFETY: as above.
    unsafe { run::<super::lanes::Avx512>(c) }
}

/// The kernel of a level, which the machine must have.
pub fn kernel(level: Level) -> unsafe fn(&Single) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512,
        _ => portable,
    }
}
