//! Memory for CPU tensors. Freed blocks are kept and handed out again, because fresh pages cost more
//! than most operations: small ones in lists of the thread, large ones in a shared list with a byte
//! cap. A block that cannot be had is an error, never an abort.

use std::alloc::Layout as BlockLayout;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::fork::Section;

/// Alignment of every block: a cache line, and the widest vector.
const ALIGN: usize = 64;
/// Blocks up to this size live in lists of the thread.
const SMALL_MAX: usize = 64 << 10;
/// Bytes that one size class of a thread may hold back.
const SMALL_KEEP: usize = 256 << 10;
/// Bytes that the shared list of large blocks may hold back.
const LARGE_KEEP: usize = 1 << 30;
/// From this size on, blocks are aligned to huge pages and ask the kernel for them.
const HUGE: usize = 2 << 20;

/// An empty vector with room for `n` elements.
pub fn vec_for<T>(n: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    match values.try_reserve_exact(n) {
        Ok(()) => Ok(values),
        Err(_) => Err(Error::OutOfMemory { bytes: n.saturating_mul(size_of::<T>()) }),
    }
}

/// An owned block of bytes. Its content is whatever it was.
#[derive(Debug)]
pub struct Block {
    ptr: NonNull<u8>,
    capacity: usize,
}

// SAFETY: a block is plain memory with one owner.
unsafe impl Send for Block {}
// SAFETY: as above; sharing a `&Block` only exposes its address.
unsafe impl Sync for Block {}

impl Block {
    /// At least `bytes` bytes, uninitialised.
    pub fn new(bytes: usize) -> Result<Block> {
        let capacity = class_size(bytes).ok_or(Error::OutOfMemory { bytes })?;
        match take_cached(capacity) {
            Some(ptr) => Ok(Block { ptr, capacity }),
            None => Block::fresh(capacity).ok_or(Error::OutOfMemory { bytes }),
        }
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    fn fresh(capacity: usize) -> Option<Block> {
        let align = if capacity >= HUGE { HUGE } else { ALIGN };
        let layout = BlockLayout::from_size_align(capacity, align).ok()?;
        // SAFETY: the layout has a non-zero size.
        let ptr = NonNull::new(unsafe { std::alloc::alloc(layout) })?;
        #[cfg(target_os = "linux")]
        if capacity >= HUGE {
            // SAFETY: advice about memory we own; failure changes nothing.
            unsafe { libc::madvise(ptr.as_ptr().cast(), capacity, libc::MADV_HUGEPAGE) };
        }
        Some(Block { ptr, capacity })
    }

    fn release(ptr: NonNull<u8>, capacity: usize) {
        let align = if capacity >= HUGE { HUGE } else { ALIGN };
        // SAFETY: the block was allocated by `fresh` with this very layout.
        unsafe {
            std::alloc::dealloc(ptr.as_ptr(), BlockLayout::from_size_align_unchecked(capacity, align));
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !give_cached(self.ptr, self.capacity) {
            Block::release(self.ptr, self.capacity);
        }
    }
}

/// Rounds up to a size class: powers of two and their quarters, whole huge pages above those.
fn class_size(bytes: usize) -> Option<usize> {
    let bytes = bytes.max(ALIGN);
    if bytes > HUGE {
        return bytes.checked_next_multiple_of(HUGE).filter(|&b| b <= isize::MAX as usize - HUGE);
    }
    let quarter = (bytes.next_power_of_two() / 8).max(ALIGN);
    Some(bytes.next_multiple_of(quarter))
}

/// Index of a small class in the thread's table; classes are multiples of `ALIGN`.
fn class_index(capacity: usize) -> usize {
    let power = capacity.next_power_of_two();
    let quarter = (power / 8).max(ALIGN);
    power.trailing_zeros() as usize * 8 + capacity / quarter % 8
}

/// Freed blocks of one thread, by class.
#[derive(Default)]
struct SmallCache {
    classes: Vec<(usize, Vec<NonNull<u8>>)>,
}

impl Drop for SmallCache {
    fn drop(&mut self) {
        for (capacity, list) in &self.classes {
            list.iter().for_each(|&ptr| Block::release(ptr, *capacity));
        }
    }
}

/// Freed large blocks of all threads, oldest first.
struct LargeCache {
    blocks: Vec<Block>,
    bytes: usize,
}

thread_local! {
    static SMALL: RefCell<SmallCache> = RefCell::default();
}
static LARGE: Mutex<LargeCache> = Mutex::new(LargeCache { blocks: Vec::new(), bytes: 0 });

fn take_cached(capacity: usize) -> Option<NonNull<u8>> {
    if capacity <= SMALL_MAX {
        let take =
            |cache: &RefCell<SmallCache>| cache.borrow_mut().classes.get_mut(class_index(capacity))?.1.pop();
        return SMALL.try_with(take).ok()?;
    }
    let _section = Section::begin();
    let mut cache = LARGE.lock().ok()?;
    let at = cache.blocks.iter().rposition(|b| b.capacity == capacity)?;
    cache.bytes -= capacity;
    let block = std::mem::ManuallyDrop::new(cache.blocks.remove(at));
    Some(block.ptr)
}

/// Keeps a block for later; false if it has to be freed.
fn give_cached(ptr: NonNull<u8>, capacity: usize) -> bool {
    if capacity <= SMALL_MAX {
        let give = |cache: &RefCell<SmallCache>| {
            let classes = &mut cache.borrow_mut().classes;
            let index = class_index(capacity);
            if classes.len() <= index {
                classes.resize_with(index + 1, || (0, Vec::new()));
            }
            let (size, list) = &mut classes[index];
            *size = capacity;
            if list.len() * capacity >= SMALL_KEEP {
                return false;
            }
            list.push(ptr);
            true
        };
        return SMALL.try_with(give).unwrap_or(false);
    }
    if capacity > LARGE_KEEP / 2 {
        return false;
    }
    let _section = Section::begin();
    let Ok(mut cache) = LARGE.lock() else { return false };
    cache.bytes += capacity;
    cache.blocks.push(Block { ptr, capacity });
    let mut evicted = Vec::new();
    while cache.bytes > LARGE_KEEP {
        let block = std::mem::ManuallyDrop::new(cache.blocks.remove(0));
        cache.bytes -= block.capacity;
        evicted.push((block.ptr, block.capacity));
    }
    drop(cache);
    evicted.into_iter().for_each(|(ptr, capacity)| Block::release(ptr, capacity));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_distinct_and_hold_what_was_asked() {
        let mut seen = std::collections::HashMap::new();
        for bytes in 1..=SMALL_MAX {
            let size = class_size(bytes).unwrap();
            assert!(size >= bytes && size <= bytes.max(ALIGN) * 2);
            assert_eq!(*seen.entry(class_index(size)).or_insert(size), size, "{bytes}");
        }
    }

    #[test]
    fn blocks_are_reused() {
        for bytes in [100, 40_000, 3 << 20] {
            let first = Block::new(bytes).unwrap();
            let address = first.as_ptr();
            drop(first);
            assert_eq!(Block::new(bytes).unwrap().as_ptr(), address);
        }
    }

    #[test]
    fn absurd_sizes_are_errors() {
        assert_eq!(Block::new(usize::MAX).unwrap_err(), Error::OutOfMemory { bytes: usize::MAX });
        assert!(Block::new(1 << 60).is_err());
    }
}
