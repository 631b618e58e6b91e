//! Mixed precision: while it is switched on, arguments of some operations are cast before these run, products
//! and convolutions to a short dtype, what needs precision to float32. The lists are PyTorch's for the CPU.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::autograd::grad_enabled;
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
}

/// Names of operations in words.
type Names = &'static str;

const SHORT: Names = "
    addbmm addmm affine_grid_generator baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d
    conv_transpose2d conv_transpose3d convolution corrcoef cov einsum inner linalg.matrix_power linalg.multi_dot
    linalg.vecdot linear matmul matrix_power mm nn.functional.scaled_dot_product_attention prelu rnn_relu_cell
    rnn_tanh_cell tensordot";

const SINGLE: Names = "
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

const WIDEST: Names = "gru_cell index_copy lstm_cell";

/// The policy of an operation, by its name in the registry.
pub fn policy_of(name: &str) -> Policy {
    let policies = [(SHORT, Policy::Short), (SINGLE, Policy::Single), (WIDEST, Policy::Widest)];
    let found = policies.iter().find(|(names, _)| names.split_whitespace().any(|n| n == name));
    found.map_or(Policy::Neutral, |(_, policy)| *policy)
}

/// The state of a thread.
#[derive(Clone, Copy)]
pub struct Autocast {
    pub enabled: bool,
    /// The short dtype.
    pub dtype: DType,
    /// Whether casts of parameters are kept for the next operation.
    pub caches: bool,
}

thread_local! {
    static STATE: Cell<Autocast> =
        const { Cell::new(Autocast { enabled: false, dtype: DType::BF16, caches: true }) };
    /// Parameters with what was made of them, and the version they had.
    static CASTS: RefCell<HashMap<*const (), (Tensor, u32, Tensor)>> = RefCell::new(HashMap::new());
}

pub fn state() -> Autocast {
    STATE.with(Cell::get)
}

pub fn set_state(state: Autocast) {
    STATE.with(|s| s.set(state));
}

#[inline]
pub fn enabled() -> bool {
    STATE.with(Cell::get).enabled
}

/// Forgets the casts of parameters.
pub fn clear_cache() {
    let casts = CASTS.with_borrow_mut(std::mem::take);
    drop(casts);
}

/// Casts the arguments of an operation as its policy says.
pub fn cast_arguments(policy: Policy, values: &mut [Value]) -> Result<()> {
    let to = match policy {
        Policy::Neutral => return Ok(()),
        Policy::Short => state().dtype,
        Policy::Single => DType::F32,
        Policy::Widest => widest(values),
    };
    for value in values {
        match value {
            Value::Tensor(t) => *t = cast(t, to)?,
            Value::Tensors(list) => {
                for t in list {
                    *t = cast(t, to)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// float64 is asked for on purpose, and stays.
fn is_eligible(t: &Tensor) -> bool {
    t.dtype().is_floating() && t.dtype() != DType::F64
}

fn widest(values: &[Value]) -> DType {
    let tensors = values.iter().flat_map(|value| match value {
        Value::Tensor(t) => std::slice::from_ref(t),
        Value::Tensors(list) => &list[..],
        _ => &[],
    });
    let single = tensors.filter(|t| is_eligible(t)).any(|t| t.dtype() == DType::F32);
    if single { DType::F32 } else { state().dtype }
}

/// The tensor in another dtype, if it is eligible. Of a parameter, the same one each time.
pub fn cast(t: &Tensor, to: DType) -> Result<Tensor> {
    if !is_eligible(t) || t.dtype() == to {
        return Ok(t.clone());
    }
    let kept = state().caches
        && grad_enabled()
        && t.dtype() == DType::F32
        && t.requires_grad()
        && t.is_leaf()
        && t.view_of().is_none();
    if !kept {
        return copy::to_dtype(t, to);
    }
    let found = CASTS.with_borrow(|casts| {
        let (_, version, made) = casts.get(&t.identity())?;
        (*version == t.version() && made.dtype() == to).then(|| made.clone())
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let made = copy::to_dtype(t, to)?;
    let old =
        CASTS.with_borrow_mut(|casts| casts.insert(t.identity(), (t.clone(), t.version(), made.clone())));
    drop(old);
    Ok(made)
}
