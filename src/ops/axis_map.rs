//! Operations that are linear maps along axes (`cpu/axis.rs`), as one node of the tape: averages over
//! windows, interpolation, padding. The gradient is the transposed maps, whose gradient is these again.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::autograd;
use crate::cpu::axis::{self, AxisMap};
use crate::dtype::{C64, C128, DType};
use crate::error::Result;
use crate::layout::{Layout, MemoryFormat, Sizes, checked_numel};
use crate::ops::{copy, cuda, plane};
use crate::tensor::Tensor;

/// Maps and the dims that they go along.
pub type Maps = Arc<[(usize, AxisMap)]>;

/// What else an operation is.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Of its node.
    pub name: &'static str,
    /// Whether the gradient is a function of the input too, of slope zero, as that of PyTorch's pooling is:
    /// second gradients are zeros rather than absent.
    pub tied: bool,
    /// Whether the result has its channels innermost where the input does.
    pub keeps_format: bool,
}

/// `x` with each map applied along its dim. Maps that do arithmetic ask for a floating or complex `x`,
/// or int64 and whole weights.
pub fn apply(x: &Tensor, maps: &Maps, kind: Kind) -> Result<Tensor> {
    let mut out = compute(x, maps)?;
    if kind.keeps_format {
        out = copy::in_format(&out, MemoryFormat::suggested_by(x.layout()))?;
    }
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let maps = maps.clone();
    Ok(autograd::record(out, kind.name, &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let back = maps.iter().map(|(dim, map)| Ok((*dim, map.transposed()?)));
        let back: Maps = back.collect::<Result<Vec<_>>>()?.into();
        let gx = apply(g, &back, Kind { tied: false, ..kind })?;
        Ok(smallvec![Some(if kind.tied { plane::tied(gx, cx)? } else { gx })])
    }))
}

fn compute(x: &Tensor, maps: &Maps) -> Result<Tensor> {
    let x = x.detached();
    let mut sizes: Sizes = x.sizes().into();
    maps.iter().for_each(|(dim, map)| sizes[*dim] = map.outputs());
    checked_numel(&sizes)?;
    if sizes.contains(&0) {
        return Tensor::empty(&sizes, x.dtype());
    }
    if x.device().is_cuda() {
        return cuda::axis::apply(&copy::contiguous(&x)?, maps);
    }
    // Halves are summed in float32 and rounded once.
    let half = matches!(x.dtype(), DType::F16 | DType::BF16) && !maps.iter().all(|(_, map)| map.selects());
    let mut value = copy::contiguous(&if half { copy::to_dtype(&x, DType::F32)? } else { x.clone() })?;
    // What shrinks most goes first: less is left for the others. Of equal ones the last dim, the slowest, sees
    // the fewest elements: it goes first where they grow.
    let grows = maps.iter().all(|(_, map)| map.outputs() > map.inputs());
    let mut order: Vec<&(usize, AxisMap)> = maps.iter().collect();
    order.sort_by(|(i, a), (j, b)| {
        let ratio = (a.outputs() * b.inputs()).cmp(&(b.outputs() * a.inputs()));
        ratio.then(if grows { j.cmp(i) } else { i.cmp(j) })
    });
    if let Some(at_once) = together(&value, &order, &sizes)? {
        return copy::to_dtype(&at_once, x.dtype());
    }
    for (dim, map) in order {
        value = along(&value, *dim, map)?;
    }
    copy::to_dtype(&value, x.dtype())
}

/// Terms that a map along several dims may have.
const MOST_TERMS: usize = 1 << 14;

/// All maps in one sweep, where that is faster than one after the other: means over the last dims, their
/// gradients, and selections along the last two.
fn together(x: &Tensor, maps: &[&(usize, AxisMap)], sizes: &[usize]) -> Result<Option<Tensor>> {
    let mut maps: SmallVec<[&(usize, AxisMap); 3]> = maps.into();
    maps.sort_by_key(|(dim, _)| *dim);
    let last = maps.iter().rev().zip((0..x.ndim()).rev()).all(|((dim, _), at)| *dim == at);
    if maps.len() < 2 || !last {
        return Ok(None);
    }
    if let [(dim, rows), (_, columns)] = maps[..]
        && rows.selects()
        && columns.selects()
    {
        let out = Tensor::empty(sizes, x.dtype())?;
        let (outer, from, to) = (sizes[..*dim].iter().product(), x.ptr(), out.ptr());
        // SAFETY: contiguous tensors of these extents; the output is fresh.
        unsafe {
            match x.dtype().size() {
                1 => axis::select_planes::<u8>(rows, columns, outer, from, to),
                2 => axis::select_planes::<u16>(rows, columns, outer, from.cast(), to.cast()),
                4 => axis::select_planes::<u32>(rows, columns, outer, from.cast(), to.cast()),
                8 => axis::select_planes::<u64>(rows, columns, outer, from.cast(), to.cast()),
                _ => axis::select_planes::<[u64; 2]>(rows, columns, outer, from.cast(), to.cast()),
            }
        }
        return Ok(Some(out));
    }
    let terms = maps.iter().fold(1usize, |n, (_, map)| n.saturating_mul(map.terms()));
    let mean =
        maps.iter().all(|(_, map)| map.outputs() == 1) || maps.iter().all(|(_, map)| map.inputs() == 1);
    if !mean || terms > MOST_TERMS || maps.iter().any(|(_, map)| map.selects()) {
        return Ok(None);
    }
    let mut map = maps[0].1.clone();
    for (_, next) in &maps[1..] {
        map = map.with_next(next)?;
    }
    let dim = maps[0].0;
    let mut flat: Sizes = x.sizes()[..dim].into();
    flat.push(map.inputs());
    let flat = Layout { offset: x.layout().offset, ..Layout::contiguous(&flat) };
    let out = along(&x.alias(flat), dim, &map)?;
    Ok(Some(out.alias(Layout::contiguous(sizes))))
}

/// One map over a contiguous tensor.
fn along(x: &Tensor, dim: usize, map: &AxisMap) -> Result<Tensor> {
    let mut sizes: Sizes = x.sizes().into();
    let (outer, inner) = (sizes[..dim].iter().product(), sizes[dim + 1..].iter().product());
    sizes[dim] = map.outputs();
    let out = Tensor::empty(&sizes, x.dtype())?;
    let (from, to) = (x.ptr(), out.ptr());
    // SAFETY: contiguous tensors of these extents; the output is fresh.
    unsafe {
        if map.selects() {
            match x.dtype().size() {
                1 => axis::select::<u8>(map, outer, inner, from, to),
                2 => axis::select::<u16>(map, outer, inner, from.cast(), to.cast()),
                4 => axis::select::<u32>(map, outer, inner, from.cast(), to.cast()),
                8 => axis::select::<u64>(map, outer, inner, from.cast(), to.cast()),
                _ => axis::select::<[u64; 2]>(map, outer, inner, from.cast(), to.cast()),
            }
        } else {
            match x.dtype() {
                DType::F64 => axis::apply::<f64>(map, outer, inner, from.cast(), to.cast()),
                DType::I64 => axis::apply::<i64>(map, outer, inner, from.cast(), to.cast()),
                DType::C64 => axis::apply::<C64>(map, outer, inner, from.cast(), to.cast()),
                DType::C128 => axis::apply::<C128>(map, outer, inner, from.cast(), to.cast()),
                DType::F32 => axis::apply::<f32>(map, outer, inner, from.cast(), to.cast()),
                other => crate::bail!(
                    Unsupported,
                    "a sum along an axis is not implemented for '{}'",
                    other.scalar_name()
                ),
            }
        }
    }
    Ok(out)
}
