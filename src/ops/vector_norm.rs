//! Norms of vectors and of tensors taken as vectors, distances, and limits on norms.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::bail;
use crate::cpu::reduce::NormTerm;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Sizes, wrap_dim};
use crate::ops::arithmetic::{abs, div, mul, pow, sub, where_};
use crate::ops::extreme::extreme;
use crate::ops::reduce::{expand_back, mask_of, reduced_count, reduced_sizes, sum_mask, sum_terms};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, table};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Vector norm of any order over dimensions.
pub fn vector_norm(
    x: &Tensor,
    p: f64,
    dims: Option<&[i64]>,
    keepdim: bool,
    dtype: Option<DType>,
) -> Result<Tensor> {
    let mask = mask_of(dims, x.ndim())?;
    if !x.dtype().is_differentiable() {
        bail!(
            DType,
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
            x.dtype().scalar_name()
        );
    }
    let x = &match dtype {
        None => x.clone(),
        Some(dtype) => {
            check_dtype(x.dtype(), dtype)?;
            copy::to_dtype(x, dtype)?
        }
    };
    if reduced_count(x.sizes(), mask) == 0
        && (p < 0.0 || p == f64::INFINITY)
        && !reduced_sizes(x.sizes(), mask, false).contains(&0)
    {
        if mask == u64::MAX {
            bail!(
                Autograd,
                "linalg.vector_norm cannot compute the {p} norm on an empty tensor because the operation does not have an identity"
            );
        }
        bail!(
            Autograd,
            "linalg.vector_norm cannot compute the {p} norm on the dimension {} because this dimension is empty and the operation does not have an identity",
            mask.trailing_zeros()
        );
    }
    if p == f64::INFINITY {
        return extreme(&abs(x)?, true, mask, keepdim, "amax");
    }
    if p == f64::NEG_INFINITY {
        return extreme(&abs(x)?, false, mask, keepdim, "amin");
    }
    power_norm(x, p, mask, keepdim)
}

fn check_dtype(from: DType, to: DType) -> Result<()> {
    if !to.is_differentiable() {
        bail!(
            DType,
            "linalg.vector_norm: dtype should be floating point or complex, but got {}",
            to.scalar_name()
        );
    }
    if from.is_complex() != to.is_complex() {
        let kind = if from.is_complex() { "complex" } else { "real" };
        bail!(
            DType,
            "linalg.vector_norm: dtype should be {kind} for {kind} inputs, but got {}",
            to.scalar_name()
        );
    }
    if from.promote(to) != to {
        bail!(
            DType,
            "linalg.vector_norm: the dtype of the input ({}) should be convertible without narrowing to the specified dtype ({})",
            from.scalar_name(),
            to.scalar_name()
        );
    }
    Ok(())
}

/// sum(|x|^p)^(1/p); for p = 0 how many elements are not zero.
fn power_norm(x: &Tensor, p: f64, mask: u64, keepdim: bool) -> Result<Tensor> {
    let out = autograd::no_grad(|| {
        let x = x.detached();
        let narrow = matches!(x.dtype(), DType::F16 | DType::BF16);
        let wide = if narrow { DType::F32 } else { x.dtype() };
        let term = if p == 1.0 { NormTerm::Magnitude } else { NormTerm::Square };
        if (p == 1.0 || p == 2.0)
            && let Some(sum) = sum_terms(&x, term, mask, keepdim, wide)?
        {
            let norm = if p == 2.0 { table::sqrt(&sum)? } else { sum };
            return copy::to_dtype(&norm, x.dtype());
        }
        let lengths = abs(&if narrow { copy::to_dtype(&x, DType::F32)? } else { x.clone() })?;
        let total = |t: &Tensor| sum_mask(t, mask, keepdim, None);
        let norm = if p == 0.0 {
            copy::to_dtype(&total(&table::ne(&lengths, 0.0)?)?, lengths.dtype())?
        } else if p == 1.0 {
            total(&lengths)?
        } else if p == 2.0 {
            table::sqrt(&total(&table::square(&lengths)?)?)?
        } else {
            pow(&total(&pow(&lengths, p)?)?, 1.0 / p)?
        };
        copy::to_dtype(&norm, x.dtype().to_real())
    })?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    let save = [Save::Input(0), Save::Output(0)];
    Ok(autograd::record(out, "LinalgVectorNormBackward0", &[x], &save, move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        if p == 0.0 {
            return Ok(smallvec![None]);
        }
        let (x, y) = (cx.saved(0)?, expand_back(&cx.saved(1)?, &sizes, mask)?);
        let g = expand_back(g, &sizes, mask)?;
        let slope = if p == 1.0 {
            direction(&x)?
        } else if p == 2.0 {
            where_(&table::eq(&y.detached(), 0.0)?, 0.0, &div(&x, &y)?)?
        } else {
            // sign(x) (|x| / y)^(p - 1), where a negative power of 0 must not come up, nor its slope.
            let ratio = div(&abs(&x)?, &y)?;
            let lowest = table::eq(if p < 2.0 { &x } else { &y }, 0.0)?;
            let ratio = where_(&lowest, 1.0, &ratio)?;
            mul(&direction(&x)?, &pow(&ratio, p - 1.0)?)?
        };
        Ok(smallvec![Some(mul(&slope, &g)?)])
    }))
}

/// x / |x|, and 0 for 0.
fn direction(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() { table::over_modulus(x, &abs(x)?) } else { table::sign(x) }
}

/// `torch.norm` of a numbered order; `linalg/norms.rs` has the named ones.
fn norm_call(a: &Args) -> Result<Output> {
    let p = a.opt_scalar(1).map_or(2.0, Scalar::to_f64);
    Ok(vector_norm(a.tensor(0), p, a.opt_ints(2), a.bool(3), a.dtype(4))?.into())
}

/// The norm of the difference.
fn dist(x: &Tensor, other: &Tensor, p: f64) -> Result<Tensor> {
    vector_norm(&sub(x, other)?, p, None, false, None)
}

/// The parts along a dimension, scaled down to a norm of `limit` where it is larger.
fn renorm(x: &Tensor, p: f64, dim: i64, limit: f64) -> Result<Tensor> {
    if p <= 0.0 || p.is_nan() {
        bail!(Autograd, "renorm: non-positive-norm not supported");
    }
    if limit < 0.0 || limit.is_nan() {
        bail!(Autograd, "renorm: expected maxnorm to be >= 0 but got {limit}");
    }
    if x.ndim() < 2 {
        bail!(Autograd, "renorm: input needs at least 2 dimensions, got {} dimensions", x.ndim());
    }
    let d = wrap_dim(dim, x.ndim())?;
    let others: Vec<i64> = (0..x.ndim() as i64).filter(|&i| i != d as i64).collect();
    let wide = if matches!(x.dtype(), DType::F16 | DType::BF16) { DType::F32 } else { x.dtype() };
    let length = vector_norm(&copy::to_dtype(x, wide)?, p, Some(&others), true, None)?;
    let factor = div(limit, &crate::ops::arithmetic::add(&length, 1e-7)?)?;
    let factor = where_(&table::gt(&length.detached(), limit)?, &factor, 1.0)?;
    copy::contiguous(&mul(x, &copy::to_dtype(&factor, x.dtype().to_real())?)?)
}

/// Vectors along one dimension, or the tensor flattened where none is named.
fn vector_norm_call(a: &Args) -> Result<Output> {
    let p = a.opt_scalar(1).map_or(2.0, Scalar::to_f64);
    Ok(vector_norm(a.tensor(0), p, a.opt_ints(2), a.bool(3), a.dtype(4))?.into())
}

pub const OPS: &[Op] = &[
    Op::new(
        "norm(Tensor input, Scalar? p=2, int[1]? dim=None, bool keepdim=False, ScalarType? dtype=None) -> Tensor",
        norm_call,
    )
    .method()
    .doc("The p-norm of the elements, of all or over dimensions.")
    .samples("t(3, 4) | t(3, 4), 1 | nc(3, 4), 2, 1 | t(3, 4), float('inf'), 0, True | t(3, 4), 3 | t(), 0.5 | t(3, 4), 0, (0, 1)"),
    Op::new(
        "linalg.vector_norm(Tensor x, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
        vector_norm_call,
    )
    .doc("The vector norm of order ord over dimensions, or of all elements as one vector.")
    .samples("t(3, 4) | nc(3, 4), 3, 1 | t(2, 3, 4), float('-inf'), (0, 2), True | t(3), 0 | t(0), 2"),
    Op::new("dist(Tensor input, Tensor other, Scalar p=2) -> Tensor", |a| {
        Ok(dist(a.tensor(0), a.tensor(1), a.scalar(2).to_f64())?.into())
    })
    .method()
    .doc("The p-norm of the difference.")
    .samples("t(3, 4), t(3, 4) | nc(3, 4), t(4), 1 | t(3), t(3), float('inf')"),
    Op::new("renorm(Tensor input, Scalar p, int dim, Scalar maxnorm) -> Tensor", |a| {
        Ok(renorm(a.tensor(0), a.scalar(1).to_f64(), a.int(2), a.scalar(3).to_f64())?.into())
    })
    .method()
    .inplace()
    .doc("Each part along a dimension scaled down to the norm maxnorm where its p-norm is larger.")
    .samples("t(3, 4), 2, 0, 1.5 | nc(3, 4), 1, 1, 2 | t(2, 3, 4), 3, 1, 0.5"),
];
