"""Rows of tables."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph


@maps("embedding")
def embedding(g: Graph, call: Call) -> str:
    return g.op("Gather", [call["weight"], call["indices"]], axis=0)


@maps("one_hot")
def one_hot(g: Graph, call: Call) -> str:
    classes = call["num_classes"]
    if classes == -1:
        raise g.unsupported("the number of classes has to be given, it would depend on the input")
    values = g.constant([0, 1], _C.int64)
    return g.op("OneHot", [call["tensor"], g.size(classes), values], axis=-1)


@maps("embedding_bag")
def embedding_bag(g: Graph, call: Call) -> list[str]:
    """A product of the rows with a matrix that says which of them each bag has."""
    weight, indices, dtype = call["weight"], call["indices"], call["weight"].dtype
    if call["mode"] == 2:
        raise g.unsupported("the largest of a bag (mode='max')")
    offsets = g.cast(call["offsets"], _C.int64)
    if call["include_last_offset"]:
        offsets = g.slice(offsets, 0, 0, -1)
    count = g.op("Shape", [indices])
    places = g.op("Range", [g.constant(0, _C.int64), g.squeeze(count, [0]), g.constant(1, _C.int64)])
    places = g.unsqueeze(places, [0])
    ends = g.op("Concat", [g.slice(offsets, 0, 1, None), count], axis=0)
    begun = g.op("LessOrEqual", [g.unsqueeze(offsets, [1]), places])
    holds = g.op("And", [begun, g.op("Less", [places, g.unsqueeze(ends, [1])])])
    if call["padding_idx"] is not None:
        padding = call["padding_idx"] % weight.shape[0]
        real = g.op("Not", [g.op("Equal", [g.cast(indices, _C.int64), g.constant(padding, _C.int64)])])
        holds = g.op("And", [holds, real])
    holds = g.cast(holds, dtype)
    rows = g.op("Gather", [weight, indices], axis=0)
    if call["per_sample_weights"] is not None:
        rows = g.op("Mul", [rows, g.unsqueeze(call["per_sample_weights"], [1])])
    bags = g.op("MatMul", [holds, rows])
    if call["mode"] == 1:
        number = g.op("Max", [g.reduce("ReduceSum", holds, [1], True), g.constant(1, dtype)])
        bags = g.op("Div", [bags, number])
    # What else the function gives is for its gradient.
    return [bags] * len(call.outputs)
