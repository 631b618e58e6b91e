"""Calls held against the declarations of the operations: arguments get the names of their parameters."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["Bound", "bind"]

_ALIASES = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "divide": "div",
    "fix": "trunc",
    "ger": "outer",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "moveaxis": "movedim",
    "multiply": "mul",
    "native_channel_shuffle": "channel_shuffle",
    "negative": "neg",
    "not_equal": "ne",
    "row_stack": "vstack",
    "subtract": "sub",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "true_divide": "div",
    "__and__": "bitwise_and",
    "__div__": "div",
    "__eq__": "eq",
    "__floordiv__": "floor_divide",
    "__invert__": "bitwise_not",
    "__lshift__": "bitwise_left_shift",
    "__mod__": "remainder",
    "__or__": "bitwise_or",
    "__pow__": "pow",
    "__rand__": "bitwise_and",
    "__ror__": "bitwise_or",
    "__rshift__": "bitwise_right_shift",
    "__rxor__": "bitwise_xor",
    "__xor__": "bitwise_xor",
}
# Operators that are called with the right operand first.
_REFLECTED = {
    "__rdiv__": "div",
    "__rfloordiv__": "floor_divide",
    "__rlshift__": "bitwise_left_shift",
    "__rmod__": "remainder",
    "__rpow__": "pow",
    "__rrshift__": "bitwise_right_shift",
    "__rsub__": "sub",
    "__rtruediv__": "div",
}
_KEYWORDS = {
    "axis": "dim",
    "keepdims": "keepdim",
    "self": "input",
    "x": "input",
    "x1": "input",
    "x2": "other",
}
# What says where a result lives or what becomes of its gradient: nothing to a graph of ONNX.
_IGNORED = {"device", "requires_grad", "layout", "pin_memory", "memory_format", "non_blocking", "names"}


class _Parameter(NamedTuple):
    name: str
    kind: str
    nullable: bool
    default: Any
    has_default: bool
    keyword_only: bool
    variadic: bool


class Bound(NamedTuple):
    """A call: the operation, its arguments by name, and whether it overwrites its first one."""

    name: str
    arguments: dict[str, Any]
    inplace: bool


def _split(text: str) -> list[str]:
    """The parameters of a declaration: commas within brackets do not part them."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _read(signature: str) -> list[_Parameter]:
    from ast import literal_eval

    parameters, keyword_only = [], False
    for part in _split(signature[signature.index("(") + 1 : signature.rindex(") ->")]):
        if part == "*":
            keyword_only = True
            continue
        declared, has_default, text = part.partition("=")
        kind, _, name = declared.strip().rpartition(" ")
        variadic, kind = kind.startswith("*"), kind.removeprefix("*")
        nullable, kind = kind.endswith("?"), kind.removesuffix("?")
        default = literal_eval(text) if has_default else None
        parameters.append(
            _Parameter(name, kind, nullable, default, bool(has_default), keyword_only, variadic)
        )
    return parameters


@cache
def _declarations() -> dict[str, list[tuple[tuple[str, ...], list[_Parameter]]]]:
    """Name: how it can be called, and with what; in the order in which overloads are tried."""
    found: dict[str, list[tuple[tuple[str, ...], list[_Parameter]]]] = {}
    for op in _C._ops():
        name = op["native"].removeprefix("_nn_")
        found.setdefault(name, []).append((tuple(op["variants"]), _read(op["signature"])))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


def _fits(value: Any, parameter: _Parameter) -> bool:
    if value is None:
        return parameter.nullable
    kind = parameter.kind
    if kind == "Tensor":
        return isinstance(value, _C.Tensor)
    if kind == "Tensor[]":
        return isinstance(value, (list, tuple)) and any(isinstance(v, _C.Tensor) for v in value)
    if kind == "Scalar":
        return _is_number(value) or isinstance(value, (bool, _C.Tensor))
    if kind == "Number|Tensor":
        return isinstance(value, (_C.Tensor, bool)) or _is_number(value)
    if kind == "int":
        # A tensor of one element is taken too.
        return not isinstance(value, (bool, float, str, list, tuple)) and hasattr(value, "__index__")
    if kind.startswith("int["):
        if isinstance(value, (list, tuple)):
            return all(not isinstance(v, (bool, float, str)) and hasattr(v, "__index__") for v in value)
        return kind != "int[]" and isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return _is_number(value) or isinstance(value, _C.Tensor)
    if kind == "float[]":
        return _is_number(value) or isinstance(value, (list, tuple))
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind == "ScalarType":
        return isinstance(value, _C.dtype)
    return True  # generators, memory formats


def _hold(
    parameters: list[_Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The arguments by name, or None if they do not fit."""
    given: dict[str, Any] = {}
    positional = [p for p in parameters if not p.keyword_only]
    names = {p.name for p in parameters}
    for i, parameter in enumerate(positional):
        if i >= len(args):
            break
        if parameter.variadic and i < len(args) and not isinstance(args[i], (list, tuple)):
            given[parameter.name] = list(args[i:])
            args = args[: i + 1]
            break
        given[parameter.name] = args[i]
    if len(args) > len(positional):
        return None
    for key, value in kwargs.items():
        if key not in names:
            if key in _IGNORED or (key == "out" and value is None):
                continue
            if _KEYWORDS.get(key) not in names:
                return None
            key = _KEYWORDS[key]
        if key in given:
            return None
        given[key] = value
    bound = {}
    for parameter in parameters:
        if parameter.name not in given:
            if not parameter.has_default:
                return None
            value = parameter.default
        else:
            value = given[parameter.name]
            if not _fits(value, parameter) and not (value is None and parameter.has_default):
                return None
        if parameter.kind.startswith("int[") and isinstance(value, int):
            value = [value] * int(parameter.kind[4:-1] or 1)
        elif parameter.kind == "float[]" and isinstance(value, (int, float)):
            value = [value]
        bound[parameter.name] = value
    return bound


def bind(name: str, is_method: bool, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Bound | None:
    """The call of a function of ``rustnn._C``, or of a method of Tensor, by the declaration that it fits.

    None for what is no operation, or fits none of its declarations.
    """
    name = name.removeprefix("_nn_")
    if name == "__getitem__":
        return Bound("getitem", {"input": args[0], "index": args[1]}, False)
    if name in _REFLECTED:
        name = _REFLECTED[name]
        more: dict[str, Any] = {}
        if name in ("div", "sub"):
            more = {"rounding_mode": None} if name == "div" else {"alpha": 1}
        right = "exponent" if name == "pow" else "other"
        return Bound(name, {"input": args[1], right: args[0], **more}, False)
    declarations = _declarations()
    if f"_{name}" in declarations:
        name = f"_{name}"  # linalg_inv is _linalg_inv in rustnn._C
    inplace = name.endswith("_") and not name.endswith("__")
    plain = name.removesuffix("_") if inplace else name
    plain = _ALIASES.get(plain, plain)
    twins = [p for variants, p in declarations.get(plain, ()) if "inplace" in variants] if inplace else []
    if twins:
        candidates, name = twins, plain
    else:
        name = name if inplace else plain
        candidates = [
            p
            for variants, p in declarations.get(name, ())
            if ("method" if is_method else "function") in variants
        ]
    for parameters in candidates:
        arguments = _hold(parameters, args, kwargs)
        if arguments is not None:
            return Bound(name, arguments, inplace)
    return None
