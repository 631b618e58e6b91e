//! LU with partial pivoting (S. Toledo, Locality of reference in LU decomposition, 1997).

use std::ops::Range;

use super::{
    Arguments, Function, LEAF, Triangle, middle, part, solve_triangular, subtract_product, threads_for,
};
use crate::cuda::bad_index;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::tensor::Tensor;

const TEXT: &str = concat!(
    include_str!("../../../cuda/kernels/matrix.cu"),
    include_str!("../../../cuda/kernels/index.cu"),
    include_str!("../../../cuda/kernels/lu.cu")
);

pub const PANEL: Function = Function {
    text: TEXT,
    name: "lu_panel",
    parameters: "rn::Part<$T> a, int* pivots, int* info, int m, int w, int first, int all_pivots",
};
pub const EXCHANGE: Function = Function {
    text: TEXT,
    name: "exchange_rows",
    parameters: "rn::Part<$T> a, const int* pivots, int columns, int tiles, int w, int first, int all_pivots",
};
pub const PERMUTATION: Function = Function {
    text: TEXT,
    name: "permutation",
    parameters: "const int* pivots, $T* rows, int k, int m, rn::BadIndex* bad, int operation",
};

/// Factors `a` (count, m, n) in place. `pivots` (count, min(m, n)) get the rows that were exchanged, counted from 1,
/// and `info` (count), which is zero, the first pivot that is zero.
pub fn factor(a: &Tensor, pivots: &Tensor, info: &Tensor) -> Result<()> {
    let (m, n) = (a.size(1), a.size(2));
    if a.numel() == 0 {
        return Ok(());
    }
    let k = m.min(n);
    factor_columns(a, pivots, info, 0..k)?;
    // All rows are factored: what lies beside them follows.
    let unit_lower = Triangle { upper: false, unit: true, conjugate: false };
    solve_triangular(&part(a, 0..k, 0..k), &part(a, 0..k, k..n), unit_lower)
}

fn factor_columns(a: &Tensor, pivots: &Tensor, info: &Tensor, columns: Range<usize>) -> Result<()> {
    let (count, m, n, k) = (a.size(0), a.size(1), a.size(2), pivots.size(1));
    let (first, w) = (columns.start, columns.len());
    if w <= LEAF {
        let gpu = gpu_of(a)?;
        let panel = part(a, first..m, columns);
        let arguments = Arguments::default().part(&panel).pointer(pivots).pointer(info);
        let arguments = arguments.ints(&[m - first, w, first, k])?;
        PANEL.launch(gpu, a.dtype(), count, threads_for(m - first), arguments)?;
        if w == n {
            return Ok(());
        }
        let threads = threads_for(n);
        let tiles = n.div_ceil(threads as usize);
        let arguments = Arguments::default().part(a).pointer(pivots).ints(&[n, tiles, w, first, k])?;
        return EXCHANGE.launch(gpu, a.dtype(), count * tiles, threads, arguments);
    }
    let (left, right) = (first..first + middle(w), first + middle(w)..columns.end);
    factor_columns(a, pivots, info, left.clone())?;
    let above = part(a, left.clone(), right.clone());
    let unit_lower = Triangle { upper: false, unit: true, conjugate: false };
    solve_triangular(&part(a, left.clone(), left.clone()), &above, unit_lower)?;
    let rest = part(a, right.start..m, right.clone());
    subtract_product(&rest, &part(a, right.start..m, left), &above)?;
    factor_columns(a, pivots, info, right)
}

/// The rows of A that rows of L U are: (count, m), from pivots (count, k). A pivot that is no row is left out, and
/// an IndexError when the host next waits.
pub fn rows_of(pivots: &Tensor, m: usize) -> Result<Tensor> {
    let (count, k) = (pivots.size(0), pivots.size(1));
    let rows = Tensor::empty(&[count, m], DType::I64)?;
    if rows.numel() == 0 {
        return Ok(rows);
    }
    let gpu = gpu_of(&rows)?;
    let (bad, operation) = bad_index::slot(gpu, "lu_unpack")?;
    let arguments = Arguments::default().pointer(pivots).pointer(&rows).ints(&[k, m])?;
    let arguments = arguments.long(bad as i64).long(i64::from(operation));
    PERMUTATION.launch(gpu, DType::I64, count, threads_for(m), arguments)?;
    Ok(rows)
}
