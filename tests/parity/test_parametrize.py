"""`nn.utils.parametrize`, the parametrizations that come with it, and the older hooks."""

from __future__ import annotations

import pytest

from parity.programs import CANDIDATE, hold

SETUP = """
import copy as _copy, pickle as _pickle, io as _io
_P = nn.utils.parametrize
class _Double(nn.Module):
    def forward(self, x): return 2 * x
class _Symmetric(nn.Module):
    def forward(self, x): return x.triu() + x.triu(1).mT
    def right_inverse(self, a): return a.triu()
class _Exp(nn.Module):
    def forward(self, x): return x.exp()
    def right_inverse(self, x): return x.log()
class _Sum(nn.Module):
    def forward(self, x, y): return x + y
    def right_inverse(self, a): return a / 2, a / 2
class _Half(nn.Module):
    def forward(self, x): return x.half()
class _First(nn.Module):
    def forward(self, x): return x[0]
class _Not(nn.Module):
    def forward(self, x): return 3
class _Back(nn.Module):
    def __init__(self, f): super().__init__(); self.f = f
    def forward(self, x): return x
    def right_inverse(self, a): return self.f(a)
class _Open(nn.Module):
    def forward(self, x): return x * x
    def right_inverse(self, a): raise NotImplementedError
def _sd(m): return {k: v.detach().clone() for k, v in m.state_dict().items()}
_l = nn.Linear(3, 3)
_reg, _rem = _P.register_parametrization, _P.remove_parametrizations
"""

PROGRAMS = r"""
_reg(_l, "weight", _Double()); x = repr(_l), _sd(_l), _l.weight, _l(t(2, 3)), type(_l).__name__, _l._get_name()
_reg(_l, "weight", _Double()); _l(t(2, 3)).sum().backward(); g = [p.grad for p in _l.parameters()]
x = _reg(_l, "weight", _Symmetric()) is _l; w = _l.weight; _l.weight = t(3, 3); y = _l.weight, _sd(_l)
_reg(_l, "weight", _Symmetric()); _reg(_l, "weight", _Double()); x = repr(_l), _l.weight, _l.parametrizations.weight[1].training
_reg(_l, "weight", _Double()); _reg(_l, "bias", _Double()); x = repr(_l), [n for n, _ in _l.named_parameters()]
_reg(_l, "weight", _Double()); _l.weight = t(3, 3)
_reg(_l, "weight", _Sum()); x = repr(_l), _sd(_l), _l.weight; _l.weight = t(3, 3); y = _sd(_l); _rem(_l, "weight"); z = _sd(_l), repr(_l)
_reg(_l, "weight", _Sum()); _rem(_l, "weight", leave_parametrized=False)
_reg(_l, "weight", _Double()); x = _rem(_l, "weight") is _l; y = _sd(_l), type(_l).__name__, repr(_l), _l.weight.requires_grad
_reg(_l, "weight", _Double()); _rem(_l, "weight", False); y = _sd(_l), type(_l).__name__, list(vars(_l)["_modules"])
_w = _l.weight; _reg(_l, "weight", _Exp()); x = _l.parametrizations.weight.original is _w; _rem(_l, "weight"); y = _l.weight is _w, _l.weight
_reg(_l, "weight", _Double()); _reg(_l, "bias", _Double()); _rem(_l, "weight"); x = repr(_l), _P.is_parametrized(_l), _P.is_parametrized(_l, "weight"), _P.is_parametrized(_l, "bias"); _rem(_l, "bias"); y = repr(_l), _sd(_l)
x = _P.is_parametrized(_l), _P.is_parametrized(_l, "weight"), _P.type_before_parametrizations(_l).__name__; _reg(_l, "weight", _Double()); y = _P.is_parametrized(_l), _P.is_parametrized(_l, "bias"), _P.type_before_parametrizations(_l).__name__
_rem(_l, "weight")
_reg(_l, "weight", _Double()); _rem(_l, "bias")
_reg(_l, "nothing", _Double())
_reg(_l, "weight", _Half())
_reg(_l, "weight", _First())
_reg(_l, "weight", _Not())
_reg(_l, "weight", _Half(), unsafe=True); x = _l.weight, repr(_l)
_reg(_l, "weight", _First(), unsafe=True); x = _l.weight
_reg(_l, "weight", _Back(lambda a: 3))
_reg(_l, "weight", _Back(lambda a: [a, 3]))
_reg(_l, "weight", _Back(lambda a: a.double()))
_reg(_l, "weight", _Back(lambda a: a)); x = _sd(_l); _l.weight = t(3, 3); y = _sd(_l)
_reg(_l, "weight", _Double()); _reg(_l, "weight", _Half())
_reg(_l, "weight", _Double()); _reg(_l, "weight", _First())
_reg(_l, "weight", _Double()); _reg(_l, "weight", _Not())
_reg(_l, "weight", _Double()); _reg(_l, "weight", _Back(lambda a: 3))
_reg(_l, "weight", _Double()); _reg(_l, "weight", _Back(lambda a: a.double()))
_reg(_l, "weight", _Double()); _reg(_l, "weight", _Back(lambda a: a[0]))
_reg(_l, "weight", _Double()); _reg(_l, "weight", _Back(lambda a: a.double()), unsafe=True); x = repr(_l)
_reg(_l, "weight", _Open()); x = _sd(_l), _l.weight
_reg(_l, "weight", _Open()); _l.weight = t(3, 3)
_s = []; _reg(_l, "weight", _Back(lambda a: _s.pop() if _s else a)); _s.append(3); _l.weight = t(3, 3)
_s = []; _reg(_l, "weight", _Back(lambda a: _s.pop() if _s else a)); _s.append(t(3, 3).double()); _l.weight = t(3, 3)
_s = []; _m = _Sum(); _m.right_inverse = lambda a: _s.pop() if _s else (a, a); _reg(_l, "weight", _m); _s.append((t(3, 3),)); _l.weight = t(3, 3)
_s = []; _m = _Sum(); _m.right_inverse = lambda a: _s.pop() if _s else (a, a); _reg(_l, "weight", _m); _s.append(t(3, 3)); _l.weight = t(3, 3)
_s = []; _m = _Sum(); _m.right_inverse = lambda a: _s.pop() if _s else (a, a); _reg(_l, "weight", _m); _s.append((t(3, 3), 3)); _l.weight = t(3, 3)
_s = []; _m = _Sum(); _m.right_inverse = lambda a: _s.pop() if _s else (a, a); _reg(_l, "weight", _m); _s.append((t(3, 3), t(3, 3).half())); _l.weight = t(3, 3)
_P.ParametrizationList([], _l.weight)
_q = _P.ParametrizationList([_Double()], _l.weight); x = repr(_q), _q(), _q.is_tensor, _q.ntensors, len(_q)
_reg(_l, "weight", _Double()); _l.weight = nn.Parameter(t(3, 3))
_reg(_l, "weight", _Double()); del _l.weight
_reg(_l, "weight", _Exp()); _c = _copy.deepcopy(_l); x = _sd(_c), repr(_c), type(_c).__name__, _c.weight; _c.weight = t(3, 3, low=1.0); y = _sd(_c), _sd(_l)
_reg(_l, "weight", _Double()); _pickle.dumps(_l)
_reg(_l, "weight", _Double()); torch.save(_l, _io.BytesIO())
_reg(_l, "weight", _Double()); _n = nn.Linear(3, 3); _reg(_n, "weight", _Double()); x = str(_n.load_state_dict(_l.state_dict())), _sd(_n)
_reg(_l, "weight", _Double()); nn.Linear(3, 3).load_state_dict(_l.state_dict())
_reg(_l, "weight", _Double()); _l.double(); x = _l.weight, _l.bias.dtype
_reg(_l, "weight", _Double()); _l.eval(); x = _l.parametrizations.weight[0].training; _reg(_l, "bias", (_d := _Double())); y = _d.training
_reg(_l, "weight", _Double()); _o = optim.SGD(_l.parameters(), 0.1); _l(t(2, 3)).sum().backward(); _o.step(); x = _sd(_l)
_o = optim.SGD(_l.parameters(), 0.1, momentum=0.5); _reg(_l, "weight", _Exp(), unsafe=True); _l(t(2, 3)).sum().backward(); _o.step(); x = _l.parametrizations.weight.original.grad
_reg(_l, "weight", _Double()); x = _l.weight is _l.weight
_reg(_l, "weight", _Double());\nwith _P.cached(): x = _l.weight is _l.weight\ny = _l.weight is _l.weight
_reg(_l, "weight", _Double());\nwith _P.cached():\n  with _P.cached(): _w = _l.weight\n  x = _l.weight is _w\ny = _l.weight is _w
_b = nn.BatchNorm1d(3); _reg(_b, "running_mean", _Double()); x = repr(_b), list(_b.state_dict()), _b.running_mean; y = _b(t(4, 3)); _rem(_b, "running_mean"); z = _sd(_b)
_b = nn.BatchNorm1d(3); _reg(_b, "weight", _Double()); x = _b(t(4, 3))
_b = nn.LayerNorm(3); _reg(_b, "weight", _Double()); x = _b(t(4, 3)), repr(_b)
_b = nn.Conv2d(2, 3, 2); _reg(_b, "weight", _Double()); x = _b(t(1, 2, 4, 4)), repr(_b)
_b = nn.Embedding(4, 3); _reg(_b, "weight", _Double()); x = _b(torch.tensor([1, 2])), repr(_b)
_b = nn.GRU(2, 3); _reg(_b, "weight_hh_l0", _Double()); x = _b(t(4, 2)), repr(_b), list(_b.state_dict())
_b = nn.PReLU(); _reg(_b, "weight", _Double()); x = _b(t(4, 2))
_b = nn.MultiheadAttention(4, 2); _reg(_b, "in_proj_weight", _Double()); _y = t(3, 4); x = _b(_y, _y, _y)
_b = nn.Bilinear(2, 3, 4); _reg(_b, "weight", _Double()); x = _b(t(5, 2), t(5, 3))
_reg(_l, "weight", _Exp()); _n = nn.Linear(3, 3); x = _P.transfer_parametrizations_and_params(_l, _n) is _n; y = _sd(_n), repr(_n); z = _n.parametrizations.weight.original is _l.parametrizations.weight.original
_reg(_l, "weight", _Sum()); _n = nn.ReLU(); _P.transfer_parametrizations_and_params(_l, _n); y = _sd(_n), repr(_n)
_reg(_l, "weight", _Double()); _reg(_l, "bias", _Double()); _n = nn.Linear(3, 3); _P.transfer_parametrizations_and_params(_l, _n, "bias"); y = _sd(_n), repr(_n)
_n = nn.Linear(3, 3); x = _P.transfer_parametrizations_and_params(_l, _n) is _n, repr(_n)
_l.parametrizations = 3; x = _P.is_parametrized(_l)
_l = nn.Linear(3, 3, bias=False); _reg(_l, "bias", _Double())
_reg(_l, "weight", _Double()); x = torch.func.functional_call(_l, {"parametrizations.weight.original": t(3, 3)}, t(2, 3))
_reg(_l, "weight", lambda x: x)
_m = nn.Sequential(_l, nn.ReLU()); _reg(_m[0], "weight", _Double()); x = repr(_m), _sd(_m), _m(t(2, 3)); y = sum(1 for _ in _m.modules())
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("program", lines(PROGRAMS))
def test_parametrize(program: str) -> None:
    hold(SETUP + program.replace("\\n", "\n"), rtol=1e-5, atol=1e-6)


# A layer with a parametrization, and the shape of an input.
NORMS = """
_N.weight_norm(nn.Linear(3, 4)) | 2, 3
_N.weight_norm(nn.Linear(3, 4), dim=None) | 2, 3
_N.weight_norm(nn.Linear(3, 4), dim=1) | 2, 3
_N.weight_norm(nn.Linear(3, 4), dim=-1) | 2, 3
_N.weight_norm(nn.Linear(3, 4), dim=-2) | 2, 3
_N.weight_norm(nn.Linear(3, 4), "bias") | 2, 3
_N.weight_norm(nn.Conv2d(2, 3, 2)) | 1, 2, 4, 4
_N.weight_norm(nn.Conv2d(2, 3, 2), dim=2) | 1, 2, 4, 4
_N.weight_norm(nn.ConvTranspose1d(2, 3, 2), dim=1) | 1, 2, 4
_N.weight_norm(nn.Linear(3, 4).double()) | 2, 3
_N.weight_norm(nn.Linear(3, 4), "nothing") | 2, 3
_N.weight_norm(nn.Linear(3, 4), dim=2) | 2, 3
_N.spectral_norm(nn.Linear(3, 4)) | 2, 3
_N.spectral_norm(nn.Linear(3, 4), n_power_iterations=3, eps=1e-3, dim=1) | 2, 3
_N.spectral_norm(nn.Linear(3, 4), "bias") | 2, 3
_N.spectral_norm(nn.Conv2d(2, 3, 2)) | 1, 2, 4, 4
_N.spectral_norm(nn.ConvTranspose2d(2, 3, 2)) | 1, 2, 4, 4
_N.spectral_norm(nn.ConvTranspose1d(2, 3, 2), dim=0) | 1, 2, 4
_N.spectral_norm(nn.Conv1d(2, 3, 2), dim=-1) | 1, 2, 4
_N.spectral_norm(nn.Linear(3, 4), dim=2) | 2, 3
_N.spectral_norm(nn.Linear(3, 4), n_power_iterations=0) | 2, 3
_N.spectral_norm(nn.Linear(3, 4), "nothing") | 2, 3
_N.spectral_norm(nn.Linear(3, 4).eval()) | 2, 3
_N.spectral_norm(_N.spectral_norm(nn.Linear(3, 4)), "bias") | 2, 3
"""
ORTHOGONAL = """
_N.orthogonal(nn.Linear(3, 3)) | 2, 3
_N.orthogonal(nn.Linear(3, 3), orthogonal_map="cayley") | 2, 3
_N.orthogonal(nn.Linear(3, 3), orthogonal_map="householder") | 2, 3
_N.orthogonal(nn.Linear(3, 5)) | 2, 3
_N.orthogonal(nn.Linear(5, 3)) | 2, 5
_N.orthogonal(nn.Linear(3, 5), orthogonal_map="matrix_exp") | 2, 3
_N.orthogonal(nn.Linear(5, 3), orthogonal_map="cayley") | 2, 5
_N.orthogonal(nn.Linear(3, 3), use_trivialization=False) | 2, 3
_N.orthogonal(nn.Linear(3, 5), use_trivialization=False) | 2, 3
_N.orthogonal(nn.Linear(5, 3), use_trivialization=False) | 2, 5
_N.orthogonal(nn.Linear(5, 3), orthogonal_map="cayley", use_trivialization=False) | 2, 5
_N.orthogonal(nn.Conv1d(3, 3, 3)) | 1, 3, 4
_N.orthogonal(nn.Linear(3, 3, dtype=torch.float64)) | 2, 3
_N.orthogonal(nn.Linear(3, 3), "bias") | 2, 3
_N.orthogonal(nn.Linear(3, 3), "nothing") | 2, 3
_N.orthogonal(nn.Linear(3, 3), orthogonal_map="other") | 2, 3
_N.orthogonal(nn.Linear(3, 3, dtype=torch.complex64), orthogonal_map="householder") | 2, 3
"""


@pytest.mark.parametrize("case", lines(NORMS + ORTHOGONAL.lstrip()))
def test_parametrization(case: str) -> None:
    made, shape = case.split(" | ")
    hold(f"""
_N = nn.utils.parametrizations
_l = {made}
def _sd(m): return {{k: v.detach().clone() for k, v in m.state_dict().items()}}
a = repr(_l), _sd(_l), [n for n, _ in _l.named_parameters()], list(_l.state_dict())
_x = t({shape}).to(next(_l.parameters()).dtype)
y = _l(_x)
(y * y).sum().backward()
g = [p.grad for p in _l.parameters()]
b = _sd(_l)
c = _l(_x), _sd(_l)
_l.eval()
d = _l(_x), _sd(_l)
drawn = torch.rand(1)
_w = next(iter(_l.parametrizations))
_v = getattr(_l, _w).detach().clone()
try: setattr(_l, _w, _v + 0.5); e = getattr(_l, _w), _sd(_l)
except NotImplementedError as error: e = str(error)
nn.utils.parametrize.remove_parametrizations(_l, _w)
f = _sd(_l), repr(_l)
""", rtol=1e-4, atol=2e-5, strides=False)  # fmt: skip


@pytest.mark.parametrize("program", lines("""
_l = _N.weight_norm(nn.Linear(3, 4)); x = str(_l.load_state_dict({"weight_g": t(4, 1), "weight_v": t(4, 3), "bias": t(4)})); y = _l.weight
_l = _N.weight_norm(nn.Linear(3, 4)); _l.load_state_dict({"weight_g": t(4, 1), "bias": t(4)})
_l = _N.orthogonal(nn.Linear(3, 3)); _l.weight = t(3, 2)
_l = _N.orthogonal(nn.Linear(3, 3)); _q = torch.eye(3).roll(1, 0); _l.weight = _q; x = _l.weight
_l = _N.orthogonal(nn.Linear(3, 3)); x = torch.allclose(_l.weight @ _l.weight.mT, torch.eye(3), atol=1e-5)
_l = _N.orthogonal(nn.Linear(5, 3), use_trivialization=False); _l.weight = torch.eye(3, 5); x = _l.weight
_c = nn.Linear(3, 3, dtype=torch.complex64); _l = _N.orthogonal(_c); x = torch.allclose(_l.weight @ _l.weight.mH, torch.eye(3).to(torch.complex64), atol=1e-5)
"""))  # fmt: skip
def test_parametrizations_otherwise(program: str) -> None:
    hold(f"_N = nn.utils.parametrizations\n{program}", rtol=1e-4, atol=1e-5, strides=False)


HOOKS = """
_u.weight_norm(nn.Linear(3, 4)) | 2, 3
_u.weight_norm(nn.Linear(3, 4), dim=None) | 2, 3
_u.weight_norm(nn.Linear(3, 4), "bias") | 2, 3
_u.weight_norm(nn.Linear(3, 4), dim=1) | 2, 3
_u.weight_norm(nn.Conv1d(2, 3, 2)) | 1, 2, 4
_u.weight_norm(nn.ConvTranspose2d(2, 3, 2), dim=1) | 1, 2, 4, 4
_u.weight_norm(_u.weight_norm(nn.Linear(3, 4))) | 2, 3
_u.weight_norm(nn.Linear(3, 4), "nothing") | 2, 3
_u.weight_norm(nn.LazyLinear(3)) | 2, 3
_u.spectral_norm(nn.Linear(3, 4)) | 2, 3
_u.spectral_norm(nn.Linear(3, 4), n_power_iterations=3, dim=1) | 2, 3
_u.spectral_norm(nn.Conv2d(2, 3, 2)) | 1, 2, 4, 4
_u.spectral_norm(nn.ConvTranspose1d(2, 3, 2)) | 1, 2, 4
_u.spectral_norm(nn.Linear(3, 4), n_power_iterations=0) | 2, 3
_u.spectral_norm(_u.spectral_norm(nn.Linear(3, 4))) | 2, 3
_u.spectral_norm(nn.Linear(3, 4, bias=False), "bias") | 2, 3
_u.spectral_norm(nn.Linear(3, 4), "nothing") | 2, 3
_u.spectral_norm(nn.LazyLinear(3)) | 2, 3
"""


@pytest.mark.parametrize("case", lines(HOOKS))
def test_hooks(case: str) -> None:
    made, shape = case.split(" | ")
    kind = "weight_norm" if "weight_norm" in made else "spectral_norm"
    name = '"bias"' if '"bias"' in made else '"weight"'
    hold(f"""
_u = nn.utils
_l = {made}
def _sd(m): return {{k: v.detach().clone() for k, v in m.state_dict().items()}}
a = repr(_l), _sd(_l), [n for n, _ in _l.named_parameters()], len(_l._forward_pre_hooks), {{k: v for k, v in _l.state_dict()._metadata.items()}}
_x = t({shape})
y = _l(_x)
(y * y).sum().backward()
g = [p.grad for p in _l.parameters()]
b = _sd(_l), _l(_x)
_l.eval()
c = _l(_x), _sd(_l)
_n = {made}
d = str(_n.load_state_dict(_l.state_dict())), _n(_x)
x = _u.remove_{kind}(_l, {name}) is _l
e = repr(_l), _sd(_l), _l(_x), [len(h) for h in (_l._forward_pre_hooks, _l._state_dict_hooks, _l._load_state_dict_pre_hooks)]
_u.remove_{kind}(_l, {name})
""", rtol=1e-4, atol=1e-5, strides=False)  # fmt: skip


@pytest.mark.parametrize("program", lines("""
_l = _u.remove_weight_norm(nn.Linear(2, 3))
_l = _u.remove_spectral_norm(nn.Linear(2, 3))
_l = _u.weight_norm(nn.Linear(2, 3)); import copy as _c; _c.deepcopy(_l)
_l = _u.spectral_norm(nn.Linear(2, 3)); import copy as _c; _m = _c.deepcopy(_l); x = _m(t(2, 2)), _l(t(2, 2))
_l = _u.spectral_norm(nn.Linear(2, 3)); _s = dict(_l.state_dict()); _s["weight"] = _l.weight; del _s["weight_v"]; _l.load_state_dict(_s); x = _l(t(2, 2)), list(_l.state_dict())
_l = _u.spectral_norm(nn.Linear(2, 3)); _s = dict(_l.state_dict()); del _s["weight_v"]; _l.load_state_dict(_s)
_l = _u.spectral_norm(nn.Linear(2, 3)); _s = dict(_l.state_dict()); x = str(_l.load_state_dict(_s)), _l(t(2, 2))
_l = _u.weight_norm(nn.Linear(2, 3)); _o = optim.SGD(_l.parameters(), 0.1); _l(t(4, 2)).sum().backward(); _o.step(); x = _l(t(4, 2)), _l.weight
_l = _u.weight_norm(_u.weight_norm(nn.Linear(2, 3)), "bias"); _u.remove_weight_norm(_l, "bias"); x = sorted(_l.state_dict()), len(_l._forward_pre_hooks)
_l = _u.spectral_norm(nn.Linear(2, 3).double()); x = _l.double()(t(2, 2).double())
"""))  # fmt: skip
def test_hooks_otherwise(program: str) -> None:
    hold(f"_u = nn.utils\n{program}", rtol=1e-4, atol=1e-5)


def test_old_weight_norm_warns() -> None:
    with pytest.warns(FutureWarning, match="`torch.nn.utils.weight_norm` is deprecated in favor of"):
        CANDIDATE.nn.utils.weight_norm(CANDIDATE.nn.Linear(2, 3))


def test_functions_are_not_hidden_by_their_files() -> None:
    import importlib

    for name in ("weight_norm", "spectral_norm"):
        importlib.import_module(f"{CANDIDATE.__name__}.nn.utils.{name}")
        assert callable(getattr(CANDIDATE.nn.utils, name))
