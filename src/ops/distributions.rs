//! Draws from distributions, in PyTorch's order from PyTorch's stream.

use crate::alloc;
use crate::autograd;
use crate::bail;
use crate::dtype::{Cast, DType};
use crate::error::Result;
use crate::layout::{Show, broadcast};
use crate::ops::cuda::random::{self as gpu, Distribution, Rejection};
use crate::ops::random::{fill_with, in_place, without_slope};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{arithmetic, copy, extreme, parts, reduce, sort, table, view};
use crate::random::{Generator, Mt19937, draw};
use crate::tensor::Tensor;

/// 1 with probability `p`, else 0, in place.
pub fn bernoulli_(t: &Tensor, p: f64, generator: Option<&Generator>) -> Result<Tensor> {
    if t.dtype().is_complex() {
        bail!(Unsupported, "\"bernoulli_scalar_cpu_\" not implemented for '{}'", t.dtype().scalar_name());
    }
    if !(0.0..=1.0).contains(&p) {
        bail!(Autograd, "bernoulli_ expects p to be in [0, 1], but got p={p}");
    }
    if t.device().is_cuda() {
        return in_place(t, |t| gpu::fill(t, Distribution::Bernoulli, [p, 0.0], generator));
    }
    in_place(t, |t| draw(generator, |mt| fill_with(t, || (mt.uniform_f64() < p) as u8)))
}

/// A draw for each probability, in place; `p` is expanded to the tensor.
fn bernoulli_by(t: &Tensor, p: &Tensor, generator: Option<&Generator>) -> Result<Tensor> {
    if t.dtype().is_complex() {
        bail!(
            Unsupported,
            "\"bernoulli_tensor_cpu_self_\" not implemented for '{}'",
            t.dtype().scalar_name()
        );
    }
    if !p.dtype().is_floating() {
        bail!(Unsupported, "\"bernoulli_tensor_cpu_p_\" not implemented for '{}'", p.dtype().scalar_name());
    }
    let p = view::expand_to(&p.detached(), t.sizes())?;
    if t.device().is_cuda() {
        // Out of order by a view: what `p` says of an element has to be where the element is.
        let drawn = Tensor::empty(t.sizes(), t.dtype())?;
        gpu::bernoulli(&drawn, &copy::contiguous(&p)?, generator)?;
        return in_place(t, |t| copy::write(t, &drawn));
    }
    let values = in_memory_order(&p, t)?;
    if let Some(bad) = values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        bail!(Autograd, "Expected p_in >= 0 && p_in <= 1 to be true, but got {bad}");
    }
    let double = p.dtype() == DType::F64;
    let drawn = Tensor::empty_dense(t.sizes(), t.layout().dense_like(), DType::U8)?;
    let mut values = values.into_iter();
    draw(generator, |mt| {
        fill_with(&drawn, || {
            let u = if double { mt.uniform_f64() } else { mt.uniform_f32() as f64 };
            (u < values.next().unwrap_or(0.0)) as u8
        })
    })?;
    in_place(t, |t| copy::write(t, &drawn))
}

/// The elements in the order in which [`fill_with`] visits `like`, a tensor of the same shape.
fn in_memory_order(x: &Tensor, like: &Tensor) -> Result<Vec<f64>> {
    let order = crate::layout::memory_order(like.sizes(), &[like.strides()]);
    let order: Vec<usize> = order.into_iter().rev().collect();
    copy::values(&x.alias(x.layout().permute(&order)))
}

fn bernoulli(p: &Tensor, generator: Option<&Generator>) -> Result<Tensor> {
    let out = Tensor::empty(p.sizes(), p.dtype())?;
    bernoulli_by(&out, p, generator)?;
    Ok(without_slope(out, "bernoulli", &[p]))
}

/// The refusal that distributions of real numbers share.
fn check_continuous(t: &Tensor, distribution: &str, dtype: &str) -> Result<()> {
    if !t.dtype().is_floating() {
        bail!(
            DType,
            "{distribution} distribution is a continuous probability distribution. dtype must be a floating point but you specified {dtype}"
        );
    }
    Ok(())
}

/// One draw of the exponential distribution with rate 1.
fn exponential(mt: &mut Mt19937) -> f64 {
    -(-mt.uniform_f64()).ln_1p()
}

fn exponential_(t: &Tensor, rate: f64, generator: Option<&Generator>) -> Result<Tensor> {
    check_continuous(t, "Exponential", t.dtype().scalar_name())?;
    if rate <= 0.0 || rate.is_nan() {
        bail!(Autograd, "exponential_ expects lambda > 0.0, but found lambda={rate}");
    }
    if t.device().is_cuda() {
        return in_place(t, |t| gpu::fill(t, Distribution::Exponential, [rate, 0.0], generator));
    }
    in_place(t, |t| draw(generator, |mt| fill_with(t, || exponential(mt) / rate)))
}

/// The number of the first success among trials.
fn geometric_(t: &Tensor, p: f64, generator: Option<&Generator>) -> Result<Tensor> {
    if !(p > 0.0 && p < 1.0) {
        bail!(Autograd, "geometric_ expects p to be in (0, 1), but got p={p}");
    }
    if t.dtype() == DType::Bool || t.dtype().is_complex() {
        bail!(Unsupported, "\"geometric_cpu\" not implemented for '{}'", t.dtype().scalar_name());
    }
    if t.device().is_cuda() {
        return in_place(t, |t| gpu::fill(t, Distribution::Geometric, [p, 0.0], generator));
    }
    let scale = (-p).ln_1p();
    in_place(t, |t| draw(generator, |mt| fill_with(t, || (mt.uniform_f64().ln() / scale).ceil())))
}

fn cauchy_(t: &Tensor, median: f64, sigma: f64, generator: Option<&Generator>) -> Result<Tensor> {
    check_continuous(t, "Cauchy", t.dtype().c_name())?;
    if sigma <= 0.0 || sigma.is_nan() {
        bail!(Autograd, "cauchy_ expects sigma > 0.0, but found sigma={sigma}");
    }
    if t.device().is_cuda() {
        return in_place(t, |t| gpu::fill(t, Distribution::Cauchy, [median, sigma], generator));
    }
    in_place(t, |t| {
        draw(generator, |mt| {
            fill_with(t, || {
                let u = mt.uniform_f64().clamp(f64::EPSILON, 1.0 - f64::EPSILON);
                median + sigma * (std::f64::consts::PI * (u - 0.5)).tan()
            })
        })
    })
}

fn log_normal_(t: &Tensor, mean: f64, std: f64, generator: Option<&Generator>) -> Result<Tensor> {
    if std <= 0.0 || std.is_nan() {
        bail!(Autograd, "log_normal_ expects std > 0.0, but found std={std}");
    }
    if !t.dtype().is_floating() {
        bail!(Unsupported, "\"log_normal_cpu\" not implemented for '{}'", t.dtype().scalar_name());
    }
    if t.device().is_cuda() {
        return in_place(t, |t| gpu::fill(t, Distribution::LogNormal, [mean, std], generator));
    }
    in_place(t, |t| draw(generator, |mt| fill_with(t, || (mt.normal_f64() * std + mean).exp())))
}

/// One draw of the Poisson distribution: by transformed rejection (PTRS, Hörmann, 1993) from a mean of 10
/// on, else by multiplying uniforms until they fall below e^-mean (Knuth).
fn poisson_draw(mean: f64, mt: &mut Mt19937) -> f64 {
    if mean == 0.0 {
        return 0.0;
    }
    if mean < 10.0 {
        let limit = (-mean).exp();
        let (mut count, mut product) = (0.0, mt.uniform_f64());
        while product > limit {
            count += 1.0;
            product *= mt.uniform_f64();
        }
        return count;
    }
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let bound = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = mt.uniform_f64() - 0.5;
        let v = mt.uniform_f64();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
        if us >= 0.07 && v <= bound {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let left = v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln();
        // An infinite or undefined mean has no draws to compare with.
        if left <= k * mean.ln() - mean - libm::lgamma(k + 1.0) || !mean.is_finite() {
            return k;
        }
    }
}

/// One draw of the gamma distribution of rate 1, by rejection: Marsaglia and Tsang, "A simple method for
/// generating gamma variables" (2000). NaN where there is no such distribution.
fn gamma_draw(shape: f64, mt: &mut Mt19937) -> f64 {
    // As PyTorch has it, in single precision.
    const THIRD: f64 = (1.0f32 / 3.0) as f64;
    if shape == 0.0 {
        return 0.0;
    }
    if shape.is_nan() || shape < 0.0 {
        return f64::NAN;
    }
    let scale = if shape < 1.0 { (1.0 - mt.uniform_f64()).powf(1.0 / shape) } else { 1.0 };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - THIRD;
    loop {
        let x = mt.normal_f64();
        let y = 1.0 + x / (9.0 * d).sqrt();
        if y <= 0.0 {
            continue;
        }
        let v = y * y * y;
        let u = 1.0 - mt.uniform_f64();
        let square = x * x;
        if u < 1.0 - 0.0331 * square * square || u.ln() < 0.5 * square + d * (1.0 - v + v.ln()) {
            return scale * d * v;
        }
    }
}

/// In double precision, whatever the shapes' dtype.
fn gamma_draws(shapes: &Tensor, name: &str, generator: Option<&Generator>) -> Result<Tensor> {
    if !matches!(shapes.dtype(), DType::F32 | DType::F64) {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", shapes.dtype().scalar_name());
    }
    let out = Tensor::empty(shapes.sizes(), DType::F64)?;
    if shapes.device().is_cuda() {
        gpu::draw_by_rejection(&out, Rejection::Gamma, &shapes.detached(), None, generator)?;
        return Ok(out);
    }
    let mut values = copy::values::<f64>(shapes)?.into_iter();
    draw(generator, |mt| fill_with(&out, || gamma_draw(values.next().unwrap_or(0.0), mt)))?;
    Ok(out)
}

fn poisson(means: &Tensor, generator: Option<&Generator>) -> Result<Tensor> {
    if !means.dtype().is_floating() {
        bail!(Unsupported, "\"poisson_cpu\" not implemented for '{}'", means.dtype().scalar_name());
    }
    if means.device().is_cuda() {
        let out = Tensor::empty(means.sizes(), means.dtype())?;
        gpu::draw_by_rejection(&out, Rejection::Poisson, &means.detached(), None, generator)?;
        return Ok(without_slope(out, "poisson", &[means]));
    }
    let values: Vec<f64> = copy::values(means)?;
    if values.iter().any(|&m| m < 0.0 || m.is_nan()) {
        bail!(Autograd, "invalid Poisson rate, expected rate to be non-negative");
    }
    let out = Tensor::empty(means.sizes(), means.dtype())?;
    let mut values = values.into_iter();
    draw(generator, |mt| fill_with(&out, || poisson_draw(values.next().unwrap_or(0.0), mt)))?;
    Ok(without_slope(out, "poisson", &[means]))
}

/// ln k! - (k + 1/2) ln(k + 1) + (k + 1) - ln(2π) / 2.
fn stirling_tail(k: f64) -> f64 {
    const FIRST: [f64; 10] = [
        0.0810614667953272,
        0.0413406959554092,
        0.0276779256849983,
        0.02079067210376509,
        0.0166446911898211,
        0.0138761288230707,
        0.0118967099458917,
        0.0104112652619720,
        0.00925546218271273,
        0.00833056343336287,
    ];
    if k <= 9.0 {
        return FIRST[k.max(0.0) as usize];
    }
    let square = (k + 1.0) * (k + 1.0);
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0)
}

/// Successes among `count` trials, `p` at most 1/2 and `count * p` at least 10: transformed rejection
/// (BTRS, Hörmann, 1993).
fn binomial_rejection(count: f64, p: f64, mt: &mut Mt19937) -> f64 {
    let deviation = (count * p * (1.0 - p)).sqrt();
    let b = 1.15 + 2.53 * deviation;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let c = count * p + 0.5;
    let bound = 0.92 - 4.2 / b;
    let odds = p / (1.0 - p);
    let alpha = (2.83 + 5.1 / b) * deviation;
    let m = ((count + 1.0) * p).floor();
    loop {
        let u = mt.uniform_f64() - 0.5;
        let v = mt.uniform_f64();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + c).floor();
        if us >= 0.07 && v <= bound {
            return k;
        }
        if k < 0.0 || k > count {
            continue;
        }
        let v = (v * alpha / (a / (us * us) + b)).ln();
        let limit = (m + 0.5) * ((m + 1.0) / (odds * (count - m + 1.0))).ln()
            + (count + 1.0) * ((count - m + 1.0) / (count - k + 1.0)).ln()
            + (k + 0.5) * (odds * (count - k + 1.0) / (k + 1.0)).ln()
            + stirling_tail(m)
            + stirling_tail(count - m)
            - stirling_tail(k)
            - stirling_tail(count - k);
        if v <= limit {
            return k;
        }
    }
}

/// Successes among `count` trials by the gaps between them.
fn binomial_gaps(count: f64, p: f64, mt: &mut Mt19937) -> f64 {
    let scale = (-p).ln_1p();
    let (mut total, mut successes) = (0.0, 0.0);
    loop {
        total += (mt.uniform_f64().ln() / scale).ceil();
        if total > count {
            return successes;
        }
        successes += 1.0;
    }
}

fn binomial_draw(count: f64, p: f64, mt: &mut Mt19937) -> f64 {
    if count.is_nan() || p.is_nan() {
        return f64::NAN;
    }
    if count <= 0.0 || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 || count.is_infinite() {
        return count;
    }
    let few = |p: f64, mt: &mut Mt19937| match count * p >= 10.0 {
        true => binomial_rejection(count, p, mt),
        false => binomial_gaps(count, p, mt),
    };
    if p <= 0.5 { few(p, mt) } else { count - few(1.0 - p, mt) }
}

/// Successes among `count` trials of probability `p` each; the two are broadcast.
fn binomial(count: &Tensor, p: &Tensor, generator: Option<&Generator>) -> Result<Tensor> {
    for (name, t) in [("count", count), ("prob", p)] {
        if !t.dtype().is_floating() {
            bail!(
                Value,
                "binomial only supports floating-point dtypes for {name}, got: {}",
                t.dtype().scalar_name()
            );
        }
    }
    if count.dtype() != p.dtype() {
        bail!(DType, "Found dtype {} but expected {}", p.dtype().scalar_name(), count.dtype().scalar_name());
    }
    let sizes = broadcast(count.sizes(), p.sizes())?;
    if count.device().is_cuda() {
        let out = Tensor::empty(&sizes, count.dtype())?;
        let [trials, each] = [count, p].map(|t| view::expand_to(&t.detached(), &sizes));
        gpu::draw_by_rejection(&out, Rejection::Binomial, &trials?, Some(&each?), generator)?;
        return Ok(without_slope(out, "binomial", &[count, p]));
    }
    let values = |t: &Tensor| copy::values::<f64>(&view::expand_to(&t.detached(), &sizes)?);
    let mut pairs = values(count)?.into_iter().zip(values(p)?);
    let out = Tensor::empty(&sizes, count.dtype())?;
    draw(generator, |mt| {
        fill_with(&out, || {
            let (count, p) = pairs.next().unwrap_or_default();
            binomial_draw(count, p, mt)
        })
    })?;
    Ok(without_slope(out, "binomial", &[count, p]))
}

/// A number in the dtype's precision.
fn rounded(x: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F64 => x,
        DType::F16 => Cast::<half::f16>::cast(x as f32).to_f64(),
        DType::BF16 => Cast::<half::bf16>::cast(x as f32).to_f64(),
        _ => x as f32 as f64,
    }
}

/// Rows of indices drawn by weight.
fn multinomial(p: &Tensor, count: i64, replacement: bool, generator: Option<&Generator>) -> Result<Tensor> {
    if p.ndim() == 0 || p.ndim() > 2 {
        bail!(Autograd, "prob_dist must be 1 or 2 dim, but got a tensor of shape {}", Show(p.sizes()));
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
    if !replacement && count as u64 > classes as u64 {
        bail!(Autograd, "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    }
    if classes > 1 << 24 {
        bail!(Autograd, "number of categories cannot exceed 2^24");
    }
    let rows = if p.ndim() == 2 { p.size(0) } else { 1 };
    if classes == 0 && rows > 0 {
        bail!(Autograd, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
    if p.device().is_cuda() {
        return autograd::no_grad(|| {
            multinomial_on_gpu(&p.detached(), count as usize, replacement, generator)
        });
    }
    let weights: Vec<f64> = copy::values(p)?;
    if let Some(bad) = weights.iter().find(|w| !w.is_finite() || **w < 0.0) {
        if replacement && count > 1 {
            bail!(
                Autograd,
                "invalid multinomial distribution (encountering probability entry < 0, infinite or NaN: {bad})"
            );
        }
        bail!(Autograd, "probability tensor contains either `inf`, `nan` or element < 0");
    }
    if weights.chunks(classes.max(1)).any(|row| row.iter().all(|w| *w == 0.0)) {
        bail!(Autograd, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
    let drawn = count as usize;
    let mut out: Vec<i64> = alloc::vec_for(rows.saturating_mul(drawn))?;
    draw(generator, |mt| {
        for row in weights.chunks(classes.max(1)) {
            if !replacement || drawn == 1 {
                draw_without_replacement(row, drawn, p.dtype(), mt, &mut out);
            } else {
                draw_with_replacement(row, drawn, p.dtype(), mt, &mut out);
            }
        }
        Ok(())
    })?;
    let sizes: &[usize] = if p.ndim() == 2 { &[rows, drawn] } else { &[drawn] };
    Tensor::from_slice(&out, sizes)
}

fn multinomial_on_gpu(
    p: &Tensor,
    count: usize,
    replacement: bool,
    generator: Option<&Generator>,
) -> Result<Tensor> {
    // NaN is neither.
    let proper =
        reduce::all_nonzero(&table::ge(p, 0.0)?)? && reduce::all_nonzero(&table::lt(p, f64::INFINITY)?)?;
    if !proper {
        bail!(Autograd, "probability tensor contains either `inf`, `nan` or element < 0");
    }
    if !reduce::all_nonzero(&reduce::sum(p, Some(&[-1]), false, Some(DType::F64))?)? {
        bail!(Autograd, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
    if replacement && count > 1 {
        let rows = if p.ndim() == 1 { view::unsqueeze(p, 0)? } else { p.clone() };
        let drawn = gpu::draw_columns(&rows, count, generator)?;
        return if p.ndim() == 1 { view::reshape(&drawn, &[count as i64]) } else { Ok(drawn) };
    }
    // As on the CPU: the largest of weight / exponential.
    let scores = Tensor::empty(p.sizes(), p.dtype())?;
    gpu::fill(&scores, Distribution::Exponential, [1.0, 0.0], generator)?;
    let scores = arithmetic::div(p, &scores)?;
    if count == 1 {
        return extreme::argmax(&scores, Some(-1), true);
    }
    copy::contiguous(&parts::narrow(&sort::sort(&scores, -1, true)?.1, -1, 0, count as i64)?)
}

/// The largest of weight / exponential are a draw without replacement.
fn draw_without_replacement(row: &[f64], count: usize, dtype: DType, mt: &mut Mt19937, out: &mut Vec<i64>) {
    let mut scores: Vec<(f64, i64)> = row
        .iter()
        .enumerate()
        .map(|(i, w)| (rounded(w / rounded(exponential(mt), dtype), dtype), i as i64))
        .collect();
    let largest_first = |a: &(f64, i64), b: &(f64, i64)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if count < scores.len() {
        scores.select_nth_unstable_by(count, largest_first);
        scores.truncate(count);
    }
    scores.sort_unstable_by(largest_first);
    out.extend(scores.iter().map(|s| s.1));
}

/// Uniforms looked up in the cumulative sum, which has the dtype's precision (float32 for halves).
fn draw_with_replacement(row: &[f64], count: usize, dtype: DType, mt: &mut Mt19937, out: &mut Vec<i64>) {
    let dtype = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let mut cumulative: Vec<f64> = row
        .iter()
        .scan(0.0, |sum, w| {
            *sum = rounded(*sum + w, dtype);
            Some(*sum)
        })
        .collect();
    let total = cumulative[row.len() - 1];
    cumulative.iter_mut().for_each(|c| *c = rounded(*c / total, dtype));
    cumulative[row.len() - 1] = 1.0;
    for _ in 0..count {
        let u = mt.uniform_f64();
        out.push(cumulative.partition_point(|c| *c < u).min(row.len() - 1) as i64);
    }
}

/// The given p in a tensor of the input's shape and dtype: what `input` holds plays no part.
fn bernoulli_like(a: &Args) -> Result<Output> {
    let x = a.tensor(0);
    let out = Tensor::empty_dense(x.sizes(), x.layout().dense_like(), x.dtype())?;
    bernoulli_(&out, a.float(1), a.generator(2))?;
    Ok(without_slope(out, "bernoulli", &[x]).into())
}

pub const OPS: &[Op] = &[
    Op::new("bernoulli(Tensor input, *, Generator? generator=None) -> Tensor", |a| {
        Ok(bernoulli(a.tensor(0), a.generator(1))?.into())
    })
    .method()
    .doc("1 with the probability that the element says, else 0.")
    .no_gradient(),
    Op::new("bernoulli(Tensor input, float p, *, Generator? generator=None) -> Tensor", bernoulli_like)
        .method()
        .no_gradient(),
    Op::new("bernoulli_(Tensor input, Tensor p, *, Generator? generator=None) -> Tensor", |a| {
        Ok(bernoulli_by(a.tensor(0), a.tensor(1), a.generator(2))?.into())
    })
    .method_only()
    .doc("Overwritten with 1 (probability p, a number or one an element) and 0."),
    Op::new("bernoulli_(Tensor input, float p=0.5, *, Generator? generator=None) -> Tensor", |a| {
        Ok(bernoulli_(a.tensor(0), a.float(1), a.generator(2))?.into())
    })
    .method_only(),
    Op::new("exponential_(Tensor input, float lambd=1, *, Generator? generator=None) -> Tensor", |a| {
        Ok(exponential_(a.tensor(0), a.float(1), a.generator(2))?.into())
    })
    .method_only()
    .doc("Overwritten with exponential numbers of rate lambd."),
    Op::new("geometric_(Tensor input, float p, *, Generator? generator=None) -> Tensor", |a| {
        Ok(geometric_(a.tensor(0), a.float(1), a.generator(2))?.into())
    })
    .method_only()
    .doc("Overwritten with the numbers of trials up to the first success of probability p."),
    Op::new("cauchy_(Tensor input, float median=0, float sigma=1, *, Generator? generator=None) -> Tensor", |a| {
        Ok(cauchy_(a.tensor(0), a.float(1), a.float(2), a.generator(3))?.into())
    })
    .method_only()
    .doc("Overwritten with numbers of the Cauchy distribution."),
    Op::new("log_normal_(Tensor input, float mean=1, float std=2, *, Generator? generator=None) -> Tensor", |a| {
        Ok(log_normal_(a.tensor(0), a.float(1), a.float(2), a.generator(3))?.into())
    })
    .method_only()
    .doc("Overwritten with numbers whose logarithms are normal."),
    Op::new("poisson(Tensor input, Generator? generator=None) -> Tensor", |a| {
        Ok(poisson(a.tensor(0), a.generator(1))?.into())
    })
    .doc("A count of the Poisson distribution for each mean.")
    .no_gradient(),
    Op::new("_gamma_draws(Tensor concentration, str name, Generator? generator=None) -> Tensor", |a| {
        Ok(gamma_draws(a.tensor(0), a.str(1).unwrap_or_default(), a.generator(2))?.into())
    })
    .doc("Numbers of the gamma distribution of rate 1 in double precision; `name` is who refuses other dtypes.")
    .no_gradient(),
    Op::new("binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor", |a| {
        Ok(binomial(a.tensor(0), a.tensor(1), a.generator(2))?.into())
    })
    .doc("Successes among count trials of probability prob each.")
    .no_gradient(),
    Op::new("multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor", |a| {
        Ok(multinomial(a.tensor(0), a.int(1), a.bool(2), a.generator(3))?.into())
    })
    .method()
    .doc("Indices drawn by weight.")
    .no_gradient(),
];
