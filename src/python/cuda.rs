//! What `rustnn.cuda` is made of.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::cpu::grid_sample::Interpolation;
use crate::cpu::index::Put;
use crate::cpu::pointwise::Typed;
use crate::cpu::pool::Window;
use crate::cpu::recurrent::Cell;
use crate::cpu::reduce::Reduction;
use crate::cuda::formula::{self, Kernel, Operand, Order};
use crate::cuda::stream::Event;
use crate::cuda::{compile, gpu, library};
use crate::dtype::DType;
use crate::ops;
use crate::ops::cuda::grid_sample::Part;
use crate::ops::cuda::index::Access;
use crate::ops::cuda::matmul::Tiling;
use crate::ops::cuda::pool::{Pick, Windows};
use crate::ops::cuda::random::{self, Distribution, Rejection};
use crate::ops::cuda::sort::Step;
use crate::ops::cuda::template::Instance;
use crate::ops::cuda::{
    arg_extreme, axis, conv, ctc, distance, fft, fold, grid_sample, histogram, index, linalg, mask, matmul,
    pool, recurrent, reduce, scan, search, select, softmax, sort,
};
use crate::optim::{self, Optimizer, loss_scale};
use crate::python::gc::without_gil;

/// Number of GPUs; 0 where there is no driver.
#[pyfunction]
fn _cuda_device_count() -> usize {
    gpu::count()
}

#[pyfunction]
fn _cuda_is_initialized() -> bool {
    gpu::is_initialized()
}

/// A folder in which NVIDIA's libraries are looked for.
#[pyfunction]
fn _cuda_add_library_folder(folder: PathBuf) {
    library::add_folder(folder);
}

#[pyfunction]
fn _cuda_current_device() -> PyResult<u8> {
    Ok(gpu::gpu(gpu::current())?.index)
}

#[pyfunction]
fn _cuda_set_device(index: u8) -> PyResult<()> {
    Ok(gpu::set_current(index)?)
}

/// Name, compute capability and sizes.
#[pyfunction]
fn _cuda_properties(py: Python<'_>, index: u8) -> PyResult<Bound<'_, PyDict>> {
    let p = &gpu::gpu(index)?.properties;
    let dict = PyDict::new(py);
    dict.set_item("name", &p.name)?;
    dict.set_item("total_memory", p.total_memory)?;
    for (name, value) in [
        ("major", p.major),
        ("minor", p.minor),
        ("multi_processor_count", p.multiprocessors),
        ("max_threads_per_multi_processor", p.threads_per_multiprocessor),
        ("regs_per_multiprocessor", p.registers_per_multiprocessor),
        ("shared_memory_per_block", p.shared_memory_per_block),
        ("shared_memory_per_multiprocessor", p.shared_memory_per_multiprocessor),
        ("L2_cache_size", p.l2_cache),
        ("clock_rate", p.clock_khz),
        ("memory_clock_rate", p.memory_clock_khz),
        ("memory_bus_width", p.memory_bus_bits),
    ] {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

/// What the allocator holds, in bytes, and how often it was asked.
#[pyfunction]
fn _cuda_memory_statistics(py: Python<'_>, index: u8) -> PyResult<Bound<'_, PyDict>> {
    let s = gpu::gpu(index)?.statistics();
    let dict = PyDict::new(py);
    for (name, value) in [
        ("allocated", s.allocated),
        ("peak_allocated", s.peak_allocated),
        ("reserved", s.reserved),
        ("peak_reserved", s.peak_reserved),
        ("allocations", s.allocations),
        ("frees", s.frees),
        ("segments", s.segments),
        ("retries", s.retries),
        ("out_of_memory", s.out_of_memory),
    ] {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

#[pyfunction]
fn _cuda_reset_peaks(index: u8) -> PyResult<()> {
    gpu::gpu(index)?.reset_peaks();
    Ok(())
}

#[pyfunction]
fn _cuda_empty_cache(py: Python<'_>, index: u8) -> PyResult<()> {
    let gpu = gpu::gpu(index)?;
    without_gil(py, || gpu.empty_cache());
    Ok(())
}

#[pyfunction]
fn _cuda_synchronize(py: Python<'_>, index: u8) -> PyResult<()> {
    let gpu = gpu::gpu(index)?;
    Ok(without_gil(py, || gpu.synchronize())?)
}

/// Free and total bytes.
#[pyfunction]
fn _cuda_memory_info(index: u8) -> PyResult<(usize, usize)> {
    Ok(gpu::gpu(index)?.memory_info()?)
}

/// One of a GPU's streams, as a number; 0 is the default one.
#[pyfunction]
fn _cuda_new_stream(index: u8) -> PyResult<usize> {
    Ok(gpu::gpu(index)?.new_stream()?)
}

#[pyfunction]
fn _cuda_current_stream(index: u8) -> PyResult<usize> {
    Ok(gpu::gpu(index)?.stream() as usize)
}

/// Sends this thread's work to another stream.
#[pyfunction]
fn _cuda_set_stream(index: u8, stream: usize) -> PyResult<()> {
    let gpu = gpu::gpu(index)?;
    gpu.set_stream(gpu.stream_of(stream)?.raw());
    Ok(())
}

#[pyfunction]
fn _cuda_stream_is_idle(index: u8, stream: usize) -> PyResult<bool> {
    let gpu = gpu::gpu(index)?;
    Ok(gpu.is_idle(gpu.stream_of(stream)?)?)
}

#[pyfunction]
fn _cuda_wait_for_stream(py: Python<'_>, index: u8, stream: usize) -> PyResult<()> {
    let gpu = gpu::gpu(index)?;
    gpu.stream_of(stream)?;
    Ok(without_gil(py, || gpu.wait_for(gpu.stream_of(stream)?))?)
}

/// A mark in a stream.
#[pyclass(module = "rustnn._C", frozen)]
struct _CudaEvent {
    event: Event,
    index: u8,
}

#[pymethods]
impl _CudaEvent {
    #[new]
    fn new(index: u8, enable_timing: bool) -> PyResult<_CudaEvent> {
        Ok(_CudaEvent { event: Event::new(gpu::gpu(index)?, enable_timing)?, index })
    }

    fn record(&self, stream: usize) -> PyResult<()> {
        Ok(self.event.record(gpu::gpu(self.index)?.stream_of(stream)?)?)
    }

    /// Lets a stream's later work wait for the mark.
    fn hold(&self, stream: usize) -> PyResult<()> {
        Ok(self.event.hold(gpu::gpu(self.index)?.stream_of(stream)?)?)
    }

    fn query(&self) -> PyResult<bool> {
        Ok(self.event.is_done()?)
    }

    fn synchronize(&self, py: Python<'_>) -> PyResult<()> {
        Ok(without_gil(py, || self.event.synchronize())?)
    }

    /// Milliseconds from this mark to a later one.
    fn elapsed_time(&self, end: &_CudaEvent) -> PyResult<f32> {
        Ok(self.event.elapsed(&end.event)?)
    }
}

/// The text of every kernel that the table can become: what a test compiles where there is no GPU. A list of
/// (name, text); a formula that calls a function without a twin has the function's name in place of the text,
/// after a "!".
#[pyfunction]
fn _cuda_formula_kernels(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    let add = |name: &str, kernels: &Typed, to_bool: bool| -> PyResult<()> {
        let formula = &kernels.formula;
        if formula.text.is_empty() {
            return Ok(());
        }
        if let Some(function) = formula::missing_function(formula.text) {
            return list.append((name, format!("!{function}")));
        }
        let with = [
            (DType::F32, kernels.f32.is_some()),
            (DType::F64, kernels.f64.is_some()),
            (DType::I64, kernels.int.is_some()),
            (DType::C64, kernels.complex.is_some()),
            (DType::C128, kernels.complex.is_some()),
        ];
        for (dtype, _) in with.into_iter().filter(|(_, there)| *there) {
            let operands = vec![Operand::Tensor(dtype); formula.names.len()];
            for order in [Order::Flat(1), Order::Flat(2), Order::Strided { narrow: true }] {
                let out = if to_bool { DType::Bool } else { dtype };
                let text = Kernel {
                    formula: formula.text,
                    names: formula.names,
                    operands: &operands,
                    compute: formula::computed(dtype),
                    to_bool,
                    out,
                    order,
                }
                .text();
                let order = match order {
                    Order::Flat(width) => format!("flat {width}"),
                    Order::Strided { .. } => "strided".to_owned(),
                };
                list.append((format!("{name} {dtype} {order}"), text))?;
            }
        }
        Ok(())
    };
    for row in ops::rows() {
        add(row.name, &row.kernels, row.to_bool)?;
        for grad in row.grads {
            let name = format!("{} grad {}", row.name, row.inputs[grad.input as usize]);
            add(&name, &grad.kernels, false)?;
        }
    }
    Ok(list)
}

/// Instances of the kernels that stand in files, for tests to compile: a list of (name, text).
#[pyfunction]
fn _cuda_template_kernels() -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut add =
        |what: &str, dtype: DType, text: String| list.push((format!("template {what} {dtype}"), text));
    for dtype in DType::ALL {
        for reduction in [Reduction::Sum, Reduction::Prod, Reduction::Max, Reduction::Min] {
            let ordered = !matches!(reduction, Reduction::Max | Reduction::Min) || !dtype.is_complex();
            for group in [1, 32, 256].into_iter().filter(|_| ordered) {
                let instance = |i: &Instance| i.source();
                add(
                    "reduce",
                    dtype,
                    reduce::instance(reduction, group, group == 256, dtype, dtype, dtype, instance),
                );
            }
        }
        let half = matches!(dtype, DType::F16 | DType::BF16);
        // Of large kernels one of each kind of dtype: they take a second each.
        let some = matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::C128 | DType::I32);
        for (mma, r, by_depth) in
            [(half, 4, [true, true]), (half, 8, [true, false]), (false, 4, [false, false])]
        {
            let r = if dtype.size() > 4 { 4 } else { r };
            let tiling = Tiling { mma, r, parts: 1, part: 32 };
            let source = |i: &Instance| i.source();
            add("gemm", dtype, matmul::instance(dtype, dtype, tiling, by_depth, source));
            if some {
                add("convolve", dtype, conv::instance(dtype, dtype, tiling, false, source));
                add("convolve_weight", dtype, conv::instance(dtype, dtype, tiling, true, source));
            }
        }
        if some {
            add("convolve_few", dtype, conv::few_instance(dtype, 2, |i| i.source()));
            add("convolve_weight_few", dtype, conv::few_weight_instance(dtype, dtype, |i| i.source()));
        }
        for put in [Put::Write, Put::Add, Put::Multiply, Put::Max, Put::Min] {
            if !dtype.is_complex() || matches!(put, Put::Write | Put::Add | Put::Multiply) {
                add("index_put", dtype, index::instance(Access::Put(put), 1, dtype, |i| i.source()));
            }
        }
        add("index_read", dtype, index::instance(Access::Read, 2, dtype, |i| i.source()));
        for back in [false, true] {
            add("fold", dtype, fold::instance(dtype, back, |i| i.source()));
        }
        add("axis_map", dtype, axis::instance(dtype, true, |i| i.source()));
        if dtype.is_floating() || dtype.is_complex() || dtype == DType::I64 {
            add("axis_map", dtype, axis::instance(dtype, false, |i| i.source()));
        }
        if !dtype.is_complex() && dtype != DType::Bool {
            let one = Window { kernel: 1, stride: 1, padding: 0, dilation: 1 };
            for windows in [Windows::Sliding([one; 3]), Windows::Adaptive] {
                for gradient in [false, true] {
                    add("max_pool", dtype, pool::instance(dtype, &windows, gradient, |i| i.source()));
                }
            }
        }
        if matches!(dtype, DType::F32 | DType::F64) {
            for step in [ctc::Step::Forward, ctc::Step::Backward, ctc::Step::Gradient] {
                add("ctc", dtype, ctc::instance(dtype, step, |i| i.source()));
            }
            for pick in [Pick::Gather, Pick::Add, Pick::Write] {
                add("pick", dtype, pool::pick_instance(dtype, pick, |i| i.source()));
            }
            for cell in [Cell::Tanh, Cell::Relu, Cell::Lstm, Cell::Gru] {
                for gradient in [false, true] {
                    add("recurrent", dtype, recurrent::instance(cell, dtype, gradient, |i| i.source()));
                }
            }
            for (dims, interpolation) in
                [(2, Interpolation::Linear), (3, Interpolation::Nearest), (2, Interpolation::Cubic)]
            {
                for part in [Part::Values, Part::Gradient, Part::Series] {
                    let source = |i: &Instance| i.source();
                    add(
                        "grid_sample",
                        dtype,
                        grid_sample::instance(dtype, part, interpolation, dims, source),
                    );
                }
            }
        }
        if dtype == DType::C128 {
            for function in linalg::FUNCTIONS {
                add(function.name, dtype, function.instance(dtype, |i| i.source()));
            }
        }
        if !dtype.is_complex() {
            for wide in [false, true] {
                add("integers", dtype, random::integers_instance(dtype, wide, |i| i.source()));
            }
            add("arg_extreme", dtype, arg_extreme::instance(dtype, true, true, |i| i.source()));
        }
        scan_and_sort_kernels(dtype, &mut add);
        if dtype.is_complex() {
            for kind in [fft::Kind::Complex, fft::Kind::FromHalf, fft::Kind::ToHalf] {
                add("fft_pass", dtype, fft::instance(dtype, kind, |i| i.source()));
            }
            for step in fft::Step::ALL {
                add("fft_step", dtype, fft::step_instance(dtype, step, |i| i.source()));
            }
        }
        if dtype.is_floating() {
            for (group, gradient) in [(32, false), (256, false), (32, true), (256, true)] {
                add("softmax", dtype, softmax::instance(dtype, group, gradient, gradient, |i| i.source()));
            }
            for (rule, slots) in [
                (optim::Sgd::TEXT, 2),
                (optim::Sgd::TEXT, 3),
                (optim::Adam::TEXT, 5),
                (optim::Adadelta::TEXT, 4),
                (optim::Adagrad::TEXT, 3),
                (optim::Adamax::TEXT, 4),
                (optim::Asgd::TEXT, 3),
                (optim::Nadam::TEXT, 4),
                (optim::Radam::TEXT, 4),
                (optim::RmsProp::TEXT, 3),
                (optim::RmsProp::TEXT, 5),
                (optim::Rprop::TEXT, 4),
            ] {
                add("update_step", dtype, optim::gpu::source(rule, dtype, slots, slots == 4));
            }
            for (text, counts) in [
                (optim::Adam::COUNTED, 1),
                (optim::Adamax::COUNTED, 1),
                (optim::Asgd::COUNTED, 3),
                (optim::Nadam::COUNTED, 2),
                (optim::Radam::COUNTED, 1),
                (optim::RmsProp::COUNTED, 1),
                (optim::Rprop::COUNTED, 1),
            ] {
                let kind = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
                let text = text.unwrap_or_default();
                add("advance", dtype, optim::gpu::advance_source(text, dtype, counts, kind));
            }
            add("unscale", dtype, loss_scale::unscale_instance(dtype, |i| i.source()));
            for distribution in [
                Distribution::Uniform,
                Distribution::Normal,
                Distribution::LogNormal,
                Distribution::Exponential,
                Distribution::Geometric,
                Distribution::Cauchy,
                Distribution::Bernoulli,
            ] {
                add("random", dtype, random::fill_instance(distribution, dtype, |i| i.source()));
            }
            for rejection in [Rejection::Poisson, Rejection::Gamma, Rejection::Binomial] {
                let source = random::rejection_instance(rejection, dtype, dtype, |i| i.source());
                add("rejection", dtype, source);
            }
            for draws in [false, true] {
                add("columns", dtype, random::columns_instance(dtype, draws, |i| i.source()));
            }
            for width in [1, 2, 4] {
                add("dropout", dtype, random::dropout_instance(dtype, width, |i| i.source()));
            }
            if dtype == DType::F32 {
                add("update_scale", dtype, loss_scale::update_scale_instance(|i| i.source()));
            }
            add("bernoulli", dtype, random::bernoulli_instance(DType::I64, dtype, |i| i.source()));
        }
    }
    list
}

/// Those of scans, masks, sorting and searching for a dtype.
fn scan_and_sort_kernels(dtype: DType, add: &mut impl FnMut(&str, DType, String)) {
    use scan::{Scan, Stage};
    let ordered = !dtype.is_complex();
    for (kind, fits) in [
        (Scan::Sum, true),
        (Scan::Prod, true),
        (Scan::LogSumExp, dtype.is_differentiable()),
        (Scan::Max, ordered),
        (Scan::Min, ordered),
        (Scan::Recurrence, dtype.is_differentiable()),
    ] {
        if fits {
            add("scan", dtype, scan::instance(kind, Stage::Whole, 1, dtype, |i| i.source()));
            add("scan", dtype, scan::instance(kind, Stage::Whole, 256, dtype, |i| i.source()));
        }
    }
    add("scan", dtype, scan::instance(Scan::Sum, Stage::Totals, 1, dtype, |i| i.source()));
    add("scan", dtype, scan::instance(Scan::Prod, Stage::TotalsScan, 256, dtype, |i| i.source()));
    add("scan", dtype, scan::instance(Scan::Sum, Stage::Whole, 32, dtype, |i| i.source()));
    add("pack", dtype, mask::instance(mask::What::Pack(dtype.size()), |i| i.source()));
    if ordered {
        for step in [Step::Short(64), Step::Short(2048), Step::Values] {
            add("sort", dtype, sort::instance(dtype, step, |i| i.source()));
        }
        for first in [true, false] {
            add("sort", dtype, sort::instance(dtype, Step::Counts { first }, |i| i.source()));
            add("sort", dtype, sort::instance(dtype, Step::Move { first }, |i| i.source()));
            add("places", dtype, search::instance(dtype, first, !first, |i| i.source()));
        }
        use select::Step as Select;
        for step in [
            Select::Counts,
            Select::Digit,
            Select::Tiles,
            Select::Gather { one: true },
            Select::Gather { one: false },
        ] {
            add("select", dtype, select::instance(dtype, step, |i| i.source()));
        }
    }
    for own in [true, false] {
        use histogram::Step as Bins;
        if matches!(dtype, DType::I64 | DType::F64) {
            add("count_places", dtype, histogram::instance(Bins::Places, own, dtype, |i| i.source()));
        }
        if matches!(dtype, DType::F32 | DType::F64) {
            add("count_even", dtype, histogram::instance(Bins::Even, own, dtype, |i| i.source()));
        }
    }
    match dtype {
        DType::F32 | DType::F64 => {
            for p in [0.0, 1.0, 2.0, 3.0, f64::INFINITY] {
                add("distances", dtype, distance::instance(dtype, p, |i| i.source()));
            }
        }
        DType::U8 => {
            for what in [mask::What::Count, mask::What::Coordinates, mask::What::Spread(1)] {
                add("mask", dtype, mask::instance(what, |i| i.source()));
            }
        }
        _ => {}
    }
}

/// The text that goes before every kernel.
#[pyfunction]
fn _cuda_prologue() -> &'static str {
    compile::PROLOGUE
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(_cuda_device_count, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_is_initialized, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_add_library_folder, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_current_device, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_set_device, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_properties, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_memory_statistics, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_reset_peaks, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_empty_cache, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_synchronize, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_memory_info, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_new_stream, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_current_stream, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_set_stream, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_stream_is_idle, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_wait_for_stream, m)?)?;
    m.add_class::<_CudaEvent>()?;
    m.add_function(wrap_pyfunction!(_cuda_formula_kernels, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_template_kernels, m)?)?;
    m.add_function(wrap_pyfunction!(_cuda_prologue, m)?)
}
