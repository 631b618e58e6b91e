"""Initial values: the same seed fills a tensor as PyTorch does.

To the last bit, but for normal numbers in float32: logarithm and cosine differ by an ulp.
"""

from __future__ import annotations

import pytest

from parity.programs import hold

SHAPES = ["3, 5", "7, 4", "6, 3, 3", "2, 3, 4, 5", "40, 30"]
FILLS = [
    "uniform_(_x)",
    "uniform_(_x, -2.0, 3.0)",
    "uniform_(_x, 3.0, 2.0)",
    "normal_(_x)",
    "normal_(_x, 1.0, 0.2)",
    "normal_(_x, std=-1.0)",
    "trunc_normal_(_x)",
    "trunc_normal_(_x, 0.0, 0.02)",
    "trunc_normal_(_x, 1.0, 2.0, -1.0, 4.0)",
    "trunc_normal_(_x, 0.0, 1.0, 1.5, 4.0)",
    "trunc_normal_(_x, 9.0, 1.0, -2.0, 2.0)",
    "constant_(_x, 0.3)",
    "ones_(_x)",
    "zeros_(_x)",
    "eye_(_x)",
    "dirac_(_x)",
    "dirac_(_x, 2)",
    "xavier_uniform_(_x)",
    "xavier_uniform_(_x, gain=2.0)",
    "xavier_normal_(_x)",
    "kaiming_uniform_(_x)",
    "kaiming_uniform_(_x, a=2.23606797749979)",
    "kaiming_uniform_(_x, mode='fan_out', nonlinearity='relu')",
    "kaiming_uniform_(_x, mode='fan')",
    "kaiming_normal_(_x)",
    "kaiming_normal_(_x, nonlinearity='tanh', mode='FAN_OUT')",
    "kaiming_normal_(_x, nonlinearity='gelu')",
    "sparse_(_x, 0.3)",
    "sparse_(_x, sparsity=0.0, std=2.0)",
]
DRAWN = [fill for fill in FILLS if "dirac" not in fill and "eye" not in fill and "s_(_x)" not in fill]


def closeness(fill: str) -> dict[str, float]:
    exact = "normal" not in fill and "sparse" not in fill
    return {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": 1e-6, "atol": 1e-6}


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_fills_alike(fill: str, shape: str) -> None:
    hold(f"""
_x = nn.Parameter(torch.empty({shape}))
_y = nn.init.{fill}
same, needs, values = _y is _x, _x.requires_grad, _x.detach()
after = torch.rand(2)
""", **closeness(fill))  # fmt: skip


@pytest.mark.parametrize("fill", [fill for fill in DRAWN if "constant" not in fill])
def test_generator_and_dtype(fill: str) -> None:
    """Draws come from the generator that is given; the default one stays."""
    hold(f"""
_g = torch.Generator().manual_seed(7)
_x = torch.empty(9, 6, dtype=torch.float64)
nn.init.{fill[:-1]}, generator=_g)
values, after, default = _x, torch.rand(2, generator=_g), torch.rand(2)
""", rtol=0.0, atol=0.0)  # fmt: skip
    hold(f"_x = torch.empty(6, 4).t()\nnn.init.{fill}\nstrided = _x", **closeness(fill))


@pytest.mark.parametrize("shape", [*SHAPES, "4, 4", "5", "0, 3"])
@pytest.mark.parametrize("gain", ["", ", gain=2.0"])
def test_orthogonal(shape: str, gain: str) -> None:
    """Factorisations differ in their rounding, but not in what they draw."""
    hold(f"""
_x = nn.Parameter(torch.empty({shape}))
_y = nn.init.orthogonal_(_x{gain})
values, after = _x.detach(), torch.rand(2)
_g = torch.Generator().manual_seed(7)
other = nn.init.orthogonal_(torch.empty({shape}, dtype=torch.float64){gain}, generator=_g)
""", rtol=1e-4, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        *(
            f"'{name}'"
            for name in ("linear", "conv1d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu")
        ),
        "'leaky_relu'",
        "'leaky_relu', 0.2",
        "'leaky_relu', 3",
        "'leaky_relu', True",
        "'leaky_relu', 'x'",
        "'gelu'",
    ],
)
def test_gain(asked: str) -> None:
    hold(f"x = nn.init.calculate_gain({asked})")


@pytest.mark.parametrize(
    "fill",
    [
        "uniform(_x, 1.0, 2.0)",
        "normal(_x)",
        "constant(_x, 2.0)",
        "eye(_x)",
        "dirac(_x.reshape(2, 2, 3))",
        "xavier_uniform(_x)",
        "xavier_normal(_x, gain=2.0)",
        "kaiming_uniform(_x)",
        "kaiming_normal(_x, mode='fan_out')",
        "orthogonal(_x)",
        "sparse(_x, 0.5)",
        "kaiming_uniform_(_x[:0])",
        "trunc_normal_(_x, 9.0)",
    ],
)
def test_warnings(fill: str) -> None:
    """The old names, tensors without elements, means far out: the same warnings, word for word."""
    hold(f"""
import warnings as _warnings
_x = torch.zeros(4, 3)
with _warnings.catch_warnings(record=True) as _caught:
    _warnings.simplefilter("always")
    y = nn.init.{fill}
said = [(w.category.__name__, str(w.message)) for w in _caught]
del __builtins__
""", rtol=1e-4, atol=1e-5)  # fmt: skip
