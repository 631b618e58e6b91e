//! Discrete Fourier transforms: `rustnn.fft`. Three kernels (complex to complex, real to half of a
//! complex line, and back) with gradients that are each other, and the sizes and scales around them.

use smallvec::smallvec;

use crate::autograd;
use crate::bail;
use crate::cpu::fft;
use crate::dtype::{C64, C128, DType};
use crate::error::Result;
use crate::layout::{Sizes, wrap_dim};
use crate::ops::arithmetic::mul;
use crate::ops::joining::cat;
use crate::ops::products::conj;
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, creation, cuda, view};
use crate::scalar::{Scalar, default_dtype};
use crate::tensor::Tensor;

/// The elements of a contiguous tensor.
///
/// # Safety
/// The dtype is T's, and nobody else uses them meanwhile.
#[allow(clippy::mut_from_ref)] // callers own the tensor, or only read
unsafe fn elements<T>(t: &Tensor) -> &mut [T] {
    if t.numel() == 0 {
        return &mut [];
    }
    // SAFETY: contiguous, numel elements of T.
    unsafe { std::slice::from_raw_parts_mut(t.ptr().cast::<T>(), t.numel()) }
}

/// All dimensions, those in `last` at the end in their order.
fn order_with_last(ndim: usize, last: &[usize]) -> Vec<usize> {
    (0..ndim).filter(|d| !last.contains(d)).chain(last.iter().copied()).collect()
}

/// A contiguous copy with its dimensions in another order.
fn arranged(x: &Tensor, order: &[usize]) -> Result<Tensor> {
    let turned = x.alias(x.layout().permute(order));
    let out = Tensor::empty(turned.sizes(), x.dtype())?;
    copy::write(&out, &turned)?;
    Ok(out)
}

/// A view of `x` that undoes [`arranged`].
fn rearranged(x: &Tensor, order: &[usize]) -> Tensor {
    let mut back = vec![0; order.len()];
    for (place, &d) in order.iter().enumerate() {
        back[d] = place;
    }
    x.alias(x.layout().permute(&back))
}

/// Transforms complex numbers along some dimensions.
pub fn complex_to_complex(x: &Tensor, dims: &[usize], inverse: bool, scale: f64) -> Result<Tensor> {
    check_kernel(x, x.dtype().is_complex())?;
    let mut sorted = dims.to_vec();
    sorted.sort_unstable();
    let order = order_with_last(x.ndim(), &sorted);
    let first = x.ndim() - sorted.len();
    let points = if x.device().is_cuda() {
        cuda::fft::complex_to_complex(x, &order, first, inverse, scale)?
    } else {
        let buffer = arranged(x, &order)?;
        transform_axes(&buffer, first, x.ndim(), inverse);
        if scale != 1.0 {
            let scaled = autograd::no_grad(|| mul(&buffer, scale))?;
            copy::write(&buffer, &scaled)?;
        }
        buffer
    };
    let out = rearranged(&points, &order);
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "FftC2CBackward0", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(complex_to_complex(g, &sorted, !inverse, scale)?)])
    }))
}

/// Transforms a contiguous tensor in place along its dimensions from `first` up to `end`.
fn transform_axes(buffer: &Tensor, first: usize, end: usize, inverse: bool) {
    let mut inner: usize = buffer.sizes()[end..].iter().product();
    for d in (first..end).rev() {
        // SAFETY: callers give a fresh contiguous tensor.
        unsafe {
            match buffer.dtype() {
                DType::C64 => fft::lines(elements::<C64>(buffer), buffer.size(d), inner, inverse),
                _ => fft::lines(elements::<C128>(buffer), buffer.size(d), inner, inverse),
            }
        }
        inner *= buffer.size(d);
    }
}

/// Transforms real numbers along some dimensions, of the last of which half of the points remain.
pub fn real_to_half(x: &Tensor, dims: &[usize], inverse: bool, scale: f64) -> Result<Tensor> {
    check_kernel(x, x.dtype().is_floating())?;
    let order = order_with_last(x.ndim(), dims);
    let (first, last) = (x.ndim() - dims.len(), x.ndim() - 1);
    let half = if x.device().is_cuda() {
        cuda::fft::real_to_half(x, &order, first, inverse, scale)?
    } else {
        real_lines_to_half(x, &order, first, inverse, scale)?
    };
    let n = x.size(order[last]);
    let out = rearranged(&half, &order);
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let (dtype, dims) = (x.dtype(), dims.to_vec());
    Ok(autograd::record(out, "FftR2CBackward0", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        // The points that were dropped got no gradient.
        let whole = resized(g, dims[dims.len() - 1], n)?;
        let back = complex_to_complex(&whole, &dims, !inverse, scale)?;
        Ok(smallvec![Some(copy::to_dtype(&back, dtype)?)])
    }))
}

/// The points of [`real_to_half`] by the CPU, with the dimensions in `order`.
fn real_lines_to_half(
    x: &Tensor,
    order: &[usize],
    first: usize,
    inverse: bool,
    scale: f64,
) -> Result<Tensor> {
    let buffer = arranged(x, order)?;
    let last = x.ndim() - 1;
    let n = buffer.size(last);
    let mut sizes: Sizes = buffer.sizes().into();
    sizes[last] = n / 2 + 1;
    let half = Tensor::empty(&sizes, x.dtype().to_complex())?;
    // SAFETY: fresh contiguous tensors of these dtypes.
    unsafe {
        match x.dtype() {
            DType::F32 => {
                fft::real_to_half(elements::<f32>(&buffer), n, elements::<C64>(&half), inverse, scale as f32)
            }
            _ => fft::real_to_half(elements::<f64>(&buffer), n, elements::<C128>(&half), inverse, scale),
        }
    }
    transform_axes(&half, first, last, inverse);
    Ok(half)
}

/// Transforms along some dimensions, where the last holds half a line with Hermitian symmetry, to `n` real
/// numbers.
pub fn half_to_real(x: &Tensor, dims: &[usize], n: usize, inverse: bool, scale: f64) -> Result<Tensor> {
    check_kernel(x, x.dtype().is_complex())?;
    let order = order_with_last(x.ndim(), dims);
    let first = x.ndim() - dims.len();
    let real = if x.device().is_cuda() {
        cuda::fft::half_to_real(x, &order, first, n, inverse, scale)?
    } else {
        half_lines_to_real(x, &order, first, n, inverse, scale)?
    };
    let out = rearranged(&real, &order);
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let dims = dims.to_vec();
    Ok(autograd::record(out, "FftC2RBackward0", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let half = real_to_half(g, &dims, !inverse, scale)?;
        // Every point but its own mirror images stands for two.
        let weights: Vec<f64> =
            (0..n / 2 + 1).map(|k| if k == 0 || 2 * k == n { 1.0 } else { 2.0 }).collect();
        let mut shape = vec![1; g.ndim()];
        shape[dims[dims.len() - 1]] = weights.len();
        let weights = copy::to_dtype(&Tensor::from_slice(&weights, &shape)?.at_place()?, g.dtype())?;
        Ok(smallvec![Some(mul(&half, &weights)?)])
    }))
}

/// The numbers of [`half_to_real`] by the CPU, with the dimensions in `order`.
fn half_lines_to_real(
    x: &Tensor,
    order: &[usize],
    first: usize,
    n: usize,
    inverse: bool,
    scale: f64,
) -> Result<Tensor> {
    let buffer = arranged(x, order)?;
    let last = x.ndim() - 1;
    transform_axes(&buffer, first, last, inverse);
    let mut sizes: Sizes = buffer.sizes().into();
    sizes[last] = n;
    let real = Tensor::empty(&sizes, x.dtype().to_real())?;
    // SAFETY: fresh contiguous tensors of these dtypes.
    unsafe {
        match x.dtype() {
            DType::C64 => {
                fft::half_to_real(elements::<C64>(&buffer), n, elements::<f32>(&real), inverse, scale as f32)
            }
            _ => fft::half_to_real(elements::<C128>(&buffer), n, elements::<f64>(&real), inverse, scale),
        }
    }
    Ok(real)
}

/// Cut or filled with zeros to `n` along a dimension.
fn resized(x: &Tensor, dim: usize, n: usize) -> Result<Tensor> {
    let now = x.size(dim);
    if now >= n {
        return if now == n { Ok(x.clone()) } else { view::narrow(x, dim as i64, 0, n as i64) };
    }
    let mut sizes: Sizes = x.sizes().into();
    sizes[dim] = n - now;
    cat(&[x.clone(), creation::zeros(&sizes, x.dtype())?], dim as i64)
}

/// How results are scaled: by nothing, by 1/n, or by the root of that.
fn scale_of(norm: Option<&str>, inverse: bool, n: f64) -> Result<f64> {
    Ok(match (norm.unwrap_or("backward"), inverse) {
        ("backward", false) | ("forward", true) => 1.0,
        ("backward", true) | ("forward", false) => 1.0 / n,
        ("ortho", _) => 1.0 / n.sqrt(),
        (other, _) => bail!(Autograd, "Invalid normalization mode: \"{other}\""),
    })
}

fn check_points(n: i64) -> Result<usize> {
    if n < 1 {
        bail!(Shape, "Invalid number of data points ({n}) specified");
    }
    Ok(n as usize)
}

pub fn check_precision(x: &Tensor) -> Result<()> {
    if matches!(x.dtype(), DType::F16 | DType::BF16) {
        bail!(DType, "Unsupported dtype {}", x.dtype().scalar_name());
    }
    Ok(())
}

/// Kernels exist for two precisions; everything else was converted, or is refused here.
fn check_kernel(x: &Tensor, fits: bool) -> Result<()> {
    check_precision(x)?;
    if !fits {
        bail!(DType, "Unsupported dtype {}", x.dtype().scalar_name());
    }
    Ok(())
}

/// As complex numbers; integers in the default precision.
fn as_complex(x: &Tensor) -> Result<Tensor> {
    check_precision(x)?;
    let dtype = if x.dtype().is_integral() { default_dtype() } else { x.dtype() };
    copy::to_dtype(x, dtype.to_complex())
}

fn as_real(x: &Tensor, function: &str) -> Result<Tensor> {
    if x.dtype().is_complex() {
        bail!(DType, "{function} expects a real input tensor, but got {}", x.dtype().scalar_name());
    }
    check_precision(x)?;
    copy::to_dtype(x, if x.dtype().is_integral() { default_dtype() } else { x.dtype() })
}

/// The one dimension of a transform that has one.
fn line_dim(x: &Tensor, dim: i64) -> Result<usize> {
    if x.ndim() == 0 {
        bail!(Index, "Dimension specified as {dim} but tensor has no dimensions");
    }
    wrap_dim(dim, x.ndim())
}

/// The dimensions and lengths of a transform over several.
fn dims_and_sizes(
    x: &Tensor,
    s: Option<&[i64]>,
    dims: Option<&[i64]>,
) -> Result<(Vec<usize>, Vec<Option<i64>>)> {
    let n = x.ndim();
    let dims: Vec<usize> = match (dims, s) {
        (Some(dims), _) => {
            if n == 0
                && let Some(dim) = dims.first()
            {
                bail!(Index, "Dimension specified as {dim} but tensor has no dimensions");
            }
            let wrapped = dims.iter().map(|&d| wrap_dim(d, n)).collect::<Result<Vec<_>>>()?;
            let mut unique = wrapped.clone();
            unique.sort_unstable();
            unique.dedup();
            if unique.len() < wrapped.len() {
                bail!(Shape, "FFT dims must be unique");
            }
            wrapped
        }
        (None, Some(s)) => {
            if s.len() > n {
                bail!(Shape, "Got shape with {} values but input tensor only has {n} dimensions.", s.len());
            }
            (n - s.len()..n).collect()
        }
        (None, None) => (0..n).collect(),
    };
    let sizes = match s {
        Some(s) if s.len() != dims.len() => {
            bail!(Shape, "When given, dim and shape arguments must have the same length")
        }
        Some(s) => s.iter().map(|&v| (v != -1).then_some(v)).collect(),
        None => vec![None; dims.len()],
    };
    Ok((dims, sizes))
}

/// `x` with every transformed dimension cut or filled, and how many points there are.
fn prepared(x: &Tensor, dims: &[usize], sizes: &[Option<i64>]) -> Result<(Tensor, f64)> {
    let (mut x, mut points) = (x.clone(), 1.0);
    for (&d, size) in dims.iter().zip(sizes) {
        let n = check_points(size.unwrap_or(x.size(d) as i64))?;
        x = resized(&x, d, n)?;
        points *= n as f64;
    }
    Ok((x, points))
}

type Extent<'a> = (Option<&'a [i64]>, Option<&'a [i64]>);

/// Complex transforms over several dimensions.
fn fftn(x: &Tensor, (s, dims): Extent, norm: Option<&str>, inverse: bool) -> Result<Tensor> {
    let (dims, sizes) = dims_and_sizes(x, s, dims)?;
    let (x, points) = prepared(&as_complex(x)?, &dims, &sizes)?;
    complex_to_complex(&x, &dims, inverse, scale_of(norm, inverse, points)?)
}

/// Of real numbers: half of the points of the last dimension remain.
fn rfftn(x: &Tensor, (s, dims): Extent, norm: Option<&str>, inverse: bool, name: &str) -> Result<Tensor> {
    let x = as_real(x, name)?;
    let (dims, sizes) = dims_and_sizes(&x, s, dims)?;
    let Some((last, others)) = dims.split_last() else {
        bail!(Shape, "{name} must transform at least one axis");
    };
    let (x, points) = prepared(&x, &dims, &sizes)?;
    let scale = scale_of(norm, inverse, points)?;
    if !inverse || others.is_empty() {
        return real_to_half(&x, &dims, inverse, scale);
    }
    // One after the other, which decides the strides of the result as PyTorch has them.
    complex_to_complex(&real_to_half(&x, &[*last], true, scale)?, others, true, 1.0)
}

/// To real numbers, from half of the points of the last dimension. `forward` sets the scale alone.
fn irfftn(x: &Tensor, (s, dims): Extent, norm: Option<&str>, forward: bool, name: &str) -> Result<Tensor> {
    let x = as_complex(x)?;
    let (dims, mut sizes) = dims_and_sizes(&x, s, dims)?;
    let Some(&last) = dims.last() else {
        bail!(Shape, "{name} must transform at least one axis");
    };
    let count = sizes.len() - 1;
    let n = check_points(sizes[count].unwrap_or(2 * (x.size(last) as i64 - 1)))?;
    sizes[count] = Some((n / 2 + 1) as i64);
    let (x, points) = prepared(&x, &dims, &sizes)?;
    let points = points / (n / 2 + 1) as f64 * n as f64;
    let scale = scale_of(norm, !forward, points)?;
    half_to_real(&x, &dims, n, true, scale)
}

fn hfftn(x: &Tensor, extent: Extent, norm: Option<&str>, name: &str) -> Result<Tensor> {
    irfftn(&conj(&as_complex(x)?)?, extent, norm, true, name)
}

fn ihfftn(x: &Tensor, extent: Extent, norm: Option<&str>, name: &str) -> Result<Tensor> {
    rfftn(x, extent, norm, true, name)
}

/// The arguments of a transform along one dimension, as those of one along several.
fn along_one<T>(a: &Args, run: impl FnOnce(&Tensor, Extent, Option<&str>) -> Result<T>) -> Result<T> {
    let x = a.tensor(0);
    let dim = line_dim(x, a.int(2))? as i64;
    let n = a.opt_int(1);
    if let Some(n) = n {
        check_points(n)?;
    }
    let s = n.map(|n| [n]);
    run(x, (s.as_ref().map(|s| &s[..]), Some(&[dim])), a.str(3))
}

fn along_many<T>(a: &Args, run: impl FnOnce(&Tensor, Extent, Option<&str>) -> Result<T>) -> Result<T> {
    run(a.tensor(0), (a.opt_ints(1), a.opt_ints(2)), a.str(3))
}

/// The frequencies of the points of a transform: `count` of them from zero, then the negative ones.
fn frequencies(n: i64, d: f64, rising: usize, falling: usize, dtype: Option<DType>) -> Result<Tensor> {
    if n < 0 {
        bail!(Shape, "fftfreq: n must not be negative, but is {n}");
    }
    let dtype = dtype.unwrap_or_else(default_dtype);
    if !dtype.is_differentiable() {
        bail!(DType, "fftfreq requires a floating point or complex dtype, but got {}", dtype.scalar_name());
    }
    let range =
        |from: i64, to: i64| creation::arange(Scalar::Int(from), Scalar::Int(to), Scalar::Int(1), DType::F64);
    let steps = if falling == 0 {
        range(0, rising as i64)?
    } else {
        cat(&[range(0, rising as i64)?, range(-(falling as i64), 0)?], 0)?
    };
    mul(&copy::to_dtype(&steps, dtype)?, 1.0 / (n as f64 * d))
}

/// Rolled by half of each dimension; `back` undoes it.
fn shifted(x: &Tensor, dims: Option<&[i64]>, back: bool) -> Result<Tensor> {
    let dims: Vec<usize> = match dims {
        Some([dim, ..]) if x.ndim() == 0 => {
            bail!(Index, "Dimension specified as {dim} but tensor has no dimensions")
        }
        Some(dims) => dims.iter().map(|&d| wrap_dim(d, x.ndim())).collect::<Result<_>>()?,
        None => (0..x.ndim()).collect(),
    };
    let mut x = if dims.is_empty() { copy::clone(x)? } else { x.clone() };
    for d in dims {
        let n = x.size(d) as i64;
        let split = if back { n / 2 } else { (n + 1) / 2 };
        let parts = [view::narrow(&x, d as i64, split, n - split)?, view::narrow(&x, d as i64, 0, split)?];
        x = cat(&parts, d as i64)?;
    }
    Ok(x)
}

macro_rules! one {
    ($name:literal, $run:expr, $doc:literal, $samples:literal) => {
        Op::new(
            concat!("fft.", $name, "(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor"),
            |a| Ok(along_one(a, $run)?.into()),
        )
        .doc($doc)
        .samples($samples)
    };
}
macro_rules! two {
    ($name:literal, $run:expr, $doc:literal, $samples:literal) => {
        Op::new(
            concat!(
                "fft.",
                $name,
                "(Tensor input, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor"
            ),
            |a| Ok(along_many(a, $run)?.into()),
        )
        .doc($doc)
        .samples($samples)
    };
}
macro_rules! many {
    ($name:literal, $run:expr, $doc:literal, $samples:literal) => {
        Op::new(
            concat!(
                "fft.",
                $name,
                "(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor"
            ),
            |a| Ok(along_many(a, $run)?.into()),
        )
        .doc($doc)
        .samples($samples)
    };
}

pub const OPS: &[Op] = &[
    one!(
        "fft",
        |x, e, n| fftn(x, e, n, false),
        "The discrete Fourier transform.",
        "t(6) | nc(3, 5), n=4, dim=0, norm='ortho' | t(2, 3), n=7, norm='forward'"
    ),
    one!(
        "ifft",
        |x, e, n| fftn(x, e, n, true),
        "The inverse of fft.",
        "t(6) | nc(3, 5), n=4, dim=0, norm='ortho' | t(2, 3), n=7, norm='forward'"
    ),
    one!(
        "rfft",
        |x, e, n| rfftn(x, e, n, false, "rfft"),
        "The transform of real numbers: the first n / 2 + 1 points.",
        "t(6) | nc(3, 5), dim=0 | t(2, 3), n=7, norm='forward'"
    ),
    one!(
        "irfft",
        |x, e, n| irfftn(x, e, n, false, "irfft"),
        "The inverse of rfft: n real numbers, 2 (m - 1) by default.",
        "t(4) | nc(3, 5), dim=0, norm='ortho' | t(2, 3), n=7"
    ),
    one!(
        "hfft",
        |x, e, n| hfftn(x, e, n, "hfft"),
        "The transform of half a Hermitian-symmetric line, to real numbers.",
        "t(4) | t(2, 3), n=5, norm='ortho'"
    ),
    one!(
        "ihfft",
        |x, e, n| ihfftn(x, e, n, "ihfft"),
        "The inverse of hfft.",
        "t(6) | t(2, 3), n=5, norm='forward'"
    ),
    two!(
        "fft2",
        |x, e, n| fftn(x, e, n, false),
        "The transform over two dimensions.",
        "t(3, 4) | t(2, 3, 4), s=(2, 5), norm='ortho'"
    ),
    two!("ifft2", |x, e, n| fftn(x, e, n, true), "The inverse of fft2.", "t(3, 4)"),
    two!(
        "rfft2",
        |x, e, n| rfftn(x, e, n, false, "rfft2"),
        "The transform of real numbers over two dimensions; half of the last remains.",
        "t(3, 4)"
    ),
    two!("irfft2", |x, e, n| irfftn(x, e, n, false, "irfft2"), "The inverse of rfft2.", "t(3, 4)"),
    two!("hfft2", |x, e, n| hfftn(x, e, n, "hfft2"), "As hfft, over two dimensions.", "t(3, 4)"),
    two!("ihfft2", |x, e, n| ihfftn(x, e, n, "ihfft2"), "The inverse of hfft2.", "t(3, 4)"),
    many!(
        "fftn",
        |x, e, n| fftn(x, e, n, false),
        "The transform over any dimensions.",
        "t(3, 4) | nc(2, 3, 4), dim=(0, 2) | t(2, 3), s=(2, -1) | t()"
    ),
    many!("ifftn", |x, e, n| fftn(x, e, n, true), "The inverse of fftn.", "t(2, 3, 4), norm='forward'"),
    many!(
        "rfftn",
        |x, e, n| rfftn(x, e, n, false, "rfftn"),
        "The transform of real numbers over any dimensions; half of the last remains.",
        "t(3, 4) | t(2, 3, 4), dim=(0, 1)"
    ),
    many!(
        "irfftn",
        |x, e, n| irfftn(x, e, n, false, "irfftn"),
        "The inverse of rfftn.",
        "t(3, 4) | t(2, 3, 4), s=(3, 5), dim=(0, 2)"
    ),
    many!("hfftn", |x, e, n| hfftn(x, e, n, "hfftn"), "As hfft, over any dimensions.", "t(3, 4)"),
    many!("ihfftn", |x, e, n| ihfftn(x, e, n, "ihfftn"), "The inverse of hfftn.", "t(3, 4)"),
    Op::new("fft.fftfreq(int n, float d=1.0, *, ScalarType? dtype=None) -> Tensor", |a| {
        let n = a.int(0).max(0) as usize;
        Ok(frequencies(a.int(0), a.float(1), n.div_ceil(2), n / 2, a.dtype(2))?.into())
    })
    .doc("The frequencies of the points of fft, for samples d apart.")
    .samples("5 | 4, d=0.5"),
    Op::new("fft.rfftfreq(int n, float d=1.0, *, ScalarType? dtype=None) -> Tensor", |a| {
        let n = a.int(0).max(0) as usize;
        Ok(frequencies(a.int(0), a.float(1), n / 2 + 1, 0, a.dtype(2))?.into())
    })
    .doc("The frequencies of the points of rfft, for samples d apart.")
    .samples("5 | 4, d=0.5"),
    Op::new("fft.fftshift(Tensor input, int[1]? dim=None) -> Tensor", |a| {
        Ok(shifted(a.tensor(0), a.opt_ints(1), false)?.into())
    })
    .doc("The frequency zero moved to the middle.")
    .samples("t(5) | t(3, 4), dim=0"),
    Op::new("fft.ifftshift(Tensor input, int[1]? dim=None) -> Tensor", |a| {
        Ok(shifted(a.tensor(0), a.opt_ints(1), true)?.into())
    })
    .doc("The inverse of fftshift.")
    .samples("t(5) | t(3, 4), dim=(0, 1)"),
];
