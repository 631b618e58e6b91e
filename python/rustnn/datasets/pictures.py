"""What a picture is, and what all transforms of pictures have in common."""

from __future__ import annotations

from collections.abc import Sequence

from rustnn import _C, nn
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["PictureTransform", "picture_pair", "picture_size", "to_picture"]


def to_picture(value: Any) -> Tensor:
    """``value`` as a tensor (..., C, H, W); TypeError for what is no picture."""
    if isinstance(value, Tensor):
        if value.dim() < 2:
            raise TypeError(f"a picture has at least the dims (H, W), but got {tuple(value.shape)}")
        return value
    if not hasattr(value, "__array__") and not hasattr(value, "__array_interface__"):
        raise TypeError(f"pic should be PIL Image, ndarray or Tensor. Got {type(value)}")
    import numpy as np

    array = np.array(value)
    if array.dtype == np.bool_ and not isinstance(value, np.ndarray):  # PIL's black and white
        array = array.astype(np.uint8) * 255
    if array.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return _C.from_numpy(np.ascontiguousarray(planes))


def picture_size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def picture_pair(size: int | Sequence[int], name: str = "size") -> tuple[int, int]:
    """(height, width) of one number for both, or two."""
    numbers = [size] if isinstance(size, int) else list(size) if isinstance(size, Sequence) else []
    if not 1 <= len(numbers) <= 2 or not all(isinstance(n, int) and n > 0 for n in numbers):
        raise ValueError(f"{name} must be one or two positive ints, but got {size!r}")
    return numbers[0], numbers[-1]


class PictureTransform(nn.Module):
    """The base of transforms of pictures: ``_change`` gets a tensor, whatever came in."""

    def forward(self, image: Any) -> Tensor:
        return self._change(to_picture(image))

    def _change(self, image: Tensor) -> Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        settings = {k: v for k, v in self.__dict__.items() if not k.startswith("_") and k != "training"}
        return ", ".join(f"{name}={value}" for name, value in settings.items() if value is not None)
