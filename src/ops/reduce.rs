//! Reductions: sums, means, extremes, logic, and the moments made of them.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::reduce::{Dim, Reduction, arg_extreme};
use crate::dtype::{C128, Cast, Category, DType, Element};
use crate::error::{Error, Result};
use crate::layout::{Sizes, wrap_dim, wrap_dims};
use crate::ops::arithmetic::{div, mul, sub};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Dimensions to reduce as a mask; no dimensions means all.
fn mask_of(dims: Option<&[i64]>, ndim: usize) -> Result<u64> {
    match dims {
        None | Some([]) => Ok(u64::MAX),
        Some(dims) => wrap_dims(dims, ndim),
    }
}

/// Sizes after reducing the dimensions of the mask.
fn reduced_sizes(sizes: &[usize], mask: u64, keepdim: bool) -> Sizes {
    let reduced = |d: usize| mask & (1 << d) != 0;
    (0..sizes.len())
        .filter(|&d| keepdim || !reduced(d))
        .map(|d| if reduced(d) { 1 } else { sizes[d] })
        .collect()
}

/// How many elements fall into one result.
fn reduced_count(sizes: &[usize], mask: u64) -> usize {
    (0..sizes.len()).filter(|d| mask & (1 << d) != 0).map(|d| sizes[d]).product()
}

/// Runs the kernel; no tape.
fn reduce(x: &Tensor, reduction: Reduction, mask: u64, keepdim: bool, dtype: DType) -> Result<Tensor> {
    let out = Tensor::empty(&reduced_sizes(x.sizes(), mask, keepdim), dtype)?;
    let size = x.dtype().size() as isize;
    if mask == u64::MAX && x.is_contiguous() {
        // SAFETY: one run over all elements of the input; the output is fresh.
        unsafe {
            crate::cpu::reduce::reduce(reduction, out.operand(), x.operand(), &[], &[(x.numel(), size)])
        };
        return Ok(out);
    }
    let dims = |reduced: bool| -> SmallVec<[Dim; 6]> {
        (0..x.ndim())
            .filter(|d| (mask & (1 << d) != 0) == reduced)
            .map(|d| (x.size(d), x.strides()[d] * size))
            .collect()
    };
    if out.numel() > 0 {
        // SAFETY: kept and reduced dimensions together are the input's layout; the output is fresh.
        unsafe {
            crate::cpu::reduce::reduce(reduction, out.operand(), x.operand(), &dims(false), &dims(true));
        }
    }
    Ok(out)
}

/// A gradient of a reduced shape, seen in the shape before the reduction.
fn expand_back(g: &Tensor, sizes: &[usize], mask: u64) -> Result<Tensor> {
    let kept = reduced_sizes(sizes, mask, true);
    view::expand_to(&view::reshape_to(g, &kept)?, sizes)
}

/// The dtype in which integers are summed.
fn sum_dtype(x: &Tensor, dtype: Option<DType>) -> DType {
    dtype.unwrap_or(if x.dtype().is_integral() { DType::I64 } else { x.dtype() })
}

fn sum_mask(x: &Tensor, mask: u64, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let dtype = sum_dtype(x, dtype);
    // A dtype that changes the kind of number has to act before the sum.
    let x = &if dtype.category() != x.dtype().category() && !(x.dtype().is_integral() && dtype.is_integral())
    {
        copy::to_dtype(x, dtype)?
    } else {
        x.clone()
    };
    let out = reduce(x, Reduction::Sum, mask, keepdim, dtype)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let (sizes, from): (Sizes, _) = (x.sizes().into(), x.dtype());
    Ok(autograd::record(out, "sum", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(copy::to_dtype(&expand_back(g, &sizes, mask)?, from)?)])
    }))
}

/// Sum over some dimensions, or all.
pub fn sum(x: &Tensor, dims: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    sum_mask(x, mask_of(dims, x.ndim())?, keepdim, dtype)
}

/// Sums what broadcasting repeated, back to `sizes`.
pub fn sum_to_size(x: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    if x.sizes() == sizes {
        return Ok(x.clone());
    }
    let lead = x.ndim() - sizes.len();
    let mut mask = 0u64;
    for d in 0..x.ndim() {
        if d < lead || (sizes[d - lead] == 1 && x.size(d) != 1) {
            mask |= 1 << d;
        }
    }
    let summed = if mask == 0 { x.clone() } else { sum_mask(x, mask, true, None)? };
    view::reshape_to(&summed, sizes)
}

/// Mean over some dimensions, or all.
pub fn mean(x: &Tensor, dims: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let target = dtype.unwrap_or(x.dtype());
    if target.is_integral() {
        bail!(
            DType,
            "mean(): could not infer output dtype. {} dtype must be either a floating point or complex dtype. Got: {}",
            if dtype.is_some() { "Optional" } else { "Input" },
            target.scalar_name()
        );
    }
    let mask = mask_of(dims, x.ndim())?;
    let x = &copy::to_dtype(x, target)?;
    let count = reduced_count(x.sizes(), mask) as f64;
    // The sum of half-precision numbers may not fit where their mean does.
    let wide = if matches!(target, DType::F16 | DType::BF16) { DType::F32 } else { target };
    let total = reduce(x, Reduction::Sum, mask, keepdim, wide)?;
    let out = copy::to_dtype(&div(&total.detached(), count)?, target)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(out, "mean", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(expand_back(&div(g, count)?, &sizes, mask)?)])
    }))
}

/// Product over one dimension, or all.
fn prod(x: &Tensor, dim: Option<i64>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let dims = dim.map(|d| [d]);
    let mask = mask_of(dims.as_ref().map(|d| &d[..]), x.ndim())?;
    let x = &copy::to_dtype(x, sum_dtype(x, dtype))?;
    let out = reduce(x, Reduction::Prod, mask, keepdim, x.dtype())?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(out, "prod", &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, y) = (cx.saved(0)?, cx.saved(1)?);
        let whole = mul(&expand_back(g, &sizes, mask)?, &expand_back(&y, &sizes, mask)?)?;
        if all_nonzero(&x)? {
            return Ok(smallvec![Some(div(&whole, &x)?)]);
        }
        // Where a zero takes part, the product of the others has to be formed without dividing.
        let others = product_of_others(&x, mask)?;
        Ok(smallvec![Some(mul(&expand_back(g, &sizes, mask)?, &others)?)])
    }))
}

/// For each element the product of the others that are reduced with it.
fn product_of_others(x: &Tensor, mask: u64) -> Result<Tensor> {
    let zero = table::eq(x, 0.0)?;
    let ones = copy::to_dtype(&zero, x.dtype())?;
    let zeros_here = reduce(&ones.detached(), Reduction::Sum, mask, true, x.dtype())?;
    let without_zeros = crate::ops::arithmetic::where_(&zero, 1.0, x)?;
    let rest = view::expand_to(&prod_mask(&without_zeros, mask)?, x.sizes())?;
    // With one zero only that element sees a product; with more nobody does.
    let alone = table::logical_and(&zero, &table::eq(&zeros_here, 1.0)?)?;
    let none = table::eq(&view::expand_to(&zeros_here, x.sizes())?, 0.0)?;
    let quotient = div(&rest, &without_zeros)?;
    let seen = crate::ops::arithmetic::where_(&alone, &rest, 0.0)?;
    crate::ops::arithmetic::where_(&none, &quotient, &seen)
}

/// Sums of the first 1, 2, ... elements along a dimension, or of the last ones.
fn running_sum(x: &Tensor, dim: usize, from_end: bool) -> Result<Tensor> {
    let out = Tensor::empty(x.sizes(), x.dtype())?;
    copy::write(&out, &x.detached())?;
    let n = x.sizes().get(dim).copied().unwrap_or(1);
    let inner: usize = x.sizes().iter().skip(dim + 1).product();
    crate::dispatch!(x.dtype(), T => {
        let values = out.ptr().cast::<T>();
        let scan = |start: usize| match T::DTYPE.category() {
            // SAFETY: a line of a contiguous tensor.
            Category::Complex => unsafe { scan::<T, C128>(values.add(start), n, inner, from_end, |a, b| a + b) },
            // SAFETY: as above.
            Category::Floating => unsafe { scan::<T, f64>(values.add(start), n, inner, from_end, |a, b| a + b) },
            // SAFETY: as above.
            _ => unsafe { scan::<T, i64>(values.add(start), n, inner, from_end, i64::wrapping_add) },
        };
        for outer in 0..out.numel() / (n * inner).max(1) {
            (0..inner).for_each(|i| scan(outer * n * inner + i));
        }
    });
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "cumsum", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(running_sum(g, dim, !from_end)?)])
    }))
}

/// Replaces `n` elements by their running sums, kept in `A`.
///
/// # Safety
/// Every `step`-th element from `line` on can be read and written.
unsafe fn scan<T: Element, A: Element>(
    line: *mut T,
    n: usize,
    step: usize,
    from_end: bool,
    add: impl Fn(A, A) -> A,
) {
    let mut total: Option<A> = None;
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe {
            let place = line.add(if from_end { n - 1 - i } else { i } * step);
            let value: A = place.read_unaligned().cast();
            let next = total.map_or(value, |t| add(t, value));
            place.write_unaligned(next.cast());
            total = Some(next);
        }
    }
}

fn cumsum(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    running_sum(&copy::to_dtype(x, sum_dtype(x, dtype))?, wrap_dim(dim, x.ndim())?, false)
}

fn prod_mask(x: &Tensor, mask: u64) -> Result<Tensor> {
    let mut out = x.clone();
    for d in (0..x.ndim()).filter(|d| mask & (1 << d) != 0) {
        out = prod(&out, Some(d as i64), true, None)?;
    }
    Ok(out)
}

fn check_not_empty(x: &Tensor, mask: u64, name: &str) -> Result<()> {
    if reduced_count(x.sizes(), mask) > 0 || reduced_sizes(x.sizes(), mask, false).contains(&0) {
        return Ok(());
    }
    if mask == u64::MAX {
        bail!(
            Autograd,
            "{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
        );
    }
    let dim = mask.trailing_zeros();
    bail!(Index, "{name}(): Expected reduction dim {dim} to have non-zero size.")
}

/// The extreme over dimensions; equal extremes share the gradient.
fn extreme(x: &Tensor, largest: bool, mask: u64, keepdim: bool, name: &'static str) -> Result<Tensor> {
    if x.dtype().is_complex() {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    check_not_empty(x, mask, name)?;
    let kind = if largest { Reduction::Max } else { Reduction::Min };
    let out = reduce(x, kind, mask, keepdim, x.dtype())?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(out, name, &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, y) = (cx.saved(0)?, cx.saved(1)?);
        let hits = autograd::no_grad(|| {
            let x = x.detached();
            let hit = copy::to_dtype(&table::eq(&x, &expand_back(&y.detached(), &sizes, mask)?)?, x.dtype())?;
            let count = sum_mask(&hit, mask, true, None)?;
            div(&hit, &count)
        })?;
        Ok(smallvec![Some(mul(&expand_back(g, &sizes, mask)?, &hits)?)])
    }))
}

/// Values and indices of the extreme along one dimension.
fn extreme_along(x: &Tensor, largest: bool, dim: i64, keepdim: bool, name: &'static str) -> Result<Output> {
    let indices = arg_extreme_along(x, largest, dim, true, name)?;
    let dim = wrap_dim(dim, x.ndim())?;
    let values = crate::ops::index::gather(x, dim as i64, &indices)?;
    let (values, indices) = if keepdim || x.ndim() == 0 {
        (values, indices)
    } else {
        let dims = [dim as i64];
        (view::squeeze(&values, Some(&dims))?, view::squeeze(&indices, Some(&dims))?)
    };
    Ok(Output::Named(name, &["values", "indices"], vec![values, indices]))
}

/// Index of the extreme along one dimension.
fn arg_extreme_along(x: &Tensor, largest: bool, dim: i64, keepdim: bool, name: &str) -> Result<Tensor> {
    if x.dtype().is_complex() {
        bail!(DType, "{name}(): does not support complex input");
    }
    let d = wrap_dim(dim, x.ndim())?;
    let mask = 1u64 << d;
    check_not_empty(x, mask, name)?;
    let out = Tensor::empty(&reduced_sizes(x.sizes(), mask, keepdim), DType::I64)?;
    let (n, stride) = if x.ndim() == 0 { (1, 0) } else { (x.size(d), x.strides()[d]) };
    let bytes = x.dtype().size() as isize;
    let kept: SmallVec<[(usize, isize); 6]> =
        (0..x.ndim()).filter(|&i| i != d).map(|i| (x.size(i), x.strides()[i])).collect();
    let (source, target) = (Address(x.ptr()), Address(out.ptr()));
    crate::cpu::par::for_range(out.numel(), (crate::cpu::pointwise::GRAIN / n.max(1)).max(1), &|range| {
        let (source, target) = (source, target);
        for i in range {
            let (mut offset, mut rest) = (0isize, i);
            for &(size, stride) in kept.iter().rev() {
                offset += (rest % size) as isize * stride;
                rest /= size;
            }
            // SAFETY: within the layout of x; the output is fresh and contiguous.
            unsafe {
                let run = source.0.offset(offset * bytes);
                let best =
                    crate::dispatch!(x.dtype(), S => arg_extreme::<S>(run, n, stride * bytes, largest));
                target.0.cast::<i64>().add(i).write(best as i64);
            }
        }
    });
    Ok(out)
}

/// A pointer that threads share.
#[derive(Clone, Copy)]
struct Address(*mut u8);
// SAFETY: threads write disjoint elements.
unsafe impl Sync for Address {}

pub fn argmax(x: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<Tensor> {
    arg_extreme_call(x, true, dim, keepdim, "argmax")
}

fn arg_extreme_call(
    x: &Tensor,
    largest: bool,
    dim: Option<i64>,
    keepdim: bool,
    name: &str,
) -> Result<Tensor> {
    if x.dtype() == DType::Bool {
        bail!(DType, "{name}(): does not support bool input");
    }
    let Some(dim) = dim else {
        if x.numel() == 0 {
            bail!(
                Index,
                "{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
            );
        }
        let flat = view::reshape(&x.detached(), &[-1])?;
        let out = arg_extreme_along(&flat, largest, 0, false, name)?;
        return if keepdim { view::reshape_to(&out, &Sizes::from_elem(1, x.ndim())) } else { Ok(out) };
    };
    arg_extreme_along(x, largest, dim, keepdim, name)
}

/// Whether no element is zero. NaN counts as non-zero.
pub fn all_nonzero(x: &Tensor) -> Result<bool> {
    Ok(logic(&x.detached(), true, u64::MAX, false)?.to_vec::<i64>()[0] != 0)
}

/// `all` and `any`: the extreme of truth values.
fn logic(x: &Tensor, all: bool, mask: u64, keepdim: bool) -> Result<Tensor> {
    let truth =
        if x.dtype() == DType::Bool { x.detached() } else { table::ne(&x.detached(), Scalar::Int(0))? };
    let out_dtype = if x.dtype() == DType::U8 { DType::U8 } else { DType::Bool };
    let kind = if all { Reduction::Min } else { Reduction::Max };
    if reduced_count(x.sizes(), mask) == 0 {
        return creation::full(&reduced_sizes(x.sizes(), mask, keepdim), Scalar::Bool(all), out_dtype);
    }
    reduce(&truth, kind, mask, keepdim, out_dtype)
}

/// Variance with `correction` degrees of freedom taken off, and the mean.
fn var_mean(x: &Tensor, dims: Option<&[i64]>, correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    if !x.dtype().is_differentiable() {
        bail!(DType, "std and var only support floating point and complex dtypes");
    }
    let mask = mask_of(dims, x.ndim())?;
    let average = mean(x, dims, true, None)?;
    let centred = sub(x, &average)?;
    let distance = if x.dtype().is_complex() { crate::ops::arithmetic::abs(&centred)? } else { centred };
    let squares = sum_mask(&table::square(&distance)?, mask, keepdim, None)?;
    let degrees = (reduced_count(x.sizes(), mask) as f64 - correction).max(0.0);
    let average =
        if keepdim { average } else { view::reshape_to(&average, &reduced_sizes(x.sizes(), mask, false))? };
    Ok((div(&squares, degrees)?, average))
}

fn correction_of(a: &Args, unbiased_at: Option<usize>, correction_at: Option<usize>) -> f64 {
    if let Some(at) = correction_at {
        return a.opt_scalar(at).map_or(1.0, Scalar::to_f64);
    }
    unbiased_at.map_or(1.0, |at| a.opt_bool(at).unwrap_or(true) as i64 as f64)
}

/// Vector norm of any order over dimensions.
pub fn vector_norm(x: &Tensor, p: f64, dims: Option<&[i64]>, keepdim: bool) -> Result<Tensor> {
    let mask = mask_of(dims, x.ndim())?;
    if !x.dtype().is_differentiable() {
        bail!(
            DType,
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
            x.dtype().scalar_name()
        );
    }
    if p == f64::INFINITY {
        return extreme(&crate::ops::arithmetic::abs(x)?, true, mask, keepdim, "amax");
    }
    if p == f64::NEG_INFINITY {
        return extreme(&crate::ops::arithmetic::abs(x)?, false, mask, keepdim, "amin");
    }
    if p == 0.0 {
        return sum_mask(&copy::to_dtype(&table::ne(x, 0.0)?, x.dtype().to_real())?, mask, keepdim, None);
    }
    if p == 1.0 {
        return sum_mask(&crate::ops::arithmetic::abs(x)?, mask, keepdim, None);
    }
    if p == 2.0 {
        return euclidean_norm(x, mask, keepdim);
    }
    let powers = sum_mask(&table::pow(&crate::ops::arithmetic::abs(x)?, p)?, mask, keepdim, None)?;
    table::pow(&powers, 1.0 / p)
}

/// The 2-norm, whose gradient at zero is zero.
fn euclidean_norm(x: &Tensor, mask: u64, keepdim: bool) -> Result<Tensor> {
    let out = autograd::no_grad(|| {
        let x = x.detached();
        let lengths = if x.dtype().is_complex() { crate::ops::arithmetic::abs(&x)? } else { x };
        table::sqrt(&sum_mask(&table::square(&lengths)?, mask, keepdim, None)?)
    })?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(
        out,
        "LinalgVectorNormBackward0",
        &[x],
        &[Save::Input(0), Save::Output(0)],
        move |cx| {
            let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
            let (x, y) = (cx.saved(0)?, expand_back(&cx.saved(1)?, &sizes, mask)?);
            let direction = div(&x, &y)?;
            let safe = crate::ops::arithmetic::where_(&table::eq(&y, 0.0)?, 0.0, &direction)?;
            Ok(smallvec![Some(mul(&expand_back(g, &sizes, mask)?, &safe)?)])
        },
    ))
}

/// Adds `g` into a layout whose indices may reach an element more than once.
pub fn add_overlapping(target: &Tensor, g: &Tensor) -> Result<()> {
    let values: Vec<f64> = copy::values(g)?;
    let layout = target.layout();
    let mut index = vec![0usize; layout.ndim()];
    for value in values {
        let at: isize = index.iter().zip(&layout.strides).map(|(&i, &s)| i as isize * s).sum();
        let place = target.alias(crate::layout::Layout {
            offset: (layout.offset as isize + at) as usize,
            ..Default::default()
        });
        let sum = place.to_vec::<f64>()[0] + value;
        creation::write_value(&place, Scalar::Float(sum))?;
        for d in (0..index.len()).rev() {
            index[d] += 1;
            if index[d] < layout.sizes[d] {
                break;
            }
            index[d] = 0;
        }
    }
    Ok(())
}

fn scalar_of(x: &Tensor) -> Result<Scalar> {
    if x.numel() != 1 {
        return Err(Error::Autograd(format!(
            "a Tensor with {} elements cannot be converted to Scalar",
            x.numel()
        )));
    }
    if x.dtype() == DType::F32 {
        // SAFETY: there is one element, at the start.
        return Ok(Scalar::Float(unsafe { x.ptr().cast::<f32>().read_unaligned() } as f64));
    }
    Ok(match x.dtype() {
        DType::Bool => Scalar::Bool(x.to_vec::<i64>()[0] != 0),
        d if d.is_integral() => Scalar::Int(x.to_vec::<i64>()[0]),
        d if d.is_complex() => Scalar::Complex(x.to_vec()[0]),
        _ => Scalar::Float(x.to_vec::<f64>()[0]),
    })
}

/// The only element as a number.
pub fn item(x: &Tensor) -> Result<Scalar> {
    scalar_of(x)
}

pub const OPS: &[Op] = &[
    Op::new("sum(Tensor input, *, ScalarType? dtype=None) -> Tensor", |a| Ok(sum(a.tensor(0), None, false, a.dtype(1))?.into()))
        .method()
        .doc("The sum over all elements, or over dimensions.")
        .samples("t(3, 4) | ints(3) | bools(4) | t(0) | t() | nc(3, 4) | ints(3), dtype=torch.float64"),
    Op::new("sum(Tensor input, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(sum(a.tensor(0), a.opt_ints(1), a.bool(2), a.dtype(3))?.into())
    })
    .method()
    .samples("t(3, 4), 0 | t(2, 3, 4), (0, 2) | t(3, 4), -1, True | t(0, 3), 0 | nc(3, 4), 1 | t(), 0 | t(3, 4), dim=1, keepdim=True"),
    Op::new("mean(Tensor input, *, ScalarType? dtype=None) -> Tensor", |a| Ok(mean(a.tensor(0), None, false, a.dtype(1))?.into()))
        .method()
        .doc("The mean over all elements, or over dimensions.")
        .samples("t(3, 4) | ints(3), dtype=torch.float32 | t()"),
    Op::new("mean(Tensor input, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(mean(a.tensor(0), a.opt_ints(1), a.bool(2), a.dtype(3))?.into())
    })
    .method()
    .samples("t(3, 4), 0 | t(2, 3, 4), (0, 2), True | nc(3, 4), -1"),
    Op::new("cumsum(Tensor input, int dim, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(cumsum(a.tensor(0), a.int(1), a.dtype(2))?.into())
    })
    .method()
    .inplace_by(|a| {
        let x = a.tensor(0);
        if x.dtype() == DType::Bool && x.numel() > 1 {
            bail!(Unsupported, "\"cumsum_out_cpu\" not implemented for 'Bool'");
        }
        if let Some(other) = a.dtype(2).filter(|&d| d != x.dtype()) {
            bail!(
                DType,
                "Bad in-place call: input tensor dtype {} and output tensor dtype {} should match",
                x.dtype().c_name(),
                other.c_name()
            );
        }
        Ok(copy::assign(x, &cumsum(x, a.int(1), Some(x.dtype()))?)?.into())
    })
    .doc("Running sums along a dimension.")
    .samples("t(3, 4), 0 | t(2, 3, 4), -2 | nc(3, 4), 1 | t(), 0 | t(0, 3), 0 | ints(3), 0"),
    Op::new("prod(Tensor input, *, ScalarType? dtype=None) -> Tensor", |a| Ok(prod(a.tensor(0), None, false, a.dtype(1))?.into()))
        .method()
        .doc("The product over all elements, or over a dimension.")
        .samples("t(3) | ints(3) | t(2, 2)"),
    Op::new("prod(Tensor input, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(prod(a.tensor(0), a.opt_int(1), a.bool(2), a.dtype(3))?.into())
    })
    .method()
    .samples("t(3, 4), 0 | t(3, 4), 1, True"),
    Op::new("max(Tensor input) -> Tensor", |a| Ok(extreme(a.tensor(0), true, u64::MAX, false, "max")?.into()))
        .method()
        .doc("The largest element; along a dimension with its index; or the larger of two tensors.")
        .samples("t(3, 4) | ints(3) | t()"),
    Op::new("max(Tensor input, int dim, bool keepdim=False) -> Tensor[]", |a| {
        extreme_along(a.tensor(0), true, a.int(1), a.bool(2), "max")
    })
    .method()
    .samples("t(3, 4), 0 | t(3, 4), 1, True | t(2, 3, 4), -2"),
    Op::new("max(Tensor input, Tensor other) -> Tensor", |a| Ok(table::maximum(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .samples("t(3, 4), t(4)"),
    Op::new("min(Tensor input) -> Tensor", |a| Ok(extreme(a.tensor(0), false, u64::MAX, false, "min")?.into()))
        .method()
        .doc("The smallest element; along a dimension with its index; or the smaller of two tensors.")
        .samples("t(3, 4) | ints(3) | t()"),
    Op::new("min(Tensor input, int dim, bool keepdim=False) -> Tensor[]", |a| {
        extreme_along(a.tensor(0), false, a.int(1), a.bool(2), "min")
    })
    .method()
    .samples("t(3, 4), 0 | t(3, 4), 1, True"),
    Op::new("min(Tensor input, Tensor other) -> Tensor", |a| Ok(table::minimum(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .samples("t(3, 4), t(4)"),
    Op::new("amax(Tensor input, int[1]? dim=[], bool keepdim=False) -> Tensor", |a| {
        Ok(extreme(a.tensor(0), true, mask_of(a.opt_ints(1), a.tensor(0).ndim())?, a.bool(2), "amax")?.into())
    })
    .method()
    .doc("The largest elements over dimensions.")
    .samples("t(3, 4) | t(3, 4), 0 | t(2, 3, 4), (0, 1), True"),
    Op::new("amin(Tensor input, int[1]? dim=[], bool keepdim=False) -> Tensor", |a| {
        Ok(extreme(a.tensor(0), false, mask_of(a.opt_ints(1), a.tensor(0).ndim())?, a.bool(2), "amin")?.into())
    })
    .method()
    .doc("The smallest elements over dimensions.")
    .samples("t(3, 4) | t(3, 4), 0"),
    Op::new("argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        Ok(argmax(a.tensor(0), a.opt_int(1), a.bool(2))?.into())
    })
    .method()
    .doc("The index of the largest element.")
    .samples("t(3, 4) | t(3, 4), 1 | t(3, 4), 0, True | nc(3, 4), 1")
    .no_gradient(),
    Op::new("argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        Ok(arg_extreme_call(a.tensor(0), false, a.opt_int(1), a.bool(2), "argmin")?.into())
    })
    .method()
    .doc("The index of the smallest element.")
    .samples("t(3, 4) | t(3, 4), 1")
    .no_gradient(),
    Op::new("all(Tensor input) -> Tensor", |a| Ok(logic(a.tensor(0), true, u64::MAX, false)?.into()))
        .method()
        .doc("Whether all elements are non-zero.")
        .samples("bools(3, 4) | t(3) | bools(0)")
        .no_gradient(),
    Op::new("all(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", |a| {
        Ok(logic(a.tensor(0), true, mask_of(a.opt_ints(1), a.tensor(0).ndim())?, a.bool(2))?.into())
    })
    .method()
    .samples("bools(3, 4), 0 | bools(3, 4), 1, True")
    .no_gradient(),
    Op::new("any(Tensor input) -> Tensor", |a| Ok(logic(a.tensor(0), false, u64::MAX, false)?.into()))
        .method()
        .doc("Whether some element is non-zero.")
        .samples("bools(3, 4) | t(3) | bools(0)")
        .no_gradient(),
    Op::new("any(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", |a| {
        Ok(logic(a.tensor(0), false, mask_of(a.opt_ints(1), a.tensor(0).ndim())?, a.bool(2))?.into())
    })
    .method()
    .samples("bools(3, 4), 0 | bools(3, 4), 1, True")
    .no_gradient(),
    Op::new("var(Tensor input, bool unbiased) -> Tensor", |a| Ok(var_mean(a.tensor(0), None, correction_of(a, Some(1), None), false)?.0.into()))
        .method(),
    Op::new("var(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor", |a| {
        Ok(var_mean(a.tensor(0), a.opt_ints(1), correction_of(a, Some(2), None), a.bool(3))?.0.into())
    })
    .method(),
    Op::new("var(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        Ok(var_mean(a.tensor(0), a.opt_ints(1), correction_of(a, None, Some(2)), a.bool(3))?.0.into())
    })
    .method()
    .doc("The variance.")
    .samples("t(3, 4) | t(3, 4), 0 | t(3, 4), 1, correction=0, keepdim=True"),
    Op::new("std(Tensor input, bool unbiased) -> Tensor", |a| {
        Ok(table::sqrt(&var_mean(a.tensor(0), None, correction_of(a, Some(1), None), false)?.0)?.into())
    })
    .method(),
    Op::new("std(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor", |a| {
        Ok(table::sqrt(&var_mean(a.tensor(0), a.opt_ints(1), correction_of(a, Some(2), None), a.bool(3))?.0)?.into())
    })
    .method(),
    Op::new("std(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        Ok(table::sqrt(&var_mean(a.tensor(0), a.opt_ints(1), correction_of(a, None, Some(2)), a.bool(3))?.0)?.into())
    })
    .method()
    .doc("The standard deviation.")
    .samples("t(3, 4) | t(3, 4), 0 | t(3, 4), 1, correction=0, keepdim=True"),
    Op::new("norm(Tensor input, Scalar? p=2, int[1]? dim=None, bool keepdim=False) -> Tensor", |a| {
        let p = a.opt_scalar(1).map_or(2.0, Scalar::to_f64);
        Ok(vector_norm(a.tensor(0), p, a.opt_ints(2), a.bool(3))?.into())
    })
    .method()
    .doc("The p-norm.")
    .samples("t(3, 4) | t(3, 4), 1 | t(3, 4), 2, 1 | t(3, 4), float('inf'), 0, True | t(3, 4), 3"),
    Op::new("sum_to_size(Tensor input, *int[] size) -> Tensor", |a| {
        let sizes = crate::layout::sizes_from(a.ints(1))?;
        let x = a.tensor(0);
        if crate::layout::broadcast(&sizes, x.sizes()).ok().as_deref() != Some(x.sizes()) {
            bail!(
                Shape,
                "size {{{}}} is not expandable to size {{{}}}.",
                crate::layout::Show(&sizes),
                crate::layout::Show(x.sizes())
            );
        }
        Ok(sum_to_size(x, &sizes)?.into())
    })
    .method_only()
    .doc("Sums what broadcasting would repeat.")
    .samples("t(3, 4), 1, 4 | t(3, 4), (4,)"),
];
