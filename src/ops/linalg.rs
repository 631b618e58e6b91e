//! Linear algebra: factorisations and what is made of them. This file has what they share: the checks,
//! and matrices in the form that the kernels of `cpu::linalg` take.

pub mod cholesky;
pub mod determinant;
pub mod eigen;
pub mod functions;
pub mod inverse;
pub mod ldl;
pub mod least_squares;
pub mod lu;
pub mod norms;
pub mod qr;
pub mod svd;
pub mod triangular;

use crate::autograd;
use crate::bail;
use crate::cpu::par;
use crate::dtype::{C128, DType};
use crate::error::{Error, Result};
use crate::layout::{Sizes, broadcast, checked_numel};
use crate::ops::arithmetic::mul;
use crate::ops::products::conj;
use crate::ops::{copy, creation, cuda, view};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Runs `$body` with `$t` standing for the type that matrices of `$dtype` are computed in.
macro_rules! over_field {
    ($dtype:expr, $t:ident => $body:expr) => {
        if $dtype.is_complex() {
            type $t = $crate::dtype::C128;
            $body
        } else {
            type $t = f64;
            $body
        }
    };
}
pub(crate) use over_field;

/// Refuses what is not a matrix or a batch of them.
fn check_matrix(x: &Tensor, function: &str, argument: &str) -> Result<()> {
    if x.ndim() < 2 {
        bail!(Shape, "{function}: The input tensor {argument} must have at least 2 dimensions.");
    }
    Ok(())
}

fn check_square(x: &Tensor, function: &str, argument: &str) -> Result<()> {
    check_matrix(x, function, argument)?;
    let (m, n) = matrix_size(x);
    if m != n {
        bail!(
            Shape,
            "{function}: {argument} must be batches of square matrices, but they are {m} by {n} matrices"
        );
    }
    Ok(())
}

/// Refuses integers, and `low_precision` floats unless they are allowed.
fn check_float(x: &Tensor, function: &str, allow_low_precision: bool) -> Result<()> {
    let dtype = x.dtype();
    if !dtype.is_differentiable() {
        bail!(
            DType,
            "{function}: Expected a floating point or complex tensor as input. Got {}",
            dtype.scalar_name()
        );
    }
    if !allow_low_precision && matches!(dtype, DType::F16 | DType::BF16) {
        bail!(DType, "{function}: Low precision dtypes not supported. Got {}", dtype.scalar_name());
    }
    Ok(())
}

/// What every factorisation of square matrices asks for.
fn check_square_float(x: &Tensor, function: &str) -> Result<()> {
    check_square(x, function, "A")?;
    check_float(x, function, false)
}

/// Rows and columns of the last two dimensions.
fn matrix_size(x: &Tensor) -> (usize, usize) {
    (x.size(x.ndim() - 2), x.size(x.ndim() - 1))
}

/// The dimensions before the matrices.
fn batch_of(x: &Tensor) -> &[usize] {
    &x.sizes()[..x.ndim() - 2]
}

fn with_sizes(batch: &[usize], last: &[usize]) -> Sizes {
    batch.iter().chain(last).copied().collect()
}

/// The dtype that matrices of `dtype` are computed in.
fn working(dtype: DType) -> DType {
    if dtype.is_complex() { DType::C128 } else { DType::F64 }
}

/// The transpose of the last two dimensions.
fn transposed(x: &Tensor) -> Result<Tensor> {
    view::transpose(x, -1, -2)
}

/// The same matrices with their columns contiguous, as LAPACK leaves them.
fn column_major(x: &Tensor) -> Result<Tensor> {
    transposed(&copy::contiguous(&transposed(x)?)?)
}

/// The conjugate transpose.
fn adjoint(x: &Tensor) -> Result<Tensor> {
    conj(&transposed(x)?)
}

/// Matrices with the given diagonals, zero elsewhere.
pub fn diagonal_matrix(d: &Tensor) -> Result<Tensor> {
    mul(&view::unsqueeze(d, -2)?, &identity(d.size(d.ndim() - 1), d.dtype())?)
}

fn identity(n: usize, dtype: DType) -> Result<Tensor> {
    creation::eye(n as i64, n as i64, dtype)
}

/// The diagonal of every matrix.
fn diagonal(x: &Tensor) -> Result<Tensor> {
    view::diagonal(x, 0, -2, -1)
}

/// Both with the batch dimensions that they broadcast to.
fn broadcast_batches(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let batch = broadcast(batch_of(a), batch_of(b))?;
    let expanded = |t: &Tensor| {
        let (m, n) = matrix_size(t);
        view::expand_to(t, &with_sizes(&batch, &[m, n]))
    };
    Ok((expanded(a)?, expanded(b)?))
}

/// A zero where nothing came back.
fn or_zero(g: Option<&Tensor>, sizes: &[usize], dtype: DType) -> Result<Tensor> {
    match g {
        Some(g) => Ok(g.clone()),
        None => creation::zeros(sizes, dtype),
    }
}

/// `x`, as something that depends on `on` with a gradient of zero.
fn tied(x: &Tensor, on: &Tensor) -> Result<Tensor> {
    if !autograd::needs_grad(&[on]) {
        return Ok(x.clone());
    }
    let (sizes, dtype): (Sizes, _) = (on.sizes().into(), on.dtype());
    Ok(autograd::record(x.detach(), "TiedBackward", &[on], &[], move |_| {
        Ok(smallvec::smallvec![Some(creation::zeros(&sizes, dtype)?)])
    }))
}

/// As one batch (count, rows, columns) in the dtype that matrices are computed in, for kernels of a GPU.
fn gpu_batch(x: &Tensor) -> Result<Tensor> {
    let dense = copy::contiguous(&copy::to_dtype(&x.detached(), working(x.dtype()))?)?;
    cuda::linalg::flat(&dense, 2)
}

/// The element that errors about a batch name, or nothing if there is only one.
fn batch_element(batched: bool, i: usize) -> String {
    if batched { format!("(Batch element {i}): ") } else { String::new() }
}

/// A batch of matrices of one size, each in column-major order, in double precision.
pub struct Matrices {
    /// Contiguous, of shape (*, columns, rows).
    buffer: Tensor,
    pub rows: usize,
    pub columns: usize,
    pub count: usize,
}

impl Matrices {
    /// A copy of `x` that may be overwritten.
    pub fn read(x: &Tensor) -> Result<Matrices> {
        let (rows, columns) = matrix_size(x);
        let matrices = Matrices::empty(batch_of(x), rows, columns, x.dtype())?;
        let n = x.ndim();
        let turned = x.alias(x.layout().transpose(n - 2, n - 1));
        copy::write(&matrices.buffer, &turned)?;
        Ok(matrices)
    }

    /// Uninitialised.
    pub fn empty(batch: &[usize], rows: usize, columns: usize, dtype: DType) -> Result<Matrices> {
        let buffer = Tensor::empty(&with_sizes(batch, &[columns, rows]), working(dtype))?;
        Ok(Matrices { buffer, rows, columns, count: checked_numel(batch)? })
    }

    /// Identities.
    pub fn identity(batch: &[usize], n: usize, dtype: DType) -> Result<Matrices> {
        let matrices = Matrices::empty(batch, n, n, dtype)?;
        copy::write(&matrices.buffer, &identity(n, working(dtype))?)?;
        Ok(matrices)
    }

    /// Number `i` of the batch.
    ///
    /// # Safety
    /// `T` is the type of the buffer's dtype, and no other slice of number `i` is alive.
    #[allow(clippy::mut_from_ref)] // each matrix of a batch has one user
    pub unsafe fn nth<T>(&self, i: usize) -> &mut [T] {
        let size = self.rows * self.columns;
        if size == 0 {
            return &mut [];
        }
        debug_assert!(i < self.count && size_of::<T>() == self.buffer.dtype().size());
        // SAFETY: the buffer holds `count` matrices of `size` elements; the caller's promise for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.ptr().cast::<T>().add(i * size), size) }
    }

    /// Whether they are on a GPU, where `nth` cannot reach.
    pub fn on_gpu(&self) -> bool {
        self.buffer.device().is_cuda()
    }

    /// As one batch (count, rows, columns), for kernels of a GPU.
    pub fn part(&self) -> Result<Tensor> {
        Ok(cuda::linalg::turned(&cuda::linalg::flat(&self.buffer, 2)?))
    }

    /// Matrices whose contiguous transposes are one batch (count, columns, rows).
    pub fn of_buffer(buffer: &Tensor, batch: &[usize]) -> Result<Matrices> {
        let (columns, rows) = matrix_size(buffer);
        let buffer = view::reshape_to(buffer, &with_sizes(batch, &[columns, rows]))?;
        Ok(Matrices { buffer, rows, columns, count: checked_numel(batch)? })
    }

    /// The first `rows` rows, and of them the lower or the upper triangle; the rest is zero.
    pub fn triangle(&self, rows: usize, lower: bool) -> Result<Matrices> {
        let first = self.buffer.alias(self.buffer.layout().narrow(self.buffer.ndim() - 1, 0, rows, 1));
        let buffer = crate::ops::matmul::triangle(&first, 0, !lower)?;
        Ok(Matrices { buffer, rows, ..*self })
    }

    /// As a tensor (*, rows, columns) of the given dtype; columns stay contiguous.
    pub fn into_tensor(self, dtype: DType) -> Result<Tensor> {
        let n = self.buffer.ndim();
        let converted = autograd::no_grad(|| copy::to_dtype(&self.buffer, dtype))?;
        Ok(converted.alias(converted.layout().transpose(n - 2, n - 1)))
    }
}

/// One vector a matrix: (*, n), in double precision or as counts.
pub struct Vectors {
    buffer: Tensor,
    n: usize,
}

impl Vectors {
    pub fn empty(batch: &[usize], n: usize, dtype: DType) -> Result<Vectors> {
        Ok(Vectors { buffer: Tensor::empty(&with_sizes(batch, &[n]), dtype)?, n })
    }

    /// A copy of `x` (*, n), in double precision.
    pub fn read(x: &Tensor) -> Result<Vectors> {
        let buffer = Tensor::empty(x.sizes(), working(x.dtype()))?;
        copy::write(&buffer, &x.detached())?;
        Ok(Vectors { buffer, n: x.size(x.ndim() - 1) })
    }

    /// Number `i` of the batch.
    ///
    /// # Safety
    /// As [`Matrices::nth`].
    #[allow(clippy::mut_from_ref)] // each vector of a batch has one user
    pub unsafe fn nth<T>(&self, i: usize) -> &mut [T] {
        if self.n == 0 {
            return &mut [];
        }
        debug_assert!(size_of::<T>() == self.buffer.dtype().size());
        // SAFETY: the buffer holds vectors of n elements; the caller's promise for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.ptr().cast::<T>().add(i * self.n), self.n) }
    }

    /// As one batch of columns (count, n, 1), for kernels of a GPU.
    pub fn part(&self) -> Result<Tensor> {
        let flat = cuda::linalg::flat(&self.buffer, 1)?;
        Ok(flat.alias(flat.layout().unsqueeze(2)))
    }

    pub fn into_tensor(self, dtype: DType) -> Result<Tensor> {
        autograd::no_grad(|| copy::to_dtype(&self.buffer, dtype))
    }
}

/// One number a matrix: (*).
pub fn scalars(batch: &[usize], dtype: DType) -> Result<Vectors> {
    Ok(Vectors { buffer: Tensor::empty(batch, dtype)?, n: 1 })
}

/// Runs `body` for each matrix of a batch, several at a time where that pays; `flops` is what one takes.
pub fn for_each_matrix(count: usize, flops: f64, body: impl Fn(usize) + Sync) {
    par::for_range(count, par::grain_for(count, flops.max(50.0)), &|range| range.for_each(&body));
}

/// The first failure that kernels have noted: one number a matrix, zero where all went well.
fn first_failure(info: &Tensor) -> Result<Option<(usize, i32)>> {
    Ok(copy::values(info)?.into_iter().enumerate().find(|(_, i)| *i != 0))
}

/// Zeros that kernels of a GPU note failures in, over the batch.
fn no_failures(batch: &[usize]) -> Result<Tensor> {
    creation::zeros(batch, DType::I32)
}

/// The counts that kernels noted, as a tensor over the batch.
fn info_tensor(info: &[i32], batch: &[usize]) -> Result<Tensor> {
    Tensor::from_slice(info, batch)
}

/// Room for one count a matrix.
fn info_for(count: usize) -> Result<Vec<i32>> {
    let mut info = crate::alloc::vec_for(count)?;
    info.resize(count, 0);
    Ok(info)
}

/// Places that different matrices of a batch write to.
pub struct Slots<'a, T>(*mut T, std::marker::PhantomData<&'a mut [T]>);
// SAFETY: every place is written for one matrix, by the one chunk that has it.
unsafe impl<T: Send> Sync for Slots<'_, T> {}

impl<'a, T> Slots<'a, T> {
    pub fn of(places: &'a mut [T]) -> Self {
        Slots(places.as_mut_ptr(), std::marker::PhantomData)
    }

    /// # Safety
    /// `i` is a place of the slice that nobody else writes.
    pub unsafe fn set(&self, i: usize, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(i).write(value) }
    }
}

fn singular_error(function: &str, batched: bool, i: usize, at: i32) -> Error {
    Error::LinAlg(format!(
        "{function}: {}The diagonal element {at} is zero, the inversion could not be completed because the input matrix is singular.",
        batch_element(batched, i)
    ))
}
