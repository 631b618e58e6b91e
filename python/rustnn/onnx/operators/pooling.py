"""Pooling: one value for every window."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps
from rustnn.onnx.operators.convolutions import batched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor
    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph


def _stride(call: Call) -> list[int]:
    return list(call["stride"] or call["kernel_size"])


def _check_ceil(g: Graph, call: Call, dilation: list[int]) -> None:
    """Rounded up, ONNX counts a window that begins in the padding at the end, and PyTorch does not."""
    kernel = list(call["kernel_size"])
    if not call["ceil_mode"]:
        return
    windows = zip(kernel, _stride(call), call["padding"], dilation, strict=True)
    dims = zip(call["input"].shape[-len(kernel) :], call.out.shape[-len(kernel) :], windows, strict=True)
    for size, count, (k, s, p, d) in dims:
        if not isinstance(size, Dynamic) and -(-(size + 2 * p - d * (k - 1) - 1) // s) + 1 != count:
            raise g.unsupported("a last window that begins in the padding (ceil_mode)")


@maps(
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
)
def max_pool(g: Graph, call: Call) -> str | list[str]:
    kernel = list(call["kernel_size"])
    _check_ceil(g, call, call["dilation"])
    x, added = batched(g, call["input"], len(kernel))
    indexed = call.name.endswith("_with_indices")
    out = g.ops(
        "MaxPool",
        [x],
        1 + indexed,
        kernel_shape=kernel,
        strides=_stride(call),
        pads=list(call["padding"]) * 2,
        dilations=call["dilation"],
        ceil_mode=int(call["ceil_mode"]),
    )
    if indexed:
        # ONNX counts through the whole tensor, PyTorch through each plane.
        area = g.op("ReduceProd", [g.sizes(call["input"].shape[-len(kernel) :])], keepdims=0)
        out[1] = g.op("Mod", [out[1], area])
    if added:
        out = [g.squeeze(name, [0]) for name in out]
    return out if indexed else out[0]


@maps("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(g: Graph, call: Call) -> str:
    kernel, dtype = list(call["kernel_size"]), call.out.dtype
    _check_ceil(g, call, [1] * len(kernel))
    x, added = batched(g, call["input"], len(kernel))
    divisor = call.get("divisor_override")
    out = g.op(
        "AveragePool",
        [x],
        kernel_shape=kernel,
        strides=_stride(call),
        pads=list(call["padding"]) * 2,
        ceil_mode=int(call["ceil_mode"]),
        count_include_pad=int(call["count_include_pad"] or divisor is not None),
    )
    if divisor is not None:
        if call["ceil_mode"]:
            raise g.unsupported("divisor_override together with ceil_mode")
        out = g.op("Mul", [out, g.constant(math.prod(kernel) / divisor, dtype)])
    return g.squeeze(out, [0]) if added else out


@maps("lp_pool1d", "lp_pool2d", "lp_pool3d")
def lp_pool(g: Graph, call: Call) -> str:
    kernel, norm = list(call["kernel_size"]), call["norm_type"]
    if norm not in (1, 2) or call["ceil_mode"]:
        raise g.unsupported("norms other than 1 and 2, or ceil_mode")
    x, added = batched(g, call["input"], len(kernel))
    out = g.op("LpPool", [x], kernel_shape=kernel, strides=_stride(call), p=int(norm))
    return g.squeeze(out, [0]) if added else out


def _windows(g: Graph, call: Call, dims: int) -> tuple[list[Any], list[int]]:
    """The sizes of the input, and how many windows are wanted along each."""
    sizes = call["input"].shape[-dims:]
    wanted = list(call["output_size"])
    if any(isinstance(w, Dynamic) for w in wanted):
        raise g.unsupported("a dynamic number of windows")
    return sizes, wanted


def _even(sizes: list[Any], wanted: list[int]) -> bool:
    """Whether all windows are equally large and do not overlap."""
    return all(not isinstance(s, Dynamic) and s % w == 0 for s, w in zip(sizes, wanted, strict=True))


def _averages(size: int, windows: int, dtype: Any) -> Tensor:
    """(windows, size): the weight of each element in each window's average."""
    rows = []
    for i in range(windows):
        start, stop = i * size // windows, -(-(i + 1) * size // windows)
        rows.append([1 / (stop - start) if start <= j < stop else 0.0 for j in range(size)])
    return _C.tensor(rows, dtype=dtype)


@maps("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool(g: Graph, call: Call) -> str:
    dims = int(call.name[-2])
    return averages(g, call, dims, *_windows(g, call, dims))


def averages(g: Graph, call: Call, dims: int, sizes: list[Any], wanted: list[Any]) -> str:
    """The averages of as many windows as are wanted along the last dims."""
    x = call["input"]
    if any(isinstance(w, Dynamic) for w in wanted):
        raise g.unsupported("a dynamic number of windows")
    if all(w == 1 for w in wanted):
        return g.reduce("ReduceMean", x, list(range(-dims, 0)), True)
    if _even(sizes, wanted):
        kernel = [s // w for s, w in zip(sizes, wanted, strict=True)]
        name, added = batched(g, x, dims)
        out = g.op("AveragePool", [name], kernel_shape=kernel, strides=kernel)
        return g.squeeze(out, [0]) if added else out
    if any(isinstance(s, Dynamic) for s in sizes):
        raise g.unsupported("windows of an input whose size is dynamic, other than a single one")
    # Along each dim a product with the weights of the windows.
    name = g.value(x)
    for axis in range(-dims, 0):
        weights = g.tensor(_averages(sizes[axis], wanted[axis], x.dtype))
        letters = "abcdefg"[: x.ndim]
        old = letters[axis]
        equation = f"{letters},z{old}->{letters.replace(old, 'z')}"
        name = g.op("Einsum", [name, weights], equation=equation)
    return name


@maps("adaptive_max_pool1d", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices")
def adaptive_max_pool(g: Graph, call: Call) -> list[str]:
    dims = int(call.name.removesuffix("_with_indices")[-2])
    sizes, wanted = _windows(g, call, dims)
    if not _even(sizes, wanted):
        if any(w != 1 for w in wanted):
            raise g.unsupported("windows that are not equally large, or an input whose size is dynamic")
        values = g.reduce("ReduceMax", call["input"], list(range(-dims, 0)), True)
        lead = [0] * (call["input"].ndim - dims)
        flat = g.op("Reshape", [call["input"], g.integers([*lead, -1])])
        index = g.op("ArgMax", [flat], axis=-1, keepdims=1)
        return [values, g.unsqueeze(index, list(range(-dims + 1, 0))) if dims > 1 else index]
    kernel = [s // w for s, w in zip(sizes, wanted, strict=True)]
    x, added = batched(g, call["input"], dims)
    out = g.ops("MaxPool", [x], 2, kernel_shape=kernel, strides=kernel)
    out[1] = g.op("Mod", [out[1], g.constant(math.prod(sizes), _C.int64)])
    return [g.squeeze(name, [0]) for name in out] if added else out
