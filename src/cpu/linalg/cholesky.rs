//! Cholesky's factorisation A = L Lᴴ, right-looking in blocks.

use super::{BLOCK, Field, Part, copied, subtract_product, subtract_scaled};

/// Overwrites the lower triangle of `a` (n, n) with L and the upper with zeros. Reads the lower triangle
/// only. Returns the order (from 1) of the first leading minor that is not positive, 0 if all are.
pub fn factor<T: Field>(a: &mut [T], n: usize) -> usize {
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        for j in start..end {
            let d = a[j * n + j].real();
            // A NaN is not positive either.
            if d.is_nan() || d <= 0.0 {
                return j + 1;
            }
            let root = d.sqrt();
            a[j * n + j] = T::from_real(root);
            for v in &mut a[j * n + j + 1..(j + 1) * n] {
                *v /= T::from_real(root);
            }
            let (left, right) = a.split_at_mut((j + 1) * n);
            let column = &left[j * n..];
            for c in j + 1..end {
                let target = &mut right[(c - j - 1) * n..];
                subtract_scaled(&mut target[c..n], &column[c..n], column[c].conjugate());
            }
        }
        if end < n {
            let (rows, width) = (n - end, end - start);
            let l = copied(a, Part { start: start * n + end, stride: n }, rows, width);
            // The negated adjoint of the same columns.
            let mut adjoint = Vec::with_capacity(rows * width);
            for i in 0..rows {
                adjoint.extend((0..width).map(|j| -l[j * rows + i].conjugate()));
            }
            subtract_product(a, Part { start: end * n + end, stride: n }, &l, &adjoint, (rows, rows, width));
        }
    }
    for j in 1..n {
        a[j * n..j * n + j].fill(T::zero());
    }
    0
}
