//! Page-locked memory of the host: GPUs read and write it by themselves, while the host goes on. Locking pages is
//! slow, so blocks are kept for reuse; a block is given away again when the streams that it was used in have come
//! past that use.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use cudarc::driver::result;
use cudarc::driver::sys::{CU_MEMHOSTALLOC_DEVICEMAP, CU_MEMHOSTALLOC_PORTABLE};
use smallvec::SmallVec;

use crate::cuda::gpu::{self, driver_error};
use crate::cuda::graph::Relaxed;
use crate::cuda::stream::{Event, Stream};
use crate::error::Result;

/// A block of page-locked memory; it goes back to the cache when it is dropped.
pub struct Pinned {
    address: usize,
    /// A power of two.
    bytes: usize,
    uses: Mutex<Uses>,
}

/// The streams in which a block was used.
type Uses = SmallVec<[(u8, Stream); 1]>;

/// What is left of a use: a mark behind it, or the stream that takes none while it is captured.
enum Wait {
    For(Event),
    In(u8, Stream),
}

/// Blocks that nobody holds.
struct Cache {
    /// By size.
    free: BTreeMap<usize, Vec<usize>>,
    /// Those whose last uses may not be over.
    used: Vec<(usize, usize, SmallVec<[Wait; 1]>)>,
}

static CACHE: Mutex<Cache> = Mutex::new(Cache { free: BTreeMap::new(), used: Vec::new() });

/// Smaller requests get so many bytes.
const LEAST: usize = 512;

impl Pinned {
    /// Uninitialised memory. RuntimeError without a GPU.
    pub fn new(bytes: usize) -> Result<Pinned> {
        let gpu = gpu::gpu(gpu::current())?;
        gpu.enter()?;
        let bytes = bytes.max(LEAST).checked_next_power_of_two().unwrap_or(usize::MAX);
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        cache.collect();
        let address = match cache.free.get_mut(&bytes).and_then(Vec::pop) {
            Some(address) => address,
            None => match lock_pages(bytes) {
                Ok(address) => address,
                Err(_) => {
                    cache.release();
                    lock_pages(bytes)?
                }
            },
        };
        Ok(Pinned { address, bytes, uses: Mutex::default() })
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.address as *mut u8
    }

    /// Notes that a stream was given work that reads or writes the block.
    pub fn note_use(&self, gpu: u8, stream: Stream) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if !uses.contains(&(gpu, stream)) {
            uses.push((gpu, stream));
        }
    }
}

fn lock_pages(bytes: usize) -> Result<usize> {
    let _relaxed = Relaxed::enter();
    // SAFETY: the caller made a context current.
    let memory = unsafe { result::malloc_host(bytes, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP) };
    memory.map(|address| address as usize).map_err(driver_error)
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // In the child of a fork the lock may be held for ever, and the memory is the parent's.
        if gpu::is_forked() {
            return;
        }
        let uses = std::mem::take(self.uses.get_mut().unwrap_or_else(PoisonError::into_inner));
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.is_empty() {
            cache.free.entry(self.bytes).or_default().push(self.address);
        } else {
            let waits = uses.into_iter().map(|(gpu, stream)| Wait::In(gpu, stream).marked()).collect();
            cache.used.push((self.bytes, self.address, waits));
        }
    }
}

impl Wait {
    /// A mark, as soon as the stream takes one.
    fn marked(self) -> Wait {
        let Wait::In(index, stream) = self else { return self };
        let mark = || {
            let gpu = gpu::gpu(index).ok()?;
            if gpu.capture_of(stream.raw()).is_some() {
                return None;
            }
            let event = Event::new(gpu, false).ok()?;
            event.record(stream).ok()?;
            Some(event)
        };
        mark().map_or(Wait::In(index, stream), Wait::For)
    }

    fn is_over(&self) -> bool {
        matches!(self, Wait::For(event) if event.is_done().unwrap_or(false))
    }
}

impl Cache {
    /// Frees the blocks whose uses are over.
    fn collect(&mut self) {
        if self.used.is_empty() {
            return;
        }
        let _relaxed = Relaxed::enter();
        for (bytes, address, waits) in std::mem::take(&mut self.used) {
            let left: SmallVec<[Wait; 1]> =
                waits.into_iter().map(Wait::marked).filter(|wait| !wait.is_over()).collect();
            if left.is_empty() {
                self.free.entry(bytes).or_default().push(address);
            } else {
                self.used.push((bytes, address, left));
            }
        }
    }

    /// Gives free blocks back to the system.
    fn release(&mut self) {
        let _relaxed = Relaxed::enter();
        for address in std::mem::take(&mut self.free).into_values().flatten() {
            // SAFETY: the memory came from `lock_pages`, and nobody uses it any more.
            let _ = unsafe { result::free_host(address as *mut c_void) };
        }
    }
}

/// Gives page-locked memory that is kept for reuse back to the system.
pub fn empty_cache() {
    if gpu::is_initialized() {
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        cache.collect();
        cache.release();
    }
}
