"""Draws from distributions are PyTorch's, number for number, and leave the stream where PyTorch leaves it."""

from __future__ import annotations

import pytest

from parity.programs import CANDIDATE, REFERENCE, hold

# Not here: bernoulli_ with a number and dropout, which PyTorch draws from another stream on some processors.
DRAWS = """
torch.rand(20, dtype=torch.complex64)
torch.randn(7, dtype=torch.complex64)
torch.randn(20, dtype=torch.complex128)
torch.randn(33, dtype=torch.float16)
torch.randn(33, dtype=torch.bfloat16)
torch.randn(5, dtype=torch.float16)
torch.rand_like(torch.zeros(4, 3), dtype=torch.complex64)
torch.randn_like(torch.zeros(7, 5).t())
torch.empty(20, dtype=torch.complex64).normal_(1, 3)
torch.empty(20, dtype=torch.complex64).uniform_(-2, 3)
torch.randint(0, 2**28 - 1, (7,))
torch.randint(0, 2**28, (7,))
torch.randint_like(torch.zeros(3, 4), 2, 5)
torch.randint_like(torch.zeros(3, 4), torch.tensor(5))
torch.randperm(20, dtype=torch.float16)
torch.empty(7, dtype=torch.int32).random_()
torch.empty(7, dtype=torch.bool).random_()
torch.empty(7, dtype=torch.float16).random_()
torch.empty(7, dtype=torch.int64).random_(5, None)
torch.empty(7, dtype=torch.int64).random_(-(2**63), None)
torch.empty(7, dtype=torch.float32).random_(5, None)
torch.empty(20).exponential_(2.5)
torch.empty(20, dtype=torch.bfloat16).exponential_()
torch.empty(6, 6).t()[::2].exponential_()
torch.empty(20).geometric_(0.3)
torch.empty(20, dtype=torch.int64).geometric_(0.03)
torch.empty(20).cauchy_()
torch.empty(20, dtype=torch.float64).cauchy_(2, 3)
torch.empty(20).log_normal_()
torch.empty(20, dtype=torch.float16).log_normal_(0.5, 0.2)
torch.empty(5, 4).bernoulli_(torch.linspace(0, 1, 20).reshape(5, 4))
torch.empty(5, 4).t().bernoulli_(torch.linspace(0, 1, 20).reshape(4, 5))
torch.empty(5, 4, dtype=torch.int64).bernoulli_(torch.linspace(0, 1, 4, dtype=torch.float64))
torch.bernoulli(torch.linspace(0, 1, 20))
torch.bernoulli(torch.linspace(0, 1, 20).double().reshape(4, 5).t())
torch.poisson(torch.linspace(0, 30, 20))
torch.poisson(torch.linspace(0, 300, 20).double().reshape(4, 5).t())
torch.poisson(torch.linspace(0, 30, 20).half())
torch.binomial(torch.linspace(0, 90, 20), torch.linspace(0, 1, 20))
torch.binomial(torch.full((4, 1), 100.0).double(), torch.linspace(0, 1, 5).double())
torch.multinomial(torch.linspace(0, 1, 20), 5)
torch.multinomial(torch.linspace(0, 1, 20).reshape(4, 5), 1)
torch.multinomial(torch.linspace(0, 1, 20).half().reshape(4, 5), 3)
torch.multinomial(torch.linspace(0, 1, 20).reshape(4, 5), 9, True)
torch.multinomial(torch.linspace(0, 1, 20).double().reshape(4, 5), 9, replacement=True)
torch.normal(torch.linspace(0, 1, 20).reshape(4, 5).t(), 2.0)
torch.normal(1.0, torch.linspace(0, 1, 20))
torch.normal(torch.linspace(0, 1, 4), torch.linspace(0, 1, 20).reshape(5, 4))
torch.normal(1.0, 2.0, (20,))
F.gumbel_softmax(torch.linspace(0, 1, 20).reshape(4, 5), 0.3)
F.gumbel_softmax(torch.linspace(0, 1, 20).reshape(4, 5), 0.3, hard=True, dim=0)
""".strip().splitlines()


@pytest.mark.parametrize("draw", DRAWS)
def test_draw(draw: str) -> None:
    hold(f"torch.manual_seed(7)\nx = {draw}\ny = {draw}\nz = torch.rand(1)", rtol=2e-6, atol=2e-6)


REFUSED = """
torch.zeros(3, dtype=torch.int64).exponential_()
torch.zeros(3).exponential_(0)
torch.zeros(3, dtype=torch.bool).geometric_(0.5)
torch.zeros(3).geometric_(1)
torch.zeros(3, dtype=torch.int64).cauchy_()
torch.zeros(3).cauchy_(0, 0)
torch.zeros(3, dtype=torch.int64).log_normal_()
torch.zeros(3).log_normal_(0, -1)
torch.zeros(3, dtype=torch.complex64).bernoulli_(0.5)
torch.zeros(3).bernoulli_(torch.tensor([1, 0, 1]))
torch.zeros(3).bernoulli_(torch.full((2, 3), 0.5))
torch.zeros(3).bernoulli_(torch.full((3,), 1.5))
torch.poisson(torch.tensor([1]))
torch.poisson(torch.tensor([-1.0]))
torch.binomial(torch.tensor([1]), torch.tensor([0.5]))
torch.binomial(torch.tensor([1.0]).double(), torch.tensor([0.5]))
torch.multinomial(torch.tensor([1]), 1)
torch.multinomial(torch.tensor([0.0, -1.0]), 1)
torch.multinomial(torch.tensor([0.0, -1.0]), 3, True)
torch.multinomial(torch.zeros(3), 1)
torch.multinomial(torch.ones(3), 4)
torch.multinomial(torch.ones(3), 0)
torch.multinomial(torch.ones(1, 1, 3), 1)
torch.multinomial(torch.ones(3, 0), 2, True)
torch.normal(torch.ones(3), -1.0)
torch.normal(1.0, -torch.ones(3))
torch.normal(1.0, torch.ones(3, dtype=torch.complex64))
torch.normal(torch.ones(3, dtype=torch.int64), 1.0)
torch.normal(1.0, 2.0)
torch.randperm(-1)
torch.randperm(3, dtype=torch.bool)
torch.randperm(300, dtype=torch.uint8)
torch.randperm(3000, dtype=torch.float16)
torch.zeros(3, dtype=torch.float16).random_(0, 70000)
torch.zeros(3, dtype=torch.complex64).random_(0, 3)
torch.Generator().get_offset()
torch.set_rng_state(torch.zeros(3))
torch.set_rng_state(torch.zeros(5056, dtype=torch.uint8))
""".strip().splitlines()


@pytest.mark.parametrize("call", REFUSED)
def test_refused(call: str) -> None:
    hold(f"x = {call}")


def test_zero_gradients() -> None:
    hold(
        "p = torch.linspace(0.1, 0.9, 5).requires_grad_()\n"
        "x = torch.normal(p, 1.0) + torch.poisson(p) + torch.bernoulli(p)\nx.sum().backward()\ng = p.grad",
        rtol=2e-6,
    )


def test_states_interchange() -> None:
    """A state kept in PyTorch goes on here, and the other way round."""
    for first, then in ((REFERENCE, CANDIDATE), (CANDIDATE, REFERENCE)):
        first.manual_seed(3)
        first.rand(700), first.randn(3)
        state = first.get_rng_state().tolist()
        expected = (first.randn(3).tolist(), first.rand(5).tolist())
        then.set_rng_state(then.tensor(state, dtype=then.uint8))
        assert then.randn(3).tolist() == pytest.approx(expected[0], rel=1e-6)
        assert then.rand(5).tolist() == expected[1]


def test_fork() -> None:
    hold(
        "torch.manual_seed(5)\n"
        "with torch.random.fork_rng():\n    a = torch.rand(3)\nb = torch.rand(3)\n"
        "g = torch.Generator().manual_seed(4)\nh = g.clone_state()\n"
        "c, d, e = torch.rand(3, generator=g), torch.rand(3, generator=h), torch.random.initial_seed()\ndel g, h"
    )
