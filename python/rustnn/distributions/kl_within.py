"""Kullback-Leibler divergences of two distributions of one family.

Each is E_p[log p - log q] in closed form; most are in Gil, Alajaji and Linder, "Renyi divergence measures for
commonly used univariate continuous distributions" (2013), or follow from the families' moments.
"""

from __future__ import annotations

import math

from rustnn import _C, autograd
from rustnn.distributions.bernoulli import Bernoulli
from rustnn.distributions.beta import Beta
from rustnn.distributions.binomial import Binomial
from rustnn.distributions.categorical import Categorical
from rustnn.distributions.cauchy import Cauchy
from rustnn.distributions.continuous_bernoulli import ContinuousBernoulli
from rustnn.distributions.dirichlet import Dirichlet
from rustnn.distributions.exp_family import ExponentialFamily
from rustnn.distributions.exponential import Exponential
from rustnn.distributions.gamma import Gamma
from rustnn.distributions.geometric import Geometric
from rustnn.distributions.gumbel import Gumbel
from rustnn.distributions.half_normal import HalfNormal
from rustnn.distributions.independent import Independent
from rustnn.distributions.kl import kl_divergence, register_kl
from rustnn.distributions.laplace import Laplace
from rustnn.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_mahalanobis,
)
from rustnn.distributions.multivariate_normal import MultivariateNormal, _batch_mahalanobis
from rustnn.distributions.normal import Normal
from rustnn.distributions.one_hot_categorical import OneHotCategorical
from rustnn.distributions.pareto import Pareto
from rustnn.distributions.poisson import Poisson
from rustnn.distributions.transformed_distribution import TransformedDistribution
from rustnn.distributions.uniform import Uniform
from rustnn.distributions.utils import _sum_rightmost, euler_constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn._C import Tensor


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    softplus = _C._nn_softplus
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = one.masked_fill(q.probs == 0, math.inf).masked_fill(p.probs == 0, 0)
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zero = zero.masked_fill(q.probs == 1, math.inf).masked_fill(p.probs == 1, 0)
    return one + zero


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    p1, p0, q1, q0 = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    p_sum, q_sum = p1 + p0, q1 + q0
    norm = q1.lgamma() + q0.lgamma() + p_sum.lgamma() - (p1.lgamma() + p0.lgamma() + q_sum.lgamma())
    moments = (p1 - q1) * _C.digamma(p1) + (p0 - q0) * _C.digamma(p0)
    return norm + moments + (q_sum - p_sum) * _C.digamma(p_sum)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    trial = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return (p.total_count * trial).masked_fill(p.total_count > q.total_count, math.inf)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    each = p.probs * (p.logits - q.logits)
    return each.masked_fill(q.probs == 0, math.inf).masked_fill(p.probs == 0, 0).sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    norm = p._cont_bern_log_norm() + _C.log1p(-p.probs) - q._cont_bern_log_norm() - _C.log1p(-q.probs)
    return p.mean * (p.logits - q.logits) + norm


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    norm = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norm + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot "
            "be computed using Bregman divergences"
        )
    p_params = [param.detach().requires_grad_() for param in p._natural_params]
    q_params = q._natural_params
    normalizer = p._log_normalizer(*p_params)
    gradients = autograd.grad(normalizer.sum(), p_params, create_graph=True)
    result = q._log_normalizer(*q_params) - normalizer
    for ours, theirs, gradient in zip(p_params, q_params, gradients, strict=True):
        result = result - _sum_rightmost((theirs - ours) * gradient, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    norm = b * (p.rate / q.rate).log() + _C.lgamma(b) - _C.lgamma(a)
    return norm + (a - b) * _C.digamma(a) + (q.rate - p.rate) * (a / p.rate)


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio = p.scale / q.scale
    apart = (p.loc - q.loc) / q.scale
    tail = _C.exp((1 + ratio).lgamma() - apart)
    return -ratio.log() + apart + ratio * euler_constant + tail - (1 + euler_constant)


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - _C.log1p(-q.probs) / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio = p.scale / q.scale
    apart = (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * _C.exp(-apart / p.scale) - 1


def _same_event_shape(p: object, q: object, what: str) -> int:
    ours, theirs = p.event_shape, q.event_shape  # type: ignore[attr-defined]
    if ours != theirs:
        raise ValueError(f"KL-divergence between two {what} with different event shapes cannot be computed")
    return int(ours[0])


def _squares(matrix: Tensor) -> Tensor:
    """trace(M M^T)."""
    return matrix.pow(2).sum((-2, -1))


def _solve_lower(factor: Tensor, right: Tensor) -> Tensor:
    return _C._linalg_solve_triangular(factor, right, upper=False)


def _woodbury(q: LowRankMultivariateNormal) -> Tensor:
    """A with (W W^T + D)^-1 = D^-1 - A^T A."""
    w, d = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag
    return _solve_lower(q._capacitance_tril, w.mT / d.unsqueeze(-2))


def _lowrank_distance(q: LowRankMultivariateNormal, x: Tensor) -> Tensor:
    w, d = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag
    return _batch_lowrank_mahalanobis(w, d, x, q._capacitance_tril)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _lowrank_lowrank(p: LowRankMultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    n = _same_event_shape(p, q, "Low Rank Multivariate Normals")
    p_w, p_d, q_d = p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag, q._unbroadcasted_cov_diag
    a = _woodbury(q)
    trace = (p_d / q_d).sum(-1) + _squares(p_w * q_d.rsqrt().unsqueeze(-1))
    trace = trace - _squares(a * p_d.sqrt().unsqueeze(-2)) - _squares(a.matmul(p_w))
    return 0.5 * (q._log_det() - p._log_det() + _lowrank_distance(q, q.loc - p.loc) + trace - n)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _full_lowrank(p: MultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    n = _same_event_shape(p, q, "(Low Rank) Multivariate Normals")
    factor = p._unbroadcasted_scale_tril
    trace = _squares(factor * q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1))
    trace = trace - _squares(_woodbury(q).matmul(factor))
    log_dets = q._log_det() - 2 * p._half_log_det()
    return 0.5 * (log_dets + _lowrank_distance(q, q.loc - p.loc) + trace - n)


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _lowrank_full(p: LowRankMultivariateNormal, q: MultivariateNormal) -> Tensor:
    n = _same_event_shape(p, q, "(Low Rank) Multivariate Normals")
    factor = q._unbroadcasted_scale_tril
    roots = _C.diag_embed(p._unbroadcasted_cov_diag.sqrt())
    trace = _squares(_solve_lower(factor, p._unbroadcasted_cov_factor)) + _squares(
        _solve_lower(factor, roots)
    )
    distance = _batch_mahalanobis(factor, q.loc - p.loc)
    return 0.5 * (2 * q._half_log_det() - p._log_det() + distance + trace - n)


@register_kl(MultivariateNormal, MultivariateNormal)
def _full_full(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    n = _same_event_shape(p, q, "Multivariate Normals")
    factor = q._unbroadcasted_scale_tril
    trace = _squares(_solve_lower(factor, p._unbroadcasted_scale_tril))
    distance = _batch_mahalanobis(factor, q.loc - p.loc)
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + distance - n)


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    apart = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + apart - 1 - ratio.log())


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_categorical(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return result.masked_fill(p.scale < q.scale, math.inf)


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    """The same bijection changes nothing."""
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    """Chyzak and Nielsen, "A closed-form formula for the KL divergence between Cauchys" (2019)."""
    apart = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return apart.log() - (4 * p.scale * q.scale).log()
