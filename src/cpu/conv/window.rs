//! The zero-padded copy of an image that the direct engine reads.
//!
//! A window is the part of the image's plane, extended by zeros on all sides, that a convolution
//! touches. With a stride of s the rows and columns are split into s phases, each a plane of its
//! own, so that neighbouring outputs read neighbouring inputs whatever the stride.

/// One channel of a window is `phases[0].len() * phases[1].len()` planes of `rows * cols`.
pub struct Window {
    /// Rows and columns of the source image.
    source: [usize; 2],
    /// Source row and column of the window's first; negative in the padding.
    origin: [isize; 2],
    stride: [usize; 2],
    /// The phases that are read, ascending.
    phases: [Vec<usize>; 2],
    pub rows: usize,
    pub cols: usize,
}

impl Window {
    /// The window whose reads are, for output `o` and displacement `d` (both axes alike),
    /// row `o * stride + d + origin` of the source. `outputs` is the number of `o`.
    pub fn new(
        source: [usize; 2],
        origin: [isize; 2],
        stride: [usize; 2],
        outputs: [usize; 2],
        displacements: [&[usize]; 2],
    ) -> Window {
        let mut phases = [Vec::new(), Vec::new()];
        let mut size = [0; 2];
        for axis in 0..2 {
            phases[axis] = displacements[axis].iter().map(|d| d % stride[axis]).collect();
            phases[axis].sort_unstable();
            phases[axis].dedup();
            let reach = displacements[axis].iter().max().map_or(0, |d| d / stride[axis]);
            size[axis] = outputs[axis] + reach;
        }
        Window { source, origin, stride, phases, rows: size[0], cols: size[1] }
    }

    /// The window is the image itself: nothing to copy.
    pub fn is_source(&self) -> bool {
        self.stride == [1, 1] && self.origin == [0, 0] && [self.rows, self.cols] == self.source
    }

    /// Floats of one channel.
    pub fn channel_len(&self) -> usize {
        self.phases[0].len() * self.phases[1].len() * self.rows * self.cols
    }

    /// Where a displacement's reads start within a channel; output (i, j) adds `i * cols + j`.
    pub fn offset(&self, row: usize, col: usize) -> usize {
        let index = |axis: usize, d: usize| {
            let phase = d % self.stride[axis];
            self.phases[axis].binary_search(&phase).expect("a displacement of this window")
        };
        let plane = index(0, row) * self.phases[1].len() + index(1, col);
        (plane * self.rows + row / self.stride[0]) * self.cols + col / self.stride[1]
    }

    /// Fills one channel of the window.
    ///
    /// # Safety
    /// `src` is the source plane, `dst` has `channel_len()` floats.
    pub unsafe fn copy_channel(&self, src: *const f32, dst: *mut f32) {
        let mut out = dst;
        // All at once: a call for each end of each row takes longer than short rows do.
        // SAFETY: the caller's promise.
        unsafe { std::ptr::write_bytes(dst, 0, self.channel_len()) };
        for &py in &self.phases[0] {
            for &px in &self.phases[1] {
                for row in 0..self.rows {
                    let y = (row * self.stride[0] + py) as isize + self.origin[0];
                    // SAFETY: a row is read only inside the source, and the rows of all planes
                    // make up `channel_len()`.
                    unsafe {
                        if (0..self.source[0] as isize).contains(&y) {
                            self.copy_row(src.add(y as usize * self.source[1]), px, out);
                        }
                        out = out.add(self.cols);
                    }
                }
            }
        }
    }

    /// Columns `q * stride + phase + origin` of a source row, where there are any.
    unsafe fn copy_row(&self, src: *const f32, phase: usize, dst: *mut f32) {
        let step = self.stride[1];
        let first = phase as isize + self.origin[1];
        // Columns q in `from..to` lie inside the source.
        let from = if first >= 0 { 0 } else { first.unsigned_abs().div_ceil(step).min(self.cols) };
        let inside = self.source[1] as isize - first;
        let to = if inside <= 0 { 0 } else { (inside as usize).div_ceil(step).min(self.cols) }.max(from);
        // SAFETY: by the choice of `from` and `to`.
        unsafe {
            let src = src.wrapping_offset(first).wrapping_add(from * step);
            if step == 1 {
                std::ptr::copy_nonoverlapping(src, dst.add(from), to - from);
            } else if step == 2 {
                // A constant, or there are no vectors.
                for q in 0..to - from {
                    *dst.add(from + q) = *src.add(q * 2);
                }
            } else {
                for q in 0..to - from {
                    *dst.add(from + q) = *src.add(q * step);
                }
            }
        }
    }
}
