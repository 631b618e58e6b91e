"""Methods of tensors that are written in Python, and methods as functions."""

from __future__ import annotations

from rustnn import _C, removed
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["as_strided_", "detach_", "nonzero_static"]


def detach_(input: Tensor) -> Tensor:
    """``input`` itself, taken out of its graph. RuntimeError for views of tensors in a graph."""
    return input.detach_()


def as_strided_(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """``input`` itself with other sizes and strides over its memory. RuntimeError if that is too small."""
    return input.as_strided_(size, stride, storage_offset)


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The indices of ``size`` elements that are not zero: (size, dims), int64, filled up with ``fill_value``.

    RuntimeError for a negative ``size``.
    """
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = _C.nonzero(input)[:size]
    rest = _C.full((size - found.size(0), found.size(1)), fill_value, dtype=_C.int64, device=found.device)
    return _C.cat([found, rest])


def _resize(self: Tensor, *sizes: Any) -> Tensor:
    """``reshape`` by its old name: it warns, and raises RuntimeError for another number of elements."""
    import warnings

    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    wanted = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    count = 1
    for size in wanted:
        count *= size
    if count != self.numel() or min(wanted, default=0) < 0:
        shape = "x".join(map(str, self.shape))
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, wanted))} ({count} elements in total), but the given "
            f"tensor has a size of {shape} ({self.numel()} elements). autograd's resize can only change the "
            "shape of a given tensor, while preserving the number of elements. "
        )
    return self.reshape(tuple(wanted))


def _resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """``reshape_as`` by its old name: it warns, and raises RuntimeError for another number of elements."""
    return _resize(self, *tensor.shape)


for _name in ("eig", "lstsq", "lu", "solve", "symeig"):
    setattr(Tensor, _name, getattr(removed, _name))
for _name, _method in (("nonzero_static", nonzero_static), ("resize", _resize), ("resize_as", _resize_as)):
    setattr(Tensor, _name, _method)
