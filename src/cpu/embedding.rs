//! Rows of a table, read and added to by number.

use std::ops::{AddAssign, Mul, Range};

use super::par;

struct Shared<A>(A);
// SAFETY: the rows or columns of a part are written by nobody else.
unsafe impl<A> Sync for Shared<A> {}

/// Copies the row `index[i]` of `table` to the row `i` of `out`; rows are `bytes` long.
///
/// # Safety
/// The table has the rows that are asked for, `out` has as many as there are indices.
pub unsafe fn take(table: *const u8, out: *mut u8, bytes: usize, index: &[i64]) {
    let shared = Shared((table, out));
    let grain = par::grain_for(index.len(), 5.0 + bytes as f64 * 0.1);
    par::for_range(index.len(), grain, &|range: Range<usize>| {
        let shared = &shared;
        let (table, out) = shared.0;
        for i in range {
            // SAFETY: the caller's promise.
            unsafe {
                std::ptr::copy_nonoverlapping(table.add(index[i] as usize * bytes), out.add(i * bytes), bytes)
            }
        }
    });
}

/// `table[index[i]] += weights[i] * list[i]`, in the order of the list. Threads share out the columns.
///
/// # Safety
/// Both have rows of `width` elements, the table those that are named; they do not overlap.
pub unsafe fn spread<T, W>(
    list: *const T,
    table: *mut T,
    width: usize,
    index: &[i64],
    weights: Option<&[f64]>,
) where
    T: Copy + Send + Sync + AddAssign + Mul<W, Output = T>,
    W: num_traits::Float,
{
    let shared = Shared((list, table));
    let grain = par::grain_for(width, index.len() as f64 * 0.7).next_multiple_of(16);
    par::for_range(width, grain, &|columns: Range<usize>| {
        let shared = &shared;
        let (list, table) = shared.0;
        for (i, &row) in index.iter().enumerate() {
            let weight = weights.map_or(W::one(), |w| W::from(w[i]).unwrap_or_else(W::nan));
            if weight == W::zero() {
                continue;
            }
            // SAFETY: the caller's promise.
            unsafe {
                let from = std::slice::from_raw_parts(list.add(i * width + columns.start), columns.len());
                let to = std::slice::from_raw_parts_mut(
                    table.add(row as usize * width + columns.start),
                    columns.len(),
                );
                if weights.is_none() {
                    to.iter_mut().zip(from).for_each(|(a, &b)| *a += b);
                } else {
                    to.iter_mut().zip(from).for_each(|(a, &b)| *a += b * weight);
                }
            }
        }
    });
}

/// Which rows of a table are added up in which bag.
pub struct Bags<'a> {
    pub index: &'a [i64],
    /// The bag of each row, in ascending order.
    pub bag: &'a [i64],
    pub count: usize,
    /// How much each row counts; none for once.
    pub shares: Option<&'a [f64]>,
}

/// `out[bag[i]] += shares[i] * table[index[i]]`, in order. Threads share out the bags.
///
/// # Safety
/// Both have rows of `width` elements, those that are named; they do not overlap.
pub unsafe fn add_bags<T: num_traits::Float + AddAssign + Send + Sync>(
    table: *const T,
    out: *mut T,
    width: usize,
    bags: &Bags,
) {
    let shared = Shared((table, out));
    let cost = (bags.index.len() * width) as f64 / bags.count.max(1) as f64 * 0.2;
    par::for_range(bags.count, par::grain_for(bags.count, cost), &|range: Range<usize>| {
        let shared = &shared;
        let (table, out) = shared.0;
        let from_bag = |b: usize| bags.bag.partition_point(|&bag| (bag as usize) < b);
        for i in from_bag(range.start)..from_bag(range.end) {
            let share = bags.shares.map_or(T::one(), |s| T::from(s[i]).unwrap_or_else(T::nan));
            if share == T::zero() {
                continue;
            }
            // SAFETY: the caller's promise; the bags are this thread's.
            let (from, to) = unsafe {
                (
                    std::slice::from_raw_parts(table.add(bags.index[i] as usize * width), width),
                    std::slice::from_raw_parts_mut(out.add(bags.bag[i] as usize * width), width),
                )
            };
            if bags.shares.is_none() {
                to.iter_mut().zip(from).for_each(|(a, &b)| *a += b);
            } else {
                to.iter_mut().zip(from).for_each(|(a, &b)| *a += b * share);
            }
        }
    });
}
