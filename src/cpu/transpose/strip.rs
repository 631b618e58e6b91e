//! A strip of a matrix, turned: in registers, or element by element.

use crate::cpu::simd::{Kernel, Simd};

/// A strip: `rows` lines of the source, each `columns` elements side by side, become as many columns of the
/// destination. Strides are in elements.
#[derive(Clone, Copy)]
pub struct Strip<T> {
    pub src: *const T,
    pub src_stride: isize,
    pub dst: *mut T,
    pub dst_stride: usize,
    pub rows: usize,
    pub columns: usize,
}

impl<T: Copy> Strip<T> {
    /// The part from a row and a column on.
    #[inline(always)]
    fn part(self, row: usize, column: usize, rows: usize, columns: usize) -> Strip<T> {
        let src = self.src.wrapping_offset(row as isize * self.src_stride).wrapping_add(column);
        let dst = self.dst.wrapping_add(column * self.dst_stride + row);
        Strip { src, dst, rows, columns, ..self }
    }

    /// Element by element, a line of the destination after the other.
    #[inline(always)]
    pub fn scalar(self) {
        for column in 0..self.columns {
            for row in 0..self.rows {
                // SAFETY: within the strip, of which who makes it vouches.
                unsafe {
                    let value = self.src.offset(row as isize * self.src_stride).add(column).read_unaligned();
                    self.dst.add(column * self.dst_stride + row).write_unaligned(value);
                }
            }
        }
    }
}

impl<T: Copy> Kernel<T> for Strip<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // Turned in registers, a block of as many rows as there are lanes at a time.
        for column in (0..self.columns).step_by(S::LANES) {
            let columns = S::LANES.min(self.columns - column);
            for row in (0..self.rows).step_by(S::LANES) {
                let rows = S::LANES.min(self.rows - row);
                let block = self.part(row, column, rows, columns);
                if rows < S::LANES {
                    block.scalar(); // masked stores are slower
                } else {
                    // SAFETY: within the strip, of which who makes it vouches.
                    unsafe {
                        let shape = (rows, columns);
                        s.transpose(block.src, block.src_stride, shape, block.dst, block.dst_stride, rows);
                    }
                }
            }
        }
    }
}
