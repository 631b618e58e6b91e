"""Elements by their places: slices, indices, masks."""

from __future__ import annotations

from typing import NamedTuple

from rustnn import _C
from rustnn.onnx.calls import Value
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

_LAST = 2**63 - 1


class _Part(NamedTuple):
    """What an index says of one dim of the input, or of a new one (None)."""

    index: Any
    dim: int


def _parts(g: Graph, index: Any, ndim: int) -> list[_Part]:
    """An index, part by part."""
    parts = list(index) if isinstance(index, tuple) else [index]
    taken = sum(1 for p in parts if p is not None and p is not Ellipsis and not isinstance(p, bool))
    for p in parts:
        if isinstance(p, Value) and p.dtype in (_C.bool, _C.uint8):
            raise g.unsupported("how many elements a mask picks depends on the input; use where() instead")
        if isinstance(p, bool):
            raise g.unsupported("True and False as indices")
    if Ellipsis in [p for p in parts if not isinstance(p, (Value, Dynamic))]:
        place = next(i for i, p in enumerate(parts) if p is Ellipsis)
        parts[place : place + 1] = [slice(None)] * (ndim - taken)
    found, dim = [], 0
    for p in parts:
        found.append(_Part(p, dim))
        dim += p is not None
    return found


def _is_whole(index: Any) -> bool:
    return (
        isinstance(index, slice)
        and index.start in (None, 0)
        and index.stop is None
        and index.step in (None, 1)
    )


def _scalar(g: Graph, index: Any) -> str:
    return g.number(index, _C.int64) if isinstance(index, Dynamic) else g.constant(index, _C.int64)


def _list(g: Graph, index: Any) -> str:
    """A list of indices, or a tensor of them."""
    if isinstance(index, Value):
        return g.operand(index, _C.int64)
    return g.constant(list(index), _C.int64)


def _slices(g: Graph, name: str, parts: list[_Part], shape: list[Any]) -> str:
    """All slices of an index at once."""
    starts, stops, steps, axes = [], [], [], []
    for index, dim in parts:
        if not isinstance(index, slice) or _is_whole(index):
            continue
        start = 0 if index.start is None else index.start
        stop = _LAST if index.stop is None else index.stop
        step = 1 if index.step is None else index.step
        if any(isinstance(x, Value) for x in (start, stop, step)):
            raise g.unsupported("a slice whose limits are tensors")
        size = shape[dim]
        if start == 0 and step == 1 and isinstance(stop, int) and isinstance(size, int) and stop >= size:
            continue
        starts.append(start)
        stops.append(stop)
        steps.append(step)
        axes.append(dim)
    if not axes:
        return name
    inputs = [name, g.sizes(starts), g.sizes(stops), g.integers(axes)]
    return g.op("Slice", inputs if all(s == 1 for s in steps) else [*inputs, g.sizes(steps)])


@maps("getitem")
def getitem(g: Graph, call: Call) -> str:
    x = call["input"]
    parts = _parts(g, call["index"], x.ndim)
    name = _slices(g, g.value(x), parts, x.shape)
    lists = [p for p in parts if isinstance(p.index, (Value, list)) and not _is_number(p.index)]
    numbers = [p for p in parts if isinstance(p.index, (int, Dynamic)) or _is_number(p.index)]
    if not lists:
        # From the last to the first, so that dims keep their places.
        if len(numbers) == 1:
            index = numbers[0].index
            scalar = g.operand(index, _C.int64) if isinstance(index, Value) else _scalar(g, index)
            name = g.op("Gather", [name, scalar], axis=numbers[0].dim)
        else:
            for index, dim in reversed(numbers):
                scalar = g.operand(index, _C.int64) if isinstance(index, Value) else _scalar(g, index)
                name = g.op("Gather", [name, scalar], axis=dim)
        return _with_new_dims(g, name, parts)
    if len(lists) == 1 and not numbers and not any(p.index is None for p in parts):
        return g.op("Gather", [name, _list(g, lists[0].index)], axis=lists[0].dim)
    return _gathered(g, call, name, parts)


def _is_number(index: Any) -> bool:
    """A tensor without dims stands for a number."""
    return isinstance(index, Value) and index.ndim == 0


def _with_new_dims(g: Graph, name: str, parts: list[_Part]) -> str:
    left = [p for p in parts if p.index is None or isinstance(p.index, slice)]
    new = [place for place, p in enumerate(left) if p.index is None]
    return g.unsqueeze(name, new) if new else name


def _gathered(g: Graph, call: Call, name: str, parts: list[_Part]) -> str:
    """Several lists of indices, which are taken together."""
    x = call["input"]
    picked = [p for p in parts if p.index is not None and not isinstance(p.index, slice)]
    if any(p.index is None for p in parts):
        raise g.unsupported("new dims together with several lists of indices")
    dims = [p.dim for p in picked]
    rest = [d for d in range(x.ndim) if d not in dims]
    columns = []
    for p in picked:
        index = p.index
        column = _list(g, index) if isinstance(index, (Value, list)) else _scalar(g, index)
        columns.append(column)
    total = columns[0]
    for column in columns[1:]:
        total = g.op("Add", [total, column])
    shape = g.shape_of(total)
    columns = [g.unsqueeze(g.op("Expand", [column, shape]), [-1]) for column in columns]
    index_name = g.op("Concat", columns, axis=-1) if len(columns) > 1 else columns[0]
    order = dims + rest
    if order != list(range(x.ndim)):
        name = g.op("Transpose", [name], perm=order)
    out = g.op("GatherND", [name, index_name])
    # What was indexed stands first, or where the lists stood if they stood side by side.
    width = call.out.ndim - len(rest)
    side_by_side = dims == list(range(dims[0], dims[0] + len(dims)))
    if not side_by_side or dims[0] == 0:
        return out
    front, ndim = dims[0], call.out.ndim
    perm = [*range(width, width + front), *range(width), *range(width + front, ndim)]
    return g.op("Transpose", [out], perm=perm)


# ---- writing ---------------------------------------------------------------------------------------------


@maps("setitem")
def setitem(g: Graph, call: Call) -> str:
    x, dtype = call["input"], call.out.dtype
    index, value = call["index"], g.operand(call["value"], dtype)
    if isinstance(index, Value) and index.dtype == _C.bool:
        return _set_where(g, x, index, call["value"], value)
    parts = _parts(g, index, x.ndim)
    if any(isinstance(p.index, (Value, list)) for p in parts):
        return _set_lists(g, call, parts, value)
    # The value with all dims of the region that it is written to.
    region = _slices(
        g, g.value(x), [_Part(_as_slice(p.index), p.dim) for p in parts if p.index is not None], x.shape
    )
    gone = [p.dim for p in parts if isinstance(p.index, (int, Dynamic))]
    shown = g.squeeze(region, gone) if gone else region
    new = [
        i
        for i, p in enumerate(p for p in parts if p.index is None or isinstance(p.index, slice))
        if p.index is None
    ]
    if new:
        shown = g.unsqueeze(shown, new)
    value = g.op("Expand", [value, g.shape_of(shown)])
    if new:
        value = g.squeeze(value, new)
    if gone:
        value = g.unsqueeze(value, gone)
    real = [p for p in parts if p.index is not None and not _is_whole(p.index)]
    return _replaced(g, g.value(x), real, value)


def _as_slice(index: Any) -> Any:
    if not isinstance(index, (int, Dynamic)):
        return index
    if isinstance(index, Dynamic):
        return slice(index, Dynamic(n + 1 for n in index.values))
    return slice(index, index + 1 if index != -1 else None)


def _replaced(g: Graph, x: str, parts: list[_Part], value: str) -> str:
    """The tensor with another content in a region: dim by dim, what is before, in and behind it."""
    if not parts:
        return value
    (index, dim), rest = parts[0], parts[1:]
    span = _as_slice(index)
    if span.step not in (None, 1):
        raise g.unsupported("writing to every second element or fewer")
    start = 0 if span.start is None else span.start
    if rest:
        value = _replaced(g, g.slice(x, dim, start, span.stop), rest, value)
    pieces = []
    if start != 0:
        pieces.append(g.slice(x, dim, 0, start))
    pieces.append(value)
    if span.stop is not None:
        pieces.append(g.slice(x, dim, span.stop, None))
    return pieces[0] if len(pieces) == 1 else g.op("Concat", pieces, axis=dim)


def _set_where(g: Graph, x: Value, mask: Value, given: Any, value: str) -> str:
    if isinstance(given, Value) and given.ndim > 0 and given.shape != [1]:
        raise g.unsupported("writing several values to where a mask is true")
    name = g.value(mask)
    if mask.ndim < x.ndim:
        name = g.unsqueeze(name, list(range(mask.ndim, x.ndim)))
    return g.op("Where", [name, value, x])


def _set_lists(g: Graph, call: Call, parts: list[_Part], value: str) -> str:
    x = call["input"]
    dims = [p.dim for p in parts if not (isinstance(p.index, slice) and _is_whole(p.index))]
    if dims != list(range(len(dims))) or any(
        p.index is None or isinstance(p.index, slice) for p in parts[: len(dims)]
    ):
        raise g.unsupported("writing to lists of indices that do not stand first")
    return _scattered(g, x, [p.index for p in parts[: len(dims)]], value, None)


def _scattered(g: Graph, x: Value, indices: list[Any], value: str, reduction: str | None) -> str:
    columns = [_list(g, i) if isinstance(i, (Value, list)) else _scalar(g, i) for i in indices]
    total = columns[0]
    for column in columns[1:]:
        total = g.op("Add", [total, column])
    shape = g.shape_of(total)
    columns = [g.unsqueeze(g.op("Expand", [column, shape]), [-1]) for column in columns]
    index = g.op("Concat", columns, axis=-1) if len(columns) > 1 else columns[0]
    rest = g.op("Shape", [x], start=len(indices))
    value = g.op("Expand", [value, g.op("Concat", [shape, rest], axis=0)])
    return g.op("ScatterND", [x, index, value], reduction=reduction)


@maps("index_put")
def index_put(g: Graph, call: Call) -> str:
    indices = list(call["indices"])
    if any(isinstance(i, Value) and i.dtype == _C.bool for i in indices):
        if len(indices) == 1 and not call["accumulate"]:
            value = g.operand(call["values"], call.out.dtype)
            return _set_where(g, call["input"], indices[0], call["values"], value)
        raise g.unsupported("masks among the indices")
    value = g.operand(call["values"], call.out.dtype)
    return _scattered(g, call["input"], indices, value, "add" if call["accumulate"] else None)


@maps("select_scatter", "slice_scatter")
def select_scatter(g: Graph, call: Call) -> str:
    dim = call["dim"] % call["input"].ndim
    value = g.operand(call["src"], call.out.dtype)
    if call.name == "select_scatter":
        return _replaced(g, g.value(call["input"]), [_Part(call["index"], dim)], g.unsqueeze(value, [dim]))
    span = slice(call["start"], call["end"], call["step"])
    return _replaced(g, g.value(call["input"]), [_Part(span, dim)], value)


# ---- by index tensors ------------------------------------------------------------------------------------


@maps("gather", "take_along_dim")
def gather(g: Graph, call: Call) -> str:
    x = call["input"]
    index = call["index"] if call.name == "gather" else call["indices"]
    dim = call["dim"]
    name = g.operand(index, _C.int64)
    if dim is None:
        x, dim = g.op("Reshape", [x, g.integers([-1])]), 0
        name = g.op("Reshape", [name, g.integers([-1])])
    elif call.name == "take_along_dim" and index.shape != x.shape:
        pairs = enumerate(zip(index.shape, x.shape, strict=True))
        if any(a != b for d, (a, b) in pairs if d != dim % x.ndim):
            raise g.unsupported("indices that are broadcast")
    return g.op("GatherElements", [x, name], axis=dim)


@maps("index_select")
def index_select(g: Graph, call: Call) -> str:
    return g.op("Gather", [call["input"], call["index"]], axis=call["dim"])


@maps("take")
def take(g: Graph, call: Call) -> str:
    return g.op("Gather", [g.op("Reshape", [call["input"], g.integers([-1])]), call["index"]], axis=0)


@maps("scatter", "scatter_add", "scatter_reduce")
def scatter(g: Graph, call: Call) -> str:
    index, source = call["index"], call.get("src")
    if source is None:
        value = g.op("Expand", [g.operand(call["value"], call.out.dtype), g.shape_of(index)])
    else:
        if source.shape != index.shape:
            raise g.unsupported("a source whose shape is not that of the index")
        value = g.operand(source, call.out.dtype)
    reduction = "add" if call.name == "scatter_add" else call.get("reduce")
    names = {"multiply": "mul", "prod": "mul", "sum": "add", "amax": "max", "amin": "min"}
    reduction = names.get(reduction, reduction)
    if reduction == "mean" or call.get("include_self") is False:
        raise g.unsupported("means, and results without the elements that were there")
    return g.op("ScatterElements", [call["input"], index, value], axis=call["dim"], reduction=reduction)


@maps("index_add", "index_copy", "index_fill")
def index_add(g: Graph, call: Call) -> str:
    x, dtype = call["input"], call.out.dtype
    dim = call["dim"] % x.ndim
    order = [dim] + [d for d in range(x.ndim) if d != dim]
    turned = dim != 0
    name = g.op("Transpose", [x], perm=order) if turned else g.value(x)
    index = g.unsqueeze(call["index"], [-1])
    if call.name == "index_fill":
        rest = g.op("Shape", [name], start=1)
        shape = g.op("Concat", [g.shape_of(call["index"]), rest], axis=0)
        value = g.op("Expand", [g.operand(call["value"], dtype), shape])
    else:
        value = g.operand(call["source"], dtype)
        value = g.op("Transpose", [value], perm=order) if turned else value
    reduction = None
    if call.name == "index_add":
        reduction = "add"
        if call["alpha"] != 1:
            value = g.op("Mul", [value, g.constant(call["alpha"], dtype)])
    out = g.op("ScatterND", [name, index, value], reduction=reduction)
    back = [order.index(d) for d in range(x.ndim)]
    return g.op("Transpose", [out], perm=back) if turned else out
