//! What a reduction does with elements: how one, or eight at once, come to a total.
//!
//! Sums take eight elements in a tree of their own width (16 bits for bytes) and add that to a total in the widest
//! type of its kind, so that float32 sums are exact to the last bits at the speed of float32. Products are wide
//! throughout, but in rows of float32, which have vectors of their own ([`Fold::STEP`]). Extremes need no width.

use std::marker::PhantomData;

use half::{bf16, f16};

use super::row::Step;
use crate::cpu::half::{from_bf16, from_f16};
use crate::dtype::{Bool, C128, DType, Element};

/// The step for float32, and none for other types.
const fn of_float32<T: Element>(step: Step) -> Option<Step> {
    if matches!(T::DTYPE, DType::F32) { Some(step) } else { None }
}

/// How elements are brought together; in any order, up to rounding.
pub trait Fold: Send + Sync + 'static {
    type Item: Element;
    /// What eight elements come to.
    type Part: Copy + Default;
    type Total: Element;
    /// The total of no elements.
    const START: Self::Total;
    /// How vectors of float32 do the same.
    const STEP: Option<Step> = None;
    fn one(total: Self::Total, x: Self::Item) -> Self::Total;
    fn eight(x: [Self::Item; 8]) -> Self::Part;
    fn take(total: Self::Total, part: Self::Part) -> Self::Total;
    fn join(a: Self::Total, b: Self::Total) -> Self::Total;
}

#[inline(always)]
fn tree<P: Copy>(x: [P; 8], f: impl Fn(P, P) -> P) -> P {
    f(f(f(x[0], x[1]), f(x[2], x[3])), f(f(x[4], x[5]), f(x[6], x[7])))
}

/// Numbers as sums and products see them.
pub trait Number: Element {
    /// Holds the sum of eight.
    type Part: Copy + Default;
    /// Holds any sum.
    type Wide: Element;
    const ZERO: Self::Wide;
    const ONE: Self::Wide;
    fn part(self) -> Self::Part;
    fn add_parts(a: Self::Part, b: Self::Part) -> Self::Part;
    fn widen_part(part: Self::Part) -> Self::Wide;
    fn add(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn multiply(a: Self::Wide, b: Self::Wide) -> Self::Wide;
}

macro_rules! numbers {
    ($($t:ty, $part:ty, $wide:ty, $zero:expr, $one:expr, |$x:ident| $to:expr, |$p:ident| $widen:expr,
       |$a:ident, $b:ident| $add:expr, $multiply:expr;)*) => { $(impl Number for $t {
        type Part = $part;
        type Wide = $wide;
        const ZERO: $wide = $zero;
        const ONE: $wide = $one;
        #[inline(always)]
        fn part(self) -> $part { let $x = self; $to }
        #[inline(always)]
        fn add_parts($a: $part, $b: $part) -> $part { $add }
        #[inline(always)]
        fn widen_part($p: $part) -> $wide { $widen }
        #[inline(always)]
        fn add($a: $wide, $b: $wide) -> $wide { $add }
        #[inline(always)]
        fn multiply($a: $wide, $b: $wide) -> $wide { $multiply }
    })* };
}
numbers! {
    u8, i16, i64, 0, 1, |x| x as i16, |p| p as i64, |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    Bool, i16, i64, 0, 1, |x| (x.0 != 0) as i16, |p| p as i64, |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    i64, i64, i64, 0, 1, |x| x, |p| p, |a, b| a.wrapping_add(b), a.wrapping_mul(b);
    f32, f32, f64, 0.0, 1.0, |x| x, |p| p as f64, |a, b| a + b, a * b;
    f64, f64, f64, 0.0, 1.0, |x| x, |p| p, |a, b| a + b, a * b;
    C128, C128, C128, C128::new(0.0, 0.0), C128::new(1.0, 0.0), |x| x, |p| p, |a, b| a + b, a * b;
}

/// What of each element is added up.
pub trait Term<T: Number>: Send + Sync + 'static {
    const STEP: Step;
    fn of(x: T::Part) -> T::Part;
}

/// The element itself.
pub struct Value;
/// Its distance from zero.
pub struct Magnitude;
pub struct Square;

impl<T: Number> Term<T> for Value {
    const STEP: Step = Step::Sum;
    #[inline(always)]
    fn of(x: T::Part) -> T::Part {
        x
    }
}
macro_rules! terms {
    ($($t:ty),*) => { $(
        impl Term<$t> for Magnitude {
            const STEP: Step = Step::SumOfMagnitudes;
            #[inline(always)]
            fn of(x: <$t as Number>::Part) -> <$t as Number>::Part { x.abs() }
        }
        impl Term<$t> for Square {
            const STEP: Step = Step::SumOfSquares;
            #[inline(always)]
            fn of(x: <$t as Number>::Part) -> <$t as Number>::Part { x * x }
        }
    )* };
}
terms!(f32, f64);

pub struct Sum<T, F>(PhantomData<(T, F)>);

impl<T: Number, F: Term<T>> Fold for Sum<T, F> {
    type Item = T;
    type Part = T::Part;
    type Total = T::Wide;
    const START: T::Wide = T::ZERO;
    const STEP: Option<Step> = of_float32::<T>(F::STEP);
    #[inline(always)]
    fn one(total: T::Wide, x: T) -> T::Wide {
        T::add(total, T::widen_part(F::of(x.part())))
    }
    #[inline(always)]
    fn eight(x: [T; 8]) -> T::Part {
        let part = |i: usize| F::of(x[i].part());
        tree([part(0), part(1), part(2), part(3), part(4), part(5), part(6), part(7)], T::add_parts)
    }
    #[inline(always)]
    fn take(total: T::Wide, part: T::Part) -> T::Wide {
        T::add(total, T::widen_part(part))
    }
    #[inline(always)]
    fn join(a: T::Wide, b: T::Wide) -> T::Wide {
        T::add(a, b)
    }
}

pub struct Product<T>(PhantomData<T>);

impl<T: Number> Fold for Product<T> {
    type Item = T;
    type Part = T::Wide;
    type Total = T::Wide;
    const START: T::Wide = T::ONE;
    const STEP: Option<Step> = of_float32::<T>(Step::Product);
    #[inline(always)]
    fn one(total: T::Wide, x: T) -> T::Wide {
        T::multiply(total, T::widen_part(x.part()))
    }
    #[inline(always)]
    fn eight(x: [T; 8]) -> T::Wide {
        let wide = |i: usize| T::widen_part(x[i].part());
        tree([wide(0), wide(1), wide(2), wide(3), wide(4), wide(5), wide(6), wide(7)], T::multiply)
    }
    #[inline(always)]
    fn take(total: T::Wide, part: T::Wide) -> T::Wide {
        T::multiply(total, part)
    }
    #[inline(always)]
    fn join(a: T::Wide, b: T::Wide) -> T::Wide {
        T::multiply(a, b)
    }
}

/// Elements that have an order, in a type that vectors compare.
pub trait Ordered: Element {
    type Lane: Element + PartialOrd;
    const LOWEST: Self::Lane;
    const HIGHEST: Self::Lane;
    fn lane(self) -> Self::Lane;
    /// Where two are not in order for NaN's sake.
    fn unordered(a: Self::Lane, b: Self::Lane) -> bool;
    /// NaN, where there is one.
    const NAN: Self::Lane;
}

macro_rules! ordered {
    ($($t:ty, $lane:ty, |$x:ident| $to:expr;)*) => { $(impl Ordered for $t {
        type Lane = $lane;
        const LOWEST: $lane = <$lane>::MIN;
        const HIGHEST: $lane = <$lane>::MAX;
        const NAN: $lane = 0;
        #[inline(always)]
        fn lane(self) -> $lane { let $x = self; $to }
        #[inline(always)]
        fn unordered(_: $lane, _: $lane) -> bool { false }
    })* };
    (float $($t:ty, $lane:ty, |$x:ident| $to:expr;)*) => { $(impl Ordered for $t {
        type Lane = $lane;
        const LOWEST: $lane = <$lane>::NEG_INFINITY;
        const HIGHEST: $lane = <$lane>::INFINITY;
        const NAN: $lane = <$lane>::NAN;
        #[inline(always)]
        fn lane(self) -> $lane { let $x = self; $to }
        #[inline(always)]
        fn unordered(a: $lane, b: $lane) -> bool { a.is_nan() | b.is_nan() }
    })* };
}
ordered! {
    u8, u8, |x| x;
    i8, i8, |x| x;
    i16, i16, |x| x;
    i32, i32, |x| x;
    i64, i64, |x| x;
    Bool, u8, |x| (x.0 != 0) as u8;
}
ordered! {
    float f16, f32, |x| from_f16(x.to_bits());
    bf16, f32, |x| from_bf16(x.to_bits());
    f32, f32, |x| x;
    f64, f64, |x| x;
}

/// The largest element, or the smallest; NaN wins.
pub struct Extreme<T, const LARGEST: bool>(PhantomData<T>);

impl<T: Ordered, const LARGEST: bool> Extreme<T, LARGEST> {
    /// Whether `a` is better; not where either is NaN.
    #[inline(always)]
    pub fn better(a: T::Lane, b: T::Lane) -> bool {
        if LARGEST { a > b } else { a < b }
    }
    /// The better one; `b` where either is NaN, as one instruction has it.
    #[inline(always)]
    fn pick(a: T::Lane, b: T::Lane) -> T::Lane {
        if Self::better(a, b) { a } else { b }
    }
}

impl<T: Ordered, const LARGEST: bool> Fold for Extreme<T, LARGEST> {
    type Item = T;
    type Part = T::Lane;
    type Total = T::Lane;
    const START: T::Lane = if LARGEST { T::LOWEST } else { T::HIGHEST };
    const STEP: Option<Step> = of_float32::<T>(if LARGEST { Step::Max } else { Step::Min });
    #[inline(always)]
    fn one(total: T::Lane, x: T) -> T::Lane {
        Self::join(total, x.lane())
    }
    #[inline(always)]
    fn eight(x: [T; 8]) -> T::Lane {
        let lane = |i: usize| x[i].lane();
        let x = [lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7)];
        let nan = T::unordered(x[0], x[1])
            | T::unordered(x[2], x[3])
            | T::unordered(x[4], x[5])
            | T::unordered(x[6], x[7]);
        let best = tree(x, Self::pick);
        if nan { T::NAN } else { best }
    }
    #[inline(always)]
    fn take(total: T::Lane, part: T::Lane) -> T::Lane {
        Self::join(total, part)
    }
    #[inline(always)]
    fn join(a: T::Lane, b: T::Lane) -> T::Lane {
        if Self::better(b, a) | T::unordered(b, b) { b } else { a }
    }
}
