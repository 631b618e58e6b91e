//! The elements of a tensor in another order, or several times: flips, rolls, turns, repetitions.

use smallvec::{SmallVec, smallvec};

use crate::alloc;
use crate::autograd;
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Sizes, Strides, checked_numel, wrap_dim, wrap_dims};
use crate::ops::registry::Op;
use crate::ops::{copy, creation, cuda, gather, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

// ---- flips and turns ----

/// Dimensions in reverse order of their indices.
fn flip(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    let mask = wrap_dims(dims, x.ndim())?;
    let out = Tensor::empty_dense(x.sizes(), x.layout().dense_like(), x.dtype())?;
    let mut backwards = x.layout().clone();
    for d in (0..x.ndim()).filter(|d| mask & (1 << d) != 0 && x.size(*d) > 0) {
        let stride = backwards.strides[d];
        backwards.offset = (backwards.offset as isize + (x.size(d) as isize - 1) * stride) as usize;
        backwards.strides[d] = -stride;
    }
    // The source is read backwards: it is the destination by which a copy orders its loops.
    copy::write(&out, &x.alias(backwards))?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let dims: SmallVec<[i64; 4]> = dims.into();
    Ok(autograd::record(out, "flip", &[x], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| flip(g, &dims)).transpose()?])
    }))
}

fn flip_along(x: &Tensor, dim: i64, needed: usize) -> Result<Tensor> {
    if x.ndim() < needed {
        bail!(Autograd, "Input must be >= {needed}-d.");
    }
    flip(x, &[dim])
}

/// A quarter turn, `k` times, from the first towards the second dimension.
fn rot90(x: &Tensor, k: i64, dims: &[i64]) -> Result<Tensor> {
    let &[a, b] = dims else {
        bail!(Autograd, "expected total rotation dims == 2, but got dims = {}", dims.len());
    };
    if x.ndim() < 2 {
        bail!(Autograd, "expected total dims >= 2, but got total dims = {}", x.ndim());
    }
    if wrap_dim(a, x.ndim())? == wrap_dim(b, x.ndim())? {
        bail!(Autograd, "expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}");
    }
    match k.rem_euclid(4) {
        1 => view::transpose(&flip(x, &[b])?, a, b),
        2 => flip(x, dims),
        3 => view::transpose(&flip(x, &[a])?, a, b),
        _ => copy::contiguous_copy(x),
    }
}

/// Indices moved on by `shifts`, around the end; without dimensions, of the flattened tensor.
fn roll(x: &Tensor, shifts: &[i64], dims: &[i64]) -> Result<Tensor> {
    if shifts.is_empty() {
        bail!(Autograd, "`shifts` required");
    }
    if dims.is_empty() && shifts.len() == 1 {
        let flat = view::reshape(&copy::contiguous(x)?, &[-1])?;
        return view::reshape_to(&roll(&flat, shifts, &[0])?, x.sizes());
    }
    if shifts.len() != dims.len() {
        bail!(Autograd, "shifts and dimensions must align. shifts: {}, dims:{}", shifts.len(), dims.len());
    }
    if x.ndim() == 0 {
        bail!(Index, "Dimension specified as {} but tensor has no dimensions", dims[0]);
    }
    let mut steps: SmallVec<[(usize, usize); 4]> = SmallVec::new();
    for (&shift, &dim) in shifts.iter().zip(dims) {
        let d = wrap_dim(dim, x.ndim())?;
        if x.size(d) > 0 {
            steps.push((d, shift.rem_euclid(x.size(d) as i64) as usize));
        }
    }
    steps.retain(|step| step.1 > 0);
    let x_data = x.detach();
    let mut out = if steps.is_empty() { copy::contiguous_copy(&x_data)? } else { copy::contiguous(&x_data)? };
    for (d, shift) in steps {
        let rolled = Tensor::empty(x.sizes(), x.dtype())?;
        let (n, part) =
            (x.size(d), |t: &Tensor, from, length| t.alias(t.layout().narrow(d, from, length, 1)));
        copy::write(&part(&rolled, shift, n - shift), &part(&out, 0, n - shift))?;
        copy::write(&part(&rolled, 0, shift), &part(&out, n - shift, shift))?;
        out = rolled;
    }
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let back: SmallVec<[i64; 4]> = shifts.iter().map(|s| s.wrapping_neg()).collect();
    let dims: SmallVec<[i64; 4]> = dims.into();
    Ok(autograd::record(out, "roll", &[x], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| roll(g, &back, &dims)).transpose()?])
    }))
}

// ---- repetitions ----

/// The whole tensor so many times along each dimension; more repeats than dimensions make new ones.
pub fn repeat(x: &Tensor, repeats: &[i64]) -> Result<Tensor> {
    let Some(lead) = repeats.len().checked_sub(x.ndim()) else {
        bail!(
            Autograd,
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        );
    };
    let repeats = crate::layout::sizes_from(repeats)?;
    let mut own: Sizes = SmallVec::from_elem(1, lead);
    own.extend_from_slice(x.sizes());
    let product = |(&a, &b): (&usize, &usize)| a.checked_mul(b);
    let Some(sizes) = own.iter().zip(&repeats).map(product).collect::<Option<Sizes>>() else {
        bail!(Shape, "repeat: the sizes of the result overflow");
    };
    let out = Tensor::empty(&sizes, x.dtype())?;
    // Every dimension as (repeats, own size): the source stands still along the former.
    let mut blocks = Layout { offset: 0, ..Layout::default() };
    let mut from: Strides = Strides::new();
    for d in 0..own.len() {
        blocks.sizes.extend([repeats[d], own[d]]);
        blocks.strides.extend([out.strides()[d] * own[d] as isize, out.strides()[d]]);
        from.extend([0, if d < lead { 0 } else { x.strides()[d - lead] }]);
    }
    let block_sizes = blocks.sizes.clone();
    if out.numel() > 0 {
        let source = x.alias(Layout { sizes: block_sizes.clone(), strides: from, offset: x.layout().offset });
        copy::write(&out.alias(blocks), &source)?;
    }
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    Ok(autograd::record(out, "repeat", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        if g.numel() == 0 {
            return Ok(smallvec![Some(creation::zeros(&sizes, g.dtype())?)]);
        }
        let dims: SmallVec<[i64; 6]> = (0..block_sizes.len() as i64 / 2).map(|d| 2 * d).collect();
        let blocks = view::reshape_to(g, &block_sizes)?;
        let sum = if dims.is_empty() { blocks } else { reduce::sum(&blocks, Some(&dims), false, None)? };
        Ok(smallvec![Some(view::reshape_to(&sum, &sizes)?)])
    }))
}

/// As [`repeat`], with ones for repeats that are missing in front.
fn tile(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    let mut repeats: SmallVec<[i64; 6]> = SmallVec::from_elem(1, x.ndim().saturating_sub(dims.len()));
    repeats.extend_from_slice(dims);
    repeat(x, &repeats)
}

/// Each index as often as `repeats` says.
fn repeated_indices(repeats: &Tensor, output_size: Option<i64>) -> Result<Tensor> {
    if repeats.ndim() != 1 {
        bail!(Autograd, "repeat_interleave only accept 1D vector as repeat");
    }
    if !matches!(repeats.dtype(), DType::I64 | DType::I32) {
        bail!(
            Unsupported,
            "\"repeat_interleave_cpu\" not implemented for '{}'",
            repeats.dtype().scalar_name()
        );
    }
    if repeats.device().is_cuda() && repeats.numel() > 0 {
        return repeated_indices_on_gpu(&copy::to_dtype(repeats, DType::I64)?, output_size);
    }
    let counts: Vec<i64> = copy::values(repeats)?;
    if counts.iter().any(|&n| n < 0) {
        bail!(Autograd, "repeats can not be negative");
    }
    let total = counts.iter().try_fold(0i64, |a, &b| a.checked_add(b)).unwrap_or(i64::MAX);
    if output_size.is_some_and(|n| n != total) {
        bail!(Autograd, "allocated size does not match required size");
    }
    checked_numel(&[total as usize])?;
    let mut indices: Vec<i64> = alloc::vec_for(total as usize)?;
    for (i, &n) in counts.iter().enumerate() {
        indices.extend(std::iter::repeat_n(i as i64, n as usize));
    }
    Tensor::from_slice(&indices, &[indices.len()])
}

/// The same by search in the running sums; the host waits only where the size of the result is not told.
fn repeated_indices_on_gpu(counts: &Tensor, output_size: Option<i64>) -> Result<Tensor> {
    let ends = cuda::scan::running_counts(&copy::contiguous(counts)?)?;
    let total = match output_size {
        Some(total) => total,
        None => {
            if reduce::any_nonzero(&table::lt(counts, Scalar::Int(0))?)? {
                bail!(Autograd, "repeats can not be negative");
            }
            reduce::item(&view::select(&ends, 0, -1)?)?.to_i64()
        }
    };
    checked_numel(&[total.max(0) as usize])?;
    let places = creation::arange(Scalar::Int(0), Scalar::Int(total.max(0)), Scalar::Int(1), DType::I64)?;
    let out = Tensor::empty(places.sizes(), DType::I64)?;
    cuda::search::places(&out, &ends, 1, None, &places, true)?;
    Ok(out)
}

/// Every element so many times in a row, along a dimension or of the flattened tensor.
fn repeat_interleave(
    x: &Tensor,
    repeats: &Tensor,
    dim: Option<i64>,
    output_size: Option<i64>,
) -> Result<Tensor> {
    let (x, dim) = match dim {
        Some(dim) => (x.clone(), dim),
        None => (view::flatten(x, 0, -1)?, 0),
    };
    let d = wrap_dim(dim, x.ndim())?;
    let length = x.sizes().get(d).copied().unwrap_or(1);
    let repeats = match repeats.ndim() {
        0 => view::expand_to(&view::reshape_to(repeats, &[1])?, &[length])?,
        1 if repeats.numel() == 1 => view::expand_to(repeats, &[length])?,
        1 if repeats.numel() == length => repeats.clone(),
        1 => bail!(
            Autograd,
            "repeats must have the same size as input along dim, but got repeats.size(0) = {} and input.size({d}) = {length}",
            repeats.numel()
        ),
        _ => bail!(Autograd, "repeats must be 0-dim or 1-dim tensor"),
    };
    gather::index_select(&x, d as i64, &repeated_indices(&repeats.detached(), output_size)?)
}

/// The same with one number for all.
fn repeat_all(x: &Tensor, repeats: i64, dim: Option<i64>, output_size: Option<i64>) -> Result<Tensor> {
    let (x, dim) = match dim {
        Some(dim) => (x.clone(), dim),
        None => (view::flatten(x, 0, -1)?, 0),
    };
    let d = wrap_dim(dim, x.ndim())?;
    if repeats < 0 {
        bail!(Autograd, "Repeats must be non-negative");
    }
    let x = if x.ndim() == 0 { view::reshape_to(&x, &[1])? } else { x };
    let Some(size) = x.size(d).checked_mul(repeats as usize) else {
        bail!(Shape, "repeat_interleave: the size of the result overflows");
    };
    if output_size.is_some_and(|n| n != size as i64) {
        bail!(
            Autograd,
            "repeat_interleave: Invalid output_size, expected {size} but got {}",
            output_size.unwrap_or(0)
        );
    }
    let mut wide: Sizes = x.sizes().into();
    wide.insert(d + 1, repeats as usize);
    let mut sizes: Sizes = x.sizes().into();
    sizes[d] = size;
    let each = view::expand_to(&view::unsqueeze(&x, d as i64 + 1)?, &wide)?;
    view::reshape_to(&copy::contiguous_copy(&each)?, &sizes)
}

pub const OPS: &[Op] = &[
    Op::new("flip(Tensor input, *int[] dims) -> Tensor", |a| Ok(flip(a.tensor(0), a.ints(1))?.into()))
        .method()
        .doc("Dimensions in reverse order.")
        .samples("t(3, 4), (0,) | nc(3, 4), (0, -1) | t(), () | t(0, 3), (0,)"),
    Op::new("fliplr(Tensor input) -> Tensor", |a| Ok(flip_along(a.tensor(0), 1, 2)?.into()))
        .method()
        .doc("Columns in reverse order.")
        .samples("t(3, 4)"),
    Op::new("flipud(Tensor input) -> Tensor", |a| Ok(flip_along(a.tensor(0), 0, 1)?.into()))
        .method()
        .doc("Rows in reverse order.")
        .samples("t(3, 4) | t(3)"),
    Op::new("rot90(Tensor input, int k=1, int[] dims=[0, 1]) -> Tensor", |a| {
        Ok(rot90(a.tensor(0), a.int(1), a.ints(2))?.into())
    })
    .method()
    .doc("A quarter turn, k times, from the first towards the second of dims.")
    .samples("t(3, 4) | nc(3, 4), 3 | t(2, 3, 4), -2, (1, 2) | t(3, 4), 4"),
    Op::new("roll(Tensor input, int[1] shifts, int[1] dims=[]) -> Tensor", |a| {
        Ok(roll(a.tensor(0), a.ints(1), a.ints(2))?.into())
    })
    .method()
    .doc("Indices moved on by shifts, around the end; without dims, of the flattened tensor.")
    .samples("t(3, 4), 1 | nc(3, 4), -5, 1 | t(3, 4), (1, 2), (0, -1) | t(0), 1 | t(), 1"),
    Op::new("repeat(Tensor input, *int[] repeats) -> Tensor", |a| Ok(repeat(a.tensor(0), a.ints(1))?.into()))
        .method_only()
        .doc("The whole tensor so many times along each dimension.")
        .samples("t(3), 2, 2 | nc(3, 4), (2, 1) | t(), () | t(2), 0"),
    Op::new("tile(Tensor input, *int[] dims) -> Tensor", |a| Ok(tile(a.tensor(0), a.ints(1))?.into()))
        .method()
        .doc("As repeat, with ones for repeats that are missing in front.")
        .samples("t(3, 4), (2,) | t(3), (2, 2)"),
    Op::new(
        "repeat_interleave(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor",
        |a| Ok(repeat_interleave(a.tensor(0), a.tensor(1), a.opt_int(2), a.opt_int(3))?.into()),
    )
    .method()
    .doc("Every element so many times in a row, along a dimension or of the flattened tensor.")
    .samples("t(3, 4), torch.tensor([1, 0, 2]), 0 | nc(2, 2), torch.tensor([2]) | t(3), torch.tensor([1, 2, 3]), output_size=6"),
    Op::new("repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None) -> Tensor", |a| {
        Ok(repeat_all(a.tensor(0), a.int(1), a.opt_int(2), a.opt_int(3))?.into())
    })
    .method()
    .samples("t(3, 4), 2 | nc(3, 4), 3, dim=1 | t(2), 0 | t(), 2"),
    Op::new("repeat_interleave(Tensor repeats, *, int? output_size=None) -> Tensor", |a| {
        Ok(repeated_indices(a.tensor(0), a.opt_int(1))?.into())
    })
    .samples("torch.tensor([1, 0, 2])")
    .no_gradient(),
];
