"""The table of a profile."""

from __future__ import annotations

from rustnn.autograd.profiler_util import format_memory, format_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.autograd.profiler_util import EventList

_WIDTH = 12
_GAP = "  "
_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}


def _share(part: float, whole: float) -> str:
    """A part of the whole in percent."""
    return f"{part * 100.0 / whole:.2f}%" if whole else "NaN"


def _flops_unit(least: float) -> tuple[float, str]:
    """What numbers of operations are multiplied by, and the title of their column; by the least of them."""
    from math import floor, log10

    prefixes = ("", "K", "M", "G", "T", "P")
    power = max(0, min(floor(log10(least) / 3), len(prefixes) - 1))
    return 10.0 ** (-3 * power), f"Total {prefixes[power]}FLOPs"


def build_table(
    events: EventList,
    *,
    sort_by: str | None,
    row_limit: int,
    widths: tuple[int, int, int],
    header: str | None,
    memory: bool,
    flops: bool,
    top_level_only: bool,
    time_unit: str | None,
) -> str:
    """The table as text; ``widths`` are the most that names, shapes and lines of Python get."""
    if not events:
        return ""
    rows: list[Any] = list(events)
    if sort_by is not None:
        attribute = sort_by.replace("cuda", "device")
        rows.sort(key=lambda event: getattr(event, attribute), reverse=True)
    most_of_name, most_of_shapes, most_of_source = widths
    has_shapes = any(event.input_shapes for event in rows)
    has_stacks = any(event.stack for event in rows)

    def fitting(texts: Any, most: int) -> int:
        longest = max((len(text) for text in texts), default=0) + 4
        return longest if most is None else min(longest, most)

    name_width = fitting((event.key for event in rows), most_of_name)
    shapes_width = fitting((str(event.input_shapes) for event in rows), most_of_shapes)
    source_width = fitting((line for event in rows for line in event.stack or ()), most_of_source)
    titles = ["Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
    if memory:
        titles += ["CPU Mem", "Self CPU Mem"]
    titles.append("# of Calls")
    columns = [("Name", name_width, ">"), *((title, _WIDTH, ">") for title in titles)]
    if has_shapes:
        columns.append(("Input Shapes", shapes_width, ">"))
    if has_stacks:
        columns.append(("Source Location", source_width, "<"))
    scale = 1.0
    known = [event.flops for event in rows if event.flops]
    if flops and known:
        scale, title = _flops_unit(min(known))
        columns.append((title, _WIDTH, ">"))
    flops = flops and bool(known)

    def line(cells: list[str]) -> str:
        parts = (f"{cell:{way}{width}}" for cell, (_, width, way) in zip(cells, columns, strict=True))
        return _GAP.join(parts) + _GAP + "\n"

    def time(value: float) -> str:
        return f"{value / _UNITS[time_unit]:.3f}{time_unit}" if time_unit else format_time(value)

    total = sum(event.self_cpu_time_total for event in rows)
    rule = line(["-" * width for _, width, _ in columns])
    double = "=" * (sum(width + len(_GAP) for _, width, _ in columns) - len(_GAP)) + "\n"
    text = ""
    if header is not None:
        text += double + header + "\n"
    if top_level_only:
        text += double + "This report only display top-level ops statistics\n"
    text += rule + line([title for title, _, _ in columns]) + rule
    shown = 0
    for event in rows:
        if shown == row_limit:
            break
        if top_level_only and event.cpu_parent is not None:
            continue
        shown += 1
        name = event.key
        if most_of_name is not None and len(name) >= most_of_name - 3:
            name = name[: most_of_name - 3] + "..."
        cells = [
            name,
            _share(event.self_cpu_time_total, total),
            time(event.self_cpu_time_total),
            _share(event.cpu_time_total, total),
            time(event.cpu_time_total),
            time(event.cpu_time),
        ]
        if memory:
            cells += [format_memory(event.cpu_memory_usage), format_memory(event.self_cpu_memory_usage)]
        cells.append(str(event.count))
        if has_shapes:
            cells.append(str(event.input_shapes)[:shapes_width])
        stack = [entry[:source_width] for entry in event.stack or ()]
        if has_stacks:
            cells.append(stack[0] if stack else "")
        if flops:
            cells.append(f"{event.flops * scale:8.3f}" if event.flops else "--")
        text += line(cells)
        place = len(columns) - (2 if flops else 1)
        for entry in [*stack[1:], ""] if stack else []:
            text += line([entry if i == place else "" for i in range(len(columns))])
    return text + rule + f"Self CPU time total: {time(total)}\n"
