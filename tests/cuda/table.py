"""Which operations run on a GPU: docs/CUDA.md, between its two marks. `make cuda-table` runs this.

Every operation is called with its own samples on the CPU and on the GPU, or an emulated one, in float32, with gradients.
"""

from __future__ import annotations

import sys
import textwrap
from collections import defaultdict
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import conftest  # noqa: E402  (names the emulated driver)

PAGE = Path(__file__).parent.parent.parent / "docs" / "CUDA.md"
BEGIN, END = "<!-- begin: operations -->\n", "<!-- end: operations -->\n"
SAMPLES = 3


def statuses() -> dict[str, list[tuple[str, str]]]:
    """Of every operation what became of its samples: works, missing or differs, and why."""
    from device_calls import compare
    from parity import ops

    found: dict[str, list[tuple[str, str]]] = {}
    for op in ops.listed():
        if op.name in ops.RANDOM:
            continue
        found[op.name] = [compare(op, s, gradient=op.differentiable) for s in op.samples[:SAMPLES]]
        print(op.name, *found[op.name], flush=True)
    return found


def page(found: dict[str, list[tuple[str, str]]]) -> str:
    """The lists of the page."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, results in sorted(found.items()):
        if not results:
            continue
        kinds = {status for status, _ in results}
        groups["differs" if "differs" in kinds else kinds.pop() if len(kinds) == 1 else "partly"].append(name)
    titles = {
        "works": "These run, with gradients where they have them",
        "partly": "These run for some arguments",
        "missing": "These raise NotImplementedError as yet",
        "differs": "These are wrong",
    }
    parts = []
    for kind, title in titles.items():
        if groups[kind]:
            names = ", ".join(f"`{name}`" for name in groups[kind])
            text = f"**{title}** ({len(groups[kind])}): {names}."
            parts.append("\n".join(textwrap.wrap(text, 120, break_on_hyphens=False)) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Runs all samples and writes the page."""
    if conftest.REASON is not None:
        sys.exit(conftest.REASON)
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + page(statuses()) + END + after)


if __name__ == "__main__":
    main()
