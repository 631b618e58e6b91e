//! The direct-offset engine: convolution as a matrix product whose second operand is never built.
//!
//! For one image and group the output is `A · B`, A the filters (rows) by the terms of a sum
//! (channel, ky, kx), B the terms by the output pixels. Row k of B is the padded [`Window`],
//! displaced: `window[offset[k] + position(pixel)]`. So the micro-kernel reads B through a table of
//! offsets, two vectors of pixels ([`Slot`]s) at a time against up to 14 filters, whose
//! weights are packed in the order of reading. Long sums are cut into blocks that keep the packed
//! weights and the rows of B in the cache, and continue from the output.
//!
//! The input's gradient is the same product with filters and channels exchanged; with a stride
//! its pixels fall into stride² classes, each a [`Pass`] with its own taps, written with gaps.
//!
//! A single row of A (depthwise convolutions) is no matrix product: [`single`] has its own tiles.

use super::scratch::{self, Shared};
use super::single::{self, Single};
use super::tile::{Panels, Slot, Tile, TileFn, kernels};
use super::window::Window;
use super::{AllocError, Conv2dShape};
use crate::cpu::par;
use crate::cpu::simd::Level;

/// Terms of a sum between two visits of the output: the packed weights of a panel stay in L1.
const BLOCK: usize = 512;

/// Multiplications below which waking another thread costs more than it saves.
const SERIAL: usize = 1 << 17;

/// Pairs of slots that a thread takes at once when one image is shared.
const PAIRS: usize = 16;

/// Floats of B that stay in L1 while all panels of A pass.
const RESIDENT: usize = 4096;

/// Floats read at most beyond the end of a window.
const BEYOND: usize = 64;

/// The output pixels of a pass: `size` of them, in a plane of `cols` columns, every `step`-th from
/// `start`.
struct Pixels {
    size: [usize; 2],
    start: [usize; 2],
    step: [usize; 2],
    cols: usize,
}

impl Pixels {
    fn place(&self, row: usize, col: usize) -> u32 {
        ((self.start[0] + row * self.step[0]) * self.cols + self.start[1] + col * self.step[1]) as u32
    }

    /// Cuts the pixels into vectors, an even number of them. Either each row by itself, or, where
    /// rows fill their vectors badly, all rows in one with the window's margins between them.
    fn slots(&self, window_cols: usize, lanes: usize) -> Vec<Slot> {
        let [rows, cols] = self.size;
        if rows * cols == 0 {
            return Vec::new();
        }
        let dense = self.step == [1, 1] && cols == self.cols;
        let joined = (rows - 1) * window_cols + cols;
        let mut slots = Vec::new();
        // Packing the kept lanes costs a few instructions a vector: ask for a gain of a tenth.
        if dense && 11 * joined.div_ceil(lanes) < 10 * rows * cols.div_ceil(lanes) {
            for first in (0..joined).step_by(lanes) {
                let kept = |p: &usize| *p < joined && p % window_cols < cols;
                let mask = (0..lanes).filter(|l| kept(&(first + l))).fold(0, |m, l| m | 1 << l);
                if let Some(p) = (first..first + lanes).find(kept) {
                    let dst = self.place(p / window_cols, p % window_cols);
                    slots.push(Slot { src: first as u32, dst, mask, step: 1 });
                }
            }
        } else {
            for row in 0..rows {
                for col in (0..cols).step_by(lanes) {
                    let mask = (1u64 << lanes.min(cols - col)) - 1;
                    slots.push(Slot {
                        src: (row * window_cols + col) as u32,
                        dst: self.place(row, col),
                        mask: mask as u32,
                        step: self.step[1] as u32,
                    });
                }
            }
        }
        if slots.len() % 2 == 1 {
            slots.push(Slot { step: 1, ..Slot::default() });
        }
        slots
    }
}

/// One matrix product over the window.
struct Pass {
    /// Where each term of the sum is read, relative to a slot.
    offsets: Vec<u32>,
    /// Where each term's weight is, relative to a row's first.
    weights: Vec<u32>,
    slots: Vec<Slot>,
    pixels: Pixels,
}

/// A convolution laid out for the engine.
struct Plan<'a> {
    shape: &'a Conv2dShape,
    window: Window,
    /// Channels of the window, and rows of A, of one group.
    depth: usize,
    rows: usize,
    /// Distance of the weights of two rows of A.
    weight_row: usize,
    /// Pixels of a source plane and of an output plane.
    source_plane: usize,
    output_plane: usize,
    passes: Vec<Pass>,
}

/// Offsets fit into 32 bits.
pub fn fits(s: &Conv2dShape) -> bool {
    let [oh, ow] = s.out();
    // A window has at most the padded image's pixels of every channel, plus the reach of the taps.
    let reach = |size: usize, out: usize, k: usize, i: usize| {
        let taps = k.saturating_mul(s.dilation[i]).saturating_mul(2);
        size.max(out.saturating_mul(s.stride[i])).saturating_add(2 * s.padding[i]).saturating_add(taps)
    };
    let (h, w) = (reach(s.h, oh, s.kh, 0), reach(s.w, ow, s.kw, 1));
    let window = (h as u128 * w as u128).saturating_mul(s.group_c().max(s.group_oc()) as u128);
    window < 1 << 31 && (s.group_c() * s.group_oc() * s.taps()) < 1 << 31
}

/// Packs rows of A: for each block of terms, for each panel of rows, `[term][row]`.
unsafe fn pack(
    weight: *const f32,
    row_stride: usize,
    terms: &[u32],
    panels: Panels,
    panel: usize,
    dst: *mut f32,
) {
    let rows = panels.get(panel);
    for block in Panels::new(terms.len(), BLOCK).iter() {
        // SAFETY: blocks follow each other, all panels of a block before the next.
        unsafe {
            let mut out = dst.add(block.start * panels.size + rows.start * block.len());
            for &term in &terms[block] {
                for row in rows.clone() {
                    *out = *weight.add(row * row_stride + term as usize);
                    out = out.add(1);
                }
            }
        }
    }
}

impl Plan<'_> {
    /// Runs the plan: `y` gets what every pass says, started from `bias` if there is one.
    unsafe fn run(
        &self,
        level: Level,
        src: *const f32,
        weight: *const f32,
        bias: *const f32,
        y: *mut f32,
    ) -> Result<(), AllocError> {
        let s = self.shape;
        let (_, kernels) = kernels(level);
        let panels = Panels::new(self.rows, kernels.len());
        let packed_len: Vec<usize> =
            self.passes.iter().map(|p| scratch::lines(self.rows * p.weights.len())).collect();
        let group_len: usize = packed_len.iter().sum();
        // Vectors at the end of the last row read past it.
        let window_len = scratch::lines(self.depth * self.window.channel_len() + BEYOND);
        let threads = par::num_threads();
        let work: usize = self.passes.iter().map(|p| p.offsets.len() * p.slots.len()).sum::<usize>()
            * self.rows
            * s.n
            * s.groups
            * 16;
        let serial = threads == 1 || work < SERIAL;
        let jobs = s.n * s.groups;
        // Few images: the threads share one window after the other.
        let shared = !serial && jobs < 2 * threads;
        let windows = if shared || serial { 1 } else { threads };
        scratch::with(s.groups * group_len + windows * window_len, |scratch| {
            let (packed, window) =
                (Shared::new(scratch), Shared::new(scratch.wrapping_add(s.groups * group_len)));
            let (src, weight, bias, y) =
                (Shared::of(src), Shared::of(weight), Shared::of(bias), Shared::new(y));
            let weight_group = s.group_c() * s.group_oc() * s.taps();
            // Where a pass's weights are packed.
            let packed_at = |group: usize, pass: usize| {
                packed.at(group * group_len + packed_len[..pass].iter().sum::<usize>())
            };
            // SAFETY: `src`, `weight` and `y` have the shape's extents, scratch is laid out above;
            // chunks of a region write different panels, channels or pixels.
            unsafe {
                each(serial, s.groups * panels.count, &|_, i| {
                    let (group, panel) = (i / panels.count, i % panels.count);
                    for (p, pass) in self.passes.iter().enumerate() {
                        let weight = weight.at(group * weight_group);
                        pack(weight, self.weight_row, &pass.weights, panels, panel, packed_at(group, p));
                    }
                });
                let source_of = |job: usize| src.at(job * self.depth * self.source_plane);
                let fill = |job: usize, window: *mut f32, ch: usize| {
                    let len = self.window.channel_len();
                    self.window
                        .copy_channel(source_of(job).add(ch * self.source_plane), window.add(ch * len));
                    if ch + 1 == self.depth {
                        std::ptr::write_bytes(window.add(self.depth * len), 0, BEYOND);
                    }
                };
                // Vectors read past the last row of the last image: that one is copied.
                let in_place = |job: usize| {
                    let after = (jobs - job - 1) * self.depth * self.source_plane;
                    self.window.is_source() && after >= BEYOND
                };
                let compute = |job: usize, window: *const f32, p: usize, pairs: std::ops::Range<usize>| {
                    let group = job % s.groups;
                    let bias = if bias.get().is_null() { bias.get() } else { bias.at(group * self.rows) };
                    let y = y.at(job * self.rows * self.output_plane);
                    self.multiply(
                        kernels,
                        panels,
                        &self.passes[p],
                        packed_at(group, p),
                        window,
                        bias,
                        y,
                        pairs,
                    );
                };
                if shared {
                    for job in 0..jobs {
                        let plane = if in_place(job) { source_of(job) } else { window.get() };
                        if !in_place(job) {
                            each(false, self.depth, &|_, ch| fill(job, window.get(), ch));
                        }
                        let plane = Shared::new(plane);
                        for (p, pass) in self.passes.iter().enumerate() {
                            let pairs = pass.slots.len() / 2;
                            each(false, pairs.div_ceil(PAIRS), &|_, i| {
                                compute(job, plane.get(), p, i * PAIRS..pairs.min((i + 1) * PAIRS));
                            });
                        }
                    }
                } else {
                    each(serial, jobs, &|slot, job| {
                        let mut plane = window.at(slot * window_len);
                        if in_place(job) {
                            plane = source_of(job);
                        } else {
                            (0..self.depth).for_each(|ch| fill(job, plane, ch));
                        }
                        for (p, pass) in self.passes.iter().enumerate() {
                            if self.rows > 1 {
                                compute(job, plane, p, 0..pass.slots.len() / 2);
                                continue;
                            }
                            let bias = bias.get();
                            single::kernel(level)(&Single {
                                terms: pass.offsets.len(),
                                weights: packed_at(job % s.groups, p),
                                offsets: pass.offsets.as_ptr(),
                                bias: if bias.is_null() { 0.0 } else { *bias.add(job % s.groups) },
                                window: plane,
                                window_cols: self.window.cols,
                                size: pass.pixels.size,
                                y: y.at(job * self.output_plane + pass.pixels.place(0, 0) as usize),
                                distance: [pass.pixels.step[0] * pass.pixels.cols, pass.pixels.step[1]],
                            });
                        }
                    });
                }
            }
        })
    }

    /// The product of one pass for some pairs of slots.
    #[allow(clippy::too_many_arguments)]
    unsafe fn multiply(
        &self,
        kernels: &[TileFn],
        panels: Panels,
        pass: &Pass,
        packed: *const f32,
        window: *const f32,
        bias: *const f32,
        y: *mut f32,
        pairs: std::ops::Range<usize>,
    ) {
        // A sum without terms still has to write its zeros.
        let blocks = Panels { size: pass.offsets.len(), count: pass.offsets.len().div_ceil(BLOCK).max(1) };
        for block in blocks.iter() {
            // A panel meets several pairs: with short sums it would else be read more often than B.
            let together = (RESIDENT / (block.len() * 16).max(1)).clamp(1, PAIRS);
            for first in pairs.clone().step_by(together) {
                for rows in panels.iter() {
                    for pair in first..pairs.end.min(first + together) {
                        let slots = [pass.slots[2 * pair], pass.slots[2 * pair + 1]];
                        // SAFETY: the caller's promise; the panel has as many rows as its kernel.
                        unsafe {
                            kernels[rows.len() - 1](&Tile {
                                terms: block.len(),
                                a: packed.add(block.start * self.rows + rows.start * block.len()),
                                b: slots.map(|s| window.add(s.src as usize)),
                                offsets: pass.offsets.as_ptr().add(block.start),
                                bias: if bias.is_null() { bias } else { bias.add(rows.start) },
                                accumulate: block.start > 0,
                                y: y.add(rows.start * self.output_plane),
                                ldy: self.output_plane,
                                slots,
                            });
                        }
                    }
                }
            }
        }
    }
}

/// Runs `f(slot, i)` for all `i`, here or on all threads.
pub fn each(serial: bool, chunks: usize, f: &(dyn Fn(usize, usize) + Sync)) {
    if serial {
        (0..chunks).for_each(|i| f(0, i));
    } else {
        par::for_each_with_slot(par::num_threads(), chunks, &|slot, i| f(slot, i));
    }
}

/// The displacements of a kernel's taps along one axis.
pub fn displacements(taps: usize, dilation: usize) -> Vec<usize> {
    (0..taps).map(|t| t * dilation).collect()
}

/// The window of the input that the outputs read.
pub fn input_window(s: &Conv2dShape) -> Window {
    let (dy, dx) = (displacements(s.kh, s.dilation[0]), displacements(s.kw, s.dilation[1]));
    let origin = s.padding.map(|p| -(p as isize));
    Window::new([s.h, s.w], origin, s.stride, s.out(), [&dy, &dx])
}

/// Where each term (channel, ky, kx) is read in that window.
pub fn term_offsets(s: &Conv2dShape, window: &Window) -> Vec<u32> {
    let mut offsets = Vec::with_capacity(s.group_c() * s.taps());
    for ch in 0..s.group_c() {
        for ky in 0..s.kh {
            for kx in 0..s.kw {
                let tap = window.offset(ky * s.dilation[0], kx * s.dilation[1]);
                offsets.push((ch * window.channel_len() + tap) as u32);
            }
        }
    }
    offsets
}

/// # Safety
/// As [`super::forward`]; `bias` may be null. The shape [`fits`] and is not empty.
pub unsafe fn forward(
    level: Level,
    s: &Conv2dShape,
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
) -> Result<(), AllocError> {
    let [oh, ow] = s.out();
    let window = input_window(s);
    let offsets = term_offsets(s, &window);
    let pixels = Pixels { size: [oh, ow], start: [0, 0], step: [1, 1], cols: ow };
    let slots = pixels.slots(window.cols, kernels(level).0);
    let plan = Plan {
        shape: s,
        depth: s.group_c(),
        rows: s.group_oc(),
        weight_row: offsets.len(),
        source_plane: s.h * s.w,
        output_plane: oh * ow,
        passes: vec![Pass { weights: (0..offsets.len() as u32).collect(), offsets, slots, pixels }],
        window,
    };
    // SAFETY: the caller's promise.
    unsafe { plan.run(level, x, weight, bias, y) }
}

/// Along one axis, the taps that reach input pixels `q * stride + phase`, each with the output
/// `q + shift` that it comes from.
fn taps_of_phase(
    phase: usize,
    taps: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
) -> Vec<(usize, isize)> {
    (0..taps)
        .filter_map(|t| {
            let distance = (phase + padding) as isize - (t * dilation) as isize;
            (distance % stride as isize == 0).then_some((t, distance / stride as isize))
        })
        .collect()
}

/// # Safety
/// As [`super::backward_input`]. The shape [`fits`] and is not empty.
pub unsafe fn backward_input(
    level: Level,
    s: &Conv2dShape,
    gy: *const f32,
    weight: *const f32,
    gx: *mut f32,
) -> Result<(), AllocError> {
    let size = [s.h, s.w];
    let kernel = [s.kh, s.kw];
    // For each axis and phase, the taps; `low` is the first output that any of them reads.
    let phases: [Vec<_>; 2] = std::array::from_fn(|i| {
        (0..s.stride[i].min(size[i]))
            .map(|phase| taps_of_phase(phase, kernel[i], s.stride[i], s.padding[i], s.dilation[i]))
            .collect()
    });
    let low: [isize; 2] =
        std::array::from_fn(|i| phases[i].iter().flatten().map(|&(_, shift)| shift).min().unwrap_or(0));
    let displacements: [Vec<usize>; 2] = std::array::from_fn(|i| {
        phases[i].iter().flatten().map(|&(_, shift)| (shift - low[i]) as usize).collect()
    });
    let outputs = std::array::from_fn(|i| size[i].div_ceil(s.stride[i]));
    let window = Window::new(s.out(), low, [1, 1], outputs, [&displacements[0], &displacements[1]]);
    let mut passes = Vec::new();
    for (py, rows) in phases[0].iter().enumerate() {
        for (px, cols) in phases[1].iter().enumerate() {
            let (mut offsets, mut weights) = (Vec::new(), Vec::new());
            for o in 0..s.group_oc() {
                for &(ky, dy) in rows {
                    for &(kx, dx) in cols {
                        let tap = window.offset((dy - low[0]) as usize, (dx - low[1]) as usize);
                        offsets.push((o * window.channel_len() + tap) as u32);
                        weights.push((o * s.group_c() * s.taps() + ky * s.kw + kx) as u32);
                    }
                }
            }
            let start = [py, px];
            let pixels = Pixels {
                size: std::array::from_fn(|i| (size[i] - start[i]).div_ceil(s.stride[i])),
                start,
                step: s.stride,
                cols: s.w,
            };
            let slots = pixels.slots(window.cols, kernels(level).0);
            passes.push(Pass { offsets, weights, slots, pixels });
        }
    }
    let plan = Plan {
        shape: s,
        depth: s.group_oc(),
        rows: s.group_c(),
        weight_row: s.taps(),
        source_plane: s.out().iter().product(),
        output_plane: s.h * s.w,
        passes,
        window,
    };
    // SAFETY: the caller's promise.
    unsafe { plan.run(level, gy, weight, std::ptr::null(), gx) }
}
