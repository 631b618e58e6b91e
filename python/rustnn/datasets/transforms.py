"""What is done to a picture before a network sees it: tensor in, tensor out, with torchvision's names (v2).

A picture is a tensor (..., C, H, W). What is not a tensor (a PIL image, a NumPy array (H, W) or (H, W, C)) is
made into one first, so that the transforms may stand in any order. Random ones draw from the default
generator: ``rustnn.manual_seed`` repeats them.
"""

from __future__ import annotations

from collections.abc import Sequence

from rustnn import _C, nn
from rustnn._C import Tensor
from rustnn.datasets.augmentations import (
    Grayscale,
    Identity,
    LinearTransformation,
    RandomApply,
    RandomChoice,
    RandomErasing,
    RandomGrayscale,
    RandomOrder,
    RandomResizedCrop,
)
from rustnn.datasets.colours import (
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomChannelPermutation,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from rustnn.datasets.crops import FiveCrop, TenCrop
from rustnn.datasets.mixtures import CutMix, MixUp
from rustnn.datasets.pictures import (
    InterpolationMode,
    PictureTransform,
    convert_dtype,
    picture_pair,
    picture_size,
    resample,
)
from rustnn.datasets.policies import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from rustnn.datasets.warps import ElasticTransform, RandomAffine, RandomPerspective, RandomRotation
from rustnn.nn import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn._C import dtype as DType

__all__ = [
    "AugMix",
    "AutoAugment",
    "AutoAugmentPolicy",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "CutMix",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Identity",
    "InterpolationMode",
    "Lambda",
    "LinearTransformation",
    "MixUp",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToTensor",
    "TrivialAugmentWide",
]

# PIL's modes by the number of channels, and by the dtype of a single one.
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_MODES_OF_ONE = {"int16": "I;16", "int32": "I", "float32": "F"}


# ---- what pictures are and how they change ----------------------------------------------------------------


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of one number for all, two for (sides, top and bottom), or four."""
    numbers = [padding] if isinstance(padding, int) else list(padding)
    if len(numbers) not in (1, 2, 4) or not all(isinstance(n, int) for n in numbers):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, but got {padding!r}")
    left, top, right, bottom = (numbers * 4)[:4]
    return left, top, right, bottom


def _sources(count: int, before: int, after: int, mode: str) -> Tensor:
    """Which of ``count`` pixels each pixel of the padded line shows."""
    places = _C.arange(-before, count + after)
    if mode == "edge":
        return places.clamp(0, count - 1)
    if max(before, after) > count - (mode == "reflect"):
        raise RuntimeError(
            f"Padding size should be less than the input dimension, but got {max(before, after)} "
            f"at a side of {count} pixels ({mode})"
        )
    last = count - 1 if mode == "reflect" else count
    places = places.remainder(2 * last) if last else places * 0
    folded = 2 * last - places if mode == "reflect" else 2 * last - 1 - places
    return _C.where(places >= count, folded, places)


def _pad(image: Tensor, sides: tuple[int, int, int, int], fill: Any, mode: str) -> Tensor:
    left, top, right, bottom = sides
    height, width = picture_size(image)
    if mode != "constant":
        rows, columns = _sources(height, top, bottom, mode), _sources(width, left, right, mode)
        return image.index_select(-2, rows).index_select(-1, columns)
    if isinstance(fill, (int, float)):
        return F.pad(image, [left, right, top, bottom], value=fill)
    values = _C.tensor(list(fill)).to(image.dtype).view(-1, 1, 1)
    outside = F.pad(_C.zeros(height, width, dtype=_C.bool), [left, right, top, bottom], value=1)
    return _C.where(outside, values, F.pad(image, [left, right, top, bottom]))


# ---- the transforms ---------------------------------------------------------------------------------------


class Compose:
    """One transform after another. ValueError for none, TypeError for what is no list of callables."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        lines = "".join(f"\n      {transform!r}" for transform in self.transforms)
        return f"Compose({lines}\n)"


class Lambda:
    """A function of the user's."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"


class ToTensor(PictureTransform):
    """A PIL image or array (H, W, C) as a tensor (C, H, W): float32 within [0, 1] if it was uint8.

    uint8 tensors become floats too, since the data sets here give those.
    """

    def _change(self, image: Tensor) -> Tensor:
        return image.to(_C.get_default_dtype()).div(255) if image.dtype == _C.uint8 else image

    def extra_repr(self) -> str:
        return ""


class ToImage(PictureTransform):
    """A PIL image or array (H, W, C) as a tensor (C, H, W) of the same numbers."""

    def _change(self, image: Tensor) -> Tensor:
        return image


class PILToTensor(ToImage):
    """The same as ``ToImage``."""


class ToPILImage(nn.Module):
    """A tensor (C, H, W) or array (H, W, C) as a PIL image; floats within [0, 1] become bytes.

    ``mode`` is PIL's name of the channels; by default what their number and dtype say. ValueError for a
    picture with other than one to four channels, or for a mode that does not fit.
    """

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, pic: Any) -> Any:
        """The image. TypeError for what is neither a tensor nor an array."""
        from PIL import Image

        if isinstance(pic, Tensor):
            if pic.dim() not in (2, 3):
                raise ValueError(f"pic should be 2/3 dimensional. Got {pic.dim()} dimensions.")
            if pic.is_floating_point() and self.mode != "F":
                pic = pic.mul(255).to(_C.uint8)
            pixels = (pic[None] if pic.dim() == 2 else pic).detach().permute(1, 2, 0).contiguous().numpy()
        elif hasattr(pic, "__array_interface__"):
            pixels = pic[:, :, None] if pic.ndim == 2 else pic
        else:
            raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
        channels = pixels.shape[-1]
        if channels not in _MODES:
            raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
        expected = _MODES_OF_ONE.get(str(pixels.dtype)) if channels == 1 else None
        mode = self.mode or expected or _MODES[channels]
        if channels == 1:
            pixels = pixels[:, :, 0]
            if mode != (expected or "L"):
                raise ValueError(f"Incorrect mode ({mode}) supplied for input type {pixels.dtype}")
            return Image.fromarray(pixels)
        if str(pixels.dtype) != "uint8":
            raise TypeError(f"Input type {pixels.dtype} is not supported")
        image = Image.fromarray(pixels)
        if image.mode == mode:
            return image
        if len(mode) < channels and mode not in ("HSV", "YCbCr", "LAB"):
            raise ValueError(f"Only modes with {channels} channels are supported for such inputs")
        return Image.frombytes(mode, image.size, image.tobytes())

    def __repr__(self) -> str:
        return f"ToPILImage({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(PictureTransform):
    """Another dtype, with values scaled from the full range of the one to the full range of the other.

    Floats go from 0 to 1, whole numbers from 0 to their largest.
    """

    def __init__(self, dtype: DType = _C.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def _change(self, image: Tensor) -> Tensor:
        return convert_dtype(image, self.dtype)


class ToDtype(ConvertImageDtype):
    """The picture in another dtype; with ``scale`` as ``ConvertImageDtype`` has it, else the same numbers."""

    def __init__(self, dtype: DType, scale: bool = False) -> None:
        super().__init__(dtype)
        self.scale = scale

    def _change(self, image: Tensor) -> Tensor:
        return super()._change(image) if self.scale else image.to(self.dtype)

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


class Normalize(PictureTransform):
    """``(image - mean) / std`` with one mean and standard deviation a channel, for pictures of floats.

    TypeError for whole numbers, ValueError where a standard deviation is zero.
    """

    def __init__(
        self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
    ) -> None:
        super().__init__()
        self.mean = list(mean) if isinstance(mean, Sequence) else mean
        self.std = list(std) if isinstance(std, Sequence) else std
        self.inplace = inplace

    def _change(self, image: Tensor) -> Tensor:
        if not image.is_floating_point():
            raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
        if image.dim() < 3:
            raise ValueError(
                f"Expected tensor to be a tensor image of size (..., C, H, W). Got {tuple(image.shape)}."
            )
        mean = _C.as_tensor(self.mean, dtype=image.dtype, device=image.device)
        std = _C.as_tensor(self.std, dtype=image.dtype, device=image.device)
        if (std == 0).any():
            raise ValueError("std evaluated to zero, leading to division by zero.")
        mean = mean.view(-1, 1, 1) if mean.dim() == 1 else mean
        std = std.view(-1, 1, 1) if std.dim() == 1 else std
        return image.sub_(mean).div_(std) if self.inplace else image.sub(mean).div_(std)


class Pad(PictureTransform):
    """Pixels around the picture.

    ``padding`` is one number, (sides, top and bottom) or (left, top, right, bottom).
    ``fill`` is a number, or one a channel; ``padding_mode`` is "constant", "edge", "reflect" or "symmetric".
    """

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        _check_mode(padding_mode)
        self._sides = _sides(padding)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill = fill
        self.padding_mode = padding_mode

    def _change(self, image: Tensor) -> Tensor:
        return _pad(image, self._sides, self.fill, self.padding_mode)


def _check_mode(mode: str) -> None:
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"padding_mode must be constant, edge, reflect or symmetric, but got {mode!r}")


class CenterCrop(PictureTransform):
    """The middle of the picture, (height, width); a picture that is smaller is padded with zeros first."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = picture_pair(size)

    def _change(self, image: Tensor) -> Tensor:
        wanted_height, wanted_width = self.size
        height, width = picture_size(image)
        if wanted_height > height or wanted_width > width:
            across, down = max(wanted_width - width, 0), max(wanted_height - height, 0)
            image = _pad(image, (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2), 0, "constant")
            height, width = picture_size(image)
        top, left = round((height - wanted_height) / 2.0), round((width - wanted_width) / 2.0)
        return image[..., top : top + wanted_height, left : left + wanted_width]


class RandomCrop(PictureTransform):
    """A window (height, width) at a random place, after ``padding`` (see ``Pad``).

    ``pad_if_needed`` pads a picture that is smaller than the window; otherwise it is a ValueError.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        _check_mode(padding_mode)
        self.size = picture_pair(size)
        self._sides = (0, 0, 0, 0) if padding is None else _sides(padding)
        self.padding = None if padding is None else list(self._sides)
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def _change(self, image: Tensor) -> Tensor:
        wanted_height, wanted_width = self.size
        left, top, right, bottom = self._sides
        height, width = picture_size(image)
        height, width = height + top + bottom, width + left + right
        if self.pad_if_needed:
            down, across = max(wanted_height - height, 0), max(wanted_width - width, 0)
            top, bottom, height = top + down, bottom + down, height + 2 * down
            left, right, width = left + across, right + across, width + 2 * across
        if height < wanted_height or width < wanted_width:
            padded = "" if self.padding is None and not self.pad_if_needed else "padded "
            raise ValueError(
                f"Required crop size {self.size} is larger than {padded}input image size {(height, width)}."
            )
        # Nothing is drawn where there is no choice: so the numbers that follow are torchvision's.
        y = int(_C.randint(0, height - wanted_height + 1, size=())) if height > wanted_height else 0
        x = int(_C.randint(0, width - wanted_width + 1, size=())) if width > wanted_width else 0
        if (left, top, right, bottom) != (0, 0, 0, 0):
            image = _pad(image, (left, top, right, bottom), self.fill, self.padding_mode)
        return image[..., y : y + wanted_height, x : x + wanted_width]


class RandomHorizontalFlip(PictureTransform):
    """Left and right exchanged, with probability ``p``."""

    _dim = -1

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def _change(self, image: Tensor) -> Tensor:
        return image.flip(self._dim) if _C.rand(1).item() < self.p else image


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged, with probability ``p``."""

    _dim = -2


class Resize(PictureTransform):
    """The picture at another size: (height, width), or one number for the shorter side.

    ``max_size`` limits the longer side then; with ``size=None`` it is the longer side. Whole numbers are
    rounded. ``antialias`` smoothes before the picture is made smaller.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: str = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if size is None:
            if not isinstance(max_size, int):
                raise ValueError(
                    f"max_size must be an integer when size is None, but got {max_size} instead."
                )
        else:
            picture_pair(size)
            if max_size is not None and not isinstance(size, int) and len(size) != 1:
                raise ValueError(
                    "max_size should only be passed if size is None or specifies the length of one side"
                )
        self._mode = str(getattr(interpolation, "value", interpolation))
        if self._mode not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
            raise ValueError(
                f"interpolation must be nearest, nearest-exact, bilinear or bicubic, but got {self._mode!r}"
            )
        self.size = [size] if isinstance(size, int) else None if size is None else list(size)
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def _change(self, image: Tensor) -> Tensor:
        size = self._wanted(*picture_size(image))
        if size == picture_size(image):
            return image
        options: dict[str, Any] = {"mode": self._mode}
        if not self._mode.startswith("nearest"):
            options |= {"align_corners": False, "antialias": bool(self.antialias)}
        return resample(
            image, lambda batch: F.interpolate(batch, size=size, **options), self._mode == "bicubic"
        )

    def _wanted(self, height: int, width: int) -> tuple[int, int]:
        if self.size is not None and len(self.size) == 2:
            return self.size[0], self.size[1]
        short, long = sorted((height, width))
        if self.size is None:
            assert self.max_size is not None
            new_short, new_long = int(self.max_size * short / long), self.max_size
        else:
            new_short, new_long = self.size[0], int(self.size[0] * long / short)
            if self.max_size is not None:
                if self.max_size <= new_short:
                    raise ValueError(
                        f"max_size = {self.max_size} must be strictly greater than the requested size for "
                        f"the smaller edge size = {self.size}"
                    )
                if new_long > self.max_size:
                    new_short, new_long = int(self.max_size * new_short / new_long), self.max_size
        return (new_short, new_long) if height <= width else (new_long, new_short)


def __getattr__(name: str) -> Any:
    import sys
    from importlib import import_module

    if name == "v2":  # torchvision's second module of transforms: these are of its kind
        return sys.modules[__name__]
    if name == "functional":
        return import_module("rustnn.datasets.picture_functions")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
