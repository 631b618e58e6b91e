//! Distances between rows: the p-norm of their difference.

use std::ops::Range;

use num_traits::Float;

use crate::cpu::gemm::{self, Bias, GemmElement, Mat, Product};
use crate::cpu::par;
use crate::cpu::simd::{Element, Kernel, Simd, level};

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
fn fold<T: Float>(a: &[T], b: &[T], term: impl Fn(T, T) -> T, join: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let (mut x, mut y) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (x, y) in (&mut x).zip(&mut y) {
        for i in 0..LANES {
            lanes[i] = join(lanes[i], term(x[i], y[i]));
        }
    }
    let tail = x.remainder().iter().zip(y.remainder());
    let total = lanes.into_iter().fold(T::zero(), &join);
    tail.fold(total, |total, (&x, &y)| join(total, term(x, y)))
}

fn distance<T: Float>(a: &[T], b: &[T], norm: Norm<T>) -> T {
    let sum = |a, b| a + b;
    match norm {
        Norm::Zero => fold(a, b, |x, y| if x - y == T::zero() { T::zero() } else { T::one() }, sum),
        Norm::One => fold(a, b, |x, y| (x - y).abs(), sum),
        Norm::Two => fold(a, b, |x, y| (x - y) * (x - y), sum).sqrt(),
        // NaN wins, as in every maximum.
        Norm::Infinity => fold(a, b, |x, y| (x - y).abs(), |m, d| if d > m || d.is_nan() { d } else { m }),
        Norm::P(p) => fold(a, b, |x, y| (x - y).abs().powf(p), sum).powf(T::one() / p),
    }
}

/// Rows of `a` that a panel of rows of `b` meets before another chunk begins.
const ROWS: usize = 64;
/// Rows of `a` that are held together.
const TILE: usize = 4;
/// Components after which a sum in one register is added to the total.
const DEPTH: usize = 256;
/// Rows of `b` in a panel: two vectors of any instruction set.
const fn panel<T: Copy, S: Simd<T>>() -> usize {
    2 * S::LANES
}

/// Distances of some rows to a panel of others, which is turned so that a vector runs along its rows.
struct Panel<'a, T> {
    a: &'a [T],
    b: &'a [T],
    k: usize,
    squares: bool,
    out: &'a Shared<T>,
    /// The rows of `a`, and the number of the panel.
    rows: Range<usize>,
    panel: usize,
}

impl<T: Element + Float> Kernel<T> for Panel<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (k, m, lanes) = (self.k, self.b.len() / self.k, S::LANES);
        let width = const { panel::<T, S>() };
        let first = self.panel * width;
        let count = width.min(m - first);
        let mut turned = vec![T::zero(); k * width];
        for j in 0..count {
            for (i, &v) in self.b[(first + j) * k..][..k].iter().enumerate() {
                turned[i * width + j] = v;
            }
        }
        let mut results = [T::zero(); 64];
        for start in self.rows.clone().step_by(TILE) {
            // The last tile meets its last row again rather than none.
            let row = |r: usize| self.a[(start + r).min(self.rows.end - 1) * k..][..k].as_ptr();
            let rows = [row(0), row(1), row(2), row(3)];
            let mut totals = [[s.zero(); 2]; TILE];
            for from in (0..k).step_by(DEPTH) {
                let mut sums = [[s.zero(); 2]; TILE];
                for i in from..(from + DEPTH).min(k) {
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        // SAFETY: component i of k, in the row and in the panel.
                        let (x, line) = unsafe { (*row.add(i), turned.as_ptr().add(i * width)) };
                        let x = s.splat(x);
                        for (v, sum) in sums.iter_mut().enumerate() {
                            // SAFETY: two vectors of the panel.
                            let d = s.sub(x, unsafe { s.load(line.add(v * lanes)) });
                            *sum = match self.squares {
                                true => s.fma(d, d, *sum),
                                false => s.add(*sum, s.max(s.sub(s.zero(), d), d)),
                            };
                        }
                    }
                }
                for (total, sum) in totals.iter_mut().flatten().zip(sums.iter().flatten()) {
                    *total = s.add(*total, *sum);
                }
            }
            for (r, total) in totals.iter().enumerate().take(self.rows.end - start) {
                // SAFETY: a panel is at most 64 wide; the places of these rows and columns are this chunk's.
                unsafe {
                    s.store(results.as_mut_ptr(), total[0]);
                    s.store(results.as_mut_ptr().add(lanes), total[1]);
                    for (j, &sum) in results[..count].iter().enumerate() {
                        let d = if self.squares { sum.sqrt() } else { sum };
                        self.out.at((start + r) * m + first + j).write(d);
                    }
                }
            }
        }
    }
}

/// How wide the panels are at the level that kernels run at.
struct PanelWidth;

impl<T: Copy> Kernel<T> for PanelWidth {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> usize {
        const { panel::<T, S>() }
    }
}

/// Distances of every row of `a` (n, k) to every row of `b` (m, k): `out` is (n, m).
pub fn between<T: GemmElement>(a: &[T], b: &[T], k: usize, p: f64, out: &mut [T]) {
    let (n, m) = (a.len() / k.max(1), b.len() / k.max(1));
    let norm = Norm::of(p);
    if matches!(norm, Norm::Two) && n.min(m) >= PRODUCT_ROWS && k >= PRODUCT_DEPTH {
        return by_product(a, b, k, out);
    }
    let target = Shared(out.as_mut_ptr());
    if let (Norm::One | Norm::Two, true) = (norm, k > 0) {
        let panels = m.div_ceil(T::dispatch(level(), PanelWidth));
        let tasks = n.div_ceil(ROWS) * panels;
        let cost = (n.min(ROWS) * m * k) as f64 / panels.max(1) as f64 * 0.05;
        par::for_range(tasks, par::grain_for(tasks, cost), &|tasks| {
            for task in tasks {
                let start = task / panels * ROWS;
                let rows = start..(start + ROWS).min(n);
                let squares = matches!(norm, Norm::Two);
                T::dispatch(level(), Panel { a, b, k, squares, out: &target, rows, panel: task % panels });
            }
        });
        return;
    }
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

/// Rows of either side, and components, from which a matrix product is faster.
const PRODUCT_ROWS: usize = 16;
const PRODUCT_DEPTH: usize = 32;
/// A square of a distance is taken from the product where it is at least this share of the squares that cancel in it:
/// no more than three of its bits are lost.
const KEPT: f64 = 0.125;

/// Euclidean distances as |a|² + |b|² - 2 a·b, but for rows so near each other that this would not be exact.
fn by_product<T: GemmElement>(a: &[T], b: &[T], k: usize, out: &mut [T]) {
    let m = b.len() / k;
    let mat = |x: &[T]| Mat { ptr: x.as_ptr(), rs: k as isize, cs: 1 };
    let product = Product {
        m: a.len() / k,
        n: m,
        k,
        a: mat(a),
        b: mat(b).t(),
        c: out.as_mut_ptr(),
        ldc: m,
        accumulate: false,
        bias: Bias::None,
    };
    // SAFETY: matrices of rows of k; the output has a place for each pair of them.
    unsafe { gemm::gemm(&product) };
    let squares = |x: &[T]| -> Vec<T> {
        x.chunks_exact(k).map(|row| fold(row, row, |x, y| x * y, |a, b| a + b)).collect()
    };
    let (of_a, of_b) = (squares(a), squares(b));
    let two = T::one() + T::one();
    let kept = T::from(KEPT).expect("a power of two");
    let target = Shared(out.as_mut_ptr());
    par::for_range(of_a.len(), par::grain_for(of_a.len(), m as f64), &|rows| {
        for i in rows {
            // SAFETY: a row is written by one chunk alone.
            let row = unsafe { std::slice::from_raw_parts_mut(target.at(i * m), m) };
            for (j, (d, &b_squared)) in row.iter_mut().zip(&of_b).enumerate() {
                let both = of_a[i] + b_squared;
                let square = both - two * *d;
                // Nor where any of them is NaN.
                *d = if square >= both * kept {
                    square.sqrt()
                } else {
                    distance(&a[i * k..][..k], &b[j * k..][..k], Norm::Two)
                };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_give_the_distances_of_pairs() {
        for (n, m, k) in
            [(1, 1, 1), (3, 5, 2), (65, 33, 7), (9, 70, 300), (4, 3, 600), (40, 33, 100), (90, 90, 40)]
        {
            let x = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 100.0;
            let a: Vec<f32> = (0..n * k).map(x).collect();
            let mut b: Vec<f32> = (0..m * k).map(|i| x(i + 5)).collect();
            b[0] = f32::NAN;
            // Rows that are the same, and some that nearly are.
            for j in 1..m.min(n) {
                if j % 3 != 0 {
                    b[j * k..][..k].copy_from_slice(&a[j * k..][..k]);
                    b[j * k] += if j % 3 == 1 { 0.01 } else { 0.0 };
                }
            }
            for (p, norm) in [(1.0, Norm::One), (2.0, Norm::Two)] {
                let mut out = vec![-1.0; n * m];
                between(&a, &b, k, p, &mut out);
                for (i, got) in out.iter().enumerate() {
                    let want = distance(&a[i / m * k..][..k], &b[i % m * k..][..k], norm);
                    assert!(
                        (got - want).abs() <= want * 5e-6 || got.is_nan() && want.is_nan(),
                        "{n} {m} {k} {p}: {got}, not {want}"
                    );
                }
            }
        }
    }
}
