//! Window functions, in double precision and rounded once: those of the root and of `signal.windows`.

use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::copy;
use crate::ops::registry::Op;
use crate::scalar::default_dtype;
use crate::tensor::Tensor;

/// A window of `m` points: `value(k, n)` for k in 0..m, where n is what a whole turn or span takes.
fn window(m: usize, symmetric: bool, dtype: DType, value: impl Fn(f64, f64) -> f64) -> Result<Tensor> {
    let span = if symmetric { m.saturating_sub(1) } else { m } as f64;
    let mut values = crate::alloc::vec_for(m)?;
    match m {
        1 => values.push(1.0),
        _ => values.extend((0..m).map(|k| value(k as f64, span))),
    }
    copy::to_dtype(&Tensor::from_slice(&values, &[m])?, dtype)
}

/// The sum of (-1)^i a_i cos(2 pi i k / n).
fn cosines(a: &[f64]) -> impl Fn(f64, f64) -> f64 + '_ {
    move |k, n| {
        let turn = std::f64::consts::TAU * k / n;
        a.iter().enumerate().map(|(i, a)| if i % 2 == 0 { *a } else { -*a } * (i as f64 * turn).cos()).sum()
    }
}

const BLACKMAN: &[f64] = &[0.42, 0.5, 0.08];
const NUTTALL: &[f64] = &[0.3635819, 0.4891775, 0.1365995, 0.0106411];

fn bartlett(k: f64, n: f64) -> f64 {
    1.0 - (2.0 * k / n - 1.0).abs()
}

/// Bessel's I₀ by its power series, whose terms are all positive.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 && k < 10_000.0 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

fn kaiser(beta: f64) -> impl Fn(f64, f64) -> f64 {
    move |k, n| {
        let x = 2.0 * k / n - 1.0;
        bessel_i0(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(beta)
    }
}

/// The length and dtype of a window of the root.
fn root(name: &str, length: i64, dtype: Option<DType>) -> Result<(usize, DType)> {
    let dtype = dtype.unwrap_or_else(default_dtype);
    if dtype.is_integral() {
        bail!(DType, "{name} expects floating point dtypes, got: {}", dtype.scalar_name());
    }
    if dtype.is_complex() {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", dtype.scalar_name());
    }
    if length < 0 {
        bail!(Shape, "{name} requires non-negative window_length, got window_length={length}");
    }
    Ok((length as usize, dtype))
}

/// The length and dtype of a window of `signal.windows`.
fn signal(name: &str, length: i64, dtype: Option<DType>) -> Result<(usize, DType)> {
    let dtype = dtype.unwrap_or_else(default_dtype);
    if length < 0 {
        bail!(Value, "{name} requires non-negative window length, got M={length}");
    }
    if !matches!(dtype, DType::F32 | DType::F64) {
        bail!(Value, "{name} expects float32 or float64 dtypes, got: torch.{}", dtype.name());
    }
    Ok((length as usize, dtype))
}

macro_rules! root_window {
    ($name:literal, $value:expr, $doc:literal) => {
        Op::new(
            concat!($name, "(int window_length, bool periodic=True, *, ScalarType? dtype=None) -> Tensor"),
            |a| {
                let (m, dtype) = root($name, a.int(0), a.dtype(2))?;
                Ok(window(m, !a.bool(1), dtype, $value)?.into())
            },
        )
        .doc($doc)
        .samples("5 | 1 | 6, False | 4, dtype=torch.float64")
    };
}

macro_rules! signal_window {
    ($name:literal, $checked:literal, $value:expr, $doc:literal) => {
        Op::new(
            concat!("signal.windows.", $name, "(int M, *, bool sym=True, ScalarType? dtype=None) -> Tensor"),
            |a| {
                let (m, dtype) = signal($checked, a.int(0), a.dtype(2))?;
                Ok(window(m, a.bool(1), dtype, $value)?.into())
            },
        )
        .doc($doc)
        .samples("5 | 1 | 6, sym=False | 4, dtype=torch.float64")
    };
}

pub const OPS: &[Op] = &[
    root_window!("hann_window", cosines(&[0.5, 0.5]), "Hann's window: 0.5 - 0.5 cos."),
    root_window!("blackman_window", cosines(BLACKMAN), "Blackman's window."),
    root_window!("bartlett_window", bartlett, "The triangle."),
    Op::new("hamming_window(int window_length, bool periodic=True, float alpha=0.54, float beta=0.46, *, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = root("hamming_window", a.int(0), a.dtype(4))?;
        Ok(window(m, !a.bool(1), dtype, cosines(&[a.float(2), a.float(3)]))?.into())
    })
    .doc("Hamming's window: alpha - beta cos.")
    .samples("5 | 6, False, 0.5 | 4, True, 0.5, 0.4, dtype=torch.float64"),
    Op::new("kaiser_window(int window_length, bool periodic=True, float beta=12.0, *, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = root("kaiser_window", a.int(0), a.dtype(3))?;
        Ok(window(m, !a.bool(1), dtype, kaiser(a.float(2)))?.into())
    })
    .doc("Kaiser's window.")
    .samples("5 | 6, False, 3.0 | 4, dtype=torch.float64"),
    signal_window!("bartlett", "bartlett", bartlett, "The triangle."),
    signal_window!("blackman", "blackman", cosines(BLACKMAN), "Blackman's window."),
    signal_window!("hann", "general_cosine", cosines(&[0.5, 0.5]), "Hann's window: 0.5 - 0.5 cos."),
    signal_window!("hamming", "general_cosine", cosines(&[0.54, 0.46]), "Hamming's window: 0.54 - 0.46 cos."),
    signal_window!("nuttall", "general_cosine", cosines(NUTTALL), "Nuttall's window of four terms."),
    Op::new("signal.windows.cosine(int M, *, bool sym=True, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = signal("cosine", a.int(0), a.dtype(2))?;
        let points = (m + usize::from(!a.bool(1))) as f64;
        Ok(window(m, true, dtype, |k, _| (std::f64::consts::PI * (k + 0.5) / points).sin())?.into())
    })
    .doc("Half a sine.")
    .samples("5 | 6, sym=False"),
    Op::new("signal.windows.exponential(int M, *, float? center=None, float tau=1.0, bool sym=True, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = signal("exponential", a.int(0), a.dtype(4))?;
        let (center, tau) = (a.opt_float(1), a.float(2));
        if tau <= 0.0 {
            bail!(Value, "Tau must be positive, got: {tau:?} instead.");
        }
        if a.bool(3) && center.is_some() {
            bail!(Value, "Center must be None for symmetric windows");
        }
        let value = move |k: f64, n: f64| (-(k - center.unwrap_or(n / 2.0)).abs() / tau).exp();
        Ok(window(m, a.bool(3), dtype, value)?.into())
    })
    .doc("Falls exponentially on both sides of the centre.")
    .samples("5 | 6, tau=2.0, sym=False, center=1.0"),
    Op::new("signal.windows.gaussian(int M, *, float std=1.0, bool sym=True, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = signal("gaussian", a.int(0), a.dtype(3))?;
        let std = a.float(1);
        if std <= 0.0 {
            bail!(Value, "Standard deviation must be positive, got: {std:?} instead.");
        }
        let value = move |k: f64, n: f64| (-0.5 * ((k - n / 2.0) / std).powi(2)).exp();
        Ok(window(m, a.bool(2), dtype, value)?.into())
    })
    .doc("Gauss's bell.")
    .samples("5 | 6, std=2.0, sym=False"),
    Op::new("signal.windows.kaiser(int M, *, float beta=12.0, bool sym=True, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = signal("kaiser", a.int(0), a.dtype(3))?;
        let beta = a.float(1);
        if beta < 0.0 {
            bail!(Value, "beta must be non-negative, got: {beta:?} instead.");
        }
        Ok(window(m, a.bool(2), dtype, kaiser(beta))?.into())
    })
    .doc("Kaiser's window.")
    .samples("5 | 6, beta=3.0, sym=False"),
    Op::new("signal.windows.general_hamming(int M, *, float alpha=0.54, bool sym=True, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = signal("general_cosine", a.int(0), a.dtype(3))?;
        Ok(window(m, a.bool(2), dtype, cosines(&[a.float(1), 1.0 - a.float(1)]))?.into())
    })
    .doc("alpha - (1 - alpha) cos.")
    .samples("5 | 6, alpha=0.6, sym=False"),
    Op::new("_weighted_cosines(int M, Tensor a, bool sym=True, *, ScalarType? dtype=None) -> Tensor", |a| {
        let (m, dtype) = signal("general_cosine", a.int(0), a.dtype(3))?;
        let weights: Vec<f64> = copy::values(a.tensor(1))?;
        Ok(window(m, a.bool(2), dtype, cosines(&weights))?.into())
    })
    .doc("A sum of cosines with alternating signs."),
];
