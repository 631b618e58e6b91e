//! Steps of recurrent layers: a product and a kernel each.

use crate::cpu::recurrent::Cell;
use crate::cuda::formula::stored;
use crate::cuda::gpu::{Gpu, Kernel};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::{gpu_of, grid};
use crate::ops::cuda::template::{Instance, argument};
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/recurrent.cu");

/// The rows of a tensor from `first` on, as a kernel gets them; null for a tensor without elements.
fn rows_from(t: &Tensor, first: usize) -> u64 {
    if t.numel() == 0 {
        return 0;
    }
    t.device_address() + (first * t.numel() / t.size(0) * t.dtype().size()) as u64
}

/// The tensors of a step forward: those with a row for every row of all steps begin at `first`, those of the state
/// at their first row. What the cell has no use for has no elements.
pub struct Forward<'a> {
    pub gates: &'a Tensor,
    pub contribution: &'a Tensor,
    pub hidden: &'a Tensor,
    pub hidden_before: &'a Tensor,
    pub outputs: &'a Tensor,
    pub cells: Option<&'a Tensor>,
    pub cells_before: &'a Tensor,
    pub kept: &'a Tensor,
}

/// Takes a step of so many rows: changes the state, and writes the outputs and what the gradient needs.
pub fn forward(cell: Cell, t: &Forward, first: usize, rows: usize) -> Result<()> {
    let gpu = gpu_of(t.gates)?;
    let kernel = instance(cell, t.gates.dtype(), false, |i| i.kernel(gpu))?;
    let mut places = [
        rows_from(t.gates, first),
        t.contribution.device_address(),
        t.hidden.device_address(),
        rows_from(t.hidden_before, first),
        rows_from(t.outputs, first),
        t.cells.map_or(0, Tensor::device_address),
        rows_from(t.cells_before, first),
        rows_from(t.kept, first),
    ];
    launch(gpu, kernel, &mut places, t.hidden.size(1), rows)
}

/// The tensors of a step backward.
pub struct Backward<'a> {
    pub for_gates: &'a Tensor,
    pub for_contribution: &'a Tensor,
    pub for_hidden: &'a Tensor,
    pub for_cells: Option<&'a Tensor>,
    pub for_output: Option<&'a Tensor>,
    pub gates: &'a Tensor,
    pub kept: &'a Tensor,
    pub hidden_before: &'a Tensor,
    pub cells_before: &'a Tensor,
}

/// The gradient of a step but for what goes through the contribution of the old state.
pub fn backward(cell: Cell, t: &Backward, first: usize, rows: usize) -> Result<()> {
    let gpu = gpu_of(t.gates)?;
    let kernel = instance(cell, t.gates.dtype(), true, |i| i.kernel(gpu))?;
    let mut places = [
        rows_from(t.for_gates, first),
        rows_from(t.for_contribution, first),
        t.for_hidden.device_address(),
        t.for_cells.map_or(0, Tensor::device_address),
        t.for_output.map_or(0, |g| rows_from(g, first)),
        rows_from(t.gates, first),
        rows_from(t.kept, first),
        rows_from(t.hidden_before, first),
        rows_from(t.cells_before, first),
    ];
    launch(gpu, kernel, &mut places, t.for_hidden.size(1), rows)
}

fn launch(gpu: &Gpu, kernel: Kernel, places: &mut [u64], width: usize, rows: usize) -> Result<()> {
    let mut n = (rows * width) as i64;
    if n == 0 {
        return Ok(());
    }
    let mut width = width as i32;
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut width), argument(&mut n)]);
    // SAFETY: the instance was made for these tensors' dtype; they are contiguous and have the step's rows.
    unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments) }
}

/// The kernel of a cell for float32 or float64.
pub fn instance<R>(cell: Cell, dtype: DType, gradient: bool, then: impl FnOnce(&Instance) -> R) -> R {
    let name = match cell {
        Cell::Tanh => "rn::TANH",
        Cell::Relu => "rn::RELU",
        Cell::Lstm => "rn::LSTM",
        Cell::Gru => "rn::GRU",
    };
    let t = stored(dtype);
    then(&Instance {
        text: TEXT,
        function: if gradient { "recurrent_gradient" } else { "recurrent_step" },
        types: &|| format!("{name}, {t}"),
        parameters: &|| {
            if gradient {
                format!(
                    "{t}* for_gates, {t}* for_contribution, {t}* for_hidden, {t}* for_cells, const {t}* for_output, const {t}* gates, const {t}* kept, const {t}* hidden_before, const {t}* cells_before, int width, long long n"
                )
            } else {
                format!(
                    "{t}* gates, const {t}* contribution, {t}* hidden, {t}* hidden_before, {t}* outputs, {t}* cells, {t}* cells_before, {t}* kept, int width, long long n"
                )
            }
        },
        variant: &[dtype as u8, cell as u8, gradient as u8],
    })
}
