//! NVIDIA GPUs: libraries, memory, streams, and kernels. The text of kernels is compiled at run time, for the
//! GPU that is there: formulas of the table become kernels by [`formula`], the others stand in `kernels/`.
//! What operations do with it is in `ops::cuda`.

pub mod allocator;
pub mod bad_index;
pub mod compile;
pub mod formula;
pub mod gpu;
pub mod graph;
pub mod library;
pub mod nvrtc;
pub mod pinned;
pub mod stream;

pub use gpu::{Gpu, Memory, count, gpu};
