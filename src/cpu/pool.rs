//! Max pooling over planes, forward and backward.
//!
//! An output row is built tap by tap: each of the kernel's taps is one sweep over the row's
//! outputs that keeps the larger value and its tap (`code`, one byte), which the compiler turns
//! into vectors for strides 1 and 2; f32 windows of 2×2 have a kernel of their own ([`halving`]).
//! Where only values are asked for, rows are taken together first, whole, then columns.
//! Codes are all the backward needs; PyTorch's flat i64 indices
//! are made from them where they are asked for.
//!
//! As in PyTorch the first of equal values wins, and NaN wins over everything.

use super::par;
use super::simd::{Element, Kernel, Simd, level};
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
mod halving;

/// What can be pooled.
pub trait Number: Copy + PartialOrd + Send + Sync + 'static {
    /// Not above any value.
    const LOWEST: Self;
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
}

macro_rules! numbers {
    ($($t:ty: $lowest:expr, $zero:expr, $add:path;)*) => {$(
        impl Number for $t {
            const LOWEST: Self = $lowest;
            const ZERO: Self = $zero;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                $add(self, other)
            }
        }
    )*};
}
numbers! {
    f32: f32::NEG_INFINITY, 0.0, std::ops::Add::add;
    f64: f64::NEG_INFINITY, 0.0, std::ops::Add::add;
    u8: u8::MIN, 0, u8::wrapping_add;
    i8: i8::MIN, 0, i8::wrapping_add;
    i16: i16::MIN, 0, i16::wrapping_add;
    i32: i32::MIN, 0, i32::wrapping_add;
    i64: i64::MIN, 0, i64::wrapping_add;
}

/// A window along one axis.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
}

/// How many windows fit along an axis; `None` for no window, or sizes out of range. With `ceil_mode`
/// the last may hang over the edge, if it starts inside the image or its left padding.
pub fn out_size(size: usize, w: Window, ceil_mode: bool) -> Option<usize> {
    let padded = size.checked_add(w.padding.checked_mul(2)?)?;
    let reach = w.kernel.checked_sub(1)?.checked_mul(w.dilation)?.checked_add(1)?;
    let over = if ceil_mode { w.stride.checked_sub(1)? } else { 0 };
    let out = padded.checked_add(over)?.checked_sub(reach)?.checked_div(w.stride)? + 1;
    let hangs = ceil_mode && (out - 1) * w.stride >= size + w.padding;
    (out > hangs as usize).then(|| out - hangs as usize)
}

/// Planes (batch times channels) and the window that slides over each.
#[derive(Clone, Copy, Debug)]
pub struct PoolShape {
    pub planes: usize,
    pub h: usize,
    pub w: usize,
    /// Rows, columns; here and below.
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    /// Round the output's size up: the last window may hang over the edge.
    pub ceil_mode: bool,
}

impl PoolShape {
    /// Rows and columns of the output; `None` where a size is out of range. Callers also see to
    /// it, as PyTorch does, that the padding is at most half the kernel.
    pub fn out_size(&self) -> Option<[usize; 2]> {
        let axis = |size: usize, i: usize| {
            let (kernel, stride) = (self.kernel[i], self.stride[i]);
            let window = Window { kernel, stride, padding: self.padding[i], dilation: self.dilation[i] };
            out_size(size, window, self.ceil_mode)
        };
        Some([axis(self.h, 0)?, axis(self.w, 1)?])
    }

    /// Whether a byte holds every code: what [`max_pool_codes`] needs.
    pub fn fits_codes(&self) -> bool {
        self.kernel[0] * self.kernel[1] <= 256
    }

    fn out(&self) -> [usize; 2] {
        self.out_size().unwrap_or([0, 0])
    }

    /// The outputs along an axis whose tap `k` lies inside the image.
    fn inside(&self, axis: usize, k: usize, outputs: usize) -> Range<usize> {
        let (size, stride, padding) = ([self.h, self.w][axis], self.stride[axis], self.padding[axis]);
        let tap = k * self.dilation[axis];
        let first = padding.saturating_sub(tap).div_ceil(stride);
        let last = (size + padding).saturating_sub(tap).div_ceil(stride).min(outputs);
        first.min(last)..last
    }

    /// Where tap `k` of output `o` lies; only for outputs that are `inside`.
    fn place(&self, axis: usize, o: usize, k: usize) -> usize {
        o * self.stride[axis] + k * self.dilation[axis] - self.padding[axis]
    }

    /// The first tap of an output that lies inside the image, the code of an all-`LOWEST` window.
    fn first_tap(&self, axis: usize, o: usize) -> usize {
        self.padding[axis].saturating_sub(o * self.stride[axis]).div_ceil(self.dilation[axis])
    }

    /// The flat index in the plane that a code of output (row, col) stands for.
    fn index(&self, row: usize, col: usize, code: usize) -> usize {
        let (ky, kx) = (code / self.kernel[1], code % self.kernel[1]);
        self.place(0, row, ky) * self.w + self.place(1, col, kx)
    }
}

/// Outputs of a row that are swept together, their best values and codes on the stack: as many as this, or
/// [`WHOLE`] where rows are short, as filling the stack would take longer than the sweep.
const STRIP: usize = 128;

/// Sweeps run over whole multiples of this many outputs where they may: rows are often short, and
/// what a loop does beyond whole vectors it does one by one. Rows of up to [`FEW`] are left to that.
const WHOLE: usize = 16;
const FEW: usize = 4;

/// Takes what is larger, or NaN, into the best of neighbouring outputs; `x` is the first one's tap.
#[inline(always)]
pub(super) unsafe fn sweep<T: Number, const STRIDE: usize>(
    x: *const T,
    stride: usize,
    best: &mut [T],
    codes: &mut [u32],
    code: u32,
) {
    let stride = if STRIDE > 0 { STRIDE } else { stride };
    let codes = &mut codes[..best.len()];
    for i in 0..best.len() {
        // SAFETY: the taps of all these outputs lie in the image.
        let v = unsafe { *x.add(i * stride) };
        // Without branches, or there are no vectors. NaN is what does not equal itself.
        #[allow(clippy::eq_op)]
        let wins = (v > best[i]) | (v != v);
        best[i] = if wins { v } else { best[i] };
        codes[i] = if wins { code } else { codes[i] };
    }
}

/// The larger, of equal ones the first; NaN if there is one.
#[inline(always)]
#[allow(clippy::eq_op)] // NaN is what does not equal itself
fn larger<T: Number>(best: T, v: T) -> T {
    if (v > best) | (v != v) { v } else { best }
}

/// The largest of each `N` neighbours.
#[inline(always)]
fn neighbours<T: Number, const N: usize>(x: &[T], y: &mut [T]) {
    let (windows, _) = x.as_chunks::<N>();
    y.iter_mut().zip(windows).for_each(|(y, x)| *y = x[1..].iter().fold(x[0], |best, &v| larger(best, v)));
}

/// Every `stride`-th element from each of the first ones, `apart` places for each.
#[inline(always)]
fn take_apart<T: Number, const STRIDE: usize>(x: &[T], stride: usize, apart: usize, phases: &mut [T]) {
    let stride = if STRIDE > 0 { STRIDE } else { stride };
    for (i, phase) in phases.chunks_exact_mut(apart).enumerate() {
        phase.iter_mut().zip(x.iter().skip(i).step_by(stride)).for_each(|(to, &v)| *to = v);
    }
}

/// Which outputs the forward writes beside the values.
#[derive(Clone, Copy)]
enum Extra {
    Nothing,
    Codes(*mut u8),
    Indices(*mut i64),
}

struct Forward<T> {
    shape: PoolShape,
    out: [usize; 2],
    /// Of both axes and each tap: the outputs whose tap lies inside the image.
    inside: [Vec<Range<usize>>; 2],
    x: *const T,
    y: *mut T,
    extra: Extra,
}

// SAFETY: planes are disjoint, and every thread writes only those it claimed.
unsafe impl<T: Sync> Sync for Forward<T> {}

impl<T: Number> Forward<T> {
    /// All planes of a range by the 2×2 kernel.
    #[cfg(target_arch = "x86_64")]
    fn halve(&self, planes: Range<usize>) {
        let (w, [oh, ow]) = (self.shape.w, self.out);
        let mut strip_codes = [0u8; STRIP];
        for plane in planes {
            for (row, first) in (0..oh).flat_map(|r| (0..ow).step_by(STRIP).map(move |c| (r, c))) {
                let from = (plane * self.shape.h + 2 * row) * w + 2 * first;
                let (to, len) = ((plane * oh + row) * ow + first, STRIP.min(ow - first));
                // SAFETY: T is f32 and the machine has AVX-512: the caller saw to it. Windows lie in
                // the plane, and the outputs in theirs.
                unsafe {
                    let rows = [from, from + w].map(|at| self.x.add(at).cast());
                    let codes = match self.extra {
                        Extra::Nothing => std::ptr::null_mut(),
                        Extra::Codes(codes) => codes.add(to),
                        Extra::Indices(_) => strip_codes.as_mut_ptr(),
                    };
                    halving::forward_row(rows, len, self.y.add(to).cast(), codes);
                    if let Extra::Indices(indices) = self.extra {
                        let corner = 2 * row * w + 2 * first;
                        for (i, &code) in strip_codes[..len].iter().enumerate() {
                            let tap = usize::from(code >> 1) * w + usize::from(code & 1);
                            indices.add(to + i).write((corner + 2 * i + tap) as i64);
                        }
                    }
                }
            }
        }
    }

    /// Values only: the rows of a window, whole, into `line`, then the columns. `phases` are taken apart
    /// by [`take_apart`], so that neighbouring outputs read neighbours.
    #[inline(always)]
    fn values(&self, planes: Range<usize>) {
        let (p, [oh, ow]) = (&self.shape, self.out);
        let (w, stride) = (p.w, p.stride[1]);
        let apart = w.div_ceil(stride);
        let mut line = vec![T::LOWEST; w];
        let mut phases = vec![T::LOWEST; if stride > 1 { stride * apart } else { 0 }];
        for (plane, row) in planes.flat_map(|plane| (0..oh).map(move |row| (plane, row))) {
            // SAFETY: the plane is one of the call's.
            let x = unsafe { std::slice::from_raw_parts(self.x.add(plane * p.h * w), p.h * w) };
            // SAFETY: likewise; the row is written before it is used as a slice.
            let y = unsafe { filled(self.y.add((plane * oh + row) * ow), ow, T::LOWEST) };
            let mut rows = self.inside[0]
                .iter()
                .enumerate()
                .filter(|(_, rows)| rows.contains(&row))
                .map(|(ky, _)| &x[p.place(0, row, ky) * w..][..w]);
            let Some(mut top) = rows.next() else { continue };
            if let Some(second) = rows.next() {
                line.iter_mut().zip(top.iter().zip(second)).for_each(|(l, (&a, &b))| *l = larger(a, b));
                rows.for_each(|row| line.iter_mut().zip(row).for_each(|(l, &v)| *l = larger(*l, v)));
                top = &line;
            }
            if p.padding[1] == 0 && p.dilation[1] == 1 && p.kernel[1] == stride && ow * stride <= w {
                match stride {
                    2 => neighbours::<T, 2>(top, y),
                    3 => neighbours::<T, 3>(top, y),
                    4 => neighbours::<T, 4>(top, y),
                    _ => {
                        let windows = top.chunks_exact(stride);
                        y.iter_mut()
                            .zip(windows)
                            .for_each(|(y, x)| *y = x.iter().fold(*y, |a, &b| larger(a, b)));
                    }
                }
                continue;
            }
            if stride > 1 {
                match stride {
                    2 => take_apart::<T, 2>(top, stride, apart, &mut phases),
                    _ => take_apart::<T, 0>(top, stride, apart, &mut phases),
                }
            }
            for (kx, cols) in self.inside[1].iter().enumerate().filter(|(_, cols)| !cols.is_empty()) {
                let first = p.place(1, cols.start, kx);
                let from = if stride > 1 {
                    &phases[first % stride * apart + first / stride..]
                } else {
                    &top[first..]
                };
                y[cols.clone()].iter_mut().zip(from).for_each(|(y, &v)| *y = larger(*y, v));
            }
        }
    }

    #[inline(always)]
    fn planes(&self, planes: Range<usize>) {
        let (p, [oh, ow]) = (&self.shape, self.out);
        if matches!(self.extra, Extra::Nothing) {
            return self.values(planes);
        }
        for plane in planes {
            // SAFETY: the plane is one of the call's.
            let x = unsafe { std::slice::from_raw_parts(self.x.add(plane * p.h * p.w), p.h * p.w) };
            for row in 0..oh {
                if ow <= WHOLE {
                    self.strip::<WHOLE>(x, row, 0..ow, (plane * oh + row) * ow);
                    continue;
                }
                for first in (0..ow).step_by(STRIP) {
                    let strip = first..ow.min(first + STRIP);
                    self.strip::<STRIP>(x, row, strip, (plane * oh + row) * ow + first);
                }
            }
        }
    }

    #[inline(always)]
    fn strip<const LEN: usize>(&self, x: &[T], row: usize, strip: Range<usize>, at: usize) {
        let p = &self.shape;
        let len = strip.len();
        let whole = if len <= FEW { len } else { len.next_multiple_of(WHOLE).min(LEN) };
        let (mut best, mut codes) = ([T::LOWEST; LEN], [0; LEN]);
        let top = if row * p.stride[0] < p.padding[0] { p.first_tap(0, row) * p.kernel[1] } else { 0 };
        codes[..whole].fill(top as u32);
        for (col, code) in
            strip.clone().zip(&mut codes).take_while(|(col, _)| col * p.stride[1] < p.padding[1])
        {
            *code = (top + p.first_tap(1, col)) as u32;
        }
        for (ky, rows) in self.inside[0].iter().enumerate() {
            if !rows.contains(&row) {
                continue;
            }
            let line = p.place(0, row, ky) * p.w;
            for (kx, cols) in self.inside[1].iter().enumerate() {
                let (from, mut to) = (cols.start.max(strip.start), cols.end.min(strip.end));
                if from >= to {
                    continue;
                }
                let first = line + p.place(1, from, kx);
                // Outputs beyond the strip are dropped: read on, as far as the plane goes.
                if to == strip.end && first + (strip.start + whole - from) * p.stride[1] <= x.len() {
                    to = strip.start + whole;
                }
                let local = from - strip.start..to - strip.start;
                let (best, codes) = (&mut best[local.clone()], &mut codes[local]);
                let (x, code) = (x[first..].as_ptr(), (ky * p.kernel[1] + kx) as u32);
                // SAFETY: taps of `cols` lie in the row, those beyond in the plane.
                unsafe {
                    match p.stride[1] {
                        1 => sweep::<T, 1>(x, 1, best, codes, code),
                        2 => sweep::<T, 2>(x, 2, best, codes, code),
                        stride => sweep::<T, 0>(x, stride, best, codes, code),
                    }
                }
            }
        }
        // SAFETY: the strip lies in the outputs.
        unsafe {
            std::ptr::copy_nonoverlapping(best.as_ptr(), self.y.add(at), len);
            match self.extra {
                Extra::Nothing => {}
                Extra::Codes(to) => (0..len).for_each(|i| to.add(at + i).write(codes[i] as u8)),
                Extra::Indices(to) => {
                    for (i, col) in strip.enumerate() {
                        to.add(at + i).write(p.index(row, col, codes[i] as usize) as i64);
                    }
                }
            }
        }
    }

    fn new(shape: PoolShape, x: *const T, y: *mut T, extra: Extra) -> Self {
        let out = shape.out();
        // Later taps than these lie beyond the image for every output.
        let taps = |i: usize| ([shape.h, shape.w][i] + shape.padding[i]).div_ceil(shape.dilation[i]);
        let inside =
            [0, 1].map(|i| (0..shape.kernel[i].min(taps(i))).map(|k| shape.inside(i, k, out[i])).collect());
        Forward { shape, out, inside, x, y, extra }
    }

    fn start(self) {
        let p = self.shape;
        let cost = (p.h * p.w) as f64 * 0.25;
        par::for_range(p.planes, par::grain_for(p.planes, cost), &|planes| {
            let this = &self;
            #[cfg(target_arch = "x86_64")]
            if is_f32::<T>() && p.is_two_by_two() && halving::available() {
                return this.halve(planes);
            }
            f32::dispatch(level(), (this, planes));
        });
    }
}

// The vectors are the compiler's, whatever `T` is: f32 only names the instruction set.
impl<T: Number> Kernel<f32> for (&Forward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        self.0.planes(self.1);
    }
}

impl<T: Number> Kernel<f32> for (&Backward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        for plane in self.1 {
            self.0.plane(plane);
        }
    }
}

/// `y`: the largest of each window.
///
/// # Safety
/// `x` and `y` have the shape's extents; `y` may be uninitialised and overlaps nothing.
pub unsafe fn max_pool<T: Number>(shape: PoolShape, x: *const T, y: *mut T) {
    Forward::new(shape, x, y, Extra::Nothing).start();
}

/// Also where each was found, as the number of the tap in its window. Needs
/// [`PoolShape::fits_codes`].
///
/// # Safety
/// As [`max_pool`]; `codes` has the extent of `y`.
pub unsafe fn max_pool_codes<T: Number>(shape: PoolShape, x: *const T, y: *mut T, codes: *mut u8) {
    debug_assert!(shape.fits_codes());
    Forward::new(shape, x, y, Extra::Codes(codes)).start();
}

/// Also where each was found, as PyTorch says it: the flat index in the input's plane.
///
/// # Safety
/// As [`max_pool`]; `indices` has the extent of `y`.
pub unsafe fn max_pool_indices<T: Number>(shape: PoolShape, x: *const T, y: *mut T, indices: *mut i64) {
    Forward::new(shape, x, y, Extra::Indices(indices)).start();
}

/// Where the forward found the largest: what the backward takes.
#[derive(Clone, Copy)]
pub enum Found {
    Codes(*const u8),
    /// Each below `h * w`.
    Indices(*const i64),
}

struct Backward<T> {
    shape: PoolShape,
    gy: *const T,
    found: Found,
    gx: *mut T,
}

// SAFETY: planes are disjoint, and every thread writes only those it claimed.
unsafe impl<T: Sync> Sync for Backward<T> {}

impl<T: Number> Backward<T> {
    #[inline(always)]
    fn plane(&self, plane: usize) {
        let (p, [oh, ow]) = (&self.shape, self.shape.out());
        let (pixels, outputs) = (p.h * p.w, oh * ow);
        // SAFETY: the plane is one of the call's; `gx` is filled before it is used as a slice.
        unsafe {
            let gy = std::slice::from_raw_parts(self.gy.add(plane * outputs), outputs);
            let gx = self.gx.add(plane * pixels);
            match self.found {
                Found::Codes(codes) if p.is_halving() => {
                    self.halving(gy, std::slice::from_raw_parts(codes.add(plane * outputs), outputs), gx);
                }
                Found::Codes(codes) => {
                    let gx = zeroed(gx, pixels);
                    // Where each code lies, relative to its window's corner.
                    let mut taps = [0; 256];
                    for (code, tap) in taps[..p.kernel[0] * p.kernel[1]].iter_mut().enumerate() {
                        *tap = code / p.kernel[1] * p.dilation[0] * p.w + code % p.kernel[1] * p.dilation[1];
                    }
                    let corner = p.padding[0] * p.w + p.padding[1];
                    for row in 0..oh {
                        for col in 0..ow {
                            let code = *codes.add(plane * outputs + row * ow + col);
                            let window = row * p.stride[0] * p.w + col * p.stride[1];
                            // A dilated window may lie wholly in the padding: nobody's gradient.
                            if let Some(pixel) = gx.get_mut(window + taps[usize::from(code)] - corner) {
                                *pixel = pixel.plus(gy[row * ow + col]);
                            }
                        }
                    }
                }
                Found::Indices(indices) => {
                    let gx = zeroed(gx, pixels);
                    for (i, &g) in gy.iter().enumerate() {
                        if let Some(pixel) = gx.get_mut(*indices.add(plane * outputs + i) as usize) {
                            *pixel = pixel.plus(g);
                        }
                    }
                }
            }
        }
    }

    /// Windows of 2×2 that do not overlap: every pixel is written once.
    #[inline(always)]
    unsafe fn halving(&self, gy: &[T], codes: &[u8], gx: *mut T) {
        let (w, ow) = (self.shape.w, self.shape.w / 2);
        #[cfg(target_arch = "x86_64")]
        let fast = is_f32::<T>() && halving::available();
        for (row, (gy, codes)) in gy.chunks(ow).zip(codes.chunks(ow)).enumerate() {
            #[cfg(target_arch = "x86_64")]
            if fast {
                // SAFETY: T is f32, the machine has AVX-512, and these are rows of the plane.
                unsafe {
                    let rows = [0, 1].map(|half| gx.add((2 * row + half) * w).cast());
                    halving::backward_row(gy.as_ptr().cast(), codes.as_ptr(), ow, rows);
                }
                continue;
            }
            for half in 0..2 {
                // SAFETY: twice the outputs are all of the plane's rows and columns.
                let line = unsafe { gx.add((2 * row + half) * w) };
                let left = 2 * half as u8;
                for (col, (&g, &code)) in gy.iter().zip(codes).enumerate() {
                    // SAFETY: likewise.
                    unsafe {
                        line.add(2 * col).write(if code == left { g } else { T::ZERO });
                        line.add(2 * col + 1).write(if code == left + 1 { g } else { T::ZERO });
                    }
                }
            }
        }
    }
}

impl PoolShape {
    /// Whole windows of 2×2 side by side.
    fn is_two_by_two(&self) -> bool {
        let two = [2, 2];
        let [oh, ow] = self.out();
        (self.kernel, self.stride, self.padding, self.dilation) == (two, two, [0, 0], [1, 1])
            && 2 * oh <= self.h
            && 2 * ow <= self.w
    }

    /// They cover the plane exactly.
    fn is_halving(&self) -> bool {
        self.is_two_by_two() && self.h.is_multiple_of(2) && self.w.is_multiple_of(2) && self.w > 0
    }
}

#[cfg(target_arch = "x86_64")]
fn is_f32<T: 'static>() -> bool {
    std::any::TypeId::of::<T>() == std::any::TypeId::of::<f32>()
}

unsafe fn zeroed<'a, T: Number>(p: *mut T, len: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { filled(p, len, T::ZERO) }
}

#[inline(always)]
unsafe fn filled<'a, T: Number>(p: *mut T, len: usize, value: T) -> &'a mut [T] {
    // SAFETY: the caller's promise: `len` elements of its own.
    unsafe {
        (0..len).for_each(|i| p.add(i).write(value));
        std::slice::from_raw_parts_mut(p, len)
    }
}

/// `gx`: each output's gradient goes to where its value was found.
///
/// # Safety
/// `gy` has the output's extent, `found` is what the forward wrote for the same shape, `gx` has
/// the input's extent; it may be uninitialised and overlaps nothing.
pub unsafe fn max_pool_backward<T: Number>(shape: PoolShape, gy: *const T, found: Found, gx: *mut T) {
    let call = Backward { shape, gy, found, gx };
    let cost = (shape.h * shape.w) as f64 * 0.5;
    par::for_range(shape.planes, par::grain_for(shape.planes, cost), &|planes| {
        let call = &call;
        f32::dispatch(level(), (call, planes));
    });
}

#[cfg(test)]
mod tests;
