"""Functions of linear algebra that PyTorch took away or deprecates: they say what to take instead."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from rustnn._C import Tensor

__all__ = ["eig", "lstsq", "lu", "matrix_rank", "solve", "symeig"]

_SINCE = "This function was deprecated since version 1.9 and is now removed."


def eig(self: Tensor, eigenvectors: bool = False, *, e: Any = None, v: Any = None) -> NoReturn:
    """Removed: RuntimeError. ``linalg.eig`` gives complex values."""
    raise RuntimeError(
        f"{_SINCE} `torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than "
        "real "
        "tensors mimicking complex tensors.\n\nTake torch.linalg.eigvals(A), or torch.linalg.eig(A) for "
        "eigenvectors too."
    )


def lstsq(input: Tensor, A: Tensor, *, out: Any = None) -> NoReturn:
    """Removed: RuntimeError. ``linalg.lstsq`` takes its arguments in the other order."""
    raise RuntimeError(
        f"{_SINCE} `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.\n"
        "`torch.linalg.lstsq` has reversed arguments and does not return the QR decomposition in the "
        "returned "
        "tuple; it has the residuals as a field.\n\nTake torch.linalg.lstsq(A, B).solution."
    )


def matrix_rank(
    self: Tensor, tol: float | None = None, symmetric: bool = False, *, out: Any = None
) -> NoReturn:
    """Removed: RuntimeError. ``linalg.matrix_rank`` is it."""
    raise RuntimeError(
        f"{_SINCE}\nPlease use the `torch.linalg.matrix_rank` function instead. The parameter 'symmetric' is "
        "called 'hermitian' there."
    )


def solve(input: Tensor, A: Tensor, *, out: Any = None) -> NoReturn:
    """Removed: RuntimeError. ``linalg.solve`` takes its arguments in the other order."""
    raise RuntimeError(
        f"{_SINCE} `torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has "
        "its "
        "arguments reversed and does not return the LU factorization.\n\nTake torch.linalg.solve(A, B)."
    )


def symeig(input: Tensor, eigenvectors: bool = False, upper: bool = True, *, out: Any = None) -> NoReturn:
    """Removed: RuntimeError. ``linalg.eigh`` reads the lower triangle."""
    raise RuntimeError(
        f"{_SINCE} The default behavior has changed from using the upper triangular portion of the matrix by "
        "default to using the lower triangular portion.\n\nTake torch.linalg.eigvalsh(A, UPLO='U' if upper "
        "else 'L'), or torch.linalg.eigh for eigenvectors too."
    )


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """The LU factors of matrices in one tensor, and pivots; with ``get_infos`` also where it failed.

    Deprecated in favour of ``linalg.lu_factor`` and ``linalg.lu_factor_ex``: it warns.
    """
    import warnings

    warnings.warn(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and will be "
        "removed in a future PyTorch release.\nLU, pivots = torch.lu(A, compute_pivots)\nshould be replaced "
        "with\nLU, pivots = torch.linalg.lu_factor(A, compute_pivots)\nand get_infos=True by lu_factor_ex.",
        stacklevel=2,
    )
    keywords = {} if out is None else {"out": out}
    return _C.lu(A, pivot, True, **keywords) if get_infos else _C.lu(A, pivot, **keywords)
