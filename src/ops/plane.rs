//! Values picked from planes by flat indices (max pooling and its relatives): reading and adding at
//! the indices are each other's gradients.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::cpu::plane::{self, Planes};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Sizes;
use crate::ops::arithmetic::add;
use crate::ops::cuda::pool::{Pick, pick};
use crate::ops::{copy, creation, table};
use crate::tensor::Tensor;

/// The last `dims` dims of an index are the places of one plane, those before it count the planes.
fn planes_of(index: &Tensor, dims: usize, plane: &[usize]) -> (Sizes, Planes) {
    let lead = index.ndim() - dims;
    let (outer, inner) = index.sizes().split_at(lead);
    let sizes = outer.iter().chain(plane).copied().collect();
    let product = |sizes: &[usize]| sizes.iter().product::<usize>();
    (sizes, Planes { count: product(outer), n: product(plane), m: product(inner) })
}

/// Contiguous, in a dtype that kernels sum in.
fn computed(x: &Tensor) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    copy::contiguous(&copy::to_dtype(&x.detached(), wide)?)
}

macro_rules! typed {
    ($dtype:expr, $t:ident => $body:expr) => {
        if $dtype == DType::F64 {
            type $t = f64;
            $body
        } else {
            type $t = f32;
            $body
        }
    };
}

/// `out[p][j] = x[p][index[p][j]]`, planes being the last `dims` dims of a floating `x`.
pub fn gather(x: &Tensor, index: &Tensor, dims: usize) -> Result<Tensor> {
    let plane: Sizes = x.sizes()[x.ndim() - dims..].into();
    let (_, planes) = planes_of(index, dims, &plane);
    let (input, places) = (computed(x)?, copy::contiguous(&index.detached())?);
    let out = if x.device().is_cuda() {
        pick(Pick::Gather, &input, &places, &index.sizes().into(), [planes.n, planes.m], "gather")?
    } else {
        let out = Tensor::empty(index.sizes(), input.dtype())?;
        typed!(input.dtype(), T => {
            // SAFETY: contiguous with these extents; the output is fresh.
            unsafe { plane::gather::<T>(planes, input.ptr().cast(), places.ptr().cast(), out.ptr().cast()) }
        });
        out
    };
    let out = copy::to_dtype(&out, x.dtype())?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "gather", &[x], &[Save::Other(index)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(scatter(g, &cx.saved(0)?, dims, &plane, true)?)])
    }))
}

/// Zeros in planes of the sizes `plane`, with `x` added at the indices; or written, without `sum`:
/// then of several the last stays, and each gets the gradient of its place.
pub fn scatter(x: &Tensor, index: &Tensor, dims: usize, plane: &[usize], sum: bool) -> Result<Tensor> {
    let (sizes, planes) = planes_of(index, dims, plane);
    let (input, places) = (computed(x)?, copy::contiguous(&index.detached())?);
    let name = if sum { "scatter_add" } else { "scatter" };
    let out = if x.device().is_cuda() {
        let how = if sum { Pick::Add } else { Pick::Write };
        pick(how, &input, &places, &sizes, [planes.m, planes.n], name)?
    } else {
        let out = Tensor::empty(&sizes, input.dtype())?;
        let (from, to) = (input.ptr(), out.ptr());
        typed!(input.dtype(), T => {
            // SAFETY: contiguous with these extents; the output is fresh.
            unsafe { plane::scatter::<T>(planes, from.cast(), places.ptr().cast(), to.cast(), sum) }
        });
        out
    };
    let out = copy::to_dtype(&out, x.dtype())?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, name, &[x], &[Save::Other(index)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(gather(g, &cx.saved(0)?, dims)?)])
    }))
}

/// Puts a node behind `out`, the values of `x` at `index`: the gradient goes there.
pub fn picked(out: Tensor, x: &Tensor, index: &Tensor, dims: usize, name: &'static str) -> Tensor {
    if !autograd::needs_grad(&[x]) {
        return out;
    }
    let sizes: Sizes = x.sizes().into();
    autograd::record(out, name, &[x], &[Save::Other(index)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let gx = scatter(g, &cx.saved(0)?, dims, &sizes[sizes.len() - dims..], true)?;
        Ok(smallvec![Some(tied(gx, cx)?)])
    })
}

/// The places depend on the input too, with a derivative of zero: second gradients are zeros.
pub fn tied(gx: Tensor, cx: &autograd::Backprop) -> Result<Tensor> {
    match cx.node.edges() {
        [Some(input)] if autograd::grad_enabled() => {
            let input = creation::zeros(gx.sizes(), gx.dtype())?.with_producer(input.clone());
            add(&gx, &table::zero_of(&input)?)
        }
        _ => Ok(gx),
    }
}
