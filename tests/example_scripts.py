"""Runs the scripts of `examples/` within this process, with rustnn or, their import lines exchanged, with PyTorch."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shutil
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
CHAPTERS = sorted(f"tutorial/{path.name}" for path in (EXAMPLES / "tutorial").glob("*.py"))
TRAININGS = sorted(
    path.name for path in EXAMPLES.glob("*.py") if "def main()" in path.read_text(encoding="utf-8")
)


def translated(folder: Path) -> Path:
    """A copy of the examples in which the lines that import rustnn import torch.

    The data sets are not PyTorch's and stay: what they give is taken by way of NumPy.
    """
    copy = folder / "examples_for_torch"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("__pycache__", "demo"))
    for path in copy.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^(import|from) rustnn\b(?!\.datasets)", r"\1 torch", text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
    return copy


def run_script(source: Path, script: str, folder: Path, *options: str) -> str:
    """What ``source/script`` prints when run in ``folder``."""
    folder.mkdir(exist_ok=True)
    old_path, old_argv, old_folder = list(sys.path), sys.argv, Path.cwd()
    path = source / script
    printed = io.StringIO()
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path), *options]
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            runpy.run_path(str(path), run_name="__main__")
    finally:
        os.chdir(old_folder)
        sys.path[:], sys.argv = old_path, old_argv
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(str(source)):
                del sys.modules[name]
    return printed.getvalue()
