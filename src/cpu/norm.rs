//! Batch normalisation of `(n, c, l)` tensors: forward and backward, in training and evaluation.
//!
//! A channel at a time, so that its second and third sweep come out of the cache: mean, then the
//! variance around it (two sweeps, as exact as the type allows), then the output. The sums of a
//! row are in vectors of the type, those of a channel in f64. With `l = 1` (rows of features) a
//! vector holds neighbouring channels instead.

use super::par;
use super::simd::{Element, Kernel, Simd, level};
use num_traits::Float;
use std::ops::Range;

/// What batch normalisation computes with: f32 and f64.
pub trait Real: Element + Float {}
impl Real for f32 {}
impl Real for f64 {}

/// Sizes: batch, channels, everything after the channels.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormShape {
    pub n: usize,
    pub c: usize,
    pub l: usize,
}

/// Mean and 1/deviation of each channel, as the forward used them.
#[derive(Clone, Copy)]
pub enum Statistics<T> {
    /// Of this batch, from [`batch_norm_train`]: the gradient flows through them.
    Batch { mean: *const T, invstd: *const T },
    /// Running averages: constants.
    Running { mean: *const T, var: *const T, eps: f64 },
}

// SAFETY: the pointers are read only, by functions whose callers vouch for them.
unsafe impl<T: Sync> Sync for Statistics<T> {}

/// What [`batch_norm_train`] writes; each has `c` elements.
#[derive(Clone, Copy)]
pub struct SavedStatistics<T> {
    pub mean: *mut T,
    pub invstd: *mut T,
    /// Biased variance, for the caller's running averages; may be null.
    pub var: *mut T,
}

/// The gradients that are wanted; null where not.
#[derive(Clone, Copy)]
pub struct Gradients<T> {
    pub x: *mut T,
    pub weight: *mut T,
    pub bias: *mut T,
}

/// Arguments that the threads of a region share.
struct Call<A>(A);
// SAFETY: channels are disjoint, and every thread writes only those it claimed.
unsafe impl<A> Sync for Call<A> {}

/// Runs `f` over all channels in parts.
fn over_channels(shape: BatchNormShape, f: impl Fn(Range<usize>) + Sync) {
    let chunks = par::chunks_for((shape.n * shape.c * shape.l) as f64 * 0.5, shape.c);
    let mut grain = shape.c.div_ceil(chunks).max(1);
    if shape.l == 1 && chunks > 1 {
        // Whole cache lines.
        grain = grain.next_multiple_of(16);
    }
    par::for_range(shape.c, grain, &f);
}

fn value<T: Real>(p: *const T, channel: usize, default: T) -> T {
    // SAFETY: null or `c` elements, by the promise of the functions that call this.
    if p.is_null() { default } else { unsafe { *p.add(channel) } }
}

fn put<T>(p: *mut T, channel: usize, v: T) {
    if !p.is_null() {
        // SAFETY: `c` elements, by the promise of the functions that call this.
        unsafe { p.add(channel).write(v) }
    }
}

fn real<T: Real>(x: f64) -> T {
    T::from(x).unwrap_or_else(T::nan)
}

/// Sums over a row: two terms of each element, given as `term(i)` for a vector and a single one.
#[inline(always)]
fn sums<T: Real, S: Simd<T>>(
    s: S,
    len: usize,
    vector: impl Fn(usize) -> [S::Vector; 2],
    single: impl Fn(usize) -> [T; 2],
) -> [f64; 2] {
    let mut acc = [[s.zero(); 2]; 4];
    let mut i = 0;
    while i + 4 * S::LANES <= len {
        for (u, acc) in acc.iter_mut().enumerate() {
            let [a, b] = vector(i + u * S::LANES);
            *acc = [s.add(acc[0], a), s.add(acc[1], b)];
        }
        i += 4 * S::LANES;
    }
    while i + S::LANES <= len {
        let [a, b] = vector(i);
        acc[0] = [s.add(acc[0][0], a), s.add(acc[0][1], b)];
        i += S::LANES;
    }
    let mut total = [0, 1].map(|j| {
        let v = s.add(s.add(acc[0][j], acc[1][j]), s.add(acc[2][j], acc[3][j]));
        s.sum(v).to_f64().unwrap_or(f64::NAN)
    });
    for i in i..len {
        let t = single(i);
        for j in 0..2 {
            total[j] += t[j].to_f64().unwrap_or(f64::NAN);
        }
    }
    total
}

/// The channels of a range, each with its rows `l` long.
struct Rows<T> {
    shape: BatchNormShape,
    x: *const T,
}

impl<T: Real> Rows<T> {
    fn row(&self, image: usize, channel: usize) -> usize {
        (image * self.shape.c + channel) * self.shape.l
    }

    fn count(&self) -> f64 {
        (self.shape.n * self.shape.l) as f64
    }

    /// Mean and biased variance of a channel.
    #[inline(always)]
    unsafe fn moments<S: Simd<T>>(&self, s: S, channel: usize) -> [f64; 2] {
        let (n, l) = (self.shape.n, self.shape.l);
        let mut sum = 0.0;
        for image in 0..n {
            let x = self.x.wrapping_add(self.row(image, channel));
            sum += sums(
                s,
                l,
                // SAFETY: a row has `l` elements; here and in the next line.
                |i| unsafe { [s.load(x.add(i)), s.zero()] },
                |i| unsafe { [*x.add(i), T::zero()] },
            )[0];
        }
        let mean = sum / self.count();
        let (center, one) = (real::<T>(mean), s.splat(real::<T>(mean)));
        // The rounding of the mean to T is corrected by the sum of deviations.
        let (mut squares, mut deviations) = (0.0, 0.0);
        for image in 0..n {
            let x = self.x.wrapping_add(self.row(image, channel));
            let [d, q] = sums(
                s,
                l,
                |i| {
                    // SAFETY: a row has `l` elements.
                    let d = s.sub(unsafe { s.load(x.add(i)) }, one);
                    [d, s.mul(d, d)]
                },
                |i| {
                    // SAFETY: as above.
                    let d = unsafe { *x.add(i) } - center;
                    [d, d * d]
                },
            );
            deviations += d;
            squares += q;
        }
        let var = (squares - deviations * deviations / self.count()) / self.count();
        [mean, if var < 0.0 { 0.0 } else { var }]
    }
}

/// `y = x * scale + shift` over a row.
#[inline(always)]
unsafe fn affine<T: Real, S: Simd<T>>(
    s: S,
    x: *const T,
    y: *mut T,
    len: usize,
    center: T,
    scale: T,
    shift: T,
) {
    let (m, a, b) = (s.splat(center), s.splat(scale), s.splat(shift));
    let mut i = 0;
    // SAFETY: both rows have `len` elements.
    unsafe {
        while i + S::LANES <= len {
            s.store(y.add(i), s.fma(s.sub(s.load(x.add(i)), m), a, b));
            i += S::LANES;
        }
        if i < len {
            let mask = s.mask(len - i);
            s.store_masked(y.add(i), mask, s.fma(s.sub(s.load_masked(x.add(i), mask), m), a, b));
        }
    }
}

struct Train<T> {
    rows: Rows<T>,
    weight: *const T,
    bias: *const T,
    eps: f64,
    y: *mut T,
    saved: SavedStatistics<T>,
}

impl<T: Real> Kernel<T> for (&Train<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (call, channels) = self;
        if call.rows.shape.l == 1 {
            return columns::train(s, call, channels);
        }
        for channel in channels {
            // SAFETY: every row of the channel lies in `x` and `y`.
            unsafe {
                let [mean, var] = call.rows.moments(s, channel);
                call.save(channel, mean, var);
                let scale =
                    real::<T>((var + call.eps).sqrt().recip()) * value(call.weight, channel, T::one());
                let shift = value(call.bias, channel, T::zero());
                for image in 0..call.rows.shape.n {
                    let at = call.rows.row(image, channel);
                    let (x, y) = (call.rows.x.add(at), call.y.add(at));
                    affine(s, x, y, call.rows.shape.l, real(mean), scale, shift);
                }
            }
        }
    }
}

impl<T: Real> Train<T> {
    fn save(&self, channel: usize, mean: f64, var: f64) {
        put(self.saved.mean, channel, real(mean));
        put(self.saved.invstd, channel, real((var + self.eps).sqrt().recip()));
        put(self.saved.var, channel, real(var));
    }
}

/// Normalises by the batch's own mean and variance, which it also writes.
///
/// # Safety
/// `x` and `y` have the shape's extent; `weight` and `bias` are null or have `c` elements, as the
/// pointers in `saved`. Outputs may be uninitialised; `y` may be `x`.
pub unsafe fn batch_norm_train<T: Real>(
    shape: BatchNormShape,
    x: *const T,
    weight: *const T,
    bias: *const T,
    eps: f64,
    y: *mut T,
    saved: SavedStatistics<T>,
) {
    let call = Call(Train { rows: Rows { shape, x }, weight, bias, eps, y, saved });
    over_channels(shape, |channels| {
        let call = &call;
        T::dispatch(level(), (&call.0, channels));
    });
}

struct Eval<T> {
    rows: Rows<T>,
    weight: *const T,
    bias: *const T,
    statistics: Statistics<T>,
    y: *mut T,
}

impl<T: Real> Statistics<T> {
    /// Mean and 1/deviation of a channel.
    fn of(&self, channel: usize) -> [T; 2] {
        // SAFETY: the pointers have `c` elements.
        unsafe {
            match *self {
                Statistics::Batch { mean, invstd } => [*mean.add(channel), *invstd.add(channel)],
                Statistics::Running { mean, var, eps } => {
                    let var = (*var.add(channel)).to_f64().unwrap_or(f64::NAN);
                    [*mean.add(channel), real((var + eps).sqrt().recip())]
                }
            }
        }
    }
}

impl<T: Real> Kernel<T> for (&Eval<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (call, channels) = self;
        for channel in channels {
            let [mean, invstd] = call.statistics.of(channel);
            let scale = invstd * value(call.weight, channel, T::one());
            let shift = value(call.bias, channel, T::zero());
            for image in 0..call.rows.shape.n {
                let at = call.rows.row(image, channel);
                // SAFETY: the row lies in `x` and `y`.
                unsafe {
                    affine(s, call.rows.x.add(at), call.y.add(at), call.rows.shape.l, mean, scale, shift)
                }
            }
        }
    }
}

/// Normalises by given statistics.
///
/// # Safety
/// As [`batch_norm_train`]; the statistics have `c` elements.
pub unsafe fn batch_norm_eval<T: Real>(
    shape: BatchNormShape,
    x: *const T,
    weight: *const T,
    bias: *const T,
    statistics: Statistics<T>,
    y: *mut T,
) {
    let call = Call(Eval { rows: Rows { shape, x }, weight, bias, statistics, y });
    over_channels(shape, |channels| {
        let call = &call;
        T::dispatch(level(), (&call.0, channels));
    });
}

struct Backward<T> {
    rows: Rows<T>,
    gy: *const T,
    weight: *const T,
    statistics: Statistics<T>,
    gradients: Gradients<T>,
}

/// What a channel's input gradient is: `gy * gy_scale + (x - mean) * x_scale + shift`.
struct InputGradient<T> {
    mean: T,
    gy_scale: T,
    x_scale: T,
    shift: T,
}

impl<T: Real> Backward<T> {
    /// Writes the gradients of weight and bias from the sums of `gy` and `gy * (x - mean)`.
    fn finish(&self, channel: usize, sums: [f64; 2]) -> InputGradient<T> {
        let [mean, invstd] = self.statistics.of(channel);
        let deviation = invstd.to_f64().unwrap_or(f64::NAN);
        put(self.gradients.bias, channel, real(sums[0]));
        put(self.gradients.weight, channel, real(sums[1] * deviation));
        let gy_scale = invstd * value(self.weight, channel, T::one());
        if matches!(self.statistics, Statistics::Running { .. }) {
            return InputGradient { mean, gy_scale, x_scale: T::zero(), shift: T::zero() };
        }
        let scale = gy_scale.to_f64().unwrap_or(f64::NAN) / self.rows.count();
        let x_scale = real(-scale * deviation * deviation * sums[1]);
        InputGradient { mean, gy_scale, x_scale, shift: real(-scale * sums[0]) }
    }

    fn needs_sums(&self) -> bool {
        let g = &self.gradients;
        matches!(self.statistics, Statistics::Batch { .. }) || !g.weight.is_null() || !g.bias.is_null()
    }

    #[inline(always)]
    unsafe fn channel_sums<S: Simd<T>>(&self, s: S, channel: usize) -> [f64; 2] {
        let shape = self.rows.shape;
        let [mean, _] = self.statistics.of(channel);
        let center = s.splat(mean);
        let mut total = [0.0; 2];
        for image in 0..shape.n {
            let at = self.rows.row(image, channel);
            let (x, gy) = (self.rows.x.wrapping_add(at), self.gy.wrapping_add(at));
            // The next image's row is far away: no prefetcher sees it coming.
            let next = shape.c * shape.l;
            // SAFETY: rows have `l` elements.
            let row = unsafe {
                sums(
                    s,
                    shape.l,
                    |i| {
                        s.prefetch(x.wrapping_add(i + next));
                        s.prefetch(gy.wrapping_add(i + next));
                        let g = s.load(gy.add(i));
                        [g, s.mul(g, s.sub(s.load(x.add(i)), center))]
                    },
                    |i| [*gy.add(i), *gy.add(i) * (*x.add(i) - mean)],
                )
            };
            total = [total[0] + row[0], total[1] + row[1]];
        }
        total
    }

    #[inline(always)]
    unsafe fn write_row<S: Simd<T>>(&self, s: S, at: usize, len: usize, g: &InputGradient<T>) {
        let (x, gy, gx) =
            (self.rows.x.wrapping_add(at), self.gy.wrapping_add(at), self.gradients.x.wrapping_add(at));
        let (mean, a, b, c) = (s.splat(g.mean), s.splat(g.gy_scale), s.splat(g.x_scale), s.splat(g.shift));
        let of = |gy, x| s.fma(gy, a, s.fma(s.sub(x, mean), b, c));
        let constant = matches!(self.statistics, Statistics::Running { .. });
        let mut i = 0;
        // SAFETY: rows have `len` elements.
        unsafe {
            while i < len {
                let mask = s.mask(len - i);
                let gy = s.load_masked(gy.add(i), mask);
                // Not `0 * x`: an infinite input has a finite gradient here.
                let g = if constant { s.mul(gy, a) } else { of(gy, s.load_masked(x.add(i), mask)) };
                s.store_masked(gx.add(i), mask, g);
                i += S::LANES;
            }
        }
    }
}

impl<T: Real> Kernel<T> for (&Backward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (call, channels) = self;
        let shape = call.rows.shape;
        if shape.l == 1 {
            return columns::backward(s, call, channels);
        }
        for channel in channels {
            // SAFETY: every row of the channel lies in the tensors.
            unsafe {
                let sums = if call.needs_sums() { call.channel_sums(s, channel) } else { [0.0; 2] };
                let gradient = call.finish(channel, sums);
                if !call.gradients.x.is_null() {
                    for image in 0..shape.n {
                        call.write_row(s, call.rows.row(image, channel), shape.l, &gradient);
                    }
                }
            }
        }
    }
}

/// The gradients of input, weight and bias; those that are null are not computed.
///
/// # Safety
/// `x` and `gy` have the shape's extent, `weight` is null or has `c` elements, as the statistics;
/// gradients may be uninitialised and overlap nothing.
pub unsafe fn batch_norm_backward<T: Real>(
    shape: BatchNormShape,
    x: *const T,
    gy: *const T,
    weight: *const T,
    statistics: Statistics<T>,
    gradients: Gradients<T>,
) {
    let call = Call(Backward { rows: Rows { shape, x }, gy, weight, statistics, gradients });
    over_channels(shape, |channels| {
        let call = &call;
        T::dispatch(level(), (&call.0, channels));
    });
}

mod columns;
#[cfg(test)]
mod tests;
