//! How an operation introduces itself: a signature in PyTorch's notation, a doc line, sample calls
//! for the tests, and a function from parsed arguments to a result. The Python floor makes functions,
//! methods, in-place twins and stubs out of it; nothing here knows Python.

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::Result;
use crate::random::Generator;
use crate::scalar::Scalar;
use crate::tensor::Tensor;

/// One parsed argument.
#[derive(Clone)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Floats(Vec<f64>),
    Scalar(Scalar),
    Ints(SmallVec<[i64; 6]>),
    Tensor(Tensor),
    Tensors(Vec<Tensor>),
    DType(DType),
    Str(String),
    Generator(Generator),
}

/// What an operation returns.
pub enum Output {
    Tensor(Tensor),
    /// A tuple.
    Tensors(Vec<Tensor>),
    /// A named tuple, such as `torch.return_types.max(values, indices)`.
    Named(&'static str, &'static [&'static str], Vec<Tensor>),
    Bool(bool),
    Int(i64),
    Ints(Vec<i64>),
    DType(DType),
    Scalar(Scalar),
    None,
}

impl Output {
    /// Calls the nodes that were made since number `since` by another name.
    pub fn name_nodes(&mut self, name: &'static str, since: u64) {
        match self {
            _ if name.is_empty() => {}
            Output::Tensor(t) => t.name_node(name, since),
            Output::Tensors(list) | Output::Named(_, _, list) => {
                list.iter_mut().for_each(|t| t.name_node(name, since));
            }
            _ => {}
        }
    }
}

macro_rules! into_output {
    ($($t:ty => $variant:ident),*) => { $(impl From<$t> for Output {
        fn from(value: $t) -> Self { Output::$variant(value) }
    })* };
}
into_output!(Tensor => Tensor, Vec<Tensor> => Tensors, bool => Bool, i64 => Int, DType => DType, Scalar => Scalar);

impl From<()> for Output {
    fn from((): ()) -> Self {
        Output::None
    }
}

/// The arguments of a call, in the order of the signature. The accessors rely on the parser having
/// held the arguments against the signature; a mismatch is a bug in the declaration.
pub struct Args<'a>(pub &'a [Value]);

impl Args<'_> {
    pub fn tensor(&self, i: usize) -> &Tensor {
        self.opt_tensor(i).expect("declared as Tensor")
    }

    pub fn opt_tensor(&self, i: usize) -> Option<&Tensor> {
        match &self.0[i] {
            Value::Tensor(t) => Some(t),
            _ => None,
        }
    }

    pub fn tensors(&self, i: usize) -> &[Tensor] {
        match &self.0[i] {
            Value::Tensors(t) => t,
            _ => panic!("declared as Tensor[]"),
        }
    }

    pub fn int(&self, i: usize) -> i64 {
        self.opt_int(i).expect("declared as int")
    }

    pub fn opt_int(&self, i: usize) -> Option<i64> {
        match &self.0[i] {
            Value::Int(v) => Some(*v),
            _ => None,
        }
    }

    pub fn bool(&self, i: usize) -> bool {
        matches!(&self.0[i], Value::Bool(true))
    }

    pub fn opt_bool(&self, i: usize) -> Option<bool> {
        match &self.0[i] {
            Value::Bool(v) => Some(*v),
            _ => None,
        }
    }

    pub fn float(&self, i: usize) -> f64 {
        self.opt_float(i).expect("declared as float")
    }

    pub fn opt_float(&self, i: usize) -> Option<f64> {
        match &self.0[i] {
            Value::Float(v) => Some(*v),
            _ => None,
        }
    }

    pub fn opt_floats(&self, i: usize) -> Option<&[f64]> {
        match &self.0[i] {
            Value::Floats(v) => Some(v),
            _ => None,
        }
    }

    pub fn scalar(&self, i: usize) -> Scalar {
        self.opt_scalar(i).expect("declared as Scalar")
    }

    pub fn opt_scalar(&self, i: usize) -> Option<Scalar> {
        match &self.0[i] {
            Value::Scalar(v) => Some(*v),
            _ => None,
        }
    }

    pub fn ints(&self, i: usize) -> &[i64] {
        self.opt_ints(i).expect("declared as int[]")
    }

    pub fn opt_ints(&self, i: usize) -> Option<&[i64]> {
        match &self.0[i] {
            Value::Ints(v) => Some(v),
            _ => None,
        }
    }

    pub fn dtype(&self, i: usize) -> Option<DType> {
        match &self.0[i] {
            Value::DType(v) => Some(*v),
            _ => None,
        }
    }

    pub fn str(&self, i: usize) -> Option<&str> {
        match &self.0[i] {
            Value::Str(v) => Some(v),
            _ => None,
        }
    }

    pub fn generator(&self, i: usize) -> Option<&Generator> {
        match &self.0[i] {
            Value::Generator(g) => Some(g),
            _ => None,
        }
    }

    pub fn is_none(&self, i: usize) -> bool {
        matches!(&self.0[i], Value::None)
    }
}

pub type Call = fn(&Args) -> Result<Output>;

/// Where an operation can be found in Python.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Variants {
    pub function: bool,
    pub method: bool,
    pub inplace: bool,
}

/// The declaration of an operation.
pub struct Op {
    /// `name(Tensor input, int dim=-1, *, ScalarType? dtype=None) -> Tensor`
    pub signature: &'static str,
    pub doc: &'static str,
    pub call: Call,
    /// Overwrites the first argument; without one the result of `call` is copied into it.
    pub call_inplace: Option<Call>,
    pub variants: Variants,
    /// Argument lists for the tests, separated by `|`: `t(3, 4), dim=1 | t(2), dim=0`.
    pub samples: &'static str,
    /// Open interval from which samples of the table's rows are drawn.
    pub domain: Option<(f64, f64)>,
    pub differentiable: bool,
}

impl Op {
    /// A function of the module.
    pub const fn new(signature: &'static str, call: Call) -> Op {
        let variants = Variants { function: true, method: false, inplace: false };
        Op {
            signature,
            doc: "",
            call,
            call_inplace: None,
            variants,
            samples: "",
            domain: None,
            differentiable: true,
        }
    }

    /// A method of Tensor as well.
    pub const fn method(mut self) -> Op {
        self.variants.method = true;
        self
    }

    /// A method of Tensor only.
    pub const fn method_only(mut self) -> Op {
        self.variants.method = true;
        self.variants.function = false;
        self
    }

    /// A function of the module only.
    pub const fn function_only(mut self) -> Op {
        self.variants.method = false;
        self
    }

    /// Has a twin `name_` that overwrites its first argument.
    pub const fn inplace(mut self) -> Op {
        self.variants.inplace = true;
        self
    }

    /// The same with a call of its own.
    pub const fn inplace_by(mut self, call: Call) -> Op {
        self.variants.inplace = true;
        self.call_inplace = Some(call);
        self
    }

    /// Exactly these variants.
    pub const fn variants(mut self, variants: Variants) -> Op {
        self.variants = variants;
        self
    }

    pub const fn doc(mut self, doc: &'static str) -> Op {
        self.doc = doc;
        self
    }

    pub const fn samples(mut self, samples: &'static str) -> Op {
        self.samples = samples;
        self
    }

    pub const fn domain(mut self, low: f64, high: f64) -> Op {
        self.domain = Some((low, high));
        self
    }

    /// Its result carries no gradient.
    pub const fn no_gradient(self) -> Op {
        self.gradient(false)
    }

    /// Whether its result carries a gradient.
    pub const fn gradient(mut self, differentiable: bool) -> Op {
        self.differentiable = differentiable;
        self
    }

    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().expect("a signature starts with a name")
    }
}
