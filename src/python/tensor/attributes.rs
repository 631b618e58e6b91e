//! What a tensor is: its shape, memory, dtype and device.

use pyo3::exceptions::{PyIndexError, PyNotImplementedError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};

use super::PyTensor;
use crate::device::Device;
use crate::layout::{MemoryFormat, wrap_dim};
use crate::ops::{copy, view};
use crate::python::convert::{handle, size_object, tensor_of, wrap};
use crate::python::{device, dtype, formats, subclass, warnings};
use crate::warn_once;

/// The last two dimensions exchanged, and conjugates if asked for; a number is its own transpose.
fn matrices_transposed<'py>(
    slf: &Bound<'py, PyTensor>,
    name: &str,
    conjugated: bool,
) -> PyResult<Bound<'py, PyAny>> {
    warnings::show_noted(slf.py())?;
    let t = handle(slf);
    let transposed = match t.ndim() {
        0 => view::permute(&t, &[])?,
        1 => {
            return Err(PyRuntimeError::new_err(format!(
                "tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
            )));
        }
        _ => view::transpose(&t, -2, -1)?,
    };
    let transposed = subclass::like(slf, wrap(slf.py(), transposed)?)?;
    if conjugated && t.dtype().is_complex() { transposed.call_method0("conj") } else { Ok(transposed) }
}

#[pymethods]
impl PyTensor {
    #[getter]
    fn shape<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        size_object(slf.py(), slf.get().tensor().sizes())
    }

    #[pyo3(signature = (dim=None))]
    fn size<'py>(slf: &Bound<'py, Self>, dim: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get().tensor();
        match dim {
            None => size_object(slf.py(), t.sizes()),
            Some(dim) if t.ndim() == 0 => Err(PyIndexError::new_err(format!(
                "Dimension specified as {dim} but tensor has no dimensions"
            ))),
            Some(dim) => Ok(PyInt::new(slf.py(), t.size(wrap_dim(dim, t.ndim())?)).into_any()),
        }
    }

    #[pyo3(signature = (dim=None))]
    fn stride<'py>(slf: &Bound<'py, Self>, dim: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get().tensor();
        match dim {
            None => Ok(PyTuple::new(slf.py(), t.strides())?.into_any()),
            Some(dim) if t.ndim() == 0 => Err(PyIndexError::new_err(format!(
                "Dimension specified as {dim} but tensor has no dimensions"
            ))),
            Some(dim) => Ok(PyInt::new(slf.py(), t.strides()[wrap_dim(dim, t.ndim())?]).into_any()),
        }
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.tensor().ndim()
    }

    fn dim(&self) -> usize {
        self.tensor().ndim()
    }

    fn ndimension(&self) -> usize {
        self.tensor().ndim()
    }

    fn numel(&self) -> usize {
        self.tensor().numel()
    }

    fn nelement(&self) -> usize {
        self.tensor().numel()
    }

    fn element_size(&self) -> usize {
        self.tensor().dtype().size()
    }

    #[getter]
    fn itemsize(&self) -> usize {
        self.tensor().dtype().size()
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.tensor().dtype().size() * self.tensor().numel()
    }

    fn storage_offset(&self) -> usize {
        self.tensor().layout().offset
    }

    fn data_ptr(&self) -> usize {
        let t = self.tensor();
        match t.device() {
            _ if t.numel() == 0 => 0,
            Device::Cpu => t.ptr() as usize,
            Device::Cuda(_) | Device::Meta => t.device_address() as usize,
        }
    }

    fn const_data_ptr(&self) -> usize {
        self.data_ptr()
    }

    /// Whether the elements lie densely in row-major order, or in the memory format given.
    #[pyo3(signature = (memory_format=None))]
    fn is_contiguous(&self, memory_format: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let format = match memory_format {
            None => None,
            Some(format) => Some(formats::format_name(format).ok_or_else(|| {
                let name = format.get_type().name().map_or_else(|_| "?".to_owned(), |n| n.to_string());
                PyTypeError::new_err(format!(
                    "is_contiguous(): argument 'memory_format' must be torch.memory_format, not {name}"
                ))
            })?),
        };
        let format = MemoryFormat::read(format.as_deref())?.unwrap_or(MemoryFormat::Contiguous);
        Ok(format.describes(self.tensor().layout()))
    }

    /// The dimensions from the outermost in memory to the innermost.
    fn dim_order(slf: &Bound<'_, Self>) -> PyResult<Py<PyTuple>> {
        let t = slf.get().tensor();
        let mut dims: Vec<usize> = (0..t.ndim()).collect();
        dims.sort_by_key(|&d| std::cmp::Reverse(t.strides()[d]));
        Ok(PyTuple::new(slf.py(), dims)?.unbind())
    }

    fn dense_dim(&self) -> usize {
        self.tensor().ndim()
    }

    fn sparse_dim(&self) -> usize {
        0
    }

    #[getter]
    fn layout<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        formats::strided(slf.py())
    }

    /// Dimensions have no names here.
    #[getter]
    fn name(&self) -> Option<&str> {
        None
    }

    fn has_names(&self) -> bool {
        false
    }

    #[getter]
    fn dtype(slf: &Bound<'_, Self>) -> Py<dtype::PyDType> {
        dtype::object(slf.py(), slf.get().tensor().dtype())
    }

    #[getter(device)]
    fn where_it_lives(slf: &Bound<'_, Self>) -> PyResult<Py<device::PyDevice>> {
        let device = slf.get().tensor().device();
        device::object(slf.py(), device)
    }

    #[pyo3(name = "get_device")]
    fn cuda_index(&self) -> i64 {
        match self.tensor().device() {
            Device::Cpu | Device::Meta => -1,
            Device::Cuda(index) => index.into(),
        }
    }

    #[getter]
    fn is_cpu(&self) -> bool {
        self.tensor().device() == Device::Cpu
    }

    #[getter]
    fn is_meta(&self) -> bool {
        self.tensor().device() == Device::Meta
    }

    #[getter]
    fn is_cuda(&self) -> bool {
        matches!(self.tensor().device(), Device::Cuda(_))
    }

    #[pyo3(signature = (device=None))]
    fn is_pinned(&self, device: Option<&Bound<'_, PyAny>>) -> bool {
        let _ = device;
        self.tensor().storage().pinned().is_some()
    }

    /// In page-locked memory, which a GPU reads and writes by itself; the tensor itself if it is there. RuntimeError
    /// where there is no GPU.
    #[pyo3(signature = (device=None))]
    fn pin_memory<'py>(
        slf: &Bound<'py, Self>,
        device: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = device;
        let t = handle(slf);
        if t.device() == Device::Meta {
            let kind = t.dtype().scalar_name();
            return Err(PyRuntimeError::new_err(format!(
                "cannot pin 'Meta{kind}Type' only dense CPU tensors can be pinned"
            )));
        }
        let pinned = copy::pin(&t)?;
        if pinned.is(&t) {
            return Ok(slf.as_any().clone());
        }
        subclass::like(slf, wrap(slf.py(), pinned)?)
    }

    fn record_stream(&self, stream: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = stream;
        if self.tensor().device().is_cuda() {
            return Err(PyNotImplementedError::new_err("record_stream() is not implemented"));
        }
        Err(PyRuntimeError::new_err("record_stream() is for tensors on a device with streams"))
    }

    #[getter(_version)]
    fn version(&self) -> PyResult<u32> {
        if self.tensor().is_inference() {
            return Err(PyRuntimeError::new_err("Inference tensors do not track version counter."));
        }
        Ok(self.tensor().version())
    }

    #[getter(T)]
    fn transposed<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let t = handle(slf);
        match t.ndim() {
            2 => {}
            0 => warn_once!(
                "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases."
            ),
            _ => warn_once!(
                "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor."
            ),
        }
        warnings::show_noted(slf.py())?;
        let dims: Vec<i64> = (0..t.ndim() as i64).rev().collect();
        subclass::like(slf, wrap(slf.py(), view::permute(&t, &dims)?)?)
    }

    #[getter(mT)]
    fn matrix_transposed<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().tensor().ndim() == 0 {
            warn_once!(
                "Tensor.mT is deprecated on 0-D tensors. This function is the identity in these cases."
            );
        }
        matrices_transposed(slf, "mT", false)
    }

    /// The conjugate transpose of a matrix or a batch of them.
    #[getter(mH)]
    fn adjoint<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().tensor().ndim() == 0 {
            warn_once!("Tensor.mH is deprecated on 0-D tensors. Consider using x.conj().");
        }
        matrices_transposed(slf, "mH", true)
    }

    /// The conjugate transpose of a matrix.
    #[getter(H)]
    fn matrix_adjoint<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().tensor().ndim() {
            2 => {}
            0 => warn_once!("Tensor.H is deprecated on 0-D tensors. Consider using x.conj()."),
            n => {
                let hint = if n > 2 { " For batches of matrices, consider using tensor.mH" } else { "" };
                return Err(PyRuntimeError::new_err(format!(
                    "tensor.H is only supported on matrices (2-D tensors). Got {n}-D tensor.{hint}"
                )));
            }
        }
        matrices_transposed(slf, "H", true)
    }

    #[getter]
    fn data<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        subclass::like(slf, wrap(slf.py(), handle(slf).data())?)
    }

    #[setter]
    fn set_data(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(value) = tensor_of(value) else {
            return Err(PyTypeError::new_err(format!(
                "Variable data has to be a tensor, but got {}",
                value.get_type().name()?
            )));
        };
        let own = handle(slf);
        if own.requires_grad() && !value.dtype().is_differentiable() {
            return Err(PyRuntimeError::new_err(
                "data set to a tensor that requires gradients must be floating point or complex dtype",
            ));
        }
        slf.get().replace(own.with_data(&value));
        Ok(())
    }
}

/// Attributes that tell of kinds of tensors that do not exist here.
macro_rules! never {
    ($($name:ident)*) => {
        #[pymethods]
        impl PyTensor { $(
            #[getter]
            fn $name(&self) -> bool {
                false
            }
        )* }
    };
}
never! { is_mps is_xpu is_ipu is_xla is_hpu is_mtia is_maia is_vulkan is_mkldnn is_nested is_sparse is_sparse_csr is_quantized }

/// Whether an object is a tensor.
#[pyfunction]
fn is_tensor(obj: &Bound<'_, PyAny>) -> bool {
    obj.cast::<PyTensor>().is_ok()
}

/// Number of elements.
#[pyfunction]
fn numel(input: &Bound<'_, PyTensor>) -> usize {
    input.get().tensor().numel()
}

/// The index of the device: -1 on the CPU.
#[pyfunction]
fn get_device(input: &Bound<'_, PyTensor>) -> i64 {
    input.get().cuda_index()
}

/// Whether a tensor was made in inference mode.
#[pyfunction]
fn is_inference(input: &Bound<'_, PyTensor>) -> bool {
    input.get().tensor().is_inference()
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(is_tensor, m)?)?;
    m.add_function(wrap_pyfunction!(numel, m)?)?;
    m.add_function(wrap_pyfunction!(is_inference, m)?)?;
    m.add_function(wrap_pyfunction!(get_device, m)?)
}
