"""The Bernoulli distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.distribution import _NONE
from rustnn.distributions.exp_family import ExponentialFamily
from rustnn.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.size import Size

__all__ = ["Bernoulli"]


def one_of(probs: Any, logits: Any) -> bool:
    """Whether the parameter is `probs`. ValueError unless exactly one of the two is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return probs is not None


class Bernoulli(ExponentialFamily):
    """1 with probability `probs` (the sigmoid of `logits`), else 0. Exactly one of the two is given.

    See Johnson, Kemp and Kotz, "Univariate Discrete Distributions" (2005), chapter 3.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0
    _parameters = {"probs": 0, "logits": 0, "_param": 0}

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if one_of(probs, logits):
            (self.probs,) = (self._param,) = broadcast_all(probs)
        else:
            (self.logits,) = (self._param,) = broadcast_all(logits)
        super().__init__(self._param.shape, validate_args=validate_args)

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    @lazy_property
    def logits(self) -> Tensor:
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.size()

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs)
        mode[self.probs == 0.5] = math.nan
        return mode

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        shape = self._extended_shape(sample_shape)
        probs = self.probs
        with no_grad():
            return _C.bernoulli(probs if shape == self._batch_shape else probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -_C.binary_cross_entropy_with_logits(logits, value)

    def entropy(self) -> Tensor:
        return _C.binary_cross_entropy_with_logits(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        return self._enumerate(_C.arange(2, dtype=self._param.dtype, device=self._param.device), expand)

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (_C.logit(self.probs),)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return _C.log1p(_C.exp(natural_params[0]))
