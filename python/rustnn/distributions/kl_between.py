"""Kullback-Leibler divergences of distributions of two families: E_p[log p - log q] from p's moments.

Infinite where p has weight outside of the support of q.
"""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.distributions.bernoulli import Bernoulli
from rustnn.distributions.beta import Beta
from rustnn.distributions.binomial import Binomial
from rustnn.distributions.continuous_bernoulli import ContinuousBernoulli
from rustnn.distributions.exponential import Exponential
from rustnn.distributions.gamma import Gamma
from rustnn.distributions.gumbel import Gumbel
from rustnn.distributions.kl import register_kl
from rustnn.distributions.laplace import Laplace
from rustnn.distributions.normal import Normal
from rustnn.distributions.pareto import Pareto
from rustnn.distributions.poisson import Poisson
from rustnn.distributions.uniform import Uniform
from rustnn.distributions.utils import euler_constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _infinite(parameter: str) -> Any:
    """Infinity in the shape of that parameter of p."""

    def divergence(p: Any, q: Any) -> Tensor:
        return _C.full_like(getattr(p, parameter), math.inf)

    return divergence


# p's support is not within q's.
for _p, _parameter, _families in (
    (Beta, "concentration1", (Pareto,)),
    (ContinuousBernoulli, "probs", (Pareto,)),
    (Exponential, "rate", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gamma, "concentration", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gumbel, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Laplace, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Normal, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Pareto, "scale", (Beta, ContinuousBernoulli, Uniform)),
    (Poisson, "rate", (Bernoulli, Binomial)),
):
    for _q in _families:
        register_kl(_p, _q)(_infinite(_parameter))


def _normal_cross(q: Normal, mean: Tensor, variance: Tensor) -> Tensor:
    """-E[log q(x)] for a normal q, from the mean and variance of x."""
    return _HALF_LOG_2PI + q.scale.log() + (variance + (mean - q.loc).pow(2)) / (2 * q.scale.pow(2))


def _gamma_cross(q: Gamma, mean: Tensor, log_mean: Tensor) -> Tensor:
    """-E[log q(x)] for a gamma q, from the means of x and log x."""
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    return norm - (q.concentration - 1) * log_mean + q.rate * mean


def _x_log_x(x: Tensor) -> Tensor:
    return _C.xlogy(x, x)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


def _continuous_bernoulli_cross(q: ContinuousBernoulli, mean: Tensor) -> Tensor:
    return -mean * q.logits - _C.log1p(-q.probs) - q._cont_bern_log_norm()


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(p: Beta, q: ContinuousBernoulli) -> Tensor:
    return -p.entropy() + _continuous_bernoulli_cross(q, p.mean)


@register_kl(Beta, Exponential)
@register_kl(ContinuousBernoulli, Exponential)
@register_kl(Gamma, Exponential)
def _mean_exponential(p: Any, q: Exponential) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean  # type: ignore[no-any-return]


@register_kl(Beta, Gamma)
def _beta_gamma(p: Beta, q: Gamma) -> Tensor:
    log_mean = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    return -p.entropy() + _gamma_cross(q, p.mean, log_mean)


@register_kl(Beta, Normal)
@register_kl(ContinuousBernoulli, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
def _moments_normal(p: Any, q: Normal) -> Tensor:
    return -p.entropy() + _normal_cross(q, p.mean, p.variance)  # type: ignore[no-any-return]


@register_kl(Beta, Uniform)
def _beta_uniform(p: Beta, q: Uniform) -> Tensor:
    result = -p.entropy() + (q.high - q.low).log()
    return result.masked_fill((q.low > 0) | (q.high < 1), math.inf)


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p: ContinuousBernoulli, q: Uniform) -> Tensor:
    result = -p.entropy() + (q.high - q.low).log()
    # PyTorch counts a support that just fits as one that does not.
    return result.masked_fill((q.low >= 0) | (q.high <= 1), math.inf)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Exponential, q: Gamma) -> Tensor:
    return -p.entropy() + _gamma_cross(q, p.mean, -p.rate.log() - euler_constant)


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p: Exponential, q: Gumbel) -> Tensor:
    product = p.rate * q.scale
    apart = q.loc / q.scale
    return product.log() - 1 - apart + apart.exp() * product / (product + 1) + product.reciprocal()


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Gamma, q: Gumbel) -> Tensor:
    a, product = p.concentration, p.rate * q.scale
    apart = q.loc / q.scale
    entropy = (a - 1) * a.digamma() - a.lgamma() - a
    tail = apart.exp() * (1 + product.reciprocal()).pow(-a)
    return entropy + product.log() + a / product + tail - apart


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Normal, q: Gumbel) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    apart = (p.loc - q.loc) / q.scale
    return -0.5 * ratio.log() + apart + _C.exp(0.5 * ratio - apart) - 0.5 - _HALF_LOG_2PI


@register_kl(Normal, Laplace)
def _normal_laplace(p: Normal, q: Laplace) -> Tensor:
    apart = p.loc - q.loc
    z = apart / p.scale
    # E|x - loc| of a normal x.
    distance = math.sqrt(2 / math.pi) * p.scale * _C.exp(-0.5 * z.pow(2)) + apart * _C.erf(math.sqrt(0.5) * z)
    return -(p.scale / q.scale).log() + distance / q.scale - 0.5 * (1 + math.log(0.5 * math.pi))


@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Pareto, q: Exponential) -> Tensor:
    product = p.scale * q.rate
    mean = p.alpha * product / (p.alpha - 1)
    result = (p.alpha / product).log() - p.alpha.reciprocal() + mean - 1
    return result.masked_fill(p.alpha <= 1, math.inf)


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Pareto, q: Gamma) -> Tensor:
    log_mean = p.scale.log() + p.alpha.reciprocal()
    mean = p.alpha * p.scale / (p.alpha - 1)
    result = p.alpha.log() - log_mean - 1 + _gamma_cross(q, mean, log_mean)
    return result.masked_fill(p.alpha <= 1, math.inf)


@register_kl(Pareto, Normal)
def _pareto_normal(p: Pareto, q: Normal) -> Tensor:
    heavy = p.alpha <= 2
    alpha = p.alpha.masked_fill(heavy, 3.0)
    mean = alpha * p.scale / (alpha - 1)
    variance = alpha * (p.scale / (alpha - 1)).pow(2) / (alpha - 2)
    return (-p.entropy() + _normal_cross(q, mean, variance)).masked_fill(heavy, math.inf)


def _log_mean(low: Tensor, high: Tensor) -> Tensor:
    """E[log x] of x between two bounds."""
    width = high - low
    return (_x_log_x(high) - _x_log_x(low) - width) / width


@register_kl(Uniform, Beta)
def _uniform_beta(p: Uniform, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    powers = (a - 1) * _log_mean(p.low, p.high) + (b - 1) * _log_mean(1 - p.high, 1 - p.low)
    result = norm - (p.high - p.low).log() - powers
    return result.masked_fill((p.high > 1) | (p.low < 0), math.inf)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Uniform, q: ContinuousBernoulli) -> Tensor:
    result = -p.entropy() + _continuous_bernoulli_cross(q, p.mean)
    # PyTorch counts a support that just fits as one that does not.
    return result.masked_fill((p.high >= 1) | (p.low <= 0), math.inf)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Uniform, q: Exponential) -> Tensor:
    result = q.rate * p.mean - ((p.high - p.low) * q.rate).log()
    return result.masked_fill(p.low < 0, math.inf)


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Uniform, q: Gamma) -> Tensor:
    result = -p.entropy() + _gamma_cross(q, p.mean, _log_mean(p.low, p.high))
    return result.masked_fill(p.low < 0, math.inf)


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p: Uniform, q: Gumbel) -> Tensor:
    ratio = q.scale / (p.high - p.low)
    high, low = (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return ratio.log() + 0.5 * (high + low) - ratio * (_C.exp(-high) - _C.exp(-low))


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Uniform, q: Pareto) -> Tensor:
    width = p.high - p.low
    norm = (q.alpha * q.scale.pow(q.alpha) * width).log()
    result = (q.alpha + 1) * _log_mean(p.low, p.high) - norm
    return result.masked_fill(p.low < q.scale, math.inf)
