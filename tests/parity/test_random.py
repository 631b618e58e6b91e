"""The same seed gives the same numbers, for every draw, dtype, size and order of draws."""

from __future__ import annotations

import pytest

from parity.programs import CANDIDATE, REFERENCE, hold

SEEDS = (0, 1, 42, 2**31, 2**32 - 1, 2**32, 123456789012, -1)
SIZES = (
    "1",
    "2",
    "3",
    "7",
    "8",
    "15",
    "16",
    "17",
    "24",
    "31",
    "32",
    "33",
    "100",
    "1000",
    "4, 4",
    "3, 5, 7",
    "0",
    "2, 0",
)

DRAWS = """
torch.rand({size})
torch.rand({size}, dtype=torch.float64)
torch.rand({size}, dtype=torch.float16)
torch.rand({size}, dtype=torch.bfloat16)
torch.randn({size})
torch.randn({size}, dtype=torch.float64)
torch.randint(10, ({size},))
torch.randint(-5, 5, ({size},), dtype=torch.int32)
torch.randint(0, 2, ({size},), dtype=torch.uint8)
torch.randint(0, 2**40, ({size},))
torch.randint(0, 100, ({size},), dtype=torch.float32)
torch.empty({size}).uniform_(-2, 3)
torch.empty({size}, dtype=torch.float64).uniform_(1, 10)
torch.empty({size}).normal_(2, 0.5)
torch.empty({size}, dtype=torch.float64).normal_()
torch.zeros({size}).rand_like
torch.rand_like(torch.zeros({size}))
torch.randn_like(torch.zeros({size}))
torch.randint_like(torch.zeros({size}), 7)
torch.empty({size}).exponential_()
torch.empty({size}, dtype=torch.int64).random_()
torch.empty({size}, dtype=torch.int64).random_(0, 100)
""".strip().splitlines()
DRAWS.remove("torch.zeros({size}).rand_like")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", DRAWS)
def test_draw(draw: str, size: str) -> None:
    """Twice, so that what one draw leaves in the generator is right for the next."""
    expression = draw.format(size=size)
    hold(f"torch.manual_seed(7)\nx = {expression}\ny = {expression}\nz = torch.rand(1)", rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds(seed: int) -> None:
    hold(
        f"torch.manual_seed({seed})\nu = torch.rand(40)\nn = torch.randn(40)\nfew = torch.randn(5)\n"
        "i = torch.randint(1000, (20,))\np = torch.randperm(20)\ns = torch.initial_seed()",
        rtol=1e-6,
        atol=1e-6,
    )


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 100, 1000, 20000])
def test_randperm(n: int) -> None:
    hold(f"torch.manual_seed(3)\nx = torch.randperm({n})\ny = torch.rand(3)")


def test_long_streams() -> None:
    """Past several refills of the generator's state, and mixed draws."""
    hold(
        "x = torch.rand(5000)\ny = torch.randn(1001)\nz = torch.rand(700, dtype=torch.float64)",
        rtol=1e-6,
        atol=1e-6,
    )
    hold(
        "x = [(torch.randn(3), torch.rand(2), torch.randint(9, (1,))) for _ in range(50)]",
        rtol=1e-6,
        atol=1e-6,
    )


def test_rand_to_the_last_bit() -> None:
    hold("x = torch.rand(10000)\ny = torch.rand(1000, dtype=torch.float64)", rtol=0.0, atol=0.0)


def test_not_contiguous() -> None:
    hold("x = torch.zeros(8, 8).t().uniform_()\ny = torch.zeros(8, 8)[::2].uniform_()", rtol=1e-6, atol=1e-6)
    hold("x = torch.zeros(8, 8).t().normal_()\ny = torch.zeros(8, 8)[:, ::2].normal_()", rtol=1e-6, atol=1e-6)


def test_generator() -> None:
    hold(
        "g = torch.Generator()\n_ = g.manual_seed(5)\nx = torch.rand(5, generator=g)\ny = torch.randperm(6, generator=g)\ndel g"
    )


def test_state_can_be_kept() -> None:
    hold(
        "_s = torch.get_rng_state()\nx = torch.rand(5)\n_ = torch.set_rng_state(_s)\nsame = torch.equal(x, torch.rand(5))"
    )


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_statistics_of_bernoulli_and_dropout(p: float) -> None:
    """PyTorch draws these from another stream on some processors: here the shares are compared."""
    n = 40_000
    for lib in (CANDIDATE, REFERENCE):
        lib.manual_seed(11)
        kept = lib.full((n,), p).bernoulli().mean().item()
        assert abs(kept - p) < 0.01
        dropped = lib.nn.functional.dropout(lib.ones(n), p=p, training=True)
        share = (dropped == 0).float().mean().item()
        assert abs(share - p) < 0.01
        if p < 1:
            assert abs(dropped.max().item() - 1 / (1 - p)) < 1e-5
            assert abs(dropped.mean().item() - 1) < 0.05 / (1 - p)


@pytest.mark.parametrize(
    "layer", ["nn.Linear(5, 7)", "nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 3, bias=False)", "nn.BatchNorm2d(4)"]
)
def test_initialisation_of_layers(layer: str) -> None:
    hold(f"torch.manual_seed(9)\nx = {layer}.state_dict()\ny = torch.rand(3)", rtol=1e-6, atol=1e-6)


INITIALISERS = """
uniform_(w)
uniform_(w, -2, 2)
normal_(w)
normal_(w, 1, 0.1)
constant_(w, 0.3)
ones_(w)
zeros_(w)
xavier_uniform_(w)
xavier_uniform_(w, gain=2)
xavier_normal_(w)
kaiming_uniform_(w)
kaiming_uniform_(w, a=5**0.5)
kaiming_uniform_(w, mode="fan_out", nonlinearity="relu")
kaiming_normal_(w)
""".strip().splitlines()


@pytest.mark.parametrize("shape", ["6, 4", "8, 3, 3, 3", "2, 3, 5"])
@pytest.mark.parametrize("call", INITIALISERS)
def test_initialisers(call: str, shape: str) -> None:
    hold(f"w = torch.empty({shape})\n_ = nn.init.{call}\ny = torch.rand(3)", rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("call", ["normal_()", "normal_(0.5, 3)", "uniform_()", "uniform_(-1.7, 2.3)"])
@pytest.mark.parametrize("n", [15, 16, 31, 1000, 50_001])
def test_every_bit_of_many_draws(call: str, dtype: str, n: int) -> None:
    """Also what is drawn next: both libraries have then drawn equally much."""
    tolerance = 1e-14 if dtype == "float64" and "normal" in call else 0
    hold(
        f"x = torch.empty({n}, dtype=torch.{dtype}).{call}\nafter = torch.rand(3)",
        rtol=tolerance,
        atol=tolerance,
    )
