"""Programs about hooks where few programs have them."""

from __future__ import annotations

PROGRAMS = """
# checkpoint with backward hooks
import importlib
_cp = importlib.import_module(torch.__name__ + ".utils.checkpoint").checkpoint
_m = nn.Sequential(nn.Linear(2, 2), nn.Tanh()); seen = []
_m[0].register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _x = grid(3, 2).requires_grad_(); _cp(_m, _x, use_reentrant=False).sum().backward(); g = _x.grad

# inference mode with backward hooks
_m = nn.Linear(2, 2); _m.register_full_backward_hook(lambda *a: None)
with torch.inference_mode(): x = _m(grid(1, 2)).requires_grad

# frozen layer with backward hook
_m = nn.Linear(2, 2).requires_grad_(False); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _x = grid(1, 2).requires_grad_(); _m(_x).sum().backward(); g = _x.grad, _m.weight.grad

# LSTM with backward hook
_m = nn.LSTM(2, 3); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((shapes(gi), [type(g).__name__ for g in go]))); _x = grid(4, 1, 2).requires_grad_(); _o, _h = _m(_x); x = isinstance(attempt(lambda: _o.sum().backward()), str), _x.grad is not None

# embedding with backward hook
_m = nn.Embedding(4, 2); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _m(torch.tensor([1, 2])).sum().backward(); g = _m.weight.grad

# attention with backward hook
_m = nn.MultiheadAttention(4, 2); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((shapes(gi), shapes(go)))); _x = grid(3, 1, 4).requires_grad_(); _o, _w = _m(_x, _x, _x); _o.sum().backward(); g = _x.grad

# hooks that register hooks on outputs
_m = nn.Linear(2, 2); seen = []; _m.register_forward_hook(lambda m, a, o: o.register_hook(lambda g: seen.append(g)) and None); _m(grid(1, 2)).sum().backward()

# grad with respect to the input behind the hook
_m = nn.Linear(2, 2); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _x = grid(1, 2).requires_grad_(); (x,) = torch.autograd.grad(_m(_x).sum(), _x); y = torch.autograd.grad(_m(_x).sum(), _m.weight)

# hook errors during backward
_m = nn.Linear(2, 2)
def _bad(m, gi, go): raise KeyError("mine")
_m.register_full_backward_hook(_bad); _m(grid(1, 2).requires_grad_()).sum().backward()

# pre hook returns a list
_m = nn.Tanh(); _m.register_full_backward_pre_hook(lambda m, go: [go[0] * 2]); _x = grid(3).requires_grad_(); x = attempt(lambda: _m(_x).sum().backward()); g = _x.grad

# hook returns a list
_m = nn.Tanh(); _m.register_full_backward_hook(lambda m, gi, go: [gi[0] * 2]); _x = grid(3).requires_grad_(); x = attempt(lambda: _m(_x).sum().backward()); g = _x.grad

# hook returns a wrong shape
_m = nn.Tanh(); _m.register_full_backward_hook(lambda m, gi, go: (torch.ones(7),)); _x = grid(3).requires_grad_(); x = isinstance(attempt(lambda: _m(_x).sum().backward()), str)

# hook returns a number
_m = nn.Tanh(); _m.register_full_backward_hook(lambda m, gi, go: 3); _x = grid(3).requires_grad_(); x = attempt(lambda: _m(_x).sum().backward())

# hook returns None inside a tuple
_m = nn.Tanh(); _m.register_full_backward_hook(lambda m, gi, go: (None,)); _x = grid(3).requires_grad_(); x = attempt(lambda: _m(_x).sum().backward()); g = _x.grad

# module called with a list of tensors
class _M(nn.Module):
    def forward(self, xs): return xs[0] * xs[1]
_m = _M(); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _a = grid(2).requires_grad_(); _m([_a, _a]).sum().backward(); g = _a.grad

# handles' remove after the module is gone
_m = nn.Tanh(); _h = _m.register_full_backward_hook(lambda *a: None); del _m; import gc; gc.collect(); x = _h.remove(), _h.hooks_dict_ref() is None

# RemovableHandle: extra_dict kinds
_d, _e = OrderedDict(), OrderedDict(); _h = torch.utils.hooks.RemovableHandle(_d, extra_dict=_e); _d[_h.id] = 1; _e[_h.id] = 2; _h.remove(); x = dict(_d), dict(_e)

# module-level names
x = [n for n in ("RemovableHandle", "BackwardHook", "unserializable_hook", "warn_if_has_hooks") if not hasattr(torch.utils.hooks, n)]

# forward hook with kwargs replaced by pre-hook
_m = Two(); seen = []; _m.register_forward_pre_hook(lambda m, a, k: (a, {"b": k["b"] * 10}), with_kwargs=True); _m.register_forward_hook(lambda m, a, k, o: seen.append((a, k, o)), with_kwargs=True); x = _m(1, b=2)

# pre-hook with kwargs given keywords only
_m = nn.Identity(); _m.register_forward_pre_hook(lambda m, a, k: (a, {"input": 5}), with_kwargs=True); x = _m(input=1)

# uninitialised buffer and parameter objects
_b = nn.UninitializedBuffer(); _p = nn.UninitializedParameter(); x = repr(_b), repr(_p), _p.requires_grad, attempt(lambda: _p.materialize((2, 2))), _p.requires_grad, type(_p).__name__, attempt(lambda: _b.materialize((2,))), type(_b).__name__, nn.parameter.is_lazy(nn.UninitializedParameter())

# old backward hook with several inputs
class _M(nn.Module):
    def forward(self, a, b): return a * b
_m = _M(); seen = []; _m.register_backward_hook(lambda m, gi, go: seen.append((gi, go))); _m(grid(2).requires_grad_() * 1, grid(2).requires_grad_() * 2).sum().backward()

# old backward hook: input leaf
_m = nn.ReLU(); seen = []; _m.register_backward_hook(lambda m, gi, go: seen.append((gi, go))); _x = grid(4).requires_grad_(); _m(_x).sum().backward(); g = _x.grad

# old backward hook: list output
class _M(nn.Module):
    def forward(self, x): return [x * 2]
_m = _M(); seen = []; _m.register_backward_hook(lambda m, gi, go: seen.append(go)); _m(grid(2).requires_grad_() * 1)[0].sum().backward()

# old backward hook: no tensor in the output
class _M(nn.Module):
    def forward(self, x): return {}
_m = _M(); _m.register_backward_hook(lambda *a: None); x = attempt(_m, grid(2))

# old backward hook: integer output
class _M(nn.Module):
    def forward(self, x): return 3
_m = _M(); _m.register_backward_hook(lambda *a: None); x = attempt(_m, grid(2))
"""
