//! Sampling of images and volumes at the points of a grid.

use smallvec::{SmallVec, smallvec};

use crate::autograd::engine::{self, Root, Start, Walk};
use crate::autograd::{self, Backprop, Grads, Save};
use crate::bail;
use crate::cpu::grid_sample::{self as kernel, Beyond, Interpolation, Sampling};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes};
use crate::ops::arithmetic::{add, mul, sub};
use crate::ops::gather::gather;
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, creation, cuda, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

fn computed(x: &Tensor) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    copy::contiguous(&copy::to_dtype(&x.detached(), wide)?)
}

fn sampling_of(a: &Args) -> Result<Sampling> {
    let (x, grid) = (a.tensor(0), a.tensor(1));
    if x.dtype() != grid.dtype() {
        bail!(
            DType,
            "grid_sampler(): expected input and grid to have same dtype, but input has {} and grid has {}",
            x.dtype(),
            grid.dtype()
        );
    }
    if x.ndim() != 4 && x.ndim() != 5 || grid.ndim() != x.ndim() {
        bail!(
            Shape,
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes {} and grid with sizes {}",
            Show(x.sizes()),
            Show(grid.sizes())
        );
    }
    let dims = x.ndim() - 2;
    if x.size(0) != grid.size(0) {
        bail!(
            Shape,
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes {} and grid with sizes {}",
            Show(x.sizes()),
            Show(grid.sizes())
        );
    }
    if grid.size(dims + 1) != dims {
        bail!(
            Shape,
            "grid_sampler(): expected grid to have size {dims} in last dimension, but got grid with sizes {}",
            Show(grid.sizes())
        );
    }
    if x.sizes()[2..].contains(&0) {
        bail!(
            Shape,
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {}",
            Show(x.sizes())
        );
    }
    if !x.dtype().is_floating() {
        bail!(Unsupported, "\"grid_sampler\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let interpolation = match a.int(2) {
        0 => Interpolation::Linear,
        1 => Interpolation::Nearest,
        2 if dims == 2 => Interpolation::Cubic,
        2 => bail!(Shape, "grid_sampler(): bicubic interpolation only supports 4D input"),
        other => bail!(Shape, "grid_sampler(): unknown interpolation mode {other}"),
    };
    let beyond = match a.int(3) {
        0 => Beyond::Zeros,
        1 => Beyond::Border,
        2 => Beyond::Reflection,
        other => bail!(Shape, "grid_sampler(): unknown padding mode {other}"),
    };
    let mut sizes = [1; 3];
    sizes[3 - dims..].copy_from_slice(&x.sizes()[2..]);
    let points = grid.sizes()[1..=dims].iter().product();
    Ok(Sampling {
        n: x.size(0),
        c: x.size(1),
        sizes,
        dims,
        points,
        interpolation,
        beyond,
        align_corners: a.bool(4),
    })
}

fn grid_sampler(a: &Args) -> Result<Tensor> {
    let (x, grid, s) = (a.tensor(0), a.tensor(1), sampling_of(a)?);
    let (input, points) = (computed(x)?, computed(grid)?);
    let sizes: Sizes = x.sizes()[..2].iter().chain(&grid.sizes()[1..=s.dims]).copied().collect();
    let out = Tensor::empty(&sizes, input.dtype())?;
    if x.device().is_cuda() {
        cuda::grid_sample::forward(&s, &input, &points, &out)?;
    } else {
        let [from, at, to] = [&input, &points, &out].map(Tensor::ptr);
        // SAFETY: contiguous tensors of the sizes that `s` says; the output is fresh.
        unsafe {
            if input.dtype() == DType::F64 {
                kernel::forward::<f64>(&s, from.cast(), at.cast(), to.cast());
            } else {
                kernel::forward::<f32>(&s, from.cast(), at.cast(), to.cast());
            }
        }
    }
    let out = copy::to_dtype(&out, x.dtype())?;
    if !autograd::needs_grad(&[x, grid]) {
        return Ok(out);
    }
    let save = [Save::Input(0), Save::Input(1)];
    let name = if s.dims == 2 { "GridSampler2DBackward0" } else { "GridSampler3DBackward0" };
    Ok(autograd::record(out, name, &[x, grid], &save, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        gradients(g, &cx.saved(0)?, &cx.saved(1)?, s, [cx.needs(0), cx.needs(1)])
    }))
}

/// The gradients of input and points, those that are wanted.
fn gradients(g: &Tensor, x: &Tensor, grid: &Tensor, s: Sampling, wanted: [bool; 2]) -> Result<Grads> {
    let (gy, input, points) = (computed(g)?, computed(x)?, computed(grid)?);
    let fresh = |wanted: bool, like: &Tensor| {
        wanted.then(|| Tensor::empty_as(like, like.numel(), like.dtype())).transpose()
    };
    let on_gpu = g.device().is_cuda();
    let gx = if wanted[0] && on_gpu {
        Some(creation::zeros(input.sizes(), input.dtype())?)
    } else {
        fresh(wanted[0], &input)?
    };
    let ggrid = fresh(wanted[1], &points)?;
    if on_gpu {
        cuda::grid_sample::backward(&s, &input, &points, &gy, gx.as_ref(), ggrid.as_ref())?;
    } else {
        let [from, at, slope] = [&input, &points, &gy].map(Tensor::ptr);
        let [to, moved] = [&gx, &ggrid].map(|t| t.as_ref().map_or(std::ptr::null_mut(), Tensor::ptr));
        // SAFETY: contiguous tensors of the sizes that `s` says; the outputs are fresh, or null.
        unsafe {
            if input.dtype() == DType::F64 {
                kernel::backward::<f64>(&s, from.cast(), at.cast(), slope.cast(), to.cast(), moved.cast());
            } else {
                kernel::backward::<f32>(&s, from.cast(), at.cast(), slope.cast(), to.cast(), moved.cast());
            }
        }
    }
    let mut grads = Grads::new();
    for (grad, like) in [(gx, x), (ggrid, grid)] {
        grads.push(grad.map(|t| copy::to_dtype(&t, like.dtype())).transpose()?);
    }
    if autograd::needs_grad(&[g, x, grid]) {
        let found: SmallVec<[Tensor; 4]> = grads.iter().flatten().cloned().collect();
        let save = [Save::Input(0), Save::Input(1), Save::Input(2)];
        let name =
            if s.dims == 2 { "GridSampler2DBackwardBackward0" } else { "GridSampler3DBackwardBackward0" };
        let recorded = autograd::record_many(found, name, &[g, x, grid], &save, move |cx| {
            second_gradients(cx, s, wanted)
        });
        grads.iter_mut().flatten().zip(recorded).for_each(|(grad, new)| *grad = new);
    }
    Ok(grads)
}

/// The gradients of the gradients, through the graph of the composed sampling. The inputs are told apart by
/// views of them: one may have been computed from another.
fn second_gradients(cx: &Backprop, s: Sampling, wanted: [bool; 2]) -> Result<Grads> {
    let create_graph = autograd::grad_enabled();
    let inputs: Vec<Tensor> = autograd::enable_grad(|| {
        (0..3)
            .map(|i| {
                let saved = cx.saved(i)?;
                let input = if create_graph { view::alias(&saved) } else { saved.detach() };
                if !input.requires_grad() {
                    input.set_requires_grad(true)?;
                }
                Ok(input)
            })
            .collect::<Result<_>>()
    })?;
    let [g, x, grid] = &inputs[..] else { bail!(Autograd, "grid_sampler saves three tensors") };
    let edges = |tensors: &[&Tensor]| tensors.iter().filter_map(|t| t.gradient_edge()).collect::<Vec<_>>();
    autograd::enable_grad(|| {
        let walk = Walk { retain_graph: true, create_graph: true };
        let y = composed(x, grid, &s)?;
        let first = engine::grad(&[Root::new(y, Some(g.clone()))], &edges(&[x, grid]), walk)?;
        let asked = first.into_iter().zip(wanted).filter_map(|(t, wanted)| wanted.then_some(t));
        let roots: Vec<Root> = asked
            .zip(cx.grads)
            .filter_map(|(t, v)| Some(Root::new(t?, Some(v.clone()?))))
            .filter(|root| matches!(&root.at, Start::Tensor(t) if t.requires_grad()))
            .collect();
        let found = engine::grad(&roots, &edges(&[g, x, grid]), Walk { retain_graph: true, create_graph })?;
        let mut grads: Grads =
            found.into_iter().enumerate().map(|(i, t)| t.filter(|_| cx.needs(i))).collect();
        if cx.needs(2) && grads[2].is_none() {
            // As PyTorch has it: the nearest element stays the nearest.
            grads[2] = Some(creation::zeros(grid.sizes(), grid.dtype())?);
        }
        Ok(grads)
    })
}

/// The same values from operations that can be differentiated any number of times.
fn composed(x: &Tensor, grid: &Tensor, s: &Sampling) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let (image, points) = (copy::to_dtype(x, wide)?, copy::to_dtype(grid, wide)?);
    let image = view::reshape(&image, &[s.n as i64, s.c as i64, -1])?;
    let mut meetings: Vec<(Tensor, Tensor)> = Vec::new();
    for axis in 3 - s.dims..3 {
        let coordinate = view::reshape(&view::select(&points, -1, 2 - axis as i64)?, &[s.n as i64, -1])?;
        let taps = taps_along(&coordinate, axis, s)?;
        if meetings.is_empty() {
            meetings = taps;
            continue;
        }
        let pairs = meetings.iter().flat_map(|outer| taps.iter().map(move |inner| (outer, inner)));
        meetings = pairs
            .map(|((outer, w), (inner, v))| {
                Ok((add(&mul(outer, Scalar::Int(s.sizes[axis] as i64))?, inner)?, mul(w, v)?))
            })
            .collect::<Result<_>>()?;
    }
    let mut sum: Option<Tensor> = None;
    for (index, weight) in meetings {
        let index = view::expand(&view::unsqueeze(&index, 1)?, &[-1, s.c as i64, -1])?;
        let part = mul(&gather(&image, 2, &index)?, &view::unsqueeze(&weight, 1)?)?;
        sum = Some(match sum {
            Some(sum) => add(&sum, &part)?,
            None => part,
        });
    }
    let Some(sum) = sum else { bail!(Shape, "grid_sampler(): no axis to sample along") };
    let sizes: Sizes = x.sizes()[..2].iter().chain(&grid.sizes()[1..=s.dims]).copied().collect();
    copy::to_dtype(&view::reshape_to(&sum, &sizes)?, x.dtype())
}

/// For every tap along an axis the index that it meets and its weight, both (n, points); the weight as a
/// function of the coordinate.
fn taps_along(coordinate: &Tensor, axis: usize, s: &Sampling) -> Result<Vec<(Tensor, Tensor)>> {
    let at = copy::contiguous(&coordinate.detach())?;
    let step = sub(coordinate, &at)?;
    let (taps, terms) = s.taps_and_terms();
    let mut out = Vec::new();
    for tap in 0..taps {
        let index = Tensor::empty(at.sizes(), DType::I64)?;
        let rows: Sizes = [terms].iter().chain(at.sizes()).copied().collect();
        let series = Tensor::empty(&rows, at.dtype())?;
        if at.device().is_cuda() {
            cuda::grid_sample::series(s, &at, (tap, axis), &index, &series)?;
        } else if at.dtype() == DType::F64 {
            write_series::<f64>(&at, &index, &series, (tap, axis), s);
        } else {
            write_series::<f32>(&at, &index, &series, (tap, axis), s);
        }
        let coefficients: Vec<Tensor> =
            (0..terms).map(|term| view::select(&series, 0, term as i64)).collect::<Result<_>>()?;
        // Horner's scheme.
        let mut weight = coefficients[terms - 1].clone();
        for coefficient in coefficients[..terms - 1].iter().rev() {
            weight = add(&mul(&weight, &step)?, coefficient)?;
        }
        out.push((index, weight));
    }
    Ok(out)
}

fn write_series<T: kernel::Real>(
    at: &Tensor,
    index: &Tensor,
    series: &Tensor,
    (tap, axis): (usize, usize),
    s: &Sampling,
) {
    let n = at.numel();
    for i in 0..n {
        // SAFETY: all tensors are contiguous and of these types; a row of `series` has as many elements as `at`.
        unsafe {
            let found = &s.series(*at.ptr().cast::<T>().add(i), axis)[tap];
            index.ptr().cast::<i64>().add(i).write(found.index);
            for (term, &value) in found.coefficients[..series.size(0)].iter().enumerate() {
                series.ptr().cast::<T>().add(term * n + i).write(value);
            }
        }
    }
}

pub const OPS: &[Op] = &[
    Op::new("grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", |a| {
        Ok(grid_sampler(a)?.into())
    })
    .doc("(n, c, h, w) or (n, c, d, h, w) at the points of grid (n, ..., 2 or 3), whose coordinates go from -1 to 1, the last axis first. Modes: 0 linear, 1 nearest, 2 cubic; beyond the edges: 0 zeros, 1 the border, 2 reflection."),
];
