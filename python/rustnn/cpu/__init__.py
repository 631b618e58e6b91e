"""The processor, by the functions that other kinds of devices have."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["current_device", "device_count", "is_available", "is_initialized", "set_device", "synchronize"]


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


def __getattr__(name: str) -> Any:
    if name == "amp":
        from importlib import import_module

        return import_module("rustnn.cpu.amp")
    raise AttributeError(f"module 'rustnn.cpu' has no attribute '{name}'")
