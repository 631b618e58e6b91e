"""The logistic-normal distribution."""

from __future__ import annotations

from rustnn.distributions import constraints
from rustnn.distributions.distribution import Distribution
from rustnn.distributions.normal import Normal
from rustnn.distributions.transformed_distribution import TransformedDistribution
from rustnn.distributions.transforms import StickBreakingTransform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution):
    """Probabilities of n + 1 classes from n normal numbers, of means `loc` (*, n), by breaking a stick.

    See Aitchison and Shen, "Logistic-normal distributions: some properties and uses" (1980).
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True
    _parameters = {}

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        base: Distribution = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The means of the normal numbers."""
        return self.base_dist.base_dist.loc  # type: ignore[attr-defined, no-any-return]

    @property
    def scale(self) -> Tensor:
        """The standard deviations of the normal numbers."""
        return self.base_dist.base_dist.scale  # type: ignore[attr-defined, no-any-return]
