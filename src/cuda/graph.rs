//! CUDA graphs: the work of a stream is recorded once, and then replayed as a whole, with the same addresses.
//!
//! What is allocated while a stream is captured comes from a private pool, so that the addresses stay the graph's
//! own. Random numbers are drawn from a place that lies in memory of the GPU, and is written before each replay.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use cudarc::driver::result;
use cudarc::driver::sys::{self, CUgraph, CUgraphExec, CUstream, CUstreamCaptureMode, CUstreamCaptureStatus};

use crate::bail;
use crate::cuda::gpu::{self, Gpu, Memory, driver_error};
use crate::cuda::stream::Stream;
use crate::error::{Error, Result};
use crate::random::{self, Capture as RandomCapture, Philox};
use crate::storage::Storage;

/// Captures that are under way in this process, on any GPU.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// While it lives, calls of this thread that a capture elsewhere forbids by default are allowed: allocations and
/// loading of kernels, which do not disturb it.
pub struct Relaxed(Option<CUstreamCaptureMode>);

impl Relaxed {
    pub fn enter() -> Relaxed {
        if UNDER_WAY.load(Ordering::Relaxed) == 0 {
            return Relaxed(None);
        }
        Relaxed(Some(exchange_mode(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED)))
    }
}

impl Drop for Relaxed {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            exchange_mode(before);
        }
    }
}

fn exchange_mode(mut mode: CUstreamCaptureMode) -> CUstreamCaptureMode {
    // SAFETY: the driver is loaded, as there is a capture. An error leaves the mode as it is.
    let _ = unsafe { sys::cuThreadExchangeStreamCaptureMode(&raw mut mode) };
    mode
}

/// The captures of a GPU that are under way.
#[derive(Default)]
pub struct Captures(Mutex<Vec<Capture>>);

struct Capture {
    /// The driver's number.
    id: u64,
    /// Where memory comes from.
    pool: u32,
    /// Memory of the host that the graph will read or write.
    kept: Vec<Storage>,
}

impl Gpu {
    /// The number of the capture that a stream is in.
    #[allow(clippy::not_unsafe_ptr_arg_deref)] // a handle, which is only handed to the driver
    pub fn capture_of(&self, stream: CUstream) -> Option<u64> {
        if UNDER_WAY.load(Ordering::Relaxed) == 0 || self.enter().is_err() {
            return None;
        }
        let mut status = CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
        let (mut id, null) = (0, std::ptr::null_mut());
        // SAFETY: a stream of this GPU, which lives for ever.
        let answer = unsafe {
            sys::cuStreamGetCaptureInfo_v3(
                stream,
                &raw mut status,
                &raw mut id,
                null,
                null.cast(),
                null.cast(),
                null.cast(),
            )
        };
        let captured = status != CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
        (answer.result().is_ok() && captured).then_some(id)
    }

    /// Whether this thread's work is recorded and not done.
    pub fn is_capturing(&self) -> bool {
        self.capture_of(self.stream()).is_some()
    }

    /// RuntimeError if this thread's work is recorded: `what` would wait for it.
    pub fn refuse_capture(&self, what: &str) -> Result<()> {
        self.refuse_captured(self.current_stream(), what)
    }

    /// RuntimeError if a stream's work is recorded: `what` would wait for it.
    pub fn refuse_captured(&self, stream: Stream, what: &str) -> Result<()> {
        if self.capture_of(stream.raw()).is_some() {
            bail!(
                Device,
                "CUDA error: operation not permitted when stream is capturing: {what} would wait for work that a graph only records"
            );
        }
        Ok(())
    }

    /// The pool for memory of this thread's work: 0 is the common one.
    pub(super) fn pool(&self) -> u32 {
        let Some(id) = self.capture_of(self.stream()) else { return 0 };
        self.with_capture(id, |capture| capture.pool).unwrap_or(0)
    }

    fn with_capture<R>(&self, id: u64, body: impl FnOnce(&mut Capture) -> R) -> Option<R> {
        let mut captures = self.captures.0.lock().unwrap_or_else(PoisonError::into_inner);
        captures.iter_mut().find(|c| c.id == id).map(body)
    }

    /// Keeps memory of the host for as long as the graph that this thread's work is recorded in; whether there is one.
    pub fn keep_for_graph(&self, storage: &Storage) -> bool {
        let Some(id) = self.capture_of(self.stream()) else { return false };
        self.with_capture(id, |capture| capture.kept.push(storage.clone())).is_some()
    }

    /// Whether any stream of the GPU is captured.
    pub fn has_capture(&self) -> bool {
        !self.captures.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// A number for a pool of memory that graphs may share.
pub fn new_pool() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A stream of random numbers that a graph draws from.
struct Draws {
    from: random::Stream<Philox>,
    /// Seed and offset of a replay.
    place: Memory,
    /// How many numbers a thread takes in a replay.
    count: u64,
}

#[derive(PartialEq)]
enum Stage {
    Empty,
    Capturing(u64),
    Captured,
}

/// A graph: empty, being captured, or captured.
pub struct Graph {
    stage: Stage,
    gpu: Option<&'static Gpu>,
    /// The stream that is captured.
    stream: CUstream,
    pool: u32,
    /// Whether the driver's graph is kept beside what can be launched.
    keep_graph: bool,
    graph: CUgraph,
    launchable: CUgraphExec,
    registered: Vec<random::Stream<Philox>>,
    draws: Vec<Draws>,
    kept: Vec<Storage>,
}

// SAFETY: graphs may be used from any thread, one at a time.
unsafe impl Send for Graph {}

impl Graph {
    pub fn new(keep_graph: bool) -> Graph {
        Graph {
            stage: Stage::Empty,
            gpu: None,
            stream: std::ptr::null_mut(),
            pool: 0,
            keep_graph,
            graph: std::ptr::null_mut(),
            launchable: std::ptr::null_mut(),
            registered: Vec::new(),
            draws: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Lets the graph draw from a generator besides the default one of its GPU.
    pub fn register(&mut self, generator: random::Stream<Philox>) {
        if !self.registered.iter().any(|own| own.same(&generator)) {
            self.registered.push(generator);
        }
    }

    /// Records the work of this thread's stream of the current GPU from here on.
    pub fn begin(&mut self, pool: Option<u32>, mode: CUstreamCaptureMode) -> Result<()> {
        if self.stage != Stage::Empty {
            bail!(
                Autograd,
                "This CUDAGraph instance already owns a captured graph. To capture a new graph, create a new instance."
            );
        }
        let gpu = gpu::gpu(gpu::current())?;
        let stream = gpu.stream();
        if stream.is_null() {
            bail!(
                Autograd,
                "CUDA graphs must be captured on a non-default stream. (However, after capture, it's ok to replay them on the default stream.)"
            );
        }
        if gpu.is_capturing() {
            bail!(Autograd, "the stream is being captured already, into another graph");
        }
        let mut sources = vec![random::GPUS[gpu.index as usize].clone()];
        sources
            .extend(self.registered.iter().filter(|s| !s.same(&random::GPUS[gpu.index as usize])).cloned());
        for source in sources {
            let place = gpu.allocate(16)?;
            let free = source.with(|philox| {
                let free = philox.capture.is_none();
                if free {
                    philox.capture = Some(RandomCapture { address: place.address(), used: 0 });
                }
                free
            });
            if !free {
                self.end_draws();
                bail!(Autograd, "a generator is in use by the capture of another graph");
            }
            self.draws.push(Draws { from: source, place, count: 0 });
        }
        gpu.enter()?;
        // SAFETY: a stream of this GPU, which lives for ever.
        if let Err(error) = unsafe { result::stream::begin_capture(stream, mode) } {
            self.end_draws();
            return Err(driver_error(error));
        }
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        let id = gpu.capture_of(stream).unwrap_or_default();
        self.pool = pool.unwrap_or_else(new_pool);
        gpu.use_pool(self.pool);
        let capture = Capture { id, pool: self.pool, kept: Vec::new() };
        gpu.captures.0.lock().unwrap_or_else(PoisonError::into_inner).push(capture);
        (self.gpu, self.stream, self.stage) = (Some(gpu), stream, Stage::Capturing(id));
        Ok(())
    }

    /// Ends the recording. After an error the graph is empty.
    pub fn end(&mut self) -> Result<()> {
        let (Stage::Capturing(_), Some(gpu)) = (&self.stage, self.gpu) else {
            bail!(Autograd, "capture_end() was called on a graph that is not being captured");
        };
        if gpu.stream() != self.stream {
            bail!(Autograd, "Capture must end on the same stream it began on.");
        }
        self.stop()?;
        if self.graph.is_null() {
            self.reset();
            bail!(Device, "CUDA error: the capture of a graph has failed");
        }
        if !self.keep_graph {
            self.instantiate()?;
        }
        Ok(())
    }

    /// Ends the recording and forgets what was recorded: something went wrong meanwhile.
    pub fn abandon(&mut self) {
        if matches!(self.stage, Stage::Capturing(_)) {
            let _ = self.stop();
            self.reset();
        }
    }

    /// Ends the driver's recording, whatever became of it.
    fn stop(&mut self) -> Result<()> {
        let (Stage::Capturing(id), Some(gpu)) = (&self.stage, self.gpu) else { return Ok(()) };
        let id = *id;
        gpu.enter()?;
        // SAFETY: the stream is of this GPU, and being captured.
        let ended = unsafe { result::stream::end_capture(self.stream) };
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        let mut captures = gpu.captures.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = captures.iter().position(|c| c.id == id) {
            self.kept = captures.swap_remove(at).kept;
        }
        drop(captures);
        self.end_draws();
        self.stage = Stage::Captured;
        match ended {
            Ok(graph) => {
                self.graph = graph;
                Ok(())
            }
            Err(error) => {
                self.reset();
                Err(driver_error(error))
            }
        }
    }

    /// Gives the generators back to whoever draws at once.
    fn end_draws(&mut self) {
        for draws in &mut self.draws {
            draws.count = draws.from.with(|philox| philox.capture.take().map_or(0, |capture| capture.used));
        }
    }

    /// How many nodes were recorded; 0 also when the graph is not kept.
    pub fn nodes(&self) -> usize {
        let mut count = 0;
        if !self.graph.is_null() {
            // SAFETY: the graph is alive; only the number is asked for.
            let _ = unsafe { sys::cuGraphGetNodes(self.graph, std::ptr::null_mut(), &raw mut count) };
        }
        count
    }

    /// Makes what was recorded ready to be launched.
    pub fn instantiate(&mut self) -> Result<()> {
        let (Some(gpu), false) = (self.gpu, self.graph.is_null()) else {
            bail!(Autograd, "instantiate() needs a graph that was captured with keep_graph=True");
        };
        gpu.enter()?;
        self.destroy_launchable();
        // SAFETY: the graph is alive.
        let made = unsafe { sys::cuGraphInstantiateWithFlags(&raw mut self.launchable, self.graph, 0) };
        if let Err(error) = made.result() {
            self.launchable = std::ptr::null_mut();
            self.reset();
            return Err(driver_error(error));
        }
        Ok(())
    }

    /// Forgets the driver's graph, of which there is a launchable copy.
    pub fn forget_graph(&mut self) {
        if !self.keep_graph && !self.graph.is_null() {
            // SAFETY: made by the capture, destroyed once.
            let _ = unsafe { result::graph::destroy(self.graph) };
            self.graph = std::ptr::null_mut();
        }
    }

    /// Does all that was recorded, in this thread's stream.
    pub fn replay(&mut self) -> Result<()> {
        let (Stage::Captured, Some(gpu)) = (&self.stage, self.gpu) else {
            bail!(Autograd, "Called CUDAGraph::replay without a preceding successful capture.");
        };
        if self.launchable.is_null() {
            self.instantiate()?;
        }
        gpu.refuse_capture("the replay of a graph")?;
        let stream = gpu.stream();
        for draws in self.draws.iter().filter(|draws| draws.count > 0) {
            let place = draws.from.with(|philox| philox.take(draws.count));
            let words = [place.seed, place.offset];
            // SAFETY: the memory has 16 bytes; the driver has read so few bytes of the host when it returns.
            unsafe { result::memcpy_htod_async(draws.place.address(), &words, stream) }
                .map_err(driver_error)?;
        }
        for memory in self.kept.iter().filter_map(Storage::pinned) {
            memory.note_use(gpu.index, Stream::of_raw(stream));
        }
        // SAFETY: the graph is alive, and so is all that it reaches: pools and kept memory.
        unsafe { result::graph::launch(self.launchable, stream) }.map_err(driver_error)
    }

    /// The pool that its memory comes from.
    pub fn pool(&self) -> Result<u32> {
        if self.stage == Stage::Empty {
            bail!(Autograd, "Called CUDAGraph::pool() without a preceding successful capture.");
        }
        Ok(self.pool)
    }

    /// A description in the language of Graphviz, in a file.
    pub fn write_dot(&self, path: &std::ffi::CStr) -> Result<()> {
        if self.graph.is_null() {
            bail!(Autograd, "debug_dump() needs a graph that was captured with keep_graph=True");
        }
        const VERBOSE: u32 = 1;
        // SAFETY: the graph is alive; the path is a string.
        unsafe { sys::cuGraphDebugDotPrint(self.graph, path.as_ptr(), VERBOSE) }
            .result()
            .map_err(driver_error)
    }

    pub fn raw(&self) -> Result<(usize, usize)> {
        if self.stage != Stage::Captured {
            return Err(Error::Autograd("the graph is not captured".to_owned()));
        }
        Ok((self.graph as usize, self.launchable as usize))
    }

    fn destroy_launchable(&mut self) {
        if !self.launchable.is_null() {
            // SAFETY: made by `instantiate`, destroyed once; the driver waits for launches under way.
            let _ = unsafe { result::graph::exec_destroy(self.launchable) };
            self.launchable = std::ptr::null_mut();
        }
    }

    /// Forgets what was captured; its memory can be used for other things once no tensor holds it.
    pub fn reset(&mut self) {
        if gpu::is_forked() {
            return;
        }
        self.abandon();
        let Some(gpu) = self.gpu.take() else { return };
        if gpu.enter().is_ok() {
            self.destroy_launchable();
            if !self.graph.is_null() {
                // SAFETY: made by the capture, destroyed once.
                let _ = unsafe { result::graph::destroy(self.graph) };
            }
        }
        self.graph = std::ptr::null_mut();
        gpu.leave_pool(self.pool);
        self.draws.clear();
        self.kept.clear();
        (self.stage, self.pool) = (Stage::Empty, 0);
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.reset();
    }
}
