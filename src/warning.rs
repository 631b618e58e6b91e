//! Warnings: what an operation wants to say beside its result. The Python floor shows them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static PENDING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Whether what is said once in a process is said each time.
static ALWAYS: AtomicBool = AtomicBool::new(false);

/// Notes a warning of this thread.
pub fn warn(text: impl Into<String>) {
    PENDING.with_borrow_mut(|list| list.push(text.into()));
}

/// Whether a warning that is given once in a process is due; `given` is the place's own.
pub fn is_due(given: &AtomicBool) -> bool {
    !given.swap(true, Ordering::Relaxed) || ALWAYS.load(Ordering::Relaxed)
}

pub fn set_always(always: bool) {
    ALWAYS.store(always, Ordering::Relaxed);
}

/// Notes a warning that this place gives once in a process.
#[macro_export]
macro_rules! warn_once {
    ($($text:tt)*) => {{
        static GIVEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        if $crate::warning::is_due(&GIVEN) {
            $crate::warning::warn(format!($($text)*));
        }
    }};
}

/// Takes what was noted since the last time.
pub fn take() -> Vec<String> {
    PENDING.with_borrow_mut(|list| if list.is_empty() { Vec::new() } else { std::mem::take(list) })
}
