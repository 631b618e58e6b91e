//! Writing along one dimension by an index tensor of the shape of what is written: `scatter` and its
//! like. `index_write` is about indices that count for whole slices.

use smallvec::smallvec;

use crate::autograd::{self, Save, inplace};
use crate::bail;
use crate::cpu;
use crate::cpu::index::Put;
use crate::cpu::loops::Loops;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, wrap_dim};
use crate::ops::arithmetic::{div, mul};
use crate::ops::cuda::index::Access;
use crate::ops::gather::{
    at_least_1d, check_lines, gpu_indexer, index_values, indexer, out_of_range, strides_without, take_lines,
};
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, creation, cuda, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// What becomes of an element to which several are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Combine {
    Write,
    Add,
    /// Each of these may leave out what was there before (`include_self=False`).
    Reduce(Reduction, bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reduction {
    Sum,
    Prod,
    Mean,
    Max,
    Min,
}

impl Reduction {
    pub(super) fn read(name: &str, sum: bool) -> Result<Reduction> {
        Ok(match name {
            "sum" if sum => Reduction::Sum,
            "prod" => Reduction::Prod,
            "mean" => Reduction::Mean,
            "amax" => Reduction::Max,
            "amin" => Reduction::Min,
            other => bail!(
                Autograd,
                "reduce argument must be either {}prod, mean, amax or amin, got {other}.",
                if sum { "sum, " } else { "" }
            ),
        })
    }

    /// What changes nothing.
    fn neutral(self, dtype: DType) -> Scalar {
        let infinite = |high: bool| match dtype {
            DType::Bool => Scalar::Bool(high),
            DType::U8 => Scalar::Int(if high { 255 } else { 0 }),
            d if d.is_integral() => {
                let least = i64::MIN >> (64 - 8 * d.size());
                Scalar::Int(if high { !least } else { least })
            }
            _ => Scalar::Float(if high { f64::INFINITY } else { f64::NEG_INFINITY }),
        };
        match self {
            Reduction::Sum | Reduction::Mean => Scalar::Int(0),
            Reduction::Prod => Scalar::Int(1),
            Reduction::Max => infinite(false),
            Reduction::Min => infinite(true),
        }
    }
}

/// Refuses indices out of range before anything is written.
fn check_range(x: &Tensor, dim: usize, index: &Tensor, name: &str) -> Result<()> {
    // Along expanded dimensions all indices are the same.
    let mut own = index.layout().clone();
    for (size, &stride) in own.sizes.iter_mut().zip(&own.strides) {
        if stride == 0 {
            *size = (*size).min(1);
        }
    }
    if own.numel() == 0 {
        return Ok(());
    }
    // A GPU tells later.
    if index.device().is_cuda() {
        return Ok(());
    }
    let loops = Loops::new(&own.sizes, &[(&own.strides, 8)]);
    // SAFETY: the loops are those of the index tensor.
    match unsafe { cpu::index::check(&indexer(x, dim, index), &loops) } {
        Ok(()) => Ok(()),
        Err(bad) => Err(out_of_range(bad, x, dim, name)),
    }
}

/// Writes `src` to the places that the indices name. `x`, `index` and `src` have the same number of
/// dimensions, at least one; `src` has the sizes of the index; the indices were checked. No tape.
fn write(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor, how: Put) -> Result<()> {
    if index.numel() == 0 {
        return Ok(());
    }
    let src = if src.storage().same(x.storage()) { copy::clone(src)? } else { src.clone() };
    let bytes = x.dtype().size();
    let to = strides_without(x, dim);
    let loops = Loops::new(index.sizes(), &[(&to, bytes), (src.strides(), bytes), (index.strides(), 8)]);
    if x.device().is_cuda() {
        let indexers = [gpu_indexer(x, dim, index)];
        return cuda::index::access(Access::Put(how), x, &src, &indexers, &loops, "scatter");
    }
    // SAFETY: the loops cover the index, the source, and the dimensions of x that are not indexed; the
    // indexer knows the size of the other; the source is other memory.
    unsafe { cpu::index::put(how, x.operand(), src.ptr(), &[indexer(x, dim, index)], &loops) };
    Ok(())
}

/// Combines `src` into `x` in place. No tape.
pub(super) fn combine_into(
    x: &Tensor,
    dim: usize,
    index: &Tensor,
    src: &Tensor,
    how: Combine,
    name: &str,
) -> Result<()> {
    if index.numel() == 0 {
        return Ok(());
    }
    let x = &if x.ndim() == 0 { x.alias(x.layout().unsqueeze(0)) } else { x.clone() };
    let index = &at_least_1d(index)?;
    let src = &at_least_1d(&copy::to_dtype(&src.detached(), x.dtype())?)?;
    check_range(x, dim, index, name)?;
    let (reduction, include_self) = match how {
        Combine::Write => return write(x, dim, index, src, Put::Write),
        Combine::Add => return write(x, dim, index, src, Put::Add),
        Combine::Reduce(reduction, include_self) => (reduction, include_self),
    };
    let constant = |value: Scalar| -> Result<Tensor> {
        let one = creation::scalar(value, x.dtype())?;
        Ok(one.alias(one.layout().broadcast_to(index.sizes())))
    };
    if !include_self {
        write(x, dim, index, &constant(reduction.neutral(x.dtype()))?, Put::Write)?;
    }
    let put = match reduction {
        Reduction::Sum | Reduction::Mean => Put::Add,
        Reduction::Prod => Put::Multiply,
        Reduction::Max => Put::Max,
        Reduction::Min => Put::Min,
    };
    write(x, dim, index, src, put)?;
    if reduction == Reduction::Mean {
        let counts = counts(x.sizes(), dim, index, include_self, x.dtype())?;
        let mean = match x.dtype().is_integral() {
            true => table::floor_divide(x, &counts)?,
            false => div(x, &counts)?,
        };
        copy::write(x, &mean)?;
    }
    Ok(())
}

/// How many values went into each element; 1 where none did.
fn counts(sizes: &[usize], dim: usize, index: &Tensor, include_self: bool, dtype: DType) -> Result<Tensor> {
    let start = creation::full(sizes, Scalar::Int(include_self as i64), dtype)?;
    let one = creation::scalar(Scalar::Int(1), dtype)?;
    write(&start, dim, index, &one.alias(one.layout().broadcast_to(index.sizes())), Put::Add)?;
    table::select(&table::eq(&start, Scalar::Int(0))?, &one, &start)
}

/// The leading part of `src` that the index asks for; a 0-d source counts everywhere.
fn leading_part(src: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    if src.sizes() == sizes {
        return Ok(src.clone());
    }
    if src.ndim() == 0 {
        return view::expand_to(src, sizes);
    }
    let mut part = src.clone();
    for (d, &size) in sizes.iter().enumerate() {
        if part.size(d) != size {
            part = view::narrow(&part, d as i64, 0, size as i64)?;
        }
    }
    Ok(part)
}

/// `x` with `src` combined into the places that the indices name: a new tensor, on the tape.
pub(super) fn put_lines(
    x: &Tensor,
    dim: usize,
    index: &Tensor,
    src: &Tensor,
    how: Combine,
    name: &'static str,
) -> Result<Tensor> {
    if index.numel() == 0 {
        return copy::clone(x);
    }
    let src = &leading_part(src, index.sizes())?;
    let out = copy::contiguous_copy(&x.detached())?;
    combine_into(&out, dim, index, src, how, name)?;
    if !autograd::needs_grad(&[x, src]) {
        return Ok(out);
    }
    let saved: &[Save] = match how {
        Combine::Reduce(Reduction::Prod | Reduction::Max | Reduction::Min, _) => {
            &[Save::Input(0), Save::Input(1), Save::Output(0)]
        }
        _ => &[],
    };
    let index = index.clone();
    Ok(autograd::record(out, name, &[x, src], saved, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let lines = Lines { dim, index: &index };
        let (for_x, for_src) = match how {
            Combine::Write | Combine::Add | Combine::Reduce(Reduction::Sum, _) => (g.clone(), g.clone()),
            Combine::Reduce(Reduction::Mean, include_self) => {
                let lined = at_least_1d(&g.detach())?;
                let n = counts(lined.sizes(), dim, &at_least_1d(&index)?, include_self, g.dtype())?;
                let n = view::reshape_to(&n, g.sizes())?;
                let each = div(g, &n)?;
                (each.clone(), each)
            }
            Combine::Reduce(Reduction::Prod, include_self) => {
                return lines.product_gradients(cx, g, include_self);
            }
            Combine::Reduce(..) => {
                let (x, src, y) = (cx.saved(0)?, cx.saved(1)?, cx.saved(2)?);
                let own = copy::to_dtype(&table::eq(&x, &y)?, g.dtype())?;
                let its = copy::to_dtype(&table::eq(&src, &lines.take(&y)?)?, g.dtype())?;
                let each = div(g, &lines.add(&own, &its)?)?;
                let for_x = lines.without_overwritten(mul(&own, &each)?, how)?;
                let for_src = if cx.needs(1) { Some(mul(&its, &lines.take(&each)?)?) } else { None };
                return Ok(smallvec![cx.needs(0).then_some(for_x), for_src]);
            }
        };
        let for_x = if cx.needs(0) { Some(lines.without_overwritten(for_x, how)?) } else { None };
        let for_src = if cx.needs(1) { Some(lines.take(&for_src)?) } else { None };
        Ok(smallvec![for_x, for_src])
    }))
}

/// `x` with `src` added at the indices.
pub fn add_lines(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    put_lines(x, dim, index, src, Combine::Add, "scatter_add")
}

/// The lines that an operation wrote to, as its gradient sees them.
struct Lines<'a> {
    dim: usize,
    index: &'a Tensor,
}

impl Lines<'_> {
    fn take(&self, x: &Tensor) -> Result<Tensor> {
        take_lines(x, self.dim, self.index, "gather")
    }

    fn add(&self, x: &Tensor, src: &Tensor) -> Result<Tensor> {
        add_lines(x, self.dim, self.index, src)
    }

    /// Zero where the old value had no part in the result.
    fn without_overwritten(&self, g: Tensor, how: Combine) -> Result<Tensor> {
        if matches!(how, Combine::Add | Combine::Reduce(_, true)) {
            return Ok(g);
        }
        let zero = creation::zeros(&[], g.dtype())?;
        put_lines(&g, self.dim, self.index, &zero, Combine::Write, "scatter")
    }

    /// Each factor's gradient is the product of the others. A single zero is left out of the product
    /// for its own gradient; next to two zeros all gradients are zero.
    fn product_gradients(
        &self,
        cx: &autograd::Backprop,
        g: &Tensor,
        include_self: bool,
    ) -> Result<autograd::Grads> {
        let (x, src, y) = (cx.saved(0)?, cx.saved(1)?, cx.saved(2)?);
        let how = Combine::Reduce(Reduction::Prod, include_self);
        let product =
            |x: &Tensor, src: &Tensor| put_lines(x, self.dim, self.index, src, how, "scatter_reduce");
        let zero = |t: &Tensor| table::eq(&t.detached(), Scalar::Int(0));
        let for_x = if cx.needs(0) {
            let nonzero = table::select(&zero(&x)?, 1.0, &x)?;
            let others = div(&mul(g, &product(&nonzero, &src)?)?, &nonzero)?;
            Some(self.without_overwritten(others, how)?)
        } else {
            None
        };
        let for_src = if cx.needs(1) {
            let is_zero = zero(&src)?;
            let none = creation::zeros(x.sizes(), g.dtype())?;
            let zeros = self.take(&self.add(&none, &copy::to_dtype(&is_zero, g.dtype())?)?)?;
            let single = table::logical_and(&is_zero, &table::eq(&zeros, Scalar::Int(1))?)?;
            let without = product(&x, &table::select(&single, 1.0, &src)?)?;
            let at_zero = self.take(&mul(g, &without)?)?;
            let elsewhere = div(&self.take(&mul(g, &y)?)?, &table::select(&is_zero, 1.0, &src)?)?;
            Some(table::select(&single, &at_zero, &elsewhere)?)
        } else {
            None
        };
        Ok(smallvec![for_x, for_src])
    }
}

// ---- scatter ----

/// A call of the scatter family, checked.
pub(super) struct Scattering {
    pub(super) dim: usize,
    pub(super) index: Tensor,
    pub(super) src: Tensor,
    pub(super) how: Combine,
    pub(super) name: &'static str,
}

impl Scattering {
    fn new(
        x: &Tensor,
        dim: i64,
        index: &Tensor,
        src: &Tensor,
        how: Combine,
        name: &'static str,
    ) -> Result<Self> {
        let d = wrap_dim(dim, x.ndim())?;
        check_lines(x, d, index, name)?;
        if x.dtype() != src.dtype() {
            bail!(DType, "{name}(): Expected self.dtype to be equal to src.dtype");
        }
        if index.numel() > 0 && src.ndim() != 0 {
            if src.ndim() != index.ndim().max(1) {
                bail!(Autograd, "Index tensor must have the same number of dimensions as src tensor");
            }
            if index.sizes().iter().zip(src.sizes()).any(|(i, s)| i > s) {
                bail!(
                    Shape,
                    "Expected index {} to be no larger than self {} apart from dimension {d} and to be no larger size than src {}",
                    Show(index.sizes()),
                    Show(x.sizes()),
                    Show(src.sizes())
                );
            }
        }
        let src =
            if index.ndim() == 0 && src.ndim() == 1 { view::reshape_to(src, &[])? } else { src.clone() };
        Ok(Scattering { dim: d, index: index_values(index)?, src, how, name })
    }

    pub(super) fn result(&self, x: &Tensor) -> Result<Tensor> {
        put_lines(x, self.dim, &self.index, &self.src, self.how, self.name)
    }

    pub(super) fn in_place(&self, x: &Tensor) -> Result<Tensor> {
        if autograd::needs_grad(&[x, &self.src]) {
            return copy::in_place(|x| self.result(x), x);
        }
        inplace::check(x, false)?;
        let src = leading_part(&self.src.detached(), self.index.sizes())?;
        combine_into(x, self.dim, &self.index, &src, self.how, self.name)?;
        inplace::rebase(x, None);
        Ok(x.clone())
    }
}

/// `x` with `src` written at the indices of a dimension.
pub fn scatter(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    Scattering::new(x, dim, index, src, Combine::Write, "scatter")?.result(x)
}

/// `x` with `src` added at the indices of a dimension.
pub fn scatter_add(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    Scattering::new(x, dim, index, src, Combine::Add, "scatter_add")?.result(x)
}

fn scatter_args(a: &Args) -> Result<Scattering> {
    let x = a.tensor(0);
    let number;
    let src = match a.opt_tensor(3) {
        Some(src) => src,
        None => {
            creation::check_fits(a.scalar(3), x.dtype())?;
            number = creation::scalar(a.scalar(3), x.dtype())?;
            &number
        }
    };
    let how = match a.0.get(4).and_then(|_| a.str(4)) {
        None => Combine::Write,
        Some("add") => Combine::Add,
        Some("multiply") => Combine::Reduce(Reduction::Prod, true),
        Some(other) => bail!(Autograd, "reduce argument must be either add or multiply, got {other}."),
    };
    Scattering::new(x, a.int(1), a.tensor(2), src, how, "scatter")
}

fn scatter_add_args(a: &Args) -> Result<Scattering> {
    Scattering::new(a.tensor(0), a.int(1), a.tensor(2), a.tensor(3), Combine::Add, "scatter_add")
}

fn scatter_reduce_args(a: &Args) -> Result<Scattering> {
    let reduction = Reduction::read(a.str(4).unwrap_or(""), true)?;
    check_order(a.tensor(0).dtype(), reduction, "scatter_reduce")?;
    let how = Combine::Reduce(reduction, a.bool(5));
    Scattering::new(a.tensor(0), a.int(1), a.tensor(2), a.tensor(3), how, "scatter_reduce")
}

pub(super) fn check_order(dtype: DType, reduction: Reduction, name: &str) -> Result<()> {
    if dtype.is_complex() && matches!(reduction, Reduction::Max | Reduction::Min) {
        bail!(Unsupported, "\"{name}\" with amax or amin is not implemented for '{}'", dtype.scalar_name());
    }
    Ok(())
}

pub const OPS: &[Op] = &[
    Op::new("scatter(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", |a| Ok(scatter_args(a)?.result(a.tensor(0))?.into()))
        .method()
        .inplace_by(|a| Ok(scatter_args(a)?.in_place(a.tensor(0))?.into()))
        .doc("With src written at the indices along a dimension, or added or multiplied (reduce).")
        .samples("t(3, 4), 1, torch.tensor([[0, 1], [2, 3], [1, 0]]), t(3, 2) | nc(3, 4), 0, torch.tensor([[2, 0]]), t(1, 2) | t(), 0, torch.tensor(0), t()"),
    Op::new("scatter(Tensor input, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor", |a| Ok(scatter_args(a)?.result(a.tensor(0))?.into()))
        .method()
        .inplace_by(|a| Ok(scatter_args(a)?.in_place(a.tensor(0))?.into())),
    Op::new("scatter(Tensor input, int dim, Tensor index, Scalar value) -> Tensor", |a| Ok(scatter_args(a)?.result(a.tensor(0))?.into()))
        .method()
        .inplace_by(|a| Ok(scatter_args(a)?.in_place(a.tensor(0))?.into()))
        .samples("t(3, 4), 1, torch.tensor([[0, 1], [2, 3], [1, 0]]), 2.5"),
    Op::new("scatter(Tensor input, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor", |a| Ok(scatter_args(a)?.result(a.tensor(0))?.into()))
        .method()
        .inplace_by(|a| Ok(scatter_args(a)?.in_place(a.tensor(0))?.into())),
    Op::new("scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", |a| {
        Ok(scatter_add_args(a)?.result(a.tensor(0))?.into())
    })
    .method()
    .inplace_by(|a| Ok(scatter_add_args(a)?.in_place(a.tensor(0))?.into()))
    .doc("With src added at the indices along a dimension.")
    .samples("t(3, 4), 1, ints(3, 2, high=4), t(3, 2) | nc(3, 4), 0, ints(2, 3, high=3), t(2, 3)"),
    Op::new(
        "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor",
        |a| Ok(scatter_reduce_args(a)?.result(a.tensor(0))?.into()),
    )
    .method()
    .inplace_by(|a| Ok(scatter_reduce_args(a)?.in_place(a.tensor(0))?.into()))
    .doc("With the sum, prod, mean, amax or amin of what goes to each place.")
    .samples("t(3, 4), 1, ints(3, 2, high=4), t(3, 2), 'sum' | t(3, 4), 0, ints(3, 4, high=3), t(3, 4), 'prod' | nc(3, 4), 0, ints(3, 4, high=2), t(3, 4), 'mean', include_self=False | t(3, 4), 1, ints(3, 4, high=2), t(3, 4), 'amax', include_self=False | t(3, 4), 1, ints(3, 3, high=4), t(3, 3), 'amin'"),
];
