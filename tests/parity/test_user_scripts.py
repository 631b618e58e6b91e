"""Scripts as users write them, `import torch` at the top: PyTorch and `python -m rustnn` print the same numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
NUMBER = re.compile(r"-?\d+\.\d+")


def printed(*command: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_script(script: str) -> None:
    path = str(SCRIPTS / script)
    theirs, ours = printed(path), printed("-m", "rustnn", path)
    assert "." in theirs
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    for line, reference in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        for mine, number in zip(NUMBER.findall(line), NUMBER.findall(reference), strict=True):
            assert float(mine) == pytest.approx(float(number), rel=2e-3, abs=1e-4), (line, reference)
