//! The gradients of weight and bias.
//!
//! A weight's gradient is a dot product over images and pixels of the output's gradient and the
//! displaced [`Window`](super::window::Window) of the input. Two micro-kernels:
//! - `outer`, for most shapes: the gradient is transposed so that the filters of a pixel are
//!   neighbours; each pixel adds the outer product of up to 14 terms (channel, ky, kx), broadcast
//!   from the window, and two vectors of filters.
//! - `dots`, for few terms (a first layer), where transposing would cost more than the sums: vectors
//!   run along the pixels of both operands as they lie; lanes are added up at the end.
//!
//! Images are cut into parts by shape alone; each part has its own sums, added in order at the end.

#![allow(clippy::needless_range_loop, reason = "tiles of registers are arrays that several indices address")]

use super::direct::{each, input_window, term_offsets};
use super::lanes::{Lanes, Portable};
use super::scratch::{self, Shared};
use super::{AllocError, Conv2dShape, Real};
use crate::cpu::par;
use crate::cpu::simd::{Element, Kernel, Level, Simd};

/// Terms from which the output's gradient is transposed.
const OUTER_TERMS: usize = 64;

/// Parts whose sums are kept apart, and the floats they may take together.
const PARTS: usize = 16;
const PARTS_LEN: usize = 4 << 20;

/// Floats of window that a job fills before it computes: half of L2.
const WINDOW_LEN: usize = 128 << 10;

/// Multiplications below which waking another thread costs more than it saves.
const SERIAL: usize = 1 << 17;

/// A vector of pixels: where it starts in the window and in the copy of the gradient's plane, and
/// how many of its lanes are pixels.
#[derive(Clone, Copy)]
struct Run {
    window: u32,
    gy: u32,
    len: u32,
}

/// One call of a micro-kernel.
struct Sums<'a> {
    images: usize,
    window: *const f32,
    window_image: usize,
    /// Where the terms are read in the window.
    offsets: &'a [u32],
    gy: *const f32,
    gy_image: usize,
    /// Distance of two filters in `gy`; transposed, they are neighbours.
    gy_filter: usize,
    /// For `dots`: the pixels, cut into vectors.
    runs: &'a [Run],
    /// For `outer`: the pixels, and the columns of the window.
    pixels: [usize; 2],
    window_cols: usize,
    /// Filters that are wanted.
    filters: usize,
    /// `sums[filter * ld + term]`
    sums: *mut f32,
    ld: usize,
    accumulate: bool,
}

#[inline(always)]
unsafe fn dots<S: Lanes, const TERMS: usize, const FILTERS: usize>(d: &Sums) {
    // SAFETY: `len` lanes of runs and displaced runs lie in their planes.
    unsafe {
        let mut acc = [[S::splat(0.0); FILTERS]; TERMS];
        for image in 0..d.images {
            let window = d.window.add(image * d.window_image);
            let x: [*const f32; TERMS] = std::array::from_fn(|t| window.add(d.offsets[t] as usize));
            let gy = d.gy.add(image * d.gy_image);
            let gy: [*const f32; FILTERS] = std::array::from_fn(|f| gy.add(f * d.gy_filter));
            for run in d.runs {
                let len = run.len as usize;
                let g = gy.map(|g| S::load_first(g.add(run.gy as usize), len));
                for t in 0..TERMS {
                    // Masked as well: an infinity past the row's end times zero would be NaN.
                    let x = S::load_first(x[t].add(run.window as usize), len);
                    for f in 0..FILTERS {
                        acc[t][f] = S::fma(x, g[f], acc[t][f]);
                    }
                }
            }
        }
        for t in 0..TERMS {
            for f in 0..FILTERS {
                let sum = d.sums.add(f * d.ld + t);
                let old = if d.accumulate { *sum } else { 0.0 };
                *sum = old + S::sum(acc[t][f]);
            }
        }
    }
}

/// `gy` is transposed, with `WIDTH` vectors of filters a pixel.
#[inline(always)]
unsafe fn outer<S: Lanes, const TERMS: usize, const WIDTH: usize>(d: &Sums) {
    // SAFETY: the window covers every displaced pixel; `gy` has whole vectors.
    unsafe {
        let mut acc = [[S::splat(0.0); WIDTH]; TERMS];
        let offsets: [u32; TERMS] = std::array::from_fn(|t| d.offsets[t]);
        for image in 0..d.images {
            let mut gy = d.gy.add(image * d.gy_image);
            for row in 0..d.pixels[0] {
                let mut x = d.window.add(image * d.window_image + row * d.window_cols);
                for _ in 0..d.pixels[1] {
                    let g: [S::V; WIDTH] = std::array::from_fn(|j| S::load(gy.add(j * S::N)));
                    for t in 0..TERMS {
                        let x = S::splat(*x.add(offsets[t] as usize));
                        for j in 0..WIDTH {
                            acc[t][j] = S::fma(x, g[j], acc[t][j]);
                        }
                    }
                    gy = gy.add(WIDTH * S::N);
                    x = x.add(1);
                }
            }
        }
        let mut lanes = [[[0.0f32; 16]; WIDTH]; TERMS];
        for t in 0..TERMS {
            for j in 0..WIDTH {
                S::store(lanes[t][j].as_mut_ptr(), acc[t][j]);
            }
        }
        for (t, lanes) in lanes.iter().enumerate() {
            for f in 0..d.filters {
                let sum = d.sums.add(f * d.ld + t);
                let old = if d.accumulate { *sum } else { 0.0 };
                *sum = old + lanes[f / S::N][f % S::N];
            }
        }
    }
}

type SumsFn = unsafe fn(&Sums);

/// The entries of both micro-kernels for an instruction set.
macro_rules! entries {
    ($(#[$attribute:meta])* $dots:ident, $outer:ident, $lanes:ty) => {
        $(#[$attribute])*
        unsafe fn $dots<const TERMS: usize, const FILTERS: usize>(d: &Sums) {
            // SAFETY: the caller's promise.
            unsafe { dots::<$lanes, TERMS, FILTERS>(d) }
        }

        $(#[$attribute])*
        unsafe fn $outer<const TERMS: usize, const WIDTH: usize>(d: &Sums) {
            // SAFETY: the caller's promise.
            unsafe { outer::<$lanes, TERMS, WIDTH>(d) }
        }
    };
}

entries!(dots_portable, outer_portable, Portable);
#[cfg(target_arch = "x86_64")]
entries!(
    #[target_feature(enable = "avx2,fma")]
    dots_avx2,
    outer_avx2,
    super::lanes::Avx2
);
#[cfg(target_arch = "x86_64")]
entries!(
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    dots_avx512,
    outer_avx512,
    super::lanes::Avx512
);

/// The micro-kernels of an instruction set.
struct Kernels {
    lanes: usize,
    /// By terms - 1 and filters - 1. The compiler loads all operands before it uses the first:
    /// they must fit into the registers beside the sums.
    dots: &'static [[SumsFn; 4]],
    /// By terms - 1 and vectors of filters - 1.
    outer: &'static [[SumsFn; 2]],
}

fn kernels(level: Level) -> Kernels {
    macro_rules! four {
        ($f:ident, $($terms:literal)*) => { &[$([$f::<$terms, 1>, $f::<$terms, 2>, $f::<$terms, 3>, $f::<$terms, 4>]),*] };
    }
    macro_rules! two {
        ($f:ident, $($terms:literal)*) => { &[$([$f::<$terms, 1>, $f::<$terms, 2>]),*] };
    }
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            Kernels { lanes: 8, dots: four!(dots_avx2, 1 2), outer: two!(outer_avx2, 1 2 3 4 5 6) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => Kernels {
            lanes: 16,
            dots: four!(dots_avx512, 1 2 3 4 5),
            outer: two!(outer_avx512, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        },
        _ => Kernels { lanes: 4, dots: four!(dots_portable, 1 2), outer: two!(outer_portable, 1 2 3 4) },
    }
}

/// Transposes the planes of some filters: a pixel's filters side by side, zeros up to `width`.
struct Transpose {
    from: *const f32,
    pixels: usize,
    filters: usize,
    to: *mut f32,
    width: usize,
}

impl Kernel<f32> for Transpose {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let step = S::LANES.min(self.width);
        for first in (0..self.width).step_by(step) {
            let rows = self.filters.saturating_sub(first).min(step);
            for pixel in (0..self.pixels).step_by(S::LANES) {
                let cols = S::LANES.min(self.pixels - pixel);
                // SAFETY: the blocks lie in the planes and, transposed, in `pixels` rows of `width`.
                unsafe {
                    let from = self.from.add(first.min(self.filters - rows) * self.pixels + pixel);
                    let to = self.to.add(pixel * self.width + first);
                    s.transpose(from, self.pixels as isize, (rows, cols), to, self.width, step);
                }
            }
        }
    }
}

/// `size` cut evenly into ranges of at most `max`.
fn ranges(size: usize, max: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = size.div_ceil(max);
    (0..count).map(move |i| size * i / count..size * (i + 1) / count)
}

/// # Safety
/// As [`super::backward_weight`]. The shape [`fits`](super::direct::fits) and is not empty.
pub unsafe fn backward_weight(
    level: Level,
    s: &Conv2dShape,
    x: *const f32,
    gy: *const f32,
    gw: *mut f32,
) -> Result<(), AllocError> {
    let kernels = kernels(level);
    let [oh, ow] = s.out();
    let window = input_window(s);
    let offsets = term_offsets(s, &window);
    let use_outer = offsets.len() >= OUTER_TERMS;
    let mut runs = Vec::new();
    for row in 0..oh {
        for col in (0..ow).step_by(kernels.lanes) {
            let len = kernels.lanes.min(ow - col);
            runs.push(Run {
                window: (row * window.cols + col) as u32,
                gy: (row * ow + col) as u32,
                len: len as u32,
            });
        }
    }

    let (depth, filters, taps, channel) = (s.group_c(), s.group_oc(), s.taps(), window.channel_len());
    let gw_len = s.oc * depth * taps;
    let parts = s.n.min(PARTS).min((PARTS_LEN / gw_len).max(1));
    // Channels of a job: as many as the cache holds, fewer where there would be few jobs.
    let by_jobs = depth.div_ceil(PARTS.div_ceil(parts * s.groups));
    let channels = (WINDOW_LEN / channel).clamp(1, by_jobs);
    let blocks = depth.div_ceil(channels);
    let images = (WINDOW_LEN / (channels * channel)).clamp(1, s.n.div_ceil(parts));
    // Filters of a call, and, for `outer`, the floats that a pixel takes for all filters.
    let width = if use_outer { (2 * kernels.lanes).min(filters.next_multiple_of(kernels.lanes)) } else { 4 };
    let gy_pixel = filters.next_multiple_of(width);
    // A job's window and, after it, its gradient, transposed.
    let window_len = scratch::lines(images * channels * channel + 16);
    let gy_len = if use_outer { scratch::lines(images * oh * ow * gy_pixel) } else { 0 };
    let slot_len = window_len + gy_len;
    let serial = s.n * gw_len * oh * ow < SERIAL;
    let slots = if serial { 1 } else { par::num_threads() };
    let part_len = scratch::lines(gw_len);
    let sums_len = if parts > 1 { parts * part_len } else { 0 };

    scratch::with(sums_len + slots * slot_len, |scratch| {
        let sums = Shared::new(if parts > 1 { scratch } else { gw });
        let windows = Shared::new(scratch.wrapping_add(sums_len));
        let (x, gy, gw) = (Shared::of(x), Shared::of(gy), Shared::new(gw));
        each(serial, parts * s.groups * blocks, &|slot, job| {
            let (part, group, block) = (job / blocks / s.groups, job / blocks % s.groups, job % blocks);
            let channels = block * channels..((block + 1) * channels).min(depth);
            let part_images = s.n * part / parts..s.n * (part + 1) / parts;
            let image_len = channels.len() * channel;
            for first in part_images.clone().step_by(images) {
                let batch = first..(first + images).min(part_images.end);
                // SAFETY: a job writes the sums of its part, group and channels, and its own window;
                // reads stay inside the shape's extents.
                unsafe {
                    let filled = windows.at(slot * slot_len);
                    for image in batch.clone() {
                        let mut to = filled.add((image - first) * image_len);
                        for ch in channels.clone() {
                            window.copy_channel(x.at((image * s.c + group * depth + ch) * s.h * s.w), to);
                            to = to.add(channel);
                        }
                    }
                    let transposed = filled.add(window_len);
                    if use_outer {
                        for image in batch.clone() {
                            for some in (0..filters).step_by(width) {
                                let filter = group * filters + some;
                                f32::dispatch(
                                    level,
                                    Transpose {
                                        from: gy.at((image * s.oc + filter) * oh * ow),
                                        pixels: oh * ow,
                                        filters: width.min(filters - some),
                                        to: transposed.add(((image - first) * gy_pixel + some) * oh * ow),
                                        width,
                                    },
                                );
                            }
                        }
                    }
                    for some in (0..filters).step_by(width) {
                        let count = width.min(filters - some);
                        let filter = group * filters + some;
                        let max_terms = if use_outer { kernels.outer.len() } else { kernels.dots.len() };
                        for terms in ranges(channels.len() * taps, max_terms) {
                            let at = filter * depth * taps + channels.start * taps + terms.start;
                            let call = Sums {
                                images: batch.len(),
                                window: filled,
                                window_image: image_len,
                                offsets: &offsets[terms.clone()],
                                gy: if use_outer {
                                    transposed.add(some * oh * ow)
                                } else {
                                    gy.at((first * s.oc + filter) * oh * ow)
                                },
                                gy_image: if use_outer { gy_pixel * oh * ow } else { s.oc * oh * ow },
                                gy_filter: oh * ow,
                                runs: &runs,
                                pixels: [oh, ow],
                                window_cols: window.cols,
                                filters: count,
                                sums: sums.at(part * part_len + at),
                                ld: depth * taps,
                                accumulate: first > part_images.start,
                            };
                            if use_outer {
                                kernels.outer[terms.len() - 1][width / kernels.lanes - 1](&call);
                            } else {
                                kernels.dots[terms.len() - 1][count - 1](&call);
                            }
                        }
                    }
                }
            }
        });
        if parts > 1 {
            const CHUNK: usize = 4096;
            each(serial, gw_len.div_ceil(CHUNK), &|_, i| {
                // SAFETY: chunks are disjoint parts of `gw`.
                unsafe {
                    for j in i * CHUNK..gw_len.min((i + 1) * CHUNK) {
                        *gw.at(j) = (0..parts).map(|p| *sums.at(p * part_len + j)).sum();
                    }
                }
            });
        }
    })
}

/// The sum of a plane, of vectors in the type.
struct PlaneSum<'a, T>(&'a [T]);

impl<T: Real> Kernel<T> for PlaneSum<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T {
        const UNROLL: usize = 4;
        let mut acc = [s.zero(); UNROLL];
        let chunks = self.0.chunks_exact(UNROLL * S::LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (u, acc) in acc.iter_mut().enumerate() {
                // SAFETY: a chunk has four vectors.
                *acc = s.add(*acc, unsafe { s.load(chunk.as_ptr().add(u * S::LANES)) });
            }
        }
        let sum = s.sum(s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3])));
        rest.iter().fold(sum, |a, &b| a + b)
    }
}

/// # Safety
/// As [`super::backward_bias`].
pub unsafe fn backward_bias<T: Real>(s: &Conv2dShape, gy: *const T, gb: *mut T) {
    let pixels: usize = s.out().iter().product();
    let (gy, gb) = (Shared::of(gy), Shared::new(gb));
    each(s.n * s.oc * pixels < SERIAL, s.oc, &|_, o| {
        // Added up in f64: a channel may have millions of pixels.
        let mut total = 0.0;
        for image in 0..s.n {
            // SAFETY: the planes of channel `o` are inside `gy`.
            let plane = unsafe { std::slice::from_raw_parts(gy.at((image * s.oc + o) * pixels), pixels) };
            total += T::dispatch(crate::cpu::simd::level(), PlaneSum(plane)).to_f64().unwrap_or(f64::NAN);
        }
        // SAFETY: one element a job.
        unsafe { gb.at(o).write(T::from(total).unwrap_or(T::nan())) };
    });
}
