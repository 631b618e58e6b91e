"""Products of matrices and other sums of products."""

from __future__ import annotations

from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

__all__ = ["linear_layer"]


def linear_layer(g: Graph, x: Any, weight: Any, bias: Any, ndim: int) -> str:
    """``x @ weight.T + bias``."""
    if ndim == 2:
        return g.op("Gemm", [x, weight, bias], transB=1)
    product = g.op("MatMul", [x, g.op("Transpose", [weight], perm=[1, 0])])
    return product if bias is None else g.op("Add", [product, bias])


@maps("linear")
def linear(g: Graph, call: Call) -> str:
    if call["weight"].ndim == 1:
        product = g.op("MatMul", [call["input"], call["weight"]])
        return product if call["bias"] is None else g.op("Add", [product, call["bias"]])
    return linear_layer(g, call["input"], call["weight"], call["bias"], call["input"].ndim)


@maps("matmul", "mm", "bmm", "mv", "dot", "vdot")
def matmul(g: Graph, call: Call) -> str:
    left, right = list(call.arguments.values())[:2]
    return g.op("MatMul", [left, right])


@maps("outer")
def outer(g: Graph, call: Call) -> str:
    return g.op("Mul", [g.unsqueeze(call["input"], [1]), g.unsqueeze(call["vec2"], [0])])


@maps("addmm", "baddbmm", "addmv")
def addmm(g: Graph, call: Call) -> str:
    base, left, right, beta, alpha = list(call.arguments.values())[:5]
    dtype = call.out.dtype
    product = g.op("MatMul", [left, right])
    if alpha != 1:
        product = g.op("Mul", [product, g.constant(alpha, dtype)])
    if beta == 0:
        return product
    more = g.value(base) if beta == 1 else g.op("Mul", [base, g.constant(beta, dtype)])
    return g.op("Add", [more, product])


@maps("einsum")
def einsum(g: Graph, call: Call) -> str:
    equation = call["equation"].replace(" ", "")
    return g.op("Einsum", call["operands"], equation=equation)


@maps("tensordot")
def tensordot(g: Graph, call: Call) -> str:
    a, b = call["a"], call["b"]
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left = [next(letters) for _ in a.shape]
    right = [next(letters) for _ in b.shape]
    for i, j in zip(call["dims_self"], call["dims_other"], strict=True):
        right[j] = left[i]
    summed = {left[i] for i in call["dims_self"]}
    kept = "".join(letter for letter in left + right if letter not in summed)
    return g.op("Einsum", [a, b], equation=f"{''.join(left)},{''.join(right)}->{kept}")


@maps("bilinear")
def bilinear(g: Graph, call: Call) -> str:
    a, b = call["input1"], call["input2"]
    batch = "abcdefgh"[: a.ndim - 1]
    first = g.op("Einsum", [a, call["weight"]], equation=f"{batch}i,oij->{batch}oj")
    product = g.op("Einsum", [first, b], equation=f"{batch}oj,{batch}j->{batch}o")
    return product if call["bias"] is None else g.op("Add", [product, call["bias"]])


@maps("_linalg_vecdot", "inner")
def vecdot(g: Graph, call: Call) -> str:
    if call.name == "inner":
        a, b = call["input"], call["other"]
        if a.ndim == 0 or b.ndim == 0:
            return g.op("Mul", [a, b])
        if b.ndim == 1 or a.ndim == 1:
            return g.op("MatMul", [a, b]) if b.ndim == 1 else g.op("MatMul", [b, a])
        if b.ndim != 2:
            raise g.unsupported("inner products with more than two dims on the right")
        return g.op("MatMul", [a, g.op("Transpose", [b], perm=[1, 0])])
    return g.reduce("ReduceSum", g.op("Mul", [call["x"], call["y"]]), [call["dim"]])
