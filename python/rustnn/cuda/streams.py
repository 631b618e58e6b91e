"""Streams: orders of work on a GPU; and events: marks in them."""

from __future__ import annotations

from rustnn import _C
from rustnn.cuda import _index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Event", "Stream", "StreamContext", "current_stream", "default_stream", "set_stream", "stream"]


class Stream:
    """An order of work on a GPU. RuntimeError if there is none.

    A GPU has 32 streams besides its default one, which are given out in turn.
    """

    def __init__(self, device: Any = None, priority: int = 0, *, _handle: int | None = None) -> None:
        self.device_index = _index(device)
        self.cuda_stream = _C._cuda_new_stream(self.device_index) if _handle is None else _handle
        self.priority = priority

    @property
    def device(self) -> _C.device:
        """The GPU that the stream belongs to."""
        return _C.device("cuda", self.device_index)

    def query(self) -> bool:
        """Whether all work of the stream is done."""
        return _C._cuda_stream_is_idle(self.device_index, self.cuda_stream)

    def synchronize(self) -> None:
        """Waits until all work of the stream is done."""
        _C._cuda_wait_for_stream(self.device_index, self.cuda_stream)

    def record_event(self, event: Event | None = None) -> Event:
        """Puts a mark behind the work that the stream has now."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Lets later work of this stream wait for a mark."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Lets later work of this stream wait for what another one has now."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, int]:
        return self.device_index, self.cuda_stream

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device=cuda:{self.device_index} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A mark in a stream. With ``enable_timing``, the time between two marks can be told."""

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        if interprocess:
            raise NotImplementedError("events that processes share are not implemented")
        self.enable_timing = enable_timing
        self._event: _C._CudaEvent | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Puts the mark behind the work that the stream has now: the current one if none is named."""
        stream = stream or current_stream()
        if self._event is None:
            self._event = _C._CudaEvent(stream.device_index, self.enable_timing)
        self._event.record(stream.cuda_stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Lets later work of a stream wait for the mark."""
        if self._event is not None:
            self._event.hold((stream or current_stream()).cuda_stream)

    def query(self) -> bool:
        """Whether the work before the mark is done; True if it was never recorded."""
        return self._event is None or self._event.query()

    def synchronize(self) -> None:
        """Waits for the work before the mark."""
        if self._event is not None:
            self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to a later one. ValueError for marks without timing."""
        if self._event is None or end_event._event is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return self._event.elapsed_time(end_event._event)


def current_stream(device: Any = None) -> Stream:
    """The stream that this thread's work on a GPU goes to."""
    index = _index(device)
    return Stream(index, _handle=_C._cuda_current_stream(index))


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes to unless another one is chosen."""
    return Stream(_index(device), _handle=0)


def set_stream(stream: Stream | None) -> None:
    """Sends this thread's work to another stream; None changes nothing."""
    if stream is not None:
        _C._cuda_set_stream(stream.device_index, stream.cuda_stream)


class StreamContext:
    """``with torch.cuda.stream(s):`` sends work to a stream; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._before: Stream | None = None

    def __enter__(self) -> None:
        if self.stream is not None:
            self._before = current_stream(self.stream.device_index)
            set_stream(self.stream)

    def __exit__(self, *exception: object) -> None:
        set_stream(self._before)


def stream(stream: Stream | None) -> StreamContext:
    """A context in which work goes to a stream."""
    return StreamContext(stream)
