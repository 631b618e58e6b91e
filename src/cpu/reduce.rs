//! Sums, products and extremes over any dimensions.
//!
//! Everything is accumulated in the widest type of its kind (f64, i64, complex128), which makes
//! float32 sums exact to the last bits without pairwise trees. Two shapes of loops cover all layouts:
//! *rows*, where the reduced dimension lies innermost in memory, and *columns*, where a kept one does
//! and a strip of accumulators is swept over the reduced rows.

use smallvec::SmallVec;

use crate::cpu::par;
use crate::cpu::pointwise::{GRAIN, Operand};
use crate::cpu::simd::{Level, level};
use crate::dtype::{C128, Cast, DType, Element};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    Sum,
    Prod,
    Max,
    Min,
}

/// A wide type to accumulate in.
pub trait Accumulator: Element {
    fn start(reduction: Reduction) -> Self;
    fn sum(a: Self, b: Self) -> Self;
    fn prod(a: Self, b: Self) -> Self;
    fn max(a: Self, b: Self) -> Self;
    fn min(a: Self, b: Self) -> Self;
}

impl Accumulator for f64 {
    fn start(reduction: Reduction) -> f64 {
        match reduction {
            Reduction::Sum => 0.0,
            Reduction::Prod => 1.0,
            Reduction::Max => f64::NEG_INFINITY,
            Reduction::Min => f64::INFINITY,
        }
    }
    #[inline(always)]
    fn sum(a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn prod(a: f64, b: f64) -> f64 {
        a * b
    }
    // NaN wins on either side.
    #[inline(always)]
    fn max(a: f64, b: f64) -> f64 {
        if b > a || b.is_nan() { b } else { a }
    }
    #[inline(always)]
    fn min(a: f64, b: f64) -> f64 {
        if b < a || b.is_nan() { b } else { a }
    }
}

impl Accumulator for i64 {
    fn start(reduction: Reduction) -> i64 {
        match reduction {
            Reduction::Sum => 0,
            Reduction::Prod => 1,
            Reduction::Max => i64::MIN,
            Reduction::Min => i64::MAX,
        }
    }
    #[inline(always)]
    fn sum(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }
    #[inline(always)]
    fn prod(a: i64, b: i64) -> i64 {
        a.wrapping_mul(b)
    }
    #[inline(always)]
    fn max(a: i64, b: i64) -> i64 {
        Ord::max(a, b)
    }
    #[inline(always)]
    fn min(a: i64, b: i64) -> i64 {
        Ord::min(a, b)
    }
}

impl Accumulator for C128 {
    fn start(reduction: Reduction) -> C128 {
        C128::new((reduction == Reduction::Prod) as i32 as f64, 0.0)
    }
    #[inline(always)]
    fn sum(a: C128, b: C128) -> C128 {
        a + b
    }
    #[inline(always)]
    fn prod(a: C128, b: C128) -> C128 {
        a * b
    }
    // Complex numbers have no order; extremes are refused before a kernel runs.
    #[inline(always)]
    fn max(a: C128, _: C128) -> C128 {
        a
    }
    #[inline(always)]
    fn min(a: C128, _: C128) -> C128 {
        a
    }
}

/// A dimension: how many steps, and the bytes from one to the next.
pub type Dim = (usize, isize);

/// `out[kept] = reduce(input[kept, reduced])`. The output is contiguous over `kept`, outermost first.
///
/// # Safety
/// The input must be valid at every offset of `kept` and `reduced`, the output at every index of
/// `kept`.
pub unsafe fn reduce(reduction: Reduction, out: Operand, input: Operand, kept: &[Dim], reduced: &[Dim]) {
    // SAFETY: the caller's promise, passed on with the types of the operands.
    unsafe {
        match input.dtype {
            DType::C64 | DType::C128 => {
                crate::dispatch!(input.dtype, S => typed::<S, C128>(reduction, out, input, kept, reduced))
            }
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
                crate::dispatch!(input.dtype, S => typed::<S, f64>(reduction, out, input, kept, reduced))
            }
            _ => crate::dispatch!(input.dtype, S => typed::<S, i64>(reduction, out, input, kept, reduced)),
        }
    }
}

#[derive(Clone, Copy)]
struct Ends {
    out: *mut u8,
    input: *const u8,
}
// SAFETY: threads write disjoint outputs and only read the input.
unsafe impl Sync for Ends {}

/// Columns that one strip of accumulators covers.
const STRIP: usize = 128;

unsafe fn typed<S: Element, A: Accumulator>(
    reduction: Reduction,
    out: Operand,
    input: Operand,
    kept: &[Dim],
    reduced: &[Dim],
) {
    let ends = Ends { out: out.ptr, input: input.ptr };
    let kept_count: usize = kept.iter().map(|d| d.0).product();
    let reduced_count: usize = reduced.iter().map(|d| d.0).product();
    let size = size_of::<S>() as isize;
    // Innermost first from here on, the reduced dimensions in the order of memory.
    let mut inner: SmallVec<[Dim; 6]> = reduced.iter().copied().filter(|d| d.0 != 1).collect();
    inner.sort_by_key(|d| d.1.unsigned_abs());
    merge(&mut inner);
    let columns =
        kept.last().is_some_and(|d| d.1 == size && d.0 > 1) && inner.first().is_none_or(|d| d.1 != size);
    let step = if columns { kept.last().expect("has columns").0 } else { 1 };
    let strips = step.div_ceil(STRIP);
    let tasks = kept_count / step * strips;
    let grain = (GRAIN / (reduced_count * if columns { step.min(STRIP) } else { 1 }).max(1)).max(1);
    let outer_kept = if columns { &kept[..kept.len() - 1] } else { kept };

    par::for_range(tasks, grain, &|range| {
        let ends = &ends; // the whole struct, which is Sync, not its fields
        for task in range {
            let (group, strip) = (task / strips, task % strips);
            let mut offset = strip as isize * STRIP as isize * size;
            let mut rest = group;
            for &(n, stride) in outer_kept.iter().rev() {
                offset += (rest % n) as isize * stride;
                rest /= n;
            }
            let first = group * step + strip * STRIP;
            // SAFETY: the offsets stay within `kept` and `reduced`, for which the caller vouches.
            unsafe {
                let source = ends.input.offset(offset);
                let write = |i: usize, value: A| {
                    crate::dispatch!(out.dtype, T => {
                        ends.out.cast::<T>().add(first + i).write_unaligned(value.cast());
                    });
                };
                if columns {
                    let width = (step - strip * STRIP).min(STRIP);
                    let mut strip = [A::start(reduction); STRIP];
                    walk(&inner, source, &mut |run, n, stride| {
                        for i in 0..n as isize {
                            add_columns::<S, A>(reduction, &mut strip[..width], run.offset(i * stride));
                        }
                    });
                    strip[..width].iter().enumerate().for_each(|(i, value)| write(i, *value));
                } else {
                    let mut total = A::start(reduction);
                    walk(&inner, source, &mut |run, n, stride| {
                        total = add_run::<S, A>(reduction, total, run, n, stride);
                    });
                    write(0, total);
                }
            }
        }
    });
}

/// Joins loops that go on evenly in memory.
fn merge(dims: &mut SmallVec<[Dim; 6]>) {
    let mut i = 0;
    while i + 1 < dims.len() {
        if dims[i].0 as isize * dims[i].1 == dims[i + 1].1 {
            dims[i].0 *= dims[i + 1].0;
            dims.remove(i + 1);
        } else {
            i += 1;
        }
    }
}

/// Calls `f(start, n, stride)` for each innermost run.
unsafe fn walk(dims: &[Dim], source: *const u8, f: &mut impl FnMut(*const u8, usize, isize)) {
    match dims {
        [] => f(source, 1, 0),
        [(n, stride)] => f(source, *n, *stride),
        [inner @ .., (n, stride)] => {
            for i in 0..*n as isize {
                // SAFETY: within the dimensions, for which the caller vouches.
                unsafe { walk(inner, source.offset(i * stride), f) };
            }
        }
    }
}

/// Accumulators side by side in a run, so that the loop vectorises.
const LANES: usize = 32;

macro_rules! each_reduction {
    ($reduction:expr, $f:ident => $body:expr) => {
        match $reduction {
            Reduction::Sum => {
                let $f = A::sum;
                $body
            }
            Reduction::Prod => {
                let $f = A::prod;
                $body
            }
            Reduction::Max => {
                let $f = A::max;
                $body
            }
            Reduction::Min => {
                let $f = A::min;
                $body
            }
        }
    };
}

unsafe fn add_run<S: Element, A: Accumulator>(
    reduction: Reduction,
    acc: A,
    run: *const u8,
    n: usize,
    stride: isize,
) -> A {
    #[inline(always)]
    fn side_by_side<S: Element, A: Accumulator>(values: &[S], start: A, f: impl Fn(A, A) -> A) -> A {
        let mut lanes = [start; LANES];
        let chunks = values.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane = f(*lane, value.cast());
            }
        }
        let total = rest.iter().fold(start, |acc, v| f(acc, v.cast()));
        lanes.into_iter().fold(total, f)
    }
    #[inline(always)]
    fn reduced<S: Element, A: Accumulator>(reduction: Reduction, values: &[S]) -> A {
        let start = A::start(reduction);
        each_reduction!(reduction, f => side_by_side(values, start, f))
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<S: Element, A: Accumulator>(reduction: Reduction, values: &[S]) -> A {
        reduced(reduction, values)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn avx512<S: Element, A: Accumulator>(reduction: Reduction, values: &[S]) -> A {
        reduced(reduction, values)
    }
    // Less than a vector is sooner added one by one.
    if n >= LANES && stride == size_of::<S>() as isize && run.cast::<S>().is_aligned() {
        // SAFETY: the caller vouches for n elements side by side, and they are aligned.
        let values = unsafe { std::slice::from_raw_parts(run.cast::<S>(), n) };
        let part: A = match level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level says that the CPU has the instructions.
            Level::Avx2 => unsafe { avx2(reduction, values) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { avx512(reduction, values) },
            _ => reduced(reduction, values),
        };
        return each_reduction!(reduction, f => f(acc, part));
    }
    // SAFETY: the caller vouches for n elements at the stride.
    let at = |i: usize| unsafe { run.offset(i as isize * stride).cast::<S>().read_unaligned().cast() };
    each_reduction!(reduction, f => (0..n).fold(acc, |acc, i| f(acc, at(i))))
}

unsafe fn add_columns<S: Element, A: Accumulator>(reduction: Reduction, strip: &mut [A], row: *const u8) {
    #[inline(always)]
    unsafe fn sweep<S: Element, A: Accumulator>(strip: &mut [A], row: *const u8, f: impl Fn(A, A) -> A) {
        for (i, acc) in strip.iter_mut().enumerate() {
            // SAFETY: the row has as many elements as the strip.
            *acc = f(*acc, unsafe { row.cast::<S>().add(i).read_unaligned().cast() });
        }
    }
    #[inline(always)]
    unsafe fn all<S: Element, A: Accumulator>(reduction: Reduction, strip: &mut [A], row: *const u8) {
        // SAFETY: the caller's promise, passed on.
        each_reduction!(reduction, f => unsafe { sweep::<S, A>(strip, row, f) });
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<S: Element, A: Accumulator>(reduction: Reduction, strip: &mut [A], row: *const u8) {
        // SAFETY: the caller's promise, passed on.
        unsafe { all::<S, A>(reduction, strip, row) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn avx512<S: Element, A: Accumulator>(reduction: Reduction, strip: &mut [A], row: *const u8) {
        // SAFETY: the caller's promise, passed on.
        unsafe { all::<S, A>(reduction, strip, row) }
    }
    // SAFETY: the caller vouches for the row; the level for the instructions.
    unsafe {
        match level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::<S, A>(reduction, strip, row),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::<S, A>(reduction, strip, row),
            _ => all::<S, A>(reduction, strip, row),
        }
    }
}

/// Index of the largest (or smallest) of `n` elements at `stride` bytes; the first of equal ones, and
/// the first NaN if there is one.
///
/// # Safety
/// The elements must be valid.
pub unsafe fn arg_extreme<S: Element>(run: *const u8, n: usize, stride: isize, largest: bool) -> usize {
    // SAFETY: the caller vouches for the elements.
    let at = |i: usize| unsafe { run.offset(i as isize * stride).cast::<S>().read_unaligned() };
    let mut best = 0;
    if S::DTYPE.is_integral() {
        let mut value: i64 = at(0).cast();
        for i in 1..n {
            let v: i64 = at(i).cast();
            if (largest && v > value) || (!largest && v < value) {
                (best, value) = (i, v);
            }
        }
    } else {
        let mut value: f64 = at(0).cast();
        for i in 1..n {
            if value.is_nan() {
                break;
            }
            let v: f64 = at(i).cast();
            if (largest && v > value) || (!largest && v < value) || v.is_nan() {
                (best, value) = (i, v);
            }
        }
    }
    best
}
