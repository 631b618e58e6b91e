"""PyTorch's names for the files of ``rustnn.nn``: ``rustnn.nn.modules.linear`` is ``rustnn.nn.linear``."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

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

# PyTorch's names for files that are called otherwise here, or are several.
for _name, _homes in (
    ("activation", ["activation", "attention"]),
    ("channelshuffle", ["resample"]),
    ("container", ["container", "parameter_container"]),
    ("fold", ["resample"]),
    ("linear_cross_entropy_options", ["linear_cross_entropy_options"]),
    ("pixelshuffle", ["resample"]),
    ("rnn", ["recurrent", "recurrent_cell"]),
    ("sparse", ["embedding"]),
    ("upsampling", ["resample"]),
    ("utils", ["argument_tuples"]),
):
    _found = [import_module(f"rustnn.nn.{_home}") for _home in _homes]
    _module = _found[0]
    if len(_found) > 1:
        _module = ModuleType(f"{__name__}.{_name}", "What these files have: " + ", ".join(_homes))
        for _part in _found:
            vars(_module).update({_key: getattr(_part, _key) for _key in _part.__all__})
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _module
