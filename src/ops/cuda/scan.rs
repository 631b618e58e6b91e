//! Scans along a dimension: sums, products, extremes, and first-order recurrences.

use crate::bail;
use crate::cpu::scan;
use crate::cuda::formula::stored;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::copy;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument, computed_type};
use crate::ops::lines::length;
use crate::tensor::Tensor;

const TEXT: &str = include_str!("../../cuda/kernels/scan.cu");

/// Lines up to this length are a thread's even where they lie in one piece.
const SHORT: usize = 32;
/// Elements of a part of a long line: a multiple of every tile.
const PART: usize = 1 << 13;
/// Blocks, and threads, that keep a large GPU busy.
const BUSY_BLOCKS: usize = 1 << 10;
const BUSY_THREADS: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    Sum,
    Prod,
    LogSumExp,
    Max,
    Min,
    /// `y[i] = g[i] + x[i] * y[i - 1]`.
    Recurrence,
}

impl From<scan::Scan> for Scan {
    fn from(kind: scan::Scan) -> Scan {
        match kind {
            scan::Scan::Sum => Scan::Sum,
            scan::Scan::Prod => Scan::Prod,
            scan::Scan::LogSumExp => Scan::LogSumExp,
        }
    }
}

impl Scan {
    /// The type of what has come together, and its bytes.
    fn state(self, dtype: DType) -> (String, usize) {
        match self {
            Scan::Max | Scan::Min => (format!("rn::Extreme<{}>", computed_type(dtype)), 16),
            // In double precision: the products of factors may leave the range where the results do not.
            Scan::Recurrence if dtype.is_complex() => ("rn::Step<rn::Complex<double>>".to_owned(), 32),
            Scan::Recurrence => ("rn::Step<double>".to_owned(), 16),
            _ => {
                let bytes = match dtype {
                    DType::C128 => 16,
                    DType::F16 | DType::BF16 | DType::F32 => 4,
                    _ => 8,
                };
                (computed_type(dtype).to_owned(), bytes)
            }
        }
    }
}

/// The operands of a scan; all have the sizes of `out`, which is fresh and contiguous, as `indices` is.
pub struct Operands<'a> {
    pub x: &'a Tensor,
    /// The second input of a recurrence.
    pub g: Option<&'a Tensor>,
    pub out: &'a Tensor,
    /// Where extremes are.
    pub indices: Option<&'a Tensor>,
}

/// What a launch does with the parts of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Whole,
    Totals,
    TotalsScan,
}

/// Scans along `dim`, or from its end.
pub fn scan(kind: Scan, operands: &Operands, dim: usize, from_end: bool) -> Result<()> {
    let Operands { x, g, out, indices } = operands;
    if out.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(out)?;
    let x = copy::contiguous(&x.detached())?;
    let g = g.map(|g| copy::contiguous(&g.detached())).transpose()?;
    let size = length(out, dim);
    let inner: usize = out.sizes().iter().skip(dim + 1).product();
    let lines = out.numel() / size;
    let in_one_piece = inner == 1 && size > SHORT;
    let (_, state_bytes) = kind.state(out.dtype());
    // How long the parts are, and how many there are of a line.
    let part = if in_one_piece {
        if lines < BUSY_BLOCKS && size > 2 * PART { PART } else { size }
    } else {
        let wanted = (BUSY_THREADS / lines).clamp(1, size.div_ceil(64)).min(65_535);
        size.div_ceil(wanted)
    };
    let parts = size.div_ceil(part);
    let totals =
        if parts > 1 { Some(Tensor::empty(&[lines * parts * state_bytes], DType::U8)?) } else { None };
    // `rn::Operands`, and the numbers behind it.
    let mut places = [
        x.device_address(),
        g.as_ref().map_or(0, Tensor::device_address),
        out.device_address(),
        indices.map_or(0, Tensor::device_address),
        totals.as_ref().map_or(0, Tensor::device_address),
    ];
    let mut run = |stage: Stage, group: u32, rows: usize, size: usize, part: usize| -> Result<()> {
        let parts = size.div_ceil(part);
        let kernel = instance(kind, stage, group, out.dtype(), |i| i.kernel(gpu))?;
        let blocks =
            if group == 1 { rows.div_ceil(256) } else { (rows * parts).div_ceil((256 / group) as usize) };
        let Ok(blocks) = u32::try_from(blocks) else {
            bail!(Unsupported, "{rows} lines are too many for one CUDA kernel");
        };
        let mut numbers = [rows as i64, size as i64, inner as i64, part as i64];
        let mut from_end = i32::from(from_end);
        let mut arguments = vec![places.as_mut_ptr().cast()];
        let used = numbers.iter_mut().enumerate().filter(|(k, _)| group == 1 || *k != 2);
        arguments.extend(used.map(|(_, n)| argument(n)));
        arguments.push(argument(&mut from_end));
        let height = if group == 1 { parts as u32 } else { 1 };
        // SAFETY: the instance was made for this dtype; the operands are contiguous with these sizes.
        unsafe { gpu.launch(kernel, [blocks, height, 1], 256, &mut arguments) }
    };
    let group = match size {
        _ if !in_one_piece => 1,
        ..=1024 => 32,
        _ => 256,
    };
    if parts > 1 {
        run(Stage::Totals, group, lines, size, part)?;
        run(Stage::TotalsScan, 256, lines, parts, parts)?;
    }
    run(Stage::Whole, group, lines, size, part)
}

/// The running sums of int64 numbers along the last dimension of a contiguous tensor.
pub fn running_counts(counts: &Tensor) -> Result<Tensor> {
    let out = Tensor::empty(counts.sizes(), DType::I64)?;
    let operands = Operands { x: counts, g: None, out: &out, indices: None };
    scan(Scan::Sum, &operands, counts.ndim() - 1, false)?;
    Ok(out)
}

/// The kernel for lines of which a thread (`group` 1), a warp or a block has one, or a part of one.
pub fn instance<R>(
    kind: Scan,
    stage: Stage,
    group: u32,
    dtype: DType,
    then: impl FnOnce(&Instance) -> R,
) -> R {
    let (state, _) = kind.state(dtype);
    let op = match kind {
        Scan::Sum => "rn::SCAN_SUM",
        Scan::Prod => "rn::SCAN_PROD",
        Scan::LogSumExp => "rn::SCAN_LOG_SUM_EXP",
        Scan::Max => "rn::SCAN_MAX",
        Scan::Min => "rn::SCAN_MIN",
        Scan::Recurrence => "rn::RECURRENCE",
    };
    let stage_name = match stage {
        Stage::Whole => "rn::WHOLE",
        Stage::Totals => "rn::TOTALS",
        Stage::TotalsScan => "rn::TOTALS_SCAN",
    };
    let e = stored(dtype);
    let operands = format!("rn::Operands<{state},{e}> operands");
    then(&Instance {
        text: TEXT,
        function: if group == 1 { "scan_columns" } else { "scan_rows" },
        types: &|| {
            let group = if group == 1 { String::new() } else { format!("{group}, ") };
            format!("{op}, {stage_name}, {group}{state}, {e}")
        },
        parameters: &|| {
            let inner = if group == 1 { "long long inner, " } else { "" };
            format!("{operands}, long long rows, long long size, {inner}long long part, int from_end")
        },
        variant: &[kind as u8, stage as u8, group.trailing_zeros() as u8, dtype as u8],
    })
}
