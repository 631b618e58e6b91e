"""How long a statement takes.

`Timer` runs it often, `Measurement` says how sure the answer is, `Compare` puts many of them into a table.
"""

from __future__ import annotations

import math
import statistics
from time import perf_counter as timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["Compare", "Measurement", "TaskSpec", "Timer", "timer"]

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


class TaskSpec:
    """What was measured: the statement, what was run before it, and what it is called."""

    def __init__(
        self,
        stmt: str,
        setup: str,
        global_setup: str = "",
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
    ) -> None:
        self.stmt = stmt
        self.setup = setup
        self.global_setup = global_setup
        self.label = label
        self.sub_label = sub_label
        self.description = description
        self.env = env
        self.num_threads = num_threads

    @property
    def title(self) -> str:
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        if "\n" not in self.stmt:
            return self.stmt
        return f"stmt:{f' ({self.sub_label})' if self.sub_label else ''}\n" + "\n".join(
            f"  {line}" for line in self.stmt.splitlines()
        )


class Measurement:
    """The times of several runs, in seconds for one execution.

    ``raw_times`` are for ``number_per_run`` of them.
    """

    def __init__(
        self,
        number_per_run: int,
        raw_times: list[float],
        task_spec: TaskSpec,
        metadata: dict[Any, Any] | None = None,
    ) -> None:
        self.number_per_run = number_per_run
        self.raw_times = raw_times
        self.task_spec = task_spec
        self.metadata = metadata

    def __getattr__(self, name: str) -> Any:
        # The names of what was measured are the measurement's own too.
        if name.startswith("_") or name == "task_spec":
            raise AttributeError(name)
        return getattr(self.task_spec, name)

    @property
    def times(self) -> list[float]:
        return [time / self.number_per_run for time in self.raw_times]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.times)

    @property
    def iqr(self) -> float:
        """The width of the middle half of the times."""
        times = self.times
        if len(times) < 2:
            return 0.0
        first, _, third = statistics.quantiles(times, n=4, method="inclusive")
        return third - first

    @property
    def significant_figures(self) -> int:
        """How many digits of the median mean something, by how far the times lie apart."""
        if len(self.raw_times) < 2:
            return 1
        # The middle half of normal numbers is 1.35 standard deviations wide.
        error = 1.25 * self.iqr / 1.35 / math.sqrt(len(self.raw_times))
        if error <= 0:
            return 5
        return min(max(math.floor(math.log10(self.median / error)), 1), 5)

    @property
    def as_row_name(self) -> str:
        """What a row of a table with this measurement is called."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    @property
    def has_warnings(self) -> bool:
        return not self.meets_confidence()

    def meets_confidence(self, threshold: float = 0.2) -> bool:
        """Whether there are enough times, and the middle half of them lies within this part of the median."""
        return len(self.raw_times) >= 4 and self.iqr / self.median < threshold

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Measurements of the same statement in one: all its times, each for a single execution."""
        groups: dict[tuple[Any, ...], list[Measurement]] = {}
        for one in measurements:
            groups.setdefault(tuple(vars(one.task_spec).values()), []).append(one)
        return [
            Measurement(1, [time for one in group for time in one.times], group[0].task_spec)
            for group in groups.values()
        ]

    def __repr__(self) -> str:
        spec, median, runs = self.task_spec, self.median, len(self.raw_times)
        scale, unit = next((pair for pair in _UNITS if median >= pair[0]), _UNITS[-1])
        lines = [f"<{__name__}.Measurement object at {id(self):#x}>", spec.title]
        if spec.description:
            lines.append(spec.description)
        if spec.setup and spec.setup != "pass":
            lines.append(f"setup: {spec.setup}" if "\n" not in spec.setup else f"setup:\n{spec.setup}")
        if runs > 1:
            lines += [f"  Median: {median / scale:.2f} {unit}", f"  IQR:    {self.iqr / scale:.2f} {unit}"]
        else:
            lines.append(f"  {median / scale:.2f} {unit}")
        each = f"{self.number_per_run} runs per measurement, " if self.number_per_run > 1 else ""
        threads = f"{spec.num_threads} thread{'s' if spec.num_threads > 1 else ''}"
        lines.append(f"  {runs} measurement{'s' if runs > 1 else ''}, {each}{threads}")
        if runs > 1 and self.has_warnings:
            lines.append(
                f"  WARNING: the middle half of the times is {self.iqr / median:.0%} of the median wide."
            )
        return "\n".join(lines)


class Timer:
    """Times the statement ``stmt``, after ``setup``, with the names in ``globals``.

    It runs with ``num_threads`` threads, unlike `timeit`: one, unless said otherwise. Only Python is timed:
    ValueError for another ``language``.
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: str = "python",
    ) -> None:
        import textwrap
        import timeit

        if str(language).lower() not in ("python", "py", "language.python"):
            raise ValueError(f"only Python can be timed, not {language!r}")
        if global_setup:
            raise ValueError(
                f"global_setup is C++ only, got `{global_setup}`. Most likely this code can "
                "simply be moved to `setup`."
            )
        stmt, setup = (textwrap.dedent(text).strip() for text in (stmt, setup))
        self._spec = TaskSpec(stmt, setup, "", label, sub_label, description, env, num_threads)
        import rustnn

        self._timer = timeit.Timer(stmt, setup, timer, globals={"torch": rustnn, **(globals or {})})

    def _time(self, number: int) -> float:
        from rustnn import _C

        before = _C.get_num_threads()
        try:
            _C.set_num_threads(self._spec.num_threads)
            return max(self._timer.timeit(number), 1e-9)
        finally:
            _C.set_num_threads(before)

    def timeit(self, number: int = 1000000) -> Measurement:
        """Run the statement this many times, after a few to warm up: one measurement."""
        self._time(max(number // 100, 2))
        return Measurement(number, [self._time(number)], self._spec)

    def _block_size(self, min_run_time: float) -> int:
        """How many executions take so long that reading the clock does not matter."""
        reading = statistics.median(self._overhead() for _ in range(5))
        number = 1
        while True:
            taken = self._time(number)
            if (reading / taken <= 1e-4 and taken >= min_run_time / 1000) or taken > min_run_time:
                return number
            number *= 10

    @staticmethod
    def _overhead() -> float:
        start = timer()
        return timer() - start

    def blocked_autorange(
        self, callback: Callable[[int, float], object] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Run blocks of executions until ``min_run_time`` seconds have passed.

        ``callback(number, seconds)`` is called after each block.
        """
        number = self._block_size(min_run_time)
        times: list[float] = []
        while sum(times) < min_run_time or len(times) < 2:
            times.append(self._time(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._spec)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], object] | None = None,
    ) -> Measurement:
        """Run blocks until the middle half of the times lies within ``threshold`` of the median, or time
        is over.
        """
        number = self._block_size(0.05)
        times: list[float] = []
        while True:
            spent = 0.0
            while spent < min_run_time or len(times) < 4:
                times.append(self._time(number))
                spent += times[-1]
                if callback is not None:
                    callback(number, times[-1])
            result = Measurement(number, times, self._spec)
            if result.meets_confidence(threshold) or sum(times) > max_run_time:
                return result


class Compare:
    """Measurements as a table: a row for each ``sub_label``, a column for each ``description``."""

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results: list[Measurement] = []
        self._trim = False
        self._colours = ""
        self._warnings = False
        self.extend_results(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements. ValueError for what is none."""
        for result in results:
            if not isinstance(result, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(result)} instead.")
            self._results.append(result)

    def trim_significant_figures(self) -> None:
        """Show only the digits that mean something."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Colour the times in a terminal: green the best of a column (or row), red those twice as long."""
        self._colours = "row" if rowwise else "column"

    def highlight_warnings(self) -> None:
        """Mark times so far apart that their median says little, with the width of the middle half."""
        self._warnings = True

    def print(self) -> None:
        print(self)

    def __str__(self) -> str:
        results = Measurement.merge(self._results)
        labels = dict.fromkeys(result.label for result in results)
        return "\n\n".join(self._table(label, [r for r in results if r.label == label]) for label in labels)

    def _table(self, label: str | None, results: list[Measurement]) -> str:
        columns = list(dict.fromkeys(result.description or "" for result in results))
        rows = list(dict.fromkeys((result.num_threads, result.as_row_name) for result in results))
        fastest = min(result.median for result in results)
        scale, unit = next((pair for pair in _UNITS if fastest >= pair[0]), _UNITS[-1])
        cells = {
            (r.num_threads, r.as_row_name, r.description or ""): self._cell(r, r.median / scale)
            for r in results
        }
        name = max(len(row) for _, row in rows)
        widths = [
            max(len(column), *(len(cells.get((*row, column), "")) for row in rows)) for column in columns
        ]
        lines = [" " * name + "".join(f" | {c:>{w}}" for c, w in zip(columns, widths, strict=True))]
        threads = None
        for row in rows:
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} thread{'s' if threads > 1 else ''}:".ljust(len(lines[0]), "-"))
            texts = (
                self._coloured(cells.get((*row, column), "").rjust(w), (*row, column), results)
                for column, w in zip(columns, widths, strict=True)
            )
            lines.append(row[1].ljust(name) + "".join(f" | {text}" for text in texts))
        head = f"[ {label or ''} ]".center(len(lines[0]), "-")
        return "\n".join([head, *lines, f"Times are in {unit}."])

    def _coloured(self, text: str, place: tuple[int, str, str], results: list[Measurement]) -> str:
        if not self._colours or not text.strip():
            return text
        places = {(r.num_threads, r.as_row_name, r.description or ""): r.median for r in results}
        of_row = self._colours == "row"
        group = [v for at, v in places.items() if (at[:2] == place[:2] if of_row else at[2] == place[2])]
        ratio = places[place] / min(group)
        code = "32;1" if ratio < 1.05 else "31" if ratio >= 2 else ""
        return f"\033[{code}m{text}\033[0m" if code else text

    def _cell(self, result: Measurement, value: float) -> str:
        text = self._number(result, value)
        if self._warnings and result.has_warnings:
            text = f"(! {result.iqr / result.median:.0%}) {text}"
        return text

    def _number(self, result: Measurement, value: float) -> str:
        if not self._trim:
            return f"{value:.1f}"
        digits = result.significant_figures - 1 - math.floor(math.log10(value))
        return f"{round(value, digits):.{max(digits, 0)}f}"
