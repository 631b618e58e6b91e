"""What profiles tell beyond what PyTorch's do alike: lines of Python, threads, files."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from typing import Any

import pytest

import rustnn as torch
from rustnn import nn, profiler
from rustnn.optim.optimizer import Optimizer


def calls_here(x: Any) -> Any:
    return x.exp()


def test_lines_of_python(tmp_path: Path) -> None:
    layer = nn.Linear(2, 2)
    with profiler.profile(with_stack=True) as prof:
        calls_here(torch.ones(100))
        layer(torch.ones(1, 2))
    events = {event.name: event for event in prof.events()}
    assert events["aten::exp"].stack[0].endswith("test_profiler.py(19): calls_here")
    assert "linear.py(" in events["aten::linear"].stack[0]
    assert "forward" in events["aten::linear"].stack[0]
    table = prof.key_averages(group_by_stack_n=1).table()
    assert "Source Location" in table
    assert "calls_here" in table
    prof.export_stacks(str(tmp_path / "stacks"), "self_cpu_time_total")
    lines = (tmp_path / "stacks").read_text().splitlines()
    line = next(line for line in lines if "calls_here" in line)
    frames, _, value = line.rpartition(" ")
    assert frames.split(";")[-1].endswith("test_profiler.py(19):_calls_here")
    assert int(value) > 0
    with pytest.raises(ValueError, match="metric should be one of"):
        prof.export_stacks(str(tmp_path / "stacks"), "nonsense")


def test_without_stacks_there_is_nothing_to_export() -> None:
    with profiler.profile() as prof:
        torch.ones(1)
    with pytest.raises(AssertionError, match="with_stack=True"):
        prof.export_stacks("unused")
    with pytest.raises(AttributeError, match="nonsense"):
        prof.key_averages().table(sort_by="nonsense")


def test_other_threads_have_events_of_their_own() -> None:
    with profiler.profile() as prof, profiler.record_function("main"):
        thread = threading.Thread(target=lambda: torch.ones(4).exp())
        thread.start()
        thread.join()
        torch.ones(4).log()
    events = {event.name: event for event in prof.events()}
    assert events["aten::exp"].cpu_parent is None
    assert events["aten::log"].cpu_parent is events["main"]
    assert events["aten::exp"].thread != events["aten::log"].thread


def test_times_add_up() -> None:
    x = torch.randn(64, 64)
    with profiler.profile() as prof:
        with profiler.record_function("outer"):
            for _ in range(3):
                x = x @ x
    events = prof.events()
    outer = events[0]
    assert outer.name == "outer"
    assert [event.name for event in outer.cpu_children] == ["aten::matmul"] * 3
    assert outer.self_cpu_time_total == pytest.approx(
        outer.cpu_time_total - sum(child.cpu_time_total for child in outer.cpu_children)
    )
    assert events.self_cpu_time_total == pytest.approx(outer.cpu_time_total)
    average = prof.key_averages()[1]
    assert (average.key, average.count) == ("aten::matmul", 3)
    assert average.cpu_time == pytest.approx(average.cpu_time_total / 3)


def test_one_profile_at_a_time_and_nothing_is_left() -> None:
    plain = Optimizer.zero_grad
    with profiler.profile():
        with pytest.raises(RuntimeError, match="already enabled"):
            profiler.profile().start()
        assert Optimizer.zero_grad is not plain
    assert Optimizer.zero_grad is plain
    with pytest.raises(KeyError), profiler.profile() as prof:
        torch.ones(1)
        raise KeyError("told")
    assert [event.name for event in prof.events()] == ["aten::ones"]
    with profiler.profile() as prof:
        pass
    assert prof.events() == []
    assert prof.key_averages().table() == ""


def test_an_operation_that_fails_is_an_event() -> None:
    with profiler.profile() as prof:
        with pytest.raises(RuntimeError):
            torch.ones(2) @ torch.ones(3)
        with pytest.raises(TypeError):
            torch.ones(2) + "text"  # type: ignore[operator]
        assert torch.ones(2).__add__("text") is NotImplemented  # type: ignore[operator]
    assert [event.name for event in prof.events()].count("aten::matmul") == 1


def test_recurrent_layers_have_pytorch_s_names() -> None:
    x = torch.ones(3, 1, 2)
    with profiler.profile() as prof:
        nn.LSTM(2, 2)(x), nn.GRU(2, 2)(x), nn.RNN(2, 2)(x)
    names = [event.name for event in prof.events()]
    assert {"aten::lstm", "aten::gru", "aten::rnn_tanh"} <= set(names)


def test_shapes_of_keywords_and_lists() -> None:
    with profiler.profile(record_shapes=True) as prof:
        torch.cat([torch.ones(2), torch.ones(3)], dim=0)
        torch.sum(torch.ones(2, 3), dim=1)
    events = {event.name: event for event in prof.events()}
    assert events["aten::cat"].input_dtypes[0] == "TensorList"
    assert events["aten::sum"].input_shapes == [[2, 3], []]
    assert events["aten::sum"].concrete_inputs == [None, "1"]


def test_traces_in_files(tmp_path: Path) -> None:
    def ready(prof: profiler.profile) -> None:
        prof.add_metadata("run", "first")
        prof.add_metadata_json("numbers", "[1, 2]")
        profiler.tensorboard_trace_handler(str(tmp_path / "runs"), "worker", use_gzip=True)(prof)

    with profiler.profile(on_trace_ready=ready, profile_memory=True) as prof:
        torch.ones(10)
    (path,) = (tmp_path / "runs").iterdir()
    assert path.name.startswith("worker.")
    assert path.name.endswith(".pt.trace.json.gz")
    trace = json.loads(gzip.decompress(path.read_bytes()))
    assert trace["run"] == "first"
    assert trace["numbers"] == [1, 2]
    assert "aten::ones" in [entry["name"] for entry in trace["traceEvents"]]
    prof.export_memory_timeline(str(tmp_path / "memory.json"))
    times, sizes = json.loads((tmp_path / "memory.json").read_text())
    assert len(times) == len(sizes) == 2
    assert sizes == [40, 0]


def test_events_of_several_cycles() -> None:
    plan = profiler.schedule(wait=0, warmup=1, active=1, repeat=2)
    with profiler.profile(schedule=plan, acc_events=True) as prof:
        for _ in range(6):
            torch.ones(2).exp()
            prof.step()
    assert [event.name for event in prof.events()].count("aten::exp") == 2


def test_times_in_one_unit() -> None:
    with profiler.profile() as prof:
        torch.ones(2)
    row = prof.key_averages().table(time_unit="ms").splitlines()[3]
    assert row.split()[2].endswith("ms")


def test_modes_and_profiles_together() -> None:
    from rustnn.overrides import TorchFunctionMode

    seen = []

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with profiler.profile() as prof, Mode():
        nn.functional.cross_entropy(torch.ones(1, 2), torch.tensor([0]))
    assert seen == ["ones", "tensor", "cross_entropy"]
    assert [event.name for event in prof.events()] == [
        "aten::ones",
        "aten::lift_fresh",
        "aten::cross_entropy_loss",
    ]
