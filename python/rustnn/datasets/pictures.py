"""What a picture is, and what all transforms of pictures have in common."""

from __future__ import annotations

from collections.abc import Sequence

from rustnn import _C, nn
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import dtype as DType

__all__ = [
    "BITS",
    "InterpolationMode",
    "PictureTransform",
    "convert_dtype",
    "of_pictures",
    "picture_pair",
    "picture_size",
    "resample",
    "to_picture",
]

# Bits of the largest value of a dtype.
BITS = {_C.uint8: 8, _C.int8: 7, _C.int16: 15, _C.int32: 31, _C.int64: 63}


class InterpolationMode:
    """The names of the ways to resample; the strings themselves will do as well."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


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


def of_pictures(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of tensors, for whatever is a picture."""
    from functools import wraps

    @wraps(function)
    def wrapped(image: Any, *args: Any, **kwargs: Any) -> Tensor:
        return function(to_picture(image), *args, **kwargs)

    return wrapped


def picture_size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def picture_pair(size: int | Sequence[int], name: str = "size") -> tuple[int, int]:
    """(height, width) of one number for both, or two."""
    numbers = [size] if isinstance(size, int) else list(size) if isinstance(size, Sequence) else []
    if not 1 <= len(numbers) <= 2 or not all(isinstance(n, int) and n > 0 for n in numbers):
        raise ValueError(f"{name} must be one or two positive ints, but got {size!r}")
    return numbers[0], numbers[-1]


def convert_dtype(image: Tensor, dtype: DType) -> Tensor:
    """Another dtype, with values scaled from the full range of the one to the full range of the other."""
    old, new = image.dtype, dtype
    if old == new:
        return image
    if image.is_floating_point():
        if new.is_floating_point:
            return image.to(new)
        if (old, new) in ((_C.float32, _C.int32), (_C.float32, _C.int64)) or (old, new) == (
            _C.float64,
            _C.int64,
        ):
            raise RuntimeError(f"The conversion from {old} to {new} cannot be performed safely.")
        largest = float(2 ** _bits(new) - 1)
        return image.mul(largest + 1.0 - 1e-3).to(new)
    if new.is_floating_point:
        return image.to(new).div(float(2 ** _bits(old) - 1))
    shift = _bits(old) - _bits(new)
    if shift > 0:
        return image.bitwise_right_shift(shift).to(new)
    return image.to(new).bitwise_left_shift(-shift)


def _bits(dtype: DType) -> int:
    if dtype not in BITS:
        raise ValueError(f"pictures of {dtype} have no range")
    return BITS[dtype]


def resample(image: Tensor, change: Callable[[Tensor], Tensor], overshoots: bool = False) -> Tensor:
    """``change`` of the image as a batch (N, C, H, W) of floats, rounded if it has whole numbers."""
    shape = image.shape
    batch = image.reshape(-1, *([1] * (3 - len(shape))), *shape[-3:])
    if image.is_floating_point():
        result = change(batch)
    else:
        result = change(batch.to(_C.float32)).round()
        if overshoots:
            limit = 2 ** BITS[image.dtype] - 1
            result = result.clamp(0, limit)
        result = result.to(image.dtype)
    return result.reshape(*shape[:-2], *result.shape[-2:])


class PictureTransform(nn.Module):
    """The base of transforms of pictures: ``_change`` gets a tensor, whatever came in."""

    def forward(self, image: Any) -> Tensor:
        return self._change(to_picture(image))

    def _change(self, image: Tensor) -> Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        settings = {k: v for k, v in self.__dict__.items() if not k.startswith("_") and k != "training"}
        return ", ".join(f"{name}={value}" for name, value in settings.items() if value is not None)
