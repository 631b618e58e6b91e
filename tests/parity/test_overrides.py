"""What modes of `overrides` see of calls, and what happens to results."""

from __future__ import annotations

import pytest

from parity.programs import hold

CALLS = """
x + y | x + 1 | 1 + x | x - y | 1 - x | x * y | 2 * x | x / y | 2 / x | x // 2 | 2 // x | x % 2 | 2 % x
x ** 2 | 2 ** x | x @ y | -x | +x | abs(x) | ~(x > 0) | x == y | x != y | x < y | x <= y | x > y | x >= y | 1 < x
i & i | 1 & i | i | i ^ i | i << 1 | i >> 1 | 1 << i
x[0] | x[0, 1] | x[x > 0] | x.__setitem__(0, 1.0) | x.__iadd__(1) | x.__itruediv__(2) | x.__imul__(y) | x.__ipow__(2)
len(x) | bool(x[0, 0] > 0) | float(x[0, 0]) | int(i[0]) | complex(x[0, 0]) | [1, 2][i[0]] | 3 in x
repr(x) and None | format(x[0, 0], ".2f")
x.shape | x.T | x.mT | x.grad | x.dtype and None | x.data | x.requires_grad | x.is_leaf | x.ndim | x.real | w.grad_fn
setattr(w, "grad", None) | setattr(x, "requires_grad", True) | delattr(w, "grad")
x.size() | x.size(0) | x.numel() | x.dim() | x.stride() | x.is_contiguous() | x.contiguous() | x.sum().item()
x.tolist() | x.numpy() | x.to(torch.float64) | x.float() | x.type(torch.int64) | x.cpu() | x.view(-1) | x.clone()
x.detach() | x.requires_grad_() | w.sum().backward() | torch.autograd.grad(w.sum(), w)
torch.autograd.backward(w.sum()) | x.add_(1) | x.zero_() | x.copy_(y) | x.normal_() | x.new_zeros(2)
x.new_tensor([1.0]) | x.split(1) | torch.split(x, 1) | x.norm() | torch.norm(x) | x.unsqueeze_(0) | x.t_()
torch.zeros(2) | torch.ones(2) | torch.full((2,), 1.0) | torch.arange(3) | torch.eye(2) | torch.rand(2)
torch.randn(2) | torch.randperm(3) | torch.tensor([1.0]) | torch.as_tensor([1.0]) | torch.from_numpy(np.zeros(2))
torch.zeros_like(x) | torch.manual_seed(0) and None | torch.is_tensor(x) | torch.numel(x) | torch.result_type(x, 1)
torch.add(x, y, alpha=2) | torch.add(x, y, out=torch.empty(2, 2)) | torch.cat([x, y]) | torch.where(x > 0, x, y)
torch.einsum("ij,jk->ik", x, y) | torch.tensordot(x, y, 1) | torch.meshgrid(x[0], y[0], indexing="ij")
torch.broadcast_tensors(x, y) | torch.block_diag(x, y) | torch.cdist(x, y) | torch.unique(x) | torch.max(x, 0)
torch.linalg.norm(x) | torch.linalg.inv(y) | torch.fft.fft(x) | torch.allclose(x, y) | torch.relu(x)
F.relu(x) | F.relu(x, inplace=True) | F.gelu(x) | F.softmax(x, dim=0) | F.tanh(x) | F.hardtanh(x) | F.softplus(x)
F.linear(x, y) | F.conv2d(im, im) | F.max_pool2d(im, 2) | F.max_pool2d(im, 2, return_indices=True) | nn.MaxPool2d(2, return_indices=True)(im)
F.adaptive_max_pool2d(im, 1) | F.adaptive_max_pool2d(im, 1, return_indices=True) | F.adaptive_avg_pool2d(im, 1) | F.avg_pool2d(im, 2)
F.interpolate(im, scale_factor=2) | F.pad(x, (1, 1)) | F.unfold(im, 2) | F.batch_norm(im, x[0, :1], y[0, :1])
F.layer_norm(x, (2,)) | F.group_norm(im, 1) | F.normalize(x) | F.dropout(x, 0.0) | F.embedding(i, x)
F.one_hot(i, 3) | F.cross_entropy(x, i) | F.nll_loss(x, i) | F.mse_loss(x, y) | F.kl_div(x, y, reduction="sum")
F.binary_cross_entropy_with_logits(x, y) | F.cosine_similarity(x, y) | F.triplet_margin_loss(x, y, x)
F.scaled_dot_product_attention(im, im, im) | F.softsign(x) | F.glu(x) | F.prelu(x, w[:1]) | F.upsample(im, 2)
linear(x) | relu(x) | nn.Tanh()(x) | nn.Softmax(0)(x) | nn.Flatten()(im) | nn.MSELoss()(x, y)
nn.CrossEntropyLoss()(x, i) | nn.MaxPool2d(2)(im) | seq(x) | norm(x)
nn.init.kaiming_uniform_(x) | nn.init.uniform_(x) | nn.init.zeros_(x) | np.asarray(x) | copy.deepcopy(x)
""".replace("\n", " | ").split(" | ")

SETTING = """
import copy
_F = F = nn.functional
def _name(f):
    name = getattr(f, "__name__", None)
    return f"{f.__self__.__name__}.{name}" if name in ("__get__", "__set__", "__delete__") else name
class _Mode(torch.overrides.TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.seen = []
    def __torch_function__(self, func, types, args=(), kwargs=None):
        # What PyTorch's contexts do with the grad mode is a call there.
        if _name(func) != "_set_grad_enabled":
            self.seen.append(_name(func))
        return func(*args, **(kwargs or {}))
def _setting():
    x = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    y = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    w = torch.ones(2, requires_grad=True)
    w.grad = torch.ones(2)
    linear = nn.Linear(2, 2)
    return {"torch": torch, "nn": nn, "F": _F, "np": np, "copy": copy, "x": x, "y": y, "w": w,
            "i": torch.tensor([0, 1]), "im": torch.ones(1, 1, 4, 4), "linear": linear, "relu": nn.ReLU(),
            "seq": nn.Sequential(linear, nn.ReLU()), "norm": nn.LayerNorm(2)}
"""


@pytest.mark.parametrize("call", [call for call in CALLS if call])
def test_seen(call: str) -> None:
    hold(f"""{SETTING}
_given = _setting()
torch.manual_seed(1)
with _Mode() as _mode:
    result = eval({call!r}, _given)
seen = _mode.seen
del F, copy
""")


PROGRAMS = {
    "a result is replaced": """
class _Ones(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        return result * 0 + 1 if isinstance(result, torch.Tensor) else result
with _Ones():
    a = torch.zeros(2) + 5
    b = _F.relu(torch.tensor([-1.0, 2.0]))
c = torch.zeros(2) + 5
""",
    "nested": """
_outer, _inner = _Mode(), _Mode()
with _outer:
    torch.ones(1)
    with _inner:
        _F.relu(torch.ones(1))
        stack = torch.overrides._get_current_function_mode_stack() == [_outer, _inner]
        innermost = torch.overrides._get_current_function_mode() is _inner
    torch.zeros(1)
a, b = _outer.seen, _inner.seen
""",
    "a handler calls another function": """
class _Other(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.zeros:
            return torch.ones(*args)
        return func(*args, **(kwargs or {}))
with _Mode() as _mode, _Other():
    a = torch.zeros(3)
seen = _mode.seen
""",
    "functions are themselves": """
_seen = []
class _Keep(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        _seen.append(func)
        return func(*args, **(kwargs or {}))
_x, _l = torch.ones(2, 2), nn.Linear(2, 2)
with _Keep():
    _x + _x, _l(_x), _F.relu(_x), _F.gelu(_x), torch.cat([_x]), _x.size(), _x.to(torch.float64), torch.linalg.inv(_x + torch.eye(2))
known = [torch.Tensor.add, _F.linear, _F.relu, _F.gelu, torch.cat, torch.Tensor.size, torch.Tensor.to,
         torch.eye, torch.Tensor.add, torch.linalg.inv]
same = [a is b for a, b in zip(_seen, known, strict=True)]
names = [torch.overrides.resolve_name(f) for f in _seen]
del known
""",
    "off": """
with _Mode() as _mode:
    with torch._C.DisableTorchFunction():
        torch.ones(1) + 1
        on = torch.overrides.has_torch_function((1,))
    with torch._C.DisableTorchFunctionSubclass():
        torch.zeros(1)
seen = _mode.seen
""",
    "an exception leaves the stack as it was": """
class _Raising(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise KeyError("told")
told = []
for _call in (lambda: torch.ones(1), lambda: _F.relu(1), lambda: torch.ones(1) + 1):
    try:
        with _Raising():
            _call()
    except KeyError as error:
        told.append(str(error))
left = torch.overrides._get_current_function_mode_stack()
a = torch.ones(1) + 1
""",
    "nobody answers": """
class _Silent(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return NotImplemented
with _Silent():
    torch.zeros(1)
""",
    "no handler": """
class _None(torch.overrides.TorchFunctionMode):
    pass
with _None():
    torch.zeros(1)
""",
    "before subclasses": """
told = []
class _Mine(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        told.append(("class", func.__name__))
        return super().__torch_function__(func, types, args, kwargs or {})
class _Telling(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        told.append(("mode", func.__name__, [t.__name__ for t in types]))
        return func(*args, **(kwargs or {}))
_x = torch.ones(2).as_subclass(_Mine)
with _Telling():
    kind = type(_x + 1).__name__
""",
    "functions of one's own": """
_o = torch.overrides
def _mine(a, b=2):
    if _o.has_torch_function((a,)):
        return _o.handle_torch_function(_mine, (a,), a, b=b)
    return a + b
_wrapped = _o.wrap_torch_function(lambda a: (a,))(lambda a: a + 1)
with _Mode() as _mode:
    a = _mine(torch.ones(1)), _wrapped(torch.ones(1))
seen = _mode.seen
b = _mine(torch.ones(1))
class _Duck:
    def __torch_function__(self): pass
facts = [_o.has_torch_function((torch.ones(1), 2)), _o.has_torch_function((nn.Parameter(torch.ones(1)),)),
         _o.is_tensor_like(torch.ones(1)), _o.is_tensor_like(3), _o.is_tensor_like(_Duck()),
         _o.is_tensor_method_or_property(torch.Tensor.add), _o.is_tensor_method_or_property(torch.add),
         _o.resolve_name(torch.Tensor.add), _o.resolve_name(torch.add), _o.resolve_name(_F.relu),
         _o.resolve_name(torch.Tensor.shape.__get__), _o.resolve_name(torch.linalg.inv), _o.resolve_name(print)]
""",
    "base mode": """
with torch.overrides.BaseTorchFunctionMode():
    a = torch.ones(2) + 1, _F.layer_norm(torch.ones(2, 3), (3,))
""",
    "a mode of another thread": """
import threading
_mode = _Mode()
with _mode:
    _thread = threading.Thread(target=lambda: _F.relu(torch.ones(1)) + 1)
    _thread.start(); _thread.join()
    torch.zeros(1)
seen = _mode.seen
del threading
""",
    "signatures": """
import inspect
with _Mode():
    a = list(inspect.signature(_F.cross_entropy).parameters)
b = list(inspect.signature(_F.cross_entropy).parameters)
del inspect
""",
    "a training step": """
_net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.0), nn.Linear(4, 2))
_x, _t = torch.ones(5, 3), torch.tensor([0, 1, 0, 1, 1])
with _Mode() as _mode:
    _loss = _F.cross_entropy(_net(_x), _t)
    _loss.backward()
seen = _mode.seen
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    hold(f"{SETTING}\n{PROGRAMS[name]}\ndel F, copy")
