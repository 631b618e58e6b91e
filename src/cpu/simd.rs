//! One kernel body, every instruction set.
//!
//! A kernel is a struct with its arguments and a generic, `#[inline(always)]` method `run` over
//! [`Simd`]; [`Element::dispatch`] calls it inside the one function that is compiled for the
//! instruction set asked for. Everything `run` calls must be `#[inline(always)]` too, or it is
//! compiled for the baseline and the vectors travel through memory.
//!
//! `simd/tests.rs` begins with an example.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

use std::sync::OnceLock;

/// An instruction set, least first. A value of this type is a wish: `dispatch` never goes above
/// what the CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Portable,
    Avx2,
    Avx512,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    fn from_name(name: &str) -> Option<Level> {
        match name {
            "portable" => Some(Level::Portable),
            "avx2" => Some(Level::Avx2),
            "avx512" => Some(Level::Avx512),
            _ => None,
        }
    }
}

/// The level kernels run at: the best the CPU has, or less if `RUSTNN_SIMD` says so.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let wish = std::env::var("RUSTNN_SIMD").ok();
        wish.and_then(|name| Level::from_name(&name)).map_or(best(), |wish| wish.min(best()))
    })
}

/// The best level this CPU has.
pub fn best() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(x86::detect)
    }
    #[cfg(not(target_arch = "x86_64"))]
    Level::Portable
}

/// Vectors of `T` in one instruction set. A value of an implementing type is the proof that the
/// CPU has it, so arithmetic is safe; only memory is not.
pub trait Simd<T: Copy>: Copy {
    type Vector: Copy;
    type Mask: Copy;
    /// Elements in a vector.
    const LANES: usize;
    /// Vector registers there are.
    const REGISTERS: usize;

    fn splat(self, x: T) -> Self::Vector;
    fn zero(self) -> Self::Vector;

    /// # Safety
    /// `LANES` elements can be read at `p`. No alignment is asked for.
    unsafe fn load(self, p: *const T) -> Self::Vector;
    /// # Safety
    /// `LANES` elements can be written at `p`.
    unsafe fn store(self, p: *mut T, v: Self::Vector);

    /// The first `n` lanes; all of them if `n` is larger.
    fn mask(self, n: usize) -> Self::Mask;
    /// Lanes that are not in the mask are zero, and their memory is not touched.
    ///
    /// # Safety
    /// The lanes in the mask can be read.
    unsafe fn load_masked(self, p: *const T, m: Self::Mask) -> Self::Vector;
    /// # Safety
    /// The lanes in the mask can be written.
    unsafe fn store_masked(self, p: *mut T, m: Self::Mask, v: Self::Vector);

    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b + c`; with one rounding where the instruction set has it.
    fn fma(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `if a > b { a } else { b }`: `b` where either is NaN.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `if a < b { a } else { b }`: `b` where either is NaN.
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `v`, but `a` where that is NaN.
    fn or_nan(self, v: Self::Vector, a: Self::Vector) -> Self::Vector;
    /// The sum of all lanes, in a fixed order.
    fn sum(self, v: Self::Vector) -> T;

    /// Transposes a block of shape `(rows, cols)`: element `(r, c)` of `src` goes to `(c, r)` of
    /// `dst`. Each of the `cols` rows written is `width` long: zero from `rows` on, cut off where `rows` is more.
    ///
    /// # Safety
    /// `rows`, `cols` and `width` are at most `LANES`; `rows` rows of `cols` elements can be read at
    /// `src` with `src_stride` between rows, `cols` rows of `width` elements written at `dst`.
    unsafe fn transpose(
        self,
        src: *const T,
        src_stride: isize,
        shape: (usize, usize),
        dst: *mut T,
        dst_stride: usize,
        width: usize,
    );

    /// Asks for the cache line at `p`, which may point anywhere.
    #[inline(always)]
    fn prefetch(self, p: *const T) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch never faults.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(p.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = p;
    }
}

/// Work that can be done in any instruction set.
pub trait Kernel<T: Copy> {
    type Output;
    /// Must be `#[inline(always)]`.
    fn run<S: Simd<T>>(self, s: S) -> Self::Output;
}

/// A type that every instruction set has vectors of.
pub trait Element: Copy + Send + Sync + 'static {
    /// Runs the kernel at `level`, or at the best level the CPU has if that is less.
    fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output;
}

macro_rules! element {
    ($($t:ty),*) => {$(
        impl Element for $t {
            #[inline]
            fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output {
                match level.min(best()) {
                    // SAFETY: the CPU has it, by the `min`.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe { x86::run_avx512(kernel) },
                    // SAFETY: likewise.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe { x86::run_avx2(kernel) },
                    _ => kernel.run(Portable),
                }
            }
        }
    )*};
}
element!(f32, f64);

#[cfg(test)]
mod tests;
