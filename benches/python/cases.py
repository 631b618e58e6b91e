"""What is measured against PyTorch: a table of cases, each a few lines of Python that either library runs.

A case has a setup, a statement that is timed, and an expression whose value both must agree on; it is
evaluated on a fresh setup, so that no number of timed steps shows in it. `goal` is the ratio aimed at:
PyTorch's time over ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

DEMO = Path(__file__).parents[2] / "examples" / "mnist.py"


@dataclass(frozen=True)
class Case:
    name: str
    goal: float
    setup: str
    statement: str
    result: str


def small_ops() -> list[Case]:
    """One operation on eight floats: nothing but the way from Python to the kernel and back."""
    cases = []
    for recording in (False, True):
        setup = "x = torch.randn(8); y = torch.randn(8)"
        if recording:
            setup += "; x.requires_grad_(); y.requires_grad_()"
        for statement in ("x + y", "x * 2", "x.relu()", "x.view(2, 4)", "x.sum()"):
            name = f"{statement}, 8 floats" + (", recorded" if recording else "")
            cases.append(Case(name, 3, setup, statement, f"({statement}).detach()"))
    return cases


STEP = "o.zero_grad()\nloss = criterion(net(x), y)\nloss.backward()\no.step()"

SMALL = [
    Case(
        "Linear(8, 8) forward and backward",
        3,
        "net = nn.Linear(8, 8); x = torch.randn(4, 8)",
        "net(x).sum().backward()",
        "(net(x).sum().backward(), net.weight.grad)[1]",
    ),
    Case(
        "three nested Sequentials, forward",
        3,
        "block = lambda inner: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), inner)\n"
        "net = block(block(block(nn.Tanh()))); x = torch.randn(4, 8)",
        "net(x)",
        "net(x).detach()",
    ),
    Case(
        "2-16-1 network, batch 4, Adam step",
        3,
        "net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))\n"
        "x = torch.randn(4, 2); y = torch.randn(4, 1)\n"
        "criterion = nn.MSELoss(); o = optim.Adam(net.parameters(), lr=1e-3)",
        STEP,
        "(criterion(net(x), y).backward(), o.step(), net[0].weight.detach())[2]",
    ),
    *(
        Case(
            f"{name} over 50 tensors of 16",
            10,
            "p = [torch.randn(16).requires_grad_() for _ in range(50)]\n"
            f"for v in p: v.grad = torch.randn(16)\no = optim.{call}",
            "o.step()",
            "(o.step(), p[7].detach())[1]",
        )
        for name, call in (("SGD", "SGD(p, lr=1e-3, momentum=0.9)"), ("Adam", "Adam(p, lr=1e-3)"))
    ),
]

LARGE = [
    *(
        Case(
            f"matrix product {n} x {n} x {n}",
            1,
            f"a = torch.randn({n}, {n}); b = torch.randn({n}, {n})",
            "a @ b",
            "(a @ b)[:2, :8]",
        )
        for n in (256, 512, 1024, 2048)
    ),
    Case(
        "the demo's CNN, batch 64, Adam step",
        1,
        "net = demo_network(); x = torch.randn(64, 1, 28, 28); y = torch.randint(0, 10, (64,))\n"
        "criterion = nn.CrossEntropyLoss(); o = optim.Adam(net.parameters(), lr=1e-3)",
        STEP,
        "net.eval()(x[:4]).detach()",
    ),
    Case(
        "MLP 784-512-256-10, batch 64, SGD step",
        1,
        "net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))\n"
        "x = torch.randn(64, 784); y = torch.randint(0, 10, (64,))\n"
        "criterion = nn.CrossEntropyLoss(); o = optim.SGD(net.parameters(), lr=1e-2, momentum=0.9)",
        STEP,
        "(criterion(net(x), y).backward(), o.step(), net(x[:4]).detach())[2]",
    ),
]

CASES = [*small_ops(), *SMALL, *LARGE]


def namespace(lib: ModuleType, case: Case) -> dict[str, Any]:
    """The case's variables, after its setup."""
    names: dict[str, Any] = {"torch": lib, "nn": lib.nn, "optim": lib.optim}
    names["demo_network"] = lambda: demo_network(lib)
    lib.manual_seed(0)
    exec(case.setup, names)
    return names


def demo_network(lib: ModuleType) -> Any:
    """The network of examples/mnist.py, built with either library from the same text."""
    text = DEMO.read_text(encoding="utf-8")
    start, end = text.index("def block("), text.index("def read_digits(")
    names: dict[str, Any] = {"torch": lib, "nn": lib.nn, "__name__": "demo"}
    exec("from __future__ import annotations\n" + text[start:end], names)
    return names["Net"]()
