"""The operations that the engine lists, as calls that either library can be asked to make.

`rustnn._C._ops()` gives a row an operation: its name, its variants (function, method, in-place twin) and
sample argument lists as text, such as "t(2, 3), t(3), alpha=2". A `Call` is one sample of one variant.
"""

from __future__ import annotations

import ast
import importlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from parity import python_functions
from parity.data import Data

PLACES = ("", "nn.functional.", "linalg.", "special.", "fft.")
RANDOM = {"bernoulli", "dropout", "normal", "rand", "randint", "randn", "randperm", "uniform", "multinomial"}


@dataclass(frozen=True)
class Op:
    name: str
    variants: tuple[str, ...]
    samples: tuple[str, ...]
    differentiable: bool
    domain: tuple[float, float] | None


@dataclass(frozen=True)
class Call:
    """One sample of one variant of an operation."""

    op: Op
    variant: str
    sample: str

    def __str__(self) -> str:
        twin = "_" if self.variant == "inplace" else ""
        return f"{self.variant}:{self.op.name}{twin}({self.sample})"

    def seed(self) -> int:
        return zlib.crc32(f"{self.op.name}({self.sample})".encode())

    def data(self, lib: ModuleType, dtype: str = "float32", requires_grad: bool = False) -> Data:
        return Data(lib, self.seed(), dtype, self.op.domain, requires_grad)

    def make(self, lib: ModuleType, data: Data) -> Any:
        """What the call returns, with `lib`, on `data`."""
        arguments, keywords = self.arguments(lib, data)
        if self.variant == "function":
            return function(lib, self.op.name)(*arguments, **keywords)
        target, *rest = arguments
        if self.variant == "inplace":
            # In-place on what a gradient wants is an error for leaves: work on a copy that is not one.
            copy = target.clone()
            twin = function(lib, self.op.name + "_")
            if hasattr(copy, self.op.name + "_"):
                returned = getattr(copy, self.op.name + "_")(*rest, **keywords)
            elif twin is not None:
                returned = twin(copy, *rest, **keywords)
            else:
                returned = function(lib, self.op.name)(copy, *rest, inplace=True, **keywords)
            if returned is not copy:
                raise AssertionError("an in-place operation returns its tensor")
            return copy
        return getattr(target, self.op.name)(*rest, **keywords)

    def known(self, lib: ModuleType) -> bool:
        """Whether `lib` has this variant at all."""
        if self.variant == "method":
            return hasattr(lib.Tensor, self.op.name)
        name = self.op.name + "_" * (self.variant == "inplace")
        if function(lib, name) is not None:
            return True
        # Functions of nn.functional work in place by a flag where they have no twin.
        by_flag = self.op.name.startswith("nn.functional.")
        return self.variant == "inplace" and (by_flag or hasattr(lib.Tensor, name))

    def fits(self, lib: ModuleType) -> bool:
        """Whether an in-place call can succeed: the result has the shape of what it overwrites."""
        if self.variant != "inplace":
            return True
        plain = "function" if "function" in self.op.variants else "method"
        data = self.data(lib)
        if plain not in self.op.variants:
            return True
        try:
            result = Call(self.op, plain, self.sample).make(lib, data)
        except Exception:
            return True  # the sample itself is wrong: let the tests say so
        target = self.arguments(lib, self.data(lib))[0][0]
        return bool(result.shape == target.shape)

    def arguments(self, lib: ModuleType, data: Data) -> tuple[tuple[Any, ...], dict[str, Any]]:
        namespace = data.namespace()
        namespace["collect"] = lambda *args, **kwargs: (args, kwargs)
        result: tuple[tuple[Any, ...], dict[str, Any]] = eval(f"collect({self.sample})", namespace)
        return result


def function(lib: ModuleType, name: str) -> Any:
    """The function of this name, wherever PyTorch keeps it, or None."""
    for place in PLACES:
        found: Any = lib
        for part in (place + name).split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


def listed() -> list[Op]:
    """The engine's own list and what the Python layer adds; empty for a candidate that has none (PyTorch, when the tests are tested)."""
    rows: list[dict[str, Any]] = getattr(importlib.import_module("rustnn")._C, "_ops", list)()
    known = {row["name"] for row in rows}
    of_python = [
        Op(name, ("function",), found, differentiable=True, domain=None)
        for name, found in python_functions.samples().items()
        if rows and name not in known
    ]
    return of_python + [
        Op(
            name=row["name"],
            variants=tuple(row["variants"]),
            samples=tuple(row["samples"]),
            differentiable=bool(row["differentiable"]),
            domain=tuple(row["domain"]) if row.get("domain") else None,
        )
        for row in rows
        if not row["name"].startswith("_")
    ]


def calls(deterministic: bool = True) -> Iterator[Call]:
    for op in listed():
        if deterministic and op.name in RANDOM:
            continue
        for sample in op.samples:
            for variant in op.variants:
                if variant == "function" or starts_with_a_tensor(sample):
                    yield Call(op, variant, sample)


def starts_with_a_tensor(sample: str) -> bool:
    """Whether the first argument can have methods: `2.0, t(3)` makes sense for a function alone."""
    parsed = ast.parse(f"f({sample})", mode="eval").body
    assert isinstance(parsed, ast.Call)
    return bool(parsed.args) and isinstance(parsed.args[0], (ast.Call, ast.Subscript, ast.Attribute))


def outputs(result: Any) -> list[Any]:
    """The tensors in a result that a gradient can start from; complex ones by their parts."""
    items = list(result) if isinstance(result, (tuple, list)) else [result]
    return [part for item in items if getattr(item, "requires_grad", False) for part in real_parts(item)]


def real_parts(tensor: Any) -> list[Any]:
    return [tensor.real, tensor.imag] if tensor.is_complex() else [tensor]
