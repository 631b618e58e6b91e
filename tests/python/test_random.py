"""The stream of random numbers: values written down once from PyTorch 2.13, laws, and statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rustnn as torch
from rustnn import nn

# (seed, draw, the values PyTorch gives)
KNOWN: list[tuple[int, str, list[float]]] = [
    (0, "torch.rand(5)", [0.49625659, 0.768221796, 0.0884774327, 0.132030487, 0.307422817]),
    (42, "torch.rand(5)", [0.882269263, 0.915003955, 0.38286376, 0.959305644, 0.390448213]),
    (0, "torch.rand(3, dtype=torch.float64)", [0.9700530018065531, 0.707819864399788, 0.45938294312745087]),
    (0, "torch.rand(3, dtype=torch.float16)", [0.496337891, 0.768066406, 0.0885009766]),
    (0, "torch.randn(5)", [1.54099607, -0.293428898, -2.17878938, 0.568431258, -1.08452237]),
    (42, "torch.randn(5)", [0.336690366, 0.128809407, 0.234462366, 0.23033303, -1.12285638]),
    (
        0,
        "torch.randn(3, dtype=torch.float64)",
        [1.5409961082440433, -0.2934289057609464, -2.1787893820745574],
    ),
    (
        0,
        "torch.randn(16)[:8]",
        [
            -1.12583983,
            -1.1523602,
            -0.250578582,
            -0.433878809,
            0.848710358,
            0.692009151,
            -0.31601277,
            -2.11521935,
        ],
    ),
    (
        0,
        "torch.randn(20)[-6:]",
        [0.946298361, -0.843676746, 0.931826591, 1.25900924, 2.00498056, 0.0537369028],
    ),
    (
        0,
        "torch.randn(16, dtype=torch.float64)[:4]",
        [-2.310411800234176, -0.3732508612577643, -1.0608166785462863, 0.9995093547811761],
    ),
    (0, "torch.randint(100, (8,))", [44, 39, 33, 60, 63, 79, 27, 3]),
    (7, "torch.randint(-5, 5, (8,))", [0, -3, -4, 1, -2, 2, 2, 4]),
    (0, "torch.randint(0, 2**40, (3,))", [741280623151, 506137267392, 291447657211]),
    (0, "torch.randperm(10)", [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]),
    (123, "torch.randperm(7)", [2, 0, 4, 5, 3, 1, 6]),
    (1, "torch.empty(4).uniform_(-2, 3)", [1.78815794, -0.60344559, 0.0153462887, 1.67342234]),
    (1, "torch.empty(4).normal_(10, 2)", [11.3227043, 10.5338478, 10.1233549, 11.2426348]),
    (-1, "torch.rand(2)", [0.993799388, 0.571306348]),
    (2**32 + 5, "torch.rand(2)", [0.830251873, 0.126110911]),
    (5, "torch.rand(2)", [0.830251873, 0.126110911]),
    (2147483647, "torch.rand(1000)[-3:]", [0.301825702, 0.42745322, 0.589459181]),
    (
        0,
        "nn.Linear(3, 2).weight.detach().flatten()",
        [-0.00432251766, 0.309715837, -0.475185335, -0.424894601, -0.222368971, 0.154820725],
    ),
    (0, "nn.Linear(3, 2).bias.detach()", [-0.0114391446, 0.457774937]),
    (
        0,
        "nn.init.xavier_uniform_(torch.empty(2, 3)).flatten()",
        [-0.00820140075, 0.587644517, -0.901600778, -0.806180835, -0.421915472, 0.293751687],
    ),
]


@pytest.mark.parametrize(
    ("seed", "draw", "values"), KNOWN, ids=[f"{draw} of {seed}" for seed, draw, _ in KNOWN]
)
def test_known_values(seed: int, draw: str, values: list[float]) -> None:
    torch.manual_seed(seed)
    x = eval(draw, {"torch": torch, "nn": nn})
    np.testing.assert_allclose(x.tolist(), values, rtol=5e-7, atol=1e-7)


DRAWS = ["rand(1000)", "randn(1000)", "randn(7)", "randint(50, (1000,))", "randperm(1000)"]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_seed_repeats_and_seeds_differ(draw: str) -> None:
    def drawn(seed: int) -> Any:
        torch.manual_seed(seed)
        return eval(f"torch.{draw}", {"torch": torch}).tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_the_number_of_threads_does_not_matter() -> None:
    threads = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            torch.manual_seed(0)
            results.append(torch.randn(300_000))
        assert torch.equal(*results)
    finally:
        torch.set_num_threads(threads)


def test_statistics() -> None:
    torch.manual_seed(0)
    n = 200_000
    u = torch.rand(n).numpy()
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002
    z = torch.randn(n).numpy()
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs((np.abs(z) < 1).mean() - 0.6827) < 0.01
    i = torch.randint(0, 10, (n,)).numpy()
    assert (np.bincount(i, minlength=10) > n / 10 * 0.95).all()
    assert sorted(torch.randperm(1000).tolist()) == list(range(1000))


def test_bernoulli_takes_one_double_an_element() -> None:
    """PyTorch's rule for all processors but Intel's, where it draws these from elsewhere."""
    for p in (0.1, 0.5, 0.9):
        torch.manual_seed(8)
        u = torch.rand(1000, dtype=torch.float64)
        torch.manual_seed(8)
        assert torch.equal(torch.zeros(1000).bernoulli_(p), (u < p).float())
        torch.manual_seed(8)
        kept = nn.functional.dropout(torch.ones(1000), p=p) != 0
        assert torch.equal(kept, u < 1 - p)


def test_dropout() -> None:
    torch.manual_seed(0)
    x = torch.ones(100_000, requires_grad=True)
    layer = nn.Dropout(0.3)
    y = layer(x)
    kept = (y != 0).float().mean().item()
    assert abs(kept - 0.7) < 0.01
    assert abs(y.max().item() - 1 / 0.7) < 1e-6
    y.sum().backward()
    assert torch.equal(x.grad, y.detach()), "the gradient has the mask of the output"
    assert torch.equal(layer.eval()(x), x)
    assert nn.Dropout(1.0)(x).sum().item() == 0


def test_generator_has_a_stream_of_its_own() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3).tolist()
    torch.manual_seed(0)
    other = torch.Generator()
    other.manual_seed(0)
    assert torch.rand(3, generator=other).tolist() == expected
    assert torch.rand(3).tolist() == expected


@pytest.mark.parametrize(
    "call", ["randint(5, 5, (2,))", "randint(0, (2,))", "randperm(-1)", "rand(-1)", "zeros(2).uniform_(3, 1)"]
)
def test_wrong_calls(call: str) -> None:
    with pytest.raises(RuntimeError):
        eval(f"torch.{call}", {"torch": torch})


def test_a_state_that_is_broken_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(5)
    state = generator.get_state()
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        generator.__setstate__((1, None, state[:10]))
    assert generator.initial_seed() == 5
    assert bool((generator.get_state() == state).all())
