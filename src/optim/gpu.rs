//! Update steps on a GPU: all parameters that take the same settings in one launch.

use std::ffi::c_void;

use super::{Real, Rule};
use crate::bail;
use crate::cuda::formula::stored;
use crate::cuda::gpu::KernelKey;
use crate::device;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{argument, computed_type};
use crate::tensor::Tensor;

/// As `rn::TENSORS` and `rn::PER_BLOCK` have it.
pub const TENSORS: usize = 24;
const PER_BLOCK: usize = 1024;
/// Settings that a rule can have.
pub const SETTINGS: usize = 10;
/// Numbers that settings are made of, where a GPU counts the steps.
pub const NUMBERS: usize = 5;

/// Settings with zeros after them.
pub fn padded<C: Real, const N: usize>(settings: [C; N]) -> [C; SETTINGS] {
    const { assert!(N <= SETTINGS) };
    std::array::from_fn(|i| settings.get(i).copied().unwrap_or_else(C::zero))
}

/// How a GPU makes settings of counts that it has: steps of graphs, which the host does not see.
#[derive(Clone)]
pub struct Counted {
    /// As `Optimizer::COUNTED`.
    pub text: &'static str,
    pub numbers: [f64; NUMBERS],
    /// In place of the first number.
    pub rate: Option<Tensor>,
}

impl Counted {
    fn same(&self, other: &Counted) -> bool {
        let address = |c: &Counted| c.rate.as_ref().map(Tensor::device_address);
        std::ptr::eq(self.text, other.text)
            && self.numbers.map(f64::to_bits) == other.numbers.map(f64::to_bits)
            && address(self) == address(other)
    }
}

/// Tensors that wait for a launch.
#[derive(Default)]
pub struct Pending {
    rule: Option<&'static str>,
    settings: [f64; SETTINGS],
    dtype: Option<DType>,
    /// Parameter, gradient, state.
    slots: Vec<Vec<Tensor>>,
    counted: Option<Counted>,
    /// The counts of the next parameter, and of those that wait.
    next_counts: Vec<Tensor>,
    counts: Vec<Vec<Tensor>>,
}

impl Pending {
    /// Says where the counts of the next parameter are: on its GPU, or (`None`) with the host. Launches what waits if
    /// that was otherwise before.
    pub fn count_on_gpu(&mut self, counted: Option<Counted>, counts: &[Tensor]) -> Result<()> {
        let same = match (&self.counted, &counted) {
            (Some(before), Some(now)) => {
                let dtype = |counts: &[Tensor]| counts.first().map(Tensor::dtype);
                before.same(now) && dtype(&self.next_counts) == dtype(counts)
            }
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.launch()?;
            self.counted = counted;
        }
        self.next_counts = counts.iter().map(Tensor::detach).collect();
        Ok(())
    }

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
        if slots[0].numel() > 0 || self.counted.is_some() {
            self.slots.push(slots.iter().map(|t| t.detach()).collect());
            if self.counted.is_some() {
                self.counts.push(self.next_counts.clone());
            }
        }
        Ok(())
    }

    /// Launches what waits.
    pub fn launch(&mut self) -> Result<()> {
        let (waiting, counts) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.counts));
        let (Some(rule), Some(dtype), Some(first)) = (self.rule, self.dtype, waiting.first()) else {
            return Ok(());
        };
        let gpu = gpu_of(&first[0])?;
        let n = first.len();
        if let Some(counted) = &self.counted {
            let settings = advance(counted, &counts, self.settings, dtype)?;
            return update_counted(rule, &waiting, &settings, dtype);
        }
        let mut variant = [0; 12];
        variant[..2].copy_from_slice(&[dtype as u8, n as u8]);
        let kernel = gpu.kernel(
            KernelKey { text: rule.as_ptr(), names: std::ptr::null(), variant },
            "update_step",
            || Ok(source(rule, dtype, n, false)),
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

/// Counts on, and makes of the counts the settings of each tensor, in memory of the GPU.
fn advance(counted: &Counted, counts: &[Vec<Tensor>], base: [f64; SETTINGS], dtype: DType) -> Result<Tensor> {
    let (n, kind) = (counts[0].len(), counts[0][0].dtype());
    let gpu = gpu_of(&counts[0][0])?;
    let misplaced = |t: &&Tensor| t.dtype() != kind || t.numel() != 1 || t.device() != counts[0][0].device();
    if !matches!(kind, DType::F32 | DType::F64) || counts.iter().flatten().find(misplaced).is_some() {
        bail!(Autograd, "the counts of an optimizer must be single numbers of float32 or float64 on one GPU");
    }
    let wide = dtype.to_real() == DType::F64;
    let own = if wide { DType::F64 } else { DType::F32 };
    let out = device::at(counts[0][0].device(), || Tensor::empty(&[TENSORS, SETTINGS], own))?;
    let mut variant = [0; 12];
    variant[..3].copy_from_slice(&[dtype as u8, n as u8, kind as u8]);
    let key = KernelKey { text: counted.text.as_ptr(), names: ADVANCE.as_ptr(), variant };
    let kernel = gpu.kernel(key, ADVANCE[0], || Ok(advance_source(counted.text, dtype, n, kind)))?;
    let mut group: Vec<u64> = vec![counts.len() as u64];
    group.extend(
        (0..TENSORS)
            .flat_map(|i| (0..n).map(move |k| counts.get(i).map_or(0, |counts| counts[k].device_address()))),
    );
    let mut single = base.map(|s| s as f32);
    let mut double = base;
    let settings: *mut c_void = if wide { double.as_mut_ptr().cast() } else { single.as_mut_ptr().cast() };
    let mut numbers = counted.numbers;
    let mut rates = [0u64; 2];
    if let Some(rate) = &counted.rate {
        match rate.dtype() {
            DType::F32 if rate.numel() == 1 => rates[0] = rate.device_address(),
            DType::F64 if rate.numel() == 1 => rates[1] = rate.device_address(),
            _ => bail!(Autograd, "a learning rate on a GPU must be a single number of float32 or float64"),
        }
    }
    let [single_rate, double_rate] = &mut rates;
    let mut to = out.device_address();
    let mut arguments = [
        group.as_mut_ptr().cast(),
        settings,
        numbers.as_mut_ptr().cast(),
        argument(single_rate),
        argument(double_rate),
        argument(&mut to),
    ];
    // SAFETY: the kernel was made for these dtypes and this number of counts; the result has room for all settings.
    unsafe { gpu.launch(kernel, [1, 1, 1], 32, &mut arguments)? };
    Ok(out)
}

const ADVANCE: &[&str] = &["advance"];

/// The update of tensors whose settings a GPU has.
fn update_counted(
    rule: &'static str,
    waiting: &[Vec<Tensor>],
    settings: &Tensor,
    dtype: DType,
) -> Result<()> {
    let (gpu, n) = (gpu_of(settings)?, waiting[0].len());
    let mut variant = [0; 12];
    variant[..3].copy_from_slice(&[dtype as u8, n as u8, 1]);
    let key = KernelKey { text: rule.as_ptr(), names: std::ptr::null(), variant };
    let kernel = gpu.kernel(key, "update_step", || Ok(source(rule, dtype, n, true)))?;
    let (mut group, blocks) = pack_group(waiting)?;
    if blocks == 0 {
        return Ok(());
    }
    let mut from = settings.device_address();
    let mut arguments = [group.as_mut_ptr().cast(), argument(&mut from)];
    // SAFETY: the kernel was made for this dtype and number of slots, which have as many elements each.
    unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments) }
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

/// The text of a rule's kernel; `counted` settings are in memory, one set a tensor.
pub fn source(rule: &str, dtype: DType, slots: usize, counted: bool) -> String {
    let (t, a) = (computed_type(dtype), stored(dtype));
    let (parameter, settings) = match counted {
        true => (format!("const rn::Settings<{t}>* settings"), "settings, 1"),
        false => (format!("rn::Settings<{t}> settings"), "&settings, 0"),
    };
    format!(
        "namespace rn {{ template <int N, class T> __device__ __forceinline__ void rule(T* v, const T* s) {{ {rule} }} }}\n{TEXT}\nextern \"C\" __global__ void __launch_bounds__(256) update_step(rn::Group<{a}, {slots}> group, {parameter}) {{ rn::update<{slots}>(group, {settings}); }}\n",
    )
}

/// The text of the kernel that counts on.
pub fn advance_source(text: &str, dtype: DType, counts: usize, kind: DType) -> String {
    let (t, k) = (computed_type(dtype), stored(kind));
    format!(
        "namespace rn {{ template <int N, class T> __device__ __forceinline__ void rule(T*, const T*) {{}}\ntemplate <class T, class K> __device__ __forceinline__ void counted(K* c, const double* h, T* s) {{ {text} }} }}\n{TEXT}\nextern \"C\" __global__ void __launch_bounds__(32) advance(rn::Counts<{k}, {counts}> counts, rn::Settings<{t}> base, rn::Numbers numbers, const float* single_rate, const double* double_rate, rn::Settings<{t}>* out) {{ rn::advance(counts, base, numbers, single_rate, double_rate, out, rn::counted<{t}, {k}>); }}\n",
    )
}

const TEXT: &str =
    concat!(include_str!("../cuda/kernels/tensor_group.cu"), include_str!("../cuda/kernels/optim.cu"));
