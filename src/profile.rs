//! What runs, when, and for how long: events of a profile, with the bytes that tensors took and gave back.
//!
//! While no profile is taken, everything here costs the look at one flag.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::fork::Section;

static ON: AtomicBool = AtomicBool::new(false);
static OPTIONS: Mutex<Options> = Mutex::new(Options { shapes: false, memory: false, stacks: false });
static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());
/// When the first profile began; later ones begin at a number of nanoseconds after it.
static EPOCH: OnceLock<Instant> = OnceLock::new();
static START: AtomicU64 = AtomicU64::new(0);
/// Events are numbered in the order in which they begin; 0 is none.
static NUMBER: AtomicU64 = AtomicU64::new(1);
static THREADS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The innermost event that this thread is in.
    static INNERMOST: Cell<u64> = const { Cell::new(0) };
    /// Bytes taken less bytes given back by this thread.
    static BYTES: Cell<i64> = const { Cell::new(0) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// What is recorded besides times.
#[derive(Clone, Copy)]
pub struct Options {
    /// What operations are called with.
    pub shapes: bool,
    /// Memory that is taken or given back outside of all events.
    pub memory: bool,
    /// The lines of Python that call.
    pub stacks: bool,
}

/// Where an event comes from, as PyTorch numbers it.
#[derive(Clone, Copy, PartialEq)]
pub enum Scope {
    Function = 0,
    Backward = 1,
    User = 7,
}

/// An argument of a call.
pub struct Argument {
    /// Empty for a positional one.
    pub keyword: String,
    /// The sizes of a tensor.
    pub sizes: Option<Vec<usize>>,
    /// The element type of a tensor, or the kind of another value.
    pub kind: String,
    /// Another value as text.
    pub text: String,
}

pub struct Event {
    pub number: u64,
    pub parent: u64,
    pub thread: u64,
    pub name: String,
    pub scope: Scope,
    /// Nanoseconds since the profile began.
    pub start: u64,
    pub end: u64,
    /// Of the node that the operation records, or of the node that runs; -1 without one.
    pub sequence: i64,
    pub bytes: i64,
    pub arguments: Vec<Argument>,
    /// The calling lines, innermost first.
    pub stack: Vec<String>,
}

/// Whether a profile is being taken.
#[inline]
pub fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

pub fn options() -> Options {
    with(&OPTIONS, |options| *options)
}

/// Runs `body` under a lock that no fork finds closed.
fn with<T, R>(mutex: &Mutex<T>, body: impl FnOnce(&mut T) -> R) -> R {
    let _section = Section::begin();
    body(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Begins a profile; false if there is one already.
pub fn start(options: Options) -> bool {
    if on() {
        return false;
    }
    with(&OPTIONS, |own| *own = options);
    with(&EVENTS, Vec::clear);
    START.store(since_epoch(), Ordering::Relaxed);
    ON.store(true, Ordering::Relaxed);
    true
}

/// Ends the profile: its events, those that ended first being first, and its length in nanoseconds.
pub fn stop() -> (Vec<Event>, u64) {
    let length = now();
    ON.store(false, Ordering::Relaxed);
    (with(&EVENTS, std::mem::take), length)
}

fn since_epoch() -> u64 {
    EPOCH.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Nanoseconds since the profile began.
fn now() -> u64 {
    since_epoch().saturating_sub(START.load(Ordering::Relaxed))
}

fn thread() -> u64 {
    if THREAD.get() == 0 {
        THREAD.set(THREADS.fetch_add(1, Ordering::Relaxed));
    }
    THREAD.get()
}

/// An event that has not ended; dropping it ends it.
pub struct Span(Box<Event>);

impl Span {
    /// Begins an event.
    pub fn new(
        name: String,
        scope: Scope,
        sequence: i64,
        arguments: Vec<Argument>,
        stack: Vec<String>,
    ) -> Span {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut event = Box::new(Event {
            number,
            parent: INNERMOST.replace(number),
            thread: thread(),
            name,
            scope,
            start: 0,
            end: 0,
            sequence,
            bytes: BYTES.get(),
            arguments,
            stack,
        });
        event.start = now();
        Span(event)
    }

    /// An event without details.
    pub fn plain(name: String, scope: Scope, sequence: i64) -> Span {
        Span::new(name, scope, sequence, Vec::new(), Vec::new())
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let end = now();
        let event = &mut self.0;
        if event.thread == thread() {
            INNERMOST.set(event.parent);
            event.bytes = BYTES.get() - event.bytes;
        } else {
            event.bytes = 0;
        }
        event.end = end;
        if on() {
            let empty = Event { name: String::new(), arguments: Vec::new(), stack: Vec::new(), ..**event };
            let ended = std::mem::replace(&mut **event, empty);
            with(&EVENTS, |events| events.push(ended));
        }
    }
}

/// Notes that a tensor's memory was taken, or given back if `bytes` is negative.
#[cold]
pub fn note_memory(bytes: i64) {
    if bytes == 0 || BYTES.try_with(|b| b.set(b.get() + bytes)).is_err() {
        return;
    }
    if INNERMOST.try_with(Cell::get) == Ok(0) && options().memory {
        let at = now();
        let event = Event {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            parent: 0,
            thread: thread(),
            name: "[memory]".to_owned(),
            scope: Scope::Function,
            start: at,
            end: at,
            sequence: -1,
            bytes,
            arguments: Vec::new(),
            stack: Vec::new(),
        };
        with(&EVENTS, |events| events.push(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_know_their_parents_and_bytes() {
        let options = Options { shapes: false, memory: true, stacks: false };
        assert!(start(options) && !start(options));
        let outer = Span::plain("outer".to_owned(), Scope::User, -1);
        let inner = Span::plain("inner".to_owned(), Scope::Function, 3);
        note_memory(8);
        drop(inner);
        note_memory(-4);
        drop(outer);
        let (events, length) = stop();
        let own: Vec<&Event> = events.iter().filter(|e| e.thread == thread()).collect();
        let [inner, outer] = own[..] else { panic!("two events, not {}", own.len()) };
        assert_eq!((inner.parent, outer.parent), (outer.number, 0));
        assert_eq!((inner.bytes, outer.bytes), (8, 4));
        assert!(outer.start <= inner.start && inner.end <= outer.end && outer.end <= length);
        drop(Span::plain("after".to_owned(), Scope::User, -1));
        assert!(stop().0.iter().all(|e| e.thread != thread()));
    }
}
