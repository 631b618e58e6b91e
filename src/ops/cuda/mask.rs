//! Compaction: where a mask is true, what stands there side by side, and that spread again. A mask is a
//! contiguous tensor of bytes, of which those that are not 0 are true.

use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::scan::running_counts;
use crate::ops::cuda::template::{Instance, argument};
use crate::ops::reduce;
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/mask.cu");
/// Elements that a block has.
const PER_BLOCK: usize = 4096;

/// A mask whose true elements are counted.
pub struct Hits<'a> {
    mask: &'a Tensor,
    /// How many there are up to the end of each block.
    ends: Tensor,
}

/// What a kernel does at the true elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    Count,
    Coordinates,
    /// Of elements with so many bytes.
    Pack(usize),
    Spread(usize),
}

fn blocks(mask: &Tensor) -> Result<u32> {
    match u32::try_from(mask.numel().div_ceil(PER_BLOCK)) {
        Ok(blocks) => Ok(blocks),
        Err(_) => bail!(Unsupported, "{} elements are too many for one CUDA kernel", mask.numel()),
    }
}

impl Hits<'_> {
    pub fn of(mask: &Tensor) -> Result<Hits<'_>> {
        let gpu = gpu_of(mask)?;
        let blocks = blocks(mask)?;
        let counts = Tensor::empty(&[blocks as usize], DType::I64)?;
        if blocks > 0 {
            let kernel = instance(What::Count, |i| i.kernel(gpu))?;
            let (mut from, mut to, mut n) =
                (mask.device_address(), counts.device_address(), mask.numel() as i64);
            let mut arguments = [argument(&mut from), argument(&mut to), argument(&mut n)];
            // SAFETY: the mask is contiguous with n bytes; there is a count for each block.
            unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments)? };
        }
        Ok(Hits { mask, ends: running_counts(&counts)? })
    }

    /// How many there are. The host waits for it.
    pub fn total(&self) -> Result<usize> {
        let blocks = self.ends.numel();
        if blocks == 0 {
            return Ok(0);
        }
        let last = self.ends.alias(self.ends.layout().select(0, blocks - 1));
        Ok(reduce::item(&last)?.to_i64() as usize)
    }

    /// Runs a kernel whose first argument are these words.
    fn run(&self, what: What, words: &mut [u64]) -> Result<()> {
        let blocks = blocks(self.mask)?;
        if blocks == 0 {
            return Ok(());
        }
        let gpu = gpu_of(self.mask)?;
        let kernel = instance(what, |i| i.kernel(gpu))?;
        let (mut mask, mut ends, mut n) =
            (self.mask.device_address(), self.ends.device_address(), self.mask.numel() as i64);
        let mut arguments =
            [words.as_mut_ptr().cast(), argument(&mut mask), argument(&mut ends), argument(&mut n)];
        // SAFETY: the callers' words are the kernel's struct, and the tensors in it have room for all hits.
        unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments) }
    }

    /// The coordinates in a tensor of `sizes`, in row-major order: row `d` holds those of dimension `d`.
    pub fn coordinates(&self, sizes: &[usize]) -> Result<Tensor> {
        if sizes.len() > 16 {
            bail!(Unsupported, "coordinates in more than 16 dimensions are not implemented for CUDA tensors");
        }
        let total = self.total()?;
        let out = Tensor::empty(&[sizes.len(), total], DType::I64)?;
        if out.numel() > 0 {
            // `rn::Coordinates`: the result, its columns, how many dimensions, their sizes.
            let mut words = [0; 19];
            words[..3].copy_from_slice(&[out.device_address(), total as u64, sizes.len() as u64]);
            for (to, &size) in words[3..].iter_mut().zip(sizes) {
                *to = size as u64;
            }
            self.run(What::Coordinates, &mut words)?;
        }
        Ok(out)
    }

    /// Packs the elements of `x`, as many as the mask has, into `out`; both contiguous.
    pub fn pack(&self, x: &Tensor, out: &Tensor) -> Result<()> {
        self.run(What::Pack(x.dtype().size()), &mut [out.device_address(), x.device_address()])
    }

    /// Overwrites elements of `out`, as many as the mask has, by those of `packed`; both contiguous.
    pub fn spread(&self, packed: &Tensor, out: &Tensor) -> Result<()> {
        self.run(What::Spread(out.dtype().size()), &mut [out.device_address(), packed.device_address()])
    }
}

/// The type that elements of so many bytes are moved as.
fn word(bytes: usize) -> &'static str {
    match bytes {
        1 => "unsigned char",
        2 => "unsigned short",
        4 => "unsigned",
        8 => "unsigned long long",
        _ => "rn::Complex<double>",
    }
}

pub fn instance<R>(what: What, then: impl FnOnce(&Instance) -> R) -> R {
    let (kind, bytes) = match what {
        What::Count => (0, 0),
        What::Coordinates => (1, 0),
        What::Pack(bytes) => (2, bytes),
        What::Spread(bytes) => (3, bytes),
    };
    let at_hits = match what {
        What::Count => "0".to_owned(),
        What::Coordinates => "rn::Coordinates".to_owned(),
        What::Pack(bytes) => format!("rn::Packing<{}>", word(bytes)),
        What::Spread(bytes) => format!("rn::Spreading<{}>", word(bytes)),
    };
    then(&Instance {
        text: TEXT,
        function: if what == What::Count { "count_hits" } else { "at_hits" },
        types: &|| at_hits.clone(),
        parameters: &|| match what {
            What::Count => "const unsigned char* mask, long long* counts, long long n".to_owned(),
            _ => format!("{at_hits} what, const unsigned char* mask, const long long* ends, long long n"),
        },
        variant: &[kind, bytes as u8],
    })
}
