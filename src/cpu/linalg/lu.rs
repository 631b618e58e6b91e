//! LU with partial pivoting: P A = L U, right-looking in blocks (Golub and Van Loan, Matrix
//! Computations, 3.4).

use super::{BLOCK, Field, Part, copied, negated, subtract_product, subtract_scaled};

/// Factors `a` (m, n) in place. `pivots[k]` is the row (from 0) that row k was exchanged with. Returns
/// the number (from 1) of the first pivot that is zero, 0 if none is.
pub fn factor<T: Field>(a: &mut [T], m: usize, n: usize, pivots: &mut [usize]) -> usize {
    let k = m.min(n);
    let mut first_zero = 0;
    for start in (0..k).step_by(BLOCK) {
        let end = (start + BLOCK).min(k);
        for j in start..end {
            let column = &a[j * m..(j + 1) * m];
            // The first of the largest; NaN does not count as larger.
            let pivot =
                (j + 1..m).fold(j, |best, i| if column[i].size() > column[best].size() { i } else { best });
            pivots[j] = pivot;
            let value = column[pivot];
            if value.is_zero() {
                if first_zero == 0 {
                    first_zero = j + 1;
                }
                continue;
            }
            if pivot != j {
                for c in 0..n {
                    a.swap(c * m + j, c * m + pivot);
                }
            }
            for v in &mut a[j * m + j + 1..(j + 1) * m] {
                *v /= value;
            }
            let (left, right) = a.split_at_mut((j + 1) * m);
            let below = &left[j * m + j + 1..];
            for c in 0..end - j - 1 {
                let column = &mut right[c * m..(c + 1) * m];
                let f = column[j];
                subtract_scaled(&mut column[j + 1..], below, f);
            }
        }
        if end < n {
            // Rows of U to the right, then everything below them.
            for c in end..n {
                for j in start..end {
                    let f = a[c * m + j];
                    let (left, right) = a.split_at_mut(c * m);
                    subtract_scaled(&mut right[j + 1..end], &left[j * m + j + 1..j * m + end], f);
                }
            }
            let l = copied(a, Part { start: start * m + end, stride: m }, m - end, end - start);
            let u = negated(a, Part { start: end * m + start, stride: m }, end - start, n - end);
            let rest = Part { start: end * m + end, stride: m };
            subtract_product(a, rest, &l, &u, (m - end, n - end, end - start));
        }
    }
    first_zero
}

/// Exchanges the rows of `b` (m, n) as the factorisation did; `forward` or back again.
pub fn permute_rows<T: Field>(b: &mut [T], m: usize, n: usize, pivots: &[usize], forward: bool) {
    let mut exchange = |k: usize| {
        if pivots[k] != k {
            (0..n).for_each(|c| b.swap(c * m + k, c * m + pivots[k]));
        }
    };
    if forward {
        (0..pivots.len()).for_each(&mut exchange);
    } else {
        (0..pivots.len()).rev().for_each(&mut exchange);
    }
}
