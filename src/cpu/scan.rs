//! Scans: what has come together after each element of a line.

use std::marker::PhantomData;

use half::{bf16, f16};

use crate::cpu::convert::{Convert, converter};
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
    let call = Call { dtype, sizes, n, sides, from_end };
    match dtype.category() {
        Category::Complex => call.kind::<C128>(kind),
        Category::Floating => call.kind::<f64>(kind),
        _ => call.kind::<i64>(kind),
    }
}

/// Lines side by side that are swept together; elements of a line that are converted together.
const STRIP: usize = 256;
/// Elements of a line that are joined before what came before them is.
const BLOCK: usize = 8;

/// A scan, for which `scan` was promised what it needs. Elements are converted to the type that the scan is kept in, and
/// back, so that only that is compiled for each type.
#[derive(Clone, Copy)]
struct Call<'a> {
    dtype: DType,
    sizes: &'a [usize],
    n: usize,
    sides: &'a [Side; 2],
    from_end: bool,
}

impl Call<'_> {
    fn kind<A: Running>(self, kind: Scan) {
        // Reordered only where nothing overflows on the way that does not in order: not in float64.
        let in_blocks = kind == Scan::Sum && !matches!(self.dtype, DType::F64 | DType::C128);
        match kind {
            Scan::Sum => self.start::<A>(in_blocks, &A::sum),
            Scan::Prod => self.start::<A>(in_blocks, &A::prod),
            Scan::LogSumExp => self.start::<A>(in_blocks, &A::log_sum_exp),
        }
    }

    fn start<A: Running>(self, in_blocks: bool, join: &(impl Fn(A, A) -> A + Sync)) {
        let size = self.dtype.size() as isize;
        let (read, write) = (converter(self.dtype, A::DTYPE), converter(A::DTYPE, self.dtype));
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
                    let strip =
                        Strip { call: self, lines, width, read, write, join, marker: PhantomData::<A> };
                    f32::dispatch(level(), strip);
                }
            });
            return;
        }
        for_lines(self.sizes, self.n, self.sides, &|lines| {
            let [input, out] = if self.from_end { lines.map(|l| l.reversed(self.n)) } else { lines };
            let mut block = [A::default(); STRIP];
            let mut total = None;
            for first in (0..self.n).step_by(STRIP) {
                let block = &mut block[..(self.n - first).min(STRIP)];
                let at = |line: Line| line.start.wrapping_offset(first as isize * line.step);
                let bytes = size_of::<A>() as isize;
                // SAFETY: some of the n elements of the lines, and a block of as many.
                unsafe {
                    read(at(input), input.step, block.as_mut_ptr().cast(), bytes, block.len());
                    total = scan_block(block, total, in_blocks, join);
                    write(block.as_ptr().cast(), bytes, at(out), out.step, block.len());
                }
            }
        });
    }
}

/// Scans a block in place, after what came before it; returns its last element.
fn scan_block<A: Running>(
    block: &mut [A],
    before: Option<A>,
    in_blocks: bool,
    join: &impl Fn(A, A) -> A,
) -> Option<A> {
    let mut total = before;
    let mut rest = block;
    if let (true, Some(mut before)) = (in_blocks, before) {
        let (blocks, tail) = rest.as_chunks_mut::<BLOCK>();
        for block in blocks {
            for j in 1..BLOCK {
                block[j] = join(block[j - 1], block[j]);
            }
            let last = block[BLOCK - 1];
            block.iter_mut().for_each(|x| *x = join(before, *x));
            before = join(before, last);
        }
        (total, rest) = (Some(before), tail);
    } else if in_blocks && let [first, others @ ..] = rest {
        return scan_block(others, Some(*first), in_blocks, join);
    }
    for x in rest {
        *x = total.map_or(*x, |t| join(t, *x));
        total = Some(*x);
    }
    total
}

/// Lines side by side, from the first on.
struct Strip<'a, A, J> {
    call: Call<'a>,
    lines: [Line; 2],
    width: usize,
    read: Convert,
    write: Convert,
    join: &'a J,
    marker: PhantomData<A>,
}

impl<A: Running, J: Fn(A, A) -> A> Kernel<f32> for Strip<'_, A, J> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let Call { dtype, n, from_end, .. } = self.call;
        let [input, out] = if from_end { self.lines.map(|l| l.reversed(n)) } else { self.lines };
        let (size, bytes) = (dtype.size() as isize, size_of::<A>() as isize);
        let (mut totals, mut row) = ([A::default(); STRIP], [A::default(); STRIP]);
        for i in 0..n {
            let at = |line: Line| line.start.wrapping_offset(i as isize * line.step);
            let to = if i == 0 { &mut totals } else { &mut row };
            // SAFETY: rows of the strip, as `scan` was promised.
            unsafe { (self.read)(at(input), size, to.as_mut_ptr().cast(), bytes, self.width) };
            if i > 0 {
                for (total, &x) in totals[..self.width].iter_mut().zip(&row) {
                    *total = (self.join)(*total, x);
                }
            }
            // SAFETY: likewise.
            unsafe { (self.write)(totals.as_ptr().cast(), bytes, at(out), size, self.width) };
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
                    // Seldom, in most lines: a branch does not wait for what came before, a choice does.
                    if !Extreme::<T, LARGEST>::better(lane, next) {
                        let next_nan = T::unordered(next, next);
                        if next_nan || !nan {
                            (best, at, lane, nan) = (x, i, next, nan | next_nan);
                        }
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
