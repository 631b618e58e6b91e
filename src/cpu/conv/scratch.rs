//! What the threads of a call share: scratch memory and pointers.

use super::AllocError;
use crate::cpu::scratch::Scratch;

/// Runs `f` over `len` uninitialised floats, aligned to a cache line.
pub fn with<R>(len: usize, f: impl FnOnce(*mut f32) -> R) -> Result<R, AllocError> {
    let error = AllocError { bytes: len.saturating_mul(size_of::<f32>()) };
    let mut scratch = Scratch::<f32>::new(len).ok_or(error)?;
    Ok(f(scratch.as_mut_ptr()))
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
