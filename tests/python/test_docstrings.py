"""Every public name says what it is, in `help` and in the reference."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import rustnn

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "index.rst"
MODULES = re.findall(r"^   (rustnn(?:\.\w+)*)$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
# Native, without a docstring as yet.
SILENT = set(
    """Generator device dtype get_default_dtype get_num_threads get_rng_state initial_seed seed set_rng_state
    OutOfMemoryError polygamma_""".split()
)


def public(owner: Any) -> list[tuple[str, Any]]:
    names = getattr(owner, "__all__", None) or [name for name in dir(owner) if not name.startswith("_")]
    values = [(name, getattr(owner, name)) for name in names if name[0] != "_" and name not in SILENT]
    return [(name, value) for name, value in values if callable(value) and not inspect.ismodule(value)]


@pytest.mark.parametrize("path", MODULES)
def test_all_have_docstrings(path: str) -> None:
    if path == "rustnn.utils.tensorboard":
        pytest.importorskip("tensorboard")
    owner = rustnn.Tensor if path == "rustnn.Tensor" else import_module(path)
    silent = [name for name, value in public(owner) if not (value.__doc__ or "").strip()]
    assert silent == []


def test_layers_say_their_shapes() -> None:
    """Layers and losses that change the shape, or take more than one tensor."""
    for name in """
        Linear Bilinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d MaxPool1d MaxPool2d MaxPool3d
        AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool1d AdaptiveMaxPool2d LPPool1d
        BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d GroupNorm Embedding EmbeddingBag RNN RNNCell LSTMCell GRUCell
        MultiheadAttention Transformer TransformerEncoderLayer TransformerDecoderLayer Flatten Unfold Fold Upsample
        PixelShuffle PixelUnshuffle ConstantPad1d ConstantPad2d ConstantPad3d ZeroPad2d ReflectionPad2d ReplicationPad2d
        CrossEntropyLoss NLLLoss CTCLoss CosineEmbeddingLoss MultiLabelMarginLoss MultiMarginLoss
    """.split():
        text = inspect.getdoc(getattr(rustnn.nn, name)) or ""
        assert re.search(r"\([^()]*, [^()]*\)", text), name


def test_help_shows_arguments() -> None:
    parameters = inspect.signature(rustnn.nn.Conv2d).parameters
    assert list(parameters)[:4] == ["in_channels", "out_channels", "kernel_size", "stride"]
