"""Convolutions and products of matrices on a GPU, by all their kernels, against the CPU."""

from __future__ import annotations

from typing import Any

import pytest
from layers import check

import rustnn as torch
from rustnn.nn import functional as F

# (input, weight, options): strides that leave taps out, windows that do not overlap, dilation and strides with and
# without a common divisor, groups, depthwise with several channels each, many and few channels.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 8, 9), (8, 3, 3, 3), {"padding": 1}),
    ((2, 6, 9, 8), (10, 3, 3, 2), {"stride": 2, "padding": 1, "groups": 2}),
    ((1, 5, 9, 9), (7, 5, 2, 2), {"stride": 2}),
    ((1, 5, 9, 9), (7, 5, 2, 2), {"stride": 3, "padding": 1}),
    ((2, 5, 11, 10), (6, 5, 3, 3), {"stride": 2, "dilation": 2, "padding": 2}),
    ((2, 5, 12, 13), (6, 5, 3, 3), {"stride": (3, 2), "dilation": (2, 3), "padding": (1, 3)}),
    ((2, 6, 7, 7), (6, 1, 3, 3), {"padding": 1, "groups": 6}),
    ((2, 3, 9, 7), (6, 1, 3, 5), {"padding": (1, 2), "stride": 2, "groups": 3}),
    ((1, 40, 6, 6), (70, 40, 1, 1), {}),
    ((3, 4, 20), (5, 4, 4), {"padding": "same", "dilation": 2}),
    ((3, 6, 5, 4, 5), (8, 6, 2, 3, 2), {"padding": (1, 0, 1), "stride": (1, 2, 1)}),
    ((2, 4, 4, 5, 4), (4, 1, 3, 3, 3), {"padding": 1, "groups": 4}),
    ((2, 5, 4, 4), (6, 5, 4, 4), {}),
]
FORWARD = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
TRANSPOSED = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}


def filled(*sizes: int, dtype: Any = torch.float64) -> Any:
    return torch.randn(*sizes, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(("x", "w", "options"), CASES, ids=str)
def test_convolution(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    check(
        lambda x, w, b: FORWARD[x.ndim](x, w, b, **options),
        filled(*x),
        filled(*w),
        filled(w[0]),
        second=True,
    )


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((2, 6, 5, 4), (6, 3, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
        ((2, 5, 4, 4), (5, 8, 2, 2), {"stride": 2}),
        ((2, 5, 4, 4), (5, 3, 3, 3), {"dilation": 2, "padding": 1}),
        ((2, 5, 6), (5, 3, 4), {"stride": 3, "padding": 2, "output_padding": 2}),
        ((1, 3, 3, 2, 3), (3, 6, 2, 2, 3), {"stride": (2, 1, 3), "output_padding": (1, 0, 1)}),
        ((2, 6, 4, 4), (6, 1, 3, 3), {"stride": 2, "groups": 6}),
    ],
    ids=str,
)
def test_transposed(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    channels = w[1] * options.get("groups", 1)
    check(
        lambda x, w, b: TRANSPOSED[x.ndim](x, w, b, **options),
        filled(*x),
        filled(*w),
        filled(channels),
        second=True,
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex64"])
@pytest.mark.parametrize("case", [1, 4, 6, 8], ids=str)
def test_dtypes(dtype: str, case: int) -> None:
    torch.manual_seed(0)
    x, w, options = CASES[case]
    own = getattr(torch, dtype)
    # Small enough that sums of halves in another order round alike.
    data = [filled(*sizes, dtype=own) * 0.25 for sizes in (x, w, (w[0],))]
    check(lambda x, w, b: F.conv2d(x, w, b, **options), *data)


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_whole_numbers(dtype: str) -> None:
    torch.manual_seed(0)
    x = torch.randint(0, 9, (2, 3, 6, 6)).to(getattr(torch, dtype))
    w = torch.randint(0, 9, (5, 3, 3, 3)).to(getattr(torch, dtype))
    check(lambda x, w: F.conv2d(x, w, padding=1), x, w)


def test_layouts_and_empty_batches() -> None:
    torch.manual_seed(0)
    x, w, b = filled(2, 3, 6, 6), filled(4, 3, 3, 3), filled(4)
    check(lambda x, w, b: F.conv2d(x.transpose(2, 3)[:, :, 1:], w.flip(3), b), x, w, b)
    check(lambda x, w, b: F.conv2d(x[:0], w, b), x, w, b)
    check(lambda x, w, b: F.conv2d(x[0], w, b), x, w, b)
    there = F.conv2d(x.cuda().to(memory_format=torch.channels_last), w.cuda())
    assert there.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(there.cpu(), F.conv2d(x, w))


def test_nan_spreads_over_its_windows() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = float("nan")
    check(lambda x, w: F.conv2d(x, w), x, torch.ones(5, 1, 3, 3))
    check(lambda x, w: F.conv2d(x, w), x, torch.ones(1, 1, 2, 2))


@pytest.mark.parametrize("channels", [1, 8], ids=["few", "tiles"])
def test_long_sums_are_cut_and_repeat(channels: int) -> None:
    """The gradient of a weight, and an output, whose sums go over more than one block each."""
    torch.manual_seed(0)
    x, w = torch.randn(2, channels, 70, 70), torch.randn(channels, channels, 3, 3)
    check(lambda x, w: F.conv2d(x.double(), w.double(), padding=1), x, w)
    own, weight = x.cuda(), w.cuda().requires_grad_()
    grads = [torch.autograd.grad(F.conv2d(own, weight).sum(), weight)[0].tolist() for _ in range(2)]
    assert grads[0] == grads[1]
    deep, kernel, bias = torch.randn(1, 70, 3, 3), torch.randn(6, 70, 3, 3), torch.randn(6)
    check(lambda x, w, b: F.conv2d(x.double(), w.double(), b.double(), padding=1), deep, kernel, bias)


def test_bad_calls_are_refused_as_on_the_cpu() -> None:
    x, w = torch.zeros(1, 3, 4, 4, device="cuda"), torch.zeros(2, 4, 3, 3, device="cuda")
    with pytest.raises(RuntimeError, match="to have 4 channels"):
        F.conv2d(x, w)
    with pytest.raises(RuntimeError, match="Kernel size"):
        F.conv2d(x, torch.zeros(2, 3, 5, 5, device="cuda"))
    with pytest.raises(RuntimeError, match="same device"):
        F.conv2d(x, torch.zeros(2, 3, 3, 3))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex128", "int32"])
@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (70, 130, 40), (129, 3, 33), (3, 200, 64), (5, 6, 1100)], ids=str
)
def test_products(dtype: str, m: int, n: int, k: int) -> None:
    """Tiles of both sizes, with edges, all four ways the operands can lie, and a long depth in parts."""
    torch.manual_seed(0)
    own = getattr(torch, dtype)
    scale = 0.25 if own.is_floating_point or own.is_complex else 4
    a, b = (filled(m, k) * scale).to(own), (filled(k, n) * scale).to(own)
    # Each way is a kernel to compile: all of them for two dtypes.
    ways = (False, True) if dtype in ("float32", "bfloat16") else (False,)
    for turn_a in ways:
        for turn_b in ways:
            left = a.t().contiguous().t() if turn_a else a
            right = b.t().contiguous().t() if turn_b else b
            there = left.cuda() @ right.cuda()
            here = left @ right
            if dtype in ("float16", "bfloat16"):  # rounded once, after another order of summation
                assert torch.allclose(there.cpu().float(), here.float(), rtol=1e-2, atol=0.1)
            else:
                assert torch.allclose(there.cpu(), here, rtol=1e-4, atol=1e-4)


def test_batches_of_products_and_addends() -> None:
    torch.manual_seed(0)
    a, b = filled(3, 20, 7), filled(3, 7, 30)
    check(lambda a, b: a @ b, a, b, second=True)
    check(
        lambda a, b: a.transpose(1, 2) @ b.transpose(1, 2).unsqueeze(0).squeeze(0)[:, :20, :],
        a,
        b[:, :, :20].repeat(1, 3, 1),
    )
    check(lambda x, w, c: F.linear(x, w, c), filled(2, 5, 9), filled(70, 9), filled(70), second=True)
    check(lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2.0), filled(20, 30), a[0], b[0])
