"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.binary_parameter import BinaryParameter, one_of
from rustnn.distributions.distribution import _NONE
from rustnn.distributions.exp_family import ExponentialFamily
from rustnn.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(BinaryParameter, ExponentialFamily):
    """Numbers of [0, 1] with density c(p) p^x (1 - p)^(1 - x), where p is `probs` or sigmoid(`logits`).

    Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders" (2019). Between the two `lims`, where p is near 1/2, Taylor series are taken.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = {"probs": 0, "logits": 0, "_param": 0}

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        if one_of(probs, logits):
            (given,) = broadcast_all(probs)
            # The clamped ones always satisfy it.
            if validate_args is not None and not self.arg_constraints["probs"].check(given).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = self._param = clamp_probs(given)
        else:
            (self.logits,) = (self._param,) = broadcast_all(logits)
        self._lims = lims
        super().__init__(self._param.shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new._lims = self._lims
        return new

    def _outside_unstable_region(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self) -> Tensor:
        """The probabilities, those near 1/2 moved away from there."""
        probs = self.probs
        return _C.where(self._outside_unstable_region(), probs, self._lims[0] * _C.ones_like(probs))

    def _cont_bern_log_norm(self) -> Tensor:
        """log c(p) = log(2 artanh(1 - 2p) / (1 - 2p))."""
        cut = self._cut_probs()
        low = cut <= 0.5
        below = _C.where(low, cut, _C.zeros_like(cut))
        above = _C.where(cut >= 0.5, cut, _C.ones_like(cut))
        width = _C.where(low, _C.log1p(-2.0 * below), _C.log(2.0 * above - 1.0))
        exact = _C.log(_C.abs(_C.log1p(-cut) - _C.log(cut))) - width
        x = _C.pow(self.probs - 0.5, 2)
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return _C.where(self._outside_unstable_region(), exact, series)

    @property
    def mean(self) -> Tensor:
        cut = self._cut_probs()
        exact = cut / (2.0 * cut - 1.0) + 1.0 / (_C.log1p(-cut) - _C.log(cut))
        x = self.probs - 0.5
        series = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * _C.pow(x, 2)) * x
        return _C.where(self._outside_unstable_region(), exact, series)

    @property
    def stddev(self) -> Tensor:
        return _C.sqrt(self.variance)

    @property
    def variance(self) -> Tensor:
        cut = self._cut_probs()
        exact = cut * (cut - 1.0) / _C.pow(1.0 - 2.0 * cut, 2)
        exact = exact + 1.0 / _C.pow(_C.log1p(-cut) - _C.log(cut), 2)
        x = _C.pow(self.probs - 0.5, 2)
        series = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x
        return _C.where(self._outside_unstable_region(), exact, series)

    @lazy_property
    def probs(self) -> Tensor:
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _uniform(self, sample_shape: Sequence[int]) -> Tensor:
        probs = self.probs
        return _C.rand(self._extended_shape(sample_shape), dtype=probs.dtype, device=probs.device)

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        u = self._uniform(sample_shape)
        with no_grad():
            return self.icdf(u)

    def rsample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        return self.icdf(self._uniform(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -_C.binary_cross_entropy_with_logits(logits, value) + self._cont_bern_log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut_probs()
        exact = _C.pow(cut, value) * _C.pow(1.0 - cut, 1.0 - value) + cut - 1.0
        exact = exact / (2.0 * cut - 1.0)
        inside = _C.where(self._outside_unstable_region(), exact, value)
        inside = _C.where(_C.ge(value, 1.0), _C.ones_like(inside), inside)
        return _C.where(_C.le(value, 0.0), _C.zeros_like(inside), inside)

    def icdf(self, value: Tensor) -> Tensor:
        cut = self._cut_probs()
        exact = _C.log1p(-cut + value * (2.0 * cut - 1.0)) - _C.log1p(-cut)
        exact = exact / (_C.log(cut) - _C.log1p(-cut))
        return _C.where(self._outside_unstable_region(), exact, value)

    def entropy(self) -> Tensor:
        log_probs0 = _C.log1p(-self.probs)
        log_probs1 = _C.log(self.probs)
        return self.mean * (log_probs0 - log_probs1) - self._cont_bern_log_norm() - log_probs0

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x = natural_params[0]
        outside = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = _C.where(outside, x, (self._lims[0] - 0.5) * _C.ones_like(x))
        exact = _C.log(_C.abs(_C.exp(cut) - 1)) - _C.log(_C.abs(cut))
        series = 0.5 * x + _C.pow(x, 2) / 24.0 - _C.pow(x, 4) / 2880.0
        return _C.where(outside, exact, series)
