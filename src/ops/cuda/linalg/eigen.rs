//! Eigenvalues of general matrices, one block a matrix.

use super::spectral::{Eigen, buffer_of, unit_vectors};
use super::{Arguments, Function, product, threads_for};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::arithmetic::{abs, div, mul, where_};
use crate::ops::complex::{imag, real};
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::extreme::argmax;
use crate::ops::gather::gather;
use crate::ops::products::conj;
use crate::ops::{copy, creation, reduce, table, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

pub const HESSENBERG: Function = Function {
    text: concat!(
        include_str!("../../../cuda/kernels/matrix.cu"),
        include_str!("../../../cuda/kernels/eigen.cu")
    ),
    name: "hessenberg",
    parameters: "$T* h, $T* z, int n, int z_rows",
};
pub const SCHUR: Function = Function {
    text: HESSENBERG.text,
    name: "schur",
    parameters: "$T* h, $T* z, rn::Complex<double>* values, int* info, int n, int z_rows",
};
pub const SPLIT: Function = Function {
    text: HESSENBERG.text,
    name: "split_pairs",
    parameters: "$T* h, $T* z, const $T* values, int n",
};
pub const VECTORS: Function = Function {
    text: HESSENBERG.text,
    name: "triangular_vectors",
    parameters: "const $T* h, $T* vectors, int n",
};

/// Eigenvalues of `x` (count, n, n), in no order, and vectors of length one where asked for; both in complex128.
pub fn general(x: &Tensor, with_vectors: bool) -> Result<Eigen> {
    let (count, n, dtype) = (x.size(0), x.size(1), x.dtype());
    let z_rows = if with_vectors { n } else { 0 };
    let (h, z) = (buffer_of(x)?, unit_vectors(count, n, z_rows, dtype)?);
    let values = Tensor::empty(&[count, n], DType::C128)?;
    let info = creation::zeros(&[count], DType::I32)?;
    let vectors = Tensor::empty(&[count, n, z_rows], DType::C128)?;
    if x.numel() == 0 {
        return Ok(Eigen { values, vectors, info });
    }
    let (gpu, threads) = (gpu_of(x)?, threads_for(4 * n));
    let arguments = || Arguments::default().pointer(&h).pointer(&z);
    HESSENBERG.launch(gpu, dtype, count, threads, arguments().ints(&[n, z_rows])?)?;
    let all = arguments().pointer(&values).pointer(&info).ints(&[n, z_rows])?;
    SCHUR.launch(gpu, dtype, count, threads, all)?;
    if !with_vectors {
        return Ok(Eigen { values, vectors, info });
    }
    let (h, z) = (copy::to_dtype(&h, DType::C128)?, copy::to_dtype(&z, DType::C128)?);
    if !dtype.is_complex() {
        let arguments = Arguments::default().pointer(&h).pointer(&z).pointer(&values).ints(&[n])?;
        SPLIT.launch(gpu, DType::C128, count, threads, arguments)?;
    }
    let arguments = Arguments::default().pointer(&h).pointer(&vectors).ints(&[n])?;
    VECTORS.launch(gpu, DType::C128, count * n, 32, arguments)?;
    // Buffers are transposes: this is that of Z X.
    let vectors = product(&vectors, &z)?;
    let vectors = if dtype.is_complex() { vectors } else { in_pairs(&vectors, &values)? };
    Ok(Eigen { vectors: normalised(&vectors)?, values, info })
}

/// Vectors of real matrices: real ones are exactly that, and those of a pair of conjugate values are conjugates.
fn in_pairs(vectors: &Tensor, values: &Tensor) -> Result<Tensor> {
    let n = values.size(1) as i64;
    let above = view::unsqueeze(&imag(values)?, -1)?;
    let numbers = creation::arange(Scalar::Int(-1), Scalar::Int(n - 1), Scalar::Int(1), DType::I64)?;
    let before = view::unsqueeze(&table::clamp_min(&numbers, Scalar::Int(0))?, -1)?;
    let before = gather(vectors, 1, &view::expand_to(&before, vectors.sizes())?)?;
    let real = copy::to_dtype(&real(vectors)?, DType::C128)?;
    let own = where_(&table::eq(&above, 0.0)?, &real, vectors)?;
    where_(&table::lt(&above, 0.0)?, &conj(&before)?, &own)
}

/// Of length one, the largest component of each real, unless all of it is.
fn normalised(vectors: &Tensor) -> Result<Tensor> {
    let sizes = abs(vectors)?;
    let longest = reduce::sum(&table::square(&sizes)?, Some(&[2]), true, None)?;
    let length = table::sqrt(&longest)?;
    let largest = gather(vectors, 2, &argmax(&sizes, Some(2), true)?)?;
    let turn = div(&conj(&largest)?, &abs(&largest)?)?;
    let imaginary = reduce::sum(&abs(&imag(vectors)?)?, Some(&[2]), true, None)?;
    let turned = where_(&table::eq(&imaginary, 0.0)?, vectors, &mul(vectors, &turn)?)?;
    div(&turned, &length)
}
