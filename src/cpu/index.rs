//! Reads and writes at places that index tensors name.
//!
//! Operands of the loops: 0 is the result (of a read) or the target (of a write), 1 the source, 2 and
//! up the indices, whose values are int64. Along dimensions that are indexed, the operand that the
//! indices lead into has stride 0.

use std::sync::OnceLock;

use crate::cpu::loops::{Loops, MAX_OPERANDS, PerOperand};
use crate::cpu::par;
use crate::cpu::pointwise::Operand;
use crate::dispatch;
use crate::dtype::{C128, Cast, DType, Element};

/// Elements that the innermost loop is cut into at least.
const SHORTEST_RUN: usize = 256;

/// Index tensors that one loop can take.
pub const MAX_INDICES: usize = MAX_OPERANDS - 2;

/// An index tensor and the dimension it leads into.
#[derive(Clone, Copy)]
pub struct Indexer {
    pub ptr: *const i64,
    /// Indices below 0 count from here, or are refused.
    pub size: i64,
    /// Bytes from one index to the next.
    pub stride: isize,
    pub negative: bool,
}

/// What becomes of an element that is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    Write,
    Add,
    Multiply,
    /// NaN wins.
    Max,
    Min,
}

/// An index out of range: which indexer, and the value.
pub type OutOfRange = (usize, i64);

#[derive(Clone, Copy)]
struct Ends<'a> {
    target: *mut u8,
    source: *const u8,
    indexers: &'a [Indexer],
}
// SAFETY: threads write disjoint parts of the target and only read the rest.
unsafe impl Sync for Ends<'_> {}

impl Indexer {
    /// The way, in bytes, to where the index at `at` leads; or the index, where it leads nowhere.
    ///
    /// # Safety
    /// An index can be read.
    #[inline(always)]
    unsafe fn place(self, at: *const u8) -> Result<isize, i64> {
        // SAFETY: the caller's promise.
        let index = unsafe { at.cast::<i64>().read_unaligned() };
        let wrapped = if index < 0 && self.negative { index + self.size } else { index };
        if (wrapped as u64) < self.size as u64 { Ok(wrapped as isize * self.stride) } else { Err(index) }
    }
}

impl Ends<'_> {
    /// The way, in bytes, to where the indices at these offsets lead.
    ///
    /// # Safety
    /// The offsets lie within the index tensors.
    #[inline(always)]
    unsafe fn place(&self, offsets: &PerOperand, steps: &PerOperand, i: isize) -> Result<isize, OutOfRange> {
        let mut place = 0isize;
        for (k, indexer) in self.indexers.iter().enumerate() {
            // SAFETY: the caller's promise.
            let at = unsafe { indexer.ptr.cast::<u8>().offset(offsets[k + 2] + i * steps[k + 2]) };
            // SAFETY: likewise.
            place += unsafe { indexer.place(at) }.map_err(|index| (k, index))?;
        }
        Ok(place)
    }
}

/// Whether the indices stay the same along the innermost loop.
fn indices_stand_still(loops: &Loops, count: usize) -> bool {
    loops.strides[0][2..2 + count].iter().all(|&s| s == 0)
}

/// Copies the elements that the indices name. What is written when an index is out of range is of
/// no use.
///
/// # Safety
/// All operands must be valid at every offset of the loops; the source also wherever an index within
/// its size leads. The output must overlap nothing else.
pub unsafe fn gather(
    bytes: usize,
    out: *mut u8,
    source: *const u8,
    indexers: &[Indexer],
    loops: &Loops,
) -> Result<(), OutOfRange> {
    let ends = Ends { target: out, source, indexers };
    // SAFETY: the caller's promise; elements of one size are copied as they are.
    unsafe {
        match bytes {
            1 => gather_as::<u8>(ends, loops),
            2 => gather_as::<u16>(ends, loops),
            4 => gather_as::<u32>(ends, loops),
            8 => gather_as::<u64>(ends, loops),
            _ => gather_as::<u128>(ends, loops),
        }
    }
}

unsafe fn gather_as<T: Copy>(ends: Ends, loops: &Loops) -> Result<(), OutOfRange> {
    let steps = loops.strides[0];
    let still = indices_stand_still(loops, ends.indexers.len());
    let side_by_side = steps[0] == size_of::<T>() as isize && steps[1] == size_of::<T>() as isize;
    let failed = OnceLock::new();
    let n = loops.numel();
    let run = |range| {
        let ends = &ends; // the whole struct, which is Sync, not its fields
        loops.pieces(range, |offsets, n| {
            // SAFETY: the caller vouches for the loops' offsets, `place` for the indices.
            unsafe {
                let (to, from) = (ends.target.offset(offsets[0]), ends.source.offset(offsets[1]));
                if still {
                    match ends.place(offsets, &steps, 0) {
                        Ok(place) if side_by_side => {
                            std::ptr::copy_nonoverlapping(from.offset(place), to, n * size_of::<T>());
                        }
                        Ok(place) => {
                            let from = from.offset(place);
                            for i in 0..n as isize {
                                let value = from.offset(i * steps[1]).cast::<T>().read_unaligned();
                                to.offset(i * steps[0]).cast::<T>().write_unaligned(value);
                            }
                        }
                        Err(bad) => _ = failed.set(bad),
                    }
                    return;
                }
                if let [indexer] = *ends.indexers {
                    let at = indexer.ptr.cast::<u8>().offset(offsets[2]);
                    let dense = [size_of::<T>() as isize, 0, 8] == steps[..3];
                    let first =
                        if dense { gather_blocks(to.cast::<T>(), from, indexer, at.cast(), n) } else { 0 };
                    for i in first as isize..n as isize {
                        match indexer.place(at.offset(i * steps[2])) {
                            Ok(place) => {
                                let value = from.offset(i * steps[1] + place).cast::<T>().read_unaligned();
                                to.offset(i * steps[0]).cast::<T>().write_unaligned(value);
                            }
                            Err(bad) => {
                                _ = failed.set((0, bad));
                                return;
                            }
                        }
                    }
                    return;
                }
                for i in 0..n as isize {
                    match ends.place(offsets, &steps, i) {
                        Ok(place) => {
                            let value = from.offset(i * steps[1] + place).cast::<T>().read_unaligned();
                            to.offset(i * steps[0]).cast::<T>().write_unaligned(value);
                        }
                        Err(bad) => {
                            _ = failed.set(bad);
                            return;
                        }
                    }
                }
            }
        });
    };
    par::for_range(n, par::grain_for(n, 2.0), &run);
    failed.into_inner().map_or(Ok(()), Err)
}

/// Copies what whole blocks of indices name, up to the first block with one that is out of range: how many elements that
/// are. Without a branch in each step.
///
/// # Safety
/// As for [`gather`], of `n` indices and elements side by side.
unsafe fn gather_blocks<T: Copy>(
    to: *mut T,
    from: *const u8,
    indexer: Indexer,
    indices: *const i64,
    n: usize,
) -> usize {
    const INDICES: usize = 64;
    let mut done = 0;
    while done + INDICES <= n {
        let (mut places, mut outside) = ([0isize; INDICES], false);
        // SAFETY: within the `n`; what is read from is checked before.
        unsafe {
            for (i, place) in places.iter_mut().enumerate() {
                let index = indices.add(done + i).read_unaligned();
                let wrapped = index + if indexer.negative { (index >> 63) & indexer.size } else { 0 };
                outside |= wrapped as u64 >= indexer.size as u64;
                *place = (wrapped as isize).wrapping_mul(indexer.stride);
            }
            if outside {
                break;
            }
            for (i, &place) in places.iter().enumerate() {
                to.add(done + i).write_unaligned(from.offset(place).cast::<T>().read_unaligned());
            }
        }
        done += INDICES;
    }
    done
}

/// Adds where two coordinates of the target may be one element: in one thread.
///
/// # Safety
/// As for [`put`].
pub unsafe fn add_overlapping(target: Operand, source: *const u8, loops: &Loops) {
    let ends = Ends { target: target.ptr, source, indexers: &[] };
    // SAFETY: the caller's promise.
    dispatch!(target.dtype, T => unsafe { put_part::<T>(ends, loops, [0; MAX_OPERANDS], &add) });
}

/// Writes the source's elements to the places that the indices name, or combines them with what is
/// there, in the order of the loops. The indices have been checked; one that is out of range all the
/// same is left out.
///
/// # Safety
/// All operands must be valid at every offset of the loops, and the target wherever an index within
/// its size leads. The target must not overlap the source.
pub unsafe fn put(how: Put, target: Operand, source: *const u8, indexers: &[Indexer], loops: &Loops) {
    let ends = Ends { target: target.ptr, source, indexers };
    // SAFETY: the caller's promise, with the target's own type, or one of its size.
    unsafe {
        match (how, target.dtype.size()) {
            (Put::Write, 1) => put_as::<u8>(ends, loops, |_, new| new),
            (Put::Write, 2) => put_as::<u16>(ends, loops, |_, new| new),
            (Put::Write, 4) => put_as::<u32>(ends, loops, |_, new| new),
            (Put::Write, 8) => put_as::<u64>(ends, loops, |_, new| new),
            (Put::Write, _) => put_as::<u128>(ends, loops, |_, new| new),
            (Put::Add, _) => dispatch!(target.dtype, T => put_as::<T>(ends, loops, add)),
            (Put::Multiply, _) => dispatch!(target.dtype, T => put_as::<T>(ends, loops, multiply)),
            (Put::Max, _) => {
                dispatch!(target.dtype, T => put_as::<T>(ends, loops, |a, b| better(a, b, |a, b| a < b, |a, b| a < b)))
            }
            (Put::Min, _) => {
                dispatch!(target.dtype, T => put_as::<T>(ends, loops, |a, b| better(a, b, |a, b| a > b, |a, b| a > b)))
            }
        }
    }
}

unsafe fn put_as<T: Copy>(ends: Ends, loops: &Loops, combine: impl Fn(T, T) -> T + Sync) {
    // Different coordinates along a dimension in which the target moves are different places: such
    // a dimension can be cut up, and the order of the writes to one place stays as it is.
    let n = loops.numel();
    let axis = (0..loops.sizes.len()).rev().find(|&d| loops.strides[d][0] != 0 && loops.sizes[d] > 1);
    let (Some(axis), true) = (axis, n > 0) else {
        // SAFETY: the caller's promise.
        return unsafe { put_part(ends, loops, [0; MAX_OPERANDS], &combine) };
    };
    let size = loops.sizes[axis];
    // Short pieces of the innermost loop are slow.
    let shortest = if axis == 0 { SHORTEST_RUN } else { 1 };
    let grain = par::grain_for(size, (n / size) as f64).max(shortest);
    par::for_range(size, grain, &|range| {
        let ends = &ends; // the whole struct, which is Sync, not its fields
        let start = loops.strides[axis].map(|s| s * range.start as isize);
        if range.len() == size {
            // SAFETY: the caller's promise.
            return unsafe { put_part(*ends, loops, start, &combine) };
        }
        let mut part = Loops { sizes: loops.sizes.clone(), strides: loops.strides.clone() };
        part.sizes[axis] = range.len();
        // SAFETY: the caller's promise; the part lies within the loops.
        unsafe { put_part(*ends, &part, start, &combine) };
    });
}

unsafe fn put_part<T: Copy>(ends: Ends, loops: &Loops, start: PerOperand, combine: &impl Fn(T, T) -> T) {
    let steps = loops.strides[0];
    let still = indices_stand_still(loops, ends.indexers.len());
    loops.pieces(0..loops.numel(), |offsets, n| {
        let mut offsets = *offsets;
        offsets.iter_mut().zip(start).for_each(|(o, s)| *o += s);
        // SAFETY: the caller vouches for the loops' offsets, `place` for the indices.
        unsafe {
            let (to, from) = (ends.target.offset(offsets[0]), ends.source.offset(offsets[1]));
            let put = |i: isize, place: isize| {
                let to = to.offset(i * steps[0] + place).cast::<T>();
                let value = from.offset(i * steps[1]).cast::<T>().read_unaligned();
                to.write_unaligned(combine(to.read_unaligned(), value));
            };
            match *ends.indexers {
                _ if still => {
                    let Ok(place) = ends.place(&offsets, &steps, 0) else { return };
                    let size = size_of::<T>() as isize;
                    let (to, from) = (to.offset(place).cast::<T>(), from.cast::<T>());
                    if steps[0] == size && steps[1] == size && to.is_aligned() && from.is_aligned() {
                        let to = std::slice::from_raw_parts_mut(to, n);
                        let from = std::slice::from_raw_parts(from, n);
                        to.iter_mut().zip(from).for_each(|(a, &b)| *a = combine(*a, b));
                        return;
                    }
                    (0..n as isize).for_each(|i| put(i, place));
                }
                [indexer] => {
                    let at = indexer.ptr.cast::<u8>().offset(offsets[2]);
                    for i in 0..n as isize {
                        if let Ok(place) = indexer.place(at.offset(i * steps[2])) {
                            put(i, place);
                        }
                    }
                }
                _ => {
                    for i in 0..n as isize {
                        if let Ok(place) = ends.place(&offsets, &steps, i) {
                            put(i, place);
                        }
                    }
                }
            }
        }
    });
}

/// The sum in the element's own type.
fn add<T: Element>(a: T, b: T) -> T {
    if T::DTYPE.is_integral() {
        Cast::<i64>::cast(a).wrapping_add(b.cast()).cast()
    } else if T::DTYPE.is_complex() {
        (Cast::<C128>::cast(a) + Cast::<C128>::cast(b)).cast()
    } else if T::DTYPE == DType::F32 {
        // What float64 would give, sooner.
        (Cast::<f32>::cast(a) + Cast::<f32>::cast(b)).cast()
    } else {
        (Cast::<f64>::cast(a) + Cast::<f64>::cast(b)).cast()
    }
}

/// The product in the element's own type.
fn multiply<T: Element>(a: T, b: T) -> T {
    if T::DTYPE.is_integral() {
        Cast::<i64>::cast(a).wrapping_mul(b.cast()).cast()
    } else if T::DTYPE.is_complex() {
        (Cast::<C128>::cast(a) * Cast::<C128>::cast(b)).cast()
    } else if T::DTYPE == DType::F32 {
        // What float64 would give, sooner.
        (Cast::<f32>::cast(a) * Cast::<f32>::cast(b)).cast()
    } else {
        (Cast::<f64>::cast(a) * Cast::<f64>::cast(b)).cast()
    }
}

/// `b` if it is better than `a`, or NaN.
fn better<T: Element>(a: T, b: T, int: impl Fn(i64, i64) -> bool, float: impl Fn(f64, f64) -> bool) -> T {
    if T::DTYPE.is_integral() {
        if int(a.cast(), b.cast()) { b } else { a }
    } else {
        let (x, y): (f64, f64) = (a.cast(), b.cast());
        if float(x, y) || y.is_nan() { b } else { a }
    }
}

/// Checks indices before anything is written: the first that is out of range.
///
/// # Safety
/// Operand 0 of the loops must be valid index memory, of which `indexer` says the range.
pub unsafe fn check(indexer: &Indexer, loops: &Loops) -> Result<(), i64> {
    let low = if indexer.negative { -indexer.size } else { 0 };
    let step = loops.strides[0][0];
    let size = indexer.size;
    let fits = |index: i64| index >= low && index < size;
    let n = loops.numel();
    let bad = OnceLock::new();
    let at = Ends { target: std::ptr::null_mut(), source: indexer.ptr.cast(), indexers: &[] };
    par::for_range(n, par::grain_for(n, 0.5), &|range| {
        let at = &at; // the whole struct, which is Sync, not its fields
        loops.pieces(range, |offsets, n| {
            // SAFETY: the caller vouches for the offsets.
            unsafe {
                let from = at.source.offset(offsets[0]);
                let index = |i: usize| from.offset(i as isize * step).cast::<i64>().read_unaligned();
                // No early end: that is a loop of its own, for the rare case.
                if !(0..n).fold(true, |all, i| all & fits(index(i))) {
                    let first = (0..n).map(index).find(|&i| !fits(i));
                    _ = bad.set(first.expect("one does not fit"));
                }
            }
        });
    });
    bad.into_inner().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    /// Rows, columns and single elements that indices name: `(rows, cols)` of a source, an index for each of
    /// them by its two strides, the stride that it leads along in a target of `size` places.
    #[test]
    fn elements_go_where_their_indices_say() {
        const SIZE: usize = 40;
        for (rows, cols) in [(1, 1), (3, 300), (700, 2), (50, 600)] {
            let source: Vec<f32> = (0..rows * cols).map(|i| (i % 61) as f32).collect();
            let picks: Vec<i64> = (0..rows * cols).map(|i| ((i * 31 + i / 7) % SIZE) as i64).collect();
            for by_row in [true, false] {
                // One index for a whole row; or one for each element, all of which lead along the first row.
                let index_strides = if by_row { [1, 0] } else { [cols as isize, 1] };
                let to_strides = if by_row { [0, 1] } else { [0, 0] };
                let stride = if by_row { cols as isize } else { 1 };
                let mut target = vec![0f32; SIZE * cols];
                let strides = [cols as isize, 1];
                let loops =
                    Loops::new(&[rows, cols], &[(&to_strides, 4), (&strides, 4), (&index_strides, 8)]);
                let indexer =
                    Indexer { ptr: picks.as_ptr(), size: SIZE as i64, stride: 4 * stride, negative: false };
                let to = Operand { ptr: target.as_mut_ptr().cast(), dtype: DType::F32 };
                // SAFETY: the loops cover source and indices, which lead into the target.
                unsafe { put(Put::Add, to, source.as_ptr().cast(), &[indexer], &loops) };
                let mut want = vec![0f32; SIZE * cols];
                let place = |r: usize, c: usize| {
                    let at = r as isize * index_strides[0] + c as isize * index_strides[1];
                    picks[at as usize] as usize * stride as usize + c * to_strides[1] as usize
                };
                for (i, &v) in source.iter().enumerate() {
                    want[place(i / cols, i % cols)] += v;
                }
                assert_eq!(target, want);

                let mut out = vec![0f32; rows * cols];
                let loops =
                    Loops::new(&[rows, cols], &[(&strides, 4), (&to_strides, 4), (&index_strides, 8)]);
                let from = target.as_ptr().cast();
                // SAFETY: the loops cover output and indices, which lead into the target.
                unsafe { gather(4, out.as_mut_ptr().cast(), from, &[indexer], &loops) }
                    .expect("within range");
                for (i, &v) in out.iter().enumerate() {
                    assert_eq!(v, target[place(i / cols, i % cols)]);
                }
                let used: &[i64] = if by_row { &picks[..rows] } else { &picks };
                let last = *used.iter().max().expect("some");
                let short = Indexer { size: last, ..indexer };
                let flat = Loops::flat(used.len(), [8, 0, 0, 0, 0]);
                // SAFETY: the loops are those of the indices.
                unsafe {
                    assert_eq!(check(&indexer, &flat), Ok(()));
                    assert_eq!(check(&short, &flat), Err(last));
                }
            }
        }
    }
}
