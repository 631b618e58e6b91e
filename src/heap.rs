//! The heap behind what Rust allocates: handles, nodes of the tape, lists. A small operation makes three or
//! four such blocks and frees as many, so each thread keeps freed small blocks and hands them out again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

/// Blocks come in multiples of this many bytes...
const STEP: usize = 32;
/// ...up to this many.
const CLASSES: usize = 16;
const LARGEST: usize = STEP * CLASSES;
/// Bytes that a thread keeps of each size.
const KEEP: usize = 16 << 10;
/// What the system aligns every block to.
const ALIGN: usize = 16;

pub struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

/// A freed block: it holds the address of the next.
struct Freed {
    next: *mut Freed,
}

/// The freed blocks of one size.
struct List {
    first: Cell<*mut Freed>,
    len: Cell<usize>,
}

/// The freed blocks of a thread.
struct Lists([List; CLASSES]);

thread_local! {
    static LISTS: Lists =
        const { Lists([const { List { first: Cell::new(null_mut()), len: Cell::new(0) } }; CLASSES]) };
}

impl List {
    #[inline]
    fn take(&self) -> *mut u8 {
        let block = self.first.get();
        if !block.is_null() {
            // SAFETY: blocks in the list are ours, and large enough for an address.
            self.first.set(unsafe { (*block).next });
            self.len.set(self.len.get() - 1);
        }
        block.cast()
    }

    /// False if there are enough blocks already.
    ///
    /// # Safety
    /// `block` is a block of this size that nobody uses.
    #[inline]
    unsafe fn give(&self, block: *mut u8, size: usize) -> bool {
        if self.len.get() >= KEEP / size {
            return false;
        }
        let block = block.cast::<Freed>();
        // SAFETY: the caller's promise; blocks are aligned to more than an address.
        unsafe { block.write(Freed { next: self.first.get() }) };
        self.first.set(block);
        self.len.set(self.len.get() + 1);
        true
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        for (class, list) in self.0.iter().enumerate() {
            loop {
                let block = list.take();
                if block.is_null() {
                    break;
                }
                // SAFETY: `alloc` got it with this layout.
                unsafe { System.dealloc(block, layout_of(class)) };
            }
        }
    }
}

/// The class of a small layout.
#[inline]
fn class_of(layout: Layout) -> Option<usize> {
    let small = layout.size() <= LARGEST && layout.size() > 0 && layout.align() <= ALIGN;
    small.then(|| (layout.size() - 1) / STEP)
}

/// What blocks of a class are allocated with.
#[inline]
fn layout_of(class: usize) -> Layout {
    // SAFETY: the alignment is a power of two, the size is small.
    unsafe { Layout::from_size_align_unchecked((class + 1) * STEP, ALIGN) }
}

// SAFETY: a block comes from the system with the layout of its class, or else with the layout asked for,
// and goes back with the same; in between it belongs to one owner or to one list.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        // While the thread ends there may be no lists any more.
        let kept = LISTS.try_with(|lists| lists.0[class].take()).unwrap_or(null_mut());
        // SAFETY: the size is not zero.
        if kept.is_null() { unsafe { System.alloc(layout_of(class)) } } else { kept }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(block, layout) };
        };
        let of_class = layout_of(class);
        // SAFETY: the caller gives the block up; it has the size of its class.
        let give = |lists: &Lists| unsafe { lists.0[class].give(block, of_class.size()) };
        if !LISTS.try_with(give).unwrap_or(false) {
            // SAFETY: `alloc` got it with this layout.
            unsafe { System.dealloc(block, of_class) };
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if class_of(layout).is_none() {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: the caller's promise; the block has that size.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: the size does not overflow.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class_of(layout), class_of(new)) {
            // SAFETY: the caller's promise; a block that is not small is the system's as it is.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            (old, target) if old == target => block,
            // SAFETY: the caller's promise; the blocks do not overlap and hold the lesser size.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(block, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_freed_block_is_handed_out_again() {
        let first = Box::new([1u64; 9]);
        let address = &raw const *first as usize;
        drop(first);
        // Another size of the same class.
        let again = Box::new([2u64; 10]);
        assert_eq!(&raw const *again as usize, address);
    }

    #[test]
    fn blocks_grow_and_shrink_through_all_sizes() {
        let mut bytes: Vec<u8> = Vec::new();
        for i in 0..2000 {
            bytes.push(i as u8);
            bytes.shrink_to_fit();
        }
        for len in (0..2000).rev() {
            bytes.truncate(len);
            bytes.shrink_to_fit();
            assert!(bytes.iter().enumerate().all(|(i, &b)| b == i as u8));
        }
    }

    #[test]
    fn blocks_wander_between_threads() {
        let made: Vec<Box<[usize; 5]>> = (0..1000).map(|i| Box::new([i; 5])).collect();
        let made = std::thread::spawn(move || {
            let kept: Vec<_> = made.into_iter().filter(|b| b[0] % 3 == 0).collect();
            kept.into_iter().chain((0..500).map(|i| Box::new([3 * i; 5]))).collect::<Vec<_>>()
        });
        assert!(made.join().unwrap().iter().all(|b| b[0] % 3 == 0 && b.iter().all(|x| *x == b[0])));
    }

    #[test]
    fn zeroed_blocks_are_zero() {
        drop(vec![7u8; 100]);
        assert_eq!(vec![0u8; 100], [0; 100]);
    }
}
