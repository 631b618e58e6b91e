//! Orthogonal polynomials by their degree, which is cut to a whole number; 0 for negative degrees.
//! Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), chapter 22.

/// Degrees up to which Chebyshev's polynomials are computed by recurrence.
const LOW: f64 = 8.0;

/// The polynomial of degree `n` from those of degree 0 and 1; `next(k, p, q)` is the one of degree
/// k + 1 after p of degree k and q of degree k - 1.
fn recurrence(n: f64, first: f64, second: f64, next: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let n = n.trunc();
    if n.is_nan() {
        return n;
    }
    if n < 0.0 {
        return 0.0;
    }
    if n == 0.0 {
        return first;
    }
    let (mut q, mut p, mut k) = (first, second, 1.0);
    while k < n {
        (q, p) = (p, next(k, p, q));
        if p.is_nan() {
            break;
        }
        k += 1.0;
    }
    p
}

/// High degrees: by the angle within (-1, 1), by the hyperbolic angle outside.
fn is_high(x: f64, n: f64) -> bool {
    n > LOW && x.abs() != 1.0
}

/// +1 or -1: what a factor of (-1)^n makes of negative x.
fn parity(x: f64, n: f64) -> f64 {
    if x < 0.0 && n % 2.0 != 0.0 { -1.0 } else { 1.0 }
}

pub fn chebyshev_t(x: f64, n: f64) -> f64 {
    let n = n.trunc();
    if is_high(x, n) {
        return if x.abs() < 1.0 {
            (n * x.acos()).cos()
        } else {
            (n * x.abs().acosh()).cosh() * parity(x, n)
        };
    }
    recurrence(n, 1.0, x, |_, p, q| 2.0 * x * p - q)
}

pub fn chebyshev_u(x: f64, n: f64) -> f64 {
    let n = n.trunc();
    if x.abs() == 1.0 && n > LOW {
        return (n + 1.0) * parity(x, n);
    }
    if is_high(x, n) {
        return if x.abs() < 1.0 {
            let t = x.acos();
            ((n + 1.0) * t).sin() / t.sin()
        } else {
            let t = x.abs().acosh();
            ((n + 1.0) * t).sinh() / t.sinh() * parity(x, n)
        };
    }
    recurrence(n, 1.0, 2.0 * x, |_, p, q| 2.0 * x * p - q)
}

pub fn chebyshev_v(x: f64, n: f64) -> f64 {
    let n = n.trunc();
    if x.abs() == 1.0 && n > LOW {
        return if x > 0.0 { 1.0 } else { (2.0 * n + 1.0) * parity(x, n) };
    }
    if is_high(x, n) {
        if x.abs() < 1.0 {
            let t = x.acos();
            return ((n + 0.5) * t).cos() / (0.5 * t).cos();
        }
        let t = x.abs().acosh();
        return if x > 0.0 {
            ((n + 0.5) * t).cosh() / (0.5 * t).cosh()
        } else {
            ((n + 0.5) * t).sinh() / (0.5 * t).sinh() * parity(x, n)
        };
    }
    recurrence(n, 1.0, 2.0 * x - 1.0, |_, p, q| 2.0 * x * p - q)
}

pub fn chebyshev_w(x: f64, n: f64) -> f64 {
    // The mirror image of the third kind.
    chebyshev_v(-x, n) * if n.trunc() % 2.0 == 0.0 { 1.0 } else { -1.0 }
}

pub fn hermite_h(x: f64, n: f64) -> f64 {
    recurrence(n, 1.0, 2.0 * x, |k, p, q| 2.0 * (x * p - k * q))
}

pub fn hermite_he(x: f64, n: f64) -> f64 {
    recurrence(n, 1.0, x, |k, p, q| x * p - k * q)
}

pub fn laguerre_l(x: f64, n: f64) -> f64 {
    recurrence(n, 1.0, 1.0 - x, |k, p, q| ((2.0 * k + 1.0 - x) * p - k * q) / (k + 1.0))
}

pub fn legendre_p(x: f64, n: f64) -> f64 {
    recurrence(n, 1.0, x, |k, p, q| ((2.0 * k + 1.0) * x * p - k * q) / (k + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_degrees_follow_the_recurrence() {
        for f in [chebyshev_t as fn(f64, f64) -> f64, chebyshev_u, chebyshev_v, chebyshev_w] {
            for x in [-1.3, -0.7, 0.2, 0.9, 1.01, 1.7] {
                let expected = 2.0 * x * f(x, 10.0) - f(x, 9.0);
                assert!((f(x, 11.0) - expected).abs() < 1e-11 * expected.abs().max(1.0), "{x}");
                let expected = 2.0 * x * f(x, 8.0) - f(x, 7.0);
                assert!((f(x, 9.0) - expected).abs() < 1e-11 * expected.abs().max(1.0), "{x}");
            }
        }
    }
}
