//! Masks: what stands where they hold, filling it, replacing it, and where that is.

use smallvec::smallvec;

use crate::autograd::{self, inplace};
use crate::bail;
use crate::cpu;
use crate::cpu::loops::Loops;
use crate::cpu::pointwise::Formula;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes, broadcast};
use crate::ops::cuda::mask::Hits;
use crate::ops::pointwise::Arg;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, cuda, index, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

// ---- where a mask holds ----

/// The truth of every element, in row-major order.
fn truth(x: &Tensor) -> Result<Tensor> {
    let x = x.detached();
    match x.dtype() {
        DType::Bool | DType::U8 => copy::contiguous(&x),
        _ => copy::contiguous(&table::ne(&x, Scalar::Int(0))?),
    }
}

/// The bytes of what [`truth`] returned.
fn bytes(truth: &Tensor) -> &[u8] {
    if truth.numel() == 0 {
        return &[];
    }
    // SAFETY: contiguous, one byte an element, alive as long as the tensor.
    unsafe { std::slice::from_raw_parts(truth.ptr(), truth.numel()) }
}

/// How many elements of what [`truth`] returned are true.
fn count(truth: &Tensor) -> Result<usize> {
    match truth.device().is_cuda() {
        true => Hits::of(truth)?.total(),
        false => Ok(cpu::mask::counts(bytes(truth)).1),
    }
}

/// Coordinates of the elements that are not zero: row `d` holds those of dimension `d`.
fn coordinate_rows(x: &Tensor) -> Result<Tensor> {
    let truth = truth(x)?;
    if truth.device().is_cuda() {
        return Hits::of(&truth)?.coordinates(x.sizes());
    }
    let (before, total) = cpu::mask::counts(bytes(&truth));
    let out = Tensor::empty(&[x.ndim(), total], DType::I64)?;
    // SAFETY: the mask has the sizes of x, and the output room for its true elements.
    unsafe {
        cpu::mask::coordinates(bytes(&truth), &before, x.sizes(), total, out.ptr().cast());
    }
    Ok(out)
}

/// As [`coordinate_rows`], one vector a dimension.
pub fn coordinates(x: &Tensor) -> Result<Vec<Tensor>> {
    let rows = coordinate_rows(x)?;
    (0..x.ndim()).map(|d| Ok(rows.alias(rows.layout().select(0, d)))).collect()
}

fn nonzero(x: &Tensor) -> Result<Tensor> {
    // A row a dimension in memory, seen as a column each.
    view::transpose(&coordinate_rows(x)?, 0, 1)
}

/// One vector a dimension; a 0-d tensor counts as a vector.
fn nonzero_tuple(x: &Tensor) -> Result<Vec<Tensor>> {
    if x.ndim() == 0 {
        return coordinates(&view::reshape_to(&x.detached(), &[1])?);
    }
    view::unbind(&nonzero(x)?, 1)
}

// ---- packing and spreading ----

/// What [`pack`] returns; no tape.
fn packed(x: &Tensor, truth: &Tensor) -> Result<Tensor> {
    let (before, total) = cpu::mask::counts(bytes(truth));
    let mut sizes: Sizes = smallvec![total];
    sizes.extend_from_slice(&x.sizes()[truth.ndim()..]);
    let out = Tensor::empty(&sizes, x.dtype())?;
    let block = sizes[1..].iter().product::<usize>() * x.dtype().size();
    if out.numel() > 0 {
        // SAFETY: the mask has a place for each block of x, and the output one for each true place.
        unsafe { cpu::mask::pack(bytes(truth), &before, block, x.ptr(), out.ptr()) };
    }
    Ok(out)
}

/// The same on a GPU: blocks of several elements are read by their numbers.
fn packed_on_gpu(x: &Tensor, truth: &Tensor) -> Result<Tensor> {
    let hits = Hits::of(truth)?;
    let block = &x.sizes()[truth.ndim()..];
    let mut sizes: Sizes = smallvec![0];
    sizes.extend_from_slice(block);
    if block.iter().product::<usize>() != 1 {
        let numbers = hits.coordinates(&[truth.numel()])?;
        sizes[0] = truth.numel();
        let blocks = view::reshape_to(&x.detached(), &sizes)?;
        return index::index_select(&blocks, 0, &numbers.alias(numbers.layout().select(0, 0)));
    }
    sizes[0] = hits.total()?;
    let out = Tensor::empty(&sizes, x.dtype())?;
    hits.pack(x, &out)?;
    Ok(out)
}

/// The parts of a contiguous tensor where a mask of its first dimensions holds, one after the other.
pub fn pack(x: &Tensor, mask: &Tensor, name: &'static str) -> Result<Tensor> {
    let truth = truth(mask)?;
    let out = if truth.device().is_cuda() { packed_on_gpu(x, &truth)? } else { packed(x, &truth)? };
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, name, &[x], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| spread(g, &truth)).transpose()?])
    }))
}

/// Zeros with the parts of `packed` where the mask holds: the adjoint of [`pack`].
fn spread(packed: &Tensor, truth: &Tensor) -> Result<Tensor> {
    let mut sizes: Sizes = truth.sizes().into();
    sizes.extend_from_slice(&packed.sizes()[1..]);
    let out = creation::zeros(&sizes, packed.dtype())?;
    write_spread(&out, &packed.detached(), truth)?;
    if !autograd::needs_grad(&[packed]) {
        return Ok(out);
    }
    let truth = truth.clone();
    Ok(autograd::record(out, "MaskedScatterBackward0", &[packed], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| pack(&copy::contiguous(g)?, &truth, "masked_select")).transpose()?])
    }))
}

/// Overwrites the parts of a contiguous tensor where the mask holds.
fn write_spread(out: &Tensor, packed: &Tensor, truth: &Tensor) -> Result<()> {
    let block = out.sizes()[truth.ndim()..].iter().product::<usize>() * out.dtype().size();
    let packed = copy::contiguous(packed)?;
    if truth.device().is_cuda() {
        let hits = Hits::of(truth)?;
        if block == out.dtype().size() {
            return hits.spread(&packed, out);
        }
        let numbers = hits.coordinates(&[truth.numel()])?;
        let mut sizes: Sizes = smallvec![truth.numel()];
        sizes.extend_from_slice(&out.sizes()[truth.ndim()..]);
        let numbers = numbers.alias(numbers.layout().select(0, 0));
        return index::put_at(&view::reshape_to(out, &sizes)?, vec![Some(numbers)], &packed, false).map(drop);
    }
    let (before, total) = cpu::mask::counts(bytes(truth));
    if total * block > 0 {
        // SAFETY: as in `pack`, with the roles exchanged.
        unsafe { cpu::mask::spread(bytes(truth), &before, block, packed.ptr(), out.ptr()) };
    }
    Ok(())
}

fn check_mask(mask: &Tensor, name: &str) -> Result<()> {
    if mask.dtype() != DType::Bool {
        bail!(DType, "{name}: expected BoolTensor for mask");
    }
    Ok(())
}

fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check_mask(mask, "masked_select")?;
    let sizes = broadcast(x.sizes(), mask.sizes())?;
    let x = copy::contiguous(&view::expand_to(x, &sizes)?)?;
    pack(&x, &view::expand_to(mask, &sizes)?, "masked_select")
}

/// `x` with the elements of `source`, in their order, where the mask holds.
fn masked_scatter(x: &Tensor, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
    if x.dtype() != source.dtype() {
        bail!(
            DType,
            "masked_scatter: expected self and source to have same dtypes but got {} and {}",
            x.dtype().scalar_name(),
            source.dtype().scalar_name()
        );
    }
    if mask.dtype() != DType::Bool {
        let name = mask.dtype().scalar_name();
        bail!(DType, "masked_scatter_ only supports boolean masks, but got mask with dtype {name}");
    }
    let sizes = broadcast(x.sizes(), mask.sizes())?;
    let mask = view::expand_to(mask, &sizes)?;
    let truth = truth(&mask)?;
    let total = count(&truth)?;
    if total > source.numel() {
        bail!(
            Autograd,
            "masked_scatter: expected the number of elements in source >= number of ones in mask, but got {} and {total}",
            source.numel()
        );
    }
    let x = view::expand_to(x, &sizes)?;
    let out = copy::contiguous_copy(&x.detached())?;
    write_spread(&out, &view::reshape(&source.detached(), &[-1])?, &truth)?;
    if !autograd::needs_grad(&[&x, source]) {
        return Ok(out);
    }
    let source_sizes: Sizes = source.sizes().into();
    Ok(autograd::record(out, "masked_scatter", &[&x, source], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_x = if cx.needs(0) {
            Some(fill(g, &truth, Scalar::Int(0).into(), false, "masked_fill")?)
        } else {
            None
        };
        let for_source = if cx.needs(1) {
            let taken = pack(&copy::contiguous(g)?, &truth, "masked_select")?;
            let n: usize = source_sizes.iter().product();
            let flat = view::pad_end(&taken, n)?;
            Some(view::reshape_to(&flat, &source_sizes)?)
        } else {
            None
        };
        Ok(smallvec![for_x, for_source])
    }))
}

// ---- filling ----

/// The value of a fill as a 0-d tensor of the target's dtype.
fn fill_value(x: &Tensor, value: Arg) -> Result<Tensor> {
    match value {
        // A number takes the dtype of the tensor, whatever it is.
        Arg::Number(s) => {
            creation::check_fits(s, x.dtype())?;
            creation::scalar(s, x.dtype())
        }
        Arg::Tensor(t) if t.ndim() != 0 => bail!(
            Autograd,
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
            t.ndim()
        ),
        Arg::Tensor(t) => {
            if !t.dtype().can_cast(x.dtype()) {
                bail!(DType, "value cannot be converted to type {} without overflow", x.dtype().c_name());
            }
            copy::to_dtype(t, x.dtype())
        }
    }
}

/// The mask of a filling is one of bools.
pub fn check_is_bool(mask: &Tensor) -> Result<()> {
    if mask.dtype() != DType::Bool {
        bail!(
            DType,
            "masked_fill_ only supports boolean masks, but got mask with dtype {}",
            mask.dtype().c_name()
        );
    }
    Ok(())
}

fn masked_fill(x: &Tensor, mask: &Tensor, value: Arg, in_place: bool) -> Result<Tensor> {
    check_is_bool(mask)?;
    let sizes = broadcast(x.sizes(), mask.sizes())?;
    if in_place {
        if sizes[..] != *x.sizes() {
            bail!(
                Shape,
                "output with shape {} doesn't match the broadcast shape {}",
                Show(x.sizes()),
                Show(&sizes)
            );
        }
        return fill(x, mask, value, true, "masked_fill");
    }
    fill(&copy::contiguous(&view::expand_to(x, &sizes)?)?, mask, value, false, "masked_fill")
}

/// `x`, or a new tensor in its memory order, with a value where a mask holds that broadcasts to `x`.
pub fn fill(x: &Tensor, mask: &Tensor, value: Arg, in_place: bool, name: &'static str) -> Result<Tensor> {
    let value = &fill_value(x, value)?;
    let graph = autograd::needs_grad(&[x, value]) && x.dtype().is_differentiable();
    if in_place {
        inplace::check(x, graph)?;
    }
    let mask = if graph { copy::clone(&mask.detached())? } else { mask.detached() };
    let out = if in_place { x.clone() } else { copy::clone(&x.detach())? };
    let before = match x.gradient_edge() {
        Some(edge) if graph => x.detach().with_producer(edge),
        _ => x.detach(),
    };
    write_fill(&out, &mask, &value.detached())?;
    if !graph {
        if in_place {
            inplace::rebase(x, None);
        }
        return Ok(out);
    }
    let recorded = autograd::record(out.detach(), name, &[&before, value], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let for_x =
            if cx.needs(0) { Some(fill(g, &mask, Scalar::Int(0).into(), false, name)?) } else { None };
        let for_value = match cx.needs(1) {
            true => Some(reduce::sum(&table::select(&mask, g, 0.0)?, None, false, None)?),
            false => None,
        };
        Ok(smallvec![for_x, for_value])
    });
    if !in_place {
        return Ok(recorded);
    }
    inplace::rebase(x, recorded.producer());
    Ok(out)
}

/// Writes a 0-d value where the mask, broadcast, holds. No tape.
fn write_fill(x: &Tensor, mask: &Tensor, value: &Tensor) -> Result<()> {
    if x.numel() == 0 {
        return Ok(());
    }
    let mask =
        if mask.storage().same(x.storage()) { copy::clone(&mask.detached())? } else { mask.detached() };
    if x.device().is_cuda() {
        const CHOSEN: Formula =
            Formula { text: "select(nonzero(mask), value, x)", names: &["mask", "value", "x"] };
        let x = &x.detached();
        let args = [Arg::Tensor(&mask), Arg::Tensor(value), Arg::Tensor(x)];
        return cuda::pointwise::launch(&CHOSEN, false, x, &args, x.dtype());
    }
    let over = mask.layout().broadcast_to(x.sizes());
    let size = x.dtype().size();
    let loops = Loops::new(x.sizes(), &[(x.strides(), size), (&over.strides, 1)]);
    let (to, from, value) = (x.ptr(), mask.ptr(), value.ptr());
    // SAFETY: both layouts lie within their storages, which are not the same; the value has the size
    // of an element of x.
    unsafe {
        match size {
            1 => cpu::mask::fill(to, from, value.read(), &loops),
            2 => cpu::mask::fill(to, from, value.cast::<u16>().read_unaligned(), &loops),
            4 => cpu::mask::fill(to, from, value.cast::<u32>().read_unaligned(), &loops),
            8 => cpu::mask::fill(to, from, value.cast::<u64>().read_unaligned(), &loops),
            _ => cpu::mask::fill(to, from, value.cast::<u128>().read_unaligned(), &loops),
        }
    }
    Ok(())
}

/// `x[:, ..., mask] = value` in place, on the tape: the mask stands at dimension `dim`, the value is 0-d.
pub fn fill_at(x: &Tensor, dim: usize, mask: &Tensor, value: &Tensor) -> Result<()> {
    let mut sizes: Sizes = mask.sizes().into();
    sizes.extend(std::iter::repeat_n(1, x.ndim() - dim - mask.ndim()));
    let mask = view::reshape_to(&truth(mask)?, &sizes)?;
    fill(x, &mask, Arg::Tensor(value), true, "IndexPutBackward0").map(drop)
}

fn where_one(a: &Args) -> Result<Output> {
    Ok(nonzero_tuple(a.tensor(0))?.into())
}

pub const OPS: &[Op] = &[
    Op::new("masked_fill(Tensor input, Tensor mask, Number|Tensor value) -> Tensor", |a| {
        Ok(masked_fill(a.tensor(0), a.tensor(1), (&a.0[2]).into(), false)?.into())
    })
    .method()
    .inplace_by(|a| Ok(masked_fill(a.tensor(0), a.tensor(1), (&a.0[2]).into(), true)?.into()))
    .doc("With value where the mask holds.")
    .samples("t(3, 4), bools(3, 4), 0.5 | nc(3, 4), bools(4), float('-inf') | t(3, 4), bools(3, 1), t() | t(), bools(), 1"),
    Op::new("masked_select(Tensor input, Tensor mask) -> Tensor", |a| {
        Ok(masked_select(a.tensor(0), a.tensor(1))?.into())
    })
    .method()
    .doc("The elements where the mask holds, in one dimension.")
    .samples("t(3, 4), bools(3, 4) | nc(3, 4), bools(4) | t(), bools(3) | t(0, 2), bools(2)"),
    Op::new("masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor", |a| {
        Ok(masked_scatter(a.tensor(0), a.tensor(1), a.tensor(2))?.into())
    })
    .method()
    .inplace()
    .doc("With the elements of source, in their order, where the mask holds.")
    .samples("t(3, 4), bools(3, 4), t(12) | nc(3, 4), bools(4), t(4, 4) | t(), bools(), t(2)"),
    Op::new("nonzero(Tensor input, *, bool as_tuple=False) -> Tensor", |a| {
        Ok(if a.bool(1) { nonzero_tuple(a.tensor(0))?.into() } else { nonzero(a.tensor(0))?.into() })
    })
    .method()
    .doc("The indices of the non-zero elements, one row each; as_tuple: one vector a dimension.")
    .samples("bools(3, 4) | ints(4, low=0, high=2) | ints(2, 3, 2, low=0, high=2), as_tuple=True | t(), as_tuple=True | t()")
    .no_gradient(),
    Op::new("argwhere(Tensor input) -> Tensor", |a| Ok(nonzero(a.tensor(0))?.into()))
        .method()
        .doc("The indices of the non-zero elements, one row each.")
        .samples("bools(3, 4) | t()")
        .no_gradient(),
    Op::new("where(Tensor condition) -> Tensor[]", where_one)
        .doc("The indices of the non-zero elements, one vector a dimension.")
        .samples("bools(3, 4) | t()")
        .no_gradient(),
];
