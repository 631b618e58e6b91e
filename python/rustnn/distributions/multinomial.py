"""The multinomial distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.binomial import Binomial
from rustnn.distributions.categorical import Categorical
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import broadcast_all
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each of K classes comes in `total_count` draws, by `probs` or `logits` of shape (*, K).

    Probability n! prod p_i^x_i / x_i!; see Johnson, Kotz and Balakrishnan, "Discrete Multivariate
    Distributions" (1997), chapter 35. NotImplementedError for counts that differ.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    total_count: int
    _parameters = {"_categorical": 0, "_binomial": 0}

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        batch_shape = self._categorical.batch_shape
        super().__init__(batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        new = self._get_checked_instance(Multinomial, _instance)
        batch_shape = Size(batch_shape)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        # One binomial a class, of which only the count and the probabilities matter.
        new._binomial = self._binomial.expand(batch_shape + self.event_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._categorical._new(*args, **kwargs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    @property
    def logits(self) -> Tensor:
        """The normalized logits."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The normalized probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter, (*, K)."""
        return self._categorical.param_shape

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        sample_shape = Size(sample_shape)
        with no_grad():
            draws = self._categorical.sample(Size((self.total_count,)) + sample_shape).movedim(0, -1)
            counts = draws.new_zeros(self._extended_shape(sample_shape))
            counts.scatter_add_(-1, draws, _C.ones_like(draws))
            return counts.type_as(self.probs)

    def entropy(self) -> Tensor:
        n = _C.tensor(self.total_count)
        drawn = n * self._categorical.entropy() - _C.lgamma(n + 1)
        support = self._binomial.enumerate_support(expand=False)[1:]
        weights = _C.lgamma(support + 1)
        return drawn + (_C.exp(self._binomial.log_prob(support)) * weights).sum([0, -1])

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        orders = _C.lgamma(value.sum(-1) + 1) - _C.lgamma(value + 1).sum(-1)
        # 0 log 0 is 0.
        logits = logits.masked_fill((value == 0) & (logits == -math.inf), 0)
        return orders + (logits * value).sum(-1)
