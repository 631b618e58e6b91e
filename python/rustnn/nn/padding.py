"""Layers that widen the last one, two or three dims of their input.

``padding`` is a number for all sides, or (left, right, top, bottom, front, back), last dim first.
Negative numbers cut away.
"""

from __future__ import annotations

from rustnn._C import Tensor
from rustnn.nn import functional as F
from rustnn.nn.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """What all of them share."""

    _dims: ClassVar[int]
    _mode: ClassVar[str]
    padding: tuple[int, ...]

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = tuple(padding) if hasattr(padding, "__iter__") else (padding,) * (2 * self._dims)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    value: float

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Adds ``value`` at both ends: (N, C, L) or (C, L)."""

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Adds ``value`` around an image: (N, C, H, W) or (C, H, W).

    ``padding`` is a number for all sides, or (left, right, top, bottom); negative ones cut off.
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Adds ``value`` around a volume: (N, C, D, H, W) or (C, D, H, W)."""

    _dims = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd):
    """Adds zeros at both ends."""

    _dims = 1


class ZeroPad2d(_ZeroPadNd):
    """Adds zeros around an image: (N, C, H, W) or (C, H, W).

    ``padding`` is a number for all sides, or (left, right, top, bottom); negative ones cut off.
    """

    _dims = 2


class ZeroPad3d(_ZeroPadNd):
    """Adds zeros around a volume."""

    _dims = 3


class ReflectionPad1d(_PadNd):
    """Goes on as in a mirror that stands on the last element; RuntimeError where the input is too short."""

    _dims = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """As ReflectionPad1d, around an image: (N, C, H, W) or (C, H, W), (left, right, top, bottom)."""

    _dims = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """As ReflectionPad1d, around a volume."""

    _dims = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Repeats the last element."""

    _dims = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Repeats the edges of an image: (N, C, H, W) or (C, H, W), (left, right, top, bottom)."""

    _dims = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Repeats the faces of a volume."""

    _dims = 3
    _mode = "replicate"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (self._dims + 1, self._dims + 2):
            raise ValueError(
                f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input.dim()}D input)"
            )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Goes on with the other end's elements. ValueError for other than 2 or 3 dims."""

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """As CircularPad1d, around an image. ValueError for other than 3 or 4 dims."""

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """As CircularPad1d, around a volume. ValueError for other than 4 or 5 dims."""

    _dims = 3
