"""The switches of PyTorch's compiler: taken, and without effect, as everything runs eagerly."""

from __future__ import annotations

from types import SimpleNamespace

from rustnn.compiler import allow_in_graph, compile, disable, is_compiling, reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "allow_in_graph",
    "config",
    "disable",
    "graph_break",
    "is_compiling",
    "mark_dynamic",
    "mark_static",
    "optimize",
    "reset",
]

# Any attribute can be set.
config = SimpleNamespace(suppress_errors=False, verbose=False, cache_size_limit=8, recompile_limit=8)


def graph_break(msg: str = "") -> None:
    """Nothing: there is no graph."""


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Nothing: all sizes may change."""


def mark_static(t: Any, index: Any = None, **options: Any) -> None:
    """Nothing: all sizes may change."""


def optimize(backend: Any = "inductor", **options: Any) -> Callable[[Any], Any]:
    """A decorator that gives back the function, as ``compile`` does."""
    return lambda function: compile(function)
