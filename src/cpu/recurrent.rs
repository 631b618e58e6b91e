//! What a step of a recurrent layer does with its gates, element by element, and the gradient of that.
//!
//! A step has some rows, one a sequence. The gates of a row lie side by side, `width` elements each. Every
//! formula is a loop of its own with one result, which the compiler turns into vectors; the rows of a step
//! are in the first-level cache meanwhile.

use super::exp::{Exp, is_fused};
use super::math;
use super::par;
use super::simd::{Kernel, Simd, level};
use std::ops::Range;

/// The functions of gates, in the flavour of an instruction set (see [`is_fused`]).
pub trait Gate: Exp {
    fn sigmoid<const FUSED: bool>(self) -> Self;
    fn bounded<const FUSED: bool>(self) -> Self;
}

impl Gate for f32 {
    #[inline(always)]
    fn sigmoid<const FUSED: bool>(self) -> f32 {
        if FUSED { math::f32_fma::sigmoid(self) } else { math::f32_plain::sigmoid(self) }
    }

    #[inline(always)]
    fn bounded<const FUSED: bool>(self) -> f32 {
        if FUSED { math::f32_fma::tanh(self) } else { math::f32_plain::tanh(self) }
    }
}

impl Gate for f64 {
    #[inline(always)]
    fn sigmoid<const FUSED: bool>(self) -> f64 {
        math::f64::sigmoid(self)
    }

    #[inline(always)]
    fn bounded<const FUSED: bool>(self) -> f64 {
        math::f64::tanh(self)
    }
}

/// What makes a new state of gates. Gates in the order of PyTorch's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// h = tanh(gate)
    Tanh,
    /// h = max(gate, 0)
    Relu,
    /// Gates i, f, g, o: c = f c + i g, h = o tanh(c)
    Lstm,
    /// Gates r, z, n: h = n + z (h - n), where r scales what the old h contributes to n.
    Gru,
}

impl Cell {
    /// How many gates a row has.
    pub fn gates(self) -> usize {
        match self {
            Cell::Tanh | Cell::Relu => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Tensors in a state.
    pub fn states(self) -> usize {
        if self == Cell::Lstm { 2 } else { 1 }
    }
}

/// The pointers of one step forward; each row is `width` long, that of gates `gates() * width`.
#[derive(Clone, Copy)]
pub struct Forward<T> {
    pub cell: Cell,
    pub rows: usize,
    pub width: usize,
    /// The sums that go into the gates; what comes out of them stays here. For `Gru` without the
    /// contribution of the old state.
    pub gates: *mut T,
    /// `Gru`: what the old state contributes to the gates.
    pub contribution: *const T,
    /// `Lstm`: tanh of the new cells; `Gru`: the part of the contribution that r scales. For the gradient.
    pub kept: *mut T,
    pub hidden_before: *const T,
    pub hidden: *mut T,
    /// `Lstm`: the old cells, overwritten with the new ones.
    pub cells: *mut T,
}

/// The pointers of one step backward.
#[derive(Clone, Copy)]
pub struct Backward<T> {
    pub cell: Cell,
    pub rows: usize,
    pub width: usize,
    /// As `Forward` left them.
    pub gates: *const T,
    pub kept: *const T,
    pub hidden_before: *const T,
    pub cells_before: *const T,
    /// The gradient of the step's output; null for zero.
    pub for_output: *const T,
    /// In: gradient of the new state from the step behind. Out, for `Gru`: that of the old state, but
    /// for what comes through the contribution. Else used up.
    pub for_hidden: *mut T,
    /// `Lstm`: gradient of the new cells, overwritten with that of the old ones.
    pub for_cells: *mut T,
    /// Gradient of the sums that go into the gates.
    pub for_gates: *mut T,
    /// `Gru`: gradient of the contribution.
    pub for_contribution: *mut T,
}

struct Shared<A>(A);
// SAFETY: every thread reads and writes the rows it claimed, and no others.
unsafe impl<A> Sync for Shared<A> {}

/// Nanoseconds that an element of a gate takes, roughly.
const GATE_NS: f64 = 1.0;

/// Takes a step.
///
/// # Safety
/// The pointers that the cell has a use for have the extents that their comments say, and do not overlap.
pub unsafe fn forward<T: Gate>(step: Forward<T>) {
    let cost = (step.cell.gates() * step.width) as f64 * GATE_NS;
    let shared = Shared(step);
    par::for_range(step.rows, par::grain_for(step.rows, cost), &|rows| {
        let shared = &shared;
        T::dispatch(level(), (&shared.0, rows));
    });
}

/// The gradient of a step.
///
/// # Safety
/// As [`forward`].
pub unsafe fn backward<T: Gate>(step: Backward<T>) {
    let cost = (step.cell.gates() * step.width) as f64 * GATE_NS;
    let shared = Shared(step);
    par::for_range(step.rows, par::grain_for(step.rows, cost), &|rows| {
        let shared = &shared;
        T::dispatch(level(), (&shared.0, rows));
    });
}

impl<T: Gate> Kernel<T> for (&Forward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let (step, rows) = self;
        for row in rows {
            // SAFETY: the row is one of the step's.
            unsafe {
                if const { is_fused::<T, S>() } {
                    step.row::<true>(row);
                } else {
                    step.row::<false>(row);
                }
            }
        }
    }
}

impl<T: Gate> Forward<T> {
    /// # Safety
    /// `row` is below `rows`.
    #[inline(always)]
    unsafe fn row<const FUSED: bool>(&self, row: usize) {
        let w = self.width;
        // SAFETY: all rows lie within the extents of the pointers that this cell uses.
        unsafe {
            let gates = self.gates.add(row * self.cell.gates() * w);
            let hidden = self.hidden.add(row * w);
            match self.cell {
                Cell::Tanh => {
                    for j in 0..w {
                        *gates.add(j) = (*gates.add(j)).bounded::<FUSED>();
                    }
                    hidden.copy_from_nonoverlapping(gates, w);
                }
                Cell::Relu => {
                    for j in 0..w {
                        let x = *gates.add(j);
                        *gates.add(j) = if x < T::zero() { T::zero() } else { x };
                    }
                    hidden.copy_from_nonoverlapping(gates, w);
                }
                Cell::Lstm => {
                    let (i, f, g, o) = (gates, gates.add(w), gates.add(2 * w), gates.add(3 * w));
                    let (cells, kept) = (self.cells.add(row * w), self.kept.add(row * w));
                    for j in 0..2 * w {
                        *i.add(j) = (*i.add(j)).sigmoid::<FUSED>();
                    }
                    for j in 0..w {
                        *g.add(j) = (*g.add(j)).bounded::<FUSED>();
                    }
                    for j in 0..w {
                        *o.add(j) = (*o.add(j)).sigmoid::<FUSED>();
                    }
                    for j in 0..w {
                        *cells.add(j) = *f.add(j) * *cells.add(j) + *i.add(j) * *g.add(j);
                    }
                    for j in 0..w {
                        *kept.add(j) = (*cells.add(j)).bounded::<FUSED>();
                    }
                    for j in 0..w {
                        *hidden.add(j) = *o.add(j) * *kept.add(j);
                    }
                }
                Cell::Gru => {
                    let (r, z, n) = (gates, gates.add(w), gates.add(2 * w));
                    let contribution = self.contribution.add(row * 3 * w);
                    let kept = self.kept.add(row * w);
                    kept.copy_from_nonoverlapping(contribution.add(2 * w), w);
                    for j in 0..2 * w {
                        *r.add(j) = (*r.add(j) + *contribution.add(j)).sigmoid::<FUSED>();
                    }
                    for j in 0..w {
                        *n.add(j) = (*n.add(j) + *r.add(j) * *kept.add(j)).bounded::<FUSED>();
                    }
                    let before = self.hidden_before.add(row * w);
                    for j in 0..w {
                        *hidden.add(j) = *n.add(j) + *z.add(j) * (*before.add(j) - *n.add(j));
                    }
                }
            }
        }
    }
}

impl<T: Gate> Kernel<T> for (&Backward<T>, Range<usize>) {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let (step, rows) = self;
        for row in rows {
            // SAFETY: the row is one of the step's.
            unsafe { step.row(row) };
        }
    }
}

impl<T: Gate> Backward<T> {
    /// # Safety
    /// `row` is below `rows`.
    #[inline(always)]
    unsafe fn row(&self, row: usize) {
        let w = self.width;
        let one = T::one();
        // SAFETY: all rows lie within the extents of the pointers that this cell uses.
        unsafe {
            let gates = self.gates.add(row * self.cell.gates() * w);
            let for_gates = self.for_gates.add(row * self.cell.gates() * w);
            let dh = self.for_hidden.add(row * w);
            if !self.for_output.is_null() {
                let for_output = self.for_output.add(row * w);
                for j in 0..w {
                    *dh.add(j) = *dh.add(j) + *for_output.add(j);
                }
            }
            match self.cell {
                Cell::Tanh => {
                    for j in 0..w {
                        let h = *gates.add(j);
                        *for_gates.add(j) = *dh.add(j) * (one - h * h);
                    }
                }
                Cell::Relu => {
                    for j in 0..w {
                        // NaN passes the gradient on, as relu does.
                        *for_gates.add(j) = if *gates.add(j) <= T::zero() { T::zero() } else { *dh.add(j) };
                    }
                }
                Cell::Lstm => {
                    let (i, f, g, o) = (gates, gates.add(w), gates.add(2 * w), gates.add(3 * w));
                    let (kept, before) = (self.kept.add(row * w), self.cells_before.add(row * w));
                    let dc = self.for_cells.add(row * w);
                    for j in 0..w {
                        let t = *kept.add(j);
                        *dc.add(j) = *dc.add(j) + *dh.add(j) * *o.add(j) * (one - t * t);
                    }
                    for j in 0..w {
                        let i = *i.add(j);
                        *for_gates.add(j) = *dc.add(j) * *g.add(j) * i * (one - i);
                    }
                    let for_f = for_gates.add(w);
                    for j in 0..w {
                        let f = *f.add(j);
                        *for_f.add(j) = *dc.add(j) * *before.add(j) * f * (one - f);
                    }
                    let for_g = for_gates.add(2 * w);
                    for j in 0..w {
                        let g = *g.add(j);
                        *for_g.add(j) = *dc.add(j) * *i.add(j) * (one - g * g);
                    }
                    let for_o = for_gates.add(3 * w);
                    for j in 0..w {
                        let o = *o.add(j);
                        *for_o.add(j) = *dh.add(j) * *kept.add(j) * o * (one - o);
                    }
                    for j in 0..w {
                        *dc.add(j) = *dc.add(j) * *f.add(j);
                    }
                }
                Cell::Gru => {
                    let (r, z, n) = (gates, gates.add(w), gates.add(2 * w));
                    let (kept, before) = (self.kept.add(row * w), self.hidden_before.add(row * w));
                    let for_contribution = self.for_contribution.add(row * 3 * w);
                    let (for_r, for_z, for_n) = (for_gates, for_gates.add(w), for_gates.add(2 * w));
                    for j in 0..w {
                        let n = *n.add(j);
                        *for_n.add(j) = *dh.add(j) * (one - *z.add(j)) * (one - n * n);
                    }
                    for j in 0..w {
                        let z = *z.add(j);
                        *for_z.add(j) = *dh.add(j) * (*before.add(j) - *n.add(j)) * z * (one - z);
                    }
                    for j in 0..w {
                        let r = *r.add(j);
                        *for_r.add(j) = *for_n.add(j) * *kept.add(j) * r * (one - r);
                    }
                    for_contribution.copy_from_nonoverlapping(for_gates, 2 * w);
                    let through_r = for_contribution.add(2 * w);
                    for j in 0..w {
                        *through_r.add(j) = *for_n.add(j) * *r.add(j);
                    }
                    for j in 0..w {
                        *dh.add(j) = *dh.add(j) * *z.add(j);
                    }
                }
            }
        }
    }
}
