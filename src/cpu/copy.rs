//! Copies between strided memory, converting dtypes on the way.

use crate::cpu::loops::Loops;
use crate::cpu::par;
use crate::cpu::pointwise::{GRAIN, Operand};
use crate::dispatch;
use crate::dtype::{Cast, Element};

#[derive(Clone, Copy)]
struct Ends {
    dst: *mut u8,
    src: *const u8,
}
// SAFETY: threads write disjoint ranges of the destination and only read the source.
unsafe impl Sync for Ends {}

/// Copies all elements of `loops` (operand 0 is the destination, 1 the source).
///
/// # Safety
/// Both operands must be valid at every offset that `loops` reaches, and must not overlap.
pub unsafe fn copy(dst: Operand, src: Operand, loops: &Loops) {
    let ends = Ends { dst: dst.ptr, src: src.ptr };
    if dst.dtype == src.dtype {
        // SAFETY: the caller's promise; elements of one size are copied as they are.
        unsafe {
            match dst.dtype.size() {
                1 => run::<u8, u8>(ends, loops),
                2 => run::<i16, i16>(ends, loops),
                4 => run::<i32, i32>(ends, loops),
                8 => run::<i64, i64>(ends, loops),
                _ => run::<crate::dtype::C128, crate::dtype::C128>(ends, loops),
            }
        }
    } else {
        // SAFETY: the caller's promise, with the types of the operands.
        dispatch!(src.dtype, S => dispatch!(dst.dtype, D => unsafe { run::<S, D>(ends, loops) }))
    }
}

/// Writes `value` to `n` elements, one after the other.
///
/// # Safety
/// `dst` is aligned and valid for that many.
pub unsafe fn fill<T: Element>(dst: *mut T, n: usize, value: T) {
    let ends = Ends { dst: dst.cast(), src: std::ptr::null() };
    par::for_range(n, GRAIN, &|range| {
        let ends = &ends; // the whole struct, which is Sync, not its fields
        let dst = ends.dst.cast::<T>();
        for i in range {
            // SAFETY: the caller's promise.
            unsafe { dst.add(i).write(value) };
        }
    });
}

unsafe fn run<S: Element, D: Element>(ends: Ends, loops: &Loops) {
    let (to, from) = (loops.strides[0][0], loops.strides[0][1]);
    let dense = to == size_of::<D>() as isize;
    let side_by_side = dense && from == size_of::<S>() as isize;
    par::for_range(loops.numel(), GRAIN, &|range| {
        let ends = &ends; // the whole struct, which is Sync, not its fields
        loops.pieces(range, |offsets, n| {
            // SAFETY: the caller vouches for every offset of the loops.
            unsafe {
                let dst = ends.dst.offset(offsets[0]);
                let src = ends.src.offset(offsets[1]);
                if side_by_side && S::DTYPE == D::DTYPE {
                    std::ptr::copy_nonoverlapping(src, dst, n * size_of::<D>());
                } else if side_by_side {
                    let (dst, src) = (dst.cast::<D>(), src.cast::<S>());
                    (0..n).for_each(|i| dst.add(i).write_unaligned(src.add(i).read_unaligned().cast()));
                } else if dense && from == 0 {
                    // An expanded source: one value, read before the loop so that it is a vector loop.
                    let (dst, value) = (dst.cast::<D>(), src.cast::<S>().read_unaligned().cast());
                    (0..n).for_each(|i| dst.add(i).write_unaligned(value));
                } else {
                    for i in 0..n as isize {
                        let value = src.offset(i * from).cast::<S>().read_unaligned().cast();
                        dst.offset(i * to).cast::<D>().write_unaligned(value);
                    }
                }
            }
        });
    });
}
