"""Programs about forward and backward hooks."""

from __future__ import annotations

PROGRAMS = """
# forward hooks: order, prepend, removal
_m = nn.Identity(); seen = []
_a = _m.register_forward_hook(lambda m, a, o: seen.append("a")); _b = _m.register_forward_hook(lambda m, a, o: seen.append("b"), prepend=True)
_m(1); _a.remove(); _a.remove(); _m(1); _b.remove(); _m(1)

# forward hooks replace the output
_m = nn.Identity(); _m.register_forward_hook(lambda m, a, o: o + 1); _m.register_forward_hook(lambda m, a, o: o * 10); _m.register_forward_hook(lambda m, a, o: None)
x = _m(1)

# forward hooks with kwargs
_m = Two(); seen = []
_m.register_forward_hook(lambda *a: seen.append(a[1:]), with_kwargs=True); _m.register_forward_hook(lambda *a: seen.append(a[1:]))
x = _m(1, b=2, c=3)

# forward pre-hooks
_m = nn.Identity(); _m.register_forward_pre_hook(lambda m, a: a[0] + 1); _m.register_forward_pre_hook(lambda m, a: (a[0] * 10,)); _m.register_forward_pre_hook(lambda m, a: None)
x = _m(1)

# forward pre-hooks: order, prepend, removal
_m = nn.Identity(); seen = []
_a = _m.register_forward_pre_hook(lambda m, a: seen.append("a")); _b = _m.register_forward_pre_hook(lambda m, a: seen.append("b"), prepend=True)
_m(1); _b.remove(); _m(1)

# forward pre-hooks with kwargs
_m = Two(); _m.register_forward_pre_hook(lambda m, a, k: ((a[0] + 1,), {"b": 5}), with_kwargs=True); _m.register_forward_pre_hook(lambda m, a, k: None, with_kwargs=True)
x = _m(1, b=2)

# forward pre-hooks with kwargs that return something else
_m = Two(); _m.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True); _m(1, b=2)

# forward pre-hooks that return a list
_m = nn.Identity(); _m.register_forward_pre_hook(lambda m, a: [a[0]]); x = _m(1)

# always_call
class _Broken(nn.Module):
    def forward(self, x): raise KeyError("inside")
_m = _Broken(); seen = []
_m.register_forward_hook(lambda m, a, o: seen.append(("always", o)), always_call=True); _m.register_forward_hook(lambda m, a, o: seen.append("never"))
x = attempt(_m, 1), len(_m._forward_hooks), len(_m._forward_hooks_always_called)

# always_call after another hook failed
_m = nn.Identity(); seen = []
def _bad(m, a, o): raise ValueError("hook")
_m.register_forward_hook(lambda m, a, o: seen.append("first"), always_call=True); _m.register_forward_hook(_bad); _m.register_forward_hook(lambda m, a, o: seen.append("last"), always_call=True)
x = attempt(_m, 1)

# always_call when the hook fails as well
class _Broken(nn.Module):
    def forward(self, x): raise KeyError("inside")
def _bad(m, a, o): raise ValueError("hook")
_m = _Broken(); _m.register_forward_hook(_bad, always_call=True); x = attempt(_m, 1)

# tables of flags
_m = nn.Identity(); _a = _m.register_forward_hook(lambda *a: None, with_kwargs=True, always_call=True); _b = _m.register_forward_pre_hook(lambda *a: None, with_kwargs=True)
x = len(_m._forward_hooks_with_kwargs), len(_m._forward_hooks_always_called), len(_m._forward_pre_hooks_with_kwargs)
_a.remove(); _b.remove()
y = len(_m._forward_hooks_with_kwargs), len(_m._forward_hooks_always_called), len(_m._forward_pre_hooks_with_kwargs)

# a handle as a context manager
_m = nn.Identity(); seen = []
with _m.register_forward_hook(lambda m, a, o: seen.append(o)) as _h: _m(1)
_m(2); x = type(_h).__name__, type(_h).__module__.split(".")[1:], isinstance(_h, torch.utils.hooks.RemovableHandle)

# hooks of parts of a Sequential
_m = nn.Sequential(nn.Identity(), nn.Identity()); seen = []
_m[1].register_forward_hook(lambda m, a, o: seen.append(o)); _m.register_forward_pre_hook(lambda m, a: (a[0] * 2,)); x = _m(1)

# hooks are copied and pickled with the module
def _hook(m, a, o): return o * 2
program_hook = None
_m = nn.Linear(2, 2); _m.register_forward_hook(_hook); _n = copy.deepcopy(_m)
x = len(_n._forward_hooks), torch.equal(_n(torch.ones(1, 2)), _m(torch.ones(1, 2))), _n._forward_hooks is _m._forward_hooks

# full backward hook: what it sees
_m = nn.Linear(3, 2); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((type(m).__name__, gi, go)))
_x = grid(4, 3).requires_grad_(); _y = _m(_x); (_y * grid(4, 2)).sum().backward()
g = _x.grad, _m.weight.grad; n = _y.grad_fn.name()

# full backward hook: input without gradient
_m = nn.Linear(3, 2); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_y = _m(grid(4, 3)); _y.sum().backward(); g = _m.weight.grad

# full backward hook: one of two inputs needs a gradient
_m = Two(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_a, _b = grid(2, 2), grid(2, 2).requires_grad_(); _u, _v = _m(_a, _b); (_u.sum() + _v.sum()).backward(); g = _b.grad

# full backward hook: arguments that are no tensors
_m = Two(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_a = grid(2, 2).requires_grad_(); _u, _v = _m(_a, 3.0, "x"); _v2 = _u.sum(); _v2.backward(); g = _a.grad

# full backward hook: keyword arguments are not seen
_m = Two(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_a, _b = grid(2, 2).requires_grad_(), grid(2, 2).requires_grad_(); _u, _v = _m(_a, b=_b); (_u.sum() + _v.sum()).backward(); g = _a.grad, _b.grad

# full backward hook: only one output is used
_m = Two(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_a = grid(2, 2).requires_grad_(); _u, _v = _m(_a); _v.sum().backward(); g = _a.grad

# full backward hook: replaces the gradient
_m = nn.Linear(3, 2); _m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
_m.register_full_backward_hook(lambda m, gi, go: gi[0] + 1)
_x = grid(4, 3).requires_grad_(); _m(_x).sum().backward(); g = _x.grad, _m.weight.grad

# full backward hook: wrong count
_m = nn.Linear(3, 2); _m.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
_x = grid(4, 3).requires_grad_(); _m(_x).sum().backward()

# full backward hook: something for inputs without gradient
_m = nn.Linear(3, 2); _m.register_full_backward_hook(lambda m, gi, go: (torch.ones(4, 3),))
_m(grid(4, 3)).sum().backward()

# full backward hook: nothing for inputs without gradient
_m = nn.Linear(3, 2); _m.register_full_backward_hook(lambda m, gi, go: (None,)); _m(grid(4, 3)).sum().backward(); g = _m.bias.grad

# full backward hook: order, prepend, removal
_m = nn.Tanh(); seen = []
_a = _m.register_full_backward_hook(lambda *a: seen.append("a")); _b = _m.register_full_backward_hook(lambda *a: seen.append("b"), prepend=True)
_x = grid(2).requires_grad_(); _m(_x).sum().backward(); _a.remove(); _m(_x).sum().backward(); _b.remove(); _m(_x).sum().backward()
x = _m(_x).grad_fn.name()

# full backward hook: two calls of one module
_m = nn.Tanh(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_x = grid(2).requires_grad_(); _m(_m(_x)).sum().backward(); g = _x.grad

# full backward hook: backward twice
_m = nn.Tanh(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
_x = grid(2).requires_grad_(); _y = _m(_x).sum(); _y.backward(retain_graph=True); _y.backward(); g = _x.grad

# full backward hook: second gradients
_m = nn.Tanh(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append(len(gi)))
_x = grid(3).requires_grad_(); (_g,) = torch.autograd.grad(_m(_x).sum(), _x, create_graph=True); _g.sum().backward(); g = _x.grad

# full backward hook: without grad mode
_m = nn.Tanh(); seen = []
_m.register_full_backward_hook(lambda *a: seen.append(1))
with torch.no_grad(): y = _m(grid(2).requires_grad_())

# full backward hook: output changed in place
_m = nn.Linear(2, 2); _m.register_full_backward_hook(lambda *a: None); _y = _m(grid(2, 2).requires_grad_()); _y.add_(1)

# full backward hook: input changed in place
class _M(nn.Module):
    def forward(self, x): x += 1; return x * 2
_m = _M(); _m.register_full_backward_hook(lambda *a: None); _m(grid(2, 2).requires_grad_() * 1)

# full backward hook: in-place activation
_m = nn.ReLU(inplace=True); _m.register_full_backward_hook(lambda *a: None); _m(grid(2, 2).requires_grad_() * 1)

# full backward hook: output in a list
class _M(nn.Module):
    def forward(self, x): return [x * 2]
_m = _M(); seen = []; _m.register_full_backward_hook(lambda *a: seen.append(1)); _y = attempt(_m, grid(2).requires_grad_()); x = _y if isinstance(_y, str) else type(_y).__name__

# full backward hook: output in a dict
class _M(nn.Module):
    def forward(self, x): return {"a": x * 2}
_m = _M(); seen = []; _m.register_full_backward_hook(lambda *a: seen.append(1)); _y = _m(grid(2).requires_grad_()); _y["a"].sum().backward()

# full backward hook: output is a named tuple
from collections import namedtuple
_Pair = namedtuple("Pair", "a b")
class _M(nn.Module):
    def forward(self, x): return _Pair(x * 2, x * 3)
_m = _M(); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _y = attempt(_m, grid(2).requires_grad_())
x = _y if isinstance(_y, str) else (type(_y).__name__, attempt(lambda: _y.a.sum().backward()))

# full backward hook: output is a number
class _M(nn.Module):
    def forward(self, x): return 3
_m = _M(); _m.register_full_backward_hook(lambda *a: None); x = _m(grid(2).requires_grad_())

# full backward hook: tuple with things that are no tensors
class _M(nn.Module):
    def forward(self, x): return x * 2, None, "x"
_m = _M(); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _y = _m(grid(2).requires_grad_()); _y[0].sum().backward(); x = _y[1:]

# full backward hook: no tensors at all
class _M(nn.Module):
    def __init__(self): super().__init__(); self.p = param(2)
    def forward(self): return self.p * 2
_m = _M(); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _m().sum().backward(); g = _m.p.grad

# full backward hook: the input comes back as it is
_m = nn.Identity(); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_x = grid(2).requires_grad_(); _y = _m(_x); x = _y is _x; (_y * 3).sum().backward(); g = _x.grad

# full backward hook: gradient past the output
class _M(nn.Module):
    def forward(self, x): self.side = x * 5; return x * 2
_m = _M(); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_x = grid(2).requires_grad_(); _m(_x); _m.side.sum().backward(); g = _x.grad

# full backward hook: integer outputs
class _M(nn.Module):
    def forward(self, x): return x * 2, torch.tensor([1, 2])
_m = _M(); seen = []; _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_x = grid(2).requires_grad_(); _y = _m(_x); _y[0].sum().backward(); x = _y[1], _y[1].requires_grad

# full backward hook: in a network
_m = Net(); seen = []
for _n, _l in _m.named_modules(): _l.register_full_backward_hook(lambda m, gi, go, n=_n: seen.append((n, gi, go)))
_x = grid(4, 3).requires_grad_(); _m(_x).pow(3).sum().backward(); g = _x.grad, _m.first.weight.grad, _m.scale.grad

# full backward pre-hook
_m = nn.Linear(3, 2); seen = []
_m.register_full_backward_pre_hook(lambda m, go: seen.append(go)); _m.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,)); _m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
_x = grid(4, 3).requires_grad_(); _m(_x).sum().backward(); g = _x.grad, _m.bias.grad

# full backward pre-hook: alone, input without gradient
_m = nn.Linear(3, 2); _m.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,)); _m(grid(4, 3)).sum().backward(); g = _m.bias.grad

# full backward pre-hook: order and prepend
_m = nn.Tanh(); seen = []
_m.register_full_backward_pre_hook(lambda *a: seen.append("a")); _m.register_full_backward_pre_hook(lambda *a: seen.append("b"), prepend=True)
_m(grid(2).requires_grad_()).sum().backward()

# full backward pre-hook: wrong count
_m = nn.Tanh(); _m.register_full_backward_pre_hook(lambda m, go: (go[0], go[0])); _m(grid(2).requires_grad_()).sum().backward()

# full backward pre-hook: a single tensor
_m = nn.Tanh(); _m.register_full_backward_pre_hook(lambda m, go: go[0] * 2); _x = grid(1).requires_grad_(); x = attempt(lambda: _m(_x).sum().backward()); g = _x.grad

# full backward pre-hook: a single tensor of several elements
_m = nn.Tanh(); _m.register_full_backward_pre_hook(lambda m, go: go[0] * 2); _x = grid(3).requires_grad_(); x = attempt(lambda: _m(_x).sum().backward()); g = _x.grad

# full backward pre-hook: in a Sequential
_m = nn.Sequential(nn.Linear(2, 2), nn.Tanh()); seen = []
_m[0].register_full_backward_pre_hook(lambda m, go: seen.append(go)); _m.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,)); _x = grid(2, 2).requires_grad_(); _m(_x).sum().backward(); g = _x.grad

# old backward hook
_m = nn.ReLU(); seen = []
_m.register_backward_hook(lambda m, gi, go: seen.append((type(m).__name__, gi, go))); _x = grid(4).requires_grad_() * 1; _m(_x).sum().backward()

# old backward hook: replaces the gradient
_m = nn.ReLU(); _h = _m.register_backward_hook(lambda m, gi, go: (gi[0] * 10,)); _x = grid(4).requires_grad_(); _m(_x * 1).sum().backward(); g = _x.grad
_h.remove(); _m(_x * 1).sum().backward(); h = _x.grad

# old backward hook: several nodes
_m = nn.Sequential(nn.Tanh(), nn.ReLU()); seen = []
_m.register_backward_hook(lambda m, gi, go: seen.append((gi, go))); _m(grid(4).requires_grad_() * 1).sum().backward()

# old backward hook: outputs of several nodes
_m = Two(); seen = []
_m.register_backward_hook(lambda m, gi, go: seen.append((gi, go))); _u, _v = _m(grid(2).requires_grad_() * 1); (_u.sum() + _v.sum()).backward()

# old backward hook: output in a dict
class _M(nn.Module):
    def forward(self, x): return {"n": 3, "a": x * 2}
_m = _M(); seen = []; _m.register_backward_hook(lambda m, gi, go: seen.append(go)); _m(grid(2).requires_grad_() * 1)["a"].sum().backward()

# old backward hook: arguments that are no tensors
_m = Two(); _m.register_backward_hook(lambda *a: None); _m(grid(2).requires_grad_() * 1, 3.0)

# old backward hook: no gradient needed
_m = nn.ReLU(); _m.register_backward_hook(lambda *a: None); x = _m(grid(4))

# old after full
_m = nn.Tanh(); _m.register_full_backward_hook(lambda *a: None); _m.register_backward_hook(lambda *a: None)

# full after old
_m = nn.Tanh(); _h = _m.register_backward_hook(lambda *a: None); _h.remove(); _m.register_full_backward_hook(lambda *a: None)

# which kind
_m = nn.Tanh(); a = _m._is_full_backward_hook; _m.register_full_backward_hook(lambda *a: None); b = _m._is_full_backward_hook, len(_m._backward_hooks), len(_m._get_backward_hooks()[0]), len(_m._get_backward_pre_hooks())

# forward hooks between backward hooks
_m = nn.Tanh(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))); _m.register_forward_pre_hook(lambda m, a: (a[0] * 2,)); _m.register_forward_hook(lambda m, a, o: o * 3)
_x = grid(2).requires_grad_(); _m(_x).sum().backward(); g = _x.grad

# BackwardHook by hand
_x = grid(2).requires_grad_(); seen = []
_b = torch.utils.hooks.BackwardHook(nn.Tanh(), [lambda m, gi, go: seen.append((gi, go))], [])
(_i,) = _b.setup_input_hook((_x,)); _o = _b.setup_output_hook(_i * 2); _o.sum().backward(); g = _x.grad, _i.grad_fn.name()

# a tensor's hook beside the module's
_m = nn.Tanh(); seen = []
_m.register_full_backward_hook(lambda m, gi, go: seen.append("module")); _x = grid(2).requires_grad_(); _x.register_hook(lambda g: seen.append("tensor")); _y = _m(_x); _y.register_hook(lambda g: g * 2); _y.sum().backward(); g = _x.grad
"""
