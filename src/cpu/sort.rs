//! Sorting lines and picking from them by rank.
//!
//! Elements become keys: unsigned integers in the order of the values, NaN above all, the two zeros
//! equal. A key and the element's index are packed into one integer, so that sorting is a sort of
//! plain integers, stable whatever the algorithm, and selection needs no comparison function.

use std::sync::atomic::{AtomicBool, Ordering};

use half::{bf16, f16};

use crate::alloc::vec_for;
use crate::cpu::lines::{Line, Side, for_lines};
use crate::cpu::reduce::{Extreme, Fold, Ordered, fold_columns};
use crate::cpu::simd::{Element as _, Kernel, Simd, level};
use crate::dtype::{Bool, DType, Element};
use crate::error::{Error, Result};

/// Elements that have an order.
pub trait Key: Element {
    /// Bits that a key takes.
    const KEY_BITS: u32;
    /// An integer in the order of the values.
    fn key(self) -> u64;
    fn is_nan(self) -> bool {
        false
    }
}

macro_rules! integer_keys {
    ($($t:ty as $u:ty),*) => { $(impl Key for $t {
        const KEY_BITS: u32 = <$u>::BITS;
        #[inline(always)]
        fn key(self) -> u64 { ((self as $u) ^ (<$t>::MIN as $u)) as u64 }
    })* };
}
integer_keys!(u8 as u8, i8 as u8, i16 as u16, i32 as u32, i64 as u64);

impl Key for Bool {
    const KEY_BITS: u32 = 8;
    #[inline(always)]
    fn key(self) -> u64 {
        (self.0 != 0) as u64
    }
}

macro_rules! float_keys {
    ($($t:ty as $u:ty),*) => { $(impl Key for $t {
        const KEY_BITS: u32 = <$u>::BITS;
        #[inline(always)]
        fn key(self) -> u64 {
            let bits = self.to_bits();
            const SIGN: $u = 1 << (<$u>::BITS - 1);
            let key = if bits == SIGN { SIGN } else if bits & SIGN != 0 { !bits } else { bits | SIGN };
            if <$t>::is_nan(self) { <$u>::MAX as u64 } else { key as u64 }
        }
        #[inline(always)]
        fn is_nan(self) -> bool { <$t>::is_nan(self) }
    })* };
}
float_keys!(f16 as u16, bf16 as u16, f32 as u32, f64 as u64);

/// A key with an index below it.
trait Packed: Copy + Ord {
    fn pack(key: u64, index: usize) -> Self;
    fn key(self) -> u64;
    fn index(self) -> usize;
}
impl Packed for u64 {
    #[inline(always)]
    fn pack(key: u64, index: usize) -> u64 {
        key << 32 | index as u64
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self >> 32
    }
    #[inline(always)]
    fn index(self) -> usize {
        self as u32 as usize
    }
}
impl Packed for u128 {
    #[inline(always)]
    fn pack(key: u64, index: usize) -> u128 {
        (key as u128) << 64 | index as u128
    }
    #[inline(always)]
    fn key(self) -> u64 {
        (self >> 64) as u64
    }
    #[inline(always)]
    fn index(self) -> usize {
        self as u64 as usize
    }
}

/// Elements from which on counting digits is faster than comparing.
const RADIX_FROM: usize = 512;

/// Sorts by keys of `bits` bits, which are in the order of their indices where equal: digit after digit,
/// each of 8 bits, of which there are few enough for their places to stay in the nearest cache.
fn sort_keys<P: Packed>(items: &mut Vec<P>, bits: u32) -> Result<()> {
    const DIGIT: u32 = 8;
    let n = items.len();
    if n < RADIX_FROM || n > u32::MAX as usize {
        items.sort_unstable();
        return Ok(());
    }
    let digit = |item: P, d: u32| (item.key() >> (d * DIGIT)) as usize & 0xff;
    let digits = bits.div_ceil(DIGIT);
    let mut counts = [[0u32; 1 << DIGIT]; 64 / DIGIT as usize];
    for &item in items.iter() {
        for (d, counts) in counts[..digits as usize].iter_mut().enumerate() {
            counts[digit(item, d as u32)] += 1;
        }
    }
    let mut other = vec_for::<P>(n)?;
    for (d, counts) in (0..digits).zip(&mut counts) {
        // One value of this digit in all of them.
        if counts[digit(items[0], d)] as usize == n {
            continue;
        }
        let mut next = 0;
        for count in counts.iter_mut() {
            next += std::mem::replace(count, next);
        }
        let to = other.as_mut_ptr();
        for &item in items.iter() {
            let place = &mut counts[digit(item, d)];
            // SAFETY: every item has its own place below n, for which there is room.
            unsafe { to.add(*place as usize).write(item) };
            *place += 1;
        }
        // SAFETY: all n places were written.
        unsafe { other.set_len(n) };
        std::mem::swap(items, &mut other);
        other.clear();
    }
    Ok(())
}

/// What is wanted of each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// All, in order.
    Sorted { descending: bool },
    /// The first `k` of that order.
    First { k: usize, descending: bool },
    /// The element of this rank.
    Rank(usize),
    /// The lower of the middle elements; NaN if there is one.
    Median,
    /// The same among those that are not NaN.
    NanMedian,
    /// The smallest of the most frequent values.
    Mode,
}

/// Runs `$body` with `$t` standing for the Rust type of a dtype that has an order.
#[macro_export]
macro_rules! dispatch_ordered {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::dtype::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::dtype::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::dtype::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::dtype::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::dtype::DType::F16 => {
                type $t = half::f16;
                $body
            }
            $crate::dtype::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::dtype::DType::Bool => {
                type $t = $crate::dtype::Bool;
                $body
            }
            // Complex numbers have no order; they are refused before a kernel runs.
            _ => {
                type $t = f32;
                $body
            }
        }
    };
}

/// Writes the picked elements and their indices (int64): `[input, values, indices]`.
///
/// # Safety
/// The input's lines have `n` elements of `dtype`, which has an order; the outputs have as many as are
/// picked. `n` is not 0, ranks and `k` are within it.
pub unsafe fn pick(dtype: DType, sizes: &[usize], n: usize, sides: &[Side; 3], what: Pick) -> Result<()> {
    let failed = AtomicBool::new(false);
    let cost = n.saturating_mul(n.max(2).ilog2() as usize);
    dispatch_ordered!(dtype, T => for_lines(sizes, cost, sides, &|lines| {
        // SAFETY: lines as the caller describes them.
        if unsafe { pick_typed::<T>(lines, n, what) }.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
    }));
    match failed.into_inner() {
        true => Err(Error::OutOfMemory { bytes: n.saturating_mul(size_of::<u128>()) }),
        false => Ok(()),
    }
}

unsafe fn pick_typed<T: Key + Ordered>(lines: [Line; 3], n: usize, what: Pick) -> Result<()> {
    let few = match what {
        Pick::First { k, descending } => Some((k, descending)),
        Pick::Rank(rank) => Some((rank + 1, false)),
        _ => None,
    };
    if let Some((k, descending)) = few
        && (1..=n / (8 * LANES_A_PICK)).contains(&k)
        && lines[0].step == size_of::<T>() as isize
    {
        let run = lines[0].start.cast::<T>().cast_const();
        // SAFETY: the caller vouches for n elements, which are contiguous.
        let found = unsafe {
            if descending { contenders::<T, true>(run, n, k)? } else { contenders::<T, false>(run, n, k)? }
        };
        if let Some(found) = found {
            // SAFETY: the caller's promise; all that can be picked is among those found.
            return unsafe { pick_line::<T, u128>(lines, found.into_iter(), what, 0, T::KEY_BITS) };
        }
    }
    // SAFETY: the caller vouches for n elements.
    let keys = (0..n).map(|i| unsafe { lines[0].get::<T>(i).key() });
    let (low, high) = match T::KEY_BITS {
        64 => keys.fold((u64::MAX, 0), |(low, high), key| (low.min(key), high.max(key))),
        _ => (0, 0),
    };
    // Half the bytes where keys and indices fit: integers are often close together.
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let bits = if T::KEY_BITS == 64 { (64 - (high - low).leading_zeros()).max(1) } else { T::KEY_BITS };
        if bits <= 32 && n <= u32::MAX as usize {
            pick_line::<T, u64>(lines, 0..n, what, low, bits)
        } else {
            pick_line::<T, u128>(lines, 0..n, what, low, bits)
        }
    }
}

/// Places among which a line's best elements are sought, for each of them that is wanted.
const LANES_A_PICK: usize = 8;

/// The places of the elements among which the `k` best are: those no worse than the `k`-th best of
/// what is best in each of some lanes of the line. `None` where NaN forbids that.
///
/// # Safety
/// `n` elements can be read, `k` is not 0.
unsafe fn contenders<T: Ordered, const LARGEST: bool>(
    run: *const T,
    n: usize,
    k: usize,
) -> Result<Option<Vec<usize>>> {
    let width = (k * LANES_A_PICK).next_power_of_two().max(64);
    let mut best = vec_for::<T::Lane>(width)?;
    best.resize(width, Extreme::<T, LARGEST>::START);
    let lanes = Lanes::<T, LARGEST> { run, rows: n / width, best: &mut best };
    f32::dispatch(level(), lanes);
    // Among the largest NaN is first, among the smallest last.
    best.retain(|&x| LARGEST || !T::unordered(x, x));
    if best.len() < k {
        return Ok(None);
    }
    let bound = *best
        .select_nth_unstable_by(k - 1, |&a, &b| {
            let worse =
                |a, b| (!T::unordered(a, a) && T::unordered(b, b)) || Extreme::<T, LARGEST>::better(b, a);
            worse(a, b).cmp(&worse(b, a))
        })
        .1;
    let mut found = vec_for::<usize>(2 * k)?;
    f32::dispatch(level(), Collect::<T, LARGEST> { run, n, bound, found: &mut found });
    Ok(Some(found))
}

/// The best of each lane: of every so many elements one.
struct Lanes<'a, T: Ordered, const LARGEST: bool> {
    run: *const T,
    rows: usize,
    best: &'a mut [T::Lane],
}

impl<T: Ordered, const LARGEST: bool> Kernel<f32> for Lanes<'_, T, LARGEST> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let stride = self.best.len() * size_of::<T>();
        // SAFETY: who makes this vouches for as many rows of the run.
        unsafe {
            fold_columns::<Extreme<T, LARGEST>>(self.best, self.run.cast(), stride as isize, self.rows)
        };
    }
}

/// Notes the places of the elements that are no worse than the bound, and of NaN.
struct Collect<'a, T: Ordered, const LARGEST: bool> {
    run: *const T,
    n: usize,
    bound: T::Lane,
    found: &'a mut Vec<usize>,
}

impl<T: Ordered, const LARGEST: bool> Kernel<f32> for Collect<'_, T, LARGEST> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let Collect { run, n, bound, found } = self;
        let hit = |i: usize| {
            // SAFETY: who makes this vouches for `n` elements.
            let x = unsafe { run.add(i).read_unaligned() }.lane();
            !Extreme::<T, LARGEST>::better(bound, x)
        };
        let mut i = 0;
        while i + 32 <= n {
            if (0..32).fold(false, |any, j| any | hit(i + j)) {
                found.extend((i..i + 32).filter(|&i| hit(i)));
            }
            i += 32;
        }
        found.extend((i..n).filter(|&i| hit(i)));
    }
}

/// Writes what is picked of the elements of a line at some places, whose keys less `base` take `bits`.
unsafe fn pick_line<T: Key, P: Packed>(
    [line, values, indices]: [Line; 3],
    places: impl ExactSizeIterator<Item = usize>,
    what: Pick,
    base: u64,
    bits: u32,
) -> Result<()> {
    let n = places.len();
    let descending = matches!(what, Pick::Sorted { descending: true } | Pick::First { descending: true, .. });
    // Turning the keys round leaves the indices of equal elements in order.
    let flip = if descending { u64::MAX >> (64 - bits) } else { 0 };
    let mut packed = vec_for::<P>(n)?;
    // SAFETY: the caller vouches for elements at the places.
    packed.extend(places.map(|i| unsafe { P::pack((line.get::<T>(i).key() - base) ^ flip, i) }));
    // SAFETY: as above; indices come from the packing.
    let is_nan = |p: P| unsafe { line.get::<T>(p.index()).is_nan() };
    let one = |at: usize| at..at + 1;
    let range = match what {
        Pick::Sorted { .. } => {
            sort_keys(&mut packed, bits)?;
            0..n
        }
        Pick::First { k, .. } => {
            if k < n && k > 0 {
                packed.select_nth_unstable(k - 1);
            }
            packed[..k].sort_unstable();
            0..k
        }
        Pick::Rank(rank) => {
            packed.select_nth_unstable(rank);
            one(rank)
        }
        Pick::Median | Pick::NanMedian => {
            // SAFETY: the caller vouches for n elements.
            let nans = (0..n).filter(|&i| unsafe { line.get::<T>(i).is_nan() }).count();
            let rank = match (what, nans) {
                (_, 0) => (n - 1) / 2,
                // The first NaN.
                (Pick::Median, _) => n - nans,
                _ => (n - nans).saturating_sub(1) / 2,
            };
            packed.select_nth_unstable(rank);
            one(rank)
        }
        Pick::Mode => {
            sort_keys(&mut packed, bits)?;
            let (mut best, mut longest, mut run) = (0, 0, 0);
            for i in 0..n {
                run += 1;
                if i + 1 == n || packed[i].key() != packed[i + 1].key() || is_nan(packed[i]) {
                    if run > longest {
                        (best, longest) = (i, run);
                    }
                    run = 0;
                }
            }
            one(best)
        }
    };
    // SAFETY: the outputs have room for what is picked.
    unsafe {
        for (i, p) in packed[range].iter().enumerate() {
            values.set(i, line.get::<T>(p.index()));
            indices.set(i, p.index() as i64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_values() {
        let values = [f32::NEG_INFINITY, -2.5, -1e-40, 0.0, 1e-40, 2.5, f32::INFINITY, f32::NAN];
        assert!(values.windows(2).all(|w| w[0].key() < w[1].key()));
        assert_eq!((-0.0f64).key(), 0.0f64.key());
        assert_eq!((-f64::NAN).key(), f64::NAN.key());
        assert!([i64::MIN, -1, 0, i64::MAX].windows(2).all(|w| w[0].key() < w[1].key()));
        assert!([i8::MIN, -1, 0, 127].windows(2).all(|w| w[0].key() < w[1].key()));
    }

    #[test]
    fn few_are_picked_as_from_all() {
        for (n, k) in [(64, 1), (1000, 1), (1000, 10), (5003, 60), (40_000, 600)] {
            let mut x: Vec<f32> = (0..n).map(|i| ((i * 7919 + 13) % 4001) as f32 - 2000.0).collect();
            for round in 0..4 {
                match round {
                    1 => (0..n).step_by(n / 3 + 1).for_each(|i| x[i] = f32::NAN),
                    2 => (0..n).step_by(3).for_each(|i| x[i] = f32::NAN),
                    3 => (0..n).for_each(|i| x[i] = [0.0, -0.0, f32::INFINITY, f32::NAN][i % 4]),
                    _ => {}
                }
                for descending in [false, true] {
                    let (mut out, mut at) = (vec![0f32; n], vec![0i64; n]);
                    let side = |start: *mut u8, step| Side { start, strides: Default::default(), step };
                    let mut picked = |what: Pick, step: isize| {
                        let source: Vec<f32> = x.iter().flat_map(|&v| [v, 0.5]).collect();
                        let start = if step == 4 { x.as_ptr() } else { source.as_ptr() };
                        let sides = [
                            side(start.cast_mut().cast(), step),
                            side(out.as_mut_ptr().cast(), 4),
                            side(at.as_mut_ptr().cast(), 8),
                        ];
                        // SAFETY: one line of n elements, which is only read, and outputs as long.
                        unsafe { pick(DType::F32, &[], n, &sides, what) }.expect("memory for a line");
                        (at.clone(), out.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
                    };
                    for (what, found) in [(Pick::First { k, descending }, k), (Pick::Rank(k - 1), 1)] {
                        // Strided lines are sorted whole.
                        let (few, all) = (picked(what, 4), picked(what, 8));
                        assert_eq!(few.0[..found], all.0[..found], "{n} {what:?} {round}");
                        assert_eq!(few.1[..found], all.1[..found], "{n} {what:?} {round}");
                    }
                }
            }
        }
    }

    #[test]
    fn picks_of_wide_and_narrow_ranges_agree() {
        let narrow: Vec<i64> = (0..100).map(|i| (i * 37) % 11).collect();
        let wide: Vec<i64> = narrow.iter().map(|v| v << 40).collect();
        let picked = |values: &[i64], what: Pick, k: usize| {
            let (mut out, mut at) = (vec![0i64; k], vec![0i64; k]);
            let side = |start: *mut i64| Side { start: start.cast(), strides: Default::default(), step: 8 };
            let sides = [side(values.as_ptr().cast_mut()), side(out.as_mut_ptr()), side(at.as_mut_ptr())];
            // SAFETY: one line of these vectors, which is only read, and outputs of length k.
            unsafe { pick(DType::I64, &[], values.len(), &sides, what) }.expect("memory for a line");
            at
        };
        let whats = [
            (Pick::Sorted { descending: false }, 100),
            (Pick::Sorted { descending: true }, 100),
            (Pick::First { k: 7, descending: true }, 7),
            (Pick::Rank(42), 1),
            (Pick::Median, 1),
            (Pick::Mode, 1),
        ];
        for (what, k) in whats {
            assert_eq!(picked(&narrow, what, k), picked(&wide, what, k), "{what:?}");
        }
        let mut sorted = narrow.clone();
        sorted.sort();
        let order = picked(&narrow, Pick::Sorted { descending: false }, 100);
        assert_eq!(order.iter().map(|&i| narrow[i as usize]).collect::<Vec<_>>(), sorted);
    }
}
