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
use crate::tensor::Tensor;

/// What is to be kept for the backward: named, so that it can be tied to the graph again.
pub enum Save<'a> {
    Input(usize),
    Output(usize),
    /// Something in between, through which no gradient flows.
    Other(&'a Tensor),
}

/// Where a saved tensor stood.
#[derive(Clone)]
pub enum Origin {
    Input(u32),
    Output(u32),
    Other,
    /// Made by a node that has nothing to do with the one that saves.
    Made(Edge),
}

pub struct SavedTensor {
    kept: Kept,
    pub origin: Origin,
}

enum Kept {
    Plain {
        tensor: Tensor,
        version: u32,
    },
    /// What a pack hook made of it.
    Packed(Arc<Box<dyn Packed>>),
    /// The tensor could not be saved; the operation has reported it.
    Refused,
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

fn refuse(error: Error) -> Kept {
    ANY_REFUSED.store(true, Ordering::Relaxed);
    REFUSED.with(|r| *r.borrow_mut() = Some(error));
    Kept::Refused
}

const INFERENCE: &str = "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.";

impl SavedTensor {
    /// Inlined, so that `origin` is made where it stays: a copy would wait for its parts to be written.
    #[inline(always)]
    pub fn new(tensor: &Tensor, origin: Origin) -> SavedTensor {
        if tensor.is_inference() {
            return SavedTensor { kept: refuse(Error::Autograd(INFERENCE.to_owned())), origin };
        }
        let kept = if PACKING.with(Cell::get) {
            pack(tensor, &origin)
        } else {
            Kept::Plain { tensor: tensor.detached(), version: tensor.version() }
        };
        SavedTensor { kept, origin }
    }

    /// What belongs to the floor above, if anything does.
    pub fn foreign(&self) -> Option<&(dyn Any + Send + Sync)> {
        match &self.kept {
            Kept::Packed(packed) if Arc::strong_count(packed) == 1 => Some(packed.foreign()),
            _ => None,
        }
    }
}

#[cold]
fn pack(tensor: &Tensor, origin: &Origin) -> Kept {
    if REFUSED.with_borrow(Option::is_some) {
        return Kept::Refused;
    }
    let hook = PACKERS.with_borrow(|p| p.last().cloned());
    let Some(hook) = hook else {
        return Kept::Plain { tensor: tensor.detached(), version: tensor.version() };
    };
    // An output that knew its node would keep it alive for ever.
    let tensor = if matches!(origin, Origin::Output(_)) { &tensor.detach() } else { tensor };
    match no_grad(|| hook.pack(tensor)) {
        Ok(packed) => Kept::Packed(Arc::new(packed)),
        Err(error) => refuse(error),
    }
}

/// The `i`-th thing that `node` saved, with its place in the graph if it is to be tied to it again.
pub fn unpack(node: &NodeRef, saved: &Mutex<SavedState>, i: usize, tied: bool) -> Result<Tensor> {
    enum Found {
        Plain(Tensor),
        Packed(Arc<Box<dyn Packed>>),
    }
    let (found, origin) = {
        let state = saved.lock().unwrap_or_else(|e| e.into_inner());
        if state.released {
            bail!(
                Autograd,
                "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
            );
        }
        let s = &state.tensors[i];
        let found = match &s.kept {
            Kept::Plain { tensor, version } => {
                check_version(node, tensor, *version, &s.origin)?;
                Found::Plain(tensor.clone())
            }
            Kept::Packed(packed) => Found::Packed(packed.clone()),
            Kept::Refused => bail!(Autograd, "a tensor that this gradient needs could not be saved"),
        };
        (found, s.origin.clone())
    };
    let tensor = match found {
        Found::Plain(tensor) => tensor,
        Found::Packed(packed) => packed.unpack()?,
    };
    if !tied {
        return Ok(tensor);
    }
    let edge = match origin {
        Origin::Input(i) => node.edges()[i as usize].clone(),
        Origin::Output(output) => Some(Edge { node: node.clone(), output }),
        Origin::Made(edge) => Some(edge),
        Origin::Other => None,
    };
    Ok(match edge {
        // A leaf was kept itself.
        Some(_) if tensor.requires_grad() => tensor,
        Some(edge) => tensor.detach().with_producer(edge),
        None => tensor,
    })
}

fn check_version(node: &node::NodeRef, tensor: &Tensor, version: u32, origin: &Origin) -> Result<()> {
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
