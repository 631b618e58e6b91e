"""Special functions: gamma, error and Bessel functions and their relatives, under SciPy's names."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]

airy_ai = _C._special_airy_ai
bessel_j0 = _C._special_bessel_j0
bessel_j1 = _C._special_bessel_j1
bessel_y0 = _C._special_bessel_y0
bessel_y1 = _C._special_bessel_y1
chebyshev_polynomial_t = _C._special_chebyshev_polynomial_t
chebyshev_polynomial_u = _C._special_chebyshev_polynomial_u
chebyshev_polynomial_v = _C._special_chebyshev_polynomial_v
chebyshev_polynomial_w = _C._special_chebyshev_polynomial_w
digamma = _C.digamma
entr = _C._special_entr
erf = _C.erf
erfc = _C.erfc
erfcx = _C._special_erfcx
erfinv = _C.erfinv
exp2 = _C.exp2
expit = _C.sigmoid
expm1 = _C.expm1
gammainc = _C.igamma
gammaincc = _C.igammac
gammaln = _C.lgamma
hermite_polynomial_h = _C._special_hermite_polynomial_h
hermite_polynomial_he = _C._special_hermite_polynomial_he
i0 = _C.i0
i0e = _C._special_i0e
i1 = _C._special_i1
i1e = _C._special_i1e
laguerre_polynomial_l = _C._special_laguerre_polynomial_l
legendre_polynomial_p = _C._special_legendre_polynomial_p
log1p = _C.log1p
log_ndtr = _C._special_log_ndtr
logit = _C.logit
modified_bessel_i0 = _C._special_modified_bessel_i0
modified_bessel_i1 = _C._special_modified_bessel_i1
modified_bessel_k0 = _C._special_modified_bessel_k0
modified_bessel_k1 = _C._special_modified_bessel_k1
multigammaln = _C.mvlgamma
ndtr = _C._special_ndtr
ndtri = _C._special_ndtri
polygamma = _C.polygamma
psi = _C.digamma
round = _C.round
scaled_modified_bessel_k0 = _C._special_scaled_modified_bessel_k0
scaled_modified_bessel_k1 = _C._special_scaled_modified_bessel_k1
shifted_chebyshev_polynomial_t = _C._special_shifted_chebyshev_polynomial_t
shifted_chebyshev_polynomial_u = _C._special_shifted_chebyshev_polynomial_u
shifted_chebyshev_polynomial_v = _C._special_shifted_chebyshev_polynomial_v
shifted_chebyshev_polynomial_w = _C._special_shifted_chebyshev_polynomial_w
sinc = _C.sinc
spherical_bessel_j0 = _C._special_spherical_bessel_j0
xlog1py = _C._special_xlog1py
xlogy = _C.xlogy
zeta = _C._special_zeta


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """``exp(x)`` over its sum along ``dim``; ``dtype`` is converted to first."""
    return _C.softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of ``softmax``, without its overflow."""
    return _C.log_softmax(input, dim, dtype=dtype)


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the sum of exponentials along ``dim``."""
    return _C.logsumexp(input, dim, keepdim, out=out)
