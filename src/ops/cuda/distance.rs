//! Distances between the rows of matrices.

use crate::bail;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument};
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/distance.cu");

/// `out` (batch, n, m) = p-norms of the differences of the rows of `a` (batch, n, k) and `b` (batch, m, k); all
/// contiguous, in float32 or float64.
pub fn distances(out: &Tensor, a: &Tensor, b: &Tensor, p: f64) -> Result<()> {
    if out.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(out)?;
    let kernel = instance(out.dtype(), p, |i| i.kernel(gpu))?;
    let [batch, n, m] = [0, 1, 2].map(|d| out.size(d));
    let Ok(blocks) = u32::try_from(batch * n.div_ceil(16) * m.div_ceil(16)) else {
        bail!(Unsupported, "{} distances are too many for one CUDA kernel", out.numel());
    };
    let mut places = [a.device_address(), b.device_address(), out.device_address()];
    let mut sizes = [n as i64, m as i64, a.size(2) as i64];
    let mut p = p;
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend(sizes.iter_mut().map(argument));
    arguments.push(argument(&mut p));
    // SAFETY: the instance was made for this dtype; the tensors are contiguous with these sizes.
    unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments) }
}

/// The kernel for a dtype and a norm.
pub fn instance<R>(dtype: DType, p: f64, then: impl FnOnce(&Instance) -> R) -> R {
    let (number, norm) = match p {
        0.0 => (0, "rn::NORM_ZERO"),
        1.0 => (1, "rn::NORM_ONE"),
        2.0 => (2, "rn::NORM_TWO"),
        f64::INFINITY => (3, "rn::NORM_INFINITY"),
        _ => (4, "rn::NORM_P"),
    };
    let e = stored(dtype);
    then(&Instance {
        text: TEXT,
        function: "distances",
        types: &|| format!("{norm}, {e}"),
        parameters: &|| {
            format!(
                "const {e}* a, const {e}* b, {e}* out, long long n, long long m, long long k, double power"
            )
        },
        variant: &[dtype as u8, number],
    })
}
