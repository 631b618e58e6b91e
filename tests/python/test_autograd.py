"""Gradients without PyTorch at hand: every operation against finite differences, and the rules of the tape."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from parity.ops import Call, calls, real_parts

import rustnn as torch
from rustnn import nn

pytestmark = pytest.mark.filterwarnings("ignore:.*upsample.* is deprecated:UserWarning")
CALLS = [call for call in calls() if call.fits(torch)]
# What is recorded is a product of reflections, one by one; what is not, a product of blocks of them.
RECORDED_OTHERWISE = {"linalg.householder_product", "orgqr", "ormqr"}
# They have no derivative by their first argument, as in PyTorch: the parity tests hold the error.
ONE_DERIVATIVE = {"igamma", "igammac", "special.zeta"}
DIFFERENTIABLE = [
    call
    for call in CALLS
    if call.op.differentiable and call.variant != "method" and call.op.name not in ONE_DERIVATIVE
]


def weighted(call: Call, leaves: list[Any] | None = None, dtype: str = "float64") -> tuple[Any, list[Any]]:
    """A weighted sum of what the call returns, and the tensors that it was made from.

    With `leaves`, their numbers stand in for the ones that the call would draw.
    """
    data = call.data(torch, dtype, requires_grad=True)
    made: list[Any] = []
    finish = data._finish

    def replace(tensor: Any) -> Any:
        kept = finish(tensor)
        if leaves is not None:
            with torch.no_grad():
                kept.copy_(leaves[len(made)])
        made.append(kept)
        return kept

    data._finish = replace  # type: ignore[method-assign]
    result = call.make(torch, data)
    weights = call.data(torch, dtype)
    total = None
    for item in (part for tensor in tensors(result) for part in real_parts(tensor)):
        if item.dtype.is_floating_point:
            term = (item * weights.t(*item.shape, low=-1, high=1)).sum()
            if item.requires_grad:
                total = term if total is None else total + term
    return total, made


def weighted_number(call: Call, leaves: list[Any]) -> float:
    """The same sum as a number, of what is finite: `masked_fill` with infinity has a gradient elsewhere."""
    with torch.no_grad():
        data = call.data(torch, "float64")
        values = iter(leaves)
        finish = data._finish
        data._finish = lambda tensor: finish(next(values).clone())  # type: ignore[method-assign]
        result = call.make(torch, data)
        weights = call.data(torch, "float64")
        total = 0.0
        for item in (part for tensor in tensors(result) for part in real_parts(tensor)):
            if item.dtype.is_floating_point:
                array = item.numpy()
                factors = weights.t(*item.shape, low=-1, high=1).numpy()
                total += float((array * factors)[np.isfinite(array)].sum())
    return total


def numeric_gradient(value: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences, one element at a time."""
    gradient = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        moved = at.copy()
        moved[i] = at[i] + step
        above = value(moved)
        moved[i] = at[i] - step
        gradient[i] = (above - value(moved)) / (2 * step)
    return gradient


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_sample_runs(call: Call) -> None:
    """With float32 and float64, contiguous or not, with and without recording; recording changes no value."""
    for dtype in ("float32", "float64"):
        plain = call.make(torch, call.data(torch, dtype))
        recorded = call.make(torch, call.data(torch, dtype, requires_grad=call.op.differentiable))
        same = np.allclose if call.op.name in RECORDED_OTHERWISE else np.array_equal
        for a, b in zip(tensors(plain), tensors(recorded), strict=True):
            assert a.dtype == b.dtype
            assert same(a.detach().numpy(), b.detach().numpy(), equal_nan=True)


def tensors(result: Any) -> list[Any]:
    items = list(result) if isinstance(result, (tuple, list)) else [result]
    return [item for item in items if isinstance(item, torch.Tensor)]


@pytest.mark.parametrize("call", DIFFERENTIABLE, ids=str)
def test_gradient_against_differences(call: Call) -> None:
    total, made = weighted(call)
    if not any(leaf.requires_grad for leaf in made):
        return  # a sample of integers
    if total is None:
        pytest.fail("declared differentiable, but no output asks for a gradient")
    total.backward()
    for n, leaf in enumerate(made):
        if not leaf.requires_grad or leaf.numel() == 0:
            continue
        others = [other.detach().clone() for other in made]

        def value(array: np.ndarray, n: int = n, others: list[Any] = others) -> float:
            moved = [torch.from_numpy(array) if i == n else other for i, other in enumerate(others)]
            return weighted_number(call, moved)

        expected = numeric_gradient(value, leaf.detach().numpy().copy())
        ours = np.zeros_like(expected) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6, err_msg=f"argument {n}")


@pytest.mark.filterwarnings("ignore:Using backward\\(\\) with create_graph=True:UserWarning")
@pytest.mark.parametrize("call", DIFFERENTIABLE, ids=str)
def test_second_gradient_against_differences(call: Call) -> None:
    """The gradient of a weighted sum of the gradients, where there is one."""

    def slope(leaves: list[Any] | None) -> tuple[Any, list[Any]]:
        total, made = weighted(call, leaves)
        if total is None:
            return None, made
        total.backward(create_graph=True)
        grads = [leaf.grad for leaf in made if leaf.requires_grad and leaf.grad is not None]
        weights = call.data(torch, "float64")
        slopes = [(g * weights.t(*g.shape, low=-1, high=1)).sum() for g in grads]
        for leaf in made:
            leaf.grad = None
        return sum(slopes), made

    try:
        second, made = slope(None)
    except RuntimeError as error:
        assert "is not implemented" in str(error)  # said in so many words
        return
    if not getattr(second, "requires_grad", False):
        return  # linear: the first gradient does not depend on the input
    try:
        second.backward()
    except RuntimeError as error:
        assert "is not implemented" in str(error)
        return
    for n, leaf in enumerate(made):
        if not leaf.requires_grad or leaf.numel() == 0:
            continue
        others = [other.detach().clone() for other in made]

        def value(array: np.ndarray, n: int = n, others: list[Any] = others) -> float:
            moved = [torch.from_numpy(array) if i == n else other for i, other in enumerate(others)]
            result: float = slope(moved)[0].item()
            return result

        expected = numeric_gradient(value, leaf.detach().numpy().copy(), step=1e-5)
        ours = np.zeros_like(expected) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5, err_msg=f"argument {n}")


# ---- the tape ------------------------------------------------------------------------------------------


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


def test_gradients_accumulate() -> None:
    x = leaf(1.0, 2.0)
    for times in (1, 2, 3):
        (x * x).sum().backward()
        assert x.grad.tolist() == [2.0 * times, 4.0 * times]
    x.grad.zero_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_a_graph_is_used_once() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_modes() -> None:
    x = leaf(3.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    assert not x.detach().requires_grad
    with pytest.raises(RuntimeError):
        torch.arange(3).requires_grad_()
    with pytest.raises(RuntimeError):
        (x.detach() * 2).sum().backward()
    with pytest.raises(RuntimeError):
        leaf(1.0, 2.0).mul(2).backward()


def test_one_tensor_is_one_object() -> None:
    x = leaf(3.0)
    (x * 2).sum().backward()
    assert x.grad is x.grad
    y = x.view(1)
    assert y._base is x
    layer = nn.Linear(2, 2)
    assert next(layer.parameters()) is layer.weight


def test_double_backward() -> None:
    x = leaf(2.0)
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    assert [first.item(), second.item(), third.item()] == [12, 12, 6]


def test_in_place_on_leaves_is_refused() -> None:
    x = leaf(1.0, 2.0)
    for change in (lambda: x.add_(1), lambda: x.__setitem__(0, 5.0), lambda: x.view(-1).mul_(2)):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    assert x.tolist() == [1, 2]
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 3]


def test_a_changed_save_is_noticed() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    a = x * 1
    z = a * a
    a[0] = 7
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_in_place_through_views() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 1
    y.view(2, 2)[:, 0] = 0
    y[3].mul_(5)
    (y * y).sum().backward()
    assert x.grad.tolist() == [0, 4, 0, 200]
    w = leaf(7.0, 8.0)
    z = x.detach() * 1
    z[:2] = w
    (z * z).sum().backward()
    assert w.grad.tolist() == [14, 16]


def test_a_deep_graph_is_walked_and_dropped() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    y = x
    for _ in range(200_000):
        y = y + 1
    del y


def test_graphs_do_not_leak() -> None:
    x = leaf(1.0)
    y = x.exp()
    z = y.sigmoid()
    watched = [weakref.ref(y), weakref.ref(z)]
    z.sum().backward()
    del y, z
    assert [w() for w in watched] == [None, None]


def test_two_threads_at_once() -> None:
    results: dict[int, float] = {}

    def work(n: int) -> None:
        for _ in range(50):
            x = torch.full((200, 20), float(n), requires_grad=True)
            (x.t() @ x).sum().backward()
            results[n] = x.grad[0, 0].item()

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: 40.0, 2: 80.0, 3: 120.0}


def test_no_grad_is_of_its_thread() -> None:
    seen: list[bool] = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_the_number_of_threads_does_not_matter() -> None:
    threads = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            torch.manual_seed(0)
            net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 30 * 30, 5))
            net(torch.randn(16, 3, 32, 32)).sum().backward()
            results.append([p.grad for p in net.parameters()])
        for a, b in zip(*results, strict=True):
            assert torch.equal(a, b)
    finally:
        torch.set_num_threads(threads)
