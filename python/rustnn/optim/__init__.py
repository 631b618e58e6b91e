"""Optimizers: they change parameters by their gradients."""

from __future__ import annotations

from rustnn.optim.adam import Adam, AdamW
from rustnn.optim.optimizer import Optimizer
from rustnn.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
