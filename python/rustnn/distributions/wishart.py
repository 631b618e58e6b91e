"""The Wishart distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.chi2 import Chi2
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.exp_family import ExponentialFamily
from rustnn.distributions.multivariate_normal import _precision_to_scale_tril
from rustnn.distributions.utils import eps_and_tiny, lazy_property
from rustnn.functional import broadcast_shapes
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["Wishart"]


class Wishart(ExponentialFamily):
    """X X^T for X of `df` columns, normal with covariance S: matrices (*, n, n), for any df > n - 1.

    S is given as `covariance_matrix`, its inverse `precision_matrix` or its Cholesky factor `scale_tril`.
    Density: Anderson, "An Introduction to Multivariate Statistical Analysis" (2003), chapter 7; drawn by
    Bartlett's decomposition: Odell and Feiveson, "A numerical procedure to generate a sample covariance
    matrix" (1966). AssertionError unless exactly one matrix is given, ValueError for a df that is too small.
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Tensor | float,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: matrix for name, matrix in given.items() if matrix is not None}
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given.items()
        assert matrix is not None
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch dimensions"
            )
        if isinstance(df, (int, float)):
            batch_shape = Size(matrix.shape[:-2])
            self.df = _C.tensor(df, dtype=matrix.dtype, device=matrix.device)
        else:
            batch_shape = Size(broadcast_shapes(matrix.shape[:-2], df.shape))
            self.df = df.expand(batch_shape)
        event_shape = matrix.shape[-2:]
        n = event_shape[-1]
        if self.df.le(n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        self.__dict__[name] = matrix.expand((*batch_shape, -1, -1))
        if self.df.lt(n).any():
            from warnings import warn

            warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = _C._linalg_cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _precision_to_scale_tril(matrix)
        self._dist_chi2 = self._diagonal()

    def _diagonal(self) -> Chi2:
        """The squares of the diagonal of Bartlett's factor: df, df - 1, ... degrees of freedom."""
        factor = self._unbroadcasted_scale_tril
        rows = _C.arange(self._event_shape[-1], dtype=factor.dtype, device=factor.device)
        return Chi2(self.df.unsqueeze(-1) - rows)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        new = self._get_checked_instance(Wishart, _instance)
        batch_shape = Size(batch_shape)
        shape = batch_shape + self.event_shape
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(shape)
        new.df = self.df.expand(batch_shape)
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in self.__dict__:
                new.__dict__[name] = self.__dict__[name].expand(shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._dist_chi2 = new._diagonal()
        new._validate_args = self._validate_args
        return new

    def _broadcast(self, matrix: Tensor) -> Tensor:
        return matrix.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._broadcast(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        factor = self._unbroadcasted_scale_tril
        return self._broadcast(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        return self._broadcast(_C.cholesky_inverse(self._unbroadcasted_scale_tril))

    def _df(self) -> Tensor:
        """The degrees of freedom, (*, 1, 1)."""
        return self.df.view((*self._batch_shape, 1, 1))

    @property
    def mean(self) -> Tensor:
        return self._df() * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self._df() - self._event_shape[-1] - 1
        return factor.masked_fill(factor <= 0, math.nan) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        cov = self.covariance_matrix
        diagonal = cov.diagonal(dim1=-2, dim2=-1)
        return self._df() * (cov.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        n = self._event_shape[-1]
        diagonal = self._dist_chi2.rsample(sample_shape).sqrt()
        diagonal = diagonal.clamp(min=eps_and_tiny(diagonal.dtype)[0])
        count = n * (n - 1) // 2
        below = _C.randn(
            (*sample_shape, *self._batch_shape, count), dtype=diagonal.dtype, device=diagonal.device
        )
        noise = _C.diag_embed(diagonal)
        rows, columns = _C.tril_indices(n, n, offset=-1)
        noise[..., rows, columns] = below
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def _any_of_batch(self, flags: Tensor) -> Tensor:
        """Whether a flag holds for any distribution of the batch, of which all are drawn together."""
        return flags.amax([-1 - i for i in range(len(self._batch_shape))]) if self._batch_shape else flags

    def rsample(self, sample_shape: Sequence[int] = _NONE, max_try_correction: int | None = None) -> Tensor:
        """Samples; those that rounding made singular are drawn again, up to `max_try_correction` times (10).

        Like PyTorch, it takes the first draws for the singular ones where they are not, warns, and draws
        them once more: the numbers for a seed are the same.
        """
        left = 10 if max_try_correction is None else max_try_correction
        sample = self._bartlett_sampling(Size(sample_shape))
        again = self._any_of_batch(self.support.check(sample))
        if again.any():
            from warnings import warn

            warn("Singular sample detected.", stacklevel=2)
        while left > 0 and again.any():
            left -= 1
            fresh = self._bartlett_sampling(Size((int(again.sum()),)))
            sample[again] = fresh
            singular = again.clone()
            singular[again] = self._any_of_batch(~self.support.check(fresh))
            again = singular
        return sample

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        nu, n = self.df, self._event_shape[-1]
        trace = _C.cholesky_solve(value, self._unbroadcasted_scale_tril).diagonal(dim1=-2, dim2=-1).sum(-1)
        log_det: Tensor = _C._linalg_slogdet(value).logabsdet
        norm = nu * (n * math.log(2) / 2 + self._half_log_det()) + _C.mvlgamma(nu / 2, p=n)
        return (nu - n - 1) / 2 * log_det - trace / 2 - norm

    def entropy(self) -> Tensor:
        nu, n = self.df, self._event_shape[-1]
        steps = _C.arange(n, dtype=nu.dtype, device=nu.device) / 2
        mvdigamma = _C.digamma((nu / 2).unsqueeze(-1) - steps).sum(-1)
        return (
            (n + 1) * (n * math.log(2) / 2 + self._half_log_det())
            + _C.mvlgamma(nu / 2, p=n)
            - (nu - n - 1) / 2 * mvdigamma
            + nu * n / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        nu, n = self.df, self._event_shape[-1]
        return -self.precision_matrix / 2, (nu - n - 1) / 2

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        n = self._event_shape[-1]
        half = y + (n + 1) / 2
        log_det: Tensor = _C._linalg_slogdet(-2 * x).logabsdet
        return half * (-log_det + math.log(2) * n) + _C.mvlgamma(half, p=n)
