//! Sorting lines.

use crate::bail;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::{gpu_of, grid};
use crate::ops::cuda::scan::running_counts;
use crate::ops::cuda::template::{Instance, argument};
use crate::tensor::Tensor;

const TEXT: &str =
    concat!(include_str!("../../cuda/kernels/keys.cu"), include_str!("../../cuda/kernels/sort.cu"));

/// Lines up to this length are sorted in shared memory.
const SHORT: usize = 2048;
/// Elements that a block moves in a pass over long lines.
const TILE: usize = 2048;

/// The kernels of a sort.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Lines of at most so many elements, a power of two.
    Short(usize),
    Counts {
        first: bool,
    },
    Move {
        first: bool,
    },
    Values,
}

/// The first `kept` elements in order of each row of a contiguous matrix, and their indices; equal ones in
/// the order they had.
pub fn sort_rows(x: &Tensor, kept: usize, descending: bool) -> Result<(Tensor, Tensor)> {
    let (rows, size) = (x.size(0), x.size(1));
    let values = Tensor::empty(&[rows, kept], x.dtype())?;
    let indices = Tensor::empty(&[rows, kept], DType::I64)?;
    if values.numel() == 0 {
        return Ok((values, indices));
    }
    if size > SHORT {
        sort_long(x, &values, &indices, descending)?;
        return Ok((values, indices));
    }
    let gpu = gpu_of(x)?;
    let line = size.next_power_of_two().max(8);
    let kernel = instance(x.dtype(), Step::Short(line), |i| i.kernel(gpu))?;
    let Ok(blocks) = u32::try_from(rows.div_ceil((512 / line).max(1))) else {
        bail!(Unsupported, "{rows} lines are too many for one CUDA kernel");
    };
    let mut places = [x.device_address(), values.device_address(), indices.device_address()];
    let mut count = rows as i64;
    let mut numbers = [size as i32, kept as i32, i32::from(descending)];
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.push(argument(&mut count));
    arguments.extend(numbers.iter_mut().map(argument));
    // SAFETY: the instance was made for this dtype and lines of this length; the outputs have `kept` columns.
    unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments)? };
    Ok((values, indices))
}

fn sort_long(x: &Tensor, values: &Tensor, indices: &Tensor, descending: bool) -> Result<()> {
    let gpu = gpu_of(x)?;
    let (dtype, rows, size) = (x.dtype(), x.size(0), x.size(1));
    let tiles = size.div_ceil(TILE);
    let Some(blocks) = u32::try_from(rows * tiles).ok().filter(|_| u32::try_from(size).is_ok()) else {
        bail!(Unsupported, "{rows} lines of {size} elements are too many for one CUDA kernel");
    };
    let bits = if dtype == DType::Bool { 1 } else { dtype.size() * 8 };
    let key = if dtype.size() == 8 { DType::I64 } else { DType::I32 };
    let fresh = || -> Result<[Tensor; 2]> {
        Ok([Tensor::empty(&[rows, size], key)?, Tensor::empty(&[rows, size], DType::I32)?])
    };
    let (mut from, mut to) = (fresh()?, fresh()?);
    let counts = Tensor::empty(&[rows, 256 * tiles], DType::I64)?;
    let mut sizes = [size as i64, tiles as i64];
    let mut turned = i32::from(descending);
    for shift in (0..bits as i32).step_by(8) {
        let (first, mut shift) = (shift == 0, shift);
        let [input, keys, order] = [x, &from[0], &from[1]].map(Tensor::device_address);
        let kernel = instance(dtype, Step::Counts { first }, |i| i.kernel(gpu))?;
        let mut places = [input, keys, counts.device_address()];
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend(sizes.iter_mut().map(argument));
        arguments.extend([argument(&mut shift), argument(&mut turned)]);
        // SAFETY: the instance was made for this dtype; there is a count for each row, digit and tile.
        unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments)? };
        let ends = running_counts(&counts)?;
        let kernel = instance(dtype, Step::Move { first }, |i| i.kernel(gpu))?;
        let [next_keys, next_order] = to.each_ref().map(Tensor::device_address);
        let mut places = [input, keys, order, next_keys, next_order, ends.device_address()];
        let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
        arguments.extend(sizes.iter_mut().map(argument));
        arguments.extend([argument(&mut shift), argument(&mut turned)]);
        // SAFETY: as above; keys and places have the rows and sizes of x.
        unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments)? };
        std::mem::swap(&mut from, &mut to);
    }
    let kernel = instance(dtype, Step::Values, |i| i.kernel(gpu))?;
    let mut places = [x, &from[0], &from[1], values, indices].map(Tensor::device_address);
    let mut numbers = [values.numel() as i64, size as i64, values.size(1) as i64];
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend(numbers.iter_mut().map(argument));
    arguments.push(argument(&mut turned));
    // SAFETY: as above; values and indices have n elements.
    unsafe { gpu.launch(kernel, grid(values.numel() as u64, 1)?, 256, &mut arguments) }
}

/// The kernel of a step for a dtype.
pub fn instance<R>(dtype: DType, step: Step, then: impl FnOnce(&Instance) -> R) -> R {
    let e = stored(dtype);
    let (function, number, detail) = match step {
        Step::Short(line) => ("sort_short", line.trailing_zeros(), format!("{line}, ")),
        Step::Counts { first } => ("digit_counts", first.into(), format!("{first}, ")),
        Step::Move { first } => ("digit_move", first.into(), format!("{first}, ")),
        Step::Values => ("sorted_values", 0, String::new()),
    };
    then(&Instance {
        text: TEXT,
        function,
        types: &|| format!("{detail}{e}"),
        parameters: &|| {
            let key = format!("rn::Key<{e}>");
            match step {
                Step::Short(_) => format!(
                    "const {e}* x, {e}* values, long long* indices, long long rows, int size, int kept, int descending"
                ),
                Step::Counts { .. } => format!(
                    "const {e}* x, const {key}* keys, long long* counts, long long size, long long tiles, int shift, int descending"
                ),
                Step::Move { .. } => format!(
                    "const {e}* x, const {key}* keys, const unsigned* order, {key}* next_keys, unsigned* next_order, const long long* ends, long long size, long long tiles, int shift, int descending"
                ),
                Step::Values => format!(
                    "const {e}* x, const {key}* keys, const unsigned* order, {e}* values, long long* indices, long long n, long long size, long long kept, int descending"
                ),
            }
        },
        variant: &[dtype as u8, number as u8],
    })
}
