"""Autograd beyond backward(), without PyTorch at hand: functions of the user's own, hooks, modes, checks."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest

import rustnn as torch
from rustnn.autograd.gradcheck import GradcheckError
from rustnn.autograd.graph import GradientEdge, get_gradient_edge, saved_tensors_hooks
from rustnn.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, scale: float = 1.0) -> Any:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x**3

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad * ctx.scale * 3 * x**2, None


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 3


def leaf(*values: float, dtype: Any = torch.float64) -> Any:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


# ---- functions of the user's own -----------------------------------------------------------------------


def test_a_function_and_its_derivatives() -> None:
    x = leaf(1.0, 2.0)
    y = Cube.apply(x, 2.0)
    assert y.tolist() == [2, 16]
    assert y.grad_fn.name() == "CubeBackward"
    assert y.grad_fn.scale == 2.0
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    assert (first.tolist(), second.tolist(), third.tolist()) == ([6, 24], [12, 24], [12, 12])


def test_functions_pass_the_checks() -> None:
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Cube.apply, (x, 1.5))
    assert torch.autograd.gradgradcheck(Cube.apply, (x, 1.5))
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(Wrong.apply, (x,))
    assert not torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)


def test_a_users_exception_arrives_as_it_was() -> None:
    class Error(Exception):
        pass

    class Raises(Wrong):
        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            raise Error("mine", 7)

    with pytest.raises(Error) as caught:
        Raises.apply(leaf(1.0)).sum().backward()
    assert caught.value.args == ("mine", 7)
    assert "backward" in [entry.name for entry in caught.traceback]


def test_an_exception_leaves_the_engine_usable() -> None:
    x = leaf(1.0)

    def hook(grad: Any) -> Any:
        raise KeyError("in a hook")

    handle = x.register_hook(hook)
    y = (x * x).sum()
    with pytest.raises(KeyError):
        y.backward(retain_graph=True)
    assert torch.is_grad_enabled()
    handle.remove()
    y.backward()
    assert x.grad.item() == 2


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda ctx, g: (g, g), "incorrect number of gradients"),
        (lambda ctx, g: g[:1], "invalid gradient at index 0"),
        (lambda ctx, g: "text", "expected Variable or None"),
    ],
)
def test_what_backward_must_return(backward: Any, message: str) -> None:
    kind = type(
        "Kind", (torch.autograd.Function,), {"forward": Wrong.forward, "backward": staticmethod(backward)}
    )
    with pytest.raises(RuntimeError, match=message):
        kind.apply(leaf(1.0, 2.0)).sum().backward()


# ---- hooks ---------------------------------------------------------------------------------------------


def test_hooks_see_and_replace_gradients() -> None:
    log: list[Any] = []
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: log.append(("y", g.item())))
    y.register_hook(lambda g: g * 5)
    x.register_hook(lambda g: log.append(("x", g.item())))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("grad", p.grad.item())))
    y.grad_fn.register_prehook(lambda outs: log.append(("before", outs[0].item())))
    y.grad_fn.register_hook(lambda ins, outs: log.append(("after", ins[0].item())))
    y.backward()
    assert log == [("y", 1), ("before", 5), ("after", 10), ("x", 10), ("grad", 10)]


def test_a_place_in_the_graph_stands_for_a_tensor() -> None:
    x = leaf(3.0)
    y = x * 2
    edge = get_gradient_edge(y)
    assert isinstance(edge, GradientEdge)
    (grad,) = torch.autograd.grad((y * y).sum(), edge)
    assert grad.item() == 12


def test_saved_tensors_go_through_hooks() -> None:
    packed: list[Any] = []

    def pack(tensor: Any) -> int:
        packed.append(tensor.detach().clone())
        return len(packed) - 1

    x = leaf(1.0, 2.0)
    with saved_tensors_hooks(pack, lambda place: packed[place]):
        y = (x * x).exp()
    assert len(packed) == 3
    y.sum().backward()
    plain = leaf(1.0, 2.0)
    (plain * plain).exp().sum().backward()
    assert torch.equal(x.grad, plain.grad)


def test_hooks_on_saved_tensors_are_of_their_thread() -> None:
    seen: list[int] = []
    with saved_tensors_hooks(lambda t: (seen.append(1), t)[1], lambda t: t):
        thread = threading.Thread(target=lambda: leaf(1.0).exp())
        thread.start()
        thread.join()
    assert seen == []


# ---- modes ---------------------------------------------------------------------------------------------


def test_inference_tensors_stay_out_of_graphs() -> None:
    x = leaf(1.0)
    with torch.inference_mode():
        inside = torch.ones(1, dtype=torch.float64)
        assert not torch.is_grad_enabled()
        assert torch.is_inference_mode_enabled()
    assert inside.is_inference()
    assert not inside.clone().is_inference()
    with pytest.raises(RuntimeError, match="saved for backward"):
        x * inside
    assert (x + inside).requires_grad
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        inside.add_(1)
    with pytest.raises(RuntimeError, match="inference tensor"):
        inside.requires_grad_()


def test_decorated_generators_switch_between_yields() -> None:
    @torch.no_grad()
    def modes() -> Any:
        for _ in range(2):
            yield torch.is_grad_enabled()

    seen = []
    for inside in modes():
        seen.append((inside, torch.is_grad_enabled()))
    assert seen == [(False, True), (False, True)]


# ---- anomalies -----------------------------------------------------------------------------------------


def test_nan_is_traced_to_the_line_that_made_it() -> None:
    x = leaf(0.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly():
            y = x / x  # the culprit
            with pytest.raises(RuntimeError, match="'DivBackward0' returned nan values in its 1th output"):
                y.backward()
    told = [str(w.message) for w in caught]
    assert any(
        "Error detected in DivBackward0" in text and "y = x / x  # the culprit" in text for text in told
    )
    assert not torch.is_anomaly_enabled()


# ---- Jacobians, functions of functions -----------------------------------------------------------------


def test_jacobians_and_hessians() -> None:
    functional = torch.autograd.functional
    x, v = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0])
    assert functional.jacobian(lambda t: t**2, x).tolist() == [[2, 0], [0, 4]]
    assert functional.hessian(lambda t: (t**3).sum(), x).tolist() == [[6, 0], [0, 12]]
    for product in (functional.hvp, functional.vhp):
        assert product(lambda t: (t**3).sum(), x, v)[1].tolist() == [18, -12]
    assert functional.jvp(lambda t: t**2, x, v)[1].tolist() == [6, -4]
    assert functional.vjp(lambda t: t**2, x, v)[1].tolist() == [6, -4]


def test_func() -> None:
    x = torch.tensor([1.0, 2.0])
    assert torch.func.grad(lambda t: (t**3).sum())(x).tolist() == [3, 12]
    assert torch.func.jacrev(lambda t: t**2)(x).tolist() == [[2, 0], [0, 4]]
    assert torch.func.hessian(lambda t: (t**3).sum())(x).tolist() == [[6, 0], [0, 12]]
    assert torch.func.vmap(torch.dot)(torch.ones(4, 2), torch.ones(4, 2)).tolist() == [2, 2, 2, 2]
    layer = torch.nn.Linear(2, 1)
    weight = torch.ones(1, 2)
    given = {"weight": weight, "bias": torch.zeros(1)}
    assert torch.func.functional_call(layer, given, (x,)).tolist() == [3]
    assert layer.weight is not weight
    with pytest.raises(NotImplementedError, match="side effects"):
        torch.func.functionalize


# ---- checkpoints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_change_no_gradient(reentrant: bool) -> None:
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Tanh(), torch.nn.Linear(8, 2)
    )
    x = torch.randn(3, 4)
    grads = []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        net.zero_grad()
        start = x.clone().requires_grad_()
        out = checkpoint(net, start, use_reentrant=reentrant) if checkpointed else net(start)
        out.sum().backward()
        grads.append([start.grad, *(p.grad for p in net.parameters())])
    for plain, again in zip(*grads, strict=True):
        assert torch.equal(plain, again)
    parts = checkpoint_sequential(net.eval(), 2, x.requires_grad_(), use_reentrant=reentrant)
    assert torch.equal(parts, net(x))


def test_a_checkpoint_that_computes_something_else_is_noticed() -> None:
    calls: list[int] = []

    def fickle(x: Any) -> Any:
        calls.append(1)
        return x.exp() if len(calls) == 1 else x

    with pytest.raises(CheckpointError, match="different number of tensors"):
        checkpoint(fickle, leaf(1.0), use_reentrant=False).sum().backward()
