//! The order in which a strided operation visits its elements: dimensions sorted so that the output
//! is walked through memory, neighbours merged where strides allow, and pieces of the innermost run
//! handed to a kernel.

use std::ops::Range;

use smallvec::SmallVec;

use crate::layout::{Sizes, memory_order};

/// Operands a loop can have: one output and up to four inputs.
pub const MAX_OPERANDS: usize = 5;
/// One stride or offset an operand.
pub type PerOperand = [isize; MAX_OPERANDS];

/// Nested loops, innermost first. Strides are in bytes.
#[derive(Debug)]
pub struct Loops {
    pub sizes: SmallVec<[usize; 6]>,
    pub strides: SmallVec<[PerOperand; 6]>,
}

impl Loops {
    /// Loops over `sizes`; each operand comes as (strides in elements, bytes an element).
    pub fn new(sizes: &[usize], operands: &[(&[isize], usize)]) -> Loops {
        let element_strides: SmallVec<[&[isize]; MAX_OPERANDS]> = operands.iter().map(|o| o.0).collect();
        let order = memory_order(sizes, &element_strides);
        let mut loops = Loops { sizes: SmallVec::new(), strides: SmallVec::new() };
        for d in order {
            if sizes[d] == 1 {
                continue;
            }
            let mut step = [0isize; MAX_OPERANDS];
            for (to, (strides, bytes)) in step.iter_mut().zip(operands) {
                *to = strides[d] * *bytes as isize;
            }
            loops.push(sizes[d], step);
        }
        if loops.sizes.is_empty() {
            loops.sizes.push(1);
            loops.strides.push([0; MAX_OPERANDS]);
        }
        loops
    }

    /// One loop of `n` steps; a step of an operand is as many bytes as given.
    pub fn flat(n: usize, steps: PerOperand) -> Loops {
        let mut loops = Loops { sizes: SmallVec::new(), strides: SmallVec::new() };
        loops.sizes.push(n);
        loops.strides.push(steps);
        loops
    }

    /// Adds an outer loop, merged with the one inside it when memory goes on evenly.
    fn push(&mut self, size: usize, step: PerOperand) {
        if let (Some(inner), Some(inner_step)) = (self.sizes.last_mut(), self.strides.last())
            && (0..MAX_OPERANDS).all(|k| inner_step[k] * *inner as isize == step[k])
        {
            *inner *= size;
            return;
        }
        self.sizes.push(size);
        self.strides.push(step);
    }

    pub fn numel(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Calls `piece(offsets, n)` for runs along the innermost loop that together cover the elements
    /// `range`, counted in the order of the loops. Offsets are in bytes.
    pub fn pieces(&self, range: Range<usize>, mut piece: impl FnMut(&PerOperand, usize)) {
        let mut left = range.len();
        if left == 0 {
            return;
        }
        let mut place = Place::at(self, range.start);
        loop {
            let n = left.min(self.sizes[0] - place.index[0]);
            piece(&place.offsets, n);
            left -= n;
            if left == 0 {
                return;
            }
            place.next_run(self);
        }
    }
}

/// Where a walk through loops is.
struct Place {
    index: Sizes,
    /// In bytes.
    offsets: PerOperand,
}

impl Place {
    /// That of an element, counted in the order of the loops.
    fn at(loops: &Loops, element: usize) -> Place {
        let mut place =
            Place { index: SmallVec::from_elem(0, loops.sizes.len()), offsets: [0; MAX_OPERANDS] };
        let mut rest = element;
        for (d, &size) in loops.sizes.iter().enumerate() {
            place.index[d] = rest % size;
            rest /= size;
            place.step(&loops.strides[d], place.index[d] as isize);
        }
        place
    }

    /// To the start of the next innermost run.
    fn next_run(&mut self, loops: &Loops) {
        self.step(&loops.strides[0], -(self.index[0] as isize));
        self.index[0] = 0;
        for d in 1..loops.sizes.len() {
            self.index[d] += 1;
            let wraps = self.index[d] == loops.sizes[d];
            self.step(&loops.strides[d], if wraps { 1 - loops.sizes[d] as isize } else { 1 });
            if !wraps {
                return;
            }
            self.index[d] = 0;
        }
    }

    #[inline(always)]
    fn step(&mut self, strides: &PerOperand, by: isize) {
        for (offset, stride) in self.offsets.iter_mut().zip(strides) {
            *offset += by * stride;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_operands_become_one_run() {
        let l = Loops::new(&[2, 3, 4], &[(&[12, 4, 1], 4), (&[12, 4, 1], 8)]);
        assert_eq!((l.sizes.as_slice(), l.strides[0][0], l.strides[0][1]), ([24].as_slice(), 4, 8));
    }

    #[test]
    fn pieces_cover_every_element_once_from_any_start() {
        let l = Loops::new(&[3, 4, 5], &[(&[20, 5, 1], 1), (&[1, 0, 3], 1)]);
        for start in 0..60 {
            let mut seen = Vec::new();
            l.pieces(start..60, |o, n| {
                for i in 0..n as isize {
                    seen.push((o[0] + i * l.strides[0][0], o[1] + i * l.strides[0][1]));
                }
            });
            assert_eq!(seen.len(), 60 - start);
            for (out, input) in seen {
                assert_eq!(input, out / 20 + (out % 5) * 3);
            }
        }
    }
}
