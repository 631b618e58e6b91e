"""The half-Cauchy distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.cauchy import Cauchy
from rustnn.distributions.transformed_distribution import TransformedDistribution
from rustnn.distributions.transforms import AbsTransform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["HalfCauchy"]


class HalfCauchy(TransformedDistribution):
    """The absolute value of a Cauchy number around 0, of scale `scale`.

    See Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions" (1994), chapter 16.
    """

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _parameters = {}
    base_dist: Cauchy

    def __init__(self, scale: Tensor | float, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args)

    @property
    def scale(self) -> Tensor:
        """The scale of the number whose absolute value is taken."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        scale = self.scale
        return _C.full(self._extended_shape(), math.inf, dtype=scale.dtype, device=scale.device)

    @property
    def mode(self) -> Tensor:
        return _C.zeros_like(self.scale)

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value = _C.as_tensor(value, dtype=self.base_dist.scale.dtype, device=self.base_dist.scale.device)
        return _C.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)
