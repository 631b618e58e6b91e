"""Switching the recording of operations on and off: contexts that also decorate functions."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]


class _GradMode:
    """Sets the mode of this thread on entry and puts it back on exit."""

    __slots__ = ("_before", "_mode")

    def __init__(self, mode: bool) -> None:
        self._mode = mode
        self._before = True

    def __enter__(self) -> None:
        self._before = _C._set_grad_enabled(self._mode)

    def __exit__(self, *_exception: object) -> None:
        _C._set_grad_enabled(self._before)

    def __call__(self, function: F) -> F:
        """``function``, run in this mode; generators are, too, between their yields."""
        from functools import wraps
        from inspect import isgeneratorfunction

        mode = self._mode
        if isgeneratorfunction(function):

            @wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                source = function(*args, **kwargs)
                reply: Any = None
                while True:
                    try:
                        with _GradMode(mode):
                            item = source.send(reply)
                    except StopIteration as stop:
                        return stop.value
                    reply = yield item

            return generator  # type: ignore[return-value]

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(mode):
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_GradMode):
    """``with no_grad():`` or ``@no_grad()``: nothing is recorded."""

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """``@no_grad`` without brackets decorates as well."""
        made = object.__new__(cls)
        if function is None:
            return made
        made.__init__()  # type: ignore[misc]
        return made(function)

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """``with enable_grad():`` or ``@enable_grad()``: operations are recorded again."""

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """``@enable_grad`` without brackets decorates as well."""
        made = object.__new__(cls)
        if function is None:
            return made
        made.__init__()  # type: ignore[misc]
        return made(function)

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(_GradMode):
    """Sets the mode at once; as a context, puts it back at the end."""

    __slots__ = ()

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        self._before = _C._set_grad_enabled(bool(mode))

    def __enter__(self) -> None:
        _C._set_grad_enabled(self._mode)

    def __call__(self, function: F) -> F:
        """``function``, run in this mode; the mode outside stays as it was."""
        _C._set_grad_enabled(self._before)
        return super().__call__(function)


class inference_mode(_GradMode):
    """As :class:`no_grad`. Tensors made inside are ordinary ones here."""

    __slots__ = ()

    def __new__(cls, mode: Callable[..., Any] | bool = True) -> Any:
        """``@inference_mode`` without brackets decorates as well."""
        made = object.__new__(cls)
        if isinstance(mode, bool):
            return made
        made.__init__()  # type: ignore[misc]
        return made(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)
