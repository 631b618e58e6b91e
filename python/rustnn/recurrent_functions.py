"""Recurrent layers as functions of their weights: what ``nn.LSTM`` and its kin compute.

Called as ``lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)``
or, with the data and the batch sizes of a packed sequence, ``lstm(data, batch_sizes, hx, params, has_biases,
num_layers, dropout, train, bidirectional)``. ``params`` has the weights in the order of the layer's
``_flat_weights``.
"""

from __future__ import annotations

from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["gru", "lstm", "rnn_relu", "rnn_tanh"]


def _run(
    mode: str,
    data: Tensor,
    batch_sizes: Tensor | None,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Tensor, ...]:
    """Output and last states. RuntimeError for another number of weights, TypeError of states."""
    from rustnn.nn.recurrent import LSTM, RNNBase
    from rustnn.nn.utils.rnn import PackedSequence

    if len(hx) != (2 if mode == "LSTM" else 1):
        raise TypeError(f"{mode.lower()}() takes {2 if mode == 'LSTM' else 1} states, but got {len(hx)}")
    directions = 2 if bidirectional else 1
    kinds = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if has_biases else [])]
    projected = mode == "LSTM" and hx[0].size(-1) != hx[1].size(-1)
    kinds += ["weight_hr"] if projected else []
    if len(params) != num_layers * directions * len(kinds):
        raise RuntimeError("got an incorrect number of RNN parameters")
    if hx[0].size(0) != num_layers * directions:
        raise RuntimeError(f"Expected hidden size ({num_layers * directions}, ...), got {list(hx[0].shape)}")
    # A layer that has these weights for its own; its constructor would draw new ones.
    layer = (LSTM if mode == "LSTM" else RNNBase).__new__(LSTM if mode == "LSTM" else RNNBase)
    vars(layer).update(
        mode=mode,
        input_size=params[0].size(1),
        hidden_size=hx[-1].size(-1),
        proj_size=hx[0].size(-1) if projected else 0,
        num_layers=num_layers,
        bias=has_biases,
        batch_first=batch_first,
        dropout=float(dropout),
        bidirectional=bidirectional,
        training=train,
    )
    suffixes = [f"_l{k}{way}" for k in range(num_layers) for way in ("", "_reverse")[:directions]]
    names = [kind + suffix for suffix in suffixes for kind in kinds]
    vars(layer).update(zip(names, params, strict=True))
    packed: Any = data if batch_sizes is None else PackedSequence(data, batch_sizes)
    output, state = layer._forward(packed, tuple(hx))
    return (output if batch_sizes is None else output.data, *state)


def _call(
    mode: str, input: Tensor, second: Any, third: Any, *rest: Any, **options: Any
) -> tuple[Tensor, ...]:
    """Tells the two ways to call from each other: in the first, the weights come third."""
    if isinstance(third, Tensor) or (rest and not isinstance(rest[0], bool)):
        batch_sizes, hx, (params, *rest_) = second, third, rest
    else:
        batch_sizes, hx, params, rest_ = None, second, third, list(rest)
    states = [hx] if isinstance(hx, Tensor) else list(hx)
    return _run(mode, input, batch_sizes, states, params, *rest_, **options)


def lstm(input: Tensor, hx: Any, params: Any, *rest: Any, **options: Any) -> tuple[Tensor, ...]:
    """``nn.LSTM`` of given weights: output, last hidden and last cell states."""
    return _call("LSTM", input, hx, params, *rest, **options)


def gru(input: Tensor, hx: Any, params: Any, *rest: Any, **options: Any) -> tuple[Tensor, ...]:
    """``nn.GRU`` of given weights: output and last state."""
    return _call("GRU", input, hx, params, *rest, **options)


def rnn_tanh(input: Tensor, hx: Any, params: Any, *rest: Any, **options: Any) -> tuple[Tensor, ...]:
    """``nn.RNN`` of given weights: output and last state."""
    return _call("RNN_TANH", input, hx, params, *rest, **options)


def rnn_relu(input: Tensor, hx: Any, params: Any, *rest: Any, **options: Any) -> tuple[Tensor, ...]:
    """``nn.RNN(nonlinearity="relu")`` of given weights: output and last state."""
    return _call("RNN_RELU", input, hx, params, *rest, **options)
