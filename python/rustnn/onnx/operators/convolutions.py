"""Convolutions, and the windows of an image as columns."""

from __future__ import annotations

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

__all__ = ["batched"]


def batched(g: Graph, x: Any, dims: int) -> tuple[str, bool]:
    """An input with a batch dim, which is put in front where there is none; and whether it was."""
    if x.ndim == dims + 2:
        return g.value(x), False
    return g.unsqueeze(x, [0]), True


def _pads(g: Graph, padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """ONNX's pads: all beginnings, then all ends."""
    if padding == "valid":
        return [0] * (2 * len(kernel))
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [t // 2 for t in totals] + [t - t // 2 for t in totals]
    return list(padding) * 2


@maps("conv1d", "conv2d", "conv3d")
def convolution(g: Graph, call: Call) -> str:
    kernel = call["weight"].shape[2:]
    x, added = batched(g, call["input"], len(kernel))
    out = g.op(
        "Conv",
        [x, call["weight"], call["bias"]],
        kernel_shape=kernel,
        strides=call["stride"],
        pads=_pads(g, call["padding"], kernel, call["dilation"]),
        dilations=call["dilation"],
        group=call["groups"],
    )
    return g.squeeze(out, [0]) if added else out


@maps("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(g: Graph, call: Call) -> str:
    kernel = call["weight"].shape[2:]
    if any(isinstance(p, Dynamic) for p in call["output_padding"]):
        raise g.unsupported("an output_size that depends on a dynamic dim")
    x, added = batched(g, call["input"], len(kernel))
    out = g.op(
        "ConvTranspose",
        [x, call["weight"], call["bias"]],
        kernel_shape=kernel,
        strides=call["stride"],
        pads=list(call["padding"]) * 2,
        output_padding=call["output_padding"],
        dilations=call["dilation"],
        group=call["groups"],
    )
    return g.squeeze(out, [0]) if added else out


@maps("unfold")
def unfold(g: Graph, call: Call) -> str:
    """Columns of windows: a convolution whose filters pick one element each."""
    if "kernel_size" not in call.arguments:
        return _windows(g, call)
    x, kernel = call["input"], list(call["kernel_size"])
    name, added = batched(g, x, 2)
    channels, area = x.shape[-3], kernel[0] * kernel[1]
    if isinstance(channels, Dynamic):
        raise g.unsupported("a number of channels that is dynamic")
    filters = _C.eye(area, dtype=x.dtype).reshape(area, 1, *kernel).repeat(channels, 1, 1, 1)
    columns = g.op(
        "Conv",
        [name, g.tensor(filters)],
        kernel_shape=kernel,
        strides=call["stride"],
        pads=list(call["padding"]) * 2,
        dilations=call["dilation"],
        group=channels,
    )
    columns = g.op("Reshape", [columns, g.integers([0, channels * area, -1])])
    return g.squeeze(columns, [0]) if added else columns


def _windows(g: Graph, call: Call) -> str:
    """``Tensor.unfold``: windows along one dim, as a last dim of their own."""
    x, size, step = call["input"], call["size"], call["step"]
    dim = call["dimension"] % x.ndim
    count = call.out.shape[dim]
    if isinstance(count, Dynamic):
        raise g.unsupported("windows along a dim that is dynamic")
    places = [[i * step + j for j in range(size)] for i in range(count)]
    windows = g.op("Gather", [x, g.constant(places, _C.int64)], axis=dim)
    order = [d for d in range(x.ndim + 1) if d != dim + 1]
    return g.op("Transpose", [windows], perm=[*order, dim + 1])
