//! Attention a tile at a time: softmax(scale q kᵀ + mask) v without the matrix of all scores.
//!
//! For a block of queries the keys pass by in blocks; the largest score and the sum of exponentials
//! so far are kept for every query, and what was summed is scaled down whenever the largest changes
//! (Dao et al., 2022). The backward computes each tile's scores again, from the logarithm of the sum
//! that the forward kept.

use std::ops::Range;

use super::exp::{Exp, is_fused};
use super::gemm::{Bias, GemmElement, Mat, Product, gemm};
use super::par;
use super::scratch::Scratch;
use super::simd::{Kernel, Simd, level};
use super::softmax::{row_max, row_sum};
use super::transpose::Strip;

/// Queries and keys in a tile.
const QUERIES: usize = 64;
const KEYS: usize = 128;

/// Between lines of turned blocks, so that they do not fall into few sets of a cache.
const LINE: usize = KEYS + 16;
/// Queries and keys from which keys are turned once for all queries: of fewer keys, most of a block would be empty.
const TURNED_FROM: usize = 24;

/// What is added to the scores.
#[derive(Clone, Copy)]
pub struct Mask<'a, T> {
    pub ptr: *const T,
    /// Where the matrix of each query head begins, in elements.
    pub offsets: &'a [isize],
    pub row_stride: isize,
    pub column_stride: isize,
}

/// Contiguous heads: queries (heads, l, e), keys (heads / group, s, e), values (heads / group, s, ev).
#[derive(Clone, Copy)]
pub struct Attention<'a, T> {
    pub heads: usize,
    /// Neighbouring query heads that share a head of keys and values.
    pub group: usize,
    pub l: usize,
    pub s: usize,
    pub e: usize,
    pub ev: usize,
    pub scale: T,
    /// Query i sees the keys up to i.
    pub causal: bool,
    pub q: *const T,
    pub k: *const T,
    pub v: *const T,
    pub mask: Option<Mask<'a, T>>,
}

// SAFETY: the pointers are read only, by functions whose callers vouch for them.
unsafe impl<T: Sync> Sync for Attention<'_, T> {}

/// What the backward reads and writes; the gradients begin as zeros.
#[derive(Clone, Copy)]
pub struct Backward<T> {
    pub out: *const T,
    pub grad: *const T,
    /// (heads, l): logarithm of the sum of exponentials.
    pub lse: *const T,
    pub gq: *mut T,
    pub gk: *mut T,
    pub gv: *mut T,
}

struct Shared<A>(A);
// SAFETY: heads and blocks of queries are disjoint, and every thread writes only those it claimed.
unsafe impl<A> Sync for Shared<A> {}

/// A part of one head's matrix of scores, whose rows are `LINE` apart in memory.
#[derive(Clone)]
struct Tile {
    head: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

/// Keys or values, each block of `KEYS` of them turned: a line of the block for every column.
struct Turned<T> {
    blocks: usize,
    width: usize,
    scratch: Option<Scratch<T>>,
}

impl<T: Exp + GemmElement> Turned<T> {
    /// Of `heads` matrices of `s` rows of `width`. None if there is no memory for them.
    unsafe fn new(from: *const T, heads: usize, s: usize, width: usize, queries: usize) -> Option<Turned<T>> {
        let blocks = s.div_ceil(KEYS);
        if queries.min(s) < TURNED_FROM {
            return Some(Turned { blocks, width, scratch: None });
        }
        let room = heads.checked_mul(blocks)?.checked_mul(width)?.checked_mul(LINE)?;
        let mut scratch = Scratch::<T>::new(room)?;
        let shared = Shared((from, scratch.as_mut_ptr()));
        let grain = par::grain_for(heads * blocks, (KEYS.min(s) * width) as f64);
        par::for_range(heads * blocks, grain, &|parts| {
            let shared = &shared;
            let (from, to) = shared.0;
            for part in parts {
                let (head, first) = (part / blocks, part % blocks * KEYS);
                let src = from.wrapping_add((head * s + first) * width);
                let dst = to.wrapping_add(part * width * LINE);
                let rows = KEYS.min(s - first);
                let block =
                    Strip { src, src_stride: width as isize, dst, dst_stride: LINE, rows, columns: width };
                T::dispatch(level(), block);
            }
        });
        Some(Turned { blocks, width, scratch: Some(scratch) })
    }

    /// The block that begins with a row, turned; `plain` is where it stands unturned.
    fn block(&self, head: usize, row: usize, plain: *const T) -> Mat<T> {
        match &self.scratch {
            Some(scratch) => {
                let place = (head * self.blocks + row / KEYS) * self.width * LINE;
                Mat { ptr: scratch.as_ptr().wrapping_add(place), rs: LINE as isize, cs: 1 }
            }
            None => Mat { ptr: plain, rs: 1, cs: self.width as isize },
        }
    }
}

// SAFETY: once made it is only read.
unsafe impl<T> Sync for Turned<T> {}

impl<T: Exp + GemmElement> Attention<'_, T> {
    /// q kᵀ of a tile, unscaled.
    unsafe fn products(&self, tile: &Tile, keys: &Turned<T>, to: *mut T) {
        let q = Mat { ptr: self.query(tile.head, tile.rows.start), rs: self.e as isize, cs: 1 };
        let plain = self.key(tile.head, tile.columns.start);
        let k = keys.block(tile.head / self.group, tile.columns.start, plain);
        // SAFETY: the rows lie in the tensors, the tile in the scratch.
        unsafe { multiply(tile.shape(self.e), q, k, to, LINE, false) }
    }

    fn query(&self, head: usize, row: usize) -> *const T {
        self.q.wrapping_add((head * self.l + row) * self.e)
    }

    fn key(&self, head: usize, row: usize) -> *const T {
        self.k.wrapping_add((head / self.group * self.s + row) * self.e)
    }

    fn value(&self, head: usize, row: usize) -> *const T {
        self.v.wrapping_add((head / self.group * self.s + row) * self.ev)
    }

    /// The blocks of keys that a block of queries sees.
    fn key_blocks(&self, rows: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<T> {
        let end = if self.causal { self.s.min(rows.end) } else { self.s };
        (0..end).step_by(KEYS).map(move |start| start..(start + KEYS).min(end))
    }

    /// What a row of products must still be multiplied with; where there is a mask, that is done here, and the mask is
    /// added.
    #[inline(always)]
    unsafe fn finish_scores(&self, tile: &Tile, row: usize, scores: &mut [T]) -> T {
        let mut scale = self.scale;
        // The largest score is found before it is scaled, which takes an ordinary, positive scale.
        if self.mask.is_some() || !(scale > T::zero() && scale.is_finite()) {
            scores.iter_mut().for_each(|x| *x = *x * scale);
            scale = T::one();
        }
        if let Some(mask) = &self.mask {
            let first = mask.ptr.wrapping_offset(
                mask.offsets[tile.head]
                    + row as isize * mask.row_stride
                    + tile.columns.start as isize * mask.column_stride,
            );
            for (j, x) in scores.iter_mut().enumerate() {
                // SAFETY: the mask has an element for every score.
                *x = *x + unsafe { *first.wrapping_offset(j as isize * mask.column_stride) };
            }
        }
        if self.causal {
            let seen = (row + 1).saturating_sub(tile.columns.start).min(scores.len());
            scores[seen..].fill(T::neg_infinity());
        }
        scale
    }
}

impl Tile {
    fn shape(&self, k: usize) -> [usize; 3] {
        [self.rows.len(), self.columns.len(), k]
    }
}

/// `c = a b` or `c += a b`, for (m, n, k).
unsafe fn multiply<T: GemmElement>(
    [m, n, k]: [usize; 3],
    a: Mat<T>,
    b: Mat<T>,
    c: *mut T,
    ldc: usize,
    accumulate: bool,
) {
    // SAFETY: the caller's promise.
    unsafe { gemm(&Product { m, n, k, a, b, c, ldc, accumulate, bias: Bias::None }) }
}

/// Turns a tile of products into exponentials and scales the sums so far.
struct Exponentials<'a, T> {
    call: &'a Attention<'a, T>,
    tile: Tile,
    scores: *mut T,
    /// Of each row: the largest score and the sum of exponentials.
    largest: &'a mut [T],
    sums: &'a mut [T],
    out: *mut T,
}

impl<T: Exp + GemmElement> Exponentials<'_, T> {
    #[inline(always)]
    fn rows<S: Simd<T>, const FUSED: bool>(self, s: S) {
        for (i, row) in self.tile.rows.clone().enumerate() {
            // SAFETY: a row of the tile and of the output.
            let (scores, out) = unsafe {
                (
                    std::slice::from_raw_parts_mut(self.scores.add(i * LINE), self.tile.columns.len()),
                    std::slice::from_raw_parts_mut(self.out.add(i * self.call.ev), self.call.ev),
                )
            };
            // SAFETY: the mask has an element for every score.
            let scale = unsafe { self.call.finish_scores(&self.tile, row, scores) };
            let before = self.largest[i];
            let best = row_max(s, scores) * scale;
            let largest = if best > before { best } else { before };
            if largest == T::neg_infinity() && !scores.iter().any(|x| x.is_nan()) {
                scores.fill(T::zero());
                continue;
            }
            for x in scores.iter_mut() {
                let difference = if FUSED { x.mul_add(scale, -largest) } else { *x * scale - largest };
                *x = difference.exp_in::<FUSED>();
            }
            let factor = (before - largest).exp_in::<FUSED>();
            self.sums[i] = self.sums[i] * factor + row_sum(scores, |_, x| x);
            self.largest[i] = largest;
            if factor != T::one() {
                out.iter_mut().for_each(|y| *y = *y * factor);
            }
        }
    }
}

impl<T: Exp + GemmElement> Kernel<T> for Exponentials<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        if const { is_fused::<T, S>() } {
            self.rows::<S, true>(s);
        } else {
            self.rows::<S, false>(s);
        }
    }
}

/// `out` (heads, l, ev), and for each query the logarithm of the sum of exponentials (infinite where
/// the mask leaves no key, whose result is zero). False if there is no memory for a tile.
///
/// # Safety
/// The pointers have the extents that the fields say; `out` is zero, `lse` may be uninitialised, and
/// they overlap nothing.
pub unsafe fn forward<T: Exp + GemmElement>(call: &Attention<T>, out: *mut T, lse: *mut T) -> bool {
    let blocks = call.l.div_ceil(QUERIES);
    let key_heads = call.heads / call.group;
    // SAFETY: the caller's promise.
    let Some(keys) = (unsafe { Turned::new(call.k, key_heads, call.s, call.e, call.l) }) else {
        return false;
    };
    let keys = &keys;
    let shared = Shared((out, lse));
    let failed = std::sync::atomic::AtomicBool::new(false);
    let cost = QUERIES.min(call.l) as f64 * call.s as f64 * ((call.e + call.ev) as f64 * 0.03 + 1.0);
    par::for_range(call.heads * blocks, par::grain_for(call.heads * blocks, cost), &|parts| {
        let shared = &shared;
        let (out, lse) = shared.0;
        let Some(mut scratch) = Scratch::<T>::new(QUERIES * LINE) else {
            failed.store(true, std::sync::atomic::Ordering::Relaxed);
            return;
        };
        let scores = scratch.as_mut_ptr();
        for part in parts {
            let (head, start) = (part / blocks, part % blocks * QUERIES);
            let rows = start..(start + QUERIES).min(call.l);
            // SAFETY: the rows are claimed by this part; the tile lies in the scratch.
            unsafe {
                let to = out.add((head * call.l + rows.start) * call.ev);
                forward_block(
                    call,
                    keys,
                    head,
                    rows.clone(),
                    scores,
                    to,
                    lse.add(head * call.l + rows.start),
                );
            }
        }
    });
    !failed.into_inner()
}

unsafe fn forward_block<T: Exp + GemmElement>(
    call: &Attention<T>,
    keys: &Turned<T>,
    head: usize,
    rows: Range<usize>,
    scores: *mut T,
    out: *mut T,
    lse: *mut T,
) {
    let mut largest = [T::neg_infinity(); QUERIES];
    let mut sums = [T::zero(); QUERIES];
    let (ev, line) = (call.ev as isize, LINE as isize);
    for columns in call.key_blocks(&rows) {
        let tile = Tile { head, rows: rows.clone(), columns };
        // SAFETY: the caller's promise.
        unsafe {
            call.products(&tile, keys, scores);
            T::dispatch(
                level(),
                Exponentials {
                    call,
                    tile: tile.clone(),
                    scores,
                    largest: &mut largest,
                    sums: &mut sums,
                    out,
                },
            );
            let values = Mat { ptr: call.value(head, tile.columns.start), rs: ev, cs: 1 };
            let shape = [tile.rows.len(), call.ev, tile.columns.len()];
            multiply(shape, Mat { ptr: scores, rs: line, cs: 1 }, values, out, call.ev, true);
        }
    }
    for i in 0..rows.len() {
        let nothing = sums[i] == T::zero();
        // SAFETY: the rows belong to the caller.
        unsafe {
            lse.add(i).write(if nothing { T::infinity() } else { largest[i] + sums[i].ln() });
            let out = std::slice::from_raw_parts_mut(out.add(i * call.ev), call.ev);
            let factor = if nothing { T::zero() } else { sums[i].recip() };
            out.iter_mut().for_each(|y| *y = *y * factor);
        }
    }
}

/// Turns a tile of products into probabilities `p` and, in place of the products of gradient and
/// values, the scores' gradients.
struct Gradients<'a, T> {
    call: &'a Attention<'a, T>,
    tile: Tile,
    p: *mut T,
    gp: *mut T,
    lse: *const T,
    /// Of each row: gradient times output.
    along: &'a [T],
}

impl<T: Exp + GemmElement> Gradients<'_, T> {
    #[inline(always)]
    fn rows<const FUSED: bool>(self) {
        let n = self.tile.columns.len();
        for (i, row) in self.tile.rows.clone().enumerate() {
            // SAFETY: rows of the tiles, and of the statistics.
            unsafe {
                let p = std::slice::from_raw_parts_mut(self.p.add(i * LINE), n);
                let gp = std::slice::from_raw_parts_mut(self.gp.add(i * LINE), n);
                let scale = self.call.finish_scores(&self.tile, row, p);
                let (lse, along) = (*self.lse.add(i), self.along[i]);
                for (p, g) in p.iter_mut().zip(gp) {
                    let difference = if FUSED { p.mul_add(scale, -lse) } else { *p * scale - lse };
                    *p = difference.exp_in::<FUSED>();
                    *g = *p * (*g - along) * self.call.scale;
                }
            }
        }
    }
}

impl<T: Exp + GemmElement> Kernel<T> for Gradients<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        if const { is_fused::<T, S>() } {
            self.rows::<true>();
        } else {
            self.rows::<false>();
        }
    }
}

/// Adds the gradients of queries, keys and values to zeros. False if there is no memory for a tile.
///
/// # Safety
/// The pointers have the extents that the fields say; the gradients are zero and overlap nothing.
pub unsafe fn backward<T: Exp + GemmElement>(call: &Attention<T>, b: &Backward<T>) -> bool {
    let shared = Shared(*b);
    let failed = std::sync::atomic::AtomicBool::new(false);
    let cost = (call.group * call.l) as f64 * call.s as f64 * ((call.e + call.ev) as f64 * 0.08 + 2.0);
    let key_heads = call.heads / call.group;
    // SAFETY: the caller's promise.
    let turned = unsafe {
        let keys = Turned::new(call.k, key_heads, call.s, call.e, call.l);
        keys.zip(Turned::new(call.v, key_heads, call.s, call.ev, call.l))
    };
    let Some((keys, values)) = &turned else { return false };
    par::for_range(key_heads, par::grain_for(key_heads, cost), &|heads| {
        let shared = &shared;
        let b = &shared.0;
        let Some(mut scratch) = Scratch::<T>::new(2 * QUERIES * LINE) else {
            failed.store(true, std::sync::atomic::Ordering::Relaxed);
            return;
        };
        let p = scratch.as_mut_ptr();
        for head in heads.start * call.group..heads.end * call.group {
            for start in (0..call.l).step_by(QUERIES) {
                let rows = start..(start + QUERIES).min(call.l);
                // SAFETY: all query heads of a head of keys are this thread's.
                unsafe { backward_block(call, (keys, values), b, head, rows, p, p.add(QUERIES * LINE)) };
            }
        }
    });
    !failed.into_inner()
}

unsafe fn backward_block<T: Exp + GemmElement>(
    call: &Attention<T>,
    (turned_keys, turned_values): (&Turned<T>, &Turned<T>),
    b: &Backward<T>,
    head: usize,
    rows: Range<usize>,
    p: *mut T,
    gp: *mut T,
) {
    let (e, ev, wide) = (call.e as isize, call.ev as isize, LINE as isize);
    let first = head * call.l + rows.start;
    let key_head = head / call.group;
    let mut along = [T::zero(); QUERIES];
    // SAFETY: the caller's promise; the tiles lie in the scratch.
    unsafe {
        for (i, along) in along.iter_mut().enumerate().take(rows.len()) {
            let at = (first + i) * call.ev;
            let grad = std::slice::from_raw_parts(b.grad.add(at), call.ev);
            let out = std::slice::from_raw_parts(b.out.add(at), call.ev);
            *along = row_sum(grad, |j, g| g * out[j]);
        }
        let grad = Mat { ptr: b.grad.add(first * call.ev), rs: ev, cs: 1 };
        let queries = Mat { ptr: call.query(head, rows.start), rs: e, cs: 1 };
        for columns in call.key_blocks(&rows) {
            let tile = Tile { head, rows: rows.clone(), columns };
            let [m, n, _] = tile.shape(0);
            let at = key_head * call.s + tile.columns.start;
            call.products(&tile, turned_keys, p);
            let plain = call.value(head, tile.columns.start);
            let values = turned_values.block(key_head, tile.columns.start, plain);
            multiply([m, n, call.ev], grad, values, gp, LINE, false);
            let lse = b.lse.add(first);
            T::dispatch(level(), Gradients { call, tile: tile.clone(), p, gp, lse, along: &along });
            let (probabilities, scores) =
                (Mat { ptr: p as *const T, rs: wide, cs: 1 }, Mat { ptr: gp as *const T, rs: wide, cs: 1 });
            multiply([n, call.ev, m], probabilities.t(), grad, b.gv.add(at * call.ev), call.ev, true);
            let keys = Mat { ptr: call.key(head, tile.columns.start), rs: e, cs: 1 };
            multiply([m, call.e, n], scores, keys, b.gq.add(first * call.e), call.e, true);
            multiply([n, call.e, m], scores.t(), queries, b.gk.add(at * call.e), call.e, true);
        }
    }
}
