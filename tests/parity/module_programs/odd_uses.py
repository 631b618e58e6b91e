"""Programs about uses that few programs make, and lazy modules."""

from __future__ import annotations

PROGRAMS = """
# keyword for a missing forward
x = attempt(nn.Module(), a=1), attempt(nn.Module().forward), attempt(nn.Module().forward, 1, 2)

# type by name
_m = nn.Linear(2, 2); _m.type("torch.DoubleTensor" if torch.__name__ == "torch" else "torch.DoubleTensor"); x = str(_m.weight.dtype)[-7:]; y = attempt(_m.type, "nonsense"), attempt(_m.type)

# type by class
_m = nn.Linear(2, 2); _m.type(torch.DoubleTensor); x = str(_m.weight.dtype)[-7:]

# float keeps integers
_m = nn.Module(); _m.register_buffer("i", torch.tensor([1])); _m.register_buffer("c", torch.ones(1, dtype=torch.complex64)); _m.double(); x = _m.i, _m.c

# lazy module life
_m = nn.LazyLinear(2); x = repr(_m), type(_m).__name__, len(_m._forward_pre_hooks), [type(p).__name__ for p in _m.parameters()]; _m(torch.ones(1, 3)); y = repr(_m), type(_m).__name__, len(_m._forward_pre_hooks), tables(_m)

# lazy module: deepcopy, to, half, cpu
_m = nn.LazyLinear(2); _n = copy.deepcopy(_m).double(); x = type(_n.weight).__name__, _n.weight.dtype == torch.float64; _n(torch.ones(1, 3, dtype=torch.float64)); y = _n.weight.shape == (2, 3)

# lazy: zero_grad, train, requires_grad_
_m = nn.LazyLinear(2); x = attempt(_m.zero_grad), attempt(lambda: _m.requires_grad_(False).weight.requires_grad), _m.eval().training, attempt(lambda: sum(p.numel() for p in _m.parameters()))

# lazy: apply init
_m = nn.LazyLinear(2); x = attempt(lambda: nn.init.zeros_(_m.weight)), attempt(lambda: nn.init.xavier_uniform_(_m.weight))

# lazy: in a Sequential
_m = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2)); _m(torch.ones(1, 3)); x = repr(_m), shapes(_m.parameters())

# lazy: load before and after
_a, _b = nn.LazyLinear(2), nn.LazyLinear(2); _a(torch.ones(1, 3)); x = str(_b.load_state_dict(_a.state_dict())), shapes(_b.parameters()), type(_b).__name__; _b(torch.ones(1, 3)); y = type(_b).__name__

# lazy: pickle
_m = pickle.loads(pickle.dumps(nn.LazyLinear(2))); x = type(_m.weight).__name__, repr(_m); _m(torch.ones(1, 3)); y = repr(_m)

# custom __getattr__
class _M(nn.Module):
    def __getattr__(self, name):
        if name == "magic": return 42
        return super().__getattr__(name)
_m = _M(); _m.a = param(1); x = _m.magic, _m.a, attempt(lambda: _m.nope)

# custom __setattr__
class _M(nn.Module):
    def __setattr__(self, name, value):
        seen.append(name); super().__setattr__(name, value)
seen = []; _m = _M(); _m.a = param(1); _m.b = 3; _m.eval()

# property with setter
class _M(nn.Module):
    @property
    def v(self): return self._v
    @v.setter
    def v(self, value): self._v = value * 2
_m = _M(); _m.v = 3; x = _m.v; _m.v = torch.ones(1); y = _m.v; z = attempt(setattr, _m, "v", param(1)); w = tables(_m)

# slots
class _M(nn.Module):
    __slots__ = ("s",)
_m = _M(); _m.s = 3; x = _m.s

# dataclass
import dataclasses as _dc
@_dc.dataclass(eq=False)
class _M(nn.Module):
    n: int = 3
    def __post_init__(self): super().__init__(); self.l = nn.Linear(self.n, 1)
_m = attempt(_M); x = _m if isinstance(_m, str) else tables(_m)

# generic and abstract
import abc as _abc, typing as _t
class _M(nn.Module, _abc.ABC):
    @_abc.abstractmethod
    def forward(self, x): ...
class _N(_M, _t.Generic[_t.TypeVar("T")]):
    def forward(self, x): return x
x = _N()(3); y = isinstance(attempt(_M), str)

# multiple inheritance
class _Mix:
    def __init__(self, *a, **k): super().__init__(*a, **k); self.mixed = 1
class _M(_Mix, nn.Linear): pass
_m = _M(2, 3); x = _m.mixed, repr(_m)

# list of modules is not registered
class _M(nn.Module):
    def __init__(self): super().__init__(); self.ls = [nn.Linear(1, 1)]; self.t = (nn.Tanh(),)
_m = _M(); x = len(list(_m.parameters())), repr(_m)

# children order after replacement
_m = nn.Module(); _m.a = nn.Tanh(); _m.b = nn.ReLU(); _m.a = nn.ELU(); x = keys(_m.named_children()); del _m.a; _m.a = nn.Tanh(); y = keys(_m.named_children())

# setting parameter data and grad
_m = nn.Linear(2, 2); _m.weight.data = torch.ones(3, 3); _m.weight.grad = torch.ones(3, 3); x = _m.weight, _m.weight.grad; y = attempt(setattr, _m.weight, "grad", torch.ones(2)), attempt(setattr, _m.weight, "grad", 3)

# parameters are leaves after to and load
_m = nn.Linear(2, 2).double(); _m.load_state_dict(_m.state_dict()); x = [p.is_leaf for p in _m.parameters()], _m.weight._version >= 0

# state_dict inside no_grad, and with grads
_m = nn.Linear(2, 2); _m(torch.ones(1, 2)).sum().backward(); x = [v.requires_grad for v in _m.state_dict().values()], [v.grad is None for v in _m.state_dict().values()], [v.grad is None for v in _m.state_dict(keep_vars=True).values()]

# deep prefixes in errors
_m = nn.Sequential(OrderedDict(a=nn.Sequential(nn.Linear(2, 2)), b=nn.ModuleList([nn.Linear(1, 1)]))); x = attempt(_m.load_state_dict, {"a.0.weight": torch.ones(3, 2), "a.1.weight": 1, "b.0.weight": torch.ones(1, 1), "c": 3})

# load: many wrong sizes
_m = nn.Linear(2, 3); x = attempt(_m.load_state_dict, {"weight": torch.ones(2, 3), "bias": torch.ones(())})

# load: parameter expanded
_m = nn.Module(); _m.register_buffer("b", torch.ones(1).expand(3)); x = attempt(_m.load_state_dict, {"b": torch.arange(3.0)})

# load: inference of strict keys with prefix-like names
_m = nn.Module(); _m.a = nn.Linear(1, 1); _m.ab = param(1); x = attempt(_m.load_state_dict, {"a.weight": torch.ones(1, 1), "a.bias": torch.ones(1), "ab": torch.ones(1), "a": 3, "abc": 1, "a.weight.x": 2, "_extra_state": 3, "a._extra_state": 4})

# load_state_dict keyword and position
_m = nn.Linear(1, 1); x = str(_m.load_state_dict(state_dict={"weight": torch.ones(1, 1)}, strict=False)), str(_m.load_state_dict({"weight": torch.ones(1, 1)}, False, True)), attempt(_m.load_state_dict)

# incompatible keys object
_r = nn.Linear(1, 1).load_state_dict({}, strict=False); x = tuple(_r), _r[0], _r._fields, repr(_r), len(_r)

# hooks registered while running
_m = nn.Identity(); seen = []
def _hook(m, a, o):
    seen.append("first")
    if len(seen) < 3: m.register_forward_hook(_hook)
_m.register_forward_hook(_hook); x = attempt(_m, 1)

# hook that removes itself
_m = nn.Identity(); seen = []
def _hook(m, a, o): seen.append(o); _h.remove()
_h = _m.register_forward_hook(_hook); x = attempt(_m, 1), attempt(_m, 2)

# pre-hook that removes itself
_m = nn.Identity(); seen = []
def _hook(m, a): seen.append(a); _h.remove()
_h = _m.register_forward_pre_hook(_hook); x = attempt(_m, 1), attempt(_m, 2)

# hook arguments by keyword only
_m = nn.Identity(); x = attempt(_m.register_forward_hook, lambda *a: None, True), attempt(_m.register_forward_pre_hook, lambda *a: None, True), attempt(_m.register_backward_hook, None, True)

# a hook that is not callable
_m = nn.Identity(); _m.register_forward_hook(3); x = attempt(_m, 1)

# handle as pickled
_m = nn.Identity(); _h = _m.register_forward_hook(print); _k = pickle.loads(pickle.dumps(_h)); x = _k.id == _h.id; _k.remove(); y = len(_m._forward_hooks)

# RemovableHandle by hand
_d = OrderedDict(); _h = torch.utils.hooks.RemovableHandle(_d); _d[_h.id] = 3; _h.remove(); x = dict(_d); _h2 = torch.utils.hooks.RemovableHandle(_d, extra_dict=[_d]); y = _h2.id - _h.id

# unserializable_hook and warn_if_has_hooks
@torch.utils.hooks.unserializable_hook
def _f(g): return g
x = _f.__torch_unserializable__; _t = grid(2).requires_grad_(); torch.utils.hooks.warn_if_has_hooks(_t); _t.register_hook(_f); torch.utils.hooks.warn_if_has_hooks(_t)

# forward hook on a module with a generator output
class _M(nn.Module):
    def forward(self, n): yield from range(n)
_m = _M(); _m.register_forward_hook(lambda m, a, o: list(o)); x = _m(3)

# parametrized modules
_m = nn.Linear(2, 2); nn.utils.parametrize.register_parametrization(_m, "weight", nn.Identity()); x = keys(_m.named_parameters()), list(_m.state_dict()), repr(_m)

# Parameter in ParameterList and shared
_p = param(1); _l = nn.ParameterList([_p, _p]); x = keys(_l.named_parameters()), list(_l.state_dict()), len(_l)

# ModuleList slicing assignment
_m = nn.ModuleList([nn.Tanh(), nn.ReLU()]); x = attempt(_m.__setitem__, slice(0, 1), [nn.ELU()]), repr(_m)

# Sequential slice assignment and named
_m = nn.Sequential(nn.Tanh(), nn.ReLU()); x = attempt(_m.__setitem__, slice(0, 1), nn.ELU()), repr(_m)

# ModuleDict reversed and equality
_m = nn.ModuleDict({"a": nn.Tanh(), "b": nn.ReLU()}); x = attempt(lambda: list(reversed(_m))), attempt(lambda: list(_m | {})), _m == nn.ModuleDict(), attempt(lambda: _m.get("a")), attempt(lambda: list(reversed(_m.keys())))

# ModuleDict: attribute access and dotted
_m = nn.ModuleDict({"a": nn.Tanh()}); x = repr(_m.a), attempt(lambda: _m.b); _m.c = nn.ReLU(); y = list(_m)

# ParameterDict: attributes
_d = nn.ParameterDict({"a": param(1)}); x = _d.a is _d["a"], tables(_d); _d.b = param(2); y = list(_d), keys(_d.named_parameters()); del _d["a"]; z = list(_d), tables(_d)

# ParameterDict: state and copy
_d = nn.ParameterDict({"a": param(1), "n": 3}); _c = copy.deepcopy(_d); x = list(_c), _c["a"] is _d["a"], list(_d.state_dict()), pickle.loads(pickle.dumps(_d))["n"]

# ParameterList: repr of odd things
x = repr(nn.ParameterList([torch.ones(2, 3).half(), torch.tensor(1.0), nn.Parameter(torch.ones(0, 2), requires_grad=False), (1, 2)]))

# ParameterDict: repr of odd things
x = repr(nn.ParameterDict({"a": torch.ones(2, 3).half(), "b": torch.tensor(1.0), "c": (1, 2), "d": nn.Parameter(torch.tensor([1]), requires_grad=False)}))

# repr of shared and nested empties
_m = nn.Sequential(); _m.add_module("x", nn.Sequential()); _m.add_module("y", nn.ModuleList()); x = repr(_m)

# repr with newlines in extra and children
class _M(nn.Module):
    def __init__(self): super().__init__(); self.c = nn.Linear(1, 1)
    def extra_repr(self): return "a=1,\\nb=2"
x = repr(_M()), repr(nn.Sequential(_M(), _M())), repr(nn.ModuleList([_M(), _M()]))

# Parameter: construction and operations
_p = param(2); x = type(_p + 1).__name__, type(_p.data).__name__, type(_p.detach()).__name__, type(_p[0]).__name__, type(copy.deepcopy(_p)).__name__, type(copy.copy(_p)).__name__, isinstance(_p, torch.Tensor), attempt(nn.Parameter, [1.0]), attempt(nn.Parameter, "x"), repr(nn.Parameter())

# Parameter: attributes survive copies
_p = param(2); _p.tag = "x"; _q = copy.deepcopy(_p); x = getattr(_q, "tag", None), getattr(pickle.loads(pickle.dumps(_p)), "tag", None)

# Buffer
_b = nn.Buffer(torch.ones(2)); x = _b.persistent, isinstance(_b, torch.Tensor), isinstance(_b, nn.Parameter), _b.requires_grad, attempt(nn.Buffer, 3), nn.Buffer(torch.ones(1), persistent=False).persistent, repr(nn.Buffer())

# zero_grad on shared and None
_m = nn.Linear(2, 2); x = _m.zero_grad(), _m.zero_grad(set_to_none=False), attempt(_m.zero_grad, True)

# train keyword
_m = nn.Linear(1, 1); x = _m.train(mode=False).training, attempt(_m.train, mode=1)

# extra arguments to simple methods
_m = nn.Linear(1, 1); x = attempt(_m.eval, 1), attempt(_m.float, 1), attempt(_m.cpu, 1), attempt(_m.apply), attempt(_m.children, 1), attempt(_m.extra_repr, 1), attempt(_m.state_dict, foo=1), attempt(_m.half, 1), attempt(_m.register_buffer, "x"), attempt(_m.register_parameter, "x"), attempt(_m.to_empty, device="nowhere") [:12]

# Parameter: attributes survive files
import io
_p = param(2); _p.tag = "x"; _f = io.BytesIO(); torch.save({"p": _p, "q": param(1)}, _f); _f.seek(0); _r = torch.load(_f); x = _r["p"], _r["p"].tag, vars(_r["q"])
"""
