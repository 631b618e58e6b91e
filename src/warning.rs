//! Warnings: what an operation wants to say beside its result. The Python floor shows them.

use std::cell::RefCell;

thread_local! {
    static PENDING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes a warning of this thread.
pub fn warn(text: impl Into<String>) {
    PENDING.with_borrow_mut(|list| list.push(text.into()));
}

/// Takes what was noted since the last time.
pub fn take() -> Vec<String> {
    PENDING.with_borrow_mut(|list| if list.is_empty() { Vec::new() } else { std::mem::take(list) })
}
