"""Reductions, scans, selection and indexed writes at sizes around what their kernels take together: odd ones, strides
of every kind, NaN and infinities. The last test holds sums against float64: no less exact than PyTorch's."""

from __future__ import annotations

import pytest
import torch

import rustnn
from parity.programs import hold

SHAPES = [(3, 7), (1, 33), (5, 64), (9, 257), (300, 9), (2, 5000), (1100, 33), (64, 1030)]

# x is a matrix with NaN, infinities and equal elements here and there; y the same without.
SETUP = """
y = (t({rows}, {cols}) * 8).round() / 8
x = y.clone()
x[{rows} // 2, {cols} // 3] = nan
x[0, -1] = inf
x[-1, 0] = -inf
w = t({rows}, 2 * {cols})[:, ::2]
z = t({cols}, {rows}).t()
ix = ints({rows}, {cols}, low=0, high={rows} - 1)
"""

ORDER = """
a = [v.amax(d) for v in (x, y, z, w) for d in (0, 1)] + [v.min() for v in (x, y, z, w)] + [v.aminmax() for v in (y, w)]
b = [v.max(d) for v in (x, y, z, w) for d in (0, 1)] + [v.argmin(d) for v in (x, y) for d in (0, 1, None)]
c = [v.cummax(d) for v in (x, y, z) for d in (0, 1)] + [v.cummin(d) for v in (x, y) for d in (0, 1)]
k = min({cols}, 3)
d = [v.topk(k, largest=g)[0] for v in (x, y, z, w) for g in (True, False)]
e = [v.kthvalue(k)[0] for v in (y, z, w)] + [y.flatten().kthvalue(2)[0], y.flatten().topk(2)[0]]
f = [v.sort(d, stable=True, descending=g) for v in (x, y, z) for d in (0, 1) for g in (True, False)]
g = [(v * 4).to(q).sort(stable=True) for v in (y,) for q in (torch.int64, torch.int16, torch.uint8, torch.float16)]
h = (y * 4).long().unique(return_inverse=True, return_counts=True)
"""

SUMS = """
a = [v.sum(d) for v in (x, y, z, w) for d in (0, 1)] + [v.sum() for v in (x, y, w)] + [v.mean(d) for v in (y, z) for d in (0, 1)]
b = [torch.linalg.vector_norm(v, p, dim=d) for v in (x, y, z, w) for p in (1, 2) for d in (0, 1, None)]
c = [v.cumsum(d) for v in (x, y, z) for d in (0, 1)] + [v.cumprod(d) for v in (y, z) for d in (0, 1)]
d = [v.softmax(d) for v in (x, y, z) for d in (0, 1)] + [v.log_softmax(1) for v in (x, y, z)]
"""

INDEXED = """
a = [y.gather(0, ix), x.index_select(0, ix[:, 0]), z.index_select(0, ix[:, 0]), torch.take(y, ix)]
b = [y.clone().scatter_add_(0, ix, y), y.clone().index_add_(0, ix[:, 0], z), z.clone().index_add_(0, ix[:, 0], w)]
c = [y.flatten().index_add(0, ix.flatten(), w.flatten()), torch.searchsorted(y.flatten().sort()[0], x)]
d = [torch.searchsorted(y.sort()[0], z.contiguous(), right=g) for g in (True, False)]
"""


@pytest.mark.parametrize(("rows", "cols"), SHAPES)
def test_order(rows: int, cols: int) -> None:
    hold((SETUP + ORDER).format(rows=rows, cols=cols))


@pytest.mark.parametrize(("rows", "cols"), SHAPES)
def test_sums(rows: int, cols: int) -> None:
    hold((SETUP + SUMS).format(rows=rows, cols=cols), rtol=1e-5, of_largest=2e-6)


@pytest.mark.parametrize(("rows", "cols"), SHAPES)
def test_indexed(rows: int, cols: int) -> None:
    hold((SETUP + INDEXED).format(rows=rows, cols=cols), rtol=1e-5, of_largest=2e-6)


NARROW = """
s = [v.to(q) for q in (torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.uint8, torch.bool) for v in [y]]
a = [v.amax(d) for v in s for d in (0, 1)] + [v.max() for v in s] + [v.max(1) for v in s] + [v.max(0) for v in s[:5]]
b = [v.sum(d, dtype=torch.float64) for v in s[:2] for d in (0, 1)] + [v.sum(d) for v in s[2:] for d in (0, 1)]
"""


@pytest.mark.parametrize(("rows", "cols"), SHAPES[1:5])
def test_other_dtypes(rows: int, cols: int) -> None:
    hold((SETUP.split("x = ")[0] + NARROW).format(rows=rows, cols=cols))


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_distances_of_many_rows(offset: float) -> None:
    hold(
        f"a, b = t(37, 70), t(70, 70) + {offset}; d = [torch.cdist(a, b, p) for p in (1.0, 2.0)]",
        rtol=1e-4,
        of_largest=1e-5,
    )


@pytest.mark.parametrize(("shape", "dim"), [((1 << 20,), 0), ((300, 4099), 1), ((4099, 300), 0)])
def test_sums_are_as_exact_as_pytorch(shape: tuple[int, ...], dim: int) -> None:
    torch.manual_seed(0)
    x = torch.rand(shape) + 0.5
    exact = x.double().sum(dim)
    theirs = (x.sum(dim) - exact).abs().max()
    ours = (torch.from_numpy(rustnn.from_numpy(x.numpy()).sum(dim).numpy()) - exact).abs().max()
    assert ours <= torch.maximum(theirs, exact.abs().max() * 2**-24)
