"""Arithmetic, comparisons and functions of one element."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.onnx.calls import Value
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

__all__ = ["common_dtype"]


def _stand_in(x: Any) -> Any:
    """Something of the same dtype, dims and kind, for the rules of promotion."""
    if isinstance(x, Value):
        return _C.zeros((1,) if x.ndim else (), dtype=x.dtype)
    return x.values[0] if isinstance(x, Dynamic) else x


def common_dtype(*operands: Any) -> Any:
    """The dtype in which tensors and numbers meet."""
    first, *others = (_stand_in(x) for x in operands)
    dtype = _C.result_type(first, first)
    for other in others:
        dtype = _C.result_type(first, other)
        first = _C.zeros((1,) if getattr(first, "ndim", 0) or getattr(other, "ndim", 0) else (), dtype=dtype)
    return dtype


def _binary(g: Graph, kind: str, a: Any, b: Any, dtype: Any) -> str:
    return g.op(kind, [g.operand(a, dtype), g.operand(b, dtype)])


@maps("add", "sub", "rsub")
def add(g: Graph, call: Call) -> str:
    a, b, dtype = call["input"], call["other"], call.out.dtype
    if call.name == "rsub":
        a, b = b, a
    if dtype == _C.bool:
        return _binary(g, "Or", a, b, dtype)
    right = g.operand(b, dtype)
    if call["alpha"] != 1:
        right = g.op("Mul", [right, g.constant(call["alpha"], dtype)])
    return g.op("Add" if call.name == "add" else "Sub", [g.operand(a, dtype), right])


@maps("mul")
def mul(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    return _binary(g, "And" if dtype == _C.bool else "Mul", call["input"], call["other"], dtype)


@maps("div")
def div(g: Graph, call: Call) -> str:
    a, b, dtype, mode = call["input"], call["other"], call.out.dtype, call.get("rounding_mode")
    if mode == "floor":
        return _floor_divide(g, a, b, dtype)
    quotient = _binary(g, "Div", a, b, dtype)
    if mode == "trunc" and dtype.is_floating_point:
        return _trunc(g, quotient)
    return quotient


def _floor_divide(g: Graph, a: Any, b: Any, dtype: Any) -> str:
    left, right = g.operand(a, dtype), g.operand(b, dtype)
    if dtype.is_floating_point:
        return g.op("Floor", [g.op("Div", [left, right])])
    # ONNX's division of integers truncates, its Mod has the sign of the divisor.
    return g.op("Div", [g.op("Sub", [left, g.op("Mod", [left, right])]), right])


@maps("floor_divide")
def floor_divide(g: Graph, call: Call) -> str:
    return _floor_divide(g, call["input"], call["other"], call.out.dtype)


@maps("remainder")
def remainder(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    left, right = g.operand(call["input"], dtype), g.operand(call["other"], dtype)
    if not dtype.is_floating_point:
        return g.op("Mod", [left, right])
    whole = g.op("Floor", [g.op("Div", [left, right])])
    return g.op("Sub", [left, g.op("Mul", [whole, right])])


@maps("fmod")
def fmod(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    return g.op("Mod", [g.operand(call["input"], dtype), g.operand(call["other"], dtype)], fmod=1)


@maps("pow", "float_power")
def power(g: Graph, call: Call) -> str:
    a, b, dtype = call["input"], call["exponent"], call.out.dtype
    left = g.operand(a, dtype)
    if isinstance(b, (int, float)) and float(b) == 2.0:
        return g.op("Mul", [left, left])
    if isinstance(b, (int, float)) and float(b) == 0.5:
        return g.op("Sqrt", [left])
    return g.op("Pow", [left, g.operand(b, dtype)])


@maps("square")
def square(g: Graph, call: Call) -> str:
    x = g.operand(call["input"], call.out.dtype)
    return g.op("Mul", [x, x])


@maps("maximum", "minimum", "fmax", "fmin")
def extremes(g: Graph, call: Call) -> str:
    kind = "Max" if call.name in ("maximum", "fmax") else "Min"
    if call.out.dtype == _C.bool:
        kind = "Or" if kind == "Max" else "And"
    return _binary(g, kind, call["input"], call["other"], call.out.dtype)


@maps("clamp", "clamp_min", "clamp_max")
def clamp(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    low, high = call.get("min"), call.get("max")
    x = g.operand(call["input"], dtype)
    if not isinstance(low, Value) and not isinstance(high, Value):
        low, high = (None if limit is None else g.operand(limit, dtype) for limit in (low, high))
        return g.op("Clip", [x, low, high])
    if low is not None:
        x = g.op("Max", [x, g.operand(low, dtype)])
    return x if high is None else g.op("Min", [x, g.operand(high, dtype)])


def _as_result(g: Graph, truth: str, call: Call) -> str:
    """True and false as the dtype of the result, which in place is that of what is overwritten."""
    return truth if call.out.dtype == _C.bool else g.cast(truth, call.out.dtype)


_COMPARISONS = {"eq": "Equal", "gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual"}


@maps("eq", "ne", "gt", "ge", "lt", "le")
def compare(g: Graph, call: Call) -> str:
    a, b = call["input"], call["other"]
    dtype = common_dtype(a, b)
    if dtype == _C.bool and call.name not in ("eq", "ne"):
        dtype = _C.int32
    if call.name == "ne":
        truth = g.op("Not", [_binary(g, "Equal", a, b, dtype)])
    else:
        truth = _binary(g, _COMPARISONS[call.name], a, b, dtype)
    return _as_result(g, truth, call)


@maps("logical_and", "logical_or", "logical_xor")
def logical(g: Graph, call: Call) -> str:
    kind = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}[call.name]
    return _as_result(g, _binary(g, kind, call["input"], call["other"], _C.bool), call)


@maps("logical_not")
def logical_not(g: Graph, call: Call) -> str:
    return _as_result(g, g.op("Not", [g.operand(call["input"], _C.bool)]), call)


@maps("bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    kind = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor"}[call.name]
    return _binary(g, kind if dtype == _C.bool else f"Bitwise{kind}", call["input"], call["other"], dtype)


@maps("bitwise_not")
def bitwise_not(g: Graph, call: Call) -> str:
    return g.op("Not" if call.out.dtype == _C.bool else "BitwiseNot", [call["input"]])


@maps("where")
def where(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    if "input" not in call.arguments:
        raise g.unsupported("how many places there are depends on the input")
    condition = g.operand(call["condition"], _C.bool)
    return g.op("Where", [condition, g.operand(call["input"], dtype), g.operand(call["other"], dtype)])


@maps("masked_fill")
def masked_fill(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    mask = g.operand(call["mask"], _C.bool)
    return g.op("Where", [mask, g.operand(call["value"], dtype), g.operand(call["input"], dtype)])


_UNARY = {
    "acos": "Acos",
    "acosh": "Acosh",
    "asin": "Asin",
    "asinh": "Asinh",
    "atan": "Atan",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "log": "Log",
    "neg": "Neg",
    "reciprocal": "Reciprocal",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "sqrt": "Sqrt",
    "tan": "Tan",
    "tanh": "Tanh",
    "abs": "Abs",
}


@maps(*_UNARY)
def unary(g: Graph, call: Call) -> str:
    x = g.operand(call["input"], call.out.dtype)
    whole = ("sign",) if call.out.dtype == _C.bool else ("ceil", "floor")
    if call.name in whole and not call.out.dtype.is_floating_point:
        return x
    return g.op(_UNARY[call.name], [x])


@maps("positive", "detach", "clone", "contiguous", "resolve_conj", "resolve_neg")
def identity(g: Graph, call: Call) -> str:
    return g.value(call["input"])


@maps("to", "type_as")
def to(g: Graph, call: Call) -> str:
    return g.cast(call["input"], call.out.dtype)


@maps("rsqrt")
def rsqrt(g: Graph, call: Call) -> str:
    return g.op("Reciprocal", [g.op("Sqrt", [g.operand(call["input"], call.out.dtype)])])


@maps("exp2", "expm1", "log2", "log10", "log1p", "erfc", "frac", "deg2rad", "rad2deg")
def simple_formulas(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    x, one = g.operand(call["input"], dtype), g.constant(1.0, dtype)
    if call.name == "exp2":
        return g.op("Exp", [g.op("Mul", [x, g.constant(math.log(2.0), dtype)])])
    if call.name == "expm1":
        return g.op("Sub", [g.op("Exp", [x]), one])
    if call.name in ("log2", "log10"):
        base = 2.0 if call.name == "log2" else 10.0
        return g.op("Div", [g.op("Log", [x]), g.constant(math.log(base), dtype)])
    if call.name == "log1p":
        return g.op("Log", [g.op("Add", [x, one])])
    if call.name == "erfc":
        return g.op("Sub", [one, g.op("Erf", [x])])
    if call.name == "frac":
        return g.op("Sub", [x, _trunc(g, x)])
    factor = math.pi / 180 if call.name == "deg2rad" else 180 / math.pi
    return g.op("Mul", [x, g.constant(factor, dtype)])


def _trunc(g: Graph, x: str) -> str:
    return g.op("Mul", [g.op("Sign", [x]), g.op("Floor", [g.op("Abs", [x])])])


@maps("trunc")
def trunc(g: Graph, call: Call) -> str:
    x = g.value(call["input"])
    return _trunc(g, x) if call.out.dtype.is_floating_point else x


@maps("round")
def round_(g: Graph, call: Call) -> str:
    x, dtype, decimals = g.value(call["input"]), call.out.dtype, call["decimals"]
    if not dtype.is_floating_point:
        return x
    if decimals == 0:
        return g.op("Round", [x])
    factor = g.constant(10.0**decimals, dtype)
    return g.op("Div", [g.op("Round", [g.op("Mul", [x, factor])]), factor])


@maps("isnan", "isinf", "isfinite", "isposinf", "isneginf")
def kinds_of_numbers(g: Graph, call: Call) -> str:
    x = (
        g.cast(call["input"], _C.float32)
        if not call["input"].dtype.is_floating_point
        else g.value(call["input"])
    )
    if call.name == "isnan":
        return g.op("IsNaN", [x])
    if call.name == "isfinite":
        return g.op("Not", [g.op("Or", [g.op("IsInf", [x]), g.op("IsNaN", [x])])])
    positive, negative = int(call.name != "isneginf"), int(call.name != "isposinf")
    return g.op("IsInf", [x], detect_positive=positive, detect_negative=negative)


@maps("nan_to_num")
def nan_to_num(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    x = g.value(call["input"])
    if not dtype.is_floating_point:
        return x
    limits = _limits(dtype)
    high = limits[1] if call["posinf"] is None else call["posinf"]
    low = limits[0] if call["neginf"] is None else call["neginf"]
    out = g.op("Where", [g.op("IsNaN", [x]), g.constant(float(call["nan"] or 0.0), dtype), x])
    above = g.op("IsInf", [x], detect_negative=0)
    below = g.op("IsInf", [x], detect_positive=0)
    out = g.op("Where", [above, g.constant(float(high), dtype), out])
    return g.op("Where", [below, g.constant(float(low), dtype), out])


def _limits(dtype: Any) -> tuple[float, float]:
    from rustnn.numeric_limits import finfo

    limits = finfo(dtype)
    return limits.min, limits.max


@maps("lerp")
def lerp(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    start, end = g.operand(call["input"], dtype), g.operand(call["end"], dtype)
    step = g.op("Mul", [g.op("Sub", [end, start]), g.operand(call["weight"], dtype)])
    return g.op("Add", [start, step])


@maps("addcmul", "addcdiv")
def add_product(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    kind = "Mul" if call.name == "addcmul" else "Div"
    product = _binary(g, kind, call["tensor1"], call["tensor2"], dtype)
    if call["value"] != 1:
        product = g.op("Mul", [product, g.constant(call["value"], dtype)])
    return g.op("Add", [g.operand(call["input"], dtype), product])


@maps("hypot")
def hypot(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    a, b = g.operand(call["input"], dtype), g.operand(call["other"], dtype)
    return g.op("Sqrt", [g.op("Add", [g.op("Mul", [a, a]), g.op("Mul", [b, b])])])


@maps("logaddexp")
def logaddexp(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    a, b = g.operand(call["input"], dtype), g.operand(call["other"], dtype)
    distance = g.op("Neg", [g.op("Abs", [g.op("Sub", [a, b])])])
    rest = g.op("Log", [g.op("Add", [g.op("Exp", [distance]), g.constant(1.0, dtype)])])
    return g.op("Add", [g.op("Max", [a, b]), rest])


@maps("xlogy")
def xlogy(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    a, b = g.operand(call["input"], dtype), g.operand(call["other"], dtype)
    zero = g.constant(0.0, dtype)
    return g.op("Where", [g.op("Equal", [a, zero]), zero, g.op("Mul", [a, g.op("Log", [b])])])


@maps("logit")
def logit(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    x, one = g.operand(call["input"], dtype), g.constant(1.0, dtype)
    if call["eps"] is not None:
        x = g.op("Clip", [x, g.constant(call["eps"], dtype), g.constant(1.0 - call["eps"], dtype)])
    return g.op("Log", [g.op("Div", [x, g.op("Sub", [one, x])])])


@maps("atan2")
def atan2(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    y, x = g.operand(call["input"], dtype), g.operand(call["other"], dtype)
    zero, pi = g.constant(0.0, dtype), g.constant(math.pi, dtype)
    angle = g.op("Atan", [g.op("Div", [y, x])])
    turn = g.op("Where", [g.op("Less", [y, zero]), g.op("Neg", [pi]), pi])
    angle = g.op("Where", [g.op("Less", [x, zero]), g.op("Add", [angle, turn]), angle])
    # On the y axis the quotient says nothing where both are zero.
    both = g.op("And", [g.op("Equal", [x, zero]), g.op("Equal", [y, zero])])
    return g.op("Where", [both, zero, angle])


@maps("copy_")
def copy_(g: Graph, call: Call) -> str:
    source, dtype = call["src"], call.out.dtype
    return g.op("Expand", [g.operand(source, dtype), g.shape_of(call["input"])])


@maps("fill_", "fill", "zero_")
def fill_(g: Graph, call: Call) -> str:
    number = call.get("value", 0)
    return g.op("Expand", [g.operand(number, call.out.dtype), g.shape_of(call["input"])])
