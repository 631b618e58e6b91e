//! Singular values, and what is made of them: pseudo-inverses, ranks, condition numbers.

use smallvec::smallvec;

use super::*;
use crate::autograd::Save;
use crate::cpu::linalg::Field;
use crate::cpu::linalg::spectral::{Failure, singular};
use crate::ops::arithmetic::{add, div, sub, where_};
use crate::ops::cuda::linalg::spectral::{NO_CONVERGENCE, NOT_FINITE, Singular};
use crate::ops::matmul::matmul;
use crate::ops::registry::{Args, Op, Output, Value};
use crate::ops::vector_norm::vector_norm;
use crate::ops::{reduce, table};

const NO_MEMORY: i32 = 3;

pub fn failure_code(failure: Failure) -> i32 {
    match failure {
        Failure::NoConvergence => NO_CONVERGENCE,
        Failure::OutOfMemory => NO_MEMORY,
    }
}

/// The error for what a kernel noted about a matrix.
pub fn no_result(function: &str, batched: bool, (i, code): (usize, i32), n: usize) -> Error {
    let reason = match code {
        NOT_FINITE => "the input matrix contained non-finite values".to_owned(),
        NO_MEMORY => return Error::OutOfMemory { bytes: n.saturating_mul(n).saturating_mul(16) },
        _ => format!(
            "the input matrix is ill-conditioned or has too many repeated {} (error code: {})",
            if function.ends_with("svd") { "singular values" } else { "eigenvalues" },
            n.saturating_sub(1)
        ),
    };
    Error::LinAlg(format!(
        "{function}: {}The algorithm failed to converge because {reason}.",
        batch_element(batched, i)
    ))
}

pub fn all_finite<T: Field>(a: &[T]) -> bool {
    a.iter().all(|v| v.real().is_finite() && v.imaginary().is_finite())
}

fn check(x: &Tensor) -> Result<()> {
    check_matrix(x, "linalg.svd", "A")?;
    check_float(x, "linalg.svd", false)
}

/// U, S and Vᴴ; no tape.
fn decompose_raw(x: &Tensor, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
    if x.device().is_cuda() {
        return autograd::no_grad(|| decompose_on_gpu(x, full));
    }
    let a = Matrices::read(x)?;
    let (m, n) = (a.rows, a.columns);
    let k = m.min(n);
    let (p, q) = if full { (m, n) } else { (k, k) };
    let batch = batch_of(x);
    let (u, vh) = (Matrices::empty(batch, m, p, x.dtype())?, Matrices::empty(batch, q, n, x.dtype())?);
    let s = Vectors::empty(batch, k, DType::F64)?;
    let mut info = info_for(a.count)?;
    let slots = Slots::of(&mut info);
    over_field!(x.dtype(), T => for_each_matrix(a.count, 10.0 * (m * n) as f64 * k as f64, |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, u, vh, s) = unsafe { (a.nth::<T>(i), u.nth::<T>(i), vh.nth::<T>(i), s.nth::<f64>(i)) };
        let code = if all_finite(a) {
            let mut v = vec![<T as num_traits::Zero>::zero(); n * q];
            let outcome = singular(a, (m, n), s, Some((u, &mut v)), full);
            for j in 0..n {
                for r in 0..q {
                    vh[j * q + r] = v[r * n + j].conjugate();
                }
            }
            outcome.err().map_or(0, failure_code)
        } else {
            NOT_FINITE
        };
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, code) };
    }));
    if let Some(failure) = first_failure(&info_tensor(&info, batch_of(x))?)? {
        return Err(no_result("linalg.svd", x.ndim() > 2, failure, m.max(n)));
    }
    let dtype = x.dtype();
    Ok((u.into_tensor(dtype)?, s.into_tensor(dtype.to_real())?, vh.into_tensor(dtype)?))
}

/// Singular values on a GPU, and buffers of vectors; an error names the first matrix that has none.
fn singular_on_gpu(x: &Tensor, vectors: bool, full: bool) -> Result<Singular> {
    let found = cuda::linalg::spectral::singular(&gpu_batch(x)?, vectors, full)?;
    let (m, n) = matrix_size(x);
    match first_failure(&found.info)? {
        Some(failure) => Err(no_result("linalg.svd", x.ndim() > 2, failure, m.max(n))),
        None => Ok(found),
    }
}

fn decompose_on_gpu(x: &Tensor, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let Singular { u, s, v, .. } = singular_on_gpu(x, true, full)?;
    let (batch, dtype) = (batch_of(x), x.dtype());
    let u = Matrices::of_buffer(&u, batch)?.into_tensor(dtype)?;
    let s = view::reshape_to(&copy::to_dtype(&s, dtype.to_real())?, &with_sizes(batch, &[s.size(1)]))?;
    // Rows of Vᴴ are columns of V.
    let vh = conj(&Matrices::of_buffer(&v, batch)?.into_tensor(dtype)?)?;
    Ok((u, s, column_major(&transposed(&vh)?)?))
}

/// U, S and Vᴴ with A = U S Vᴴ, thin or full.
pub fn decompose(x: &Tensor, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
    check(x)?;
    let (u, s, vh) = decompose_raw(x, full)?;
    if !autograd::needs_grad(&[x]) {
        return Ok((u, s, vh));
    }
    let save = [Save::Output(0), Save::Output(1), Save::Output(2)];
    let outs = autograd::record_many(smallvec![u, s, vh], "LinalgSvdBackward0", &[x], &save, |cx| {
        let (u, s, vh) = (cx.saved(0)?, cx.saved(1)?, cx.saved(2)?);
        let k = s.size(s.ndim() - 1) as i64;
        // Of full matrices only the part that belongs to a singular value is determined.
        let columns = |t: &Tensor| view::narrow(t, -1, 0, k);
        let rows = |t: &Tensor| view::narrow(t, -2, 0, k);
        let gu = cx.grads[0].as_ref().map(columns).transpose()?;
        let gvh = cx.grads[2].as_ref().map(rows).transpose()?;
        let factors = Factors { u: columns(&u)?, s, vh: rows(&vh)? };
        Ok(smallvec![Some(factors.gradient(gu, cx.grads[1].clone(), gvh)?)])
    });
    let mut outs = outs.into_iter();
    let mut next = || outs.next().expect("three results");
    Ok((next(), next(), next()))
}

/// A thin decomposition.
struct Factors {
    u: Tensor,
    s: Tensor,
    vh: Tensor,
}

impl Factors {
    /// The gradient of A (J. Townsend, Differentiating the singular value decomposition, 2016; for complex
    /// numbers with the phase that U and V share left out).
    fn gradient(&self, gu: Option<Tensor>, gs: Option<Tensor>, gvh: Option<Tensor>) -> Result<Tensor> {
        let Factors { u, s, vh } = self;
        let k = s.size(s.ndim() - 1);
        let row = view::unsqueeze(s, -2)?;
        let column = view::unsqueeze(s, -1)?;
        if gu.is_none() && gvh.is_none() {
            let gs = or_zero(gs.as_ref(), s.sizes(), s.dtype())?;
            return matmul(&mul(u, &view::unsqueeze(&gs, -2)?)?, vh);
        }
        let on_diagonal = table::eq(&identity(k, DType::F64)?, 1.0)?;
        let gaps = sub(&table::square(&row)?, &table::square(&column)?)?;
        let gaps = where_(&on_diagonal, 1.0, &gaps)?;
        let skew = |w: &Tensor| -> Result<Tensor> {
            div(&where_(&on_diagonal, 0.0, &sub(w, &adjoint(w)?)?)?, &gaps)
        };
        let mut middle = creation::zeros(&with_sizes(batch_of(u), &[k, k]), u.dtype())?;
        if let Some(gs) = &gs {
            middle = add(&middle, &diagonal_matrix(gs)?)?;
        }
        if let Some(gu) = &gu {
            let w = matmul(&adjoint(u)?, gu)?;
            middle = add(&middle, &mul(&skew(&w)?, &row)?)?;
            if u.dtype().is_complex() {
                let d = diagonal(&w)?;
                let imaginary = mul(&sub(&d, &conj(&d)?)?, 0.5)?;
                middle = add(&middle, &diagonal_matrix(&div(&imaginary, s)?)?)?;
            }
        }
        if let Some(gvh) = &gvh {
            let w = matmul(vh, &adjoint(gvh)?)?;
            middle = add(&middle, &mul(&column, &skew(&w)?)?)?;
        }
        let mut g = matmul(&matmul(u, &middle)?, vh)?;
        if let Some(gu) = &gu
            && matrix_size(u).0 > k
        {
            let outside = sub(gu, &matmul(u, &matmul(&adjoint(u)?, gu)?)?)?;
            g = add(&g, &matmul(&div(&outside, &row)?, vh)?)?;
        }
        if let Some(gvh) = &gvh
            && matrix_size(vh).1 > k
        {
            let outside = sub(gvh, &matmul(&matmul(gvh, &adjoint(vh)?)?, vh)?)?;
            g = add(&g, &matmul(u, &div(&outside, &column)?)?)?;
        }
        Ok(g)
    }
}

/// The singular values of each matrix, in descending order.
pub fn values(x: &Tensor) -> Result<Tensor> {
    check(x)?;
    if autograd::needs_grad(&[x]) {
        return Ok(decompose(x, false)?.1);
    }
    if x.device().is_cuda() {
        return autograd::no_grad(|| {
            let s = singular_on_gpu(x, false, false)?.s;
            let sizes = with_sizes(batch_of(x), &[s.size(1)]);
            view::reshape_to(&copy::to_dtype(&s, x.dtype().to_real())?, &sizes)
        });
    }
    let a = Matrices::read(x)?;
    let (m, n) = (a.rows, a.columns);
    let k = m.min(n);
    let s = Vectors::empty(batch_of(x), k, DType::F64)?;
    let mut info = info_for(a.count)?;
    let slots = Slots::of(&mut info);
    over_field!(x.dtype(), T => for_each_matrix(a.count, 4.0 * (m * n) as f64 * k as f64, |i| {
        // SAFETY: buffers of this type; matrix i belongs to this call.
        let (a, s) = unsafe { (a.nth::<T>(i), s.nth::<f64>(i)) };
        let code = if all_finite(a) {
            singular(a, (m, n), s, None, false).err().map_or(0, failure_code)
        } else {
            NOT_FINITE
        };
        // SAFETY: one place a matrix.
        unsafe { slots.set(i, code) };
    }));
    if let Some(failure) = first_failure(&info_tensor(&info, batch_of(x))?)? {
        return Err(no_result("linalg.svd", x.ndim() > 2, failure, m.max(n)));
    }
    s.into_tensor(x.dtype().to_real())
}

fn check_driver(driver: Option<&str>) -> Result<()> {
    if driver.is_some() {
        bail!(
            Autograd,
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        );
    }
    Ok(())
}

/// As `torch.svd` has it: V instead of its adjoint.
fn svd_old(x: &Tensor, some: bool, with_vectors: bool) -> Result<Output> {
    let fields = &["U", "S", "V"];
    if !with_vectors {
        check(x)?;
        let (m, n) = matrix_size(x);
        let zeros = |n: usize| creation::zeros(&with_sizes(batch_of(x), &[n, n]), x.dtype());
        return Ok(Output::Named("svd", fields, vec![zeros(m)?, values(x)?, zeros(n)?]));
    }
    let (u, s, vh) = decompose(x, !some)?;
    Ok(Output::Named("svd", fields, vec![u, s, adjoint(&vh)?]))
}

/// How small a singular value counts as zero: an absolute bound and one relative to the largest.
pub struct Tolerance {
    absolute: Option<Tensor>,
    relative: Option<Tensor>,
}

impl Tolerance {
    pub fn read(a: &Args, absolute: Option<usize>, relative: Option<usize>) -> Result<Tolerance> {
        let read = |at: Option<usize>| -> Result<Option<Tensor>> {
            let Some(at) = at else { return Ok(None) };
            Ok(match &a.0[at] {
                Value::Tensor(t) if t.dtype().is_complex() => {
                    bail!(DType, "tolerances must be real, but one is {}", t.dtype().scalar_name())
                }
                Value::Tensor(t) => Some(t.clone()),
                Value::Scalar(s) => Some(creation::scalar(*s, DType::F64)?),
                _ => None,
            })
        };
        Ok(Tolerance { absolute: read(absolute)?, relative: read(relative)? })
    }

    pub fn relative(bound: Tensor) -> Tolerance {
        Tolerance { absolute: None, relative: Some(bound) }
    }

    /// The bound for values `s` (*, k) of matrices of a size, as (*, 1).
    pub fn bound(&self, s: &Tensor, (m, n): (usize, usize)) -> Result<Tensor> {
        let largest = vector_norm(s, f64::INFINITY, Some(&[-1]), true, None)?;
        let eps = if s.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON as f64 };
        let wide = |t: &Tensor| view::unsqueeze(&copy::to_dtype(t, s.dtype())?, -1);
        let relative = match (&self.relative, &self.absolute) {
            (Some(r), _) => mul(&largest, &wide(r)?)?,
            // An absolute bound above zero stands alone.
            (None, Some(a)) => {
                let default = mul(&largest, m.max(n) as f64 * eps)?;
                where_(&table::gt(&wide(a)?, 0.0)?, 0.0, &default)?
            }
            (None, None) => mul(&largest, m.max(n) as f64 * eps)?,
        };
        match &self.absolute {
            Some(a) => table::maximum(&relative, &wide(a)?),
            None => Ok(relative),
        }
    }
}

/// The pseudo-inverse; no tape.
fn pinv_raw(x: &Tensor, tolerance: &Tolerance, hermitian: bool) -> Result<Tensor> {
    let x = &x.detached();
    let size = matrix_size(x);
    let inverted = |s: &Tensor, sizes: &Tensor| -> Result<Tensor> {
        let keep = table::gt(sizes, &tolerance.bound(sizes, size)?)?;
        where_(&keep, &table::reciprocal(s)?, 0.0)
    };
    if hermitian {
        let (l, v) = super::eigen::self_adjoint(x, false)?;
        let scaled = mul(&v, &view::unsqueeze(&inverted(&l, &crate::ops::arithmetic::abs(&l)?)?, -2)?)?;
        return matmul(&scaled, &adjoint(&v)?);
    }
    let (u, s, vh) = decompose(x, false)?;
    let scaled = mul(&adjoint(&vh)?, &view::unsqueeze(&inverted(&s, &s)?, -2)?)?;
    matmul(&scaled, &adjoint(&u)?)
}

/// The pseudo-inverse of each matrix (G. H. Golub and V. Pereyra, 1973, for its derivative).
pub fn pinv(x: &Tensor, tolerance: &Tolerance, hermitian: bool) -> Result<Tensor> {
    if x.ndim() < 2 || !x.dtype().is_differentiable() || matches!(x.dtype(), DType::F16 | DType::BF16) {
        bail!(
            DType,
            "linalg.pinv({}{{{}}}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble types",
            x.dtype().scalar_name(),
            crate::layout::Show(x.sizes())
        );
    }
    if hermitian {
        check_square(x, "linalg.eigh", "A")?;
    }
    let (m, n) = matrix_size(x);
    if x.numel() == 0 {
        let empty = creation::zeros(&with_sizes(batch_of(x), &[n, m]), x.dtype())?;
        return add(&empty, &transposed(x)?);
    }
    let out = autograd::no_grad(|| pinv_raw(x, tolerance, hermitian))?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let save = [Save::Input(0), Save::Output(0)];
    Ok(autograd::record(out, "LinalgPinvBackward0", &[x], &save, |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (a, p) = (cx.saved(0)?, cx.saved(1)?);
        let (ph, gh) = (adjoint(&p)?, adjoint(g)?);
        let inner = matmul(&matmul(&ph, g)?, &ph)?;
        let left = sub(&gh, &matmul(&a, &matmul(&p, &gh)?)?)?;
        let right = sub(&gh, &matmul(&matmul(&gh, &p)?, &a)?)?;
        let outer = add(&matmul(&matmul(&left, &p)?, &ph)?, &matmul(&ph, &matmul(&p, &right)?)?)?;
        Ok(smallvec![Some(sub(&outer, &inner)?)])
    }))
}

fn matrix_rank(x: &Tensor, tolerance: &Tolerance, hermitian: bool) -> Result<Tensor> {
    check_matrix(x, "torch.linalg.matrix_rank", "input")?;
    if x.numel() == 0 {
        return creation::zeros(batch_of(x), DType::I64);
    }
    autograd::no_grad(|| {
        let x = &x.detached();
        let s = if hermitian {
            crate::ops::arithmetic::abs(&super::eigen::self_adjoint_values(x, false)?)?
        } else {
            values(x)?
        };
        let counted = table::gt(&s, &tolerance.bound(&s, matrix_size(x))?)?;
        reduce::sum(&counted, Some(&[-1]), false, Some(DType::I64))
    })
}

pub const OPS: &[Op] = &[
    Op::new("linalg.svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> Tensor[]", |a| {
        check_driver(a.str(2))?;
        let (u, s, vh) = decompose(a.tensor(0), a.bool(1))?;
        Ok(Output::Named("linalg_svd", &["U", "S", "Vh"], vec![u, s, vh]))
    })
    .doc("U, the singular values in descending order, and Vᴴ with A = U S Vᴴ."),
    Op::new("linalg.svdvals(Tensor A, *, str? driver=None) -> Tensor", |a| {
        check_driver(a.str(1))?;
        Ok(values(a.tensor(0))?.into())
    })
    .doc("The singular values of each matrix, in descending order.")
    .samples("t(3, 4) | nc(2, 4, 3)"),
    Op::new("svd(Tensor input, bool some=True, bool compute_uv=True) -> Tensor[]", |a| {
        svd_old(a.tensor(0), a.bool(1), a.bool(2))
    })
    .method()
    .doc("U, the singular values, and V (not its adjoint); thin unless some=False."),
    Op::new(
        "linalg.pinv(Tensor A, *, Number|Tensor? atol=None, Number|Tensor? rtol=None, bool hermitian=False) -> Tensor",
        |a| Ok(pinv(a.tensor(0), &Tolerance::read(a, Some(1), Some(2))?, a.bool(3))?.into()),
    )
    .doc("The Moore-Penrose pseudo-inverse; singular values up to max(atol, rtol * the largest) count as zero.")
    .samples("t(3, 4) | nc(2, 4, 3), rtol=1e-3 | t(3, 3), atol=0.5"),
    Op::new("linalg.pinv(Tensor A, Number|Tensor rcond, bool hermitian=False) -> Tensor", |a| {
        Ok(pinv(a.tensor(0), &Tolerance::read(a, None, Some(1))?, a.bool(2))?.into())
    })
    .samples("t(3, 4), 1e-3"),
    Op::new("pinverse(Tensor input, float rcond=1e-15) -> Tensor", |a| {
        let relative = creation::scalar(Scalar::Float(a.float(1)), DType::F64)?;
        Ok(pinv(a.tensor(0), &Tolerance::relative(relative), false)?.into())
    })
    .method()
    .doc("The Moore-Penrose pseudo-inverse; singular values up to rcond * the largest count as zero.")
    .samples("t(3, 4)"),
    Op::new(
        "linalg.matrix_rank(Tensor input, *, Number|Tensor? atol=None, Number|Tensor? rtol=None, bool hermitian=False) -> Tensor",
        |a| Ok(matrix_rank(a.tensor(0), &Tolerance::read(a, Some(1), Some(2))?, a.bool(3))?.into()),
    )
    .doc("How many singular values are above max(atol, rtol * the largest).")
    .no_gradient()
    .samples("t(2, 3, 4) | t(3, 3), atol=1.5"),
    Op::new("linalg.matrix_rank(Tensor input, Number|Tensor tol, bool hermitian=False) -> Tensor", |a| {
        Ok(matrix_rank(a.tensor(0), &Tolerance::read(a, Some(1), None)?, a.bool(2))?.into())
    })
    .no_gradient()
    .samples("t(2, 3, 3), 1.5"),
];
