"""What transforms do, as functions: torchvision's `transforms.functional`. Pictures in, tensors out."""

from __future__ import annotations

from collections.abc import Sequence

from rustnn import _C
from rustnn._C import Tensor
from rustnn.datasets import colours, transforms
from rustnn.datasets.colours import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    gaussian_blur,
    gaussian_noise,
    invert,
    permute_channels,
    posterize,
    solarize,
)
from rustnn.datasets.crops import crop, five_crop, hflip, ten_crop, vflip
from rustnn.datasets.pictures import InterpolationMode, convert_dtype, picture_size, to_picture
from rustnn.datasets.warps import affine, elastic, perspective, rotate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import dtype as DType

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "gaussian_noise",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "get_num_channels",
    "get_size",
    "grayscale_to_rgb",
    "hflip",
    "horizontal_flip",
    "invert",
    "normalize",
    "pad",
    "permute_channels",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_dtype",
    "to_grayscale",
    "to_image",
    "to_pil_image",
    "to_tensor",
    "vertical_flip",
    "vflip",
]


# ---- what kind of picture it is ----


def get_dimensions(image: Any) -> list[int]:
    """(channels, height, width)."""
    picture = to_picture(image)
    return [1 if picture.dim() == 2 else picture.shape[-3], *picture_size(picture)]


def get_size(image: Any) -> list[int]:
    """(height, width)."""
    return list(picture_size(to_picture(image)))


def get_image_size(image: Any) -> list[int]:
    """(width, height)."""
    height, width = picture_size(to_picture(image))
    return [width, height]


def get_num_channels(image: Any) -> int:
    """How many channels there are."""
    return get_dimensions(image)[0]


get_image_num_channels = get_num_channels


# ---- parts ----


horizontal_flip, vertical_flip = hflip, vflip


def pad(image: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Tensor:
    """Pixels around the picture; see ``transforms.Pad``."""
    picture: Tensor = transforms.Pad(padding, 0 if fill is None else fill, padding_mode)(image)
    return picture


def center_crop(image: Any, output_size: int | Sequence[int]) -> Tensor:
    """The middle of the picture; see ``transforms.CenterCrop``."""
    picture: Tensor = transforms.CenterCrop(output_size)(image)
    return picture


def resize(
    image: Any,
    size: int | Sequence[int] | None,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    """The picture at another size; see ``transforms.Resize``."""
    picture: Tensor = transforms.Resize(size, interpolation, max_size, antialias)(image)
    return picture


def resized_crop(
    image: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    """A box of the picture at another size."""
    return resize(crop(image, top, left, height, width), size, interpolation, antialias=antialias)


def erase(image: Any, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """The box of ``h`` rows from ``i`` and ``w`` columns from ``j`` filled with ``v``."""
    picture = to_picture(image)
    picture = picture if inplace else picture.clone()
    picture[..., i : i + h, j : j + w] = v
    return picture


# ---- values ----


def normalize(
    image: Any, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
) -> Tensor:
    """``(image - mean) / std``; see ``transforms.Normalize``."""
    picture: Tensor = transforms.Normalize(mean, std, inplace)(image)
    return picture


def rgb_to_grayscale(image: Any, num_output_channels: int = 1) -> Tensor:
    """Brightness alone, in one channel or, the same, in three."""
    return colours.grayscale(image, num_output_channels)


to_grayscale = rgb_to_grayscale


def grayscale_to_rgb(image: Any) -> Tensor:
    """One channel three times; a picture of three is as it was."""
    picture = to_picture(image)
    return picture if picture.shape[-3] >= 3 else colours.grayscale(picture, 3)


def to_tensor(image: Any) -> Tensor:
    """Floats from 0 to 1; see ``transforms.ToTensor``."""
    picture: Tensor = transforms.ToTensor()(image)
    return picture


def to_image(image: Any) -> Tensor:
    """A tensor of the same values."""
    return to_picture(image)


pil_to_tensor = to_image


def to_pil_image(image: Any, mode: str | None = None) -> Any:
    """A picture of PIL; see ``transforms.ToPILImage``."""
    return transforms.ToPILImage(mode)(image)


def convert_image_dtype(image: Tensor, dtype: DType = _C.float32) -> Tensor:
    """Another dtype, with values scaled to its range."""
    return convert_dtype(image, dtype)


def to_dtype(image: Tensor, dtype: DType = _C.float32, scale: bool = False) -> Tensor:
    """Another dtype; with ``scale``, values scaled to its range."""
    return convert_dtype(image, dtype) if scale else image.to(dtype)


elastic_transform = elastic
