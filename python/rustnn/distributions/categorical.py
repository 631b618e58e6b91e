"""The categorical distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.binary_parameter import one_of
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import lazy_property, logits_to_probs, probs_to_logits
from rustnn.functional import broadcast_tensors
from rustnn.size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["Categorical"]


class Categorical(Distribution):
    """A class 0 ... K - 1, by `probs` or `logits` of shape (*, K), which are normalized over K.

    `probs` need not add up to 1. Samples are int64 of shape (*). See Bishop, "Pattern Recognition and Machine
    Learning" (2006), 2.2.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _parameters = {"probs": 1, "logits": 1, "_param": 1}

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if one_of(probs, logits):
            assert probs is not None
            if probs.dim() < 1:
                raise ValueError("`probs` parameter must be at least one-dimensional.")
            self.probs = self._param = probs / probs.sum(-1, keepdim=True)
        else:
            assert logits is not None
            if logits.dim() < 1:
                raise ValueError("`logits` parameter must be at least one-dimensional.")
            self.logits = self._param = logits - logits.logsumexp(dim=-1, keepdim=True)
        shape = self._param.shape
        batch_shape = shape[:-1] if len(shape) > 1 else _NONE
        super().__init__(batch_shape, validate_args=validate_args)

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    @property
    def _num_events(self) -> int:
        return self._param.shape[-1]

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self) -> Tensor:
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        return logits_to_probs(self.logits)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter, (*, K)."""
        return self._param.size()

    def _undefined(self) -> Tensor:
        param = self._param
        return _C.full(self._extended_shape(), math.nan, dtype=self.probs.dtype, device=param.device)

    @property
    def mean(self) -> Tensor:
        return self._undefined()

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Tensor:
        return self._undefined()

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        probs = self.probs
        with no_grad():
            if not sample_shape and probs.dim() <= 2:
                return probs.multinomial(1, True).squeeze(-1)
            if not isinstance(sample_shape, Size):
                sample_shape = Size(sample_shape)
            rows = probs.reshape(-1, self._num_events)
            drawn = rows.multinomial(sample_shape.numel(), True).T
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits = self.logits
        value = value.long()
        if value.shape != self._batch_shape:
            value, logits = broadcast_tensors(value.unsqueeze(-1), logits)
            return logits.gather(-1, value[..., :1]).squeeze(-1)
        return logits.gather(-1, value.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        # Where a probability is 0 its logit may be -inf.
        logits = _C.clamp(self.logits, min=_lowest(self.logits))
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = _C.arange(self._num_events, dtype=_C.int64, device=self._param.device)
        return self._enumerate(values, expand)


def _lowest(logits: Tensor) -> float:
    from rustnn.numeric_limits import finfo

    return finfo(logits.dtype).min
