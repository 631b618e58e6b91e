"""The Cauchy distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import broadcast_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["Cauchy"]


class Cauchy(Distribution):
    """The Cauchy distribution around its median `loc` with half width `scale` at half the maximum.

    Density 1 / (pi scale (1 + ((x - loc) / scale)^2)), without mean or variance; see Johnson, Kotz and
    Balakrishnan, "Continuous Univariate Distributions" (1994), chapter 16.
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
        loc = self.loc
        return _C.full(self._extended_shape(), math.nan, dtype=loc.dtype, device=loc.device)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        loc = self.loc
        return _C.full(self._extended_shape(), math.inf, dtype=loc.dtype, device=loc.device)

    def rsample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        eps = self.loc.new_empty(self._extended_shape(sample_shape)).cauchy_()
        return self.loc + eps * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (z**2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return _C.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return _C.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()
