"""Every example runs, and prints what it promises; trainings go on from their checkpoints as if never stopped."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from example_scripts import CHAPTERS, EXAMPLES, TRAININGS, run_script

import rustnn

# What must be in the output: the facts that each chapter teaches.
PROMISES = {
    "01_tensors": ["[0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11]", "[1. 1. 1.]", "0.4963, 0.7682, 0.0885"],
    "02_autograd": ["[2.0, 4.0, 6.0]", "derivative 3: 48.0", "inplace operation", "3.0000, -1.0000"],
    "03_first_module": ["in all 99", "(16, 2)", "after zero_grad(): None", "torch.float64"],
    "04_layers": ["Flatten      -> (8, 16384)", "LSTM      -> (4, 7, 32)", "[(2, 10), (2, 10)]"],
    "05_losses": ["0.6216, and by hand 0.6216", "33.3333 and 66.6667"],
    "06_optimizers": [
        "optim.Adagrad",
        "[1.0, 1.0, 0.1, 0.1, 0.01, 0.01]",
        "[(0.01, 2), (0.1, 2)]",
        "1.0000 after",
    ],
    "07_training": ["SGD with momentum", "Adam"],
    "08_saving": ["0.weight  (8, 4)", "after step 100", "a Sequential, it says 3.", "RuntimeError"],
    "09_seeing": ["SumBackward0", "AccumulateGrad [0.5, -1.0]", "layer 3: Tanh", "demo/seeing.png"],
}
# What a training writes, in the folder that it runs in.
RESULTS = {
    "cartpole.py": "cartpole.pth",
    "char_gpt.py": "char_gpt.pth",
    "char_lstm.py": "char_lstm.pth",
    "dcgan.py": "dcgan.png",
    "mnist.py": "mnist.png",
    "regression.py": "regression.pth",
    "vae.py": "vae.png",
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


@pytest.mark.parametrize("chapter", PROMISES)
def test_chapter(chapter: str, tmp_path: Path) -> None:
    text = run_script(EXAMPLES, f"tutorial/{chapter}.py", tmp_path)
    for promise in PROMISES[chapter]:
        assert promise in text
    if chapter == "07_training":
        reached = [float(share) for share in re.findall(r"epoch 20: .* test ([\d.]+)%", text)]
        assert min(reached) > 95


def require_packages() -> None:
    """Skips where what trainings need is not there."""
    for package in ("tqdm", "matplotlib", "mlxtend", "sklearn"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("script", RESULTS)
def test_training(script: str, tmp_path: Path) -> None:
    """A run of two epochs, and one that is stopped after the first and goes on: the same second epoch."""
    require_packages()

    def train(folder: str, *options: str) -> list[str]:
        text = run_script(EXAMPLES, script, tmp_path / folder, "--quick", *options)
        return [line for line in text.splitlines() if line.startswith("epoch 2")]

    whole = train("whole", "--epochs", "2")
    assert (tmp_path / "whole" / "demo" / RESULTS[script]).stat().st_size > 500
    assert train("parts", "--epochs", "1", "--checkpoint", "kept/run.pth") == []
    again = train("parts", "--epochs", "2", "--checkpoint", "kept/run.pth", "--resume")
    if script in ("char_gpt.py", "char_lstm.py", "mnist.py"):  # the rate depends on how many epochs there are
        assert len(again) == len(whole) == 1
    else:
        assert again == whole
        assert len(whole) == 1


# What the policy of cart-pole does next hangs on the last bit of what it does now.
@pytest.mark.parametrize("script", [name for name in TRAININGS if name != "cartpole.py"])
def test_mixed_precision_trains_as_well(script: str, tmp_path: Path) -> None:
    require_packages()
    plain = run_script(EXAMPLES, script, tmp_path / "plain", "--quick", "--seed", "3")
    with rustnn.autocast("cpu"):
        mixed = run_script(EXAMPLES, script, tmp_path / "mixed", "--quick", "--seed", "3")
    assert rustnn.get_autocast_dtype("cpu") == rustnn.bfloat16
    number = re.compile(r"\d+\.\d+%?(?! s)\b")
    losses = [line for line in plain.splitlines() if "loss" in line or "best" in line]
    assert losses
    for line, other in zip(
        losses, [x for x in mixed.splitlines() if "loss" in x or "best" in x], strict=True
    ):
        for exact, rounded in zip(number.findall(line), number.findall(other), strict=True):
            near = {"abs": 4} if exact.endswith("%") else {"rel": 0.05}
            assert float(rounded.rstrip("%")) == pytest.approx(float(exact.rstrip("%")), **near), (
                line,
                other,
            )


def test_options(tmp_path: Path) -> None:
    pytest.importorskip("rustnn.datasets")
    pytest.importorskip("tqdm")
    for options in (["--resume"], ["--epochs", "many"], ["--device", "abacus"]):
        with pytest.raises(SystemExit):
            run_script(EXAMPLES, "regression.py", tmp_path, *options)


def test_demo(tmp_path: Path) -> None:
    """`make demo` reaches 97 % on digits it has not seen, keeps its weights and draws its picture."""
    text = run("mnist.py", tmp_path)
    reached = re.findall(r"held out ([\d.]+)%", text)
    assert float(reached[-1]) >= 97
    assert f"with the saved weights {reached[-1]}%" in text
    assert (tmp_path / "demo" / "mnist.pth").stat().st_size > 100_000
    assert (tmp_path / "demo" / "mnist.png").read_bytes().startswith(b"\x89PNG")


def test_looking(tmp_path: Path) -> None:
    for package in ("tensorboard", "graphviz"):
        pytest.importorskip(package)
    text = run("looking.py", tmp_path)
    for promise in ("features: Sequential", "the last operation is", "tensorboard --logdir"):
        assert promise in text
    assert list((tmp_path / "runs" / "looking").glob("events.out.*"))


def test_every_example_is_tested() -> None:
    assert [f"tutorial/{chapter}.py" for chapter in PROMISES] == CHAPTERS
    assert sorted(RESULTS) == TRAININGS
