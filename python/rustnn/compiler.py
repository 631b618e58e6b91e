"""``compile`` and its switches: everything runs eagerly, as the kernels are compiled already."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
]

_told = False


def compile(model: Callable[..., Any] | None = None, **options: Any) -> Any:
    """The function or module itself, which runs eagerly; a warning says so once.

    ``fullgraph``, ``dynamic``, ``backend``, ``mode``, ``options`` and ``disable`` are taken and change
    nothing. Without ``model`` it is a decorator. TypeError for other options or what cannot be called.
    """
    unknown = set(options) - {"backend", "disable", "dynamic", "fullgraph", "mode", "options"}
    if unknown:
        raise TypeError(f"compile() got an unexpected keyword argument {min(unknown)!r}")
    if model is None:
        return lambda function: compile(function, **options)
    if not callable(model):
        raise TypeError(f"compile() takes a function or a module, not {type(model).__name__}")
    global _told
    if not _told:
        import warnings

        _told = True
        warnings.warn("torch.compile: rustnn runs everything eagerly; nothing is changed", stacklevel=2)
    return model


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself: nothing is compiled."""
    return fn if fn is not None else lambda inner: inner


def allow_in_graph(fn: Any) -> Any:
    """The function itself, or the functions themselves."""
    return fn


def assume_constant_result(fn: Any) -> Any:
    """The function itself."""
    return fn


class set_stance:
    """``with`` or a call, also above a function: how compiled code is run. There is none."""

    def __init__(self, stance: str = "default", **settings: Any) -> None:
        self.stance = stance

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass

    def __call__(self, fn: Any) -> Any:
        """The function itself."""
        return fn


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of the compilers: none."""
    return []


def is_exporting() -> bool:
    """Whether a model is being exported: False."""
    return False


def is_compiling() -> bool:
    """Whether a function is being compiled: False."""
    return False


is_dynamo_compiling = is_compiling


def reset() -> None:
    """Forgets what was compiled: nothing."""


def cudagraph_mark_step_begin() -> None:
    """Marks the beginning of a step for recorded GPU work: there is none."""
