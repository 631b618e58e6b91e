"""Parts of pictures, and their mirror images."""

from __future__ import annotations

from rustnn import nn
from rustnn.datasets.pictures import picture_pair, picture_size, to_picture
from rustnn.nn import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["FiveCrop", "TenCrop", "crop", "five_crop", "hflip", "ten_crop", "vflip"]


def hflip(image: Any) -> Tensor:
    """Left and right exchanged."""
    return to_picture(image).flip(-1)


def vflip(image: Any) -> Tensor:
    """Top and bottom exchanged."""
    return to_picture(image).flip(-2)


def crop(image: Any, top: int, left: int, height: int, width: int) -> Tensor:
    """A box of the picture; zeros where it lies outside."""
    picture = to_picture(image)
    h, w = picture_size(picture)
    right, bottom = left + width, top + height
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return picture[..., top:bottom, left:right]
    inner = picture[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    before = max(min(right, 0) - left, 0), max(min(bottom, 0) - top, 0)
    after = max(right - max(w, left), 0), max(bottom - max(h, top), 0)
    return F.pad(inner, [before[0], after[0], before[1], after[1]])


def five_crop(image: Any, size: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle.

    ValueError for a size beyond the picture's.
    """
    picture = to_picture(image)
    h, w = picture_pair(size)
    height, width = picture_size(picture)
    if w > width or h > height:
        raise ValueError(f"Requested crop size {(h, w)} is bigger than input size {(height, width)}")
    middle = round((height - h) / 2.0), round((width - w) / 2.0)
    corners = (0, 0), (0, width - w), (height - h, 0), (height - h, width - w), middle
    return tuple(crop(picture, top, left, h, w) for top, left in corners)


def ten_crop(image: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Tensor, ...]:
    """``five_crop`` of the picture and of its mirror image, left and right or top and bottom exchanged."""
    mirrored = vflip(image) if vertical_flip else hflip(image)
    return *five_crop(image, size), *five_crop(mirrored, size)


class FiveCrop(nn.Module):
    """The four corners and the middle of a picture, as a tuple."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = picture_pair(size)

    def forward(self, image: Any) -> tuple[Tensor, ...]:
        return five_crop(image, self.size)

    def extra_repr(self) -> str:
        return f"size={self.size}"


class TenCrop(nn.Module):
    """The four corners and the middle of a picture and of its mirror image, as a tuple."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = picture_pair(size)
        self.vertical_flip = vertical_flip

    def forward(self, image: Any) -> tuple[Tensor, ...]:
        return ten_crop(image, self.size, self.vertical_flip)

    def extra_repr(self) -> str:
        return f"size={self.size}, vertical_flip={self.vertical_flip}"
