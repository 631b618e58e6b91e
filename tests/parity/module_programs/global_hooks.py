"""Programs about hooks of all modules."""

from __future__ import annotations

PROGRAMS = """
# global forward hooks
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module"); seen = []
_h = _mm.register_module_forward_hook(lambda m, a, o: seen.append((type(m).__name__, a, o))); _p = _mm.register_module_forward_pre_hook(lambda m, a: seen.append(type(m).__name__))
try: x = nn.Sequential(nn.Identity(), nn.Identity())(1)
finally: _h.remove(); _p.remove()
nn.Identity()(2)

# global forward hooks replace
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module")
_h = _mm.register_module_forward_hook(lambda m, a, o: o + 1); _p = _mm.register_module_forward_pre_hook(lambda m, a: a[0] * 10)
try: x = nn.Identity()(1), nn.Sequential(nn.Identity())(1)
finally: _h.remove(); _p.remove()
y = nn.Identity()(1)

# global forward hooks with kwargs, before the module's own
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module"); seen = []; _m = Two(); _m.register_forward_hook(lambda *a: seen.append("own"))
_h = _mm.register_module_forward_hook(lambda *a: seen.append(a[1:]), with_kwargs=True)
try: _m(1, b=2)
finally: _h.remove()

# global forward hooks that are always called
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module"); seen = []
class _Broken(nn.Module):
    def forward(self, x): raise KeyError("inside")
_h = _mm.register_module_forward_hook(lambda m, a, o: seen.append(o), always_call=True)
try: x = attempt(_Broken(), 1)
finally: _h.remove()

# global forward hooks that fail as well
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module")
class _Broken(nn.Module):
    def forward(self, x): raise KeyError("inside")
def _bad(m, a, o): raise ValueError("hook")
_h = _mm.register_module_forward_hook(_bad, always_call=True)
try: x = attempt(_Broken(), 1)
finally: _h.remove()

# global backward hooks
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module"); seen = []
_h = _mm.register_module_full_backward_hook(lambda m, gi, go: seen.append((type(m).__name__, gi, go))); _p = _mm.register_module_full_backward_pre_hook(lambda m, go: seen.append((type(m).__name__, go)))
try: x = attempt(_mm.register_module_backward_hook, lambda *a: None); _x = grid(2, 2).requires_grad_(); nn.Sequential(nn.Linear(2, 2), nn.Tanh())(_x).sum().backward(); g = _x.grad
finally: _h.remove(); _p.remove()
y = nn.Tanh()(grid(2).requires_grad_()).grad_fn.name()

# global registration hooks
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module"); seen = []
def _told(kind): return lambda m, n, v: seen.append((kind, type(m).__name__, n, *shapes([v])))
_hs = [_mm.register_module_buffer_registration_hook(_told("buffer")), _mm.register_module_module_registration_hook(_told("module")), _mm.register_module_parameter_registration_hook(_told("parameter"))]
try: _m = Net(); _m.extra = nn.Tanh(); _m.scale = None; _m.first = None; _m.steps = torch.ones(2); _m.new = nn.Buffer(torch.ones(1)); _m.add_module("added", nn.ELU()); _m.add_module("none", None); _m.scale = param(3)
finally: [h.remove() for h in _hs]
Net()

# global registration hooks replace
from importlib import import_module
_mm = import_module(torch.__name__ + ".nn.modules.module")
_hs = [
    _mm.register_module_parameter_registration_hook(lambda m, n, v: nn.Parameter(v.detach() * 0)),
    _mm.register_module_buffer_registration_hook(lambda m, n, v: v + 5),
    _mm.register_module_module_registration_hook(lambda m, n, v: nn.ReLU() if isinstance(v, nn.Tanh) else None),
]
try: _m = nn.Module(); _m.a = param(2); _m.register_buffer("b", torch.ones(1)); _m.c = nn.Tanh(); _m.add_module("d", nn.Tanh()); _m.b = torch.zeros(1)
finally: [h.remove() for h in _hs]
x = _m.a, _m.b, repr(_m)
"""
