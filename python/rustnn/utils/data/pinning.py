"""Batches in page-locked memory, which a GPU reads by itself while the loop goes on."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["pin_memory"]


def pin_memory(data: Any) -> Any:
    """``data`` with its tensors, and what else has a ``pin_memory`` method, pinned: in mappings and sequences
    too, which keep their classes where they can."""
    if isinstance(data, Tensor):
        return data.pin_memory()
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _pin_mapping(data)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(pin_memory, data))
    if isinstance(data, tuple):
        return [pin_memory(part) for part in data]  # a list, as ever
    if isinstance(data, Sequence):
        return _pin_sequence(data)
    return data


def _pin_mapping(data: Mapping[Any, Any]) -> Any:
    pinned = {key: pin_memory(value) for key, value in data.items()}
    try:
        if isinstance(data, MutableMapping):
            import copy

            # A copy has what the class keeps besides its items.
            copied = copy.copy(data)
            copied.update(pinned)
            return copied
        return type(data)(pinned)  # type: ignore[call-arg]
    except TypeError:
        return pinned


def _pin_sequence(data: Sequence[Any]) -> Any:
    pinned = [pin_memory(part) for part in data]
    try:
        if isinstance(data, MutableSequence):
            import copy

            copied = copy.copy(data)
            copied[:] = pinned
            return copied
        return type(data)(pinned)  # type: ignore[call-arg]
    except TypeError:
        return pinned
