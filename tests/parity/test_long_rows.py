"""Rows longer than a chunk of the vector loops, in every dtype, and copies that turn, reverse and convert."""

from __future__ import annotations

from typing import Any

import pytest

from parity.compare import compare
from parity.programs import CANDIDATE, REFERENCE

# A chunk is up to 128 elements, a strip of a turned copy 16; these leave a rest.
LENGTH = 331
UNARY = """abs neg sign floor ceil round trunc frac exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin
acos atan sinh cosh tanh asinh acosh atanh sinc erf erfc sigmoid logit square reciprocal isnan isinf isfinite
logical_not signbit nn.functional.relu nn.functional.gelu nn.functional.silu nn.functional.softplus nn.functional.elu
nn.functional.hardswish nn.functional.mish nn.functional.logsigmoid deg2rad positive digamma lgamma""".split()
BINARY = """add sub mul div pow maximum minimum fmax fmin atan2 hypot fmod remainder floor_divide copysign eq ne lt le gt ge
logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor""".split()
FLOATS = ["float32", "float64", "bfloat16", "float16"]
DTYPES = [*FLOATS, "int64", "int32", "int16", "int8", "uint8", "bool"]


def function(library: Any, name: str) -> Any:
    for part in name.split("."):
        library = getattr(library, part)
    return library


def numbers(library: Any, dtype: str, factor: float = 1.0) -> Any:
    """From -20 to 20 and, in the dtypes that have them, what is special and what is huge."""
    x = library.linspace(-20, 20, LENGTH, dtype=library.float64) * factor
    if dtype in FLOATS:
        special = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-7, 1.0, -1.0, 0.5, 3e4, 2.5]
        x[100 : 100 + len(special)] = library.tensor(special, dtype=library.float64)
    elif dtype == "uint8":
        x = x.abs()
    elif dtype == "bool":
        x = x.round() % 3
    return x.to(getattr(library, dtype))


def outcome(library: Any, call: Any) -> Any:
    try:
        return call(library)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return type(error).__name__


def same(call: Any, **tolerance: Any) -> None:
    compare(outcome(CANDIDATE, call), outcome(REFERENCE, call), **tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one(name: str, dtype: str) -> None:
    def call(library: Any) -> Any:
        x = numbers(library, dtype)
        if (name, dtype) == ("signbit", "bfloat16"):
            x = x.nan_to_num()  # the sign of a NaN is nobody's promise
        return function(library, name)(x)

    if (name, dtype) == ("logit", "bfloat16"):
        pytest.skip("PyTorch rounds to bfloat16 on the way")
    # A float16 is what a float32 rounds to: PyTorch's functions of it are not always.
    same(call, **({"rtol": 2e-3, "atol": 1e-4} if dtype == "float16" else {}))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(name: str, dtype: str) -> None:
    def call(library: Any) -> Any:
        x, y = numbers(library, dtype), numbers(library, dtype, 0.7).flip(0)
        if name in ("fmod", "remainder", "floor_divide", "div") and dtype not in FLOATS:
            y = library.where(y == 0, library.ones_like(y), y)
        if (name, dtype) == ("copysign", "bfloat16"):
            y = y.nan_to_num()
        if name == "pow" and dtype not in FLOATS:
            y = y.abs() % 3
        return function(library, name)(x, y)

    same(call)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_beyond_what_is_reduced(name: str) -> None:
    def call(library: Any) -> Any:
        x = library.cat([library.linspace(-1e6, 1e6, 150), library.logspace(1, 38, 181)])
        return function(library, name)(x.double()), function(library, name)(x)

    ours, theirs = call(CANDIDATE), call(REFERENCE)
    # PyTorch's own float32 is less exact there, so float64 is what both are held against.
    compare(ours[1].double(), ours[0], rtol=1e-6, atol=1e-6)
    compare(ours[0], theirs[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["add_", "mul_", "sub_", "clamp_", "neg_", "masked_fill_", "logical_not_", "bitwise_not_"]
)
def test_in_place(name: str, dtype: str) -> None:
    def call(library: Any) -> Any:
        x, y = numbers(library, dtype), numbers(library, dtype, 0.7)
        arguments = {"clamp_": (-3, 4), "masked_fill_": (y > 1, 1)}.get(
            name, (y,) if name[:3] in ("add", "mul", "sub") else ()
        )
        getattr(x, name)(*arguments)
        if dtype != "bool" and name in ("add_", "mul_"):
            getattr(x, name)(x)
        return x

    same(call)


@pytest.mark.parametrize("to", [*DTYPES, "complex64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_conversions(dtype: str, to: str) -> None:
    def call(library: Any) -> Any:
        x = numbers(library, dtype)
        if dtype in FLOATS and to not in (*FLOATS, "bool", "complex64"):
            x = library.nan_to_num(x, nan=0.0, posinf=7.0, neginf=-7.0).clamp(-100, 100)
            x = x.abs() if to == "uint8" else x
        return x.to(getattr(library, to)), x[::3].to(getattr(library, to)), x.flip(0).to(getattr(library, to))

    same(call)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int8", "complex128"])
@pytest.mark.parametrize("sizes", [(1, 7), (5, 3), (16, 16), (17, 33), (40, 9), (3, 200)])
def test_copies_that_turn(sizes: tuple[int, int], dtype: str) -> None:
    def call(library: Any) -> Any:
        m, n = sizes
        x = library.arange(2 * m * n * 3).reshape(2, m, n, 3).to(getattr(library, dtype))
        return (
            [
                x.permute(*order).contiguous()
                for order in [(1, 0, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2), (3, 2, 1, 0), (2, 3, 0, 1)]
            ],
            x[:, ::2].transpose(1, 2).contiguous(),
            x[..., 1].transpose(1, 2).contiguous(),
            x.flip(0),
            x.flip(1, 3),
            x.transpose(1, 2).flip(2),
            x.roll((1, -2), (0, 2)),
            x.expand(2, *x.shape).permute(4, 3, 0, 2, 1).contiguous(),
        )

    same(call)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "bfloat16"])
def test_operands_that_lie_the_other_way(dtype: str) -> None:
    def call(library: Any) -> Any:
        x = (library.arange(130 * 130) % 97).reshape(130, 130).to(getattr(library, dtype))
        y, z = x.t(), x[:, :1]
        return (
            x == y,
            library.where(y > 3, x, z),
            [] if dtype == "bool" else [x + y, y + y, x * z, y * z, x + y.to(library.float64)],
        )

    same(call)
