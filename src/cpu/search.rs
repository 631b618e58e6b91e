//! Places in sorted sequences, counts and histograms, runs of equal rows.

use std::cmp::Ordering;

use crate::cpu::par;
use crate::cpu::pointwise::GRAIN;
use crate::cpu::reduce::Ordered;
use crate::cpu::sort::Key;

/// Whether both are the same value; NaN is not even itself.
pub fn same<T: Key>(a: T, b: T) -> bool {
    !a.is_nan() && a.key() == b.key()
}

/// How many elements of a sorted sequence come before `value`: those below it, with `right` also those
/// equal to it. NaN comes after all.
pub fn place<T: Ordered>(sorted: &[T], sorter: Option<&[i64]>, value: T, right: bool) -> usize {
    match sorter {
        None => place_by(sorted.len(), |i| sorted[i], value, right),
        Some(order) => place_by(order.len(), |i| sorted[order[i] as usize], value, right),
    }
}

/// Halves by choice, not by branch: which half it is nobody can foresee.
#[inline(always)]
fn place_by<T: Ordered>(n: usize, get: impl Fn(usize) -> T, value: T, right: bool) -> usize {
    let value = value.lane();
    // Not so where either is NaN.
    let stays = |i: usize| {
        let found = get(i).lane();
        if right { found > value } else { found >= value }
    };
    let (mut start, mut end) = (0, n);
    while start < end {
        let middle = start + (end - start) / 2;
        (start, end) = if stays(middle) { (start, middle) } else { (middle + 1, end) };
    }
    start
}

/// A pointer that threads write different elements through.
struct Target<T>(*mut T);
// SAFETY: threads write disjoint elements.
unsafe impl<T> Sync for Target<T> {}

impl<T> Target<T> {
    /// # Safety
    /// Element `i` exists, and no other thread uses it.
    unsafe fn set(&self, i: usize, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(i).write(value) }
    }
}

/// The places of all values. There are `rows` sorted sequences side by side, each for as many of the
/// values as it gets; or one for all.
pub fn places<T: Ordered>(
    sorted: &[T],
    rows: usize,
    sorter: Option<&[i64]>,
    values: &[T],
    right: bool,
    out: &mut [i64],
) {
    let (length, each) = (sorted.len() / rows.max(1), values.len() / rows.max(1));
    let target = Target(out.as_mut_ptr());
    let grain = (GRAIN / (length.max(2).ilog2() as usize + 1)).max(1);
    par::for_range(values.len(), grain, &|range| {
        for i in range {
            let row = i / each.max(1);
            let part = row * length..(row + 1) * length;
            let order = sorter.map(|s| &s[part.clone()]);
            // SAFETY: one output a value, each written once.
            unsafe { target.set(i, place(&sorted[part], order, values[i], right) as i64) };
        }
    });
}

/// Whether each value is among the elements of a sorted sequence.
pub fn contained<T: Key>(sorted: &[T], values: &[T], invert: bool, out: &mut [crate::dtype::Bool]) {
    let target = Target(out.as_mut_ptr());
    par::for_range(values.len(), GRAIN / 8, &|range| {
        for i in range {
            let at = sorted.partition_point(|s| s.key() < values[i].key());
            let found = sorted.get(at).is_some_and(|s| same(*s, values[i]));
            // SAFETY: one output a value, each written once.
            unsafe { target.set(i, (found != invert).into()) };
        }
    });
}

/// Orders the rows (of `width` elements) like words in a dictionary; equal ones keep their order.
pub fn sort_rows<T: Key>(rows: &[T], width: usize, order: &mut [i64]) {
    let row = |i: i64| &rows[i as usize * width..(i as usize + 1) * width];
    order.sort_by(|&a, &b| {
        let pairs = row(a).iter().zip(row(b));
        pairs.map(|(x, y)| x.key().cmp(&y.key())).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
}

/// Where runs of equal rows start in `order`; `run_of` becomes the number of the run of each row.
pub fn runs<T: Key>(rows: &[T], width: usize, order: &[i64], run_of: &mut [i64], starts: &mut Vec<i64>) {
    let row = |i: i64| &rows[i as usize * width..(i as usize + 1) * width];
    for (i, &at) in order.iter().enumerate() {
        let goes_on = i > 0 && row(order[i - 1]).iter().zip(row(at)).all(|(a, b)| same(*a, *b));
        if !goes_on {
            starts.push(i as i64);
        }
        run_of[at as usize] = starts.len() as i64 - 1;
    }
}

/// Where runs of equal elements start in a sorted sequence.
pub fn runs_of_sorted<T: Key>(values: &[T], starts: &mut Vec<i64>) {
    for (i, &value) in values.iter().enumerate() {
        if i == 0 || !same(values[i - 1], value) {
            starts.push(i as i64);
        }
    }
}

/// A float that histograms are made of.
pub trait Sample: Copy + PartialOrd + Into<f64> {
    /// Which of `bins` even bins between two edges a value within them falls into.
    fn bin(self, low: Self, high: Self, bins: usize) -> usize;
}
macro_rules! samples {
    ($($t:ty),*) => { $(impl Sample for $t {
        fn bin(self, low: $t, high: $t, bins: usize) -> usize {
            (((self - low) * bins as $t / (high - low)) as usize).min(bins - 1)
        }
    })* };
}
samples!(f32, f64);

/// How a value finds its bin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bins {
    /// The edges lie evenly.
    Even,
    /// Evenly, but for rounding: the edges themselves decide.
    EvenByEdges,
    /// Anywhere.
    Free,
}

/// Adds up how many points, or the weights of them, fall between neighbouring edges of each coordinate;
/// the last bin has both of its edges. Points outside and those with NaN do not count. `points` holds one
/// coordinate for each list of edges, point after point; `out` has a place for each combination of bins.
pub fn histogram<T: Sample>(points: &[T], weights: Option<&[T]>, edges: &[&[T]], how: Bins, out: &mut [f64]) {
    for (i, point) in points.chunks_exact(edges.len().max(1)).enumerate() {
        let place = point
            .iter()
            .zip(edges)
            .try_fold(0, |place, (&v, edges)| Some(place * (edges.len() - 1) + bin_of(v, edges, how)?));
        if let Some(place) = place {
            out[place] += weights.map_or(1.0, |w| w[i].into());
        }
    }
}

fn bin_of<T: Sample>(v: T, edges: &[T], how: Bins) -> Option<usize> {
    let bins = edges.len() - 1;
    let (low, high) = (edges[0], edges[bins]);
    if bins == 0 || !(v >= low && v <= high) {
        return None;
    }
    let from_edges = |from: usize, to: usize| {
        (from + edges[from..to].partition_point(|e| *e <= v)).saturating_sub(1).min(bins - 1)
    };
    Some(match how {
        Bins::Free => from_edges(0, bins + 1),
        Bins::Even => v.bin(low, high, bins),
        Bins::EvenByEdges => {
            let near = v.bin(low, high, bins);
            from_edges(near.saturating_sub(1), (near + 2).min(bins + 1))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_a_walk() {
        for n in [0usize, 1, 2, 3, 7, 8, 100] {
            let sorted: Vec<f32> = (0..n).map(|i| (i / 3) as f32).collect();
            let order: Vec<i64> = (0..n as i64).rev().collect();
            let turned: Vec<f32> = sorted.iter().rev().copied().collect();
            for value in [-1.0, -0.0, 0.0, 0.5, 1.0, 29.0, 1e9, f32::INFINITY, f32::NAN] {
                for right in [false, true] {
                    let before = |v: &f32| value.is_nan() || *v < value || right && *v == value;
                    let walk = sorted.iter().take_while(|v| before(v)).count();
                    assert_eq!(place(&sorted, None, value, right), walk, "{n} {value} {right}");
                    assert_eq!(place(&turned, Some(&order), value, right), walk);
                }
            }
        }
    }
}
