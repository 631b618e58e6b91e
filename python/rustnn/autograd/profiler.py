"""Profiles: what runs, when, for how long, and with how much memory."""

from __future__ import annotations

from rustnn import _C
from rustnn.autograd.profiler_util import EventList, FunctionEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from rustnn.autograd.profiler_util import FunctionEventAvg

__all__ = ["EventList", "FunctionEvent", "emit_itt", "emit_nvtx", "profile", "record_function"]


class record_function:
    """A part of a program that shall be an event of its own: a context, or a decorator.

    ``args`` is only kept. Where no profile is taken, it does nothing.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self._event: Any = None

    def __enter__(self) -> Self:
        self._event = _C._ProfileEvent(self.name) if _C._profile_on() else None
        return self

    def __exit__(self, *exception: object) -> None:
        if self._event is not None:
            self._event.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        from functools import wraps

        @wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.name, self.args):
                return function(*args, **kwargs)

        return recorded


def _make_events(plain: list[Any], with_flops: bool) -> list[FunctionEvent]:
    """The engine's events as objects in the order in which they began, each with those within it."""
    made: dict[int, FunctionEvent] = {}
    plain.sort(key=lambda event: (event[5], event[0]))
    for i, event in enumerate(plain, 1):
        number, parent, thread, name, scope, start, end, sequence, nbytes, arguments, stack = event
        flops: int | None = None
        if with_flops:
            from rustnn.profiler.flops import count_flops

            flops = count_flops(name, arguments)
        made[number] = FunctionEvent(
            i,
            "ProfilerStep*" if name.startswith("ProfilerStep#") else name,
            thread,
            start / 1e3,
            end / 1e3,
            input_shapes=[sizes or [] for _, sizes, _, _ in arguments],
            stack=stack,
            scope=scope,
            cpu_memory_usage=nbytes,
            sequence_nr=sequence,
            flops=flops,
            concrete_inputs=[text or None for _, _, _, text in arguments],
            input_dtypes=[kind for _, _, kind, _ in arguments],
            trace_name=name,
        )
        outer = made.get(parent)
        if outer is not None:
            outer.append_cpu_child(made[number])
            made[number].set_cpu_parent(outer)
    return list(made.values())


class profile:
    """A context that records every operation in it. ``str(prof)`` is a table.

    With ``record_shapes`` events know the shapes of their inputs, with ``with_flops`` how many operations
    on numbers matrix products, convolutions, additions and multiplications take, with ``profile_memory``
    how much memory tensors took, with ``with_stack`` the lines of Python that called them. RuntimeError if
    a profile is being taken already.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Any = None,
    ) -> None:
        self.enabled = enabled
        self.record_shapes = record_shapes
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.acc_events = acc_events
        self.entered = False
        self.function_events: EventList | None = None
        if use_cuda or use_device not in (None, "cpu"):
            import warnings

            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)

    def __enter__(self) -> Self:
        if not self.enabled:
            return self
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._start_trace()
        return self

    def _start_trace(self) -> None:
        from rustnn.profiler.annotations import annotate

        self.entered = True
        _C._profile_start(self.record_shapes or self.with_flops, self.profile_memory, self.with_stack)
        annotate(True)

    def __exit__(self, *exception: object) -> None:
        if not self.enabled or not self.entered:
            return
        from rustnn.profiler.annotations import annotate

        self.entered = False
        annotate(False)
        plain, _ = _C._profile_stop()
        events = _make_events(plain, self.with_flops)
        if not self.record_shapes:
            for event in events:
                event.input_shapes = []
        if self.acc_events and self.function_events is not None:
            events = [*self.function_events, *events]
        self.function_events = EventList(events, self.profile_memory, self.with_flops)

    def _events(self) -> EventList:
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def __repr__(self) -> str:
        if self.enabled and self.function_events is None:
            return "<unfinished torch.autograd.profile>"
        return repr(self.function_events)

    def __str__(self) -> str:
        if self.enabled and self.function_events is None:
            return "<unfinished torch.autograd.profile>"
        return str(self.function_events)

    def table(self, *args: Any, **kwargs: Any) -> str:
        """See ``EventList.table``."""
        return self._events().table(*args, **kwargs)

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """See ``EventList.key_averages``."""
        return self._events().key_averages(*args, **kwargs)

    def total_average(self) -> FunctionEventAvg:
        """See ``EventList.total_average``."""
        return self._events().total_average()

    def export_chrome_trace(self, path: str) -> None:
        """See ``EventList.export_chrome_trace``."""
        self._events().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """See ``EventList.export_stacks``; AssertionError without ``with_stack``."""
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        self._events().export_stacks(path, metric)

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, each counted once, in microseconds."""
        return self._events().self_cpu_time_total


class emit_nvtx:
    """Ranges for NVIDIA's profiler: RuntimeError when entered, since there is no NVIDIA driver."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled

    def __enter__(self) -> Self:
        if self.enabled:
            raise RuntimeError(
                "emit_nvtx() needs an NVIDIA GPU and driver, and none is found on your system."
            )
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class emit_itt(emit_nvtx):
    """Ranges for Intel's VTune: RuntimeError when entered."""

    def __enter__(self) -> Self:
        if self.enabled:
            raise RuntimeError("emit_itt() needs Intel's ITT library, which is not part of this build.")
        return self
