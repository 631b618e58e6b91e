"""The accelerator of this machine: there is none that rustnn can use yet."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from rustnn._C import device

__all__ = [
    "current_accelerator",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "is_available",
    "max_memory_allocated",
    "memory_allocated",
    "reset_peak_memory_stats",
    "set_device_index",
    "synchronize",
]


def is_available() -> bool:
    """Whether there is an accelerator: False."""
    return False


def device_count() -> int:
    """Number of accelerators: 0."""
    return 0


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of accelerator, as a device: None."""
    return None


def _missing(*args: Any, **kwargs: Any) -> NoReturn:
    """Needs an accelerator. RuntimeError, as there is none."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


current_device_index = _missing
current_stream = _missing
device_index = _missing
set_device_index = _missing
synchronize = _missing


def empty_cache() -> None:
    """Frees memory that is held back on the accelerator; without one, nothing happens."""


def memory_allocated(device_index: Any = None) -> int:
    """Bytes in use on the accelerator: 0."""
    return 0


def max_memory_allocated(device_index: Any = None) -> int:
    """The most bytes that were in use on the accelerator: 0."""
    return 0


def reset_peak_memory_stats(device_index: Any = None) -> None:
    """Begins to count anew; without an accelerator, nothing happens."""
