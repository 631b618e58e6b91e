//! Copies of operands in the order the micro-kernel reads them.
//!
//! A panel of A is `[k][height]`, one of B `[k][width]`: in both, what lies across the panel is
//! contiguous. So both are "the transpose of some rows" when k is the contiguous dimension of the
//! source, "some rows" when the other one is, and gathered element by element otherwise.

use crate::cpu::simd::{Element, Kernel, Simd};

/// How far ahead along k a source with contiguous k is asked for, in elements.
const AHEAD: isize = 64;

/// Packs `across` x `k` elements into `k` rows of `width >= across`, the rest zero.
pub(crate) struct Pack<T> {
    /// Element (x, p) is at `src + x * across_stride + p * k_stride`.
    pub src: *const T,
    pub across_stride: isize,
    pub k_stride: isize,
    pub across: usize,
    /// What the source has, `across` or more: it may be read, so that blocks are whole.
    pub readable: usize,
    pub k: usize,
    pub dst: *mut T,
    pub width: usize,
}

impl<T: Element + num_traits::Zero> Kernel<T> for Pack<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: whoever made `self` promised source and destination.
        unsafe {
            if self.across_stride == 1 {
                self.rows(s);
            } else if self.k_stride == 1 {
                self.turned(s);
            } else {
                self.gathered();
            }
        }
    }
}

impl<T: Element + num_traits::Zero> Pack<T> {
    /// What lies across is contiguous: rows are copied.
    #[inline(always)]
    unsafe fn rows<S: Simd<T>>(&self, s: S) {
        // SAFETY: reads `across` and writes `width` elements a row, by the masks.
        unsafe {
            if self.across == self.width && self.width.is_multiple_of(S::LANES) {
                match self.width / S::LANES {
                    1 => return self.whole_rows::<S, 1>(s),
                    2 => return self.whole_rows::<S, 2>(s),
                    3 => return self.whole_rows::<S, 3>(s),
                    _ => {}
                }
            }
            for p in 0..self.k {
                let from = self.src.wrapping_offset(p as isize * self.k_stride);
                let to = self.dst.add(p * self.width);
                s.prefetch(from.wrapping_offset(8 * self.k_stride));
                for x in (0..self.width).step_by(S::LANES) {
                    let have = s.mask(self.across.saturating_sub(x));
                    let v = s.load_masked(from.wrapping_add(x), have);
                    s.store_masked(to.add(x), s.mask(self.width - x), v);
                }
            }
        }
    }

    /// As `rows`, where they are `NV` whole vectors.
    #[inline(always)]
    unsafe fn whole_rows<S: Simd<T>, const NV: usize>(&self, s: S) {
        for p in 0..self.k {
            let from = self.src.wrapping_offset(p as isize * self.k_stride);
            for x in (0..NV * S::LANES).step_by(S::LANES) {
                // SAFETY: inside the source and the destination.
                unsafe {
                    let to = self.dst.add(p * NV * S::LANES + x);
                    s.prefetch(from.wrapping_offset(8 * self.k_stride).wrapping_add(x));
                    s.store(to, s.load(from.add(x)));
                }
            }
        }
    }

    /// k is contiguous: blocks are transposed in registers.
    #[inline(always)]
    unsafe fn turned<S: Simd<T>>(&self, s: S) {
        // SAFETY: blocks are LANES x LANES at most and inside the source and the destination.
        unsafe {
            for x in (0..self.width).step_by(S::LANES) {
                let width = (self.width - x).min(S::LANES);
                // More rows than wanted do no harm where they are cut off.
                let cut = width < S::LANES && width > S::LANES / 2 && self.across == self.width;
                let have = if cut { self.readable } else { self.across };
                let rows = have.saturating_sub(x).min(S::LANES);
                for p in (0..self.k).step_by(S::LANES) {
                    let block = (rows, S::LANES.min(self.k - p));
                    let from = self.src.wrapping_offset(x as isize * self.across_stride);
                    let to = self.dst.add(p * self.width + x);
                    let from = from.wrapping_add(p);
                    for r in 0..rows as isize {
                        s.prefetch(from.wrapping_offset(r * self.across_stride + AHEAD));
                    }
                    s.transpose(from, self.across_stride, block, to, self.width, width);
                }
            }
        }
    }

    unsafe fn gathered(&self) {
        for p in 0..self.k {
            for x in 0..self.width {
                let offset = x as isize * self.across_stride + p as isize * self.k_stride;
                // SAFETY: (x, p) lies in the source where it is read.
                unsafe {
                    let v = if x < self.across { *self.src.offset(offset) } else { T::zero() };
                    *self.dst.add(p * self.width + x) = v;
                }
            }
        }
    }
}
