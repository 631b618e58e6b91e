"""Optimizers: the numbers of their steps by hand, groups, state and what they refuse."""

from __future__ import annotations

import copy
import math

import pytest

import rustnn
from rustnn import nn, optim


def parameter(*values):
    return nn.Parameter(rustnn.tensor(values, dtype=rustnn.float64))


def step(optimizer, *pairs):
    """One step with these (parameter, gradient)."""
    for param, gradient in pairs:
        param.grad = rustnn.tensor(gradient, dtype=rustnn.float64)
    optimizer.step()


def test_sgd_goes_down_the_gradient():
    p = parameter(1.0, 2.0)
    step(optim.SGD([p], lr=0.1), (p, [1.0, -1.0]))
    assert p.tolist() == pytest.approx([0.9, 2.1])


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_momentum_and_decay_by_hand(nesterov):
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.5, nesterov=nesterov)
    value, velocity = 1.0, 0.0
    for i, gradient in enumerate((1.0, -2.0, 0.5)):
        step(optimizer, (p, [gradient]))
        g = gradient + 0.5 * value
        velocity = g if i == 0 else 0.9 * velocity + g
        value -= 0.1 * (g + 0.9 * velocity if nesterov else velocity)
        assert p.item() == pytest.approx(value)
    assert optimizer.state[p]["momentum_buffer"].item() == pytest.approx(velocity)


def test_dampening_and_maximize():
    p = parameter(0.0)
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5, dampening=0.5, maximize=True)
    step(optimizer, (p, [1.0]))
    step(optimizer, (p, [1.0]))
    assert p.item() == pytest.approx(1.0 + (0.5 + 0.5))


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_by_hand(decoupled, amsgrad):
    p = parameter(1.0)
    make = optim.AdamW if decoupled else optim.Adam
    optimizer = make([p], lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, amsgrad=amsgrad)
    value, mean, square, largest = 1.0, 0.0, 0.0, 0.0
    for i, gradient in enumerate((3.0, -0.1, 0.2), start=1):
        step(optimizer, (p, [gradient]))
        g = gradient if decoupled else gradient + 0.1 * value
        if decoupled:
            value *= 1 - 0.1 * 0.1
        mean = 0.8 * mean + 0.2 * g
        square = 0.9 * square + 0.1 * g * g
        largest = max(largest, square)
        root = math.sqrt((largest if amsgrad else square) / (1 - 0.9**i))
        value -= 0.1 * (mean / (1 - 0.8**i)) / (root + 1e-3)
        assert p.item() == pytest.approx(value)
    assert optimizer.state[p]["step"].item() == 3
    assert ("max_exp_avg_sq" in optimizer.state[p]) == amsgrad


def test_parameters_without_gradient_are_left_alone():
    p, q = parameter(1.0), parameter(1.0)
    optimizer = optim.Adam([p, q])
    step(optimizer, (p, [1.0]))
    assert q.item() == 1.0
    assert q not in optimizer.state


def test_groups_have_their_own_settings():
    p, q = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 0.5}], lr=0.1)
    step(optimizer, (p, [1.0]), (q, [1.0]))
    assert (p.item(), q.item()) == pytest.approx((0.9, 0.5))
    optimizer.add_param_group({"params": [parameter(2.0)]})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5, 0.1]
    assert repr(optimizer).startswith("SGD (\nParameter Group 0\n    dampening: 0\n")


def test_the_rate_may_be_a_tensor_or_change():
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=rustnn.tensor(0.5))
    step(optimizer, (p, [1.0]))
    optimizer.param_groups[0]["lr"] = 0.25
    step(optimizer, (p, [1.0]))
    assert p.item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
        lambda p: optim.AdamW(p, lr=0.1),
        lambda p: optim.NAdam(p, lr=0.1),
        lambda p: optim.RAdam(p, lr=0.1),
        lambda p: optim.Adamax(p, lr=0.1),
        lambda p: optim.Adagrad(p, lr=0.1),
        lambda p: optim.Adadelta(p, lr=0.1),
        lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
        lambda p: optim.Rprop(p, lr=0.1),
        lambda p: optim.ASGD(p, lr=0.1, t0=1),
        lambda p: optim.Adafactor(p, lr=0.1),
    ],
)
def test_training_resumes_from_its_state(make):
    p = parameter(1.0, 2.0)
    optimizer = make([p])
    step(optimizer, (p, [1.0, 3.0]))
    q = nn.Parameter(p.detach().clone())
    resumed = make([q])
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for gradient in ([0.5, 1.0], [-1.0, 2.0]):
        step(optimizer, (p, gradient))
        step(resumed, (q, gradient))
    assert q.tolist() == pytest.approx(p.tolist())
    state = optimizer.state_dict()
    assert state["param_groups"][0]["params"] == [0]
    assert list(state["state"]) == [0]


def test_states_of_other_shape_are_refused():
    optimizer = optim.SGD([parameter(1.0)], lr=0.1)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})


def test_closures_hooks_and_zero_grad():
    p = parameter(3.0)
    optimizer = optim.SGD([p], lr=0.5)
    calls = []
    optimizer.register_step_pre_hook(lambda *args: calls.append("before"))
    handle = optimizer.register_step_post_hook(lambda *args: calls.append("after"))

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with rustnn.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert p.item() == 0.0
    handle.remove()
    optimizer.step()
    assert calls == ["before", "after", "before"]
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.item() == 0.0
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD(p, lr=0.1), TypeError, "should be an iterable of Tensors or dicts"),
        (lambda p: optim.SGD([], lr=0.1), ValueError, "empty parameter list"),
        (lambda p: optim.SGD([3], lr=0.1), TypeError, "one of the params is int"),
        (lambda p: optim.SGD([p * 2], lr=0.1), ValueError, "non-leaf Tensor"),
        (lambda p: optim.SGD([{"params": {p}}], lr=0.1), TypeError, "ordered collections"),
        (
            lambda p: optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1),
            ValueError,
            "more than one parameter group",
        ),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "Nesterov momentum requires"),
        (lambda p: optim.Adam([p], betas=(2.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 2.0"),
        (lambda p: optim.Adam([p], eps=-1), ValueError, "Invalid epsilon value: -1"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(parameter(1.0))


@pytest.mark.parametrize(
    "name", "Adam NAdam RAdam Adamax Adagrad Adadelta RMSprop Rprop SGD Adafactor".split()
)
def test_every_optimizer_goes_down(name):
    p = parameter(1.0, -2.0)
    optimizer = getattr(optim, name)([p], lr=0.05)
    first = (p * p).sum().item()
    for _ in range(30):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
    assert (p * p).sum().item() < first


def test_lbfgs_finds_the_minimum_of_a_banana():
    p = parameter(-1.2, 1.0)
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=100, tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    assert p.tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_muon_moves_along_an_orthogonal_matrix():
    p = nn.Parameter(rustnn.zeros(4, 3))
    optimizer = optim.Muon([p], lr=1.0, weight_decay=0.0, ns_steps=8)
    p.grad = rustnn.randn(4, 3)
    optimizer.step()
    values = rustnn.linalg.svdvals(p.detach() / (4 / 3) ** 0.5)
    assert (values > 0.6).all()
    assert (values < 1.3).all()


def test_a_recorded_step_refuses_leaves():
    p = parameter(1.0)
    optimizer = optim.Adam([p], differentiable=True)
    p.grad = rustnn.ones(1, dtype=rustnn.float64)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"):
        optimizer.step()


def test_mismatched_states_are_errors():
    p = parameter(1.0, 2.0)
    optimizer = optim.Adam([p])
    step(optimizer, (p, [1.0, 1.0]))
    state = optimizer.state[p]
    state["exp_avg"] = rustnn.zeros(3, dtype=rustnn.float64)
    with pytest.raises(RuntimeError, match="must match"):
        optimizer.step()
    state["exp_avg"] = 3
    with pytest.raises(TypeError, match="exp_avg"):
        optimizer.step()
    del state["exp_avg"]
    with pytest.raises(KeyError, match="exp_avg"):
        optimizer.step()


def test_a_step_on_other_parameters():
    p, q = parameter(1.0), parameter(5.0)
    optimizer = optim.SGD([p], lr=0.5, momentum=0.5)
    step(optimizer, (p, [1.0]))
    state = copy.deepcopy(optimizer.state_dict())
    with optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, state):
        step(optimizer, (q, [1.0]))
    assert (p.item(), q.item()) == (0.5, 4.25)
    assert state["state"][0]["momentum_buffer"].item() == 1.5
    assert optimizer.state[p]["momentum_buffer"].item() == 1.0


def test_hooks_of_all_optimizers():
    from rustnn.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    calls = []
    handles = [
        register_optimizer_step_pre_hook(lambda o, args, kwargs: calls.append(type(o).__name__)),
        register_optimizer_step_post_hook(lambda o, args, kwargs: calls.append("after")),
    ]
    optim.Adam([parameter(1.0)]).step()
    optim.SGD([parameter(1.0)]).step()
    for handle in handles:
        handle.remove()
    optim.SGD([parameter(1.0)]).step()
    assert calls == ["Adam", "after", "SGD", "after"]


def test_an_optimizer_with_a_scheduler_is_not_kept_alive():
    import gc
    import weakref

    gc.disable()
    try:
        optimizer = optim.SGD([parameter(1.0)])
        scheduler = optim.lr_scheduler.StepLR(optimizer, 2)
        optimizer.step()
        scheduler.step()
        dead = weakref.ref(optimizer)
        del optimizer, scheduler
        assert dead() is None
    finally:
        gc.enable()
