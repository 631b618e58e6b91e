"""Tensors from and to other things: Python data, arrays, buffers, DLPack, storages, pickles, subclasses."""

from __future__ import annotations

import pytest

from parity.programs import hold

# What makes a tensor of something, or refuses it.
FROM_DATA = """
torch.tensor(Sequence())
torch.tensor([Sequence(), Sequence()])
torch.tensor([Number()], dtype=torch.float32)
torch.tensor([Number()])
torch.tensor(Number())
torch.tensor("a")
torch.tensor(["a"])
torch.tensor([1, "b"])
torch.tensor([["b"]])
torch.tensor(None)
torch.tensor([1, None])
torch.tensor([1, [2]])
torch.tensor([[1], 2])
torch.tensor([[1], [2, 3]])
torch.tensor([[1, 2], [3]])
torch.tensor([[], [1]])
torch.tensor([[1], []])
torch.tensor([1, []])
torch.tensor({1: 2})
torch.tensor({1, 2})
torch.tensor(b"abc")
torch.tensor([b"abc"])
torch.tensor(bytearray(b"abc"))
torch.tensor(memoryview(b"abc"))
torch.tensor(i for i in range(3))
torch.tensor(object())
torch.tensor(2**63)
torch.tensor([2**64])
torch.tensor(-(2**63))
torch.tensor(2**63, dtype=torch.float32)
torch.tensor([2**100, 1.5])
torch.tensor(300, dtype=torch.uint8)
torch.tensor([-1], dtype=torch.uint8)
torch.tensor([-300], dtype=torch.uint8)
torch.tensor([256.0], dtype=torch.uint8)
torch.tensor([-1.0], dtype=torch.uint8)
torch.tensor([200], dtype=torch.int8)
torch.tensor([1e10], dtype=torch.int32)
torch.tensor([1e10, 70000], dtype=torch.float16)
torch.tensor([float("nan")], dtype=torch.int64)
torch.tensor([float("nan")], dtype=torch.bool)
torch.tensor([1 + 1j], dtype=torch.float32)
torch.tensor([1 + 1j], dtype=torch.bool)
torch.tensor([1 + 1j], dtype=torch.int64)
torch.tensor([True, 2, 3.5, 1j])
torch.tensor([np.float64(1), 2])
torch.tensor([np.float32(1), 2.0])
torch.tensor([np.int8(1), np.int8(2)])
torch.tensor([np.int8(1), 2])
torch.tensor(np.float64(1))
torch.tensor([np.complex128(1)])
torch.tensor([np.arange(2.0), np.arange(2)])
torch.tensor([np.arange(2), np.arange(3)])
torch.tensor([np.array(1), np.array(2)])
torch.tensor(np.arange(3)[::-1])
torch.tensor(np.array([1], dtype=">i4"))
torch.tensor([torch.ones(1), torch.ones(1)])
torch.tensor([torch.ones(2), torch.ones(2)])
torch.tensor([torch.tensor(1), torch.tensor(2.5)])
torch.tensor([1, 2], requires_grad=True)
torch.tensor([1.0, 2], dtype="float")
torch.tensor([1.0, 2], dtype=np.float32)
torch.tensor([1.0], dtype=int), torch.tensor([1.0], dtype=bool), torch.tensor([1.0], dtype=float)
torch.tensor()
torch.tensor(1, 2)
torch.tensor([1], names=["a"])
torch.asarray([1, 2]), torch.asarray([1, 2], dtype=torch.float32, copy=True)
torch.asarray([1, 2], copy=False)
torch.asarray(np.arange(3.0), copy=False)
torch.asarray(np.arange(3.0), dtype=torch.float32, copy=False)
torch.asarray(b"abcd", dtype=torch.int8)
torch.asarray(bytearray(b"abcdefgh"), dtype=torch.int32)
torch.asarray(torch.ones(2), requires_grad=True)
torch.asarray(1.5), torch.asarray(np.float32(1.5)), torch.asarray(3)
torch.asarray("abc")
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, count=1, offset=1)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, offset=1)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, count=3)
torch.frombuffer(bytearray(b""), dtype=torch.int16)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int16, offset=4)
torch.frombuffer(3, dtype=torch.int16)
torch.from_numpy(np.broadcast_to(np.arange(3.0), (2, 3)))
torch.from_numpy(np.ma.array([1.0, 2], mask=[0, 1]))
torch.from_numpy(np.float32(1))
torch.Tensor((2, 3)), torch.Tensor(range(3)), torch.Tensor(np.arange(2.0))
torch.Tensor(2.5)
torch.Tensor(None)
torch.Tensor(-1)
torch.Tensor(2, "a")
torch.LongTensor([1.5, 2]), torch.BoolTensor([0, 1]), torch.FloatTensor(), torch.ByteTensor([-1])
torch.LongTensor(torch.ones(2))
torch.ones(2).new([1, 2]), torch.ones(2, dtype=torch.int64).new(), torch.ones(2).new(torch.ones(3))
torch.empty_strided((2, 2), (1, 2)).stride(), torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
torch.ones(2).new_empty_strided((2, 2), (1, 2)).stride()
torch.empty_strided((2, 2), (1,))
torch.empty_permuted((2, 2), (0, 0))
torch.range(1, 3), torch.range(0, 1, 0.25), torch.logspace(0, 2, 3), torch.logspace(0, 2, 3, base=2)
""".strip().splitlines()

# What arrays and tensors do with each other.
WITH_NUMPY = """
np.add(torch.ones(2), np.ones(2)), np.add(np.ones(2), torch.ones(2)), np.exp(torch.ones(2))
np.maximum(torch.ones(2), 2), np.add.reduce(torch.ones(2)), np.sqrt(torch.tensor(4.0))
torch.ones(2) + np.ones(2), torch.ones(2) * np.array(2.0), torch.ones(2, 2) @ np.ones((2, 2))
torch.ones(2) // np.ones(2), torch.ones(2) % np.ones(2), torch.ones(2) ** np.ones(2)
np.ones(2) / torch.ones(2)
np.ones(2) == torch.ones(2), torch.ones(2) == np.ones(2), np.ones(2) != torch.ones(2)
np.ones(2) * torch.ones(2)
np.ones(2) < torch.ones(2)
np.ones((2, 2)) @ torch.ones(2, 2)
np.float64(2) * torch.ones(2), np.float32(2) + torch.ones(2), np.float64(2) / torch.ones(2)
np.float64(2) == torch.ones(2), np.float64(2) < torch.ones(2), np.int64(2) * torch.ones(2)
torch.ones(2)[np.array([0, 1])], torch.ones(2)[np.int64(0)], torch.ones(2)[np.array([True, False])]
np.ones(3)[torch.tensor([0, 1])], np.ones(3)[torch.tensor(1)]
np.concatenate([torch.ones(2), torch.ones(2)]), np.dot(torch.ones(2), torch.ones(2))
np.where(torch.ones(2) > 0, 1, 2), np.allclose(torch.ones(2), np.ones(2)), np.ravel(torch.ones(2, 2))
np.argmax(torch.ones(2)), np.reshape(torch.ones(4), (2, 2)), np.transpose(torch.ones(2, 3))
np.asarray(torch.ones(2), dtype=np.float64), torch.ones(2).__array__(np.int32)
np.asarray(torch.ones(2, requires_grad=True))
torch.ones(2) * [1, 2]
torch.ones(2) + None
torch.ones(2) == None, torch.ones(2) != None, torch.ones(2) == "a", torch.ones(2) == [1, 1]
torch.ones(2) < None
torch.ones(2, dtype=torch.bfloat16).numpy()
torch.ones(2, requires_grad=True).numpy()
torch.ones(2, requires_grad=True).numpy(force=True)
memoryview(torch.ones(2))
bytes(torch.ones(2, dtype=torch.uint8)), reversed(torch.arange(3))
""".strip().splitlines()

# DLPack and storages.
MEMORY = """
torch.from_dlpack(np.arange(6)[::2]), torch.from_dlpack(np.array(1.5)), torch.from_dlpack(np.zeros((2, 0)))
torch.from_dlpack(np.array([True])), torch.from_dlpack(np.array([1j])), torch.from_dlpack(torch.ones(2, 3).t())
np.from_dlpack(torch.ones(2, 3).t()), np.from_dlpack(torch.ones(2, dtype=torch.bool)), np.from_dlpack(torch.tensor(1.5))
torch.from_dlpack(3)
torch.from_dlpack(np.array(["a"]))
(lambda c: (torch.from_dlpack(c), torch.from_dlpack(c)))(torch.ones(2).__dlpack__())
torch.from_dlpack(torch.ones(2).__dlpack__(max_version=(1, 0)))
torch.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2)))
torch.ones(2, requires_grad=True).__dlpack__()
torch.ones(2).__dlpack__(stream="a")
torch.ones(2).__dlpack__(stream=1)
tuple(int(n) for n in torch.ones(2).__dlpack_device__())
torch.ones(2).storage().size(), torch.ones(2).storage().tolist(), torch.ones(2).storage()[0]
torch.ones(2).untyped_storage().tolist(), torch.ones(2).untyped_storage().nbytes(), len(torch.ones(2).untyped_storage())
torch.UntypedStorage([1, 2]).tolist(), torch.UntypedStorage(4).fill_(1).tolist(), torch.UntypedStorage(b"ab").clone()[0]
torch.UntypedStorage(2).copy_(torch.UntypedStorage([1, 2])).tolist()
torch.UntypedStorage([1, 2])[2]
torch.FloatStorage([1.0, 2]).tolist(), torch.LongStorage([1, 2]).tolist(), torch.FloatStorage(3).size()
torch.is_storage(torch.ones(1).untyped_storage()), torch.is_storage(torch.ones(1).storage()), torch.is_storage(1)
torch.ones(2).set_(torch.ones(3)), torch.ones(2).set_(torch.ones(6).untyped_storage(), 1, (2, 2), (2, 1))
torch.ones(2).set_(torch.ones(4).storage()), torch.ones(2).set_()
torch.ones(2).set_(torch.ones(3, dtype=torch.int64))
(lambda t: (t.is_set_to(t.view(2)), t.is_set_to(t[1:]), t.is_set_to(t.clone())))(torch.ones(2))
torch.ones(2).is_shared(), torch.ones(2).share_memory_().is_shared(), torch.ones(2).share_memory_()
""".strip().splitlines()

# `to` and its like, memory formats, attributes.
CONVERSIONS = """
torch.ones(2).to(torch.float64, True, True), torch.ones(2).to("cpu", torch.float64, False, True)
torch.ones(2).to(torch.ones(1).int()), torch.ones(2).to(device="cpu", dtype=torch.int8)
torch.ones(2).to(), torch.ones(2).to(None), torch.ones(2).to(None, torch.int8), torch.ones(2).to(1.5)
torch.ones(2).to(float), torch.ones(2).to(dtype=torch.int8, copy=True)
torch.ones(2).to("float")
torch.ones(2).to(np.float32)
torch.ones(2).to(foo=1)
torch.ones(2).to("cpu", "cpu")
torch.ones(2).to(torch.int8, torch.int8)
torch.ones(2).type(), torch.ones(2).type("torch.LongTensor"), torch.ones(2).type(torch.DoubleTensor)
torch.ones(2).type("foo")
torch.ones(2).type(3)
torch.ones(2).type(int)
isinstance(torch.ones(2), torch.FloatTensor), isinstance(torch.ones(2), torch.LongTensor)
torch.FloatTensor.dtype, torch.FloatTensor.__name__
image().to(memory_format=torch.channels_last).stride(), image().contiguous(memory_format=torch.channels_last).stride()
image().to(torch.int8, memory_format=torch.channels_last).stride(), image().clone(memory_format=torch.channels_last)
image().to(memory_format=torch.channels_last).is_contiguous(memory_format=torch.channels_last)
image().is_contiguous(memory_format=torch.channels_last), image().float(memory_format=torch.channels_last).stride()
torch.empty_like(image().to(memory_format=torch.channels_last)).stride()
torch.zeros_like(image(), memory_format=torch.channels_last).stride()
torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride()
torch.ones(2, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d).stride()
torch.ones(2, 3, 4).to(memory_format=torch.channels_last)
torch.ones(2).is_contiguous(memory_format=3)
torch.ones(2, 3).t().contiguous(memory_format=torch.preserve_format)
str(torch.ones(2).layout), torch.ones(2).dense_dim(), torch.ones(2, 3).t().dim_order(), torch.ones(2).is_mkldnn
torch.ones(2).is_inference(), torch.ones(2).name, torch.ones(2).is_nested, torch.ones(2).is_signed()
torch.is_nonzero(torch.tensor([1])), torch.is_signed(torch.ones(1)), torch.get_device(torch.ones(1))
torch.is_nonzero(torch.tensor([1, 2]))
torch.is_nonzero(torch.tensor([]))
torch.ones(2, 3).H.shape, torch.ones(2, 3).mH.shape
torch.ones(2).H
torch.ones(2, 2, 2).H
torch.ones(2).to_dense(), torch.ones(2).to_dense(dtype=torch.int32)
torch.ones(2).apply_(lambda x: x + 1), torch.ones(2, 2).map_(torch.ones(2), lambda x, y: x + y)
(1,) + torch.Size([2]), torch.Size([torch.tensor(2)]), torch.Size([2, 3])[1:]
str(torch.strided), str(torch.channels_last), torch.strided == torch.strided, torch.strided == torch.sparse_coo
torch.device("cuda", 1), torch.device(0), str(torch.device("cuda:1")), torch.device("cpu:0") == torch.device("cpu")
torch.device("foo")
torch.device("cuda:-1")
torch.device(-1)
torch.device("cuda:0", 1)
torch.device()
torch.set_default_dtype("float32")
torch.set_default_dtype(torch.int32)
torch.set_default_tensor_type("torch.LongTensor")
torch.set_default_tensor_type(torch.float32)
torch.get_default_device()
torch.set_deterministic_debug_mode(3)
torch.get_deterministic_debug_mode(), torch.are_deterministic_algorithms_enabled()
torch.get_float32_matmul_precision()
""".strip().splitlines()

# Programs of several lines.
PROGRAMS = {
    "array and tensor share memory": """
n = np.zeros(3); a = torch.from_numpy(n); a[0] = 1; n[1] = 2
b = torch.from_dlpack(n); b[2] = 3
c = torch.ones(2); m = c.numpy(); m[0] = 5
d = torch.ones(2); k = np.from_dlpack(d); d[1] = 7
same = torch.asarray(a) is a, torch.as_tensor(n).data_ptr() == a.data_ptr()
""",
    "memory outlives its owner": """
import gc
a = torch.from_numpy(np.arange(1000.0)); b = torch.from_dlpack(np.arange(1000.0))
c = torch.arange(1000.0).numpy(); d = np.from_dlpack(torch.arange(1000.0))
e = torch.frombuffer(bytearray(range(200)), dtype=torch.uint8)
_ = gc.collect(), [np.full(1000, -1.0) for _ in range(50)], [torch.full((1000,), -2.0) for _ in range(50)]
""",
    "pickles keep what is shared": """
import pickle
a = torch.arange(6.0); b = a.view(2, 3).t(); p = nn.Parameter(torch.ones(2)); q = torch.ones(2, requires_grad=True)
results = []
for protocol in range(6):
    c, d, e, f = pickle.loads(pickle.dumps((a, b, p, q), protocol))
    results.append((c, d, e, f, d.stride(), type(e).__name__))
""",
    "copies": """
import copy
a = torch.arange(6.0); b = a[2:4]
c = copy.copy(a); c[0] = 5
d, e = copy.deepcopy([a, b]); d[2] = 77
g = torch.ones(2, requires_grad=True); (g * g).sum().backward(); h = copy.deepcopy(g)
i = h.grad; separate = i is not g.grad
""",
    "non-leaves are not copied": "import copy\ncopy.deepcopy(torch.ones(2, requires_grad=True) * 2)",
    "in-place with an array is none": "x = torch.ones(2); y = x; x += np.ones(2)",
    "dtype objects": """
import pickle
names = "float16 bfloat16 float32 float64 uint8 int8 int16 int32 int64 bool complex64 complex128".split()
names += "uint16 uint32 uint64 complex32 float8_e4m3fn float8_e5m2".split()
kinds = [getattr(torch, name) for name in names]
told = [(str(k), k.is_floating_point, k.is_complex, k.is_signed, k.itemsize, str(k.to_real())) for k in kinds]
again = [pickle.loads(pickle.dumps(k)) is k for k in kinds + [torch.strided, torch.channels_last]]
casts = [torch.can_cast(a, b) for a in kinds for b in kinds]
def _of(call):
    try:
        return str(call())
    except (RuntimeError, TypeError) as error:
        return type(error).__name__
promoted = [_of(lambda: torch.promote_types(a, b)) for a in kinds for b in kinds]
widened = [_of(k.to_complex) for k in kinds]
""",
    "results of subclasses": """
class Mine(torch.Tensor):
    pass
m = torch.ones(2).as_subclass(Mine)
made = [m + 1, 1 + m, torch.add(m, 1), m.sum(), m[0], m.float(), m.double(), -m, m.clone(), torch.stack([m, m]),
        m.unbind()[0], m == m, m.T, m.data, m.new_zeros(2), torch.ones(2) + m]
kinds = [type(x).__name__ for x in made]
p = nn.Parameter(torch.ones(2)); kinds += [type(p + 1).__name__, type(p.detach()).__name__]
x = torch.ones(2, requires_grad=True); (x.as_subclass(Mine) * 2).sum().backward(); g = x.grad
""",
    "__torch_function__": """
calls = []
class Loud(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        calls.append((func.__name__, [t.__name__ for t in types], len(args), sorted(kwargs or {})))
        return super().__torch_function__(func, types, args, kwargs or {})
class Duck:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return "duck", func.__name__, len(args)
t = torch.ones(2).as_subclass(Loud)
_ = t + 1, torch.add(t, torch.ones(2), alpha=2), t.sum(dim=0), t.view(2, 1), torch.cat([torch.ones(2), t]), t.add_(1)
_ = t * 2, t / 2, t @ t, t == t, -t, abs(t)
del t
calls = list(calls)
d = torch.add(Duck(), 2), torch.mean(Duck()), torch.add(torch.ones(1), Duck())
""",
    "assert_close": """
def _of(*args, **kwargs):
    try:
        torch.testing.assert_close(*args, **kwargs)
    except (AssertionError, ValueError) as error:
        return str(error)
a, b, i = torch.ones(2, 2), torch.eye(2), torch.tensor([1, 2])
told = [_of(a, b), _of(a, a * 1.1), _of(a, a + 1e-7), _of(a, a.double()), _of(a, torch.ones(3)), _of(i, i + 1), _of(1.0, 1.1),
        _of(1, 2), _of([a, 1], [a, 2]), _of({"a": 1}, {"b": 1}), _of(a, b, msg="told"), _of(a, b, rtol=1), _of([1, 2], [1]),
        _of(torch.tensor(float("nan")), torch.tensor(float("nan"))), _of(torch.tensor(1.0), torch.tensor(0.0)),
        _of(torch.tensor([float("nan")]), torch.tensor([float("nan")]), equal_nan=True), _of(np.ones(2), np.zeros(2)),
        _of(torch.tensor([True]), torch.tensor([False])), _of(a, b, rtol=0.1, atol=2), _of({"k": [a]}, {"k": [b]})]
""",
    "device as a context": """
with torch.device("cpu"):
    x = torch.ones(2)
torch.set_default_device("cpu"); y = torch.ones(1); torch.set_default_device(None)
""",
    "default tensor type": """
torch.set_default_tensor_type(torch.DoubleTensor)
x = torch.ones(1), torch.tensor(1.5), torch.get_default_dtype()
torch.set_default_tensor_type("torch.FloatTensor")
y = torch.ones(1)
""",
}

CLASSES = """
class Sequence:
    def __len__(self): return 2
    def __getitem__(self, i): return [0.5, 1.5][i]
class Number:
    def __float__(self): return 2.5
def image(): return torch.arange(120.0).view(2, 3, 4, 5)
"""


@pytest.mark.parametrize("call", FROM_DATA + WITH_NUMPY + MEMORY + CONVERSIONS)
def test_calls(call: str) -> None:
    hold(f"{CLASSES}\nx = {call}\ndel Sequence, Number, image")


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    hold(PROGRAMS[name])
