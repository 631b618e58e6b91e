"""Shared by the tests of the export to ONNX: what onnxruntime gives for a file is what the model gives.

Inputs are described by shapes in which names stand for sizes: ``("N", 3)``.
"""

import numpy as np
import pytest

import rustnn as torch
from rustnn import nn

if torch.__name__ != "rustnn":
    pytest.skip("PyTorch's exporter needs packages that are not installed", allow_module_level=True)
onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

SEQUENCES = ({"N": 3, "L": 6}, {"N": 1, "L": 6}, {"N": 2, "L": 11})


def flat(result):
    """All tensors of a result."""
    if isinstance(result, torch.Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [tensor for part in parts if part is not None for tensor in flat(part)]


def ints(high, *shape):
    return ("ints", high, shape)


def bools(*shape):
    return ("bools", None, shape)


def positive(*shape):
    return ("positive", None, shape)


def doubles(*shape):
    return ("doubles", None, shape)


def made(spec, sizes):
    """A tensor of a shape in which names stand for sizes."""
    kind, high, shape = (
        spec if spec and isinstance(spec[0], str) and spec[0] in KINDS else ("floats", None, spec)
    )
    shape = [sizes.get(size, size) if isinstance(size, str) else size for size in shape]
    return KINDS[kind](shape, high)


KINDS = {
    "floats": lambda shape, _: torch.randn(shape),
    "doubles": lambda shape, _: torch.randn(shape, dtype=torch.float64),
    "positive": lambda shape, _: torch.rand(shape) + 0.1,
    "ints": lambda shape, high: torch.randint(0, high, shape),
    "bools": lambda shape, _: torch.rand(shape) > 0.5,
}


def axes_of(spec):
    shape = spec[2] if spec and isinstance(spec[0], str) and spec[0] in KINDS else spec
    return {axis: name for axis, name in enumerate(shape) if isinstance(name, str)}


def session_of(program):
    data = program.model_proto
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(session, program, args):
    wanted = {entry.name for entry in session.get_inputs()}
    feeds = {name: tensor.numpy() for name, tensor in zip(program.input_names, flat(args), strict=True)}
    return session.run(None, {name: data for name, data in feeds.items() if name in wanted})


def agree(session, program, model, args, rtol=1e-4, atol=1e-5):
    with torch.no_grad():
        expected = flat(model(*args))
    got = run(session, program, args)
    assert len(got) == len(expected)
    for ours, theirs in zip(expected, got, strict=True):
        ours = ours.numpy()
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(theirs, ours, rtol=rtol, atol=atol)


def check(model, *specs, sizes=({"N": 3}, {"N": 1}, {"N": 5}), opset=None, **tolerances):
    """Export with the first sizes, and compare with all of them."""
    torch.manual_seed(0)
    if isinstance(model, nn.Module):
        model.eval()
    args = tuple(made(spec, sizes[0]) for spec in specs)
    names = [f"in{i}" for i in range(len(args))]
    axes = {name: axes_of(spec) for name, spec in zip(names, specs, strict=True)}
    program = torch.onnx.export(model, args, input_names=names, dynamic_axes=axes, opset_version=opset)
    session = session_of(program)
    for chosen in sizes:
        agree(session, program, model, tuple(made(spec, chosen) for spec in specs), **tolerances)
    return program
