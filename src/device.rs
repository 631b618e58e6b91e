//! Where the bytes of tensors are, and where operations put their results.
//!
//! Operations do not ask for a device: while one runs, the thread has a *place*, the device of its
//! arguments, and new tensors are made there. Whatever reads device memory as if it were the host's
//! is stopped by [`refuse`] and becomes an error of the call that did it.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Device {
    #[default]
    Cpu,
    /// An NVIDIA GPU by its number.
    Cuda(u8),
    /// Nowhere: tensors that have sizes and a dtype, and no data. To operations it is a GPU that starts no kernel.
    Meta,
}

impl Device {
    /// Whether operations go the way of GPUs.
    #[inline]
    pub fn is_cuda(self) -> bool {
        self != Device::Cpu
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => write!(f, "cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
            Device::Meta => write!(f, "meta"),
        }
    }
}

/// Whether any device but the CPU was ever used: until then nothing below costs more than a load.
static OTHERS_IN_USE: AtomicBool = AtomicBool::new(false);

thread_local! {
    static PLACE: Cell<Device> = const { Cell::new(Device::Cpu) };
    /// Whether what is made on the CPU is made in page-locked memory.
    static PINNED: Cell<bool> = const { Cell::new(false) };
    /// The last refusal, until somebody made an error of it.
    static REFUSED: Cell<Option<Refusal>> = const { Cell::new(None) };
}

/// Why an operation was ended.
#[derive(Clone, Copy)]
enum Refusal {
    /// It read memory of this device from the host.
    Read(Device),
    /// It gave memory of the host to a kernel of this device.
    Gave(Device),
}

impl Refusal {
    fn error(self) -> Error {
        match self {
            Refusal::Read(device) => Error::NoKernel(device),
            Refusal::Gave(Device::Meta) => {
                Error::Autograd("Tensor on device cpu is not on the expected device meta!".to_owned())
            }
            Refusal::Gave(device) => Error::Autograd(format!(
                "Expected all tensors to be on the same device, but found at least two devices, {device} and cpu!"
            )),
        }
    }
}

#[inline]
pub fn others_in_use() -> bool {
    OTHERS_IN_USE.load(Ordering::Relaxed)
}

/// Where new tensors are made now.
#[inline]
pub fn place() -> Device {
    if others_in_use() { PLACE.get() } else { Device::Cpu }
}

/// Runs `body` with new tensors made on `device`.
#[inline]
pub fn at<R>(device: Device, body: impl FnOnce() -> R) -> R {
    struct Restore(Device);
    impl Drop for Restore {
        fn drop(&mut self) {
            PLACE.set(self.0);
        }
    }
    if !others_in_use() {
        if device == Device::Cpu {
            return body();
        }
        OTHERS_IN_USE.store(true, Ordering::Relaxed);
    }
    let _restore = Restore(PLACE.replace(device));
    body()
}

/// Whether new tensors of the host are made in page-locked memory now; asked where `others_in_use`.
#[inline]
pub fn is_pinning() -> bool {
    PINNED.get()
}

/// Runs `body` with new tensors of the host made in page-locked memory, which GPUs read and write by themselves.
pub fn pinned<R>(body: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            PINNED.set(self.0);
        }
    }
    OTHERS_IN_USE.store(true, Ordering::Relaxed);
    let _restore = Restore(PINNED.replace(true));
    body()
}

/// RuntimeError where no GPU is that could read or write page-locked memory.
pub fn check_pinning() -> Result<()> {
    if crate::cuda::count() == 0 {
        return Err(Error::Device(
            "Cannot access accelerator device when none is available: page-locked memory serves transfers to one"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The error of a refusal that nobody made one of yet.
pub fn take_refused() -> Option<Error> {
    if others_in_use() { REFUSED.take().map(Refusal::error) } else { None }
}

/// Runs `body`, whose reading of memory that is not the host's becomes its error.
#[inline]
pub fn guarded<R>(body: impl FnOnce() -> Result<R>) -> Result<R> {
    if !others_in_use() {
        return body();
    }
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| match payload.downcast::<Error>() {
        Ok(error) => {
            REFUSED.take();
            Err(*error)
        }
        Err(payload) => resume_unwind(payload),
    })
}

/// Ends the operation that reads memory of `device` from the host: it has no kernel there as yet. The
/// error unwinds to the entry point, which knows the operation's name.
#[cold]
#[inline(never)]
pub fn refuse(device: Device) -> ! {
    end(Refusal::Read(device))
}

/// Ends the operation that gives memory of the host to a GPU.
#[cold]
#[inline(never)]
pub fn refuse_host() -> ! {
    end(Refusal::Gave(place()))
}

fn end(refusal: Refusal) -> ! {
    REFUSED.set(Some(refusal));
    resume_unwind(Box::new(refusal.error()))
}
