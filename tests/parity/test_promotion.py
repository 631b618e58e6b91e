"""Which dtype a mix gives: all pairs of dtypes, 0-d tensors, and Python scalars of each kind."""

from __future__ import annotations

import pytest

from parity.data import DTYPES
from parity.programs import hold

SCALARS = ("True", "2", "2.5", "1j", "-3")
OPERATIONS = ("a + b", "a - b", "a * b", "a / b", "a == b", "a != b", "a < b", "a >= b")
FUNCTIONS = (
    "torch.maximum(a, b)",
    "torch.minimum(a, b)",
    "torch.where(mask, a, b)",
    "a ** b",
    "a // b",
    "a % b",
)


def without_complex32(left: str, right: str) -> bool:
    """Half precision with a complex scalar gives complex32, a dtype that rustnn does not have."""
    return not (left == "float16" and (right == "1j" or right.startswith("complex")))


def pairs(left: tuple[str, ...], right: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(a, b) for a in left for b in right if without_complex32(a, b)]


def each_alone(setup: str, expressions: tuple[str, ...]) -> None:
    """Every expression is a program of its own, so that one that raises does not hide the next."""
    for expression in expressions:
        try:
            hold(f"{setup}\nx = {expression}", rtol=1e-2, atol=1e-2)
        except AssertionError as error:
            raise AssertionError(f"{expression}: {error}") from error


@pytest.mark.parametrize("right", DTYPES)
@pytest.mark.parametrize("left", DTYPES)
def test_pairs(left: str, right: str) -> None:
    setup = f"""
a = torch.tensor([1, 2, 3], dtype=torch.{left})
b = torch.tensor([2, 1, 3], dtype=torch.{right})
mask = torch.tensor([True, False, True])
"""
    each_alone(setup, OPERATIONS + FUNCTIONS)


@pytest.mark.parametrize(("left", "right"), pairs(DTYPES, DTYPES))
def test_a_tensor_and_a_0d_tensor(left: str, right: str) -> None:
    """A 0-d tensor counts only by its kind: bool, integer, floating or complex."""
    setup = f"""
a = torch.tensor([1, 2, 3], dtype=torch.{left})
b = torch.tensor(2, dtype=torch.{right})
"""
    each_alone(setup, ("a + b", "b * a", "a / b", "a == b", "a > b", "torch.where(a == a, a, b)"))


@pytest.mark.parametrize(("dtype", "scalar"), pairs(DTYPES, SCALARS))
@pytest.mark.parametrize("values", ["[1, 2, 3]", "2", "[]"])
def test_scalars(dtype: str, scalar: str, values: str) -> None:
    setup = f"a = torch.tensor({values}, dtype=torch.{dtype})\nb = {scalar}"
    swapped = ("b + a", "b - a", "b * a", "b / a")
    named = ("torch.add(a, b)", "torch.mul(a, b)", "torch.eq(a, b)", "torch.where(a == a, a, b)")
    each_alone(setup, (*OPERATIONS, *swapped, *named))


@pytest.mark.parametrize("right", [*DTYPES, *SCALARS])
@pytest.mark.parametrize("left", DTYPES)
def test_in_place(left: str, right: str) -> None:
    """The result must fit into the dtype of the left side, or PyTorch raises."""
    value = f"torch.tensor([2, 1, 3], dtype=torch.{right})" if right in DTYPES else right
    setup = f"a = torch.tensor([1, 2, 3], dtype=torch.{left})\nb = {value}"
    for statement in (
        "a += b",
        "a -= b",
        "a *= b",
        "a /= b",
        "a.add_(b)",
        "a.mul_(b)",
        "a.copy_(torch.as_tensor(b))",
    ):
        try:
            hold(f"{setup}\n{statement}", rtol=1e-2, atol=1e-2)
        except AssertionError as error:
            raise AssertionError(f"{statement}: {error}") from error


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_and_unary(dtype: str) -> None:
    setup = f"a = torch.tensor([[1, 0, 3], [2, 1, 1]], dtype=torch.{dtype})"
    each_alone(
        setup,
        (
            "a.sum()",
            "a.sum(0)",
            "a.sum(dtype=torch.float64)",
            "a.mean()",
            "a.mean(dtype=torch.float32)",
            "a.prod()",
            "a.max()",
            "a.min(1)",
            "a.amax(0)",
            "a.argmax()",
            "a.argmin(1)",
            "a.any()",
            "a.all(0)",
            "a.exp()",
            "a.sqrt()",
            "a.sigmoid()",
            "a.abs()",
            "-a",
            "~a",
            "a & a",
            "a.floor()",
            "a.round()",
            "a.sign()",
            "a.square()",
            "a.clamp(0, 2)",
            "a.pow(2)",
            "a.pow(0.5)",
            "2 ** a",
            "a @ a.t()",
            "torch.relu(a)",
            "torch.tanh(a)",
            "torch.cat([a, a.float()])",
            "torch.stack([a, a])",
            "a.cumsum(0)",
            "a.var()",
            "a.std()",
        ),
    )


@pytest.mark.parametrize("right", DTYPES)
@pytest.mark.parametrize("left", DTYPES)
def test_promote_types(left: str, right: str) -> None:
    program = f"""
a = torch.promote_types(torch.{left}, torch.{right})
c = torch.can_cast(torch.{left}, torch.{right})
"""
    if without_complex32(left, right):
        program += (
            f"b = torch.result_type(torch.ones(2, dtype=torch.{left}), torch.tensor(1, dtype=torch.{right}))"
        )
    hold(program)


@pytest.mark.parametrize("shapes", [
    ("3", "3"), ("2, 3", "3"), ("2, 1", "1, 3"), ("4, 1, 3", "2, 1"), ("1", "2, 3, 4"), ("0", "1"),
    ("2, 0", "1, 1"), ("2, 3", "1"), ("5, 1, 1", "1, 1, 4"), ("2, 3", "2"), ("2, 3", "3, 2"), ("0", "2"),
])  # fmt: skip
def test_broadcasting(shapes: tuple[str, str]) -> None:
    left, right = shapes
    setup = f"""
a = t({left})
b = t({right})
a.requires_grad_()
b.requires_grad_()
"""
    for expression in (
        "a + b",
        "a * b",
        "a < b",
        "torch.maximum(a, b)",
        "torch.where(a > 0, a, b)",
        "a.add_(b)",
    ):
        hold(f"{setup}\nx = {expression}")
    hold(f"{setup}\n(a * b).sum().backward()\nx = a.grad\ny = b.grad")
    hold(f"{setup}\nx = torch.broadcast_tensors(a, b)")
