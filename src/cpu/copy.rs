//! Copies between strided memory, converting dtypes on the way.

use crate::cpu::convert::{Convert, converter};
use crate::cpu::loops::Loops;
use crate::cpu::pointwise::{GRAIN, Operand};
use crate::cpu::{par, transpose};
use crate::dtype::Element;

/// Where a copy writes and reads.
#[derive(Clone, Copy)]
pub struct Ends {
    pub dst: *mut u8,
    pub src: *const u8,
}
// SAFETY: threads write disjoint ranges of the destination and only read the source.
unsafe impl Sync for Ends {}

/// Copies all elements of `loops` (operand 0 is the destination, 1 the source).
///
/// # Safety
/// Both operands must be valid at every offset that `loops` reaches, and must not overlap.
pub unsafe fn copy(dst: Operand, src: Operand, loops: &Loops) {
    let ends = Ends { dst: dst.ptr, src: src.ptr };
    // SAFETY: the caller's promise, passed on with the types of the operands.
    unsafe {
        if dst.dtype == src.dtype && transpose::copy(dst.dtype.size(), ends, loops) {
            return;
        }
        run(converter(src.dtype, dst.dtype), ends, loops);
    }
}

unsafe fn run(convert: Convert, ends: Ends, loops: &Loops) {
    let (to, from) = (loops.strides[0][0], loops.strides[0][1]);
    par::for_range(loops.numel(), GRAIN, &|range| {
        let ends = &ends; // the whole struct, which is Sync, not its fields
        loops.pieces(range, |offsets, n| {
            // SAFETY: the caller vouches for every offset of the loops.
            unsafe { convert(ends.src.offset(offsets[1]), from, ends.dst.offset(offsets[0]), to, n) }
        });
    });
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
