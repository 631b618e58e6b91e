//! Order: sorting, the largest and smallest few, elements by rank, the most frequent one.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::sort::{Pick, pick};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::wrap_dim;
use crate::ops::arithmetic::{div, mul, where_};
use crate::ops::lines::{check_ordered, length, only_element, other_sizes, picked, side, with_length};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, cuda, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Picks from lines that are not empty, into fresh values and indices with lines of length `k`.
fn pick_along(x: &Tensor, dim: usize, k: usize, what: Pick) -> Result<(Tensor, Tensor)> {
    let sizes = with_length(x, dim, k);
    let same_order = matches!(what, Pick::Sorted { .. });
    if x.device().is_cuda() && x.numel() > 0 {
        let (values, indices) = cuda::pick::pick_along(x, dim, what)?;
        let like = same_order.then_some(x);
        return Ok((cuda::pick::laid_out(values, like)?, cuda::pick::laid_out(indices, like)?));
    }
    let empty = |dtype: DType| match same_order {
        true => Tensor::empty_dense(&sizes, x.layout().dense_like(), dtype),
        false => Tensor::empty(&sizes, dtype),
    };
    let (values, indices) = (empty(x.dtype())?, empty(DType::I64)?);
    if values.numel() > 0 {
        let sides = [side(x, dim), side(&values, dim), side(&indices, dim)];
        // SAFETY: the sides belong to tensors of these sizes; the outputs are fresh; callers give
        // ranks within the line.
        unsafe { pick(x.dtype(), &other_sizes(x, dim), length(x, dim), &sides, what)? };
    }
    Ok((values, indices))
}

/// All elements in order along a dimension, equal ones in the order they had, and where they were.
pub fn sort(x: &Tensor, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    let dim = wrap_dim(dim, x.ndim())?;
    if x.dtype().is_complex() {
        bail!(DType, "Sort does not support complex dtypes on CPU");
    }
    let (values, indices) = pick_along(x, dim, length(x, dim), Pick::Sorted { descending })?;
    Ok(picked(x, dim, values, indices, true, "sort"))
}

/// `dim` and `descending` stand at `at` and behind it. Every sort is stable.
fn sort_call(a: &Args, at: usize) -> Result<Output> {
    let (values, indices) = sort(a.tensor(0), a.int(at), a.bool(at + 1))?;
    Ok(named("sort", values, indices))
}

fn topk(x: &Tensor, k: i64, dim: i64, largest: bool) -> Result<(Tensor, Tensor)> {
    let dim = wrap_dim(dim, x.ndim())?;
    let n = length(x, dim);
    if k < 0 || k as usize > n {
        bail!(Autograd, "selected index k out of range");
    }
    if x.dtype().is_complex() || x.dtype() == DType::Bool {
        let kind = if x.dtype().is_complex() { "complex" } else { "bool" };
        bail!(DType, "topk does not support {kind} dtypes on CPU");
    }
    if x.ndim() == 0 {
        return only_element(x, "topk");
    }
    let what = Pick::First { k: k as usize, descending: largest };
    let (values, indices) = pick_along(x, dim, k as usize, what)?;
    Ok(picked(x, dim, values, indices, true, "topk"))
}

/// One element of each line.
fn one_along(x: &Tensor, dim: i64, keepdim: bool, what: Pick, name: &'static str) -> Result<Output> {
    let dim = wrap_dim(dim, x.ndim())?;
    if x.ndim() == 0 {
        let (values, indices) = only_element(x, name)?;
        return Ok(named(name, values, indices));
    }
    check_ordered(x, name)?;
    if length(x, dim) == 0 {
        bail!(Index, "{name}(): Expected reduction dim {dim} to have non-zero size.");
    }
    let (values, indices) = pick_along(x, dim, 1, what)?;
    let (values, indices) = picked(x, dim, values, indices, keepdim, name);
    Ok(named(name, values, indices))
}

fn named(name: &'static str, values: Tensor, indices: Tensor) -> Output {
    Output::Named(name, &["values", "indices"], vec![values, indices])
}

fn kthvalue(x: &Tensor, k: i64, dim: i64, keepdim: bool) -> Result<Output> {
    let d = wrap_dim(dim, x.ndim())?;
    let n = length(x, d);
    if n == 0 {
        bail!(Index, "kthvalue(): Expected reduction dim {d} to have non-zero size.");
    }
    if k < 1 || k as usize > n {
        bail!(Autograd, "kthvalue(): selected number k out of range for dimension {d}");
    }
    if x.dtype() == DType::Bool && x.ndim() > 0 {
        bail!(Unsupported, "\"kthvalue_cpu\" not implemented for 'Bool'");
    }
    one_along(x, dim, keepdim, Pick::Rank(k as usize - 1), "kthvalue")
}

/// The median of all elements; equal ones share the gradient.
fn median_of_all(x: &Tensor, what: Pick, name: &'static str) -> Result<Tensor> {
    let out = if x.numel() == 0 {
        creation::full(&[], Scalar::Float(f64::NAN), x.dtype())?
    } else {
        check_ordered(x, "median_cpu")?;
        check_not_bool(x, "median_cpu")?;
        let flat = autograd::no_grad(|| view::reshape(&x.detached(), &[-1]))?;
        crate::ops::lines::dropped(&pick_along(&flat, 0, 1, what)?.0, 0)
    };
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, name, &[x], &[Save::Input(0), Save::Output(0)], |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, y) = (cx.saved(0)?.detach(), cx.saved(1)?.detach());
        let share = autograd::no_grad(|| {
            let both_nan = table::logical_and(&table::isnan(&x)?, &table::isnan(&y)?)?;
            let hit = copy::to_dtype(&table::logical_or(&table::eq(&x, &y)?, &both_nan)?, x.dtype())?;
            div(&hit, &reduce::sum(&hit, None, false, None)?)
        })?;
        Ok(smallvec![Some(mul(g, &share)?)])
    }))
}

/// Medians and modes take no truth values along a dimension where PyTorch does not.
fn check_not_bool(x: &Tensor, kernel: &str) -> Result<()> {
    if x.dtype() == DType::Bool {
        bail!(Unsupported, "\"{kernel}\" not implemented for 'Bool'");
    }
    Ok(())
}

/// Values between sorted elements: at rank `q * (n - 1)`.
fn quantile(
    x: &Tensor,
    q: &Tensor,
    dim: Option<i64>,
    keepdim: bool,
    interpolation: &str,
    ignore_nan: bool,
) -> Result<Tensor> {
    let name = if ignore_nan { "nanquantile" } else { "quantile" };
    if q.ndim() > 1 {
        bail!(Autograd, "{name}() q must be a scalar or 1D tensor");
    }
    if x.numel() == 0 {
        bail!(Autograd, "{name}() input tensor must be non-empty");
    }
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        bail!(DType, "{name}() input tensor must be either float or double dtype");
    }
    if x.dtype() != q.dtype() {
        bail!(DType, "{name}() q tensor must be same dtype as the input tensor");
    }
    if !["linear", "lower", "higher", "midpoint", "nearest"].contains(&interpolation) {
        bail!(
            Autograd,
            "{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        );
    }
    let outside = table::logical_not(&table::logical_and(&table::ge(q, 0.0)?, &table::le(q, 1.0)?)?)?;
    if !reduce::all_nonzero(&table::logical_not(&outside)?)? {
        bail!(Autograd, "{name}() q values must be in the range [0, 1]");
    }
    // The line that is sorted lies last; where it was stays a dimension of size 1.
    let d = dim.map(|d| wrap_dim(d, x.ndim())).transpose()?;
    let rows = match d {
        Some(d) if d + 1 == x.ndim() => x.clone(),
        Some(d) if x.ndim() > 0 => view::transpose(&view::unsqueeze(x, -1)?, d as i64, -1)?,
        _ => view::reshape(x, &[-1])?,
    };
    let sorted = sort(&rows, -1, false)?.0;
    let n = sorted.size(sorted.ndim() - 1);
    let flat_q = view::reshape(q, &[-1])?;
    let nans = copy::to_dtype(&table::isnan(&sorted.detached())?, x.dtype())?;
    let nans = reduce::sum(&nans, Some(&[-1]), true, None)?;
    let last = (n - 1) as f64;
    let ranks = if ignore_nan {
        let top = table::clamp_min(&crate::ops::arithmetic::sub(last, &nans)?, 0.0)?;
        mul(&flat_q, &top)?
    } else {
        let ranks = mul(&flat_q, last)?;
        where_(&table::gt(&nans, 0.0)?, last, &ranks)?
    };
    let whole = match interpolation {
        "lower" => table::floor(&ranks)?,
        "higher" => table::ceil(&ranks)?,
        "nearest" => table::round(&ranks)?,
        _ => ranks.clone(),
    };
    let gather = |ranks: &Tensor| -> Result<Tensor> {
        crate::ops::index::gather(&sorted, -1, &copy::to_dtype(&ranks.detached(), DType::I64)?)
    };
    let mut out = gather(&table::floor(&whole.detached())?)?;
    if matches!(interpolation, "linear" | "midpoint") {
        let weights = if interpolation == "midpoint" {
            creation::full(ranks.sizes(), Scalar::Float(0.5), x.dtype())?
        } else {
            crate::ops::arithmetic::sub(&ranks, &table::floor(&ranks.detached())?)?
        };
        let above = gather(&table::ceil(&ranks.detached())?)?;
        out = table::lerp(&out, &above, &weights)?;
    }
    // q's dimension comes first, or is dropped; so is the reduced one.
    let mut out = view::transpose(&view::unsqueeze(&out, 0)?, 0, -1)?;
    if d.is_some_and(|d| d + 1 < x.ndim()) {
        out = view::squeeze(&out, Some(&[-1]))?;
    }
    if keepdim && out.ndim() != x.ndim() + 1 {
        let mut sizes = vec![1; x.ndim() + 1];
        sizes[0] = flat_q.numel();
        out = view::reshape_to(&out, &sizes)?;
    } else if !keepdim {
        out = view::squeeze(&out, Some(&[d.map_or(-1, |d| d as i64 + 1)]))?;
    }
    if q.ndim() == 0 { view::squeeze(&out, Some(&[0])) } else { Ok(out) }
}

fn quantile_call(a: &Args, ignore_nan: bool) -> Result<Output> {
    let x = a.tensor(0);
    let number;
    let q = match a.opt_tensor(1) {
        Some(q) => q,
        None => {
            let q = a.float(1);
            if !(0.0..=1.0).contains(&q) {
                bail!(Autograd, "quantile() q must be in the range [0, 1] but got {q}");
            }
            let dtype = if x.dtype().is_floating() { x.dtype() } else { crate::scalar::default_dtype() };
            number = creation::full(&[], Scalar::Float(q), dtype)?;
            &number
        }
    };
    let interpolation = a.str(4).unwrap_or("linear");
    Ok(quantile(x, q, a.opt_int(2), a.bool(3), interpolation, ignore_nan)?.into())
}

pub const OPS: &[Op] = &[
    Op::new(
        "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
        |a| sort_call(a, 2),
    )
    .method()
    .samples("ints(2, 9), dim=1, descending=True, stable=True"),
    Op::new(
        "sort(Tensor input, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
        |a| sort_call(a, 1),
    )
    .method()
    .doc("The elements in order along a dimension and where they were; equal ones keep their order, NaN is the largest.")
    .samples("t(3, 4) | t(2, 3, 4), 0, True | nc(3, 4), 1 | t() | t(0, 3), 0"),
    Op::new("argsort(Tensor input, *, bool stable, int dim=-1, bool descending=False) -> Tensor", |a| {
        Ok(sort(&a.tensor(0).detached(), a.int(2), a.bool(3))?.1.into())
    })
    .method()
    .samples("ints(9), stable=True")
    .no_gradient(),
    Op::new("argsort(Tensor input, int dim=-1, bool descending=False) -> Tensor", |a| {
        Ok(sort(&a.tensor(0).detached(), a.int(1), a.bool(2))?.1.into())
    })
    .method()
    .doc("The indices that put the elements in order along a dimension; equal ones keep their order.")
    .samples("t(3, 4) | nc(3, 4), 0, True | t()")
    .no_gradient(),
    Op::new("msort(Tensor input) -> Tensor", |a| Ok(sort(a.tensor(0), 0, false)?.0.into()))
        .method()
        .doc("The elements in order along the first dimension.")
        .samples("t(3, 4) | nc(3, 4) | t(0)"),
    Op::new(
        "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
        |a| {
            let (values, indices) = topk(a.tensor(0), a.int(1), a.int(2), a.bool(3))?;
            Ok(named("topk", values, indices))
        },
    )
    .method()
    .doc("The k largest (smallest) elements along a dimension, in order, and where they are.")
    .samples("t(3, 4, low=-99, high=99), 2 | nc(3, 4, low=-99, high=99), 2, 0, False | t(), 1 | t(3, 4), 0 | t(2, 5, low=-99, high=99), k=5, dim=1, largest=True, sorted=True"),
    Op::new("kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        kthvalue(a.tensor(0), a.int(1), a.int(2), a.bool(3))
    })
    .method()
    .doc("The k-th smallest element along a dimension, counted from 1, and where it is.")
    .samples("t(3, 4, low=-99, high=120), 2 | nc(3, 4, low=-99, high=99), 3, 0, True | t(), 1"),
    Op::new("median(Tensor input) -> Tensor", |a| Ok(median_of_all(a.tensor(0), Pick::Median, "median")?.into()))
        .method()
        .doc("The lower of the middle elements; along a dimension with its index. NaN if there is one.")
        .samples("t(3, 4) | nc(3, 3) | t() | t(0)"),
    Op::new("median(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        check_not_bool(a.tensor(0), "median_out")?;
        one_along(a.tensor(0), a.int(1), a.bool(2), Pick::Median, "median")
    })
    .method()
    .samples("t(3, 4), 1 | nc(3, 5), 0, True | t(), 0"),
    Op::new("nanmedian(Tensor input) -> Tensor", |a| {
        Ok(median_of_all(a.tensor(0), Pick::NanMedian, "nanmedian")?.into())
    })
    .method()
    .doc("The median of what is not NaN.")
    .samples("t(3, 4) | torch.tensor([1.0, nan, 3.0, 2.0])"),
    Op::new("nanmedian(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        check_not_bool(a.tensor(0), "median_out")?;
        one_along(a.tensor(0), a.int(1), a.bool(2), Pick::NanMedian, "nanmedian")
    })
    .method()
    .samples("t(3, 4), 1 | torch.tensor([[1.0, nan], [nan, nan]]), 1, True"),
    Op::new("mode(Tensor input, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        one_along(a.tensor(0), a.int(1), a.bool(2), Pick::Mode, "mode")
    })
    .method()
    .doc("The most frequent element along a dimension, the smallest of several, and where it is last.")
    .samples("t(3, 4) | ints(3, 9, high=3), 1 | nc(3, 4), 0, True | t()"),
    Op::new(
        "quantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
        |a| quantile_call(a, false),
    )
    .method()
    .samples("t(3, 4), t(3, low=0, high=1), 1, interpolation='midpoint' | t(2, 3, 4), t(2, low=0, high=1), 0, True, interpolation='lower' | t(5), t(2, low=0, high=1), interpolation='higher'"),
    Op::new(
        "quantile(Tensor input, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
        |a| quantile_call(a, false),
    )
    .method()
    .doc("The values at fractions q of the sorted elements, of all or along a dimension; NaN if there is one.")
    .samples("t(3, 4), 0.3 | t(3, 4), 0.5, 1, True | nc(3, 4), 0.25, 0, interpolation='nearest' | t(), 0.1"),
    Op::new(
        "nanquantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
        |a| quantile_call(a, true),
    )
    .method()
    .samples("t(3, 4), t(3, low=0, high=1), 1, True"),
    Op::new(
        "nanquantile(Tensor input, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
        |a| quantile_call(a, true),
    )
    .method()
    .doc("The quantile of what is not NaN.")
    .samples("t(3, 4), 0.3 | torch.tensor([[1.0, nan, 3.0], [nan, nan, nan]]), 0.7, 1"),
];
