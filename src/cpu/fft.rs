//! Discrete Fourier transforms of lines of numbers, by rustfft, whose plans are kept.

use std::sync::{Arc, Mutex, PoisonError};

use num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

use crate::cpu::par;

/// A float that transforms are computed in.
pub trait Real: FftNum {
    /// The plan for `n` points, made once.
    fn plan(n: usize, inverse: bool) -> Arc<dyn Fft<Self>>;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            fn plan(n: usize, inverse: bool) -> Arc<dyn Fft<$t>> {
                static PLANNER: Mutex<Option<FftPlanner<$t>>> = Mutex::new(None);
                let mut planner = PLANNER.lock().unwrap_or_else(PoisonError::into_inner);
                let planner = planner.get_or_insert_with(FftPlanner::new);
                if inverse { planner.plan_fft_inverse(n) } else { planner.plan_fft_forward(n) }
            }
        }
    };
}
real!(f32);
real!(f64);

/// Memory that lines are written to, each by one thread.
struct Shared<T>(*mut T);
// SAFETY: lines do not overlap, and each belongs to one chunk.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn at(&self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }
}

/// Roughly what a line of n points costs.
fn nanoseconds(n: usize) -> f64 {
    let n = n as f64;
    2.0 * n * (n + 1.0).log2() + 50.0
}

/// Transforms lines of `n` points in place: element k of line (o, i) is at `(o * n + k) * inner + i`.
pub fn lines<T: Real>(data: &mut [Complex<T>], n: usize, inner: usize, inverse: bool) {
    let count = data.len().checked_div(n).unwrap_or(0);
    if count == 0 {
        return;
    }
    let plan = T::plan(n, inverse);
    let target = Shared(data.as_mut_ptr());
    par::for_range(count, par::grain_for(count, nanoseconds(n)), &|range| {
        let zero = Complex::new(T::zero(), T::zero());
        let mut scratch = vec![zero; plan.get_inplace_scratch_len()];
        let mut line = vec![zero; n];
        for l in range {
            let start = (l / inner) * n * inner + l % inner;
            for (k, v) in line.iter_mut().enumerate() {
                // SAFETY: within `data`; line l is this chunk's alone.
                *v = unsafe { target.at(start + k * inner).read() };
            }
            plan.process_with_scratch(&mut line, &mut scratch);
            for (k, v) in line.iter().enumerate() {
                // SAFETY: as above.
                unsafe { target.at(start + k * inner).write(*v) };
            }
        }
    });
}

/// Transforms contiguous lines of `n` real numbers; of each result the first n / 2 + 1 points are kept.
pub fn real_to_half<T: Real>(input: &[T], n: usize, output: &mut [Complex<T>], inverse: bool, scale: T) {
    let (count, half) = (input.len().checked_div(n).unwrap_or(0), n / 2 + 1);
    if count == 0 {
        return;
    }
    let plan = T::plan(n, inverse);
    let target = Shared(output.as_mut_ptr());
    par::for_range(count, par::grain_for(count, nanoseconds(n)), &|range| {
        let zero = Complex::new(T::zero(), T::zero());
        let mut scratch = vec![zero; plan.get_inplace_scratch_len()];
        let mut line = vec![zero; n];
        for l in range {
            for (v, x) in line.iter_mut().zip(&input[l * n..(l + 1) * n]) {
                *v = Complex::new(*x, T::zero());
            }
            plan.process_with_scratch(&mut line, &mut scratch);
            for (k, v) in line[..half].iter().enumerate() {
                // SAFETY: count * half points; line l is this chunk's alone.
                unsafe { target.at(l * half + k).write(*v * scale) };
            }
        }
    });
}

/// The transform back: contiguous lines of n / 2 + 1 points, taken as half of a line with Hermitian
/// symmetry, to `n` real numbers.
pub fn half_to_real<T: Real>(input: &[Complex<T>], n: usize, output: &mut [T], inverse: bool, scale: T) {
    let (count, half) = (output.len().checked_div(n).unwrap_or(0), n / 2 + 1);
    if count == 0 {
        return;
    }
    let plan = T::plan(n, inverse);
    let target = Shared(output.as_mut_ptr());
    par::for_range(count, par::grain_for(count, nanoseconds(n)), &|range| {
        let zero = Complex::new(T::zero(), T::zero());
        let mut scratch = vec![zero; plan.get_inplace_scratch_len()];
        let mut line = vec![zero; n];
        for l in range {
            let given = &input[l * half..(l + 1) * half];
            // Points that are their own mirror image are real.
            line[0] = Complex::new(given[0].re, T::zero());
            for k in 1..half {
                line[k] = given[k];
                line[n - k] = given[k].conj();
            }
            if n.is_multiple_of(2) && n > 0 {
                line[n / 2] = Complex::new(given[n / 2].re, T::zero());
            }
            plan.process_with_scratch(&mut line, &mut scratch);
            for (k, v) in line.iter().enumerate() {
                // SAFETY: count * n numbers; line l is this chunk's alone.
                unsafe { target.at(l * n + k).write(v.re * scale) };
            }
        }
    });
}
