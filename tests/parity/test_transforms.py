"""Transforms of pictures against torchvision's (v2), where that is installed: pixels, draws, texts, errors."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from parity.programs import CANDIDATE, REFERENCE

ours = pytest.importorskip("rustnn.datasets.transforms")
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = importlib.import_module("torchvision.transforms.v2")
except Exception as error:  # not there, or made for another build of PyTorch
    pytest.skip(f"torchvision cannot be imported: {error}", allow_module_level=True)

SHAPES = [(3, 20, 31), (1, 28, 28), (2, 3, 17, 12)]
CASES = """
Pad(3)
Pad((1, 2), fill=7)
Pad((1, 2, 3, 4), padding_mode="edge")
Pad(5, padding_mode="reflect")
Pad(5, padding_mode="symmetric")
CenterCrop(10)
CenterCrop((25, 9))
CenterCrop(40)
RandomCrop(10)
RandomCrop((10, 12), padding=4)
RandomCrop(32, padding=2, pad_if_needed=True, padding_mode="edge")
RandomCrop((28, 10), pad_if_needed=True)
RandomCrop(100)
RandomHorizontalFlip()
RandomVerticalFlip(0.3)
Resize(10)
Resize((40, 13))
Resize(15, max_size=16)
Resize(15, max_size=15)
Resize((9, 11), antialias=False)
Resize(None, max_size=14)
RandomRotation(30)
RandomRotation(90, fill=9)
RandomRotation((10, 170), expand=True)
RandomRotation((90, 90), expand=True)
RandomRotation((180, 180))
RandomRotation((20, 50), center=(3, 4))
RandomRotation((20, 50), center=(3, 4), expand=True)
ConvertImageDtype(torch.float32)
ConvertImageDtype(torch.uint8)
ConvertImageDtype(torch.int16)
ConvertImageDtype(torch.int64)
ConvertImageDtype(torch.float64)
Normalize((0.5,), (0.2,))
Normalize((0.5, 0.1, 0.2), (0.2, 0.3, 0.4))
Normalize((0.5,), (0.0,))
ToDtype(torch.float32, scale=True)
ToDtype(torch.float32)
ToDtype(torch.uint8, scale=True)
RandomResizedCrop(8)
RandomResizedCrop((8, 12), scale=(0.5, 1.0), ratio=(1.0, 2.0), antialias=False)
RandomResizedCrop(9, scale=(2.0, 3.0))
RandomResizedCrop(9, scale=(2.0, 3.0), ratio=(2.0, 3.0))
RandomResizedCrop(9, scale=0.5)
RandomResizedCrop(9, interpolation="nearest")
RandomErasing()
RandomErasing(1.0, value=7)
RandomErasing(1.0, (0.1, 0.2), (1.0, 2.0), [1, 2, 3])
RandomErasing(1.0, value="random")
RandomErasing(1.0, scale=(0.99, 1.0))
RandomErasing(value="no")
RandomErasing(scale=(0.5, 2.0))
Grayscale()
Grayscale(3)
Grayscale(2)
RandomGrayscale(0.6)
RandomGrayscale(2)
RandomApply([Pad(1), RandomHorizontalFlip()])
RandomApply([], 0.2)
RandomApply(3)
Compose([Pad(2), RandomCrop(9), RandomHorizontalFlip(), ConvertImageDtype(torch.float32)])
RandomHorizontalFlip(2)
RandomRotation(-1)
RandomRotation((1, 2, 3))
Compose([])
Compose(3)
ColorJitter(0.4, 0.3, 0.5, 0.2)
ColorJitter(brightness=(0.5, 2.0))
ColorJitter(hue=0.5)
ColorJitter(contrast=0.8)
ColorJitter(saturation=2)
ColorJitter(-1)
ColorJitter(hue=0.6)
ColorJitter(brightness=(2.0, 1.0))
RandomInvert()
RandomPosterize(3)
RandomPosterize(9, 1.0)
RandomSolarize(0.4)
RandomSolarize(300)
RandomAdjustSharpness(2.5)
RandomAdjustSharpness(0, 1.0)
RandomAutocontrast()
RandomEqualize()
RandomInvert(2)
RandomChannelPermutation()
GaussianBlur(5)
GaussianBlur((3, 7), (0.5, 1.0))
GaussianBlur(3, 2.0)
GaussianBlur(4)
GaussianBlur(3, 0)
GaussianNoise()
GaussianNoise(0.2, 0.3, clip=False)
GaussianNoise(sigma=-1)
RandomAffine(30)
RandomAffine((10, 80), (0.1, 0.3), (0.5, 1.5), 20)
RandomAffine(0, shear=(1, 20, 3, 30), interpolation=InterpolationMode.BILINEAR, fill=5)
RandomAffine(20, center=(3, 4))
RandomAffine(20, translate=(2, 0))
RandomAffine(20, scale=(0, 1))
RandomAffine(20, shear=(1, 2, 3))
RandomPerspective()
RandomPerspective(0.3, 1.0, fill=9)
RandomPerspective(2.0)
ElasticTransform()
ElasticTransform(20.0, (3.0, 2.0), fill=3)
ElasticTransform(sigma=0)
FiveCrop(9)
TenCrop((5, 9), vertical_flip=True)
FiveCrop(90)
RandomChoice([Pad(1), RandomHorizontalFlip(1.0), Grayscale()])
RandomChoice([Pad(1), Pad(2)], p=[0.1, 0.9])
RandomChoice([Pad(1)], p=[0.1, 0.9])
RandomOrder([Pad(1), CenterCrop(12)])
RandomOrder(3)
LinearTransformation(torch.eye(784) * 2, torch.ones(784))
LinearTransformation(torch.ones(2, 3), torch.ones(3))
AutoAugment()
AutoAugment(AutoAugmentPolicy.CIFAR10)
AutoAugment(AutoAugmentPolicy.SVHN)
AutoAugment("no")
RandAugment()
RandAugment(1, 20, fill=3)
TrivialAugmentWide()
AugMix()
AugMix(5, 2, 2, all_ops=False)
AugMix(11)
Identity()
Resize(None)
Resize((1, 2, 3))
Pad((1, 2, 3))
Pad(1, padding_mode="no")
"""


BETWEEN = ("Rotation", "Affine", "Perspective", "Elastic", "AutoAugment", "RandAugment", "Trivial", "AugMix")
ROUNDED = ("Resize", "ColorJitter", "Blur", "Sharpness", "Noise", "Autocontrast")
# PyTorch prints modes of interpolation as members of an enum.
PRINTED_OTHERWISE = (
    "ConvertImageDtype",
    "Interpolation",
    "Affine",
    "Perspective",
    "Elastic",
    "Aug",
    "Linear",
)

FUNCTIONS = """
adjust_brightness(x, 1.5) | adjust_contrast(x, 0.4) | adjust_saturation(x, 1.7) | adjust_hue(x, -0.3) | adjust_gamma(x, 0.7, 1.2)
adjust_sharpness(x, 3.0) | invert(x) | solarize(x, 0.5) | autocontrast(x) | equalize(x) | gaussian_blur(x, 3) | gaussian_blur(x, [3, 5], [1.0, 2.0])
hflip(x) | vflip(x) | crop(x, 2, 3, 5, 6) | crop(x, -2, -3, 9, 60) | crop(x, 15, 20, 9, 60) | center_crop(x, [7, 8]) | pad(x, [1, 2]) | resize(x, [9, 8])
resized_crop(x, 1, 2, 9, 9, [5, 6]) | five_crop(x, 5) | ten_crop(x, [5, 6], True) | rgb_to_grayscale(x) | rgb_to_grayscale(x, 3) | rotate(x, 33.0)
rotate(x, 20.0, expand=True, fill=[3.0]) | affine(x, 20.0, [1, 2], 1.2, [5.0, 6.0]) | affine(x, 20.0, [1, 2], 0.0, [5.0, 6.0]) | affine(x, 20.0, [1], 1.0, [5.0])
perspective(x, [[0, 0], [9, 0], [9, 9], [0, 9]], [[1, 2], [8, 0], [9, 9], [0, 7]]) | perspective(x, None, None) | elastic(x, torch.zeros(1, 17, 12, 2))
elastic(x, torch.zeros(1, 1, 1, 2)) | normalize(x, [0.5] * 3, [0.2] * 3) | erase(x, 1, 2, 3, 4, torch.zeros(3, 3, 4)) | get_dimensions(x) | get_image_size(x) | get_size(x)
convert_image_dtype(x, torch.float64) | to_dtype(x, torch.float32, scale=True) | permute_channels(x, [2, 0, 1]) | permute_channels(x, [0]) | get_num_channels(x)
adjust_hue(x, 0.7) | adjust_brightness(x, -1.0) | gaussian_blur(x, 4) | posterize(x, 2) | grayscale_to_rgb(x)
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "call", [c.strip() for line in FUNCTIONS.strip().splitlines() for c in line.split("|")]
)
def test_function(call: str) -> None:
    numbers = np.random.default_rng(0)
    for shape in [(3, 17, 12), (2, 3, 17, 12), (1, 17, 12)]:
        whole = numbers.integers(0, 256, shape, dtype=np.uint8)
        for pixels in (whole, (whole / 255).astype(np.float32)):
            results: list[Any] = []
            for library, functions in ((CANDIDATE, ours.functional), (REFERENCE, theirs.functional)):
                try:
                    names = {**vars(functions), "torch": library, "x": library.from_numpy(pixels.copy())}
                    results.append(eval(call, names))
                except Exception as error:
                    results.append(error)
            mine, wanted = results
            if isinstance(wanted, Exception):
                assert isinstance(mine, (type(wanted), ValueError, TypeError)), (mine, wanted)
                continue
            assert not isinstance(mine, Exception), mine
            if isinstance(wanted, list):
                assert mine == wanted
                continue
            pairs = zip(mine, wanted, strict=True) if type(wanted) is tuple else [(mine, wanted)]
            for a, b in pairs:
                if isinstance(b, int):
                    assert a == b
                    continue
                assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
                assert tuple(a.shape) == tuple(b.shape)
                difference = np.abs(a.numpy().astype(float) - b.numpy())
                assert (difference > (1.01 if b.dtype == REFERENCE.uint8 else 1e-4)).mean() < 0.01


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "case", ["MixUp(num_classes=5)", "CutMix(num_classes=5)", "MixUp(alpha=0.3, num_classes=5)", "MixUp()"]
)
@pytest.mark.parametrize("of_classes", [True, False])
def test_mixtures(case: str, of_classes: bool) -> None:
    results: list[Any] = []
    for library, transforms in ((CANDIDATE, ours), (REFERENCE, theirs)):
        library.manual_seed(3)
        images, labels = library.rand(4, 3, 9, 8), library.tensor([0, 4, 2, 1])
        if not of_classes:
            labels = library.eye(5)[:4]
        transform = eval(case, vars(transforms))
        try:
            results.append([t.numpy() for _ in range(3) for t in transform(images, labels)])
        except Exception as error:
            results.append(error)
    mine, wanted = results
    if isinstance(wanted, Exception):
        assert type(mine) is type(wanted)
        return
    for a, b in zip(mine, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def outcome(case: str, library: Any, transforms: ModuleType, pixels: Any) -> Any:
    """Three pictures, what the transform is printed as, and the next draw."""
    library.manual_seed(5)
    try:
        transform = eval(case, {**vars(transforms), "torch": library})
        draws = 12 if "Aug" in case else 3
        pictures = [transform(library.from_numpy(pixels.copy())) for _ in range(draws)]
        pictures = [
            p.numpy() for picture in pictures for p in (picture if type(picture) is tuple else [picture])
        ]
    except Exception as error:
        return error
    return pictures, repr(transform), library.rand(1).item()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES.strip().splitlines())
def test_transform(case: str) -> None:
    numbers = np.random.default_rng(0)
    for shape in SHAPES:
        whole = numbers.integers(0, 256, shape, dtype=np.uint8)
        for pixels in (whole, (whole / 255).astype(np.float32)):
            mine = outcome(case, CANDIDATE, ours, pixels)
            reference = outcome(case, REFERENCE, theirs, pixels)
            if isinstance(reference, Exception):
                assert type(mine) is type(reference), (mine, reference)
                continue
            assert not isinstance(mine, Exception), mine
            for picture, wanted in zip(mine[0], reference[0], strict=True):
                assert picture.dtype == wanted.dtype
                assert picture.shape == wanted.shape
                difference = np.abs(picture.astype(float) - wanted)
                if any(word in case for word in BETWEEN):
                    # A pixel on the border of two may fall to either side; one of 600 moves a picture's mean, which
                    # the contrast depends on, by a thousandth.
                    limit = 1.01 * (wanted.dtype == np.uint8) + (1e-3 if "Aug" in case else 1e-4)
                    assert (difference > limit).mean() < (0.06 if "Aug" in case else 0.01)
                else:  # torchvision resizes bytes in whole numbers; others are rounded at the end
                    rounded = wanted.dtype == np.uint8 and any(word in case for word in ROUNDED)
                    assert difference.max() <= (1 if rounded else 2e-5)
            assert mine[2] == reference[2]
            if not any(word in case for word in PRINTED_OTHERWISE):
                assert mine[1] == reference[1]


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "F", "I", "RGBA"])
def test_to_tensor_of_pil_images(mode: str) -> None:
    from PIL import Image
    from torchvision import transforms

    pixels = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    wanted = transforms.ToTensor()(image).numpy()
    picture = ours.ToTensor()(image).numpy()
    assert picture.dtype == wanted.dtype
    assert np.array_equal(picture, wanted)


def test_images_of_arrays() -> None:
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    for name in ("ToImage", "PILToTensor"):
        wanted = getattr(theirs, name)()
        assert repr(getattr(ours, name)()) == repr(wanted)
        picture = Image.fromarray(pixels)
        assert np.array_equal(getattr(ours, name)()(picture).numpy(), np.asarray(wanted(picture)))


GRIDS = """
make_grid(x)
make_grid(x, nrow=1, padding=1, pad_value=0.5)
make_grid(x, nrow=3, normalize=True)
make_grid(x, normalize=True, scale_each=True)
make_grid(x, normalize=True, value_range=(0, 5))
make_grid(x, normalize=True, value_range=[0, 5])
make_grid(x[:, :1], 2)
make_grid(x[:1])
make_grid(x[0])
make_grid(x[0, 0])
make_grid([x[0], x[1]])
make_grid(x[:3], nrow=2, padding=0)
make_grid(3)
"""


@pytest.mark.parametrize("call", GRIDS.split("\n")[1:-1])
def test_grids(call: str) -> None:
    utils = importlib.import_module("torchvision.utils")
    found: list[Any] = []
    for lib, names in ((REFERENCE, utils), (CANDIDATE, importlib.import_module("rustnn.datasets.grid"))):
        x = lib.arange(5 * 3 * 4 * 2).reshape(5, 3, 4, 2) / 7.0
        try:
            made = eval(call, {"make_grid": names.make_grid, "x": x})
        except Exception as error:
            found.append((type(error).__name__, str(error)))
            continue
        found.append((tuple(made.shape), made.numpy().round(5).tolist()))
    assert found[0] == found[1]


def test_saved_grids(tmp_path: Any) -> None:
    files = []
    for lib, name in ((REFERENCE, "torchvision.utils"), (CANDIDATE, "rustnn.datasets.grid")):
        files.append(tmp_path / f"{lib.__name__}.png")
        x = lib.arange(4 * 3 * 5 * 5).reshape(4, 3, 5, 5) / 300
        importlib.import_module(name).save_image(x, files[-1], nrow=2)
    assert files[0].read_bytes() == files[1].read_bytes()
