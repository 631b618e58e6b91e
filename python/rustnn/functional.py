"""Functions over any number of tensors: what they have in common is their shapes."""

from __future__ import annotations

from rustnn import _C
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "from_file",
    "meshgrid",
]


def _check_tensors(tensors: Sequence[Any]) -> None:
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, _C.Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(tensor).__name__}")


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to the one shape that they broadcast to; views. RuntimeError if there is none."""
    _check_tensors(tensors)
    return tuple(_C.broadcast_tensors(tensors)) if tensors else ()


def atleast_1d(*tensors: Any) -> Any:
    """Tensors with one dimension at least: one for one tensor, a tuple for several or for a list."""
    return _C.atleast_1d(tensors[0] if len(tensors) == 1 else tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with two dimensions at least: one for one tensor, a tuple for several or for a list."""
    return _C.atleast_2d(tensors[0] if len(tensors) == 1 else tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors with three dimensions at least: one for one tensor, a tuple for several or for a list."""
    return _C.atleast_3d(tensors[0] if len(tensors) == 1 else tensors)


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of a matrix, zeros elsewhere.

    ``tensors`` have up to two dims: vectors are rows, 0-d tensors matrices of one element. RuntimeError for
    more.
    """
    _check_tensors(tensors)
    return _C.block_diag(tensors)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples of elements, one of each vector: (product of the lengths, number of vectors).

    RuntimeError for other shapes or several dtypes.
    """
    _check_tensors(tensors)
    return _C.cartesian_prod(tensors)


def _assert(condition: Any, message: str) -> None:
    """``assert``, as a function: AssertionError with a message."""
    if not condition:
        raise AssertionError(message)


def from_file(
    filename: str, shared: bool | None = None, size: int | None = 0, *, dtype: _C.dtype | None = None
) -> Tensor:
    """The first ``size`` elements in a file, as they lie there: (size,).

    The file is mapped. Writes go to it if ``shared``, and it is made, or made longer, where that is needed.
    RuntimeError where it is too short otherwise.
    """
    from rustnn.storage import mapped_file

    kind = dtype or _C.get_default_dtype()
    if not size:
        return _C.empty(0, dtype=kind)
    storage = mapped_file(filename, bool(shared), size * kind.itemsize)
    return _C._tensor_over(storage, kind, 0, (size,), (1,))


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
        from rustnn.once import warn_once

        warn_once(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument."
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
