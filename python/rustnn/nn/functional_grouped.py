"""Products of matrices in groups."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["grouped_mm"]

_NAMES = {_C.float32: "Float", _C.float64: "Double", _C.int64: "Long", _C.int32: "Int", _C.bool: "Bool"}


def grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    *,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: Any = None,
) -> Tensor:
    """Products of G pairs of matrices, where ``offs`` (G, int32) says at which row or column each group ends.

    (M, K) and (G, K, N): rows in groups, to (M, N). (G, M, K) and (K, N): columns in groups, to (M, N).
    (M, K) and (K, N): what is summed over in groups, to (G, M, N). (G, M, K) and (G, K, N), without ``offs``,
    to (G, M, N). What lies beyond the last group is zero. RuntimeError for other sizes, dtypes but float32,
    bfloat16 and float16, and for a ``bias``, which PyTorch does not have yet either.
    """
    _check(mat_a, mat_b, offs, bias, out_dtype)
    if offs is None:
        return _C.bmm(mat_a, mat_b)
    ends: list[int] = offs.tolist()
    size = mat_a.shape[0] if mat_a.dim() == 2 and mat_b.dim() == 3 else mat_b.shape[-1]
    if mat_a.dim() == 2 and mat_b.dim() == 2:
        size = mat_a.shape[1]
    if ends != sorted(ends) or (ends and not 0 <= ends[0] <= ends[-1] <= size):
        raise RuntimeError(f"offs should go up from 0 to {size} at most, got {ends}")
    groups = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    if mat_b.dim() == 3:
        parts = [_C.mm(mat_a[rows], matrix) for rows, matrix in zip(groups, mat_b, strict=True)]
        return _joined(parts, 0, mat_a.shape[0], (0, mat_b.shape[-1]), mat_a)
    if mat_a.dim() == 3:
        parts = [_C.mm(matrix, mat_b[:, columns]) for columns, matrix in zip(groups, mat_a, strict=True)]
        return _joined(parts, 1, mat_b.shape[-1], (mat_a.shape[1], 0), mat_a)
    return _C.stack([_C.mm(mat_a[:, inner], mat_b[inner]) for inner in groups])


def _joined(parts: list[Tensor], dim: int, size: int, empty: tuple[int, int], like: Tensor) -> Tensor:
    """The parts behind each other along ``dim``, filled up with zeros to ``size``."""
    missing = list(empty)
    missing[dim] = size - sum(part.shape[dim] for part in parts)
    if missing[dim]:
        parts = [*parts, like.new_zeros(missing)]
    return _C.cat(parts, dim)


def _check(mat_a: Tensor, mat_b: Tensor, offs: Tensor | None, bias: Tensor | None, out_dtype: Any) -> None:
    for name, matrix in (("mat_a", mat_a), ("mat_b", mat_b)):
        if matrix.dtype not in (_C.float32, _C.bfloat16, _C.float16):
            kind = _NAMES.get(matrix.dtype, str(matrix.dtype))
            raise RuntimeError(f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {kind}")
    for name, matrix in (("mat_a", mat_a), ("mat_b", mat_b)):
        if matrix.dim() not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
    if mat_a.shape[-1] != mat_b.shape[-2]:
        raise RuntimeError("contraction dimension of mat_a and mat_b must match")
    flat = mat_a.dim() == 2 or mat_b.dim() == 2
    if flat is not (offs is not None):
        raise RuntimeError(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if offs is not None:
        if offs.dim() != 1:
            raise RuntimeError("offs has to be 1D")
        if offs.dtype != _C.int32:
            raise RuntimeError("Offsets have to be int32")
    counts = {matrix.shape[0] for matrix in (mat_a, mat_b) if matrix.dim() == 3}
    if offs is not None:
        counts.add(offs.shape[0])
    if len(counts) > 1:
        raise RuntimeError("matrix batch sizes have to match")
    if out_dtype is not None and out_dtype != mat_a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
