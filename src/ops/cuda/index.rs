//! Reads and writes at places that index tensors name: `cpu::index` on a GPU. An index out of range is not
//! noticed here but when the host next waits for the GPU.

use crate::bail;
use crate::cpu::index::Put;
use crate::cpu::loops::Loops;
use crate::cuda::bad_index;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::{gpu_of, grid, pack};
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/index.cu");

/// An index tensor of int64 and the dimension that it leads into.
pub struct Indexer<'a> {
    pub index: &'a Tensor,
    pub size: usize,
    /// Bytes from one index to the next.
    pub stride: isize,
    pub negative: bool,
    pub dim: usize,
}

/// What becomes of the elements at the places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `out = source[indices]`.
    Read,
    /// `target[indices]` is written, or combined with, the source.
    Put(Put),
}

/// Runs over `loops`: operand 0 is `target` (the result of a read), 1 the source, then the indices.
pub fn access(
    access: Access,
    target: &Tensor,
    source: &Tensor,
    indexers: &[Indexer],
    loops: &Loops,
    name: &'static str,
) -> Result<()> {
    let n = loops.numel();
    if n == 0 {
        return Ok(());
    }
    if loops.sizes.len() > 8 {
        bail!(Unsupported, "indexing of more than 8 strided dimensions is not implemented for CUDA tensors");
    }
    let gpu = gpu_of(target)?;
    if let Some(other) =
        indexers.iter().map(|i| i.index).chain([source]).find(|t| t.device() != target.device())
    {
        bail!(
            Autograd,
            "Expected all tensors to be on the same device, but found at least two devices, {} and {}!",
            target.device(),
            other.device()
        );
    }
    let kernel = instance(access, indexers.len(), target.dtype(), |i| i.kernel(gpu))?;
    let mut packed = pack(loops, loops.sizes.len(), indexers.len() + 2);
    // `rn::Indexer`: four words, the last one of two numbers.
    let mut words: Vec<u64> = Vec::with_capacity(indexers.len() * 4);
    for i in indexers {
        words.extend([i.index.device_address(), i.size as u64, i.stride as u64]);
        words.push(u64::from(i.negative) | (i.dim as u64) << 32);
    }
    let mut places = [target.device_address(), source.device_address()];
    let [to, from] = &mut places;
    let mut count = n as i64;
    let (mut bad, mut operation) = bad_index::slot(gpu, name)?;
    let mut arguments = [
        packed.as_mut_ptr().cast(),
        words.as_mut_ptr().cast(),
        argument(to),
        argument(from),
        argument(&mut count),
        argument(&mut bad),
        argument(&mut operation),
    ];
    // SAFETY: the instance was made for these types; the loops and indexers are those of the tensors.
    unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments) }
}

/// The kernel for a dtype and a number of index tensors.
pub fn instance<R>(access: Access, indexers: usize, dtype: DType, then: impl FnOnce(&Instance) -> R) -> R {
    let how = match access {
        Access::Read => "",
        Access::Put(Put::Write) => "rn::WRITE, ",
        Access::Put(Put::Add) => "rn::ADD, ",
        Access::Put(Put::Multiply) => "rn::MULTIPLY, ",
        Access::Put(Put::Max) => "rn::PUT_MAX, ",
        Access::Put(Put::Min) => "rn::PUT_MIN, ",
    };
    then(&Instance {
        text: TEXT,
        function: if access == Access::Read { "index_read" } else { "index_put" },
        types: &|| {
            let (element, computed) = types_of(dtype);
            let types =
                if access == Access::Read { element.to_owned() } else { format!("{computed}, {element}") };
            format!("{how}{indexers}, {types}")
        },
        parameters: &|| {
            let e = stored(dtype);
            format!(
                "rn::Loops<{}> loops, rn::Indexers<{indexers}> indexers, {e}* target, const {e}* source, long long n, rn::BadIndex* bad, int operation",
                indexers + 2
            )
        },
        variant: &[
            dtype as u8,
            indexers as u8,
            match access {
                Access::Read => 0,
                Access::Put(how) => 1 + how as u8,
            },
        ],
    })
}
