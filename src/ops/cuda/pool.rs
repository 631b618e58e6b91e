//! Max pooling over windows, and values that indices pick from planes.

use crate::bail;
use crate::cpu::pool::Window;
use crate::cuda::bad_index;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Sizes;
use crate::ops::copy;
use crate::ops::cuda::places::{Divisor, each, int, launches};
use crate::ops::cuda::pointwise::{gpu_of, grid};
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::tensor::Tensor;

const TEXT: &str = concat!(
    include_str!("../../cuda/kernels/reduce.cu"),
    include_str!("../../cuda/kernels/places.cu"),
    include_str!("../../cuda/kernels/index.cu"),
    include_str!("../../cuda/kernels/pool.cu")
);

/// Where windows lie, along depth, rows and columns.
#[derive(Clone)]
pub enum Windows {
    Sliding([Window; 3]),
    /// As many as the output has elements, which cover the input.
    Adaptive,
    /// Of one size, at the distances that samples (images, channels, dims) decide.
    Fractional {
        kernel: [usize; 3],
        samples: Tensor,
    },
}

impl Windows {
    fn kind(&self) -> (&'static str, u8) {
        match self {
            Windows::Sliding(_) => ("rn::SLIDING", 0),
            Windows::Adaptive => ("rn::ADAPTIVE", 1),
            Windows::Fractional { .. } => ("rn::FRACTIONAL", 2),
        }
    }
}

/// `rn::Pool`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Pool {
    size: [i32; 3],
    outputs: [i32; 3],
    kernel: [i32; 3],
    stride: [i32; 3],
    padding: [i32; 3],
    dilation: [i32; 3],
    by_output: [Divisor; 3],
    by_input: [Divisor; 3],
    volume: i32,
    results: i32,
    channels: i32,
    samples: i32,
    dims: i32,
}

/// The last `dims` sizes, with ones before them.
fn plane(sizes: &[usize], dims: usize) -> [usize; 3] {
    let mut plane = [1; 3];
    plane[3 - dims..].copy_from_slice(&sizes[sizes.len() - dims..]);
    plane
}

impl Pool {
    fn of(x: &[usize], out: &[usize], dims: usize, windows: &Windows) -> Result<Pool> {
        let (size, outputs) = (plane(x, dims), plane(out, dims));
        let sizes = |v: &[usize; 3]| each(v, |&s| int(s as i64));
        let divisors = |v: &[usize; 3]| each(v, |&s| Ok(Divisor::of(int(s as i64)?)));
        let mut pool = Pool {
            size: sizes(&size)?,
            outputs: sizes(&outputs)?,
            by_output: divisors(&outputs)?,
            by_input: divisors(&size)?,
            volume: int(size.iter().product::<usize>() as i64)?,
            results: int(outputs.iter().product::<usize>() as i64)?,
            dims: dims as i32,
            ..Pool::default()
        };
        match windows {
            Windows::Sliding(windows) => {
                if windows.iter().any(|w| w.kernel.saturating_mul(w.dilation) > 1 << 30) {
                    bail!(Unsupported, "windows over 2^30 places are not implemented for CUDA tensors");
                }
                pool.kernel = each(windows, |w| int(w.kernel as i64))?;
                pool.stride = each(windows, |w| int(w.stride as i64))?;
                pool.padding = each(windows, |w| int(w.padding as i64))?;
                pool.dilation = each(windows, |w| int(w.dilation as i64))?;
            }
            Windows::Adaptive => {}
            Windows::Fractional { kernel, samples } => {
                pool.kernel = sizes(kernel)?;
                pool.channels = int(x[x.len() - dims - 1] as i64)?;
                pool.samples = int(samples.size(1) as i64)?;
            }
        }
        Ok(pool)
    }
}

/// The largest of each window, of the sizes `out`, and its flat index in the plane; both contiguous.
pub fn max_pool(x: &Tensor, out: &[usize], dims: usize, windows: &Windows) -> Result<(Tensor, Tensor)> {
    let gpu = gpu_of(x)?;
    let (y, index) = (Tensor::empty(out, x.dtype())?, Tensor::empty(out, DType::I64)?);
    if y.numel() == 0 {
        return Ok((y, index));
    }
    let x = copy::contiguous(&x.detached())?;
    let mut pool = Pool::of(x.sizes(), out, dims, windows)?;
    let samples = match windows {
        Windows::Fractional { samples, .. } => Some(copy::contiguous(&samples.detached())?),
        _ => None,
    };
    let kernel = instance(x.dtype(), windows, false, |i| i.kernel(gpu))?;
    let (volume, results) = (pool.volume as usize, pool.results as usize);
    for (first, planes) in launches(y.numel() / results, volume.max(results))? {
        if first > 0 && samples.is_some() {
            bail!(Unsupported, "fractional pooling of 2^31 elements is not implemented for CUDA tensors");
        }
        let at = |t: &Tensor, each: usize| t.device_address() + (first * each * t.dtype().size()) as u64;
        let mut places = [
            at(&y, results),
            at(&index, results),
            at(&x, volume),
            samples.as_ref().map_or(0, Tensor::device_address),
        ];
        let mut n = (planes * results) as i32;
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend([argument(&mut pool), argument(&mut n)]);
        // SAFETY: the instance was made for this dtype; the tensors are contiguous with these extents.
        unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments)? };
    }
    Ok((y, index))
}

/// What `gy` says about the input: each window's goes to the place that `index` names. Each element of the
/// input looks which windows took it: results repeat. Not for fractional windows.
pub fn max_pool_gradient(
    gy: &Tensor,
    index: &Tensor,
    x_sizes: &[usize],
    dims: usize,
    windows: &Windows,
) -> Result<Tensor> {
    let gpu = gpu_of(gy)?;
    let gx = Tensor::empty(x_sizes, gy.dtype())?;
    if gx.numel() == 0 {
        return Ok(gx);
    }
    let (gy, index) = (copy::contiguous(&gy.detached())?, copy::contiguous(&index.detached())?);
    let mut pool = Pool::of(x_sizes, gy.sizes(), dims, windows)?;
    let kernel = instance(gy.dtype(), windows, true, |i| i.kernel(gpu))?;
    let (volume, results) = (pool.volume as usize, pool.results as usize);
    for (first, planes) in launches(gx.numel() / volume, volume.max(results))? {
        let at = |t: &Tensor, each: usize| t.device_address() + (first * each * t.dtype().size()) as u64;
        let mut places = [at(&gx, volume), at(&gy, results), at(&index, results)];
        let mut n = (planes * volume) as i32;
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend([argument(&mut pool), argument(&mut n)]);
        // SAFETY: as above.
        unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments)? };
    }
    Ok(gx)
}

/// The kernel of a pooling or of its gradient.
pub fn instance<R>(dtype: DType, windows: &Windows, gradient: bool, then: impl FnOnce(&Instance) -> R) -> R {
    let (kind, number) = windows.kind();
    then(&Instance {
        text: TEXT,
        function: if gradient { "max_pool_gradient" } else { "max_pool" },
        types: &|| {
            let (element, computed) = types_of(dtype);
            format!("{kind}, {computed}, {element}")
        },
        parameters: &|| {
            let e = stored(dtype);
            if gradient {
                format!("{e}* gx, const {e}* gy, const long long* index, rn::Pool p, int n")
            } else {
                format!("{e}* y, long long* index, const {e}* x, const {e}* samples, rn::Pool p, int n")
            }
        },
        variant: &[dtype as u8, number, gradient as u8],
    })
}

/// What becomes of values at indices in planes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// `y[p][j] = x[p][index[p][j]]`
    Gather,
    /// `y[p][index[p][j]] += x[p][j]`, where an index outside stands for nothing.
    Add,
    /// The same without a sum, where an index outside is an error.
    Write,
}

/// `y` of the sizes `sizes`, in planes of so many elements (`from`: of `x`, `to`: of `y`).
pub fn pick(
    pick: Pick,
    x: &Tensor,
    index: &Tensor,
    sizes: &Sizes,
    [from, to]: [usize; 2],
    name: &'static str,
) -> Result<Tensor> {
    let gpu = gpu_of(x)?;
    let y = if pick == Pick::Gather {
        Tensor::empty(sizes, x.dtype())?
    } else {
        crate::ops::creation::zeros(sizes, x.dtype())?
    };
    if index.numel() == 0 || y.numel() == 0 {
        return Ok(y);
    }
    let kernel = pick_instance(x.dtype(), pick, |i| i.kernel(gpu))?;
    let (volume, results) = if pick == Pick::Gather { (from, to) } else { (to, from) };
    let (mut bad, mut operation) = bad_index::slot(gpu, name)?;
    let mut by = Divisor::of(int(results as i64)?);
    let mut elements = volume as i64;
    for (first, planes) in launches(index.numel() / results, volume.max(results))? {
        let at = |t: &Tensor, each: usize| t.device_address() + (first * each * t.dtype().size()) as u64;
        let mut places = [at(&y, to), at(x, from), at(index, results)];
        let mut n = (planes * results) as i32;
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend([argument(&mut by), argument(&mut elements), argument(&mut n)]);
        if pick != Pick::Gather {
            arguments.extend([argument(&mut bad), argument(&mut operation)]);
        }
        // SAFETY: the instance was made for this dtype; the caller's tensors are contiguous with these extents.
        unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments)? };
    }
    Ok(y)
}

/// The kernel of a pick.
pub fn pick_instance<R>(dtype: DType, pick: Pick, then: impl FnOnce(&Instance) -> R) -> R {
    let gathers = pick == Pick::Gather;
    then(&Instance {
        text: TEXT,
        function: if gathers { "plane_gather" } else { "plane_scatter" },
        types: &|| {
            let (element, computed) = types_of(dtype);
            if gathers { element.to_owned() } else { format!("{}, {computed}, {element}", pick == Pick::Add) }
        },
        parameters: &|| {
            let e = stored(dtype);
            let note = if gathers { "" } else { ", rn::BadIndex* bad, int operation" };
            format!(
                "{e}* y, const {e}* x, const long long* index, rn::Divisor results, long long volume, int n{note}"
            )
        },
        variant: &[dtype as u8, pick as u8],
    })
}
