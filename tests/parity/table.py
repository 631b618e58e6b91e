"""The parity table: for every operation and dtype, what gives the same as PyTorch. `make parity-table`.

A cell has a letter for each of forward, method, in-place twin, gradient and second gradient:

- the letter (F M I G H) where every sample gives what PyTorch gives,
- a dot where PyTorch itself refuses (or has no such variant),
- ``x`` where some sample differs.

Writes docs/PARITY.md.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from parity.data import DTYPES
from parity.ops import RANDOM, Call, Op, listed, starts_with_a_tensor
from parity.programs import CANDIDATE, REFERENCE, same_outcome
from parity.test_ops import attempt, gradients, loose_for

PAGE = Path(__file__).parents[2] / "docs" / "PARITY.md"
FACETS = "FMIGH"
VARIANTS = {"F": "function", "M": "method", "I": "inplace", "G": "function", "H": "function"}
SHORT = {"float": "f", "bfloat": "bf", "uint": "u", "int": "i", "complex": "c"}


def short(dtype: str) -> str:
    for long, letter in SHORT.items():
        if dtype.startswith(long):
            return letter + dtype.removeprefix(long)
    return dtype


def outcome(call: Call, facet: str, dtype: str) -> str:
    """`same`, `refused` or `differs`."""
    order = {"G": 1, "H": 2}.get(facet, 0)
    run = (
        (lambda lib: gradients(call, lib, dtype, order)) if order else (lambda lib: attempt(call, lib, dtype))
    )
    theirs, ours = run(REFERENCE), run(CANDIDATE)
    if isinstance(theirs, (Exception, str)):
        return "refused"
    rtol, atol = loose_for(dtype, gradient=bool(order))
    try:
        same_outcome(ours, theirs, strides=not order, rtol=rtol, atol=atol)
    except AssertionError:
        return "differs"
    return "same"


def cell(ops: list[Op], dtype: str) -> str:
    """The letters of one operation, all its overloads, at one dtype."""
    letters = ""
    for facet in FACETS:
        found = set()
        for op in ops:
            plain = "function" if "function" in op.variants else "method"
            variant = VARIANTS[facet] if facet in "MI" else plain
            if variant not in op.variants or (facet in "GH" and not op.differentiable):
                continue
            for sample in op.samples:
                call = Call(op, variant, sample)
                fits = variant == "function" or starts_with_a_tensor(sample)
                if fits and call.known(REFERENCE) and call.fits(REFERENCE):
                    found.add(outcome(call, facet, dtype))
        letters += "x" if "differs" in found else facet if "same" in found else "·"
    return letters


def table() -> tuple[list[str], int]:
    """The lines of the table, and how many cells have an `x`."""
    by_name: dict[str, list[Op]] = {}
    for op in listed():
        if op.name.removesuffix("_") not in RANDOM:
            by_name.setdefault(op.name, []).append(op)
    lines = [
        "| operation | " + " | ".join(map(short, DTYPES)) + " |",
        "|---|" + "---|" * len(DTYPES),
    ]
    holes = 0
    for name, ops in sorted(by_name.items()):
        cells = [cell(ops, dtype) for dtype in DTYPES]
        if set("".join(cells)) <= {"·"}:
            continue
        holes += sum("x" in text for text in cells)
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines, holes


def main() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lines, holes = table()
    head = [
        "# Parity with PyTorch, by operation and dtype",
        "",
        f"Made by `make parity-table` against PyTorch {REFERENCE.__version__}: every sample that an operation "
        "carries, run with both libraries.",
        "F the function (or method, where there is no function), M the method, I the in-place twin, "
        "G the gradient, H the second gradient: values, dtypes, shapes, strides are PyTorch's.",
        "A dot: PyTorch itself has no such variant, refuses this dtype, or has no gradient. "
        f"x: something differs ({holes} cells).",
        "",
    ]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(head + lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    print(f"{len(lines) - 2} operations, {holes} cells with a difference; written to {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
