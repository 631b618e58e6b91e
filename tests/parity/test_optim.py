"""Optimizers over twenty steps, their state, parameter groups and errors."""

from __future__ import annotations

import pytest

from parity.programs import hold

OPTIMIZERS = """
SGD(_p, lr=0.1)
SGD(_p)
SGD(_p, lr=0.1, momentum=0.9)
SGD(_p, lr=0.1, momentum=0.9, dampening=0.5)
SGD(_p, lr=0.1, momentum=0.9, nesterov=True)
SGD(_p, lr=0.1, weight_decay=0.01)
SGD(_p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)
SGD(_p, lr=0.1, maximize=True)
SGD([{"params": _p[:1], "lr": 0.01}, {"params": _p[1:]}], lr=0.1, momentum=0.5)
Adam(_p)
Adam(_p, lr=0.01)
Adam(_p, lr=0.01, betas=(0.8, 0.99), eps=1e-6)
Adam(_p, lr=0.01, weight_decay=0.1)
Adam(_p, lr=0.01, amsgrad=True)
Adam(_p, lr=0.01, maximize=True)
Adam([{"params": _p[:1], "betas": (0.5, 0.9)}, {"params": _p[1:], "lr": 0.1}], lr=0.01)
""".strip().splitlines()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twenty_steps(optimizer: str, dtype: str) -> None:
    hold(f"""
_p = [t(3, 4, dtype=torch.{dtype}).requires_grad_(), t(5, dtype=torch.{dtype}).requires_grad_(), t(2).requires_grad_()]
_a = t(3, 4, dtype=torch.{dtype})
_o = optim.{optimizer}
losses = []
for _step in range(20):
    _o.zero_grad()
    _loss = ((_p[0] * _a) ** 2).mean() + (_p[1] - 1).abs().sum()
    if _step % 3: _loss = _loss + (_p[2] ** 2).sum()
    _loss.backward()
    _o.step()
    losses.append(_loss.item())
p = list(_p)
state = _o.state_dict()
groups = [{{k: v for k, v in g.items() if k != "params"}} for g in _o.param_groups]
""", rtol=1e-5, atol=1e-6, strides=False)  # fmt: skip


PROGRAMS = """
_o = optim.SGD(_p, lr=0.1, momentum=0.9); _p[0].sum().backward(); _o.step(); _s = _o.state_dict(); _q = optim.SGD(_p, lr=0.5); _q.load_state_dict(_s); x = _q.param_groups[0]["lr"]; _q.step(); y = _p[0]
_o = optim.Adam(_p); _p[0].sum().backward(); _o.step(); _s = _o.state_dict(); _q = optim.Adam(_p); _q.load_state_dict(_s); _q.step(); y = _p[0]
_o = optim.Adam(_p); _p[0].sum().backward(); _o.zero_grad(); x = _p[0].grad
_o = optim.Adam(_p); _p[0].sum().backward(); _o.zero_grad(set_to_none=False); x = _p[0].grad
_o = optim.SGD(_p, lr=0.1); x = _o.step(lambda: 7)
_o = optim.SGD(_p, lr=0.1); _o.param_groups[0]["lr"] = 1.0; _p[0].sum().backward(); _o.step(); x = _p[0]
_o = optim.SGD(_p[:1], lr=0.1); _o.add_param_group({"params": _p[1]}); x = len(_o.param_groups)
x = repr(optim.SGD(_p, lr=0.1))
x = optim.SGD(_p, lr=0.1).defaults["momentum"]
_o = optim.SGD(_p, lr=0.1); _o.step(); x = _p[0]
_v = _p[0]._version; _o = optim.SGD(_p, lr=0.1); _p[0].sum().backward(); _o.step(); x = _p[0]._version > _v
_o = optim.SGD(_p, lr=0.1); _y = (_p[0] ** 2).sum(); _y.backward(retain_graph=True); _o.step(); _y.backward()
optim.SGD([], lr=0.1)
optim.SGD(_p, lr=-1)
optim.SGD(_p, lr="a")
optim.SGD(_p, lr=0.1, momentum=-1)
optim.SGD(_p, lr=0.1, nesterov=True)
optim.SGD(_p[0], lr=0.1)
optim.SGD([1, 2], lr=0.1)
optim.SGD([_p[0] * 2], lr=0.1)
optim.SGD([{"params": _p}, {"params": _p}], lr=0.1)
optim.SGD([_p[0], _p[0]], lr=0.1)
optim.Adam(_p, betas=(1.0, 0.9))
optim.Adam(_p, betas=(0.9, -0.1))
optim.Adam(_p, eps=-1)
optim.Adam(_p, weight_decay=-1)
optim.Adam(_p).load_state_dict({})
optim.Adam(_p).load_state_dict(optim.Adam(_p[:1]).state_dict())
""".strip().splitlines()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: str) -> None:
    hold(f"_p = [t(3).requires_grad_(), t(2, 2).requires_grad_()]\n{program}")
