"""Export to ONNX: files, names, options, and what cannot be exported."""

import inspect
import os
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from onnx_checks import agree, check, flat, onnx, onnxruntime, session_of

import rustnn as torch
import rustnn.nn.functional as F
import rustnn.onnx
from rustnn import nn
from rustnn.export import Dim
from rustnn.onnx import OnnxExporterError
from rustnn.onnx.errors import OnnxExporterWarning, UnsupportedOperatorError

ROOT = Path(__file__).parents[2]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.head = nn.Linear(8, 2)
        self.register_buffer("scale", torch.tensor(2.0))
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.head(self.body(x)) * self.scale


def export(model, *args, **options):
    if isinstance(model, nn.Module):
        model.eval()
    return rustnn.onnx.export(model, args, **options)


def proto(program):
    return onnx.load_from_string(program.model_proto)


def weights_of(model):
    return {entry.name for entry in model.graph.initializer}


# ---- files -----------------------------------------------------------------------------------------------


def test_names_and_files(tmp_path):
    net, path = Net(), tmp_path / "net.onnx"
    x = torch.randn(3, 4)
    program = export(
        net, x, f=path, input_names=["image"], output_names=["score"], dynamic_axes={"image": {0: "batch"}}
    )
    assert path.read_bytes() == program.model_proto
    assert os.listdir(tmp_path) == ["net.onnx"]
    model = onnx.load(path)
    assert weights_of(model) == {"body.0.weight", "body.0.bias", "head.weight", "head.bias", "scale"}
    assert [(node.op_type, node.name) for node in model.graph.node] == [
        ("Gemm", "/body/0/Gemm"),
        ("Relu", "/body/1/Relu"),
        ("Gemm", "/head/Gemm"),
        ("Mul", "/Mul"),
    ]
    assert (model.opset_import[0].version, model.ir_version, model.producer_name) == (20, 9, "rustnn")
    assert program.input_names == ["image"]
    assert program.output_names == ["score"]
    for entry in (model.graph.input[0], model.graph.output[0]):
        assert entry.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert "score: torch.float32 ['batch', 2]" in repr(program)
    again = tmp_path / "again.onnx"
    program.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    program = export(Net(), torch.randn(3, 4))

    def fail(*args):
        raise OSError("full")

    monkeypatch.setattr("rustnn.onnx.program._write", fail)
    with pytest.raises(OSError, match="full"):
        program.save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net.onnx"]
    with pytest.raises(RuntimeError, match="Parent directory"):
        program.save(tmp_path / "nowhere" / "net.onnx")


def test_external_data(tmp_path):
    net = nn.Sequential(nn.Linear(40, 30), nn.Linear(30, 20))
    x = torch.randn(2, 40)
    program = export(net, x)
    program.save(tmp_path / "net.onnx", external_data=True)
    assert sorted(os.listdir(tmp_path)) == ["net.onnx", "net.onnx.data"]
    assert (tmp_path / "net.onnx").stat().st_size < 1500
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    agree(session, program, net, (x,))


def test_large_models_need_another_file(tmp_path, monkeypatch):
    monkeypatch.setattr("rustnn.onnx.program._LARGEST", 4000)
    net = nn.Linear(40, 30)
    program = export(net, torch.randn(2, 40))
    with pytest.raises(OnnxExporterError, match=r"use save\(\)"):
        _ = program.model_proto
    with pytest.raises(OnnxExporterError, match="external_data=True"):
        program.save(tmp_path / "one.onnx", external_data=False)
    assert os.listdir(tmp_path) == []
    export(net, torch.randn(2, 40), f=tmp_path / "two.onnx")
    assert sorted(os.listdir(tmp_path)) == ["two.onnx", "two.onnx.data"]
    onnx.checker.check_model(tmp_path / "two.onnx", full_check=True)


def test_weights_as_inputs(tmp_path):
    net, x = Net(), torch.randn(3, 4)
    export(net, x, f=tmp_path / "bare.onnx", export_params=False)
    bare = onnx.load(tmp_path / "bare.onnx")
    assert weights_of(bare) == set()
    names = [entry.name for entry in bare.graph.input]
    assert names == ["x", "body.0.weight", "body.0.bias", "head.weight", "head.bias", "scale"]
    session = onnxruntime.InferenceSession(tmp_path / "bare.onnx", providers=["CPUExecutionProvider"])
    state = net.state_dict()
    (got,) = session.run(None, {"x": x.numpy(), **{name: state[name].numpy() for name in names[1:]}})
    np.testing.assert_allclose(got, net(x).detach().numpy(), rtol=1e-5)
    export(net, x, f=tmp_path / "both.onnx", keep_initializers_as_inputs=True)
    both = onnx.load(tmp_path / "both.onnx")
    assert [entry.name for entry in both.graph.input] == names
    assert weights_of(both) == set(names[1:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool])
def test_weights_of_every_dtype(dtype):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", (torch.arange(6).view(2, 3) - 2).to(dtype))

        def forward(self, x):
            return self.table.transpose(0, 1), x

    model = proto(export(Constant(), torch.ones(1)))
    (table,) = model.graph.initializer
    kept = onnx.numpy_helper.to_array(table).astype(np.float32)
    assert kept.tolist() == (torch.arange(6).view(2, 3) - 2).to(dtype).mT.float().tolist()


def test_weights_that_are_views_are_written_as_they_look():
    base = torch.arange(12.0).view(3, 4)
    linear = nn.Linear(3, 2, bias=False)
    linear.weight = nn.Parameter(base[:, 1:3].t())
    check(linear, ("N", 3))


# ---- inputs and outputs ----------------------------------------------------------------------------------


def test_arguments_of_every_kind():
    def model(x, pair, flag, *, y=None, options):
        a, b = pair
        out = x + a * b if flag else x
        return {"sum": out + y, "parts": [out, options["z"] * 2], "none": None}

    x = torch.randn(2, 3)
    kwargs = {"y": x + 1, "options": {"z": x * 2}}
    program = rustnn.onnx.export(model, (x, (x * 3, x - 1), True), kwargs=kwargs)
    assert program.input_names == ["x", "pair_0", "pair_1", "y", "options_z"]
    assert program.output_names == ["output_0", "output_1", "output_2"]
    feeds = dict(zip(program.input_names, (x, x * 3, x - 1, x + 1, x * 2), strict=True))
    got = session_of(program).run(None, {name: tensor.numpy() for name, tensor in feeds.items()})
    expected = flat(model(x, (x * 3, x - 1), True, **kwargs))
    for ours, theirs in zip(expected, got, strict=True):
        np.testing.assert_allclose(theirs, ours.numpy(), rtol=1e-5)


def test_one_tensor_need_not_be_in_a_tuple():
    assert rustnn.onnx.export(torch.tanh, torch.randn(2)).input_names == ["input_0"]


def test_outputs_that_are_inputs_constants_or_each_other():
    def model(x):
        y = x + 1
        return x, y, y, torch.arange(3)

    program = export(model, torch.randn(2), output_names=["a", "b"])
    assert program.output_names == ["a", "b", "output_2", "output_3"]
    agree(session_of(program), program, model, (torch.randn(2),))


def test_the_same_tensor_twice_is_two_inputs():
    x = torch.randn(2)
    program = export(lambda x, y: x - 2 * y, x, x)
    (got,) = session_of(program).run(None, {"x": np.float32([1, 2]), "y": np.float32([3, 4])})
    assert got.tolist() == [-5, -6]


def test_tied_weights_are_written_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, x):
            return self.head(self.embedding(x))

    assert weights_of(proto(export(Tied(), torch.tensor([1, 2])))) == {"embedding.weight"}


@pytest.mark.parametrize(
    "shapes",
    [
        {"x": {0: "batch"}, "y": {0: "batch"}},
        ({0: "batch"}, {0: "batch"}),
        [("batch", None), ("batch", None)],
        [{0: Dim("batch"), 1: Dim.STATIC}, {0: Dim("batch"), 1: 3}],
    ],
)
def test_dynamic_shapes(shapes):
    x = torch.randn(2, 3)
    program = export(lambda x, y: (x + y).sum(0) / x.size(0), x, x, dynamic_shapes=shapes)
    session = session_of(program)
    assert session.get_inputs()[1].shape == ["batch", 3]
    assert session.get_outputs()[0].shape == [3]
    agree(session, program, lambda x, y: (x + y).mean(0), (torch.randn(7, 3), torch.randn(7, 3)))


def test_dynamic_shapes_with_limits():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.randn(8, 3)  # no buffer: a plain attribute

        def forward(self, x):
            return x + self.table[: x.size(0)]

    model = Model()
    program = export(model, torch.randn(5, 3), dynamic_shapes=({0: Dim("length", min=2, max=8)},))
    assert program.model_proto.count(b"length") > 1
    agree(session_of(program), program, model, (torch.randn(8, 3),))


def test_constants_that_follow_a_dynamic_dim():
    table, mask = torch.randn(9, 3), torch.ones(9, 9).tril().bool()

    def model(x):
        n = x.size(0)
        return (x + table[:n]).masked_fill(~mask[:n, :n].any(1, keepdim=True), 0.0) @ table.T[:, :n]

    program = export(model, torch.randn(4, 3), dynamic_axes={"x": {0: "n"}})
    agree(session_of(program), program, model, (torch.randn(9, 3),))


def test_dims_without_names():
    x = torch.randn(2, 3)
    program = export(lambda x, y: x + y, x, x, dynamic_shapes=[{0: Dim.DYNAMIC}, {0: Dim.AUTO(max=9)}])
    assert session_of(program).get_inputs()[0].shape == ["input_0_dim_0", 3]
    agree(session_of(program), program, lambda x, y: x + y, (torch.randn(7, 3), torch.randn(7, 3)))


def test_axes_without_names():
    x = torch.randn(2, 3)
    program = export(
        lambda x, y: x + y,
        x,
        x,
        output_names=["z"],
        dynamic_axes={"x": [0], "y": [0], "z": [0]},
    )
    session = session_of(program)
    assert session.get_inputs()[0].shape == ["x_dynamic_axes_1", 3]
    assert session.get_outputs()[0].shape == ["z_dynamic_axes_1", 3]
    agree(session, program, lambda x, y: x + y, (torch.randn(7, 3), torch.randn(7, 3)))


def test_sizes_of_outputs_are_named_by_formulas():
    program = export(
        lambda x: (torch.cat([x, x]), x[1:], x[::2]), torch.randn(6, 2), dynamic_axes={"x": {0: "n"}}
    )
    shapes = [entry.shape[0] for entry in session_of(program).get_outputs()]
    assert shapes == ["2*n", "n - 1", "(n + 1)//2"]


# ---- what is refused -------------------------------------------------------------------------------------


def test_functions_without_a_mapping_are_named_with_the_module():
    class Inner(nn.Module):
        def forward(self, x):
            return torch.linalg.inv(x)

    model = nn.Sequential(nn.Identity(), nn.Sequential(Inner()))
    with pytest.raises(
        UnsupportedOperatorError, match=r"'linalg_inv' in the module '1.0' \(.*test_onnx.py:\d+\)"
    ):
        export(model, torch.eye(3))


def frozen(x):
    return x + 1 if x.sum() > 0 else x - 1


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (frozen, "bool"),
        (lambda x: x * x.max().item(), "item"),
        (lambda x: x * float(x[0]), "float"),
        (lambda x: x[int(x[0] * 0)], "int"),
        (lambda x: x + sum(x.tolist()), "tolist"),
        (lambda x: x + torch.from_numpy(x.numpy()), "numpy"),
        (lambda x: x + torch.tensor([x[0], x[1]]), "tensor"),
        (lambda x: x + int(torch.equal(x, x)), "equal"),
    ],
)
def test_values_that_become_python_numbers_are_warned_of(model, word):
    with pytest.warns(OnnxExporterWarning, match=rf"^{word}.* at .*test_onnx.py:\d+"):
        export(model, torch.tensor([1.0, 2.0]))


def test_constants_may_become_python_numbers():
    export(lambda x: x * torch.ones(3).sum().item(), torch.randn(2))
    export(lambda x: torch.as_tensor(x) * torch.tensor(3.0), torch.randn(2))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: sum(x[i] for i in range(x.size(0))), "A loop of Python runs over it"),
        (lambda x: x.sum(0) if x.size(0) > 3 else x.mean(0), "a condition of Python"),
        (lambda x: x + torch.from_numpy(np.ones((x.size(0), 1), np.float32)), "'add' .* works with a tensor"),
        (lambda x: x * (x.size(0) ** 3.7 + 1), "'mul' .* is .* in runs with other sizes"),
        (lambda x: F.linear(x.reshape(1, -1), torch.ones(2, 9)), "cannot be dynamic.*only with 3"),
        (lambda x: torch.bincount(x.long().reshape(-1), minlength=x.size(0)), "'bincount'"),
        (lambda x: F.adaptive_avg_pool1d(x.t(), 2), "size is dynamic"),
        (lambda x: x[: x.size(0) // 3 + x.size(0) % 2], "more than|runs with other sizes|has more"),
    ],
)
def test_sizes_that_cannot_be_dynamic(model, message):
    with pytest.raises(OnnxExporterError, match=message):
        export(model, torch.rand(3, 3), dynamic_axes={"x": {0: "n"}})


def test_examples_of_one_are_no_trap():
    program = export(lambda x: x.reshape(x.size(0), -1), torch.randn(1, 2, 2), dynamic_axes={"x": {0: "n"}})
    agree(session_of(program), program, lambda x: x.flatten(1), (torch.randn(4, 2, 2),))
    with pytest.raises(OnnxExporterError, match=r"'squeeze' .* has more dims"):
        export(lambda x: x.squeeze(), torch.randn(1, 3), dynamic_axes={"x": {0: "n"}})


@pytest.mark.parametrize(
    "model",
    [
        lambda x: (lambda y: (y[0].add_(1), y * 2)[1])(x * 1),
        lambda x: (lambda y: (y.view(-1).mul_(2), y * 2)[1])(x * 1),
        lambda x: (lambda y, z: (y.add_(1), z * 2)[1])(*(lambda y: (y[:, 1:], y[:, :-1]))(x * 1)),
    ],
)
def test_writing_through_views_is_refused(model):
    with pytest.raises(OnnxExporterError, match=r"changed through a view of it, by '(add|mul)'"):
        export(model, torch.randn(3, 3))


def test_tensors_of_others_are_not_written_to():
    buffer = torch.zeros(3, 3)

    def model(x):
        buffer[0] = x[0]
        return buffer + x

    with pytest.raises(OnnxExporterError, match="no part of the traced model was changed in place"):
        export(model, torch.randn(3, 3))

    def counting(x):
        buffer.add_(1)
        return x + buffer

    assert proto(export(counting, torch.randn(3, 3))).graph.initializer[0].dims == [3, 3]


def test_views_that_do_not_overlap_may_be_written():
    def model(x):
        q, k = (x * 1).chunk(2, 1)
        q *= 2
        k += 1
        return q @ k.mT

    check(model, ("N", 6))


@pytest.mark.parametrize(
    "model",
    [
        lambda x: x[x > 0],
        lambda x: torch.add(x, 1, out=torch.empty(3, 3)),
        lambda x: torch.fft.fft(x),
        lambda x: x.apply_(abs),
        lambda x: x.map_(x, max),
        lambda x: x.view(torch.int32),
        lambda x: x[..., torch.tensor([True, False, True])],
        nn.LSTM(3, 4, proj_size=2),
    ],
)
def test_ways_of_calling_without_a_counterpart(model):
    with pytest.raises(UnsupportedOperatorError, match="ONNX"):
        export(model, torch.randn(3, 3))


@pytest.mark.parametrize(
    "option",
    [
        {"custom_translation_table": {torch.add: 1}},
        {"report": True},
        {"profile": True},
        {"dump_exported_program": True},
        {"custom_opsets": {"mine": 1}},
        {"export_modules_as_functions": True},
        {"operator_export_type": 3},
    ],
)
def test_options_without_a_counterpart(option):
    with pytest.raises(NotImplementedError, match=next(iter(option))):
        export(torch.tanh, torch.randn(2), **option)


def test_autocast_is_refused():
    net = Net()

    def model(x):
        with torch.autocast("cpu"):
            return net(x)

    with pytest.raises(OnnxExporterError, match="under autocast"):
        export(model, torch.randn(3, 4))


def test_wrong_arguments():
    x = torch.randn(2, 3)
    for options in (
        {"input_names": ["a", "b"]},
        {"output_names": ["a", "b"]},
        {"input_names": ["a"], "output_names": ["a"]},
        {"opset_version": 99},
        {"dynamic_axes": {"x": {2: "n"}}},
        {"dynamic_shapes": {"w": {0: "n"}}},
    ):
        with pytest.raises(ValueError):
            export(lambda x: x + 1, x, **options)
    with pytest.raises(TypeError):
        rustnn.onnx.export(3, (x,))
    with pytest.raises(ValueError, match="path"):
        rustnn.onnx.export(torch.tanh, (x,), dynamo=False)
    with pytest.raises(OnnxExporterError, match="no tensor"):
        export(lambda x: 3, x)
    with pytest.raises(OnnxExporterError, match="'n' are 2 and 3"):
        export(lambda x: x, x, dynamic_axes={"x": {0: "n", 1: "n"}})


def test_training_mode_and_old_opsets_are_warned_of(tmp_path):
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    with pytest.warns(OnnxExporterWarning, match=r"model.eval\(\)"):
        program = rustnn.onnx.export(net, (torch.randn(2, 2),))
    assert [node.op_type for node in proto(program).graph.node] == ["Gemm", "Dropout"]
    with pytest.warns(OnnxExporterWarning, match="opset 11"):
        program = export(net, torch.randn(2, 2), opset_version=11)
    assert proto(program).opset_import[0].version == 18
    assert rustnn.onnx.export(net, (torch.randn(2, 2),), tmp_path / "a.onnx", dynamo=False) is None


def test_programs_run():
    program = export(lambda x, y: (x + y["a"], x.argmax()), torch.randn(2, 3), {"a": torch.ones(2, 1)})
    x = torch.randn(2, 3)
    total, place = program(x, {"a": x[:, :1]})
    assert torch.equal(total, x + x[:, :1])
    assert place == x.argmax()
    with pytest.raises(ValueError, match="2 inputs"):
        program(x)


def test_verify():
    export(Net(), torch.randn(3, 4), verify=True)
    calls = iter(range(100))
    with pytest.raises(OnnxExporterError, match="does not give"):
        export(lambda x: x + next(calls), torch.randn(3), verify=True)  # another number each time


# ---- what stays ------------------------------------------------------------------------------------------


def test_models_are_left_as_they_were():
    net = Net().train()
    before = {name: id(tensor) for name, tensor in net.state_dict(keep_vars=True).items()}
    seen = []

    def forward(x):
        seen.append(rustnn.onnx.is_in_onnx_export())
        return torch.linalg.inv(net(x)[:2])

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return forward(x)

    plain = torch.arange
    with pytest.raises(UnsupportedOperatorError):
        rustnn.onnx.export(Outer(), (torch.randn(3, 4),))
    assert seen == [True]
    assert not rustnn.onnx.is_in_onnx_export()
    assert torch.arange is plain
    assert net.training
    assert {name: id(tensor) for name, tensor in net.state_dict(keep_vars=True).items()} == before
    assert all("forward" not in module.__dict__ for module in net.modules())
    net(torch.randn(3, 4)).sum().backward()
    assert type(net.head.weight.grad) is torch.Tensor


def test_within_a_mode_of_somebody_else():
    from rustnn.overrides import TorchFunctionMode

    seen = []

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Mode():
        program = export(lambda x: F.softmax(F.relu(x) + torch.arange(2), dim=0), torch.randn(2))
    assert [node.op_type for node in proto(program).graph.node] == ["Relu", "Add", "Softmax"]
    assert {"relu", "softmax"} <= set(seen)


def test_buffers_are_left_as_they_were():
    class Cache(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("cache", torch.zeros(3))
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            self.cache += x.sum(0)
            return self.norm(x) + self.cache

    net = Cache()
    with pytest.warns(OnnxExporterWarning):
        program = rustnn.onnx.export(net, (torch.randn(4, 3),), dynamic_axes={"x": {0: "n"}})
    assert net.cache.tolist() == net.norm.running_mean.tolist() == [0.0] * 3
    assert net.norm.num_batches_tracked.item() == 0
    x = torch.randn(5, 3)
    agree(session_of(program), program, lambda x: net(x), (x,))


def test_names_that_are_taken():
    class Names(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.ones(2))
            self.constant_2 = nn.Parameter(torch.ones(2))

        def forward(self, x):
            return x * 2 + self.x + self.constant_2

    net = Names()
    program = export(net, torch.randn(2))
    assert weights_of(proto(program)) == {"x_1", "constant_2", "constant_2_1"}
    agree(session_of(program), program, net, (torch.randn(2),))


def test_inputs_are_not_written_to():
    x = torch.ones(3)
    export(lambda x: x.add_(1), x)
    assert x.tolist() == [1, 1, 1]


def test_import_is_lazy():
    import subprocess

    program = "import sys, rustnn; assert not any(m.startswith('rustnn.onnx') for m in sys.modules); rustnn.onnx.export"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_list_in_the_docs_is_fresh():
    tool = runpy.run_path(str(ROOT / "tools" / "onnx_operators.py"))
    assert tool["fresh"]() == (ROOT / "docs" / "ONNX.md").read_text()


def test_signature():
    parameters = inspect.signature(rustnn.onnx.export).parameters
    assert list(parameters)[:3] == ["model", "args", "f"]
    assert all(p.kind == p.KEYWORD_ONLY for p in list(parameters.values())[3:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export(
            Net(), torch.randn(3, 4), verbose=False, training=None, do_constant_folding=False, optimize=False
        )
