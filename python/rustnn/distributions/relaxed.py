"""Distributions that near discrete ones as their temperature nears 0, and have gradients."""

from __future__ import annotations

from rustnn.distributions.distribution import Distribution
from rustnn.distributions.transformed_distribution import TransformedDistribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["Relaxed", "Tempered"]


class Tempered(Distribution):
    """Has a ``temperature``, which does not belong to the batch."""

    temperature: Tensor

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.temperature = self.temperature
        return new


class Relaxed(TransformedDistribution):
    """A `Tempered` distribution, transformed to where the discrete one lives."""

    has_rsample = True
    base_dist: Any

    @property
    def temperature(self) -> Tensor:
        """How far the numbers are from 0 and 1."""
        temperature: Tensor = self.base_dist.temperature
        return temperature

    @property
    def logits(self) -> Tensor:
        """The logits of the discrete distribution."""
        logits: Tensor = self.base_dist.logits
        return logits

    @property
    def probs(self) -> Tensor:
        """The probabilities of the discrete distribution."""
        probs: Tensor = self.base_dist.probs
        return probs
