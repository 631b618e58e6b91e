"""Files for chrome://tracing and Perfetto."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.autograd.profiler_util import FunctionEvent


def _category(event: FunctionEvent) -> str:
    return "user_annotation" if event.is_user_annotation else "cpu_op"


def _about(name: str, thread: int, process: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": name, "ts": 0, "pid": process, "tid": thread, "args": args}


def make_trace(events: list[Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """The trace as a tree: complete events, memory, and arrows from operations to their backward nodes."""
    import os
    import sys

    process = os.getpid()
    program = os.path.basename(sys.executable) or "python"
    entries: list[dict[str, Any]] = [
        _about("process_name", 0, process, {"name": program}),
        _about("process_labels", 0, process, {"labels": "CPU"}),
        _about("process_sort_index", 0, process, {"sort_index": process}),
    ]
    for thread in sorted({event.thread for event in events}):
        entries.append(_about("thread_name", thread, process, {"name": f"thread {thread} ({program})"}))
        entries.append(_about("thread_sort_index", thread, process, {"sort_index": thread}))
    forward: dict[int, FunctionEvent] = {}
    memory = 0
    for i, event in enumerate(events):
        place = {"pid": process, "tid": event.thread, "ts": event.time_range.start}
        if event.name == "[memory]":
            memory += event.cpu_memory_usage
            args: dict[str, Any] = {"Bytes": event.cpu_memory_usage, "Total Allocated": memory}
            args |= {"Device Type": 0, "Device Id": -1, "Ev Idx": i}
            entries.append({"ph": "i", "cat": "cpu_instant_event", "s": "t", "name": "[memory]", **place})
            entries[-1]["args"] = args
            continue
        args = {"External id": event.id, "Record function id": 0}
        if event.sequence_nr >= 0:
            args |= {"Sequence number": event.sequence_nr, "Fwd thread id": event.fwd_thread or 0}
        if event.input_shapes:
            args |= {
                "Input Dims": event.input_shapes,
                "Input type": event.input_dtypes,
                "Concrete Inputs": [str(value or "") for value in event.concrete_inputs],
            }
        if event.stack:
            args["Call stack"] = ";".join(event.stack)
        args["Ev Idx"] = i
        entries.append({"ph": "X", "cat": _category(event), "name": event.trace_name, **place})
        entries[-1] |= {"dur": event.time_range.elapsed_us(), "args": args}
        if event.sequence_nr < 0:
            continue
        if event.scope == 1:
            source = forward.get(event.sequence_nr)
            if source is not None:
                arrow = {"name": "fwdbwd", "cat": "fwdbwd", "id": event.sequence_nr, "pid": process}
                start = {"ph": "s", "tid": source.thread, "ts": source.time_range.start}
                end = {"ph": "f", "tid": event.thread, "ts": event.time_range.start, "bp": "e"}
                entries += [arrow | start, arrow | end]
        elif not event.name.startswith("autograd::engine::"):
            # The last with the number made the node; those before it made none.
            forward[event.sequence_nr] = event
    return {
        "schemaVersion": 1,
        "deviceProperties": [],
        **(metadata or {}),
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": 0,
        "traceEvents": entries,
    }


def write_trace(events: list[Any], path: str, metadata: dict[str, Any] | None = None) -> None:
    """Write the trace as JSON, compressed if the path ends in ".gz"."""
    import json

    text = json.dumps(make_trace(events, metadata), indent=1)
    if path.endswith(".gz"):
        import gzip

        with gzip.open(path, "wt") as file:
            file.write(text)
    else:
        with open(path, "w") as plain:
            plain.write(text)
