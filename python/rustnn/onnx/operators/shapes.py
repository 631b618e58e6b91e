"""Other shapes of the same elements, and parts of them."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph


@maps(
    "reshape",
    "view",
    "flatten",
    "unflatten",
    "ravel",
    "view_as",
    "reshape_as",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
)
def reshape(g: Graph, call: Call) -> str:
    if "dtype" in call.arguments:
        raise g.unsupported("the bytes of a tensor as another dtype")
    if "tensors" in call.arguments:
        raise g.unsupported("several tensors at once")
    return g.reshape(call["input"], call.out.shape, call["input"].shape)


@maps("squeeze")
def squeeze(g: Graph, call: Call) -> str:
    x = call["input"]
    axes = range(x.ndim) if call.get("dim") is None else [d % max(x.ndim, 1) for d in call["dim"]]
    gone = [axis for axis in axes if axis < x.ndim and x.shape[axis] == 1]
    return g.squeeze(x, gone) if gone else g.value(x)


@maps("unsqueeze")
def unsqueeze(g: Graph, call: Call) -> str:
    return g.unsqueeze(call["input"], [call["dim"]])


@maps("transpose", "permute", "movedim", "t", "numpy_T", "adjoint")
def permute(g: Graph, call: Call) -> str:
    x = call["input"]
    order = list(range(x.ndim))
    if call.name == "permute":
        order = [d % x.ndim for d in call["dims"]]
    elif call.name == "movedim":
        source = [d % x.ndim for d in call["source"]]
        target = [d % x.ndim for d in call["destination"]]
        rest = iter(d for d in order if d not in source)
        order = [source[target.index(d)] if d in target else next(rest) for d in range(x.ndim)]
    elif call.name == "numpy_T":
        order.reverse()
    elif x.ndim >= 2:
        a, b = (call["dim0"], call["dim1"]) if call.name == "transpose" else (-2, -1)
        order[a], order[b] = order[b], order[a]
    if order == list(range(x.ndim)):
        return g.value(x)
    return g.op("Transpose", [x], perm=order)


@maps("expand", "expand_as", "broadcast_to")
def expand(g: Graph, call: Call) -> str:
    x, shape = call["input"], list(call.out.shape)
    new = len(shape) - x.ndim
    # One means: as the input has it.
    wanted = [1 if i >= new and x.shape[i - new] == size else size for i, size in enumerate(shape)]
    if all(size == 1 for size in wanted) and not new:
        return g.value(x)
    return g.op("Expand", [x, g.sizes(wanted)])


@maps("broadcast_tensors")
def broadcast_tensors(g: Graph, call: Call) -> list[str]:
    shape = g.sizes(call.out.shape)
    return [g.op("Expand", [x, shape]) for x in call["tensors"]]


@maps("repeat", "tile")
def repeat(g: Graph, call: Call) -> str:
    x = call["input"]
    times = list(call["repeats"] if call.name == "repeat" else call["dims"])
    if len(times) < x.ndim:
        times = [1] * (x.ndim - len(times)) + times
    name = g.value(x)
    if len(times) > x.ndim:
        name = g.unsqueeze(name, list(range(len(times) - x.ndim)))
    return g.op("Tile", [name, g.sizes(times)])


@maps("repeat_interleave")
def repeat_interleave(g: Graph, call: Call) -> str:
    x, times, dim = call.get("input"), call["repeats"], call.get("dim")
    if x is None or not isinstance(times, int):
        raise g.unsupported("repetitions that are not one number")
    name, shape = g.value(x), list(x.shape)
    if dim is None:
        name, dim, shape = g.op("Reshape", [name, g.integers([-1])]), 0, [-1]
    dim %= len(shape)
    wide = [1] * (len(shape) + 1)
    wide[dim + 1] = times
    name = g.op("Expand", [g.unsqueeze(name, [dim + 1]), g.integers(wide)])
    return g.reshape(name, call.out.shape, shape)


# ---- parts -----------------------------------------------------------------------------------------------


@maps("chunk", "unsafe_chunk", "split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")
def split(g: Graph, call: Call) -> list[str]:
    x = call.get("input") or call["tensor"]
    dim = call["dim"] % x.ndim
    sizes = [part.shape[dim] for part in call.outputs]
    if len(sizes) == 1:
        return [g.value(x)]
    if "chunks" in call.arguments and any(isinstance(s, Dynamic) for s in sizes):
        return g.ops("Split", [x], len(sizes), axis=dim, num_outputs=len(sizes))
    return g.ops("Split", [x, g.sizes(sizes)], len(sizes), axis=dim)


@maps("tensor_split", "hsplit", "vsplit", "dsplit")
def tensor_split(g: Graph, call: Call) -> list[str]:
    x = call["input"]
    axes = {"hsplit": 0 if x.ndim == 1 else 1, "vsplit": 0, "dsplit": 2}
    dim = axes[call.name] if call.name in axes else call["dim"] % x.ndim
    sizes = [part.shape[dim] for part in call.outputs]
    return g.ops("Split", [x, g.sizes(sizes)], len(sizes), axis=dim)


@maps("unbind")
def unbind(g: Graph, call: Call) -> list[str]:
    return [
        g.op("Gather", [call["input"], g.constant(i, _C.int64)], axis=call["dim"])
        for i in range(len(call.outputs))
    ]


@maps("select")
def select(g: Graph, call: Call) -> str:
    index = call["index"]
    name = g.number(index, _C.int64) if isinstance(index, Dynamic) else g.constant(index, _C.int64)
    return g.op("Gather", [call["input"], name], axis=call["dim"])


@maps("narrow", "narrow_copy")
def narrow(g: Graph, call: Call) -> str:
    dim, start, length = call["dim"] % call["input"].ndim, call["start"], call["length"]
    if not isinstance(start, (int, Dynamic)):
        raise g.unsupported("a start that is a tensor")
    if start == 0 or not isinstance(start, int) or not isinstance(length, int):
        begin = g.size(start)
        end = g.size(length) if start == 0 else g.op("Add", [begin, g.size(length)])
        return g.op("Slice", [call["input"], begin, end, g.integers([dim])])
    stop = start + length
    return g.slice(call["input"], dim, start, None if stop == 0 else stop)


@maps("flip", "fliplr", "flipud")
def flip(g: Graph, call: Call) -> str:
    dims = call["dims"] if call.name == "flip" else [1 if call.name == "fliplr" else 0]
    count = len(dims)
    if not count:
        return g.value(call["input"])
    starts, ends = g.integers([-1] * count), g.integers([-(2**63) + 1] * count)
    return g.op("Slice", [call["input"], starts, ends, g.integers(dims), g.integers([-1] * count)])


@maps("roll")
def roll(g: Graph, call: Call) -> str:
    x, shifts, dims = call["input"], call["shifts"], call["dims"]
    name, shape = g.value(x), x.shape
    if not dims:
        # All elements in one row.
        name, dims = g.op("Reshape", [name, g.integers([-1])]), [0]
        shape = [0 if any(isinstance(s, Dynamic) for s in shape) else math.prod(shape)]
    for shift, dim in zip(shifts, dims, strict=True):
        size = shape[dim]
        if isinstance(shift, Dynamic):
            raise g.unsupported("a shift that is dynamic")
        shift = shift if isinstance(size, Dynamic) or not size else shift % size
        if shift:
            parts = [g.slice(name, dim, -shift, None), g.slice(name, dim, 0, -shift)]
            name = g.op("Concat", parts, axis=dim)
    return name if call["dims"] else g.reshape(name, x.shape)


@maps("diagonal")
def diagonal(g: Graph, call: Call) -> str:
    x, offset = call["input"], call["offset"]
    first, second = call["dim1"] % x.ndim, call["dim2"] % x.ndim
    rows, columns = x.shape[first], x.shape[second]
    if isinstance(rows, Dynamic) or isinstance(columns, Dynamic):
        raise g.unsupported("the diagonal of a matrix whose size is dynamic")
    order = [d for d in range(x.ndim) if d not in (first, second)] + [first, second]
    lead = [x.shape[d] for d in order[:-2]]
    name = g.value(x) if order == list(range(x.ndim)) else g.op("Transpose", [x], perm=order)
    flat = g.reshape(name, [*lead, rows * columns], [x.shape[d] for d in order])
    top, left = max(-offset, 0), max(offset, 0)
    length = max(min(rows - top, columns - left), 0)
    places = [(top + i) * columns + left + i for i in range(length)]
    return g.op("Gather", [flat, g.constant(places, _C.int64)], axis=len(lead))


@maps("tril", "triu")
def tril(g: Graph, call: Call) -> str:
    x, dtype = call["input"], call["input"].dtype
    diagonal = call["diagonal"]
    offset = g.number(diagonal, _C.int64) if isinstance(diagonal, Dynamic) else None
    if offset is None and diagonal:
        offset = g.constant(diagonal, _C.int64)
    through = _C.int32 if dtype == _C.bool else dtype
    out = g.op("Trilu", [g.operand(x, through), offset], upper=int(call.name == "triu"))
    return g.cast(out, dtype) if through != dtype else out


# ---- between channels and space --------------------------------------------------------------------------


def _known(g: Graph, sizes: list[Any]) -> None:
    if any(isinstance(s, Dynamic) for s in sizes):
        raise g.unsupported("a number of channels that is dynamic")


@maps("pixel_shuffle")
def pixel_shuffle(g: Graph, call: Call) -> str:
    x = call["input"]
    if x.ndim == 3:
        out = g.op("DepthToSpace", [g.unsqueeze(x, [0])], blocksize=call["upscale_factor"], mode="CRD")
        return g.squeeze(out, [0])
    if x.ndim != 4:
        raise g.unsupported("more than one dim of batches")
    return g.op("DepthToSpace", [x], blocksize=call["upscale_factor"], mode="CRD")


@maps("pixel_unshuffle")
def pixel_unshuffle(g: Graph, call: Call) -> str:
    x, r = call["input"], call["downscale_factor"]
    if x.ndim != 4:
        raise g.unsupported("an input without exactly one dim of batches")
    _known(g, x.shape[1:2])
    channels, (height, width) = x.shape[1], call.out.shape[2:]
    parted = g.reshape(x, [x.shape[0], channels, height, r, width, r], x.shape[:2])
    turned = g.op("Transpose", [parted], perm=[0, 1, 3, 5, 2, 4])
    return g.reshape(turned, call.out.shape, x.shape[:1])


@maps("channel_shuffle")
def channel_shuffle(g: Graph, call: Call) -> str:
    x, groups = call["input"], call["groups"]
    _known(g, x.shape[1:2])
    rest = x.shape[2:]
    parted = g.reshape(x, [x.shape[0], groups, x.shape[1] // groups, *rest], x.shape[:1])
    turned = g.op("Transpose", [parted], perm=[0, 2, 1, *range(3, 3 + len(rest))])
    return g.reshape(turned, x.shape, x.shape[:1])
