//! QR, and the reflections that it is made of.

use smallvec::smallvec;

use super::triangular::solve_triangular;
use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::qr;
use crate::ops::arithmetic::{add, sub};
use crate::ops::joining::cat;
use crate::ops::matmul::{matmul, triangle};
use crate::ops::registry::{Op, Output};
use crate::warn_once;

/// R above the diagonal and the reflections below it, and their factors; no tape.
fn factor(x: &Tensor) -> Result<(Matrices, Vectors)> {
    let a = Matrices::read(x)?;
    let (m, n) = (a.rows, a.columns);
    let tau = Vectors::empty(batch_of(x), m.min(n), working(x.dtype()))?;
    if a.on_gpu() {
        cuda::linalg::qr::factor(&a.part()?, &tau.part()?)?;
        return Ok((a, tau));
    }
    over_field!(x.dtype(), T => for_each_matrix(a.count, 2.0 * (m * n) as f64 * m.min(n) as f64, |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, tau) = unsafe { (a.nth::<T>(i), tau.nth::<T>(i)) };
        qr::factor(a, m, n, tau);
    }));
    Ok((a, tau))
}

/// The first columns of the product of the reflections in `a`.
fn form(a: &Matrices, tau: &Vectors, batch: &[usize], columns: usize) -> Result<Matrices> {
    let (m, k) = (a.rows, tau.n);
    let q = Matrices::empty(batch, m, columns, a.buffer.dtype())?;
    if q.on_gpu() {
        copy::write(&q.buffer, &creation::eye(columns as i64, m as i64, q.buffer.dtype())?)?;
        cuda::linalg::qr::form(&a.part()?, &tau.part()?, &q.part()?)?;
        return Ok(q);
    }
    over_field!(a.buffer.dtype(), T => for_each_matrix(a.count, 2.0 * (m * columns) as f64 * k as f64, |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, tau, q) = unsafe { (a.nth::<T>(i), tau.nth::<T>(i), q.nth::<T>(i)) };
        qr::form(a, m, tau, q, columns);
    }));
    Ok(q)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Reduced,
    Complete,
    R,
}

fn mode_of(text: &str) -> Result<Mode> {
    match text {
        "reduced" => Ok(Mode::Reduced),
        "complete" => Ok(Mode::Complete),
        "r" => Ok(Mode::R),
        other => bail!(
            Autograd,
            "qr received unrecognized mode '{other}' but expected one of 'reduced' (default), 'r', or 'complete'"
        ),
    }
}

/// Q and R; Q is empty in mode R.
fn decompose(x: &Tensor, mode: Mode) -> Result<(Tensor, Tensor)> {
    check_matrix(x, "linalg.qr", "A")?;
    check_float(x, "linalg.qr", false)?;
    let (m, n) = matrix_size(x);
    let k = m.min(n);
    let batch = batch_of(x);
    let (a, tau) = factor(x)?;
    let columns = if mode == Mode::Complete { m } else { k };
    let (rows, q) = match mode {
        Mode::R => (k, None),
        _ => (columns, Some(form(&a, &tau, batch, columns)?)),
    };
    let r = a.triangle(rows, false)?;
    let dtype = x.dtype();
    let q = match q {
        Some(q) => q.into_tensor(dtype)?,
        None => creation::zeros(&[0], dtype)?,
    };
    let r = r.into_tensor(dtype)?;
    if !autograd::needs_grad(&[x]) {
        return Ok((q, r));
    }
    let save = [Save::Output(0), Save::Output(1)];
    let outs = autograd::record_many(smallvec![q, r], "LinalgQrBackward0", &[x], &save, move |cx| {
        if mode == Mode::R {
            bail!(
                Autograd,
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
            );
        }
        if mode == Mode::Complete && m > n {
            bail!(
                Autograd,
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
            );
        }
        let (q, r) = (cx.saved(0)?, cx.saved(1)?);
        let gq = or_zero(cx.grads[0].as_ref(), q.sizes(), q.dtype())?;
        let gr = or_zero(cx.grads[1].as_ref(), r.sizes(), r.dtype())?;
        Ok(smallvec![Some(gradient(&q, &r, &gq, &gr)?)])
    });
    let mut outs = outs.into_iter();
    let both = (outs.next(), outs.next());
    Ok((both.0.expect("two results"), both.1.expect("two results")))
}

/// The gradient of A. A wide A = Q [R₁ R₂] is its first columns' QR, and R₂ = Qᴴ A₂.
fn gradient(q: &Tensor, r: &Tensor, gq: &Tensor, gr: &Tensor) -> Result<Tensor> {
    let (m, n) = matrix_size(r);
    if m < n {
        let (k, rest) = (m as i64, (n - m) as i64);
        let first = |t: &Tensor| view::narrow(t, -1, 0, k);
        let last = |t: &Tensor| view::narrow(t, -1, k, rest);
        let rest = matmul(q, &last(r)?)?;
        let gq = add(gq, &matmul(&rest, &adjoint(&last(gr)?)?)?)?;
        let square = gradient(q, &first(r)?, &gq, &first(gr)?)?;
        return cat(&[square, matmul(q, &last(gr)?)?], -1);
    }
    let middle = sub(&matmul(gr, &adjoint(r)?)?, &matmul(&adjoint(q)?, gq)?)?;
    let strict = triangle(&middle, 1, false)?;
    let d = diagonal(&middle)?;
    let real = mul(&add(&d, &conj(&d)?)?, 0.5)?;
    let symmetric = add(&add(&strict, &adjoint(&strict)?)?, &diagonal_matrix(&real)?)?;
    let left = add(gq, &matmul(q, &symmetric)?)?;
    solve_triangular(&adjoint(r)?, &left, false, false, false)
}

fn geqrf(x: &Tensor) -> Result<Output> {
    check_matrix(x, "torch.geqrf", "input")?;
    check_float(x, "torch.geqrf", false)?;
    let (a, tau) = factor(x)?;
    let (a, tau) = (a.into_tensor(x.dtype())?, tau.into_tensor(x.dtype())?);
    if !autograd::needs_grad(&[x]) {
        return Ok(Output::Named("geqrf", &["a", "tau"], vec![a, tau]));
    }
    let outs = autograd::record_many(smallvec![a, tau], "GeqrfBackward0", &[x], &[], |_| {
        bail!(Unsupported, "the derivative for 'geqrf' is not implemented.")
    });
    Ok(Output::Named("geqrf", &["a", "tau"], outs.into_vec()))
}

fn check_reflections(a: &Tensor, tau: &Tensor, function: &str) -> Result<()> {
    check_matrix(a, function, "input")?;
    check_float(a, function, false)?;
    let (m, n) = matrix_size(a);
    if m < n {
        bail!(Shape, "{function}: input.shape[-2] must be greater than or equal to input.shape[-1]");
    }
    if tau.ndim() == 0 || n < tau.size(tau.ndim() - 1) {
        bail!(Shape, "{function}: input.shape[-1] must be greater than or equal to tau.shape[-1]");
    }
    if tau.ndim() + 1 != a.ndim() || tau.sizes()[..tau.ndim() - 1] != *batch_of(a) {
        bail!(
            Shape,
            "{function}: Expected tau to have one dimension less than input equal to input.ndim - 1 and the same batch, but got tau.ndim {} and input.ndim {}",
            tau.ndim(),
            a.ndim()
        );
    }
    if tau.dtype() != a.dtype() {
        bail!(
            DType,
            "{function}: tau dtype {} does not match input dtype {}",
            tau.dtype().scalar_name(),
            a.dtype().scalar_name()
        );
    }
    Ok(())
}

/// C after the reflections of `a` from the left, in differentiable operations.
fn reflected(a: &Tensor, tau: &Tensor, c: &Tensor, adjoint_of: bool) -> Result<Tensor> {
    let (m, k) = (matrix_size(a).0, tau.size(tau.ndim() - 1));
    let mut c = if k == 0 && !c.requires_grad() { tied(c, a)? } else { c.clone() };
    for step in 0..k {
        let j = if adjoint_of { step } else { k - 1 - step };
        let column = view::narrow(&triangle(a, -1, true)?, -1, j as i64, 1)?;
        let unit = Tensor::from_slice(&(0..m).map(|i| f64::from(i == j)).collect::<Vec<_>>(), &[m, 1])?;
        let v = add(&column, &copy::to_dtype(&unit, a.dtype())?)?;
        let t = view::unsqueeze(&view::narrow(tau, -1, j as i64, 1)?, -1)?;
        let t = if adjoint_of { conj(&t)? } else { t };
        c = sub(&c, &mul(&t, &matmul(&v, &matmul(&adjoint(&v)?, &c)?)?)?)?;
    }
    Ok(c)
}

/// The first columns of the product of reflections.
fn householder_product(a: &Tensor, tau: &Tensor, function: &str) -> Result<Tensor> {
    check_reflections(a, tau, function)?;
    let (m, n) = matrix_size(a);
    if autograd::needs_grad(&[a, tau]) {
        let one = creation::eye(m as i64, n as i64, a.dtype())?;
        let one = view::expand_to(&one, &with_sizes(batch_of(a), &[m, n]))?;
        return reflected(a, tau, &one, false);
    }
    form(&Matrices::read(a)?, &Vectors::read(tau)?, batch_of(a), n)?.into_tensor(a.dtype())
}

/// A product with the Q of the reflections of `a`.
fn ormqr(a: &Tensor, tau: &Tensor, c: &Tensor, left: bool, turn: bool) -> Result<Tensor> {
    check_matrix(a, "torch.ormqr", "input")?;
    check_matrix(c, "torch.ormqr", "other")?;
    check_float(a, "torch.ormqr", false)?;
    let (m, k) = matrix_size(a);
    let (p, q) = matrix_size(c);
    if tau.ndim() == 0 || tau.size(tau.ndim() - 1) > k {
        bail!(Shape, "torch.ormqr: tau.shape[-1] must be equal to min(other.shape[-2], input.shape[-1])");
    }
    if m != if left { p } else { q } {
        let which = if left { -2 } else { -1 };
        bail!(Shape, "torch.ormqr: other.shape[{which}] must be equal to input.shape[-2]");
    }
    if tau.size(tau.ndim() - 1) > m {
        bail!(Shape, "torch.ormqr: other.shape[-2] must be greater than or equal to tau.shape[-1]");
    }
    if tau.dtype() != a.dtype() || c.dtype() != a.dtype() {
        bail!(DType, "torch.ormqr: Expected input, tau and other to have the same dtype");
    }
    if batch_of(c) != batch_of(a) || tau.sizes()[..tau.ndim() - 1] != *batch_of(a) {
        bail!(Shape, "torch.ormqr: Expected batch dimensions of input, tau and other to be equal");
    }
    if !left {
        // C Q = (Qᴴ Cᴴ)ᴴ.
        return column_major(&adjoint(&ormqr(a, tau, &adjoint(c)?, true, !turn)?)?);
    }
    if autograd::needs_grad(&[a, tau, c]) {
        return reflected(a, tau, c, turn);
    }
    let (factors, tau, out) = (Matrices::read(a)?, Vectors::read(tau)?, Matrices::read(c)?);
    let columns = out.columns;
    if out.on_gpu() {
        cuda::linalg::qr::apply(&factors.part()?, &tau.part()?, &out.part()?, turn)?;
        return out.into_tensor(c.dtype());
    }
    over_field!(a.dtype(), T => for_each_matrix(factors.count, 2.0 * (m * k) as f64 * columns as f64, |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, tau, c) = unsafe { (factors.nth::<T>(i), tau.nth::<T>(i), out.nth::<T>(i)) };
        qr::apply_left(a, m, tau, c, columns, turn);
    }));
    out.into_tensor(c.dtype())
}

pub const OPS: &[Op] = &[
    Op::new("linalg.qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)", |a| {
        let (q, r) = decompose(a.tensor(0), mode_of(a.str(1).unwrap_or("reduced"))?)?;
        Ok(Output::Named("linalg_qr", &["Q", "R"], vec![q, r]))
    })
    .doc("Q with orthonormal columns and upper triangular R with A = Q R; mode 'reduced', 'complete' or 'r'.")
    .samples("t(4, 3) | nc(2, 3, 4) | t(3, 3), mode='complete' | fixed(4, 3), 'r'"),
    Op::new("qr(Tensor input, bool some=True) -> (Tensor Q, Tensor R)", |a| {
        warn_once!(
            "torch.qr is deprecated in favor of torch.linalg.qr and will be removed in a future PyTorch release.\nThe boolean 'some' is the string 'mode' there: 'reduced' if some else 'complete'."
        );
        let mode = if a.bool(1) { Mode::Reduced } else { Mode::Complete };
        let (q, r) = decompose(a.tensor(0), mode)?;
        Ok(Output::Named("qr", &["Q", "R"], vec![q, r]))
    })
    .method()
    .doc("As linalg.qr.")
    .samples("t(2, 4, 3) | t(3, 4), some=False"),
    Op::new("geqrf(Tensor input) -> (Tensor a, Tensor tau)", |a| geqrf(a.tensor(0)))
        .method()
        .doc("R and, below it, the reflections of a QR, as LAPACK has them.")
        .no_gradient()
        .samples("t(4, 3) | nc(2, 3, 4)"),
    Op::new("linalg.householder_product(Tensor input, Tensor tau) -> Tensor", |a| {
        Ok(householder_product(a.tensor(0), a.tensor(1), "torch.linalg.householder_product")?.into())
    })
    .doc("The first columns of a product of Householder reflections.")
    .samples("t(4, 3), t(3) | nc(2, 3, 3), t(2, 2)"),
    Op::new("orgqr(Tensor input, Tensor input2) -> Tensor", |a| {
        Ok(householder_product(a.tensor(0), a.tensor(1), "torch.linalg.householder_product")?.into())
    })
    .method()
    .doc("As linalg.householder_product.")
    .samples("t(4, 3), t(3)"),
    Op::new(
        "ormqr(Tensor input, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor",
        |a| Ok(ormqr(a.tensor(0), a.tensor(1), a.tensor(2), a.bool(3), a.bool(4))?.into()),
    )
    .method()
    .doc("The product of a matrix with the Q of Householder reflections.")
    .samples("t(4, 3, low=-1, high=1), t(3, low=-1, high=1), t(4, 2) | t(4, 3, low=-1, high=1), t(3, low=-1, high=1), t(2, 4), left=False, transpose=True"),
];
