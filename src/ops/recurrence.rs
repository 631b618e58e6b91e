//! One layer and direction of a recurrent network over whole sequences: `_recurrence`.
//!
//! Sequences of several lengths are packed: a step is the rows of all sequences that have an element at
//! that time, the longest first. The state has a row for every sequence, and a step changes the first rows
//! of it: so a sequence that has ended keeps its last state, and, from the last step to the first, one
//! that has not begun keeps its first.
//!
//! float32 and float64 take one fused way: a product and a kernel a step, and a single product for the
//! gradient of the weight. The other dtypes, projections and gradients of gradients go through
//! differentiable operations.

use smallvec::{SmallVec, smallvec};

use crate::autograd::engine::{self, Root, Walk};
use crate::autograd::{self, Backprop, Grads, Save};
use crate::bail;
use crate::cpu::gemm::{Bias, GemmElement, Mat, Product, gemm};
use crate::cpu::recurrent::{self as kernel, Cell, Gate};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Show;
use crate::ops::arithmetic::{add, mul, sub};
use crate::ops::joining::cat;
use crate::ops::matmul::{linear, matmul};
use crate::ops::norm::{computed, typed};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, cuda, reduce, table, view};
use crate::tensor::Tensor;

/// Steps from which the weight of the state is turned first.
const TURNED_FROM: usize = 3;
/// Elements between its lines, so that they do not fall into few sets of a cache.
const GAP: usize = 16;

/// The steps of a call, without its tensors.
#[derive(Clone)]
struct Recurrence {
    cell: Cell,
    /// Rows of each step, never more than in the step before.
    sizes: Vec<usize>,
    reverse: bool,
    width: usize,
}

/// The tensors of a call.
struct Inputs<'a> {
    /// What the inputs contribute to the gates: (all rows, gates * width).
    x: &'a Tensor,
    /// Each (sequences, width).
    state: &'a [Tensor],
    /// (gates * width, width) and (gates * width).
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
    /// What h is multiplied by before it leaves a step: (projected, width).
    projection: Option<&'a Tensor>,
}

fn read<'a>(a: &'a Args) -> Result<(Recurrence, Inputs<'a>)> {
    let cell = match a.str(6) {
        Some("RNN_TANH") => Cell::Tanh,
        Some("RNN_RELU") => Cell::Relu,
        Some("LSTM") => Cell::Lstm,
        Some("GRU") => Cell::Gru,
        other => bail!(Value, "Unrecognized RNN mode: {}", other.unwrap_or("None")),
    };
    let inputs = Inputs {
        x: a.tensor(0),
        state: a.tensors(1),
        weight: a.tensor(2),
        bias: a.opt_tensor(3),
        projection: a.opt_tensor(4),
    };
    let mut sizes = Vec::with_capacity(a.ints(5).len());
    for &size in a.ints(5) {
        match usize::try_from(size) {
            Ok(size) if sizes.last().is_none_or(|&last| size <= last) => sizes.push(size),
            _ => bail!(
                Shape,
                "batch sizes of a packed sequence must not be negative or grow, got {:?}",
                a.ints(5)
            ),
        }
    }
    let Some(&sequences) = sizes.first() else {
        bail!(Shape, "Expected sequence length to be larger than 0 in RNN");
    };
    let recurrence = Recurrence {
        cell,
        sizes,
        reverse: a.bool(7),
        width: inputs.weight.sizes().first().copied().unwrap_or(0) / cell.gates(),
    };
    recurrence.check(&inputs, sequences)?;
    Ok((recurrence, inputs))
}

impl Recurrence {
    fn check(&self, t: &Inputs, sequences: usize) -> Result<()> {
        let (gates, width) = (self.cell.gates() * self.width, self.width);
        let hidden = t.projection.map_or(width, |p| p.sizes().first().copied().unwrap_or(0));
        let mut expected: Vec<(&str, &Tensor, Vec<usize>)> = vec![
            ("input", t.x, vec![self.sizes.iter().sum(), gates]),
            ("weight_hh", t.weight, vec![gates, hidden]),
        ];
        if let Some(bias) = t.bias {
            expected.push(("bias_hh", bias, vec![gates]));
        }
        if let Some(projection) = t.projection {
            expected.push(("weight_hr", projection, vec![hidden, width]));
        }
        if t.state.len() != self.cell.states() {
            bail!(Shape, "expected {} hidden states, but got {}", self.cell.states(), t.state.len());
        }
        for (state, width) in t.state.iter().zip([hidden, width]) {
            expected.push(("hidden", state, vec![sequences, width]));
        }
        for (name, tensor, sizes) in &expected {
            if tensor.sizes() != sizes.as_slice() {
                bail!(Shape, "Expected {name} size {}, got {}", Show(sizes), Show(tensor.sizes()));
            }
        }
        for (name, tensor, _) in &expected {
            if tensor.dtype() != t.x.dtype() {
                bail!(
                    DType,
                    "expected {name} to have the dtype of the input, {}, but got {}",
                    t.x.dtype(),
                    tensor.dtype()
                );
            }
        }
        Ok(())
    }

    /// Number, first row and rows of every step, in the order of computing.
    fn steps(&self) -> Vec<(usize, usize, usize)> {
        let mut first = 0;
        let mut steps: Vec<_> = self
            .sizes
            .iter()
            .enumerate()
            .map(|(number, &rows)| {
                first += rows;
                (number, first - rows, rows)
            })
            .collect();
        if self.reverse {
            steps.reverse();
        }
        steps
    }

    /// In differentiable operations: outputs and last state.
    fn composed(&self, t: &Inputs) -> Result<Vec<Tensor>> {
        let sequences = self.sizes[0] as i64;
        let mut state = t.state.to_vec();
        let mut outputs = vec![None; self.sizes.len()];
        for (number, first, rows) in self.steps() {
            let rows = rows as i64;
            let head = |s: &Tensor| view::narrow(s, 0, 0, rows);
            let before = state.iter().map(head).collect::<Result<Vec<_>>>()?;
            let mut next = self.step(&view::narrow(t.x, 0, first as i64, rows)?, &before, t)?;
            outputs[number] = Some(next[0].clone());
            if rows < sequences {
                for (new, old) in next.iter_mut().zip(&state) {
                    *new = cat(&[new.clone(), view::narrow(old, 0, rows, sequences - rows)?], 0)?;
                }
            }
            state = next;
        }
        let outputs: Vec<Tensor> = outputs.into_iter().flatten().collect();
        let mut results = vec![cat(&outputs, 0)?];
        results.extend(state);
        Ok(results)
    }

    /// One step in differentiable operations: the new state.
    fn step(&self, x: &Tensor, state: &[Tensor], t: &Inputs) -> Result<Vec<Tensor>> {
        let contribution = linear(&state[0], t.weight, t.bias)?;
        let width = self.width as i64;
        let gate = |gates: &Tensor, i: i64| view::narrow(gates, 1, i * width, width);
        let sums = || add(x, &contribution);
        Ok(match self.cell {
            Cell::Tanh => vec![table::tanh(&sums()?)?],
            Cell::Relu => vec![table::relu(&sums()?)?],
            Cell::Lstm => {
                let sums = sums()?;
                let on = |i: i64| table::sigmoid(&gate(&sums, i)?);
                let kept = mul(&on(1)?, &state[1])?;
                let cells = add(&kept, &mul(&on(0)?, &table::tanh(&gate(&sums, 2)?)?)?)?;
                let hidden = mul(&on(3)?, &table::tanh(&cells)?)?;
                let hidden = match t.projection {
                    Some(projection) => linear(&hidden, projection, None)?,
                    None => hidden,
                };
                vec![hidden, cells]
            }
            Cell::Gru => {
                let on = |i: i64| table::sigmoid(&add(&gate(x, i)?, &gate(&contribution, i)?)?);
                let scaled = mul(&on(0)?, &gate(&contribution, 2)?)?;
                let new = table::tanh(&add(&gate(x, 2)?, &scaled)?)?;
                vec![add(&new, &mul(&on(1)?, &sub(&state[0], &new)?)?)?]
            }
        })
    }

    /// In one piece, for float32 and float64 without a projection: outputs, last state, and what the
    /// gradient needs.
    fn fused<T: Gate + GemmElement>(&self, t: &Inputs) -> Result<(Vec<Tensor>, Kept)> {
        let (w, gates) = (self.width, self.cell.gates() * self.width);
        let dtype = t.x.dtype();
        let rows: usize = self.sizes.iter().sum();
        let empty =
            |wanted: bool, width: usize| Tensor::empty(&[if wanted { rows } else { 0 }, width], dtype);
        let (is_lstm, is_gru) = (self.cell == Cell::Lstm, self.cell == Cell::Gru);
        let kept = Kept {
            gates: copy::clone(&computed(t.x, dtype)?)?,
            hidden_before: empty(true, w)?,
            cells_before: empty(is_lstm, w)?,
            kept: empty(is_lstm || is_gru, w)?,
        };
        let outputs = empty(true, w)?;
        let fresh = |s: &Tensor| copy::clone(&computed(s, dtype)?);
        let state = t.state.iter().map(fresh).collect::<Result<Vec<_>>>()?;
        let (weight, bias) = (computed(t.weight, dtype)?, t.bias.map(|b| computed(b, dtype)).transpose()?);
        // Turned once, the weight is read as it lies at every step.
        let turn = self.sizes.len() >= TURNED_FROM;
        let line = gates + GAP;
        let weight = if turn {
            let lines = Tensor::empty(&[w, line], dtype)?;
            copy::write(&view::narrow(&lines, 1, 0, gates as i64)?, &view::transpose(&weight, 0, 1)?)?;
            lines
        } else {
            weight
        };
        let (weight_rs, weight_cs) = if turn { (line as isize, 1) } else { (1, w as isize) };
        let bias = bias.as_ref().map_or(Bias::None, |b| Bias::PerColumn(b.ptr().cast::<T>()));
        let contribution = Tensor::empty(&[if is_gru { self.sizes[0] } else { 0 }, gates], dtype)?;
        let hidden = state[0].ptr().cast::<T>();
        for (_, first, rows) in self.steps() {
            // SAFETY: contiguous tensors of the sizes above; `first + rows` is at most their rows, and the
            // state has at least as many rows as any step.
            unsafe {
                let at = |t: &Tensor, width: usize| t.ptr().cast::<T>().add(first * width);
                let before = at(&kept.hidden_before, w);
                before.copy_from_nonoverlapping(hidden, rows * w);
                let sums = if is_gru { contribution.ptr().cast::<T>() } else { at(&kept.gates, gates) };
                gemm(&Product {
                    m: rows,
                    n: gates,
                    k: w,
                    a: Mat { ptr: before, rs: w as isize, cs: 1 },
                    b: Mat { ptr: weight.ptr().cast::<T>(), rs: weight_rs, cs: weight_cs },
                    c: sums,
                    ldc: gates,
                    accumulate: !is_gru,
                    bias,
                });
                let cells = if is_lstm {
                    let cells = state[1].ptr().cast::<T>();
                    at(&kept.cells_before, w).copy_from_nonoverlapping(cells, rows * w);
                    cells
                } else {
                    std::ptr::null_mut()
                };
                let kept_here = if is_lstm || is_gru { at(&kept.kept, w) } else { std::ptr::null_mut() };
                kernel::forward(kernel::Forward {
                    cell: self.cell,
                    rows,
                    width: w,
                    gates: at(&kept.gates, gates),
                    contribution: contribution.ptr().cast(),
                    kept: kept_here,
                    hidden_before: before,
                    hidden: at(&outputs, w),
                    cells,
                });
                hidden.copy_from_nonoverlapping(at(&outputs, w), rows * w);
            }
        }
        let mut results = vec![outputs];
        results.extend(state);
        Ok((results, kept))
    }

    /// The same on a GPU.
    fn fused_on_gpu(&self, t: &Inputs) -> Result<(Vec<Tensor>, Kept)> {
        let (w, gates) = (self.width, self.cell.gates() * self.width);
        let dtype = t.x.dtype();
        let rows: usize = self.sizes.iter().sum();
        let empty =
            |wanted: bool, width: usize| Tensor::empty(&[if wanted { rows } else { 0 }, width], dtype);
        let (is_lstm, is_gru) = (self.cell == Cell::Lstm, self.cell == Cell::Gru);
        let fresh = |s: &Tensor| copy::clone(&computed(s, dtype)?);
        let kept = Kept {
            gates: fresh(t.x)?,
            hidden_before: empty(true, w)?,
            cells_before: empty(is_lstm, w)?,
            kept: empty(is_lstm || is_gru, w)?,
        };
        let outputs = empty(true, w)?;
        let state = t.state.iter().map(fresh).collect::<Result<Vec<_>>>()?;
        let turned = view::transpose(&t.weight.detached(), 0, 1)?;
        let bias = t.bias.map(Tensor::detached);
        let contribution = Tensor::empty(&[self.sizes[0], gates], dtype)?;
        if outputs.numel() > 0 {
            for (_, first, rows) in self.steps().into_iter().filter(|&(_, _, rows)| rows > 0) {
                let head = |t: &Tensor| view::narrow(t, 0, 0, rows as i64);
                cuda::matmul::product(&head(&contribution)?, &head(&state[0])?, &turned, bias.as_ref())?;
                let step = cuda::recurrent::Forward {
                    gates: &kept.gates,
                    contribution: &contribution,
                    hidden: &state[0],
                    hidden_before: &kept.hidden_before,
                    outputs: &outputs,
                    cells: state.get(1),
                    cells_before: &kept.cells_before,
                    kept: &kept.kept,
                };
                cuda::recurrent::forward(self.cell, &step, first, rows)?;
            }
        }
        let mut results = vec![outputs];
        results.extend(state);
        Ok((results, kept))
    }

    /// As `fused_backward`, on a GPU.
    fn fused_backward_on_gpu(
        &self,
        cx: &Backprop,
        kept: &Kept,
        weight: &Tensor,
    ) -> Result<(Tensor, Tensor, Vec<Tensor>)> {
        let w = self.width;
        let dtype = kept.gates.dtype();
        let weight = computed(weight, dtype)?;
        let for_output = cx.grads[0].as_ref().map(|g| computed(g, dtype)).transpose()?;
        let start = |g: &Option<Tensor>| match g {
            Some(g) => copy::clone(&computed(g, dtype)?),
            None => creation::zeros(&[self.sizes[0], w], dtype),
        };
        let for_state = cx.grads[1..].iter().map(start).collect::<Result<Vec<_>>>()?;
        let for_gates = Tensor::empty(kept.gates.sizes(), dtype)?;
        let for_contribution = if self.cell == Cell::Gru {
            Tensor::empty(kept.gates.sizes(), dtype)?
        } else {
            for_gates.clone()
        };
        if for_gates.numel() > 0 {
            for (_, first, rows) in self.steps().into_iter().rev().filter(|&(_, _, rows)| rows > 0) {
                let step = cuda::recurrent::Backward {
                    for_gates: &for_gates,
                    for_contribution: &for_contribution,
                    for_hidden: &for_state[0],
                    for_cells: for_state.get(1),
                    for_output: for_output.as_ref(),
                    gates: &kept.gates,
                    kept: &kept.kept,
                    hidden_before: &kept.hidden_before,
                    cells_before: &kept.cells_before,
                };
                cuda::recurrent::backward(self.cell, &step, first, rows)?;
                let through = view::narrow(&for_contribution, 0, first as i64, rows as i64)?;
                let before = view::narrow(&for_state[0], 0, 0, rows as i64)?;
                cuda::matmul::product(&before, &through, &weight, Some(&before))?;
            }
        }
        Ok((for_gates, for_contribution, for_state))
    }

    /// The gradients of the gates' sums, of the contributions of the states to them, and of the state
    /// that the layer was given.
    fn fused_backward<T: Gate + GemmElement>(
        &self,
        cx: &Backprop,
        kept: &Kept,
        weight: &Tensor,
    ) -> Result<(Tensor, Tensor, Vec<Tensor>)> {
        let (w, gates) = (self.width, self.cell.gates() * self.width);
        let dtype = kept.gates.dtype();
        let is_gru = self.cell == Cell::Gru;
        let weight = computed(weight, dtype)?;
        let for_output = cx.grads[0].as_ref().map(|g| computed(g, dtype)).transpose()?;
        let start = |g: &Option<Tensor>| match g {
            Some(g) => copy::clone(&computed(g, dtype)?),
            None => creation::zeros(&[self.sizes[0], w], dtype),
        };
        let for_state = cx.grads[1..].iter().map(start).collect::<Result<Vec<_>>>()?;
        let for_gates = Tensor::empty(kept.gates.sizes(), dtype)?;
        let for_contribution =
            if is_gru { Tensor::empty(kept.gates.sizes(), dtype)? } else { for_gates.clone() };
        let for_hidden = for_state[0].ptr().cast::<T>();
        for (_, first, rows) in self.steps().into_iter().rev() {
            // SAFETY: contiguous tensors with a row for every row of the steps (`for_state`: of the first
            // step); those that the cell has no use for are not read.
            unsafe {
                let at = |t: &Tensor, width: usize| t.ptr().cast::<T>().wrapping_add(first * width);
                kernel::backward(kernel::Backward {
                    cell: self.cell,
                    rows,
                    width: w,
                    gates: at(&kept.gates, gates),
                    kept: at(&kept.kept, w),
                    hidden_before: at(&kept.hidden_before, w),
                    cells_before: at(&kept.cells_before, w),
                    for_output: for_output.as_ref().map_or(std::ptr::null(), |g| at(g, w)),
                    for_hidden,
                    for_cells: for_state.get(1).map_or(std::ptr::null_mut(), |t| t.ptr().cast()),
                    for_gates: at(&for_gates, gates),
                    for_contribution: at(&for_contribution, gates),
                });
                gemm(&Product {
                    m: rows,
                    n: w,
                    k: gates,
                    a: Mat { ptr: at(&for_contribution, gates), rs: gates as isize, cs: 1 },
                    b: Mat { ptr: weight.ptr().cast::<T>(), rs: w as isize, cs: 1 },
                    c: for_hidden,
                    ldc: w,
                    accumulate: is_gru,
                    bias: Bias::None,
                });
            }
        }
        Ok((for_gates, for_contribution, for_state))
    }
}

/// What the gradient needs of the fused way: a row for every row of the steps, none where the cell has
/// no use for it.
struct Kept {
    gates: Tensor,
    hidden_before: Tensor,
    cells_before: Tensor,
    kept: Tensor,
}

/// The node: x, state, weight and perhaps bias are its inputs.
struct Recorded {
    recurrence: Recurrence,
    has_bias: bool,
}

impl Recorded {
    fn backward(&self, cx: &Backprop) -> Result<Grads> {
        let states = self.recurrence.cell.states();
        let count = 2 + states + usize::from(self.has_bias);
        if cx.grads.iter().all(Option::is_none) {
            return Ok(smallvec![None; count]);
        }
        if autograd::grad_enabled() {
            return self.differentiable(cx, count);
        }
        let kept = Kept {
            gates: cx.saved(count)?,
            hidden_before: cx.saved(count + 1)?,
            cells_before: cx.saved(count + 2)?,
            kept: cx.saved(count + 3)?,
        };
        let weight = cx.saved(1 + states)?;
        let on_gpu = kept.gates.device().is_cuda();
        let (for_gates, for_contribution, for_state) = if on_gpu {
            self.recurrence.fused_backward_on_gpu(cx, &kept, &weight)?
        } else {
            typed!(kept.gates.dtype(), T => self.recurrence.fused_backward::<T>(cx, &kept, &weight))?
        };
        let mut grads: Grads = smallvec![None; count];
        if cx.needs(1 + states) {
            grads[1 + states] = Some(if on_gpu {
                matmul(&view::transpose(&for_contribution, 0, 1)?, &kept.hidden_before)?
            } else {
                typed!(kept.gates.dtype(), T => for_weight::<T>(&for_contribution, &kept.hidden_before))?
            });
        }
        if self.has_bias && cx.needs(2 + states) {
            grads[2 + states] = Some(reduce::sum(&for_contribution, Some(&[0]), false, None)?);
        }
        grads[0] = Some(for_gates);
        for (i, g) in for_state.into_iter().enumerate() {
            grads[1 + i] = Some(g);
        }
        Ok(grads)
    }

    /// Through the graph of the composed layer. The inputs are told apart by views of them: one may have
    /// been computed from another.
    fn differentiable(&self, cx: &Backprop, count: usize) -> Result<Grads> {
        let inputs: Vec<Tensor> =
            (0..count).map(|i| Ok(view::alias(&cx.saved(i)?))).collect::<Result<_>>()?;
        let states = self.recurrence.cell.states();
        let results = self.recurrence.composed(&Inputs {
            x: &inputs[0],
            state: &inputs[1..1 + states],
            weight: &inputs[1 + states],
            bias: inputs.get(2 + states),
            projection: None,
        })?;
        let roots: Vec<Root> = results
            .into_iter()
            .zip(cx.grads)
            .filter(|(_, g)| g.is_some())
            .map(|(t, g)| Root::new(t, g.clone()))
            .collect();
        let wanted: Vec<usize> = (0..count).filter(|&i| cx.needs(i)).collect();
        let edges: Vec<_> = wanted.iter().filter_map(|&i| inputs[i].gradient_edge()).collect();
        let found = engine::grad(&roots, &edges, Walk { retain_graph: true, create_graph: true })?;
        let mut grads: Grads = smallvec![None; count];
        for (i, g) in wanted.into_iter().zip(found) {
            grads[i] = g;
        }
        Ok(grads)
    }
}

/// The sum over all rows of outer products: one product for all steps.
fn for_weight<T: GemmElement>(for_contribution: &Tensor, hidden_before: &Tensor) -> Result<Tensor> {
    let (rows, gates, w) = (hidden_before.size(0), for_contribution.size(1), hidden_before.size(1));
    let out = creation::zeros(&[gates, w], hidden_before.dtype())?;
    // SAFETY: contiguous tensors of these sizes; the result is fresh.
    unsafe {
        gemm(&Product {
            m: gates,
            n: w,
            k: rows,
            a: Mat { ptr: for_contribution.ptr().cast::<T>(), rs: 1, cs: gates as isize },
            b: Mat { ptr: hidden_before.ptr().cast::<T>(), rs: w as isize, cs: 1 },
            c: out.ptr().cast(),
            ldc: w,
            accumulate: true,
            bias: Bias::None,
        });
    }
    Ok(out)
}

fn recurrence(a: &Args) -> Result<Output> {
    let (recurrence, t) = read(a)?;
    let dtype = t.x.dtype();
    if t.projection.is_some() || !matches!(dtype, DType::F32 | DType::F64) {
        return Ok(recurrence.composed(&t)?.into());
    }
    let (results, kept) = if t.x.device().is_cuda() {
        recurrence.fused_on_gpu(&t)?
    } else {
        typed!(dtype, T => recurrence.fused::<T>(&t))?
    };
    let mut inputs: SmallVec<[&Tensor; 5]> = smallvec![t.x];
    inputs.extend(t.state);
    inputs.push(t.weight);
    inputs.extend(t.bias);
    if !autograd::needs_grad(&inputs) {
        return Ok(results.into());
    }
    let mut save: SmallVec<[Save; 9]> = (0..inputs.len()).map(Save::Input).collect();
    save.extend([&kept.gates, &kept.hidden_before, &kept.cells_before, &kept.kept].map(Save::Other));
    let node = Recorded { recurrence, has_bias: t.bias.is_some() };
    let results = autograd::record_many(results.into(), "RecurrenceBackward0", &inputs, &save, move |cx| {
        node.backward(cx)
    });
    Ok(results.into_vec().into())
}

pub const OPS: &[Op] = &[
    Op::new("_recurrence(Tensor input, Tensor[] hx, Tensor weight_hh, Tensor? bias_hh, Tensor? weight_hr, int[] batch_sizes, str mode, bool reverse) -> Tensor[]", recurrence)
        .doc("One layer and direction of RNN, LSTM or GRU over packed, projected inputs: outputs and last state."),
];
