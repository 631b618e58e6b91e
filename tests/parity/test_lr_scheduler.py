"""Schedulers: the rates of sixty epochs, with momenta, state, warnings and errors."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

from parity.compare import name_of
from parity.data import Data
from parity.programs import CANDIDATE, REFERENCE, hold, run

SCHEDULERS = """
LambdaLR(_o, lambda e: 0.95**e)
LambdaLR(_o, [lambda e: 1 / (1 + e), lambda e: 0.5 ** (e // 10)])
MultiplicativeLR(_o, lambda e: 0.97)
MultiplicativeLR(_o, [lambda e: 0.97, lambda e: 1.01])
StepLR(_o, 10)
StepLR(_o, step_size=7, gamma=0.3)
MultiStepLR(_o, [5, 20, 20, 41], gamma=0.2)
MultiStepLR(_o, [0, 3])
ConstantLR(_o)
ConstantLR(_o, 0.25, 12)
LinearLR(_o)
LinearLR(_o, 0.1, 0.8, 30)
LinearLR(_o, 0.5, 0.0, 10)
ExponentialLR(_o, 0.9)
PolynomialLR(_o)
PolynomialLR(_o, 40, 2.0)
CosineAnnealingLR(_o, 50)
CosineAnnealingLR(_o, 12, 1e-3)
CosineAnnealingLR(_o, 1)
CosineAnnealingWarmRestarts(_o, 10)
CosineAnnealingWarmRestarts(_o, 5, 2, 1e-4)
CosineAnnealingWarmRestarts(_o, 1, 3)
CyclicLR(_o, 0.001, 0.1, 8)
CyclicLR(_o, [0.01, 0.02], [0.2, 0.3], 5, 9, "triangular2")
CyclicLR(_o, 0.01, 0.2, 6, mode="exp_range", gamma=0.98, cycle_momentum=False)
CyclicLR(_o, 0.01, 0.2, 6, scale_fn=lambda x: 0.9**x, scale_mode="iterations")
CyclicLR(_o, 0.01, 0.2, 6, base_momentum=[0.5, 0.6], max_momentum=0.8)
OneCycleLR(_o, 0.1, 60)
OneCycleLR(_o, [0.1, 0.3], epochs=10, steps_per_epoch=6, anneal_strategy="linear", three_phase=True)
OneCycleLR(_o, 0.1, 60, pct_start=0.5, div_factor=10, final_div_factor=100, base_momentum=0.7, max_momentum=0.8)
OneCycleLR(_o, 0.1, 60, cycle_momentum=False)
SequentialLR(_o, [_S.LinearLR(_o, 0.1, total_iters=10), _S.CosineAnnealingLR(_o, 40)], [10])
SequentialLR(_o, [_S.ConstantLR(_o, 0.1, 5), _S.ExponentialLR(_o, 0.9), _S.StepLR(_o, 5)], [5, 25])
SequentialLR(_o, [_S.ExponentialLR(_o, 0.9), _S.CosineAnnealingWarmRestarts(_o, 4), _S.PolynomialLR(_o, 9)], [7, 30])
SequentialLR(_o, [_S.SequentialLR(_o, [_S.LinearLR(_o), _S.StepLR(_o, 3)], [4]), _S.ExponentialLR(_o, 0.8)], [20])
SequentialLR(_o, [_S.MultiplicativeLR(_o, lambda e: 0.9), _S.LambdaLR(_o, lambda e: 0.5 + 0.01 * e)], [9])
ChainedScheduler([_S.ConstantLR(_o, 0.1, 7), _S.ExponentialLR(_o, 0.95)])
ChainedScheduler([_S.StepLR(_o, 4), _S.LinearLR(_o, 0.5), _S.CosineAnnealingLR(_o, 20)], optimizer=_o)
""".strip().splitlines()

OPTIMIZER = """
_S = optim.lr_scheduler
_a, _b = t(3).requires_grad_(), t(2).requires_grad_()
_o = optim.SGD([{"params": [_a], "lr": 0.1}, {"params": [_b], "lr": 0.02}], lr=0.1, momentum=0.9)
"""
STEPS = """
rates = []
for _e in range(_n):
    _o.step()
    _s.step()
    rates.append([[float(g["lr"]), float(g["momentum"])] for g in _o.param_groups])
    rates.append([float(lr) for lr in _s.get_last_lr()])
"""
EXACT: Any = {"rtol": 1e-12, "atol": 1e-15}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_sixty_epochs(scheduler: str) -> None:
    hold(f"""{OPTIMIZER}
_s = _S.{scheduler}
first = [dict(g, params=0) for g in _o.param_groups]
before = _s.state_dict()
_n = 60
{STEPS}
after = _s.state_dict()
groups = [dict(g, params=0) for g in _o.param_groups]
""", **EXACT)  # fmt: skip


@pytest.mark.parametrize("scheduler", [s for s in SCHEDULERS if "Sequential" not in s and "Chained" not in s])
def test_epochs_by_number(scheduler: str) -> None:
    hold(f"""{OPTIMIZER}
_s = _S.{scheduler}
rates = []
for _e in (0, 1, 2, 7, 12, 5, 30, 1):
    _s.step(_e)
    rates.append(_s.get_last_lr())
_s.step()
rates.append(_s.get_last_lr())
state = _s.state_dict()
""", **EXACT)  # fmt: skip


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_resuming(scheduler: str) -> None:
    """Twenty epochs, and twenty more with new objects that loaded the state: as if without a break."""
    hold(f"""
import copy
{OPTIMIZER}
_s = _S.{scheduler}
_n = 20
{STEPS}
_saved = copy.deepcopy((_o.state_dict(), _s.state_dict()))
{OPTIMIZER}
_s = _S.{scheduler}
_o.load_state_dict(_saved[0])
_s.load_state_dict(_saved[1])
{STEPS}
state = _s.state_dict()
""", **EXACT)  # fmt: skip


@pytest.mark.parametrize("scheduler", [s for s in SCHEDULERS if "Sequential" not in s and "Chained" not in s])
def test_state_of_the_other_library(scheduler: str) -> None:
    first = run(f"{OPTIMIZER}\n_s = _S.{scheduler}\n_n = 20\n{STEPS}\nstate = _s.state_dict()", REFERENCE)
    assert isinstance(first, dict), first
    rates = []
    for lib in (CANDIDATE, REFERENCE):
        space = {**Data(lib).namespace(), "_given": copy.deepcopy(first["state"]), "_n": 9}
        exec(f"{OPTIMIZER}\n_s = _S.{scheduler}\n_s.load_state_dict(_given)", space)
        exec("for g, lr in zip(_o.param_groups, _s.get_last_lr()): g['lr'] = lr", space)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(STEPS, space)
        rates.append(flat(space["rates"]))
    assert rates[0] == pytest.approx(rates[1], rel=1e-12, abs=1e-15)


def flat(value: Any) -> list[float]:
    return [x for entry in value for x in flat(entry)] if isinstance(value, list) else [value]


PLATEAU = """
ReduceLROnPlateau(_o, patience=2)
ReduceLROnPlateau(_o, "max", 0.5, 1, 0.05, "abs", 2, 1e-3)
ReduceLROnPlateau(_o, "max", patience=0, min_lr=[0.01, 0.005])
ReduceLROnPlateau(_o, threshold_mode="abs", threshold=0.5, patience=1, eps=1e-2)
""".strip().splitlines()


@pytest.mark.parametrize("scheduler", PLATEAU)
def test_plateau(scheduler: str) -> None:
    hold(f"""{OPTIMIZER}
_s = _S.{scheduler}
rates, states = [], [dict(_s.state_dict())]
for _i, _m in enumerate([5, 4, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 1.9, 1.9, float("nan"), 1.9, 1.8] * 2):
    if _i == 20:
        _saved = _s.state_dict()
        _s = _S.{scheduler}
        _s.load_state_dict(_saved)
    _s.step(torch.tensor(float(_m)) if _i % 2 else _m)
    rates.append([_s.get_last_lr(), _s.in_cooldown])
    states.append(dict(_s.state_dict()))
""", **EXACT)  # fmt: skip


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_rates_that_are_tensors(scheduler: str) -> None:
    hold(f"""
_S = optim.lr_scheduler
_lr = torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.02, dtype=torch.float64)
_a, _b = t(3).requires_grad_(), t(2).requires_grad_()
_o = optim.SGD([{{"params": [_a], "lr": _lr[0]}}, {{"params": [_b], "lr": _lr[1]}}], lr=0.1, momentum=0.9)
_s = _S.{scheduler}
_n = 30
{STEPS}
lr = list(_lr)
same = [g["lr"] is lr for g, lr in zip(_o.param_groups, _lr)]
""", rtol=1e-7, atol=1e-9)  # fmt: skip


def test_adam_has_its_momentum_in_betas() -> None:
    hold("""
_p = t(3).requires_grad_()
rates = []
for _make in (
    lambda o: optim.lr_scheduler.OneCycleLR(o, 0.1, 20),
    lambda o: optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, 4),
):
    _o = optim.Adam([_p], lr=0.1)
    _s = _make(_o)
    for _ in range(20):
        _o.step()
        _s.step()
        rates.append([_o.param_groups[0]["lr"], _o.param_groups[0]["betas"]])
groups = dict(_o.param_groups[0], params=0)
""", **EXACT)  # fmt: skip


def test_callable_objects_keep_their_state() -> None:
    hold(f"""{OPTIMIZER}
class _Factor:
    def __init__(self, by): self.by = by
    def __call__(self, epoch): return self.by ** epoch
_s = _S.LambdaLR(_o, [_Factor(0.5), lambda e: 1.0])
x = _s.state_dict()
_t = _S.LambdaLR(_o, [_Factor(0.25), lambda e: 1.0])
_t.load_state_dict(x)
y = _t.lr_lambdas[0].by
_s = _S.CyclicLR(_o, 0.1, 0.2, scale_fn=_Factor(0.5))
z = _s.state_dict()
_t = _S.CyclicLR(_o, 0.1, 0.2, scale_fn=_Factor(0.25))
_t.load_state_dict(dict(z))  # PyTorch takes an entry out
w = _t.scale_fn(1)
""", **EXACT)  # fmt: skip


WARNINGS = """
_s = _S.StepLR(_o, 2); _s.step(); _s.step()
_s = _S.StepLR(_o, 2); _o.step(); _s.step(); _s.step(5); _s.step()
_s = _S.StepLR(_o, 2); _s.get_lr()
_s = _S.StepLR(_o, 2); _o.step = optim.SGD.step.__get__(_o); _s.step()
_s = _S.ReduceLROnPlateau(_o); _s.step(1.0, 5)
_s = _S.StepLR(_o, 2); _o.step(); _t = _S.ExponentialLR(_o, 0.5); _s.step(); _t.step()
_s = optim.swa_utils.SWALR(_o, 0.05); _s.get_lr()
_s = _S.CosineAnnealingWarmRestarts(_o, 5); _s.step(); _s.step(3)
""".strip().splitlines()


@pytest.mark.parametrize("program", WARNINGS)
def test_warnings(program: str) -> None:
    hold(f"""
import warnings
{OPTIMIZER}
with warnings.catch_warnings(record=True) as _w:
    warnings.simplefilter("always")
    {program}
messages = [(w.category.__name__, str(w.message)) for w in _w]
called = getattr(_o, "_opt_called", None)
""")  # fmt: skip


ERRORS = """
LRScheduler(3)
LambdaLR(_o, [lambda e: 0.5])
LambdaLR(_o, lambda e: 0.5, 3)
LambdaLR(_o, 3)
MultiplicativeLR(_o, [lambda e: 0.5])
MultiplicativeLR(_o, [3, 4])
ConstantLR(_o, 2)
LinearLR(_o, 2)
LinearLR(_o, 0.5, 2)
CosineAnnealingWarmRestarts(_o, 0)
CosineAnnealingWarmRestarts(_o, 3.5)
CosineAnnealingWarmRestarts(_o, 3, 0.5)
CosineAnnealingWarmRestarts(_o, 3, 1, "a")
CosineAnnealingWarmRestarts(_o, 3).step(-1)
CyclicLR(_o, 0.1, 0.2, mode="x")
CyclicLR(_o, [0.1], 0.2)
CyclicLR(_o, 0.1, 0.2, base_momentum=[1])
CyclicLR(optim.Adadelta([_a]), 0.1, 0.2)
CyclicLR(3, 0.1, 0.2)
OneCycleLR(_o, 0.1)
OneCycleLR(_o, 0.1, -1)
OneCycleLR(_o, 0.1, 1.5)
OneCycleLR(_o, 0.1, epochs=-1, steps_per_epoch=2)
OneCycleLR(_o, 0.1, epochs=1, steps_per_epoch=0)
OneCycleLR(_o, 0.1, 10, pct_start=2)
OneCycleLR(_o, 0.1, 10, anneal_strategy="x")
OneCycleLR(_o, [0.1], 10)
OneCycleLR(optim.Adadelta([_a]), 0.1, 10)
OneCycleLR(_o, 0.1, 1).step(2)
ReduceLROnPlateau(_o, factor=1)
ReduceLROnPlateau(_o, mode="x")
ReduceLROnPlateau(_o, threshold_mode="x")
ReduceLROnPlateau(_o, min_lr=[1])
ReduceLROnPlateau(3)
ReduceLROnPlateau(_o).step("a")
ReduceLROnPlateau(_o).step()
ReduceLROnPlateau(_o).get_lr()
SequentialLR(_o, [], [])
SequentialLR(_o, [_S.StepLR(_o, 2)], [3])
SequentialLR(_o, [_S.StepLR(_o, 2), _S.StepLR(optim.SGD([_a]), 2)], [3])
SequentialLR(_o, [_S.StepLR(_o, 2), _S.ReduceLROnPlateau(_o)], [3])
SequentialLR(_o, [_S.StepLR(_o, 2), 3], [3])
ChainedScheduler([])
ChainedScheduler([3])
ChainedScheduler([_S.StepLR(_o, 2), 3])
ChainedScheduler([_S.StepLR(_o, 2), _S.StepLR(optim.SGD([_a]), 2)])
ChainedScheduler([_S.StepLR(_o, 2), _S.ReduceLROnPlateau(_o)])
ChainedScheduler([_S.StepLR(_o, 2)], optim.SGD([_a]))
""".strip().splitlines()


@pytest.mark.parametrize("call", ERRORS)
def test_messages(call: str) -> None:
    program = f"{OPTIMIZER}\n_S.{call}"
    ours, theirs = run(program, CANDIDATE), run(program, REFERENCE)
    assert isinstance(ours, Exception), "nothing raised"
    assert (type(ours), name_of(ours)) == (type(theirs), name_of(theirs))


def test_new_groups_and_the_least_rate() -> None:
    hold(f"""{OPTIMIZER}
_s = _S.ReduceLROnPlateau(_o, patience=0, min_lr=[0.1, 0.1])
_o.add_param_group({{"params": t(1).requires_grad_()}})
_s.step(1.0)
_s.step(2.0)
""")  # fmt: skip


def test_pickles_name_the_package() -> None:
    import pickle

    import rustnn

    optimizer = rustnn.optim.SGD([rustnn.ones(2)], lr=0.1)
    scheduler = rustnn.optim.lr_scheduler.StepLR(optimizer, 2)
    assert type(scheduler).__module__ == "rustnn.optim.lr_scheduler"
    state = pickle.loads(pickle.dumps(scheduler.state_dict()))
    assert state == scheduler.state_dict()
