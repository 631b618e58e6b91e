//! Places in sorted sequences, membership, counts and histograms.

use crate::alloc::vec_for;
use crate::autograd;
use crate::bail;
use crate::cpu::search::{self, Bins};
use crate::dispatch_ordered;
use crate::dtype::{Bool, DType, Element, ResultType};
use crate::error::Result;
use crate::layout::Show;
use crate::ops::arithmetic::{div, mul, sub};
use crate::ops::registry::{Args, Op, Output, Value};
use crate::ops::{copy, creation, reduce, sort, view};
use crate::tensor::Tensor;

/// The elements of a contiguous tensor of this type.
pub fn elements<T: Element>(t: &Tensor) -> &[T] {
    assert!(t.is_contiguous() && t.dtype() == T::DTYPE, "a contiguous tensor of this dtype");
    if t.numel() == 0 {
        return &[];
    }
    // SAFETY: contiguous, with that many elements of T.
    unsafe { std::slice::from_raw_parts(t.ptr().cast::<T>(), t.numel()) }
}

/// The elements of a fresh contiguous tensor, to be written.
#[allow(clippy::mut_from_ref)] // the bytes lie behind a shared handle; the caller has just made it
fn fresh_elements<T: Element>(t: &Tensor) -> &mut [T] {
    assert!(t.is_contiguous() && t.dtype() == T::DTYPE && t.storage().is_unique(), "a fresh tensor");
    if t.numel() == 0 {
        return &mut [];
    }
    // SAFETY: contiguous, with that many elements of T, and nobody else has the storage.
    unsafe { std::slice::from_raw_parts_mut(t.ptr().cast::<T>(), t.numel()) }
}

/// Contiguous, of a dtype, outside the tape.
fn dense(t: &Tensor, dtype: DType) -> Result<Tensor> {
    copy::contiguous(&copy::to_dtype(&t.detached(), dtype)?)
}

/// A tensor, or a number as one.
fn tensor_of(value: &Value) -> Result<Tensor> {
    match value {
        Value::Tensor(t) => Ok(t.clone()),
        Value::Scalar(s) => creation::scalar(*s, s.dtype()),
        _ => bail!(Type, "expected a tensor or a number"),
    }
}

/// The dtype in which a tensor and a tensor or number are compared.
fn common(a: &Value, b: &Value) -> DType {
    let of = |result: ResultType, v: &Value| match v {
        Value::Tensor(t) => result.tensor(t.dtype(), t.ndim()),
        Value::Scalar(s) => result.scalar(s.dtype()),
        _ => result,
    };
    of(of(ResultType::default(), a), b).get()
}

struct Search<'a> {
    sorter: Option<&'a Tensor>,
    right: bool,
    int32: bool,
}

fn searchsorted(sequence: &Value, values: &Value, s: Search) -> Result<Tensor> {
    let (boundaries, input) = (tensor_of(sequence)?, tensor_of(values)?);
    if boundaries.ndim() == 0 {
        bail!(
            Autograd,
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        );
    }
    let (last, lead) = (boundaries.size(boundaries.ndim() - 1), boundaries.ndim() - 1);
    if boundaries.ndim() != 1 {
        if input.ndim() == 0 {
            bail!(
                Autograd,
                "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim({}) and input value's dim(0) numel(1)",
                boundaries.ndim()
            );
        }
        if input.ndim() != boundaries.ndim() || input.sizes()[..lead] != boundaries.sizes()[..lead] {
            bail!(
                Shape,
                "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor {} and input value tensor {}",
                Show(boundaries.sizes()),
                Show(input.sizes())
            );
        }
    }
    let sorter = s.sorter.map(|order| checked_sorter(&boundaries, order, last)).transpose()?;
    if s.int32 && last >= i32::MAX as usize {
        bail!(
            Autograd,
            "torch.searchsorted(): the size of boundaries' last dimension should be less than {}",
            i32::MAX
        );
    }
    let dtype = common(sequence, values);
    if dtype.is_complex() || dtype == DType::Bool {
        bail!(Unsupported, "\"searchsorted_out_cpu\" not implemented for '{}'", dtype.scalar_name());
    }
    let (boundaries, input) = (dense(&boundaries, dtype)?, dense(&input, dtype)?);
    let out = Tensor::empty(input.sizes(), DType::I64)?;
    let rows = if boundaries.ndim() == 1 { 1 } else { boundaries.sizes()[..lead].iter().product() };
    dispatch_ordered!(dtype, T => search::places::<T>(
        elements(&boundaries),
        rows,
        sorter.as_ref().map(elements),
        elements(&input),
        s.right,
        fresh_elements(&out),
    ));
    copy::to_dtype(&out, if s.int32 { DType::I32 } else { DType::I64 })
}

/// The order in which a sequence is sorted, with its indices within range.
fn checked_sorter(boundaries: &Tensor, order: &Tensor, last: usize) -> Result<Tensor> {
    if order.sizes() != boundaries.sizes() {
        bail!(
            Shape,
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor {}and got sorter tensor {}",
            Show(boundaries.sizes()),
            Show(order.sizes())
        );
    }
    if order.dtype() != DType::I64 {
        bail!(
            DType,
            "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {}",
            order.dtype().scalar_name()
        );
    }
    let order = dense(order, DType::I64)?;
    if elements::<i64>(&order).iter().any(|&i| i < 0 || i as usize >= last) {
        bail!(Autograd, "torch.searchsorted(): sorter index out of range");
    }
    Ok(order)
}

fn searchsorted_call(a: &Args) -> Result<Output> {
    let (right, side) = (a.bool(3), a.str(4));
    if let Some(side) = side {
        if side != "left" && side != "right" {
            bail!(Autograd, "torch.searchsorted(): side can only be 'left' or 'right' but got {side}");
        }
        if side == "left" && right {
            bail!(
                Autograd,
                "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
            );
        }
    }
    let right = right || side == Some("right");
    let s = Search { sorter: a.opt_tensor(5), right, int32: a.bool(2) };
    Ok(searchsorted(&a.0[0], &a.0[1], s)?.into())
}

fn bucketize_call(a: &Args) -> Result<Output> {
    let boundaries = a.tensor(1);
    if boundaries.ndim() != 1 {
        bail!(Autograd, "boundaries tensor must be 1 dimension, but got dim({})", boundaries.ndim());
    }
    let s = Search { sorter: None, right: a.bool(3), int32: a.bool(2) };
    Ok(searchsorted(&a.0[1], &a.0[0], s)?.into())
}

fn isin_call(a: &Args) -> Result<Output> {
    let invert = a.bool(3);
    let dtype = common(&a.0[0], &a.0[1]);
    let (values, tests) = (tensor_of(&a.0[0])?, tensor_of(&a.0[1])?);
    if let Some(t) =
        [&values, &tests].into_iter().find(|t| t.dtype().is_complex() || t.dtype() == DType::Bool)
    {
        bail!(DType, "Unsupported input type encountered for isin(): {}", t.dtype().scalar_name());
    }
    let (values, tests) = (dense(&values, dtype)?, dense(&tests, dtype)?);
    let (sorted, _) = sort::sort(&view::reshape(&tests, &[-1])?, 0, false)?;
    let out = Tensor::empty(values.sizes(), DType::Bool)?;
    dispatch_ordered!(dtype, T => {
        search::contained::<T>(elements(&sorted), elements(&values), invert, fresh_elements::<Bool>(&out));
    });
    Ok(out.into())
}

/// How often each number from 0 on occurs, or the sums of the weights where it does.
fn bincount(x: &Tensor, weights: Option<&Tensor>, minlength: i64) -> Result<Tensor> {
    if minlength < 0 {
        bail!(Autograd, "minlength should be >= 0");
    }
    if !x.dtype().is_integral() || x.dtype() == DType::Bool {
        bail!(Unsupported, "\"bincount_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let values = dense(x, DType::I64)?;
    let values = elements::<i64>(&values);
    if x.ndim() == 1 && x.numel() == 0 {
        return creation::zeros(&[minlength as usize], DType::I64);
    }
    if x.ndim() != 1 || values.iter().any(|&v| v < 0) {
        bail!(Autograd, "bincount only supports 1-d non-negative integral inputs.");
    }
    if let Some(w) = weights
        && (w.ndim() != 1 || w.numel() != x.numel())
    {
        bail!(Shape, "weights should be 1-d and have the same length as input");
    }
    let largest = values.iter().copied().max().unwrap_or(0);
    if largest == i64::MAX {
        bail!(Shape, "bincount: the largest value {largest} is too large");
    }
    let bins = (largest + 1).max(minlength) as usize;
    let Some(weights) = weights else {
        let out = creation::zeros(&[bins], DType::I64)?;
        let counts = fresh_elements::<i64>(&out);
        values.iter().for_each(|&v| counts[v as usize] += 1);
        return Ok(out);
    };
    let out = creation::zeros(&[bins], DType::F64)?;
    let sums = fresh_elements::<f64>(&out);
    let dtype = if weights.dtype() == DType::F32 { DType::F32 } else { DType::F64 };
    let weights = dense(weights, DType::F64)?;
    values.iter().zip(elements::<f64>(&weights)).for_each(|(&v, w)| sums[v as usize] += w);
    copy::to_dtype(&out, dtype)
}

/// Sums over bins between `edges`, in the dtype of `x`.
fn fill_bins(x: &Tensor, weights: Option<&Tensor>, edges: &Tensor, how: Bins) -> Result<Tensor> {
    let bins = edges.numel() - 1;
    let mut sums: Vec<f64> = vec_for(bins)?;
    sums.resize(bins, 0.0);
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let weights = weights.map(|w| dense(w, wide)).transpose()?;
    let (values, edges) = (dense(x, wide)?, dense(edges, wide)?);
    if wide == DType::F64 {
        let weights = weights.as_ref().map(elements);
        search::histogram::<f64>(elements(&values), weights, elements(&edges), how, &mut sums);
    } else {
        let weights = weights.as_ref().map(elements);
        search::histogram::<f32>(elements(&values), weights, elements(&edges), how, &mut sums);
    }
    copy::to_dtype(&Tensor::from_slice(&sums, &[bins])?, x.dtype())
}

fn check_bins(bins: i64) -> Result<()> {
    if bins <= 0 {
        bail!(Autograd, "torch.histogram(): bins must be > 0, but got {bins} for dimension 0");
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
    let end = |largest| crate::ops::extreme::extreme(x, largest, u64::MAX, false, "aminmax");
    Ok((reduce::item(&end(false)?)?.to_f64(), reduce::item(&end(true)?)?.to_f64()))
}

fn histc(x: &Tensor, bins: i64, min: f64, max: f64) -> Result<Tensor> {
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"histogram_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    check_bins(bins)?;
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
    let edges = creation::linspace(
        low,
        high,
        bins + 1,
        if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 },
    )?;
    fill_bins(x, None, &edges, Bins::Even)
}

/// Counts, or sums of weights, between edges; as a density their integral is 1.
fn histogram(
    x: &Tensor,
    edges: Tensor,
    weight: Option<&Tensor>,
    density: bool,
    how: Bins,
) -> Result<Vec<Tensor>> {
    if let Some(w) = weight {
        if w.sizes() != x.sizes() {
            let mut seen = vec![x.numel()];
            seen.push(1);
            bail!(
                Shape,
                "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its innermost dimension, but got input with shape {} and weight with shape {}",
                Show(&seen),
                Show(w.sizes())
            );
        }
        if w.dtype() != x.dtype() {
            bail!(
                DType,
                "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same dtype, but got input(dtype {}) and weight(dtype {})",
                x.dtype().c_name(),
                w.dtype().c_name()
            );
        }
    }
    let mut hist = fill_bins(x, weight, &edges, how)?;
    if density {
        let n = edges.numel() as i64;
        let widths = sub(&view::narrow(&edges, 0, 1, n - 1)?, &view::narrow(&edges, 0, 0, n - 1)?)?;
        let total = reduce::sum(&hist, None, false, None)?;
        hist = div(&hist, &mul(&widths, &total)?)?;
    }
    Ok(vec![hist, edges])
}

/// The named tuple of a histogram of `x`.
fn histogram_output(x: &Tensor, results: Vec<Tensor>) -> Output {
    let results = autograd::record_unknown(results, "histogram", &[x]);
    Output::Named("histogram", &["hist", "bin_edges"], results)
}

fn check_histogram_dtype(x: &Tensor) -> Result<()> {
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"histogramdd\" not implemented for '{}'", x.dtype().scalar_name());
    }
    Ok(())
}

fn histogram_with_edges(a: &Args) -> Result<Output> {
    let (x, edges) = (a.tensor(0), a.tensor(1));
    if edges.ndim() != 1 {
        bail!(
            Autograd,
            "torch.histogramdd: bins tensor should have one dimension, but got {} dimensions in the bins tensor for dimension 0",
            edges.ndim()
        );
    }
    if edges.dtype() != x.dtype() {
        bail!(
            DType,
            "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype {} and bins for dimension 0 with dtype {}",
            x.dtype().c_name(),
            edges.dtype().c_name()
        );
    }
    if edges.numel() == 0 {
        bail!(Autograd, "torch.histogramdd: bins tensor should have at least 1 element, but got 0");
    }
    check_histogram_dtype(x)?;
    let edges = copy::contiguous_copy(&edges.detached())?;
    if edges.numel() == 1 {
        let hist = Tensor::empty(&[0], x.dtype())?;
        return Ok(histogram_output(x, vec![hist, edges]));
    }
    let weight = a.opt_tensor(2);
    let results = autograd::no_grad(|| histogram(&x.detached(), edges, weight, a.bool(3), Bins::Free))?;
    Ok(histogram_output(x, results))
}

fn histogram_with_count(a: &Args) -> Result<Output> {
    let (x, bins) = (a.tensor(0), a.int(1));
    check_histogram_dtype(x)?;
    check_bins(bins)?;
    let (mut low, mut high) = match a.opt_floats(2) {
        Some([low, high]) => (*low, *high),
        Some(other) => bail!(
            Autograd,
            "torch.histogramdd: for a 1-dimensional histogram range should have 2 elements, but got {}",
            other.len()
        ),
        None if x.numel() == 0 => (0.0, 1.0),
        None => ends_of(&x.detached())?,
    };
    if !low.is_finite() || !high.is_finite() {
        bail!(Autograd, "torch.histogramdd: dimension 0's range [{low}, {high}] is not finite");
    }
    if low > high {
        bail!(
            Autograd,
            "torch.histogramdd: min should not exceed max, but got min {low} max {high} for dimension 0"
        );
    }
    if low == high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let edges = creation::linspace(low, high, bins + 1, x.dtype())?;
    let weight = a.opt_tensor(3);
    let results =
        autograd::no_grad(|| histogram(&x.detached(), edges, weight, a.bool(4), Bins::EvenByEdges))?;
    Ok(histogram_output(x, results))
}

pub const OPS: &[Op] = &[
    Op::new(
        "searchsorted(Tensor sorted_sequence, Number|Tensor input, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
        searchsorted_call,
    )
    .doc("Where each value of input would be inserted so that the sequence stays sorted.")
    .samples("torch.tensor([-1.0, 0.0, 0.0, 2.0]), t(3, 4) | torch.tensor([[1, 3, 5], [0, 2, 4]]), ints(2, 3), right=True | torch.tensor([1.0, 2.0]), 1.5, out_int32=True | torch.tensor([3, 1, 2]), ints(4), side='right', sorter=torch.tensor([1, 2, 0])")
    .no_gradient(),
    Op::new(
        "bucketize(Number|Tensor input, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
        bucketize_call,
    )
    .doc("The number of the bucket between boundaries that each value falls into.")
    .samples("t(3, 4), torch.tensor([-1.0, 0.0, 2.0]) | ints(5), torch.tensor([1, 3]), right=True | 2.5, torch.tensor([1, 3]), out_int32=True")
    .no_gradient(),
    Op::new(
        "isin(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor",
        isin_call,
    )
    .doc("Whether each element is among the test elements.")
    .samples("ints(3, 4), ints(3) | t(3), t(0)")
    .no_gradient(),
    Op::new(
        "isin(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor",
        isin_call,
    )
    .samples("2, ints(5), invert=True")
    .no_gradient(),
    Op::new(
        "isin(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False) -> Tensor",
        isin_call,
    )
    .samples("ints(5), 2")
    .no_gradient(),
    Op::new("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor", |a| {
        let counts = bincount(a.tensor(0), a.opt_tensor(1), a.int(2))?;
        let Some(weights) = a.opt_tensor(1) else { return Ok(counts.into()) };
        Ok(autograd::record_unknown(vec![counts], "bincount", &[weights]).remove(0).into())
    })
    .method()
    .doc("How often each number from 0 on occurs, or the sums of the weights where it does.")
    .samples("ints(9) | ints(9), t(9) | ints(0), minlength=3")
    .no_gradient(),
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
];
