//! Copies to, from and on a GPU.

use std::cell::Cell;

use cudarc::driver::result;

use crate::autograd;
use crate::bail;
use crate::cpu::pointwise::Formula;
use crate::cuda::gpu::{Gpu, driver_error};
use crate::device::{self, Device};
use crate::error::Result;
use crate::ops::copy;
use crate::ops::cuda::pointwise::{gpu_of, launch};
use crate::ops::pointwise::Arg;
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// What copies and conversions compute.
const SAME: Formula = Formula { text: "x", names: &["x"] };

thread_local! {
    static NON_BLOCKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body`, in which copies from and to page-locked memory are started and not waited for.
pub fn non_blocking<R>(on: bool, body: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            NON_BLOCKING.set(self.0);
        }
    }
    if !on {
        return body();
    }
    let _restore = Restore(NON_BLOCKING.replace(true));
    body()
}

/// Overwrites `dst` with `src`, converted and broadcast, where at least one is on a GPU. Sizes were checked;
/// memory that both share was taken care of.
pub fn write(dst: &Tensor, src: &Tensor) -> Result<()> {
    let wait = !NON_BLOCKING.get();
    match (dst.device(), src.device()) {
        (to, from) if to == from => launch(&SAME, false, dst, &[Arg::Tensor(src)], src.dtype()),
        (Device::Meta, _) => Ok(()),
        (_, Device::Meta) => bail!(Unsupported, "Cannot copy out of meta tensor; no data!"),
        (Device::Cuda(_), Device::Cpu) => {
            if alike(dst, src) {
                return upload(dst, src, wait);
            }
            // The host converts; what is strided over there is scattered over there.
            let dense = device::at(Device::Cpu, || dense(src, dst.dtype()))?;
            if dst.is_contiguous() && dst.sizes() == dense.sizes() {
                return upload(dst, &dense, wait);
            }
            let landed = device::at(dst.device(), || Tensor::empty(dense.sizes(), dst.dtype()))?;
            upload(&landed, &dense, wait)?;
            write(dst, &landed)
        }
        (Device::Cpu, from) => {
            if alike(dst, src) {
                return download(dst, src, wait);
            }
            let dense = device::at(from, || dense(src, src.dtype()))?;
            if dst.is_contiguous() && dst.sizes() == dense.sizes() && dst.dtype() == dense.dtype() {
                return download(dst, &dense, wait);
            }
            let landed = device::at(Device::Cpu, || Tensor::empty(dense.sizes(), dense.dtype()))?;
            download(&landed, &dense, true)?;
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

/// Whether the bytes of one are those of the other: both dense, in one order.
fn alike(dst: &Tensor, src: &Tensor) -> bool {
    let (to, from) = (dst.layout(), src.layout());
    dst.dtype() == src.dtype()
        && to.sizes == from.sizes
        && to.strides == from.strides
        && to.is_non_overlapping_and_dense()
        && to.strides.iter().all(|&s| s >= 0)
}

fn dense(src: &Tensor, dtype: crate::dtype::DType) -> Result<Tensor> {
    autograd::no_grad(|| copy::contiguous(&copy::to_dtype(&src.detached(), dtype)?))
}

/// What a graph would do in each replay is done with memory that the GPU reaches by itself.
fn check_capture(gpu: &Gpu, host: &Tensor, wait: bool) -> Result<()> {
    if !gpu.is_capturing() {
        return Ok(());
    }
    if host.storage().pinned().is_none() {
        bail!(
            Autograd,
            "CUDA error: operation not permitted when stream is capturing. Cannot copy between CPU and CUDA tensors during CUDA graph capture unless the CPU tensor is pinned. Please use tensor.pin_memory() or allocate the tensor with pin_memory=True."
        );
    }
    if wait {
        gpu.refuse_capture("a copy without non_blocking=True")?;
    }
    gpu.keep_for_graph(host.storage());
    Ok(())
}

/// Both of one dtype, with the same bytes in the same order.
fn upload(dst: &Tensor, src: &Tensor, wait: bool) -> Result<()> {
    let gpu = gpu_of(dst)?;
    gpu.enter()?;
    check_capture(gpu, src, wait)?;
    let bytes = src.numel() * src.dtype().size();
    // SAFETY: both have that many bytes. The driver has read pageable memory when it returns; page-locked memory is
    // waited for, or given to nobody else before the stream is past this.
    unsafe {
        let from = std::slice::from_raw_parts(src.ptr(), bytes);
        result::memcpy_htod_async(dst.device_address(), from, gpu.stream()).map_err(driver_error)?;
    }
    match src.storage().pinned() {
        Some(_) if wait => gpu.synchronize_stream(),
        Some(memory) => {
            memory.note_use(gpu.index, gpu.current_stream());
            Ok(())
        }
        None => Ok(()),
    }
}

/// Both of one dtype, with the same bytes in the same order. Waits for the bytes, unless it is told not to and the
/// memory is page-locked.
fn download(dst: &Tensor, src: &Tensor, wait: bool) -> Result<()> {
    let gpu = gpu_of(src)?;
    gpu.enter()?;
    check_capture(gpu, dst, wait)?;
    let bytes = src.numel() * src.dtype().size();
    // SAFETY: both have that many bytes; the stream is waited for before anybody reads, by whoever asked not to wait
    // or here.
    unsafe {
        let to = std::slice::from_raw_parts_mut(dst.ptr(), bytes);
        result::memcpy_dtoh_async(to, src.device_address(), gpu.stream()).map_err(driver_error)?;
    }
    match dst.storage().pinned() {
        Some(memory) if !wait => {
            memory.note_use(gpu.index, gpu.current_stream());
            Ok(())
        }
        _ => gpu.synchronize_stream(),
    }
}

fn between_gpus(dst: &Tensor, src: &Tensor) -> Result<()> {
    let (to, from) = (gpu_of(dst)?, gpu_of(src)?);
    to.refuse_capture("a copy between GPUs")?;
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
