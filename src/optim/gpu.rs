//! Update steps on a GPU: all parameters that take the same settings in one launch.

use std::ffi::c_void;

use super::{Real, Rule};
use crate::bail;
use crate::cuda::formula::stored;
use crate::cuda::gpu::KernelKey;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::computed_type;
use crate::tensor::Tensor;

/// As `rn::TENSORS` and `rn::PER_BLOCK` have it.
pub const TENSORS: usize = 24;
const PER_BLOCK: usize = 1024;
/// Settings that a rule can have.
pub const SETTINGS: usize = 10;

/// Settings with zeros after them.
pub fn padded<C: Real, const N: usize>(settings: [C; N]) -> [C; SETTINGS] {
    const { assert!(N <= SETTINGS) };
    std::array::from_fn(|i| settings.get(i).copied().unwrap_or_else(C::zero))
}

/// Tensors that wait for a launch.
#[derive(Default)]
pub struct Pending {
    rule: Option<&'static str>,
    settings: [f64; SETTINGS],
    dtype: Option<DType>,
    /// Parameter, gradient, state.
    slots: Vec<Vec<Tensor>>,
}

impl Pending {
    /// Adds a parameter with what belongs to it: contiguous alike, of one dtype. Launches what waits if its
    /// settings are others.
    pub fn add<C: Real, R: Rule<C>>(&mut self, slots: &[&Tensor], rule: R) -> Result<()> {
        let text = R::TEXT;
        let settings = rule.settings().map(|s| s.to_f64().unwrap_or(f64::NAN));
        let dtype = slots[0].dtype();
        let same = self.rule.is_some_and(|r| std::ptr::eq(r, text))
            && self.settings.map(f64::to_bits) == settings.map(f64::to_bits)
            && self.dtype == Some(dtype)
            && self
                .slots
                .first()
                .is_some_and(|s| s.len() == slots.len() && s[0].device() == slots[0].device())
            && self.slots.len() < TENSORS;
        if !same {
            self.launch()?;
        }
        (self.rule, self.settings, self.dtype) = (Some(text), settings, Some(dtype));
        if slots[0].numel() > 0 {
            self.slots.push(slots.iter().map(|t| t.detach()).collect());
        }
        Ok(())
    }

    /// Launches what waits.
    pub fn launch(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.slots);
        let (Some(rule), Some(dtype), Some(first)) = (self.rule, self.dtype, waiting.first()) else {
            return Ok(());
        };
        let gpu = gpu_of(&first[0])?;
        let n = first.len();
        let mut variant = [0; 12];
        variant[..2].copy_from_slice(&[dtype as u8, n as u8]);
        let kernel = gpu.kernel(
            KernelKey { text: rule.as_ptr(), names: std::ptr::null(), variant },
            "update_step",
            || Ok(source(rule, dtype, n)),
        )?;
        let (mut group, blocks) = pack_group(&waiting)?;
        let mut single = self.settings.map(|s| s as f32);
        let settings: *mut c_void = match dtype {
            DType::F64 => self.settings.as_mut_ptr().cast(),
            _ => single.as_mut_ptr().cast(),
        };
        let mut arguments = [group.as_mut_ptr().cast(), settings];
        // SAFETY: the kernel was made for this dtype and number of slots, which have as many elements each.
        unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments) }
    }
}

/// `rn::Group` as words, and how many blocks the tensors take: a count and 25 numbers of 32 bits, then numbers of 64.
pub fn pack_group(waiting: &[Vec<Tensor>]) -> Result<(Vec<u64>, u32)> {
    let mut head = [0u32; TENSORS + 2];
    head[0] = waiting.len() as u32;
    let mut blocks = 0u32;
    for (i, slots) in waiting.iter().enumerate() {
        head[1 + i] = blocks;
        let Ok(own) = u32::try_from(slots[0].numel().div_ceil(PER_BLOCK)) else {
            bail!(
                Unsupported,
                "a parameter of {} elements is too large for one CUDA kernel",
                slots[0].numel()
            );
        };
        blocks += own;
    }
    head[1 + waiting.len()] = blocks;
    let mut group: Vec<u64> = head.chunks(2).map(|w| u64::from(w[0]) | u64::from(w[1]) << 32).collect();
    group.extend((0..TENSORS).map(|i| waiting.get(i).map_or(0, |s| s[0].numel() as u64)));
    for i in 0..TENSORS {
        let slots = waiting[0].len();
        group.extend((0..slots).map(|k| waiting.get(i).map_or(0, |s| s[k].device_address())));
    }
    Ok((group, blocks))
}

/// The text of a rule's kernel.
pub fn source(rule: &str, dtype: DType, slots: usize) -> String {
    let (t, a) = (computed_type(dtype), stored(dtype));
    format!(
        "namespace rn {{ template <int N, class T> __device__ __forceinline__ void rule(T* v, const T* s) {{ {rule} }} }}\n{}\nextern \"C\" __global__ void __launch_bounds__(256) update_step(rn::Group<{a}, {slots}> group, rn::Settings<{t}> settings) {{ rn::update<{slots}>(group, settings); }}\n",
        concat!(include_str!("../cuda/kernels/tensor_group.cu"), include_str!("../cuda/kernels/optim.cu"))
    )
}
