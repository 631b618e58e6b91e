"""Recurrent layers as a whole: packed sequences in both directions, with gradients of gradients."""

from __future__ import annotations

import pytest

from parity.programs import hold

LENGTHS = [[5, 3, 3, 1], [2, 2, 2, 2], [1]]
LAYERS = [
    "nn.RNN(3, 4, bidirectional=True)",
    "nn.RNN(3, 4, 2, nonlinearity='relu', bias=False)",
    "nn.GRU(3, 4, 2, bidirectional=True)",
    "nn.GRU(3, 4, bias=False)",
    "nn.LSTM(3, 4, 2, bidirectional=True)",
    "nn.LSTM(3, 4, bias=False)",
    "nn.LSTM(3, 4, proj_size=2, bidirectional=True)",
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_to_second_order(layer: str, lengths: list[int], dtype: str) -> None:
    hold(f"""
_m = {layer}.to(torch.{dtype})
_x = t({max(lengths)}, {len(lengths)}, 3).to(torch.{dtype}).requires_grad_()
_out, _h = _m(nn.utils.rnn.pack_padded_sequence(_x, torch.tensor({lengths})))
_parts = [_out.data, *(_h if isinstance(_h, tuple) else [_h])]
parts = [_part.detach() for _part in _parts]
_loss = sum((_part * t(*_part.shape).to(_part.dtype)).sum() for _part in _parts)
_leaves = [_x, *_m.parameters()]
first = torch.autograd.grad(_loss, _leaves, create_graph=True)
_again = sum((_g * t(*_g.shape).to(_g.dtype)).sum() for _g in first)
second = torch.autograd.grad(_again, _leaves, allow_unused=True, materialize_grads=True)
first = [_g.detach() for _g in first]
""", rtol=1e-4, atol=1e-5, strides=False)  # fmt: skip


@pytest.mark.parametrize("wanted", ["_m.weight_hh_l0", "_m.bias_hh_l0", "_x", "_s"])
def test_only_one_gradient(wanted: str) -> None:
    """What is computed for one leaf is what is computed for all."""
    hold(f"""
_m = nn.GRU(3, 4).requires_grad_(False)
_x = t(5, 2, 3); _s = t(1, 2, 4)
{wanted}.requires_grad_()
_y, _h = _m(_x, _s)
g = torch.autograd.grad((_y * t(*_y.shape)).sum(), {wanted})
""", rtol=1e-4, atol=1e-5, strides=False)  # fmt: skip


def test_only_the_cells_are_used() -> None:
    hold("""
_m = nn.LSTM(3, 4)
_y, (_h, _c) = _m(t(5, 2, 3))
(_c * t(1, 2, 4)).sum().backward()
g = [_p.grad for _p in _m.parameters()]
""", rtol=1e-4, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("layer", ["nn.RNN(64, 96)", "nn.GRU(64, 96)", "nn.LSTM(64, 96, 2)"])
def test_sizes_that_kernels_cut(layer: str) -> None:
    hold(f"""
_m = {layer}
_x = t(7, 33, 64).requires_grad_()
_y, _h = _m(_x)
y = _y.detach()
(_y * t(*_y.shape)).sum().backward()
g = [_x.grad, *(_p.grad for _p in _m.parameters())]
""", rtol=1e-3, atol=1e-3, strides=False)  # fmt: skip
