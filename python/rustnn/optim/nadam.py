"""NAdam: Adam that looks one step ahead."""

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

__all__ = ["NAdam"]


class NAdam(FusedOptimizer):
    """Adam with Nesterov's momentum (Dozat, 2016).

    ``momentum_decay`` says how fast the momentum grows to ``betas[0]``; the rest is as in ``Adam``.
    ValueError for settings out of range. ``foreach`` is taken and changes
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
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": count(0.0),
            "mu_product": count(1.0),
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
        _C._nadam_step(
            params,
            grads,
            states,
            lr,
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["momentum_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
            tensor_lr,
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        lr, (beta1, beta2), steps = rate(group), group["betas"], float(entry["step"])
        grad = decayed(param, grad, group)
        momenta = [beta1 * (1 - 0.5 * 0.96 ** (at * group["momentum_decay"])) for at in (steps, steps + 1)]
        entry["mu_product"].mul_(momenta[0])
        product = float(entry["mu_product"])
        grad = parts(grad)
        mean, square = update_means(entry, grad, group["betas"])
        root = square.div(1 - beta2**steps).sqrt().add(group["eps"])
        ahead = mean.mul(momenta[1] / (1 - product * momenta[1]))
        step = grad.mul((1 - momenta[0]) / (1 - product)).add(ahead).div(root)
        parts(param).sub_(step.mul(lr))
