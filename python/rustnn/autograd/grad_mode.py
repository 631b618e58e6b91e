"""Switching the recording of operations on and off: contexts that also decorate functions."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]


class _DecoratorContextManager:
    """A context that, called with a function, decorates it: the function then runs in the context."""

    def clone(self) -> Self:
        """A fresh context of the same kind: one for each call of a decorated function."""
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exception: object) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        """``function``, run in this context; generators are, too, between their yields."""
        from functools import partial, wraps
        from inspect import isclass, isgeneratorfunction

        clone = self.clone
        if isclass(function):
            import warnings

            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only "
                "decorate functions or methods. To preserve the current behavior of class decoration, "
                "you can "
                "directly decorate the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
        if isgeneratorfunction(function):

            @wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                source = function(*args, **kwargs)
                resume: Callable[[], Any] = partial(next, source)
                while True:
                    try:
                        with clone():
                            item = resume()
                    except StopIteration as stop:
                        return stop.value
                    try:
                        resume = partial(source.send, (yield item))
                    except GeneratorExit:
                        with clone():
                            source.close()
                        raise
                    except BaseException as error:
                        resume = partial(source.throw, error)

            return generator  # type: ignore[return-value]

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with clone():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """One that needs no arguments, and so no brackets where it decorates."""

    if TYPE_CHECKING:

        @overload
        def __new__(cls, function: None = None) -> Self: ...

        @overload
        def __new__(cls, function: F) -> F: ...  # type: ignore[misc]

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """The context, or the decorated function."""
        made = super().__new__(cls)
        return made if function is None else made(function)


class no_grad(_NoParamDecoratorContextManager):
    """``with no_grad():`` or ``@no_grad``: nothing is recorded."""

    def __enter__(self) -> None:
        self._before = _C._set_grad_enabled(False)

    def __exit__(self, *exception: object) -> None:
        _C._set_grad_enabled(self._before)


class enable_grad(_NoParamDecoratorContextManager):
    """``with enable_grad():`` or ``@enable_grad``: operations are recorded again."""

    def __enter__(self) -> None:
        self._before = _C._set_grad_enabled(True)

    def __exit__(self, *exception: object) -> None:
        _C._set_grad_enabled(self._before)


class set_grad_enabled(_DecoratorContextManager):
    """Sets the mode at once; as a context, puts it back at the end."""

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self.mode = mode
        self._before = _C._set_grad_enabled(mode)

    def __enter__(self) -> None:
        _C._set_grad_enabled(self.mode)

    def __exit__(self, *exception: object) -> None:
        _C._set_grad_enabled(self._before)

    def __call__(self, function: F) -> F:
        """``function``, run in this mode; the mode outside stays as it was."""
        _C._set_grad_enabled(self._before)
        return super().__call__(function)

    def __str__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    __repr__ = __str__

    def clone(self) -> set_grad_enabled:
        """A context with the same mode; the mode now is left alone until it is entered."""
        made = object.__new__(type(self))
        made.mode, made._before = self.mode, _C.is_grad_enabled()
        return made


class inference_mode(_DecoratorContextManager):
    """As ``no_grad``; and tensors made inside can never take part in a graph (``is_inference()``).

    Outside they can be read, but not be saved for a backward or be changed in place.
    ``inference_mode(False)``
    inside an ``inference_mode()`` is as outside of it.
    """

    if TYPE_CHECKING:

        @overload
        def __new__(cls, mode: bool = True) -> Self: ...

        @overload
        def __new__(cls, mode: F) -> F: ...  # type: ignore[misc]

    def __new__(cls, mode: Callable[..., Any] | bool = True) -> Any:
        """``@inference_mode`` without brackets decorates as well."""
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cls()(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self._before = _C._set_mode(not self.mode, self.mode)

    def __exit__(self, *exception: object) -> None:
        _C._set_mode(*self._before)

    def clone(self) -> inference_mode:
        """A context with the same mode."""
        return type(self)(self.mode)


class set_multithreading_enabled(_DecoratorContextManager):
    """Accepted for PyTorch's sake: a backward always runs in the thread that asks for it."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass

    def clone(self) -> set_multithreading_enabled:
        """A context with the same mode."""
        return type(self)(self.mode)
