"""Averages of models, and the schedule that goes with them."""

from __future__ import annotations

import pytest

from parity.compare import name_of
from parity.programs import CANDIDATE, REFERENCE, hold, run

MODEL = """
_U = optim.swa_utils
def _model(k):
    m = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with torch.no_grad():
        for i, p in enumerate(m.parameters()): p.copy_(torch.arange(p.numel()).reshape(p.shape) * 0.1 + k * (i + 1))
        for i, b in enumerate(m.buffers()): b.copy_(torch.full(b.shape, 2 * k + i))
    return m
"""

AVERAGES = """
_U.AveragedModel(_model(0))
_U.AveragedModel(_model(0), use_buffers=True)
_U.AveragedModel(_model(0), avg_fn=_U.get_swa_avg_fn())
_U.AveragedModel(_model(0), avg_fn=_U.get_ema_avg_fn(0.9), use_buffers=True)
_U.AveragedModel(_model(0), multi_avg_fn=_U.get_swa_multi_avg_fn())
_U.AveragedModel(_model(0), multi_avg_fn=_U.get_ema_multi_avg_fn(0.5), use_buffers=True)
_U.AveragedModel(_model(0), device="cpu", avg_fn=lambda a, p, n: a + n * p)
""".strip().splitlines()


@pytest.mark.parametrize("average", AVERAGES)
def test_averages(average: str) -> None:
    hold(f"""{MODEL}
_m = {average}
before = dict(_m.state_dict())
for _k in (1, 2, 4, 7): _m.update_parameters(_model(_k))
after = dict(_m.state_dict())
_m.eval()
y = _m(torch.ones(2, 3)).detach()
text = repr(_m)
_n = {average}
_n.load_state_dict(_m.state_dict())
_n.update_parameters(_model(3))
loaded = dict(_n.state_dict())
""", rtol=1e-5, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("batches", ["[_x[:4], _x[4:7], _x[7:]]", "[(_x[:4], 1), [_x[4:]]]"])
@pytest.mark.parametrize("device", ["None", "'cpu'"])
def test_update_bn(batches: str, device: str) -> None:
    hold(f"""{MODEL}
_m, _x = _model(1), t(10, 3)
_m.eval()
_U.update_bn({batches}, _m, {device})
state = dict(_m.state_dict())
training, momentum = _m.training, _m[1].momentum
_U.update_bn([_x], nn.Linear(3, 1))
""")  # fmt: skip


SCHEDULES = """
SWALR(_o, 0.05)
SWALR(_o, [0.05, 0.3])
SWALR(_o, swa_lr=0.01, anneal_epochs=5, anneal_strategy="linear")
SWALR(_o, 0.05, 0)
""".strip().splitlines()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates(schedule: str) -> None:
    hold(f"""
_o = optim.SGD([{{"params": [t(3).requires_grad_()], "lr": 0.1}}, {{"params": [t(2).requires_grad_()]}}], lr=0.02)
_s = optim.swa_utils.{schedule}
rates, states = [], []
for _e in range(20):
    _o.step()
    _s.step()
    rates.append(_s.get_last_lr())
    states.append(dict(_s.state_dict()))
groups = [dict(g, params=0) for g in _o.param_groups]
""", rtol=1e-12, atol=1e-15)  # fmt: skip


ERRORS = """
SWALR(optim.SGD([t(1)]), [0.05, 0.1])
SWALR(optim.SGD([t(1)]), 0.05, -1)
SWALR(optim.SGD([t(1)]), 0.05, 1.5)
SWALR(optim.SGD([t(1)]), 0.05, anneal_strategy="x")
AveragedModel(nn.Linear(1, 1), avg_fn=lambda *a: 1, multi_avg_fn=lambda *a: 1)
get_ema_avg_fn(2)
get_ema_multi_avg_fn(-1)
""".strip().splitlines()


@pytest.mark.parametrize("call", ERRORS)
def test_messages(call: str) -> None:
    program = f"optim.swa_utils.{call}"
    ours, theirs = run(program, CANDIDATE), run(program, REFERENCE)
    assert isinstance(ours, Exception), "nothing raised"
    assert (type(ours), name_of(ours)) == (type(theirs), name_of(theirs))
