"""Absolute values of numbers that are symmetric around 0."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.transformed_distribution import TransformedDistribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["Half"]


class Half(TransformedDistribution):
    """The absolute value of what `base_dist` gives, of which it has the `scale`."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Any

    @property
    def scale(self) -> Tensor:
        """The scale of the number whose absolute value is taken."""
        scale: Tensor = self.base_dist.scale
        return scale

    @property
    def mode(self) -> Tensor:
        return _C.zeros_like(self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return _C.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        below: Tensor = self.base_dist.cdf(value)
        return 2 * below - 1

    def icdf(self, prob: Tensor) -> Tensor:
        value: Tensor = self.base_dist.icdf((prob + 1) / 2)
        return value

    def entropy(self) -> Tensor:
        whole: Tensor = self.base_dist.entropy()
        return whole - math.log(2)
