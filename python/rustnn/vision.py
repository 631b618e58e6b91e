"""What stands for torchvision where a script imports it: data, transforms, models (see `rustnn.compat`)."""

from __future__ import annotations

from rustnn import datasets as datasets
from rustnn import vision_models as models
from rustnn.datasets import grid as utils
from rustnn.datasets import transforms as transforms

__all__ = ["datasets", "models", "transforms", "utils"]

# The version of torchvision whose names these are.
__version__ = "0.28.0"
