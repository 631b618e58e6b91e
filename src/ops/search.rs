//! Places in sorted sequences, membership, counts.

use crate::autograd;
use crate::bail;
use crate::cpu::search;
use crate::dispatch_ordered;
use crate::dtype::{Bool, DType, Element, ResultType};
use crate::error::Result;
use crate::layout::Show;
use crate::ops::registry::{Args, Op, Output, Value};
use crate::ops::{copy, creation, cuda, extreme, index, reduce, sort, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;
use crate::warn_once;

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
pub fn dense(t: &Tensor, dtype: DType) -> Result<Tensor> {
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
    if !input.is_contiguous() {
        warn_once!(
            "torch.searchsorted(): input value tensor is non-contiguous, this will lower the performance due to extra data copy when converting non-contiguous tensor to contiguous, please use contiguous input value tensor if possible."
        );
    }
    if !boundaries.is_contiguous() {
        warn_once!(
            "torch.searchsorted(): boundary tensor is non-contiguous, this will lower the performance due to extra data copy when converting non-contiguous tensor to contiguous, please use contiguous boundary tensor if possible."
        );
    }
    let (boundaries, input) = (dense(&boundaries, dtype)?, dense(&input, dtype)?);
    let out = Tensor::empty(input.sizes(), DType::I64)?;
    let rows = if boundaries.ndim() == 1 { 1 } else { boundaries.sizes()[..lead].iter().product() };
    if out.device().is_cuda() {
        cuda::search::places(&out, &boundaries, rows, sorter.as_ref(), &input, s.right)?;
    } else {
        dispatch_ordered!(dtype, T => search::places::<T>(
            elements(&boundaries),
            rows,
            sorter.as_ref().map(elements),
            elements(&input),
            s.right,
            fresh_elements(&out),
        ));
    }
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
    let outside = if order.device().is_cuda() {
        let (low, high) = (table::lt(&order, Scalar::Int(0))?, table::ge(&order, Scalar::Int(last as i64))?);
        reduce::any_nonzero(&table::logical_or(&low, &high)?)?
    } else {
        elements::<i64>(&order).iter().any(|&i| i < 0 || i as usize >= last)
    };
    if outside {
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
    if values.device().is_cuda() {
        return Ok(contained_on_gpu(&sorted, &values, invert)?.into());
    }
    let out = Tensor::empty(values.sizes(), DType::Bool)?;
    dispatch_ordered!(dtype, T => {
        search::contained::<T>(elements(&sorted), elements(&values), invert, fresh_elements::<Bool>(&out));
    });
    Ok(out.into())
}

/// Whether each value is among the elements of a sorted sequence, or is not.
fn contained_on_gpu(sorted: &Tensor, values: &Tensor, invert: bool) -> Result<Tensor> {
    let last = sorted.numel() as i64 - 1;
    if last < 0 {
        return creation::full(values.sizes(), Scalar::Bool(invert), DType::Bool);
    }
    let at = Tensor::empty(values.sizes(), DType::I64)?;
    cuda::search::places(&at, sorted, 1, None, values, false)?;
    let at = view::reshape(&table::clamp_max(&at, Scalar::Int(last))?, &[-1])?;
    let found = view::reshape_to(&index::index_select(sorted, 0, &at)?, values.sizes())?;
    if invert { table::ne(&found, values) } else { table::eq(&found, values) }
}

/// How often each number from 0 on occurs, or the sums of the weights where it does.
fn bincount(x: &Tensor, weights: Option<&Tensor>, minlength: i64) -> Result<Tensor> {
    if minlength < 0 {
        bail!(Autograd, "minlength should be >= 0");
    }
    if !x.dtype().is_integral() || x.dtype() == DType::Bool {
        bail!(Unsupported, "\"bincount_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    if x.ndim() == 1 && x.numel() == 0 {
        return creation::zeros(&[minlength as usize], DType::I64);
    }
    let values = &dense(x, DType::I64)?;
    let end = |largest| -> Result<i64> {
        Ok(reduce::item(&extreme::extreme(values, largest, u64::MAX, false, "bincount")?)?.to_i64())
    };
    if x.ndim() != 1 || end(false)? < 0 {
        bail!(Autograd, "bincount only supports 1-d non-negative integral inputs.");
    }
    if let Some(w) = weights
        && (w.ndim() != 1 || w.numel() != x.numel())
    {
        bail!(Shape, "weights should be 1-d and have the same length as input");
    }
    let largest = end(true)?;
    if largest == i64::MAX {
        bail!(Shape, "bincount: the largest value {largest} is too large");
    }
    let bins = (largest + 1).max(minlength) as usize;
    if values.device().is_cuda() {
        let sums = weights.map(|w| dense(w, DType::F64)).transpose()?;
        let out = cuda::histogram::count_places(values, sums.as_ref(), bins)?;
        let single = weights.is_some_and(|w| w.dtype() == DType::F32);
        return if single { copy::to_dtype(&out, DType::F32) } else { Ok(out) };
    }
    let values = elements::<i64>(values);
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
];
