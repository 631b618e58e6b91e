"""The Laplace distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import broadcast_all, eps_and_tiny

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["Laplace"]


class Laplace(Distribution):
    """The double exponential distribution around `loc`: density exp(-|x - loc| / scale) / (2 scale).

    See Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions" (1995), chapter 24.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _parameters = {"loc": 0, "scale": 0}

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    def rsample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        loc = self.loc
        # Never -1, whose logarithm below would be infinite.
        u = loc.new_empty(self._extended_shape(sample_shape)).uniform_(eps_and_tiny(loc.dtype)[0] - 1, 1)
        return loc - self.scale * u.sign() * _C.log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -_C.log(2 * self.scale) - _C.abs(value - self.loc) / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * _C.expm1(-away.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        side = value - 0.5
        return self.loc - self.scale * side.sign() * _C.log1p(-2 * side.abs())

    def entropy(self) -> Tensor:
        return 1 + _C.log(2 * self.scale)
