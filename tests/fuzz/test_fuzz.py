"""Feed the programs to a worker process: whatever they ask for, it answers with an ordinary exception.

`RUSTNN_FUZZ=long` feeds a hundred times as many, different ones in each run; else they are the same always.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from fuzz import programs

LONG = os.environ.get("RUSTNN_FUZZ") == "long"
EXAMPLES = 1000 * (100 if LONG else 1)
PATIENCE = 60  # seconds that one call may take
HERE = Path(__file__).parent


class Worker:
    """A process that makes calls; started anew when one of them has killed it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.folder = tempfile.TemporaryDirectory()  # some calls save files

    def start(self) -> subprocess.Popen[str]:
        if self.process is None or self.process.poll() is not None:
            paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "RUST_BACKTRACE": "1"},
                cwd=self.folder.name,
            )
        return self.process

    def call(self, program: str) -> dict[str, Any] | None:
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(program) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        if not ready:
            process.kill()
            raise AssertionError(f"no answer within {PATIENCE} s: {program}")
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the process died ({process.wait()}): {program}")
        answer: dict[str, Any] | None = json.loads(line)
        return answer

    def stop(self) -> None:
        self.folder.cleanup()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    one = Worker()
    yield one
    one.stop()


# The Python side may also miss an attribute on what it is given, find no file, or no such name.
ALSO = {
    "layer": {"AttributeError", "FileNotFoundError", "IsADirectoryError", "KeyError", "OSError", "EOFError"},
    "method": {"AttributeError"},
    # Of what our Python layer calls methods of, and asserts, as PyTorch's does.
    "sample": {"AssertionError", "AttributeError"},
}

KINDS: dict[str, SearchStrategy[str]] = {
    "function": programs.any_function(),
    "method": programs.any_method(),
    "operator": programs.any_operator(),
    "index": programs.any_index(),
    "layer": programs.any_layer(),
    "sample": programs.spoilt_sample(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_exceptions_only(kind: str, worker: Worker) -> None:
    """Every program ends in a value or an exception of the expected classes."""

    @settings(
        max_examples=EXAMPLES * (3 if kind in ("function", "method", "sample") else 1),
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(KINDS[kind])
    def feed(program: str) -> None:
        answer = worker.call(program)
        if answer is not None and not answer["expected"]:
            allowed = answer["class"] in ALSO.get(kind, ())
            assert allowed, f"{answer['class']}: {answer['message']}\nfrom {program}"

    feed()


HUGE = """
x = torch.zeros(2**31, 2**31)
x = torch.zeros(2**62)
x = torch.zeros(2**61)
x = torch.zeros(2**40, 0)
x = torch.zeros(2**40, 0, 2**40)
x = torch.zeros(0, 2**63 - 1, 2)
x = torch.empty(2**63 - 1)
x = torch.ones(2**33)
x = torch.rand(2**34)
x = torch.randn(2**32)
x = torch.full((2**40,), 1.0)
x = torch.arange(2**40)
x = torch.arange(0, 1e18, 1e-3)
x = torch.randperm(2**40)
x = torch.randint(5, (2**40,))
x = torch.eye(2**20)
x = torch.ones(1).expand(2**40).contiguous()
x = torch.ones(1).expand(2**62, 2)
x = torch.ones(1).expand(2**40) + 1
x = torch.ones(2**17, 1) + torch.ones(2**17)
x = torch.ones(2**17, 1) @ torch.ones(1, 2**17)
x = torch.ones(1).expand(2**40).clone()
x = torch.ones(1).expand(2**33).tolist()
x = torch.cat([torch.ones(1).expand(2**33)] * 2)
x = torch.stack([torch.ones(1).expand(2**33)] * 2)
x = torch.zeros([1] * 70)
x = torch.zeros(1)[(None,) * 70]
x = torch.zeros([0] * 100)
x = torch.zeros(2**31, 0).sum(1)
x = torch.zeros(0, 2**40).max(0)
x = torch.zeros(2, 0).view(0, 2**62)
x = torch.zeros(0).view(-1, 0)
x = torch.zeros(0).reshape(2**62, 0, 2**62)
x = F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 1, 1), padding=2**30)
x = F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 1, 1), padding=2**62)
x = F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 1, 1), stride=2**62)
x = F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2), dilation=2**62)
x = F.max_pool2d(torch.ones(1, 1, 4, 4), 2**62)
x = F.max_pool2d(torch.ones(1, 1, 4, 4), 2, 2**62)
x = nn.Linear(2**31, 2**31)
x = nn.Linear(2**62, 4)
x = nn.Conv2d(2**20, 2**20, 2**10)
x = torch.tensor([[0] * 1000] * 1000).tolist()[0][0]
x = torch.zeros(3).narrow(0, 2**62, 2**62)
x = torch.zeros(3)[2**62:]
x = torch.zeros(3)[-(2**63):2**63 - 1:2**62]
x = torch.zeros(3).split(2**62)
x = torch.zeros(3).chunk(2**62)
x = torch.zeros(3).sum(2**62)
x = torch.zeros(3).transpose(-(2**62), 2**62)
""".strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("program", HUGE)
def test_sizes_that_overflow(program: str, worker: Worker) -> None:
    answer = worker.call(program)
    assert answer is None or answer["expected"], f"{answer}"
