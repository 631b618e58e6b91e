//! Determinants, by LU.

use smallvec::smallvec;

use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::{Field, lu};
use crate::ops::arithmetic::{abs, sub, where_};
use crate::ops::matmul::matmul;
use crate::ops::registry::{Op, Output};
use crate::ops::{linalg::svd, reduce, table};

/// The diagonal of U of A = P L U on a GPU, and the sign of P: (count, n) and (count).
fn gpu_pivots(a: &Matrices, dtype: DType) -> Result<(Tensor, Tensor)> {
    let n = a.rows;
    let pivots = Tensor::empty(&[a.count, n], DType::I32)?;
    let (factors, info) = (a.part()?, no_failures(&[a.count])?);
    cuda::linalg::lu::factor(&factors, &pivots, &info)?;
    let numbers = creation::arange(Scalar::Int(1), Scalar::Int(n as i64 + 1), Scalar::Int(1), DType::I32)?;
    let exchanges = reduce::sum(&table::ne(&pivots, &numbers)?, Some(&[-1]), false, Some(DType::I64))?;
    let odd = copy::to_dtype(&table::remainder(&exchanges, Scalar::Int(2))?, working(dtype))?;
    Ok((view::diagonal(&factors, 0, 1, 2)?, sub(1.0, &mul(&odd, 2.0)?)?))
}

fn determinant_raw(x: &Tensor) -> Result<Tensor> {
    let a = Matrices::read(x)?;
    let n = a.rows;
    if a.on_gpu() {
        return autograd::no_grad(|| {
            let (diagonal, sign) = gpu_pivots(&a, x.dtype())?;
            let out = mul(&reduce::prod(&diagonal, Some(-1), false, None)?, &sign)?;
            view::reshape_to(&copy::to_dtype(&out, x.dtype())?, batch_of(x))
        });
    }
    let out = scalars(batch_of(x), working(x.dtype()))?;
    over_field!(x.dtype(), T => for_each_matrix(a.count, 0.7 * (n as f64).powi(3), |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, out) = unsafe { (a.nth::<T>(i), out.nth::<T>(i)) };
        let mut pivots = vec![0; n];
        lu::factor(a, n, n, &mut pivots);
        let product = (0..n).fold(T::from_real(1.0), |p, k| p * a[k * n + k]);
        let odd = pivots.iter().enumerate().filter(|(k, p)| k != *p).count() % 2 == 1;
        out[0] = if odd { -product } else { product };
    }));
    out.into_tensor(x.dtype())
}

/// The determinant of each matrix.
pub fn determinant(x: &Tensor) -> Result<Tensor> {
    check_square_float(x, "linalg.det")?;
    let out = determinant_raw(x)?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "LinalgDetBackward0", &[x], &[Save::Input(0), Save::Output(0)], |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (a, d) = (cx.saved(0)?, cx.saved(1)?);
        let wide = |t: &Tensor| view::unsqueeze(&view::unsqueeze(t, -1)?, -1);
        let regular = autograd::no_grad(|| reduce::all_nonzero(&d.detached()))?;
        let cofactors = if regular {
            mul(&wide(&conj(&d)?)?, &adjoint(&super::inverse::inverse(&a)?)?)?
        } else {
            adjoint(&adjugate(&a)?)?
        };
        Ok(smallvec![Some(mul(&wide(g)?, &cofactors)?)])
    }))
}

/// The adjugate by singular values: it exists where the inverse does not. adj(U S Vᴴ) =
/// det(U) det(Vᴴ) V adj(S) Uᴴ.
fn adjugate(a: &Tensor) -> Result<Tensor> {
    let (u, s, vh) = svd::decompose(a, true)?;
    let n = s.size(s.ndim() - 1);
    let on_diagonal = table::eq(&identity(n, DType::F64)?, 1.0)?;
    // Row i holds all singular values but s_i.
    let others = where_(&on_diagonal, 1.0, &view::unsqueeze(&s, -2)?)?;
    let products = copy::to_dtype(&reduce::prod(&others, Some(-1), false, None)?, a.dtype())?;
    let sign = mul(&determinant(&u)?, &determinant(&vh)?)?;
    let sign = view::unsqueeze(&view::unsqueeze(&sign, -1)?, -1)?;
    let scaled = mul(&adjoint(&vh)?, &view::unsqueeze(&products, -2)?)?;
    mul(&sign, &matmul(&scaled, &adjoint(&u)?)?)
}

/// The sign (or phase) of each determinant, and the logarithm of its absolute value.
fn sign_and_log(x: &Tensor) -> Result<(Tensor, Tensor)> {
    check_square_float(x, "linalg.slogdet")?;
    let (sign, log) = sign_and_log_raw(x)?;
    if !autograd::needs_grad(&[x]) {
        return Ok((sign, log));
    }
    // The sign of a real matrix is constant but still hangs on the graph, as in PyTorch.
    let save = [Save::Input(0), Save::Output(0)];
    let outs = autograd::record_many(smallvec![sign, log], "LinalgSlogdetBackward0", &[x], &save, |cx| {
        let (a, sign) = (cx.saved(0)?, cx.saved(1)?);
        let real = a.dtype().to_real();
        let mut weight = copy::to_dtype(&or_zero(cx.grads[1].as_ref(), sign.sizes(), real)?, a.dtype())?;
        if a.dtype().is_complex()
            && let Some(g) = &cx.grads[0]
        {
            // Only the turning of the phase counts: the imaginary part of sign * conj(g).
            let turned = mul(&sign, &conj(g)?)?;
            let imaginary = mul(&sub(&turned, &conj(&turned)?)?, 0.5)?;
            weight = sub(&weight, &imaginary)?;
        }
        let weight = view::unsqueeze(&view::unsqueeze(&weight, -1)?, -1)?;
        Ok(smallvec![Some(mul(&weight, &adjoint(&super::inverse::inverse(&a)?)?)?)])
    });
    let mut outs = outs.into_iter();
    let both = (outs.next(), outs.next());
    Ok((both.0.expect("two results"), both.1.expect("two results")))
}

/// As [`sign_and_log`]; no tape.
fn sign_and_log_raw(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let a = Matrices::read(x)?;
    let n = a.rows;
    if a.on_gpu() {
        return autograd::no_grad(|| {
            let (diagonal, sign) = gpu_pivots(&a, x.dtype())?;
            let sign =
                mul(&reduce::prod(&crate::ops::complex::sgn(&diagonal)?, Some(-1), false, None)?, &sign)?;
            let log = reduce::sum(&table::log(&abs(&diagonal)?)?, Some(&[-1]), false, None)?;
            let shaped = |t: &Tensor, dtype: DType| view::reshape_to(&copy::to_dtype(t, dtype)?, batch_of(x));
            Ok((shaped(&sign, x.dtype())?, shaped(&log, x.dtype().to_real())?))
        });
    }
    let (sign, log) = (scalars(batch_of(x), working(x.dtype()))?, scalars(batch_of(x), DType::F64)?);
    over_field!(x.dtype(), T => for_each_matrix(a.count, 0.7 * (n as f64).powi(3), |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, sign, log) = unsafe { (a.nth::<T>(i), sign.nth::<T>(i), log.nth::<f64>(i)) };
        let mut pivots = vec![0; n];
        lu::factor(a, n, n, &mut pivots);
        let odd = pivots.iter().enumerate().filter(|(k, p)| k != *p).count() % 2 == 1;
        sign[0] = T::from_real(if odd { -1.0 } else { 1.0 });
        log[0] = 0.0;
        for k in 0..n {
            let d = a[k * n + k];
            let size = d.modulus();
            log[0] += size.ln();
            sign[0] *= if size == 0.0 { T::from_real(0.0) } else { d / T::from_real(size) };
        }
    }));
    Ok((sign.into_tensor(x.dtype())?, log.into_tensor(x.dtype().to_real())?))
}

fn named(name: &'static str, x: &Tensor) -> Result<Output> {
    let (sign, log) = sign_and_log(x)?;
    Ok(Output::Named(name, &["sign", "logabsdet"], vec![sign, log]))
}

/// The logarithm of each determinant; NaN where a real one is negative.
fn logdet(x: &Tensor) -> Result<Tensor> {
    check_square_float(x, "logdet")?;
    let (sign, log) = sign_and_log(x)?;
    if x.dtype().is_complex() {
        return crate::ops::arithmetic::add(&table::log(&sign)?, &log);
    }
    where_(&table::eq(&sign.detached(), -1.0)?, f64::NAN, &log)
}

pub const OPS: &[Op] = &[
    Op::new("linalg.det(Tensor A) -> Tensor", |a| Ok(determinant(a.tensor(0))?.into()))
        .doc("The determinant of each matrix.")
        .samples("t(3, 3) | nc(2, 3, 3)"),
    Op::new("det(Tensor input) -> Tensor", |a| Ok(determinant(a.tensor(0))?.into()))
        .method()
        .doc("The determinant of each matrix.")
        .samples("t(2, 3, 3)"),
    Op::new("linalg.slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)", |a| {
        named("linalg_slogdet", a.tensor(0))
    })
    .doc("The sign of each determinant, and the logarithm of its absolute value.")
    .samples("t(3, 3) | nc(2, 3, 3)"),
    Op::new("slogdet(Tensor input) -> (Tensor sign, Tensor logabsdet)", |a| named("slogdet", a.tensor(0)))
        .method()
        .doc("The sign of each determinant, and the logarithm of its absolute value.")
        .samples("t(2, 3, 3)"),
    Op::new("logdet(Tensor input) -> Tensor", |a| Ok(logdet(a.tensor(0))?.into()))
        .method()
        .doc("The logarithm of each determinant; NaN where a real one is negative.")
        .samples("t(3, 3) | nc(3, 2, 2)"),
];
