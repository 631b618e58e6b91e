"""Masks of causal attention, where queries and keys are not equally many."""

from __future__ import annotations

from enum import IntEnum

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """The corner of the mask at which its diagonal begins."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


def causal_upper_left(*size: int) -> Tensor:
    """(L, S) bools: the first query sees the first key. RuntimeError unless there are two sizes."""
    return _triangle(size, 0)


def causal_lower_right(*size: int) -> Tensor:
    """(L, S) bools: the last query sees the last key. RuntimeError unless there are two sizes."""
    return _triangle(size, size[1] - size[0] if len(size) == 2 else 0)


def _triangle(size: tuple[int, ...], diagonal: int) -> Tensor:
    if len(size) != 2:
        raise RuntimeError("causal bias only supports 2D tensors")
    return _C.ones(size, dtype=_C.bool).tril(diagonal)
