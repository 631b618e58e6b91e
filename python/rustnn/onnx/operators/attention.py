"""Scaled dot-product attention; the layers around it are made of other operations."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.onnx.dynamic import Dynamic
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.calls import Call, Value
    from rustnn.onnx.graph import Graph


def _shared(g: Graph, x: Value, heads: int) -> str:
    """Heads of keys or values that several heads of queries share, repeated for each."""
    own = x.shape[-3]
    if own == heads:
        return g.value(x)
    times = heads // own
    wide = g.unsqueeze(x, [-3])
    wide = g.op("Expand", [wide, g.integers([times, 1, 1])])
    return g.reshape(wide, [*x.shape[:-3], heads, *x.shape[-2:]])


@maps("scaled_dot_product_attention")
def scaled_dot_product_attention(g: Graph, call: Call) -> str:
    query, key, value, mask = call["query"], call["key"], call["value"], call["attn_mask"]
    dtype = call.out.dtype
    if call["dropout_p"]:
        raise g.unsupported("dropout within attention; call model.eval() first")
    width = query.shape[-1]
    if isinstance(width, Dynamic):
        raise g.unsupported("a width of the heads that is dynamic")
    k, v = g.value(key), g.value(value)
    if call["enable_gqa"]:
        heads = query.shape[-3]
        if isinstance(heads, Dynamic):
            raise g.unsupported("a number of heads that is dynamic")
        k, v = _shared(g, key, heads), _shared(g, value, heads)
    scale = 1 / math.sqrt(width) if call["scale"] is None else call["scale"]
    perm = [*range(key.ndim - 2), key.ndim - 1, key.ndim - 2]
    scaled = g.op("Mul", [query, g.constant(scale, dtype)])
    scores = g.op("MatMul", [scaled, g.op("Transpose", [k], perm=perm)])
    allowed = None
    if call["is_causal"]:
        shape = g.sizes([query.shape[-2], key.shape[-2]])
        ones = g.op("ConstantOfShape", [shape], value=_C.tensor([1], dtype=_C.int32))
        allowed = g.cast(g.op("Trilu", [ones], upper=0), _C.bool)
    elif mask is not None and mask.dtype == _C.bool:
        allowed = g.value(mask)
    elif mask is not None:
        scores = g.op("Add", [scores, g.operand(mask, dtype)])
    if allowed is not None:
        scores = g.op("Where", [allowed, scores, g.constant(-math.inf, dtype)])
    weights = g.op("Softmax", [scores], axis=-1)
    if allowed is not None:
        # Who may look at nothing gets nothing, instead of NaN.
        weights = g.op("Where", [allowed, weights, g.constant(0.0, dtype)])
    return g.op("MatMul", [weights, v])
