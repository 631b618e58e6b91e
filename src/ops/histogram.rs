//! Histograms of numbers and of points.

use smallvec::SmallVec;

use crate::alloc::vec_for;
use crate::autograd;
use crate::bail;
use crate::cpu::search::{self, Bins};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, checked_numel};
use crate::ops::arithmetic::{div, sub};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::search::{dense, elements};
use crate::ops::{copy, creation, cuda, extreme, reduce, view};
use crate::tensor::Tensor;

/// Sums over the bins between `edges` of each coordinate of the rows of `points`, in their dtype.
fn fill_bins(points: &Tensor, weights: Option<&Tensor>, edges: &[Tensor], how: Bins) -> Result<Tensor> {
    let sizes: Vec<usize> = edges.iter().map(|e| e.numel() - 1).collect();
    let bins = checked_numel(&sizes)?;
    if points.device().is_cuda() {
        return copy::to_dtype(&cuda::histogram::fill_bins(points, weights, edges, how)?, points.dtype());
    }
    let mut sums: Vec<f64> = vec_for(bins)?;
    sums.resize(bins, 0.0);
    let wide = if points.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let weights = weights.map(|w| dense(w, wide)).transpose()?;
    let points_wide = dense(points, wide)?;
    let edges: Vec<Tensor> = edges.iter().map(|e| dense(e, wide)).collect::<Result<_>>()?;
    if wide == DType::F64 {
        let edges: SmallVec<[&[f64]; 4]> = edges.iter().map(elements).collect();
        search::histogram(elements(&points_wide), weights.as_ref().map(elements), &edges, how, &mut sums);
    } else {
        let edges: SmallVec<[&[f32]; 4]> = edges.iter().map(elements).collect();
        search::histogram(elements(&points_wide), weights.as_ref().map(elements), &edges, how, &mut sums);
    }
    copy::to_dtype(&Tensor::from_slice(&sums, &sizes)?, points.dtype())
}

fn check_bins(bins: i64, dim: usize) -> Result<()> {
    if bins <= 0 {
        bail!(Autograd, "torch.histogram(): bins must be > 0, but got {bins} for dimension {dim}");
    }
    if bins >= 1 << 40 {
        bail!(Shape, "torch.histogram(): {bins} bins do not fit in memory");
    }
    Ok(())
}

/// The smallest and the largest element; (0, 0) if there is none.
fn ends_of(x: &Tensor) -> Result<(f64, f64)> {
    if x.numel() == 0 {
        return Ok((0.0, 0.0));
    }
    let end = |largest| extreme::extreme(x, largest, u64::MAX, false, "aminmax");
    Ok((reduce::item(&end(false)?)?.to_f64(), reduce::item(&end(true)?)?.to_f64()))
}

fn histc(x: &Tensor, bins: i64, min: f64, max: f64) -> Result<Tensor> {
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"histogram_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    check_bins(bins, 0)?;
    let x = &x.detached();
    let (mut low, mut high) = (min, max);
    if low == high && x.numel() > 0 {
        (low, high) = ends_of(x)?;
    }
    if low == high {
        (low, high) = (low - 1.0, high + 1.0);
    }
    if !low.is_finite() || !high.is_finite() {
        bail!(Autograd, "torch.histc: range of [{low}, {high}] is not finite");
    }
    if low > high {
        bail!(Autograd, "torch.histc: max must be larger than min");
    }
    // Only the ends matter where bins are even.
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let edges = creation::linspace(low, high, bins + 1, wide)?;
    fill_bins(&view::reshape(x, &[-1, 1])?, None, &[edges], Bins::Even)
}

/// What both forms of a histogram take besides points and edges.
struct Options<'a> {
    weight: Option<&'a Tensor>,
    density: bool,
}

/// Counts, or sums of weights, between the edges of each coordinate; as a density their integral is 1.
fn histogram(points: &Tensor, edges: &[Tensor], options: Options, how: Bins) -> Result<Tensor> {
    let lead = &points.sizes()[..points.ndim() - 1];
    if let Some(w) = options.weight {
        if w.dtype() != points.dtype() {
            bail!(
                DType,
                "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same dtype, but got input({}), and weight({})",
                points.dtype().c_name(),
                w.dtype().c_name()
            );
        }
        if w.sizes() != lead {
            bail!(
                Shape,
                "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its innermost dimension, but got input with shape {} and weight with shape {}",
                Show(points.sizes()),
                Show(w.sizes())
            );
        }
    }
    if !points.dtype().is_floating() {
        bail!(Unsupported, "\"histogramdd\" not implemented for '{}'", points.dtype().scalar_name());
    }
    let hist = fill_bins(points, options.weight, edges, how)?;
    if !options.density {
        return Ok(hist);
    }
    let mut out = div(&hist, &reduce::sum(&hist, None, false, None)?)?;
    for (d, edges) in edges.iter().enumerate() {
        let n = edges.numel() as i64;
        let widths = sub(&view::narrow(edges, 0, 1, n - 1)?, &view::narrow(edges, 0, 0, n - 1)?)?;
        let mut sizes = vec![1; hist.ndim()];
        sizes[d] = widths.numel();
        out = div(&out, &view::reshape_to(&widths, &sizes)?)?;
    }
    Ok(out)
}

/// A copy of the edges that a caller gives for each coordinate.
fn checked_edges(points: &Tensor, bins: &[Tensor]) -> Result<Vec<Tensor>> {
    let n = points.size(points.ndim() - 1);
    if bins.len() != n {
        bail!(
            Autograd,
            "torch.histogramdd: expected {n} sequences of bin edges for a {n}-dimensional histogram but got {}",
            bins.len()
        );
    }
    let check = |(d, edges): (usize, &Tensor)| {
        if edges.ndim() != 1 {
            bail!(
                Autograd,
                "torch.histogramdd: bins tensor should have one dimension, but got {} dimensions in the bins tensor for dimension {d}",
                edges.ndim()
            );
        }
        if edges.dtype() != points.dtype() {
            bail!(
                DType,
                "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype {} and bins for dimension {d} with dtype {}",
                points.dtype().c_name(),
                edges.dtype().c_name()
            );
        }
        if edges.numel() == 0 {
            bail!(Autograd, "torch.histogramdd: bins tensor should have at least 1 element, but got 0");
        }
        copy::contiguous_copy(&edges.detached())
    };
    bins.iter().enumerate().map(check).collect()
}

/// Even edges for each coordinate, between the ends given or those of the data.
fn even_edges(points: &Tensor, bins: &[i64], range: Option<&[f64]>) -> Result<Vec<Tensor>> {
    let n = points.size(points.ndim() - 1);
    if bins.len() != n {
        bail!(
            Autograd,
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        );
    }
    if let Some(range) = range.filter(|r| r.len() != 2 * n) {
        bail!(
            Autograd,
            "torch.histogramdd: for a {n}-dimensional histogram range should have {} elements, but got {}",
            2 * n,
            range.len()
        );
    }
    let mut edges = Vec::new();
    for (d, &count) in bins.iter().enumerate() {
        check_bins(count, d)?;
        let (mut low, mut high) = match range {
            Some(range) => (range[2 * d], range[2 * d + 1]),
            None if points.numel() == 0 => (0.0, 1.0),
            None => ends_of(&view::select(points, -1, d as i64)?)?,
        };
        if !low.is_finite() || !high.is_finite() {
            bail!(Autograd, "torch.histogramdd: dimension {d}'s range [{low}, {high}] is not finite");
        }
        if low > high {
            bail!(
                Autograd,
                "torch.histogramdd: min should not exceed max, but got min {low} max {high} for dimension {d}"
            );
        }
        if low == high {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let wide = if points.dtype().is_floating() { points.dtype() } else { DType::F32 };
        edges.push(creation::linspace(low, high, count + 1, wide)?);
    }
    Ok(edges)
}

/// The elements as points with one coordinate.
fn as_points(x: &Tensor) -> Result<Tensor> {
    let x = x.detached();
    autograd::no_grad(|| view::reshape(&x, &[-1, 1]))
}

/// The named tuple of a histogram of the elements of `x`.
fn histogram_of(
    x: &Tensor,
    edges: Vec<Tensor>,
    weight: Option<&Tensor>,
    density: bool,
    how: Bins,
) -> Result<Output> {
    let weight = weight
        .map(|w| if w.sizes() == x.sizes() { view::reshape(&w.detached(), &[-1]) } else { Ok(w.clone()) });
    let weight = weight.transpose()?;
    let options = Options { weight: weight.as_ref(), density };
    let hist = autograd::no_grad(|| histogram(&as_points(x)?, &edges, options, how))?;
    let results = autograd::record_unknown(vec![hist, edges[0].clone()], "histogram", &[x]);
    Ok(Output::Named("histogram", &["hist", "bin_edges"], results))
}

fn histogram_with_edges(a: &Args) -> Result<Output> {
    let x = a.tensor(0);
    let edges = checked_edges(&as_points(x)?, std::slice::from_ref(a.tensor(1)))?;
    histogram_of(x, edges, a.opt_tensor(2), a.bool(3), Bins::Free)
}

fn histogram_with_count(a: &Args) -> Result<Output> {
    let x = a.tensor(0);
    let edges = even_edges(&as_points(x)?, &[a.int(1)], a.opt_floats(2))?;
    histogram_of(x, edges, a.opt_tensor(3), a.bool(4), Bins::EvenByEdges)
}

/// The histogram of points, and then the edges of each coordinate.
fn histogramdd(a: &Args) -> Result<Output> {
    let x = a.tensor(0);
    if x.ndim() < 2 {
        bail!(Autograd, "torch.histogramdd: input tensor should have at least 2 dimensions");
    }
    let points = x.detached();
    let n = points.size(points.ndim() - 1);
    let (edges, how) = match (&a.0[1], a.opt_ints(1)) {
        (_, Some(bins)) => (even_edges(&points, bins, a.opt_floats(2))?, Bins::EvenByEdges),
        (crate::ops::registry::Value::Int(count), _) => {
            (even_edges(&points, &vec![*count; n], a.opt_floats(2))?, Bins::EvenByEdges)
        }
        _ => (checked_edges(&points, a.tensors(1))?, Bins::Free),
    };
    let options = Options { weight: a.opt_tensor(3), density: a.bool(4) };
    let mut results = vec![autograd::no_grad(|| histogram(&points, &edges, options, how))?];
    results.extend(edges);
    Ok(autograd::record_unknown(results, "_histogramdd_from_bin_cts", &[x]).into())
}

pub const OPS: &[Op] = &[
    Op::new("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", |a| {
        Ok(histc(a.tensor(0), a.int(1), a.scalar(2).to_f64(), a.scalar(3).to_f64())?.into())
    })
    .method()
    .doc("How many elements fall into each of even bins between min and max, or the ends of the data.")
    .samples("t(20), 5 | nc(3, 4), 4, -1, 1 | t(0), 3")
    .no_gradient(),
    Op::new(
        "histogram(Tensor input, Tensor bins, *, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)",
        histogram_with_edges,
    )
    .method()
    .doc("How many elements fall between edges, given or even ones, or the sums of their weights.")
    .samples("t(20), t(4, low=0.1, high=1).detach().cumsum(0) | t(20), t(3, low=0.1, high=1).detach().cumsum(0), density=True")
    .no_gradient(),
    Op::new(
        "histogram(Tensor input, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)",
        histogram_with_count,
    )
    .method()
    .samples("t(20), 4 | nc(3, 4), 3, range=(-1.0, 1.0), density=True | t(9), 3, weight=t(9)")
    .no_gradient(),
    Op::new(
        "_histogramdd(Tensor input, int bins, *, float[]? range=None, Tensor? weight=None, bool density=False) -> Tensor[]",
        histogramdd,
    )
    .doc("How many points (rows) fall between edges of each coordinate, and these edges.")
    .no_gradient(),
    Op::new(
        "_histogramdd(Tensor input, int[] bins, *, float[]? range=None, Tensor? weight=None, bool density=False) -> Tensor[]",
        histogramdd,
    )
    .no_gradient(),
    Op::new(
        "_histogramdd(Tensor input, Tensor[] bins, *, float[]? range=None, Tensor? weight=None, bool density=False) -> Tensor[]",
        histogramdd,
    )
    .no_gradient(),
];
