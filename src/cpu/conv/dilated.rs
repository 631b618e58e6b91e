//! 3×3 kernels of stride 1 with dilation, by Winograd: the pixels of an output whose row and column
//! leave the same rest by the dilation come from such pixels of the input only, by the same kernel
//! without dilation. So the images are taken apart into a plane for each rest, and put together again.

use super::scratch::{self, Shared};
use super::{AllocError, Conv2dShape, winograd};
use crate::cpu::par;
use crate::cpu::simd::Level;

/// The convolution of the parts, if it can run and is likely to be faster than the direct one.
pub fn parts(level: Level, s: &Conv2dShape) -> Option<Conv2dShape> {
    let [dy, dx] = s.dilation;
    let even = [s.h, s.padding[0]].iter().all(|v| v.is_multiple_of(dy))
        && [s.w, s.padding[1]].iter().all(|v| v.is_multiple_of(dx));
    if s.dilation == [1, 1] || !even {
        return None;
    }
    let inner = Conv2dShape {
        n: s.n.checked_mul(dy)?.checked_mul(dx)?,
        h: s.h / dy,
        w: s.w / dx,
        padding: [s.padding[0] / dy, s.padding[1] / dx],
        dilation: [1, 1],
        ..*s
    };
    winograd::pays(level, &inner).then_some(inner)
}

/// Planes (image, channel) of `size`, and where their parts lie: (image, rest, channel).
struct Planes {
    images: usize,
    channels: usize,
    size: [usize; 2],
    dilation: [usize; 2],
}

impl Planes {
    fn len(&self) -> usize {
        self.images * self.channels * self.size[0] * self.size[1]
    }

    /// Calls `f` with the start of each whole row, that of each of its parts' rows, and the columns of those.
    fn each_row(&self, f: &(impl Fn(usize, usize, usize) + Sync)) {
        let ([h, w], [dy, dx]) = (self.size, self.dilation);
        let (rows, cols) = (h / dy, w / dx);
        let planes = self.images * self.channels;
        par::for_range(planes, par::grain_for(planes, (h * w) as f64), &|planes| {
            for (plane, y) in planes.flat_map(|plane| (0..h).map(move |y| (plane, y))) {
                let (image, channel) = (plane / self.channels, plane % self.channels);
                for rest in 0..dx {
                    let part = ((image * dy + y % dy) * dx + rest) * self.channels + channel;
                    f((plane * h + y) * w + rest, (part * rows + y / dy) * cols, cols);
                }
            }
        });
    }

    /// # Safety
    /// `from` and `to` have [`len`](Self::len) floats and do not overlap.
    unsafe fn take_apart(&self, from: *const f32, to: *mut f32) {
        let (from, to, step) = (Shared::of(from), Shared::new(to), self.dilation[1]);
        // SAFETY: rows lie in the planes, and every part's row is written once.
        self.each_row(&|whole, part, cols| unsafe {
            let (from, to) = (from.at(whole), to.at(part));
            match step {
                // A constant, or there are no vectors.
                2 => (0..cols).for_each(|i| *to.add(i) = *from.add(2 * i)),
                _ => (0..cols).for_each(|i| *to.add(i) = *from.add(step * i)),
            }
        });
    }

    /// # Safety
    /// As [`take_apart`](Self::take_apart).
    unsafe fn put_together(&self, from: *const f32, to: *mut f32) {
        let (from, to, step) = (Shared::of(from), Shared::new(to), self.dilation[1]);
        // SAFETY: as above; the rests of a row fill it.
        self.each_row(&|whole, part, cols| unsafe {
            let (from, to) = (from.at(part), to.at(whole));
            (0..cols).for_each(|i| *to.add(step * i) = *from.add(i));
        });
    }
}

/// What is convolved, and into what.
fn planes(s: &Conv2dShape) -> [Planes; 2] {
    [(s.c, [s.h, s.w]), (s.oc, s.out())].map(|(channels, size)| Planes {
        images: s.n,
        channels,
        size,
        dilation: s.dilation,
    })
}

/// # Safety
/// As [`super::forward`]; `bias` may be null. `inner` are the [`parts`] of `s`.
pub unsafe fn forward(
    level: Level,
    s: &Conv2dShape,
    inner: &Conv2dShape,
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
) -> Result<(), AllocError> {
    let [input, output] = planes(s);
    scratch::with(input.len() + output.len(), |from| {
        let to = from.wrapping_add(input.len());
        // SAFETY: the caller's promise, and the parts have as many elements.
        unsafe {
            input.take_apart(x, from);
            winograd::forward(level, inner, from, weight, bias, to)?;
            output.put_together(to, y);
        }
        Ok(())
    })?
}

/// # Safety
/// As [`super::backward_input`]. `inner` are the [`parts`] of `s`.
pub unsafe fn backward_input(
    level: Level,
    s: &Conv2dShape,
    inner: &Conv2dShape,
    gy: *const f32,
    weight: *const f32,
    gx: *mut f32,
) -> Result<(), AllocError> {
    let [input, output] = planes(s);
    scratch::with(input.len() + output.len(), |to| {
        let from = to.wrapping_add(input.len());
        // SAFETY: as above.
        unsafe {
            output.take_apart(gy, from);
            winograd::backward_input(level, inner, from, weight, to)?;
            input.put_together(to, gx);
        }
        Ok(())
    })?
}
