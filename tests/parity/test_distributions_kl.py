"""Every divergence that PyTorch knows, with gradients, and how a pair of classes finds its formula."""

from __future__ import annotations

import importlib

import pytest

from parity.programs import CANDIDATE, REFERENCE, hold
from parity.test_distributions import TELL

# Two distributions of each class; where one is the p of a pair, the other is the q.
MAKE = {
    "Bernoulli": ("_p([0.3, 0.9, 0.0, 1.0])", "_p([0.6, 0.2, 0.4, 0.0])"),
    "Beta": (
        "_p([0.5, 2.0, 1.0, 3.0]), _p([1.5, 0.7, 2.0, 0.2])",
        "_p([1.6, 2.0, 0.4, 1.0]), _p([1.0, 4.0, 3.0, 0.3])",
    ),
    "Binomial": (
        "torch.tensor(5), _p([0.3, 0.9, 0.5, 0.1])",
        "torch.tensor([5, 3, 5, 2]), _p([0.6, 0.2, 0.5, 0.3])",
    ),
    "Categorical": ("_p([[0.3, 0.9, 0.0]])", "_p([[0.6, 0.2, 0.4], [0.0, 0.3, 0.7]])"),
    "Cauchy": (
        "_p([0.5, -1.0, 0.0, 2.0]), _p([0.5, 2.0, 1.0, 3.0])",
        "_p([0.0, 1.0, -2.0, 2.0]), _p([1.5, 0.7, 2.0, 0.2])",
    ),
    "ContinuousBernoulli": ("_p([0.3, 0.9, 0.5, 0.1])", "_p([0.6, 0.5, 0.1, 0.2])"),
    "Dirichlet": ("_p([[0.3, 0.9, 2.0]])", "_p([[0.6, 0.2, 4.0], [1.0, 1.0, 1.0]])"),
    "Exponential": ("_p([0.5, 2.0, 1.0, 3.0])", "_p([1.5, 0.7, 2.0, 0.2])"),
    "Gamma": (
        "_p([0.5, 2.0, 1.0, 3.0]), _p([1.5, 0.7, 2.0, 0.2])",
        "_p([1.5, 4.0, 0.3, 2.0]), _p([0.5, 3.5, 1.0, 0.2])",
    ),
    "Geometric": ("_p([0.3, 0.9, 0.5, 0.1])", "_p([0.6, 0.2, 0.5, 0.3])"),
    "Gumbel": (
        "_p([0.5, -1.0, 0.0, 2.0]), _p([0.5, 2.0, 1.0, 3.0])",
        "_p([0.0, 1.0, -2.0, 2.0]), _p([1.5, 0.7, 2.0, 0.2])",
    ),
    "HalfNormal": ("_p([0.5, 2.0, 1.0, 3.0])", "_p([1.5, 0.7, 2.0, 0.2])"),
    "Independent": (
        "_D.Normal(_p([[0.5, 2.0]]), _p([1.0])), 1",
        "_D.Normal(_p([[0.0], [1.0]]).expand(2, 2), _p([2.0, 3.0])), 1",
    ),
    "Laplace": (
        "_p([0.5, -1.0, 0.0, 2.0]), _p([0.5, 2.0, 1.0, 3.0])",
        "_p([0.0, 1.0, -2.0, 2.0]), _p([1.5, 0.7, 2.0, 0.2])",
    ),
    "LowRankMultivariateNormal": (
        "_p([0.5, -1.0]), _p([[1.0], [0.3]]), _p([0.5, 2.0])",
        "_p([[0.5, 0.0], [1.0, 2.0]]), _p([[1.0, 0.0], [0.3, 0.2]]), _p([0.7, 1.0])",
    ),
    "MultivariateNormal": (
        "_p([0.5, -1.0]), _p([[1.0, 0.3], [0.3, 2.0]])",
        "_p([[0.5, 0.0], [1.0, 2.0]]), scale_tril=_p([[1.0, 0.0], [0.3, 0.2]])",
    ),
    "Normal": (
        "_p([0.5, -1.0, 0.0, 2.0]), _p([0.5, 2.0, 1.0, 3.0])",
        "_p([0.0, 1.0, -2.0, 2.0]), _p([1.5, 0.7, 2.0, 0.2])",
    ),
    "OneHotCategorical": ("_p([[0.3, 0.9, 0.0]])", "_p([[0.6, 0.2, 0.4]])"),
    "Pareto": (
        "_p([1.5, 1.0, 2.0, 0.1]), _p([3.0, 2.5, 0.9, 4.0])",
        "_p([1.0, 1.2, 2.0, 0.1]), _p([0.7, 3.0, 1.5, 2.5])",
    ),
    "Poisson": ("_p([0.5, 2.0, 1.0, 3.0])", "_p([1.5, 0.7, 2.0, 0.2])"),
    "TransformedDistribution": (
        "_D.Normal(_p([0.5]), 1.0), _D.ExpTransform()",
        "_D.Normal(_p([0.0, 1.0]), 2.0), _D.ExpTransform()",
    ),
    "Uniform": (
        "_p([0.2, 1.5, 0.0, 0.3]), _p([0.7, 3.0, 1.0, 0.9])",
        "_p([0.1, 2.0, -0.5, -1.0]), _p([0.8, 5.0, 1.0, 2.0])",
    ),
}


def pairs(library: object) -> list[tuple[str, str]]:
    registry = importlib.import_module(library.__name__ + ".distributions.kl")._KL_REGISTRY  # type: ignore[attr-defined]
    return sorted({(p.__name__, q.__name__) for p, q in registry} - {("ExponentialFamily",) * 2})


def test_pairs() -> None:
    assert pairs(CANDIDATE) == pairs(REFERENCE)


@pytest.mark.parametrize(("p", "q"), pairs(REFERENCE))
@pytest.mark.parametrize("swapped", [False, True])
def test_kl(p: str, q: str, swapped: bool) -> None:
    ours, theirs = MAKE[p][swapped], MAKE[q][not swapped]
    start = TELL.replace("DTYPE", "torch.float64")
    make = f"p = _D.{p}({ours})\nq = _D.{q}({theirs})\n".replace("p =", "_dp =").replace("q =", "_dq =")
    ask = "kl = _D.kl_divergence(_dp, _dq)\n"
    if (p, q, swapped) == ("Binomial", "Binomial", True):
        ask = ""
    if not (
        p in ("Bernoulli", "Binomial") and p == q
    ):  # there PyTorch cannot broadcast or changes what it needs
        ask += "slopes = _tell(lambda: _grads(_D.kl_divergence(_dp, _dq)))\n"
    hold(start + make + ask, strides=False, rtol=1e-6, atol=1e-7)


PROGRAMS = {
    "subclasses": """
kl = [_D.kl_divergence(_D.Chi2(torch.tensor([3.0, 2.0])), _D.Gamma(1.0, 2.0))]
kl += [_D.kl_divergence(_D.LogNormal(0.0, torch.tensor([1.0, 2.0])), _D.LogNormal(1.0, 2.0))]
kl += [_D.kl_divergence(_D.OneHotCategoricalStraightThrough(torch.ones(3)), _D.OneHotCategorical(torch.arange(1.0, 4)))]
kl += [_tell(lambda: _D.kl_divergence(_D.Weibull(1.0, 2.0), _D.Weibull(1.0, 2.0)))]
kl += [_tell(lambda: _D.kl_divergence(_D.Normal(0.0, 1.0), _D.Cauchy(0.0, 1.0)))]
kl += [_tell(lambda: _D.kl_divergence(_D.Pareto(1.0, 3.0), _D.Pareto(2.0, 3.0)))]
""",
    "registering": """
import warnings as _w
class _A(_D.Normal): pass
class _B(_A): pass
_D.register_kl(_A, _D.Normal)(lambda p, q: "A, Normal")
_D.register_kl(_D.Normal, _A)(lambda p, q: "Normal, A")
_a, _n, _b = _A(0.0, 1.0), _D.Normal(0.0, 1.0), _B(0.0, 1.0)
found = [_D.kl_divergence(_a, _n), _D.kl_divergence(_n, _a), _D.kl_divergence(_b, _n), _D.kl_divergence(_n, _b)]
with _w.catch_warnings(record=True) as _caught:
    _w.simplefilter("always")
    found.append(_D.kl_divergence(_a, _b))
said = [(w.category.__name__, str(w.message)) for w in _caught]
@_D.register_kl(_A, _A)
def _f(p, q): return "A, A"
found.append(_D.kl_divergence(_b, _a))
_KL = _D.kl._KL_REGISTRY
for _key in [_k for _k in _KL if _A in _k]: del _KL[_key]
_D.kl._KL_MEMOIZE.clear()
""",
    "bregman": """
class _E(_D.Exponential):
    entropy = _D.ExponentialFamily.entropy
_p1, _q1 = _E(torch.tensor([1.0, 2.0], requires_grad=True)), _E(torch.tensor([0.5, 3.0], requires_grad=True))
e = _p1.entropy()
from_kl = _D.kl._KL_REGISTRY[_D.ExponentialFamily, _D.ExponentialFamily](_p1, _q1)
_others = [(_D.Normal(_p([0.5, 1.0]), _p([1.0, 2.0])), _D.Normal(0.0, torch.tensor([2.0, 0.5])))]
_others += [(_D.Gamma(_p([0.5, 1.0]), _p([1.0, 2.0])), _D.Gamma(torch.tensor([2.0, 0.5]), 1.0))]
_others += [(_D.Beta(_p([0.5, 1.0]), _p([1.0, 2.0])), _D.Beta(torch.tensor([2.0, 0.5]), 1.0))]
_others += [(_D.Dirichlet(_p([[0.5, 1.0]])), _D.Dirichlet(torch.tensor([[2.0, 0.5]])))]
_others += [(_D.Bernoulli(_p([0.5, 0.1])), _D.Bernoulli(torch.tensor([0.2, 0.5])))]
_others += [(_D.Poisson(_p([0.5, 0.1])), _D.Poisson(torch.tensor([0.2, 0.5])))]
_others += [(_D.ContinuousBernoulli(_p([0.5, 0.1])), _D.ContinuousBernoulli(torch.tensor([0.2, 0.5])))]
_others += [(_D.Wishart(_p([3.0]), torch.eye(2)), _D.Wishart(torch.tensor([2.5]), torch.eye(2)))]
_f = _D.kl._KL_REGISTRY[_D.ExponentialFamily, _D.ExponentialFamily]
others = [_tell(lambda: _f(a, b)) for a, b in _others]
parameters = [[p.clone() for p in a._natural_params] for a, b in _others]
normalizers = [a._log_normalizer(*a._natural_params) for a, b in _others]
entropies = [_tell(lambda: _D.ExponentialFamily.entropy(a)) for a, b in _others]
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    hold(TELL.replace("DTYPE", "torch.float32") + PROGRAMS[name], strides=False, rtol=1e-5, atol=1e-6)
