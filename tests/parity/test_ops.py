"""Every operation that the engine lists, with every sample it carries, held against PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest

from parity.compare import is_tensor
from parity.data import DTYPES
from parity.ops import Call, calls, outputs
from parity.programs import CANDIDATE, REFERENCE, describe, same_outcome

OTHER_DTYPES = tuple(dtype for dtype in DTYPES if dtype != "float32")
pytestmark = pytest.mark.filterwarnings("ignore")  # complex to real, create_graph: both libraries may warn

# Where PyTorch keeps a variant to itself there is nothing to compare with.
CALLS = [call for call in calls() if call.known(REFERENCE)]
GRADIENT = [call for call in CALLS if call.op.differentiable]


def attempt(call: Call, lib: ModuleType, dtype: str) -> Any:
    """What the call returns and what it made of its arguments, or the exception."""
    data = call.data(lib, dtype)
    try:
        return {"result": call.make(lib, data), "arguments": data.made}
    except Exception as error:
        return error


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_forward(call: Call) -> None:
    """Values, dtype, shape, strides; the arguments are left as they were."""
    same_outcome(attempt(call, CANDIDATE, "float32"), attempt(call, REFERENCE, "float32"))


def for_each(dtypes: Iterable[str], check: Callable[[str], None]) -> None:
    """Makes a check for several dtypes and tells all that fail: tests of their own cost more than what they check."""
    failures = []
    for dtype in dtypes:
        try:
            check(dtype)
        except (AssertionError, pytest.fail.Exception) as failure:
            failures.append(f"{dtype}: {failure}")
    if failures:
        pytest.fail("\n".join(failures))


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_dtypes(call: Call) -> None:
    """The other dtypes give PyTorch's values, or an error where PyTorch has one.

    Which dtypes PyTorch leaves out differs from op to op, by accident rather than design, and so does the
    class of what it raises then (NotImplementedError is a RuntimeError): any RuntimeError will do, and a
    value too where PyTorch says that a kernel is "not implemented".
    """

    def check(dtype: str) -> None:
        theirs = attempt(call, REFERENCE, dtype)
        ours = attempt(call, CANDIDATE, dtype)
        if isinstance(theirs, RuntimeError) and isinstance(ours, RuntimeError):
            return
        if isinstance(theirs, NotImplementedError) and not isinstance(ours, Exception):
            return
        rtol, atol = loose_for(dtype)
        same_outcome(ours, theirs, rtol=rtol, atol=atol)

    for_each(OTHER_DTYPES, check)


def loose_for(dtype: str, gradient: bool = False) -> tuple[float | None, float | None]:
    """Tolerances where PyTorch's own are too tight for two implementations.

    Half precision: both round once, but not always from the same side of an intermediate result. Gradients:
    sums of products that are added in another order, in half precision with each term rounded. Complex numbers:
    the four products of one cancel, and PyTorch's BLAS adds them differently on each make of processor.
    """
    if gradient:
        return {"float16": (4e-2, 4e-2), "bfloat16": (2e-1, 2e-1), "float32": (1e-4, 1e-5)}.get(
            dtype, (None, None)
        )
    return {"float16": (4e-3, 4e-3), "bfloat16": (3.2e-2, 3.2e-2), "complex64": (1e-5, 1e-5)}.get(
        dtype, (None, None)
    )


def gradients(call: Call, lib: ModuleType, dtype: str, order: int) -> Any:
    """The gradients of a weighted sum of the outputs; of order 2, the gradients of those."""
    data = call.data(lib, dtype, requires_grad=True)
    try:
        found = outputs(call.make(lib, data))
        leaves = [tensor for tensor in data.made if is_tensor(tensor) and tensor.requires_grad]
        weights = call.data(lib, dtype)
        for _ in range(order):
            if not found:
                return "no gradient"
            total = sum((item * weights.t(*item.shape, low=-1, high=1)).sum() for item in found)
            for leaf in leaves:
                leaf.grad = None
            total.backward(create_graph=order == 2)
            grads = [leaf.grad for leaf in leaves]
            found = [grad for grad in grads if grad is not None and grad.requires_grad]
        return [None if grad is None else grad.detach() for grad in grads]
    except Exception as error:
        return error


@pytest.mark.parametrize("call", GRADIENT, ids=str)
def test_gradient(call: Call) -> None:
    def check(dtype: str) -> None:
        theirs = gradients(call, REFERENCE, dtype, 1)
        ours = gradients(call, CANDIDATE, dtype, 1)
        if unwritten(theirs) and not isinstance(ours, Exception):
            return
        rtol, atol = loose_for(dtype, gradient=True)
        same_outcome(ours, theirs, strides=False, rtol=rtol, atol=atol)

    for_each(("float32", "float64"), check)


def unwritten(outcome: Any) -> bool:
    """Whether PyTorch says that it has no such derivative; finite differences judge ours then."""
    return isinstance(outcome, RuntimeError) and "is not implemented" in str(outcome)


@pytest.mark.parametrize("call", GRADIENT, ids=str)
def test_second_gradient(call: Call) -> None:
    theirs = gradients(call, REFERENCE, "float64", 2)
    ours = gradients(call, CANDIDATE, "float64", 2)
    if unwritten(theirs):
        return
    if isinstance(theirs, Exception) and not isinstance(ours, Exception):
        pytest.fail(f"PyTorch has {describe(theirs)}, we have a value")
    same_outcome(ours, theirs, strides=False)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_requires_grad_of_the_result(call: Call) -> None:
    """What asks for a gradient gives a result that has one, exactly where PyTorch's does."""

    def flags(lib: ModuleType) -> Any:
        data = call.data(lib, requires_grad=True)
        try:
            result = call.make(lib, data)
        except Exception as error:
            return error
        items = result if isinstance(result, (tuple, list)) else [result]
        return [(item.requires_grad, item.is_leaf) for item in items if is_tensor(item)]

    same_outcome(flags(CANDIDATE), flags(REFERENCE))
