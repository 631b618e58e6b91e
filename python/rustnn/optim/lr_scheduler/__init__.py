"""Schedulers: they change the learning rates of an optimizer from epoch to epoch."""

from __future__ import annotations

from rustnn.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from rustnn.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from rustnn.optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from rustnn.optim.lr_scheduler.factor import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from rustnn.optim.lr_scheduler.plateau import ReduceLROnPlateau
from rustnn.optim.lr_scheduler.scheduler import EPOCH_DEPRECATION_WARNING as EPOCH_DEPRECATION_WARNING
from rustnn.optim.lr_scheduler.scheduler import LRScheduler

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

# Pickles name classes by this package, as PyTorch's do.
for _name in __all__:
    globals()[_name].__module__ = __name__


class _LRScheduler(LRScheduler):
    """The name that ``LRScheduler`` had once."""
