"""Programs about how modules print."""

from __future__ import annotations

PROGRAMS = """
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
