//! Integers below 2^51, whose quotients float64 knows exactly: processors have vectors for its division, and none for
//! that of integers.

use std::num::Wrapping;

pub use super::int::*;

/// 1.5 * 2^52: the lowest bits of a sum with it are those of an integer.
const MAGIC: f64 = super::double::MAGIC;

/// Whether an integer is not for this module.
#[inline(always)]
pub fn is_large(a: Int) -> bool {
    const LIMIT: i64 = 1 << 51;
    a.0.wrapping_add(LIMIT) as u64 >= 2 * LIMIT as u64
}

#[inline(always)]
fn to_f64(a: Int) -> f64 {
    f64::from_bits(a.0.wrapping_add(MAGIC.to_bits() as i64) as u64) - MAGIC
}

#[inline(always)]
fn to_int(a: f64) -> Int {
    Wrapping(((a + MAGIC).to_bits() as i64).wrapping_sub(MAGIC.to_bits() as i64))
}

// A quotient of integers below 2^53 is as far from the next integer as float64 can tell: 1 / b is more than half a unit
// of its last place. So rounding never carries it over one.
#[inline(always)]
pub fn floor_divide(a: Int, b: Int) -> Int {
    to_int((to_f64(a) / to_f64(b)).floor())
}
#[inline(always)]
pub fn trunc_divide(a: Int, b: Int) -> Int {
    to_int((to_f64(a) / to_f64(b)).trunc())
}
#[inline(always)]
pub fn remainder(a: Int, b: Int) -> Int {
    let (a, b) = (to_f64(a), to_f64(b));
    to_int(a - (a / b).floor() * b)
}
#[inline(always)]
pub fn fmod(a: Int, b: Int) -> Int {
    let (a, b) = (to_f64(a), to_f64(b));
    to_int(a - (a / b).trunc() * b)
}
