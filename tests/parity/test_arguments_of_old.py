"""Arguments that do nothing any more are taken, with PyTorch's warnings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from parity.programs import hold

CALLS = {
    "only_inputs": "x = t(3, requires_grad=True); out = torch.autograd.grad((x * x).sum(), x, create_graph=True, only_inputs=True)[0]",
    "only_inputs_not": "x = t(3, requires_grad=True); out = torch.autograd.grad((x * x).sum(), x, create_graph=True, only_inputs=False)[0]",
    "grad_positions": "x = t(3, requires_grad=True); out = torch.autograd.grad((x * x).sum(), [x, t(2, requires_grad=True)], None, True, True, True, True)[0]",
    "grad_variables": "x = t(3, requires_grad=True); torch.autograd.backward([x * 2], grad_variables=[torch.ones(3)]); out = x.grad",
    "grad_variables_twice": "x = t(3, requires_grad=True); torch.autograd.backward([x * 2], [x], grad_variables=[torch.ones(3)])",
    "volatile": "out = torch.autograd.Variable(t(2), volatile=True)",
    "eps": "torch.manual_seed(0); out = F.gumbel_softmax(t(2, 3), eps=1e-5)",
    "cuda_autocast": "out = 1; _a = torch.cuda.amp.autocast(enabled=False)",
    "cpu_autocast": "_a = torch.cpu.amp.autocast()\nwith _a: out = torch.mm(t(2, 2), t(2, 2)).dtype",
    "cpu_scaler": "out = torch.cpu.amp.GradScaler(enabled=False).get_scale()",
}


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str) -> None:
    body = "\n    ".join(CALLS[name].splitlines())
    hold(
        f"import warnings as _w\nwith _w.catch_warnings(record=True) as _seen:\n    _w.simplefilter('always')\n    {body}\n"
        "said = [(w.category.__name__, str(w.message)[:60]) for w in _seen]\n_ = out"
    )


FUNCTIONS = {
    "vmap_draws": "torch.vmap(lambda x: x + torch.rand(3))(t(2, 3))",
    "vmap_dropout": "torch.vmap(lambda x: F.dropout(x, 0.5))(t(2, 3))",
    "vmap_draws_nothing": "out = torch.vmap(lambda x: x.sin())(t(2, 3)); then = torch.rand(1)",
    "vmap_after": "try: torch.vmap(lambda x: torch.rand(3))(t(2, 3))\nexcept RuntimeError as _e: said = str(_e)[:60]\nthen = torch.rand(1)",
    "linearize": "x = t(3); value, _push = torch.func.linearize(lambda x, y: (x.sin() * y, y), x, t(3)); out = _push(torch.ones(3), torch.ones(3)), _push(x, x)",
    "jvp_strict": "out = torch.func.jvp(lambda x: x**2, (t(3),), (torch.ones(3),), strict=True)",
    "jacrev_chunks": "out = torch.func.jacrev(lambda x: x**2, chunk_size=2)(t(3))",
    "batch_norms": "m = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.BatchNorm1d(3))); r = torch.func.replace_all_batch_norm_modules_(m)\n"
    "same, keys, shown = r is m, list(m.state_dict()), repr(m); m.eval(); out = m(t(4, 3)); del m, r",
    "gradgradcheck_draws": "x = t(3, dtype='float64', requires_grad=True); torch.autograd.gradgradcheck(lambda x: x**3, (x,)); then = torch.rand(1)",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    hold(FUNCTIONS[name])


NUMBERS_FIRST = """
x.clone().add_(2, y)
x.clone().sub_(2, y)
x.add(2.5, y)
torch.add(x, 2, y)
torch.sub(x, 2, y)
torch.add(x, 2, y, out=torch.empty(3))
torch.addcmul(x, 2, y, y)
x.clone().addcmul_(2, y, y)
x.clone().addcdiv_(-0.5, y, y + 1)
torch.addmm(2, m, 3, m, m)
torch.addmm(2, m, m, m)
m.clone().addmm_(2, 3, m, m)
m.addmm(2, m, m)
torch.baddbmm(2, b, 3, b, b)
torch.addbmm(2, m, 3, b, b)
m.clone().addr_(2, 3, x, y)
torch.addmv(2, x, 3, m, y)
x.add(2, y, alpha=3)
x.add(2, 3, y)
x.addcmul(2, y)
x.add(y, 2)
x.addcdiv(y, 2, y)
torch.addmm(m, 2, m, m)
torch.addmm(m, m, 2, m)
torch.add(2, x, y)
m.addmm(m, 2, m)
torch.mul(x, 2, y)
x.clone().add_(True, y)
x.clone().add_('a', y)
"""


@pytest.mark.parametrize("call", NUMBERS_FIRST.strip().splitlines())
@pytest.mark.filterwarnings("ignore:This overload of:UserWarning")
def test_numbers_before_tensors(call: str) -> None:
    hold(f"x = t(3); y = torch.arange(3.0); m = t(3, 3); b = t(2, 3, 3); out = {call}")


def test_numbers_before_tensors_warn_once() -> None:
    """In a process of its own: PyTorch and we warn once."""
    program = (
        "import warnings, rustnn as torch\nx = torch.ones(2)\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n    x.add_(2, x)\n    x.add_(2, x)\n"
        "print([w.category.__name__ for w in seen], str(seen[0].message)[:40])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['UserWarning'] This overload of add_ is deprecated: num\n"
