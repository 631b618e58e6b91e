//! Distances between rows: the p-norm of their difference.

use num_traits::Float;

use crate::cpu::par;

/// The norm that measures a difference.
#[derive(Clone, Copy)]
enum Norm<T> {
    /// How many components differ.
    Zero,
    One,
    Two,
    Infinity,
    P(T),
}

impl<T: Float> Norm<T> {
    fn of(p: f64) -> Norm<T> {
        match p {
            0.0 => Norm::Zero,
            1.0 => Norm::One,
            2.0 => Norm::Two,
            f64::INFINITY => Norm::Infinity,
            _ => Norm::P(T::from(p).expect("a float of either width holds any f64, rounded")),
        }
    }
}

const LANES: usize = 8;

/// Folds the terms of two rows in lanes, so that the compiler may use vectors.
#[inline(always)]
fn fold<T: Float>(a: &[T], b: &[T], term: impl Fn(T) -> T, join: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let (mut x, mut y) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (x, y) in (&mut x).zip(&mut y) {
        for i in 0..LANES {
            lanes[i] = join(lanes[i], term(x[i] - y[i]));
        }
    }
    let tail = x.remainder().iter().zip(y.remainder());
    let total = lanes.into_iter().fold(T::zero(), &join);
    tail.fold(total, |total, (&x, &y)| join(total, term(x - y)))
}

fn distance<T: Float>(a: &[T], b: &[T], norm: Norm<T>) -> T {
    let sum = |a, b| a + b;
    match norm {
        Norm::Zero => fold(a, b, |d| if d == T::zero() { T::zero() } else { T::one() }, sum),
        Norm::One => fold(a, b, T::abs, sum),
        Norm::Two => fold(a, b, |d| d * d, sum).sqrt(),
        // NaN wins, as in every maximum.
        Norm::Infinity => fold(a, b, T::abs, |m, d| if d > m || d.is_nan() { d } else { m }),
        Norm::P(p) => fold(a, b, |d| d.abs().powf(p), sum).powf(T::one() / p),
    }
}

/// Distances of every row of `a` (n, k) to every row of `b` (m, k): `out` is (n, m).
pub fn between<T: Float + Send + Sync>(a: &[T], b: &[T], k: usize, p: f64, out: &mut [T]) {
    let (n, m) = (a.len() / k.max(1), b.len() / k.max(1));
    let norm = Norm::of(p);
    let target = Shared(out.as_mut_ptr());
    let cost = (m * k) as f64 * if matches!(norm, Norm::P(_)) { 20.0 } else { 0.5 };
    par::for_range(n, par::grain_for(n, cost), &|rows| {
        for i in rows {
            for j in 0..m {
                let d = distance(&a[i * k..][..k], &b[j * k..][..k], norm);
                // SAFETY: i * m + j < n * m = out.len(); each row is written by one chunk alone.
                unsafe { target.at(i * m + j).write(d) };
            }
        }
    });
}

/// Distances of each row of `a` (n, k) to every later row, in order.
pub fn within<T: Float + Send + Sync>(a: &[T], n: usize, k: usize, p: f64, out: &mut [T]) {
    let norm = Norm::of(p);
    let target = Shared(out.as_mut_ptr());
    let cost = (n * k) as f64 * if matches!(norm, Norm::P(_)) { 10.0 } else { 0.25 };
    par::for_range(n, par::grain_for(n, cost), &|rows| {
        for i in rows {
            let start = i * (2 * n - i - 1) / 2;
            for j in i + 1..n {
                let d = distance(&a[i * k..][..k], &a[j * k..][..k], norm);
                // SAFETY: pair (i, j) has its own place below n * (n - 1) / 2 = out.len().
                unsafe { target.at(start + j - i - 1).write(d) };
            }
        }
    });
}

/// Memory that chunks write in different places.
struct Shared<T>(*mut T);
// SAFETY: every element is written by one chunk alone.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn at(&self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }
}
