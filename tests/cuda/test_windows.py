"""Pooling, interpolation, sampling and folding on a GPU against the CPU."""

from __future__ import annotations

from typing import Any

import pytest
from layers import check

import rustnn as torch
from rustnn.nn import functional as F

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
UNPOOL = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}


def distinct(*sizes: int) -> Any:
    """Numbers of which no two are equal: where the largest is, is no question of rounding."""
    torch.manual_seed(0)
    count = 1
    for size in sizes:
        count *= size
    return (torch.randperm(count).to(torch.float64) / count - 0.5).reshape(*sizes)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 2, "stride": 2, "dilation": 2},
        {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    ],
    ids=str,
)
def test_max_pool(dims: int, options: dict[str, Any]) -> None:
    x = distinct(2, 3, *(7, 6, 8)[:dims])
    check(lambda x: MAX[dims](x, return_indices=True, **options), x)
    check(lambda x: MAX[dims](x, **options) ** 2, x, second=True)


def test_the_first_of_equals_and_nan_win() -> None:
    x = torch.zeros(1, 2, 6, 6)
    x[0, 1, 2, 2] = float("nan")
    check(lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True), x)
    check(lambda x: F.adaptive_max_pool2d(x, 4, return_indices=True), x)
    check(lambda x: F.max_pool2d(x, 2, return_indices=True), torch.full((1, 1, 4, 4), -float("inf")))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "int64", "uint8"])
def test_max_pool_dtypes(dtype: str) -> None:
    x = (distinct(2, 3, 5, 6) * 100).to(getattr(torch, dtype))
    check(lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), x)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        {"kernel_size": 3, "stride": 1},
    ],
    ids=str,
)
def test_avg_pool(dims: int, options: dict[str, Any]) -> None:
    check(lambda x: AVG[dims](x, **options) ** 2, distinct(2, 3, *(7, 6, 8)[:dims]), second=True)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_avg_pool_dtypes(dtype: str) -> None:
    x = distinct(2, 3, 9, 8).to(getattr(torch, dtype))
    check(lambda x: F.avg_pool2d(x, 3, 2, 1), x)
    check(lambda x: F.adaptive_avg_pool2d(x, 1), x)
    check(lambda x: F.adaptive_avg_pool2d(x, (4, 3)), x)


def test_avg_pool_of_whole_numbers_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="avg_pool2d"):
        F.avg_pool2d(torch.ones(1, 4, 4, dtype=torch.int64, device="cuda"), 2)


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_adaptive(size: int) -> None:
    line, image, volume = distinct(2, 3, 7), distinct(2, 3, 7, 5), distinct(1, 2, 4, 7, 5)
    check(lambda x: F.adaptive_avg_pool1d(x, size), line, second=True)
    check(lambda x: F.adaptive_avg_pool2d(x, (size, 4)), image, second=True)
    check(lambda x: F.adaptive_avg_pool3d(x, (2, size, 3)), volume)
    check(lambda x: F.adaptive_max_pool1d(x, size, return_indices=True), line)
    check(lambda x: F.adaptive_max_pool2d(x, (size, 4), return_indices=True), image)
    check(lambda x: F.adaptive_max_pool3d(x, (2, size, 3)) ** 2, volume, second=True)


def test_a_long_axis_is_summed_axis_by_axis() -> None:
    check(lambda x: F.adaptive_avg_pool2d(x, (2, 3)), distinct(2, 2, 40, 50))
    check(lambda x: F.adaptive_avg_pool2d(x, 1), distinct(2, 2, 40, 50))
    check(lambda x: F.adaptive_avg_pool2d(x, (2, 3)), (distinct(2, 2, 40, 50)).to(torch.float16))


@pytest.mark.parametrize("dims", [1, 2])
def test_lp_pool(dims: int) -> None:
    pool = {1: F.lp_pool1d, 2: F.lp_pool2d}[dims]
    check(lambda x: pool(x, 2.0, 2), distinct(2, 3, *(6, 8)[:dims]) + 1.0)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpool(dims: int) -> None:
    x = distinct(2, 3, *(4, 6, 4)[:dims])

    def undone(x: Any) -> Any:
        values, indices = MAX[dims](x, 2, return_indices=True)
        return UNPOOL[dims](values, indices, 2) ** 2

    check(undone, x, second=True)


def test_unpool_notices_bad_indices() -> None:
    x = torch.ones(1, 1, 2, 2, device="cuda")
    F.max_unpool2d(x, torch.full((1, 1, 2, 2), 99, device="cuda"), 2)
    with pytest.raises(IndexError, match="99 is out of bounds"):
        torch.cuda.synchronize()


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_fractional(dtype: str) -> None:
    own = getattr(torch, dtype)
    samples = torch.tensor([[[0.1, 0.7], [0.4, 0.9]]] * 2).to(own)
    x = distinct(2, 2, 9, 11).to(own)
    check(
        lambda x, s: F.fractional_max_pool2d(x, (2, 3), (4, 3), _random_samples=s, return_indices=True),
        x,
        samples,
    )
    deep = torch.tensor([[[0.1, 0.7, 0.3]]]).to(own)
    check(
        lambda x, s: F.fractional_max_pool3d(x, 2, 3, _random_samples=s),
        distinct(1, 1, 6, 7, 5).to(own),
        deep,
    )


@pytest.mark.parametrize(
    ("dims", "options"),
    [
        (1, {"size": 9, "mode": "nearest"}),
        (2, {"scale_factor": 2.0, "mode": "nearest"}),
        (2, {"scale_factor": (0.6, 1.7), "mode": "nearest-exact"}),
        (3, {"scale_factor": 2.0, "mode": "nearest"}),
        (1, {"size": 3, "mode": "linear"}),
        (2, {"size": (9, 3), "mode": "bilinear", "align_corners": True}),
        (2, {"scale_factor": 2.0, "mode": "bilinear"}),
        (2, {"size": (3, 4), "mode": "bilinear", "antialias": True}),
        (2, {"size": (8, 9), "mode": "bicubic"}),
        (2, {"size": (3, 3), "mode": "bicubic", "antialias": True}),
        (3, {"scale_factor": 1.5, "mode": "trilinear"}),
        (2, {"size": (3, 2), "mode": "area"}),
    ],
    ids=str,
)
def test_interpolate(dims: int, options: dict[str, Any]) -> None:
    x = distinct(2, 3, *(5, 6, 4)[:dims])
    check(lambda x: F.interpolate(x, **options) ** 2, x, second=True)
    check(lambda x: F.interpolate(x, **options), x.to(torch.float32))
    if not options.get("antialias"):
        check(lambda x: F.interpolate(x, **options), x.to(torch.float16))


def test_interpolate_bytes_and_pad() -> None:
    picture = (distinct(1, 3, 6, 7) * 200 + 100).to(torch.uint8)
    check(lambda x: F.interpolate(x, size=(9, 4), mode="bilinear"), picture)
    check(lambda x: F.interpolate(x, size=(9, 4), mode="nearest"), picture)
    for mode in ("reflect", "replicate", "circular"):
        check(lambda x, m=mode: F.pad(x, (2, 1, 1, 3), mode=m) ** 2, distinct(2, 3, 5, 6), second=True)
        check(lambda x, m=mode: F.pad(x, (1, 2), mode=m), distinct(2, 3, 5).to(torch.bfloat16))


def test_channels_last_stays() -> None:
    x = distinct(2, 3, 6, 6).cuda().to(memory_format=torch.channels_last)
    for y in (F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.interpolate(x, scale_factor=2.0)):
        assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("align", [False, True])
def test_grid_sample(mode: str, padding: str, align: bool) -> None:
    options = {"mode": mode, "padding_mode": padding, "align_corners": align}
    torch.manual_seed(0)
    # Some points lie outside; none where the nearest changes.
    grid = torch.rand(2, 5, 4, 2, dtype=torch.float64) * 2.6 - 1.3
    check(lambda x, g: F.grid_sample(x, g, **options), distinct(2, 3, 4, 5), grid, second=mode != "nearest")
    if mode != "bicubic":
        volume = torch.rand(1, 3, 2, 4, 3, dtype=torch.float64) * 2.6 - 1.3
        check(lambda x, g: F.grid_sample(x, g, **options), distinct(1, 2, 3, 4, 5), volume)


def test_grid_sample_of_nan_and_halves() -> None:
    grid = torch.zeros(1, 1, 3, 2)
    grid[0, 0, 1, 0] = float("nan")
    grid[0, 0, 2, 1] = float("inf")
    check(lambda x: F.grid_sample(x, grid.to(x.device), align_corners=False), distinct(1, 2, 4, 4).float())
    torch.manual_seed(0)
    points = (torch.rand(1, 3, 3, 2) - 0.5).to(torch.float16)
    check(
        lambda x, g: F.grid_sample(x, g, align_corners=False), distinct(1, 2, 4, 4).to(torch.float16), points
    )


def test_affine_grid_fold_and_shuffle() -> None:
    torch.manual_seed(0)
    theta = torch.randn(2, 2, 3, dtype=torch.float64)
    check(lambda t: F.affine_grid(t, [2, 1, 4, 5], align_corners=False), theta, second=True)
    check(lambda t: F.affine_grid(t, [1, 1, 2, 3, 4], align_corners=True), torch.randn(1, 3, 4))
    x = distinct(2, 3, 6, 7)
    check(lambda x: F.unfold(x, (2, 3), padding=1, stride=2, dilation=(2, 1)) ** 2, x, second=True)
    check(lambda x: F.fold(x, (6, 7), (2, 3), padding=1) ** 2, distinct(2, 18, 49), second=True)
    check(lambda x: F.pixel_shuffle(x, 2) ** 2, distinct(2, 8, 3, 2), second=True)
    check(lambda x: F.pixel_unshuffle(x, 3), distinct(2, 2, 6, 9))


def test_empty_batches() -> None:
    x = torch.zeros(0, 3, 6, 6)
    check(lambda x: F.max_pool2d(x, 2, return_indices=True), x)
    check(lambda x: F.avg_pool2d(x, 2), x)
    check(lambda x: F.adaptive_avg_pool2d(x, 1), x)
    check(lambda x: F.interpolate(x, scale_factor=2.0), x)
    check(lambda x: F.grid_sample(x, torch.zeros(0, 2, 2, 2, device=x.device), align_corners=False), x)
