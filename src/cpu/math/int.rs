//! Integers of every width compute as wrapping 64-bit ones.

#![allow(dead_code)]

use std::num::Wrapping;
pub type Int = Wrapping<i64>;

#[inline(always)]
pub fn nonzero(a: Int) -> bool {
    a.0 != 0
}
#[inline(always)]
pub fn is_nan(_: Int) -> bool {
    false
}
#[inline(always)]
pub fn is_inf(_: Int) -> bool {
    false
}
#[inline(always)]
pub fn positive_part(a: Int) -> Int {
    Wrapping(a.0.max(0))
}
#[inline(always)]
pub fn floor(a: Int) -> Int {
    a
}
#[inline(always)]
pub fn ceil(a: Int) -> Int {
    a
}
#[inline(always)]
pub fn trunc(a: Int) -> Int {
    a
}
#[inline(always)]
pub fn round(a: Int) -> Int {
    a
}
#[inline(always)]
pub fn conj(a: Int) -> Int {
    a
}
#[inline(always)]
pub fn abs(a: Int) -> Int {
    Wrapping(a.0.wrapping_abs())
}
#[inline(always)]
pub fn sign(a: Int) -> Int {
    Wrapping(a.0.signum())
}
#[inline(always)]
pub fn maximum(a: Int, b: Int) -> Int {
    a.max(b)
}
#[inline(always)]
pub fn minimum(a: Int, b: Int) -> Int {
    a.min(b)
}
#[inline(always)]
pub fn select(condition: bool, a: Int, b: Int) -> Int {
    std::hint::select_unpredictable(condition, a, b)
}
/// Zero divisors are refused before the kernel runs; here they only must not trap.
#[inline(always)]
pub fn floor_divide(a: Int, b: Int) -> Int {
    if b.0 == 0 {
        return b;
    }
    let (quotient, rest) = (a.0.wrapping_div(b.0), a.0.wrapping_rem(b.0));
    Wrapping(quotient - (rest != 0 && (rest < 0) != (b.0 < 0)) as i64)
}
#[inline(always)]
pub fn trunc_divide(a: Int, b: Int) -> Int {
    if b.0 == 0 { b } else { Wrapping(a.0.wrapping_div(b.0)) }
}
#[inline(always)]
pub fn remainder(a: Int, b: Int) -> Int {
    if b.0 == 0 {
        return b;
    }
    let rest = a.0.wrapping_rem(b.0);
    Wrapping(if rest != 0 && (rest < 0) != (b.0 < 0) { rest + b.0 } else { rest })
}
/// Zero once all bits are out, as in PyTorch for shifts of 64 and more.
#[inline(always)]
pub fn shift_left(a: Int, b: Int) -> Int {
    Wrapping(if (0..64).contains(&b.0) { a.0 << b.0 } else { 0 })
}
#[inline(always)]
pub fn shift_right(a: Int, b: Int) -> Int {
    Wrapping(a.0 >> if (0..64).contains(&b.0) { b.0 } else { 63 })
}
#[inline(always)]
pub fn fmod(a: Int, b: Int) -> Int {
    if b.0 == 0 { b } else { Wrapping(a.0.wrapping_rem(b.0)) }
}
/// Negative exponents give 0, but for the bases 1 and -1.
#[inline(always)]
pub fn pow(a: Int, b: Int) -> Int {
    if b.0 < 0 {
        return Wrapping(match a.0 {
            1 => 1,
            -1 if b.0 % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        });
    }
    let (mut base, mut exponent, mut power) = (a.0, b.0, 1i64);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    Wrapping(power)
}
#[inline(always)]
pub fn sign_bit(a: Int) -> bool {
    a.0 < 0
}
#[inline(always)]
pub fn heaviside(a: Int, b: Int) -> Int {
    if a.0 == 0 { b } else { Wrapping((a.0 > 0) as i64) }
}
#[inline(always)]
pub fn fmax(a: Int, b: Int) -> Int {
    a.max(b)
}
#[inline(always)]
pub fn fmin(a: Int, b: Int) -> Int {
    a.min(b)
}
/// Euclid's algorithm; never negative, but for the one number that has no positive twin.
#[inline(always)]
pub fn gcd(a: Int, b: Int) -> Int {
    let (mut a, mut b) = (a.0, b.0);
    while b != 0 {
        (a, b) = (b, a.wrapping_rem(b));
    }
    Wrapping(a.wrapping_abs())
}
#[inline(always)]
pub fn lcm(a: Int, b: Int) -> Int {
    let g = gcd(a, b);
    if g.0 == 0 { g } else { Wrapping((a.0.wrapping_div(g.0)).wrapping_mul(b.0).wrapping_abs()) }
}
/// x above the threshold, the value elsewhere.
#[inline(always)]
pub fn above(x: Int, threshold: Int, value: Int) -> Int {
    if x <= threshold { value } else { x }
}
