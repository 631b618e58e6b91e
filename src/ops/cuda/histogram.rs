//! Histograms: the number of each point's bin, and sums over the bins.

use crate::cpu::search::Bins;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::arithmetic::{add, div, mul, sub};
use crate::ops::search::{dense, expanded_one};
use crate::ops::{copy, creation, cuda, index, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Sums (float64) over the bins between `edges` of each coordinate of the rows of `points`: `cpu::search::histogram`.
pub fn fill_bins(points: &Tensor, weights: Option<&Tensor>, edges: &[Tensor], how: Bins) -> Result<Tensor> {
    let sizes: Vec<usize> = edges.iter().map(|e| e.numel() - 1).collect();
    let bins: usize = sizes.iter().product();
    let out = creation::zeros(&sizes, DType::F64)?;
    let n = points.numel().checked_div(edges.len()).unwrap_or(0);
    if bins == 0 || n == 0 {
        return Ok(out);
    }
    let wide = if points.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let rows = view::reshape_to(&dense(points, wide)?, &[n, edges.len()])?;
    let mut place = creation::zeros(&[n], DType::I64)?;
    let mut counts = creation::full(&[n], Scalar::Bool(true), DType::Bool)?;
    for (d, edges) in edges.iter().enumerate() {
        let (values, edges) = (copy::contiguous(&view::select(&rows, 1, d as i64)?)?, dense(edges, wide)?);
        let count = sizes[d] as i64;
        let (low, high) = (view::select(&edges, 0, 0)?, view::select(&edges, 0, count)?);
        let inside = table::logical_and(&table::ge(&values, &low)?, &table::le(&values, &high)?)?;
        counts = table::logical_and(&counts, &inside)?;
        let bin = if how == Bins::Even {
            let from_low = mul(&sub(&values, &low)?, Scalar::Int(count))?;
            // What is not inside may be NaN, of which no integer is made.
            let bin = table::select(&inside, &div(&from_low, &sub(&high, &low)?)?, Scalar::Int(0))?;
            copy::to_dtype(&bin, DType::I64)?
        } else {
            let after = Tensor::empty(&[n], DType::I64)?;
            cuda::search::places(&after, &edges, 1, None, &values, true)?;
            table::clamp_min(&sub(&after, Scalar::Int(1))?, Scalar::Int(0))?
        };
        let bin = table::clamp_max(&bin, Scalar::Int(count - 1))?;
        place = add(&mul(&place, Scalar::Int(count))?, &bin)?;
    }
    let weights = match weights {
        Some(w) => dense(&view::reshape(w, &[-1])?, DType::F64)?,
        None => expanded_one(&place, DType::F64)?,
    };
    let weights = table::select(&counts, &weights, Scalar::Int(0))?;
    let flat = view::reshape_to(&out, &[bins])?;
    index::put_at(&flat, vec![Some(place)], &weights, true)?;
    Ok(out)
}
