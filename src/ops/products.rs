//! Products made of matrix products: of vectors, along dimensions, of many factors.

use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Show, Sizes, broadcast, wrap_dim};
use crate::ops::arithmetic::{add, mul, sub};
use crate::ops::matmul::{self, bmm, mm, mv};
use crate::ops::registry::{Args, Op};
use crate::ops::{copy, creation, index, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;
use crate::warn_once;

/// The complex conjugate; real tensors as they are.
pub fn conj(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_complex() { table::conj(x) } else { Ok(x.clone()) }
}

fn vdot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    // The check comes first: conjugation must not hide what was given.
    matmul::check_dot(a, b)?;
    matmul::dot(&conj(a)?, b)
}

/// Sums of products along the last dimension of both; a 0-d factor scales.
fn inner(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.ndim() == 0 || b.ndim() == 0 {
        return mul(a, b);
    }
    let (k, l) = (a.size(a.ndim() - 1), b.size(b.ndim() - 1));
    if k != l {
        bail!(
            Shape,
            "inner() the last dimension must match on both input tensors but got shapes {} and {}",
            Show(a.sizes()),
            Show(b.sizes())
        );
    }
    contract(a, b, &[a.ndim() - 1], &[b.ndim() - 1])
}

/// The sum over pairs of dimensions of two tensors: of `a` remain the other dimensions, then of `b`.
/// The pairs have been checked.
fn contract(a: &Tensor, b: &Tensor, a_dims: &[usize], b_dims: &[usize]) -> Result<Tensor> {
    let others = |t: &Tensor, dims: &[usize]| (0..t.ndim()).filter(|d| !dims.contains(d)).collect::<Vec<_>>();
    let (a_rest, b_rest) = (others(a, a_dims), others(b, b_dims));
    let as_ints = |dims: &[&[usize]]| dims.concat().iter().map(|&d| d as i64).collect::<Vec<_>>();
    let count = |t: &Tensor, dims: &[usize]| dims.iter().map(|&d| t.size(d)).product::<usize>();
    let (m, k, n) = (count(a, &a_rest), count(a, a_dims), count(b, &b_rest));
    let left = view::reshape_to(&view::permute(a, &as_ints(&[&a_rest, a_dims]))?, &[m, k])?;
    let right = view::reshape_to(&view::permute(b, &as_ints(&[b_dims, &b_rest]))?, &[k, n])?;
    let sizes: Vec<usize> =
        a_rest.iter().map(|&d| a.size(d)).chain(b_rest.iter().map(|&d| b.size(d))).collect();
    view::reshape_to(&mm(&left, &right)?, &sizes)
}

fn tensordot(a: &Tensor, b: &Tensor, a_dims: &[i64], b_dims: &[i64]) -> Result<Tensor> {
    if a_dims.len() != b_dims.len() {
        bail!(Shape, "both dimension lists should have same length");
    }
    if a.dtype() != b.dtype() {
        bail!(DType, "both inputs should have same dtype");
    }
    let wrap = |dims: &[i64], n: usize| dims.iter().map(|&d| wrap_dim(d, n)).collect::<Result<Vec<_>>>();
    let (left, right) = (wrap(a_dims, a.ndim())?, wrap(b_dims, b.ndim())?);
    let (mut x, mut y) = (a.clone(), b.clone());
    for (i, (&d, &e)) in left.iter().zip(&right).enumerate() {
        if left[..i].contains(&d) || right[..i].contains(&e) {
            bail!(Autograd, "dim {} appears multiple times in the list of dims", a_dims[i]);
        }
        let (s, t) = (a.size(d), b.size(e));
        if s == t {
            continue;
        }
        // A dimension of one is broadcast: what stands against it can be summed first.
        if s == 1 {
            y = reduce::sum(&y, Some(&[e as i64]), true, Some(y.dtype()))?;
        } else if t == 1 {
            x = reduce::sum(&x, Some(&[d as i64]), true, Some(x.dtype()))?;
        } else {
            bail!(
                Shape,
                "contracted dimensions need to match, but first has size {s} in dim {} and second has size {t} in dim {}",
                a_dims[i],
                b_dims[i]
            );
        }
    }
    contract(&x, &y, &left, &right)
}

/// The Kronecker product: every element of `a` times all of `b`.
fn kron(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let n = a.ndim().max(b.ndim());
    let padded = |t: &Tensor| [vec![1; n - t.ndim()], t.sizes().to_vec()].concat();
    let (p, q) = (padded(a), padded(b));
    let (mut left, mut right, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for d in 0..n {
        left.extend([p[d], 1]);
        right.extend([1, q[d]]);
        let Some(size) = p[d].checked_mul(q[d]) else { bail!(Shape, "kron: the result is too large") };
        sizes.push(size);
    }
    view::reshape_to(&mul(&view::reshape_to(a, &left)?, &view::reshape_to(b, &right)?)?, &sizes)
}

/// The cross product along a dimension of size 3.
fn linalg_cross(a: &Tensor, b: &Tensor, dim: i64) -> Result<Tensor> {
    if a.ndim() != b.ndim() {
        bail!(Shape, "linalg.cross: inputs must have the same number of dimensions.");
    }
    if a.ndim() == 0 {
        bail!(Index, "Dimension specified as {dim} but tensor has no dimensions");
    }
    let d = wrap_dim(dim, a.ndim())?;
    if a.size(d) != 3 || b.size(d) != 3 {
        bail!(
            Shape,
            "linalg.cross: inputs dimension {dim} must have length 3. Got {} and {}",
            a.size(d),
            b.size(d)
        );
    }
    if a.dtype() == DType::Bool && b.dtype() == DType::Bool {
        bail!(Unsupported, "\"cross\" not implemented for 'Bool'");
    }
    let sizes = broadcast(a.sizes(), b.sizes())?;
    let (a, b) = (view::expand_to(a, &sizes)?, view::expand_to(b, &sizes)?);
    let turned = |t: &Tensor, order: [i64; 3]| -> Result<Tensor> {
        index::index_select(t, d as i64, &Tensor::from_slice(&order, &[3])?)
    };
    let first = mul(&turned(&a, [1, 2, 0])?, &turned(&b, [2, 0, 1])?)?;
    sub(&first, &mul(&turned(&a, [2, 0, 1])?, &turned(&b, [1, 2, 0])?)?)
}

/// As [`linalg_cross`]; without a dimension the first one of size 3.
fn cross(a: &Tensor, b: &Tensor, dim: Option<i64>) -> Result<Tensor> {
    if let Some(dim) = dim {
        return linalg_cross(a, b, dim);
    }
    warn_once!(
        "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or simply use torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a future release."
    );
    match a.sizes().iter().position(|&s| s == 3) {
        Some(d) => linalg_cross(a, b, d as i64),
        None => bail!(Shape, "no dimension of size 3 in input"),
    }
}

/// Inner products of vectors along a dimension, the first conjugated.
fn vecdot(a: &Tensor, b: &Tensor, dim: i64) -> Result<Tensor> {
    for (name, t) in [("x", a), ("y", b)] {
        if !t.dtype().is_differentiable() {
            bail!(
                DType,
                "linalg.vecdot: Expected a floating point or complex tensor as input. Got {} ({name})",
                t.dtype().scalar_name()
            );
        }
    }
    if a.dtype() != b.dtype() {
        bail!(DType, "linalg.vecdot: Expected x and y to have the same dtype");
    }
    let product = mul(&conj(a)?, b)?;
    reduce::sum(&product, Some(&[dim]), false, None)
}

/// A product of many matrices in the order that takes the fewest multiplications (dynamic programming
/// over the sub-chains, as in Cormen et al., Introduction to Algorithms, 15.2).
fn multi_dot(tensors: &[Tensor]) -> Result<Tensor> {
    let count = tensors.len();
    if count < 2 {
        bail!(Shape, "multi_dot(): expected at least 2 tensors but got {count}");
    }
    let dtype = tensors[0].dtype();
    for (i, t) in tensors.iter().enumerate() {
        let end = i == 0 || i == count - 1;
        if end && !(1..=2).contains(&t.ndim()) {
            let which = if i == 0 { "first" } else { "last" };
            bail!(Shape, "multi_dot(): the {which} tensor must be 1D or 2D but got {}D", t.ndim());
        }
        if !end && t.ndim() != 2 {
            bail!(Shape, "multi_dot(): tensor {i} must be 2D but got {}D", t.ndim());
        }
        if t.dtype() != dtype {
            bail!(
                DType,
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is {} and tensor {i} {}",
                dtype.c_name(),
                t.dtype().c_name()
            );
        }
    }
    let mut chain = tensors.to_vec();
    let (row, column) = (chain[0].ndim() == 1, chain[count - 1].ndim() == 1);
    if row {
        chain[0] = view::unsqueeze(&chain[0], 0)?;
    }
    if column {
        chain[count - 1] = view::unsqueeze(&chain[count - 1], 1)?;
    }
    for i in 1..count {
        if chain[i - 1].size(1) != chain[i].size(0) {
            bail!(
                Shape,
                "multi_dot(): tensors {} and {i} with shapes {} and {} cannot be multiplied",
                i - 1,
                Show(tensors[i - 1].sizes()),
                Show(tensors[i].sizes())
            );
        }
    }
    let product = chain_product(&chain)?;
    let mut sizes: Sizes = product.sizes().into();
    if column {
        sizes.pop();
    }
    if row {
        sizes.remove(0);
    }
    view::reshape_to(&product, &sizes)
}

fn chain_product(chain: &[Tensor]) -> Result<Tensor> {
    let n = chain.len();
    let edge = |i: usize| if i == 0 { chain[0].size(0) } else { chain[i - 1].size(1) } as f64;
    let (mut cost, mut split) = (vec![vec![0.0f64; n]; n], vec![vec![0usize; n]; n]);
    for length in 2..=n {
        for i in 0..=n - length {
            let j = i + length - 1;
            cost[i][j] = f64::INFINITY;
            for k in i..j {
                let total = cost[i][k] + cost[k + 1][j] + edge(i) * edge(k + 1) * edge(j + 1);
                if total < cost[i][j] {
                    (cost[i][j], split[i][j]) = (total, k);
                }
            }
        }
    }
    multiply_split(chain, &split, 0, n - 1)
}

/// Depth is at most the number of factors that a call can name.
fn multiply_split(chain: &[Tensor], split: &[Vec<usize>], i: usize, j: usize) -> Result<Tensor> {
    if i == j {
        return Ok(chain[i].clone());
    }
    let k = split[i][j];
    mm(&multiply_split(chain, split, i, k)?, &multiply_split(chain, split, k + 1, j)?)
}

fn chain_matmul(matrices: &[Tensor]) -> Result<Tensor> {
    for m in matrices {
        if m.ndim() != 2 {
            bail!(Shape, "Tensor dimension is {}, expected 2 instead.", m.ndim());
        }
    }
    match matrices {
        [] => bail!(Shape, "chain_matmul(): Expected one or more matrices"),
        [one] => Ok(one.clone()),
        many => multi_dot(many),
    }
}

/// A factor of an integer result may not have a fraction.
fn check_factor(name: &str, factor: Scalar, dtype: DType) -> Result<()> {
    if dtype.is_integral() && matches!(factor, Scalar::Float(_) | Scalar::Complex(_)) {
        bail!(DType, "For integral input tensors, argument {name} must not be a floating point number.");
    }
    Ok(())
}

/// beta * input + alpha * mat @ vec.
fn addmv(input: &Tensor, a: &Tensor, x: &Tensor, beta: Scalar, alpha: Scalar) -> Result<Tensor> {
    if a.ndim() != 2 || x.ndim() != 1 || input.ndim() > 1 {
        bail!(Shape, "vector + matrix @ vector expected, got {}, {}, {}", input.ndim(), a.ndim(), x.ndim());
    }
    if a.size(1) != x.size(0) || (input.numel() != 1 && input.numel() != a.size(0)) {
        bail!(
            Shape,
            "size mismatch, got input ({}), mat ({}x{}), vec ({})",
            input.numel(),
            a.size(0),
            a.size(1),
            x.size(0)
        );
    }
    matmul::scaled_sum(input, mv(a, x)?, beta, alpha)
}

/// beta * input + alpha * the outer product of two vectors.
fn addr(input: &Tensor, a: &Tensor, b: &Tensor, beta: Scalar, alpha: Scalar) -> Result<Tensor> {
    for (name, t) in [("vec1", a), ("vec2", b)] {
        if t.ndim() != 1 {
            bail!(Shape, "addr: Expected 1-D argument {name}, but got {}-D", t.ndim());
        }
    }
    let sizes = [a.size(0), b.size(0)];
    let target = [a.size(0) as i64, b.size(0) as i64];
    let input = view::expand(input, &target)?;
    let dtype = input.dtype().promote(a.dtype()).promote(b.dtype());
    for (name, factor) in [("beta", beta), ("alpha", alpha)] {
        check_factor(name, factor, dtype)?;
    }
    let product = mul(&view::unsqueeze(a, 1)?, b)?;
    if dtype == DType::Bool {
        let scaled = |x: &Tensor, factor: Scalar| -> Result<Tensor> {
            if factor.is_zero() { creation::zeros(&sizes, DType::Bool) } else { Ok(x.clone()) }
        };
        return table::logical_or(&scaled(&input, beta)?, &scaled(&product, alpha)?);
    }
    let is_one = |s: Scalar| s.to_complex() == Scalar::Int(1).to_complex();
    let product = if is_one(alpha) { product } else { mul(&product, alpha)? };
    let sum = if beta.is_zero() {
        matmul::without(&input, product)?
    } else {
        add(&if is_one(beta) { input } else { mul(&input, beta)? }, &product)?
    };
    copy::to_dtype(&sum, dtype)
}

/// beta * input + alpha * the sum of the products of a batch.
fn addbmm(input: &Tensor, a: &Tensor, b: &Tensor, beta: Scalar, alpha: Scalar) -> Result<Tensor> {
    for (name, t) in [("batch1", a), ("batch2", b)] {
        if t.ndim() != 3 {
            bail!(Shape, "{name} must be a 3D tensor");
        }
    }
    if a.size(0) != b.size(0) {
        bail!(
            Shape,
            "batch1 and batch2 must have same number of batches, got {} and {}",
            a.size(0),
            b.size(0)
        );
    }
    if a.size(2) != b.size(1) {
        bail!(
            Shape,
            "Incompatible matrix sizes for bmm ({}x{} and {}x{})",
            a.size(1),
            a.size(2),
            b.size(1),
            b.size(2)
        );
    }
    if input.dtype() == DType::Bool {
        bail!(DType, "result type Long can't be cast to the desired output type Bool");
    }
    let sum = reduce::sum(&bmm(a, b)?, Some(&[0]), false, Some(a.dtype()))?;
    matmul::scaled_sum(input, sum, beta, alpha)
}

fn factors(a: &Args) -> (Scalar, Scalar) {
    (a.scalar(3), a.scalar(4))
}

pub const OPS: &[Op] = &[
    Op::new("vdot(Tensor input, Tensor other) -> Tensor", |a| Ok(vdot(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("The inner product of two vectors, the first conjugated.")
        .samples("t(3), t(3) | t(0), t(0)"),
    Op::new("inner(Tensor input, Tensor other) -> Tensor", |a| Ok(inner(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("Sums of products along the last dimension of both.")
        .samples("t(2, 3), t(4, 3) | t(3), t(3) | t(), t(2, 3) | nc(2, 2, 3), t(3)"),
    Op::new("tensordot(Tensor a, Tensor b, int[] dims_self, int[] dims_other) -> Tensor", |a| {
        Ok(tensordot(a.tensor(0), a.tensor(1), a.ints(2), a.ints(3))?.into())
    })
    .doc("Sums of products over pairs of dimensions.")
    .samples("t(3, 4), t(4, 2), 1 | t(2, 3, 4), t(4, 3, 5), ([1, 2], [1, 0]) | t(2, 0), t(0, 3), dims=1 | t(2), t(3), dims=0 | nc(3, 4), t(1, 2), ([-1], [0])"),
    Op::new("kron(Tensor input, Tensor other) -> Tensor", |a| Ok(kron(a.tensor(0), a.tensor(1))?.into()))
        .method()
        .doc("The Kronecker product: every element of the first times all of the second.")
        .samples("t(2, 3), t(3, 2) | t(2), t(2, 0) | t(), t(3) | t(2, 3), t(2, 2, 2)"),
    Op::new("cross(Tensor input, Tensor other, int? dim=None) -> Tensor", |a| {
        Ok(cross(a.tensor(0), a.tensor(1), a.opt_int(2))?.into())
    })
    .method()
    .doc("The cross product along a dimension of size 3.")
    .samples("t(3), t(3) | t(2, 3), t(2, 3) | nc(3, 2), t(3, 1), dim=0"),
    Op::new("linalg.cross(Tensor input, Tensor other, *, int dim=-1) -> Tensor", |a| {
        Ok(linalg_cross(a.tensor(0), a.tensor(1), a.int(2))?.into())
    })
    .doc("The cross product along a dimension of size 3; the others are broadcast.")
    .samples("t(2, 3), t(1, 3) | t(3, 2), t(3, 2), dim=0"),
    Op::new("linalg.vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", |a| {
        Ok(vecdot(a.tensor(0), a.tensor(1), a.int(2))?.into())
    })
    .doc("Inner products of vectors along a dimension, the first conjugated.")
    .samples("t(2, 3), t(3) | nc(3, 2), t(3, 2), dim=0 | t(2, 0), t(2, 0)"),
    Op::new("linalg.multi_dot(Tensor[] tensors) -> Tensor", |a| Ok(multi_dot(a.tensors(0))?.into()))
        .doc("A product of many matrices, in the order that takes the fewest multiplications.")
        .samples("[t(3), t(3, 4), t(4)] | [t(2, 3), nc(3, 4), t(4, 2), t(2, 5)] | [t(2, 0), t(0, 3)]"),
    Op::new("chain_matmul(Tensor[] matrices) -> Tensor", |a| Ok(chain_matmul(a.tensors(0))?.into()))
        .doc("As linalg.multi_dot, for matrices given one by one.")
        .samples("t(2, 3), t(3, 4), t(4, 2)"),
    Op::new("addmv(Tensor input, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        let (beta, alpha) = factors(a);
        Ok(addmv(a.tensor(0), a.tensor(1), a.tensor(2), beta, alpha)?.into())
    })
    .method()
    .inplace()
    .doc("beta * input + alpha * mat @ vec.")
    .samples("t(3), t(3, 4), t(4) | t(3), nc(3, 4), t(4), beta=2, alpha=3 | t(2), t(2, 0), t(0)"),
    Op::new("addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        let (beta, alpha) = factors(a);
        Ok(addr(a.tensor(0), a.tensor(1), a.tensor(2), beta, alpha)?.into())
    })
    .method()
    .inplace()
    .doc("beta * input + alpha * the outer product of two vectors.")
    .samples("t(3, 4), t(3), t(4) | t(4), t(3), t(4), beta=2, alpha=3 | t(2, 3), t(2), t(3), beta=0 | nc(2, 3), t(2), t(3)"),
    Op::new("addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", |a| {
        let (beta, alpha) = factors(a);
        Ok(addbmm(a.tensor(0), a.tensor(1), a.tensor(2), beta, alpha)?.into())
    })
    .method()
    .inplace()
    .doc("beta * input + alpha * the sum of the products of a batch.")
    .samples("t(3, 5), t(2, 3, 4), t(2, 4, 5) | t(3, 5), t(2, 3, 4), nc(2, 4, 5), beta=2, alpha=3 | t(2, 2), t(0, 2, 3), t(0, 3, 2)"),
];
