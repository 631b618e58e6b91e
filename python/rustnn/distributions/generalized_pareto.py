"""The generalized Pareto distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import broadcast_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """What exceeds a high threshold `loc`: survival (1 + c z)^(-1 / c), z = (x - loc) / scale.

    c is `concentration`; for 0 the distribution is exponential, below 0 it ends at loc - scale / c. See
    Hosking and Wallis, "Parameter and quantile estimation for the generalized Pareto distribution" (1987).
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True
    _parameters = {"loc": 0, "scale": 0, "concentration": 0}

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        concentration: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale

    def _exponential(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0, and the concentration with 1 in its place."""
        c = self.concentration
        zero = _C.isclose(c, _C.tensor(0.0, dtype=c.dtype, device=c.device))
        return zero, _C.where(zero, _C.ones_like(c), c)

    def rsample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        loc = self.loc
        u = _C.rand(self._extended_shape(sample_shape), dtype=loc.dtype, device=loc.device)
        return self.icdf(u)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, c = self._exponential()
        log_scale = _C.log(self.scale)
        return _C.where(zero, -z - log_scale, -(1 / c + 1) * _C.log1p(c * z) - log_scale)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of exceeding `value`."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, c = self._exponential()
        return _C.where(zero, -z, -_C.log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of ``cdf``."""
        return _C.log1p(-_C.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        return _C.exp(self.log_cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        zero, c = self._exponential()
        log_left = _C.log1p(-value)
        exact = self.loc + self.scale * _C.expm1(-c * log_left) / c
        return _C.where(zero, self.loc - self.scale * log_left, exact)

    @property
    def mean(self) -> Tensor:
        c = self.concentration
        finite = c < 1
        safe = _C.where(finite, c, 0.5)
        return _C.where(finite, self.loc + self.scale / (1 - safe), math.nan)

    @property
    def variance(self) -> Tensor:
        c = self.concentration
        finite = c < 0.5
        safe = _C.where(finite, c, 0.25)
        exact = self.scale**2 / ((1 - safe) ** 2 * (1 - 2 * safe))
        return _C.where(finite, exact, math.nan)

    def entropy(self) -> Tensor:
        return (_C.log(self.scale) + self.concentration + 1).expand(self._batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        lower = self.loc
        end = lower - self.scale / self.concentration
        return constraints.interval(lower, _C.where(self.concentration < 0, end, math.inf))
