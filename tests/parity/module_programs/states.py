"""Programs about `state_dict` and `load_state_dict`."""

from __future__ import annotations

PROGRAMS = """
# keys, values, identity
_m = Net(); _s = _m.state_dict()
x = list(_s), type(_s).__name__, dict(_s._metadata), _s["scale"].requires_grad
_s["scale"].fill_(7); y = _m.scale

# keep_vars
_m = Net(); _s = _m.state_dict(keep_vars=True)
x = _s["scale"] is _m.scale, _s["steps"] is _m.steps, _s["scale"].requires_grad

# prefix and destination
_m = Net(); _d = OrderedDict(a=1); _s = _m.state_dict(destination=_d, prefix="net.")
x = _s is _d, list(_s), hasattr(_s, "_metadata")

# positional arguments
_m = nn.Linear(2, 2); _d = OrderedDict()
x = list(_m.state_dict(_d, "p.", True)), _d["p.weight"] is _m.weight

# positional arguments, too many
_m = nn.Linear(2, 2)
x = attempt(_m.state_dict, OrderedDict(), "p.", True, 4)

# a plain dict as destination
_m = nn.Linear(2, 2); _d = {}
x = _m.state_dict(destination=_d) is _d, list(_d)

# loading what fits
_m, _n = Net(), Net(); _w = _n.first.weight
_r = _n.load_state_dict(_m.state_dict())
x = str(_r), repr(_r), _r.missing_keys, _r.unexpected_keys, type(_r).__name__, _n.first.weight is _w, torch.equal(_w, _m.first.weight)

# missing and unexpected, strict
_m = Net(); _s = _m.state_dict(); del _s["scale"], _s["body.1.weight"]; _s["more"] = 1; _s["body.9.x"] = torch.ones(1); _s["first.weight.y"] = 2
_m.load_state_dict(_s)

# missing and unexpected, not strict
_m = Net(); _s = _m.state_dict(); del _s["scale"], _s["body.1.weight"]; _s["more"] = 1; _s["body.9.x"] = torch.ones(1); _s["first.weight.y"] = 2
_r = _m.load_state_dict(_s, strict=False)
x = _r.missing_keys, _r.unexpected_keys, str(_r)

# sizes that differ
_m = Net(); _s = _m.state_dict(); _s["scale"] = torch.ones(3); _s["first.weight"] = torch.ones(3, 4); _s["extra"] = 1
_m.load_state_dict(_s)

# sizes that differ, not strict
_m = Net(); _s = _m.state_dict(); _s["scale"] = torch.ones(3)
_m.load_state_dict(_s, strict=False)

# what fits is loaded all the same
_m = Net(); _s = {"scale": torch.zeros(1), "steps": torch.ones(5)}
x = attempt(_m.load_state_dict, _s), _m.scale

# no tensors
_m = nn.Linear(2, 2)
x = [attempt(_m.load_state_dict, {"weight": v, "bias": torch.ones(2)}) for v in (3, None, [1.0], "x")]

# not a dict
_m = nn.Linear(2, 2)
x = [attempt(_m.load_state_dict, v) for v in (3, None, [("weight", 1)], "x")]

# any mapping
from types import MappingProxyType
_m = nn.Linear(2, 2, bias=False); x = str(_m.load_state_dict(MappingProxyType({"weight": torch.ones(2, 2)}))), _m.weight

# the given dict stays as it is
_m = Net(); _s = _m.state_dict(); _n = len(_s); _m.load_state_dict(_s); x = len(_s) == _n, list(_s)

# scalars that once were vectors
_m = nn.Module(); _m.a = nn.Parameter(torch.tensor(1.0)); _m.load_state_dict({"a": torch.tensor([5.0])})
x = _m.a

# another dtype
_m = nn.Linear(2, 2, bias=False); _m.load_state_dict({"weight": torch.ones(2, 2, dtype=torch.float64)})
x = _m.weight

# gradients survive loading
_m = nn.Linear(2, 2); _m(torch.ones(1, 2)).sum().backward(); _m.load_state_dict({k: v * 2 for k, v in _m.state_dict().items()})
x = _m.weight.grad, _m.weight.requires_grad, _m.weight.is_leaf

# assign
_m = nn.Linear(2, 2); _s = {"weight": torch.ones(2, 2, dtype=torch.float64), "bias": param(2)}
_w = _m.weight; _m.load_state_dict(_s, assign=True)
x = _m.weight is _w, _m.weight, isinstance(_m.weight, nn.Parameter), _m.bias is _s["bias"]
_s["weight"].fill_(3); y = _m.weight

# assign keeps requires_grad
_m = nn.Linear(2, 2).requires_grad_(False); _m.load_state_dict({"weight": param(2, 2), "bias": torch.ones(2)}, assign=True)
x = _m.weight.requires_grad, _m.bias.requires_grad

# assign with another shape
_m = nn.Linear(2, 2); _m.load_state_dict({"weight": torch.ones(3, 2), "bias": torch.ones(2)}, assign=True)

# assign a buffer
_m = nn.BatchNorm1d(2); _s = _m.state_dict(); _s["running_mean"] = _t = torch.ones(2); _m.load_state_dict(_s, assign=True)
x = _m.running_mean is _t, "running_mean" in _m._buffers

# extra state
_m = Keeper(2, 2); _m.kept = [1, 2]; _s = _m.state_dict(); x = list(_s), _s["_extra_state"]
_n = Keeper(2, 2); y = str(_n.load_state_dict(_s)), _n.kept
z = list(nn.Sequential(_m).state_dict())

# extra state is missing or unexpected
_m = Keeper(2, 2); _s = nn.Linear(2, 2).state_dict()
x = attempt(_m.load_state_dict, _s), str(_m.load_state_dict(_s, strict=False))
y = attempt(nn.Linear(2, 2).load_state_dict, _m.state_dict()), attempt(nn.Sequential(nn.Linear(2, 2)).load_state_dict, nn.Sequential(_m).state_dict())

# one half of extra state
class _Half(nn.Linear):
    def get_extra_state(self): return 3
_m = _Half(2, 2); _s = _m.state_dict(); x = list(_s); y = attempt(_m.load_state_dict, _s)

# extra state that is refused
class _Bad(Keeper):
    def set_extra_state(self, state): raise ValueError("no")
_m = _Bad(2, 2); x = attempt(_m.load_state_dict, _m.state_dict())

# a version in the metadata
class _Old(nn.Module):
    _version = 3
    def __init__(self): super().__init__(); self.a = param(1)
    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        seen.append((prefix, dict(local_metadata), strict, list(missing_keys), list(unexpected_keys), list(error_msgs)))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
seen = []
_m = nn.Sequential(_Old(), _Old()); _s = _m.state_dict(); x = dict(_s._metadata)
_m.load_state_dict(_s); _m.load_state_dict(dict(_s)); _m.load_state_dict(_s, assign=True)

# an error from _load_from_state_dict
class _Picky(nn.Linear):
    def _load_from_state_dict(self, *args):
        super()._load_from_state_dict(*args); args[-1].append("too old")
_m = nn.Sequential(_Picky(2, 2)); _m.load_state_dict(_m.state_dict())

# _save_to_state_dict of a subclass
class _More(nn.Linear):
    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars); destination[prefix + "more"] = 1
_m = nn.Sequential(_More(2, 2)); x = list(_m.state_dict())
y = attempt(_m.load_state_dict, _m.state_dict())

# state_dict of a subclass
class _Own(nn.Linear):
    def state_dict(self, *args, **kwargs):
        seen.append((len(args), sorted(kwargs))); return super().state_dict(*args, **kwargs)
seen = []; x = list(nn.Sequential(_Own(2, 2)).state_dict())

# pre-hooks of saving
_m = Net(); seen = []
_h = _m.register_state_dict_pre_hook(lambda *a: seen.append((type(a[0]).__name__, *a[1:])))
_m.first.register_state_dict_pre_hook(lambda m, prefix, keep_vars: seen.append((prefix, keep_vars)))
_m.state_dict(); _m.state_dict(prefix="p.", keep_vars=True); _h.remove(); _m.state_dict()

# post-hooks of saving
_m = Net(); seen = []
def _hook(m, state, prefix, metadata):
    seen.append((prefix, dict(metadata))); state[prefix + "late"] = 1
_h = _m.first.register_state_dict_post_hook(_hook); x = list(_m.state_dict()); _h.remove(); y = list(_m.state_dict())

# a post-hook of saving that returns something
_m = Net(); _m.register_state_dict_post_hook(lambda *a: {}); _m.state_dict()

# the old post-hooks of saving
_m = nn.Linear(2, 2)
_m._register_state_dict_hook(lambda m, state, prefix, metadata: OrderedDict(only=1)); x = list(_m.state_dict())
_m._register_state_dict_hook(lambda *a: None); y = list(_m.state_dict())

# one function as both post-hooks
def _hook(*a): pass
_m = nn.Linear(2, 2); _m.register_state_dict_post_hook(_hook); _m._register_state_dict_hook(_hook)

# pre-hooks of loading
_m = Net(); seen = []
def _hook(m, state, prefix, metadata, strict, missing, unexpected, errors):
    seen.append((type(m).__name__, sorted(state)[:2], prefix, dict(metadata), strict, missing, unexpected, errors))
    state.pop(prefix + "old", None)
_h = _m.first.register_load_state_dict_pre_hook(_hook)
_s = _m.state_dict(); _s["first.old"] = 1; _m.load_state_dict(_s); _h.remove(); x = attempt(_m.load_state_dict, _s)

# pre-hooks of loading rename keys
def _hook(m, state, prefix, *rest):
    for key in list(state):
        if key.startswith(prefix + "old_"): state[key.replace("old_", "")] = state.pop(key)
_m = nn.Linear(2, 2); _m.register_load_state_dict_pre_hook(_hook)
x = str(_m.load_state_dict({"old_weight": torch.ones(2, 2), "old_bias": torch.ones(2)})), _m.weight

# pre-hooks of loading without the module
seen = []
_m = nn.Linear(2, 2)
_m._register_load_state_dict_pre_hook(lambda *a: seen.append(len(a))); _m._register_load_state_dict_pre_hook(lambda *a: seen.append(type(a[0]).__name__), with_module=True)
_m.load_state_dict(_m.state_dict())

# post-hooks of loading
_m = Net(); seen = []
def _hook(m, keys):
    seen.append((type(m).__name__, list(keys.missing_keys), list(keys.unexpected_keys))); keys.missing_keys.clear()
_h = _m.register_load_state_dict_post_hook(_hook); _m.first.register_load_state_dict_post_hook(lambda m, keys: seen.append(type(m).__name__))
_s = _m.state_dict(); del _s["scale"]; x = str(_m.load_state_dict(_s)); _h.remove(); y = attempt(_m.load_state_dict, _s)

# a post-hook of loading that returns something
_m = nn.Linear(2, 2); _m.register_load_state_dict_post_hook(lambda m, keys: 3); _m.load_state_dict(_m.state_dict())

# batch normalisation of before it counted
_m = nn.BatchNorm1d(2); _s = _m.state_dict(); del _s["num_batches_tracked"]
x = attempt(_m.load_state_dict, _s), str(_m.load_state_dict(dict(_s)))
_s._metadata[""]["version"] = 1; y = str(_m.load_state_dict(_s))

# a lazy module's state
_m = nn.LazyLinear(2); x = list(_m.state_dict()), attempt(nn.Linear(3, 2).load_state_dict, _m.state_dict())
_m.load_state_dict(nn.Linear(3, 2).state_dict()); y = shapes(_m.parameters())

# uninitialised parameters
_m = nn.LazyLinear(2)
x = attempt(lambda: _m.weight.shape), attempt(lambda: _m.weight + 1), attempt(_m.share_memory), repr(_m), repr(_m.weight)
y = type(_m.double().weight).__name__, _m.has_uninitialized_params(), attempt(_m.initialize_parameters), keys(_m.named_parameters())

# saving and loading through a file
import io
_m = Net(); _f = io.BytesIO(); torch.save(_m.state_dict(), _f); _f.seek(0)
_s = torch.load(_f); x = list(_s), dict(_s._metadata), str(Net().load_state_dict(_s))
"""
