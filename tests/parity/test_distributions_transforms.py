"""Transforms: both ways, how they stretch space, shapes, caches, and what is made of them."""

from __future__ import annotations

import re

import pytest

from parity.programs import hold
from parity.test_distributions import TELL

# A transform, and a value of its domain.
CASES = """
T.AbsTransform() | p([-1.0, 0.5, 3.0])
T.AffineTransform(1.0, -2.0) | p([-1.0, 0.5, 3.0])
T.AffineTransform(p([1.0, 2.0]), p([[3.0], [0.5]])) | p([-1.0, 0.5])
T.AffineTransform(p([1.0, 2.0]), p([3.0, -0.5]), event_dim=1) | p([[-1.0, 0.5], [3.0, 1.0]])
T.AffineTransform(0, 2.0, event_dim=2) | p([[-1.0, 0.5], [3.0, 1.0]])
T.ExpTransform() | p([-1.0, 0.5, 3.0])
T.ExpTransform().inv | p([1.0, 0.5, 3.0])
T.PowerTransform(p(2.5)) | p([1.0, 0.5, 3.0])
T.PowerTransform(p([-1.0, 2.0])) | p([[1.0], [0.5]])
T.PowerTransform(0.5) | p([1.0, 0.5])
T.SigmoidTransform() | p([-1.0, 0.5, 300.0, -300.0])
T.SigmoidTransform().inv | p([0.0, 0.5, 1.0])
T.SoftplusTransform() | p([-1.0, 0.5, 30.0])
T.TanhTransform() | p([-1.0, 0.5, 3.0])
T.SoftmaxTransform() | p([[-1.0, 0.5, 3.0]])
T.StickBreakingTransform() | p([[-1.0, 0.5, 3.0], [0.0, 0.0, 0.0]])
T.StickBreakingTransform().inv | p([[0.2, 0.5, 0.3], [0.0, 0.9, 0.1]])
T.LowerCholeskyTransform() | p([[-1.0, 0.5], [3.0, 1.0]])
T.PositiveDefiniteTransform() | p([[-1.0, 0.5], [3.0, 1.0]])
T.CorrCholeskyTransform() | p([[-1.0, 0.5, 0.2]])
T.CorrCholeskyTransform() | p([0.5])
T.CorrCholeskyTransform() | p([[-1.0, 0.5, 0.2, 2.0, 0.0, -0.3], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
T.ComposeTransform([T.ExpTransform(), T.AffineTransform(1.0, p(2.0))]) | p([-1.0, 0.5, 3.0])
T.ComposeTransform([T.AffineTransform(1.0, p([2.0, 1.0])), T.StickBreakingTransform()]) | p([[-1.0, 0.5]])
T.ComposeTransform([T.StickBreakingTransform(), T.ExpTransform(), T.AffineTransform(0.0, 1.0, event_dim=1)]) | p([[-1.0, 0.5]])
T.ComposeTransform([]) | p([1.0])
T.identity_transform | p([1.0])
T.ComposeTransform([T.ExpTransform(), T.TanhTransform()]).inv | p([0.7, 0.8])
T.IndependentTransform(T.ExpTransform(), 1) | p([[-1.0, 0.5], [3.0, 1.0]])
T.IndependentTransform(T.StickBreakingTransform(), 1) | p([[-1.0, 0.5], [3.0, 1.0]])
T.IndependentTransform(T.AffineTransform(p([1.0, 2.0]), -3.0), 2).inv | p([[-1.0, 0.5], [3.0, 1.0]])
T.ReshapeTransform((4,), (2, 2)) | p([[-1.0, 0.5, 3.0, 1.0]])
T.ReshapeTransform((2, 2), (4,)).inv | p([[-1.0, 0.5, 3.0, 1.0]])
T.ReshapeTransform((), (1,)) | p([[-1.0, 0.5]])
T.CatTransform([T.ExpTransform(), T.AffineTransform(0.0, p(2.0))], dim=0, lengths=[1, 2]) | p([-1.0, 0.5, 3.0])
T.CatTransform([T.ExpTransform(), T.AffineTransform(0.0, 2.0)], dim=-1, lengths=[2, 2]) | p([[-1.0, 0.5, 3.0, 1.0]])
T.CatTransform([T.IndependentTransform(T.ExpTransform(), 1), T.ExpTransform()], dim=0, lengths=[1, 2]) | p([[-1.0], [0.5], [3.0]])
T.StackTransform([T.ExpTransform(), T.AffineTransform(0.0, p(2.0))], dim=0) | p([[-1.0, 0.5], [3.0, 1.0]])
T.StackTransform([T.ExpTransform(), T.TanhTransform(), T.SigmoidTransform()], dim=-1) | p([[-1.0, 0.5, 3.0]])
T.CumulativeDistributionTransform(D.Normal(p([0.5, 1.0]), 2.0)) | p([-1.0, 0.5])
T.CumulativeDistributionTransform(D.Exponential(p(2.0))).inv | p([0.3, 0.5])
""".strip().splitlines()

ASK = """
t = MAKE
_x = VALUE
told = [repr(t), _tell(lambda: t.bijective), _tell(lambda: t.sign), _tell(lambda: t.event_dim)]
told += [_tell(lambda: t.domain), _tell(lambda: t.codomain), _tell(lambda: t.inv.domain), repr(t.inv)]
told += [_tell(lambda: t.domain.event_dim), _tell(lambda: t.codomain.event_dim), t.inv.inv is t]
_y = t(_x)
y = _y.clone()
told += [list(t.forward_shape(_x.shape)), list(t.inverse_shape(_y.shape))]
back = _tell(lambda: t.inv(_y)), _tell(lambda: t._inverse(_y)), _tell(lambda: t.inv(_y.detach()))
stretch = _tell(lambda: t.log_abs_det_jacobian(_x, _y)), _tell(lambda: t.inv.log_abs_det_jacobian(_y, _x))
slopes = _tell(lambda: _grads(t(_x))), _tell(lambda: _grads(t.log_abs_det_jacobian(_x, t(_x))))
equal = t == t, t == t.inv, t != t, t == _D.ExpTransform(), t.inv == t.inv
_c = t.with_cache()
_u = _c(_x)
cached = _c(_x) is _u, _c.inv(_u) is _x, t.with_cache(0) is t, _c.with_cache(1) is _c, _c._cache_size, repr(_c)
import copy as _copy, pickle as _pickle
if not isinstance(t, _D.CumulativeDistributionTransform) and "p(" not in MAKETEXT:
    copies = _tell(lambda: _copy.copy(t)(_x)), _tell(lambda: _pickle.loads(_pickle.dumps(_c))(_x))
t = None
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_transform(case: str, dtype: str) -> None:
    make, value = case.split(" | ")
    names = re.compile(r"\b(p\(|D\.)")
    make, value = names.sub(r"_\1", make).replace("T.", "_T."), names.sub(r"_\1", value)
    start = TELL.replace("DTYPE", f"torch.{dtype}") + "_T = _D.transforms\n"
    ask = ASK.replace("MAKETEXT", repr(case)).replace("MAKE", make).replace("VALUE", value)
    close = 1e-5 if dtype == "float32" else 1e-7
    hold(start + ask, strides=False, rtol=close, atol=close)


# A constraint, and a number of free values a batch element.
TO = """
C.real | 3
C.real_vector | 3
C.positive | 3
C.nonnegative | 3
C.greater_than(2.0) | 3
C.greater_than(torch.tensor([1.0, 2.0, 3.0])) | 3
C.greater_than_eq(-1) | 3
C.less_than(1.5) | 3
C.unit_interval | 3
C.interval(-1, 1) | 3
C.interval(torch.tensor(0.0), 2.0) | 3
C.half_open_interval(0.0, 1.0) | 3
C.half_open_interval(-2, 5) | 3
C.simplex | 3
C.corr_cholesky | 3
C.lower_cholesky | 3, 3
C.positive_definite | 3, 3
C.positive_semidefinite | 3, 3
C.independent(C.positive, 1) | 3
C.independent(C.simplex, 1) | 3
C.cat([C.positive, C.unit_interval], -1, [1, 2]) | 3
C.stack([C.positive, C.unit_interval, C.real], -1) | 3
C.boolean | 3
C.one_hot | 3
C.dependent | 3
""".strip().splitlines()


@pytest.mark.parametrize("way", ["biject_to", "transform_to"])
@pytest.mark.parametrize("case", TO)
def test_registry(case: str, way: str) -> None:
    constraint, shape = case.split(" | ")
    hold(
        TELL.replace("DTYPE", "torch.float32")
        + f"""
_C = _D.constraints
_c = {constraint.replace("C.", "_C.")}
t = _tell(lambda: _D.{way}(_c))
if not isinstance(t, list):
    _x = torch.linspace(-2, 2, 18).reshape(-1, {shape})
    y = _D.{way}(_c)(_x)
    fits, back = _c.check(y), _tell(lambda: _D.{way}(_c).inv(y))
    stretch = _tell(lambda: _D.{way}(_c).log_abs_det_jacobian(_x, y))
""",
        strides=False,
        rtol=2e-5,
        atol=2e-5,
    )


def test_registering() -> None:
    hold(
        TELL.replace("DTYPE", "torch.float32")
        + """
class _Mine(_D.constraints.Constraint): pass
_registry = _D.constraint_registry.ConstraintRegistry()
@_registry.register(_Mine)
def _f(constraint): return _D.ExpTransform()
found = [repr(_registry(_Mine())), _tell(lambda: _registry(_D.constraints.real))]
_registry.register(_Mine(), lambda c: _D.TanhTransform())
found += [repr(_registry(_Mine())), _tell(lambda: _registry.register(3, lambda c: None))]
found += [_tell(lambda: _registry.register(int, lambda c: None))]
"""
    )


CLASSES = {
    "a transform of ours": """
class _Double(_D.Transform):
    domain = codomain = _D.constraints.real
    bijective = True
    sign = 1
    def _call(self, x): return 2 * x
    def _inverse(self, y): return y / 2
    def log_abs_det_jacobian(self, x, y): return torch.full_like(x, 0.6931471805599453)
_t = _D.TransformedDistribution(_D.Normal(_p([0.5, 1.0]), 1.0), [_Double(cache_size=1), _D.ExpTransform()])
torch.manual_seed(1)
_x = _t.rsample((3,))
values = _x.clone(), _t.log_prob(_x), _t.cdf(_x), _t.icdf(torch.tensor([0.2, 0.7])), _grads(_t.log_prob(_x.detach()))
told = _t.has_rsample, repr(_t), _t.support.event_dim, list(_t.expand((3, 2)).sample().shape)
""",
    "a distribution of ours": """
class _Shifted(_D.Distribution):
    arg_constraints = {"loc": _D.constraints.real}
    support = _D.constraints.real
    has_rsample = True
    def __init__(self, loc, validate_args=None):
        self.loc = loc
        super().__init__(loc.shape, validate_args=validate_args)
    def rsample(self, sample_shape=torch.Size()):
        return self.loc + torch.rand(self._extended_shape(sample_shape))
_d = _Shifted(torch.zeros(2))
torch.manual_seed(1)
values = _d.sample((3,)), _tell(lambda: _d.expand((3, 2))), repr(_d), _tell(lambda: _d.mean), _tell(lambda: _d.log_prob(torch.zeros(2)))
refused = _tell(lambda: _Shifted(torch.tensor([float("nan")]))), _tell(lambda: _d.perplexity()), _tell(lambda: _d.stddev)
class _Open(_D.Distribution):
    pass
import warnings as _w
with _w.catch_warnings(record=True) as _caught:
    _w.simplefilter("always")
    _o = _Open()
    _tell(lambda: _o._validate_sample(torch.zeros(2)))
said = [(w.category.__name__, str(w.message).split(">")[1]) for w in _caught]
told = repr(_tell(lambda: _o.support)), _tell(lambda: _o.arg_constraints)
""",
    "subclasses and expand": """
class _Named(_D.Normal):
    def __init__(self, loc, scale, name, validate_args=None):
        self.name = name
        super().__init__(loc, scale, validate_args=validate_args)
class _Plain(_D.LogNormal): pass
class _Kept(_Named):
    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(_Kept, _instance)
        new.name = self.name
        return super().expand(batch_shape, _instance=new)
refused = _tell(lambda: _Named(0.0, 1.0, "a").expand((2,)))
_k = _Kept(0.0, 1.0, "a").expand((2, 3))
told = type(_k).__name__, _k.name, list(_k.batch_shape), repr(_k), type(_Plain(0.0, 1.0).expand((2,))).__name__
_v = _D.Normal(0.0, 1.0, validate_args=False).expand((2,))
unchecked = _v._validate_args, _tell(lambda: _v.log_prob(torch.tensor(float("nan"))))
import copy as _copy, pickle as _pickle
_n = _pickle.loads(_pickle.dumps(_D.Normal(torch.zeros(2), 1.0)))
copies = repr(_n), repr(_copy.deepcopy(_D.Categorical(torch.ones(3)))), repr(_copy.copy(_D.Gumbel(0.0, 1.0)))
""",
    "default validation": """
_D.Distribution.set_default_validate_args(False)
try:
    unchecked = _tell(lambda: _D.Normal(0.0, -1.0)), _tell(lambda: _D.Normal(0.0, -1.0, validate_args=True))
finally:
    _D.Distribution.set_default_validate_args(True)
checked = _tell(lambda: _D.Normal(0.0, -1.0))
""",
    "lazy": """
class _L:
    calls = 0
    @_D.utils.lazy_property
    def value(self):
        "What it is."
        self.calls += 1
        return torch.ones(2, requires_grad=True) * 2
_l = _L()
with torch.no_grad():
    first = _l.value.requires_grad
told = _l.value is _l.value, _l.calls, isinstance(_L.value, property), _L.__dict__["value"].__doc__, first
_c = _D.Categorical(logits=torch.zeros(3, requires_grad=True))
with torch.no_grad():
    _c.sample()
told += (_c.probs.requires_grad,)
""",
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str) -> None:
    hold(TELL.replace("DTYPE", "torch.float32") + CLASSES[name], strides=False, rtol=1e-5, atol=1e-6)
