"""PyTorch's names for the files of ``rustnn.nn``: ``rustnn.nn.modules.linear`` is ``rustnn.nn.linear``."""

from __future__ import annotations

import sys
from importlib import import_module

from rustnn.nn import *  # noqa: F403

for _name in (
    "activation",
    "adaptive",
    "attention",
    "batchnorm",
    "container",
    "conv",
    "distance",
    "dropout",
    "embedding",
    "flatten",
    "instancenorm",
    "lazy",
    "linear",
    "loss",
    "module",
    "normalization",
    "padding",
    "pooling",
    "recurrent",
    "recurrent_cell",
    "resample",
    "transformer",
):
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = import_module(f"rustnn.nn.{_name}")

# PyTorch's name for a file that is called otherwise here.
sparse = sys.modules[f"{__name__}.sparse"] = import_module("rustnn.nn.embedding")
