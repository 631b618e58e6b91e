//! Random tensors, drawn in PyTorch's order from PyTorch's stream.

use std::f64::consts::FRAC_1_SQRT_2;

use smallvec::SmallVec;

use crate::alloc;
use crate::autograd::{self, inplace};
use crate::bail;
use crate::cpu::box_muller::box_muller;
use crate::dtype::{Cast, DType, Element};
use crate::error::Result;
use crate::layout::{Sizes, memory_order, sizes_from};
use crate::ops::cuda::random::{self as gpu, Distribution};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, reduce, sort, table};
use crate::random::{Generator, Mt19937, draw};
use crate::scalar::default_dtype;
use crate::tensor::Tensor;

/// Values that are made at once.
const AT_ONCE: usize = 512;

/// Fills with what `next` writes into the blocks it is given, in the order of memory; no tape.
fn fill_blocks<T: Element + Default>(t: &Tensor, mut next: impl FnMut(&mut [T])) -> Result<()> {
    let inner_first = memory_order(t.sizes(), &[t.strides()]);
    let order: SmallVec<[usize; 6]> = inner_first.into_iter().rev().collect();
    let t = &t.alias(t.layout().permute(&order));
    let direct = t.is_contiguous() && t.dtype() == T::DTYPE;
    let dense = if direct { t.clone() } else { Tensor::empty(t.sizes(), T::DTYPE)? };
    let mut block = [T::default(); AT_ONCE];
    for start in (0..dense.numel()).step_by(AT_ONCE) {
        let block = &mut block[..AT_ONCE.min(dense.numel() - start)];
        next(block);
        // SAFETY: contiguous, with that many elements of T behind `start`; copied as bytes, for memory
        // from outside may be unaligned.
        unsafe {
            let to = dense.ptr().cast::<T>().wrapping_add(start).cast::<u8>();
            to.copy_from_nonoverlapping(block.as_ptr().cast(), size_of_val(block));
        }
    }
    if direct { Ok(()) } else { copy::write(t, &dense) }
}

/// Fills with `draw`, element by element in the order of memory; no tape.
pub fn fill_with<T: Element + Default>(t: &Tensor, mut draw: impl FnMut() -> T) -> Result<()> {
    fill_blocks(t, |block| block.iter_mut().for_each(|v| *v = draw()))
}

/// The real and imaginary parts of complex numbers, side by side in a last dimension.
fn parts_of(t: &Tensor) -> Tensor {
    let mut layout = t.layout().clone();
    layout.strides.iter_mut().for_each(|s| *s *= 2);
    layout.offset *= 2;
    layout.sizes.push(2);
    layout.strides.push(1);
    t.alias_as(layout, t.dtype().to_real())
}

/// `x * scale + shift`, rounded once as PyTorch does; without a shift there is nothing to round twice.
fn affine_f32(x: f32, scale: f32, shift: f32) -> f32 {
    // In f64 the product is exact. Only a sum that lands between two f32 might then be rounded the other way;
    // `mul_add` is right there too, but a call on processors that the build does not ask for.
    let wide = f64::from(x) * f64::from(scale) + f64::from(shift);
    if wide.to_bits() & 0x1fff_ffff == 0x1000_0000 { x.mul_add(scale, shift) } else { wide as f32 }
}

/// [`affine_f32`] of every value.
fn affine_all(values: &mut [f32], scale: f32, shift: f32) {
    let wide = |x: f32| f64::from(x) * f64::from(scale) + f64::from(shift);
    let halfway = |x: f32| wide(x).to_bits() & 0x1fff_ffff == 0x1000_0000;
    // Both loops become vectors; a value halfway between two is as good as never met.
    if values.iter().fold(false, |any, &x| any | halfway(x)) {
        values.iter_mut().for_each(|x| *x = affine_f32(*x, scale, shift));
    } else {
        values.iter_mut().for_each(|x| *x = wide(*x) as f32);
    }
}

fn affine_f64(x: f64, scale: f64, shift: f64) -> f64 {
    if shift == 0.0 { x * scale + shift } else { x.mul_add(scale, shift) }
}

fn fill_uniform(t: &Tensor, low: f64, high: f64, mt: &mut Mt19937) -> Result<()> {
    if t.dtype().is_complex() {
        return fill_uniform(&parts_of(t), low, high, mt);
    }
    if t.dtype() == DType::F64 {
        return fill_blocks(t, |values: &mut [f64]| {
            mt.uniforms_f64(values);
            values.iter_mut().for_each(|x| *x = below(affine_f64(*x, high - low, low), low, high));
        });
    }
    let rounded: fn(f32) -> f32 = match t.dtype() {
        DType::F16 => |x| Cast::<half::f16>::cast(x).cast(),
        DType::BF16 => |x| Cast::<half::bf16>::cast(x).cast(),
        _ => |x| x,
    };
    let is_half = t.dtype() != DType::F32;
    let (low, high) = (low as f32, high as f32);
    let top = rounded(high);
    fill_blocks(t, |values: &mut [f32]| {
        mt.uniforms_f32(values);
        affine_all(values, high - low, low);
        if is_half {
            // Half precision rounds more of the draws up to `high`.
            values.iter_mut().for_each(|x| *x = rounded(*x));
        }
        values.iter_mut().for_each(|x| *x = below(*x, low, top));
    })
}

/// A draw that was rounded up to `high` counts as `low`, as in PyTorch.
fn below<T: PartialEq>(x: T, low: T, high: T) -> T {
    if x == high { low } else { x }
}

/// Uniform on [low, high), in place.
pub fn uniform_(t: &Tensor, low: f64, high: f64, generator: Option<&Generator>) -> Result<Tensor> {
    if !t.dtype().is_differentiable() {
        bail!(Unsupported, "\"check_uniform_bounds\" not implemented for '{}'", t.dtype().scalar_name());
    }
    if low > high || low.is_nan() || high.is_nan() {
        bail!(Autograd, "uniform_ expects to return a [from, to) range, but found from={low} > to={high}");
    }
    if !(high - low).is_finite() {
        bail!(
            Autograd,
            "uniform_ expects to-from <= std::numeric_limits<{}>::max(), but found to={high} and from={low} which result in to-from to exceed the limit",
            t.dtype().scalar_name()
        );
    }
    if t.device().is_cuda() {
        let fill = |t: &Tensor| gpu::fill(t, Distribution::Uniform, [low, high], generator);
        return in_place(t, |t| if t.dtype().is_complex() { fill(&parts_of(t)) } else { fill(t) });
    }
    in_place(t, |t| draw(generator, |mt| fill_uniform(t, low, high, mt)))
}

/// Runs a filler with the checks of an operation in place. Returns the tensor.
pub fn in_place(t: &Tensor, fill: impl FnOnce(&Tensor) -> Result<()>) -> Result<Tensor> {
    inplace::check(t, false)?;
    fill(t)?;
    inplace::rebase(t, None);
    Ok(t.clone())
}

/// Box-Muller over blocks of 16: the first eight uniforms give the radii, the last eight the angles. For
/// f32 see [`box_muller`].
fn box_muller_f64(values: &mut [f64], mean: f64, std: f64) {
    for block in values.chunks_exact_mut(16) {
        for j in 0..8 {
            let (u1, u2) = (1.0 - block[j], block[j + 8]);
            let radius = (-2.0 * u1.ln()).sqrt();
            let angle = 2.0 * std::f64::consts::PI * u2;
            block[j] = affine_f64(radius * angle.cos(), std, mean);
            block[j + 8] = affine_f64(radius * angle.sin(), std, mean);
        }
    }
}

/// 16 elements or more: `first` uniforms at once, then blocks of 16; a short last block is drawn anew.
fn fill_normal_blocks<T: Element + Default>(
    t: &Tensor,
    first: usize,
    mut uniforms: impl FnMut(&mut [T]),
    normal: impl Fn(&mut [T]),
) -> Result<()> {
    let n = t.numel();
    let mut values = alloc::vec_for(n)?;
    values.resize(n, T::default());
    uniforms(&mut values[..first]);
    let whole = n - n % 16;
    normal(&mut values[..whole]);
    if whole < n {
        let tail = &mut values[n - 16..];
        uniforms(tail);
        normal(tail);
    }
    let mut rest = values.as_slice();
    fill_blocks(t, |block| {
        let (now, later) = rest.split_at(block.len());
        block.copy_from_slice(now);
        rest = later;
    })
}

fn fill_normal(t: &Tensor, mean: f64, std: f64, mt: &mut Mt19937) -> Result<()> {
    if t.dtype().is_complex() {
        // Each part has half the variance.
        return fill_normal(&parts_of(t), mean, std / std::f64::consts::SQRT_2, mt);
    }
    let n = t.numel();
    if n < 16 || !t.is_contiguous() {
        return fill_with(t, || affine_f64(mt.normal_f64(), std, mean));
    }
    if t.dtype() == DType::F64 {
        return fill_normal_blocks(t, n, |v| mt.uniforms_f64(v), |v| box_muller_f64(v, mean, std));
    }
    let (mean, std) = (mean as f32, std as f32);
    // Half precision draws nothing for a short last block before it is drawn anew.
    let first = if t.dtype() == DType::F32 { n } else { n - n % 16 };
    fill_normal_blocks(t, first, |v| mt.uniforms_f32(v), |v| box_muller(v, mean, std))
}

/// Normal with the given mean and deviation, in place.
pub fn normal_(t: &Tensor, mean: f64, std: f64, generator: Option<&Generator>) -> Result<Tensor> {
    if !t.dtype().is_differentiable() {
        bail!(Unsupported, "\"normal_kernel_cpu\" not implemented for '{}'", t.dtype().scalar_name());
    }
    if std < 0.0 || std.is_nan() {
        bail!(Autograd, "normal expects std >= 0.0, but found std {std}");
    }
    if t.device().is_cuda() {
        let fill = |t: &Tensor, std: f64| gpu::fill(t, Distribution::Normal, [mean, std], generator);
        return in_place(t, |t| match t.dtype().is_complex() {
            true => fill(&parts_of(t), std * FRAC_1_SQRT_2),
            false => fill(t, std),
        });
    }
    in_place(t, |t| draw(generator, |mt| fill_normal(t, mean, std, mt)))
}

/// Integers from `low` on, `range` of them; 0 stands for all 64-bit integers.
fn fill_integers(t: &Tensor, low: i64, range: u64, mt: &mut Mt19937) -> Result<()> {
    match range {
        0 => fill_with(t, || mt.random64() as i64),
        _ if range >= 1 << 28 => fill_with(t, || (mt.random64() % range).wrapping_add(low as u64) as i64),
        _ => fill_with(t, || (mt.random() as u64 % range).wrapping_add(low as u64) as i64),
    }
}

/// The integers that a dtype is drawn from: its range, or up to the last that a float holds exactly.
fn integers_of(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::Bool => (0, 1),
        DType::U8 => (0, u8::MAX as i64),
        DType::I8 => (i8::MIN as i64, i8::MAX as i64),
        DType::I16 => (i16::MIN as i64, i16::MAX as i64),
        DType::I32 => (i32::MIN as i64, i32::MAX as i64),
        DType::I64 => (i64::MIN, i64::MAX),
        DType::BF16 => (-(1 << 8), 1 << 8),
        DType::F16 => (-(1 << 11), 1 << 11),
        DType::F32 | DType::C64 => (-(1 << 24), 1 << 24),
        DType::F64 | DType::C128 => (-(1 << 53), 1 << 53),
    }
}

/// Overwritten with integers of [low, high), or from low to the last one of the dtype.
fn random_from(t: &Tensor, low: i64, high: Option<i64>, generator: Option<&Generator>) -> Result<Tensor> {
    let dtype = t.dtype();
    if let Some(high) = high
        && low >= high
    {
        bail!(Autograd, "random_ expects 'from' to be less than 'to', but got from={low} >= to={high}");
    }
    if dtype.is_complex() {
        bail!(
            Autograd,
            "check_random_bounds handles only integral, floating-point and boolean types, but got {}",
            dtype.scalar_name()
        );
    }
    let last = match high {
        Some(high) => high - 1,
        None => integers_of(dtype).1,
    };
    let (min, max) = match dtype {
        DType::F16 => (-65504, 65504),
        other if other.is_floating() => (i64::MIN, i64::MAX),
        other => integers_of(other),
    };
    if low < min || low > max {
        bail!(Autograd, "from is out of bounds for {}", dtype.c_name());
    }
    if last > max {
        bail!(Autograd, "to - 1 is out of bounds for {}", dtype.c_name());
    }
    if low > last {
        bail!(
            Autograd,
            "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from={low} >= to={last}"
        );
    }
    let range = (last as u64).wrapping_sub(low as u64).wrapping_add(1);
    if t.device().is_cuda() {
        return in_place(t, |t| gpu::fill_integers(t, low, range, false, generator));
    }
    in_place(t, |t| draw(generator, |mt| fill_integers(t, low, range, mt)))
}

fn randint(
    low: i64,
    high: i64,
    sizes: &[i64],
    dtype: DType,
    generator: Option<&Generator>,
) -> Result<Tensor> {
    random_from(&Tensor::empty(&sizes_from(sizes)?, dtype)?, low, Some(high), generator)
}

/// Overwritten with integers from 0 to the last one of the dtype.
fn random_(t: &Tensor, generator: Option<&Generator>) -> Result<Tensor> {
    if t.dtype().is_complex() {
        bail!(Unsupported, "\"random_kernel_cpu\" not implemented for '{}'", t.dtype().scalar_name());
    }
    if t.device().is_cuda() {
        let dtype = t.dtype();
        let range = (integers_of(dtype).1 as u64).wrapping_add(1);
        let wide = matches!(dtype, DType::I64 | DType::F64);
        return in_place(t, |t| gpu::fill_integers(t, 0, range, wide, generator));
    }
    in_place(t, |t| {
        draw(generator, |mt| match t.dtype() {
            DType::I64 => fill_with(t, || (mt.random64() & (i64::MAX as u64)) as i64),
            DType::F64 => fill_with(t, || (mt.random64() % ((1 << 53) + 1)) as i64),
            DType::Bool => fill_with(t, || (mt.random() & 1) as i64),
            dtype => {
                let range = integers_of(dtype).1 as u64 + 1;
                fill_with(t, || (mt.random() as u64 % range) as i64)
            }
        })
    })
}

fn randperm(n: i64, dtype: DType, generator: Option<&Generator>) -> Result<Tensor> {
    if n < 0 {
        bail!(Autograd, "Trying to create tensor with negative dimension {n}: [{n}]");
    }
    if dtype == DType::Bool || dtype.is_complex() {
        bail!(Unsupported, "\"randperm\" not implemented for '{}'", dtype.scalar_name());
    }
    let last = integers_of(dtype).1;
    if dtype.is_floating() && n > last.saturating_add(1) {
        bail!(Autograd, "n cannot be greater than {} for {} type.", last + 1, dtype.scalar_name());
    }
    if n - 1 > last {
        bail!(Autograd, "value cannot be converted to type {} without overflow", dtype.fixed_width_name());
    }
    let t = Tensor::empty(&[n as usize], DType::I64)?;
    if t.device().is_cuda() {
        // The order of as many random keys. Of 64 bits two are hardly ever the same.
        gpu::fill_integers(&t, 0, 0, true, generator)?;
        return copy::to_dtype(&sort::sort(&t, 0, false)?.1, dtype);
    }
    // SAFETY: the storage is fresh and contiguous with n elements.
    let values = unsafe { std::slice::from_raw_parts_mut(t.ptr().cast::<i64>(), n as usize) };
    values.iter_mut().enumerate().for_each(|(i, v)| *v = i as i64);
    draw(generator, |mt| {
        for i in 0..values.len().saturating_sub(1) {
            let left = (values.len() - i) as u64;
            let drawn = if left < u32::MAX as u64 { mt.random() as u64 } else { mt.random64() };
            values.swap(i, i + (drawn % left) as usize);
        }
        Ok(())
    })?;
    copy::to_dtype(&t, dtype)
}

fn floating(dtype: Option<DType>) -> DType {
    dtype.unwrap_or_else(default_dtype)
}

fn rand_sizes(sizes: &[i64], dtype: DType, generator: Option<&Generator>) -> Result<Tensor> {
    uniform_(&Tensor::empty(&sizes_from(sizes)?, dtype)?, 0.0, 1.0, generator)
}

fn randn_sizes(sizes: &[i64], dtype: DType, generator: Option<&Generator>) -> Result<Tensor> {
    normal_(&Tensor::empty(&sizes_from(sizes)?, dtype)?, 0.0, 1.0, generator)
}

fn empty_like(a: &Args, dtype_at: usize) -> Result<Tensor> {
    let x = a.tensor(0);
    Tensor::empty_dense(x.sizes(), x.layout().dense_like(), a.dtype(dtype_at).unwrap_or(x.dtype()))
}

/// Normal numbers, where means or deviations are tensors. Their gradients are zero: nothing that the
/// draws depend on is differentiated.
fn normal_call(a: &Args) -> Result<Output> {
    let generator = a.generator(2);
    let tensor = |i: usize| a.opt_tensor(i);
    if let Some(std) = tensor(1) {
        if std.dtype().is_complex() {
            bail!(Autograd, "normal expects standard deviation to be non-complex");
        }
        if !reduce::all_nonzero(&table::ge(&std.detached(), 0.0)?)? {
            bail!(Autograd, "normal expects all elements of std >= 0.0");
        }
    }
    let number = |i: usize| a.opt_scalar(i).map_or(0.0, |s| s.to_f64());
    let (mean, std) = (tensor(0), tensor(1));
    let inputs: SmallVec<[&Tensor; 2]> = [mean, std].into_iter().flatten().collect();
    let sizes = match inputs.as_slice() {
        [one] => one.sizes().into(),
        [mean, std] => crate::layout::broadcast(mean.sizes(), std.sizes())?,
        _ => bail!(Type, "normal() of two numbers needs a size"),
    };
    let out = autograd::no_grad(|| {
        let out = Tensor::empty(&sizes, inputs[0].dtype())?;
        let spread = if std.is_some() { 1.0 } else { number(1) };
        normal_(&out, 0.0, spread, generator)?;
        let scaled = match std {
            Some(std) => table::mul(&out, &copy::to_dtype(&std.detached(), real_of(out.dtype()))?)?,
            None => out,
        };
        match mean {
            Some(mean) => crate::ops::arithmetic::add(&scaled, &mean.detached()),
            None => crate::ops::arithmetic::add(&scaled, number(0)),
        }
    })?;
    let dtype = inputs[0].dtype();
    Ok(without_slope(copy::to_dtype(&out, dtype)?, "normal", &inputs).into())
}

fn real_of(dtype: DType) -> DType {
    if dtype.is_complex() { dtype.to_real() } else { dtype }
}

/// On the tape with zero gradients.
pub fn without_slope(out: Tensor, name: &'static str, inputs: &[&Tensor]) -> Tensor {
    if !autograd::needs_grad(inputs) {
        return out;
    }
    let shapes: Vec<(Sizes, DType)> = inputs.iter().map(|t| (t.sizes().into(), t.dtype())).collect();
    autograd::record(out, name, inputs, &[], move |_| {
        shapes.iter().map(|(sizes, dtype)| creation::zeros(sizes, *dtype).map(Some)).collect()
    })
}

pub const OPS: &[Op] = &[
    Op::new("rand(*int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(rand_sizes(a.ints(0), floating(a.dtype(2)), a.generator(1))?.into())
    })
    .doc("Uniform on [0, 1).")
    .no_gradient(),
    Op::new("randn(*int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randn_sizes(a.ints(0), floating(a.dtype(2)), a.generator(1))?.into())
    })
    .doc("Standard normal.")
    .no_gradient(),
    Op::new("randint(int high, int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randint(0, a.int(0), a.ints(1), a.dtype(3).unwrap_or(DType::I64), a.generator(2))?.into())
    })
    .doc("Uniform integers of [low, high).")
    .no_gradient(),
    Op::new("randint(int low, int high, int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randint(a.int(0), a.int(1), a.ints(2), a.dtype(4).unwrap_or(DType::I64), a.generator(3))?.into())
    })
    .no_gradient(),
    Op::new("randperm(int n, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randperm(a.int(0), a.dtype(2).unwrap_or(DType::I64), a.generator(1))?.into())
    })
    .doc("A random order of 0 ... n - 1.")
    .no_gradient(),
    Op::new("rand_like(Tensor input, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(uniform_(&empty_like(a, 2)?, 0.0, 1.0, a.generator(1))?.into())
    })
    .doc("Uniform on [0, 1), with the shape and dtype of input.")
    .no_gradient(),
    Op::new("randn_like(Tensor input, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(normal_(&empty_like(a, 2)?, 0.0, 1.0, a.generator(1))?.into())
    })
    .doc("Standard normal, with the shape and dtype of input.")
    .no_gradient(),
    Op::new("randint_like(Tensor input, int high, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(random_from(&empty_like(a, 3)?, 0, Some(a.int(1)), a.generator(2))?.into())
    })
    .no_gradient(),
    Op::new("randint_like(Tensor input, Tensor high, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        let high = reduce::item(a.tensor(1))?.to_i64();
        Ok(random_from(&empty_like(a, 3)?, 0, Some(high), a.generator(2))?.into())
    })
    .no_gradient(),
    Op::new("randint_like(Tensor input, int low, int high, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(random_from(&empty_like(a, 4)?, a.int(1), Some(a.int(2)), a.generator(3))?.into())
    })
    .doc("Uniform integers of [low, high), with the shape and dtype of input.")
    .no_gradient(),
    Op::new("normal(Tensor mean, Number|Tensor std=1.0, *, Generator? generator=None) -> Tensor", normal_call)
        .no_gradient(),
    Op::new("normal(Scalar mean, Tensor std, *, Generator? generator=None) -> Tensor", normal_call)
        .doc("Normal with the given means and deviations.")
        .no_gradient(),
    Op::new("normal(float mean, float std, int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        let t = Tensor::empty(&sizes_from(a.ints(2))?, floating(a.dtype(4)))?;
        Ok(normal_(&t, a.float(0), a.float(1), a.generator(3))?.into())
    })
    .no_gradient(),
    Op::new("uniform_(Tensor input, float from=0, float to=1, *, Generator? generator=None) -> Tensor", |a| {
        Ok(uniform_(a.tensor(0), a.float(1), a.float(2), a.generator(3))?.into())
    })
    .method_only()
    .doc("Overwritten with uniform numbers of [from, to)."),
    Op::new("normal_(Tensor input, float mean=0, float std=1, *, Generator? generator=None) -> Tensor", |a| {
        Ok(normal_(a.tensor(0), a.float(1), a.float(2), a.generator(3))?.into())
    })
    .method_only()
    .doc("Overwritten with normal numbers."),
    Op::new("random_(Tensor input, *, Generator? generator=None) -> Tensor", |a| {
        Ok(random_(a.tensor(0), a.generator(1))?.into())
    })
    .method_only()
    .doc("Overwritten with integers over the range of the dtype, or of [from, to)."),
    Op::new("random_(Tensor input, int to, *, Generator? generator=None) -> Tensor", |a| {
        Ok(random_from(a.tensor(0), 0, Some(a.int(1)), a.generator(2))?.into())
    })
    .method_only(),
    Op::new("random_(Tensor input, int from, int? to, *, Generator? generator=None) -> Tensor", |a| {
        Ok(random_from(a.tensor(0), a.int(1), a.opt_int(2), a.generator(3))?.into())
    })
    .method_only(),
];
