"""``differentiable=True``: gradients through steps of optimizers, to gradients, parameters and rates."""

from __future__ import annotations

import re
from typing import Any

import pytest

from parity.data import Data
from parity.programs import CANDIDATE, hold
from parity.test_optim import OPTIMIZERS

RECORDED = [o[:-1] + ", differentiable=True)" for o in OPTIMIZERS if not re.search("fused|foreach|Adafac", o)]


def through_steps(optimizer: str, dtype: str, wanted: str = "_w[0], _w[1], _s") -> str:
    """Steps by gradients that depend on a scale; then the gradient of what came out of them."""
    # After two steps of these, PyTorch finds that it has changed what it saved.
    steps = 1 if re.search("Adamax|centered|Rprop|amsgrad|NAdam.*grad", optimizer) else 3
    return f"""
_w = [t(3, 4, dtype=torch.{dtype}).requires_grad_(), t(5, dtype=torch.{dtype}).requires_grad_()]
_s = t(3, 4, dtype=torch.{dtype}).requires_grad_()
_p = [w.clone() for w in _w]
_o = optim.{optimizer}
for _ in range({steps}):
    _now = [q.clone() for q in _p]
    _loss = ((_now[0] * _s).abs() ** 3).sum() + (_now[1].abs() ** 3).sum()
    for _q, _g in zip(_p, torch.autograd.grad(_loss, _now, create_graph=True)): _q.grad = _g
    _o.step()
p = [q.detach() for q in _p]
state = [[v.detach() for v in _o.state[q].values() if v is not None] for q in _p]
g = torch.autograd.grad((_p[0].abs() ** 2).sum() + _p[1].abs().sum(), [{wanted}])
"""


# PyTorch computes 1 - beta ** step in single precision, which shows where rates are high.
ROUNDED: Any = {"rtol": 1e-4, "atol": 1e-5, "strides": False}


@pytest.mark.parametrize("optimizer", RECORDED)
def test_gradients_through_steps(optimizer: str) -> None:
    hold(through_steps(optimizer, "float64"), **ROUNDED)


@pytest.mark.parametrize("optimizer", [o for o in RECORDED if "tensor" not in o])
def test_complex_parameters(optimizer: str) -> None:
    hold(through_steps(optimizer, "complex128"), rtol=1e-5, atol=1e-8, strides=False)


OF_SETTINGS = [
    ("SGD(_p, lr=(_l := torch.tensor(0.1, dtype=torch.float64, requires_grad=True)), differentiable=True)", "_l"),
    ("Adam(_p, lr=(_l := torch.tensor(0.1, dtype=torch.float64, requires_grad=True)), differentiable=True)", "_l"),
    ("AdamW(_p, lr=(_l := torch.tensor([0.1], dtype=torch.float64, requires_grad=True)), differentiable=True)", "_l"),
    ("NAdam(_p, lr=(_l := torch.tensor(0.1, dtype=torch.float64, requires_grad=True)), differentiable=True)", "_l"),
    ("RAdam(_p, lr=(_l := torch.tensor(0.1, dtype=torch.float64, requires_grad=True)), differentiable=True)", "_l"),
    (
        "Adam(_p, betas=(_b := [torch.tensor(b, dtype=torch.float64, requires_grad=True) for b in (0.8, 0.9)]), "
        "differentiable=True)",
        "*_b",
    ),
    (
        "Adam(_p, weight_decay=(_d := torch.tensor(0.1, dtype=torch.float64, requires_grad=True)), "
        "differentiable=True)",
        "_d",
    ),
    (
        "SGD(_p, weight_decay=(_d := torch.tensor(0.1, dtype=torch.float64, requires_grad=True)), "
        "differentiable=True)",
        "_d",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("optimizer", "settings"), OF_SETTINGS)
def test_gradients_of_settings(optimizer: str, settings: str) -> None:
    hold(through_steps(optimizer, "float64", f"{settings}, _s"), **ROUNDED)


@pytest.mark.parametrize("optimizer", ["Adam", "Adamax", "Rprop", "RMSprop"])
def test_many_steps(optimizer: str) -> None:
    """Where PyTorch cannot: finite differences."""
    options: Any = {"Adam": {"amsgrad": True}, "RMSprop": {"centered": True, "momentum": 0.5}}.get(
        optimizer, {}
    )

    def after(start: Any, scale: Any) -> Any:
        param = start.clone()
        stepper = getattr(CANDIDATE.optim, optimizer)([param], lr=0.1, differentiable=True, **options)
        for _ in range(3):
            now = param.clone()
            loss = ((now * scale) ** 3).sum()
            (param.grad,) = CANDIDATE.autograd.grad(loss, now, create_graph=True)
            stepper.step()
        return param

    data = Data(CANDIDATE, dtype="float64")
    assert CANDIDATE.autograd.gradcheck(after, (data.t(4).requires_grad_(), data.t(4).requires_grad_()))


PROGRAMS = {
    "leaf": "_p = [t(3).requires_grad_()]\n_p[0].grad = t(3)\noptim.Adam(_p, differentiable=True).step()",
    "saved": """
_w, _s = t(3).requires_grad_(), t(3).requires_grad_()
_p = _w.clone()
_o = optim.SGD([_p], lr=0.1, differentiable=True)
(_p.grad,) = torch.autograd.grad((_p ** 3 * _s).sum(), _p, create_graph=True)
_o.step()
torch.autograd.grad(_p.sum(), _s)
""",
    "without grad": "_w = t(3)\n_w.grad = t(3)\n_o = optim.Adam([_w], differentiable=True)\n_o.step()\nx, y = _w, _w.requires_grad",
    "a group": """
_w, _v = t(3).requires_grad_(), t(3).requires_grad_()
_w.grad, _v.grad = t(3), t(3)
_o = optim.SGD([{"params": [_w], "differentiable": True}, {"params": [_v]}], lr=0.1)
_o.step()
x, y = _w, _v
""",
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_program(program: str) -> None:
    hold(program, rtol=1e-6, atol=1e-7)
