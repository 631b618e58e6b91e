//! The lower or upper triangle of matrices: rows are copied up to the diagonal or from it on, the rest is
//! zero.

use crate::cpu::conv::Shared;
use crate::cpu::par;

/// Which part of a matrix is kept.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    pub rows: usize,
    pub columns: usize,
    /// Bytes of an element.
    pub size: usize,
    /// How far right of the main diagonal the edge lies.
    pub diagonal: i64,
    pub lower: bool,
}

impl Triangle {
    /// The columns of a row that are kept: those before the number (lower), or those from it on.
    fn edge(&self, row: usize) -> usize {
        let edge = (row as i64).saturating_add(self.diagonal).saturating_add(i64::from(self.lower));
        edge.clamp(0, self.columns as i64) as usize
    }
}

/// Writes the triangles of `count` matrices.
///
/// # Safety
/// `x` and `y` have `count` dense matrices of such elements; `y` may be uninitialised and overlaps nothing.
pub unsafe fn triangle(t: &Triangle, count: usize, x: *const u8, y: *mut u8) {
    let (x, y) = (Shared::of(x), Shared::new(y));
    let width = t.columns * t.size;
    par::for_range(count * t.rows, par::grain_for(count * t.rows, 2.0 + width as f64 * 0.1), &|rows| {
        for row in rows {
            let edge = t.edge(row % t.rows) * t.size;
            let (kept, rest) = if t.lower { (0..edge, edge..width) } else { (edge..width, 0..edge) };
            // SAFETY: both ranges lie in the row, and rows are disjoint.
            unsafe {
                let (from, to) = (x.at(row * width), y.at(row * width));
                std::ptr::copy_nonoverlapping(from.add(kept.start), to.add(kept.start), kept.len());
                to.add(rest.start).write_bytes(0, rest.len());
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_lies_on_its_side() {
        let (rows, columns, count) = (4, 3, 2);
        let x: Vec<i16> = (1..=(count * rows * columns) as i16).collect();
        for lower in [false, true] {
            for diagonal in [i64::MIN, -5, -1, 0, 1, 2, 7, i64::MAX] {
                let mut y = vec![-1i16; x.len()];
                let t = Triangle { rows, columns, size: 2, diagonal, lower };
                // SAFETY: vectors of this extent.
                unsafe { triangle(&t, count, x.as_ptr().cast(), y.as_mut_ptr().cast()) };
                for (i, (&x, &y)) in x.iter().zip(&y).enumerate() {
                    let (row, column) = ((i / columns % rows) as i64, (i % columns) as i64);
                    let kept = if lower {
                        i128::from(column) - i128::from(row) <= i128::from(diagonal)
                    } else {
                        i128::from(column) - i128::from(row) >= i128::from(diagonal)
                    };
                    assert_eq!(y, if kept { x } else { 0 }, "{t:?} at {row}, {column}");
                }
            }
        }
    }
}
