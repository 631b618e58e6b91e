"""Layers and losses: forward, backward, buffers, state_dict, and what surrounds them."""

from __future__ import annotations

import pytest

from parity.programs import hold

LAYERS = [
    ("nn.Linear(5, 3)", "4, 5"),
    ("nn.Linear(5, 3)", "5"),
    ("nn.Linear(5, 3)", "2, 4, 5"),
    ("nn.Linear(5, 3)", "0, 5"),
    ("nn.Linear(5, 3, bias=False)", "4, 5"),
    ("nn.Linear(5, 3, dtype=torch.float64).float()", "4, 5"),
    ("nn.Conv2d(3, 4, 3)", "2, 3, 8, 8"),
    ("nn.Conv2d(3, 4, 3)", "3, 8, 8"),
    ("nn.Conv2d(3, 4, 3)", "0, 3, 8, 8"),
    ("nn.Conv2d(3, 4, 1)", "2, 3, 5, 7"),
    ("nn.Conv2d(3, 4, 3, padding=1)", "2, 3, 8, 9"),
    ("nn.Conv2d(3, 4, 3, stride=2, padding=1)", "2, 3, 9, 8"),
    ("nn.Conv2d(3, 4, (2, 5), stride=(1, 2), padding=(0, 3))", "2, 3, 8, 8"),
    ("nn.Conv2d(3, 4, 3, dilation=2)", "2, 3, 9, 9"),
    ("nn.Conv2d(4, 6, 3, groups=2)", "2, 4, 6, 6"),
    ("nn.Conv2d(4, 4, 3, groups=4, padding=1)", "2, 4, 6, 6"),
    ("nn.Conv2d(3, 4, 3, padding='same')", "2, 3, 6, 6"),
    ("nn.Conv2d(3, 4, 3, padding='valid', bias=False)", "2, 3, 6, 6"),
    ("nn.Conv2d(1, 16, 5)", "3, 1, 28, 28"),
    ("nn.Conv2d(17, 33, 3, padding=1)", "1, 17, 11, 13"),
    ("nn.Conv2d(3, 4, 3)", "2, 3, 3, 3"),
    ("nn.MaxPool2d(2)", "2, 3, 8, 8"),
    ("nn.MaxPool2d(2)", "3, 7, 9"),
    ("nn.MaxPool2d(3, stride=2, padding=1)", "2, 3, 8, 8"),
    ("nn.MaxPool2d(2, ceil_mode=True)", "2, 3, 7, 7"),
    ("nn.MaxPool2d((3, 2), stride=1)", "2, 3, 7, 7"),
    ("nn.MaxPool2d(2, dilation=2)", "2, 3, 7, 7"),
    ("nn.BatchNorm2d(3)", "2, 3, 4, 4"),
    ("nn.BatchNorm2d(3, affine=False)", "2, 3, 4, 4"),
    ("nn.BatchNorm2d(3, momentum=0.5, eps=1e-3)", "2, 3, 4, 4"),
    ("nn.BatchNorm2d(3, momentum=None)", "2, 3, 4, 4"),
    ("nn.BatchNorm2d(3, track_running_stats=False)", "2, 3, 4, 4"),
    ("nn.BatchNorm2d(3).eval()", "2, 3, 4, 4"),
    ("nn.Flatten()", "2, 3, 4"),
    ("nn.Flatten(0)", "2, 3, 4"),
    ("nn.Flatten(0, 1)", "2, 3, 4"),
    ("nn.ReLU()", "4, 5"),
    ("nn.Sigmoid()", "4, 5"),
    ("nn.Tanh()", "4, 5"),
    ("nn.Identity()", "4, 5"),
    ("nn.Dropout(0.5).eval()", "4, 5"),
    ("nn.Dropout(0.0)", "4, 5"),
    ("nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))", "3, 5"),
    (
        "nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4))",
        "2, 1, 8, 8",
    ),
    ("nn.Linear(5, 3)", "4, 6"),
    ("nn.Conv2d(3, 4, 3)", "2, 4, 8, 8"),
    ("nn.Conv2d(3, 4, 3)", "2, 3, 2, 2"),
    ("nn.Conv2d(3, 4, 3)", "3, 8"),
    ("nn.MaxPool2d(2)", "8, 8"),
    ("nn.MaxPool2d(9)", "1, 1, 8, 8"),
    ("nn.BatchNorm2d(3)", "2, 4, 4, 4"),
    ("nn.BatchNorm2d(3)", "2, 3, 4"),
    ("nn.BatchNorm2d(3)", "1, 3, 1, 1"),
]

LOSSES = [
    ("nn.CrossEntropyLoss()", "t(4, 5)", "ints(4, low=0, high=5)"),
    ("nn.CrossEntropyLoss()", "t(5)", "torch.tensor(2)"),
    ("nn.CrossEntropyLoss(reduction='sum')", "t(4, 5)", "ints(4, low=0, high=5)"),
    ("nn.CrossEntropyLoss(reduction='none')", "t(4, 5)", "ints(4, low=0, high=5)"),
    ("nn.CrossEntropyLoss(label_smoothing=0.1)", "t(4, 5)", "ints(4, low=0, high=5)"),
    ("nn.CrossEntropyLoss(ignore_index=1)", "t(4, 5)", "torch.tensor([0, 1, 1, 4])"),
    ("nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2, 3, 4, 5]))", "t(4, 5)", "ints(4, low=0, high=5)"),
    ("nn.CrossEntropyLoss()", "t(4, 5)", "torch.softmax(t(4, 5), 1)"),
    ("nn.CrossEntropyLoss()", "t(2, 5, 3)", "ints(2, 3, low=0, high=5)"),
    ("nn.CrossEntropyLoss()", "t(4, 5) * 100", "ints(4, low=0, high=5)"),
    ("nn.CrossEntropyLoss()", "t(0, 5)", "ints(0, low=0, high=5)"),
    ("nn.MSELoss()", "t(4, 5)", "t(4, 5)"),
    ("nn.MSELoss(reduction='sum')", "t(4, 5)", "t(4, 5)"),
    ("nn.MSELoss(reduction='none')", "t(4, 5)", "t(4, 5)"),
    ("nn.MSELoss()", "t(4, 5)", "t(5)"),
    ("nn.CrossEntropyLoss()", "t(4, 5)", "torch.tensor([0, 1, 5, 2])"),
    ("nn.CrossEntropyLoss()", "t(4, 5)", "torch.tensor([0, -1, 2, 2])"),
    ("nn.CrossEntropyLoss()", "t(4, 5)", "torch.tensor([0, 1, 2])"),
    ("nn.CrossEntropyLoss()", "t(4, 5)", "torch.tensor([0.0, 1, 2, 3])"),
    ("nn.CrossEntropyLoss(reduction='avg')", "t(4, 5)", "torch.tensor([0, 1, 2, 3])"),
    ("nn.MSELoss()", "t(4, 5)", "t(3)"),
    ("nn.MSELoss()", "t(4, 5)", "3"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_layer(layer: str, shape: str) -> None:
    """Output, gradients of input and parameters, buffers after two calls, in that order."""
    program = f"""
_m = {layer}
with torch.no_grad():
    for _p in _m.parameters(): _p.copy_(t(*_p.shape, low=-1, high=1))
_x = t({shape}).requires_grad_()
y = _m(_x)
_w = t(*y.shape)
(y * _w).sum().backward()
gx = _x.grad
gp = [_p.grad for _p in _m.parameters()]
_ = _m(_x * 2)
state = dict(_m.state_dict())
"""
    # Winograd's transforms err in proportion to the largest value that goes into a tile.
    of_largest = 2e-5 if "Conv2d" in layer else 0.0
    hold(program, rtol=1e-4, atol=1e-5, strides=False, of_largest=of_largest)


@pytest.mark.parametrize(("layer", "shape"), [case for case in LAYERS if "float" not in case[0]][:44])
def test_layer_float64_and_second_gradient(layer: str, shape: str) -> None:
    program = f"""
_m = {layer}.double()
with torch.no_grad():
    for _p in _m.parameters(): _p.copy_(t(*_p.shape, low=-1, high=1))
_x = t({shape}, dtype=torch.float64).requires_grad_()
_y = _m(_x)
_w = t(*_y.shape, dtype=torch.float64)
(_g,) = torch.autograd.grad((_y * _y * _w).sum(), _x, create_graph=True)
g = _g.detach()
if _g.requires_grad: (_g * _g).sum().backward()
gx = _x.grad
gp = [_p.grad for _p in _m.parameters()]
"""
    hold(program, rtol=1e-6, atol=1e-8, strides=False)


@pytest.mark.parametrize(("loss", "given", "wanted"), LOSSES)
def test_loss(loss: str, given: str, wanted: str) -> None:
    hold(f"""
_x = {given}
_x.requires_grad_()
y = {loss}(_x, {wanted})
y.sum().backward()
g = _x.grad
""", rtol=1e-5, atol=1e-6, strides=False)  # fmt: skip


MODULE = """
class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(3, 4)
        self.norm = nn.BatchNorm2d(2)
        self.act = nn.ReLU()
        self.scale = nn.Parameter(torch.ones(2))
        self.register_buffer("steps", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.plain = torch.ones(2)
    def forward(self, x):
        return self.fc1(x)
torch.manual_seed(0)
_m = Net()
del Net
"""

MODULE_PROGRAMS = """
x = [n for n, _ in _m.named_parameters()]
x = [n for n, _ in _m.named_buffers()]
x = [n for n, _ in _m.named_modules()]
x = [n for n, _ in _m.named_children()]
x = [type(c).__name__ for c in _m.children()]
x = [type(c).__name__ for c in _m.modules()]
x = dict(_m.state_dict())
x = list(_m.state_dict().keys())
x = repr(_m)
x = _m.training, _m.eval().training, _m.norm.training, _m.train().norm.training
x = _m.fc1.weight is next(_m.parameters())
x = _m.double().fc1.weight.dtype, _m.norm.num_batches_tracked.dtype, _m.scratch.dtype, _m.plain.dtype
x = _m.half().scale, _m.float().scale
x = _m.to(torch.float64)(torch.ones(3, dtype=torch.float64))
x = [type(_m.apply(lambda m: None)).__name__]
seen = []; _ = _m.apply(lambda m: seen.append(type(m).__name__))
_m.requires_grad_(False); x = [p.requires_grad for p in _m.parameters()]
_m(torch.ones(3)).sum().backward(); a = _m.fc1.bias.grad; _m.zero_grad(); b = _m.fc1.bias.grad
_m(torch.ones(3)).sum().backward(); _m.zero_grad(set_to_none=False); b = _m.fc1.bias.grad
r = _m.load_state_dict(_m.state_dict()); x = list(r.missing_keys), list(r.unexpected_keys), str(r)
_m.load_state_dict({})
_m.load_state_dict({**_m.state_dict(), "more": torch.ones(1)})
r = _m.load_state_dict({"scale": torch.zeros(2)}, strict=False); x = list(r.missing_keys), _m.scale
_m.load_state_dict({**_m.state_dict(), "scale": torch.ones(3)})
_m.load_state_dict({**_m.state_dict(), "scale": torch.ones(2, dtype=torch.float64)}); x = _m.scale
_m.load_state_dict(5)
x = _m.nothing
del _m.fc1; x = [n for n, _ in _m.named_parameters()]
_m.fc1 = None; x = [n for n, _ in _m.named_parameters()], _m.fc1
_m.fc1 = 5
_m.scale = torch.ones(2)
_m.scale = None; x = _m.scale
_m.steps = torch.ones(1); x = dict(_m.named_buffers())["steps"]
_m.add_module("extra", nn.Tanh()); x = repr(_m)
_m.add_module("fc1.x", nn.Tanh())
_m.add_module("plain", nn.Tanh())
_m.register_parameter("p", nn.Parameter(torch.zeros(1))); x = _m.p
_m.register_parameter("p", torch.zeros(1))
_m.register_buffer("fc1", torch.zeros(1))
x = _m.get_submodule("fc1").weight is _m.fc1.weight
x = _m.get_parameter("fc1.weight") is _m.fc1.weight
x = sum(p.numel() for p in _m.parameters())
seen = []; _h = _m.register_forward_hook(lambda m, i, o: seen.append((i, o))); y = _m(torch.ones(3)); _h.remove(); _ = _m(torch.ones(3))
_h = _m.register_forward_pre_hook(lambda m, i: (i[0] * 2,)); y = _m(torch.ones(3))
x = nn.Module()(1)
s = nn.Sequential(nn.Linear(2, 2), nn.Tanh()); x = len(s), repr(s[1]), repr(s[-1]), repr(s[:1]), [type(c).__name__ for c in s]; del s
s = nn.Sequential(nn.Tanh()); s.append(nn.ReLU()); x = repr(s); del s
s = nn.Sequential(nn.Tanh()); _ = s[3]
from collections import OrderedDict as _O; s = nn.Sequential(_O([("a", nn.Tanh()), ("b", nn.ReLU())])); x = repr(s), repr(s.a); del s
import copy as _c; _n = _c.deepcopy(_m); _n.scale.data.fill_(7); x = _m.scale, _n.scale, _n.fc1.weight
import pickle as _k; _l = nn.Linear(2, 2); x = _k.loads(_k.dumps(_l)).weight
x = nn.Parameter(torch.ones(2)); y = isinstance(x, torch.Tensor), x.requires_grad, x.is_leaf
x = nn.Parameter(torch.ones(2), requires_grad=False)
x = nn.Parameter(torch.ones(2, dtype=torch.int64))
x = nn.Parameter(3)
nn.Linear(-1, 2)
nn.Linear("a", 2)
nn.Linear(2.5, 2)
nn.Conv2d(3, 4)
nn.Conv2d(3, 4, 3, groups=2)
nn.Conv2d(3, 4, 3, padding="around")
nn.Conv2d(3, 4, 3, padding="same", stride=2)
nn.Dropout(1.5)
nn.Dropout(-0.5)
nn.Sequential(3)
nn.BatchNorm2d(-1)
nn.ReLU(3, 4)
""".strip().splitlines()


@pytest.mark.parametrize("program", MODULE_PROGRAMS)
def test_module(program: str) -> None:
    hold(MODULE + program)
