//! Symmetric (or Hermitian) indefinite matrices: P A Pᵀ = L D Lᵀ (or L D Lᴴ), D with blocks of one or two, by
//! the diagonal pivoting of Bunch and Kaufman (Golub and Van Loan, Matrix Computations, 4.4).
//!
//! Only the lower triangle is read. Results are laid out as LAPACK's sytrf does: L and D in one matrix; a pivot
//! p > 0 is a block of one that row p was exchanged for, two equal p < 0 are a block of two whose second
//! row was exchanged for row -p (from 1).

use super::{Field, subtract_scaled};

/// What the size of the largest part of the rest is compared with: (1 + √17) / 8.
const THRESHOLD: f64 = 0.640_388_203_202_208;

/// Factors `a` (n, n) in place and fills the strict upper triangle with zeros. Returns the number (from 1) of
/// the first block that is zero, 0 if none is.
pub fn factor<T: Field>(a: &mut [T], n: usize, pivots: &mut [i32], hermitian: bool) -> usize {
    let turned = |x: T| if hermitian { x.conjugate() } else { x };
    let mut first_zero = 0;
    let mut k = 0;
    if hermitian {
        (0..n).for_each(|j| a[j * n + j] = T::from_real(a[j * n + j].real()));
    }
    while k < n {
        if hermitian {
            a[k * n + k] = T::from_real(a[k * n + k].real()); // rounding left an imaginary part
        }
        let (pivot, wide) = choose(a, n, k);
        let last = k + usize::from(wide);
        exchange(a, n, (k, last, pivot), hermitian);
        if wide {
            eliminate_two(a, n, k, hermitian);
            pivots[k] = -(pivot as i32 + 1);
            pivots[k + 1] = pivots[k];
        } else {
            pivots[k] = pivot as i32 + 1;
            let value = a[k * n + k];
            if value.is_zero() {
                if first_zero == 0 {
                    first_zero = k + 1;
                }
            } else {
                let column = a[k * n + k + 1..(k + 1) * n].to_vec();
                for (i, &x) in column.iter().enumerate() {
                    let j = k + 1 + i;
                    subtract_scaled(&mut a[j * n + j..(j + 1) * n], &column[i..], turned(x) / value);
                }
                a[k * n + k + 1..(k + 1) * n].iter_mut().for_each(|x| *x /= value);
            }
        }
        k = last + 1;
    }
    for j in 1..n {
        a[j * n..j * n + j].fill(T::zero());
    }
    first_zero
}

/// The row that comes to the front for step k, and whether the block is of two.
fn choose<T: Field>(a: &[T], n: usize, k: usize) -> (usize, bool) {
    let size = |i: usize, j: usize| a[j * n + i].size();
    let own = size(k, k);
    let mut row = k;
    let mut below = 0.0;
    for i in k + 1..n {
        if size(i, k) > below {
            (row, below) = (i, size(i, k));
        }
    }
    if own.max(below) == 0.0 || own >= THRESHOLD * below {
        return (k, false);
    }
    let left = (k..row).map(|j| size(row, j));
    let largest = left.chain((row + 1..n).map(|i| size(i, row))).fold(0.0, f64::max);
    if own >= THRESHOLD * below * (below / largest) {
        (k, false)
    } else {
        (row, size(row, row) < THRESHOLD * largest)
    }
}

/// Exchanges rows and columns `at` and `with` of what is left from `k` on.
fn exchange<T: Field>(a: &mut [T], n: usize, (k, at, with): (usize, usize, usize), hermitian: bool) {
    let turned = |x: T| if hermitian { x.conjugate() } else { x };
    if at == with {
        return;
    }
    for i in with + 1..n {
        a.swap(at * n + i, with * n + i);
    }
    for j in at + 1..with {
        let (x, y) = (a[at * n + j], a[j * n + with]);
        (a[at * n + j], a[j * n + with]) = (turned(y), turned(x));
    }
    a[at * n + with] = turned(a[at * n + with]);
    a.swap(at * n + at, with * n + with);
    if at > k {
        a.swap(k * n + at, k * n + with);
    }
}

/// The step of a block of two at k.
fn eliminate_two<T: Field>(a: &mut [T], n: usize, k: usize, hermitian: bool) {
    let turned = |x: T| if hermitian { x.conjugate() } else { x };
    let (d11, d21, d22) = (a[k * n + k], a[k * n + k + 1], a[(k + 1) * n + k + 1]);
    // Scaled by d21, so that the determinant neither overflows nor cancels.
    let (p, q) = (d22 / d21, d11 / turned(d21));
    let t = T::one() / (p * q - T::one());
    let rows: Vec<(T, T)> = (k + 2..n).map(|i| (a[k * n + i], a[(k + 1) * n + i])).collect();
    let solved: Vec<(T, T)> =
        rows.iter().map(|&(x, y)| ((p * x - y) * t / turned(d21), (q * y - x) * t / d21)).collect();
    for (j, &(first, second)) in solved.iter().enumerate() {
        let column = &mut a[(k + 2 + j) * n + k + 2 + j..(k + 3 + j) * n];
        for (value, &(x, y)) in column.iter_mut().zip(&rows[j..]) {
            *value -= x * turned(first) + y * turned(second);
        }
    }
    for (i, (first, second)) in solved.into_iter().enumerate() {
        a[k * n + k + 2 + i] = first;
        a[(k + 1) * n + k + 2 + i] = second;
    }
}

/// Solves A x = b for each column of `b` (n, columns) in place, from what [`factor`] left.
pub fn solve<T: Field>(a: &[T], n: usize, pivots: &[i32], b: &mut [T], hermitian: bool) {
    let turned = |x: T| if hermitian { x.conjugate() } else { x };
    let row = |p: i32| (p.unsigned_abs() as usize).saturating_sub(1);
    let wide = |k: usize| pivots[k] < 0 && k + 1 < n;
    for b in b.chunks_exact_mut(n.max(1)) {
        let mut k = 0;
        while k < n {
            if wide(k) {
                b.swap(k + 1, row(pivots[k]));
                let (first, second) = (b[k], b[k + 1]);
                subtract_scaled(&mut b[k + 2..], &a[k * n + k + 2..(k + 1) * n], first);
                subtract_scaled(&mut b[k + 2..], &a[(k + 1) * n + k + 2..(k + 2) * n], second);
                let d21 = a[k * n + k + 1];
                let (p, q) = (a[(k + 1) * n + k + 1] / d21, a[k * n + k] / turned(d21));
                let t = T::one() / (p * q - T::one());
                let (x, y) = (first / turned(d21), second / d21);
                (b[k], b[k + 1]) = ((p * x - y) * t, (q * y - x) * t);
                k += 2;
            } else {
                b.swap(k, row(pivots[k]));
                let value = b[k];
                subtract_scaled(&mut b[k + 1..], &a[k * n + k + 1..(k + 1) * n], value);
                b[k] /= a[k * n + k];
                k += 1;
            }
        }
        let mut end = n;
        while end > 0 {
            let width = if end > 1 && pivots[end - 1] < 0 { 2 } else { 1 };
            for k in end - width..end {
                let below = a[k * n + end..(k + 1) * n].iter().zip(&b[end..]);
                let sum = below.fold(T::zero(), |sum, (&l, &x)| sum + turned(l) * x);
                b[k] -= sum;
            }
            b.swap(end - 1, row(pivots[end - 1]));
            end -= width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix that needs both kinds of blocks.
    fn matrix(n: usize) -> Vec<f64> {
        let value = |i: usize, j: usize| ((i * j + 3 * (i + j)) % 7) as f64 - 3.0;
        (0..n * n).map(|at| if at / n == at % n { 0.1 } else { value(at / n, at % n) }).collect()
    }

    #[test]
    fn solutions_solve() {
        for n in [1, 2, 3, 8, 30] {
            let (whole, mut a, mut pivots) = (matrix(n), matrix(n), vec![0; n]);
            assert_eq!(factor(&mut a, n, &mut pivots, false), 0);
            let x: Vec<f64> = (0..n).map(|i| i as f64 - 2.0).collect();
            let mut b: Vec<f64> = (0..n).map(|i| (0..n).map(|j| whole[j * n + i] * x[j]).sum()).collect();
            solve(&a, n, &pivots, &mut b, false);
            assert!(x.iter().zip(&b).all(|(x, b)| (x - b).abs() < 1e-9), "{n}: {b:?}");
        }
    }

    #[test]
    fn a_zero_block_is_named() {
        let (mut a, mut pivots) = ([0.0; 4], [0; 2]);
        assert_eq!(factor(&mut a, 2, &mut pivots, false), 1);
        assert_eq!(pivots, [1, 2]);
    }
}
