//! Copies that turn matrices: the source goes on evenly along another dimension than the destination.

mod strip;

pub use strip::Strip;

use crate::cpu::copy::Ends;
use crate::cpu::loops::Loops;
use crate::cpu::par;
use crate::cpu::pointwise::GRAIN;
use crate::cpu::simd::{Element, level};
use crate::dtype::C128;

/// Columns of the source that one strip of the destination's lines holds: a cache line of float32.
const STRIP: usize = 16;

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
