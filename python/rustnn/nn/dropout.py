"""Dropout: noise in training, nothing in evaluation."""

from __future__ import annotations

from rustnn._C import Tensor
from rustnn.nn import functional as F
from rustnn.nn.module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training every element is set to 0 with probability ``p`` and multiplied by ``1 / (1 - p)``
    otherwise.

    ValueError unless 0 <= p <= 1.
    """

    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
