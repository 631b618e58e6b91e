"""The scripts under tests/typing run; `make check` holds their types against two checkers."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path

import pytest

import rustnn

SCRIPTS = sorted((Path(__file__).parents[1] / "typing").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_runs(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(script)])
    before = rustnn.get_rng_state(), rustnn.get_default_dtype()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.compile")
            runpy.run_path(str(script), run_name="__main__")
    finally:
        rustnn.set_rng_state(before[0])
        rustnn.set_default_dtype(before[1])
        rustnn.use_deterministic_algorithms(False)
        rustnn.set_printoptions(profile="default")
        rustnn.backends.cudnn.benchmark = False


def test_types_are_declared() -> None:
    assert (Path(rustnn.__file__).parent / "py.typed").is_file()
