"""Programs about what is assigned to a module, registered and deleted."""

from __future__ import annotations

PROGRAMS = """
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
