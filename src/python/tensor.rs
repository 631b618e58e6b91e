//! The class `Tensor`: attributes, conversions, and the methods that are not operations.

use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use pyo3::exceptions::{
    PyAttributeError, PyIndexError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyString, PyTuple, PyType};

use crate::dtype::{Cast, Category, DType, Element};
use crate::layout::wrap_dim;
use crate::ops::{copy, reduce, view};
use crate::python::convert::{
    self, handle, items, python_number, scalar_object, size_object, tensor_of, wrap, wrap_option,
};
use crate::python::{autograd, data, device, dtype, numpy, storage};
use crate::scalar::{Scalar, default_dtype};
use crate::tensor::Tensor;

/// A multi-dimensional array of one dtype, which may carry a gradient.
#[pyclass(name = "Tensor", module = "rustnn", subclass, frozen, weakref)]
pub struct PyTensor {
    /// Exchanged by `x.data = y` and the like; touched only with the GIL held.
    tensor: UnsafeCell<Tensor>,
    /// What a user hung on the tensor. CPython would make a dict for every tensor, which costs as
    /// much as a small operation; this one is made when it is asked for.
    attributes: OnceLock<Py<PyDict>>,
}

// SAFETY: the cell is read and written only by code that holds the GIL.
unsafe impl Sync for PyTensor {}

impl PyTensor {
    pub fn new(tensor: Tensor) -> PyTensor {
        PyTensor { tensor: UnsafeCell::new(tensor), attributes: OnceLock::new() }
    }

    /// The tensor as it is now. Not to be kept across calls into Python: clone it.
    #[inline]
    pub fn tensor(&self) -> &Tensor {
        // SAFETY: only `replace` writes, with the GIL held, and no reference is kept across it.
        unsafe { &*self.tensor.get() }
    }

    /// Makes this object stand for another tensor.
    pub fn replace(&self, tensor: Tensor) {
        let slot = self.tensor().python_slot().swap(std::ptr::null_mut(), Ordering::Relaxed);
        tensor.python_slot().store(slot, Ordering::Relaxed);
        // SAFETY: the GIL is held and nobody keeps a reference; see `tensor`.
        let old = unsafe { std::mem::replace(&mut *self.tensor.get(), tensor) };
        drop(old);
    }
}

impl Drop for PyTensor {
    fn drop(&mut self) {
        self.tensor().python_slot().store(std::ptr::null_mut(), Ordering::Relaxed);
    }
}

/// Only single elements have a truth value or are numbers.
fn single(t: &Tensor, what: &str) -> PyResult<crate::scalar::Scalar> {
    if t.numel() != 1 {
        let message = match (what, t.numel()) {
            ("bool", 0) => "Boolean value of Tensor with no values is ambiguous".to_owned(),
            ("bool", _) => "Boolean value of Tensor with more than one value is ambiguous".to_owned(),
            ("number", _) => {
                return Err(PyValueError::new_err(
                    "only one element tensors can be converted to Python scalars",
                ));
            }
            _ => format!("a Tensor with {} elements cannot be converted to Scalar", t.numel()),
        };
        return Err(PyRuntimeError::new_err(message));
    }
    Ok(reduce::item(t)?)
}

fn cast<'py>(slf: &Bound<'py, PyTensor>, to: DType) -> PyResult<Bound<'py, PyAny>> {
    let t = handle(slf);
    if t.dtype() == to {
        return Ok(slf.as_any().clone());
    }
    wrap(slf.py(), copy::to_dtype(&t, to)?)
}

/// The elements from `dim` on as nested lists; `offset` leads to them.
fn to_list<'py>(py: Python<'py>, t: &Tensor, dim: usize, offset: isize) -> PyResult<Bound<'py, PyAny>> {
    if dim == t.ndim() {
        let value = crate::dispatch!(t.dtype(), T => {
            // SAFETY: every index of a layout lies within its storage.
            let value = unsafe { t.ptr().cast::<T>().offset(offset).read_unaligned() };
            match T::DTYPE.category() {
                Category::Bool => Scalar::Bool(Cast::<i64>::cast(value) != 0),
                Category::Integral => Scalar::Int(value.cast()),
                Category::Floating => Scalar::Float(value.cast()),
                Category::Complex => Scalar::Complex(value.cast()),
            }
        });
        return Ok(scalar_object(py, value));
    }
    let list = PyList::empty(py);
    for i in 0..t.size(dim) as isize {
        list.append(to_list(py, t, dim + 1, offset + i * t.strides()[dim])?)?;
    }
    Ok(list.into_any())
}

#[pymethods]
impl PyTensor {
    /// `Tensor(2, 3)` is uninitialised, `Tensor([1, 2])` holds values, both of the default dtype.
    #[new]
    #[pyo3(signature = (*args, device=None))]
    fn py_new(args: &Bound<'_, PyTuple>, device: Option<&Bound<'_, PyAny>>) -> PyResult<PyTensor> {
        if let Some(device) = device {
            device::check(device)?;
        }
        Ok(PyTensor::new(data::legacy_tensor(args, default_dtype())?))
    }

    /// A tensor of a subclass over the memory of `data`.
    #[staticmethod]
    #[pyo3(signature = (cls, data, require_grad=false))]
    fn _make_subclass<'py>(
        cls: &Bound<'py, PyType>,
        data: &Bound<'py, PyTensor>,
        require_grad: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let tensor = handle(data).detach();
        tensor.set_requires_grad(require_grad)?;
        let object = cls.py().get_type::<PyTensor>().call_method1("__new__", (cls, data))?;
        object.cast::<PyTensor>()?.get().replace(tensor);
        Ok(object)
    }

    // ---- attributes of the user's own ----

    #[getter(__dict__)]
    fn attribute_dict<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyDict> {
        slf.get().attributes.get_or_init(|| PyDict::new(slf.py()).unbind()).bind(slf.py()).clone()
    }

    /// Called where no attribute of the class was found.
    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(attributes) = slf.get().attributes.get()
            && let Some(value) = attributes.bind(slf.py()).get_item(name)?
        {
            return Ok(value);
        }
        Err(PyAttributeError::new_err(format!(
            "'{}' object has no attribute '{name}'",
            slf.get_type().name()?
        )))
    }

    fn __setattr__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        // SAFETY: plain call of CPython with objects that are alive.
        let status = unsafe { ffi::PyObject_GenericSetAttr(slf.as_ptr(), name.as_ptr(), value.as_ptr()) };
        if status == 0 {
            return Ok(());
        }
        let error = PyErr::fetch(slf.py());
        // Only what the class does not know may be the user's own.
        if !error.is_instance_of::<PyAttributeError>(slf.py()) || slf.get_type().hasattr(name)? {
            return Err(error);
        }
        Self::attribute_dict(slf).set_item(name, value)
    }

    fn __delattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<()> {
        // SAFETY: plain call of CPython with objects that are alive; null deletes.
        let status =
            unsafe { ffi::PyObject_GenericSetAttr(slf.as_ptr(), name.as_ptr(), std::ptr::null_mut()) };
        if status == 0 {
            return Ok(());
        }
        let error = PyErr::fetch(slf.py());
        match slf.get().attributes.get() {
            Some(attributes) if attributes.bind(slf.py()).contains(name)? => {
                attributes.bind(slf.py()).del_item(name)
            }
            _ => Err(error),
        }
    }

    // ---- what it is ----

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

    // ---- gradients ----

    #[getter]
    fn requires_grad(&self) -> bool {
        self.tensor().requires_grad()
    }

    #[setter]
    fn set_requires_grad(&self, value: bool) -> PyResult<()> {
        Ok(self.tensor().set_requires_grad(value)?)
    }

    #[pyo3(signature = (requires_grad=true))]
    fn requires_grad_<'py>(slf: Bound<'py, Self>, requires_grad: bool) -> PyResult<Bound<'py, Self>> {
        slf.get().tensor().set_requires_grad(requires_grad)?;
        Ok(slf)
    }

    #[getter]
    fn is_leaf(&self) -> bool {
        self.tensor().is_leaf()
    }

    #[getter]
    fn grad<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        wrap_option(slf.py(), slf.get().tensor().grad())
    }

    #[setter]
    fn set_grad(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        autograd::set_grad(&handle(slf), value)
    }

    #[deleter]
    fn delete_grad(&self) {
        self.tensor().set_grad(None);
    }

    #[getter]
    fn grad_fn<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        autograd::grad_fn(slf.py(), &handle(slf))
    }

    #[getter]
    fn output_nr(&self) -> u32 {
        self.tensor().producer().map_or(0, |e| e.output)
    }

    #[getter]
    fn retains_grad(&self) -> bool {
        self.tensor().meta_if_any().is_some_and(|m| m.state().retains_grad)
    }

    #[getter(_base)]
    fn base<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        wrap_option(slf.py(), slf.get().tensor().view_of().map(|v| v.base.clone()))
    }

    fn _is_view(&self) -> bool {
        self.tensor().view_of().is_some()
    }

    fn retain_grad(&self) -> PyResult<()> {
        Ok(self.tensor().retain_grad()?)
    }

    fn detach_<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        if slf.get().tensor().view_of().is_some() {
            return Err(PyRuntimeError::new_err(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as a solution.",
            ));
        }
        slf.get().replace(handle(&slf).detach());
        Ok(slf)
    }

    #[pyo3(signature = (gradient=None, retain_graph=None, create_graph=false, inputs=None))]
    fn backward(
        slf: &Bound<'_, Self>,
        gradient: Option<&Bound<'_, PyAny>>,
        retain_graph: Option<bool>,
        create_graph: bool,
        inputs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        autograd::backward_of(slf.py(), &handle(slf), gradient, retain_graph, create_graph, inputs)
    }

    fn register_hook<'py>(
        slf: &Bound<'py, Self>,
        hook: &Bound<'py, PyAny>,
    ) -> PyResult<autograd::HookHandle> {
        autograd::register_hook(&handle(slf), hook)
    }

    fn register_post_accumulate_grad_hook<'py>(
        slf: &Bound<'py, Self>,
        hook: &Bound<'py, PyAny>,
    ) -> PyResult<autograd::HookHandle> {
        autograd::register_accumulate_hook(slf, hook)
    }

    // ---- values ----

    fn item<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(scalar_object(slf.py(), single(slf.get().tensor(), "item")?))
    }

    fn tolist<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get().tensor().detached();
        // Python has no way back from half a list: is there room for the objects at all?
        if crate::alloc::vec_for::<[usize; 4]>(t.numel()).is_err() {
            return Err(PyMemoryError::new_err(format!("no room for a list of {} elements", t.numel())));
        }
        to_list(slf.py(), &t, 0, 0)
    }

    fn __len__(&self) -> PyResult<usize> {
        match self.tensor().sizes().first() {
            Some(&n) => Ok(n),
            None => Err(PyTypeError::new_err("len() of a 0-d tensor")),
        }
    }

    fn __bool__(&self) -> PyResult<bool> {
        Ok(!single(self.tensor(), "bool")?.is_zero())
    }

    fn __float__<'py>(slf: &Bound<'py, Self>) -> PyResult<f64> {
        let value = single(slf.get().tensor(), "number")?;
        if matches!(value, crate::scalar::Scalar::Complex(z) if z.im != 0.0) {
            return Err(PyRuntimeError::new_err("value cannot be converted to type double without overflow"));
        }
        Ok(value.to_f64())
    }

    fn __int__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let value = single(slf.get().tensor(), "number")?;
        if matches!(value, crate::scalar::Scalar::Complex(_)) {
            return Err(PyRuntimeError::new_err(
                "value cannot be converted to type int64_t without overflow",
            ));
        }
        let value = scalar_object(slf.py(), value);
        slf.py().get_type::<PyInt>().call1((value,))
    }

    fn __complex__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let z = single(slf.get().tensor(), "number")?.to_complex();
        Ok(pyo3::types::PyComplex::from_doubles(slf.py(), z.re, z.im).into_any())
    }

    fn __index__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get().tensor();
        if !t.dtype().is_integral() || t.numel() != 1 {
            return Err(PyTypeError::new_err(
                "only integer tensors of a single element can be converted to an index",
            ));
        }
        Ok(PyInt::new(slf.py(), reduce::item(t)?.to_i64()).into_any())
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().tensor().ndim() == 0 {
            return Err(PyTypeError::new_err("iteration over a 0-d tensor"));
        }
        slf.call_method1("unbind", (0,))?.try_iter().map(|i| i.into_any())
    }

    fn __contains__(slf: &Bound<'_, Self>, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        if tensor_of(element).is_none() && python_number(element)?.is_none() {
            return Err(PyRuntimeError::new_err(format!(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a {}.",
                element.get_type()
            )));
        }
        slf.as_any()
            .rich_compare(element, pyo3::basic::CompareOp::Eq)?
            .call_method0("any")?
            .call_method0("item")?
            .is_truthy()
    }

    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr() as isize >> 4
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("rustnn.tensor_repr")?.call_method1("format_tensor", (slf,))
    }

    fn __format__<'py>(slf: &Bound<'py, Self>, spec: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let t = slf.get().tensor();
        if t.ndim() == 0 && !spec.is_empty()? {
            return scalar_object(slf.py(), reduce::item(t)?).call_method1("__format__", (spec,));
        }
        if spec.is_empty()? && t.ndim() == 0 {
            return Ok(scalar_object(slf.py(), reduce::item(t)?).str()?.into_any());
        }
        slf.py().get_type::<pyo3::types::PyAny>().call_method1("__format__", (slf, spec))
    }

    // ---- conversions ----

    /// `to(dtype)`, `to(device)`, `to(other)`, `to(device, dtype)`, with `copy` and `non_blocking`.
    #[pyo3(signature = (*args, **kwargs))]
    fn to<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let target = data::read_to(args, kwargs)?;
        let t = handle(slf);
        let to = target.dtype.unwrap_or(t.dtype());
        if to == t.dtype() && target.copy {
            return wrap(slf.py(), copy::clone(&t)?);
        }
        cast(slf, to)
    }

    /// The name of the tensor's type, or the tensor converted to a type or dtype.
    #[pyo3(signature = (dtype=None, non_blocking=false))]
    fn r#type<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        non_blocking: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = non_blocking;
        let t = slf.get().tensor();
        match dtype {
            None => {
                let name = format!("torch.{}Tensor", t.dtype().scalar_name());
                Ok(PyString::new(slf.py(), &name).into_any())
            }
            Some(d) => match data::type_argument(d)? {
                Some(to) => cast(slf, to),
                None => Err(PyTypeError::new_err(format!("invalid type object: {}", d.repr()?))),
            },
        }
    }

    fn float<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::F32)
    }

    fn double<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::F64)
    }

    fn half<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::F16)
    }

    fn bfloat16<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::BF16)
    }

    fn long<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I64)
    }

    fn int<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I32)
    }

    fn short<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I16)
    }

    fn char<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::I8)
    }

    fn byte<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::U8)
    }

    fn bool<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::Bool)
    }

    fn cfloat<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::C64)
    }

    fn cdouble<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        cast(slf, DType::C128)
    }

    #[pyo3(signature = (memory_format=None))]
    fn cpu<'py>(slf: &Bound<'py, Self>, memory_format: Option<&Bound<'py, PyAny>>) -> Bound<'py, PyAny> {
        let _ = memory_format;
        slf.as_any().clone()
    }

    #[pyo3(signature = (device=None, non_blocking=false))]
    fn cuda<'py>(
        slf: &Bound<'py, Self>,
        device: Option<&Bound<'py, PyAny>>,
        non_blocking: bool,
    ) -> PyResult<()> {
        let _ = (device, non_blocking);
        device::check(PyString::new(slf.py(), "cuda").as_any())
    }

    #[pyo3(signature = (*, force=false))]
    fn numpy<'py>(slf: &Bound<'py, Self>, force: bool) -> PyResult<Bound<'py, PyAny>> {
        let t = handle(slf);
        numpy::to_numpy(slf.py(), &if force { t.detach() } else { t })
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = numpy::to_numpy(slf.py(), &handle(slf))?;
        if let Some(dtype) = dtype {
            return array.call_method1("astype", (dtype,));
        }
        if copy == Some(true) { array.call_method0("copy") } else { Ok(array) }
    }

    /// What NumPy makes of its result when a tensor took part: a tensor again.
    #[pyo3(signature = (array, context=None, return_scalar=false))]
    fn __array_wrap__<'py>(
        slf: &Bound<'py, Self>,
        array: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
        return_scalar: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (context, return_scalar);
        wrap(slf.py(), data::tensor_from(array, None, false)?)
    }

    #[classattr]
    fn __array_priority__() -> i64 {
        1000
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, memo: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("rustnn.copying")?.call_method1("deepcopy_tensor", (slf, memo))
    }

    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, protocol: i64) -> PyResult<Bound<'py, PyAny>> {
        let _ = protocol;
        slf.py().import("rustnn.copying")?.call_method1("reduce_tensor", (slf,))
    }

    #[pyo3(signature = (data, *, dtype=None, device=None, requires_grad=false))]
    fn new_tensor<'py>(
        slf: &Bound<'py, Self>,
        data: &Bound<'py, PyAny>,
        dtype: Option<&Bound<'py, PyAny>>,
        device: Option<&Bound<'py, PyAny>>,
        requires_grad: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(device) = device {
            device::check(device)?;
        }
        let dtype = data::dtype_argument(dtype, "new_tensor")?.unwrap_or(slf.get().tensor().dtype());
        let t = data::tensor_from(data, Some(dtype), true)?;
        t.set_requires_grad(requires_grad)?;
        wrap(slf.py(), t)
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
    m.add_class::<PyTensor>()?;
    m.add_function(wrap_pyfunction!(is_tensor, m)?)?;
    m.add_function(wrap_pyfunction!(numel, m)?)?;
    m.add_function(wrap_pyfunction!(is_floating_point, m)?)?;
    m.add_function(wrap_pyfunction!(is_complex, m)?)?;
    m.add_function(wrap_pyfunction!(get_num_threads, m)?)?;
    m.add_function(wrap_pyfunction!(set_num_threads, m)?)
}

#[pyfunction]
fn get_num_threads() -> usize {
    crate::cpu::par::num_threads()
}

/// Sets the number of threads that operations may use.
#[pyfunction]
fn set_num_threads(int: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(n) = convert::index_of(int)? else {
        return Err(PyRuntimeError::new_err(format!(
            "set_num_threads expects an int, but got {}",
            int.get_type().name()?
        )));
    };
    if n <= 0 {
        return Err(PyRuntimeError::new_err("set_num_threads expects a positive integer"));
    }
    crate::cpu::par::set_num_threads(n as usize);
    Ok(())
}
