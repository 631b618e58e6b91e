"""Stochastic gradient descent."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.optim.checks import check_lr, check_not_negative, check_switches
from rustnn.optim.optimizer import FusedOptimizer
from rustnn.optim.recorded import plus_decay, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn.optim.optimizer import ParamsT

__all__ = ["SGD"]


class SGD(FusedOptimizer):
    """``p -= lr * v``, where v is the gradient, or with ``momentum`` m the running sum ``v = m * v + (1 -
    dampening) * g``.

    ``weight_decay`` w adds ``w * p`` to the gradient, ``nesterov`` looks one step ahead, ``maximize`` climbs.
    ValueError for negative settings. ``foreach`` and ``fused`` are taken and change nothing.
    """

    _counts_steps = False
    later_settings: ClassVar[dict[str, Any]] = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: ParamsT,
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
        check_lr(lr)
        check_not_negative(momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_switches(foreach, differentiable, fused)
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

    def _states(self, params: list[Tensor], group: dict[str, Any]) -> list[dict[str, Any]]:
        if group["momentum"]:
            return [self.state[param] for param in params]
        return [{}] * len(params)  # nothing is kept

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        settings = (float(group["weight_decay"]), group["nesterov"], group["maximize"])
        lr, momentum, dampening = float(group["lr"]), group["momentum"], group["dampening"]
        fresh = []
        if momentum:
            fresh = [i for i, entry in enumerate(states) if entry.get("momentum_buffer") is None]
        if not fresh:
            _C._sgd_step(params, grads, states, lr, momentum, dampening, *settings)
            return
        # The first step takes the gradient as it is: nothing is dampened.
        for i in fresh:
            states[i]["momentum_buffer"] = _C.zeros_like(params[i].detach())
        later = [i for i in range(len(params)) if i not in set(fresh)]
        for members, dampened in ((fresh, 0.0), (later, dampening)):
            _C._sgd_step(
                [params[i] for i in members],
                [grads[i] for i in members],
                [states[i] for i in members],
                lr,
                momentum,
                dampened,
                *settings,
            )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        grad = plus_decay(grad, param, group)
        momentum, step = group["momentum"], grad
        if momentum:
            buffer = entry.get("momentum_buffer")
            if buffer is None:
                # As in PyTorch, the first step with momentum is cut off from its gradient.
                entry["momentum_buffer"] = buffer = grad.detach().clone()
            else:
                buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            step = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer.clone()
        param.sub_(step.mul(rate(group)))
