//! Systems with a triangular matrix, solved in blocks.

use super::{BLOCK, Field, Part, copied, negated, subtract_product, subtract_scaled};

/// Overwrites `b` (n, columns) with the solution of T X = B, where T is the upper or lower triangle of
/// `a` (n, n; columns `stride` apart). With `unit` the diagonal counts as ones.
pub fn solve<T: Field>(
    a: &[T],
    stride: usize,
    n: usize,
    b: &mut [T],
    columns: usize,
    upper: bool,
    unit: bool,
) {
    let blocks: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let order: Box<dyn Iterator<Item = &usize>> =
        if upper { Box::new(blocks.iter().rev()) } else { Box::new(blocks.iter()) };
    for &start in order {
        let end = (start + BLOCK).min(n);
        for c in 0..columns {
            let x = &mut b[c * n..(c + 1) * n];
            if upper {
                for j in (start..end).rev() {
                    if !unit {
                        x[j] /= a[j * stride + j];
                    }
                    let f = x[j];
                    subtract_scaled(&mut x[start..j], &a[j * stride + start..j * stride + j], f);
                }
            } else {
                for j in start..end {
                    if !unit {
                        x[j] /= a[j * stride + j];
                    }
                    let f = x[j];
                    subtract_scaled(&mut x[j + 1..end], &a[j * stride + j + 1..j * stride + end], f);
                }
            }
        }
        let (first, count) = if upper { (0, start) } else { (end, n - end) };
        if count > 0 {
            let factor = copied(a, Part { start: start * stride + first, stride }, count, end - start);
            let solved = negated(b, Part { start, stride: n }, end - start, columns);
            let rest = Part { start: first, stride: n };
            subtract_product(b, rest, &factor, &solved, (count, columns, end - start));
        }
    }
}
