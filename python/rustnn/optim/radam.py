"""RAdam: Adam that waits until it knows the variance."""

from __future__ import annotations

from rustnn import _C
from rustnn.optim.checks import check_betas, check_lr, check_not_negative
from rustnn.optim.optimizer import FusedOptimizer, count, rate_of
from rustnn.optim.recorded import decayed, parts, rate, update_means

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import ParamsT

__all__ = ["RAdam"]


class RAdam(FusedOptimizer):
    """Adam whose first steps do not divide by a root that is not known yet (Liu et al., 2020).

    Settings are as in ``Adam``. ValueError for settings out of range. ``foreach`` is taken and changes
    nothing; with ``capturable`` a CUDA graph can have the step.
    """

    later_settings: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": count(0.0),
            "exp_avg": _C.zeros_like(param.detach()),
            "exp_avg_sq": _C.zeros_like(param.detach()),
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
        _C._radam_step(
            params,
            grads,
            states,
            lr,
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
            tensor_lr,
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        lr, (beta1, beta2), steps = rate(group), group["betas"], float(entry["step"])
        grad = decayed(param, grad, group)
        mean, square = update_means(entry, parts(grad), group["betas"])
        step = mean.div(1 - beta1**steps)
        correction = 1 - beta2**steps
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * steps * beta2**steps / correction
        if length > 5:  # below that the variance of the second mean is not finite
            certainty = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            step = step.div(square.sqrt().add(group["eps"])).mul((correction * certainty) ** 0.5)
        parts(param).sub_(step.mul(lr))
