"""Parametrizations for any layer: orthogonal matrices, norms apart from directions, a spectral norm of 1."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.nn import functional as F
from rustnn.nn.module import Module
from rustnn.nn.utils import parametrize
from rustnn.nn.utils.spectral_norm import default_dim, matrix_by_dim, normalized_
from rustnn.nn.utils.weight_norm import norm_except_dim, with_norms
from rustnn.numeric_limits import finfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _tensor_of(module: Module, name: str) -> Tensor:
    found = getattr(module, name, None)
    if not isinstance(found, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return found


# ---- orthogonal matrices -----------------------------------------------------------------------------------


def _is_orthogonal(matrix: Tensor) -> bool:
    rows, columns = matrix.shape[-2:]
    identity = _C.eye(columns, dtype=matrix.dtype, device=matrix.device)
    return bool(_C.allclose(matrix.mH @ matrix, identity, atol=10.0 * rows * finfo(matrix.dtype).eps))


def _made_orthogonal(matrix: Tensor) -> Tensor:
    """The Q of the QR decomposition whose R has a positive diagonal."""
    factors, tau = _C.geqrf(matrix)
    signs = factors.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
    product: Tensor = _C._linalg_householder_product(factors, tau) * signs
    return product


class _Orthogonal(Module):
    """A matrix (*, n, k) as one with orthonormal columns, or rows where n < k.

    ``matrix_exp`` and ``cayley`` map a skew-symmetric matrix A, made of what is below the diagonal, to exp(A)
    and to (I + A/2) (I - A/2)^-1; ``householder`` multiplies reflections. With a ``base``, the result is the
    base times that: Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", 2019.
    """

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if orthogonal_map == "householder" and weight.is_complex():
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.size(-2) < X.size(-1)
        tall = X.mT if wide else X
        made = self._reflected(tall) if self.orthogonal_map == "householder" else self._rotated(tall)
        if hasattr(self, "base"):
            base: Any = self.base
            made = base @ made
        return made.mT if wide else made

    def _rotated(self, tall: Tensor) -> Tensor:
        rows, columns = tall.shape[-2:]
        lower = tall.tril()
        if rows != columns:
            filling = lower.new_zeros(rows, rows - columns).expand(*lower.shape[:-2], -1, -1)
            lower = _C.cat([lower, filling], dim=-1)
        skew = lower - lower.mH
        if self.orthogonal_map == "matrix_exp":
            rotation = _C.matrix_exp(skew)
        else:
            identity = _C.eye(rows, dtype=skew.dtype, device=skew.device)
            rotation = _C._linalg_solve(_C.add(identity, skew, alpha=-0.5), _C.add(identity, skew, alpha=0.5))
        return rotation[..., :columns] if rows != columns else rotation

    def _reflected(self, tall: Tensor) -> Tensor:
        # Below the diagonal are the vectors to reflect along, on it the signs of the columns.
        vectors = tall.tril(diagonal=-1)
        tau = 2.0 / (1.0 + (vectors * vectors).sum(dim=-2))
        signs = tall.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        reflected: Tensor = _C._linalg_householder_product(vectors, tau) * signs
        return reflected

    def right_inverse(self, Q: Tensor) -> Tensor:
        """What to keep for an orthogonal matrix; others are made orthogonal where there is a base."""
        with no_grad():
            return self._kept_for(Q)

    def _kept_for(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape "
                f"{Q.shape}."
            )
        wide = Q.size(-2) < Q.size(-1)
        tall = Q.mT if wide else Q
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                    "when use_trivialization=False."
                )
            vectors, tau = _C.geqrf(tall)
            diagonal = vectors.diagonal(dim1=-2, dim2=-1)
            diagonal.sign_()
            # No reflection was needed for such a column, and its sign is the other one.
            diagonal.copy_(_C.where(tau == 0.0, -diagonal, diagonal))
            kept: Tensor = vectors.mT if wide else vectors
            return kept
        rows, columns = tall.shape[-2:]
        if rows != columns:
            more = _C.randn(*tall.shape[:-2], rows, rows - columns, dtype=tall.dtype, device=tall.device)
            self.base = _made_orthogonal(_C.cat([tall, more], dim=-1))
        else:
            self.base = tall.clone() if _is_orthogonal(tall) else _made_orthogonal(tall)
        # With -1 on the diagonal the maps give the identity, and the product is the base.
        kept = _C.zeros_like(Q)
        kept.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return kept


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Parametrize a tensor (*, n, k) of the module as orthogonal, or with orthonormal columns or rows.

    ``orthogonal_map`` is "matrix_exp" (the default for square and complex ones), "cayley" or
    "householder" (the default otherwise). With ``use_trivialization`` any value can be assigned. Returns
    the module. ValueError for less than two dims and for other maps.
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)


# ---- norms -------------------------------------------------------------------------------------------------


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return with_norms(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Parametrize a tensor by its norms (``original0``) and directions (``original1``); returns the module.

    There is a norm for each index of ``dim``; None or -1: one for the whole tensor. State dicts of
    `nn.utils.weight_norm` can be loaded. Salimans and Kingma, "Weight normalization", 2016.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, *rest: Any) -> None:
        old = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    """A tensor divided by the largest singular value of the matrix (size of ``dim``, all the rest).

    Its singular vectors ``_u`` and ``_v`` are found by the power method, one step a call in training.
    """

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        dims = weight.ndim
        if not -dims <= dim < dims:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{dims}, {dims - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % dims
        self.eps = eps
        if dims > 1:  # a vector has one singular value, its norm
            self.n_power_iterations = n_power_iterations
            matrix = matrix_by_dim(weight, self.dim)
            rows, columns = matrix.shape
            left, right = matrix.new_empty(rows).normal_(0, 1), matrix.new_empty(columns).normal_(0, 1)
            self.register_buffer("_u", F.normalize(left, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(right, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Tensor, steps: int) -> None:
        with no_grad():
            for _ in range(steps):
                normalized_(self._u, _C.mv(matrix, self._v), self.eps)
                normalized_(self._v, _C.mv(matrix.H, self._u), self.eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = matrix_by_dim(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Clones: the next step changes the vectors, and this one's backward needs them as they are.
        left, right = self._u.clone(), self._v.clone()
        normed: Tensor = weight / _C.vdot(left, _C.mv(matrix, right))
        return normed

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Parametrize a tensor as itself over its largest singular value, along ``dim``; returns the module.

    ``dim`` is 0, and 1 for transposed convolutions, where not told. IndexError for a ``dim`` that there is
    not. Miyato et al., "Spectral normalization for generative adversarial networks", 2018.
    """
    weight = _tensor_of(module, name)
    made = _SpectralNorm(weight, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    return parametrize.register_parametrization(module, name, made)
