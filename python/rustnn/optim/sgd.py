"""Stochastic gradient descent."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.optim.optimizer import Optimizer, call_closure, check_switches, with_gradients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.optim.optimizer import Params

__all__ = ["SGD"]


class SGD(Optimizer):
    """``p -= lr * v``, where v is the gradient, or with ``momentum`` m the running sum ``v = m * v + (1 -
    dampening) * g``.

    ``weight_decay`` w adds ``w * p`` to the gradient, ``nesterov`` looks one step ahead, ``maximize`` climbs.
    ValueError for negative settings. ``foreach`` and ``fused`` are taken and change nothing.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_switches(lr, foreach, differentiable, fused)
        for what, value in (
            ("learning rate", lr),
            ("momentum value", momentum),
            ("weight_decay value", weight_decay),
        ):
            if value < 0.0:
                raise ValueError(f"Invalid {what}: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returns."""
        loss = None if closure is None else call_closure(closure)
        state = self.state
        for group in self.param_groups:
            params, grads = with_gradients(group["params"])
            if not params:
                continue
            momentum = group["momentum"]
            states = [state[param] for param in params] if momentum else []
            new_buffers = _C._sgd_step(
                params,
                grads,
                [entry.get("momentum_buffer") for entry in states],
                float(group["lr"]),
                momentum,
                group["dampening"],
                float(group["weight_decay"]),
                group["nesterov"],
                group["maximize"],
            )
            for entry, buffer in zip(states, new_buffers, strict=False):
                entry["momentum_buffer"] = buffer
        return loss
