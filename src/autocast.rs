//! Mixed precision: while it is switched on, arguments of some operations are cast before these run, products
//! and convolutions to a short dtype, what needs precision to float32. The CPU and GPUs have each their own switch,
//! short dtype and lists, which are PyTorch's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::autograd::grad_enabled;
use crate::bail;
use crate::device;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::copy;
use crate::ops::registry::Value;
use crate::tensor::Tensor;

/// What is done with the floating-point arguments of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// They stay as they are.
    Neutral,
    /// They are cast to the short dtype.
    Short,
    /// They are cast to float32.
    Single,
    /// They are cast to the widest dtype among them.
    Widest,
    /// The operation is refused.
    Refused,
}

/// What is done for tensors on the CPU, and on GPUs.
pub type Policies = [Policy; 2];

/// Names of operations in words.
type Names = &'static str;

const CPU_SHORT: Names = "
    addbmm addmm affine_grid_generator baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d
    conv_transpose2d conv_transpose3d convolution corrcoef cov einsum inner linalg.matrix_power linalg.multi_dot
    linalg.vecdot linear matmul matrix_power mm nn.functional.scaled_dot_product_attention prelu rnn_relu_cell
    rnn_tanh_cell tensordot";

const CPU_SINGLE: Names = "
    _recurrence binary_cross_entropy_with_logits cdist cholesky cholesky_inverse cholesky_solve
    cosine_embedding_loss ctc_loss fft.fft fft.fft2 fft.fftn fft.hfft fft.ifft fft.ifft2 fft.ifftn fft.ihfft
    fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn geqrf grid_sampler hinge_embedding_loss inverse
    istft kl_div linalg.cholesky linalg.cholesky_ex linalg.cond linalg.eig linalg.eigh linalg.eigvals
    linalg.eigvalsh linalg.householder_product linalg.inv linalg.inv_ex linalg.lstsq linalg.matrix_rank
    linalg.pinv linalg.qr linalg.solve linalg.svd linalg.svdvals linalg.tensorinv linalg.tensorsolve lu lu_solve
    margin_ranking_loss max_pool3d nanquantile nn.functional.adaptive_avg_pool3d
    nn.functional.adaptive_max_pool3d_with_indices nn.functional.avg_pool3d nn.functional.binary_cross_entropy
    nn.functional.cross_entropy nn.functional.huber_loss nn.functional.l1_loss nn.functional.lp_pool3d
    nn.functional.max_unpool1d nn.functional.max_unpool2d nn.functional.max_unpool3d nn.functional.mse_loss
    nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss nn.functional.nll_loss
    nn.functional.smooth_l1_loss nn.functional.soft_margin_loss orgqr ormqr pinverse poisson_nll_loss polar prod
    qr quantile stft svd trace triangular_solve triplet_margin_loss view_as_complex";

const CPU_WIDEST: Names = "gru_cell index_copy lstm_cell";

const CUDA_SHORT: Names = "
    _recurrence addbmm addmm addmv addr baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d
    conv_transpose2d conv_transpose3d convolution corrcoef cov einsum gru_cell inner linalg.matrix_power
    linalg.multi_dot linalg.vecdot linear lstm_cell matmul matrix_power mm mv
    nn.functional.scaled_dot_product_attention prelu rnn_relu_cell rnn_tanh_cell";

const CUDA_SINGLE: Names = "
    acos asin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity cumprod cumsum
    dist erfinv exp expm1 float_power group_norm hinge_embedding_loss kl_div layer_norm linalg.matrix_norm
    linalg.norm linalg.vector_norm log log10 log1p log2 log_softmax logsumexp margin_ranking_loss
    nn.functional.binary_cross_entropy_with_logits nn.functional.cosine_embedding_loss
    nn.functional.cosine_similarity nn.functional.cross_entropy nn.functional.group_norm
    nn.functional.hinge_embedding_loss nn.functional.huber_loss nn.functional.interpolate nn.functional.kl_div
    nn.functional.l1_loss nn.functional.layer_norm nn.functional.margin_ranking_loss nn.functional.mse_loss
    nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss nn.functional.nll_loss
    nn.functional.normalize nn.functional.pdist nn.functional.poisson_nll_loss nn.functional.smooth_l1_loss
    nn.functional.soft_margin_loss nn.functional.softmin nn.functional.softplus
    nn.functional.triplet_margin_loss norm pdist poisson_nll_loss pow prod reciprocal renorm rsqrt sinh softmax
    sum tan triplet_margin_loss";

const CUDA_WIDEST: Names = "
    addcdiv addcmul atan2 bilinear cross dot grid_sampler index_put linalg.cross nn.functional.bilinear
    nn.functional.grid_sample scatter_add tensordot vdot";

const CUDA_REFUSED: Names = "nn.functional.binary_cross_entropy";

/// The policies of an operation, by its name in the registry.
pub fn policies_of(name: &str) -> Policies {
    let find = |lists: &[(Names, Policy)]| {
        let found = lists.iter().find(|(names, _)| names.split_whitespace().any(|n| n == name));
        found.map_or(Policy::Neutral, |(_, policy)| *policy)
    };
    [
        find(&[(CPU_SHORT, Policy::Short), (CPU_SINGLE, Policy::Single), (CPU_WIDEST, Policy::Widest)]),
        find(&[
            (CUDA_SHORT, Policy::Short),
            (CUDA_SINGLE, Policy::Single),
            (CUDA_WIDEST, Policy::Widest),
            (CUDA_REFUSED, Policy::Refused),
        ]),
    ]
}

/// The switch of a kind of device.
#[derive(Clone, Copy)]
pub struct Switch {
    pub enabled: bool,
    /// The short dtype.
    pub dtype: DType,
}

/// The state of a thread.
#[derive(Clone, Copy)]
pub struct Autocast {
    /// Of the CPU and of GPUs.
    pub switches: [Switch; 2],
    /// Whether casts of parameters are kept for the next operation.
    pub caches: bool,
}

/// Which of the two a device is.
fn kind(t: &Tensor) -> usize {
    usize::from(t.device().is_cuda())
}

thread_local! {
    static STATE: Cell<Autocast> =
        const { Cell::new(Autocast {
            switches: [
                Switch { enabled: false, dtype: DType::BF16 },
                Switch { enabled: false, dtype: DType::F16 },
            ],
            caches: true,
        }) };
    /// Parameters with what was made of them, and the version they had.
    static CASTS: RefCell<HashMap<*const (), (Tensor, u32, Tensor)>> = RefCell::new(HashMap::new());
}

pub fn state() -> Autocast {
    STATE.with(Cell::get)
}

pub fn set_state(state: Autocast) {
    STATE.with(|s| s.set(state));
}

/// Whether it is on for any kind of device.
#[inline]
pub fn enabled() -> bool {
    let [cpu, cuda] = STATE.with(Cell::get).switches;
    cpu.enabled || cuda.enabled
}

/// Forgets the casts of parameters.
pub fn clear_cache() {
    let casts = CASTS.with_borrow_mut(std::mem::take);
    drop(casts);
}

/// Casts the arguments of an operation as its policies say: those on a kind of device by what is said for it.
pub fn cast_arguments(policies: Policies, values: &mut [Value]) -> Result<()> {
    for (kind, policy) in policies.into_iter().enumerate() {
        let switch = state().switches[kind];
        if !switch.enabled || !tensors(values).any(|t| is_eligible(t, kind)) {
            continue;
        }
        let to = match policy {
            Policy::Neutral => continue,
            Policy::Short => switch.dtype,
            Policy::Single => DType::F32,
            Policy::Widest => {
                let single = tensors(values).any(|t| is_eligible(t, kind) && t.dtype() == DType::F32);
                if single { DType::F32 } else { switch.dtype }
            }
            Policy::Refused => bail!(
                Autograd,
                "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast: take torch.nn.functional.binary_cross_entropy_with_logits or torch.nn.BCEWithLogitsLoss, which have the sigmoid in them"
            ),
        };
        for value in &mut *values {
            let tensors = match value {
                Value::Tensor(t) => std::slice::from_mut(t),
                Value::Tensors(list) => &mut list[..],
                _ => &mut [],
            };
            for t in tensors {
                if is_eligible(t, kind) {
                    *t = cast(t, to)?;
                }
            }
        }
    }
    Ok(())
}

/// The operand of an operator, cast as the policies of the operation of this name say.
pub fn cast_operand(name: &str, t: &Tensor) -> Result<Tensor> {
    let mut values = [Value::Tensor(t.clone())];
    cast_arguments(policies_of(name), &mut values)?;
    let [value] = values;
    Ok(if let Value::Tensor(t) = value { t } else { t.clone() })
}

fn tensors(values: &[Value]) -> impl Iterator<Item = &Tensor> {
    values.iter().flat_map(|value| match value {
        Value::Tensor(t) => std::slice::from_ref(t),
        Value::Tensors(list) => &list[..],
        _ => &[],
    })
}

/// float64 is asked for on purpose, and stays.
fn is_eligible(t: &Tensor, of: usize) -> bool {
    t.dtype().is_floating() && t.dtype() != DType::F64 && kind(t) == of
}

/// The tensor in another dtype. Of a parameter, the same one each time.
fn cast(t: &Tensor, to: DType) -> Result<Tensor> {
    if t.dtype() == to {
        return Ok(t.clone());
    }
    let convert = || device::at(t.device(), || copy::to_dtype(t, to));
    let kept = state().caches
        && grad_enabled()
        && t.dtype() == DType::F32
        && t.requires_grad()
        && t.is_leaf()
        && t.view_of().is_none();
    if !kept {
        return convert();
    }
    let found = CASTS.with_borrow(|casts| {
        let (_, version, made) = casts.get(&t.identity())?;
        (*version == t.version() && made.dtype() == to).then(|| made.clone())
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let made = convert()?;
    let old =
        CASTS.with_borrow_mut(|casts| casts.insert(t.identity(), (t.clone(), t.version(), made.clone())));
    drop(old);
    Ok(made)
}
