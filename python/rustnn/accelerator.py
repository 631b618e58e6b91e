"""The accelerator of this machine, whatever its kind: a GPU of NVIDIA's, where there is one."""

from __future__ import annotations

from collections import OrderedDict

from rustnn import _C, cuda

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "empty_host_cache",
    "get_device_capability",
    "get_memory_info",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def is_available() -> bool:
    """Whether an accelerator can be used."""
    return cuda.is_available()


def device_count() -> int:
    """Number of accelerators."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> _C.device | None:
    """The kind of accelerator, as a device without an index; None where there is none."""
    return _C.device("cuda") if is_available() else None


def _index(device: Any) -> int:
    """The number of the accelerator that is meant; the current one if none is named.

    RuntimeError if there is none, ValueError for a device of another kind.
    """
    if not is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")
    if device is None:
        return cuda.current_device()
    if isinstance(device, int):
        return device
    asked = _C.device(device)
    if asked.type != "cuda":
        raise ValueError(f"{asked.type} doesn't match the current accelerator cuda.")
    return cuda.current_device() if asked.index is None else asked.index


# ---- the current one ----


def current_device_index() -> int:
    """The number of the accelerator that is meant where none is named. RuntimeError if there is none."""
    return _index(None)


current_device_idx = current_device_index


def set_device_index(device: Any, /) -> None:
    """Makes an accelerator the current one of this thread. RuntimeError if there is none."""
    cuda.set_device(_index(device))


set_device_idx = set_device_index


class device_index:
    """A context in which an accelerator is the current one; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device
        self._before = -1

    def __enter__(self) -> None:
        if self.idx is not None:
            self._before = current_device_index()
            set_device_index(self.idx)

    def __exit__(self, *exception: object) -> None:
        if self.idx is not None:
            set_device_index(self._before)


def current_stream(device: Any = None, /) -> cuda.Stream:
    """The order of work that is meant where none is named. RuntimeError if there is no accelerator."""
    return cuda.current_stream(_index(device))


def set_stream(stream: cuda.Stream) -> None:
    """Makes an order of work the current one. RuntimeError if there is no accelerator."""
    _index(None)
    cuda.set_stream(stream)


def synchronize(device: Any = None, /) -> None:
    """Waits for all work of an accelerator. RuntimeError if there is none."""
    cuda.synchronize(_index(device))


def get_device_capability(device: Any = None, /) -> dict[str, set[_C.dtype]]:
    """``supported_dtypes``: those of its tensors. RuntimeError if there is no accelerator."""
    _index(device)
    names = "uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128 bool"
    return {"supported_dtypes": {getattr(_C, name) for name in names.split()}}


# ---- memory ----


def empty_cache() -> None:
    """Frees memory that is held back on the accelerator; without one, nothing happens."""
    cuda.empty_cache()


def empty_host_cache() -> None:
    """Frees page-locked memory that is held back: none is."""


def memory_stats(device: Any = None, /) -> OrderedDict[str, Any]:
    """Counts and bytes of the allocator by name; empty without an accelerator."""
    return OrderedDict(sorted(cuda.memory_stats(_index(device)).items()) if is_available() else ())


def memory_allocated(device: Any = None, /) -> int:
    """Bytes in use on the accelerator; 0 without one."""
    return cuda.memory_allocated(_index(device)) if is_available() else 0


def max_memory_allocated(device: Any = None, /) -> int:
    """The most bytes that were in use on the accelerator; 0 without one."""
    return cuda.max_memory_allocated(_index(device)) if is_available() else 0


def memory_reserved(device: Any = None, /) -> int:
    """Bytes that the allocator holds on the accelerator; 0 without one."""
    return cuda.memory_reserved(_index(device)) if is_available() else 0


def max_memory_reserved(device: Any = None, /) -> int:
    """The most bytes that the allocator has held on the accelerator; 0 without one."""
    return cuda.max_memory_reserved(_index(device)) if is_available() else 0


def reset_peak_memory_stats(device: Any = None, /) -> None:
    """Begins to count the most bytes anew; without an accelerator, nothing happens."""
    if is_available():
        cuda.reset_peak_memory_stats(_index(device))


def get_memory_info(device: Any = None, /) -> tuple[int, int]:
    """Free bytes and all bytes of an accelerator. RuntimeError if there is none."""
    return cuda.mem_get_info(_index(device))
