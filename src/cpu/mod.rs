//! How a CPU computes: kernels over raw pointers and plain sizes. Nothing here knows a Tensor.

pub mod copy;
pub mod gemm;
pub mod loops;
pub mod math;
pub mod par;
pub mod pointwise;
pub mod reduce;
pub mod scratch;
pub mod simd;
