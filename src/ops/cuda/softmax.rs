//! Softmax, its logarithm, and their gradients.

use crate::bail;
use crate::cpu::softmax::SoftmaxShape;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/reduce.cu"), include_str!("../../cuda/kernels/softmax.cu"));

/// Rows up to this length are a warp's, longer ones a block's.
const WARP_ROW: usize = 1024;

/// The softmax of `x`, or with `g` the gradient of a softmax whose result is `x`. All are contiguous, of one dtype.
pub fn softmax(out: &Tensor, x: &Tensor, g: Option<&Tensor>, shape: &SoftmaxShape, log: bool) -> Result<()> {
    let gpu = gpu_of(out)?;
    let rows = shape.outer * shape.inner;
    let group = if shape.dim <= WARP_ROW { 32 } else { 256 };
    let kernel = instance(out.dtype(), group, log, g.is_some(), |i| i.kernel(gpu))?;
    let Ok(blocks) = u32::try_from(rows.div_ceil(256 / group as usize)) else {
        bail!(Unsupported, "{rows} rows are too many for one CUDA kernel");
    };
    let mut places = [out.device_address(), x.device_address(), g.map_or(0, Tensor::device_address)];
    let mut counts = [rows as i64, shape.dim as i64, shape.inner as i64];
    let pointers = if g.is_some() { 3 } else { 2 };
    let mut arguments: Vec<_> = places[..pointers].iter_mut().map(argument).collect();
    arguments.extend(counts.iter_mut().map(argument));
    // SAFETY: the instance was made for this dtype, and all tensors have rows x dim elements.
    unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments) }
}

/// The kernel of the forward or of the gradient.
pub fn instance<R>(
    dtype: DType,
    group: u32,
    log: bool,
    gradient: bool,
    then: impl FnOnce(&Instance) -> R,
) -> R {
    then(&Instance {
        text: TEXT,
        function: if gradient { "softmax_gradient" } else { "softmax" },
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{group}, {log}, {computed}, {element}")
        },
        parameters: &|| {
            let e = stored(dtype);
            let inputs =
                if gradient { format!("const {e}* y, const {e}* g") } else { format!("const {e}* x") };
            format!("{e}* out, {inputs}, long long rows, long long size, long long inner")
        },
        variant: &[dtype as u8, group.trailing_zeros() as u8, log as u8, gradient as u8],
    })
}
