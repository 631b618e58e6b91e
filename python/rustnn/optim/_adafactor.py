"""Adafactor: the mean squares of a matrix from those of its rows and columns."""

from __future__ import annotations

from math import sqrt

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.optim.optimizer import Optimizer, call_closure, count, with_gradients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.optim.optimizer import ParamsT

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adaptive steps with little memory: a matrix keeps one number a row and one a column.

    The step is relative to the root mean square of the parameter, which counts as ``eps[1]`` at least, and
    is cut where its own root mean square is above ``d``. The means remember ``1 - t ** beta2_decay`` of what
    was (Shazeer and Stern, 2018). ValueError for settings out of range. ``foreach`` changes nothing.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        for i, value in enumerate(eps, 1):
            if value is not None and not value >= 0.0:
                raise ValueError(f"epsilon{i} should be >= 0 but is: {value}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
            for param in group["params"]:
                entry = self.state.get(param)
                if entry and not isinstance(entry["step"], Tensor):
                    entry["step"] = count(float(entry["step"]))

    def _new_state(self, grad: Tensor) -> dict[str, Any]:
        if grad.dim() > 1:
            *rest, rows, columns = grad.shape
            return {
                "step": count(0.0),
                "row_var": grad.new_zeros((*rest, rows, 1)),
                "col_var": grad.new_zeros((*rest, 1, columns)),
            }
        return {"step": count(0.0), "variance": _C.zeros_like(grad)}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returns.

        RuntimeError for complex parameters.
        """
        loss = call_closure(closure)
        with no_grad():
            for group in self.param_groups:
                for param, grad in zip(*with_gradients(group["params"]), strict=True):
                    if param.is_complex():
                        raise RuntimeError("Adafactor does not support complex parameters")
                    entry = self.state[param]
                    if not entry:
                        entry.update(self._new_state(grad))
                    _update(param, grad, entry, group)
        return loss


def _update(param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]) -> None:
    lr, d = float(group["lr"]), group["d"]
    eps1, eps2 = group["eps"]
    if eps1 is None:
        from rustnn.numeric_limits import finfo

        eps1 = finfo(param.dtype).eps
    if group["maximize"]:
        grad = -grad
    entry["step"] += 1
    t = entry["step"].item()
    new = t ** group["beta2_decay"]
    size = param.numel() ** 0.5
    rate = max(eps2, _norm(param) / size) * min(lr, 1 / t**0.5)
    if group["weight_decay"] != 0:
        param.mul_(1 - lr * group["weight_decay"])
    square = grad * grad
    if grad.dim() > 1:
        row, column = entry["row_var"], entry["col_var"]
        row.lerp_(square.mean(-1, keepdim=True), new)
        column.lerp_(square.mean(-2, keepdim=True), new)
        square = row / row.mean(-2, keepdim=True).clamp_(min=eps1) * column
    else:
        entry["variance"].lerp_(square, new)
        square = entry["variance"].clone()
    update = square.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
    cut = max(1.0, _norm(update) / (size * d))
    param.add_(update, alpha=-rate / cut)


def _norm(x: Tensor) -> float:
    """The root of the sum of squares."""
    line = x.reshape(-1)
    return sqrt(float(line.dot(line)))
