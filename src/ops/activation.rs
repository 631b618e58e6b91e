//! Activations of `nn.functional`: rows for those that work element by element, and the operations
//! around them.

// Constants are written out, to double precision: the text has to mean the same to f32, f64 and CUDA C.
#![allow(clippy::excessive_precision, clippy::approx_constant)]

use smallvec::SmallVec;

use crate::bail;
use crate::ops::registry::{Args, Output};
use crate::ops::row::*;
use crate::ops::{copy, index, random, view};

table! {
    part silu(x) for (float complex) = { x * sigmoid(x) }
        grad { x(x, g) = g * conj(sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))); } check floats_only on (-4.0, 4.0);
    part gelu_erf as "gelu"(x) for (float) = { x * normal_cdf(x) }
        grad { x(x, g) = g * (normal_cdf(x) + x * exp(x * x * -0.5) * 0.398942280401432677939); } check floats_only
        on (-4.0, 4.0);
    part gelu_tanh as "gelu"(x) for (float) = { 0.5 * x * (1.0 + tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x))) }
        grad { x(x, g) = g * (0.5 * (1.0 + tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x)))
            + 0.5 * x * (1.0 - tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x)) * tanh(0.797884560802865355879 * (x + 0.044715 * x * x * x)))
                * (0.797884560802865355879 * (1.0 + 0.134145 * x * x))); } check floats_only
        on (-4.0, 4.0);
    part normal_cdf(x) for (float) = { normal_cdf(x) }
        grad { x(x, g) = g * (exp(x * x * -0.5) * 0.398942280401432677939); } on (-4.0, 4.0);
    part leaky_relu(x; slope) for (float) = { select(gt(x, 0.0), x, x * slope) }
        grad { x(x, slope, g) = select(gt(x, 0.0), g, g * (slope + zero_of(x))); } check floats_only on (-4.0, 4.0);
    part elu(x; alpha) for (float) = { select(gt(x, 0.0), x, alpha * expm1(x)) }
        grad { x(x, alpha, g) = select(gt(x, 0.0), g, g * (alpha * exp(x))); } check floats_only on (-4.0, 4.0);
    part softplus(x; beta, threshold) for (float) = { select(gt(x * beta, threshold), x, log1p(exp(x * beta)) / beta) }
        grad { x(x, beta, threshold, g) = select(gt(x * beta, threshold), g, g * sigmoid(x * beta)); } check floats_only on (-4.0, 4.0);

    part hardtanh(x; low, high) for (float int) = { minimum(maximum(x, low), high) }
        grad { x(x, low, high, g) = select(gt(x, low), select(lt(x, high), g, zero_of(x)), zero_of(x)); } check no_bool on (-4.0, 4.0);
    /// min(max(x + 3, 0), 6) / 6.
    activation hardsigmoid(x) for (float) = { minimum(maximum(x + 3.0, 0.0), 6.0) / 6.0 }
        grad { x(x, g) = select(gt(x, -3.0), select(lt(x, 3.0), g / 6.0, zero_of(x)), zero_of(x)); } check floats_only on (-5.0, 5.0);
    /// x * hardsigmoid(x).
    activation hardswish(x) for (float) = { x * minimum(maximum(x + 3.0, 0.0), 6.0) / 6.0 }
        grad { x(x, g) = select(gt(x, -3.0), select(lt(x, 3.0), g * (x / 3.0 + 0.5), g + zero_of(x)), zero_of(x)); } check floats_only on (-5.0, 5.0);
    /// x * tanh(log(1 + exp(x))).
    activation mish(x) for (float) = { x * tanh(log1p(exp(x))) }
        grad { x(x, g) = g * (tanh(log1p(exp(x))) + x * sigmoid(x) * (1.0 - tanh(log1p(exp(x))) * tanh(log1p(exp(x))))); } check floats_only on (-4.0, 4.0);
    part log_sigmoid as "logsigmoid"(x) for (float) = { log_sigmoid(x) }
        grad { x(x, g) = g * sigmoid(-x); } check floats_only on (-4.0, 4.0);
    part selu(x) for (float) = { 1.0507009873554804934 * select(gt(x, 0.0), x, 1.6732632423543772848 * expm1(x)) }
        grad { x(x, g) = select(gt(x, 0.0), g * 1.0507009873554804934, g * (1.7580993408473768600 * exp(x))); } check floats_only on (-4.0, 4.0);
    part celu(x; alpha) for (float) = { select(gt(x, 0.0), x, alpha * expm1(x / alpha)) }
        grad { x(x, alpha, g) = select(gt(x, 0.0), g, g * exp(x / alpha)); } check floats_only on (-4.0, 4.0);
    part hardshrink(x; lambda) for (float) = { select(le(abs(x), lambda), 0.0, x) }
        grad { x(x, lambda, g) = select(le(abs(x), lambda), zero_of(x), g); } check floats_only on (-4.0, 4.0);
    part softshrink(x; lambda) for (float) = { select(gt(x, lambda), x - lambda, select(lt(x, -lambda), x + lambda, x * 0.0)) }
        grad { x(x, lambda, g) = select(le(abs(x), lambda), zero_of(x), g); } check floats_only on (-4.0, 4.0);
    part threshold(x; low, value) for (float int) = { above(x, low, value) }
        grad { x(x, low, g) = select(le(x, low), zero_of(x), g); } check no_bool on (-4.0, 4.0);
    part prelu(x, w) for (float) = { select(gt(x, 0.0), x, w * x) }
        grad {
            x(x, w, g) = select(gt(x, 0.0), g, g * w);
            w(x, g) = select(gt(x, 0.0), 0.0, g * x);
        } check floats_only on (-4.0, 4.0);
}

/// Runs a row on the tensor and the numbers of a call.
fn run(row: &'static Row, a: &Args, numbers: usize, inplace: bool) -> Result<Output> {
    let args: SmallVec<[Arg; 4]> = std::iter::once(Arg::Tensor(a.tensor(0)))
        .chain((1..=numbers).map(|i| Arg::Number(a.scalar(i))))
        .collect();
    Ok(if inplace { apply_inplace(row, &args) } else { apply(row, &args) }?.into())
}

fn gelu(x: &Tensor, approximate: &str) -> Result<Tensor> {
    match approximate {
        "none" => gelu_erf(x),
        "tanh" => gelu_tanh(x),
        _ => bail!(Autograd, "approximate argument must be either none or tanh."),
    }
}

fn check_hardtanh(a: &Args) -> Result<()> {
    let (low, high) = (a.scalar(1).to_f64(), a.scalar(2).to_f64());
    if low > high {
        bail!(Value, "min_val cannot be greater than max_val");
    }
    let dtype = a.tensor(0).dtype();
    if dtype == DType::U8 && (low < 0.0 || high < 0.0) {
        bail!(Autograd, "cannot do hardtanh on an unsigned type with negative limits");
    }
    Ok(())
}

/// What replaces an element has to fit the dtype.
fn check_threshold(a: &Args) -> Result<()> {
    crate::ops::creation::check_fits(a.scalar(1), a.tensor(0).dtype())?;
    crate::ops::creation::check_fits(a.scalar(2), a.tensor(0).dtype())
}

fn check_celu(a: &Args) -> Result<()> {
    if a.scalar(1).is_zero() {
        bail!(Autograd, "ZeroDivisionError: alpha cannot be 0 for CELU");
    }
    Ok(())
}

fn check_softshrink(a: &Args) -> Result<()> {
    let lambda = a.scalar(1).to_f64();
    if lambda < 0.0 {
        bail!(Autograd, "lambda must be greater or equal to 0, but found to be {lambda}.");
    }
    Ok(())
}

/// The first half of `dim` times the sigmoid of the second.
fn glu(x: &Tensor, dim: i64) -> Result<Tensor> {
    if x.ndim() == 0 {
        bail!(Autograd, "glu does not support 0-dimensional tensors");
    }
    let d = crate::layout::wrap_dim(dim, x.ndim())?;
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"glu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let size = x.size(d);
    if !size.is_multiple_of(2) {
        bail!(Shape, "Halving dimension must be even, but dimension {d} is size {size}");
    }
    let half = (size / 2) as i64;
    let gate = crate::ops::table::sigmoid(&view::narrow(x, dim, half, half)?)?;
    crate::ops::arithmetic::mul(&view::narrow(x, dim, 0, half)?, &gate)
}

/// x where positive, weight * x elsewhere; one weight for all, or one a channel (dim 1).
fn prelu_by_channel(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if x.dtype() != weight.dtype() {
        bail!(
            DType,
            "prelu: Type promoting not supported. Got {} and {}",
            x.dtype().scalar_name(),
            weight.dtype().scalar_name()
        );
    }
    if weight.ndim() > 1 {
        bail!(
            Shape,
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {}",
            weight.ndim()
        );
    }
    if weight.numel() != 1 {
        if x.ndim() == 0 {
            bail!(Shape, "Not allow zero-dim input tensor.");
        }
        let channels = if x.ndim() > 1 { x.size(1) } else { 1 };
        if weight.numel() != channels {
            bail!(
                Shape,
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = {} and channel size = {channels}.",
                weight.numel()
            );
        }
    }
    let mut sizes = crate::layout::Sizes::from_elem(1, x.ndim());
    if x.ndim() > 1 {
        sizes[1] = weight.numel();
    } else if x.ndim() == 1 {
        sizes[0] = weight.numel();
    }
    apply(&rows::prelu::ROW, &[x.into(), (&view::reshape_to(weight, &sizes)?).into()])
}

/// leaky_relu with slopes drawn uniformly from [lower, upper) in training, their mean elsewhere.
fn rrelu(a: &Args) -> Result<Tensor> {
    let (x, lower, upper) = (a.tensor(0), a.scalar(1).to_f64(), a.scalar(2).to_f64());
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"rrelu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    if !(lower.is_finite() && upper.is_finite()) || lower > upper {
        bail!(
            Autograd,
            "rrelu: lower bound must be finite and not above the upper one, got {lower} and {upper}"
        );
    }
    if !a.bool(3) {
        return leaky_relu(x, (lower + upper) / 2.0);
    }
    if x.device().is_cuda() {
        let slopes = crate::autograd::no_grad(|| -> Result<Tensor> {
            let slopes = Tensor::empty(x.sizes(), x.dtype())?;
            random::uniform_(&slopes, lower, upper, a.generator(4))?;
            crate::ops::cuda::random::slopes_below_zero(&slopes, x)?;
            Ok(slopes)
        })?;
        return crate::ops::arithmetic::mul(x, &slopes);
    }
    // One draw for each element that is not positive, in row-major order, as in PyTorch.
    let slopes = crate::autograd::no_grad(|| -> Result<Tensor> {
        let negative = crate::ops::table::le(x, 0.0)?;
        let count = crate::ops::reduce::sum(&negative, None, false, None)?;
        let count = crate::ops::reduce::item(&count)?.to_i64() as usize;
        let drawn = Tensor::empty(&[count], DType::F64)?;
        random::uniform_(&drawn, lower, upper, a.generator(4))?;
        let slopes = crate::ops::creation::full(x.sizes(), Scalar::Int(1), x.dtype())?;
        index::set(&slopes, &[index::Index::Tensor(negative)], &copy::to_dtype(&drawn, x.dtype())?)?;
        Ok(slopes)
    })?;
    crate::ops::arithmetic::mul(x, &slopes)
}

pub const OPS: &[Op] = &[
    Op::new("nn.functional.silu(Tensor input) -> Tensor", |a| run(&rows::silu::ROW, a, 0, false))
        .inplace_by(|a| run(&rows::silu::ROW, a, 0, true))
        .doc("x * sigmoid(x).")
        .samples("t(3, 4) | t(0) | nc(3, 4)"),
    Op::new("nn.functional.gelu(Tensor input, *, str approximate='none') -> Tensor", |a| {
        Ok(gelu(a.tensor(0), a.str(1).unwrap_or("none"))?.into())
    })
    .doc("x * Phi(x), with the Gaussian distribution function or its tanh approximation.")
    .samples("t(3, 4) | t(3, 4), approximate='tanh'"),
    Op::new("nn.functional.leaky_relu(Tensor input, Scalar negative_slope=0.01) -> Tensor", |a| {
        run(&rows::leaky_relu::ROW, a, 1, false)
    })
    .inplace_by(|a| run(&rows::leaky_relu::ROW, a, 1, true))
    .doc("x where positive, negative_slope * x elsewhere.")
    .samples("t(3, 4) | t(3), 0.2"),
    Op::new("nn.functional.elu(Tensor input, Scalar alpha=1) -> Tensor", |a| run(&rows::elu::ROW, a, 1, false))
        .inplace_by(|a| run(&rows::elu::ROW, a, 1, true))
        .doc("x where positive, alpha * (exp(x) - 1) elsewhere.")
        .samples("t(3, 4) | t(3), 0.7"),
    Op::new("selu(Tensor input) -> Tensor", |a| run(&rows::selu::ROW, a, 0, false))
        .inplace_by(|a| run(&rows::selu::ROW, a, 0, true))
        .doc("scale * (x where positive, alpha * (exp(x) - 1) elsewhere); the constants keep mean 0 and variance 1.")
        .samples("t(3, 4) | nc(3, 2) | t() | t(0)"),
    Op::new("celu(Tensor input, Scalar alpha=1.0) -> Tensor", |a| {
        check_celu(a)?;
        run(&rows::celu::ROW, a, 1, false)
    })
    .inplace_by(|a| {
        check_celu(a)?;
        run(&rows::celu::ROW, a, 1, true)
    })
    .doc("x where positive, alpha * (exp(x / alpha) - 1) elsewhere.")
    .samples("t(3, 4) | nc(3, 2), 0.7"),
    Op::new("nn.functional.logsigmoid(Tensor input) -> Tensor", |a| {
        Ok(log_sigmoid(&copy::contiguous(a.tensor(0))?)?.into())
    })
    .doc("log(sigmoid(x)).")
    .samples("t(3, 4) | nc(3, 2) | t()"),
    Op::new("nn.functional.softplus(Tensor input, Scalar beta=1, Scalar threshold=20) -> Tensor", |a| {
        run(&rows::softplus::ROW, a, 2, false)
    })
    .doc("log(1 + exp(beta * x)) / beta, x itself where beta * x exceeds the threshold.")
    .samples("t(3, 4) | t(3), 2.0, 1.0"),
    Op::new("nn.functional.hardtanh(Tensor input, Scalar min_val=-1, Scalar max_val=1) -> Tensor", |a| {
        check_hardtanh(a)?;
        run(&rows::hardtanh::ROW, a, 2, false)
    })
    .inplace_by(|a| {
        check_hardtanh(a)?;
        run(&rows::hardtanh::ROW, a, 2, true)
    })
    .doc("Limited to [min_val, max_val].")
    .samples("t(3, 4) | nc(3, 2), -2.0, 0.5 | t(0)"),
    Op::new("hardshrink(Tensor input, Scalar lambd=0.5) -> Tensor", |a| run(&rows::hardshrink::ROW, a, 1, false))
        .method()
        .doc("0 where |x| <= lambd, x elsewhere.")
        .samples("t(3, 4) | nc(3, 2), 1.5 | t()"),
    Op::new("nn.functional.softshrink(Tensor input, Scalar lambd=0.5) -> Tensor", |a| {
        check_softshrink(a)?;
        run(&rows::softshrink::ROW, a, 1, false)
    })
    .doc("x moved towards 0 by lambd, 0 where |x| <= lambd.")
    .samples("t(3, 4) | nc(3, 2), 1.5 | t()"),
    Op::new("threshold(Tensor input, Scalar threshold, Scalar value) -> Tensor", |a| {
        check_threshold(a)?;
        run(&rows::threshold::ROW, a, 2, false)
    })
    .inplace_by(|a| {
        check_threshold(a)?;
        run(&rows::threshold::ROW, a, 2, true)
    })
    .doc("x where above the threshold, value elsewhere.")
    .samples("t(3, 4), 0.5, -1.0 | nc(3, 2), 0, 7"),
    Op::new("nn.functional.glu(Tensor input, int dim=-1) -> Tensor", |a| Ok(glu(a.tensor(0), a.int(1))?.into()))
        .doc("The first half of a dim times the sigmoid of the second.")
        .samples("t(3, 4) | nc(4, 3), 0 | t(0, 2)"),
    Op::new("prelu(Tensor input, Tensor weight) -> Tensor", |a| Ok(prelu_by_channel(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("x where positive, weight * x elsewhere; one weight, or one a channel.")
        .samples("t(3, 4), t(1) | t(2, 3, 2), t(3) | t(), t()"),
    Op::new("rrelu(Tensor input, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) -> Tensor", |a| {
        Ok(rrelu(a)?.into())
    })
    .inplace()
    .doc("leaky_relu with slopes drawn from [lower, upper) in training, their mean elsewhere.")
    .samples("t(3, 4) | t(3), 0.2, 0.3"),
];
