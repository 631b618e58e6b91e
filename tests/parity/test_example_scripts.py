"""Every script of `examples/`, run with both libraries: the same lines, with the same numbers in them.

For PyTorch only the lines that import rustnn are changed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from example_scripts import CHAPTERS, EXAMPLES, TRAININGS, run_script, translated

for needed in ("tqdm", "matplotlib", "mlxtend", "sklearn"):
    if pytest.importorskip("importlib.util").find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed", allow_module_level=True)

NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?%?")
SECONDS = re.compile(r"\d+\.\d s\b")


@pytest.fixture(scope="module")
def for_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return translated(tmp_path_factory.mktemp("translated"))


def same_text(ours: str, theirs: str, near: float = 2e-3) -> None:
    """The same text, and numbers as near as told; a few images of a hundred in shares."""
    ours, theirs = SECONDS.sub("", ours), SECONDS.sub("", theirs)
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    for mine, reference in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        if reference.endswith("%"):
            assert abs(float(mine[:-1]) - float(reference[:-1])) <= 4, (mine, reference)
        else:
            assert float(mine) == pytest.approx(float(reference), rel=near, abs=near)


@pytest.mark.parametrize("script", CHAPTERS)
def test_chapter(script: str, for_torch: Path, tmp_path: Path) -> None:
    ours, theirs = (run_script(source, script, tmp_path) for source in (EXAMPLES, for_torch))
    same_text(ours, theirs)


@pytest.mark.parametrize("script", TRAININGS)
def test_training(script: str, for_torch: Path, tmp_path: Path) -> None:
    ours, theirs = (
        run_script(source, script, tmp_path, "--quick", "--seed", "3") for source in (EXAMPLES, for_torch)
    )
    assert re.search(r"loss .*\d\.\d", ours)
    # Winograd's convolutions round in another way, and training makes more of it.
    same_text(ours, theirs, 1e-2 if script == "mnist.py" else 2e-3)
