"""Sums, means, extremes and other numbers about many elements."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call, Value
    from rustnn.onnx.graph import Graph

__all__ = ["count"]


def _axes(call: Call) -> list[int] | None:
    """The dims to reduce; None for all."""
    dim, x = call.get("dim"), next(iter(call.arguments.values()))
    if dim is None or dim == [] or x.ndim == 0:
        return None
    return [dim] if isinstance(dim, int) else list(dim)


def count(g: Graph, x: Value, axes: list[int] | None, dtype: Any) -> str:
    """How many elements are reduced to one, as a number of that dtype."""
    sizes = x.shape if axes is None else [x.shape[axis] for axis in axes]
    if not any(isinstance(size, Dynamic) for size in sizes):
        return g.constant(math.prod(sizes), dtype)
    return g.cast(g.op("ReduceProd", [g.sizes(sizes)], keepdims=0), dtype)


@maps("sum", "mean", "prod")
def sum_and_mean(g: Graph, call: Call) -> str:
    kind = {"sum": "ReduceSum", "mean": "ReduceMean", "prod": "ReduceProd"}[call.name]
    x = g.operand(call["input"], call.out.dtype)
    return g.reduce(kind, x, _axes(call), call.get("keepdim", False))


@maps("nansum")
def nansum(g: Graph, call: Call) -> str:
    x, dtype = g.operand(call["input"], call.out.dtype), call.out.dtype
    if dtype.is_floating_point:
        x = g.op("Where", [g.op("IsNaN", [x]), g.constant(0.0, dtype), x])
    return g.reduce("ReduceSum", x, _axes(call), call["keepdim"])


@maps("amax", "amin")
def amax(g: Graph, call: Call) -> str:
    kind = "ReduceMax" if call.name == "amax" else "ReduceMin"
    return g.reduce(kind, call["input"], _axes(call), call["keepdim"])


@maps("max", "min")
def max_(g: Graph, call: Call) -> str | list[str]:
    x, word = call["input"], "Max" if call.name == "max" else "Min"
    if "other" in call.arguments:
        return g.op(word, [g.operand(x, call.out.dtype), g.operand(call["other"], call.out.dtype)])
    if "dim" not in call.arguments:
        return g.reduce(f"Reduce{word}", x, None)
    if x.ndim == 0:
        return [g.value(x), g.constant(0, _C.int64)]
    values = g.reduce(f"Reduce{word}", x, _axes(call), call["keepdim"])
    return [values, g.op(f"Arg{word}", [x], axis=call["dim"], keepdims=int(call["keepdim"]))]


@maps("aminmax")
def aminmax(g: Graph, call: Call) -> list[str]:
    return [
        g.reduce(kind, call["input"], _axes(call), call["keepdim"]) for kind in ("ReduceMin", "ReduceMax")
    ]


@maps("argmax", "argmin")
def argmax(g: Graph, call: Call) -> str:
    kind = "ArgMax" if call.name == "argmax" else "ArgMin"
    x, dim = call["input"], call["dim"]
    name = g.cast(x, _C.int32) if x.dtype == _C.bool else g.value(x)
    if dim is not None:
        return g.op(kind, [name], axis=dim, keepdims=int(call["keepdim"]))
    flat = g.op("Reshape", [name, g.integers([-1])])
    index = g.op(kind, [flat], axis=0, keepdims=0)
    return g.op("Reshape", [index, g.integers([1] * x.ndim)]) if call["keepdim"] else index


@maps("all", "any")
def all_(g: Graph, call: Call) -> str:
    truth = g.cast(g.operand(call["input"], _C.bool), _C.int32)
    kind = "ReduceMin" if call.name == "all" else "ReduceMax"
    return g.cast(g.reduce(kind, truth, _axes(call), call.get("keepdim", False)), call.out.dtype)


@maps("count_nonzero")
def count_nonzero(g: Graph, call: Call) -> str:
    truth = g.cast(g.operand(call["input"], _C.bool), _C.int64)
    return g.reduce("ReduceSum", truth, _axes(call))


@maps("logsumexp")
def logsumexp(g: Graph, call: Call) -> str:
    x, axes = g.operand(call["input"], call.out.dtype), _axes(call)
    most = g.reduce("ReduceMax", x, axes, True)
    rest = g.op("Log", [g.reduce("ReduceSum", g.op("Exp", [g.op("Sub", [x, most])]), axes, call["keepdim"])])
    return g.op("Add", [rest, most if call["keepdim"] else g.reduce("ReduceMax", x, axes, False)])


@maps("var", "std", "var_mean", "std_mean")
def variance(g: Graph, call: Call) -> str | list[str]:
    x, dtype, axes = call["input"], call.out.dtype, _axes(call)
    keepdim = call.get("keepdim", False)
    correction = call.get("correction")
    if correction is None:
        correction = int(call.get("unbiased", True))
    centre = g.reduce("ReduceMean", x, axes, True)
    distance = g.op("Sub", [x, centre])
    squares = g.op("Mul", [distance, distance])
    if correction:
        total = g.reduce("ReduceSum", squares, axes, keepdim)
        number = g.op("Sub", [count(g, x, axes, dtype), g.constant(correction, dtype)])
        out = g.op("Div", [total, number])
    else:
        out = g.reduce("ReduceMean", squares, axes, keepdim)
    if call.name.startswith("std"):
        out = g.op("Sqrt", [out])
    return [out, g.reduce("ReduceMean", x, axes, keepdim)] if call.name.endswith("_mean") else out


@maps("norm", "_linalg_vector_norm", "_linalg_norm")
def norm(g: Graph, call: Call) -> str:
    x, axes, dtype = call.get("input") or call.get("x") or call.get("A"), _axes(call), call.out.dtype
    keepdim = call["keepdim"]
    order = call["p"] if "p" in call.arguments else call["ord"]
    if order in (None, "fro"):
        order = 2
    given = call.get("ord")
    of_matrices = call.name == "_linalg_norm" and given not in (None, "fro") and len(axes or x.shape) > 1
    if isinstance(order, str) or of_matrices:
        raise g.unsupported("norms of matrices other than the Frobenius norm")
    name = g.operand(x, dtype)
    if order == 2:
        return g.reduce("ReduceL2", name, axes, keepdim)
    size = g.op("Abs", [name])
    if order == 1:
        return g.reduce("ReduceSum", size, axes, keepdim)
    if order in (math.inf, -math.inf):
        return g.reduce("ReduceMax" if order > 0 else "ReduceMin", size, axes, keepdim)
    if order == 0:
        nonzero = g.cast(g.op("Greater", [size, g.constant(0.0, dtype)]), dtype)
        return g.reduce("ReduceSum", nonzero, axes, keepdim)
    powers = g.op("Pow", [size, g.constant(float(order), dtype)])
    return g.op("Pow", [g.reduce("ReduceSum", powers, axes, keepdim), g.constant(1 / order, dtype)])


@maps("cosine_similarity")
def cosine_similarity(g: Graph, call: Call) -> str:
    a, b, dtype = call["x1"], call["x2"], call.out.dtype
    ndim = max(a.ndim, b.ndim)
    axes = [call["dim"] % ndim - ndim]
    if a.shape != b.shape:
        shape = g.shape_of(g.op("Mul", [a, b]))
        a, b = (g.op("Expand", [x, shape]) for x in (a, b))
    least = g.constant(call["eps"], dtype)
    units = [g.op("Div", [x, g.op("Max", [g.reduce("ReduceL2", x, axes, True), least])]) for x in (a, b)]
    return g.reduce("ReduceSum", g.op("Mul", units), axes)


@maps("pairwise_distance")
def pairwise_distance(g: Graph, call: Call) -> str:
    dtype, p = call.out.dtype, call["p"]
    difference = g.op("Sub", [g.operand(call["x1"], dtype), g.operand(call["x2"], dtype)])
    distance = g.op("Add", [difference, g.constant(call["eps"], dtype)])
    if p == 2:
        return g.reduce("ReduceL2", distance, [-1], call["keepdim"])
    size = g.op("Abs", [distance])
    if p == 1:
        return g.reduce("ReduceSum", size, [-1], call["keepdim"])
    powers = g.reduce("ReduceSum", g.op("Pow", [size, g.constant(float(p), dtype)]), [-1], call["keepdim"])
    return g.op("Pow", [powers, g.constant(1 / p, dtype)])


@maps("cumsum")
def cumsum(g: Graph, call: Call) -> str:
    if call.out.ndim == 0:
        return g.cast(call["input"], call.out.dtype)
    return g.op("CumSum", [g.operand(call["input"], call.out.dtype), g.constant(call["dim"], _C.int64)])
