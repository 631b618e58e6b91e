//! Whether this thread records what it computes: grad mode, and inference mode above it.

use std::cell::Cell;

/// The modes of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub grad: bool,
    /// Nothing is recorded whatever the grad mode, and new tensors can never take part in a graph.
    pub inference: bool,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode { grad: true, inference: false }) };
}

pub fn mode() -> Mode {
    MODE.with(Cell::get)
}

/// Sets both modes and returns what they were.
pub fn set_mode(mode: Mode) -> Mode {
    MODE.with(|m| m.replace(mode))
}

/// Whether operations of this thread are recorded on the tape.
#[inline]
pub fn grad_enabled() -> bool {
    let mode = MODE.with(Cell::get);
    mode.grad && !mode.inference
}

/// Whether new tensors are made for inference alone.
#[inline]
pub fn inference_enabled() -> bool {
    MODE.with(Cell::get).inference
}

/// Switches grad mode for this thread and returns what it was.
pub fn set_grad_enabled(enabled: bool) -> bool {
    let before = mode();
    set_mode(Mode { grad: enabled, ..before });
    before.grad
}

/// Runs `body` with recording off.
pub fn no_grad<R>(body: impl FnOnce() -> R) -> R {
    with_mode(Mode { grad: false, ..mode() }, body)
}

/// Runs `body` with recording on, whatever is around it: for formulas that go through a graph of their own.
pub fn enable_grad<R>(body: impl FnOnce() -> R) -> R {
    with_mode(Mode { grad: true, inference: false }, body)
}

fn with_mode<R>(mode: Mode, body: impl FnOnce() -> R) -> R {
    struct Restore(Mode);
    impl Drop for Restore {
        fn drop(&mut self) {
            set_mode(self.0);
        }
    }
    let _restore = Restore(set_mode(mode));
    body()
}
