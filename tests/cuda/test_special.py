"""Special functions on a GPU are those of the CPU, with gradients, at their edges too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rustnn as torch

INF, NAN = float("inf"), float("nan")
EVERYWHERE = [
    -INF,
    -50.5,
    -20.3,
    -7.7,
    -3.2,
    -2.0,
    -1.0,
    -0.5,
    -1e-6,
    -0.0,
    0.0,
    1e-6,
    0.3,
    0.5,
    1.0,
    1.9,
    2.1,
    3.7,
    4.2,
]
EVERYWHERE += [7.9, 10.5, 19.9, 20.1, 45.0, 300.0, INF, NAN]
WITHIN = [-1.5, -1.0, -0.999, -0.7, -0.5, -0.1, 0.0, 0.2, 0.5, 0.51, 0.9, 0.99999, 1.0, 2.0, NAN]
PROBABILITIES = [-0.1, 0.0, 1e-30, 0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99999, 1.0, 1.5, NAN]

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "digamma": (torch.digamma, EVERYWHERE),
    "lgamma": (torch.lgamma, [x for x in EVERYWHERE if x != -INF]),
    "polygamma 1": (lambda x: torch.polygamma(1, x), EVERYWHERE),
    "polygamma 3": (lambda x: torch.polygamma(3, x), [x for x in EVERYWHERE if x > 0] + [-2.3]),
    "erfinv": (torch.erfinv, WITHIN),
    "erfcx": (torch.special.erfcx, [x for x in EVERYWHERE if not x < -8] + [1e9]),
    "ndtri": (torch.special.ndtri, PROBABILITIES),
    "log_ndtr": (torch.special.log_ndtr, EVERYWHERE),
    "i0": (torch.special.i0, EVERYWHERE),
    "i0e": (torch.special.i0e, EVERYWHERE),
    "i1": (torch.special.i1, EVERYWHERE),
    "i1e": (torch.special.i1e, EVERYWHERE),
    "k0": (torch.special.modified_bessel_k0, EVERYWHERE),
    "k1": (torch.special.modified_bessel_k1, EVERYWHERE),
    "k0 scaled": (torch.special.scaled_modified_bessel_k0, EVERYWHERE),
    "k1 scaled": (torch.special.scaled_modified_bessel_k1, EVERYWHERE),
    "airy_ai": (torch.special.airy_ai, EVERYWHERE),
    "spherical_j0": (torch.special.spherical_bessel_j0, EVERYWHERE),
    "mvlgamma": (lambda x: torch.mvlgamma(x, 3), [1.5, 2.0, 7.3]),
}
DIFFERENTIABLE = {
    "digamma",
    "lgamma",
    "erfinv",
    "erfcx",
    "ndtri",
    "log_ndtr",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "mvlgamma",
}
POLYNOMIALS = (
    ["chebyshev_polynomial_" + kind for kind in "tuvw"]
    + ["shifted_chebyshev_polynomial_" + kind for kind in "tuvw"]
    + ["hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p"]
)
BINARY = {"igamma": torch.igamma, "igammac": torch.igammac, "zeta": torch.special.zeta}


def same(a: Any, b: Any, near: float) -> None:
    a, b = a.detach().double(), b.detach().cpu().double()
    worst = [(x, y) for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)]
    assert torch.allclose(a, b, rtol=near, atol=near * 1e-3, equal_nan=True), worst


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str) -> None:
    function, points = FUNCTIONS[name]
    for dtype, near in ((torch.float64, 2e-12), (torch.float32, 2e-6), (torch.float16, 2e-3)):
        x = torch.tensor(points, dtype=torch.float64).to(dtype)
        same(function(x), function(x.cuda()), near)


@pytest.mark.parametrize("name", sorted(DIFFERENTIABLE))
def test_gradients(name: str) -> None:
    function, points = FUNCTIONS[name]
    grads = []
    for device in ("cpu", "cuda"):
        x = torch.tensor(
            [p for p in points if abs(p) < 8], dtype=torch.float64, device=device, requires_grad=True
        )
        function(x).backward(torch.linspace(1, 2, len(x), dtype=torch.float64).to(device))
        grads.append(x.grad)
    same(grads[0], grads[1], 1e-11)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name: str) -> None:
    function = getattr(torch.special, name)
    x = torch.tensor([-1.7, -1.0, -0.3, 0.0, 0.6, 1.0, 2.5, NAN], dtype=torch.float64)[:, None]
    n = torch.tensor([-1.0, 0.0, 1.0, 2.9, 5.0, 9.0, 14.0, NAN], dtype=torch.float64)
    same(function(x, n), function(x.cuda(), n.cuda()), 1e-11)
    same(function(x.float(), 7), function(x.float().cuda(), 7), 1e-5)


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(name: str) -> None:
    function = BINARY[name]
    a = torch.tensor([0.0, 0.3, 1.0, 1.5, 2.5, 30.0, 300.0, INF, NAN, -1.0], dtype=torch.float64)[:, None]
    x = torch.tensor([0.0, 0.2, 1.0, 2.5, 29.0, 310.0, INF, NAN, -2.5, -2.0], dtype=torch.float64)
    same(function(a, x), function(a.cuda(), x.cuda()), 1e-11)
    same(function(a.float(), x.float()), function(a.float().cuda(), x.float().cuda()), 1e-5)


def test_layouts() -> None:
    x = torch.rand(6, 4)
    for own in (x, x.t(), x[::2, 1:], x[0, 0], x[:0]):
        same(torch.special.i0(own), torch.special.i0(own.cuda()), 1e-6)
    assert torch.digamma(torch.tensor([1, 2, 3], device="cuda")).dtype == torch.float32
    y = torch.rand(5, device="cuda")
    assert y.erfinv_() is y
