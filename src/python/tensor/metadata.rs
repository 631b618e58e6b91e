//! Metadata of a tensor changed in place: the object becomes another look at its memory, or at more.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::layout::{Layout, MemoryFormat, sizes_from};
use crate::ops::{strided, view};
use crate::python::convert::{handle, index_of, items};
use crate::python::formats;
use crate::python::tensor::PyTensor;
use crate::tensor::Tensor;

#[pymethods]
impl PyTensor {
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

    fn swapaxes_<'py>(slf: Bound<'py, Self>, axis0: i64, axis1: i64) -> PyResult<Bound<'py, Self>> {
        Self::transpose_(slf, axis0, axis1)
    }

    fn swapdims_<'py>(slf: Bound<'py, Self>, dim0: i64, dim1: i64) -> PyResult<Bound<'py, Self>> {
        Self::transpose_(slf, dim0, dim1)
    }

    /// The tensor becomes a view of its memory with other strides.
    #[pyo3(signature = (size, stride, storage_offset=None))]
    fn as_strided_<'py>(
        slf: Bound<'py, Self>,
        size: Vec<i64>,
        stride: Vec<i64>,
        storage_offset: Option<i64>,
    ) -> PyResult<Bound<'py, Self>> {
        let own = handle(&slf);
        let layout = strided::layout_argument(&own, &size, &stride, storage_offset)?;
        let viewed = view::as_strided(&own, layout)?;
        become_view(slf, viewed)
    }

    /// Another shape over the same memory, or over more if that is too small: what is new is not
    /// initialised, and views of the old memory stay where they were.
    #[pyo3(signature = (*sizes, memory_format=None))]
    fn resize_<'py>(
        slf: Bound<'py, Self>,
        sizes: &Bound<'py, PyTuple>,
        memory_format: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let mut wanted = Vec::new();
        let list = match sizes.len() {
            1 => items(&sizes.get_item(0)?).unwrap_or_else(|| sizes.iter().collect()),
            _ => sizes.iter().collect(),
        };
        for item in list {
            match index_of(&item)? {
                Some(n) => wanted.push(n),
                None => {
                    return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                        "resize_(): argument 'size' must be tuple of ints, not {}",
                        item.get_type().name()?
                    )));
                }
            }
        }
        let sizes = sizes_from(&wanted)?;
        resize(&slf, Layout::contiguous(&sizes), memory_format)?;
        Ok(slf)
    }

    /// As `resize_`, to the shape of another tensor.
    #[pyo3(signature = (the_template, memory_format=None))]
    fn resize_as_<'py>(
        slf: Bound<'py, Self>,
        the_template: &Bound<'py, PyTensor>,
        memory_format: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let model = handle(the_template);
        resize(&slf, Layout::contiguous(model.sizes()), memory_format)?;
        Ok(slf)
    }
}

fn resize(
    slf: &Bound<'_, PyTensor>,
    mut layout: Layout,
    memory_format: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let own = handle(slf);
    if own.requires_grad() {
        return Err(PyRuntimeError::new_err("cannot resize variables that require grad"));
    }
    if let Some(format) = memory_format {
        let name = formats::format_name(format);
        let format = MemoryFormat::read(name.as_deref())?.unwrap_or(MemoryFormat::Contiguous);
        if format != MemoryFormat::Preserve {
            layout.strides = format.strides(&layout)?;
        }
    }
    crate::layout::checked_numel(&layout.sizes)?;
    if layout.sizes[..] == *own.sizes() && memory_format.is_none() {
        return Ok(());
    }
    layout.offset = own.layout().offset;
    let fits = layout
        .extent()
        .and_then(|(_, end)| end.checked_mul(own.dtype().size()))
        .is_some_and(|bytes| bytes <= own.storage().bytes());
    let resized = if fits || layout.numel() == 0 { own.alias(layout) } else { own.grown(layout)? };
    own.bump_version();
    slf.get().replace(own.with_data(&resized));
    Ok(())
}

/// `torch.resize_as_`.
#[pyfunction]
#[pyo3(signature = (input, the_template, memory_format=None))]
fn resize_as_<'py>(
    input: Bound<'py, PyTensor>,
    the_template: &Bound<'py, PyTensor>,
    memory_format: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTensor>> {
    PyTensor::resize_as_(input, the_template, memory_format)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(resize_as_, m)?)
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
