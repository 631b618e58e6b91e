"""What stands for torchvision where a script imports it: data sets and transforms (see `rustnn.compat`)."""

from __future__ import annotations

from rustnn import datasets as datasets
from rustnn.datasets import transforms as transforms

# The version of torchvision whose names these are.
__version__ = "0.28.0"
