//! Serial stand-in for the thread pool, with its interface.

/// Threads that a region may use.
pub fn num_threads() -> usize {
    1
}

/// Runs `f(i)` for every `i` in `0..chunks`.
pub fn for_each(chunks: usize, f: &(dyn Fn(usize) + Sync)) {
    (0..chunks).for_each(f);
}

/// Runs `f(slot, i)`; two calls at the same time never share a slot below `num_threads()`.
pub fn for_each_slot(chunks: usize, f: &(dyn Fn(usize, usize) + Sync)) {
    (0..chunks).for_each(|i| f(0, i));
}
