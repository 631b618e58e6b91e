"""Adagrad: steps that shrink with the sum of squares."""

from __future__ import annotations

from rustnn import _C
from rustnn.optim.checks import check_lr, check_not_negative, check_switches
from rustnn.optim.optimizer import FusedOptimizer, count
from rustnn.optim.recorded import parts, plus_decay, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import ParamsT

__all__ = ["Adagrad"]


class Adagrad(FusedOptimizer):
    """The gradient over the root of the sum of its squares so far (Duchi, Hazan and Singer, 2011).

    The sum starts at ``initial_accumulator_value``; ``lr_decay`` lets the rate fall as ``lr / (1 + (t - 1) *
    lr_decay)``. ValueError for negative settings. ``foreach`` and ``fused`` are taken and change nothing.
    """

    later_settings: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        check_switches(foreach, differentiable, fused)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param] = self._new_state(param, group)

    def share_memory(self) -> None:
        """Move the state to shared memory."""
        for group in self.param_groups:
            for param in group["params"]:
                for tensor in self.state[param].values():
                    tensor.share_memory_()

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        first = group["initial_accumulator_value"]
        return {
            "step": count(0.0),
            "sum": _C.full_like(param.detach(), complex(first, first) if param.is_complex() else first),
        }

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        _C._adagrad_step(
            params,
            grads,
            states,
            float(group["lr"]),
            group["lr_decay"],
            group["weight_decay"],
            group["eps"],
            group["maximize"],
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        grad = parts(plus_decay(grad, param, group))
        lr = rate(group) / (1 + (float(entry["step"]) - 1) * group["lr_decay"])
        root = parts(entry["sum"]).addcmul_(grad, grad).sqrt().add(group["eps"])
        parts(param).sub_(grad.div(root).mul(lr))
