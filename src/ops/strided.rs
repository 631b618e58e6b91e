//! Views with strides of the caller's choice, and what they have to do with gradients: where a view
//! stands in the memory of its base.

use smallvec::smallvec;

use crate::autograd::{self, Edge, Node};
use crate::bail;
use crate::cpu;
use crate::cpu::loops::Loops;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::{Layout, Show, Strides, checked_numel, sizes_from, wrap_dim};
use crate::ops::arithmetic::{add, mul};
use crate::ops::registry::{Args, Op};
use crate::ops::view::{self, view_as_dtype, view_of};
use crate::ops::{copy, creation, index};
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// A view with strides of the caller's choice. The layout must lie within the storage.
pub fn as_strided(x: &Tensor, layout: Layout) -> Result<Tensor> {
    as_strided_as(x, layout, x.dtype())
}

/// As [`as_strided`], with another dtype.
fn as_strided_as(x: &Tensor, layout: Layout, dtype: DType) -> Result<Tensor> {
    Tensor::from_storage(x.storage().clone(), layout.clone(), dtype)?;
    let geometry = BaseGeometry::of(x, &layout, dtype);
    Ok(view_as_dtype(x, layout, dtype, "as_strided", move |g| geometry.place(g)))
}

/// Where a view stands in the memory of its base: enough to move gradients between the two. The
/// gradient of a view of another dtype (`view_as_real`) is the same look at the gradient of the base.
#[derive(Clone)]
pub struct BaseGeometry {
    whole: Layout,
    /// Bytes from the lowest that base or view reach to the highest.
    bytes: usize,
    part: Layout,
    /// The dtypes of base and view, where they differ.
    reinterpreted: Option<(DType, DType)>,
}

impl BaseGeometry {
    pub fn of(base: &Tensor, part: &Layout, dtype: DType) -> BaseGeometry {
        let sizes = (base.dtype().size(), dtype.size());
        let extent = |layout: &Layout, size: usize| {
            let (low, high) = layout.extent().unwrap_or((layout.offset, layout.offset));
            (low * size, high * size)
        };
        let ((base_low, base_high), (low, high)) = (extent(base.layout(), sizes.0), extent(part, sizes.1));
        // Counted from an address that both kinds of element can start at.
        let start = base_low.min(low) / 16 * 16;
        let moved = |layout: &Layout, size: usize| {
            let mut layout = layout.clone();
            layout.offset -= (start / size).min(layout.offset);
            layout
        };
        BaseGeometry {
            whole: moved(base.layout(), sizes.0),
            bytes: base_high.max(high) - start,
            part: moved(part, sizes.1),
            reinterpreted: (base.dtype() != dtype).then_some((base.dtype(), dtype)),
        }
    }

    /// The dtypes of base and view, when one of them has this gradient.
    fn dtypes(&self, g: DType) -> (DType, DType) {
        self.reinterpreted.unwrap_or((g, g))
    }

    /// Zeroed memory that holds both, seen as the base.
    fn zeroed(&self, dtype: DType) -> Result<Tensor> {
        let bytes = creation::zeros(&[self.bytes.max(16)], DType::U8)?;
        Tensor::from_storage(bytes.storage().clone(), self.whole.clone(), dtype)
    }

    /// A copy of a gradient of the base, in the base's own strides.
    pub fn copy_of(&self, g: &Tensor) -> Result<Tensor> {
        copy::assign(&self.zeroed(g.dtype())?, g)
    }

    /// The view's part of what `copy_of` returned.
    pub fn part_of(&self, whole: &Tensor) -> Result<Tensor> {
        as_strided_as(whole, self.part.clone(), self.dtypes(whole.dtype()).1)
    }

    /// Zeros in the shape of the base, with the gradient of the view added in its place.
    fn place(&self, g: &Tensor) -> Result<Tensor> {
        let (base, dtype) = self.dtypes(g.dtype());
        let g = &copy::to_dtype(g, dtype)?;
        let whole = self.zeroed(base)?;
        let part = whole.alias_as(self.part.clone(), dtype);
        if part.layout().is_non_overlapping_and_dense() || !may_overlap(part.layout()) {
            copy::write(&part, g)?;
        } else {
            add_overlapping(&part, g)?;
        }
        if !autograd::needs_grad(&[g]) {
            return Ok(whole);
        }
        let geometry = self.clone();
        Ok(autograd::record(whole, "AsStridedBackward0", &[g], &[], move |cx| {
            let Some(gg) = cx.grad() else { return Ok(smallvec![None]) };
            let copied = geometry.copy_of(gg)?;
            Ok(smallvec![Some(geometry.part_of(&copied)?)])
        }))
    }
}

/// Adds `g` into a layout whose indices may reach an element more than once. No tape.
fn add_overlapping(target: &Tensor, g: &Tensor) -> Result<()> {
    if target.device().is_cuda() {
        return autograd::no_grad(|| add_overlapping_on_gpu(target, &g.detached()));
    }
    let size = target.dtype().size();
    let loops = Loops::new(target.sizes(), &[(target.strides(), size), (g.strides(), size)]);
    // SAFETY: both layouts lie within their storages, which are not the same.
    unsafe { cpu::index::add_overlapping(target.operand(), g.ptr(), &loops) };
    Ok(())
}

/// The same by the places in memory that the layout's indices reach.
fn add_overlapping_on_gpu(target: &Tensor, g: &Tensor) -> Result<()> {
    let layout = target.layout();
    let mut places = creation::zeros(&[1; 0], DType::I64)?;
    for (&size, &stride) in layout.sizes.iter().zip(&layout.strides) {
        let steps = creation::arange(Scalar::Int(0), Scalar::Int(size as i64), Scalar::Int(1), DType::I64)?;
        places = add(&view::unsqueeze(&places, -1)?, &mul(&steps, Scalar::Int(stride as i64))?)?;
    }
    let (_, end) = layout.extent().unwrap_or((layout.offset, layout.offset));
    let mut line = Layout::contiguous(&[end - layout.offset]);
    line.offset = layout.offset;
    let places = view::reshape(&places, &[-1])?;
    index::put_at(&target.alias(line), vec![Some(places)], &view::reshape(g, &[-1])?, true).map(drop)
}

/// Whether two indices may reach one element: dimensions sorted by stride must step over each other.
fn may_overlap(layout: &Layout) -> bool {
    let mut dims: Vec<(usize, usize)> = layout
        .strides
        .iter()
        .zip(&layout.sizes)
        .filter(|&(_, &n)| n > 1)
        .map(|(&s, &n)| (s.unsigned_abs(), n))
        .collect();
    dims.sort_unstable();
    let mut reach = 0usize;
    for (stride, size) in dims {
        if stride <= reach {
            return true;
        }
        reach += stride * (size - 1);
    }
    false
}

/// The edge of a view that follows from its base by strides alone.
pub fn as_strided_edge(base_edge: Edge, base: &Tensor, layout: &Layout, dtype: DType) -> Edge {
    let geometry = BaseGeometry::of(base, layout, dtype);
    let node = Node::plain("as_strided", smallvec![Some(base_edge)], 1, move |cx: &autograd::Backprop| {
        Ok(smallvec![cx.grad().map(|g| geometry.place(g)).transpose()?])
    });
    Edge { node, output: 0 }
}

/// The layout that a call asks for.
pub fn layout_argument(x: &Tensor, sizes: &[i64], strides: &[i64], offset: Option<i64>) -> Result<Layout> {
    let sizes = sizes_from(sizes)?;
    if sizes.len() != strides.len() {
        bail!(
            Shape,
            "mismatch in length of strides and shape: got {} strides for {} sizes",
            strides.len(),
            sizes.len()
        );
    }
    if strides.iter().any(|&s| s < 0) {
        bail!(
            Shape,
            "as_strided: Negative strides are not supported at the moment, got strides: {}",
            Show(strides)
        );
    }
    let offset = offset.unwrap_or(x.layout().offset as i64);
    if offset < 0 {
        bail!(Shape, "Tensor: invalid storage offset {offset}");
    }
    checked_numel(&sizes)?;
    let strides: Strides = strides.iter().map(|&s| s as isize).collect();
    Ok(Layout { sizes, strides, offset: offset as usize })
}

fn as_strided_layout(a: &Args, first: usize) -> Result<Layout> {
    layout_argument(a.tensor(0), a.ints(first), a.ints(first + 1), a.opt_int(first + 2))
}

/// `x` with `src` written where a strided view of it would be.
fn as_strided_scatter(x: &Tensor, src: &Tensor, layout: Layout) -> Result<Tensor> {
    Tensor::from_storage(x.storage().clone(), layout.clone(), x.dtype())?;
    if src.sizes() != &layout.sizes[..] {
        bail!(
            Autograd,
            "expected src to have a size equal to the slice of self. src size = {}, slice size = {}",
            Show(src.sizes()),
            Show(&layout.sizes)
        );
    }
    let geometry = BaseGeometry::of(x, &layout, x.dtype());
    let out = geometry.copy_of(x)?;
    copy::assign(&geometry.part_of(&out)?, src)?;
    Ok(out)
}

/// All slices of a size along a dimension, in a new last dimension.
pub fn unfold(x: &Tensor, dim: i64, size: i64, step: i64) -> Result<Tensor> {
    let d = wrap_dim(dim, x.ndim())?;
    let zero_dims = x.ndim() == 0;
    let x = &if x.ndim() == 0 { view::reshape_to(x, &[1])? } else { x.clone() };
    let mut layout = x.layout().clone();
    let length = layout.sizes[d] as i64;
    if size < 0 {
        bail!(Autograd, "size is {size} but must be >= 0");
    }
    if size > length {
        bail!(Autograd, "maximum size for tensor at dimension {d} is {length} but size is {size}");
    }
    if step <= 0 {
        bail!(Autograd, "step is {step} but must be > 0");
    }
    let stride = layout.strides[d];
    layout.sizes[d] = ((length - size) / step) as usize + 1;
    layout.strides[d] = stride.saturating_mul(step as isize);
    if layout.sizes[d] == 1 {
        layout.strides[d] = stride.saturating_mul(step.min(length.max(1)) as isize);
    }
    layout.sizes.push(size as usize);
    layout.strides.push(stride);
    if zero_dims {
        layout = layout.select(0, 0);
    }
    let geometry = BaseGeometry::of(x, &layout, x.dtype());
    Ok(view_of(x, layout, "unfold", move |g| geometry.place(g)))
}

pub const OPS: &[Op] = &[
    Op::new("as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor", |a| {
        Ok(as_strided(a.tensor(0), as_strided_layout(a, 1)?)?.into())
    })
    .method()
    .doc("A view with strides of the caller's choice.")
    .samples("t(12), (3, 2), (4, 1) | t(12), (3, 3), (2, 1), 1"),
    Op::new(
        "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
        |a| Ok(as_strided_scatter(a.tensor(0), a.tensor(1), as_strided_layout(a, 2)?)?.into()),
    )
    .method()
    .doc("With src written where the strided view would be.")
    // The overwritten elements of input get no gradient; PyTorch gives them one.
    .no_gradient()
    .samples("t(12), t(3, 2), (3, 2), (4, 1) | t(3, 4), t(2, 2), (2, 2), (1, 4), 1"),
    Op::new("unfold(Tensor input, int dimension, int size, int step) -> Tensor", |a| {
        Ok(unfold(a.tensor(0), a.int(1), a.int(2), a.int(3))?.into())
    })
    .method_only()
    .doc("All slices of a size along a dimension, in a new last dimension; a view.")
    .samples("t(5, 3), 0, 2, 1 | nc(3, 6), 1, 2, 2 | t(), 0, 1, 1"),
];
