//! What `GradScaler` does on a GPU, in few launches and without the host waiting.

use super::gpu::{TENSORS, pack_group};
use crate::bail;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::copy;
use crate::ops::cuda::pointwise::gpu_of;
use crate::ops::cuda::template::{Instance, argument, types_of};
use crate::tensor::Tensor;

const LOSS_SCALE: &str =
    concat!(include_str!("../cuda/kernels/tensor_group.cu"), include_str!("../cuda/kernels/loss_scale.cu"));

/// Multiplies gradients on one GPU by `inverse`, and sets `found` to 1 if one of them is not finite; both are of
/// float32 and one element on that GPU.
pub fn unscale(grads: &[Tensor], inverse: &Tensor, found: &Tensor) -> Result<()> {
    for t in [inverse, found] {
        if t.dtype() != DType::F32 || t.numel() != 1 || !t.device().is_cuda() {
            bail!(
                Autograd,
                "the factor of gradients and what is found among them must be a float32 each on a GPU"
            );
        }
    }
    if let Some(other) = grads.iter().find(|g| g.device() != found.device() || inverse.device() != g.device())
    {
        bail!(
            Autograd,
            "Expected all tensors to be on the same device, but found at least two devices, {} and {}!",
            found.device(),
            other.device()
        );
    }
    // Gradients with gaps go through dense copies.
    let dense: Vec<Tensor> = grads
        .iter()
        .map(|g| match g.layout().is_non_overlapping_and_dense() {
            true => Ok(g.detach()),
            false => copy::contiguous(&g.detached()),
        })
        .collect::<Result<_>>()?;
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let waiting: Vec<Vec<Tensor>> =
            dense.iter().filter(|g| g.dtype() == dtype && g.numel() > 0).map(|g| vec![g.clone()]).collect();
        for waiting in waiting.chunks(TENSORS) {
            let gpu = gpu_of(found)?;
            let (mut group, blocks) = pack_group(waiting)?;
            let mut places = [inverse.device_address(), found.device_address()];
            let [factor, flag] = &mut places;
            let kernel = unscale_instance(dtype, |i| i.kernel(gpu))?;
            let mut arguments = [group.as_mut_ptr().cast(), argument(factor), argument(flag)];
            // SAFETY: the instance was made for this dtype; the group has the tensors' sizes.
            unsafe { gpu.launch(kernel, [blocks, 1, 1], 256, &mut arguments)? };
        }
    }
    for (g, dense) in grads.iter().zip(&dense) {
        if !g.layout().is_non_overlapping_and_dense() {
            copy::write(g, dense)?;
        }
        g.bump_version();
    }
    Ok(())
}

/// The kernel that unscales gradients of a dtype.
pub fn unscale_instance<R>(dtype: DType, then: impl FnOnce(&Instance) -> R) -> R {
    let (e, t) = types_of(dtype);
    then(&Instance {
        text: LOSS_SCALE,
        function: "unscale",
        types: &|| t.to_owned(),
        parameters: &|| format!("rn::Group<{e}, 1> group, const float* inverse, float* found"),
        variant: &[dtype as u8],
    })
}

/// Changes a loss scale (float32) and its tracker (int32) by what was found (float32), all on one GPU.
pub fn update_scale(
    [scale, tracker, found]: [&Tensor; 3],
    mut growth: f64,
    mut backoff: f64,
    mut interval: i32,
) -> Result<()> {
    for (t, dtype) in [(scale, DType::F32), (tracker, DType::I32), (found, DType::F32)] {
        if t.dtype() != dtype || t.numel() != 1 || t.device() != scale.device() {
            bail!(Autograd, "a loss scale, its tracker and what was found must be numbers on one GPU");
        }
    }
    let gpu = gpu_of(scale)?;
    let kernel = update_scale_instance(|i| i.kernel(gpu))?;
    let mut places = [scale.device_address(), tracker.device_address(), found.device_address()];
    let mut arguments: Vec<_> = places.iter_mut().map(argument).collect();
    arguments.extend([argument(&mut growth), argument(&mut backoff), argument(&mut interval)]);
    // SAFETY: three numbers of the kernel's types.
    unsafe { gpu.launch(kernel, [1, 1, 1], 256, &mut arguments)? };
    scale.bump_version();
    tracker.bump_version();
    Ok(())
}

/// The kernel that updates a loss scale.
pub fn update_scale_instance<R>(then: impl FnOnce(&Instance) -> R) -> R {
    then(&Instance {
        text: LOSS_SCALE,
        function: "update_scale",
        types: &|| "0".to_owned(),
        parameters: &|| {
            "float* scale, int* tracker, const float* found, double growth, double backoff, int interval"
                .to_owned()
        },
        variant: &[],
    })
}
