//! Threads: the only file that knows them.
//!
//! A *region* is a loop over chunks. The caller works on it at once; workers that happen to be
//! free join in. The chunks are cut into as many runs as there may be threads; each thread claims
//! the chunks of its own run, one after the other, so that it meets the memory it has in its cache
//! from the region before, and then those that are left in the runs of others. When no chunk is
//! left the caller closes the region, so work that no worker has started is simply done by the
//! caller, and a worker that the system has not scheduled yet never holds anybody up. Workers spin for a
//! few tens of microseconds after a region, then sleep.
//!
//! A region entered while another one runs (from inside it, or from another Python thread) runs
//! serially on its caller. After `fork` the child starts with one thread and, once asked for more,
//! builds a pool of its own. A panic in a chunk stops the region and is resumed on the caller.
//!
//! Kernels cut their work into chunks by size alone, never by the number of threads: so the same
//! input gives the same bits on any machine.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// Serial work (in nanoseconds) below which a second thread does not pay for its hand-off.
pub const MIN_PARALLEL_NS: f64 = 5_000.0;

/// How long a worker looks for the next region before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

/// More threads than any machine this runs on has; they must fit `OPEN` and `ACTIVE` below.
const MAX_THREADS: usize = 1024;

// ---------------------------------------------------------------------------------------------
// How many threads

/// The number of threads asked for; 0 until it is first read.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The number of threads a region may use, the caller included.
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let n = default_threads();
            // A `set_num_threads` that came in between wins.
            match THREADS.compare_exchange(0, n, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => n,
                Err(set) => set,
            }
        }
        n => n,
    }
}

/// Sets the number of threads a region may use, the caller included; at least one.
pub fn set_num_threads(n: usize) {
    THREADS.store(n.clamp(1, MAX_THREADS), Ordering::Relaxed);
}

/// What the affinity mask and the cgroup allow, or less if the environment says so.
fn default_threads() -> usize {
    let available = std::thread::available_parallelism().map_or(1, |n| n.get());
    let asked = ["RUSTNN_NUM_THREADS", "OMP_NUM_THREADS"]
        .iter()
        .find_map(|name| parse_threads(&std::env::var(name).ok()?));
    asked.unwrap_or(available).min(available).clamp(1, MAX_THREADS)
}

/// `OMP_NUM_THREADS` may be a list, one number a nesting level: the first counts.
fn parse_threads(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&n| n > 0)
}

// ---------------------------------------------------------------------------------------------
// How to cut work up

/// Into how many chunks to cut work of `cost_ns` serial nanoseconds: 1 where threads do not pay,
/// else chunks of about half the minimum, at most `max_chunks` and 256.
pub fn chunks_for(cost_ns: f64, max_chunks: usize) -> usize {
    if cost_ns < MIN_PARALLEL_NS {
        return 1;
    }
    let by_cost = (cost_ns / (MIN_PARALLEL_NS / 2.0)) as usize;
    by_cost.min(256).min(max_chunks).max(1)
}

/// The grain for `for_range` over `len` items of `ns_each` nanoseconds: all of them where threads
/// do not pay.
pub fn grain_for(len: usize, ns_each: f64) -> usize {
    len.div_ceil(chunks_for(len as f64 * ns_each, len)).max(1)
}

/// Runs `body` over `0..len` in chunks of `grain` items (the last may be shorter).
pub fn for_range(len: usize, grain: usize, body: &(impl Fn(Range<usize>) + Sync)) {
    let grain = grain.max(1);
    if len <= grain {
        if len > 0 {
            body(0..len);
        }
        return;
    }
    for_each(len.div_ceil(grain), &|i| {
        let start = i * grain;
        body(start..len.min(start + grain));
    });
}

/// Runs `body(i)` once for every `i` in `0..chunks`, in any order, on any thread.
pub fn for_each(chunks: usize, body: &(impl Fn(usize) + Sync)) {
    for_each_with_slot(num_threads(), chunks, &|_, i| body(i));
}

/// As `for_each` on at most `slots` threads, for bodies with scratch memory a thread:
/// `body(slot, i)` gets a slot below `slots`, and no two threads have the same one at a time.
pub fn for_each_with_slot(slots: usize, chunks: usize, body: &(impl Fn(usize, usize) + Sync)) {
    // One copy a body is this and `claim_all`: what does not depend on it is compiled once.
    fn shared(slots: usize, job: Job) -> bool {
        let helpers = slots.min(num_threads()).min(job.chunks).saturating_sub(1);
        // SAFETY: `for_each_with_slot` waits for us, and its body and `claim_all` fit.
        helpers > 0 && unsafe { Pool::global().run(helpers, job) }
    }
    fn job<F: Fn(usize, usize) + Sync>(body: &F, chunks: usize) -> Job {
        Job { run: claim_all::<F>, body: (&raw const *body).cast(), chunks, runs: 1 }
    }
    if !shared(slots, job(body, chunks)) {
        (0..chunks).for_each(|i| body(0, i));
    }
}

// ---------------------------------------------------------------------------------------------
// The pool

/// The pool of this process; made on first use, never freed, forgotten by a forked child.
static POOL: AtomicPtr<Pool> = AtomicPtr::new(null_mut());

/// Keeps what threads write to on cache lines of its own (two: lines are fetched in pairs).
#[repr(align(128))]
struct Padded<T>(T);

struct Pool {
    /// Held by the caller whose region runs.
    busy: Padded<AtomicBool>,
    /// Serial number of the region | seats still open to workers | workers inside.
    state: Padded<AtomicU64>,
    /// The next chunk to claim in each run.
    next: [Padded<AtomicUsize>; MAX_RUNS],
    /// What to run; written while nobody is inside and no seat is open.
    job: UnsafeCell<Job>,
    /// The first panic of the region.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Workers there are; changed by the holder of `busy` only.
    workers: AtomicUsize,
    /// The system refused a thread: ask for no more.
    exhausted: AtomicBool,
    /// Workers asleep, or about to be. Changed under `lock`.
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

/// Runs into which chunks are cut at most.
const MAX_RUNS: usize = 64;

/// One region: `run(body, slot, own, claims)` claims chunks until none is left, those of the run `own` first.
#[derive(Clone, Copy)]
struct Job {
    run: unsafe fn(*const (), usize, usize, &Claims),
    body: *const (),
    chunks: usize,
    runs: usize,
}

/// The chunks of a region, as threads claim them.
struct Claims<'a> {
    next: &'a [Padded<AtomicUsize>],
    chunks: usize,
}

impl Claims<'_> {
    /// Where a run begins, and the one before it ends.
    fn start(&self, run: usize) -> usize {
        run * self.chunks / self.next.len()
    }

    fn open(&self) {
        (0..self.next.len()).for_each(|run| self.next[run].0.store(self.start(run), Ordering::Relaxed));
    }

    /// Leaves nothing to claim.
    fn give_up(&self) {
        self.next.iter().for_each(|next| next.0.store(self.chunks, Ordering::Relaxed));
    }
}

// SAFETY: `job` is the only part that is not Sync by itself. It is written by the holder of `busy`
// while `state` shows no open seat and no worker inside, and read by workers between taking a seat
// (acquire) and leaving (release).
unsafe impl Sync for Pool {}

// Layout of `Pool::state`.
const ACTIVE: u64 = 1;
const OPEN: u64 = 1 << 16;
const SERIAL: u64 = 1 << 32;
const MASK: u64 = 0xffff;

impl Pool {
    fn global() -> &'static Pool {
        let mut pool = POOL.load(Ordering::Acquire);
        if pool.is_null() {
            forget_pool_in_children();
            let new = Box::into_raw(Box::new(Pool::new()));
            match POOL.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => pool = new,
                Err(other) => {
                    // SAFETY: `new` came from `Box::into_raw` and nobody else has seen it.
                    drop(unsafe { Box::from_raw(new) });
                    pool = other;
                }
            }
        }
        // SAFETY: a pool that was published is never freed.
        unsafe { &*pool }
    }

    fn new() -> Pool {
        unsafe fn nothing(_: *const (), _: usize, _: usize, _: &Claims) {}
        Pool {
            busy: Padded(AtomicBool::new(false)),
            state: Padded(AtomicU64::new(0)),
            next: [const { Padded(AtomicUsize::new(0)) }; MAX_RUNS],
            job: UnsafeCell::new(Job { run: nothing, body: std::ptr::null(), chunks: 0, runs: 1 }),
            panic: Mutex::new(None),
            workers: AtomicUsize::new(0),
            exhausted: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// Runs a region with up to `helpers` workers beside the caller. False, with nothing done, if
    /// the pool is busy or has no workers.
    ///
    /// # Safety
    /// `job.body` is what `job.run` takes, lives until this returns, and may be used by many threads.
    unsafe fn run(&'static self, helpers: usize, job: Job) -> bool {
        if self.busy.0.load(Ordering::Relaxed) || self.busy.0.swap(true, Ordering::Acquire) {
            return false;
        }
        let helpers = helpers.min(self.hire(helpers));
        if helpers == 0 {
            self.busy.0.store(false, Ordering::Release);
            return false;
        }
        let job = Job { runs: (helpers + 1).min(job.chunks).min(MAX_RUNS), ..job };
        let claims = self.claims(&job);
        self.open(job, helpers);
        // SAFETY: the caller's promise.
        let mine = catch_unwind(AssertUnwindSafe(|| unsafe { (job.run)(job.body, 0, 0, &claims) }));
        if mine.is_err() {
            claims.give_up();
        }
        self.close();
        let theirs = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.busy.0.store(false, Ordering::Release);
        if let Some(payload) = mine.err().or(theirs) {
            resume_unwind(payload);
        }
        true
    }

    fn claims(&self, job: &Job) -> Claims<'_> {
        Claims { next: &self.next[..job.runs], chunks: job.chunks }
    }

    /// Lets workers in: from here on they may call the job.
    fn open(&self, job: Job, helpers: usize) {
        self.claims(&job).open();
        // SAFETY: we hold `busy`, and the last region was closed: no worker is inside or can enter.
        unsafe { *self.job.get() = job };
        let serial = self.state.0.load(Ordering::Relaxed) & !(SERIAL - 1);
        let state = serial.wrapping_add(SERIAL) | (helpers as u64 * OPEN);
        // SeqCst, as in `sleep`: either we see the sleeper, or it sees the open region.
        self.state.0.store(state, Ordering::SeqCst);
        let sleepers = self.sleepers.load(Ordering::SeqCst);
        if sleepers > 0 {
            // A sleeper holds the lock from its last look at `state` until it waits.
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            for _ in 0..helpers.min(sleepers) {
                self.wake.notify_one();
            }
        }
    }

    /// Takes back the seats that no worker took, and waits for the workers inside.
    fn close(&self) {
        let mut state = self.state.0.fetch_and(!(MASK * OPEN), Ordering::Acquire);
        let mut spins = 0u32;
        while state & MASK != 0 {
            spins += 1;
            // A worker that has lost its core needs ours.
            if spins < 2_000 {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
            state = self.state.0.load(Ordering::Acquire);
        }
    }

    /// Sees to it that there are `wanted` workers, if the system gives them; returns how many.
    fn hire(&'static self, wanted: usize) -> usize {
        let mut have = self.workers.load(Ordering::Relaxed);
        while have < wanted && !self.exhausted.load(Ordering::Relaxed) {
            let name = format!("rustnn-{}", have + 1);
            match std::thread::Builder::new().name(name).spawn(move || self.work(have + 1)) {
                Ok(_) => have += 1,
                Err(_) => self.exhausted.store(true, Ordering::Relaxed),
            }
        }
        self.workers.store(have, Ordering::Relaxed);
        have
    }

    /// The life of worker number `own`, from 1.
    fn work(&self, own: usize) {
        // The serial number of the region it was in last: it never enters one twice.
        let mut last = self.state.0.load(Ordering::Relaxed).wrapping_sub(SERIAL) / SERIAL;
        loop {
            let (serial, seat) = self.take_seat(last);
            last = serial;
            // SAFETY: we hold a seat: the job stays, and its body lives, until we leave it.
            let job = unsafe { *self.job.get() };
            // SAFETY: `open` was given a function that fits its body.
            let claims = self.claims(&job);
            let result =
                catch_unwind(AssertUnwindSafe(|| unsafe { (job.run)(job.body, seat, own, &claims) }));
            if let Err(payload) = result {
                claims.give_up();
                let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                // A payload whose destructor panics must not take the worker down.
                if panic.is_none() { *panic = Some(payload) } else { std::mem::forget(payload) }
            }
            self.state.0.fetch_sub(ACTIVE, Ordering::Release);
        }
    }

    /// Waits for a region after `last` with a seat open, and takes it. Seats are 1, 2, ...
    fn take_seat(&self, last: u64) -> (u64, usize) {
        let mut idle_since = None;
        let mut spins = 0u32;
        loop {
            let state = self.state.0.load(Ordering::Relaxed);
            if has_seat(state, last) {
                let taken = state - OPEN + ACTIVE;
                if self.state.0.compare_exchange(state, taken, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return (state / SERIAL, ((state / OPEN) & MASK) as usize);
                }
                continue;
            }
            std::hint::spin_loop();
            spins += 1;
            if spins.is_multiple_of(16) && idle_since.get_or_insert_with(Instant::now).elapsed() > SPIN {
                self.sleep(last);
                idle_since = None;
            }
        }
    }

    /// Sleeps until there is a region after `last` with a seat open.
    fn sleep(&self, last: u64) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !has_seat(self.state.0.load(Ordering::SeqCst), last) {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

fn has_seat(state: u64, last: u64) -> bool {
    (state / OPEN) & MASK != 0 && state / SERIAL != last
}

/// Claims chunk after chunk and runs `body` on it.
///
/// # Safety
/// `body` points to a live `F`.
unsafe fn claim_all<F>(body: *const (), slot: usize, own: usize, claims: &Claims)
where
    F: Fn(usize, usize) + Sync,
{
    // SAFETY: the caller's promise.
    let body = unsafe { &*body.cast::<F>() };
    let runs = claims.next.len();
    for run in (0..runs).map(|k| (own + k) % runs) {
        let end = claims.start(run + 1);
        loop {
            let i = claims.next[run].0.fetch_add(1, Ordering::Relaxed);
            if i >= end {
                break;
            }
            body(slot, i);
        }
    }
}

/// A forked child has none of the workers, and locks may be held by threads it does not have: it
/// starts with one thread and, when it asks for more, with a new pool.
fn forget_pool_in_children() {
    #[cfg(unix)]
    {
        unsafe extern "C" fn in_child() {
            POOL.store(null_mut(), Ordering::Relaxed);
            THREADS.store(1, Ordering::Relaxed);
        }
        static ONCE: Once = Once::new();
        // SAFETY: the handler only stores to atomics, which is allowed after `fork`.
        ONCE.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        });
    }
}

#[cfg(test)]
mod tests;
