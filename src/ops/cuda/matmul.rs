//! Products of matrices.

use crate::bail;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::copy;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/gemm.cu");
const TILE: usize = 64;

/// `out = a @ b + bias`: operands are (batch, rows, columns) or (rows, columns), of one dtype, with any
/// strides; `out` is contiguous. All sizes but those of the batch are not zero.
pub fn product(out: &Tensor, a: &Tensor, b: &Tensor, bias: Option<&Tensor>) -> Result<()> {
    let gpu = gpu_of(out)?;
    let dtype = out.dtype();
    let bias = bias.map(copy::contiguous).transpose()?;
    let kernel = instance(dtype, |i| i.kernel(gpu))?;
    let d = out.ndim();
    let count: usize = out.sizes()[..d - 2].iter().product();
    let sizes = [out.size(d - 2), out.size(d - 1), a.size(d - 1)];
    let Ok([mut m, mut n, mut k]) = sizes
        .map(i32::try_from)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(|v| <[i32; 3]>::try_from(v).expect("three sizes"))
    else {
        bail!(
            Unsupported,
            "products of matrices with more than 2^31 rows or columns are not implemented for CUDA tensors"
        );
    };
    let stride = |t: &Tensor, at: usize| t.strides()[at] as i64;
    let batch_stride = |t: &Tensor| if d == 3 { stride(t, 0) } else { 0 };
    let rows = sizes[0].div_ceil(TILE);
    // Grids are 65,535 blocks high and deep at most: larger batches take several launches, as do higher matrices.
    if rows > 65_535 {
        bail!(
            Unsupported,
            "products of matrices with more than 4 million rows are not implemented for CUDA tensors"
        );
    }
    let mut strides = [
        batch_stride(a),
        stride(a, d - 2),
        stride(a, d - 1),
        batch_stride(b),
        stride(b, d - 2),
        stride(b, d - 1),
    ];
    let bytes = dtype.size() as i64;
    let mut at = 0;
    while at < count {
        let now = (count - at).min(65_535);
        let shifted =
            |t: &Tensor, stride: i64| t.device_address().wrapping_add_signed(at as i64 * stride * bytes);
        let mut places = [
            shifted(out, (sizes[0] * sizes[1]) as i64),
            shifted(a, strides[0]),
            shifted(b, strides[3]),
            bias.as_ref().map_or(0, Tensor::device_address),
        ];
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend([argument(&mut m), argument(&mut n), argument(&mut k)]);
        arguments.extend(strides.iter_mut().map(argument));
        let grid = [sizes[1].div_ceil(TILE) as u32, rows as u32, now as u32];
        // SAFETY: the instance was made for this dtype; sizes and strides are those of the tensors.
        unsafe { gpu.launch(kernel, grid, 256, &mut arguments)? };
        at += now;
    }
    Ok(())
}

/// The kernel for a dtype.
pub fn instance<R>(dtype: DType, then: impl FnOnce(&Instance) -> R) -> R {
    then(&Instance {
        text: TEXT,
        function: "gemm",
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{computed}, {element}")
        },
        parameters: &|| {
            let e = stored(dtype);
            format!(
                "{e}* c, const {e}* a, const {e}* b, const {e}* bias, int m, int n, int k, long long a_batch, long long a_row, long long a_column, long long b_batch, long long b_row, long long b_column"
            )
        },
        variant: &[dtype as u8],
    })
}
