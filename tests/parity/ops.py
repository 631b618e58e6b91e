"""The operations that the engine lists, as calls that either library can be asked to make.

`rustnn._C._ops()` gives a row an operation: its name, its variants (function, method, in-place twin) and
sample argument lists as text, such as "t(2, 3), t(3), alpha=2". A `Call` is one sample of one variant.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

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
            returned = getattr(copy, self.op.name.split(".")[-1] + "_")(*rest, **keywords)
            if returned is not copy:
                raise AssertionError("an in-place operation returns its tensor")
            return copy
        return getattr(target, self.op.name.split(".")[-1])(*rest, **keywords)

    def arguments(self, lib: ModuleType, data: Data) -> tuple[tuple[Any, ...], dict[str, Any]]:
        namespace = data.namespace()
        namespace["collect"] = lambda *args, **kwargs: (args, kwargs)
        result: tuple[tuple[Any, ...], dict[str, Any]] = eval(f"collect({self.sample})", namespace)
        return result


def function(lib: ModuleType, name: str) -> Any:
    """The function of this name, wherever PyTorch keeps it."""
    for place in PLACES:
        found: Any = lib
        for part in (place + name).split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    raise AssertionError(f"{lib.__name__} has no function {name}")


def listed() -> list[Op]:
    """The engine's own list; empty for a candidate that has none (PyTorch, when the tests are tested)."""
    rows: list[dict[str, Any]] = getattr(importlib.import_module("rustnn")._C, "_ops", list)()
    return [
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
                yield Call(op, variant, sample)


def outputs(result: Any) -> list[Any]:
    """The tensors in a result that a gradient can start from."""
    items = list(result) if isinstance(result, (tuple, list)) else [result]
    return [item for item in items if getattr(item, "requires_grad", False)]
