"""The scripts of `tests/scripts`, run by PyTorch and by `python -m rustnn`; `make scripts-table` writes docs/SCRIPTS.md.

They are written as users write them, `import torch` at the top, and print numbers as they train.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "scripts"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py"))
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def by_pytorch(script: str) -> str:
    """What a script prints with PyTorch, within this process: importing PyTorch takes seconds."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(FOLDER / script), run_name="__main__")
    return out.getvalue()


def by_rustnn(script: str) -> str:
    """What a script prints under `python -m rustnn`. CalledProcessError if it fails."""
    command = [sys.executable, "-m", "rustnn", str(FOLDER / script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True).stdout


def numbers(text: str) -> list[float]:
    """The numbers with a decimal point."""
    return [float(number) for number in NUMBER.findall(text)]


def difference(ours: list[float], theirs: list[float]) -> float:
    """The largest difference, relative to PyTorch's number or, for small ones, to 0.01."""
    return max(abs(a - b) / max(abs(b), 0.01) for a, b in zip(ours, theirs, strict=True))


def table() -> str:
    """A row a script: what it is, its last line with each library, the largest difference of all its numbers."""
    rows = []
    for script in SCRIPTS:
        title = (FOLDER / script).read_text(encoding="utf-8").splitlines()[0].strip('"')
        ours, theirs = by_rustnn(script), by_pytorch(script)
        worst = difference(numbers(ours), numbers(theirs))
        last = [text.splitlines()[-1] for text in (theirs, ours)]
        name = f"[{script}](../tests/scripts/{script})"
        rows.append(f"| {name} | {title} | {len(numbers(ours))} | {worst:.0e} | `{last[0]}` | `{last[1]}` |")
    return "\n".join(rows)


TEXT = """\
# Scripts written for PyTorch

Made by `make scripts-table`. Each script imports `torch` and is run as it is: by PyTorch, and by `python -m rustnn`. They
print numbers as they train, with the same seed; the table has how many, the largest difference between them (relative),
and the last lines.

| script | what it is | numbers | difference | PyTorch ends with | rustnn ends with |
|---|---|---|---|---|---|
{}
"""


def main() -> None:
    path = Path(__file__).parents[2] / "docs" / "SCRIPTS.md"
    path.write_text(TEXT.format(table()), encoding="utf-8")


if __name__ == "__main__":
    main()
