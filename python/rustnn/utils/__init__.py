"""Tools around the engine. Its modules are imported when they are first used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["checkpoint", "data", "dlpack", "hooks"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        from importlib import import_module

        return import_module(f"rustnn.utils.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
