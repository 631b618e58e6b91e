"""Rprop: a step size for each element."""

from __future__ import annotations

from rustnn import _C
from rustnn.optim.checks import check_lr
from rustnn.optim.optimizer import FusedOptimizer, count
from rustnn.optim.recorded import parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn._C import Tensor
    from rustnn.optim.optimizer import ParamsT

__all__ = ["Rprop"]


class Rprop(FusedOptimizer):
    """Steps along the sign of the gradient, whose sizes grow and shrink element by element.

    ``etas`` are the factors after a change of sign and without one, ``step_sizes`` the least and the largest
    size, ``lr`` the first (Riedmiller and Braun, 1993). For whole data sets, not for batches. ValueError for
    settings out of range. ``foreach`` is taken and changes
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
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        size = float(group["lr"])
        return {
            "step": count(0.0),
            "prev": _C.zeros_like(param.detach()),
            # Real and imaginary parts have sizes of their own.
            "step_size": _C.full_like(param.detach(), complex(size, size) if param.is_complex() else size),
        }

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        eta_minus, eta_plus = group["etas"]
        least, most = group["step_sizes"]
        _C._rprop_step(
            params,
            grads,
            states,
            eta_minus,
            eta_plus,
            least,
            most,
            group["maximize"],
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        eta_minus, eta_plus = group["etas"]
        least, most = group["step_sizes"]
        grad, last, size = parts(grad), parts(entry["prev"]), parts(entry["step_size"])
        agreement = grad.mul(last.clone())
        factor = _C.ones_like(agreement).masked_fill(agreement > 0, eta_plus)
        size.mul_(factor.masked_fill(agreement < 0, eta_minus)).clamp_(least, most)
        grad = grad.masked_fill(agreement < 0, 0.0)
        parts(param).sub_(grad.sign().mul(size.clone()))
        last.copy_(grad)
