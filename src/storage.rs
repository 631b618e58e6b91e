//! The bytes behind tensors, shared by all their views, with the counter of in-place changes.

use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::alloc::Block;
use crate::cuda::pinned::Pinned;
use crate::cuda::{self, Memory};
use crate::device::{self, Device};
use crate::error::{Error, Result};
use crate::profile;
use crate::shared::arc_in_place;

/// Up to this many bytes live next to the counters, in the same allocation.
const INLINE_BYTES: usize = 64;

/// A shared handle to bytes. Clones see the same bytes and the same version.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    version: AtomicU32,
    bytes: usize,
    /// Where the bytes are; null when they are inline, or not the host's.
    ptr: *mut u8,
    inline: UnsafeCell<MaybeUninit<[u64; INLINE_BYTES / 8]>>,
    owner: Owner,
}

/// Anonymous memory that stays the same memory in processes forked later.
struct SharedMap {
    ptr: *mut u8,
    bytes: usize,
}

impl SharedMap {
    #[cfg(unix)]
    fn new(bytes: usize) -> Result<SharedMap> {
        let bytes = bytes.max(1);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh anonymous mapping; failure is checked.
        let ptr = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0)
        };
        if ptr == libc::MAP_FAILED {
            return Err(Error::OutOfMemory { bytes });
        }
        Ok(SharedMap { ptr: ptr.cast(), bytes })
    }

    #[cfg(not(unix))]
    fn new(_bytes: usize) -> Result<SharedMap> {
        Err(Error::Unsupported("memory can be shared between processes on Unix only".to_owned()))
    }
}

impl Drop for SharedMap {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this very size, and unmapped once.
        #[cfg(unix)]
        unsafe {
            libc::munmap(self.ptr.cast(), self.bytes);
        }
    }
}

/// Who keeps the bytes alive.
enum Owner {
    Inline,
    Block {
        _block: Block,
    },
    /// Memory of a GPU.
    Gpu {
        memory: Memory,
    },
    /// Page-locked memory of the host.
    Pinned {
        memory: Pinned,
    },
    /// Memory that forked processes share.
    Shared {
        _map: SharedMap,
    },
    /// Memory of somebody else, released by dropping the value.
    Foreign {
        shared: bool,
        _keep: Box<dyn Any + Send + Sync>,
    },
    /// Bytes of another storage under a version counter of their own.
    Alias {
        of: Storage,
    },
}

impl Owner {
    /// Whether the bytes come and go with the storage.
    fn has_memory(&self) -> bool {
        !matches!(self, Owner::Foreign { .. } | Owner::Alias { .. })
    }
}

impl Drop for Inner {
    #[inline]
    fn drop(&mut self) {
        if profile::on() && self.owner.has_memory() {
            profile::note_memory(-(self.bytes as i64));
        }
    }
}

// SAFETY: the bytes are plain memory. Tensors hand out pointers to it; that two threads do not write
// one tensor at a time is the caller's duty, as in PyTorch, and can never corrupt the handle itself.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Storage {
    /// Uninitialised bytes, at the present place.
    #[inline]
    pub fn new(bytes: usize) -> Result<Storage> {
        if device::others_in_use() {
            if device::place().is_cuda() {
                let memory = cuda::gpu::at(device::place())?.allocate(bytes)?;
                return Ok(Storage::build(bytes, std::ptr::null_mut(), Owner::Gpu { memory }));
            }
            if device::is_pinning() {
                let memory = Pinned::new(bytes)?;
                return Ok(Storage::build(bytes, memory.as_ptr(), Owner::Pinned { memory }));
            }
        }
        if bytes <= INLINE_BYTES {
            // Without `build`, which an owner reaches through the stack.
            let storage = Storage(arc_in_place!(Inner {
                version: AtomicU32::new(0),
                bytes,
                ptr: std::ptr::null_mut(),
                inline: UnsafeCell::new(MaybeUninit::uninit()),
                owner: Owner::Inline,
            }));
            if profile::on() {
                profile::note_memory(bytes as i64);
            }
            return Ok(storage);
        }
        let block = Block::new(bytes)?;
        Ok(Storage::build(bytes, block.as_ptr(), Owner::Block { _block: block }))
    }

    /// Zeroed bytes that processes forked later see as well, with what either side writes.
    pub fn shared(bytes: usize) -> Result<Storage> {
        let map = SharedMap::new(bytes)?;
        Ok(Storage::build(bytes, map.ptr, Owner::Shared { _map: map }))
    }

    /// Whether other processes may see the same bytes.
    pub fn is_shared(&self) -> bool {
        matches!(self.root().0.owner, Owner::Shared { .. } | Owner::Foreign { shared: true, .. })
    }

    /// How many handles, of tensors and others, hold the bytes.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Bytes that belong to somebody else and stay valid while `keep` lives.
    ///
    /// # Safety
    /// `ptr` must be valid for reads of `bytes` bytes, and for writes wherever a user is let write,
    /// until `keep` is dropped.
    pub unsafe fn foreign(ptr: *mut u8, bytes: usize, keep: Box<dyn Any + Send + Sync>) -> Storage {
        Storage::build(bytes, ptr, Owner::Foreign { shared: false, _keep: keep })
    }

    /// The same of bytes that other processes see as well.
    ///
    /// # Safety
    /// As [`Storage::foreign`].
    pub unsafe fn foreign_shared(ptr: *mut u8, bytes: usize, keep: Box<dyn Any + Send + Sync>) -> Storage {
        Storage::build(bytes, ptr, Owner::Foreign { shared: true, _keep: keep })
    }

    /// The same bytes with a version counter that starts anew: what `Tensor.data` shows.
    pub fn alias(&self) -> Storage {
        let ptr = if self.device().is_cuda() { std::ptr::null_mut() } else { self.ptr() };
        Storage::build(self.bytes(), ptr, Owner::Alias { of: self.clone() })
    }

    fn build(bytes: usize, ptr: *mut u8, owner: Owner) -> Storage {
        if profile::on() && owner.has_memory() {
            profile::note_memory(bytes as i64);
        }
        let inline = UnsafeCell::new(MaybeUninit::uninit());
        Storage(arc_in_place!(Inner { version: AtomicU32::new(0), bytes, ptr, inline, owner }))
    }

    /// Address of the first byte. For memory that is not the host's this does not return: see
    /// `device::refuse`.
    #[inline]
    pub fn ptr(&self) -> *mut u8 {
        if !self.0.ptr.is_null() {
            return self.0.ptr;
        }
        if !matches!(self.0.owner, Owner::Inline) {
            device::refuse(self.device());
        }
        self.0.inline.get().cast()
    }

    #[inline]
    pub fn device(&self) -> Device {
        if !self.0.ptr.is_null() || matches!(self.0.owner, Owner::Inline) {
            return Device::Cpu;
        }
        match &self.root().0.owner {
            Owner::Gpu { memory } => memory.gpu().device(),
            _ => Device::Cpu,
        }
    }

    /// Address of the first byte in a GPU's memory. For memory of the host this does not return: see
    /// `device::refuse_host`.
    pub fn device_address(&self) -> u64 {
        match &self.root().0.owner {
            Owner::Gpu { memory } => memory.address(),
            _ => device::refuse_host(),
        }
    }

    /// The page-locked memory that the bytes are in, if they are.
    pub fn pinned(&self) -> Option<&Pinned> {
        match &self.root().0.owner {
            Owner::Pinned { memory } => Some(memory),
            _ => None,
        }
    }

    #[inline]
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// Whether both are views of the same bytes.
    pub fn same(&self, other: &Storage) -> bool {
        Arc::ptr_eq(&self.root().0, &other.root().0)
    }

    fn root(&self) -> &Storage {
        match &self.0.owner {
            Owner::Alias { of } => of.root(),
            _ => self,
        }
    }

    /// Whether nobody but this handle can reach the bytes.
    pub fn is_unique(&self) -> bool {
        Arc::strong_count(&self.0) == 1
            && matches!(
                self.0.owner,
                Owner::Inline | Owner::Block { .. } | Owner::Gpu { .. } | Owner::Pinned { .. }
            )
    }

    #[inline]
    pub fn version(&self) -> u32 {
        self.0.version.load(Ordering::Relaxed)
    }

    /// To be called by every operation that changes the bytes in place.
    #[inline]
    pub fn bump_version(&self) {
        self.0.version.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_share_bytes_but_not_versions() {
        let a = Storage::new(200).unwrap();
        let b = a.alias();
        assert!(a.same(&b.alias()) && a.ptr() == b.ptr());
        b.bump_version();
        assert_eq!((a.version(), b.version()), (0, 1));
    }

    #[test]
    fn foreign_memory_is_released_once() {
        let keep = Arc::new([0u8; 8]);
        let ptr = keep.as_ptr() as *mut u8;
        // SAFETY: the Arc owns 8 bytes and is kept.
        let s = unsafe { Storage::foreign(ptr, 8, Box::new(keep.clone())) };
        assert_eq!(Arc::strong_count(&keep), 2);
        drop(s);
        assert_eq!(Arc::strong_count(&keep), 1);
    }
}
