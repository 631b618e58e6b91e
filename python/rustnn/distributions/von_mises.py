"""The von Mises distribution."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.distributions import constraints
from rustnn.distributions.distribution import _NONE, Distribution
from rustnn.distributions.utils import broadcast_all, lazy_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles of [-pi, pi) around `loc`: density exp(concentration cos(x - loc)) / (2 pi I0(concentration)).

    Mardia and Jupp, "Directional Statistics" (2000), 3.5. Drawn by rejection from a wrapped Cauchy
    distribution, in double precision: Best and Fisher, "Efficient simulation of the von Mises
    distribution" (1979).
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False
    _parameters = {"loc": 0, "concentration": 0}

    def __init__(
        self, loc: Tensor | float, concentration: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        kappa = self.concentration
        # log I0(k) = k + log(exp(-k) I0(k)), which does not overflow.
        log_norm = math.log(2 * math.pi) + _C._special_i0e(kappa).log()
        return kappa * (_C.cos(value - self.loc) - 1) - log_norm

    @lazy_property
    def _proposal(self) -> Tensor:
        """The r of Best and Fisher, (1 + rho^2) / (2 rho) for the Cauchy distribution of parameter rho."""
        kappa = self.concentration.double()
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        return _C.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        shape = self._extended_shape(sample_shape)
        loc, kappa = self.loc.double(), self.concentration.double()
        with no_grad():
            r = self._proposal
            angle = loc.new_zeros(shape)
            missing = math.prod(shape)
            found = _C.zeros(shape, dtype=_C.bool, device=loc.device)
            while missing:
                turn, level, side = _C.rand((3, *shape), dtype=_C.float64, device=loc.device)
                cosine = _C.cos(math.pi * turn)
                proposed = (1 + r * cosine) / (r + cosine)
                c = kappa * (r - proposed)
                fits = (level < c * (2 - c)) | (c - 1 <= (c / level).log())
                # An element that has an angle takes the next one that fits as well, until all have one.
                angle = _C.where(fits, proposed.acos() * (side - 0.5).sign(), angle)
                found |= fits
                missing = int((~found).sum())
            return (_C.remainder(angle + loc + math.pi, 2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        """The circular mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """The circular variance, 1 - I1(concentration) / I0(concentration)."""
        return 1 - _C._special_i1e(self.concentration) / _C._special_i0e(self.concentration)
