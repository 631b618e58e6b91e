//! Regions, slots, panics, forks.

use super::*;
use std::sync::atomic::AtomicU32;

/// Tests share the pool and the number of threads: one at a time.
fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    static ONE: Mutex<()> = Mutex::new(());
    let _guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = num_threads();
    set_num_threads(n);
    let result = f();
    set_num_threads(before);
    result
}

fn counters(n: usize) -> Vec<AtomicU32> {
    (0..n).map(|_| AtomicU32::new(0)).collect()
}

fn all_are(counts: &[AtomicU32], value: u32) -> bool {
    counts.iter().all(|c| c.load(Ordering::Relaxed) == value)
}

#[test]
fn every_chunk_runs_once() {
    for threads in [1, 2, 3, 8] {
        with_threads(threads, || {
            for chunks in [0, 1, 2, 7, 1000] {
                let counts = counters(chunks);
                for_each(chunks, &|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(all_are(&counts, 1), "{threads} threads, {chunks} chunks");
            }
        });
    }
}

#[test]
fn many_regions_with_pauses_and_changing_thread_counts() {
    with_threads(4, || {
        let counts = counters(16);
        for round in 0..20_000u32 {
            if round % 1000 == 0 {
                set_num_threads(1 + (round / 1000) as usize % 5);
                std::thread::sleep(Duration::from_micros(200));
            }
            for_each(16, &|i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
        }
        assert!(all_are(&counts, 20_000));
    });
}

#[test]
fn ranges_cover_without_overlap() {
    with_threads(3, || {
        for (len, grain) in [(0, 4), (1, 4), (4, 4), (5, 4), (1001, 10), (10, 0)] {
            let counts = counters(len);
            for_range(len, grain, &|range| {
                range.for_each(|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(all_are(&counts, 1));
        }
    });
}

#[test]
fn slots_are_exclusive() {
    with_threads(4, || {
        let slots = 3;
        let in_use = counters(slots);
        for_each_with_slot(slots, 500, &|slot, _| {
            assert_eq!(in_use[slot].fetch_add(1, Ordering::SeqCst), 0);
            std::thread::yield_now();
            in_use[slot].fetch_sub(1, Ordering::SeqCst);
        });
    });
}

#[test]
fn workers_take_part() {
    with_threads(2, || {
        let caller = std::thread::current().id();
        let helped = AtomicBool::new(false);
        // Wait inside a chunk until somebody else has run one.
        for_each(1000, &|_| {
            if std::thread::current().id() != caller {
                helped.store(true, Ordering::Relaxed);
            }
            let start = Instant::now();
            while !helped.load(Ordering::Relaxed) && start.elapsed() < Duration::from_millis(50) {
                std::thread::yield_now();
            }
        });
        assert!(helped.load(Ordering::Relaxed));
    });
}

#[test]
fn nested_regions_run_serially() {
    with_threads(3, || {
        let counts = counters(64);
        for_each(8, &|i| {
            let me = std::thread::current().id();
            for_each(8, &|j| {
                assert_eq!(std::thread::current().id(), me);
                counts[i * 8 + j].fetch_add(1, Ordering::Relaxed);
            });
        });
        assert!(all_are(&counts, 1));
    });
}

#[test]
fn several_callers_at_once() {
    with_threads(3, || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let counts = counters(20);
                        for_each(20, &|i| {
                            counts[i].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(all_are(&counts, 1));
                    }
                });
            }
        });
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_survives() {
    with_threads(3, || {
        for round in 0..50 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                for_each(100, &|i| {
                    if i == round {
                        resume_unwind(Box::new(i));
                    }
                });
            }));
            assert_eq!(*result.unwrap_err().downcast::<usize>().unwrap(), round);
            let counts = counters(10);
            for_each(10, &|i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(all_are(&counts, 1));
        }
    });
}

#[test]
fn costs_decide_on_chunks() {
    assert_eq!(chunks_for(1_000.0, 100), 1);
    assert_eq!(chunks_for(10_000.0, 100), 4);
    assert_eq!(chunks_for(1e9, 100), 100);
    assert_eq!(grain_for(1000, 1.0), 1000);
    assert_eq!(grain_for(0, 1.0), 1);
    assert!(grain_for(1_000_000, 1.0) < 100_000);
    assert_eq!(parse_threads("4,2"), Some(4));
    assert_eq!(parse_threads(" 3 "), Some(3));
    assert_eq!(parse_threads("0"), None);
    assert_eq!(parse_threads("many"), None);
}

/// The child of a process whose pool was in use works, alone and with a pool of its own.
#[cfg(unix)]
#[test]
fn a_forked_child_does_not_hang() {
    fn sum() -> u32 {
        let total = AtomicU32::new(0);
        for_each(100, &|i| {
            total.fetch_add(i as u32, Ordering::Relaxed);
        });
        total.load(Ordering::Relaxed)
    }
    with_threads(3, || {
        for pause in [0, 1000] {
            sum();
            std::thread::sleep(Duration::from_micros(pause));
            // SAFETY: the child leaves by `_exit` or is killed by `alarm`; it never returns.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: plain system calls.
                unsafe { libc::alarm(20) };
                let alone = num_threads() == 1 && sum() == 4950;
                set_num_threads(3);
                let together = (0..100).all(|_| sum() == 4950);
                // SAFETY: as above.
                unsafe { libc::_exit(if alone && together { 0 } else { 1 }) };
            }
            let mut status = 0;
            // SAFETY: `pid` is our child.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert_eq!(status, 0, "the child hung, died or was wrong");
            assert_eq!(sum(), 4950);
        }
    });
}
