"""What settings of optimizers must satisfy."""

from __future__ import annotations

from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["check_betas", "check_lr", "check_not_negative", "check_switches"]


def check_lr(lr: Any) -> None:
    """ValueError for a negative rate, and for a tensor of more than one."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_not_negative(**settings: Any) -> None:
    """ValueError for a negative one; ``eps`` is called epsilon."""
    for name, value in settings.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {'epsilon' if name == 'eps' else name} value: {value}")


def check_betas(betas: Any) -> None:
    """ValueError unless both are in [0, 1)."""
    for i in range(2):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_switches(foreach: bool | None, differentiable: bool, fused: bool | None) -> None:
    """RuntimeError where switches exclude each other. Every step is fused, whichever way is asked for."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
