"""Tensors without PyTorch at hand: known values, NumPy as the judge, and laws that must hold."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustnn as torch

FLOATS = {"float32": np.float32, "float64": np.float64}
DTYPES = {
    **FLOATS,
    "float16": np.float16,
    "uint8": np.uint8,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "bool": np.bool_,
    "complex64": np.complex64,
    "complex128": np.complex128,
}


def test_creation() -> None:
    x = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert x.shape == (2, 3)
    assert x.size() == torch.Size([2, 3])
    assert x.dtype == torch.int64
    assert x.stride() == (3, 1)
    assert x.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert torch.tensor(7).shape == ()
    assert torch.tensor([1.0, 2]).dtype == torch.float32
    assert torch.tensor([True]).dtype == torch.bool
    assert torch.tensor([1j]).dtype == torch.complex64
    assert torch.zeros(2, 0).tolist() == [[], []]
    assert torch.full((2,), 7).dtype == torch.int64
    assert torch.arange(1, 10, 4).tolist() == [1, 5, 9]
    assert torch.arange(0, 1, 0.25).tolist() == [0.0, 0.25, 0.5, 0.75]
    assert torch.ones(2, dtype=torch.float64).dtype is torch.double
    assert torch.zeros_like(x).dtype == torch.int64


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_shares_memory(name: str) -> None:
    array: np.ndarray = np.arange(6).reshape(2, 3).astype(DTYPES[name])
    x = torch.from_numpy(array)
    assert x.dtype == getattr(torch, name)
    back = x.numpy()
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    array[0, 0] = 1
    assert x[0, 0].item() == 1
    x[1, 1] = 0
    assert array[1, 1] == 0
    assert np.shares_memory(back, array)


def test_numpy_outlives_the_tensor() -> None:
    array = torch.arange(1000.0).numpy()
    assert array.sum() == 499500


def test_promotion() -> None:
    i, f, d = torch.tensor([1, 2]), torch.tensor([0.5, 1]), torch.tensor([0.5, 1], dtype=torch.float64)
    assert (i + f).dtype == torch.float32
    assert (f + d).dtype == torch.float64
    assert (i + 1).dtype == torch.int64
    assert (i + 1.5).dtype == torch.float32
    assert (i / 2).dtype == torch.float32
    assert (f * torch.tensor(2.0, dtype=torch.float64)).dtype == torch.float32
    assert (f + 1j).dtype == torch.complex64
    assert (torch.tensor([True]) + torch.tensor([True])).dtype == torch.bool
    assert (i > 1).dtype == torch.bool
    assert i.to(torch.uint8).add(torch.tensor([1], dtype=torch.int8)).dtype == torch.int16
    assert torch.ones(1, dtype=torch.float16).add(torch.ones(1, dtype=torch.bfloat16)).dtype == torch.float32
    with pytest.raises(RuntimeError):
        i.add_(1.5)


def test_views_share_and_copies_do_not() -> None:
    x = torch.arange(12.0)
    m = x.view(3, 4)
    m[1] = 0
    assert x[4:8].sum().item() == 0
    assert m.t().is_contiguous() is False
    assert m.t().contiguous().is_contiguous()
    m.t()[0, 0] = 50
    assert x[0].item() == 50
    c = m.clone()
    c.fill_(1)
    assert m.max().item() == 50
    assert m.reshape(-1).data_ptr() == x.data_ptr()
    assert m.t().reshape(-1).data_ptr() != x.data_ptr()
    with pytest.raises(RuntimeError):
        m.t().view(-1)


def test_shapes() -> None:
    x = torch.arange(24).view(2, 3, 4)
    assert x.permute(2, 0, 1).shape == (4, 2, 3)
    assert x.permute(2, 0, 1).stride() == (1, 12, 4)
    assert x.transpose(0, -1).shape == (4, 3, 2)
    assert x.unsqueeze(1).shape == (2, 1, 3, 4)
    assert x.unsqueeze(1).squeeze(1).shape == x.shape
    assert x[:, :1].expand(2, 5, 4).stride() == (12, 0, 1)
    assert x.flatten().tolist() == list(range(24))
    assert torch.cat([x, x], 1).shape == (2, 6, 4)
    assert torch.stack([x, x], -1).shape == (2, 3, 4, 2)
    with pytest.raises(RuntimeError):
        x.view(5, 5)
    with pytest.raises(IndexError):
        x.transpose(0, 3)
    with pytest.raises(RuntimeError):
        x.expand(3, 3, 4)


def test_reductions() -> None:
    x = torch.tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])
    assert x.sum().item() == 21
    assert x.sum(0).tolist() == [5, 7, 9]
    assert x.sum(1, keepdim=True).shape == (2, 1)
    assert x.mean(1).tolist() == [3, 4]
    assert x.max().item() == 6
    values, indices = x.max(1)
    assert (values.tolist(), indices.tolist()) == ([5, 6], [1, 2])
    assert x.argmax().item() == 5
    assert x.argmax(0).tolist() == [1, 0, 1]
    assert x.min(0).values.tolist() == [1, 2, 3]
    assert torch.tensor([True, True]).sum().item() == 2
    assert torch.zeros(0).sum().item() == 0
    assert np.isnan(torch.zeros(0).mean().item())
    with pytest.raises(RuntimeError):
        torch.zeros(0).max()
    with pytest.raises(IndexError):
        x.sum(2)
    with pytest.raises(RuntimeError):
        torch.arange(3).mean()


def test_large_sums_keep_their_precision() -> None:
    """A sum of a million equal floats: naive accumulation would lose the third digit."""
    n = 1_000_000
    assert abs(torch.full((n,), 0.1).sum().item() / (0.1 * n) - 1) < 1e-6
    assert abs(torch.full((n, 1), 0.1).sum(0).item() / (0.1 * n) - 1) < 1e-5


def test_matmul_known() -> None:
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4)
    assert (a @ b).tolist() == [[20, 23, 26, 29], [56, 68, 80, 92]]
    assert (a @ torch.ones(3)).tolist() == [3, 12]
    assert torch.arange(3.0).matmul(torch.arange(3.0)).item() == 5
    assert (torch.ones(2, 0) @ torch.ones(0, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert (torch.ones(5, 1, 2, 3) @ torch.ones(4, 3, 2)).shape == (5, 4, 2, 2)
    with pytest.raises(RuntimeError, match="2x3"):
        a @ a


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 3, 4), (17, 33, 9), (64, 64, 64), (130, 257, 71), (1, 500, 1)]
)
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
def test_matmul_against_numpy(shape: tuple[int, int, int], layout: str) -> None:
    m, k, n = shape
    numbers = np.random.default_rng(m * 1000 + n)
    a = numbers.normal(size=(m, k) if layout[0] == "n" else (k, m)).astype(np.float32)
    b = numbers.normal(size=(k, n) if layout[1] == "n" else (n, k)).astype(np.float32)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    x, a = (x, a) if layout[0] == "n" else (x.t(), a.T)
    y, b = (y, b) if layout[1] == "n" else (y.t(), b.T)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose((x @ y).numpy(), exact, rtol=1e-4, atol=1e-5 * k**0.5)


def test_repr() -> None:
    assert repr(torch.tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(torch.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(torch.tensor(3)) == "tensor(3)"
    assert repr(torch.tensor([[1, -2], [30, 4]])) == "tensor([[ 1, -2],\n        [30,  4]])"
    assert repr(torch.tensor([1.0], requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert repr(torch.tensor([True])) == "tensor([True])"
    assert repr(torch.zeros(0)) == "tensor([])"
    assert "..." in repr(torch.arange(5000))
    assert repr(torch.Size([2, 3])) == "torch.Size([2, 3])"


def test_python_protocols() -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    assert [v.item() for v in x] == [1, 2, 3]
    assert len(x) == 3
    assert 2.0 in x
    assert float(x[1]) == 2.0
    assert int(torch.tensor(3)) == 3
    assert "abc"[torch.tensor(1)] == "b"
    assert bool(torch.tensor([5]))
    assert f"{x[0]:.2f}" == "1.00"
    assert {x: 1}[x] == 1
    assert pickle.loads(pickle.dumps(x)).tolist() == [1, 2, 3]
    with pytest.raises(TypeError):
        len(torch.tensor(1))
    with pytest.raises(RuntimeError):
        bool(x)
    with pytest.raises(RuntimeError):
        x.item()


def test_memory_errors_are_exceptions() -> None:
    for shape in [(2**62,), (2**40, 2**40), (2**31, 2**31, 2**31)]:
        with pytest.raises((RuntimeError, MemoryError, TypeError)):
            torch.zeros(*shape)
    with pytest.raises(RuntimeError):
        torch.zeros(-1)


# ---- laws ----------------------------------------------------------------------------------------------

SIZES = st.lists(st.integers(0, 4), min_size=0, max_size=4)


@st.composite
def arrays(draw: Any, dtype: type = np.float32) -> np.ndarray:
    """An array of up to four small dims, possibly a transposed or strided view."""
    shape = tuple(draw(SIZES))
    seed = draw(st.integers(0, 2**16))
    array: np.ndarray = np.random.default_rng(seed).integers(-5, 6, shape).astype(dtype)
    if draw(st.booleans()):
        array = array.T
    if array.ndim and array.shape[0] > 1 and draw(st.booleans()):
        array = array[::2]
    return array


def of(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


UNARY = {"neg": np.negative, "abs": np.abs, "exp": np.exp, "sin": np.sin, "tanh": np.tanh, "floor": np.floor}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "maximum": np.maximum,
    "lt": np.less,
    "eq": np.equal,
}


@given(arrays(), st.sampled_from(sorted(UNARY)))
def test_unary_against_numpy(array: np.ndarray, name: str) -> None:
    ours = getattr(torch, name)(of(array)).numpy()
    np.testing.assert_allclose(ours, UNARY[name](array), rtol=2e-6, atol=1e-6)


@given(arrays(), arrays(), st.sampled_from(sorted(BINARY)))
def test_binary_against_numpy(a: np.ndarray, b: np.ndarray, name: str) -> None:
    """The same broadcast result as NumPy's, or an error on both sides."""
    try:
        expected = BINARY[name](a, b)
    except ValueError:
        with pytest.raises(RuntimeError):
            getattr(torch, name)(of(a), of(b))
        return
    ours = getattr(torch, name)(of(a), of(b))
    assert tuple(ours.shape) == expected.shape
    np.testing.assert_array_equal(ours.numpy(), expected)


@given(arrays(), st.data())
def test_sums_against_numpy(array: np.ndarray, data: st.DataObject) -> None:
    dims = data.draw(st.sets(st.integers(0, max(array.ndim - 1, 0)), max_size=array.ndim))
    keep = data.draw(st.booleans())
    if not dims:
        assert of(array).sum().item() == array.sum()
        return
    ours = of(array).sum(tuple(dims), keepdim=keep).numpy()
    np.testing.assert_array_equal(ours, array.sum(tuple(dims), keepdims=keep))


@given(arrays(np.int64), st.data())
def test_permutations_and_back(array: np.ndarray, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(array.ndim)))
    moved = of(array).permute(*order) if order else of(array)
    np.testing.assert_array_equal(moved.numpy(), array.transpose(order))
    back = [order.index(i) for i in range(array.ndim)]
    again = moved.permute(*back) if back else moved
    assert torch.equal(again, of(array))
    assert moved.contiguous().is_contiguous()
    assert torch.equal(moved.contiguous(), moved)
    assert moved.reshape(-1).tolist() == moved.contiguous().view(-1).tolist()


@given(arrays(np.int64))
def test_split_and_join(array: np.ndarray) -> None:
    x = of(array)
    if x.dim():
        for dim in range(x.dim()):
            parts = x.split(2, dim)
            assert torch.equal(torch.cat(parts, dim), x)
            if x.size(dim):
                assert torch.equal(torch.stack(x.unbind(dim), dim), x)


@settings(max_examples=200)
@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
def test_scalars_like_numpy(a: float, b: float) -> None:
    with np.errstate(all="ignore"):
        x, y = np.float32(a), np.float32(b)
        for ours, theirs in (
            (torch.tensor([a]) + b, x + y),
            (torch.tensor([a]) * torch.tensor(b), x * y),
            (b - torch.tensor([a]), y - x),
            (torch.tensor([a]) / b if b else torch.tensor([0.0]), x / y if b else 0),
        ):
            assert ours.item() == float(theirs)


@given(st.floats(allow_nan=True, width=32), st.floats(allow_nan=True, width=32))
def test_nan_and_infinity(a: float, b: float) -> None:
    x, y = torch.tensor([a, b]), torch.tensor([b, a])
    pair = np.array([a, b], dtype=np.float32)
    assert (x == x).tolist() == (pair == pair).tolist()
    np.testing.assert_array_equal(torch.maximum(x, y).numpy(), np.maximum(pair, pair[::-1]))
    np.testing.assert_array_equal(x.max().numpy(), pair.max())
    assert x.argmax().item() == int(pair.argmax())
