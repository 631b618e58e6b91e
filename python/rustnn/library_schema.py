"""Schemas of users' operations, ``name(Tensor x) -> Tensor``: made of annotations or read from text."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["FunctionSchema", "infer_schema", "parse_schema"]

_MISSING: Any = inspect.Parameter.empty
_NUMBER = frozenset({int, float, bool})

# What annotations are called in schemas.
_SINGLE: dict[Any, str] = {
    Tensor: "Tensor",
    int: "SymInt",
    float: "float",
    bool: "bool",
    str: "str",
    _NUMBER: "Scalar",
    _C.dtype: "ScalarType",
    _C.device: "Device",
}
_IN_LISTS = {"Tensor", "SymInt", "float", "bool", "Scalar"}

# What schemas call types, and what is taken for them.
_ACCEPTED: dict[str, tuple[type, ...]] = {
    "Tensor": (Tensor,),
    "int": (int,),
    "SymInt": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
    "Scalar": (int, float, bool, complex),
    "ScalarType": (_C.dtype,),
    "Device": (_C.device, str),
}


@dataclass
class Argument:
    """A parameter of a schema."""

    name: str
    type: str
    default: Any = _MISSING
    kwarg_only: bool = False
    alias: str = ""

    def __str__(self) -> str:
        text = f"{self.type.replace('Tensor', f'Tensor{self.alias}', 1)} {self.name}"
        return text if self.default is _MISSING else f"{text}={_written(self.default)}"


def _written(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float) and value.is_integer():
        return f"{int(value)}."
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_written, value)) + "]"
    return str(value).removeprefix("torch.")


@dataclass
class FunctionSchema:
    """The parameters and the kinds of results of an operation."""

    name: str
    arguments: list[Argument]
    returns: str
    overload_name: str = ""
    _by_name: dict[str, Argument] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_name = {argument.name: argument for argument in self.arguments}

    def __str__(self) -> str:
        parts, starred = [], False
        for argument in self.arguments:
            if argument.kwarg_only and not starred:
                parts.append("*")
                starred = True
            parts.append(str(argument))
        overload = f".{self.overload_name}" if self.overload_name else ""
        return f"{self.name}{overload}({', '.join(parts)}) -> {self.returns}"

    __repr__ = __str__

    @property
    def is_mutable(self) -> bool:
        """Whether an argument is changed in place."""
        return any("!" in argument.alias for argument in self.arguments)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """All arguments of a call, the omitted ones too: by position, and those that are only by name.

        RuntimeError for arguments that do not fit.
        """
        positional = [a for a in self.arguments if not a.kwarg_only]
        if len(args) > len(positional):
            if len(positional) < len(self.arguments):
                raise RuntimeError(
                    f"{self.name}() takes {len(positional)} positional argument(s) but {len(args)} was/were "
                    f"given.  Declaration: {self}"
                )
            raise RuntimeError(
                f"{self.name}() expected at most {len(positional)} argument(s) but received {len(args)} "
                f"argument(s). Declaration: {self}"
            )
        given = dict(zip((a.name for a in positional), args, strict=False))
        for name, value in kwargs.items():
            if name not in self._by_name or name in given:
                raise RuntimeError(
                    f"Unknown keyword argument '{name}' for operator '{self.name}'. Schema: {self}"
                )
            given[name] = value
        for argument in self.arguments:
            if argument.name in given:
                given[argument.name] = self._taken(argument, given[argument.name])
            elif argument.default is not _MISSING:
                given[argument.name] = argument.default
            else:
                raise RuntimeError(
                    f"{self.name}() is missing value for argument '{argument.name}'. Declaration: {self}"
                )
        return (
            [given[a.name] for a in positional],
            {a.name: given[a.name] for a in self.arguments if a.kwarg_only},
        )

    def _taken(self, argument: Argument, value: Any) -> Any:
        """A value as the operation gets it."""
        found = _converted(argument.type, value)
        if found is _MISSING:
            kind = argument.type.replace("SymInt", "int").replace("Scalar", "number")
            raise RuntimeError(
                f"{self.name}() Expected a value of type '{kind}' for argument '{argument.name}' but instead "
                f"found type '{type(value).__name__}'."
            )
        return found


def _converted(kind: str, value: Any) -> Any:
    """A value as one of a kind; ``_MISSING`` if it is none."""
    if kind.endswith("?"):
        return None if value is None else _converted(kind[:-1], value)
    inner, listed, _ = kind.rpartition("[")
    if listed:
        if not isinstance(value, (list, tuple)):
            return _MISSING
        items = [_converted(inner, item) for item in value]
        return _MISSING if any(item is _MISSING for item in items) else items
    accepted = _ACCEPTED.get(kind)
    if accepted is None:
        return value
    if not isinstance(value, accepted) or (kind in ("int", "SymInt", "float") and isinstance(value, bool)):
        return _MISSING
    return float(value) if kind == "float" and isinstance(value, int) else value


# ---- of annotations ----


def _kind(annotation: Any) -> str | None:
    """What an annotation is called in a schema; None for what no schema has."""
    if annotation in _SINGLE:
        return _SINGLE[annotation]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        rest = [part for part in parts if part is not type(None)]
        if len(rest) < len(parts):
            inner = _kind(rest[0]) if len(rest) == 1 else _SINGLE.get(frozenset(rest))
            return None if inner is None or inner.endswith("?") else f"{inner}?"
        return _SINGLE.get(frozenset(parts))
    if origin in (list, Sequence) and len(parts) == 1:
        item = _kind(parts[0])
        return f"{item}[]" if item in _IN_LISTS or item == "Tensor?" else None
    return None


def _return_kind(annotation: Any) -> str | None:
    if annotation is None or annotation is type(None):
        return "()"
    if typing.get_origin(annotation) is tuple:
        kinds = [_kind(part) for part in typing.get_args(annotation)]
        if len(kinds) == 1:
            return kinds[0]
        return None if None in kinds else f"({', '.join(map(str, kinds))})"
    kind = _kind(annotation)
    return None if kind is None or "?" in kind else kind


def infer_schema(
    prototype_function: Callable[..., Any],
    /,
    *,
    mutates_args: str | Iterable[str],
    op_name: str | None = None,
) -> str:
    """The schema of a function by its annotations, as text; ``op_name`` stands in front.

    ValueError for parameters or results without an annotation, or with one that schemas do not have.
    """
    signature = inspect.signature(prototype_function)

    def wrong(what: str) -> ValueError:
        return ValueError(f"infer_schema(func): {what} Got func with signature {signature})")

    def evaluated(annotation: Any) -> Any:
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, getattr(prototype_function, "__globals__", {}))
        except Exception:
            raise wrong(f"Unsupported type annotation {annotation}. It is not a type.") from None

    parameters = signature.parameters
    if isinstance(mutates_args, str):
        if mutates_args != "unknown":
            raise ValueError(
                "mutates_args must either be a sequence of the names of the arguments that are mutated or "
                "the string 'unknown'. "
            )
        changed = None
    else:
        changed = set(mutates_args)
        unknown = changed - set(parameters)
        if unknown:
            raise wrong(f"{unknown} in mutates_args were not found in the custom op's signature.")
    arguments: list[Argument] = []
    for name, parameter in parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise wrong("We do not support positional-only args, varargs, or varkwargs.")
        if parameter.annotation is parameter.empty:
            raise wrong(f"Parameter {name} must have a type annotation.")
        annotation = evaluated(parameter.annotation)
        kind = _kind(annotation)
        if kind is None:
            raise wrong(f"Parameter {name} has unsupported type {annotation}.")
        default = parameter.default
        allowed = (int, float, bool, str, _C.dtype, _C.device)
        if default is not parameter.empty and default is not None and not isinstance(default, allowed):
            raise wrong(f"Parameter {name} has an unsupported default value type {type(default)}.")
        alias = ""
        if kind.startswith("Tensor") if changed is None else name in changed:
            if not kind.startswith("Tensor"):
                raise wrong(f"Parameter {name} is in mutable_args but only Tensors can be mutated")
            alias = f"(a{len(arguments)}!)"
        arguments.append(Argument(name, kind, default, parameter.kind is parameter.KEYWORD_ONLY, alias))
    if signature.return_annotation is signature.empty:
        raise wrong("No return type annotation was provided. Please add one.")
    result = evaluated(signature.return_annotation)
    returns = _return_kind(result)
    if returns is None:
        raise wrong(f"Return has unsupported type {result}.")
    return str(FunctionSchema(op_name or "", arguments, returns))


# ---- of text ----

_WHOLE = re.compile(r"\s*([\w:]*)(?:\.(\w+))?\s*\((.*)\)\s*->\s*(.+?)\s*", re.DOTALL)
_ARGUMENT = re.compile(r"(\w+)(\([^)]*\))?((?:\[\d*\]|\?)*)\s+(\w+)\s*(?:=\s*(.+))?", re.DOTALL)
_CONSTANTS: dict[str, Any] = {"None": None, "True": True, "False": False}


def _value(text: str, kind: str) -> Any:
    """A default of a schema's text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] == "[":
        return [_value(part.strip(), kind) for part in text[1:-1].split(",") if part.strip()]
    if text[0] in "'\"":
        return text[1:-1]
    if kind.startswith("ScalarType"):
        return getattr(_C, text, text)
    try:
        return float(text) if kind.startswith("float") or not text.lstrip("-").isdigit() else int(text)
    except ValueError:
        return text


def parse_schema(text: str, name: str = "") -> FunctionSchema:
    """A schema of text; ``name`` is the operation's, where the text has none. RuntimeError for bad text."""
    found = _WHOLE.fullmatch(text)
    if found is None:
        if "(" not in text:
            raise RuntimeError(
                "Tried to parse a function schema but only the operator name was given: " + text
            )
        raise RuntimeError(f"expected a schema, name(Tensor x) -> Tensor, but found here:\n{text}")
    own, overload, inside, returns = found.groups()
    arguments: list[Argument] = []
    only_named = False
    for part in re.split(r",(?![^\[(]*[\])])", inside):
        part = part.strip()
        if part == "*":
            only_named = True
        elif part:
            fields = _ARGUMENT.fullmatch(part)
            if fields is None:
                raise RuntimeError(f"expected a type and a name of an argument but found here:\n{part}")
            kind, alias, more, argument, default = fields.groups()
            kind = kind + re.sub(r"\d", "", more)
            value = _MISSING if default is None else _value(default.strip(), kind)
            arguments.append(Argument(argument, kind, value, only_named, alias or ""))
    return FunctionSchema(name or own, arguments, returns, overload or "")
