"""Readers for data that lies on this machine, and what is done to a sample before it is learnt from.

A reader takes a path, loads nothing from a network, and says which files to put where if they are missing.
Images are uint8 tensors (C, H, W); ``transforms`` makes of them what a network wants. For data that needs no
downloading, ``packaged`` reads what comes inside packages and with Python itself.
"""

from __future__ import annotations

from rustnn.datasets.arrays import read_npy, read_npz
from rustnn.datasets.cifar import CIFAR10, CIFAR100
from rustnn.datasets.idx import read_idx
from rustnn.datasets.image_folder import ImageFolder
from rustnn.datasets.images import Images
from rustnn.datasets.mnist import KMNIST, MNIST, FashionMNIST
from rustnn.datasets.packaged import (
    MNIST5k,
    breast_cancer,
    diabetes,
    digits,
    iris,
    python_topics,
    shakespeare,
    wine,
)
from rustnn.datasets.table import Table, read_csv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from rustnn.datasets import transforms as transforms

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "KMNIST",
    "MNIST",
    "FashionMNIST",
    "ImageFolder",
    "Images",
    "MNIST5k",
    "Table",
    "breast_cancer",
    "diabetes",
    "digits",
    "iris",
    "python_topics",
    "read_csv",
    "read_idx",
    "read_npy",
    "read_npz",
    "shakespeare",
    "transforms",
    "wine",
]


def __getattr__(name: str) -> ModuleType:
    if name == "transforms":
        from importlib import import_module

        return import_module("rustnn.datasets.transforms")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
