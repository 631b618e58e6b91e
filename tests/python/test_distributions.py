"""Distributions without PyTorch beside them: known values, moments of many draws, slopes by differences."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

import rustnn as torch
from rustnn import distributions as D


def close(ours, value, tol=1e-6):
    assert torch.allclose(
        torch.as_tensor(ours).double(), torch.tensor(value, dtype=torch.float64), rtol=tol, atol=tol
    ), ours


LOG_PROB = [
    (lambda: D.Normal(1.0, 2.0), 3.0, -0.5 - math.log(2 * math.sqrt(2 * math.pi))),
    (lambda: D.Bernoulli(0.25), 1.0, math.log(0.25)),
    (lambda: D.Categorical(torch.tensor([1.0, 2.0, 5.0])), 2, math.log(5 / 8)),
    (lambda: D.Poisson(3.0), 2.0, math.log(9 / 2) - 3),
    (lambda: D.Binomial(5, torch.tensor(0.4)), 2.0, math.log(10 * 0.4**2 * 0.6**3)),
    (lambda: D.Geometric(0.3), 4.0, math.log(0.7**4 * 0.3)),
    (lambda: D.NegativeBinomial(3, torch.tensor(0.4)), 2.0, math.log(6 * 0.4**2 * 0.6**3)),
    (lambda: D.Exponential(2.0), 1.5, math.log(2) - 3),
    (lambda: D.Gamma(3.0, 2.0), 1.5, math.log(8 / 2 * 1.5**2) - 3),
    (lambda: D.Chi2(4.0), 2.0, math.log(2 / 4) - 1),
    (lambda: D.Beta(2.0, 3.0), 0.25, math.log(12 * 0.25 * 0.75**2)),
    (lambda: D.Laplace(1.0, 2.0), 0.0, -math.log(4) - 0.5),
    (lambda: D.Cauchy(0.0, 1.0), 1.0, -math.log(2 * math.pi)),
    (lambda: D.StudentT(1.0), 1.0, -math.log(2 * math.pi)),
    (lambda: D.FisherSnedecor(2.0, 2.0), 1.0, -math.log(4)),
    (lambda: D.Uniform(1.0, 5.0), 2.0, -math.log(4)),
    (lambda: D.Gumbel(0.0, 1.0), 0.0, -1.0),
    (lambda: D.LogNormal(0.0, 1.0), 1.0, -0.5 * math.log(2 * math.pi)),
    (lambda: D.HalfNormal(1.0), 1.0, math.log(2) - 0.5 * math.log(2 * math.pi) - 0.5),
    (lambda: D.HalfCauchy(1.0), 1.0, -math.log(math.pi)),
    (lambda: D.Pareto(1.0, 2.0), 2.0, math.log(2 / 8)),
    (lambda: D.Weibull(1.0, 2.0), 1.0, math.log(2) - 1),
    (lambda: D.Kumaraswamy(2.0, 3.0), 0.5, math.log(6 * 0.5 * 0.75**2)),
    (lambda: D.InverseGamma(3.0, 2.0), 0.5, math.log(8 / 2 * 0.5**-4) - 4),
    (lambda: D.GeneralizedPareto(0.0, 1.0, 1.0), 1.0, math.log(1 / 4)),
    (lambda: D.ContinuousBernoulli(0.5), 0.3, 0.0),
    (lambda: D.VonMises(0.0, 1.0), 0.0, 1 - math.log(2 * math.pi * 1.2660658777520084)),
    (lambda: D.Dirichlet(torch.tensor([1.0, 2.0, 1.0])), [0.2, 0.5, 0.3], math.log(6 * 0.5)),
    (lambda: D.Multinomial(3, torch.tensor([0.5, 0.5])), [1.0, 2.0], math.log(3 / 8)),
    (
        lambda: D.MultivariateNormal(torch.zeros(2), 4 * torch.eye(2)),
        [2.0, 0.0],
        -0.5 - math.log(8 * math.pi),
    ),
    (lambda: D.LKJCholesky(3), torch.eye(3).tolist(), -math.log(math.pi**2 / 2)),
    (lambda: D.Wishart(2.0, torch.eye(2)), [[1.0, 0.0], [0.0, 1.0]], -1 - math.log(4 * math.pi)),
]


@pytest.mark.parametrize(("make", "value", "expected"), LOG_PROB)
def test_log_prob(make, value, expected):
    close(make().log_prob(torch.tensor(value)), expected, 2e-6)


ENTROPY = [
    (lambda: D.Normal(0.0, 1.0), 0.5 * math.log(2 * math.pi * math.e)),
    (lambda: D.Categorical(torch.ones(8)), math.log(8)),
    (lambda: D.Bernoulli(0.5), math.log(2)),
    (lambda: D.Uniform(0.0, 4.0), math.log(4)),
    (lambda: D.Exponential(1.0), 1.0),
    (lambda: D.Laplace(0.0, 1.0), 1 + math.log(2)),
    (lambda: D.Cauchy(0.0, 1.0), math.log(4 * math.pi)),
    (lambda: D.Gumbel(0.0, 1.0), 1.5772156649),
    (lambda: D.Beta(1.0, 1.0), 0.0),
    (lambda: D.Multinomial(2, torch.tensor([0.5, 0.5])), 1.5 * math.log(2)),
]


@pytest.mark.parametrize(("make", "expected"), ENTROPY)
def test_entropy(make, expected):
    close(make().entropy(), expected)
    close(make().perplexity(), math.exp(expected))


# Those whose fourth moment is finite, so that the error of the variance is known.
MOMENTS = [
    lambda: D.Normal(1.0, 2.0),
    lambda: D.Bernoulli(0.3),
    lambda: D.Beta(0.5, 2.0),
    lambda: D.Binomial(7, torch.tensor(0.3)),
    lambda: D.ContinuousBernoulli(0.2),
    lambda: D.Dirichlet(torch.tensor([0.5, 2.0, 3.0])),
    lambda: D.Exponential(2.0),
    lambda: D.FisherSnedecor(5.0, 20.0),
    lambda: D.Gamma(0.4, 2.0),
    lambda: D.Gamma(7.0, 2.0),
    lambda: D.GeneralizedPareto(1.0, 2.0, 0.1),
    lambda: D.Geometric(0.3),
    lambda: D.Gumbel(1.0, 2.0),
    lambda: D.HalfNormal(2.0),
    lambda: D.InverseGamma(7.0, 2.0),
    lambda: D.Kumaraswamy(2.0, 3.0),
    lambda: D.Laplace(1.0, 2.0),
    lambda: D.LogNormal(0.0, 0.3),
    lambda: D.LowRankMultivariateNormal(
        torch.tensor([1.0, 2.0]), torch.tensor([[1.0], [0.5]]), torch.ones(2)
    ),
    lambda: D.MixtureSameFamily(
        D.Categorical(torch.tensor([1.0, 2.0])), D.Normal(torch.tensor([0.0, 3.0]), 1.0)
    ),
    lambda: D.Multinomial(4, torch.tensor([0.2, 0.3, 0.5])),
    lambda: D.MultivariateNormal(torch.tensor([1.0, 2.0]), torch.tensor([[2.0, 0.5], [0.5, 1.0]])),
    lambda: D.NegativeBinomial(3.0, torch.tensor(0.4)),
    lambda: D.OneHotCategorical(torch.tensor([0.2, 0.3, 0.5])),
    lambda: D.Pareto(1.0, 9.0),
    lambda: D.Poisson(4.0),
    lambda: D.StudentT(9.0, 1.0, 2.0),
    lambda: D.Uniform(-1.0, 3.0),
    lambda: D.Weibull(2.0, 1.5),
]


@pytest.mark.parametrize("make", MOMENTS)
def test_moments(make):
    torch.manual_seed(11)
    d = make()
    x = d.sample((4000,)).double()
    mean, variance = d.mean.double(), d.variance.double()
    assert x.shape == (4000, *d.batch_shape, *d.event_shape)
    error = (variance / 4000).sqrt()
    assert ((x.mean(0) - mean).abs() < 4.5 * error).all()
    fourth = ((x - mean) ** 4).mean(0)
    error = ((fourth - variance**2).clamp(min=0) / 4000).sqrt()
    assert ((x.var(0) - variance).abs() < 5 * error + 1e-3 * variance).all()


def test_von_mises_and_wishart_and_lkj():
    torch.manual_seed(12)
    d = D.VonMises(torch.tensor(1.0), torch.tensor(3.0))
    x = d.sample((4000,))
    assert abs(x.sin().mean().atan2(x.cos().mean()) - 1.0) < 0.05
    assert abs(1 - (x - 1.0).cos().mean() - d.variance) < 0.02
    d = D.Wishart(torch.tensor(5.0), torch.tensor([[2.0, 0.5], [0.5, 1.0]]))
    with pytest.warns(UserWarning, match="Singular sample"):
        x = d.sample((4000,))
    assert ((x.mean(0) - d.mean).abs() < 5 * (d.variance / 4000).sqrt()).all()
    x = D.LKJCholesky(3, 2.0).sample((2000,))
    assert (D.constraints.corr_cholesky.check(x)).all()
    correlations = x @ x.mT
    assert (correlations.mean(0) - torch.eye(3)).abs().max() < 0.05


def test_gamma_slope_is_that_of_the_quantile():
    """dx/da = -(dF/da) / p with the distribution function from the incomplete gamma function."""
    a = torch.tensor([0.02, 0.3, 1.0, 2.5, 8.0, 30.0, 400.0], dtype=torch.float64).repeat(20).requires_grad_()
    torch.manual_seed(13)
    d = D.Gamma(a, torch.ones((), dtype=torch.float64))
    x = d.rsample()
    (slope,) = torch.autograd.grad(x.sum(), a)
    x, h = x.detach(), 1e-5 * a.detach()
    change = (torch.igamma(a.detach() + h, x) - torch.igamma(a.detach() - h, x)) / (2 * h)
    expected = -change / d.log_prob(x).exp().detach()
    sure = change.abs() > 1e-4
    assert sure.sum() > 100
    assert torch.allclose(slope[sure], expected[sure], rtol=1e-4)


def test_dirichlet_slope():
    """Through many draws, the mean of the slopes is the slope of the mean."""
    a = torch.tensor([0.6, 2.0, 4.0], dtype=torch.float64, requires_grad=True)
    torch.manual_seed(14)
    d = D.Dirichlet(a)
    for i in range(3):
        (slope,) = torch.autograd.grad(d.rsample((3000,))[:, i].mean(), a)
        (expected,) = torch.autograd.grad(d.mean[i], a)
        assert (slope - expected).abs().max() < 0.01
    # Of the sum, which is always 1, there is none.
    (slope,) = torch.autograd.grad(d.rsample((5,)).sum(), a)
    assert slope.abs().max() < 1e-12


def test_beta_slope_is_exact_for_powers():
    """For b = 1 the quantile is u^(1/a): dx/da = -x log(x) / a."""
    a = torch.tensor([0.05, 0.5, 1.0, 7.0, 90.0], dtype=torch.float64).repeat(20).requires_grad_()
    torch.manual_seed(15)
    x = D.Beta(a, torch.ones((), dtype=torch.float64)).rsample()
    (slope,) = torch.autograd.grad(x.sum(), a)
    assert torch.allclose(slope, -(x * x.log() / a).detach(), rtol=1e-8, atol=1e-300)


def test_wishart_slope():
    tril = torch.tensor([[1.5, 0.0], [0.5, 1.0]], dtype=torch.float64, requires_grad=True)
    torch.manual_seed(16)
    with pytest.warns(UserWarning, match="Singular sample"):
        x = D.Wishart(torch.tensor(4.0, dtype=torch.float64), scale_tril=tril).rsample((3,))
    # x = L N L^T with N fixed: the slope of tr(x) is 2 N L, whichever N was drawn.
    (slope,) = torch.autograd.grad(x.diagonal(dim1=-2, dim2=-1).sum(), tril)
    inverse = torch.linalg.inv(tril.detach())
    noise = (inverse @ x.detach() @ inverse.mT).sum(0)
    assert torch.allclose(slope, 2 * (tril.detach() @ noise), rtol=1e-8)


def test_kl_is_the_mean_of_the_difference():
    torch.manual_seed(17)
    pairs = [
        (D.Normal(0.0, 1.0), D.Laplace(0.5, 2.0)),
        (D.Gamma(2.0, 1.0), D.Exponential(0.5)),
        (D.Beta(2.0, 3.0), D.Normal(0.5, 1.0)),
        (D.Gumbel(0.0, 1.0), D.Normal(0.0, 2.0)),
        (D.Uniform(0.2, 0.8), D.Beta(2.0, 3.0)),
        (D.Pareto(1.0, 5.0), D.Gamma(2.0, 1.0)),
    ]
    for p, q in pairs:
        x = p.sample((4000,))
        each = p.log_prob(x) - q.log_prob(x)
        assert abs(each.mean() - D.kl_divergence(p, q)) < 5 * each.std() / 4000**0.5


def test_loaded_when_asked_for():
    program = (
        "import sys, rustnn\nassert 'rustnn.distributions' not in sys.modules\n"
        "rustnn.distributions.Normal(0.0, 1.0).sample()\n"
        "assert 'rustnn.distributions.kl' not in sys.modules and 'rustnn.nn' not in sys.modules\n"
        "from rustnn.distributions import *\nassert kl_divergence and Wishart and biject_to\n"
        "import rustnn.distributions.transforms\nassert rustnn.distributions.transforms.ExpTransform is ExpTransform"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'Nominal'"):
        D.Nominal
    assert set(D.__all__) <= set(dir(D))
