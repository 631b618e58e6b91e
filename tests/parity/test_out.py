"""`out=`: what may be given, in which dtype, and what it may share with the arguments."""

from __future__ import annotations

import pytest

from parity.programs import CANDIDATE, REFERENCE, hold

PREFIX = "x = torch.arange(6.0).view(2, 3) - 2; y = torch.arange(3.0); i = torch.tensor([1, 0]); o = torch.empty(0); "

PROGRAMS = """
r = torch.add(x, y, out=o) is o
r = torch.add(x, y, out=torch.empty(2, 3, dtype=torch.float64))
r = torch.add(x, y, out=torch.empty(2, 3, dtype=torch.int64))
r = torch.add(x, y, out=torch.empty(4))
r = torch.add(x, 1, out=x)
r = torch.add(x, y, out=y)
r = torch.add(y, x, out=y)
r = torch.maximum(x, y, out=y)
r = torch.eq(x, y, out=torch.empty(2, 3))
r = torch.where(x > 0, x, y, out=torch.empty(2, 3, dtype=torch.float64))
r = torch.mul(x, 2, out=torch.zeros(3, 2).t())
r = torch.mul(x, 2, out=torch.zeros(1, 1).expand(2, 3))
r = torch.mul(x[:, :2].contiguous(), 2, out=torch.zeros(4)[::2].expand(2, 2))
z = torch.arange(8.0); r = torch.exp(z[:4], out=z[2:6])
z = torch.arange(8.0); r = torch.exp(z[:4], out=z[4:])
r = torch.neg(x, out=torch.empty(2, 3, dtype=torch.float64))
r = torch.round(x, out=torch.empty(2, 3, dtype=torch.float16))
r = torch.exp(x, out=torch.empty(2, 3, dtype=torch.float64))
r = torch.mm(x, x.t(), out=torch.empty(0, dtype=torch.float64))
r = torch.matmul(x, y, out=torch.empty(2))
r = torch.bmm(x[None], x.t()[None], out=torch.empty(0))
r = torch.cat([x, x], out=torch.empty(0))
r = torch.cat([x, x], out=x)
r = torch.cat([y[:2], y], out=y)
r = torch.cat([o, y], out=o)
r = torch.gather(o, 0, torch.zeros(0, dtype=torch.int64), out=o)
r = torch.index_select(o, 0, torch.zeros(0, dtype=torch.int64), out=o)
r = torch.take(y, torch.zeros(0, dtype=torch.int64), out=o)
r = torch.outer(o, y, out=o)
r = torch.kron(o, y, out=o)
r = torch.take_along_dim(o, torch.zeros(0, dtype=torch.int64), 0, out=o)
r = torch.addr(o.view(0, 3), o, y, out=o)
r = torch.index_add(o, 0, torch.zeros(0, dtype=torch.int64), o, out=o)
r = torch.masked_select(o, o > 0, out=o)
r = torch.exp(o, out=o)
r = torch.stack([y, y], out=x)
r = torch.gather(x, 1, i[None], out=torch.empty(0, dtype=torch.float64))
r = torch.gather(x, 1, torch.zeros(2, 3, dtype=torch.int64), out=x)
r = torch.index_select(x, 0, i, out=x)
r = torch.index_select(x, 0, i, out=torch.empty(2, 3, dtype=torch.int64))
r = torch.masked_select(x, x > 0, out=torch.empty(0, dtype=torch.float64))
r = torch.masked_select(x, x > -9, out=x)
r = torch.take(x, i, out=x)
r = torch.take_along_dim(x, torch.zeros(2, 3, dtype=torch.int64), 1, out=x)
r = torch.nonzero(x, out=torch.empty(0, dtype=torch.int64))
r = torch.nonzero(x, out=torch.empty(0))
r = torch.scatter(x, 1, i[None], y[None], out=x)
r = torch.scatter(x, 1, torch.zeros(2, 3, dtype=torch.int64), x + 1, out=torch.empty(2, 3))
r = torch.index_add(x, 0, i, x + 0, out=x)
r = torch.index_add(y, 0, i, y[:2], out=y[:2])
r = torch.outer(y, y, out=y)
r = torch.kron(y, y, out=y)
r = torch.cross(y, y + 1, out=y)
r = torch.kthvalue(y, 1, out=(y, torch.empty(0, dtype=torch.int64)))
r = torch.sort(y, out=(torch.empty(0), torch.empty(0, dtype=torch.int64)))
r = torch.sort(y, out=(torch.empty(0), torch.empty(0)))
r = torch.sort(y, out=(torch.empty(0), torch.empty(0), torch.empty(0)))
r = torch.sort(y, out=torch.empty(0))
r = torch.sum(x, 1, out=torch.empty(0, dtype=torch.int64))
r = torch.sum(x, 1, out=torch.empty(0, dtype=torch.float64))
r = torch.sum(x, 1, dtype=torch.float64, out=torch.empty(0))
r = torch.prod(x, 1, out=torch.empty(0, dtype=torch.int32))
r = torch.cumsum(x, 1, out=torch.empty(0, dtype=torch.int64))
r = torch.cumsum(x, 1, out=x)
r = torch.nansum(x, 1, out=torch.empty(0, dtype=torch.float64))
r = torch.mean(x, 1, out=torch.empty(0, dtype=torch.int64))
r = torch.amax(x, 1, out=torch.empty(0, dtype=torch.float64))
r = torch.argmax(x, 1, out=torch.empty(0))
r = torch.all(x > 0, 1, out=torch.empty(0))
r = torch.softmax(x, 1, out=torch.empty(0, dtype=torch.float64))
r = torch.arange(5, out=torch.empty(0))
r = torch.arange(5.0, out=torch.empty(0, dtype=torch.int64))
r = torch.arange(5, dtype=torch.int32, out=torch.empty(0, dtype=torch.int64))
r = torch.arange(0, 5, 0.5, out=torch.empty(0, dtype=torch.int64))
r = torch.linspace(0, 9, 4, out=torch.empty(0, dtype=torch.int64))
r = torch.linspace(torch.tensor(0.0), torch.tensor(9.0), 4), torch.linspace(torch.tensor(1), 2, 3)
r = torch.linspace(torch.tensor([0.0]), torch.tensor([1.0]), 4)
r = torch.logspace(torch.tensor(1.0), torch.tensor([1.0]), 4)
r = torch.linspace(torch.tensor(0.0, requires_grad=True), 9, 4)
r = torch.zeros(2, 3, out=torch.ones(0, dtype=torch.int64)), torch.ones(2, out=torch.zeros(2, dtype=torch.bool))
r = torch.eye(2, out=torch.zeros(2, 2, dtype=torch.int64)), torch.full((2,), 3, out=torch.zeros(2))
r = torch.ones(2, dtype=torch.float32, out=torch.zeros(2, dtype=torch.bool))
r = torch.complex(x, x, out=torch.empty(0, dtype=torch.complex128))
r = torch.linalg.qr(x @ x.t(), out=(torch.empty(0), torch.empty(0)))[1].abs()
r = torch.linalg.slogdet(x @ x.t(), out=(torch.empty(0), torch.empty(0)))
r = torch.linalg.lu_factor(x @ x.t(), out=(torch.empty(0), torch.empty(0, dtype=torch.int32)))
r = torch.linalg.inv(x @ x.t(), out=torch.empty(0, dtype=torch.float64))
r = torch.linalg.inv_ex(x @ x.t(), out=(torch.empty(0), torch.empty(0, dtype=torch.int32)))
r = torch.linalg.cholesky_ex(x @ x.t(), out=(torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.int32)))
r = torch.frexp(x, out=(torch.empty(0), torch.empty(0, dtype=torch.int32)))
r = torch.relu(x, out=o)
r = torch.reshape(x, (6,), out=o)
r = torch.conv1d(x[None], x[None], out=o)
r = torch.nn.functional.gelu(x, out=torch.empty(2, 3))
r = x.add(y, out=o)
r = x.sum(1, out=o)
r = torch.add(x.requires_grad_(), 1, out=o)
r = torch.add(x, 1, out=o.requires_grad_())
r = torch.add(x, 1, out=None)
r = torch.add(x, 1, out=(o,))
r = x.narrow(1, torch.tensor(1), 2)
r = x.narrow(1, torch.tensor([1]), 2)
r = x.narrow(1, torch.tensor(1.0), 2)
r = torch.tensor([1 + 1j, 0j, 1 + 0j]) / torch.zeros(3, dtype=torch.complex64)
r = torch.tensor([1 + 1j, 2j]) / torch.tensor([3e30 + 4e30j, 1e-30 + 0j])
r = torch.tensor([1e300 + 1e300j, 1e-300 + 0j]) / torch.tensor([1e300 + 1e300j, 1e-300 - 1e-300j])
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
def test_out_is_written_or_refused_alike(program: str) -> None:
    hold(PREFIX + program)


def test_a_resized_output_is_warned_about() -> None:
    for lib in (CANDIDATE, REFERENCE):
        with pytest.warns(UserWarning, match="was resized since it had shape"):
            lib.exp(lib.ones(3), out=lib.ones(2))


def test_gradient_of_the_power_of_zero() -> None:
    hold("z = torch.tensor([1 + 1j, 0j], requires_grad=True); (z**0).abs().sum().backward(); g = z.grad")


COMPLEX_POWERS = """
z ** w
z ** 2
z ** 2.5
z ** (1 + 2j)
2 ** z
(1 + 1j) ** z
x ** z
z ** x
torch.zeros(3, dtype=z.dtype) ** z
"""


@pytest.mark.parametrize("power", COMPLEX_POWERS.strip().splitlines())
def test_gradients_of_complex_powers(power: str) -> None:
    start = (
        "z = torch.tensor([1 + 1j, -2 + 0.5j, 0.5 - 1j], dtype=torch.complex128, requires_grad=True); "
        "w = torch.tensor([0.5 - 1j, 2 + 0j, 1j], dtype=torch.complex128, requires_grad=True); "
        "x = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64, requires_grad=True); "
    )
    hold(
        start
        + f"y = {power}; wanted = [z, w, x]; "
        + "g = torch.autograd.grad(y.abs().sum(), wanted, create_graph=True, allow_unused=True); "
        + "s = sum(a.abs().sum() for a in g if a is not None); "
        + "h = torch.autograd.grad(s, wanted, allow_unused=True)",
        strides=False,  # of real gradients of complex results, PyTorch's are views of complex ones
    )
