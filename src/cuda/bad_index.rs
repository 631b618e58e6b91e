//! Indices out of range that kernels come upon. A kernel cannot raise; it leaves the index out and notes the
//! first one in memory of the host, which is looked at whenever the host waits for the GPU.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use cudarc::driver::result;

use crate::cuda::gpu::{Gpu, driver_error};
use crate::cuda::graph::Relaxed;
use crate::error::{Error, Result};

/// As `rn::BadIndex` has it.
#[repr(C)]
struct BadIndex {
    /// 0: none; 1: being written; 2: there.
    found: AtomicI32,
    operation: c_int,
    index: i64,
    size: i64,
    dim: c_int,
    unused: c_int,
}

/// A GPU's note, in memory that it and the host see; never freed.
#[derive(Default)]
pub struct Note(Mutex<Option<usize>>);

/// Names of operations, by the numbers that kernels know them by.
static OPERATIONS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Where a kernel notes an index, and the number of the operation.
pub fn slot(gpu: &Gpu, operation: &'static str) -> Result<(u64, c_int)> {
    if gpu.is_meta() {
        return Ok((0, 0));
    }
    let mut note = gpu.note.0.lock().unwrap_or_else(PoisonError::into_inner);
    let address = match *note {
        Some(address) => address,
        None => {
            gpu.enter()?;
            let _relaxed = Relaxed::enter();
            // Memory that the GPU may write to, at the same address.
            let flags = cudarc::driver::sys::CU_MEMHOSTALLOC_DEVICEMAP
                | cudarc::driver::sys::CU_MEMHOSTALLOC_PORTABLE;
            // SAFETY: the context is current.
            let memory =
                unsafe { result::malloc_host(size_of::<BadIndex>(), flags) }.map_err(driver_error)?;
            // SAFETY: fresh memory of that size.
            unsafe { std::ptr::write_bytes(memory.cast::<u8>(), 0, size_of::<BadIndex>()) };
            *note = Some(memory as usize);
            memory as usize
        }
    };
    let mut names = OPERATIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = names.iter().position(|n| *n == operation).unwrap_or_else(|| {
        names.push(operation);
        names.len() - 1
    });
    Ok((address as u64, number as c_int))
}

/// The error of an index that was noted since the last look. All work that may note one is done.
pub fn check(gpu: &Gpu) -> Result<()> {
    let Some(address) = *gpu.note.0.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(()) };
    // SAFETY: the memory is never freed; what is not atomic is written before `found` becomes 2.
    let note = unsafe { &*(address as *const BadIndex) };
    if note.found.load(Ordering::Acquire) != 2 {
        return Ok(());
    }
    let names = OPERATIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let name = names.get(note.operation as usize).copied().unwrap_or("an operation");
    let error = Error::Index(format!(
        "{name}: index {} is out of bounds for dimension {} with size {} (on cuda:{})",
        note.index, note.dim, note.size, gpu.index
    ));
    note.found.store(0, Ordering::Release);
    Err(error)
}
