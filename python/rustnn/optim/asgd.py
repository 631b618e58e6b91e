"""ASGD: gradient descent and the mean of the places it came by."""

from __future__ import annotations

from rustnn import _C
from rustnn.optim.checks import check_lr, check_not_negative
from rustnn.optim.optimizer import FusedOptimizer, count, rate_of
from rustnn.optim.recorded import parts, plus_decay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import ParamsT

__all__ = ["ASGD"]


class ASGD(FusedOptimizer):
    """Gradient descent whose state ``ax`` is the mean of the parameter from step ``t0`` on.

    ``lambd`` shrinks the parameter, and with ``alpha`` the rate (Polyak and Juditsky, 1992). ValueError for a
    negative rate or decay. ``foreach`` is taken and changes
    nothing; with ``capturable`` a CUDA graph can have the step.
    """

    later_settings: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": count(0.0),
            "eta": count(float(group["lr"])),
            "mu": count(1.0),
            "ax": _C.zeros_like(param.detach()),
        }

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        lr, tensor_lr = rate_of(group)
        _C._asgd_step(
            params,
            grads,
            states,
            lr,
            group["lambd"],
            group["alpha"],
            group["t0"],
            group["weight_decay"],
            group["maximize"],
            tensor_lr,
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        lr, decay, steps = float(group["lr"]), group["lambd"], float(entry["step"])
        eta, mu = float(entry["eta"]), float(entry["mu"])
        grad = parts(plus_decay(grad, param, group))
        values, average = parts(param), parts(entry["ax"])
        values.mul_(1 - decay * eta).sub_(grad, alpha=eta)
        if mu == 1:
            average.copy_(values)
        else:
            average.add_(values.sub(average), alpha=mu)
        entry["eta"].fill_(lr / (1 + decay * lr * steps) ** group["alpha"])
        entry["mu"].fill_(1 / max(1.0, steps - group["t0"]))
