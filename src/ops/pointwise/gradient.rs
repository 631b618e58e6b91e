//! The node behind a row's result: what it saves, and how it evaluates the row's gradients, fused when no graph is
//! wanted and in differentiable ops when one is.

use smallvec::SmallVec;

use crate::autograd::node::{Backward, NodeBuilder, Origin};
use crate::autograd::{Backprop, Edge, Grads, grad_enabled};
use crate::cpu::loops::MAX_OPERANDS;
use crate::dtype::{DType, ResultType};
use crate::error::{Error, Result};
use crate::layout::{Sizes, same_sizes};
use crate::ops::graph_math::Arena;
use crate::ops::pointwise::{Arg, Read, Row, RowGrad, launch};
use crate::ops::{copy, reduce};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Where a gradient formula finds one of the row's inputs, or its result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Unused,
    Saved(u8),
    Number(u8),
}

/// A tensor among the arguments: which one, its dtype, and its sizes if it was broadcast.
type RecordedInput = (u8, DType, Option<Box<Sizes>>);

/// What the node of a row remembers besides the saved tensors.
struct Recorded {
    row: &'static Row,
    /// The inputs in order, then the result.
    sources: [Source; MAX_OPERANDS],
    numbers: SmallVec<[Scalar; 1]>,
    inputs: SmallVec<[RecordedInput; 2]>,
}

/// Hangs a node behind the result of a row.
pub(super) fn record(row: &'static Row, args: &[Arg], out: Tensor) -> Tensor {
    let mut node = NodeBuilder::new(row.name, 1, || Recorded {
        row,
        sources: [Source::Unused; MAX_OPERANDS],
        numbers: SmallVec::new(),
        inputs: SmallVec::new(),
    });
    for (i, arg) in args.iter().enumerate() {
        match arg {
            Arg::Number(s) => {
                let recorded = node.body();
                recorded.sources[i] = Source::Number(recorded.numbers.len() as u8);
                recorded.numbers.push(*s);
            }
            Arg::Tensor(t) => {
                let broadcast = !same_sizes(t.sizes(), out.sizes());
                let sizes = broadcast.then(|| Box::new(Sizes::from_slice(t.sizes())));
                node.body().inputs.push((i as u8, t.dtype(), sizes));
                node.input(t);
            }
        }
    }
    // A number in sums and products counts as an input of the node, as in PyTorch.
    match args {
        [_, Arg::Number(_)] if matches!(row.name, "add" | "sub" | "mul" | "div") => node.no_input(),
        [Arg::Number(_), _] if matches!(row.name, "add" | "mul") => node.no_input(),
        _ => {}
    }
    let mut saved = 0;
    for (i, arg) in args.iter().enumerate() {
        if !arg.tensor().is_some_and(Tensor::requires_grad) {
            continue;
        }
        let Some(grad) = row.grad_of(i as u8) else { continue };
        for at in grad.sources(row) {
            if node.body().sources[at] != Source::Unused {
                continue;
            }
            node.body().sources[at] = Source::Saved(saved);
            saved += 1;
            match args.get(at) {
                Some(Arg::Tensor(t)) => {
                    let before = args[..at].iter().filter(|a| a.tensor().is_some()).count();
                    node.save(t, Origin::Input(before as u32));
                }
                _ => node.save(&out, Origin::Output(0)),
            }
        }
    }
    let node = node.finish();
    out.with_producer(Edge { node, output: 0 })
}

impl Backward for Recorded {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        self.gradients(cx)
    }
}

impl Row {
    /// The gradient with respect to an input.
    fn grad_of(&self, input: u8) -> Option<&RowGrad> {
        self.grads.iter().find(|g| g.input == input)
    }
}

impl RowGrad {
    /// Positions of what the formula reads among the row's inputs and, after them, its result.
    fn sources<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = usize> + 'a {
        self.reads.iter().filter_map(|read| match *read {
            Read::Gradient => None,
            Read::Result => Some(row.inputs.len()),
            Read::Input(i) => Some(i as usize),
        })
    }
}

impl Recorded {
    fn gradients(&self, cx: &Backprop) -> Result<Grads> {
        let mut grads = Grads::new();
        for (slot, (arg, dtype, sizes)) in self.inputs.iter().enumerate() {
            let Some(g) = cx.grad().filter(|_| cx.needs(slot)) else {
                grads.push(None);
                continue;
            };
            let Some(formula) = self.row.grad_of(*arg) else {
                if self.row.conditions > *arg as usize {
                    grads.push(None);
                    continue;
                }
                let (name, input) = (self.row.name, self.row.inputs[*arg as usize]);
                return Err(match self.row.grads {
                    [] => Error::Autograd(format!("derivative for aten::{name} is not implemented")),
                    _ => Error::Unsupported(format!(
                        "the derivative for '{name}: {input}' is not implemented."
                    )),
                });
            };
            let full = if formula.identity { g.clone() } else { self.evaluate(formula, cx, g)? };
            let summed = match sizes {
                Some(sizes) => reduce::sum_to_size(&full, sizes)?,
                None => full,
            };
            grads.push(Some(if summed.dtype() == *dtype {
                summed
            } else {
                copy::to_dtype(&summed, *dtype)?
            }));
        }
        Ok(grads)
    }

    fn evaluate(&self, formula: &RowGrad, cx: &Backprop, g: &Tensor) -> Result<Tensor> {
        let mut saved: SmallVec<[Tensor; 4]> = SmallVec::new();
        for at in formula.sources(self.row) {
            if let Source::Saved(i) = self.sources[at] {
                saved.push(cx.saved(i as usize)?);
            }
        }
        let mut args: SmallVec<[Arg; 4]> = SmallVec::new();
        let (mut at, mut next) = (formula.sources(self.row), saved.iter());
        for read in formula.reads {
            if *read == Read::Gradient {
                args.push(Arg::Tensor(g));
                continue;
            }
            let source = self.sources[at.next().expect("a source a name")];
            args.push(match source {
                Source::Saved(_) => Arg::Tensor(next.next().expect("saved above")),
                Source::Number(i) => Arg::Number(self.numbers[i as usize]),
                Source::Unused => unreachable!("formulas read what was recorded for them"),
            });
        }
        if grad_enabled() {
            return Arena::evaluate(&args, formula.graph);
        }
        let mut dtype = ResultType::default();
        for arg in &args {
            dtype = match arg {
                // Conditions are bool and must not decide.
                Arg::Tensor(t) if t.dtype() == DType::Bool => dtype,
                Arg::Tensor(t) => dtype.tensor(t.dtype(), t.ndim()),
                Arg::Number(s) => dtype.scalar(s.dtype()),
            };
        }
        launch(&formula.kernels, self.row.name, &args, dtype.get(), dtype.get(), None)
    }
}
