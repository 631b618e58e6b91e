//! 2-D convolution over contiguous NCHW tensors: forward, and the gradients of input, weight and bias.
//!
//! Every stride, padding, dilation and number of groups is right; which algorithm runs depends on
//! the shape (f32; measured, see each file):
//! - [`winograd`]: 3×3 kernels of stride 1 with enough channels: a quarter of the multiplications.
//!   With dilation it runs on parts of the images ([`dilated`]).
//!   Its error is about ten times that of the direct sum (1e-5 of the largest output);
//!   [`allow_winograd`] turns it off.
//! - [`unfold`]: small images, many of which make one matrix product.
//! - [`direct`]: everything else. The image is copied once into zero-padded planes, and the
//!   matrix kernel reads the rows of the unfolded image through a table of offsets into them, so
//!   that the unfolded image never exists. 1×1 kernels read the image itself: a plain product.
//!   The input's gradient is the same engine over the output's gradient, [`weight`] its third side.
//! - [`generic`]: other types, and shapes whose offsets exceed 32 bits.
//!
//! Sums are split by shape, never by thread: results do not depend on the number of threads.

use super::simd::{self, Element, Level};
use crate::dtype::{C64, C128};
use num_traits::Float;
use std::any::TypeId;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_arch = "x86_64")]
mod dilated;
mod direct;
mod generic;
mod lanes;
mod scratch;
mod single;
pub use scratch::Shared;
#[cfg(test)]
mod tests;
mod tile;
mod unfold;
mod weight;
mod window;
#[cfg(target_arch = "x86_64")]
mod winograd;

/// The scratch memory that a kernel needs could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {bytes} bytes of scratch")]
pub struct AllocError {
    pub bytes: usize,
}

/// What can be convolved: floats, complex numbers, and integers, which wrap.
pub trait Ring: Copy + Send + Sync + 'static {
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! rings {
    ($($t:ty: $zero:expr, $add:path, $mul:path;)*) => {$(
        impl Ring for $t {
            const ZERO: Self = $zero;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                $add(self, other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $mul(self, other)
            }
        }
    )*};
}
rings! {
    f32: 0.0, std::ops::Add::add, std::ops::Mul::mul;
    f64: 0.0, std::ops::Add::add, std::ops::Mul::mul;
    i64: 0, i64::wrapping_add, i64::wrapping_mul;
    C64: C64::new(0.0, 0.0), std::ops::Add::add, std::ops::Mul::mul;
    C128: C128::new(0.0, 0.0), std::ops::Add::add, std::ops::Mul::mul;
}

/// What a bias is summed in: f32 and f64.
pub trait Real: Float + Element {}
impl Real for f32 {}
impl Real for f64 {}

/// The sizes of a convolution: input `(n, c, h, w)`, weight `(oc, c / groups, kh, kw)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub oc: usize,
    pub kh: usize,
    pub kw: usize,
    /// Rows, columns; here and below.
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Conv2dShape {
    /// Rows and columns of the output; `None` where the kernel exceeds the padded image, or a
    /// size is out of range.
    pub fn out_size(&self) -> Option<[usize; 2]> {
        let axis = |size: usize, kernel: usize, i: usize| {
            let padded = size.checked_add(self.padding[i].checked_mul(2)?)?;
            let reach = kernel.checked_sub(1)?.checked_mul(self.dilation[i])?.checked_add(1)?;
            Some(padded.checked_sub(reach)?.checked_div(self.stride[i])? + 1)
        };
        Some([axis(self.h, self.kh, 0)?, axis(self.w, self.kw, 1)?])
    }

    /// Output size, zero where there is none.
    fn out(&self) -> [usize; 2] {
        self.out_size().unwrap_or([0, 0])
    }

    fn group_c(&self) -> usize {
        self.c / self.groups
    }

    fn group_oc(&self) -> usize {
        self.oc / self.groups
    }

    /// Weights of one filter.
    fn taps(&self) -> usize {
        self.kh * self.kw
    }

    fn check(&self) {
        debug_assert!(
            self.groups > 0 && self.c.is_multiple_of(self.groups) && self.oc.is_multiple_of(self.groups)
        );
        debug_assert!(self.stride.iter().chain(&self.dilation).all(|&v| v > 0));
    }

    /// No output element, or nothing is summed into it.
    fn is_empty(&self) -> bool {
        let [oh, ow] = self.out();
        [self.n, self.c, self.h, self.w, self.oc, self.taps(), oh, ow].contains(&0)
    }
}

static WINOGRAD: AtomicBool = AtomicBool::new(true);

/// Whether 3×3 convolutions may use Winograd's algorithm (they may at start). Without it every
/// output is the plain sum of its products.
pub fn allow_winograd(allow: bool) {
    WINOGRAD.store(allow, Ordering::Relaxed);
}

/// How to compute: what the tests vary.
#[derive(Clone, Copy)]
struct Mode {
    level: Level,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "Winograd is for x86 only"))]
    winograd: bool,
}

impl Mode {
    fn current() -> Mode {
        Mode { level: simd::level(), winograd: WINOGRAD.load(Ordering::Relaxed) }
    }
}

fn is_f32<T: Ring>() -> bool {
    TypeId::of::<T>() == TypeId::of::<f32>()
}

/// `y = conv(x, weight) + bias`.
///
/// # Safety
/// The pointers are valid for the extents of `shape`; `y` may be uninitialised and overlaps nothing.
pub unsafe fn forward<T: Ring>(
    shape: &Conv2dShape,
    x: *const T,
    weight: *const T,
    bias: Option<*const T>,
    y: *mut T,
) -> Result<(), AllocError> {
    // SAFETY: the caller's promise.
    unsafe { forward_in(Mode::current(), shape, x, weight, bias, y) }
}

unsafe fn forward_in<T: Ring>(
    mode: Mode,
    shape: &Conv2dShape,
    x: *const T,
    weight: *const T,
    bias: Option<*const T>,
    y: *mut T,
) -> Result<(), AllocError> {
    shape.check();
    // SAFETY: the caller's promise; T is f32 where pointers are cast to it.
    unsafe {
        if is_f32::<T>() && !shape.is_empty() && direct::fits(shape) {
            let bias = bias.map_or(std::ptr::null(), |b| b.cast());
            #[cfg(target_arch = "x86_64")]
            if mode.winograd && winograd::pays(mode.level, shape) {
                return winograd::forward(mode.level, shape, x.cast(), weight.cast(), bias, y.cast());
            }
            #[cfg(target_arch = "x86_64")]
            if mode.winograd
                && let Some(parts) = dilated::parts(mode.level, shape)
            {
                return dilated::forward(mode.level, shape, &parts, x.cast(), weight.cast(), bias, y.cast());
            }
            if unfold::pays(shape) {
                return unfold::forward(mode.level, shape, x.cast(), weight.cast(), bias, y.cast());
            }
            return direct::forward(mode.level, shape, x.cast(), weight.cast(), bias, y.cast());
        }
        generic::forward(shape, x, weight, bias, y)
    }
}

/// `gx`: the gradient of the input, from the output's gradient `gy`.
///
/// # Safety
/// The pointers are valid for the extents of `shape`; `gx` may be uninitialised and overlaps nothing.
pub unsafe fn backward_input<T: Ring>(
    shape: &Conv2dShape,
    gy: *const T,
    weight: *const T,
    gx: *mut T,
) -> Result<(), AllocError> {
    // SAFETY: the caller's promise.
    unsafe { backward_input_in(Mode::current(), shape, gy, weight, gx) }
}

unsafe fn backward_input_in<T: Ring>(
    mode: Mode,
    shape: &Conv2dShape,
    gy: *const T,
    weight: *const T,
    gx: *mut T,
) -> Result<(), AllocError> {
    shape.check();
    // SAFETY: the caller's promise; T is f32 where pointers are cast to it.
    unsafe {
        if is_f32::<T>() && !shape.is_empty() && direct::fits(shape) {
            #[cfg(target_arch = "x86_64")]
            if mode.winograd && winograd::pays(mode.level, shape) {
                return winograd::backward_input(mode.level, shape, gy.cast(), weight.cast(), gx.cast());
            }
            #[cfg(target_arch = "x86_64")]
            if mode.winograd
                && let Some(parts) = dilated::parts(mode.level, shape)
            {
                return dilated::backward_input(
                    mode.level,
                    shape,
                    &parts,
                    gy.cast(),
                    weight.cast(),
                    gx.cast(),
                );
            }
            if unfold::pays(shape) {
                return unfold::backward_input(mode.level, shape, gy.cast(), weight.cast(), gx.cast());
            }
            return direct::backward_input(mode.level, shape, gy.cast(), weight.cast(), gx.cast());
        }
        generic::backward_input(shape, gy, weight, gx)
    }
}

/// `gw`: the gradient of the weight.
///
/// # Safety
/// The pointers are valid for the extents of `shape`; `gw` may be uninitialised and overlaps nothing.
pub unsafe fn backward_weight<T: Ring>(
    shape: &Conv2dShape,
    x: *const T,
    gy: *const T,
    gw: *mut T,
) -> Result<(), AllocError> {
    // SAFETY: the caller's promise.
    unsafe { backward_weight_in(Mode::current(), shape, x, gy, gw) }
}

unsafe fn backward_weight_in<T: Ring>(
    mode: Mode,
    shape: &Conv2dShape,
    x: *const T,
    gy: *const T,
    gw: *mut T,
) -> Result<(), AllocError> {
    shape.check();
    // SAFETY: the caller's promise; T is f32 where pointers are cast to it.
    unsafe {
        if is_f32::<T>() && !shape.is_empty() && direct::fits(shape) {
            if unfold::pays(shape) {
                return unfold::backward_weight(mode.level, shape, x.cast(), gy.cast(), gw.cast());
            }
            return weight::backward_weight(mode.level, shape, x.cast(), gy.cast(), gw.cast());
        }
        generic::backward_weight(shape, x, gy, gw)
    }
}

/// `gb`: the gradient of the bias, the sum of `gy` over images and pixels.
///
/// # Safety
/// The pointers are valid for the extents of `shape`; `gb` may be uninitialised and overlaps nothing.
pub unsafe fn backward_bias<T: Real>(shape: &Conv2dShape, gy: *const T, gb: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { weight::backward_bias(shape, gy, gb) }
}
