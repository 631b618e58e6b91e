//! Scratch memory for kernels: aligned, uninitialised, kept by the thread for the next call.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::marker::PhantomData;

const ALIGN: usize = 64;
const HUGE_PAGE: usize = 2 << 20;
/// From this size on a block is whole huge pages: kernels walk through it with long strides.
const HUGE_FROM: usize = 256 << 10;
/// A thread keeps this many blocks...
const KEPT_BLOCKS: usize = 4;
/// ...and none larger than this.
const KEPT_BYTES: usize = 64 << 20;

thread_local! {
    static KEPT: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Room for elements of type `T`, aligned to a cache line. Goes back to its thread when dropped.
pub struct Scratch<T> {
    block: Option<Block>,
    marker: PhantomData<*mut T>,
}

impl<T: Copy> Scratch<T> {
    /// Room for `len` elements, or `None` if there is no memory.
    pub fn new(len: usize) -> Option<Scratch<T>> {
        let bytes = len.checked_mul(size_of::<T>())?;
        if bytes == 0 {
            return Some(Scratch { block: None, marker: PhantomData });
        }
        let block = Block::kept(bytes).or_else(|| Block::new(bytes))?;
        Some(Scratch { block: Some(block), marker: PhantomData })
    }

    /// Null if there is no room, for no elements.
    pub fn as_ptr(&self) -> *const T {
        self.block.as_ref().map_or(std::ptr::null(), |b| b.ptr.cast_const().cast())
    }

    /// Null if there is no room, for no elements.
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.block.as_ref().map_or(std::ptr::null_mut(), |b| b.ptr.cast())
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        if let Some(block) = self.block.take().filter(|b| b.layout.size() <= KEPT_BYTES) {
            // While the thread ends there may be no list any more: then the block is freed.
            let _ = KEPT.try_with(|kept| {
                let mut kept = kept.borrow_mut();
                if kept.len() == KEPT_BLOCKS {
                    kept.remove(0);
                }
                kept.push(block);
            });
        }
    }
}

struct Block {
    ptr: *mut u8,
    layout: Layout,
}

impl Block {
    /// The smallest block of this thread's that is large enough.
    fn kept(bytes: usize) -> Option<Block> {
        let take = |kept: &RefCell<Vec<Block>>| {
            let mut kept = kept.borrow_mut();
            let fits = kept.iter().enumerate().filter(|(_, b)| b.layout.size() >= bytes);
            let (i, _) = fits.min_by_key(|(_, b)| b.layout.size())?;
            Some(kept.swap_remove(i))
        };
        KEPT.try_with(take).ok().flatten()
    }

    fn new(bytes: usize) -> Option<Block> {
        let align = if bytes >= HUGE_FROM { HUGE_PAGE } else { ALIGN };
        let bytes = bytes.max(1).checked_next_multiple_of(align.max(4096))?;
        let layout = Layout::from_size_align(bytes, align).ok()?;
        // SAFETY: the size is not zero.
        let ptr = unsafe { alloc(layout) };
        if ptr.is_null() {
            return None;
        }
        #[cfg(target_os = "linux")]
        if align == HUGE_PAGE {
            // SAFETY: advice on memory that is ours, whole pages.
            unsafe { libc::madvise(ptr.cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Some(Block { ptr, layout })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.ptr, self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_come_back() {
        let mut first = Scratch::<f32>::new(1000).unwrap();
        let address = first.as_mut_ptr() as usize;
        assert_eq!(address % ALIGN, 0);
        drop(first);
        let mut again = Scratch::<f64>::new(500).unwrap();
        assert_eq!(again.as_mut_ptr() as usize, address);
        let mut other = Scratch::<f64>::new(500).unwrap();
        assert_ne!(other.as_mut_ptr() as usize, address);
        let mut big = Scratch::<u8>::new(3 << 20).unwrap();
        assert_eq!(big.as_mut_ptr() as usize % HUGE_PAGE, 0);
    }

    #[test]
    fn no_memory_is_no_panic() {
        assert!(Scratch::<f64>::new(usize::MAX).is_none());
        assert!(Scratch::<f64>::new(usize::MAX / 16).is_none());
        assert!(Scratch::<u8>::new(0).is_some());
    }
}
