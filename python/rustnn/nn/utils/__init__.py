"""What surrounds modules: clipping of gradients, parameters as a vector, sequences of different lengths."""

from __future__ import annotations

from rustnn.nn.utils import rnn
from rustnn.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from rustnn.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from rustnn.nn.utils.init import skip_init
from rustnn.nn.utils.memory_format import (
    convert_conv2d_weight_memory_format,
    convert_conv3d_weight_memory_format,
)
from rustnn.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from rustnn.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "convert_conv2d_weight_memory_format",
    "convert_conv3d_weight_memory_format",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]


def __getattr__(name: str) -> object:
    # These need layers, which need this package: they are imported when they are asked for.
    from importlib import import_module

    if name in ("fusion", "parametrizations", "parametrize", "prune", "stateless"):
        return import_module(f"rustnn.nn.utils.{name}")
    if name.startswith("fuse_"):
        found: object = getattr(import_module("rustnn.nn.utils.fusion"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
