"""Tensors from nothing, from Python and from other tensors."""

from __future__ import annotations

import pytest

from parity.data import DTYPES
from parity.programs import hold

CALLS = """
torch.tensor(7)
torch.tensor(7.5)
torch.tensor(True)
torch.tensor(1 + 2j)
torch.tensor([])
torch.tensor([[]])
torch.tensor([[], []])
torch.tensor([1, 2, 3])
torch.tensor([1, 2.5])
torch.tensor([True, False])
torch.tensor([True, 2])
torch.tensor([1j, 2])
torch.tensor((1, (2)))
torch.tensor(((1, 2), (3, 4)))
torch.tensor([[1, 2], [3, 4]], dtype=torch.float64)
torch.tensor([1.9, -1.9], dtype=torch.int64)
torch.tensor([0.0, 0.5], dtype=torch.bool)
torch.tensor([3], dtype=torch.uint8)
torch.tensor([1.0, 2.0], requires_grad=True)
torch.tensor(np.arange(6).reshape(2, 3))
torch.tensor(np.float32(2.5))
torch.tensor(np.arange(3, dtype=np.int16), dtype=torch.float32)
torch.tensor([np.float32(1), np.float32(2)])
torch.tensor([torch.tensor(1.0), torch.tensor(2.0)])
torch.tensor(range(4))
torch.tensor([2**40, -(2**62)])
torch.tensor([float("nan"), float("inf"), -float("inf")])
torch.tensor([1e40, 1e-50])
torch.as_tensor([1, 2])
torch.as_tensor(np.ones((2, 2)))
torch.as_tensor(torch.ones(2), dtype=torch.int32)
torch.zeros(2, 3)
torch.zeros((2, 3))
torch.zeros([2, 3])
torch.zeros(())
torch.zeros(0)
torch.zeros(2, 0, 3)
torch.zeros(3, dtype=torch.int64)
torch.zeros(2, 2, requires_grad=True)
torch.zeros(size=(2, 3))
torch.zeros(torch.Size([2, 1]))
torch.ones(2, 3)
torch.ones((), dtype=torch.bool)
torch.ones(2, dtype=torch.complex64)
torch.full((2, 3), 7)
torch.full((2,), 7.5)
torch.full((2,), True)
torch.full((), 1j)
torch.full((2, 3), 3, dtype=torch.float32)
torch.full((2,), float("nan"))
torch.full(size=(2,), fill_value=1)
torch.arange(5)
torch.arange(2, 8)
torch.arange(2, 8, 3)
torch.arange(5.0)
torch.arange(0, 1, 0.1)
torch.arange(1, 0, -0.25)
torch.arange(5, 0, -2)
torch.arange(0)
torch.arange(3, dtype=torch.float64)
torch.arange(0, 10, 3, dtype=torch.uint8)
torch.arange(2.5, 7)
torch.arange(start=1, end=4)
torch.arange(1, 4, requires_grad=True, dtype=torch.float32)
torch.empty(2, 3).shape
torch.empty(0, 3)
torch.empty((2, 3), dtype=torch.int8).dtype
torch.zeros_like(torch.ones(2, 3))
torch.zeros_like(torch.ones(2, 3).t())
torch.zeros_like(torch.ones(2, 3), dtype=torch.int32)
torch.zeros_like(torch.ones(1).expand(4))
torch.zeros_like(torch.ones(2, requires_grad=True))
torch.ones_like(torch.arange(3))
torch.ones_like(torch.zeros(2, 3, 4).permute(2, 0, 1))
torch.full_like(torch.ones(2), 3)
torch.full_like(torch.arange(3), 2.7)
torch.full_like(torch.ones(2), 3, dtype=torch.int64)
torch.empty_like(torch.ones(2, 3).t()).stride()
torch.rand_like(torch.zeros(3, 2)).shape
torch.randn_like(torch.zeros(3, 2, dtype=torch.float64))
torch.linspace(0, 1, 5)
torch.linspace(3, -3, 7)
torch.linspace(0, 10, 1)
torch.linspace(0, 10, 0)
torch.eye(3)
torch.eye(2, 4)
torch.ones(2, 3).size()
torch.ones(2, 3).size(1)
torch.ones(2, 3).size(-1)
torch.ones(2, 3).shape
torch.ones(2, 3).shape[0]
torch.ones(2, 3).numel()
torch.ones(2, 3).dim()
torch.ones(2, 3).ndim
torch.ones(2, 3).element_size()
torch.ones(2, 3).stride()
torch.ones(2, 3).stride(0)
torch.ones(4, 6)[1:, ::2].storage_offset()
torch.ones(2, 3).t().is_contiguous()
torch.ones(2, 3).is_contiguous()
torch.ones(2).is_floating_point()
torch.ones(2, dtype=torch.complex64).is_complex()
torch.ones(2).is_cuda
torch.ones(2).device.type
str(torch.ones(2).device)
torch.ones(2).dtype == torch.float
torch.double, torch.float, torch.half, torch.int, torch.long, torch.short
torch.float32.is_floating_point, torch.int8.is_floating_point, torch.complex64.is_complex
torch.tensor(3.5).item()
torch.tensor(3).item()
torch.tensor(True).item()
torch.tensor([[2.5]]).item()
torch.tensor(1 + 1j).item()
torch.arange(6).view(2, 3).tolist()
torch.tensor(2.5).tolist()
torch.zeros(2, 0).tolist()
torch.tensor([True, False]).tolist()
float(torch.tensor(2)), int(torch.tensor(2.9)), bool(torch.tensor([0.0]))
complex(torch.tensor(2.0))
[10, 20, 30][torch.tensor(1)]
len(torch.ones(3, 2))
list(torch.arange(3))
[row.sum().item() for row in torch.ones(2, 3)]
torch.is_tensor(torch.ones(1)), torch.is_tensor(1)
torch.equal(torch.ones(2), torch.ones(2)), torch.equal(torch.ones(2), torch.ones(3))
torch.allclose(torch.ones(2), torch.ones(2) + 1e-9)
2.0 in torch.tensor([1.0, 2.0])
isinstance(torch.ones(2), torch.Tensor)
torch.ones(2, 3).shape == (2, 3)
torch.ones(2, 3).shape + (4,)
torch.Size([2, 3]).numel()
torch.get_default_dtype()
torch.finfo(torch.float32).eps
torch.iinfo(torch.int8).max
torch.tensor([1, 2]).new_zeros(2)
torch.tensor([1, 2]).new_ones(2, 2)
torch.tensor([1.0]).new_full((2,), 3)
torch.tensor([1.0]).new_tensor([1, 2])
torch.tensor([1.0], dtype=torch.float64).new_empty(2, 3).dtype
torch.Tensor([1, 2]), torch.Tensor(2, 0), torch.Tensor()
torch.FloatTensor([1, 2]), torch.LongTensor([1, 2])
""".strip().splitlines()


@pytest.mark.parametrize("call", CALLS)
def test_creation(call: str) -> None:
    hold(f"x = {call}")


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_conversion(source: str, target: str) -> None:
    """From every dtype to every other, values that fit and fractions that are cut."""
    program = f"""
a = torch.tensor([0, 1, 2, 100], dtype=torch.{source})
b = a.to(torch.{target})
c = torch.tensor([0.0, 0.75, 1.5, 2.25]).to(torch.{source}).to(torch.{target})
d = a.type_as(b)
same = a.to(torch.{target}) is a
"""
    hold(program)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_methods(dtype: str) -> None:
    hold(f"""
a = torch.tensor([0, 1, 3], dtype=torch.{dtype})
values = [a.float(), a.double(), a.half(), a.bfloat16(), a.int(), a.long(), a.short(), a.bool(), a.byte(), a.char()]
text = str(a.dtype)
kind = a.dtype.is_floating_point, a.dtype.is_complex, a.dtype.is_signed, a.dtype.itemsize
listed = a.tolist()
whole = a.to("cpu"), a.cpu(), a.clone(), a.contiguous(), a.detach()
""")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("maker", ["zeros(2, 3", "ones(2, 3", "full((2, 3), 1", "tensor([0, 1]", "arange(3"])
def test_makers_with_dtype(maker: str, dtype: str) -> None:
    hold(f"x = torch.{maker}, dtype=torch.{dtype})")
