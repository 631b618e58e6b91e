"""What all losses have in common."""

from __future__ import annotations

from rustnn._C import Tensor
from rustnn.nn.functional_loss import legacy_reduction
from rustnn.nn.module import Module

__all__ = [
    "_Loss",
    "_WeightedLoss",
]


class _Loss(Module):
    """``reduction`` is "mean", "sum" or "none" (one value an element).

    The other two arguments are its old form.
    """

    reduction: str

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = legacy_reduction(size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with weights, which are kept as a buffer."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
