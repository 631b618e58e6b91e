"""The geometric distribution."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.binary_parameter import BinaryProbability, one_of
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import (
    broadcast_all,
    eps_and_tiny,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["Geometric"]


class Geometric(BinaryProbability, Distribution):
    """Failures before the first success of probability `probs` (the sigmoid of `logits`): (1 - p)^k p.

    See Johnson, Kemp and Kotz, "Univariate Discrete Distributions" (2005), chapter 5.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer
    _parameters = {"probs": 0, "logits": 0}

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if one_of(probs, logits):
            (self.probs,) = (param,) = broadcast_all(probs)
        else:
            (self.logits,) = (param,) = broadcast_all(logits)
        super().__init__(param.shape, validate_args=validate_args)
        if self._validate_args and probs is not None:
            positive = param > 0
            if not positive.all():
                raise ValueError(
                    f"Expected parameter probs ({type(param).__name__} of shape {tuple(param.shape)}) of "
                    f"distribution {self!r} to be positive but found invalid values:\n{param[~positive]}"
                )

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return _C.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        probs = self.probs
        with no_grad():
            # Never 0, whose logarithm is infinite.
            u = probs.new_empty(self._extended_shape(sample_shape))
            u = u.uniform_(eps_and_tiny(probs.dtype)[1], 1)
            return (u.log() / (-probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        # 0 log 0 is 0.
        certain = (probs == 1) & (value == 0)
        return value * (-probs.masked_fill(certain, 0)).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        return _C.binary_cross_entropy_with_logits(self.logits, self.probs) / self.probs
