//! Variances, standard deviations, covariances.

use smallvec::smallvec;

use crate::autograd::{self, Save};
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Sizes;
use crate::ops::arithmetic::{abs, div, mul, sub, where_};
use crate::ops::reduce::{expand_back, mask_of, mean, reduced_count, sum, sum_mask};
use crate::ops::registry::{Args, Op, Output};
use crate::ops::{copy, creation, matmul, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;
use crate::warning::warn;

/// What is asked for: which dimensions, how many degrees of freedom are taken off.
#[derive(Clone, Copy)]
struct Spread<'a> {
    dims: Option<&'a [i64]>,
    correction: f64,
    keepdim: bool,
    name: &'static str,
}

/// Reads `(input, unbiased)`, `(input, dim, unbiased, keepdim)` or `(input, dim, correction, keepdim)`.
fn spread_of<'a>(a: &'a Args, name: &'static str) -> Spread<'a> {
    use crate::ops::registry::Value;
    let correction = a.0.iter().skip(1).find_map(|v| match v {
        Value::Scalar(s) => Some(s.to_f64()),
        _ => None,
    });
    if a.0.len() == 2 {
        return Spread { dims: None, correction: a.bool(1) as i64 as f64, keepdim: false, name };
    }
    let unbiased = a.opt_bool(2).unwrap_or(true) as i64 as f64;
    Spread { dims: a.opt_ints(1), correction: correction.unwrap_or(unbiased), keepdim: a.bool(3), name }
}

/// The variance, or its root. PyTorch's rule for constant data holds: the root has gradient 0 there.
fn spread(x: &Tensor, s: Spread, root: bool) -> Result<Tensor> {
    if !x.dtype().is_differentiable() {
        let what = if s.name.ends_with("_mean") { s.name.trim_end_matches("_mean") } else { "std and var" };
        bail!(
            DType,
            "{what} only support{} floating point and complex dtypes",
            if what.len() < 4 { "s" } else { "" }
        );
    }
    let mask = mask_of(s.dims, x.ndim())?;
    let degrees = reduced_count(x.sizes(), mask) as f64 - s.correction;
    if degrees <= 0.0 {
        warn(format!(
            "{}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel divided by output numel).",
            s.name
        ));
    }
    let degrees = degrees.max(0.0);
    let out = autograd::no_grad(|| {
        let x = x.detached();
        // Half precision is too narrow for squares.
        let wide = if matches!(x.dtype(), DType::F16 | DType::BF16) { DType::F32 } else { x.dtype() };
        let x = copy::to_dtype(&x, wide)?;
        let centred = sub(&x, &reduce::mean_mask(&x, mask, true)?)?;
        let distance = if wide.is_complex() { abs(&centred)? } else { centred };
        let variance = div(&sum_mask(&table::square(&distance)?, mask, s.keepdim, None)?, degrees)?;
        if root { table::sqrt(&variance) } else { Ok(variance) }
    })?;
    let out = copy::to_dtype(&out, x.dtype().to_real())?;
    if !autograd::needs_grad(&[x]) {
        return Ok(out);
    }
    let sizes: Sizes = x.sizes().into();
    let save = [Save::Input(0), Save::Output(0)];
    let name = if root { "std" } else { "var" };
    Ok(autograd::record(out, name, &[x], &save[..1 + root as usize], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let x = cx.saved(0)?;
        let for_variance = if root {
            let y = cx.saved(1)?;
            let zero = table::eq(&y.detached(), 0.0)?;
            where_(&zero, 0.0, &div(g, &mul(&y, 2.0)?)?)?
        } else {
            g.clone()
        };
        let centred = sub(&x, &reduce::mean_mask(&x, mask, true)?)?;
        let slope = mul(&expand_back(&for_variance, &sizes, mask)?, 2.0 / degrees)?;
        Ok(smallvec![Some(mul(&centred, &slope)?)])
    }))
}

fn with_mean(x: &Tensor, s: Spread, root: bool) -> Result<Output> {
    let first = spread(x, s, root)?;
    Ok(Output::Tensors(vec![first, mean(x, s.dims, s.keepdim, None)?]))
}

/// The covariances of variables (rows) from observations (columns), which may have weights.
fn cov(x: &Tensor, correction: i64, fweights: Option<&Tensor>, aweights: Option<&Tensor>) -> Result<Tensor> {
    if x.ndim() > 2 {
        bail!(
            Autograd,
            "cov(): expected input to have two or fewer dimensions but got an input with {} dimensions",
            x.ndim()
        );
    }
    if x.dtype() == DType::Bool {
        bail!(DType, "cov(): bool dtype is not supported for input");
    }
    let rows = if x.ndim() < 2 { view::reshape(x, &[1, -1])? } else { x.clone() };
    let n = rows.size(1);
    let mut weights: Option<Tensor> = None;
    for (w, name, integral) in [(fweights, "fweights", true), (aweights, "aweights", false)] {
        let Some(w) = w else { continue };
        if w.ndim() > 1 {
            bail!(
                Autograd,
                "cov(): expected {name} to have one or fewer dimensions but got {name} with {} dimensions",
                w.ndim()
            );
        }
        let fits = if integral {
            w.dtype().is_integral() && w.dtype() != DType::Bool
        } else {
            w.dtype().is_floating()
        };
        if !fits {
            let kind = if integral { "integral" } else { "floating point" };
            bail!(
                DType,
                "cov(): expected {name} to have {kind} dtype but got {name} with {} dtype",
                w.dtype().scalar_name()
            );
        }
        if w.numel() != n {
            bail!(
                Shape,
                "cov(): expected {name} to have the same numel as there are observations in the input but got {} != {n}",
                w.numel()
            );
        }
        if n > 0 && reduce::any_nonzero(&table::lt(&w.detached(), 0.0)?)? {
            bail!(Autograd, "cov(): {name} cannot be negative");
        }
        let w = view::reshape(w, &[-1])?;
        weights = Some(match weights {
            Some(f) => mul(&f, &w)?,
            None => w,
        });
    }
    // The mean of each variable, and how many observations count.
    let real = if x.dtype().is_integral() { crate::scalar::default_dtype() } else { x.dtype() };
    let rows = copy::to_dtype(&rows, real)?;
    let count = match &weights {
        Some(w) => sum(w, None, false, None)?,
        None => creation::scalar(Scalar::Int(n as i64), DType::I64)?,
    };
    if weights.is_some() && n > 0 && !reduce::any_nonzero(&count)? {
        bail!(Autograd, "cov(): weights sum to zero, can't be normalized");
    }
    let weighted = |t: &Tensor| match &weights {
        Some(w) => mul(t, w),
        None => Ok(t.clone()),
    };
    let average = div(&sum(&weighted(&rows)?, Some(&[1]), true, None)?, &count)?;
    let norm = match (&weights, aweights) {
        (Some(w), Some(a)) if correction != 0 => {
            let shared = div(&sum(&mul(w, &view::reshape(a, &[-1])?)?, None, false, None)?, &count)?;
            sub(&count, &mul(&shared, Scalar::Int(correction))?)?
        }
        _ => sub(&count, Scalar::Int(correction))?,
    };
    if n > 0 && reduce::any_nonzero(&table::le(&norm.detached(), 0.0)?)? {
        warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
        );
    }
    let norm = table::clamp_min(&norm, 0.0)?;
    let centred = sub(&rows, &average)?;
    let other = weighted(&if real.is_complex() { table::conj(&centred)? } else { centred.clone() })?;
    let out = div(&matmul::matmul(&centred, &view::transpose(&other, 0, 1)?)?, &norm)?;
    if x.ndim() < 2 { view::reshape_to(&out, &[]) } else { squeezed(&out) }
}

/// One variable has one covariance.
fn squeezed(c: &Tensor) -> Result<Tensor> {
    if c.numel() == 1 { view::reshape_to(c, &[]) } else { Ok(c.clone()) }
}

/// Covariances over the roots of the variances, within [-1, 1].
fn corrcoef(x: &Tensor) -> Result<Tensor> {
    if x.ndim() > 2 {
        bail!(
            Autograd,
            "corrcoef(): expected input to have two or fewer dimensions but got an input with {} dimensions",
            x.ndim()
        );
    }
    let c = cov(x, 1, None, None)?;
    if c.ndim() == 0 {
        return div(&c, &c);
    }
    let variances = view::take_part(&c, view::Part::Diagonal { offset: 0, dim1: 0, dim2: 1 });
    // They are real numbers, whatever their dtype.
    let variances = if c.dtype().is_complex() { abs(&variances)? } else { variances };
    let deviation = table::sqrt(&variances)?;
    let out = div(&div(&c, &view::unsqueeze(&deviation, 1)?)?, &view::unsqueeze(&deviation, 0)?)?;
    if out.dtype().is_complex() { Ok(out) } else { table::clamp(&out, -1.0, 1.0) }
}

/// One of the signatures of an operation of this file.
macro_rules! spread_op {
    ($name:literal, unbiased, $returns:literal, $call:expr) => {
        Op::new(concat!($name, "(Tensor input, bool unbiased) -> ", $returns), $call).method()
    };
    ($name:literal, dim_unbiased, $returns:literal, $call:expr) => {
        Op::new(
            concat!($name, "(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> ", $returns),
            $call,
        )
        .method()
        .samples("t(3, 4), 1, False | nc(3, 4), (0, 1), True, True")
    };
    ($name:literal, correction, $returns:literal, $call:expr) => {
        Op::new(
            concat!(
                $name,
                "(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> ",
                $returns
            ),
            $call,
        )
        .method()
        .samples("t(3, 4) | t(3, 4), 0 | nc(3, 4), 1, correction=0, keepdim=True | t(2, 3, 4), (0, 2), correction=2")
    };
}

fn call_var(a: &Args) -> Result<Output> {
    Ok(spread(a.tensor(0), spread_of(a, "var"), false)?.into())
}

fn call_std(a: &Args) -> Result<Output> {
    Ok(spread(a.tensor(0), spread_of(a, "std"), true)?.into())
}

fn call_var_mean(a: &Args) -> Result<Output> {
    with_mean(a.tensor(0), spread_of(a, "var_mean"), false)
}

fn call_std_mean(a: &Args) -> Result<Output> {
    with_mean(a.tensor(0), spread_of(a, "std_mean"), true)
}

pub const OPS: &[Op] = &[
    spread_op!("var", unbiased, "Tensor", call_var)
        .doc("The variance over all elements or over dimensions."),
    spread_op!("var", dim_unbiased, "Tensor", call_var),
    spread_op!("var", correction, "Tensor", call_var),
    spread_op!("std", unbiased, "Tensor", call_std)
        .doc("The standard deviation over all elements or over dimensions."),
    spread_op!("std", dim_unbiased, "Tensor", call_std),
    spread_op!("std", correction, "Tensor", call_std),
    spread_op!("var_mean", unbiased, "Tensor[]", call_var_mean)
        .function_only()
        .doc("The variance and the mean over all elements or over dimensions."),
    spread_op!("var_mean", dim_unbiased, "Tensor[]", call_var_mean).function_only(),
    spread_op!("var_mean", correction, "Tensor[]", call_var_mean).function_only(),
    spread_op!("std_mean", unbiased, "Tensor[]", call_std_mean)
        .function_only()
        .doc("The standard deviation and the mean over all elements or over dimensions."),
    spread_op!("std_mean", dim_unbiased, "Tensor[]", call_std_mean).function_only(),
    spread_op!("std_mean", correction, "Tensor[]", call_std_mean).function_only(),
    Op::new(
        "cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor",
        |a| Ok(cov(a.tensor(0), a.int(1), a.opt_tensor(2), a.opt_tensor(3))?.into()),
    )
    .method()
    .doc("The covariances of variables (rows) over observations (columns), which may have weights.")
    .samples("t(3, 5) | nc(3, 4), correction=0 | t(4) | t(3, 4), fweights=ints(4, low=1), aweights=t(4, low=0.5, high=2)"),
    Op::new("corrcoef(Tensor input) -> Tensor", |a| Ok(corrcoef(a.tensor(0))?.into()))
        .method()
        .doc("The correlation coefficients of variables (rows) over observations (columns).")
        .samples("t(3, 5) | nc(3, 4) | t(4)"),
];
