"""Profiles: names of events, counts, schedules, columns of tables, keys of traces.

What PyTorch runs as several operations is one here, so that names are held where both have an event: of the
events at the top, and of those that programs ask for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parity.programs import CANDIDATE, REFERENCE, hold

LIBRARIES = [CANDIDATE, REFERENCE]

# Calls whose events have the same names at the top.
CALLS = """
x + 1.0 | x - x | 1.0 * x | x / 2.0 | x @ x | -x | abs(x) | x == x | x > 0.5 | x += 1 | x *= 2.0 | torch.add(x, x)
x.sum() | x.mean(0) | x.sum().item() | x[0] | x[:1] | x[None] | x.view(-1) | x.t() | x.transpose(0, 1) | x.exp()
x.to(torch.float64) | x.double() | torch.cat([x, x]) | torch.stack([x, x]) | torch.where(b, x, x) | x.clone()
x.detach() | x.add_(1.0) | x.zero_() | x.fill_(2.0) | torch.zeros(2) | torch.ones(2) | torch.full((2,), 1.0)
torch.arange(3) | torch.randn(2) | torch.rand(2) | torch.softmax(x, 0) | torch.relu(x) | torch.sigmoid(x)
F.linear(x, x) | F.relu(x) | F.gelu(x) | F.conv2d(im, im) | F.max_pool2d(im, 2) | F.avg_pool2d(im, 2)
F.layer_norm(x, (2,)) | F.batch_norm(im, None, None, training=True) | F.dropout(x, 0.5) | F.embedding(i, x)
F.cross_entropy(x, i) | F.nll_loss(x, i) | F.mse_loss(x, x) | F.log_softmax(x, 0) | torch.linalg.inv(x + eye)
torch.mm(x, x) | torch.addmm(x, x, x) | torch.bmm(im[0], im[0]) | x.size(0) | x.numel() | x.is_contiguous()
x[i] | x[b] | torch.sort(x) | torch.max(x) | torch.argmax(x) | x.pow(2.0) | x ** 2.0 | torch.cumsum(x, 0)
nn.Flatten()(im) | F.hardtanh(x) | F.silu(x) | x.expand(2, 2) | x.masked_fill(b, 1.0) | x.float()
""".replace("\n", " | ").split(" | ")


def setting(lib: ModuleType) -> dict[str, Any]:
    """The variables that calls see."""
    x = lib.tensor([[0.5, 1.5], [2.5, 3.5]])
    return {
        "torch": lib,
        "nn": lib.nn,
        "F": lib.nn.functional,
        "x": x,
        "b": x > 1,
        "i": lib.tensor([0, 1]),
        "im": lib.ones(1, 1, 4, 4),
        "eye": lib.eye(2),
    }


def profiled(lib: ModuleType, program: str, **options: Any) -> Any:
    """The profile of a program."""
    namespace = setting(lib)
    with lib.profiler.profile(activities=[lib.profiler.ProfilerActivity.CPU], **options) as prof:
        exec(program, namespace)
    return prof


def top(prof: Any) -> list[str]:
    """The names of events that are in no other."""
    return [e.name for e in prof.events() if e.cpu_parent is None and e.name != "[memory]"]


@pytest.mark.parametrize("call", [call for call in CALLS if call])
def test_names_of_calls(call: str) -> None:
    ours, theirs = (top(profiled(lib, call)) for lib in LIBRARIES)
    assert ours == theirs


STEP = """
net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader([1, 2, 3], batch_size=2)
with torch.profiler.record_function("forward"):
    loss = F.cross_entropy(net(x), i)
optimizer.zero_grad()
loss.backward()
optimizer.step()
for _ in loader:
    pass
"""


def test_a_training_step() -> None:
    found = []
    for lib in LIBRARIES:
        events = profiled(lib, STEP).events()
        marks = [e.name for e in events if "#" in e.name or e.name == "forward"]
        inside = [e.name for e in events if e.cpu_parent is not None and e.cpu_parent.name == "forward"]
        nodes = [e.name for e in events if e.name in ("TanhBackward0", "torch::autograd::AccumulateGrad")]
        outer = sorted({e.cpu_parent.name for e in events if e.name in nodes and e.cpu_parent is not None})
        found.append((marks, inside, nodes, outer))
    assert found[0] == found[1]


def test_counts_and_shapes() -> None:
    program = "for _ in range(3): x + x\nx @ x\nF.linear(x, x[:1])"
    found = []
    for lib in LIBRARIES:
        prof = profiled(lib, program, record_shapes=True)
        groups = {e.key: (e.count, e.input_shapes) for e in prof.key_averages()}
        by_shape = [
            (e.key, e.count, e.input_shapes[:2])
            for e in prof.key_averages(group_by_input_shape=True)
            if e.key in ("aten::add", "aten::matmul", "aten::linear")
        ]
        found.append((groups["aten::add"], groups["aten::matmul"], by_shape))
    assert found[0] == found[1]


FLOPS = {
    "aten::add": "x + x",
    "aten::mul": "x * x",
    "aten::mm": "torch.mm(torch.ones(2, 3), torch.ones(3, 4))",
    "aten::addmm": "torch.addmm(torch.ones(4), torch.ones(2, 3), torch.ones(3, 4))",
    "aten::bmm": "torch.bmm(torch.ones(2, 3, 4), torch.ones(2, 4, 5))",
    "aten::baddbmm": "torch.baddbmm(torch.ones(2, 3, 5), torch.ones(2, 3, 4), torch.ones(2, 4, 5))",
    "aten::conv2d": "F.conv2d(torch.ones(2, 4, 8, 8), torch.ones(6, 2, 3, 3), None, 2, 1, 1, 2)",
}


@pytest.mark.parametrize("name", FLOPS)
def test_flops(name: str) -> None:
    ours, theirs = (
        [e.flops for e in profiled(lib, FLOPS[name], with_flops=True).events() if e.name == name]
        for lib in LIBRARIES
    )
    assert ours == theirs


def test_flops_of_what_is_one_operation_here() -> None:
    """PyTorch counts them for the ``mm`` and ``addmm`` within."""
    for program in ("F.linear(x, x, x[0])", "x @ x"):
        ours, theirs = (
            sum(e.flops or 0 for e in profiled(lib, program, with_flops=True).events()) for lib in LIBRARIES
        )
        assert ours == theirs > 0


def test_memory() -> None:
    program = "a = torch.ones(1000); b = a + a; c = b.view(-1); d = b.add_(1)"
    found = []
    for lib in LIBRARIES:
        events = profiled(lib, program, profile_memory=True).events()
        wanted = ("aten::ones", "aten::add", "aten::view")
        found.append([(e.name, e.cpu_memory_usage) for e in events if e.name in wanted])
    assert found[0] == found[1]
    events = profiled(CANDIDATE, "a = torch.ones(1000); a = None", profile_memory=True).events()
    assert ("[memory]", -4000) in [(e.name, e.cpu_memory_usage) for e in events]


TABLES = [
    ({}, {}),
    ({}, {"sort_by": "cpu_time_total", "row_limit": 2}),
    ({}, {"sort_by": "self_cpu_time_total", "header": "A title", "top_level_events_only": True}),
    ({"profile_memory": True}, {"sort_by": "self_cpu_memory_usage"}),
    ({"with_flops": True, "profile_memory": True}, {"max_name_column_width": 20}),
]


@pytest.mark.parametrize(("options", "arguments"), TABLES)
def test_columns_of_tables(options: dict[str, Any], arguments: dict[str, Any]) -> None:
    """All lines but the rows; the column of names is as wide as names are."""
    found = []
    for lib in LIBRARIES:
        text = (
            profiled(lib, "a_long_name = x @ x; x + x; x.exp()", **options).key_averages().table(**arguments)
        )
        lines = text.splitlines()
        rules = [i for i, line in enumerate(lines) if set(line) == {"-", " "}]
        heads = [re.sub(r"^ *Name", "Name", line) for line in lines[: rules[1]] if "Name" in line]
        widths = [len(part) for part in lines[rules[0]].split()[1:]]
        ends = [re.sub(r"[\d.]+(us|ms|s)$", "TIME", line) for line in lines[rules[2] :] if "-" not in line]
        before = [line for line in lines[: rules[0]] if "=" not in line]
        # PyTorch's rows of the operations within are not held, nor is how far rules of "=" go by them.
        found.append((heads, widths, ends, before, len(rules)))
    assert found[0] == found[1]


def test_rows_of_tables() -> None:
    """A row has the parts that PyTorch's has, in places of the same width."""
    rows = []
    for lib in LIBRARIES:
        text = profiled(lib, "x.exp()", record_shapes=True).key_averages(group_by_input_shape=True).table()
        row = next(line for line in text.splitlines() if "aten::exp" in line)
        rows.append(re.sub(r" +[\d.]+us", lambda m: f" {len(m[0])}us", row))
    assert rows[0] == rows[1]


SCHEDULES = [
    {"wait": 1, "warmup": 1, "active": 2},
    {"wait": 1, "warmup": 1, "active": 2, "repeat": 2, "skip_first": 3},
    {"wait": 0, "warmup": 1, "active": 1, "repeat": 1},
    {"wait": 2, "warmup": 0, "active": 1},
    {"wait": 3, "warmup": 1, "active": 1, "skip_first": 1, "skip_first_wait": 1},
    {"wait": -1, "warmup": 0, "active": 1},
    {"wait": 0, "warmup": 0, "active": 0},
]


@pytest.mark.parametrize("arguments", SCHEDULES)
def test_schedules(arguments: dict[str, int]) -> None:
    hold(f"""
_schedule = torch.profiler.schedule(**{arguments})
actions = [_schedule(step).name for step in range(20)]
""")


@pytest.mark.parametrize("arguments", SCHEDULES[:4])
def test_steps(arguments: dict[str, int]) -> None:
    """When traces are ready, at which steps, and with which steps in them."""
    found = []
    for lib in LIBRARIES:
        told: list[Any] = []

        def ready(prof: Any, told: list[Any] = told) -> None:
            names = [e.name for e in prof.events() if e.name in ("aten::exp", "ProfilerStep*")]
            told.append((prof.step_num, names))

        x = lib.ones(2)
        options = {"schedule": lib.profiler.schedule(**arguments), "on_trace_ready": ready}
        with lib.profiler.profile(activities=[lib.profiler.ProfilerActivity.CPU], **options) as prof:
            for _ in range(9):
                x.exp()
                prof.step()
        found.append(told)
    assert found[0] == found[1]


ERRORS = [
    "torch.profiler.profile(activities=[])",
    "torch.profiler.profile().key_averages()",
    "torch.profiler.profile().events()",
    "torch.profiler.profile().export_chrome_trace('x')",
    "torch.profiler.profile().export_stacks('x')",
    "torch.autograd.profiler.emit_nvtx().__enter__()",
    "torch.autograd.profiler.profile().key_averages()",
]


@pytest.mark.parametrize("call", ERRORS)
def test_errors(call: str) -> None:
    hold(f"x = {call}")


OLD_NAMES = """
_A = torch.autograd.profiler
@_A.record_function("mine")
def _mine(x): return x.exp()
with _A.profile() as _prof:
    _mine(torch.ones(2))
names = [e.name for e in _prof.function_events]
total = _prof.total_average().key
counted = [(e.key, e.count) for e in _prof.key_averages()]
positive = _prof.self_cpu_time_total > 0
text = str(_prof).splitlines()[1].split()
with _A.profile(enabled=False) as _off:
    torch.ones(2)
off = str(_off)
with _A.record_function("no profile") as _r:
    pass
"""


def test_old_names() -> None:
    hold(OLD_NAMES)


def trace_of(lib: ModuleType, path: Path) -> dict[str, Any]:
    program = "w = torch.ones(2, requires_grad=True); (w * 2.0).sum().backward()"
    profiled(lib, program, record_shapes=True, profile_memory=True).export_chrome_trace(str(path))
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def test_keys_of_traces(tmp_path: Path) -> None:
    ours, theirs = (trace_of(lib, tmp_path / f"{lib.__name__}.json") for lib in LIBRARIES)
    assert {
        "schemaVersion",
        "displayTimeUnit",
        "baseTimeNanoseconds",
        "traceEvents",
    } <= ours.keys() & theirs.keys()

    def keys(trace: dict[str, Any], name: str) -> tuple[set[str], set[str], str, str]:
        entry = next(e for e in trace["traceEvents"] if e.get("name") == name)
        return {*entry} - {"args"}, {*entry.get("args", ())}, entry["ph"], entry.get("cat", "")

    for name in ("aten::mul", "MulBackward0", "[memory]", "process_name", "thread_name", "fwdbwd"):
        found, expected = keys(ours, name), keys(theirs, name)
        assert found[0] == expected[0], name
        assert found[2:] == expected[2:], name
        # Where a pointer lies, strides and the like are PyTorch's own.
        assert found[1] <= expected[1], name


def test_key_averages_after_a_walk_backwards() -> None:
    program = "w = torch.ones(2, requires_grad=True)\nfor _ in range(2): (w * 2.0).exp().sum().backward()"
    names = ("MulBackward0", "ExpBackward0", "SumBackward0", "torch::autograd::AccumulateGrad")
    ours, theirs = (
        sorted(
            (e.key, e.count)
            for e in profiled(lib, program).key_averages()
            if e.key.removeprefix("autograd::engine::evaluate_function: ") in names
        )
        for lib in LIBRARIES
    )
    assert ours == theirs
    assert len(ours) == 8
