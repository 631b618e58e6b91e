//! Scratch memory of a call: one block, kept by the calling thread for the next call.

use super::AllocError;
use std::cell::Cell;

/// Blocks above this many floats (32 MB) go back to the system after use.
const KEEP: usize = 8 << 20;

thread_local! {
    static BLOCK: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs `f` over `len` uninitialised floats, aligned to 64 bytes.
pub fn with<R>(len: usize, f: impl FnOnce(*mut f32) -> R) -> Result<R, AllocError> {
    let mut block = BLOCK.take();
    let wanted = len.saturating_add(16);
    if block.capacity() < wanted {
        block = Vec::new();
        block.try_reserve_exact(wanted)?;
    }
    let start = block.as_mut_ptr();
    let r = f(start.wrapping_add(start.align_offset(64).min(16)));
    if block.capacity() <= KEEP {
        BLOCK.set(block);
    }
    Ok(r)
}

/// Rounds up to whole cache lines, plus one, so that neighbours do not share one.
pub fn lines(len: usize) -> usize {
    len.next_multiple_of(16) + 16
}

/// A pointer that the threads of a region share; each writes places of its own.
pub struct Shared<T>(*mut T);

// SAFETY: every use writes only to what its chunk of the region owns.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(p: *mut T) -> Self {
        Shared(p)
    }

    pub fn of(p: *const T) -> Self {
        Shared(p.cast_mut())
    }

    pub fn at(&self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }

    pub fn get(&self) -> *mut T {
        self.0
    }
}
