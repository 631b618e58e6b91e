"""Decompositions of low rank by random projections.

N. Halko, P. G. Martinsson and J. A. Tropp, Finding structure with randomness, 2011 (algorithms 4.4 and 5.1).
"""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["pca_lowrank", "svd_lowrank"]


def _adjoint(x: Tensor) -> Tensor:
    turned = x.transpose(-2, -1)
    return turned.conj() if x.is_complex() else turned


def _range(a: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns (*, m, q) whose span is close to that of the largest singular vectors of ``a``."""
    directions = _C.randn(a.shape[-1], q, dtype=a.dtype, device=a.device)
    basis: Tensor = _C._linalg_qr(a @ directions)[0]
    for _ in range(niter):
        back = _C._linalg_qr(_adjoint(a) @ basis)[0]
        basis = _C._linalg_qr(a @ back)[0]
    return basis


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """U (*, m, q), S (*, q) and V (*, n, q) with ``A - M`` close to U diag(S) Vᴴ, for ``A`` (*, m, n).

    ``niter`` power iterations sharpen the result, which is random. ValueError unless 0 <= q <= min(m, n).
    """
    rank, iterations = 6 if q is None else q, 2 if niter is None else niter
    a = A if M is None else A - M.expand(A.shape)
    m, n = a.shape[-2:]
    if m < n:
        u, s, v = svd_lowrank(_adjoint(a), rank, iterations)
        return v, s, u
    basis = _range(a, rank, iterations)
    u, s, vh = _C._linalg_svd(_adjoint(basis) @ a, full_matrices=False)
    return basis @ u, s, _adjoint(vh)


def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and V of the principal components of the rows of ``A`` (*, m, n): V's columns are the directions.

    ``q`` is how many to look for, min(6, m, n) by default. ValueError for a ``q`` or ``niter`` out of range.
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    centred = A - A.mean(dim=-2, keepdim=True) if center else A
    return svd_lowrank(centred, q, niter)
