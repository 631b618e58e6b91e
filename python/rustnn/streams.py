"""Streams and events: orders of work on a device. The processor has done its work when a call returns."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["Event", "Stream"]


def _device(device: Any) -> _C.device:
    found = _C.device("cpu" if device is None else device)
    if found.type != "cpu":
        raise RuntimeError(f"rustnn has no device of type '{found.type}' on this machine")
    return found


def _no_events() -> NoReturn:
    raise RuntimeError("cpu backend doesn't support events.")


class Stream:
    """The one order of work of the processor. RuntimeError for other devices."""

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        self.device = _device(device)
        self.stream_id = 0
        self.device_index = -1
        self.device_type = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.device == other.device

    def __hash__(self) -> int:
        return hash(self.device)

    def __repr__(self) -> str:
        return f"torch.Stream device_type={self.device.type}, device_index=-1, stream_id={self.stream_id}"

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None: ...

    def synchronize(self) -> None:
        """Waits for the work: it is done."""

    def query(self) -> bool:
        """Whether the work is done: True."""
        return True

    def record_event(self, event: Event | None = None) -> NoReturn:
        """RuntimeError: the processor has no events."""
        _no_events()

    def wait_event(self, event: Event) -> None:
        """Lets later work wait for an event: nothing is waited for."""

    def wait_stream(self, stream: Stream) -> NoReturn:
        """RuntimeError: the processor has no events."""
        _no_events()


class Event:
    """A mark in a stream, which the processor does not have. RuntimeError for other devices."""

    def __init__(
        self,
        device: Any = None,
        *,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
    ) -> None:
        self.device = _device(device)
        self.event_id = 0
        self._timing = enable_timing

    def __repr__(self) -> str:
        return f"torch.Event device_type={self.device.type}, device_index=-1, event_flag=0, event_id=0"

    def record(self, stream: Stream | None = None) -> NoReturn:
        """RuntimeError: the processor has no events."""
        _no_events()

    def query(self) -> bool:
        """Whether the work before the mark is done: True."""
        return True

    def synchronize(self) -> None:
        """Waits for the work before the mark: it is done."""

    def wait(self, stream: Stream | None = None) -> None:
        """Lets a stream wait for the mark: there is nothing to wait for."""

    def elapsed_time(self, end_event: Event) -> float:
        """ValueError or RuntimeError: nothing was recorded."""
        if not (self._timing and end_event._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        _no_events()
