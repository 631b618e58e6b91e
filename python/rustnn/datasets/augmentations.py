"""Random changes that make more pictures of few: parts of other sizes, boxes left out, colours taken away."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rustnn import _C, nn
from rustnn._C import Tensor
from rustnn.datasets.colours import grayscale
from rustnn.datasets.pictures import PictureTransform, picture_pair, picture_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "Grayscale",
    "Identity",
    "LinearTransformation",
    "RandomApply",
    "RandomChoice",
    "RandomErasing",
    "RandomGrayscale",
    "RandomOrder",
    "RandomResizedCrop",
]


def _probability(p: float) -> float:
    if not 0.0 <= p <= 1.0:
        raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
    return p


def _share(scale: Sequence[float], log_ratio: Tensor) -> tuple[float, float]:
    """A random share of the area, and a random ratio of the sides."""
    area = _C.empty(1).uniform_(scale[0], scale[1]).item()
    ratio = _C.empty(1).uniform_(log_ratio[0].item(), log_ratio[1].item()).exp().item()
    return float(area), float(ratio)


def _place(free_height: int, free_width: int) -> tuple[int, int]:
    """A random corner, where so much room is left."""
    y = int(_C.randint(0, free_height + 1, (1,)))
    return y, int(_C.randint(0, free_width + 1, (1,)))


def _warn_of_order(scale: Sequence[float], ratio: Sequence[float]) -> None:
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        import warnings

        warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=3)


class RandomResizedCrop(PictureTransform):
    """A random part of the picture at the size (height, width), or one number for both.

    ``scale`` has the least and the largest share of the area, ``ratio`` those of width to height; the middle
    is taken where ten draws do not fit. TypeError for a ``scale`` or ``ratio`` that is not two numbers.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: str = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        from rustnn.datasets.transforms import Resize

        super().__init__()
        self.size = picture_pair(size)
        for name, value in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(value, Sequence) or len(value) != 2:
                raise TypeError(f"{name} should be a sequence of two floats.")
        _warn_of_order(scale, ratio)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias
        self._log_ratio = _C.tensor(ratio).log()
        # No child of the module.
        self._resize = (Resize(self.size, interpolation, antialias=antialias),)

    def _change(self, image: Tensor) -> Tensor:
        y, x, height, width = self._part(*picture_size(image))
        return self._resize[0](image[..., y : y + height, x : x + width])  # type: ignore[no-any-return]

    def _part(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The corner and the size of a part of a picture of this size."""
        for _ in range(10):
            share, ratio = _share(self.scale, self._log_ratio)
            area = height * width * share
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return (*_place(height - h, width - w), h, w)
        h, w = height, width
        if width / height < min(self.ratio):
            h = round(width / min(self.ratio))
        elif width / height > max(self.ratio):
            w = round(height * max(self.ratio))
        return (height - h) // 2, (width - w) // 2, h, w


class RandomErasing(PictureTransform):
    """With probability ``p`` a random box is filled with ``value``: a number, one a channel, or "random".

    ``scale`` has the least and the largest share of the area, ``ratio`` those of height to width. The picture
    is copied unless ``inplace``. ValueError for another text, and for shares outside of [0, 1].
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        self.p = _probability(p)
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        for name, limits in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(limits, Sequence):
                raise TypeError(f"{name} should be a sequence")
        _warn_of_order(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        self.scale = scale
        self.ratio = ratio
        values = [value] if isinstance(value, (int, float)) else value
        self.value = None if isinstance(values, str) else [float(v) for v in values]
        self.inplace = inplace
        self._log_ratio = _C.tensor(ratio).log()

    def _change(self, image: Tensor) -> Tensor:
        if _C.rand(1).item() >= self.p:
            return image
        channels = image.shape[-3]
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of inpt channels)"
            )
        height, width = picture_size(image)
        for _ in range(10):
            share, ratio = _share(self.scale, self._log_ratio)
            area = height * width * share
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h >= height or w >= width:
                continue
            if self.value is None:
                filling = _C.empty(channels, h, w).normal_()
            else:
                filling = _C.tensor(self.value).view(-1, 1, 1)
            y, x = _place(height - h, width - w)
            image = image if self.inplace else image.clone()
            image[..., y : y + h, x : x + w] = filling.to(image.dtype)
            return image
        return image


class Grayscale(PictureTransform):
    """Brightness alone, in one channel or, the same, in three."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def _change(self, image: Tensor) -> Tensor:
        return grayscale(image, self.num_output_channels)


class RandomGrayscale(PictureTransform):
    """Brightness alone, in as many channels as there were, with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = _probability(p)

    def _change(self, image: Tensor) -> Tensor:
        return image if _C.rand(1).item() >= self.p else grayscale(image, image.shape[-3])


class RandomApply(nn.Module):
    """Some transforms, one after another, with probability ``p``: all or none."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]] | nn.ModuleList, p: float = 0.5) -> None:
        super().__init__()
        if not isinstance(transforms, (Sequence, nn.ModuleList)):
            raise TypeError("Argument transforms should be a sequence of callables or a `nn.ModuleList`")
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms
        self.p = _probability(p)

    def forward(self, image: Any) -> Any:
        if _C.rand(1).item() >= self.p:
            return image
        for transform in self.transforms:
            image = transform(image)
        return image

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class RandomChoice(nn.Module):
    """One of some transforms, with probabilities ``p``, or all alike."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        shares = [1.0] * len(transforms) if p is None else list(p)
        if len(shares) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(shares)} != {len(transforms)}"
            )
        self.transforms = transforms
        self.p = [share / sum(shares) for share in shares]

    def forward(self, image: Any) -> Any:
        chosen = int(_C.multinomial(_C.tensor(self.p), 1).item())
        return self.transforms[chosen](image)

    def extra_repr(self) -> str:
        return f"transforms={self.transforms}, p={self.p}"


class RandomOrder(nn.Module):
    """All of some transforms, in random order."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        self.transforms = transforms

    def forward(self, image: Any) -> Any:
        for n in _C.randperm(len(self.transforms)).tolist():
            image = self.transforms[n](image)
        return image

    def extra_repr(self) -> str:
        return f"transforms={self.transforms}"


class Identity(nn.Module):
    """The picture as it is."""

    def forward(self, image: Any) -> Any:
        return image


class LinearTransformation(PictureTransform):
    """``(pixels - mean_vector) @ transformation_matrix`` of all pixels of a picture in a row, for whitening.

    ValueError for a matrix that is not square, a vector of another length, and pictures of another size.
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ValueError(
                f"transformation_matrix should be square. Got {tuple(transformation_matrix.shape)} "
                "rectangular matrix."
            )
        if mean_vector.shape[0] != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the "
                "dimensions "
                f"of the transformation_matrix [{tuple(transformation_matrix.shape)}]"
            )
        self._matrix = transformation_matrix
        self._mean = mean_vector

    def _change(self, image: Tensor) -> Tensor:
        shape = image.shape
        pixels = shape[-3] * shape[-2] * shape[-1]
        if pixels != len(self._matrix):
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{shape[-3]} x {shape[-2]} x {shape[-1]}] != {len(self._matrix)}"
            )
        row = image.reshape(-1, pixels).to(self._matrix.dtype) - self._mean
        return (row @ self._matrix).reshape(shape)
