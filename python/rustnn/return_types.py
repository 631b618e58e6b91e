"""Named tuples that operations with several results return."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_classes: dict[str, Any] = {}


class _Result(tuple):  # type: ignore[type-arg]
    """Results by position and by name."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        pairs = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{pairs})"


def _class_of(name: str, fields: tuple[str, ...]) -> Any:
    from operator import itemgetter

    getters = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
    made = type(name, (_Result,), {"__slots__": (), "_fields": fields, "__module__": __name__, **getters})
    setattr(sys.modules[__name__], name, made)
    return made


def make(name: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """The results of the operation ``name``."""
    found = _classes.get(name)
    if found is None:
        found = _classes[name] = _class_of(name, fields)
    return found(values)
