"""Distances between outputs and targets."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph


@maps("mse_loss", "l1_loss")
def distance_loss(g: Graph, call: Call) -> str:
    distance = g.op("Sub", [call["input"], call["target"]])
    parts = g.op("Mul", [distance, distance]) if call.name == "mse_loss" else g.op("Abs", [distance])
    return _reduced(g, parts, call["reduction"])


def _reduced(g: Graph, parts: str, reduction: int) -> str:
    if reduction == 0:
        return parts
    return g.reduce("ReduceMean" if reduction == 1 else "ReduceSum", parts, None)


@maps("smooth_l1_loss", "huber_loss")
def smooth_loss(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    huber = call.name == "huber_loss"
    if not huber and call["beta"] == 0:
        return _reduced(g, g.op("Abs", [g.op("Sub", [call["input"], call["target"]])]), call["reduction"])
    limit = call["delta"] if huber else call["beta"]
    distance = g.op("Abs", [g.op("Sub", [call["input"], call["target"]])])
    near = g.op("Mul", [g.op("Mul", [distance, distance]), g.constant(0.5 if huber else 0.5 / limit, dtype)])
    far = g.op("Sub", [distance, g.constant(0.5 * limit, dtype)])
    if huber:
        far = g.op("Mul", [far, g.constant(limit, dtype)])
    parts = g.op("Where", [g.op("Less", [distance, g.constant(limit, dtype)]), near, far])
    return _reduced(g, parts, call["reduction"])


@maps("binary_cross_entropy", "binary_cross_entropy_with_logits")
def binary_cross_entropy(g: Graph, call: Call) -> str:
    dtype, target = call.out.dtype, call["target"]
    if call.name == "binary_cross_entropy":
        yes, no = call["input"], g.op("Sub", [g.constant(1.0, dtype), call["input"]])
        limit = g.constant(-100.0, dtype)  # as PyTorch does it
        yes, no = (g.op("Max", [g.op("Log", [x]), limit]) for x in (yes, no))
    else:
        no = g.op("Neg", [g.op("Softplus", [call["input"]])])
        yes = g.op("Neg", [g.op("Softplus", [g.op("Neg", [call["input"]])])])
    if call.get("pos_weight") is not None:
        yes = g.op("Mul", [yes, call["pos_weight"]])
    rest = g.op("Sub", [g.constant(1.0, dtype), target])
    parts = g.op("Neg", [g.op("Add", [g.op("Mul", [target, yes]), g.op("Mul", [rest, no])])])
    if call["weight"] is not None:
        parts = g.op("Mul", [parts, call["weight"]])
    return _reduced(g, parts, call["reduction"])


@maps("cross_entropy", "nll_loss")
def cross_entropy(g: Graph, call: Call) -> str:
    target = call["target"]
    if target.dtype != _C.int64 or call.get("label_smoothing"):
        raise g.unsupported("targets that are probabilities, and label smoothing")
    scores, added = g.value(call["input"]), call["input"].ndim == 1
    labels = g.value(target)
    if added:
        scores, labels = g.unsqueeze(scores, [0]), g.unsqueeze(labels, [0])
    kind = "SoftmaxCrossEntropyLoss" if call.name == "cross_entropy" else "NegativeLogLikelihoodLoss"
    loss = g.op(
        kind,
        [scores, labels, call["weight"]],
        ignore_index=call["ignore_index"],
        reduction=("none", "mean", "sum")[call["reduction"]],
    )
    return g.squeeze(loss, [0]) if added and call["reduction"] == 0 else loss
