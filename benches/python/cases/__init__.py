"""What is measured against PyTorch, in groups.

A group has a goal for the geometric mean of its cases' ratios, PyTorch's time over ours; 0 where none is set.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import data, files, images, layers, models, optimizers, overhead, pointwise, products, rows, sequences
from .case import Case, namespace

__all__ = ["GROUPS", "Case", "Group", "namespace"]


@dataclass(frozen=True)
class Group:
    name: str
    mean: float
    cases: list[Case]


GROUPS = [
    Group("What is not arithmetic", 5, overhead.CASES),
    Group("Element by element", 4, pointwise.CASES),
    Group("Rows: reductions, norms, scans, sorting", 4, rows.CASES),
    Group("Matrix products", 1.2, products.CASES),
    Group("Images: convolution, pooling, batch norm, interpolation", 3, images.CASES),
    Group("Sequences: attention, embedding, recurrent layers", 2, sequences.CASES),
    Group("Training", 2, models.TRAINING),
    Group("Inference", 2, models.INFERENCE),
    Group("Layers in small sizes", 0, layers.CASES),
    Group("Optimizers over many elements", 0, optimizers.CASES),
    Group("Data loaders", 0, data.CASES),
    Group("Files", 0, files.CASES),
]
