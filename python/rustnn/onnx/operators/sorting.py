"""Elements in their order."""

from __future__ import annotations

from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph


@maps("topk")
def topk(g: Graph, call: Call) -> list[str]:
    return g.ops(
        "TopK",
        [call["input"], g.size(call["k"])],
        2,
        axis=call["dim"],
        largest=int(call["largest"]),
        sorted=int(call["sorted"]),
    )


@maps("sort", "argsort", "msort")
def sort(g: Graph, call: Call) -> str | list[str]:
    x = call["input"]
    dim = 0 if call.name == "msort" else call["dim"]
    largest = int(call.get("descending", False))
    values, indices = g.ops("TopK", [x, g.size(x.shape[dim])], 2, axis=dim, largest=largest, sorted=1)
    return [values, indices] if call.name == "sort" else indices if call.name == "argsort" else values
