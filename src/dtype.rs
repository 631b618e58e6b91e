//! Element types: their names and sizes, PyTorch's promotion rules, and the macros that turn a
//! run-time [`DType`] into a Rust type.

use half::{bf16, f16};
use num_complex::Complex;

use crate::cpu::half::{from_bf16, from_f16, to_bf16, to_f16};

pub type C64 = Complex<f32>;
pub type C128 = Complex<f64>;

/// A byte that means a truth value. Any non-zero byte is true, so that foreign memory is safe to read.
#[derive(Debug, Clone, Copy, Default)]
#[repr(transparent)]
pub struct Bool(pub u8);

impl From<bool> for Bool {
    fn from(value: bool) -> Self {
        Bool(value as u8)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DType {
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
    C64,
    C128,
    Bool,
    BF16,
}

/// What kind of number a dtype holds, in the order in which promotion prefers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    Bool,
    Integral,
    Floating,
    Complex,
}

impl DType {
    pub const ALL: [DType; 12] = [
        DType::U8,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
        DType::Bool,
        DType::BF16,
    ];

    /// The name in Python: `float32`, `int64`, ...
    pub const fn name(self) -> &'static str {
        match self {
            DType::U8 => "uint8",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F16 => "float16",
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::C64 => "complex64",
            DType::C128 => "complex128",
            DType::Bool => "bool",
            DType::BF16 => "bfloat16",
        }
    }

    /// The name that PyTorch's error messages use: `Float`, `Long`, ...
    pub const fn scalar_name(self) -> &'static str {
        match self {
            DType::U8 => "Byte",
            DType::I8 => "Char",
            DType::I16 => "Short",
            DType::I32 => "Int",
            DType::I64 => "Long",
            DType::F16 => "Half",
            DType::F32 => "Float",
            DType::F64 => "Double",
            DType::C64 => "ComplexFloat",
            DType::C128 => "ComplexDouble",
            DType::Bool => "Bool",
            DType::BF16 => "BFloat16",
        }
    }

    /// The name of the C type, which some of PyTorch's messages use: `float`, `long int`, ...
    pub const fn c_name(self) -> &'static str {
        match self {
            DType::U8 => "unsigned char",
            DType::I8 => "signed char",
            DType::I16 => "short int",
            DType::I32 => "int",
            DType::I64 => "long int",
            DType::F16 => "c10::Half",
            DType::F32 => "float",
            DType::F64 => "double",
            DType::C64 => "c10::complex<float>",
            DType::C128 => "c10::complex<double>",
            DType::Bool => "bool",
            DType::BF16 => "c10::BFloat16",
        }
    }

    /// The C++ type by the name of its width, as errors about numbers have it.
    pub const fn fixed_width_name(self) -> &'static str {
        match self {
            DType::U8 => "uint8_t",
            DType::I8 => "int8_t",
            DType::I16 => "int16_t",
            DType::I64 => "int64_t",
            other => other.c_name(),
        }
    }

    /// Bytes an element takes.
    pub const fn size(self) -> usize {
        match self {
            DType::U8 | DType::I8 | DType::Bool => 1,
            DType::I16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
        }
    }

    pub const fn category(self) -> Category {
        match self {
            DType::Bool => Category::Bool,
            DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::I64 => Category::Integral,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => Category::Floating,
            DType::C64 | DType::C128 => Category::Complex,
        }
    }

    pub fn is_floating(self) -> bool {
        self.category() == Category::Floating
    }

    pub fn is_complex(self) -> bool {
        self.category() == Category::Complex
    }

    /// Integers and bool.
    pub fn is_integral(self) -> bool {
        self.category() <= Category::Integral
    }

    /// Whether gradients can flow through tensors of this dtype.
    pub fn is_differentiable(self) -> bool {
        self.category() >= Category::Floating
    }

    /// The complex dtype whose parts have this dtype.
    pub fn to_complex(self) -> DType {
        match self {
            DType::F64 | DType::C128 => DType::C128,
            _ => DType::C64,
        }
    }

    /// The dtype of the parts of a complex dtype; other dtypes are returned as they are.
    pub fn to_real(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            other => other,
        }
    }

    /// The smallest dtype that holds values of both, by PyTorch's table.
    pub fn promote(self, other: DType) -> DType {
        use DType::*;
        if self == other {
            return self;
        }
        let (low, high) = if self.category() <= other.category() { (self, other) } else { (other, self) };
        match (low.category(), high.category()) {
            (Category::Integral, Category::Integral) => match (low, high) {
                // No unsigned type is wider than a byte: a byte next to int8 needs int16.
                (U8, I8) | (I8, U8) => I16,
                (a, b) if a.size() >= b.size() => a,
                (_, b) => b,
            },
            (Category::Floating, Category::Floating) => match (low, high) {
                (F16, BF16) | (BF16, F16) => F32,
                (a, b) if a.size() >= b.size() => a,
                (_, b) => b,
            },
            (Category::Floating, Category::Complex) if low == F64 => C128,
            (Category::Complex, Category::Complex) => C128,
            _ => high,
        }
    }

    /// Whether a result of this dtype may be written into a tensor of dtype `to`.
    pub fn can_cast(self, to: DType) -> bool {
        if self.is_complex() && !to.is_complex() {
            return false;
        }
        if self.category() == Category::Floating && to.is_integral() {
            return false;
        }
        self == DType::Bool || to != DType::Bool
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The result dtype of an operation over tensors and Python scalars: tensors with dimensions decide
/// before 0-d tensors, and those before scalars, unless the later ones are of a higher category.
#[derive(Default, Clone, Copy)]
pub struct ResultType {
    dimensioned: Option<DType>,
    zero_dim: Option<DType>,
    scalar: Option<DType>,
}

impl ResultType {
    pub fn tensor(mut self, dtype: DType, ndim: usize) -> Self {
        let slot = if ndim > 0 { &mut self.dimensioned } else { &mut self.zero_dim };
        *slot = Some(slot.map_or(dtype, |d| d.promote(dtype)));
        self
    }

    pub fn scalar(mut self, dtype: DType) -> Self {
        self.scalar = Some(self.scalar.map_or(dtype, |d| d.promote(dtype)));
        self
    }

    /// The dtype; float32 when nothing was given.
    pub fn get(self) -> DType {
        let combined = combine(self.dimensioned, combine(self.zero_dim, self.scalar));
        combined.unwrap_or(DType::F32)
    }
}

fn combine(higher: Option<DType>, lower: Option<DType>) -> Option<DType> {
    let (Some(h), Some(l)) = (higher, lower) else { return higher.or(lower) };
    Some(match h.category() {
        Category::Complex => h,
        Category::Floating if l.is_complex() => h.to_complex(),
        Category::Floating => h,
        Category::Bool => h.promote(l),
        Category::Integral if !l.is_integral() => h.promote(l),
        Category::Integral => h,
    })
}

/// A Rust type that tensors can hold.
pub trait Element: Copy + Send + Sync + Default + Widen + Narrow + 'static {
    const DTYPE: DType;
}

macro_rules! elements {
    ($($t:ty => $d:ident),*) => { $(impl Element for $t { const DTYPE: DType = DType::$d; })* };
}
elements!(u8 => U8, i8 => I8, i16 => I16, i32 => I32, i64 => I64, f16 => F16, f32 => F32, f64 => F64,
          C64 => C64, C128 => C128, Bool => Bool, bf16 => BF16);

/// Runs `$body` with the type alias `$t` standing for the Rust type of `$dtype`.
#[macro_export]
macro_rules! dispatch {
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
            $crate::dtype::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::dtype::DType::C64 => {
                type $t = $crate::dtype::C64;
                $body
            }
            $crate::dtype::DType::C128 => {
                type $t = $crate::dtype::C128;
                $body
            }
            $crate::dtype::DType::Bool => {
                type $t = $crate::dtype::Bool;
                $body
            }
            $crate::dtype::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
        }
    };
}

/// Conversion between element types as C casts do it on x86: floats are truncated towards zero,
/// integers wrap, and a float that does not fit a wide integer becomes that type's minimum.
pub trait Cast<To> {
    fn cast(self) -> To;
}

/// The value that all conversions pass through when the types are not the same.
#[derive(Clone, Copy)]
pub enum Wide {
    Int(i64),
    Float(f64),
    Complex(C128),
}

/// Into the widest type of the category.
pub trait Widen: Copy {
    fn widen(self) -> Wide;
}
/// Out of the widest type of any category.
pub trait Narrow {
    fn narrow(value: Wide) -> Self;
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn float_to_i64(x: f64) -> i64 {
    use std::arch::x86_64::{_mm_cvttsd_si64, _mm_set_sd};
    // SAFETY: SSE2, which every x86-64 has. What does not fit becomes the minimum.
    unsafe { _mm_cvttsd_si64(_mm_set_sd(x)) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn float_to_i64(x: f64) -> i64 {
    if (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&x) { x as i64 } else { i64::MIN }
}

#[inline(always)]
fn float_to_i32(x: f64) -> i32 {
    if x > -2_147_483_649.0 && x < 2_147_483_648.0 { x as i32 } else { i32::MIN }
}

macro_rules! widen {
    ($($t:ty, |$x:ident| $w:expr;)*) => { $(impl Widen for $t {
        #[inline(always)]
        fn widen(self) -> Wide { let $x = self; $w }
    })* };
}
widen! {
    u8, |x| Wide::Int(x as i64);
    i8, |x| Wide::Int(x as i64);
    i16, |x| Wide::Int(x as i64);
    i32, |x| Wide::Int(x as i64);
    i64, |x| Wide::Int(x);
    Bool, |x| Wide::Int((x.0 != 0) as i64);
    f16, |x| Wide::Float(from_f16(x.to_bits()) as f64);
    bf16, |x| Wide::Float(from_bf16(x.to_bits()) as f64);
    f32, |x| Wide::Float(x as f64);
    f64, |x| Wide::Float(x);
    C64, |x| Wide::Complex(C128::new(x.re as f64, x.im as f64));
    C128, |x| Wide::Complex(x);
}

macro_rules! narrow {
    ($($t:ty, |$i:ident| $int:expr, |$f:ident| $float:expr;)*) => { $(impl Narrow for $t {
        #[inline(always)]
        fn narrow(value: Wide) -> Self {
            match value {
                Wide::Int($i) => $int,
                Wide::Float($f) => $float,
                Wide::Complex(z) => { let $f = z.re; $float }
            }
        }
    })* };
}
narrow! {
    u8, |i| i as u8, |f| float_to_i64(f) as u8;
    i8, |i| i as i8, |f| float_to_i32(f) as i8;
    i16, |i| i as i16, |f| float_to_i32(f) as i16;
    i32, |i| i as i32, |f| float_to_i32(f);
    i64, |i| i, |f| float_to_i64(f);
    f16, |i| f16::from_bits(to_f16(i as f32)), |f| f16::from_bits(to_f16(f as f32));
    bf16, |i| bf16::from_bits(to_bf16(i as f32)), |f| bf16::from_bits(to_bf16(f as f32));
    f32, |i| i as f32, |f| f as f32;
    f64, |i| i as f64, |f| f;
}
impl Narrow for Bool {
    #[inline(always)]
    fn narrow(value: Wide) -> Self {
        Bool::from(match value {
            Wide::Int(i) => i != 0,
            Wide::Float(f) => f != 0.0,
            Wide::Complex(z) => z.re != 0.0 || z.im != 0.0,
        })
    }
}
impl Narrow for C128 {
    #[inline(always)]
    fn narrow(value: Wide) -> Self {
        match value {
            Wide::Int(i) => C128::new(i as f64, 0.0),
            Wide::Float(f) => C128::new(f, 0.0),
            Wide::Complex(z) => z,
        }
    }
}
impl Narrow for C64 {
    #[inline(always)]
    fn narrow(value: Wide) -> Self {
        let z = C128::narrow(value);
        C64::new(z.re as f32, z.im as f32)
    }
}

impl<A: Widen, B: Narrow> Cast<B> for A {
    #[inline(always)]
    fn cast(self) -> B {
        B::narrow(self.widen())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric_and_idempotent() {
        for a in DType::ALL {
            assert_eq!(a.promote(a), a);
            for b in DType::ALL {
                assert_eq!(a.promote(b), b.promote(a), "{a} {b}");
            }
        }
    }

    #[test]
    fn scalars_do_not_widen_tensors_of_their_category() {
        let with = |d: DType, n, s: DType| ResultType::default().tensor(d, n).scalar(s).get();
        assert_eq!(with(DType::F16, 1, DType::F32), DType::F16);
        assert_eq!(with(DType::I32, 1, DType::I64), DType::I32);
        assert_eq!(with(DType::I32, 1, DType::F32), DType::F32);
        assert_eq!(with(DType::Bool, 0, DType::I64), DType::I64);
        let zero_dim = ResultType::default().tensor(DType::F32, 1).tensor(DType::F64, 0);
        assert_eq!(zero_dim.get(), DType::F32);
    }

    #[test]
    fn casts_truncate_wrap_and_saturate_like_c() {
        assert_eq!(Cast::<u8>::cast(-1.5f32), 255);
        assert_eq!(Cast::<u8>::cast(300.0f32), 44);
        assert_eq!(Cast::<i32>::cast(3e9f64), i32::MIN);
        assert_eq!(Cast::<i64>::cast(f64::NAN), i64::MIN);
        assert_eq!(Cast::<i8>::cast(200i64), -56);
        assert_eq!(Cast::<Bool>::cast(f32::NAN).0, 1);
    }
}
