//! Padding: a constant around a tensor, or its own elements reflected, repeated or wrapped around.

use smallvec::{SmallVec, smallvec};

use crate::autograd;
use crate::bail;
use crate::cpu::axis::AxisMap;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, MemoryFormat, Show, Sizes};
use crate::ops::axis_map::{self, Kind, Maps};
use crate::ops::registry::Op;
use crate::ops::{copy, creation, index, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Elements added before and after each dim (negative: taken away), first dim first.
type Sides = SmallVec<[(i64, i64); 6]>;

/// PyTorch's list begins with the last dim.
fn sides_of(x: &Tensor, pad: &[i64]) -> Result<Sides> {
    if !pad.len().is_multiple_of(2) {
        bail!(Shape, "Padding length must be divisible by 2, but got {}", pad.len());
    }
    if pad.len() / 2 > x.ndim() {
        bail!(
            Shape,
            "Padding length should be less than or equal to two times the input dimension but got padding length {} and input of dimension {}",
            pad.len(),
            x.ndim()
        );
    }
    let mut sides: Sides = smallvec![(0, 0); x.ndim()];
    for (side, given) in sides.iter_mut().rev().zip(pad.chunks(2)) {
        *side = (given[0], given[1]);
    }
    Ok(sides)
}

/// The size of a padded dim.
fn padded(x: &Tensor, dim: usize, (before, after): (i64, i64)) -> Result<usize> {
    let size = i64::try_from(x.size(dim)).ok().and_then(|s| s.checked_add(before)?.checked_add(after));
    match size {
        Some(size) if size >= 0 => Ok(size as usize),
        _ => bail!(
            Shape,
            "The input size {}, plus negative padding {before} and {after} resulted in a negative output size, which is invalid. Check dimension {dim} of your input.",
            x.size(dim)
        ),
    }
}

/// A tensor of one value, with channels innermost where `x` has them so.
fn filled(x: &Tensor, sizes: &[usize], value: Scalar) -> Result<Tensor> {
    let format = MemoryFormat::suggested_by(x.layout());
    let strides = format.strides(&Layout::contiguous(sizes))?;
    let out = Tensor::empty_dense(sizes, strides, x.dtype())?;
    creation::write_value(&out, value)?;
    Ok(out)
}

/// `x` with `value` around it.
fn constant(x: &Tensor, sides: &Sides, value: Scalar) -> Result<Tensor> {
    let sizes: Sizes =
        sides.iter().enumerate().map(|(dim, side)| padded(x, dim, *side)).collect::<Result<_>>()?;
    let (mut inner, mut target) = (x.detached(), filled(x, &sizes, value)?);
    let out = target.clone();
    for (dim, &(before, after)) in sides.iter().enumerate() {
        // The part of the input that is kept, and the place where it goes.
        let (first, last) = (before.saturating_neg().max(0), after.saturating_neg().max(0));
        let length = (x.size(dim) as i64 - first - last).max(0);
        if length == 0 {
            inner = view::narrow(&inner, dim as i64, 0, 0)?;
            target = view::narrow(&target, dim as i64, 0, 0)?;
        } else {
            inner = view::narrow(&inner, dim as i64, first, length)?;
            target = view::narrow(&target, dim as i64, before.max(0), length)?;
        }
    }
    copy::write(&target, &inner)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let back: Sides =
        sides.iter().map(|(before, after)| (before.saturating_neg(), after.saturating_neg())).collect();
    Ok(autograd::record(out, "constant_pad_nd", &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(constant(g, &back, Scalar::Int(0))?)])
    }))
}

/// Zeros at the end of dims: `more[i]` of them at dim `first + i`.
pub fn zeros_after(x: &Tensor, first: usize, more: &[usize]) -> Result<Tensor> {
    let mut sides: Sides = smallvec![(0, 0); x.ndim()];
    for (side, &n) in sides[first..].iter_mut().zip(more) {
        side.1 = n as i64;
    }
    constant(x, &sides, Scalar::Int(0))
}

fn constant_pad(x: &Tensor, pad: &[i64], value: Scalar) -> Result<Tensor> {
    constant(x, &sides_of(x, pad)?, value)
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Reflect,
    Replicate,
    Circular,
}

impl Mode {
    fn read(name: &str) -> Result<Mode> {
        Ok(match name {
            "reflect" => Mode::Reflect,
            "replicate" => Mode::Replicate,
            "circular" => Mode::Circular,
            _ => bail!(Unsupported, "Unrecognised padding mode {name}"),
        })
    }

    /// What the node behind the result is called, by the number of dims that are padded.
    fn node(self, dims: usize) -> &'static str {
        match (self, dims) {
            (Mode::Reflect, 1) => "ReflectionPad1DBackward0",
            (Mode::Reflect, 2) => "ReflectionPad2DBackward0",
            (Mode::Reflect, _) => "ReflectionPad3DBackward0",
            (Mode::Replicate, 1) => "ReplicationPad1DBackward0",
            (Mode::Replicate, 2) => "ReplicationPad2DBackward0",
            (Mode::Replicate, _) => "ReplicationPad3DBackward0",
            (Mode::Circular, _) => "CopySlices",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Mode::Reflect => "reflection_pad",
            Mode::Replicate => "replication_pad",
            Mode::Circular => "circular_pad",
        }
    }

    /// The element of `size` ones that the place `o` before, in or after them shows.
    fn source(self, o: i64, size: i64) -> i64 {
        match self {
            Mode::Reflect if o < 0 => -o,
            Mode::Reflect if o >= size => 2 * (size - 1) - o,
            Mode::Reflect => o,
            Mode::Replicate => o.clamp(0, size - 1),
            Mode::Circular => o.rem_euclid(size),
        }
    }
}

/// `x` (or a batch) continued beyond its edges along the last dims that `pad` names.
fn continued(x: &Tensor, pad: &[i64], mode: Mode) -> Result<Tensor> {
    let dims = pad.len() / 2;
    if !matches!(dims, 1..=3) || !pad.len().is_multiple_of(2) || !(dims + 1..=dims + 2).contains(&x.ndim()) {
        bail!(Unsupported, "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now");
    }
    let name = mode.name();
    if x.dtype() == DType::Bool && mode != Mode::Circular {
        bail!(Unsupported, "\"{name}{dims}d\" not implemented for 'Bool'");
    }
    let batched = x.ndim() == dims + 2;
    if x.sizes()[batched as usize..].contains(&0) {
        bail!(
            Shape,
            "{name}{dims}d: Expected a tensor whose dims, but that of the batch, are not empty, but got: {}",
            Show(x.sizes())
        );
    }
    let sides = sides_of(x, pad)?;
    let on_gpu = x.device().is_cuda();
    let mut selected = x.clone();
    let mut maps = Vec::new();
    for dim in x.ndim() - dims..x.ndim() {
        let (before, after) = sides[dim];
        let size = x.size(dim) as i64;
        let out = padded(x, dim, sides[dim])?;
        if mode == Mode::Reflect && (before >= size || after >= size) {
            bail!(
                Shape,
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding ({before}, {after}) at dimension {dim} of input {}",
                Show(x.sizes())
            );
        }
        if mode == Mode::Circular && (before > size || after > size) {
            bail!(Shape, "Padding value causes wrapping around more than once.");
        }
        // What is wrapped around is what negative padding leaves.
        let (first, kept) = match mode {
            Mode::Circular => (
                before.saturating_neg().max(0),
                size - before.saturating_neg().max(0) - after.saturating_neg().max(0),
            ),
            _ => (0, size),
        };
        if out == 0 || kept <= 0 {
            bail!(
                Shape,
                "{name}{dims}d: padding ({before}, {after}) leaves nothing of dimension {dim} of input {}",
                Show(x.sizes())
            );
        }
        if (before, after) != (0, 0) {
            let source = |o: usize| first + mode.source((o as i64).saturating_sub(before) - first, kept);
            if on_gpu {
                let places: Vec<i64> = (0..out).map(source).collect();
                selected = index::index_select(&selected, dim as i64, &Tensor::from_slice(&places, &[out])?)?;
                continue;
            }
            let terms = |o: usize, terms: &mut Vec<(usize, f64)>| terms.push((source(o) as usize, 1.0));
            maps.push((dim, AxisMap::build(size as usize, out, terms)?));
        }
    }
    if on_gpu && !selected.is(x) {
        let format = if mode == Mode::Circular {
            MemoryFormat::Contiguous
        } else {
            MemoryFormat::suggested_by(x.layout())
        };
        return copy::in_format(&selected, format);
    }
    if maps.is_empty() {
        return copy::contiguous_copy(x);
    }
    let own = mode != Mode::Circular;
    axis_map::apply(x, &Maps::from(maps), Kind { name: mode.node(dims), tied: own, keeps_format: own })
}

pub fn pad_by_mode(x: &Tensor, pad: &[i64], mode: &str, value: Option<f64>) -> Result<Tensor> {
    if mode == "constant" {
        return constant_pad(x, pad, Scalar::Float(value.unwrap_or(0.0)));
    }
    let mode = Mode::read(mode)?;
    if value.is_some_and(|v| v != 0.0) {
        bail!(Shape, "Padding mode \"{}\" doesn't take in value argument", mode.name());
    }
    sides_of(x, pad)?;
    continued(x, pad, mode)
}

pub const OPS: &[Op] = &[
    Op::new("constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor", |a| {
        Ok(constant_pad(a.tensor(0), a.ints(1), a.scalar(2))?.into())
    })
    .doc("A constant around the tensor: before and after each dim, the last dim first.")
    .samples("t(2, 3), (1, 2, -1, 0) | nc(3, 4), (2, 1), 3"),
    Op::new("nn.functional.pad(Tensor input, int[] pad, str mode='constant', float? value=None) -> Tensor", |a| {
        Ok(pad_by_mode(a.tensor(0), a.ints(1), a.str(2).unwrap_or(""), a.opt_float(3))?.into())
    })
    .doc("Elements added before and after each dim (negative: taken away), the last dim first: a constant, or the tensor's own, with mode 'reflect', 'replicate' or 'circular'.")
    .samples("t(2, 3), (1, 2, -1, 0), 'constant', 2.0 | t(), () | t(0, 3), (1, 1) | nc(2, 3, 4), (2, 1), 'reflect' | t(1, 2, 3, 4), (3, -1, 0, 2), 'replicate' | t(1, 2, 2, 2, 3), (1, 3, 0, 0, 2, 1), 'circular'"),
];
