//! Tensors joined along an old or a new dimension.

use smallvec::{SmallVec, smallvec};

use crate::alloc;
use crate::autograd;
use crate::bail;
use crate::cpu::convert::copy_bytes;
use crate::device;
use crate::dtype::ResultType;
use crate::error::Result;
use crate::layout::{Show, Sizes, broadcast, wrap_dim};
use crate::ops::registry::Op;
use crate::ops::{copy, creation, gather, view};
use crate::scalar::default_dtype;
use crate::tensor::Tensor;

/// Whether PyTorch leaves this tensor out of a concatenation: the empty vector, for old scripts.
fn is_skipped(t: &Tensor) -> bool {
    t.sizes() == [0]
}

/// Joins tensors along an existing dimension.
pub fn cat(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    if tensors.is_empty() {
        bail!(Value, "expected a non-empty list of Tensors");
    }
    if let Some(i) = tensors.iter().position(|t| t.ndim() == 0) {
        bail!(Autograd, "zero-dimensional tensor (at position {i}) cannot be concatenated");
    }
    let model = tensors.iter().find(|t| !is_skipped(t)).unwrap_or(&tensors[0]);
    let dim = wrap_dim(dim, model.ndim())?;
    let mut sizes: Sizes = model.sizes().into();
    sizes[dim] = 0;
    let mut result = ResultType::default();
    for (i, t) in tensors.iter().enumerate() {
        result = result.tensor(t.dtype(), t.ndim());
        if is_skipped(t) {
            continue;
        }
        if t.ndim() != model.ndim() {
            bail!(
                Shape,
                "Tensors must have same number of dimensions: got {} and {}",
                model.ndim(),
                t.ndim()
            );
        }
        if (0..t.ndim()).any(|d| d != dim && t.size(d) != model.size(d)) {
            bail!(
                Shape,
                "Sizes of tensors must match except in dimension {dim}. Expected size {} but got size {} for tensor number {i} in the list: {} and {}.",
                (0..t.ndim()).find(|&d| d != dim && t.size(d) != model.size(d)).map_or(0, |d| model.size(d)),
                (0..t.ndim()).find(|&d| d != dim && t.size(d) != model.size(d)).map_or(0, |d| t.size(d)),
                Show(model.sizes()),
                Show(t.sizes())
            );
        }
        sizes[dim] += t.size(dim);
    }
    let out = Tensor::empty(&sizes, result.get())?;
    let mut start = 0;
    for t in tensors.iter().filter(|t| !is_skipped(t)) {
        if !write_small_part(&out, dim, start, t) {
            copy::write(&out.alias(out.layout().narrow(dim, start, t.size(dim), 1)), t)?;
        }
        start += t.size(dim);
    }
    let inputs: SmallVec<[&Tensor; 4]> = tensors.iter().collect();
    if !autograd::needs_grad(&inputs) {
        return Ok(out);
    }
    let parts: Vec<_> =
        tensors.iter().map(|t| (if is_skipped(t) { None } else { Some(t.size(dim)) }, t.dtype())).collect();
    Ok(autograd::record(out, "cat", &inputs, &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None; parts.len()]) };
        let mut start = 0;
        let mut grads = SmallVec::new();
        for (i, (length, dtype)) in parts.iter().enumerate() {
            let Some(length) = *length else {
                grads.push(Some(Tensor::empty(&[0], *dtype)?));
                continue;
            };
            let part = view::Part::Slice { dim, start, length, step: 1 };
            start += length;
            grads.push(if cx.needs(i) {
                Some(copy::to_dtype(&view::take_part(g, part), *dtype)?)
            } else {
                None
            });
        }
        Ok(grads)
    }))
}

/// Bytes up to which a part is copied at once, on this thread.
const SMALL_PART: usize = 64 << 10;

/// Writes a small, contiguous `t` into a contiguous `out` of its dtype, from index `start` of a dimension on. False,
/// and nothing is done, if it is none.
fn write_small_part(out: &Tensor, dim: usize, start: usize, t: &Tensor) -> bool {
    let bytes = t.numel() * t.dtype().size();
    if device::others_in_use() || t.dtype() != out.dtype() || !t.is_contiguous() || bytes > SMALL_PART {
        return false;
    }
    let outer = out.sizes()[..dim].iter().product::<usize>().max(1);
    let step = out.strides()[dim] as usize * out.dtype().size();
    for i in (0..outer).take(bytes) {
        // SAFETY: both are contiguous, `t` has the elements of that part of `out`, and `out` is fresh.
        unsafe {
            let to = out.ptr().add((i * out.size(dim) + start) * step);
            copy_bytes(t.ptr().add(i * (bytes / outer)), to, bytes / outer);
        }
    }
    true
}

/// Joins tensors of one shape along a new dimension.
pub fn stack(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    let Some(first) = tensors.first() else { bail!(Autograd, "stack expects a non-empty TensorList") };
    let dim = wrap_dim(dim, first.ndim() + 1)? as i64;
    for (i, t) in tensors.iter().enumerate() {
        if t.sizes() != first.sizes() {
            bail!(
                Shape,
                "stack expects each tensor to be equal size, but got {} at entry 0 and {} at entry {i}",
                Show(first.sizes()),
                Show(t.sizes())
            );
        }
    }
    let inputs: SmallVec<[&Tensor; 4]> = tensors.iter().collect();
    let alike = tensors.iter().all(|t| t.dtype() == first.dtype());
    if alike && !device::others_in_use() && !autograd::needs_grad(&inputs) {
        let mut sizes: Sizes = first.sizes().into();
        sizes.insert(dim as usize, tensors.len());
        let out = Tensor::empty(&sizes, first.dtype())?;
        if tensors.iter().enumerate().all(|(i, t)| write_small_part(&out, dim as usize, i, t)) {
            return Ok(out);
        }
    }
    let wider: Vec<Tensor> = tensors.iter().map(|t| view::unsqueeze(t, dim)).collect::<Result<_>>()?;
    cat(&wider, dim)
}

/// All tensors expanded to one shape.
fn broadcast_tensors(tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut sizes = Sizes::new();
    for t in tensors {
        sizes = broadcast(&sizes, t.sizes())?;
    }
    let expanded =
        |t: &Tensor| if t.sizes() == &sizes[..] { Ok(t.clone()) } else { view::expand_to(t, &sizes) };
    tensors.iter().map(expanded).collect()
}

/// With at least so many dimensions, as NumPy adds them.
pub fn at_least(x: &Tensor, ndim: usize) -> Result<Tensor> {
    match (ndim, x.ndim()) {
        (_, 0) => view::reshape_to(x, &[1, 1, 1][..ndim]),
        (2, 1) => view::unsqueeze(x, 0),
        (3, 1) => view::unsqueeze(&view::unsqueeze(x, 0)?, -1),
        (3, 2) => view::unsqueeze(x, -1),
        _ => Ok(x.clone()),
    }
}

fn all_at_least(tensors: &[Tensor], ndim: usize) -> Result<Vec<Tensor>> {
    tensors.iter().map(|t| at_least(t, ndim)).collect()
}

fn check_list(tensors: &[Tensor], name: &str) -> Result<()> {
    if tensors.is_empty() {
        bail!(Autograd, "{name} expects a non-empty TensorList");
    }
    Ok(())
}

fn hstack(tensors: &[Tensor]) -> Result<Tensor> {
    check_list(tensors, "hstack")?;
    let tensors = all_at_least(tensors, 1)?;
    cat(&tensors, if tensors[0].ndim() == 1 { 0 } else { 1 })
}

fn vstack(tensors: &[Tensor]) -> Result<Tensor> {
    check_list(tensors, "vstack")?;
    cat(&all_at_least(tensors, 2)?, 0)
}

fn dstack(tensors: &[Tensor]) -> Result<Tensor> {
    check_list(tensors, "dstack")?;
    cat(&all_at_least(tensors, 3)?, 2)
}

fn column_stack(tensors: &[Tensor]) -> Result<Tensor> {
    check_list(tensors, "column_stack")?;
    let column =
        |t: &Tensor| if t.ndim() <= 1 { view::reshape_to(t, &[t.numel(), 1]) } else { Ok(t.clone()) };
    hstack(&tensors.iter().map(column).collect::<Result<Vec<_>>>()?)
}

/// Matrices along the diagonal of a matrix; vectors are rows, 0-d tensors matrices of one element.
fn block_diag(tensors: &[Tensor]) -> Result<Tensor> {
    if tensors.is_empty() {
        return Tensor::empty(&[1, 0], default_dtype());
    }
    let mut result = ResultType::default();
    for (i, t) in tensors.iter().enumerate() {
        if t.ndim() > 2 {
            bail!(
                Autograd,
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {} dimensions",
                t.ndim()
            );
        }
        result = result.tensor(t.dtype(), 1);
    }
    let blocks = all_at_least(tensors, 2)?;
    let (rows, columns) = blocks.iter().fold((0, 0), |(r, c), b| (r + b.size(0), c + b.size(1)));
    let out = creation::zeros(&[rows, columns], result.get())?;
    let place = |t: &Tensor, at: (usize, usize), block: (usize, usize)| -> Result<Tensor> {
        let rows = view::narrow(t, 0, at.0 as i64, block.0 as i64)?;
        view::narrow(&rows, 1, at.1 as i64, block.1 as i64)
    };
    let mut at = (0, 0);
    for b in &blocks {
        copy::write(&place(&out.detach(), at, (b.size(0), b.size(1)))?, &b.detach())?;
        at = (at.0 + b.size(0), at.1 + b.size(1));
    }
    let inputs: SmallVec<[&Tensor; 4]> = blocks.iter().collect();
    if !autograd::needs_grad(&inputs) {
        return Ok(out);
    }
    let parts: Vec<_> = blocks.iter().map(|b| ((b.size(0), b.size(1)), b.dtype())).collect();
    Ok(autograd::record(out, "block_diag", &inputs, &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None; parts.len()]) };
        let mut at = (0, 0);
        let mut grads = SmallVec::new();
        for (i, &(block, dtype)) in parts.iter().enumerate() {
            grads.push(match cx.needs(i) {
                true => Some(copy::to_dtype(&place(g, at, block)?, dtype)?),
                false => None,
            });
            at = (at.0 + block.0, at.1 + block.1);
        }
        Ok(grads)
    }))
}

/// All tuples of elements, one of each vector, a row each; the last changes fastest.
fn cartesian_prod(tensors: &[Tensor]) -> Result<Tensor> {
    check_list(tensors, "meshgrid")?;
    if let Some(t) = tensors.iter().find(|t| t.ndim() != 1) {
        bail!(Autograd, "Expect a 1D vector, but got shape {}", Show(t.sizes()));
    }
    if let [one] = tensors {
        return Ok(one.clone());
    }
    if let Some(t) = tensors.iter().find(|t| t.dtype() != tensors[0].dtype()) {
        bail!(
            DType,
            "meshgrid expects all tensors to have the same dtype, but got {} and {}",
            tensors[0].dtype().scalar_name(),
            t.dtype().scalar_name()
        );
    }
    let sizes: Sizes = tensors.iter().map(Tensor::numel).collect();
    let mut columns = Vec::with_capacity(tensors.len());
    for (i, t) in tensors.iter().enumerate() {
        let mut along: Sizes = SmallVec::from_elem(1, sizes.len());
        along[i] = t.numel();
        let grid = view::expand_to(&view::reshape_to(t, &along)?, &sizes)?;
        columns.push(view::reshape(&grid, &[-1])?);
    }
    stack(&columns, 1)
}

/// The index sets of size `r` out of `n`, in order, one after the other.
fn index_sets(n: usize, r: usize, repeated: bool) -> Result<Vec<i64>> {
    let top = if repeated { (n + r).saturating_sub(1) } else { n };
    let count = (0..r).try_fold(1usize, |c, i| {
        let factor = top.checked_sub(i)?;
        // Exact at every step: a product of i + 1 neighbours is a multiple of (i + 1)!.
        c.checked_mul(factor).map(|c| c / (i + 1))
    });
    let count = if n == 0 || r == 0 { 0 } else { count.unwrap_or(if top < r { 0 } else { usize::MAX }) };
    let Some(total) = count.checked_mul(r) else {
        bail!(Shape, "combinations: the size of the result overflows");
    };
    let mut out = alloc::vec_for(total)?;
    if count == 0 {
        return Ok(out);
    }
    let mut set: Vec<usize> = if repeated { vec![0; r] } else { (0..r).collect() };
    loop {
        out.extend(set.iter().map(|&i| i as i64));
        let highest = |k: usize| if repeated { n - 1 } else { n - r + k };
        let Some(k) = (0..r).rfind(|&k| set[k] < highest(k)) else { return Ok(out) };
        set[k] += 1;
        for i in k + 1..r {
            set[i] = if repeated { set[k] } else { set[i - 1] + 1 };
        }
    }
}

/// All sets of `r` elements of a vector, a row each.
fn combinations(x: &Tensor, r: i64, repeated: bool) -> Result<Tensor> {
    if x.ndim() != 1 {
        bail!(Autograd, "Expect a 1D vector, but got shape {}", Show(x.sizes()));
    }
    if r < 0 {
        bail!(Autograd, "Expect a non-negative number, but got {r}");
    }
    if r == 0 {
        return Tensor::empty(&[0], x.dtype());
    }
    let r = r as usize;
    let sets = if r > x.numel() && !repeated { Vec::new() } else { index_sets(x.numel(), r, repeated)? };
    let index = Tensor::from_slice(&sets, &[sets.len()])?;
    view::reshape_to(&gather::index_select(x, 0, &index)?, &[sets.len() / r, r])
}

pub const OPS: &[Op] = &[
    Op::new("broadcast_tensors(Tensor[] tensors) -> Tensor[]", |a| Ok(broadcast_tensors(a.tensors(0))?.into()))
        .doc("All tensors expanded to one shape."),
    Op::new("cat(Tensor[] tensors, int dim=0) -> Tensor", |a| Ok(cat(a.tensors(0), a.int(1))?.into()))
        .doc("Tensors joined along an existing dimension.")
        .samples("[t(2, 3), t(1, 3)] | [t(2, 3), t(2, 1)], 1 | [t(2), ints(3)] | [t(2, 3), nc(4, 3)], dim=-2 | [t(0), t(2, 3)]"),
    Op::new("stack(Tensor[] tensors, int dim=0) -> Tensor", |a| Ok(stack(a.tensors(0), a.int(1))?.into()))
        .doc("Tensors of one shape joined along a new dimension.")
        .samples("[t(2, 3), t(2, 3)] | [t(2, 3), ints(2, 3)], 1 | [t(), t()] | [t(2), t(2)], dim=-1"),
    Op::new("hstack(Tensor[] tensors) -> Tensor", |a| Ok(hstack(a.tensors(0))?.into()))
        .doc("Tensors joined along the columns.")
        .samples("[t(2, 3), nc(2, 1)] | [t(2), t(3)] | [t(), t()]"),
    Op::new("vstack(Tensor[] tensors) -> Tensor", |a| Ok(vstack(a.tensors(0))?.into()))
        .doc("Tensors joined along the rows.")
        .samples("[t(2, 3), nc(1, 3)] | [t(3), t(2, 3)] | [t(), t()]"),
    Op::new("dstack(Tensor[] tensors) -> Tensor", |a| Ok(dstack(a.tensors(0))?.into()))
        .doc("Tensors joined along the third dimension.")
        .samples("[t(2, 3), nc(2, 3)] | [t(3), t(1, 3, 2)] | [t(), t()]"),
    Op::new("column_stack(Tensor[] tensors) -> Tensor", |a| Ok(column_stack(a.tensors(0))?.into()))
        .doc("Vectors as columns, and matrices, next to each other.")
        .samples("[t(2), nc(2, 3)] | [t(), t()]"),
    Op::new("atleast_1d(Tensor input) -> Tensor", |a| Ok(at_least(a.tensor(0), 1)?.into()))
        .doc("With one dimension at least.")
        .samples("t() | t(3)"),
    Op::new("atleast_1d(Tensor[] tensors) -> Tensor[]", |a| Ok(all_at_least(a.tensors(0), 1)?.into()))
        .samples("[t(), t(3)]"),
    Op::new("atleast_2d(Tensor input) -> Tensor", |a| Ok(at_least(a.tensor(0), 2)?.into()))
        .doc("With two dimensions at least.")
        .samples("t() | t(3) | nc(3, 4)"),
    Op::new("atleast_2d(Tensor[] tensors) -> Tensor[]", |a| Ok(all_at_least(a.tensors(0), 2)?.into()))
        .samples("[t(), t(3)]"),
    Op::new("atleast_3d(Tensor input) -> Tensor", |a| Ok(at_least(a.tensor(0), 3)?.into()))
        .doc("With three dimensions at least.")
        .samples("t() | t(3) | nc(3, 4)"),
    Op::new("atleast_3d(Tensor[] tensors) -> Tensor[]", |a| Ok(all_at_least(a.tensors(0), 3)?.into()))
        .samples("[t(), t(3)]"),
    Op::new("block_diag(Tensor[] tensors) -> Tensor", |a| Ok(block_diag(a.tensors(0))?.into()))
        .doc("Matrices along the diagonal of a matrix."),
    Op::new("cartesian_prod(Tensor[] tensors) -> Tensor", |a| Ok(cartesian_prod(a.tensors(0))?.into()))
        .doc("All tuples of elements, one of each vector, a row each."),
    Op::new("combinations(Tensor input, int r=2, bool with_replacement=False) -> Tensor", |a| {
        Ok(combinations(a.tensor(0), a.int(1), a.bool(2))?.into())
    })
    .doc("All sets of r elements of a vector, a row each.")
    .samples("t(4) | t(3), 2, True | t(4), r=3 | t(3), 1"),
];
