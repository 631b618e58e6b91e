"""More elements around a tensor."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


def _wrapped(g: Graph, call: Call) -> str:
    """Circular padding: what lies at the other end, joined on."""
    x, pads = call["input"], call["pad"]
    if any(isinstance(p, Dynamic) for p in pads):
        raise g.unsupported("circular padding by a dynamic number of elements")
    name = g.value(x)
    for i in range(len(pads) // 2):
        axis, before, after = x.ndim - 1 - i, pads[2 * i], pads[2 * i + 1]
        pieces = [name]
        if before:
            pieces.insert(0, g.slice(name, axis, -before, None))
        if after:
            pieces.append(g.slice(name, axis, 0, after))
        if len(pieces) > 1:
            name = g.op("Concat", pieces, axis=axis)
    return name


@maps("pad", "constant_pad_nd")
def pad(g: Graph, call: Call) -> str:
    x, pads, dtype = call["input"], list(call["pad"]), call.out.dtype
    if not pads:
        return g.value(x)
    mode = call.get("mode", "constant")
    if mode == "circular":
        return _wrapped(g, call)
    begins: list[Any] = [0] * x.ndim
    ends: list[Any] = [0] * x.ndim
    for i in range(len(pads) // 2):
        begins[x.ndim - 1 - i], ends[x.ndim - 1 - i] = pads[2 * i], pads[2 * i + 1]
    if mode != "constant":
        return g.op("Pad", [x, g.sizes(begins + ends)], mode=_MODES[mode])
    number = call.get("value") or 0
    through = _C.int32 if dtype == _C.bool else dtype
    name = g.operand(x, through)
    out = g.op("Pad", [name, g.sizes(begins + ends), g.operand(number, through)], mode="constant")
    return g.cast(out, dtype) if through != dtype else out
