"""`utils.tensorboard`: what is written is read back by TensorBoard's own reader, and shown by its server."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rustnn as torch
from rustnn import nn

if importlib.util.find_spec("tensorboard") is None:
    pytest.skip("the package tensorboard is not installed", allow_module_level=True)

from tensorboard_server import tensorboard_server

from rustnn.utils.tensorboard import SummaryWriter


def read(folder: Path) -> Any:
    """What TensorBoard finds in a directory; it checks the checksums of all records."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance=dict.fromkeys(("scalars", "tensors", "images"), 0))
    found.Reload()
    return found


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def nodes(model: nn.Module, *args: torch.Tensor) -> dict[str, Any]:
    from rustnn.utils.tensorboard.module_graph import model_nodes

    return {node.name: node for node in model_nodes(model, args)}


def shape(node: Any) -> list[int]:
    return [size.size for size in node.attr["_output_shapes"].list.shape[0].dim]


def test_scalars(tmp_path: Path) -> None:
    values = [1.5, 2, True, np.float32(0.1), np.array([[3.0]]), torch.tensor(4.0, requires_grad=True)]
    values += [
        torch.tensor([5], dtype=torch.int64),
        torch.tensor(0.5, dtype=torch.bfloat16),
        1e300,
        float("nan"),
    ]
    with SummaryWriter(tmp_path) as writer:
        for step, value in enumerate(values):
            writer.add_scalar("a/b ü", value, step)
        writer.add_scalar("far", 1.0, 2**62, walltime=12.5)
        writer.add_scalar("far", 2.0, -3)
        writer.add_scalar("far", 3.0)
    found = scalars(tmp_path, "a/b ü")
    assert [step for step, _ in found] == list(range(len(values)))
    expected = [1.5, 2, 1, np.float32(0.1), 3, 4, 5, 0.5, np.inf, np.nan]
    np.testing.assert_array_equal([value for _, value in found], expected)
    far = read(tmp_path).Scalars("far")
    assert [event.step for event in far] == [2**62, -3, 0]
    assert far[0].wall_time == 12.5
    assert abs(far[1].wall_time - time.time()) < 60


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (torch.ones(2), AssertionError),
        (np.ones(3), AssertionError),
        ([1.0], NotImplementedError),
        ("x", ValueError),
    ],
)
def test_what_is_no_scalar(tmp_path: Path, value: object, error: type[Exception]) -> None:
    with SummaryWriter(tmp_path) as writer, pytest.raises(error):
        writer.add_scalar("a", value)


def test_steps_and_tags_that_cannot_be_written(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="64 bits"):
            writer.add_scalar("a", 1.0, 2**63)
        with pytest.raises(TypeError, match="tag"):
            writer.add_scalar(3, 1.0)


def test_events_wait_in_a_queue(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path, max_queue=3) as writer:
        for step, expected in enumerate((0, 0, 3, 3, 3, 6)):
            writer.add_scalar("a", 1.0, step)
            assert len(scalars(tmp_path, "a") if expected else []) == expected
        writer.add_scalar("a", 1.0, 6)
        writer.flush()
        assert len(scalars(tmp_path, "a")) == 7
    with SummaryWriter(tmp_path / "timed", flush_secs=0.05) as writer:
        writer.add_scalar("a", 1.0, 0)
        until = time.monotonic() + 20
        while time.monotonic() < until and not read(tmp_path / "timed").Tags()["scalars"]:
            time.sleep(0.05)
        assert len(scalars(tmp_path / "timed", "a")) == 1


def test_closing(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path, filename_suffix=".mine")
    writer.add_scalar("a", 1.0, 0)
    writer.close()
    writer.close()
    writer.flush()
    writer.add_scalar("a", 2.0, 1)  # goes on in a new file
    writer.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    assert all(file.name.startswith("events.out.tfevents.") and file.suffix == ".mine" for file in files)
    assert scalars(tmp_path, "a") == [(0, 1.0), (1, 2.0)]


def test_the_end_of_a_program_writes_what_waits(tmp_path: Path) -> None:
    program = (
        "from rustnn.utils.tensorboard import SummaryWriter\n"
        "writer = SummaryWriter('run')\n"
        "for step in range(5): writer.add_scalar('a', step, step)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
    assert len(scalars(tmp_path / "run", "a")) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_write_the_parents_events(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from rustnn.utils.tensorboard import SummaryWriter\n"
        "writer = SummaryWriter('run')\n"
        "writer.add_scalar('a', 1.0, 0)\n"
        "child = os.fork()\n"
        "if child == 0: sys.exit(0)\n"
        "os.waitpid(child, 0)\n"
        "writer.close()\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    assert len(scalars(tmp_path / "run", "a")) == 1


def test_several_threads_write(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:

        def work(name: str) -> None:
            for step in range(200):
                writer.add_scalar(name, step, step)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for name in "abcd":
        assert scalars(tmp_path, name) == [(step, step) for step in range(200)]


def test_runs_of_one_chart(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalars(
                "all/of", {"sin": np.sin(step), "cos": torch.cos(torch.tensor(float(step)))}, step
            )
    assert [step for step, _ in scalars(tmp_path / "all_of_sin", "all/of")] == [0, 1, 2]
    assert scalars(tmp_path / "all_of_cos", "all/of")[1][1] == pytest.approx(np.cos(1))


def test_purging(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(5):
            writer.add_scalar("a", 1.0, step)
    time.sleep(1.1)  # TensorBoard reads files in the order of their names, which have seconds
    with SummaryWriter(tmp_path, purge_step=3) as writer:
        writer.add_scalar("a", 2.0, 3)
    assert scalars(tmp_path, "a") == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0)]


def test_the_default_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr1") as writer:
        folder = Path(writer.get_logdir())
    assert folder.parent.name == "runs"
    assert folder.name.endswith(socket.gethostname() + "_lr1")
    assert folder.is_dir()


@pytest.mark.parametrize("length", [0, 1, 255, 4095, 4096, 4097, 9000, 100_003])
def test_checksums(length: int) -> None:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as theirs

    from rustnn.utils.tensorboard.crc32c import masked_crc32c

    data = np.random.default_rng(length).bytes(length)
    assert masked_crc32c(data) == theirs(data)


def test_histograms(tmp_path: Path) -> None:
    values = torch.randn(1000)
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", values, 1)
        writer.add_histogram("few", values, 1, bins=20, max_bins=7)
        writer.add_histogram_raw("raw", 0.0, 2.0, 3, 3.0, 5.0, [1.0, 2.0], [1, 2], 4)
        with pytest.raises(ValueError, match="no element"):
            writer.add_histogram("none", torch.empty(0))
        with pytest.raises(ValueError, match="empty"):
            writer.add_histogram("none", torch.tensor([float("nan")]))
        with pytest.raises(ValueError, match="bucket_limits"):
            writer.add_histogram_raw("raw", 0, 1, 1, 1, 1, [1.0], [1, 2])
    found = read(tmp_path)
    (event,) = found.Histograms("h")
    histogram = event.histogram_value
    assert (event.step, histogram.num, sum(histogram.bucket)) == (1, 1000, 1000)
    assert histogram.min == values.min().item()
    assert histogram.sum_squares == pytest.approx((values.double() ** 2).sum().item())
    assert len(found.Histograms("few")[0].histogram_value.bucket) <= 11
    assert found.Histograms("raw")[0].histogram_value.bucket_limit == [1.0, 2.0]


def pixels(encoded: bytes) -> np.ndarray:
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(io.BytesIO(encoded)))


@pytest.mark.parametrize(
    ("size", "formats"),
    [
        ((3, 4, 5), "CHW"),
        ((1, 4, 5), "CHW"),
        ((4, 5, 3), "HWC"),
        ((4, 5), "HW"),
        ((5, 4), "wh"),
        ((4, 4, 5), "CHW"),
    ],
)
def test_pictures(tmp_path: Path, size: tuple[int, ...], formats: str) -> None:
    given = torch.rand(size)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("p", given, 3, dataformats=formats)
        writer.add_image("bytes", (given * 255).to(torch.uint8), 3, dataformats=formats)
    (event,) = read(tmp_path).Images("p")
    assert (event.height, event.width) == (4, 5)
    got = pixels(event.encoded_image_string)
    array = (given.numpy() * 255).astype(np.uint8)
    array = array.transpose([formats.upper().index(c) for c in "HWC" if c in formats.upper()])
    np.testing.assert_array_equal(got, np.broadcast_to(array.reshape(4, 5, -1), got.shape))
    again = pixels(read(tmp_path).Images("bytes")[0].encoded_image_string)
    np.testing.assert_array_equal(got, again)


def test_grids_of_pictures(tmp_path: Path) -> None:
    given = torch.rand(10, 1, 4, 5)
    with SummaryWriter(tmp_path) as writer:
        writer.add_images("p", given, 3)
        for wrong in ("CHW", "NNHW", "NCXY"):
            with pytest.raises(AssertionError):
                writer.add_images("p", given, 3, dataformats=wrong)
        with pytest.raises(AssertionError):
            writer.add_images("p", torch.rand(2, 2, 4, 5))
    got = pixels(read(tmp_path).Images("p")[0].encoded_image_string)
    assert got.shape == (8, 40, 3)
    np.testing.assert_array_equal(got[4:, 5:10, 0], (given[9, 0].numpy() * 255).astype(np.uint8))
    assert (got[4:, 10:] == 0).all()


def test_boxes_videos_figures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    figure, axes = plt.subplots(figsize=(2, 1), dpi=50)
    axes.plot([1, 2])
    with SummaryWriter(tmp_path) as writer:
        boxes = torch.tensor([[2.0, 2, 12, 12]])
        writer.add_image_with_boxes("b", torch.zeros(3, 20, 20), boxes, labels="x", rescale=2)
        writer.add_video("v", torch.rand(2, 5, 3, 6, 8), fps=10)
        writer.add_figure("f", figure, close=False)
        assert plt.fignum_exists(figure.number)
        writer.add_figure("fs", [figure])
        assert not plt.fignum_exists(figure.number)
    found = read(tmp_path)
    box = pixels(found.Images("b")[0].encoded_image_string)
    assert box.shape == (40, 40, 3)
    assert box[8, 4, 0] > 200
    video = image.open(io.BytesIO(found.Images("v")[0].encoded_image_string))
    assert (video.n_frames, video.size, video.info["duration"]) == (5, (16, 6), 100)
    assert pixels(found.Images("f")[0].encoded_image_string).shape == (50, 100, 3)
    assert pixels(found.Images("fs")[0].encoded_image_string).shape == (50, 100, 3)


def test_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import wave

    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("s", torch.linspace(-1, 1, 100).reshape(1, 100), sample_rate=8000)
        assert capsys.readouterr().out == ""
        writer.add_audio("loud", np.array([0.0, 2.0]))
        assert "clipped" in capsys.readouterr().out
        with pytest.raises(AssertionError):
            writer.add_audio("two", torch.zeros(2, 100))
    (event,) = read(tmp_path).Audio("s")
    with wave.open(io.BytesIO(event.encoded_audio_string)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
        samples = np.frombuffer(sound.readframes(100), "<i2")
    np.testing.assert_allclose(samples / 32767, np.linspace(-1, 1, 100), atol=1e-4)


def test_tensors_of_half_precision_keep_their_values(tmp_path: Path) -> None:
    from tensorboard.util.tensor_util import make_ndarray

    with SummaryWriter(tmp_path) as writer:
        writer.add_tensor("half", torch.tensor([[0.5, -2.0]], dtype=torch.float16))
    (event,) = read(tmp_path).Tensors("half")
    assert make_ndarray(event.tensor_proto).tolist() == [[0.5, -2.0]]


def test_hyperparameters_must_be_plain(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(TypeError):
            writer.add_hparams([("lr", 1)], {})
        with pytest.raises(ValueError, match="one of"):
            writer.add_hparams({"lr": [1]}, {})
        with pytest.raises(TypeError, match="same type"):
            writer.add_hparams({"lr": 0.1}, {}, {"lr": ["a"]})


def test_embeddings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = torch.tensor([[1.0, 2.5], [3.0, -4.0], [0.1, 0.0]])
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(points, ["a", "b", "c"], torch.rand(3, 3, 4, 4), 7, tag="my/points")
        writer.add_embedding(
            points, [["a", 1], ["b", 2], ["c", 3]], tag="rows", metadata_header=["name", "n"]
        )
        assert capsys.readouterr().out == ""
        writer.add_embedding(points, tag="rows")
        assert "Embedding dir exists" in capsys.readouterr().out
        with pytest.raises(AssertionError):
            writer.add_embedding(points, ["a"])
        with pytest.raises(AssertionError):
            writer.add_embedding(points[0])
    folder = tmp_path / "00007" / "my%2fpoints"
    assert (folder / "tensors.tsv").read_text().splitlines()[:2] == ["1.0\t2.5", "3.0\t-4.0"]
    assert (folder / "metadata.tsv").read_text() == "a\nb\nc\n"
    assert pixels((folder / "sprite.png").read_bytes()).shape == (8, 8, 3)
    assert (tmp_path / "00000" / "rows" / "metadata.tsv").read_text().startswith("name\tn\na\t1\n")
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert config.count("embeddings {") == 3
    assert 'tensor_path: "00007/my%2fpoints/tensors.tsv"' in config


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x) + x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(32, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(x)
        for block in self.blocks:
            x = self.act(block(x))
        return self.head(x)


def test_graph_of_a_model() -> None:
    model = Net()
    found = nodes(model, torch.rand(1, 2, 4, 4))
    assert model.training
    assert all(module.training for module in model.modules())
    first, second = (f"Net/ModuleList[blocks]/Block[{i}]" for i in (0, 1))
    convolution = found[f"{second}/Conv2d[conv]/Convolution"]
    assert list(convolution.input)[1:] == [f"{second}/Conv2d[conv]/weight", f"{second}/Conv2d[conv]/bias"]
    assert convolution.input[0].startswith("Net/ReLU[act]_1")
    assert shape(convolution) == [1, 2, 4, 4]
    assert shape(found[f"{first}/Conv2d[conv]/weight"]) == [2, 2, 3, 3]
    assert f"{first}/Conv2d[conv]/Convolution" in found[f"{first}/Add"].input
    assert list(found["output/output.1"].input) == ["Net/Sequential[head]/Linear[2]/Addmm"]
    assert shape(found["output/output.1"]) == [1, 3]
    for node in found.values():
        assert all(name.split(":")[0] in found for name in node.input)


def test_graph_of_whole_numbers_and_frozen_layers() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(7, 4).requires_grad_(False)
            self.rnn = nn.LSTM(4, 3)
            self.out = nn.Linear(3, 2)

        def forward(self, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            states, _ = self.rnn(self.embedding(words))
            return self.out(states), states.argmax(-1)

    found = nodes(Words(), torch.tensor([[1], [2]]))
    assert list(found["Words/Embedding[embedding]/Embedding"].input) == ["input/input.1"]
    assert any(
        "Words/Embedding[embedding]/Embedding" in node.input for node in found.values() if "LSTM" in node.name
    )
    assert len(found["output/output.2"].input) == 1


def test_graph_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(Net(), torch.rand(1, 2, 4, 4), verbose=True)
        assert "Addmm" in capsys.readouterr().out
        with pytest.raises(RuntimeError):
            writer.add_graph(Net(), torch.rand(1, 5, 4, 4))
    found = read(tmp_path)
    assert len(GraphDef.FromString(found.Graph().SerializeToString()).node) > 15
    assert found.Tags()["run_metadata"] == ["step1"]


def test_onnx_graph(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    import rustnn.onnx

    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    axes = {"x": {0: "batch"}}
    rustnn.onnx.export(
        model, (torch.rand(2, 3),), tmp_path / "model.onnx", input_names=["x"], dynamic_axes=axes
    )
    with SummaryWriter(tmp_path / "runs") as writer:
        writer.add_onnx_graph(tmp_path / "model.onnx")
    graph = GraphDef.FromString(read(tmp_path / "runs").Graph().SerializeToString())
    found = {node.name: node for node in graph.node}
    assert found.keys() == {"input/x", "0/weight", "0/bias", "0/Gemm", "1/Relu", "output/output"}
    assert list(found["0/Gemm"].input) == ["input/x", "0/weight", "0/bias"]
    assert list(found["output/output"].input) == ["1/Relu"]
    assert [dim.size for dim in found["input/x"].attr["shape"].shape.dim] == [-1, 3]
    assert found["0/Gemm"].attr["parameters"].s == b"transB=1"


def test_without_the_package_the_error_says_what_to_install() -> None:
    program = (
        "import sys\n"
        "sys.modules['tensorboard'] = None\n"
        "try:\n"
        "    import rustnn.utils.tensorboard\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert "pip install tensorboard" in done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that fetches from TensorBoard, which shows what the example wrote."""
    with tensorboard_server(tmp_path_factory.mktemp("runs")) as found:
        yield found.fetch


def test_the_server_shows_curves(server: Any) -> None:
    curve = json.loads(server("plugin/scalars/scalars", run="looking", tag="loss"))
    assert [step for _, step, _ in curve] == list(range(120))
    assert curve[-1][2] < curve[0][2]
    bars = json.loads(server("plugin/histograms/histograms", run="looking", tag="head.weight"))
    assert len(bars) == 12
    assert json.loads(server("plugin/pr_curves/pr_curves", run="looking", tag="rings"))


def test_the_server_shows_the_graph(server: Any) -> None:
    graph = server("plugin/graphs/graph", run="looking", conceptual="false").decode()
    assert '"Net/Sequential[features]/Conv2d[0]/Convolution"' in graph
    assert 'name: "output/output.1"' in graph


def test_the_server_shows_the_projector(server: Any) -> None:
    info = json.loads(server("plugin/projector/info", run="looking"))
    (points,) = info["embeddings"]
    assert points["tensorName"] == "middle:00120"
    name = points["tensorName"]
    numbers = np.frombuffer(server("plugin/projector/tensor", run="looking", name=name), np.float32)
    assert numbers.size == 100 * 16
    labels = server("plugin/projector/metadata", run="looking", name=name).decode().split()
    assert set(labels) == {"ring", "cross", "bar"}
    sprite = server("plugin/projector/sprite_image", run="looking", name=name)
    assert pixels(sprite).shape == (120, 120, 3)


def test_the_server_shows_pictures_and_words(server: Any) -> None:
    (picture,) = json.loads(server("plugin/images/images", run="looking", tag="pictures", sample=0))
    shown = pixels(server(f"plugin/images/individualImage?{picture['query']}"))
    assert shown.shape == (24, 96, 3)
    (text,) = json.loads(server("plugin/text/text", run="looking", tag="about/text_summary"))
    assert "<strong>crosses</strong>" in text["text"]
    assert json.loads(server("plugin/audio/audio", run="looking", tag="tone", sample=0))
