//! Scans: what has come together after each element of a line.

use std::marker::PhantomData;

use half::{bf16, f16};

use crate::cpu::lines::{Line, Side, for_lines, lines_at};
use crate::cpu::par;
use crate::cpu::pointwise::GRAIN;
use crate::cpu::reduce::{Extreme, Fold, Ordered};
use crate::cpu::simd::{Element as _, Kernel, Simd, level};
use crate::dtype::{C64, C128, Cast, Category, DType, Element};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    Sum,
    Prod,
    /// log(exp(a) + exp(b)).
    LogSumExp,
}

/// A type that scans are kept in.
trait Running: Element {
    fn sum(self, other: Self) -> Self;
    fn prod(self, other: Self) -> Self;
    fn log_sum_exp(self, other: Self) -> Self;
}

impl Running for f64 {
    fn sum(self, other: f64) -> f64 {
        self + other
    }
    fn prod(self, other: f64) -> f64 {
        self * other
    }
    fn log_sum_exp(self, other: f64) -> f64 {
        let (low, high) = if self < other { (self, other) } else { (other, self) };
        if low.is_nan() {
            return low;
        }
        // Equal infinities have no difference.
        if low == high && high.is_infinite() { high } else { high + (low - high).exp().ln_1p() }
    }
}

impl Running for i64 {
    fn sum(self, other: i64) -> i64 {
        self.wrapping_add(other)
    }
    fn prod(self, other: i64) -> i64 {
        self.wrapping_mul(other)
    }
    // Integers are refused before a kernel runs.
    fn log_sum_exp(self, other: i64) -> i64 {
        self.max(other)
    }
}

impl Running for C128 {
    fn sum(self, other: C128) -> C128 {
        self + other
    }
    fn prod(self, other: C128) -> C128 {
        self * other
    }
    fn log_sum_exp(self, other: C128) -> C128 {
        if self.re.is_nan() || self.im.is_nan() {
            return self;
        }
        let (low, high) = if self.re < other.re { (self, other) } else { (other, self) };
        if low.re == f64::NEG_INFINITY {
            return high;
        }
        if !high.re.is_finite() {
            return if low.re == high.re { (low.exp() + high.exp()).ln() } else { high };
        }
        high + (C128::new(1.0, 0.0) + (low - high).exp()).ln()
    }
}

/// `out[i] = out[i - 1] ∘ input[i]` along lines: `[input, out]`.
///
/// # Safety
/// Both have lines of `n` elements of `dtype`.
pub unsafe fn scan(dtype: DType, sizes: &[usize], n: usize, sides: &[Side; 2], kind: Scan, from_end: bool) {
    // SAFETY: the caller's promise, passed on with the type of the elements.
    crate::dispatch!(dtype, T => unsafe {
        match T::DTYPE.category() {
            Category::Complex => scan_typed::<T, C128>(sizes, n, sides, kind, from_end),
            Category::Floating => scan_typed::<T, f64>(sizes, n, sides, kind, from_end),
            _ => scan_typed::<T, i64>(sizes, n, sides, kind, from_end),
        }
    });
}

/// Lines side by side that are swept together.
const STRIP: usize = 256;
/// Elements of a line that are joined before what came before them is.
const BLOCK: usize = 8;

unsafe fn scan_typed<T: Element, A: Running>(
    sizes: &[usize],
    n: usize,
    sides: &[Side; 2],
    kind: Scan,
    from_end: bool,
) {
    let call = Call { sizes, n, sides, from_end };
    // Reordered only where nothing overflows on the way that does not in order: not in float64.
    let in_blocks = kind == Scan::Sum && !matches!(T::DTYPE, DType::F64 | DType::C128);
    match kind {
        Scan::Sum => call.start::<T, A>(in_blocks, &A::sum),
        Scan::Prod => call.start::<T, A>(in_blocks, &A::prod),
        Scan::LogSumExp => call.start::<T, A>(in_blocks, &A::log_sum_exp),
    }
}

#[derive(Clone, Copy)]
struct Call<'a> {
    sizes: &'a [usize],
    n: usize,
    sides: &'a [Side; 2],
    from_end: bool,
}

impl Call<'_> {
    fn start<T: Element, A: Running>(self, in_blocks: bool, join: &(impl Fn(A, A) -> A + Sync)) {
        let size = size_of::<T>() as isize;
        let side_by_side = self.sides.iter().all(|s| s.strides.last() == Some(&size));
        if let (Some(&width), true) = (self.sizes.last(), side_by_side) {
            let strips = width.div_ceil(STRIP);
            let tasks = self.sizes.iter().product::<usize>() / width.max(1) * strips;
            let grain = (GRAIN / (self.n * width.min(STRIP)).max(1)).max(1);
            par::for_range(tasks, grain, &|range| {
                for task in range {
                    let (group, first) = (task / strips, task % strips * STRIP);
                    let lines = lines_at(self.sizes, self.sides, group * width + first);
                    let width = (width - first).min(STRIP);
                    f32::dispatch(
                        level(),
                        Strip { call: self, lines, width, join, marker: PhantomData::<(T, A)> },
                    );
                }
            });
            return;
        }
        for_lines(self.sizes, self.n, self.sides, &|lines| {
            let [input, out] = if self.from_end { lines.map(|l| l.reversed(self.n)) } else { lines };
            // SAFETY: lines of n elements, as `scan` was promised.
            unsafe { scan_line::<T, A>(input, out, self.n, in_blocks, join) };
        });
    }
}

unsafe fn scan_line<T: Element, A: Running>(
    input: Line,
    out: Line,
    n: usize,
    in_blocks: bool,
    join: &impl Fn(A, A) -> A,
) {
    let mut total: Option<A> = None;
    let mut i = 0;
    // SAFETY: the caller vouches for n elements.
    unsafe {
        let at = |i: usize| -> A { input.get::<T>(i).cast() };
        if in_blocks && n > 0 {
            let mut before = at(0);
            out.set::<T>(0, before.cast());
            i = 1;
            while i + BLOCK <= n {
                let mut own = [at(i); BLOCK];
                for j in 1..BLOCK {
                    own[j] = join(own[j - 1], at(i + j));
                }
                for (j, own) in own.into_iter().enumerate() {
                    out.set::<T>(i + j, join(before, own).cast());
                }
                before = join(before, own[BLOCK - 1]);
                i += BLOCK;
            }
            total = Some(before);
        }
        for i in i..n {
            let next = total.map_or(at(i), |t| join(t, at(i)));
            out.set::<T>(i, next.cast());
            total = Some(next);
        }
    }
}

/// Lines side by side, from the first on.
struct Strip<'a, T, A, J> {
    call: Call<'a>,
    lines: [Line; 2],
    width: usize,
    join: &'a J,
    marker: PhantomData<(T, A)>,
}

impl<T: Element, A: Running, J: Fn(A, A) -> A> Kernel<f32> for Strip<'_, T, A, J> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let n = self.call.n;
        let [input, out] = if self.call.from_end { self.lines.map(|l| l.reversed(n)) } else { self.lines };
        let mut totals = [A::default(); STRIP];
        for i in 0..n {
            let from = input.start.wrapping_offset(i as isize * input.step).cast::<T>();
            let to = out.start.wrapping_offset(i as isize * out.step).cast::<T>();
            for (j, total) in totals[..self.width].iter_mut().enumerate() {
                // SAFETY: rows of the strip, as `scan` was promised.
                unsafe {
                    let x: A = from.add(j).read_unaligned().cast();
                    *total = if i == 0 { x } else { (self.join)(*total, x) };
                    to.add(j).write_unaligned((*total).cast());
                }
            }
        }
    }
}

/// `out[i] = g[i] + a[i] * out[i - 1]` along lines, with 0 before the first: `[a, g, out]`.
///
/// # Safety
/// All have lines of `n` elements of `dtype`, which is a floating or complex one.
pub unsafe fn recurrence(dtype: DType, sizes: &[usize], n: usize, sides: &[Side; 3], from_end: bool) {
    unsafe fn typed<T: Element, A: Running>(sizes: &[usize], n: usize, sides: &[Side; 3], from_end: bool) {
        for_lines(sizes, n, sides, &|lines| {
            let [a, g, out] = if from_end { lines.map(|l| l.reversed(n)) } else { lines };
            let mut last: Option<A> = None;
            for i in 0..n {
                // SAFETY: lines of n elements, as the caller promises.
                unsafe {
                    let (factor, value): (A, A) = (a.get::<T>(i).cast(), g.get::<T>(i).cast());
                    let next = last.map_or(value, |l| value.sum(factor.prod(l)));
                    out.set::<T>(i, next.cast());
                    last = Some(next);
                }
            }
        });
    }
    // SAFETY: the caller's promise, passed on with the type of the elements.
    unsafe {
        match dtype {
            DType::F16 => typed::<f16, f64>(sizes, n, sides, from_end),
            DType::BF16 => typed::<bf16, f64>(sizes, n, sides, from_end),
            DType::F32 => typed::<f32, f64>(sizes, n, sides, from_end),
            DType::C64 => typed::<C64, C128>(sizes, n, sides, from_end),
            DType::C128 => typed::<C128, C128>(sizes, n, sides, from_end),
            _ => typed::<f64, f64>(sizes, n, sides, from_end),
        }
    }
}

/// The largest (smallest) element so far and its index (int64), the last of equal ones; NaN wins:
/// `[input, values, indices]`.
///
/// # Safety
/// All have lines of `n` elements, input and values of `dtype`, which has an order.
pub unsafe fn extreme(dtype: DType, sizes: &[usize], n: usize, sides: &[Side; 3], largest: bool) {
    fn typed<T: Ordered, const LARGEST: bool>(sizes: &[usize], n: usize, sides: &[Side; 3]) {
        for_lines(sizes, n, sides, &|[input, values, indices]| {
            // SAFETY: lines of n elements, as the caller promises.
            unsafe {
                let (mut best, mut at, mut lane) = (T::default(), 0, Extreme::<T, LARGEST>::START);
                let mut nan = false;
                for i in 0..n {
                    let x = input.get::<T>(i);
                    let next = x.lane();
                    let next_nan = T::unordered(next, next);
                    // Seldom, in most lines: a branch does not wait for what came before, a choice does.
                    if next_nan || !nan && !Extreme::<T, LARGEST>::better(lane, next) {
                        (best, at, lane, nan) = (x, i, next, nan | next_nan);
                    }
                    values.set(i, best);
                    indices.set(i, at as i64);
                }
            }
        });
    }
    crate::dispatch_ordered!(dtype, T => {
        if largest { typed::<T, true>(sizes, n, sides) } else { typed::<T, false>(sizes, n, sides) }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_strips_of_them_give_what_a_loop_gives() {
        for (rows, cols) in [(1, 1), (3, 7), (9, 8), (17, 300), (1000, 5)] {
            let mut x: Vec<f32> =
                (0..rows * cols).map(|i| ((i * 7919) % 1009) as f32 / 512.0 - 1.0).collect();
            for odd in [0.5, f32::NAN, f32::INFINITY] {
                x[rows * cols / 2] = odd;
                for (kind, from_end) in [(Scan::Sum, false), (Scan::Sum, true), (Scan::Prod, false)] {
                    for along_rows in [false, true] {
                        let (other, n, steps) =
                            if along_rows { (rows, cols, (cols, 1)) } else { (cols, rows, (1, cols)) };
                        let mut out = vec![0f32; x.len()];
                        let side = |start: *mut f32| Side {
                            start: start.cast(),
                            strides: [4 * steps.0 as isize].into_iter().collect(),
                            step: 4 * steps.1 as isize,
                        };
                        let sides = [side(x.as_ptr().cast_mut()), side(out.as_mut_ptr())];
                        // SAFETY: all lines of the two vectors, of which the second is written.
                        unsafe { scan(DType::F32, &[other], n, &sides, kind, from_end) };
                        for line in 0..other {
                            let mut total = if kind == Scan::Sum { 0.0 } else { 1.0f64 };
                            for k in 0..n {
                                let k = if from_end { n - 1 - k } else { k };
                                let at = line * steps.0 + k * steps.1;
                                let v = f64::from(x[at]);
                                total = if kind == Scan::Sum { total + v } else { total * v };
                                let want = total as f32;
                                assert!(
                                    (out[at] - want).abs() <= want.abs() * 1e-6
                                        || out[at].to_bits() == want.to_bits()
                                        || out[at].is_nan() && want.is_nan(),
                                    "{rows}x{cols} {kind:?} {from_end} {along_rows}: {}, not {want}",
                                    out[at]
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_last_of_equal_extremes_counts_and_nan_wins() {
        const NAN: f32 = f32::NAN;
        let x = [1.0, 3.0, 3.0, 2.0, f32::INFINITY, NAN, 9.0, NAN, 1.0];
        let (mut values, mut at) = ([0f32; 9], [0i64; 9]);
        let side = |start: *mut u8, step| Side { start, strides: Default::default(), step };
        for (largest, want) in [(true, [0, 1, 2, 2, 4, 5, 5, 7, 7]), (false, [0, 0, 0, 0, 0, 5, 5, 7, 7])] {
            let sides = [
                side(x.as_ptr().cast_mut().cast(), 4),
                side(values.as_mut_ptr().cast(), 4),
                side(at.as_mut_ptr().cast(), 8),
            ];
            // SAFETY: one line of each array, of which the last two are written.
            unsafe { extreme(DType::F32, &[], 9, &sides, largest) };
            assert_eq!(at, want);
            assert!(at.iter().zip(values).all(|(&i, v)| v.to_bits() == x[i as usize].to_bits()));
        }
    }
}
