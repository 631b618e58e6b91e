"""Activation functions, dropout and softmax."""

from __future__ import annotations

import math

from rustnn import _C
from rustnn.onnx.operators import maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph


@maps("relu", "mish", "softplus", "logsigmoid")
def relu_and_softplus(g: Graph, call: Call) -> str:
    x, dtype = g.value(call["input"]), call.out.dtype
    if call.name == "relu":
        return g.op("Relu", [x]) if dtype.is_floating_point else g.op("Max", [x, g.constant(0, dtype)])
    if call.name == "mish":
        return g.op("Mul", [x, g.op("Tanh", [g.op("Softplus", [x])])])
    if call.name == "logsigmoid":
        return g.op("Neg", [g.op("Softplus", [g.op("Neg", [x])])])
    factor = g.constant(call["beta"], dtype)
    scaled = x if call["beta"] == 1 else g.op("Mul", [x, factor])
    out = g.op("Softplus", [scaled])
    if call["beta"] != 1:
        out = g.op("Div", [out, factor])
    if call["threshold"] >= 20:
        return out  # where it is the identity anyway, as exactly as float32 goes
    return g.op("Where", [g.op("Greater", [scaled, g.constant(call["threshold"], dtype)]), x, out])


@maps("leaky_relu")
def leaky_relu(g: Graph, call: Call) -> str:
    return g.op("LeakyRelu", [call["input"]], alpha=float(call["negative_slope"]))


@maps("rrelu")
def rrelu(g: Graph, call: Call) -> str:
    if call["training"]:
        raise g.unsupported("it draws random slopes in training; call model.eval() first")
    return g.op("LeakyRelu", [call["input"]], alpha=(call["lower"] + call["upper"]) / 2)


@maps("elu", "celu")
def elu(g: Graph, call: Call) -> str:
    alpha, dtype = float(call["alpha"]), call.out.dtype
    if call.name == "elu":
        return g.op("Elu", [call["input"]], alpha=alpha)
    if dtype == _C.float32:
        return g.op("Celu", [call["input"]], alpha=alpha)
    size = g.constant(alpha, dtype)
    return g.op("Mul", [g.op("Elu", [g.op("Div", [call["input"], size])], alpha=1.0), size])


@maps("selu")
def selu(g: Graph, call: Call) -> str:
    return g.op("Selu", [call["input"]])


@maps("prelu")
def prelu(g: Graph, call: Call) -> str:
    x, slope = call["input"], call["weight"]
    name = g.value(slope)
    if slope.shape != [1] and x.ndim > 2:
        name = g.op("Reshape", [name, g.integers([-1] + [1] * (x.ndim - 2))])
    return g.op("PRelu", [x, name])


@maps("hardtanh")
def hardtanh(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    return g.op(
        "Clip", [call["input"], g.constant(call["min_val"], dtype), g.constant(call["max_val"], dtype)]
    )


@maps("hardsigmoid", "hardswish")
def hardsigmoid(g: Graph, call: Call) -> str:
    gate = g.op("HardSigmoid", [call["input"]], alpha=1 / 6, beta=0.5)
    return gate if call.name == "hardsigmoid" else g.op("Mul", [call["input"], gate])


@maps("silu")
def silu(g: Graph, call: Call) -> str:
    return g.op("Mul", [call["input"], g.op("Sigmoid", [call["input"]])])


@maps("gelu")
def gelu(g: Graph, call: Call) -> str:
    x, dtype, how = g.value(call["input"]), call.out.dtype, call["approximate"]
    if g.opset >= 20:
        return g.op("Gelu", [x], approximate=how)
    half, one = g.constant(0.5, dtype), g.constant(1.0, dtype)
    if how == "tanh":
        cube = g.op("Mul", [g.op("Mul", [x, g.op("Mul", [x, x])]), g.constant(0.044715, dtype)])
        inner = g.op("Mul", [g.op("Add", [x, cube]), g.constant(math.sqrt(2 / math.pi), dtype)])
        gate = g.op("Tanh", [inner])
    else:
        gate = g.op("Erf", [g.op("Mul", [x, g.constant(math.sqrt(0.5), dtype)])])
    return g.op("Mul", [g.op("Mul", [x, g.op("Add", [gate, one])]), half])


@maps("hardshrink", "softshrink")
def shrink(g: Graph, call: Call) -> str:
    limit = float(call["lambd"])
    return g.op("Shrink", [call["input"]], lambd=limit, bias=0.0 if call.name == "hardshrink" else limit)


@maps("threshold")
def threshold(g: Graph, call: Call) -> str:
    dtype = call.out.dtype
    above = g.op("Greater", [call["input"], g.constant(call["threshold"], dtype)])
    return g.op("Where", [above, call["input"], g.constant(call["value"], dtype)])


@maps("glu")
def glu(g: Graph, call: Call) -> str:
    value, gate = g.ops("Split", [call["input"]], 2, axis=call["dim"], num_outputs=2)
    return g.op("Mul", [value, g.op("Sigmoid", [gate])])


@maps("softmax", "log_softmax")
def softmax(g: Graph, call: Call) -> str:
    x = g.operand(call["input"], call.out.dtype)
    if call["input"].ndim == 0:
        number = 1.0 if call.name == "softmax" else 0.0
        return g.op(
            "Add", [g.op("Mul", [x, g.constant(0.0, call.out.dtype)]), g.constant(number, call.out.dtype)]
        )
    return g.op("Softmax" if call.name == "softmax" else "LogSoftmax", [x], axis=call["dim"])


@maps("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
def dropout(g: Graph, call: Call) -> str:
    if not call["train"] or call["p"] == 0:
        return g.value(call["input"])
    if call.name != "dropout":
        raise g.unsupported("only plain dropout has an operator for training; call model.eval() first")
    ratio = g.constant(float(call["p"]), _C.float32)
    return g.op("Dropout", [call["input"], ratio, g.constant(True, _C.bool)])
