//! One step of a recurrent network: the new hidden state from an input and the old one.

use crate::bail;
use crate::error::Result;
use crate::ops::arithmetic::{add, mul, sub};
use crate::ops::matmul::linear;
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{table, view};
use crate::tensor::Tensor;

/// input (N, in), hidden states (N, h), weights (gates * h, in) and (gates * h, h), biases (gates * h).
struct Step<'a> {
    input: &'a Tensor,
    hidden: &'a Tensor,
    weights: [&'a Tensor; 2],
    biases: [Option<&'a Tensor>; 2],
}

/// The step whose weights begin at argument 2, checked.
fn step<'a>(a: &'a Args, hidden: &'a [Tensor], gates: usize) -> Result<Step<'a>> {
    let s = Step {
        input: a.tensor(0),
        hidden: &hidden[0],
        weights: [a.tensor(2), a.tensor(3)],
        biases: [a.opt_tensor(4), a.opt_tensor(5)],
    };
    if s.input.ndim() != 2 || s.weights.iter().any(|w| w.ndim() != 2) {
        bail!(
            Index,
            "a recurrent cell takes a 2-D input and 2-D weights, but got {}-D, {}-D and {}-D",
            s.input.ndim(),
            s.weights[0].ndim(),
            s.weights[1].ndim()
        );
    }
    if gates > 1 && s.input.dtype().is_integral() {
        let name = s.input.dtype().scalar_name();
        bail!(DType, "result type Float can't be cast to the desired output type {name}");
    }
    let (expected, width) = (s.weights[0].size(1), s.weights[1].size(1));
    if s.input.size(1) != expected {
        bail!(Shape, "input has inconsistent input_size: got {} expected {expected}", s.input.size(1));
    }
    for (i, h) in hidden.iter().enumerate() {
        if h.ndim() != 2 || h.size(1) != width {
            let got = h.sizes().get(1).copied().unwrap_or(0);
            bail!(Shape, "hidden{i} has inconsistent hidden_size: got {got}, expected {width}");
        }
        if h.size(0) != s.input.size(0) {
            let sizes = (s.input.size(0), h.size(0));
            bail!(Shape, "Input batch size {} doesn't match hidden{i} batch size {}", sizes.0, sizes.1);
        }
    }
    for w in s.weights {
        if w.size(0) != gates * width {
            bail!(Shape, "a weight has inconsistent rows: got {}, expected {}", w.size(0), gates * width);
        }
    }
    Ok(s)
}

impl Step<'_> {
    /// What input and hidden state contribute to the gates.
    fn parts(&self) -> Result<[Tensor; 2]> {
        Ok([
            linear(self.input, self.weights[0], self.biases[0])?,
            linear(self.hidden, self.weights[1], self.biases[1])?,
        ])
    }

    fn sum(&self) -> Result<Tensor> {
        let [a, b] = self.parts()?;
        add(&a, &b)
    }
}

/// Part `i` of gates that lie side by side.
fn gate(gates: &Tensor, i: usize, width: usize) -> Result<Tensor> {
    view::narrow(gates, 1, (i * width) as i64, width as i64)
}

fn plain_cell(a: &Args, activation: fn(&Tensor) -> Result<Tensor>) -> Result<Output> {
    let hidden = [a.tensor(1).clone()];
    Ok(activation(&step(a, &hidden, 1)?.sum()?)?.into())
}

/// Long short-term memory (Hochreiter and Schmidhuber, 1997): the new hidden and cell states.
fn lstm_cell(a: &Args) -> Result<Output> {
    let hidden = a.tensors(1);
    if hidden.len() != 2 {
        bail!(Autograd, "lstm_cell expects two hidden states, but got {}", hidden.len());
    }
    let gates = step(a, hidden, 4)?.sum()?;
    let width = hidden[0].size(1);
    let part = |i: usize| gate(&gates, i, width);
    let (input, forget) = (table::sigmoid(&part(0)?)?, table::sigmoid(&part(1)?)?);
    let (candidate, output) = (table::tanh(&part(2)?)?, table::sigmoid(&part(3)?)?);
    let cell = add(&mul(&forget, &hidden[1])?, &mul(&input, &candidate)?)?;
    Ok(vec![mul(&output, &table::tanh(&cell)?)?, cell].into())
}

/// Gated recurrent unit (Cho et al., 2014), with the reset behind the product.
fn gru_cell(a: &Args) -> Result<Output> {
    let hidden = [a.tensor(1).clone()];
    let [from_input, from_hidden] = step(a, &hidden, 3)?.parts()?;
    let width = hidden[0].size(1);
    let pair = |i: usize| -> Result<(Tensor, Tensor)> {
        Ok((gate(&from_input, i, width)?, gate(&from_hidden, i, width)?))
    };
    let both = |i: usize| -> Result<Tensor> {
        let (a, b) = pair(i)?;
        table::sigmoid(&add(&a, &b)?)
    };
    let (reset, update) = (both(0)?, both(1)?);
    let (a, b) = pair(2)?;
    let candidate = table::tanh(&add(&a, &mul(&reset, &b)?)?)?;
    Ok(add(&candidate, &mul(&update, &sub(&hidden[0], &candidate)?)?)?.into())
}

pub const OPS: &[Op] = &[
    Op::new("rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", |a| {
        plain_cell(a, |x| table::tanh(x))
    })
    .doc("One step of a recurrent network with tanh: (N, in) and (N, h) to (N, h).")
    .samples("t(2, 3), t(2, 4), t(4, 3), t(4, 4), t(4), t(4) | nc(2, 3), t(2, 4), t(4, 3), t(4, 4)"),
    Op::new("rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", |a| {
        plain_cell(a, |x| table::relu(x))
    })
    .doc("One step of a recurrent network with relu: (N, in) and (N, h) to (N, h).")
    .samples("t(2, 3), t(2, 4), t(4, 3), t(4, 4), t(4), t(4)"),
    Op::new("gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", gru_cell)
        .doc("One step of gated recurrent units: (N, in) and (N, h) to (N, h).")
        .samples("t(2, 3), t(2, 4), t(12, 3), t(12, 4), t(12), t(12) | nc(2, 3), t(2, 1), t(3, 3), t(3, 1)"),
    Op::new("lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor[]", lstm_cell)
        .doc("One step of long short-term memory: hidden and cell states (N, h) to new ones.")
        .samples("t(2, 3), (t(2, 4), t(2, 4)), t(16, 3), t(16, 4), t(16), t(16) | nc(2, 3), [t(2, 1), t(2, 1)], t(4, 3), t(4, 1)"),
];
