"""Recurrent layers on a GPU against the CPU: plain and packed sequences, all cells, gradients of gradients."""

from __future__ import annotations

from typing import Any

import pytest
from layers import check

import rustnn as torch
from rustnn import nn
from rustnn.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

KINDS: dict[str, Any] = {
    "tanh": lambda **o: nn.RNN(5, 6, **o),
    "relu": lambda **o: nn.RNN(5, 6, nonlinearity="relu", **o),
    "LSTM": lambda **o: nn.LSTM(5, 6, **o),
    "LSTM with projection": lambda **o: nn.LSTM(5, 6, proj_size=3, **o),
    "GRU": lambda **o: nn.GRU(5, 6, **o),
}


def run(layer: Any, x: Any, lengths: list[int] | None = None) -> Any:
    """Outputs and last states, as functions of the input and of the layer's parameters."""
    names = [name for name, _ in layer.named_parameters()]

    def call(x: Any, *parameters: Any) -> Any:
        given = pack_padded_sequence(x, lengths, enforce_sorted=False) if lengths else x
        out, state = torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (given,))
        return (pad_packed_sequence(out)[0] if lengths else out), state

    return call, x, *(p.detach() for p in layer.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}], ids=str)
def test_layers(kind: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = KINDS[kind](**options).double()
    check(*run(layer, torch.randn(4, 3, 5, dtype=torch.float64)))


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences(kind: str) -> None:
    torch.manual_seed(0)
    layer = KINDS[kind](bidirectional=True)
    check(*run(layer, torch.randn(5, 4, 5), [3, 5, 1, 4]))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_gradients(kind: str) -> None:
    torch.manual_seed(0)
    layer = KINDS[kind]().double()
    check(*run(layer, torch.randn(3, 2, 5, dtype=torch.float64)), second=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves(dtype: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, 5)
    layer = nn.LSTM(5, 6)
    here = layer.to(getattr(torch, dtype))(x.to(getattr(torch, dtype)))[0]
    there = layer.cuda()(x.to(getattr(torch, dtype)).cuda())[0]
    assert torch.allclose(there.cpu().float(), here.float(), atol=2e-2)


def test_no_sequences() -> None:
    layer = nn.LSTM(5, 6).cuda()
    out, (hidden, _) = layer(torch.zeros(3, 0, 5, device="cuda"))
    assert tuple(out.shape) == (3, 0, 6)
    assert tuple(hidden.shape) == (1, 0, 6)
