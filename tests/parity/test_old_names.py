"""Names of `nn` that few programs use: old ones, and those of PyTorch's files."""

from __future__ import annotations

import importlib

import pytest

from parity.programs import CANDIDATE, REFERENCE, hold

PROGRAMS = r"""
x = repr(nn.Container(a=nn.ReLU(), b=nn.Linear(1, 2))), len(list(nn.Container(a=nn.ReLU()).children()))
nn.Container(a=3)
nn.Container(nn.ReLU())
nn.Container(a=nn.ReLU())(1)
_l = nn.Linear(3, 2); _l(t(2, 3)).sum().backward(); x = nn.utils.clip_grad_norm(_l.parameters(), 0.5), _l.weight.grad, nn.utils.clip_grad.clip_grad_norm.__name__
_r = nn.utils.rnn; x = _r.bind(None, len), _r.bind([1, 2], len), _r.PackedSequence_._fields, issubclass(_r.PackedSequence, _r.PackedSequence_)
_p = nn.utils.rnn.PackedSequence_(t(2), t(2), None, None); x = tuple(_p), type(_p).__name__
_c = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ConvTranspose2d(3, 2, 2), nn.Conv3d(2, 2, 2)); x = nn.utils.convert_conv2d_weight_memory_format(_c, torch.channels_last) is _c; y = [p.detach() for p in _c.parameters()]
_c = nn.Sequential(nn.Conv3d(2, 3, 2), nn.ConvTranspose3d(3, 2, 2), nn.Conv2d(2, 2, 2)); x = nn.utils.convert_conv3d_weight_memory_format(_c, torch.channels_last_3d) is _c; y = [p.detach() for p in _c.parameters()]
_c = nn.Conv2d(2, 3, 2); nn.utils.convert_conv2d_weight_memory_format(_c, torch.channels_last); x = _c(t(1, 2, 4, 4)).detach(), _c.weight.requires_grad, type(_c.weight).__name__
_c = nn.Conv2d(2, 3, 2).to(memory_format=torch.channels_last); nn.utils.convert_conv2d_weight_memory_format(_c, torch.contiguous_format); x = _c.weight.detach()
nn.utils.convert_conv2d_weight_memory_format(nn.Conv2d(2, 3, 2), torch.channels_last_3d)
nn.utils.convert_conv2d_weight_memory_format(nn.Conv2d(2, 3, 2), torch.preserve_format)
nn.utils.convert_conv2d_weight_memory_format(nn.Conv2d(2, 3, 2), 3)
x = nn.utils.convert_conv3d_weight_memory_format(nn.ReLU(), 3).__class__.__name__
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_program(program: str) -> None:
    hold(program)


def test_clip_grad_norm_warns() -> None:
    with pytest.warns(FutureWarning, match="clip_grad_norm` is now deprecated"):
        CANDIDATE.nn.utils.clip_grad_norm([], 1.0)


@pytest.mark.parametrize(
    "name",
    """
    activation adaptive batchnorm channelshuffle container conv distance dropout flatten fold instancenorm lazy
    linear linear_cross_entropy_options loss normalization padding pixelshuffle pooling rnn sparse
    transformer upsampling
    """.split(),
)
def test_files_of_layers(name: str) -> None:
    theirs = importlib.import_module(f"{REFERENCE.__name__}.nn.modules.{name}")
    ours = importlib.import_module(f"{CANDIDATE.__name__}.nn.modules.{name}")
    assert getattr(CANDIDATE.nn.modules, name) is ours
    missing = [key for key in theirs.__all__ if not hasattr(ours, key)]
    assert not missing
