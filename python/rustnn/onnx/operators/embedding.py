"""Rows of tables."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.graph import Graph
    from rustnn.onnx.tracing import Call


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
