//! Special functions: gamma, error and Bessel functions and what is made of them.

// Constants are written out, to double precision: the text has to mean the same to f32, f64 and CUDA C.
#![allow(clippy::excessive_precision, clippy::approx_constant)]

use crate::bail;
use crate::ops::registry::Args;
use crate::ops::row::*;
use crate::ops::{arithmetic, creation, reduce, table, view};

table! {
    // ---- gamma and its relatives ----
    /// The logarithm of the absolute value of gamma.
    op lgamma(x) for (float) = { lgamma(x) }
        grad { x(x, g) = g * digamma(x); } on (0.5, 5.0);
    /// The logarithmic derivative of gamma.
    op digamma(x) for (float) = { digamma(x) }
        grad { x(x, g) = g * polygamma(x, 1.0); } on (0.5, 5.0);
    part polygamma(x; n) for (float) = { polygamma(x, n) }
        grad { x(x, n, g) = g * polygamma(x, n + 1.0); } on (0.5, 5.0);
    /// The lower incomplete gamma function of (input, other), over gamma(input).
    op_of_tensors igamma(a, x) for (float) = { igamma(a, x) }
        grad { x(a, x, g) = g * exp((a - 1.0) * log(x) - x - lgamma(a)); } check floats_only on (0.5, 5.0);
    /// The upper incomplete gamma function of (input, other), over gamma(input).
    op_of_tensors igammac(a, x) for (float) = { igammac(a, x) }
        grad { x(a, x, g) = -(g * exp((a - 1.0) * log(x) - x - lgamma(a))); } check floats_only on (0.5, 5.0);
    /// Hurwitz' zeta function: the sum of (other + k)^-input over k = 0, 1, ...
    special zeta(x, q) for (float) = { zeta(x, q) }
        grad { q(x, q, g) = -(g * (x * zeta(x + 1.0, q))); } on (1.5, 5.0);

    // ---- the error function and its relatives ----
    /// 1 - erf(x), exact for large x.
    op erfc(x) for (float) = { erfc(x) }
        grad { x(x, g) = -(g * (exp(-(x * x)) * 1.128379167095512573896)); } on (-3.0, 3.0);
    /// The inverse of the error function.
    op erfinv(x) for (float) = { erfinv(x) }
        grad { x(x, g) = g * (exp(erfinv(x) * erfinv(x)) * 0.886226925452758013649); } on (-0.9, 0.9);
    /// exp(x^2) * erfc(x).
    special erfcx(x) for (float) = { erfcx(x) }
        grad { x(x, y, g) = g * (2.0 * x * y - 1.128379167095512573896); } on (-2.0, 4.0);
    /// The quantile of the normal distribution.
    special ndtri(x) for (float) = { ndtri(x) }
        grad { x(y, g) = g * (exp(y * y * 0.5) * 2.506628274631000502416); } on (0.1, 0.9);
    /// The logarithm of the normal distribution function.
    special log_ndtr(x) for (float) = { log_ndtr(x) }
        grad { x(x, g) = g / erfcx(x * -0.707106781186547524401) * 0.797884560802865355880; } on (-4.0, 4.0);
    /// -x * log(x).
    special entr(x) for (float) = { entr(x) }
        grad { x(x, g) = g * (-log(x) - 1.0); } on (0.1, 4.0);
    /// input * log(1 + other), 0 where input is 0.
    special xlog1py(a, b) for (float) = { xlog1py(a, b) }
        grad {
            a(a, b, g) = select(eq(a, 0.0), select(le(b, -1.0), 0.0, g * log1p(b)), g * log1p(b));
            b(a, b, g) = g * (a / (b + 1.0));
        } on (0.5, 4.0);

    // ---- Bessel functions ----
    /// The modified Bessel function of the first kind, of order 0.
    op i0(x) for (float) = { i0(x) }
        grad { x(x, g) = g * i1(x); } on (-4.0, 4.0);
    /// exp(-|x|) * i0(x).
    special i0e(x) for (float) = { i0e(x) }
        grad { x(x, y, g) = g * (i1e(x) - sign(x) * y); } on (-4.0, 4.0);
    /// The modified Bessel function of the first kind, of order 1.
    special i1(x) for (float) = { i1(x) }
        grad { x(x, y, g) = select(eq(x, 0.0), g * 0.5, g * (i0(x) - y / x)); } on (-4.0, 4.0);
    /// exp(-|x|) * i1(x).
    special i1e(x) for (float) = { i1e(x) }
        grad { x(x, y, g) = select(eq(x, 0.0), g * 0.5, g * (i0e(x) - y * (sign(x) + 1.0 / x))); } on (-4.0, 4.0);
    /// The Bessel function of the first kind, of order 0.
    special bessel_j0(x) for (float) = { bessel_j0(x) } grad { } on (-4.0, 4.0);
    /// The Bessel function of the first kind, of order 1.
    special bessel_j1(x) for (float) = { bessel_j1(x) } grad { } on (-4.0, 4.0);
    /// The Bessel function of the second kind, of order 0.
    special bessel_y0(x) for (float) = { bessel_y0(x) } grad { } on (0.5, 4.0);
    /// The Bessel function of the second kind, of order 1.
    special bessel_y1(x) for (float) = { bessel_y1(x) } grad { } on (0.5, 4.0);
    /// The modified Bessel function of the first kind, of order 0; without a gradient.
    special modified_bessel_i0(x) for (float) = { i0(x) } grad { } on (-4.0, 4.0);
    /// The modified Bessel function of the first kind, of order 1; without a gradient.
    special modified_bessel_i1(x) for (float) = { i1(x) } grad { } on (-4.0, 4.0);
    /// The modified Bessel function of the second kind, of order 0.
    special modified_bessel_k0(x) for (float) = { k0(x) } grad { } on (0.5, 4.0);
    /// The modified Bessel function of the second kind, of order 1.
    special modified_bessel_k1(x) for (float) = { k1(x) } grad { } on (0.5, 4.0);
    /// exp(x) * modified_bessel_k0(x).
    special scaled_modified_bessel_k0(x) for (float) = { k0e(x) } grad { } on (0.5, 4.0);
    /// exp(x) * modified_bessel_k1(x).
    special scaled_modified_bessel_k1(x) for (float) = { k1e(x) } grad { } on (0.5, 4.0);
    // PyTorch has but six digits below -1.
    /// Airy's function Ai.
    special airy_ai(x) for (float) = { airy_ai(x) } grad { } on (-1.0, 4.0);
    /// The spherical Bessel function of the first kind, of order 0: sin(x) / x.
    special spherical_bessel_j0(x) for (float) = { spherical_j0(x) } grad { } on (-4.0, 4.0);

    // ---- orthogonal polynomials: the degree is cut to a whole number ----
    /// Chebyshev's polynomial of the first kind in input, of degree other.
    special chebyshev_polynomial_t(x, n) for (float) = { chebyshev_t(x, n) } grad { } on (-1.5, 5.0);
    /// The same in 2 * input - 1.
    special shifted_chebyshev_polynomial_t(x, n) for (float) = { chebyshev_t(x + x - 1.0, n) } grad { } on (-1.5, 5.0);
    /// Chebyshev's polynomial of the second kind in input, of degree other.
    special chebyshev_polynomial_u(x, n) for (float) = { chebyshev_u(x, n) } grad { } on (-1.5, 5.0);
    /// The same in 2 * input - 1.
    special shifted_chebyshev_polynomial_u(x, n) for (float) = { chebyshev_u(x + x - 1.0, n) } grad { } on (-1.5, 5.0);
    /// Chebyshev's polynomial of the third kind in input, of degree other.
    special chebyshev_polynomial_v(x, n) for (float) = { chebyshev_v(x, n) } grad { } on (-1.5, 5.0);
    /// The same in 2 * input - 1.
    special shifted_chebyshev_polynomial_v(x, n) for (float) = { chebyshev_v(x + x - 1.0, n) } grad { } on (-1.5, 5.0);
    /// Chebyshev's polynomial of the fourth kind in input, of degree other.
    special chebyshev_polynomial_w(x, n) for (float) = { chebyshev_w(x, n) } grad { } on (-1.5, 5.0);
    /// The same in 2 * input - 1.
    special shifted_chebyshev_polynomial_w(x, n) for (float) = { chebyshev_w(x + x - 1.0, n) } grad { } on (-1.5, 5.0);
    /// Hermite's polynomial of the physicists in input, of degree other.
    special hermite_polynomial_h(x, n) for (float) = { hermite_h(x, n) } grad { } on (-1.5, 5.0);
    /// Hermite's polynomial of the probability theorists in input, of degree other.
    special hermite_polynomial_he(x, n) for (float) = { hermite_he(x, n) } grad { } on (-1.5, 5.0);
    /// Laguerre's polynomial in input, of degree other.
    special laguerre_polynomial_l(x, n) for (float) = { laguerre_l(x, n) } grad { } on (-1.5, 5.0);
    /// Legendre's polynomial in input, of degree other.
    special legendre_polynomial_p(x, n) for (float) = { legendre_p(x, n) } grad { } on (-1.5, 5.0);
}

/// The derivative of digamma of order `n`.
fn polygamma_of_order(n: i64, x: &Tensor) -> Result<Tensor> {
    if n < 0 {
        bail!(Autograd, "polygamma(n, x) does not support negative n.");
    }
    if n == 0 {
        return table_of(&rows::digamma::ROW, x);
    }
    apply(&rows::polygamma::ROW, &[x.into(), Arg::Number(Scalar::Float(n as f64))])
}

fn table_of(row: &'static Row, x: &Tensor) -> Result<Tensor> {
    apply(row, &[x.into()])
}

/// The logarithm of the gamma function of order `p`: a sum of `p` ordinary ones and a constant.
fn mvlgamma(x: &Tensor, p: i64) -> Result<Tensor> {
    if p < 1 {
        bail!(Autograd, "p has to be greater than or equal to 1");
    }
    if x.dtype().is_complex() || x.dtype() == DType::Bool {
        bail!(Unsupported, "\"mvlgamma\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let dtype = if x.dtype().is_integral() { crate::scalar::default_dtype() } else { x.dtype() };
    let first = Scalar::Float(0.5 - 0.5 * p as f64);
    let shifts = creation::arange(first, Scalar::Float(0.5), Scalar::Float(0.5), dtype)?;
    let each = table_of(&rows::lgamma::ROW, &arithmetic::add(&view::unsqueeze(x, -1)?, &shifts)?)?;
    let constant = (p * (p - 1)) as f64 * std::f64::consts::PI.ln() / 4.0;
    arithmetic::add(&reduce::sum(&each, Some(&[-1]), false, None)?, constant)
}

/// The normal distribution function.
fn ndtr(x: &Tensor) -> Result<Tensor> {
    let scaled = table::mul(x, -std::f64::consts::FRAC_1_SQRT_2)?;
    table::mul(&table_of(&rows::erfc::ROW, &scaled)?, 0.5)
}

pub const OPS: &[Op] = &[
    Op::new("polygamma(int n, Tensor input) -> Tensor", |a| {
        Ok(polygamma_of_order(a.int(0), a.tensor(1))?.into())
    })
    .doc("The derivative of digamma of order n.")
    .samples("0, t(3, low=0.5, high=4) | 1, t(2, 3, low=0.5, high=4) | 2, nc(2, 3, low=0.5, high=4)"),
    Op::new("polygamma(Tensor self, int n) -> Tensor", |a: &Args| {
        Ok(polygamma_of_order(a.int(1), a.tensor(0))?.into())
    })
    .method_only()
    .inplace()
    .samples("t(3, low=0.5, high=4), 1 | t(low=0.5, high=4), 3"),
    Op::new("mvlgamma(Tensor input, int p) -> Tensor", |a| Ok(mvlgamma(a.tensor(0), a.int(1))?.into()))
        .method()
        .inplace()
        .doc("The logarithm of the multivariate gamma function of order p.")
        .samples("t(3, low=3, high=5), 3 | t(2, 0), 1 | t(low=3, high=5), 2"),
    Op::new("special.ndtr(Tensor input) -> Tensor", |a| Ok(ndtr(a.tensor(0))?.into()))
        .doc("The normal distribution function.")
        .samples("t(3, 4) | nc(3, 2) | t(0)"),
];
