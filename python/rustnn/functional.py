"""Functions over any number of tensors: what they have in common is their shapes."""

from __future__ import annotations

from rustnn import _C
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["broadcast_shapes", "broadcast_tensors", "meshgrid"]


def _check_tensors(tensors: Sequence[Any]) -> None:
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, _C.Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(tensor).__name__}")


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to the one shape that they broadcast to; views. RuntimeError if there is none."""
    _check_tensors(tensors)
    return tuple(_C.broadcast_tensors(tensors)) if tensors else ()


def broadcast_shapes(*shapes: int | Sequence[int]) -> Size:
    """The shape that tensors of these shapes broadcast to. RuntimeError if there is none."""
    result: list[int] = []
    for position, shape in enumerate(shapes):
        if not isinstance(shape, (int, tuple, list)):
            raise RuntimeError(
                f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}"
            )
        sizes = (shape,) if isinstance(shape, int) else shape
        result = [1] * (len(sizes) - len(result)) + result
        for i, size in enumerate(sizes, -len(sizes)):
            if not isinstance(size, int):
                found = f"item {i + len(sizes)} is '{type(size).__name__}'"
                raise TypeError(f"torch.Size() takes an iterable of 'int' ({found})")
            if size < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if size == 1 or size == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {size} at {i}! Mismatching argument at "
                    f"index {position} had {tuple(sizes)}; but expected shape should be broadcastable to "
                    f"{result}"
                )
            result[i] = size
    return Size(result)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """A grid from the coordinates along its axes: for every axis, its coordinate at each point; views.

    ``tensors`` have one dim or none. The grid's axes are in their order with ``indexing="ij"``; with "xy" the
    first two change places. RuntimeError for other shapes or several dtypes.
    """
    axes = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)
    _check_tensors(axes)
    if not axes:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for axis in axes:
        if axis.dim() > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {tuple(axis.shape)}"
            )
        if axis.dtype != axes[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing is None:
        import warnings

        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            stacklevel=2,
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    order = list(range(len(axes)))
    if indexing == "xy" and len(axes) > 1:
        order[:2] = 1, 0
    shape = [axes[i].numel() for i in order]
    grids = []
    for i, axis in enumerate(axes):
        along = [1] * len(axes)
        along[order[i]] = axis.numel()
        grids.append(axis.view(along).expand(shape))
    return tuple(grids)
