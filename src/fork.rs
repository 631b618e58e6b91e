//! What a process may be in the middle of when it forks, and what not. The child has only the thread that
//! forked: a lock that another thread holds at that moment would stay locked in it for ever. Short sections
//! under locks are therefore announced here, and a fork waits until nobody is in one.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many threads are in a section.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Whether a thread forks: no section begins meanwhile.
static FORKING: AtomicBool = AtomicBool::new(false);

/// How long a fork waits. Sections take milliseconds; the largest draws of random numbers take longer.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    /// How many sections this thread is in; only the outermost counts.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A section that no fork cuts through; it ends when this is dropped.
pub struct Section(());

impl Section {
    /// Begins a section. It must not wait for a thread that may be forking, and so not for Python's lock.
    pub fn begin() -> Section {
        watch_forks();
        if DEPTH.try_with(|depth| depth.replace(depth.get() + 1)).unwrap_or(0) == 0 {
            loop {
                INSIDE.fetch_add(1, Ordering::SeqCst);
                if !FORKING.load(Ordering::SeqCst) {
                    break;
                }
                INSIDE.fetch_sub(1, Ordering::SeqCst);
                while FORKING.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
        }
        Section(())
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        let outermost = DEPTH.try_with(|depth| {
            depth.set(depth.get() - 1);
            depth.get() == 0
        });
        if outermost.unwrap_or(true) {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn watch_forks() {
    #[cfg(unix)]
    {
        unsafe extern "C" fn before() {
            while FORKING.swap(true, Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let start = Instant::now();
            while INSIDE.load(Ordering::SeqCst) > 0 && start.elapsed() < PATIENCE {
                std::thread::yield_now();
            }
        }
        unsafe extern "C" fn after() {
            FORKING.store(false, Ordering::SeqCst);
        }
        static ONCE: Once = Once::new();
        // SAFETY: the handlers only touch atomics, which is allowed around `fork`.
        ONCE.call_once(|| unsafe {
            libc::pthread_atfork(Some(before), Some(after), Some(after));
        });
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::alloc::Block;
    use crate::random::DEFAULT;

    /// Children allocate and draw although other threads of their parent did so all the time.
    #[test]
    fn a_forked_child_finds_all_locks_open() {
        static DONE: AtomicBool = AtomicBool::new(false);
        let work = || {
            DEFAULT.with(|mt| (0..10_000).for_each(|_| _ = mt.random()));
            (0..20).for_each(|i| drop(Block::new(100_000 + i * 70_000).unwrap()));
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                std::thread::spawn(move || {
                    while !DONE.load(Ordering::Relaxed) {
                        work();
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            // SAFETY: the child leaves by `_exit` or is killed by `alarm`; it never returns.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: plain system calls.
                unsafe { libc::alarm(20) };
                work();
                // SAFETY: as above.
                unsafe { libc::_exit(0) };
            }
            let mut status = 0;
            // SAFETY: `pid` is our child.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert_eq!(status, 0, "the child hung or died");
        }
        DONE.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn sections_nest() {
        let outer = Section::begin();
        drop(Section::begin());
        assert_eq!(DEPTH.get(), 1);
        drop(outer);
        assert_eq!(DEPTH.get(), 0);
    }
}
