//! Operations on tensors of GPUs: what `cpu` is for the host. Operations branch to these functions where they
//! would run a kernel; where they have none as yet, `device::refuse` makes an error of it.

pub mod arg_extreme;
pub mod axis;
pub mod conv;
pub mod copy;
pub mod ctc;
pub mod distance;
pub mod fft;
pub mod fold;
pub mod grid_sample;
pub mod histogram;
pub mod index;
pub mod linalg;
pub mod mask;
pub mod matmul;
pub mod pick;
pub mod places;
pub mod pointwise;
pub mod pool;
pub mod random;
pub mod recurrent;
pub mod reduce;
pub mod scan;
pub mod search;
pub mod select;
pub mod softmax;
pub mod sort;
pub mod template;
pub mod unique;

use crate::bail;
use crate::device::{self, Device};
use crate::error::Result;
use crate::tensor::Tensor;

/// Runs an operation with the thread's place where its arguments are; a missing kernel is its error.
#[inline]
pub fn beside<R>(tensors: &[&Tensor], body: impl FnOnce() -> Result<R>) -> Result<R> {
    if !device::others_in_use() {
        return body();
    }
    let place = tensors.iter().map(|t| t.device()).find(|d| d.is_cuda()).unwrap_or_default();
    device::at(place, || device::guarded(body))
}

/// The device that all of `tensors` are on; the CPU if there are none. Tensors of a single element on
/// the CPU go with any other, as numbers do.
pub fn common_device<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Device> {
    let mut common: Option<Device> = None;
    for t in tensors {
        let device = t.device();
        if device == Device::Cpu && t.ndim() == 0 {
            continue;
        }
        match common {
            Some(other) if other != device && (other == Device::Meta || device == Device::Meta) => bail!(
                Autograd,
                "Tensor on device {} is not on the expected device meta!",
                if other == Device::Meta { device } else { other }
            ),
            Some(other) if other != device => bail!(
                Autograd,
                "Expected all tensors to be on the same device, but found at least two devices, {} and {}!",
                if other == Device::Cpu { device } else { other },
                if other == Device::Cpu { other } else { device }
            ),
            _ => common = Some(device),
        }
    }
    Ok(common.unwrap_or_default())
}
