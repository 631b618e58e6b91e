"""Update steps on a GPU are those of the CPU: every optimizer, its options, over many steps."""

from __future__ import annotations

from typing import Any

import pytest

import rustnn as torch

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}, {"maximize": True}],
    "Adagrad": [{}, {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}, {"initial_accumulator_value": 0.5}],
    "Adam": [{}, {"amsgrad": True, "weight_decay": 0.1}, {"betas": (0.4, 0.6), "maximize": True}],
    "AdamW": [{}, {"weight_decay": 0.3}],
    "Adamax": [{}, {"betas": (0.4, 0.6), "weight_decay": 0.1}, {"maximize": True}],
    "ASGD": [{}, {"lr": 0.1, "lambd": 0.1, "t0": 3, "weight_decay": 0.1}, {"alpha": 0.5, "maximize": True}],
    "NAdam": [{}, {"weight_decay": 0.1, "decoupled_weight_decay": True}, {"momentum_decay": 0.1}],
    "RAdam": [
        {},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        {"betas": (0.4, 0.6), "maximize": True},
    ],
    "RMSprop": [
        {},
        {"centered": True},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"centered": True, "momentum": 0.9, "alpha": 0.4, "maximize": True},
    ],
    "Rprop": [{}, {"lr": 0.1, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.5)}, {"maximize": True}],
    "SGD": [
        {},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.9, "dampening": 0.2},
    ],
}
SHAPES = [(1500,), (3, 5), (), (0,), (7,)]
STEPS = 12


def run(device: str, name: str, options: dict[str, Any], dtype: Any) -> tuple[list[Any], list[Any]]:
    """The parameters after some steps along given gradients, and their states."""
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(shape).to(dtype).to(device)) for shape in SHAPES]
    optimizer = getattr(torch.optim, name)(parameters, **options)
    for step in range(STEPS):
        for p in parameters:
            p.grad = (torch.randn(p.shape) * (1 + step % 3)).to(dtype).to(device)
        if step == STEPS // 2:  # settings of a group may change, and parameters may be without a gradient
            optimizer.param_groups[0]["lr"] *= 0.5
            parameters[1].grad = None
        optimizer.step()
    states = [
        value.detach().cpu()
        for p in parameters
        for _, value in sorted(optimizer.state[p].items())
        if isinstance(value, torch.Tensor) and value.dim() == p.dim() > 0
    ]
    return [p.detach().cpu() for p in parameters], states


@pytest.mark.parametrize("name", OPTIONS)
def test_steps(name: str) -> None:
    for options in OPTIONS[name]:
        expected, got = (run(device, name, options, torch.float32) for device in ("cpu", "cuda"))
        for a, b in zip(expected[0] + expected[1], got[0] + got[1], strict=True):
            assert torch.allclose(a, b, rtol=2e-5, atol=2e-6), options


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_dtypes(dtype: Any) -> None:
    near = {torch.float64: 1e-12, torch.float16: 4e-3, torch.bfloat16: 3e-2}[dtype]
    for name in ("Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop"):
        expected, got = (run(device, name, {}, dtype) for device in ("cpu", "cuda"))
        for a, b in zip(expected[0], got[0], strict=True):
            assert a.dtype == b.dtype == dtype
            assert torch.allclose(a.double(), b.double(), rtol=near, atol=near), name


def test_other_layouts_and_complex_numbers() -> None:
    for name in ("Adagrad", "RMSprop"):
        results = []
        for device in ("cpu", "cuda"):
            torch.manual_seed(1)
            turned = torch.nn.Parameter(torch.randn(4, 3).t().to(device))
            pairs = torch.nn.Parameter(torch.randn(5, dtype=torch.complex64).to(device))
            optimizer = getattr(torch.optim, name)([turned, pairs], lr=0.1)
            for _ in range(4):
                turned.grad = torch.randn(3, 4).to(device)
                pairs.grad = torch.randn(5, dtype=torch.complex64).to(device)
                optimizer.step()
            results.append([turned.detach().cpu(), torch.view_as_real(pairs.detach().cpu())])
        for a, b in zip(*results, strict=True):
            assert torch.allclose(a, b, rtol=2e-5, atol=2e-6), name


def test_many_parameters_of_several_settings() -> None:
    # More than a launch takes, in two groups.
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(2)
        parameters = [torch.nn.Parameter(torch.randn(10 + i).to(device)) for i in range(60)]
        groups = [{"params": parameters[:31]}, {"params": parameters[31:], "lr": 0.5, "weight_decay": 0.1}]
        optimizer = torch.optim.RMSprop(groups, lr=0.01, momentum=0.5)
        for _ in range(3):
            for p in parameters:
                p.grad = torch.randn(p.shape).to(device)
            optimizer.step()
        results.append([p.detach().cpu() for p in parameters])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=2e-5, atol=2e-6)


def test_infinite_gradients() -> None:
    for name in ("Adadelta", "Adamax", "Rprop", "RAdam"):
        results = []
        for device in ("cpu", "cuda"):
            p = torch.nn.Parameter(torch.ones(4).to(device))
            optimizer = getattr(torch.optim, name)([p])
            for _ in range(2):
                p.grad = torch.tensor([float("inf"), float("-inf"), float("nan"), 0.0]).to(device)
                optimizer.step()
            results.append(p.detach().cpu())
        assert torch.allclose(results[0], results[1], equal_nan=True), name
