//! What a tensor is: its shape, memory, dtype and device.

use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};

use super::PyTensor;
use crate::dtype::DType;
use crate::layout::wrap_dim;
use crate::ops::view;
use crate::python::convert::{handle, items, size_object, tensor_of, wrap};
use crate::python::{device, dtype, storage};
use crate::tensor::Tensor;

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
        if self.tensor().numel() == 0 { 0 } else { self.tensor().ptr() as usize }
    }

    fn untyped_storage(&self) -> storage::PyStorage {
        storage::PyStorage(self.tensor().storage().clone())
    }

    #[pyo3(signature = (memory_format=None))]
    fn is_contiguous(&self, memory_format: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        if let Some(format) = memory_format {
            let name = format.str()?.to_string();
            if !name.ends_with("contiguous_format") {
                return Err(pyo3::exceptions::PyNotImplementedError::new_err(format!(
                    "memory format {name} is not supported yet"
                )));
            }
        }
        Ok(self.tensor().is_contiguous())
    }

    fn is_floating_point(&self) -> bool {
        self.tensor().dtype().is_floating()
    }

    fn is_complex(&self) -> bool {
        self.tensor().dtype().is_complex()
    }

    fn is_signed(&self) -> bool {
        !matches!(self.tensor().dtype(), DType::U8 | DType::Bool)
    }

    #[getter]
    fn dtype(slf: &Bound<'_, Self>) -> Py<dtype::PyDType> {
        dtype::object(slf.py(), slf.get().tensor().dtype())
    }

    #[getter(device)]
    fn where_it_lives(slf: &Bound<'_, Self>) -> Py<device::PyDevice> {
        device::cpu(slf.py())
    }

    #[pyo3(name = "get_device")]
    fn cuda_index(&self) -> i64 {
        -1
    }

    #[getter]
    fn is_cuda(&self) -> bool {
        false
    }

    #[getter]
    fn is_cpu(&self) -> bool {
        true
    }

    #[getter]
    fn is_sparse(&self) -> bool {
        false
    }

    #[getter]
    fn is_quantized(&self) -> bool {
        false
    }

    #[getter]
    fn is_meta(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_pinned(&self) -> bool {
        false
    }

    #[getter(_version)]
    fn version(&self) -> u32 {
        self.tensor().version()
    }

    #[getter(T)]
    fn transposed<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let t = handle(slf);
        let dims: Vec<i64> = (0..t.ndim() as i64).rev().collect();
        wrap(slf.py(), view::permute(&t, &dims)?)
    }

    #[getter(mT)]
    fn matrix_transposed<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let t = handle(slf);
        if t.ndim() < 2 {
            return Err(PyRuntimeError::new_err(format!(
                "tensor.mT is only supported on matrices or batches of matrices. Got {}-D tensor.",
                t.ndim()
            )));
        }
        wrap(slf.py(), view::transpose(&t, -2, -1)?)
    }

    #[getter]
    fn data<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        wrap(slf.py(), handle(slf).data())
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

    // ---- metadata changed in place ----

    fn unsqueeze_<'py>(slf: Bound<'py, Self>, dim: i64) -> PyResult<Bound<'py, Self>> {
        let viewed = view::unsqueeze(&handle(&slf), dim)?;
        become_view(slf, viewed)
    }

    #[pyo3(signature = (dim=None))]
    fn squeeze_<'py>(slf: Bound<'py, Self>, dim: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, Self>> {
        let dims = match dim {
            None => None,
            Some(d) => Some(match items(d) {
                Some(list) => list.iter().map(|d| d.extract()).collect::<PyResult<Vec<i64>>>()?,
                None => vec![d.extract()?],
            }),
        };
        let viewed = view::squeeze(&handle(&slf), dims.as_deref())?;
        become_view(slf, viewed)
    }

    fn transpose_<'py>(slf: Bound<'py, Self>, dim0: i64, dim1: i64) -> PyResult<Bound<'py, Self>> {
        let viewed = view::transpose(&handle(&slf), dim0, dim1)?;
        become_view(slf, viewed)
    }

    fn t_<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let viewed = view::transpose(&handle(&slf), 0, if slf.get().tensor().ndim() < 2 { 0 } else { 1 })?;
        become_view(slf, viewed)
    }
}

/// `x.unsqueeze_(0)`: the object becomes the view of what it was.
fn become_view<'py>(slf: Bound<'py, PyTensor>, viewed: Tensor) -> PyResult<Bound<'py, PyTensor>> {
    let own = handle(&slf);
    if own.requires_grad() && own.is_leaf() && crate::autograd::grad_enabled() {
        return Err(PyRuntimeError::new_err(
            "a leaf Variable that requires grad is being used in an in-place operation.",
        ));
    }
    own.bump_version();
    slf.get().replace(viewed);
    Ok(slf)
}

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

#[pyfunction]
fn is_floating_point(input: &Bound<'_, PyTensor>) -> bool {
    input.get().tensor().dtype().is_floating()
}

#[pyfunction]
fn is_complex(input: &Bound<'_, PyTensor>) -> bool {
    input.get().tensor().dtype().is_complex()
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(is_tensor, m)?)?;
    m.add_function(wrap_pyfunction!(numel, m)?)?;
    m.add_function(wrap_pyfunction!(is_floating_point, m)?)?;
    m.add_function(wrap_pyfunction!(is_complex, m)?)
}
