"""Optimizers over fifty steps with every option, their state, parameter groups and errors."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from parity.compare import is_tensor, name_of, to_array
from parity.data import Data
from parity.programs import CANDIDATE, REFERENCE, hold, run

OPTIMIZERS = """
SGD(_p, lr=0.1)
SGD(_p)
SGD(_p, lr=0.1, momentum=0.9)
SGD(_p, lr=0.1, momentum=0.9, dampening=0.5)
SGD(_p, lr=0.1, momentum=0.9, nesterov=True)
SGD(_p, lr=0.1, weight_decay=0.01)
SGD(_p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)
SGD(_p, lr=0.1, maximize=True)
SGD(_p, lr=torch.tensor(0.125), weight_decay=torch.tensor(0.25))
SGD([{"params": _p[:1], "lr": 0.01}, {"params": _p[1:]}], lr=0.1, momentum=0.5)
Adam(_p)
Adam(_p, lr=0.01)
Adam(_p, lr=torch.tensor(0.0625))
Adam(_p, lr=0.01, betas=(0.8, 0.99), eps=1e-6)
Adam(_p, lr=0.01, weight_decay=0.1)
Adam(_p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)
Adam(_p, lr=0.01, amsgrad=True)
Adam(_p, lr=0.01, maximize=True)
Adam(_p, lr=0.01, foreach=True)
Adam(_p, lr=0.01, fused=True)
Adam([{"params": _p[:1], "betas": (0.5, 0.9)}, {"params": _p[1:], "lr": 0.1}], lr=0.01)
AdamW(_p)
AdamW(_p, lr=0.01, weight_decay=0.3, amsgrad=True, maximize=True)
NAdam(_p)
NAdam(_p, lr=0.01, betas=(0.7, 0.9), eps=1e-5, momentum_decay=0.1)
NAdam(_p, weight_decay=0.1, maximize=True)
NAdam(_p, weight_decay=0.1, decoupled_weight_decay=True, momentum_decay=6e-3)
RAdam(_p)
RAdam(_p, lr=0.01, betas=(0.7, 0.9), eps=1e-5)
RAdam(_p, weight_decay=0.1, maximize=True)
RAdam(_p, weight_decay=0.1, decoupled_weight_decay=True)
Adamax(_p)
Adamax(_p, lr=0.01, betas=(0.7, 0.9), eps=1e-5)
Adamax(_p, weight_decay=0.1, maximize=True)
Adagrad(_p)
Adagrad(_p, lr=0.1, lr_decay=0.01, weight_decay=0.1)
Adagrad(_p, initial_accumulator_value=0.5, eps=1e-5, maximize=True)
Adadelta(_p)
Adadelta(_p, lr=0.1, rho=0.8, eps=1e-4, weight_decay=0.1)
Adadelta(_p, maximize=True)
RMSprop(_p)
RMSprop(_p, lr=0.001, alpha=0.9, eps=1e-5, weight_decay=0.1)
RMSprop(_p, momentum=0.5)
RMSprop(_p, centered=True, eps=1e-3)
RMSprop(_p, centered=True, momentum=0.5, maximize=True, eps=1e-3)
Rprop(_p)
Rprop(_p, lr=0.05, etas=(0.4, 1.3), step_sizes=(1e-3, 0.1))
Rprop(_p, maximize=True)
ASGD(_p)
ASGD(_p, lr=0.05, lambd=0.01, alpha=0.5, t0=10, weight_decay=0.1)
ASGD(_p, maximize=True)
Adafactor(_p)
Adafactor(_p, lr=0.05, beta2_decay=-0.5, eps=(1e-6, 1e-2), d=1.5, weight_decay=0.1)
Adafactor(_p, maximize=True)
""".strip().splitlines()


def fifty_steps(optimizer: str, parameters: str) -> str:
    """Parameters with and without regular gradients, and all that the optimizer then knows."""
    return f"""
_p = [{parameters}]
_a = torch.linspace(-1.0, 1.0, _p[0].numel(), dtype=_p[0].dtype).reshape(_p[0].shape)
_o = optim.{optimizer}
losses = []
for _step in range(50):
    _o.zero_grad()
    _loss = ((_p[0] * _a) ** 2).mean().abs() + (_p[1] - 1).abs().sum()
    if _step % 3: _loss = _loss + (_p[2].abs() ** 2).sum()
    _loss.backward()
    _o.step()
    losses.append(_loss.item())
p = list(_p)
state = _o.state_dict()
groups = [{{k: v for k, v in g.items() if k != "params"}} for g in _o.param_groups]
"""


def parameters(dtype: str) -> str:
    return ", ".join(f"t({shape}, dtype=torch.{dtype}).requires_grad_()" for shape in ("3, 4", "5", "2"))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fifty_steps(optimizer: str) -> None:
    hold(fifty_steps(optimizer, parameters("float64")), rtol=1e-6, atol=1e-9, strides=False)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fifty_steps_in_single_precision(optimizer: str) -> None:
    hold(fifty_steps(optimizer, parameters("float32")), rtol=2e-4, atol=1e-5, strides=False)


@pytest.mark.parametrize("optimizer", [o for o in OPTIMIZERS if not re.search("fused|Adafactor|tensor", o)])
def test_complex_parameters(optimizer: str) -> None:
    hold(fifty_steps(optimizer, parameters("complex128")), rtol=1e-6, atol=1e-9, strides=False)


BARE = [o for o in OPTIMIZERS if o.endswith("(_p)")]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("optimizer", BARE)
def test_half_precision(optimizer: str, dtype: str) -> None:
    if dtype == "float16" and re.search("Adam\\w?\\(|RMSprop", optimizer):
        pytest.skip("PyTorch's eps is 0 in float16")
    # PyTorch rounds after each operation, we at the end: few steps, and no more than their rounding.
    program = fifty_steps(optimizer, parameters(dtype)).replace("range(50)", "range(3)")
    hold(program + "del state, losses", rtol=3e-2, atol=2e-2, strides=False)


@pytest.mark.parametrize("optimizer", BARE)
def test_other_layouts(optimizer: str) -> None:
    views = (
        "nc(4, 3, dtype=torch.float64).requires_grad_(), "
        "t(5, dtype=torch.float64).requires_grad_(), "
        "t(2, dtype=torch.float64).flip(0).requires_grad_()"
    )
    hold(fifty_steps(optimizer, views), rtol=1e-6, atol=1e-9, strides=False)


MATRICES = """
Muon(_p)
Muon(_p, lr=0.01, weight_decay=0.0, momentum=0.8, nesterov=False)
Muon(_p, adjust_lr_fn="match_rms_adamw", ns_steps=3)
LBFGS(_p, lr=0.1)
LBFGS(_p, lr=0.1, max_iter=5, history_size=3)
LBFGS(_p, line_search_fn="strong_wolfe")
LBFGS(_p, max_iter=7, max_eval=4, line_search_fn="strong_wolfe", tolerance_grad=1e-3)
LBFGS(_p, tolerance_change=1e-2)
""".strip().splitlines()


@pytest.mark.parametrize("optimizer", MATRICES)
def test_steps_of_matrices(optimizer: str) -> None:
    tolerance = {"rtol": 2e-2, "atol": 2e-3} if "Muon" in optimizer else {"rtol": 1e-6, "atol": 1e-8}
    hold(f"""
_p = [t(3, 4, dtype=torch.float64).requires_grad_(), t(4, 2, dtype=torch.float64).requires_grad_()]
_x, _y = t(6, 3, dtype=torch.float64), t(6, 2, dtype=torch.float64)
_o = optim.{optimizer}
def _closure():
    _o.zero_grad()
    loss = (((_x @ _p[0]).tanh() @ _p[1] - _y) ** 2).mean()
    loss.backward()
    return loss
losses = [_o.step(_closure).item() for _ in range(3)]
p = list(_p)
names = sorted(next(iter(_o.state_dict()["state"].values())))
evaluations = _o.state[_p[0]].get("func_evals"), _o.state[_p[0]].get("n_iter")
""", strides=False, **tolerance)  # fmt: skip


def twin(value: Any, lib: ModuleType) -> Any:
    """The same state in the other library."""
    if is_tensor(value):
        return lib.from_numpy(to_array(value).copy()).to(getattr(lib, name_of(value.dtype)))
    if isinstance(value, dict):
        return {key: twin(entry, lib) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(twin(entry, lib) for entry in value)
    return value


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize(
    "optimizer", [o for o in OPTIMIZERS + MATRICES if "Muon" not in o and "tensor(" not in o]
)
def test_state_goes_on_in_the_other_library(optimizer: str, ours_first: bool) -> None:
    program = """
_s = [(0, 1, 2) if _i % 3 else (0, 1) for _i in range(_n)]
def _closure():
    _o.zero_grad()
    loss = sum(((_p[k] - k) ** 2).mean() for k in _now)
    loss.backward()
    return loss
for _now in _s: _o.step(_closure)
"""
    first, second = (CANDIDATE, REFERENCE) if ours_first else (REFERENCE, CANDIDATE)

    def make(lib: ModuleType) -> dict[str, Any]:
        space = {**Data(lib, dtype="float64").namespace(), "torch": lib, "optim": lib.optim}
        exec("_p = [t(3, 4).requires_grad_(), t(5).requires_grad_(), t(2).requires_grad_()]", space)
        exec(f"_o = optim.{optimizer}", space)
        return space

    a, b = make(first), make(second)
    a["_n"] = 4
    exec(program, a)
    for mine, other in zip(b["_p"], a["_p"], strict=True):
        with second.no_grad():
            mine.copy_(twin(other.detach(), second))
    b["_o"].load_state_dict(twin(a["_o"].state_dict(), second))
    for space in (a, b):
        space["_n"] = 5
        exec(program, space)
    for k in range(3):
        x, y = to_array(a["_p"][k]), to_array(b["_p"][k])
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)


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
_calls = []; _o = optim.Adam(_p); _h = _o.register_step_pre_hook(lambda o, a, k: _calls.append(("pre", len(a), sorted(k)))); _o.register_step_post_hook(lambda o, a, k: _calls.append(("post", len(a)))); _o.step(); _o.step(closure=lambda: 3); _h.remove(); _o.step(lambda: 4); calls = list(_calls)
_o = optim.SGD(_p, lr=0.1); _o.register_step_pre_hook(lambda o, a, k: ((o, lambda: 9), {})); x = _o.step()
_o = optim.SGD(_p, lr=0.1); _o.register_step_pre_hook(lambda o, a, k: 3); _o.step()
_m = __import__(optim.__name__ + ".optimizer", fromlist=["optimizer"]); _pre, _post = _m.register_optimizer_step_pre_hook, _m.register_optimizer_step_post_hook; _calls = []; _h = [_pre(lambda o, a, k: _calls.append(("pre", type(o).__name__))), _post(lambda o, a, k: _calls.append("post"))]; optim.Adam(_p).step(); optim.SGD(_p).step(); [h.remove() for h in _h]; optim.SGD(_p).step(); calls = list(_calls)
_o = optim.SGD(_p, lr=0.1); _o.register_state_dict_pre_hook(lambda o: o.param_groups[0].update(lr=7)); _o.register_state_dict_post_hook(lambda o, d: {**d, "more": 1}); x = _o.state_dict()
_calls = []; _o = optim.SGD(_p, lr=0.1); _o.register_state_dict_post_hook(lambda o, d: _calls.append(1)); _o.register_state_dict_post_hook(lambda o, d: _calls.append(2), prepend=True); _o.state_dict(); calls = list(_calls)
_o = optim.SGD(_p, lr=0.1); _o.register_load_state_dict_pre_hook(lambda o, d: {**d, "param_groups": [{**g, "lr": 5} for g in d["param_groups"]]}); _o.register_load_state_dict_post_hook(lambda o: o.param_groups[0].update(momentum=0.25)); _o.load_state_dict(_o.state_dict()); x = _o.state_dict()
import copy, pickle; _o = optim.Adam(_p, amsgrad=True); _p[0].sum().backward(); _o.step(); _q = copy.deepcopy(_o); x = _q.state_dict(); y = _q.param_groups[0]["params"][0]; _q.step()
import pickle; _o = optim.Adagrad([torch.ones(2)]); _o.state.clear(); _q = pickle.loads(pickle.dumps(_o)); x = _q.state_dict(); y = repr(_q); _q.step()
_o = optim.Adam([("a", _p[0]), ("b", _p[1])]); x = _o.state_dict(); y = repr(_o); _o.add_param_group({"params": [("c", t(2).requires_grad_())]}); z = _o.param_groups[1]["param_names"]
_o = optim.Adam([("a", _p[0])]); _q = optim.Adam([_p[0]]); _q.load_state_dict(_o.state_dict()); x = _q.state_dict()
_o = optim.Adam([_p[0]]); _q = optim.Adam([("a", _p[0])]); _q.load_state_dict(_o.state_dict()); x = _q.state_dict()
_o = optim.Adam(_p); _p[0].sum().backward(); _o.step(); _q = optim.Adam([t(3, dtype=torch.float64).requires_grad_(), _p[1]]); _q.load_state_dict(_o.state_dict()); x = _q.state_dict()
_o = optim.Adagrad(_p, initial_accumulator_value=0.5); _o.share_memory(); x = _o.state_dict()
_o = optim.SGD(_p, momentum=0.9); x = _o.state_dict()["state"]; _o.step(); y = _o.state_dict()["state"]
class _B(optim.Adam): step = lambda self, closure=None: (super(_B, self).step(closure), 5)[1]
_o = optim.Optimizer(_p, {"lr": 1}); x = repr(_o); _o.step()
_o = optim.SGD(_p, lr=0.1); _o.step(1)
x = optim.Adam(_p, betas=(torch.tensor(0.5), torch.tensor(0.75))).defaults["betas"]
_o = optim.SparseAdam(_p); _o.step(); x = repr(_o); _p[0].sum().backward(); _o.step()
_o = optim.SGD(_p, lr=0.5, momentum=0.5); _p[0].sum().backward(); _o.step(); _n = {"a": torch.ones(3).requires_grad_(), "b": torch.ones(2, 2)}; _n["a"].grad = torch.ones(3)
with torch.no_grad(): _o = optim.SGD(_p, lr=0.5); x = _o.step(lambda: torch.is_grad_enabled())
_o = optim.Adam(_p); _p[0].grad = torch.ones(3); _o.step(); _s = _o.state_dict(); _s["state"][0]["step"] = 5; _q = optim.Adam(_p); _q.load_state_dict(_s); x = _q.state_dict()["state"][0]["step"]
_o = optim.SGD(_p, momentum=0.9); _p[0].grad = torch.ones(3); _o.step(); _s = _o.state_dict(); _s["state"][0]["momentum_buffer"] = None; _o.load_state_dict(_s); _o.step(); x = _o.state_dict()["state"]
_o = optim.Adam(_p); _p[0].grad = torch.ones(3); _o.step(); _o.param_groups[0]["amsgrad"] = True; _o.step()
_o = optim.RMSprop(_p); _p[0].grad = torch.ones(3); _o.step(); _o.param_groups[0]["momentum"] = 0.9; _o.step()
_o = optim.Adam(_p, lr=1.0, amsgrad=True); _p[0].grad = torch.tensor([float("nan"), float("inf"), 1.0]); _o.step(); _o.step(); x = _p[0]; y = _o.state_dict()["state"]
_o = optim.Adamax(_p, lr=1.0); _p[0].grad = torch.tensor([float("nan"), float("inf"), 1.0]); _o.step(); _o.step(); x = _p[0]; y = _o.state_dict()["state"]
_o = optim.Rprop(_p, lr=1.0); _p[0].grad = torch.tensor([float("nan"), float("inf"), 0.0]); _o.step(); _o.step(); x = _p[0]; y = _o.state_dict()["state"]
_o = optim.SGD(_p, lr=1.0, momentum=0.9); _p[0].grad = torch.tensor([float("nan"), float("inf"), -0.0]); _o.step(); _o.step(); x = _p[0]; y = _o.state_dict()["state"]
_o = optim.NAdam([torch.zeros(0, 3)]); _o.param_groups[0]["params"][0].grad = torch.zeros(0, 3); _o.step(); x = _o.state_dict()
_q = torch.tensor(2.0, requires_grad=True); _o = optim.Adafactor([_q]); (_q**2).backward(); _o.step(); x = _o.state_dict()
_q = torch.ones(2, 3, 4, requires_grad=True); _o = optim.Adafactor([_q]); (_q**2).sum().backward(); _o.step(); x = _o.state_dict()
_q = torch.ones(2, 3, dtype=torch.complex64); _o = optim.Adafactor([_q]); _q.grad = torch.ones_like(_q); _o.step()
_q = torch.ones(2, 3, dtype=torch.complex64); _o = optim.Muon([_q]); _q.grad = torch.ones_like(_q); _o.step()
_q = torch.ones(2, 3); _o = optim.Muon([_q], ns_steps=100); _q.grad = torch.ones_like(_q); _o.step()
_q = torch.ones(2, 3); _o = optim.Muon([_q], ns_coefficients=(1, 2)); _q.grad = torch.ones_like(_q); _o.step()
_o = optim.LBFGS(_p, line_search_fn="x"); _f = lambda l: (l.backward(), l)[1]; _o.step(lambda: _f((_p[0] ** 2).sum()))
_q = torch.ones(2, dtype=torch.complex128, requires_grad=True); _o = optim.LBFGS([_q]); _f = lambda l: (l.backward(), l)[1]; x = _o.step(lambda: (_o.zero_grad(), _f(((_q - (1 + 2j)).abs() ** 2).sum()))[1]); y = _q
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


def test_counts_are_of_the_default_dtype() -> None:
    for lib in (CANDIDATE, REFERENCE):
        lib.set_default_dtype(lib.float64)
        try:
            param = lib.ones(2)
            optimizer = lib.optim.NAdam([param])
            param.grad = lib.ones(2)
            optimizer.step()
        finally:
            lib.set_default_dtype(lib.float32)
        state = optimizer.state[param]
        assert name_of(state["step"].dtype) == name_of(state["mu_product"].dtype) == "float64"


ERRORS = """
SGD(_p, momentum=-1)
SGD(_p, weight_decay=-1)
SGD(_p, lr=torch.tensor([0.1, 0.2]))
SGD(_p, fused=True, differentiable=True)
SGD(_p, fused=True, foreach=True)
SGD(_p, nesterov=True, momentum=0.9, dampening=0.1)
Adam(_p, lr=-1)
Adam(_p, lr=torch.tensor(0.1), foreach=True)
Adam(_p, fused=True, differentiable=True)
Adam(_p, fused=True, foreach=True)
Adam(_p, betas=(torch.tensor(0.5), 0.999))
Adam(_p, betas=(torch.tensor(0.5), torch.tensor(0.75)), foreach=True)
Adam(_p, betas=(0.9,))
NAdam(_p, lr=-1)
NAdam(_p, betas=(0.1, 1.9))
NAdam(_p, eps=-1)
NAdam(_p, weight_decay=-1)
NAdam(_p, momentum_decay=-1)
RAdam(_p, lr=torch.tensor([0.1, 0.2]))
RAdam(_p, betas=(1.0, 0.9))
RAdam(_p, eps=-1)
RAdam(_p, weight_decay=-1)
Adamax(_p, lr=-1)
Adamax(_p, betas=(1.0, 0.9))
Adamax(_p, eps=-1)
Adamax(_p, weight_decay=-1)
Adagrad(_p, lr_decay=-1)
Adagrad(_p, eps=-1)
Adagrad(_p, initial_accumulator_value=-1)
Adagrad(_p, fused=True, foreach=True)
Adagrad(_p, fused=True, differentiable=True)
Adadelta(_p, rho=1.1)
Adadelta(_p, eps=-1)
RMSprop(_p, alpha=-1)
RMSprop(_p, momentum=-1)
Rprop(_p, lr=-1)
Rprop(_p, etas=(1.2, 0.5))
ASGD(_p, lr=-1)
ASGD(_p, weight_decay=-1)
LBFGS(_p, lr=-1)
LBFGS([{"params": _p[:1]}, {"params": _p[1:]}])
LBFGS(_p).step()
Adafactor(_p, lr=-1)
Adafactor(_p, beta2_decay=0.1)
Adafactor(_p, eps=(-1, 1))
Adafactor(_p, eps=(None, -1))
Adafactor(_p, d=0.5)
Adafactor(_p, weight_decay=-1)
Muon(_p[1:], lr=-1)
Muon(_p[1:], momentum=-1)
Muon(_p[1:], weight_decay=-1)
Muon(_p[1:], adjust_lr_fn="x")
Muon(_p)
SparseAdam(_p, lr=0)
SparseAdam(_p, eps=0)
SparseAdam(_p, betas=(0.9, -1))
Adam([1])
Adam([[1]])
Adam({})
Adam([{"a": 1}])
Adam([{"params": {_p[0]}}])
Adam([("a", _p[0]), _p[1]])
Adam([_p[0], ("a", _p[1])])
Adam([{"params": _p}, 3])
Adam([{"params": [("a", _p[0])]}, {"params": _p[1:]}])
Adam([{"params": _p[:1]}, {"params": [("a", _p[1])]}])
Adam([{"params": ("a", _p[0])}])
Optimizer(_p, {}).step()
Adam(_p).load_state_dict({"state": {}, "param_groups": []})
Adam(_p).load_state_dict(optim.Adam(_p[:1]).state_dict())
Adam(_p).add_param_group([1])
Adam(_p).add_param_group({"params": _p[0]})
Adam([_p[0] * 2])
""".strip().splitlines()


@pytest.mark.parametrize("call", ERRORS)
def test_messages(call: str) -> None:
    program = f"_p = [t(3).requires_grad_(), t(2, 2).requires_grad_()]\noptim.{call}"
    ours, theirs = run(program, CANDIDATE), run(program, REFERENCE)
    assert isinstance(ours, Exception), "nothing raised"
    assert (type(ours), name_of(ours)) == (type(theirs), name_of(theirs))
