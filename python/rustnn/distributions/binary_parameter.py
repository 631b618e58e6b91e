"""Distributions that count yes and no: their parameter is ``probs`` or ``logits``."""

from __future__ import annotations

from rustnn.distributions.distribution import Distribution
from rustnn.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.size import Size

__all__ = ["BinaryParameter", "BinaryProbability", "Trials", "one_of"]


def one_of(probs: Any, logits: Any) -> bool:
    """Whether the parameter is `probs`. ValueError unless exactly one of the two is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return probs is not None


class BinaryProbability:
    """Has ``probs`` or ``logits``; the other follows."""

    @lazy_property
    def logits(self) -> Tensor:
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        return logits_to_probs(self.logits, is_binary=True)


class BinaryParameter(BinaryProbability):
    """Keeps the one that is given as ``_param`` too."""

    _param: Tensor

    def _set_parameter(self, probs: Tensor | float | None, logits: Tensor | float | None) -> None:
        if one_of(probs, logits):
            (self.probs,) = (self._param,) = broadcast_all(probs)
        else:
            (self.logits,) = (self._param,) = broadcast_all(logits)

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.size()


class Trials(BinaryParameter, Distribution):
    """Several trials, ``total_count`` of something."""

    def __init__(
        self,
        total_count: Tensor | float,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if one_of(probs, logits):
            self.total_count, self.probs = broadcast_all(total_count, probs)
            self._param = self.probs
        else:
            self.total_count, self.logits = broadcast_all(total_count, logits)
            self._param = self.logits
        self.total_count = self.total_count.type_as(self._param)
        super().__init__(self._param.shape, validate_args=validate_args)
