"""Who may answer calls of public functions: modes, and classes with a ``__torch_function__``.

A mode is a context that sees every call of a function, method or operator before it runs::

    class Printing(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            print(resolve_name(func))
            return func(*args, **(kwargs or {}))

    with Printing():
        rustnn.ones(2) + 1

Within a handler its mode is off. While no mode is on, calls cost what they always cost.
"""

from __future__ import annotations

from _thread import allocate_lock

from rustnn import _C
from rustnn._C import (
    _get_function_stack_at,
    _is_torch_function_mode_enabled,
    _len_torch_function_stack,
    _pop_torch_function_stack,
    _push_on_torch_function_stack,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from types import FunctionType
    from typing import Any

__all__ = [
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]

# Attributes of tensors are shown from now on too.
_C._show_attributes()


# ---- functions that are written in Python ----

# Those that a mode sees as one call, not as the calls that they are made of. "*": all that the module offers.
_WHOLE: dict[str, str] = {
    "autograd": "backward grad",
    "contractions": "*",
    "functional": "atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cartesian_prod meshgrid",
    "histograms": "histogramdd",
    "nn.functional": "*",
    "nn.init": "constant_ kaiming_uniform_ normal_ uniform_",
}
# Of those, the ones that are other names of what they call.
_OTHER_NAMES = {"sigmoid", "tanh", "upsample", "upsample_bilinear", "upsample_nearest"}

_Function: Any = type(lambda: None)


class _Whole:
    """A function of Python that shows its calls while modes are on.

    Whoever has imported the function holds it, so it is the function's code that is exchanged. The first call
    without modes puts it back: then calls cost what they always did.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.code = function.__code__
        self.plain = _Function(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        self.plain.__kwdefaults__ = function.__kwdefaults__
        self.plain.__qualname__ = function.__qualname__
        # What `inspect.signature` follows.
        function.__wrapped__ = self.plain  # type: ignore[attr-defined]
        calling = _call_whole.__code__
        self.calling_code = calling.replace(
            co_consts=tuple(self if c == "whole" else c for c in calling.co_consts),
            co_name=self.code.co_name,
            co_qualname=self.code.co_qualname,
        )

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Poolings with indices are functions of their own, which these call.
        if _is_torch_function_mode_enabled() and not kwargs.get("return_indices"):
            return _C._handle_torch_function(self.function, (*args, *kwargs.values()), args, kwargs)
        if not _modes_on:
            self.hide()
        return self.plain(*args, **kwargs)

    def hide(self) -> None:
        """Let calls go straight to the function again."""
        with _lock:
            if not _modes_on and self.function.__code__ is self.calling_code:
                self.function.__code__ = self.code
                _hidden.append(self)


def _call_whole(*args: Any, **kwargs: Any) -> Any:
    whole: Any = "whole"  # a constant, in whose place each function's code has its own object
    return whole(args, kwargs)


# Functions that have their own code, once `_find_whole_functions` was called.
_hidden: list[_Whole] = []
_found_all = False
_modes_on = 0
_lock = allocate_lock()


def _find_whole_functions() -> None:
    from importlib import import_module

    for module_name, names in _WHOLE.items():
        module = import_module(f"rustnn.{module_name}")
        for name in module.__all__ if names == "*" else names.split():
            function = getattr(module, name)
            if isinstance(function, _Function) and name not in _OTHER_NAMES:
                _hidden.append(_Whole(function))


def _push_mode(mode: TorchFunctionMode) -> None:
    global _found_all, _modes_on
    with _lock:
        if not _found_all:
            _find_whole_functions()
            _found_all = True
        while _hidden:
            whole = _hidden.pop()
            whole.function.__code__ = whole.calling_code
        _modes_on += 1
    _push_on_torch_function_stack(mode)


def _pop_mode() -> Any:
    global _modes_on
    mode = _pop_torch_function_stack()
    with _lock:
        _modes_on -= 1
    return mode


def _pop_mode_temporarily() -> AbstractContextManager[Any]:
    """A context in which the innermost mode is off."""
    from contextlib import contextmanager

    @contextmanager
    def without() -> Iterator[Any]:
        mode = _pop_mode()
        try:
            yield mode
        finally:
            _push_mode(mode)

    return without()


# ---- modes ----


class TorchFunctionMode:
    """A context that sees every call of a public function; subclasses define ``__torch_function__``.

    Modes can be nested: the innermost sees a call first, and what its handler calls is seen by the next.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """What the call of ``func`` gives; ``NotImplemented`` leaves it to others."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        _push_mode(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _pop_mode()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> TorchFunctionMode:
        """A new mode of this class. Outdated: ``with Mode():`` does."""
        import warnings

        warnings.warn(
            "`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`", stacklevel=2
        )
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that lets every call through as it is."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> Any:
    """The innermost mode, or None."""
    count = _len_torch_function_stack()
    return _get_function_stack_at(count - 1) if count else None


def _get_current_function_mode_stack() -> list[Any]:
    """The modes from the outermost to the innermost."""
    return [_get_function_stack_at(i) for i in range(_len_torch_function_stack())]


# ---- for functions of one's own ----


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether a mode or the class of an argument wants to answer a call."""
    return _C._has_torch_function(tuple(relevant_args))


def has_torch_function_unary(tensor: Any) -> bool:
    """``has_torch_function`` of one argument."""
    return _C._has_torch_function((tensor,))


def has_torch_function_variadic(*args: Any) -> bool:
    """``has_torch_function`` of several arguments."""
    return _C._has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Have the call ``public_api(*args, **kwargs)`` answered by the mode or the classes of ``relevant_args``.

    TypeError if nobody answers.
    """
    return _C._handle_torch_function(public_api, tuple(relevant_args), args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[..., Any]:
    """A decorator for functions whose calls modes and classes shall see.

    ``dispatcher`` has the function's parameters and gives the arguments that matter.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        from functools import wraps

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether an object is a tensor, or its class has a ``__torch_function__``."""
    return type(inp) is _C.Tensor or hasattr(inp, "__torch_function__")


# ---- which functions there are ----

_NAMESPACES = ("", "functional", "nn.functional", "nn.init", "Tensor", "linalg", "fft", "special")

# Functions that no mode sees: they are about the library, or make tensors out of something else.
_UNSEEN = {
    "from_file",
    "from_numpy",
    "from_dlpack",
    "is_tensor",
    "is_storage",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_anomaly_enabled",
    "is_anomaly_check_nan_enabled",
    "manual_seed",
    "seed",
    "initial_seed",
    "get_rng_state",
    "set_rng_state",
    "get_default_dtype",
    "set_default_dtype",
    "get_num_threads",
    "set_num_threads",
    "clear_autocast_cache",
    "broadcast_shapes",
    "get_device_module",
    "to_dlpack",
}


def _places() -> Iterator[tuple[Any, str, str]]:
    """Each namespace with its public names: (namespace, "torch.linalg", "inv")."""
    from importlib import import_module

    for namespace in _NAMESPACES:
        place: Any = (
            _C.Tensor
            if namespace == "Tensor"
            else import_module(f"rustnn.{namespace}" if namespace else "rustnn")
        )
        for name in vars(place) if namespace == "Tensor" else getattr(place, "__all__", vars(place)):
            yield place, f"torch.{namespace}" if namespace else "torch", name


def _found(overridable: bool) -> Iterator[tuple[Any, str, Any]]:
    """(namespace, name, function) of all functions that modes see, or of the others."""
    for place, prefix, name in _places():
        value: Any = getattr(place, name, None)
        if place is _C.Tensor:
            seen = name not in (
                "__init_subclass__",
                "__torch_function__",
                "__new__",
                "__hash__",
                "as_subclass",
            )
            if type(value).__name__ == "getset_descriptor":
                value = value.__get__
        elif name.startswith("_"):
            continue
        else:
            seen = name not in _UNSEEN
        if callable(value) and not isinstance(value, type) and seen == overridable:
            yield place, f"{prefix}.{name}", value


def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """The functions that modes and classes can answer, by the namespace that has them."""
    functions: dict[Any, list[Callable[..., Any]]] = {}
    for place, _, function in _found(True):
        functions.setdefault(place, []).append(function)
    return functions


def get_ignored_functions() -> set[Callable[..., Any]]:
    """Public functions that modes and classes do not see."""
    return {function for _, _, function in _found(False)}


def get_testing_overrides() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For each function that can be answered, one with any arguments that gives -1."""
    return {function: (lambda *args, **kwargs: -1) for _, _, function in _found(True)}


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether ``func``, as handlers are given it, is a method or an attribute's getter of Tensor."""
    if getattr(func, "__name__", "") in ("__get__", "__set__", "__delete__"):
        return True
    return getattr(_C.Tensor, getattr(func, "__name__", ""), None) == func


_names: dict[Any, str] = {}


def resolve_name(f: Callable[..., Any]) -> str | None:
    """The path of a function that modes see: "torch.Tensor.add"; None for others."""
    accessor = getattr(f, "__name__", "")
    if accessor in ("__get__", "__set__", "__delete__"):
        owner: Any = f.__self__  # type: ignore[attr-defined]
        return f"torch.Tensor.{getattr(owner, '__name__', '')}.{accessor}"
    if not _names:
        for _, name, function in _found(True):
            if name.endswith(f".{getattr(function, '__name__', '')}") or function not in _names:
                _names[function] = name
    return _names.get(f)


def get_default_nowrap_functions() -> set[Any]:
    """Attributes whose values stay plain tensors when a class answers for them."""
    tensor: Any = vars(_C.Tensor)
    return {tensor["_base"].__get__, tensor["grad"].__get__}
