//! Products of complex matrices, as real ones of twice the size. Rows of A and C are rows of real numbers as they lie
//! in memory, (re, im, re, im, ...); each row of B is written twice: as it lies there, and a quarter turn on, as
//! (-im, re, ...).

use num_complex::Complex;

use super::{Bias, GemmElement, Mat, Product, Ring, gemm, gemm_portable};
use crate::cpu::par;
use crate::cpu::scratch::Scratch;

/// Rows of A from which writing B pays.
const ROWS: usize = 4;
/// Multiplications from which it does.
const WORK: f64 = 16.0 * 16.0 * 16.0;

/// [`gemm`] for complex numbers.
///
/// # Safety
/// As [`gemm`].
pub unsafe fn gemm_complex<T: GemmElement>(p: &Product<Complex<T>>)
where
    Complex<T>: Ring,
{
    // SAFETY: the caller's promise.
    unsafe {
        if p.m < ROWS || p.multiplications() < WORK || through_real(p).is_none() {
            gemm_portable(p);
        }
    }
}

/// Rows of matrices that threads write each its own.
#[derive(Clone, Copy)]
struct Rows<T>(*mut T);
// SAFETY: every row is written by one thread.
unsafe impl<T> Sync for Rows<T> {}

/// None, with nothing done, if there is no memory for it.
unsafe fn through_real<T: GemmElement>(p: &Product<Complex<T>>) -> Option<()> {
    let (k, n) = (p.k, p.n);
    let room = |rows: usize, columns: usize, copies: usize| rows.checked_mul(columns)?.checked_mul(copies);
    let mut b_scratch = Scratch::<T>::new(room(k, n, 4)?)?;
    let mut a_scratch = Scratch::<T>::new(if p.a.cs == 1 { 0 } else { room(p.m, k, 2)? })?;
    let (b, a) = (Rows(b_scratch.as_mut_ptr()), Rows(a_scratch.as_mut_ptr()));
    par::for_range(k, par::grain_for(k, 2.0 * n as f64), &|rows| {
        let b = &b; // the whole struct, which is Sync, not its field
        for l in rows {
            for j in 0..n {
                // SAFETY: (l, j) lies in B, and the scratch has two rows of 2 n numbers for every l.
                unsafe {
                    let x = *p.b.at(l, j).ptr;
                    let row = b.0.add(4 * l * n + 2 * j).cast::<Complex<T>>();
                    row.write(x);
                    row.add(n).write(Complex::new(-x.im, x.re));
                }
            }
        }
    });
    let (a_ptr, a_rs) = if p.a.cs == 1 {
        (p.a.ptr.cast::<T>(), 2 * p.a.rs)
    } else {
        par::for_range(p.m, par::grain_for(p.m, 2.0 * k as f64), &|rows| {
            let a = &a; // the whole struct, which is Sync, not its field
            for i in rows {
                for l in 0..k {
                    // SAFETY: (i, l) lies in A, and in the scratch.
                    unsafe { a.0.cast::<Complex<T>>().add(i * k + l).write(*p.a.at(i, l).ptr) };
                }
            }
        });
        (a.0.cast_const(), 2 * k as isize)
    };
    let real = Product::<T> {
        m: p.m,
        n: 2 * n,
        k: 2 * k,
        a: Mat { ptr: a_ptr, rs: a_rs, cs: 1 },
        b: Mat { ptr: b.0, rs: 2 * n as isize, cs: 1 },
        c: p.c.cast(),
        ldc: 2 * p.ldc,
        accumulate: p.accumulate,
        bias: match p.bias {
            Bias::None => Bias::None,
            Bias::PerColumn(bias) => Bias::PerColumn(bias.cast()),
            Bias::PerRow(_) => return None, // one number a row would be two
        },
    };
    // SAFETY: the caller's promise; a complex number is two real ones.
    unsafe { gemm(&real) };
    Some(())
}
