"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import no_grad
from rustnn.optim.optimizer import Optimizer, call_closure, with_gradients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.optim.optimizer import ParamsT

__all__ = ["Muon"]

_RATES = ("original", "match_rms_adamw")


class Muon(Optimizer):
    """The momentum of a matrix, with all singular values moved to about one (Jordan et al., 2024).

    For 2-d parameters, such as the weights of hidden layers. ``ns_steps`` steps of a Newton-Schulz iteration
    with the polynomial ``ns_coefficients`` in bfloat16 make the momentum orthogonal. ``adjust_lr_fn`` says
    how the rate depends on the shape: "original" (the default) or "match_rms_adamw". ValueError for settings
    out of range and for parameters that are no matrices.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in _RATES:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{param.size()}"
                    )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returns.

        RuntimeError for complex parameters.
        """
        loss = call_closure(closure)
        with no_grad():
            for group in self.param_groups:
                lr, momentum = float(group["lr"]), group["momentum"]
                for param, grad in zip(*with_gradients(group["params"]), strict=True):
                    if param.is_complex():
                        raise RuntimeError("Muon does not support complex parameters")
                    entry = self.state[param]
                    if not entry:
                        entry["momentum_buffer"] = _C.zeros_like(grad)
                    buffer = entry["momentum_buffer"]
                    buffer.lerp_(grad, 1 - momentum)
                    update = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
                    update = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
                    param.mul_(1 - lr * group["weight_decay"])
                    param.add_(update, alpha=-_rate(lr, group["adjust_lr_fn"], param.shape))
        return loss


def _orthogonal(matrix: Tensor, coefficients: tuple[float, ...], steps: int, eps: float) -> Tensor:
    """About the orthogonal factor of the polar decomposition, in bfloat16."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.bfloat16()
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = _C.addmm(x, _C.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def _rate(lr: float, kind: str | None, shape: tuple[int, ...]) -> float:
    """The rate for a matrix of this shape."""
    rows, columns = shape
    if kind == "match_rms_adamw":
        return float(lr * 0.2 * max(rows, columns) ** 0.5)
    return float(lr * max(1.0, rows / columns) ** 0.5)
