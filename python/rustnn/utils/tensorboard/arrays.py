"""Numbers, arrays and tensors as NumPy arrays, in the memory layouts that pictures have."""

from __future__ import annotations

import numpy as np

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


def make_np(x: object) -> NDArray[Any]:
    """A number as an array of one element, a tensor as an array without gradient."""
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, _C.Tensor):
        x = x.detach()
        if x.dtype is _C.bfloat16:
            x = x.to(_C.float32)
        array: NDArray[Any] = x.cpu().numpy()
        return array
    raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")


def scale_to_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels of 0 to 255: those of dtype uint8 are, all others go from 0 to 1."""
    factor = 1 if pixels.dtype == np.uint8 else 255
    return (pixels.astype(np.float32) * factor).clip(0, 255).astype(np.uint8)


def make_grid(images: NDArray[Any], ncols: int = 8) -> NDArray[Any]:
    """Pictures (N, 1 or 3, H, W) side by side, at most `ncols` in a row: (3, rows * H, columns * W)."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise AssertionError(f"expected pictures (N, 1 or 3, H, W), got shape {images.shape}")
    count, _, height, width = images.shape
    columns = min(count, ncols)
    rows = -(-count // columns)
    grid = np.zeros((rows * columns, 3, height, width), images.dtype)
    grid[:count] = images  # a single channel becomes all three
    grid = grid.reshape(rows, columns, 3, height, width).transpose(2, 0, 3, 1, 4)
    return grid.reshape(3, rows * height, columns * width)


def convert_to_hwc(pixels: NDArray[Any], dataformats: str) -> NDArray[Any]:
    """A picture of any order of dimensions (`HW`, `CHW`, `HWC`, ...), or a grid of many (`NCHW`, ...), as
    (H, W, 3).
    """
    order = dataformats.upper()
    if len(set(order)) != len(order):
        raise AssertionError(f"a dimension is named twice in {dataformats!r}")
    if pixels.ndim != len(order):
        raise AssertionError(f"a tensor of shape {pixels.shape} does not have the dimensions {dataformats!r}")
    wanted = {2: "HW", 3: "HWC", 4: "NCHW"}.get(len(order), "")
    if set(order) != set(wanted):
        raise AssertionError(
            f"dataformats must have the letters of 'HW', 'CHW' or 'NCHW', got {dataformats!r}"
        )
    pixels = pixels.transpose([order.index(letter) for letter in wanted])
    if wanted == "NCHW":
        return make_grid(pixels).transpose(1, 2, 0)
    if wanted == "HW":
        pixels = pixels[:, :, None]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
