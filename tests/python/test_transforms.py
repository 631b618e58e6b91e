"""Transforms of pictures: known pixels, the same draws for the same seed, what goes in, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rustnn as torch

T = pytest.importorskip("rustnn.datasets.transforms")


def grid(height: int, width: int) -> Any:
    """(1, height, width): 0, 1, 2, ..."""
    return torch.arange(height * width, dtype=torch.uint8).reshape(1, height, width)


def test_to_tensor_and_normalize() -> None:
    pixels = np.array([[[0, 51, 255], [102, 0, 0]]], dtype=np.uint8)  # one row of two pixels in three colours
    picture = T.ToTensor()(pixels)
    assert picture.dtype == torch.float32
    assert torch.allclose(picture, torch.tensor([[[0, 0.4]], [[0.2, 0]], [[1.0, 0]]]))
    assert torch.equal(T.ToTensor()(torch.from_numpy(pixels).permute(2, 0, 1)), picture)
    assert T.ToTensor()(np.zeros((4, 5), np.float64)).dtype == torch.float64
    assert tuple(T.ToTensor()(np.zeros((4, 5), np.uint8)).shape) == (1, 4, 5)
    turned = np.zeros((4, 5, 3), np.uint8)[::-1, ::-1]
    turned.flags.writeable = False
    assert tuple(T.ToTensor()(turned).shape) == (3, 4, 5)
    half = T.Normalize((0.5,), (0.5,))
    assert torch.allclose(half(picture), picture * 2 - 1)
    assert torch.equal(T.Normalize([0.5] * 3, [0.5] * 3)(picture), half(picture))
    assert torch.equal(T.Normalize(0.5, 0.5)(picture), half(picture))
    kept = picture.clone()
    half(picture)
    assert torch.equal(picture, kept)
    assert T.Normalize((0.5,), (0.5,), inplace=True)(picture) is picture


def test_places() -> None:
    picture = grid(3, 4)
    assert T.CenterCrop(1)(grid(3, 3)).tolist() == [[[4]]]
    assert T.CenterCrop((1, 2))(picture).tolist() == [[[5, 6]]]
    assert T.CenterCrop(3)(grid(1, 1) + 1).tolist() == [[[0, 0, 0], [0, 1, 0], [0, 0, 0]]]
    row = grid(1, 3)
    for mode, wanted in (
        ("constant", [9, 9, 0, 1, 2, 9, 9]),
        ("edge", [0, 0, 0, 1, 2, 2, 2]),
        ("reflect", [2, 1, 0, 1, 2, 1, 0]),
        ("symmetric", [1, 0, 0, 1, 2, 2, 1]),
    ):
        assert T.Pad((2, 0), fill=9, padding_mode=mode)(row)[0, 0].tolist() == wanted
    assert T.Pad((1, 0, 0, 1))(grid(1, 1) + 1).tolist() == [[[0, 1], [0, 0]]]
    colours = T.Pad((0, 1, 0, 0), fill=(7, 8, 9))(torch.zeros(3, 1, 1))
    assert colours[:, 0, 0].tolist() == [7, 8, 9]
    assert T.RandomHorizontalFlip(1.0)(row).tolist() == [[[2, 1, 0]]]
    assert T.RandomVerticalFlip(p=1.0)(picture)[0, 0].tolist() == [8, 9, 10, 11]
    assert T.RandomVerticalFlip(p=0.0)(picture) is picture


def test_sizes() -> None:
    picture = torch.rand(3, 30, 20)
    for size, options, wanted in (
        (10, {}, (15, 10)),
        ((7, 9), {}, (7, 9)),
        ([10], {"max_size": 12}, (12, 8)),
        (None, {"max_size": 12}, (12, 8)),
        (40, {}, (60, 40)),
        ((8, 8), {"interpolation": "nearest"}, (8, 8)),
        ((8, 8), {"interpolation": T.InterpolationMode.BICUBIC}, (8, 8)),
    ):
        assert tuple(T.Resize(size, **options)(picture).shape) == (3, *wanted)
    assert T.Resize((30, 20))(picture) is picture
    white = torch.full((5, 1, 9, 9), 255, dtype=torch.uint8)
    for mode in ("nearest", "bilinear", "bicubic"):
        small = T.Resize(4, interpolation=mode)(white)
        assert (small.dtype, tuple(small.shape), small.min().item()) == (torch.uint8, (5, 1, 4, 4), 255)
    assert T.Resize(2)(torch.zeros(9, 4)).shape == (4, 2)
    stripes = torch.tensor([0.0, 1.0]).repeat(50).expand(1, 100, 100)
    assert (T.Resize(10)(stripes) - 0.5).abs().max() < 0.06  # smoothed: grey
    assert T.Resize(10, antialias=False)(stripes[..., :99]).std() > 0.1


def test_rotation() -> None:
    picture = grid(3, 3)
    for angle, wanted in ((90, [2, 5, 8]), (180, [8, 7, 6]), (-90, [6, 3, 0])):
        assert T.RandomRotation((angle, angle))(picture)[0, 0].tolist() == wanted
    assert tuple(T.RandomRotation((90, 90), expand=True)(grid(2, 5)).shape) == (1, 5, 2)
    assert tuple(T.RandomRotation((45, 45), expand=True)(grid(10, 10)).shape) == (1, 16, 16)
    turned = T.RandomRotation((45, 45), fill=200)(torch.full((1, 9, 9), 100, dtype=torch.uint8))
    assert turned[0, 0, 0].item() == 200
    assert turned[0, 4, 4].item() == 100


def test_dtypes() -> None:
    for old, new, value, wanted in (
        (torch.uint8, torch.float32, 255, 1.0),
        (torch.float32, torch.uint8, 1.0, 255),
        (torch.float32, torch.uint8, 0.5, 127),
        (torch.uint8, torch.int16, 255, 255 * 128),
        (torch.int16, torch.uint8, 2**15 - 1, 255),
        (torch.float64, torch.float32, 0.25, 0.25),
    ):
        picture = T.ConvertImageDtype(new)(torch.full((1, 1, 1), value, dtype=old))
        assert (picture.dtype, picture.item()) == (new, wanted)
    with pytest.raises(RuntimeError, match="safely"):
        T.ConvertImageDtype(torch.int64)(torch.zeros(1, 1, 1))
    with pytest.raises(ValueError, match="range"):
        T.ConvertImageDtype(torch.bool)(torch.zeros(1, 1, 1))


def test_draws_repeat() -> None:
    usual = T.Compose(
        [
            T.RandomCrop(20, padding=4, padding_mode="reflect"),
            T.RandomHorizontalFlip(),
            T.RandomVerticalFlip(),
            T.RandomRotation(15),
            T.ToTensor(),
            T.Normalize((0.5,), (0.2,)),
        ]
    )
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    seen = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        seen.append([usual(pixels) for _ in range(4)])
    assert all(torch.equal(a, b) for a, b in zip(seen[0], seen[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(seen[0], seen[2], strict=True))
    corners = {tuple(T.RandomCrop(2)(grid(4, 4))[0, 0].tolist()) for _ in range(200)}
    assert len(corners) == 9
    flipped = sum(T.RandomHorizontalFlip(0.25)(grid(1, 2))[0, 0, 0].item() for _ in range(1000))
    assert 190 < flipped < 310


def test_the_order_does_not_matter_to_what_goes_in() -> None:
    image_module = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    steps = T.Compose([T.CenterCrop(5), T.Lambda(lambda picture: picture + 0), T.ToTensor()])
    wanted = steps(torch.from_numpy(pixels.transpose(2, 0, 1).copy()))
    assert torch.equal(steps(pixels), wanted)
    assert torch.equal(steps(image_module.fromarray(pixels)), wanted)
    black_and_white = image_module.fromarray(pixels).convert("1")
    assert set(T.ToTensor()(black_and_white).unique().tolist()) <= {0.0, 1.0}


def test_mistakes() -> None:
    picture = torch.zeros(3, 4, 4)
    for kind, words, call in (
        (TypeError, "PIL Image", lambda: T.ToTensor()("picture.png")),
        (TypeError, "at least", lambda: T.CenterCrop(2)(torch.zeros(3))),
        (ValueError, "dimensional", lambda: T.ToTensor()(np.zeros((1, 2, 3, 4)))),
        (TypeError, "float tensor", lambda: T.Normalize((0.5,), (0.5,))(grid(2, 2))),
        (ValueError, "tensor image", lambda: T.Normalize((0.5,), (0.5,))(torch.zeros(2, 2))),
        (ValueError, "zero", lambda: T.Normalize((0.5,), (0.0,))(picture)),
        (RuntimeError, "size", lambda: T.Normalize((0.5, 0.5), (0.5, 0.5))(picture)),
        (ValueError, "larger than input image size", lambda: T.RandomCrop(5)(picture)),
        (ValueError, "size", lambda: T.RandomCrop(0)),
        (ValueError, "size", lambda: T.CenterCrop((1, 2, 3))),
        (ValueError, "max_size", lambda: T.Resize(None)),
        (ValueError, "interpolation", lambda: T.Resize(2, interpolation="lanczos")),
        (RuntimeError, "Padding size", lambda: T.Pad(4, padding_mode="reflect")(picture)),
        (RuntimeError, "Padding size", lambda: T.Pad(5, padding_mode="symmetric")(picture)),
        (ValueError, "interval", lambda: T.RandomVerticalFlip(-0.1)),
        (ValueError, "length 2", lambda: T.RandomRotation(3, center=(1,))),
        (TypeError, "callable", lambda: T.Lambda("no function")),
        (ValueError, "at least one", lambda: T.Compose([])),
    ):
        with pytest.raises(kind, match=words):
            call()
