//! Lines: the elements along one dimension, at every index of the other dimensions. Scans, sorting and
//! searching work on one line after the other; lines are independent and run on several threads.

use smallvec::SmallVec;

use crate::cpu::par;
use crate::cpu::pointwise::GRAIN;

/// The elements of one line: the first, and the bytes from one to the next.
#[derive(Clone, Copy)]
pub struct Line {
    pub start: *mut u8,
    pub step: isize,
}

impl Line {
    /// # Safety
    /// Element `i` must be a valid `T`.
    #[inline(always)]
    pub unsafe fn get<T: Copy>(self, i: usize) -> T {
        // SAFETY: the caller's promise.
        unsafe { self.start.offset(i as isize * self.step).cast::<T>().read_unaligned() }
    }

    /// # Safety
    /// Element `i` must have room for a `T`.
    #[inline(always)]
    pub unsafe fn set<T: Copy>(self, i: usize, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.start.offset(i as isize * self.step).cast::<T>().write_unaligned(value) }
    }

    /// The same `n` elements from the last to the first.
    pub fn reversed(self, n: usize) -> Line {
        let last = n.saturating_sub(1) as isize * self.step;
        Line { start: self.start.wrapping_offset(last), step: -self.step }
    }
}

/// One tensor whose lines are visited: where it starts, and its strides in bytes.
pub struct Side {
    pub start: *mut u8,
    /// One for each dimension besides that of the lines.
    pub strides: SmallVec<[isize; 6]>,
    pub step: isize,
}

// SAFETY: threads visit different lines; who makes a side vouches that lines do not share elements
// that are written.
unsafe impl Sync for Side {}

/// Calls `body` with the lines of all sides at each index of `sizes`, on several threads where that
/// pays; `cost` is about how many elements a line touches.
pub fn for_lines<const N: usize>(
    sizes: &[usize],
    cost: usize,
    sides: &[Side; N],
    body: &(impl Fn([Line; N]) + Sync),
) {
    let count: usize = sizes.iter().product();
    par::for_range(count, (GRAIN / cost.max(1)).max(1), &|range| {
        for i in range {
            body(lines_at(sizes, sides, i));
        }
    });
}

/// The lines at an index of `sizes`, counted along the last dimension first.
#[inline(always)]
pub fn lines_at<const N: usize>(sizes: &[usize], sides: &[Side; N], index: usize) -> [Line; N] {
    let mut lines = sides.each_ref().map(|s| Line { start: s.start, step: s.step });
    let mut rest = index;
    for (d, &size) in sizes.iter().enumerate().rev() {
        let at = (rest % size) as isize;
        rest /= size;
        for (line, side) in lines.iter_mut().zip(sides) {
            line.start = line.start.wrapping_offset(at * side.strides[d]);
        }
    }
    lines
}
