//! Elements of long lines by their rank, without sorting the lines.

use crate::bail;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::scan::running_counts;
use crate::ops::cuda::sort::sort_rows;
use crate::ops::cuda::template::{Instance, argument};
use crate::ops::{creation, index};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/keys.cu"), include_str!("../../cuda/kernels/select.cu"));

/// Elements that a block goes through: `rn::SELECT_TILE`.
const TILE: usize = 2048;

/// The kernels of a selection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Counts,
    Digit,
    Tiles,
    Gather { one: bool },
}

/// The elements of these ranks, one a row of a contiguous matrix, and their indices; of equal elements the
/// earlier has the lower rank. `ranks` (int64) is written over.
pub fn rank_rows(x: &Tensor, ranks: &Tensor) -> Result<(Tensor, Tensor)> {
    select(x, ranks, 1, true, false)
}

/// The first `kept` elements in order of each row of a contiguous matrix, and their indices; equal ones in
/// the order they had.
pub fn first_rows(x: &Tensor, kept: usize, descending: bool) -> Result<(Tensor, Tensor)> {
    let ranks = creation::full(&[x.size(0)], Scalar::Int(kept as i64 - 1), DType::I64)?;
    let (values, indices) = select(x, &ranks, kept, false, descending)?;
    let (values, order) = sort_rows(&values, kept, descending)?;
    Ok((values, index::gather(&indices, 1, &order)?))
}

fn select(x: &Tensor, ranks: &Tensor, kept: usize, one: bool, descending: bool) -> Result<(Tensor, Tensor)> {
    let gpu = gpu_of(x)?;
    let (dtype, rows, size) = (x.dtype(), x.size(0), x.size(1));
    let tiles = size.div_ceil(TILE);
    let Some(blocks) = i32::try_from(rows * tiles).ok().filter(|_| i32::try_from(size).is_ok()) else {
        bail!(Unsupported, "{rows} lines of {size} elements are too many for one CUDA kernel");
    };
    let key = if dtype.size() == 8 { DType::I64 } else { DType::I32 };
    let found = creation::zeros(&[rows], key)?;
    let counts = creation::zeros(&[rows, 256], DType::I32)?;
    let mut sizes = [size as i64, tiles as i64];
    let mut turned = i32::from(descending);
    let mut launch = |step: Step, places: &[&Tensor], numbers: &[i64], shift: Option<i32>, blocks: i32| {
        let kernel = instance(dtype, step, |i| i.kernel(gpu))?;
        let mut places: Vec<u64> = places.iter().map(|t| t.device_address()).collect();
        let (mut numbers, mut shift) = (numbers.to_vec(), shift);
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        if step != Step::Digit {
            arguments.extend(sizes.iter_mut().map(argument));
        }
        arguments.extend(numbers.iter_mut().map(argument));
        arguments.extend(shift.as_mut().map(argument));
        if step != Step::Digit {
            arguments.push(argument(&mut turned));
        }
        // SAFETY: the instance was made for this dtype; callers name tensors with a row for each of x.
        unsafe { gpu.launch(kernel, [blocks as u32, 1, 1], 256, &mut arguments) }
    };
    for shift in (0..dtype.size() as i32 * 8).step_by(8).rev() {
        launch(Step::Counts, &[x, &found, &counts], &[], Some(shift), blocks)?;
        launch(Step::Digit, &[&found, ranks, &counts], &[], Some(shift), rows as i32)?;
    }
    let counts = Tensor::empty(&[rows, 2, tiles], DType::I64)?;
    launch(Step::Tiles, &[x, &found, &counts], &[], None, blocks)?;
    let ends = running_counts(&counts)?;
    let values = Tensor::empty(&[rows, kept], dtype)?;
    let indices = Tensor::empty(&[rows, kept], DType::I64)?;
    let places = [x, &found, ranks, &ends, &values, &indices];
    launch(Step::Gather { one }, &places, &[kept as i64], None, blocks)?;
    Ok((values, indices))
}

/// The kernel of a step for a dtype.
pub fn instance<R>(dtype: DType, step: Step, then: impl FnOnce(&Instance) -> R) -> R {
    let e = stored(dtype);
    let key = format!("rn::Key<{e}>");
    let (function, number) = match step {
        Step::Counts => ("select_counts", 0),
        Step::Digit => ("select_digit", 0),
        Step::Tiles => ("select_tiles", 0),
        Step::Gather { one } => ("select_gather", u8::from(one)),
    };
    then(&Instance {
        text: TEXT,
        function,
        types: &|| match step {
            Step::Digit => key.clone(),
            Step::Gather { one } => format!("{one}, {e}"),
            _ => e.to_owned(),
        },
        parameters: &|| match step {
            Step::Counts => format!(
                "const {e}* x, const {key}* found, int* counts, long long size, long long tiles, int shift, int descending"
            ),
            Step::Digit => format!("{key}* found, long long* ranks, int* counts, int shift"),
            Step::Tiles => format!(
                "const {e}* x, const {key}* found, long long* counts, long long size, long long tiles, int descending"
            ),
            Step::Gather { .. } => format!(
                "const {e}* x, const {key}* found, const long long* ranks, const long long* ends, {e}* values, long long* indices, long long size, long long tiles, long long kept, int descending"
            ),
        },
        variant: &[dtype as u8, number],
    })
}
