//! Copies: clone, contiguous, dtype conversion, assignment in place.

use smallvec::smallvec;

use crate::alloc;
use crate::autograd::{self, inplace};
use crate::bail;
use crate::cpu;
use crate::cpu::loops::Loops;
use crate::device::{self, Device};
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::layout::{Layout, MemoryFormat, Show, broadcast, contiguous_strides};
use crate::ops::pointwise::Arg;
use crate::ops::registry::Op;
use crate::ops::{creation, cuda, reduce};
use crate::tensor::Tensor;
use crate::warn_once;

/// Overwrites the elements of `dst` with those of `src`, converted and broadcast. No tape, no version.
pub fn write(dst: &Tensor, src: &Tensor) -> Result<()> {
    if dst.sizes() != src.sizes() && broadcast(dst.sizes(), src.sizes()).ok().as_deref() != Some(dst.sizes())
    {
        return Err(expand_error(src, dst.sizes()));
    }
    if dst.numel() == 0 {
        return Ok(());
    }
    if src.storage().same(dst.storage()) {
        if src.layout() == dst.layout() && src.dtype() == dst.dtype() {
            return Ok(());
        }
        if ranges_meet(dst, src) {
            return write(dst, &autograd::no_grad(|| clone(&src.detached()))?);
        }
    }
    if device::others_in_use() && (dst.device().is_cuda() || src.device().is_cuda()) {
        return cuda::copy::write(dst, src);
    }
    let from = src.layout().broadcast_to(dst.sizes());
    let loops =
        Loops::new(dst.sizes(), &[(dst.strides(), dst.dtype().size()), (&from.strides, src.dtype().size())]);
    // SAFETY: both layouts lie within their storages, and no bytes are shared.
    unsafe { cpu::copy::copy(dst.operand(), src.operand(), &loops) };
    Ok(())
}

fn ranges_meet(a: &Tensor, b: &Tensor) -> bool {
    let range = |t: &Tensor| {
        let (low, high) = t.layout().extent().unwrap_or((0, usize::MAX));
        (low * t.dtype().size(), high.saturating_mul(t.dtype().size()))
    };
    let ((a0, a1), (b0, b1)) = (range(a), range(b));
    a0 < b1 && b0 < a1
}

/// Whether two tensors surely share elements, which is told of dense ones only.
pub fn overlap(a: &Tensor, b: &Tensor) -> bool {
    let dense = |t: &Tensor| t.layout().is_non_overlapping_and_dense();
    a.storage().same(b.storage()) && dense(a) && dense(b) && ranges_meet(a, b)
}

fn expand_error(src: &Tensor, sizes: &[usize]) -> crate::error::Error {
    let target: Vec<i64> = sizes.iter().map(|&s| s as i64).collect();
    match src.layout().expand(&target) {
        Err(error) if src.ndim() <= sizes.len() => error,
        _ => crate::error::Error::Shape(format!(
            "The size of tensor a ({}) must match the size of tensor b ({}): cannot write {} into {}",
            Show(sizes),
            Show(src.sizes()),
            Show(src.sizes()),
            Show(sizes)
        )),
    }
}

/// A copy in the same memory order, if that is dense.
pub fn clone(x: &Tensor) -> Result<Tensor> {
    let out = device::at(x.device(), || Tensor::empty_dense(x.sizes(), x.layout().dense_like(), x.dtype()))?;
    write(&out, x)?;
    Ok(recorded_copy(out, x, "clone"))
}

/// In page-locked memory: the tensor itself if it is there. RuntimeError without a GPU, and for tensors of one.
pub fn pin(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cuda() {
        let name = x.dtype().scalar_name();
        bail!(Autograd, "cannot pin 'torch.cuda.{name}Tensor' only dense CPU tensors can be pinned");
    }
    device::check_pinning()?;
    if x.storage().pinned().is_some() {
        return Ok(x.clone());
    }
    device::pinned(|| clone(x))
}

/// The tensor itself if it is contiguous, a row-major copy otherwise.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() {
        return Ok(x.clone());
    }
    let out = Tensor::empty(x.sizes(), x.dtype())?;
    write(&out, x)?;
    Ok(recorded_copy(out, x, "clone"))
}

fn recorded_copy(out: Tensor, x: &Tensor, name: &'static str) -> Tensor {
    if !autograd::needs_grad(&[x]) {
        return out;
    }
    autograd::record(out, name, &[x], &[], |cx| Ok(smallvec![cx.grad().cloned()]))
}

/// The elements in row-major order, converted.
pub fn values<T: Element>(x: &Tensor) -> Result<Vec<T>> {
    let dense = to_device(&contiguous(&to_dtype(&x.detached(), T::DTYPE)?)?, Device::Cpu)?;
    let mut values = alloc::vec_for(dense.numel())?;
    if dense.numel() > 0 {
        // SAFETY: contiguous, with that many elements of T.
        values
            .extend_from_slice(unsafe { std::slice::from_raw_parts(dense.ptr().cast::<T>(), dense.numel()) });
    }
    Ok(values)
}

/// Converted to another dtype; the tensor itself if it has it.
pub fn to_dtype(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    let out = Tensor::empty_dense(x.sizes(), x.layout().dense_like(), dtype)?;
    write(&out, x)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let from = x.dtype();
    Ok(autograd::record(out, "ToCopyBackward0", &[x], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| to_dtype(g, from)).transpose()?])
    }))
}

/// For conversions that a user asked for.
pub fn warn_of_lost_parts() {
    warn_once!("Casting complex values to real discards the imaginary part");
}

/// On another device; the tensor itself if it is there.
pub fn to_device(x: &Tensor, device: Device) -> Result<Tensor> {
    if x.device() == device {
        return Ok(x.clone());
    }
    let out = device::at(device, || Tensor::empty_dense(x.sizes(), x.layout().dense_like(), x.dtype()))?;
    write(&out, x)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let from = x.device();
    Ok(autograd::record(out, "ToCopyBackward0", &[x], &[], move |cx| {
        Ok(smallvec![cx.grad().map(|g| to_device(g, from)).transpose()?])
    }))
}

/// Gives `x` the value of `src`, and its history. Returns `x`.
pub fn assign(x: &Tensor, src: &Tensor) -> Result<Tensor> {
    let graph = autograd::grad_enabled() && src.requires_grad() && x.dtype().is_differentiable();
    inplace::check(x, graph)?;
    write(x, src)?;
    let edge = if graph { carried(x, src)?.gradient_edge() } else { None };
    inplace::rebase(x, edge);
    Ok(x.clone())
}

/// As [`assign`], where nothing of the old value is in `src`: its history gets a gradient of zeros.
pub fn overwrite(x: &Tensor, src: &Tensor) -> Result<Tensor> {
    let graph = autograd::grad_enabled() && src.requires_grad() && x.dtype().is_differentiable();
    let Some(old) = x.gradient_edge().filter(|_| graph && x.view_of().is_none()) else {
        return assign(x, src);
    };
    inplace::check(x, true)?;
    write(x, src)?;
    let before = x.detach().with_producer(old);
    let (sizes, dtype) = (Layout::contiguous(src.sizes()).sizes, src.dtype());
    let after = autograd::record(x.detach(), "CopyBackwards", &[&before, src], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let zeros = creation::zeros(g.sizes(), g.dtype())?;
        Ok(smallvec![Some(zeros), Some(to_dtype(&reduce::sum_to_size(g, &sizes)?, dtype)?)])
    });
    inplace::rebase(x, after.producer());
    Ok(x.clone())
}

/// The in-place form of an operation that makes a new tensor: the result is copied into `x`. `others` are
/// what it reads besides `x`.
pub fn in_place(
    compute: impl Fn(&Tensor) -> Result<Tensor>,
    x: &Tensor,
    others: &[&Tensor],
) -> Result<Tensor> {
    let graph = autograd::needs_grad(&[x]) || autograd::needs_grad(others);
    inplace::check(x, graph)?;
    // The node may keep the old value: it gets a copy, which is about to be overwritten.
    let old = if graph {
        let copied = autograd::no_grad(|| clone(&x.detach()))?;
        match x.gradient_edge() {
            Some(edge) => copied.with_producer(edge),
            None => copied,
        }
    } else {
        x.detach()
    };
    let result = compute(&old)?;
    if result.sizes() != x.sizes() {
        bail!(
            Shape,
            "output with shape {} doesn't match the broadcast shape {}",
            Show(x.sizes()),
            Show(result.sizes())
        );
    }
    if !result.dtype().can_cast(x.dtype()) {
        bail!(
            DType,
            "result type {} can't be cast to the desired output type {}",
            result.dtype().scalar_name(),
            x.dtype().scalar_name()
        );
    }
    assign(x, &result)
}

/// A value with the shape and dtype of `x` through which the gradient reaches `src`.
fn carried(x: &Tensor, src: &Tensor) -> Result<Tensor> {
    if src.sizes() == x.sizes() && src.dtype() == x.dtype() && src.producer().is_some() {
        return Ok(src.clone());
    }
    let (sizes, dtype) = (Layout::contiguous(src.sizes()).sizes, src.dtype());
    let carrier = x.detach();
    Ok(autograd::record(carrier, "CopyBackwards", &[src], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(to_dtype(&reduce::sum_to_size(g, &sizes)?, dtype)?)])
    }))
}

/// A contiguous tensor of its own, whatever `x` is.
pub fn contiguous_copy(x: &Tensor) -> Result<Tensor> {
    let out = Tensor::empty_dense(x.sizes(), contiguous_strides(x.sizes()), x.dtype())?;
    write(&out, x)?;
    Ok(recorded_copy(out, x, "clone"))
}

fn type_as(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    to_dtype(x, other.dtype())
}

/// A copy in a memory format.
pub fn clone_in(x: &Tensor, format: MemoryFormat) -> Result<Tensor> {
    let out = Tensor::empty_dense(x.sizes(), format.strides(x.layout())?, x.dtype())?;
    write(&out, x)?;
    Ok(recorded_copy(out, x, "clone"))
}

/// In a memory format: the tensor itself if it has it already.
pub fn in_format(x: &Tensor, format: MemoryFormat) -> Result<Tensor> {
    if format == MemoryFormat::Preserve || format.describes(x.layout()) {
        return Ok(x.clone());
    }
    clone_in(x, format)
}

pub const OPS: &[Op] = &[
    Op::new("clone(Tensor input, *, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(clone_in(a.tensor(0), MemoryFormat::read(a.str(1))?.unwrap_or(MemoryFormat::Preserve))?.into())
    })
    .method()
    .doc("A copy with memory of its own.")
    .samples("t(3, 4) | nc(3, 4) | t() | t(0, 2)"),
    Op::new("contiguous(Tensor input, *, MemoryFormat? memory_format=None) -> Tensor", |a| {
        match MemoryFormat::read(a.str(1))? {
            None | Some(MemoryFormat::Contiguous) => Ok(contiguous(a.tensor(0))?.into()),
            Some(MemoryFormat::Preserve) if a.tensor(0).is_contiguous() => Ok(a.tensor(0).clone().into()),
            Some(MemoryFormat::Preserve) => {
                bail!(Autograd, "preserve memory format is unsupported by the contiguous operator")
            }
            Some(format) => Ok(in_format(a.tensor(0), format)?.into()),
        }
    })
    .method_only()
    .doc("The tensor in row-major memory; itself if it is so already.")
    .samples("t(3, 4) | nc(3, 4)"),
    Op::new("copy_(Tensor input, Number|Tensor src, bool non_blocking=False) -> Tensor", |a| {
        let number;
        let src = match Arg::from(&a.0[1]) {
            Arg::Tensor(t) => t,
            Arg::Number(s) => {
                number = creation::scalar(s, s.dtype())?;
                &number
            }
        };
        if src.dtype().is_complex() && !a.tensor(0).dtype().is_complex() {
            warn_of_lost_parts();
        }
        let copied = cuda::copy::non_blocking(a.bool(2), || overwrite(a.tensor(0), src))?;
        Ok(copied.into())
    })
    .method_only()
    .doc("Overwrites the tensor with the elements of src, converted and broadcast."),
    Op::new("type_as(Tensor input, Tensor other) -> Tensor", |a| {
        Ok(type_as(a.tensor(0), a.tensor(1))?.into())
    })
    .method_only()
    .doc("Converted to the dtype of other.")
    .samples("t(3), ints(2) | ints(3), t(2)"),
];
