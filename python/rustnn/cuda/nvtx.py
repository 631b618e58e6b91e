"""Marks for NVIDIA's profiler: without it, nothing happens."""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["mark", "range", "range_pop", "range_push"]


def mark(msg: str) -> None:
    """Marks a moment."""


def range_push(msg: str) -> int:
    """Begins a range; -2, as in PyTorch without the profiler."""
    return -2


def range_pop() -> int:
    """Ends a range; -2, as in PyTorch without the profiler."""
    return -2


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """``with range("name"):`` marks what is inside."""
    yield
