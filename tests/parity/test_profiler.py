"""Profiles: names of events, counts, schedules, columns of tables, keys of traces.

What PyTorch runs as several operations is one here, so that names are held where both have an event: of the
events at the top, and of those that programs ask for.

PyTorch's profiler can bring its process down when it is started many times, so it runs in a process of its
own, once for all tests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parity.programs import CANDIDATE, hold

# Calls whose events have the same names at the top.
CALLS = (
    """
x + 1.0 | x - x | 1.0 * x | x / 2.0 | x @ x | -x | abs(x) | x == x | x > 0.5 | x += 1 | x *= 2.0 | torch.add(x, x)
x.sum() | x.mean(0) | x.sum().item() | x[0] | x[:1] | x[None] | x.view(-1) | x.t() | x.transpose(0, 1) | x.exp()
x.to(torch.float64) | x.double() | torch.cat([x, x]) | torch.stack([x, x]) | torch.where(b, x, x) | x.clone()
x.detach() | x.add_(1.0) | x.zero_() | x.fill_(2.0) | torch.zeros(2) | torch.ones(2) | torch.full((2,), 1.0)
torch.arange(3) | torch.randn(2) | torch.rand(2) | torch.softmax(x, 0) | torch.relu(x) | torch.sigmoid(x)
F.linear(x, x) | F.relu(x) | F.gelu(x) | F.conv2d(im, im) | F.max_pool2d(im, 2) | F.avg_pool2d(im, 2)
F.layer_norm(x, (2,)) | F.batch_norm(im, None, None, training=True) | F.dropout(x, 0.5) | F.embedding(i, x)
F.cross_entropy(x, i) | F.nll_loss(x, i) | F.log_softmax(x, 0) | torch.linalg.inv(x + eye) | x.float()
torch.mm(x, x) | torch.addmm(x, x, x) | torch.bmm(im[0], im[0]) | x.size(0) | x.numel() | x.is_contiguous()
x[i] | x[b] | torch.sort(x) | torch.max(x) | torch.argmax(x) | x.pow(2.0) | x ** 2.0 | torch.cumsum(x, 0)
nn.Flatten()(im) | F.hardtanh(x) | F.silu(x) | x.expand(2, 2) | x.masked_fill(b, 1.0)
""".strip()
    .replace("\n", " | ")
    .split(" | ")
)


def profiled(lib: ModuleType, program: str, **options: Any) -> Any:
    """The profile of a program."""
    x = lib.tensor([[0.5, 1.5], [2.5, 3.5]])
    names = {"torch": lib, "nn": lib.nn, "F": lib.nn.functional, "x": x, "b": x > 1, "eye": lib.eye(2)}
    names |= {"i": lib.tensor([0, 1]), "im": lib.ones(1, 1, 4, 4), "w": lib.ones(2, requires_grad=True)}
    with lib.profiler.profile(activities=[lib.profiler.ProfilerActivity.CPU], **options) as prof:
        exec(program, names)
    return prof


def calls(lib: ModuleType) -> Any:
    """The names of the events of each call, which are in the mark around it."""
    lines = [
        f"with torch.profiler.record_function('call {i}'):\n    {call}\nx = x.detach().clone()"
        for i, call in enumerate(CALLS)
    ]
    found: dict[str, list[str]] = {call: [] for call in CALLS}
    for event in profiled(lib, "\n".join(lines)).events():
        if event.cpu_parent is not None and event.cpu_parent.name.startswith("call "):
            found[CALLS[int(event.cpu_parent.name[5:])]].append(event.name)
    return found


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


def training_step(lib: ModuleType) -> Any:
    events = profiled(lib, STEP).events()
    marks = [e.name for e in events if "#" in e.name or e.name == "forward"]
    inside = [e.name for e in events if e.cpu_parent is not None and e.cpu_parent.name == "forward"]
    nodes = [e for e in events if e.name in ("TanhBackward0", "torch::autograd::AccumulateGrad")]
    return marks, inside, [e.name for e in nodes], [e.cpu_parent.name for e in nodes]


def counts_and_shapes(lib: ModuleType) -> Any:
    prof = profiled(lib, "for _ in range(3): x + x\nx @ x\nF.linear(x, x[:1], x[0, :1])", record_shapes=True)
    wanted = ("aten::add", "aten::matmul", "aten::linear")
    by_name = [(e.key, e.count, e.input_shapes) for e in prof.key_averages() if e.key in wanted]
    by_shape = [
        (e.key, e.count, e.input_shapes[:2])
        for e in prof.key_averages(group_by_input_shape=True)
        if e.key in wanted
    ]
    return by_name, by_shape


def flops(lib: ModuleType) -> Any:
    program = """
x + x; x * x; torch.mm(torch.ones(2, 3), torch.ones(3, 4))
torch.addmm(torch.ones(4), torch.ones(2, 3), torch.ones(3, 4))
torch.bmm(torch.ones(2, 3, 4), torch.ones(2, 4, 5))
torch.baddbmm(torch.ones(2, 3, 5), torch.ones(2, 3, 4), torch.ones(2, 4, 5))
F.conv2d(torch.ones(2, 4, 8, 8), torch.ones(6, 2, 3, 3), None, 2, 1, 1, 2)
F.conv2d(torch.ones(2, 4, 8, 8), torch.ones(6, 4, 3, 3))
"""
    events = profiled(lib, program, with_flops=True).events()
    return [(e.name, e.flops) for e in events if e.flops]


def flops_of_what_is_one_operation_here(lib: ModuleType) -> Any:
    """PyTorch counts them for the ``mm`` and ``addmm`` within."""
    programs = ("F.linear(x, x, x[0])", "x @ x")
    return [sum(e.flops or 0 for e in profiled(lib, p, with_flops=True).events()) for p in programs]


def memory(lib: ModuleType) -> Any:
    program = "a = torch.ones(1000); b = a + a; c = b.view(-1); d = b.add_(b)"
    events = profiled(lib, program, profile_memory=True).events()
    wanted = ("aten::ones", "aten::add", "aten::view", "aten::add_")
    return [(e.name, e.cpu_memory_usage) for e in events if e.name in wanted]


TABLES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"sort_by": "cpu_time_total", "row_limit": 2}),
    ({}, {"sort_by": "self_cpu_time_total", "header": "A title", "top_level_events_only": True}),
    ({"profile_memory": True}, {"sort_by": "self_cpu_memory_usage"}),
    ({"with_flops": True, "profile_memory": True}, {"max_name_column_width": 20}),
]


def columns_of_tables(lib: ModuleType) -> Any:
    """All lines but the rows; the column of names is as wide as names are."""
    found = []
    for options, arguments in TABLES:
        prof = profiled(lib, "x @ x; x + x; x.exp()", **options)
        lines = prof.key_averages().table(**arguments).splitlines()
        rules = [i for i, line in enumerate(lines) if set(line) == {"-", " "}]
        heads = [line.strip() for line in lines if "Self CPU %" in line]
        widths = [len(part) for part in lines[rules[0]].split()[1:]]
        ends = [re.sub(r"[\d.]+(us|ms|s)$", "TIME", line) for line in lines[rules[2] + 1 :]]
        # How far rules of "=" go depends on the longest name.
        before = [re.sub("=+", "=", line) for line in lines[: rules[0]]]
        found.append((heads, widths, ends, before, len(rules)))
    return found


def rows_of_tables(lib: ModuleType) -> Any:
    """A row has the parts that PyTorch's has, in places of the same width."""
    prof = profiled(lib, "x.exp()", record_shapes=True)
    text = prof.key_averages(group_by_input_shape=True).table()
    row = next(line for line in text.splitlines() if "aten::exp" in line)
    return re.sub(r" +[\d.]+us", lambda m: f" {len(m[0])}us", re.sub(r" +[\d.]+%", " share", row))


SCHEDULES = [
    {"wait": 1, "warmup": 1, "active": 2},
    {"wait": 1, "warmup": 1, "active": 2, "repeat": 2, "skip_first": 3},
    {"wait": 0, "warmup": 1, "active": 1, "repeat": 1},
    {"wait": 2, "warmup": 0, "active": 1},
    {"wait": 3, "warmup": 1, "active": 1, "skip_first": 1, "skip_first_wait": 1},
    {"wait": -1, "warmup": 0, "active": 1},
    {"wait": 0, "warmup": 0, "active": 0},
]


def steps(lib: ModuleType) -> Any:
    """When traces are ready, at which steps, and with which steps in them."""
    told: list[Any] = []

    def ready(prof: Any) -> None:
        names = [e.name for e in prof.events() if e.name in ("aten::exp", "ProfilerStep*")]
        told.append((prof.step_num, names))

    for arguments in SCHEDULES[:4]:
        x = lib.ones(2)
        options = {"schedule": lib.profiler.schedule(**arguments), "on_trace_ready": ready}
        with lib.profiler.profile(activities=[lib.profiler.ProfilerActivity.CPU], **options) as prof:
            for _ in range(9):
                x.exp()
                prof.step()
    return told


def old_names(lib: ModuleType) -> Any:
    module = lib.autograd.profiler

    def mine(x: Any) -> Any:
        return x.exp()

    with module.profile() as prof:
        module.record_function("mine")(mine)(lib.ones(2))
    with module.profile(enabled=False) as off:
        lib.ones(2)
    with module.record_function("no profile"):
        pass
    within = ("aten::empty", "aten::fill_")
    names = [e.name for e in prof.function_events if e.name not in within]
    counted = [(e.key, e.count) for e in prof.key_averages() if e.key not in within]
    total = prof.total_average().key, prof.self_cpu_time_total > 0
    return names, counted, total, str(prof).splitlines()[1].split(), str(off)


TRACED = ("aten::mul", "MulBackward0", "[memory]", "process_name", "thread_name", "fwdbwd")


def keys_of_traces(lib: ModuleType) -> Any:
    """The keys of one entry of each kind."""
    prof = profiled(
        lib, "(w * 2.0).sum().backward()", record_shapes=True, profile_memory=True, with_modules=True
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "trace.json"
        prof.export_chrome_trace(str(path))
        trace = json.loads(path.read_text())
    found = {}
    for name in TRACED:
        entry = next(e for e in trace["traceEvents"] if e.get("name") == name)
        found[name] = sorted(entry), sorted(entry.get("args", ())), entry["ph"], entry.get("cat")
    return sorted(trace), found


def walk_backwards(lib: ModuleType) -> Any:
    program = "for _ in range(2): (w * 2.0).exp().sum().backward()"
    names = ("MulBackward0", "ExpBackward0", "SumBackward0", "torch::autograd::AccumulateGrad")
    return sorted(
        (e.key, e.count)
        for e in profiled(lib, program).key_averages()
        if e.key.removeprefix("autograd::engine::evaluate_function: ") in names
    )


OBSERVATIONS: list[Callable[[ModuleType], Any]] = [
    calls,
    training_step,
    counts_and_shapes,
    flops,
    flops_of_what_is_one_operation_here,
    memory,
    columns_of_tables,
    rows_of_tables,
    steps,
    old_names,
    walk_backwards,
    keys_of_traces,
]


def observed(lib: ModuleType) -> dict[str, Any]:
    """What all observations give, as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps({f.__name__: f(lib) for f in OBSERVATIONS}))
    return found


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """PyTorch's."""
    program = (
        "import json, torch; from parity import test_profiler as t; print(json.dumps(t.observed(torch)))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if done.returncode < 0:
        pytest.skip(f"PyTorch's profiler died of signal {-done.returncode}")
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    """Those of the library under test."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return observed(CANDIDATE)


@pytest.mark.parametrize("call", CALLS)
def test_names_of_calls(call: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["calls"][call] == theirs["calls"][call]


@pytest.mark.parametrize("name", [f.__name__ for f in OBSERVATIONS[1:-1]])
def test_observations(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours[name] == theirs[name]


@pytest.mark.parametrize("name", TRACED)
def test_keys_of_traces(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    (files, found), (other_files, expected) = ours["keys_of_traces"], theirs["keys_of_traces"]
    assert {"schemaVersion", "displayTimeUnit", "baseTimeNanoseconds", "traceEvents"} <= {*files} & {
        *other_files
    }
    asked = {"record_shapes", "profile_memory", "with_modules", "with_stack", "with_flops"}
    assert asked & {*files} == asked & {*other_files}
    assert found[name][0] == expected[name][0]
    assert found[name][2:] == expected[name][2:]
    # Where a pointer lies, strides and the like are PyTorch's own.
    assert {*found[name][1]} <= {*expected[name][1]}


@pytest.mark.parametrize("arguments", SCHEDULES)
def test_schedules(arguments: dict[str, int]) -> None:
    hold(f"""
_schedule = torch.profiler.schedule(**{arguments})
actions = [_schedule(step).name for step in range(20)]
""")


ERRORS = [
    "torch.profiler.profile(activities=[])",
    "torch.profiler.profile().key_averages()",
    "torch.profiler.profile().events()",
    "torch.profiler.profile().export_chrome_trace('x')",
    "torch.profiler.profile().export_stacks('x')",
    "torch.autograd.profiler.emit_nvtx().__enter__()",
]


@pytest.mark.parametrize("call", ERRORS)
def test_errors(call: str) -> None:
    hold(f"x = {call}")
