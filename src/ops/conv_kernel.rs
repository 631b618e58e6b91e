//! The three sides of a convolution without the tape: output, and the gradients of input and weight.
//! All run on the two-dimensional kernels of `cpu/conv.rs`. One dimension is two with a height of one.
//! Three are two over every depth of the output, with the taps along the depth as channels. A window that
//! covers the whole input is a product of matrices.

use smallvec::SmallVec;

use crate::autograd;
use crate::cpu::conv::{self, Conv2dShape};
use crate::dtype::{C64, C128, DType};
use crate::error::{Error, Result};
use crate::layout::{Layout, Sizes};
use crate::ops::{arithmetic, copy, creation, cuda, matmul, view};
use crate::tensor::Tensor;

/// Strides, padding, dilation of a convolution along depth, rows and columns, and its groups. Axes that
/// are not there have a stride and dilation of one.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub stride: [usize; 3],
    pub padding: [usize; 3],
    pub dilation: [usize; 3],
    pub groups: usize,
}

/// Depth, rows and columns of (n, c, ...).
pub fn volume(sizes: &[usize]) -> [usize; 3] {
    let mut volume = [1; 3];
    volume[5 - sizes.len()..].copy_from_slice(&sizes[2..]);
    volume
}

/// A convolution whose sizes go together.
#[derive(Clone, Copy)]
pub struct Shape {
    n: usize,
    c: usize,
    oc: usize,
    input: [usize; 3],
    kernel: [usize; 3],
    geometry: Geometry,
}

impl Shape {
    pub fn of(x: &[usize], weight: &[usize], geometry: Geometry) -> Shape {
        Shape { n: x[0], c: x[1], oc: weight[0], input: volume(x), kernel: volume(weight), geometry }
    }

    /// Depth, rows and columns of the output; `None` where the kernel exceeds the padded input, or a
    /// size is out of range.
    pub fn out_size(&self) -> Option<[usize; 3]> {
        let axis = |i: usize| {
            let padded = self.input[i].checked_add(self.geometry.padding[i].checked_mul(2)?)?;
            let reach =
                self.kernel[i].checked_sub(1)?.checked_mul(self.geometry.dilation[i])?.checked_add(1)?;
            Some(padded.checked_sub(reach)?.checked_div(self.geometry.stride[i])? + 1)
        };
        Some([axis(0)?, axis(1)?, axis(2)?])
    }

    fn depths(&self) -> usize {
        self.out_size().map_or(0, |out| out[0])
    }

    /// Whether a single image is two-dimensional by itself.
    fn is_flat(&self) -> bool {
        self.input[0] == 1 && self.kernel[0] == 1 && self.depths() == 1
    }

    /// Whether the window covers the whole input: then the output is a product of matrices.
    fn is_product(&self) -> bool {
        self.input == self.kernel
            && self.geometry.padding == [0; 3]
            && self.geometry.groups == 1
            && self.out_size() == Some([1; 3])
    }

    /// The two-dimensional convolution that the kernels run.
    fn flat(&self) -> Conv2dShape {
        let last = |v: [usize; 3]| [v[1], v[2]];
        Conv2dShape {
            n: self.n * self.depths(),
            c: self.c * self.kernel[0],
            h: self.input[1],
            w: self.input[2],
            oc: self.oc,
            kh: self.kernel[1],
            kw: self.kernel[2],
            stride: last(self.geometry.stride),
            padding: last(self.geometry.padding),
            dilation: last(self.geometry.dilation),
            groups: self.geometry.groups,
        }
    }

    fn out_sizes(&self) -> [usize; 5] {
        let [d, h, w] = self.out_size().unwrap_or([0; 3]);
        [self.n, self.oc, d, h, w]
    }

    /// For tap `k` along the depth: its part of the unfolded input (n, depths, c, taps, pixels), and the
    /// part of the input (n, c, depth, pixels) that it reads, both as (n, depths, c, pixels).
    fn tap(&self, k: usize, unfolded: &Tensor, x: &Tensor) -> Option<(Tensor, Tensor)> {
        let (stride, padding) = (self.geometry.stride[0], self.geometry.padding[0]);
        let (depths, taps, pixels) = (self.depths(), self.kernel[0], self.input[1] * self.input[2]);
        let at = k * self.geometry.dilation[0];
        let first = padding.saturating_sub(at).div_ceil(stride);
        let end = (self.input[0] + padding).saturating_sub(at).div_ceil(stride).min(depths);
        if first >= end {
            return None;
        }
        let sizes: Sizes = [self.n, end - first, self.c, pixels].into_iter().collect();
        let view = |t: &Tensor, strides: [usize; 4], offset: usize| {
            // A single depth has no next one, however large the stride.
            let strides = strides.iter().map(|&s| s.min(isize::MAX as usize) as isize).collect();
            t.alias(Layout { sizes: sizes.clone(), strides, offset: t.layout().offset + offset })
        };
        let image = self.c * taps * pixels;
        let to = view(unfolded, [depths * image, image, taps * pixels, 1], first * image + k * pixels);
        let plane = self.input[0] * pixels;
        let from = view(
            x,
            [self.c * plane, stride.saturating_mul(pixels), plane, 1],
            (first * stride + at - padding) * pixels,
        );
        Some((to, from))
    }

    /// The input as the kernels read it.
    fn unfold(&self, x: &Tensor) -> Result<Tensor> {
        if self.is_flat() {
            return Ok(x.clone());
        }
        let sizes = [self.n, self.depths(), self.c, self.kernel[0], self.input[1] * self.input[2]];
        let out = if self.geometry.padding[0] > 0 {
            creation::zeros(&sizes, x.dtype())?
        } else {
            Tensor::empty(&sizes, x.dtype())?
        };
        for k in 0..self.kernel[0] {
            if let Some((to, from)) = self.tap(k, &out, x) {
                copy::write(&to, &from)?;
            }
        }
        Ok(out)
    }

    /// (n, oc, depths, ...) as (n * depths, oc, ...).
    fn by_depth(&self, y: &Tensor) -> Result<Tensor> {
        if self.is_flat() {
            return Ok(y.clone());
        }
        copy::contiguous(&view::transpose(&view::reshape_to(y, &self.out_sizes())?, 1, 2)?)
    }
}

fn no_memory(error: conv::AllocError) -> Error {
    Error::OutOfMemory { bytes: error.bytes }
}

/// Contiguous, outside the tape, in a dtype that the kernels know: halves compute in float32, integers in int64.
fn computed(x: &Tensor) -> Result<Tensor> {
    let wide = match x.dtype() {
        DType::F16 | DType::BF16 => DType::F32,
        dtype if dtype.is_integral() => DType::I64,
        dtype => dtype,
    };
    copy::contiguous(&copy::to_dtype(&x.detached(), wide)?)
}

macro_rules! typed {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::C64 => {
                type $t = C64;
                $body
            }
            DType::C128 => {
                type $t = C128;
                $body
            }
            _ => {
                type $t = f32;
                $body
            }
        }
    };
}

/// (n, oc, ...) from (n, c, ...), (oc, c / groups, ...) and (oc).
pub fn forward(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, g: Geometry) -> Result<Tensor> {
    let s = Shape::of(x.sizes(), weight.sizes(), g);
    let [n, oc, d, h, w] = s.out_sizes();
    let sizes: Sizes = [n, oc].into_iter().chain([d, h, w].into_iter().skip(5 - x.ndim())).collect();
    if x.device().is_cuda() {
        return cuda::conv::forward(x, weight, bias, g, &sizes);
    }
    let (input, kernel, offset) = (computed(x)?, computed(weight)?, bias.map(computed).transpose()?);
    if s.is_product() {
        let y =
            matmul::linear(&view::flatten(&input, 1, -1)?, &view::flatten(&kernel, 1, -1)?, offset.as_ref())?;
        return Ok(copy::to_dtype(&y, x.dtype())?.alias(Layout::contiguous(&sizes)));
    }
    let out = Tensor::empty(&[n, d, oc, h, w], input.dtype())?;
    if out.numel() > 0 {
        let input = s.unfold(&input)?;
        typed!(input.dtype(), T => {
            let offset = offset.as_ref().map(|b| b.ptr().cast::<T>() as *const T);
            // SAFETY: contiguous tensors of the sizes that the shape says; the output is fresh.
            unsafe { conv::forward::<T>(&s.flat(), input.ptr().cast(), kernel.ptr().cast(), offset, out.ptr().cast()) }
        })
        .map_err(no_memory)?;
    }
    let out = if s.is_flat() { out } else { copy::contiguous(&view::transpose(&out, 1, 2)?)? };
    let out = copy::to_dtype(&out, x.dtype())?;
    Ok(out.alias(Layout::contiguous(&sizes)))
}

/// What `gy` says about the input.
pub fn input_gradient(gy: &Tensor, weight: &Tensor, x_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    let s = Shape::of(x_sizes, weight.sizes(), g);
    if gy.numel() == 0 || weight.numel() == 0 || gy.device().is_cuda() && x_sizes.contains(&0) {
        return creation::zeros(x_sizes, gy.dtype());
    }
    if gy.device().is_cuda() {
        return cuda::conv::input_gradient(gy, weight, x_sizes, g);
    }
    let (grad, kernel) = (computed(gy)?, computed(weight)?);
    if s.is_product() {
        let gx = matmul::matmul(&view::flatten(&grad, 1, -1)?, &view::flatten(&kernel, 1, -1)?)?;
        return Ok(copy::to_dtype(&gx, gy.dtype())?.alias(Layout::contiguous(x_sizes)));
    }
    let grad = s.by_depth(&grad)?;
    let flat = s.flat();
    let sizes: SmallVec<[usize; 5]> = if s.is_flat() {
        x_sizes.into()
    } else {
        [s.n, s.depths(), s.c, s.kernel[0], flat.h * flat.w].into_iter().collect()
    };
    let out = Tensor::empty(&sizes, grad.dtype())?;
    typed!(grad.dtype(), T => {
        // SAFETY: contiguous tensors of the sizes that the shape says; the output is fresh.
        unsafe { conv::backward_input::<T>(&flat, grad.ptr().cast(), kernel.ptr().cast(), out.ptr().cast()) }
    })
    .map_err(no_memory)?;
    if s.is_flat() {
        return copy::to_dtype(&out, gy.dtype());
    }
    let gx = creation::zeros(x_sizes, grad.dtype())?;
    autograd::no_grad(|| -> Result<()> {
        for k in 0..s.kernel[0] {
            if let Some((from, to)) = s.tap(k, &out, &gx) {
                arithmetic::add_(&to, &from)?;
            }
        }
        Ok(())
    })?;
    copy::to_dtype(&gx, gy.dtype())
}

/// What `gy` says about the weight.
pub fn weight_gradient(x: &Tensor, gy: &Tensor, w_sizes: &[usize], g: Geometry) -> Result<Tensor> {
    let s = Shape::of(x.sizes(), w_sizes, g);
    if gy.numel() == 0 || x.numel() == 0 {
        return creation::zeros(w_sizes, gy.dtype());
    }
    if gy.device().is_cuda() {
        return cuda::conv::weight_gradient(x, gy, w_sizes, g);
    }
    let (input, grad) = (computed(x)?, computed(gy)?);
    if s.is_product() {
        let turned = view::transpose(&view::flatten(&grad, 1, -1)?, 0, 1)?;
        let gw = matmul::matmul(&turned, &view::flatten(&input, 1, -1)?)?;
        return Ok(copy::to_dtype(&gw, gy.dtype())?.alias(Layout::contiguous(w_sizes)));
    }
    let (input, grad) = (s.unfold(&input)?, s.by_depth(&grad)?);
    let out = Tensor::empty(w_sizes, grad.dtype())?;
    typed!(grad.dtype(), T => {
        // SAFETY: contiguous tensors of the sizes that the shape says; the output is fresh.
        unsafe { conv::backward_weight::<T>(&s.flat(), input.ptr().cast(), grad.ptr().cast(), out.ptr().cast()) }
    })
    .map_err(no_memory)?;
    copy::to_dtype(&out, gy.dtype())
}

/// The sum of a floating gradient over everything but channels.
pub fn bias_gradient(gy: &Tensor) -> Result<Tensor> {
    let g = computed(gy)?;
    let out = Tensor::empty(&[gy.size(1)], g.dtype())?;
    // A 1 x 1 convolution without input has an output of just these sizes.
    let shape = Conv2dShape {
        n: g.size(0),
        c: 1,
        h: 1,
        w: g.sizes()[2..].iter().product(),
        oc: g.size(1),
        kh: 1,
        kw: 1,
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
    };
    // SAFETY: the gradient is contiguous with the output sizes of `shape`; the result is fresh.
    unsafe {
        if g.dtype() == DType::F64 {
            conv::backward_bias::<f64>(&shape, g.ptr().cast(), out.ptr().cast());
        } else {
            conv::backward_bias::<f32>(&shape, g.ptr().cast(), out.ptr().cast());
        }
    }
    copy::to_dtype(&out, gy.dtype())
}
