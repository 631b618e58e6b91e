//! [`Tensor`], the handle that every floor above works with: bytes, a layout over them, a dtype, and
//! the places where a gradient may hang. It knows that it *may* belong to the tape, not how the tape
//! works: that is `autograd`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use crate::autograd::{Edge, GradMeta, inference_enabled};
use crate::bail;
use crate::cpu::pointwise::Operand;
use crate::device::{self, Device};
use crate::dtype::{Cast, DType, Element};
use crate::error::Result;
use crate::layout::{Layout, Show, Strides, checked_numel};
use crate::shared::{arc_get_mut, arc_in_place, arc_sole_mut};
use crate::storage::Storage;

/// A shared handle: clones are the same tensor.
#[derive(Clone)]
#[repr(transparent)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    storage: Storage,
    layout: Layout,
    dtype: DType,
    /// Made in inference mode: can take no part in a graph.
    inference: bool,
    /// The node that made this value. In-place changes supersede it through `meta`.
    producer: Option<Edge>,
    /// Set when this tensor is a view that the tape follows.
    view: Option<ViewOf>,
    /// What only some tensors need: created when a leaf asks for gradients, at a hook, at an in-place
    /// change. Shared by handles that stand for the same variable.
    meta: OnceLock<Arc<GradMeta>>,
    /// The Python object that wraps this tensor, if there is one; owned by the Python floor.
    python: AtomicPtr<c_void>,
}

/// A handle that does not keep the tensor alive.
#[derive(Clone, Default)]
pub struct WeakTensor(Weak<Inner>);

impl WeakTensor {
    pub fn upgrade(&self) -> Option<Tensor> {
        self.0.upgrade().map(Tensor)
    }
}

/// How a view came to be, which decides whether it may be changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewOrigin {
    Plain,
    /// One of several views that one call returned.
    OneOfMany,
    /// Made while recording was off.
    NoGrad,
    /// Made in inference mode, of a tensor from outside.
    Inference,
    /// Handed out by a user's own function, whose backward must not be bypassed.
    Function,
}

/// The tensor that a view was taken of; never a view itself.
pub struct ViewOf {
    pub base: Tensor,
    pub origin: ViewOrigin,
    /// Version of the storage for which the view's producer is true.
    pub version: AtomicU32,
}

impl Tensor {
    #[inline]
    fn build(storage: Storage, layout: Layout, dtype: DType) -> Tensor {
        Tensor::build_with(storage, |l| *l = layout, dtype, inference_enabled())
    }

    /// Another tensor over the bytes of `self`: made for inference if `self` is.
    fn build_over(&self, storage: Storage, layout: Layout, dtype: DType) -> Tensor {
        Tensor::build_with(storage, |l| *l = layout, dtype, self.0.inference)
    }

    /// The layout is filled in where it stays: moving it there costs as much as a small operation.
    #[inline(always)]
    fn build_with(storage: Storage, fill: impl FnOnce(&mut Layout), dtype: DType, inference: bool) -> Tensor {
        let mut arc = arc_in_place!(Inner {
            storage,
            layout: Layout::default(),
            dtype,
            inference,
            producer: None,
            view: None,
            meta: OnceLock::new(),
            python: AtomicPtr::new(std::ptr::null_mut()),
        });
        // SAFETY: just made.
        fill(&mut unsafe { arc_sole_mut(&mut arc) }.layout);
        Tensor(arc)
    }

    /// Whether the tensor was made in inference mode.
    #[inline]
    pub fn is_inference(&self) -> bool {
        self.0.inference
    }

    /// Whether this handle is the only one, and with it the gradient information.
    pub fn is_sole_handle(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && self.0.meta.get().is_none_or(|m| Arc::strong_count(m) == 1)
    }

    /// A tensor over existing bytes. The layout must lie within the storage.
    pub fn from_storage(storage: Storage, layout: Layout, dtype: DType) -> Result<Tensor> {
        match layout.extent() {
            Some((_, end)) if end.checked_mul(dtype.size()).is_some_and(|b| b <= storage.bytes()) => {}
            Some((start, end)) if start == end => {}
            _ => bail!(
                Shape,
                "setStorage: sizes {}, strides {}, storage offset {}, and itemsize {} requiring a storage size of {} are out of bounds for storage of size {}",
                Show(&layout.sizes),
                Show(&layout.strides),
                layout.offset,
                dtype.size(),
                layout.extent().map_or(usize::MAX, |e| e.1.saturating_mul(dtype.size())),
                storage.bytes()
            ),
        }
        Ok(Tensor::build(storage, layout, dtype))
    }

    /// Uninitialised and contiguous.
    pub fn empty(sizes: &[usize], dtype: DType) -> Result<Tensor> {
        let bytes = checked_bytes(sizes, dtype)?;
        let storage = Storage::new(bytes)?;
        Ok(Tensor::build_with(storage, |l| l.set_contiguous(sizes), dtype, inference_enabled()))
    }

    /// Uninitialised, with dense strides of some order of the dimensions.
    pub fn empty_dense(sizes: &[usize], strides: Strides, dtype: DType) -> Result<Tensor> {
        let bytes = checked_bytes(sizes, dtype)?;
        let layout = Layout { sizes: sizes.into(), strides, offset: 0 };
        Ok(Tensor::build(Storage::new(bytes)?, layout, dtype))
    }

    /// Uninitialised, with the layout of a contiguous tensor, which has `numel` elements.
    #[inline]
    pub fn empty_as(contiguous: &Tensor, numel: usize, dtype: DType) -> Result<Tensor> {
        let layout = contiguous.layout();
        debug_assert_eq!(numel, layout.numel());
        let storage = Storage::new(numel * dtype.size())?;
        let at_start = |l: &mut Layout| {
            l.copy_from(layout);
            l.offset = 0;
        };
        Ok(Tensor::build_with(storage, at_start, dtype, inference_enabled()))
    }

    /// A contiguous tensor that holds `values`.
    pub fn from_slice<T: Element>(values: &[T], sizes: &[usize]) -> Result<Tensor> {
        let t = device::at(Device::Cpu, || Tensor::empty(sizes, T::DTYPE))?;
        assert_eq!(values.len(), t.numel(), "as many values as the sizes say");
        // SAFETY: the storage is fresh and holds numel elements of T.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), t.ptr().cast::<T>(), values.len()) };
        t.at_place()
    }

    /// Another look at the same bytes, outside the tape.
    pub fn alias(&self, layout: Layout) -> Tensor {
        debug_assert!(
            layout.extent().is_some_and(|(a, b)| a == b || b * self.dtype().size() <= self.storage().bytes())
        );
        self.build_over(self.storage().clone(), layout, self.dtype())
    }

    /// The same bytes with another dtype, whose elements the layout counts.
    pub fn alias_as(&self, layout: Layout, dtype: DType) -> Tensor {
        self.build_over(self.storage().clone(), layout, dtype)
    }

    /// A view that in-place changes on either side can be followed through.
    pub fn view_with(&self, layout: Layout, origin: ViewOrigin) -> Tensor {
        self.view_as_dtype(layout, self.dtype(), origin)
    }

    /// As `view_with`, with a dtype of another width: the layout counts its elements.
    pub fn view_as_dtype(&self, layout: Layout, dtype: DType, origin: ViewOrigin) -> Tensor {
        let (base, inherited) = match &self.0.view {
            Some(v) => (v.base.clone(), v.origin),
            None => (self.clone(), ViewOrigin::Plain),
        };
        let origin = if origin == ViewOrigin::Plain { inherited } else { origin };
        let version = AtomicU32::new(self.storage().version());
        let view = Some(ViewOf { base, origin, version });
        let mut t = self.build_over(self.storage().clone(), layout, dtype);
        arc_get_mut(&mut t.0).expect("just made").view = view;
        t
    }

    /// The same bytes, cut off from the tape. In-place changes are still seen by both.
    pub fn detach(&self) -> Tensor {
        let fill = |l: &mut Layout| l.copy_from(self.layout());
        Tensor::build_with(self.storage().clone(), fill, self.dtype(), self.0.inference)
    }

    /// The same bytes with a version counter of their own (`Tensor.data`).
    pub fn data(&self) -> Tensor {
        self.build_over(self.storage().alias(), self.layout().clone(), self.dtype())
    }

    /// This variable with other bytes: `tensor.data = other`. The place on the tape is kept.
    pub fn with_data(&self, other: &Tensor) -> Tensor {
        let meta = self.meta().clone();
        let t = other.build_over(other.storage().clone(), other.layout().clone(), other.dtype());
        t.0.meta.get_or_init(|| meta);
        t
    }

    /// Larger memory for a larger layout, with the present bytes at its start; the rest is not
    /// initialised.
    pub fn grown(&self, layout: Layout) -> Result<Tensor> {
        if self.device().is_cuda() {
            bail!(Unsupported, "tensors on '{}' cannot be made larger in place", self.device());
        }
        let end = layout.extent().and_then(|(_, end)| end.checked_mul(self.dtype().size()));
        let Some(bytes) = end.filter(|&b| b <= isize::MAX as usize) else {
            bail!(Shape, "Storage size calculation overflowed with sizes={}", Show(&layout.sizes));
        };
        let storage = Storage::new(bytes)?;
        let kept = bytes.min(self.storage().bytes());
        // SAFETY: the new storage is other memory; both have that many bytes.
        unsafe { std::ptr::copy_nonoverlapping(self.storage().ptr(), storage.ptr(), kept) };
        Tensor::from_storage(storage, layout, self.dtype())
    }

    /// A handle through which no graph is kept alive: itself if no node made it.
    #[inline]
    pub fn detached(&self) -> Tensor {
        let made = self.0.producer.is_some() || self.0.meta.get().is_some_and(|m| m.has_producer());
        if made || self.0.view.is_some() { self.detach() } else { self.clone() }
    }

    /// The same value as made by `edge`.
    #[inline(always)]
    pub fn with_producer(mut self, edge: Edge) -> Tensor {
        if arc_get_mut(&mut self.0).is_none() {
            self = self.detach();
        }
        // SAFETY: it has been looked at, or was just made.
        unsafe { arc_sole_mut(&mut self.0) }.producer = Some(edge);
        self
    }

    /// Gives the node behind a fresh result another name, if it was made since number `since` and
    /// nobody else has seen it yet.
    pub fn name_node(&mut self, name: &'static str, since: u64) {
        if let Some(inner) = arc_get_mut(&mut self.0)
            && let Some(edge) = &mut inner.producer
            && edge.node.sequence() >= since
            && let Some(node) = Arc::get_mut(&mut edge.node)
        {
            node.rename(name);
        }
    }

    #[inline]
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    #[inline]
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    #[inline]
    pub fn sizes(&self) -> &[usize] {
        &self.0.layout.sizes
    }

    #[inline]
    pub fn strides(&self) -> &[isize] {
        &self.0.layout.strides
    }

    #[inline]
    pub fn ndim(&self) -> usize {
        self.0.layout.ndim()
    }

    #[inline]
    pub fn numel(&self) -> usize {
        self.0.layout.numel()
    }

    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// Size of a dimension that is known to exist.
    pub fn size(&self, dim: usize) -> usize {
        self.0.layout.sizes[dim]
    }

    /// Address of the first element.
    #[inline]
    pub fn ptr(&self) -> *mut u8 {
        self.storage().ptr().wrapping_add(self.layout().offset * self.dtype().size())
    }

    /// Where the bytes are.
    #[inline]
    pub fn device(&self) -> Device {
        self.storage().device()
    }

    /// Address of the first element in a GPU's memory.
    pub fn device_address(&self) -> u64 {
        self.storage().device_address() + (self.layout().offset * self.dtype().size()) as u64
    }

    /// A fresh tensor of the host at the present place.
    pub fn at_place(self) -> Result<Tensor> {
        if device::place() == self.device() {
            return Ok(self);
        }
        let out = Tensor::empty(self.sizes(), self.dtype())?;
        crate::ops::copy::write(&out, &self)?;
        Ok(out)
    }

    /// What kernels need to know.
    #[inline]
    pub fn operand(&self) -> Operand {
        Operand { ptr: self.ptr(), dtype: self.dtype() }
    }

    pub fn downgrade(&self) -> WeakTensor {
        WeakTensor(Arc::downgrade(&self.0))
    }

    /// Whether both handles are the very same tensor.
    pub fn is(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What no other tensor has, as long as this one is there.
    pub fn identity(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }

    /// Whether nobody else can see the bytes, so that they may be overwritten.
    pub fn is_unique(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && self.storage().is_unique()
    }

    pub fn view_of(&self) -> Option<&ViewOf> {
        self.0.view.as_ref()
    }

    /// The node that made the value when the tensor was created; see `autograd` for the present one.
    #[inline]
    pub fn original_producer(&self) -> Option<&Edge> {
        self.0.producer.as_ref()
    }

    /// The gradient information, if there is any yet.
    #[inline]
    pub fn meta_if_any(&self) -> Option<&Arc<GradMeta>> {
        self.0.meta.get()
    }

    /// The gradient information, made on demand.
    pub fn meta(&self) -> &Arc<GradMeta> {
        self.0.meta.get_or_init(|| Arc::new(GradMeta::new(self.0.producer.clone())))
    }

    /// The slot in which the Python floor keeps the object that wraps this tensor.
    pub fn python_slot(&self) -> &AtomicPtr<c_void> {
        &self.0.python
    }

    /// Elements in row-major order, converted.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        let mut out = Vec::with_capacity(self.numel());
        let layout = self.layout();
        if self.is_contiguous() {
            crate::dispatch!(self.dtype(), S => {
                let start = self.ptr().cast::<S>();
                // SAFETY: a contiguous tensor has that many elements from its first on.
                out.extend((0..self.numel()).map(|i| -> T { unsafe { start.add(i).read_unaligned() }.cast() }));
            });
            return out;
        }
        let mut index = vec![0usize; self.ndim()];
        for _ in 0..self.numel() {
            let at: isize = index.iter().zip(&layout.strides).map(|(&i, &s)| i as isize * s).sum();
            // SAFETY: every index of a layout lies within its storage.
            let value = crate::dispatch!(self.dtype(), S => unsafe {
                self.ptr().cast::<S>().offset(at).read_unaligned().cast()
            });
            out.push(value);
            for d in (0..index.len()).rev() {
                index[d] += 1;
                if index[d] < layout.sizes[d] {
                    break;
                }
                index[d] = 0;
            }
        }
        out
    }

    /// Marks the bytes as changed in place.
    pub fn bump_version(&self) {
        self.storage().bump_version();
    }

    pub fn version(&self) -> u32 {
        self.storage().version()
    }

    /// Notes that the view's producer is true for the present version.
    pub fn mark_view_current(&self) {
        if let Some(view) = self.view_of() {
            view.version.store(self.version(), Ordering::Relaxed);
        }
    }
}

fn checked_bytes(sizes: &[usize], dtype: DType) -> Result<usize> {
    let Some(bytes) = checked_numel(sizes)?.checked_mul(dtype.size()).filter(|&b| b <= isize::MAX as usize)
    else {
        bail!(Shape, "Storage size calculation overflowed with sizes={}", Show(sizes));
    };
    Ok(bytes)
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({}, {})", self.dtype(), Show(self.sizes()))
    }
}
