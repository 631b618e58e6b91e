"""One thing that is measured, and what its text may use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

EXAMPLES = Path(__file__).parents[3] / "examples"


@dataclass(frozen=True)
class Case:
    """A few lines of Python that either library runs.

    ``statement`` is timed after ``setup``; ``result`` is an expression whose value both must agree on,
    evaluated after a fresh setup, so that no number of timed steps shows in it. ``goal`` is the ratio aimed
    at: PyTorch's time over ours. ``work`` is what the statement must do at the least, in floating-point
    operations where ``unit`` is "FLOP", in bytes read and written where it is "B"; 0 where nobody counts.
    """

    name: str
    goal: float
    setup: str
    statement: str
    result: str
    work: float = 0
    unit: str = "FLOP"


def namespace(lib: ModuleType, case: Case) -> dict[str, Any]:
    """The case's variables, after its setup."""
    names: dict[str, Any] = {"torch": lib, "nn": lib.nn, "F": lib.nn.functional, "optim": lib.optim}
    names["demo_network"] = lambda: demo_network(lib)
    names["model"] = lambda name: model(lib, name)
    lib.manual_seed(0)
    exec(case.setup, names)
    return names


def demo_network(lib: ModuleType) -> Any:
    """The network of examples/mnist.py, built with either library from the same text."""
    text = (EXAMPLES / "mnist.py").read_text(encoding="utf-8")
    start, end = text.index("def block("), text.index("def judge(")
    names: dict[str, Any] = {"torch": lib, "nn": lib.nn, "__name__": "demo"}
    exec("from __future__ import annotations\n" + text[start:end], names)
    return names["Net"]()


def model(lib: ModuleType, name: str) -> Any:
    """The names of a file of examples/models, in terms of either library."""
    text = (EXAMPLES / "models" / f"{name}.py").read_text(encoding="utf-8")
    if lib.__name__ == "torch":
        text = text.replace("import rustnn as torch", "import torch").replace("rustnn", "torch")
    names: dict[str, Any] = {"__name__": f"models.{name}"}
    exec(compile(text, f"{name}.py", "exec"), names)
    return type("Model", (), names)
