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
Resize(None)
Resize((1, 2, 3))
Pad((1, 2, 3))
Pad(1, padding_mode="no")
"""


def outcome(case: str, library: Any, transforms: ModuleType, pixels: Any) -> Any:
    """Three pictures, what the transform is printed as, and the next draw."""
    library.manual_seed(5)
    try:
        transform = eval(case, {**vars(transforms), "torch": library})
        pictures = [transform(library.from_numpy(pixels.copy())).numpy() for _ in range(3)]
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
                if "Rotation" in case:  # a pixel on the border between two may fall to either side
                    assert (difference > 1.01 * (wanted.dtype == np.uint8) + 1e-4).mean() < 0.01
                else:  # torchvision resizes bytes in whole numbers
                    assert difference.max() <= (1 if "Resize" in case and wanted.dtype == np.uint8 else 1e-5)
            assert mine[2] == reference[2]
            if "ConvertImageDtype" not in case:
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
