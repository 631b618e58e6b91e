"""Tensors that are made: of one number, of a range, at random."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps
from rustnn.onnx.proto import data_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

_FILLS = {"ones": 1, "ones_like": 1, "new_ones": 1}


@maps(
    "zeros",
    "zeros_like",
    "new_zeros",
    "ones",
    "ones_like",
    "new_ones",
    "full",
    "full_like",
    "new_full",
    "empty",
    "empty_like",
    "new_empty",
)
def full(g: Graph, call: Call) -> str:
    number = call.get("fill_value", _FILLS.get(call.name, 0))
    dtype = call.out.dtype
    shape = g.sizes(call.out.shape) if call.out.shape else g.constant([], _C.int64)
    if isinstance(number, (int, float, bool)):
        return g.op("ConstantOfShape", [shape], value=_C.tensor([number], dtype=dtype))
    return g.op("Expand", [g.operand(number, dtype), shape])


@maps("arange")
def arange(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    limits = [call.get("start", 0), call["end"], call.get("step", 1)]
    return g.op("Range", [g.operand(limit, dtype) for limit in limits])


@maps("eye")
def eye(g: Graph, call: Call) -> str:
    zeros = g.op("ConstantOfShape", [g.sizes(call.out.shape)], value=_C.tensor([0], dtype=_C.int32))
    return g.op("EyeLike", [zeros], dtype=data_type(call.out.dtype))


@maps("linspace")
def linspace(g: Graph, call: Call) -> str:
    dtype, start, end, steps = call.out.dtype, call["start"], call["end"], call["steps"]
    if not isinstance(steps, (int, Dynamic)):
        raise g.unsupported("a number of steps that is a tensor")
    count = g.squeeze(g.size(steps), [0])
    places = g.cast(g.op("Range", [g.constant(0, _C.int64), count, g.constant(1, _C.int64)]), dtype)
    gaps = g.op("Max", [g.op("Sub", [g.cast(count, dtype), g.constant(1, dtype)]), g.constant(1, dtype)])
    first, last = g.operand(start, dtype), g.operand(end, dtype)
    step = g.op("Div", [g.op("Sub", [last, first]), gaps])
    return g.op("Add", [first, g.op("Mul", [places, step])])


@maps("rand", "randn", "rand_like", "randn_like")
def random(g: Graph, call: Call) -> str:
    kind = "RandomNormal" if call.name.startswith("randn") else "RandomUniform"
    zeros = g.op("ConstantOfShape", [g.sizes(call.out.shape)], value=_C.tensor([0.0], dtype=_C.float32))
    return g.op(f"{kind}Like", [zeros], dtype=data_type(call.out.dtype))


@maps("normal")
def normal(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    if "size" in call.arguments:
        raise g.unsupported("random numbers of a given size; use randn")
    zeros = g.op("ConstantOfShape", [g.sizes(call.out.shape)], value=_C.tensor([0.0], dtype=_C.float32))
    draws = g.op("RandomNormalLike", [zeros], dtype=data_type(dtype))
    spread = g.op("Mul", [draws, g.operand(call["std"], dtype)])
    return g.op("Add", [spread, g.operand(call["mean"], dtype)])
