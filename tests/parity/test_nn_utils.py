"""`nn.utils`: packed and padded sequences, clipping of gradients, parameters as a vector."""

from __future__ import annotations

import pytest

from parity.programs import CANDIDATE, hold

PROGRAMS = """
p = u.pack_padded_sequence(t(4, 3, 2), torch.tensor([4, 2, 1])); x = tuple(p)
p = u.pack_padded_sequence(t(3, 4, 2), [4, 2, 1], batch_first=True); x = tuple(p)
p = u.pack_padded_sequence(t(4, 3, 2), [1, 4, 2], enforce_sorted=False); x = tuple(p)
p = u.pack_padded_sequence(t(4, 3, 2), [1, 4, 2])
p = u.pack_padded_sequence(t(4, 3, 2), [4, 2])
p = u.pack_padded_sequence(t(4, 3, 2), [4, 2, 0])
p = u.pack_padded_sequence(t(4, 0, 2), [])
p = u.pack_padded_sequence(t(6, 3), [4, 2, 1]); x = u.pad_packed_sequence(p)
p = u.pack_padded_sequence(t(4, 3, 2), [1, 4, 2], enforce_sorted=False); x = u.pad_packed_sequence(p, True, -1.0, 6)
p = u.pack_padded_sequence(t(4, 3, 2), [3, 2, 1]); x = u.pad_packed_sequence(p, total_length=2)
x = u.pad_sequence([t(2, 3), t(4, 3), t(1, 3)])
x = u.pad_sequence([t(2), t(4)], batch_first=True, padding_value=7, padding_side='left')
x = u.pad_sequence([t(2), t(4)], padding_side='top')
x = u.pad_sequence([t(2, 3), t(4, 2)])
x = u.unpad_sequence(t(4, 2, 3), torch.tensor([4, 2]))
x = u.unpack_sequence(u.pack_sequence([t(2, 3), t(4, 3)], enforce_sorted=False))
x = u.pack_sequence([t(2, 3), t(4, 3)])
x = u.invert_permutation(torch.tensor([2, 0, 1])), u.invert_permutation(None)
p = u.pack_sequence([t(3, 2), t(1, 2)]).double(); x = p.data, p.batch_sizes, p.is_cuda, p.unsorted_indices
p = u.PackedSequence(t(3, 2), torch.tensor([2, 1])); x = tuple(p), p.to(torch.float16).data, p.to(torch.float32) is p
"""

PACKED = """
nn.RNN(2, 3)
nn.GRU(2, 3, 2, bidirectional=True)
nn.LSTM(2, 3, 2, bidirectional=True, proj_size=2)
nn.LSTM(2, 3, batch_first=True)
"""

CLIPPING = """
x = nn.utils.clip_grad_norm_(_m.parameters(), 0.5)
x = nn.utils.clip_grad_norm_(_m.parameters(), 1e6, norm_type=1)
x = nn.utils.clip_grad_norm_(_m.weight, 0.5, norm_type=float('inf'))
x = nn.utils.clip_grad_norm_([], 0.5)
_m.weight.grad[0, 0] = float('nan'); x = nn.utils.clip_grad_norm_(_m.parameters(), 0.5, error_if_nonfinite=True)
_m.weight.grad[0, 0] = float('inf'); x = nn.utils.clip_grad_norm_(_m.parameters(), 0.5)
nn.utils.clip_grad_value_(_m.parameters(), 0.3)
x = nn.utils.get_total_norm([p.grad for p in _m.parameters()], 3)
nn.utils.clip_grads_with_norm_(_m.parameters(), 0.5, torch.tensor(2.0))
x = nn.utils.parameters_to_vector(_m.parameters())
nn.utils.vector_to_parameters(torch.arange(8.0), _m.parameters()); x = list(_m.parameters())
nn.utils.vector_to_parameters([1.0], _m.parameters())
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("program", lines(PROGRAMS))
def test_sequences(program: str) -> None:
    hold(f"u = nn.utils.rnn; _ = {{}}\n{program}\ndel u\nif 'p' in dir(): p = tuple(p)", strides=False)


def test_a_length_beyond_the_input_is_refused() -> None:
    """PyTorch packs fewer elements than it counts then."""
    with pytest.raises(RuntimeError, match="a length of 5 exceeds the 4 elements"):
        CANDIDATE.nn.utils.rnn.pack_padded_sequence(CANDIDATE.ones(4, 2, 1), [5, 2])


@pytest.mark.parametrize("layer", lines(PACKED))
@pytest.mark.parametrize("state", [False, True])
def test_packed_layer(layer: str, state: bool) -> None:
    hold(f"""
_m = {layer}
_x = [t(2, 2), t(5, 2), t(3, 2)]
for _part in _x: _part.requires_grad_()
_p = nn.utils.rnn.pack_sequence(_x, enforce_sorted=False)
_n = _m.num_layers * (2 if _m.bidirectional else 1)
_h = t(_n, 3, _m.proj_size or 3).requires_grad_()
_s = (_h, t(_n, 3, 3)) if isinstance(_m, nn.LSTM) else _h
y, h = _m(_p, _s) if {state} else _m(_p)
y = tuple(y)
_last = h if isinstance(h, tuple) else (h,)
((y[0] * t(*y[0].shape)).sum() + sum((_part * t(*_part.shape)).sum() for _part in _last)).backward()
gx = [_part.grad for _part in _x], _h.grad
gp = [_part.grad for _part in _m.parameters()]
""", rtol=1e-4, atol=1e-5, strides=False)  # fmt: skip


@pytest.mark.parametrize("program", lines(CLIPPING))
def test_clipping(program: str) -> None:
    hold(f"""
_m = nn.Linear(3, 2)
with torch.no_grad():
    for _p in _m.parameters(): _p.copy_(t(*_p.shape))
(_m(t(4, 3)) ** 2).sum().backward()
{program}
g = [_p.grad for _p in _m.parameters()]
""", rtol=1e-5, atol=1e-6)  # fmt: skip


FUSED = """
nn.utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 2).eval(), _bn) | 2, 2, 4, 4
nn.utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 2, bias=False).eval(), _bn) | 2, 2, 4, 4
nn.utils.fuse_conv_bn_eval(nn.ConvTranspose2d(2, 3, 2).eval(), _bn, transpose=True) | 2, 2, 4, 4
nn.utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 2).eval(), nn.BatchNorm2d(3, affine=False).eval()) | 2, 2, 4, 4
nn.utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 2), _bn) | 2, 2, 4, 4
nn.utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 2).eval(), nn.BatchNorm2d(3, track_running_stats=False).eval()) | 1
nn.utils.fusion.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(3).eval()) | 4, 2
nn.utils.fusion.fuse_linear_bn_eval(nn.Linear(2, 4).eval(), nn.BatchNorm1d(3).eval()) | 4, 2
"""


@pytest.mark.parametrize("case", lines(FUSED))
def test_fusion(case: str) -> None:
    made, shape = case.split(" | ")
    hold(f"""
_bn = nn.BatchNorm2d(3)
with torch.no_grad():
    _bn.weight.copy_(t(3)); _bn.bias.copy_(t(3))
    _ = _bn(t(2, 3, 4, 4))
_ = _bn.eval()
_m = {made}
y = _m(t({shape})).detach()
p = list(_m.parameters())
""", rtol=1e-4, atol=1e-5, strides=False)  # fmt: skip


@pytest.mark.parametrize("program", lines("""
_m = nn.utils.skip_init(nn.Linear, 2, 3); x = repr(_m), _m.weight.shape
_m = nn.utils.skip_init(nn.ReLU)
_m = nn.utils.skip_init(torch.Tensor)
_m = nn.Linear(2, 1); x = nn.utils.stateless.functional_call(_m, {"weight": torch.ones(1, 2)}, torch.ones(2)).shape
"""))  # fmt: skip
def test_modules_made_otherwise(program: str) -> None:
    hold(program)
