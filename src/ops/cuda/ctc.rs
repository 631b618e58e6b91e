//! The CTC loss and its gradient.

use crate::bail;
use crate::cuda::bad_index;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::copy;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument};
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/index.cu"), include_str!("../../cuda/kernels/ctc.cu"));

/// Sequences whose lengths were checked, and their labels, as kernels take them.
pub struct Sequences {
    labels: Tensor,
    /// Rows of `rn::Sequence`.
    table: Tensor,
    /// Forward variables of all sequences.
    variables: usize,
    /// States of the longest target.
    states: usize,
    blank: i64,
}

impl Sequences {
    /// `spans` says where the labels of each sequence begin and how many they are.
    pub fn of(
        targets: &Tensor,
        spans: &[(usize, usize)],
        times: &[usize],
        blank: usize,
    ) -> Result<Sequences> {
        let targets = copy::to_device(&targets.detached(), crate::device::place())?;
        let labels = copy::contiguous(&copy::to_dtype(&targets, DType::I64)?)?;
        let (mut rows, mut variables, mut longest) = (Vec::with_capacity(4 * spans.len()), 0usize, 0);
        for (&(start, length), &time) in spans.iter().zip(times) {
            rows.extend([start, length, time, variables].map(|v| v as i64));
            let states = length.saturating_mul(2).saturating_add(1);
            variables = variables.saturating_add(time.saturating_mul(states));
            longest = longest.max(states);
        }
        if i32::try_from(longest).is_err() {
            bail!(Unsupported, "targets of 2^30 labels are not implemented for CUDA tensors");
        }
        let table = Tensor::from_slice(&rows, &[spans.len(), 4])?.at_place()?;
        Ok(Sequences { labels, table, variables, states: longest, blank: blank as i64 })
    }

    /// Threads for a block that has `most` things to do at a time.
    fn threads(most: usize) -> u32 {
        most.next_multiple_of(32).min(256) as u32
    }

    fn blocks(count: usize) -> Result<[u32; 3]> {
        match i32::try_from(count) {
            Ok(count) => Ok([count as u32, 1, 1]),
            Err(_) => bail!(Unsupported, "{count} rows are too many for one CUDA kernel"),
        }
    }

    /// The loss of every sequence of the contiguous `x` (time, batch, classes), and the forward variables.
    pub fn losses(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let gpu = gpu_of(x)?;
        let (batch, classes) = (x.size(1), x.size(2));
        let loss = Tensor::empty(&[batch], x.dtype())?;
        let alpha = Tensor::empty(&[self.variables], x.dtype())?;
        let kernel = instance(x.dtype(), Step::Forward, |i| i.kernel(gpu))?;
        let mut places = [&loss, &alpha, x, &self.labels, &self.table].map(Tensor::device_address);
        let mut numbers = [batch as i64, classes as i64, self.blank];
        let (mut bad, mut operation) = bad_index::slot(gpu, "ctc_loss")?;
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend(numbers.iter_mut().map(argument));
        arguments.extend([argument(&mut bad), argument(&mut operation)]);
        // SAFETY: the instance was made for this dtype; lengths were checked, and labels are by the kernel.
        unsafe {
            gpu.launch(kernel, Self::blocks(batch)?, Self::threads(self.states), &mut arguments)?;
        }
        Ok((loss, alpha))
    }

    /// The gradient by the contiguous `x`; `scales` is that of the losses.
    pub fn gradient(
        &self,
        x: &Tensor,
        alpha: &Tensor,
        loss: &Tensor,
        scales: &Tensor,
        zero_infinity: bool,
    ) -> Result<Tensor> {
        let gpu = gpu_of(x)?;
        let (time, batch, classes) = (x.size(0), x.size(1), x.size(2));
        let both = Tensor::empty(alpha.sizes(), x.dtype())?;
        let links = Tensor::empty(&[2 * self.labels.numel()], DType::I32)?;
        let mut numbers = [batch as i64, classes as i64, self.blank];
        let kernel = instance(x.dtype(), Step::Backward, |i| i.kernel(gpu))?;
        let mut places = [&both, &links, alpha, x, &self.labels, &self.table].map(Tensor::device_address);
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend(numbers.iter_mut().map(argument));
        // SAFETY: as above; there is a link for each label.
        unsafe {
            gpu.launch(kernel, Self::blocks(batch)?, Self::threads(self.states), &mut arguments)?;
        }
        let out = Tensor::empty(&[time, batch, classes], x.dtype())?;
        let kernel = instance(x.dtype(), Step::Gradient, |i| i.kernel(gpu))?;
        let mut places =
            [&out, &both, &links, loss, scales, x, &self.labels, &self.table].map(Tensor::device_address);
        let mut zero_infinity = i32::from(zero_infinity);
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend(numbers.iter_mut().map(argument));
        arguments.push(argument(&mut zero_infinity));
        let threads = Self::threads(classes.max(self.states));
        // SAFETY: as above; a block has a row of the result.
        unsafe { gpu.launch(kernel, Self::blocks(time * batch)?, threads, &mut arguments)? };
        Ok(out)
    }
}

/// The kernels of the loss and of its gradient.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Forward,
    Backward,
    Gradient,
}

pub fn instance<R>(dtype: DType, step: Step, then: impl FnOnce(&Instance) -> R) -> R {
    let r = if dtype == DType::F32 { "float" } else { "double" };
    let function = match step {
        Step::Forward => "ctc_forward",
        Step::Backward => "ctc_backward",
        Step::Gradient => "ctc_gradient",
    };
    then(&Instance {
        text: TEXT,
        function,
        types: &|| r.to_owned(),
        parameters: &|| {
            let common = format!(
                "const {r}* x, const long long* labels, const rn::Sequence* sequences, long long batch, long long classes, long long blank"
            );
            match step {
                Step::Forward => {
                    format!("{r}* loss, {r}* alpha, {common}, rn::BadIndex* bad, int operation")
                }
                Step::Backward => format!("{r}* both, int* links, const {r}* alpha, {common}"),
                Step::Gradient => format!(
                    "{r}* grad, const {r}* both, const int* links, const {r}* loss, const {r}* scales, {common}, int zero_infinity"
                ),
            }
        },
        variant: &[dtype as u8, step as u8],
    })
}
