//! Reductions: sums, means, products, logic.

use smallvec::{SmallVec, smallvec};

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu;
use crate::cpu::pointwise::Operand;
use crate::cpu::reduce::{Dim, NormTerm, Reduction};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Sizes, wrap_dims};
use crate::ops::arithmetic::{add, div, mul, sub, where_};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, cuda, scan, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Dimensions to reduce as a mask; no dimensions means all.
pub fn mask_of(dims: Option<&[i64]>, ndim: usize) -> Result<u64> {
    match dims {
        None | Some([]) if ndim <= 64 => Ok(u64::MAX),
        None | Some([]) => wrap_dims(&[], ndim),
        Some(dims) => wrap_dims(dims, ndim),
    }
}

/// Sizes after reducing the dimensions of the mask.
pub fn reduced_sizes(sizes: &[usize], mask: u64, keepdim: bool) -> Sizes {
    let reduced = |d: usize| mask & (1 << d) != 0;
    (0..sizes.len())
        .filter(|&d| keepdim || !reduced(d))
        .map(|d| if reduced(d) { 1 } else { sizes[d] })
        .collect()
}

/// How many elements fall into one result.
pub fn reduced_count(sizes: &[usize], mask: u64) -> usize {
    (0..sizes.len()).filter(|d| mask & (1 << d) != 0).map(|d| sizes[d]).product()
}

/// Runs the kernel; no tape.
pub fn reduce(x: &Tensor, reduction: Reduction, mask: u64, keepdim: bool, dtype: DType) -> Result<Tensor> {
    let out = Tensor::empty(&reduced_sizes(x.sizes(), mask, keepdim), dtype)?;
    if out.device().is_cuda() {
        cuda::reduce::reduce(&out, x, reduction, mask)?;
        return Ok(out);
    }
    over_dims(&out, x, mask, &|out, x, kept, reduced| {
        // SAFETY: kept and reduced dimensions together are the input's layout; the output is fresh.
        unsafe { cpu::reduce::reduce(reduction, out, x, kept, reduced) }
    });
    Ok(out)
}

/// `kernel(out, input, kept, reduced)`.
type KernelOverDims<'a> = dyn Fn(Operand, Operand, &[Dim], &[Dim]) + 'a;

/// Calls a kernel with the dimensions that are kept and those that are reduced.
fn over_dims(out: &Tensor, x: &Tensor, mask: u64, kernel: &KernelOverDims<'_>) {
    let size = x.dtype().size() as isize;
    if mask == u64::MAX && x.is_contiguous() {
        return kernel(out.operand(), x.operand(), &[], &[(x.numel(), size)]);
    }
    let dims = |reduced: bool| -> SmallVec<[Dim; 6]> {
        (0..x.ndim())
            .filter(|d| (mask & (1 << d) != 0) == reduced)
            .map(|d| (x.size(d), x.strides()[d] * size))
            .collect()
    };
    if out.numel() > 0 {
        kernel(out.operand(), x.operand(), &dims(false), &dims(true));
    }
}

/// The sum of magnitudes or squares over dimensions, in `dtype`, where there is a kernel for it; no tape.
pub fn sum_terms(
    x: &Tensor,
    term: NormTerm,
    mask: u64,
    keepdim: bool,
    dtype: DType,
) -> Result<Option<Tensor>> {
    if x.device().is_cuda() || !x.dtype().is_floating() {
        return Ok(None);
    }
    let out = Tensor::empty(&reduced_sizes(x.sizes(), mask, keepdim), dtype)?;
    over_dims(&out, x, mask, &|out, x, kept, reduced| {
        // SAFETY: kept and reduced dimensions together are the input's layout; the output is fresh.
        unsafe { cpu::reduce::sum_terms(term, out, x, kept, reduced) }
    });
    Ok(Some(out))
}

/// A gradient of a reduced shape, seen in the shape before the reduction.
pub fn expand_back(g: &Tensor, sizes: &[usize], mask: u64) -> Result<Tensor> {
    let kept = reduced_sizes(sizes, mask, true);
    view::expand_to(&view::reshape_to(g, &kept)?, sizes)
}

/// The dtype in which integers are summed.
pub fn sum_dtype(x: &Tensor, dtype: Option<DType>) -> DType {
    dtype.unwrap_or(if x.dtype().is_integral() { DType::I64 } else { x.dtype() })
}

pub fn sum_mask(x: &Tensor, mask: u64, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
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
    mean_mask(&copy::to_dtype(x, target)?, mask_of(dims, x.ndim())?, keepdim)
}

/// Mean over the dimensions of a mask, of floating or complex numbers.
pub fn mean_mask(x: &Tensor, mask: u64, keepdim: bool) -> Result<Tensor> {
    let target = x.dtype();
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
pub fn prod(x: &Tensor, dim: Option<i64>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
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
        let conj = |t: &Tensor| if t.dtype().is_complex() { table::conj(t) } else { Ok(t.clone()) };
        let g = expand_back(g, &sizes, mask)?;
        if x.ndim() == 0 {
            return Ok(smallvec![Some(g)]);
        }
        if all_nonzero(&x)? {
            let whole = mul(&g, &conj(&expand_back(&y, &sizes, mask)?)?)?;
            return Ok(smallvec![Some(div(&whole, &conj(&x)?)?)]);
        }
        // Where a zero takes part, the product of the others is formed without dividing.
        let others = match dim {
            Some(_) => product_of_others(&x, mask.trailing_zeros() as usize)?,
            None => view::reshape_to(&product_of_others(&view::reshape(&x, &[-1])?, 0)?, &sizes)?,
        };
        Ok(smallvec![Some(mul(&g, &conj(&others)?)?)])
    }))
}

/// For each element the product of the others along a dimension.
fn product_of_others(x: &Tensor, dim: usize) -> Result<Tensor> {
    mul(&scan::product_before(x, dim, false)?, &scan::product_before(x, dim, true)?)
}

/// The sum of what is not NaN.
fn nansum(x: &Tensor, dims: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    if x.dtype().is_complex() {
        bail!(DType, "nansum on CPU does not support complex inputs");
    }
    if x.dtype().is_integral() {
        return sum(x, dims, keepdim, dtype);
    }
    let known = where_(&table::isnan(&x.detached())?, 0.0, x)?;
    sum(&known, dims, keepdim, dtype)
}

/// The mean of what is not NaN.
fn nanmean(x: &Tensor, dims: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    if !x.dtype().is_differentiable() {
        bail!(
            DType,
            "nanmean(): expected input to have floating point or complex dtype but got {}",
            x.dtype().scalar_name()
        );
    }
    let known = table::logical_not(&table::isnan(&x.detached())?)?;
    let count = sum(&known, dims, keepdim, None)?;
    div(&nansum(x, dims, keepdim, dtype)?, &count)
}

/// How many elements are not zero.
fn count_nonzero(x: &Tensor, dims: Option<&[i64]>) -> Result<Tensor> {
    sum(&table::ne(&x.detached(), Scalar::Int(0))?, dims, false, None)
}

/// log(sum(exp(x))) over dimensions, without overflow.
pub fn logsumexp(x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    let x =
        &if x.dtype().is_integral() { copy::to_dtype(x, crate::scalar::default_dtype())? } else { x.clone() };
    let mask = mask_of(Some(dims), x.ndim())?;
    let out = autograd::no_grad(|| {
        let x = x.detached();
        if x.numel() == 0 {
            return table::log(&sum_mask(&table::exp(&x)?, mask, keepdim, None)?);
        }
        let top = reduce(
            &copy::to_dtype(&x, x.dtype().to_real())?,
            Reduction::Max,
            mask,
            true,
            x.dtype().to_real(),
        )?;
        let top = where_(&table::isfinite(&top)?, &top, 0.0)?;
        let sums = sum_mask(&table::exp(&sub(&x, &top)?)?, mask, keepdim, None)?;
        let top = view::reshape_to(&top, sums.sizes())?;
        add(&table::log(&sums)?, &top)
    })?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(out, "logsumexp", &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, y) = (cx.saved(0)?, expand_back(&cx.saved(1)?, &sizes, mask)?);
        let share = table::exp(&sub(&x, &y)?)?;
        let share = if x.dtype().is_complex() { table::conj(&share)? } else { share };
        Ok(smallvec![Some(mul(&expand_back(g, &sizes, mask)?, &share)?)])
    }))
}

/// The sum of the diagonal of a matrix.
fn trace(x: &Tensor) -> Result<Tensor> {
    if x.ndim() != 2 {
        bail!(Autograd, "trace: expected a matrix, but got tensor with dim {}", x.ndim());
    }
    if x.dtype() == DType::Bool {
        bail!(Unsupported, "\"trace\" not implemented for '{}'", x.dtype().scalar_name());
    }
    sum(&view::take_part(x, view::Part::Diagonal { offset: 0, dim1: 0, dim2: 1 }), None, false, None)
}

pub fn check_not_empty(x: &Tensor, mask: u64, name: &str) -> Result<()> {
    if reduced_count(x.sizes(), mask) > 0 || reduced_sizes(x.sizes(), mask, false).contains(&0) {
        return Ok(());
    }
    if mask == u64::MAX {
        bail!(
            Autograd,
            "{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
        );
    }
    let empty = (0..x.ndim()).find(|&d| mask & (1 << d) != 0 && x.size(d) == 0).unwrap_or(0);
    bail!(Index, "{name}(): Expected reduction dim {empty} to have non-zero size.")
}

/// Whether some element is not zero.
pub fn any_nonzero(x: &Tensor) -> Result<bool> {
    Ok(!item(&logic(&x.detached(), false, u64::MAX, false)?)?.is_zero())
}

/// Whether no element is zero. NaN counts as non-zero.
pub fn all_nonzero(x: &Tensor) -> Result<bool> {
    Ok(!item(&logic(&x.detached(), true, u64::MAX, false)?)?.is_zero())
}

/// Whether some element along a dimension is not zero.
pub fn any_along(x: &Tensor, dim: usize) -> Result<Tensor> {
    logic(&x.detached(), false, 1 << dim, false)
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

/// The only element as a number.
pub fn scalar_of(x: &Tensor) -> Result<Scalar> {
    if x.numel() != 1 {
        return Err(Error::Autograd(format!(
            "a Tensor with {} elements cannot be converted to Scalar",
            x.numel()
        )));
    }
    if x.device().is_cuda() {
        return scalar_of(&copy::to_device(&x.detached(), Device::Cpu)?);
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

/// Here no dimensions means none, and `None` all.
fn logic_call(a: &Args, all: bool) -> Result<Output> {
    let x = a.tensor(0);
    let mask = match a.opt_ints(1) {
        Some([]) => 0,
        dims => mask_of(dims, x.ndim())?,
    };
    Ok(logic(x, all, mask, a.bool(2))?.into())
}

fn sum_to_size_call(a: &Args) -> Result<Output> {
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
    if sizes.is_empty() {
        return Ok(sum(x, None, false, None)?.into());
    }
    Ok(sum_to_size(x, &sizes)?.into())
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
    Op::new("prod(Tensor input, *, ScalarType? dtype=None) -> Tensor", |a| Ok(prod(a.tensor(0), None, false, a.dtype(1))?.into()))
        .method()
        .doc("The product over all elements, or over a dimension.")
        .samples("t(3) | ints(3) | nc(2, 2) | t() | bools(3) | t(2) * torch.tensor([1.0, 0.0])"),
    Op::new("prod(Tensor input, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(prod(a.tensor(0), a.opt_int(1), a.bool(2), a.dtype(3))?.into())
    })
    .method()
    .samples("t(3, 4), 0 | nc(3, 4), 1, True | t(3) * torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), 1"),
    Op::new("all(Tensor input) -> Tensor", |a| Ok(logic(a.tensor(0), true, u64::MAX, false)?.into()))
        .method()
        .doc("Whether all elements are non-zero.")
        .samples("bools(3, 4) | t(3) | bools(0)")
        .no_gradient(),
    Op::new("all(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", |a| {
        logic_call(a, true)
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
        logic_call(a, false)
    })
    .method()
    .samples("bools(3, 4), 0 | bools(3, 4), 1, True")
    .no_gradient(),
    Op::new("nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(nansum(a.tensor(0), a.opt_ints(1), a.bool(2), a.dtype(3))?.into())
    })
    .method()
    .doc("The sum of what is not NaN, over all elements or over dimensions.")
    .samples("t(3, 4) | torch.tensor([[1.0, nan], [nan, nan]]), 1 | nc(3, 4), (0, 1), True | ints(3)"),
    Op::new("nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(nanmean(a.tensor(0), a.opt_ints(1), a.bool(2), a.dtype(3))?.into())
    })
    .method()
    .doc("The mean of what is not NaN, over all elements or over dimensions.")
    .samples("t(3, 4) | torch.tensor([[1.0, nan], [nan, nan]]), 1 | nc(3, 4), 0, True"),
    Op::new("count_nonzero(Tensor input, int[1]? dim=None) -> Tensor", |a| {
        Ok(count_nonzero(a.tensor(0), a.opt_ints(1))?.into())
    })
    .method()
    .doc("How many elements are not zero, of all or over dimensions.")
    .samples("bools(3, 4) | ints(3, 4, high=2), 1 | t(0) | nc(3, 4), (0, 1)")
    .no_gradient(),
    Op::new("logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        Ok(logsumexp(a.tensor(0), a.ints(1), a.bool(2))?.into())
    })
    .method()
    .doc("log(sum(exp(x))) over dimensions.")
    .samples("t(3, 4), 1 | nc(2, 3, 4), (0, 2), True | t(), 0 | t(0, 3), 0"),
    Op::new("trace(Tensor input) -> Tensor", |a| Ok(trace(a.tensor(0))?.into()))
        .method()
        .doc("The sum of the diagonal of a matrix.")
        .samples("t(3, 4) | nc(3, 3) | ints(2, 2) | t(0, 2)"),
    Op::new("sum_to_size(Tensor input, *int[] size) -> Tensor", sum_to_size_call)
        .method_only()
        .doc("Sums what broadcasting would repeat.")
        .samples("t(3, 4), 1, 4 | t(3, 4), (4,)"),
];
