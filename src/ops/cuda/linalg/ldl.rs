//! P A Pᵀ = L D Lᵀ, one block a matrix.

use super::{Arguments, Function, threads_for};
use crate::cuda::bad_index;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::tensor::Tensor;

const TEXT: &str = concat!(
    include_str!("../../../cuda/kernels/matrix.cu"),
    include_str!("../../../cuda/kernels/index.cu"),
    include_str!("../../../cuda/kernels/ldl.cu")
);

pub const FACTOR: Function = Function {
    text: TEXT,
    name: "ldl_factor",
    parameters: "rn::Part<$T> a, int* pivots, int* info, int n, int hermitian",
};
pub const SOLVE: Function = Function {
    text: TEXT,
    name: "ldl_solve",
    parameters: "rn::Part<$T> a, const int* pivots, rn::Part<$T> b, int n, int columns, int hermitian, rn::BadIndex* bad, int operation",
};

/// Factors the lower triangles of `a` (count, n, n) in place; `pivots` (count, n, 1) and `info` (count), which is
/// zero, get what cpu::linalg::ldl says of them.
pub fn factor(a: &Tensor, pivots: &Tensor, info: &Tensor, hermitian: bool) -> Result<()> {
    let n = a.size(1);
    if a.numel() == 0 {
        return Ok(());
    }
    let arguments = Arguments::default().part(a).pointer(pivots).pointer(info);
    let arguments = arguments.ints(&[n, usize::from(hermitian)])?;
    FACTOR.launch(gpu_of(a)?, a.dtype(), a.size(0), threads_for(4 * n), arguments)
}

/// Overwrites `b` (count, n, columns) with the solution; `pivots` (count, n) are contiguous. A pivot that is no row
/// is left out, and an IndexError when the host next waits.
pub fn solve(a: &Tensor, pivots: &Tensor, b: &Tensor, hermitian: bool) -> Result<()> {
    let (n, columns) = (b.size(1), b.size(2));
    if b.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(b)?;
    let (bad, operation) = bad_index::slot(gpu, "linalg.ldl_solve")?;
    let arguments = Arguments::default().part(a).pointer(pivots).part(b);
    let arguments = arguments.ints(&[n, columns, usize::from(hermitian)])?;
    let arguments = arguments.long(bad as i64).long(i64::from(operation));
    SOLVE.launch(gpu, b.dtype(), b.size(0) * columns, 32, arguments)
}
