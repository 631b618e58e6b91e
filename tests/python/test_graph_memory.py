"""Graphs are freed: after errors, through cycles of hooks and functions, however deep they are."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rustnn as torch


class Watched:
    """Something that hangs on a tensor and can be watched."""


class Scale(torch.autograd.Function):
    """Twice its input; the context carries whatever the test hangs on it."""

    hang: Any = None

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.hung = Scale.hang
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad * 2 + 0 * x.sum()


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        raise KeyError("half-way")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    gc.collect()
    yield
    Scale.hang = None


def leaf(n: int = 3) -> Any:
    return torch.ones(n, requires_grad=True)


def watched() -> tuple[Watched, weakref.ref[Watched]]:
    thing = Watched()
    return thing, weakref.ref(thing)


def holding(*held: object) -> Callable[..., None]:
    """A hook that does nothing but hold."""

    def hook(*_grads: object) -> None:
        assert held

    return hook


# ---- cycles --------------------------------------------------------------------------------------------


def hook_on_leaf(thing: Watched) -> None:
    x = leaf()
    x.register_hook(holding(x, thing))


def hook_on_result(thing: Watched) -> None:
    y = leaf() * 2
    y.register_hook(holding(y, thing))


def hook_below_result(thing: Watched) -> None:
    y = leaf() * 2
    z = (y + 1).exp()
    y.register_hook(holding(z, thing))
    del y


def accumulate_hook(thing: Watched) -> None:
    x = leaf()
    x.register_post_accumulate_grad_hook(holding(x, thing))


def hook_on_node(thing: Watched) -> None:
    y = leaf() * 2
    y.grad_fn.register_hook(holding(y, thing))


def prehook_on_node(thing: Watched) -> None:
    y = leaf() * 2
    y.grad_fn.register_prehook(holding(y, thing))


def node_in_its_own_hook(thing: Watched) -> None:
    node = (leaf() * 2).grad_fn
    node.register_hook(holding(node, thing))


def metadata_of_node(thing: Watched) -> None:
    y = leaf() * 2
    y.grad_fn.metadata["y"] = (y, thing)


def attribute_of_tensor(thing: Watched) -> None:
    x = leaf()
    x.mine = (x, thing)


def attribute_of_parameter(thing: Watched) -> None:
    p = torch.nn.Parameter(torch.ones(2))
    p.mine = (p, thing)


def two_tensors(thing: Watched) -> None:
    x, y = leaf(), leaf()
    x.other, y.other = y, (x, thing)


def output_on_context(thing: Watched) -> None:
    holder: list[Any] = [thing]
    Scale.hang = holder
    holder.append(Scale.apply(leaf()))
    Scale.hang = None


def context_by_way_of_the_graph(thing: Watched) -> None:
    Scale.hang = thing
    node = Scale.apply(leaf()).grad_fn
    assert node.hung is thing
    Scale.hang = None


def packed_tensor(thing: Watched) -> None:
    kept: list[Any] = [thing]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (t, kept), lambda p: p[0]):
        y = leaf().exp()
    kept.append(y)


CYCLES = [
    hook_on_leaf,
    hook_on_result,
    hook_below_result,
    accumulate_hook,
    hook_on_node,
    prehook_on_node,
    node_in_its_own_hook,
    metadata_of_node,
    attribute_of_tensor,
    attribute_of_parameter,
    two_tensors,
    output_on_context,
    context_by_way_of_the_graph,
    packed_tensor,
]


@pytest.mark.parametrize("cycle", CYCLES, ids=lambda f: f.__name__)
def test_cycles_are_collected(cycle: Callable[[Watched], None]) -> None:
    for _ in range(3):
        thing, alive = watched()
        cycle(thing)
        del thing
        gc.collect()
        assert alive() is None


def test_what_is_reachable_is_not_collected() -> None:
    """The other way round: a live tensor keeps its hooks, contexts and what they hold."""
    thing, alive = watched()
    calls: list[int] = []
    x = leaf()
    y = x * 2
    x.register_hook(lambda g, held=thing: calls.append(1))
    y.register_hook(lambda g, held=thing: calls.append(2))
    Scale.hang = thing
    z = Scale.apply(y)
    Scale.hang = None
    z.grad_fn.register_hook(lambda a, b, held=thing: calls.append(3))
    total = z.exp().sum()
    del thing, y, z
    for _ in range(3):
        gc.collect()
    assert alive() is not None
    total.backward()
    assert calls == [3, 2, 1]
    x.mine = alive()
    gc.collect()
    assert x.mine is alive()


# ---- no growth -----------------------------------------------------------------------------------------


def grows(step: Callable[[], Any], times: int = 2000) -> int:
    """By how many Python objects the process grows, ten calls together."""
    for _ in range(50):
        step()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(times):
        step()
    gc.collect()
    return (len(gc.get_objects()) - before) // (times // 10)


def resident() -> int:
    """Pages that the process holds, in KiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def train_step() -> None:
    w = leaf(100)
    ((w * w).exp().sum() / 100).backward()
    w.grad = None


def failing_step() -> None:
    x = leaf(100)
    with pytest.raises(KeyError):
        Fails.apply((x * 2).exp()).sum().backward()


def failing_hook() -> None:
    x = leaf(100)
    y = (x * 2).exp()

    def hook(grad: Any) -> None:
        raise KeyError("in a hook")

    y.register_hook(hook)
    with pytest.raises(KeyError):
        y.sum().backward()


def function_step() -> None:
    Scale.apply(leaf(100)).sum().backward()


def double_step() -> None:
    x = leaf(100)
    (g,) = torch.autograd.grad(Scale.apply(x * x).sum(), x, create_graph=True)
    g.sum().backward()


def unpacking_step() -> None:
    with torch.autograd.graph.saved_tensors_hooks(lambda t: [t], lambda p: p[0]):
        y = leaf(100).exp()
    y.sum().backward()


def checkpoint_step() -> None:
    from rustnn.utils.checkpoint import checkpoint

    for reentrant in (True, False):
        checkpoint(lambda v: v.exp().sin(), leaf(100), use_reentrant=reentrant).sum().backward()


def view_step() -> None:
    y = leaf(100) * 1
    y[:10].mul_(2)
    y.view(10, 10)[0] = 0
    y.sum().backward()


def anomaly_step() -> None:
    with torch.autograd.set_detect_anomaly(True):
        leaf(100).exp().sum().backward()


STEPS = [
    train_step,
    failing_step,
    failing_hook,
    function_step,
    double_step,
    unpacking_step,
    checkpoint_step,
    view_step,
    anomaly_step,
]


@pytest.mark.parametrize("step", STEPS, ids=lambda f: f.__name__)
def test_steps_leave_nothing_behind(step: Callable[[], None]) -> None:
    assert grows(step, 500) <= 0


@pytest.mark.parametrize("step", [train_step, failing_step, function_step], ids=lambda f: f.__name__)
def test_memory_is_flat_over_ten_thousand_steps(step: Callable[[], None]) -> None:
    for _ in range(500):
        step()
    gc.collect()
    before = resident()
    for _ in range(10_000):
        step()
    gc.collect()
    # A tensor of 100 numbers a step would be 4 MB.
    assert resident() - before < 3_000


# ---- depth ---------------------------------------------------------------------------------------------

DEPTH = 1_000_000


def test_a_million_nodes() -> None:
    x = leaf(1)
    y = x
    for _ in range(DEPTH):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    del y
    y = x
    for _ in range(DEPTH):
        y = y * 1.0
    gc.collect()
    del y


def test_a_deep_chain_of_functions() -> None:
    x = leaf(1)
    for walked in (True, False):
        y = x
        for _ in range(50_000):
            y = Scale.apply(y) * 0.5
        gc.collect()
        if walked:
            y.backward()
        del y
    assert x.grad.item() == 1


def test_a_deep_chain_of_contexts() -> None:
    """Each context holds the tensor before it, by a reference of Python's."""
    y = leaf(1)
    for _ in range(50_000):
        Scale.hang = y
        y = Scale.apply(y)
    Scale.hang = None
    del y


def test_a_deep_chain_of_hooks() -> None:
    y = leaf(1)
    for _ in range(50_000):
        below = y
        y = y * 1.0
        y.register_hook(lambda g, below=below: None)
    del below, y


def test_a_deep_chain_of_packed_tensors() -> None:
    y = leaf(1)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        for _ in range(50_000):
            y = y * y
    del y


def test_a_deep_chain_of_views_and_changes() -> None:
    x = leaf(4)
    y = x * 1
    for _ in range(20_000):
        y[:2] += 1
        y = y.view(2, 2).view(4)
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 1, 1]


# ---- threads and reentrance ----------------------------------------------------------------------------


def test_threads_share_a_graph_and_its_leaves() -> None:
    x = leaf(1000)
    shared = (x * 3).exp().log()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(50):
                shared.sum().backward(retain_graph=True)
                Scale.apply(x).sum().backward()
                gc.collect(0)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert torch.allclose(x.grad, torch.full((1000,), 4 * 50 * 5.0))


def test_backward_within_backward() -> None:
    x, w = leaf(), leaf()

    def hook(grad: Any) -> Any:
        with torch.enable_grad():
            inner = (w * 2).sum()
        inner.backward()
        return grad * 3

    y = x * 2
    y.register_hook(hook)
    y.sum().backward()
    assert x.grad.tolist() == [6, 6, 6]
    assert w.grad.tolist() == [2, 2, 2]


def test_the_collector_runs_while_threads_differentiate() -> None:
    """Objects on the tape are shown to the collector only when nobody can take a share of them meanwhile."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                x = torch.ones(20_000, requires_grad=True)
                y = x.exp()
                seen: list[int] = []
                y.register_hook(lambda g, y=y, seen=seen: seen.append(1))
                Scale.hang = [y]
                Scale.apply(y).sum().backward()
                assert seen == [1]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    gc.freeze()  # a collection looks only at what is made from here on, and so is short
    try:
        for thread in threads:
            thread.start()
        for _ in range(200):
            gc.collect()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        gc.unfreeze()
    assert failures == []


def test_the_collector_may_run_while_a_parameter_is_made() -> None:
    """CPython makes the dict of a new object after it shows the object to the collector."""
    torch.ones(2, requires_grad=True).register_hook(lambda grad: grad)
    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        # All are kept: CPython's store of free dicts runs out, and each new one counts as an allocation.
        parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(500)]
    finally:
        gc.set_threshold(*thresholds)
    assert all(p.tolist() == [1, 1] for p in parameters)
