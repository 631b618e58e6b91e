"""Intel's GPUs: not supported, and these functions say so."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize"]


def is_available() -> bool:
    """Whether a GPU can be used: False."""
    return False


def device_count() -> int:
    """Number of GPUs: 0."""
    return 0


def empty_cache() -> None:
    """Frees memory that is held back on the GPU; without one, nothing happens."""


def manual_seed(seed: int) -> None:
    """Seeds the generator of a GPU; without one, nothing happens."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs; without one, nothing happens."""


def synchronize(device: Any = None) -> NoReturn:
    """Waits for the GPU. RuntimeError, as there is none."""
    raise RuntimeError("rustnn does not support the device type 'xpu'")
