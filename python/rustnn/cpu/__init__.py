"""The processor, by the functions that other kinds of devices have."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "get_capabilities",
    "is_available",
    "is_initialized",
    "set_device",
    "stream",
    "synchronize",
]


class Stream:
    """The one order of work of the processor: it is done when a call returns."""

    def __init__(self, priority: int = -1) -> None: ...

    def wait_stream(self, stream: Any) -> None:
        """Waits for another order of work: it is done."""

    def record_event(self) -> None:
        """Marks nothing: the processor has no events."""

    def wait_event(self, event: Any) -> None:
        """Waits for a mark: it is reached."""


class Event:
    """A mark that is always reached."""

    def query(self) -> bool:
        """Whether it is reached: True."""
        return True

    def record(self, stream: Any = None) -> None:
        """Changes nothing."""

    def synchronize(self) -> None:
        """Waits for nothing."""

    def wait(self, stream: Any = None) -> None:
        """Waits for nothing."""


_default = Stream()
_entered = threading.local()


def current_stream(device: Any = None) -> Stream:
    """The order of work that a context asks for, or the one that there is."""
    return getattr(_entered, "stream", None) or _default


class StreamContext:
    """``with stream(s):`` makes ``s`` the current one; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._before: list[Stream | None] = []

    def __enter__(self) -> None:
        self._before.append(getattr(_entered, "stream", None))
        if self.stream is not None:
            _entered.stream = self.stream

    def __exit__(self, *exception: object) -> None:
        _entered.stream = self._before.pop()


def stream(stream: Stream) -> StreamContext:
    """A context in which work is in an order: there is but one."""
    return StreamContext(stream)


def is_available() -> bool:
    """Whether there is a processor: True."""
    return True


def is_initialized() -> bool:
    """Whether the processor is in use: True."""
    return True


def device_count() -> int:
    """It counts as one device."""
    return 1


def current_device() -> str:
    """Its name as a device."""
    return "cpu"


def set_device(device: Any) -> None:
    """Changes nothing: there is one only."""


def synchronize(device: Any = None) -> None:
    """Waits for what runs: nothing does, once an operation has returned."""


def get_capabilities() -> Mapping[str, bool | int | str]:
    """The name and number of processors, and (on x86-64 under Linux) the instructions they have."""
    from rustnn.cpu.capabilities import capabilities

    return capabilities()


def __getattr__(name: str) -> Any:
    if name == "amp":
        from importlib import import_module

        return import_module("rustnn.cpu.amp")
    raise AttributeError(f"module 'rustnn.cpu' has no attribute '{name}'")
