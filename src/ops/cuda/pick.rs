//! Picks from lines by rank: short lines are sorted, and of long ones the rank is found. The host waits for
//! none of it.

use crate::autograd;
use crate::cpu::sort::Pick;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Sizes, contiguous_strides};
use crate::ops::arithmetic::sub;
use crate::ops::cuda::scan::{Operands, Scan, scan};
use crate::ops::cuda::select::{first_rows, rank_rows};
use crate::ops::cuda::sort::sort_rows;
use crate::ops::lines::length;
use crate::ops::{copy, creation, extreme, index, joining, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Lines up to this length are sorted, whatever is picked of them.
const SORTED: usize = 2048;

/// The picked elements of the lines along `dim`, which are not empty, and their indices; the dimension is
/// as long as what is picked. No tape.
pub fn pick_along(x: &Tensor, dim: usize, what: Pick) -> Result<(Tensor, Tensor)> {
    autograd::no_grad(|| {
        let x = x.detached();
        let n = length(&x, dim);
        let last = if x.ndim() == 0 { x.clone() } else { view::movedim(&x, &[dim as i64], &[-1])? };
        let rows = copy::contiguous(&view::reshape_to(&last, &[x.numel() / n.max(1), n])?)?;
        let (values, indices) = from_rows(&rows, what)?;
        // Back to where the dimension was: a matter of strides.
        let mut sizes: Sizes = last.sizes().into();
        if let Some(last) = sizes.last_mut() {
            *last = values.size(1);
        }
        let mut layout = Layout::contiguous(&sizes);
        if x.ndim() > 0 {
            let (size, stride) = (layout.sizes.pop(), layout.strides.pop());
            layout.sizes.insert(dim, size.expect("at least one dimension"));
            layout.strides.insert(dim, stride.expect("at least one dimension"));
        }
        Ok((values.alias(layout.clone()), indices.alias(layout)))
    })
}

/// With these strides in memory; a copy where they are others.
pub fn laid_out(t: Tensor, wanted: Option<&Tensor>) -> Result<Tensor> {
    let strides = wanted.map_or_else(|| contiguous_strides(t.sizes()), |x| x.layout().dense_like());
    if t.strides() == strides.as_slice() {
        return Ok(t);
    }
    let out = Tensor::empty_dense(t.sizes(), strides, t.dtype())?;
    copy::write(&out, &t)?;
    Ok(out)
}

fn from_rows(rows: &Tensor, what: Pick) -> Result<(Tensor, Tensor)> {
    let n = rows.size(1);
    match what {
        Pick::Sorted { descending } => sort_rows(rows, n, descending),
        Pick::First { k, descending } if n > SORTED && k > 0 && k <= n / 2 => first_rows(rows, k, descending),
        Pick::First { k, descending } => sort_rows(rows, k, descending),
        Pick::Rank(rank) if n > SORTED => {
            rank_rows(rows, &creation::full(&[rows.size(0)], Scalar::Int(rank as i64), DType::I64)?)
        }
        Pick::Rank(rank) => {
            let (values, indices) = sort_rows(rows, rank + 1, false)?;
            Ok((column(&values, rank)?, column(&indices, rank)?))
        }
        Pick::Median | Pick::NanMedian if !rows.dtype().is_floating() => {
            from_rows(rows, Pick::Rank((n - 1) / 2))
        }
        Pick::Median | Pick::NanMedian => {
            let nans = reduce::sum(&table::isnan(rows)?, Some(&[1]), true, Some(DType::I64))?;
            let numbers = sub(Scalar::Int(n as i64), &nans)?;
            let rank = if what == Pick::Median {
                // The first NaN, if there is one.
                table::select(&table::ge(&nans, Scalar::Int(1))?, &numbers, Scalar::Int((n as i64 - 1) / 2))?
            } else {
                let last = table::clamp_min(&sub(&numbers, Scalar::Int(1))?, Scalar::Int(0))?;
                table::floor_divide(&last, Scalar::Int(2))?
            };
            if n > SORTED {
                return rank_rows(rows, &copy::contiguous(&rank)?);
            }
            let (values, indices) = sort_rows(rows, n, false)?;
            Ok((index::gather(&values, 1, &rank)?, index::gather(&indices, 1, &rank)?))
        }
        Pick::Mode => {
            let (values, indices) = sort_rows(rows, n, false)?;
            let places = creation::arange(Scalar::Int(0), Scalar::Int(n as i64), Scalar::Int(1), DType::I64)?;
            // A run is longest at its end, and the first of the longest is that of the smallest value.
            let lengths = sub(&places, &run_starts(&values, &places)?)?;
            let end = extreme::argmax(&lengths, Some(1), true)?;
            Ok((index::gather(&values, 1, &end)?, index::gather(&indices, 1, &end)?))
        }
    }
}

fn column(t: &Tensor, at: usize) -> Result<Tensor> {
    copy::contiguous(&view::narrow(t, 1, at as i64, 1)?)
}

/// For each element of sorted rows the place where the run of its equals starts.
fn run_starts(values: &Tensor, places: &Tensor) -> Result<Tensor> {
    let (rows, n) = (values.size(0), values.size(1) as i64);
    let differs = table::ne(&view::narrow(values, 1, 1, n - 1)?, &view::narrow(values, 1, 0, n - 1)?)?;
    let starts = table::select(&differs, &view::narrow(places, 0, 1, n - 1)?, Scalar::Int(0))?;
    let starts = joining::cat(&[creation::zeros(&[rows, 1], DType::I64)?, starts], 1)?;
    let (out, at) = (Tensor::empty(starts.sizes(), DType::I64)?, Tensor::empty(starts.sizes(), DType::I64)?);
    scan(Scan::Max, &Operands { x: &starts, g: None, out: &out, indices: Some(&at) }, 1, false)?;
    Ok(out)
}
