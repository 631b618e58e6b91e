"""The scripts of `examples/` with `--device cuda` say what they say on the CPU. On an emulated GPU they get a handful of
digits or a line of text: it takes minutes for more."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest
from conftest import EMULATED
from example_scripts import EXAMPLES, TRAININGS, run_script

for needed in ("tqdm", "matplotlib", "mlxtend", "sklearn"):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed", allow_module_level=True)

LOSS = re.compile(r"loss\D*(\d+\.\d+)")
# What makes them as short as can be.
SMALLEST = {
    "cartpole.py": ["--epochs", "1", "--batch", "2", "--limit", "6", "--hidden", "4"],
    "char_gpt.py": "--epochs 1 --context 8 --width 8 --heads 1 --layers 1 --write 2 --text text".split(),
    "char_lstm.py": "--epochs 1 --batch 2 --context 8 --width 8 --write 2 --text text".split(),
    "dcgan.py": ["--epochs", "1", "--width", "1", "--noise", "2"],
    "mnist.py": ["--epochs", "1"],
    "regression.py": ["--epochs", "1", "--hidden", "4"],
    "vae.py": ["--epochs", "1", "--hidden", "4", "--code", "2"],
}
DIGITS = 12
# All of them on the emulated GPU where RUSTNN_ALL_EXAMPLES says so.
QUICKEST = ["regression.py"]
ALL = not EMULATED or bool(os.environ.get("RUSTNN_ALL_EXAMPLES"))
# The CPU and a GPU draw different numbers.
DRAWS = {"mnist.py", "vae.py"}


def _give_few_digits() -> None:
    """To the next script: it finds the module imported already."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        module = importlib.import_module("digit_images")
    finally:
        sys.path.remove(str(EXAMPLES))
    images, labels = module.read_digits()
    module.read_digits = lambda: (images[:DIGITS], labels[:DIGITS])  # type: ignore[attr-defined]


@pytest.mark.parametrize("script", TRAININGS if ALL else QUICKEST)
def test_an_example_learns_the_same(script: str, tmp_path: Path) -> None:
    options, draws_digits = ["--quick", "--seed", "3"], script in ("dcgan.py", "mnist.py", "vae.py")
    if EMULATED:
        options += SMALLEST[script] + ["--batch", "4"] * draws_digits
        (tmp_path / "text").write_text("To be, or not to be, that is the question. " * 6, encoding="utf-8")
    printed = []
    for device in ("cpu", "cuda"):
        if EMULATED and draws_digits:
            _give_few_digits()
        printed.append(run_script(EXAMPLES, script, tmp_path, *options, "--device", device))
    here, there = ([float(n) for n in LOSS.findall(text)] for text in printed)
    assert here
    assert there == pytest.approx(here, rel=0.2 if script in DRAWS else 2e-2, abs=2e-3)
