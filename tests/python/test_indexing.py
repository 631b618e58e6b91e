"""Reading and writing with indices, held against NumPy, whose basic indexing is the same but for steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustnn as torch


def pair(*shape: int) -> tuple[torch.Tensor, np.ndarray]:
    """The same numbers as a tensor and as an array, in memory of their own."""
    array = np.arange(int(np.prod(shape))).reshape(shape)
    return torch.from_numpy(array.copy()), array


INDICES: list[Any] = [
    0,
    -1,
    (1, 2),
    (0, 1, 2),
    slice(1, None),
    slice(None, None, 2),
    (slice(None), 1),
    (..., 1),
    (0, ...),
    (..., slice(1, 3)),
    None,
    (None, 1),
    (slice(None), None, slice(1, 2)),
    (0, None, 1, None),
    ...,
    (),
    slice(5, 9),
    slice(2, 1),
    slice(-2, None),
    slice(-100, 100),
    (slice(None), slice(0, 3, 2), slice(1, None, 3)),
]


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_read(index: Any) -> None:
    x, a = pair(3, 4, 5)
    part = x[index]
    assert tuple(part.shape) == a[index].shape
    assert np.array_equal(part.numpy(), a[index])
    if part.numel():
        assert [8 * s for s in part.stride()] == list(a[index].strides) or 1 in part.shape
        part.fill_(-7)
        a[index] = -7
        assert np.array_equal(x.numpy(), a), "a basic index gives a view"


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_write(index: Any) -> None:
    x, a = pair(3, 4, 5)
    x[index] = 99
    a[index] = 99
    assert np.array_equal(x.numpy(), a)
    values = np.arange(a[index].size).reshape(a[index].shape)
    x[index] = torch.from_numpy(values)
    a[index] = values
    assert np.array_equal(x.numpy(), a)
    if values.ndim:
        row = values[..., :1]
        x[index] = torch.from_numpy(row.copy())
        a[index] = row
        assert np.array_equal(x.numpy(), a), "values broadcast into the place"


def test_writing_converts() -> None:
    x = torch.zeros(3, dtype=torch.int64)
    x[0] = 2.7
    x[1] = True
    x[2] = torch.tensor(-1.9)
    assert x.tolist() == [2, 1, -1]
    y = torch.zeros(2)
    y[0] = torch.tensor(3, dtype=torch.int8)
    assert y.tolist() == [3, 0]


def test_overlapping_writes() -> None:
    x = torch.arange(6)
    x[1:] = x[:-1].clone()
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    m = torch.arange(9).view(3, 3)
    m[0], m[1] = m[1].clone(), m[0].clone()
    assert m.tolist() == [[3, 4, 5], [0, 1, 2], [6, 7, 8]]


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (3, IndexError),
        (-4, IndexError),
        ((0, 4), IndexError),
        ((0, 0, 0, 0), IndexError),
        (slice(None, None, -1), ValueError),
        (slice(None, None, 0), ValueError),
        ("x", (IndexError, TypeError)),
        (1.5, (IndexError, TypeError)),
        pytest.param(object(), (IndexError, TypeError), id="an object"),
        (2**70, (IndexError, ValueError, OverflowError)),
    ],
    ids=repr,
)
def test_wrong_index(index: Any, error: Any) -> None:
    x, a = pair(3, 4, 5)
    with pytest.raises(error):
        x[index]
    with pytest.raises(error):
        x[index] = 0
    assert np.array_equal(x.numpy(), a), "a failed write changes nothing"


def test_wrong_values() -> None:
    x = torch.zeros(3, 4)
    for value in (torch.ones(5), torch.ones(2, 3, 4)):
        with pytest.raises(RuntimeError):
            x[0] = value
    with pytest.raises((TypeError, RuntimeError)):
        x[0] = "x"
    with pytest.raises(IndexError):
        torch.tensor(1.0)[0]


def one_ellipsis(index: list[Any]) -> tuple[Any, ...]:
    """NumPy takes one `...` at most; PyTorch reads the others as `:`."""
    first = index.index(...) if ... in index else -1
    return tuple(slice(None) if item is ... and i != first else item for i, item in enumerate(index))


@st.composite
def program(draw: Any) -> tuple[tuple[int, ...], list[Any]]:
    """A shape, and a chain of basic indices that may or may not fit it."""
    shape = tuple(draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    ends = st.none() | st.integers(-7, 7)
    element = (
        st.integers(-6, 6)
        | st.builds(slice, ends, ends, st.none() | st.integers(1, 4))
        | st.just(None)
        | st.just(...)
    )
    chain = draw(
        st.lists(st.lists(element, min_size=0, max_size=5).map(one_ellipsis), min_size=1, max_size=3)
    )
    return shape, chain


@settings(max_examples=400)
@given(program())
def test_chains_against_numpy(case: tuple[tuple[int, ...], list[Any]]) -> None:
    shape, chain = case
    x, a = pair(*shape)
    part, expected = x, a
    for index in chain:
        try:
            expected = expected[index]
        except IndexError:
            with pytest.raises(IndexError):
                part[index]
            return
        part = part[index]
        if not isinstance(expected, np.ndarray):
            assert part.item() == expected
            return
        assert np.array_equal(part.numpy(), expected)
    part.add_(100)
    expected += 100
    assert np.array_equal(x.numpy(), a)
