//! How a CPU computes: kernels over raw pointers and plain sizes. Nothing here knows a Tensor.

pub mod conv;
pub mod par;
