"""RMSprop: steps by the root of the mean square."""

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

__all__ = ["RMSprop"]


class RMSprop(FusedOptimizer):
    """The gradient over the root of the running mean of its square, or with ``centered`` of its variance.

    ``alpha`` says how long the mean remembers, ``momentum`` keeps a running sum of the steps (Hinton, 2012;
    Graves, 2013). ValueError for negative settings. ``foreach`` is taken and changes
    nothing; with ``capturable`` a CUDA graph can have the step.
    """

    later_settings: ClassVar[dict[str, Any]] = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        entry = {"step": count(0.0), "square_avg": _C.zeros_like(param.detach())}
        if group["momentum"] > 0:
            entry["momentum_buffer"] = _C.zeros_like(param.detach())
        if group["centered"]:
            entry["grad_avg"] = _C.zeros_like(param.detach())
        return entry

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        lr, tensor_lr = rate_of(group)
        _C._rmsprop_step(
            params,
            grads,
            states,
            lr,
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
            tensor_lr,
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        alpha, momentum = group["alpha"], group["momentum"]
        grad = parts(plus_decay(grad, param, group))
        spread = parts(entry["square_avg"]).mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = parts(entry["grad_avg"]).lerp_(grad, 1 - alpha).clone()
            spread = spread.addcmul(mean, mean, value=-1)
        step = grad.div(spread.sqrt().add(group["eps"]))
        if momentum > 0:
            step = parts(entry["momentum_buffer"]).mul_(momentum).add_(step).clone()
        parts(param).sub_(step.mul(rate(group)))
