//! Runs one formula over strided operands of any dtype.
//!
//! A formula is compiled into a [`Kernel`] for a few *compute types* (f32, f64, i64, complex128) and
//! instruction sets; it only knows operands that lie side by side in memory. What is strided,
//! broadcast or of another dtype goes through blocks on the stack: gathered and converted, computed,
//! converted and scattered. So a new formula costs one loop, not one a dtype.

use std::mem::MaybeUninit;

use crate::cpu::convert::{Convert, converter};
use crate::cpu::loops::{Loops, MAX_OPERANDS, PerOperand};
use crate::cpu::par;
use crate::cpu::simd::{Level, level};
use crate::dtype::{C128, DType};

/// `kernel(n, out, inputs)`: `n` elements side by side; the output may be one of the inputs, but overlaps none otherwise.
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
    /// Of bools; where there are none, they compute as integers.
    pub truth: Option<Kernels>,
    /// They write bools rather than their own type.
    pub to_bool: bool,
    /// The formula itself, of which kernels for GPUs are made.
    pub formula: Formula,
}

impl Typed {
    pub const NONE: Typed = Typed {
        f32: None,
        f64: None,
        int: None,
        complex: None,
        truth: None,
        to_bool: false,
        formula: Formula::NONE,
    };

    pub const fn float(self, f32: Kernels, f64: Kernels) -> Typed {
        Typed { f32: Some(f32), f64: Some(f64), ..self }
    }

    pub const fn int(self, int: Kernels) -> Typed {
        Typed { int: Some(int), ..self }
    }

    pub const fn complex(self, complex: Kernels) -> Typed {
        Typed { complex: Some(complex), ..self }
    }

    pub const fn truth(self, truth: Kernels) -> Typed {
        Typed { truth: Some(truth), ..self }
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
            DType::Bool if self.truth.is_some() => (DType::Bool, self.truth),
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
        $crate::formula_kernels!(@level plain, $plain, $plain, $t, $out, |$($v),+| $formula);
        $crate::formula_kernels!(@level fused, $fma, $plain, $t, $out, |$($v),+| $formula);
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
    (@level $name:ident, $math:ident, $exact:ident, $t:ty, $out:ty, |$($v:ident),+| $formula:expr) => {
        #[inline(always)]
        unsafe fn $name(n: usize, out: *mut u8, inputs: *const *const u8) {
            #[inline(always)]
            fn formula($($v: $t),+) -> $out {
                #[allow(unused_imports)]
                use $crate::cpu::math::$math::*;
                { $formula }.into()
            }
            #[inline(always)]
            fn exact($($v: $t),+) -> $out {
                #[allow(unused_imports)]
                use $crate::cpu::math::$exact::*;
                { $formula }.into()
            }
            const WATCHED: bool = $crate::cpu::math::names_any(
                stringify!($formula),
                <$t as $crate::cpu::math::Argument>::WATCHED,
            );
            // A chunk is computed before any of it is written, so that the output may be an input: its loop needs to know
            // nothing of how operands lie to become a vector loop.
            const CHUNK: usize = $crate::cpu::pointwise::CHUNK;
            #[repr(align(64))]
            struct Chunk([std::mem::MaybeUninit<$out>; CHUNK]);
            let out = out.cast::<$out>();
            let mut k = 0;
            // SAFETY: `Kernel`'s contract: every operand has `n` elements.
            unsafe {
                $(let $v = (*inputs.add(k)).cast::<$t>(); k += 1;)+
                let _ = k;
                let mut done = 0;
                while done + CHUNK <= n {
                    let mut chunk = Chunk([std::mem::MaybeUninit::uninit(); CHUNK]);
                    let large = |i: usize| false $(| $crate::cpu::math::Argument::is_large($v.add(done + i).read()))+;
                    if WATCHED && (0..CHUNK).fold(false, |any, i| any | large(i)) {
                        for (i, result) in chunk.0.iter_mut().enumerate() {
                            result.write(exact($($v.add(done + i).read()),+));
                        }
                    } else {
                        for (i, result) in chunk.0.iter_mut().enumerate() {
                            result.write(formula($($v.add(done + i).read()),+));
                        }
                    }
                    std::ptr::copy_nonoverlapping(chunk.0.as_ptr().cast(), out.add(done), CHUNK);
                    done += CHUNK;
                }
                while done < n {
                    let large = WATCHED && (false $(| $crate::cpu::math::Argument::is_large($v.add(done).read()))+);
                    let apply = if large { exact } else { formula };
                    out.add(done).write(apply($($v.add(done).read()),+));
                    done += 1;
                }
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

/// Elements that a kernel computes before it writes them: so many that the compiler makes vectors of the loop over
/// them, rather than single steps one after the other.
pub const CHUNK: usize = 128;
/// Elements that one thread takes at a time.
pub const GRAIN: usize = 32 << 10;

/// Bytes a block on the stack holds.
const BLOCK: usize = 4096;
type Buffer = [MaybeUninit<C128>; BLOCK / size_of::<C128>()];

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
    let call = Call::new(kernel, compute, produce, out, inputs, loops);
    par::for_range(loops.numel(), GRAIN, &|range| {
        let mut buffers = [MaybeUninit::<Buffer>::uninit(); MAX_OPERANDS];
        let longest = range.len().min(loops.sizes[0]);
        // SAFETY: the pieces lie within the loops, for which the caller vouches.
        unsafe {
            call.fill(&mut buffers, longest);
            loops.pieces(range, |offsets, n| call.run_piece(&mut buffers, offsets, n));
        }
    });
}

/// What is the same for all runs of a call.
struct Call<'a> {
    kernel: Kernel,
    out: Operand,
    inputs: &'a [Operand],
    /// Bytes from one element to the next in a run.
    strides: PerOperand,
    /// Bytes of an element that the kernel reads, and that it writes.
    step: isize,
    out_step: isize,
    /// What makes elements for the kernel; none where it reads them as they lie.
    converters: [Option<Convert>; MAX_OPERANDS],
    /// One element throughout, converted before the first run.
    constant: [bool; MAX_OPERANDS],
    write: Option<Convert>,
    /// Elements that fit into a buffer, and those that a block has of a run whose inputs are repeated.
    most: usize,
    repeats: bool,
}
// SAFETY: threads work on disjoint ranges of the output and only read the inputs.
unsafe impl Sync for Call<'_> {}

impl<'a> Call<'a> {
    fn new(
        kernel: Kernel,
        compute: DType,
        produce: DType,
        out: Operand,
        inputs: &'a [Operand],
        loops: &Loops,
    ) -> Call<'a> {
        let strides = loops.strides[0];
        let (step, out_step) = (compute.size() as isize, produce.size() as isize);
        let out_direct = out.dtype == produce && strides[0] == out_step;
        let mut converters = [None; MAX_OPERANDS];
        let mut constant = [false; MAX_OPERANDS];
        for (k, input) in inputs.iter().enumerate() {
            if input.dtype != compute || strides[k + 1] != step {
                converters[k] = Some(converter(input.dtype, compute));
                constant[k] = loops.strides.iter().all(|strides| strides[k + 1] == 0);
            }
        }
        // Where one value is repeated in each run, it fills no more than it must.
        let repeated = |k: usize| converters[k].is_some() && !constant[k];
        let repeats = out_direct
            && (0..inputs.len()).any(repeated)
            && (0..inputs.len()).all(|k| !repeated(k) || strides[k + 1] == 0);
        Call {
            kernel,
            out,
            inputs,
            strides,
            step,
            out_step,
            converters,
            constant,
            write: (!out_direct).then(|| converter(produce, out.dtype)),
            most: BLOCK / compute.size().max(produce.size()),
            repeats,
        }
    }

    /// Repeats what is one element throughout, for runs of up to `longest`.
    ///
    /// # Safety
    /// The inputs can be read.
    unsafe fn fill(&self, buffers: &mut [MaybeUninit<Buffer>; MAX_OPERANDS], longest: usize) {
        for (k, input) in self.inputs.iter().enumerate().filter(|(k, _)| self.constant[*k]) {
            if let Some(convert) = self.converters[k] {
                let buffer = buffers[k + 1].as_mut_ptr().cast();
                // SAFETY: a buffer holds `most` elements.
                unsafe { convert(input.ptr, 0, buffer, self.step, longest.min(self.most)) };
            }
        }
    }

    /// One innermost run of `n` elements.
    ///
    /// # Safety
    /// It lies within the operands; buffers are filled.
    unsafe fn run_piece(
        &self,
        buffers: &mut [MaybeUninit<Buffer>; MAX_OPERANDS],
        offsets: &PerOperand,
        n: usize,
    ) {
        // SAFETY: the caller vouches for offsets and strides; buffers hold `most` elements.
        unsafe {
            let out = self.out.ptr.offset(offsets[0]);
            let mut sources = [std::ptr::null::<u8>(); MAX_OPERANDS];
            let mut all_direct = self.write.is_none();
            for (k, input) in self.inputs.iter().enumerate() {
                sources[k] = input.ptr.offset(offsets[k + 1]);
                all_direct &= self.converters[k].is_none();
            }
            if all_direct {
                return (self.kernel)(n, out, sources.as_ptr());
            }
            let block = if self.repeats { self.most.min((n / 8).max(CHUNK)) } else { self.most }.min(n);
            let mut done = 0;
            while done < n {
                let count = (n - done).min(block);
                let mut operands = [std::ptr::null::<u8>(); MAX_OPERANDS];
                for k in 0..self.inputs.len() {
                    let source = sources[k].offset(done as isize * self.strides[k + 1]);
                    operands[k] = match self.converters[k] {
                        None => source,
                        Some(convert) => {
                            let buffer = buffers[k + 1].as_mut_ptr().cast::<u8>();
                            // What is repeated is there from the first block on, which is no shorter than others.
                            if !self.constant[k] && (done == 0 || self.strides[k + 1] != 0) {
                                convert(source, self.strides[k + 1], buffer, self.step, count);
                            }
                            buffer
                        }
                    };
                }
                let target = out.offset(done as isize * self.strides[0]);
                if let Some(convert) = self.write {
                    let buffer = buffers[0].as_mut_ptr().cast::<u8>();
                    (self.kernel)(count, buffer, operands.as_ptr());
                    convert(buffer, self.out_step, target, self.strides[0], count);
                } else {
                    (self.kernel)(count, target, operands.as_ptr());
                }
                done += count;
            }
        }
    }
}
