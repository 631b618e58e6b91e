//! The Python module `rustnn._C`: converts arguments and results, and nothing else.
//!
//! [`functions`] turns the declarations of `ops` into functions and methods, [`tensor`] is the class
//! `Tensor`, [`indexing`] reads `x[...]`; the other files are one class or one conversion each.

mod arguments;
mod attribute_entry;
mod autocast;
mod autograd;
mod checksum;
mod convert;
mod cuda;
mod cuda_graph;
mod data;
mod deprecated;
mod device;
mod dispatch;
mod dlpack;
mod dtype;
mod entry;
mod error;
mod formats;
mod functions;
mod gc;
mod generator;
mod handwritten;
mod indexing;
mod modes;
mod numpy;
mod operators;
mod optim;
mod out;
mod profiler;
mod signature;
mod storage;
mod subclass;
mod tensor;
mod threads;
mod to;
mod warnings;

use pyo3::prelude::*;

#[pymodule]
#[pyo3(name = "_C")]
fn native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(m)?;
    dtype::register(m)?;
    device::register(m)?;
    formats::register(m)?;
    generator::register(m)?;
    storage::register(m)?;
    tensor::register(m)?;
    threads::register(m)?;
    autograd::register(m)?;
    autocast::register(m)?;
    checksum::register(m)?;
    cuda::register(m)?;
    cuda_graph::register(m)?;
    data::register(m)?;
    numpy::register(m)?;
    dlpack::register(m)?;
    subclass::register(m)?;
    modes::register(m)?;
    profiler::register(m)?;
    optim::register(m)?;
    handwritten::register(m)?;
    attribute_entry::register(m)?;
    warnings::register(m)?;
    functions::register(m)
}
