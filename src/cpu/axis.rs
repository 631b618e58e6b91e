//! Linear maps along one axis: each output is a weighted sum of some inputs. Averages over windows,
//! interpolation and padding are such maps, one an axis; the transposed map is the gradient.

use crate::alloc::vec_for;
use crate::cpu::conv::Shared;
use crate::cpu::par;
use crate::cpu::simd::{Element, Kernel, Simd, level};
use crate::dtype::{C64, C128};
use crate::error::{Error, Result};
use std::ops::{Add, Range};

/// Outputs of a map: beyond, its own memory would be more than a machine has.
const MOST: usize = 1 << 32;

/// Output `o` is the sum of `weight * input[source]` over the terms `starts[o]..starts[o + 1]`.
#[derive(Debug, Clone)]
pub struct AxisMap {
    inputs: usize,
    starts: Vec<usize>,
    sources: Vec<usize>,
    weights: Vec<f64>,
    /// Each output is one input, unchanged.
    selects: bool,
    /// Each output is a multiple of the sum of neighbouring inputs.
    averages: bool,
}

impl AxisMap {
    /// The map whose terms for an output `terms` appends; sources must lie below `inputs`.
    pub fn build(
        inputs: usize,
        outputs: usize,
        mut terms: impl FnMut(usize, &mut Vec<(usize, f64)>),
    ) -> Result<AxisMap> {
        if outputs > MOST {
            return Err(Error::OutOfMemory { bytes: outputs.saturating_mul(24) });
        }
        let mut map = AxisMap {
            inputs,
            starts: vec_for(outputs + 1)?,
            sources: vec_for(outputs)?,
            weights: vec_for(outputs)?,
            selects: true,
            averages: true,
        };
        map.starts.push(0);
        let mut row = Vec::new();
        for o in 0..outputs {
            row.clear();
            terms(o, &mut row);
            map.selects &= matches!(row[..], [(_, 1.0)]);
            map.averages &= !row.is_empty() && row.windows(2).all(|t| t[1] == (t[0].0 + 1, t[0].1));
            let enough = map.sources.try_reserve(row.len()).and(map.weights.try_reserve(row.len()));
            enough.map_err(|_| Error::OutOfMemory { bytes: row.len() * 16 })?;
            for &(source, weight) in &row {
                assert!(source < inputs, "a map reads its inputs");
                map.sources.push(source);
                map.weights.push(weight);
            }
            map.starts.push(map.sources.len());
        }
        Ok(map)
    }

    /// The same map with other weights.
    pub fn with_weights(&self, change: impl FnOnce(&mut [f64])) -> AxisMap {
        let mut map = self.clone();
        change(&mut map.weights);
        map.selects &= map.weights.iter().all(|&w| w == 1.0);
        map.averages = false;
        map
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Where the terms of each output start, and the source and weight of each term.
    pub fn tables(&self) -> (&[usize], &[usize], &[f64]) {
        (&self.starts, &self.sources, &self.weights)
    }

    /// Terms of all outputs.
    pub fn terms(&self) -> usize {
        self.sources.len()
    }

    /// Whether it copies: no arithmetic, any dtype.
    pub fn selects(&self) -> bool {
        self.selects
    }

    /// The map that carries gradients back.
    pub fn transposed(&self) -> Result<AxisMap> {
        let mut starts = vec_for(self.inputs + 1)?;
        starts.resize(self.inputs + 1, 0);
        for &s in &self.sources {
            starts[s + 1] += 1;
        }
        for i in 0..self.inputs {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let (mut sources, mut weights) = (vec_for(self.sources.len())?, vec_for(self.sources.len())?);
        sources.resize(self.sources.len(), 0);
        weights.resize(self.sources.len(), 0.0);
        for o in 0..self.outputs() {
            for k in self.starts[o]..self.starts[o + 1] {
                let at = &mut next[self.sources[k]];
                (sources[*at], weights[*at]) = (o, self.weights[k]);
                *at += 1;
            }
        }
        let selects = starts.windows(2).all(|w| w[1] - w[0] == 1) && weights.iter().all(|&w| w == 1.0);
        // Of one output every input is a multiple.
        let averages = self.outputs() == 1 && starts.windows(2).all(|w| w[1] - w[0] == 1);
        Ok(AxisMap { inputs: self.outputs(), starts, sources, weights, selects, averages })
    }

    /// This map and, along the next axis, another, as one map along both.
    pub fn with_next(&self, next: &AxisMap) -> Result<AxisMap> {
        let of = |map: &AxisMap, o: usize| map.starts[o]..map.starts[o + 1];
        AxisMap::build(self.inputs * next.inputs, self.outputs() * next.outputs(), |o, terms| {
            for i in of(self, o / next.outputs()) {
                for j in of(next, o % next.outputs()) {
                    let source = self.sources[i] * next.inputs + next.sources[j];
                    terms.push((source, self.weights[i] * next.weights[j]));
                }
            }
        })
    }
}

/// What can be summed with real weights.
pub trait Linear: Copy + Send + Sync + 'static {
    /// Sums are kept in this.
    type Sum: Copy;
    const ZERO: Self::Sum;
    fn plus(sum: Self::Sum, weight: f64, x: Self) -> Self::Sum;
    fn joined(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    fn of(sum: Self::Sum) -> Self;
}

macro_rules! linear {
    ($($t:ty, $sum:ty, $zero:expr, $add:path, |$s:ident, $w:ident, $x:ident| $plus:expr, |$o:ident| $of:expr;)*) => {$(
        impl Linear for $t {
            type Sum = $sum;
            const ZERO: $sum = $zero;
            #[inline(always)]
            fn plus($s: $sum, $w: f64, $x: $t) -> $sum { $plus }
            #[inline(always)]
            fn joined(a: $sum, b: $sum) -> $sum { $add(a, b) }
            #[inline(always)]
            fn of($o: $sum) -> $t { $of }
        }
    )*};
}
linear! {
    f32, f64, 0.0, Add::add, |s, w, x| s + w * f64::from(x), |s| s as f32;
    f64, f64, 0.0, Add::add, |s, w, x| s + w * x, |s| s;
    // Whole weights: sums wrap as integers do.
    i64, i64, 0, i64::wrapping_add, |s, w, x| s.wrapping_add((w as i64).wrapping_mul(x)), |s| s;
    C64, C128, C128::new(0.0, 0.0), Add::add, |s, w, x| C128::new(s.re + w * f64::from(x.re), s.im + w * f64::from(x.im)),
        |s| C64::new(s.re as f32, s.im as f32);
    C128, C128, C128::new(0.0, 0.0), Add::add, |s, w, x| C128::new(s.re + w * x.re, s.im + w * x.im), |s| s;
}

/// Neighbouring outputs that are summed together.
const STRIP: usize = 64;

/// Calls `body(i, outputs)` so that all outputs of all `outer` rows are met, on all threads where that pays.
fn each_row(map: &AxisMap, outer: usize, cost: f64, body: &(impl Fn(usize, Range<usize>) + Sync)) {
    let outputs = map.outputs();
    par::for_range(outer * outputs, par::grain_for(outer * outputs, cost), &|items| {
        let mut item = items.start;
        while item < items.end {
            let (i, o) = (item / outputs, item % outputs);
            let end = outputs.min(o + items.end - item);
            body(i, o..end);
            item += end - o;
        }
    });
}

/// `y` (outer, outputs, inner) from `x` (outer, inputs, inner).
///
/// # Safety
/// Contiguous with these extents; `y` may be uninitialised and overlaps nothing.
pub unsafe fn apply<T: Linear>(map: &AxisMap, outer: usize, inner: usize, x: *const T, y: *mut T) {
    let (x, y) = (Shared::of(x), Shared::new(y));
    let outputs = map.outputs();
    let terms = map.sources.len() as f64 / outputs.max(1) as f64;
    if inner == 1 && map.averages && (terms >= 8.0 || map.inputs == 1) {
        let grain = par::grain_for(outer, outputs as f64 * (terms * 0.3 + 1.0));
        par::for_range(outer, grain, &|rows| {
            f32::dispatch(
                level(),
                Averages {
                    map,
                    x: x.at(rows.start * map.inputs),
                    y: y.at(rows.start * outputs),
                    rows: rows.len(),
                },
            );
        });
        return;
    }
    each_row(map, outer, inner as f64 * (terms + 1.0), &|i, row| {
        let from = x.at(i * map.inputs * inner).cast_const();
        let to = y.at(i * outputs * inner);
        // SAFETY: sources lie below `inputs`, and every thread writes the outputs of its rows.
        unsafe {
            if inner == 1 {
                apply_to_row(map, row, from, to);
            } else {
                row.for_each(|o| apply_to_strips(map, o, inner, from, to.add(o * inner)));
            }
        }
    });
}

/// Maps that average (or spread one input), in rows without neighbours.
struct Averages<'a, T> {
    map: &'a AxisMap,
    rows: usize,
    x: *const T,
    y: *mut T,
}

// The vectors are the compiler's, whatever `T` is: f32 only names the instruction set.
impl<T: Linear> Kernel<f32> for Averages<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        const LANES: usize = 16;
        let (map, outputs) = (self.map, self.map.outputs());
        for row in 0..self.rows {
            // SAFETY: the caller's promise: `rows` rows of these extents; sources lie below the inputs.
            unsafe {
                let (x, y) = (self.x.add(row * map.inputs), self.y.add(row * outputs));
                if map.inputs == 1 {
                    let weights = &map.weights[..outputs];
                    let x = *x;
                    weights
                        .iter()
                        .enumerate()
                        .for_each(|(o, &w)| y.add(o).write(T::of(T::plus(T::ZERO, w, x))));
                    continue;
                }
                for o in 0..outputs {
                    let (first, end) = (map.starts[o], map.starts[o + 1]);
                    let x = std::slice::from_raw_parts(x.add(map.sources[first]), end - first);
                    let weight = map.weights[first];
                    let mut sums = [T::ZERO; LANES];
                    let (whole, rest) = x.as_chunks::<LANES>();
                    for x in whole {
                        (0..LANES).for_each(|i| sums[i] = T::plus(sums[i], weight, x[i]));
                    }
                    rest.iter().zip(&mut sums).for_each(|(&x, sum)| *sum = T::plus(*sum, weight, x));
                    let mut half = LANES / 2;
                    while half > 0 {
                        (0..half).for_each(|i| sums[i] = T::joined(sums[i], sums[i + half]));
                        half /= 2;
                    }
                    y.add(o).write(T::of(sums[0]));
                }
            }
        }
    }
}

/// Outputs that have no neighbours.
///
/// # Safety
/// `x` has an element an input, `y` one an output; `row` lies within the outputs.
unsafe fn apply_to_row<T: Linear>(map: &AxisMap, row: Range<usize>, x: *const T, y: *mut T) {
    // Raw, for the writes to `y` would make the compiler fetch the slices anew each time.
    let (starts, sources, weights) = (map.starts.as_ptr(), map.sources.as_ptr(), map.weights.as_ptr());
    for o in row {
        // SAFETY: the caller's promise; terms lie within the map, sources below its inputs.
        unsafe {
            let mut sum = T::ZERO;
            for k in *starts.add(o)..*starts.add(o + 1) {
                sum = T::plus(sum, *weights.add(k), *x.add(*sources.add(k)));
            }
            y.add(o).write(T::of(sum));
        }
    }
}

/// The `inner` neighbours of output `o`, at `y`.
///
/// # Safety
/// `x` has `inner` elements an input.
unsafe fn apply_to_strips<T: Linear>(map: &AxisMap, o: usize, inner: usize, x: *const T, y: *mut T) {
    let terms = map.starts[o]..map.starts[o + 1];
    let (sources, weights) = (&map.sources[terms.clone()], &map.weights[terms]);
    // SAFETY: the caller's promise; sources lie below the inputs.
    unsafe {
        match (sources, weights) {
            (&[s], &[w]) => {
                let row = x.add(s * inner);
                for j in 0..inner {
                    y.add(j).write(T::of(T::plus(T::ZERO, w, *row.add(j))));
                }
            }
            (&[s, t], &[v, w]) => {
                let (a, b) = (x.add(s * inner), x.add(t * inner));
                for j in 0..inner {
                    let sum = T::plus(T::ZERO, v, *a.add(j));
                    y.add(j).write(T::of(T::plus(sum, w, *b.add(j))));
                }
            }
            _ => {
                for first in (0..inner).step_by(STRIP) {
                    let len = STRIP.min(inner - first);
                    let mut sums = [T::ZERO; STRIP];
                    for (&s, &w) in sources.iter().zip(weights) {
                        let row = std::slice::from_raw_parts(x.add(s * inner + first), len);
                        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum = T::plus(*sum, w, x));
                    }
                    for (j, &sum) in sums[..len].iter().enumerate() {
                        y.add(first + j).write(T::of(sum));
                    }
                }
            }
        }
    }
}

/// The same for a map that selects, on elements of any type.
///
/// # Safety
/// As [`apply`].
pub unsafe fn select<T: Copy + Send + Sync>(
    map: &AxisMap,
    outer: usize,
    inner: usize,
    x: *const T,
    y: *mut T,
) {
    debug_assert!(map.selects);
    let (x, y) = (Shared::of(x), Shared::new(y));
    let outputs = map.outputs();
    each_row(map, outer, inner as f64 * 0.5, &|i, row| {
        let (from, to) = (x.at(i * map.inputs * inner), y.at(i * outputs * inner));
        let sources = map.sources.as_ptr();
        for o in row {
            // SAFETY: sources lie below `inputs`, and every thread writes the outputs of its rows.
            unsafe {
                let source = *sources.add(o);
                if inner == 1 {
                    to.add(o).write(*from.add(source));
                } else {
                    std::ptr::copy_nonoverlapping(from.add(source * inner), to.add(o * inner), inner);
                }
            }
        }
    });
}

/// Neighbours that a map selects from neighbours: outputs from `to`, inputs from `from`.
struct Run {
    to: usize,
    from: usize,
    len: usize,
}

/// Two maps that select, along the last axes: `y` (outer, outputs, outputs) from `x` (outer, inputs, inputs).
///
/// # Safety
/// As [`apply`].
pub unsafe fn select_planes<T: Copy + Send + Sync>(
    rows: &AxisMap,
    columns: &AxisMap,
    outer: usize,
    x: *const T,
    y: *mut T,
) {
    debug_assert!(rows.selects && columns.selects);
    let mut runs: Vec<Run> = Vec::new();
    for (to, &from) in columns.sources.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.from + run.len == from => run.len += 1,
            _ => runs.push(Run { to, from, len: 1 }),
        }
    }
    let (x, y) = (Shared::of(x), Shared::new(y));
    let outputs = columns.outputs();
    each_row(rows, outer, outputs as f64 * 0.5, &|i, lines| {
        let plane = x.at(i * rows.inputs * columns.inputs);
        for o in lines {
            let from = plane.wrapping_add(rows.sources[o] * columns.inputs);
            let to = y.at((i * rows.outputs() + o) * outputs);
            for run in &runs {
                // SAFETY: sources lie below the inputs, and every thread writes the outputs of its rows.
                unsafe {
                    let (from, to) = (from.add(run.from), to.add(run.to));
                    if run.len == 1 {
                        to.write(*from);
                    } else {
                        std::ptr::copy_nonoverlapping(from, to, run.len);
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_is_the_map_itself() {
        let map = AxisMap::build(3, 2, |o, terms| terms.extend([(o, 0.5), (o + 1, 0.25)])).unwrap();
        let back = map.transposed().unwrap().transposed().unwrap();
        let x = [1.0f64, 2.0, 4.0];
        let mut y = [[0.0; 2]; 2];
        for (map, y) in [&map, &back].iter().zip(&mut y) {
            // SAFETY: three inputs, two outputs.
            unsafe { apply(map, 1, 1, x.as_ptr(), y.as_mut_ptr()) };
        }
        assert_eq!(y, [[1.0, 2.0]; 2]);
    }

    /// What runs in one sweep has the values of one map after the other.
    #[test]
    fn maps_along_two_axes() {
        let average = |size: usize| {
            AxisMap::build(size, 1, |_, terms| terms.extend((0..size).map(|s| (s, 1.0 / size as f64))))
                .unwrap()
        };
        for (h, w) in [(1, 1), (7, 7), (3, 5), (17, 13)] {
            let (rows, columns) = (average(h), average(w));
            let both = rows.with_next(&columns).unwrap();
            let x: Vec<f32> = (0..3 * h * w).map(|i| (i * 7 % 31) as f32 - 9.0).collect();
            let (mut between, mut want, mut got) = (vec![0.0; 3 * h], [0.0; 3], [7.0; 3]);
            // SAFETY: the vectors have the extents of the maps.
            unsafe {
                apply(&columns, 3 * h, 1, x.as_ptr(), between.as_mut_ptr());
                apply(&rows, 3, 1, between.as_ptr(), want.as_mut_ptr());
                apply(&both, 3, 1, x.as_ptr(), got.as_mut_ptr());
            }
            assert!(want.iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-5), "{want:?} {got:?}");
            let back = both.transposed().unwrap();
            let mut spread = vec![7.0; 3 * h * w];
            // SAFETY: likewise.
            unsafe { apply(&back, 3, 1, want.as_ptr(), spread.as_mut_ptr()) };
            for (i, v) in spread.iter().enumerate() {
                assert!((v - want[i / (h * w)] / (h * w) as f32).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn selections_along_two_axes() {
        let pick = |size: usize, from: &[usize]| {
            AxisMap::build(size, from.len(), |o, terms| terms.push((from[o], 1.0))).unwrap()
        };
        let (rows, columns) = (pick(3, &[2, 0, 1, 1]), pick(6, &[1, 0, 1, 2, 3, 5, 5, 4]));
        let x: Vec<u16> = (0..2 * 18).collect();
        let (mut between, mut want, mut got) = (vec![0; 2 * 24], vec![0; 2 * 32], vec![0; 2 * 32]);
        // SAFETY: the vectors have the extents of the maps.
        unsafe {
            select(&rows, 2, 6, x.as_ptr(), between.as_mut_ptr());
            select(&columns, 8, 1, between.as_ptr(), want.as_mut_ptr());
            select_planes(&rows, &columns, 2, x.as_ptr(), got.as_mut_ptr());
        }
        assert_eq!(got, want);
    }
}
