"""Profiles of programs: times, shapes, memory and lines of Python, by operation.

See docs/PROFILING.md for an example.
"""

from __future__ import annotations

from enum import Enum

from rustnn.autograd import profiler as autograd_profiler
from rustnn.autograd.profiler import record_function
from rustnn.autograd.profiler_util import DeviceType
from rustnn.profiler.schedules import ProfilerAction, schedule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self

    from rustnn.autograd.profiler_util import EventList

__all__ = [
    "DeviceType",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


class ProfilerActivity(Enum):
    """What a profile looks at."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


def supported_activities() -> set[ProfilerActivity]:
    """What profiles can look at here."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """Whether traces can be exported."""
    return True


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """An ``on_trace_ready`` that writes each trace into a directory, as TensorBoard's plugin reads them.

    RuntimeError where the directory cannot be made.
    """
    import os
    import socket
    import time

    def handler(prof: profile) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError("Can't create directory: " + dir_name) from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handler


class profile:
    """A context that records every operation in it, or in those steps that ``schedule`` says.

    ``record_shapes``, ``profile_memory``, ``with_stack`` and ``with_flops`` add to what events know (see
    ``autograd.profiler.profile``). ``with_modules`` does what it does in PyTorch outside of TorchScript: the
    trace says that it was asked for; ``with_stack`` shows where modules call.
    With a schedule, call ``step()`` after each step of the program; ``on_trace_ready`` is called with the
    profiler at the end of each cycle. ``acc_events`` keeps the events of earlier cycles.
    AssertionError if ``activities`` has none that is supported.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
    ) -> None:
        self.activities = set(activities) if activities is not None else supported_activities()
        if not self.activities & supported_activities():
            raise AssertionError("No valid profiler activities found")
        if ProfilerActivity.CUDA in self.activities and activities is not None:
            import warnings

            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)
        self.record_shapes = record_shapes
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.acc_events = acc_events
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.custom_trace_id_callback = custom_trace_id_callback
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.step_rec_fn: record_function | None = None
        self.profiler: autograd_profiler.profile | None = None
        self.preset_metadata: dict[str, Any] = {}

    # ---- recording ----

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, as the schedule says for step 0."""
        self._change(ProfilerAction.NONE, self.current_action)
        self._begin_step()

    def stop(self) -> None:
        """End; a cycle that has recorded something is ready, even if it is not complete."""
        self._end_step()
        self._change(self.current_action, None)

    def step(self) -> None:
        """Say that a step of the program is over."""
        self._end_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        self._change(before, self.current_action)
        self._begin_step()

    def _begin_step(self) -> None:
        if self.record_steps:
            self.step_rec_fn = record_function(f"ProfilerStep#{self.step_num}")
            self.step_rec_fn.__enter__()

    def _end_step(self) -> None:
        if self.step_rec_fn is not None:
            self.step_rec_fn.__exit__(None, None, None)
            self.step_rec_fn = None

    def _change(self, before: ProfilerAction, after: ProfilerAction | None) -> None:
        """Start and stop between two steps."""
        recording = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        going_on = before is ProfilerAction.RECORD and after in recording
        if before in recording and not going_on:
            self.stop_trace()
            if before is ProfilerAction.RECORD_AND_SAVE or after is None:
                if self.on_trace_ready is not None:
                    self.on_trace_ready(self)
            else:
                self._warn_of_schedule("RECORD", after)
        if before is ProfilerAction.WARMUP and after is ProfilerAction.NONE:
            self._warn_of_schedule("WARMUP", after)
        if after in recording and not going_on:
            self.start_trace()

    def _warn_of_schedule(self, before: str, after: ProfilerAction | None) -> None:
        import warnings

        name = after.name if after is not None else "the end"
        warnings.warn(f"Incorrect schedule: {before} followed by {name}", stacklevel=4)

    def prepare_trace(self) -> None:
        """Make the recorder that ``start_trace`` starts."""
        if self.profiler is None or not self.acc_events:
            self.profiler = autograd_profiler.profile(
                record_shapes=self.record_shapes,
                with_flops=self.with_flops,
                profile_memory=self.profile_memory,
                with_stack=self.with_stack,
                with_modules=self.with_modules,
                acc_events=self.acc_events,
            )

    def start_trace(self) -> None:
        """Begin to record. RuntimeError if another profile is being taken."""
        self.prepare_trace()
        assert self.profiler is not None
        self.profiler._start_trace()

    def stop_trace(self) -> None:
        """Cease to record. AssertionError if it was not begun."""
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before stopping trace")
        self.profiler.__exit__(None, None, None)

    # ---- what was recorded ----

    def _recorded(self, doing: str) -> autograd_profiler.profile:
        if self.profiler is None:
            raise AssertionError(f"Profiler must be initialized before {doing}")
        return self.profiler

    def events(self) -> EventList:
        """All events in the order in which they began. AssertionError before there are any."""
        return self._recorded("accessing events")._events()

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Events of one name together; see ``EventList.key_averages``."""
        return self._recorded("getting key averages").key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Write a file for chrome://tracing or Perfetto, compressed if ``path`` ends in ".gz"."""
        from rustnn.profiler.trace import write_trace

        events = self._recorded("exporting chrome trace")._events()
        asked = ("with_stack", "profile_memory", "record_shapes", "with_modules", "with_flops")
        settings = {name: 1 for name in asked if getattr(self, name)}
        metadata = {"trace_id": self.get_trace_id() or "", **settings, **self.preset_metadata}
        write_trace(events, path, metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write what flame graphs are drawn of; needs ``with_stack``."""
        self._recorded("exporting stacks").export_stacks(path, metric)

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Write how much memory was in use over time, as JSON: times in microseconds, and bytes.

        AssertionError without ``profile_memory``.
        """
        if not self.profile_memory:
            raise AssertionError("profile_memory=True required for memory profiling")
        import json

        changes = sorted(
            (event.time_range.end, event.self_cpu_memory_usage)
            for event in self.events()
            if event.self_cpu_memory_usage
        )
        times, sizes, total = [], [], 0
        for time, change in changes:
            total += change
            times.append(time)
            sizes.append(total)
        with open(path, "w") as file:
            json.dump([times, sizes], file)

    def add_metadata(self, key: str, value: str) -> None:
        """Add a text to the trace's own entries."""
        self.preset_metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Add a value, given as JSON, to the trace's own entries."""
        import json

        self.preset_metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json

    def get_trace_id(self) -> str | None:
        """The name that ``custom_trace_id_callback`` gives the trace."""
        return self.custom_trace_id_callback() if self.custom_trace_id_callback else None
