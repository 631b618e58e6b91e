//! What a node keeps for its backward: tensors with the version they had, or what pack hooks made of
//! them.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;

use crate::autograd::mode::no_grad;
use crate::autograd::node;
use crate::autograd::node::{Edge, NodeRef, display_name};
use crate::bail;
use crate::error::{Error, Result};
use crate::shared::push_in_place;
use crate::tensor::Tensor;

/// What is to be kept for the backward: named, so that it can be tied to the graph again.
pub enum Save<'a> {
    Input(usize),
    Output(usize),
    /// Something in between, through which no gradient flows.
    Other(&'a Tensor),
}

/// Where a saved tensor stood.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Input(u32),
    Output(u32),
    Other,
}

/// A tensor that a node keeps. Plain fields with what is rare apart: one is made in every recorded
/// operation, and an enum that holds tensors is built on the stack and then copied.
pub struct SavedTensor {
    /// None where a hook packed it, or where it could not be saved and the operation has reported it.
    tensor: Option<Tensor>,
    version: u32,
    pub origin: Origin,
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// What a pack hook made of the tensor.
    packed: Option<Arc<Box<dyn Packed>>>,
    /// Where it was made, if by a node that has nothing to do with the one that saves.
    made: Option<Edge>,
}

/// What is kept of a node: taken away when the graph is freed.
#[derive(Default)]
pub struct SavedState {
    pub tensors: SmallVec<[SavedTensor; 2]>,
    pub released: bool,
}

/// A tensor as a pack hook left it.
pub trait Packed: Send + Sync {
    fn unpack(&self) -> Result<Tensor>;
    /// What belongs to the floor above, for its garbage collector.
    fn foreign(&self) -> &(dyn Any + Send + Sync);
}

/// A pack hook: takes tensors when they are saved.
pub trait Pack: Send + Sync {
    fn pack(&self, tensor: &Tensor) -> Result<Box<dyn Packed>>;
}

thread_local! {
    static PACKERS: RefCell<Vec<Arc<dyn Pack>>> = const { RefCell::new(Vec::new()) };
    static PACKING: Cell<bool> = const { Cell::new(false) };
    static REFUSED: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Whether some thread has a refusal to report.
static ANY_REFUSED: AtomicBool = AtomicBool::new(false);

/// Tensors that this thread saves go through `pack` until [`pop_pack`].
pub fn push_pack(pack: Arc<dyn Pack>) {
    PACKERS.with(|p| p.borrow_mut().push(pack));
    PACKING.with(|p| p.set(true));
}

pub fn pop_pack() {
    let gone = PACKERS.with_borrow_mut(Vec::pop);
    let left = PACKERS.with_borrow(Vec::len);
    PACKING.with(|p| p.set(left > 0));
    drop(gone);
}

/// The reason why a tensor could not be saved since the last call. Saving is done in the middle of
/// operations that cannot fail any more, so it is asked for when they hand out their result.
#[inline]
pub fn take_refusal() -> Option<Error> {
    if !ANY_REFUSED.load(Ordering::Relaxed) {
        return None;
    }
    REFUSED.with(|r| r.borrow_mut().take())
}

#[cold]
fn refuse(error: Error) {
    ANY_REFUSED.store(true, Ordering::Relaxed);
    REFUSED.with(|r| *r.borrow_mut() = Some(error));
}

const INFERENCE: &str = "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.";

impl SavedState {
    /// Keeps one more tensor.
    #[inline(always)]
    pub fn keep(&mut self, tensor: &Tensor, origin: Origin) {
        if tensor.is_inference() || PACKING.with(Cell::get) {
            return self.tensors.push(SavedTensor::by_hook(tensor, origin));
        }
        let (version, rare) = (tensor.version(), None);
        push_in_place!(self.tensors, SavedTensor { tensor: Some(tensor.detached()), version, origin, rare });
    }

    /// Keeps a tensor that `edge` made, a node that has nothing to do with the one that saves.
    pub fn keep_made(&mut self, tensor: &Tensor, edge: Edge) {
        self.keep(tensor, Origin::Other);
        if let Some(saved) = self.tensors.last_mut() {
            saved.rare.get_or_insert_default().made = Some(edge);
        }
    }
}

impl SavedTensor {
    #[cold]
    fn by_hook(tensor: &Tensor, origin: Origin) -> SavedTensor {
        let mut saved = SavedTensor { tensor: None, version: tensor.version(), origin, rare: None };
        if tensor.is_inference() {
            refuse(Error::Autograd(INFERENCE.to_owned()));
            return saved;
        }
        if REFUSED.with_borrow(Option::is_some) {
            return saved;
        }
        let Some(hook) = PACKERS.with_borrow(|p| p.last().cloned()) else {
            saved.tensor = Some(tensor.detached());
            return saved;
        };
        // An output that knew its node would keep it alive for ever.
        let tensor = if matches!(origin, Origin::Output(_)) { &tensor.detach() } else { tensor };
        match no_grad(|| hook.pack(tensor)) {
            Ok(packed) => saved.rare.get_or_insert_default().packed = Some(Arc::new(packed)),
            Err(error) => refuse(error),
        }
        saved
    }

    fn packed(&self) -> Option<&Arc<Box<dyn Packed>>> {
        self.rare.as_ref()?.packed.as_ref()
    }

    /// The node that made the tensor, if it is kept here, to be dropped apart.
    #[inline]
    pub fn take_made(&mut self) -> Option<Edge> {
        self.rare.as_mut()?.made.take()
    }

    /// What belongs to the floor above, if anything does.
    pub fn foreign(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.packed().filter(|packed| Arc::strong_count(packed) == 1).map(|packed| packed.foreign())
    }
}

/// The `i`-th thing that `node` saved, with its place in the graph if it is to be tied to it again.
pub fn unpack(node: &NodeRef, saved: &Mutex<SavedState>, i: usize, tied: bool) -> Result<Tensor> {
    let (plain, packed, origin, made) = {
        let state = saved.lock().unwrap_or_else(|e| e.into_inner());
        if state.released {
            bail!(
                Autograd,
                "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
            );
        }
        let s = &state.tensors[i];
        if let Some(tensor) = &s.tensor {
            check_version(node, tensor, s.version, s.origin)?;
        }
        let made = s.rare.as_ref().and_then(|rare| rare.made.clone());
        (s.tensor.clone(), s.packed().cloned(), s.origin, made)
    };
    let tensor = match (plain, packed) {
        (Some(tensor), _) => tensor,
        (None, Some(packed)) => packed.unpack()?,
        (None, None) => bail!(Autograd, "a tensor that this gradient needs could not be saved"),
    };
    if !tied {
        return Ok(tensor);
    }
    let edge = match origin {
        Origin::Input(i) => node.edges()[i as usize].clone(),
        Origin::Output(output) => Some(Edge { node: node.clone(), output }),
        Origin::Other => made,
    };
    Ok(match edge {
        // A leaf was kept itself.
        Some(_) if tensor.requires_grad() => tensor,
        Some(edge) => tensor.detach().with_producer(edge),
        None => tensor,
    })
}

fn check_version(node: &node::NodeRef, tensor: &Tensor, version: u32, origin: Origin) -> Result<()> {
    let now = tensor.version();
    if now == version {
        return Ok(());
    }
    let which = match origin {
        Origin::Output(o) => format!(", which is output {o} of {}", display_name(node.name())),
        _ => String::new(),
    };
    bail!(
        Autograd,
        "one of the variables needed for gradient computation has been modified by an inplace operation: [torch.{}Tensor {}]{which}, is at version {now}; expected version {version} instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True).",
        tensor.dtype().scalar_name(),
        crate::layout::Show(tensor.sizes()),
    )
}
