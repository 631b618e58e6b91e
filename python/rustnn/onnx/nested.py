"""Tensors in nested lists, tuples and dicts."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["exchanged", "tensors_in"]


def tensors_in(found: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    if isinstance(found, _C.Tensor):
        yield found
    elif isinstance(found, (list, tuple)):
        for part in found:
            yield from tensors_in(part)
    elif isinstance(found, dict):
        for part in found.values():
            yield from tensors_in(part)
    elif isinstance(found, slice):
        yield from tensors_in([found.start, found.stop, found.step])


def exchanged(found: Any, new: Callable[[Any], Any]) -> Any:
    """Nested lists, tuples and dicts with other leaves; of what is none, the leaf."""
    if isinstance(found, dict):
        return {key: exchanged(part, new) for key, part in found.items()}
    if isinstance(found, (list, tuple)) and not hasattr(found, "_fields"):
        parts = [exchanged(part, new) for part in found]
        return tuple(parts) if isinstance(found, tuple) else parts
    if hasattr(found, "_fields"):
        kind = type(found)
        parts = [exchanged(part, new) for part in found]
        # Named results of operations take one tuple, named tuples of Python their parts.
        return kind(*parts) if hasattr(found, "_make") else kind(tuple(parts))
    if isinstance(found, slice):
        return slice(new(found.start), new(found.stop), new(found.step))
    return new(found)
