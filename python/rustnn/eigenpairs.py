"""A few extreme eigenvalues of large symmetric matrices.

A. V. Knyazev, Toward the optimal preconditioned eigensolver: locally optimal block preconditioned conjugate
gradient method, 2001.
"""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustnn._C import Tensor

__all__ = ["lobpcg"]

_AT_MOST = 1000  # iterations where the caller names no limit


def lobpcg(
    A: Tensor,
    k: int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: int | None = None,
    iK: Tensor | None = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: None = None,
    ortho_iparams: Mapping[str, int] | None = None,
    ortho_fparams: Mapping[str, float] | None = None,
    ortho_bparams: Mapping[str, bool] | None = None,
) -> tuple[Tensor, Tensor]:
    """E (*, k) and X (*, m, k) with A X = B X diag(E): the largest eigenvalues, or the smallest, of ``A``.

    ``A`` (*, m, m) is symmetric, ``B`` positive-definite, the identity by default. The iteration starts with
    ``X`` (*, m, n), random by default, goes on until all residuals are below ``tol`` (the root of the dtype's
    precision), at most ``niter`` times; ``iK`` (*, m, m) is a preconditioner, close to the inverse of ``A``.
    ``method`` and the parameters of orthogonalisation change nothing: every step orthogonalises.
    ValueError unless m >= 3 n; NotImplementedError for ``tracker`` and where a gradient would be asked for.
    """
    given = [tensor for tensor in (A, B, X, iK) if tensor is not None]
    if _C.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        raise NotImplementedError("lobpcg() has no gradient here: use linalg.eigh, or detach its arguments")
    if tracker is not None:
        raise NotImplementedError("lobpcg() calls no tracker")
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"lobpcg: unknown method {method!r}")
    if A.dim() < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"lobpcg: A must be a square matrix or a batch of them, got {tuple(A.shape)}")
    size = A.shape[-1]
    if n is None:
        n = X.shape[-1] if X is not None else 1 if k is None else k
    count = n if k is None else min(k, n)
    if size < 3 * n:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={size}) is smaller than 3 x the "
            f"number of requested eigenpairs (={n})"
        )
    if tol is None:
        tol = (2.23e-16 if A.dtype == _C.float64 else 1.2e-07) ** 0.5
    search = _Search(_AT_MOST if niter is None or niter < 0 else niter, tol, largest is not False)
    start = _C.randn(*A.shape[:-1], n, dtype=A.dtype, device=A.device) if X is None else X
    with no_grad():
        if A.dim() == 2:
            e, x = search.run(A, B, start, iK)
            return e[:count], x[:, :count]
        batch = A.shape[:-2]

        def each(tensor: Tensor) -> list[Tensor]:
            return list(tensor.expand(*batch, *tensor.shape[-2:]).reshape(-1, *tensor.shape[-2:]))

        matrices = each(A)
        rest = [[None] * len(matrices) if t is None else each(t) for t in (B, iK)]
        pairs = [
            search.run(a, b, x, i) for a, b, x, i in zip(matrices, rest[0], each(start), rest[1], strict=True)
        ]
        e, x = (_C.stack([pair[part] for pair in pairs]) for part in (0, 1))
        return e[:, :count].reshape(*batch, count), x[:, :, :count].reshape(*batch, size, count)


class _Search:
    """The iteration over one matrix."""

    def __init__(self, limit: int, tol: float, up: bool) -> None:
        self.limit, self.tol, self.up = limit, tol, up

    def _best(self, a: Tensor, b: Tensor | None, span: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """A basis of the span, orthonormal in B, and the n best pairs in it: values, and coordinates."""
        scaled = span / span.norm(dim=0).clamp_min(1e-30)
        weights, turns = _C._linalg_eigh(scaled.mT @ (scaled if b is None else b @ scaled))
        # Directions that the others span already carry nothing but rounding.
        kept = weights > weights[-1] * span.shape[0] * (1e-15 if span.dtype == _C.float64 else 1e-6)
        kept[-n:] = True
        basis = scaled @ (turns[:, kept] * weights[kept].clamp_min(1e-30).rsqrt())
        values, coordinates = _C._linalg_eigh(basis.mT @ (a @ basis))
        if self.up:
            values, coordinates = values.flip(0), coordinates.flip(1)
        return basis, values[:n], coordinates[:, :n]

    def run(self, a: Tensor, b: Tensor | None, x: Tensor, inverse: Tensor | None) -> tuple[Tensor, Tensor]:
        """The pairs that are found from ``x`` (m, n)."""
        n = x.shape[1]
        basis, values, coordinates = self._best(a, b, x, n)
        x = basis @ coordinates
        sizes = a.norm() / a.shape[0] ** 0.5, 1.0 if b is None else b.norm() / a.shape[0] ** 0.5
        step = x[:, :0]
        for _ in range(self.limit):
            residual = a @ x - (x if b is None else b @ x) * values
            error = residual.norm(dim=0) / (x.norm(dim=0) * (sizes[0] + values.abs() * sizes[1]))
            if bool((error < self.tol).all()):
                break
            direction = residual if inverse is None else inverse @ residual
            basis, values, coordinates = self._best(a, b, _C.cat([x, direction, step], 1), n)
            new = basis @ coordinates
            # What the new vectors have besides the old ones is where the iteration is heading.
            step = new - x @ (x.mT @ (new if b is None else b @ new))
            x = new
        return values, x
