//! The gradients of weight and bias.
//!
//! A weight's gradient is a dot product over images and pixels of the output's gradient and the
//! displaced [`Window`](super::window::Window) of the input. The micro-kernel keeps up to
//! [`MAX_TERMS`] terms (channel, ky, kx) times [`MAX_FILTERS`] filters in registers, a vector of
//! partial sums each, and streams along the pixels of several images before it adds up the lanes.
//! Nothing is transposed or broadcast, but the operands are copied so that their rows start on a
//! cache line: loads that cross two lines take as long as the arithmetic.
//!
//! Images are cut into parts by shape alone; each part has its own sums, added in order at the end.

use super::direct::{each, input_window, term_offsets};
use super::lanes::{Lanes, Level, Portable};
use super::scratch::{self, Shared};
use super::{AllocError, Conv2dShape, Real};
use crate::cpu::par;

/// Terms and filters of the largest micro-kernel: 20 sums in the 32 registers of AVX-512; the
/// compiler loads all nine operands before it uses the first, and they must fit as well.
const MAX_TERMS: usize = 5;
const MAX_FILTERS: usize = 4;

/// Parts whose sums are kept apart, and the floats they may take together.
const PARTS: usize = 16;
const PARTS_LEN: usize = 4 << 20;

/// Floats of window that a job fills before it computes: half of L2.
const WINDOW_LEN: usize = 128 << 10;

/// Floats of a cache line.
const LINE: usize = 16;

/// Terms from which the output's gradient is copied to aligned rows.
const COPY_TERMS: usize = 64;

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

/// One call of the micro-kernel.
struct Dots<'a> {
    images: usize,
    window: *const f32,
    window_image: usize,
    /// Where the terms are read in the window.
    offsets: &'a [u32],
    gy: *const f32,
    gy_image: usize,
    /// Distance of two filters in `gy`.
    gy_filter: usize,
    runs: &'a [Run],
    /// `sums[filter * ld + term]`
    sums: *mut f32,
    ld: usize,
    accumulate: bool,
}

/// `MASKED`: keep to the pixels of a run. Without, `gy` has zeros past them and `window` finite
/// numbers, and loads cost no mask (which takes the place of an addition).
#[inline(always)]
unsafe fn dots<S: Lanes, const MASKED: bool, const TERMS: usize, const FILTERS: usize>(d: &Dots) {
    // SAFETY: runs and displaced runs lie in their planes, whole vectors of them without masks.
    unsafe {
        let mut acc = [[S::splat(0.0); FILTERS]; TERMS];
        for image in 0..d.images {
            let window = d.window.add(image * d.window_image);
            let x: [*const f32; TERMS] = std::array::from_fn(|t| window.add(d.offsets[t] as usize));
            let gy = d.gy.add(image * d.gy_image);
            let gy: [*const f32; FILTERS] = std::array::from_fn(|f| gy.add(f * d.gy_filter));
            for run in d.runs {
                let len = run.len as usize;
                let load = |p: *const f32| if MASKED { S::load_first(p, len) } else { S::load(p) };
                let g = gy.map(|g| load(g.add(run.gy as usize)));
                for t in 0..TERMS {
                    let x = load(x[t].add(run.window as usize));
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

type DotsFn = unsafe fn(&Dots);

unsafe fn dots_portable<const MASKED: bool, const TERMS: usize, const FILTERS: usize>(d: &Dots) {
    // SAFETY: the caller's promise.
    unsafe { dots::<Portable, MASKED, TERMS, FILTERS>(d) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn dots_avx2<const MASKED: bool, const TERMS: usize, const FILTERS: usize>(d: &Dots) {
    // SAFETY: the caller's promise.
    unsafe { dots::<super::lanes::Avx2, MASKED, TERMS, FILTERS>(d) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn dots_avx512<const MASKED: bool, const TERMS: usize, const FILTERS: usize>(d: &Dots) {
    // SAFETY: the caller's promise.
    unsafe { dots::<super::lanes::Avx512, MASKED, TERMS, FILTERS>(d) }
}

/// Micro-kernels by terms - 1 and filters - 1.
type Table = &'static [[DotsFn; MAX_FILTERS]];

struct Kernels {
    lanes: usize,
    terms: usize,
    masked: Table,
    whole: Table,
}

fn kernels(level: Level) -> Kernels {
    macro_rules! table {
        ($f:ident, $masked:literal, $($terms:literal)*) => {
            &[$([
                $f::<$masked, $terms, 1>,
                $f::<$masked, $terms, 2>,
                $f::<$masked, $terms, 3>,
                $f::<$masked, $terms, 4>,
            ]),*]
        };
    }
    macro_rules! kernels {
        ($f:ident, $lanes:literal, $($terms:literal)*) => {
            Kernels {
                lanes: $lanes,
                terms: [$($terms),*].len(),
                masked: table!($f, true, $($terms)*),
                whole: table!($f, false, $($terms)*),
            }
        };
    }
    match level {
        Level::Portable => kernels!(dots_portable, 4, 1 2),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => kernels!(dots_avx2, 8, 1 2),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => kernels!(dots_avx512, 16, 1 2 3 4 5),
    }
}

/// `size` cut evenly into ranges of at most `max`.
fn ranges(size: usize, max: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = size.div_ceil(max);
    (0..count).map(move |i| size * i / count..size * (i + 1) / count)
}

/// No infinity and no NaN; without branches, so that it is as fast as a read.
fn is_finite(x: &[f32]) -> bool {
    let mut sums = [0.0; LINE];
    let (lines, rest) = x.as_chunks::<LINE>();
    for line in lines {
        sums.iter_mut().zip(line).for_each(|(s, v)| *s += v * 0.0);
    }
    sums.iter().chain(rest).map(|v| v * 0.0).sum::<f32>() == 0.0
}

/// Copies rows of `cols[0]` floats into rows of `cols[1]`, zero at their ends.
unsafe fn copy_rows(from: *const f32, to: *mut f32, rows: usize, cols: [usize; 2]) {
    for row in 0..rows {
        // SAFETY: the caller's promise: both have `rows` rows.
        unsafe {
            let to = to.add(row * cols[1]);
            std::ptr::copy_nonoverlapping(from.add(row * cols[0]), to, cols[0]);
            std::ptr::write_bytes(to.add(cols[0]), 0, cols[1] - cols[0]);
        }
    }
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
    let window = input_window(s, LINE);
    let offsets = term_offsets(s, &window);
    // With few terms the copy of the gradient costs more than it saves.
    let copy_gy = offsets.len() >= COPY_TERMS;
    let gy_cols = if copy_gy { ow.next_multiple_of(LINE) } else { ow };
    let mut runs = Vec::new();
    for row in 0..oh {
        for col in (0..ow).step_by(kernels.lanes) {
            let len = kernels.lanes.min(ow - col);
            runs.push(Run { window: (row * window.cols + col) as u32, gy: (row * gy_cols + col) as u32, len: len as u32 });
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
    let gy_plane = oh * gy_cols;
    // A job's window and, after it, its gradient.
    let window_len = scratch::lines(images * channels * channel);
    let slot_len = window_len + if copy_gy { scratch::lines(images * filters * gy_plane) } else { 0 };
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
                    let mut gradient = gy.at((first * s.oc + group * filters) * oh * ow);
                    let mut gradient_image = s.oc * oh * ow;
                    if copy_gy {
                        let from = Shared::new(gradient);
                        (gradient, gradient_image) = (filled.add(window_len), filters * gy_plane);
                        for image in 0..batch.len() {
                            copy_rows(
                                from.at(image * s.oc * oh * ow),
                                gradient.add(image * gradient_image),
                                filters * oh,
                                [ow, gy_cols],
                            );
                        }
                    }
                    let filled_len = batch.len() * image_len;
                    // Vectors of the last row read past it.
                    std::ptr::write_bytes(filled.add(filled_len), 0, LINE);
                    let whole = copy_gy && is_finite(std::slice::from_raw_parts(filled, filled_len));
                    let table = if whole { kernels.whole } else { kernels.masked };
                    for terms in ranges(channels.len() * taps, kernels.terms) {
                        for some in ranges(filters, MAX_FILTERS) {
                            let filter = group * filters + some.start;
                            let at = filter * depth * taps + channels.start * taps + terms.start;
                            (table[terms.len() - 1][some.len() - 1])(&Dots {
                                images: batch.len(),
                                window: filled,
                                window_image: image_len,
                                offsets: &offsets[terms.clone()],
                                gy: gradient.add(some.start * gy_plane),
                                gy_image: gradient_image,
                                gy_filter: gy_plane,
                                runs: &runs,
                                sums: sums.at(part * part_len + at),
                                ld: depth * taps,
                                accumulate: first > part_images.start,
                            });
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

/// # Safety
/// As [`super::backward_bias`].
pub unsafe fn backward_bias<T: Real>(s: &Conv2dShape, gy: *const T, gb: *mut T) {
    const LANES: usize = 64;
    let pixels: usize = s.out().iter().product();
    let (gy, gb) = (Shared::of(gy), Shared::new(gb));
    each(s.n * s.oc * pixels < SERIAL, s.oc, &|_, o| {
        // Added up in f64: a channel may have millions of pixels.
        let mut total = 0.0;
        for image in 0..s.n {
            // SAFETY: the planes of channel `o` are inside `gy`.
            let plane = unsafe { std::slice::from_raw_parts(gy.at((image * s.oc + o) * pixels), pixels) };
            let (chunks, rest) = plane.as_chunks::<LANES>();
            let mut sums = [T::zero(); LANES];
            for chunk in chunks {
                sums.iter_mut().zip(chunk).for_each(|(s, &v)| *s = *s + v);
            }
            let sum = sums.iter().chain(rest).fold(T::zero(), |a, &b| a + b);
            total += sum.to_f64().unwrap_or(f64::NAN);
        }
        // SAFETY: one element a job.
        unsafe { gb.at(o).write(T::from(total).unwrap_or(T::nan())) };
    });
}
