//! PyTorch's names of the tensors that nodes save: `grad_fn._saved_self` and its like.
//!
//! What an operation was called with besides tensors (a dim, an exponent) stands in no node here. The `mat2` of a
//! linear layer is its weight as it stands, which PyTorch saves transposed.

use crate::autograd::saved::Origin;
use crate::autograd::saved::Origin::{Input, Output};

type Names = &'static [(&'static str, Origin)];

const USUAL: Names = &[("self", Input(0)), ("other", Input(1)), ("result", Output(0))];

/// Nodes that have other names, by their own.
const OTHERS: &[(&str, Names)] = &[
    ("AddcdivBackward0", &[("self", Input(0)), ("tensor1", Input(1)), ("tensor2", Input(2))]),
    ("AddcmulBackward0", &[("self", Input(0)), ("tensor1", Input(1)), ("tensor2", Input(2))]),
    ("AddmmBackward0", &[("mat1", Input(0)), ("mat2", Input(1))]),
    ("AddmvBackward0", &[("mat", Input(1)), ("vec", Input(2))]),
    ("BaddbmmBackward0", &[("batch1", Input(1)), ("batch2", Input(2))]),
    ("BinaryCrossEntropyBackward0", LOSS),
    ("BinaryCrossEntropyWithLogitsBackward0", LOSS),
    ("BmmBackward0", &[("self", Input(0)), ("mat2", Input(1))]),
    ("CdistBackward0", &[("x1", Input(0)), ("x2", Input(1)), ("result", Output(0))]),
    ("ConvolutionBackward0", WEIGHTED),
    ("CummaxBackward0", INDICES),
    ("CumminBackward0", INDICES),
    ("DotBackward0", &[("self", Input(0)), ("tensor", Input(1))]),
    ("EmbeddingBackward0", &[("indices", Input(0))]),
    ("GatherBackward0", &[("self", Input(0)), ("index", Input(1))]),
    ("HuberLossBackward0", LOSS),
    ("IndexSelectBackward0", &[("index", Input(1))]),
    ("KlDivBackward0", LOSS),
    ("KthvalueBackward0", INDICES),
    ("LerpBackward1", &[("self", Input(0)), ("end", Input(1)), ("weight", Input(2))]),
    ("LinalgQrBackward0", &[("Q", Output(0)), ("R", Output(1))]),
    ("LinalgSvdBackward0", &[("U", Output(0)), ("S", Output(1)), ("Vh", Output(2))]),
    ("MaskedFillBackward0", &[("mask", Input(1))]),
    ("MaskedFillBackward1", &[("mask", Input(1))]),
    ("MaskedSelectBackward0", &[("self", Input(0)), ("mask", Input(1))]),
    ("MaxBackward0", INDICES),
    ("MaxPool2DWithIndicesBackward0", &[("self", Input(0)), ("result1", Output(1))]),
    ("MaxPool3DWithIndicesBackward0", &[("self", Input(0)), ("result1", Output(1))]),
    ("MedianBackward1", INDICES),
    ("MinBackward0", INDICES),
    ("MmBackward0", &[("self", Input(0)), ("mat2", Input(1))]),
    ("ModeBackward0", INDICES),
    ("MseLossBackward0", LOSS),
    ("MvBackward0", &[("self", Input(0)), ("vec", Input(1))]),
    ("NativeBatchNormBackward0", WEIGHTED),
    ("NativeGroupNormBackward0", WEIGHTED),
    ("NativeLayerNormBackward0", WEIGHTED),
    ("NllLossBackward0", LOSS),
    ("PowBackward1", &[("self", Input(0)), ("exponent", Input(1)), ("result", Output(0))]),
    ("PowBackward2", &[("exponent", Input(1)), ("result", Output(0))]),
    ("PreluKernelBackward0", &[("self", Input(0)), ("weight", Input(1))]),
    ("ScatterBackward0", &[("index", Input(1))]),
    ("ScatterAddBackward0", &[("index", Input(1))]),
    ("SmoothL1LossBackward0", LOSS),
    ("SoftMarginLossBackward0", LOSS),
    ("SortBackward0", INDICES),
    ("TopkBackward0", INDICES),
    ("WhereBackward0", &[("condition", Input(0))]),
];

const INDICES: Names = &[("indices", Output(1))];
const LOSS: Names = &[("self", Input(0)), ("target", Input(1)), ("weight", Input(2))];
const WEIGHTED: Names = &[("input", Input(0)), ("weight", Input(1))];

/// The names for a node of this name, as it is displayed.
pub fn of(node: &str) -> Names {
    OTHERS.iter().find(|(name, _)| *name == node).map_or(USUAL, |(_, names)| names)
}
