//! Softmax and its logarithm along a dimension.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::softmax::{self, SoftmaxShape};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::wrap_dim;
use crate::ops::arithmetic::{mul, sub};
use crate::ops::norm::typed;
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, cuda, reduce, table};
use crate::tensor::Tensor;

fn shape_of(x: &Tensor, dim: usize) -> SoftmaxShape {
    if x.ndim() == 0 {
        return SoftmaxShape { outer: 1, dim: 1, inner: 1 };
    }
    let sizes = x.sizes();
    SoftmaxShape {
        outer: sizes[..dim].iter().product(),
        dim: sizes[dim],
        inner: sizes[dim + 1..].iter().product(),
    }
}

fn computed(t: &Tensor) -> Result<Tensor> {
    let dtype = if t.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    copy::contiguous(&copy::to_dtype(&t.detached(), dtype)?)
}

/// exp(x) / sum(exp(x)) along `dim`, or the logarithm of it.
pub fn softmax(x: &Tensor, dim: i64, log: bool, dtype: Option<DType>) -> Result<Tensor> {
    let x = &copy::to_dtype(x, dtype.unwrap_or(x.dtype()))?;
    let at = wrap_dim(dim, x.ndim())?;
    if !x.dtype().is_floating() && x.numel() > 0 {
        let name = if log { "log_softmax_lastdim_kernel_impl" } else { "softmax_lastdim_kernel_impl" };
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    if x.numel() == 0 && !x.dtype().is_differentiable() {
        return Tensor::empty(x.sizes(), x.dtype());
    }
    let input = computed(x)?;
    let out = Tensor::empty(x.sizes(), input.dtype())?;
    if out.device().is_cuda() {
        cuda::softmax::softmax(&out, &input, None, &shape_of(x, at), log)?;
    } else if out.numel() > 0 {
        typed!(input.dtype(), T => {
            // SAFETY: both are contiguous with the shape's extent; the output is fresh.
            unsafe { softmax::forward::<T>(shape_of(x, at), log, input.ptr().cast(), out.ptr().cast()) }
        });
    }
    let out = copy::to_dtype(&out, x.dtype())?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let name = if log { "log_softmax" } else { "softmax" };
    Ok(autograd::record(out, name, &[x], &[Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(gradient(g, &cx.saved(0)?, at, log)?)])
    }))
}

fn gradient(g: &Tensor, y: &Tensor, dim: usize, log: bool) -> Result<Tensor> {
    if autograd::grad_enabled() {
        let total = |t: &Tensor| reduce::sum(t, Some(&[dim as i64]), true, None);
        return if log {
            sub(g, &mul(&table::exp(y)?, &total(g)?)?)
        } else {
            mul(y, &sub(g, &total(&mul(g, y)?)?)?)
        };
    }
    let (grad, output) = (computed(g)?, computed(y)?);
    let out = Tensor::empty(y.sizes(), output.dtype())?;
    if out.device().is_cuda() {
        cuda::softmax::softmax(&out, &output, Some(&grad), &shape_of(y, dim), log)?;
    } else if out.numel() > 0 {
        typed!(output.dtype(), T => {
            // SAFETY: all are contiguous with the shape's extent; the output is fresh.
            unsafe { softmax::backward::<T>(shape_of(y, dim), log, output.ptr().cast(), grad.ptr().cast(), out.ptr().cast()) }
        });
    }
    copy::to_dtype(&out, y.dtype())
}

fn call(a: &Args, log: bool) -> Result<Tensor> {
    softmax(a.tensor(0), a.int(1), log, a.dtype(2))
}

pub const OPS: &[Op] = &[
    Op::new("softmax(Tensor input, int dim, ScalarType? dtype=None) -> Tensor", |a| Ok(call(a, false)?.into()))
        .method()
        .doc("exp(x) / sum(exp(x)) along a dimension.")
        .samples("t(3, 4), 1 | t(2, 3, 4), 0 | t(2, 3, 4), -2 | nc(3, 4), 1 | t(), 0 | t(0, 3), 1 | ints(3), 0, dtype=torch.float32"),
    Op::new("log_softmax(Tensor input, int dim, ScalarType? dtype=None) -> Tensor", |a| Ok(call(a, true)?.into()))
        .method()
        .doc("The logarithm of softmax.")
        .samples("t(3, 4), 1 | t(2, 3, 4), 0 | nc(3, 4), 1 | t(0, 3), 1"),
];
