//! The different elements, or parts along a dimension, with where they are and how many.

use crate::alloc::vec_for;
use crate::bail;
use crate::cpu::search;
use crate::dispatch_ordered;
use crate::error::Result;
use crate::layout::wrap_dim;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::search::elements;
use crate::ops::{copy, cuda, index, sort, view};
use crate::tensor::Tensor;

/// What is wanted besides the different elements.
#[derive(Clone, Copy)]
struct Wanted {
    inverse: bool,
    counts: bool,
}

/// The different rows of a contiguous matrix: the first of each, the number of each row's, how many.
/// `sorted` looks at all rows in order, otherwise neighbours are compared. The numbers of the rows may be
/// left out where no `inverse` is wanted.
fn different_rows(rows: &Tensor, sorted: bool, inverse: bool) -> Result<[Tensor; 3]> {
    if rows.device().is_cuda() {
        return cuda::unique::different_rows(rows, sorted);
    }
    let (n, width) = (rows.size(0), rows.size(1));
    let mut order: Vec<i64> = vec_for(n)?;
    let (mut run_of, mut starts): (Vec<i64>, Vec<i64>) = (Vec::new(), vec_for(n)?);
    if sorted && width == 1 {
        let (values, indices) = sort::sort(&view::reshape(rows, &[-1])?, 0, false)?;
        order.extend_from_slice(elements::<i64>(&indices));
        dispatch_ordered!(rows.dtype(), T => search::runs_of_sorted(elements::<T>(&values), &mut starts));
        if inverse {
            run_of = vec_for(n)?;
            run_of.resize(n, 0);
            for (run, &start) in starts.iter().enumerate() {
                let end = starts.get(run + 1).map_or(n, |&e| e as usize);
                order[start as usize..end].iter().for_each(|&i| run_of[i as usize] = run as i64);
            }
        }
    } else {
        order.extend(0..n as i64);
        run_of = vec_for(n)?;
        run_of.resize(n, 0);
        dispatch_ordered!(rows.dtype(), T => {
            let values = elements::<T>(rows);
            if sorted {
                search::sort_rows(values, width, &mut order);
            }
            search::runs(values, width, &order, &mut run_of, &mut starts);
        });
    }
    let firsts: Vec<i64> = starts.iter().map(|&s| order[s as usize]).collect();
    let ends = starts.iter().skip(1).copied().chain([n as i64]);
    let counts: Vec<i64> = starts.iter().zip(ends).map(|(&s, e)| e - s).collect();
    let vector = |v: &[i64]| Tensor::from_slice(v, &[v.len()]);
    Ok([vector(&firsts)?, vector(&run_of)?, vector(&counts)?])
}

fn different(x: &Tensor, dim: Option<i64>, sorted: bool, wanted: Wanted) -> Result<Output> {
    if x.dtype().is_complex() {
        bail!(Unsupported, "\"unique\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let x = &x.detached();
    let [values, inverse, counts] = match dim {
        None => {
            let flat = copy::contiguous(&view::reshape(x, &[-1])?)?;
            let [firsts, run_of, counts] =
                different_rows(&view::unsqueeze(&flat, 1)?, sorted, wanted.inverse)?;
            let values = index::index_select(&flat, 0, &firsts)?;
            let inverse = if wanted.inverse { view::reshape_to(&run_of, x.sizes())? } else { run_of };
            [values, inverse, counts]
        }
        Some(dim) => {
            let d = wrap_dim(dim, x.ndim())?;
            let n = x.sizes().get(d).copied().unwrap_or(1);
            let empty = x.sizes().iter().filter(|&&s| s == 0).count();
            if empty > (n == 0) as usize {
                bail!(
                    Autograd,
                    "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
                );
            }
            let front = if x.ndim() == 0 { x.clone() } else { view::movedim(x, &[d as i64], &[0])? };
            let width = x.numel().checked_div(n).unwrap_or(1);
            let rows = copy::contiguous(&view::reshape_to(&front, &[n, width])?)?;
            let [firsts, run_of, counts] = different_rows(&rows, sorted, wanted.inverse)?;
            // The different parts lie one after the other in memory.
            let mut sizes = front.sizes().to_vec();
            if let Some(first) = sizes.first_mut() {
                *first = firsts.numel();
            }
            let parts = view::reshape_to(&index::index_select(&rows, 0, &firsts)?, &sizes)?;
            let parts = if x.ndim() == 0 { parts } else { view::movedim(&parts, &[0], &[d as i64])? };
            [parts, run_of, counts]
        }
    };
    if !wanted.inverse && !wanted.counts {
        return Ok(values.into());
    }
    let mut results = vec![values];
    results.extend(wanted.inverse.then_some(inverse));
    results.extend(wanted.counts.then_some(counts));
    Ok(results.into())
}

fn unique_call(a: &Args) -> Result<Output> {
    different(a.tensor(0), a.opt_int(4), true, Wanted { inverse: a.bool(2), counts: a.bool(3) })
}

fn consecutive_call(a: &Args) -> Result<Output> {
    different(a.tensor(0), a.opt_int(3), false, Wanted { inverse: a.bool(1), counts: a.bool(2) })
}

pub const OPS: &[Op] = &[
    Op::new(
        "unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor[]",
        unique_call,
    )
    .method()
    .doc("The different elements (or parts along a dimension) in order; where each element's is, and how many there are.")
    .samples("ints(3, 4) | ints(9), True, True, True | ints(6, 2, high=2), return_inverse=True, return_counts=True, dim=0 | t(3) | ints(0) | bools(5)")
    .no_gradient(),
    Op::new(
        "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor[]",
        consecutive_call,
    )
    .method()
    .doc("The same, where only neighbours are compared.")
    .samples("ints(12, high=2) | ints(12, high=2), True, True | ints(6, 2, high=2), return_inverse=True, return_counts=True, dim=0")
    .no_gradient(),
];
