"""Mixed precision: what autocast makes of every operation, and scaled losses."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import pytest

from parity.ops import RANDOM, Call, function, listed
from parity.programs import CANDIDATE, REFERENCE, hold

CALLS = [
    Call(op, "function", op.samples[0])
    for op in listed()
    if "function" in op.variants and op.samples and op.name not in RANDOM
]
# The result is that of an inner product, which ours does not cast on its own.
COMPOSED = {"linalg.pinv", "pinverse"}


def dtype_under_autocast(lib: ModuleType, call: Call, dtype: str) -> Any:
    """Of the first floating-point tensor in the result, where all floating-point arguments have ``dtype``."""

    def converted(value: Any) -> Any:
        if isinstance(value, lib.Tensor) and value.is_floating_point():
            return value.detach().to(getattr(lib, dtype))
        if type(value) in (list, tuple):
            return type(value)(converted(item) for item in value)
        return value

    def floating(value: Any) -> Any:
        if isinstance(value, lib.Tensor):
            return str(value.dtype) if value.is_floating_point() or value.is_complex() else None
        items = value if isinstance(value, (list, tuple)) else ()
        return next((found for found in map(floating, items) if found), None)

    arguments, keywords = call.arguments(lib, call.data(lib))
    arguments = tuple(converted(value) for value in arguments)
    keywords = {name: converted(value) for name, value in keywords.items()}
    try:
        with warnings.catch_warnings(), lib.autocast("cpu", dtype=lib.bfloat16):
            warnings.simplefilter("ignore")
            return floating(function(lib, call.op.name)(*arguments, **keywords))
    except Exception as error:
        return error


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes_of_all_operations(dtype: str) -> None:
    different = {}
    for call in CALLS:
        if not call.known(REFERENCE) or call.op.name in COMPOSED:
            continue
        theirs = dtype_under_autocast(REFERENCE, call, dtype)
        if isinstance(theirs, Exception):
            continue
        ours = dtype_under_autocast(CANDIDATE, call, dtype)
        if ours != theirs:
            different[call.op.name] = (ours, theirs)
    assert not different


PROGRAMS = {
    "products": "x, y = t(3, 4), t(4, 5)\nwith torch.autocast('cpu'):\n    a, b, c = x @ y, torch.mm(x, y), x.matmul(y)\nd = x @ y",
    "float16": "x = t(3, 4)\nwith torch.autocast('cpu', dtype=torch.float16):\n    y = x @ x.t()",
    "float64 stays": "x = t(3, 4).double()\nwith torch.autocast('cpu'):\n    y = x @ x.t()",
    "off inside": "x = t(3, 4)\nwith torch.autocast('cpu'):\n    a = x @ x.t()\n    with torch.autocast('cpu', enabled=False):\n        b = a.float() @ x\n    c = x @ x.t()",
    "as a decorator": "x = t(3, 4)\n@torch.autocast('cpu')\ndef _f(x):\n    return x @ x.t()\ny = _f(x)",
    "in place and out=": "x = t(3, 3)\nwith torch.autocast('cpu'):\n    a = torch.mm(x, x, out=torch.empty(3, 3))\n    b = torch.ones(3, 3).addmm_(x, x)",
    "different dtypes": "x = t(3, 3)\nwith torch.autocast('cpu'):\n    y = torch.mm(x.double(), x)",
    "joining": "x = t(3)\nwith torch.autocast('cpu'):\n    a = torch.cat([x, x.bfloat16()])\n    b = torch.stack([x, x.bfloat16()])\n    c = torch.zeros(3).index_copy(0, torch.tensor([1]), torch.ones(1).bfloat16())",
    "gradients are float32": "w = t(4, 3).requires_grad_()\nx = t(2, 4)\nwith torch.autocast('cpu'):\n    y = (x @ w) + (x @ w)\n    loss = F.mse_loss(y, torch.zeros(2, 3))\nloss.backward()\ng = w.grad",
    "a parameter that changes": "w = t(3, 3).requires_grad_()\nx = t(2, 3)\nwith torch.autocast('cpu'):\n    a = x @ w\n    with torch.no_grad():\n        w.data = w.data * 2\n",
    "layers": "x = t(2, 3, 8, 8)\n_m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))\nwith torch.autocast('cpu'):\n    y = _m(x)\n    loss = F.cross_entropy(y, torch.tensor([1, 2]))\nloss.backward()\ndtypes = [str(p.grad.dtype) for p in _m.parameters()]",
    "norms of short inputs": "x = t(2, 4, 3).bfloat16()\nwith torch.autocast('cpu'):\n    a = nn.LayerNorm(3)(x)\n    b = nn.GroupNorm(2, 4)(x)\n    c = nn.BatchNorm1d(4)(x)\n    d = nn.InstanceNorm1d(4, affine=True)(x)",
    "attention": "x = t(2, 3, 4)\n_m = nn.MultiheadAttention(4, 2, batch_first=True)\nwith torch.autocast('cpu'):\n    y = _m(x, x, x)[0]",
    "state": "with torch.autocast('cpu', cache_enabled=False):\n    a = [torch.is_autocast_enabled('cpu'), torch.is_autocast_enabled(), torch.is_autocast_cache_enabled(), str(torch.get_autocast_dtype('cpu'))]\nb = [torch.is_autocast_enabled('cpu'), torch.is_autocast_cache_enabled(), str(torch.get_autocast_dtype('cuda'))]",
    "after an error": "try:\n    with torch.autocast('cpu'):\n        t(2) @ t(3)\nexcept RuntimeError:\n    a = torch.is_autocast_enabled('cpu')",
    "switches": "torch.set_autocast_enabled('cpu', True)\ntorch.set_autocast_dtype('cpu', torch.float16)\na = t(2, 2) @ t(2, 2)\ntorch.set_autocast_enabled('cpu', False)\ntorch.set_autocast_dtype('cpu', torch.bfloat16)\ntorch.clear_autocast_cache()",
    "no such device": "torch.autocast('foo')",
    "no device": "torch.autocast(3)",
    "a device without": "torch.autocast('meta')",
    "another dtype": "_c = torch.autocast('cpu', dtype=torch.float64)\na = _c._enabled",
    "available": "a = [torch.amp.is_autocast_available(_d) for _d in ('cpu', 'cuda', 'meta')]",
    "available on nothing": "torch.amp.is_autocast_available('foo')",
    "functions of the user": """
class _Double(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, x):
        ctx.on = torch.is_autocast_enabled("cpu")
        return x * 2 if ctx.on else x * 3

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, g):
        return g * 5

x = t(3).requires_grad_()
with torch.autocast("cpu"):
    y = _Double.apply(x.bfloat16())
y.sum().backward()
z = _Double.apply(x)
g = x.grad
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_autocast(name: str) -> None:
    hold(PROGRAMS[name], rtol=1e-2, atol=1e-2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtypes", ["float32", "float32 bfloat16", "bfloat16", "bfloat16 float32", "float64"])
@pytest.mark.parametrize("mode", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers(mode: str, dtypes: str) -> None:
    """Without oneDNN, whose LSTM in bfloat16 not every processor has."""
    weights, state = dtypes.split()[0], dtypes.split()[-1]
    hold(
        f"""
torch.manual_seed(0)
_m = nn.{mode}(4, 5, 2, bidirectional=True).to(torch.{weights})
_x, _h = t(3, 2, 4).to(torch.{state}), t(4, 2, 5).to(torch.{state})
with torch.backends.mkldnn.flags(enabled=False), torch.autocast("cpu"):
    a, b = _m(_x), _m(_x, (_h, _h) if {mode == "LSTM"} else _h)
b[0].sum().backward()
g = _m.weight_hh_l0.grad.dtype
""",
        rtol=3e-2,
        atol=3e-2,
        strides=False,
    )


SCALED = """
torch.manual_seed(0)
_m = nn.Linear(3, 2)
_o = optim.SGD(_m.parameters(), lr=0.1)
_s = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
"""
SCALERS = {
    "steps": "rates = []\nfor _i in range(6):\n    _o.zero_grad()\n    _loss = _m(t(4, 3)).square().mean() * (float('inf') if _i == 3 else 1.0)\n    _s.scale(_loss).backward()\n    r = _s.step(_o)\n    _s.update()\n    rates.append((_s.get_scale(), _s.state_dict()))\nw = _m.weight",
    "clipping": "_s.scale(_m(t(4, 3)).sum()).backward()\n_s.unscale_(_o)\nn = nn.utils.clip_grad_norm_(_m.parameters(), 0.1)\n_s.step(_o)\n_s.update()\nw = _m.weight",
    "nothing scaled": "_s.step(_o)",
    "unscaled twice": "_s.scale(_m(t(4, 3)).sum()).backward()\n_s.unscale_(_o)\n_s.unscale_(_o)",
    "stepped twice": "_s.scale(_m(t(4, 3)).sum()).backward()\n_s.step(_o)\n_s.step(_o)",
    "unscaled after a step": "_s.scale(_m(t(4, 3)).sum()).backward()\n_s.step(_o)\n_s.unscale_(_o)",
    "updated without a step": "_s.scale(_m(t(4, 3)).sum()).backward()\n_s.update()",
    "several outputs": "a = _s.scale([torch.ones(1), (torch.ones(2),)])",
    "something else": "_s.scale(3)",
    "a new scale": "_s.scale(torch.ones(1))\n_s.update(4.0)\na = _s.get_scale()\n_s.update(torch.tensor([2.0]))\nb = _s.get_scale()",
    "a new scale that is wrong": "_s.scale(torch.ones(1))\n_s.update(torch.tensor([2.0, 3.0]))",
    "state": "_s.scale(torch.ones(1))\n_d = torch.amp.GradScaler('cpu')\n_d.load_state_dict(_s.state_dict())\na = _d.state_dict()\nb = _d.scale(torch.ones(1))\nc = (_d.get_growth_factor(), _d.get_backoff_factor(), _d.get_growth_interval())",
    "empty state": "_s.load_state_dict({})",
    "pickled": "import pickle as _p\n_s.scale(torch.ones(1))\na = _p.loads(_p.dumps(_s)).scale(torch.ones(2))",
    "pickled too early": "import pickle as _p\n_s.scale(_m(t(4, 3)).sum()).backward()\n_s.step(_o)\n_p.dumps(_s)",
    "a factor too small": "torch.amp.GradScaler('cpu', growth_factor=1.0)",
    "a factor too large": "torch.amp.GradScaler('cpu', backoff_factor=1.0)",
    "a closure": "_s.scale(_m(t(4, 3)).sum()).backward()\n_s.step(_o, closure=lambda: 1)",
    "switched off": "_n = torch.amp.GradScaler('cpu', enabled=False)\na = [_n.is_enabled(), _n.get_scale(), _n.state_dict(), _n.scale(3)]\n_n.update()",
    "half gradients": "_h = nn.Linear(2, 1).half()\n_g = optim.SGD(_h.parameters(), lr=0.1)\n_s.scale(torch.ones(1))\n_h.weight.grad = torch.ones(1, 2).half()\n_s.unscale_(_g)",
}


@pytest.mark.parametrize("name", SCALERS)
def test_scaled_losses(name: str) -> None:
    hold(SCALED + SCALERS[name])
