//! Tables of vectors that are looked up by number: embeddings, bags of them, one-hot codes.

use std::sync::Arc;

use smallvec::smallvec;

use crate::alloc;
use crate::autograd::{self, inplace};
use crate::bail;
use crate::cpu::embedding as kernel;
use crate::device::Device;
use crate::dtype::{Bool, C64, C128, DType};
use crate::error::Result;
use crate::layout::Sizes;
use crate::ops::arithmetic::{div, mul, where_};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, cuda, extreme, index, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Which row of a table each row of a list is: for reading the table, and for adding to it.
#[derive(Clone)]
struct Rows {
    /// All below `count`.
    index: Arc<Vec<i64>>,
    /// Number of rows of the table.
    count: usize,
    /// What each row counts when the gradient is added to the table; 0 skips it.
    weights: Option<Arc<Vec<f64>>>,
}

/// `out[i] = weights[i] * table[index[i]]`, with weights only if `weighted`. `table` is (count, width).
fn take(table: &Tensor, rows: &Rows, weighted: bool) -> Result<Tensor> {
    let width = table.size(1);
    let dense = copy::contiguous(&table.detached())?;
    let mut out = if dense.device().is_cuda() {
        let index = Tensor::from_slice(&rows.index, &[rows.index.len()])?;
        index::index_select(&dense, 0, &index)?
    } else {
        let out = Tensor::empty(&[rows.index.len(), width], table.dtype())?;
        // SAFETY: the indices are below the table's number of rows; both are contiguous.
        unsafe { kernel::take(dense.ptr(), out.ptr(), width * table.dtype().size(), &rows.index) };
        out
    };
    if weighted && let Some(weights) = &rows.weights {
        let factors = Tensor::from_slice(weights, &[weights.len(), 1])?;
        out = autograd::no_grad(|| mul(&out, &copy::to_dtype(&factors, real_of(table.dtype()))?))?;
    }
    if !autograd::needs_grad(&[table]) {
        return Ok(out);
    }
    let rows = rows.clone();
    Ok(autograd::record(out, "EmbeddingBackward0", &[table], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| spread(g, &rows)).transpose()?])
    }))
}

/// The dtype of factors that leave a dtype as it is.
fn real_of(dtype: DType) -> DType {
    if dtype.is_complex() { dtype.to_real() } else { dtype }
}

/// `table[index[i]] += weights[i] * list[i]` on zeros: the adjoint of [`take`]. `list` is (n, width).
fn spread(list: &Tensor, rows: &Rows) -> Result<Tensor> {
    let width = list.size(1);
    // Half precision is added up in single.
    let dtype = match list.dtype() {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    };
    let dense = copy::contiguous(&copy::to_dtype(&list.detached(), dtype)?)?;
    let out = creation::zeros(&[rows.count, width], dtype)?;
    let weights = rows.weights.as_ref().map(|w| w.as_slice());
    macro_rules! add {
        ($t:ty, $real:ty) => {
            // SAFETY: the indices are below the table's number of rows; both are contiguous.
            unsafe {
                kernel::spread::<$t, $real>(dense.ptr().cast(), out.ptr().cast(), width, &rows.index, weights)
            }
        };
    }
    match dtype {
        _ if out.device().is_cuda() => {
            let index = Tensor::from_slice(&rows.index, &[rows.index.len()])?;
            let mut list = dense.clone();
            if let Some(weights) = weights {
                let factors = Tensor::from_slice(weights, &[weights.len(), 1])?;
                list = autograd::no_grad(|| mul(&list, &copy::to_dtype(&factors, real_of(dtype))?))?;
            }
            index::put_at(&out, vec![Some(index)], &list, true)?;
        }
        DType::F32 => add!(f32, f32),
        DType::F64 => add!(f64, f64),
        DType::C64 => add!(C64, f32),
        DType::C128 => add!(C128, f64),
        _ => bail!(Unsupported, "\"embedding_backward\" not implemented for '{}'", dtype.scalar_name()),
    }
    let out = copy::to_dtype(&out, list.dtype())?;
    if !autograd::needs_grad(&[list]) {
        return Ok(out);
    }
    let rows = rows.clone();
    Ok(autograd::record(out, "EmbeddingDenseBackward0", &[list], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| take(g, &rows, true)).transpose()?])
    }))
}

/// Refuses what is no integer index.
fn check_indices(indices: &Tensor, argument: usize, function: &str) -> Result<()> {
    if !matches!(indices.dtype(), DType::I64 | DType::I32) {
        let name = match indices.dtype() {
            DType::Bool | DType::BF16 | DType::C64 | DType::C128 => {
                format!("CPU{}Type", indices.dtype().scalar_name())
            }
            other => format!("torch.{}Tensor", other.scalar_name()),
        };
        bail!(
            DType,
            "Expected tensor for argument #{argument} 'indices' to have one of the following scalar types: Long, Int; but got {name} instead (while checking arguments for {function})"
        );
    }
    Ok(())
}

fn check_table(weight: &Tensor) -> Result<()> {
    if weight.ndim() != 2 {
        bail!(Shape, "'weight' must be 2-D");
    }
    Ok(())
}

/// How often each number occurs.
fn frequencies(index: &[i64], count: usize) -> Result<Vec<u32>> {
    let mut seen: Vec<u32> = alloc::vec_for(count)?;
    seen.resize(count, 0);
    index.iter().for_each(|&i| seen[i as usize] += 1);
    Ok(seen)
}

/// Weights of the gradient's rows: none for `padding`, and by frequency if asked for.
fn gradient_weights(
    index: &[i64],
    count: usize,
    padding: i64,
    by_frequency: bool,
) -> Result<Option<Vec<f64>>> {
    if padding < 0 && !by_frequency {
        return Ok(None);
    }
    let seen = if by_frequency { frequencies(index, count)? } else { Vec::new() };
    let mut weights = alloc::vec_for(index.len())?;
    weights.extend(index.iter().map(|&i| match i {
        i if i == padding => 0.0,
        i if by_frequency => 1.0 / seen[i as usize] as f64,
        _ => 1.0,
    }));
    Ok(Some(weights))
}

/// The rows of `weight` (count, width) with the numbers in `indices`: (*, width).
fn embedding(
    weight: &Tensor,
    indices: &Tensor,
    padding: i64,
    by_frequency: bool,
    sparse: bool,
) -> Result<Tensor> {
    check_table(weight)?;
    check_indices(indices, 1, "embedding")?;
    if sparse && autograd::needs_grad(&[weight]) {
        bail!(Unsupported, "embedding: sparse gradients are not supported");
    }
    if weight.device().is_cuda() {
        return composed_embedding(weight, indices, padding, by_frequency);
    }
    let index: Vec<i64> = copy::values(indices)?;
    let count = weight.size(0);
    if index.iter().any(|&i| i < 0 || i as usize >= count) {
        bail!(Index, "index out of range in self");
    }
    let weights = if autograd::needs_grad(&[weight]) {
        gradient_weights(&index, count, padding, by_frequency)?.map(Arc::new)
    } else {
        None
    };
    let picked = take(weight, &Rows { index: Arc::new(index), count, weights }, false)?;
    let mut sizes: Sizes = indices.sizes().into();
    sizes.push(weight.size(1));
    view::reshape_to(&picked, &sizes)
}

/// The same of other operations, for devices that have no kernel of it.
fn composed_embedding(weight: &Tensor, indices: &Tensor, padding: i64, by_frequency: bool) -> Result<Tensor> {
    let flat = copy::to_dtype(&view::reshape(&indices.detached(), &[-1])?, DType::I64)?;
    let mut picked = index::index_select(weight, 0, &flat)?;
    if padding >= 0 && autograd::needs_grad(&[weight]) {
        // Rows of padding have no gradient.
        let is_padding = view::unsqueeze(&table::eq(&flat, Scalar::Int(padding))?, 1)?;
        picked = where_(&is_padding, &picked.detach(), &picked)?;
    }
    if by_frequency && autograd::needs_grad(&[weight]) {
        let counts = cuda::histogram::count_places(&copy::contiguous(&flat)?, None, weight.size(0))?;
        let counts = view::unsqueeze(&index::index_select(&counts, 0, &flat)?, 1)?;
        picked = autograd::record(picked.detach(), "EmbeddingBackward0", &[&picked], &[], move |cx| {
            Ok(smallvec![cx.grad().map(|g| div(g, &counts)).transpose()?])
        });
    }
    let mut sizes: Sizes = indices.sizes().into();
    sizes.push(weight.size(1));
    view::reshape_to(&picked, &sizes)
}

/// Rows whose number is in `indices` are scaled down to the norm `max_norm`, in place.
fn embedding_renorm(weight: &Tensor, indices: &Tensor, max_norm: f64, p: f64) -> Result<Tensor> {
    check_table(weight)?;
    check_indices(indices, 2, "embedding_renorm_")?;
    let mut index: Vec<i64> = copy::values(indices)?;
    index.sort_unstable();
    index.dedup();
    let count = weight.size(0);
    if index.iter().any(|&i| i < 0 || i as usize >= count) {
        bail!(Index, "index out of range in self");
    }
    inplace::check(weight, false)?;
    autograd::no_grad(|| {
        let target = weight.detached();
        for &i in &index {
            let row = view::select(&target, 0, i)?;
            let norm =
                crate::ops::reduce::item(&crate::ops::vector_norm::vector_norm(&row, p, None, false, None)?)?
                    .to_f64();
            if norm > max_norm {
                copy::write(&row, &mul(&row, max_norm / (norm + 1e-7))?)?;
            }
        }
        Ok(())
    })?;
    inplace::rebase(weight, None);
    Ok(weight.clone())
}

const MEAN: i64 = 1;
const MAX: i64 = 2;

/// Bags of rows: where they begin, and which mode makes one row of each.
struct Bags {
    index: Vec<i64>,
    /// Of each index, up to the last that is in a bag.
    bag: Vec<i64>,
    /// Of each bag, without padding.
    sizes: Vec<i64>,
    /// The row that counts nothing, or -1.
    padding: i64,
}

fn read_bags(weight: &Tensor, indices: &Tensor, offsets: &Tensor, last: bool, padding: i64) -> Result<Bags> {
    let index: Vec<i64> = copy::values(indices)?;
    let mut starts: Vec<i64> = copy::values(offsets)?;
    let n = index.len() as i64;
    if last && starts.is_empty() {
        bail!(Autograd, "include_last_offset: number of offset should be at least 1");
    }
    if let Some(&first) = starts.first()
        && first != 0
    {
        bail!(
            Autograd,
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got {first}"
        );
    }
    if let Some(&end) = starts.last()
        && end > n
    {
        bail!(
            Autograd,
            "offsets[-1] can not be greater than input's length {n} but got offsets[-1] of {end}"
        );
    }
    if let Some(bad) = starts.iter().find(|&&o| o < 0 || o > n) {
        bail!(Autograd, "offsets must lie between 0 and the input's length {n}, but got {bad}");
    }
    let count = weight.size(0) as i64;
    if let Some((at, &value)) = index.iter().enumerate().find(|(_, i)| !(0..count).contains(*i)) {
        bail!(
            Autograd,
            "Index {at} of input takes value {value} which is not in the valid range [0, {count})"
        );
    }
    if starts.is_sorted_by(|a, b| a <= b) {
        // What lies behind the last offset, if that ends the last bag, is in no bag.
        starts.extend((!last).then_some(n));
    } else {
        bail!(Autograd, "embedding_bag: offsets have to be in ascending order");
    }
    let count = starts.len() - 1;
    let mut bag: Vec<i64> = alloc::vec_for(index.len())?;
    let mut sizes: Vec<i64> = alloc::vec_for(count)?;
    for (b, ends) in starts.windows(2).enumerate() {
        let span = ends[0] as usize..ends[1] as usize;
        sizes.push(index[span.clone()].iter().filter(|&&i| i != padding).count() as i64);
        bag.resize(span.end, b as i64);
    }
    Ok(Bags { index, bag, sizes, padding })
}

struct BagCall<'a> {
    weight: &'a Tensor,
    indices: &'a Tensor,
    offsets: &'a Tensor,
    by_frequency: bool,
    mode: i64,
    per_sample_weights: Option<&'a Tensor>,
    include_last: bool,
    padding: i64,
}

fn embedding_bag(c: &BagCall) -> Result<Vec<Tensor>> {
    check_table(c.weight)?;
    check_indices(c.indices, 1, "embedding_bag")?;
    check_indices(c.offsets, 1, "embedding_bag")?;
    if !c.weight.dtype().is_floating() {
        bail!(
            DType,
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, Float, Double; but got torch.{}Tensor instead (while checking arguments for embedding_bag)",
            c.weight.dtype().scalar_name()
        );
    }
    if c.indices.ndim() != 1 || c.offsets.ndim() != 1 {
        bail!(
            Shape,
            "embedding_bag: input and offsets have to be 1-D, but got {}-D and {}-D",
            c.indices.ndim(),
            c.offsets.ndim()
        );
    }
    if let Some(w) = c.per_sample_weights {
        if c.mode != 0 {
            bail!(Autograd, "embedding_bag: per_sample_weights only supported with mode='sum'");
        }
        if w.dtype() != c.weight.dtype() {
            bail!(
                DType,
                "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 'per_sample_weights'; but type torch.{}Tensor does not equal torch.{}Tensor (while checking arguments for embedding_bag)",
                c.weight.dtype().scalar_name(),
                w.dtype().scalar_name()
            );
        }
        if w.ndim() != 1 || w.numel() != c.indices.numel() {
            bail!(
                Shape,
                "embedding_bag: expected per_sample_weights to be a vector as long as the input, {}",
                c.indices.numel()
            );
        }
    }
    let bags = read_bags(c.weight, c.indices, c.offsets, c.include_last, c.padding)?;
    let (count, n, bag_count) = (c.weight.size(0), bags.index.len(), bags.sizes.len());
    let result = |out: Tensor, largest: Tensor| -> Result<Vec<Tensor>> {
        let sizes = Tensor::from_slice(&bags.sizes, &[bag_count])?;
        Ok(vec![out, Tensor::from_slice(&bags.bag, &[bags.bag.len()])?, sizes, largest])
    };
    if c.mode == MAX {
        let (out, largest) = bag_max(c, &bags)?;
        return result(out, largest);
    }
    let members = bags.bag.len();
    let share = |i: usize| match bags.index[i] {
        row if row == bags.padding => 0.0,
        _ if c.mode == MEAN => 1.0 / bags.sizes[bags.bag[i] as usize] as f64,
        _ => 1.0,
    };
    let shares = (c.mode == MEAN || bags.padding >= 0).then(|| Arc::new((0..members).map(share).collect()));
    let into = Rows { index: Arc::new(bags.bag.clone()), count: bag_count, weights: shares };
    let mut weights = gradient_weights(&bags.index, count, bags.padding, c.by_frequency)?;
    let fused = c.per_sample_weights.is_none()
        && !c.weight.device().is_cuda()
        && matches!(c.weight.dtype(), DType::F32 | DType::F64);
    let out = if fused {
        if let Some(weights) = &mut weights {
            weights.truncate(members);
        }
        let index = Arc::new(bags.index[..members].to_vec());
        add_bags(c.weight, Rows { index, count, weights: weights.map(Arc::new) }, into)?
    } else {
        let weights = weights.map(Arc::new);
        let mut rows = take(c.weight, &Rows { index: Arc::new(bags.index.clone()), count, weights }, false)?;
        if let Some(w) = c.per_sample_weights {
            rows = mul(&rows, &view::unsqueeze(w, 1)?)?;
        }
        if members < n {
            rows = view::narrow(&rows, 0, 0, members as i64)?;
        }
        spread(&rows, &into)?
    };
    result(out, Tensor::from_slice(&bags.sizes, &[bag_count])?)
}

/// `out[into[i]] += share[i] * table[index[i]]` on zeros, without the list of rows between.
fn add_bags(table: &Tensor, rows: Rows, into: Rows) -> Result<Tensor> {
    let width = table.size(1);
    let dense = copy::contiguous(&table.detached())?;
    let out = creation::zeros(&[into.count, width], table.dtype())?;
    let shares = into.weights.as_ref().map(|w| w.as_slice());
    let bags = kernel::Bags { index: &rows.index, bag: &into.index, count: into.count, shares };
    // SAFETY: indices are below the numbers of rows; both tables are contiguous and of this type.
    unsafe {
        match table.dtype() {
            DType::F32 => kernel::add_bags::<f32>(dense.ptr().cast(), out.ptr().cast(), width, &bags),
            _ => kernel::add_bags::<f64>(dense.ptr().cast(), out.ptr().cast(), width, &bags),
        }
    }
    if !autograd::needs_grad(&[table]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "EmbeddingBagBackward0", &[table], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| spread(&take(g, &into, true)?, &rows)).transpose()?])
    }))
}

/// The largest of each bag in each column, and the row of the table it came from.
fn bag_max(c: &BagCall, bags: &Bags) -> Result<(Tensor, Tensor)> {
    let (count, width) = (bags.sizes.len(), c.weight.size(1));
    let dense: Vec<f64> = copy::values(c.weight)?;
    let mut largest: Vec<i64> = alloc::vec_for(count.saturating_mul(width))?;
    largest.resize(count * width, -1);
    for (&row, &bag) in bags.index.iter().zip(&bags.bag) {
        if row == bags.padding {
            continue;
        }
        let best = &mut largest[bag as usize * width..][..width];
        for (j, best) in best.iter_mut().enumerate() {
            let value = |row: i64| dense[row as usize * width + j];
            if *best < 0 || value(row) > value(*best) {
                *best = row;
            }
        }
    }
    let sizes = [count, width];
    let is_empty: Vec<Bool> = largest.iter().map(|&i| Bool::from(i < 0)).collect();
    largest.iter_mut().for_each(|i| *i = (*i).max(0));
    let at = Tensor::from_slice(&largest, &sizes)?;
    if c.weight.size(0) == 0 {
        return Ok((creation::zeros(&sizes, c.weight.dtype())?, at));
    }
    let picked = index::gather(c.weight, 0, &at)?;
    let zero = creation::scalar(Scalar::Int(0), c.weight.dtype())?;
    Ok((where_(&Tensor::from_slice(&is_empty, &sizes)?, &zero, &picked)?, at))
}

fn embedding_bag_call(a: &Args) -> Result<Output> {
    let count = a.tensor(0).sizes().first().copied().unwrap_or(0) as i64;
    let padding = match a.opt_int(8) {
        None => -1,
        Some(row) if (-count..count).contains(&row) => row.rem_euclid(count),
        Some(row) => bail!(
            Autograd,
            "padding_idx must be within the number of embeddings, {} through {}, but got {row}",
            -count,
            count - 1
        ),
    };
    if a.bool(5) && autograd::needs_grad(&[a.tensor(0)]) {
        bail!(Unsupported, "embedding_bag: sparse gradients are not supported");
    }
    let call = BagCall {
        weight: a.tensor(0),
        indices: a.tensor(1),
        offsets: a.tensor(2),
        by_frequency: a.bool(3),
        mode: a.int(4),
        per_sample_weights: a.opt_tensor(6),
        include_last: a.bool(7),
        padding,
    };
    Ok(embedding_bag(&call)?.into())
}

/// [`one_hot`] as a comparison with all classes.
fn one_hot_on_gpu(x: &Tensor, classes: i64) -> Result<Tensor> {
    let end = |largest| -> Result<i64> {
        Ok(reduce::item(&extreme::extreme(x, largest, u64::MAX, false, "one_hot")?)?.to_i64())
    };
    // Without data there is nothing to check.
    let (smallest, largest) = match x.device() {
        Device::Meta if classes != -1 => (0, 0),
        _ => (end(false)?, end(true)?),
    };
    if smallest < 0 {
        bail!(Autograd, "Class values must be non-negative.");
    }
    let classes = if classes == -1 { largest.saturating_add(1) } else { classes };
    if largest >= classes {
        bail!(Autograd, "Class values must be smaller than num_classes.");
    }
    let all = creation::arange(Scalar::Int(0), Scalar::Int(classes), Scalar::Int(1), DType::I64)?;
    copy::to_dtype(&table::eq(&view::unsqueeze(x, -1)?, &all)?, DType::I64)
}

/// For each class number a row that is 1 there and 0 elsewhere.
fn one_hot(x: &Tensor, classes: i64) -> Result<Tensor> {
    if x.dtype() != DType::I64 {
        bail!(DType, "one_hot is only applicable to index tensor of type LongTensor.");
    }
    if x.device().is_cuda() && x.numel() > 0 {
        return one_hot_on_gpu(x, classes);
    }
    let values: Vec<i64> = copy::values(x)?;
    if values.is_empty() && classes <= 0 {
        bail!(Autograd, "Can not infer total number of classes from empty tensor.");
    }
    if values.iter().any(|&v| v < 0) {
        bail!(Autograd, "Class values must be non-negative.");
    }
    let largest = values.iter().copied().max().unwrap_or(-1);
    let classes = if classes == -1 { largest.saturating_add(1) } else { classes };
    if largest >= classes {
        bail!(Autograd, "Class values must be smaller than num_classes.");
    }
    let mut sizes: Sizes = x.sizes().into();
    sizes.push(classes as usize);
    let out = creation::zeros(&sizes, DType::I64)?;
    let first = out.ptr().cast::<i64>();
    for (i, &v) in values.iter().enumerate() {
        // SAFETY: a row of `classes` elements for each value, which is less.
        unsafe { first.add(i * classes as usize + v as usize).write(1) };
    }
    Ok(out)
}

/// `out[o] = x1ᵀ weight[o] x2 + bias[o]`, for x1 (*, in1), x2 (*, in2), weight (out, in1, in2).
fn bilinear(x1: &Tensor, x2: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if x1.dtype() != x2.dtype() || x1.dtype() != weight.dtype() {
        bail!(
            DType,
            "All tensors must have the same dtype, got input1: {}, input2: {}, weight: {}",
            x1.dtype().c_name(),
            x2.dtype().c_name(),
            weight.dtype().c_name()
        );
    }
    if x1.ndim() != x2.ndim() {
        bail!(Shape, "bilinear(): input dimensions do not match: got {} and {}", x1.ndim(), x2.ndim());
    }
    if x1.ndim() == 0 || weight.ndim() != 3 {
        bail!(
            Shape,
            "bilinear(): expected inputs of 1 or more dimensions and a weight of 3, but got {} and {}",
            x1.ndim(),
            weight.ndim()
        );
    }
    let last = x1.ndim() - 1;
    if let Some(d) = (0..last).find(|&d| x1.size(d) != x2.size(d)) {
        bail!(
            Shape,
            "bilinear(): input batch dimensions do not match at dim {d}: got {} and {}",
            x1.size(d),
            x2.size(d)
        );
    }
    let (outputs, in1, in2) = (weight.size(0), weight.size(1), weight.size(2));
    for (name, x, size) in [("input1", x1, in1), ("input2", x2, in2)] {
        if x.size(last) != size {
            bail!(
                Shape,
                "bilinear(): {name} size does not match weight size: got {} but expected {size}",
                x.size(last)
            );
        }
    }
    if let Some(bias) = bias
        && (bias.ndim() != 1 || bias.size(0) != outputs)
    {
        bail!(
            Shape,
            "bilinear(): bias size does not match weight size: got {} but expected {outputs}",
            bias.numel()
        );
    }
    let batch: usize = x1.sizes()[..last].iter().product();
    let (flat1, flat2) = (view::reshape_to(x1, &[batch, in1])?, view::reshape_to(x2, &[batch, in2, 1])?);
    let turned = view::reshape_to(&view::permute(weight, &[1, 0, 2])?, &[in1, outputs * in2])?;
    let partial = view::reshape_to(&crate::ops::matmul::mm(&flat1, &turned)?, &[batch, outputs, in2])?;
    let mut sizes: Sizes = x1.sizes().into();
    sizes[last] = outputs;
    let out = view::reshape_to(&crate::ops::matmul::bmm(&partial, &flat2)?, &sizes)?;
    match bias {
        Some(bias) => crate::ops::arithmetic::add(&out, bias),
        None => Ok(out),
    }
}

pub const OPS: &[Op] = &[
    Op::new("embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor", |a| {
        Ok(embedding(a.tensor(0), a.tensor(1), a.int(2), a.bool(3), a.bool(4))?.into())
    })
    .doc("The rows of a table with the given numbers.")
    .samples("t(5, 3), ints(2, 4, high=5) | nc(5, 3), ints(4, high=5), 2 | t(4, 2), torch.tensor([], dtype=torch.int64)"),
    Op::new("embedding_renorm_(Tensor input, Tensor indices, float max_norm, float norm_type) -> Tensor", |a| {
        Ok(embedding_renorm(a.tensor(0), a.tensor(1), a.float(2), a.float(3))?.into())
    })
    .doc("Rows with the given numbers scaled down to a norm, in place.")
    .no_gradient(),
    Op::new("embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None) -> Tensor[]", embedding_bag_call)
        .doc("Bags of rows made into one row each by sum (mode 0), mean (1) or maximum (2); the bag of each index, the sizes of the bags and the rows of the maxima.")
        .no_gradient(),
    Op::new("nn.functional.one_hot(Tensor tensor, int num_classes=-1) -> Tensor", |a| {
        Ok(one_hot(a.tensor(0), a.int(1))?.into())
    })
    .doc("For each class number a row that is 1 there and 0 elsewhere.")
    .samples("ints(2, 3, high=4) | ints(3, high=4), 6 | torch.tensor(2)")
    .no_gradient(),
    Op::new("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", |a| {
        Ok(bilinear(a.tensor(0), a.tensor(1), a.tensor(2), a.opt_tensor(3))?.into())
    })
    .doc("x1 · weight · x2 for each output, plus bias.")
    .samples("t(2, 3), t(2, 4), t(5, 3, 4), t(5) | t(3), nc(4), t(2, 3, 4) | t(0, 2), t(0, 2), t(1, 2, 2), t(1)"),
];
