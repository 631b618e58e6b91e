"""Programs about dtypes, devices, modes, gradients and the call itself."""

from __future__ import annotations

PROGRAMS = """
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
