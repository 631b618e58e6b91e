"""Lazy modules, and the tensors without a shape that they hold until their first call."""

from __future__ import annotations

import pickle

import pytest

from parity.programs import CANDIDATE, hold


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


# A layer, and the shape of its first input.
LAYERS = """
nn.LazyLinear(3) | 4, 5
nn.LazyLinear(3) | 5
nn.LazyLinear(3, bias=False) | 2, 4, 5
nn.LazyLinear(3, dtype=torch.float64).to(torch.float32) | 4, 5
nn.LazyLinear(0) | 4, 5
nn.LazyLinear(3) |
nn.LazyConv1d(4, 2) | 2, 3, 5
nn.LazyConv1d(4, 2) | 3, 5
nn.LazyConv1d(4, 2, padding='same', padding_mode='circular') | 2, 3, 5
nn.LazyConv1d(4, 2) | 2, 2, 3, 5
nn.LazyConv2d(4, (2, 3), 2, 1, 1, 2, False) | 2, 6, 5, 5
nn.LazyConv2d(4, 2, groups=2) | 2, 3, 5, 5
nn.LazyConv2d(3, 2, groups=2) | 2, 4, 5, 5
nn.LazyConv2d(4, 2, groups=0) | 2, 4, 5, 5
nn.LazyConv2d(4, 2) | 5
nn.LazyConv3d(4, 2) | 3, 4, 4, 4
nn.LazyConvTranspose1d(4, 2) | 2, 3, 5
nn.LazyConvTranspose2d(4, 3, 2, 1, 1, 2, True, 1) | 2, 6, 5, 5
nn.LazyConvTranspose2d(4, 3, padding_mode='reflect') | 2, 6, 5, 5
nn.LazyConvTranspose3d(4, 2, bias=False) | 1, 3, 4, 4, 4
nn.LazyConvTranspose3d(4, 2) | 1, 3, 4, 4
nn.LazyBatchNorm1d() | 4, 3
nn.LazyBatchNorm1d(eps=0.1, momentum=None, affine=False) | 4, 3, 5
nn.LazyBatchNorm1d(track_running_stats=False, bias=False) | 4, 3, 5
nn.LazyBatchNorm1d() | 4, 3, 5, 5
nn.LazyBatchNorm1d() | 3
nn.LazyBatchNorm2d(dtype=torch.float64).float() | 2, 3, 4, 4
nn.LazyBatchNorm2d(affine=False, track_running_stats=False) | 2, 3, 4, 4
nn.LazyBatchNorm3d() | 2, 3, 4, 4, 4
nn.LazyInstanceNorm1d() | 2, 3, 5
nn.LazyInstanceNorm1d(affine=True, track_running_stats=True) | 3, 5
nn.LazyInstanceNorm2d(affine=True) | 2, 3, 4, 4
nn.LazyInstanceNorm2d(affine=False, track_running_stats=False) | 2, 3, 4, 4
nn.LazyInstanceNorm3d(0.1, 0.2, False, True) | 2, 3, 4, 4, 4
nn.LazyInstanceNorm3d() | 2, 3, 4, 4, 4, 4
"""


@pytest.mark.parametrize("case", lines(LAYERS))
def test_layer(case: str) -> None:
    made, shape = case.split("|")
    hold(f"""
_m = {made}
before = repr(_m), list(_m.state_dict()), [(n, repr(p), p.dtype) for n, p in _m.named_parameters()]
buffers = [(n, b.dtype, nn.parameter.is_lazy(b)) for n, b in _m.named_buffers()]
lazy = _m.has_uninitialized_params(), len(_m._forward_pre_hooks), len(_m._load_state_dict_pre_hooks)
_x = t({shape}).requires_grad_()
y = _m(_x)
y.sum().backward()
after = repr(_m), type(_m).__name__, dict(_m.state_dict())
names = sorted(n for n in vars(_m) if n not in ("_hooked",))
gone = hasattr(_m, "_initialize_hook"), hasattr(_m, "_load_hook"), len(_m._forward_pre_hooks)
kinds = [(type(p).__name__, p.requires_grad) for p in _m.parameters()], [type(b).__name__ for b in _m.buffers()]
g = [p.grad for p in _m.parameters()], _x.grad
drawn = torch.rand(2)
y2 = _m(_x)
""", rtol=1e-4, atol=1e-5, strides=False)  # fmt: skip


PROGRAMS = r"""
m = nn.LazyLinear(2); m.load_state_dict({"weight": t(2, 3), "bias": t(2)}); x = _sd(m), m(t(4, 3)), m.in_features
m = nn.LazyLinear(2); m.load_state_dict({"weight": t(2, 3), "bias": t(2)}); x = type(m).__name__; m(t(4, 5))
m = nn.LazyLinear(2); m.load_state_dict({"weight": t(2, 3)})
m = nn.LazyLinear(2); m.load_state_dict({"weight": t(2, 3), "bias": t(2)}, assign=True); x = _sd(m)
m = nn.LazyLinear(2); m.load_state_dict(nn.LazyLinear(2).state_dict()); x = m.has_uninitialized_params()
m = nn.LazyLinear(2); m.load_state_dict(nn.LazyLinear(2).state_dict(), assign=True)
m = nn.Linear(3, 2); m.load_state_dict(nn.LazyLinear(2).state_dict())
m = nn.LazyLinear(2); m.load_state_dict(nn.Linear(3, 2).state_dict()); x = _sd(m); n = nn.LazyLinear(2); n.load_state_dict(m.state_dict()); y = _sd(n)
m = nn.LazyConv2d(2, 3); m.load_state_dict(nn.Conv2d(4, 2, 3).state_dict()); x = m.in_channels; m(t(1, 4, 5, 5)); y = m.in_channels, repr(m)
m = nn.LazyConv2d(2, 3); m.load_state_dict(nn.Conv2d(4, 2, 3).state_dict()); m(t(1, 3, 5, 5))
m = nn.LazyBatchNorm1d(); m.load_state_dict(nn.BatchNorm1d(4).state_dict()); x = m.num_features, _sd(m); m(t(3, 4)); y = repr(m), _sd(m)
m = nn.BatchNorm1d(4); m.load_state_dict(nn.LazyBatchNorm1d().state_dict())
m = nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)); a = repr(m); y = m(t(2, 3, 5, 5)); b = repr(m), _sd(m)
m = nn.Sequential(nn.LazyLinear(3), nn.LazyLinear(2)).double(); y = m(t(2, 3).double()); x = _sd(m)
m = nn.LazyLinear(2).half(); x = m.weight.dtype, type(m.weight).__name__
m = nn.LazyLinear(2); m.to_empty(device="cpu")
m = nn.LazyLinear(2); m.requires_grad_(False)
m = nn.LazyLinear(2); m.type(torch.float64)
m = nn.LazyLinear(2); m.zero_grad(); m.train(); m.eval(); x = m.training; m.cpu(); y = m.has_uninitialized_params()
m = nn.LazyLinear(2); m.share_memory()
m = nn.LazyLinear(2); m.reset_parameters(); x = torch.rand(2)
m = nn.LazyLinear(2); m.initialize_parameters(t(4, 3)); x = type(m).__name__, _sd(m); m.reset_parameters(); y = _sd(m); m(t(1, 3)); z = type(m).__name__
m = nn.LazyLinear(2); h = m.register_forward_pre_hook(lambda m, a: None); m(t(4, 3)); x = len(m._forward_pre_hooks)
m = nn.LazyLinear(2); _seen = []; m.register_forward_hook(lambda m, a, y: _seen.append(type(m).__name__)); m(t(4, 3)); x = list(_seen)
m = nn.LazyLinear(2); m(input=t(4, 3)); x = _sd(m)
m = nn.LazyLinear(2); m()
m = nn.LazyLinear(2); m(t(4, 3), 2)
m = nn.LazyLinear(); 
m = nn.LazyLinear(2, in_features=3)
m = nn.LazyLinear(2); n = copy.deepcopy(m); m(t(4, 3)); x = m.in_features, n.in_features, repr(n); n(t(2, 5)); y = repr(n), repr(m), _sd(n)
m = nn.LazyLinear(2, dtype=torch.float64); n = copy.deepcopy(m); x = n.weight.dtype; n(t(2, 5).double()); y = repr(n), repr(m)
m = nn.LazyConv1d(2, 3); n = pickle.loads(pickle.dumps(m)); x = repr(n); n(t(1, 2, 5)); y = repr(n), repr(m), _sd(n)
m = nn.LazyBatchNorm2d(); n = pickle.loads(pickle.dumps(m)); x = repr(n); n(t(1, 2, 5, 5)); y = repr(n), repr(m), _sd(n)
m = nn.LazyLinear(2); m.weight = nn.Parameter(t(2, 3)); m(t(4, 3))
m = nn.LazyConv1d(2, 3); m.weight = nn.Parameter(t(2, 3)); m(t(1, 4, 3))
m = nn.LazyLinear(2); m.bias = None; m(t(4, 3)); x = _sd(m), repr(m)
m = nn.LazyLinear(2); o = optim.SGD(m.parameters(), 0.1); m(t(4, 3)).sum().backward(); o.step(); x = _sd(m)
m = nn.LazyLinear(2); torch.save(m.state_dict(), (_f := io.BytesIO())); _f.seek(0); torch.load(_f, weights_only=False)
m = nn.LazyLinear(2); torch.save(m.state_dict(), (_f := io.BytesIO())); _f.seek(0); s = torch.load(_f, weights_only=False); x = repr(s)
m = nn.LazyLinear(2); torch.save(m, (_f := io.BytesIO())); _f.seek(0); n = torch.load(_f, weights_only=False); n(t(1, 3)); x = repr(n)
m = nn.LazyLinear(2); x = sum(p.requires_grad for p in m.parameters()); nn.utils.parameters_to_vector(m.parameters())
m = nn.LazyLinear(2); m._replicate_for_data_parallel()
m = nn.modules.lazy.LazyModuleMixin
class A(nn.modules.lazy.LazyModuleMixin, nn.Module): pass\nm = A(); m(1)
class A(nn.modules.lazy.LazyModuleMixin, nn.Module):\n  def __init__(self): super().__init__(); self.w = nn.UninitializedParameter()\n  def initialize_parameters(self, x): pass\nm = A(); m(1)
class A(nn.modules.lazy.LazyModuleMixin, nn.Module):\n  def __init__(self): super().__init__(); self.w = nn.UninitializedParameter(); self.b = nn.UninitializedBuffer(persistent=False)\n  def initialize_parameters(self, x, *, k): self.w.materialize(x.shape); self.b.materialize((2, k)); nn.init.ones_(self.w); self.b.zero_()\n  def forward(self, x, *, k): return x * self.w\nm = A(); s = list(m.state_dict()); y = m(t(3), k=2), list(m.b.shape); z = _sd(m), type(m).__name__, [n for n, _ in m.named_buffers()]
class A(nn.Module):\n  def __init__(self): super().__init__(); self.w = nn.UninitializedParameter()\nm = A(); x = [repr(p) for p in m.parameters()]; m.state_dict()
"""  # noqa: W291


@pytest.mark.parametrize("program", lines(PROGRAMS))
def test_program(program: str) -> None:
    body = program.replace("\\n", "\n")
    hold(f"""
import copy as _copy_module, io as _io, pickle as _pickle
copy, io, pickle = _copy_module, _io, _pickle
_sd = lambda m: dict(m.state_dict())
{body}
for _n in ("m", "n", "o", "h", "s", "copy", "io", "pickle", "A", "p"): globals().pop(_n, None)
""", rtol=1e-5, atol=1e-6)  # fmt: skip


TENSORS = """
p.size(), p.ndim, p.dtype, p.device.type, p.requires_grad, p.is_leaf, p.grad, p.grad_fn, p.layout
p.shape
p.share_memory_()
p.dim()
p.numel()
len(p)
p + 1
1 - p
torch.add(p, 1)
torch.stack([p])
p[0]
p == p
bool(p)
float(p)
p.tolist()
p.numpy()
p.requires_grad_(False)
p.detach()
p.clone()
p.stride()
p.type()
p.bfloat16()
p.zero_()
nn.init.ones_(p)
nn.init.uniform_(p)
F.linear(t(2, 2), p)
list(p)
p.register_hook(print)
p.backward()
p.is_contiguous()
p.element_size()
torch.zeros_like(p)
p.is_floating_point(), p.is_complex(), p.get_device()
repr(p), str(b), p.double().dtype, type(p.double()).__name__, type(b.double()).__name__, b.double().dtype
p.cpu() is p, p.to("cpu") is p, b.to(torch.float32) is b, p.long().dtype, b.half().dtype
isinstance(p, nn.Parameter), isinstance(b, nn.Buffer), isinstance(p, torch.Tensor), isinstance(b, nn.Parameter)
nn.parameter.is_lazy(p), nn.parameter.is_lazy(b), nn.parameter.is_lazy(3), nn.parameter.is_lazy(torch.ones(1))
isinstance(p, nn.parameter.UninitializedTensorMixin)
p.materialize((2, 3)), p.shape, type(p).__name__, p.requires_grad, p.dtype, p.is_leaf
p.materialize((2, 3), dtype=torch.float64), p.dtype
p.materialize(4), list(p.shape)
p.materialize(-4)
p.materialize("a")
b.materialize((2, 3)), b.shape, type(b).__name__, b.requires_grad, b.persistent
p.__reduce_ex__(2)[1], b.__reduce_ex__(2)[1]
nn.UninitializedParameter(False).requires_grad, nn.UninitializedBuffer(persistent=False).persistent
nn.UninitializedParameter(dtype=torch.int64)
nn.UninitializedParameter(False, dtype=torch.int64).dtype, nn.UninitializedBuffer(dtype=torch.int64).dtype
p.copy_(torch.ones(0))
b.copy_(torch.ones(0)) is b
p.data.shape, type(p.data).__name__
p in {p}, p is p
"""


@pytest.mark.parametrize("expression", lines(TENSORS))
def test_tensor(expression: str) -> None:
    hold(f"p = nn.UninitializedParameter(); b = nn.UninitializedBuffer(); x = {expression}; del p, b")


def test_messages() -> None:
    p = CANDIDATE.nn.UninitializedParameter()
    with pytest.raises(ValueError, match=r"Attempted to use an uninitialized parameter in .*\.Uninitialized"):
        p + 1
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter or buffer"):
        p.shape
    with pytest.raises(RuntimeError, match=r"got input of size: torch\.Size"):
        CANDIDATE.nn.LazyConv1d(2, 3)(CANDIDATE.ones(2))


def test_lazy_normalisation_can_be_copied() -> None:
    """PyTorch refuses."""
    from copy import deepcopy

    layer = deepcopy(CANDIDATE.nn.LazyBatchNorm1d(dtype=CANDIDATE.float64))
    assert layer.running_mean.dtype == CANDIDATE.float64
    layer(CANDIDATE.ones(2, 3, dtype=CANDIDATE.float64))
    assert repr(layer) == repr(CANDIDATE.nn.BatchNorm1d(3))


def test_calls_are_direct_afterwards() -> None:
    layer = CANDIDATE.nn.LazyLinear(2)
    layer(CANDIDATE.ones(1, 3))
    assert not layer._hooked
    assert len(pickle.dumps(layer)) == len(pickle.dumps(CANDIDATE.nn.Linear(3, 2)))
