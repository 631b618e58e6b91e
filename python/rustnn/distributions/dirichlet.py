"""The Dirichlet distribution."""

from __future__ import annotations

from rustnn import _C
from rustnn.distributions import constraints
from rustnn.distributions.distribution import _NONE
from rustnn.distributions.exp_family import ExponentialFamily
from rustnn.distributions.gamma_draws import sample_dirichlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustnn._C import Tensor

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """Probabilities of K classes that add up to 1, by `concentration` of shape (*, K).

    Density prod x_i^(a_i - 1) Gamma(sum a) / prod Gamma(a_i); see Kotz, Balakrishnan and Johnson,
    "Continuous Multivariate Distributions" (2000), chapter 49.
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _parameters = {"concentration": 1}

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = _NONE) -> Tensor:
        return sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        density = _C.xlogy(a - 1.0, value).sum(-1)
        return density + _C.lgamma(a.sum(-1)) - _C.lgamma(a).sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        # Without a maximum inside, it lies in a corner.
        corner = (self.concentration < 1).all(dim=-1)
        if corner.any():
            classes = _C.arange(mode.shape[-1], device=mode.device)
            mode[corner] = (mode[corner].argmax(dim=-1, keepdim=True) == classes).to(mode)
        return mode

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        total = a.sum(-1, True)
        return a * (total - a) / (total.pow(2) * (total + 1))

    def entropy(self) -> Tensor:
        a = self.concentration
        k = a.size(-1)
        total = a.sum(-1)
        entropy: Tensor = (
            _C.lgamma(a).sum(-1)
            - _C.lgamma(total)
            - (k - total) * _C.digamma(total)
            - ((a - 1.0) * _C.digamma(a)).sum(-1)
        )
        return entropy

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.concentration,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x = natural_params[0]
        return x.lgamma().sum(-1) - _C.lgamma(x.sum(-1))
