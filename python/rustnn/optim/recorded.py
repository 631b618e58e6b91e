"""What the steps that are recorded on the tape (``differentiable=True``) have in common."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["decayed", "parts", "plus_decay", "rate", "update_means"]


def rate(group: dict[str, Any]) -> float | Tensor:
    """The rate of a group; as a tensor it has no dims, and gets a gradient."""
    lr: float | Tensor = group["lr"]
    return lr.reshape(()) if isinstance(lr, Tensor) else lr


def parts(tensor: Tensor) -> Tensor:
    """Real and imaginary parts of a complex tensor, which are updated as numbers of their own."""
    return _C.view_as_real(tensor) if tensor.is_complex() else tensor


def plus_decay(grad: Tensor, param: Tensor, group: dict[str, Any]) -> Tensor:
    """The gradient with ``weight_decay`` times the parameter."""
    decay = group["weight_decay"]
    if isinstance(decay, Tensor):
        return grad.add(param.clone().mul(decay))  # a clone, for the parameter changes after it is saved
    return grad.add(param, alpha=decay) if decay else grad


def decayed(param: Tensor, grad: Tensor, group: dict[str, Any]) -> Tensor:
    """The gradient with the decay that is added to it; decoupled decay is taken off the parameter at once."""
    if not group["decoupled_weight_decay"]:
        return plus_decay(grad, param, group)
    param.mul_(1 - rate(group) * group["weight_decay"])
    return grad


def update_means(entry: dict[str, Any], grad: Tensor, betas: Any) -> tuple[Tensor, Tensor]:
    """The running means of the gradient and its square, a step further."""
    mean, square = parts(entry["exp_avg"]), parts(entry["exp_avg_sq"])
    mean.lerp_(grad, 1 - betas[0])
    square.lerp_(grad.mul(grad), 1 - betas[1])
    return mean.clone(), square.clone()  # clones, for the means change after they are saved
