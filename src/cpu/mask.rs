//! What masks do: finding the true elements, packing what stands at them, and spreading it again.
//! A mask is bytes, of which those that are not 0 are true.

use std::ops::Range;

use crate::cpu::loops::Loops;
use crate::cpu::par;
use crate::cpu::simd::{Element, Kernel, Simd, level};

/// Mask elements that are counted and handled in one go.
const CHUNK: usize = 1 << 15;

#[derive(Clone, Copy)]
struct Memory {
    source: *const u8,
    target: *mut u8,
}
// SAFETY: threads write disjoint parts of the target and only read the source.
unsafe impl Sync for Memory {}

fn count_in(mask: &[u8]) -> usize {
    mask.iter().map(|&b| (b != 0) as usize).sum()
}

/// The number of true elements before each chunk, and of all.
pub fn counts(mask: &[u8]) -> (Vec<usize>, usize) {
    let chunks = mask.len().div_ceil(CHUNK);
    let found: Vec<std::sync::atomic::AtomicUsize> = (0..chunks).map(|_| Default::default()).collect();
    let order = std::sync::atomic::Ordering::Relaxed;
    par::for_range(chunks, par::grain_for(chunks, 0.1 * CHUNK as f64), &|range| {
        for c in range {
            found[c].store(count_in(&mask[c * CHUNK..mask.len().min((c + 1) * CHUNK)]), order);
        }
    });
    let mut total = 0;
    let before = found
        .into_iter()
        .map(|n| {
            let before = total;
            total += n.into_inner();
            before
        })
        .collect();
    (before, total)
}

/// Calls `hit(i, k)` for the k-th true element, which is element `i`.
fn for_each_hit(mask: &[u8], before: &[usize], ns_each: f64, hit: &(impl Fn(usize, usize) + Sync)) {
    let chunks = before.len();
    par::for_range(chunks, par::grain_for(chunks, ns_each * CHUNK as f64), &|range: Range<usize>| {
        for c in range {
            let mut k = before[c];
            let start = c * CHUNK;
            for (i, &b) in mask[start..mask.len().min(start + CHUNK)].iter().enumerate() {
                if b != 0 {
                    hit(start + i, k);
                    k += 1;
                }
            }
        }
    });
}

/// Copies the blocks of `source` at the true elements to `target`, side by side.
///
/// # Safety
/// `source` holds a block of `bytes` for every element of the mask, `target` one for every true one;
/// they do not overlap.
pub unsafe fn pack(mask: &[u8], before: &[usize], bytes: usize, source: *const u8, target: *mut u8) {
    let memory = Memory { source, target };
    // SAFETY: the caller's promise; `i` and `k` count elements and true elements.
    unsafe { move_blocks(mask, before, bytes, memory, |i, k| (i, k)) }
}

/// The inverse of [`pack`]: blocks side by side in `source` go to the true elements of `target`.
///
/// # Safety
/// As for [`pack`], with the roles exchanged.
pub unsafe fn spread(mask: &[u8], before: &[usize], bytes: usize, source: *const u8, target: *mut u8) {
    let memory = Memory { source, target };
    // SAFETY: the caller's promise; `i` and `k` count elements and true elements.
    unsafe { move_blocks(mask, before, bytes, memory, |i, k| (k, i)) }
}

/// Copies block `ends.0` to block `ends.1` for every hit.
///
/// # Safety
/// All those blocks lie within the memory.
unsafe fn move_blocks(
    mask: &[u8],
    before: &[usize],
    bytes: usize,
    memory: Memory,
    ends: impl Fn(usize, usize) -> (usize, usize) + Sync,
) {
    unsafe fn each<T: Copy>(
        mask: &[u8],
        before: &[usize],
        memory: &Memory,
        ends: &(impl Fn(usize, usize) -> (usize, usize) + Sync),
    ) {
        for_each_hit(mask, before, 1.0, &|i, k| {
            let (from, to) = ends(i, k);
            // SAFETY: the caller of `move_blocks` vouches for the blocks.
            unsafe {
                let value = memory.source.cast::<T>().add(from).read_unaligned();
                memory.target.cast::<T>().add(to).write_unaligned(value);
            }
        });
    }
    let memory = &memory; // the whole struct, which is Sync, not its fields
    match bytes {
        // SAFETY: the caller's promise; here and in the next lines.
        1 => unsafe { each::<u8>(mask, before, memory, &ends) },
        2 => unsafe { each::<u16>(mask, before, memory, &ends) },
        4 => unsafe { each::<u32>(mask, before, memory, &ends) },
        // SAFETY: as above.
        8 => unsafe { each::<u64>(mask, before, memory, &ends) },
        _ => for_each_hit(mask, before, 2.0 + bytes as f64 * 0.1, &|i, k| {
            let (from, to) = ends(i, k);
            // SAFETY: the caller's promise.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    memory.source.add(from * bytes),
                    memory.target.add(to * bytes),
                    bytes,
                )
            }
        }),
    }
}

/// Writes the coordinates of the true elements: those of dimension `d` from `columns + d * total`.
///
/// # Safety
/// The mask has the given sizes, in row-major order, and `columns` room for `sizes.len() * total`.
pub unsafe fn coordinates(mask: &[u8], before: &[usize], sizes: &[usize], total: usize, columns: *mut i64) {
    let memory = Memory { source: std::ptr::null(), target: columns.cast() };
    let memory = &memory; // the whole struct, which is Sync, not its fields
    if let [_] = sizes {
        return for_each_hit(mask, before, 1.0, &|i, k| {
            // SAFETY: there is room for every hit.
            unsafe { memory.target.cast::<i64>().add(k).write(i as i64) };
        });
    }
    for_each_hit(mask, before, 3.0, &|i, k| {
        let mut rest = i;
        for (d, &size) in sizes.iter().enumerate().rev() {
            // SAFETY: there is room for every hit in every column.
            unsafe { memory.target.cast::<i64>().add(d * total + k).write((rest % size) as i64) };
            rest /= size;
        }
    });
}

/// Writes one element wherever the mask is true. Operand 0 of the loops is the target, 1 the mask.
///
/// # Safety
/// Both operands must be valid at every offset of the loops; `value` holds one element of T.
pub unsafe fn fill<T: Copy + Send + Sync>(target: *mut u8, mask: *const u8, value: T, loops: &Loops) {
    let memory = Memory { source: mask, target };
    let steps = loops.strides[0];
    let n = loops.numel();
    par::for_range(n, par::grain_for(n, 1.0), &|range| {
        let memory = &memory; // the whole struct, which is Sync, not its fields
        loops.pieces(range, |offsets, n| {
            // SAFETY: the caller vouches for the offsets.
            unsafe {
                let (to, mask) = (memory.target.offset(offsets[0]), memory.source.offset(offsets[1]));
                if steps[0] == size_of::<T>() as isize && steps[1] == 1 {
                    let fill = Fill { to: to.cast::<T>(), mask, value, n };
                    return <f32 as Element>::dispatch(level(), fill);
                }
                for i in 0..n as isize {
                    if *mask.offset(i * steps[1]) != 0 {
                        to.offset(i * steps[0]).cast::<T>().write_unaligned(value);
                    }
                }
            }
        });
    });
}

/// [`fill`] of elements side by side.
struct Fill<T> {
    to: *mut T,
    mask: *const u8,
    value: T,
    n: usize,
}

impl<T: Copy> Kernel<f32> for Fill<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        for i in 0..self.n {
            // Every element is written, so that there is no branch in the loop.
            // SAFETY: the caller of `fill` vouches for n elements of both.
            unsafe {
                let place = self.to.add(i);
                let (chosen, old) = (*self.mask.add(i) != 0, place.read_unaligned());
                let value = std::hint::select_unpredictable(chosen, self.value, old);
                place.write_unaligned(value);
            }
        }
    }
}
