"""Distances between outputs and targets."""

from __future__ import annotations

from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.graph import Graph
    from rustnn.onnx.tracing import Call


@maps("mse_loss", "l1_loss")
def distance_loss(g: Graph, call: Call) -> str:
    distance = g.op("Sub", [call["input"], call["target"]])
    parts = g.op("Mul", [distance, distance]) if call.name == "mse_loss" else g.op("Abs", [distance])
    reduction = call["reduction"]
    if reduction == 0:
        return parts
    return g.reduce("ReduceMean" if reduction == 1 else "ReduceSum", parts, None)
