"""Adadelta: steps in the unit of the parameter."""

from __future__ import annotations

from rustnn import _C
from rustnn.optim.checks import check_lr, check_not_negative
from rustnn.optim.optimizer import FusedOptimizer, count, rate_of
from rustnn.optim.recorded import parts, plus_decay, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import ParamsT

__all__ = ["Adadelta"]


class Adadelta(FusedOptimizer):
    """The gradient over its root mean square, times the root mean square of the steps so far (Zeiler, 2012).

    ``rho`` says how long both means remember, ``lr`` multiplies the step. ValueError for settings out of
    range. ``foreach`` is taken and changes
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
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": count(0.0),
            "square_avg": _C.zeros_like(param.detach()),
            "acc_delta": _C.zeros_like(param.detach()),
        }

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        lr, tensor_lr = rate_of(group)
        _C._adadelta_step(
            params,
            grads,
            states,
            lr,
            group["rho"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
            tensor_lr,
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        rho, eps = group["rho"], group["eps"]
        grad, changes = parts(plus_decay(grad, param, group)), parts(entry["acc_delta"])
        root = parts(entry["square_avg"]).mul_(rho).addcmul_(grad, grad, value=1 - rho).add(eps).sqrt()
        change = changes.add(eps).sqrt().div(root).mul(grad)
        changes.mul_(rho).addcmul_(change, change, value=1 - rho)
        parts(param).sub_(change.mul(rate(group)))
