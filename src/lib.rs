//! rustnn: a tensor engine that speaks PyTorch in Python.
//!
//! The floors, from below; imports run downward only:
//!
//! - [`error`], [`dtype`], [`scalar`], [`layout`]: plain values
//! - [`alloc`], [`storage`], [`shared`]: memory; `fork`: what a fork waits for
//! - [`cpu`]: how a CPU computes; knows pointers and strides
//! - [`device`], [`cuda`]: where tensors can be besides the host; GPUs
//! - [`random`]: PyTorch's stream of random numbers
//! - [`tensor`], [`autograd`]: the handle and the tape
//! - [`ops`]: what can be done with tensors; one file a family
//! - [`optim`]: fused update steps
//! - [`profile`]: what runs, and for how long
//! - `python`: the module `rustnn._C`; no arithmetic

pub mod alloc;
pub mod autocast;
pub mod autograd;
pub mod cpu;
pub mod cuda;
pub mod device;
pub mod dtype;
pub mod error;
mod fork;
pub mod layout;
pub mod ops;
pub mod optim;
pub mod profile;
#[cfg(feature = "python")]
mod python;
pub mod random;
pub mod scalar;
pub mod shared;
pub mod storage;
pub mod tensor;
pub mod warning;
