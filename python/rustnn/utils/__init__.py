"""Tools around the engine. ``rustnn.utils.data`` is imported when it is first used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["data"]


def __getattr__(name: str) -> ModuleType:
    if name == "data":
        from importlib import import_module

        return import_module("rustnn.utils.data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
