//! How a CPU computes: kernels over raw pointers and plain sizes. Nothing here knows a Tensor.

pub mod axis;
pub mod conv;
pub mod copy;
pub mod cross_entropy;
pub mod distance;
pub mod embedding;
pub mod exp;
pub mod gemm;
pub mod grid_sample;
pub mod layer_norm;
pub mod lines;
pub mod loops;
pub mod math;
pub mod norm;
pub mod par;
pub mod plane;
pub mod pointwise;
pub mod pool;
pub mod reduce;
pub mod scan;
pub mod scratch;
pub mod search;
pub mod simd;
pub mod softmax;
pub mod sort;
pub mod special;
