"""Bad calls: the class of exception is PyTorch's, whatever is wrong. Odd calls that are right stay right."""

from __future__ import annotations

import pytest

from parity.programs import hold

BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "eq", "lt", "pow", "remainder", "floor_divide"]
UNARY = [
    "exp",
    "log",
    "sqrt",
    "tanh",
    "sigmoid",
    "relu",
    "abs",
    "neg",
    "sin",
    "cos",
    "floor",
    "sign",
    "square",
    "reciprocal",
]
REDUCTIONS = ["sum", "mean", "max", "min", "argmax", "argmin", "amax", "amin", "prod", "any", "all"]

FORMS: dict[str, tuple[list[str], list[str]]] = {
    "binary": (
        BINARY,
        [
            "torch.{op}(t(2), t(3))",
            "torch.{op}(t(2, 3), t(2))",
            "torch.{op}(t(2, 3, 4), t(3, 1, 4))",
            "torch.{op}(t(2))",
            "torch.{op}()",
            "torch.{op}(t(2), 'x')",
            "torch.{op}(t(2), None)",
            "torch.{op}(t(2), [1, 2])",
            "torch.{op}('x', t(2))",
            "torch.{op}(t(2), t(2), 3, 4, 5)",
            "torch.{op}(t(2), t(2), bogus=1)",
            "torch.{op}(t(0), t(2))",
            "t(2).{op}(t(3))",
            "t(2).{op}()",
            "t(2).{op}(object())",
        ],
    ),
    "in place": (
        [f"{name}_" for name in BINARY if name not in ("maximum", "minimum")],
        [
            "t(2).{op}(t(3))",
            "t(1).{op}(t(3))",
            "t(3).{op}(t(2, 3))",
            "torch.ones(2, dtype=torch.int64).{op}(t(2))",
            "torch.ones(2, dtype=torch.int64).{op}(1.5)",
            "torch.ones(2).{op}(1j)",
            "torch.ones(2, requires_grad=True).{op}(1)",
            "t(2).{op}()",
            "t(2).{op}('x')",
        ],
    ),
    "unary": (
        UNARY,
        [
            "torch.{op}()",
            "torch.{op}('x')",
            "torch.{op}(1)",
            "torch.{op}(None)",
            "torch.{op}([1.0])",
            "torch.{op}(t(2), t(2), t(2))",
            "torch.{op}(t(2), bogus=1)",
            "t(2).{op}(5, 6)",
            "torch.{op}(torch.tensor([], dtype=torch.float32))",
            "torch.{op}(torch.tensor(2.0))",
            "torch.{op}(torch.tensor([True, False]))",
            "torch.{op}(torch.tensor([nan, inf, -inf]))",
            "torch.ones(2, requires_grad=True).{op}_()",
            "torch.arange(3).{op}_()",
        ],
    ),
    "reduction": (
        REDUCTIONS,
        [
            "t(2, 3).{op}(2)",
            "t(2, 3).{op}(-3)",
            "t(2, 3).{op}(2**40)",
            "t(2, 3).{op}('x')",
            "t(2, 3).{op}(1.5)",
            "t(2, 3).{op}((0, 0))",
            "t(2, 3).{op}((0, 5))",
            "t(2, 3).{op}(0, bogus=True)",
            "t(2, 3).{op}(0, True, 1, 2)",
            "t(2, 3).{op}(dim=None)",
            "t(0).{op}()",
            "t(0, 3).{op}()",
            "t(0, 3).{op}(0)",
            "t(0, 3).{op}(1)",
            "t(3, 0).{op}(1, keepdim=True)",
            "torch.tensor(2.0).{op}()",
            "torch.tensor(2.0).{op}(0)",
            "torch.tensor(2.0).{op}(-1)",
            "torch.tensor(2.0).{op}(1)",
            "torch.tensor([nan, 1.0]).{op}()",
            "torch.tensor([inf, -inf]).{op}()",
            "torch.{op}()",
            "torch.{op}(5)",
            "torch.{op}(None)",
            "torch.ones(2, dtype=torch.complex64).{op}()",
            "torch.ones(2, dtype=torch.bool).{op}()",
        ],
    ),
    "maker": (
        ["zeros", "ones", "empty", "rand", "randn"],
        [
            "torch.{op}(-1)",
            "torch.{op}(2, -3)",
            "torch.{op}('x')",
            "torch.{op}(2.5)",
            "torch.{op}(None)",
            "torch.{op}(2, 'x')",
            "torch.{op}((2, 2.5))",
            "torch.{op}([2, [3]])",
            "torch.{op}(2**62, 2**62)",
            "torch.{op}(2**63)",
            "torch.{op}(2**70)",
            "torch.{op}(2**50)",
            "torch.{op}(2, dtype='float32')",
            "torch.{op}(2, dtype=float).dtype",
            "torch.{op}(2, dtype=5)",
            "torch.{op}(2, device='nowhere')",
            "torch.{op}(2, device=3.5)",
            "torch.{op}(2, requires_grad=True, dtype=torch.int64)",
            "torch.{op}(2, bogus=1)",
            "torch.{op}((2,), (3,))",
            "torch.{op}(True).shape",
            "torch.{op}(torch.tensor(2)).shape",
            "torch.{op}(0, 2**40).shape",
        ],
    ),
}

OTHERS = """
torch.tensor()
torch.tensor(object())
torch.tensor('x')
torch.tensor(None)
torch.tensor([1, 'x'])
torch.tensor([[1, 2], [3]])
torch.tensor([[1], 2])
torch.tensor([1, [2]])
torch.tensor([1, None])
torch.tensor({1: 2})
torch.tensor({1, 2})
torch.tensor([2**63])
torch.tensor(2**64)
torch.tensor(-(2**63) - 1)
torch.tensor([300], dtype=torch.uint8)
torch.tensor([-1], dtype=torch.uint8)
torch.tensor([1e300], dtype=torch.float32)
torch.tensor([nan], dtype=torch.int64).shape
torch.tensor([1j], dtype=torch.float32)
torch.tensor([1], dtype='int')
torch.tensor(1, 2)
torch.tensor([torch.ones(2), 3])
torch.tensor([torch.ones(2), torch.ones(2)])
torch.full((2,), 'x')
torch.full((2,))
torch.full(2, 3)
torch.full((-2,), 3)
torch.full((2,), 300, dtype=torch.uint8)
torch.full((2,), 1j, dtype=torch.float32)
torch.arange()
torch.arange('x')
torch.arange(5, 1)
torch.arange(0, 5, 0)
torch.arange(0, 5, -1)
torch.arange(nan)
torch.arange(inf)
torch.arange(0, 1e30)
torch.arange(2**70)
torch.arange(1j)
torch.linspace(0, 1)
torch.linspace(0, 1, -1)
torch.eye(-1)
torch.randint(5)
torch.randint(5, 5)
torch.randint(5, (2,), dtype=torch.bool).shape
torch.randint(0, (2,))
torch.randint(5, 2, (2,))
torch.randint(-3, (2,))
torch.randint(5, (-1,))
torch.randint(0, 300, (2,), dtype=torch.uint8)
torch.randperm(-1)
torch.randperm(2.5)
torch.randperm('x')
torch.manual_seed('x')
torch.manual_seed(2**64)
torch.manual_seed(2**70)
torch.manual_seed(None)
torch.zeros(2).uniform_(3, 1)
torch.zeros(2).uniform_(nan, 1)
torch.zeros(2).normal_(0, -1)
torch.zeros(2, dtype=torch.int64).uniform_()
torch.zeros(2, dtype=torch.int64).normal_()
torch.zeros(2).bernoulli_(2)
torch.zeros(2).bernoulli_(-0.1)
torch.bernoulli(torch.tensor([1.5]))
torch.zeros_like(5)
torch.zeros_like()
torch.ones_like('x')
torch.full_like(t(2))
torch.rand_like(torch.arange(3))
torch.randn_like(torch.arange(3))
t(2).view('x')
t(2).view()
t(6).view(4)
t(6).view(-2)
t(6).view(2, -1, -1)
t(6).view(0, -1)
t(0).view(0, -1)
t(6).view(2.0, 3)
t(6).reshape(5)
t(6).reshape((2, 3), 1)
t(6).reshape(None)
t(2, 3).t().view(6)
t(2, 3).permute(0)
t(2, 3).permute(0, 0)
t(2, 3).permute(0, 2)
t(2, 3).permute()
t(2, 3).permute('x')
t(2, 3).transpose(0)
t(2, 3).transpose(0, 2)
t(2, 3).transpose(0, 1.5)
t(2, 3, 4).t()
t(2, 3).squeeze(2)
t(2, 3).squeeze('x')
t(2, 3).unsqueeze(3)
t(2, 3).unsqueeze(-4)
t(2, 3).unsqueeze()
t(2, 3).expand(3, 3)
t(2, 3).expand(3)
t(2, 3).expand(-1, 2, 3)
t(1).expand(-2)
t(1).expand(2**40).shape
t(1).expand(2**40, 2**40)
t(2, 3).flatten(1, 0)
t(2, 3).flatten(5)
torch.cat([])
torch.cat(t(2))
torch.cat([t(2), 3])
torch.cat([t(2), t(2, 2)])
torch.cat([t(2, 2), t(3, 3)])
torch.cat([t(2), t(2)], 1)
torch.cat([t(2), t(2)], 'x')
torch.cat([torch.tensor(1.0), t(2)])
torch.cat([t(0), t(2, 2)])
torch.cat(5)
torch.cat([t(2), torch.arange(2)])
torch.stack([])
torch.stack([t(2), t(3)])
torch.stack([t(2), t(2)], 2)
torch.stack([t(2), None])
torch.stack(t(2))
t(2, 3) @ t(2, 3)
t(2) @ t(3)
t(2) @ torch.tensor(1.0)
torch.tensor(1.0) @ t(2)
t(2, 3) @ t(3, 4).double()
t(2, 3) @ torch.ones(3, 2, dtype=torch.int64)
t(2, 3, 4) @ t(3, 4, 5)
t(2, 3) @ 5
torch.matmul(t(2))
torch.matmul(t(2), None)
torch.mm(t(2), t(2))
torch.mm(t(2, 3), t(2, 3))
torch.bmm(t(2, 3), t(2, 3))
torch.dot(t(2, 2), t(2, 2))
torch.dot(t(2), t(3))
torch.mv(t(2, 3), t(2))
t(0, 3) @ t(3, 2)
t(2, 0) @ t(0, 3)
t(0) @ t(0)
torch.addmm(t(5), t(2, 3), t(3, 4))
t(3).item()
t(0).item()
t(2, 2).item()
bool(t(2))
bool(t(0))
int(t(2))
float(t(2))
int(torch.tensor(nan))
int(torch.tensor(inf))
int(torch.tensor(1j))
float(torch.tensor(1 + 1j))
len(torch.tensor(1.0))
list(torch.tensor(1.0))
iter(torch.tensor(1.0))
[1, 2, 3][t(1)]
[1, 2, 3][torch.tensor(True)]
range(torch.tensor(3))
range(torch.tensor(2.5))
hash(t(2)) == 0
t(2) == None
t(2) != None
t(2) == 'x'
t(2) < 'x'
t(2) < None
t(2) + 'x'
'x' + t(2)
t(2) + None
t(2) + [1, 2]
[1.0, 2.0] + t(2)
t(2) + (1, 2)
t(2) * {}
t(2) / object()
t(2) ** 'x'
t(2) @ 'x'
-'x' if False else ~t(2)
t(2) & t(2)
t(2) << 1
torch.arange(3) // 0
torch.arange(3) % 0
torch.arange(3) / 0
t(2) // 0
torch.arange(3) ** -1
torch.arange(3) ** torch.tensor([-1, 0, 1])
2 ** torch.arange(-1, 2)
torch.tensor([True]) - torch.tensor([True])
-torch.tensor([True])
torch.tensor([True]) + True
t(2).add(t(2), alpha='x')
torch.arange(2).add(torch.arange(2), alpha=1.5)
torch.tensor([True]).add(torch.tensor([True]), alpha=1.5)
t(2).to('x')
t(2).to(5.5)
t(2).to(None)
t(2).to(dtype='x')
t(2).to(torch.float64, bogus=1)
t(2).type('x')
t(2).numpy(5)
t(2).requires_grad_().numpy()
t(2).tolist(1)
t(2).clone(1)
t(2).size(1)
t(2).size(-2)
t(2).size('x')
t(2).stride(3)
t(2).dim(1)
t(2).bogus
t(2).bogus()
t(2).shape.bogus
torch.bogus
torch.float33
t(2).backward()
t(2).sum().backward()
t(2).requires_grad_().backward()
t(2).requires_grad_('x')
torch.arange(2).requires_grad_()
t(2).detach(1)
t(2).copy_(t(3))
t(2).copy_(5)
torch.maximum(t(2), 2)
torch.minimum(t(2), 1.5)
torch.atan2(t(2), 2)
torch.logical_and(t(2), True)
t(2).logical_xor_(1)
t(2) & t(2)
torch.bitwise_left_shift(t(2), t(2))
torch.ones(4, dtype=torch.bool).cumsum(0)
torch.ones(4, dtype=torch.bool).cumsum_(0)
torch.ones(3, dtype=torch.int64).cumsum(0, dtype=torch.float64)
torch.ones(3, dtype=torch.int64).cumsum_(0, dtype=torch.float64)
t(3).cumsum(1)
F.batch_norm(t(4, 3), t(3).requires_grad_(), torch.ones(3))
torch.add(1, 2)
torch.sub(1.5, 2)
torch.pow(0, 2)
torch.where(torch.tensor([True, False]), 1, 2)
torch.full((2,), nan, dtype=torch.int64)
torch.full((2,), -1, dtype=torch.uint8)
torch.full((2,), -1.5, dtype=torch.uint8)
torch.full((2,), 2j, dtype=torch.bool)
torch.zeros(2, dtype=torch.int32).masked_fill(torch.tensor([True, False]), nan)
t(2).copy_('x')
t(2).fill_('x')
t(2).fill_(t(2))
t(2).fill_(torch.tensor(3.0))
torch.arange(2).fill_(2.7)
t(2).fill_(1j)
t(2).zero_(1)
torch.where(t(2) > 0, t(2), t(3))
torch.where(t(2), t(2), t(2))
torch.where(t(2) > 0, t(2))
torch.where(t(2) > 0, 'x', 1)
torch.where(5, t(2), t(2))
torch.where(torch.tensor([1, 0]), t(2), t(2))
t(2).clamp()
t(2).clamp('x')
t(2).clamp(min=t(3))
t(2).clamp(2, 1)
t(2).clamp(nan, 1)
t(2, 3).max(0, 1, 2)
t(2, 3).max(t(3))
t(2, 3).max('x')
t(2, 3).sum(dtype='x')
torch.arange(3).mean()
torch.arange(3).mean(dtype=torch.int64)
t(2, 3).softmax()
t(2, 3).softmax(2)
torch.softmax(torch.arange(3), 0)
torch.log_softmax(t(2, 3), -3)
t(4).split(-1)
t(4).split([1, 2])
t(4).split([5, -1])
t(4).split('x')
t(4).split(2, 1)
t(4).chunk(-1)
t(4).chunk('x')
t(4).unbind(1)
torch.tensor(1.0).unbind()
t(4).narrow(0, 2, 3)
t(4).narrow(0, -5, 1)
t(4).narrow(0, 0, -1)
t(4).narrow(1, 0, 1)
t(4).select(0, 4)
t(4).select(1, 0)
torch.tensor(1.0).select(0, 0)
torch.from_numpy(5)
torch.from_numpy(None)
torch.from_numpy([1])
torch.from_numpy(np.array(['a']))
torch.from_numpy(np.ones(3)[::-1])
torch.as_tensor('x')
torch.set_grad_enabled('x') and None
torch.set_num_threads(0)
torch.set_num_threads(-1)
torch.set_num_threads('x')
torch.set_default_dtype(torch.int64)
torch.set_default_dtype('x')
torch.Size(['x'])
torch.Size([2.5])
torch.device('nowhere')
torch.device(5.5)
torch.device('cpu', 'x')
torch.device('cpu:-1')
torch.device('')
F.relu()
F.relu('x')
F.linear(t(2, 3), t(4, 2))
F.linear(t(2, 3), t(4, 3), t(5))
F.linear(t(2, 3), t(4, 3).double())
F.linear(torch.arange(3), t(4, 3))
F.linear(t(2, 3), 'x')
F.conv2d(t(1, 3, 4, 4), t(2, 3, 5, 5))
F.conv2d(t(1, 3, 4, 4), t(2, 4, 3, 3))
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3))
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), t(3))
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), stride=0)
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), stride=-1)
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), padding=-1)
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), dilation=0)
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), groups=0)
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), groups=2)
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), padding='x')
F.conv2d(t(1, 3, 4, 4), t(2, 3, 3, 3), stride=(1, 1, 1))
F.conv2d(t(1, 3, 4, 4).double(), t(2, 3, 3, 3))
F.conv2d(t(1, 3, 4, 4), t(0, 3, 3, 3))
F.conv2d(t(1, 3, 0, 0), t(2, 3, 3, 3))
F.conv2d(t(3, 4), t(2, 3, 3, 3))
F.max_pool2d(t(1, 1, 4, 4), 5)
F.max_pool2d(t(1, 1, 4, 4), 0)
F.max_pool2d(t(1, 1, 4, 4), -1)
F.max_pool2d(t(1, 1, 4, 4), 2, 0)
F.max_pool2d(t(1, 1, 4, 4), 2, padding=2)
F.max_pool2d(t(1, 1, 4, 4), 2, padding=-1)
F.max_pool2d(t(1, 1, 4, 4), 2, dilation=0)
F.max_pool2d(t(4), 2)
F.max_pool2d(t(1, 1, 4, 4), 'x')
F.max_pool2d(t(1, 1, 4, 4), (2, 2, 2))
F.max_pool2d(t(0, 1, 4, 4), 2)
F.max_pool2d(t(1, 0, 4, 4), 2)
F.batch_norm(t(2, 3), torch.zeros(4), torch.ones(4))
F.batch_norm(t(2, 3), torch.zeros(3), torch.ones(4))
F.batch_norm(t(2, 3), None, None)
F.batch_norm(t(2, 3), None, None, torch.ones(4), training=True)
F.batch_norm(t(1, 3), None, None, training=True)
F.batch_norm(t(3), torch.zeros(3), torch.ones(3))
F.dropout(t(2), 1.5)
F.dropout(t(2), -0.1)
F.dropout('x')
F.cross_entropy(t(2, 3), torch.tensor([0, 3]))
F.cross_entropy(t(2, 3), torch.tensor([0, -5]))
F.cross_entropy(t(2, 3), torch.tensor([0]))
F.cross_entropy(t(2, 3), t(2))
F.cross_entropy(t(2, 3), torch.tensor([0, 1], dtype=torch.int32))
F.cross_entropy(t(2, 3), torch.tensor([0, 1]), weight=t(2))
F.cross_entropy(t(2, 3), torch.tensor([0, 1]), reduction='x')
F.cross_entropy(t(2, 3), torch.tensor([0, 1]), label_smoothing=2)
F.cross_entropy(torch.arange(6).view(2, 3), torch.tensor([0, 1]))
F.cross_entropy(t(2, 3), torch.tensor([-100, -100]))
F.nll_loss(t(2, 3), torch.tensor([0, 3]))
F.mse_loss(t(2), t(3))
F.mse_loss(t(2), 'x')
F.mse_loss(t(2), t(2), reduction='x')
F.softmax(t(2), 5)
nn.init.xavier_uniform_(t(3))
nn.init.kaiming_uniform_(t(3))
nn.init.kaiming_uniform_(t(3, 3), mode='x')
nn.init.uniform_('x')
torch.save()
torch.save(1)
torch.load()
torch.load('/no/such/file')
torch.load(5)
torch.save(1, '/no/such/folder/file')
torch.load(__import__('io').BytesIO(b''))
torch.load(__import__('io').BytesIO(b'x' * 100))
""".strip().splitlines()

CALLS = [form.format(op=op) for ops, forms in FORMS.values() for op in ops for form in forms] + OTHERS


@pytest.fixture(autouse=True)
def same_threads() -> object:
    """Some of the odd calls set the number of threads."""
    from parity.programs import CANDIDATE, REFERENCE

    before = [lib.get_num_threads() for lib in (CANDIDATE, REFERENCE)]
    yield
    for lib, threads in zip((CANDIDATE, REFERENCE), before, strict=True):
        lib.set_num_threads(threads)


# What an empty tensor holds is anything, and what a generator-made one holds is tested elsewhere.
UNSET = ("torch.empty(", "torch.rand(", "torch.randn(")


@pytest.mark.parametrize("call", CALLS)
def test_same_outcome(call: str) -> None:
    if call.startswith(UNSET) and not call.endswith((".shape", ".dtype")):
        call = f"getattr({call}, 'shape', None)"
    hold(f"x = {call}", rtol=1e-5, atol=1e-5)


def test_there_are_hundreds() -> None:
    assert len(CALLS) > 800
