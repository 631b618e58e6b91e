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

    __slots__ = ("_before",)
    _mode: bool

    def __enter__(self) -> None:
        self._before = _C._set_grad_enabled(self._mode)

    def __exit__(self, *_exception: object) -> None:
        _C._set_grad_enabled(self._before)

    def __call__(self, function: F) -> F:
        """``function``, run in this mode; generators are, too, between their yields."""
        from functools import partial, wraps
        from inspect import isgeneratorfunction

        mode = self._mode
        if isgeneratorfunction(function):

            @wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                source = function(*args, **kwargs)
                resume: Callable[[], Any] = partial(next, source)
                while True:
                    try:
                        with set_grad_enabled(mode):
                            item = resume()
                    except StopIteration as stop:
                        return stop.value
                    try:
                        resume = partial(source.send, (yield item))
                    except BaseException as error:  # thrown in from outside, or the end of it all
                        resume = partial(source.throw, error)

            return generator  # type: ignore[return-value]

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with set_grad_enabled(mode):
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_GradMode):
    """``with no_grad():`` or ``@no_grad()``: nothing is recorded."""

    __slots__ = ()
    _mode = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """``@no_grad`` without brackets decorates as well."""
        made = object.__new__(cls)
        return made if function is None else made(function)


class enable_grad(_GradMode):
    """``with enable_grad():`` or ``@enable_grad()``: operations are recorded again."""

    __slots__ = ()
    _mode = True

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """``@enable_grad`` without brackets decorates as well."""
        made = object.__new__(cls)
        return made if function is None else made(function)


class set_grad_enabled(_GradMode):
    """Sets the mode at once; as a context, puts it back at the end."""

    __slots__ = ("_mode",)

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self._mode = mode
        self._before = _C._set_grad_enabled(mode)

    def __enter__(self) -> None:
        _C._set_grad_enabled(self._mode)

    def __call__(self, function: F) -> F:
        """``function``, run in this mode; the mode outside stays as it was."""
        _C._set_grad_enabled(self._before)
        return super().__call__(function)


class inference_mode(_GradMode):
    """As :class:`no_grad`. Tensors made inside are ordinary ones here."""

    __slots__ = ("_mode",)

    def __new__(cls, mode: Callable[..., Any] | bool = True) -> Any:
        """``@inference_mode`` without brackets decorates as well."""
        made = object.__new__(cls)
        made._mode = mode is False  # a function in the place of the mode counts as True
        return made if isinstance(mode, bool) else made(mode)
