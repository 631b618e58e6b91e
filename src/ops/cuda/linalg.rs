//! Linear algebra: kernels factor panels and blocks of up to [`LEAF`] columns, one block of threads a matrix; what
//! is larger is cut in two, again and again, and the parts are brought together by products of matrices.
//!
//! Matrices are tensors (count, rows, columns) with any strides, in float64 or complex128, and never on the tape.

pub mod cholesky;
pub mod eigen;
pub mod jacobi;
pub mod ldl;
pub mod lu;
pub mod qr;
pub mod spectral;

use std::ffi::c_void;
use std::ops::Range;

use crate::bail;
use crate::cuda::formula::stored;
use crate::cuda::gpu::Gpu;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::matmul;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument};
use crate::ops::products::conj;
use crate::tensor::Tensor;

/// Rows and columns that a kernel takes at a time.
const LEAF: usize = 32;

/// A function of the files in `cuda/kernels`; in its parameters $T stands for the type of elements.
pub struct Function {
    text: &'static str,
    pub name: &'static str,
    parameters: &'static str,
}

const SOLVE_BLOCK: Function = Function {
    text: concat!(
        include_str!("../../cuda/kernels/matrix.cu"),
        include_str!("../../cuda/kernels/triangular.cu")
    ),
    name: "solve_block",
    parameters: "rn::Part<$T> t, rn::Part<$T> x, int n, int columns, int tiles, int upper, int unit, int conjugate",
};

/// All functions, for tests to compile.
pub const FUNCTIONS: &[&Function] = &[
    &SOLVE_BLOCK,
    &cholesky::BLOCK,
    &lu::PANEL,
    &lu::EXCHANGE,
    &lu::PERMUTATION,
    &qr::PANEL,
    &qr::REFLECTORS,
    &qr::FACTOR,
    &jacobi::SWEEPS,
    &jacobi::ROUND,
    &ldl::FACTOR,
    &ldl::SOLVE,
    &eigen::HESSENBERG,
    &eigen::SCHUR,
    &eigen::SPLIT,
    &eigen::VECTORS,
];

impl Function {
    /// The kernel for a dtype.
    pub fn instance<R>(&self, dtype: DType, then: impl FnOnce(&Instance) -> R) -> R {
        then(&Instance {
            text: self.text,
            function: self.name,
            types: &|| stored(dtype).to_owned(),
            parameters: &|| self.parameters.replace("$T", stored(dtype)),
            variant: &[dtype as u8],
        })
    }

    /// Starts it with so many blocks of so many threads.
    fn launch(
        &self,
        gpu: &Gpu,
        dtype: DType,
        blocks: usize,
        threads: u32,
        mut arguments: Arguments,
    ) -> Result<()> {
        let kernel = self.instance(dtype, |i| i.kernel(gpu))?;
        let Some(blocks) = u32::try_from(blocks).ok().filter(|&b| b < 1 << 31) else {
            bail!(Unsupported, "{blocks} blocks are too many for one CUDA kernel");
        };
        let mut places: Vec<*mut c_void> = arguments.0.iter_mut().map(argument).collect();
        // SAFETY: callers pass what the parameters say, parts and sizes of tensors that live on this GPU.
        unsafe { gpu.launch(kernel, [blocks, 1, 1], threads, &mut places) }
    }
}

/// Arguments of a kernel, each in room for the largest, `rn::Part`.
#[derive(Default)]
struct Arguments(Vec<[i64; 4]>);

impl Arguments {
    /// `rn::Part` of a tensor (count, rows, columns).
    fn part(mut self, t: &Tensor) -> Self {
        let s = t.strides();
        self.0.push([t.device_address() as i64, s[0] as i64, s[1] as i64, s[2] as i64]);
        self
    }

    /// A pointer, or a count in 64 bits.
    fn long(mut self, value: i64) -> Self {
        self.0.push([value, 0, 0, 0]);
        self
    }

    fn pointer(self, t: &Tensor) -> Self {
        self.long(t.device_address() as i64)
    }

    /// Counts in 32 bits, which are the low half.
    fn ints(mut self, values: &[usize]) -> Result<Self> {
        for value in values {
            if i32::try_from(*value).is_err() {
                bail!(Unsupported, "matrices of 2^31 rows and more are not implemented for CUDA tensors");
            }
            self = self.long(*value as i64);
        }
        Ok(self)
    }

    fn double(self, value: f64) -> Self {
        self.long(value.to_bits() as i64)
    }
}

/// Threads of a block that shares so many elements.
fn threads_for(elements: usize) -> u32 {
    (elements.next_power_of_two() as u32).clamp(32, 256)
}

/// As one batch: (count, ...) over the last `keep` dimensions of a contiguous tensor.
pub fn flat(x: &Tensor, keep: usize) -> Result<Tensor> {
    let (batch, last) = x.sizes().split_at(x.ndim() - keep);
    let sizes: Vec<usize> = std::iter::once(batch.iter().product()).chain(last.iter().copied()).collect();
    Ok(x.alias(x.layout().view(&sizes).expect("contiguous")))
}

/// The transpose of each matrix.
pub fn turned(x: &Tensor) -> Tensor {
    x.alias(x.layout().transpose(1, 2))
}

/// Rows and columns of each matrix.
pub fn part(x: &Tensor, rows: Range<usize>, columns: Range<usize>) -> Tensor {
    let layout = x.layout().narrow(1, rows.start, rows.len(), 1);
    x.alias(layout.narrow(2, columns.start, columns.len(), 1))
}

/// Where a range is cut in two: after whole leaves.
fn middle(n: usize) -> usize {
    (n / 2).next_multiple_of(LEAF)
}

/// c -= a b, where the rows or the columns of c are contiguous.
fn subtract_product(c: &Tensor, a: &Tensor, b: &Tensor) -> Result<()> {
    if c.numel() == 0 || a.size(2) == 0 {
        return Ok(());
    }
    if c.strides()[2] == 1 || c.size(2) == 1 {
        return matmul::subtract_product(c, a, b);
    }
    matmul::subtract_product(&turned(c), &turned(b), &turned(a))
}

/// A product as a new tensor, whose rows are contiguous.
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let out = Tensor::empty(&[a.size(0), a.size(1), b.size(2)], a.dtype())?;
    if out.numel() > 0 {
        matmul::product(&out, a, b, None)?;
    }
    Ok(out)
}

/// Which triangle of a matrix counts, and how.
#[derive(Clone, Copy)]
pub struct Triangle {
    pub upper: bool,
    /// The diagonal counts as ones.
    pub unit: bool,
    /// Each element counts as its conjugate.
    pub conjugate: bool,
}

/// Overwrites `x` with the solution of T X = B.
pub fn solve_triangular(t: &Tensor, x: &Tensor, triangle: Triangle) -> Result<()> {
    let (n, columns) = (x.size(1), x.size(2));
    if x.numel() == 0 {
        return Ok(());
    }
    if n <= LEAF {
        let tiles = columns.div_ceil(32);
        let Triangle { upper, unit, conjugate } = triangle;
        let flags = [upper as usize, unit as usize, conjugate as usize];
        let arguments = Arguments::default().part(t).part(x).ints(&[n, columns, tiles])?.ints(&flags)?;
        let threads = threads_for(32 * columns.min(8));
        return SOLVE_BLOCK.launch(gpu_of(x)?, x.dtype(), tiles * x.size(0), threads, arguments);
    }
    let (first, second) = (0..middle(n), middle(n)..n);
    let (now, then) = if triangle.upper { (second, first) } else { (first, second) };
    let solved = part(x, now.clone(), 0..columns);
    solve_triangular(&part(t, now.clone(), now.clone()), &solved, triangle)?;
    let across = part(t, then.clone(), now);
    let across = if triangle.conjugate { conj(&across)? } else { across };
    let rest = part(x, then.clone(), 0..columns);
    subtract_product(&rest, &across, &solved)?;
    solve_triangular(&part(t, then.clone(), then), &rest, triangle)
}
