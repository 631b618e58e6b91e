//! Distances between vectors: `cdist`, `pdist`.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::distance;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Sizes, broadcast, checked_numel};
use crate::ops::arithmetic::{abs, div, mul, sub, where_};
use crate::ops::matmul::{matmul, triangle};
use crate::ops::registry::Op;
use crate::ops::{copy, creation, cuda, index, mask, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// The elements of a contiguous tensor.
///
/// # Safety
/// The dtype is T's, and nobody writes meanwhile.
unsafe fn elements<T>(t: &Tensor) -> &[T] {
    if t.numel() == 0 {
        return &[];
    }
    // SAFETY: contiguous, numel elements of T.
    unsafe { std::slice::from_raw_parts(t.ptr().cast::<T>(), t.numel()) }
}

/// As [`elements`], to be written.
///
/// # Safety
/// As there; the tensor is fresh.
#[allow(clippy::mut_from_ref)] // a fresh tensor has one user
unsafe fn elements_mut<T>(t: &Tensor) -> &mut [T] {
    if t.numel() == 0 {
        return &mut [];
    }
    // SAFETY: contiguous, numel elements of T, seen by nobody else.
    unsafe { std::slice::from_raw_parts_mut(t.ptr().cast::<T>(), t.numel()) }
}

/// Distances of the rows of `a` (batch, n, k) and `b` (batch, m, k); no tape.
fn between_raw(a: &Tensor, b: &Tensor, p: f64) -> Result<Tensor> {
    let (batch, n, m, k) = (a.size(0), a.size(1), b.size(1), a.size(2));
    let out = Tensor::empty(&[batch, n, m], a.dtype())?;
    if k == 0 {
        creation::write_value(&out, 0.0.into())?;
        return Ok(out);
    }
    let (a, b) = (copy::contiguous(&a.detached())?, copy::contiguous(&b.detached())?);
    macro_rules! run {
        ($t:ty) => {
            // SAFETY: contiguous tensors of this dtype; `out` is fresh.
            let (a, b, out) = unsafe { (elements::<$t>(&a), elements::<$t>(&b), elements_mut::<$t>(&out)) };
            for i in 0..batch {
                let (a, b) = (&a[i * n * k..][..n * k], &b[i * m * k..][..m * k]);
                distance::between(a, b, k, p, &mut out[i * n * m..][..n * m]);
            }
        };
    }
    match a.dtype() {
        DType::F32 | DType::F64 if out.device().is_cuda() => cuda::distance::distances(&out, &a, &b, p)?,
        DType::F32 => {
            run!(f32);
        }
        DType::F64 => {
            run!(f64);
        }
        other => bail!(Unsupported, "\"cdist\" not implemented for '{}'", other.scalar_name()),
    }
    Ok(out)
}

/// The gradient with respect to the difference of two vectors at distance `d`, in differentiable ops.
fn slope(difference: &Tensor, d: &Tensor, g: &Tensor, p: f64) -> Result<Tensor> {
    if p == 1.0 {
        return mul(&table::sign(difference)?, g);
    }
    if p.is_infinite() {
        let largest = table::eq(&abs(difference)?, d)?;
        return mul(&mul(&table::sign(difference)?, &copy::to_dtype(&largest, g.dtype())?)?, g);
    }
    // Where vectors coincide the gradient is zero.
    let zero = table::eq(d, 0.0)?;
    let safe = where_(&zero, 1.0, d)?;
    let weight = where_(&zero, 0.0, &div(g, &table::pow(&safe, p - 1.0)?)?)?;
    let same = table::eq(difference, 0.0)?;
    let length = where_(&same, 1.0, &abs(difference)?)?;
    let power = where_(&same, 0.0, &mul(&table::pow(&length, p - 1.0)?, &table::sign(difference)?)?)?;
    mul(&power, &weight)
}

/// g divided by the distance, zero where that is zero.
fn over_distance(g: &Tensor, d: &Tensor) -> Result<Tensor> {
    let zero = table::eq(d, 0.0)?;
    where_(&zero, 0.0, &div(g, &where_(&zero, 1.0, d)?)?)
}

/// Distances of the rows of two batches of one shape, recorded.
fn between(a: &Tensor, b: &Tensor, p: f64) -> Result<Tensor> {
    let out = between_raw(a, b, p)?;
    if !autograd::needs_grad(&[a, b]) {
        return Ok(out);
    }
    let save = [Save::Input(0), Save::Input(1), Save::Output(0)];
    Ok(autograd::record(out, "CdistBackward0", &[a, b], &save, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None, None]) };
        let (a, b, d) = (cx.saved(0)?, cx.saved(1)?, cx.saved(2)?);
        if p == 0.0 {
            return Ok(smallvec![
                Some(creation::zeros(a.sizes(), a.dtype())?),
                Some(creation::zeros(b.sizes(), b.dtype())?)
            ]);
        }
        // Euclid's distance has a gradient made of matrix products: no (n, m, k) is needed.
        if p == 2.0 {
            let w = over_distance(g, &d)?;
            let turned = view::transpose(&w, -1, -2)?;
            let total = |w: &Tensor| reduce::sum(w, Some(&[-1]), true, None);
            let for_a = sub(&mul(&total(&w)?, &a)?, &matmul(&w, &b)?)?;
            let for_b = sub(&mul(&total(&turned)?, &b)?, &matmul(&turned, &a)?)?;
            return Ok(smallvec![Some(for_a), Some(for_b)]);
        }
        let difference = sub(&view::unsqueeze(&a, -2)?, &view::unsqueeze(&b, -3)?)?;
        let s = slope(&difference, &view::unsqueeze(&d, -1)?, &view::unsqueeze(g, -1)?, p)?;
        let for_a = reduce::sum(&s, Some(&[-2]), false, None)?;
        let for_b = table::neg(&reduce::sum(&s, Some(&[-3]), false, None)?)?;
        Ok(smallvec![Some(for_a), Some(for_b)])
    }))
}

/// Distances of the rows of `a` (*, n, k) to the rows of `b` (*, m, k).
fn cdist(a: &Tensor, b: &Tensor, p: f64) -> Result<Tensor> {
    for (name, t) in [("X1", a), ("X2", b)] {
        if !t.dtype().is_floating() {
            bail!(
                DType,
                "cdist only supports floating-point dtypes, {name} got: {}",
                t.dtype().scalar_name()
            );
        }
        if t.ndim() < 2 {
            bail!(Shape, "cdist only supports at least 2D tensors, {name} got: {}D", t.ndim());
        }
    }
    let (n, k) = (a.size(a.ndim() - 2), a.size(a.ndim() - 1));
    let (m, l) = (b.size(b.ndim() - 2), b.size(b.ndim() - 1));
    if k != l {
        bail!(Shape, "X1 and X2 must have the same number of columns. X1: {k} X2: {l}");
    }
    if p.is_nan() || p < 0.0 {
        bail!(Autograd, "cdist only supports non-negative p values");
    }
    if a.dtype() != b.dtype() {
        bail!(
            DType,
            "expected scalar type {} but found {}",
            a.dtype().scalar_name(),
            b.dtype().scalar_name()
        );
    }
    let batch = broadcast(&a.sizes()[..a.ndim() - 2], &b.sizes()[..b.ndim() - 2])?;
    let count = checked_numel(&batch)?;
    let flat = |t: &Tensor, rows: usize| -> Result<Tensor> {
        let mut sizes = batch.clone();
        sizes.extend([rows, k]);
        view::reshape_to(&view::expand_to(t, &sizes)?, &[count, rows, k])
    };
    let out = between(&flat(a, n)?, &flat(b, m)?, p)?;
    let mut sizes: Sizes = batch.clone();
    sizes.extend([n, m]);
    view::reshape_to(&out, &sizes)
}

/// The distances above the diagonal of those of all rows to all.
fn pairs_of_all(x: &Tensor, p: f64) -> Result<Tensor> {
    let rows = view::unsqueeze(x, 0)?;
    let all = view::select(&between_raw(&rows, &rows, p)?, 0, 0)?;
    let ones = creation::full(all.sizes(), Scalar::Bool(true), DType::Bool)?;
    mask::pack(&all, &triangle(&ones, 1, false)?, "masked_select")
}

/// Distances between all pairs of rows of `x` (n, k).
fn pdist(x: &Tensor, p: f64) -> Result<Tensor> {
    if x.ndim() != 2 {
        bail!(Shape, "pdist only supports 2D tensors, got: {}D", x.ndim());
    }
    if !x.dtype().is_floating() {
        bail!(DType, "pdist only supports floating-point dtypes");
    }
    if p.is_nan() || p < 0.0 {
        bail!(Autograd, "pdist only supports non-negative p values");
    }
    let (n, k) = (x.size(0), x.size(1));
    let Some(pairs) = n.checked_mul(n.saturating_sub(1)).map(|p| p / 2) else {
        bail!(Shape, "pdist: {n} rows have too many pairs");
    };
    let out = Tensor::empty(&[pairs], x.dtype())?;
    if k == 0 {
        creation::write_value(&out, 0.0.into())?;
    }
    let dense = copy::contiguous(&x.detached())?;
    match x.dtype() {
        _ if k == 0 || pairs == 0 => {}
        DType::F32 | DType::F64 if dense.device().is_cuda() => {
            copy::write(&out, &autograd::no_grad(|| pairs_of_all(&dense, p))?)?;
        }
        // SAFETY: contiguous tensors of this dtype; `out` is fresh.
        DType::F32 => unsafe { distance::within(elements::<f32>(&dense), n, k, p, elements_mut(&out)) },
        // SAFETY: as above.
        DType::F64 => unsafe { distance::within(elements::<f64>(&dense), n, k, p, elements_mut(&out)) },
        other => bail!(Unsupported, "\"pdist\" not implemented for '{}'", other.scalar_name()),
    }
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    Ok(autograd::record(out, "PdistBackward0", &[x], &[Save::Input(0), Save::Output(0)], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let (x, d) = (cx.saved(0)?, cx.saved(1)?);
        if p == 0.0 || pairs == 0 {
            return Ok(smallvec![Some(creation::zeros(x.sizes(), x.dtype())?)]);
        }
        let (first, second): (Vec<i64>, Vec<i64>) =
            (0..n as i64).flat_map(|i| (i + 1..n as i64).map(move |j| (i, j))).unzip();
        let (first, second) = (Tensor::from_slice(&first, &[pairs])?, Tensor::from_slice(&second, &[pairs])?);
        let difference = sub(&index::index_select(&x, 0, &first)?, &index::index_select(&x, 0, &second)?)?;
        let s = slope(&difference, &view::unsqueeze(&d, 1)?, &view::unsqueeze(g, 1)?, p)?;
        let spread = |i: &Tensor| view::expand_to(&view::unsqueeze(i, 1)?, &[pairs, k]);
        let zero = creation::zeros(x.sizes(), x.dtype())?;
        let positive = index::scatter_add(&zero, 0, &spread(&first)?, &s)?;
        Ok(smallvec![Some(index::scatter_add(&positive, 0, &spread(&second)?, &table::neg(&s)?)?)])
    }))
}

pub const OPS: &[Op] = &[
    Op::new("cdist(Tensor x1, Tensor x2, float p=2, str? compute_mode='use_mm_for_euclid_dist_if_necessary') -> Tensor", |a| {
        match a.str(3) {
            None
            | Some(
                "use_mm_for_euclid_dist_if_necessary" | "use_mm_for_euclid_dist" | "donot_use_mm_for_euclid_dist",
            ) => {}
            Some(other) => bail!(Value, "{other} is not a valid value for compute_mode"),
        }
        Ok(cdist(a.tensor(0), a.tensor(1), a.float(2))?.into())
    })
    .doc("Distances of all rows of one batch of vectors to all rows of another.")
    .samples("t(3, 4), t(2, 4) | t(2, 1, 3, 4), t(4, 4), p=1.0 | nc(3, 4), t(2, 4), p=0.0 | t(3, 4), t(2, 4), p=3.0 | t(3, 4), t(2, 4), p=inf"),
    Op::new("pdist(Tensor input, float p=2) -> Tensor", |a| Ok(pdist(a.tensor(0), a.float(1))?.into()))
        .doc("Distances between all pairs of rows, in order.")
        .samples("t(4, 3) | nc(4, 3), p=1.0 | t(3, 2), p=2.5 | t(1, 3)"),
];
