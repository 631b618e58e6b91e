//! How a CPU computes: kernels over raw pointers and plain sizes. Nothing here knows a Tensor.

pub mod conv;
pub mod cross_entropy;
pub mod exp;
pub mod gemm;
pub mod norm;
pub mod par;
pub mod pool;
pub mod scratch;
pub mod simd;
pub mod softmax;
