"""Exponential families, whose entropy follows from the log normalizer."""

from __future__ import annotations

from rustnn import autograd
from rustnn.distributions.distribution import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Distributions of density h(x) exp(<t(x), n> - A(n)), with natural parameters n and log normalizer A.

    Subclasses give ``_natural_params``, ``_log_normalizer(*params)`` and, for the entropy, the mean of
    log h as ``_mean_carrier_measure``. See Nielsen and Nock, "Entropies and cross-entropies of exponential
    families" (2010).
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError

    if TYPE_CHECKING:
        _mean_carrier_measure: float
    else:

        @property
        def _mean_carrier_measure(self) -> float:
            raise NotImplementedError

    def entropy(self) -> Tensor:
        """A(n) - <n, dA/dn> - E[log h]."""
        result: Tensor | float = -self._mean_carrier_measure
        params = [param.detach().requires_grad_() for param in self._natural_params]
        normalizer = self._log_normalizer(*params)
        gradients = autograd.grad(normalizer.sum(), params, create_graph=True)
        result = result + normalizer
        for param, gradient in zip(params, gradients, strict=True):
            result = result - (param * gradient).reshape((*self._batch_shape, -1)).sum(-1)
        return result
