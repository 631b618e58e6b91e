"""Normalisation over a batch, within a sample, over groups of channels."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call, Value
    from rustnn.onnx.graph import Graph


def _vector(g: Graph, given: Value | None, count: Any, number: float, dtype: Any) -> str:
    """A number for each channel."""
    return g.constant([number] * count, dtype) if given is None else g.value(given)


def _for_channels(g: Graph, x: Value | str, ndim: int) -> str:
    """A vector over channels, shaped so that it broadcasts over (N, C, ...)."""
    return g.unsqueeze(x, list(range(1, ndim - 1))) if ndim > 2 else x if isinstance(x, str) else g.value(x)


def _affine(g: Graph, x: str, weight: Value | None, bias: Value | None, ndim: int) -> str:
    if weight is not None:
        x = g.op("Mul", [x, _for_channels(g, weight, ndim)])
    return x if bias is None else g.op("Add", [x, _for_channels(g, bias, ndim)])


def _by_running(g: Graph, call: Call) -> str:
    x, mean, dtype = call["input"], call["running_mean"], call.out.dtype
    count = mean.shape[0]
    return g.op(
        "BatchNormalization",
        [
            x,
            _vector(g, call["weight"], count, 1.0, dtype),
            _vector(g, call["bias"], count, 0.0, dtype),
            mean,
            call["running_var"],
        ],
        epsilon=call["eps"],
    )


def _standardised(g: Graph, x: Any, axes: list[int], eps: float, dtype: Any) -> str:
    """The input with mean 0 and variance 1 along some axes."""
    distance = g.op("Sub", [x, g.reduce("ReduceMean", x, axes, True)])
    variance = g.reduce("ReduceMean", g.op("Mul", [distance, distance]), axes, True)
    return g.op("Div", [distance, g.op("Sqrt", [g.op("Add", [variance, g.constant(eps, dtype)])])])


@maps("batch_norm")
def batch_norm(g: Graph, call: Call) -> str:
    x = call["input"]
    if not call["training"]:
        return _by_running(g, call)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    return _affine(g, _standardised(g, x, axes, call["eps"], x.dtype), call["weight"], call["bias"], x.ndim)


@maps("instance_norm")
def instance_norm(g: Graph, call: Call) -> str:
    x = call["input"]
    if not call["use_input_stats"]:
        return _by_running(g, call)
    scale = _vector(g, call["weight"], x.shape[1], 1.0, x.dtype)
    shift = _vector(g, call["bias"], x.shape[1], 0.0, x.dtype)
    return g.op("InstanceNormalization", [x, scale, shift], epsilon=call["eps"])


@maps("group_norm")
def group_norm(g: Graph, call: Call) -> str:
    x, groups = call["input"], call["num_groups"]
    grouped = g.op("Reshape", [x, g.integers([0, groups, -1])])
    ones, zeros = g.constant([1.0] * groups, x.dtype), g.constant([0.0] * groups, x.dtype)
    normed = g.op("InstanceNormalization", [grouped, ones, zeros], epsilon=call["eps"])
    return _affine(g, g.op("Reshape", [normed, g.shape_of(x)]), call["weight"], call["bias"], x.ndim)


@maps("layer_norm")
def layer_norm(g: Graph, call: Call) -> str:
    x, shape, weight, bias = call["input"], list(call["normalized_shape"]), call["weight"], call["bias"]
    scale = g.value(weight) if weight is not None else g.tensor(_C.ones(shape, dtype=x.dtype))
    return g.op("LayerNormalization", [x, scale, bias], axis=-len(shape), epsilon=call["eps"])


@maps("rms_norm")
def rms_norm(g: Graph, call: Call) -> str:
    from rustnn.numeric_limits import finfo

    x, dtype = call["input"], call.out.dtype
    eps = finfo(dtype).eps if call["eps"] is None else call["eps"]
    axes = list(range(-len(call["normalized_shape"]), 0))
    square = g.reduce("ReduceMean", g.op("Mul", [x, x]), axes, True)
    out = g.op("Div", [x, g.op("Sqrt", [g.op("Add", [square, g.constant(eps, dtype)])])])
    return out if call["weight"] is None else g.op("Mul", [out, call["weight"]])


@maps("local_response_norm")
def local_response_norm(g: Graph, call: Call) -> str:
    x, size, dtype = call["input"], call["size"], call.out.dtype
    alpha, beta, k = float(call["alpha"]), float(call["beta"]), float(call["k"])
    if x.ndim == 4 and size % 2 == 1:
        return g.op("LRN", [x], size=size, alpha=alpha, beta=beta, bias=k)
    # Averages over channels, as pooling along the first dim of an image.
    image = g.op("Reshape", [g.op("Mul", [x, x]), g.integers([0, 1, x.shape[1], -1])])
    padded = g.op("Pad", [image, g.integers([0, 0, size // 2, 0, 0, 0, (size - 1) // 2, 0])])
    mean = g.op("AveragePool", [padded], kernel_shape=[size, 1], strides=[1, 1])
    scale = g.op("Add", [g.op("Mul", [mean, g.constant(alpha, dtype)]), g.constant(k, dtype)])
    power = g.op("Pow", [scale, g.constant(beta, dtype)])
    return g.op("Div", [x, g.op("Reshape", [power, g.shape_of(x)])])
