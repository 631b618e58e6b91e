"""Probability distributions, with PyTorch's names: to sample, to weigh values and to compare.

A distribution has parameters of shape ``batch_shape``, and its samples the shape
``sample_shape + batch_shape + event_shape``. log_prob, cdf, entropy, mean and so on are there where they are
known, and ``rsample`` passes gradients on to the parameters. Each is loaded when it is first asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.distributions import constraint_registry as constraint_registry
    from rustnn.distributions import constraints as constraints
    from rustnn.distributions import kl as kl
    from rustnn.distributions import transforms as transforms
    from rustnn.distributions import utils as utils
    from rustnn.distributions.bernoulli import Bernoulli as Bernoulli
    from rustnn.distributions.beta import Beta as Beta
    from rustnn.distributions.binomial import Binomial as Binomial
    from rustnn.distributions.categorical import Categorical as Categorical
    from rustnn.distributions.cauchy import Cauchy as Cauchy
    from rustnn.distributions.chi2 import Chi2 as Chi2
    from rustnn.distributions.constraint_registry import biject_to as biject_to
    from rustnn.distributions.constraint_registry import transform_to as transform_to
    from rustnn.distributions.continuous_bernoulli import ContinuousBernoulli as ContinuousBernoulli
    from rustnn.distributions.dirichlet import Dirichlet as Dirichlet
    from rustnn.distributions.distribution import Distribution as Distribution
    from rustnn.distributions.exp_family import ExponentialFamily as ExponentialFamily
    from rustnn.distributions.exponential import Exponential as Exponential
    from rustnn.distributions.fishersnedecor import FisherSnedecor as FisherSnedecor
    from rustnn.distributions.gamma import Gamma as Gamma
    from rustnn.distributions.generalized_pareto import GeneralizedPareto as GeneralizedPareto
    from rustnn.distributions.geometric import Geometric as Geometric
    from rustnn.distributions.gumbel import Gumbel as Gumbel
    from rustnn.distributions.half_cauchy import HalfCauchy as HalfCauchy
    from rustnn.distributions.half_normal import HalfNormal as HalfNormal
    from rustnn.distributions.independent import Independent as Independent
    from rustnn.distributions.inverse_gamma import InverseGamma as InverseGamma
    from rustnn.distributions.kl import kl_divergence as kl_divergence
    from rustnn.distributions.kl import register_kl as register_kl
    from rustnn.distributions.kumaraswamy import Kumaraswamy as Kumaraswamy
    from rustnn.distributions.laplace import Laplace as Laplace
    from rustnn.distributions.lkj_cholesky import LKJCholesky as LKJCholesky
    from rustnn.distributions.log_normal import LogNormal as LogNormal
    from rustnn.distributions.logistic_normal import LogisticNormal as LogisticNormal
    from rustnn.distributions.lowrank_multivariate_normal import (
        LowRankMultivariateNormal as LowRankMultivariateNormal,
    )
    from rustnn.distributions.mixture_same_family import MixtureSameFamily as MixtureSameFamily
    from rustnn.distributions.multinomial import Multinomial as Multinomial
    from rustnn.distributions.multivariate_normal import MultivariateNormal as MultivariateNormal
    from rustnn.distributions.negative_binomial import NegativeBinomial as NegativeBinomial
    from rustnn.distributions.normal import Normal as Normal
    from rustnn.distributions.one_hot_categorical import OneHotCategorical as OneHotCategorical
    from rustnn.distributions.one_hot_categorical import (
        OneHotCategoricalStraightThrough as OneHotCategoricalStraightThrough,
    )
    from rustnn.distributions.pareto import Pareto as Pareto
    from rustnn.distributions.poisson import Poisson as Poisson
    from rustnn.distributions.relaxed_bernoulli import RelaxedBernoulli as RelaxedBernoulli
    from rustnn.distributions.relaxed_categorical import RelaxedOneHotCategorical as RelaxedOneHotCategorical
    from rustnn.distributions.studentT import StudentT as StudentT
    from rustnn.distributions.transformed_distribution import (
        TransformedDistribution as TransformedDistribution,
    )
    from rustnn.distributions.transforms import AbsTransform as AbsTransform
    from rustnn.distributions.transforms import AffineTransform as AffineTransform
    from rustnn.distributions.transforms import CatTransform as CatTransform
    from rustnn.distributions.transforms import ComposeTransform as ComposeTransform
    from rustnn.distributions.transforms import CorrCholeskyTransform as CorrCholeskyTransform
    from rustnn.distributions.transforms import (
        CumulativeDistributionTransform as CumulativeDistributionTransform,
    )
    from rustnn.distributions.transforms import ExpTransform as ExpTransform
    from rustnn.distributions.transforms import IndependentTransform as IndependentTransform
    from rustnn.distributions.transforms import LowerCholeskyTransform as LowerCholeskyTransform
    from rustnn.distributions.transforms import PositiveDefiniteTransform as PositiveDefiniteTransform
    from rustnn.distributions.transforms import PowerTransform as PowerTransform
    from rustnn.distributions.transforms import ReshapeTransform as ReshapeTransform
    from rustnn.distributions.transforms import SigmoidTransform as SigmoidTransform
    from rustnn.distributions.transforms import SoftmaxTransform as SoftmaxTransform
    from rustnn.distributions.transforms import SoftplusTransform as SoftplusTransform
    from rustnn.distributions.transforms import StackTransform as StackTransform
    from rustnn.distributions.transforms import StickBreakingTransform as StickBreakingTransform
    from rustnn.distributions.transforms import TanhTransform as TanhTransform
    from rustnn.distributions.transforms import Transform as Transform
    from rustnn.distributions.transforms import identity_transform as identity_transform
    from rustnn.distributions.uniform import Uniform as Uniform
    from rustnn.distributions.von_mises import VonMises as VonMises
    from rustnn.distributions.weibull import Weibull as Weibull
    from rustnn.distributions.wishart import Wishart as Wishart

_names = {
    "AbsTransform": "transforms",
    "AffineTransform": "transforms",
    "Bernoulli": "bernoulli",
    "Beta": "beta",
    "Binomial": "binomial",
    "CatTransform": "transforms",
    "Categorical": "categorical",
    "Cauchy": "cauchy",
    "Chi2": "chi2",
    "ComposeTransform": "transforms",
    "ContinuousBernoulli": "continuous_bernoulli",
    "CorrCholeskyTransform": "transforms",
    "CumulativeDistributionTransform": "transforms",
    "Dirichlet": "dirichlet",
    "Distribution": "distribution",
    "ExpTransform": "transforms",
    "Exponential": "exponential",
    "ExponentialFamily": "exp_family",
    "FisherSnedecor": "fishersnedecor",
    "Gamma": "gamma",
    "GeneralizedPareto": "generalized_pareto",
    "Geometric": "geometric",
    "Gumbel": "gumbel",
    "HalfCauchy": "half_cauchy",
    "HalfNormal": "half_normal",
    "Independent": "independent",
    "IndependentTransform": "transforms",
    "InverseGamma": "inverse_gamma",
    "Kumaraswamy": "kumaraswamy",
    "LKJCholesky": "lkj_cholesky",
    "Laplace": "laplace",
    "LogNormal": "log_normal",
    "LogisticNormal": "logistic_normal",
    "LowRankMultivariateNormal": "lowrank_multivariate_normal",
    "LowerCholeskyTransform": "transforms",
    "MixtureSameFamily": "mixture_same_family",
    "Multinomial": "multinomial",
    "MultivariateNormal": "multivariate_normal",
    "NegativeBinomial": "negative_binomial",
    "Normal": "normal",
    "OneHotCategorical": "one_hot_categorical",
    "OneHotCategoricalStraightThrough": "one_hot_categorical",
    "Pareto": "pareto",
    "Poisson": "poisson",
    "PositiveDefiniteTransform": "transforms",
    "PowerTransform": "transforms",
    "RelaxedBernoulli": "relaxed_bernoulli",
    "RelaxedOneHotCategorical": "relaxed_categorical",
    "ReshapeTransform": "transforms",
    "SigmoidTransform": "transforms",
    "SoftmaxTransform": "transforms",
    "SoftplusTransform": "transforms",
    "StackTransform": "transforms",
    "StickBreakingTransform": "transforms",
    "StudentT": "studentT",
    "TanhTransform": "transforms",
    "Transform": "transforms",
    "TransformedDistribution": "transformed_distribution",
    "Uniform": "uniform",
    "VonMises": "von_mises",
    "Weibull": "weibull",
    "Wishart": "wishart",
    "biject_to": "constraint_registry",
    "identity_transform": "transforms",
    "kl_divergence": "kl",
    "register_kl": "kl",
    "transform_to": "constraint_registry",
}
_modules = ("constraints", "utils", *_names.values())

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _names:
        value = globals()[name] = getattr(import_module(f"rustnn.distributions.{_names[name]}"), name)
        return value
    if name in _modules:
        return import_module(f"rustnn.distributions.{name}")
    raise AttributeError(f"module 'rustnn.distributions' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules, *_names})
