//! Random tensors, drawn in PyTorch's order from PyTorch's stream.

use smallvec::{SmallVec, smallvec};

use crate::alloc;
use crate::autograd::{self, inplace};
use crate::bail;
use crate::dtype::{Cast, DType, Element};
use crate::error::Result;
use crate::layout::{memory_order, sizes_from};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, reduce, table};
use crate::random::{Generator, Mt19937};
use crate::scalar::default_dtype;
use crate::tensor::Tensor;

/// Fills with `draw`, element by element in the order of memory; no tape.
fn fill_with<T: Element>(t: &Tensor, mut draw: impl FnMut() -> T) -> Result<()> {
    let inner_first = memory_order(t.sizes(), &[t.strides()]);
    let order: SmallVec<[usize; 6]> = inner_first.into_iter().rev().collect();
    let t = &t.alias(t.layout().permute(&order));
    let dense = if t.is_contiguous() { t.clone() } else { Tensor::empty(t.sizes(), t.dtype())? };
    for i in 0..dense.numel() {
        let value = draw();
        crate::dispatch!(t.dtype(), D => {
            // SAFETY: contiguous with that many elements of D.
            unsafe { dense.ptr().cast::<D>().add(i).write_unaligned(value.cast()) };
        });
    }
    if dense.is(t) { Ok(()) } else { copy::write(t, &dense) }
}

fn fill_uniform(t: &Tensor, low: f64, high: f64, mt: &mut Mt19937) -> Result<()> {
    if t.dtype() == DType::F64 {
        return fill_with(t, || below(mt.uniform_f64() * (high - low) + low, low, high));
    }
    // Half precision rounds more of the draws up to `high`.
    let rounded = |x: f32| -> f32 {
        match t.dtype() {
            DType::F16 => Cast::<half::f16>::cast(x).cast(),
            DType::BF16 => Cast::<half::bf16>::cast(x).cast(),
            _ => x,
        }
    };
    let (low, high) = (low as f32, high as f32);
    fill_with(t, || below(rounded(mt.uniform_f32() * (high - low) + low), low, rounded(high)))
}

/// A draw that was rounded up to `high` counts as `low`, as in PyTorch.
fn below<T: PartialEq>(x: T, low: T, high: T) -> T {
    if x == high { low } else { x }
}

/// Uniform on [low, high), in place.
pub fn uniform_(t: &Tensor, low: f64, high: f64, generator: &Generator) -> Result<Tensor> {
    if !t.dtype().is_floating() {
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
    in_place(t, |t| generator.with(|mt| fill_uniform(t, low, high, mt)))
}

/// Runs a filler with the checks of an operation in place. Returns the tensor.
fn in_place(t: &Tensor, fill: impl FnOnce(&Tensor) -> Result<()>) -> Result<Tensor> {
    inplace::check(t, false)?;
    fill(t)?;
    inplace::rebase(t, None);
    Ok(t.clone())
}

/// Box-Muller over a block of 16: the first eight uniforms give the radii, the last eight the angles.
fn normal_block_f32(block: &mut [f32], mean: f32, std: f32) {
    for j in 0..8 {
        let (u1, u2) = (1.0 - block[j], block[j + 8]);
        let radius = (-2.0 * u1.ln()).sqrt();
        let angle = 2.0 * std::f32::consts::PI * u2;
        block[j] = radius * angle.cos() * std + mean;
        block[j + 8] = radius * angle.sin() * std + mean;
    }
}

fn normal_block_f64(block: &mut [f64], mean: f64, std: f64) {
    for j in 0..8 {
        let (u1, u2) = (1.0 - block[j], block[j + 8]);
        let radius = (-2.0 * u1.ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * u2;
        block[j] = radius * angle.cos() * std + mean;
        block[j + 8] = radius * angle.sin() * std + mean;
    }
}

/// 16 elements or more: uniforms first, then blocks of 16; a short last block is drawn anew.
fn normal_values<T: Copy + Default>(
    n: usize,
    mut uniform: impl FnMut() -> T,
    mut block: impl FnMut(&mut [T]),
) -> Result<Vec<T>> {
    let mut values = alloc::vec_for(n)?;
    values.extend((0..n).map(|_| uniform()));
    let whole = n - n % 16;
    values[..whole].chunks_exact_mut(16).for_each(&mut block);
    if whole < n {
        let tail = &mut values[n - 16..];
        tail.iter_mut().for_each(|v| *v = uniform());
        block(tail);
    }
    Ok(values)
}

fn fill_normal(t: &Tensor, mean: f64, std: f64, mt: &mut Mt19937) -> Result<()> {
    let n = t.numel();
    if n < 16 || !t.is_contiguous() {
        return fill_with(t, || mt.normal_f64() * std + mean);
    }
    if t.dtype() == DType::F64 {
        let values = normal_values(n, || mt.uniform_f64(), |b| normal_block_f64(b, mean, std))?;
        let mut values = values.into_iter();
        return fill_with(t, || values.next().unwrap_or_default());
    }
    let (mean, std) = (mean as f32, std as f32);
    let values = normal_values(n, || mt.uniform_f32(), |b| normal_block_f32(b, mean, std))?;
    let mut values = values.into_iter();
    fill_with(t, || values.next().unwrap_or_default())
}

/// Normal with the given mean and deviation, in place.
pub fn normal_(t: &Tensor, mean: f64, std: f64, generator: &Generator) -> Result<Tensor> {
    if !t.dtype().is_floating() {
        bail!(Unsupported, "\"normal_kernel_cpu\" not implemented for '{}'", t.dtype().scalar_name());
    }
    if std < 0.0 || std.is_nan() {
        bail!(Autograd, "normal expects std >= 0.0, but found std {std}");
    }
    in_place(t, |t| generator.with(|mt| fill_normal(t, mean, std, mt)))
}

/// Integers of [low, high).
fn fill_integers(t: &Tensor, low: i64, high: i64, mt: &mut Mt19937) -> Result<()> {
    let range = high.wrapping_sub(low) as u64;
    if range >= 1 << 28 {
        return fill_with(t, || (mt.random64() % range).wrapping_add(low as u64) as i64);
    }
    fill_with(t, || (mt.random() as u64 % range).wrapping_add(low as u64) as i64)
}

fn randint(low: i64, high: i64, sizes: &[i64], dtype: DType, generator: &Generator) -> Result<Tensor> {
    if low >= high {
        bail!(Autograd, "random_ expects 'from' to be less than 'to', but got from={low} >= to={high}");
    }
    check_integer_range(low, high, dtype)?;
    let t = Tensor::empty(&sizes_from(sizes)?, dtype)?;
    generator.with(|mt| fill_integers(&t, low, high, mt))?;
    Ok(t)
}

fn check_integer_range(low: i64, high: i64, dtype: DType) -> Result<()> {
    let (min, max) = match dtype {
        DType::Bool => (0, 1),
        DType::U8 => (0, u8::MAX as i64),
        DType::I8 => (i8::MIN as i64, i8::MAX as i64),
        DType::I16 => (i16::MIN as i64, i16::MAX as i64),
        DType::I32 => (i32::MIN as i64, i32::MAX as i64),
        _ => return Ok(()),
    };
    if low < min || low > max {
        bail!(Autograd, "from is out of bounds for {}", dtype.c_name());
    }
    if high - 1 > max {
        bail!(Autograd, "to - 1 is out of bounds for {}", dtype.c_name());
    }
    Ok(())
}

/// The largest value that `random_()` without arguments draws for a dtype.
fn random_(t: &Tensor, range: Option<(i64, i64)>, generator: &Generator) -> Result<Tensor> {
    if let Some((low, high)) = range {
        if low >= high {
            bail!(Autograd, "random_ expects 'from' to be less than 'to', but got from={low} >= to={high}");
        }
        check_integer_range(low, high, t.dtype())?;
        return in_place(t, |t| generator.with(|mt| fill_integers(t, low, high, mt)));
    }
    in_place(t, |t| {
        generator.with(|mt| match t.dtype() {
            DType::I64 => fill_with(t, || (mt.random64() & (i64::MAX as u64)) as i64),
            DType::F64 => fill_with(t, || (mt.random64() % ((1 << 53) + 1)) as i64),
            DType::F32 => fill_with(t, || (mt.random() as u64 % ((1 << 24) + 1)) as i64),
            DType::F16 => fill_with(t, || (mt.random() as u64 % ((1 << 11) + 1)) as i64),
            DType::BF16 => fill_with(t, || (mt.random() as u64 % ((1 << 8) + 1)) as i64),
            DType::Bool => fill_with(t, || (mt.random() & 1) as i64),
            DType::U8 => fill_with(t, || (mt.random() as u64 % (u8::MAX as u64 + 1)) as i64),
            DType::I8 => fill_with(t, || (mt.random() as u64 % (i8::MAX as u64 + 1)) as i64),
            DType::I16 => fill_with(t, || (mt.random() as u64 % (i16::MAX as u64 + 1)) as i64),
            DType::I32 => fill_with(t, || (mt.random() as u64 % (i32::MAX as u64 + 1)) as i64),
            DType::C64 | DType::C128 => {
                bail!(Unsupported, "\"random_\" not implemented for '{}'", t.dtype().scalar_name())
            }
        })
    })
}

fn randperm(n: i64, dtype: DType, generator: &Generator) -> Result<Tensor> {
    if n < 0 {
        bail!(Autograd, "n must be non-negative, got{n}");
    }
    let t = Tensor::empty(&[n as usize], DType::I64)?;
    // SAFETY: the storage is fresh and contiguous with n elements.
    let values = unsafe { std::slice::from_raw_parts_mut(t.ptr().cast::<i64>(), n as usize) };
    values.iter_mut().enumerate().for_each(|(i, v)| *v = i as i64);
    generator.with(|mt| {
        for i in 0..values.len().saturating_sub(1) {
            let j = i + (mt.random() as usize % (values.len() - i));
            values.swap(i, j);
        }
    });
    copy::to_dtype(&t, dtype)
}

/// 1 with probability `p`, else 0, in place.
fn bernoulli_fill(t: &Tensor, p: f64, generator: &Generator) -> Result<()> {
    generator.with(|mt| fill_with(t, || (mt.uniform_f64() < p) as i64))
}

fn check_probability(p: f64, name: &str) -> Result<()> {
    if !(0.0..=1.0).contains(&p) {
        bail!(Autograd, "{name} expects p to be in [0, 1], but got p={p}");
    }
    Ok(())
}

/// A draw for each probability.
fn bernoulli(p: &Tensor, generator: &Generator) -> Result<Tensor> {
    if !p.dtype().is_floating() {
        bail!(Unsupported, "\"bernoulli_tensor_cpu_p_\" not implemented for '{}'", p.dtype().scalar_name());
    }
    let probabilities: Vec<f64> = copy::values(p)?;
    if let Some(bad) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        bail!(Autograd, "Expected p_in >= 0 && p_in <= 1 to be true, but got {bad}");
    }
    let out = Tensor::empty(p.sizes(), p.dtype())?;
    let mut p = probabilities.into_iter();
    generator.with(|mt| fill_with(&out, || (mt.uniform_f64() < p.next().unwrap_or(0.0)) as i64))?;
    Ok(out)
}

/// Zeroes elements with probability `p` and scales the rest by 1 / (1 - p), while training.
pub fn dropout(x: &Tensor, p: f64, train: bool) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&p) {
        bail!(Value, "dropout probability has to be between 0 and 1, but got {p}");
    }
    if !train || p == 0.0 || x.numel() == 0 {
        return Ok(x.clone());
    }
    if p == 1.0 {
        return table::mul(x, 0.0);
    }
    if !x.dtype().is_differentiable() {
        bail!(
            DType,
            "result type Float can't be cast to the desired output type {}",
            x.dtype().scalar_name()
        );
    }
    let mask = Tensor::empty(x.sizes(), DType::Bool)?;
    bernoulli_fill(&mask, 1.0 - p, Generator::default_generator())?;
    let scale = 1.0 / (1.0 - p);
    let out = autograd::no_grad(|| table::mul(&table::mul(&x.detached(), &mask)?, scale))?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "NativeDropoutBackward0", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(table::mul(&table::mul(g, &mask)?, scale)?)])
    }))
}

/// Rows of indices drawn by weight.
fn multinomial(p: &Tensor, count: i64, replacement: bool, generator: &Generator) -> Result<Tensor> {
    if p.ndim() == 0 || p.ndim() > 2 {
        bail!(Autograd, "prob_dist must be 1 or 2 dim");
    }
    if !p.dtype().is_floating() {
        bail!(
            Autograd,
            "multinomial only supports floating-point dtypes for input, got: {}",
            p.dtype().scalar_name()
        );
    }
    let classes = p.size(p.ndim() - 1);
    if count <= 0 {
        bail!(Autograd, "cannot sample n_sample <= 0 samples");
    }
    if !replacement && count as usize > classes {
        bail!(Autograd, "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    }
    let weights: Vec<f64> = copy::values(p)?;
    if weights.iter().any(|w| !w.is_finite() || *w < 0.0) {
        bail!(Autograd, "probability tensor contains either `inf`, `nan` or element < 0");
    }
    let rows = if p.ndim() == 2 { p.size(0) } else { 1 };
    let single = p.dtype() == DType::F32;
    let mut out: Vec<i64> = alloc::vec_for(rows.saturating_mul(count as usize))?;
    for row in weights.chunks(classes.max(1)).take(rows) {
        let positive = row.iter().filter(|w| **w > 0.0).count();
        if positive == 0 {
            bail!(Autograd, "invalid multinomial distribution (sum of probabilities <= 0)");
        }
        if !replacement && positive < count as usize {
            bail!(
                Autograd,
                "invalid multinomial distribution (with replacement=False, not enough non-negative category to sample)"
            );
        }
        generator.with(|mt| {
            if !replacement || count == 1 {
                // The largest of weight / exponential are a draw without replacement.
                let mut scores: Vec<(f64, i64)> = row
                    .iter()
                    .enumerate()
                    .map(|(i, w)| {
                        let e = -(-mt.uniform_f64()).ln_1p();
                        let score = if single { (*w as f32 / e as f32) as f64 } else { w / e };
                        (score, i as i64)
                    })
                    .collect();
                scores.sort_by(|a, b| b.0.total_cmp(&a.0));
                out.extend(scores[..count as usize].iter().map(|s| s.1));
            } else {
                let total: f64 = row.iter().sum();
                let cumulative: Vec<f64> = row
                    .iter()
                    .scan(0.0, |acc, w| {
                        *acc += w;
                        Some(*acc / total)
                    })
                    .collect();
                for _ in 0..count {
                    let u = mt.uniform_f64();
                    let at = cumulative.partition_point(|c| *c < u).min(classes - 1);
                    out.push(at as i64);
                }
            }
        });
    }
    let sizes: &[usize] = if p.ndim() == 2 { &[rows, count as usize] } else { &[count as usize] };
    Tensor::from_slice(&out, sizes)
}

fn generator_of<'a>(a: &'a Args, i: usize) -> &'a Generator {
    a.generator(i).unwrap_or_else(|| Generator::default_generator())
}

fn floating(dtype: Option<DType>) -> DType {
    dtype.unwrap_or_else(default_dtype)
}

fn rand_sizes(sizes: &[i64], dtype: DType, generator: &Generator) -> Result<Tensor> {
    uniform_(&Tensor::empty(&sizes_from(sizes)?, dtype)?, 0.0, 1.0, generator)
}

fn randn_sizes(sizes: &[i64], dtype: DType, generator: &Generator) -> Result<Tensor> {
    normal_(&Tensor::empty(&sizes_from(sizes)?, dtype)?, 0.0, 1.0, generator)
}

fn empty_like(a: &Args, dtype_at: usize) -> Result<Tensor> {
    let x = a.tensor(0);
    Tensor::empty_dense(x.sizes(), x.layout().dense_like(), a.dtype(dtype_at).unwrap_or(x.dtype()))
}

fn normal_call(a: &Args) -> Result<Output> {
    let generator = generator_of(a, 2);
    let (mean, std) = ((&a.0[0]).into(), (&a.0[1]).into());
    let as_tensor = |arg: crate::ops::pointwise::Arg| arg.tensor().cloned();
    let shape = match (as_tensor(mean), as_tensor(std)) {
        (Some(m), Some(s)) => crate::layout::broadcast(m.sizes(), s.sizes())?,
        (Some(t), None) | (None, Some(t)) => t.sizes().into(),
        (None, None) => bail!(Type, "normal() of two numbers needs a size"),
    };
    let dtype = as_tensor(mean).or(as_tensor(std)).map_or(DType::F32, |t| t.dtype());
    if let Some(s) = as_tensor(std)
        && !reduce::all_nonzero(&table::ge(&s.detached(), 0.0)?)?
    {
        bail!(Autograd, "normal expects all elements of std >= 0.0");
    }
    let noise = normal_(&Tensor::empty(&shape, dtype)?, 0.0, 1.0, generator)?;
    let scaled = table::mul(&noise, std)?;
    Ok(crate::ops::arithmetic::add(&scaled, mean)?.into())
}

pub const OPS: &[Op] = &[
    Op::new("rand(*int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(rand_sizes(a.ints(0), floating(a.dtype(2)), generator_of(a, 1))?.into())
    })
    .doc("Uniform on [0, 1).")
    .no_gradient(),
    Op::new("randn(*int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randn_sizes(a.ints(0), floating(a.dtype(2)), generator_of(a, 1))?.into())
    })
    .doc("Standard normal.")
    .no_gradient(),
    Op::new("randint(int high, int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randint(0, a.int(0), a.ints(1), a.dtype(3).unwrap_or(DType::I64), generator_of(a, 2))?.into())
    })
    .doc("Uniform integers of [low, high).")
    .no_gradient(),
    Op::new("randint(int low, int high, int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randint(a.int(0), a.int(1), a.ints(2), a.dtype(4).unwrap_or(DType::I64), generator_of(a, 3))?.into())
    })
    .no_gradient(),
    Op::new("randperm(int n, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        Ok(randperm(a.int(0), a.dtype(2).unwrap_or(DType::I64), generator_of(a, 1))?.into())
    })
    .doc("A random order of 0 ... n - 1.")
    .no_gradient(),
    Op::new("rand_like(Tensor input, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(uniform_(&empty_like(a, 2)?, 0.0, 1.0, generator_of(a, 1))?.into())
    })
    .doc("Uniform on [0, 1), with the shape and dtype of input.")
    .no_gradient(),
    Op::new("randn_like(Tensor input, *, Generator? generator=None, ScalarType? dtype=None, MemoryFormat? memory_format=None) -> Tensor", |a| {
        Ok(normal_(&empty_like(a, 2)?, 0.0, 1.0, generator_of(a, 1))?.into())
    })
    .doc("Standard normal, with the shape and dtype of input.")
    .no_gradient(),
    Op::new("randint_like(Tensor input, int high, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        let t = empty_like(a, 3)?;
        Ok(random_(&t, Some((0, a.int(1))), generator_of(a, 2))?.into())
    })
    .no_gradient(),
    Op::new("randint_like(Tensor input, int low, int high, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        let t = empty_like(a, 4)?;
        Ok(random_(&t, Some((a.int(1), a.int(2))), generator_of(a, 3))?.into())
    })
    .doc("Uniform integers of [low, high), with the shape and dtype of input.")
    .no_gradient(),
    Op::new("normal(Number|Tensor mean, Number|Tensor std=1.0, *, Generator? generator=None) -> Tensor", normal_call)
        .doc("Normal with the given means and deviations.")
        .no_gradient(),
    Op::new("normal(float mean, float std, int[] size, *, Generator? generator=None, ScalarType? dtype=None) -> Tensor", |a| {
        let t = Tensor::empty(&sizes_from(a.ints(2))?, floating(a.dtype(4)))?;
        Ok(normal_(&t, a.float(0), a.float(1), generator_of(a, 3))?.into())
    })
    .no_gradient(),
    Op::new("uniform_(Tensor input, float from=0, float to=1, *, Generator? generator=None) -> Tensor", |a| {
        Ok(uniform_(a.tensor(0), a.float(1), a.float(2), generator_of(a, 3))?.into())
    })
    .method_only()
    .doc("Overwritten with uniform numbers of [from, to)."),
    Op::new("normal_(Tensor input, float mean=0, float std=1, *, Generator? generator=None) -> Tensor", |a| {
        Ok(normal_(a.tensor(0), a.float(1), a.float(2), generator_of(a, 3))?.into())
    })
    .method_only()
    .doc("Overwritten with normal numbers."),
    Op::new("random_(Tensor input, *, Generator? generator=None) -> Tensor", |a| {
        Ok(random_(a.tensor(0), None, generator_of(a, 1))?.into())
    })
    .method_only()
    .doc("Overwritten with integers over the range of the dtype, or of [from, to)."),
    Op::new("random_(Tensor input, int to, *, Generator? generator=None) -> Tensor", |a| {
        Ok(random_(a.tensor(0), Some((0, a.int(1))), generator_of(a, 2))?.into())
    })
    .method_only(),
    Op::new("random_(Tensor input, int from, int to, *, Generator? generator=None) -> Tensor", |a| {
        Ok(random_(a.tensor(0), Some((a.int(1), a.int(2))), generator_of(a, 3))?.into())
    })
    .method_only(),
    Op::new("exponential_(Tensor input, float lambd=1, *, Generator? generator=None) -> Tensor", |a| {
        let (t, rate) = (a.tensor(0), a.float(1));
        if !t.dtype().is_floating() {
            bail!(DType, "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you specified {}", t.dtype().scalar_name());
        }
        if rate <= 0.0 || rate.is_nan() {
            bail!(Autograd, "exponential_ expects lambda > 0.0, but found lambda={rate}");
        }
        let fill = |t: &Tensor| generator_of(a, 2).with(|mt| fill_with(t, || -(-mt.uniform_f64()).ln_1p() / rate));
        Ok(in_place(t, fill)?.into())
    })
    .method_only()
    .doc("Overwritten with exponential numbers."),
    Op::new("bernoulli_(Tensor input, float p=0.5, *, Generator? generator=None) -> Tensor", |a| {
        check_probability(a.float(1), "bernoulli_")?;
        Ok(in_place(a.tensor(0), |t| bernoulli_fill(t, a.float(1), generator_of(a, 2)))?.into())
    })
    .method_only()
    .doc("Overwritten with 1 (probability p) and 0."),
    Op::new("bernoulli(Tensor input, *, Generator? generator=None) -> Tensor", |a| {
        Ok(bernoulli(a.tensor(0), generator_of(a, 1))?.into())
    })
    .method()
    .doc("1 with the probability that the element says, else 0.")
    .no_gradient(),
    Op::new("multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor", |a| {
        Ok(multinomial(a.tensor(0), a.int(1), a.bool(2), generator_of(a, 3))?.into())
    })
    .method()
    .doc("Indices drawn by weight.")
    .no_gradient(),
    Op::new("dropout(Tensor input, float p=0.5, bool train=True) -> Tensor", |a| {
        Ok(dropout(a.tensor(0), a.float(1), a.bool(2))?.into())
    })
    .inplace()
    .doc("Zeroes elements with probability p and scales the rest, while training.")
    .samples("t(3, 4), 0.5, False | t(3, 4), 0.0, True"),
];
