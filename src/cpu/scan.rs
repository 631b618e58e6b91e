//! Scans: what has come together after each element of a line.

use half::{bf16, f16};

use crate::cpu::lines::{Side, for_lines};
use crate::cpu::sort::Key;
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

unsafe fn scan_typed<T: Element, A: Running>(
    sizes: &[usize],
    n: usize,
    sides: &[Side; 2],
    kind: Scan,
    from_end: bool,
) {
    #[inline(always)]
    fn run<T: Element, A: Running>(
        sizes: &[usize],
        n: usize,
        sides: &[Side; 2],
        from_end: bool,
        join: impl Fn(A, A) -> A + Sync,
    ) {
        for_lines(sizes, n, sides, &|[input, out]| {
            let (input, out) = if from_end { (input.reversed(n), out.reversed(n)) } else { (input, out) };
            let mut total: Option<A> = None;
            for i in 0..n {
                // SAFETY: lines of n elements, as `scan` was promised.
                unsafe {
                    let value: A = input.get::<T>(i).cast();
                    let next = total.map_or(value, |t| join(t, value));
                    out.set::<T>(i, next.cast());
                    total = Some(next);
                }
            }
        });
    }
    match kind {
        Scan::Sum => run::<T, A>(sizes, n, sides, from_end, A::sum),
        Scan::Prod => run::<T, A>(sizes, n, sides, from_end, A::prod),
        Scan::LogSumExp => run::<T, A>(sizes, n, sides, from_end, A::log_sum_exp),
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
    fn typed<T: Key>(sizes: &[usize], n: usize, sides: &[Side; 3], largest: bool) {
        // NaN has the highest key; turned round, the others are compared from the other end.
        let flip = if largest { 0 } else { u64::MAX };
        for_lines(sizes, n, sides, &|[input, values, indices]| {
            let mut best: Option<(u64, usize, T)> = None;
            for i in 0..n {
                // SAFETY: lines of n elements, as the caller promises.
                unsafe {
                    let value = input.get::<T>(i);
                    let key = if value.is_nan() { u64::MAX } else { value.key() ^ flip };
                    let now = match best {
                        Some(b) if b.0 > key => b,
                        _ => (key, i, value),
                    };
                    values.set(i, now.2);
                    indices.set(i, now.1 as i64);
                    best = Some(now);
                }
            }
        });
    }
    crate::dispatch_ordered!(dtype, T => typed::<T>(sizes, n, sides, largest));
}
