//! Runs one formula over strided operands of any dtype.
//!
//! A formula is compiled into a [`Kernel`] for a few *compute types* (f32, f64, i64, complex128) and
//! instruction sets; it only knows operands that lie side by side in memory. What is strided,
//! broadcast, of another dtype, or the output itself goes through blocks on the stack: gathered and
//! converted, computed, converted and scattered. So a new formula costs one loop, not one a dtype.

use std::mem::MaybeUninit;

use crate::cpu::loops::{Loops, MAX_OPERANDS, PerOperand};
use crate::cpu::par;
use crate::cpu::simd::{Level, level};
use crate::dispatch;
use crate::dtype::{C64, C128, Cast, DType, Element};

/// `kernel(n, out, inputs)`: `n` elements side by side; the output overlaps no input.
pub type Kernel = unsafe fn(usize, *mut u8, *const *const u8);

/// One kernel an instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    pub portable: Kernel,
    pub avx2: Kernel,
    pub avx512: Kernel,
}

impl Kernels {
    pub fn get(&self) -> Kernel {
        match level() {
            Level::Portable => self.portable,
            Level::Avx2 => self.avx2,
            Level::Avx512 => self.avx512,
        }
    }
}

/// The text of a formula and the names of what it reads.
#[derive(Clone, Copy)]
pub struct Formula {
    pub text: &'static str,
    pub names: &'static [&'static str],
}

impl Formula {
    pub const NONE: Formula = Formula { text: "", names: &[] };
}

/// The kernels of one formula for the types it is written for.
#[derive(Clone, Copy)]
pub struct Typed {
    pub f32: Option<Kernels>,
    pub f64: Option<Kernels>,
    pub int: Option<Kernels>,
    pub complex: Option<Kernels>,
    /// They write bools rather than their own type.
    pub to_bool: bool,
    /// The formula itself, of which kernels for GPUs are made.
    pub formula: Formula,
}

impl Typed {
    pub const NONE: Typed =
        Typed { f32: None, f64: None, int: None, complex: None, to_bool: false, formula: Formula::NONE };

    pub const fn float(self, f32: Kernels, f64: Kernels) -> Typed {
        Typed { f32: Some(f32), f64: Some(f64), ..self }
    }

    pub const fn int(self, int: Kernels) -> Typed {
        Typed { int: Some(int), ..self }
    }

    pub const fn complex(self, complex: Kernels) -> Typed {
        Typed { complex: Some(complex), ..self }
    }

    pub const fn to_bool(self) -> Typed {
        Typed { to_bool: true, ..self }
    }

    pub const fn written(self, text: &'static str, names: &'static [&'static str]) -> Typed {
        Typed { formula: Formula { text, names }, ..self }
    }

    /// The type that operands of `dtype` are computed in, and its kernels.
    pub fn for_dtype(&self, dtype: DType) -> Option<(DType, Kernels)> {
        let (compute, kernels) = match dtype {
            DType::F32 | DType::F16 | DType::BF16 => (DType::F32, self.f32),
            DType::F64 => (DType::F64, self.f64),
            DType::C64 | DType::C128 => (DType::C128, self.complex),
            _ => (DType::I64, self.int),
        };
        Some((compute, kernels?))
    }
}

/// Expands a formula into [`Kernels`] from `$t` to `$out`; `$plain` and `$fma` name the modules of
/// `cpu::math` that it may call.
#[macro_export]
macro_rules! formula_kernels {
    ($t:ty, $plain:ident, $fma:ident, |$($v:ident),+| -> $out:ty { $formula:expr }) => {{
        $crate::formula_kernels!(@level plain, $plain, $t, $out, |$($v),+| $formula);
        $crate::formula_kernels!(@level fused, $fma, $t, $out, |$($v),+| $formula);
        /// # Safety
        /// See `Kernel`.
        unsafe fn portable(n: usize, out: *mut u8, inputs: *const *const u8) {
            // SAFETY: the caller's promise, passed on.
            unsafe { plain(n, out, inputs) }
        }
        /// # Safety
        /// See `Kernel`; the CPU must have AVX2 and FMA.
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
        unsafe fn avx2(n: usize, out: *mut u8, inputs: *const *const u8) {
            // SAFETY: the caller's promise, passed on.
            unsafe { fused(n, out, inputs) }
        }
        /// # Safety
        /// See `Kernel`; the CPU must have AVX-512.
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))]
        unsafe fn avx512(n: usize, out: *mut u8, inputs: *const *const u8) {
            // SAFETY: the caller's promise, passed on.
            unsafe { fused(n, out, inputs) }
        }
        $crate::cpu::pointwise::Kernels { portable, avx2, avx512 }
    }};
    (@level $name:ident, $math:ident, $t:ty, $out:ty, |$($v:ident),+| $formula:expr) => {
        #[inline(always)]
        unsafe fn $name(n: usize, out: *mut u8, inputs: *const *const u8) {
            #[allow(unused_imports)]
            use $crate::cpu::math::$math::*;
            #[inline(always)]
            fn sweep(out: &mut [$out], $($v: &[$t]),+) {
                for (i, out) in out.iter_mut().enumerate() {
                    $(let $v = $v[i];)+
                    *out = { $formula }.into();
                }
            }
            // SAFETY: `Kernel`'s contract: every operand has `n` elements, the output is apart.
            unsafe {
                let mut k = 0;
                $(let $v = std::slice::from_raw_parts(*inputs.add(k) as *const $t, n); k += 1;)+
                let _ = k;
                sweep(std::slice::from_raw_parts_mut(out as *mut $out, n), $(&$v[..n]),+)
            }
        }
    };
}

/// An operand's memory and what it holds.
#[derive(Clone, Copy)]
pub struct Operand {
    pub ptr: *mut u8,
    pub dtype: DType,
}

/// Elements a block on the stack holds.
const BLOCK: usize = 256;
/// Elements that one thread takes at a time.
pub const GRAIN: usize = 32 << 10;

type Buffer = [MaybeUninit<C128>; BLOCK];

struct Pointers<'a> {
    out: Operand,
    inputs: &'a [Operand],
}
// SAFETY: threads work on disjoint ranges of the output and only read the inputs.
unsafe impl Sync for Pointers<'_> {}

/// `out[i] = kernel(inputs[i])` over all elements of `loops`, whose operand 0 is the output.
///
/// # Safety
/// Every operand must be valid at every offset that `loops` reaches. The output may be one of the
/// inputs exactly (same pointer and strides), but must not overlap them otherwise. `kernel` must
/// read elements of `compute` and write elements of `produce`.
pub unsafe fn run(
    kernel: Kernel,
    compute: DType,
    produce: DType,
    out: Operand,
    inputs: &[Operand],
    loops: &Loops,
) {
    let pointers = Pointers { out, inputs };
    par::for_range(loops.numel(), GRAIN, &|range| {
        let pointers = &pointers;
        loops.pieces(range, |offsets, n| {
            // SAFETY: the pieces lie within the loops, for which the caller vouches.
            unsafe { run_piece(kernel, compute, produce, pointers, offsets, &loops.strides[0], n) }
        });
    });
}

/// One innermost run of `n` elements.
#[inline]
unsafe fn run_piece(
    kernel: Kernel,
    compute: DType,
    produce: DType,
    pointers: &Pointers,
    offsets: &PerOperand,
    strides: &PerOperand,
    n: usize,
) {
    // SAFETY: the caller vouches for offsets and strides; blocks hold BLOCK elements of any type.
    unsafe {
        let out = pointers.out.ptr.offset(offsets[0]);
        let out_direct = pointers.out.dtype == produce && strides[0] == produce.size() as isize;
        let mut sources = [std::ptr::null::<u8>(); MAX_OPERANDS];
        let mut direct = [false; MAX_OPERANDS];
        let mut all_direct = out_direct;
        for (k, input) in pointers.inputs.iter().enumerate() {
            sources[k] = input.ptr.offset(offsets[k + 1]);
            direct[k] = input.dtype == compute
                && strides[k + 1] == compute.size() as isize
                && (!out_direct || !std::ptr::eq(sources[k], out));
            all_direct &= direct[k];
        }
        if all_direct {
            return kernel(n, out, sources.as_ptr());
        }

        let mut buffers = [MaybeUninit::<Buffer>::uninit(); MAX_OPERANDS];
        let block = BLOCK.min(n);
        for (k, input) in pointers.inputs.iter().enumerate() {
            if strides[k + 1] == 0 {
                gather(input.dtype, compute, sources[k], 0, block, buffers[k + 1].as_mut_ptr().cast());
            }
        }
        let mut done = 0;
        while done < n {
            let count = (n - done).min(BLOCK);
            let mut operands = [std::ptr::null::<u8>(); MAX_OPERANDS];
            for (k, input) in pointers.inputs.iter().enumerate() {
                let stride = strides[k + 1];
                let source = sources[k].offset(done as isize * stride);
                operands[k] = if direct[k] {
                    source
                } else {
                    let buffer = buffers[k + 1].as_mut_ptr().cast::<u8>();
                    if stride != 0 {
                        gather(input.dtype, compute, source, stride, count, buffer);
                    }
                    buffer
                };
            }
            let target = out.offset(done as isize * strides[0]);
            if out_direct {
                kernel(count, target, operands.as_ptr());
            } else {
                let buffer = buffers[0].as_mut_ptr().cast::<u8>();
                kernel(count, buffer, operands.as_ptr());
                scatter(produce, pointers.out.dtype, buffer, target, strides[0], count);
            }
            done += count;
        }
    }
}

/// `n` elements of `from` at `stride` bytes become elements of `compute` side by side.
unsafe fn gather(from: DType, compute: DType, src: *const u8, stride: isize, n: usize, dst: *mut u8) {
    unsafe fn typed<S: Element, T: Element>(src: *const u8, stride: isize, n: usize, dst: *mut u8) {
        // SAFETY: the caller vouches for source and destination.
        unsafe {
            let dst = dst.cast::<T>();
            if stride == 0 {
                let value: T = src.cast::<S>().read_unaligned().cast();
                (0..n).for_each(|i| dst.add(i).write(value));
            } else if stride == size_of::<S>() as isize {
                let src = src.cast::<S>();
                (0..n).for_each(|i| dst.add(i).write(src.add(i).read_unaligned().cast()));
            } else {
                let at = |i: usize| src.offset(i as isize * stride).cast::<S>().read_unaligned();
                (0..n).for_each(|i| dst.add(i).write(at(i).cast()));
            }
        }
    }
    // SAFETY: the caller vouches for source and destination.
    unsafe {
        match compute {
            DType::F32 => dispatch!(from, S => typed::<S, f32>(src, stride, n, dst)),
            DType::F64 => dispatch!(from, S => typed::<S, f64>(src, stride, n, dst)),
            DType::I64 => dispatch!(from, S => typed::<S, i64>(src, stride, n, dst)),
            _ => dispatch!(from, S => typed::<S, C128>(src, stride, n, dst)),
        }
    }
}

/// `n` elements of `produce` side by side become elements of `to` at `stride` bytes.
unsafe fn scatter(produce: DType, to: DType, src: *const u8, dst: *mut u8, stride: isize, n: usize) {
    unsafe fn typed<S: Element, T: Element>(src: *const u8, dst: *mut u8, stride: isize, n: usize) {
        // SAFETY: the caller vouches for source and destination.
        unsafe {
            let src = src.cast::<S>();
            for i in 0..n {
                let value = src.add(i).read().cast();
                dst.offset(i as isize * stride).cast::<T>().write_unaligned(value);
            }
        }
    }
    // SAFETY: the caller vouches for source and destination.
    unsafe {
        match produce {
            DType::F32 => dispatch!(to, T => typed::<f32, T>(src, dst, stride, n)),
            DType::F64 => dispatch!(to, T => typed::<f64, T>(src, dst, stride, n)),
            DType::I64 => dispatch!(to, T => typed::<i64, T>(src, dst, stride, n)),
            DType::Bool => dispatch!(to, T => typed::<crate::dtype::Bool, T>(src, dst, stride, n)),
            DType::C64 => dispatch!(to, T => typed::<C64, T>(src, dst, stride, n)),
            _ => dispatch!(to, T => typed::<C128, T>(src, dst, stride, n)),
        }
    }
}
