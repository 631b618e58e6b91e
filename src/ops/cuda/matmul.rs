//! Products of matrices.

use crate::bail;
use crate::cpu::reduce::Reduction;
use crate::cuda::formula::{computed, stored};
use crate::cuda::gpu::Gpu;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::reduce;
use crate::ops::cuda::template::{Instance, argument, computed_type};
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/tile.cu"), include_str!("../../cuda/kernels/gemm.cu"));

/// The least depth of a part, where few tiles have a long depth, which is cut into parts.
const SHORT_PART: usize = 256;

/// How tiles are computed; see tile.cu.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tiling {
    /// Tensor cores.
    pub mma: bool,
    /// Rows and columns of a tile are sixteen times this.
    pub r: usize,
    /// Into how many parts the depth is cut.
    pub parts: usize,
    /// Depths of a part.
    pub part: usize,
}

impl Tiling {
    /// For `count` products of (m, k) and (k, n). It depends on sizes alone, so that results repeat.
    pub fn choose(gpu: &Gpu, dtype: DType, [m, n, k]: [usize; 3], count: usize, may_cut: bool) -> Tiling {
        let mma = matches!(dtype, DType::F16 | DType::BF16) && gpu.properties.major >= 8;
        let busy = gpu.properties.multiprocessors.max(1) as usize;
        let tiles = |r: usize| m.div_ceil(16 * r) * n.div_ceil(16 * r) * count;
        // Large tiles read less, if there are enough to keep everybody busy.
        let r = if computed(dtype).size() == 4 && tiles(8) >= busy { 8 } else { 4 };
        let blocks = tiles(r).max(1);
        let parts = if may_cut && blocks < busy { (2 * busy / blocks).min(k / SHORT_PART).max(1) } else { 1 };
        // Whole steps of the kernels.
        let part = k.div_ceil(parts).next_multiple_of(32).max(32);
        Tiling { mma, r, parts: k.div_ceil(part).max(1), part }
    }

    /// Blocks that ought to be on a multiprocessor at a time: one loads while the other multiplies.
    pub fn blocks(&self) -> u32 {
        if self.r == 8 { 2 } else { 1 }
    }

    /// Tiles of an (m, n) matrix, as the first dimension of a grid.
    pub fn tiles(&self, m: usize, n: usize) -> Result<u32> {
        let size = 16 * self.r;
        match u32::try_from(m.div_ceil(size) * n.div_ceil(size)) {
            Ok(tiles) if tiles < 1 << 31 => Ok(tiles),
            _ => bail!(Unsupported, "a matrix of {m} x {n} is too large for one CUDA kernel"),
        }
    }
}

/// Sizes as kernels have them.
pub fn narrow<const N: usize>(sizes: [usize; N]) -> Result<[i32; N]> {
    let mut narrow = [0; N];
    for (to, size) in narrow.iter_mut().zip(sizes) {
        let Ok(size) = i32::try_from(size) else {
            bail!(Unsupported, "sizes of 2^31 and more are not implemented for products of CUDA tensors");
        };
        *to = size;
    }
    Ok(narrow)
}

/// `rn::Gemm`.
#[repr(C)]
struct Arguments {
    m: i32,
    n: i32,
    k: i32,
    part: i32,
    parts: i32,
    a_vectors: i32,
    b_vectors: i32,
    subtract: i32,
    /// Of a, b and the addend: from one batch, row and column to the next.
    strides: [[i64; 3]; 3],
    /// Of the result: from one batch and row to the next.
    out: [i64; 2],
}

/// `out = a @ b + addend`: operands are (batch, rows, columns) or (rows, columns), of one dtype, with any
/// strides; the addend has sizes that broadcast, and may be `out` itself, which is contiguous. All sizes but
/// those of the batch are not zero.
pub fn product(out: &Tensor, a: &Tensor, b: &Tensor, addend: Option<&Tensor>) -> Result<()> {
    run(out, a, b, addend, false)
}

/// `out -= a @ b`, as [`product`] takes them; only the elements of a row of `out` have to lie side by side.
pub fn subtract_product(out: &Tensor, a: &Tensor, b: &Tensor) -> Result<()> {
    run(out, a, b, Some(out), true)
}

fn run(out: &Tensor, a: &Tensor, b: &Tensor, addend: Option<&Tensor>, subtract: bool) -> Result<()> {
    let gpu = gpu_of(out)?;
    let dtype = out.dtype();
    let d = out.ndim();
    let count: usize = out.sizes()[..d - 2].iter().product();
    let sizes = [out.size(d - 2), out.size(d - 1), a.size(d - 1)];
    let tiling = Tiling::choose(gpu, dtype, sizes, count, addend.is_none());
    let strides = |strides: &[isize]| {
        let of = |at: usize| strides[at] as i64;
        [if d == 3 { of(0) } else { 0 }, of(d - 2), of(d - 1)]
    };
    let (of_a, of_b, of_out) = (strides(a.strides()), strides(b.strides()), strides(out.strides()));
    debug_assert!(of_out[2] == 1 || sizes[1] == 1);
    let of_addend = addend.map_or([0; 3], |t| strides(&t.layout().broadcast_to(out.sizes()).strides));
    // Neighbouring threads read neighbouring addresses, whichever way a matrix lies.
    let by_depth = [of_a[2] == 1 && of_a[1] != 1, of_b[1] == 1 && of_b[2] != 1];
    let wide = |t: &Tensor, [batch, ..]: [i64; 3], other: i64| {
        t.device_address().is_multiple_of(16) && batch % 8 == 0 && other % 8 == 0
    };
    let [m, n, k, part, parts] = narrow([sizes[0], sizes[1], sizes[2], tiling.part, tiling.parts])?;
    let mut numbers = Arguments {
        m,
        n,
        k,
        part,
        parts,
        a_vectors: i32::from(wide(a, of_a, of_a[1])),
        b_vectors: i32::from(wide(b, of_b, of_b[2])),
        subtract: i32::from(subtract),
        strides: [of_a, of_b, of_addend],
        out: [of_out[0], of_out[1]],
    };
    let wide_dtype = computed(dtype);
    let partial = if tiling.parts > 1 {
        Some(Tensor::empty(&[tiling.parts, count, sizes[0], sizes[1]], wide_dtype)?)
    } else {
        None
    };
    let to = if partial.is_some() { wide_dtype } else { dtype };
    let kernel = instance(dtype, to, tiling, by_depth, |i| i.kernel_for(gpu, tiling.blocks()))?;
    let tiles = tiling.tiles(sizes[0], sizes[1])?;
    // Grids are 65,535 blocks deep at most: larger batches take several launches.
    let mut at = 0;
    while at < count {
        let now = (count - at).min(65_535 / tiling.parts);
        let shifted = |t: &Tensor, stride: i64| {
            t.device_address().wrapping_add_signed(at as i64 * stride * t.dtype().size() as i64)
        };
        let mut places = [
            shifted(partial.as_ref().unwrap_or(out), of_out[0]),
            shifted(a, of_a[0]),
            shifted(b, of_b[0]),
            addend.map_or(0, |t| shifted(t, of_addend[0])),
        ];
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.push(argument(&mut numbers));
        // SAFETY: the instance was made for these dtypes; sizes and strides are those of the tensors.
        unsafe { gpu.launch(kernel, [tiles, 1, (now * tiling.parts) as u32], 256, &mut arguments)? };
        at += now;
    }
    match partial {
        Some(partial) => reduce::reduce(out, &partial, Reduction::Sum, 1),
        None => Ok(()),
    }
}

/// The kernel for a dtype, whose sums become elements of `to`; `by_depth` says of both operands whether they
/// lie along the depth.
pub fn instance<R>(
    dtype: DType,
    to: DType,
    tiling: Tiling,
    by_depth: [bool; 2],
    then: impl FnOnce(&Instance) -> R,
) -> R {
    let Tiling { mma, r, .. } = tiling;
    let (e, o) = (stored(dtype), stored(to));
    then(&Instance {
        text: TEXT,
        function: "gemm",
        types: &|| {
            format!("{mma}, {r}, {}, {}, {}, {e}, {o}", by_depth[0], by_depth[1], computed_type(dtype))
        },
        parameters: &|| format!("{o}* c, const {e}* a, const {e}* b, const {e}* addend, rn::Gemm s"),
        variant: &[dtype as u8, to as u8, mma as u8, r as u8, by_depth[0] as u8, by_depth[1] as u8],
    })
}
