"""Several tensors as one."""

from __future__ import annotations

from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph


def _joined(g: Graph, call: Call, names: list[str], dim: int) -> str:
    return names[0] if len(names) == 1 else g.op("Concat", names, axis=dim)


@maps("cat")
def cat(g: Graph, call: Call) -> str:
    # PyTorch lets empty vectors stand among tensors of any shape.
    parts = [t for t in call["tensors"] if t.shape != [0]] or call["tensors"]
    return _joined(g, call, [g.operand(t, call.out.dtype) for t in parts], call["dim"])


@maps("stack")
def stack(g: Graph, call: Call) -> str:
    names = [g.unsqueeze(g.operand(t, call.out.dtype), [call["dim"]]) for t in call["tensors"]]
    return _joined(g, call, names, call["dim"])


@maps("hstack", "vstack", "dstack", "column_stack")
def stacks(g: Graph, call: Call) -> str:
    names = []
    for t in call["tensors"]:
        name = g.operand(t, call.out.dtype)
        if call.name == "hstack":
            name = g.unsqueeze(name, [0]) if t.ndim == 0 else name
        elif call.name == "vstack":
            name = g.unsqueeze(name, list(range(2 - t.ndim))) if t.ndim < 2 else name
        elif call.name == "column_stack":
            name = g.unsqueeze(name, [1] if t.ndim == 1 else [0, 1]) if t.ndim < 2 else name
        elif t.ndim < 3:
            name = g.unsqueeze(name, {0: [0, 1, 2], 1: [0, 2], 2: [2]}[t.ndim])
        names.append(name)
    dims = {"hstack": 0 if call.out.ndim == 1 else 1, "vstack": 0, "dstack": 2, "column_stack": 1}
    return _joined(g, call, names, dims[call.name])
