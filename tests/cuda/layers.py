"""One computation on the CPU and on a GPU: results, gradients and gradients of gradients must be alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from device_calls import alike, tensors

import rustnn as torch


def results(
    function: Callable[..., Any], data: tuple[Any, ...], device: str, *, second: bool = False
) -> list[Any]:
    """What `function` makes of copies of `data` on a device, the gradients of the floating tensors among them, and
    with `second` the gradients of the sum of these gradients' squares."""

    def place(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        moved = value.detach().to(device)
        return moved.requires_grad_() if value.is_floating_point() or value.is_complex() else moved

    arguments = [place(value) for value in data]
    found = tensors(function(*arguments))
    assert all(str(t.device).startswith(device) for t in found)
    roots = [t for t in found if t.requires_grad]
    leaves = [t for t in arguments if isinstance(t, torch.Tensor) and t.requires_grad]
    if not roots or not leaves:
        return found
    torch.manual_seed(3)
    weights = [torch.randn(r.shape, dtype=r.dtype).to(device) for r in roots]
    first = torch.autograd.grad(roots, leaves, weights, create_graph=second, allow_unused=True)
    first_there = [g for g in first if g is not None]
    found += first_there
    again = [g for g in first_there if g.requires_grad]
    if second and again:
        total = sum((g.abs() ** 2).sum() for g in again)
        found += [g for g in torch.autograd.grad(total, leaves, allow_unused=True) if g is not None]
    return found


def check(function: Callable[..., Any], *data: Any, second: bool = False) -> None:
    """Fails unless the GPU makes of `data` what the CPU makes of them."""
    expected = results(function, data, "cpu", second=second)
    got = results(function, data, "cuda", second=second)
    assert len(got) == len(expected)
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        most = (a.detach().cpu() - b.detach()).abs().max() if a.shape == b.shape and a.numel() else None
        assert alike(a, b), f"result {i}: {a.dtype}{tuple(a.shape)}, {b.dtype}{tuple(b.shape)}, {most}"
