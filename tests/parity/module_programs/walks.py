"""Programs about the walks over a module's tree, and what is found by name."""

from __future__ import annotations

PROGRAMS = """
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
