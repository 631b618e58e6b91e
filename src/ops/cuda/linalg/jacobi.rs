//! Jacobi's rotations: W = A V with columns that are orthogonal to each other.

use super::{Arguments, Function, threads_for};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::{copy, creation};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

pub const SWEEPS: Function = Function {
    text: concat!(
        include_str!("../../../cuda/kernels/matrix.cu"),
        include_str!("../../../cuda/kernels/jacobi.cu")
    ),
    name: "jacobi_sweeps",
    parameters: "$T* w, $T* v, int* turned, int m, int n, int v_rows, double tolerance, int sweeps",
};
pub const ROUND: Function = Function {
    text: SWEEPS.text,
    name: "jacobi_round",
    parameters: "$T* w, $T* v, int* turned, const int* last, int m, int n, int v_rows, double tolerance, int round",
};

/// Far more sweeps than any matrix needs.
const MOST_SWEEPS: usize = 40;

/// Columns of a matrix that one block turns by itself.
const SMALL: usize = 64;

/// Turns the columns of W until they are orthogonal, and those of V alike. Both are the contiguous transposes:
/// `w` (count, n, m) and `v` (count, n, rows of V, maybe none). Says of each matrix whether it was still turned
/// in the last sweep: (count), in int32.
pub fn orthogonalise(w: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (count, n, m) = (w.size(0), w.size(1), w.size(2));
    let turned = creation::zeros(&[count], DType::I32)?;
    if w.numel() == 0 {
        return Ok(turned);
    }
    let gpu = gpu_of(w)?;
    let tolerance = f64::EPSILON * (m as f64).sqrt().max(4.0);
    let even = n + n % 2;
    let busy = gpu.properties.multiprocessors.max(1) as usize;
    if n <= SMALL || (count >= busy && n <= 8 * SMALL) {
        let arguments = Arguments::default().pointer(w).pointer(v).pointer(&turned);
        let arguments = arguments.ints(&[m, n, v.size(2)])?.double(tolerance).ints(&[MOST_SWEEPS])?;
        SWEEPS.launch(gpu, w.dtype(), count, threads_for(32 * (even / 2)), arguments)?;
        return Ok(turned);
    }
    let mut last = creation::full(&[count], Scalar::Int(1), DType::I32)?;
    for _ in 0..MOST_SWEEPS {
        let now = creation::zeros(&[count], DType::I32)?;
        for round in 0..even - 1 {
            let arguments = Arguments::default().pointer(w).pointer(v).pointer(&now).pointer(&last);
            let arguments = arguments.ints(&[m, n, v.size(2)])?.double(tolerance).ints(&[round])?;
            ROUND.launch(gpu, w.dtype(), count * even / 2, threads_for(m), arguments)?;
        }
        last = now;
        if copy::values::<i32>(&last)?.iter().all(|&t| t == 0) {
            break;
        }
    }
    Ok(last)
}
