//! Bools compute as bytes.

use std::ops::{BitAnd, BitOr, BitXor};

use crate::dtype::Bool;

#[inline(always)]
pub fn nonzero(a: Bool) -> bool {
    a.0 != 0
}

#[inline(always)]
pub fn select(condition: bool, a: Bool, b: Bool) -> Bool {
    std::hint::select_unpredictable(condition, a, b)
}

macro_rules! bits {
    ($($operation:ident $name:ident $symbol:tt;)+) => { $(impl $operation for Bool {
        type Output = Bool;
        #[inline(always)]
        fn $name(self, other: Bool) -> Bool {
            Bool::from(nonzero(self) $symbol nonzero(other))
        }
    })+ };
}
bits! {
    BitAnd bitand &;
    BitOr bitor |;
    BitXor bitxor ^;
}
