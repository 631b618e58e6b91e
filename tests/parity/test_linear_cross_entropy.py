"""`linear_cross_entropy`, whole and by chunks, as a function and as a layer."""

from __future__ import annotations

import pytest

from parity.programs import hold


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


# input, weight, target, and the other arguments.
CALLS = """
t(5, 3), t(7, 3), _c(5)
t(5, 3), t(7, 3), _c(5), linear_bias=_b(7)
t(5, 3), t(7, 3), _c(5), weight=t(7, low=0.1), linear_bias=_b(7)
t(5, 3), t(7, 3), _c(5), reduction="sum"
t(5, 3), t(7, 3), _c(5), reduction="none", linear_bias=_b(7)
t(5, 3), t(7, 3), _c(5), reduction="none", weight=t(7, low=0.1)
t(5, 3), t(7, 3), _c(5), reduction="other"
t(5, 3), t(7, 3), _c(5), ignore_index=2
t(5, 3), t(7, 3), torch.full((5,), -100)
t(5, 3), t(7, 3), torch.full((5,), -100), reduction="sum"
t(5, 3), t(7, 3), torch.full((5,), 9)
t(5, 3), t(7, 3), _c(5), label_smoothing=0.2
t(5, 3), t(7, 3), _c(4)
t(5, 3), t(7, 3), t(5, 7).softmax(1)
t(5, 3), t(7, 3), t(5, 7).softmax(1), ignore_index=2
t(5, 3), t(7, 3), t(5, 7).softmax(1), label_smoothing=0.1
t(5, 3), t(7, 2, 3), ints(5, 2, high=7)
t(5, 3), t(7, 2, 3), ints(5, 2, high=7), linear_bias=_b(7, 2), reduction="none"
t(5, 3), t(7, 2, 4, 3), ints(5, 2, 4, high=7)
t(5, 3), t(7, 2, 3), t(5, 7, 2).softmax(1)
t(5, 3), t(7, 2, 3), ints(5, 2, high=7), linear_bias=_b(14)
t(3), t(7, 3), torch.tensor(2)
t(3), t(7, 3), torch.tensor(2), reduction="none"
t(3), t(7, 3), t(7).softmax(0)
t(3), t(7, 2, 3), torch.tensor([2, 3])
t(0, 3), t(7, 3), _c(0)
t(0, 3), t(7, 3), _c(0), reduction="sum"
t(0, 3), t(7, 3), _c(0), reduction="none"
t(5, 2), t(7, 3), _c(5)
t(2, 5, 3), t(7, 3), _c(5)
torch.tensor(1.0), t(7, 3), _c(5)
t(5, 3), t(3), _c(5)
t(5, 3), t(7, 3), _c(5), linear_bias=_b(6)
t(5, 3), t(7, 3), _c(5).int()
"""
OPTIONS = """
None
_O()
_O(batch_chunk_size=2)
_O(batch_chunk_size=100, allow_retain_graph=True)
_O(chunking_method="aspect_ratio:2", acc_policy="accurate")
_O(chunking_method=None, acc_policy="balanced")
"""


@pytest.mark.parametrize("options", lines(OPTIONS))
@pytest.mark.parametrize("call", lines(CALLS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_function(call: str, options: str, dtype: str) -> None:
    hold(f"""
_O = nn.LinearCrossEntropyOptions
def _c(n): return ints(n, high=7)
def _b(*s): return t(*s).requires_grad_()
_k = []
def _f(input, weight, target, **others):
    _k.extend([input.requires_grad_(), weight.requires_grad_()] + [others["linear_bias"]] * ("linear_bias" in others))
    return F.linear_cross_entropy(input, weight, target, options={options}, **others)
y = _f({call})
(y * t(*y.shape)).sum().backward()
g = [k.grad for k in _k]
with torch.no_grad(): z = _f({call})
""", dtype=dtype, rtol=1e-4 if dtype == "float32" else 1e-9, atol=1e-5)  # fmt: skip


PROGRAMS = r"""
x = repr(_O()), _O() == _O(), hash(_O()) == hash(_O()), _O().acc_dtype
x = repr(_O(True, 3, None, "compact", torch.float32))
_O(acc_policy="other")
_O(chunking_method="other")
_O(chunking_method="aspect_ratio:0")
_O(chunking_method="aspect_ratio:a")
_O(chunking_method="aspect_ratio:")
_O(batch_chunk_size=0)
_O(batch_chunk_size=2.5)
_O(acc_dtype=torch.int32)
_o = _O(); _o.acc_policy = "compact"
x = [_O(chunking_method=m)._adjust(n, f, c, torch.float32, torch.device("cpu")).batch_chunk_size for m in ("auto", "aspect_ratio", "aspect_ratio:3", None) for n, f, c in ((100, 64, 1000), (5, 3, 7), (1, 3, 7), (4096, 512, 50000), (7, 9, 2))]
x = repr(_O()._adjust(10, 3, 4, torch.float16, torch.device("cpu"))), repr(_O(batch_chunk_size=20)._adjust(10, 3, 4, torch.float16))
_O(batch_chunk_size=3, chunking_method="aspect_ratio")._adjust(100, 64, 1000, torch.float32)
F.linear_cross_entropy(_x, _w, _t, options=_O(acc_dtype=torch.float64))
x = F.linear_cross_entropy(_x.half(), _w.half(), _t, options=_O()); x.backward(); g = _x.grad
x = F.linear_cross_entropy(_x.bfloat16(), _w.bfloat16(), _t, options=_O(batch_chunk_size=2)); x.backward(); g = _x.grad
_l = F.linear_cross_entropy(_x, _w, _t, options=_O()); _l.backward(); g = _x.grad.clone(); _l.backward()
_l = F.linear_cross_entropy(_x, _w, _t, options=_O()); _l.backward(retain_graph=True); _l.backward()
_l = F.linear_cross_entropy(_x, _w, _t, options=_O(allow_retain_graph=True)); _l.backward(retain_graph=True); _l.backward(); g = _x.grad
_l = F.linear_cross_entropy(_x, _w, _t, options=_O(), reduction="none"); _l.sum().backward(retain_graph=True); _l.sum().backward(); g = _x.grad
_l = F.linear_cross_entropy(_x, _w, _t); g = torch.autograd.grad(_l, _x, create_graph=True)[0]; h = torch.autograd.grad(g.sum(), _x)
_m = nn.LinearCrossEntropyLoss(3, 7); x = repr(_m), _sd(_m), _m(_x, _t); _m(_x, _t).backward(); g = _m.linear.weight.grad, _x.grad
_m = nn.LinearCrossEntropyLoss(3, 7, bias=True, weight=t(7, low=0.1), options=_O()); x = repr(_m), _sd(_m), _m(_x, _t); _m(_x, _t).backward(); g = [p.grad for p in _m.parameters()]
_m = nn.LinearCrossEntropyLoss(3, 7, bias=True, out_features=(2, 2), ignore_index=1, reduction="none"); x = repr(_m), _sd(_m), _m(_x, ints(5, 2, 2, high=7))
_m = nn.LinearCrossEntropyLoss(3, 7, out_features=(2,), label_smoothing=0.1, dtype=torch.float64, options=_O()); x = repr(_m), _m(_x.double(), ints(5, 2, high=7))
nn.LinearCrossEntropyLoss(3, 7, weight=t(6))
nn.LinearCrossEntropyLoss(3, 7, label_smoothing=1.5)
nn.LinearCrossEntropyLoss(3, 7, label_smoothing=-0.5)
_m = nn.LinearCrossEntropyLoss(3, 7, reduction="other"); _m(_x, _t)
nn.LinearCrossEntropyLoss(3)
"""


@pytest.mark.parametrize("program", lines(PROGRAMS))
def test_program(program: str) -> None:
    hold(f"""
_O = nn.LinearCrossEntropyOptions
def _sd(m): return dict(m.state_dict())
_x = t(5, 3).requires_grad_(); _w = t(7, 3); _t = ints(5, high=7)
{program}
""", rtol=2e-2 if "half" in program or "bfloat16" in program else 1e-4, atol=1e-3 if "half" in program else 1e-5)  # fmt: skip


def test_options_that_are_ignored_are_told() -> None:
    from parity.programs import CANDIDATE as torch

    F, options = torch.nn.functional, torch.nn.LinearCrossEntropyOptions()
    with pytest.warns(UserWarning, match="linear_cross_entropy: ``options`` ignored"):
        F.linear_cross_entropy(
            torch.ones(2, 3), torch.ones(4, 3), torch.tensor([0, 1]), label_smoothing=0.1, options=options
        )
