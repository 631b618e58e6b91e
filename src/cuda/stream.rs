//! Streams: orders of work on a GPU; and events: marks in them.
//!
//! A GPU has a few streams that are given out in turn and never destroyed, as in PyTorch: memory that the
//! allocator keeps for a stream stays good.

use std::sync::{Mutex, PoisonError};

use cudarc::driver::result::{self, event, stream};
use cudarc::driver::sys::{self, CUevent, CUevent_flags, CUstream};

use crate::bail;
use crate::cuda::bad_index;
use crate::cuda::gpu::{Gpu, driver_error};
use crate::error::Result;

/// A stream of some GPU. It lives as long as the process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stream(CUstream);

// SAFETY: streams may be used from any thread.
unsafe impl Send for Stream {}

impl Stream {
    /// Of what `Gpu::stream` gives.
    pub(super) fn of_raw(raw: CUstream) -> Stream {
        Stream(raw)
    }

    pub fn raw(self) -> CUstream {
        self.0
    }
}

/// Streams of a GPU besides its default one.
const POOL: usize = 32;

/// What a GPU has given out.
#[derive(Default)]
pub struct Streams(Mutex<Given>);

#[derive(Default)]
struct Given {
    handles: Vec<usize>,
    next: usize,
}

impl Gpu {
    /// One of the GPU's streams, as a number.
    pub fn new_stream(&self) -> Result<usize> {
        self.enter()?;
        let mut given = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if given.handles.len() < POOL {
            let made = stream::create(stream::StreamKind::NonBlocking).map_err(driver_error)?;
            given.handles.push(made as usize);
            return Ok(made as usize);
        }
        given.next = (given.next + 1) % POOL;
        Ok(given.handles[given.next])
    }

    /// The stream of a number; 0 is the default one.
    pub fn stream_of(&self, handle: usize) -> Result<Stream> {
        let given = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if handle != 0 && !given.handles.contains(&handle) {
            bail!(Device, "cuda:{} has no stream {handle:#x}", self.index);
        }
        Ok(Stream(handle as CUstream))
    }

    /// Whether all work of a stream is done.
    pub fn is_idle(&self, stream: Stream) -> Result<bool> {
        self.enter()?;
        self.refuse_captured(stream, "query()")?;
        // SAFETY: a stream of this GPU, which lives for ever.
        done(unsafe { sys::cuStreamQuery(stream.0) }.result())
    }

    /// Waits until all work of a stream is done.
    pub fn wait_for(&self, stream: Stream) -> Result<()> {
        self.enter()?;
        self.refuse_captured(stream, "synchronize()")?;
        // SAFETY: a stream of this GPU, which lives for ever.
        unsafe { stream::synchronize(stream.0) }.map_err(driver_error)?;
        bad_index::check(self)
    }
}

fn done(answer: Result<(), result::DriverError>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(result::DriverError(sys::CUresult::CUDA_ERROR_NOT_READY)) => Ok(false),
        Err(error) => Err(driver_error(error)),
    }
}

/// A mark in a stream.
pub struct Event {
    gpu: &'static Gpu,
    raw: CUevent,
    timed: bool,
}

// SAFETY: events may be used from any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    pub fn new(gpu: &'static Gpu, timed: bool) -> Result<Event> {
        gpu.enter()?;
        let flags =
            if timed { CUevent_flags::CU_EVENT_DEFAULT } else { CUevent_flags::CU_EVENT_DISABLE_TIMING };
        Ok(Event { gpu, raw: event::create(flags).map_err(driver_error)?, timed })
    }

    /// Puts the mark behind the work that the stream has now.
    pub fn record(&self, stream: Stream) -> Result<()> {
        self.gpu.enter()?;
        // SAFETY: both are alive and of this GPU.
        unsafe { event::record(self.raw, stream.0) }.map_err(driver_error)
    }

    /// Lets a stream's later work wait for the mark.
    pub fn hold(&self, stream: Stream) -> Result<()> {
        self.gpu.enter()?;
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both are alive and of this GPU.
        unsafe { stream::wait_event(stream.0, self.raw, flags) }.map_err(driver_error)
    }

    /// Whether the work before the mark is done.
    pub fn is_done(&self) -> Result<bool> {
        self.gpu.enter()?;
        // SAFETY: the event is alive.
        done(unsafe { event::query(self.raw) })
    }

    pub fn synchronize(&self) -> Result<()> {
        self.gpu.enter()?;
        // SAFETY: the event is alive.
        unsafe { event::synchronize(self.raw) }.map_err(driver_error)
    }

    /// Milliseconds from this mark to a later one.
    pub fn elapsed(&self, end: &Event) -> Result<f32> {
        if !self.timed || !end.timed {
            bail!(Value, "Both events must be created with argument 'enable_timing=True'.");
        }
        self.gpu.enter()?;
        // SAFETY: both are alive.
        unsafe { event::elapsed(self.raw, end.raw) }.map_err(driver_error)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.gpu.enter().is_ok() {
            // SAFETY: made in `new`, destroyed once.
            let _ = unsafe { event::destroy(self.raw) };
        }
    }
}
