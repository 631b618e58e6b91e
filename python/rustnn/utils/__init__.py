"""Tools around the engine. Its modules are imported when they are first used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn.utils.model_summary import summary as summary
    from rustnn.utils.viz import make_dot as make_dot

_modules = [
    "_pytree",
    "activations",
    "benchmark",
    "checkpoint",
    "data",
    "dlpack",
    "hooks",
    "model_zoo",
    "nan_watch",
    "tensorboard",
    "viz",
]
_names = {"make_dot": "viz", "summary": "model_summary"}

__all__ = [*_modules, *_names]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _modules:
        return import_module(f"rustnn.utils.{name}")
    if name in _names:
        value = globals()[name] = getattr(import_module(f"rustnn.utils.{_names[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
