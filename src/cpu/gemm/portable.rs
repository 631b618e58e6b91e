//! Products of anything that can be added and multiplied: integers (which wrap), complex numbers,
//! and floats where there is no memory for more. No scratch, no instruction set asked for.

use super::{Bias, Product};
use crate::cpu::par;
use crate::cpu::simd::{self, Element, Kernel, Simd};
use num_complex::Complex;

/// Addition and multiplication as PyTorch means them.
pub trait Ring: Copy + Send + Sync + 'static {
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! ring {
    ($zero:expr, $plus:ident, $times:ident: $($t:ty)*) => {$(
        impl Ring for $t {
            const ZERO: Self = $zero;
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.$plus(other) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.$times(other) }
        }
    )*};
}
use std::ops::{Add, Mul};
ring!(0, wrapping_add, wrapping_mul: u8 i8 u16 i16 u32 i32 u64 i64);
ring!(0.0, add, mul: f32 f64);
ring!(Complex::new(0.0, 0.0), add, mul: Complex<f32> Complex<f64>);

/// `gemm` for any [`Ring`].
///
/// # Safety
/// As [`super::gemm`].
pub unsafe fn gemm_portable<T: Ring>(product: &Product<T>) {
    let cost = product.multiplications() * 0.5;
    let rows = par::grain_for(product.m, cost / product.m.max(1) as f64);
    par::for_range(product.m, rows, &|range| {
        for i in range {
            // The vectors are the compiler's: `Row` only asks for the instruction set.
            f32::dispatch(simd::level(), Row { product, i });
        }
    });
}

struct Row<'a, T> {
    product: &'a Product<T>,
    i: usize,
}

impl<T: Ring> Kernel<f32> for Row<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let p = self.product;
        let (i, row) = (self.i as isize, self.i);
        // SAFETY: the promise of `gemm_portable`: row i of A and C, all of B and the bias.
        unsafe {
            let c = std::slice::from_raw_parts_mut(p.c.add(row * p.ldc), p.n);
            if !p.accumulate {
                c.fill(T::ZERO);
            }
            for l in 0..p.k as isize {
                let x = *p.a.ptr.offset(i * p.a.rs + l * p.a.cs);
                let b = p.b.ptr.offset(l * p.b.rs);
                if p.b.cs == 1 {
                    for (j, c) in c.iter_mut().enumerate() {
                        *c = c.plus(x.times(*b.add(j)));
                    }
                } else {
                    for (j, c) in c.iter_mut().enumerate() {
                        *c = c.plus(x.times(*b.offset(j as isize * p.b.cs)));
                    }
                }
            }
            for (j, c) in c.iter_mut().enumerate() {
                match p.bias {
                    Bias::None => break,
                    Bias::PerColumn(bias) => *c = c.plus(*bias.add(j)),
                    Bias::PerRow(bias) => *c = c.plus(*bias.add(row)),
                }
            }
        }
    }
}
