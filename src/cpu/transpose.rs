//! Copies that turn matrices: the source goes on evenly along another dimension than the destination.

use crate::cpu::copy::Ends;
use crate::cpu::loops::Loops;
use crate::cpu::par;
use crate::cpu::pointwise::GRAIN;
use crate::cpu::simd::{Element, Kernel, Simd, level};
use crate::dtype::C128;

/// Columns of the source that one strip of the destination's lines holds: a cache line of float32.
const STRIP: usize = 16;

/// A strip: `rows` lines of the source, each `columns` elements side by side, become as many columns of the
/// destination. Strides are in elements.
#[derive(Clone, Copy)]
struct Strip<T> {
    src: *const T,
    src_stride: isize,
    dst: *mut T,
    dst_stride: usize,
    rows: usize,
    columns: usize,
}

/// As `copy::copy`, if the loops turn a matrix of elements of `size` bytes; false, and nothing is done, if not.
///
/// # Safety
/// See `copy::copy`.
pub unsafe fn copy(size: usize, ends: Ends, loops: &Loops) -> bool {
    let step = size as isize;
    let inner = loops.strides[0];
    if inner[0] != step || inner[1] == step || inner[1] == 0 {
        return false;
    }
    let turned = |d: &usize| loops.strides[*d][1] == step && loops.strides[*d][0] > 0 && loops.sizes[*d] > 1;
    let Some(along) = (1..loops.sizes.len()).find(turned) else { return false };
    if !(ends.src as usize | ends.dst as usize).is_multiple_of(size) {
        return false;
    }
    // SAFETY: the caller's promise; elements of one size are copied as they are.
    unsafe {
        match size {
            1 => each_strip::<u8>(ends, loops, along, &|strip| strip.scalar()),
            2 => each_strip::<u16>(ends, loops, along, &|strip| strip.scalar()),
            4 => each_strip::<f32>(ends, loops, along, &|strip| f32::dispatch(level(), strip)),
            8 => each_strip::<f64>(ends, loops, along, &|strip| f64::dispatch(level(), strip)),
            _ => each_strip::<C128>(ends, loops, along, &|strip| strip.scalar()),
        }
    }
    true
}

/// Cuts the matrices, of which there is one at every index of the other dimensions, into strips.
unsafe fn each_strip<T>(ends: Ends, loops: &Loops, along: usize, body: &(impl Fn(Strip<T>) + Sync)) {
    let size = size_of::<T>() as isize;
    let (rows, columns) = (loops.sizes[0], loops.sizes[along]);
    let strips = rows.div_ceil(STRIP);
    let matrices = loops.numel() / (rows * columns);
    let grain = (GRAIN / (rows.min(STRIP) * columns)).max(1);
    par::for_range(matrices * strips, grain, &|range| {
        let ends = &ends; // the whole struct, which is Sync, not its fields
        for task in range {
            let (mut rest, first) = (task / strips, task % strips * STRIP);
            let mut offsets = [first as isize * size, first as isize * loops.strides[0][1]];
            for d in (1..loops.sizes.len()).filter(|&d| d != along) {
                let at = (rest % loops.sizes[d]) as isize;
                rest /= loops.sizes[d];
                offsets[0] += at * loops.strides[d][0];
                offsets[1] += at * loops.strides[d][1];
            }
            // SAFETY: the offsets lie within the loops, for which the caller vouches.
            let (dst, src) = unsafe { (ends.dst.offset(offsets[0]), ends.src.offset(offsets[1])) };
            body(Strip {
                src: src.cast(),
                src_stride: loops.strides[0][1] / size,
                dst: dst.cast(),
                dst_stride: (loops.strides[along][0] / size) as usize,
                rows: STRIP.min(rows - first),
                columns,
            });
        }
    });
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
    fn scalar(self) {
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
