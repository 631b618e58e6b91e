"""Norms of matrices by their old names; ``linalg.matrix_norm`` has the same and more."""

from __future__ import annotations

from rustnn import _C, linalg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["frobenius_norm", "nuclear_norm"]


def frobenius_norm(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """The root of the sum of the squares along up to two dims (none: all). RuntimeError for more."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) > 2:
        raise RuntimeError(f"Expected at most 2 dimensions, but got {len(dims)} dimensions instead.")
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError("norm(): input dtype should be either floating point or complex.")
    return _C._linalg_vector_norm(input, 2, dims or None, keepdim)


def nuclear_norm(
    input: Tensor, dim: bool | int | Sequence[int] | None = None, keepdim: bool = False
) -> Tensor:
    """The sum of the singular values of the matrices along two dims, the last ones if none are given.

    ``nuclear_norm(input, True)`` keeps the dims. RuntimeError for other than two different dims.
    """
    if dim is None or isinstance(dim, bool):
        dim, keepdim = (-2, -1), bool(dim) or keepdim
    if isinstance(dim, int):
        dim = (dim, dim)  # which `matrix_norm` refuses
    norm: Tensor = linalg.matrix_norm(input, "nuc", dim, keepdim)
    return norm
