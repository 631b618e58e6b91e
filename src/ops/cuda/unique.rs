//! The different rows of a matrix.

use crate::dtype::DType;
use crate::error::Result;
use crate::ops::arithmetic::sub;
use crate::ops::cuda::mask::Hits;
use crate::ops::cuda::scan::running_counts;
use crate::ops::cuda::sort::sort_rows;
use crate::ops::{copy, creation, index, joining, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// The first row of each kind, the number of each row's kind, and how many there are of each. `sorted` looks
/// at all rows in order, otherwise neighbours are compared. The matrix is contiguous.
pub fn different_rows(rows: &Tensor, sorted: bool) -> Result<[Tensor; 3]> {
    let n = rows.size(0);
    let none = || Tensor::empty(&[0], DType::I64);
    if n == 0 {
        return Ok([none()?, none()?, none()?]);
    }
    let order = if sorted { dictionary_order(rows)? } else { numbers(n)? };
    let in_order = index::index_select(rows, 0, &order)?;
    let count = n as i64 - 1;
    let differs = table::ne(&view::narrow(&in_order, 0, 1, count)?, &view::narrow(&in_order, 0, 0, count)?)?;
    let differs = reduce::any_along(&differs, 1)?;
    let is_first = joining::cat(&[creation::full(&[1], Scalar::Bool(true), DType::Bool)?, differs], 0)?;
    let kinds = sub(&running_counts(&copy::to_dtype(&is_first, DType::I64)?)?, Scalar::Int(1))?;
    let kind_of = Tensor::empty(&[n], DType::I64)?;
    index::put_at(&kind_of, vec![Some(order.clone())], &kinds, false)?;
    let starts = Hits::of(&is_first)?.coordinates(&[n])?;
    let starts = starts.alias(starts.layout().select(0, 0));
    let end = creation::full(&[1], Scalar::Int(n as i64), DType::I64)?;
    let ends = joining::cat(&[view::narrow(&starts, 0, 1, starts.numel() as i64 - 1)?, end], 0)?;
    Ok([index::index_select(&order, 0, &starts)?, kind_of, sub(&ends, &starts)?])
}

fn numbers(n: usize) -> Result<Tensor> {
    creation::arange(Scalar::Int(0), Scalar::Int(n as i64), Scalar::Int(1), DType::I64)
}

/// The order of the rows like words in a dictionary; equal ones keep their order. One sort a column, the last
/// column first.
fn dictionary_order(rows: &Tensor) -> Result<Tensor> {
    let n = rows.size(0);
    let mut order = numbers(n)?;
    for column in (0..rows.size(1) as i64).rev() {
        let keys = index::index_select(&view::select(rows, 1, column)?, 0, &order)?;
        let (_, places) = sort_rows(&view::reshape_to(&keys, &[1, n])?, n, false)?;
        order = index::index_select(&order, 0, &view::reshape_to(&places, &[n])?)?;
    }
    Ok(order)
}
