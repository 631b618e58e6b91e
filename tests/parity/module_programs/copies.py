"""Programs about copies, pickles and `functional_call`."""

from __future__ import annotations

PROGRAMS = """
# deepcopy
_m = Net(); _m(torch.ones(2, 3)).sum().backward(); _n = copy.deepcopy(_m)
x = _n.again is _n.first, _n.scale is _m.scale, _n.scale, _n.first.weight.grad is None, repr(_n) == repr(_m), list(_n.state_dict()) == list(_m.state_dict()), tables(_n)

# copy
_m = Net(); _n = copy.copy(_m); x = _n.first is _m.first, _n._modules is _m._modules, _n._parameters is _m._parameters
_n.extra = param(1); y = tables(_m), tables(_n)

# pickle
_m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)); _m.eval(); _n = pickle.loads(pickle.dumps(_m))
x = repr(_n), dict(_n.state_dict()), _n.training, _n[1].training

# pickle keeps sharing
_m = nn.ModuleList([nn.Linear(2, 2)]); _m.append(_m[0]); _n = pickle.loads(pickle.dumps(_m)); x = _n[0] is _n[1]

# __setstate__ of an old pickle
_m = nn.Tanh(); _s = dict(vars(_m))
for _k in ("_forward_hooks_with_kwargs", "_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_non_persistent_buffers_set", "_backward_pre_hooks"): _s.pop(_k)
_n = nn.Tanh.__new__(nn.Tanh); _n.__setstate__(_s); x = sorted(vars(_n)), _n(grid(2))

# deepcopy of tied parameters
_m = nn.Module(); _m.a = nn.Linear(2, 2); _m.b = nn.Linear(2, 2); _m.b.weight = _m.a.weight
_n = copy.deepcopy(_m); x = _n.a.weight is _n.b.weight, len(list(_n.parameters()))

# a module with its own __getstate__
class _M(nn.Linear):
    def __getstate__(self): s = self.__dict__.copy(); s["extra"] = 5; return s
_n = copy.deepcopy(_M(2, 2)); x = _n.extra, _n(torch.ones(1, 2))

# functional_call
_m = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval(); _x = grid(2, 3); _p = {k: v * 2 for k, v in _m.state_dict().items()}; _w = _m[0].weight
x = torch.func.functional_call(_m, _p, (_x,)), _m(_x), torch.func.functional_call(_m, {"0.bias": torch.zeros(4)}, _x), _m[0].weight is _w
y = torch.func.functional_call(Two(), {}, (_x,), {"b": 3}), torch.func.functional_call(_m, ({"0.bias": torch.zeros(4)}, {"1.bias": torch.zeros(4)}), _x)

# functional_call: names
_m = nn.Linear(2, 2); _x = torch.ones(1, 2)
x = torch.func.functional_call(_m, {"weight": torch.zeros(2, 2), "more": torch.ones(1)}, _x)
y = attempt(torch.func.functional_call, _m, {"weight": torch.zeros(2, 2)}, _x, strict=True)
z = attempt(torch.func.functional_call, _m, ({"weight": torch.zeros(2, 2)}, {"weight": torch.zeros(2, 2)}), _x)
w = [attempt(torch.func.functional_call, _m, d, _x) for d in (3, [3], None, "x", {"weight": 3})], [attempt(torch.func.functional_call, _m, d, _x, strict=True) for d in ({"weight": _x, "q": _x}, {"q": _x, "r": _x, "weight": _x, "bias": _x}, {})]

# functional_call: tied weights
_m = nn.Module(); _m.a = nn.Linear(2, 2, bias=False); _m.b = nn.Linear(2, 2, bias=False); _m.b.weight = _m.a.weight
_m.forward = lambda x: _m.b(_m.a(x))
x = torch.func.functional_call(_m, {"a.weight": torch.eye(2) * 2}, torch.ones(1, 2)), attempt(torch.func.functional_call, _m, {"a.weight": torch.eye(2), "b.weight": torch.eye(2) * 2}, torch.ones(1, 2))
y = torch.func.functional_call(_m, {"a.weight": torch.eye(2), "b.weight": torch.eye(2) * 2}, torch.ones(1, 2), tie_weights=False)

# functional_call restores after an error
_m = nn.Linear(2, 2); _w = _m.weight; x = isinstance(attempt(torch.func.functional_call, _m, {"weight": torch.ones(3, 3)}, torch.ones(1, 2)), str), _m.weight is _w
"""
