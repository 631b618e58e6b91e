"""Recurrent layers by ONNX's own operators, and single steps by their formulas."""

from __future__ import annotations

from rustnn.onnx.operators import maps
from rustnn.onnx.operators.linear_algebra import linear_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn.onnx.calls import Call
    from rustnn.onnx.graph import Graph

# Where ONNX expects the gates that PyTorch has as input, forget, cell, output and as reset, update, new.
_ORDERS = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN_TANH": [0], "RNN_RELU": [0]}


def _ordered(g: Graph, x: Any, order: Sequence[int]) -> str:
    """The blocks of gates in another order."""
    if len(order) == 1:
        return g.value(x)
    blocks = g.ops("Split", [x], len(order), axis=0, num_outputs=len(order))
    return g.op("Concat", [blocks[i] for i in order], axis=0)


def _stacked(g: Graph, parts: list[str]) -> str:
    """A direction each."""
    parts = [g.unsqueeze(part, [0]) for part in parts]
    return parts[0] if len(parts) == 1 else g.op("Concat", parts, axis=0)


@maps("recurrent")
def recurrent(g: Graph, call: Call) -> list[str]:
    mode, layers = call["mode"], call["num_layers"]
    if call["proj_size"]:
        raise g.unsupported("projections of the state (proj_size)")
    directions = 2 if call["bidirectional"] else 1
    order, kind = _ORDERS[mode], mode.partition("_")[0]
    x = g.value(call["input"])
    states = [g.value(s) for s in call["states"]]
    unbatched = call["input"].ndim == 2
    if unbatched:
        x, states = g.unsqueeze(x, [1]), [g.unsqueeze(s, [1]) for s in states]
    elif call["batch_first"]:
        x = g.op("Transpose", [x], perm=[1, 0, 2])
    ends: list[list[str]] = []
    for layer in range(layers):
        weights = call["weights"][layer * directions : (layer + 1) * directions]
        inputs: list[str | None] = [x]
        for name in ("weight_ih", "weight_hh"):
            inputs.append(_stacked(g, [_ordered(g, w[name], order) for w in weights]))
        biases = None
        if "bias_ih" in weights[0]:
            joined = [
                g.op("Concat", [_ordered(g, w["bias_ih"], order), _ordered(g, w["bias_hh"], order)], axis=0)
                for w in weights
            ]
            biases = _stacked(g, joined)
        inputs += [biases, None]
        for state in states:
            inputs.append(g.slice(state, 0, layer * directions, (layer + 1) * directions))
        attributes: dict[str, Any] = {
            "hidden_size": call["hidden_size"],
            "direction": "bidirectional" if directions == 2 else "forward",
        }
        if kind == "GRU":
            attributes["linear_before_reset"] = 1
        if mode == "RNN_RELU":
            attributes["activations"] = ["Relu"] * directions
        out, *last = g.ops(kind, inputs, 3 if kind == "LSTM" else 2, **attributes)
        # (length, directions, batch, hidden) to (length, batch, directions * hidden)
        if directions == 1:
            x = g.squeeze(out, [1])
        else:
            turned = g.op("Transpose", [out], perm=[0, 2, 1, 3])
            x = g.op("Reshape", [turned, g.integers([0, 0, -1])])
        ends.append(last)
    finals = [
        parts[0] if layers == 1 else g.op("Concat", list(parts), axis=0) for parts in zip(*ends, strict=True)
    ]
    if unbatched:
        return [g.squeeze(part, [1]) for part in (x, *finals)]
    if call["batch_first"]:
        x = g.op("Transpose", [x], perm=[1, 0, 2])
    return [x, *finals]


def _projections(g: Graph, call: Call, state: Any) -> tuple[str, str]:
    ndim = call["input"].ndim
    return (
        linear_layer(g, call["input"], call["w_ih"], call["b_ih"], ndim),
        linear_layer(g, state, call["w_hh"], call["b_hh"], ndim),
    )


@maps("rnn_tanh_cell", "rnn_relu_cell")
def rnn_cell(g: Graph, call: Call) -> str:
    total = g.op("Add", _projections(g, call, call["hx"]))
    return g.op("Tanh" if call.name == "rnn_tanh_cell" else "Relu", [total])


@maps("lstm_cell")
def lstm_cell(g: Graph, call: Call) -> list[str]:
    state, memory = call["hx"]
    gates = g.op("Add", _projections(g, call, state))
    i, f, c, o = g.ops("Split", [gates], 4, axis=-1, num_outputs=4)
    kept = g.op("Mul", [g.op("Sigmoid", [f]), memory])
    new = g.op("Add", [kept, g.op("Mul", [g.op("Sigmoid", [i]), g.op("Tanh", [c])])])
    return [g.op("Mul", [g.op("Sigmoid", [o]), g.op("Tanh", [new])]), new]


@maps("gru_cell")
def gru_cell(g: Graph, call: Call) -> str:
    state = call["hx"]
    own, before = _projections(g, call, state)
    r, z, n = g.ops("Split", [own], 3, axis=-1, num_outputs=3)
    r2, z2, n2 = g.ops("Split", [before], 3, axis=-1, num_outputs=3)
    reset = g.op("Sigmoid", [g.op("Add", [r, r2])])
    update = g.op("Sigmoid", [g.op("Add", [z, z2])])
    new = g.op("Tanh", [g.op("Add", [n, g.op("Mul", [reset, n2])])])
    return g.op("Add", [new, g.op("Mul", [update, g.op("Sub", [state, new])])])
