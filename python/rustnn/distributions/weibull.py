"""The Weibull distribution."""

from __future__ import annotations

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.exponential import Exponential
from rustnn.distributions.transformed_distribution import TransformedDistribution
from rustnn.distributions.transforms import AffineTransform, PowerTransform
from rustnn.distributions.utils import broadcast_all, euler_constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """Numbers with the probability exp(-(x / scale)^concentration) of exceeding x.

    See Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions" (1994), chapter 21.
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive
    _parameters = {"scale": 0, "concentration": 0, "concentration_reciprocal": 0}

    def __init__(
        self, scale: Tensor | float, concentration: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        base = Exponential(_C.ones_like(self.scale), validate_args=validate_args)
        transforms = [
            PowerTransform(exponent=self.concentration_reciprocal),
            AffineTransform(loc=0, scale=self.scale),
        ]
        super().__init__(base, transforms, validate_args)

    @property
    def mean(self) -> Tensor:
        return self.scale * _C.exp(_C.lgamma(1 + self.concentration_reciprocal))

    @property
    def mode(self) -> Tensor:
        c = self.concentration
        return self.scale * ((c - 1) / c) ** self.concentration_reciprocal

    @property
    def variance(self) -> Tensor:
        second = _C.exp(_C.lgamma(1 + 2 * self.concentration_reciprocal))
        first = _C.exp(2 * _C.lgamma(1 + self.concentration_reciprocal))
        return self.scale.pow(2) * (second - first)

    def entropy(self) -> Tensor:
        reciprocal = self.concentration_reciprocal
        return euler_constant * (1 - reciprocal) + _C.log(self.scale * reciprocal) + 1
