"""Adam, and AdamW, whose weight decay is not part of the gradient."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.optim.checks import check_betas, check_lr, check_not_negative, check_switches
from rustnn.optim.optimizer import FusedOptimizer, count, rate_of
from rustnn.optim.recorded import decayed, parts, rate, update_means

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from rustnn.optim.optimizer import ParamsT

__all__ = ["Adam", "AdamW"]


class Adam(FusedOptimizer):
    """Steps of about ``lr``, along the running mean of the gradient over the root of that of its square.

    ``betas`` say how long the two means remember, ``eps`` keeps the quotient finite, ``weight_decay`` w adds
    ``w * p`` to the gradient (or shrinks p itself, if ``decoupled_weight_decay``), ``amsgrad`` divides by the
    largest square so far, ``maximize`` climbs (Kingma and Ba, 2015). ValueError for settings out of range.
    ``foreach`` and ``fused`` are taken and change
    nothing; with ``capturable`` a CUDA graph can have the step.
    """

    later_settings: ClassVar[dict[str, Any]] = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        check_not_negative(eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        tensors = [isinstance(beta, Tensor) for beta in betas]
        if tensors[0] != tensors[1]:
            raise ValueError("betas must be either both floats or both Tensors")
        if tensors[0] and foreach and not capturable:
            raise ValueError("betas[0] as a Tensor is not supported for capturable=False and foreach=True")
        check_switches(foreach, differentiable, fused)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        entry = {
            "step": count(0.0),
            "exp_avg": _C.zeros_like(param.detach()),
            "exp_avg_sq": _C.zeros_like(param.detach()),
        }
        if group["amsgrad"]:
            entry["max_exp_avg_sq"] = _C.zeros_like(param.detach())
        return entry

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        beta1, beta2 = group["betas"]
        lr, tensor_lr = rate_of(group)
        _C._adam_step(
            params,
            grads,
            states,
            lr,
            float(beta1),
            float(beta2),
            group["eps"],
            group["weight_decay"],
            group["amsgrad"],
            group["maximize"],
            group["decoupled_weight_decay"],
            tensor_lr,
        )

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        lr, (beta1, beta2), steps = rate(group), group["betas"], float(entry["step"])
        grad = decayed(param, grad, group)
        mean, square = update_means(entry, parts(grad), group["betas"])
        if group["amsgrad"]:
            largest = parts(entry["max_exp_avg_sq"])
            square = _C.maximum(largest.clone(), square)
            largest.copy_(square)
        root = square.div(1 - beta2**steps).sqrt().add(group["eps"])
        parts(param).sub_(mean.div(root).mul(lr / (1 - beta1**steps)))


class AdamW(Adam):
    """Adam whose ``weight_decay`` w shrinks the parameters by ``lr * w`` instead of joining the gradient.

    (Loshchilov and Hutter, 2019.)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
