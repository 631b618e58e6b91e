//! Tensors as lines along one dimension, as kernels see them, and the gradient of elements that were
//! picked from lines.

use smallvec::{SmallVec, smallvec};

use crate::autograd;
use crate::bail;
use crate::cpu::lines::Side;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Sizes};
use crate::ops::{copy, creation, index, view};
use crate::tensor::Tensor;

/// How a tensor lies along a dimension; a 0-d tensor is one line of one element.
pub fn side(t: &Tensor, dim: usize) -> Side {
    let size = t.dtype().size() as isize;
    Side {
        start: t.ptr(),
        strides: (0..t.ndim()).filter(|&d| d != dim).map(|d| t.strides()[d] * size).collect(),
        step: t.strides().get(dim).map_or(0, |s| s * size),
    }
}

/// The sizes of the other dimensions.
pub fn other_sizes(t: &Tensor, dim: usize) -> SmallVec<[usize; 6]> {
    (0..t.ndim()).filter(|&d| d != dim).map(|d| t.size(d)).collect()
}

/// The number of elements of a line.
pub fn length(t: &Tensor, dim: usize) -> usize {
    t.sizes().get(dim).copied().unwrap_or(1)
}

/// The sizes with another length of the lines.
pub fn with_length(t: &Tensor, dim: usize, length: usize) -> Sizes {
    let mut sizes = Sizes::from_slice(t.sizes());
    if let Some(size) = sizes.get_mut(dim) {
        *size = length;
    }
    sizes
}

/// Without dimension `dim`, whose size is 1; outside the tape.
pub fn dropped(t: &Tensor, dim: usize) -> Tensor {
    if t.ndim() == 0 {
        return t.clone();
    }
    let mut layout: Layout = t.layout().clone();
    layout.sizes.remove(dim);
    layout.strides.remove(dim);
    t.alias(layout)
}

/// Refuses complex numbers, which have no order.
pub fn check_ordered(x: &Tensor, name: &str) -> Result<()> {
    if x.dtype().is_complex() {
        bail!(Unsupported, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    }
    Ok(())
}

/// The element of a 0-d tensor and its index; any dtype will do.
pub fn only_element(x: &Tensor, name: &'static str) -> Result<(Tensor, Tensor)> {
    let value = copy::contiguous_copy(&x.detached())?;
    let index = creation::zeros(&[], DType::I64)?;
    Ok(picked(x, 0, value, index, true, name))
}

/// The results of picking elements of `x` along `dim`: `values` and `indices` have the dimension, which
/// is dropped unless `keepdim`. Gradients flow to the elements that were picked.
pub fn picked(
    x: &Tensor,
    dim: usize,
    values: Tensor,
    indices: Tensor,
    keepdim: bool,
    name: &'static str,
) -> (Tensor, Tensor) {
    let shown = |t: &Tensor| if keepdim { t.clone() } else { dropped(t, dim) };
    let (out, shown_indices) = (shown(&values), shown(&indices));
    drop(values);
    if !autograd::needs_grad(&[x]) {
        return (out, shown_indices);
    }
    let sizes: Sizes = x.sizes().into();
    let out = autograd::record(out, name, &[x], &[], move |cx| {
        let Some(g) = cx.grad() else { return Ok(smallvec![None]) };
        let g = view::reshape_to(g, indices.sizes())?;
        let zeros = creation::zeros(&sizes, g.dtype())?;
        Ok(smallvec![Some(index::scatter_add(&zeros, dim as i64, &indices, &g)?)])
    });
    (out, shown_indices)
}
