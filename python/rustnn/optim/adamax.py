"""Adamax: Adam by the largest gradient."""

from __future__ import annotations

from rustnn import _C
from rustnn.optim.checks import check_betas, check_lr, check_not_negative
from rustnn.optim.optimizer import FusedOptimizer, count, rate_of
from rustnn.optim.recorded import parts, plus_decay, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import ParamsT

__all__ = ["Adamax"]


class Adamax(FusedOptimizer):
    """Adam that divides by the largest gradient of late instead of the mean square (Kingma and Ba, 2015).

    Settings are as in ``Adam``. ValueError for settings out of range. ``foreach`` is taken and changes
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
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
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
            "exp_avg": _C.zeros_like(param.detach()),
            "exp_inf": _C.zeros_like(param.detach()),
        }

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        beta1, beta2 = group["betas"]
        lr, tensor_lr = rate_of(group)
        _C._adamax_step(
            params,
            grads,
            states,
            lr,
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["maximize"],
            tensor_lr,
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        beta1, beta2 = group["betas"]
        grad, largest = parts(plus_decay(grad, param, group)), parts(entry["exp_inf"])
        mean = parts(entry["exp_avg"]).lerp_(grad, 1 - beta1).clone()
        largest.copy_(_C.maximum(largest.mul(beta2), grad.abs().add(group["eps"])))
        parts(param).sub_(mean.div(largest.clone()).mul(rate(group) / (1 - beta1 ** float(entry["step"]))))
