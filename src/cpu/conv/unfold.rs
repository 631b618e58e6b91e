//! Small images: many of them are unfolded into one matrix, so that the product has enough columns.
//!
//! The unfolded matrix has a row for each term (channel, ky, kx) and a column for each output pixel of each image of a
//! block. The output is the weight times it, the input's gradient is folded from the weight's transpose times the
//! output's gradient, and the weight's gradient is the output's gradient times its transpose.

use super::scratch::{self, Shared};
use super::{AllocError, Conv2dShape};
use crate::cpu::gemm::{self, Bias, Mat, Product};
use crate::cpu::par;
use crate::cpu::simd::Level;
use std::ops::Range;

/// Columns of a block of images, about.
const COLUMNS: usize = 512;

/// Output pixels of an image, up to which this is likely to be faster than the direct engine.
const SMALL: usize = 16;

/// Channels and filters at least: with fewer, unfolding costs more than the product.
const CHANNELS: usize = 16;

/// Whether this algorithm can run, and is likely to be faster than the direct one.
pub fn pays(s: &Conv2dShape) -> bool {
    let [oh, ow] = s.out();
    s.groups == 1 && oh * ow <= SMALL && s.c >= CHANNELS && s.oc >= CHANNELS
}

/// A tap of the kernel along one axis, and the outputs for which it meets the image.
#[derive(Clone)]
struct Tap {
    offset: isize,
    outputs: Range<usize>,
}

impl Tap {
    /// The taps of axis `i`.
    fn all(s: &Conv2dShape, i: usize) -> Vec<Tap> {
        let (size, taps, outputs) = ([s.h, s.w][i], [s.kh, s.kw][i], s.out()[i]);
        let tap = |t: usize| {
            let offset = (t * s.dilation[i]) as isize - s.padding[i] as isize;
            let meets = |o: &usize| (0..size as isize).contains(&((o * s.stride[i]) as isize + offset));
            let first = (0..outputs).find(meets).unwrap_or(0);
            let count = (first..outputs).take_while(|o| meets(o)).count();
            Tap { offset, outputs: first..first + count }
        };
        (0..taps).map(tap).collect()
    }
}

/// A convolution whose images are unfolded block by block.
struct Unfolded<'a> {
    s: &'a Conv2dShape,
    level: Level,
    rows: Vec<Tap>,
    cols: Vec<Tap>,
    /// Where the first tap's weight is, and how far it is from one term's weight to the next: where only one tap ever
    /// meets the image, the others are left out.
    weight: (usize, usize),
    pixels: usize,
    /// Images of a block.
    block: usize,
}

impl<'a> Unfolded<'a> {
    fn new(level: Level, s: &'a Conv2dShape) -> Unfolded<'a> {
        let (mut rows, mut cols) = (Tap::all(s, 0), Tap::all(s, 1));
        let live = |taps: &[Tap]| -> Vec<usize> {
            (0..taps.len()).filter(|&t| !taps[t].outputs.is_empty()).collect()
        };
        let mut weight = (0, 1);
        if let ([y], [x]) = (live(&rows).as_slice(), live(&cols).as_slice()) {
            weight = (y * s.kw + x, s.taps());
            (rows, cols) = (vec![rows[*y].clone()], vec![cols[*x].clone()]);
        }
        let [oh, ow] = s.out();
        let block = (COLUMNS / (oh * ow)).clamp(1, s.n);
        Unfolded { s, level, rows, cols, weight, pixels: oh * ow, block }
    }

    fn terms(&self) -> usize {
        self.s.c * self.rows.len() * self.cols.len()
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let (n, block) = (self.s.n, self.block);
        (0..n).step_by(block).map(move |first| first..n.min(first + block))
    }

    /// The weight as a matrix of filters by terms.
    fn filters(&self, weight: *const f32) -> Mat<f32> {
        let (first, step) = self.weight;
        Mat { ptr: weight.wrapping_add(first), rs: (self.s.c * self.s.taps()) as isize, cs: step as isize }
    }

    fn product(&self, [m, n, k]: [usize; 3], a: Mat<f32>, b: Mat<f32>, c: *mut f32) -> Product<f32> {
        Product { m, n, k, a, b, c, ldc: n, accumulate: false, bias: Bias::None }
    }

    /// Calls `each(channel)` for all channels, on several threads where that pays.
    fn for_channels(&self, channels: usize, elements: usize, each: &(impl Fn(usize) + Sync)) {
        par::for_range(channels, par::grain_for(channels, elements as f64), &|range| range.for_each(each));
    }

    /// Calls `run(to, from, tap)` for each tap and row of outputs of a channel that meets the image: output `ox` stands at
    /// `to + ox` in the matrix, the row of pixels that the tap reads begins at `from`.
    fn runs(&self, channel: usize, images: &Range<usize>, mut run: impl FnMut(usize, usize, &Tap)) {
        let s = self.s;
        let [_, ow] = s.out();
        let columns = images.len() * self.pixels;
        for (ky, y) in self.rows.iter().enumerate() {
            for (kx, x) in self.cols.iter().enumerate() {
                let row = ((channel * self.rows.len() + ky) * self.cols.len() + kx) * columns;
                for (i, image) in images.clone().enumerate() {
                    for oy in y.outputs.clone() {
                        let iy = ((oy * s.stride[0]) as isize + y.offset) as usize;
                        let source = ((image * s.c + channel) * s.h + iy) * s.w;
                        run(row + i * self.pixels + oy * ow, source, x);
                    }
                }
            }
        }
    }

    /// # Safety
    /// `x` has the shape's extents, `to` room for the terms of the images' pixels.
    unsafe fn unfold(&self, x: *const f32, images: &Range<usize>, to: *mut f32) {
        let step = self.s.stride[1];
        let row = images.len() * self.pixels;
        let rows = self.rows.len() * self.cols.len();
        let (x, to) = (Shared::of(x), Shared::new(to));
        self.for_channels(self.s.c, rows * row, &|channel| {
            // SAFETY: rows of one channel; what is read lies inside the image.
            unsafe {
                to.at(channel * rows * row).write_bytes(0, rows * row);
                self.runs(channel, images, |to_row, source, tap| {
                    for ox in tap.outputs.clone() {
                        let ix = ((ox * step) as isize + tap.offset) as usize;
                        *to.at(to_row + ox) = *x.at(source + ix);
                    }
                });
            }
        });
    }

    /// Adds up what falls onto each pixel.
    ///
    /// # Safety
    /// As for [`Unfolded::unfold`]; `x` is written.
    unsafe fn fold(&self, from: *const f32, images: &Range<usize>, x: *mut f32) {
        let s = self.s;
        let (plane, step) = (s.h * s.w, s.stride[1]);
        let (x, from) = (Shared::new(x), Shared::of(from));
        let work = images.len() * self.pixels * self.rows.len() * self.cols.len();
        self.for_channels(s.c, work, &|channel| {
            // SAFETY: planes of one channel.
            unsafe {
                for image in images.clone() {
                    x.at((image * s.c + channel) * plane).write_bytes(0, plane);
                }
                self.runs(channel, images, |row, source, tap| {
                    for ox in tap.outputs.clone() {
                        let ix = ((ox * step) as isize + tap.offset) as usize;
                        *x.at(source + ix) += *from.at(row + ox);
                    }
                });
            }
        });
    }

    /// Copies the filters' planes of a block of images to, or (`back`) from, a matrix of filters by pixels.
    ///
    /// # Safety
    /// Both have the extents.
    unsafe fn gather(&self, planes: *mut f32, images: &Range<usize>, matrix: *mut f32, back: bool) {
        let (oc, pixels) = (self.s.oc, self.pixels);
        let (planes, matrix) = (Shared::new(planes), Shared::new(matrix));
        self.for_channels(oc, images.len() * pixels, &|filter| {
            for (i, image) in images.clone().enumerate() {
                let plane = planes.at((image * oc + filter) * pixels);
                let row = matrix.at((filter * images.len() + i) * pixels);
                for p in 0..pixels {
                    // SAFETY: pixels of one filter.
                    unsafe { if back { *plane.add(p) = *row.add(p) } else { *row.add(p) = *plane.add(p) } }
                }
            }
        });
    }

    /// Floats of scratch: the unfolded matrix, and that of filters by pixels.
    fn room(&self) -> [usize; 2] {
        let columns = self.block * self.pixels;
        [scratch::lines(self.terms() * columns), scratch::lines(self.s.oc * columns)]
    }
}

/// See [`super::forward`].
///
/// # Safety
/// As there; no size is zero.
pub unsafe fn forward(
    level: Level,
    s: &Conv2dShape,
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
) -> Result<(), AllocError> {
    let u = Unfolded::new(level, s);
    let [matrix, outputs] = u.room();
    scratch::with(matrix + outputs, |matrix_at| {
        let outputs_at = matrix_at.wrapping_add(matrix);
        for images in u.blocks() {
            let columns = images.len() * u.pixels;
            let unfolded = Mat { ptr: matrix_at.cast_const(), rs: columns as isize, cs: 1 };
            // One image's matrix is its planes.
            let c = if s.n == 1 { y } else { outputs_at };
            let mut product = u.product([s.oc, columns, u.terms()], u.filters(weight), unfolded, c);
            if !bias.is_null() {
                product.bias = Bias::PerRow(bias);
            }
            // SAFETY: the caller's promise; scratch is laid out above.
            unsafe {
                u.unfold(x, &images, matrix_at);
                gemm::gemm_in(u.level, &product);
                if s.n > 1 {
                    u.gather(y, &images, outputs_at, true);
                }
            }
        }
    })
}

/// See [`super::backward_input`].
///
/// # Safety
/// As there; no size is zero.
pub unsafe fn backward_input(
    level: Level,
    s: &Conv2dShape,
    gy: *const f32,
    weight: *const f32,
    gx: *mut f32,
) -> Result<(), AllocError> {
    let u = Unfolded::new(level, s);
    let [matrix, outputs] = u.room();
    scratch::with(matrix + outputs, |matrix_at| {
        let outputs_at = matrix_at.wrapping_add(matrix);
        for images in u.blocks() {
            let columns = images.len() * u.pixels;
            // SAFETY: the caller's promise; scratch is laid out above.
            unsafe {
                u.gather(gy.cast_mut(), &images, outputs_at, false);
                let gradient = Mat { ptr: outputs_at.cast_const(), rs: columns as isize, cs: 1 };
                let filters = u.filters(weight).t();
                gemm::gemm_in(u.level, &u.product([u.terms(), columns, s.oc], filters, gradient, matrix_at));
                u.fold(matrix_at, &images, gx);
            }
        }
    })
}

/// See [`super::backward_weight`].
///
/// # Safety
/// As there; no size is zero.
pub unsafe fn backward_weight(
    level: Level,
    s: &Conv2dShape,
    x: *const f32,
    gy: *const f32,
    gw: *mut f32,
) -> Result<(), AllocError> {
    let u = Unfolded::new(level, s);
    let [matrix, outputs] = u.room();
    let (first, step) = u.weight;
    let apart = if step > 1 { s.oc * u.terms() } else { 0 };
    scratch::with(matrix + outputs + apart, |matrix_at| {
        let outputs_at = matrix_at.wrapping_add(matrix);
        let sums = if apart > 0 { outputs_at.wrapping_add(outputs) } else { gw };
        for images in u.blocks() {
            let columns = images.len() * u.pixels;
            // SAFETY: the caller's promise; scratch is laid out above.
            unsafe {
                u.unfold(x, &images, matrix_at);
                u.gather(gy.cast_mut(), &images, outputs_at, false);
                let gradient = Mat { ptr: outputs_at.cast_const(), rs: columns as isize, cs: 1 };
                let unfolded = Mat { ptr: matrix_at.cast_const(), rs: columns as isize, cs: 1 };
                let product = u.product([s.oc, u.terms(), columns], gradient, unfolded.t(), sums);
                gemm::gemm_in(u.level, &Product { accumulate: images.start > 0, ..product });
            }
        }
        if apart > 0 {
            // SAFETY: every weight has `step` taps, of which one met the image.
            unsafe {
                gw.write_bytes(0, apart * step);
                (0..apart).for_each(|i| *gw.add(i * step + first) = *sums.add(i));
            }
        }
    })
}
