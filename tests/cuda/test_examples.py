"""The scripts of `examples/` with `--device cuda` say what they say on the CPU. An emulated GPU takes minutes for most
of them: there the quickest has to do."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from conftest import EMULATED
from example_scripts import EXAMPLES, TRAININGS, run_script

for needed in ("tqdm", "matplotlib", "mlxtend", "sklearn"):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed", allow_module_level=True)

QUICKEST = ["regression.py"]
LOSS = re.compile(r"loss\D*(\d+\.\d+)")


@pytest.mark.parametrize("script", QUICKEST if EMULATED else TRAININGS)
def test_an_example_learns_the_same(script: str, tmp_path: Path) -> None:
    here, there = (
        run_script(EXAMPLES, script, tmp_path, "--quick", "--seed", "3", "--device", device)
        for device in ("cpu", "cuda")
    )
    ours, theirs = ([float(n) for n in LOSS.findall(text)] for text in (there, here))
    assert theirs
    assert ours == pytest.approx(theirs, rel=2e-2, abs=2e-3)
