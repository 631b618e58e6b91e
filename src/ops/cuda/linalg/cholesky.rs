//! Cholesky's factorisation A = L Lᴴ.

use super::{
    Arguments, Function, LEAF, Triangle, middle, part, solve_triangular, subtract_product, threads_for,
    turned,
};
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::products::conj;
use crate::tensor::Tensor;

pub const BLOCK: Function = Function {
    text: concat!(
        include_str!("../../../cuda/kernels/matrix.cu"),
        include_str!("../../../cuda/kernels/cholesky.cu")
    ),
    name: "cholesky_block",
    parameters: "rn::Part<$T> a, int* info, int n, int first",
};

/// Up to this size all of a self-adjoint part is brought up to date, not its lower triangle alone.
const WHOLE: usize = 512;

/// Overwrites the lower triangles of `a` (count, n, n) with L; what is above them is not read, and arbitrary
/// afterwards. `info` (count), which is zero, gets the first leading minor that is not positive.
pub fn factor(a: &Tensor, info: &Tensor) -> Result<()> {
    if a.numel() == 0 { Ok(()) } else { factor_from(a, info, 0) }
}

fn factor_from(a: &Tensor, info: &Tensor, start: usize) -> Result<()> {
    let n = a.size(1);
    if n <= LEAF {
        let arguments = Arguments::default().part(a).pointer(info).ints(&[n, start])?;
        return BLOCK.launch(gpu_of(a)?, a.dtype(), a.size(0), threads_for(n * 8), arguments);
    }
    let (first, second) = (0..middle(n), middle(n)..n);
    let corner = part(a, first.clone(), first.clone());
    factor_from(&corner, info, start)?;
    // X Lᴴ = A is conj(L) Xᵀ = Aᵀ.
    let below = part(a, second.clone(), first);
    let lower = Triangle { upper: false, unit: false, conjugate: a.dtype().is_complex() };
    solve_triangular(&corner, &turned(&below), lower)?;
    let rest = part(a, second.clone(), second.clone());
    subtract_square(&rest, &below, &conj(&turned(&below))?)?;
    factor_from(&rest, info, start + second.start)
}

/// The lower triangle of c -= a b, where the product is self-adjoint.
fn subtract_square(c: &Tensor, a: &Tensor, b: &Tensor) -> Result<()> {
    let (n, depth) = (c.size(1), a.size(2));
    if n <= WHOLE {
        return subtract_product(c, a, b);
    }
    let (first, second) = (0..middle(n), middle(n)..n);
    for range in [first.clone(), second.clone()] {
        let diagonal = part(c, range.clone(), range.clone());
        subtract_square(&diagonal, &part(a, range.clone(), 0..depth), &part(b, 0..depth, range))?;
    }
    let below = part(c, second.clone(), first.clone());
    subtract_product(&below, &part(a, second, 0..depth), &part(b, 0..depth, first))
}
