//! Dropout: elements or whole channels are set to zero, or to what keeps mean and variance as they are.

use crate::bail;
use crate::error::Result;
use crate::layout::Sizes;
use crate::ops::arithmetic::{add, div, mul};
use crate::ops::creation;
use crate::ops::cuda::random as gpu;
use crate::ops::distributions::bernoulli_;
use crate::ops::registry::{Args, Op, Output};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// What is dropped, and what takes its place.
#[derive(Clone, Copy)]
struct Kind {
    /// Whole channels of (N, C, ...).
    feature: bool,
    /// The negative limit of SELU, with a slope that restores the variance (Klambauer et al., 2017).
    alpha: bool,
}

fn dropout(x: &Tensor, p: f64, train: bool, kind: Kind) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&p) {
        bail!(Autograd, "dropout probability has to be between 0 and 1, but got {p}");
    }
    if !train || p == 0.0 || x.numel() == 0 {
        return Ok(x.clone());
    }
    if p == 1.0 {
        return mul(x, &creation::scalar(Scalar::Int(0), x.dtype())?);
    }
    if x.device().is_cuda() && !kind.feature && !kind.alpha && x.dtype().is_floating() {
        return gpu::dropout(x, p);
    }
    let noise = if kind.feature {
        if x.ndim() < 2 {
            bail!(Autograd, "Feature dropout requires at least 2 dimensions in the input");
        }
        let sizes: Sizes = x.sizes().iter().enumerate().map(|(d, &s)| if d < 2 { s } else { 1 }).collect();
        Tensor::empty(&sizes, x.dtype())?
    } else {
        Tensor::empty_dense(x.sizes(), x.layout().dense_like(), x.dtype())?
    };
    bernoulli_(&noise, 1.0 - p, None)?;
    if !x.dtype().is_differentiable() {
        bail!(
            DType,
            "result type Float can't be cast to the desired output type {}",
            x.dtype().scalar_name()
        );
    }
    if !kind.alpha {
        return mul(x, &div(&noise, 1.0 - p)?);
    }
    const ALPHA: f64 = 1.7580993408473766;
    let slope = 1.0 / ((ALPHA * ALPHA * p + 1.0) * (1.0 - p)).sqrt();
    let shift = add(&mul(&add(&noise, -1.0)?, ALPHA * slope)?, ALPHA * slope * p)?;
    add(&mul(x, &mul(&noise, slope)?)?, &shift)
}

/// Plain dropout while training.
pub fn dropout_elements(x: &Tensor, p: f64) -> Result<Tensor> {
    dropout(x, p, true, Kind { feature: false, alpha: false })
}

fn call(a: &Args, feature: bool, alpha: bool) -> Result<Output> {
    Ok(dropout(a.tensor(0), a.float(1), a.bool(2), Kind { feature, alpha })?.into())
}

pub const OPS: &[Op] = &[
    Op::new("dropout(Tensor input, float p, bool train) -> Tensor", |a| call(a, false, false))
        .inplace()
        .doc("Zeroes elements with probability p and scales the rest by 1 / (1 - p), while training.")
        .samples("t(3, 4), 0.5, False | t(3, 4), 0.0, True | nc(3, 4), 1.0, True"),
    Op::new("feature_dropout(Tensor input, float p, bool train) -> Tensor", |a| call(a, true, false))
        .inplace()
        .doc("Zeroes whole channels of (N, C, ...) with probability p and scales the rest, while training.")
        .samples("t(3, 4), 0.5, False | t(2, 3, 4), 1.0, True"),
    Op::new("alpha_dropout(Tensor input, float p, bool train) -> Tensor", |a| call(a, false, true))
        .inplace()
        .doc("Dropout that keeps mean and variance of SELU's results (Klambauer et al., 2017).")
        .samples("t(3, 4), 0.5, False | t(), 0.0, True"),
    Op::new("feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor", |a| call(a, true, true))
        .inplace()
        .doc("Alpha dropout of whole channels.")
        .samples("t(3, 4), 0.5, False | t(2, 0), 0.5, True"),
];
