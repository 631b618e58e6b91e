//! A single number as it comes from Python, with the dtype it stands for in promotion.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::dtype::{C128, DType};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Complex(C128),
}

/// What `set_default_dtype` set, as an index into [`DType::ALL`].
static DEFAULT: AtomicU8 = AtomicU8::new(DType::F32 as u8);

/// The dtype of floating-point values that come without one.
pub fn default_dtype() -> DType {
    DType::ALL[DEFAULT.load(Ordering::Relaxed) as usize]
}

pub fn set_default_dtype(dtype: DType) {
    DEFAULT.store(dtype as u8, Ordering::Relaxed);
}

impl Scalar {
    /// The dtype that the number has in promotion.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::I64,
            Scalar::Float(_) => default_dtype(),
            Scalar::Complex(_) => default_dtype().to_complex(),
        }
    }

    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Bool(b) => b as i64 as f64,
            Scalar::Int(i) => i as f64,
            Scalar::Float(f) => f,
            Scalar::Complex(z) => z.re,
        }
    }

    pub fn to_i64(self) -> i64 {
        match self {
            Scalar::Bool(b) => b as i64,
            Scalar::Int(i) => i,
            Scalar::Float(f) => crate::dtype::Cast::cast(f),
            Scalar::Complex(z) => crate::dtype::Cast::cast(z.re),
        }
    }

    pub fn to_complex(self) -> C128 {
        match self {
            Scalar::Complex(z) => z,
            other => C128::new(other.to_f64(), 0.0),
        }
    }

    pub fn is_zero(self) -> bool {
        self.to_complex() == C128::new(0.0, 0.0)
    }

    /// An integer as a narrower dtype holds it; everything else as it is.
    pub fn wrapped(self, dtype: DType) -> Scalar {
        match (self, dtype) {
            (Scalar::Int(i), DType::U8) => Scalar::Int(i as u8 as i64),
            (Scalar::Int(i), DType::I8) => Scalar::Int(i as i8 as i64),
            (Scalar::Int(i), DType::I16) => Scalar::Int(i as i16 as i64),
            (Scalar::Int(i), DType::I32) => Scalar::Int(i as i32 as i64),
            _ => self,
        }
    }

    /// The value as bytes of one of the types that kernels compute in, and that type.
    pub fn bytes(self) -> ([u8; 16], DType) {
        let mut bytes = [0u8; 16];
        let dtype = match self {
            Scalar::Bool(b) => {
                bytes[..8].copy_from_slice(&(b as i64).to_ne_bytes());
                DType::I64
            }
            Scalar::Int(i) => {
                bytes[..8].copy_from_slice(&i.to_ne_bytes());
                DType::I64
            }
            Scalar::Float(f) => {
                bytes[..8].copy_from_slice(&f.to_ne_bytes());
                DType::F64
            }
            Scalar::Complex(z) => {
                bytes[..8].copy_from_slice(&z.re.to_ne_bytes());
                bytes[8..].copy_from_slice(&z.im.to_ne_bytes());
                DType::C128
            }
        };
        (bytes, dtype)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        Scalar::Float(value)
    }
}
impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Scalar::Int(value)
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Bool(b) => write!(f, "{}", if *b { "True" } else { "False" }),
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Float(x) => write!(f, "{x:?}"),
            Scalar::Complex(z) => write!(f, "({:?}, {:?})", z.re, z.im),
        }
    }
}
