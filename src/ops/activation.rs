//! Activations with parameters.

use crate::bail;
use crate::error::Result;
use crate::ops::pointwise::{Arg, apply, apply_inplace};
use crate::ops::registry::{Args, Op};
use crate::ops::table::{self, rows};
use crate::tensor::Tensor;

fn gelu(x: &Tensor, approximate: &str) -> Result<Tensor> {
    match approximate {
        "none" => table::gelu_erf(x),
        "tanh" => table::gelu_tanh(x),
        _ => bail!(Autograd, "approximate argument must be either none or tanh."),
    }
}

fn leaky_relu_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let args = [Arg::Tensor(a.tensor(0)), Arg::Number(a.scalar(1))];
    if inplace { apply_inplace(&rows::leaky_relu::ROW, &args) } else { apply(&rows::leaky_relu::ROW, &args) }
}

fn elu_call(a: &Args, inplace: bool) -> Result<Tensor> {
    let args = [Arg::Tensor(a.tensor(0)), Arg::Number(a.scalar(1))];
    if inplace { apply_inplace(&rows::elu::ROW, &args) } else { apply(&rows::elu::ROW, &args) }
}

pub const OPS: &[Op] = &[
    Op::new("silu(Tensor input) -> Tensor", |a| Ok(table::silu(a.tensor(0))?.into()))
        .inplace()
        .doc("x * sigmoid(x).")
        .samples("t(3, 4) | t(0) | nc(3, 4)"),
    Op::new("gelu(Tensor input, *, str approximate='none') -> Tensor", |a| {
        Ok(gelu(a.tensor(0), a.str(1).unwrap_or("none"))?.into())
    })
    .doc("x * Phi(x), with the Gaussian distribution function or its tanh approximation.")
    .samples("t(3, 4) | t(3, 4), approximate='tanh'"),
    Op::new("leaky_relu(Tensor input, Scalar negative_slope=0.01) -> Tensor", |a| {
        Ok(leaky_relu_call(a, false)?.into())
    })
    .inplace_by(|a| Ok(leaky_relu_call(a, true)?.into()))
    .doc("x where positive, negative_slope * x elsewhere.")
    .samples("t(3, 4) | t(3), 0.2"),
    Op::new("elu(Tensor input, Scalar alpha=1) -> Tensor", |a| Ok(elu_call(a, false)?.into()))
        .inplace_by(|a| Ok(elu_call(a, true)?.into()))
        .doc("x where positive, alpha * (exp(x) - 1) elsewhere.")
        .samples("t(3, 4) | t(3), 0.7"),
    Op::new("softplus(Tensor input, Scalar beta=1, Scalar threshold=20) -> Tensor", |a| {
        Ok(table::softplus(a.tensor(0), a.scalar(1), a.scalar(2))?.into())
    })
    .doc("log(1 + exp(beta * x)) / beta, x itself where beta * x exceeds the threshold.")
    .samples("t(3, 4) | t(3), 2.0, 1.0"),
];
