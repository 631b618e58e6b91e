"""TorchScript's names: functions and modules run eagerly as they are; no code is written to files."""

from __future__ import annotations

from collections import namedtuple

from rustnn.nn.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

__all__ = [
    "Attribute",
    "CompilationUnit",
    "Error",
    "Future",
    "ScriptFunction",
    "ScriptModule",
    "annotate",
    "enable_onednn_fusion",
    "export",
    "export_opnames",
    "fork",
    "freeze",
    "ignore",
    "interface",
    "isinstance",
    "load",
    "onednn_fusion_enabled",
    "optimize_for_inference",
    "save",
    "script",
    "script_if_tracing",
    "set_fusion_strategy",
    "strict_fusion",
    "trace",
    "trace_module",
    "unused",
    "wait",
]

_told = False


class Error(Exception):
    """What TorchScript raises for code that fails."""


class TracerWarning(Warning):
    """What tracing warns of."""


class ScriptModule(Module):
    """The base of compiled modules: a module."""


class ScriptFunction:
    """The class of compiled functions: none are made."""


class CompilationUnit:
    """Functions compiled from text: RuntimeError."""

    def __init__(self, lang: str | None = None, _frames_up: int = 0) -> None:
        _no_script("CompilationUnit", "write the functions in Python")


# A value with the type that a module's attribute has.
Attribute = namedtuple("Attribute", ["value", "type"])


class Future:
    """A value that is there already: `fork` runs its function at once."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def wait(self) -> Any:
        """The value."""
        return self._value

    def value(self) -> Any:
        """The value."""
        return self._value

    def done(self) -> bool:
        """Whether it is there: True."""
        return True


def _no_script(what: str, instead: str) -> NoReturn:
    raise RuntimeError(f"jit.{what}: rustnn has no TorchScript; {instead}")


def _tell(what: str) -> None:
    global _told
    if not _told:
        import warnings

        _told = True
        warnings.warn(f"torch.jit.{what}: rustnn runs everything eagerly; nothing is changed", stacklevel=3)


def script(
    obj: Any,
    optimize: None = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> Any:
    """The function, class or module itself, which runs eagerly; a warning says so once."""
    _tell("script")
    return obj


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: Any = None,
    _store_inputs: bool = True,
) -> Any:
    """The function or module itself, which runs eagerly; a warning says so once."""
    _tell("trace")
    return func


def trace_module(mod: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """The module itself, which runs eagerly; a warning says so once."""
    _tell("trace_module")
    return mod


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """RuntimeError: code is not written. ``torch.save`` writes the state."""
    _no_script("save()", "torch.save(model.state_dict(), f) writes the parameters")


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> Any:
    """RuntimeError: code is not read. ``torch.load`` reads a state."""
    _no_script("load()", "build the model in Python and load its state_dict")


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """The module itself."""
    return mod


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """The module itself."""
    return mod


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Decorates what is not to be compiled: the function itself. Also as ``@ignore(drop=True)``."""
    return drop if callable(drop) else lambda fn: fn


def _itself(fn: Any) -> Any:
    """The function or class itself."""
    return fn


unused = export = interface = script_if_tracing = script_method = _itself


def export_opnames(m: Any) -> list[str]:
    """The operations of a compiled module: none."""
    return []


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value; the type is for the compiler."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether an object is of a type, of which parameters such as in ``list[int]`` are checked too."""
    import builtins
    from types import UnionType
    from typing import Any as anything
    from typing import Union, get_args, get_origin

    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, one) for one in target_type)
    if target_type is anything:
        return True
    origin, args = get_origin(target_type), get_args(target_type)
    if target_type in (list, tuple, dict, Union):
        name = getattr(target_type, "__name__", "Union")
        raise RuntimeError(
            f"Attempted to use {name} without a contained type. Please add a contained type, e.g. {name}[int]"
        )
    if origin is None:
        return builtins.isinstance(obj, target_type)
    if origin in (Union, UnionType):
        return any(isinstance(obj, one) for one in args)
    if not builtins.isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(key, args[0]) and isinstance(value, args[1]) for key, value in obj.items())
    if origin is tuple and Ellipsis not in args:
        return len(obj) == len(args) and all(map(isinstance, obj, args))
    return all(isinstance(item, args[0]) for item in obj)


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
    """Runs the function now; `wait` gives its value."""
    return Future(func(*args, **kwargs))


def wait(future: Future) -> Any:
    """The value of `fork`."""
    return future.wait()


def is_scripting() -> bool:
    """Whether the code is being compiled: False."""
    return False


def is_tracing() -> bool:
    """Whether the code is being traced: False."""
    return False


def enable_onednn_fusion(enabled: bool) -> None:
    """A switch of the compiler, which changes nothing."""


def onednn_fusion_enabled() -> bool:
    """Whether the compiler fuses by oneDNN: False."""
    return False


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """How the compiler fuses, which changes nothing; what it was."""
    return strategy


class strict_fusion:
    """``with``: complains of what is not fused. Nothing is."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass


class optimized_execution(strict_fusion):
    """``with``: whether compiled code is optimized. There is none."""

    def __init__(self, should_optimize: bool) -> None:
        pass


def __getattr__(name: str) -> Any:
    if name == "Final":  # typing is slow to import
        from typing import Final

        return Final
    raise AttributeError(f"module 'rustnn.jit' has no attribute '{name}'")
