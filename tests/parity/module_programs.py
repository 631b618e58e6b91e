"""The programs of test_module_surface.py. Each begins with a comment that says what it is about."""

from __future__ import annotations

PRELUDE = '''
import copy
import pickle
from collections import OrderedDict


class Net(nn.Module):
    """Layers, one of them under two names, parameters, buffers, a plain attribute."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.body = nn.Sequential(nn.Tanh(), nn.BatchNorm1d(4))
        self.again = self.first
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("steps", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.register_buffer("later", None)
        self.register_parameter("bias", None)
        self.plain = 5

    def forward(self, x):
        return self.body(self.first(x)) * self.scale


class Two(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, a, b=None, c=None):
        return a * 2, (a if b is None else b) * 3


class Keeper(nn.Linear):
    """A layer with extra state."""

    kept = None

    def get_extra_state(self):
        return {"kept": self.kept}

    def set_extra_state(self, state):
        self.kept = state["kept"]


def keys(items):
    return [name for name, _ in items]


def tables(m):
    """Where each name is kept."""
    return {
        "parameters": list(m._parameters),
        "buffers": list(m._buffers),
        "modules": list(m._modules),
        "hidden": sorted(m._non_persistent_buffers_set),
        "plain": sorted(k for k in vars(m) if not k.startswith("_")),
    }


def shapes(values):
    return [None if v is None else tuple(v.shape) if isinstance(v, torch.Tensor) else type(v).__name__ for v in values]


def param(*shape):
    return nn.Parameter(torch.ones(*shape))


def grid(*shape):
    count = 1
    for n in shape:
        count *= n
    return (torch.arange(count, dtype=torch.float32).reshape(shape) - count / 3) / count
'''

_ATTRIBUTES = """
# every kind over a plain attribute
_m = nn.Module(); _m.a = _m.b = _m.c = 1
_m.a = param(1); _m.b = nn.Tanh(); _m.c = nn.Buffer(torch.ones(1))
x = tables(_m)

# a parameter takes the place of a buffer and of a module
_m = nn.Module(); _m.register_buffer("a", torch.ones(1), persistent=False); _m.b = nn.Tanh()
_m.a = param(1); _m.b = param(2)
x = tables(_m)

# a module takes the place of a parameter
_m = nn.Module(); _m.a = param(1); _m.a = nn.Tanh()
x = tables(_m)

# a module takes the place of a buffer
_m = nn.Module(); _m.register_buffer("a", torch.ones(1)); _m.a = nn.Tanh()
x = tables(_m)

# a buffer takes the place of a module
_m = nn.Module(); _m.a = nn.Tanh(); _m.a = nn.Buffer(torch.ones(1))
x = tables(_m)

# a buffer takes the place of a parameter
_m = nn.Module(); _m.a = param(1); _m.a = nn.Buffer(torch.ones(1))
x = tables(_m)

# a parameter over a parameter keeps its place
_m = nn.Module(); _m.a = param(1); _m.b = param(2); _m.a = param(3)
x = shapes(_m.parameters()), tables(_m)

# a tensor over a parameter
_m = Net(); _m.scale = torch.ones(1)

# a number over a parameter
_m = Net(); _m.scale = 5

# a module over a parameter of another
_m = Net(); _m.scale = nn.Tanh(); x = tables(_m)

# a number over a module
_m = Net(); _m.first = 5

# a tensor over a module
_m = Net(); _m.first = torch.ones(2)

# a number over a buffer
_m = Net(); _m.steps = 5

# a list over a buffer
_m = Net(); _m.steps = [1]

# a string over a buffer that is None
_m = Net(); _m.later = "x"

# None over everything
_m = Net(); _m.scale = None; _m.first = None; _m.steps = None; _m.plain = None
x = tables(_m), keys(_m.named_parameters()), keys(_m.named_buffers()), keys(_m.named_modules())
y = _m.scale, _m.first, _m.steps, _m.plain

# a value after None
_m = Net(); _m.scale = None; _m.scale = param(2); _m.later = torch.ones(3); _m.bias = param(1)
x = tables(_m), dict(_m.named_buffers()), shapes(_m.parameters())

# a buffer by assignment of a tensor keeps its persistence
_m = Net(); _m.scratch = torch.ones(3)
x = tables(_m), list(_m.state_dict())

# a Buffer over a hidden buffer
_m = Net(); _m.scratch = nn.Buffer(torch.ones(3))
x = tables(_m), list(_m.state_dict())

# a hidden Buffer over a buffer
_m = Net(); _m.steps = nn.Buffer(torch.ones(3), persistent=False)
x = tables(_m), list(_m.state_dict())

# a new hidden Buffer
_m = nn.Module(); _m.a = nn.Buffer(torch.ones(3), persistent=False)
x = tables(_m), list(_m.state_dict()), isinstance(_m.a, nn.Buffer), isinstance(torch.ones(1), nn.Buffer)

# a plain tensor is no buffer
_m = nn.Module(); _m.a = torch.ones(3)
x = tables(_m)

# deleting each kind
_m = Net()
del _m.scale, _m.steps, _m.scratch, _m.first, _m.plain, _m.later, _m.bias
x = tables(_m)
y = [hasattr(_m, name) for name in ("scale", "steps", "scratch", "first", "plain", "again")]

# deleting what is not there
_m = Net(); del _m.absent

# reading what is not there
_m = Net(); _m.absent

# a property that raises AttributeError
class _P(nn.Module):
    @property
    def broken(self):
        return self.missing
_m = _P(); _m.broken

# before __init__: parameters
class _M(nn.Module):
    def __init__(self): self.a = param(1)
_M()

# before __init__: modules
class _M(nn.Module):
    def __init__(self): self.a = nn.Tanh()
_M()

# before __init__: buffers
class _M(nn.Module):
    def __init__(self): self.a = nn.Buffer(torch.ones(1))
_M()

# before __init__: plain attributes and tensors
class _M(nn.Module):
    def __init__(self):
        self.a = 1
        self.b = torch.ones(1)
        super().__init__()
_m = attempt(_M)
x = _m if isinstance(_m, str) else tables(_m)

# before __init__: register
class _M(nn.Module):
    def __init__(self): self.order = []
    def try_all(self):
        return [
            attempt(self.register_parameter, "a", param(1)),
            attempt(self.register_buffer, "a", torch.ones(1)),
            attempt(self.add_module, "a", nn.Tanh()),
        ]
_m = _M.__new__(_M)
x = _m.try_all()

# __init__ with arguments
x = [attempt(nn.Module, 1), attempt(nn.Module, 1, 2), attempt(nn.Module, a=1), attempt(nn.Module, 1, a=2)]

# call_super_init
class _Base:
    def __init__(self, *args, **kwargs): self.seen = args, kwargs
class _M(nn.Module, _Base):
    call_super_init = True
_m = _M(1, a=2)
x = _m.seen

# register_parameter: names
_m = Net(); _p = param(1)
x = [attempt(_m.register_parameter, n, _p) for n in ("a.b", "", 3, None, "first", "steps", "plain", "train", "scale")]
y = tables(_m)

# register_parameter: values
_m = Net(); _p = param(1)
x = [attempt(_m.register_parameter, "p", v) for v in (torch.ones(1), 3, "x", nn.Tanh(), None, _p * 2, [_p])]

# a parameter that is no leaf
_p = param(1); _q = nn.Parameter(torch.ones(1)); _m = nn.Module()
_q.data = torch.ones(2); _m.a = _q
x = _m.a

# register_buffer: names
_m = Net(); _b = torch.ones(1)
x = [attempt(_m.register_buffer, n, _b) for n in ("a.b", "", 3, None, "first", "scale", "plain", "train", "steps")]
y = tables(_m)

# register_buffer: values
_m = Net()
x = [attempt(_m.register_buffer, "b", v) for v in (3, "x", nn.Tanh(), None, param(1), [torch.ones(1)])]
y = tables(_m)

# register_buffer again, with another persistence
_m = Net(); _m.register_buffer("steps", torch.ones(1), persistent=False); _m.register_buffer("scratch", torch.ones(1))
x = tables(_m), list(_m.state_dict())

# add_module: names
_m = Net()
x = [attempt(_m.add_module, n, nn.Tanh()) for n in ("a.b", "", 3, None, "scale", "steps", "plain", "train", "first")]
y = tables(_m)

# add_module: values
_m = Net()
x = [attempt(_m.add_module, "m", v) for v in (3, "x", param(1), nn.Tanh, None, [nn.Tanh()], torch.ones(1))]
y = tables(_m)

# register_module
_m = Net()
x = [attempt(_m.register_module, "m", nn.Tanh()), attempt(_m.register_module, "m", 3), attempt(_m.register_module, "", nn.Tanh())]
y = tables(_m)

# __dir__
_m = Net(); _m.add_module("7", nn.Tanh())
x = [n in dir(_m) for n in ("first", "scale", "steps", "plain", "7", "forward", "state_dict", "absent")]
y = [n in dir(nn.Sequential(nn.Tanh())) for n in ("0", "append")], [n in dir(nn.ParameterList([param(1)])) for n in ("0", "append")]

# class attributes
x = nn.Module.dump_patches, nn.Module.call_super_init, nn.Module._version, nn.BatchNorm1d._version, Net.training if hasattr(Net, "training") else None

# setting training by hand
_m = Net(); _m.training = False
x = _m.training, _m.first.training, _m.body.training

# attributes of the class stay behind those of the instance
class _M(nn.Module):
    weight = 3
_m = _M(); x = _m.weight
y = attempt(_m.register_parameter, "weight", param(1))
_m.weight = param(1); z = tables(_m)

# two modules do not share tables
_a, _b = Net(), Net(); _a.scale = None
x = tables(_a), tables(_b), _b.scale

# hash and equality are by identity
_a, _b = nn.Tanh(), nn.Tanh()
x = _a == _b, _a == _a, len({_a, _b, _a})
"""

_WALKS = """
# named_parameters
_m = Net()
x = keys(_m.named_parameters()), keys(_m.named_parameters("p")), keys(_m.named_parameters(prefix="p", recurse=False))
y = keys(_m.named_parameters(remove_duplicate=False)), keys(_m.named_parameters("", True, False))

# named_buffers
_m = Net()
x = keys(_m.named_buffers()), keys(_m.named_buffers("p")), keys(_m.named_buffers(prefix="p", recurse=False))
y = keys(_m.named_buffers(remove_duplicate=False))

# named_modules
_m = Net()
x = keys(_m.named_modules()), keys(_m.named_modules(prefix="p")), keys(_m.named_modules(remove_duplicate=False))
_memo = {_m.first}; y = keys(_m.named_modules(_memo)), len(_memo)

# named_children and children
_m = Net(); _m.body2 = None
x = keys(_m.named_children()), [type(c).__name__ for c in _m.children()], [type(c).__name__ for c in _m.modules()]
y = [type(c).__name__ for c in _m.modules(remove_duplicate=False)]

# parameters and buffers without recursion
_m = Net()
x = shapes(_m.parameters()), shapes(_m.parameters(recurse=False)), shapes(_m.buffers()), shapes(_m.buffers(False))

# a parameter under two names
_m = nn.Module(); _m.a = param(2); _m.b = _m.a; _m.c = nn.Linear(2, 2); _m.c.weight = _m.a
x = keys(_m.named_parameters()), keys(_m.named_parameters(remove_duplicate=False)), list(_m.state_dict())

# a buffer under two names
_m = nn.Module(); _b = torch.ones(2); _m.register_buffer("a", _b); _m.register_buffer("b", _b)
x = keys(_m.named_buffers()), keys(_m.named_buffers(remove_duplicate=False)), list(_m.state_dict())

# a module in a module of its own
_m = nn.Module(); _m.a = nn.Module(); _m.a.up = _m
x = keys(_m.named_modules()), [type(m).__name__ for m in _m.modules()]

# walking while the module grows
_m = nn.Sequential(nn.Tanh(), nn.ReLU())
def _grow():
    for name, _ in _m.named_modules():
        if name == "0": _m.append(nn.ELU())
_grow()

# _named_members
_m = Net()
x = keys(_m._named_members(lambda m: m._parameters.items())), keys(_m._named_members(lambda m: m._buffers.items(), "p", False))

# the walks are iterators
_m = Net()
x = [type(w).__name__ for w in (_m.parameters(), _m.named_parameters(), _m.children(), _m.modules(), _m.named_modules(), _m.buffers())]

# apply
_m = Net(); seen = []
x = _m.apply(lambda m: seen.append(type(m).__name__)) is _m

# apply with a function that changes weights
@torch.no_grad()
def _fill(m):
    if isinstance(m, nn.Linear): m.weight.fill_(2.0)
_m = Net().apply(_fill)
x = _m.first.weight

# get_submodule
_m = Net()
x = _m.get_submodule("") is _m, _m.get_submodule("body.1") is _m.body[1]
y = [attempt(_m.get_submodule, n) for n in ("body.7", "absent", "scale", "steps.a", "plain", "first.weight", "body.", ".body")]

# set_submodule
_m = Net()
_m.set_submodule("body.0", nn.ReLU()); _m.set_submodule("extra", nn.Tanh())
x = repr(_m)
y = [attempt(_m.set_submodule, *a) for a in (("", nn.Tanh()), ("scale", nn.Tanh()), ("a.b", nn.Tanh()), ("first", 3), ("plain", nn.Tanh()), ("steps", nn.Tanh()))]
z = [attempt(_m.set_submodule, "new", nn.Tanh(), strict=True), attempt(_m.set_submodule, "body.9", nn.Tanh(), True)]

# get_parameter
_m = Net()
x = _m.get_parameter("first.weight") is _m.first.weight, _m.get_parameter("scale") is _m.scale
y = [attempt(_m.get_parameter, n) for n in ("absent", "first", "steps", "first.nothing", "no.weight", "plain", "bias", "")]

# get_buffer
_m = Net()
x = _m.get_buffer("body.1.running_mean") is _m.body[1].running_mean
y = [attempt(_m.get_buffer, n) for n in ("absent", "first", "scale", "first.weight", "no.b", "plain", "")]
z = _m.get_buffer("later")

# get_extra_state without one
_m = Net()
x = attempt(_m.get_extra_state), attempt(_m.set_extra_state, 3)
"""

_MOVES = """
# to a dtype
_m = Net(); x = _m.to(torch.float64) is _m
y = [str(t.dtype)[-7:] for t in [*_m.parameters(), *_m.buffers()]]

# to keeps parameters and gradients
_m = Net(); _w = _m.first.weight; _m(torch.ones(2, 3)).sum().backward(); _g = _w.grad
_m.double()
x = _m.first.weight is _w, _w.grad.dtype == torch.float64, _w.is_leaf, _w.requires_grad, _m.first is _m.again

# to refuses
_m = Net()
x = [attempt(_m.to, *a) for a in ((torch.int32,), (torch.bool,), ("nowhere",))]
y = [isinstance(attempt(_m.to, *a), str) for a in ((None, None, None, None, 1), (torch.float32, "cpu", 3, 4, 5))], [attempt(lambda k=k: _m.to(**k)) for k in (dict(other=_m.scale), dict(foo=1), dict(dtype="x"), dict(copy=True))]
z = [attempt(_m.to, *a) for a in (("cpu", 3), (torch.float64, "cpu"), (torch.float32, True, True, True), ("cpu", torch.float32, False, True))]

# to complex warns
_m = nn.Linear(2, 2).to(torch.complex64)
x = _m.weight.dtype == torch.complex64, _m.weight.requires_grad

# to nothing, to a device, to another tensor
_m = Net()
x = _m.to("cpu") is _m, _m.to(device="cpu", dtype=torch.float16) is _m, _m.scale.dtype == torch.float16
_m.to(torch.ones(1, dtype=torch.float64)); y = _m.scale.dtype == torch.float64, _m.steps.dtype == torch.float64
_m.to(device="cpu", non_blocking=True); _m.to("cpu", torch.float32, True); z = _m.scale.dtype == torch.float32

# to a memory format
_m = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
x = _m.weight.is_contiguous(memory_format=torch.channels_last), _m.bias.is_contiguous()

# float, double, half, bfloat16, type
_m = Net()
x = [str(getattr(_m, n)().scale.dtype)[-8:] for n in ("double", "half", "bfloat16", "float")]
y = str(_m.body[1].num_batches_tracked.dtype)[-5:], str(_m.type(torch.float64).body[1].num_batches_tracked.dtype)[-7:]

# half of an integer buffer
_m = nn.Module(); _m.register_buffer("n", torch.tensor([1, 2])); _m.half()
x = _m.n

# cpu
_m = Net(); _w = _m.scale; x = _m.cpu() is _m, _m.scale is _w

# a device that is not there
_m = Net(); _e = [attempt(_m.to, "cuda"), attempt(_m.cuda), attempt(_m.xpu)]
x = [isinstance(e, str) for e in _e]

# to_empty
_m = Net(); _w = _m.scale
x = _m.to_empty(device="cpu") is _m, shapes(_m.parameters()), shapes(_m.buffers()), _m.scale is _w
y = attempt(_m.to_empty, "cpu"), isinstance(attempt(_m.to_empty), str)

# to_empty without recursion
_m = nn.Sequential(nn.Linear(2, 2)); _w = _m[0].weight.detach().clone()
_m.to_empty(device="cpu", recurse=False); x = torch.equal(_m[0].weight, _w)

# share_memory
_m = Net(); x = _m.share_memory() is _m, _m.scale.is_shared(), _m.steps.is_shared()

# _apply
_m = Net(); x = _m._apply(lambda t: t * 2) is _m
y = _m.scale, _m.scale.is_leaf, _m.scale.requires_grad

# _apply without recursion
_m = Net(); _w = _m.first.weight.detach().clone(); _m._apply(lambda t: t * 2, recurse=False)
x = _m.scale, torch.equal(_m.first.weight, _w)

# a shared parameter is converted once
_m = nn.Module(); _m.a = nn.Linear(2, 2); _m.b = nn.Linear(2, 2); _m.b.weight = _m.a.weight
_m.double(); x = _m.a.weight is _m.b.weight, _m.a.weight.dtype == torch.float64

# conversion with a hook on a parameter
_m = nn.Linear(2, 2); _m.weight.register_hook(lambda g: g * 10); _m.float()
_m(torch.ones(1, 2)).sum().backward(); x = _m.weight.grad

# overwriting parameters on conversion
_b = torch.__future__.get_overwrite_module_params_on_conversion()
torch.__future__.set_overwrite_module_params_on_conversion(True)
try:
    _m = nn.Linear(2, 2); _w = _m.weight; _m(torch.ones(1, 2)).sum().backward(); _m.double()
    x = _b, _m.weight is _w, _w.dtype == torch.float32, _m.weight.dtype == torch.float64, _m.weight.grad
    y = torch.__future__.get_overwrite_module_params_on_conversion(), isinstance(_m.weight, nn.Parameter)
finally:
    torch.__future__.set_overwrite_module_params_on_conversion(False)

# swapping parameters on conversion
_b = torch.__future__.get_swap_module_params_on_conversion()
torch.__future__.set_swap_module_params_on_conversion(True)
try:
    _m = nn.Linear(2, 2); _w = _m.weight; _m.double()
    x = _b, _m.weight is _w, _w.dtype == torch.float64, torch.__future__.get_swap_module_params_on_conversion()
    _m.load_state_dict({"weight": torch.ones(2, 2), "bias": torch.zeros(2)})
    y = _m.weight is _w, _m.weight, _m.bias
finally:
    torch.__future__.set_swap_module_params_on_conversion(False)

# requires_grad_
_m = Net(); x = _m.requires_grad_(False) is _m, [p.requires_grad for p in _m.parameters()]
y = [p.requires_grad for p in _m.requires_grad_().parameters()]

# zero_grad
_m = Net(); _m(torch.ones(2, 3)).sum().backward(); _g = _m.first.bias.grad
x = _m.zero_grad(), _m.first.bias.grad, _g is not None

# zero_grad to zeros
_m = Net(); _m(torch.ones(2, 3)).sum().backward(); _g = _m.first.bias.grad
_m.zero_grad(set_to_none=False)
x = _m.first.bias.grad is _g, _g, _m.first.weight.grad

# zero_grad of a gradient with a graph
_m = nn.PReLU(2); _y = _m(-torch.ones(1, 2)).pow(2).sum()
_gs = torch.autograd.grad(_y, _m.parameters(), create_graph=True)
for _p, _g in zip(_m.parameters(), _gs): _p.grad = _g
x = (attempt(_m.zero_grad, False) or "")[:60]

# train and eval
_m = Net()
x = _m.eval() is _m, [m.training for m in _m.modules()], _m.train() is _m, [m.training for m in _m.modules()]
y = [attempt(_m.train, v) if isinstance(attempt(_m.train, v), str) else "fine" for v in ("yes", 1, None, False, True)]

# train of a part
_m = Net(); _m.body.eval(); x = [m.training for m in _m.modules()]

# train is called on children
class _M(nn.Module):
    def train(self, mode=True):
        calls.append(mode); return super().train(mode)
calls = []
_m = nn.Sequential(_M(), _M()); _m.eval(); _m.train()

# compile
_m = nn.Linear(2, 2)
x = _m._compiled_call_impl, callable(_m._call_impl), callable(_m._wrapped_call_impl), callable(_m._slow_forward)

# _call_impl and _slow_forward
_m = nn.Linear(2, 2); _x = torch.ones(1, 2); _m.register_forward_hook(lambda m, a, o: o * 2)
x = _m._call_impl(_x), _m._wrapped_call_impl(_x), _m(_x), _m.forward(_x), _m._slow_forward(_x)

# Module.__call__ replaced
_old = nn.Module.__call__; calls = []
def _new(self, *args, **kwargs):
    calls.append(type(self).__name__); return _old(self, *args, **kwargs)
nn.Module.__call__ = _new
try:
    x = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh()))(torch.ones(1, 2))
finally:
    nn.Module.__call__ = _old
y = nn.Sequential(nn.Linear(2, 2), nn.Tanh())(torch.ones(1, 2))

# forward replaced on an instance
_m = nn.Sequential(nn.Linear(2, 2), nn.Tanh()); _m[0].forward = lambda x: x * 3
x = _m(torch.ones(1, 2))

# forward replaced on the class
class _M(nn.Module):
    def forward(self, x): return x
_M.forward = lambda self, x: x * 5
x = _M()(2), nn.Sequential(_M(), _M())(2)

# no forward
x = attempt(nn.Module(), 1), attempt(nn.ModuleList([nn.Tanh()]), 1), attempt(nn.ModuleDict({"a": nn.Tanh()}), 1)
y = attempt(nn.ParameterList([param(1)]), 1), attempt(nn.ParameterDict({"a": param(1)}), 1)

# forward with wrong arguments
_m = Net()
x = attempt(_m), attempt(_m, 1, 2), attempt(_m, y=1)
"""

_STATES = """
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

_HOOKS = """
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
_x = grid(4, 3).requires_grad_(); _m(_x).pow(2).sum().backward(); g = _x.grad, _m.first.weight.grad, _m.scale.grad

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

_GLOBAL_HOOKS = """
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
_hs = [getattr(_mm, f"register_module_{k}_registration_hook")(lambda m, n, v, k=k: seen.append((k, type(m).__name__, n, *shapes([v])))) for k in ("buffer", "module", "parameter")]
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

_REPRS = """
# repr of a network
x = repr(Net()), str(Net())

# repr of containers
x = repr(nn.Sequential()), repr(nn.ModuleList()), repr(nn.ModuleDict()), repr(nn.ParameterList()), repr(nn.ParameterDict()), repr(nn.Module())
y = repr(nn.Sequential(nn.Sequential(nn.Tanh()), nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.ReLU(), nn.Tanh()])))

# repr of a list of blocks
x = repr(nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(3)])), repr(nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.Linear(2, 2)]))

# repr of a ModuleDict
x = repr(nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ModuleDict({"c": nn.Tanh()})}))

# repr of parameter containers
x = repr(nn.ParameterList([param(2), torch.ones(1, 2), 3, "x", None])), repr(nn.ParameterDict({"a": param(2), "b": torch.ones(2, 3).double(), "c": 3, "d": None}))

# extra_repr
class _One(nn.Module):
    def extra_repr(self): return "one line"
class _Two(nn.Module):
    def extra_repr(self): return "one\\ntwo"
_a, _b = _One(), _Two(); x = repr(_a), repr(_b); _a.m = nn.Tanh(); _b.m = nn.Tanh(); y = repr(_a), repr(_b)

# _get_name
class _M(nn.Module):
    def _get_name(self): return "Other"
x = repr(_M()), nn.Linear(1, 1)._get_name()

# a child that is None
_m = nn.Module(); _m.a = nn.Tanh(); _m.a = None; x = repr(_m)
"""

_COPIES = """
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

_CONTAINERS = """
# Sequential: making
x = repr(nn.Sequential(nn.Tanh(), nn.ReLU())), repr(nn.Sequential(OrderedDict(a=nn.Tanh(), b=nn.ReLU())))
y = [attempt(nn.Sequential, v) for v in (3, [nn.Tanh()], nn.Tanh, "x", {"a": nn.Tanh()}, OrderedDict({"a.b": nn.Tanh()}))]
z = attempt(nn.Sequential, OrderedDict(a=nn.Tanh()), nn.Tanh()), keys(nn.Sequential(nn.Tanh(), None).named_children()), attempt(nn.Sequential, a=nn.Tanh())

# Sequential: indices
_m = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.ELU())
x = repr(_m[0]), repr(_m[-1]), repr(_m[1:]), repr(_m[::-1]), repr(_m[:0]), len(_m)
y = [attempt(lambda i=i: repr(_m[i])) for i in (3, -4, "a", 1.0, None, True)]

# Sequential: assignment
_m = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.ELU()); _m[1] = nn.GELU(); _m[-1] = nn.SiLU(); x = repr(_m)
y = [attempt(_m.__setitem__, i, nn.Tanh()) for i in (3, -4, "a")], attempt(_m.__setitem__, 0, 3)
_m[0] = None; z = repr(_m)

# Sequential: deletion
_m = nn.Sequential(*[nn.Linear(i + 1, 1) for i in range(6)]); del _m[0]; x = repr(_m); del _m[-1]; y = repr(_m); del _m[1:3]; z = repr(_m)
w = [attempt(_m.__delitem__, i) for i in (5, -9, "a")]

# Sequential: deletion with names
_m = nn.Sequential(OrderedDict(a=nn.Tanh(), b=nn.ReLU(), c=nn.ELU())); del _m[1]; x = repr(_m), keys(_m.named_children())
_n = nn.Sequential(OrderedDict(a=nn.Tanh(), b=nn.ReLU(), c=nn.ELU())); del _n.b; y = repr(_n); _n.append(nn.GELU()); z = keys(_n.named_children())

# Sequential: pop
_m = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.ELU()); x = repr(_m.pop(0)), repr(_m), repr(_m.pop(-1)), repr(_m), attempt(_m.pop, 4), attempt(lambda: repr(_m.pop(slice(0, 1)))), repr(_m)

# Sequential: append, extend, insert
_m = nn.Sequential(nn.Tanh()); x = _m.append(nn.ReLU()) is _m, _m.extend([nn.ELU(), nn.GELU()]) is _m, repr(_m.insert(1, nn.SiLU())), repr(_m.insert(-1, nn.Mish())), repr(_m.insert(6, nn.CELU()))
y = [attempt(_m.append, v) for v in (3, None)] if False else attempt(_m.append, 3), attempt(_m.extend, 3), attempt(_m.extend, [3]), plain(attempt(_m.insert, 0, 3)), attempt(_m.insert, 99, nn.Tanh()), attempt(_m.insert, -99, nn.Tanh())

# Sequential: insert at -1 of the empty one
_m = nn.Sequential(); x = attempt(_m.insert, -1, nn.Tanh()), attempt(lambda: repr(_m.insert(0, nn.Tanh())))

# Sequential: extend by itself
_m = nn.Sequential(nn.Tanh(), nn.ReLU()); _m.extend(nn.Sequential(*_m)); x = repr(_m)

# Sequential: + and +=
_a, _b = nn.Sequential(nn.Tanh(), nn.ReLU()), nn.Sequential(nn.ELU()); _c = _a + _b; x = repr(_c), repr(_a), type(_c).__name__, _c[0] is _a[0]
_d = _a; _d += _b; y = _d is _a, repr(_a), attempt(lambda: _a + [nn.Tanh()]), attempt(lambda: _a.__iadd__([nn.Tanh()])), attempt(lambda: _a + nn.Tanh())

# Sequential: * and *=
_a = nn.Sequential(nn.Tanh(), nn.ReLU()); x = repr(_a * 2), repr(2 * _a), (_a * 2)[0] is _a[0]
_b = _a; _b *= 3; y = _b is _a, len(_a), [attempt(lambda v=v: _a * v) for v in (0, -1, 1.5, "x")], [attempt(lambda v=v: v * _a) for v in (0, 1.5)], [attempt(_a.__imul__, v) for v in (0, 1.5)], len(_a * True)

# Sequential: iteration
_m = nn.Sequential(nn.Tanh(), nn.ReLU()); x = [type(m).__name__ for m in _m], nn.Tanh() in _m, _m[0] in _m, bool(nn.Sequential()), [type(m).__name__ for m in reversed(_m)]

# Sequential: calls
x = nn.Sequential()(3), attempt(nn.Sequential(nn.Tanh()), 1, 2), attempt(nn.Sequential(nn.Tanh())), attempt(nn.Sequential(nn.Tanh()), input=torch.ones(1)), attempt(nn.Sequential(nn.Identity(), Two(), nn.Tanh()), torch.ones(1))
_m = nn.Sequential(nn.Tanh()); _m[0] = None; y = attempt(_m, torch.ones(1))

# Sequential: a subclass
class _S(nn.Sequential):
    def forward(self, x): return super().forward(x) * 2
_m = _S(nn.Identity(), nn.Identity()); x = _m(1), type(_m[:1]).__name__, type(_m + _m).__name__, type(_m * 2).__name__, repr(_m)

# Sequential: what else it can hold
_m = nn.Sequential(nn.Tanh()); _m.name = "x"; _m.w = param(1); _m.extra = nn.ReLU(); x = len(_m), repr(_m), keys(_m.named_parameters()), type(_m[1]).__name__

# ModuleList: making
x = repr(nn.ModuleList()), repr(nn.ModuleList([nn.Tanh(), nn.ReLU()])), repr(nn.ModuleList(nn.Tanh() for _ in range(2))), repr(nn.ModuleList(nn.Sequential(nn.Tanh())))
y = [attempt(nn.ModuleList, v) for v in (3, [3], nn.Tanh(), "ab", [nn.Tanh])], keys(nn.ModuleList([nn.Tanh(), None]).named_children())

# ModuleList: indices
_m = nn.ModuleList([nn.Tanh(), nn.ReLU(), nn.ELU()])
x = repr(_m[0]), repr(_m[-1]), repr(_m[1:]), type(_m[1:]).__name__, repr(_m[::2]), len(_m)
y = [attempt(lambda i=i: repr(_m[i])) for i in (3, -4, "a", 1.0, None, True)]

# ModuleList: assignment and deletion
_m = nn.ModuleList([nn.Linear(i + 1, 1) for i in range(6)]); _m[1] = nn.GELU(); _m[-1] = nn.SiLU(); x = repr(_m)
del _m[0]; y = repr(_m); del _m[1:3]; z = repr(_m); del _m[-1]; w = repr(_m), keys(_m.named_children())
v = [attempt(_m.__setitem__, i, nn.Tanh()) for i in (9, "a")], [attempt(_m.__delitem__, i) for i in (9, -9)], attempt(_m.__setitem__, 0, 3)

# ModuleList: append, extend, insert, pop
_m = nn.ModuleList([nn.Tanh()]); x = _m.append(nn.ReLU()) is _m, _m.extend([nn.ELU()]) is _m, _m.insert(1, nn.GELU()), repr(_m), repr(_m.pop(1)), repr(_m), repr(_m.pop(-1))
y = [attempt(f, v) for f, v in ((_m.append, 3), (_m.extend, 3), (_m.extend, [3]), (_m.extend, nn.Tanh()), (_m.pop, 9))], attempt(_m.insert, 0, 3)

# ModuleList: insert outside
_m = nn.ModuleList([nn.Tanh(), nn.ReLU()]); x = attempt(_m.insert, -1, nn.ELU()), keys(_m.named_children()), attempt(_m.insert, 9, nn.GELU()), keys(_m.named_children())

# ModuleList: + and +=
_a = nn.ModuleList([nn.Tanh()]); x = repr(_a + [nn.ReLU()]), repr(_a + nn.ModuleList([nn.ELU()])), repr(_a), attempt(lambda: _a + 3), attempt(lambda: [nn.Tanh()] + _a)
_b = _a; _b += [nn.ReLU()]; y = _b is _a, repr(_a), attempt(_a.__iadd__, 3)

# ModuleList: iteration
_m = nn.ModuleList([nn.Tanh(), nn.ReLU()]); x = [type(m).__name__ for m in _m], _m[0] in _m, nn.Tanh() in _m, [type(m).__name__ for m in reversed(_m)], bool(nn.ModuleList())

# ModuleDict: making
x = repr(nn.ModuleDict({"a": nn.Tanh()})), repr(nn.ModuleDict([("b", nn.Tanh()), ["a", nn.ReLU()]])), repr(nn.ModuleDict(nn.ModuleDict({"z": nn.Tanh(), "a": nn.ReLU()})))
y = [attempt(nn.ModuleDict, v) for v in (3, {"a": 3}, [3], [("a",)], ["ab"], [("a", nn.Tanh(), 1)], {3: nn.Tanh()}, {"a.b": nn.Tanh()}, {"keys": nn.Tanh()}, {"": nn.Tanh()})]

# ModuleDict: use
_m = nn.ModuleDict({"b": nn.Tanh(), "a": nn.ReLU()}); _m["c"] = nn.ELU(); _m["b"] = nn.GELU()
x = list(_m), list(_m.keys()), keys(_m.items()), [repr(v) for v in _m.values()], len(_m), "a" in _m, "z" in _m, repr(_m["a"]), repr(_m.pop("a")), repr(_m)
y = attempt(lambda: _m["z"]), attempt(_m.pop, "z"), attempt(_m.__delitem__, "z"), attempt(_m.__setitem__, "d", 3), attempt(_m.pop, "z", None)
del _m["b"]; z = list(_m); _m.clear(); w = len(_m), repr(_m), bool(_m)

# ModuleDict: update
_m = nn.ModuleDict({"a": nn.Tanh()}); _m.update({"z": nn.ReLU(), "b": nn.ELU()}); x = list(_m); _m.update([("q", nn.Tanh())]); _m.update(nn.ModuleDict({"r": nn.Tanh()})); y = list(_m)
z = [attempt(_m.update, v) for v in (3, None, [3], [("a",)], [(1, 2, 3)])]

# ModuleDict: values that are None
_m = nn.ModuleDict({"a": None}); x = list(_m), _m["a"], repr(_m), keys(_m.named_children())

# ParameterList: making
_l = nn.ParameterList([param(2), torch.ones(3), 3, "x", None]); x = [type(v).__name__ for v in _l], keys(_l.named_parameters()), len(_l), list(_l.state_dict())
y = [attempt(nn.ParameterList, v) for v in (3, torch.ones(2, 2), "ab")] [:2], repr(nn.ParameterList(nn.ParameterList([param(1)])))

# ParameterList: indices and slices
_l = nn.ParameterList([param(i + 1) for i in range(4)]); x = shapes([_l[0], _l[-1]]), shapes(_l[1:3]), type(_l[1:]).__name__, shapes(_l[::-1])
y = [attempt(lambda i=i: _l[i]) for i in (4, -5, "a", 1.0)]
_l[1] = torch.zeros(7); _l[-1] = 5; z = shapes(_l), type(_l[1]).__name__, attempt(_l.__setitem__, 9, param(1)), keys(_l.named_parameters())

# ParameterList: append, extend, +=
_l = nn.ParameterList(); x = _l.append(param(1)) is _l, _l.extend([torch.ones(2), 3]) is _l, len(_l); _l += [param(4)]; y = shapes(_l), [attempt(f, v) for f, v in ((_l.extend, 3), (_l.extend, torch.ones(2)), (_l.__iadd__, 3))]

# ParameterList: a buffer and a module
_l = nn.ParameterList([nn.Buffer(torch.ones(2)), nn.Tanh()]); x = tables(_l), [type(v).__name__ for v in _l]

# ParameterList: deletion
_l = nn.ParameterList([param(1), param(2)]); x = attempt(lambda: _l.__delitem__(0)), attempt(lambda: _l.pop(0)), len(_l)

# ParameterList: state
_l = nn.ParameterList([param(1), param(2)]); _n = nn.ParameterList([param(1), param(2)]); _n.load_state_dict({"0": torch.zeros(1), "1": torch.zeros(2)}); x = list(_n), attempt(_n.load_state_dict, {"0": torch.zeros(1)}), [p for p in copy.deepcopy(_n)]

# ParameterDict: making
_d = nn.ParameterDict({"b": param(2), "a": torch.ones(3), "c": 3}); x = list(_d), keys(_d.named_parameters()), [type(v).__name__ for v in _d.values()]
y = list(nn.ParameterDict(OrderedDict(b=param(1), a=param(2)))), list(nn.ParameterDict([("z", param(1)), ("y", param(1))])), list(nn.ParameterDict(_d))
z = [attempt(nn.ParameterDict, v) for v in (3, [3], [("a",)], [("a", 1, 2)], {3: param(1)}, {"a.b": param(1)}, {"": param(1)}, {"keys": param(1)})][:5]

# ParameterDict: use
_d = nn.ParameterDict({"a": param(2), "b": torch.ones(3)}); _d["c"] = torch.zeros(1); _d["a"] = torch.zeros(5)
x = list(_d), list(_d.keys()), keys(_d.items()), shapes(_d.values()), len(_d), "a" in _d, "z" in _d, type(_d["c"]).__name__, list(reversed(_d))
y = attempt(lambda: _d["z"]), attempt(_d.pop, "z"), attempt(_d.__delitem__, "z"), attempt(lambda: _d[3]), attempt(_d.__contains__, 3), attempt(nn.ParameterDict().__setitem__, 3, 4)
z = shapes([_d.pop("a")]), list(_d), _d.popitem()[0], list(_d), _d.get("b") is _d["b"], _d.get("z"), _d.get("z", 5), _d.setdefault("n", 7), _d.setdefault("b", 7) is _d["b"]
_d.clear(); w = len(_d), attempt(_d.popitem)

# ParameterDict: copies and unions
_a, _b = nn.ParameterDict({"a": param(1), "b": param(2)}), nn.ParameterDict({"b": param(3), "c": param(4)}); _c = _a | _b
x = list(_c), shapes(_c.values()), type(_c).__name__, list(_a), list(_a.copy()), _a.copy()["a"] is _a["a"], list(_b | _a), list({"q": param(1)} | _a) if hasattr(_a, "__ror__") else None
_e = _a; _e |= _b; y = _e is _a, list(_a), shapes(_a.values()); z = attempt(lambda: list(nn.ParameterDict({"a": 1}).fromkeys(["p"]).values()))

# ParameterDict: update
_d = nn.ParameterDict({"b": param(1)}); _d.update({"z": param(1), "c": param(1)}); x = list(_d); _d.update([("y", 3), ("x", 4)]); _d.update(nn.ParameterDict({"m": 1, "l": 2})); _d.update(OrderedDict(k=1, j=2)); y = list(_d), [attempt(_d.update, v) for v in (3, [3], [("a",)])]

# the old Container
x = repr(nn.Container(a=nn.Tanh(), b=nn.ReLU()))
"""

_INITIALISERS = """
# wrong types
x = [attempt(getattr(nn.init, n), 3) for n in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "xavier_uniform_", "xavier_normal_", "kaiming_normal_", "kaiming_uniform_", "orthogonal_")]
y = attempt(nn.init.constant_, "x", 1.0), attempt(nn.init.dirac_, [1]), attempt(nn.init.sparse_, 3, 0.5), attempt(nn.init.uniform_, None)

# uninitialised parameters
_p = lambda: nn.UninitializedParameter()
x = [attempt(getattr(nn.init, n), _p()) for n in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "xavier_uniform_", "kaiming_normal_", "kaiming_uniform_", "orthogonal_", "trunc_normal_")]
y = attempt(nn.init.constant_, _p(), 1.0), attempt(nn.init.dirac_, _p()), attempt(nn.init.sparse_, _p(), 0.5)

# wrong sizes and settings
_t = torch.ones(3)
x = [attempt(getattr(nn.init, n), _t) for n in ("eye_", "dirac_", "xavier_uniform_", "kaiming_normal_", "orthogonal_")], attempt(nn.init.sparse_, _t, 0.5)
y = attempt(nn.init.kaiming_normal_, torch.ones(2, 2), mode="x"), attempt(nn.init.kaiming_normal_, torch.ones(2, 2), nonlinearity="x"), attempt(nn.init.calculate_gain, "leaky_relu", "x"), attempt(nn.init.dirac_, torch.ones(3, 2, 2), 2), attempt(nn.init.kaiming_normal_, torch.ones(2, 2), mode=3)

# integers
_t = torch.ones(3, 3, dtype=torch.int64)
x = [attempt(getattr(nn.init, n), _t.clone()) if n in ("ones_", "zeros_", "eye_") else isinstance(attempt(getattr(nn.init, n), _t.clone()), str) for n in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "kaiming_uniform_")]
"""

PROGRAMS = [
    program.strip("\n")
    for table in (
        _ATTRIBUTES,
        _WALKS,
        _MOVES,
        _STATES,
        _HOOKS,
        _GLOBAL_HOOKS,
        _REPRS,
        _COPIES,
        _CONTAINERS,
        _INITIALISERS,
    )
    for program in table.strip("\n").split("\n\n")
]
