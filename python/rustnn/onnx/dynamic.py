"""Sizes that may be others at run time.

The model is traced several times, with other sizes of the dims that are to be dynamic. What is the same in
all runs is fixed; what differs is a `Dynamic`, which the graph has to compute from the shapes it knows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rustnn import _C
from rustnn.onnx.calls import Call, Trace, Value
from rustnn.onnx.errors import OnnxExporterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

__all__ = ["Dynamic", "Formula", "explain", "merge", "other_sizes"]


class Dynamic:
    """A number that differs between the runs: what it was in each."""

    __slots__ = ("values",)

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = tuple(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dynamic) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)

    def __repr__(self) -> str:
        return f"Dynamic{self.values}"


# ---- which sizes to try ----------------------------------------------------------------------------------


def other_sizes(size: int, least: int, most: int) -> tuple[list[int], list[int]]:
    """Sizes to trace with besides the example's: far ones, so that rounding shows, and near ones."""
    far = [2 * size, size + size // 2, size // 2, 3 * size, 4 * size]
    near = [
        size + 1,
        size - 1,
        size + 2,
        size - 2,
        size + 3,
        size + 4,
        size - 4,
        size + 8,
        size + 32,
        5 * size,
    ]

    def possible(sizes: list[int]) -> list[int]:
        # One is no example for the others: it broadcasts.
        return [s for s in dict.fromkeys(sizes) if s > 1 and s != size and least <= s <= most]

    return possible(far + near), possible(near + far)


# ---- what differs ----------------------------------------------------------------------------------------


def _merged(parts: list[Any], call: Call) -> Any:
    """An argument of a call, as it was in each run."""
    first = parts[0]
    if isinstance(first, Value):
        if all(isinstance(p, Value) and p.key == first.key for p in parts):
            return first
    elif isinstance(first, (list, tuple)):
        if all(isinstance(p, (list, tuple)) and len(p) == len(first) for p in parts):
            merged = [_merged(list(column), call) for column in zip(*parts, strict=True)]
            return tuple(merged) if isinstance(first, tuple) else merged
    elif isinstance(first, dict):
        return {key: _merged([p[key] for p in parts], call) for key in first}
    elif isinstance(first, slice):
        if all(isinstance(p, slice) for p in parts):
            return slice(*(_merged([getattr(p, n) for p in parts], call) for n in ("start", "stop", "step")))
    elif isinstance(first, (int, float)) and not isinstance(first, bool):
        if all(type(p) is type(first) for p in parts):
            return first if all(p == first for p in parts) else Dynamic(parts)
    elif all(type(p) is type(first) and (p == first) is True for p in parts):
        return first
    raise OnnxExporterError(
        f"what is given to {call.where()} depends on dynamic sizes in a way that is not a size"
    )


def _same(tensors: list[Any]) -> bool:
    first = tensors[0]
    return all(
        t is not None
        and t.shape == first.shape
        and (t is first or bool(_C.isclose(t, first, equal_nan=True).all()))
        for t in tensors
    )


def merge(traces: list[Trace]) -> Trace:
    """The first trace, in which sizes that differ between the runs are dynamic.

    OnnxExporterError where the runs did not do the same things.
    """
    first = traces[0]
    if len(traces) == 1:
        return first
    for other in traces[1:]:
        for a, b in zip(first.calls, other.calls, strict=False):
            if a.name != b.name or a.arguments.keys() != b.arguments.keys():
                raise OnnxExporterError(
                    f"the model does not do the same for all sizes: {a.where()} with one, {b.where()} with "
                    "another. A loop or a condition of Python depends on a dynamic dim"
                )
        if len(first.calls) != len(other.calls) or len(first.values) != len(other.values):
            longer = max(first.calls, other.calls, key=len)
            shorter = min(len(first.calls), len(other.calls))
            place = longer[shorter].where() if shorter < len(longer) else "its last operation"
            raise OnnxExporterError(
                f"how many operations the model calls depends on a dynamic dim, from {place} on. A loop of "
                "Python runs over it: write that as operations on whole tensors, or keep the dim fixed"
            )
    for i, call in enumerate(first.calls):
        call.arguments = {
            name: _merged([t.calls[i].arguments[name] for t in traces], call) for name in call.arguments
        }
    for versions in zip(*(t.values for t in traces), strict=True):
        value = versions[0]
        if any(v.ndim != value.ndim for v in versions):
            maker = next((call.where() for call in first.calls if value in call.outputs), "an input")
            raise OnnxExporterError(
                f"the result of {maker} has more dims with one size of a dynamic dim than with another"
            )
        for axis, sizes in enumerate(zip(*(v.shape for v in versions), strict=True)):
            if any(size != sizes[0] for size in sizes):
                value.shape[axis] = Dynamic(sizes)
        varies = value.kind in ("constant", "result") and value.tensor is not None
        if varies and not _same([v.tensor for v in versions]):
            value.tensor = None
    return first


# ---- how to compute it -----------------------------------------------------------------------------------


class Formula(NamedTuple):
    """``(factor * a * b * ... + more) // divisor`` of known sizes, or the sum of them if ``adds``."""

    sizes: tuple[Dynamic, ...]
    factor: int = 1
    more: int = 0
    divisor: int = 1
    adds: bool = False

    def text(self, names: dict[Dynamic, str]) -> str:
        """For people: ``2*batch + 1``."""
        body = (" + " if self.adds else "*").join(names[s] for s in self.sizes)
        if self.factor != 1:
            body = f"{self.factor}*{body}"
        if self.more:
            body = f"{body} + {self.more}" if self.more > 0 else f"{body} - {-self.more}"
        return body if self.divisor == 1 else f"({body})//{self.divisor}"


def _affine(wanted: tuple[int, ...], known: tuple[int, ...]) -> tuple[int, int] | None:
    """(k, c) with ``wanted = k * known + c`` in all runs."""
    for i in range(1, len(known)):
        if known[i] != known[0]:
            factor, rest = divmod(wanted[i] - wanted[0], known[i] - known[0])
            more = wanted[0] - factor * known[0]
            if (
                rest == 0
                and factor
                and all(factor * k + more == w for w, k in zip(wanted, known, strict=True))
            ):
                return factor, more
            return None
    return None


def _products(known: list[Dynamic], count: int) -> Iterator[tuple[tuple[Dynamic, ...], tuple[int, ...]]]:
    from itertools import combinations_with_replacement

    for chosen in combinations_with_replacement(known, count):
        yield chosen, tuple(math.prod(numbers) for numbers in zip(*(d.values for d in chosen), strict=True))


def explain(wanted: Dynamic, known: Iterable[Dynamic]) -> Formula | None:
    """How a size follows from others, simple ways first. None if no way is found."""
    sizes = [d for d in known if len(d.values) == len(wanted.values)]
    if wanted in sizes:
        return Formula((wanted,))
    for size in sizes:
        found = _affine(wanted.values, size.values)
        if found:
            return Formula((size,), *found)
    some = sizes[:24]
    for count in (2, 3):
        for chosen, product in _products(some[: 24 if count == 2 else 10], count):
            found = _affine(wanted.values, product)
            if found and not found[1]:
                return Formula(chosen, *found)
    for divisor in range(2, 65):
        for size in some:
            for more in range(-divisor, divisor + 1):
                if all((k + more) // divisor == w for w, k in zip(wanted.values, size.values, strict=True)):
                    return Formula((size,), 1, more, divisor)
    for chosen, product in _products(some, 2):
        divisors = {p // w for p, w in zip(product, wanted.values, strict=True) if w}
        if len(divisors) == 1:
            (divisor,) = divisors
            if divisor > 0 and all(w * divisor == p for w, p in zip(wanted.values, product, strict=True)):
                return Formula(chosen, 1, 0, divisor)
    for i, a in enumerate(some):
        for b in some[i:]:
            rests = {w - x - y for w, x, y in zip(wanted.values, a.values, b.values, strict=True)}
            if len(rests) == 1:
                return Formula((a, b), 1, rests.pop(), 1, adds=True)
    return None
