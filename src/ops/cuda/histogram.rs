//! Histograms: the number of each point's bin, and sums over the bins.

use crate::bail;
use crate::cpu::search::Bins;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::arithmetic::{add, div, mul, sub};
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument};
use crate::ops::search::dense;
use crate::ops::{copy, creation, cuda, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/histogram.cu");

/// Bytes of a block's own histogram: `rn::HISTOGRAM_BYTES`.
const OWN_BYTES: usize = 32 << 10;
/// Blocks to a multiprocessor: each adds all of its bins to memory.
const BLOCKS: usize = 8;

/// The kernels of histograms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Places,
    Even,
}

/// How many of `places` (int64, contiguous) name each of `bins` bins, or the sums of their weights (float64);
/// those that name none count for none.
pub fn count_places(places: &Tensor, weights: Option<&Tensor>, bins: usize) -> Result<Tensor> {
    let dtype = if weights.is_some() { DType::F64 } else { DType::I64 };
    let out = creation::zeros(&[bins], dtype)?;
    count(Step::Places, &out, dtype, places, weights, bins)?;
    Ok(out)
}

/// Starts the kernel of a step over the elements of `x`; `other` is its other input.
fn count(
    step: Step,
    out: &Tensor,
    dtype: DType,
    x: &Tensor,
    other: Option<&Tensor>,
    bins: usize,
) -> Result<()> {
    let n = x.numel();
    if n == 0 || bins == 0 {
        return Ok(());
    }
    let Ok(mut size) = i32::try_from(bins) else {
        bail!(Unsupported, "histograms of {bins} bins are not implemented for CUDA tensors");
    };
    let gpu = gpu_of(x)?;
    let own = bins * if out.dtype() == DType::F64 { 8 } else { 4 } <= OWN_BYTES;
    let kernel = instance(step, own, dtype, |i| i.kernel(gpu))?;
    // A block looks at many times as many elements as it has bins to add in the end.
    let each = if own { (4 * bins).max(2048) } else { 256 };
    let blocks = n.div_ceil(each).min(BLOCKS * gpu.properties.multiprocessors.max(1) as usize) as u32;
    let mut places = [out.device_address(), x.device_address(), other.map_or(0, Tensor::device_address)];
    let mut count = n as i64;
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut count), argument(&mut size)]);
    // SAFETY: the instance was made for these dtypes; the kernel leaves out what is no bin.
    unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments) }
}

/// The kernel of a step: for weights, or numbers, of a dtype.
pub fn instance<R>(step: Step, own: bool, dtype: DType, then: impl FnOnce(&Instance) -> R) -> R {
    let t = match dtype {
        DType::F32 => "float",
        DType::F64 => "double",
        _ => "long long",
    };
    let (function, parameters) = match step {
        Step::Places => ("count_places", format!("{t}* bins, const long long* places, const {t}* weights")),
        Step::Even => ("count_even", format!("long long* bins, const {t}* x, const {t}* edges")),
    };
    then(&Instance {
        text: TEXT,
        function,
        types: &|| format!("{own}, {t}"),
        parameters: &|| format!("{parameters}, long long n, int size"),
        variant: &[dtype as u8, own as u8],
    })
}

/// Sums (float64) over the bins between `edges` of each coordinate of the rows of `points`: `cpu::search::histogram`.
pub fn fill_bins(points: &Tensor, weights: Option<&Tensor>, edges: &[Tensor], how: Bins) -> Result<Tensor> {
    let sizes: Vec<usize> = edges.iter().map(|e| e.numel() - 1).collect();
    let bins: usize = sizes.iter().product();
    let n = points.numel().checked_div(edges.len()).unwrap_or(0);
    if bins == 0 || n == 0 {
        return creation::zeros(&sizes, DType::F64);
    }
    let wide = if points.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let rows = view::reshape_to(&dense(points, wide)?, &[n, edges.len()])?;
    if let ([edges], None, Bins::Even) = (edges, weights, how) {
        let counts = creation::zeros(&[bins], DType::I64)?;
        let edges = dense(edges, wide)?;
        count(Step::Even, &counts, wide, &view::reshape_to(&rows, &[n])?, Some(&edges), bins)?;
        return copy::to_dtype(&counts, DType::F64);
    }
    let mut place = creation::zeros(&[n], DType::I64)?;
    let mut counts = creation::full(&[n], Scalar::Bool(true), DType::Bool)?;
    for (d, edges) in edges.iter().enumerate() {
        let (values, edges) = (copy::contiguous(&view::select(&rows, 1, d as i64)?)?, dense(edges, wide)?);
        let count = sizes[d] as i64;
        let (low, high) = (view::select(&edges, 0, 0)?, view::select(&edges, 0, count)?);
        let inside = table::logical_and(&table::ge(&values, &low)?, &table::le(&values, &high)?)?;
        counts = table::logical_and(&counts, &inside)?;
        let bin = if how == Bins::Even {
            let from_low = mul(&sub(&values, &low)?, Scalar::Int(count))?;
            // What is not inside may be NaN, of which no integer is made.
            let bin = table::select(&inside, &div(&from_low, &sub(&high, &low)?)?, Scalar::Int(0))?;
            copy::to_dtype(&bin, DType::I64)?
        } else {
            let after = Tensor::empty(&[n], DType::I64)?;
            cuda::search::places(&after, &edges, 1, None, &values, true)?;
            table::clamp_min(&sub(&after, Scalar::Int(1))?, Scalar::Int(0))?
        };
        let bin = table::clamp_max(&bin, Scalar::Int(count - 1))?;
        place = add(&mul(&place, Scalar::Int(count))?, &bin)?;
    }
    let place = table::select(&counts, &place, Scalar::Int(-1))?;
    let weights = weights.map(|w| dense(&view::reshape(w, &[-1])?, DType::F64)).transpose()?;
    let sums = copy::to_dtype(&count_places(&place, weights.as_ref(), bins)?, DType::F64)?;
    view::reshape_to(&sums, &sizes)
}
