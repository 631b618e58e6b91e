//! Copies to, from and on a GPU.

use cudarc::driver::result;

use crate::autograd;
use crate::bail;
use crate::cpu::pointwise::Formula;
use crate::cuda::gpu::driver_error;
use crate::device::{self, Device};
use crate::error::Result;
use crate::ops::copy;
use crate::ops::cuda::pointwise::{gpu_of, launch};
use crate::ops::pointwise::Arg;
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// What copies and conversions compute.
const SAME: Formula = Formula { text: "x", names: &["x"] };

/// Overwrites `dst` with `src`, converted and broadcast, where at least one is on a GPU. Sizes were checked;
/// memory that both share was taken care of.
pub fn write(dst: &Tensor, src: &Tensor) -> Result<()> {
    match (dst.device(), src.device()) {
        (to, from) if to == from => launch(&SAME, false, dst, &[Arg::Tensor(src)], src.dtype()),
        (Device::Meta, _) => Ok(()),
        (_, Device::Meta) => bail!(Unsupported, "Cannot copy out of meta tensor; no data!"),
        (Device::Cuda(_), Device::Cpu) => {
            // The host converts; what is strided over there is scattered over there.
            let dense = device::at(Device::Cpu, || dense(src, dst.dtype()))?;
            if dst.is_contiguous() && dst.sizes() == dense.sizes() {
                return upload(dst, &dense);
            }
            let landed = device::at(dst.device(), || Tensor::empty(dense.sizes(), dst.dtype()))?;
            upload(&landed, &dense)?;
            write(dst, &landed)
        }
        (Device::Cpu, from) => {
            let dense = device::at(from, || dense(src, src.dtype()))?;
            if dst.is_contiguous() && dst.sizes() == dense.sizes() && dst.dtype() == dense.dtype() {
                return download(dst, &dense);
            }
            let landed = device::at(Device::Cpu, || Tensor::empty(dense.sizes(), dense.dtype()))?;
            download(&landed, &dense)?;
            copy::write(dst, &landed)
        }
        (to, from) => {
            let dense = device::at(from, || dense(src, dst.dtype()))?;
            let landed = device::at(to, || Tensor::empty(dense.sizes(), dst.dtype()))?;
            between_gpus(&landed, &dense)?;
            write(dst, &landed)
        }
    }
}

fn dense(src: &Tensor, dtype: crate::dtype::DType) -> Result<Tensor> {
    autograd::no_grad(|| copy::contiguous(&copy::to_dtype(&src.detached(), dtype)?))
}

/// Both contiguous, of one dtype.
fn upload(dst: &Tensor, src: &Tensor) -> Result<()> {
    let gpu = gpu_of(dst)?;
    gpu.enter()?;
    let bytes = src.numel() * src.dtype().size();
    // SAFETY: both are contiguous with that many bytes. The driver has read pageable memory when it returns.
    unsafe {
        let from = std::slice::from_raw_parts(src.ptr(), bytes);
        result::memcpy_htod_async(dst.device_address(), from, gpu.stream()).map_err(driver_error)
    }
}

/// Both contiguous, of one dtype. Waits for the bytes.
fn download(dst: &Tensor, src: &Tensor) -> Result<()> {
    let gpu = gpu_of(src)?;
    gpu.enter()?;
    let bytes = src.numel() * src.dtype().size();
    // SAFETY: both are contiguous with that many bytes, and the stream is waited for before anybody reads.
    unsafe {
        let to = std::slice::from_raw_parts_mut(dst.ptr(), bytes);
        result::memcpy_dtoh_async(to, src.device_address(), gpu.stream()).map_err(driver_error)?;
    }
    gpu.synchronize_stream()
}

fn between_gpus(dst: &Tensor, src: &Tensor) -> Result<()> {
    let (to, from) = (gpu_of(dst)?, gpu_of(src)?);
    from.synchronize_stream()?;
    to.enter()?;
    let bytes = src.numel() * src.dtype().size();
    // SAFETY: both are contiguous with that many bytes; what wrote the source is done.
    unsafe { result::memcpy_dtod_async(dst.device_address(), src.device_address(), bytes, to.stream()) }
        .map_err(driver_error)?;
    to.synchronize_stream()
}

/// Fills every element.
pub fn fill(t: &Tensor, value: Scalar) -> Result<()> {
    const VALUE: Formula = Formula { text: "value", names: &["value"] };
    // A number of another kind is converted as the CPU does it: by way of its own type.
    launch(&VALUE, false, t, &[Arg::Number(value)], value.dtype().promote(t.dtype()))
}

/// Zero bytes, which are zero in every dtype.
pub fn fill_zeros(t: &Tensor) -> Result<()> {
    if t.numel() == 0 {
        return Ok(());
    }
    let gpu = gpu_of(t)?;
    if gpu.is_meta() {
        return Ok(());
    }
    gpu.enter()?;
    // SAFETY: a contiguous tensor has that many bytes.
    unsafe {
        result::memset_d8_async(t.device_address(), 0, t.numel() * t.dtype().size(), gpu.stream())
            .map_err(driver_error)
    }
}
