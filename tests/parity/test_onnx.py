"""Export to ONNX: the same options and errors as PyTorch's, and PyTorch's answers out of onnxruntime."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import rustnn
import rustnn.export
import rustnn.onnx

CHANGED = {"training", "operator_export_type"}  # PyTorch has enumerations for them


def test_signature() -> None:
    ours = inspect.signature(rustnn.onnx.export).parameters
    theirs = inspect.signature(torch.onnx.export).parameters
    assert list(ours) == list(theirs)
    for name, parameter in theirs.items():
        assert ours[name].kind == parameter.kind
        assert name in CHANGED or ours[name].default == parameter.default
    save = inspect.signature(rustnn.onnx.ONNXProgram.save).parameters
    assert list(save) == list(inspect.signature(torch.onnx.ONNXProgram.save).parameters)


@pytest.mark.parametrize("name", ["OnnxExporterWarning", "UnsupportedOperatorError"])
def test_errors(name: str) -> None:
    ours, theirs = getattr(rustnn.onnx.errors, name), getattr(torch.onnx.errors, name)
    assert [c.__name__ for c in ours.__mro__] == [c.__name__ for c in theirs.__mro__]
    assert ours.__module__.replace("rustnn", "torch") == theirs.__module__
    assert rustnn.onnx.OnnxExporterError.__module__ == "rustnn.onnx"


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.export.Dim("n"),
        lambda lib: lib.export.Dim("n", min=2),
        lambda lib: lib.export.Dim("n", min=2, max=9),
        lambda lib: lib.export.Dim("n", min=1, max=9),
        lambda lib: (lib.export.Dim("n", max=9).__name__, lib.export.Dim("n", max=9).max),
        lambda lib: lib.export.Dim("n", min=3, max=3),
        lambda lib: lib.export.Dim("1n"),
        lambda lib: lib.export.dims("a", "b", max=4),
        lambda lib: [lib.export.Dim.AUTO, lib.export.Dim.DYNAMIC(max=3), lib.export.Dim.STATIC],
        lambda lib: lib.export.Dim.STATIC(min=3),
    ],
)
def test_dims(call: Any) -> None:
    def seen(lib: Any) -> str:
        try:
            return repr(call(lib))
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    assert seen(rustnn) == seen(torch)


def models(lib: Any) -> list[tuple[Any, Any]]:
    """Models with the same weights in both libraries, and their inputs."""
    nn = lib.nn
    lib.manual_seed(0)
    return [
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.Flatten(), nn.Linear(288, 5)),
            lib.randn(2, 3, 8, 8),
        ),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), lib.randn(2, 5, 8)),
        (nn.LSTM(4, 3, 2, bidirectional=True), lib.randn(6, 2, 4)),
        (nn.Sequential(nn.Embedding(7, 4), nn.GRU(4, 3)), lib.randint(0, 7, (5, 2))),
    ]


def test_runtime_gives_pytorch_s_answers() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")
    for (ours, x), (theirs, y) in zip(models(rustnn), models(torch), strict=True):
        program = rustnn.onnx.export(ours.eval(), (x,))
        assert program is not None
        session = onnxruntime.InferenceSession(program.model_proto, providers=["CPUExecutionProvider"])
        got = session.run(None, {program.input_names[0]: x.numpy()})[0]
        with torch.no_grad():
            expected = theirs.eval()(y)
        expected = expected[0] if isinstance(expected, tuple) else expected
        assert torch.allclose(torch.from_numpy(got), expected, rtol=1e-4, atol=1e-5)
