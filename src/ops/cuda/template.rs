//! Kernels that stand in `cuda/kernels/*.cu` as templates: an instance is one more line behind the file's text.

use std::ffi::c_void;

use crate::cuda::formula::{computed, stored};
use crate::cuda::gpu::{Gpu, Kernel, KernelKey};
use crate::dtype::DType;
use crate::error::Result;

/// Threads in a block of every template.
pub const THREADS: u32 = 256;

/// An instance of a template: the types and numbers between its angle brackets.
pub struct Instance<'a> {
    /// The text of the files that it needs.
    pub text: &'static str,
    /// The function in namespace `rn`.
    pub function: &'static str,
    /// What stands between the angle brackets.
    pub types: &'a dyn Fn() -> String,
    /// Its parameters, as `type name, type name`.
    pub parameters: &'a dyn Fn() -> String,
    /// What the instance depends on.
    pub variant: &'a [u8],
}

impl Instance<'_> {
    pub fn source(&self) -> String {
        self.source_for(1)
    }

    /// With registers for so many blocks on a multiprocessor at a time.
    fn source_for(&self, blocks: u32) -> String {
        let parameters = (self.parameters)();
        let bounds = if blocks > 1 { format!("{THREADS}, {blocks}") } else { THREADS.to_string() };
        let names: Vec<&str> =
            parameters.split(", ").filter_map(|p| p.rsplit_once(' ').map(|(_, name)| name)).collect();
        format!(
            "{}\nextern \"C\" __global__ void __launch_bounds__({bounds}) instance({parameters}) {{ rn::{}<{}>({}); }}\n",
            self.text,
            self.function,
            (self.types)(),
            names.join(", ")
        )
    }

    pub fn kernel(&self, gpu: &Gpu) -> Result<Kernel> {
        self.kernel_for(gpu, 1)
    }

    /// The kernel, of which so many blocks fit on a multiprocessor.
    pub fn kernel_for(&self, gpu: &Gpu, blocks: u32) -> Result<Kernel> {
        let mut variant = [0; 12];
        variant[..self.variant.len()].copy_from_slice(self.variant);
        // Two functions of one file are told apart by their names' addresses.
        let key = KernelKey { text: self.function.as_ptr(), names: std::ptr::null(), variant };
        gpu.kernel(key, "instance", || Ok(self.source_for(blocks)))
    }
}

/// The C++ type of elements in memory, and of what they are computed in.
pub fn types_of(dtype: DType) -> (&'static str, &'static str) {
    (stored(dtype), computed_type(dtype))
}

/// The C++ type that elements are computed in.
pub fn computed_type(dtype: DType) -> &'static str {
    match computed(dtype) {
        DType::I64 => "rn::Int",
        other => stored(other),
    }
}

/// A pointer to an argument of a kernel.
pub fn argument<T>(value: &mut T) -> *mut c_void {
    std::ptr::from_mut(value).cast()
}
