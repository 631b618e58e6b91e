//! Sums, products and extremes over some dimensions.

use smallvec::SmallVec;

use crate::bail;
use crate::cpu::loops::Loops;
use crate::cpu::reduce::Reduction;
use crate::cuda::formula::{computed, stored};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::{gpu_of, pack};
use crate::ops::cuda::template::{Instance, argument, computed_type};
use crate::tensor::Tensor;

pub const TEXT: &str = include_str!("../../cuda/kernels/reduce.cu");

/// Elements of a reduction from which on it is cut into parts, if there are few results.
const LONG: usize = 1 << 14;
/// Blocks that keep a large GPU busy.
const BUSY: usize = 1 << 10;

/// `out` = the reduction of `x` over the dimensions of `mask`; `out` is fresh and contiguous.
pub fn reduce(out: &Tensor, x: &Tensor, reduction: Reduction, mask: u64) -> Result<()> {
    if out.numel() == 0 {
        return Ok(());
    }
    let size = x.dtype().size();
    let is_reduced = |d: &usize| mask & (1 << *d) != 0;
    let kept: SmallVec<[usize; 6]> = (0..x.ndim()).filter(|d| !is_reduced(d)).collect();
    let gone: SmallVec<[usize; 6]> = (0..x.ndim()).filter(is_reduced).collect();
    let pick = |dims: &[usize]| -> SmallVec<[isize; 6]> { dims.iter().map(|&d| x.strides()[d]).collect() };
    let sizes_of = |dims: &[usize]| -> SmallVec<[usize; 6]> { dims.iter().map(|&d| x.size(d)).collect() };
    let kept_sizes = sizes_of(&kept);
    let out_strides = crate::layout::contiguous_strides(&kept_sizes);
    let outputs = Loops::new(&kept_sizes, &[(&out_strides, out.dtype().size()), (&pick(&kept), size)]);
    let reduced = Loops::new(&sizes_of(&gone), &[(&pick(&gone), size)]);
    if outputs.sizes.len() > 8 || reduced.sizes.len() > 8 {
        bail!(
            Unsupported,
            "reductions over more than 8 strided dimensions are not implemented for CUDA tensors"
        );
    }
    let length = gone.iter().map(|&d| x.size(d)).product::<usize>();
    // Neighbouring threads ought to read neighbours: outputs, or elements of one output.
    let closest = |loops: &Loops, k: usize| loops.strides[0][k].unsigned_abs();
    let side_by_side =
        outputs.sizes[0] > 1 && closest(&outputs, 1) < closest(&reduced, 0).max(1) && out.numel() >= 32;
    let group: u32 = match length {
        _ if side_by_side => 1,
        0..=8 => 1,
        9..=1024 if out.numel() >= 256 => 32,
        _ => 256,
    };
    let blocks = out.numel().div_ceil((256 / group) as usize);
    let parts =
        if length >= LONG && blocks < BUSY { (BUSY / blocks).min(length / (LONG / 4)).min(512) } else { 1 };
    let wide = computed(x.dtype().promote(out.dtype()));
    if parts == 1 {
        return run(out, None, x, reduction, group, &outputs, &reduced, length, length);
    }
    let partial = Tensor::empty(&[parts, out.numel()], wide)?;
    run(out, Some(&partial), x, reduction, group, &outputs, &reduced, length, length.div_ceil(parts))?;
    // The second launch: neighbouring outputs of the parts lie side by side.
    let flat = partial.sizes().to_vec();
    let outputs = Loops::new(&flat[1..], &[(&[1], out.dtype().size()), (&[1], wide.size())]);
    let reduced = Loops::new(&flat[..1], &[(&[flat[1] as isize], wide.size())]);
    run(out, None, &partial, reduction, if flat[1] >= 32 { 1 } else { 256 }, &outputs, &reduced, parts, parts)
}

#[allow(clippy::too_many_arguments)]
fn run(
    out: &Tensor,
    parts: Option<&Tensor>,
    x: &Tensor,
    reduction: Reduction,
    group: u32,
    outputs: &Loops,
    reduced: &Loops,
    length: usize,
    part_length: usize,
) -> Result<()> {
    let gpu = gpu_of(x)?;
    let wide = x.dtype().promote(out.dtype());
    let kernel = Instance {
        text: TEXT,
        function: "reduce",
        types: &|| types(reduction, group, parts.is_some(), wide, out.dtype(), x.dtype()),
        parameters: &|| parameters(wide, out.dtype(), x.dtype()),
        variant: &[
            reduction as u8,
            group.trailing_zeros() as u8,
            parts.is_some() as u8,
            wide as u8,
            out.dtype() as u8,
            x.dtype() as u8,
        ],
    }
    .kernel(gpu)?;
    let mut kept = pack(outputs, outputs.sizes.len(), 2);
    let mut gone = pack(reduced, reduced.sizes.len(), 1);
    let mut places = [out.device_address(), parts.map_or(0, Tensor::device_address), x.device_address()];
    let mut counts = [out.numel() as i64, length as i64, part_length as i64];
    let blocks = out.numel().div_ceil((256 / group) as usize);
    let Ok(columns) = u32::try_from(blocks) else {
        bail!(Unsupported, "{} results are too many for one CUDA kernel", out.numel());
    };
    let rows = length.div_ceil(part_length.max(1)).max(1) as u32;
    let [to, between, from] = &mut places;
    let [n, all, part] = &mut counts;
    let mut arguments = [
        kept.as_mut_ptr().cast(),
        gone.as_mut_ptr().cast(),
        argument(to),
        argument(between),
        argument(from),
        argument(n),
        argument(all),
        argument(part),
    ];
    // SAFETY: the instance was made for these types; the loops are those of the tensors' layouts.
    unsafe { gpu.launch(kernel, [columns, rows, 1], 256, &mut arguments) }
}

/// What stands between the angle brackets of `reduce`.
pub fn types(reduction: Reduction, group: u32, to_parts: bool, wide: DType, out: DType, x: DType) -> String {
    let op = match reduction {
        Reduction::Sum => "rn::SUM",
        Reduction::Prod => "rn::PROD",
        Reduction::Max => "rn::MAX",
        Reduction::Min => "rn::MIN",
    };
    format!("{op}, {group}, {to_parts}, {}, {}, {}", computed_type(wide), stored(out), stored(x))
}

/// The parameters of an instance of `reduce`.
pub fn parameters(wide: DType, out: DType, x: DType) -> String {
    format!(
        "rn::Loops<2> kept, rn::Loops<1> reduced, {}* out, {}* parts, const {}* x, long long outputs, long long length, long long part_length",
        stored(out),
        computed_type(wide),
        stored(x)
    )
}
