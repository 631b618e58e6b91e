//! Linear maps along axes.

use crate::bail;
use crate::cpu::axis::AxisMap;
use crate::cpu::reduce::Reduction;
use crate::cuda::formula::{computed, stored};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Sizes;
use crate::ops::axis_map::Maps;
use crate::ops::cuda::places::{Divisor, int, launches};
use crate::ops::cuda::pointwise::{gpu_of, grid};
use crate::ops::cuda::reduce;
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::ops::{arithmetic, copy};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/places.cu"), include_str!("../../cuda/kernels/axis.cu"));

/// Terms of a sum over several axes up to which one pass beats one an axis.
const TOGETHER: f64 = 64.0;

/// `rn::AxisMap`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Entry {
    starts: u64,
    sources: u64,
    weights: u64,
    outputs: Divisor,
    inputs: i32,
}

/// An axis of a pass; `None` stays as it is.
type Axis<'a> = (usize, Option<&'a AxisMap>);

/// `x`, which is contiguous and not of a dtype that cannot be summed, with each map applied along its dim. No
/// size of the result is zero.
pub fn apply(x: &Tensor, maps: &Maps) -> Result<Tensor> {
    if let Some(mean) = mean(x, maps)? {
        return Ok(mean);
    }
    let mut sorted: Vec<(usize, &AxisMap)> = maps.iter().map(|(dim, map)| (*dim, map)).collect();
    sorted.sort_by_key(|(dim, _)| *dim);
    let neighbours = sorted.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
    let last = sorted.last().map_or(0, |(dim, _)| *dim);
    let fits = sorted.len() + usize::from(last + 1 < x.ndim()) <= 3;
    let terms: f64 = sorted.iter().map(|(_, map)| map.terms() as f64 / map.outputs() as f64).product();
    if neighbours && fits && terms <= TOGETHER {
        return pass(x, sorted[0].0, &sorted.iter().map(|(_, map)| *map).collect::<Vec<_>>());
    }
    // What shrinks most goes first, and halves are rounded once.
    sorted.sort_by(|(_, a), (_, b)| (a.outputs() * b.inputs()).cmp(&(b.outputs() * a.inputs())));
    let selects = sorted.iter().all(|(_, map)| map.selects());
    let mut value = if selects { x.clone() } else { copy::to_dtype(x, wide(x.dtype()))? };
    for (dim, map) in sorted {
        value = pass(&value, dim, &[map])?;
    }
    copy::to_dtype(&value, x.dtype())
}

fn wide(dtype: DType) -> DType {
    if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype }
}

/// Where every axis has one output, of equal weights, the sum that it is.
fn mean(x: &Tensor, maps: &Maps) -> Result<Option<Tensor>> {
    let mut scale = 1.0;
    let (mut mask, mut sizes): (u64, Sizes) = (0, x.sizes().into());
    for (dim, map) in maps.iter() {
        let (_, _, weights) = map.tables();
        let equal = weights.windows(2).all(|w| w[0] == w[1]) && weights.len() == map.inputs();
        if map.outputs() != 1 || map.inputs() < 2 || !equal {
            return Ok(None);
        }
        scale *= weights[0];
        mask |= 1 << dim;
        sizes[*dim] = 1;
    }
    if mask == 0 || x.dtype().is_integral() {
        return Ok(None);
    }
    let sum = Tensor::empty(&sizes, wide(x.dtype()))?;
    reduce::reduce(&sum, x, Reduction::Sum, mask)?;
    copy::to_dtype(&arithmetic::mul(&sum, Scalar::Float(scale))?, x.dtype()).map(Some)
}

/// Maps along neighbouring dims from `dim` on, in one launch.
fn pass(x: &Tensor, dim: usize, maps: &[&AxisMap]) -> Result<Tensor> {
    let gpu = gpu_of(x)?;
    let dtype = x.dtype();
    let selects = maps.iter().all(|map| map.selects());
    let summed = dtype.is_floating() || dtype.is_complex() || dtype == DType::I64;
    if !selects && !summed {
        bail!(Unsupported, "a sum along an axis is not implemented for '{}'", dtype.scalar_name());
    }
    let mut sizes: Sizes = x.sizes().into();
    for (size, map) in sizes[dim..].iter_mut().zip(maps) {
        *size = map.outputs();
    }
    let out = Tensor::empty(&sizes, dtype)?;
    let inner: usize = sizes[dim + maps.len()..].iter().product();
    let mut axes: Vec<Axis> = maps.iter().map(|map| (map.outputs(), Some(*map))).collect();
    if inner > 1 {
        axes.push((inner, None));
    }
    while axes.len() < 3 {
        axes.insert(0, (1, None));
    }
    let double = weights_are_double(dtype);
    let (mut entries, mut bytes) = ([Entry::default(); 3], Vec::new());
    for (entry, (outputs, map)) in entries.iter_mut().zip(&axes) {
        entry.outputs = Divisor::of(int(*outputs as i64)?);
        entry.inputs = int(map.map_or(*outputs, AxisMap::inputs) as i64)?;
        if let Some(map) = map {
            // Places in the table as yet; 0 is no table.
            (entry.starts, entry.sources, entry.weights) = write_tables(map, double, &mut bytes)?;
        }
    }
    let table = Tensor::from_slice(&bytes, &[bytes.len()])?.at_place()?;
    for (entry, (_, map)) in entries.iter_mut().zip(&axes) {
        if map.is_some() {
            for place in [&mut entry.starts, &mut entry.sources, &mut entry.weights] {
                *place += table.device_address();
            }
        }
    }
    let kernel = instance(dtype, selects, |i| i.kernel(gpu))?;
    let results: usize = sizes[dim..].iter().product();
    let elements: usize = x.sizes()[dim..].iter().product();
    for (first, planes) in launches(out.numel() / results, results)? {
        let at = |t: &Tensor, each: usize| t.device_address() + (first * each * dtype.size()) as u64;
        let mut places = [at(&out, results), at(x, elements)];
        let mut n = (planes * results) as i32;
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend([argument(&mut entries), argument(&mut n)]);
        // SAFETY: the instance was made for this dtype; tables name inputs, and the tensors are contiguous.
        unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments)? };
    }
    Ok(out)
}

fn weights_are_double(dtype: DType) -> bool {
    !matches!(dtype, DType::F32 | DType::F16 | DType::BF16 | DType::C64)
}

/// Appends starts, sources and weights, each at a multiple of 8 bytes: where they stand.
fn write_tables(map: &AxisMap, double: bool, bytes: &mut Vec<u8>) -> Result<(u64, u64, u64)> {
    let (starts, sources, weights) = map.tables();
    let begin = |bytes: &mut Vec<u8>| {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.len() as u64
    };
    let at = begin(bytes);
    for &start in starts {
        bytes.extend(int(start as i64)?.to_ne_bytes());
    }
    let from = begin(bytes);
    for &source in sources {
        bytes.extend(int(source as i64)?.to_ne_bytes());
    }
    let by = begin(bytes);
    for &weight in weights {
        if double {
            bytes.extend(weight.to_ne_bytes());
        } else {
            bytes.extend((weight as f32).to_ne_bytes());
        }
    }
    Ok((at, from, by))
}

/// The kernel for a dtype.
pub fn instance<R>(dtype: DType, selects: bool, then: impl FnOnce(&Instance) -> R) -> R {
    let weight = if weights_are_double(dtype) { "double" } else { "float" };
    then(&Instance {
        text: TEXT,
        function: "axis_map",
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{selects}, {weight}, {computed}, {element}")
        },
        parameters: &|| {
            let e = stored(dtype);
            format!("{e}* y, const {e}* x, rn::AxisMaps<{weight}> maps, int n")
        },
        variant: &[dtype as u8, selects as u8, computed(dtype) as u8],
    })
}
