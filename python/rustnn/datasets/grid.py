"""Many pictures as one: ``make_grid``, ``save_image``, with torchvision's names."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any, BinaryIO

__all__ = ["make_grid", "save_image"]


def _pictures(tensor: Any) -> Tensor:
    """A batch of pictures with at least three channels each."""
    if isinstance(tensor, list) and all(isinstance(picture, Tensor) for picture in tensor):
        tensor = _C.stack(tensor, dim=0)
    elif not isinstance(tensor, Tensor):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    batch: Tensor = tensor
    if batch.dim() == 2:
        batch = batch.unsqueeze(0)
    if batch.dim() == 3:
        batch = batch.unsqueeze(0)
    if batch.dim() == 4 and batch.size(1) == 1:
        batch = _C.cat((batch, batch, batch), 1)
    return batch


def _to_unit(picture: Tensor, value_range: tuple[float, float] | None) -> None:
    low, high = (float(picture.min()), float(picture.max())) if value_range is None else value_range
    picture.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))


def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[int, int] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Pictures (N, C, H, W), ``nrow`` in a row, as one (C, H', W'), with ``padding`` around each.

    One channel becomes three. ``normalize`` brings ``value_range`` (by default from the least to the largest
    value, with ``scale_each`` of each picture) to [0, 1]. A single picture stays as it is. TypeError for what
    is no tensor.
    """
    batch = _pictures(tensor)
    if normalize:
        batch = batch.clone()
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        for part in batch if scale_each else [batch]:
            _to_unit(part, value_range)
    if batch.size(0) == 1:
        return batch.squeeze(0)
    count, channels, height, width = batch.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = batch.new_full((channels, height * rows + padding, width * columns + padding), pad_value)
    for n in range(count):
        y, x = divmod(n, columns)
        place = grid.narrow(1, y * height + padding, height - padding)
        place.narrow(2, x * width + padding, width - padding).copy_(batch[n])
    return grid


def save_image(
    tensor: Tensor | list[Tensor],
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Writes `make_grid` of pictures of [0, 1] as a file, by PIL; ``kwargs`` are those of `make_grid`."""
    from PIL import Image

    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", _C.uint8)
    Image.fromarray(pixels.numpy()).save(fp, format=format)
