//! Blocks of planes side by side, and laid over one another.

use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::places::{Divisor, int, launches};
use crate::ops::cuda::pointwise::{gpu_of, grid};
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/places.cu"), include_str!("../../cuda/kernels/fold.cu"));

/// `rn::Fold`; rows first, then columns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Fold {
    image: [Divisor; 2],
    kernel: [Divisor; 2],
    count: [Divisor; 2],
    stride: [i32; 2],
    padding: [i32; 2],
    dilation: [i32; 2],
}

impl Fold {
    pub fn of(
        [image, kernel, count]: [[usize; 2]; 3],
        [stride, padding, dilation]: [[usize; 2]; 3],
    ) -> Result<Fold> {
        let divisors = |sizes: [usize; 2]| -> Result<[Divisor; 2]> {
            Ok([int(sizes[0] as i64)?, int(sizes[1] as i64)?].map(Divisor::of))
        };
        // One block has no next one, however large the stride, and so has one tap.
        let steps = |sizes: [usize; 2]| sizes.map(|size| size.min(i32::MAX as usize) as i32);
        Ok(Fold {
            image: divisors(image)?,
            kernel: divisors(kernel)?,
            count: divisors(count)?,
            stride: steps(stride),
            padding: steps(padding),
            dilation: steps(dilation),
        })
    }
}

/// Writes the blocks of the planes of `x` side by side to `y`, or with `back` their sums. Both are contiguous, in
/// planes of `from` and `to` elements.
pub fn write(y: &Tensor, x: &Tensor, fold: Fold, back: bool, [from, to]: [usize; 2]) -> Result<()> {
    if y.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(y)?;
    let kernel = instance(y.dtype(), back, |i| i.kernel(gpu))?;
    for (first, planes) in launches(y.numel() / to, from.max(to))? {
        let at = |t: &Tensor, each: usize| t.device_address() + (first * each * t.dtype().size()) as u64;
        let mut places = [at(y, to), at(x, from)];
        let (mut n, mut fold) = ((planes * to) as i32, fold);
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend([argument(&mut fold), argument(&mut n)]);
        // SAFETY: the instance was made for this dtype; the caller's tensors are contiguous with these planes.
        unsafe { gpu.launch(kernel, grid(n as u64, 1)?, 256, &mut arguments)? };
    }
    Ok(())
}

/// The kernel for a dtype.
pub fn instance<R>(dtype: DType, back: bool, then: impl FnOnce(&Instance) -> R) -> R {
    then(&Instance {
        text: TEXT,
        function: if back { "fold" } else { "unfold" },
        types: &|| {
            let (element, computed) = types_of(dtype);
            if back { format!("{computed}, {element}") } else { element.to_owned() }
        },
        parameters: &|| {
            let e = stored(dtype);
            format!("{e}* y, const {e}* x, rn::Fold blocks, int n")
        },
        variant: &[dtype as u8],
    })
}
