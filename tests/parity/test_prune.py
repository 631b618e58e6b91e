"""`nn.utils.prune`: masks, hooks, and what they leave in a module."""

from __future__ import annotations

import importlib

import pytest

from parity.programs import REFERENCE, hold

importlib.import_module(f"{REFERENCE.__name__}.nn.utils.prune")  # PyTorch does so only when asked


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


# What is done to a linear or a convolutional layer; every state afterwards is compared.
PRUNED = """
_P.identity(_l, "weight")
x = _P.identity(_l, "weight") is _l, _P.random_unstructured(_l, "weight", 5) is _l
x = _P.ln_structured(_l, "weight", 1, 2, 0) is _l, _P.random_structured(_l, "weight", 1, 0) is _l
_P.random_unstructured(_l, "weight", 5)
_P.random_unstructured(_l, "weight", 0.3)
_P.random_unstructured(_l, "weight", amount=0)
_P.random_unstructured(_l, "bias", 1.0)
_P.l1_unstructured(_l, "weight", 7)
_P.l1_unstructured(_l, "weight", 0.4)
_P.l1_unstructured(_l, "weight", 0.0)
_P.l1_unstructured(_l, "bias", 2)
_P.l1_unstructured(_l, "weight", 3, importance_scores=t(*_l.weight.shape))
_P.l1_unstructured(_l, "weight", 3, importance_scores=t(2, 2))
_P.random_structured(_l, "weight", 2, 0)
_P.random_structured(_l, "weight", 0.5, dim=-1)
_P.random_structured(_l, "weight", 0, 0)
_P.random_structured(_l, "weight", 2, 5)
_P.random_structured(_l, "weight", 2, -6)
_P.random_structured(_l, "bias", 1, 0)
_P.ln_structured(_l, "weight", 2, 2, 0)
_P.ln_structured(_l, "weight", 0.5, 1, 1)
_P.ln_structured(_l, "weight", 0.5, n=float("inf"), dim=-1)
_P.ln_structured(_l, "weight", 0, 2, 0)
_P.ln_structured(_l, "weight", 1, 2, 0, importance_scores=t(*_l.weight.shape))
_P.ln_structured(_l, "weight", 1.0, 2, 0)
_P.ln_structured(_l, "bias", 1, 2, 0)
_P.ln_structured(_l, "weight", 100, 2, 0)
_P.custom_from_mask(_l, "bias", torch.tensor([1, 0, 1, 0]))
_P.custom_from_mask(_l, "bias", torch.tensor([True, False, True, False]))
_P.custom_from_mask(_l, "bias", torch.tensor([1, 0, 1]))
_P.l1_unstructured(_l, "weight", 1000)
_P.l1_unstructured(_l, "weight", -1)
_P.l1_unstructured(_l, "weight", 1.5)
_P.l1_unstructured(_l, "weight", -0.5)
_P.l1_unstructured(_l, "weight", "a")
_P.l1_unstructured(_l, "weight", True)
_P.l1_unstructured(_l, "nothing", 1)
_P.l1_unstructured(_l, "training", 1)
_P.l1_unstructured(_l, "weight", 3); _P.l1_unstructured(_l, "weight", 4)
_P.l1_unstructured(_l, "weight", 3); _P.random_unstructured(_l, "weight", 0.5); _P.ln_structured(_l, "weight", 1, 2, 0)
_P.ln_structured(_l, "weight", 1, 2, 0); _P.ln_structured(_l, "weight", 1, 2, 0); _P.ln_structured(_l, "weight", 1, 2, 1)
_P.random_structured(_l, "weight", 1, 0); _P.random_structured(_l, "weight", 1, -1); _P.identity(_l, "weight")
_P.identity(_l, "weight"); _P.custom_from_mask(_l, "weight", (t(*_l.weight.shape) > 0))
_P.l1_unstructured(_l, "weight", 3); _P.l1_unstructured(_l, "weight", 1000)
_P.l1_unstructured(_l, "weight", 3); _P.l1_unstructured(_l, "bias", 2)
_P.global_unstructured([(_l, "weight"), (_l, "bias")], _P.L1Unstructured, amount=0.4)
_P.global_unstructured([(_l, "weight"), (_l, "bias")], pruning_method=_P.RandomUnstructured, amount=5)
_P.global_unstructured(((_l, n) for n in ["weight", "bias"]), _P.L1Unstructured, amount=3)
_P.global_unstructured([(_l, "weight"), (_l, "bias")], _P.L1Unstructured, importance_scores={(_l, "bias"): torch.arange(4.0)}, amount=0.4)
_P.l1_unstructured(_l, "bias", 2); _P.global_unstructured([(_l, "weight"), (_l, "bias")], _P.L1Unstructured, amount=0.4)
_P.global_unstructured([(_l, "weight")], _P.LnStructured, amount=1, n=2)
_P.global_unstructured([(_l, "weight")], _P.L1Unstructured, importance_scores=[1], amount=1)
_P.global_unstructured(3, _P.L1Unstructured, amount=1)
_P.global_unstructured([], _P.L1Unstructured, amount=1)
"""


@pytest.mark.parametrize("layer", ["nn.Linear(3, 4) | 2, 3", "nn.Conv2d(2, 4, 3) | 1, 2, 5, 5"])
@pytest.mark.parametrize("program", lines(PRUNED))
def test_pruning(program: str, layer: str) -> None:
    made, shape = layer.split(" | ")
    # A generator is used up in PyTorch after its first walk.
    if "for n in" in program:
        program = program.replace("((_l, n)", "[(_l, n)").replace('"bias"])', '"bias"]]')
    hold(f"""
_P = nn.utils.prune
_l = {made}
_x = t({shape})
def _sd(m): return {{k: v.detach().clone() for k, v in m.state_dict().items()}}
{program}
a = repr(_l), _sd(_l), [n for n, _ in _l.named_parameters()], [n for n, _ in _l.named_buffers()]
b = [(type(h).__name__, h._tensor_name) for h in _l._forward_pre_hooks.values()], _P.is_pruned(_l)
w = _l.weight, _l.bias, type(_l.weight).__name__
y = _l(_x)
(y * y).sum().backward()
g = [p.grad for p in _l.parameters()]
drawn = torch.rand(1)
for _n in [k[:-5] for k in _sd(_l) if k.endswith("_mask")]: c = _P.remove(_l, _n) is _l
d = repr(_l), _sd(_l), _P.is_pruned(_l), [n for n, _ in _l.named_parameters()], _l(_x)
""", rtol=1e-4, atol=1e-5, strides=False)  # fmt: skip


PROGRAMS = r"""
_P.ln_structured(_l, "weight", 0.5, n="fro", dim=0)
_P.remove(_l, "weight")
_P.l1_unstructured(_l, "weight", 2); _P.remove(_l, "bias")
_P.l1_unstructured(_l, "weight", 2); _P.remove(_l, "weight"); _P.remove(_l, "weight")
x = _P.is_pruned(nn.Sequential(_l)); _P.identity(_l, "weight"); y = _P.is_pruned(nn.Sequential(_l))
x = _P.L1Unstructured(2).prune(t(3, 3)), _P.L1Unstructured(2).prune(t(3, 3), default_mask=torch.zeros(3, 3)), _P.L1Unstructured(0.5).prune(t(3, 3), importance_scores=t(3, 3))
_P.L1Unstructured(2).prune(t(3, 3), importance_scores=t(3, 2))
x = _P.RandomStructured(1, 0).prune(t(3, 3)), _P.RandomUnstructured(4).prune(t(3, 3)), _P.LnStructured(1, 2).prune(t(3, 3)), _P.Identity().prune(t(2))
x = _P.CustomFromMask(torch.tensor([1, 0])).prune(t(2))
_P.BasePruningMethod()
_m = _P.L1Unstructured.apply(_l, "weight", amount=2); x = type(_m).__name__, _m.amount, _m._tensor_name, _m.PRUNING_TYPE
_m = _P.L1Unstructured.apply(_l, "weight", 2); _n = _P.L1Unstructured.apply(_l, "weight", 1); x = type(_n).__name__, len(_n), _n[0] is _m, [type(h).__name__ for h in _n], _n._tensor_name
_m = _P.RandomStructured.apply(_l, "weight", 1); x = _m.dim
_c = _P.PruningContainer(); x = len(_c); _c.add_pruning_method(None); y = len(_c), _c[0]
_c = _P.PruningContainer(); _c._tensor_name = "a"; _c.add_pruning_method(3)
_c = _P.PruningContainer(); _c._tensor_name = "a"; _m = _P.Identity(); _m._tensor_name = "b"; _c.add_pruning_method(_m)
class _Odd(_P.BasePruningMethod):\n  PRUNING_TYPE = "structured"\n  def compute_mask(self, t, default_mask): return default_mask\n_P.identity(_l, "weight"); _Odd.apply(_l, "weight")
class _Odd(_P.BasePruningMethod):\n  PRUNING_TYPE = "odd"\n  def compute_mask(self, t, default_mask): return default_mask\n_P.identity(_l, "weight"); _Odd.apply(_l, "weight")
class _Every(_P.BasePruningMethod):\n  PRUNING_TYPE = "unstructured"\n  def compute_mask(self, t, default_mask): mask = default_mask.clone(); mask.view(-1)[::2] = 0; return mask\n_Every.apply(_l, "weight"); x = _l.weight, _l.weight_mask; _Every.apply(_l, "weight"); y = _l.weight
class _Odd(_P.BasePruningMethod):\n  PRUNING_TYPE = "unstructured"\n  def compute_mask(self, t, default_mask): raise KeyError("no")\ntry: _Odd.apply(_l, "weight")\nexcept KeyError: pass\nx = repr(_l), dict(_l.state_dict()), _P.is_pruned(_l), type(_l.weight).__name__
_P.l1_unstructured(_l, "weight", 2); import copy as _copy; _copy.deepcopy(_l)
_P.l1_unstructured(_l, "weight", 2)\nwith torch.no_grad(): _ = _l(t(1, 3))\nimport copy as _copy; _c = _copy.deepcopy(_l); x = _c(t(1, 3)), dict(_c.state_dict())
_P.l1_unstructured(_l, "weight", 2); _n = nn.Linear(3, 4); _P.identity(_n, "weight"); x = str(_n.load_state_dict(_l.state_dict())), _n(t(1, 3)), _l(t(1, 3))
_P.l1_unstructured(_l, "weight", 2); nn.Linear(3, 4).load_state_dict(_l.state_dict())
_P.l1_unstructured(_l, "weight", 2); _o = optim.SGD(_l.parameters(), 0.1); _l(t(2, 3)).sum().backward(); _o.step(); x = dict(_l.state_dict()); y = _l(t(2, 3)), _l.weight
_P.l1_unstructured(_l, "weight", 2); _l.double(); x = _l(t(2, 3).double()), _l.weight_mask.dtype
_m = nn.GRU(3, 4); _P.l1_unstructured(_m, "weight_ih_l0", 5); x = _m(t(2, 3)), list(_m.state_dict()); _P.remove(_m, "weight_ih_l0"); y = list(_m.state_dict()), _m(t(2, 3))
_m = nn.BatchNorm1d(3); _P.l1_unstructured(_m, "weight", 1); x = _m(t(4, 3)), dict(_m.state_dict())
_m = nn.Embedding(4, 3); _P.random_unstructured(_m, "weight", 0.5); x = _m(torch.tensor([0, 3]))
_P.l1_unstructured(_l, "weight", np.int64(2)); x = _l.weight; _P.l1_unstructured(_l, "weight", np.float64(0.5)); y = _l.weight
_P.l1_unstructured(_l, "weight", torch.tensor(2))
"""


@pytest.mark.parametrize("program", lines(PROGRAMS))
def test_otherwise(program: str) -> None:
    body = program.replace("\\n", "\n")
    hold(f"_P = nn.utils.prune\n_l = nn.Linear(3, 4)\n{body}", rtol=1e-4, atol=1e-5, strides=False)
