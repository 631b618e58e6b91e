//! Convolution for any type that can be added and multiplied, and any shape: a tile of pixels is unfolded at a time
//! (im2col), then multiplied by plain loops along its pixels. Right everywhere, tuned nowhere.

use super::scratch::Shared;
use super::{AllocError, Conv2dShape, Ring};
use crate::cpu::par;

/// Output pixels unfolded together.
const TILE: usize = 128;

/// Output channels whose weight gradients share one unfolding.
const FILTERS: usize = 16;

/// Calls `f(k, t, source)` for every weight `k` of a filter and every pixel `first + t` of a tile
/// that reads inside the image, with the place in the group's channels that it reads.
fn for_each_tap(s: &Conv2dShape, first: usize, count: usize, mut f: impl FnMut(usize, usize, usize)) {
    let ow = s.out()[1];
    let place = |o: usize, k: usize, axis: usize, size: usize| {
        let i = (o * s.stride[axis] + k * s.dilation[axis]).checked_sub(s.padding[axis])?;
        (i < size).then_some(i)
    };
    for ch in 0..s.group_c() {
        for ky in 0..s.kh {
            for kx in 0..s.kw {
                for t in 0..count {
                    let (oy, ox) = ((first + t) / ow, (first + t) % ow);
                    if let (Some(y), Some(x)) = (place(oy, ky, 0, s.h), place(ox, kx, 1, s.w)) {
                        f((ch * s.kh + ky) * s.kw + kx, t, (ch * s.h + y) * s.w + x);
                    }
                }
            }
        }
    }
}

/// Zeroed scratch for every thread, in one vector.
fn zeroed<T: Ring>(len: usize) -> Result<Vec<T>, AllocError> {
    let mut v = Vec::new();
    let error = AllocError { bytes: len.saturating_mul(size_of::<T>()) };
    v.try_reserve_exact(len).map_err(|_| error)?;
    v.resize(len, T::ZERO);
    Ok(v)
}

/// # Safety
/// As [`super::forward`].
pub unsafe fn forward<T: Ring>(
    s: &Conv2dShape,
    x: *const T,
    weight: *const T,
    bias: Option<*const T>,
    y: *mut T,
) -> Result<(), AllocError> {
    let [oh, ow] = s.out();
    let (pixels, k, tiles) = (oh * ow, s.group_c() * s.taps(), (oh * ow).div_ceil(TILE));
    let (x, weight, y) = (Shared::of(x), Shared::of(weight), Shared::new(y));
    let bias = bias.map(Shared::of);
    let threads = par::num_threads();
    let mut unfolded = zeroed::<T>(threads * k * TILE)?;
    let unfolded = Shared::new(unfolded.as_mut_ptr());
    par::for_each_with_slot(threads, s.n * s.groups * tiles, &|slot, job| {
        let (image, group, first) = (job / tiles / s.groups, job / tiles % s.groups, job % tiles * TILE);
        let count = TILE.min(pixels - first);
        // SAFETY: a job writes its own pixels of its own channels; a slot is not shared.
        unsafe {
            let unfolded = std::slice::from_raw_parts_mut(unfolded.at(slot * k * TILE), k * TILE);
            let x = x.at((image * s.c + group * s.group_c()) * s.h * s.w);
            unfolded.fill(T::ZERO);
            for_each_tap(s, first, count, |k, t, source| unfolded[k * TILE + t] = *x.add(source));
            for o in group * s.group_oc()..(group + 1) * s.group_oc() {
                let mut sum = [bias.as_ref().map_or(T::ZERO, |b| *b.at(o)); TILE];
                for (i, row) in unfolded.chunks_exact(TILE).enumerate() {
                    let w = *weight.at(o * k + i);
                    sum.iter_mut().zip(row).for_each(|(s, &v)| *s = s.plus(w.times(v)));
                }
                std::ptr::copy_nonoverlapping(sum.as_ptr(), y.at((image * s.oc + o) * pixels + first), count);
            }
        }
    });
    Ok(())
}

/// # Safety
/// As [`super::backward_input`].
pub unsafe fn backward_input<T: Ring>(
    s: &Conv2dShape,
    gy: *const T,
    weight: *const T,
    gx: *mut T,
) -> Result<(), AllocError> {
    let [oh, ow] = s.out();
    let (pixels, k, group_len) = (oh * ow, s.group_c() * s.taps(), s.group_c() * s.h * s.w);
    let (gy, weight, gx) = (Shared::of(gy), Shared::of(weight), Shared::new(gx));
    let threads = par::num_threads();
    let mut unfolded = zeroed::<T>(threads * k * TILE)?;
    let unfolded = Shared::new(unfolded.as_mut_ptr());
    par::for_each_with_slot(threads, s.n * s.groups, &|slot, job| {
        let (image, group) = (job / s.groups, job % s.groups);
        // SAFETY: a job writes the channels of its image and group; a slot is not shared.
        unsafe {
            let unfolded = std::slice::from_raw_parts_mut(unfolded.at(slot * k * TILE), k * TILE);
            let gx = gx.at((image * s.c + group * s.group_c()) * s.h * s.w);
            for i in 0..group_len {
                gx.add(i).write(T::ZERO);
            }
            for first in (0..pixels).step_by(TILE) {
                let count = TILE.min(pixels - first);
                unfolded.fill(T::ZERO);
                for o in group * s.group_oc()..(group + 1) * s.group_oc() {
                    let g = std::slice::from_raw_parts(gy.at((image * s.oc + o) * pixels + first), count);
                    for (i, row) in unfolded.chunks_exact_mut(TILE).enumerate() {
                        let w = *weight.at(o * k + i);
                        row.iter_mut().zip(g).for_each(|(r, &g)| *r = r.plus(w.times(g)));
                    }
                }
                for_each_tap(s, first, count, |k, t, source| {
                    let p = gx.add(source);
                    *p = (*p).plus(unfolded[k * TILE + t]);
                });
            }
        }
    });
    Ok(())
}

/// # Safety
/// As [`super::backward_weight`].
pub unsafe fn backward_weight<T: Ring>(
    s: &Conv2dShape,
    x: *const T,
    gy: *const T,
    gw: *mut T,
) -> Result<(), AllocError> {
    let [oh, ow] = s.out();
    let (pixels, k, blocks) = (oh * ow, s.group_c() * s.taps(), s.group_oc().div_ceil(FILTERS));
    let (x, gy, gw) = (Shared::of(x), Shared::of(gy), Shared::new(gw));
    let threads = par::num_threads();
    let mut unfolded = zeroed::<T>(threads * k * TILE)?;
    let unfolded = Shared::new(unfolded.as_mut_ptr());
    par::for_each_with_slot(threads, s.groups * blocks, &|slot, job| {
        let (group, block) = (job / blocks, job % blocks);
        let first_filter = group * s.group_oc() + block * FILTERS;
        let filters = first_filter..(first_filter + FILTERS).min((group + 1) * s.group_oc());
        // SAFETY: a job writes its own filters; a slot is not shared.
        unsafe {
            let unfolded = std::slice::from_raw_parts_mut(unfolded.at(slot * k * TILE), k * TILE);
            for i in filters.start * k..filters.end * k {
                gw.at(i).write(T::ZERO);
            }
            for image in 0..s.n {
                let x = x.at((image * s.c + group * s.group_c()) * s.h * s.w);
                for first in (0..pixels).step_by(TILE) {
                    let count = TILE.min(pixels - first);
                    unfolded.fill(T::ZERO);
                    for_each_tap(s, first, count, |k, t, source| unfolded[k * TILE + t] = *x.add(source));
                    for o in filters.clone() {
                        let g = std::slice::from_raw_parts(gy.at((image * s.oc + o) * pixels + first), count);
                        for (i, row) in unfolded.chunks_exact(TILE).enumerate() {
                            let sum = row.iter().zip(g).fold(T::ZERO, |sum, (&u, &g)| sum.plus(u.times(g)));
                            *gw.at(o * k + i) = (*gw.at(o * k + i)).plus(sum);
                        }
                    }
                }
            }
        }
    });
    Ok(())
}
