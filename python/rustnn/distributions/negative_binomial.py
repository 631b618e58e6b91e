"""The negative binomial distribution."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.binary_parameter import Trials
from rustnn.distributions.distribution import _NONE
from rustnn.distributions.gamma import Gamma
from rustnn.distributions.utils import lazy_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["NegativeBinomial"]


class NegativeBinomial(Trials):
    """Successes of probability `probs` (the sigmoid of `logits`) before `total_count` failures.

    Probability C(n + k - 1, k) p^k (1 - p)^n, for any n >= 0; see Johnson, Kemp and Kotz, "Univariate
    Discrete Distributions" (2005), chapter 5. Drawn as a Poisson distribution with a gamma rate.
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _parameters = {"total_count": 0, "probs": 0, "logits": 0, "_param": 0}

    def __init__(
        self,
        total_count: Tensor | float,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(total_count, probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * _C.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / _C.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        return Gamma(self.total_count, _C.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        with no_grad():
            return _C.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        weight = n * _C._nn_logsigmoid(-self.logits) + value * _C._nn_logsigmoid(self.logits)
        norm = -_C.lgamma(n + value) + _C.lgamma(1.0 + value) + _C.lgamma(n)
        # Without failures to wait for, 0 is certain.
        return weight - norm.masked_fill(n + value == 0.0, 0.0)
