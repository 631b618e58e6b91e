"""Scans, masks, sorting and searching on a GPU against the CPU: dtypes, layouts, lengths that take other kernels, NaN,
gradients, and the order of equal elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from device_calls import alike, moved, tensors

import rustnn as torch

INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
COMPLEX = [torch.complex64, torch.complex128]
NAN = float("nan")


def made(shape: tuple[int, ...], dtype: Any, low: int = -9, high: int = 9) -> Any:
    """Small numbers with many equal ones, exact in every dtype."""
    if dtype == torch.bool:
        return torch.randint(0, 2, shape).to(dtype)
    whole = torch.randint(0 if dtype == torch.uint8 else low, high, shape)
    if dtype in COMPLEX:
        return torch.complex(whole.float(), torch.randint(low, high, shape).float()).to(dtype)
    return (whole / 4).to(dtype) if dtype in FLOATS else whole.to(dtype)


def same(f: Callable[..., Any], *args: Any, exact: bool = False) -> None:
    """Whether `f` does on the GPU what it does on the CPU, gradients too."""
    results, gradients = [], []
    for device in ("cpu", "cuda"):
        arguments = moved(args, device)
        found = tensors(f(*arguments))
        assert all(t.device.type == device for t in found)
        results.append(found)
        leaves = [t for t in tensors(arguments) if t.requires_grad]
        roots = [t for t in found if t.requires_grad]
        weights = [
            torch.arange(1.0, t.numel() + 1).reshape(t.shape).to(t.dtype).to(device) / 8 for t in roots
        ]
        gradients.append(torch.autograd.grad(roots, leaves, weights) if roots else [])
    assert len(results[0]) == len(results[1])
    for a, b in zip([*results[0], *gradients[0]], [*results[1], *gradients[1]], strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.stride() == b.stride()
        assert alike(b, a), (a, b.cpu())
        if exact and a.is_floating_point():
            assert a.double().tolist() == b.cpu().double().tolist() or bool(a.isnan().any())


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(3)


# ---- scans ----
@pytest.mark.parametrize("dtype", [torch.bool, *INTEGERS, *FLOATS, *COMPLEX])
def test_running_sums_and_products_of_every_dtype(dtype: Any) -> None:
    x = made((3, 40), dtype, -2, 3)
    same(lambda x: torch.cumsum(x, 1), x)
    same(lambda x: torch.cumsum(x, 0), x)
    same(lambda x: torch.cumprod(x, 0), x)
    if dtype in FLOATS + COMPLEX:
        same(lambda x: torch.logcumsumexp(x, 1), x)
    if dtype not in COMPLEX:
        same(lambda x: [torch.cummax(x, 1), torch.cummin(x, 0)], x, exact=True)


@pytest.mark.parametrize("length", [1, 2, 31, 33, 300, 1025, 2049, 17000])
def test_scans_of_lines_of_any_length(length: int) -> None:
    x = made((2, length), torch.float64)
    same(lambda x: torch.cumsum(x, 1), x)
    same(lambda x: [torch.cummax(x, -1), torch.cummin(x, -1)], x, exact=True)
    same(lambda x: torch.cumsum(x, 0), x.t())
    same(lambda x: torch.cumsum(x, 0), x.t().contiguous())
    same(lambda x: torch.cummax(x, 0), x.t().contiguous(), exact=True)


def test_scans_of_odd_shapes() -> None:
    for shape, dim in [
        ((), 0),
        ((0,), 0),
        ((3, 0), 1),
        ((0, 3), 1),
        ((2, 3, 4, 5), 1),
        ((2, 3, 4, 5), -1),
        ((1, 70, 1), 1),
    ]:
        x = made(shape, torch.float32)
        same(lambda x, dim=dim: torch.cumsum(x, dim), x)
        same(lambda x, dim=dim: torch.cumprod(x, dim), x)
        same(lambda x, dim=dim: torch.cummax(x, dim), x)
        same(lambda x, dim=dim: torch.logcumsumexp(x, dim), x)
    x = made((4, 6, 5), torch.float32).transpose(0, 2)[:, ::2]
    same(lambda x: [torch.cumsum(x, d) for d in range(3)], x)
    same(lambda x: torch.cumsum(x, 1), torch.ones(3, 1).expand(3, 50))


def test_gradients_of_scans() -> None:
    x = torch.randn(3, 50, dtype=torch.float64)
    x[0, 3] = x[1, 7] = x[1, 9] = 0.0
    x.requires_grad_()
    for f in (torch.cumsum, torch.cumprod, torch.logcumsumexp):
        same(lambda x, f=f: f(x, 1), x)
        same(lambda x, f=f: f(x, 0), x)
    same(lambda x: [torch.cummax(x, 1)[0], torch.cummin(x, 0)[0]], x)
    same(lambda x: torch.prod(x, 1), x)
    g = torch.randn(5, dtype=torch.float64).requires_grad_()

    def second(x: Any) -> Any:
        (first,) = torch.autograd.grad(torch.cumprod(x, 0).sum(), x, create_graph=True)
        return first.square()

    same(second, g)


def test_extremes_win_as_on_the_cpu() -> None:
    x = torch.tensor([1.0, NAN, 0.0, NAN, 2.0, -0.0, math.inf, -math.inf])
    same(lambda x: [torch.cummax(x, 0), torch.cummin(x, 0)], x)
    same(lambda x: [torch.cummax(x, 0), torch.cummin(x, 0)], torch.tensor([2, 2, 1, 2, 1, 1, 3]))
    same(lambda x: torch.logcumsumexp(x, 0), torch.tensor([-math.inf, -math.inf, 1.0, 2.0, math.inf, NAN]))


def test_scans_repeat() -> None:
    x = torch.randn(40000).to("cuda")
    assert torch.cumsum(x, 0).tolist() == torch.cumsum(x, 0).tolist()


# ---- masks ----
@pytest.mark.parametrize("dtype", [torch.bool, *INTEGERS, *FLOATS, *COMPLEX])
def test_masks_of_every_dtype(dtype: Any) -> None:
    x, mask = made((5, 7), dtype), torch.randint(0, 2, (5, 7)).bool()
    same(lambda x, m: x.masked_fill(m, 1), x, mask)
    same(lambda x, m: torch.masked_select(x, m), x, mask)
    same(lambda x, m: x[m], x, mask)
    same(lambda x, m: x.masked_scatter(m, x.flip(0)), x, mask)
    same(lambda x: torch.nonzero(x), x)
    same(lambda x: torch.count_nonzero(x), x)

    def assigned(x: Any, m: Any) -> Any:
        y = x.clone()
        y[m] = 1
        z = x.clone()
        z[m] = x[m].flip(0)
        return y, z

    same(assigned, x, mask)


@pytest.mark.parametrize("n", [1, 31, 32, 513, 4096, 4097, 20000])
def test_compaction_of_any_length(n: int) -> None:
    x, mask = torch.arange(n), torch.randint(0, 2, (n,)).bool()
    same(lambda x, m: [x[m], m.nonzero(), torch.where(m), m.nonzero(as_tuple=True)], x, mask)
    for m in (torch.zeros(n).bool(), torch.ones(n).bool()):
        same(lambda x, m: [x[m], m.nonzero()], x, m)


def test_masks_of_odd_shapes() -> None:
    x = made((4, 5, 6), torch.float32)
    m = torch.randint(0, 2, (4, 5)).bool()
    same(lambda x, m: x[m], x, m)
    same(lambda x, m: x[:, m[0]], x, m)
    same(lambda x, m: x[m[:, 0], :, 1:3], x, m)
    same(lambda x, m: torch.masked_select(x, m[..., None]), x, m)
    same(lambda x, m: x.transpose(0, 1)[m.t()], x, m)
    same(lambda x, m: x.masked_fill(m[..., None], NAN).isnan(), x, m)
    same(lambda x: [x[torch.tensor(True).to(x.device)], x[torch.tensor(False).to(x.device)]], x)
    for shape in [(), (0,), (0, 3), (3, 0, 2)]:
        y = made(shape, torch.float32)
        same(lambda y: [y.nonzero(), torch.argwhere(y), y[y > 0], torch.masked_select(y, y > 0)], y)
        same(lambda y: [y.nonzero(as_tuple=True), y.masked_fill(y > 0, 2.0)], y)
    z = made((3, 2, 2, 3, 2), torch.int64, 0, 2)
    same(lambda z: [z.nonzero(), z.nonzero(as_tuple=True), torch.argwhere(z)], z)
    same(lambda z: [torch.nonzero_static(z, size=5), torch.nonzero_static(z, size=90, fill_value=-7)], z)
    same(lambda x: torch.where(x > 0, x, 0.5), x)


def test_gradients_of_masks() -> None:
    x, m = torch.randn(4, 5, dtype=torch.float64).requires_grad_(), torch.randint(0, 2, (4, 5)).bool()
    v = torch.randn((), dtype=torch.float64).requires_grad_()
    s = torch.randn(20, dtype=torch.float64).requires_grad_()
    same(lambda x, m: x[m], x, m)
    same(lambda x, m: x[m[:, 0]], x, m)
    same(lambda x, m: torch.masked_select(x, m), x, m)
    same(lambda x, m, v: x.masked_fill(m, v), x, m, v)
    same(lambda x, m, s: x.masked_scatter(m, s), x, m, s)
    same(lambda x, m, s: torch.where(m, x, s[:5]), x, m, s)

    def assigned(x: Any, m: Any, v: Any) -> Any:
        y = x * 1
        y[m] = v
        y[m[:, 1]] = 2 * y[m[:, 1]]
        return y

    same(assigned, x, m, v)


def test_bad_masks() -> None:
    x = torch.zeros(3, 4).to("cuda")
    for call in (
        lambda: x.masked_fill(torch.ones(3, 4).to("cuda"), 1),
        lambda: x[torch.ones(4, 3).bool().to("cuda")],
        lambda: x.masked_scatter(torch.ones(3, 4).bool().to("cuda"), torch.ones(5).to("cuda")),
        lambda: torch.masked_select(x, torch.ones(5).bool().to("cuda")),
        lambda: torch.nonzero_static(x, size=-1),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            call()


# ---- order ----
@pytest.mark.parametrize("dtype", [torch.bool, *INTEGERS, *FLOATS])
@pytest.mark.parametrize("length", [9, 2500])
def test_sort_of_every_dtype(dtype: Any, length: int) -> None:
    x = made((2, length), dtype)
    if dtype in FLOATS:
        x[0, 3] = x[1, 7] = x[1, 5] = NAN
        x[0, 1], x[0, 6], x[1, 2], x[1, 0] = -0.0, 0.0, math.inf, -math.inf
    same(lambda x: torch.sort(x, dim=1, stable=True), x)
    same(lambda x: torch.sort(x, dim=1, descending=True, stable=True), x)
    wide = {torch.int32: 2**31 - 1, torch.int64: 2**63 - 1, torch.int16: 2**15 - 1}.get(dtype)
    if wide:
        y = torch.randint(-wide, wide, (length,)).to(dtype)
        same(lambda y: [torch.sort(y), torch.sort(y, descending=True)], y)


def test_sort_keeps_the_sign_of_zero() -> None:
    for n in (4, 3000):
        x = torch.tensor([0.0, -0.0, -1.0, 1.0]).repeat(n // 4)
        a, b = torch.sort(x)[0], torch.sort(x.to("cuda"))[0].cpu()
        assert torch.signbit(a).tolist() == torch.signbit(b).tolist()


def test_sort_of_odd_shapes() -> None:
    for shape, dim in [
        ((), 0),
        ((0,), 0),
        ((3, 0), 1),
        ((0, 3), 1),
        ((1,), 0),
        ((70, 3), 0),
        ((2, 9, 3, 2), 1),
    ]:
        x = made(shape, torch.float32)
        same(lambda x, dim=dim: torch.sort(x, dim), x)
        same(lambda x, dim=dim: torch.argsort(x, dim, descending=True), x)
    x = made((6, 5, 4), torch.int32).transpose(0, 2)[:, 1:]
    same(lambda x: [torch.sort(x, d) for d in range(3)], x)
    same(lambda x: [torch.msort(x), x.argsort(1, True)], x)
    with pytest.raises((TypeError, RuntimeError)):
        torch.sort(made((3,), torch.complex64).to("cuda"))


@pytest.mark.parametrize("length", [1, 2, 10, 33, 2200])
def test_picks(length: int) -> None:
    x = made((3, length), torch.float32)
    order = torch.randperm(3 * length).reshape(3, length).float()
    k = (length + 1) // 2
    same(lambda x: [torch.topk(x, k), torch.topk(x, k, largest=False)], order)
    same(lambda x: torch.kthvalue(x, k), order)
    same(lambda x: [torch.median(x, 1), torch.nanmedian(x, 1), torch.median(x), torch.nanmedian(x)], order)
    same(lambda x: torch.mode(x, 1), x)
    same(lambda x: torch.mode(x, 1), made((3, length), torch.int64, 0, 4))
    same(lambda x: torch.median(x, 0, keepdim=True), x)
    with_nan = x.clone()
    with_nan[0, length // 2] = with_nan[1, 0] = with_nan[1, length - 1] = NAN
    with_nan[2] = NAN
    same(lambda x: [torch.median(x, 1), torch.nanmedian(x, 1), torch.median(x), torch.nanmedian(x)], with_nan)
    same(
        lambda x: [torch.quantile(x, 0.3, 1), torch.nanquantile(x, torch.tensor([0.1, 0.9]).to(x.device), 1)],
        with_nan,
    )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float16, torch.float32, torch.float64])
def test_ranks_in_long_lines(dtype: Any) -> None:
    torch.manual_seed(5)
    x = (torch.randn(2, 4500) * 20).to(torch.int16)
    x = x.abs().to(dtype) if dtype == torch.uint8 else x.to(dtype)
    if dtype in FLOATS:
        x[0, ::9], x[1, ::3], x[1, 1::3] = NAN, 0.0, -0.0
    # Of equal elements the first ones are taken: what a stable sort begins with.
    for descending in (False, True):
        values, order = torch.sort(x, dim=1, descending=descending, stable=True)
        for k in (1, 700, 2250, 2251):
            there = torch.topk(x.cuda(), k, 1, largest=descending)
            assert torch.equal(there.indices.cpu(), order[:, :k]), (k, descending)
            assert torch.equal(there.values.cpu().nan_to_num(7.5), values[:, :k].nan_to_num(7.5))
    same(lambda x: [torch.kthvalue(x, k)[0] for k in (1, 33, 4000)], x)
    same(lambda x: [torch.median(x, 1)[0], torch.nanmedian(x, 1)[0], torch.median(x)], x)


def test_gradients_of_order() -> None:
    x = torch.randn(4, 30, dtype=torch.float64).requires_grad_()
    same(lambda x: torch.sort(x, 1)[0], x)
    same(lambda x: torch.sort(x, 0, descending=True)[0], x)
    same(lambda x: torch.topk(x, 3)[0], x)
    same(lambda x: [torch.kthvalue(x, 3)[0], torch.median(x, 1)[0], torch.median(x), torch.mode(x)[0]], x)
    same(lambda x: torch.quantile(x, torch.tensor([0.2, 0.7], dtype=torch.float64).to(x.device), 1), x)


def test_different_elements() -> None:
    for dtype in [torch.bool, *INTEGERS, *FLOATS]:
        x = made((5, 30), dtype, -3, 4)
        same(lambda x: torch.unique(x, return_inverse=True, return_counts=True), x)
        same(lambda x: torch.unique_consecutive(x, return_inverse=True, return_counts=True), x)
        same(lambda x: torch.unique(x[:, :2], return_inverse=True, return_counts=True, dim=0), x)
    x = made((9, 2, 2), torch.int64, 0, 2)
    same(lambda x: torch.unique(x, dim=0, return_inverse=True), x)
    same(lambda x: torch.unique_consecutive(x, dim=1, return_counts=True), x)
    same(lambda x: torch.unique(x), made((3000,), torch.int64, -50, 50))
    same(lambda x: torch.unique(x, return_counts=True), torch.tensor([NAN, 1.0, NAN]))
    for shape in [(0,), (), (1,)]:
        same(lambda x: torch.unique(x, return_inverse=True, return_counts=True), made(shape, torch.int64))


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_places_in_sequences(dtype: Any) -> None:
    line, x = torch.sort(made((33,), dtype))[0], made((4, 6), dtype)
    for right in (False, True):
        same(lambda s, x, right=right: torch.searchsorted(s, x, right=right), line, x)
        same(lambda s, x, right=right: torch.bucketize(x, s, right=right, out_int32=True), line, x)
    many = torch.sort(made((4, 10), dtype), 1)[0]
    same(lambda s, x: torch.searchsorted(s, x), many, x)
    unsorted = made((20,), dtype)
    same(lambda s, x: torch.searchsorted(s, x, sorter=torch.argsort(s)), unsorted, x)
    same(lambda s, x: [torch.isin(x, s), torch.isin(x, s, invert=True), torch.isin(x, s[:0])], unsorted, x)


def test_places_of_nan_and_nothing() -> None:
    s, x = torch.tensor([-1.0, 0.0, 2.0, NAN]), torch.tensor([NAN, -0.0, math.inf, 3.0])
    same(
        lambda s, x: [torch.searchsorted(s, x), torch.searchsorted(s, x, right=True), torch.isin(x, s)], s, x
    )
    same(lambda s, x: [torch.searchsorted(s[:0], x), torch.searchsorted(s, x[:0])], s, x)
    with pytest.raises(RuntimeError):
        torch.searchsorted(s.to("cuda"), x.to("cuda"), sorter=torch.tensor([0, 1, 2, 9]).to("cuda"))


def test_counts_and_histograms() -> None:
    n, w = made((200,), torch.int64, 0, 12), torch.randn(200)
    same(lambda n, w: [torch.bincount(n), torch.bincount(n, w), torch.bincount(n, w.double(), 30)], n, w)
    same(lambda n: [torch.bincount(n[:0]), torch.bincount(n[:0], minlength=3)], n)
    with pytest.raises(RuntimeError):
        torch.bincount(torch.tensor([1, -1]).to("cuda"))
    x = torch.randn(500)
    x[3] = NAN
    same(lambda x: [torch.histc(x, 7, -2, 2), torch.histc(x[10:], 5)], x)
    # More bins than a block counts by itself, and all of one number.
    same(lambda x: [torch.histc(x, 9000, -2, 2), torch.histc(x.double(), 9000, -2, 2)], x)
    same(lambda n: [torch.bincount(n * 1000), torch.bincount(n * 0), torch.bincount(n, n)], n)
    same(lambda n, w: torch.bincount(n * 1000, w), n, w)
    same(lambda x: torch.histogram(x[10:], 6), x)
    same(lambda x, w: torch.histogram(x[10:210], 6, range=(-1.0, 1.0), weight=w, density=True), x, w)
    edges = torch.tensor([-2.0, -0.5, 0.0, 1.0])
    same(lambda x, e: torch.histogram(x, e), x, edges)
    same(lambda x: torch.histogramdd(x[10:].reshape(-1, 2), [3, 4]), x)
