"""The tutorial's code is PyTorch's: with the lines that import rustnn exchanged, PyTorch prints what the pages show."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path

import pages
import pytest

CHAPTERS = sorted((pages.ROOT / "docs" / "tutorial" / "en").glob("[0-9]*.md"))
#: Chapters 9 to 11 use what PyTorch does not have: ONNX without packages, `make_dot`, data sets.
SHARED = [path for path in CHAPTERS if path.name < "09"]


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_chapter(path: Path, tmp_path: Path) -> None:
    page = pages.read(path)
    blocks = [
        replace(block, code=re.sub(r"^(import|from) rustnn\b", r"\1 torch", block.code, flags=re.MULTILINE))
        for block in page.blocks
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        printed = pages.run(replace(page, blocks=blocks), tmp_path)
    for block, output in zip(blocks, printed, strict=True):
        shown = page.shown(block)
        # rustnn's note below an error is its own.
        known = shown if shown is None or "Error: " not in shown else shown.splitlines()[0]
        assert known is None or pages.same(known, output), f"{path.name}:{block.line + 1}\n{output}"
