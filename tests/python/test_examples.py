"""Every example runs, and prints what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

# What must be in the output: the facts that each chapter teaches.
PROMISES = {
    "tensors.py": ["[0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11]", "[1. 1. 1.]", "0.4963, 0.7682, 0.0885"],
    "autograd.py": ["[2.0, 4.0, 6.0]", "derivative 3: 48.0", "inplace operation", "3.0000, -1.0000"],
    "modules.py": ["in all 99", "Flatten      -> (8, 16384)", "has a gradient: True"],
    "training.py": ["SGD with momentum", "Adam"],
    "keeping.py": ["0.weight  (8, 4)", "after step 100", "Error"],
    "looking.py": ["features: Sequential", "the last operation is", "tensorboard --logdir"],
}


def run(name: str, folder: Path) -> str:
    """What the example prints, run as a user would run it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PROMISES)
def test_example(name: str, tmp_path: Path) -> None:
    text = run(name, tmp_path)
    for promise in PROMISES[name]:
        assert promise in text
    if name == "training.py":
        reached = [float(share) for share in re.findall(r"epoch 20: .* test ([\d.]+)%", text)]
        assert min(reached) > 95


def test_demo(tmp_path: Path) -> None:
    """`make demo` reaches 97 % on digits it has not seen, keeps its weights and draws its picture."""
    text = run("mnist.py", tmp_path)
    reached = re.findall(r"held out ([\d.]+)%", text)
    assert float(reached[-1]) >= 97
    assert f"with the saved weights {reached[-1]}%" in text
    assert (tmp_path / "demo" / "mnist.pth").stat().st_size > 100_000
    assert (tmp_path / "demo" / "mnist.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_look_in_the_readme(tmp_path: Path) -> None:
    """It learns to multiply: 0.5 times 0.5, and keeps what it learnt."""
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    script = tmp_path / "first_look.py"
    script.write_text(program, encoding="utf-8")
    loss, answer = run(str(script), tmp_path).splitlines()
    assert float(loss) < 0.001
    assert abs(float(re.findall(r"[\d.]+", answer)[0]) - 0.25) < 0.05
    assert (tmp_path / "net.pth").exists()


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*PROMISES, "mnist.py"}
