"""Adam, and AdamW, whose weight decay is not part of the gradient."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.optim.optimizer import Optimizer, call_closure, check_switches, with_gradients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.optim.optimizer import Params

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps of about ``lr``, along the running mean of the gradient over the root of that of its square.

    ``betas`` say how long the two means remember, ``eps`` keeps the quotient finite, ``weight_decay`` w adds
    ``w * p`` to the gradient (or shrinks p itself, if ``decoupled_weight_decay``), ``amsgrad`` divides by the
    largest square so far, ``maximize`` climbs (Kingma and Ba, 2015). ValueError for settings out of range.
    ``foreach``, ``capturable`` and ``fused`` are taken and change nothing.
    """

    def __init__(
        self,
        params: Params,
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
        check_switches(lr, foreach, differentiable, fused)
        for what, value in (
            ("learning rate", lr),
            ("epsilon value", eps),
            ("weight_decay value", weight_decay),
        ):
            if not value >= 0.0:
                raise ValueError(f"Invalid {what}: {value}")
        for i, beta in enumerate((betas[0], betas[1])):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
            for param in group["params"]:
                entry = self.state.get(param)
                if entry and not isinstance(entry["step"], Tensor):  # a number in old checkpoints
                    entry["step"] = _C.tensor(float(entry["step"]), dtype=_C.float32)

    def _new_state(self, param: Tensor, amsgrad: bool) -> dict[str, Tensor]:
        """What is remembered about a parameter, before its first step."""
        entry = self.state[param] = {
            "step": _C.zeros((), dtype=_C.float32),
            "exp_avg": _C.zeros_like(param.detach()),
            "exp_avg_sq": _C.zeros_like(param.detach()),
        }
        if amsgrad:
            entry["max_exp_avg_sq"] = _C.zeros_like(param.detach())
        return entry

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returns."""
        loss = None if closure is None else call_closure(closure)
        state = self.state
        for group in self.param_groups:
            params, grads = with_gradients(group["params"])
            if not params:
                continue
            amsgrad = group["amsgrad"]
            states = [state[param] or self._new_state(param, amsgrad) for param in params]
            beta1, beta2 = group["betas"]
            _C._adam_step(
                params,
                grads,
                [entry["exp_avg"] for entry in states],
                [entry["exp_avg_sq"] for entry in states],
                [entry["max_exp_avg_sq"] for entry in states] if amsgrad else [],
                [entry["step"] for entry in states],
                float(group["lr"]),
                float(beta1),
                float(beta2),
                group["eps"],
                group["weight_decay"],
                amsgrad,
                group["maximize"],
                group["decoupled_weight_decay"],
            )
        return loss


class AdamW(Adam):
    """Adam whose ``weight_decay`` w shrinks the parameters by ``lr * w`` instead of joining the gradient.

    (Loshchilov and Hutter, 2019.)
    """

    def __init__(
        self,
        params: Params,
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
