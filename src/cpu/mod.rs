//! How a CPU computes: kernels over raw pointers and plain sizes. Nothing here knows a Tensor.

pub mod gemm;
pub mod par;
pub mod scratch;
pub mod simd;
