//! Tensors out of nothing: constants, ranges, uninitialised memory.

use crate::autograd::inplace;
use crate::bail;
use crate::device::{self, Device};
use crate::dtype::{Cast, DType, Element};
use crate::error::Result;
use crate::layout::{Layout, MemoryFormat, Show, Sizes, Strides, dense_strides, sizes_from};
use crate::ops::pointwise::Arg;
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, cuda};
use crate::scalar::{Scalar, default_dtype};
use crate::storage::Storage;
use crate::tensor::Tensor;
use crate::warning::warn;

/// All elements equal.
pub fn full(sizes: &[usize], value: Scalar, dtype: DType) -> Result<Tensor> {
    let t = Tensor::empty(sizes, dtype)?;
    if t.device().is_cuda() {
        let zero = value.is_zero() && value.to_f64().is_sign_positive();
        if zero { cuda::copy::fill_zeros(&t)? } else { cuda::copy::fill(&t, value)? }
    } else if value.is_zero() && value.to_f64().is_sign_positive() {
        let bytes = t.numel() * dtype.size();
        // SAFETY: the storage is fresh and has that many bytes; all-zero bytes are zero in every dtype.
        unsafe { std::ptr::write_bytes(t.ptr(), 0, bytes) };
    } else {
        write_value(&t, value)?;
    }
    Ok(t)
}

pub fn zeros(sizes: &[usize], dtype: DType) -> Result<Tensor> {
    full(sizes, Scalar::Int(0), dtype)
}

/// A 0-d tensor.
pub fn scalar(value: Scalar, dtype: DType) -> Result<Tensor> {
    full(&[], value, dtype)
}

/// Fills in place without tape and version.
pub fn write_value(t: &Tensor, value: Scalar) -> Result<()> {
    if t.device().is_cuda() {
        return cuda::copy::fill(t, value);
    }
    let (bytes, from) = value.bytes();
    crate::dispatch!(t.dtype(), T => {
        let v: T = crate::dispatch!(from, S => {
            // SAFETY: the 16 bytes hold a value of type `from`.
            let v = unsafe { bytes.as_ptr().cast::<S>().read_unaligned() };
            v.cast()
        });
        if t.is_contiguous() && t.ptr().cast::<T>().is_aligned() {
            // SAFETY: aligned, with that many elements of T one after the other.
            unsafe { crate::cpu::copy::fill(t.ptr().cast::<T>(), t.numel(), v) };
            return Ok(());
        }
        let one = Tensor::empty(&[], t.dtype())?;
        // SAFETY: the storage of `one` holds one element of T.
        unsafe { one.ptr().cast::<T>().write_unaligned(v) };
        copy::write(t, &one)
    })
}

/// Overwrites every element. Returns the tensor.
pub fn fill_(t: &Tensor, value: Scalar) -> Result<Tensor> {
    inplace::check_tape(t, false)?;
    check_fits(value, t.dtype())?;
    write_value(t, value)?;
    inplace::rebase(t, None);
    Ok(t.clone())
}

/// Refuses a number that the dtype cannot hold.
pub fn check_fits(value: Scalar, dtype: DType) -> Result<()> {
    let x = value.to_f64();
    let within = |low: f64, high: f64| low <= x && x <= high;
    let fits = match dtype {
        // Every number is true or false.
        DType::Bool => return Ok(()),
        // Negative integers wrap around, other negative numbers do not.
        DType::U8 => within(if matches!(value, Scalar::Int(_)) { -255.0 } else { 0.0 }, 255.0),
        DType::I8 => within(-128.0, 127.0),
        DType::I16 => within(-32768.0, 32767.0),
        DType::I32 => within(-2147483648.0, 2147483647.0),
        DType::I64 => {
            matches!(value, Scalar::Int(_)) || (-9223372036854775808.0..9223372036854775808.0).contains(&x)
        }
        DType::F16 => !x.is_finite() || within(-65504.0, 65504.0),
        DType::BF16 | DType::F32 => !x.is_finite() || within(-f32::MAX as f64, f32::MAX as f64),
        DType::F64 | DType::C64 | DType::C128 => true,
    };
    let loses_part = matches!(value, Scalar::Complex(z) if z.im != 0.0) && !dtype.is_complex();
    if loses_part || !fits {
        bail!(DType, "value cannot be converted to type {} without overflow", dtype.fixed_width_name());
    }
    Ok(())
}

/// `start`, `start + step`, ... below `end` (above it for negative steps).
pub fn arange(start: Scalar, end: Scalar, step: Scalar, dtype: DType) -> Result<Tensor> {
    for value in [start, end, step] {
        if matches!(value, Scalar::Complex(_)) {
            bail!(DType, "value cannot be converted to type double without overflow");
        }
    }
    if dtype == DType::Bool || dtype.is_complex() {
        bail!(Unsupported, "\"arange_cpu\" not implemented for '{}'", dtype.scalar_name());
    }
    let (a, b, s) = (start.to_f64(), end.to_f64(), step.to_f64());
    // What int64 cannot hold of the step is left out of it.
    if dtype == DType::I64 && step.to_i64() == 0 && s != 0.0 && !s.is_nan() {
        bail!(Value, "step must be nonzero");
    }
    if s == 0.0 || s.is_nan() {
        bail!(Autograd, "step must be nonzero");
    }
    if !a.is_finite() || !b.is_finite() {
        bail!(Autograd, "unsupported range: {start} -> {end}");
    }
    if (s > 0.0 && a > b) || (s < 0.0 && a < b) {
        bail!(Autograd, "upper bound and lower bound inconsistent with step sign");
    }
    // Ranges of int64 are counted by whole numbers, as PyTorch does; all others by what was given.
    let integral = dtype == DType::I64 || [start, end, step].iter().all(|v| v.dtype().is_integral());
    let count = if integral {
        let (a, b, s) = (start.to_i64() as i128, end.to_i64() as i128, step.to_i64() as i128);
        ((b - a + s - s.signum()) / s) as f64
    } else {
        ((b - a) / s).ceil()
    };
    if count >= 9.2e18 {
        bail!(Autograd, "invalid size, possible overflow?");
    }
    let n = count as usize;
    // The host counts, wherever the numbers are wanted.
    let t = device::at(Device::Cpu, || Tensor::empty(&[n], dtype))?;
    fn write<T: Element>(t: &Tensor, n: usize, value: impl Fn(usize) -> T) {
        // SAFETY: the storage is fresh and contiguous with n elements of T.
        (0..n).for_each(|i| unsafe { t.ptr().cast::<T>().add(i).write_unaligned(value(i)) });
    }
    if dtype.is_integral() {
        let (a, s) = (start.to_i64(), step.to_i64());
        crate::dispatch!(dtype, T => write::<T>(&t, n, |i| a.wrapping_add(s.wrapping_mul(i as i64)).cast()));
    } else {
        crate::dispatch!(dtype, T => write::<T>(&t, n, |i| (a + s * i as f64).cast()));
    }
    t.at_place()
}

/// `start`, `start + step`, ... up to `end`, which is included.
fn range(start: Scalar, end: Scalar, step: Scalar, dtype: DType) -> Result<Tensor> {
    let (a, b, s) = (start.to_f64(), end.to_f64(), step.to_f64());
    if s == 0.0 || s.is_nan() {
        bail!(Autograd, "step must be nonzero");
    }
    if !a.is_finite() || !b.is_finite() {
        bail!(Autograd, "unsupported range: {start} -> {end}");
    }
    if (s > 0.0 && a > b) || (s < 0.0 && a < b) {
        bail!(Autograd, "upper bound and lower bound inconsistent with step sign");
    }
    if dtype == DType::Bool || dtype.is_complex() {
        bail!(Unsupported, "\"range_cpu\" not implemented for '{}'", dtype.scalar_name());
    }
    if dtype.is_integral() {
        let (a, b, s) = (start.to_i64(), end.to_i64(), step.to_i64());
        if s == 0 {
            bail!(Autograd, "step must be nonzero");
        }
        // The end lies one behind the last value, on the side that the step goes to.
        let Some(behind) = b.checked_add(s.signum()) else {
            bail!(Autograd, "invalid size, possible overflow?");
        };
        return arange(Scalar::Int(a), Scalar::Int(behind), Scalar::Int(s), dtype);
    }
    // The end lies half a step behind the last value.
    let last = a + s * ((b - a) / s).floor();
    copy::to_dtype(&arange(start, Scalar::Float(last + s / 2.0), step, DType::F64)?, dtype)
}

/// `base` to the powers that `linspace` gives.
fn logspace(start: Scalar, end: Scalar, steps: i64, base: f64, dtype: DType) -> Result<Tensor> {
    if dtype.is_complex() {
        let powers = linspace(start, end, steps, DType::C128)?;
        let values = copy::values::<crate::dtype::C128>(&powers)?;
        let values: Vec<_> = values.into_iter().map(|p| (p * base.ln()).exp()).collect();
        return copy::to_dtype(&Tensor::from_slice(&values, powers.sizes())?, dtype);
    }
    if steps < 0 {
        bail!(Autograd, "number of steps must be non-negative");
    }
    let n = steps as usize;
    let wide = if dtype.is_integral() { dtype } else { DType::F64 };
    let power = real_line(start, end, n, wide);
    let mut values = crate::alloc::vec_for(n)?;
    values.extend((0..n).map(|i| base.powf(power(i))));
    copy::to_dtype(&Tensor::from_slice(&values, &[n])?, dtype)
}

/// `steps` values evenly from `start` to `end`, both included; counted from both ends, as in PyTorch.
pub fn linspace(
    start: impl Into<Scalar>,
    end: impl Into<Scalar>,
    steps: i64,
    dtype: DType,
) -> Result<Tensor> {
    let (start, end) = (start.into(), end.into());
    if steps < 0 {
        bail!(Autograd, "number of steps must be non-negative");
    }
    let n = steps as usize;
    if dtype.is_complex() {
        let (a, b) = (start.to_complex(), end.to_complex());
        let (re, im) = (line(a.re, b.re, n, dtype), line(a.im, b.im, n, dtype));
        let t = Tensor::empty(&[n], dtype)?;
        for i in 0..n {
            let value = crate::dtype::C128::new(re(i), im(i));
            // SAFETY: the storage is fresh and contiguous with n elements of T.
            crate::dispatch!(dtype, T => unsafe { t.ptr().cast::<T>().add(i).write_unaligned(value.cast()) });
        }
        return Ok(t);
    }
    for value in [start, end] {
        if matches!(value, Scalar::Complex(_)) {
            bail!(
                Autograd,
                "linspace(): inferred dtype {} can't be safely cast to passed dtype {}",
                default_dtype().to_complex().scalar_name(),
                dtype.scalar_name()
            );
        }
    }
    if dtype == DType::Bool {
        bail!(Unsupported, "\"linspace_cpu\" not implemented for 'Bool'");
    }
    // The host counts, wherever the numbers are wanted.
    let t = device::at(Device::Cpu, || Tensor::empty(&[n], dtype))?;
    let value = real_line(start, end, n, dtype);
    for i in 0..n {
        // SAFETY: the storage is fresh and contiguous with n elements of T.
        crate::dispatch!(dtype, T => unsafe { t.ptr().cast::<T>().add(i).write_unaligned(value(i).cast()) });
    }
    t.at_place()
}

/// The first two arguments of `linspace` and its like, which may be tensors of one number.
fn bounds(name: &str, a: &Args) -> Result<[Scalar; 2]> {
    let dimensions = |i: usize| a.opt_tensor(i).map_or(0, Tensor::ndim);
    let wrong: Vec<String> = [(0, "start"), (1, "end")]
        .into_iter()
        .filter(|(i, _)| dimensions(*i) > 0)
        .map(|(i, which)| format!("{which} with {} dimension(s)", dimensions(i)))
        .collect();
    if !wrong.is_empty() {
        bail!(
            Autograd,
            "{name} only supports 0-dimensional start and end tensors, but got {}.",
            wrong.join(" and ")
        );
    }
    let bound = |i: usize| a.opt_tensor(i).map_or_else(|| Ok(a.scalar(i)), crate::ops::reduce::item);
    Ok([bound(0)?, bound(1)?])
}

/// The default dtype, complex where a bound is.
fn floating(bounds: [Scalar; 2]) -> DType {
    let complex = bounds.iter().any(|v| matches!(v, Scalar::Complex(_)));
    if complex { default_dtype().to_complex() } else { default_dtype() }
}

/// The values of a line between two numbers, of which an integer dtype takes the whole part.
fn real_line(start: Scalar, end: Scalar, n: usize, dtype: DType) -> impl Fn(usize) -> f64 {
    let bound = |v: Scalar| if dtype.is_integral() { v.to_i64() as f64 } else { v.to_f64() };
    line(bound(start), bound(end), n, dtype)
}

/// `n` values evenly from `start` to `end`, counted from both ends; in single precision for float32.
fn line(start: f64, end: f64, n: usize, dtype: DType) -> impl Fn(usize) -> f64 {
    move |i| {
        if n == 1 {
            return start;
        }
        if dtype == DType::F32 {
            let (a, b) = (start as f32, end as f32);
            let step = (b - a) / (n - 1) as f32;
            return (if i < n / 2 {
                step.mul_add(i as f32, a)
            } else {
                (-step).mul_add((n - 1 - i) as f32, b)
            }) as f64;
        }
        let step = (end - start) / (n - 1) as f64;
        if i < n / 2 { step.mul_add(i as f64, start) } else { (-step).mul_add((n - 1 - i) as f64, end) }
    }
}

pub fn eye(n: i64, m: i64, dtype: DType) -> Result<Tensor> {
    for (name, size) in [("n", n), ("m", m)] {
        if size < 0 {
            bail!(Autograd, "{name} must be greater or equal to 0, got {size}");
        }
    }
    let t = zeros(&[n as usize, m as usize], dtype)?;
    let mut diagonal = t.layout().clone();
    diagonal.sizes = smallvec::smallvec![n.min(m) as usize];
    diagonal.strides = smallvec::smallvec![m as isize + 1];
    write_value(&t.alias(diagonal), Scalar::Int(1))?;
    Ok(t)
}

fn like(a: &Args, dtype_at: usize, value: Option<Scalar>) -> Result<Tensor> {
    let x = a.tensor(0);
    let dtype = a.dtype(dtype_at).unwrap_or(x.dtype());
    // The memory format follows the dtype.
    let format = MemoryFormat::read(a.str(dtype_at + 1))?.unwrap_or(MemoryFormat::Preserve);
    let t = Tensor::empty_dense(x.sizes(), format.strides(x.layout())?, dtype)?;
    if let Some(value) = value {
        check_fits(value, dtype)?;
        write_value(&t, value)?;
    }
    Ok(t)
}

/// Uninitialised memory just large enough for the layout.
fn empty_strided(size: &[i64], stride: &[i64], dtype: DType) -> Result<Tensor> {
    if size.len() != stride.len() {
        bail!(
            Autograd,
            "dimensionality of sizes ({}) must match dimensionality of strides ({})",
            size.len(),
            stride.len()
        );
    }
    if let Some(negative) = stride.iter().find(|s| **s < 0) {
        bail!(
            Autograd,
            "as_strided: Negative strides are not supported at the moment, got stride {negative}"
        );
    }
    let sizes: Sizes = sizes_from(size)?.into_iter().collect();
    let strides: Strides = stride.iter().map(|&s| s as isize).collect();
    let layout = Layout { sizes, strides, offset: 0 };
    let bytes = layout.extent().and_then(|(_, end)| end.checked_mul(dtype.size()));
    let Some(bytes) = bytes.filter(|&b| b <= isize::MAX as usize) else {
        bail!(Shape, "Storage size calculation overflowed with sizes={}", Show(&layout.sizes));
    };
    Tensor::from_storage(Storage::new(bytes)?, layout, dtype)
}

fn new_full(a: &Args, dtype_at: usize, value: Scalar) -> Result<Tensor> {
    full(&sizes_from(a.ints(1))?, value, a.dtype(dtype_at).unwrap_or(a.tensor(0).dtype()))
}

/// The dtype of `full`'s value: bool and integers keep their kind.
fn full_dtype(value: Scalar, dtype: Option<DType>) -> DType {
    dtype.unwrap_or(value.dtype())
}

fn arange_call(a: &Args, range: [Scalar; 3], dtype_at: usize) -> Result<Tensor> {
    let inferred =
        || if range.iter().all(|v| v.dtype().is_integral()) { DType::I64 } else { default_dtype() };
    arange(range[0], range[1], range[2], a.dtype(dtype_at).unwrap_or_else(inferred))
}

pub const OPS: &[Op] = &[
    Op::new("empty(*int[] size, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        let (sizes, dtype) = (sizes_from(a.ints(0))?, a.dtype(1).unwrap_or_else(default_dtype));
        match MemoryFormat::read(a.str(2))? {
            None | Some(MemoryFormat::Contiguous) => Ok(Tensor::empty(&sizes, dtype)?.into()),
            Some(MemoryFormat::Preserve) => {
                bail!(Autograd, "unsupported memory format option Preserve")
            }
            Some(format) => {
                let strides = format.strides(&Layout::contiguous(&sizes))?;
                Ok(Tensor::empty_dense(&sizes, strides, dtype)?.into())
            }
        }
    })
    .doc("Uninitialised memory.")
    .no_gradient(),
    Op::new("empty_strided(int[] size, int[] stride, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(empty_strided(a.ints(0), a.ints(1), a.dtype(2).unwrap_or_else(default_dtype))?.into())
    })
    .doc("Uninitialised memory with the strides given.")
    .no_gradient(),
    Op::new("empty_permuted(int[] size, int[] physical_layout, *, ScalarType? dtype=None) -> Tensor", |a| {
        let sizes = sizes_from(a.ints(0))?;
        let order: Vec<usize> = a.ints(1).iter().map(|&d| usize::try_from(d).unwrap_or(usize::MAX)).collect();
        let innermost_first: Vec<usize> = order.iter().rev().copied().collect();
        let mut seen = order;
        seen.sort_unstable();
        if seen != (0..sizes.len()).collect::<Vec<_>>() {
            bail!(
                Autograd,
                "empty_permuted: physical_layout {:?} is no order of the {} dimensions",
                a.ints(1),
                sizes.len()
            );
        }
        let dtype = a.dtype(2).unwrap_or_else(default_dtype);
        Ok(Tensor::empty_dense(&sizes, dense_strides(&sizes, &innermost_first), dtype)?.into())
    })
    .doc("Uninitialised dense memory in which the dimensions lie in the order given, outermost first.")
    .no_gradient(),
    Op::new("zeros(*int[] size, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(zeros(&sizes_from(a.ints(0))?, a.dtype(1).unwrap_or_else(default_dtype))?.into())
    })
    .doc("All 0.")
    .samples("2, 3 | () | (2, 0) | 3, dtype=torch.int64")
    .no_gradient(),
    Op::new("ones(*int[] size, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(full(&sizes_from(a.ints(0))?, Scalar::Int(1), a.dtype(1).unwrap_or_else(default_dtype))?.into())
    })
    .doc("All 1.")
    .samples("2, 3 | () | (2, 0) | 3, dtype=torch.bool")
    .no_gradient(),
    Op::new("full(int[] size, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor", |a| {
        let value = a.scalar(1);
        let dtype = full_dtype(value, a.dtype(2));
        check_fits(value, dtype)?;
        Ok(full(&sizes_from(a.ints(0))?, value, dtype)?.into())
    })
    .doc("All equal to fill_value.")
    .samples("(2, 3), 1.5 | (2,), 7 | (), True | (2,), 1, dtype=torch.float64")
    .no_gradient(),
    Op::new("empty_like(Tensor input, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| Ok(like(a, 1, None)?.into()))
        .doc("Uninitialised, with the shape and dtype of input.")
        .no_gradient(),
    Op::new("zeros_like(Tensor input, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(like(a, 1, Some(Scalar::Int(0)))?.into())
    })
    .doc("All 0, with the shape and dtype of input.")
    .samples("t(3, 4) | nc(3, 4) | t(3), dtype=torch.int64")
    .no_gradient(),
    Op::new("ones_like(Tensor input, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(like(a, 1, Some(Scalar::Int(1)))?.into())
    })
    .doc("All 1, with the shape and dtype of input.")
    .samples("t(3, 4) | nc(3, 4)")
    .no_gradient(),
    Op::new("full_like(Tensor input, Scalar fill_value, *, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(like(a, 2, Some(a.scalar(1)))?.into())
    })
    .doc("All equal to fill_value, with the shape and dtype of input.")
    .samples("t(3, 4), 2.5")
    .no_gradient(),
    Op::new("new_empty(Tensor input, *int[] size, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(Tensor::empty(&sizes_from(a.ints(1))?, a.dtype(2).unwrap_or(a.tensor(0).dtype()))?.into())
    })
    .method_only()
    .doc("Uninitialised, with the dtype of the tensor.")
    .no_gradient(),
    Op::new("new_empty_strided(Tensor input, int[] size, int[] stride, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(empty_strided(a.ints(1), a.ints(2), a.dtype(3).unwrap_or(a.tensor(0).dtype()))?.into())
    })
    .method_only()
    .doc("Uninitialised, with the strides given and the dtype of the tensor.")
    .no_gradient(),
    Op::new("new_zeros(Tensor input, *int[] size, *, ScalarType? dtype=None) -> Tensor", |a| Ok(new_full(a, 2, Scalar::Int(0))?.into()))
        .method_only()
        .doc("All 0, with the dtype of the tensor.")
        .samples("t(3), (2, 3)")
        .no_gradient(),
    Op::new("new_ones(Tensor input, *int[] size, *, ScalarType? dtype=None) -> Tensor", |a| Ok(new_full(a, 2, Scalar::Int(1))?.into()))
        .method_only()
        .doc("All 1, with the dtype of the tensor.")
        .samples("t(3), (2, 3)")
        .no_gradient(),
    Op::new("new_full(Tensor input, int[] size, Scalar fill_value, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(new_full(a, 3, a.scalar(2))?.into())
    })
    .method_only()
    .doc("All equal to fill_value, with the dtype of the tensor.")
    .samples("t(3), (2, 3), 4")
    .no_gradient(),
    Op::new("arange(Scalar end, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(arange_call(a, [Scalar::Int(0), a.scalar(0), Scalar::Int(1)], 1)?.into())
    })
    .doc("0, 1, ... below end.")
    .samples("5 | 0 | 2.5 | 5, dtype=torch.float32")
    .no_gradient(),
    Op::new("arange(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(arange_call(a, [a.scalar(0), a.scalar(1), a.scalar(2)], 3)?.into())
    })
    .doc("start, start + step, ... below end.")
    .samples("1, 5 | 5, 1, -2 | 0, 1, 0.1 | 0.5, 3")
    .no_gradient(),
    Op::new("linspace(Number|Tensor start, Number|Tensor end, int steps, *, ScalarType? dtype=None) -> Tensor", |a| {
        let [start, end] = bounds("linspace", a)?;
        let dtype = a.dtype(3).unwrap_or_else(|| floating([start, end]));
        Ok(linspace(start, end, a.int(2), dtype)?.into())
    })
    .doc("Evenly spaced values from start to end, both included.")
    .samples("0, 1, 5 | -3, 3, 7 | 1, 2, 1 | 1, 2, 0 | 0, 1 + 2j, 3 | 0.5, 9.5, 4, dtype=torch.int64")
    .no_gradient(),
    Op::new("range(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None) -> Tensor", |a| {
        warn(
            "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        );
        Ok(range(a.scalar(0), a.scalar(1), a.scalar(2), a.dtype(3).unwrap_or_else(default_dtype))?.into())
    })
    .doc("start, start + step, ... up to end, which is included. Deprecated: arange is what Python calls range.")
    .samples("1, 5 | 5, 1, -2 | 0, 1, 0.3")
    .no_gradient(),
    Op::new("logspace(Number|Tensor start, Number|Tensor end, int steps, float base=10.0, *, ScalarType? dtype=None) -> Tensor", |a| {
        let [start, end] = bounds("logspace", a)?;
        let dtype = a.dtype(4).unwrap_or_else(|| floating([start, end]));
        Ok(logspace(start, end, a.int(2), a.float(3), dtype)?.into())
    })
    .doc("base to evenly spaced powers from start to end, both included.")
    .samples("0, 2, 5 | -3, 3, 7, 2 | 1, 2, 1 | 1, 2, 0")
    .no_gradient(),
    Op::new("eye(int n, int? m=None, *, ScalarType? dtype=None) -> Tensor", |a| {
        let dtype = a.dtype(2).unwrap_or_else(default_dtype);
        Ok(eye(a.int(0), a.opt_int(1).unwrap_or(a.int(0)), dtype)?.into())
    })
    .doc("1 on the diagonal, 0 elsewhere.")
    .samples("3 | 2, 4 | 3, 2")
    .no_gradient(),
    Op::new("fill_(Tensor input, Scalar value) -> Tensor", |a| Ok(fill_(a.tensor(0), a.scalar(1))?.into()))
        .method()
        .doc("Overwrites every element."),
    Op::new("fill_(Tensor input, Tensor value) -> Tensor", |a| {
        let value = a.tensor(1);
        if value.ndim() != 0 {
            bail!(
                Autograd,
                "fill_ only supports 0-dimension value tensor but got tensor with {} dimensions.",
                value.ndim()
            );
        }
        Ok(copy::overwrite(a.tensor(0), value)?.into())
    })
    .method(),
    Op::new("fill(Tensor input, Number|Tensor value) -> Tensor", |a| {
        let copied = copy::clone(a.tensor(0))?;
        match (&a.0[1]).into() {
            Arg::Number(s) => Ok(fill_(&copied, s)?.into()),
            Arg::Tensor(t) if t.ndim() == 0 => Ok(copy::overwrite(&copied, t)?.into()),
            Arg::Tensor(t) => bail!(
                Autograd,
                "fill only supports 0-dimension value tensor but got tensor with {} dimensions.",
                t.ndim()
            ),
        }
    })
    .doc("With every element equal to value.")
    .samples("t(3, 4), 2.5 | nc(3, 4), t()"),
    Op::new("zero_(Tensor input) -> Tensor", |a| Ok(fill_(a.tensor(0), Scalar::Int(0))?.into()))
        .method()
        .doc("Overwrites every element with 0."),
];
