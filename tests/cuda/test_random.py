"""Random numbers on a GPU: the stream, what is drawn from it, states, and dropout."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rustnn as torch
from rustnn import nn
from rustnn.nn import functional as F

NAN = float("nan")
Words = np.ndarray[Any, np.dtype[np.uint64]]


def philox(counter: Words, seed: int) -> Words:
    """Philox 4x32-10 in plain terms: four words for each row of four."""
    c = [counter[:, k].astype(np.uint64) for k in range(4)]
    low = np.uint64(0xFFFFFFFF)
    first, second = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (b >> np.uint64(32)) ^ c[1] ^ np.uint64(first),
            b & low,
            (a >> np.uint64(32)) ^ c[3] ^ np.uint64(second),
            a & low,
        ]
        first, second = (first + 0x9E3779B9) & 0xFFFFFFFF, (second + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1)


def words(n: int, seed: int, offset: int, at_once: int = 4) -> Words:
    """The words of the elements of a launch: of each element as many as it takes, 4 / at_once."""
    properties = torch.cuda.get_device_properties()
    most = properties.multi_processor_count * (properties.max_threads_per_multi_processor // 256)
    threads = 256 * min(-(-n // 256), most)
    row, thread = np.divmod(np.arange(n), threads)
    call, part = np.divmod(row, at_once)
    place = call + offset // 4
    counter = np.stack([place & 0xFFFFFFFF, place >> 32, thread, 0 * thread], axis=1)
    return philox(counter, seed).reshape(n, at_once, -1)[np.arange(n), part]


def units(n: int, seed: int, offset: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What single precision makes of a word each."""
    return (words(n, seed, offset)[:, 0].astype(np.float64) + 0.5) * 2.0**-32


def draw(seed: int, make: Callable[[], Any]) -> Any:
    torch.manual_seed(seed)
    return make()


def test_the_published_vectors() -> None:
    # Of Random123 (kat_vectors); this holds the reference that holds the kernel.
    vectors = [
        ([0] * 4, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0_A4093822,
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ]
    for counter, seed, expected in vectors:
        assert philox(np.array([counter]), seed)[0].tolist() == expected


@pytest.mark.parametrize(("seed", "offset"), [(0, 0), (7, 4), (2**63 + 12345, 2**36), (2**64 - 1, 2**62 - 8)])
def test_the_kernel_draws_these_words(seed: int, offset: int) -> None:
    generator = torch.Generator("cuda").manual_seed(seed)
    generator.set_offset(offset)
    x = torch.empty(600, dtype=torch.int64, device="cuda").random_(-(2**63), None, generator=generator)
    pair = words(600, seed, offset, 2)
    expected = (pair[:, 0] << np.uint64(32) | pair[:, 1]).astype(np.int64)
    assert x.tolist() == expected.tolist()
    assert generator.get_offset() == offset + 4


def test_numbers_that_pytorch_prints() -> None:
    # As pages on the web have them from NVIDIA's cards, to four places.
    torch.manual_seed(0)
    first = [0.3990, 0.5167, 0.0249, 0.9401, 0.9459, 0.7967, 0.4150, 0.8203, 0.2290, 0.9096]
    second = [0.9722, 0.7910, 0.4690, 0.3300, 0.3345, 0.3783, 0.7640, 0.6405, 0.1103, 0.3594]
    assert torch.rand(10, device="cuda").tolist() == pytest.approx(first, abs=5.1e-5)
    assert torch.rand(10, device="cuda").tolist() == pytest.approx(second, abs=5.1e-5)
    known = {
        0: [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284, -1.0745, -0.3631],
        42: [0.1940, 2.1614, -0.1721],
        10: [-0.1029, 1.6810, -0.2708],
    }
    for seed, expected in known.items():
        torch.manual_seed(seed)
        x = torch.randn(len(expected), device="cuda")
        assert x.tolist() == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize("n", [1, 255, 257, 40_000])
def test_who_draws_what(n: int) -> None:
    x = draw(5, lambda: torch.rand(n, device="cuda"))
    assert np.allclose(x.cpu().numpy(), units(n, 5, 0), rtol=0, atol=1e-7)
    offset = torch.cuda.default_generators[0].get_offset()
    properties = torch.cuda.get_device_properties()
    most = properties.multi_processor_count * (properties.max_threads_per_multi_processor // 256)
    assert offset == 4 * math.ceil(n / (4 * 256 * min(-(-n // 256), most)))
    y = torch.randint(10, 110, (n,), device="cuda")
    assert y.tolist() == (words(n, 5, offset)[:, 0] % np.uint64(100) + np.uint64(10)).tolist()


def ks(sample: Any, cdf: Callable[[Any], Any]) -> float:
    """The distance of Kolmogorov and Smirnov times the root of the size: above 2 once in 1,500 times."""
    x = np.sort(sample.double().cpu().numpy())
    n = len(x)
    f = cdf(x)
    return float(max((np.arange(1, n + 1) / n - f).max(), (f - np.arange(n) / n).max()) * math.sqrt(n))


def phi(x: Any) -> Any:
    return torch.special.ndtr(torch.from_numpy(np.ascontiguousarray(x))).numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_distributions(dtype: Any) -> None:
    torch.manual_seed(3)

    def empty() -> Any:
        return torch.empty(20_000, dtype=dtype, device="cuda")

    assert ks(empty().uniform_(-1, 3), lambda x: (x + 1) / 4) < 2
    assert ks(empty().normal_(1, 2), lambda x: phi((x - 1) / 2)) < 2
    assert ks(empty().log_normal_(0.5, 0.7), lambda x: phi((np.log(x) - 0.5) / 0.7)) < 2
    assert ks(empty().exponential_(2.5), lambda x: 1 - np.exp(-2.5 * x)) < 2
    assert ks(empty().cauchy_(1, 2), lambda x: np.arctan((x - 1) / 2) / math.pi + 0.5) < 2
    assert bool((empty().exponential_() > 0).all())
    trials = empty().geometric_(0.3)
    assert bool((trials >= 1).all())
    assert trials.double().mean().item() == pytest.approx(
        1 / 0.3, abs=5 * math.sqrt(0.7) / 0.3 / math.sqrt(20_000)
    )
    for p in (0.0, 0.25, 1.0):
        ones = empty().bernoulli_(p).double().mean().item()
        assert ones == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / 20_000))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.complex64], ids=str)
def test_short_and_complex_dtypes(dtype: Any) -> None:
    torch.manual_seed(4)
    x, y = torch.randn(8000, dtype=dtype, device="cuda"), torch.rand(8000, dtype=dtype, device="cuda")
    assert x.dtype == y.dtype == dtype
    parts = torch.view_as_real(y) if dtype.is_complex else y
    assert bool((parts.float() < 1).all())
    assert bool((parts.float() >= 0).all())
    assert parts.float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert x.abs().double().square().mean().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool], ids=str
)
def test_integers(dtype: Any) -> None:
    torch.manual_seed(5)
    high = 2 if dtype == torch.bool else 100
    x = torch.randint(0, high, (6000,), dtype=dtype, device="cuda").cpu().to(torch.int64)
    assert 0 <= int(x.min()) <= int(x.max()) == high - 1
    counts = torch.bincount(x, minlength=high).double()
    expected = 6000 / high
    # Chi-squared: within six deviations of its mean.
    chi = float(((counts - expected) ** 2 / expected).sum())
    assert abs(chi - (high - 1)) < 6 * math.sqrt(2 * high)
    anything = torch.empty(1000, dtype=dtype, device="cuda").random_()
    assert int(anything.cpu().to(torch.int64).min()) >= 0
    if dtype == torch.int64:
        assert int(anything.max()) > 2**62
        wide = torch.randint(-(2**62), 2**62, (1000,), device="cuda")
        assert int(wide.min()) < -(2**61) < 2**61 < int(wide.max())


def test_probabilities_of_elements() -> None:
    p = torch.linspace(0, 1, 5, device="cuda").repeat(4000).reshape(4000, 5)
    means = draw(6, lambda: torch.bernoulli(p)).mean(0)
    assert means.tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.04)
    assert means[0].item() == 0
    assert means[4].item() == 1
    x = torch.empty(5, 4000, device="cuda").t().bernoulli_(p)
    assert x.mean(0).tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.04)
    assert torch.empty(5, dtype=torch.uint8, device="cuda").bernoulli_(p[0].double()).dtype == torch.uint8


def test_means_and_deviations() -> None:
    torch.manual_seed(7)
    mean, std = torch.tensor([0.0, 10.0], device="cuda"), torch.tensor([1.0, 0.1], device="cuda")
    x = torch.normal(mean.expand(4000, 2), std.expand(4000, 2))
    assert x.is_cuda
    assert x.mean(0).tolist() == pytest.approx([0, 10], abs=0.1)
    assert x.std(0).tolist() == pytest.approx([1, 0.1], rel=0.1)
    assert torch.normal(2.0, std).shape == (2,)
    assert torch.normal(0.0, 1.0, (3,), device="cuda").is_cuda
    with pytest.raises(RuntimeError, match="std"):
        torch.normal(mean, -std)


def test_draws_by_rejection() -> None:
    torch.manual_seed(20)
    n = 6000
    for mean in (0.0, 0.7, 25.0):
        x = torch.poisson(torch.full((n,), mean, device="cuda"))
        assert x.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(mean / n))
        assert x.var().item() == pytest.approx(mean, rel=0.15)
    assert torch.poisson(torch.tensor([NAN, 3.0], device="cuda"))[0].isnan().item()
    for trials, p in ((10.0, 0.3), (200.0, 0.4), (200.0, 0.9)):
        count = torch.full((n,), trials, device="cuda")
        x = torch.binomial(count, torch.tensor(p, device="cuda").expand(n))
        spread = trials * p * (1 - p)
        assert x.mean().item() == pytest.approx(trials * p, abs=5 * math.sqrt(spread / n))
        assert x.var().item() == pytest.approx(spread, rel=0.15)
    for shape in (0.5, 4.0):
        x = torch.distributions.Gamma(torch.tensor(shape, device="cuda"), 1.0).sample((n,))
        assert x.is_cuda
        assert x.mean().item() == pytest.approx(shape, abs=5 * math.sqrt(shape / n))
        assert x.var().item() == pytest.approx(shape, rel=0.2)


def test_draws_by_weight() -> None:
    torch.manual_seed(21)
    weights = torch.zeros(2, 700, device="cuda")
    weights[0, 5], weights[0, 699], weights[1, 300:302] = 1.0, 3.0, 0.5
    x = torch.multinomial(weights, 3000, replacement=True)
    assert x.dtype == torch.int64
    assert x.shape == (2, 3000)
    assert set(x[0].tolist()) == {5, 699}
    assert set(x[1].tolist()) == {300, 301}
    assert (x[0] == 699).double().mean().item() == pytest.approx(0.75, abs=0.05)
    one = torch.cat([torch.multinomial(weights[0], 1) for _ in range(40)])
    assert set(one.tolist()) <= {5, 699}
    assert torch.multinomial(weights[0], 4, replacement=True).shape == (4,)
    for bad in (-weights, weights * 0, weights + NAN):
        with pytest.raises(RuntimeError, match=r"probability|invalid"):
            torch.multinomial(bad, 1)
    with pytest.raises(RuntimeError, match="n_sample"):
        torch.multinomial(weights, 701)


def test_shapes_and_layouts() -> None:
    for shape in ((), (0,), (3, 0), (2, 3)):
        assert torch.randn(shape, device="cuda").shape == shape
    flat = draw(8, lambda: torch.rand(6, device="cuda"))
    # The order is that of memory.
    turned = draw(8, lambda: torch.empty(3, 2, device="cuda").t().uniform_())
    assert turned.t().flatten().tolist() == flat.tolist()
    gaps = torch.zeros(6, 2, device="cuda")
    torch.manual_seed(8)
    gaps[:, 0].uniform_()
    assert gaps[:, 0].tolist() == flat.tolist()
    assert gaps[:, 1].tolist() == [0] * 6
    like = torch.rand_like(turned)
    assert like.is_cuda
    assert like.stride() == turned.stride()
    assert torch.randn_like(turned, dtype=torch.float64).dtype == torch.float64
    assert torch.randint_like(turned, 5).is_cuda


def test_a_seed_gives_the_same_numbers_again() -> None:
    x, y = (draw(9, lambda: torch.rand(100, device="cuda")) for _ in range(2))
    assert torch.equal(x, y)
    assert not torch.equal(x, torch.rand(100, device="cuda"))
    torch.cuda.manual_seed(9)
    assert torch.equal(x, torch.rand(100, device="cuda"))
    torch.cuda.manual_seed_all(9)
    assert torch.equal(x, torch.rand(100, device="cuda"))
    assert torch.cuda.initial_seed() == 9
    torch.cuda.seed()
    assert torch.cuda.initial_seed() != 9
    torch.cuda.seed_all()
    # Seeding the GPU leaves the CPU alone, and drawing there, too.
    torch.manual_seed(1)
    a = torch.rand(3)
    torch.manual_seed(1)
    torch.cuda.manual_seed(2)
    torch.rand(3, device="cuda")
    assert torch.equal(a, torch.rand(3))


def test_states() -> None:
    torch.cuda.manual_seed(258)
    state = torch.cuda.get_rng_state()
    assert state.dtype == torch.uint8
    assert state.is_cpu
    assert state.tolist() == [2, 1] + [0] * 14
    x = torch.rand(5, device="cuda")
    assert torch.cuda.get_rng_state().tolist() == [2, 1] + [0] * 6 + [4] + [0] * 7
    torch.cuda.set_rng_state(state)
    assert torch.equal(torch.rand(5, device="cuda"), x)
    torch.cuda.set_rng_state_all([state])
    assert torch.equal(torch.rand(5, device="cuda"), x)
    assert len(torch.cuda.get_rng_state_all()) == torch.cuda.device_count()
    with torch.random.fork_rng():
        torch.cuda.set_rng_state(state, "cuda:0")
        assert torch.equal(torch.rand(5, device="cuda"), x)
    assert torch.cuda.get_rng_state()[8].item() == 4
    with pytest.raises(TypeError, match="ByteTensor"):
        torch.cuda.set_rng_state(torch.zeros(16))
    with pytest.raises(RuntimeError, match="RNG state is wrong size"):
        torch.cuda.set_rng_state(torch.zeros(5, dtype=torch.uint8))


def test_generators() -> None:
    g = torch.Generator("cuda")
    assert g.device == torch.device("cuda:0")
    assert g.initial_seed() == 67280421310721
    assert g.manual_seed(-1) is g
    assert g.initial_seed() == 2**64 - 1
    g.manual_seed(3)
    x = torch.rand(4, generator=g, device="cuda")
    assert torch.equal(x, draw(3, lambda: torch.rand(4, device="cuda")))
    assert g.get_offset() == 4
    twin = g.clone_state()
    twins = [twin, pickle.loads(pickle.dumps(g))]
    y = torch.randn(4, generator=g, device="cuda")
    for other in twins:
        assert torch.equal(torch.randn(4, generator=other, device="cuda"), y)
    g.set_offset(0)
    assert torch.equal(torch.rand(4, generator=g, device="cuda"), x)
    with pytest.raises(RuntimeError, match="multiple of 4"):
        g.set_offset(3)
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
        torch.rand(3, generator=g)
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        torch.rand(3, generator=torch.Generator(), device="cuda")
    torch.empty(3, device="cuda").normal_(generator=g)
    with pytest.raises(RuntimeError, match="cuda"):
        torch.empty(3).normal_(generator=g)


def test_bad_inputs() -> None:
    x = torch.empty(3, device="cuda")
    for call in (
        lambda: x.uniform_(2, 1),
        lambda: x.normal_(0, -1),
        lambda: x.exponential_(0),
        lambda: x.geometric_(1),
        lambda: x.bernoulli_(1.5),
        lambda: x.cauchy_(0, 0),
        lambda: torch.randint(5, 5, (2,), device="cuda"),
        lambda: F.dropout(x, 1.5),
    ):
        with pytest.raises((RuntimeError, ValueError)):
            call()
    leaf = torch.ones(3, device="cuda", requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.uniform_()


# ---- dropout ----


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(4, 1000), (3, 333), (2, 501)], ids=str)
def test_dropout(dtype: Any, shape: tuple[int, ...]) -> None:
    x = (torch.rand(shape) + 1).to(dtype).cuda().requires_grad_()
    y = draw(10, lambda: F.dropout(x, 0.25))
    assert y.dtype == dtype
    kept = y != 0
    share = kept.double().mean().item()
    assert share == pytest.approx(0.75, abs=0.07)
    assert torch.allclose(y, (x * kept * (1 / 0.75)).to(dtype), rtol=1e-2)
    y.backward(torch.full_like(y, 3))
    assert x.grad is not None
    assert torch.allclose(x.grad, (kept * 4.0).to(dtype), rtol=1e-2)
    assert "NativeDropoutBackward0" in repr(y.grad_fn)
    assert torch.equal(draw(10, lambda: F.dropout(x, 0.25)), y)


def test_which_elements_dropout_keeps() -> None:
    # Side by side by fours, by twos, and one each.
    for n in (2048, 2046, 2047):
        torch.manual_seed(11)
        kept = F.dropout(torch.ones(n, device="cuda"), 0.5).cpu().numpy() != 0
        width = 4 if n % 4 == 0 else 2 if n % 2 == 0 else 1
        if width == 1:
            u = units(n, 11, 0)
        else:
            threads = 256 * -(-n // 256)
            group, part = np.divmod(np.arange(n), width)
            assert group.max() < threads
            counter = np.stack([0 * group, 0 * group, group, 0 * group], axis=1)
            u = (philox(counter, 11)[np.arange(n), part].astype(np.float64) + 0.5) * 2.0**-32
        assert kept.tolist() == (u < 0.5).tolist()


def test_dropout_twice_differentiated() -> None:
    torch.manual_seed(12)
    x = torch.rand(40, dtype=torch.float64, device="cuda", requires_grad=True)
    y = F.dropout(x, 0.5)
    mask = (y.detach() != 0).double() * 2
    (g,) = torch.autograd.grad((y**2).sum(), x, create_graph=True)
    assert torch.allclose(g, 2 * y * mask)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert torch.allclose(h, 2 * mask * mask)


def test_dropout_at_the_ends_and_of_other_layouts() -> None:
    x = torch.rand(6, 4, device="cuda")
    assert torch.equal(F.dropout(x, 0.0), x)
    assert F.dropout(x, 1.0).abs().sum().item() == 0
    assert torch.equal(F.dropout(x, 0.5, training=False), x)
    assert F.dropout(torch.empty(0, 3, device="cuda"), 0.5).shape == (0, 3)
    assert F.dropout(torch.ones((), device="cuda"), 0.5).item() in (0, 2)
    turned = torch.ones(40, 30, device="cuda").t()
    y = F.dropout(turned, 0.5)
    assert y.stride() == turned.stride()
    assert y.mean().item() == pytest.approx(1, abs=0.2)
    gaps = torch.ones(40, 30, device="cuda")[:, ::2]
    assert set(F.dropout(gaps, 0.5).flatten().tolist()) == {0, 2}
    own = torch.ones(50, device="cuda")
    assert F.dropout(own, 0.5, inplace=True) is own
    assert set(own.tolist()) == {0, 2}


def test_other_dropouts() -> None:
    torch.manual_seed(13)
    x = torch.randn(8, 6, 5, 5, device="cuda")
    y = F.dropout2d(x, 0.5)
    whole = (y == 0).reshape(48, 25).all(1) | (y != 0).reshape(48, 25).all(1)
    assert bool(whole.all())
    z = F.alpha_dropout(torch.randn(20_000, device="cuda"), 0.2, training=True)
    assert z.mean().item() == pytest.approx(0, abs=0.05)
    assert z.std().item() == pytest.approx(1, abs=0.05)
    assert F.feature_alpha_dropout(x, 0.5, training=True).is_cuda
    layer = nn.Dropout(0.5).cuda()
    assert set(layer(torch.ones(100, device="cuda")).tolist()) == {0, 2}


def test_rrelu() -> None:
    torch.manual_seed(14)
    x = torch.linspace(-1, 1, 2001, device="cuda").requires_grad_()
    y = F.rrelu(x, 0.1, 0.3, training=True)
    y.sum().backward()
    assert x.grad is not None
    slopes, ones = x.grad[:1000], x.grad[1001:]
    assert bool((ones == 1).all())
    assert 0.1 <= float(slopes.min()) < 0.11 < 0.29 < float(slopes.max()) <= 0.3
    assert torch.allclose(y, x * x.grad)


def test_attention_with_dropout() -> None:
    torch.manual_seed(15)
    q = torch.randn(2, 3, 8, 4, device="cuda", requires_grad=True)
    torch.manual_seed(15)
    a = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    torch.manual_seed(15)
    b = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    assert torch.equal(a, b)
    assert not torch.allclose(a, F.scaled_dot_product_attention(q, q, q))
    a.sum().backward()
    assert q.grad is not None
    assert bool(q.grad.isfinite().all())


# ---- layers that are made there ----


def test_layers_are_made_on_the_gpu() -> None:
    torch.manual_seed(16)
    with torch.device("cuda"):
        model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.LayerNorm(30), nn.Linear(30, 3))
    layer = nn.Linear(100, 50, device="cuda")
    assert layer.weight.is_cuda
    assert 0.09 < float(layer.weight.detach().abs().max()) <= 0.1
    assert model(torch.randn(4, 20, device="cuda")).shape == (4, 3)
    assert nn.Embedding(10, 4, device="cuda").weight.is_cuda
    w = torch.empty(60, 50, device="cuda")
    nn.init.xavier_uniform_(w)
    assert float(w.abs().max()) <= math.sqrt(6 / 110)
    nn.init.kaiming_normal_(w)
    assert w.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.1)


def test_a_saved_state_goes_on() -> None:
    torch.manual_seed(17)
    torch.rand(3, device="cuda")
    file = io.BytesIO()
    torch.save({"state": torch.cuda.get_rng_state()}, file)
    x = torch.rand(3, device="cuda")
    torch.cuda.set_rng_state(torch.load(io.BytesIO(file.getvalue()))["state"])
    assert torch.equal(torch.rand(3, device="cuda"), x)
    assert torch.equal(copy.copy(torch.cuda.get_rng_state()), torch.cuda.get_rng_state())


def test_recomputation_draws_the_same() -> None:
    from rustnn.utils.checkpoint import checkpoint

    x = torch.ones(64, device="cuda", requires_grad=True)
    torch.manual_seed(18)
    y = checkpoint(lambda t: F.dropout(t, 0.5) * t, x, use_reentrant=False)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, 2 * y.detach())
