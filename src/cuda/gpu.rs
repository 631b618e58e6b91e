//! The GPUs of the machine: contexts, streams, memory, kernels. Everything that calls the driver is here,
//! in `copy` and in `graph`.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;

use crate::cuda::allocator::{Allocator, Source, Statistics};
use crate::cuda::bad_index::{self, Note};
use crate::cuda::graph::{Captures, Relaxed};
use crate::cuda::stream::{Stream, Streams};
use crate::cuda::{compile, library};
use crate::device::Device;
use crate::error::{Error, Result};

pub use sys::{CUfunction, CUstream};

/// What the driver reports, as the errors of PyTorch begin.
pub fn driver_error(error: DriverError) -> Error {
    let text = error.error_string().map(|s| s.to_string_lossy().into_owned());
    Error::Device(format!("CUDA error: {}", text.unwrap_or_else(|_| format!("{error:?}"))))
}

/// What is known of a GPU from the start.
#[derive(Debug, Clone)]
pub struct Properties {
    pub name: String,
    /// Compute capability.
    pub major: i32,
    pub minor: i32,
    pub total_memory: u64,
    pub multiprocessors: i32,
    pub threads_per_multiprocessor: i32,
    pub registers_per_multiprocessor: i32,
    pub shared_memory_per_block: i32,
    pub shared_memory_per_multiprocessor: i32,
    pub l2_cache: i32,
    pub clock_khz: i32,
    pub memory_clock_khz: i32,
    pub memory_bus_bits: i32,
}

/// Memory by the driver.
struct Driver {
    context: sys::CUcontext,
}

impl Source for Driver {
    fn allocate(&mut self, bytes: u64) -> Option<u64> {
        enter(self.context).ok()?;
        let _relaxed = Relaxed::enter();
        // SAFETY: the context is current.
        unsafe { result::malloc_sync(usize::try_from(bytes).ok()?) }.ok()
    }
    fn release(&mut self, address: u64) {
        let _relaxed = Relaxed::enter();
        // Freeing waits for the work of all streams, so that nothing uses the memory any more.
        // SAFETY: the context is current; the address came from `allocate` and is released once.
        if enter(self.context).is_ok() {
            let _ = unsafe { result::free_sync(address) };
        }
    }
}

pub struct Gpu {
    pub index: u8,
    context: sys::CUcontext,
    pub properties: Properties,
    architecture: String,
    memory: Mutex<Allocator<Driver>>,
    kernels: RwLock<HashMap<KernelKey, Kernel>>,
    pub(super) streams: Streams,
    pub(super) note: Note,
    pub(super) captures: Captures,
}

// SAFETY: a context may be used from any thread that makes it current; the rest is behind locks.
unsafe impl Send for Gpu {}
// SAFETY: as above.
unsafe impl Sync for Gpu {}

/// A compiled kernel. It is never unloaded.
#[derive(Clone, Copy)]
pub struct Kernel(CUfunction);
// SAFETY: functions may be launched from any thread.
unsafe impl Send for Kernel {}
// SAFETY: as above.
unsafe impl Sync for Kernel {}

/// What a kernel was made of; see `Gpu::kernel`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelKey {
    /// The text it was made from and the names that it reads, in order, by their addresses: both are static.
    pub text: *const u8,
    pub names: *const &'static str,
    /// What else its source depends on: dtypes, widths.
    pub variant: [u8; 12],
}
// SAFETY: the addresses are compared, never read.
unsafe impl Send for KernelKey {}
// SAFETY: as above.
unsafe impl Sync for KernelKey {}

/// Set in the child of a fork: a context does not survive it.
static FORKED: AtomicBool = AtomicBool::new(false);
static GPUS: OnceLock<Vec<Gpu>> = OnceLock::new();

thread_local! {
    static CURRENT_CONTEXT: Cell<sys::CUcontext> = const { Cell::new(std::ptr::null_mut()) };
    /// The stream that work goes to, one a GPU; null is the default stream.
    static STREAMS: Cell<[CUstream; MAX_GPUS]> = const { Cell::new([std::ptr::null_mut(); MAX_GPUS]) };
}

pub const MAX_GPUS: usize = 16;

/// PyTorch's name: with it each tensor has memory of the driver's own, for compute-sanitizer and the like.
const NO_CACHE_VARIABLE: &str = "PYTORCH_NO_CUDA_MEMORY_CACHING";
/// The number of `meta`, which is no GPU's.
pub const META: u8 = u8::MAX;

thread_local! {
    static CURRENT: Cell<u8> = const { Cell::new(0) };
}

/// The GPU that is meant where none is named, in this thread.
pub fn current() -> u8 {
    CURRENT.get()
}

pub fn set_current(index: u8) -> Result<()> {
    CURRENT.set(gpu(index)?.index);
    Ok(())
}

/// How many GPUs there are; 0 also without a driver.
pub fn count() -> usize {
    if !library::driver_is_there() || FORKED.load(Ordering::Relaxed) {
        return GPUS.get().map_or(0, Vec::len);
    }
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| match result::init().and_then(|()| result::device::get_count()) {
        Ok(n) => (n.max(0) as usize).min(MAX_GPUS),
        Err(_) => 0,
    })
}

/// The GPU of that number, made ready at its first use.
pub fn gpu(index: u8) -> Result<&'static Gpu> {
    let n = count();
    if FORKED.load(Ordering::Relaxed) {
        return Err(Error::Device(
            "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the 'spawn' start method".to_owned(),
        ));
    }
    if n == 0 {
        return Err(Error::Device(
            "rustnn has no CUDA device on this machine: tensors can only live on 'cpu' (use torch.cuda.is_available() to check)".to_owned(),
        ));
    }
    if index as usize >= n {
        return Err(Error::Device(format!(
            "CUDA error: invalid device ordinal: cuda:{index} was asked for, and there {} {n}",
            if n == 1 { "is" } else { "are" }
        )));
    }
    if let Some(gpus) = GPUS.get() {
        return Ok(&gpus[index as usize]);
    }
    let mut gpus = Vec::new();
    for i in 0..n {
        gpus.push(Gpu::new(i as u8).map_err(driver_error)?);
    }
    #[cfg(unix)]
    // SAFETY: the handler only sets a flag.
    unsafe {
        extern "C" fn forked() {
            FORKED.store(true, Ordering::Relaxed);
        }
        libc::pthread_atfork(None, None, Some(forked));
    }
    Ok(&GPUS.get_or_init(|| gpus)[index as usize])
}

/// Whether this process was forked from one that had used a GPU.
pub fn is_forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// What stands for a GPU on `meta`: memory without an address, and kernels that are not started.
fn meta() -> &'static Gpu {
    static NOWHERE: OnceLock<Gpu> = OnceLock::new();
    NOWHERE.get_or_init(|| {
        let properties = Properties {
            name: "meta".to_owned(),
            major: 0,
            minor: 0,
            total_memory: 0,
            multiprocessors: 1,
            threads_per_multiprocessor: 1024,
            registers_per_multiprocessor: 0,
            shared_memory_per_block: 48 << 10,
            shared_memory_per_multiprocessor: 0,
            l2_cache: 0,
            clock_khz: 0,
            memory_clock_khz: 0,
            memory_bus_bits: 0,
        };
        Gpu::with(META, std::ptr::null_mut(), properties)
    })
}

/// The GPU that a device is, or what stands for it.
pub fn at(device: Device) -> Result<&'static Gpu> {
    match device {
        Device::Cuda(index) => gpu(index),
        Device::Meta => Ok(meta()),
        Device::Cpu => {
            Err(Error::Autograd("expected a tensor on a CUDA device, and got one on the CPU".to_owned()))
        }
    }
}

/// Whether any GPU was used by this process.
pub fn is_initialized() -> bool {
    GPUS.get().is_some() && !FORKED.load(Ordering::Relaxed)
}

fn enter(context: sys::CUcontext) -> Result<(), DriverError> {
    if CURRENT_CONTEXT.get() != context {
        // SAFETY: a primary context, which lives as long as the process.
        unsafe { result::ctx::set_current(context)? };
        CURRENT_CONTEXT.set(context);
    }
    Ok(())
}

impl Gpu {
    fn new(index: u8) -> Result<Gpu, DriverError> {
        use sys::CUdevice_attribute as A;
        let device = result::device::get(index as c_int)?;
        // SAFETY: the device exists.
        let attribute = |a: A| unsafe { result::device::get_attribute(device, a) };
        let properties = Properties {
            name: result::device::get_name(device)?,
            major: attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            minor: attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
            // SAFETY: the device exists.
            total_memory: unsafe { result::device::total_mem(device)? } as u64,
            multiprocessors: attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            threads_per_multiprocessor: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)?,
            registers_per_multiprocessor: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR)?,
            shared_memory_per_block: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK)?,
            shared_memory_per_multiprocessor: attribute(
                A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
            )?,
            l2_cache: attribute(A::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?,
            clock_khz: attribute(A::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?,
            memory_clock_khz: attribute(A::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?,
            memory_bus_bits: attribute(A::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)?,
        };
        // SAFETY: the device exists; the context is kept for ever.
        let context = unsafe { result::primary_ctx::retain(device)? };
        Ok(Gpu::with(index, context, properties))
    }

    fn with(index: u8, context: sys::CUcontext, properties: Properties) -> Gpu {
        Gpu {
            index,
            context,
            architecture: format!("sm_{}{}", properties.major, properties.minor),
            properties,
            memory: Mutex::new(match std::env::var_os(NO_CACHE_VARIABLE).is_some_and(|v| v != "0") {
                true => Allocator::new(Driver { context }).uncached(),
                false => Allocator::new(Driver { context }),
            }),
            kernels: RwLock::new(HashMap::new()),
            streams: Streams::default(),
            note: Note::default(),
            captures: Captures::default(),
        }
    }

    /// Whether it is what stands for a GPU on `meta`: nothing may be asked of the driver.
    #[inline]
    pub fn is_meta(&self) -> bool {
        self.index == META
    }

    pub fn device(&self) -> Device {
        if self.is_meta() { Device::Meta } else { Device::Cuda(self.index) }
    }

    /// Makes the GPU current for calls of the driver in this thread.
    pub fn enter(&self) -> Result<()> {
        if self.is_meta() {
            return Ok(());
        }
        enter(self.context).map_err(driver_error)
    }

    /// The stream that this thread's work goes to.
    pub fn stream(&self) -> CUstream {
        STREAMS.get().get(self.index as usize).map_or(std::ptr::null_mut(), |stream| *stream)
    }

    /// The same as a `Stream`.
    pub fn current_stream(&self) -> Stream {
        Stream::of_raw(self.stream())
    }

    /// Sends this thread's work to another stream; null is the default one.
    pub fn set_stream(&self, stream: CUstream) {
        let mut streams = STREAMS.get();
        streams[self.index as usize] = stream;
        STREAMS.set(streams);
    }

    fn memory(&self) -> MutexGuard<'_, Allocator<Driver>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn statistics(&self) -> Statistics {
        self.memory().statistics()
    }

    pub fn reset_peaks(&self) {
        self.memory().reset_peaks();
    }

    /// Gives cached memory back; not while a stream is captured, as that waits for all streams.
    pub fn empty_cache(&self) {
        if !self.has_capture() {
            self.memory().empty_cache();
        }
    }

    /// Notes that a graph uses a pool of memory.
    pub(super) fn use_pool(&self, pool: u32) {
        self.memory().use_pool(pool);
    }

    /// Notes that a graph uses a pool of memory no more.
    pub(super) fn leave_pool(&self, pool: u32) {
        self.memory().leave_pool(pool);
    }

    /// Free and total bytes, as the driver sees them.
    pub fn memory_info(&self) -> Result<(usize, usize)> {
        self.enter()?;
        result::mem_get_info().map_err(driver_error)
    }

    /// Waits until all work of all streams is done.
    pub fn synchronize(&self) -> Result<()> {
        self.enter()?;
        self.refuse_capture("synchronize()")?;
        result::ctx::synchronize().map_err(driver_error)?;
        bad_index::check(self)
    }

    /// Waits until the work of this thread's stream is done.
    pub fn synchronize_stream(&self) -> Result<()> {
        if self.is_meta() {
            return Ok(());
        }
        self.enter()?;
        self.refuse_capture("reading a value on the host, or a result whose size depends on values,")?;
        // SAFETY: the stream is one of this context.
        unsafe { result::stream::synchronize(self.stream()) }.map_err(driver_error)?;
        bad_index::check(self)
    }

    /// A block of memory for work in this thread's stream.
    pub fn allocate(&'static self, bytes: usize) -> Result<Memory> {
        if self.is_meta() {
            return Ok(Memory { gpu: self, address: 0 });
        }
        let (stream, pool) = (self.stream() as usize, self.pool());
        let found = self.memory().allocate(bytes as u64, stream, pool);
        match found {
            Ok(address) => Ok(Memory { gpu: self, address }),
            Err(_) => {
                let (free, total) = self.memory_info().unwrap_or_default();
                let held = self.statistics();
                let gib = |b: u64| format!("{:.2} GiB", b as f64 / (1u64 << 30) as f64);
                Err(Error::GpuOutOfMemory(format!(
                    "CUDA out of memory. Tried to allocate {}. GPU {} has a total capacity of {} of which {} is free. Of the allocated memory {} is in use by tensors, and {} is reserved but unused.",
                    gib(bytes as u64),
                    self.index,
                    gib(total as u64),
                    gib(free as u64),
                    gib(held.allocated),
                    gib(held.reserved - held.allocated),
                )))
            }
        }
    }

    /// The kernel `name` of the source that `make` writes, compiled at its first use. `key` stands for it.
    pub fn kernel(
        &self,
        key: KernelKey,
        name: &str,
        make: impl FnOnce() -> Result<String>,
    ) -> Result<Kernel> {
        if self.is_meta() {
            return Ok(Kernel(std::ptr::null_mut()));
        }
        if let Some(kernel) = self.kernels.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(*kernel);
        }
        let code = compile::cubin(&make()?, &self.architecture)?;
        self.enter()?;
        let _relaxed = Relaxed::enter();
        let name = CString::new(name).expect("names of kernels are identifiers");
        // SAFETY: the code is a whole cubin for this GPU, and the module is never unloaded.
        let function = unsafe {
            result::module::load_data(code.as_ptr().cast::<c_void>())
                .and_then(|module| result::module::get_function(module, name))
        };
        let kernel = Kernel(function.map_err(driver_error)?);
        self.kernels.write().unwrap_or_else(PoisonError::into_inner).insert(key, kernel);
        Ok(kernel)
    }

    /// Starts a kernel in this thread's stream.
    ///
    /// # Safety
    /// `arguments` must point to values of the types of the kernel's parameters, in order; the memory that it
    /// reaches must be of this GPU and live until work that is started later in this stream.
    pub unsafe fn launch(
        &self,
        kernel: Kernel,
        grid: [u32; 3],
        block: u32,
        arguments: &mut [*mut c_void],
    ) -> Result<()> {
        if self.is_meta() {
            return Ok(());
        }
        self.enter()?;
        let grid = (grid[0], grid[1], grid[2]);
        // SAFETY: the caller's promise; the context is current.
        unsafe { result::launch_kernel(kernel.0, grid, (block, 1, 1), 0, self.stream(), arguments) }
            .map_err(driver_error)
    }
}

/// A block of a GPU's memory; it goes back to the allocator when it is dropped.
pub struct Memory {
    gpu: &'static Gpu,
    address: u64,
}

impl Memory {
    pub fn address(&self) -> u64 {
        self.address
    }

    pub fn gpu(&self) -> &'static Gpu {
        self.gpu
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // In the child of a fork the lock may be held for ever, and the memory is the parent's.
        if !self.gpu.is_meta() && !FORKED.load(Ordering::Relaxed) {
            self.gpu.memory().free(self.address);
        }
    }
}
