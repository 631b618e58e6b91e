"""`utils.tensorboard`: the same calls write the same events as PyTorch's, but for the time."""

from __future__ import annotations

import importlib
import importlib.util
import io
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from parity.programs import CANDIDATE, REFERENCE
from parity.test_models import CASES, load

for package in ("tensorboard", "PIL", "matplotlib"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed", allow_module_level=True)

# `w` is the writer, `t(...)` a tensor of normal numbers, `u(...)` one of numbers from 0 to 1.
CALLS = """
w.add_scalar('a', 1.5, 3)
w.add_scalar('a', t(), 3, 12.5)
w.add_scalar('a', t(1, 1), t(1).abs().ceil().long())
w.add_scalar('a', np.float32(3), np.int64(4))
w.add_scalar('a', True); w.add_scalar('a', 3)
w.add_scalar('a', t(2))
w.add_scalar('a', [1.0])
w.add_scalar('a', 1.5, 3, new_style=True)
w.add_scalar('a', t(), 3, new_style=True, double_precision=True)
w.add_scalar('é/日本', 1.5, -1)
w.add_scalar('a', 1e39, 1); w.add_scalar('a', float('nan'), 1); w.add_scalar('a', -1e-50, 2**40)
w.add_scalars('a/b', {'x': 1.5, 'y': t()}, 3)
w.add_tensor('a', t(2, 3), 3)
w.add_tensor('a', t(2).double()); w.add_tensor('a', t(2).int()); w.add_tensor('a', t(2).long())
w.add_tensor('a', t(2) > 0); w.add_tensor('a', t(2).abs().byte()); w.add_tensor('a', t(2).short())
w.add_tensor('a', torch.complex(t(2), t(2))); w.add_tensor('a', t(2).char())
w.add_tensor('a', torch.complex(t(2).double(), t(2).double()))
w.add_histogram('a', t(100), 3)
w.add_histogram('a', t(10, 10).double() * 1e-3, 3)
w.add_histogram('a', torch.arange(100), 3)
w.add_histogram('a', torch.zeros(4), 3)
w.add_histogram('a', np.arange(10.0), 3, 'auto')
w.add_histogram('a', t(100), 3, 'fd')
w.add_histogram('a', t(100), 3, 30, max_bins=7)
w.add_histogram('a', t(100), 3, max_bins=100)
w.add_histogram('a', t(100), 3, [-1.0, 0.0, 1.0])
w.add_histogram('a', t(0))
w.add_histogram('a', torch.full((3,), 1e30))
w.add_histogram_raw('a', 0.0, 2.0, 3, 3.0, 5.0, [1.0, 2.0], [1, 2], 4)
w.add_histogram_raw('a', 0.0, 2.0, 3, 3.0, 5.0, [1.0], [1, 2])
w.add_image('a', u(3, 5, 6), 3)
w.add_image('a', u(1, 5, 6), 3)
w.add_image('a', u(5, 6, 3), 3, dataformats='HWC')
w.add_image('a', u(5, 6), 3, dataformats='HW')
w.add_image('a', t(3, 5, 6), 3)
w.add_image('a', (u(3, 5, 6) * 255).byte(), 3)
w.add_image('a', u(3, 5, 6).numpy(), 3)
w.add_image('a', u(5, 6), 3)
w.add_image('a', u(5, 6), 3, dataformats='HH')
w.add_images('a', u(3, 3, 5, 6), 3)
w.add_images('a', u(11, 1, 5, 6), 3)
w.add_images('a', u(3, 5, 6, 3), 3, dataformats='NHWC')
w.add_image_with_boxes('a', u(3, 50, 60), torch.tensor([[5, 5, 20, 30], [1.0, 2, 30, 40]]), 3)
w.add_image_with_boxes('a', u(3, 50, 60), torch.tensor([[5, 5, 40, 40]]), 3, labels='dog')
w.add_image_with_boxes('a', u(3, 50, 60), torch.tensor([[5, 5, 40, 40]]), 3, rescale=2)
w.add_figure('a', figure(), 3)
w.add_figure('a', [figure(), figure()], 3)
w.add_audio('a', u(100), 3, 8000)
w.add_audio('a', t(1, 100) * 3, 3)
w.add_audio('a', t(2, 100).clamp(-1, 1), 3)
w.add_text('a', '**bold** ü', 3)
w.add_embedding(t(5, 3))
w.add_embedding(t(5, 3), list('abcde'), u(5, 3, 4, 4), 3, 'x/y')
w.add_embedding(t(5, 3), list('abcde'), u(5, 1, 4, 6), 3)
w.add_embedding(t(3, 2).double(), [['a', 1], ['b', 2], ['c', 3]], metadata_header=['name', 'number']); w.add_embedding(t(2, 2), tag='b')
w.add_embedding(t(5, 3), ['a'])
w.add_embedding(t(5))
w.add_hparams({'lr': 0.1, 'n': 3, 'name': 'adam', 'on': True, 'none': None}, {'m/a': 0.5, 'm/b': 1}, run_name='r')
w.add_hparams({'lr': 0.1, 'name': 'adam'}, {'m': 0.5}, {'lr': [0.1, 0.2], 'name': ['adam', 'sgd']}, 'r', 3)
w.add_hparams({'lr': t(1)}, {'m': t(1)}, run_name='r')
w.add_hparams({'lr': [1]}, {'m': 0.5}, run_name='r')
w.add_hparams({'lr': 0.1}, {'m': 0.5}, {'lr': [1]}, 'r')
w.add_hparams('lr', {})
w.add_pr_curve('a', (u(50) > 0.5), u(50), 3)
w.add_pr_curve('a', (u(50) > 0.5).int(), u(50), 3, 11)
w.add_pr_curve('a', (u(50) > 0.5).numpy(), u(50).numpy(), 3, 300, u(50).numpy())
w.add_pr_curve_raw('a', [5, 3], [4, 1], [0, 3], [0, 2], [0.5, 0.7], [1.0, 0.6], 3, 2)
w.add_custom_scalars({'one': {'x': ['Multiline', ['a', 'b']], 'y': ['Margin', ['a', 'b', 'c']]}, 'two': {}})
w.add_custom_scalars_multilinechart(['a', 'b'])
w.add_custom_scalars_marginchart(['a', 'b', 'c'], 'page', 'title')
w.add_custom_scalars_marginchart(['a', 'b'])
w.add_mesh('a', t(1, 4, 3))
w.add_mesh('a', t(1, 4, 3), (u(1, 4, 3) * 255).int(), torch.tensor([[[0, 1, 2]]]), {'lights': []}, 3)
"""


def figure() -> Any:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    drawn, axes = pyplot.subplots(figsize=(2, 1), dpi=40)
    axes.plot([1, 3, 2])
    return drawn


def events(path: Path) -> list[Any]:
    """All events of a file but the first, which says who wrote it, without their times."""
    from tensorboard.compat.proto.event_pb2 import Event

    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(Event.FromString(data[at + 12 : at + 12 + length]))
        at += length + 16
    for event in found:
        event.ClearField("wall_time")
    return found[1:]


def plain(event: Any) -> tuple[Any, list[Any]]:
    """An event without its pictures, and their pixels: the files are packed differently."""
    from PIL import Image

    pictures = []
    for value in event.summary.value:
        if value.HasField("image"):
            pictures.append(np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string))).tolist())
            value.image.ClearField("encoded_image_string")
    return event, pictures


def content(path: Path) -> Any:
    if path.name.startswith("events.out"):
        return [plain(event) for event in events(path)]
    if path.suffix == ".png":
        from PIL import Image

        return np.asarray(Image.open(path)).tolist()
    if path.suffix == ".tsv":
        return path.read_text()
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    return text_format.Parse(path.read_text(), ProjectorConfig())


def written(lib: ModuleType, call: str, folder: Path) -> Any:
    """What a call leaves in the directory, file by file; or the class of what it raised."""
    generator = np.random.default_rng(0)
    names = {
        "torch": lib,
        "np": np,
        "figure": figure,
        "t": lambda *size: lib.tensor(generator.standard_normal(size, np.float32)),
        "u": lambda *size: lib.tensor(generator.random(size, np.float32)),
    }
    tensorboard = importlib.import_module(f"{lib.__name__}.utils.tensorboard")
    raised = None
    with tensorboard.SummaryWriter(folder) as writer:
        try:
            exec(call, {**names, "w": writer})
        except Exception as error:
            raised = type(error).__name__
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place = path.parent.relative_to(folder)
            name = "events" if path.name.startswith("events.out") else path.name
            files[str(place / name)] = content(path)
    return raised if raised else files


@pytest.mark.parametrize("call", CALLS.strip().splitlines())
@pytest.mark.filterwarnings("ignore")
def test_same_events(call: str, tmp_path: Path) -> None:
    ours = written(CANDIDATE, call, tmp_path / "ours")
    theirs = written(REFERENCE, call, tmp_path / "theirs")
    assert ours == theirs
    assert theirs  # something was written, or raised


@pytest.mark.filterwarnings("ignore")
def test_same_signatures() -> None:
    import inspect

    ours = importlib.import_module(f"{CANDIDATE.__name__}.utils.tensorboard").SummaryWriter
    theirs = importlib.import_module("torch.utils.tensorboard").SummaryWriter
    for name in [name for name in dir(theirs) if not name.startswith("_")] + ["__init__"]:
        wanted = inspect.signature(getattr(theirs, name)).parameters.values()
        got = inspect.signature(getattr(ours, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in got] == [(p.name, p.kind, p.default) for p in wanted], (
            name
        )


def graph_of(library: Any, name: str, build: str, data: str, folder: Path) -> dict[str, Any]:
    """The nodes of the graph that `add_graph` writes for one of the models in `examples/models`."""
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    def classes(rows: int, count: int, *more: int) -> Any:
        return library.randint(0, count, (rows, *more))

    model = eval(build, load(name, library))
    inputs = eval(data, {"rand": library.rand, "classes": classes})
    with importlib.import_module(f"{library.__name__}.utils.tensorboard").SummaryWriter(folder) as writer:
        writer.add_graph(model, inputs)
    (path,) = folder.iterdir()
    graph = GraphDef.FromString(next(event.graph_def for event in events(path) if event.graph_def))
    assert len({node.name for node in graph.node}) == len(graph.node)
    return {node.name: node for node in graph.node}


def modules(nodes: dict[str, Any]) -> set[str]:
    """The boxes of modules. In evaluation mode dropout does nothing, and has no box of ours."""
    boxes = {name.rpartition("/")[0] for name in nodes}
    return {box for box in boxes if box.endswith("]") and "Dropout" not in box}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
@pytest.mark.filterwarnings("ignore")
def test_graphs_of_models(case: tuple[str, str, str, str], tmp_path: Path) -> None:
    """The way from the output leads to the input, and the boxes are PyTorch's."""
    name, build, data, _ = case
    ours = graph_of(CANDIDATE, name, build, data, tmp_path / "ours")
    waiting, seen = ["output/output.1"], set()
    while waiting:
        at = waiting.pop().partition(":")[0]
        if at not in seen:
            seen.add(at)
            waiting.extend(ours[at].input)
    assert "input/input.1" in seen
    if "ModuleList" in " ".join(ours):
        return  # PyTorch leaves lists of modules out of the names
    theirs = graph_of(REFERENCE, name, build, data, tmp_path / "theirs")
    assert modules(theirs) <= modules(ours)
    assert all(box in modules(theirs) or box[-2] == "_" or "]_" in box for box in modules(ours))
