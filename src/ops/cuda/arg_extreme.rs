//! The index of the largest or smallest element along a dimension.

use smallvec::SmallVec;

use crate::bail;
use crate::cpu::loops::Loops;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::contiguous_strides;
use crate::ops::cuda::pointwise::{gpu_of, pack};
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/arg_extreme.cu");

/// Indices, and values if there is room for them, along `dim`; both contiguous, with one element there.
pub fn arg_extreme(
    indices: &Tensor,
    values: Option<&Tensor>,
    x: &Tensor,
    dim: usize,
    largest: bool,
) -> Result<()> {
    let rows = indices.numel();
    if rows == 0 {
        return Ok(());
    }
    let gpu = gpu_of(x)?;
    let kernel = instance(x.dtype(), largest, values.is_some(), |i| i.kernel(gpu))?;
    let bytes = x.dtype().size();
    let others: SmallVec<[usize; 6]> = (0..x.ndim()).filter(|&d| d != dim).collect();
    let sizes: SmallVec<[usize; 6]> = others.iter().map(|&d| x.size(d)).collect();
    let strides: SmallVec<[isize; 6]> = others.iter().map(|&d| x.strides()[d]).collect();
    let loops = Loops::new(&sizes, &[(&contiguous_strides(&sizes), 8), (&strides, bytes)]);
    let Ok(blocks) = u32::try_from(rows) else {
        bail!(Unsupported, "{rows} rows are too many for one CUDA kernel");
    };
    if loops.sizes.len() > 8 {
        bail!(
            Unsupported,
            "extremes over more than 8 strided dimensions are not implemented for CUDA tensors"
        );
    }
    let (size, step) = if x.ndim() == 0 { (1, 0) } else { (x.size(dim), x.strides()[dim]) };
    let mut packed = pack(&loops, loops.sizes.len(), 2);
    let mut places = [indices.device_address(), values.map_or(0, Tensor::device_address), x.device_address()];
    let mut counts = [size as i64, step as i64 * bytes as i64];
    let mut arguments = vec![packed.as_mut_ptr().cast()];
    arguments.extend(places.iter_mut().map(argument));
    arguments.extend(counts.iter_mut().map(argument));
    // SAFETY: the instance was made for this dtype; the loops are those of the layouts.
    unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments) }
}

/// The kernel for a dtype.
pub fn instance<R>(dtype: DType, largest: bool, values: bool, then: impl FnOnce(&Instance) -> R) -> R {
    then(&Instance {
        text: TEXT,
        function: "arg_extreme",
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{largest}, {values}, {computed}, {element}")
        },
        parameters: &|| {
            let e = stored(dtype);
            format!(
                "rn::Loops<2> rows, long long* indices, {e}* values, const {e}* x, long long size, long long step"
            )
        },
        variant: &[dtype as u8, largest as u8, values as u8],
    })
}
