"""Names for annotations."""

from __future__ import annotations

from os import PathLike

from rustnn._C import Tensor as Tensor
from rustnn._C import device
from rustnn.size import Size as Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Device = device | str | int | None
    FileLike = str | PathLike[str] | Any
    Number = int | float | bool

__all__ = ["Device", "FileLike", "Number", "Size", "Tensor"]

if not TYPE_CHECKING:
    Device = device | str | int | None
    FileLike = str | PathLike
    Number = int | float | bool
