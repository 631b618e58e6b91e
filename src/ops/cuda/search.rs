//! Places in sorted sequences.

use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::{gpu_of, grid};
use crate::ops::cuda::template::{Instance, argument};
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/keys.cu"), include_str!("../../cuda/kernels/search.cu"));

/// The places of all values in `rows` sorted sequences, each for as many values as it gets. All tensors are
/// contiguous, of one dtype but for the order, whose indices are within range.
pub fn places(
    out: &Tensor,
    sorted: &Tensor,
    rows: usize,
    order: Option<&Tensor>,
    values: &Tensor,
    right: bool,
) -> Result<()> {
    let n = values.numel();
    if n == 0 {
        return Ok(());
    }
    let gpu = gpu_of(values)?;
    let kernel = instance(sorted.dtype(), right, order.is_some(), |i| i.kernel(gpu))?;
    let mut addresses = [
        sorted.device_address(),
        order.map_or(0, Tensor::device_address),
        values.device_address(),
        out.device_address(),
    ];
    let rows = rows.max(1);
    let mut counts = [n as i64, (sorted.numel() / rows) as i64, (n / rows).max(1) as i64];
    let mut arguments: Vec<_> = addresses.iter_mut().map(argument).collect();
    arguments.extend(counts.iter_mut().map(argument));
    // SAFETY: the instance was made for this dtype; there is an output for each value.
    unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments) }
}

/// The kernel for a dtype, and sequences that are sorted by an order or by themselves.
pub fn instance<R>(dtype: DType, right: bool, ordered: bool, then: impl FnOnce(&Instance) -> R) -> R {
    let e = stored(dtype);
    then(&Instance {
        text: TEXT,
        function: "places",
        types: &|| format!("{right}, {ordered}, {e}"),
        parameters: &|| {
            format!(
                "const {e}* sorted, const long long* order, const {e}* values, long long* out, long long n, long long length, long long each"
            )
        },
        variant: &[dtype as u8, right as u8, ordered as u8],
    })
}
