//! Interpolation to another size: each axis is a linear map of its own (`axis_map.rs`).

use smallvec::SmallVec;

use crate::bail;
use crate::cpu::axis::AxisMap;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, checked_numel, sizes_from};
use crate::ops::avg_pool::adaptive_avg_pool;
use crate::ops::axis_map::{self, Kind, Maps};
use crate::ops::registry::{Args, Op};
use crate::ops::{arithmetic, copy, table};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Mode {
    Nearest,
    NearestExact,
    Linear,
    Cubic,
}

/// What decides the weights of an axis. Positions are computed in the precision that the values have,
/// as PyTorch does: near an integer that decides which elements are met.
#[derive(Clone, Copy)]
struct Axis {
    mode: Mode,
    align_corners: bool,
    antialias: bool,
    single: bool,
    inputs: usize,
    outputs: usize,
    /// Outputs an input, if the caller gave it.
    factor: Option<f64>,
}

impl Axis {
    fn round(&self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }

    /// Inputs an output.
    fn scale(&self) -> f64 {
        let (inputs, outputs) = (self.inputs as f64, self.outputs as f64);
        self.round(match self.factor {
            _ if self.align_corners && self.outputs > 1 => (inputs - 1.0) / (outputs - 1.0),
            _ if self.align_corners => 0.0,
            Some(factor) if factor > 0.0 => 1.0 / factor,
            _ => inputs / outputs,
        })
    }

    /// Where the centre of output `o` lies among the inputs.
    fn position(&self, o: usize) -> f64 {
        let scale = self.scale();
        if self.align_corners {
            self.round(scale * o as f64)
        } else {
            self.round(self.round(scale * (o as f64 + 0.5)) - 0.5)
        }
    }

    fn terms(&self, o: usize, terms: &mut Vec<(usize, f64)>) {
        let last = self.inputs - 1;
        match self.mode {
            _ if self.antialias => self.filtered(o, terms),
            Mode::Nearest | Mode::NearestExact => {
                let shift = if self.mode == Mode::NearestExact { 0.5 } else { 0.0 };
                let at = self.round(self.scale() * (o as f64 + shift));
                terms.push(((f64::from(at as f32).floor() as usize).min(last), 1.0));
            }
            Mode::Linear => {
                let at = self.position(o).max(0.0);
                let low = (at as usize).min(last);
                let part = self.round(at - low as f64).clamp(0.0, 1.0);
                let high = (low + 1).min(last);
                // A size that stays copies: the weight of the neighbour is left out.
                if self.inputs == self.outputs {
                    terms.push((o, 1.0));
                } else {
                    terms.extend([(low, 1.0 - part), (high, part)]);
                }
            }
            Mode::Cubic => {
                let at = self.position(o);
                let low = at.floor();
                let part = self.round(at - low);
                for (k, distance) in [part + 1.0, part, 1.0 - part, 2.0 - part].into_iter().enumerate() {
                    let source = (low as i64 - 1 + k as i64).clamp(0, last as i64);
                    terms.push((source as usize, cubic(distance, -0.75)));
                }
            }
        }
    }

    /// The filter stretched over all inputs that a smaller output stands for.
    fn filtered(&self, o: usize, terms: &mut Vec<(usize, f64)>) {
        let scale = self.scale();
        let half = if self.mode == Mode::Linear { 1.0 } else { 2.0 };
        let support = if scale >= 1.0 { half * scale } else { half };
        let shrink = if scale >= 1.0 { 1.0 / scale } else { 1.0 };
        let centre = scale * (o as f64 + 0.5);
        let first = ((centre - support + 0.5).max(0.0)) as usize;
        let end = ((centre + support + 0.5) as usize).min(self.inputs);
        let weight = |j: usize| {
            let distance = ((j as f64 - centre + 0.5) * shrink).abs();
            if self.mode == Mode::Linear { (1.0 - distance).max(0.0) } else { cubic(distance, -0.5) }
        };
        let total: f64 = (first..end).map(weight).sum();
        let norm = if total == 0.0 { 1.0 } else { total };
        terms.extend((first..end).map(|j| (j, weight(j) / norm)));
    }
}

/// Cubic convolution (Keys, 1981) with the slope `a`.
fn cubic(x: f64, a: f64) -> f64 {
    match x {
        x if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
        _ => 0.0,
    }
}

/// Weights as 16-bit integers over a power of two, the largest that holds them all.
fn fixed_point(weights: &mut [f64]) {
    let most = weights.iter().fold(0.0, |most: f64, w| most.max(*w));
    let fits = |bits: i32| ((0.5 + most * 2f64.powi(bits + 1)) as i64) < 1 << 15;
    let scale = 2f64.powi((0..22).find(|&bits| !fits(bits)).unwrap_or(22));
    for w in weights {
        *w = (*w * scale).round() / scale;
    }
}

/// Along each axis, the output's size and the factor that decides positions, if the caller gave one.
type Targets = SmallVec<[(i64, Option<f64>); 3]>;

fn targets_of(a: &Args, mode: &str, dims: usize) -> Result<Targets> {
    let (x, recompute) = (a.tensor(0), a.opt_bool(5));
    let spread = |n: usize, what: &str| -> Result<()> {
        if n != 1 && n != dims {
            bail!(
                Value,
                "Input and {what} must have the same number of spatial dimensions, but got input with spatial dimensions of {} and {what} of length {n}",
                Show(&x.sizes()[2.min(x.ndim())..])
            );
        }
        Ok(())
    };
    match (a.opt_ints(1), a.opt_floats(2)) {
        (Some(_), Some(_)) => bail!(Value, "only one of size or scale_factor should be defined"),
        (None, None) => bail!(Value, "either size or scale_factor should be defined"),
        (Some(size), None) => {
            spread(size.len(), "output size")?;
            if recompute == Some(true) {
                bail!(Value, "recompute_scale_factor is not meaningful with an explicit size.");
            }
            Ok((0..dims).map(|i| (size[i.min(size.len() - 1)], None)).collect())
        }
        (None, Some(factors)) => {
            spread(factors.len(), "scale_factor")?;
            let factor = |i: usize| factors[i.min(factors.len() - 1)];
            let size = |i: usize| {
                let size = (x.size(2 + i) as f64 * factor(i)).floor();
                if size.is_finite() { size as i64 } else { -1 }
            };
            let kept =
                |i: usize| if recompute == Some(true) || mode == "area" { None } else { Some(factor(i)) };
            Ok((0..dims).map(|i| (size(i), kept(i))).collect())
        }
    }
}

fn interpolate(a: &Args) -> Result<Tensor> {
    let (x, name) = (a.tensor(0), a.str(3).unwrap_or(""));
    let (align, antialias) = (a.opt_bool(4), a.bool(6));
    if matches!(name, "nearest" | "area" | "nearest-exact") && align.is_some() {
        bail!(
            Value,
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        );
    }
    if x.ndim() < 3 {
        bail!(
            Unsupported,
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got {}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got {name})",
            x.ndim()
        );
    }
    let dims = x.ndim() - 2;
    let targets = targets_of(a, name, dims)?;
    let sizes: SmallVec<[i64; 3]> = targets.iter().map(|target| target.0).collect();
    if antialias && !(matches!(name, "bilinear" | "bicubic") && dims == 2) {
        bail!(
            Value,
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        );
    }
    let (mode, only) = match name {
        "nearest" => (Mode::Nearest, None),
        "nearest-exact" => (Mode::NearestExact, None),
        "area" => (Mode::Linear, None),
        "linear" => (Mode::Linear, Some(1)),
        "bilinear" => (Mode::Linear, Some(2)),
        "trilinear" => (Mode::Linear, Some(3)),
        "bicubic" => (Mode::Cubic, Some(2)),
        _ => (Mode::Nearest, Some(0)),
    };
    if let Some(only) = only
        && (1..=3).contains(&only)
        && (1..=3).contains(&dims)
        && only != dims
    {
        bail!(Unsupported, "Got {}D input, but {name} mode needs {}D input", x.ndim(), only + 2);
    }
    if only == Some(0) || dims > 3 {
        bail!(
            Unsupported,
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got {}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got {name})",
            x.ndim()
        );
    }
    if name == "area" {
        return adaptive_avg_pool(x, dims, &sizes);
    }
    if sizes.iter().any(|&s| s <= 0) || x.sizes()[1..].contains(&0) {
        bail!(
            Shape,
            "Input and output sizes should be greater than 0, but got input {} and output sizes {}",
            Show(x.sizes()),
            Show(&sizes)
        );
    }
    let bytes = x.dtype() == DType::U8 && (mode != Mode::Linear || dims == 2);
    let halves = matches!(x.dtype(), DType::F16 | DType::BF16) && !antialias;
    if !bytes && !halves && !matches!(x.dtype(), DType::F32 | DType::F64) {
        bail!(
            Unsupported,
            "\"interpolate\" with mode '{name}' not implemented for '{}'",
            x.dtype().scalar_name()
        );
    }
    let outputs = sizes_from(&sizes)?;
    checked_numel(&[x.size(0), x.size(1), checked_numel(&outputs)?])?;
    let mut maps = Vec::new();
    for i in 0..dims {
        let axis = Axis {
            mode,
            align_corners: align == Some(true),
            antialias,
            single: x.dtype() != DType::F64,
            inputs: x.size(2 + i),
            outputs: outputs[i],
            factor: targets[i].1,
        };
        maps.push((2 + i, AxisMap::build(axis.inputs, axis.outputs, |o, terms| axis.terms(o, terms))?));
    }
    let node = match (mode, dims) {
        (Mode::Nearest, 1) => "UpsampleNearest1DBackward0",
        (Mode::Nearest, 2) => "UpsampleNearest2DBackward0",
        (Mode::Nearest, _) => "UpsampleNearest3DBackward0",
        (Mode::NearestExact, 1) => "UpsampleNearestExact1DBackward0",
        (Mode::NearestExact, 2) => "UpsampleNearestExact2DBackward0",
        (Mode::NearestExact, _) => "UpsampleNearestExact3DBackward0",
        (Mode::Linear, 1) => "UpsampleLinear1DBackward0",
        (Mode::Linear, 2) if antialias => "UpsampleBilinear2DAaBackward0",
        (Mode::Linear, 2) => "UpsampleBilinear2DBackward0",
        (Mode::Linear, _) => "UpsampleTrilinear3DBackward0",
        (Mode::Cubic, _) if antialias => "UpsampleBicubic2DAaBackward0",
        (Mode::Cubic, _) => "UpsampleBicubic2DBackward0",
    };
    let maps = Maps::from(maps);
    let kind = Kind { name: node, tied: false, keeps_format: true };
    if !bytes || maps.iter().all(|(_, map)| map.selects()) {
        return axis_map::apply(x, &maps, kind);
    }
    // Bytes are rounded to bytes after each axis, columns first, with weights in fixed point.
    let mut whole = copy::to_dtype(x, DType::F64)?;
    for (dim, map) in maps.iter().rev() {
        let map = Maps::from(vec![(*dim, map.with_weights(fixed_point))]);
        let sums = axis_map::apply(&whole, &map, kind)?;
        let halves = table::floor(&arithmetic::add(&sums, Scalar::Float(0.5))?)?;
        whole = table::clamp(&halves, Scalar::Int(0), Scalar::Int(255))?;
    }
    copy::to_dtype(&whole, DType::U8)
}

pub const OPS: &[Op] = &[
    Op::new("nn.functional.interpolate(Tensor input, int[1]? size=None, float[]? scale_factor=None, str mode='nearest', bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor", |a| {
        Ok(interpolate(a)?.into())
    })
    .doc("(n, c, ...) with one to three spatial dims, resampled to size, or to scale_factor times its size. Modes: nearest, nearest-exact, linear, bilinear, bicubic, trilinear, area.")
    .samples("t(2, 3, 5), 7 | t(1, 2, 4, 5), None, (1.5, 0.6), 'bilinear' | nc(1, 2, 4, 5), (7, 3), None, 'bicubic', True | t(1, 2, 6, 5), (3, 4), None, 'bicubic', antialias=True | t(1, 2, 3, 4, 2), None, 1.7, 'trilinear', False, True | t(0, 2, 4), 3, mode='area' | t(2, 2, 3, 4), None, 2.0, 'nearest-exact'"),
];
