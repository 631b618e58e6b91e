//! Formulas of the table on a GPU.

use std::ffi::c_void;

use smallvec::SmallVec;

use crate::bail;
use crate::cpu::loops::Loops;
use crate::cpu::pointwise::Formula;
use crate::cuda::formula::{self, Kernel, Operand, Order};
use crate::cuda::gpu::{self, Gpu, KernelKey};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::pointwise::Arg;
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// Loops that a kernel takes; further ones are run through by the host.
const LOOPS: usize = 8;
/// Operands that a kernel takes: its result and four arguments.
const OPERANDS: usize = 5;
const THREADS: u64 = 256;

/// The GPU of a tensor.
pub fn gpu_of(t: &Tensor) -> Result<&'static Gpu> {
    gpu::at(t.device())
}

/// A number as a kernel takes it: in the type that is computed in.
fn number_bytes(value: Scalar, compute: DType) -> [u64; 2] {
    match compute {
        DType::F32 => [u64::from((value.to_f64() as f32).to_bits()), 0],
        DType::F64 => [value.to_f64().to_bits(), 0],
        DType::C64 => {
            let z = value.to_complex();
            [u64::from((z.re as f32).to_bits()) | u64::from((z.im as f32).to_bits()) << 32, 0]
        }
        DType::C128 => {
            let z = value.to_complex();
            [z.re.to_bits(), z.im.to_bits()]
        }
        _ => [value.to_i64() as u64, 0],
    }
}

/// `out = formula(args)`, broadcast to the sizes of `out`. `common` is the dtype that arguments count as.
///
/// The output may be one of the arguments exactly, but must not overlap them otherwise.
pub fn launch(formula: &Formula, to_bool: bool, out: &Tensor, args: &[Arg], common: DType) -> Result<()> {
    let gpu = gpu_of(out)?;
    if let Some(t) = args.iter().filter_map(|a| a.tensor()).find(|t| t.device() != out.device()) {
        bail!(
            Autograd,
            "Expected all tensors to be on the same device, but found at least two devices, {} and {}!",
            out.device(),
            t.device()
        );
    }
    let n = out.numel();
    if n == 0 {
        return Ok(());
    }
    let compute = formula::computed(common);
    let operands: SmallVec<[Operand; OPERANDS]> = args
        .iter()
        .map(|a| match a {
            Arg::Tensor(t) => Operand::Tensor(t.dtype()),
            Arg::Number(_) => Operand::Number,
        })
        .collect();
    let tensors: SmallVec<[&Tensor; OPERANDS]> =
        std::iter::once(out).chain(args.iter().filter_map(|a| a.tensor())).collect();
    let flat = tensors.iter().all(|t| t.is_contiguous() && t.sizes() == out.sizes());
    let order = if flat { Order::Flat(width(&tensors)) } else { Order::Strided { narrow: n < 1 << 31 } };
    let kernel =
        gpu.kernel(key(formula, &operands, compute, to_bool, out.dtype(), order), "pointwise", || {
            if let Some(function) = formula::missing_function(formula.text) {
                bail!(Unsupported, "the function '{function}' is not implemented for CUDA tensors");
            }
            let names = formula.names;
            let text = formula.text;
            Ok(Kernel {
                formula: text,
                names,
                operands: &operands,
                compute,
                to_bool,
                out: out.dtype(),
                order,
            }
            .text())
        })?;

    let mut numbers: SmallVec<[[u64; 2]; OPERANDS]> = args
        .iter()
        .map(|a| match a {
            Arg::Tensor(_) => [0; 2],
            Arg::Number(s) => number_bytes(s.wrapped(common), compute),
        })
        .collect();
    if flat {
        let Order::Flat(width) = order else { unreachable!("chosen above") };
        let mut places: SmallVec<[u64; OPERANDS]> = tensors.iter().map(|t| t.device_address()).collect();
        let mut count = n as i64;
        let mut arguments = arguments_of(&mut places, args, &mut numbers);
        arguments.push((&raw mut count).cast());
        // SAFETY: the kernel was made for these operands, which have n elements each.
        return unsafe {
            gpu.launch(kernel, grid(n as u64, u64::from(width))?, THREADS as u32, &mut arguments)
        };
    }

    let strides: SmallVec<[_; OPERANDS]> =
        tensors.iter().map(|t| (t.layout().broadcast_to(out.sizes()).strides, t.dtype().size())).collect();
    let strides: SmallVec<[(&[isize], usize); OPERANDS]> =
        strides.iter().map(|(s, bytes)| (s.as_slice(), *bytes)).collect();
    let loops = Loops::new(out.sizes(), &strides);
    let inner = loops.sizes.len().min(LOOPS);
    let mut packed = pack(&loops, inner, tensors.len());
    let mut count: i64 = loops.sizes[..inner].iter().map(|&s| s as i64).product();
    let outer: usize = loops.sizes[inner..].iter().product();
    for i in 0..outer {
        let mut places: SmallVec<[u64; OPERANDS]> = tensors.iter().map(|t| t.device_address()).collect();
        let mut rest = i;
        for d in inner..loops.sizes.len() {
            let here = (rest % loops.sizes[d]) as i64;
            rest /= loops.sizes[d];
            for (place, stride) in places.iter_mut().zip(&loops.strides[d]) {
                *place = place.wrapping_add_signed(here * *stride as i64);
            }
        }
        let mut arguments = arguments_of(&mut places, args, &mut numbers);
        arguments.insert(0, packed.as_mut_ptr().cast());
        arguments.push((&raw mut count).cast());
        // SAFETY: the kernel was made for these operands; the loops stay within their layouts.
        unsafe { gpu.launch(kernel, grid(count as u64, 1)?, THREADS as u32, &mut arguments)? };
    }
    Ok(())
}

/// Blocks for `n` elements, `width` a thread.
pub fn grid(n: u64, width: u64) -> Result<[u32; 3]> {
    match u32::try_from(n.div_ceil(THREADS * width)) {
        Ok(blocks) if blocks < 1 << 31 => Ok([blocks, 1, 1]),
        _ => bail!(Unsupported, "{n} elements are too many for one CUDA kernel"),
    }
}

/// Elements that a thread reads at once: 16 bytes of the widest operand, where all operands allow it.
fn width(tensors: &[&Tensor]) -> u8 {
    let widest = tensors.iter().map(|t| t.dtype().size()).max().unwrap_or(16);
    let mut width = (16 / widest).clamp(1, 8);
    let fits =
        |w: usize| tensors.iter().all(|t| t.device_address().is_multiple_of((t.dtype().size() * w) as u64));
    while width > 1 && !fits(width) {
        width /= 2;
    }
    width as u8
}

fn key(
    formula: &Formula,
    operands: &[Operand],
    compute: DType,
    to_bool: bool,
    out: DType,
    order: Order,
) -> KernelKey {
    let mut variant = [0xff; 12];
    variant[0] = compute as u8;
    variant[1] = out as u8 | if to_bool { 0x80 } else { 0 };
    variant[2] = match order {
        Order::Flat(width) => width,
        Order::Strided { narrow } => 0x80 | narrow as u8,
    };
    for (to, operand) in variant[3..].iter_mut().zip(operands) {
        *to = match operand {
            Operand::Tensor(dtype) => *dtype as u8,
            Operand::Number => 0x80,
        };
    }
    KernelKey { text: formula.text.as_ptr(), names: formula.names.as_ptr(), variant }
}

/// `rn::Loops` of so many operands, as bytes.
pub fn pack(loops: &Loops, rank: usize, operands: usize) -> SmallVec<[u64; 5 + LOOPS * OPERANDS]> {
    // rank and eight sizes are 36 bytes; strides begin at the next multiple of 8.
    let mut words: SmallVec<[u32; 10]> = SmallVec::from_elem(0, 10);
    words[0] = rank as u32;
    for (to, &size) in words[1..].iter_mut().zip(&loops.sizes[..rank]) {
        *to = u32::try_from(size).unwrap_or(u32::MAX);
    }
    let mut packed: SmallVec<[u64; 5 + LOOPS * OPERANDS]> =
        words.chunks(2).map(|w| u64::from(w[0]) | u64::from(w[1]) << 32).collect();
    for d in 0..LOOPS {
        let strides = loops.strides.get(d).filter(|_| d < rank);
        packed.extend((0..operands).map(|k| strides.map_or(0, |s| s[k] as u64)));
    }
    packed
}

/// Pointers to the kernel's arguments: the places of tensors, and numbers.
fn arguments_of(
    places: &mut [u64],
    args: &[Arg],
    numbers: &mut [[u64; 2]],
) -> SmallVec<[*mut c_void; OPERANDS + 2]> {
    let mut places = places.iter_mut().map(|p| std::ptr::from_mut(p).cast::<c_void>());
    let mut arguments = SmallVec::new();
    arguments.push(places.next().expect("the output comes first"));
    for (arg, number) in args.iter().zip(numbers) {
        arguments.push(match arg {
            Arg::Tensor(_) => places.next().expect("one place a tensor"),
            Arg::Number(_) => std::ptr::from_mut(number).cast(),
        });
    }
    arguments
}
